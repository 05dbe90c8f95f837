"""Rows of a Stack Exchange dump: a stream of XML -> typed Arrow batches, through every drift seen since 2010.

The compiled kernel (`dump.xml_columns`) reads what is regular. Rows that it hands back are read here by lxml, which
decides: read, repair, or quarantine. Repairs are counted, unreadable rows are kept with their bytes and a reason, and
attributes that the schema does not know are counted. docs/dump-format.md lists the drift.
"""

import codecs
import contextlib
import re
from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from lxml import etree

from socorpus.corpus.dump import archives, xml_columns
from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import DUMP, QUARANTINE, ROOTS, TIME, Attribute, dump_schema

NOT_UTF8 = "bytes that are not UTF-8"
"""The file is damaged or in another encoding, and letters were lost."""
FORBIDDEN = "characters that XML forbids"
"""Controls and the like, which single rows of most dumps have."""


@dataclass(frozen=True)
class ParsedRows:
    """Some rows of a table, in the order of the file, whatever its form."""

    batch: pa.Table
    """Schema `dump_schema(table)`."""
    quarantine: pa.Table
    """Schema `QUARANTINE`: unreadable rows, with their offset (`row_forms.unit`), a reason and the raw bytes."""
    unknown: dict[str, int]
    """Attributes that the schema does not know, with their number in the rows of `batch`."""
    repaired: int
    """Rows of `batch` that had illegal characters, which are now U+FFFD."""
    repairs: tuple[Mapping[str, Any], ...]
    """Of each repaired row, as in `quarantine`: file, offset and reason, which is `NOT_UTF8` or `FORBIDDEN`."""
    consumed: int
    """Bytes of the stream up to the end of this batch's last row; of Parquet and of a plug-in's, rows."""


@dataclass(frozen=True)
class Sniff:
    """Properties of a file, from its first bytes."""

    encoding: str
    """utf-8, utf-8-sig (UTF-8 with a byte order mark), utf-16-le or utf-16-be."""
    table: str | None
    """Table by the root element, None where the bytes show none of a dump's."""
    opening: bytes
    """The root's start tag; empty where it does not end within the bytes."""
    end: int
    """Bytes of the UTF-8 stream up to the end of that tag, -1 where it does not end within the bytes."""
    problem: str | None
    """Why this is no dump, to follow the file's name in an error; None where it is one, or more bytes are needed."""


_HEAD_BYTES = 1 << 20
_LOOK_BACK = 1 << 16
_FAR = 1 << 62
_WRONG_GUESSES = 8
"""After which a stream is no longer scanned on several threads: it is none of rows one behind the other."""
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_DECLARED = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([^"'>]*)["']""")
_SIMPLE_DOCTYPE = rb"""<!DOCTYPE\s[^>\["']*(?:(?:"[^"]*"|'[^']*')[^>\["']*)*"""
_SUBSET = re.compile(_SIMPLE_DOCTYPE + rb"\[", re.IGNORECASE)
_PROLOG = re.compile(rb"\s+|<\?.*?\?>|<!--.*?-->|" + _SIMPLE_DOCTYPE + rb">", re.DOTALL | re.IGNORECASE)
_NAME = re.compile(rb"<([A-Za-z_][\w:.-]*)(?=[\s/>])")
_TAG = re.compile(rb"""<[^\s/>]+(?:\s+[^\s=/>"']+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""")


def sniff(head: bytes) -> Sniff:
    """Encoding, table and root element from the first bytes of a decoded stream; never raises.

    64 kB reach past every known header. For UTF-16 the offset counts bytes of the stream transcoded into UTF-8.
    """
    if len(head) < 4:
        return Sniff("utf-8", None, b"", -1, None)
    encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), "utf-8")
    if head[1:2] == b"\0" and head[:1] in b"< \t\r\n":
        encoding = "utf-16-le"
    elif head[:1] == b"\0" and head[1:2] in b"< \t\r\n":
        encoding = "utf-16-be"
    raw = head
    if encoding.startswith("utf-16"):
        raw = codecs.getincrementaldecoder(encoding)("replace").decode(head).encode()
    offset = 3 if raw.startswith(codecs.BOM_UTF8) else 0

    def no(problem: str | None) -> Sniff:
        return Sniff(encoding, None, b"", -1, problem)

    while match := _PROLOG.match(raw, offset):
        declared = _DECLARED.match(match[0])
        if declared and declared[1].lower().replace(b"_", b"-") not in (b"utf-8", b"utf8", b"utf-16", b"us-ascii"):
            return no(f"is declared as {declared[1].decode('ascii', 'replace')}; a dump is UTF-8 or UTF-16: convert it")
        offset = match.end()
    if match := _NAME.match(raw, offset):
        name = match[1].decode("utf-8", "replace")
        if name.lower() == "html":
            return no("isn't a dump but an HTML page, as a failed download leaves it: download it again")
        if name.lower() not in ROOTS:
            return no(f"isn't a dump: its root element is <{name}>, not one of {', '.join(ROOTS)}")
        tag = _TAG.match(raw, offset)
        return Sniff(encoding, ROOTS[name.lower()], tag[0], tag.end(), None) if tag else no(None)
    if _SUBSET.match(raw, offset):
        return no("has a DOCTYPE with an internal subset, which no dump has; entities are never expanded: remove it")
    if offset < len(raw) and raw[offset : offset + 1] != b"<":
        return no(f"isn't a dump: it begins with {raw[offset : offset + 20]!r} instead of XML")
    if len(raw) - offset > _HEAD_BYTES:
        return no(f"isn't a dump: no root element within {_HEAD_BYTES >> 20} MB")
    return no(None)


def read(
    stream: BinaryIO,
    *,
    table: str,
    site: str,
    file: str,
    start: int = 0,
    stop: int | None = None,
    needed: Sequence[Sequence[str]] = (),
    longest: int = 256 << 20,
    batch_bytes: int = 4 << 20,
    row_bytes: int = 256 << 20,
    threads: int = 1,
) -> Iterator[ParsedRows]:
    """The rows of a table in a stream of decoded XML, in batches of about `batch_bytes` of XML.

    `start` and `stop` (bytes; only of seekable UTF-8 streams) give the rows whose `<row` begins in [start, stop): parts
    that tile a file give each of its rows once, wherever it is cut. UTF-16 is transcoded, and offsets are then those of
    the UTF-8 stream. Comments are skipped (a part that begins in one looks back 64 kB for its beginning). Memory
    is a few times the larger of `batch_bytes` and the longest row. Without rows there is no batch. A row that lacks a
    column of `needed`, which is written as in `schema.NEEDED`, counts as unreadable, and so does one of more than
    `longest` bytes. The batches are the same for any number of `threads`, of which more than one take as many times the
    memory, and only serve where there is no `stop`.

    Raises:
        InputError: the file is no dump, or of another table, or has a row longer than `row_bytes`; or it ends before
            its root element does: all complete rows are given before that.
    """
    if start or stop is not None:
        stream.seek(0)
    source = _Source(stream, file)
    head = source.head(table)
    if start > head.end or stop is not None:
        if head.encoding.startswith("utf-16"):
            raise InputError(f"{file}: is UTF-16, which can't be read in parts: read it as a whole")
        if stop is not None and stop <= max(start, head.end):
            return
    inside = start > head.end
    if inside:
        source.seek(_past_comment(stream, head.end, start))
    match = _NAME.match(head.opening)
    assert match is not None
    root = match[1].decode()
    plan = xml_columns.layout(table, root, needed, longest)
    opening = head.opening.removesuffix(b"/>").removesuffix(b">")
    context = _RowContext(table, site, file, opening, root, needed, longest)

    state = _Start(source.offset, head.opening.endswith(b"/>"), inside)
    scanner = _Scanner(context, plan, _FAR if stop is None else stop)
    blocks = _in_turn(scanner, source, state, batch_bytes, row_bytes)
    if threads > 1 and stop is None:
        blocks = _in_parallel(scanner, source, state, batch_bytes, row_bytes, threads)
    with contextlib.closing(blocks):
        for block, scanned in blocks:
            yield from scanned.batches
            base, begin = block.base, scanned.begin
            if scanned.why == xml_columns.LIMIT:
                return
            if block.last:
                tail = block.data[begin : block.held].tobytes()
                if scanned.why == xml_columns.CUT and (whole := _ROW.match(tail)) and _ENDED.search(whole[0]):
                    report = (base + begin, whole[0], True, 0)
                    yield _rows(context, _empty(table), [report], Counter(), base + block.held)
                elif scanned.why == xml_columns.CUT and tail.startswith((b"<row", b"<!--")):
                    what = "a row" if tail.startswith(b"<row") else "a comment"
                    raise InputError(
                        f"{file}: ends inside {what} that begins at byte {base + begin}: the file is truncated; "
                        "download it again"
                    )
                # A part may lie behind the closing tag, and so never see it.
                if not (scanned.state.closed or (start > head.end and source.closes(root))):
                    raise InputError(
                        f"{file}: ends at byte {base + block.held} without </{root}>: the file is truncated; "
                        "download it again"
                    )
                return
            if block.held - begin >= row_bytes:
                raise InputError(
                    f"{file}: what begins at byte {base + begin} goes on for more than {row_bytes} bytes: "
                    "it isn't a dump"
                )


@dataclass(frozen=True)
class _Start:
    """What the kernel needs to know at the beginning of a block."""

    base: int
    """Offset of the block in the stream."""
    closed: bool
    inside: bool


@dataclass(frozen=True)
class _Block:
    """Bytes of the stream, for one call of `_Scanner.scan`."""

    data: xml_columns.Bytes
    held: int
    carried: int
    """Bytes at the beginning that the block before it held too."""
    base: int
    last: bool
    """Whether the stream ends with it."""


@dataclass(frozen=True)
class _Scanned:
    batches: tuple[ParsedRows, ...]
    begin: int
    """Byte of the block from which on nothing was read."""
    why: int
    state: _Start
    """At the beginning of the next block."""


@dataclass(frozen=True)
class _Scanner:
    context: "_RowContext"
    plan: xml_columns.Layout
    stop: int

    def scan(self, block: _Block, state: _Start) -> _Scanned:
        """All rows of a block that are whole; a pure function, which may run on any thread."""
        begin, why, closed, inside = 0, xml_columns.FULL, state.closed, state.inside
        batches = []
        while why == xml_columns.FULL:
            out = xml_columns.output(self.plan, block.held - begin)
            out.state[xml_columns.CLOSED], out.state[xml_columns.INSIDE] = closed, inside
            xml_columns.scan(block.data, begin, block.held, self.stop - block.base, block.last, self.plan, out)
            begin, why = int(out.state[xml_columns.CONSUMED]), int(out.state[xml_columns.WHY])
            closed, inside = bool(out.state[xml_columns.CLOSED]), bool(out.state[xml_columns.INSIDE])
            if out.state[xml_columns.ROWS] or out.state[xml_columns.REPORTS]:
                batches.append(_batch(self.context, self.plan, block.data, block.base, out))
        return _Scanned(tuple(batches), begin, why, _Start(block.base + begin, closed, inside))


_Blocks = Generator[tuple[_Block, _Scanned], None, None]


def _in_turn(scanner: _Scanner, source: "_Source", state: _Start, batch_bytes: int, row_bytes: int) -> _Blocks:
    """The blocks of a stream and their rows, on this thread: each block begins where the rows before it end."""
    data, held = np.zeros(batch_bytes + xml_columns.PAD, np.uint8), 0
    while True:
        carried = held
        held, last = source.fill(data, held)
        block = _Block(data, held, carried, state.base, last)
        scanned = scanner.scan(block, state)
        yield block, scanned
        state, begin, room = scanned.state, scanned.begin, len(data) - xml_columns.PAD
        room = min(2 * room, row_bytes) if begin == 0 else max(batch_bytes, held - begin)
        rest = data[begin:held]
        if room + xml_columns.PAD != len(data):
            data = np.zeros(room + xml_columns.PAD, np.uint8)
        data[: len(rest)] = rest
        held = len(rest)


def _in_parallel(
    scanner: _Scanner, source: "_Source", state: _Start, batch_bytes: int, row_bytes: int, threads: int
) -> _Blocks:
    """The same blocks and rows as `_in_turn`, scanned on several threads.

    Where the last row of a block begins is seen without reading the rows before it. So the next block is filled from
    there, and scanned at once. The scan of the block itself has the last word: where it ends elsewhere, behind the
    root's end or within what is no row, the source takes later blocks back, and they are cut anew.
    """
    size, wrong = batch_bytes + xml_columns.PAD, 0
    spare: list[xml_columns.Bytes] = []
    pool = ThreadPoolExecutor(threads, "rows")
    try:
        while wrong < _WRONG_GUESSES:
            # Each with the state that was guessed for the block behind it, None where there was nothing to go by.
            ahead: deque[tuple[_Block, Future[_Scanned], _Start | None]] = deque()
            guess: _Start | None = state
            rest: xml_columns.Bytes = np.zeros(0, np.uint8)
            failed: Exception | None = None
            while guess is not None or ahead:
                if guess is not None and len(ahead) <= threads:
                    data = spare.pop() if spare else np.zeros(size, np.uint8)
                    data[: len(rest)] = rest
                    try:
                        held, last = source.fill(data, len(rest))
                    except Exception as error:  # which comes after the rows before it
                        guess, failed = None, error
                        continue
                    block = _Block(data, held, len(rest), guess.base, last)
                    future = pool.submit(scanner.scan, block, guess)
                    place = 0 if last else _last_row(data, held)
                    guess = _Start(block.base + place, False, False) if place else None
                    rest = data[place or held : held].copy()
                    ahead.append((block, future, guess))
                    continue
                block, future, expected = ahead.popleft()
                scanned = future.result()
                yield block, scanned
                state = scanned.state
                if state != expected:
                    source.give_back(block.data[scanned.begin : block.held], [later for later, _, _ in ahead])
                    break
                spare.append(block.data)
            else:
                assert failed is not None
                raise failed
            # Beside a wrong guess this is a row longer than a block, for which blocks grow.
            for block, scanned in _in_turn(scanner, source, state, batch_bytes, row_bytes):
                yield block, scanned
                state = scanned.state
                if len(block.data) == size and scanned.begin:
                    source.give_back(block.data[scanned.begin : block.held], [])
                    break
            wrong += 1
    finally:
        pool.shutdown(cancel_futures=True)
    yield from _in_turn(scanner, source, state, batch_bytes, row_bytes)


def _last_row(data: xml_columns.Bytes, held: int) -> int:
    """Where the kernel is likely to stop in a block: at the last row, or behind it if it is whole; 0 if not seen."""
    reach = _LOOK_BACK
    while True:
        low = max(0, held - reach)
        tail = data[low:held].tobytes()
        begin = tail.rfind(b"<row")
        if begin >= 0 or not low:
            break
        reach *= 8
    if begin < 0:
        return 0
    row = _ROW.match(tail, begin)
    if row is not None and _ENDED.search(row[0]):
        begin = len(tail) - len(tail[row.end() :].lstrip(b" \t\r\n"))
    return low + begin


class _Source:
    """The stream as UTF-8, with the bytes that were read ahead to see the root element."""

    def __init__(self, stream: BinaryIO, file: str) -> None:
        self._stream, self._file = stream, file
        self._decoder: codecs.IncrementalDecoder | None = None
        self._ahead = b""
        self._failed: Exception | None = None
        self.offset = 0

    def head(self, table: str) -> Sniff:
        """Read up to the end of the root's start tag; the next bytes are those behind it."""
        raw = b""
        while True:
            want = len(raw) + _LOOK_BACK
            while len(raw) < want and (more := self._stream.read(want - len(raw))):
                raw += more
            seen = sniff(raw)
            problem = seen.problem
            if len(raw) < want and seen.end < 0 and problem is None:
                problem = "ends before its root element does: it isn't a dump, or truncated" if raw else "is empty"
            if problem is not None:
                raise InputError(f"{self._file}: {problem}")
            if seen.end >= 0:
                break
        if seen.table != table:
            root = seen.opening.decode("utf-8", "replace")
            raise InputError(f"{self._file}: {root} is the root element of the table {seen.table}, not of {table}")
        if seen.encoding.startswith("utf-16"):
            self._decoder = codecs.getincrementaldecoder(seen.encoding)("surrogatepass")
        self._ahead, self.offset = self._utf8(raw)[seen.end :], seen.end
        return seen

    def _utf8(self, raw: bytes) -> bytes:
        # A lone surrogate is passed on, as the invalid UTF-8 that it is, so that its row is repaired and counted.
        return self._decoder.decode(raw).encode("utf-8", "surrogatepass") if self._decoder else raw

    def seek(self, to: int) -> None:
        self._stream.seek(to)
        self._ahead, self.offset = b"", to

    def fill(self, block: xml_columns.Bytes, held: int) -> tuple[int, bool]:
        """Fill the block from `held` on, and zero its padding: bytes now held, and whether the stream has ended.

        An error of the stream comes again, behind the same bytes, when they were given back.
        """
        first, room, last = held, len(block) - xml_columns.PAD, False
        while held < room and not last:
            more = self._ahead
            if not more:
                try:
                    if self._failed is not None:
                        raise self._failed
                    raw = self._stream.read(room - held)
                except Exception as error:
                    self._failed = error
                    self._give_back([block[first:held]])
                    raise
                last = not raw
                more = self._utf8(raw)
            taken = more[: room - held]
            self._ahead = more[len(taken) :]
            block[held : held + len(taken)] = np.frombuffer(taken, np.uint8)
            held += len(taken)
            self.offset += len(taken)
        block[held : held + xml_columns.PAD] = 0
        return held, last

    def give_back(self, rest: xml_columns.Bytes, blocks: Sequence[_Block]) -> None:
        """Take back the rest of a block, and what the blocks behind it were filled with."""
        self._give_back([rest, *(block.data[block.carried : block.held] for block in blocks)])

    def _give_back(self, pieces: Sequence[xml_columns.Bytes]) -> None:
        self._ahead = b"".join([*(piece.tobytes() for piece in pieces), self._ahead])
        self.offset -= sum(len(piece) for piece in pieces)

    def closes(self, root: str) -> bool:
        """Whether the root's closing tag is in the last 64 kB, for a part that begins behind all rows."""
        size = self._stream.seek(0, 2)
        self._stream.seek(max(0, size - _LOOK_BACK))
        return f"</{root}".encode() in self._stream.read(_LOOK_BACK)


def _past_comment(stream: BinaryIO, first: int, start: int) -> int:
    """`start`, or the end of the comment around it."""
    low = max(first, start - _LOOK_BACK)
    stream.seek(low)
    window = b""
    while len(window) < start + 3 - low and (more := stream.read(start + 3 - low - len(window))):
        window += more
    opened = window.rfind(b"<!--", 0, start - low + 3)
    if opened < 0:
        return start
    closing = window.find(b"-->", opened + 4)
    while closing < 0 and (more := stream.read(_LOOK_BACK)):
        window += more
        closing = window.find(b"-->", max(opened + 4, len(window) - len(more) - 2))
    return max(start, low + closing + 3)


@dataclass(frozen=True)
class _RowContext:
    table: str
    site: str
    file: str
    opening: bytes  # the root's start tag without its end, for the namespaces that it may declare
    root: str
    needed: Sequence[Sequence[str]]
    longest: int


_ROW = re.compile(rb"""<row(?:[^"'>]++|"[^"]*+"|'[^']*+')*+(?:(?<=/)>|>(?:[^<]*+</row\s*+>)?)""")
_ENDED = re.compile(rb"(?:/|</row\s*)>\Z")
_VALUE = re.compile(rb"""=\s*+(?:"[^"]*+"|'[^']*+')""")
_MOST_ATTRIBUTES = 1000
"""Attributes of a row that are read; the tables have 25 at most. lxml takes time in the square of their number."""
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_CHARACTER = re.compile("&#(?:x([0-9A-Fa-f]+)|([0-9]+));")
_ENTITY = re.compile("&(?!(?:lt|gt|amp|quot|apos);)([^\\s#;&<\"'][^\\s;&<\"']*);")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?Z?)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _batch(
    context: _RowContext, plan: xml_columns.Layout, block: xml_columns.Bytes, base: int, out: xml_columns.Output
) -> ParsedRows:
    """The kernel's buffers and reports as a batch."""
    columns = xml_columns.arrays(context.table, plan, out)
    sites = pa.repeat(pa.scalar(context.site), int(out.state[xml_columns.ROWS]))
    fast = pa.Table.from_arrays([sites, *columns], schema=dump_schema(context.table))
    unknown: Counter[str] = Counter()
    for begin, length, count, _ in out.unknown[: out.state[xml_columns.UNKNOWN]].tolist():
        if count:
            unknown[block[begin : begin + length].tobytes().decode()] += count
    reports = [
        (base + begin, block[begin:end].tobytes(), kind == xml_columns.ROW, place)
        for kind, begin, end, place in out.reports[: out.state[xml_columns.REPORTS]].tolist()
    ]
    return _rows(context, fast, reports, unknown, base + int(out.state[xml_columns.CONSUMED]))


def _named(context: _RowContext) -> str:
    file, bang, member = context.file.partition("!")
    return f"{archives.name_of(file, context.site)}{bang}{member}"


def _rows(
    context: _RowContext,
    fast: pa.Table,
    reports: list[tuple[int, bytes, bool, int]],
    unknown: Counter[str],
    consumed: int,
) -> ParsedRows:
    """`fast` with the readable rows of the reports (offset, bytes, whether a row, place in `fast`)."""
    names = [field.name for field in fast.schema]
    slow: dict[str, list[Any]] = {name: [] for name in names}
    places: list[int] = []
    lost: list[dict[str, Any]] = []
    repairs: list[dict[str, Any]] = []

    def quarantine(offset: int, reason: str, raw: bytes) -> None:
        place = {"site": context.site, "table": context.table, "file": _named(context)}
        lost.append({**place, "offset": offset, "reason": reason, "row": raw})

    for offset, raw, is_row, place in reports:
        end = 0
        if is_row:
            whole = _ROW.match(raw)
            end = whole.end() if whole else len(raw)
            try:
                values, others, mended = _careful(context, raw[:end])
            except ValueError as error:
                quarantine(offset, str(error), raw[:end].rstrip())
            else:
                for name in names:
                    slow[name].append(values.get(name))
                places.append(place)
                unknown.update(others)
                if mended is not None:
                    repairs.append({"file": _named(context), "offset": offset, "reason": mended})
        if stray := raw[end:].strip():
            quarantine(offset + raw.index(stray, end), "neither a row nor a comment", stray)
    batch = xml_columns.merge(fast, slow, places) if places else fast
    return ParsedRows(
        batch, pa.Table.from_pylist(lost, QUARANTINE), dict(unknown), len(repairs), tuple(repairs), consumed
    )


def _careful(context: _RowContext, raw: bytes) -> tuple[dict[str, Any], list[str], str | None]:
    """A row by lxml: its values by column, the unknown attributes, and the reason where it was repaired.

    Raises:
        ValueError: the reason why it can't be read.
    """
    if len(raw) > context.longest:
        raise ValueError(f"longer than {context.longest >> 10:,} kB, the limit of read.row_kb")
    if sum(1 for _ in _VALUE.finditer(raw)) > _MOST_ATTRIBUTES:
        raise ValueError(f"more than {_MOST_ATTRIBUTES:,} attributes")
    decoded = _SURROGATE.sub("\ufffd".encode(), raw).decode("utf-8", "replace")
    text = _CHARACTER.sub(_legal, _FORBIDDEN.sub("\ufffd", decoded))
    if entity := _ENTITY.search(text):
        raise ValueError(f"the entity reference {entity[0][:80]} isn't one of XML's own, and none is expanded")
    document = b"%s>%s</%s>" % (context.opening, text.encode(), context.root.encode())
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"not well-formed: {str(error.msg).split(', line ')[0]}") from None
    if len(root) != 1 or len(root[0]) or (root[0].text or "").strip():
        raise ValueError("the row is more than its attributes")
    known = {a.xml: a for a in DUMP[context.table]}
    values: dict[str, Any] = {"site": context.site}
    others = []
    for key, value in root[0].attrib.items():
        if attribute := known.get(str(key)):
            values[attribute.column] = typed(attribute, str(value))
        else:
            others.append(str(key))
    written = {a.column: a.xml for a in DUMP[context.table]}
    for names in ((DUMP[context.table][0].column,), *context.needed):
        if all(values.get(name) is None for name in names):
            others_here = f"; not known are {', '.join(sorted(others)[:5])}" if others else ""
            raise ValueError(f"the attribute {written[names[0]]} is missing or empty{others_here}")
    if text.encode() == raw:
        return values, others, None
    return values, others, FORBIDDEN if decoded.encode() == raw else NOT_UTF8


def _legal(reference: re.Match[str]) -> str:
    """A character reference, or U+FFFD where XML has no such character (XML 1.0, 2.2)."""
    digits = (reference[1] or reference[2]).lstrip("0") or "0"
    code = int(digits, 16 if reference[1] else 10) if len(digits) < 9 else -1
    control = code < 32 and code not in (9, 10, 13)
    illegal = control or 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF) or code > 0x10FFFF
    return "\ufffd" if illegal else reference[0]


def typed(attribute: Attribute, text: str) -> Any:
    """The value of an attribute: int, milliseconds, bool, str, list of tags, or None where a typed one is empty.

    Raises:
        ValueError: it is none of the attribute's type; says so with its name.
    """
    kind, bare = attribute.type, text.strip()
    wrong = ValueError(f"{attribute.xml}={text[:80]!r} is not of type {kind}")
    if kind == pa.string():
        return text
    if kind == pa.list_(pa.string()):
        if re.fullmatch(r"(?:<[^<>]*>)*", text):
            return [tag for tag in text[1:-1].split("><") if tag]
        if re.fullmatch(r"\|(?:[^|]*\|)*", text):
            return [tag for tag in text.split("|") if tag]
        raise wrong
    if not bare:
        return None
    if kind == pa.bool_():
        if bare.lower() not in ("true", "false"):
            raise wrong
        return bare.lower() == "true"
    if kind == TIME:
        match = _TIME.fullmatch(bare)
        try:
            moment = datetime.fromisoformat(f"{match[1]}T{match[2] or '00:00:00'}+00:00") if match else None
        except ValueError:
            raise wrong from None
        if match is None or moment is None:
            raise wrong
        return (moment - _EPOCH) // timedelta(milliseconds=1) + int((match[3] or "0")[:3].ljust(3, "0"))
    number = int(bare) if _INTEGER.fullmatch(bare) else _FAR * 4
    bound = 1 << (kind.bit_width - 1)
    if not -bound <= number < bound:
        raise wrong
    return number


def _empty(table: str) -> pa.Table:
    return dump_schema(table).empty_table()
