"""The compiled kernel of duplicate detection: Arrow text -> sets of shingle hashes -> MinHash signatures.

Words and their lower case are Python's own (`\\w` of `re`, `str.lower`), taken from tables over all code
points; so the sets are exactly those of

    words = re.findall(r"\\w+", text[:end].lower())
    {tuple(words[i : i + width]) for i in range(len(words) - width + 1)} or {tuple(words)} if words else set()

with each shingle as a 64-bit hash. Two code points have no lower case of their own (capital sigma depends on its
neighbours, dotted capital I becomes two): texts with one of these are lower-cased by Python first.

Signatures: a permutation is h(x) = a * low(x) + c * high(x) + b modulo 2^32 over the two halves of the mixed 64-bit
hash, with random a (odd), b, c of 32 bits. Two such functions are independent over random hashes as soon as their
(a, c) are linearly independent; with only one half they would be multiples of one another, and with 31-bit
multipliers that are shifted down by 32 they would all order the shingles in the same way. Pairwise independence is
what the variance of the estimate, J(1 - J) / permutations, needs. MinHash: Broder, "On the resemblance and containment
of documents", 1997.
"""

import functools
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import Float64, Int64, UInt8, UInt32, UInt64, lists, mix64, njit, readonly, utf8

EMPTY = np.uint32(0xFFFFFFFF)
"""Value that fills the signature of an empty set."""

_CODE_POINTS = 0x110000
_BY_CONTEXT = (0x0130, 0x03A3)
# In the tables: 0 parts words; below _ALONE a letter; from _ALONE a token of its own; _CONTEXT asks for Python.
_ALONE = np.uint32(1 << 22)
_CONTEXT = np.uint32(1 << 23)

# Odd constants with about as many ones as zeros: the first fractional bits of pi.
_LETTER = np.uint64(0x243F6A8885A308D3)
_TOKEN = np.uint64(0x13198A2E03707345)
_START = np.uint64(0xA4093822299F31D1)


@dataclass(frozen=True)
class Shingles:
    """Sets of shingles: document i has `hashes[offsets[i]:offsets[i + 1]]`, ascending and each once."""

    offsets: Int64
    hashes: UInt64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Int64:
        """Shingles of each document, int64[n]; 0 where it has none."""
        return np.diff(self.offsets)

    def to_arrow(self) -> pa.LargeListArray:
        """The sets as large_list<uint64>[n], without a copy."""
        return pa.LargeListArray.from_arrays(pa.array(self.offsets), pa.array(self.hashes))

    @staticmethod
    def from_arrow(array: pa.LargeListArray | pa.ChunkedArray) -> "Shingles":
        """The inverse of `to_arrow`, for any slice or chunks of it."""
        hashes, offsets = lists(array)
        return Shingles(offsets, hashes.to_numpy())


def shingles(
    texts: pa.StringArray | pa.LargeStringArray | pa.ChunkedArray, ends: npt.NDArray[np.integer], width: int
) -> Shingles:
    """Sets of `width` consecutive lower-cased words of `texts[i][:ends[i]]`; a shorter text is one shingle.

    Args:
        texts: n strings; a null, like a text without any word, has no shingle.
        ends: integers[n], code points; past the end of a text stands for its end.
        width: words in a shingle.
    """
    data, bounds = utf8(texts)
    starts, stops = bounds[:-1], bounds[1:]
    n = len(starts)
    ends = _int64(ends)
    if len(ends) != n or width < 1 or (n and ends.min() < 0):
        raise ValueError(f"{n} texts need {n} ends that are not negative, and a width of at least 1")
    fold = _tables()[0]
    firsts, begins = np.arange(n + 1), np.zeros(n, np.int64)
    room = int(((stops - starts + 1) // 2).sum())
    sets, context = _run(data, starts, stops, firsts, begins, ends, fold, width, 1, room)
    if not len(context):
        return sets
    chosen = texts.take(pa.array(context)).to_pylist()
    lowered = [text[:end].lower() for text, end in zip(chosen, ends[context], strict=True)]
    again = shingles(pa.array(lowered, pa.large_string()), np.array([len(text) for text in lowered]), width)
    return _replace(sets, context, again)


def code_shingles(documents: pa.Table, width: int, min_tokens: int) -> Shingles:
    """Sets of `width` consecutive tokens of a document's own code: its blocks of kind "code" before `own_end`.

    A token is a run of `\\w` with its case kept, or one other character that is no white space:
    `re.findall(r"\\w+|[^\\w\\s]", block)`. Blocks follow one another, so that a shingle may span two.

    Args:
        documents: columns `text`, `own_end`, `segments` as in `schema.DOCUMENTS`, n rows.
        width: tokens in a shingle; fewer tokens are one shingle.
        min_tokens: a document whose code has fewer tokens has no shingle.
    """
    data, bounds = utf8(documents["text"])
    starts, stops = bounds[:-1], bounds[1:]
    firsts, begins, ends = _blocks(documents["segments"], _int64(documents["own_end"].to_numpy()))
    room = int(np.minimum(stops - starts, _sums(ends - begins, firsts)).sum())
    return _run(data, starts, stops, firsts, begins, ends, _tables()[1], width, max(1, min_tokens), room)[0]


def signatures(sets: Shingles, permutations: int, seed: int) -> UInt32:
    """MinHash signatures, uint32[n, permutations]: the share of equal columns estimates the Jaccard similarity.

    The row of an empty set is filled with `EMPTY`; `sets.sizes == 0` in these rows.
    """
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, not {permutations}")
    random = np.random.Generator(np.random.PCG64(seed))
    # Padded to whole vectors, so that the compiled loop has no tail.
    padded = -(-permutations // 16) * 16
    low, high, add = random.integers(0, 1 << 32, (3, padded), dtype=np.uint32)
    out = np.full((len(sets), padded), EMPTY, np.uint32)
    _signatures(sets.offsets, readonly(sets.hashes), low | np.uint32(1), high, add, out)
    return out if padded == permutations else np.ascontiguousarray(out[:, :permutations])


def set_hashes(sets: Shingles) -> UInt64:
    """A hash of each whole set, uint64[n]: equal sets have equal hashes."""
    out = np.empty(len(sets), np.uint64)
    _set_hashes(sets.offsets, readonly(sets.hashes), out)
    return out


def jaccard(sets: Shingles, left: Int64, right: Int64) -> Float64:
    """Exact Jaccard similarity of the sets in rows `left[i]` and `right[i]`, float64[e]; 0 where both are empty."""
    out = np.empty(len(left), np.float64)
    _jaccard(sets.offsets, readonly(sets.hashes), _int64(left), _int64(right), out)
    return out


@functools.cache
def _tables() -> tuple[UInt32, UInt32]:
    """Class of each code point for the kernel, for text and for code, uint32[0x110000]. Takes some 30 ms a process."""
    every = np.arange(_CODE_POINTS, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    word = np.zeros(_CODE_POINTS, bool)
    for run in re.finditer(r"\w+", every):
        word[run.start() : run.end()] = True
    space = np.zeros(_CODE_POINTS, bool)
    for run in re.finditer(r"\s+", every):
        space[run.start() : run.end()] = True
    # Those that depend on context are put back by a plain letter, so that the others keep their places.
    plain = functools.reduce(lambda text, point: text.replace(chr(point), "a"), _BY_CONTEXT, every)
    lower = np.frombuffer(plain.lower().encode("utf-32-le", "surrogatepass"), "<u4")
    if len(lower) != _CODE_POINTS:
        raise RuntimeError("this Python's str.lower() lengthens a code point that the kernel doesn't know")
    # A lower case that is no word character (none in Unicode today) would part words.
    text = np.where(word[lower], lower, 0).astype(np.uint32)
    text[list(_BY_CONTEXT)] = _CONTEXT
    itself = np.arange(_CODE_POINTS, dtype=np.uint32)
    code = np.where(word, itself, np.where(space, 0, itself | _ALONE)).astype(np.uint32)
    return readonly(text), readonly(code)


def _int64(array: npt.NDArray[np.integer]) -> Int64:
    return np.require(array, np.int64, ["C", "W"])


def _blocks(segments: pa.ChunkedArray, own_ends: Int64) -> tuple[Int64, Int64, Int64]:
    """Code in the own text: document i has blocks firsts[i] … firsts[i + 1] of begins and ends, in code points."""
    n = len(segments)
    flat, bounds = lists(segments)
    rows = np.repeat(np.arange(n), np.diff(bounds))
    begins = flat.field("start").to_numpy().astype(np.int64)
    ends = np.minimum(flat.field("end").to_numpy(), own_ends[rows]).astype(np.int64)
    code = pc.equal(flat.field("kind"), "code").to_numpy(zero_copy_only=False) & (begins < ends)
    rows, begins, ends = rows[code], begins[code], ends[code]
    order = np.lexsort((begins, rows))
    return np.searchsorted(rows, np.arange(n + 1)), begins[order], ends[order]


def _sums(values: Int64, firsts: Int64) -> Int64:
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
    return total[firsts[1:]] - total[firsts[:-1]]


def _run(
    data: UInt8,
    starts: Int64,
    stops: Int64,
    firsts: Int64,
    begins: Int64,
    ends: Int64,
    table: UInt32,
    width: int,
    fewest: int,
    room: int,
) -> tuple[Shingles, Int64]:
    """Run the kernel with room for `room` tokens; also returns the documents that need Python's lower case, int64[]."""
    hashes = np.empty(room, np.uint64)
    offsets = np.zeros(len(starts) + 1, np.int64)
    context = np.zeros(len(starts), np.bool_)
    used = _shingle(data, starts, stops, firsts, begins, ends, table, width, fewest, hashes, offsets, context)
    # Gives the unused room back without a copy; most of it was never touched.
    hashes.resize(used, refcheck=False)
    return Shingles(offsets, hashes), np.flatnonzero(context)


def _replace(sets: Shingles, rows: Int64, by: Shingles) -> Shingles:
    """`sets` with the sets of some ascending rows replaced."""
    sizes = sets.sizes
    sizes[rows] = by.sizes
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    hashes = np.empty(offsets[-1], np.uint64)
    done = 0
    for i, row in enumerate([*rows, len(sets)]):
        hashes[offsets[done] : offsets[row]] = sets.hashes[sets.offsets[done] : sets.offsets[row]]
        if row < len(sets):
            hashes[offsets[row] : offsets[row + 1]] = by.hashes[by.offsets[i] : by.offsets[i + 1]]
        done = row + 1
    return Shingles(offsets, hashes)


_mix = njit(cache=True, nogil=True)(mix64)


@njit(cache=True, nogil=True)
def _shingle(data, starts, stops, firsts, begins, ends, table, width, fewest, out, offsets, context):  # type: ignore[no-untyped-def]
    """Fill `out` with the sorted sets and `offsets` with their bounds; return the hashes used."""
    power = np.uint64(1)
    for _ in range(width):
        power *= _TOKEN
    spare = np.empty(1024, np.uint64)
    slots = np.empty(1025, np.int64)
    base = 0
    for document in range(len(starts)):
        # First the tokens' hashes, one after another.
        pos = base
        p, stop, code_point = starts[document], stops[document], 0
        for block in range(firsts[document], firsts[document + 1]):
            while p < stop and (code_point < begins[block] or data[p] & 0xC0 == 0x80):
                code_point += data[p] & 0xC0 != 0x80
                p += 1
            left = ends[block] - code_point
            word = _START
            while p < stop and left > 0:
                left -= 1
                point = np.int64(data[p])
                p += 1
                if point >= 0x80:
                    more = 1 + (point >= 0xE0) + (point >= 0xF0)
                    point &= 0x3F >> more
                    while more > 0 and p < stop:
                        point = point << 6 | (data[p] & 0x3F)
                        p += 1
                        more -= 1
                kind = table[point]
                if kind - np.uint32(1) < _ALONE - np.uint32(1):
                    word = (word ^ np.uint64(kind)) * _LETTER
                    continue
                if word != _START:
                    out[pos] = _mix(word)
                    pos += 1
                    word = _START
                if kind == _CONTEXT:
                    context[document] = True
                elif kind != 0:
                    out[pos] = _mix((_START ^ np.uint64(kind)) * _LETTER)
                    pos += 1
            code_point = ends[block] - left
            if word != _START:
                out[pos] = _mix(word)
                pos += 1
        # Then, in their place, the shingles: a polynomial that rolls over the tokens.
        tokens = pos - base
        if tokens < fewest:
            offsets[document + 1] = base
            continue
        rolling = np.uint64(0)
        for i in range(base, base + min(width, tokens)):
            rolling = rolling * _TOKEN + out[i]
        length = np.uint64(min(width, tokens)) * _START
        count = max(1, tokens - width + 1)
        for i in range(base, base + count):
            oldest = out[i]
            out[i] = _mix(rolling + length)
            if i + width < pos:
                rolling = rolling * _TOKEN + out[i + width] - oldest * power
        if count > len(spare):
            spare = np.empty(2 * count, np.uint64)
            slots = np.empty(2 * count + 1, np.int64)
        base = _sort_unique(out, base, count, spare, slots)
        offsets[document + 1] = base
    return base


@njit(cache=True, nogil=True)
def _sort_unique(out, base, count, spare, slots):  # type: ignore[no-untyped-def]
    """Sort out[base : base + count] and keep each value once; return the end. Bucket sort, as hashes are uniform."""
    if count > 16:
        bits = 1
        while 1 << bits < count:
            bits += 1
        bits -= 1
        shift = np.uint64(64 - bits)
        slots[: (1 << bits) + 1] = 0
        for i in range(count):
            spare[i] = out[base + i]
            slots[np.int64(spare[i] >> shift) + 1] += 1
        for i in range(1 << bits):
            slots[i + 1] += slots[i]
        for i in range(count):
            slot = np.int64(spare[i] >> shift)
            out[base + slots[slot]] = spare[i]
            slots[slot] += 1
    for i in range(base + 1, base + count):
        value = out[i]
        j = i
        while j > base and out[j - 1] > value:
            out[j] = out[j - 1]
            j -= 1
        out[j] = value
    end = base + 1
    for i in range(base + 1, base + count):
        if out[i] != out[i - 1]:
            out[end] = out[i]
            end += 1
    return end


@njit(cache=True, nogil=True)
def _signatures(offsets, hashes, low, high, add, out):  # type: ignore[no-untyped-def]
    """Minima of low[k] * (x mod 2^32) + high[k] * (x / 2^32) + add[k]; four shingles at a time share what is loaded."""
    half = np.uint64(32)
    for document in range(len(offsets) - 1):
        first, last = offsets[document], offsets[document + 1] - 1
        row = out[document]
        for s in range(first, last + 1, 4):
            # A shingle that is taken twice changes no minimum.
            x, y = hashes[s], hashes[min(s + 1, last)]
            z, w = hashes[min(s + 2, last)], hashes[min(s + 3, last)]
            x0, x1 = np.uint32(x), np.uint32(x >> half)
            y0, y1 = np.uint32(y), np.uint32(y >> half)
            z0, z1 = np.uint32(z), np.uint32(z >> half)
            w0, w1 = np.uint32(w), np.uint32(w >> half)
            for k in range(len(row)):
                a, c, b = low[k], high[k], add[k]
                h = np.uint32(np.uint32(np.uint32(a * x0) + np.uint32(c * x1)) + b)
                i = np.uint32(np.uint32(np.uint32(a * y0) + np.uint32(c * y1)) + b)
                j = np.uint32(np.uint32(np.uint32(a * z0) + np.uint32(c * z1)) + b)
                m = np.uint32(np.uint32(np.uint32(a * w0) + np.uint32(c * w1)) + b)
                row[k] = min(row[k], min(min(h, i), min(j, m)))


@njit(cache=True, nogil=True)
def _set_hashes(offsets, hashes, out):  # type: ignore[no-untyped-def]
    for document in range(len(offsets) - 1):
        total = np.uint64(offsets[document + 1] - offsets[document]) * _START
        for i in range(offsets[document], offsets[document + 1]):
            total = (total ^ hashes[i]) * _LETTER
        out[document] = _mix(total)


@njit(cache=True, nogil=True)
def _jaccard(offsets, hashes, left, right, out):  # type: ignore[no-untyped-def]
    """Merge two ascending runs of hashes."""
    for pair in range(len(left)):
        i, end = offsets[left[pair]], offsets[left[pair] + 1]
        j, stop = offsets[right[pair]], offsets[right[pair] + 1]
        union = (end - i) + (stop - j)
        both = 0
        while i < end and j < stop:
            x, y = hashes[i], hashes[j]
            both += x == y
            i += x <= y
            j += y <= x
        out[pair] = both / (union - both) if union else 0.0
