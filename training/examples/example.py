"""Examples of the tasks, and predictions of systems.

Every system of the comparison (encoder, decoder, endpoint or audit) gets `Example`s of one task and returns a
`Prediction` for each. Labels and their order are those of a `labeling.schema.Task`; a benchmark file
with labels of its own has a task of the same name with those.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Protocol

from socorpus.corpus.schema import SPLITS
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities import bio
from socorpus.labeling.tasks.entities.spans import Span


@dataclass(frozen=True)
class Example:
    """A text to classify or tag, with its metadata and labels.

    Attributes:
        key: its unique name in the data, such as `SITE:POST_ID`.
        thread: the unit of splitting and resampling.
        created: time of writing, ms of UTC; 0 if unknown.
        title: title of the question; None if there is none.
        text: the text itself; all offsets are in its code points.
        tags: tags of the question.
        kinds: kind, start and end of each segment (`corpus.schema.SEGMENT_KINDS`).
        languages: programming languages of its code blocks, where they are marked; for slices of the scores.
        words: start and end of the words to tag, sorted; None: `labeling.tasks.entities.bio.words` of the text.
        label: index of its label; -1 in a task of spans.
        probabilities: probability of each label; they add up to 1.
        spans: its spans with their probabilities, sorted, none overlapping; empty in a task of whole texts.
        source: source of the label: `function`, `model`, `person`, or `gold` of a benchmark's file.
    """

    key: str
    thread: str
    text: str
    title: str | None = None
    created: int = 0
    tags: tuple[str, ...] = ()
    kinds: tuple[tuple[str, int, int], ...] = ()
    languages: tuple[str, ...] = ()
    words: tuple[tuple[int, int], ...] | None = None
    label: int = -1
    probabilities: tuple[float, ...] = ()
    spans: tuple[tuple[Span, float], ...] = ()
    source: str = "gold"

    def offsets(self) -> Sequence[tuple[int, int]]:
        """Start and end of the words to tag."""
        return bio.words(self.text) if self.words is None else self.words


@dataclass(frozen=True)
class Prediction:
    """A system's prediction for an example.

    Attributes:
        probabilities: probability of each label; empty in a task of spans.
        spans: spans with their probabilities, sorted; empty in a task of whole texts.
        answered: whether the system gave a readable answer; if not, `probabilities` express no knowledge, and the
            report counts it.
    """

    probabilities: tuple[float, ...] = ()
    spans: tuple[tuple[Span, float], ...] = ()
    answered: bool = True

    @property
    def label(self) -> int:
        """Index of the most probable label, the first if equal; -1 without probabilities."""
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__, default=-1)


class Predictor(Protocol):
    """A fitted system."""

    task: Task
    version: str
    """Name and hash of the model: equal versions give equal predictions."""

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The predictions for the examples; their `label`, `probabilities` and `spans` are ignored."""
        ...


@dataclass(frozen=True)
class Data:
    """Examples of one task in three splits, by thread and time.

    Attributes:
        name: short, for tables: the corpus's or the file's.
        notes: facts that a reader of the scores needs, such as which file was scored.
        leave_out: types of spans that are not scored.
        corpus: folder of the corpus that they are of; None: they are of a benchmark's file.
    """

    task: Task
    name: str
    splits: Mapping[str, Sequence[Example]]
    notes: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = field(default=())
    corpus: Path | None = field(default=None, compare=False)

    @cached_property
    def identity(self) -> str:
        """Hash of everything used for training and scoring; computed once, since many texts take a while."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps([self.task.name, self.task.labels, self.leave_out]).encode())
        for split in SPLITS:
            for example in self.splits[split]:
                # All that a system may see: audits go by tags, languages and kinds.
                seen = (split, *(getattr(example, each.name) for each in fields(example)))
                digest.update(repr(seen).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def counts(self, split: str) -> list[int]:
        """Numbers of texts, or spans, of each label in a split."""
        return counts(self.task, self.splits[split])


def counts(task: Task, examples: Iterable[Example]) -> list[int]:
    """Numbers of texts, or spans, of each label, in the task's order."""
    totals = [0] * len(task.labels)
    for example in examples:
        if example.label >= 0:
            totals[example.label] += 1
        for span, _ in example.spans:
            totals[task.index(span.label)] += 1
    return totals
