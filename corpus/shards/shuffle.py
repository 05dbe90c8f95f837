"""The shuffle: the place of each row among the shards, and the groups in which they are written."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import config, schema
from socorpus.corpus.arrays import Int64, UInt64, mix64

STRETCHES = 8
"""Stretches of the shuffle's order that a shard is gathered in: bounds the memory of writing it."""


def number(bytes_by_split: Mapping[str, int], size_mb: int) -> dict[str, int]:
    """Number of shards of about `size_mb` (10^6 bytes) that each split needs; 0 where it has no bytes."""
    return {split: -(-size // (size_mb * 1_000_000)) for split, size in bytes_by_split.items()}


def place(rows: pa.Table, counts: Mapping[str, int], seed: int) -> Int64:
    """Each row's shard, int64[rows]: counted from 0 over all splits, which come in the order of `counts`.

    Args:
        rows: site, post_id, split.
        counts: the number of shards of each split.
        seed: the shuffle's.

    Raises:
        ValueError: a row's split has no shards.
    """
    before, first = 0, {}
    for name, count in counts.items():
        first[name], before = before, before + count
    coded = _coded(rows["split"])
    names = coded.dictionary.to_pylist()
    lacking = [name for name in names if counts.get(name, 0) < 1]
    if lacking:
        raise ValueError(f"no shards for {', '.join(sorted(lacking))}")
    code = coded.indices.to_numpy()
    of = np.array([counts[name] for name in names], np.uint64)[code]
    # The upper half of the hash, scaled: the shards of a split are stretches of the shuffle's order.
    within = ((_hashes(rows, seed) >> np.uint64(32)) * of) >> np.uint64(32)
    return np.array([first[name] for name in names], np.int64)[code] + within.astype(np.int64)


def order(rows: pa.Table, seed: int) -> Int64:
    """Indices that put rows into the shuffle's order, int64[rows]."""
    return np.lexsort((rows["post_id"].to_numpy(), _hashes(rows, seed)))


def stretches(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts for `place` that cut each shard into `STRETCHES` stretches of the shuffle's order."""
    return {name: count * STRETCHES for name, count in counts.items()}


def groups(parts: Iterable[pa.Table], shards: config.Shards) -> Iterator[pa.Table]:
    """The row groups of one shard, from its stretches: no more than one of them is held.

    Every row group but the last has exactly `shards.row_group` rows.

    Args:
        parts: the shard's stretches in order, the rows of each in any order; one table of all rows will do.

    Raises:
        ValueError: a row is there twice, or the stretches are not in order.
    """
    held, size = schema.SHARDS.empty_table(), shards.row_group
    last: tuple[int, int] | None = None
    for part in parts:
        table = part.take(pa.array(order(part, shards.seed))).combine_chunks()
        if not table.num_rows:
            continue
        _check_once(table)
        ends = _hashes(table, shards.seed)[[0, -1]].tolist()
        first = (ends[0], table["post_id"][0].as_py())
        if last is not None and first <= last:
            raise ValueError(f"{schema.key(table['site'][0].as_py(), first[1])} is there twice, or before its stretch")
        last = (ends[1], table["post_id"][-1].as_py())
        held = pa.concat_tables([held, table])
        whole = held.num_rows // size * size
        for start in range(0, whole, size):
            yield held.slice(start, size).combine_chunks()
        held = held.slice(whole).combine_chunks()
    if held.num_rows or last is None:
        yield held


def _hashes(rows: pa.Table, seed: int) -> UInt64:
    """64-bit hashes of (seed, site, post_id): BLAKE2b of the first two, mixed with the third as splitmix64 does."""
    coded = _coded(rows["site"])
    names = [f"{seed}:{site}".encode() for site in coded.dictionary.to_pylist()]
    digests = [hashlib.blake2b(name, digest_size=8).digest() for name in names]
    of_site = np.array([int.from_bytes(digest, "little") for digest in digests], np.uint64)
    numbers = rows["post_id"].to_numpy().astype(np.uint64)
    return mix64(of_site[coded.indices.to_numpy()] + numbers * np.uint64(0x9E3779B97F4A7C15))


def _coded(names: pa.ChunkedArray) -> pa.DictionaryArray:
    """Strings as a dictionary array, whose values are those that occur."""
    return pc.cast(names, pa.string()).combine_chunks().dictionary_encode()


def _check_once(table: pa.Table) -> None:
    """Raise if a row stands beside itself in the shuffle's order."""
    numbers, sites = table["post_id"].to_numpy(), table["site"].combine_chunks()
    for row in np.flatnonzero(numbers[1:] == numbers[:-1]).tolist():
        if sites[row] == sites[row + 1]:
            raise ValueError(f"{schema.key(sites[row].as_py(), int(numbers[row]))} is there twice")
