"""Spans of a text: resolution of overlaps, and the scorer of spans.

**The score.** A predicted span is right if the gold has one of the same text with equal start, end and type, as in
conlleval (Tjong Kim Sang and Buchholz 2000). Repeated spans count once. Over all texts and types (micro): precision =
right / predicted, recall = right / gold, F1 their harmonic mean; each is 0 where its denominator is. Types that are
left out are removed from both gold and prediction.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Span(NamedTuple):
    """`text[start:end]` is a `label`; offsets are code points."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Counts:
    """Numbers of spans that are right, predicted and in the gold."""

    right: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        """Share of the predicted that is right; 0 where nothing is predicted."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold that is predicted; 0 where there is no gold."""
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall: 2 right / (predicted + gold)."""
        return 2 * self.right / (self.predicted + self.gold) if self.right else 0.0


@dataclass(frozen=True)
class Scores:
    """Counts over all types, and of each type in gold or prediction, in alphabetical order."""

    micro: Counts
    types: dict[str, Counts]


def score(
    gold: Sequence[Iterable[Span]],
    predicted: Sequence[Iterable[Span]],
    leave_out: Collection[str] = ("Code_Block",),
    only: Collection[str] | None = None,
) -> Scores:
    """Compare predicted spans with gold ones, text by text; see the module for the definition.

    Args:
        leave_out: types that don't count, neither in the gold nor as predictions.
        only: types that count; None: all.

    Raises:
        ValueError: `gold` and `predicted` have different numbers of texts.
    """

    def counted(spans: Iterable[Span]) -> set[Span]:
        return {span for span in spans if span.label not in leave_out and (only is None or span.label in only)}

    right, guessed, wanted = Counter[str](), Counter[str](), Counter[str]()
    for truth, guess in zip(map(counted, gold), map(counted, predicted), strict=True):
        right.update(span.label for span in truth & guess)
        guessed.update(span.label for span in guess)
        wanted.update(span.label for span in truth)
    types = {
        label: Counts(right[label], guessed[label], wanted[label]) for label in sorted(guessed.keys() | wanted.keys())
    }
    return Scores(Counts(right.total(), guessed.total(), wanted.total()), types)


def resolve(spans: Iterable[tuple[Span, float]]) -> list[Span]:
    """Sorted spans without overlap from weighted ones: the heaviest first, then the longer, then the earlier.

    Weights of the same span add up, so two that agree outweigh either. Empty spans are dropped; the order of the
    input doesn't matter.
    """
    weights: dict[Span, list[float]] = {}
    for span, weight in spans:
        if span.start < span.end:
            weights.setdefault(span, []).append(weight)
    # Sorted before they are added: a sum of floats depends on the order.
    sums = {span: sum(sorted(each)) for span, each in weights.items()}
    won: list[Span] = []
    taken = bytearray(max((span.end for span in sums), default=0))  # whether each code point lies in a span that won
    for span in sorted(sums, key=lambda span: (-sums[span], span.start - span.end, span)):
        start, end = span.start, span.end
        if not (taken[start] or taken[end - 1]) and taken.find(1, start, end) < 0:
            won.append(span)
            taken[start:end] = b"\1" * (end - start)
    return sorted(won)
