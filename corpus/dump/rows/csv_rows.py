"""CSV (RFC 4180) with a line of names, in UTF-8 -> typed batches; also with semicolons or tabs between the fields.

A field in quotes may hold line ends, so a file can only be read from its start. An empty field is null, two quotes are
an empty text; many programs write both as nothing, so an empty text that a row can't be without may be either.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO

from socorpus.corpus.dump.rows import batches, typed_columns
from socorpus.corpus.dump.rows.batches import Origin
from socorpus.corpus.dump.xml_rows import NOT_UTF8, ParsedRows
from socorpus.corpus.errors import InputError

_MARK = b"\xef\xbb\xbf"
_PIECE = 1 << 20
_MOST_OPEN = 100
"""Rows whose quotes are not closed, after which a file is none: each costs as much as the longest row."""


def read(
    stream: BinaryIO, origin: Origin, batch_bytes: int = 4 << 20, row_bytes: int = 256 << 20
) -> Iterator[ParsedRows]:
    """The rows of a stream, in batches of about `batch_bytes`.

    Memory is a few times the larger of `batch_bytes` and the longest row.

    Raises:
        InputError: the first line has no names of a table, or the file is in UTF-16; it has a line longer than
            `row_bytes`; or it ends within a row: all complete rows are given before that.
    """
    # The module has one limit for all readers; rows are limited by `_Lines`.
    csv.field_size_limit(max(csv.field_size_limit(), row_bytes))
    lines = _Lines(stream, origin, row_bytes)
    sign, header = _header(lines, origin)
    if not header:
        return
    names = typed_columns.names_of(origin.table, header, origin.file)
    typed_columns.check_names(origin.table, names, origin.file)
    records = csv.reader(lines, delimiter=sign, strict=True)
    rows: list[list[str | None]] = []
    raws: list[bytes] = []
    offsets: list[int] = []
    repaired: dict[int, str] = {}
    lost: list[dict[str, Any]] = []
    size, opened, ended = 0, 0, False
    while not ended:
        begin = lines.begin()
        try:
            fields = next(records)
        except StopIteration:
            ended = True
        except _TooLongError:
            opened += 1
            first = lines.back_to_second()
            if opened > _MOST_OPEN:
                raise InputError(
                    f"{origin.file}: has quotes that are not closed in more than {_MOST_OPEN} rows, at byte {begin} "
                    "too: it isn't CSV as RFC 4180 has it, where quotes in a field in quotes are doubled"
                ) from None
            why = f"longer than {origin.longest >> 10:,} kB, the limit of read.row_kb, or a quote in it isn't closed"
            lost.append(origin.lost(begin, why, first))
            records = csv.reader(lines, delimiter=sign, strict=True)
        except csv.Error as error:
            if "unexpected end" in str(error):
                yield from _given(origin, names, header, rows, raws, offsets, lost, repaired, begin)
                raise InputError(
                    f"{origin.file}: ends inside a row that begins at byte {begin}: the file is truncated, or a quote "
                    "isn't closed; download or write it again"
                ) from None
            lost.append(origin.lost(begin, f"not CSV: {error}", lines.raw().rstrip(b"\r\n")))
            records = csv.reader(lines, delimiter=sign, strict=True)
        else:
            raw = lines.raw()
            size += len(raw)
            if not fields:
                continue
            if len(fields) != len(header):
                why = f"{len(fields)} fields, and the first line has {len(header)} names"
                lost.append(origin.lost(begin, why, raw.rstrip(b"\r\n")))
                continue
            if lines.broken:
                repaired[len(rows)] = NOT_UTF8
            rows.append(_nulls(fields, raw, sign))
            raws.append(raw)
            offsets.append(begin)
        if size >= batch_bytes or ended or len(lost) >= 10_000:
            yield from _given(origin, names, header, rows, raws, offsets, lost, repaired, lines.offset)
            rows, raws, offsets, lost, repaired, size = [], [], [], [], {}, 0


def _given(
    origin: Origin,
    names: typed_columns.Names,
    header: list[str],
    rows: list[list[str | None]],
    raws: list[bytes],
    offsets: list[int],
    lost: list[dict[str, Any]],
    repaired: dict[int, str],
    consumed: int,
) -> Iterator[ParsedRows]:
    if not rows:
        if lost:
            yield batches.only_lost(origin, lost, consumed)
        return
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    yield batches.batch(
        origin,
        names,
        columns,
        offsets,
        lambda row: raws[row].rstrip(b"\r\n"),
        consumed,
        lost=lost,
        repaired=repaired,
        blank=True,
    )


def _header(lines: "_Lines", origin: Origin) -> tuple[str, list[str]]:
    """The sign between the fields, and the names in the first line; none of an empty file."""
    line = next(lines, "")
    lines.raw()
    if not line.strip():
        return ",", []
    sign = max(",;\t", key=line.count)
    names = [name.strip() for name in next(csv.reader([line], delimiter=sign), [])]
    if repeated := [name for place, name in enumerate(names) if name in names[:place]]:
        raise InputError(f"{origin.file}: its first line has the name {repeated[0]!r} twice")
    return sign, names


def _nulls(fields: list[str], raw: bytes, sign: str) -> list[str | None]:
    """The fields of a row, with None for those that are empty without quotes."""
    if "" not in fields:
        return list(fields)
    if b'""' not in raw:
        return [field or None for field in fields]
    edge = re.escape(sign.encode())
    if re.search(b'(?:^|%s)""(?:%s|\r?\n?$)' % (edge, edge), raw) is None:
        return [field or None for field in fields]
    # Two quotes behind a comma may also be of a text in quotes: the fields one by one.
    text = b'"(?:[^"]|"")*"|[^%s\r\n]*' % edge
    parts = [match[1] for match in re.finditer(b"(?:^|%s)(%s)" % (edge, text), raw.rstrip(b"\r\n"))]
    if len(parts) != len(fields):
        return [field or None for field in fields]
    return [None if not part else field for field, part in zip(fields, parts, strict=True)]


class _TooLongError(Exception):
    """A row is longer than it may be."""


class _Lines(Iterator[str]):
    """The lines of a stream as text, those of the current row kept, and its bytes counted."""

    def __init__(self, stream: BinaryIO, origin: Origin, row_bytes: int) -> None:
        self._stream, self._origin, self._row_bytes = stream, origin, row_bytes
        self._ahead: deque[bytes] = deque()
        self._rest = b""
        self._row: list[bytes] = []
        self._size = 0
        self._first = True
        self.offset = 0
        """Of the next line."""
        self.ended = False
        self.broken = False
        """Whether the row has bytes that are not UTF-8."""

    def begin(self) -> int:
        """The offset at which a new row begins."""
        self._row, self._size, self.broken = [], 0, False
        return self.offset

    def raw(self) -> bytes:
        """The bytes of the row."""
        return b"".join(self._row)

    def back_to_second(self) -> bytes:
        """Give back all lines of the row but the first, which is returned."""
        first, *others = self._row
        self._ahead.extendleft(reversed(others))
        self.offset -= sum(map(len, others))
        return first.rstrip(b"\r\n")

    def __next__(self) -> str:
        while not self._ahead and not self.ended:
            self._fill()
        if not self._ahead:
            raise StopIteration
        line = self._ahead.popleft()
        self._row.append(line)
        self._size += len(line)
        self.offset += len(line)
        if self._size > self._origin.longest:
            raise _TooLongError
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.broken = True
            return line.decode("utf-8", "replace")

    def _fill(self) -> None:
        piece = self._stream.read(max(_PIECE, len(self._rest)))
        if self._first:
            self._first = False
            if piece[:2] in (b"\xff\xfe", b"\xfe\xff") or piece[1:2] == b"\0":
                raise InputError(f"{self._origin.file}: is UTF-16, and must be UTF-8: convert it, such as with iconv")
            if piece.startswith(_MARK):
                piece = piece[len(_MARK) :]
                self.offset = len(_MARK)
        data = self._rest + piece
        self.ended = not piece
        *whole, self._rest = data.split(b"\n")
        self._ahead.extend(line + b"\n" for line in whole)
        if self.ended and self._rest:
            self._ahead.append(self._rest)
            self._rest = b""
        if len(self._rest) > self._row_bytes:
            raise InputError(
                f"{self._origin.file}: the line at byte {self.offset + sum(map(len, self._ahead))} has more than "
                f"{self._row_bytes} bytes: it isn't CSV"
            )
