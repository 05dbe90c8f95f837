"""Logistic regression: the minimum that its definition has, and labels that do not occur."""

import builtins
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from socorpus.corpus.arrays import Float64
from socorpus.corpus.errors import InputError
from socorpus.labeling import logistic


def test_weights_are_at_the_minimum() -> None:
    random = np.random.default_rng(3)
    x = (random.random((400, 12)) < 0.3).astype(np.float64)
    right = (x @ random.normal(size=12) + random.normal(size=400) > 0).astype(np.int64)

    def loss(weights: Float64) -> float:
        scores = x @ weights
        return float((np.logaddexp(0, scores) - right * scores).sum() + 4 * (weights @ weights) / 2)

    best = minimize(loss, np.zeros(12), method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9}).x
    assert logistic.weights(csr_matrix(x), right, 4.0) == pytest.approx(best, abs=1e-3)


def test_rare_labels_weigh_as_they_are_told_to() -> None:
    random = np.random.default_rng(4)
    label = random.choice(2, 1000, p=[0.9, 0.1])
    x = label[:, None] * 100.0 + random.normal(size=(1000, 1)) * 100 + 5000
    plain = logistic.fit(x, label, 2)(x)
    counts = np.bincount(label)
    fair = logistic.fit(x, label, 2, 1 / counts[label] * 500)(x)
    assert plain.sum(1) == pytest.approx(1)
    # With an intercept the mean probability is the (weighed) share.
    assert plain[:, 1].mean() == pytest.approx(label.mean(), abs=1e-3)
    assert (fair[:, 1] / counts[label] * 0.5).sum() == pytest.approx(0.5, abs=1e-3)


def test_labels_that_do_not_occur_are_not_likely() -> None:
    x = np.array([[0.0], [1.0], [2.0]])
    assert logistic.fit(x, np.array([1, 1, 1]), 3)(x[:2]).tolist() == [[0, 1, 0], [0, 1, 0]]
    found = logistic.fit(x, np.array([0, 2, 2]), 4)(x)
    assert found[:, [1, 3]].tolist() == [[0, 0]] * 3 and found.sum(1) == pytest.approx(1)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("sklearn"):
            raise ModuleNotFoundError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"socorpus\[labeling\]"):
        logistic.fit(np.eye(2), np.array([0, 1]), 2)
