"""Likely label errors, by confident learning: labels that a model of the text, trained on other threads, contradicts.

Source: C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70,
2021; by the package cleanlab, an optional extra. The model is a logistic regression on hashed words, cross-validated by
thread.
"""

import re
import zlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import logistic, schema
from socorpus.labeling.analysis import leaks
from socorpus.labeling.schema import Task

MISSING = "Likely label errors are not looked for: cleanlab is not installed (pip install 'socorpus[cleanlab]')."
MOST, SHOWN = 5_000, 50
"""Number of labels examined, drawn by a hash of the post; number of errors listed."""
_FEATURES, _WORDS, _FEWEST = 1 << 12, 400, 10
_WORD = re.compile(r"\w+")


def version() -> str | None:
    """Version of cleanlab; None where it is not installed."""
    try:
        return version_of("cleanlab")
    except PackageNotFoundError:
        return None


def find(root: Path, buckets: Sequence[Bucket], task: Task) -> dict[str, Any]:
    """Labels that are likely wrong, the likeliest first: key, label, the text model's label and its probability.

    Returns:
        `note`, a sentence on what was done, and `found`, a list.
    """
    if task.spans:
        return {"note": "Likely label errors are looked for in labels of whole texts alone.", "found": []}
    if version() is None:
        return {"note": MISSING, "found": []}
    keys, texts, label, thread = _read(root, buckets, task)
    counts = np.bincount(label, minlength=len(task.labels))
    common = np.flatnonzero(counts >= _FEWEST)
    if len(common) < 2:
        return {"note": "Too few labels of two kinds to look for likely errors.", "found": []}
    rows = np.flatnonzero(np.isin(label, common))
    numbers = np.searchsorted(common, label[rows])
    believed = _believed(_words([texts[row] for row in rows.tolist()]), numbers, thread[rows], len(common))
    from cleanlab.filter import find_label_issues

    ranked = find_label_issues(
        numbers, believed, return_indices_ranked_by="self_confidence", n_jobs=1, min_examples_per_class=1
    )
    errors = [
        {
            "key": keys[rows[index]],
            "label": task.labels[common[numbers[index]]],
            "rather": task.labels[common[believed[index].argmax()]],
            "probability": round(float(believed[index].max()), 4),
        }
        for index in ranked.tolist()
    ]
    note = f"Likely label errors by cleanlab {version()}: {len(errors):,} of {len(rows):,} labels that were looked at."
    return {"note": note, "found": errors[:SHOWN]}


def _read(
    root: Path, buckets: Sequence[Bucket], task: Task
) -> tuple[list[str], list[str], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    places = [root / schema.path(task.name, "labels", bucket.name) for bucket in buckets]
    total = sum(parquet.read(place, columns=["post_id"]).num_rows for place in places)
    share = min(1.0, MOST / max(total, 1))
    keys: list[str] = []
    texts: list[str] = []
    labels, threads = [], []
    for number, (bucket, place) in enumerate(zip(buckets, places, strict=True)):
        table = parquet.read(place, columns=["site", "post_id", "label", "thread_id", "source"])
        drawn = arrays.splitmix64(np.asarray(table["post_id"], np.int64)) <= np.uint64(share * (2**64 - 2048))
        table = table.filter(pa.array(drawn))
        examples = parquet.read(
            root / schema.path(task.name, "examples", bucket.name), columns=["post_id", "title", "text"]
        )
        rows = pc.index_in(table["post_id"], value_set=examples["post_id"].combine_chunks())
        own = examples.take(rows)
        texts += [
            f"{title or ''} {text}"
            for title, text in zip(own["title"].to_pylist(), own["text"].to_pylist(), strict=True)
        ]
        keys += [corpus_schema.key(bucket.site, post) for post in table["post_id"].to_pylist()]
        labels.append(np.asarray(pc.index_in(table["label"], value_set=pa.array(task.labels)), np.int64))
        threads.append(np.asarray(table["thread_id"], np.int64) + (number << 48))
    return keys, texts, np.concatenate(labels), np.concatenate(threads)


def _words(texts: Sequence[str]) -> Any:
    """Sparse float64[n, features]: square roots of the counts of hashed words, each row of length 1."""
    from scipy.sparse import csr_array

    columns: list[int] = []
    bounds = [0]
    for text in texts:
        columns += [zlib.crc32(word.encode()) % _FEATURES for word in _WORD.findall(text.lower())[:_WORDS]]
        bounds.append(len(columns))
    matrix = csr_array((np.ones(len(columns)), np.array(columns, np.int32), bounds), shape=(len(texts), _FEATURES))
    matrix.sum_duplicates()
    matrix.data = np.sqrt(matrix.data)
    length = np.sqrt(np.asarray((matrix * matrix).sum(1)).ravel())
    matrix.data /= np.repeat(np.maximum(length, 1e-9), np.diff(matrix.indptr))
    return matrix


def _believed(
    words: Any, label: npt.NDArray[np.int64], thread: npt.NDArray[np.int64], k: int
) -> npt.NDArray[np.float64]:
    """Probability of each label for each text by a model of the other threads, float64[n, k]."""
    fold = (arrays.splitmix64(thread) % np.uint64(leaks.FOLDS)).astype(np.int64)
    probabilities = np.full((len(label), k), 1 / k)
    for number in range(leaks.FOLDS):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(test) and len(train):
            probabilities[test] = logistic.fit(words[train], label[train], k, words=True)(words[test])
    return probabilities
