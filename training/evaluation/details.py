"""What stands behind a system's score: by label and by slice of the test split, calibration, confusion.

A slice is a part of the test split by a fact of its examples: the site, the year of writing, the language of its code
blocks, a tag, its length. An example can be in several of one kind, as with tags. Slices with fewer than `LEAST`
examples are left out, and counted.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from socorpus.labeling.schema import Task
from socorpus.training.evaluation import uncertainty
from socorpus.training.evaluation.uncertainty import Score
from socorpus.training.examples import metrics
from socorpus.training.examples.example import Example, Prediction

Float = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

LEAST = 50
"""Examples of a slice below which it is left out."""
MOST = 12
"""Slices of one kind: those with the most examples."""
BINS = 10
"""Of confidence, equally wide."""
LENGTHS = (500, 1000, 2000)
"""Where slices by length begin, in code points of the text."""
MISSED, SPURIOUS = "nothing predicted", "nothing there"
"""In a confusion of spans, the column of true ones that were not found, and the row of those that are none."""


@dataclass(frozen=True)
class LabelScore:
    """A label, or a type of spans.

    Attributes:
        f1: over runs, with its interval.
        precision, recall: means over runs.
        true: texts that have the label, or spans of the type.
        predicted: texts, or spans, that the system predicted it of; mean over runs.
    """

    f1: Score
    precision: float
    recall: float
    true: int
    predicted: float


@dataclass(frozen=True)
class SliceScore:
    """The main metric on a slice. Macro F1 is over the labels that the slice has."""

    score: Score
    examples: int
    threads: int


@dataclass(frozen=True)
class Bin:
    """Predictions of about one confidence, of all runs together.

    Attributes:
        low, high: bounds of the confidence; a bin has its upper bound.
        count: number of predictions.
        confidence: their mean.
        right: the share that is right.
    """

    low: float
    high: float
    count: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """How far confidence is from the share that is right.

    Attributes:
        error: expected calibration error (Naeini et al. 2015; Guo et al. 2017): the mean distance of confidence from
            the share that is right, over `BINS` bins weighted by their predictions; mean over runs.
        bins: those with predictions.
    """

    error: float
    bins: list[Bin]


@dataclass(frozen=True)
class Confusion:
    """What was predicted of what is true.

    Attributes:
        true, predicted: names of rows and of columns.
        counts: [true][predicted], means over runs. Of spans, those with equal start and end are held against each
            other.
    """

    true: list[str]
    predicted: list[str]
    counts: list[list[float]]


@dataclass(frozen=True)
class Slices:
    """The slices of a test split.

    Attributes:
        rows: kind -> name -> indices of its examples.
        left_out: sentences on what was left out.
    """

    rows: Mapping[str, Mapping[str, Rows]]
    left_out: list[str]


def slices(examples: Sequence[Example]) -> Slices:
    """The slices of examples, of each kind by what its examples say.

    A kind with a single slice that has everything is none.
    """
    rows: dict[str, dict[str, Rows]] = {}
    left_out = []
    for kind, names in _KINDS.items():
        of_each = [names(example) for example in examples]
        counts = Counter(name for some in of_each for name in some)
        large = [name for name, count in counts.most_common() if count >= LEAST]
        chosen = large[:MOST]
        small = [counts[name] for name in counts if name not in large]
        if len(chosen) < 2 and all(counts[name] == len(examples) for name in chosen):
            chosen = []
        # Most tags are rare, of which nobody wants to read.
        if small and kind != "tag":
            left_out.append(f"{len(small):,} by {kind}, each with fewer than {LEAST} examples ({sum(small):,} in all)")
        if len(large) > MOST:
            left_out.append(f"{len(large) - MOST:,} by {kind}, since {MOST} have more examples")
        if chosen:
            order = sorted(chosen, key=_length_order) if kind == "length" else chosen
            order = sorted(chosen) if kind in ("year", "site") else order
            rows[kind] = {
                name: np.array([number for number, some in enumerate(of_each) if name in some]) for name in order
            }
    return Slices(rows, left_out)


def _site(example: Example) -> list[str]:
    """Of a corpus's threads, SITE:ID."""
    site = example.thread.rpartition(":")[0]
    return [site] if site else []


def _year(example: Example) -> list[str]:
    return [str(datetime.fromtimestamp(example.created / 1000, UTC).year)] if example.created else []


def _code(example: Example) -> list[str]:
    if example.languages:
        return sorted(set(example.languages))
    return ["code, unnamed" if any(kind == "code" for kind, *_ in example.kinds) else "no code"]


def _tags(example: Example) -> list[str]:
    return list(dict.fromkeys(example.tags))


def _length(example: Example) -> list[str]:
    size = len(example.text)
    for low, high in zip((0, *LENGTHS), LENGTHS, strict=False):
        if size < high:
            return [f"{low:,} to {high - 1:,}"]
    return [f"{LENGTHS[-1]:,} and more"]


def _length_order(name: str) -> int:
    return int(name.split()[0].replace(",", ""))


_KINDS: Mapping[str, Callable[[Example], list[str]]] = {
    "site": _site,
    "year": _year,
    "language of code": _code,
    "tag": _tags,
    "length": _length,
}


def by_slice(
    task: Task, examples: Sequence[Example], rows: Sequence[Float], parts: Slices
) -> dict[str, dict[str, SliceScore]]:
    """The main metric on each slice.

    Args:
        rows: of each run, `metrics.rows` of all examples.
    """
    main = metrics.main(task)
    names = {name: number for number, name in enumerate(dict.fromkeys(example.thread for example in examples))}
    threads = np.array([names[example.thread] for example in examples])
    scores: dict[str, dict[str, SliceScore]] = {}
    for kind, named in parts.rows.items():
        for name, chosen in named.items():
            sums = [metrics.by_thread(task, run[chosen], threads[chosen]) for run in rows]
            score = uncertainty.summary(main, sums)
            scores.setdefault(kind, {})[name] = SliceScore(score, len(chosen), len(sums[0].values))
    return scores


def by_label(task: Task, runs: Sequence[metrics.Sums]) -> dict[str, LabelScore]:
    """Each label that the truth has."""
    totals = np.mean([run.values.sum(0) for run in runs], 0)
    scores = {}
    for label in task.labels:
        right, predicted, true = (float(totals[column]) for column in metrics.columns(task, label))
        if true:
            each = [run.values.sum(0) for run in runs]
            parts = [[float(total[column]) for column in metrics.columns(task, label)] for total in each]
            precision = float(np.mean([hit / claimed if claimed else 0.0 for hit, claimed, _ in parts]))
            f1 = uncertainty.summary(f"f1:{label}", runs)
            scores[label] = LabelScore(f1, precision, right / true, round(true), predicted)
    return scores


def calibration(
    task: Task, examples: Sequence[Example], runs: Sequence[Sequence[Prediction]], leave_out: Sequence[str] = ()
) -> Calibration | None:
    """Of texts, the confidence in the most probable label; of spans, in each span that was predicted.

    Returns:
        None where nothing was predicted.
    """
    confidences, hits, errors = [], [], []
    for predictions in runs:
        pairs = (
            _spans_confidence(examples, predictions, leave_out) if task.spans else _confidence(examples, predictions)
        )
        confidence, hit = (np.array(column, np.float64) for column in (zip(*pairs, strict=True) if pairs else ((), ())))
        confidences.append(confidence)
        hits.append(hit)
        if len(confidence):
            errors.append(
                sum(some.count * abs(some.confidence - some.right) for some in _bins(confidence, hit)) / len(hit)
            )
    if not errors:
        return None
    return Calibration(float(np.mean(errors)), _bins(np.concatenate(confidences), np.concatenate(hits)))


def _confidence(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[tuple[float, bool]]:
    return [
        (prediction.probabilities[prediction.label], prediction.label == example.label)
        for example, prediction in zip(examples, predictions, strict=True)
    ]


def _spans_confidence(
    examples: Sequence[Example], predictions: Sequence[Prediction], leave_out: Sequence[str]
) -> list[tuple[float, bool]]:
    return [
        (probability, span in {true for true, _ in example.spans})
        for example, prediction in zip(examples, predictions, strict=True)
        for span, probability in prediction.spans
        if span.label not in leave_out
    ]


def _bins(confidence: Float, hit: Float) -> list[Bin]:
    number = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return [
        Bin(
            place / BINS,
            (place + 1) / BINS,
            int((number == place).sum()),
            float(confidence[number == place].mean()),
            float(hit[number == place].mean()),
        )
        for place in range(BINS)
        if (number == place).any()
    ]


def confusion(
    task: Task, examples: Sequence[Example], runs: Sequence[Sequence[Prediction]], leave_out: Sequence[str] = ()
) -> Confusion:
    """The labels that the truth has or a run predicted, in the task's order."""
    counts: Counter[tuple[str, str]] = Counter()
    for predictions in runs:
        for example, prediction in zip(examples, predictions, strict=True):
            if task.spans:
                counts.update(_span_pairs(example, prediction, leave_out))
            else:
                counts[task.labels[example.label], task.labels[prediction.label]] += 1
    there = {name for pair in counts for name in pair}
    labels = [label for label in task.labels if label in there]
    true, predicted = (labels, labels) if not task.spans else ([*labels, SPURIOUS], [*labels, MISSED])
    return Confusion(true, predicted, [[counts[row, column] / len(runs) for column in predicted] for row in true])


def _span_pairs(example: Example, prediction: Prediction, leave_out: Sequence[str]) -> list[tuple[str, str]]:
    true, predicted = (
        {(span.start, span.end): span.label for span, _ in some.spans if span.label not in leave_out}
        for some in (example, prediction)
    )
    pairs = [(label, predicted.get(place, MISSED)) for place, label in true.items()]
    return pairs + [(SPURIOUS, label) for place, label in predicted.items() if place not in true]
