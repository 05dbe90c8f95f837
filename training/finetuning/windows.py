"""Texts as a model reads them: cut into windows that fit its context, with lost tokens counted.

A text longer than the model's context becomes several windows. For whole texts, the windows' logits are averaged; for
spans, windows overlap, and each word is tagged in the window that shows most of its surroundings.
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
"""Number of texts to tokenise in one call."""


@dataclass(frozen=True)
class Window:
    """A part of a text as model input.

    Attributes:
        ids: int32[length], special tokens included.
        heads: int32[words]: positions in `ids` of the first token of each word tagged here; empty for whole texts.
        words: int32[words]: indices of those words in the example.
    """

    ids: Int32
    heads: Int32
    words: Int32


@dataclass(frozen=True)
class Encoded:
    """A text's windows; the last `cut` tokens are in none of them."""

    windows: tuple[Window, ...]
    tokens: int
    cut: int


@dataclass(frozen=True)
class Reading:
    """Settings of cutting texts.

    Attributes:
        length: tokens of a window, special ones included.
        windows: highest number of windows of a whole text; the rest is cut. Tasks of spans use as many as needed.
        overlap: share of a window that the next window repeats, in tasks of spans.
    """

    length: int
    windows: int = 4
    overlap: float = 0.25


def text_of(example: Example, task: Task) -> str:
    """The model's input text: only the text for spans, else the title and the text."""
    return example.text if task.spans or not example.title else f"{example.title}\n\n{example.text}"


def encode(tokenizer: Any, task: Task, examples: Sequence[Example], reading: Reading) -> list[Encoded]:
    """Examples as windows of token ids."""
    before, after = affixes(tokenizer)
    room = reading.length - len(before) - len(after)
    encoded: list[Encoded] = []
    for first in range(0, len(examples), _AT_ONCE):
        part = examples[first : first + _AT_ONCE]
        # Lengths are handled here; the tokenizer would warn of each long text.
        tokenized = tokenizer(
            [text_of(example, task) for example in part],
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=task.spans,
            # A post may contain "[SEP]": five characters of its text, no special token.
            split_special_tokens=True,
            verbose=False,
        )
        for number, example in enumerate(part):
            ids = np.array(tokenized["input_ids"][number], np.int32)
            if task.spans:
                encoded.append(_spans(ids, tokenized["offset_mapping"][number], example, room, reading, before, after))
            else:
                encoded.append(_whole(ids, room, reading, before, after))
    return encoded


def affixes(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens before and after a text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return full[:start], full[start + len(bare) :]
    return [], []


def _whole(ids: Int32, room: int, reading: Reading, before: list[int], after: list[int]) -> Encoded:
    kept = ids[: room * reading.windows]
    nothing = np.zeros(0, np.int32)
    windows = tuple(
        Window(np.array([*before, *kept[start : start + room], *after], np.int32), nothing, nothing)
        for start in range(0, max(len(kept), 1), room)
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
    # Of two windows that show a word, the one whose middle is nearer to it.
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
    """The first token of each word that has tokens, and those words' indices.

    A token that begins with white space may start its offset there, and a token of some of a character's bytes has
    the whole character's offsets: therefore a word's first token is the first that reaches into it.
    """
    ends = np.array([end for _, end in offsets], np.int64)
    starts = np.array([start for start, _ in offsets], np.int64)
    first = np.array([start for start, _ in words], np.int64)
    last = np.array([end for _, end in words], np.int64)
    tokens = np.searchsorted(ends, first, side="right")
    there = tokens < len(ends)
    there[there] = starts[tokens[there]] < last[there]
    numbers = np.flatnonzero(there)
    return tokens[numbers].astype(np.int32), numbers.astype(np.int32)


@dataclass(frozen=True)
class Tags:
    """BIO tags as classes: 0 is O, then B- and I- of each label."""

    labels: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The classes' names in order."""
        return ["O", *(f"{way}-{label}" for label in self.labels for way in "BI")]

    def targets(self, example: Example, soft: bool) -> npt.NDArray[np.float32]:
        """Class probabilities, float32[words, classes]; the rest of a span's probability goes to O."""
        words = example.offsets()
        number = {name: column for column, name in enumerate(self.names)}
        rows = np.zeros((len(words), len(number)), np.float32)
        tags = bio.tags([span for span, _ in example.spans], words)
        doubt = np.zeros(len(words), np.float32)
        if soft:
            for span, probability in example.spans:
                first, last = bio.touched(words, span.start, span.end)
                doubt[first:last] = 1 - probability
        for word, tag in enumerate(tags):
            rows[word, number[tag]] = 1 - doubt[word] if tag != "O" else 1
            rows[word, 0] += doubt[word] if tag != "O" else 0
        return rows

    def spans(
        self, probabilities: npt.NDArray[np.float32], words: Sequence[tuple[int, int]]
    ) -> list[tuple[Any, float]]:
        """Spans of the most probable tags, each with the mean probability of its tags; input [words, classes]."""
        names = self.names
        best = probabilities.argmax(1) if len(words) else np.zeros(0, np.int64)
        likely = []
        for span in bio.spans([names[number] for number in best], words):
            first, last = bio.touched(words, span.start, span.end)
            sure = probabilities[np.arange(first, last), best[first:last]].mean()
            likely.append((span, float(sure)))
        return likely
