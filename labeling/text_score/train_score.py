"""Training of a score on a file of questions with labels: the model, its audit, and both files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.labeling.datasets import so60k
from socorpus.labeling.text_score import audit, vectors
from socorpus.labeling.text_score import model as text_model

AUDIT = "audit.json"
_TERMS = 20


def train(dataset: Path, out: Path, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Train on a file of "60k Stack Overflow Questions with Quality Rating", or one of its columns; the audit.

    Args:
        dataset: the CSV file.
        out: a new folder, for model.json and audit.json.

    Raises:
        InputError: the file can't be read or is too small, or the folder exists.
    """
    if files.exists(out):
        raise InputError(f"{out}: exists already; name a new folder")
    questions = sorted(so60k.read(dataset), key=lambda question: (question.created, question.id))
    facts, calibration = audit.run(questions, say)
    say("the model, on all questions")
    labels = audit.labels_of(questions)
    label = np.array([labels.index(question.label) for question in questions], np.int64)
    fitted = text_model.fit([audit.seen(question) for question in questions], label, labels)
    data = {
        "file": dataset.name,
        "sha256": files.sha256(dataset),
        "questions": len(questions),
        "from": questions[0].created.date().isoformat(),
        "to": questions[-1].created.date().isoformat(),
        "word_vectors": vectors.table().about,
    }
    fitted = text_model.calibrated(fitted, calibration, data)
    facts = {"data": data} | facts | {"largest_weights": _largest(fitted)}
    files.make_folder(out)
    files.write_json(out / AUDIT, facts)
    text_model.write(fitted, out)
    return facts


def _largest(fitted: text_model.Model) -> dict[str, list[str]]:
    """The columns that speak most for each label, but for vectors, which say nothing to people."""
    names = fitted.features.names()
    known = len(names) - len(fitted.features.centre)
    centred = fitted.weights[:known] - fitted.weights[:known].mean(1, keepdims=True)
    orders = {label: np.argsort(-centred[:, place], kind="stable") for place, label in enumerate(fitted.labels)}
    return {label: [names[column] for column in order[:_TERMS].tolist()] for label, order in orders.items()}
