"""The model of the score: a regularised multinomial logistic regression, its calibration, and its file.

The file is JSON and holds terms and weights, so that reading one runs nothing. It names the data that the model was
trained on by hash and dates, and has none of its texts: only terms of several questions.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from socorpus.corpus.arrays import Float64, Int64
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.labeling import logistic
from socorpus.labeling.text_score import features as text_features
from socorpus.labeling.text_score import form, vectors
from socorpus.labeling.text_score.features import Features, Terms
from socorpus.labeling.text_score.form import QuestionText

VERSION = 1
FILE = "model.json"
_STRENGTH = 0.25
"""Chosen in folds by time within the older four fifths of so-60k-subset, as were the features."""
_RIDGE = 1e-3
_DIGITS = 6


@dataclass(frozen=True)
class Calibration:
    """A scale of the scores, and a shift of each label: float64[labels]."""

    scale: float
    shift: Float64

    def probabilities(self, scores: Float64) -> Float64:
        """float64[n, labels] from scores of that shape."""
        return _softmax(scores * self.scale + self.shift)


@dataclass(frozen=True)
class Model:
    """A score: of the labels of the data that it was trained on, from title and text only."""

    labels: tuple[str, ...]
    features: Features
    weights: Float64
    """float64[columns, labels]"""
    intercepts: Float64
    """float64[labels]"""
    calibration: Calibration
    data: Mapping[str, Any]
    """Name, hash, size and dates of the file that it was trained on."""

    def scores(self, questions: Sequence[QuestionText]) -> Float64:
        """Uncalibrated log probabilities but for a constant: float64[n, labels]."""
        scores: Float64 = self.features.matrix(questions) @ self.weights + self.intercepts
        return scores

    def probabilities(self, questions: Sequence[QuestionText]) -> Float64:
        """Calibrated probabilities, float64[n, labels]."""
        return self.calibration.probabilities(self.scores(questions))


def fit(questions: Sequence[QuestionText], label: Int64, labels: Sequence[str]) -> Model:
    """A model of some questions, not yet calibrated.

    Args:
        label: int64[n], the place of each question's label in `labels`, all of which occur.

    Raises:
        InputError: scikit-learn is not installed, or the questions are too few.
    """
    learned = text_features.learn(questions)
    weights, intercepts = logistic.linear(learned.matrix(questions), label, len(labels), _STRENGTH)
    plain = Calibration(1.0, np.zeros(len(labels)))
    return Model(tuple(labels), learned, np.round(weights, _DIGITS), np.round(intercepts, _DIGITS), plain, {})


def calibrate(scores: Float64, label: Int64) -> Calibration:
    """The scale and shifts with the least log loss on questions that the model had not seen (Platt 1999)."""
    from scipy.optimize import minimize

    rows = np.arange(len(label))

    def loss(values: Float64) -> float:
        # A little weight on no change keeps the minimum finite where scores separate the labels.
        chances = _softmax(scores * np.exp(values[0]) + values[1:])[rows, label]
        return float(-np.log(np.maximum(chances, 1e-300)).mean() + _RIDGE * (values @ values))

    best = minimize(loss, np.zeros(1 + scores.shape[1]), method="L-BFGS-B").x
    return Calibration(round(float(np.exp(best[0])), 4), np.round(best[1:], 4))


def _softmax(scores: Float64) -> Float64:
    powers: Float64 = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def write(model: Model, folder: Path) -> str:
    """Write the model's file in a folder; the file's SHA-256."""
    learned, place = model.features, 0
    terms = {}
    for part, of in learned.terms.items():
        weights = model.weights[place : place + len(of.names)]
        rows = zip(of.names, _list(of.rarity), _list(weights), strict=True)
        terms[part] = [[name, rare, *row] for name, rare, row in rows]
        place += len(of.names)
    width = len(form.NAMES)
    shape = zip(_list(learned.mean), _list(learned.deviation), _list(model.weights[place : place + width]), strict=True)
    values = {
        "format": VERSION,
        "labels": list(model.labels),
        "data": dict(model.data),
        "calibration": {"scale": model.calibration.scale, "shift": _list(model.calibration.shift)},
        "intercepts": _list(model.intercepts),
        "terms": terms,
        "form": {name: [mean, deviation, *row] for name, (mean, deviation, row) in zip(form.NAMES, shape, strict=True)},
        "vectors": {
            "sha256": vectors.table().sha256,
            "rarity": _list(learned.rarity),
            "centre": _list(learned.centre),
            "weights": _list(model.weights[place + width :]),
        },
    }
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    files.write_text(folder / FILE, re.sub(r'(?<=[\]}]),(?="|\[")', ",\n", text) + "\n")
    return digest(folder)


def _list(values: Float64) -> Any:
    return np.round(values, _DIGITS).tolist()


def digest(folder: Path) -> str:
    """SHA-256 of a model's file."""
    return files.sha256(folder / FILE)


def read(folder: Path) -> Model:
    """The model in a folder.

    Raises:
        InputError: there is none, it is damaged, or was made with other word vectors.
    """
    path = folder / FILE
    if not files.is_file(path):
        raise InputError(f"{folder}: holds no {FILE}; socorpus labeling train-score makes one")
    try:
        values = files.read_json(path)
        if values["format"] != VERSION or values["vectors"]["sha256"] != vectors.table().sha256:
            raise InputError(f"{path}: was made by another version of socorpus; train it again")
        return _model(values)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{path}: is no whole model of socorpus labeling train-score ({error})") from None


def _model(values: Mapping[str, Any]) -> Model:
    terms: dict[str, Terms] = {}
    weights: list[Any] = []
    labels = tuple(map(str, values["labels"]))
    for part in text_features.PARTS:
        rows = values["terms"][part]
        terms[part] = Terms([str(row[0]) for row in rows], np.array([row[1] for row in rows], np.float64))
        weights.append([row[2:] for row in rows])
    shape = np.array([values["form"][name] for name in form.NAMES], np.float64)
    vector = values["vectors"]
    weights += [shape[:, 2:], vector["weights"]]
    whole = np.vstack([np.array(block, np.float64).reshape(-1, len(labels)) for block in weights])
    rarity, centre = np.array(vector["rarity"], np.float64), np.array(vector["centre"], np.float64)
    learned = Features(terms, shape[:, 0], shape[:, 1], rarity, centre)
    calibration = Calibration(
        float(values["calibration"]["scale"]), np.array(values["calibration"]["shift"], np.float64)
    )
    model = Model(labels, learned, whole, np.array(values["intercepts"], np.float64), calibration, dict(values["data"]))
    table = vectors.table().vectors
    sizes = (len(learned.names()), len(rarity), len(centre), len(calibration.shift), len(model.intercepts))
    if sizes != (len(whole), len(table), 2 * table.shape[1], len(labels), len(labels)) or not np.isfinite(whole).all():
        raise ValueError("weights and features differ in number")
    return model


def calibrated(model: Model, calibration: Calibration, data: Mapping[str, Any]) -> Model:
    """The model with its calibration, and what it was trained on."""
    return replace(model, calibration=calibration, data=data)
