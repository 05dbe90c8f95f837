"""Leak audits: what leaks is found, what does not is not; the regression against a closed case."""

import numpy as np
import pytest
from scipy.optimize import minimize

from socorpus.labeling.analysis import leaks
from socorpus.labeling.analysis.leaks import Float, Int64, Rows


def rows(label: Int64, view: Float, split: list[str] | None = None) -> Rows:
    thread = np.arange(len(label))
    parts = np.array(split or ["train"] * len(label), object)
    noise = np.random.default_rng(9).normal(size=(len(label), 3))
    return Rows(label, parts, thread, {"markup": view, "length": noise})


def scored(found: Rows, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, float]]:
    from tests.our_tasks import QUALITY

    monkeypatch.setattr(leaks, "read", lambda *_: found)
    made = leaks.run(None, [], QUALITY)  # type: ignore[arg-type]
    views: dict[str, dict[str, float]] = made["views"]
    return views | {"": {"scored": made["scored"], "by": made["by"]}}


def test_a_label_that_is_written_in_the_markup_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    label = random.choice(3, 600, p=[0.7, 0.2, 0.1])
    view = np.eye(3)[label] + random.normal(size=(600, 3)) * 0.2
    found = scored(rows(label, view), monkeypatch)
    assert found["majority"]["accuracy"] == pytest.approx((label == 0).mean(), abs=1e-4)
    assert found["majority"]["macro_f1"] < 0.3
    assert found["markup"]["accuracy"] > 0.97 and found["markup"]["macro_f1"] > 0.95
    assert found["length"]["accuracy"] == pytest.approx(found["majority"]["accuracy"], abs=0.03)
    assert found["length"]["macro_f1"] < 0.45
    assert found[""] == {"scored": 600, "by": "folds"}


def test_test_is_scored_on_where_it_holds_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    label = random.choice(2, 1000)
    view = label[:, None] + random.normal(size=(1000, 1))
    split = ["train"] * 800 + ["validation"] * 50 + ["test"] * 150
    assert scored(rows(label, view, split), monkeypatch)[""] == {"scored": 150, "by": "test"}
    few = ["train"] * 950 + ["test"] * 50
    assert scored(rows(label, view, few), monkeypatch)[""] == {"scored": 1000, "by": "folds"}


def test_one_label_alone_is_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scored(rows(np.zeros(50, np.int64), np.ones((50, 1))), monkeypatch)
    assert found == {"": {"scored": 0, "by": ""}}


@pytest.mark.parametrize("balanced", [False, True])
def test_the_regression_finds_the_minimum(balanced: bool) -> None:
    random = np.random.default_rng(3)
    label = random.choice(3, 300, p=[0.6, 0.3, 0.1])
    x = np.concatenate(
        [np.eye(3)[label] @ random.normal(size=(3, 4)) + random.normal(size=(300, 4)), np.ones((300, 1))], 1
    )
    counts = np.bincount(label)
    weight = (300 / (3 * counts))[label] if balanced else np.ones(300)

    def loss(flat: Float) -> float:
        w = flat.reshape(5, 3)
        p = leaks.probabilities(x, w)[np.arange(300), label]
        return float(-(weight * np.log(p)).mean() + leaks._PENALTY / 2 * (w**2).sum())

    ours = leaks.fit(x, label, 3, balanced)
    best = minimize(loss, np.zeros(15), method="L-BFGS-B").fun
    assert loss(ours.ravel()) < best + 1e-3


def test_macro_f1_by_hand() -> None:
    truth, guess = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, 1, 0, 0])
    # 0: right 2 of guessed 4 and 3 true, 2*2/7; 1: 2*1/(2+1); 2: never guessed.
    assert leaks.macro_f1(truth, guess) == pytest.approx((4 / 7 + 2 / 3 + 0) / 3)
