"""Places of a text at which the expressions of the labelling functions may match, by one compiled scan.

Each mark is the start and end of a piece of the text, or only the start, at which one kind of expression is tried: the
scan finds at least all places of its matches. What a kind stands for, and which expression is tried there, is with the
function that asks for it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from socorpus.corpus.arrays import UInt32, njit, readonly
from socorpus.labeling.tasks.entities.scan import characters

(
    ODD,
    CALL,
    HEADED,
    NAMED_BY,
    GREETING,
    VERSION,
    TRUTH,
    NUMBER,
    QUOTE,
    FILES,
    CHORD,
    PRESS,
    ENDING,
    STATUS,
) = range(14)
"""Kinds of marks: see `_scan`."""
_BITS = 8
"""Bits of a kind in a mark; above them those of `SIGNS`."""

HAS_DIGIT, HAS_AT, HAS_DOT, HAS_SLASH, HAS_CAPITAL_E = 1, 2, 4, 8, 16
"""Bits of the signs that an odd string has."""

_WORDS: Mapping[int, str] = {
    NAMED_BY: "class interface function method variable parameter property attribute argument field annotation column"
    " called named library package gem framework exception",
    GREETING: "thanks thank credit credits as answer hi hello",
    TRUTH: "true false",
    FILES: "text binary log header batch cache config executable image",
    CHORD: "ctrl control alt shift cmd command option win",
    PRESS: "press pressing pressed presses hit hitting",
}
"""Words, in lower case, that begin a match of a kind, or, of `TRUTH`, end it."""

_WORD, _SPACE, _DIGIT = characters.WORD, characters.SPACE, characters.DIGIT
_LEAD = 16
"""Code points of the longest words before a number or a truth value."""


@dataclass(frozen=True)
class Keywords:
    """Words with the kinds of marks that they make.

    Attributes:
        table: uint32[2^k, 2], hash and a bit for each kind, by the low bits of the hash (open addressing).
    """

    table: UInt32


def keywords(heads: Iterable[str]) -> Keywords:
    """The words that the scan knows, and those of `HEADED`, in lower case: words behind the name that they are of."""
    kinds: dict[int, int] = {}
    for kind, words in (*_WORDS.items(), (HEADED, " ".join(heads))):
        for word in words.split():
            points = characters.code_points(word)
            value = int(_hash(points, 0, len(points)))
            kinds[value] = kinds.get(value, 0) | 1 << kind
    table = np.zeros((1 << (4 * len(kinds)).bit_length(), 2), np.uint32)
    _enter(np.array(list(kinds.items()), np.uint32), table)
    return Keywords(readonly(table))


Marks = Mapping[int, list[list[int]]]
"""Kind -> its marks from left to right, each start, end and two more numbers."""


def marks(text: str, known: Keywords) -> dict[int, list[list[int]]]:
    """Marks of a text by kind; a kind without any is left out."""
    points = characters.code_points(text)
    rows = np.empty((2 * len(points) + 8, 5), np.int32)
    count = _scan(points, characters.classes(), known.table, rows)
    by: dict[int, list[list[int]]] = {}
    for kind, *place in rows[:count].tolist():
        by.setdefault(kind, []).append(place)
    return by


@njit(cache=True, nogil=True)
def _fold(sign):  # type: ignore[no-untyped-def]
    """A letter as expressions that ignore case have it, those of ASCII and the two others that match one of these."""
    if 65 <= sign <= 90:
        return np.uint32(sign + 32)
    if sign == 0x17F:
        return np.uint32(115)
    if sign == 0x212A:
        return np.uint32(107)
    if sign == 0x130 or sign == 0x131:
        return np.uint32(105)
    return np.uint32(sign)


@njit(cache=True, nogil=True)
def _hash(points, start, end):  # type: ignore[no-untyped-def]
    value = np.uint32(0x811C9DC5)
    for place in range(start, end):
        value = np.uint32((value ^ _fold(points[place])) * np.uint32(0x01000193))
    return value if value else np.uint32(1)


@njit(cache=True, nogil=True)
def _enter(pairs, table):  # type: ignore[no-untyped-def]
    mask = np.uint32(len(table) - 1)
    for row in range(len(pairs)):
        slot = pairs[row, 0] & mask
        while table[slot, 1]:
            slot = (slot + np.uint32(1)) & mask
        table[slot, 0], table[slot, 1] = pairs[row, 0], pairs[row, 1]


@njit(cache=True, nogil=True)
def _kinds(points, start, end, table):  # type: ignore[no-untyped-def]
    """Bits of the kinds that a word makes marks of."""
    mask = np.uint32(len(table) - 1)
    value = _hash(points, start, end)
    slot = value & mask
    while table[slot, 1]:
        if table[slot, 0] == value:
            return table[slot, 1]
        slot = (slot + np.uint32(1)) & mask
    return np.uint32(0)


@njit(cache=True, nogil=True)
def _letter(sign):  # type: ignore[no-untyped-def]
    return 97 <= sign <= 122 or 65 <= sign <= 90


@njit(cache=True, nogil=True)
def _ascii(sign):  # type: ignore[no-untyped-def]
    r"""Whether `\w` matches a code point in an expression for ASCII."""
    return _letter(sign) or 48 <= sign <= 57 or sign == 95


@njit(cache=True, nogil=True)
def _stops(sign):  # type: ignore[no-untyped-def]
    """Whether a code point is one of . , : ;"""
    return sign == 46 or sign == 44 or sign == 58 or sign == 59


@njit(cache=True, nogil=True)
def _plain(points, start, end):  # type: ignore[no-untyped-def]
    """Whether a string is a plain word with its punctuation, a dash, or blanked code with its punctuation."""
    place, first = start, points[start]
    if end - start == 1 and (first == 45 or first == 0x2013 or first == 0x2014 or first == 38):
        return True
    if first == 0xB7:
        while place < end and points[place] == 0xB7:
            place += 1
        while place < end and (_stops(points[place]) or points[place] == 41):
            place += 1
        return place == end
    if first == 34 or first == 39 or first == 40:
        place += 1
    if place < end and 65 <= points[place] <= 90:
        place += 1
    while place < end and (97 <= points[place] <= 122 or points[place] == 39 or points[place] == 0x2019):
        place += 1
    if place + 1 < end and points[place] == 45 and 97 <= points[place + 1] <= 122:
        place += 1
        while place < end and 97 <= points[place] <= 122:
            place += 1
    if place < end and (points[place] == 34 or points[place] == 39 or points[place] == 41):
        place += 1
    while place < end and (_stops(points[place]) or points[place] == 33 or points[place] == 63):
        place += 1
    return place == end


@njit(cache=True, nogil=True)
def _of_name(sign):  # type: ignore[no-untyped-def]
    """Whether a code point may be of a name before a word for its kind: letters of ASCII, digits, and _ $ @ # . : -."""
    return _ascii(sign) or sign == 36 or sign == 64 or sign == 35 or sign == 46 or sign == 58 or sign == 45


@njit(cache=True, nogil=True)
def _begins(points, start, end):  # type: ignore[no-untyped-def]
    """Whether a word begins with ver or rel, as versions and releases do."""
    if end - start < 3 or _fold(points[start + 1]) != 101:
        return False
    first, third = _fold(points[start]), _fold(points[start + 2])
    return (first == 118 and third == 114) or (first == 114 and third == 108)


@njit(cache=True, nogil=True)
def _put(rows, count, kind, start, end, third, fourth):  # type: ignore[no-untyped-def]
    rows[count, 0], rows[count, 1], rows[count, 2] = kind, start, end
    rows[count, 3], rows[count, 4] = third, fourth
    return count + 1


@njit(cache=True, nogil=True)
def _scan(points, classes, table, rows):  # type: ignore[no-untyped-def]
    r"""Fill the marks, each kind from left to right: kind, start, end and two more numbers; returns their number.

    - ODD: a string between white space that is no plain word with its punctuation; the bits of the signs that it has.
    - CALL: what may be a call, `name(arguments)` with what joins names before it.
    - HEADED: a name of ASCII, or blanked code, before a space and a word of `HEADED`; start and end of this word.
      Names are paired with the words behind them from left to right, as an expression does that finds one pair after
      the other.
    - NAMED_BY, GREETING, FILES, CHORD, PRESS: a word of the kind; NAMED_BY before a space.
    - VERSION: a word that begins with ver or rel.
    - TRUTH, NUMBER: a truth value or a number, each behind a space, with what may be before it.
    - QUOTE: an opening quotation mark.
    - ENDING: a dot before a letter of ASCII, behind neither a word nor a dot or slash.
    - STATUS: a space before three digits, 4 or 5 first.
    """
    n, count = len(points), 0
    # Strings between white space.
    place = 0
    while place < n:
        if classes[points[place]] & _SPACE:
            place += 1
            continue
        start, signs = place, 0
        while place < n and not classes[points[place]] & _SPACE:
            sign = points[place]
            if classes[sign] & _DIGIT:
                signs |= HAS_DIGIT
            elif sign == 64:
                signs |= HAS_AT
            elif sign == 46:
                signs |= HAS_DOT
            elif sign == 47 or sign == 92:
                signs |= HAS_SLASH
            elif sign == 69:
                signs |= HAS_CAPITAL_E
            place += 1
        if not _plain(points, start, place):
            count = _put(rows, count, ODD, start, place, signs, 0)
    # Pairs of a name and the word behind it.
    place = 0
    while place < n:
        sign = points[place]
        coded = sign == 0xB7
        if not coded and not _of_name(sign):
            place += 1
            continue
        before = points[place - 1] if place > 0 else np.uint32(32)
        free = not _of_name(before) and not (coded and before == 0xB7)
        start = place
        while place < n and (points[place] == 0xB7 if coded else _of_name(points[place])):
            place += 1
        if not free:
            # Within a run only its first code point may begin a match.
            continue
        end = place
        if not coded and place + 1 < n and points[place] == 40 and points[place + 1] == 41:
            end += 2
        if end + 1 < n and points[end] == 32 and _ascii(points[end + 1]):
            word = end + 1
            place = word
            while place < n and _ascii(points[place]):
                place += 1
            if _kinds(points, word, place, table) >> np.uint32(HEADED) & 1:
                count = _put(rows, count, HEADED, start, end, word, place)
    # Words, and signs between them.
    place = 0
    while place < n:
        sign = points[place]
        before = points[place - 1] if place > 0 else np.uint32(10)
        if not classes[sign] & _WORD:
            if sign == 46:
                if (
                    place + 1 < n
                    and _letter(points[place + 1])
                    and not (classes[before] & _WORD or before == 46 or before == 47 or before == 92)
                ):
                    count = _put(rows, count, ENDING, place, place, 0, 0)
            elif sign == 34:
                if not (classes[before] & _WORD or before == 34):
                    count = _put(rows, count, QUOTE, place, place, 0, 0)
            elif sign == 0x201C:
                count = _put(rows, count, QUOTE, place, place, 0, 0)
            elif sign == 40 and (classes[before] & _WORD or before == 36):
                end = place + 1
                while end < n and (
                    classes[points[end]] & _WORD or points[end] == 36 or points[end] == 44 or points[end] == 32
                ):
                    end += 1
                if end < n and points[end] == 41:
                    start = place
                    while start > 0 and (
                        classes[points[start - 1]] & _WORD or points[start - 1] == 36 or points[start - 1] == 46
                        or points[start - 1] == 58 or points[start - 1] == 62 or points[start - 1] == 45
                    ):  # fmt: skip
                        start -= 1
                    count = _put(rows, count, CALL, start, min(end + 2, n), 0, 0)
            place += 1
            continue
        start = place
        while place < n and classes[points[place]] & _WORD:
            place += 1
        if classes[sign] & _DIGIT:
            # A space before it, or a sign before and a space before that.
            space = start - 1
            if space > 0 and (before == 43 or before == 45):
                space -= 1
            if space >= 0 and points[space] == 32:
                end = start
                while end < n and (classes[points[end]] & _DIGIT or points[end] == 46):
                    end += 1
                count = _put(rows, count, NUMBER, max(0, space - _LEAD), min(end + 2, n), 0, 0)
            if before == 32 and place - start == 3 and (sign == 52 or sign == 53):
                count = _put(rows, count, STATUS, start - 1, place, 0, 0)
            continue
        if _begins(points, start, place):
            count = _put(rows, count, VERSION, start, start, 0, 0)
        if place - start > 12:
            continue
        kinds = _kinds(points, start, place, table)
        if not kinds:
            continue
        behind = points[place] if place < n else np.uint32(10)
        if kinds >> np.uint32(NAMED_BY) & 1 and behind == 32:
            count = _put(rows, count, NAMED_BY, start, start, 0, 0)
        if kinds >> np.uint32(TRUTH) & 1 and before == 32:
            count = _put(rows, count, TRUTH, max(0, start - 1 - _LEAD), min(place + 1, n), 0, 0)
        for kind in (GREETING, FILES, CHORD, PRESS):
            if kinds >> np.uint32(kind) & 1:
                count = _put(rows, count, kind, start, start, 0, 0)
    return count
