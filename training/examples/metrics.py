"""Scores of predictions, their intervals, and tests of whether two systems differ.

Whole texts: macro F1 over the labels that the truth has, accuracy, and log loss in nats (scikit-learn). Spans: exact
micro F1 and the F1 of each type (`entities.spans`: as in conlleval and nervaluate's strict schema).

Every score is a function of sums over examples, so resampling adds up rows. The unit of resampling is a thread with all
of its examples, since examples of one thread are not independent. Intervals are percentiles of the bootstrap
(Efron 1979); two systems are compared by approximate randomization (Noreen 1989; Yeh 2000): thread by thread, their
predictions are swapped with probability one half, and the p-value is the share of shuffles whose difference is at least
as large as the observed one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities.spans import score
from socorpus.training.examples.example import Example, Prediction

Float = npt.NDArray[np.float64]

RESAMPLES = 1000
LEVEL = 0.95
_LEAST = 1e-15
"""Lower bound of probabilities in the log loss, as in Kaggle's scoring."""

TEXT_METRICS = ("macro_f1", "accuracy", "log_loss")
SPAN_METRICS = ("span_f1", "precision", "recall")


def main(task: Task) -> str:
    """The metric by which systems are ranked."""
    return "span_f1" if task.spans else "macro_f1"


def names(task: Task) -> tuple[str, ...]:
    """The metrics of a task."""
    return SPAN_METRICS if task.spans else TEXT_METRICS


def scores(
    task: Task, examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str] = ()
) -> dict[str, float]:
    """The metrics of predictions, and `f1:LABEL` of every label or type in the truth.

    Raises:
        ValueError: there are no examples, or a different number of predictions.
    """
    if not examples or len(examples) != len(predictions):
        raise ValueError(f"{len(examples)} examples, {len(predictions)} predictions")
    if task.spans:
        return _span_scores(examples, predictions, leave_out)
    from sklearn import metrics

    truth = np.array([example.label for example in examples])
    guess = np.array([prediction.label for prediction in predictions])
    probabilities = np.array([prediction.probabilities for prediction in predictions])
    present = sorted(set(truth.tolist()))
    each = metrics.f1_score(truth, guess, labels=present, average=None, zero_division=0)
    figures = {
        "macro_f1": float(np.mean(each)),
        "accuracy": float(metrics.accuracy_score(truth, guess)),
        "log_loss": float(metrics.log_loss(truth, _safe(probabilities), labels=range(len(task.labels)))),
    }
    return figures | {f"f1:{task.labels[label]}": float(f1) for label, f1 in zip(present, each, strict=True)}


def _span_scores(
    examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str]
) -> dict[str, float]:
    gold = [[span for span, _ in example.spans] for example in examples]
    result = score(gold, [[span for span, _ in prediction.spans] for prediction in predictions], leave_out)
    types = {f"f1:{label}": counts.f1 for label, counts in result.types.items() if counts.gold}
    return {"span_f1": result.micro.f1, "precision": result.micro.precision, "recall": result.micro.recall} | types


def _safe(probabilities: Float) -> Float:
    clipped = np.clip(probabilities, _LEAST, 1.0)
    return clipped / clipped.sum(1, keepdims=True)


# Sums from which scores are computed.


@dataclass(frozen=True)
class Sums:
    """The sums from which the metrics of one system are computed, thread by thread.

    Attributes:
        values: float64[threads, figures]: for whole texts the examples, correct ones and loss, then for each label
            the correct, predicted and true ones; for spans the correct, predicted and true ones.
        task: their task.
    """

    values: Float
    task: Task


def sums(
    task: Task, examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str] = ()
) -> Sums:
    """The sums of each thread, ordered by the threads' names, so that systems on the same examples align."""
    rows = _span_rows(examples, predictions, leave_out) if task.spans else _text_rows(task, examples, predictions)
    threads = {name: row for row, name in enumerate(sorted({example.thread for example in examples}))}
    values = np.zeros((len(threads), rows.shape[1]))
    np.add.at(values, [threads[example.thread] for example in examples], rows)
    return Sums(values, task)


def _text_rows(task: Task, examples: Sequence[Example], predictions: Sequence[Prediction]) -> Float:
    truth = np.array([example.label for example in examples])
    guess = np.array([prediction.label for prediction in predictions])
    safe = _safe(np.array([prediction.probabilities for prediction in predictions]))
    loss = -np.log(safe[np.arange(len(truth)), truth])
    true, predicted = (np.eye(len(task.labels))[labels] for labels in (truth, guess))
    parts = [np.ones(len(truth)), truth == guess, loss]
    return np.column_stack([*parts, true * predicted, predicted, true]).astype(np.float64)


def _span_rows(examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str]) -> Float:
    rows = []
    for example, prediction in zip(examples, predictions, strict=True):
        gold, predicted = (
            {span for span, _ in judged.spans if span.label not in leave_out} for judged in (example, prediction)
        )
        rows.append([len(gold & predicted), len(predicted), len(gold)])
    return np.array(rows, np.float64).reshape(-1, 3)


def of_sums(metric: str, task: Task, values: Float) -> Float:
    """A metric from sums.

    Args:
        values: float64[…, figures], as in `Sums`, added up over threads.

    Returns:
        float64[…].
    """
    if task.spans:
        right, predicted, true = values[..., 0], values[..., 1], values[..., 2]
        if metric == "precision":
            return _share(right, predicted)
        return _share(right, true) if metric == "recall" else _share(2 * right, predicted + true)
    if metric == "log_loss":
        return _share(values[..., 2], values[..., 0])
    if metric == "accuracy":
        return _share(values[..., 1], values[..., 0])
    labels = len(task.labels)
    right, predicted, true = (values[..., 3 + block * labels : 3 + (block + 1) * labels] for block in range(3))
    present = true > 0
    return _share((_share(2 * right, predicted + true) * present).sum(-1), present.sum(-1))


def _share(part: Float, whole: npt.NDArray[np.generic]) -> Float:
    wide = np.asarray(whole, np.float64)
    return np.divide(part, wide, out=np.zeros_like(wide), where=wide > 0)


# Intervals and p-values.


def interval(metric: str, seeds: Sequence[Sums], resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Bounds within which the mean over seeds lies in 95 of 100 bootstrap samples of the threads."""
    values = np.stack([of_seed.values for of_seed in seeds])
    threads = values.shape[1]
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        weights = np.bincount(random.integers(0, threads, threads), minlength=threads).astype(np.float64)
        drawn.append(of_sums(metric, seeds[0].task, np.einsum("t,stk->sk", weights, values)).mean())
    edge = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [edge, 1 - edge])
    return float(low), float(high)


def p_value(
    metric: str, system: Sequence[Sums], other: Sequence[Sums], resamples: int = RESAMPLES, seed: int = 0
) -> float:
    """The probability of a difference this large, in means over seeds, if both systems were equally good.

    Seeds of the system with fewer seeds are repeated.

    Raises:
        ValueError: the two were not scored on the same threads.
    """
    if system[0].values.shape != other[0].values.shape:
        raise ValueError("the systems were scored on different examples")
    pairs = math.lcm(len(system), len(other))
    first, second = (np.stack([some[number % len(some)].values for number in range(pairs)]) for some in (system, other))
    task = system[0].task

    def difference(a: Float, b: Float) -> float:
        return float(abs(of_sums(metric, task, a).mean() - of_sums(metric, task, b).mean()))

    seen = difference(first.sum(1), second.sum(1))
    random = np.random.default_rng(seed)
    threads, apart = first.shape[1], second - first
    as_large = 0
    for _ in range(resamples):
        swap = np.einsum("t,stk->sk", random.integers(0, 2, threads).astype(np.float64), apart)
        as_large += difference(first.sum(1) + swap, second.sum(1) - swap) >= seen - 1e-12
    return (as_large + 1) / (resamples + 1)


@dataclass(frozen=True)
class Score:
    """A metric of a system: mean and standard deviation over its seeds (0 for a single seed), and the interval."""

    mean: float
    spread: float
    low: float
    high: float


def summary(metric: str, seeds: Sequence[Sums]) -> Score:
    """A metric over the seeds of a system."""
    each = [float(of_sums(metric, of_seed.task, of_seed.values.sum(0))) for of_seed in seeds]
    spread = float(np.std(each, ddof=1)) if len(each) > 1 else 0.0
    return Score(float(np.mean(each)), spread, *interval(metric, seeds))


def by_label(seeds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean F1 of each label over seeds, from the results of `scores`."""
    labels = [name for name in seeds[0] if name.startswith("f1:")]
    return {name.removeprefix("f1:"): float(np.mean([figures.get(name, 0.0) for figures in seeds])) for name in labels}
