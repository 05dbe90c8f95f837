"""The splits of threads as files, and the decided rows of a bucket with their splits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.config import Split
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.shards import split
from socorpus.corpus.storage import parquet, partitions, rows_hash
from socorpus.corpus.storage.buckets import Bucket

SPLITS_PATH = ".work/splits.arrow"
SPLIT = pa.schema([("thread_id", pa.int64()), ("split", pa.string())])
"""The split of each thread; a file of these has one batch a bucket."""


_COLUMNS = [name for name in schema.DOCUMENTS.names if name not in ("closed", "edited", "views", "answers", "links")]


def write_splits(
    path: Path, threads: Iterable[pa.Table], linked: Sequence[pa.Table], config: Split
) -> tuple[pa.Table, list[str]]:
    """Assign the threads of all buckets (`split.THREADS`, one table a bucket) and write them, one batch a bucket.

    Args:
        threads, linked: `split.THREADS` and `split.LINKED`; names of sites may be dictionaries, of clusters numbers.
            All of `threads` is taken before `linked` is looked at.

    Returns:
        All threads as `SPLIT` (its splits a dictionary), and a hash of each batch's content.
    """
    all_threads, sizes = _together(threads)
    ties = pa.concat_tables(linked) if linked else split.LINKED.empty_table()
    assigned = split.assign(all_threads, ties, config).select(SPLIT.names)
    del all_threads
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    hashes: list[str] = []

    def parts() -> Iterator[pa.Table]:
        for start, size in zip(starts, sizes, strict=False):
            part = assigned.slice(start, size)
            hashes.append(content(part))
            yield part.cast(SPLIT)

    partitions.write(path, SPLIT, parts())
    return assigned, hashes


def _together(threads: Iterable[pa.Table]) -> tuple[pa.Table, list[int]]:
    """The threads of all buckets as one table, and the number of each one's. They are tens of millions on a large site:
    a column that is put together lets its pieces go."""
    pieces: list[list[npt.NDArray[np.int64]]] = [[], []]
    sites: dict[str, int] = {}
    codes, sizes = [], []
    for table in threads:
        names = table["site"].combine_chunks().dictionary_encode()
        code = np.array([sites.setdefault(name, len(sites)) for name in names.dictionary.to_pylist()], np.int32)
        codes.append(code[names.indices.to_numpy()])
        pieces[0].append(table["thread_id"].to_numpy())
        pieces[1].append(table["created"].cast(pa.int64()).to_numpy())
        sizes.append(table.num_rows)
    columns = [pa.array(np.concatenate([np.zeros(0, np.int64), *pieces.pop(0)])) for _ in range(2)]
    site = pa.array(np.concatenate([np.zeros(0, np.int32), *codes]))
    names = pa.DictionaryArray.from_arrays(site, pa.array(list(sites), pa.string()))
    created = columns[1].cast(split.THREADS.field("created").type)
    return pa.table([names, columns[0], created], names=split.THREADS.names), sizes


def content(part: pa.Table) -> str:
    """A hash of threads and their splits."""
    return rows_hash.of(part.cast(SPLIT))


def decided_rows(root: Path, bucket: Bucket) -> tuple[pa.Table, pa.Table, pa.Table, pa.Table]:
    documents = parquet.read(root / bucket.path("documents"), columns=_COLUMNS)
    decisions = parquet.read(root / bucket.path("decisions"))
    privacy = parquet.read(root / bucket.path("signals/privacy"))
    return documents, decisions, privacy, partitions.read([root / SPLITS_PATH], SPLIT, bucket.index)


def inputs(
    buckets: Sequence[Bucket],
    documents: Mapping[str, Receipt],
    decisions: Mapping[str, Receipt],
    privacy: Mapping[str, Receipt],
    splits: Receipt,
) -> dict[str, dict[str, str]]:
    """Hashes of the inputs of `decided_rows`, by bucket."""
    return {
        bucket.name: {
            "documents": documents[bucket.name].content,
            "decisions": decisions[bucket.name].content,
            "privacy": privacy[bucket.name].content,
            "split": splits.counts["batches"][str(bucket.index)],
        }
        for bucket in buckets
    }
