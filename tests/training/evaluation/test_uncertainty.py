"""Intervals and differences: by hand where that is possible, on simulated tables with a known truth, and symmetric."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from benchmarks import intervals
from socorpus.labeling.schema import Task
from socorpus.training.evaluation import uncertainty
from socorpus.training.examples import metrics
from socorpus.training.examples.example import Example, Prediction
from socorpus.training.examples.metrics import Sums

TWO = Task("quality", dict.fromkeys(("HQ", "LQ"), ""))


def right(*runs: list[int], threads: list[int] | None = None) -> list[Sums]:
    """The sums of runs that are right (1) or wrong (0) on each example."""
    names = threads or list(range(len(runs[0])))
    examples = [Example(key=f"{at}", thread=f"{name:04}", text="", label=0) for at, name in enumerate(names)]
    return [
        metrics.sums(TWO, examples, [Prediction((0.8, 0.2) if good else (0.2, 0.8)) for good in run]) for run in runs
    ]


def test_one_run_has_the_interval_of_a_mean() -> None:
    each = [1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 0]
    score = uncertainty.summary("accuracy", right(each))
    half = stats.t.ppf(0.975, 11) * np.std(each, ddof=1) / math.sqrt(12)
    assert (score.mean, score.spread) == (pytest.approx(8 / 12), 0.0)
    assert (score.low, score.high) == pytest.approx((8 / 12 - half, 8 / 12 + half))


def test_two_runs_have_the_difference_of_a_paired_t_test() -> None:
    one, other = [1, 1, 0, 1, 1, 1, 1, 1, 0, 1], [0, 1, 0, 1, 0, 1, 1, 0, 1, 1]
    made = uncertainty.differences("accuracy", {"one": right(one), "other": right(other)})["one", "other"]
    known = stats.ttest_rel(one, other)
    assert made.p == made.holm == pytest.approx(known.pvalue)
    assert (made.low, made.high) == pytest.approx(tuple(known.confidence_interval()))


def test_examples_of_one_thread_count_once() -> None:
    each = [1, 0, 1, 1, 0, 1, 1, 1]
    alone = uncertainty.summary("accuracy", right(each))
    twice = uncertainty.summary(
        "accuracy",
        right([good for good in each for _ in "ab"], threads=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]),
    )
    assert twice == alone


def test_where_threads_tell_nothing_seeds_have_their_own_t() -> None:
    # In every thread the same share is right, so that only seeds differ.
    shares = (14, 16, 15, 18)
    runs = [[int(at < share) for _ in range(8) for at in range(20)] for share in shares]
    threads = [thread for thread in range(8) for _ in range(20)]
    score = uncertainty.summary("accuracy", right(*runs, threads=threads))
    half = stats.t.ppf(0.975, 3) * np.std(shares, ddof=1) / 20 / 2
    assert score.spread == pytest.approx(np.std(shares, ddof=1) / 20)
    assert (score.low, score.high) == pytest.approx((score.mean - half, score.mean + half), rel=1e-5)


def test_what_is_the_same_does_not_differ_and_what_always_differs_does() -> None:
    same, none = right([1, 0] * 10), right([0, 0] * 10)
    table = uncertainty.differences("accuracy", {"same": same, "again": right([1, 0] * 10), "none": none})
    assert table["same", "again"] == uncertainty.Difference(0.0, 0.0, 0.0, 1.0, 1.0)
    assert table["same", "none"].differs and table["none", "again"].mean == -0.5
    # Nothing is surer than all threads pointing the same way by chance.
    few = uncertainty.differences("accuracy", {"all": right([1] * 4), "none": right([0] * 4)})["all", "none"]
    assert (few.mean, few.p) == (1.0, 0.125)
    one = uncertainty.differences("accuracy", {"all": right([1]), "none": right([0])})["all", "none"]
    assert one.p == 0.5
    with pytest.raises(ValueError, match="different examples"):
        uncertainty.differences("accuracy", {"one": same, "other": right([1])})


@pytest.mark.parametrize("kind", intervals.KINDS)
def test_neither_order_nor_company_changes_a_difference(kind: str) -> None:
    table = intervals.simulated(kind, 60, (1, 3, 2, 5), np.random.default_rng(3))
    main = metrics.main(table.task)
    made = uncertainty.differences(main, table.systems)
    backwards = {name: table.systems[name] for name in reversed(table.systems)}
    assert uncertainty.differences(main, backwards) == made
    for first, second in combinations(table.systems, 2):
        there, back = made[first, second], made[second, first]
        assert (there.mean, there.low, there.high) == (-back.mean, -back.high, -back.low) and there.p == back.p
        alone = uncertainty.differences(main, {name: table.systems[name] for name in (second, first)})[first, second]
        assert (alone.mean, alone.low, alone.high, alone.p) == (there.mean, there.low, there.high, there.p)
        assert there.holm >= there.p


def test_correction_and_letters_by_hand() -> None:
    assert uncertainty.corrected([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert uncertainty.corrected([]) == []
    # b lies between a and c, which differ; d is worse than all.
    apart = [("a", "c"), ("d", "a"), ("b", "d"), ("c", "d")]
    assert uncertainty.letters(["a", "b", "c", "d"], apart) == {"a": "a", "b": "ab", "c": "b", "d": "c"}
    assert uncertainty.letters(["a", "b"], []) == {"a": "a", "b": "a"} and uncertainty.letters([], []) == {}
    draw = np.random.default_rng(7)
    names = [f"s{number}" for number in range(9)]
    for _ in range(30):
        differ = {pair for pair in combinations(names, 2) if draw.random() < 0.4}
        given = uncertainty.letters(names, differ)
        assert given[names[0]].startswith("a")
        for pair in combinations(names, 2):
            assert bool(set(given[pair[0]]) & set(given[pair[1]])) == (pair not in differ)


@pytest.mark.parametrize("kind", intervals.KINDS)
def test_intervals_hold_the_truth_as_often_as_they_say(kind: str) -> None:
    """The short form of benchmarks/intervals.py, which has the figures."""
    judged = intervals.judged(kind, 200, (0, 3, 3, 5), tables=60, methods=("ours",))["ours"]
    assert 0.92 <= judged.differences <= 0.99 and 0.91 <= judged.scores <= 0.99
    assert judged.false_positives <= 0.1
    # Of threads alone, as if these seeds were all there are, they would hold it far less often: the test can tell.
    threads = intervals.judged(kind, 500, (3, 3), 60, ("threads",), intervals.SEEDS["large"])["threads"]
    assert threads.differences < 0.9
