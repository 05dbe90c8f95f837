"""Functions whose votes tell nothing: they vote for a label as often where others do as where others vote differently.

A label model believes that an item's label is one for which somebody votes. A function that votes for one label on
everything would give that label to every item on which nobody else votes, and seem to be right on all of these. Whether
its votes tell anything shows where others vote: by its lift, the rate at which it votes for a label where others do,
divided by the rate where they vote for other labels. Where that is shown to be near 1 these votes are not counted; a
test of equivalence, so that few meetings show nothing (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15,
1987). Where others state facts, these are compared with. Votes that go with those of any single function, or against
them, are counted: others may contradict each other. People's judgements take no part: which posts they see depends on
the votes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from socorpus.labeling.aggregation.patterns import ABSTAIN, Counts, Float, Votes, blocks, tally

NEAR = 1.25
"""Lifts from 1 / `NEAR` to `NEAR` are as good as none."""
_ERROR, _DEVIATIONS = 0.05, 1.96


@dataclass(frozen=True)
class Lift:
    """How many times as often a function votes for a label where others do as where others vote for other labels."""

    ratio: float
    least: float
    most: float
    """Bounds of the 95% interval (Katz, Baptista, Azen and Pike, Biometrics 34, 1978)."""
    same: int
    """Votes for the label where others vote for it, in shares of their votes, rounded."""
    different: int
    """Votes for the label where others vote for other labels."""

    def as_dict(self) -> dict[str, float | int]:
        """As JSON; numbers are rounded to four decimals."""
        bounds = {name: round(getattr(self, name), 4) for name in ("ratio", "least", "most")}
        return bounds | {"same": self.same, "different": self.different}

    @property
    def none(self) -> bool:
        """Whether it is shown to be near 1."""
        return self.least > 1 / NEAR and self.most < NEAR


def find(patterns: Votes, weight: Float, group: Counts, stating: Sequence[int], k: int) -> list[tuple[int, int]]:
    """Places of functions and labels for which their votes tell nothing, in order.

    Args:
        patterns: int8[n, m].
        weight: float64[n], items of each pattern.
        group: int64[m], functions of one group are copies, and say nothing of one another.
        stating: places of functions that state facts: they are never among the results.
    """
    muted: list[tuple[int, int]] = []
    before: set[int] = set()
    pairs = _pairs(patterns, weight, k)
    while True:
        rest = without(patterns, muted)
        others = _others(rest, group, stating, k)
        near_one: dict[tuple[int, int], float] = {}
        nothing: set[int] = set()
        for function in sorted(set(range(patterns.shape[1])) - set(stating)):
            lifts = _lifts(rest[:, function], others(function), weight)
            if not lifts and function in before:
                # What only stood beside votes that tell nothing tells nothing either, as far as votes show.
                labels = np.unique(rest[:, function])
                muted += [(function, label) for label in labels[labels != ABSTAIN].tolist()]
            none = {label: max(lift.most, 1 / lift.least) for label, lift in lifts.items() if lift.none}
            for label in _borne_out(pairs, group, function) if none else ():
                none.pop(label, None)
            near_one |= {(function, label): wide for label, wide in none.items()}
            if none and len(none) == len(lifts):
                nothing.add(function)
        # Who tells nothing by any of its votes goes first: beside it others look as if they told nothing.
        doubtful = [pair for pair in near_one if pair[0] in nothing] or list(near_one)
        before = nothing
        if not doubtful:
            return sorted(muted)
        # One at a time: what looks like chance beside a function that votes on everything need not be.
        muted.append(min(doubtful, key=lambda pair: (near_one[pair], pair)))
        for function, label in muted:
            pairs[function, label], pairs[:, :, function, label] = 0, 0


def _pairs(patterns: Votes, weight: Float, k: int) -> Float:
    """Items on which a function votes for a label and another for one, float64[m, k, m, k]."""
    n, m = patterns.shape
    counts = np.zeros((m * k, m * k))
    for part in blocks(n, m * k):
        voting = (patterns[part][:, :, None] == np.arange(k)).reshape(-1, m * k).astype(np.float64)
        # Sums of whole numbers are the same in any order.
        counts += voting.T @ (voting * weight[part][:, None])
    return counts.reshape(m, k, m, k)


def without(patterns: Votes, muted: Sequence[tuple[int, int]]) -> Votes:
    """The votes without those of some functions for some labels."""
    if muted:
        patterns = patterns.copy()
    for function, label in muted:
        patterns[patterns[:, function] == label, function] = ABSTAIN
    return patterns


def of_function(
    patterns: Votes, weight: Float, group: Counts, stating: Sequence[int], k: int, function: int
) -> dict[int, Lift]:
    """Lift of a function's votes for each label that it votes for, where others vote for that label and for others.

    Args:
        patterns, weight, group, stating, k: as in `find`.
    """
    return _lifts(patterns[:, function], _others(patterns, group, stating, k)(function), weight)


def _others(patterns: Votes, group: Counts, stating: Sequence[int], k: int) -> Callable[[int], Float]:
    """From a function to the votes of others for each label, float64[n, k]; only stated facts where there are any."""
    facts = np.isin(np.arange(len(group)), np.asarray(stating, np.int64))
    every, stated = (tally(patterns, of.astype(np.float64), k) for of in (np.ones(len(group)), facts))

    def of_others(function: int) -> Float:
        own = np.flatnonzero(group == group[function])
        votes = every - tally(patterns[:, own], np.ones(len(own)), k)
        known = stated - tally(patterns[:, own], facts[own].astype(np.float64), k)
        return np.where(known.any(1, keepdims=True), known, votes)

    return of_others


def _borne_out(pairs: Float, group: Counts, function: int) -> set[int]:
    """Labels for which a function's votes go with those of a single other function, or against them.

    Args:
        pairs: as of `_pairs`.
    """
    others = np.flatnonzero(group != group[function]).tolist()
    # Of many that are compared some would seem to by chance (Bonferroni).
    deviations = NormalDist().inv_cdf(1 - _ERROR / 2 / max(len(others), 1))
    labels = set()
    for other in others:
        votes, beside = np.diagonal(pairs[other, :, other]), pairs[function, :, other]
        for label in np.flatnonzero(pairs[function, :, function].any(1)).tolist():
            alike, unlike = float(votes[label]), float(votes.sum() - votes[label])
            if alike and unlike:
                same = float(beside[label, label])
                lift = _lift(same, alike, float(beside[label].sum()) - same, unlike, deviations)
                if not lift.least <= 1 <= lift.most:
                    labels.add(label)
    return labels


def _lifts(own: Votes, votes: Float, weight: Float) -> dict[int, Lift]:
    """Lifts of a function (int8[n]) against numbers of votes of others (float64[n, k])."""
    total = votes.sum(1)
    share = votes / np.maximum(total, 1)[:, None]
    met = weight * (total > 0)
    lifts = {}
    for label in np.unique(own[own != ABSTAIN]).tolist():
        voting = own == label
        alike, unlike = met * share[:, label], met * (1 - share[:, label])
        if alike.any() and unlike.any():
            same, of_same, different, of_different = (
                float(of.sum()) for of in (alike[voting], alike, unlike[voting], unlike)
            )
            lifts[label] = _lift(same, of_same, different, of_different, _DEVIATIONS)
    return lifts


def _lift(same: float, of_same: float, different: float, of_different: float, deviations: float) -> Lift:
    """Ratio of the rates same / of_same and different / of_different; half an item each keeps it finite."""
    rates = (same + 0.5) / (of_same + 0.5), (different + 0.5) / (of_different + 0.5)
    variance = sum(1 / (n + 0.5) - 1 / (of + 0.5) for n, of in ((same, of_same), (different, of_different)))
    # Where each item has a vote the variance is 0, and yet few items show little.
    far = float(deviations * np.sqrt(variance + 0.5 / (of_same + 0.5) ** 2 + 0.5 / (of_different + 0.5) ** 2))
    ratio = rates[0] / rates[1]
    return Lift(ratio, float(ratio * np.exp(-far)), float(ratio * np.exp(far)), round(same), round(different))
