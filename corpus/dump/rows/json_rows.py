"""JSON Lines (jsonlines.org): an object a line, in UTF-8, its keys the dump's attributes -> typed batches.

A part of a file has the lines that begin in its range of bytes, so parts that tile a file give each line once.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from socorpus.corpus.dump.rows import batches, typed_columns
from socorpus.corpus.dump.rows.batches import Origin
from socorpus.corpus.dump.xml_rows import NOT_UTF8, ParsedRows
from socorpus.corpus.errors import InputError

_MARK = b"\xef\xbb\xbf"
_LOOK = 1 << 16


def read(
    stream: BinaryIO,
    origin: Origin,
    start: int = 0,
    stop: int | None = None,
    batch_bytes: int = 4 << 20,
    row_bytes: int = 256 << 20,
) -> Iterator[ParsedRows]:
    """The rows of a stream, in batches of about `batch_bytes`; with `start` or `stop` (bytes) of a seekable one.

    Memory is a few times the larger of `batch_bytes` and the longest line.

    Raises:
        InputError: the file is no JSON Lines, or is in UTF-16; it has a line longer than `row_bytes`; or it ends within
            a row: all complete rows are given before that.
    """
    base, data = _begin(stream, origin, start, stop is not None)
    last = False
    while True:
        while not last and len(data) < batch_bytes:
            more = stream.read(batch_bytes - len(data))
            last = not more
            data += more
        end = len(data) if last else data.rfind(b"\n") + 1
        limited = stop is not None and base + end >= stop
        if limited and stop is not None:
            # The line that begins before the limit belongs to this part, up to its end.
            end = 0 if base >= stop else data.find(b"\n", max(0, stop - 1 - base)) + 1
            if not end and base < stop:
                limited, end = last, len(data) if last else 0
        if end:
            yield from _block(origin, data[:end], base, last and end == len(data))
        if limited or (last and end == len(data)):
            return
        base, data = base + end, data[end:]
        if not end:
            if len(data) >= row_bytes:
                raise InputError(
                    f"{origin.file}: the line that begins at byte {base} goes on for more than {row_bytes} bytes: it "
                    "isn't JSON Lines"
                )
            batch_bytes = max(batch_bytes, 2 * len(data))


def _begin(stream: BinaryIO, origin: Origin, start: int, seek: bool) -> tuple[int, bytes]:
    """The offset of the first line, and the bytes from there that were read."""
    if seek or start:
        stream.seek(0)
    head = stream.read(_LOOK)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[1:2] == b"\0":
        raise InputError(f"{origin.file}: is UTF-16, and JSON Lines are UTF-8: convert it, such as with iconv")
    skipped = len(_MARK) if head.startswith(_MARK) else 0
    sign = head[skipped:].lstrip()[:1]
    if sign == b"[":
        raise InputError(
            f"{origin.file}: one JSON array, where an object a line was expected (JSON Lines): write it anew, such as "
            "with jq -c '.[]'"
        )
    if sign not in (b"{", b""):
        raise InputError(f"{origin.file}: isn't JSON Lines: it begins with {head[:20]!r} instead of an object")
    if not start:
        return skipped, head[skipped:]
    stream.seek(start - 1)
    data, base = b"", start - 1
    while b"\n" not in data:
        more = stream.read(_LOOK)
        if not more:
            return base + len(data), b""
        base, data = base + len(data), more
    cut = data.index(b"\n") + 1
    return base + cut, data[cut:]


def _block(origin: Origin, data: bytes, base: int, ends: bool) -> Iterator[ParsedRows]:
    """The rows of whole lines."""
    rows: list[dict[str, Any]] = []
    places: list[tuple[int, int]] = []
    repaired: dict[int, str] = {}
    lost: list[dict[str, Any]] = []
    begin = 0
    for line in data.split(b"\n"):
        bare = line.strip()
        if bare:
            try:
                row, broken = _object(origin, bare)
            except ValueError as error:
                if ends and begin + len(line) >= len(data) and not data.endswith(b"\n"):
                    yield from _given(origin, rows, places, data, base, base + begin, lost, repaired)
                    raise InputError(
                        f"{origin.file}: ends inside a row that begins at byte {base + begin}: the file is truncated; "
                        "download or write it again"
                    ) from None
                lost.append(origin.lost(base + begin, str(error), bare))
            else:
                if broken:
                    repaired[len(rows)] = NOT_UTF8
                rows.append(row)
                places.append((begin, begin + len(line)))
        begin += len(line) + 1
    yield from _given(origin, rows, places, data, base, base + len(data), lost, repaired)


def _given(
    origin: Origin,
    rows: list[dict[str, Any]],
    places: list[tuple[int, int]],
    data: bytes,
    base: int,
    consumed: int,
    lost: list[dict[str, Any]],
    repaired: dict[int, str],
) -> Iterator[ParsedRows]:
    if not rows:
        if lost:
            yield batches.only_lost(origin, lost, consumed)
        return
    keys = dict.fromkeys(key for row in rows for key in row)
    names = typed_columns.names_of(origin.table, list(keys), origin.file)
    yield batches.batch(
        origin,
        names,
        {key: [row.get(key) for row in rows] for key in keys},
        [base + begin for begin, _ in places],
        lambda row: data[slice(*places[row])].strip(),
        consumed,
        lost=lost,
        repaired=repaired,
    )


def _object(origin: Origin, line: bytes) -> tuple[dict[str, Any], bool]:
    """A line's object, and whether it had bytes that are not UTF-8.

    Raises:
        ValueError: the reason why it can't be read.
    """
    if len(line) > origin.longest:
        raise ValueError(f"longer than {origin.longest >> 10:,} kB, the limit of read.row_kb")
    try:
        text, broken = line.decode(), False
    except UnicodeDecodeError:
        text, broken = line.decode("utf-8", "replace"), True
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("lists or objects are nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {str(error).partition(': line')[0]}") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    if len(value) > typed_columns.MOST_COLUMNS:
        raise ValueError(f"more than {typed_columns.MOST_COLUMNS:,} attributes")
    return value, broken
