"""Self-training: sharpened labels of which the teacher is sure, rounds that end on the validation split."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from socorpus.corpus.errors import InputError
from socorpus.training.examples import predictions
from socorpus.training.finetuning import learner, pretrained, self_training, tuning
from socorpus.training.finetuning.learner import SelfTraining
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.progress import FinetuningStep
from socorpus.training.finetuning.self_training import pseudo_labels
from socorpus.training.finetuning.settings import FinetuneSettings
from tests.training import tiny_models
from tests.training.tiny_models import Quiet

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = FinetuneSettings(epochs=3, batch=8, seeds=(0,), rate=5e-3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    return pretrained.find(str(tiny_models.model(tmp_path_factory.mktemp("model") / "Bert")))


def test_soft_labels_are_those_by_hand() -> None:
    said = [np.array(row, np.float32) for row in ([0.9, 0.1], [0.6, 0.4], [0.2, 0.8])]
    labels = pseudo_labels(said, 0.75)
    assert labels.numbers == [0, 2]
    # Sums over all texts, those of which the teacher is unsure too: 1.7 and 1.3.
    first = np.array([0.81 / 1.7, 0.01 / 1.3])
    assert labels.values[0] == pytest.approx(first / first.sum(), rel=1e-5)
    last = np.array([0.04 / 1.7, 0.64 / 1.3])
    assert labels.values[1] == pytest.approx(last / last.sum(), rel=1e-5)


def test_of_words_the_sure_ones_count() -> None:
    said = [
        np.array([[0.95, 0.05], [0.5, 0.5]], np.float32),
        np.array([[0.5, 0.5]], np.float32),
        np.zeros((0, 2), np.float32),
    ]
    labels = pseudo_labels(said, 0.9)
    assert labels.numbers == [0] and labels.weights[0].tolist() == [1.0, 0.0]
    assert labels.values[0].shape == (2, 2) and labels.values[0].sum(1) == pytest.approx([1, 1])
    assert pseudo_labels([], 0.9).numbers == []


@pytest.mark.parametrize("spans", [False, True])
def test_texts_without_labels_help_where_labels_are_few(tmp_path: Path, model: Pretrained, spans: bool) -> None:
    make = tiny_models.spans if spans else tiny_models.texts
    data = make((64, 24, 32))
    texts = tuple(
        replace(example, key=f"u{number}", label=-1, probabilities=(), spans=())
        for number, example in enumerate(make((64, 0, 0), seed=5).splits["train"])
    )
    work = tuning.Work.of(model, data, replace(SETTINGS, epochs=8, patience=8), tmp_path / "out")
    how = SelfTraining(texts, rounds=2, passes=2, confidence=0.6)
    work = replace(work, self_training=how)
    tuning.enter(work)
    show = Quiet()
    facts = tuning.finish(work, show, tuning.side_by_side.Share(1, 1))
    (run,) = facts["seeds"]
    scores = [of["validation_score"] for of in run["rounds"]]
    assert run["validation_score"] == max(scores) and run["best_round"] == scores.index(max(scores))
    # Each round but the last is better than the one before.
    assert 2 <= len(scores) <= 3 and sorted(set(scores[:-1])) == scores[:-1]
    assert run["rounds"][0] == {"validation_score": scores[0], "texts": 0, "words": 0}
    assert 0 < run["rounds"][1]["texts"] <= 64 and (run["rounds"][1]["words"] > 0) is spans
    assert any("round 1" in line.name for line in show.steps)
    place = tmp_path / "out/seeds/0"
    assert not (place / "rounds").exists() and (place / "best/config.json").is_file()
    assert len(predictions.read(place / "test.parquet", data.splits["test"])) == 32
    assert (tmp_path / "out/model.safetensors").is_file()
    # The same texts without the rounds are another work; the same work does nothing.
    again = Quiet()
    assert tuning.finish(work, again, tuning.side_by_side.Share(1, 1)) == facts and not again.steps
    with pytest.raises(InputError, match="other self_training"):
        tuning.enter(replace(work, self_training=replace(how, confidence=0.7)))


class StoppedError(Exception):
    """Ends a run where it stands, as a signal does."""


class Stops(Quiet):
    """Stops a run in its first round of self-training."""

    def step(self, line: FinetuningStep) -> None:
        super().step(line)
        if "round 1" in line.name and line.step > 2:
            raise StoppedError


def test_a_run_that_was_stopped_in_a_round_goes_on_to_the_same_model(tmp_path: Path, model: Pretrained) -> None:
    data = tiny_models.texts((16, 16, 8))
    texts = tuple(replace(some, key=f"u{some.key}") for some in tiny_models.texts((24, 0, 0), seed=5).splits["train"])

    def work(out: Path) -> tuning.Work:
        how = SelfTraining(texts, rounds=1, passes=1, confidence=0.5)
        made = replace(tuning.Work.of(model, data, replace(SETTINGS, epochs=1), out), self_training=how)
        tuning.enter(made)
        return made

    share = tuning.side_by_side.Share(1, 1)
    whole = tuning.finish(work(tmp_path / "whole"), Quiet(), share)
    with pytest.raises(StoppedError):
        tuning.finish(work(tmp_path / "stopped"), Stops(), share)
    assert (tmp_path / "stopped/seeds/0/rounds/0/done.json").is_file()
    show = Quiet()
    facts = tuning.finish(work(tmp_path / "stopped"), show, share)
    assert all("round 1" in line.name for line in show.steps), "the first model is not trained again"
    timed = {"train_seconds": 0, "predict_seconds": 0}
    assert facts["seeds"][0] | timed == whole["seeds"][0] | timed
    for name in ("model.safetensors", "seeds/0/test.parquet"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()


def test_the_test_split_has_no_part_in_the_rounds(tmp_path: Path, model: Pretrained) -> None:
    data = tiny_models.texts((16, 16, 8))
    texts = tuple(replace(some, key=f"u{some.key}") for some in tiny_models.texts((24, 0, 0), seed=5).splits["train"])
    garbage = [replace(some, label=0, probabilities=(1.0, 0.0)) for some in data.splits["test"]]
    facts = []
    for name, test in (("true", data.splits["test"]), ("garbage", garbage)):
        seen = replace(data, splits={**data.splits, "test": test})
        made = tuning.Work.of(model, seen, replace(SETTINGS, epochs=1), tmp_path / name)
        made = replace(made, self_training=SelfTraining(texts, rounds=1, passes=1, confidence=0.5))
        tuning.enter(made)
        facts.append(tuning.finish(made, Quiet(), tuning.side_by_side.Share(1, 1))["seeds"][0])
    assert facts[0]["rounds"] == facts[1]["rounds"] and facts[0]["test"] != facts[1]["test"]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("true", "garbage")]
    assert weights[0] == weights[1]


def test_what_can_not_be_is_refused(tmp_path: Path, model: Pretrained) -> None:
    data = tiny_models.texts((8, 0, 4))
    (run,) = tuning.Work.of(model, data, SETTINGS, tmp_path).runs
    run = replace(run, self_training=SelfTraining(tuple(data.splits["train"])))
    given = learner.inputs(model, data, SETTINGS)
    with pytest.raises(InputError, match="no validation split"):
        self_training.train(run, given, Quiet())
    decoder = pretrained.find(str(tiny_models.model(tmp_path / "Llama", "Llama")))
    with pytest.raises(InputError, match="for encoders"):
        self_training.train(replace(run, model=decoder), given, Quiet())
    assert not (run.folder / "done.json").exists()
