"""What is asked of a corpus: fields of a form, and the conditions that they stand for.

Each field is one boolean expression, the same as rules of selection are written in. So a query is also a rule, if it
reads no more than rules may: documents and signals.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.labeling.workbench.column_store import ColumnStore

LONGEST = 10_000
"""Characters of a field."""
KEPT, DROPPED = "kept", "dropped"
_NUMBER = re.compile(r"[+-]?\d{1,12}(\.\d{1,12})?")


@dataclass(frozen=True)
class Query:
    """A question to a corpus; every field is a text, as in an address, and empty where nothing is asked.

    Attributes:
        where: a boolean expression of DuckDB.
        text: to look for in titles of questions and in texts, without regard to case.
        regex: "1": `text` is a regular expression (RE2).
        site, kind, tag: of the document.
        decision: kept, dropped, or the reason of a drop.
        since, until: the first and the last day on which it was written, YYYY-MM-DD.
        lowest, highest: bounds of the score.
        task: of which the next four are.
        label: of the task; `least` and `most`: bounds of its probability.
        first, second: functions or people whose votes differ; `first_label`, `second_label`: what they say.
        sort: a column, written TABLE.COLUMN; empty: the order of the corpus.
        down: "1": the largest first.
        near: a threshold (`thresholds`), whose nearest come first, in place of `sort`.
        threshold: the number, where it is not the threshold's own.
    """

    where: str = ""
    text: str = ""
    regex: str = ""
    site: str = ""
    kind: str = ""
    tag: str = ""
    decision: str = ""
    since: str = ""
    until: str = ""
    lowest: str = ""
    highest: str = ""
    task: str = ""
    label: str = ""
    least: str = ""
    most: str = ""
    first: str = ""
    second: str = ""
    first_label: str = ""
    second_label: str = ""
    sort: str = ""
    down: str = ""
    near: str = ""
    threshold: str = ""

    @staticmethod
    def of(values: Mapping[str, Any]) -> "Query":
        """A query by the names of its fields; other names are left out.

        Raises:
            InputError: a field is too long, or no text.
        """
        fields = {field.name for field in dataclasses.fields(Query)}
        given = {name: value for name, value in values.items() if name in fields}
        for name, value in given.items():
            if not isinstance(value, str) or len(value) > LONGEST:
                raise InputError(f"{name}: a text of at most {LONGEST:,} characters is expected")
        return Query(**{name: value.strip() if name != "text" else value for name, value in given.items()})

    @property
    def given(self) -> dict[str, str]:
        """The fields that are not empty."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value}

    def but(self, **fields: str) -> "Query":
        """The query with other values of some fields."""
        return dataclasses.replace(self, **fields)


@dataclass(frozen=True)
class Condition:
    """What a field stands for.

    Attributes:
        field: its name, for messages.
        text: as an expression.
    """

    field: str
    text: str


def literal(value: str) -> str:
    """A text as it is written in SQL."""
    return "'" + value.replace("'", "''") + "'"


def _number(query: Query, field: str) -> str:
    value = str(getattr(query, field))
    if not _NUMBER.fullmatch(value):
        raise InputError(f"{field}: a number is expected, not {value[:40]!r}")
    return value


def _day(query: Query, field: str) -> str:
    value = str(getattr(query, field))
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise InputError(f"{field}: a day is expected, such as 2020-01-31, not {value[:40]!r}") from None


def text_condition(query: Query) -> Condition | None:
    """The search for a text."""
    if not query.text.strip():
        return None
    if query.regex:
        holds, sought = "regexp_matches({}, {}, 'i')", literal(query.text)
    else:
        holds, sought = "contains(lower({}), {})", literal(query.text.lower())
    own, title = (holds.format(f"documents.{column}", sought) for column in ("text", "title"))
    # An answer has its question's title.
    return Condition("text", f"{own} OR (documents.kind = 'question' AND coalesce({title}, false))")


def conditions(query: Query, store: ColumnStore) -> list[Condition]:
    """What the fields stand for, but for the text and for functions that disagree.

    Raises:
        InputError: a field can't be what it should be.
    """
    where = f"{query.where}\n" if "--" in query.where else query.where  # behind a remark, brackets would be lost
    conditions = [Condition("where", where)] if where else []
    fields = ((field, getattr(query, field)) for field in ("site", "kind"))
    conditions += [Condition(field, f"documents.{field} = {literal(value)}") for field, value in fields if value]
    if query.tag:
        conditions.append(Condition("tag", f"list_contains(documents.tags, {literal(query.tag)})"))
    if query.decision:
        reason = f"decisions.reason = {literal(query.decision)}"
        known = {KEPT: "decisions.keep", DROPPED: "NOT decisions.keep"}
        conditions.append(Condition("decision", known.get(query.decision, reason)))
    if query.since:
        conditions.append(Condition("since", f"documents.created >= TIMESTAMPTZ '{_day(query, 'since')} 00:00:00+00'"))
    if query.until:
        day = f"TIMESTAMPTZ '{_day(query, 'until')} 23:59:59.999+00'"
        conditions.append(Condition("until", f"documents.created <= {day}"))
    if query.lowest:
        conditions.append(Condition("lowest", f"documents.score >= {_number(query, 'lowest')}"))
    if query.highest:
        conditions.append(Condition("highest", f"documents.score <= {_number(query, 'highest')}"))
    if query.task:
        conditions += _of_task(query, store)
    elif query.label or query.least or query.most or query.first or query.second:
        raise InputError("task: choose the task whose label, probability or functions are meant")
    return conditions


def _of_task(query: Query, store: ColumnStore) -> list[Condition]:
    table = store.task_table(query.task)
    if table not in store.tasks:
        raise InputError(f"task: the corpus has no labels of {query.task[:40]!r}; it has {', '.join(store.tasks)}")
    spans = "spans" in store.schemas[table].names
    conditions = []
    if query.label and not spans:
        conditions.append(Condition("label", f"{table}.label = {literal(query.label)}"))
    elif query.label:
        raise InputError(f"label: labels of {query.task} are of spans; choose by probability, or by functions")
    if query.least:
        conditions.append(Condition("least", f"{table}.probability >= {_number(query, 'least')}"))
    if query.most:
        conditions.append(Condition("most", f"{table}.probability <= {_number(query, 'most')}"))
    if bool(query.first) != bool(query.second):
        raise InputError("functions: choose two of them")
    return conditions


def as_expression(query: Query, store: ColumnStore) -> str:
    """All conditions as one expression, the search for a text too; empty where nothing is asked.

    Raises:
        InputError: as of `conditions`; or the query asks what no expression can: where functions disagree.
    """
    if query.first:
        raise InputError("no expression says where two functions disagree")
    every = conditions(query, store)
    if (search := text_condition(query)) is not None:
        every.append(search)
    texts = [condition.text for condition in every]
    return texts[0] if len(texts) == 1 else " AND ".join(f"({text})" for text in texts)
