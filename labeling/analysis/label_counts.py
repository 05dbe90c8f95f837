"""What the report's plots of a task's labels show: counts of its labels by probability, site and year, and which
functions vote on the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import bucket_files
from socorpus.labeling.schema import FOLDER

Ints = npt.NDArray[np.int64]

BINS = 20
"""Bins of a probability, from 0 to 1."""
MOST_LABELS = 4_000_000
"""Labels of one site that are read. A bucket is a hash of the thread: the first of a large site are a fair sample."""
PERSON = "person:"
"""Beginning of the names of people in votes; they are no functions, and their names are not for a report."""


@dataclass(frozen=True)
class LabelCounts:
    """Counts over a task's labels."""

    probabilities: Mapping[str, Ints] = field(default_factory=dict)
    """Label -> number of labels by their probability, int64[BINS]."""
    sites: Mapping[str, Counter[str]] = field(default_factory=dict)
    """Site -> label -> number."""
    years: Mapping[str, Counter[int]] = field(default_factory=dict)
    """Label -> year of the post -> number."""
    functions: tuple[str, ...] = ()
    """Functions and models with a vote, by name."""
    both: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    """int64[f, f]: items with a label on which both vote; of one and the same: its votes on them."""
    same: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    """int64[f, f]: of these, the items on which both vote for the same label."""
    sampled: tuple[str, ...] = ()
    """Sites of which only some labels were read."""


def gather(root: Path, task: str, labels: Sequence[str], functions: Sequence[str]) -> LabelCounts:
    """Count a task's labels in the corpus at `root`, bucket by bucket.

    Args:
        labels: names of the task's labels, in their order.
        functions: names of the functions that may have voted; others that have are added.
    """
    folder = root / FOLDER / task / "labels"
    probabilities = {label: np.zeros(BINS, np.int64) for label in labels}
    sites: dict[str, Counter[str]] = {}
    years: dict[str, Counter[int]] = {label: Counter() for label in labels}
    names = list(functions)
    both: Ints = np.zeros((len(names), len(names)), np.int64)
    same: Ints = both
    read: Counter[str] = Counter()
    sampled = set()
    for place in bucket_files(folder):
        bucket = place.relative_to(folder).with_suffix("").as_posix()
        site = bucket.partition("/")[0]
        if read[site] >= MOST_LABELS:
            sampled.add(site)
            continue
        rows = parquet.read(place, columns=["post_id", "label", "probability", "votes"])
        read[site] += rows.num_rows
        if not rows.num_rows:
            continue
        of_label = np.asarray(pc.index_in(rows["label"], value_set=pa.array(labels)), dtype=np.int64)
        bins = np.clip(np.asarray(rows["probability"], dtype=np.float64) * BINS, 0, BINS - 1).astype(np.int64)
        created = _years(root, bucket, rows["post_id"])
        for number, label in enumerate(labels):
            here = of_label == number
            probabilities[label] += np.bincount(bins[here], minlength=BINS)
            sites.setdefault(site, Counter())[label] += int(here.sum())
            values, counts = np.unique(created[here], return_counts=True)
            years[label].update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        here_both, here_same = _pairs(rows["votes"].combine_chunks(), labels, names)
        both, same = _wider(both, len(names)) + here_both, _wider(same, len(names)) + here_same
    order = [number for number in range(len(names)) if both[number, number]]
    chosen = np.ix_(order, order)
    return LabelCounts(
        {label: counts for label, counts in probabilities.items() if counts.any()},
        sites,
        {label: counts for label, counts in years.items() if counts},
        tuple(names[number] for number in order),
        both[chosen],
        same[chosen],
        tuple(sorted(sampled)),
    )


def _years(root: Path, bucket: str, posts: pa.ChunkedArray) -> Ints:
    """The years in which these posts of a bucket were written."""
    path = root / "documents" / f"{bucket}.parquet"
    if not files.exists(path):
        return np.zeros(len(posts), np.int64)
    documents = parquet.read(path, columns=["post_id", "created"])
    place = pc.index_in(posts, value_set=documents["post_id"].combine_chunks())
    years: Ints = np.asarray(pc.fill_null(pc.year(documents["created"].take(place)), 0), dtype=np.int64)
    return years


def _pairs(votes: pa.ListArray, labels: Sequence[str], names: list[str]) -> tuple[Ints, Ints]:
    """How often each two functions vote on one item, and for the same label; functions that are new go to `names`."""
    parents = np.asarray(pc.list_parent_indices(votes), dtype=np.int64)
    flat = pc.list_flatten(votes)
    voters = pc.struct_field(flat, "function")
    own = np.asarray(pc.invert(pc.starts_with(voters, PERSON)), dtype=bool)
    new = set(pc.unique(voters.filter(pa.array(own))).to_pylist()) - set(names)
    names += sorted(new)
    places = np.asarray(pc.fill_null(pc.index_in(voters, value_set=pa.array(names, pa.string())), -1), dtype=np.int64)
    chosen = pc.fill_null(pc.index_in(pc.struct_field(flat, "label"), value_set=pa.array(labels)), len(labels))
    voted = np.full((len(votes), len(names)), -1, np.int16)
    own &= places >= 0
    voted[parents[own], places[own]] = np.asarray(chosen, dtype=np.int16)[own]
    # Products of float32 matrices are exact up to 2^24 items, which no bucket has.
    spoken = (voted >= 0).astype(np.float32)
    both = (spoken.T @ spoken).astype(np.int64)
    same = np.zeros_like(both)
    for number in range(len(labels) + 1):
        for_it = (voted == number).astype(np.float32)
        if for_it.any():
            same += (for_it.T @ for_it).astype(np.int64)
    return both, same


def _wider(counts: Ints, size: int) -> Ints:
    return np.pad(counts, (0, size - len(counts)))
