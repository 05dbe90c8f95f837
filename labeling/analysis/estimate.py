"""Shares from a stratified sample: weights, confidence intervals, and how many more judgements an interval needs.

Within a stratum each item was as likely to be drawn as any other; strata may be drawn at different rates. A share over
some of the items (a label, a slice) is a ratio of weighted sums (Särndal, Swensson and Wretman, "Model Assisted Survey
Sampling", 1992, chapter 5). Its interval is that of Korn and Graubard, "Confidence Intervals for Proportions With Small
Expected Number of Positive Counts Estimated From Survey Data", Survey Methodology 24, 1998: exact (Clopper and Pearson)
for the number of independent draws that would be as certain.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from socorpus.corpus.arrays import Float64, Int64

CONFIDENCE = 0.95
HALF_WIDTH = 0.05


@dataclass(frozen=True)
class Share:
    """A share of items that are right, with its interval."""

    judged: int
    right: int
    items: int
    """Items of the population."""
    share: float | None
    """Weighted; None where nothing was judged."""
    low: float
    high: float
    more: int
    """Further judgements until the interval is about `HALF_WIDTH` to either side."""


@dataclass(frozen=True)
class Recall:
    """How many items that gold gives a label have it, with the share's exact interval (Clopper and Pearson)."""

    gold: int
    labelled: int
    """Those that have any label."""
    right: int

    @property
    def share(self) -> float | None:
        """The share that is right; None where gold has no such item."""
        return self.right / self.gold if self.gold else None

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval of the share."""
        return interval(self.right / self.gold, self.gold) if self.gold else (0.0, 1.0)


@dataclass(frozen=True)
class Sample:
    """Judged items of a population in strata: n rows."""

    stratum: Int64
    """int64[n], from 0 on."""
    right: npt.NDArray[np.bool_]
    population: Int64
    """int64[strata], items of each stratum."""

    def weights(self) -> Float64:
        """Items that each row stands for, float64[n]."""
        drawn = np.bincount(self.stratum, minlength=len(self.population))
        weights: Float64 = self.population[self.stratum] / drawn[self.stratum]
        return weights

    def unseen(self) -> float:
        """Share of the population in strata of which nothing was judged: no estimate speaks of these."""
        drawn = np.bincount(self.stratum, minlength=len(self.population))
        return float(self.population[drawn == 0].sum() / max(self.population.sum(), 1))

    def share(self, rows: npt.NDArray[np.bool_], items: int) -> Share:
        """The share of some of the rows that is right.

        Args:
            rows: bool[n], those that belong to the label or slice in question.
            items: number of these in the population.
        """
        judged, right = int(rows.sum()), int((rows & self.right).sum())
        if not judged:
            needed = math.ceil(_needed(0.5))
            return Share(0, 0, items, None, 0.0, 1.0, min(items, needed))
        weights = self.weights()
        total = float(weights[rows].sum())
        share = float(weights[rows & self.right].sum() / total)
        draws = self._draws(rows, weights, share, total)
        low, high = interval(share, draws)
        smooth = (share * draws + 2) / (draws + 4)
        more = math.ceil(_needed(smooth) * judged / draws) - judged
        return Share(judged, right, items, share, low, high, max(0, min(more, items - judged)))

    def _draws(self, rows: npt.NDArray[np.bool_], weights: Float64, share: float, total: float) -> float:
        """Number of independent draws that would be as certain, at most the number of rows."""
        own = weights[rows]
        kish = float(own.sum() ** 2 / (own**2).sum())
        residual = np.where(rows, weights * (self.right - share) / total, 0.0)
        drawn = np.bincount(self.stratum, minlength=len(self.population))
        mean = np.bincount(self.stratum, weights=residual, minlength=len(drawn)) / np.maximum(drawn, 1)
        square = np.bincount(self.stratum, weights=(residual - mean[self.stratum]) ** 2, minlength=len(drawn))
        enough = drawn > 1
        variance = float((drawn[enough] / (drawn[enough] - 1) * square[enough]).sum())
        if variance <= 0 or not 0 < share < 1:
            return kish
        return max(1.0, min(float(rows.sum()), kish, share * (1 - share) / variance))


def interval(share: float, draws: float) -> tuple[float, float]:
    """The exact interval of a share of so many draws, neither of which need be whole."""
    from scipy.stats import beta

    right, tail = share * draws, (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, right, draws - right + 1)) if right > 1e-9 else 0.0
    high = float(beta.ppf(1 - tail, right + 1, draws - right)) if draws - right > 1e-9 else 1.0
    return low, high


def _needed(share: float) -> float:
    """Independent draws for an interval of `HALF_WIDTH` to either side."""
    return 1.96**2 * share * (1 - share) / HALF_WIDTH**2
