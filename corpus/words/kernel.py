"""The compiled cutter of words: segments of UTF-8 by UAX #29, their kinds and hashes, in one pass.

`cut` is called by other kernels. numba keys the machine code that it keeps by the file of the outer kernel, so
whoever changes this file must touch those that call it (`dedup/shingle_kernel.py`).
"""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.corpus.arrays import Int32, UInt8, njit, readonly, utf8
from socorpus.corpus.words import tables

SIGN, BLANK, WORD, IDEOGRAPH, KANA, COMPLEX = range(6)
"""Kinds of segments: from `WORD` on they are words; of the last three several make one word where words are counted."""

KIND, MARKED = 7, 8
"""Mask of a kind, and what is added to it where the segment has a digit or an underscore."""

START = np.uint64(0xA4093822299F31D1)
LETTER = np.uint64(0x243F6A8885A308D3)
"""Start and multiplier of a segment's hash: each code point is xor-ed in, and the whole multiplied. Odd constants with
about as many ones as zeros: fractional bits of pi."""

_CLASS, _PICTURE = 31, tables.PICTURE
_SPACE, _WORD_SPACE, _CR, _NEWLINE = tables.SPACE, tables.WORD_SPACE, tables.CR, tables.NEWLINE
_LINE_FEED, _EXTEND, _FORMAT, _ZWJ = tables.LINE_FEED, tables.EXTEND, tables.FORMAT, tables.ZWJ
_LETTER, _HEBREW, _DIGIT = tables.LETTER, tables.HEBREW, tables.DIGIT
_KATAKANA, _CONNECTOR = tables.KATAKANA, tables.CONNECTOR
_MID_LETTER, _MID_DIGIT, _MID = tables.MID_LETTER, tables.MID_DIGIT, tables.MID
_QUOTE, _DOUBLE_QUOTE, _REGIONAL = tables.QUOTE, tables.DOUBLE_QUOTE, tables.REGIONAL
_IDEOGRAPH, _HIRAGANA, _COMPLEX, _LONE = tables.IDEOGRAPH, tables.HIRAGANA, tables.COMPLEX, tables.LONE
_LETTERS, _DIGITS, _CONNECTORS, _MIDS, _CAPITAL, _BLANKS, _SIGNS = 1, 2, 4, 8, 16, 32, 64
_IN_WORDS = _LETTERS | _DIGITS | _CONNECTORS
_WORDY, _MARKS, _OF_LETTERS = _LETTERS | _DIGITS, _DIGITS | _CONNECTORS, _LETTERS
_ENDS, _PLAIN = _BLANKS | _SIGNS, _IN_WORDS | _MIDS | _SIGNS
_ONE, _REST = np.uint64(1), np.uint64(63)
_BETWEEN_LETTERS, _BETWEEN_DIGITS = 29, 30  # behind a sign within a word


@functools.cache
def ascii_classes() -> UInt8:
    """What `cut` asks of a byte, uint8[256]; 0 from 0x80 on."""
    table = np.zeros(256, np.uint8)
    for byte in range(128):
        kind = tables.classes()[byte] & _CLASS
        if kind in (_LETTER, _DIGIT, _CONNECTOR):
            table[byte] = {_LETTER: _LETTERS, _DIGIT: _DIGITS, _CONNECTOR: _CONNECTORS}[int(kind)]
            table[byte] |= _CAPITAL * (tables.folding()[byte] != byte)
        elif _MID_LETTER <= kind <= _DOUBLE_QUOTE:
            table[byte] = _MIDS
        else:
            table[byte] = _BLANKS if kind else _SIGNS
    return readonly(table)


def counts(texts: pa.Array | pa.ChunkedArray, ends: npt.NDArray[np.integer]) -> Int32:
    """Number of words in `texts[i][: ends[i]]`, int32[n]: `words.count` of it.

    Args:
        texts: n strings; a null has no word.
        ends: integers[n], code points; past the end of a text stands for its end.
    """
    data, bounds = utf8(texts)
    out = np.empty(len(bounds) - 1, np.int32)
    limits = np.require(ends, np.int64, ["C", "W"])
    _counts(data, bounds, limits, tables.classes(), tables.folding(), ascii_classes(), out)
    return out


def boundaries(text: str) -> list[tuple[int, int, int]]:
    """Start, end (code points) and kind of each segment: the word boundaries of UAX #29, for tests and for people."""
    data, bounds = utf8(pa.array([text], pa.large_string()))
    ends, kinds = np.empty(len(text), np.int64), np.empty(len(text), np.int64)
    count = _boundaries(data, bounds, tables.classes(), tables.folding(), ascii_classes(), ends, kinds)
    stops = ends[:count].tolist()
    return list(zip([0, *stops][:count], stops, kinds[:count].tolist(), strict=True))


@njit(cache=True, nogil=True)
def decode(data, p, stop):  # type: ignore[no-untyped-def]
    """The code point at byte p, and the byte behind it; a last code point that is cut has what is left of it."""
    point = np.int64(data[p])
    p += 1
    if point >= 0x80:
        more = 1 + (point >= 0xE0) + (point >= 0xF0)
        point &= 0x3F >> more
        while more > 0 and p < stop:
            point = point << 6 | (data[p] & 0x3F)
            p += 1
            more -= 1
        if point > 0x10FFFF:
            point = np.int64(0x10FFFF)
    return point, p


@njit(cache=True, nogil=True)
def advance(data, p, stop, points):  # type: ignore[no-untyped-def]
    """The byte behind so many code points from byte p; `stop` where there are fewer."""
    if points >= stop - p:
        return stop
    while p < stop and (points > 0 or data[p] & 0xC0 == 0x80):
        points -= data[p] & 0xC0 != 0x80
        p += 1
    return p


@njit(cache=True, nogil=True)
def _after_mid(data, p, stop, classes):  # type: ignore[no-untyped-def]
    """Class of the next code point that is no mark of the one before it (rule WB4); 0 at the end."""
    while p < stop:
        point, p = decode(data, p, stop)
        kind = np.int64(classes[point]) & _CLASS
        if kind != _EXTEND and kind != _FORMAT and kind != _ZWJ:
            return kind
    return 0


@njit(cache=True, nogil=True)
def cut(data, p, stop, classes, fold, ascii_, ends, kinds, plains, caseds):  # type: ignore[no-untyped-def]
    """Cut `data[p:stop]` into segments by the default rules of UAX #29; return their number.

    Of each segment the byte behind it; its kind, with `MARKED` added where it has a digit or an underscore; and two
    hashes, without and with case, in which invisible format characters do not count. The arrays hold stop - p or more.
    """
    count = 0
    while p < stop:
        point, q = np.int64(data[p]), p + 1
        simple = np.int64(ascii_[point])
        if simple & _IN_WORDS:
            # The commonest: a word of ASCII, with no sign behind it that may be within a word.
            last: Any = simple
            plain, capitals, seen = START, np.uint64(0), np.int64(0)
            q = p
            while simple & _IN_WORDS:
                plain = (plain ^ np.uint64(point | (simple & _CAPITAL) << 1)) * LETTER
                capitals = capitals << _ONE ^ capitals >> _REST ^ np.uint64((simple & _CAPITAL) >> 4)
                seen |= simple
                last = simple
                q += 1
                if q == stop:
                    break
                point = np.int64(data[q])
                simple = np.int64(ascii_[point])
            wordy, marked = seen & _WORDY != 0, seen & _MARKS != 0
            if q == stop or simple & _ENDS:
                ends[count] = q
                kinds[count] = (WORD if wordy else SIGN) | MARKED * marked
                plains[count], caseds[count] = plain, plain + capitals * START
                count += 1
                p = q
                continue
            first: Any = _LETTER
            blank, ended = False, False
            last = _LETTER if last & _OF_LETTERS else _DIGIT if last & _WORDY else _CONNECTOR
            if not wordy:
                first = _CONNECTOR
        else:
            if point >= 0x80:
                point, q = decode(data, p, stop)
            first = np.int64(classes[point]) & _CLASS
            folded = np.int64(fold[point])
            plain = (START ^ np.uint64(folded)) * LETTER
            capitals = np.uint64(folded != point)
            marked = first in (_DIGIT, _CONNECTOR, _LONE)
            wordy = first in (_LETTER, _HEBREW, _DIGIT, _KATAKANA)
            blank = (first < _LETTER and first != 0) or first == _LINE_FEED
            last = first  # of what is behind the marks
            ended = simple != 0 and (q == stop or ascii_[data[q]] & _PLAIN != 0)
        if first == _CR:
            ended = True
            q += q < stop and data[q] == 10
        joiner = first == _ZWJ
        spaces = first == _WORD_SPACE
        regionals = 1
        while q < stop and not (ended or first in (_LINE_FEED, _NEWLINE)):
            point, after = np.int64(data[q]), q + 1
            if point >= 0x80:
                point, after = decode(data, q, stop)
            whole = np.int64(classes[point])
            kind: Any = whole & _CLASS
            if kind in (_EXTEND, _FORMAT, _ZWJ):  # WB4
                joiner = kind == _ZWJ
                spaces = False
                if kind == _EXTEND:
                    plain = (plain ^ np.uint64(point)) * LETTER
                q = after
                continue
            letter = kind in (_LETTER, _HEBREW)
            joined = False
            next_last: Any = kind
            if joiner and whole & _PICTURE:  # WB3c
                joined, blank = True, False
            elif last in (_LETTER, _HEBREW):
                if letter or kind in (_DIGIT, _CONNECTOR):  # WB5, WB9, WB13a
                    joined = True
                elif kind in (_MID_LETTER, _MID, _QUOTE):  # WB6, WB7, WB7a
                    follows = _after_mid(data, after, stop, classes)
                    joined = follows in (_LETTER, _HEBREW) or (last == _HEBREW and kind == _QUOTE)
                    next_last = _BETWEEN_LETTERS
                elif kind == _DOUBLE_QUOTE and last == _HEBREW:  # WB7b, WB7c
                    joined = _after_mid(data, after, stop, classes) == _HEBREW
                    next_last = _BETWEEN_LETTERS
            elif last == _DIGIT:
                if letter or kind in (_DIGIT, _CONNECTOR):  # WB8, WB10, WB13a
                    joined = True
                elif kind in (_MID_DIGIT, _MID, _QUOTE):  # WB11, WB12
                    joined = _after_mid(data, after, stop, classes) == _DIGIT
                    next_last = _BETWEEN_DIGITS
            elif last == _CONNECTOR:  # WB13a, WB13b
                joined = letter or kind in (_DIGIT, _KATAKANA, _CONNECTOR)
            elif last == _KATAKANA:  # WB13, WB13a
                joined = kind in (_KATAKANA, _CONNECTOR)
            elif last == _BETWEEN_LETTERS:  # what follows was looked at already
                joined = letter
            elif last == _BETWEEN_DIGITS:
                joined = kind == _DIGIT
            elif last == _REGIONAL:  # WB15, WB16
                joined = kind == _REGIONAL and regionals % 2 == 1
                regionals += 1
            elif spaces:  # WB3d
                joined = kind == _WORD_SPACE
            if not joined:
                break
            folded = np.int64(fold[point])
            plain = (plain ^ np.uint64(folded)) * LETTER
            capitals = capitals << _ONE ^ capitals >> _REST ^ np.uint64(folded != point)
            marked |= kind in (_DIGIT, _CONNECTOR)
            wordy |= letter or kind in (_DIGIT, _KATAKANA)
            joiner = False
            last = next_last
            q = after
        if wordy or first == _LONE:
            result = WORD
        elif blank:
            result = BLANK
        elif _IDEOGRAPH <= first <= _COMPLEX:
            result = IDEOGRAPH + first - _IDEOGRAPH
        else:
            result = SIGN
        ends[count] = q
        kinds[count] = result | MARKED * marked
        # The hash with case is the other, moved by which letters are capitals.
        plains[count], caseds[count] = plain, plain + capitals * START
        count += 1
        p = q
    return count


@njit(cache=True, nogil=True)
def room(bounds):  # type: ignore[no-untyped-def]
    """Arrays for `cut`, large enough for each text."""
    most = 1
    for row in range(len(bounds) - 1):
        most = max(most, bounds[row + 1] - bounds[row])
    return np.empty(most, np.int64), np.empty(most, np.uint8), np.empty(most, np.uint64), np.empty(most, np.uint64)


@njit(cache=True, nogil=True)
def _counts(data, bounds, limits, classes, fold, ascii_, out):  # type: ignore[no-untyped-def]
    ends, kinds, plain, cased = room(bounds)
    for row in range(len(bounds) - 1):
        stop = advance(data, bounds[row], bounds[row + 1], limits[row])
        count = cut(data, bounds[row], stop, classes, fold, ascii_, ends, kinds, plain, cased)
        total, run, before = 0, 0, SIGN
        for i in range(count):
            kind = kinds[i] & KIND
            if kind != before:
                run = 0
            before = kind
            if kind == WORD:
                total += 1
            elif kind > WORD:
                # Words are two ideographs or kana, or three letters of a script that is not parted into words.
                total += run % (3 if kind == COMPLEX else 2) == 0
                run += 1
        out[row] = total


@njit(cache=True, nogil=True)
def _boundaries(data, bounds, classes, fold, ascii_, ends, kinds):  # type: ignore[no-untyped-def]
    bytes_, every, plain, cased = room(bounds)
    count = cut(data, bounds[0], bounds[1], classes, fold, ascii_, bytes_, every, plain, cased)
    p, place = bounds[0], 0
    for i in range(count):
        while p < bytes_[i]:
            place += data[p] & 0xC0 != 0x80
            p += 1
        ends[i], kinds[i] = place, every[i] & KIND
    return count
