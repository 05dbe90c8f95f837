"""Votes -> probabilities: Dawid and Skene's model with abstaining, by expectation maximisation over patterns of votes.

A pattern is the votes of all functions on one item, and has a count: the cost grows not with the corpus but with the
number of distinct patterns. Source: A. P. Dawid and A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates
Using the EM Algorithm", Applied Statistics 28(1), 1979. Labelling functions, unlike doctors, do not see every patient;
the plain model failed in the tests without each of these six additions:

- Abstaining is an outcome of its own while rates are learned. Most functions only ever vote for one label; without it
  their rows of the confusion matrix would be all ones, and their votes uninformative.
- While rates are learned, the true label of an item is one that somebody votes for. Where functions hardly overlap,
  classes would otherwise come to mean "this function voted" instead of labels.
- Rates are learned from items on which two or more functions vote. A vote without overlap is never contradicted, and
  its function would seem never to be wrong.
- Pseudo-votes of a function that is right three times in four pull its rates towards the diagonal, in proportion to how
  often it votes for each label. There are ten, and one more for every ten votes without overlap: spans overlap mostly
  where they differ, and a few overlaps say little of many votes without one. A function that hardly ever overlaps
  others stays at these rates: its silence on their items is no evidence about it.
- Functions that nearly always vote the same on the same items share one voice: the model assumes independent errors,
  and copies would otherwise outvote all others.
- Functions may be declared to state facts, such as an event of a dump's history. Where one votes, its label is taken as
  known, whatever others say and however rare it is, and others' rates are learned from it.

The learned rates are then applied only to votes: silence depends more on a function's rule than on the item.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Votes = npt.NDArray[np.int8]
Float = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

VERSION = 3
ABSTAIN = -1
FEWEST_FUNCTIONS = 3
"""Functions that must vote often enough for their rates to be learned; with fewer the majority decides."""
OFTEN = 20
"""Votes that are often enough; for learning a function's rates, votes on items where others vote too."""
_PSEUDO_VOTES, _PSEUDO_ALONE, _PSEUDO_RIGHT = 10.0, 0.1, 0.75
_COPIES = 0.9
FACT = 0.99
"""Probability of a label that a function states as a fact: the dump itself may be wrong."""
_LEAST = 1e-3
_ITERATIONS, _TOLERANCE = 500, 1e-7


@dataclass(frozen=True)
class LabelModel:
    """The label model of a task: m functions, k labels; the last outcome is abstaining."""

    method: str
    """dawid_skene or majority."""
    functions: tuple[str, ...]
    labels: tuple[str, ...]
    prior: Float
    """float64[k], the share of each label among the items that anyone votes on."""
    rates: Float
    """float64[m, k, k + 1]: rates of a function's outcomes on items of each label; sums to 1 over the last axis."""
    voices: Float
    """float64[m], 1, or less for functions that copy one another."""
    votes: Counts
    """int64[m], votes of each function."""
    accuracy: Float
    """float64[m], mean probability of a function's votes; nan where it overlaps others too rarely to learn it."""
    iterations: int
    facts: tuple[str, ...] = ()
    """Functions whose votes state facts."""

    @property
    def version(self) -> str:
        """The `version` of labels that this model gives."""
        return f"{self.method}-{VERSION}"

    def probabilities(self, patterns: Votes) -> Float:
        """Probability of each label for each pattern (int8[n, m], -1 abstains), float64[n, k], rows of sum 1."""
        if self.method == "majority":
            probabilities = _majority(patterns, self.prior, self.voices)
        else:
            probabilities = _posterior(patterns, self.prior, self.rates, self.voices)
        return _stated(patterns, _places(self.functions, self.facts), probabilities)

    def choose(self, patterns: Votes) -> tuple[npt.NDArray[np.int64], Float]:
        """The likeliest label of each pattern among those voted for (int64[n]), and all probabilities.

        Where nobody votes it is the likeliest of all.
        """
        probabilities = self.probabilities(patterns)
        if not len(probabilities):
            return np.zeros(0, np.int64), probabilities
        heard = _heard(patterns, probabilities.shape[1])
        return np.where(heard | ~heard.any(1, keepdims=True), probabilities, -1.0).argmax(1), probabilities

    def as_dict(self) -> dict[str, Any]:
        """As JSON; numbers are rounded to nine decimals."""
        rounded = {name: np.round(getattr(self, name), 9).tolist() for name in ("prior", "rates", "voices", "votes")}
        accuracy = [None if np.isnan(value) else round(float(value), 9) for value in self.accuracy]
        return {
            "method": self.method,
            "version": self.version,
            "functions": list(self.functions),
            "labels": list(self.labels),
            "facts": list(self.facts),
            "iterations": self.iterations,
            **rounded,
            "accuracy": accuracy,
        }


def from_dict(values: Mapping[str, Any]) -> LabelModel:
    """The model that `LabelModel.as_dict` wrote."""
    m, k = len(values["functions"]), len(values["labels"])
    return LabelModel(
        values["method"],
        tuple(values["functions"]),
        tuple(values["labels"]),
        np.array(values["prior"], np.float64),
        np.array(values["rates"], np.float64).reshape(m, k, k + 1),
        np.array(values["voices"], np.float64),
        np.array(values["votes"], np.int64),
        np.array([np.nan if value is None else value for value in values["accuracy"]], np.float64),
        values["iterations"],
        tuple(values["facts"]),
    )


def fit(
    patterns: Votes, counts: Counts, functions: Sequence[str], labels: Sequence[str], facts: Sequence[str] = ()
) -> LabelModel:
    """Learn each function's rates, only from agreement and disagreement, and from stated facts.

    The same patterns and counts give the same model, bit for bit: sort them first, as `distinct` does.

    Args:
        patterns: int8[n, m], the label's number that each function votes for, or -1; no two rows equal, none all -1.
        counts: int64[n], items of each pattern.
        facts: those of the functions whose votes state facts.

    Raises:
        ValueError: shapes that don't fit.
    """
    m, k = len(functions), len(labels)
    if patterns.shape != (len(counts), m):
        raise ValueError(f"patterns are of shape {patterns.shape}, not {(len(counts), m)}")
    weight = counts.astype(np.float64)
    by_label = _outcomes(patterns, weight[:, None], k)[:, 0, :k]
    votes = np.round(by_label.sum(1)).astype(np.int64)
    voices = _voices(patterns, weight)
    # Copies don't count as overlap.
    met = weight * (((patterns != ABSTAIN) * voices).sum(1) > 1 + 1e-9)
    prior = _shares(by_label.sum(0))
    method = "dawid_skene" if int((votes >= OFTEN).sum()) >= FEWEST_FUNCTIONS and k > 1 else "majority"
    stating = _places(functions, facts)
    believed = _stated(patterns, stating, _majority(patterns, prior, voices))
    rates: Float = np.zeros((m, k, k + 1))
    iterations = 0
    if method == "dawid_skene":
        among = _outcomes(patterns, met[:, None], k)[:, 0, :k]
        learned = (among.sum(1) >= OFTEN)[:, None, None]
        pseudo = _pseudo(among / max(met.sum(), 1), prior)
        pseudo *= (_PSEUDO_VOTES + _PSEUDO_ALONE * (by_label - among).sum(1))[:, None, None]
        while iterations < _ITERATIONS:
            iterations += 1
            prior = _shares((believed * weight[:, None]).sum(0))
            rates = _rates(_outcomes(patterns, believed * met[:, None], k) * learned + pseudo)
            before, believed = believed, _posterior(patterns, prior, rates, voices, learning=True)
            believed = _stated(patterns, stating, believed)
            if not len(weight) or float(np.abs(believed - before).max()) < _TOLERANCE:
                break
    else:
        rates = _rates(_outcomes(patterns, believed * weight[:, None], k))
    nothing = np.full(m, np.nan)
    model = LabelModel(
        *(method, tuple(functions), tuple(labels), prior, rates, voices, votes, nothing, iterations),
        facts=tuple(name for name in functions if name in facts),
    )
    return replace(model, accuracy=_accuracy(patterns, model.probabilities(patterns), met))


def distinct(patterns: Votes, counts: Counts) -> tuple[Votes, Counts]:
    """Distinct patterns in order, with their numbers of items; those without a vote are left out."""
    spoken = (patterns != ABSTAIN).any(1)
    unique, place = np.unique(patterns[spoken], axis=0, return_inverse=True)
    return unique, np.bincount(place.ravel(), weights=counts[spoken], minlength=len(unique)).astype(np.int64)


def _shares(mass: Float) -> Float:
    """Shares of a mass, none of them zero."""
    shares: Float = (mass + 1) / (mass + 1).sum()
    return shares


def _outcomes(patterns: Votes, mass: Float, k: int) -> Float:
    """Mass by function, class and outcome: float64[m, c, k + 1] of `mass` float64[n, c]."""
    m, c = patterns.shape[1], mass.shape[1]
    by_outcome = np.zeros((m, c, k + 1))
    for function in range(m):
        outcome = np.where(patterns[:, function] == ABSTAIN, k, patterns[:, function]).astype(np.int64)
        # A matrix product would depend on the number of threads in its last bits; this does not.
        cell = (np.arange(c) * (k + 1) + outcome[:, None]).ravel()
        by_outcome[function] = np.bincount(cell, weights=mass.ravel(), minlength=c * (k + 1)).reshape(c, k + 1)
    return by_outcome


def _rates(mass: Float) -> Float:
    """Shares over the outcomes; none where there is no mass."""
    rates: Float = mass / np.maximum(mass.sum(2, keepdims=True), 1e-12)
    return rates


def _pseudo(share: Float, prior: Float) -> Float:
    """Rates of each function before any vote is seen, float64[m, k, k + 1].

    Args:
        share: float64[m, k], share of the items on which a function votes for each label.
    """
    k = len(prior)
    right = np.full((k, k), (1 - _PSEUDO_RIGHT) / max(k - 1, 1))
    np.fill_diagonal(right, _PSEUDO_RIGHT)
    # By Bayes: the share of right votes for a label gives the rate of such votes on items of each label.
    rates = (share[:, None, :] + _LEAST) * right.T[None] / prior[None, :, None]
    rates *= np.minimum(1, 0.98 / rates.sum(2, keepdims=True))
    return np.concatenate([rates, 1 - rates.sum(2, keepdims=True)], 2)


def _posterior(patterns: Votes, prior: Float, rates: Float, voices: Float, learning: bool = False) -> Float:
    k = len(prior)
    log = np.log(prior)[None] + np.zeros((len(patterns), 1))
    for function, voice in enumerate(voices.tolist()):
        outcome = np.where(patterns[:, function] == ABSTAIN, k, patterns[:, function])
        log_rates = voice * np.log(np.maximum(rates[function], 1e-12)).T
        if not learning:
            log_rates[k] = 0
        log += log_rates[outcome]
    return _normal(np.where(_heard(patterns, k), log, -np.inf) if learning else log)


def _places(functions: Sequence[str], facts: Sequence[str]) -> list[int]:
    return [place for place, name in enumerate(functions) if name in facts]


def _stated(patterns: Votes, stating: Sequence[int], probabilities: Float) -> Float:
    """The probabilities, but `FACT` for the label of a stated fact, shared equally where stated facts differ.

    Args:
        stating: places of the functions that state facts.
    """
    named = patterns[:, list(stating)]
    stated = np.stack([(named == label).sum(1) for label in range(probabilities.shape[1])], 1).astype(np.float64)
    known = stated.any(1)
    probabilities = probabilities.copy()
    share = stated[known] / stated[known].sum(1, keepdims=True)
    probabilities[known] = FACT * share + (1 - FACT) * probabilities[known]
    return probabilities


def _heard(patterns: Votes, k: int) -> npt.NDArray[np.bool_]:
    """Whether anybody votes for a label, bool[n, k]."""
    return np.stack([(patterns == label).any(1) for label in range(k)], 1)


def _normal(log: Float) -> Float:
    likely = np.exp(log - log.max(1, keepdims=True)) if len(log) else log
    return likely / likely.sum(1, keepdims=True)


def _majority(patterns: Votes, prior: Float, voices: Float) -> Float:
    """Shares of the votes, with half a vote for the prior: it breaks ties, and a single vote is not certain."""
    k = len(prior)
    tally = np.zeros((len(patterns), k + 1))
    for function, voice in enumerate(voices.tolist()):
        outcome = np.where(patterns[:, function] == ABSTAIN, k, patterns[:, function])
        tally[np.arange(len(patterns)), outcome] += voice
    return (tally[:, :k] + 0.5 * prior) / (tally[:, :k].sum(1, keepdims=True) + 0.5)


def _voices(patterns: Votes, weight: Float) -> Float:
    """One over the size of each function's group of copies, float64[m]."""
    m = patterns.shape[1]
    group = list(range(m))
    for function in range(m):
        for other in range(function):
            either = weight[(patterns[:, function] != ABSTAIN) | (patterns[:, other] != ABSTAIN)].sum()
            same = weight[(patterns[:, function] == patterns[:, other]) & (patterns[:, function] != ABSTAIN)].sum()
            if either and same >= _COPIES * either:
                group = [group[other] if of == group[function] else of for of in group]
    return 1.0 / np.bincount(group, minlength=m)[group]


def _accuracy(patterns: Votes, believed: Float, met: Float) -> Float:
    accuracy = np.full(patterns.shape[1], np.nan)
    for function in range(patterns.shape[1]):
        voted = np.flatnonzero((patterns[:, function] != ABSTAIN) & (met > 0))
        if met[voted].sum() >= OFTEN:
            probability = believed[voted, patterns[voted, function]]
            accuracy[function] = float((probability * met[voted]).sum() / met[voted].sum())
    return accuracy
