"""Held-out likelihood of votes: how well each function's outcome on an item follows from the votes of the others.

No truth is needed, which makes it the measure by which models of votes are compared. It is a composite likelihood
(Varin, Reid and Firth, Statistica Sinica 21, 2011) of the conditional distributions of single outcomes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from socorpus.corpus import arrays
from socorpus.labeling.aggregation.patterns import (
    ABSTAIN,
    Counts,
    Float,
    Votes,
    blocks,
    evidence,
    posterior,
    start,
    stated,
)

FOLDS = 5


def score(
    patterns: Votes,
    met: Float,
    prior: Float,
    rates: Float,
    free: npt.NDArray[np.bool_],
    voices: Float,
    group: Counts,
    stating: Sequence[int],
) -> float:
    """Log likelihood of every function's outcome, given the votes of the others, over the items that count.

    Functions of one group do not predict one another, and share one voice; outcomes of functions that state facts are
    not predicted.

    Args:
        patterns: int8[n, m]; met: float64[n], items of each pattern that count.
        prior, rates, free: of the model: float64[k], float64[m, k, k + 1], bool[m].
        voices, group: float64[m], int64[m].
        stating: places of the functions that state facts.
    """
    rows = met > 0
    patterns, met = patterns[rows], met[rows]
    predicted = np.setdiff1d(np.arange(len(group)), np.asarray(stating, np.int64))
    total = 0.0
    for part in blocks(len(patterns), rates[:, :, 0].size):
        of_part = patterns[part]
        votes = evidence(of_part, rates, voices)
        full = np.exp(evidence(of_part, rates, np.ones(len(voices)), silence=True)[:, predicted])
        others = _others(of_part, votes, prior, free, group)[:, predicted]
        believed = stated(of_part, stating, others)
        likely = np.log(np.maximum((full * believed).sum(2), 1e-12))
        total += float((met[part, None] * likely * voices[predicted]).sum())
    return total


def _others(patterns: Votes, votes: Float, prior: Float, free: npt.NDArray[np.bool_], group: Counts) -> Float:
    """Probabilities of the labels by the votes of other groups than a function's, float64[n, m, k]."""
    voted = (patterns != ABSTAIN).astype(np.int64)
    spoken, bound = (of.sum(1, keepdims=True) - _of_groups(of, group) > 0 for of in (voted, voted * ~free))
    return posterior(votes.sum(1, keepdims=True) - _of_groups(votes, group) + start(spoken, bound, prior))


def _of_groups(values: npt.NDArray[Any], group: Counts) -> npt.NDArray[Any]:
    """Sums over each function's group, of the shape [n, m, ...] of the functions' values."""
    numbers = np.unique(group)
    if len(numbers) == len(group):
        return values
    sums = np.zeros_like(values)
    for number in numbers.tolist():
        sums[:, group == number] = values[:, group == number].sum(1, keepdims=True)
    return sums


def of_posts(posts: Counts) -> Counts:
    """Fold in which each post is held out, int64[n], by a hash of its number (int64[n])."""
    return (arrays.splitmix64(posts) % np.uint64(FOLDS)).astype(np.int64)


def order_of(patterns: Votes, functions: Sequence[str], labels: Sequence[str]) -> Counts:
    """An order of patterns, int64[n], that follows from who votes for what, and not from the order of columns."""
    sums = np.zeros(len(patterns), np.uint64)
    for column, function in enumerate(functions):
        names = [f"{function}\0{label}".encode() for label in labels]
        digests = [int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little") for name in names]
        sums += np.array([*digests, 0], np.uint64)[patterns[:, column]]  # the last one abstains
    return np.argsort(sums, kind="stable")


def folds(counts: Counts, order: Counts) -> Iterator[tuple[Counts, Counts]]:
    """Numbers of items to learn from and to score, `FOLDS` times: the items are dealt out in the order of patterns."""
    first = np.concatenate([[0], np.cumsum(counts[order])])
    for number in range(FOLDS):
        dealt = (first + FOLDS - 1 - number) // FOLDS
        scored = np.zeros_like(counts)
        scored[order] = np.diff(dealt)
        yield counts - scored, scored
