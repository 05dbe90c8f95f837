"""Scores of predictions, how sure they are, and whether two systems differ.

Whole texts: macro F1 over the labels that the truth has, accuracy, and log loss in nats (scikit-learn). Spans: exact
micro F1 and that of each type (`entities.spans`: as conlleval, and as nervaluate's strict schema).

Every score is a function of sums over examples, so examples are resampled by adding up rows. What is drawn is a thread
and all of its examples, since those of one thread are not independent. Intervals are percentiles of the bootstrap
(Efron 1979); two systems are compared by approximate randomization (Noreen 1989; Yeh 2000): thread by thread, their
predictions change places with a chance of a half, and the p-value is the share of such worlds whose difference is as
large as the one that was seen.
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
"""Below this a probability counts as this in the log loss, as in Kaggle's scoring."""

TEXT_METRICS = ("macro_f1", "accuracy", "log_loss")
SPAN_METRICS = ("span_f1", "precision", "recall")


def main(task: Task) -> str:
    """The metric that systems are ranked by."""
    return "span_f1" if task.spans else "macro_f1"


def names(task: Task) -> tuple[str, ...]:
    """The metrics of a task."""
    return SPAN_METRICS if task.spans else TEXT_METRICS


def scores(
    task: Task, examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str] = ()
) -> dict[str, float]:
    """The metrics of predictions, and `f1:LABEL` of every label or type that the truth has.

    Raises:
        ValueError: there are no examples, or not as many predictions.
    """
    if not examples or len(examples) != len(predictions):
        raise ValueError(f"{len(examples)} examples, {len(predictions)} predictions")
    if task.spans:
        return _span_scores(examples, predictions, leave_out)
    from sklearn import metrics

    truth = np.array([one.label for one in examples])
    guess = np.array([one.label for one in predictions])
    probabilities = np.array([one.probabilities for one in predictions])
    present = sorted(set(truth.tolist()))
    each = metrics.f1_score(truth, guess, labels=present, average=None, zero_division=0)
    found = {
        "macro_f1": float(np.mean(each)),
        "accuracy": float(metrics.accuracy_score(truth, guess)),
        "log_loss": float(metrics.log_loss(truth, _safe(probabilities), labels=range(len(task.labels)))),
    }
    return found | {f"f1:{task.labels[label]}": float(one) for label, one in zip(present, each, strict=True)}


def _span_scores(
    examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str]
) -> dict[str, float]:
    gold = [[span for span, _ in one.spans] for one in examples]
    found = score(gold, [[span for span, _ in one.spans] for one in predictions], leave_out)
    types = {f"f1:{label}": counts.f1 for label, counts in found.types.items() if counts.gold}
    return {"span_f1": found.micro.f1, "precision": found.micro.precision, "recall": found.micro.recall} | types


def _safe(probabilities: Float) -> Float:
    clipped = np.clip(probabilities, _LEAST, 1.0)
    return clipped / clipped.sum(1, keepdims=True)


# Sums that scores are made of.


@dataclass(frozen=True)
class Sums:
    """What the metrics of one system are made of, thread by thread.

    Attributes:
        values: float64[threads, figures]: of whole texts examples, right ones, loss, then of each label right,
            predicted and true; of spans right, predicted and true ones.
        task: what they are of.
    """

    values: Float
    task: Task


def sums(
    task: Task, examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str] = ()
) -> Sums:
    """The sums of each thread, in order of the threads' names: those of several systems on equal examples fit."""
    rows = _span_rows(examples, predictions, leave_out) if task.spans else _text_rows(task, examples, predictions)
    threads = {name: at for at, name in enumerate(sorted({one.thread for one in examples}))}
    values = np.zeros((len(threads), rows.shape[1]))
    np.add.at(values, [threads[one.thread] for one in examples], rows)
    return Sums(values, task)


def _text_rows(task: Task, examples: Sequence[Example], predictions: Sequence[Prediction]) -> Float:
    truth = np.array([one.label for one in examples])
    guess = np.array([one.label for one in predictions])
    safe = _safe(np.array([one.probabilities for one in predictions]))
    loss = -np.log(safe[np.arange(len(truth)), truth])
    true, said = (np.eye(len(task.labels))[one] for one in (truth, guess))
    parts = [np.ones(len(truth)), truth == guess, loss]
    return np.column_stack([*parts, true * said, said, true]).astype(np.float64)


def _span_rows(examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str]) -> Float:
    rows = []
    for example, prediction in zip(examples, predictions, strict=True):
        gold, said = ({span for span, _ in one.spans if span.label not in leave_out} for one in (example, prediction))
        rows.append([len(gold & said), len(said), len(gold)])
    return np.array(rows, np.float64).reshape(-1, 3)


def of_sums(metric: str, task: Task, values: Float) -> Float:
    """A metric from sums.

    Args:
        values: float64[…, figures], as in `Sums`, added up over threads.

    Returns:
        float64[…].
    """
    if task.spans:
        right, said, true = values[..., 0], values[..., 1], values[..., 2]
        if metric == "precision":
            return _share(right, said)
        return _share(right, true) if metric == "recall" else _share(2 * right, said + true)
    if metric == "log_loss":
        return _share(values[..., 2], values[..., 0])
    if metric == "accuracy":
        return _share(values[..., 1], values[..., 0])
    labels = len(task.labels)
    right, said, true = (values[..., 3 + at * labels : 3 + (at + 1) * labels] for at in range(3))
    present = true > 0
    return _share((_share(2 * right, said + true) * present).sum(-1), present.sum(-1))


def _share(part: Float, whole: npt.NDArray[np.generic]) -> Float:
    wide = np.asarray(whole, np.float64)
    return np.divide(part, wide, out=np.zeros_like(wide), where=wide > 0)


# How sure a score is.


def interval(metric: str, seeds: Sequence[Sums], resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Bounds within which the mean over seeds lies in 95 of 100 bootstrap samples of the threads."""
    values = np.stack([one.values for one in seeds])
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
    metric: str, one: Sequence[Sums], other: Sequence[Sums], resamples: int = RESAMPLES, seed: int = 0
) -> float:
    """How likely two systems that are equally good differ as much as these do, in their means over seeds.

    A system with fewer seeds is taken with its seeds again.

    Raises:
        ValueError: the two were not scored on the same threads.
    """
    if one[0].values.shape != other[0].values.shape:
        raise ValueError("the systems were scored on different examples")
    pairs = math.lcm(len(one), len(other))
    first, second = (np.stack([some[at % len(some)].values for at in range(pairs)]) for some in (one, other))
    task = one[0].task

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
    """A metric of a system: mean and standard deviation over its seeds (0 of one), and the interval."""

    mean: float
    spread: float
    low: float
    high: float


def summary(metric: str, seeds: Sequence[Sums]) -> Score:
    """A metric over the seeds of a system."""
    each = [float(of_sums(metric, one.task, one.values.sum(0))) for one in seeds]
    spread = float(np.std(each, ddof=1)) if len(each) > 1 else 0.0
    return Score(float(np.mean(each)), spread, *interval(metric, seeds))


def by_label(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean F1 of each label over seeds, of what `scores` found."""
    labels = [name for name in found[0] if name.startswith("f1:")]
    return {name.removeprefix("f1:"): float(np.mean([one.get(name, 0.0) for one in found])) for name in labels}
