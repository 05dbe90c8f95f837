"""Rules of selection in the configuration: `[[selection.rules]]`, expressions over documents and signals."""

import re
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.config import Selection, SelectionRule
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.selection import election, expressions, rules
from socorpus.corpus.selection.expressions import Expression, ExpressionError
from socorpus.corpus.selection.rules import Dropped
from socorpus.corpus.signals.base import SIGNALS


def check(config: Selection) -> tuple[Expression, ...]:
    """Check the configuration's own rules against the columns of documents and signals; returns their expressions.

    Raises:
        InputError: names the rule and its fault.
    """
    taken = set(election.meanings())
    checked = []
    for number, rule in enumerate(config.rules):
        where = f"selection.rules[{number}], reason {rule.reason!r}"
        if not re.fullmatch(r"[a-z][a-z0-9_]*", rule.reason):
            raise InputError(f"{where}: a reason is written in small letters, digits and _, such as too_loud")
        if rule.reason in taken:
            raise InputError(f"{where}: there is a rule of this reason already; give it another")
        taken.add(rule.reason)
        try:
            checked.append(expressions.check(rule.drop_if, readable_schemas()))
        except ExpressionError as error:
            raise InputError(f"{where}: drop_if = {rule.drop_if!r}: {error}") from None
    return tuple(checked)


def read_by(config: Selection) -> list[str]:
    """The signals that the rules read, those of the configuration's own rules included."""
    own = {name for expression in check(config) for name in expression.columns if name != "documents"}
    return [*rules.SIGNAL_COLUMNS, *sorted(own - set(rules.SIGNAL_COLUMNS))]


def readable_schemas() -> dict[str, pa.Schema]:
    """Columns that the configuration's own rules may read, by table: of documents and of each signal."""
    schemas = {"documents": pa.schema([field for field in schema.DOCUMENTS if field.name != "digest"])}
    for name, signal in SIGNALS.items():
        schemas[name] = pa.schema([signal.columns.field(column) for column in signal.own_columns])
    return schemas


def apply(rule: SelectionRule, expression: Expression, tables: Mapping[str, pa.Table], keys: pa.Table) -> Dropped:
    """The documents that a rule drops.

    Args:
        expression: the rule's, of `check`.
        tables: those that the expression reads, n rows each.
        keys: site and post_id, n rows.

    Raises:
        BuildError: the expression fails on a value; names the rule and the document. Or it takes too much memory.
    """
    try:
        drops = expressions.evaluate(expression, tables)
    except ExpressionError as error:
        where = "" if isinstance(error, expressions.MemoryLimitError) else _first_failing(expression, tables, keys)
        raise BuildError(f"selection rule {rule.reason!r}{where}: {error}") from error
    times_read = Counter(column for columns in expression.columns.values() for column in columns)
    shown = {
        column if times_read[column] == 1 else f"{name}.{column}": table[column]
        for name, table in tables.items()
        for column in table.column_names
        if _may_be_shown(name, table.schema.field(column).type)
    }
    return Dropped(rule.reason, drops, pa.table(shown) if shown else None)


def _may_be_shown(table: str, kind: pa.DataType) -> bool:
    # Texts of documents may hold personal data; what signals make of them is meant to be seen.
    text = pa.types.is_string(kind)
    return not pa.types.is_nested(kind) and not pa.types.is_binary(kind) and not (text and table == "documents")


def _first_failing(expression: Expression, tables: Mapping[str, pa.Table], keys: pa.Table) -> str:
    """The key of the first document on which an expression fails, for the message."""
    for row in range(keys.num_rows):
        try:
            expressions.evaluate(expression, {name: table.slice(row, 1) for name, table in tables.items()})
        except ExpressionError:
            return f", on {schema.key(keys['site'][row].as_py(), keys['post_id'][row].as_py())}"
    return ""
