"""A small model of names in their context: a linear-chain conditional random field (Lafferty et al. 2001) over tokens.

Its features are the token and its neighbours, their spelling, the segments, and the functions' votes, hashed to 32 bits
(Weinberger et al. 2009). Labels are BIO of the types. Training is by AdaGrad (Duchi et al. 2011) on single lines, with
L2; a trained model is pruned and quantised, and gives the marginal probability of each span (forward-backward).
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from socorpus.corpus.arrays import Float64, njit
from socorpus.labeling.tasks.entities.post import Joined

EPOCHS = 8
RATE, DECAY = 0.07, 0.002
"""Step length and L2, chosen by cross-validation within train.txt."""
LEAST = 0.05
"""Lowest marginal probability of a span that is proposed."""
Int32 = npt.NDArray[np.int32]
Uint32 = npt.NDArray[np.uint32]
Float32 = npt.NDArray[np.float32]
Votes = Sequence[tuple[int, int, str, str]]
"""Start, end, type and function of each vote on a text, by the functions."""

_FARTHEST, _MOST_STEPS = 60.0, 1 << 20  # nats of the least likely label that is looked at; weights' steps up to there
_FAR, _RARE = 7.0, 5e-4  # nats that a label may be behind a token's likeliest; least probability of what is summed up
_COLUMNS = 8  # hashes of a token: lower case, as written, shape, prefixes of 3 and 4, suffixes of 2, 3 and 4
_LOW, _EXACT, _SHAPE, _P3, _P4, _X2, _X3, _X4 = range(_COLUMNS)
_FIXED = 28  # features that every token has
_OWN = 9  # the first of these, which are of the token itself
_KEPT = 1 << 11  # tokens whose sums of these are kept
_LANES = 16  # weights of a feature are padded to a multiple of it, so that they are added by whole registers


@dataclass(frozen=True)
class Tagger:
    """A trained model, as it is shipped. Its labels are O, then B and I of each type: 0, 1 + 2 t, 2 + 2 t.

    Attributes:
        types: names of the types t.
        keys: uint32[n], hashes of the features, ascending.
        bounds: uint32[n + 1], where the weights of each feature begin.
        labels: uint8[all], label of each weight.
        weights: int8[all], in steps of `step`.
        step: of the weights.
        transitions: float32[labels + 1, labels], from the label before; the last row is for a line's first token.
    """

    types: tuple[str, ...]
    keys: Uint32
    bounds: Uint32
    labels: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.int8]
    step: float
    transitions: Float32

    @cached_property
    def _table(self) -> tuple[Uint32, npt.NDArray[np.uint8], npt.NDArray[np.int8]]:
        """Features by the low bits of their hashes (open addressing): hash, row of the weights + 1; whether a slot of
        finer bits is in use; the weights, a row a feature.
        """
        size = 1 << max(4, int(1.5 * len(self.keys)).bit_length())
        table, used = np.zeros((size, 2), np.uint32), np.zeros(1 << 17, np.uint8)
        _enter(self.keys, table, used)
        rows = np.zeros((len(self.keys), self._width), np.int8)
        rows[np.repeat(np.arange(len(self.keys)), np.diff(self.bounds.astype(np.int64))), self.labels] = self.weights
        return table, used, rows

    @cached_property
    def _moves(self) -> Float32:
        """float32[labels + 1, width], exp of the transitions."""
        moves = np.zeros((len(self.transitions), self._width), np.float32)
        moves[:, : self.transitions.shape[1]] = np.exp(self.transitions)
        return moves

    @cached_property
    def _steps(self) -> tuple[Float32, int]:
        """`_marginals`: float32[n], and from which number of steps on a label is left out."""
        steps = np.zeros(min(int(_FARTHEST / self.step) + 3, _MOST_STEPS), np.float32)
        return steps, _fill_steps(np.float32(self.step), steps)

    @property
    def _width(self) -> int:
        return -(-self.transitions.shape[1] // _LANES) * _LANES

    def spans(self, text: "Prepared", least: float = LEAST) -> "Tagged":
        """Spans whose marginal probability is at least `least`, in order of the first token, type and end."""
        most = int(len(text.tokens) / least) + 1 if len(text.tokens) else 0
        places, likely = np.zeros((most, 3), np.int32), np.zeros(most, np.float64)
        arguments = (text.features, text.bounds, text.lines, *self._table, *self._steps, self._moves)
        count = _marginals(*arguments, least, places, likely) if most else 0
        spans = np.empty((count, 3), np.int32)
        if count:
            spans[:, 0], spans[:, 1] = text.tokens[places[:count, 0], 0], text.tokens[places[:count, 1] - 1, 1]
            spans[:, 2] = places[:count, 2]
        return Tagged(spans, likely[:count])


@dataclass(frozen=True)
class Tagged:
    """Spans that a tagger finds likely.

    Attributes:
        spans: int32[n, 3], start, end, number of the type.
        likely: float64[n], probabilities.
    """

    spans: Int32
    likely: Float64


@dataclass(frozen=True)
class Prepared:
    """Texts as the model sees them, one behind the other (`Joined`).

    Attributes:
        tokens: int32[n, 2], start and end of each token, code points.
        lines: int32[lines, 2], first token, last + 1.
        features: uint32[all], hashes of the features of all tokens.
        bounds: int64[n + 1], where those of each token begin.
    """

    tokens: Int32
    lines: Int32
    features: Uint32
    bounds: npt.NDArray[np.int64]


def tokenize(text: Uint32) -> tuple[Int32, Int32]:
    """Tokens of a text (int32[n, 2]: start, end), and its lines that have tokens (int32[lines, 2]).

    A token is a word with what holds it together (`user_id`, `node.js`, `C++`, `a/b.c`, `foo(x, y)`), a tag, an ending
    behind an apostrophe, or a single sign.
    """
    tokens, lines = np.zeros((len(text), 2), np.int32), np.zeros((len(text), 2), np.int32)
    count, last = _tokenize(text, tokens, lines)
    return tokens[:count], lines[:last]


def prepare(texts: Joined, votes: Sequence[Votes]) -> Prepared:
    """Tokens of posts with their features.

    Args:
        votes: on each post, with offsets of it.
    """
    tokens, lines = tokenize(texts.points)
    coded = _coded(texts, tokens)
    marks, bounds = _marks(texts, tokens, votes)
    words = np.zeros((len(tokens), _COLUMNS), np.uint32)
    _hash_words(texts.points, texts.low, tokens, words)
    features = np.empty(len(tokens) * (_FIXED + 2) + 4 * len(marks), np.uint32)
    ends = np.zeros(len(tokens) + 1, np.int64)
    firsts = np.searchsorted(tokens[:, 0], texts.firsts)
    used = _features(words, coded, lines, firsts, marks, bounds, features, ends)
    return Prepared(tokens, lines, features[:used], ends)


def _marks(texts: Joined, tokens: Int32, votes: Sequence[Votes]) -> tuple[Uint32, npt.NDArray[np.int64]]:
    """Hashes of the votes on each token (function, B or I, type), without repeats, and where those of each begin."""
    rows = [
        (start + first, end + first, *_mark(function, label))
        for first, of in zip(texts.firsts.tolist(), votes, strict=False)
        for start, end, label, function in of
    ]
    of_votes = np.array(rows, np.int64).reshape(-1, 4)
    firsts = np.searchsorted(tokens[:, 1], of_votes[:, 0], side="right")
    lasts = np.maximum(np.searchsorted(tokens[:, 0], of_votes[:, 1], side="left"), firsts)
    sizes = lasts - firsts
    begins = np.cumsum(sizes) - sizes
    token = np.arange(sizes.sum()) - np.repeat(begins - firsts, sizes)
    hashed = np.repeat(of_votes[:, 3], sizes)
    hashed[begins[sizes > 0]] = of_votes[sizes > 0, 2]
    pairs = np.unique(token << 32 | hashed)
    bounds = np.zeros(len(tokens) + 1, np.int64)
    np.cumsum(np.bincount(pairs >> 32, minlength=len(tokens)), out=bounds[1:])
    return (pairs & 0xFFFFFFFF).astype(np.uint32), bounds


@lru_cache(maxsize=1 << 12)
def _mark(function: str, label: str) -> tuple[int, int]:
    return zlib.crc32(f"{function},B,{label}".encode()), zlib.crc32(f"{function},I,{label}".encode())


def _coded(texts: Joined, tokens: Int32) -> npt.NDArray[np.uint8]:
    """0 for prose; of inline code 1 for a single token, 2 for the first of several, 3 for the others."""
    coded = np.zeros(len(tokens), np.uint8)
    if not len(texts.code):
        return coded
    firsts = np.searchsorted(tokens[:, 1], texts.code[:, 0], side="right").tolist()
    lasts = np.searchsorted(tokens[:, 0], texts.code[:, 1], side="left").tolist()
    for first, last in zip(firsts, lasts, strict=True):
        coded[first:last] = 3
        if first < last:
            coded[first] = 1 if last - first == 1 else 2
    return coded


@njit(cache=True, nogil=True)
def wordy(sign):  # type: ignore[no-untyped-def]
    """Whether a code point is of a word: letters of all scripts, digits, the underscore; no signs, no spaces."""
    if sign < 128:
        return 48 <= sign <= 57 or 65 <= sign <= 90 or 97 <= sign <= 122 or sign == 95
    return sign >= 192 and not (
        sign == 215 or sign == 247 or 0x2000 <= sign < 0x2C00 or 0x3000 <= sign < 0x3040 or 0xFE00 <= sign < 0xFE70
        or 0xFF00 <= sign < 0xFF10 or sign >= 0x1F000
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _blank(sign):  # type: ignore[no-untyped-def]
    return sign == 32 or 9 <= sign <= 13 or sign == 0xA0 or 0x2000 <= sign <= 0x200B or sign == 0x3000


@njit(cache=True, nogil=True)
def _word_end(text, place):  # type: ignore[no-untyped-def]
    while place < len(text) and wordy(text[place]):
        place += 1
    return place


@njit(cache=True, nogil=True)
def _token_end(text, start):  # type: ignore[no-untyped-def]
    """End of the token that begins at a position."""
    n, first = len(text), text[start]
    follows = text[start + 1] if start + 1 < n else np.uint32(32)
    if first == 60:  # <tag>, </tag>, <tag />
        place = start + 2 if follows == 47 else start + 1
        if place < n and wordy(text[place]):
            while place < n and place < start + 80 and (wordy(text[place]) or text[place] == 45 or text[place] == 58):
                place += 1
            if place < n and text[place] == 32:
                place += 1
            if place < n and text[place] == 47:
                place += 1
            if place < n and text[place] == 62:
                return place + 1
        return start + 1
    if first == 47 or first == 92 or first == 126:  # a path
        place = start
        while place + 1 < n and (text[place] == 47 or text[place] == 92 or text[place] == 126):
            after = text[place + 1]
            if not (wordy(after) or after == 46 or after == 64 or after == 45):
                break
            place += 1
            while place < n and (wordy(text[place]) or text[place] == 46 or text[place] == 64 or text[place] == 45):
                place += 1
        return max(place, start + 1)
    if first == 39 or first == 0x2019:
        end = _word_end(text, start + 1)
        return end if 1 <= end - start - 1 <= 2 else start + 1
    sigil = first == 46 or first == 64 or first == 35 or first == 36
    if not (wordy(first) or (sigil and wordy(follows))):
        return start + 1
    place = _word_end(text, start + 1)
    while place < n:
        on = place
        while on < n and on < place + 2 and _joins(text[on]):
            on += 1
        if on == place or on >= n or not wordy(text[on]):
            break
        place = _word_end(text, on)
    if place + 1 < n and text[place] == 43 and text[place + 1] == 43:
        place += 2
    elif (
        place < n
        and (text[place] == 35 or text[place] == 43 or text[place] == 42)
        and (place + 1 == n or not wordy(text[place + 1]))
    ):
        place += 1
    if place < n and text[place] == 40:  # a call
        on = place + 1
        while on < n and on < place + 60 and (wordy(text[on]) or text[on] == 36 or text[on] == 44 or text[on] == 32):
            on += 1
        if on < n and text[on] == 41:
            place = on + 1
    return place


@njit(cache=True, nogil=True)
def _joins(sign):  # type: ignore[no-untyped-def]
    """Whether a sign within a word joins its parts: - . / : @ & + > and the backslash."""
    return (
        sign == 45 or sign == 46 or sign == 47 or sign == 58 or sign == 64 or sign == 38 or sign == 43 or sign == 62
        or sign == 92
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _tokenize(text, tokens, lines):  # type: ignore[no-untyped-def]
    """Fill tokens and lines; returns their numbers."""
    count, last, first, place = 0, 0, 0, 0
    while place <= len(text):
        if place == len(text) or text[place] == 10:
            if count > first:
                lines[last, 0], lines[last, 1] = first, count
                last += 1
            first = count
            place += 1
        elif _blank(text[place]):
            place += 1
        else:
            end = _token_end(text, place)
            tokens[count, 0], tokens[count, 1] = place, end
            count += 1
            place = end
    return count, last


@njit(cache=True, nogil=True)
def mix(template, a, b):  # type: ignore[no-untyped-def]
    """A hash of a template's number and two hashes, 32 bits, never 0 (MurmurHash3's finaliser over both parts)."""
    value = (np.uint64(a) ^ (np.uint64(template) * np.uint64(0x9E3779B1))) & np.uint64(0xFFFFFFFF)
    value = (value * np.uint64(0x85EBCA6B)) & np.uint64(0xFFFFFFFF)
    value ^= value >> np.uint64(15)
    value = ((value ^ np.uint64(b)) * np.uint64(0xC2B2AE35)) & np.uint64(0xFFFFFFFF)
    value ^= value >> np.uint64(16)
    value = (value * np.uint64(0x27D4EB2F)) & np.uint64(0xFFFFFFFF)
    value ^= value >> np.uint64(13)
    return np.uint32(value | np.uint64(1)) if value == 0 else np.uint32(value)


@njit(cache=True, nogil=True)
def fnv(text, start, end):  # type: ignore[no-untyped-def]
    """FNV-1a of text[start:end] by code points, 32 bits."""
    value = np.uint64(0x811C9DC5)
    for place in range(start, end):
        value = ((value ^ np.uint64(text[place])) * np.uint64(0x01000193)) & np.uint64(0xFFFFFFFF)
    return np.uint32(value)


@njit(cache=True, nogil=True)
def kind(sign, low):  # type: ignore[no-untyped-def]
    """A code point in a word's shape: X, x and 0 for letters and digits, others as they are."""
    if 65 <= sign <= 90:
        return np.uint32(88)
    if 48 <= sign <= 57:
        return np.uint32(48)
    if 97 <= sign <= 122 or sign > 191 or sign != low:
        return np.uint32(120)
    return np.uint32(sign)


@njit(cache=True, nogil=True)
def _hash_words(text, low, tokens, words):  # type: ignore[no-untyped-def]
    """Fill words[token, column]."""
    buffer = np.zeros(64, np.uint32)
    for token in range(len(tokens)):
        start, end = tokens[token]
        size = min(end - start, 64)
        for place in range(size):
            sign = low[start + place]
            buffer[place] = 48 if 48 <= sign <= 57 else sign
        words[token, 0] = fnv(buffer, 0, size)
        words[token, 1] = fnv(text, start, end)
        words[token, 3] = fnv(buffer, 0, min(3, size))
        words[token, 4] = fnv(buffer, 0, min(4, size))
        words[token, 5] = fnv(buffer, max(0, size - 2), size)
        words[token, 6] = fnv(buffer, max(0, size - 3), size)
        words[token, 7] = fnv(buffer, max(0, size - 4), size)
        length, last = 0, np.uint32(0)
        for place in range(start, end):
            sign = kind(text[place], low[place])
            if sign == last and (sign == 88 or sign == 48 or sign == 120):
                continue
            last = sign
            buffer[length] = sign
            length += 1
            if length == 12:
                break
        words[token, 2] = fnv(buffer, 0, length)


@njit(cache=True, nogil=True)
def _features(words, coded, lines, firsts, marks, mark_bounds, features, ends):  # type: ignore[no-untyped-def]
    """Fill the features of all tokens, and where each token's end; returns their number.

    Args:
        firsts: int64[texts + 1], first token of each text.
    """
    used, number = 0, 0
    for text in range(len(firsts) - 1):
        singles = {np.uint32(0)}
        for token in range(firsts[text], firsts[text + 1]):
            if coded[token] == 1:
                singles.add(words[token, 1])
        while number < len(lines) and lines[number, 0] < firsts[text + 1]:
            first, last = lines[number]
            number += 1
            used = _of_line(words, coded, first, last, singles, marks, mark_bounds, features, used, ends)
    return used


@njit(cache=True, nogil=True)
def _of_line(  # type: ignore[no-untyped-def]
    words, coded, first, last, singles, marks, mark_bounds, features, used, ends
):
    """`_features` of the tokens of a line, from place `used` on."""
    left, right = np.uint32(60), np.uint32(62)
    for token in range(first, last):
        low, shape, code = words[token, 0], words[token, 2], np.uint32(coded[token])
        has_before, has_after = token > first, token + 1 < last
        before = words[token - 1, 0] if has_before else left
        after = words[token + 1, 0] if has_after else right
        before2 = words[token - 2, 0] if token > first + 1 else left
        after2 = words[token + 2, 0] if token + 2 < last else right
        before_shape = words[token - 1, 2] if has_before else left
        after_shape = words[token + 1, 2] if has_after else right
        nothing = np.uint32(0)
        features[used] = mix(1, nothing, nothing)
        features[used + 1] = mix(2, low, nothing)
        features[used + 2] = mix(3, words[token, 1], nothing)
        features[used + 3] = mix(4, shape, nothing)
        for column in range(3, 8):
            features[used + 1 + column] = mix(2 + column, words[token, column], nothing)
        features[used + 9] = mix(11, before, nothing)
        features[used + 10] = mix(12, after, nothing)
        features[used + 11] = mix(13, before2, nothing)
        features[used + 12] = mix(14, after2, nothing)
        features[used + 13] = mix(15, before, low)
        features[used + 14] = mix(16, low, after)
        features[used + 15] = mix(17, before, after)
        features[used + 16] = mix(18, before2, before)
        features[used + 17] = mix(19, after, after2)
        features[used + 18] = mix(20, code, nothing)
        features[used + 19] = mix(21, code, shape)
        features[used + 20] = mix(22, code, before)
        features[used + 21] = mix(23, code, after)
        features[used + 22] = mix(24, shape, before)
        features[used + 23] = mix(25, shape, after)
        features[used + 24] = mix(26, before_shape, nothing)
        features[used + 25] = mix(27, after_shape, nothing)
        features[used + 26] = mix(28, code, low)
        features[used + 27] = mix(29, before_shape, after_shape)
        used += 28
        if code == 0 and words[token, 1] in singles:
            features[used] = mix(30, nothing, nothing)
            used += 1
        a, b = mark_bounds[token], mark_bounds[token + 1]
        if a == b:
            features[used] = mix(31, shape, nothing)
            used += 1
        together = np.uint32(0)
        for place in range(a, b):
            features[used] = mix(32, marks[place], nothing)
            used += 1
            together = mix(33, together, marks[place])
        if b - a > 1:
            features[used] = together
            used += 1
        if has_before:
            for place in range(mark_bounds[token - 1], a):
                features[used] = mix(34, marks[place], nothing)
                used += 1
        if has_after:
            for place in range(b, mark_bounds[token + 2]):
                features[used] = mix(35, marks[place], nothing)
                used += 1
        ends[token + 1] = used
    return used


@njit(cache=True, nogil=True)
def _enter(keys, table, used):  # type: ignore[no-untyped-def]
    mask = np.uint32(len(table) - 1)
    for place in range(len(keys)):
        slot = keys[place] & mask
        while table[slot, 1]:
            slot = (slot + np.uint32(1)) & mask
        table[slot, 0], table[slot, 1] = keys[place], place + 1
        bit = keys[place] >> np.uint32(12)
        used[bit >> np.uint32(3)] |= np.uint8(1 << (bit & np.uint32(7)))


@njit(cache=True, nogil=True)
def _fill_steps(step, steps):  # type: ignore[no-untyped-def]
    """exp of minus so many steps, with a 0 behind those within `_FAR`; returns the number of these."""
    within = 0
    for place in range(len(steps)):
        behind = step * np.float32(place if place == within else place - 1)
        if place == within and behind > _FAR:
            steps[place] = 0
            continue
        within += place == within
        steps[place] = math.exp(-min(behind, np.float32(_FARTHEST)))
    return within


@njit(cache=True, nogil=True)
def _add(features, first, last, table, used, rows, chosen, sums):  # type: ignore[no-untyped-def]
    """Add the weights of features by label, in steps of the weights; `chosen` is room for as many features.

    One feature after the other would wait for memory three times; so all are looked at before any is looked up.
    """
    mask = np.uint32(len(table) - 1)
    count = np.int64(0)
    for place in range(first, last):
        bit = features[place] >> np.uint32(12)
        chosen[count] = features[place]
        count += np.int64(used[bit >> np.uint32(3)] >> (bit & np.uint32(7)) & 1)
    known = np.int64(0)
    for place in range(count):
        key = chosen[place]
        slot = key & mask
        if table[slot, 0] != key:
            while table[slot, 1] and table[slot, 0] != key:
                slot = (slot + np.uint32(1)) & mask
        chosen[known] = table[slot, 1] - np.uint32(1)
        known += np.int64(table[slot, 1] > 0)
    for place in range(known):
        row = rows[chosen[place]]
        for label in range(len(sums)):
            sums[label] += np.int16(row[label])


@njit(cache=True, nogil=True)
def _score(features, first, last, table, used, rows, kept, kept_sums, chosen, sums, scores):  # type: ignore[no-untyped-def]
    """Sum the weights of a token's features by label, in steps of the weights.

    Args:
        kept: uint32[2^k, _OWN], the features that a token has whatever stands beside it, of recent tokens.
        kept_sums: int16[2^k, width], their sums.
        chosen, sums: room for features, and for a part of the sums.
    """
    own = first + _OWN
    slot = features[first + 2] & np.uint32(len(kept) - 1)
    row = kept[slot]
    known = True
    for place in range(_OWN):
        known &= row[place] == features[first + place]
    of_slot = kept_sums[slot]
    if not known:
        for place in range(_OWN):
            row[place] = features[first + place]
        for label in range(len(sums)):
            of_slot[label] = 0
        _add(features, first, own, table, used, rows, chosen, of_slot)
    for label in range(len(sums)):
        sums[label] = of_slot[label]
    # As many int8 as an int16 holds the sum of.
    _add(features, own, min(own + 240, last), table, used, rows, chosen, sums)
    for label in range(len(sums)):
        scores[label] = sums[label]
    for begin in range(own + 240, last, 256):
        sums[:] = 0
        _add(features, begin, min(begin + 256, last), table, used, rows, chosen, sums)
        for label in range(len(sums)):
            scores[label] += sums[label]


@njit(cache=True, nogil=True)
def _marginals(  # type: ignore[no-untyped-def]
    features, bounds, lines, table, used, rows, steps, far, moves, least, places, likely
):
    """Fill places (first token, last + 1, type) and probabilities of likely spans; returns their number.

    Labels that a token by itself makes unlikely are left out, and so are tiny terms of sums. Forward sums run over all
    labels at once, each in the order of its own terms; those backward only over the few that are alive then. What is
    left out stays 0.

    Args:
        steps: float32[n], exp of minus so many steps of the weights; 0 at `far`, behind which they go on with that of
            `far` steps.
        far: number of steps from which on a label is left out.
        moves: float32[labels + 1, width], exp of the transitions, 0 behind the labels.
    """
    size, width = moves.shape[0] - 1, moves.shape[1]
    # Moves within a span, from its first token and from others; those by which each label goes on.
    begun_on, on_on, ahead_on = np.zeros(width, np.float32), np.zeros(width, np.float32), np.zeros(width, np.float32)
    anew = moves.copy()  # the others
    for b in range(2, size, 2):
        begun_on[b], on_on[b] = moves[b - 1, b], moves[b, b]
        ahead_on[b - 1], ahead_on[b] = moves[b - 1, b], moves[b, b]
        anew[:, b] = 0
    longest = 0
    for number in range(len(lines)):
        longest = max(longest, lines[number, 1] - lines[number, 0])
    emit = np.zeros((longest, width), np.float32)
    forward = np.zeros((longest, width), np.float32)
    backward = np.zeros((longest, width), np.float32)
    scale = np.empty(longest, np.float32)
    scores, sums = np.zeros(width, np.int32), np.zeros(width, np.int16)
    chosen = np.empty(256, np.uint32)
    kept, kept_sums = np.zeros((_KEPT, _OWN), np.uint32), np.zeros((_KEPT, width), np.int16)
    reach = np.zeros(width, np.float32)
    near, begun = np.empty(size + 1, np.int64), np.empty(size, np.int64)
    alive, numbers = np.empty((longest, size + 1), np.uint8), np.zeros(longest, np.int64)
    count = 0
    far32 = np.int32(far)
    least32 = np.float32(least)
    rare, rare_tenth = np.float32(_RARE), np.float32(_RARE / 10)
    for number in range(len(lines)):
        start, end = lines[number]
        length = end - start
        sources = np.int64(0)
        for i in range(length):
            _score(
                features,
                bounds[start + i],
                bounds[start + i + 1],
                table,
                used,
                rows,
                kept,
                kept_sums,
                chosen,
                sums,
                scores,
            )
            highest = scores[0]
            for b in range(1, size):
                highest = max(highest, scores[b])
            emitted, reached = emit[i], forward[i]
            if i == 0:
                for b in range(width):
                    reach[b] = moves[size, b]
            else:
                before = forward[i - 1]
                for b in range(width):
                    reach[b] = 0
                for y in range(sources):
                    weight, row = before[near[y]], anew[near[y]]
                    for b in range(width):
                        reach[b] += weight * row[b]
                for b in range(1, width):
                    reach[b] += before[b - 1] * begun_on[b] + before[b] * on_on[b]
            for b in range(size):
                emitted[b] = steps[np.uint32(min(highest - scores[b], far32))]
            if highest - scores[0] >= far:  # it may always be no entity
                emitted[0] = steps[min(highest - scores[0] + 1, len(steps) - 1)]
            for b in range(width):
                reached[b] = reach[b] * emitted[b]
            total = np.float32(0)
            for b in range(size):
                total += reached[b]
            scale[i] = total
            sources = np.int64(0)
            for b in range(width):
                reached[b] /= total
            living = np.int64(0)
            for b in range(size):  # without branches, which could not be foreseen
                alive[i, living] = b
                living += np.int64(reached[b] >= rare_tenth)
            for b in range(size):
                near[sources] = b
                sources += np.int64(reached[b] > rare)
            numbers[i] = living
        backward[length - 1, :size] = 1
        for i in range(length - 2, -1, -1):
            # Of the next token the likely labels that may begin anew, times the rest of the line.
            reached, emitted, behind_it, ahead = forward[i], emit[i + 1], backward[i + 1], backward[i]
            begins = 0
            for place in range(numbers[i + 1]):
                begin = np.int64(alive[i + 1, place])
                if (begin == 0 or begin % 2 == 1) and forward[i + 1, begin] * behind_it[begin] > _RARE:
                    begun[begins] = begin
                    begins += 1
            for a in range(width):
                ahead[a] = 0
            total = np.float32(0)
            for place in range(numbers[i]):
                here = np.int64(alive[i, place])
                following = np.float32(0)
                for which in range(begins):
                    b = begun[which]
                    following += moves[here, b] * emitted[b] * behind_it[b]
                if here > 0:
                    on_label = here + here % 2
                    following += ahead_on[here] * emitted[on_label] * behind_it[on_label]
                ahead[here] = following
                total += reached[here] * following
            # Scaled so that a token's probabilities sum to one: by the forward scale alone, what the sums leave out
            # would add up over the tokens of a long line. Where they leave out all, the line begins anew.
            if total > 0:
                scale[i + 1] = total
                for place in range(numbers[i]):
                    ahead[alive[i, place]] /= total
            else:
                ahead[:size] = 1
        for i in range(length):
            reached, ahead, likely_one = forward[i], backward[i], np.int32(0)
            for b in range(1, width):
                likely_one |= np.int32(reached[b] * ahead[b] >= least32)
            if not likely_one:
                continue
            for label_begun in range(1, size, 2):
                if reached[label_begun] * ahead[label_begun] < least32:
                    continue
                label, inside = label_begun, label_begun + 1
                reaching, until = forward[i, label_begun], i
                while count < len(likely):
                    # Of the paths that are in the span up to `until`, those that stay in it go on.
                    on, stay = np.float32(0), np.float32(0)
                    if until + 1 < length:
                        on = moves[label, inside] * emit[until + 1, inside] / scale[until + 1]
                        stay = on * backward[until + 1, inside]
                    probability = reaching * (backward[until, label] - stay)
                    if probability >= least:
                        places[count, 0] = start + i
                        places[count, 1] = start + until + 1
                        places[count, 2] = (inside - 2) // 2
                        likely[count] = probability
                        count += 1
                    if reaching * stay < least:
                        break
                    reaching *= on
                    until += 1
                    label = inside
    return count


def train(
    types: tuple[str, ...],
    keys: Uint32,
    flat: Int32,
    bounds: npt.NDArray[np.int64],
    gold: Int32,
    lines: Int32,
    smallest: float,
    seed: int,
) -> Tagger:
    """Train on tokens; the result depends only on the arguments.

    Args:
        keys: uint32[n], hashes of the features.
        flat: numbers of the features of all tokens, in `keys`.
        bounds: where those of each token begin.
        gold: label of each token.
        lines: first token, last + 1.
        smallest: weights below it are dropped.
    """
    labels = ["O", *(f"{part}-{name}" for name in types for part in "BI")]
    weights = np.zeros((len(keys), len(labels)), np.float32)
    transitions = np.zeros((len(labels) + 1, len(labels)), np.float32)
    allowed = _allowed(labels)
    orders = [np.random.default_rng([seed, epoch]).permutation(len(lines)) for epoch in range(EPOCHS)]
    if len(lines):
        _train(flat, bounds, gold, lines, allowed, np.stack(orders).astype(np.int32), weights, transitions)
    transitions[~allowed] = -1e9
    step = max(float(np.abs(weights).max(initial=0.0)) / 127, 1e-6)
    small = np.round(weights / step).astype(np.int8)
    small[np.abs(weights) < smallest] = 0
    used = small.any(1)
    small = small[used]
    rows, columns = np.nonzero(small)
    firsts = np.r_[0, np.cumsum(np.bincount(rows, minlength=len(small)))].astype(np.uint32)
    return Tagger(types, keys[used], firsts, columns.astype(np.uint8), small[rows, columns], step, transitions)


def _allowed(labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Allowed transitions: an I- only follows its own type's B- or I-. The last row is for a line's first token."""
    allowed = np.ones((len(labels) + 1, len(labels)), bool)
    for to, label in enumerate(labels):
        if label[0] == "I":
            allowed[:, to] = [other[2:] == label[2:] for other in (*labels, "O")]
    return allowed


@njit(cache=True, nogil=True)
def _train(flat, bounds, gold, lines, allowed, orders, weights, transitions):  # type: ignore[no-untyped-def]
    """Move weights and transitions down the gradient of each line's negative log-likelihood, in the given orders."""
    labels = allowed.shape[1]
    squares = np.full(weights.shape, 0.1, np.float32)
    squares_between = np.full(transitions.shape, 1.0, np.float32)
    longest = 0
    for number in range(len(lines)):
        longest = max(longest, lines[number, 1] - lines[number, 0])
    emit = np.zeros((longest, labels))
    forward = np.zeros((longest, labels))
    backward = np.zeros((longest, labels))
    scale = np.zeros(longest)
    step = np.zeros((labels + 1, labels))
    expected = np.zeros((labels + 1, labels))
    scores = np.zeros(labels, np.float32)
    for epoch in range(orders.shape[0]):
        for number in orders[epoch]:
            start, end = lines[number]
            length = end - start
            for a in range(labels + 1):
                for b in range(labels):
                    step[a, b] = math.exp(transitions[a, b]) if allowed[a, b] else 0.0
                    expected[a, b] = 0.0
            # Forward, each token scaled to sum to one.
            for i in range(length):
                scores[:] = 0.0
                for place in range(bounds[start + i], bounds[start + i + 1]):
                    for b in range(labels):
                        scores[b] += weights[flat[place], b]
                highest = scores.max()
                total = 0.0
                for b in range(labels):
                    emit[i, b] = math.exp(scores[b] - highest)
                    reach = step[labels, b]
                    if i > 0:
                        reach = 0.0
                        for a in range(labels):
                            reach += forward[i - 1, a] * step[a, b]
                    forward[i, b] = reach * emit[i, b]
                    total += forward[i, b]
                scale[i] = total
                for b in range(labels):
                    forward[i, b] /= total
            backward[length - 1, :] = 1.0
            for i in range(length - 2, -1, -1):
                for a in range(labels):
                    reach = 0.0
                    for b in range(labels):
                        reach += step[a, b] * emit[i + 1, b] * backward[i + 1, b]
                    backward[i, a] = reach / scale[i + 1]
            # Expected minus observed transitions.
            for b in range(labels):
                expected[labels, b] = forward[0, b] * backward[0, b]
            expected[labels, gold[start]] -= 1.0
            for i in range(1, length):
                for a in range(labels):
                    if forward[i - 1, a] > 1e-6:
                        for b in range(labels):
                            expected[a, b] += forward[i - 1, a] * step[a, b] * emit[i, b] * backward[i, b] / scale[i]
                expected[gold[start + i - 1], gold[start + i]] -= 1.0
            for a in range(labels + 1):
                for b in range(labels):
                    if allowed[a, b] and abs(expected[a, b]) > 1e-6:
                        slope = expected[a, b] + DECAY * transitions[a, b]
                        squares_between[a, b] += slope * slope
                        transitions[a, b] -= RATE * slope / math.sqrt(squares_between[a, b])
            for i in range(length):
                for b in range(labels):
                    miss = forward[i, b] * backward[i, b] - (1.0 if b == gold[start + i] else 0.0)
                    if abs(miss) > 1e-3:
                        for place in range(bounds[start + i], bounds[start + i + 1]):
                            row = flat[place]
                            slope = miss + DECAY * weights[row, b]
                            squares[row, b] += slope * slope
                            weights[row, b] -= RATE * slope / math.sqrt(squares[row, b])
