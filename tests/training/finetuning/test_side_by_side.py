"""Seeds, rates and systems that train side by side: the same results, and an error of one takes no other away."""

import json
import pickle
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from socorpus.corpus.engine import machine
from socorpus.corpus.errors import BuildError, InputError
from socorpus.training.evaluation import compare, systems
from socorpus.training.evaluation.compare import ComparisonPlan
from socorpus.training.examples import predictions
from socorpus.training.finetuning import pretrained, side_by_side, tuning
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.progress import FinetuningStep
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.finetuning.side_by_side import Share
from socorpus.training.finetuning.tuning import Work
from tests.training import tiny_models
from tests.training.tiny_models import Quiet

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = FinetuneSettings(epochs=2, batch=8, seeds=(0, 1), rate=5e-3)
TIMED = ("train_seconds", "predict_seconds")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    return pretrained.find(str(tiny_models.model(tmp_path_factory.mktemp("model") / "Bert")))


def results(out: Path) -> list[dict[str, Any]]:
    facts = json.loads((out / tuning.FACTS).read_text("utf-8"))
    return [{name: value for name, value in result.items() if name not in TIMED} for result in facts["seeds"]]


class Kills(Quiet):
    """Kills the process that trains a seed, at its first step."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def step(self, line: FinetuningStep) -> None:
        super().step(line)
        if line.seed == self.seed and self.seed not in self.done:
            self.seed = -1
            workers = [
                child for child in psutil.Process().children() if "finetuning.worker" in " ".join(child.cmdline())
            ]
            min(workers, key=lambda child: child.pid).send_signal(signal.SIGKILL)


def test_a_process_that_is_killed_takes_no_other_run_away_and_the_rest_is_the_same(
    tmp_path: Path, model: Pretrained
) -> None:
    data = tiny_models.texts()
    whole = tuning.finetune(model, data, SETTINGS, tmp_path / "whole", Quiet(), processes=1)
    show, out = Kills(0), tmp_path / "apart"
    with pytest.raises(BuildError, match=r"seed 0: its process was killed \(signal 9\)"):
        tuning.finetune(model, data, SETTINGS, out, show, processes=2)
    assert show.done and {line.name for line in show.steps} >= {"seed 0"}
    assert not (out / "seeds/0/done.json").exists() and (out / "seeds/1/done.json").exists()
    assert not list(out.rglob("*.partial"))
    again = Quiet()
    facts = tuning.finetune(model, data, SETTINGS, out, again, processes=2)
    assert {line.seed for line in again.steps} == {0}, "what is done is not done again"
    assert results(out) == results(tmp_path / "whole") and facts["best_seed"] == whole["best_seed"]
    names = ["model.safetensors", "README.md", "seeds/0/test.parquet", "seeds/1/test.parquet"]
    for name in names:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path, model: Pretrained) -> None:
    (run,) = Work.of(model, tiny_models.texts(), replace(SETTINGS, epochs=10_000, seeds=(0,)), tmp_path).runs
    command = [sys.executable, "-P", "-m", "socorpus.training.finetuning.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        pickle.dump((run, 1), process.stdin)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["kind"] == "step"
        process.stdin.close()  # as the end of a process closes it
        assert process.wait(30) == 1


def test_the_best_rate_is_chosen_on_the_validation_split(tmp_path: Path, model: Pretrained) -> None:
    data, show = tiny_models.texts(), Quiet()
    settings = replace(SETTINGS, rate=None, rates=(1e-6, 5e-3, 1e30), epochs=5)
    facts = tuning.finetune(model, data, settings, tmp_path / "out", show)
    assert facts["rate"] == 5e-3 and {result["rate"] for result in facts["seeds"]} == {5e-3}
    low, high, lost = (tried["validation_score"] for tried in facts["rates"])
    assert low < high and lost is None, "a rate whose loss is not finite is no choice"
    assert high == pytest.approx(sum(result["validation_score"] for result in facts["seeds"]) / 2)
    assert {line.name for line in show.steps} >= {"seed 1, rate 1e-06", "seed 0, rate 0.005"}
    card = (tmp_path / "out/README.md").read_text("utf-8")
    assert "learning rate of 0.005 is the best of 1e-06, 0.005, 1e+30 on the validation split" in card
    # Done is done; another rate is added to what is there, and its runs only are trained.
    again = Quiet()
    assert tuning.finetune(model, data, settings, tmp_path / "out", again) == facts and not again.steps
    more = replace(settings, rates=(1e-6, 5e-3, 1e-5))
    assert tuning.finetune(model, data, more, tmp_path / "out", again)["rate"] == 5e-3
    assert {line.name for line in again.steps} == {"seed 0, rate 1e-05", "seed 1, rate 1e-05"}
    # It is the model of one rate.
    single = tuning.finetune(model, data, replace(SETTINGS, epochs=5), tmp_path / "single", Quiet())
    assert single["rate"] == 5e-3
    assert (tmp_path / "out/model.safetensors").read_bytes() == (tmp_path / "single/model.safetensors").read_bytes()


def test_a_rate_at_which_nothing_is_learned_is_an_error_and_the_number_of_them_is_said(
    tmp_path: Path, model: Pretrained
) -> None:
    settings = replace(SETTINGS, rate=None, rates=(1e30, 2e30))
    with pytest.raises(BuildError, match=r"lower the learning rate with --rate \(4 of 4 runs failed\)"):
        tuning.finetune(model, tiny_models.texts((16, 4, 4)), settings, tmp_path, Quiet())
    for rates in ((1e-3, 1e-3), (1e-3, 1.0000001e-3)):
        with pytest.raises(InputError, match="rates must all be different"):
            replace(settings, rates=rates).check()


def test_systems_are_compared_side_by_side(tmp_path: Path, model: Pretrained) -> None:
    other = tiny_models.model(tmp_path / "ModernBert", "ModernBert")
    named = systems.chosen(["majority", f"Bert={model.folder}", f"Modern={other}", "Gone=nobody/nothing"])
    plan = ComparisonPlan([tiny_models.texts()], named, replace(SETTINGS, seeds=(0,)))
    show = Quiet()
    apart = compare.compare(replace(plan, processes=2), tmp_path / "apart", show)
    assert {line.name for line in show.steps} == {f"quality (toy), {name}, seed 0" for name in ("Bert", "Modern")}
    inside = compare.compare(replace(plan, processes=1), tmp_path / "inside", Quiet())
    for one, two in zip(apart, inside, strict=True):
        assert asdict(one) | timeless(one) == asdict(two) | timeless(one)
    assert [cell.system for cell in apart if cell.missing] == ["Gone"]
    for name in ("Bert", "Modern"):
        place = Path("cells/quality-toy", name)
        files = ["model.safetensors", "seeds/0/test.parquet"]
        for file in files:
            assert (tmp_path / "apart" / place / file).read_bytes() == (tmp_path / "inside" / place / file).read_bytes()
    again = Quiet()
    assert compare.compare(replace(plan, processes=2), tmp_path / "apart", again) == apart and not again.steps


def timeless(cell: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(cell).items() if name.endswith(("_seconds", "_dollars"))}


def test_a_system_that_fails_takes_no_other_away(tmp_path: Path, model: Pretrained) -> None:
    bare = tiny_models.model(tmp_path / "bare", "ModernBert")
    (bare / "tokenizer.json").unlink()
    named = systems.chosen([f"Bare={bare}", f"Bert={model.folder}"])
    plan = ComparisonPlan([tiny_models.texts((16, 4, 4))], named, replace(SETTINGS, seeds=(0,), epochs=1), processes=2)
    bare_cell, bert = compare.compare(plan, tmp_path / "out", Quiet())
    assert bare_cell.missing and "tokenizer" in bare_cell.missing and bert.scores


def test_as_many_train_at_a_time_as_cores_and_memory_allow(
    tmp_path: Path, model: Pretrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 8)
    settings = replace(SETTINGS, seeds=tuple(range(6)))
    runs, show = Work.of(model, tiny_models.texts(), settings, tmp_path).runs, Quiet()
    assert side_by_side.shared(runs, None, show) == Share(1, 1), "what takes seconds needs no processes"
    monkeypatch.setattr(side_by_side, "_WORTH", 0.0)
    assert side_by_side.shared(runs, None, show) == Share(6, 1)
    assert side_by_side.shared(runs, 4, show) == Share(4, 1)
    assert side_by_side.shared(runs[:1], 4, show) == Share(1, 1) and not show.notes
    monkeypatch.setattr(machine, "memory", lambda: int(2.2e9))
    assert side_by_side.shared(runs, None, show) == Share(2, 1)
    assert len(show.notes) == 1 and "2 at a time instead of 6: each takes about 0.8 GB" in show.notes[0]
    # Runs that are done count for the threads of the others, and not among those to train.
    monkeypatch.undo()
    runs[0].folder.mkdir(parents=True)
    (runs[0].folder / "done.json").write_text('{"validation_score": 0.5}')
    assert side_by_side.shared(runs, 9, show).processes == 5


def test_the_size_of_a_model_is_that_of_the_loaded_one(model: Pretrained, tmp_path: Path) -> None:
    for task in (tiny_models.texts().task, tiny_models.spans().task):
        for kind in tiny_models.CONFIGS:
            there = pretrained.find(str(tiny_models.model(tmp_path / f"{task.name}-{kind}", kind)))
            size = pretrained.size(there, task)
            loaded = pretrained.head(there, task, 0)
            assert size.parameters == sum(parameter.numel() for parameter in loaded.parameters())
            assert 0 < size.inside < size.parameters and (size.layers, size.hidden) == (2, 32)
    assert pretrained.bytes_of_weight(model, None, None) == 4.0


def test_predictions_of_each_seed_stay_where_they_were(tmp_path: Path, model: Pretrained) -> None:
    data = tiny_models.texts((16, 4, 4))
    facts = tuning.finetune(model, data, replace(SETTINGS, epochs=1), tmp_path, Quiet())
    for result in facts["seeds"]:
        assert result["folder"] == str(result["seed"])
        assert predictions.read(tmp_path / "seeds" / result["folder"] / "test.parquet", data.splits["test"])
