"""What people's judgements teach: probabilities of everything else, with people who err at a known rate."""

import json

import numpy as np
import numpy.typing as npt
import pytest

from socorpus.labeling.aggregation import calibration, dawid_skene, held_out
from socorpus.labeling.aggregation.dawid_skene import ABSTAIN, Judged, LabelModel

Ints = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]
SEEDS = range(4)


def one_column(seed: int, items: int = 1000) -> tuple[npt.NDArray[np.int8], Ints]:
    """Three functions that read one column, which is right in half of the cases, and three that are good and rare."""
    random = np.random.default_rng(seed)
    truth = random.choice(3, items, p=[0.35, 0.3, 0.35])
    votes = np.full((items, 6), ABSTAIN, np.int8)
    column = np.where(random.random(items) < 0.3, truth, random.integers(0, 3, items))
    for function, (speaks, noise) in enumerate([(0.8, 0.05), (0.7, 0.08), (0.6, 0.1)]):
        said = np.where(random.random(items) < noise, random.integers(0, 3, items), column)
        votes[:, function] = np.where(random.random(items) < speaks, said, ABSTAIN)
    for function, (speaks, right) in enumerate([(0.25, 0.85), (0.2, 0.8), (0.1, 0.9)], start=3):
        said = np.where(random.random(items) < right, truth, random.integers(0, 3, items))
        votes[:, function] = np.where(random.random(items) < speaks, said, ABSTAIN)
    spoken = (votes != ABSTAIN).any(1)
    return votes[spoken], truth[spoken]


def independent(seed: int, items: int = 1000) -> tuple[npt.NDArray[np.int8], Ints]:
    """Six independent functions, as the model assumes."""
    random = np.random.default_rng(seed)
    truth = random.choice(3, items, p=[0.5, 0.3, 0.2])
    votes = np.full((items, 6), ABSTAIN, np.int8)
    for function, right in enumerate((0.9, 0.8, 0.7, 0.65, 0.6, 0.55)):
        said = np.where(random.random(items) < right, truth, (truth + random.integers(1, 3, items)) % 3)
        votes[:, function] = np.where(random.random(items) < 0.4, said, ABSTAIN)
    spoken = (votes != ABSTAIN).any(1)
    return votes[spoken], truth[spoken]


def people(truth: Ints, error: float, seed: int) -> Ints:
    """Judgements, of which this share is wrong."""
    random = np.random.default_rng(seed + 50)
    slip = random.random(len(truth)) < error
    return np.where(slip, (truth + random.integers(1, 3, len(truth))) % 3, truth)


def fitted(votes: npt.NDArray[np.int8], judged: Judged | None = None) -> LabelModel:
    patterns, counts = dawid_skene.distinct(votes, np.ones(len(votes), np.int64))
    return dawid_skene.fit(patterns, counts, list("abcdef"), list("xyz"), judged=judged)


def taught(
    votes: npt.NDArray[np.int8], truth: Ints, seed: int, judgements: int, error: float
) -> tuple[LabelModel, Ints]:
    """A model taught by judgements of items drawn at random, and the other items."""
    own = np.random.default_rng(seed + 9).choice(len(truth), judgements, replace=False)
    rest = np.setdiff1d(np.arange(len(truth)), own)
    fold = np.arange(judgements) % held_out.FOLDS
    counts = np.ones(judgements, np.int64)
    judged = Judged(votes[own], people(truth[own], error, seed), counts, fold, np.ones(judgements, bool), error)
    return fitted(votes[rest], judged), rest


def loss(model: LabelModel, votes: npt.NDArray[np.int8], truth: Ints) -> float:
    return float(-np.log(model.probabilities(votes)[np.arange(len(truth)), truth]).mean())


def constant(truth: Ints) -> float:
    """Log loss of the true shares of the labels: no constant has less."""
    shares = np.bincount(truth) / len(truth)
    return float(-(shares * np.log(shares)).sum())


@pytest.mark.parametrize("error", [0.0, 0.1])
def test_sixty_judgements_bring_the_log_loss_of_all_other_items_below_that_of_a_constant(error: float) -> None:
    before, after, usual, right, was_right, moved = [], [], [], [], [], []
    for seed in SEEDS:
        votes, truth = one_column(seed)
        model, rest = taught(votes, truth, seed, 60, error)
        alone = fitted(votes)
        votes, truth = votes[rest], truth[rest]
        before.append(loss(alone, votes, truth))
        after.append(loss(model, votes, truth))
        usual.append(constant(truth))
        now, then = model.choose(votes)[0], alone.choose(votes)[0]
        right.append((now == truth).mean())
        was_right.append((then == truth).mean())
        moved.append((now != then).mean())
        assert model.measured is not None and model.measured["log_loss"] < 1.5 * after[-1]
    assert min(before) > 2 * max(usual)
    assert np.mean(after) < np.mean(usual) - 0.05
    assert np.mean(right) > np.mean(was_right) + 0.03 and min(moved) > 0.02


def test_judgements_move_what_is_right_but_little() -> None:
    before, after = [], []
    for seed in SEEDS:
        votes, truth = independent(seed)
        model, rest = taught(votes, truth, seed, 60, 0.05)
        before.append(loss(fitted(votes), votes[rest], truth[rest]))
        after.append(loss(model, votes[rest], truth[rest]))
    assert np.mean(after) < np.mean(before) + 0.02


def test_functions_accuracies_are_learned_from_people() -> None:
    votes, truth = one_column(1)
    model, _ = taught(votes, truth, 1, 200, 0.05)
    alone = fitted(votes)
    for function in range(3):
        spoken = votes[:, function] != ABSTAIN
        true = (votes[spoken, function] == truth[spoken]).mean()
        assert alone.accuracy[function] > true + 0.3
        assert model.accuracy[function] == pytest.approx(true, abs=0.15)


def test_with_few_judgements_probabilities_are_assumed() -> None:
    votes, truth = one_column(2)
    few, _ = taught(votes, truth, 2, dawid_skene.FEWEST_JUDGED - 1, 0.0)
    enough, _ = taught(votes, truth, 2, dawid_skene.FEWEST_JUDGED, 0.0)
    assert (few.basis, few.measured, few.calibration) == ("assumed", None, None)
    assert enough.basis == "judged" and enough.calibration is not None
    again = dawid_skene.from_dict(json.loads(json.dumps(enough.as_dict())))
    assert again.probabilities(votes) == pytest.approx(enough.probabilities(votes), abs=1e-4)
    assert again.as_dict() == enough.as_dict()


@pytest.mark.parametrize("seed", [0, 7])
def test_noisy_judgements_count_for_their_own_items_only(seed: int) -> None:
    # Functions that seldom meet, so that each vote states 0.75; people agree with about half of them.
    votes = np.full((300, 6), ABSTAIN, np.int8)
    votes[:150, 0], votes[150:, 1], votes[290:, 2] = 0, 1, 2
    own, random = np.arange(138, 163), np.random.default_rng(seed)
    verdict = np.where(random.random(25) < 0.45, votes[own].max(1), random.integers(0, 3, 25)).astype(np.int64)
    judged = Judged(votes[own], verdict, np.ones(25, np.int64), own % held_out.FOLDS, np.ones(25, bool), 0.2)
    model = fitted(votes[np.setdiff1d(np.arange(300), own)], judged)
    assert model.probabilities(votes) == pytest.approx(fitted(votes).probabilities(votes), abs=1e-6)
    assert model.measured is not None and model.measured["log_loss"] > model.measured["constant"]
    assert model.basis == "judged" and not model.taught and model.calibration is None
    teaching = model.measured["teaching"]
    assert (teaching["judged"], teaching["used"]) == (25, False) and teaching["with"] < teaching["without"]


def test_what_is_taught_has_to_be_better_by_more_than_a_standard_error() -> None:
    votes, truth = one_column(3)
    model, _ = taught(votes, truth, 3, 60, 0.05)
    assert model.taught and model.measured is not None
    assert model.measured["teaching"]["with"] < model.measured["teaching"]["without"]


def test_figures_by_hand() -> None:
    probabilities = np.array([[0.92, 0.08], [0.96, 0.04], [0.3, 0.7]])
    figures = calibration.measure(probabilities, np.array([0, 1, 1]), np.array([2, 1, 1]), np.array([0, 1, 1]))
    assert (figures["judged"], figures["accuracy"]) == (4, 0.75)
    assert figures["log_loss"] == pytest.approx(-np.log([0.92, 0.92, 0.04, 0.7]).mean(), abs=1e-4)
    # Fold 0 sees no 0 and two 1, fold 1 two 0 and no 1; one more of each.
    assert figures["constant"] == pytest.approx(-np.log([1 / 4, 1 / 4, 1 / 4, 1 / 4]).mean(), abs=1e-4)
    low, high = figures["reliability"]
    assert (low["from"], low["items"], low["stated"], low["right"]) == (0.7, 1, 0.7, 1.0)
    assert (high["items"], high["stated"], high["right"]) == (3, pytest.approx(0.9333, abs=1e-4), 0.6667)
    assert figures["ece"] == pytest.approx((0.3 + 3 * (0.93333 - 0.66667)) / 4, abs=1e-4)


def test_how_often_people_err() -> None:
    assert calibration.error_of(0, 0) == calibration.ERROR
    # A thousand pairs, 180 of which differ: each errs in 9% of the cases.
    assert calibration.error_of(1000, 180) == pytest.approx(0.09, abs=0.003)
