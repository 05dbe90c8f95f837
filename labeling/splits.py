"""The split of every thread, computed again from a corpus's files: the same as in its shards.

Within a site the newest threads are for test, those before them for validation, and threads that a duplicate ties
together stay together (`corpus.shards.split`). Examples have this split; labels have that of `labeling.stratify`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import counted
from socorpus.corpus.config import Split
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.shards import split, split_files
from socorpus.corpus.storage import parquet, partitions, rows_hash
from socorpus.corpus.storage.buckets import Bucket

PATH = ".work/labels/splits.arrow"
TIED_PATH = ".work/labels/tied.arrow"
_TIED = pa.schema([("thread_id", pa.int64())])
SIGNALS = ("exact", "near", "near_code")
"""Signals that tie threads together."""


def assign(root: Path, buckets: Sequence[Bucket], config: Split) -> Outcome:
    """The split of every thread, one batch per bucket; `counts["batches"]` has a hash of each."""
    survivors = (parquet.read(root / bucket.path("signals/exact"), columns=["survivor"]) for bucket in buckets)
    named = split.posts_of(table["survivor"] for table in survivors)
    linked: list[pa.Table] = []
    tied: list[pa.Table] = []

    def threads() -> Iterator[pa.Table]:
        for bucket in buckets:
            columns = ["site", "post_id", "thread_id", "kind", "created"]
            documents = parquet.read(root / bucket.path("documents"), columns=columns)
            for name in SIGNALS:
                signal = parquet.read(root / bucket.path(f"signals/{name}"))
                ties = split.clusters(documents, signal, named if name == "exact" else None)
                names = pc.binary_join_element_wise(pa.scalar(name), ties["cluster"], ":").dictionary_encode()
                sites = ties["site"].dictionary_encode()
                linked.append(pa.table([names, sites, ties["thread_id"]], names=split.LINKED.names))
            own_ties = [ties.select(["thread_id"]) for ties in linked[-len(SIGNALS) :]]
            tied.append(pa.table([pc.unique(pa.concat_tables(own_ties)["thread_id"])], schema=_TIED))
            yield split.threads(documents)

    assigned, batches = split_files.write_splits(root / PATH, threads(), linked, config)
    partitions.write(root / TIED_PATH, _TIED, tied)
    named_batches = {bucket.name: batch for bucket, batch in zip(buckets, batches, strict=True)}
    rows = {PATH: assigned.num_rows, TIED_PATH: sum(part.num_rows for part in tied)}
    counts = {"threads": counted(assigned["split"]), "batches": named_batches}
    return Outcome(rows, counts | {"tied": receipts.fingerprint([rows_hash.of(part) for part in tied])})


def of_bucket(root: Path, bucket: Bucket) -> pa.Table:
    """The splits of a bucket's threads, as `split_files.SPLIT`."""
    return partitions.read([root / PATH], split_files.SPLIT, bucket.index)


def tied(root: Path, bucket: int) -> pa.ChunkedArray:
    """The threads of a bucket, by its index, that a duplicate may tie to others."""
    return partitions.read([root / TIED_PATH], _TIED, bucket)["thread_id"]
