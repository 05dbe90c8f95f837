"""Comment Markdown (Stack Exchange's short form) -> plain text and spans."""

import re
from bisect import bisect_left
from html import unescape

import numpy as np
import pyarrow as pa

from socorpus.corpus import arrays
from socorpus.corpus.arrays import Int64, UInt8, njit
from socorpus.corpus.documents import spans as documents_spans
from socorpus.corpus.documents.html_kernel import white
from socorpus.corpus.documents.spans import COMMENT, UNWANTED, Column, Marked, Writer

_MARKDOWN_SIGNS = ("`", "*", "_", "[", "\\", "&", "://")
# Alternatives in order of precedence; lengths are bounded so that stray signs cost no more than their line.
_MARKDOWN = re.compile(
    r"\\(?P<escaped>[\\`*_{}\[\]()#+.!>~-])"
    r"|\[(?P<label>(?:[^\[\]\\]|\\.|\[[^\[\]]*\]){1,1000})\]"
    r"\((?P<url>(?:(?:https?|ftp)://|mailto:|/)[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)(?:\s+\"[^\"]*\")?\s*\)"
    r"|\[(?:meta-)?tag:(?P<tag>[^\s\[\]]+)\]"
    r"|(?:(?<=\bhttp)|(?<=\bhttps)|(?<=\bftp))(?P<address>://[^\s<>()\[\]`]+(?:\([^\s<>()]*\)[^\s<>()\[\]`]*)*)"
    r"|(?P<entity>&(?:[A-Za-z]\w*|\#\d+|\#[xX][0-9a-fA-F]+);)"
    r"|\*\*\*(?=[^\s*])(?P<both>[^*\n]{1,1000})(?<=\S)\*\*\*"
    r"|\*\*(?=[^\s*])(?P<strong>[^\n]{1,1000}?)(?<=\S)\*\*"
    r"|(?<![\w*])\*(?=[^\s*])(?P<star>(?:[^*\n]|\*\*){1,1000})(?<=\S)\*(?![\w*])"
    r"|(?<!\w)__(?=[^\s_])(?P<double>[^\n]{1,1000}?)(?<=\S)__(?!\w)"
    r"|(?<!\w)_(?=[^\s_])(?P<under>[^\n]{1,1000}?)(?<=[^\s_])_(?!\w)",
    re.DOTALL,
)
_TICKS = re.compile("`+")
_SIGN = re.compile(r"`+|[\\*_\[&:]")
_NESTING = 4
_WHITE, _SIGN_BYTE, _COLON, _WIDE = 1, 2, 3, 4
_CLASSES = np.zeros(256, np.uint8)
_CLASSES[[*range(9, 14), *range(28, 33)]] = _WHITE
_CLASSES[[0, *(ord(sign) for sign in _MARKDOWN_SIGNS if len(sign) == 1)]] = _SIGN_BYTE
_CLASSES[ord(":")] = _COLON
_CLASSES[128:] = _WIDE


def comment(source: str | None) -> Marked:
    """Text and spans of a comment's Text (Stack Exchange's short form of Markdown).

    Kinds: comment, inline_code. Code, bold, italic, links, `[tag:name]`, backslash escapes and HTML entities are
    resolved; bare addresses are recorded as links; all else, raw `<` and `@name` too, stays as it is.
    """
    if not source:
        return Marked("", [], [])
    if "\0" in source or not source.isascii():
        source = UNWANTED.sub("\ufffd", source)
    if not any(map(source.__contains__, _MARKDOWN_SIGNS)):
        text = " ".join(source.split())
        return Marked(text, [("comment", 0, len(text), None)] if text else [], [])
    writer = Writer()
    _inline(source, writer)
    return writer.marked()


def comments(sources: pa.ChunkedArray) -> Column:
    """The results of `comment` for a column of comments' Texts, string[rows]; a null is empty."""
    data, ends, lengths = _read_plain(*arrays.utf8(sources))
    rows, size = np.flatnonzero(lengths < 0), len(lengths)
    lengths = np.maximum(lengths, 0)
    some = lengths > 0
    segments = np.zeros((np.count_nonzero(some), 4), np.int32)
    segments[:, 0], segments[:, 2], segments[:, 3] = COMMENT, lengths[some], -1
    column = Column(
        arrays.strings(data, ends),
        lengths,
        np.concatenate([[0], np.cumsum(some)]),
        segments,
        [],
        np.zeros(size + 1, np.int64),
        np.zeros((0, 2), np.int32),
        pa.array([], pa.string()),
    )
    return documents_spans.replaced(
        column, rows, [comment(source) for source in sources.take(pa.array(rows)).to_pylist()]
    )


@njit(cache=True, nogil=True)
def _read_plain(data: UInt8, bounds: Int64) -> tuple[UInt8, Int64, Int64]:
    """Reads rows without a Markdown sign: their texts in UTF-8, where each ends, its code points (-1: has a sign)."""
    rows = bounds.size - 1
    out = np.empty(bounds[rows] - bounds[0], np.uint8)
    ends, lengths = np.empty(rows, np.int64), np.empty(rows, np.int64)
    o = 0
    for row in range(rows):
        first, i, end = o, bounds[row], bounds[row + 1]
        points = 0
        gap = False
        while i < end:
            sort = _CLASSES[data[i]]
            size = 1
            if sort == _WIDE:
                lead = data[i]
                size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
                if lead < 0xC2 or i + size > end:
                    points = -1
                    break
                code = np.int64(lead) & (0x7F >> size)
                for k in range(1, size):
                    code = code << 6 | (np.int64(data[i + k]) & 0x3F)
                if code == 0x85 or white(code):
                    sort = _WHITE
            elif sort == _SIGN_BYTE or (sort == _COLON and i + 2 < end and data[i + 1] == 47 and data[i + 2] == 47):
                points = -1
                break
            if sort == _WHITE:
                gap = True
                i += size
                continue
            if gap and points:
                out[o] = 32
                o += 1
                points += 1
            gap = False
            points += 1
            for k in range(size):
                out[o + k] = data[i + k]
            o += size
            i += size
        if points < 0:
            o = first
        ends[row], lengths[row] = o, points
    return out, ends, lengths


def _closing(source: str, runs: dict[int, list[int]], length: int, place: int) -> int:
    """Where the next run of that many backticks begins from a place on, -1: nowhere; `runs` is filled once."""
    if not runs:
        for ticks in _TICKS.finditer(source):
            runs.setdefault(len(ticks[0]), []).append(ticks.start())
    starts = runs.get(length, [])
    number = bisect_left(starts, place)
    return starts[number] if number < len(starts) else -1


def _inline(source: str, writer: Writer, nesting: int = 0) -> None:
    done = look = 0
    runs: dict[int, list[int]] = {}
    while (sign := _SIGN.search(source, look)) is not None:
        if sign[0][0] == "`":
            look = sign.end()
            closing = _closing(source, runs, len(sign[0]), look)
            if closing >= 0:
                writer.words(source[done : sign.start()], "comment")
                writer.cut()
                writer.words(source[look:closing], "inline_code", verbatim=True)
                writer.cut()
                look = done = closing + len(sign[0])
            continue
        match = _MARKDOWN.match(source, sign.start())
        if match is None:
            look = sign.end()
            continue
        begin = match.start()
        if match.lastgroup == "address":
            begin = max(source.rfind("http", done, begin), source.rfind("ftp", done, begin))
            if begin < 0:
                look = sign.end()
                continue
        writer.words(source[done:begin], "comment")
        look = done = match.end()
        sort = match.lastgroup or ""
        content = match[sort]
        if sort == "url":
            writer.open_link(content)
            _nested(match["label"], writer, nesting)
            writer.close_link()
        elif sort == "tag":
            writer.open_link(f"/questions/tagged/{content}")
            writer.words(content, "comment")
            writer.close_link()
        elif sort == "address":
            # The sentence's own punctuation, which may be markup too, is read again.
            address = source[begin:done].rstrip(".,;:!?'\"*_")
            look = done = begin + len(address)
            writer.open_link(address)
            writer.words(address, "comment")
            writer.close_link()
        elif sort in ("escaped", "entity"):
            writer.words(unescape(content), "comment")
        else:
            _nested(content, writer, nesting)
    writer.words(source[done:], "comment")


def _nested(source: str, writer: Writer, nesting: int) -> None:
    if nesting < _NESTING:
        _inline(source, writer, nesting + 1)
    else:
        writer.words(source, "comment")
