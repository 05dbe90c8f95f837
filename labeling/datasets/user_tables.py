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
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import boundary, parquet
from socorpus.labeling.schema import Task

_JSON = (".jsonl", ".ndjson", ".json")
SKIP, NOTHING = ("skip", "unsure"), ("nothing", "none")
"""Labels of who saw a post and would not decide, and of who saw no span in it."""
SUFFIXES = (*_JSON, ".csv", ".tsv", ".parquet")
"""Endings of the files that can be read."""
_SEPARATORS = (",", ";", "\t")
_MOST_OF_A_FIELD = 10_000_000
_MOST_OF_A_HEAD = 1_000_000
_BEGINNING, _FEW_ZEROS = 400, 3
"""Bytes by which a file's encoding is recognised: no text in UTF-8 has many zeros."""
_OTHERS = {
    b"PK\x03\x04": "a spreadsheet in its own format, or an archive; save the table as CSV (UTF-8)",
    b"\x1f\x8b": "compressed; unpack it first",
    b"PAR1": "a Parquet file by its content; give it a name that ends in .parquet",
}
"""Beginnings of files that are no text."""
_DIGEST_BYTES = 16
_NO_VALUE = (ArithmeticError, ValueError, LookupError, pa.ArrowException)
"""What Arrow raises for a value that Python does not have, or of a time zone that is not known."""
_WHOLE = re.compile(r"[0-9]{1,19}(?:\.0*)?")
_HALF = re.compile("[\ud800-\udfff]")
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
        InputError: the file can't be read, two of its columns have one meaning, its columns lack something, or it has
            no rows.
    """
    try:
        boundary.refuse_special(path)
        if path.suffix.lower() == ".parquet":
            path.open("rb").close()  # Arrow's words for a folder, or a file that isn't there, name no way out
            rows = _of_parquet(path, known, fits)
        else:
            text = _decoded(path, path.read_bytes())
            rows = (_of_json if path.suffix.lower() in _JSON else _of_csv)(path, text, known, fits)
    except OSError as error:
        raise boundary.explain_error(error) or InputError(f"{path}: can't be read: {error}") from None
    first = next(rows, None)
    if first is None:
        raise InputError(f"{path}: has no rows; give a table that has some")
    yield from itertools.chain([first], rows)


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
    for beginning, kind in _OTHERS.items():
        if content.startswith(beginning):
            raise InputError(f"{path}: is {kind}")
    as_utf8 = "save it as UTF-8 (in a spreadsheet: “CSV UTF-8”)"
    beginning = content[:_BEGINNING]
    wide = content.startswith((BOM_UTF32_LE, BOM_UTF32_BE))  # one begins as UTF-16 does
    if not wide and content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):  # "Unicode text" of spreadsheets
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: can't be read as UTF-16 ({error.reason}); {as_utf8}") from None
    if wide or beginning.count(0) > max(_FEW_ZEROS, len(beginning) // 4):
        raise InputError(f"{path}: is text in UTF-16 or UTF-32, and does not say which as it should; {as_utf8}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line:,}: can't be read as CSV or JSON Lines in UTF-8: byte {content[error.start]:#04x} is "
            f"none of it; {as_utf8}"
        ) from None


def _of_parquet(path: Path, known: Collection[str], fits: Fits) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        names = _names(parquet.column_names(path), known, str(path))
        _check(list(names), fits, str(path))
        names = {name: own for name, own in names.items() if name in known}
        table = parquet.read(path, columns=list(names.values()))
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        why = "".join(sign for sign in str(error).partition("\n")[0] if sign.isprintable()).strip().rstrip(".;: ")
        raise InputError(
            f"{path}: can't be read as Parquet ({why}): damaged, or another format; make it again"
        ) from None
    for start in range(0, table.num_rows, 1000):
        for number, row in enumerate(_values(table.slice(start, 1000), path, start), start + 1):
            yield f"{path}, row {number:,}", {name: _text(name, row[own]) for name, own in names.items()}


def _values(table: pa.Table, path: Path, begun: int) -> list[dict[str, Any]]:
    """The rows of a table; `begun` rows are before it.

    Raises:
        InputError: Python has no value for one of them, such as for a time after the year 9999.
    """
    of_nanoseconds = [
        number
        for number, kind in enumerate(table.schema.types)
        if pa.types.is_timestamp(kind) and kind.unit == "ns"  # finer than times of Python
    ]
    for number in of_nanoseconds:
        kind = pa.timestamp("us", table.schema.types[number].tz)
        table = table.set_column(number, table.column_names[number], table[number].cast(kind, safe=False))
    try:
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows
    except _NO_VALUE:
        for number in range(table.num_rows):
            for name in table.column_names:
                try:
                    table[name][number].as_py()
                except _NO_VALUE as error:
                    kind = table[name].type
                    far = pa.types.is_temporal(kind) and isinstance(error, ArithmeticError | ValueError)
                    why = "a time outside of the years 1 to 9999" if far else error
                    raise InputError(
                        f"{path}, row {begun + number + 1:,}: {name}, of the type {kind}, has a value that can't be "
                        f"read ({why}); correct it, or leave it empty"
                    ) from None
        raise


def _text(name: str, value: Any) -> Any:
    """A value of Parquet, with bytes as the text that they are; those of a digest may be none."""
    if isinstance(value, bytes):
        if name == "digest" and len(value) != 2 * _DIGEST_BYTES:
            return value.hex()
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, list):
        return [_text(name, part) for part in value]
    if isinstance(value, dict):
        return {own: _text(own, part) for own, part in value.items()}
    return value


def _of_json(path: Path, text: str, known: Collection[str], fits: Fits) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if text.lstrip().startswith("["):
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
    if (why := unfit[separator]) is not None and _whole_row(text, separator):
        hint_of_separators = "; columns are separated by commas, semicolons or tabs" if len(head) == 1 else ""
        raise InputError(f"{path}: {why}{hint_of_separators}")
    names = _names(head, known, str(path))
    own = {column: name for name, column in names.items()}
    # Not strict, a quotation mark that is not closed makes all rows below it one cell.
    table = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    last = 0
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
        opened = _opened(itertools.islice(io.StringIO(text, newline=""), last, None), separator)
        if opened is None:
            raise InputError(f"{path}, line {begun + table.line_num:,}: can't be read as CSV: {error}") from None
        within = f" within {_MOST_OF_A_FIELD:,} characters" if "limit" in str(error) else ""
        raise InputError(
            f"{path}, line {begun + last + opened + 1:,}: the quotation mark that opens a cell here is not closed at "
            f"the end of a cell{within}: all that follows would be part of it. Close it, or remove it; a quotation "
            "mark inside of a quoted cell is written twice"
        ) from None


def _opened(lines: Iterable[str], separator: str) -> int | None:
    """The line, of those from the beginning of a row on, in which the cell begins that is not closed as it should be.

    None if no cell of the row is quoted.
    """
    opened, inside = None, False
    for number, line in enumerate(lines):
        place = 0
        while True:
            if not inside and line.startswith('"', place):
                opened, inside, place = number, True, place + 1
            elif not inside:
                if (end := line.find(separator, place)) < 0:
                    return opened  # the end of the row
                place = end + 1
            elif (end := line.find('"', place)) < 0:
                break
            elif line.startswith('"', end + 1):
                place = end + 2
            elif line.startswith(separator, end + 1):
                inside, place = False, end + 2
            else:
                return opened
    return opened


def _head(text: str, separator: str) -> list[str]:
    try:
        head = next(csv.reader(io.StringIO(text[:_MOST_OF_A_HEAD], newline=""), delimiter=separator), [])
    except csv.Error:
        return []
    while head and not head[-1].strip():  # columns of a spreadsheet that hold nothing
        head.pop()
    return head


def _whole_row(text: str, separator: str) -> bool:
    """Whether the first row can be read, each quoted cell of it closed."""
    try:
        next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), None)
    except csv.Error:
        return False
    return True


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
        InputError: it names none, or two.
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
    if key:
        beside, number = text_of(row.get("site")), text_of(row.get("post_id"))
        if (beside and beside.casefold() != site.casefold()) or (number and whole(row.get("post_id")) != post):
            other = f"{beside or site}:{number or post}"
            raise InputError(f"{where}: key names {key}, and site and post_id {other}; correct it, or leave one empty")
    known = {name.casefold(): name for name in sites}
    return known.get(site.casefold(), site), post


def refuse_halves(row: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Refuse text with half of a pair of surrogates, as an escape of JSON can write it: it is no character.

    Raises:
        InputError: names the column.
    """
    for name in known:
        value = row.get(name)
        if isinstance(value, str) and not value.isascii() and _HALF.search(value):
            raise InputError(
                f"{where}: {name} is {value[:60]!a}, with half of a character (a surrogate without its pair); "
                "correct it"
            )


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
    names = ", ".join(name for name in columns if name) or "none"
    return f"has the columns {names.encode('utf-8', 'backslashreplace').decode('utf-8')}"


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
    marks = []
    for span in spans_of(row, where):
        label = label_of(span.get("label"), task)
        start, end = whole(span.get("start")), whole(span.get("end"))
        if start is None or end is None or start >= end:
            given = f"{text_of(span.get('start')) or 'nothing'} and {text_of(span.get('end')) or 'nothing'}"
            raise InputError(f"{where}: start and end of {label!r} are no span: {given}")
        marks.append((start, end, label))
    return marks


def spans_of(row: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    """The objects of `spans`, or the row itself if it has a label: one for each span of `marks_of`.

    Raises:
        InputError: `spans` is no list of objects.
    """
    spans: Any = row.get("spans")
    if isinstance(spans, str) and spans.strip():
        spans = _parsed(spans)
        if spans is None:
            raise InputError(f"{where}: spans is no list of objects with start, end and label")
    if text_of(spans):
        if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
            raise InputError(f"{where}: spans is no list of objects with start, end and label")
        return spans
    return [row] if text_of(row.get("label")) else []


def refuse_span(row: Mapping[str, Any], label: str, where: str) -> None:
    """Refuse a span beside a label that says that there is none, or that nobody decided.

    Raises:
        InputError: the row has a start, an end or spans.
    """
    given = [name for name in ("start", "end") if text_of(row.get(name))]
    given += ["spans"] if text_of(row.get("spans")) and spans_of(row, where) else []
    if given:
        raise InputError(f"{where}: {label!r} with {' and '.join(given)}: give the label of the span, or remove these")
