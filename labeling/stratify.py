"""The split of a task's labels: by thread and by time as the shards', and stratified by label where there are enough.

Labels don't lie evenly in time. An answer is called obsolete years after it was written, so that the newest threads,
which are the shards' test split, have next to no such label. Therefore the newest threads of each label go to its test
split, those before them to its validation split. What the shards hold out is never trained on, and threads that a
duplicate ties to others stay where those are.

Only votes of labelling functions decide a thread's stratum: the split does not move when a person or a model judges a
post.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.config import Split
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.schema import SPLITS
from socorpus.corpus.shards import split, split_files
from socorpus.corpus.storage import parquet, partitions
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import example_texts, schema, splits
from socorpus.labeling.schema import Task

Ints = npt.NDArray[np.int64]

# Narrow, since all threads of a corpus are held at once, in the order of their buckets.
_THREADS = np.dtype([("thread", "i8"), ("created", "i8"), ("label", "i1"), ("split", "i1")])


def path(task: str) -> str:
    """Path of the splits of a task's threads that differ from the shards', one batch per bucket."""
    return f".work/labels/{task}/splits.arrow"


def stratify(root: Path, buckets: Sequence[Bucket], task: Task, shares: Split) -> Outcome:
    """Votes of all buckets -> the threads whose split is not that of the shards; `counts["batches"]` hashes each batch.

    Args:
        shares: of each label's threads.
    """
    voted = [_voted(root, bucket, task) for bucket in buckets]
    rarity = sum((np.bincount(of["label"], minlength=len(task.labels)) for of in voted), np.zeros(1, np.int64))
    by_bucket = [_by_thread(voted.pop(0), rarity) for _ in buckets]
    bounds = np.cumsum([0, *map(len, by_bucket)])
    thread, created, label, held = (
        np.concatenate([np.zeros(0, _THREADS[name]), *(of[name] for of in by_bucket)]) for name in _THREADS.names or ()
    )
    del by_bucket
    tied = np.zeros(len(thread), bool)
    for bucket, (start, stop) in zip(buckets, pairwise(bounds.tolist()), strict=True):
        if stop > start:
            tied[start:stop] = np.isin(thread[start:stop], splits.tied(root, bucket.index).to_numpy())
    new = assign(label, _age(thread, created, _sites(buckets, bounds)), held, tied, shares)
    moved = np.flatnonzero(new != held)
    names = pa.array(SPLITS).take(pa.array(new[moved]))
    table = pa.table([pa.array(thread[moved]), names], schema=split_files.SPLIT)
    parts = [table.slice(a, b - a) for a, b in pairwise(np.searchsorted(moved, bounds).tolist())]
    partitions.write(root / path(task.name), split_files.SPLIT, parts)
    batches = {bucket.name: split_files.content(part) for bucket, part in zip(buckets, parts, strict=True)}
    return Outcome({path(task.name): len(moved)}, {"batches": batches})


def assign(label: Ints, age: npt.NDArray[np.float64], held: Ints, tied: npt.NDArray[np.bool_], shares: Split) -> Ints:
    """The split of each thread, as a number of `corpus.schema.SPLITS`.

    Args:
        label: of each thread.
        age: place in time, the newest last.
        held: the split in the shards. Threads held out there are held out here first, and are never trained on.
        tied: threads that keep that split.
        shares: of the threads of each label that has `corpus.shards.split.FEWEST` or more.
    """
    new = held.copy()
    for stratum in np.unique(label).tolist():
        rows = np.flatnonzero(label == stratum)
        validation, test = split.sizes(len(rows), shares)
        fixed = held[rows[tied[rows]]]
        free = rows[~tied[rows]]
        free = free[np.lexsort((age[free], held[free]))[::-1]]
        tests = max(0, test - int((fixed == 2).sum()))
        validations = max(0, validation - int((fixed == 1).sum()))
        wanted = np.zeros(len(free), np.int64)
        wanted[:tests] = 2
        wanted[tests : tests + validations] = 1
        new[free] = np.maximum(wanted, held[free])
    return new


def resplit(root: Path, bucket: Bucket, task: str, examples: pa.Table) -> pa.Table:
    """The examples of a bucket with the split of their labels."""
    moved = partitions.read([root / path(task)], split_files.SPLIT, bucket.index)
    row = pc.index_in(examples["thread_id"], value_set=moved["thread_id"].combine_chunks())
    place = examples.schema.get_field_index("split")
    new = pc.coalesce(moved["split"].combine_chunks().take(row), examples["split"])
    return examples.set_column(place, examples.schema.field(place), new)


def _voted(root: Path, bucket: Bucket, task: Task) -> npt.NDArray[np.void]:
    """The examples of a bucket on which functions voted, with the label of most votes; on a tie the first."""
    votes = parquet.read(root / schema.path(task.name, "votes", bucket.name), columns=["post_id", "label"])
    columns = ["post_id", "thread_id", "created", "split"]
    examples = example_texts.read(root, task.name, bucket.name, columns)
    posts, post = np.unique(votes["post_id"].to_numpy(), return_inverse=True)
    counts = np.zeros((len(posts), len(task.labels)), np.int64)
    np.add.at(counts, (post, pc.index_in(votes["label"], value_set=pa.array(task.labels)).to_numpy()), 1)
    rows = examples.take(pc.index_in(pa.array(posts), value_set=examples["post_id"].combine_chunks()))
    voted = np.zeros(len(posts), _THREADS)
    voted["thread"] = rows["thread_id"].to_numpy()
    voted["created"] = rows["created"].cast(pa.int64()).to_numpy()
    voted["label"] = counts.argmax(1)
    voted["split"] = pc.index_in(rows["split"], value_set=pa.array(SPLITS)).to_numpy()
    return voted


def _by_thread(voted: npt.NDArray[np.void], rarity: Ints) -> npt.NDArray[np.void]:
    """One row per thread of a bucket, in order, with the rarest label and the earliest time of its examples.

    Args:
        rarity: number of examples of each label, in all buckets.
    """
    voted = voted[np.lexsort((voted["label"], rarity[voted["label"]], voted["thread"]))]
    begins = np.r_[True, np.diff(voted["thread"]).astype(bool)][: len(voted)]
    rows = voted[begins].copy()
    if len(rows):
        rows["created"] = np.minimum.reduceat(voted["created"], np.flatnonzero(begins))
    return rows


def _sites(buckets: Sequence[Bucket], bounds: Ints) -> list[tuple[int, int]]:
    """The rows of each site, from its first to behind its last, by those of its buckets."""
    places = [index for index, bucket in enumerate(buckets) if index == 0 or bucket.site != buckets[index - 1].site]
    return list(pairwise(bounds[[*places, len(buckets)]].tolist()))


def _age(thread: Ints, created: Ints, sites: Sequence[tuple[int, int]]) -> npt.NDArray[np.float64]:
    """Place of each thread among those of its site by time, from 0 to 1: sites of all ages count alike."""
    age = np.zeros(len(thread), np.float64)
    for start, stop in sites:
        order = np.lexsort((thread[start:stop], created[start:stop]))
        age[start:stop][order] = (np.arange(stop - start) + 1) / (stop - start)
    return age
