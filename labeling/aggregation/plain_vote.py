"""The plain vote as a model: all functions are equally good, and a vote multiplies the odds of its label by one factor.

The label is that of most votes, ties go to the commoner label, and probabilities are those of the factor. Before the
votes the labels are as likely as they are common, or all alike, whichever predicts held-out votes better: functions
that each vote for one label are often as good for rare labels as for common ones. A model that tells functions apart
has to beat it (`held_out`), and its rates are drawn to those of the plain vote (`dawid_skene`).
"""

import itertools

import numpy as np

from socorpus.labeling.aggregation import held_out
from socorpus.labeling.aggregation.patterns import (
    Counts,
    Float,
    Votes,
    heard,
    outcomes,
    posterior,
    shares,
    stated,
    tally,
)

ASSUMED = 0.75
"""Share of right votes that is assumed where nothing can be learned, and nobody judged the function elsewhere."""
FEWEST_FUNCTIONS = 3
"""Functions that must meet others for the factor to be learned."""
_FACTORS = (1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.5, 8.0, 10.0, 13.0, 16.0, 20.0, 30.0, 50.0, 100.0)
_LEAST, _MOST = 1e-3, 0.98
_ROUNDS = 30


def factor_of(accuracy: float, k: int) -> float:
    """Odds of a vote's label against each other one, for functions that are right at this rate."""
    return accuracy * (k - 1) / (1 - accuracy)


def rates(votes: Float, items: float, prior: Float, factor: float) -> Float:
    """Rates of outcomes on items of each label, float64[m, k, k + 1].

    Args:
        votes: float64[m, k], votes of each function for each label on `items`.
        prior: float64[k], shares of the labels.
        factor: by which a vote multiplies the odds of its label.
    """
    k = len(prior)
    lift = np.ones((k, k))
    np.fill_diagonal(lift, factor)
    share = (votes + _LEAST) / max(items, 1)
    by_label = share[:, None, :] * lift[None] / (1 + prior * (factor - 1))[None, None, :]
    return with_silence(by_label)


def assumed(votes: Float, items: float, shares: Float) -> Float:
    """Rates of functions of which nothing can be learned, in the form of `rates`.

    A vote gives its label the probability that is assumed, from labels that are alike beforehand (`patterns.start`),
    and silence is next to no evidence.

    Args:
        shares: float64[m], share of right votes that is assumed of each function.
    """
    k = votes.shape[1]
    each = shares[:, None, None]
    right = np.where(np.eye(k, dtype=bool), each, (1 - each) / max(k - 1, 1))
    share = _LEAST * (votes + _LEAST) / max(items, 1)
    return with_silence(share[:, None, :] * right)


def fit(
    patterns: Votes, weight: Float, met: Float, voices: Float, group: Counts, stating: list[int], k: int
) -> tuple[float, Float, bool]:
    """The factor under which the votes of others predict a function's outcome best, the shares of the labels, and
    whether all labels are as likely before the votes.

    A factor that follows from `ASSUMED` is a little likelier than others beforehand. Where too few functions meet it is
    that one, and labels are alike.

    Args:
        weight: float64[n], items of each pattern; met: those on which two functions or more vote, else 0.
        voices, group: of the functions, as in `dawid_skene`; stating: places of those that state facts.
    """
    if k == 1:
        return 1.0, np.ones(1), True
    votes = outcomes(patterns, met[:, None], k)[:, 0, :k]
    counted, named = tally(patterns, voices, k), heard(patterns, k)
    usual = np.log(factor_of(ASSUMED, k))
    best: tuple[float, float, Float, bool] = (-np.inf, 1.0, np.full(k, 1 / k), True)
    # That two functions agree says little of either.
    enough = len(np.unique(group[votes.any(1)])) >= FEWEST_FUNCTIONS
    settings = itertools.product(_FACTORS, (True, False)) if enough else [(factor_of(ASSUMED, k), True)]
    for factor, alike in settings:
        prior = shares((posterior(np.where(named, 0.0, -np.inf)) * weight[:, None]).sum(0))
        for _ in range(1 if alike else _ROUNDS):
            before = np.zeros(k) if alike else np.log(prior)
            log = np.where(named, before + counted * np.log(factor), -np.inf)
            prior = shares((stated(patterns, stating, posterior(log)) * weight[:, None]).sum(0))
        each, free = rates(votes, met.sum(), prior, factor), np.full(len(group), alike)
        score = held_out.score(patterns, met, prior, each, free, voices, group, stating)
        score -= 0.5 * (np.log(factor) - usual) ** 2
        if score > best[0]:
            best = (score, factor, prior, alike)
    return best[1:]


def with_silence(by_label: Float) -> Float:
    """With the rate of abstaining; rates that sum to more than 1 are scaled, and their ratios stay."""
    most = by_label.sum(2).max(1)[:, None, None]
    by_label = by_label * np.minimum(1, _MOST / np.maximum(most, 1e-12))
    return np.concatenate([by_label, 1 - by_label.sum(2, keepdims=True)], 2)
