"""How far a score can be trusted: folds by time, what it might read instead of quality, and its calibration.

The older half of the questions is only for training. The newer half is cut into five folds of equal size; each is
scored by a model that was trained on all questions before it. The figure is the area under the ROC curve (AUC) of a
label against all others, as the mean of the folds; its interval comes from 1,000 bootstrap samples within each fold.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from socorpus.corpus.arrays import Float64, Int64, splitmix64
from socorpus.corpus.errors import InputError
from socorpus.labeling.datasets import so60k
from socorpus.labeling.datasets.so60k import Question
from socorpus.labeling.text_score import masks
from socorpus.labeling.text_score import model as text_model
from socorpus.labeling.text_score.form import QuestionText
from socorpus.labeling.text_score.model import Calibration

FOLDS = 5
MOST = 10_000
"""Number of questions in an audit; of more these are drawn by a hash of the Id."""
FEWEST, FEWEST_LABEL = 100, 20
"""Fewest questions to train on, and of each label."""
SAMPLES = 1000
_SLICE, _SLICE_LABEL, _TAGS = 30, 5, 10
"""Fewest scored questions of a slice, and of each side in it; number of tags that are listed."""
_BINS = 10
_DIGITS = 4
Split = tuple[Int64, Int64]


@dataclass(frozen=True)
class Scored:
    """The questions of an audit in order of time, and the folds' scores.

    Attributes:
        label: int64[n], the place in `labels`.
        scores: float64[n, labels], NaN for the older half.
    """

    questions: list[Question]
    labels: tuple[str, ...]
    label: Int64
    folds: list[Split]
    scores: Float64

    @property
    def rows(self) -> Int64:
        """The questions that have a score, int64[scored]."""
        return np.concatenate([test for _, test in self.folds])


def seen(question: Question) -> QuestionText:
    """What a score sees of a question."""
    return QuestionText(question.title, question.text.text, question.text.segments)


def labels_of(questions: Sequence[Question]) -> tuple[str, ...]:
    """The labels of a file in order.

    Raises:
        InputError: fewer than two, or too few questions.
    """
    counts = Counter(question.label for question in questions)
    rare = [f"{label} {count}" for label, count in sorted(counts.items()) if count < FEWEST_LABEL]
    if len(counts) < 2 or len(questions) < FEWEST or rare:
        raise InputError(
            f"{len(questions)} questions with the labels {', '.join(sorted(counts)) or '(none)'}: a score needs "
            f"{FEWEST}, two labels, and {FEWEST_LABEL} questions of each"
            + (f" ({', '.join(rare)} are too few)" if rare else "")
        )
    return tuple(sorted(counts))


def folds(count: int) -> list[Split]:
    """Rows to train on and to score, of rows in order of time: the newer half in `FOLDS` parts."""
    bounds = [count // 2 + (count - count // 2) * number // FOLDS for number in range(FOLDS + 1)]
    return [(np.arange(start), np.arange(start, end)) for start, end in pairwise(bounds)]


def run(
    questions: Sequence[Question], say: Callable[[str], None] = lambda _: None
) -> tuple[dict[str, Any], Calibration]:
    """The audit, as JSON, and a calibration for a model of all questions.

    Args:
        say: called with a line about the step that begins.

    Raises:
        InputError: too few questions; or a label that does not occur in the older half.
    """
    labels = labels_of(questions)
    chosen = sorted(_drawn(questions), key=lambda question: (question.created, question.id))
    label = np.array([labels.index(question.label) for question in chosen], np.int64)
    splits = folds(len(chosen))
    missing = [name for number, name in enumerate(labels) if not (label[splits[0][0]] == number).any()]
    if missing:
        raise InputError(f"{', '.join(missing)} does not occur in the older half of the questions: no folds by time")
    say(f"text: {FOLDS} folds by time")
    scored = Scored(
        chosen, labels, label, splits, _scores([seen(question) for question in chosen], label, labels, splits)
    )
    calibration, calibrated = _calibration(scored)
    # Of two labels one is enough: the other's figures are the same.
    shown = list(labels) if len(labels) > 2 else ["HQ" if "HQ" in labels else labels[0]]
    audit: dict[str, Any] = {
        "questions": len(chosen),
        "labels": {name: int((label == number).sum()) for number, name in enumerate(labels)},
        "auc_of": shown,
        "folds": [_fold(scored, split, shown) for split in splits],
        "text": _auc(scored, scored.scores, shown),
    }
    masked = {}
    for name, hidden in (("own tag names masked", None), ("all tag names masked", _all_tags(chosen))):
        say(f"{name}: {FOLDS} folds by time")
        views = [masks.masked(seen(q), masks.names(q.tags) if hidden is None else hidden) for q in chosen]
        masked[name] = _auc(scored, _scores(views, label, labels, splits), shown)
    say("what markup, length, tags and single words give away")
    return audit | {
        "masked": masked,
        "baselines": {name: _auc(scored, _baseline(scored, name), shown) for name in so60k.VIEWS if name in _VIEWS},
        "slices": list(_slices(scored, shown)),
        "calibration": calibrated,
    }, calibration


def _drawn(questions: Sequence[Question]) -> list[Question]:
    share = min(1.0, MOST / max(len(questions), 1))
    hashes = splitmix64(np.array([question.id for question in questions], np.int64))
    return [
        question for question, kept in zip(questions, hashes <= np.uint64(share * (2**64 - 2048)), strict=True) if kept
    ]


def _scores(views: Sequence[QuestionText], label: Int64, labels: Sequence[str], splits: Sequence[Split]) -> Float64:
    scores = np.full((len(views), len(labels)), np.nan)
    for train, test in splits:
        fitted = text_model.fit([views[row] for row in train], label[train], labels)
        scores[test] = fitted.scores([views[row] for row in test])
    # One number a label, whatever constant a row has: the log of its probability.
    top = scores.max(1, keepdims=True)
    logs: Float64 = scores - top - np.log(np.exp(scores - top).sum(1, keepdims=True))
    return logs


_VIEWS = ("contains <p>, raw", "markup, raw", "markup, normalised", "length, normalised", "tags", "text, normalised")


def _baseline(scored: Scored, view: str) -> Float64:
    scores = np.full(scored.scores.shape, np.nan)
    for train, test in scored.folds:
        some, others = ([scored.questions[row] for row in part] for part in (train, test))
        scores[test] = so60k.VIEWS[view](some, scored.label[train], others, len(scored.labels))
    return scores


def _all_tags(questions: Sequence[Question]) -> frozenset[str]:
    return masks.names({tag for question in questions for tag in question.tags})


# Areas under the ROC curve.


def auc(scores: Float64, positive: Any) -> float:
    """Probability that a positive has a higher score than a negative, a tie counting half; NaN without both.

    Args:
        scores: float64[n].
        positive: bool[n].
    """
    return float(_areas(scores, positive, np.ones((1, len(scores)), np.int64))[0])


def _areas(scores: Float64, positive: Any, counts: Int64) -> Float64:
    """The areas of samples, float64[samples]; counts: int64[samples, n], how often each row is in each sample."""
    order = np.argsort(scores, kind="stable")
    ranked, ones, counts = scores[order], positive[order], counts[:, order]
    zeros = np.concatenate([np.zeros((len(counts), 1), np.int64), (counts * ~ones).cumsum(1)], 1)
    # Rows below each row's score, and half of those that have the same.
    below = (zeros[:, np.searchsorted(ranked, ranked)] + zeros[:, np.searchsorted(ranked, ranked, "right")]) / 2
    pairs = (counts * ones).sum(1) * zeros[:, -1]
    won = (counts * ones * below).sum(1)
    return np.divide(won, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)


def _mean(areas: Float64) -> Float64:
    """Means over folds of those that have an area; NaN where none has. areas: float64[folds, samples]."""
    known = np.isfinite(areas)
    return np.divide(
        np.where(known, areas, 0).sum(0), known.sum(0), out=np.full(areas.shape[1], np.nan), where=known.any(0)
    )


def _with_interval(scores: Float64, positive: Any, parts: Sequence[Int64]) -> dict[str, Any]:
    random = np.random.default_rng(0)
    samples, whole = [], []
    for part in parts:
        counts = random.multinomial(len(part), np.full(len(part), 1 / len(part)), SAMPLES)
        samples.append(_areas(scores[part], positive[part], counts))
        whole.append([auc(scores[part], positive[part])])
    low, high = np.nanquantile(_mean(np.array(samples)), (0.025, 0.975))
    return {"auc": _short(_mean(np.array(whole))[0]), "interval": [_short(low), _short(high)]}


def _short(value: Any) -> float:
    return round(float(value), _DIGITS)


def _auc(scored: Scored, scores: Float64, shown: Sequence[str]) -> dict[str, Any]:
    """By label: mean of the folds with its interval."""
    parts = [test for _, test in scored.folds]
    places = {name: scored.labels.index(name) for name in shown}
    return {name: _with_interval(scores[:, place], scored.label == place, parts) for name, place in places.items()}


def _fold(scored: Scored, split: Split, shown: Sequence[str]) -> dict[str, Any]:
    train, test = split
    days = [scored.questions[row].created.date().isoformat() for row in (test[0], test[-1])]
    places = {name: scored.labels.index(name) for name in shown}
    areas = {name: auc(scored.scores[test, place], scored.label[test] == place) for name, place in places.items()}
    return {
        "from": days[0],
        "to": days[1],
        "trained_on": len(train),
        "scored": len(test),
        "auc": {name: None if np.isnan(area) else _short(area) for name, area in areas.items()},
    }


def _slices(scored: Scored, shown: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Areas within a tag, a length, a year and a format: no such area can come from differences between them."""
    rows = scored.rows
    questions = [scored.questions[row] for row in rows]
    lengths = np.array([len(question.text.text) for question in questions])
    quarters = np.searchsorted(np.quantile(lengths, (0.25, 0.5, 0.75)), lengths)
    kinds: list[tuple[str, list[str]]] = [
        ("length", [("shortest quarter", "second", "third", "longest quarter")[quarter] for quarter in quarters]),
        ("year", [str(question.created.year) for question in questions]),
        ("format", ["HTML" if question.html else "Markdown" for question in questions]),
        ("code", ["with a code block" if seen(question).of("code") else "without" for question in questions]),
    ]
    groups = [(kind, name, rows[[value == name for value in of]]) for kind, of in kinds for name in sorted(set(of))]
    common = Counter(tag for question in questions for tag in question.tags)
    ranked = sorted(common, key=lambda tag: (-common[tag], tag))[:_TAGS]
    groups += [("tag", tag, rows[[tag in question.tags for question in questions]]) for tag in ranked]
    for kind, name, part in groups:
        for of in shown:
            positive = scored.label == scored.labels.index(of)
            sides = (int(positive[part].sum()), int((~positive[part]).sum()))
            if len(part) >= _SLICE and min(sides) >= _SLICE_LABEL:
                area = _with_interval(scored.scores[:, scored.labels.index(of)], positive, [part])
                yield {"kind": kind, "name": name, "label": of, "questions": len(part), "positive": sides[0], **area}


# Calibration.


def _calibration(scored: Scored) -> tuple[Calibration, dict[str, Any]]:
    """The calibration for a model of all questions, and how good one is on questions that it was not made from.

    Each fold but the first is calibrated by the scores of the folds before it. The constant it is held against is the
    labels' shares in all questions before the fold.
    """
    k = len(scored.labels)
    chances, constants, rows = [], [], []
    for number in range(1, len(scored.folds)):
        train, test = scored.folds[number]
        before = np.concatenate([part for _, part in scored.folds[:number]])
        chances.append(
            text_model.calibrate(scored.scores[before], scored.label[before]).probabilities(scored.scores[test])
        )
        constants.append(
            np.tile((np.bincount(scored.label[train], minlength=k) + 1) / (len(train) + k), (len(test), 1))
        )
        rows.append(test)
    chance, constant, tested = np.vstack(chances), np.vstack(constants), np.concatenate(rows)
    label = scored.label[tested]
    report = {
        "scored": len(tested),
        "log_loss": _short(log_loss(chance, label)),
        "log_loss_of_constant": _short(log_loss(constant, label)),
        **reliability(chance, label),
    }
    final = text_model.calibrate(scored.scores[scored.rows], scored.label[scored.rows])
    return final, report


def log_loss(chances: Float64, label: Int64) -> float:
    """Mean negative log probability of the labels; chances: float64[n, labels]."""
    return float(-np.log(np.maximum(chances[np.arange(len(label)), label], 1e-15)).mean())


def reliability(chances: Float64, label: Int64) -> dict[str, Any]:
    """Expected calibration error and a table of ten bins of equal size, of all labels' probabilities together."""
    flat = chances.ravel()
    hit = (label[:, None] == np.arange(chances.shape[1])).ravel()
    order = np.argsort(flat, kind="stable")
    bins, error = [], 0.0
    for part in np.array_split(order, _BINS):
        if len(part):
            mean, share = float(flat[part].mean()), float(hit[part].mean())
            error += abs(mean - share) * len(part) / len(flat)
            bins.append({"probability": _short(mean), "share": _short(share), "of": len(part)})
    return {"ece": _short(error), "bins": bins}
