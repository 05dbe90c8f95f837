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

from socorpus.corpus.arrays import njit
from socorpus.labeling.tasks.entities import gazetteers
from socorpus.labeling.tasks.entities.post import EntityPost

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

_FAR, _RARE = 7.0, 5e-4  # nats that a label may be behind a token's likeliest; least probability of what is summed up
_COLUMNS = 8  # hashes of a token: lower case, as written, shape, prefixes of 3 and 4, suffixes of 2, 3 and 4
_LOW, _EXACT, _SHAPE, _P3, _P4, _X2, _X3, _X4 = range(_COLUMNS)
_FIXED = 28  # features that every token has


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
    def _table(self) -> tuple[Uint32, npt.NDArray[np.uint8], npt.NDArray[np.int16], Float32]:
        """Features by the low bits of their hashes (open addressing): hash, first weight, last + 1; whether a slot of
        finer bits is in use; weights with their labels; moves. Few features of a text are known: most need the second.
        """
        size = 1 << max(4, int(1.5 * len(self.keys)).bit_length())
        table, used = np.zeros((size, 4), np.uint32), np.zeros(1 << 17, np.uint8)
        _enter(self.keys, self.bounds, table, used)
        packed = (self.weights.astype(np.int16) << 8) | self.labels
        return table, used, packed, np.exp(self.transitions)

    def spans(self, text: "Prepared", least: float = LEAST) -> list[tuple[int, int, int, float]]:
        """Spans whose marginal probability is at least `least`: start, end, number of the type, probability.

        In order of the first token, type and end.
        """
        if not len(text.tokens):
            return []
        table, used, packed, moves = self._table
        most = int(len(text.tokens) / least) + 1
        places, likely = np.zeros((most, 3), np.int32), np.zeros(most, np.float64)
        count = _marginals(
            text.features,
            text.bounds,
            text.lines,
            table,
            used,
            packed,
            np.float32(self.step),
            moves,
            least,
            places,
            likely,
        )
        starts, ends = text.tokens[places[:count, 0], 0].tolist(), text.tokens[places[:count, 1] - 1, 1].tolist()
        return list(zip(starts, ends, places[:count, 2].tolist(), likely[:count].tolist(), strict=True))


@dataclass(frozen=True)
class Prepared:
    """A text as the model sees it.

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


def code_points(text: str) -> Uint32:
    """uint32[len(text)]; a lone surrogate is its own number."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def tokenize(text: Uint32) -> tuple[Int32, Int32]:
    """Tokens of a text (int32[n, 2]: start, end), and its lines that have tokens (int32[lines, 2]).

    A token is a word with what holds it together (`user_id`, `node.js`, `C++`, `a/b.c`, `foo(x, y)`), a tag, an ending
    behind an apostrophe, or a single sign.
    """
    tokens, lines = np.zeros((len(text), 2), np.int32), np.zeros((len(text), 2), np.int32)
    count, last = _tokenize(text, tokens, lines)
    return tokens[:count], lines[:last]


def prepare(post: EntityPost, votes: Votes) -> Prepared:
    """Tokens of a post with their features."""
    text = code_points(post.open)
    tokens, lines = tokenize(text)
    coded = _coded(post, tokens)
    marks, bounds = _marks(tokens, votes)
    line_of = np.repeat(lines, lines[:, 1] - lines[:, 0], axis=0)
    words = np.zeros((len(tokens), _COLUMNS), np.uint32)
    _hash_words(text, code_points(gazetteers.lowered(post.open)), tokens, words)
    features = np.zeros(len(tokens) * (_FIXED + 2) + 4 * len(marks), np.uint32)
    ends = np.zeros(len(tokens) + 1, np.int64)
    used = _features(words, coded, line_of, marks, bounds, features, ends)
    return Prepared(tokens, lines, features[:used], ends)


def _marks(tokens: Int32, votes: Votes) -> tuple[Uint32, npt.NDArray[np.int64]]:
    """Hashes of the votes on each token (function, B or I, type), without repeats, and where those of each begin."""
    starts, ends = tokens[:, 0], tokens[:, 1]
    firsts = np.searchsorted(ends, np.array([vote[0] for vote in votes], np.int64), side="right").tolist()
    lasts = np.searchsorted(starts, np.array([vote[1] for vote in votes], np.int64), side="left").tolist()
    pairs: set[tuple[int, int]] = set()
    for (_, _, label, function), first, last in zip(votes, firsts, lasts, strict=True):
        for token in range(first, last):
            pairs.add((token, _mark(function, "B" if token == first else "I", label)))
    ordered = sorted(pairs)
    bounds = np.zeros(len(tokens) + 1, np.int64)
    np.cumsum(np.bincount([token for token, _ in ordered], minlength=len(tokens)), out=bounds[1:])
    return np.array([mark for _, mark in ordered], np.uint32), bounds


@lru_cache(maxsize=1 << 12)
def _mark(function: str, part: str, label: str) -> int:
    return zlib.crc32(f"{function},{part},{label}".encode())


def _coded(post: EntityPost, tokens: Int32) -> npt.NDArray[np.uint8]:
    """0 for prose; of inline code 1 for a single token, 2 for the first of several, 3 for the others."""
    coded = np.zeros(len(tokens), np.uint8)
    if not post.code:
        return coded
    places = np.array(post.code, np.int64)
    firsts = np.searchsorted(tokens[:, 1], places[:, 0], side="right").tolist()
    lasts = np.searchsorted(tokens[:, 0], places[:, 1], side="left").tolist()
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
def _features(words, coded, line_of, marks, mark_bounds, features, ends):  # type: ignore[no-untyped-def]
    """Fill the features of all tokens, and where each token's end; returns their number."""
    n = len(words)
    singles = {np.uint32(0)}
    for token in range(n):
        if coded[token] == 1:
            singles.add(words[token, 1])
    used = 0
    left, right = np.uint32(60), np.uint32(62)
    for token in range(n):
        first, last = line_of[token]
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
def _enter(keys, bounds, table, used):  # type: ignore[no-untyped-def]
    mask = np.uint32(len(table) - 1)
    for place in range(len(keys)):
        slot = keys[place] & mask
        while table[slot, 2]:
            slot = (slot + np.uint32(1)) & mask
        table[slot, 0], table[slot, 1], table[slot, 2] = keys[place], bounds[place], bounds[place + 1]
        bit = keys[place] >> np.uint32(12)
        used[bit >> np.uint32(3)] |= np.uint8(1 << (bit & np.uint32(7)))


@njit(cache=True, nogil=True)
def _marginals(  # type: ignore[no-untyped-def]
    features, bounds, lines, table, used, packed, step, moves, least, places, likely
):
    """Fill places (first token, last + 1, type) and probabilities of likely spans; returns their number.

    Labels that a token by itself makes unlikely are left out, and so are tiny terms of sums.
    """
    size = moves.shape[1]
    mask = np.uint32(len(table) - 1)
    longest = 0
    for number in range(len(lines)):
        longest = max(longest, lines[number, 1] - lines[number, 0])
    emit = np.empty((longest, size), np.float32)
    forward = np.empty((longest, size), np.float32)
    backward = np.empty((longest, size), np.float32)
    scale = np.empty(longest, np.float32)
    scores = np.zeros(size, np.float32)
    near = np.empty(size, np.int64)
    count = 0
    for number in range(len(lines)):
        start, end = lines[number]
        length = end - start
        sources = 0
        for i in range(length):
            scores[:] = 0
            for place in range(bounds[start + i], bounds[start + i + 1]):
                key = features[place]
                bit = key >> np.uint32(12)
                if not used[bit >> np.uint32(3)] >> (bit & np.uint32(7)) & 1:
                    continue
                slot = key & mask
                while table[slot, 2] and table[slot, 0] != key:
                    slot = (slot + np.uint32(1)) & mask
                for weight in range(table[slot, 1], table[slot, 2]):
                    pair = packed[weight]
                    scores[pair & 255] += pair >> 8
            highest = scores.max()
            total = np.float32(0)
            for b in range(size):
                behind = step * (highest - scores[b])
                if b > 0 and behind > _FAR:
                    emit[i, b] = forward[i, b] = 0
                    continue
                emit[i, b] = math.exp(-min(behind, np.float32(60)))
                reach = np.float32(0)
                if i == 0:
                    reach = moves[size, b]
                elif b > 0 and b % 2 == 0:
                    reach = forward[i - 1, b - 1] * moves[b - 1, b] + forward[i - 1, b] * moves[b, b]
                else:
                    for y in range(sources):
                        reach += forward[i - 1, near[y]] * moves[near[y], b]
                forward[i, b] = reach * emit[i, b]
                total += forward[i, b]
            scale[i] = total
            sources = 0
            for b in range(size):
                forward[i, b] /= total
                if forward[i, b] > _RARE:
                    near[sources] = b
                    sources += 1
        backward[length - 1, :] = 1
        for i in range(length - 2, -1, -1):
            # Of the next token all labels that may begin anew, times the rest of the line.
            targets = 0
            for b in range(size):
                if (b == 0 or b % 2 == 1) and forward[i + 1, b] * backward[i + 1, b] > _RARE:
                    near[targets] = b
                    targets += 1
            total = np.float32(0)
            for a in range(size):
                backward[i, a] = 0
                if forward[i, a] < _RARE / 10:
                    continue
                reach = np.float32(0)
                for y in range(targets):
                    b = near[y]
                    reach += moves[a, b] * emit[i + 1, b] * backward[i + 1, b]
                if a > 0:
                    inside = a + 1 if a % 2 == 1 else a
                    reach += moves[a, inside] * emit[i + 1, inside] * backward[i + 1, inside]
                backward[i, a] = reach
                total += forward[i, a] * reach
            # Scaled so that a token's probabilities sum to one: by the forward scale alone, what the sums leave out
            # would add up over the tokens of a long line. Where they leave out all, the line begins anew.
            if total > 0:
                scale[i + 1] = total
                for a in range(size):
                    backward[i, a] /= total
            else:
                backward[i, :] = 1
        for i in range(length):
            for begun in range(1, size, 2):
                if forward[i, begun] * backward[i, begun] < least:
                    continue
                label, inside = begun, begun + 1
                reach, last = forward[i, begun], i
                while count < len(likely):
                    # Of the paths that are in the span up to `last`, those that stay in it go on.
                    on, stay = np.float32(0), np.float32(0)
                    if last + 1 < length:
                        on = moves[label, inside] * emit[last + 1, inside] / scale[last + 1]
                        stay = on * backward[last + 1, inside]
                    probability = reach * (backward[last, label] - stay)
                    if probability >= least:
                        places[count, 0] = start + i
                        places[count, 1] = start + last + 1
                        places[count, 2] = (inside - 2) // 2
                        likely[count] = probability
                        count += 1
                    if reach * stay < least:
                        break
                    reach *= on
                    last += 1
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
