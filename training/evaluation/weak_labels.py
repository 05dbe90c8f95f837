"""A corpus as a teacher: its weak labels, and its texts without labels, for models that have few labels of people.

Nothing of a validation or test split may come back by this way: left out are texts that people judged, those of threads
that the comparison holds out, and those that are equal or nearly equal to a text that it holds out, by the share of
8-word sequences that two texts have in common (as in `corpus.signals.contamination`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from socorpus.corpus.errors import InputError
from socorpus.labeling.schema import Task
from socorpus.training.examples import readers
from socorpus.training.examples.example import Data, Example
from socorpus.training.finetuning.windows import text_of

NGRAM = 8
NEAR = 0.5
"""Share of the shorter text's word sequences from which on two texts are nearly equal."""
MOST = 10_000
"""Texts that are drawn of a corpus, unless the user says otherwise."""
_STACK_OVERFLOW = "stackoverflow.com:"
_JUDGED = ("person", "gold")


@dataclass(frozen=True)
class Teacher:
    """What a corpus teaches for a task.

    Attributes:
        data: weak labels with a train and a validation split, parted by thread; its test split is empty.
        texts: texts without labels, for self-training.
        left_out: what of it was not taken, in words.
    """

    name: str
    data: Data
    texts: tuple[Example, ...]
    left_out: str

    @property
    def labels(self) -> int:
        """Number of weak labels to learn from: of texts, or of spans."""
        train = self.data.splits["train"]
        return sum(len(example.spans) for example in train) if self.data.task.spans else len(train)


def read(corpus: Path, data: Data, most: int | None = None) -> Teacher:
    """The weak labels and the texts of a corpus for a task.

    Args:
        corpus: with labels of a task of the same name.
        data: whose labels are those of people; nothing of its validation and test split is in the result.
        most: texts to draw; None: `MOST`.

    Raises:
        InputError: the corpus has no labels of the task, no label that the data has, or nothing is left.
    """
    from socorpus.labeling.api import task_named

    task = data.task
    source = task_named(task.name)
    held = [example for split in ("validation", "test") for example in data.splits[split]]
    threads = {example.thread for example in held}
    learned = {example.key for example in data.splits["train"] if example.source in _JUDGED}
    counts = {"threads": 0, "people": 0, "near": 0, "labels": 0}
    weak: list[Example] = []
    unlabelled: list[Example] = []
    for split, _, example in readers.texts(corpus, source):
        if split == "test":
            continue
        if example.thread in threads or example.thread.removeprefix(_STACK_OVERFLOW) in threads:
            counts["threads"] += 1
            continue
        if example.source == "person" or example.key in learned:
            counts["people"] += 1
            continue
        unlabelled.append(replace(example, label=-1, probabilities=(), spans=()))
        if (named := _renamed(example, source, task)) is not None:
            weak.append(named)
        elif example.label >= 0:
            counts["labels"] += 1
    number = MOST if most is None else most
    weak, unlabelled = readers.drawn(weak, number), readers.drawn(unlabelled, number)
    shown = [text_of(example, task) for example in held]
    parts = []
    for some in (weak, unlabelled):
        nearly = near([text_of(example, task) for example in some], shown)
        counts["near"] = max(counts["near"], int(nearly.sum()))
        parts.append([example for example, drop in zip(some, nearly, strict=True) if not drop])
    weak, unlabelled = parts
    name = corpus.absolute().name
    if not unlabelled:
        raise InputError(
            f"{corpus}: has no text of {task.name} that the comparison does not hold out; name another one"
        )
    share = readers.VALIDATION * 256
    splits = {
        "train": [example for example in weak if readers.drawing_order(example.thread)[0] >= share],
        "validation": [example for example in weak if readers.drawing_order(example.thread)[0] < share],
        "test": [],
    }
    reasons = {
        "threads": "in threads that are held out",
        "people": "judged by people",
        "near": "equal or nearly equal to a text that is held out",
        "labels": "with a label that the task has not",
    }
    left_out = ", ".join(f"{counts[why]:,} {reason}" for why, reason in reasons.items() if counts[why])
    teaching = Data(task, f"weak labels of {name}", splits, (), data.leave_out)
    return Teacher(name, teaching, tuple(unlabelled), f"left out: {left_out}" if left_out else "")


def require_labels(teacher: Teacher) -> None:
    """Refuse a teacher without weak labels to learn from.

    Raises:
        InputError: it has none, or a single label.
    """
    train, task = teacher.data.splits["train"], teacher.data.task
    known = {example.label for example in train} if not task.spans else {example.spans != () for example in train}
    if len(known) < 2 and not (task.spans and True in known):
        raise InputError(
            f"{teacher.name}: has no weak labels of {task.name} that could teach {', '.join(task.labels)}; "
            f"name another corpus with --teacher ({teacher.left_out or 'nothing was left out'})"
        )


def of_people(data: Data) -> Data:
    """The data with only those training examples that people have labelled, of a corpus or a benchmark.

    Raises:
        InputError: there is none.
    """
    train = [example for example in data.splits["train"] if example.source in _JUDGED]
    if len(train) == len(data.splits["train"]):
        return data
    if not train:
        raise InputError(
            f"{data.name}: nobody has judged a {data.task.name} example of the train split, and weak labels alone are "
            "what the other systems learn from; see docs/label-studio.md"
        )
    return replace(data, splits={**data.splits, "train": train})


def _renamed(example: Example, source: Task, task: Task) -> Example | None:
    """An example with the labels of another task; None if it has none of them."""
    if task.spans:
        spans = tuple((span, probability) for span, probability in example.spans if span.label in task.labels)
        return replace(example, spans=spans)
    if example.label < 0:
        return None
    places = [_place(label, task.labels) for label in source.labels]
    if places[example.label] is None:
        return None
    probabilities = [0.0] * len(task.labels)
    for place, probability in zip(places, example.probabilities, strict=True):
        if place is not None:
            probabilities[place] += probability
    whole = sum(probabilities)
    normed = tuple(probability / whole for probability in probabilities)
    return replace(example, label=max(range(len(normed)), key=normed.__getitem__), probabilities=normed)


def _place(label: str, labels: Sequence[str]) -> int | None:
    """Where a label stands among others: that of its name, or that which it is a kind of, as LQ_EDIT is of LQ."""
    plain = [_plain(other) for other in labels]
    name = _plain(label)
    if name in plain:
        return plain.index(name)
    kinds = [number for number, other in enumerate(plain) if name.startswith(f"{other} ")]
    return kinds[0] if len(kinds) == 1 else None


def _plain(label: str) -> str:
    return label.casefold().replace("_", " ")


def near(texts: Iterable[str], held: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Whether each text is equal, but for case, signs and spaces, or nearly equal to one of others, bool[texts]."""
    import pyarrow as pa

    from socorpus.corpus.dedup.minhash import shingles

    sets, others = (
        shingles(column, np.full(len(column), np.iinfo(np.int32).max, np.int32), NGRAM)
        for column in (pa.array(list(some), pa.large_string()) for some in (texts, held))
    )
    order = np.argsort(others.hashes, kind="stable")
    holders, hashes = np.repeat(np.arange(len(others)), others.sizes)[order], others.hashes[order]
    first = np.searchsorted(hashes, sets.hashes, "left")
    lengths = np.searchsorted(hashes, sets.hashes, "right") - first
    rows = np.repeat(np.repeat(np.arange(len(sets)), sets.sizes), lengths)
    # Every pair of a text and one that is held that share a sequence, once for each that they share.
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    places = within + np.repeat(first, lengths)
    pairs, shared = np.unique(rows * max(1, len(others)) + holders[places], return_counts=True)
    row, other = np.divmod(pairs, max(1, len(others)))
    nearly = np.zeros(len(sets), np.bool_)
    nearly[row[shared >= NEAR * np.minimum(sets.sizes[row], others.sizes[other])]] = True
    return nearly
