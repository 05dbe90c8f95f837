"""Readers of training data: a corpus's own labels, and the files of benchmarks (`READERS`).

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
from socorpus.corpus.storage import generations, integrity
from socorpus.corpus.storage.boundary import corpus_place
from socorpus.labeling import schema
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.examples.example import Data, Example

FEW = 100
"""Number of test examples of a corpus below which a note warns the reader of the scores."""
VALIDATION, TEST = 0.1, 0.2
"""Shares for validation and for test of a file without splits."""


@dataclass(frozen=True)
class Reader:
    """A reader of a benchmark's files.

    Attributes:
        task: name of the files' task.
        what: short description of the files, for messages.
        fits: whether a path is such a file or folder.
        read: examples of the task in three splits; the data's task has the labels of the file.
    """

    task: str
    what: str
    fits: Callable[[Path], bool]
    read: Callable[[Path, Task], Data]


READERS: Registry[Reader] = Registry("reader", ("socorpus.training.examples.benchmarks",))
"""Readers of benchmarks: ours, then those of active plug-ins (`READERS.add`)."""

_CORPUS = ("post_id", "thread_id", "split", "created", "tags", "title", "text", "segments")


def read(path: Path, task: Task, most: int | None = None, people: bool = False, score_people: bool = False) -> Data:
    """Examples of a task from a corpus or a benchmark's file.

    Args:
        path: a corpus's folder, or the file or folder of a benchmark that one of `READERS` knows; or two of these with
            a comma between: the first to train on, the second to score on.
        most: if there are more training examples, this many are sampled by a hash of their keys.
        people: whether to train only on labels from people; the whole test split is scored.
        score_people: whether to train and to score only on these, if they are of a corpus; of a benchmark's file all
            labels are people's.

    Raises:
        InputError: it is neither, is not of this task, or a required split is empty.
    """
    data = _either(path, task)
    score_people = score_people and data.corpus is not None
    if people or score_people:
        judged = {
            split: [example for example in data.splits[split] if example.source == "person"] for split in SPLITS[:2]
        }
        if not judged["train"]:
            raise InputError(
                f"{path}: nobody has judged a {task.name} example of the train split; see docs/label-studio.md"
            )
        data = replace(data, splits={**data.splits, **judged}, notes=(*data.notes, "learned only from people's labels"))
    if score_people:
        judged_test = [example for example in data.splits["test"] if example.source == "person"]
        if not judged_test:
            raise InputError(
                f"{path}: nobody has judged a {task.name} example of the test split, so that nothing can be scored on "
                "labels of people; see docs/label-studio.md"
            )
        notes = (*data.notes, "scored only on people's labels")
        data = replace(data, splits={**data.splits, "test": judged_test}, notes=notes)
    if most is not None and len(data.splits["train"]) > most:
        splits = {**data.splits, "train": drawn(data.splits["train"], most)}
        kept = f"{most:,} of {len(data.splits['train']):,} training examples were drawn"
        data = replace(data, splits=splits, notes=(*data.notes, kept))
    for split in ("train", "test"):
        if not data.splits[split]:
            raise InputError(f"{path}: no {task.name} example in the {split} split; a larger corpus has some")
    return data


def _either(path: Path, task: Task) -> Data:
    """A corpus or a benchmark; of two with a comma between the first's training data and the second's test data."""
    first, comma, second = str(path).partition(",")
    if comma and not path.exists():
        return _crossed(_either(corpus_place(first), task), _either(corpus_place(second), task), first, second)
    is_corpus = (generations.finished(path) / "MANIFEST.json").is_file()
    return corpus(path, task) if is_corpus else _benchmark(path, task)


def _crossed(learned: Data, scored: Data, first: str, second: str) -> Data:
    if not learned.task.spans and learned.task.labels != scored.task.labels:
        raise InputError(
            f"{first},{second}: other labels: {', '.join(learned.task.labels)}, and {', '.join(scored.task.labels)}"
        )
    threads = {example.thread for example in scored.splits["test"]}
    splits = {
        split: [example for example in learned.splits[split] if example.thread not in threads] for split in SPLITS[:2]
    }
    meanings = {**learned.task.meanings, **scored.task.meanings}
    return replace(
        learned,
        task=replace(learned.task, meanings=meanings),
        splits={**splits, "test": scored.splits["test"]},
        leave_out=tuple(dict.fromkeys((*learned.leave_out, *scored.leave_out))),
        notes=(f"learned from {first}", *learned.notes, f"scored on {second}", *scored.notes),
    )


def drawn(examples: Sequence[Example], most: int, salt: str = "") -> list[Example]:
    """A sample of `most` examples by a hash of their keys, in order; a larger sample contains every smaller one."""
    order = sorted(range(len(examples)), key=lambda number: drawing_order(salt + examples[number].key))
    return [examples[number] for number in sorted(order[:most])]


def drawing_order(text: str) -> bytes:
    """The hash by which examples are sampled: the same text always has the same place."""
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


def corpus(folder: Path, task: Task) -> Data:
    """The labelled examples of a corpus, in the splits of its labels.

    In a task of spans, a text without any span counts as labelled.

    Raises:
        InputError: the corpus has no labels of the task, or files are not those of its manifest.
    """
    splits: dict[str, list[Example]] = {split: [] for split in SPLITS}
    shown = 0
    for split, of_shards, example in texts(folder, task):
        if example.label >= 0 or task.spans:
            splits[split].append(example)
            shown += split == "test" and of_shards == "train"
    judged = {
        source: sum(test.source == source for test in splits["test"])
        for source in schema.SOURCES
        if any(test.source == source for test in splits["test"])
    }
    by = ", ".join(f"{count:,} by {source}s" for source, count in judged.items())
    notes: tuple[str, ...] = (f"labels of the test split: {by}",) if by else ()
    if by and len(splits["test"]) < FEW:
        notes += (f"fewer than {FEW} test examples say little: build the corpus with a larger labels.test",)
    if shown:
        seen = f"{shown:,} of the {len(splits['test']):,} test texts are of threads in the shards' train split"
        notes += (f"{seen}, where a pre-trained model may have read them, without their labels",)
    return Data(task, folder.absolute().name, splits, notes, task.leave_out, folder)


def texts(folder: Path, task: Task) -> Iterator[tuple[str, str, Example]]:
    """All texts of a corpus that its functions looked at for a task, those without a label too.

    Returns:
        Of each, its split among the labels, that among the shards, and the example; the label of one without is -1.

    Raises:
        InputError: as of `corpus`.
    """
    from socorpus.labeling.label_studio import sampling

    root, _ = integrity.opened(folder, schema.folders(task.name))
    for bucket in sampling.buckets(root, task):
        yield from _bucket(root, task, bucket)


def _bucket(root: Path, task: Task, bucket: str) -> Iterator[tuple[str, str, Example]]:
    """Split of the labels, split of the shards, and the example."""
    from socorpus.corpus.storage import parquet
    from socorpus.labeling import example_texts

    labels: dict[int, list[dict[str, Any]]] = {}
    place = root / schema.path(task.name, "labels", bucket)
    if place.is_file():
        columns = ["post_id", "start", "end", "label", "probability", "probabilities", "source", "split"]
        for row in parquet.read(place, schema.LABELS, columns).to_pylist():
            labels.setdefault(row["post_id"], []).append(row)
    site = bucket.split("/")[0]
    for row in example_texts.read(root, task.name, bucket, _CORPUS).to_pylist():
        post_labels = labels.get(row["post_id"], [])
        split = post_labels[0]["split"] if post_labels else row["split"]
        yield split, row["split"], _example(row, site, post_labels, task)


def _example(row: Mapping[str, Any], site: str, labels: Sequence[Mapping[str, Any]], task: Task) -> Example:
    known: dict[str, Any] = {"source": labels[0]["source"] if labels else "function"}
    if task.spans:
        known["spans"] = tuple(
            sorted((Span(label["start"], label["end"], label["label"]), label["probability"]) for label in labels)
        )
    elif labels:
        known["label"] = task.index(labels[0]["label"])
        known["probabilities"] = tuple(labels[0]["probabilities"])
    return Example(
        key=f"{site}:{row['post_id']}",
        thread=f"{site}:{row['thread_id']}",
        text=row["text"],
        title=row["title"],
        created=int(row["created"].timestamp() * 1000),
        tags=tuple(row["tags"]),
        kinds=tuple((segment["kind"], segment["start"], segment["end"]) for segment in row["segments"]),
        languages=tuple(sorted({segment["language"] for segment in row["segments"] if segment["language"]})),
        **known,
    )


def by_time(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """The oldest threads for training, then those for validation, the newest for test; equal times are ordered by key.

    A thread is as old as its first example, and lies in one split as a whole.
    """
    born: dict[str, int] = {}
    for example in examples:
        born[example.thread] = min(example.created, born.get(example.thread, example.created))
    ordered = sorted(examples, key=lambda each: (born[each.thread], each.thread, each.created, each.key))
    test = len(ordered) - round(TEST * len(ordered))
    train = test - round(VALIDATION * len(ordered))
    train, test = (_whole_threads(ordered, place) for place in (train, test))
    return {"train": ordered[:train], "validation": ordered[train:test], "test": ordered[test:]}


def _whole_threads(ordered: Sequence[Example], place: int) -> int:
    """The first place from this one on at which a thread begins."""
    while 0 < place < len(ordered) and ordered[place].thread == ordered[place - 1].thread:
        place += 1
    return place
