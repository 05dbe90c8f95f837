"""The compiled kernel that reads the bytes of `<row …/>` elements into the buffers of `corpus.dump.xml_columns`.

It reads what is wholly regular and leaves the rest to `xml_rows`: a row that it can't read without doubt is
reported by its place, never guessed at. One kernel serves all tables; `Layout` says what the attributes of a table are.

A stream is a sequence of segments. A segment begins with `<row`, with `<!--` or with the root's closing tag, none of
which can occur inside an attribute's value, and ends where the next one begins. Anything but white
space behind a row in its segment is stray: it is reported too, so that no byte is lost silently.

Method: one pass over the bytes (XML 1.0, sections 2.2, 2.11, 3.3.3 and 4.1); dates by day numbers of the proleptic
Gregorian calendar. The helpers are inlined, or they would count references to arrays at each call. All of
the kernel's code is in this file, since numba compiles it again only when this file changes.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from socorpus.corpus.arrays import njit

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

PAD = 64
"""Zero bytes that must follow the block: the kernel looks ahead without asking for the block's end."""

MAX_REPORTS = 4096
"""Most reports of one call."""
MAX_UNKNOWN = 64
"""Most names of unknown attributes of one call; rows with others are reported."""

HASHES = 128
"""Places of `Layout.lookup`, a power of two."""

# Kinds of columns.
INT64, INT32, TIMESTAMP, BOOLEAN, STRING, TAGS = range(6)

# Kinds of segments, by their first bytes; STRAY also marks reports of bytes outside any segment.
STRAY, ROW, CLOSE, COMMENT = range(4)

# Why the kernel came back: it needs more bytes, its buffers are full, it met the limit, or a segment is cut off.
MORE, FULL, LIMIT, CUT = range(4)

_NAME = np.zeros(256, np.bool_)
_NAME[[*range(48, 58), *range(65, 91), *range(97, 123), 45, 46, 95]] = True

# Bytes of a value that are copied as they are: all of ASCII but controls, `&`, `<` and the value's own quote.
_PLAIN = np.zeros((2, 256), np.bool_)
_PLAIN[:, 32:128] = True
_PLAIN[:, [38, 60]] = False
_PLAIN[0, 34] = _PLAIN[1, 39] = False

_DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)


class Layout(NamedTuple):
    """The kernel's view of a table: attribute names by hash, kinds and places of the columns."""

    names: Bytes  # (columns, 32)
    lengths: Ints  # (columns,)
    lookup: Ints  # (HASHES,) column + 1 by hash of its name, linear probing
    kinds: Ints  # (columns,)
    slots: Ints  # (columns,) row of `Output.numbers` or of `Output.text`
    root: Bytes  # name of the root element as written
    needed: Ints  # (n, 2) columns of which a row must have one; the same one twice where there is no other
    longest: Ints  # (1,) most bytes of a row


class Output(NamedTuple):
    """The kernel's results. Offsets and counts are in bytes and rows of this block."""

    numbers: Ints  # (typed columns, rows)
    valid: Bytes  # (columns, rows)
    text: Bytes  # (string columns + 1, bytes); the last row is for values that nobody keeps
    ends: NDArray[np.int32]  # (string columns + 1, rows + 1) Arrow offsets
    list_ends: NDArray[np.int32]  # (rows + 1,) Arrow offsets of the tag lists
    tag_ends: NDArray[np.int32]  # Arrow offsets of the tags
    reports: Ints  # (reports, 4) kind, begin, end, rows read before it
    unknown: Ints  # (names, 4) begin, length, count, last attempt that had it
    fill: Ints  # (string columns + 1,) bytes written
    seen: Ints  # (columns,) last attempt that had the attribute
    state: Ints  # (STATES,) by the names below


# `Output.state`: rows read, tags, reports, unknown names; where and why the kernel stopped; whether the root is closed;
# whether the place is inside a segment that is not ours; rows tried.
STATES = 9
ROWS, N_TAGS, REPORTS, UNKNOWN, CONSUMED, WHY, CLOSED, INSIDE, ATTEMPTS = range(STATES)


@intrinsic
def _borrow(typing: Any, array: Any) -> Any:
    """The array without its owner: references to it are not counted, which took most of the kernel's time."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(array)(context, builder, args[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(array), build


@njit(cache=True, nogil=True)
def scan(buf: Bytes, begin: int, size: int, limit: int, last: bool, plan: Layout, out: Output) -> None:
    """Read the segments of `buf[begin:size]` that begin before `limit`.

    `last`: the stream ends at `size`. The results, and where and why the kernel stopped, are in `out`, whose CLOSED and
    INSIDE also go in: with INSIDE, all bytes up to the first segment are skipped. `buf` has `PAD` zero bytes behind
    `size`.
    """
    buf = _borrow(buf)
    plan = Layout(
        _borrow(plan.names),
        _borrow(plan.lengths),
        _borrow(plan.lookup),
        _borrow(plan.kinds),
        _borrow(plan.slots),
        _borrow(plan.root),
        _borrow(plan.needed),
        _borrow(plan.longest),
    )
    out = Output(
        _borrow(out.numbers),
        _borrow(out.valid),
        _borrow(out.text),
        _borrow(out.ends),
        _borrow(out.list_ends),
        _borrow(out.tag_ends),
        _borrow(out.reports),
        _borrow(out.unknown),
        _borrow(out.fill),
        _borrow(out.seen),
        _borrow(out.state),
    )
    state = out.state
    look = len(plan.root) + 3
    capacity = out.valid.shape[1]
    pos = begin
    why = MORE
    if state[INSIDE]:
        pos = _next(buf, pos, size, plan.root)
        if pos < 0:
            # A token may be cut by the block's end, so its first bytes are kept.
            pos = size if last else max(begin, size - look)
            state[CONSUMED] = pos
            state[WHY] = LIMIT if pos >= limit else MORE
            return
        state[INSIDE] = 0
    while True:
        while _space(buf[pos]):
            pos += 1
        if pos >= size:
            pos = size
            break
        if size - pos < look and not last:
            break
        kind = _token(buf, pos, plan.root) if buf[pos] == 60 else STRAY
        if kind != STRAY and pos >= limit:
            why = LIMIT
            break
        if state[REPORTS] == MAX_REPORTS or state[ROWS] == capacity:
            why = FULL
            break
        end = -1
        if kind == ROW:
            state[CLOSED] = 0
            end = _row(buf, pos, plan, out)
            if end >= 0:
                pos = end
                continue
        elif kind == CLOSE:
            end = pos + look - 1
            while _space(buf[end]):
                end += 1
            if end < size and buf[end] == 62:
                state[CLOSED] = 1
                pos = end + 1
                continue
        elif kind == COMMENT:
            end = pos + 4
            while end < size and not (buf[end] == 45 and buf[end + 1] == 45 and buf[end + 2] == 62):
                end += 1
            if end < size:
                pos = end + 3
                continue
            why = CUT if last else MORE
            break
        end = _next(buf, pos + 1, size, plan.root)
        if end < 0:
            if not last:
                break
            if state[CLOSED] == 0:
                why = CUT
                break
            end = size
        report = state[REPORTS]
        out.reports[report, 0] = ROW if kind == ROW else STRAY
        out.reports[report, 1] = pos
        out.reports[report, 2] = end
        out.reports[report, 3] = state[ROWS]
        state[REPORTS] += 1
        pos = end
    state[CONSUMED] = pos
    state[WHY] = why


@njit(cache=True, nogil=True, forceinline=True)
def _space(byte: int) -> bool:
    return byte == 32 or byte == 10 or byte == 13 or byte == 9


@njit(cache=True, nogil=True, forceinline=True)
def _token(buf: Bytes, pos: int, root: Bytes) -> int:
    """Kind of the segment that begins with the `<` at `pos`: ROW, CLOSE, COMMENT, or STRAY."""
    if buf[pos + 1] == 114 and buf[pos + 2] == 111 and buf[pos + 3] == 119:
        after = buf[pos + 4]
        return ROW if _space(after) or after == 47 or after == 62 else STRAY
    if buf[pos + 1] == 33 and buf[pos + 2] == 45 and buf[pos + 3] == 45:
        return COMMENT
    if buf[pos + 1] == 47:
        for i in range(len(root)):
            if buf[pos + 2 + i] != root[i]:
                return STRAY
        after = buf[pos + 2 + len(root)]
        return CLOSE if _space(after) or after == 62 else STRAY
    return STRAY


@njit(cache=True, nogil=True, forceinline=True)
def _next(buf: Bytes, pos: int, size: int, root: Bytes) -> int:
    """Start of the next segment, -1 where there is none."""
    while pos < size:
        if buf[pos] == 60 and _token(buf, pos, root) != STRAY:
            return pos
        pos += 1
    return -1


@njit(cache=True, nogil=True, forceinline=True)
def _row(buf: Bytes, pos: int, plan: Layout, out: Output) -> int:
    """Read the row at `pos` into the next free place of `out`: its end, or -1 and nothing written."""
    state = out.state
    row = state[ROWS]
    state[ATTEMPTS] += 1
    end = _attributes(buf, pos + 4, plan, out)
    texts = len(out.fill) - 1
    if end < 0 or out.valid[0, row] == 0 or end - pos > plan.longest[0] or _lacks(row, plan, out):
        for c in range(len(plan.kinds)):
            out.valid[c, row] = 0
        for t in range(texts):
            out.fill[t] = out.ends[t, row]
        state[N_TAGS] = out.list_ends[row]
        return -1
    for u in range(state[UNKNOWN]):
        if out.unknown[u, 3] == state[ATTEMPTS]:
            out.unknown[u, 2] += 1
    for t in range(texts):
        out.ends[t, row + 1] = out.fill[t]
    out.list_ends[row + 1] = state[N_TAGS]
    state[ROWS] = row + 1
    return end


@njit(cache=True, nogil=True, forceinline=True)
def _lacks(row: int, plan: Layout, out: Output) -> bool:
    """Whether the row lacks a column that every row has."""
    for n in range(len(plan.needed)):
        if out.valid[plan.needed[n, 0], row] == 0 and out.valid[plan.needed[n, 1], row] == 0:
            return True
    return False


@njit(cache=True, nogil=True, forceinline=True)
def _attributes(buf: Bytes, pos: int, plan: Layout, out: Output) -> int:
    """Read a row's attributes from `pos`, behind `<row`: the row's end, or -1 where anything is irregular."""
    state = out.state
    row = state[ROWS]
    attempt = state[ATTEMPTS]
    unkept = len(out.fill) - 1
    while True:
        before = pos
        while _space(buf[pos]):
            pos += 1
        if buf[pos] == 47:
            return pos + 2 if buf[pos + 1] == 62 else -1
        if buf[pos] == 62:
            return _closing(buf, pos + 1)
        if pos == before:
            return -1
        name = pos
        place = 0
        while _NAME[buf[pos]]:
            place = (place * 31 + buf[pos]) & (HASHES - 1)
            pos += 1
        length = pos - name
        while _space(buf[pos]):
            pos += 1
        if length == 0 or buf[pos] != 61:
            return -1
        pos += 1
        while _space(buf[pos]):
            pos += 1
        quote = buf[pos]
        if quote != 34 and quote != 39:
            return -1
        pos += 1
        column = _column(buf, name, length, place, plan)
        if column < 0:
            pos, _ = _text(buf, pos, quote, out.text[unkept], 0)
            if pos < 0 or not _note(buf, name, length, out):
                return -1
            continue
        if out.seen[column] == attempt:
            return -1
        out.seen[column] = attempt
        kind = plan.kinds[column]
        slot = plan.slots[column]
        if kind >= STRING:
            start = out.fill[slot]
            pos, stop = _text(buf, pos, quote, out.text[slot], start)
            if pos >= 0 and kind == TAGS:
                stop = _tags(out.text[slot], start, stop, out)
            if pos < 0 or stop < 0:
                return -1
            out.fill[slot] = stop
        else:
            if buf[pos] == quote:
                pos += 1
                continue
            if kind == TIMESTAMP:
                pos, value = _time(buf, pos)
            elif kind == BOOLEAN:
                pos, value = _boolean(buf, pos)
            else:
                pos, value = _integer(buf, pos, kind == INT32)
            if pos < 0 or buf[pos] != quote:
                return -1
            pos += 1
            out.numbers[slot, row] = value
        out.valid[column, row] = 1


@njit(cache=True, nogil=True, forceinline=True)
def _closing(buf: Bytes, pos: int) -> int:
    """The end of `</row>` behind a start tag, -1 where something else stands there."""
    while _space(buf[pos]):
        pos += 1
    if not (
        buf[pos] == 60 and buf[pos + 1] == 47 and buf[pos + 2] == 114 and buf[pos + 3] == 111 and buf[pos + 4] == 119
    ):
        return -1
    pos += 5
    while _space(buf[pos]):
        pos += 1
    return pos + 1 if buf[pos] == 62 else -1


@njit(cache=True, nogil=True, forceinline=True)
def _column(buf: Bytes, name: int, length: int, place: int, plan: Layout) -> int:
    while plan.lookup[place]:
        column = plan.lookup[place] - 1
        if plan.lengths[column] == length:
            same = True
            for i in range(length):
                if plan.names[column, i] != buf[name + i]:
                    same = False
                    break
            if same:
                return column
        place = (place + 1) & (HASHES - 1)
    return -1


@njit(cache=True, nogil=True, forceinline=True)
def _note(buf: Bytes, name: int, length: int, out: Output) -> bool:
    """Remember an unknown attribute; False where its name is odd, repeated in the row, or one too many."""
    state = out.state
    first = buf[name]
    is_xmlns = length >= 3 and (first | 32) == 120 and (buf[name + 1] | 32) == 109 and (buf[name + 2] | 32) == 108
    if first < 65 or is_xmlns:
        return False
    for u in range(state[UNKNOWN]):
        if out.unknown[u, 1] == length:
            same = True
            for i in range(length):
                if buf[out.unknown[u, 0] + i] != buf[name + i]:
                    same = False
                    break
            if same:
                if out.unknown[u, 3] == state[ATTEMPTS]:
                    return False
                out.unknown[u, 3] = state[ATTEMPTS]
                return True
    u = state[UNKNOWN]
    if u == MAX_UNKNOWN:
        return False
    out.unknown[u, 0] = name
    out.unknown[u, 1] = length
    out.unknown[u, 2] = 0
    out.unknown[u, 3] = state[ATTEMPTS]
    state[UNKNOWN] = u + 1
    return True


@njit(cache=True, nogil=True, forceinline=True)
def _text(buf: Bytes, pos: int, quote: int, into: Bytes, to: int) -> tuple[int, int]:
    """Decode a value up to its quote: the place behind the quote and the end of the text, or -1 for the former."""
    plain = _PLAIN[0] if quote == 34 else _PLAIN[1]
    while True:
        byte = buf[pos]
        while plain[byte]:
            into[to] = byte
            pos += 1
            to += 1
            byte = buf[pos]
        if byte == quote:
            return pos + 1, to
        if byte == 38:
            pos, to = _reference(buf, pos + 1, into, to)
            if pos < 0:
                return -1, to
        elif byte >= 128:
            width = _sequence(buf, pos)
            if width == 0:
                return -1, to
            for i in range(width):
                into[to + i] = buf[pos + i]
            pos += width
            to += width
        elif _space(byte):
            # XML 1.0, 2.11 and 3.3.3: a line end of one or two characters becomes one space.
            pos += 2 if byte == 13 and buf[pos + 1] == 10 else 1
            into[to] = 32
            to += 1
        else:
            return -1, to


@njit(cache=True, nogil=True, forceinline=True)
def _reference(buf: Bytes, pos: int, into: Bytes, to: int) -> tuple[int, int]:
    """Decode the reference whose `&` is before `pos`."""
    byte = buf[pos]
    if byte == 35:
        return _character(buf, pos + 1, into, to)
    if buf[pos + 1] == 116 and buf[pos + 2] == 59 and (byte == 108 or byte == 103):
        into[to] = 60 if byte == 108 else 62
        return pos + 3, to + 1
    if byte == 113 and buf[pos + 1] == 117 and buf[pos + 2] == 111 and buf[pos + 3] == 116 and buf[pos + 4] == 59:
        into[to] = 34
        return pos + 5, to + 1
    if byte == 97 and buf[pos + 1] == 109 and buf[pos + 2] == 112 and buf[pos + 3] == 59:
        into[to] = 38
        return pos + 4, to + 1
    if byte == 97 and buf[pos + 1] == 112 and buf[pos + 2] == 111 and buf[pos + 3] == 115 and buf[pos + 4] == 59:
        into[to] = 39
        return pos + 5, to + 1
    return -1, to


@njit(cache=True, nogil=True, forceinline=True)
def _character(buf: Bytes, pos: int, into: Bytes, to: int) -> tuple[int, int]:
    """Decode the character reference whose `&#` is before `pos`, and write it as UTF-8."""
    code: Any = 0
    base = 10
    if buf[pos] == 120:
        base = 16
        pos += 1
    first = pos
    while True:
        byte = np.int64(buf[pos])
        if 48 <= byte <= 57:
            digit = byte - 48
        elif base == 16 and 97 <= (byte | 32) <= 102:
            digit = (byte | 32) - 87
        else:
            break
        code = code * base + digit
        if code > 0x10FFFF:
            return -1, to
        pos += 1
    if pos == first or buf[pos] != 59:
        return -1, to
    if code < 32 and code != 9 and code != 10 and code != 13:
        return -1, to
    if 0xD800 <= code <= 0xDFFF or code == 0xFFFE or code == 0xFFFF:
        return -1, to
    if code < 0x80:
        into[to] = code
        return pos + 1, to + 1
    if code < 0x800:
        into[to] = 0xC0 | code >> 6
        into[to + 1] = 0x80 | code & 63
        return pos + 1, to + 2
    if code < 0x10000:
        into[to] = 0xE0 | code >> 12
        into[to + 1] = 0x80 | code >> 6 & 63
        into[to + 2] = 0x80 | code & 63
        return pos + 1, to + 3
    into[to] = 0xF0 | code >> 18
    into[to + 1] = 0x80 | code >> 12 & 63
    into[to + 2] = 0x80 | code >> 6 & 63
    into[to + 3] = 0x80 | code & 63
    return pos + 1, to + 4


@njit(cache=True, nogil=True, forceinline=True)
def _sequence(buf: Bytes, pos: int) -> int:
    """Bytes of the UTF-8 sequence at `pos`, 0 where it is invalid or U+FFFE or U+FFFF (Unicode, table 3-7)."""
    first = buf[pos]
    second = buf[pos + 1]
    if 0xC2 <= first <= 0xDF:
        return 2 if second & 0xC0 == 0x80 else 0
    if second & 0xC0 != 0x80 or buf[pos + 2] & 0xC0 != 0x80:
        return 0
    if 0xE0 <= first <= 0xEF:
        if (first == 0xE0 and second < 0xA0) or (first == 0xED and second >= 0xA0):
            return 0
        return 0 if first == 0xEF and second == 0xBF and buf[pos + 2] >= 0xBE else 3
    if 0xF0 <= first <= 0xF4 and buf[pos + 3] & 0xC0 == 0x80:
        return 0 if (first == 0xF0 and second < 0x90) or (first == 0xF4 and second >= 0x90) else 4
    return 0


@njit(cache=True, nogil=True, forceinline=True)
def _tags(text: Bytes, start: int, stop: int, out: Output) -> int:
    """Split `<a><b>` or `|a|b|` in place into the list of tags: the end of what is kept, -1 where it is neither."""
    state = out.state
    if start == stop:
        return start
    to = start
    pos = start
    opening = text[start]
    closing = np.uint8(62) if opening == 60 else np.uint8(124)
    if opening != 60 and opening != 124:
        return -1
    if opening == 124:
        pos += 1
    while pos < stop:
        if opening == 60:
            if text[pos] != 60:
                return -1
            pos += 1
        first = to
        while pos < stop and text[pos] != closing:
            if text[pos] == opening:
                return -1
            text[to] = text[pos]
            to += 1
            pos += 1
        if pos == stop:
            return -1
        pos += 1
        if to > first:
            state[N_TAGS] += 1
            out.tag_ends[state[N_TAGS]] = to
    return to


@njit(cache=True, nogil=True, forceinline=True)
def _integer(buf: Bytes, pos: int, narrow: bool) -> tuple[int, int]:
    """The integer at `pos`, of 18 digits or of 32 bits at most."""
    negative = buf[pos] == 45
    if negative:
        pos += 1
    first = pos
    value: Any = np.int64(0)
    while 48 <= buf[pos] <= 57:
        value = value * 10 + (np.int64(buf[pos]) - 48)
        pos += 1
        if pos - first > 18:
            return -1, 0
    if pos == first:
        return -1, 0
    if negative:
        value = -value
    if narrow and not -0x80000000 <= value <= 0x7FFFFFFF:
        return -1, 0
    return pos, value


@njit(cache=True, nogil=True, forceinline=True)
def _digits(buf: Bytes, pos: int, count: int) -> int:
    value: Any = 0
    for i in range(count):
        digit = np.int64(buf[pos + i]) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@njit(cache=True, nogil=True, forceinline=True)
def _time(buf: Bytes, pos: int) -> tuple[int, int]:
    """Milliseconds since 1970 in UTC of `2011-10-11T19:29:01.593Z`; the fraction, the time and the Z are optional."""
    year, month, day = _digits(buf, pos, 4), _digits(buf, pos + 5, 2), _digits(buf, pos + 8, 2)
    if year < 1 or month < 1 or month > 12 or day < 1 or buf[pos + 4] != 45 or buf[pos + 7] != 45:
        return -1, 0
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _DAYS[month - 1] + (1 if leap else 0):
        return -1, 0
    # Years begin in March, so that the leap day is a year's last; a cycle of 400 years has 146097 days.
    shifted = year - 1 if month <= 2 else year
    cycle = shifted // 400
    of_cycle = shifted - cycle * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = cycle * 146097 + of_cycle * 365 + of_cycle // 4 - of_cycle // 100 + of_year - 719468
    pos += 10
    value: Any = np.int64(days) * 86_400_000
    if buf[pos] != 84 and buf[pos] != 32:
        return pos, value
    hour, minute, second = _digits(buf, pos + 1, 2), _digits(buf, pos + 4, 2), _digits(buf, pos + 7, 2)
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return -1, 0
    if buf[pos + 3] != 58 or buf[pos + 6] != 58:
        return -1, 0
    value += hour * 3_600_000 + minute * 60_000 + second * 1000
    pos += 9
    if buf[pos] == 46:
        pos += 1
        first = pos
        unit = 100
        while 48 <= buf[pos] <= 57:
            value += (np.int64(buf[pos]) - 48) * unit
            unit //= 10
            pos += 1
        if pos == first:
            return -1, 0
    return pos + 1 if buf[pos] == 90 else pos, value


@njit(cache=True, nogil=True, forceinline=True)
def _boolean(buf: Bytes, pos: int) -> tuple[int, int]:
    """1 for `True`, 0 for `False`, in any case."""
    first = buf[pos] | 32
    if first == 116 and buf[pos + 1] | 32 == 114 and buf[pos + 2] | 32 == 117 and buf[pos + 3] | 32 == 101:
        return pos + 4, 1
    if first == 102 and buf[pos + 1] | 32 == 97 and buf[pos + 2] | 32 == 108 and buf[pos + 3] | 32 == 115:
        return (pos + 5, 0) if buf[pos + 4] | 32 == 101 else (-1, 0)
    return -1, 0
