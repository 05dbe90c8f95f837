"""Probabilities against people's judgements: how far off they are, and a correction that is learned from these.

The correction is a multinomial logistic regression on what the label model says: a factor for its log odds (temperature
scaling: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017), a term for each label,
and one for each function's votes for a label, since functions that read the same column are surer together than they
should be. Gaussian priors keep each near no correction; how near is chosen on held-out judgements, and without good
reason nothing is corrected: people often judge what is uncertain, and what is learned there need not hold elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from socorpus.labeling.aggregation.patterns import ABSTAIN, Counts, Float, Votes, posterior

ERROR = 0.05
"""Share of wrong judgements that is assumed where no two people judged the same items."""
BINS = 10
_DEVIATIONS = (0.5, 1.0, 0.7)
"""Prior standard deviations of the factor, the labels' terms, and the functions' terms."""
LOOSENESS = (0.0, 0.3, 1.0)
"""Factors of these that are tried; 0: no correction."""


@dataclass(frozen=True)
class Calibration:
    """A correction of log probabilities."""

    factor: float
    labels: Float
    """float64[k], added to the log probability of each label."""
    votes: Float
    """float64[m, k], added to that of the label that a function votes for."""
    judged: int
    """Number of judged items that it was learned from."""

    def apply(self, patterns: Votes, log: Float) -> Float:
        """Corrected probabilities, float64[n, k], of log probabilities that may lack a constant."""
        log = log - log.max(1, keepdims=True) if len(log) else log
        return posterior(self.factor * log + self.labels + _support(patterns, self.votes))

    def as_dict(self) -> dict[str, Any]:
        """As JSON; numbers are rounded to six decimals."""
        return {
            "factor": round(self.factor, 6),
            "labels": np.round(self.labels, 6).tolist(),
            "votes": np.round(self.votes, 6).tolist(),
            "judged": self.judged,
        }


def from_dict(values: Mapping[str, Any]) -> Calibration:
    """The correction that `Calibration.as_dict` wrote."""
    votes = np.array(values["votes"], np.float64)
    return Calibration(values["factor"], np.array(values["labels"], np.float64), votes, values["judged"])


def fit(
    patterns: Votes, log: Float, verdict: Counts, weight: Float, error: float, looseness: float = 1.0
) -> Calibration:
    """Learn a correction.

    Args:
        patterns: int8[n, m], votes on judged items.
        log: float64[n, k], log probabilities by a model that did not see these judgements.
        verdict: int64[n], people's label of each.
        weight: float64[n], number of items of each row.
        error: share of the judgements that are wrong.
        looseness: factor of the priors' standard deviations, one of `LOOSENESS`.
    """
    from scipy.optimize import minimize

    k = log.shape[1]
    m = patterns.shape[1]
    if not looseness or not len(log):
        return Calibration(1.0, np.zeros(k), np.zeros((m, k)), int(weight.sum()))
    log = log - log.max(1, keepdims=True)
    seen = slips(verdict, k, error)
    deviation = np.concatenate([[_DEVIATIONS[0]], np.full(k, _DEVIATIONS[1]), np.full(m * k, _DEVIATIONS[2])])
    deviation *= looseness
    usual = np.concatenate([[1.0], np.zeros(k + m * k)])

    def loss(values: Float) -> tuple[float, Float]:
        votes = values[1 + k :].reshape(m, k)
        believed = posterior(values[0] * log + values[1 : 1 + k] + _support(patterns, votes))
        joint = believed * seen
        likely = joint.sum(1)
        slope = (believed - joint / likely[:, None]) * weight[:, None]
        by_vote = np.zeros((m, k))
        for function in range(m):
            voted = np.flatnonzero(patterns[:, function] != ABSTAIN)
            label = patterns[voted, function].astype(np.int64)
            by_vote[function] = np.bincount(label, weights=slope[voted, label], minlength=k)
        gradient = np.concatenate([[(slope * log).sum()], slope.sum(0), by_vote.ravel()])
        away = (values - usual) / deviation
        return float(-(weight * np.log(likely)).sum() + 0.5 * (away**2).sum()), gradient + away / deviation

    bounds = [(0.0, None), *[(None, None)] * (k + m * k)]
    values = minimize(loss, usual, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration(float(values[0]), values[1 : 1 + k], values[1 + k :].reshape(m, k), int(weight.sum()))


def slips(verdict: Counts, k: int, error: float) -> Float:
    """Likelihood of people's label by true label, float64[n, k]; ones where there is no label (-1)."""
    likely = np.full((len(verdict), k), error / max(k - 1, 1))
    judged = np.flatnonzero(verdict >= 0)
    likely[judged, verdict[judged]] = 1 - error
    likely[verdict < 0] = 1.0
    return likely


def error_of(units: int, different: int) -> float:
    """Share of wrong judgements, from pairs of people on the same items and how many of these differ.

    Two people who err independently at a small rate differ at twice that; the assumed `ERROR` weighs as 40 pairs.
    """
    return min(0.45, (40 * ERROR + different / 2) / (40 + units))


def measure(probabilities: Float, verdict: Counts, weight: Counts, fold: Counts) -> dict[str, Any]:
    """Figures of probabilities against people's labels.

    Args:
        probabilities: float64[n, k], by a model that did not see the judgement of the row.
        verdict: int64[n]; weight: int64[n], items of each row.
        fold: int64[n], by which the rows were held out. The constant is learned from the other folds too.

    Returns:
        `judged`, `accuracy` of the likeliest label, `log_loss` and `constant` (that of always stating the shares of the
        labels), `ece`, the expected calibration error of the likeliest label's probability over `BINS` bins of equal
        width, and `reliability`: of each bin that is not empty its bounds, number of items, mean probability, and share
        that is right.
    """
    n, k = probabilities.shape
    rows = np.arange(n)
    constant = shares_elsewhere(verdict, weight, fold, k)
    best, right = probabilities.max(1), probabilities.argmax(1) == verdict
    total = int(weight.sum())
    table = _reliability(best, right, weight)

    def mean(values: npt.NDArray[Any]) -> float:
        return round(float((values * weight).sum() / total), 4)

    return {
        "judged": total,
        "accuracy": mean(right),
        "log_loss": mean(-np.log(np.maximum(probabilities[rows, verdict], 1e-12))),
        "constant": mean(-np.log(constant)),
        "ece": _error(table, total),
        "reliability": table,
    }


def shares_elsewhere(verdict: Counts, weight: Counts, fold: Counts, k: int) -> Float:
    """Share of each item's label among the judgements of the other folds, one more of each label: float64[n].

    Args:
        verdict, weight, fold: as for `measure`; k: number of labels.
    """
    counts = np.zeros((int(fold.max()) + 1, k))
    np.add.at(counts, (fold, verdict), weight)
    others = counts.sum(0)[None] - counts + 1
    shares: Float = others[fold, verdict] / others[fold].sum(1)
    return shares


def measure_stated(stated: Float, right: npt.NDArray[np.bool_], fold: Counts) -> dict[str, Any]:
    """Figures of labels that are right or not, such as those of spans, of which most are none of any label.

    Args:
        stated: float64[n], probability of each label, by what did not see whether it is right.
        right: bool[n]; fold: int64[n], as for `measure`. The constant is the share that is right in the other folds.

    Returns:
        As `measure`.
    """
    folds = int(fold.max()) + 1
    of_fold, right_of_fold = np.bincount(fold, minlength=folds), np.bincount(fold, weights=right, minlength=folds)
    share = ((right.sum() - right_of_fold + 1) / (len(right) - of_fold + 2))[fold]
    table = _reliability(stated, right, np.ones(len(right), np.int64))

    def loss(likely: Float) -> float:
        return round(float(-np.log(np.maximum(np.where(right, likely, 1 - likely), 1e-12)).mean()), 4)

    return {
        "judged": len(right),
        "accuracy": round(float(right.mean()), 4),
        "log_loss": loss(stated),
        "constant": loss(share),
        "ece": _error(table, len(right)),
        "reliability": table,
    }


def _error(table: list[dict[str, Any]], total: int) -> float:
    return round(sum(row["items"] * abs(row["stated"] - row["right"]) for row in table) / total, 4)


def _reliability(best: Float, right: npt.NDArray[np.bool_], weight: Counts) -> list[dict[str, Any]]:
    table = []
    bins = np.clip((best * BINS).astype(int), 0, BINS - 1)
    for number in np.unique(bins).tolist():
        own = bins == number
        items = int(weight[own].sum())
        stated, true = (float((values[own] * weight[own]).sum() / items) for values in (best, right.astype(float)))
        table.append(
            {"from": number / BINS, "to": (number + 1) / BINS, "items": items}
            | {"stated": round(stated, 4), "right": round(true, 4)}
        )
    return table


def _support(patterns: Votes, votes: Float) -> Float:
    """Sum of the votes' terms for each label, float64[n, k]."""
    support = np.zeros((len(patterns), votes.shape[1]))
    for function in range(patterns.shape[1]):
        voted = np.flatnonzero(patterns[:, function] != ABSTAIN)
        label = patterns[voted, function].astype(np.int64)
        support[voted, label] += votes[function, label]
    return support
