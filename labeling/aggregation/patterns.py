"""Patterns of votes: the votes of all functions on one item, each pattern with its number of items."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Votes = npt.NDArray[np.int8]
"""int8[n, m]: the number of the label that each of m functions votes for, or `ABSTAIN`."""
Float = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

ABSTAIN = -1
FACT = 0.99
"""Probability of a label that a function states as a fact: the dump itself may be wrong."""


def distinct(patterns: Votes, counts: Counts) -> tuple[Votes, Counts]:
    """Distinct patterns in order, with their numbers of items; those without a vote are left out."""
    spoken = (patterns != ABSTAIN).any(1)
    unique, place = np.unique(patterns[spoken], axis=0, return_inverse=True)
    return unique, np.bincount(place.ravel(), weights=counts[spoken], minlength=len(unique)).astype(np.int64)


def heard(patterns: Votes, k: int) -> npt.NDArray[np.bool_]:
    """Whether anybody votes for a label, bool[n, k]."""
    return np.stack([(patterns == label).any(1) for label in range(k)], 1)


def tally(patterns: Votes, voices: Float, k: int) -> Float:
    """Sum of the voices for each label, float64[n, k]."""
    return np.stack([(patterns == label) @ voices for label in range(k)], 1)


def outcomes(patterns: Votes, mass: Float, k: int) -> Float:
    """Mass by function, class and outcome: float64[m, c, k + 1] of `mass` float64[n, c]."""
    (n, m), c = patterns.shape, mass.shape[1]
    by_outcome = np.zeros(m * c * (k + 1))
    row = np.arange(m * c).reshape(m, c) * (k + 1)
    for part in blocks(n, m * c):
        # A matrix product would depend on the number of threads in its last bits; this does not.
        cell = row + _outcome(patterns[part], k)[:, :, None]
        weight = np.broadcast_to(mass[part][:, None], cell.shape)
        by_outcome += np.bincount(cell.ravel(), weights=weight.ravel(), minlength=len(by_outcome))
    return by_outcome.reshape(m, c, k + 1)


def evidence(patterns: Votes, rates: Float, voices: Float, silence: bool = False) -> Float:
    """Log likelihood of each function's outcome by label, float64[n, m, k].

    Args:
        rates: float64[m, k, k + 1], rates of outcomes on items of each label.
        voices: float64[m], factors of the log likelihoods.
        silence: whether abstaining is evidence too.
    """
    m, k = rates.shape[:2]
    log_rates = voices[:, None, None] * np.log(np.maximum(rates, 1e-12)).swapaxes(1, 2)
    if not silence:
        log_rates[:, k] = 0
    each: Float = log_rates[np.arange(m), _outcome(patterns, k)]
    return each


_BLOCK = 1 << 22


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Slices of rows, of so many that intermediate results of this width are of some megabytes."""
    size = max(1, _BLOCK // max(width, 1))
    for begin in range(0, rows, size):
        yield slice(begin, begin + size)


def start(spoken: npt.NDArray[np.bool_], bound: npt.NDArray[np.bool_], prior: Float) -> Float:
    """Log probability of each label before the votes, float64[..., k].

    Every label is as likely as any other where only functions vote whose votes state odds by themselves: were each of
    these odds put upon the labels' shares, a label for which nobody votes could win, and two that agree be less sure
    than one of them. Where nobody votes, and where others vote, it is the labels' shares.

    Args:
        spoken: bool[...], whether any function votes.
        bound: bool[...], whether one votes whose votes don't state odds.
        prior: float64[k], shares of the labels.
    """
    log: Float = np.where((spoken & ~bound)[..., None], -np.log(len(prior)), np.log(prior))
    return log


def log_probabilities(
    patterns: Votes,
    prior: Float,
    rates: Float,
    free: npt.NDArray[np.bool_],
    voices: Float,
    silence: bool = False,
) -> Float:
    """Log probability of each label of each pattern, without a constant, float64[n, k].

    Args:
        free: bool[m], functions whose votes state odds.
        rates, voices, silence: as for `evidence`.
    """
    voted = patterns != ABSTAIN
    log = start(voted.any(1), voted[:, ~free].any(1), prior)
    for part in blocks(len(patterns), rates[:, :, 0].size):
        log[part] += evidence(patterns[part], rates, voices, silence).sum(1)
    return log


def posterior(log: Float) -> Float:
    """Probabilities of logarithms that lack a constant, float64[..., k]: sums of 1 over the last axis."""
    likely = np.exp(log - log.max(-1, keepdims=True)) if len(log) else log
    return likely / likely.sum(-1, keepdims=True)


def shares(mass: Float) -> Float:
    """Shares of a mass, none of them zero."""
    smoothed: Float = (mass + 1) / (mass + 1).sum()
    return smoothed


def places(functions: Sequence[str], facts: Sequence[str]) -> list[int]:
    """Places of the functions that state facts."""
    return [place for place, name in enumerate(functions) if name in facts]


def stated(patterns: Votes, stating: Sequence[int], probabilities: Float) -> Float:
    """The probabilities, but `FACT` for the label of a stated fact, shared equally where stated facts differ.

    Args:
        stating: places of the functions that state facts.
        probabilities: float64[n, ..., k], of each pattern.
    """
    if not stating:
        return probabilities
    named = patterns[:, list(stating)]
    votes = np.stack([(named == label).sum(1) for label in range(probabilities.shape[-1])], 1).astype(np.float64)
    known = votes.any(1)
    probabilities = probabilities.copy()
    share = votes[known] / votes[known].sum(1, keepdims=True)
    share = share.reshape(len(share), *[1] * (probabilities.ndim - 2), probabilities.shape[-1])
    probabilities[known] = FACT * share + (1 - FACT) * probabilities[known]
    return probabilities


def groups(patterns: Votes, weight: Float, copies: float) -> Counts:
    """Number of the group of each function, int64[m]: functions that nearly always vote the same share a group.

    So do functions that vote for the same of several labels on nearly all items on which both vote, though each also
    votes where the other does not: no two functions are right that often. That two which only vote for one label agree
    there says nothing.

    Args:
        copies: share of the items on which either votes where both must vote the same.
    """
    m = patterns.shape[1]
    group = list(range(m))
    for function in range(m):
        own = patterns[:, function] != ABSTAIN
        for other in range(function):
            theirs = patterns[:, other] != ABSTAIN
            both = own & theirs
            alike = both & (patterns[:, function] == patterns[:, other])
            either, same = weight[own | theirs].sum(), weight[alike].sum()
            if (either and same >= copies * either) or _one_voice(patterns[both][:, [function, other]], weight[both]):
                group = [group[other] if of == group[function] else of for of in group]
    return np.array(group, np.int64)


_COMMON, _KAPPA = 30, 0.97


def _one_voice(votes: Votes, weight: Float) -> bool:
    """Whether two functions agree on items on which both vote as only copies do, by Cohen's kappa.

    Args:
        votes: int8[n, 2].
    """
    common = weight.sum()
    if common < _COMMON:
        return False
    shares = [np.bincount(votes[:, column], weight, int(votes.max()) + 1) / common for column in (0, 1)]
    chance = float((shares[0] * shares[1]).sum())
    observed = float(weight[votes[:, 0] == votes[:, 1]].sum() / common)
    return chance < 1 and (observed - chance) / (1 - chance) >= _KAPPA


def _outcome(patterns: Votes, k: int) -> Counts:
    """Number of each vote's label, `k` for none, int64[n, m]."""
    return np.where(patterns == ABSTAIN, k, patterns).astype(np.int64)
