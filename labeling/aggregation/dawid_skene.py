"""Votes -> probabilities: Dawid and Skene's model with abstaining, by expectation maximisation over patterns of votes.

A pattern is what all functions say of one item, and has a count: the cost does not grow with the corpus but with the
number of distinct patterns. Source: A. P. Dawid and A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates
Using the EM Algorithm", Applied Statistics 28(1), 1979. Five things are added, for
labelling functions are no doctors who see every patient, and each of these broke the plain model in the tests:

- To abstain is an outcome of its own while rates are learned. Most functions only ever vote for one label; were
  abstaining missing, their rows of the confusion matrix would be all ones, and their votes would say nothing.
- While rates are learned, the true label of an item is one that somebody votes for. Where functions hardly meet,
  classes would otherwise come to stand for "this function spoke" and not for labels.
- Rates are learned from items on which two functions or more vote. Who is alone contradicts nobody, and would be told
  to be never wrong.
- Pseudo-votes of a function that is right three times in four pull its rates towards the diagonal, in proportion to how
  often it says what. There are ten, and one for every ten votes that it gives alone: where spans meet is where they
  differ, so that a few meetings say little of the many votes that nobody else gave. A function that hardly ever meets
  another stays at these: what it does not say of items that others meet on tells nothing of it.
- Functions that nearly always say the same of the same items share one voice: independent errors are the model's
  premise, and copies would otherwise outvote everybody.

What was learned is then applied to the votes alone: that a function kept silent says more of its rule than of the item.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Votes = npt.NDArray[np.int8]
Float = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

VERSION = 2
ABSTAIN = -1
FEWEST_FUNCTIONS = 3
"""Functions that must speak often enough for their rates to be learned; with fewer the majority decides."""
OFTEN = 20
"""Votes from which a function speaks often enough; of its rates to be learned, votes on items where others vote too."""
_PSEUDO_VOTES, _PSEUDO_ALONE, _PSEUDO_RIGHT = 10.0, 0.1, 0.75
_COPIES = 0.9
_LEAST = 1e-3
_ITERATIONS, _TOLERANCE = 500, 1e-7


@dataclass(frozen=True)
class LabelModel:
    """What was learned of a task's functions. m functions, k labels; the last outcome is to abstain."""

    method: str
    """dawid_skene or majority."""
    functions: tuple[str, ...]
    labels: tuple[str, ...]
    prior: Float
    """float64[k], the share of each label among the items that anyone votes on."""
    rates: Float
    """float64[m, k, k + 1]: how often a function says what of items of each label; sums to 1 over the last axis."""
    voices: Float
    """float64[m], 1, or less for functions that copy one another."""
    votes: Counts
    """int64[m], votes of each function."""
    accuracy: Float
    """float64[m], mean probability of what a function votes; nan where it meets others too rarely to learn it."""
    iterations: int

    @property
    def version(self) -> str:
        """What a label says of what combined its votes."""
        return f"{self.method}-{VERSION}"

    def probabilities(self, patterns: Votes) -> Float:
        """Of each pattern (int8[n, m], -1 abstains) the probability of each label, float64[n, k], rows of sum 1."""
        if self.method == "majority":
            return _majority(patterns, self.prior, self.voices)
        return _posterior(patterns, self.prior, self.rates, self.voices)

    def choose(self, patterns: Votes) -> tuple[npt.NDArray[np.int64], Float]:
        """Of each pattern the likeliest label that anybody votes for (int64[n]), and all probabilities.

        Where nobody votes it is the likeliest of all.
        """
        found = self.probabilities(patterns)
        if not len(found):
            return np.zeros(0, np.int64), found
        heard = _heard(patterns, found.shape[1])
        return np.where(heard | ~heard.any(1, keepdims=True), found, -1.0).argmax(1), found

    def as_dict(self) -> dict[str, Any]:
        """As JSON; numbers are rounded to nine decimals."""
        rounded = {name: np.round(getattr(self, name), 9).tolist() for name in ("prior", "rates", "voices", "votes")}
        accuracy = [None if np.isnan(one) else round(float(one), 9) for one in self.accuracy]
        return {
            "method": self.method,
            "version": self.version,
            "functions": list(self.functions),
            "labels": list(self.labels),
            "iterations": self.iterations,
            **rounded,
            "accuracy": accuracy,
        }


def from_dict(values: Mapping[str, Any]) -> LabelModel:
    """The model that `Model.as_dict` wrote."""
    m, k = len(values["functions"]), len(values["labels"])
    return LabelModel(
        values["method"],
        tuple(values["functions"]),
        tuple(values["labels"]),
        np.array(values["prior"], np.float64),
        np.array(values["rates"], np.float64).reshape(m, k, k + 1),
        np.array(values["voices"], np.float64),
        np.array(values["votes"], np.int64),
        np.array([np.nan if one is None else one for one in values["accuracy"]], np.float64),
        values["iterations"],
    )


def fit(patterns: Votes, counts: Counts, functions: Sequence[str], labels: Sequence[str]) -> LabelModel:
    """Learn how good each function is, from agreement and disagreement alone.

    The same patterns and counts give the same model, bit for bit: sort them first, as `distinct` does.

    Args:
        patterns: int8[n, m], the label's number that each function votes for, or -1; no two rows equal, none all -1.
        counts: int64[n], items of each pattern.

    Raises:
        ValueError: shapes that don't fit.
    """
    m, k = len(functions), len(labels)
    if patterns.shape != (len(counts), m):
        raise ValueError(f"patterns are of shape {patterns.shape}, not {(len(counts), m)}")
    weight = counts.astype(np.float64)
    said = _said(patterns, weight[:, None], k)[:, 0, :k]
    votes = np.round(said.sum(1)).astype(np.int64)
    voices = _voices(patterns, weight)
    # Copies don't meet one another.
    met = weight * (((patterns != ABSTAIN) * voices).sum(1) > 1 + 1e-9)
    prior = _shares(said.sum(0))
    method = "dawid_skene" if int((votes >= OFTEN).sum()) >= FEWEST_FUNCTIONS and k > 1 else "majority"
    believed = _majority(patterns, prior, voices)
    rates: Float = np.zeros((m, k, k + 1))
    iterations = 0
    if method == "dawid_skene":
        among = _said(patterns, met[:, None], k)[:, 0, :k]
        learned = (among.sum(1) >= OFTEN)[:, None, None]
        pseudo = _pseudo(among / max(met.sum(), 1), prior)
        pseudo *= (_PSEUDO_VOTES + _PSEUDO_ALONE * (said - among).sum(1))[:, None, None]
        while iterations < _ITERATIONS:
            iterations += 1
            prior = _shares((believed * weight[:, None]).sum(0))
            rates = _rates(_said(patterns, believed * met[:, None], k) * learned + pseudo)
            before, believed = believed, _posterior(patterns, prior, rates, voices, learning=True)
            if not len(weight) or float(np.abs(believed - before).max()) < _TOLERANCE:
                break
    else:
        rates = _rates(_said(patterns, believed * weight[:, None], k))
    nothing = np.full(m, np.nan)
    model = LabelModel(method, tuple(functions), tuple(labels), prior, rates, voices, votes, nothing, iterations)
    return replace(model, accuracy=_accuracy(patterns, model.probabilities(patterns), met))


def distinct(patterns: Votes, counts: Counts) -> tuple[Votes, Counts]:
    """Patterns in order, each once, with its items; those of no vote at all are left out."""
    spoken = (patterns != ABSTAIN).any(1)
    found, place = np.unique(patterns[spoken], axis=0, return_inverse=True)
    return found, np.bincount(place.ravel(), weights=counts[spoken], minlength=len(found)).astype(np.int64)


def _shares(mass: Float) -> Float:
    """Shares of a mass, none of them nothing."""
    shares: Float = (mass + 1) / (mass + 1).sum()
    return shares


def _said(patterns: Votes, mass: Float, k: int) -> Float:
    """Mass by function, class and outcome: float64[m, c, k + 1] of `mass` float64[n, c]."""
    m, c = patterns.shape[1], mass.shape[1]
    found = np.zeros((m, c, k + 1))
    for function in range(m):
        outcome = np.where(patterns[:, function] == ABSTAIN, k, patterns[:, function]).astype(np.int64)
        # A matrix product would depend on the number of threads in its last bits; this does not.
        cell = (np.arange(c) * (k + 1) + outcome[:, None]).ravel()
        found[function] = np.bincount(cell, weights=mass.ravel(), minlength=c * (k + 1)).reshape(c, k + 1)
    return found


def _rates(mass: Float) -> Float:
    """Shares over the outcomes; none where there is no mass."""
    made: Float = mass / np.maximum(mass.sum(2, keepdims=True), 1e-12)
    return made


def _pseudo(share: Float, prior: Float) -> Float:
    """Rates of each function before any vote is seen, float64[m, k, k + 1].

    Args:
        share: float64[m, k], share of the items of which a function says each label.
    """
    k = len(prior)
    right = np.full((k, k), (1 - _PSEUDO_RIGHT) / max(k - 1, 1))
    np.fill_diagonal(right, _PSEUDO_RIGHT)
    # By Bayes: what is right of so many of its votes for a label is said of so many items of each label.
    rates = (share[:, None, :] + _LEAST) * right.T[None] / prior[None, :, None]
    rates *= np.minimum(1, 0.98 / rates.sum(2, keepdims=True))
    return np.concatenate([rates, 1 - rates.sum(2, keepdims=True)], 2)


def _posterior(patterns: Votes, prior: Float, rates: Float, voices: Float, learning: bool = False) -> Float:
    k = len(prior)
    log = np.log(prior)[None] + np.zeros((len(patterns), 1))
    for function, voice in enumerate(voices.tolist()):
        outcome = np.where(patterns[:, function] == ABSTAIN, k, patterns[:, function])
        said = voice * np.log(np.maximum(rates[function], 1e-12)).T
        if not learning:
            said[k] = 0
        log += said[outcome]
    return _normal(np.where(_heard(patterns, k), log, -np.inf) if learning else log)


def _heard(patterns: Votes, k: int) -> npt.NDArray[np.bool_]:
    """Whether anybody votes for a label, bool[n, k]."""
    return np.stack([(patterns == label).any(1) for label in range(k)], 1)


def _normal(log: Float) -> Float:
    likely = np.exp(log - log.max(1, keepdims=True)) if len(log) else log
    return likely / likely.sum(1, keepdims=True)


def _majority(patterns: Votes, prior: Float, voices: Float) -> Float:
    """Shares of the votes, and one vote for what is usual: it breaks ties, and one vote alone is not certain."""
    k = len(prior)
    found = np.zeros((len(patterns), k + 1))
    for function, voice in enumerate(voices.tolist()):
        outcome = np.where(patterns[:, function] == ABSTAIN, k, patterns[:, function])
        found[np.arange(len(patterns)), outcome] += voice
    return (found[:, :k] + 0.5 * prior) / (found[:, :k].sum(1, keepdims=True) + 0.5)


def _voices(patterns: Votes, weight: Float) -> Float:
    """One over the size of each function's group of copies, float64[m]."""
    m = patterns.shape[1]
    group = list(range(m))
    for one in range(m):
        for other in range(one):
            either = weight[(patterns[:, one] != ABSTAIN) | (patterns[:, other] != ABSTAIN)].sum()
            same = weight[(patterns[:, one] == patterns[:, other]) & (patterns[:, one] != ABSTAIN)].sum()
            if either and same >= _COPIES * either:
                group = [group[other] if of == group[one] else of for of in group]
    return 1.0 / np.bincount(group, minlength=m)[group]


def _accuracy(patterns: Votes, believed: Float, met: Float) -> Float:
    found = np.full(patterns.shape[1], np.nan)
    for function in range(patterns.shape[1]):
        voted = np.flatnonzero((patterns[:, function] != ABSTAIN) & (met > 0))
        if met[voted].sum() >= OFTEN:
            said = believed[voted, patterns[voted, function]]
            found[function] = float((said * met[voted]).sum() / met[voted].sum())
    return found
