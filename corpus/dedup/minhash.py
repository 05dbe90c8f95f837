"""Duplicate detection by compiled kernels: Arrow text -> sets of shingle hashes -> MinHash signatures.

Words are those of `socorpus.corpus.words`, in simple case folding; so the sets are exactly those of

    words = [fold(word) for word in words.words(text[:end])]
    {tuple(words[i : i + width]) for i in range(len(words) - width + 1)} or {tuple(words)} if words else set()

with each shingle as a 64-bit hash. Words see no signs. What else tells two texts apart is hashed beside the sets, in
the same pass, as `Marks`: `==` and `===`, C and C++, `-p` and `-P`, each token of the code.

Signatures: a permutation is h(x) = a * low(x) + c * high(x) + b modulo 2^32 over the two halves of the mixed 64-bit
hash, with random a (odd), b, c of 32 bits. Two such functions are independent over random hashes as soon as their
(a, c) are linearly independent; with only one half they would be multiples of one another, and with 31-bit
multipliers that are shifted down by 32 they would all order the shingles in the same way. Pairwise independence is
what the variance of the estimate, J(1 - J) / permutations, needs. MinHash: Broder, "On the resemblance and containment
of documents", 1997.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.corpus.arrays import Float64, Int32, Int64, UInt32, UInt64, lists, mix64, njit, readonly, utf8
from socorpus.corpus.dedup import telling
from socorpus.corpus.dedup.code_spans import CodeSpans, code_spans, no_code
from socorpus.corpus.dedup.shingle_kernel import GAPS, MARKS, SETS, shingle
from socorpus.corpus.words import tables
from socorpus.corpus.words.kernel import LETTER, START, ascii_classes

EMPTY = np.uint32(0xFFFFFFFF)
"""Value that fills the signature of an empty set."""


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


@dataclass(frozen=True)
class Marks:
    """What the sets of words of n texts do not show, as hashes.

    Telling tokens are all those of the code, with their case; of the prose words with digits or underscores, negations,
    signs that mean something (`telling`), and the words that these touch. Between two plain words of the prose there is
    a gap, which may hold telling tokens; between two words of any kind there is one too, for signs and code.

    Attributes:
        signs: uint64[n], of the telling tokens.
        wording: uint64[n], of the telling tokens and all words of the prose but those of courtesy.
        tokens: uint64[n], of all words and signs, with their case, be they code or prose.
        words: int32[n], number of words, as `words.count` has it.
        gaps: for each text, ascending, all its gaps: in the first 32 bits two words on either side, in the last what
            is between them, 0 for nothing. Empty where they were not asked for.
        blocks: a set for each text, of its blocks of code. Likewise.
    """

    signs: UInt64
    wording: UInt64
    tokens: UInt64
    words: Int32
    gaps: Shingles
    blocks: Shingles


def shingles(
    texts: pa.StringArray | pa.LargeStringArray | pa.ChunkedArray, ends: npt.NDArray[np.integer], width: int
) -> Shingles:
    """Sets of `width` consecutive words of `texts[i][:ends[i]]`, in lower case; a shorter text is one shingle.

    Args:
        texts: n strings; a null, like a text without any word, has no shingle.
        ends: integers[n], code points; past the end of a text stands for its end.
        width: words in a shingle.
    """
    n = len(texts)
    ends = _int64(ends)
    if len(ends) != n or width < 1 or (n and ends.min() < 0):
        raise ValueError(f"{n} texts need {n} ends that are not negative, and a width of at least 1")
    return _run(texts, no_code(n), ends, width, marking=SETS)[0]


def text_shingles(documents: pa.Table, width: int, gaps: bool = False) -> tuple[Shingles, Marks]:
    """Sets of `width` consecutive words of the own text, as `shingles`, and what these do not show.

    Args:
        documents: columns `text`, `own_end`, `segments` as in `schema.DOCUMENTS`, n rows.
        width: words in a shingle.
        gaps: whether the marks have gaps and blocks.
    """
    ends = _int64(documents["own_end"].to_numpy())
    code = code_spans(documents["segments"], ends, ("code", "inline_code"))
    return _run(documents["text"], code, ends, width, marking=GAPS if gaps else MARKS)


def code_shingles(documents: pa.Table, width: int, min_tokens: int) -> Shingles:
    """Sets of `width` consecutive tokens of a document's own code: its blocks of kind "code" before `own_end`.

    A token is a word with its case kept, or a sign: `words.tokens`. Blocks follow one another, so that a shingle may
    span two.

    Args:
        documents: columns `text`, `own_end`, `segments` as in `schema.DOCUMENTS`, n rows.
        width: tokens in a shingle; fewer tokens are one shingle.
        min_tokens: a document whose code has fewer tokens has no shingle.
    """
    ends = _int64(documents["own_end"].to_numpy())
    code = code_spans(documents["segments"], ends, ("code",))
    return _run(documents["text"], code, ends, width, max(1, min_tokens), SETS)[0]


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


def alike(marks: Marks, left: Int64, right: Int64, shortest: float) -> npt.NDArray[np.bool_]:
    """Whether texts `left[i]` and `right[i]` say the same as far as sets of words do not show it, bool[e].

    They do if all their tokens are equal. Else, if one has fewer words than `shortest`, their wording must be equal. Of
    longer ones, nothing telling may differ between plain words that are the same, and not both may have a block of code
    that the other lacks.
    """
    out = np.empty(len(left), np.bool_)
    lists_ = (marks.gaps.offsets, readonly(marks.gaps.hashes), marks.blocks.offsets, readonly(marks.blocks.hashes))
    _alike(marks.tokens, marks.wording, marks.words, *lists_, _int64(left), _int64(right), shortest, out)
    return out


def _int64(array: npt.NDArray[np.integer]) -> Int64:
    return np.require(array, np.int64, ["C", "W"])


def _run(
    texts: pa.Array | pa.ChunkedArray,
    code: CodeSpans,
    limits: Int64,
    width: int,
    fewest: int = 0,
    marking: int = MARKS,
) -> tuple[Shingles, Marks]:
    """Run the kernel: over the words of whole texts, or over the tokens of code that has at least `fewest` of them."""
    data, bounds = utf8(texts)
    n = len(bounds) - 1
    # Two words of one byte have a byte between them, unless code begins there.
    most = len(data) if fewest else (len(data) + n) // 2 + 2 * len(code.begins) + n
    sets = Shingles(np.zeros(n + 1, np.int64), np.empty(most, np.uint64))
    gaps = Shingles(np.zeros(n + 1, np.int64), np.empty(2 * (most + n) if marking == GAPS else 0, np.uint64))
    blocks = Shingles(np.zeros(n + 1, np.int64), np.empty(len(code.begins) if marking == GAPS else 0, np.uint64))
    signs, wording, tokens = (np.zeros(n, np.uint64) for _ in range(3))
    marks = Marks(signs, wording, tokens, np.zeros(n, np.int32), gaps, blocks)
    shingle(
        *(data, bounds, code.firsts, code.begins, code.ends, code.blocks, limits),
        *(
            tables.classes(),
            tables.folding(),
            ascii_classes(),
            *telling.roles(),
            telling.sign_kinds(),
            width,
            fewest,
            marking,
        ),
        *(sets.hashes, sets.offsets, signs, wording, tokens, marks.words),
        *(gaps.hashes, gaps.offsets, blocks.hashes, blocks.offsets),
    )
    for filled in (sets, gaps, blocks):
        # Gives the unused room back without a copy; most of it was never touched.
        filled.hashes.resize(filled.offsets[-1], refcheck=False)
    return sets, marks


_HIGH = np.uint64(0xFFFFFFFF00000000)
_mix = njit(cache=True, nogil=True)(mix64)


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
        total = np.uint64(offsets[document + 1] - offsets[document]) * START
        for i in range(offsets[document], offsets[document + 1]):
            total = (total ^ hashes[i]) * LETTER
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


@njit(cache=True, nogil=True)
def _alike(  # type: ignore[no-untyped-def]
    tokens, wording, words, gap_offsets, gaps, block_offsets, blocks, left, right, shortest, out
):
    for pair in range(len(left)):
        a, b = left[pair], right[pair]
        if tokens[a] == tokens[b] or min(words[a], words[b]) < shortest:
            out[pair] = tokens[a] == tokens[b] or wording[a] == wording[b]
            continue
        same = True
        i, end, j, stop = gap_offsets[a], gap_offsets[a + 1], gap_offsets[b], gap_offsets[b + 1]
        while same and i < end and j < stop:
            x, y = gaps[i] & _HIGH, gaps[j] & _HIGH
            if x != y:
                i += x < y
                j += y < x
                continue
            # The same words may be there several times: those of one text must be among those of the other.
            begin, first, shared = i, j, 0
            while i < end and j < stop and gaps[i] & _HIGH == x and gaps[j] & _HIGH == x:
                shared += gaps[i] == gaps[j]
                i, j = i + (gaps[i] <= gaps[j]), j + (gaps[j] <= gaps[i])
            while i < end and gaps[i] & _HIGH == x:
                i += 1
            while j < stop and gaps[j] & _HIGH == x:
                j += 1
            same = shared == min(i - begin, j - first)
        i, end, j, stop = block_offsets[a], block_offsets[a + 1], block_offsets[b], block_offsets[b + 1]
        fewer, shared = min(end - i, stop - j), 0
        while i < end and j < stop:
            shared += blocks[i] == blocks[j]
            i, j = i + (blocks[i] <= blocks[j]), j + (blocks[j] <= blocks[i])
        out[pair] = same and shared == fewer
