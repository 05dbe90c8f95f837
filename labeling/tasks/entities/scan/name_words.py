"""Words of a text as names are made of them (`C#`, `.NET`, `node.js`), and which of them are looked for."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from socorpus.corpus.arrays import Int32, UInt64, njit, readonly
from socorpus.labeling.tasks.entities.scan import characters

_WORD, _DIGIT = characters.WORD, characters.DIGIT
_START, _FACTOR = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a of 64 bits


@dataclass(frozen=True)
class Words:
    """The words of a text, from left to right: what `gazetteers.WORD` matches in it.

    Attributes:
        low: the text in lower case (`characters.lowered`).
        places: int32[n, 2], start and end of each.
        hashes: uint64[n], of each in lower case.
    """

    low: str
    places: Int32
    hashes: UInt64

    def of(self, wanted: "Wanted") -> Iterator[tuple[int, int, str]]:
        """Start, end and word, in lower case, of each that is wanted, from left to right."""
        rows = np.empty(len(self.hashes), np.int32)
        count = _chosen(self.hashes, wanted.table, rows)
        for start, end in self.places[rows[:count]].tolist():
            word = self.low[start:end]
            if word in wanted.words:
                yield start, end, word


@dataclass(frozen=True)
class Wanted:
    """Words, in lower case, to be looked for in texts.

    Attributes:
        words: they.
        table: uint64[2^k], their hashes by the low bits (open addressing); 0: none.
    """

    words: frozenset[str]
    table: UInt64


def wanted(words: Iterable[str]) -> Wanted:
    """Words, in lower case, ready to be looked for."""
    chosen = frozenset(words)
    hashes = np.array([_hash_of(word) for word in sorted(chosen)], np.uint64)
    table = np.zeros(1 << max(3, (3 * len(hashes)).bit_length()), np.uint64)
    _enter(hashes, table)
    return Wanted(chosen, readonly(table))


def words(text: str) -> Words:
    """The words of a text."""
    low = characters.lowered(text)
    points = characters.code_points(low)
    places, hashes = (
        np.empty(((len(points) + 1) // 2 + 1, 2), np.int32),
        np.empty((len(points) + 1) // 2 + 1, np.uint64),
    )
    count = _cut(points, characters.classes(), places, hashes)
    return Words(low, places[:count], hashes[:count])


def letters(text: str, of: Wanted) -> tuple[int, int]:
    """Number of runs of letters in a text, and of those among some words."""
    points = characters.code_points(characters.lowered(text))
    runs, chosen = _letters(points, characters.classes(), of.table)
    return runs, chosen


@functools.lru_cache(maxsize=1 << 14)
def _hash_of(word: str) -> int:
    points = characters.code_points(word)
    return int(fnv64(points, 0, len(points)))


@njit(cache=True, nogil=True)
def fnv64(points, start, end):  # type: ignore[no-untyped-def]
    """FNV-1a of points[start:end] by code points, 64 bits, never 0."""
    value = _START
    for place in range(start, end):
        value = (value ^ np.uint64(points[place])) * _FACTOR
    return value if value else _FACTOR


@njit(cache=True, nogil=True)
def _cut(points, classes, places, hashes):  # type: ignore[no-untyped-def]
    """Fill places and hashes of the words; returns their number. A scan of `gazetteers.WORD`, whose parts never give
    back what they took."""
    n, place, count = len(points), 0, 0
    while place < n:
        start = place
        if points[place] == 46 or points[place] == 35:  # a dot or # before a word
            place += 1
        if place == n or not classes[points[place]] & _WORD:
            place = start + 1
            continue
        while True:
            while place < n and classes[points[place]] & _WORD:
                place += 1
            if place >= n:
                break
            sign = points[place]
            joins = sign == 45 or sign == 46 or sign == 43 or sign == 47 or sign == 58 or sign == 38 or sign == 42
            if joins and place + 1 < n and classes[points[place + 1]] & _WORD:
                place += 1
            elif sign == 58 and place + 2 < n and points[place + 1] == 58 and classes[points[place + 2]] & _WORD:
                place += 2
            else:
                break
        if place < n:
            sign = points[place]
            if sign == 43 and place + 1 < n and points[place + 1] == 43:
                place += 2
            elif (sign == 35 or sign == 43 or sign == 42) and (
                place + 1 == n or not classes[points[place + 1]] & _WORD
            ):
                place += 1
        places[count, 0], places[count, 1] = start, place
        hashes[count] = fnv64(points, start, place)
        count += 1
    return count


@njit(cache=True, nogil=True)
def _enter(hashes, table):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(table) - 1)
    for value in hashes:
        slot = value & mask
        while table[slot] and table[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = value


@njit(cache=True, nogil=True)
def _letters(points, classes, table):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(table) - 1)
    place, runs, chosen = 0, 0, 0
    while place < len(points):
        start = place
        while place < len(points) and classes[points[place]] & (_WORD | _DIGIT) == _WORD and points[place] != 95:
            place += 1
        if place == start:
            place += 1
            continue
        runs += 1
        value = fnv64(points, start, place)
        slot = value & mask
        while table[slot] and table[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        chosen += table[slot] == value
    return runs, chosen


@njit(cache=True, nogil=True)
def _chosen(hashes, table, rows):  # type: ignore[no-untyped-def]
    """Fill rows with the numbers of the hashes that the table has; returns their number."""
    mask = np.uint64(len(table) - 1)
    count = 0
    for row in range(len(hashes)):
        slot = hashes[row] & mask
        while table[slot] and table[slot] != hashes[row]:
            slot = (slot + np.uint64(1)) & mask
        if table[slot]:
            rows[count] = row
            count += 1
    return count
