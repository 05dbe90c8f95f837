"""Functions whose votes tell nothing, and the label model beside them."""

import json
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from socorpus.labeling import schema
from socorpus.labeling.aggregation import counting, dawid_skene, uninformative
from socorpus.labeling.aggregation.dawid_skene import ABSTAIN, LabelModel

Ints = npt.NDArray[np.int64]
NAMES = ["well", "rescued", "poor", "more"]
LABELS = ["HQ", "LQ_EDIT", "LQ_CLOSE"]


def fitted(votes: npt.NDArray[np.int8]) -> LabelModel:
    patterns, counts = dawid_skene.distinct(votes, np.ones(len(votes), np.int64))
    return dawid_skene.fit(patterns, counts, NAMES[: votes.shape[1]], LABELS)


def specialists(seed: int, items: int = 400) -> npt.NDArray[np.int8]:
    """Three functions for a label each, on fewer than half of the items."""
    random = np.random.default_rng(seed)
    truth = random.choice(3, items, p=[0.6, 0.15, 0.25])
    votes = np.full((items, 3), ABSTAIN, np.int8)
    for label in range(3):
        says = random.random(items) < np.where(truth == label, 0.4, 0.03)
        votes[says, label] = label
    return votes


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [1.0, 0.9])
def test_who_votes_for_one_label_on_everything_is_not_counted(seed: int, share: float) -> None:
    votes = specialists(seed)
    more = np.where(np.random.default_rng(seed + 50).random(len(votes)) < share, 0, ABSTAIN).astype(np.int8)
    model, alone = fitted(np.concatenate([votes, more[:, None]], 1)), fitted(votes)
    assert model.muted == (("more", "HQ"),) and alone.muted == ()
    both = np.concatenate([votes, more[:, None]], 1)
    assert model.probabilities(both) == pytest.approx(alone.probabilities(votes), abs=1e-6)
    assert model.votes[3] == (more == 0).sum() and np.isnan(model.accuracy[3])
    again = dawid_skene.from_dict(json.loads(json.dumps(model.as_dict())))
    assert again.muted == model.muted and (again.counted(both)[:, 3] == ABSTAIN).all()


def test_only_the_votes_that_tell_nothing_are_left_out() -> None:
    random = np.random.default_rng(7)
    votes = specialists(3, 3000)
    more = np.where((votes == 2).any(1) & (random.random(3000) < 0.1), 2, 0).astype(np.int8)
    both = np.concatenate([votes, more[:, None]], 1)
    model = fitted(both)
    assert model.muted == (("more", "HQ"),)
    assert set(model.counted(both)[:, 3].tolist()) == {ABSTAIN, 2}


def test_two_that_vote_on_everything_for_different_labels_are_both_seen() -> None:
    votes = specialists(1)
    votes = np.concatenate([votes, np.full((len(votes), 1), 0, np.int8), np.full((len(votes), 1), 2, np.int8)], 1)
    patterns, counts = dawid_skene.distinct(votes, np.ones(len(votes), np.int64))
    model = dawid_skene.fit(patterns, counts, [*NAMES, "last"], LABELS)
    assert model.muted == (("more", "HQ"), ("last", "LQ_CLOSE"))


@pytest.mark.parametrize("seed", range(6))
def test_who_is_right_more_often_than_not_is_counted(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.choice(3, 3000, p=[0.8, 0.1, 0.1])
    votes = np.full((3000, 4), ABSTAIN, np.int8)
    for function, right in enumerate((0.8, 0.7, 0.6, 0.55)):
        said = np.where(random.random(3000) < right, truth, random.integers(0, 3, 3000))
        votes[:, function] = np.where(random.random(3000) < 0.5, said, ABSTAIN)
    assert fitted(votes[(votes != ABSTAIN).any(1)]).muted == ()


def test_who_stands_between_others_that_contradict_each_other_is_counted() -> None:
    random = np.random.default_rng(5)
    truth = random.integers(0, 2, 3000)
    votes = np.stack([np.where(random.random(3000) < right, truth, 1 - truth) for right in (0.85, 0.15, 0.7)], 1)
    assert fitted(votes.astype(np.int8)).muted == ()


def test_many_functions_take_no_more_than_their_number() -> None:
    def seconds(functions: int) -> float:
        random = np.random.default_rng(1)
        truth = random.integers(0, 3, 2500)
        said = np.where(
            random.random((2500, functions)) < 0.7, truth[:, None], random.integers(0, 3, (2500, functions))
        )
        said[:, :6] = random.integers(0, 3, (2500, 6))
        votes = np.where(random.random((2500, functions)) < 0.8, said, ABSTAIN).astype(np.int8)
        patterns, counts = dawid_skene.distinct(votes, np.ones(len(votes), np.int64))
        weight, group = counts.astype(np.float64), np.arange(functions)
        started = time.process_time()
        muted = uninformative.find(patterns, weight, group, [], 3)
        assert {function for function, _ in muted} <= set(range(6)) and len(muted) > 9
        return time.process_time() - started

    seconds(10)
    few, many = (min(seconds(functions) for _ in range(2)) for functions in (20, 160))
    assert many < 14 * few, f"{many / few:.1f} times as long for eight times as many functions"


def test_few_meetings_show_nothing() -> None:
    votes = np.array([[0, -1, -1, 0]] * 4 + [[-1, -1, 2, 0]] * 4 + [[-1, -1, -1, 0]] * 500, np.int8)
    assert fitted(votes).muted == ()


def test_functions_that_toss_coins_decide_nothing() -> None:
    silent = 0
    for seed in range(8):
        votes = np.random.default_rng(seed).integers(0, 2, (1500, 3)).astype(np.int8)
        model = fitted(votes)
        silent += (model.counted(votes) == ABSTAIN).all()
    # Now and then two of them go together by chance, more than intervals of 95% allow.
    assert silent >= 5


def test_stated_facts_and_copies_are_left_alone() -> None:
    votes = specialists(2)
    votes = np.concatenate([votes, np.full((len(votes), 1), 0, np.int8)], 1)
    patterns, counts = dawid_skene.distinct(votes, np.ones(len(votes), np.int64))
    assert dawid_skene.fit(patterns, counts, NAMES, LABELS, ["more"]).muted == ()
    group = dawid_skene.copies(patterns, counts)
    lifts = uninformative.of_function(patterns, counts.astype(float), group, [], 3, 3)
    assert set(lifts) == {0} and lifts[0].none
    # A copy says nothing of what it copies.
    twice = np.concatenate([patterns, patterns[:, 3:]], 1)
    group = dawid_skene.copies(twice, counts)
    assert uninformative.of_function(twice, counts.astype(float), group, [], 3, 3) == lifts


def test_who_names_all_that_a_weigher_names_otherwise_is_not_counted() -> None:
    weigher = schema.Weigher("learned", ("shapes",), 0.5)
    task = replace(schema.TASKS["entities"], weigher=lambda: weigher)
    language, application, algorithm = (task.index(name) for name in ("Language", "Application", "Algorithm"))
    voters = ["shapes", "learned", "ours", "every word"]
    rows = [[language, language, ABSTAIN, algorithm]] * 60 + [[application, application, ABSTAIN, algorithm]] * 40
    rows += [[ABSTAIN, ABSTAIN, algorithm, algorithm]] * 30 + [[ABSTAIN, ABSTAIN, ABSTAIN, algorithm]] * 500
    rows += [[language, language, language, algorithm]] * 25
    distinct, counts = np.unique(np.array(rows), axis=0, return_counts=True)
    part = {
        "patterns": [[[*row, -1, 0, 0], int(count)] for row, count in zip(distinct.tolist(), counts, strict=True)],
        "units": [],
        "disputes": [0, 0],
        "seconds": [],
        "likely": [100.0, 112.5, 0.0, 0.0],
        "posts": 655,
    }
    model = counting.Counted([part], len(voters)).fit(voters, task, ["ours"])
    assert model.muted == (("every word", "Algorithm"),) and model.method == "weigher"
    assert model.facts == ("ours",)
    assert model.accuracy[1] == pytest.approx(112.5 / 125)
