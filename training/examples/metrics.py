"""Scores of predictions, and the sums from which they are computed.

Whole texts: macro F1 over the labels that the truth has, accuracy, and log loss in nats (scikit-learn). Spans: exact
micro F1 and the F1 of each type (`entities.spans`: as in conlleval and nervaluate's strict schema).

Every score is a function of sums over examples, thread by thread: `evaluation.uncertainty` makes intervals of these,
since examples of one thread are not independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities.spans import score
from socorpus.training.examples.example import Example, Prediction

Float = npt.NDArray[np.float64]

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
        values: float64[threads, 3 + 3 * labels]: for whole texts the examples, correct ones and loss, for spans the
            correct, predicted and true ones; then for each label the correct, for each the predicted, for each the
            true ones (`columns`).
        task: their task.
    """

    values: Float
    task: Task


def columns(task: Task, label: str) -> tuple[int, int, int]:
    """The columns of a label in `Sums`: of its correct, predicted and true ones."""
    first, labels = 3 + task.index(label), len(task.labels)
    return first, first + labels, first + 2 * labels


def sums(
    task: Task, examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str] = ()
) -> Sums:
    """The sums of each thread, ordered by the threads' names, so that systems on the same examples align."""
    threads = np.array([example.thread for example in examples])
    return by_thread(task, rows(task, examples, predictions, leave_out), threads)


def rows(
    task: Task, examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str] = ()
) -> Float:
    """What each example adds to `Sums`: float64[examples, figures]."""
    return _span_rows(task, examples, predictions, leave_out) if task.spans else _text_rows(task, examples, predictions)


def by_thread(task: Task, rows: Float, threads: npt.NDArray[np.generic]) -> Sums:
    """Rows added up by thread, in the order of the threads' names or numbers."""
    names, place = np.unique(threads, return_inverse=True)
    values = np.zeros((len(names), rows.shape[1]))
    np.add.at(values, place, rows)
    return Sums(values, task)


def _text_rows(task: Task, examples: Sequence[Example], predictions: Sequence[Prediction]) -> Float:
    truth = np.array([example.label for example in examples])
    guess = np.array([prediction.label for prediction in predictions])
    safe = _safe(np.array([prediction.probabilities for prediction in predictions]))
    loss = -np.log(safe[np.arange(len(truth)), truth])
    true, predicted = (np.eye(len(task.labels))[labels] for labels in (truth, guess))
    parts = [np.ones(len(truth)), truth == guess, loss]
    return np.column_stack([*parts, true * predicted, predicted, true]).astype(np.float64)


def _span_rows(
    task: Task, examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str]
) -> Float:
    labels = {label: number for number, label in enumerate(task.labels)}
    sums_of = np.zeros((len(examples), 3 + 3 * len(labels)))
    for row, example, prediction in zip(sums_of, examples, predictions, strict=True):
        true, predicted = (
            {span for span, _ in judged.spans if span.label not in leave_out} for judged in (example, prediction)
        )
        for block, some in enumerate((true & predicted, predicted, true)):
            row[block] = len(some)
            for span in some:
                row[3 + block * len(labels) + labels[span.label]] += 1
    return sums_of


def of_sums(metric: str, task: Task, values: Float) -> Float:
    """A metric from sums.

    Args:
        metric: one of `names`, or `f1:LABEL`.
        values: float64[…, figures], as in `Sums`, added up over threads.

    Returns:
        float64[…].
    """
    if metric.startswith("f1:"):
        right, predicted, true = (values[..., column] for column in columns(task, metric.removeprefix("f1:")))
        return _share(2 * right, predicted + true)
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
