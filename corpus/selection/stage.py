"""Decisions of one bucket: rules, the election among duplicates, and what they lead to."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.config import Selection, SelectionRule
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.selection import election, expressions
from socorpus.corpus.selection import rules as selection_rules
from socorpus.corpus.selection.expressions import Expression, ExpressionError
from socorpus.corpus.selection.rules import Dropped
from socorpus.corpus.signals.base import SIGNALS
from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.buckets import Bucket, counted


def check(config: Selection) -> tuple[Expression, ...]:
    """Check the configuration's own rules against the columns of documents and signals; their expressions.

    Raises:
        InputError: names the rule, and what is wrong with it.
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
            checked.append(expressions.check(rule.drop_if, _schemas()))
        except ExpressionError as error:
            raise InputError(f"{where}: drop_if = {rule.drop_if!r}: {error}") from None
    return tuple(checked)


def read_by(config: Selection) -> list[str]:
    """The signals that the rules read, those of the configuration's own rules included."""
    own = {name for expression in check(config) for name in expression.columns if name != "documents"}
    return [*selection_rules.SIGNAL_COLUMNS, *sorted(own - set(selection_rules.SIGNAL_COLUMNS))]


def _schemas() -> dict[str, pa.Schema]:
    """Columns that the configuration's own rules may read, by table."""
    found = {"documents": pa.schema([field for field in schema.DOCUMENTS if field.name != "digest"])}
    for name, signal in SIGNALS.items():
        found[name] = pa.schema([signal.columns.field(column) for column in signal.own_columns])
    return found


def apply_rules(root: Path, bucket: Bucket, config: Selection) -> Outcome:
    """The rules of one row: decisions but for duplicates."""
    rows = parquet.read(root / bucket.path("documents"), columns=selection_rules.DOCUMENT_COLUMNS)
    for signal, columns in selection_rules.SIGNAL_COLUMNS.items():
        marks = parquet.read(root / bucket.path(f"signals/{signal}"), columns=columns)
        for column in columns:
            rows = rows.append_column(column, marks[column])
    own = [_own(root, bucket, rule, expression) for rule, expression in zip(config.rules, check(config), strict=True)]
    table = selection_rules.apply_rules(rows, config, own)
    path = bucket.path(".work/rules")
    return Outcome({path: parquet.write(root / path, table, schema.DECISIONS)})


def _own(root: Path, bucket: Bucket, rule: SelectionRule, expression: Expression) -> Dropped:
    """The documents of a bucket that a rule of the configuration drops."""
    folders = {name: name if name == "documents" else f"signals/{name}" for name in expression.columns}
    tables = {
        name: parquet.read(root / bucket.path(folders[name]), columns=columns)
        for name, columns in expression.columns.items()
    }
    try:
        drops = expressions.evaluate(expression, tables)
    except ExpressionError as error:
        where = _first_failing(root, bucket, expression, tables)
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


def _first_failing(root: Path, bucket: Bucket, expression: Expression, tables: Mapping[str, pa.Table]) -> str:
    """The key of the first document on which an expression fails, for the message."""
    keys = parquet.read(root / bucket.path("documents"), columns=["site", "post_id"])
    for row in range(keys.num_rows):
        try:
            expressions.evaluate(expression, {name: table.slice(row, 1) for name, table in tables.items()})
        except ExpressionError:
            return f", on {schema.key(keys['site'][row].as_py(), keys['post_id'][row].as_py())}"
    return ""


def decide(root: Path, bucket: Bucket, elected: str) -> Outcome:
    """The rules' decisions and the elected twins -> decisions; counts what is kept and dropped, and why."""
    lost = parquet.read(root / elected)
    lost = lost.filter(pc.equal(lost["bucket"], bucket.index))
    table = election.drop_duplicates(parquet.read(root / bucket.path(".work/rules")), lost)
    texts = parquet.read(root / bucket.path("documents"), columns=["text"])["text"]
    kept = pc.sum(pc.binary_length(texts.filter(table["keep"]))).as_py() or 0
    path = bucket.path("decisions")
    counts: Mapping[str, Any] = {
        "kept": pc.sum(table["keep"]).as_py() or 0,
        "dropped": dict(sorted(counted(table["reason"].drop_null()).items())),
        "kept_bytes": kept,
    }
    return Outcome({path: parquet.write(root / path, table, schema.DECISIONS)}, counts)


def elect(root: Path, twins: str, buckets: Sequence[Bucket], config: Selection) -> Outcome:
    """Settle all groups of duplicates among the members that the rules keep."""
    members = parquet.read(root / twins)
    keep = np.zeros(members.num_rows, bool)
    where = np.asarray(members["bucket"], dtype=np.int64)
    row = np.asarray(members["row"], dtype=np.int64)
    for bucket in buckets:
        here = np.flatnonzero(where == bucket.index)
        if len(here):
            ruled = parquet.read(root / bucket.path(".work/rules"), columns=["keep"])["keep"]
            keep[here] = np.asarray(ruled)[row[here]]
    table = election.elect(members, keep, config)
    path = ".work/elected.parquet"
    return Outcome({path: parquet.write(root / path, table, table.schema)})
