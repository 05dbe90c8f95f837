"""Leak audits: what leaks is found, what does not is not."""

import numpy as np
import pytest

from socorpus.corpus.arrays import Float64, Int64
from socorpus.labeling import logistic
from socorpus.labeling.analysis import leaks
from socorpus.labeling.analysis.leaks import AuditRows
from tests.our_tasks import QUALITY


def rows(label: Int64, view: Float64, split: list[str] | None = None) -> AuditRows:
    thread = np.arange(len(label))
    parts = np.array(split or ["train"] * len(label), object)
    noise = np.random.default_rng(9).normal(size=(len(label), 3))
    return AuditRows(label, parts, thread, {"markup": view, "length": noise})


def scored(found: AuditRows, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, float]]:
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


def test_without_scikit_learn_the_audit_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "version", lambda: None)
    monkeypatch.setattr(leaks, "read", lambda *_: rows(np.arange(50) % 2, np.ones((50, 1))))
    made = leaks.run(None, [], QUALITY)  # type: ignore[arg-type]
    assert made["views"] == {} and "pip install 'socorpus[labeling]'" in made["note"]


def test_macro_f1_by_hand() -> None:
    truth, guess = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, 1, 0, 0])
    # 0: right 2 of guessed 4 and 3 true, 2*2/7; 1: 2*1/(2+1); 2: never guessed.
    assert leaks.macro_f1(truth, guess) == pytest.approx((4 / 7 + 2 / 3 + 0) / 3)
