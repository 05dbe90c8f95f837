"""The cuts of text before byte-pair encoding: the pattern, and a compiled kernel that cuts and counts as it does.

Byte-pair encoding never crosses a cut, so each distinct piece of a batch need be encoded only once; and few pieces make
most of a text (Zipf's law). The kernel cuts a whole Arrow column and numbers its distinct pieces in one pass.

The pattern is of the kind of GPT-4's (cl100k), changed where an encoder that labels tokens wants it:
 - a word takes one space before it and nothing else, so that `(foo` and `.foo` share the token of `foo` and a named
   entity begins at a token; combining marks belong to the word;
 - a contraction is cut off only after a letter, else `'s'` in code would be cut inside the quotes;
 - digits go by three at most: long numbers don't fill the vocabulary, versions and years stay whole;
 - newlines that follow punctuation join it (`{\\n`, `);\\n`), and a run of white space is one piece up to its last
   newline and one from there: a line's indentation costs one token, and spaces leave the last one to the word.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.corpus.arrays import njit, readonly, utf8

_WORD, _NUMBER, _SYMBOL, _SPACE = r"[\p{L}\p{M}]", r"\p{N}", r"[^\s\p{L}\p{N}]", r"\s"
PATTERN = "|".join(
    [
        rf"(?<={_WORD})['’](?:s|t|re|ve|m|ll|d)(?![\p{{L}}\p{{M}}\p{{N}}_])",
        rf" ?{_WORD}+",
        rf" ?{_NUMBER}{{1,3}}",
        rf" ?{_SYMBOL}+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?= \S)",
        r"\s+",
    ]
)
"""The first alternative that matches makes the piece; together they match every text from end to end."""

WORD, NUMBER, SYMBOL, SPACE = 1, 2, 4, 8
BYTES_PER_PIECE = 3
"""Guess of the average piece, on the low side; the kernel asks for more room where a batch has shorter pieces."""
LONGEST = 1024
"""Bytes of a piece beyond which it is cut for training: no word of a language comes near, but base64 does."""


@cache
def classes() -> npt.NDArray[np.uint8]:
    """Bits of each code point, shape [0x110000].

    They come from the tokenizers library itself: Unicode grows, and two tables of different age would cut differently.
    """
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Split

    def matches(pattern: str) -> npt.NDArray[np.bool_]:
        # "removed" leaves the gaps between the matches: whatever is in no gap is of the class.
        members, split = np.zeros(0x110000, bool), Split(Regex(pattern), "removed")
        for block in _blocks():
            inside = np.ones(len(block), bool)
            for _, (start, end) in split.pre_tokenize_str(block.tobytes().decode("utf-32-le")):
                inside[start:end] = False
            members[block] = inside
        return members

    table = np.zeros(0x110000, np.uint8)
    for bit, name in ((WORD, _WORD), (NUMBER, _NUMBER), (SPACE, _SPACE)):
        table[matches(name + "+")] |= bit
    table[~matches(r"[\s\p{L}\p{N}]+")] |= SYMBOL
    table.setflags(write=False)
    return table


def _blocks() -> list[npt.NDArray[np.uint32]]:
    """Code points in blocks that the library takes fast, without surrogates and the planes that Unicode never fills."""
    points = np.r_[0:0xD800, 0xE000:0x40000, 0xE0000:0xE1000].astype("<u4")
    return np.split(points, range(4096, len(points), 4096))


def cut(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cut texts as `PATTERN` does, and number the distinct pieces in the order of their first occurrence.

    Args:
        data: UTF-8 bytes of all texts.
        offsets: text i is `data[offsets[i]:offsets[i + 1]]`.

    Returns:
        The number of each piece, text by text; the bounds of each text in those, shape [texts + 1]; and the first
        byte and the byte past the end of each distinct piece, in `data`.
    """
    data = readonly(data)
    room = int(offsets[-1] - offsets[0]) // BYTES_PER_PIECE + 64
    while True:
        pieces = np.empty(room, np.int32)
        bounds = np.zeros(len(offsets), np.int64)
        starts, ends = _cut(data, offsets, classes(), pieces, bounds)
        if bounds[-1] >= 0:
            return pieces[: bounds[-1]], bounds, starts, ends
        room = int(offsets[-1] - offsets[0]) + 64


def shortened(texts: Sequence[str]) -> Iterator[str]:
    """The texts, each cut where one of its pieces has more than `LONGEST` bytes, so that no piece has more.

    Training needs it: the library takes time in the square of a piece's length. Texts without such a piece come as they
    are, and no other piece of a text is cut otherwise than before.
    """
    suspects = _with_long_runs(*utf8(pa.array(texts, pa.large_string())))
    for number, text in enumerate(texts):
        if number in suspects:
            yield from _shortened(text)
        else:
            yield text


def _with_long_runs(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> set[int]:
    """Numbers of the texts that may have a piece of more than `LONGEST` bytes: a quick look, without the kernel.

    Such a piece has half of them in one run with or without white space, of ASCII's. Runs may go beyond a text.
    """
    half = LONGEST // 2
    white = np.flatnonzero((classes()[:128] & SPACE != 0)[data & 0x7F] & (data < 0x80))
    edges = np.concatenate([[-1], white, [len(data)]])
    gaps = np.flatnonzero(np.diff(edges) > half)
    runs = (
        np.flatnonzero(white[half - 1 :] - white[: len(white) - half + 1] == half - 1)
        if len(white) >= half
        else white[:0]
    )
    firsts = np.concatenate([edges[gaps] + 1, white[runs]])
    lasts = np.concatenate([edges[gaps + 1] - 1, white[runs + half - 1]])
    begins, ends = np.searchsorted(offsets, firsts, "right") - 1, np.searchsorted(offsets, lasts, "right")
    marks = np.zeros(len(offsets) + 1, np.int64)
    np.add.at(marks, begins, 1)
    np.add.at(marks, ends, -1)
    inside = np.cumsum(marks)[: len(offsets) - 1] > 0
    return set(np.flatnonzero(inside & (np.diff(offsets) > LONGEST)).tolist())


def _shortened(text: str) -> Iterator[str]:
    data, offsets = utf8(pa.array([text], pa.large_string()))
    pieces, _, starts, ends = cut(data, offsets)
    lengths = (ends - starts)[pieces]
    long = np.flatnonzero(lengths > LONGEST)
    begins = np.cumsum(lengths) - lengths
    places = [0]
    for begin, length in zip(begins[long].tolist(), lengths[long].tolist(), strict=True):
        place = begin + LONGEST
        while place < begin + length:
            while data[place] & 0xC0 == 0x80:  # within a character
                place -= 1
            places.append(place)
            place += LONGEST
    raw = data.tobytes()
    for begin, end in pairwise([*places, len(raw)]):
        yield raw[begin:end].decode()


def spread(
    pieces: npt.NDArray[np.int32],
    bounds: npt.NDArray[np.int64],
    ids: npt.NDArray[np.uint16],
    ids_at: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64]]:
    """Ids of all texts, and each text's bounds in them, from those of the distinct pieces (`ids_at`: their bounds)."""
    result: tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64]] = _spread(pieces, bounds, ids, ids_at)
    return result


@njit(cache=True, nogil=True, inline="always")
def _at(data: Any, i: int) -> Any:
    """Code point and length in bytes of the character at byte `i` of valid UTF-8."""
    first = np.int64(data[i])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | (np.int64(data[i + 1]) & 0x3F), 2
    if first < 0xF0:
        return (first & 0x0F) << 12 | (np.int64(data[i + 1]) & 0x3F) << 6 | (np.int64(data[i + 2]) & 0x3F), 3
    return (
        (first & 0x07) << 18
        | (np.int64(data[i + 1]) & 0x3F) << 12
        | (np.int64(data[i + 2]) & 0x3F) << 6
        | (np.int64(data[i + 3]) & 0x3F)
    ), 4


@njit(cache=True, nogil=True)
def _run(data: Any, table: Any, i: int, end: int, bit: int, most: int) -> Any:
    """End of the run, of at most `most` characters, of class `bit` that begins at byte `i`."""
    count = 0
    while i < end and count < most:
        point, size = _at(data, i)
        if not table[point] & bit:
            break
        i += size
        count += 1
    return i


@njit(cache=True, nogil=True)
def _contraction(data: Any, table: Any, i: int, end: int) -> Any:
    """End of the contraction whose letters begin at byte `i`, 0 if there is none."""
    if i >= end:
        return 0
    first = data[i]
    second = data[i + 1] if i + 1 < end else 0
    if first == 115 or first == 116 or first == 109 or first == 100:  # s t m d
        i += 1
    elif ((first == 114 or first == 118) and second == 101) or (first == 108 and second == 108):  # re ve ll
        i += 2
    else:
        return 0
    if i < end:
        point, _ = _at(data, i)
        if table[point] & (WORD | NUMBER) or point == 95:
            return 0
    return i


@njit(cache=True, nogil=True)
def _white(data: Any, table: Any, i: int, end: int) -> Any:
    """End of the piece of white space that begins at byte `i`: the last three alternatives of the pattern."""
    j, newline, last = i, 0, i
    while j < end:
        point, size = _at(data, j)
        if not table[point] & SPACE:
            break
        last = j
        j += size
        if point == 10 or point == 13:
            newline = j
    if newline:
        return newline
    if j < end and data[last] == 32 and last > i:
        return last
    return j


@njit(cache=True, nogil=True)
def _piece(data: Any, table: Any, i: int, end: int, after_word: bool) -> Any:
    """End of the piece that begins at byte `i`, and whether its last character is a word's."""
    point, size = _at(data, i)
    kind = table[point]
    if after_word and (point == 39 or point == 0x2019):
        j = _contraction(data, table, i + size, end)
        if j:
            return j, True
    begin = i
    if point == 32 and i + 1 < end:
        following, _ = _at(data, i + 1)
        if not table[following] & SPACE:
            begin = i + 1
            kind = table[following]
    if kind & WORD:
        return _run(data, table, begin, end, WORD, end), True
    if kind & NUMBER:
        return _run(data, table, begin, end, NUMBER, 3), False
    if kind & SYMBOL:
        j = _run(data, table, begin, end, SYMBOL, end)
        k = j
        while k < end and (data[k] == 10 or data[k] == 13):
            k += 1
        # A run of symbols may end in a combining mark, which the look-behind takes for a word's.
        p = j - 1
        while data[p] & 0xC0 == 0x80:
            p -= 1
        point, _ = _at(data, p)
        return k, k == j and table[point] & WORD != 0
    return _white(data, table, i, end), False


@njit(cache=True, nogil=True)
def _longer(values: Any) -> Any:
    longer = np.empty(2 * len(values), values.dtype)
    longer[: len(values)] = values
    return longer


@njit(cache=True, nogil=True)
def _cut(data: Any, offsets: Any, table: Any, pieces: Any, bounds: Any) -> Any:
    size = 1 << 16
    slots = np.full(size, -1, np.int32)
    starts, ends = np.empty(size // 2, np.int64), np.empty(size // 2, np.int64)
    hashes = np.empty(size // 2, np.uint64)
    known = 0
    count = 0
    for text in range(len(offsets) - 1):
        i, end = offsets[text], offsets[text + 1]
        after_word = False
        while i < end:
            j, after_word = _piece(data, table, i, end, after_word)
            h = np.uint64(0xCBF29CE484222325)  # FNV-1a; pieces are equal by their bytes, not by it
            for k in range(i, j):
                h = (h ^ np.uint64(data[k])) * np.uint64(0x100000001B3)
            h ^= h >> np.uint64(32)
            slot = np.int64(h & np.uint64(size - 1))
            while True:
                number = slots[slot]
                if number < 0:
                    break
                if hashes[number] == h and ends[number] - starts[number] == j - i:
                    same = True
                    first = starts[number]
                    for k in range(j - i):
                        if data[first + k] != data[i + k]:
                            same = False
                            break
                    if same:
                        break
                slot = (slot + 1) & (size - 1)
            if number < 0:
                number = known
                slots[slot] = number
                starts[number], ends[number], hashes[number] = i, j, h
                known += 1
                if known == len(starts):
                    size *= 2
                    starts, ends, hashes = _longer(starts), _longer(ends), _longer(hashes)
                    slots = np.full(size, -1, np.int32)
                    for old in range(known):
                        slot = np.int64(hashes[old] & np.uint64(size - 1))
                        while slots[slot] >= 0:
                            slot = (slot + 1) & (size - 1)
                        slots[slot] = old
            if count == len(pieces):
                bounds[-1] = -1
                return starts[:0], ends[:0]
            pieces[count] = number
            count += 1
            i = j
        bounds[text + 1] = count
    return starts[:known], ends[:known]


@njit(cache=True, nogil=True)
def _spread(pieces: Any, bounds: Any, ids: Any, ids_at: Any) -> Any:
    ends = np.zeros(len(bounds), np.int64)
    total = 0
    for text in range(len(bounds) - 1):
        for k in range(bounds[text], bounds[text + 1]):
            total += ids_at[pieces[k] + 1] - ids_at[pieces[k]]
        ends[text + 1] = total
    flat = np.empty(total, np.uint16)
    position = 0
    for k in range(len(pieces)):
        for j in range(ids_at[pieces[k]], ids_at[pieces[k] + 1]):
            flat[position] = ids[j]
            position += 1
    return flat, ends
