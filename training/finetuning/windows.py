"""Texts as a model reads them: cut into windows that it can take, nothing lost unsaid.

A text longer than the model's context is several windows. Of a whole text the windows' logits are averaged; of spans
windows overlap, and each word is judged in the window that shows most of what is around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities import bio
from socorpus.training.examples.example import Example

Int32 = npt.NDArray[np.int32]

_AT_ONCE = 512
"""Texts that are tokenised in one call."""


@dataclass(frozen=True)
class Window:
    """A part of a text as a model takes it.

    Attributes:
        ids: int32[length], special tokens included.
        heads: int32[words]: places in `ids` of the first token of each word that is judged here; empty for whole texts.
        words: int32[words]: numbers of those words in the example.
    """

    ids: Int32
    heads: Int32
    words: Int32


@dataclass(frozen=True)
class Encoded:
    """A text's windows; `cut` tokens at its end are in none."""

    windows: tuple[Window, ...]
    tokens: int
    cut: int


@dataclass(frozen=True)
class Reading:
    """How texts are cut.

    Attributes:
        length: tokens of a window, special ones included.
        windows: most windows of a whole text; what is behind them is cut. Spans have as many as they need.
        overlap: share of a window that the next one shows again, where spans are looked for.
    """

    length: int
    windows: int = 4
    overlap: float = 0.25


def text_of(example: Example, task: Task) -> str:
    """What a model reads: of spans the text alone, else the title above it."""
    return example.text if task.spans or not example.title else f"{example.title}\n\n{example.text}"


def encode(tokenizer: Any, task: Task, examples: Sequence[Example], reading: Reading) -> list[Encoded]:
    """Examples as windows of token ids."""
    before, after = affixes(tokenizer)
    room = reading.length - len(before) - len(after)
    found: list[Encoded] = []
    for first in range(0, len(examples), _AT_ONCE):
        part = examples[first : first + _AT_ONCE]
        # Lengths are looked at here; the tokenizer would warn of each long text.
        told = tokenizer(
            [text_of(one, task) for one in part],
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=task.spans,
            # A post may say "[SEP]": that is five characters of its text.
            split_special_tokens=True,
            verbose=False,
        )
        for at, example in enumerate(part):
            ids = np.array(told["input_ids"][at], np.int32)
            if task.spans:
                found.append(_spans(ids, told["offset_mapping"][at], example, room, reading, before, after))
            else:
                found.append(_whole(ids, room, reading, before, after))
    return found


def affixes(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens that stand before and behind a text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    for at in range(len(full) - len(bare) + 1):
        if full[at : at + len(bare)] == bare:
            return full[:at], full[at + len(bare) :]
    return [], []


def _whole(ids: Int32, room: int, reading: Reading, before: list[int], after: list[int]) -> Encoded:
    kept = ids[: room * reading.windows]
    nothing = np.zeros(0, np.int32)
    windows = tuple(
        Window(np.array([*before, *kept[at : at + room], *after], np.int32), nothing, nothing)
        for at in range(0, max(len(kept), 1), room)
    )
    return Encoded(windows, len(ids), len(ids) - len(kept))


def _spans(
    ids: Int32,
    offsets: Sequence[tuple[int, int]],
    example: Example,
    room: int,
    reading: Reading,
    before: list[int],
    after: list[int],
) -> Encoded:
    words = example.offsets()
    heads, known = _heads(offsets, words)
    step = max(1, room - int(room * reading.overlap))
    starts = [0]
    while starts[-1] + room < len(ids):
        starts.append(starts[-1] + step)
    # Of two windows that show a word, the one in whose middle it is nearer.
    middles = np.array([min(start + room, len(ids)) + start for start in starts], np.float64) / 2
    windows = []
    where = np.abs(heads[:, None] - middles[None, :]).argmin(1) if len(heads) else np.zeros(0, np.int64)
    for number, start in enumerate(starts):
        mine = where == number
        places = heads[mine] - start + len(before)
        part = np.array([*before, *ids[start : start + room], *after], np.int32)
        windows.append(Window(part, places.astype(np.int32), known[mine]))
    return Encoded(tuple(windows), len(ids), 0)


def _heads(offsets: Sequence[tuple[int, int]], words: Sequence[tuple[int, int]]) -> tuple[Int32, Int32]:
    """The first token of each word that has one, and those words' numbers.

    A token that begins with white space may be said to begin there, and one that is a part of a character's bytes has
    the whole character's place: so the first token that reaches into a word is its first.
    """
    ends = np.array([end for _, end in offsets], np.int64)
    starts = np.array([start for start, _ in offsets], np.int64)
    first = np.array([start for start, _ in words], np.int64)
    last = np.array([end for _, end in words], np.int64)
    at = np.searchsorted(ends, first, side="right")
    there = at < len(ends)
    there[there] = starts[at[there]] < last[there]
    numbers = np.flatnonzero(there)
    return at[numbers].astype(np.int32), numbers.astype(np.int32)


@dataclass(frozen=True)
class Tags:
    """BIO tags as classes: 0 is O, then B- and I- of each label."""

    labels: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The classes' names in order."""
        return ["O", *(f"{way}-{label}" for label in self.labels for way in "BI")]

    def targets(self, example: Example, soft: bool) -> npt.NDArray[np.float32]:
        """Of each word, how likely each class is; float32[words, classes]. A span that is doubted is O for the rest."""
        words = example.offsets()
        number = {name: at for at, name in enumerate(self.names)}
        found = np.zeros((len(words), len(number)), np.float32)
        tags = bio.tags([span for span, _ in example.spans], words)
        doubt = np.zeros(len(words), np.float32)
        if soft:
            for span, probability in example.spans:
                first, last = bio.touched(words, span.start, span.end)
                doubt[first:last] = 1 - probability
        for at, tag in enumerate(tags):
            found[at, number[tag]] = 1 - doubt[at] if tag != "O" else 1
            found[at, 0] += doubt[at] if tag != "O" else 0
        return found

    def spans(
        self, probabilities: npt.NDArray[np.float32], words: Sequence[tuple[int, int]]
    ) -> list[tuple[Any, float]]:
        """Spans of the likeliest tags, each with the mean probability of its words' tags; of shape [words, classes]."""
        names = self.names
        best = probabilities.argmax(1) if len(words) else np.zeros(0, np.int64)
        found = []
        for span in bio.spans([names[at] for at in best], words):
            first, last = bio.touched(words, span.start, span.end)
            sure = probabilities[np.arange(first, last), best[first:last]].mean()
            found.append((span, float(sure)))
        return found
