"""Combining votes: synthetic votes of known truth, and inputs where there is little to learn from."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from socorpus.labeling.aggregation import confusions, dawid_skene
from socorpus.labeling.aggregation.dawid_skene import LabelModel
from socorpus.labeling.aggregation.plain_vote import ASSUMED
from socorpus.labeling.analysis.leaks import macro_f1

Ints = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]
SEEDS = range(5)


def fitted(votes: npt.NDArray[np.int8], k: int) -> tuple[LabelModel, npt.NDArray[np.float64]]:
    """A model of these votes, and the probabilities of each row."""
    patterns, counts = dawid_skene.distinct(votes, np.ones(len(votes), np.int64))
    names = [f"f{i}" for i in range(votes.shape[1])]
    model = dawid_skene.fit(patterns, counts, names, [f"l{i}" for i in range(k)])
    return model, model.probabilities(votes)


def observers(seed: int, items: int = 5000) -> tuple[npt.NDArray[np.int8], Ints]:
    """Six functions that vote for any of three labels, of accuracies from 0.55 to 0.9."""
    random = np.random.default_rng(seed)
    truth = random.choice(3, items, p=[0.5, 0.3, 0.2])
    votes = np.full((items, 6), dawid_skene.ABSTAIN, np.int8)
    for function, (right, speaks) in enumerate(
        [(0.9, 0.3), (0.8, 0.5), (0.7, 0.5), (0.65, 0.6), (0.6, 0.4), (0.55, 0.7)]
    ):
        said = np.where(random.random(items) < right, truth, (truth + random.integers(1, 3, items)) % 3)
        votes[:, function] = np.where(random.random(items) < speaks, said, dawid_skene.ABSTAIN)
    spoken = (votes != dawid_skene.ABSTAIN).any(1)
    return votes[spoken], truth[spoken]


def specialists(seed: int, items: int = 5000) -> tuple[npt.NDArray[np.int8], Ints]:
    """Functions most of which only ever vote for one label, as labelling functions do; one speaks of nearly all."""
    random = np.random.default_rng(seed)
    truth = random.choice(3, items, p=[0.7, 0.2, 0.1])
    votes = np.full((items, 6), dawid_skene.ABSTAIN, np.int8)
    votes[:, 0] = np.where(random.random(items) < 0.8, truth, random.integers(0, 3, items))
    votes[random.random(items) < 0.5, 0] = dawid_skene.ABSTAIN
    for function, (label, hit, miss) in enumerate(
        [(0, 0.4, 0.1), (1, 0.5, 0.02), (2, 0.5, 0.02), (2, 0.3, 0.05), (1, 0.3, 0.05)], start=1
    ):
        says = random.random(items) < np.where(truth == label, hit, miss)
        votes[says, function] = label
    spoken = (votes != dawid_skene.ABSTAIN).any(1)
    return votes[spoken], truth[spoken]


def careless(seed: int, items: int = 5000) -> tuple[npt.NDArray[np.int8], Ints]:
    """The specialists, and one more that speaks of many items and is often wrong."""
    random = np.random.default_rng(seed + 100)
    votes, truth = specialists(seed, items)
    said = np.where(random.random(len(truth)) < 0.4, truth, random.integers(0, 3, len(truth)))
    more = np.where(random.random(len(truth)) < 0.6, said, dawid_skene.ABSTAIN).astype(np.int8)
    return np.concatenate([votes, more[:, None]], 1), truth


def plain_vote(votes: npt.NDArray[np.int8], k: int) -> tuple[Ints, Float]:
    """The label of most votes, ties to the label with more votes in all; shares of the votes, with half a vote more."""
    counts = np.stack([(votes == label).sum(1) for label in range(k)], 1)
    shares = (counts.sum(0) + 1) / (counts.sum() + k)
    probabilities = (counts + 0.5 * shares) / (counts.sum(1, keepdims=True) + 0.5)
    return probabilities.argmax(1), probabilities


def seldom(seed: int, items: int = 400, accuracies: tuple[float, float] = (0.55, 0.9)) -> tuple[Any, Ints]:
    """Eight functions for two labels that abstain on 80% of the items."""
    random = np.random.default_rng(seed)
    truth = random.choice(2, items, p=[0.6, 0.4])
    votes = np.full((items, 8), dawid_skene.ABSTAIN, np.int8)
    for function, right in enumerate(random.uniform(*accuracies, 8)):
        said = np.where(random.random(items) < right, truth, 1 - truth)
        votes[:, function] = np.where(random.random(items) < 0.2, said, dawid_skene.ABSTAIN)
    spoken = (votes != dawid_skene.ABSTAIN).any(1)
    return votes[spoken], truth[spoken]


def scores(made: object) -> tuple[Float, Float]:
    """Accuracy, macro F1 and log loss of the model, then of the majority, float64[seeds, 3] each."""
    ours, theirs = [], []
    for seed in SEEDS:
        votes, truth = made(seed)  # type: ignore[operator]
        model, _ = fitted(votes, 3)
        assert model.method == "dawid_skene"
        for (label, probabilities), result in ((model.choose(votes), ours), (plain_vote(votes, 3), theirs)):
            loss = -np.log(probabilities[np.arange(len(truth)), truth]).mean()
            result.append([(label == truth).mean(), macro_f1(truth, label), loss])
    return np.array(ours), np.array(theirs)


def test_it_beats_the_majority() -> None:
    ours, theirs = scores(observers)
    assert (ours[:, 0] > theirs[:, 0] + 0.01).all() and (ours[:, 1] > theirs[:, 1] + 0.01).all()
    assert (ours[:, 2] < 0.85 * theirs[:, 2]).all()


def test_it_sees_who_is_careless() -> None:
    ours, theirs = scores(careless)
    assert ours[:, 0].mean() > theirs[:, 0].mean() + 0.005
    assert ours[:, 1].mean() > theirs[:, 1].mean() + 0.01
    assert (ours[:, 2] < 0.8 * theirs[:, 2]).all()


def test_where_specialists_rarely_meet_it_does_no_worse_than_the_majority() -> None:
    # Ties go to the commonest label there, which is right more often than not: nothing is left to be learned.
    ours, theirs = scores(specialists)
    assert ours[:, 0].mean() > theirs[:, 0].mean() - 0.003
    assert (ours[:, 2] < 0.85 * theirs[:, 2]).all()


@pytest.mark.parametrize("accuracies", [(0.55, 0.9), (0.7, 0.7)])
def test_where_functions_seldom_meet_it_is_no_worse_than_a_plain_vote(accuracies: tuple[float, float]) -> None:
    rows, methods = [], []
    for seed in range(24):
        votes, truth = seldom(seed, accuracies=accuracies)
        model, _ = fitted(votes, 2)
        methods.append(model.method)
        row = []
        for label, probabilities in (model.choose(votes), plain_vote(votes, 2)):
            row += [(label == truth).mean(), -np.log(probabilities[np.arange(len(truth)), truth]).mean()]
        rows.append(row)
    accuracy, loss, plain, plain_loss = np.mean(rows, 0)
    assert accuracy > plain - 0.005
    assert loss < plain_loss - 0.015
    assert methods.count("majority") >= 4


def test_the_vote_or_the_model_is_chosen_by_held_out_likelihood() -> None:
    alike, _ = fitted(seldom(1, accuracies=(0.7, 0.7))[0], 2)
    different, _ = fitted(observers(0)[0], 3)
    assert (alike.method, different.method) == ("majority", "dawid_skene")
    compared = different.held_out
    assert compared["dawid_skene"] is not None and compared["majority"] is not None
    assert compared["dawid_skene"] > compared["majority"]
    # A vote gives every function the same odds.
    odds = alike.rates[:, 0, 0] / alike.rates[:, 1, 0]
    assert odds == pytest.approx(np.full(8, odds[0]))
    assert dawid_skene.from_dict(json.loads(json.dumps(alike.as_dict()))).held_out == alike.held_out


def test_facts_stand_above_other_votes_however_rare() -> None:
    votes, truth = specialists(8)
    event = np.where((truth == 2) & (np.arange(len(truth)) % 40 == 0), 2, dawid_skene.ABSTAIN).astype(np.int8)
    assert 0 < (event == 2).sum() < 30
    votes = np.concatenate([votes, event[:, None]], 1)
    patterns, counts = dawid_skene.distinct(votes, np.ones(len(votes), np.int64))
    model = dawid_skene.fit(patterns, counts, list("abcdefg"), list("xyz"), ["g"])
    label, found = model.choose(votes)
    assert (label[event == 2] == 2).all() and (found[event == 2, 2] >= 0.98).all()
    assert dawid_skene.from_dict(json.loads(json.dumps(model.as_dict()))).facts == ("g",)


DAWID_AND_SKENE = (
    "1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 1111111 2223212 "
    "1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111 "
    "1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 1111111 1212111 "
    "2322222 1211111 2222222"
)
"""Table 1 of the paper: 45 patients, three readings of the first anaesthetist, one each of four others."""
CONSENSUS = "142222132243121111222222112111131224233111212"
"""Its labels by the plain model, whose shares are those of the paper's table 3: 0.40, 0.42, 0.11, 0.07."""


def test_patients_of_dawid_and_skene() -> None:
    votes = np.array([[int(digit) - 1 for digit in patient] for patient in DAWID_AND_SKENE.split()], np.int8)
    model, _ = fitted(votes, 4)
    label, probabilities = model.choose(votes)
    assert model.method == "dawid_skene"
    right = label == np.array([int(digit) - 1 for digit in CONSENSUS])
    plain = plain_vote(votes, 4)[0] == np.array([int(digit) - 1 for digit in CONSENSUS])
    assert right.sum() >= 44 > plain.sum()
    alike = (votes == label[:, None]).sum(1) >= 6
    assert (probabilities.max(1)[alike] > 0.95).all()


def test_confusions_are_shared_where_that_predicts_votes_better() -> None:
    # Observers of few patients, who all take the next grade for the true one.
    losses: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(6):
        random = np.random.default_rng(seed)
        truth = random.choice(4, 100, p=[0.4, 0.4, 0.1, 0.1])
        up = np.minimum(truth + 1, 3)
        votes = np.where(random.random((100, 5)) < 0.65, truth[:, None], up[:, None]).astype(np.int8)
        for shared in losses:
            with pytest.MonkeyPatch.context() as patch:
                if not shared:
                    patch.setattr(confusions, "FEWEST", 7)
                probabilities = fitted(votes, 4)[1]
            losses[shared].append(-np.log(probabilities[np.arange(100), truth].clip(1e-9)).mean())
    assert np.mean(losses[True]) < 0.5 * np.mean(losses[False])


def test_specialists_share_no_confusions() -> None:
    among = np.array([[30.0, 0, 0], [0, 40, 0], [20, 20, 20], [9, 9, 9], [25, 4, 4]])
    assert not confusions.several(among, np.arange(5), 20).any()
    more = np.concatenate([among, among[2:3]])
    assert confusions.several(more, np.arange(6), 20).tolist() == [False, False, True, True, False, True]
    assert not confusions.several(more, np.array([0, 1, 2, 3, 4, 2]), 20).any()


def test_votes_of_which_nothing_is_learned_multiply_as_odds() -> None:
    # Three functions that hardly meet: no label of which nobody speaks may win, and agreement makes surer.
    votes = np.array(
        [[0, -1, -1]] * 83 + [[-1, 1, -1]] * 12 + [[-1, -1, 2]] * 26 + [[0, 1, -1], [0, -1, 2], [0, -1, 0], [-1, 2, 2]],
        np.int8,
    )
    model, found = fitted(votes, 3)
    assert model.method == "majority" and model.free.all()
    assert found[0].tolist() == pytest.approx([0.75, 0.125, 0.125])
    assert found[83].tolist() == pytest.approx([0.125, 0.75, 0.125])
    both, also, same, rare = found[-4:]
    assert both.tolist() == pytest.approx([6 / 13, 6 / 13, 1 / 13]) and also.tolist() == pytest.approx(
        [6 / 13, 1 / 13, 6 / 13]
    )
    assert same[0] == pytest.approx(36 / 38) and rare[2] == pytest.approx(36 / 38)
    # Of labels that are equally likely it is the commoner one.
    assert model.choose(votes)[0][-4:].tolist() == [0, 0, 0, 2]
    again = dawid_skene.from_dict(json.loads(json.dumps(model.as_dict())))
    assert again.probabilities(votes) == pytest.approx(found, abs=1e-8)


def test_what_is_known_of_a_function_is_not_overturned_by_one_that_speaks_more_often() -> None:
    rows = [[0, -1, -1, -1]] * 17 + [[0, -1, -1, 2]] * 35 + [[-1, 1, -1, -1]] * 12 + [[-1, -1, 2, -1]] * 20
    votes = np.array(rows + [[-1, -1, -1, 2]] * 160, np.int8)
    patterns, counts = dawid_skene.distinct(votes, np.ones(len(votes), np.int64))
    known = {"well": 0.85, "rescued": 0.8, "poor": 0.9}
    model = dawid_skene.fit(patterns, counts, [*known, "upside down"], ["HQ", "LQ_EDIT", "LQ_CLOSE"], assumed=known)
    label, found = model.choose(votes)
    assert found[0, 0] == pytest.approx(0.85) and found[-161, 2] == pytest.approx(0.9)
    assert (label[:52] == 0).all() and model.accuracy[3] < 0.5 < model.accuracy[0]


def test_a_label_without_any_votes_stays_unlikely() -> None:
    votes = np.array([[0, -1]] * 120 + [[-1, 1]] * 53 + [[0, 1]], np.int8)
    found = fitted(votes, 3)[1]
    assert (found[:, 2] < 0.13).all() and found[-1, 2] < 0.08


@pytest.mark.parametrize("seed", range(8))
def test_however_seldom_functions_meet_an_unlearned_vote_more_makes_its_label_likelier(seed: int) -> None:
    random = np.random.default_rng(seed)
    k, m = int(random.integers(2, 8)), int(random.integers(2, 6))
    votes = np.full((600, m), dawid_skene.ABSTAIN, np.int8)
    votes[np.arange(600), random.integers(0, m, 600)] = random.choice(k, 600, p=random.dirichlet(np.ones(k)))
    for row in range(12):
        votes[row, random.permutation(m)[:2]] = random.integers(0, k, 2)
    model, found = fitted(votes, k)
    assert model.free.all()
    assert (votes == found.argmax(1)[:, None]).any(1).all()
    for row in range(12):
        for function in np.flatnonzero(votes[row] != dawid_skene.ABSTAIN):
            fewer = votes[row].copy()
            fewer[function] = dawid_skene.ABSTAIN
            label = votes[row, function]
            assert found[row, label] > model.probabilities(fewer[None])[0, label]


def test_where_functions_never_meet_each_is_believed() -> None:
    random = np.random.default_rng(1)
    votes = np.full((6000, 5), dawid_skene.ABSTAIN, np.int8)
    who = random.choice(5, 6000, p=[0.4, 0.3, 0.1, 0.1, 0.1])
    votes[np.arange(6000), who] = np.array([0, 1, 1, 2, 3])[who]
    model, found = fitted(votes, 4)
    label, _ = model.choose(votes)
    assert (label == np.array([0, 1, 1, 2, 3])[who]).all()
    # Nothing is learned of who never meets another: each is taken to be right three times in four.
    assert found.max(1) == pytest.approx(np.full(6000, 0.75), abs=0.01)
    assert np.isnan(model.accuracy).all()


def test_a_label_that_nobody_votes_for_is_never_chosen() -> None:
    for made in (observers, specialists, careless):
        votes, _ = made(7)
        label, _ = fitted(votes, 3)[0].choose(votes)
        assert (votes == label[:, None]).any(1).all()


def test_learned_accuracies_are_those_of_the_functions() -> None:
    votes, truth = specialists(1, 20_000)
    model, _ = fitted(votes, 3)
    for function in range(6):
        spoken = votes[:, function] != dawid_skene.ABSTAIN
        assert model.votes[function] == spoken.sum()
        true = (votes[spoken, function] == truth[spoken]).mean()
        assert model.accuracy[function] == pytest.approx(true, abs=0.08)
    assert model.prior == pytest.approx(np.bincount(truth) / len(truth), abs=0.08)


@pytest.mark.parametrize("made", [observers, specialists])
def test_probabilities_are_calibrated(made: object) -> None:
    votes, truth = made(3, 20_000)  # type: ignore[operator]
    _, found = fitted(votes, 3)
    best, right = found.max(1), found.argmax(1) == truth
    bins = np.clip((best * 10).astype(int), 0, 9)
    gaps = [abs(best[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins.tolist())]
    assert sum(gaps) < 0.05  # expected calibration error


def test_a_function_that_votes_for_one_label_alone_is_heard() -> None:
    # Half of the items have one vote, of a specialist: were abstaining no outcome, the commonest label would win.
    votes, truth = specialists(2)
    _, found = fitted(votes, 3)
    alone = ((votes != dawid_skene.ABSTAIN).sum(1) == 1) & (votes[:, 3] == 2)
    assert alone.sum() > 20
    assert (found[alone].argmax(1) == 2).mean() == 1
    assert (truth[alone] == 2).mean() > 0.5


def test_copies_of_a_function_have_one_voice() -> None:
    votes, truth = specialists(4)
    _, alone = fitted(votes, 3)
    model, found = fitted(np.concatenate([votes, votes[:, :1], votes[:, :1]], 1), 3)
    assert model.voices.tolist() == pytest.approx([1 / 3, 1, 1, 1, 1, 1, 1 / 3, 1 / 3])
    assert (found.argmax(1) == alone.argmax(1)).mean() > 0.99
    assert (found.argmax(1) == truth).mean() > 0.8


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_a_coin_and_a_copy_that_says_less_do_not_outvote_who_is_right(share: float) -> None:
    draw = np.random.default_rng(5)
    truth = draw.choice(3, 1000, p=[0.4, 0.4, 0.2])

    def on(part: float, says: Ints) -> Ints:
        return np.where(draw.random(1000) < part, says, -1)

    good = [on(0.6, np.where(draw.random(1000) < 0.8, truth, draw.integers(0, 3, 1000))) for _ in range(2)]
    coin = draw.integers(0, 3, 1000)
    model, _ = fitted(np.stack([*good, coin, on(share, coin)], 1).astype(np.int8), 3)
    alone, _ = fitted(np.stack([*good, coin], 1).astype(np.int8), 3)
    of_three = np.stack([*good, coin], 1).astype(np.int8)
    of_four = np.stack([*good, coin, on(1.0, coin)], 1).astype(np.int8)
    heard = (of_three[:, :2] >= 0).any(1)
    right = (model.choose(of_four)[0] == truth)[heard].mean()
    assert right > (alone.choose(of_three)[0] == truth)[heard].mean() - 0.05 and right > 0.75


def test_functions_that_are_right_independently_are_no_copies() -> None:
    draw = np.random.default_rng(6)
    truth = draw.integers(0, 2, 600)
    votes = [np.where(draw.random(600) < 0.9, truth, 1 - truth) for _ in range(3)]
    # Two that each vote for one label only agree wherever both vote.
    alone = [np.where((truth == 0) & (draw.random(600) < 0.5), 0, -1) for _ in range(2)]
    patterns = np.stack([*votes, *alone], 1).astype(np.int8)
    assert len(set(dawid_skene.copies(patterns, np.ones(600, np.int64)).tolist())) == 5


def test_counts_stand_for_repeated_items() -> None:
    votes, _ = observers(5, 2000)
    patterns, counts = dawid_skene.distinct(votes, np.ones(len(votes), np.int64))
    assert len(patterns) < len(votes) and counts.sum() == len(votes)
    names, labels = [f"f{i}" for i in range(6)], ["a", "b", "c"]
    once = dawid_skene.fit(patterns, counts, names, labels)
    every = dawid_skene.fit(votes, np.ones(len(votes), np.int64), names, labels)
    assert once.rates == pytest.approx(every.rates, abs=1e-6)
    again, counted = dawid_skene.distinct(patterns[::-1], counts[::-1])
    assert (again == patterns).all() and (counted == counts).all()


def test_a_model_is_the_same_after_it_was_saved() -> None:
    votes, _ = specialists(6, 500)
    model, found = fitted(votes, 3)
    again = dawid_skene.from_dict(json.loads(json.dumps(model.as_dict())))
    assert again.probabilities(votes) == pytest.approx(found, abs=1e-6)
    assert again.as_dict() == model.as_dict()


def test_with_fewer_than_three_functions_the_majority_decides() -> None:
    votes = np.array([[0, 0, -1], [0, 1, -1], [1, 1, -1], [-1, 1, -1]] * 30, np.int8)
    model, found = fitted(votes, 2)
    assert model.method == "majority"
    assert found[0, 0] > 0.7 and found[2, 1] > 0.7
    # A tie goes to the label that has more votes in all: 1.
    assert model.choose(votes)[0][1] == 1
    assert np.isnan(model.accuracy[2]) and model.votes[2] == 0


@pytest.mark.parametrize("rows", [1, 200])
def test_one_function(rows: int) -> None:
    model, found = fitted(np.array([[1]] * rows, np.int8), 3)
    assert model.method == "majority"
    assert found.argmax(1).tolist() == [1] * rows
    assert found.sum(1) == pytest.approx(np.ones(rows))


def test_nobody_votes() -> None:
    model, found = fitted(np.full((7, 4), dawid_skene.ABSTAIN, np.int8), 2)
    assert model.method == "majority"
    assert model.prior == pytest.approx([0.5, 0.5])
    # Nothing is known of an item that nobody voted on but what is usual.
    assert found == pytest.approx(np.full((7, 2), 0.5))
    empty, none = fitted(np.zeros((0, 4), np.int8), 2)
    assert none.shape == (0, 2) and empty.votes.tolist() == [0, 0, 0, 0]


def test_everybody_says_the_same() -> None:
    model, found = fitted(np.array([[2, 2, 2, -1], [2, -1, 2, 2], [-1, 2, -1, 2]] * 50, np.int8), 3)
    assert model.method == "dawid_skene"
    assert (found.argmax(1) == 2).all() and (found[:, 2] > 0.9).all()
    assert np.isfinite(found).all()


def test_a_task_of_one_label() -> None:
    _, found = fitted(np.zeros((40, 4), np.int8), 1)
    assert found == pytest.approx(np.ones((40, 1)))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        dawid_skene.fit(np.zeros((3, 2), np.int8), np.ones(2, np.int64), ["a", "b"], ["x", "y"])


def test_a_stated_fact_is_believed_however_rare_it_is_and_teaches_others() -> None:
    random = np.random.default_rng(11)
    truth = np.where(random.random(4000) < 0.005, 2, random.integers(0, 2, 4000))
    votes = np.full((4000, 4), dawid_skene.ABSTAIN, np.int8)
    votes[:, 0] = np.where((random.random(4000) < 0.3) | (truth == 2), truth, dawid_skene.ABSTAIN)
    votes[:, 1] = np.where(random.random(4000) < 0.9, truth % 2, 1 - truth % 2)
    votes[:, 2] = np.where(random.random(4000) < 0.2, truth % 2, 1 - truth % 2)  # mostly wrong
    votes[:, 3] = np.where(random.random(4000) < 0.7, truth % 2, 1 - truth % 2)
    patterns, counts = dawid_skene.distinct(votes, np.ones(4000, np.int64))
    names, labels = ["event", "b", "c", "d"], ["x", "y", "rare"]
    judged = dawid_skene.fit(patterns, counts, names, labels)
    known = dawid_skene.fit(patterns, counts, names, labels, ["event"])
    stated = votes[:, 0] != dawid_skene.ABSTAIN
    label, probabilities = known.choose(votes)
    assert (label == truth)[stated].all() and probabilities[stated, truth[stated]].min() >= dawid_skene.FACT
    assert judged.probabilities(votes)[stated, truth[stated]].min() < 0.6
    assert (label == truth)[~stated].mean() > 0.85 and known.accuracy[2] < 0.3
    assert probabilities.sum(1) == pytest.approx(np.ones(4000))
    again = dawid_skene.from_dict(json.loads(json.dumps(known.as_dict())))
    assert again.facts == ("event",) and again.probabilities(votes) == pytest.approx(probabilities, abs=1e-6)


def test_facts_that_differ_share_what_is_known() -> None:
    votes = np.array([[0, 1, 1], [0, -1, 1], [-1, -1, 1]] * 5, np.int8)
    patterns, counts = dawid_skene.distinct(votes, np.ones(15, np.int64))
    model = dawid_skene.fit(patterns, counts, ["a", "b", "c"], ["x", "y"], ["a", "b"])
    assert model.method == "majority"
    found = model.probabilities(votes[:3])
    assert found[0].min() > dawid_skene.FACT / 2 and found[1, 0] >= dawid_skene.FACT and found[2, 1] > 0.5


def test_what_people_judged_elsewhere_is_assumed_here() -> None:
    # Functions that never meet, one of them for a rare label.
    votes = np.array([[0, -1, -1]] * 300 + [[-1, 1, -1]] * 30 + [[-1, -1, 2]] * 3, np.int8)
    patterns, counts = dawid_skene.distinct(votes, np.ones(len(votes), np.int64))
    model = dawid_skene.fit(patterns, counts, list("abc"), list("xyz"), assumed={"a": 0.9, "c": 0.6, "gone": 0.1})
    assert model.probabilities(votes).max(1)[[0, 300, 330]] == pytest.approx([0.9, ASSUMED, 0.6], abs=1e-6)
    assert model.assumed == {"a": 0.9, "c": 0.6}
    again = dawid_skene.from_dict(json.loads(json.dumps(model.as_dict())))
    assert again.assumed == model.assumed
    # Of other functions it is learned where they meet; what is known stays.
    random = np.random.default_rng(1)
    truth = random.integers(2, size=600)
    votes = np.where(random.random((600, 3)) < 0.8, truth[:, None], 1 - truth[:, None]).astype(np.int8)
    patterns, counts = dawid_skene.distinct(votes, np.ones(len(votes), np.int64))
    model = dawid_skene.fit(patterns, counts, list("abc"), list("xy"), assumed={"a": 0.9})
    odds = model.rates[:, 0, 0] / model.rates[:, 1, 0]
    assert odds[0] == pytest.approx(9) and (odds[1:] > 2).all() and (odds[1:] < 8).all()
    assert model.free.tolist() == [True, False, False]
