"""Rows of tables that people make by hand or with a spreadsheet: CSV, JSON Lines, Parquet; with places for messages.

Read is what has one meaning only: any of the usual separators, names of columns in any case, with spaces or a mark of
the byte order, whole numbers that a spreadsheet has turned into `20.0`.
"""

import csv
import io
import itertools
import json
import math
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import boundary, parquet
from socorpus.labeling.schema import Task

_JSON = (".jsonl", ".ndjson", ".json")
SUFFIXES = (*_JSON, ".csv", ".tsv", ".parquet")
"""Endings of the files that can be read."""
_SEPARATORS = (",", ";", "\t")
_MOST_OF_A_FIELD = 10_000_000
_MOST_OF_A_HEAD = 1_000_000
_WHOLE = re.compile(r"[0-9]{1,19}(?:\.0*)?")
_HINT = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""The first line of a file by which spreadsheets are given its separator."""
SKIP = ("skip", "unsure")
"""Labels of who saw a post and would not decide."""
EXCESS = ""
"""Name of the column with the cells of a CSV row that are too many, a list."""

Fits = Callable[[Collection[str]], str | None]
"""From the names of columns to the sentence on what they lack; None if nothing."""


def read(path: Path, known: Collection[str], fits: Fits) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows of a file with their places, such as `judged.csv, line 7`; those without any value are left out.

    Where cells of CSV have line breaks the place is `judged.csv, row 4, line 7`: the row as a spreadsheet counts it,
    and the line as an editor does.

    Args:
        known: names of columns with a meaning: others that differ from one of them only by case, spaces, hyphens or
            underscores are read as that one.
        fits: is asked once, of a table, or of the first object of JSON Lines: others may have other keys.

    Raises:
        InputError: the file can't be read, two of its columns have one meaning, or its columns lack something.
    """
    try:
        boundary.refuse_special(path)
        if path.suffix.lower() == ".parquet":
            yield from _of_parquet(path, known, fits)
            return
        text = _decoded(path, path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from None
    yield from (_of_json if path.suffix.lower() in _JSON else _of_csv)(path, text, known, fits)


def is_table(path: Path) -> bool:
    """Whether a file is a table of posts by its ending, and not one of words and their tags, as `.tsv` may be."""
    suffix = path.suffix.lower()
    if suffix != ".tsv":
        return suffix in SUFFIXES
    try:
        boundary.refuse_special(path)
        with path.open("rb") as file:
            first = file.readline(_MOST_OF_A_HEAD).decode("utf-8-sig", "replace")
    except OSError:
        return True  # whoever reads it says so
    names = {_plain(name) for name in first.split("\t")}
    return bool(names & {"postid", "key"})


def _decoded(path: Path, content: bytes) -> str:
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):  # "Unicode text" of spreadsheets
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line:,}: can't be read as CSV or JSON Lines in UTF-8: byte {content[error.start]:#04x} is "
            "none of it; save it as UTF-8 (in a spreadsheet: “CSV UTF-8”)"
        ) from None


def _of_parquet(path: Path, known: Collection[str], fits: Fits) -> Iterator[tuple[str, Mapping[str, Any]]]:
    table = parquet.read(path)
    names = _names(table.column_names, known, str(path))
    _check(list(names), fits, str(path))
    for start in range(0, table.num_rows, 1000):
        for number, row in enumerate(table.slice(start, 1000).to_pylist(), start + 1):
            yield f"{path}, row {number:,}", {name: row[own] for name, own in names.items()}


def _of_json(path: Path, text: str, known: Collection[str], fits: Fits) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if path.suffix.lower() == ".json" and text.lstrip().startswith("["):
        value = _parsed(text)
        if not isinstance(value, list):
            raise InputError(f"{path}: begins with [, and is no list of JSON objects")
        rows = ((f"{path}, object {number:,}", row) for number, row in enumerate(value, 1))
    else:
        lines = enumerate(text.split("\n"), 1)
        rows = ((f"{path}, line {number:,}", _parsed(line)) for number, line in lines if line.strip())
    first = True
    for where, row in rows:
        if not isinstance(row, dict):
            raise InputError(f"{where}: is no JSON object")
        names = _names(list(row), known, where)
        if first:
            _check(list(names), fits, where)
            first = False
        yield where, {name: row[own] for name, own in names.items()}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _of_csv(path: Path, text: str, known: Collection[str], fits: Fits) -> Iterator[tuple[str, Mapping[str, Any]]]:
    csv.field_size_limit(_MOST_OF_A_FIELD)
    hint, begun = _HINT.match(text), 0
    if hint is not None:
        text, begun = text[hint.end() :], 1
    separators = [hint[1]] if hint is not None else list(_SEPARATORS)
    heads = {separator: _head(text, separator) for separator in separators}
    unfit = {separator: _unfit(head, known, fits) for separator, head in heads.items()}
    fitting = [separator for separator, why in unfit.items() if why is None]
    separator = fitting[0] if fitting else max(separators, key=lambda separator: len(heads[separator]))
    head = heads[separator]
    if (why := unfit[separator]) is not None:
        hint_of_separators = "; columns are separated by commas, semicolons or tabs" if len(head) == 1 else ""
        raise InputError(f"{path}: {why}{hint_of_separators}")
    names = _names(head, known, str(path))
    own = {column: name for name, column in names.items()}
    table = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        next(table, None)
        last = table.line_num
        for number, cells in enumerate(table, 2):
            line, last = begun + last + 1, table.line_num
            where = f"{path}, line {line:,}" if number == line else f"{path}, row {number:,}, line {line:,}"
            if any(cell.strip() for cell in cells):
                given = itertools.chain(cells, itertools.repeat(""))  # a row may be short
                row: dict[str, Any] = {own[column]: cell for column, cell in zip(head, given, strict=False)}
                if len(cells) > len(head):
                    row[EXCESS] = cells[len(head) :]
                yield where, row
    except csv.Error as error:
        raise InputError(f"{path}, line {begun + table.line_num:,}: can't be read as CSV: {error}") from None


def _head(text: str, separator: str) -> list[str]:
    try:
        head = next(csv.reader(io.StringIO(text[:_MOST_OF_A_HEAD], newline=""), delimiter=separator), [])
    except csv.Error:
        return []
    while head and not head[-1].strip():  # columns of a spreadsheet that hold nothing
        head.pop()
    return head


def _unfit(head: Sequence[str], known: Collection[str], fits: Fits) -> str | None:
    try:
        return fits(list(_names(head, known, "")))
    except InputError as error:
        return str(error).removeprefix(": ")


def _check(names: Collection[str], fits: Fits, where: str) -> None:
    if (why := fits(names)) is not None:
        raise InputError(f"{where}: {why}")


def _names(given: Sequence[str], known: Collection[str], where: str) -> dict[str, str]:
    """Name of each column, by its meaning if it has one -> its name in the file."""
    meanings = {_plain(name): name for name in known}
    names: dict[str, str] = {}
    for column in given:
        name = column if column in known else meanings.get(_plain(column), column.strip().removeprefix("\ufeff"))
        if name in names:
            raise InputError(f"{where}: has two columns {name}, {names[name]!r} and {column!r}; rename one of them")
        names[name] = column
    return names


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-\ufeff]+", "", name).casefold()


# --- values


def text_of(value: Any) -> str:
    """A value as text, without space around it; that of nothing is empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value).strip()


def whole(value: Any) -> int | None:
    """A number of 0 to 2^63-1, also written as `20.0`; None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float | Decimal):
        if not math.isfinite(value) or value != int(value):
            return None
        value = int(value)
    if not isinstance(value, int):
        text = text_of(value)
        if not _WHOLE.fullmatch(text):
            return None
        value = int(text.partition(".")[0])
    return value if 0 <= value < 2**63 else None


def post_of(row: Mapping[str, Any], sites: Sequence[str], where: str) -> tuple[str, int]:
    """The site and number of the post that a row names, by `site` and `post_id`, or by `key`.

    Args:
        sites: of the corpus: where there is one, rows need not name it.

    Raises:
        InputError: it names none.
    """
    only = sites[0] if len(sites) == 1 else None
    site: str
    number: Any
    if key := text_of(row.get("key")):
        site, _, number = key.rpartition(":")
    else:
        site, number = text_of(row.get("site")) or only or "", row.get("post_id")
    post = whole(number)
    if not site.strip() or post is None:
        given = ", ".join(f"{name} {row[name]!r}" for name in ("key", "site", "post_id") if text_of(row.get(name)))
        raise InputError(
            f"{where}: names no post ({given or 'nothing is given'}); it needs site and post_id, a whole number, or "
            "key (SITE:POST_ID)"
        )
    site = site.strip()
    known = {name.casefold(): name for name in sites}
    return known.get(site.casefold(), site), post


def lacking(columns: Collection[str], task: Task, sites: Sequence[str]) -> str | None:
    """The sentence on what columns lack to name posts and labels of a task; None if nothing."""
    post = "key" in columns or ("post_id" in columns and ("site" in columns or len(sites) == 1))
    label = "spans" in columns or {"start", "end", "label"} <= set(columns) if task.spans else "label" in columns
    if post and label:
        return None
    wanted = "post_id" if len(sites) == 1 else "site and post_id"
    of_spans = ", with start and end, or spans" if task.spans else ""
    return f"{wanted}, or key (SITE:POST_ID), and label{of_spans}"


def shown(columns: Collection[str]) -> str:
    """Columns for a message."""
    return f"has the columns {', '.join(name for name in columns if name) or 'none'}"


def label_of(value: Any, task: Task) -> str:
    """A label as the task has it, if one of its labels differs only by case, spaces, hyphens or underscores."""
    text = text_of(value)
    if text in task.labels:
        return text
    alike = [label for label in task.labels if _plain(label) == _plain(text)]
    return alike[0] if len(alike) == 1 else text


def marks_of(row: Mapping[str, Any], task: Task, where: str) -> list[tuple[int, int, str]]:
    """The spans that a row holds: those of `spans`, or the one of `start`, `end` and `label`; none without a label.

    Raises:
        InputError: `spans` is no list of objects, or a start and an end are no span.
    """
    spans: Any = row.get("spans")
    if isinstance(spans, str) and spans.strip():
        spans = _parsed(spans)
        if spans is None:
            raise InputError(f"{where}: spans is no list of objects with start, end and label")
    if text_of(spans):
        if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
            raise InputError(f"{where}: spans is no list of objects with start, end and label")
    else:
        spans = [row] if text_of(row.get("label")) else []
    marks = []
    for span in spans:
        label = label_of(span.get("label"), task)
        start, end = whole(span.get("start")), whole(span.get("end"))
        if start is None or end is None or start >= end:
            given = f"{text_of(span.get('start')) or 'nothing'} and {text_of(span.get('end')) or 'nothing'}"
            raise InputError(f"{where}: start and end of {label!r} are no span: {given}")
        marks.append((start, end, label))
    return marks
