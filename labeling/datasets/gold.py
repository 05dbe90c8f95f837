"""Readers of gold labels of a corpus's posts: CSV and JSON Lines of one's own, and the public set of question quality.

A row names its post by `site` and `post_id`, or by `key` (`SITE:POST_ID`), and its `label`. A row of a task of spans is
one span, with `start` and `end` in code points of the example's text, or has `spans`, a list of these, as exported
JSON Lines have; a post with an empty label, or an empty list, has none.
"""

import csv
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.labeling.datasets import so60k
from socorpus.labeling.schema import Task

Marks = frozenset[tuple[int, int, str]]
"""Starts, ends and labels of the spans of a text."""
_JSON = (".jsonl", ".ndjson", ".json")
SUFFIXES = (*_JSON, ".csv")
"""Endings of files that name posts of a corpus; others have texts of their own."""
_MOST_OF_A_FIELD = 10_000_000
_PUBLIC_SITE = "stackoverflow.com"


@dataclass(frozen=True)
class Gold:
    """Gold labels by key (`SITE:POST_ID`): of whole texts `texts`, of spans `spans`."""

    texts: Mapping[str, str]
    spans: Mapping[str, Marks]


def read(path: Path, task: Task, sites: Sequence[str]) -> Gold:
    """The gold labels of a file.

    Args:
        sites: of the corpus; where there is one, rows need not name it. Rows of the public set are of stackoverflow.com
            otherwise.

    Raises:
        InputError: the file can't be read, or a row lacks its post or label, or has one that the task doesn't have;
            names the row.
    """
    only = sites[0] if len(sites) == 1 else None
    texts: dict[str, str] = {}
    spans: dict[str, set[tuple[int, int, str]]] = {}
    strange: Counter[str] = Counter()
    first = ""
    for where, row in _rows(path, task, only):
        key = _key(row, only, where)
        if task.spans:
            marks = set(_marks(row, where))
            labels = [label for *_, label in sorted(marks)]
            spans.setdefault(key, set()).update(marks)
        else:
            label = str(row.get("label") or "")
            labels = [label]
            if texts.setdefault(key, label) != label:
                raise InputError(f"{where}: {key} has two labels, {texts[key]!r} and {label!r}")
        unknown = [label for label in labels if label not in task.labels]
        first = first or (where if unknown else "")
        strange.update(unknown)
    if strange:
        raise InputError(_strange(task, strange, first))
    return Gold(texts, {key: frozenset(marks) for key, marks in spans.items()})


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


_SHOWN = 5


def _rows(path: Path, task: Task, only: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows with their places, for messages."""
    try:
        if path.suffix.lower() in _JSON:
            with path.open(encoding="utf-8-sig") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        row = _object(line, f"{path}, line {number}")
                        _check_columns(row, task, only, f"{path}, line {number}")
                        yield f"{path}, line {number}", row
            return
        csv.field_size_limit(_MOST_OF_A_FIELD)
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines)
            columns = table.fieldnames or ()
            if not set(so60k.COLUMNS) <= set(columns):
                _check_columns(columns, task, only, str(path))
                for number, row in enumerate(table, 1):
                    yield f"{path}, row {number}", row
                return
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read as CSV or JSON Lines in UTF-8: {error}") from None
    for question in so60k.read(path):
        row = {"site": only or _PUBLIC_SITE, "post_id": question.id, "label": question.label}
        yield f"{path}, question {question.id}", row


def _check_columns(columns: Collection[str], task: Task, only: str | None, where: str) -> None:
    """Refuse columns, or keys of a row, that name no post or no label; says which there are."""
    post = "key" in columns or ("post_id" in columns and ("site" in columns or only is not None))
    label = "spans" in columns or {"start", "end", "label"} <= set(columns) if task.spans else "label" in columns
    if post and label:
        return
    wanted = "post_id" if only is not None else "site and post_id"
    of_spans = ", with start and end, or spans" if task.spans else ""
    shown = ", ".join(map(str, columns)) or "none"
    public = f", or those of the public set ({', '.join(so60k.COLUMNS)})" if task.name == "quality" else ""
    raise InputError(
        f"{where}: has the columns {shown}; gold labels need {wanted}, or key (SITE:POST_ID), and label{of_spans}"
        f"{public}"
    )


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"{where}: is no JSON object")
    return value


def _key(row: Mapping[str, Any], only: str | None, where: str) -> str:
    if row.get("key"):
        site, _, post = str(row["key"]).rpartition(":")
    else:
        site, post = str(row.get("site") or only or ""), str(row.get("post_id") or "")
    if not site or not post.isascii() or not post.isdecimal():
        raise InputError(f"{where}: names no post; it needs site and post_id, or key (SITE:POST_ID)")
    return f"{site}:{int(post)}"


def _marks(row: Mapping[str, Any], where: str) -> Iterator[tuple[int, int, str]]:
    if "spans" in row:
        spans = row["spans"]
        if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
            raise InputError(f"{where}: spans is no list of objects with start, end and label")
    else:
        spans = [row] if row.get("label") else []
    for span in spans:
        label = str(span.get("label") or "")
        try:
            start, end = int(str(span.get("start"))), int(str(span.get("end")))
        except ValueError:
            start, end = 0, 0
        if not 0 <= start < end:
            raise InputError(f"{where}: start and end of {label!r} are no span")
        yield start, end, label
