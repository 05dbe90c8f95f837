"""The probability of each candidate span: boosted regression trees (Friedman 2001) over sources and context.

Candidates are the spans that functions vote for, and those that the tagger finds likely. Every candidate is a span with
a type; "no entity" is the rest of the probability of a span. Features are the tagger's probabilities, the precision of
each (function, type, rule), overlaps, names, spelling and neighbours. Precisions are shares of right candidates with
shrinkage towards the mean, learned on texts of other folds (target encoding, Micci-Barreca 2001).
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
from socorpus.labeling.tasks.entities.tagger import Tagged, fnv, mix, wordy
from socorpus.labeling.tasks.entities.tagger import kind as kind_of

Int32 = npt.NDArray[np.int32]
Uint32 = npt.NDArray[np.uint32]
Float32 = npt.NDArray[np.float32]

Vote = tuple[int, int, str, str, str]
"""Start, end, type, function and rule of a vote."""

NAMES = (
    *("context", "rival", "nothing", "elsewhere mean", "elsewhere times", "elsewhere most", "type", "votes"),
    *("overlapping", "same span", "around", "within", "code", "length", "words", "capital", "digit", "line start"),
    *("other type", "other bounds", "other", "near same type", "near other type", "same type"),
    *("best rule", "worst rule"),
)
"""Names of the dense features but those of `KEYS`."""
KEYS = ("votes", "shape", "name", "name, any type", "before", "behind", "suffix", "last word", "before 2", "behind 2")
"""Names of the features that are shares of right candidates with the same key."""
_BLOCK = 128  # candidates that go through all trees at a time, since the cache holds them
_NEIGHBOURS, _NEAR = 40, 12
"""Number of candidates on either side that are looked at, and code points between those that are near."""


@dataclass(frozen=True)
class Candidates:
    """Candidates of texts, in order of start, end and type.

    Attributes:
        spans: int32[n, 3], start, end, number of the type.
        dense: float32[n, d], features by `NAMES`, the last two not yet filled.
        keys: uint32[n, k], hashes by `KEYS`.
        rules: uint32[all], hashes of function, type and rule of the votes for each.
        bounds: int64[n + 1], where those of each candidate begin.
    """

    spans: Int32
    dense: Float32
    keys: Uint32
    rules: Uint32
    bounds: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Judge:
    """A trained judge.

    Attributes:
        keys: uint32[n], hashes of keys and rules, ascending.
        shares: float32[n], share of right candidates of each, with shrinkage.
        base: share where a key is not known.
        start: log-odds to which trees are added.
        roots: int32[trees], first node of each tree.
        feature: int16[nodes], feature that is compared; -1 in a leaf.
        threshold: float32[nodes], go left up to it; in a leaf what it adds to the log-odds.
        left, right: int32[nodes].
        slope, height: calibrated log-odds = slope * log-odds + height.
    """

    keys: Uint32
    shares: Float32
    base: float
    start: float
    roots: Int32
    feature: npt.NDArray[np.int16]
    threshold: Float32
    left: Int32
    right: Int32
    slope: float
    height: float

    def features(self, candidates: Candidates) -> Float32:
        """float32[n, d + k], all features."""
        return filled(
            candidates,
            _looked_up(candidates.keys, self.keys, self.shares, np.float32(self.base)),
            self.rules(candidates),
        )

    def rules(self, candidates: Candidates) -> Float32:
        """float32[all], precision of the rule of each vote."""
        return _looked_up(candidates.rules.reshape(-1, 1), self.keys, self.shares, np.float32(self.base)).ravel()

    def scores(self, candidates: Candidates) -> Float64:
        """Calibrated log-odds of each candidate, float64[n]."""
        return self.slope * self.raw(candidates) + self.height

    def raw(self, candidates: Candidates) -> Float64:
        """Log-odds before calibration, float64[n]."""
        total = np.full(len(candidates.spans), self.start)
        if len(total):
            _add_trees(self.features(candidates), self.roots, *self._nodes, self.threshold, total)
        return total

    @cached_property
    def _nodes(self) -> tuple[npt.NDArray[np.int16], Int32, int]:
        """Feature of each node, 0 of a leaf; the nodes behind it, right and left, of a leaf itself; the most steps."""
        leaf = self.feature < 0
        itself = np.arange(len(leaf), dtype=np.int32)
        behind = np.stack([np.where(leaf, itself, self.right), np.where(leaf, itself, self.left)], 1).astype(np.int32)
        place, steps = self.roots, 0
        while not leaf[place].all():
            place, steps = behind[place].ravel(), steps + 1
        return np.where(leaf, 0, self.feature).astype(np.int16), behind, steps


def candidates(texts: Joined, votes: Sequence[Sequence[Vote]], types: Sequence[str], tagged: Tagged) -> Candidates:
    """Candidates of texts with their features.

    Args:
        votes: on each text, with offsets of it.
        types: names of the types by number; votes for others are left out.
        tagged: what the tagger finds in the texts.
    """
    number = {name: index for index, name in enumerate(types)}
    rows = [
        (start + first, end + first, number[label], _rule(function, label, rule))
        for first, of in zip(texts.firsts.tolist(), votes, strict=False)
        for start, end, label, function, rule in of
        if label in number
    ]
    voted = np.array(rows, np.int64).reshape(-1, 4)
    # In order of start, end, type and rule; 8 bits are enough for a type, 24 for the length of a span.
    both = np.concatenate([voted[:, :3], tagged.spans.astype(np.int64)])
    keys = both[:, 0] << 32 | (both[:, 1] - both[:, 0]) << 8 | both[:, 2]
    distinct, place = np.unique(keys, return_inverse=True)
    starts, lengths, kinds = distinct >> 32, distinct >> 8 & 0xFFFFFF, distinct & 0xFF
    spans = np.stack([starts, starts + lengths, kinds], 1).astype(np.int32)
    ruled = np.unique(place[: len(voted)].astype(np.int64) << 32 | voted[:, 3])
    flat = (ruled & 0xFFFFFFFF).astype(np.uint32)
    bounds = np.zeros(len(distinct) + 1, np.int64)
    np.cumsum(np.bincount(ruled >> 32, minlength=len(distinct)), out=bounds[1:])
    likely = np.zeros(len(distinct), np.float64)
    likely[place[len(voted) :]] = tagged.likely
    masked = texts.low.copy()
    coded: npt.NDArray[np.uint8] = np.zeros(len(spans), np.uint8)
    if len(texts.code):
        inside = np.zeros(len(masked) + 1, np.int32)
        np.add.at(inside, texts.code[:, 0], 1)
        np.add.at(inside, texts.code[:, 1], -1)
        within = np.cumsum(inside)[:-1] > 0
        masked[within & (masked != 10)] = 183
        coded = within[spans[:, 0]].astype(np.uint8)
    dense = np.zeros((len(spans), len(NAMES)), np.float32)
    hashed = np.zeros((len(spans), len(KEYS)), np.uint32)
    firsts = np.searchsorted(spans[:, 0], texts.firsts)
    _describe(texts.points, texts.low, masked, firsts, spans, likely, coded, flat, bounds, dense, hashed)
    return Candidates(spans, dense, hashed, flat, bounds)


def filled(candidates: Candidates, shares: Float32, precisions: Float32) -> Float32:
    """float32[n, d + k], all features from the shares of the keys, float32[n, k], and the precisions of the rules."""
    rows = np.concatenate([candidates.dense, shares], 1)
    _best_and_worst(precisions, candidates.bounds, rows, len(NAMES) - 2)
    return rows


@lru_cache(maxsize=1 << 14)
def _rule(function: str, label: str, rule: str) -> int:
    return zlib.crc32(f"{function} {rule} {label}".encode())


@njit(cache=True, nogil=True)
def _log_odds(probability):  # type: ignore[no-untyped-def]
    likely = min(max(probability, 0.007), 0.993)
    return math.log(likely / (1 - likely))


@njit(cache=True, nogil=True)
def _before(text, end):  # type: ignore[no-untyped-def]
    """Start and end of the word, or the sign, before a position of a line; an empty one where there is none."""
    if end > 0 and text[end - 1] == 32:
        end -= 1
    start = end
    while start > 0 and end - start < 24 and wordy(text[start - 1]):
        start -= 1
    if start == end and end > 0 and text[end - 1] != 32 and text[end - 1] != 10:
        start -= 1
    return start, end


@njit(cache=True, nogil=True)
def _behind(text, start):  # type: ignore[no-untyped-def]
    """As `_before`, of the word behind a position."""
    if start < len(text) and text[start] == 32:
        start += 1
    end = start
    while end < len(text) and end - start < 24 and wordy(text[end]):
        end += 1
    if start == end and end < len(text) and text[end] != 32 and text[end] != 10:
        end += 1
    return start, end


@njit(cache=True, nogil=True)
def _describe(  # type: ignore[no-untyped-def]
    text, low, masked, firsts, spans, likely, coded, rules, bounds, dense, keys
):
    """Fill the features of candidates but the last two, and their keys.

    Args:
        firsts: int64[texts + 1], first candidate of each text.
    """
    for number in range(len(firsts) - 1):
        a, b = firsts[number], firsts[number + 1]
        if a < b:
            _describe_text(
                text, low, masked, spans[a:b], likely[a:b], coded[a:b], rules, bounds[a : b + 1], dense[a:b], keys[a:b]
            )


@njit(cache=True, nogil=True)
def _describe_text(text, low, masked, spans, likely, coded, rules, bounds, dense, keys):  # type: ignore[no-untyped-def]
    n = len(spans)
    buffer = np.zeros(16, np.uint32)
    names = np.zeros(n, np.uint32)
    by_type = np.zeros(256)
    for i in range(n):
        by_type[spans[i, 2]] += likely[i]
    for i in range(n):
        start, end, kind = spans[i]
        kind = np.uint32(kind)
        names[i] = fnv(low, start, end)
        rival, most_same, most_bounds, most_other, near_same, near_other = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        overlapping, same, around, within = 0, 0, 0, 0
        for j in range(max(0, i - _NEIGHBOURS), min(n, i + _NEIGHBOURS + 1)):
            if j == i:
                continue
            a, b, other = spans[j]
            if a >= end + _NEAR and j > i:
                break  # and so are all that begin later
            if a < end and start < b:
                rival = max(rival, likely[j])
                overlapping += 1
                if a == start and b == end:
                    same += 1
                    most_same = max(most_same, likely[j])
                else:
                    if a <= start and b >= end:
                        around += 1
                    elif a >= start and b <= end:
                        within += 1
                    if other == kind:
                        most_bounds = max(most_bounds, likely[j])
                    else:
                        most_other = max(most_other, likely[j])
            elif abs(a - end) < _NEAR or abs(start - b) < _NEAR:
                if other == kind:
                    near_same = max(near_same, likely[j])
                else:
                    near_other = max(near_other, likely[j])
        words, digit = 0, 0.0
        for place in range(start, min(end, start + 200)):
            words += text[place] == 32
            if 48 <= text[place] <= 57:
                digit = 1.0
        first = start == 0 or text[start - 1] == 10
        if not first and start > 1:
            sign = text[start - 2]
            first = sign == 46 or sign == 33 or sign == 63
        row = dense[i]
        row[0] = _log_odds(likely[i])
        row[1] = _log_odds(rival)
        row[2] = _log_odds(1 - likely[i] - rival)
        row[6] = kind
        row[7] = bounds[i + 1] - bounds[i]
        row[8], row[9], row[10], row[11] = overlapping, same, around, within
        row[12] = coded[i]
        row[13], row[14] = end - start, words
        row[15] = 65 <= text[start] <= 90
        row[16] = digit
        row[17] = first
        row[18], row[19], row[20], row[21], row[22] = most_same, most_bounds, most_other, near_same, near_other
        row[23] = by_type[kind] - likely[i]
        voted = np.uint32(0)
        for place in range(bounds[i], bounds[i + 1]):
            voted = mix(50, voted, rules[place])
        size, last = 0, np.uint32(0)
        for place in range(start, end):
            sign = kind_of(text[place], low[place])
            if sign != last or (sign != 88 and sign != 48 and sign != 120):
                buffer[size] = sign
                size += 1
                last = sign
                if size == 12:
                    break
        space = end
        while space > start and text[space - 1] != 32:
            space -= 1
        a, b = _before(masked, start)
        a2, b2 = _before(masked, a)
        c, d = _behind(masked, end)
        c2, d2 = _behind(masked, d)
        before, behind = fnv(masked, a, b), fnv(masked, c, d)
        keys[i, 0] = mix(60, voted, kind)
        keys[i, 1] = mix(61, fnv(buffer, 0, size), kind)
        keys[i, 2] = mix(62, names[i], kind)
        keys[i, 3] = mix(63, names[i], np.uint32(0))
        keys[i, 4] = mix(64, before, kind)
        keys[i, 5] = mix(65, behind, kind)
        keys[i, 6] = mix(66, fnv(low, max(start, end - 3), end), kind)
        keys[i, 7] = mix(67, fnv(low, space, end), kind)
        keys[i, 8] = mix(68, mix(70, before, fnv(masked, a2, b2)), kind)
        keys[i, 9] = mix(69, mix(71, behind, fnv(masked, c2, d2)), kind)
    # The same name elsewhere in the text.
    order = np.argsort(names, kind="mergesort")
    begin = 0
    while begin < n:
        finish = begin + 1
        while finish < n and names[order[finish]] == names[order[begin]]:
            finish += 1
        places = 0
        sums, highest, second = np.zeros(256), np.zeros(256), np.zeros(256)
        for index in range(begin, finish):
            i = order[index]
            if index == begin or spans[i, 0] != spans[order[index - 1], 0]:
                places += 1
            kind, value = spans[i, 2], likely[i]
            sums[kind] += value
            if value > highest[kind]:
                second[kind], highest[kind] = highest[kind], value
            elif value > second[kind]:
                second[kind] = value
        for index in range(begin, finish):
            i = order[index]
            kind = spans[i, 2]
            dense[i, 3] = (sums[kind] - likely[i]) / (places - 1) if places > 1 else -0.1
            dense[i, 4] = min(places, 10)
            dense[i, 5] = -0.1
            if places > 1:
                dense[i, 5] = second[kind] if likely[i] == highest[kind] else highest[kind]
        begin = finish


@njit(cache=True, nogil=True)
def _looked_up(wanted, keys, shares, base):  # type: ignore[no-untyped-def]
    """Share of each key, float32 like `wanted`."""
    result = np.full(wanted.shape, base, np.float32)
    for i in range(wanted.shape[0]):
        for k in range(wanted.shape[1]):
            low, high = 0, len(keys)
            while low < high:
                middle = (low + high) >> 1
                if keys[middle] < wanted[i, k]:
                    low = middle + 1
                else:
                    high = middle
            if low < len(keys) and keys[low] == wanted[i, k]:
                result[i, k] = shares[low]
    return result


@njit(cache=True, nogil=True)
def _best_and_worst(precisions, bounds, rows, column):  # type: ignore[no-untyped-def]
    for i in range(len(bounds) - 1):
        best, worst = np.float32(-0.05), np.float32(-0.05)
        for place in range(bounds[i], bounds[i + 1]):
            best = max(best, precisions[place])
            worst = precisions[place] if worst < 0 else min(worst, precisions[place])
        rows[i, column], rows[i, column + 1] = best, worst


@njit(cache=True, nogil=True)
def _add_trees(rows, roots, feature, behind, steps, threshold, total):  # type: ignore[no-untyped-def]
    """Add the trees' values, in the order of the trees.

    Some candidates go through a tree side by side, and each takes as many steps: no step waits for the one of another
    candidate, and nothing branches. Places are unsigned, since a signed one may count from the end.
    """
    nodes = np.empty(_BLOCK, np.uint32)
    columns = np.empty((rows.shape[1], _BLOCK), np.float32)
    for first in range(0, len(rows), _BLOCK):
        count = min(_BLOCK, len(rows) - first)
        for i in range(count):
            for column in range(rows.shape[1]):
                columns[column, i] = rows[first + i, column]
        for root in roots:
            of_root, bound = columns[feature[root]], threshold[root]
            left, right = behind[root, 1], behind[root, 0]
            for i in range(count):
                nodes[i] = np.uint32(left if of_root[i] <= bound else right)
            for _ in range(1, steps):
                for i in range(count):
                    node = nodes[i]
                    goes_left = columns[np.uint16(feature[node]), i] <= threshold[node]
                    nodes[i] = np.uint32(behind[node, np.uint8(goes_left)])
            for i in range(count):
                total[first + i] += threshold[nodes[i]]
