"""Intervals of scores and of differences between systems, over threads and seeds together.

A system is its runs, one a seed, and all runs of all systems are scored on the same threads: threads and seeds are
crossed, and seeds belong to systems. This is the design of radiology's reader studies (readers are seeds, cases are
threads, readers belong to a test), and their analysis is used: Obuchowski and Rockette 1995, as derived for nested
readers by Hillis 2014 (doi:10.1002/sim.5926). With S runs of score x_s on the test split, the variance of their mean
over new threads and new seeds is estimated by

    var(x_s) / S + cov

where cov is the covariance over threads between two runs of one system; of a difference, the covariance between runs of
the two systems is taken off twice. `var(x_s)` already has what threads do to single runs, so nothing is counted twice,
which the plain bootstrap of both does. Covariances over threads come from leaving out one thread at a time (the
jackknife, as in `MRMCaov`): the same as from 2,000 draws, without chance.

Few seeds make any bootstrap of seeds too narrow. Intervals have Student's t, with the degrees of freedom of Welch,
Satterthwaite and Hillis. Far out in its tail, where Holm's correction looks, that t rejects too often: p-values are of
the distribution of both parts' sum, that of seeds with heavier tails. benchmarks/intervals.md has the methods that were
tried on simulated tables, and how often each was right.

Where a system has one run, nothing can be said of other seeds: its interval is of this run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import special

from socorpus.training.examples import metrics
from socorpus.training.examples.metrics import Sums

Float = npt.NDArray[np.float64]

LEVEL = 0.95
"""Of intervals, and one minus it the share of tables with a false positive."""
_NOTHING = 1e-18
"""Variances below it are rounding."""


@dataclass(frozen=True)
class Score:
    """A metric of a system.

    Attributes:
        mean: over its runs.
        spread: standard deviation over its runs, on these threads; 0 of a single run.
        low, high: 95% interval over threads and seeds; of a single run, over threads.
    """

    mean: float
    spread: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """A system's score minus that of another one, on the same threads.

    Attributes:
        mean: of their means over runs.
        low, high: 95% interval over threads and seeds, of this difference alone.
        p: probability of a difference this large if both were equally good, two-sided, of this pair alone.
        holm: the same, corrected for all pairs of the table (Holm 1979): of tables in which no systems differ, at
            most 5% have one at or below 0.05.
    """

    mean: float
    low: float
    high: float
    p: float
    holm: float

    @property
    def differs(self) -> bool:
        """Whether the systems differ, after the correction."""
        return self.holm <= 1 - LEVEL


@dataclass(frozen=True)
class Runs:
    """A metric of a system's runs, and how it hangs on threads and seeds.

    Attributes:
        bounds: the least and the greatest value that the metric can have.
        each: float64[runs].
        apart: float64[threads]: how the mean changes without each thread, scaled so that sums of products of these are
            covariances.
        within: covariance over threads between two runs; of a single run, its variance.
    """

    bounds: tuple[float, float]
    each: Float
    apart: Float
    within: float

    @classmethod
    def of(cls, metric: str, seeds: Sequence[Sums]) -> "Runs":
        """A metric from the sums of each run.

        Raises:
            ValueError: the runs were not scored on the same threads.
        """
        task = seeds[0].task
        bounds = (0.0, np.inf) if metric == "log_loss" else (0.0, 1.0)
        return cls.of_values(
            [run.values for run in seeds], lambda values: metrics.of_sums(metric, task, values), bounds
        )

    @classmethod
    def of_values(cls, seeds: Sequence[Float], score: Callable[[Float], Float], bounds: tuple[float, float]) -> "Runs":
        """Any score that follows from sums over threads.

        Args:
            seeds: of each run, float64[threads, figures].
            score: from float64[…, figures], added up over threads, to float64[…].

        Raises:
            ValueError: the runs were not scored on the same threads.
        """
        if len({values.shape for values in seeds}) != 1:
            raise ValueError("the runs were scored on different examples")
        runs, totals = len(seeds), [values.sum(0) for values in seeds]
        each = np.array([float(score(total)) for total in totals])
        threads = len(seeds[0])
        left = np.zeros((threads, runs))
        if threads > 1:
            for column, (values, total) in enumerate(zip(seeds, totals, strict=True)):
                left[:, column] = score(total - values)
        left = (left - left.mean(0)) * np.sqrt((threads - 1) / threads)
        apart = left.mean(1)
        within = float(apart @ apart)
        if runs > 1:
            within = (runs * within - float((left * left).sum()) / runs) / (runs - 1)
        return cls(bounds, each, apart, within)

    @property
    def mean(self) -> float:
        """Over the runs."""
        return float(self.each.mean())

    @property
    def spread(self) -> float:
        """Standard deviation over the runs; 0 of a single one."""
        return float(self.each.std(ddof=1)) if len(self.each) > 1 else 0.0

    def score(self) -> Score:
        """The mean with its interval."""
        half = Error.of(self).half()
        low, high = (float(np.clip(self.mean + way * half, *self.bounds)) for way in (-1, 1))
        return Score(self.mean, self.spread, low, high)

    def minus(self, other: "Runs") -> Difference:
        """The difference, `holm` as for this pair alone.

        Raises:
            ValueError: the two were not scored on the same threads.
        """
        if self.apart.shape != other.apart.shape:
            raise ValueError("the systems were scored on different examples")
        error, mean = Error.of(self, other), self.mean - other.mean
        half, p = error.half(), error.p(mean)
        most = self.bounds[1] - self.bounds[0]
        return Difference(mean, max(mean - half, -most), min(mean + half, most), p, p)


@dataclass(frozen=True)
class Error:
    """What an estimate may be off by: a part of threads and a part of seeds, independent.

    Attributes:
        threads: variance of the part of threads.
        freedom: its degrees of freedom: threads less one.
        whole: variance of the mean of these runs over threads, as if there were no other seeds. Runs that are alike by
            chance can't make the mean surer than that.
        seeds: the variances of the parts of seeds, one a system with several runs, and their degrees of freedom.
    """

    threads: float
    freedom: int
    whole: float
    seeds: tuple[tuple[float, int], ...] = ()

    @classmethod
    def of(cls, runs: Runs, other: Runs | None = None) -> "Error":
        seeded = [some for some in (runs, other) if some is not None and len(some.each) > 1]
        # In an order of their own: the order of the systems changes no bit.
        seeds = tuple(sorted((some.spread**2 / len(some.each), len(some.each) - 1) for some in seeded))
        apart = runs.apart if other is None else runs.apart - other.apart
        whole, freedom = float(apart @ apart), max(len(apart) - 1, 1)
        if not seeded:
            return cls(whole, freedom, whole)
        threads = runs.within
        if other is not None:
            threads = (threads + other.within) - 2 * float(runs.apart @ other.apart)
        return cls(max(threads, 0.0), freedom, whole, seeds)

    @property
    def _parts(self) -> float:
        return self.threads + sum(part for part, _ in self.seeds)

    @property
    def total(self) -> float:
        """The variance."""
        return max(self._parts, self.whole)

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the variance, as of Satterthwaite 1946; of threads where seeds add nothing."""
        if self._parts <= self.whole:
            return float(self.freedom)
        squares = sum(part**2 / freedom for part, freedom in ((self.threads, self.freedom), *self.seeds))
        return self._parts**2 / squares

    def half(self) -> float:
        """Half the width of the interval."""
        if self.total < _NOTHING:
            return 0.0
        return float(special.stdtrit(self.degrees, (1 + LEVEL) / 2) * np.sqrt(self.total))

    def p(self, mean: float) -> float:
        """The two-sided probability of an error of this size.

        It is that of Student's t of the threads over a scale that is drawn as that of the seeds is. No p-value is below
        that of all threads pointing the same way by chance.
        """
        least = 2.0**-self.freedom
        if self.total < _NOTHING:
            return 1.0 if abs(mean) < np.sqrt(_NOTHING) else least
        scale: Float = np.sqrt(np.full_like(_PLACES, self.whole))
        if seeds := sum(part for part, _ in self.seeds):
            # Of several parts, less biased for few seeds than Satterthwaite's (Welch 1947).
            squares = sum(part**2 / (freedom + 2) for part, freedom in self.seeds)
            freedom = min(seeds**2 / squares - 2, sum(each for _, each in self.seeds))
            threads = max(self.threads, self.whole - seeds)
            scale = np.sqrt(threads + seeds * freedom / (2 * special.gammaincinv(freedom / 2, _PLACES)))
        p = float(2 * special.stdtr(self.freedom, -abs(mean) / scale) @ _WEIGHTS)
        return min(1.0, max(p, least))


def _quadrature() -> tuple[Float, Float]:
    """Places in (0, 1) and their weights: Gauss and Legendre's, piece by piece towards 0, where tails come from."""
    edges = np.array([0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5, 0.8, 1.0])
    places, weights = np.polynomial.legendre.leggauss(12)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + places)).ravel(), (half * weights).ravel()


_PLACES, _WEIGHTS = _quadrature()


# Tables.


def summary(metric: str, seeds: Sequence[Sums]) -> Score:
    """A metric over the runs of a system."""
    return Runs.of(metric, seeds).score()


def differences(metric: str, systems: Mapping[str, Sequence[Sums]]) -> dict[tuple[str, str], Difference]:
    """The differences of all pairs of systems, corrected for their number.

    Args:
        systems: of each system the sums of its runs, all on the same examples.

    Returns:
        By both orders of each pair. The order of the systems changes nothing.

    Raises:
        ValueError: two systems were not scored on the same threads.
    """
    return paired({name: Runs.of(metric, seeds) for name, seeds in systems.items()})


def paired(runs: Mapping[str, Runs]) -> dict[tuple[str, str], Difference]:
    """The differences of all pairs of systems, corrected for their number; by both orders of each pair.

    Raises:
        ValueError: two systems were not scored on the same threads.
    """
    pairs = list(combinations(runs, 2))
    alone = [runs[first].minus(runs[second]) for first, second in pairs]
    table: dict[tuple[str, str], Difference] = {}
    for (first, second), pair, holm in zip(pairs, alone, corrected([pair.p for pair in alone]), strict=True):
        table[first, second] = Difference(pair.mean, pair.low, pair.high, pair.p, holm)
        table[second, first] = Difference(-pair.mean, -pair.high, -pair.low, pair.p, holm)
    return table


def corrected(p_values: Sequence[float]) -> list[float]:
    """P-values after the step-down correction of Holm 1979, in the order given."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))))
    back = np.empty_like(steps)
    back[order] = steps
    return [float(value) for value in back]


def letters(order: Sequence[str], differ: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Letters of systems: two systems share one if and only if they are not told apart.

    The letters are found by inserting and absorbing (Piepho 2004).

    Args:
        order: the systems, the best first: it gets the letter a.
        differ: pairs of systems that differ.
    """
    sets: list[frozenset[str]] = [frozenset(order)] if order else []
    place = {name: number for number, name in enumerate(order)}
    for first, second in sorted({tuple(sorted(pair, key=place.__getitem__)) for pair in differ}):
        both = [some for some in sets if first in some and second in some]
        sets = [some for some in sets if some not in both]
        sets += [some - {gone} for some in both for gone in (first, second)]
        sets = [some for some in dict.fromkeys(sets) if not any(some < other for other in sets)]
    ranked = sorted(sets, key=lambda some: sorted(place[name] for name in some))
    return {name: "".join(_letter(number) for number, some in enumerate(ranked) if name in some) for name in order}


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else f"({number + 1})"
