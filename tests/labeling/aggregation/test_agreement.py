"""Krippendorff's alpha: a published example, and the package's numbers for items one by one."""

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from sklearn.metrics import cohen_kappa_score

from socorpus.labeling.aggregation import agreement
from socorpus.labeling.schema import Task

TASK = Task("toy", {"x": "", "y": "", "z": ""})
SPANS = Task("toy_spans", {"x": "", "y": ""}, unit="span")


def test_the_example_of_krippendorff() -> None:
    # "Computing Krippendorff's Alpha-Reliability" (2011), data C: nominal alpha 0.743 of four observers, twelve units.
    observers = [
        "1 2 3 3 2 1 4 1 2 - - -",
        "1 2 3 3 2 2 4 1 2 5 - 3",
        "- 3 3 3 2 3 4 2 2 5 1 -",
        "1 2 3 3 2 4 4 1 2 5 1 -",
    ]
    votes = np.array([[-1 if one == "-" else int(one) - 1 for one in row.split()] for row in observers], np.int8).T
    assert agreement.of_patterns(votes, np.ones(12, np.int64), 5) == pytest.approx(0.743, abs=5e-4)
    units = [{f"p{at}": int(one) for at, one in enumerate(row) if one >= 0} for row in votes]
    assert agreement.of_people(units, 5) == pytest.approx(0.743, abs=5e-4)


@given(
    some.lists(some.tuples(some.lists(some.integers(-1, 2), min_size=3, max_size=3), some.integers(1, 4)), max_size=12)
)
def test_counts_give_what_the_package_gives_item_by_item(rows: list[tuple[list[int], int]]) -> None:
    patterns = np.array([row for row, _ in rows], np.int8).reshape(len(rows), 3)
    counts = np.array([count for _, count in rows], np.int64)
    found = agreement.of_patterns(patterns, counts, 3)
    items = np.repeat(patterns, counts, axis=0)
    paired = items[(items >= 0).sum(1) > 1]
    if not len(paired) or len(np.unique(paired[paired >= 0])) < 2:
        assert found is None
        return
    data = np.where(items < 0, np.nan, items.astype(float)).T
    theirs = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal", value_domain=[0.0, 1.0, 2.0])
    assert found == pytest.approx(theirs, abs=1e-4)


def test_nobody_meets_and_all_agree() -> None:
    alone = np.array([[0, -1], [-1, 1]], np.int8)
    assert agreement.of_patterns(alone, np.ones(2, np.int64), 2) is None
    assert agreement.of_people([], 2) is None
    assert agreement.of_people([{"a": 0}, {"b": 1}], 2) is None
    same = np.array([[0, 0], [1, 1]], np.int8)
    assert agreement.of_patterns(same, np.array([3, 4]), 2) == 1
    assert agreement.of_people([{"a": 0, "b": 0}, {"a": 1, "b": 1}], 2) == 1
    # One label alone: chance and agreement can't be told apart.
    assert agreement.of_people([{"a": 0, "b": 0}], 2) is None


def test_kappa_is_that_of_two_people_or_of_as_many_on_each_item() -> None:
    random = np.random.default_rng(1)
    first = random.integers(0, 3, 60)
    second = np.where(random.random(60) < 0.6, first, random.integers(0, 3, 60))
    units = [{"a": int(a), "b": int(b)} for a, b in zip(first, second, strict=True)]
    named = agreement.kappa(units, 3)
    assert named is not None and named[0] == "Cohen's"
    assert named[1] == pytest.approx(cohen_kappa_score(first, second), abs=1e-4)
    # An example that is often printed: 14 raters, 10 items, 5 categories, kappa 0.210.
    counts = "0 0 0 0 14/0 2 6 4 2/0 0 3 5 6/0 3 9 2 0/2 2 8 1 1/7 7 0 0 0/3 2 6 3 0/2 5 3 2 2/6 5 2 1 0/0 2 2 3 7"
    each = [np.repeat(np.arange(5), [int(number) for number in row.split()]) for row in counts.split("/")]
    units = [{f"p{person}": int(label) for person, label in enumerate(row)} for row in each]
    assert agreement.kappa(units, 5) == ("Fleiss's", pytest.approx(0.210, abs=5e-4))
    assert agreement.kappa([{"a": 0, "b": 0}, {"a": 0, "b": 1, "c": 1}], 2) is None
    assert agreement.kappa([{"a": 0, "b": 0}], 2) is None and agreement.kappa([], 2) is None


def test_agreement_by_label_tells_which_labels_people_confuse() -> None:
    units = [{"a": 0, "b": 0}] * 8 + [{"a": 1, "b": 2}] * 3 + [{"a": 1, "b": 1}]
    rows = {row["label"]: row for row in agreement.by_label(units, TASK)}
    assert (rows["x"]["agreement"], rows["x"]["alpha"], rows["x"]["judgements"]) == (1, 1, 16)
    assert (rows["y"]["agreement"], rows["z"]["agreement"]) == (0.4, 0.0)
    assert rows["z"]["alpha"] < rows["y"]["alpha"] < 0.5
    # Of spans by two people it is the F1 of their marks: a has 3, b has 2, one is the same.
    marks = [{"a": 0, "b": 0}, {"a": 0, "b": 2}, {"a": 0, "b": 2}, {"a": 2, "b": 0}]
    (row,) = agreement.by_label(marks, SPANS)
    assert row == {"label": "x", "judgements": 5, "agreement": 0.4, "alpha": None}
    assert agreement.by_label([], TASK) == []
