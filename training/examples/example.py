"""The tasks as they are learned: texts with what is known of them, and what a system says of a text.

Every system of the comparison, be it an encoder, a decoder, an endpoint or an audit, is given `Example`s of one task
and answers with a `Prediction` for each. Labels and their order are those of a `labeling.schema.Task`; a benchmark file
with labels of its own has a task of the same name with those.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from socorpus.corpus.schema import SPLITS
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities import bio
from socorpus.labeling.tasks.entities.spans import Span


@dataclass(frozen=True)
class Example:
    """A text to judge, and what is known of it.

    Attributes:
        key: its name in the data, such as `SITE:POST_ID`; no two are the same.
        thread: what is split and resampled as one.
        created: when it was written, ms of UTC; 0 where that is not known.
        title: of the question; None where there is none.
        text: what is judged; offsets of everything else are code points of it.
        tags: of the question.
        kinds: kind, start and end of each segment (`corpus.schema.SEGMENT_KINDS`).
        words: start and end of what is tagged, sorted; None: `labeling.tasks.entities.bio.words` of the text.
        label: number of its label; -1 in a task of spans.
        probabilities: of each label, as far as it is known; adds up to 1.
        spans: its spans with their probabilities, sorted, none overlapping; empty in a task of whole texts.
        source: who says so: `function`, `model`, `person`, or `gold` of a benchmark's file.
    """

    key: str
    thread: str
    text: str
    title: str | None = None
    created: int = 0
    tags: tuple[str, ...] = ()
    kinds: tuple[tuple[str, int, int], ...] = ()
    words: tuple[tuple[int, int], ...] | None = None
    label: int = -1
    probabilities: tuple[float, ...] = ()
    spans: tuple[tuple[Span, float], ...] = ()
    source: str = "gold"

    def offsets(self) -> Sequence[tuple[int, int]]:
        """Start and end of the words that are tagged."""
        return bio.words(self.text) if self.words is None else self.words


@dataclass(frozen=True)
class Prediction:
    """What a system says of an example.

    Attributes:
        probabilities: of each label; empty in a task of spans.
        spans: spans with their probabilities, sorted; empty in a task of whole texts.
        answered: whether the system gave an answer that could be read; where not, `probabilities` are those of not
            knowing, and the report counts it.
    """

    probabilities: tuple[float, ...] = ()
    spans: tuple[tuple[Span, float], ...] = ()
    answered: bool = True

    @property
    def label(self) -> int:
        """Number of the likeliest label, the first of equal ones; -1 where there are no probabilities."""
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__, default=-1)


class Predictor(Protocol):
    """A fitted system."""

    task: Task
    version: str
    """Name and hash of what answers: equal versions give equal answers."""

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """What it says of each example; `label`, `probabilities` and `spans` of an example are not looked at."""
        ...


@dataclass(frozen=True)
class Data:
    """Examples of one task in three splits, by thread and time.

    Attributes:
        name: short, for tables: the corpus's or the file's.
        notes: what a reader of the scores must know, such as which file was scored on.
        leave_out: types of spans that don't count.
    """

    task: Task
    name: str
    splits: Mapping[str, Sequence[Example]]
    notes: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = field(default=())

    @cached_property
    def identity(self) -> str:
        """Hash of all that is learned from and scored on; of many texts it takes a while, so it is made once."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps([self.task.name, self.task.labels, self.leave_out]).encode())
        for split in SPLITS:
            for one in self.splits[split]:
                seen = (split, one.key, one.thread, one.title, one.text, one.words, one.probabilities, one.spans)
                digest.update(repr(seen).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def counts(self, split: str) -> list[int]:
        """How many texts, or spans, of each label a split has."""
        return counts(self.task, self.splits[split])


def counts(task: Task, examples: Iterable[Example]) -> list[int]:
    """How many texts, or spans, of each label there are, in the task's order."""
    found = [0] * len(task.labels)
    for one in examples:
        if one.label >= 0:
            found[one.label] += 1
        for span, _ in one.spans:
            found[task.index(span.label)] += 1
    return found
