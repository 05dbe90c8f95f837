"""Learning curves: the same systems on shares of the labels, each seed with its own draw of examples.

A share is drawn of the training and of the validation split, which choices are made on: both are labels that somebody
has to give. The test split stays as it is. A larger draw of a seed contains every smaller one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.training.evaluation.cell import Budget, Cell
from socorpus.training.evaluation.uncertainty import Score
from socorpus.training.examples import metrics, readers
from socorpus.training.examples.example import Data

LEAST = 50
"""Fewest examples of a share: of fewer nothing is learned but chance."""


@dataclass(frozen=True)
class Point:
    """A share of a task's labels.

    Attributes:
        of: name of the whole data.
        share: of its labels, from 0 to 1.
        data: for tables: the name says the share, the splits are those of the first draw.
        draws: the examples that each system learns from, with the seeds that do.
    """

    of: str
    share: float
    data: Data
    draws: tuple[tuple[Data, tuple[int, ...]], ...]


def points(data: Data, shares: Sequence[float], seeds: tuple[int, ...]) -> list[Point]:
    """The whole data, which all seeds learn from, and each share of it with a draw for each seed, the largest first.

    Of shares that come to the same number of examples, by `LEAST`, only the largest is there.

    Raises:
        InputError: a share is not above 0 and at most 1.
    """
    check(shares)
    result = [Point(data.name, 1.0, data, ((data, seeds),))]
    whole = len(data.splits["train"])
    sizes = {whole}
    for share in sorted({*shares} - {1.0}, reverse=True):
        size = _size(whole, share)
        if size in sizes:
            continue
        sizes.add(size)
        # What there is and not what was asked for: `LEAST` may have made more of it.
        real = share if size == round(share * whole) else size / whole
        name = f"{data.name}, {100 * real:.3g}% of the labels"
        draws = tuple((drawn(data, share, seed, f"{name}, draw {seed}"), (seed,)) for seed in seeds)
        asked = f" ({100 * share:g}% would be fewer than {LEAST})" if real != share else ""
        counts = " and ".join(
            f"{len(draws[0][0].splits[split]):,} of {len(data.splits[split]):,} {called} examples"
            for split, called in (("train", "training"), ("validation", "validation"))
            if data.splits[split]
        )
        note = f"{counts}, drawn anew for each of {len(seeds)} seeds{asked}"
        named = replace(draws[0][0], name=name, notes=(*data.notes, note))
        result.append(Point(data.name, real, named, draws))
    return result


def check(shares: Sequence[float]) -> None:
    """Refuse shares of labels that are none.

    Raises:
        InputError: a share is not above 0 and at most 1.
    """
    if wrong := [share for share in shares if not 0 < share <= 1]:
        raise InputError(f"a share of {wrong[0]:g} of the labels: shares lie above 0, and are 1 at most")


def _size(whole: int, share: float) -> int:
    return min(whole, max(LEAST, round(share * whole)))


def drawn(data: Data, share: float, seed: int, name: str) -> Data:
    """A seed's draw of a share of the training and validation examples; the test split stays whole."""
    splits = dict(data.splits)
    for split in ("train", "validation"):
        some = data.splits[split]
        splits[split] = readers.drawn(some, _size(len(some), share), f"{seed}:")
    return replace(data, name=name, splits=splits)


def merged(cells: Sequence[Cell], point: Point) -> Cell:
    """One cell of a system for all draws of a share: costs are means, those of choices are sums, notes are joined."""
    cell = replace(cells[0], data=point.data.name, budget=_budget([each.budget for each in cells]))
    notes = Counter(note for each in cells for note in each.notes)
    cell.notes = [_counted(note, count, len(cells)) for note, count in notes.items()]
    for name in ("train_seconds", "train_dollars", "thousand_seconds", "thousand_dollars"):
        known = [value for of_draw in cells if (value := getattr(of_draw, name)) is not None]
        setattr(cell, name, sum(known) / len(known) if known else None)
    return cell


def _budget(budgets: Sequence[Budget | None]) -> Budget | None:
    """What all draws took together, and how often each choice was made."""
    known = [budget for budget in budgets if budget is not None]
    if not known:
        return None

    def total(values: Iterable[float | None]) -> Any:
        there = [value for value in values if value is not None]
        return sum(there) if there else None

    chosen = Counter(budget.chosen for budget in known if budget.chosen)
    return Budget(
        known[0].configurations,
        total(budget.runs for budget in known),
        total(budget.passes for budget in known),
        total(budget.seconds for budget in known),
        total(budget.dollars for budget in known),
        "; ".join(_counted(choice, count, len(budgets)) for choice, count in chosen.items()),
        tuple(trial for budget in known for trial in budget.tried),
    )


def _counted(text: str, count: int, draws: int) -> str:
    """A sentence, and of how many draws it is, where it is not of all."""
    return text if count == draws else f"{text} (in {count} of {draws} draws)"


# What the points of a curve say together.


@dataclass(frozen=True)
class Curve:
    """A system's main metric over the number of labels.

    Attributes:
        labels: training examples of each point, rising.
        scores: of each point.
        area: mean of the metric along the curve, over the logarithm of the labels: the area below it, divided by its
            width; None of a curve that lacks a point.
        reached: other system -> the share of the labels at which this curve reaches what the other has with all of
            them, between points by a straight line over the logarithm; of those that it reaches.
    """

    task: str
    data: str
    system: str
    labels: tuple[int, ...]
    shares: tuple[float, ...]
    scores: tuple[Score, ...]
    area: float | None
    reached: Mapping[str, float]


def curves(columns: Sequence[tuple[Point, Sequence[Cell]]]) -> list[Curve]:
    """The curves of the systems of one task, the highest with all labels first; none where there is one point.

    Args:
        columns: each point with its cells.
    """
    if len(columns) < 2:
        return []
    rising = sorted(columns, key=lambda each: each[0].share)
    main = metrics.main(rising[-1][0].data.task)
    series: dict[str, list[tuple[int, float, Score]]] = {}
    for point, cells in rising:
        size = len(point.data.splits["train"])
        for cell in cells:
            if cell.scores:
                series.setdefault(cell.system, []).append((size, point.share, cell.scores[main]))
    ends = {name: values[-1][2].mean for name, values in series.items() if values[-1][1] == 1}
    order = sorted(series, key=lambda name: (-ends.get(name, -1.0), name))
    task, data = rising[-1][0].data.task.name, rising[-1][0].of
    whole = len(rising[-1][0].data.splits["train"])
    result = []
    for name in order:
        labels, shares, scores = zip(*series[name], strict=True)
        means = [score.mean for score in scores]
        reached = {
            other: share
            for other in order
            if other != name and other in ends and (share := _reached(labels, means, ends[other], whole)) is not None
        }
        area = _area(labels, means) if len(labels) == len(rising) else None
        result.append(Curve(task, data, name, labels, shares, scores, area, reached))
    return result


def _area(labels: Sequence[int], means: Sequence[float]) -> float:
    places = [log(size) for size in labels]
    parts = [
        (right - left) * (first + second) / 2
        for (left, right), (first, second) in zip(pairwise(places), pairwise(means), strict=True)
    ]
    return sum(parts) / (places[-1] - places[0])


def _reached(labels: Sequence[int], means: Sequence[float], level: float, whole: int) -> float | None:
    """The share of the `whole` labels at which a curve is first at a level; None if it never is. Of a curve that is
    above it with the fewest labels, the share of these."""
    if means[0] >= level:
        return labels[0] / whole
    for (left, right), (first, second) in zip(pairwise(labels), pairwise(means), strict=True):
        if second >= level:
            place = log(left) + (log(right) - log(left)) * (level - first) / (second - first)
            return exp(place) / whole
    return None
