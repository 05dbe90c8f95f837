"""Krippendorff's alpha: a published example, and the package's numbers for items one by one."""

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from socorpus.labeling.aggregation import agreement


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
