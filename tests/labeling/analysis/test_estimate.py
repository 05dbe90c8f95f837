"""Shares from stratified samples: intervals cover the truth, in a thousand simulated samples."""

import numpy as np
import pytest

from socorpus.labeling.analysis import estimate
from socorpus.labeling.analysis.estimate import Sample

ROUNDS = 1000


@pytest.mark.parametrize(
    ("right", "drawn"),
    [
        ((0.9, 0.6, 0.3), (40, 40, 40)),
        ((0.97, 0.9, 0.5), (20, 30, 60)),
        ((0.75, 0.75, 0.75), (15, 15, 15)),
        ((0.995, 0.98, 0.99), (60, 60, 60)),
    ],
)
def test_intervals_cover_the_truth(right: tuple[float, ...], drawn: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    sizes = np.array([6000, 2500, 500])
    population = [random.random(size) < share for size, share in zip(sizes, right, strict=True)]
    # A slice has a third of each stratum, and labels that are right in fewer cases.
    slices = [random.random(size) < 1 / 3 for size in sizes]
    population = [
        np.where(own & (random.random(len(own)) < 0.1), False, row) for row, own in zip(population, slices, strict=True)
    ]
    whole = np.concatenate(population)
    truths = {
        "all": whole.mean(),
        "slice": whole[np.concatenate(slices)].mean(),
        "stratum": population[0].mean(),
    }
    covered = dict.fromkeys(truths, 0)
    stratum = np.repeat(np.arange(3), drawn)
    for _ in range(ROUNDS):
        rows = [random.choice(size, count, replace=False) for size, count in zip(sizes, drawn, strict=True)]
        sample = Sample(stratum, np.concatenate([p[r] for p, r in zip(population, rows, strict=True)]), sizes)
        own = np.concatenate([s[r] for s, r in zip(slices, rows, strict=True)])
        masks = {"all": np.ones(len(stratum), bool), "slice": own, "stratum": stratum == 0}
        for name, mask in masks.items():
            share = sample.share(mask, 1000)
            covered[name] += share.low <= truths[name] <= share.high
    assert min(covered.values()) >= 0.93 * ROUNDS, covered


def test_weights_stand_for_the_population() -> None:
    sample = Sample(np.array([0, 0, 1, 1]), np.array([True, True, True, False]), np.array([900, 100]))
    assert sample.weights().tolist() == [450, 450, 50, 50]
    share = sample.share(np.ones(4, bool), 1000)
    assert share.share == pytest.approx(0.95) and (share.judged, share.right) == (4, 3)
    assert 0.1 < share.low < 0.95 < share.high <= 1
    assert sample.share(np.zeros(4, bool), 7).share is None
    assert Sample(np.array([0]), np.array([True]), np.array([900, 100])).unseen() == pytest.approx(0.1)


def test_how_many_more_are_needed() -> None:
    random = np.random.default_rng(2)
    counts = []
    for judged in (50, 200):
        sample = Sample(np.zeros(judged, np.int64), random.random(judged) < 0.8, np.array([100_000]))
        share = sample.share(np.ones(judged, bool), 100_000)
        counts.append(judged + share.more)
        assert 180 <= counts[-1] <= 330
    enough = Sample(np.zeros(300, np.int64), np.arange(300) % 5 > 0, np.array([100_000]))
    share = enough.share(np.ones(300, bool), 100_000)
    assert share.more == 0 and (share.high - share.low) / 2 < 0.051
    # As many as there are, at most.
    few = Sample(np.zeros(10, np.int64), np.arange(10) < 5, np.array([12]))
    assert few.share(np.ones(10, bool), 12).more == 2


def test_the_interval_is_the_exact_one() -> None:
    # Clopper and Pearson, 8 of 10.
    assert estimate.interval(0.8, 10) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert estimate.interval(1.0, 20) == pytest.approx((0.8316, 1.0), abs=1e-4)
    assert estimate.interval(0.0, 20) == pytest.approx((0.0, 0.1684), abs=1e-4)
