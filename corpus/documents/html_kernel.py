"""The compiled reader of plain post HTML: what Stack Exchange's sanitiser emits, from UTF-8 to text and spans.

It lays out text by the rules of `spans.Writer`, and gives up on a body that holds anything about which HTML parsers
have ideas of their own: an unknown tag or entity, an element that is not closed where it was opened or that another
one closes by beginning, a control character. Such a row is left empty and marked, for another reader to take.

All of it stands in one file, as numba's cache sees changes only in the file of a compiled function.
"""

from html.entities import html5, name2codepoint
from typing import Any, NamedTuple

import numpy as np

from socorpus.corpus.arrays import Int32, Int64, UInt8, njit
from socorpus.corpus.documents.spans import (
    AFTER_CODE,
    AFTER_EDGE,
    BLANK,
    CELL,
    CODE,
    EDGE,
    INLINE_CODE,
    JOIN,
    LINE,
    PROSE,
    QUOTE,
    SPACE,
)

_BLANKS = ("p", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "address", "center", "article", "section")
_LINES = ("li", "ul", "ol", "dl", "dt", "dd", "div", "table", "thead", "tbody", "tfoot", "caption", "summary")
_INLINE = (
    *("strong", "em", "b", "i", "u", "big", "small", "tt"),
    *("span", "abbr", "cite", "dfn", "font", "mark", "samp", "var"),
)
# Effect of a tag: it sets apart (a strength, up to BLANK), or one of these.
_BR, _BLOCKQUOTE, _A, _CODE, _PRE, TOUCH, _ROW, _CELL, _SUP, _SUB = range(16, 26)
OPERATIONS: dict[str, int] = {
    **dict.fromkeys(_BLANKS, BLANK),
    **dict.fromkeys(_LINES, LINE),
    **dict.fromkeys(_INLINE, JOIN),
    **dict.fromkeys(("kbd", "del", "ins", "s", "strike", "img"), TOUCH),
    "tr": _ROW,
    **dict.fromkeys(("td", "th"), _CELL),
    "sup": _SUP,
    "sub": _SUB,
    "br": _BR,
    "blockquote": _BLOCKQUOTE,
    "a": _A,
    "code": _CODE,
    "pre": _PRE,
}
# Elements that end where another begins in them, though no closing tag says it (libxml2's htmlStartClose).
CLOSED_BY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), ("li", "table", "p")),
    **dict.fromkeys(("b", "i"), ("center", "td", "th", "p")),
    **dict.fromkeys(("s", "strike", "big", "small", "tt"), ("p",)),
    **dict.fromkeys(("td", "th"), ("tbody", "tfoot", "tr", "td", "th")),
    "u": ("td", "th", "p"),
    "span": ("td", "th"),
    "font": ("center", "td", "th"),
    "a": ("table", "td", "th", "a"),
    "li": ("li",),
    "ul": ("address", "pre"),
    "dl": ("li",),
    "dt": ("dl", "dd"),
    "dd": ("dt",),
    "thead": ("tbody", "tfoot"),
    "tbody": ("tbody", "tfoot"),
    "tfoot": ("tbody",),
    "tr": ("tbody", "tfoot", "tr"),
    "caption": ("thead", "tbody", "tfoot", "tr"),
    "address": ("li", "ul", "dl", "dt", "dd"),
    "pre": ("li", "ul", "dl", "dt", "dd", "table"),
    "p": (
        *("h1", "h2", "h3", "h4", "h5", "h6", "hr", "address", "center", "li", "ul", "ol", "dl", "dt", "dd", "div"),
        *("table", "tbody", "tfoot", "tr", "caption", "td", "th", "p", "blockquote", "pre"),
    ),
}
# Deeper ones are left to the other reader.
_DEPTH_MOST = 64
_NAME_BITS, _NAME_MOST = 6, 10


def _name_key(name: str) -> int:
    """A tag's name as one number: six bits a letter (a to z, then 1 to 6)."""
    key = 0
    for letter in name.encode():
        key = key << _NAME_BITS | (letter - 96 if letter > 57 else letter - 48 + 26)
    return key


def _entity_key(name: str) -> int:
    return int.from_bytes(name.encode(), "big")


# Entities that all HTML parsers read alike: HTML 4's but those that HTML 5 moved, and Latin 1 by number.
_ENTITIES = {
    **{_entity_key(name): code for name, code in name2codepoint.items() if html5.get(f"{name};") == chr(code)},
    **{_entity_key(f"#{code}"): code for code in (*range(32, 127), *range(160, 256))},
}
_ENTITY_MOST = 8

_TAG_KEYS = np.array(sorted(map(_name_key, OPERATIONS)), np.int64)
_TAG_OPERATIONS = np.array([OPERATIONS[name] for name in sorted(OPERATIONS, key=_name_key)], np.uint8)
_ENTITY_KEYS = np.array(sorted(_ENTITIES), np.int64)
_ENTITY_CODES = np.array([_ENTITIES[key] for key in sorted(_ENTITIES)], np.int32)
_TAG_NAMES = sorted(OPERATIONS, key=_name_key)
_CLOSES = np.array([[new in CLOSED_BY.get(name, ()) for new in _TAG_NAMES] for name in _TAG_NAMES])
# Without content: they have no closing tag and may end in a slash.
_VOID = np.array([name in ("br", "hr", "img") for name in _TAG_NAMES])
_PRE_PLACE = _TAG_NAMES.index("pre")

_PLAIN, _WHITE, _BAD, _LT, _AMP, _WIDE = range(6)
_CLASSES = np.full(256, _PLAIN, np.uint8)
_CLASSES[[9, 10, 32]] = _WHITE
_CLASSES[[0, 11, 12, 13, 28, 29, 30, 31]] = _BAD
_CLASSES[ord("<")], _CLASSES[ord("&")] = _LT, _AMP
_CLASSES[128:] = _WIDE

_LETTERS = np.zeros(256, bool)  # of an attribute's name
_LETTERS[[*range(48, 58), *range(65, 91), *range(97, 123), 45, 95]] = True


def _bytes(text: str) -> UInt8:
    return np.frombuffer(text.encode(), np.uint8)


_CLASS, _HREF = _bytes("class"), _bytes('<a href="')
_CODE_OPEN, _CODE_CLOSE, _PRE_CLOSE = _bytes("<code"), _bytes("</code>"), _bytes("</pre>")
_NOTE, _NOTE_LANGUAGE, _NOTE_ALL = _bytes("<!-- "), _bytes("language"), _bytes("-all")
_HTTP, _HTTPS, _FTP, _MAILTO = _bytes("http:"), _bytes("https:"), _bytes("ftp:"), _bytes("mailto:")


class Read(NamedTuple):
    """Flat arrays of all rows, one row after another; offsets in code points from the row's start."""

    text: UInt8
    """UTF-8, longer than what is used."""
    text_ends: Int64
    """Bytes, shape [rows]."""
    lengths: Int64
    """Code points, shape [rows]; -1 for a row that is not plain."""
    segments: Int32
    """Kind, start, end, place of a code block among the row's all (else -1); shape [segments, 4]."""
    segment_ends: Int64
    """Shape [rows]."""
    blocks: Int64
    """Sources of a code block's language: bounds in the input of the class of `<code>`, of that of `<pre>`, of the note
    before it, of the note for all; -1 where there is none. Shape [blocks, 8]."""
    links: Int32
    """Start, end; shape [links, 2]."""
    link_ends: Int64
    """Shape [rows]."""
    targets: UInt8
    """UTF-8, longer than what is used."""
    target_ends: Int64
    """Bytes, shape [links]."""


@njit(cache=True, nogil=True)
def _at(data: UInt8, i: int, end: int, wanted: UInt8) -> bool:
    if i + wanted.size > end:
        return False
    for k in range(wanted.size):  # noqa: SIM110 (numba compiles no generators)
        if data[i + k] != wanted[k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _starts(data: UInt8, start: int, end: int, wanted: UInt8) -> bool:
    """Whether `wanted` stands at the start, in either case."""
    if start + wanted.size > end:
        return False
    for k in range(wanted.size):
        letter = data[start + k]
        if 65 <= letter <= 90:
            letter += 32
        if letter != wanted[k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _find(keys: Int64, key: int) -> int:
    low, high = 0, keys.size
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < keys.size and keys[low] == key else -1


@njit(cache=True, nogil=True)
def _name(data: UInt8, i: int, end: int) -> tuple[Any, int]:
    """Key of the tag name at i, and where it ends; key 0 is none."""
    key: Any = 0
    first = i
    while i < end and i - first < _NAME_MOST:
        letter = data[i]
        if 97 <= letter <= 122:
            key = key << _NAME_BITS | np.int64(letter - 96)
        elif 49 <= letter <= 54 and i > first:
            key = key << _NAME_BITS | np.int64(letter - 22)
        else:
            break
        i += 1
    return key, i


@njit(cache=True, nogil=True)
def _attributes(data: UInt8, i: int, end: int) -> tuple[int, int, int]:
    """Reads ` name="value"` as often as it stands there: where that ends (-1: irregular), bounds of a class."""
    class_start = class_end = -1
    while i + 1 < end and data[i] == 32 and _LETTERS[data[i + 1]]:
        first = i + 1
        i = first
        while i < end and _LETTERS[data[i]]:
            i += 1
        if i + 1 >= end or data[i] != 61 or data[i + 1] != 34:
            return -1, -1, -1
        value = i + 2
        named = i - first == _CLASS.size and _starts(data, first, i, _CLASS)
        i = value
        while i < end and data[i] != 34:
            # Where a class has an entity its name is not what stands there.
            if data[i] == 60 or data[i] == 62 or _CLASSES[data[i]] == _BAD or (named and data[i] == 38):
                return -1, -1, -1
            i += 1
        if i >= end:
            return -1, -1, -1
        if named:
            if class_start >= 0:
                return -1, -1, -1
            class_start, class_end = value, i
        i += 1
    return i, class_start, class_end


@njit(cache=True, nogil=True)
def _character(data: UInt8, i: int, end: int) -> tuple[Any, int]:
    """Code point of the entity or of the wide character at i, and the bytes that it takes; -1: irregular."""
    first = np.int64(data[i])
    if first == 38:
        key: Any = 0
        for k in range(i + 1, min(end, i + _ENTITY_MOST + 2)):
            if data[k] == 59:
                place = _find(_ENTITY_KEYS, key) if k > i + 1 else -1
                return (np.int64(_ENTITY_CODES[place]), k - i + 1) if place >= 0 else (-1, 0)
            if k - i > _ENTITY_MOST or (not _LETTERS[data[k]] and data[k] != 35):
                return -1, 0
            key = key << 8 | np.int64(data[k])
        return -1, 0
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if i + size > end or first < 0xC2:
        return -1, 0
    code: Any = first & (0x7F >> size)
    for k in range(1, size):
        code = code << 6 | (np.int64(data[i + k]) & 0x3F)
    if code < 0xA0 or 0xD800 <= code < 0xE000 or code == 0xFEFF or code == 0xFFFE or code == 0xFFFF:
        return -1, 0
    return code, size


@njit(cache=True, nogil=True)
def white(code: int) -> bool:
    """Whether a code point from U+00A0 on is white space to Python."""
    if code < 0x1680:
        return code == 0xA0
    return (
        code == 0x1680
        or 0x2000 <= code <= 0x200A
        or code == 0x2028
        or code == 0x2029
        or code == 0x202F
        or code == 0x205F
        or code == 0x3000
    )


@njit(cache=True, nogil=True)
def _put(out: UInt8, o: int, code: int) -> int:
    """Writes a code point as UTF-8; where the next one goes."""
    if code < 0x80:
        out[o] = code
        return o + 1
    if code < 0x800:
        out[o] = 0xC0 | code >> 6
        out[o + 1] = 0x80 | code & 0x3F
        return o + 2
    if code < 0x10000:
        out[o] = 0xE0 | code >> 12
        out[o + 1] = 0x80 | code >> 6 & 0x3F
        out[o + 2] = 0x80 | code & 0x3F
        return o + 3
    out[o] = 0xF0 | code >> 18
    out[o + 1] = 0x80 | code >> 12 & 0x3F
    out[o + 2] = 0x80 | code >> 6 & 0x3F
    out[o + 3] = 0x80 | code & 0x3F
    return o + 4


@njit(cache=True, nogil=True)
def _verbatim(data: UInt8, i: int, end: int, stop: int, out: UInt8, o: int) -> tuple[int, int, int]:
    """Copies up to the byte `stop`, entities decoded: where it ends (-1: irregular), the next place, code points."""
    points = 0
    while i < end and data[i] != stop:
        sort = _CLASSES[data[i]]
        if sort <= _WHITE:
            out[o] = data[i]
            o += 1
            i += 1
        elif sort >= _AMP:
            code, size = _character(data, i, end)
            if code < 0:
                return -1, o, 0
            o = _put(out, o, code)
            i += size
        else:
            return -1, o, 0
        points += 1
    return (i if i < end else -1), o, points


@njit(cache=True, nogil=True)
def _is_target(data: UInt8, start: int, end: int) -> int:
    """Whether an address is kept (1), or not (0); -1: irregular, as its scheme isn't ASCII."""
    for k in range(start, min(end, start + 8)):
        if data[k] >= 128:
            return -1
    kept = (start < end and data[start] == 47) or _starts(data, start, end, _HTTP) or _starts(data, start, end, _HTTPS)
    return 1 if kept or _starts(data, start, end, _FTP) or _starts(data, start, end, _MAILTO) else 0


@njit(cache=True, nogil=True)
def _note(data: UInt8, i: int, end: int) -> tuple[int, int, int, bool]:
    """Reads `<!-- language: NAME -->`: where it ends (-1: irregular), bounds of the name, whether it is for all."""
    if not _at(data, i, end, _NOTE):
        return -1, 0, 0, False
    close = i
    while close < end and data[close] != 62:
        close += 1
    last = close - 2
    if close >= end or last < i + _NOTE.size or data[last] != 45 or data[last + 1] != 45:
        return -1, 0, 0, False
    k = i + 4
    while k < last and _CLASSES[data[k]] == _WHITE:
        k += 1
    if not _at(data, k, last, _NOTE_LANGUAGE):
        return -1, 0, 0, False
    k += _NOTE_LANGUAGE.size
    of_all = _at(data, k, last, _NOTE_ALL)
    if of_all:
        k += _NOTE_ALL.size
    if k >= last or data[k] != 58:
        return -1, 0, 0, False
    k += 1
    while k < last and _CLASSES[data[k]] == _WHITE:
        k += 1
    first = k
    while k < last and _CLASSES[data[k]] == _PLAIN:
        if data[k] == 45 and data[k + 1] == 45 and k + 1 < last:
            return -1, 0, 0, False
        k += 1
    name_end = k
    while k < last and _CLASSES[data[k]] == _WHITE:
        k += 1
    if k < last or name_end == first:
        return -1, 0, 0, False
    return close + 1, first, name_end, of_all


# The parts of reading a body. As plain calls, which count references to the arrays of the page, they take thrice as
# long; inlined and without counts, as long as one function. `_nrt=False` is how numba compiles its own string kernels.
_part = njit(cache=True, nogil=True, forceinline=True, _nrt=False)
# What few bodies need is not inlined.
_rare = njit(cache=True, nogil=True, _nrt=False)


class _Page(NamedTuple):
    """The output of all rows so far, as in `Read`, and the state of reading."""

    text: UInt8
    segments: Int32
    blocks: Int64
    links: Int32
    targets: UInt8
    target_ends: Int64
    open: UInt8
    """Elements that are open, the innermost last: places among the tags. Shape [_DEPTH_MOST]."""
    state: Int64
    """Shape [_STATES], at the places that are named below."""


# Lengths written so far of each array.
_TEXT, _SEGMENTS, _BLOCKS, _LINKS, _TARGETS, _WRITTEN = (*range(5), 5)
# Of the row: code points written, and the separator that the next text asks for.
_POSITION, _PENDING = 5, 6
# Of the segment that is being extended: kind (-1: there is none), start, end.
_CURRENT, _OPENED, _CLOSED = 7, 8, 9
# How many elements are open; how many of them are quotes.
_DEPTH, _QUOTES = 10, 11
# Of the open link: whether there is one, and is kept; where its text starts (-1: not yet); where its target ends.
_LINK, _LINK_START, _TARGET_END = 12, 13, 14
_NO_LINK, _LINK_DROPPED, _LINK_KEPT = 0, 1, 2
# Bounds of the note before a block, and of the note for all; -1: there is none.
_NOTES, _NOTE_FOR_ALL = 15, 17
# Of the table's row: whether one is open, tabs before the next text, the separator before its first text; where its
# cell has no text so far, the separator before that, as breaks count for nothing there.
_IN_ROW, _TABS, _LEAD, _EMPTY_CELL = 19, 20, 21, 22
# Of the script whose text is still to come: its sign (0: there is none), whether it needs parentheses, at which depth
# it stands. The depths, as bits, of the open scripts that have an opening parenthesis.
_MARK, _MARK_PARENTHESIS, _MARK_DEPTH, _PARENTHESES = 23, 24, 25, 26
# Whether any of these, or an edge, asks for something before the next text.
_RARE, _STATES = 27, 28


@_part
def _put_segment(page: _Page, kind: int, start: int, end: int, block: int) -> None:
    n = page.state[_SEGMENTS]
    page.segments[n, 0] = kind
    page.segments[n, 1] = start
    page.segments[n, 2] = end
    page.segments[n, 3] = block
    page.state[_SEGMENTS] = n + 1


@_part
def _cut(page: _Page) -> None:
    """Ends the segment that is being extended."""
    state = page.state
    if state[_CURRENT] >= 0:
        _put_segment(page, state[_CURRENT], state[_OPENED], state[_CLOSED], -1)
        state[_CURRENT] = -1


@_rare
def _is_letter(code: int) -> bool:
    """Whether a code point is one of `spans._LETTERS`."""
    if code < 0xC0:
        return 48 <= code <= 57 or 65 <= code <= 90 or 97 <= code <= 122
    if code < 0x2000:
        return code != 0xD7 and code != 0xF7 and code != 0x1680
    return 0x2C00 <= code < 0x3000 or 0x3040 <= code < 0xFF00 or code >= 0xFF10


@_rare
def _ends_in_letter(text: UInt8, o: int) -> bool:
    """Whether a letter stands before a place of the text."""
    if not o:
        return False
    i = o - 1
    code: Any = np.int64(text[i])
    if code < 0x80:
        return _is_letter(code)
    shift = code = 0
    while text[i] & 0xC0 == 0x80:
        code |= (np.int64(text[i]) & 0x3F) << shift
        shift += 6
        i -= 1
    # The first byte has as many bits fewer as there are bytes.
    return _is_letter(code | (np.int64(text[i]) & (0x3F >> shift // 6)) << shift)


@_rare
def _before_text(page: _Page, gap: bool, first: int) -> bool:
    """Before running text that begins with `first`: the space between letters, the tabs of a cell; the gap left."""
    state, text = page.state, page.text
    position, o, pending = state[_POSITION], state[_TEXT], state[_PENDING]
    if state[_EMPTY_CELL]:
        pending = state[_EMPTY_CELL]
    if gap and pending < SPACE:
        pending = SPACE
    elif pending in (EDGE, AFTER_EDGE):
        pending = SPACE if _is_letter(first) and _ends_in_letter(text, o) else JOIN
    if state[_IN_ROW]:
        tabs = state[_TABS]
        if tabs > 0:
            if pending > CELL and position:
                for _ in range(2 if pending == BLANK else 1):
                    text[o] = 10
                    o += 1
                    position += 1
            for _ in range(tabs):
                text[o] = 9
                o += 1
            position += tabs
            pending = JOIN
        state[_TABS] = state[_LEAD] = state[_EMPTY_CELL] = 0
    state[_POSITION], state[_TEXT], state[_PENDING] = position, o, pending
    state[_RARE] = state[_IN_ROW]
    return False


@_part
def _begin(page: _Page, kind: int, gap: bool) -> None:
    """Before the first character of running text: its separator, its segment, its link."""
    state, text = page.state, page.text
    pending, position, o = state[_PENDING], state[_POSITION], state[_TEXT]
    if gap and pending == JOIN:
        pending = SPACE
    if pending != JOIN and position:
        if pending == BLANK:
            text[o] = text[o + 1] = 10
            o += 2
            position += 2
        else:
            text[o] = 32 if pending == SPACE else 9 if pending == CELL else 10
            o += 1
            position += 1
    state[_POSITION], state[_TEXT] = position, o
    if kind != state[_CURRENT] or kind == INLINE_CODE:
        _cut(page)
        state[_CURRENT], state[_OPENED] = kind, position
    if state[_LINK] and state[_LINK_START] < 0:
        state[_LINK_START] = position


@_part
def _next(data: UInt8, i: int, end: int) -> tuple[Any, Any, int]:
    """Class (_BAD: irregular) and code point of the character at i, and the bytes that it takes."""
    sort = np.int64(_CLASSES[data[i]])
    if sort < _AMP:
        return sort, np.int64(data[i]), 1
    code, size = _character(data, i, end)
    if code < 0:
        return _BAD, code, size
    return (_WHITE if code == 32 or white(code) else sort), code, size


@_part
def _put_sign(page: _Page, sign: int, gap: bool, parenthesis: bool) -> None:
    """Writes a sign of a script, of which no link begins."""
    state = page.state
    link = state[_LINK_START]
    if state[_RARE]:
        gap = _before_text(page, gap, sign)
    _begin(page, QUOTE if state[_QUOTES] else PROSE, gap)
    state[_LINK_START] = link
    o = state[_TEXT]
    page.text[o] = sign
    if parenthesis:
        page.text[o + 1] = 40
    points = 2 if parenthesis else 1
    state[_TEXT] = o + points
    state[_POSITION] += points
    state[_CLOSED] = state[_POSITION]


@_rare
def _before(page: _Page, gap: bool, first: int) -> bool:
    """Before running text that begins with `first`: the sign of a script, and what is needed else; the gap left.

    A script that begins a line by now has no sign.
    """
    state = page.state
    sign, parenthesis = state[_MARK], state[_MARK_PARENTHESIS] == 1
    state[_MARK] = 0
    if sign and state[_PENDING] <= SPACE:
        _put_sign(page, sign, gap, parenthesis)
        if parenthesis:
            state[_PARENTHESES] |= np.int64(1) << state[_MARK_DEPTH]
        state[_PENDING] = JOIN
        gap = False
    return _before_text(page, gap, first)


@_rare
def _is_one_term(data: UInt8, i: int, end: int) -> bool:
    """Whether the text at i, up to a closing tag, needs no parentheses as a script: as `spans.is_one_term`."""
    points = others = 0
    first: Any = 0
    last: Any = 0
    gap = gaps = False
    while i < end:
        sort, code, size = _next(data, i, end)
        if sort in (_BAD, _LT):
            break
        i += size
        if sort == _WHITE:
            gap = True
            continue
        gaps |= gap and points > 0
        gap = False
        if not points:
            first = code
        last = code
        points += 1
        others += 0 if _is_letter(code) else 1
    if not points or i + 1 >= end or data[i + 1] != 47:
        return False
    if points > 1 and (first == 40 or first == 91) and (last == 41 or last == 93):
        return True
    signed = points > 1 and others == 1 and (first == 43 or first == 45 or first == 0x2212)
    return not gaps and (points == 1 or others == 0 or signed)


@_rare
def _open_script(data: UInt8, i: int, end: int, sign: int, page: _Page) -> None:
    """A script begins whose text is at i: its sign is to come, unless it is small print, set apart."""
    state = page.state
    depth = state[_DEPTH] - 1
    state[_PARENTHESES] &= ~(np.int64(1) << depth)
    pending = state[_PENDING]
    if state[_MARK] or not state[_POSITION] or pending > SPACE:
        return
    one_term = _is_one_term(data, i, end)
    if one_term or pending < SPACE:
        state[_MARK], state[_MARK_PARENTHESIS], state[_MARK_DEPTH] = sign, 0 if one_term else 1, depth
        state[_RARE] = 1


@_rare
def _close_script(page: _Page) -> None:
    """A script ends, that stood at the depth that comes next now."""
    state = page.state
    depth = state[_DEPTH]
    if state[_MARK]:
        if state[_MARK_DEPTH] == depth:
            state[_MARK] = 0
    elif state[_PARENTHESES] >> depth & 1:
        state[_PARENTHESES] &= ~(np.int64(1) << depth)
        pending = state[_PENDING]
        state[_PENDING] = JOIN
        _put_sign(page, 41, False, False)
        state[_PENDING] = pending


@_part
def _words(data: UInt8, i: int, end: int, kind: int, page: _Page, rare: bool) -> int:
    """Reads running text up to the next tag: where that is, -1: irregular; `rare` where `_RARE` is set."""
    state, text = page.state, page.text
    gap = begun = False
    position, o = state[_POSITION], state[_TEXT]
    while i < end:
        sort, code, size = _next(data, i, end)
        if sort == _LT:
            break
        if sort == _BAD:
            return -1
        i += size
        if sort == _WHITE:
            gap = True
            continue
        if not begun:
            begun = True
            if rare:
                gap = _before(page, gap, code)
            _begin(page, kind, gap)
            position, o = state[_POSITION], state[_TEXT]
        elif gap:
            text[o] = 32
            o += 1
            position += 1
        gap = False
        if sort == _PLAIN:
            text[o] = code
            o += 1
        else:
            o = _put(text, o, code)
        position += 1
    if begun:
        state[_TEXT], state[_POSITION], state[_CLOSED] = o, position, position
        state[_PENDING] = SPACE if gap else JOIN
    elif gap and (state[_PENDING] < SPACE if rare else state[_PENDING] == JOIN):
        state[_PENDING] = SPACE
    return i


@_rare
def _words_rarely(data: UInt8, i: int, end: int, kind: int, page: _Page) -> int:
    """The same where a sign, a tab or a space may be wanted before the text: apart, so that the common way is short."""
    return _words(data, i, end, kind, page, True)


@_part
def _run(data: UInt8, i: int, end: int, kind: int, page: _Page) -> int:
    """Reads running text up to the next tag: where that is, -1: irregular."""
    if page.state[_RARE]:
        return _words_rarely(data, i, end, kind, page)
    return _words(data, i, end, kind, page, False)


@_part
def _inline_code(data: UInt8, i: int, end: int, page: _Page) -> int:
    """Reads what follows `<code>`, with `</code>`: where that ends, -1: irregular."""
    i = _run(data, i, end, INLINE_CODE, page)
    return i + _CODE_CLOSE.size if i >= 0 and _at(data, i, end, _CODE_CLOSE) else -1


@_part
def _open_link(data: UInt8, i: int, end: int, page: _Page) -> int:
    """Reads `<a href="…" …>`: where it ends, -1: irregular."""
    state, targets = page.state, page.targets
    target = state[_TARGETS]
    if state[_LINK] or not _at(data, i, end, _HREF):
        return -1
    i, target_end, _ = _verbatim(data, i + _HREF.size, end, 34, targets, target)
    if i < 0:
        return -1
    for k in range(target, target_end):  # a raw `>` in the address
        if targets[k] == 62:
            return -1
    i, _, _ = _attributes(data, i + 1, end)
    if i < 0 or i >= end or data[i] != 62:
        return -1
    kept = _is_target(targets, target, target_end)
    if kept < 0:
        return -1
    state[_LINK] = _LINK_KEPT if kept else _LINK_DROPPED
    state[_LINK_START], state[_TARGET_END] = -1, target_end
    return i + 1


@_part
def _close_link(page: _Page) -> None:
    """Ends the open link."""
    state = page.state
    if state[_LINK] == _LINK_KEPT and state[_LINK_START] >= 0:
        m = state[_LINKS]
        page.links[m, 0], page.links[m, 1] = state[_LINK_START], state[_POSITION]
        page.target_ends[m] = state[_TARGETS] = state[_TARGET_END]
        state[_LINKS] = m + 1
    state[_LINK] = _NO_LINK


@_part
def _code_block(data: UInt8, i: int, end: int, page: _Page) -> int:
    """Reads what follows `<pre`, with `</pre>`: where that ends, -1: irregular."""
    state, text = page.state, page.text
    i, pre_start, pre_end = _attributes(data, i, end)
    if i < 0 or i >= end or data[i] != 62 or not _may_begin(_PRE_PLACE, page):
        return -1
    i += 1
    code_start = code_end = -1
    if _at(data, i, end, _CODE_OPEN):
        i, code_start, code_end = _attributes(data, i + _CODE_OPEN.size, end)
        if i < 0 or i >= end or data[i] != 62:
            return -1
        i += 1
    o, begin = state[_TEXT], state[_POSITION]
    if begin:
        newlines = 1 if state[_PENDING] == AFTER_CODE else 2
        text[o] = text[o + 1] = 10
        o += newlines
        begin += newlines
    i, o, points = _verbatim(data, i, end, 60, text, o)
    if i < 0:
        return -1
    if _at(data, i, end, _CODE_CLOSE):
        i += _CODE_CLOSE.size
    if not _at(data, i, end, _PRE_CLOSE):
        return -1
    if points:
        _cut(page)
        state[_MARK] = state[_TABS] = state[_LEAD] = state[_EMPTY_CELL] = 0
        b, blocks = state[_BLOCKS], page.blocks
        _put_segment(page, CODE, begin, begin + points, b)
        blocks[b, 0], blocks[b, 1], blocks[b, 2], blocks[b, 3] = code_start, code_end, pre_start, pre_end
        for k in range(4):
            blocks[b, 4 + k] = state[_NOTES + k]
        state[_BLOCKS], state[_TEXT], state[_POSITION] = b + 1, o, begin + points
        if state[_LINK] and state[_LINK_START] < 0:
            state[_LINK_START] = begin
        state[_PENDING] = AFTER_CODE if text[o - 1] == 10 else BLANK
    state[_NOTES] = state[_NOTES + 1] = -1
    return i + _PRE_CLOSE.size


@_part
def _may_begin(place: int, page: _Page) -> bool:
    """Whether an element may begin without an end of the one that is open."""
    depth = page.state[_DEPTH]
    return depth == 0 or not _CLOSES[page.open[depth - 1], place]


@_part
def _enter(place: int, page: _Page) -> bool:
    """Begins an element with content; false: it may not stand here."""
    depth = page.state[_DEPTH]
    if depth == _DEPTH_MOST or not _may_begin(place, page):
        return False
    page.open[depth] = place
    page.state[_DEPTH] = depth + 1
    return True


@_part
def _leave(place: int, page: _Page) -> bool:
    """Ends an element; false: it is not the innermost."""
    depth = page.state[_DEPTH] - 1
    page.state[_DEPTH] = depth
    return depth >= 0 and page.open[depth] == place


@_rare
def _rare_tag(data: UInt8, i: int, end: int, operation: int, closing: bool, page: _Page) -> None:
    """The effect of a tag that ends at i: of a key, struck words, an image, a row or a cell of a table, a script."""
    if operation >= _SUP:
        if closing:
            _close_script(page)
        else:
            _open_script(data, i, end, 94 if operation == _SUP else 95, page)
        return
    state = page.state
    pending = state[_PENDING]
    state[_RARE] = 1
    if operation == TOUCH:
        if closing:
            state[_PENDING] = max(pending, AFTER_EDGE)
        else:
            state[_PENDING] = SPACE if pending == AFTER_EDGE else max(pending, EDGE)
    else:
        if state[_EMPTY_CELL]:
            pending = state[_EMPTY_CELL]
            state[_EMPTY_CELL] = 0
        if operation == _ROW:
            state[_IN_ROW], state[_TABS] = (0, 0) if closing else (1, -1)
            pending = max(pending, LINE)
            state[_LEAD] = 0 if closing else pending
        elif closing or not state[_IN_ROW]:
            pending = max(pending, CELL)
        else:
            state[_TABS] += 1
            if pending != AFTER_CODE:
                pending = state[_LEAD] if state[_LEAD] else CELL
            state[_EMPTY_CELL] = pending
        state[_PENDING] = pending


@_part
def _set_apart(operation: int, closing: bool, page: _Page) -> None:
    """The effect of a tag that only sets apart its surroundings."""
    state = page.state
    pending = state[_PENDING]
    if operation <= BLANK:
        state[_PENDING] = max(pending, np.int64(operation))
    elif operation == _BR:
        if pending < BLANK:
            state[_PENDING] = BLANK if pending == LINE else LINE
    else:
        state[_QUOTES] += -1 if closing else 1
        state[_PENDING] = max(pending, BLANK)
        _cut(page)


@_part
def _end_of_tag(data: UInt8, i: int, end: int, void: bool) -> int:
    """Reads attributes and `>`, or `/>` of an element without content: where that ends, -1: irregular."""
    i, _, _ = _attributes(data, i, end)
    if i < 0:
        return -1
    if i < end and data[i] == 32:
        i += 1
    if i < end and data[i] == 47:
        if not void:
            return -1
        i += 1
    return i + 1 if i < end and data[i] == 62 else -1


@_part
def _tag(data: UInt8, i: int, end: int, page: _Page) -> int:
    """Reads a tag, and the code that it opens: where that ends, -1: irregular."""
    closing = data[i + 1] == 47
    key, after = _name(data, i + 2 if closing else i + 1, end)
    place = _find(_TAG_KEYS, key)
    if place < 0 or after >= end:
        return -1
    operation = _TAG_OPERATIONS[place]
    if closing:
        if data[after] != 62 or not _leave(place, page):
            return -1
        if operation == _A:
            _close_link(page)
        elif operation >= TOUCH:
            _rare_tag(data, after, end, operation, closing, page)
        else:
            _set_apart(operation, closing, page)
        return after + 1
    if operation == _CODE:
        return _inline_code(data, after + 1, end, page) if data[after] == 62 else -1
    if operation == _PRE:
        return _code_block(data, after, end, page)
    void = _VOID[place]
    if not (_may_begin(place, page) if void else _enter(place, page)):
        return -1
    if operation == _A:
        return _open_link(data, i, end, page)
    after = _end_of_tag(data, after, end, void)
    if after >= 0:
        if operation >= TOUCH:
            _rare_tag(data, after, end, operation, closing, page)
        else:
            _set_apart(operation, closing, page)
    return after


@_part
def _comment(data: UInt8, i: int, end: int, page: _Page) -> int:
    """Reads a note on the language of code: where it ends, -1: irregular."""
    i, first, last, of_all = _note(data, i, end)
    if i >= 0:
        place = _NOTE_FOR_ALL if of_all else _NOTES
        page.state[place], page.state[place + 1] = first, last
    return i


@_part
def _body(data: UInt8, i: int, end: int, page: _Page) -> bool:
    """Reads a whole body; false: it is not plain, and what was written of it is to be forgotten."""
    state = page.state
    for place in range(_WRITTEN, _STATES):
        state[place] = -1 if place == _CURRENT or _NOTES <= place < _IN_ROW else 0
    while 0 <= i < end:
        if data[i] != 60:
            i = _run(data, i, end, QUOTE if state[_QUOTES] else PROSE, page)
        elif i + 2 >= end:
            i = -1
        elif data[i + 1] == 33:
            i = _comment(data, i, end, page)
        else:
            i = _tag(data, i, end, page)
    if i < 0 or state[_DEPTH]:
        return False
    _cut(page)
    return True


@njit(cache=True, nogil=True)
def read(data: UInt8, bounds: Int64) -> Read:
    """Reads rows of post HTML, row i being `data[bounds[i]:bounds[i + 1]]` in UTF-8."""
    rows = bounds.size - 1
    tags = 0
    for i in range(bounds[0], bounds[rows]):
        tags += data[i] == 60
    # No text is longer than its markup.
    room = bounds[rows] - bounds[0] + 8
    page = _Page(
        np.empty(room, np.uint8),
        np.empty((tags + rows, 4), np.int32),
        np.empty((tags // 2 + 1, 8), np.int64),
        np.empty((tags // 2 + 1, 2), np.int32),
        np.empty(room, np.uint8),
        np.empty(tags // 2 + 1, np.int64),
        np.empty(_DEPTH_MOST, np.uint8),
        np.zeros(_STATES, np.int64),
    )
    text_ends, lengths = np.empty(rows, np.int64), np.empty(rows, np.int64)
    segment_ends, link_ends = np.empty(rows, np.int64), np.empty(rows, np.int64)
    written = page.state[:_WRITTEN]
    before = np.empty_like(written)
    for row in range(rows):
        before[:] = written
        if _body(data, bounds[row], bounds[row + 1], page):
            lengths[row] = page.state[_POSITION]
        else:
            written[:] = before
            lengths[row] = -1
        text_ends[row], segment_ends[row], link_ends[row] = written[_TEXT], written[_SEGMENTS], written[_LINKS]
    segments, blocks, links = written[_SEGMENTS], written[_BLOCKS], written[_LINKS]
    return Read(
        page.text,
        text_ends,
        lengths,
        page.segments[:segments],
        segment_ends,
        page.blocks[:blocks],
        page.links[:links],
        link_ends,
        page.targets,
        page.target_ends[:links],
    )
