"""Exact and near duplicates: fingerprints, candidates, verification, clusters, survivors.

Two posts are near duplicates if the exact Jaccard similarity of their shingles (words of the own text, or tokens of the
own code) reaches a threshold. MinHash signatures, cut into bands, only name the candidates (Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3); every pair is verified before a row is marked.

All functions are pure, and no engine is named here. A row of any bucket of documents is told by an int64,
`bucket << 32 | row`. `near` below is the whole path over one table; over many buckets each step is a map:

    rows = fingerprints(documents, bucket, near, form)     # a bucket: (hash, document, set); write by hash % groups
    edges, crowds = candidates(rows)                       # a group of hashes, all buckets: pairs of documents
    edges = unite(edges of all groups)                     # client
    sets = shingle_table(documents, bucket, near, form, numpy.unique(edges))    # a bucket: sets of its own documents
    for part in portions(edges):                           # client: each part needs a bounded number of sets
        similarity[part] = verify(edges[part], sets)       # a part, given the sets of its documents
    labels = clusters(edges, similarity, near.threshold)   # client
    people = members(documents, bucket, labels["document"])    # a bucket: who is accepted, scored, older
    twins = survivors(people, labels, edges, similarity, verify_more)    # client; verify_more(edges) as above
    signals(documents, bucket, twins, name)                # a bucket: SIGNALS["near"] or SIGNALS["near_code"]

What reaches the client: candidate pairs (16 bytes each), and a row for each member of a cluster. Documents with equal
sets share all hashes; they are collapsed to one before pairs are made and tied to it by a single pair each, so that
thousands of copies of one text cost no more than their number.
"""

import functools
import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from socorpus.corpus import minhash
from socorpus.corpus.config import Near
from socorpus.corpus.errors import InputError
from socorpus.corpus.minhash import Float64, Int64, Shingles, UInt32, UInt64
from socorpus.corpus.schema import SIGNALS, TIME

FORMS = {"near": "text", "near_code": "code"}
"""Name of the signal -> what is compared."""

RECALL = 0.995
"""Least probability with which a pair just at the threshold becomes a candidate."""

FINGERPRINTS = pa.schema([("hash", pa.uint64()), ("document", pa.int64()), ("set", pa.uint64())])
SETS = pa.schema([("document", pa.int64()), ("shingles", pa.large_list(pa.uint64()))])
MEMBERS = pa.schema(
    [("document", pa.int64()), ("accepted", pa.bool_()), ("score", pa.int32()), ("created", TIME), ("key", pa.string())]
)
CLUSTERS = pa.schema([("document", pa.int64()), ("cluster", pa.int64())])
TWINS = pa.schema(
    [
        ("document", pa.int64()),
        ("cluster", pa.string()),
        ("survivor", pa.string()),
        ("jaccard", pa.float32()),
        ("link", pa.string()),
        ("link_jaccard", pa.float32()),
    ]
)


@dataclass(frozen=True)
class Bands:
    """How a signature is cut: `bands` groups of `rows` columns; the columns left over are not used."""

    bands: int
    rows: int

    def recall(self, jaccard: float) -> float:
        """Probability that a pair of this similarity shares a band."""
        return float(1 - (1 - jaccard**self.rows) ** self.bands)


@functools.cache
def bands(threshold: float, permutations: int) -> Bands:
    """The bands that find a pair right at the threshold with a probability of `RECALL`.

    They are the optimum of datasketch's MinHashLSH, which weighs the areas of false positives against those of false
    negatives (0.8 of 128: 21 bands of 6). Its even weights would find 40% of the pairs at 0.8 (9 bands of 13), so the
    weight of false positives is lowered until the recall is there: they cost a verification each, and no more.

    Raises:
        InputError: there are too few permutations for this threshold.
    """
    from datasketch import MinHashLSH

    if threshold == 1:
        return Bands(1, permutations)  # equal sets have equal signatures
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
    found = np.broadcast_to(_mix(np.arange(1, cut.bands + 1, dtype=np.uint64)), (n, cut.bands))
    for row in range(cut.rows):
        found = _mix(found ^ columns[:, :, row])
    return found


def document_ids(bucket: int, rows: int) -> Int64:
    """The int64 that tell the rows of a bucket."""
    return (np.int64(bucket) << 32) + np.arange(rows, dtype=np.int64)


def sets_of(documents: pa.Table, near: Near, form: str) -> Shingles:
    """Shingle sets of the own text (form "text") or of the own code (form "code") of a documents table, row for row."""
    if form == "code":
        return minhash.code_shingles(documents, near.shingle, near.code_min_tokens)
    return minhash.shingles(documents["text"], documents["own_end"].to_numpy(), near.shingle)


def fingerprints(documents: pa.Table, bucket: int, near: Near, form: str = "text") -> pa.Table:
    """`FINGERPRINTS` of a bucket: a row for each band of each document, and one that has the hash of its whole set.

    Documents without a shingle have no row.
    """
    sets = sets_of(documents, near, form)
    cut = bands(near.threshold, near.permutations)
    there = np.flatnonzero(sets.sizes)
    whole = minhash.set_hashes(sets)[there]
    parts = band_hashes(minhash.signatures(sets, near.permutations, near.seed)[there], cut)
    hashes = np.column_stack([whole, parts]).reshape(-1)
    ids = document_ids(bucket, documents.num_rows)[there]
    every = cut.bands + 1
    return pa.table([hashes, np.repeat(ids, every), np.repeat(whole, every)], schema=FINGERPRINTS)


def candidates(rows: pa.Table, most: int = 64) -> tuple[Int64, int]:
    """Pairs of documents that share a hash, int64[e, 2], ascending, a < b; and how many hashes were crowded.

    A group of hashes must have all rows of each of its hashes. Documents with equal sets are collapsed to the first,
    and each is paired with that one alone. Of the sets that share a hash, each is paired with the next `most`, in the
    order of their sets' hashes, which does not depend on how documents lie in buckets; a hash is crowded if that
    leaves pairs out.

    Args:
        rows: `FINGERPRINTS` of all buckets.
        most: how many of the sets that follow it each set is paired with.
    """
    hashes, ids, sets = (rows[name].to_numpy() for name in FINGERPRINTS.names)
    order = np.argsort(hashes)
    inner = hashes[order]
    same = inner[1:] == inner[:-1]
    # Nearly all hashes are alone: only the others are worth a full sort.
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


def unite(edges: Sequence[Int64]) -> Int64:
    """Several arrays of pairs as one: a < b, ascending, each once, int64[e, 2]."""
    if not edges:
        return np.empty((0, 2), np.int64)
    pairs = np.concatenate(edges)
    low, high = pairs.min(1, initial=np.iinfo(np.int64).max), pairs.max(1, initial=0)
    order = np.lexsort((high, low))
    low, high = low[order], high[order]
    new = np.ones(len(low), bool)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return np.column_stack([low[new & (low != high)], high[new & (low != high)]])


def estimate(edges: Int64, signatures: UInt32) -> Float64:
    """Estimated similarity of pairs of rows, float64[e]; a prefilter where signatures are at hand.

    Verification costs little more than this, so the path below does without.
    """
    found = np.empty(len(edges), np.float64)
    for start in range(0, len(edges), 1 << 16):
        part = edges[start : start + (1 << 16)]
        found[start : start + len(part)] = (signatures[part[:, 0]] == signatures[part[:, 1]]).mean(1)
    return found


def shingle_table(documents: pa.Table, bucket: int, near: Near, form: str, wanted: Int64) -> pa.Table:
    """`SETS` of those documents of a bucket that are among `wanted` (ids of any bucket), ascending."""
    here = wanted[wanted >> 32 == bucket]
    chosen = documents.take(pa.array(np.unique(here) & 0xFFFFFFFF))
    sets = sets_of(chosen, near, form)
    return pa.table([pa.array(np.unique(here)), sets.to_arrow()], schema=SETS)


def portions(edges: Int64, most: int = 100_000) -> list[Int64]:
    """Cut pairs into parts that need the sets of at most `most` documents each: arrays of row numbers of `edges`.

    Pairs that hang together stay together, so that few documents are needed by more than one part.
    """
    if most < 2:
        raise ValueError(f"a pair needs two documents, not {most}")
    ids, flat = np.unique(edges, return_inverse=True)
    nodes = flat.reshape(-1, 2)
    component = _components(nodes, len(ids))[nodes[:, 0]] if len(ids) else np.empty(0, np.int64)
    order = np.lexsort((nodes[:, 1], nodes[:, 0], component))
    cuts = _cuts(nodes[order].astype(np.int64), len(ids), most)
    return [part for part in np.split(order, cuts) if len(part)]


def verify(edges: Int64, sets: pa.Table) -> Float64:
    """Exact Jaccard similarity of pairs of documents, float64[e].

    Args:
        edges: int64[e, 2] of document ids.
        sets: `SETS` that hold all of these, in any order, in any number of chunks.
    """
    ids = sets["document"].to_numpy()
    order = np.argsort(ids, kind="stable")
    places = np.searchsorted(ids[order], edges)
    if len(edges) and (places.max() >= len(ids) or (ids[order][places] != edges).any()):
        raise ValueError("the sets of some documents that are to be compared are missing")
    rows = order[places]
    return minhash.jaccard(Shingles.from_arrow(sets["shingles"]), rows[:, 0], rows[:, 1])


def clusters(edges: Int64, similarity: Float64, threshold: float) -> pa.Table:
    """`CLUSTERS`: connected components over the pairs that reach the threshold; a cluster's name is its smallest id."""
    ids, flat = np.unique(edges[similarity >= threshold], return_inverse=True)
    if not len(ids):
        return CLUSTERS.empty_table()
    labels = _components(flat.reshape(-1, 2), len(ids))
    _, first = np.unique(labels, return_index=True)
    return pa.table([ids, ids[first][labels]], schema=CLUSTERS)


def members(documents: pa.Table, bucket: int, wanted: Int64 | None = None) -> pa.Table:
    """`MEMBERS`: what decides between twins, for the documents of a bucket, or those among `wanted` (ids)."""
    ids = document_ids(bucket, documents.num_rows)
    if wanted is not None:
        chosen = np.isin(ids, wanted)
        ids, documents = ids[chosen], documents.filter(pa.array(chosen))
    columns = [documents[name] for name in ("accepted", "score", "created")]
    return pa.table([pa.array(ids), *columns, _keys(documents)], schema=MEMBERS)


def survivors(
    people: pa.Table,
    labels: pa.Table,
    edges: Int64,
    similarity: Float64,
    verify_more: Callable[[Int64], Float64],
) -> pa.Table:
    """`TWINS`: a row for each member of a cluster, `survivor` and the rest null for the one that is kept.

    The accepted one survives, then the one with the highest score, then the oldest, then the smallest key. A cluster
    is named by the key of its oldest member. A removed row has its exact similarity with the survivor, and its most
    similar member among the verified pairs.

    Args:
        people: `MEMBERS` of at least all clusters' documents.
        labels: `CLUSTERS`.
        edges, similarity: the verified pairs, those below the threshold among them or not.
        verify_more: exact similarity of pairs that were no candidates, int64[e, 2] of ids -> float64[e].
    """
    people = people.join(labels, "document", join_type="inner").select([*MEMBERS.names, "cluster"])
    if people.num_rows != labels.num_rows:
        raise ValueError(f"{labels.num_rows} documents are in clusters, {people.num_rows} of them are described")
    if not people.num_rows:
        return TWINS.empty_table()
    people = _ranked(people)
    ids, cluster = people["document"].to_numpy(), people["cluster"].to_numpy()
    n = len(ids)
    _, first, group = np.unique(cluster, return_index=True, return_inverse=True)
    best = first[group]
    oldest = pc.sort_indices(people, [("cluster", "ascending"), ("created", "ascending"), ("key", "ascending")])
    name = oldest.to_numpy()[np.unique(cluster[oldest.to_numpy()], return_index=True)[1]][group]

    # Pairs as ranks: within members, of one cluster, both ways; the pair with the survivor among them.
    by_id = np.argsort(ids)
    inside = np.isin(edges, ids).all(1)
    pairs = by_id[np.searchsorted(ids[by_id], edges[inside])]
    values = similarity[inside]
    removed = np.flatnonzero(best != np.arange(n))
    wanted = np.column_stack([best[removed], removed])
    known = np.isin(wanted @ [n, 1], np.sort(pairs, 1) @ [n, 1])
    more = wanted[~known]
    pairs = np.concatenate([pairs, more])
    values = np.concatenate([values, verify_more(np.sort(ids[more], 1)) if len(more) else np.empty(0)])
    one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    values = np.concatenate([values, values])

    to_best = np.flatnonzero(best[one] == other)
    jaccard = np.full(n, np.nan)
    jaccard[one[to_best]] = values[to_best]
    # The nearest, and of equally near ones the best in rank.
    order = np.lexsort((other, -values, one))
    _, nearest = np.unique(one[order], return_index=True)
    link = np.full(n, -1)
    link[one[order][nearest]] = order[nearest]

    alone = best == np.arange(n)
    keys = people["key"].combine_chunks()
    return pa.table(
        [
            people["document"],
            keys.take(pa.array(name)),
            keys.take(pa.array(best, mask=alone)),
            pa.array(jaccard, pa.float32(), mask=alone),
            keys.take(pa.array(other[link], mask=alone)),
            pa.array(values[link], pa.float32(), mask=alone),
        ],
        schema=TWINS,
    )


def signals(documents: pa.Table, bucket: int, twins: pa.Table, name: str) -> pa.Table:
    """`SIGNALS[name]` of a bucket, row for row with its documents, from `TWINS` of any buckets."""
    ids = twins["document"].to_numpy()
    own = np.flatnonzero(ids >> 32 == bucket)
    places = np.full(documents.num_rows, -1)
    places[ids[own] & 0xFFFFFFFF] = own
    found = twins.take(pa.array(places, mask=places < 0))
    columns = {column: documents[column] for column in ("site", "post_id", "digest")}
    columns |= {column: found[column] for column in TWINS.names[1:]}
    return pa.table([columns[field.name] for field in SIGNALS[name]], schema=SIGNALS[name])


def near(documents: pa.Table, config: Near, name: str = "near") -> pa.Table:
    """`SIGNALS["near"]` or, by tokens of code, `SIGNALS["near_code"]` of one documents table, by the path above."""
    form = FORMS[name]
    edges, _ = candidates(fingerprints(documents, 0, config, form))
    sets = shingle_table(documents, 0, config, form, edges.reshape(-1))

    def similarity(pairs: Int64) -> Float64:
        return verify(pairs, sets)

    values = similarity(edges)
    labels = clusters(edges, values, config.threshold)
    people = members(documents, 0, labels["document"].to_numpy())
    return signals(documents, 0, survivors(people, labels, edges, values, similarity), name)


def text_hashes(documents: pa.Table) -> pa.Array:
    """Hash of the own text in NFKC, case folded, white space collapsed: binary(16)[n], BLAKE2b."""
    texts = documents["text"]
    data, starts, _ = minhash.utf8(texts)
    ends = np.asarray(documents["own_end"], dtype=np.int64)
    folded, bounds, plain = (
        np.empty(int(ends.sum()), np.uint8),
        np.zeros(len(ends) + 1, np.int64),
        np.empty(len(ends), bool),
    )
    _fold(data, starts, ends, folded, bounds, plain)
    view, at = folded.data, bounds.tolist()
    found = [hashlib.blake2b(view[a:b], digest_size=16).digest() for a, b in pairwise(at)]
    for row in np.flatnonzero(~plain).tolist():
        own = unicodedata.normalize("NFKC", texts[row].as_py()[: ends[row]]).casefold()
        found[row] = _digest(" ".join(own.split()))
    return pa.array(found, pa.binary(16))


def exact_survivors(hashes: pa.Array | pa.ChunkedArray, people: pa.Table) -> pa.Table:
    """Who is removed as an exact copy, and for whom: columns `document` int64, `survivor` string.

    Texts of nothing but white space are no copies of one another.

    Args:
        hashes: `text_hashes`, row for row with `people`; over many buckets, a group must have all rows of its hashes.
        people: `MEMBERS`.
    """
    people = people.append_column("cluster", hashes).filter(pc.not_equal(hashes, pa.scalar(_digest(""), pa.binary(16))))
    people = _ranked(people)
    codes = people["cluster"].combine_chunks().dictionary_encode().indices.to_numpy()
    _, first, group = np.unique(codes, return_index=True, return_inverse=True)
    best = first[group]
    removed = np.flatnonzero(best != np.arange(len(best)))
    keys = people["key"].take(pa.array(best[removed]))
    return pa.table({"document": people["document"].take(pa.array(removed)), "survivor": keys})


def exact_signals(documents: pa.Table, bucket: int, hashes: pa.Array, removed: pa.Table) -> pa.Table:
    """`SIGNALS["exact"]` of a bucket, from `exact_survivors` of any buckets."""
    ids = removed["document"].to_numpy()
    own = np.flatnonzero(ids >> 32 == bucket)
    places = np.full(documents.num_rows, -1)
    places[ids[own] & 0xFFFFFFFF] = own
    survivor = removed["survivor"].take(pa.array(places, mask=places < 0))
    columns = [documents["site"], documents["post_id"], documents["digest"], hashes, survivor]
    return pa.table(columns, schema=SIGNALS["exact"])


def exact(documents: pa.Table) -> pa.Table:
    """`SIGNALS["exact"]` of one documents table: equal texts, and which of them survives (as for near duplicates)."""
    hashes = text_hashes(documents)
    return exact_signals(documents, 0, hashes, exact_survivors(hashes, members(documents, 0)))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _keys(documents: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(documents["site"], documents["post_id"].cast(pa.string()), ":")


def _ranked(people: pa.Table) -> pa.Table:
    """Members in the order in which they would survive, cluster by cluster."""
    order = [("cluster", "ascending"), ("accepted", "descending"), ("score", "descending")]
    return people.sort_by([*order, ("created", "ascending"), ("key", "ascending")])


def _mix(values: UInt64) -> UInt64:
    """The finaliser of SplitMix64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _components(pairs: Int64, n: int) -> npt.NDArray[np.int32]:
    """The connected component of each of n nodes, int32[n]."""
    graph = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    labels: npt.NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return labels


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
def _fold(data, starts, ends, out, bounds, plain):  # type: ignore[no-untyped-def]
    """Of texts in ASCII, the first `ends` bytes in lower case with white space collapsed; the others are left empty."""
    at = 0
    for row in range(len(starts)):
        first = at
        gap = False
        plain[row] = True
        for i in range(starts[row], starts[row] + ends[row]):
            byte = data[i]
            if byte > 127:
                # From here on code points are no bytes, and folding is Python's.
                plain[row] = False
                at = first
                break
            if byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31:
                gap = at > first
                continue
            if gap:
                out[at] = 32
                at += 1
                gap = False
            out[at] = byte + 32 if 65 <= byte <= 90 else byte
            at += 1
        bounds[row + 1] = at


@njit(cache=True, nogil=True)
def _cuts(nodes, n, most):  # type: ignore[no-untyped-def]
    """Where to cut an ordered list of pairs, so that each part has at most `most` different nodes."""
    part = np.zeros(n, np.int64)
    cuts = np.empty(len(nodes), np.int64)
    now, held, found = 1, 0, 0
    for i in range(len(nodes)):
        a, b = nodes[i, 0], nodes[i, 1]
        new = (part[a] != now) + (part[b] != now)
        if held + new > most:
            cuts[found] = i
            found += 1
            now += 1
            held, new = 0, 2
        part[a], part[b] = now, now
        held += new
    return cuts[:found]
