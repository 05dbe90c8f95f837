"""Text without its personal data and secrets: placeholders in place of spans, and where the rest of the text went."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from socorpus.corpus.config import Privacy

Span = tuple[int, int, str]
"""Start and end in code points, and the kind."""

_BLANK = "\ue000"  # of the private use area

_KINDS = "|".join(kind.upper() for kind in Privacy().kinds)
STAND_IN = re.compile(rf"\[(?:{_KINDS})_\d+\]|{_BLANK}")
"""What `scrub` and `mask` put in the place of a value: no value itself, and nothing that speaks for one."""


def placeholders(text: str, spans: Sequence[Span]) -> list[Span]:
    """What replaces each span: `[KIND_N]`, where N numbers the distinct values of a kind by first appearance.

    Case doesn't tell e-mail addresses or user names apart. A title is numbered apart from its text.
    """
    numbers: dict[tuple[str, str], int] = {}
    counts: Counter[str] = Counter()
    replaced = []
    for start, end, kind in sorted(spans):
        value = text[start:end].casefold() if kind in ("email", "user") else text[start:end]
        if (kind, value) not in numbers:
            counts[kind] += 1
            numbers[kind, value] = counts[kind]
        replaced.append((start, end, f"[{kind.upper()}_{numbers[kind, value]}]"))
    return replaced


@dataclass(frozen=True)
class Shift:
    """Where code points of a text went when spans of it were replaced; all arrays int64, one entry a span."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lengths: NDArray[np.int64]
    """Code points of the replacements."""

    def __call__(self, offsets: NDArray[np.integer], end: bool = False) -> NDArray[np.int32]:
        """Offsets (any shape) in the new text, monotone; one inside a span goes to its start, or its end if `end`."""
        old = np.asarray(offsets, np.int64)
        if not len(self.starts):
            return old.astype(np.int32)
        gained = np.concatenate([[0], np.cumsum(self.lengths - (self.ends - self.starts))])
        last = np.searchsorted(self.starts, old, "right") - 1  # the last span that begins at or before the offset
        span = np.maximum(last, 0)
        inside = (last >= 0) & (old < self.ends[span])
        new_start = self.starts[span] + gained[span]
        edge = np.where((old > self.starts[span]) & end, new_start + self.lengths[span], new_start)
        return np.where(inside, edge, old + gained[last + 1]).astype(np.int32)


def scrub(text: str, spans: Sequence[Span]) -> tuple[str, Shift]:
    """The text with its spans (sorted or not, without overlap) replaced, and the map of offsets."""
    replaced = placeholders(text, spans)
    pieces, last = [], 0
    for start, end, new in replaced:
        pieces += [text[last:start], new]
        last = end
    pieces.append(text[last:])
    numbers = np.array([(start, end, len(new)) for start, end, new in replaced], np.int64).reshape(-1, 3)
    return "".join(pieces), Shift(numbers[:, 0], numbers[:, 1], numbers[:, 2])


def mask(text: str, spans: Sequence[Span]) -> str:
    """The text with its spans as the brackets of a placeholder and nothing in them: no offset moves."""
    letters = list(text)
    for start, end, _ in spans:
        letters[start:end] = ["[", *_BLANK * (end - start - 2), "]"] if end - start > 1 else _BLANK
    return "".join(letters)
