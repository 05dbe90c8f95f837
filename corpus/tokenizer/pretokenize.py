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
from typing import Any, NamedTuple

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
    total = int(offsets[-1] - offsets[0])
    pieces: npt.NDArray[np.int32] = np.empty(total // BYTES_PER_PIECE + 64, np.int32)
    bounds = np.zeros(len(offsets), np.int64)
    known = _Known.of(1 << 16)
    state = np.array([0, offsets[0], 0, 0, 0], np.int64)
    # Arrays grow out here: a kernel that replaces them counts references at every piece, and takes twice as long.
    while (full := _cut(data, offsets, classes(), pieces, bounds, *known, state)) != DONE:
        if full == NO_ROOM:
            pieces = np.concatenate([pieces, np.empty(total + 64 - len(pieces), np.int32)])
        else:
            known = known.larger(state[3])
    distinct, count = int(state[3]), int(state[4])
    return pieces[:count], bounds, known.starts[:distinct], known.ends[:distinct]


class _Known(NamedTuple):
    """The distinct pieces, and an open-addressing hash table of them with at most half of its places taken."""

    keys: npt.NDArray[np.uint64]
    """uint64[size]: bytes and length of a piece of up to `PACKED` bytes; of a longer one a hash, and 255."""
    numbers: npt.NDArray[np.int32]
    """int32[size], numbers of the pieces; -1 where there is none."""
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    """int64[size // 2], bounds of the first occurrence of each piece in the data."""

    @staticmethod
    def of(size: int) -> "_Known":
        """Without a piece; `size` is a power of two."""
        bounds = np.empty(size // 2, np.int64)
        return _Known(np.zeros(size, np.uint64), np.full(size, -1, np.int32), bounds, bounds.copy())

    def larger(self, distinct: int) -> "_Known":
        """The same pieces with twice the room."""
        twice = _Known.of(2 * len(self.keys))
        twice.starts[:distinct], twice.ends[:distinct] = self.starts[:distinct], self.ends[:distinct]
        _enter(self.keys, self.numbers, twice.keys, twice.numbers)
        return twice


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
def _word(data: Any, table: Any, i: int, end: int, after_word: bool) -> Any:
    """End of the word of which the first character is ASCII's, perhaps after a space, that begins at byte `i`; or 0.

    Most pieces are such words: `_piece` comes to the same, more slowly.
    """
    first = data[i]
    if first >= 0x80 or (after_word and first == 39):
        return 0
    if first == 32 and i + 1 < end:
        i += 1
        first = data[i]
    if first >= 0x80 or not table[first] & WORD:
        return 0
    i += 1
    while i < end and data[i] < 0x80 and table[data[i]] & WORD:
        i += 1
    return i if i == end or data[i] < 0x80 else _run(data, table, i, end, WORD, end)


@njit(cache=True, nogil=True)
def _place(key: Any, size: int) -> Any:
    """First place of a key in a hash table of a power of two: Fibonacci hashing, Knuth volume 3, section 6.4."""
    return np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & (size - 1)


@njit(cache=True, nogil=True)
def _enter(keys: Any, numbers: Any, into_keys: Any, into_numbers: Any) -> None:
    size = len(into_keys)
    for old in range(len(keys)):
        if numbers[old] >= 0:
            place = _place(keys[old], size)
            while into_numbers[place] >= 0:
                place = (place + 1) & (size - 1)
            into_keys[place], into_numbers[place] = keys[old], numbers[old]


PACKED = 7
"""Bytes of a piece that a key holds, beside its length."""
DONE, NO_ROOM, MANY = 0, 1, 2


@njit(cache=True, nogil=True)
def _cut(
    data: Any,
    offsets: Any,
    table: Any,
    pieces: Any,
    bounds: Any,
    keys: Any,
    numbers: Any,
    starts: Any,
    ends: Any,
    state: Any,
) -> Any:
    """Cut from where `state` is: text, byte, whether a word is before it, distinct pieces, pieces. `NO_ROOM` and `MANY`
    ask for longer `pieces`, and for more room for distinct ones; then it goes on."""
    text, i, after_word, known, count = state
    size = len(keys)
    full = DONE
    while text < len(offsets) - 1 and full == DONE:
        end = offsets[text + 1]
        while i < end:
            if count == len(pieces):
                full = NO_ROOM
                break
            if known == len(starts):
                full = MANY
                break
            j = _word(data, table, i, end, after_word != 0)
            word = True
            if not j:
                j, word = _piece(data, table, i, end, after_word != 0)
            length = j - i
            key = np.uint64(0)
            if length <= PACKED:
                for k in range(i, j):
                    key = key << np.uint64(8) | np.uint64(data[k])
                key = key << np.uint64(8) | np.uint64(length)
            else:
                # Pieces are equal by their bytes, not by this.
                for k in range(i, j):
                    key = (key ^ np.uint64(data[k])) * np.uint64(0x100000001B3)
                key = key << np.uint64(8) | np.uint64(255)
            place = _place(key, size)
            number = numbers[place]
            while number >= 0:
                if keys[place] == key:
                    if length <= PACKED:
                        break
                    if ends[number] - starts[number] == length:
                        first = starts[number]
                        k = 0
                        while k < length and data[first + k] == data[i + k]:
                            k += 1
                        if k == length:
                            break
                place = (place + 1) & (size - 1)
                number = numbers[place]
            if number < 0:
                number = known
                keys[place], numbers[place] = key, number
                starts[known], ends[known] = i, j
                known += 1
            pieces[count] = number
            count += 1
            i = j
            after_word = np.int64(word)
        else:
            text += 1
            bounds[text] = count
            after_word = 0
            if text < len(offsets) - 1:
                i = offsets[text]
    state[0], state[1], state[2], state[3], state[4] = text, i, after_word, known, count
    return full


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
