"""Distributions of two corpora side by side, over the same bins, and how far apart they are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

LENGTHS = (0, 1, *(2**power for power in range(1, 21)))
"""Edges of the bins of lengths: bin i has LENGTHS[i] <= value < LENGTHS[i + 1], the last one all from its edge on."""
SCORES = (-(2**31), -10, -5, -2, -1, 0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
SHARES = tuple(step / 20 for step in range(20))
"""Edges of probabilities; the last bin has 1 in it."""
_MOST_SHOWN = 24
_OTHERS = "others"


@dataclass(frozen=True)
class Distribution:
    """Counts of one quantity in both corpora.

    Attributes:
        name: what was counted, and of which rows.
        bins: names of the bins, in order; of names (languages) the commonest, and the others together.
        old, new: counts by bin.
        distance: the Jensen-Shannon divergence of the two, in bits (`divergence`), of names over all of them; None
            where one of the corpora has none of it.
        means: of the values themselves, old and new; None of names.
    """

    name: str
    bins: tuple[str, ...]
    old: tuple[int, ...]
    new: tuple[int, ...]
    distance: float | None
    means: tuple[float | None, float | None] | None = None


class Histogram:
    """Counts values over bins as they come, with their sum.

    Args:
        edges: rising; values below the first are counted in the first bin, and those from the last on in the last.
    """

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = np.asarray(edges, np.float64)
        self.counts: Ints = np.zeros(len(edges), np.int64)
        self.total, self.number = 0.0, 0

    def add(self, values: npt.NDArray[np.generic]) -> None:
        """Count values: n of any number type."""
        if len(values):
            places = np.clip(np.searchsorted(self.edges, values, "right") - 1, 0, len(self.edges) - 1)
            self.counts += np.bincount(places, minlength=len(self.edges))
            self.total += float(np.sum(values, dtype=np.float64))
            self.number += len(values)

    @property
    def mean(self) -> float | None:
        """Of the values; None of none."""
        return self.total / self.number if self.number else None


def of_numbers(name: str, old: Histogram, new: Histogram) -> Distribution:
    """The distribution of numbers, without the empty bins at both ends."""
    filled = np.flatnonzero(old.counts + new.counts)
    first, last = (int(filled[0]), int(filled[-1])) if len(filled) else (0, -1)
    edges = old.edges.tolist()
    bins = tuple(_bin(edges, number) for number in range(first, last + 1))
    was, is_now = (tuple(side.counts[first : last + 1].tolist()) for side in (old, new))
    return Distribution(name, bins, was, is_now, divergence(old.counts, new.counts), (old.mean, new.mean))


def of_names(name: str, old: Mapping[str, int], new: Mapping[str, int], by_name: bool = False) -> Distribution:
    """The distribution of names, the commonest first.

    Args:
        by_name: in the order of the names instead, and all of them, as of years.
    """
    both = Counter(old) + Counter(new)
    every = sorted(both) if by_name else sorted(both, key=lambda key: (-both[key], key))
    distance = divergence(*(np.array([side.get(key, 0) for key in every], np.int64) for side in (old, new)))
    shown = every if by_name or len(every) <= _MOST_SHOWN else every[: _MOST_SHOWN - 1]
    rest = set(every) - set(shown)
    was, is_now = (
        (*(side.get(key, 0) for key in shown), *([sum(side.get(key, 0) for key in rest)] if rest else ()))
        for side in (old, new)
    )
    return Distribution(name, (*shown, _OTHERS) if rest else tuple(shown), was, is_now, distance)


def divergence(old: Ints, new: Ints) -> float | None:
    """The Jensen-Shannon divergence of two distributions, in bits: 0 of equal ones, 1 of two that share no bin.

    It is symmetric, and finite where a bin is empty in one of them, unlike the population stability index. Source: J.
    Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on Information Theory 37 (1991), 145-151,
    with equal weights.

    Args:
        old, new: counts by bin, int64, of the same bins.

    Returns:
        None where one of them has no counts.

    Examples:
        >>> divergence(np.array([1, 1]), np.array([5, 5])), divergence(np.array([3, 0]), np.array([0, 1]))
        (0.0, 1.0)
    """
    if not old.sum() or not new.sum():
        return None
    shares = [side / side.sum() for side in (old, new)]
    middle = (shares[0] + shares[1]) / 2
    value = _entropy(middle) - (_entropy(shares[0]) + _entropy(shares[1])) / 2
    return float(min(1.0, max(0.0, value)))


def _entropy(shares: npt.NDArray[np.float64]) -> float:
    filled = shares[shares > 0]
    return float(-np.sum(filled * np.log2(filled)))


def _bin(edges: Sequence[float], number: int) -> str:
    """Name of a bin, such as 5–9, and 0.05–0.10 of shares."""
    low, last = edges[number], number == len(edges) - 1
    if all(edge == int(edge) for edge in edges):
        high = None if last else int(edges[number + 1]) - 1
        shown = f"{int(low):,}".replace("-", "−")
        if number == 0 and low < -1_000_000:
            return f"up to {f'{high:,}'.replace('-', '−')}"
        return (
            f"{shown} or more" if high is None else shown if high == low else f"{shown} to {high:,}".replace("-", "−")
        )
    return f"{low:.2f} to {1 if last else edges[number + 1]:.2f}"
