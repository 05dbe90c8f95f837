"""Capitalised terms of texts: where sentences may say what one is, and which texts have some of them; compiled scans.

A term is a word that begins with a capital of ASCII, behind none of a word, `.`, `@`, `/` and `-`. Signs that names
have may be within (`C++`, `Node-RED`), and `.js` behind it; another capitalised word may follow.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from socorpus.corpus.arrays import njit
from socorpus.labeling.tasks.entities.scan import characters
from socorpus.labeling.tasks.entities.scan.name_words import Wanted, fnv64

IS, HEADED, NAMING = range(3)
"""Kinds of places: a term before a verb or a comma that may introduce what it is; a term behind "the" and before what
may be its kind; a term behind what may be "called", "such as" and the like."""
TERM, WITHIN, SMALL = range(3)
"""Kinds of occurrences: a term, one within a sentence, a string between white space."""

_WORD, _SPACE = characters.WORD, characters.SPACE


def said(texts: Sequence[str]) -> Iterator[characters.Place]:
    """Places at which sentences may say what a term is, of each kind from left to right; `end` is not used."""
    classes = characters.classes()
    for first, points, begins in characters.joined(texts):
        rows = np.empty((2 * len(points), 3), np.int32)
        yield from characters.places(first, begins, rows[: _said(points, classes, rows)])


def occurring(texts: Sequence[str], terms: Wanted, small: Wanted) -> Iterator[characters.Place]:
    """Places of some terms, and of strings between white space that are some words.

    Args:
        terms: each one or two words.
        small: words in lower case.
    """
    classes = characters.classes()
    for first, points, begins in characters.joined(texts):
        rows = np.empty((2 * len(points), 3), np.int32)
        count = _occurring(points, classes, terms.table, small.table, rows)
        yield from characters.places(first, begins, rows[:count])


@njit(cache=True, nogil=True)
def _capital(sign):  # type: ignore[no-untyped-def]
    return 65 <= sign <= 90


@njit(cache=True, nogil=True)
def _free(points, place, classes):  # type: ignore[no-untyped-def]
    """Whether a term may begin at a position, by what is before it."""
    if place == 0:
        return True
    before = points[place - 1]
    return not (classes[before] & _WORD or before == 46 or before == 64 or before == 47 or before == 45)


@njit(cache=True, nogil=True)
def _run_end(points, place, classes):  # type: ignore[no-untyped-def]
    """End of a run of what words and the signs within names are made of."""
    while place < len(points) and (
        classes[points[place]] & _WORD or points[place] == 43 or points[place] == 35 or points[place] == 45
    ):
        place += 1
    return place


@njit(cache=True, nogil=True)
def _dotted_end(points, place, classes):  # type: ignore[no-untyped-def]
    """End of `.js` at a position, or the position."""
    if place + 1 >= len(points) or points[place] != 46:
        return place
    if not (_capital(points[place + 1]) or 97 <= points[place + 1] <= 122):
        return place
    place += 1
    while place < len(points) and classes[points[place]] & _WORD:
        place += 1
    return place


@njit(cache=True, nogil=True)
def _introduces(points, place):  # type: ignore[no-untyped-def]
    """Whether ` is `, ` are `, ` was `, `, a` or `, o` stands at a position."""
    if place + 4 >= len(points):
        return False
    a, b, c, d = points[place], points[place + 1], points[place + 2], points[place + 3]
    if a == 44:
        return b == 32 and (c == 97 or c == 111)
    if a != 32:
        return False
    if b == 105:
        return c == 115 and d == 32
    return ((b == 97 and c == 114 and d == 101) or (b == 119 and c == 97 and d == 115)) and points[place + 4] == 32


@njit(cache=True, nogil=True)
def _kind_behind(points, place):  # type: ignore[no-untyped-def]
    """Whether a space and a letter that kinds begin with (app, browser, framework, programming, wallet) follow."""
    if place + 1 >= len(points) or points[place] != 32:
        return False
    sign = points[place + 1]
    return sign == 97 or sign == 98 or sign == 102 or sign == 112 or sign == 119


@njit(cache=True, nogil=True)
def _named(points, place):  # type: ignore[no-untyped-def]
    """Whether the last two signs before a position and a space may be those of called, named, such as, like, including,
    or e.g."""
    if place < 3 or points[place - 1] != 32:
        return False
    a, b = points[place - 3], points[place - 2]
    return (
        (a == 101 and b == 100) or (a == 97 and b == 115) or (a == 107 and b == 101) or (a == 110 and b == 103)
        or (a == 103 and b == 46) or (a == 46 and b == 44)
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _put(rows, count, start, end, kind):  # type: ignore[no-untyped-def]
    rows[count, 0], rows[count, 1], rows[count, 2] = start, end, kind
    return count + 1


@njit(cache=True, nogil=True)
def _said(points, classes, rows):  # type: ignore[no-untyped-def]
    """Fill the places; returns their number."""
    count, place = 0, 0
    while place < len(points):
        if not _capital(points[place]):
            place += 1
            continue
        # All terms that begin in a run end with it: where the first of them is none, neither is another.
        end = _run_end(points, place, classes)
        dotted = _dotted_end(points, end, classes)
        introduced = _introduces(points, dotted)
        second = dotted
        if dotted + 1 < len(points) and points[dotted] == 32 and _capital(points[dotted + 1]):
            second = _run_end(points, dotted + 1, classes)
            introduced |= _introduces(points, second)
        if introduced:
            start = place
            while start < end and not (_capital(points[start]) and _free(points, start, classes)):
                start += 1
            if start < end:
                count = _put(rows, count, start, end, IS)
        if place > 3 and points[place - 1] == 32:
            headed = _kind_behind(points, end) or (dotted == end and _kind_behind(points, second))
            if headed and points[place - 2] == 101:
                count = _put(rows, count, place - 4, end, HEADED)
        if _named(points, place):
            count = _put(rows, count, place, end, NAMING)
        place = end
    return count


@njit(cache=True, nogil=True)
def _has(table, value):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(table) - 1)
    slot = value & mask
    while table[slot] and table[slot] != value:
        slot = (slot + np.uint64(1)) & mask
    return table[slot] == value


@njit(cache=True, nogil=True)
def _occurring(points, classes, terms, small, rows):  # type: ignore[no-untyped-def]
    """Fill the occurrences; returns their number."""
    count, place = 0, 0
    last_start, last_end, last_within = -1, -2, False
    while place < len(points):
        if not (_capital(points[place]) and _free(points, place, classes)):
            place += 1
            continue
        start = place
        place = _dotted_end(points, _run_end(points, place, classes), classes)
        within = False
        if start > 1 and points[start - 1] == 32:
            sign = points[start - 2]
            within = sign == 44 or sign == 41 or (classes[sign] & _WORD != 0 and sign != 95)
        if _has(terms, fnv64(points, start, place)):
            count = _put(rows, count, start, place, WITHIN if within else TERM)
        if start == last_end + 1 and points[last_end] == 32 and _has(terms, fnv64(points, last_start, place)):
            count = _put(rows, count, last_start, place, WITHIN if last_within else TERM)
        last_start, last_end, last_within = start, place, within
    place = 0
    while place < len(points):
        if classes[points[place]] & _SPACE:
            place += 1
            continue
        start = place
        while place < len(points) and not classes[points[place]] & _SPACE:
            place += 1
        if _has(small, fnv64(points, start, place)):
            count = _put(rows, count, start, place, SMALL)
    return count
