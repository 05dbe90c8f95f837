"""Readers of what is learned from: a corpus's own labels, and the files of benchmarks (`READERS`).

Splits are by thread and by time, never by row: a corpus has its own.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.corpus.plugins import Registry
from socorpus.corpus.schema import SPLITS
from socorpus.labeling import schema
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.examples.example import Data, Example

FEW = 100
"""Test examples of a corpus below which a reader of the scores is warned."""
VALIDATION, TEST = 0.1, 0.2
"""Shares of a file without splits of its own that are for validation and for test."""


@dataclass(frozen=True)
class Reader:
    """A reader of a benchmark's files.

    Attributes:
        task: name of the task that they are of.
        what: the files, in a few words, for messages.
        fits: whether a path is such a file or folder.
        read: examples of the task in three splits; labels of the file's own are those of the data's task.
    """

    task: str
    what: str
    fits: Callable[[Path], bool]
    read: Callable[[Path, Task], Data]


READERS: Registry[Reader] = Registry("reader", ("socorpus.training.examples.benchmarks",))
"""Readers of benchmarks: ours, then those of active plug-ins (`READERS.add`)."""

_CORPUS = ("post_id", "thread_id", "split", "created", "tags", "title", "text", "segments")


def read(path: Path, task: Task, most: int | None = None, people: bool = False) -> Data:
    """Examples of a task from a corpus or a benchmark's file.

    Args:
        path: a corpus's folder, or the file or folder of a benchmark that one of `READERS` knows.
        most: of more training examples than this, so many are drawn by a hash of their names.
        people: whether only what people judged is learned from; all of the test split is scored on.

    Raises:
        InputError: it is none of these, is not of this task, or a split that is needed is empty.
    """
    data = corpus(path, task) if (path / "MANIFEST.json").is_file() else _benchmark(path, task)
    if people:
        judged = {split: [one for one in data.splits[split] if one.source == "person"] for split in SPLITS[:2]}
        if not judged["train"]:
            raise InputError(
                f"{path}: nobody has judged a {task.name} example of the train split; see docs/label-studio.md"
            )
        data = replace(
            data, splits={**data.splits, **judged}, notes=(*data.notes, "learned from people's labels alone")
        )
    if most is not None and len(data.splits["train"]) > most:
        splits = {**data.splits, "train": drawn(data.splits["train"], most)}
        kept = f"{most:,} of {len(data.splits['train']):,} training examples were drawn"
        data = replace(data, splits=splits, notes=(*data.notes, kept))
    for split in ("train", "test"):
        if not data.splits[split]:
            raise InputError(f"{path}: no {task.name} example in the {split} split; a larger corpus has some")
    return data


def drawn(examples: Sequence[Example], most: int, salt: str = "") -> list[Example]:
    """So many examples, by a hash of their names, in their order: of a larger number all of a smaller are part."""
    order = sorted(range(len(examples)), key=lambda at: drawing_order(salt + examples[at].key))
    return [examples[at] for at in sorted(order[:most])]


def drawing_order(text: str) -> bytes:
    """A hash by which examples are drawn: equal names are always drawn alike."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _benchmark(path: Path, task: Task) -> Data:
    readers = [reader for reader in READERS.values() if reader.fits(path)]
    if not readers:
        known = "; ".join(reader.what for reader in READERS.values())
        raise InputError(
            f"{path}: not a corpus (no MANIFEST.json), and no benchmark that is known: {known}. "
            "Give what socorpus build wrote, or a benchmark's file"
        )
    of_task = [reader for reader in readers if reader.task == task.name]
    if not of_task:
        raise InputError(f"{path}: has examples of {readers[0].task}, not of {task.name}")
    return of_task[0].read(path, task)


# A corpus.


def corpus(root: Path, task: Task) -> Data:
    """The labelled examples of a corpus, in the splits of its labels.

    In a task of spans a text counts as labelled though nothing was found in it.
    """
    from socorpus.labeling.label_studio import sampling

    splits: dict[str, list[Example]] = {split: [] for split in SPLITS}
    shown = 0
    for bucket in sampling.buckets(root, task):
        for split, of_shards, example in _bucket(root, task, bucket):
            splits[split].append(example)
            shown += split == "test" and of_shards == "train"
    judged = {
        source: sum(one.source == source for one in splits["test"])
        for source in schema.SOURCES
        if any(one.source == source for one in splits["test"])
    }
    by = ", ".join(f"{count:,} by {source}s" for source, count in judged.items())
    notes: tuple[str, ...] = (f"labels of the test split: {by}",) if by else ()
    if by and len(splits["test"]) < FEW:
        notes += (f"fewer than {FEW} test examples say little: build the corpus with a larger labels.test",)
    if shown:
        texts = f"{shown:,} of the {len(splits['test']):,} test texts are of threads in the shards' train split"
        notes += (f"{texts}, where a pre-trained model may have read them, without their labels",)
    return Data(task, root.absolute().name, splits, notes, task.leave_out)


def _bucket(root: Path, task: Task, bucket: str) -> Iterator[tuple[str, str, Example]]:
    """Split of the labels, split of the shards, and the example."""
    from socorpus.corpus.storage import parquet

    labels: dict[int, list[dict[str, Any]]] = {}
    place = root / schema.path(task.name, "labels", bucket)
    if place.is_file():
        columns = ["post_id", "start", "end", "label", "probability", "probabilities", "source", "split"]
        for row in parquet.read(place, schema.LABELS, columns).to_pylist():
            labels.setdefault(row["post_id"], []).append(row)
    site = bucket.split("/")[0]
    table = parquet.read(root / schema.path(task.name, "examples", bucket), schema.EXAMPLES, [*_CORPUS])
    for row in table.to_pylist():
        found = labels.get(row["post_id"], [])
        if found or task.spans:
            yield found[0]["split"] if found else row["split"], row["split"], _example(row, site, found, task)


def _example(row: Mapping[str, Any], site: str, labels: Sequence[Mapping[str, Any]], task: Task) -> Example:
    known: dict[str, Any] = {"source": labels[0]["source"] if labels else "function"}
    if task.spans:
        known["spans"] = tuple(
            sorted((Span(one["start"], one["end"], one["label"]), one["probability"]) for one in labels)
        )
    else:
        known["label"] = task.index(labels[0]["label"])
        known["probabilities"] = tuple(labels[0]["probabilities"])
    return Example(
        key=f"{site}:{row['post_id']}",
        thread=f"{site}:{row['thread_id']}",
        text=row["text"],
        title=row["title"],
        created=int(row["created"].timestamp() * 1000),
        tags=tuple(row["tags"]),
        kinds=tuple((one["kind"], one["start"], one["end"]) for one in row["segments"]),
        **known,
    )


def by_time(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """The oldest for training, then those for validation, the newest for test; of equal times by name."""
    ordered = sorted(examples, key=lambda one: (one.created, one.key))
    test = len(ordered) - round(TEST * len(ordered))
    train = test - round(VALIDATION * len(ordered))
    return {"train": ordered[:train], "validation": ordered[train:test], "test": ordered[test:]}
