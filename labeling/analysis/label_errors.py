"""Likely label errors, by confident learning: labels that a model of the text, trained on other threads, contradicts.

Source: C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70,
2021; by the package cleanlab, an optional extra. The model is a logistic regression on the features of the score of a
text (`text_score`: words, characters, form and word vectors), in which all labels weigh the same, however rare,
cross-validated by thread. Within each training part a second cross-validation lets labels that are themselves
contradicted weigh less. Each label has a list of its own; where the model is hardly better than chance there is none.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.arrays import Float64, Int64
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import example_texts, logistic, schema
from socorpus.labeling.analysis import leaks
from socorpus.labeling.schema import Task
from socorpus.labeling.text_score import features as text_features
from socorpus.labeling.text_score.form import QuestionText

MISSING = "Likely label errors are not looked for: cleanlab is not installed (pip install 'socorpus[cleanlab]')."
MOST, SHOWN = 5_000, 50
"""Number of labels examined, drawn by a hash of the post, of each kind alike; number of errors listed of each kind."""
_CHARACTERS, _TITLE, _FEWEST = 3_000, 80, 10
_EXAMPLE = ("post_id", "title", "text", "segments")
_SURE, _LEAST = 3.0, 0.1
"""Standard errors by which a model must be better than chance on other threads, and share of the way from chance to a
perfect one by cross-validation: what a worse model contradicts is seldom an error."""
_INNER, _INVERSE = 2, 1.0
"""Number of inner folds; inverse strength of the penalty."""


def version() -> str | None:
    """Version of cleanlab; None where it is not installed."""
    try:
        return version_of("cleanlab")
    except PackageNotFoundError:
        return None


def find(root: Path, buckets: Sequence[Bucket], task: Task) -> dict[str, Any]:
    """Labels that are likely wrong: key, label, the text model's label and its probability.

    Returns:
        `note`, a sentence on what was done, and `found`, a list: the likeliest error of each label, then the second of
        each, and so on, at most `SHOWN` of a label.
    """
    if task.spans:
        return {"note": "Likely label errors are looked for only in labels of whole texts.", "found": []}
    if version() is None:
        return {"note": MISSING, "found": []}
    keys, texts, label, thread = _read(root, buckets, task)
    counts = np.bincount(label, minlength=len(task.labels))
    common = np.flatnonzero(counts >= _FEWEST)
    if len(common) < 2:
        return {"note": "Too few labels of two kinds to look for likely errors.", "found": []}
    rows = np.flatnonzero(np.isin(label, common))
    numbers = np.searchsorted(common, label[rows])
    common_texts = [texts[row] for row in rows.tolist()]
    try:
        matrix = text_features.learn(common_texts).matrix(common_texts)
    except InputError as cause:
        return {"note": f"Likely label errors are not looked for: {cause}.", "found": []}
    believed = _believed(matrix, numbers, thread[rows], len(common))
    accuracy, _ = _balanced_accuracy(numbers, believed)
    chance = 1 / len(common)
    figures = f"balanced accuracy {accuracy:.3f} on {len(rows):,} labels, by chance {chance:.3f}"
    if accuracy < chance + _LEAST * (1 - chance) or not _beats_chance(matrix, numbers, thread[rows]):
        what = "a model of the texts is no better than chance, or hardly"
        note = f"Likely label errors are not listed: {what} ({figures})."
        return {"note": note, "found": []}
    listed = []
    for number, issues in enumerate(_issues(numbers, believed)):
        own = believed[issues, number]
        for rank, index in enumerate(issues[np.argsort(own, kind="stable")][:SHOWN].tolist()):
            error_found = {
                "key": keys[rows[index]],
                "label": task.labels[common[number]],
                "rather": task.labels[common[believed[index].argmax()]],
                "probability": round(float(believed[index].max()), 4),
            }
            listed.append((rank, number, error_found))
    listed.sort(key=lambda entry: entry[:2])
    kinds = f"at most {SHOWN} of each label, in turn"
    note = f"Likely label errors by cleanlab {version()}: {len(listed):,} ({kinds}; {figures})."
    return {"note": note, "found": [error_found for *_, error_found in listed]}


def _issues(label: Int64, believed: Float64) -> list[Int64]:
    """Rows of each label that another contradicts: as many as confident learning takes to be wrong of that label."""
    from cleanlab.filter import find_label_issues

    wrong = find_label_issues(label, believed, filter_by="prune_by_class", n_jobs=1, min_examples_per_class=1)
    wrong &= believed.argmax(1) != label
    return [np.flatnonzero(wrong & (label == number)) for number in range(believed.shape[1])]


def _beats_chance(texts: Any, label: Int64, thread: Int64) -> bool:
    """Whether a model of one half of the threads is right in the other half more often than chance.

    Labels that are tossed coins are independent of it there. In a cross-validation they are not: whatever sets apart
    the texts whose coins fell alike is seen by all of its models, and of similar texts many seem right together.
    """
    half = arrays.splitmix64(thread) // np.uint64(leaks.FOLDS * _INNER) % np.uint64(2)
    train, test = np.flatnonzero(half == 0), np.flatnonzero(half == 1)
    known = np.intersect1d(label[train], label[test])
    train, test = train[np.isin(label[train], known)], test[np.isin(label[test], known)]
    if len(known) < 2:
        return False
    own = np.searchsorted(known, label)
    believed = _fitted(texts[train], own[train], len(known), _balance(own[train]))(texts[test])
    accuracy, error = _balanced_accuracy(own[test], believed)
    return accuracy >= 1 / len(known) + _SURE * error


def _balanced_accuracy(label: Int64, believed: Float64) -> tuple[float, float]:
    """Mean recall of the labels, and its standard error."""
    right, counts = believed.argmax(1) == label, np.bincount(label)
    recall = np.bincount(label, weights=right) / counts
    spread = (np.bincount(label, weights=right) + 0.5) / (counts + 1)
    return float(recall.mean()), float(np.sqrt((spread * (1 - spread) / counts).sum()) / len(counts))


def _read(root: Path, buckets: Sequence[Bucket], task: Task) -> tuple[list[str], list[QuestionText], Int64, Int64]:
    places = [root / schema.path(task.name, "labels", bucket.name) for bucket in buckets]
    totals = np.zeros(len(task.labels), np.int64)
    for place in places:
        named = pc.index_in(parquet.read(place, columns=["label"])["label"], value_set=pa.array(task.labels))
        totals += np.bincount(np.asarray(named, np.int64), minlength=len(totals))
    share = _shares(totals)
    keys: list[str] = []
    texts: list[QuestionText] = []
    labels, threads = [], []
    for number, (bucket, place) in enumerate(zip(buckets, places, strict=True)):
        table = parquet.read(place, columns=["site", "post_id", "label", "thread_id", "source"])
        label = np.asarray(pc.index_in(table["label"], value_set=pa.array(task.labels)), np.int64)
        drawn = arrays.splitmix64(np.asarray(table["post_id"], np.int64)) / 2.0**64 <= share[label]
        table = table.filter(pa.array(drawn))
        examples = example_texts.read(root, task.name, bucket.name, _EXAMPLE)
        rows = pc.index_in(table["post_id"], value_set=examples["post_id"].combine_chunks())
        own = examples.take(rows)
        texts += [_text(row) for row in own.to_pylist()]
        keys += [corpus_schema.key(bucket.site, post) for post in table["post_id"].to_pylist()]
        labels.append(label[drawn])
        threads.append(np.asarray(table["thread_id"], np.int64) + (number << 48))
    return keys, texts, np.concatenate(labels), np.concatenate(threads)


def _shares(totals: Int64) -> Float64:
    """Share of each label that is examined: `MOST` labels, the same number of each kind that has as many."""
    quota, left = 0.0, float(MOST)
    for place, total in enumerate(sorted(totals.tolist())):
        quota = max(quota, left / (len(totals) - place))
        left -= min(total, quota)
    shares: Float64 = np.minimum(1.0, quota / np.maximum(totals, 1))
    return shares


def _text(row: Mapping[str, Any]) -> QuestionText:
    """The beginning of an example's text: more of it costs time and says little more."""
    segments = [
        (piece["kind"], piece["start"], min(piece["end"], _CHARACTERS), piece["language"])
        for piece in row["segments"]
        if piece["start"] < _CHARACTERS
    ]
    text = row["text"][:_CHARACTERS]
    return QuestionText(row["title"] or text[:_TITLE], text, segments)


def _believed(texts: Any, label: Int64, thread: Int64, k: int) -> Float64:
    """Probability of each label for each text by a model of the other threads, float64[n, k]."""
    mixed = arrays.splitmix64(thread)
    fold = (mixed % np.uint64(leaks.FOLDS)).astype(np.int64)
    inner = (mixed // np.uint64(leaks.FOLDS) % np.uint64(_INNER)).astype(np.int64)
    probabilities = np.full((len(label), k), 1 / k)
    for number in range(leaks.FOLDS):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(test) and len(train):
            probabilities[test] = _nested(texts[train], label[train], inner[train], k)(texts[test])
    return probabilities


def _nested(texts: Any, label: Int64, fold: Int64, k: int) -> logistic.Model:
    """A model that believes labels as far as models of other texts bear them out."""
    own = np.full(len(label), 1 / k)
    for number in range(_INNER):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(test) and len(train):
            believed = _fitted(texts[train], label[train], k, _balance(label[train]))(texts[test])
            own[test] = believed[np.arange(len(test)), label[test]]
    return _fitted(texts, label, k, _balance(label) * own / own.mean())


def _fitted(texts: Any, label: Int64, k: int, weight: Float64) -> logistic.Model:
    return logistic.fit(texts, label, k, weight, words=True, inverse=_INVERSE)


def _balance(label: Int64) -> Float64:
    """Weights under which all labels that occur weigh the same, with mean 1."""
    counts = np.bincount(label)
    weights: Float64 = len(label) / (np.count_nonzero(counts) * counts[label])
    return weights
