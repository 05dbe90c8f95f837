"""Numbers at which a corpus is divided: of rules of selection, and of the labels of a task."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.corpus.selection import expressions
from socorpus.corpus.selection.expressions import Expression, ExpressionError
from socorpus.labeling.workbench.column_store import ColumnStore
from socorpus.labeling.workbench.queries import Query

_OURS = (
    ("too_short", "statistics.words", ("selection", "min_words")),
    ("too_long", "statistics.chars", ("selection", "max_chars")),
    ("low_score", "documents.score", ("selection", "min_score")),
    ("language", "language.probability", ("selection", "language_probability")),
    ("mostly_code", "statistics.code_share", ("selection", "max_code_share")),
    ("contaminated", "contamination.overlap", ("selection", "max_overlap")),
    ("near_duplicate", "near.link_jaccard", ("near", "threshold")),
    ("code_duplicate", "near_code.link_jaccard", ("near", "threshold")),
)
"""Reasons of our rules, the number that each looks at, and the key of its threshold."""


@dataclass(frozen=True)
class Threshold:
    """A threshold.

    Attributes:
        name: in addresses: `rule:REASON`, `rule:REASON:NUMBER` or `task:NAME`.
        says: in words.
        value: the expression whose value is compared.
        number: what it is compared with.
    """

    name: str
    says: str
    value: str
    number: float


def of_corpus(facts: Mapping[str, Any], store: ColumnStore) -> list[Threshold]:
    """The thresholds of a corpus: of its rules with the numbers of its configuration, then of its tasks."""
    return [*_of_rules(facts, store), *_of_tasks(store)]


def _of_rules(facts: Mapping[str, Any], store: ColumnStore) -> Iterator[Threshold]:
    config = facts["config"]
    for reason, value, (section, key) in _OURS:
        number = config.get(section, {}).get(key)
        if number is not None and value.partition(".")[0] in store.schemas:
            says = f"{reason}: {value.partition('.')[2]} at {number:g} ({section}.{key})"
            yield Threshold(f"rule:{reason}", says, value, float(number))
    for rule in config.get("selection", {}).get("rules", ()):
        try:
            compared = expressions.comparisons(rule["drop_if"])
        except ExpressionError:
            continue
        for place, comparison in enumerate(compared):
            says = f"{rule['reason']}: {comparison.text} at {comparison.threshold:g}"
            yield Threshold(f"rule:{rule['reason']}:{place}", says, comparison.text, comparison.threshold)


def _of_tasks(store: ColumnStore) -> Iterator[Threshold]:
    for table in store.tasks:
        yield Threshold(f"task:{table}", f"{table}: its label and the next one equally likely", f"{table}.margin", 0.0)


def chosen(query: Query, known: list[Threshold], store: ColumnStore) -> tuple[Threshold, Expression]:
    """The threshold of a query, with the columns that its value reads.

    A task has its own number only in the query: then it is the label's probability that is compared.

    Raises:
        InputError: there is no such threshold, or its value is read from texts, or is no number.
    """
    threshold = next((known_one for known_one in known if known_one.name == query.near), None)
    if threshold is None:
        raise InputError(f"near: {query.near[:60]!r} is no threshold of this corpus")
    if query.threshold:
        try:
            number = float(query.threshold)
        except ValueError:
            raise InputError(f"threshold: a number is expected, not {query.threshold[:40]!r}") from None
        value = threshold.value
        if threshold.name.startswith("task:"):
            value = f"{threshold.name.removeprefix('task:')}.probability"
        threshold = Threshold(threshold.name, threshold.says, value, number)
    try:
        read = expressions.check(f"({threshold.value}) > -1e300", store.schemas)
    except ExpressionError as error:
        raise InputError(f"near: {threshold.says}: its value {error}") from None
    if any(store.is_wide(table, column) for table, columns in read.columns.items() for column in columns):
        raise InputError(f"near: {threshold.says}: this value is read from texts, by which a list can't be sorted")
    return threshold, read
