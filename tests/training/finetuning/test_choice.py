"""The choice of rate and passes: successive halving on the validation split, resumed, no trial done twice."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus.errors import BuildError, InputError
from socorpus.training.examples.example import Data
from socorpus.training.finetuning import choice, pretrained, tuning
from socorpus.training.finetuning.choice import Configuration, Contest
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.halving import rungs
from tests.training import tiny_models
from tests.training.tiny_models import Quiet

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = FinetuneSettings(epochs=2, batch=8, seeds=(0, 1), rate=5e-4, choose=4)
DATA = tiny_models.texts((64, 24, 16))

_RUN = """
import sys
from pathlib import Path
from socorpus.training.finetuning import choice, pretrained
from tests.training.finetuning.test_choice import DATA, SETTINGS
from tests.training.tiny_models import Quiet
import torch
torch.set_num_threads(1)
contest = choice.Contest(pretrained.find(sys.argv[1]), DATA, SETTINGS, Path(sys.argv[2]))
print(choice.alone(contest, Quiet(), 1).note)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    return pretrained.find(str(tiny_models.model(tmp_path_factory.mktemp("model") / "Bert")))


def timeless(chosen: choice.Choice) -> choice.Choice:
    return replace(chosen, seconds=0.0)


def test_each_rung_has_the_better_half_and_twice_the_budget() -> None:
    assert rungs(8) == [(8, 0.25), (4, 0.5), (2, 1.0)]
    assert rungs(15) == [(15, 0.125), (8, 0.25), (4, 0.5), (2, 1.0)]
    assert rungs(3) == [(3, 0.5), (2, 1.0)] and rungs(2) == [(2, 1.0)]
    assert rungs(1) == [(1, 1.0)]


def test_the_grid_lies_around_the_settings_the_nearest_first() -> None:
    settings = replace(SETTINGS, epochs=4, rate=1e-3, choose=15)
    grid = choice.grid(settings)
    assert grid[0] == Configuration(1e-3, 4) and len(set(grid)) == 15
    assert {one.rate for one in grid} == {2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3} and {one.epochs for one in grid} == {2, 4, 8}
    assert set(grid[1:5]) == {
        Configuration(1e-3, 8),
        Configuration(1e-3, 2),
        Configuration(2e-3, 4),
        Configuration(5e-4, 4),
    }
    assert choice.grid(replace(settings, choose=5)) == grid[:5]
    # Half of one pass is one pass: no configuration is tried twice.
    assert len(choice.grid(replace(settings, epochs=1))) == 10


@pytest.mark.parametrize(
    ("change", "said"),
    [({"choose": 1}, "between 2 and 15"), ({"choose": 16}, "between 2 and 15"), ({"rates": (1e-3, 2e-3)}, "two ways")],
)
def test_choices_that_are_none_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(SETTINGS, **change).check()


def test_the_best_is_taken_and_garbage_on_the_test_split_changes_nothing(tmp_path: Path, model: Pretrained) -> None:
    show = Quiet()
    chosen = choice.alone(Contest(model, DATA, SETTINGS, tmp_path / "a"), show)
    assert (chosen.configurations, chosen.trials, chosen.seed, chosen.examples) == (4, 6, 0, 24)
    # Two rungs: four at half of their steps, two in full.
    assert [trial["share"] for trial in chosen.tried] == [0.5] * 4 + [1.0] * 2
    last = chosen.tried[4:]
    best = max(last, key=lambda trial: (trial["score"], -trial["log_loss"]))
    assert (best["rate"], best["epochs"]) == (chosen.rate, chosen.epochs)
    first = sorted(chosen.tried[:4], key=lambda trial: (-trial["score"], trial["log_loss"]))[:2]
    assert {(trial["rate"], trial["epochs"]) for trial in first} == {(trial["rate"], trial["epochs"]) for trial in last}
    assert chosen.passes == pytest.approx(sum(trial["epochs"] * trial["share"] for trial in chosen.tried), rel=0.3)
    assert (
        f"chosen of 4 by successive halving on 24 validation examples of toy, seed 0: 6 trials, {chosen.passes:,.4g} pa"
        in chosen.note
    )
    kept = [path.name for place in (tmp_path / "a").iterdir() for path in place.iterdir() if path.name != ".lock"]
    assert kept == ["done.json"] * 6, "a trial keeps its result and no weights"

    garbage = [replace(some, label=0, probabilities=(1.0, 0.0), text="x") for some in DATA.splits["test"]]
    spoilt = Data(DATA.task, DATA.name, {**DATA.splits, "test": garbage}, DATA.notes)
    again = Quiet()
    other = choice.alone(Contest(model, spoilt, SETTINGS, tmp_path / "a"), again)
    assert other == chosen and not again.steps, "the test split is not even part of a trial's name"
    anew = choice.alone(Contest(model, spoilt, SETTINGS, tmp_path / "b"), Quiet())
    assert timeless(anew) == timeless(chosen)
    for place in (tmp_path / "a").iterdir():
        results = [json.loads((tmp_path / of / place.name / "done.json").read_text()) for of in "ab"]
        assert {**results[0], "seconds": 0} == {**results[1], "seconds": 0}


def test_entities_are_chosen_by_the_loss_of_words_where_no_span_is_right(tmp_path: Path, model: Pretrained) -> None:
    settings = replace(SETTINGS, rate=1e-6, choose=3, epochs=1)
    chosen = choice.alone(Contest(model, tiny_models.spans((24, 12, 4)), settings, tmp_path), Quiet())
    assert {trial["score"] for trial in chosen.tried} == {0.0} or chosen.tried[0]["score"] < 0.2
    losses = [trial["log_loss"] for trial in chosen.tried[3:]]
    assert len(set(losses)) == 2 and all(loss > 0 for loss in losses)


def test_a_configuration_whose_loss_is_not_finite_is_no_choice(tmp_path: Path, model: Pretrained) -> None:
    wild = replace(SETTINGS, rate=1e30, choose=3)
    with pytest.raises(BuildError, match="not finite with any configuration of the choice"):
        choice.alone(Contest(model, DATA, wild, tmp_path), Quiet())
    again = Quiet()
    with pytest.raises(BuildError, match="not finite"):
        choice.alone(Contest(model, DATA, wild, tmp_path), again)
    assert not again.steps, "it is not tried again"


def test_without_a_validation_split_nothing_is_chosen(tmp_path: Path, model: Pretrained) -> None:
    show = Quiet()
    chosen = choice.alone(Contest(model, tiny_models.texts((16, 0, 4)), SETTINGS, tmp_path), show)
    assert (chosen.rate, chosen.epochs, chosen.trials) == (5e-4, 2, 0) and not show.steps
    assert "no validation split to choose on" in chosen.note


def test_a_model_is_fine_tuned_with_what_was_chosen(tmp_path: Path, model: Pretrained) -> None:
    settings, show = replace(SETTINGS, choose=3, epochs=1, rate=2e-3), Quiet()
    facts = tuning.finetune(model, DATA, settings, tmp_path / "out", show)
    made = facts["choice"]
    assert facts["rate"] == made["rate"] and facts["epochs"] == made["epochs"]
    assert {result["rate"] for result in facts["seeds"]} == {made["rate"]} and len(facts["seeds"]) == 2
    assert made["note"] in (tmp_path / "out/README.md").read_text("utf-8")
    again = Quiet()
    assert tuning.finetune(model, DATA, settings, tmp_path / "out", again) == facts and not again.steps
    # It is the model of that rate and that many passes; and more seeds change no choice.
    plain = replace(settings, choose=None, rate=made["rate"], epochs=made["epochs"])
    tuning.finetune(model, DATA, plain, tmp_path / "plain", Quiet())
    weights = [(tmp_path / of / "model.safetensors").read_bytes() for of in ("out", "plain")]
    assert weights[0] == weights[1]
    more = tuning.finetune(model, DATA, replace(settings, seeds=(0, 1, 2)), tmp_path / "out", again)
    assert {line.seed for line in again.steps} == {2} and more["choice"] == made
    with pytest.raises(InputError, match="other settings"):
        tuning.finetune(model, DATA, replace(settings, choose=4), tmp_path / "out", Quiet())


@pytest.mark.slow
def test_trials_side_by_side_give_the_same_choice(tmp_path: Path, model: Pretrained) -> None:
    inside = choice.alone(Contest(model, DATA, SETTINGS, tmp_path / "inside"), Quiet(), 1)
    apart = choice.alone(Contest(model, DATA, SETTINGS, tmp_path / "apart"), Quiet(), 2)
    assert timeless(inside) == timeless(apart)


@pytest.mark.slow
def test_a_choice_that_was_killed_goes_on_to_the_same_one(tmp_path: Path, model: Pretrained) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    out = tmp_path / "killed"
    command = [sys.executable, "-W", "ignore", "-c", _RUN, str(model.folder), str(out)]
    process = subprocess.Popen(command, env=environment)
    until = time.monotonic() + 120
    while process.poll() is None and len(list(out.glob("*/done.json"))) < 3 and time.monotonic() < until:
        time.sleep(0.002)
    assert process.poll() is None
    process.kill()
    process.wait()
    done = {place: place.stat().st_mtime_ns for place in out.glob("*/done.json")}
    assert 3 <= len(done) < 6
    said = subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout.strip()
    assert said == choice.alone(Contest(model, DATA, SETTINGS, tmp_path / "whole"), Quiet(), 1).note
    assert {place: place.stat().st_mtime_ns for place in done} == done, "what was done was not done again"
