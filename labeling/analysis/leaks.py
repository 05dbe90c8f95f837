"""Leak audits: scores of models that see only markup, only length or only tags, against the commonest label.

A label that a text's markup or length predicts teaches a model these and not the task:
the trap of "60k Stack Overflow Questions with Quality Rating", where one class's bodies are of another format. A
multinomial logistic regression is trained on the train split and scored on test; where test holds too little, all
splits are cross-validated in five folds by thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.arrays import Float64, Int64
from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import example_texts, logistic, schema
from socorpus.labeling.schema import Task

MOST = 10_000
"""Number of labels examined, drawn by a hash of the post."""
FEWEST_TEST, FEWEST_LABEL = 100, 10
"""Fewest examples of a test split to score on, and of each of at least two labels in it."""
FOLDS = 5
_TAGS = 100


@dataclass(frozen=True)
class AuditRows:
    """Labelled examples, or spans: n rows."""

    label: Int64
    """int64[n], the label's number in its task."""
    split: npt.NDArray[np.object_]
    thread: Int64
    """int64[n], mixed with the site, so that equal numbers are one thread."""
    views: Mapping[str, Float64]
    """View -> float64[n, features]."""


def run(root: Path, buckets: Sequence[Bucket], task: Task) -> dict[str, Any]:
    """The audit of a task's labels; scores are shares, rounded to four decimals."""
    rows = read(root, buckets, task)
    audit: dict[str, Any] = {"examples": len(rows.label), "scored": 0, "by": "", "views": {}}
    if logistic.version() is None:
        return audit | {"note": f"Leaks are not looked for: {logistic.MISSING}."}
    present = np.unique(rows.label)
    if len(present) < 2 or len(np.unique(rows.thread)) < 2 * FOLDS:
        return audit
    label = np.searchsorted(present, rows.label)
    folds, by = _folds(rows, label)
    truth = np.concatenate([label[test] for _, test in folds])
    audit |= {"scored": len(truth), "by": by}
    usual = [np.full(len(test), np.bincount(label[train]).argmax()) for train, test in folds]
    audit["views"]["majority"] = _scores(truth, np.concatenate(usual), np.concatenate(usual))
    for name, view in rows.views.items():
        plain, fair = (_guesses(view, label, folds, balanced) for balanced in (False, True))
        audit["views"][name] = _scores(truth, plain, fair)
    return audit


def _guesses(view: Float64, label: Int64, folds: Sequence[tuple[Int64, Int64]], balanced: bool) -> Int64:
    """The likeliest labels of all folds' test rows, int64[scored]; `balanced`: labels weigh the same, however rare."""
    guesses = []
    for train, test in folds:
        counts = np.bincount(label[train])
        weight = len(train) / (np.count_nonzero(counts) * counts[label[train]]) if balanced else None
        model = logistic.fit(view[train], label[train], int(label.max()) + 1, weight)
        guesses.append(model(view[test]).argmax(1))
    return np.concatenate(guesses)


def _folds(rows: AuditRows, label: Int64) -> tuple[list[tuple[Int64, Int64]], str]:
    train, test = (np.flatnonzero(rows.split == name) for name in ("train", "test"))
    enough = (np.bincount(label[test]) >= FEWEST_LABEL).sum() >= 2 if len(test) >= FEWEST_TEST else False
    if enough and len(np.unique(label[train])) > 1:
        return [(train, test)], "test"
    fold = (arrays.splitmix64(rows.thread) % np.uint64(FOLDS)).astype(np.int64)
    folds = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(FOLDS)]
    return [(train, test) for train, test in folds if len(test) and len(train)], "folds"


def read(root: Path, buckets: Sequence[Bucket], task: Task) -> AuditRows:
    """The labels of all buckets, or a share of them drawn by a hash of the post, with the features of each view."""
    places = [root / schema.path(task.name, "labels", bucket.name) for bucket in buckets]
    total = sum(parquet.read(place, columns=["post_id"]).num_rows for place in places)
    share = min(1.0, MOST / max(total, 1))
    labels, features, names = [], [], Tags()
    for bucket, place in zip(buckets, places, strict=True):
        table = parquet.read(place, columns=["site", "post_id", "start", "end", "label", "split", "thread_id"])
        drawn = arrays.splitmix64(np.asarray(table["post_id"], np.int64)) <= np.uint64(share * (2**64 - 2048))
        table = table.filter(pa.array(drawn))
        columns = ["post_id", "title", "text", "own_end", "segments", "tags"]
        examples = example_texts.read(root, task.name, bucket.name, columns)
        rows = pc.index_in(table["post_id"], value_set=examples["post_id"].combine_chunks())
        examples = examples.take(rows).combine_chunks()
        labels.append(table)
        features.append((_span_views if task.spans else _text_views)(table, examples))
        names.count(examples["tags"], table["split"])
        features[-1]["tags"] = names.codes(examples["tags"])
    whole = pa.concat_tables(labels)
    views = {name: np.concatenate([part[name] for part in features]) for name in ("markup", "length")}
    views["tags"] = names.one_hot([part["tags"] for part in features])
    site = np.asarray(whole["site"].combine_chunks().dictionary_encode().indices, np.int64)
    thread = np.asarray(whole["thread_id"], np.int64) + (site << 48)
    label = np.asarray(pc.index_in(whole["label"], value_set=pa.array(task.labels)), np.int64)
    return AuditRows(label, np.array(whole["split"].to_pylist(), object), thread, views)


def _text_views(table: pa.Table, examples: pa.Table) -> dict[str, Any]:
    """Counts of segments by kind; length of text, title and words."""
    segments, bounds = arrays.lists(examples["segments"])
    row = np.repeat(np.arange(examples.num_rows), np.diff(bounds))
    kind = np.asarray(pc.index_in(segments.field("kind"), value_set=pa.array(corpus_schema.SEGMENT_KINDS)), np.int64)
    kinds = len(corpus_schema.SEGMENT_KINDS)
    counts = np.bincount(row * kinds + kind, minlength=examples.num_rows * kinds).reshape(-1, kinds)
    own = np.asarray(examples["own_end"], np.float64)
    chars = np.asarray(pc.utf8_length(examples["text"]), np.float64)
    words = np.asarray(pc.count_substring(examples["text"], " "), np.float64)
    title = np.asarray(pc.fill_null(pc.utf8_length(examples["title"]), 0), np.float64)
    size = np.log1p(np.stack([own, chars, words, title], 1))
    return {"markup": np.log1p(counts.astype(np.float64)), "length": np.concatenate([size, size**2], 1)}


def _span_views(table: pa.Table, examples: pa.Table) -> dict[str, Any]:
    """Kind of the segment in which a span begins; its length, and that of its words."""
    kinds = corpus_schema.SEGMENT_KINDS
    start, end = (table[name].to_pylist() for name in ("start", "end"))
    markup = np.zeros((table.num_rows, len(kinds)))
    size = np.zeros((table.num_rows, 2))
    rows = zip(start, end, examples["segments"].to_pylist(), examples["text"].to_pylist(), strict=True)
    for row, (first, last, segments, text) in enumerate(rows):
        for segment in segments:
            if segment["start"] <= first < segment["end"]:
                markup[row, kinds.index(segment["kind"])] = 1
        size[row] = last - first, 1 + text[first:last].count(" ")
    size = np.log1p(size)
    return {"markup": markup, "length": np.concatenate([size, size**2], 1)}


class Tags:
    """The commonest tags of the train split, as features."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def count(self, tags: pa.ChunkedArray, split: pa.ChunkedArray) -> None:
        """Count the tags of some rows."""
        for name in pc.list_flatten(tags.filter(pc.equal(split, "train"))).to_pylist():
            self.counts[name] = self.counts.get(name, 0) + 1

    def codes(self, tags: pa.ChunkedArray) -> list[list[str]]:
        """Tags of each row."""
        codes: list[list[str]] = tags.to_pylist()
        return codes

    def one_hot(self, parts: Sequence[list[list[str]]]) -> Float64:
        """float64[n, tags + 1], the last column for the number of tags."""
        ranked = sorted(self.counts, key=lambda name: (-self.counts[name], name))[:_TAGS]
        place = {name: column for column, name in enumerate(ranked)}
        rows = [row for part in parts for row in part]
        matrix = np.zeros((len(rows), len(place) + 1))
        for index, row in enumerate(rows):
            matrix[index, [place[name] for name in row if name in place]] = 1
            matrix[index, -1] = len(row)
        return matrix


def _scores(truth: Int64, plain: Int64, fair: Int64) -> dict[str, float]:
    """Accuracy of the plain model; macro F1 of the plain or the balanced one, whichever is higher."""
    best = max(macro_f1(truth, plain), macro_f1(truth, fair))
    return {"accuracy": round(float((plain == truth).mean()), 4), "macro_f1": round(best, 4)}


def macro_f1(truth: Int64, guess: Int64) -> float:
    """Mean F1 of the labels that occur in the truth; a label that is never guessed has 0."""

    def f1(label: int) -> float:
        real, guessed = truth == label, guess == label
        return 2 * int((real & guessed).sum()) / int(real.sum() + guessed.sum())

    return float(np.mean([f1(label) for label in np.unique(truth).tolist()]))
