"""Logistic regression by scikit-learn: for models of few features or of words, and for audits.

scikit-learn comes with `socorpus[labeling]` and `socorpus[training]`; it is imported when a model is fitted.
"""

import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any

import numpy as np

from socorpus.corpus.arrays import Float64, Int64
from socorpus.corpus.errors import InputError

MISSING = "scikit-learn is not installed (pip install 'socorpus[labeling]')"
Model = Callable[[Any], Float64]
_STEPS = 200


def version() -> str | None:
    """Version of scikit-learn; None where it is not installed."""
    try:
        return version_of("scikit-learn")
    except PackageNotFoundError:
        return None


def weights(x: Any, right: Int64, strength: float) -> Float64:
    """Weights of features that predict whether rows are right, float64[features], without an intercept.

    Args:
        x: [n, features], an array or a scipy sparse matrix.
        right: int64[n], 0 or 1, both of which occur.
        strength: factor of the L2 penalty, `strength / 2 * sum(weights ** 2)`, beside the sum of the log losses.

    Raises:
        InputError: scikit-learn is not installed.
    """
    coefficients: Float64 = _fitted(x, right, None, C=1 / strength, fit_intercept=False, tol=1e-6).coef_[0]
    return coefficients


def linear(x: Any, label: Int64, labels: int, strength: float) -> tuple[Float64, Float64]:
    """Weights and intercepts of a multinomial model: softmax of `x @ weights + intercepts` is the probability.

    Args:
        x: [n, features], an array or a scipy sparse matrix.
        label: int64[n], 0 to labels - 1, all of which occur.
        strength: factor of the L2 penalty, as in `weights`.

    Returns:
        float64[features, labels] and float64[labels]; of two labels the first has zeros.

    Raises:
        InputError: scikit-learn is not installed.
    """
    model = _fitted(x, label, None, C=1 / strength)
    weights, intercepts = model.coef_.T, model.intercept_
    if labels == 2:
        weights, intercepts = np.hstack([0 * weights, weights]), np.hstack([0 * intercepts, intercepts])
    return weights, intercepts


def fit(
    x: Any,
    label: Int64,
    labels: int,
    weight: Float64 | None = None,
    words: bool = False,
    inverse: float | None = None,
) -> Model:
    """A model of labels, which takes rows like `x` and returns the probability of each label, float64[n, labels].

    Args:
        x: [n, features], an array, whose features are standardised.
        label: int64[n], 0 to labels - 1; a label that does not occur gets probability 0.
        weight: float64[n], weight of each row; None: equal weights.
        words: whether rows are sparse and of length 1, such as weighted words: not standardised, and penalised less.
        inverse: inverse strength of the L2 penalty; None: 1, and 10 for words.

    Raises:
        InputError: scikit-learn is not installed.
    """
    present = np.unique(label)
    strength = inverse if inverse is not None else 10.0 if words else 1.0
    mean, deviation = (0.0, 1.0) if words else _moments(x)

    def ready(rows: Any) -> Any:
        return rows if words else (rows - mean) / deviation

    model = _fitted(ready(x), label, weight, C=strength) if len(present) > 1 else None

    def probabilities(rows: Any) -> Float64:
        result = np.zeros((rows.shape[0], labels))
        result[:, present] = 1 if model is None else model.predict_proba(ready(rows))
        return result

    return probabilities


def _fitted(x: Any, label: Int64, weight: Float64 | None, **options: Any) -> Any:
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        raise InputError(MISSING) from None
    # Sums are the same on any number of cores, and a worker has one: more threads would only wait for each other.
    with warnings.catch_warnings(), threadpool_limits(1):
        # More steps would change it a little.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(max_iter=_STEPS, **options).fit(x, label, weight)


def _moments(x: Float64) -> tuple[Float64, Float64]:
    """Mean and standard deviation of each feature, float64[features]; 1 for the deviation of a constant."""
    deviation = x.std(0)
    deviation[deviation < 1e-9] = 1
    return x.mean(0), deviation
