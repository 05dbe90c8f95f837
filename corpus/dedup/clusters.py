"""Exact and near duplicates: fingerprints, candidates, verification, clusters, survivors.

Two posts are near duplicates if the exact Jaccard similarity of their shingles (words of the own text, or tokens of the
own code) reaches a threshold, and if what words do not show (signs, numbers, negations, code) is the same. MinHash
signatures, cut into bands, only name the candidates (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets",
chapter 3); every pair is verified before a row is marked.

All functions are pure, and no engine is named here. A row of any bucket of documents is identified by an
int64, `bucket << 32 | row`. `near` below is the whole path over one table; over many buckets each step is a map:

    rows = fingerprints(documents, bucket, near, form)     # a bucket: (hash, document, set); write by hash % groups
    edges, crowds = candidates(rows)                       # a group of hashes, all buckets: pairs of documents
    edges = unite(edges of all groups)                     # client
    sets = shingle_table(documents, bucket, near, form, numpy.unique(edges))    # a bucket: sets of its own documents
    for part in portions(edges):                           # client: each part needs a bounded number of sets
        similarity[part] = verify(edges[part], sets)       # a part, given the sets of its documents
        same[part] = alike(edges[part], sets, near)
    edges, similarity = edges[same], similarity[same]
    labels = clusters(edges, similarity, near.threshold)   # client
    people = members(documents, bucket, labels["document"])    # a bucket: who is accepted, scored, older
    labels = split(people, labels, edges, alike_more)          # client; alike_more(edges) as above
    twins = survivors(people, labels, edges, similarity, verify_more)    # client; verify_more(edges) as above
    signals(documents, bucket, twins, name)                # a bucket: SIGNALS["near"] or SIGNALS["near_code"]

What reaches the client: candidate pairs (16 bytes each), and a row for each member of a cluster. Documents with equal
sets and marks share all hashes; they are collapsed to one before pairs are made and tied to it by a single pair each,
so that thousands of copies of one text cost no more than their number.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import Float64, Int64
from socorpus.corpus.config import Near
from socorpus.corpus.dedup.components import components
from socorpus.corpus.dedup.lsh import FORMS, alike, candidates, document_ids, fingerprints, shingle_table, verify
from socorpus.corpus.schema import SIGNALS, TIME

Mask = npt.NDArray[np.bool_]

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


def clusters(edges: Int64, similarity: Float64, threshold: float) -> pa.Table:
    """`CLUSTERS`: connected components over the pairs that reach the threshold; a cluster's name is its smallest id."""
    ids, flat = np.unique(edges[similarity >= threshold], return_inverse=True)
    if not len(ids):
        return CLUSTERS.empty_table()
    labels = components(flat.reshape(-1, 2), len(ids))
    _, first = np.unique(labels, return_index=True)
    return pa.table([ids, ids[first][labels]], schema=CLUSTERS)


def members(documents: pa.Table, bucket: int, wanted: Int64 | None = None) -> pa.Table:
    """`MEMBERS`: columns that decide between twins, for the documents of a bucket, or those among `wanted` (ids)."""
    ids = document_ids(bucket, documents.num_rows)
    if wanted is not None:
        chosen = np.isin(ids, wanted)
        ids, documents = ids[chosen], documents.filter(pa.array(chosen))
    columns = [documents[name] for name in ("accepted", "score", "created")]
    return pa.table([pa.array(ids), *columns, document_keys(documents)], schema=MEMBERS)


def split(people: pa.Table, labels: pa.Table, edges: Int64, alike_more: Callable[[Int64], Mask]) -> pa.Table:
    """`CLUSTERS` in which each member is alike with the one that survives, and tied to it by such members.

    A chain of pairs may lead from a text to one that says the opposite: then these are parted, and what is left of the
    cluster is settled in the same way; what is not settled after some rounds is in no cluster.

    Args:
        people: `MEMBERS` of at least all clusters' documents.
        labels: `CLUSTERS`.
        edges: pairs of one cluster that are alike and reach the threshold.
        alike_more: whether pairs that were no candidates are alike, int64[e, 2] of ids -> bool[e].
    """
    ids, cluster = labels["document"].to_numpy(), labels["cluster"].to_numpy().copy()
    people = people.filter(pc.is_in(people["document"], labels["document"]))
    order = ranked(people.append_column("cluster", pa.array(np.zeros(people.num_rows, np.int64))))
    rank = np.empty(len(ids), np.int64)
    rank[np.searchsorted(ids, order["document"].to_numpy())] = np.arange(len(ids))
    pairs = np.searchsorted(ids, edges)
    settled = np.full(len(ids), -1)
    waiting = np.ones(len(ids), bool)
    for _ in range(_ROUNDS):
        rows = np.flatnonzero(waiting)
        if not len(rows):
            break
        rows = rows[np.lexsort((rank[rows], cluster[rows]))]
        _, first, group = np.unique(cluster[rows], return_index=True, return_inverse=True)
        best = np.full(len(ids), -1)
        best[rows] = rows[first[group]]
        others = rows[best[rows] != rows]
        wanted = np.sort(np.column_stack([best[others], others]), 1)
        fits = np.isin(wanted @ [len(ids), 1], pairs @ [len(ids), 1])
        if not fits.all():
            fits[~fits] = alike_more(ids[wanted[~fits]])
        best[others[~fits]] = -1
        # Those that only one that is parted ties to the best one go with it.
        tied = pairs[(best[pairs] >= 0).all(1) & (best[pairs[:, 0]] == best[pairs[:, 1]])]
        part = components(tied, len(ids))
        best[part != part[best]] = -1
        done = best >= 0
        settled[done] = best[done]
        waiting &= ~done
        left = pairs[waiting[pairs].all(1) & (cluster[pairs[:, 0]] == cluster[pairs[:, 1]])]
        cluster = components(left, len(ids)).astype(np.int64)
        waiting &= np.isin(np.arange(len(ids)), left)
    _, first, group, size = np.unique(settled, return_index=True, return_inverse=True, return_counts=True)
    chosen = (settled >= 0) & (size[group] > 1)
    return pa.table([ids[chosen], ids[first[group]][chosen]], schema=CLUSTERS)


_ROUNDS = 8


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
        labels: `CLUSTERS`, of `split`.
        edges, similarity: pairs that are alike, with or without those below the threshold.
        verify_more: exact similarity of pairs that were no candidates, int64[e, 2] of ids -> float64[e].
    """
    people = people.join(labels, "document", join_type="inner").select([*MEMBERS.names, "cluster"])
    if people.num_rows != labels.num_rows:
        raise ValueError(f"{labels.num_rows} documents are in clusters, {people.num_rows} of them are described")
    if not people.num_rows:
        return TWINS.empty_table()
    people = ranked(people)
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
    of_one = cluster[pairs[:, 0]] == cluster[pairs[:, 1]]
    pairs, values = pairs[of_one], values[of_one]
    removed = np.flatnonzero(best != np.arange(n))
    wanted = np.column_stack([best[removed], removed])
    known = np.isin(wanted @ [n, 1], np.sort(pairs, 1) @ [n, 1])
    more = wanted[~known]
    pairs = np.concatenate([pairs, more])
    values = np.concatenate([values, verify_more(np.sort(ids[more], 1)) if len(more) else np.empty(0)])
    left, right = np.concatenate([pairs, pairs[:, ::-1]]).T
    values = np.concatenate([values, values])

    to_best = np.flatnonzero(best[left] == right)
    jaccard = np.full(n, np.nan)
    jaccard[left[to_best]] = values[to_best]
    # The nearest, and of equally near ones the best in rank.
    order = np.lexsort((right, -values, left))
    _, nearest = np.unique(left[order], return_index=True)
    link = np.full(n, -1)
    link[left[order][nearest]] = order[nearest]

    alone = best == np.arange(n)
    keys = people["key"].combine_chunks()
    return pa.table(
        [
            people["document"],
            keys.take(pa.array(name)),
            keys.take(pa.array(best, mask=alone)),
            pa.array(jaccard, pa.float32(), mask=alone),
            keys.take(pa.array(right[link], mask=alone)),
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
    marks = twins.take(pa.array(places, mask=places < 0))
    columns = {column: documents[column] for column in ("site", "post_id")}
    columns |= {column: marks[column] for column in TWINS.names[1:]}
    return pa.table([columns[field.name] for field in SIGNALS[name]], schema=SIGNALS[name])


def near(documents: pa.Table, config: Near, name: str = "near") -> pa.Table:
    """`SIGNALS["near"]` or, by tokens of code, `SIGNALS["near_code"]` of one documents table, by the path above."""
    form = FORMS[name]
    edges, _ = candidates(fingerprints(documents, 0, config, form))
    sets = shingle_table(documents, 0, config, form, edges.reshape(-1))

    def similarity(pairs: Int64) -> Float64:
        return verify(pairs, sets)

    edges = edges[alike(edges, sets, config)]
    values = similarity(edges)
    labels = clusters(edges, values, config.threshold)
    people = members(documents, 0, labels["document"].to_numpy())
    tied = edges[values >= config.threshold]
    labels = split(people, labels, tied, lambda pairs: alike(pairs, sets, config))
    return signals(documents, 0, survivors(people, labels, edges, values, similarity), name)


def document_keys(documents: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(documents["site"], documents["post_id"].cast(pa.string()), ":")


def ranked(people: pa.Table) -> pa.Table:
    """Members in the order in which they would survive, cluster by cluster."""
    order = [("cluster", "ascending"), ("accepted", "descending"), ("score", "descending")]
    return people.sort_by([*order, ("created", "ascending"), ("key", "ascending")])
