"""Readers of gold labels of a corpus's posts: a table of one's own (`user_tables`), or the public set of quality.

A row names its post by `site` and `post_id`, or by `key` (`SITE:POST_ID`), and its `label`. A row of a task of spans is
one span, with `start` and `end` in code points of the example's text, or has `spans`, a list of these, as exported
JSON Lines have; a post with an empty label, or an empty list, has none.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.labeling.datasets import so60k, user_tables
from socorpus.labeling.schema import Task

Marks = frozenset[tuple[int, int, str]]
"""Starts, ends and labels of the spans of a text."""
_PUBLIC_SITE = "stackoverflow.com"
_KNOWN = ("site", "post_id", "key", "label", "start", "end", "spans", *so60k.COLUMNS)
_SHOWN = 5


@dataclass(frozen=True)
class Gold:
    """Gold labels by key (`SITE:POST_ID`): of whole texts `texts`, of spans `spans`."""

    texts: Mapping[str, str]
    spans: Mapping[str, Marks]
    places: Mapping[tuple[str, tuple[int, int, str]], str] = field(default_factory=dict)
    """Where each span stands in the file, by key and span."""
    empty: int = 0
    """Rows without a label, which are left out: of a sheet that is filled in by half."""


def read(path: Path, task: Task, sites: Sequence[str]) -> Gold:
    """The gold labels of a file.

    Args:
        sites: of the corpus; where there is one, rows need not name it. Rows of the public set are of stackoverflow.com
            otherwise.

    Raises:
        InputError: the file can't be read, no row of whole texts has a label, or a row lacks its post, or has a label
            that the task doesn't have; names the row.
    """
    texts: dict[str, str] = {}
    spans: dict[str, set[tuple[int, int, str]]] = {}
    places: dict[tuple[str, tuple[int, int, str]], str] = {}
    types: dict[tuple[str, int, int], tuple[str, str]] = {}
    without: dict[str, str] = {}
    strange: Counter[str] = Counter()
    first, empty = "", 0
    for where, row in _rows(path, task, sites):
        if (why := _unfit(row, task, sites)) is not None:
            raise InputError(f"{where}: {why}")
        user_tables.refuse_halves(row, _KNOWN, where)
        if user_tables.EXCESS in row:
            raise InputError(
                f"{where}: has more cells than the table has columns; quote those with a separator in them"
            )
        site, post = user_tables.post_of(row, sites, where)
        key = f"{site}:{post}"
        if _empty(row, task):
            empty += 1
            continue
        if task.spans:
            marks = _marks(row, task, where)
            if not marks and user_tables.text_of(row.get("label")):
                without.setdefault(key, where)
            for start, end, label in marks:
                label_before, before = types.setdefault((key, start, end), (label, where))
                if label_before != label:
                    raise InputError(
                        f"{where}: {start} to {end} of {key} is {label_before} in {before} and {label} here; remove one"
                    )
            labels = [label for *_, label in sorted(marks)]
            spans.setdefault(key, set()).update(marks)
            for mark in marks:
                places.setdefault((key, mark), where)
        else:
            label = user_tables.label_of(row.get("label"), task)
            labels = [label]
            if texts.setdefault(key, label) != label:
                raise InputError(f"{where}: {key} has two labels, {texts[key]!r} and {label!r}")
        unknown = [label for label in labels if label not in task.labels]
        first = first or (where if unknown else "")
        strange.update(unknown)
    for key, where in without.items():
        if spans[key]:
            raise InputError(f"{where}: says that {key} has no spans, and other rows give it some; remove it, or them")
    if strange:
        raise InputError(_strange(task, strange, first))
    if empty and not texts and not spans:
        raise InputError(f"{path}: none of its {empty:,} rows has a label; give one of {', '.join(task.labels)}")
    return Gold(texts, {key: frozenset(marks) for key, marks in spans.items()}, places, empty)


def _empty(row: Mapping[str, Any], task: Task) -> bool:
    """Whether a row says nothing of its post: one that is not filled in, or whose person would not decide.

    A row of a table of spans without a label says that its post has none; in a sheet of spans an empty list does.
    """
    label = user_tables.text_of(row.get("label"))
    if label and user_tables.label_of(label, task) not in task.labels and label.lower() in user_tables.SKIP:
        return True
    if task.spans:
        return not label and "spans" in row and not user_tables.text_of(row["spans"])
    return not label


def _marks(row: Mapping[str, Any], task: Task, where: str) -> list[tuple[int, int, str]]:
    """The spans of a row; none where its label says, as in a sheet, that there is none."""
    given = user_tables.text_of(row.get("label"))
    if given.lower() in user_tables.NOTHING and user_tables.label_of(given, task) not in task.labels:
        user_tables.refuse_span(row, given, where)
        return []
    return user_tables.marks_of(row, task, where)


def _strange(task: Task, strange: Mapping[str, int], first: str) -> str:
    """The sentence on labels that the task does not have: which, how often, and what they may stand for."""
    shown = ", ".join(f"{label!r} ({count:,})" for label, count in sorted(strange.items())[:_SHOWN])
    more = f" and {len(strange) - _SHOWN:,} more" if len(strange) > _SHOWN else ""
    parts = [
        f"{label!r} may be {' or '.join(of)}: a file for --gold has to say which"
        for label in strange
        if len(of := [name for name in task.labels if label and name.startswith(f"{label}_")]) > 1
    ]
    if parts and task.name == "quality":
        parts.append("train-score, and evaluate --on quality=FILE, take the classes of a file as they are")
    return "; ".join(
        [f"{first}: labels that {task.name} does not have: {shown}{more}; it has {', '.join(task.labels)}", *parts]
    )


def _rows(path: Path, task: Task, sites: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows with their places, for messages."""
    site = sites[0] if len(sites) == 1 else _PUBLIC_SITE
    for where, row in user_tables.read(path, _KNOWN, lambda columns: _unfit(columns, task, sites)):
        if not task.spans and _is_public(row):
            more = {name: row[name] for name in (user_tables.EXCESS,) if name in row}
            yield where, {"site": site, "post_id": row["Id"], "label": row["Y"], **more}
        else:
            yield where, row


def _is_public(columns: Collection[str]) -> bool:
    return all(name in columns for name in so60k.COLUMNS)


def _unfit(columns: Collection[str], task: Task, sites: Sequence[str]) -> str | None:
    """The sentence on columns, or keys of a row, that name no post or no label, with those that there are."""
    if not task.spans and _is_public(columns):
        return None
    lacking = user_tables.lacking(columns, task, sites)
    if lacking is None:
        return None
    public = f", or those of the public set ({', '.join(so60k.COLUMNS)})" if task.name == "quality" else ""
    return f"{user_tables.shown(columns)}; gold labels need {lacking}{public}"
