"""Locality-sensitive hashing: bands of MinHash signatures as candidates, and their verification by exact Jaccard."""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.corpus.arrays import Float64, Int64, UInt32, UInt64, mix64, njit
from socorpus.corpus.config import Near
from socorpus.corpus.dedup import minhash
from socorpus.corpus.dedup.components import components, unite
from socorpus.corpus.dedup.minhash import Marks, Shingles
from socorpus.corpus.errors import InputError

FORMS = {"near": "text", "near_code": "code"}
"""Name of the signal -> the text that is compared."""

RECALL = 0.995
"""Least probability with which a pair just at the threshold becomes a candidate."""

FINGERPRINTS = pa.schema([("hash", pa.uint64()), ("document", pa.int64()), ("set", pa.uint64())])
SETS = pa.schema(
    [
        ("document", pa.int64()),
        ("shingles", pa.large_list(pa.uint64())),
        ("wording", pa.uint64()),
        ("tokens", pa.uint64()),
        ("words", pa.int32()),
        ("gaps", pa.large_list(pa.uint64())),
        ("blocks", pa.large_list(pa.uint64())),
    ]
)
"""The sets of documents, and their `minhash.Marks`."""


@dataclass(frozen=True)
class Bands:
    """The cut of a signature: `bands` groups of `rows` columns; the columns left over are not used."""

    bands: int
    rows: int

    def recall(self, jaccard: float) -> float:
        """Probability that a pair of this similarity shares a band."""
        return float(1 - (1 - jaccard**self.rows) ** self.bands)


KNOWN = {(0.8, 128): Bands(21, 6)}
"""Bands of the defaults: importing datasketch and finding them takes longer than all else of a build of a megabyte."""


@functools.cache
def bands(threshold: float, permutations: int) -> Bands:
    """The bands that find a pair right at the threshold with a probability of `RECALL`.

    They are the optimum of datasketch's MinHashLSH, which weighs the areas of false positives against those of false
    negatives (0.8 of 128: 21 bands of 6). Its even weights would find 40% of the pairs at 0.8 (9 bands of 13), so the
    weight of false positives is lowered until the recall is there: they cost a verification each, and no more.

    Raises:
        InputError: there are too few permutations for this threshold.
    """
    if threshold == 1:
        return Bands(1, permutations)  # equal sets have equal signatures
    if (threshold, permutations) in KNOWN:
        return KNOWN[threshold, permutations]
    from datasketch import MinHashLSH

    for weight in (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005):
        try:
            best = MinHashLSH(threshold=threshold, num_perm=permutations, weights=(weight, 1 - weight))
        except ValueError:  # fewer permutations than two bands need
            break
        cut = Bands(best.b, best.r)
        if cut.recall(threshold) >= RECALL:
            return cut
    raise InputError(
        f"near.permutations = {permutations} is too few to find pairs at near.threshold = {threshold} with a "
        f"probability of {RECALL}; 128 serve any threshold from 0.5 to 0.99"
    )


def band_hashes(signatures: UInt32, cut: Bands) -> UInt64:
    """A hash of each band of each signature, uint64[n, bands]; the number of the band is part of it."""
    n = len(signatures)
    if signatures.shape[1] < cut.bands * cut.rows:
        raise ValueError(f"signatures of {signatures.shape[1]} columns have no {cut.bands} bands of {cut.rows}")
    columns = signatures[:, : cut.bands * cut.rows].reshape(n, cut.bands, cut.rows)
    hashes = np.broadcast_to(mix64(np.arange(1, cut.bands + 1, dtype=np.uint64)), (n, cut.bands))
    for row in range(cut.rows):
        hashes = mix64(hashes ^ columns[:, :, row])
    return hashes


def document_ids(bucket: int, rows: int) -> Int64:
    """The int64 ids of the rows of a bucket."""
    return (np.int64(bucket) << 32) + np.arange(rows, dtype=np.int64)


def sets_of(documents: pa.Table, near: Near, form: str, gaps: bool = False) -> tuple[Shingles, Marks]:
    """Shingle sets of the own text (form "text") or of the own code (form "code") of a documents table, row for row.

    Of code the marks are all equal: its tokens see signs and case by themselves.
    """
    if form == "code":
        none = np.zeros(documents.num_rows, np.uint64)
        empty = Shingles(np.zeros(documents.num_rows + 1, np.int64), none[:0])
        sets = minhash.code_shingles(documents, near.shingle, near.code_min_tokens)
        return sets, Marks(none, none, none, none.astype(np.int32), empty, empty)
    return minhash.text_shingles(documents, near.shingle, gaps)


def fingerprints(documents: pa.Table, bucket: int, near: Near, form: str = "text") -> pa.Table:
    """`FINGERPRINTS` of a bucket: a row for each band of each document, and one that has the hash of all of it.

    Documents without a shingle have no row. `set` is a hash of the set and the marks; its first bits are of the signs,
    so that among many sets that share a hash, those with the same signs are next to one another.
    """
    sets, marks = sets_of(documents, near, form)
    cut = bands(near.threshold, near.permutations)
    there = np.flatnonzero(sets.sizes)
    marked = mix64(minhash.set_hashes(sets) ^ mix64(marks.signs + mix64(marks.wording)))
    whole = (marks.signs & _FIRST_BITS | marked >> np.uint64(20))[there]
    parts = band_hashes(minhash.signatures(sets, near.permutations, near.seed)[there], cut)
    hashes = np.column_stack([whole, parts]).reshape(-1)
    ids = document_ids(bucket, documents.num_rows)[there]
    every = cut.bands + 1
    return pa.table([hashes, np.repeat(ids, every), np.repeat(whole, every)], schema=FINGERPRINTS)


_FIRST_BITS = np.uint64(0xFFFFF << 44)


def candidates(rows: pa.Table, most: int = 64) -> tuple[Int64, int]:
    """Pairs of documents that share a hash, int64[e, 2], ascending, a < b; and the number of crowded hashes.

    A group of hashes must have all rows of each of its hashes. Documents with equal sets and marks are collapsed to the
    first, and each is paired only with that one. Of the sets that share a hash, each is paired with the next `most`, in
    the order of their hashes, which does not depend on how documents lie in buckets; a hash is crowded if that leaves
    pairs out.

    Args:
        rows: `FINGERPRINTS` of all buckets.
        most: number of following sets that each set is paired with.
    """
    hashes, ids, sets = (rows[name].to_numpy() for name in FINGERPRINTS.names)
    order = np.argsort(hashes)
    inner = hashes[order]
    same = inner[1:] == inner[:-1]
    # Nearly all hashes are unique: only the others are worth a full sort.
    shared = order[np.concatenate([same, [False]]) | np.concatenate([[False], same])] if len(order) else order
    hashes, ids, sets = hashes[shared], ids[shared], sets[shared]
    order = np.lexsort((ids, sets, hashes))
    hashes, ids, sets = hashes[order], ids[order], sets[order]
    first = np.ones(len(ids), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (sets[1:] != sets[:-1])
    # The row of the whole set, whose hash is the set's, ties the copies to the first.
    leader = np.maximum.accumulate(np.where(first, np.arange(len(ids)), 0))
    copies = np.flatnonzero(~first & (hashes == sets))
    stars = np.column_stack([ids[leader[copies]], ids[copies]])
    pairs, crowds = _windows(hashes[first], ids[first], most)
    return unite([stars, pairs]), crowds


def shingle_table(documents: pa.Table, bucket: int, near: Near, form: str, wanted: Int64) -> pa.Table:
    """`SETS` of those documents of a bucket that are among `wanted` (ids of any bucket), ascending."""
    here = wanted[wanted >> 32 == bucket]
    chosen = documents.take(pa.array(np.unique(here) & 0xFFFFFFFF))
    sets, marks = sets_of(chosen, near, form, gaps=True)
    plain = [pa.array(column) for column in (marks.wording, marks.tokens, marks.words)]
    columns = [pa.array(np.unique(here)), sets.to_arrow(), *plain, marks.gaps.to_arrow(), marks.blocks.to_arrow()]
    return pa.table(columns, schema=SETS)


def portions(edges: Int64, most: int = 50_000) -> list[Int64]:
    """Cut pairs into parts that need the sets of at most `most` documents each: arrays of row numbers of `edges`.

    Connected pairs stay together, so that few documents are needed by more than one part.
    """
    if most < 2:
        raise ValueError(f"a pair needs two documents, not {most}")
    ids, flat = np.unique(edges, return_inverse=True)
    nodes = flat.reshape(-1, 2)
    component = components(nodes, len(ids))[nodes[:, 0]] if len(ids) else np.empty(0, np.int64)
    order = np.lexsort((nodes[:, 1], nodes[:, 0], component))
    cuts = _cuts(nodes[order].astype(np.int64), len(ids), most)
    return [part for part in np.split(order, cuts) if len(part)]


def verify(edges: Int64, sets: pa.Table) -> Float64:
    """Exact Jaccard similarity of pairs of documents, float64[e].

    Args:
        edges: int64[e, 2] of document ids.
        sets: `SETS` that hold all of these, in any order, in any number of chunks.
    """
    rows = _rows(edges, sets)
    return minhash.jaccard(Shingles.from_arrow(sets["shingles"]), rows[:, 0], rows[:, 1])


def alike(edges: Int64, sets: pa.Table, near: Near) -> npt.NDArray[np.bool_]:
    """Whether pairs of documents say the same as far as sets of words do not show it, bool[e]: `minhash.alike`.

    Args:
        edges, sets: as for `verify`.
    """
    rows = _rows(edges, sets)
    wording, tokens, words = (sets[name].to_numpy() for name in ("wording", "tokens", "words"))
    lists = (Shingles.from_arrow(sets[name]) for name in ("gaps", "blocks"))
    return minhash.alike(Marks(wording, wording, tokens, words, *lists), rows[:, 0], rows[:, 1], shortest(near))


def shortest(near: Near) -> float:
    """The number of words from which a share of them decides; 49 for shingles of 5 words and a threshold of 0.8.

    In a shorter text one word that differs inside of it leaves too few shingles in common to reach the threshold
    (`shingle` are lost on each side). There a share only lets pass what differs at the ends.
    """
    if near.threshold == 1:
        return np.inf
    return near.shingle - 1 + near.shingle * (1 + near.threshold) / (1 - near.threshold)


def _rows(edges: Int64, sets: pa.Table) -> Int64:
    """Rows of `SETS` of pairs of ids, int64[e, 2]."""
    ids = sets["document"].to_numpy()
    order = np.argsort(ids, kind="stable")
    places = np.searchsorted(ids[order], edges)
    if len(edges) and (places.max() >= len(ids) or (ids[order][places] != edges).any()):
        raise ValueError("the sets of some documents that are to be compared are missing")
    return order[places].astype(np.int64).reshape(-1, 2)


def _windows(hashes: UInt64, ids: Int64, most: int) -> tuple[Int64, int]:
    """All pairs within `most` places inside each run of equal hashes; and the runs that are longer than `most` + 1."""
    starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]])) if len(hashes) else np.empty(0, int)
    lengths = np.diff(np.append(starts, len(hashes)))
    # For each place, the places after it in its run that the window reaches.
    after = np.repeat(starts + lengths, lengths) - 1 - np.arange(len(hashes))
    reach = np.minimum(after, most)
    left = np.repeat(np.arange(len(hashes)), reach)
    step = np.arange(len(left)) - np.repeat(np.cumsum(reach) - reach, reach) + 1
    return np.column_stack([ids[left], ids[left + step]]), int((lengths > most + 1).sum())


@njit(cache=True, nogil=True)
def _cuts(nodes, n, most):  # type: ignore[no-untyped-def]
    """Cuts of an ordered list of pairs into parts of at most `most` different nodes."""
    part = np.zeros(n, np.int64)
    cuts = np.empty(len(nodes), np.int64)
    now, held, count = 1, 0, 0
    for i in range(len(nodes)):
        a, b = nodes[i, 0], nodes[i, 1]
        new = (part[a] != now) + (part[b] != now)
        if held + new > most:
            cuts[count] = i
            count += 1
            now += 1
            held, new = 0, 2
        part[a], part[b] = now, now
        held += new
    return cuts[:count]
