"""Train, validation and test: by thread and by time, never by row.

Within a site the newest threads are the test split, those before them the validation split. Threads that a duplicate
ties together, across sites too, go to one split, the earliest that any of them has: nothing straddles, and no copy of a
training post is in a later split.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import config, schema
from socorpus.corpus.arrays import Int64
from socorpus.corpus.dedup.components import components

FEWEST = 10
"""Threads from which a site has a validation and a test split."""

THREADS = pa.schema(
    [pa.field("site", pa.string()), pa.field("thread_id", pa.int64()), pa.field("created", schema.TIME)]
)
LINKED = pa.schema([pa.field("cluster", pa.string()), pa.field("site", pa.string()), pa.field("thread_id", pa.int64())])


def threads(documents: pa.Table) -> pa.Table:
    """One row a thread of `documents` (site, thread_id, kind, created), as `THREADS`.

    `created` is the date of the question, or of the oldest known post where the question is not there. A thread must
    not be cut in two by its callers: buckets of threads can be done one by one, and put together.
    """
    asked = pc.if_else(pc.equal(documents["kind"], "question"), documents["created"], pa.scalar(None, schema.TIME))
    table = documents.select(["site", "thread_id", "created"]).append_column("asked", asked)
    grouped = table.group_by(["site", "thread_id"], use_threads=False).aggregate([("asked", "min"), ("created", "min")])
    created = pc.coalesce(grouped["asked_min"], grouped["created_min"])
    return pa.table([grouped["site"], grouped["thread_id"], created], schema=THREADS)


def posts_of(keys: Iterable[pa.ChunkedArray]) -> dict[str, Int64]:
    """Posts by site, each once and ascending, from their keys (`SITE:POST`); nulls are passed over."""
    posts: dict[str, list[Int64]] = {}
    for some in keys:
        parts = pc.split_pattern(pc.drop_null(pc.unique(some)), ":", max_splits=1, reverse=True)
        sites = pc.list_element(parts, 0).dictionary_encode()
        numbers = pc.list_element(parts, 1).cast(pa.int64()).to_numpy(zero_copy_only=False)
        for code, site in enumerate(sites.dictionary.to_pylist()):
            posts.setdefault(site, []).append(numbers[sites.indices.to_numpy() == code])
    return {site: np.unique(np.concatenate(numbers)) for site, numbers in posts.items()}


def clusters(documents: pa.Table, signal: pa.Table, survivors: Mapping[str, Int64] | None = None) -> pa.Table:
    """The threads that a duplicate signal ties together, as `LINKED`, from rows that are aligned.

    `signal` is `near` or `near_code`, whose `cluster` is the name, or `exact`: there the survivor's key is the name,
    and `survivors` are the posts that the signals of all buckets name (`posts_of`; default: those of this one).
    Clusters of different signals may be put in one table: equal names mean a post in common.
    """
    if "cluster" in signal.column_names:
        name = signal["cluster"]
    else:
        named = posts_of([signal["survivor"]]) if survivors is None else survivors
        site, number = (pc.cast(documents[column], pa.string()) for column in ("site", "post_id"))
        own = pc.binary_join_element_wise(site, number, ":")
        kept = pc.if_else(pa.array(_among(documents, named)), own, pa.scalar(None, pa.string()))
        name = pc.coalesce(signal["survivor"], kept)
    table = pa.table([name, documents["site"], documents["thread_id"]], schema=LINKED)
    return table.filter(pc.is_valid(table["cluster"]))


def _among(documents: pa.Table, posts: Mapping[str, Int64]) -> npt.NDArray[np.bool_]:
    """Whether documents are among some posts. They are many where a bucket's documents are few."""
    among, numbers = np.zeros(documents.num_rows, bool), documents["post_id"].to_numpy()
    sites, codes = _codes(documents["site"])
    for code, rows in _runs(codes):
        wanted = posts.get(sites[code])
        if wanted is not None and len(wanted):
            places = np.minimum(np.searchsorted(wanted, numbers[rows]), len(wanted) - 1)
            among[rows] = wanted[places] == numbers[rows]
    return among


def sizes(count: int, shares: config.Split) -> tuple[int, int]:
    """Numbers of validation and test threads among a site's `count`; at least one of each that has a share."""
    if count < FEWEST:
        return 0, 0
    test = min(count - 2, max(1, int(count * shares.test + 0.5))) if shares.test else 0
    validation = min(count - 1 - test, max(1, int(count * shares.validation + 0.5))) if shares.validation else 0
    return validation, test


def assign(all_threads: pa.Table, linked: pa.Table, shares: config.Split) -> pa.Table:
    """The split of each thread.

    Args:
        all_threads: every thread once, as `THREADS`, in any order.
        linked: threads that belong to a cluster of duplicates, as `LINKED`, in any order; those that are not in
            `all_threads` tie nothing.
        shares: the shares of validation and test.

    Returns:
        site, thread_id (as in `all_threads`, row for row) and split, which is a dictionary array.

    Raises:
        ValueError: a thread is given twice.
    """
    sites, codes = _codes(all_threads["site"])
    numbers = all_threads["thread_id"].to_numpy()
    created = all_threads["created"].cast(pa.int64()).to_numpy()
    split = np.zeros(len(numbers), np.int8)
    linked_sites, linked_codes = _codes(linked["site"])
    linked_numbers = linked["thread_id"].to_numpy()
    position = {name: code for code, name in enumerate(linked_sites)}
    node = np.full(len(linked), -1, np.int64)  # row of `all_threads`
    rows_of_link = dict(_runs(linked_codes))
    for code, rows in _runs(codes):
        own = numbers[rows]
        _refuse_twice(own, sites[code])
        _newest(split, rows, own, created[rows], shares)
        links = rows_of_link.get(position.get(sites[code], -1))
        if links is not None:
            # The fewer are sorted: a site may have tens of millions of threads.
            wanted = np.unique(linked_numbers[links])
            places = np.minimum(np.searchsorted(wanted, own), len(wanted) - 1)
            there = np.flatnonzero(wanted[places] == own)
            row_of = np.full(len(wanted), -1, np.int64)
            row_of[places[there]] = _numbers(rows)[there]
            node[links] = row_of[np.searchsorted(wanted, linked_numbers[links])]
    _unite(split, node, linked["cluster"])
    names = pa.DictionaryArray.from_arrays(pa.array(split), pa.array(schema.SPLITS))
    return pa.table({"site": all_threads["site"], "thread_id": all_threads["thread_id"], "split": names})


def _refuse_twice(numbers: Int64, site: str) -> None:
    ordered = np.sort(numbers)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(again):
        raise ValueError(f"thread {again[0]} of {site} is given twice")


def _newest(
    split: npt.NDArray[np.int8], rows: Int64 | slice, numbers: Int64, created: Int64, shares: config.Split
) -> None:
    """Put the newest threads of a site (`rows` of `split`) into test, those before them into validation, in place."""
    validation, test = sizes(len(numbers), shares)
    held_out = validation + test
    if not held_out:
        return
    oldest = np.partition(created, len(created) - held_out)[-held_out]
    late = np.flatnonzero(created >= oldest)
    late = late[np.lexsort((numbers[late], created[late]))][-held_out:]  # of equal dates, the smaller number first
    names = np.repeat(np.array([1, 2], np.int8), [validation, test])
    if isinstance(rows, slice):
        split[rows][late] = names
    else:
        split[rows[late]] = names


def _unite(split: npt.NDArray[np.int8], node: npt.NDArray[np.int64], cluster: pa.ChunkedArray) -> None:
    """Give every group of linked threads the earliest split of its members, in place."""
    present = node >= 0
    if not present.any():
        return
    rows, members = np.unique(node[present], return_inverse=True)
    names = cluster.to_numpy() if pa.types.is_integer(cluster.type) else _codes(cluster)[1]
    _, named = np.unique(names[present], return_inverse=True)
    # Threads and clusters are the two sides of one graph: a thread in two clusters joins them.
    group = components(np.column_stack([members, len(rows) + named]), len(rows) + int(named.max()) + 1)
    earliest = np.full(int(group.max()) + 1, len(schema.SPLITS), np.int8)
    np.minimum.at(earliest, group[: len(rows)], split[rows])
    split[rows] = earliest[group[: len(rows)]]


def _codes(names: pa.ChunkedArray) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Distinct names and, for each row, the number of its name."""
    # Chunk by chunk, then one dictionary: names of all threads may not fit one string array.
    coded = names if pa.types.is_dictionary(names.type) else names.dictionary_encode()
    chunks = coded.unify_dictionaries().chunks
    if not chunks:
        return [], np.zeros(0, np.int32)
    codes = [chunk.indices.to_numpy(zero_copy_only=False).astype(np.int32) for chunk in chunks]
    return chunks[0].dictionary.to_pylist(), np.concatenate(codes)


def _numbers(rows: Int64 | slice) -> Int64:
    return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows


def _runs(codes: npt.NDArray[np.int32]) -> Iterator[tuple[int, Int64 | slice]]:
    """Rows of each code, in order; as slices where they lie together, which takes no copy of what they are rows of."""
    if (codes[1:] >= codes[:-1]).all():
        bounds = np.r_[0, np.flatnonzero(np.diff(codes)) + 1, len(codes)]
        for start, end in itertools.pairwise(bounds.tolist()):
            if end > start:
                yield int(codes[start]), slice(start, end)
        return
    order = np.argsort(codes, kind="stable")
    bounds = np.r_[0, np.flatnonzero(np.diff(codes[order])) + 1, len(codes)]
    for start, end in itertools.pairwise(bounds.tolist()):
        if end > start:
            yield int(codes[order[start]]), order[start:end]
