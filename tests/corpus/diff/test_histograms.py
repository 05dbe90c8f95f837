"""Bins that hold every value once, and a distance that is what the paper says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from socorpus.corpus.diff import histograms
from socorpus.corpus.diff.histograms import LENGTHS, SCORES, SHARES, Histogram

COUNTS = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=30)


@given(COUNTS)
def test_the_divergence_is_the_square_of_scipys_distance(pairs: list[tuple[int, int]]) -> None:
    old, new = np.array(pairs, np.int64).T
    distance = histograms.divergence(old, new)
    if not old.sum() or not new.sum():
        assert distance is None
        return
    assert distance == pytest.approx(jensenshannon(old, new, base=2) ** 2, abs=1e-9)
    assert distance == pytest.approx(histograms.divergence(new, old), abs=1e-12)
    assert 0 <= distance <= 1


def test_every_value_is_counted_in_the_bin_that_names_it() -> None:
    lengths, scores, shares = Histogram(LENGTHS), Histogram(SCORES), Histogram(SHARES)
    lengths.add(np.array([0, 1, 2, 3, 4, 7, 8, 2**20, 2**25]))
    scores.add(np.array([-(2**31), -11, -10, -6, -5, -1, 0, 1, 2, 3, 4, 5, 5000]))
    shares.add(np.array([0.0, 0.049, 0.05, 0.5, 0.999, 1.0]))
    shown = dict(zip(*_bins(lengths), strict=True))
    assert shown["0"] == shown["1"] == 1 and shown["2 to 3"] == shown["4 to 7"] == 2
    assert shown["1,048,576 or more"] == 2
    shown = dict(zip(*_bins(scores), strict=True))
    assert shown["up to −11"] == 2 and shown["−10 to −6"] == 2 and shown["−1"] == shown["0"] == 1
    assert shown["3 to 4"] == 2 and shown["1,000 or more"] == 1
    shown = dict(zip(*_bins(shares), strict=True))
    assert shown["0.00 to 0.05"] == 2 and shown["0.05 to 0.10"] == 1 and shown["0.95 to 1.00"] == 2
    assert shares.mean == pytest.approx(2.598 / 6)
    assert Histogram(LENGTHS).mean is None


def _bins(histogram: Histogram) -> tuple[tuple[str, ...], tuple[int, ...]]:
    of = histograms.of_numbers("x", histogram, histogram)
    assert sum(of.old) == histogram.number and of.distance == 0
    return of.bins, of.old


def test_many_names_are_counted_together_and_the_distance_is_over_all() -> None:
    old = {f"name {number:03d}": 100 - number for number in range(60)}
    new = {f"other {number:03d}": 100 - number for number in range(60)}
    of = histograms.of_names("names", old, new)
    assert len(of.bins) == len(of.old) == len(of.new) == 24 and of.bins[-1] == "others"
    assert sum(of.old) == sum(old.values()) and sum(of.new) == sum(new.values())
    assert of.distance == pytest.approx(1.0)
    years = histograms.of_names("years", {"2011": 1}, {"2010": 2}, by_name=True)
    assert years.bins == ("2010", "2011") and years.old == (0, 1) and years.new == (2, 0)
    assert histograms.of_names("none", {}, {}).distance is None
