"""Readers of gold labels of a corpus's posts: CSV and JSON Lines of one's own, and the public set of question quality.

A row names its post by `site` and `post_id`, or by `key` (`SITE:POST_ID`), and its `label`. A row of a task of spans is
one span, with `start` and `end` in code points of the example's text, or has `spans`, a list of these, as exported
JSON Lines have; a post with an empty label, or an empty list, has none.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
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
    for where, row in _rows(path, only):
        key = _key(row, only, where)
        if task.spans:
            spans.setdefault(key, set()).update(_marks(row, task, where))
        else:
            label = str(row.get("label") or "")
            if texts.setdefault(key, label) != label:
                raise InputError(f"{where}: {key} has two labels, {texts[key]!r} and {label!r}")
            _known(label, task, where)
    return Gold(texts, {key: frozenset(marks) for key, marks in spans.items()})


def _rows(path: Path, only: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows with their places, for messages."""
    try:
        if path.suffix.lower() in _JSON:
            with path.open(encoding="utf-8-sig") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield f"{path}, line {number}", _object(line, f"{path}, line {number}")
            return
        csv.field_size_limit(_MOST_OF_A_FIELD)
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines)
            columns = table.fieldnames or ()
            if not set(so60k.COLUMNS) <= set(columns):
                for number, row in enumerate(table, 1):
                    yield f"{path}, row {number}", row
                return
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read as CSV or JSON Lines in UTF-8: {error}") from None
    for question in so60k.read(path):
        row = {"site": only or _PUBLIC_SITE, "post_id": question.id, "label": question.label}
        yield f"{path}, question {question.id}", row


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


def _marks(row: Mapping[str, Any], task: Task, where: str) -> Iterator[tuple[int, int, str]]:
    if "spans" in row:
        spans = row["spans"]
        if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
            raise InputError(f"{where}: spans is no list of objects with start, end and label")
    else:
        spans = [row] if row.get("label") else []
    for span in spans:
        label = str(span.get("label") or "")
        _known(label, task, where)
        try:
            start, end = int(str(span.get("start"))), int(str(span.get("end")))
        except ValueError:
            start, end = 0, 0
        if not 0 <= start < end:
            raise InputError(f"{where}: start and end of {label!r} are no span")
        yield start, end, label


def _known(label: str, task: Task, where: str) -> None:
    if label not in task.labels:
        raise InputError(f"{where}: label {label!r} is none of {', '.join(task.labels)}")
