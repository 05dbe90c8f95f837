"""Runs as a user starts them: one rank or several, stopped, killed, refused."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from socorpus import training
from socorpus.corpus.errors import BuildError, InputError
from socorpus.training import presets
from socorpus.training.config import Config
from socorpus.training.evaluation import compare, systems
from socorpus.training.evaluation.compare import ComparisonPlan
from socorpus.training.evaluation.systems import System
from socorpus.training.examples import readers
from socorpus.training.finetuning import predictor, pretrained, tuning
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.pretrain import checkpoint as checkpoints
from socorpus.training.pretrain import distributed, launch, trainer
from socorpus.training.pretrain.data import shard_reader
from socorpus.training.pretrain.optimizer import Optimizer
from tests.building import small_disk, wait_for
from tests.our_tasks import ENTITIES
from tests.training import runs, tiny_models
from tests.training.runs import STEPS, configure, losses, train
from tests.training.waits import Waits


def close(one: list[float], other: list[float]) -> bool:
    return len(one) == len(other) and all(abs(a - b) <= 1e-5 * abs(b) for a, b in zip(one, other, strict=True))


def test_a_run_logs_validates_and_keeps_its_newest_checkpoints(whole: Path) -> None:
    assert len(losses(whole)) == STEPS
    held = runs.log(whole, "validation")
    assert [line["step"] for line in held] == [4, 8]
    assert {"loss", "accuracy", "loss_prose", "loss_code", "accuracy_prose", "accuracy_code"} <= set(held[0])
    assert sorted(path.name for path in (whole / "checkpoints").iterdir()) == ["step-000000006", "step-000000008"]
    facts = json.loads((whole / "run.json").read_text("utf-8"))
    assert facts["step"] == facts["steps"] == STEPS and facts["tokens"] == runs.log(whole)[-1]["tokens"]
    assert list((whole / "tensorboard").glob("events*"))


@pytest.mark.parametrize(
    ("tensor", "ranks", "zero", "by"),
    [
        (2, 2, "false", runs.by_slurm),
        (1, 2, "true", runs.by_slurm),
        pytest.param(1, 2, "false", runs.by_torchrun, marks=pytest.mark.slow),
        pytest.param(2, 4, "true", runs.by_socorpus, marks=pytest.mark.slow),
    ],
)
def test_neither_layout_nor_launcher_changes_the_losses(
    corpus: Path, whole: Path, tmp_path: Path, tensor: int, ranks: int, zero: str, by: runs.Launcher
) -> None:
    adamw = ""
    if zero == "true":  # Muon needs whole matrices
        adamw = "[optimizer]\nname = 'adamw'\n"
        whole = tmp_path / "whole"
        train(corpus, whole, configure(tmp_path / "plain", STEPS, more=adamw))
    config = configure(tmp_path, STEPS, more=f"{adamw}[parallel]\ntensor = {tensor}\nzero = {zero}")
    by(ranks, corpus, tmp_path / "run", config)
    assert close(losses(tmp_path / "run"), losses(whole))
    for mine, other in zip(runs.log(tmp_path / "run", "validation"), runs.log(whole, "validation"), strict=True):
        assert close([mine["loss_prose"], mine["loss_code"]], [other["loss_prose"], other["loss_code"]])


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("gpu1", "gpu1"),
        ("gpu[03-05,9],login", "gpu03"),
        ("gpu7,gpu[1-2]", "gpu7"),
        ("rack[1-2]n[08,10].site", "rack1n08.site"),
    ],
)
def test_the_first_of_slurms_nodes_is_where_ranks_meet(nodes: str, first: str) -> None:
    assert distributed.first_host(nodes) == first


def test_another_launchers_ranks_do_not_clear_a_run(
    corpus: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in runs.slurm_task(0, 2).items():
        monkeypatch.setenv(name, value)
    done = train(corpus, whole, configure(tmp_path, STEPS), "--force", code=2)
    assert "delete" in done.stderr and len(losses(whole)) == STEPS


def test_a_checkpoint_of_two_tensor_ranks_goes_on_in_other_layouts(corpus: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    half = configure(tmp_path, STEPS, checkpoint="steps = 4", more="[parallel]\ntensor = 2")
    process = runs.start(corpus, out, half, "--gpus", 2)
    # Its ranks save once more and end, since their launcher is gone.
    wait_for((out / "checkpoints/step-000000004").is_dir)
    runs.kill(process)
    # First one rank to step 6 of the same schedule, then two data-parallel ranks to the end.
    _stop_at(corpus, out, configure(tmp_path, STEPS, checkpoint="steps = 6", more="[parallel]\ntensor = 1"), 6)
    runs.by_slurm(2, corpus, out, configure(tmp_path, STEPS, more="[parallel]\ntensor = 1"))
    assert close(losses(out), losses(whole))


def _stop_at(corpus: Path, out: Path, config: Path, step: int) -> None:
    process = runs.start(corpus, out, config)
    wait_for((out / f"checkpoints/step-{step:09d}").is_dir)
    runs.kill(process)


def test_a_killed_run_goes_on_to_the_last_bit(corpus: Path, whole: Path, tmp_path: Path) -> None:
    out, config = tmp_path / "run", configure(tmp_path, STEPS)
    process = runs.start(corpus, out, config)
    wait_for(lambda: (out / "log.jsonl").exists() and len((out / "log.jsonl").read_text().splitlines()) >= 5)
    runs.kill(process)
    done = train(corpus, out, config)
    assert losses(out) == losses(whole)
    assert not list((out / "checkpoints").glob("*.partial"))
    assert "training to step 8" in done.stderr


def signalled(corpus: Path, out: Path, config: Path, sign: signal.Signals) -> tuple[int, str]:
    """The exit code of a run that gets a signal after its first step, and what it says."""
    process = runs.start(corpus, out, config)
    wait_for(lambda: (out / "log.jsonl").exists() and (out / "log.jsonl").read_text().count("\n") >= 1)
    process.send_signal(sign)
    _, said = process.communicate(timeout=120)
    return process.returncode, said


def test_a_run_that_is_told_to_stop_saves_and_goes_on(corpus: Path, whole: Path, tmp_path: Path) -> None:
    out, config = tmp_path / "run", configure(tmp_path, STEPS, checkpoint="minutes = 60")
    code, said = signalled(corpus, out, config, signal.SIGTERM)
    assert code == 143 and "stopped at step" in said and "the same command goes on" in said
    train(corpus, out, config)
    assert losses(out) == losses(whole)


def test_a_run_that_is_asked_to_save_does_and_goes_on(corpus: Path, whole: Path, tmp_path: Path) -> None:
    out, config = tmp_path / "run", configure(tmp_path, STEPS, checkpoint="minutes = 60\nkeep = 9")
    code, said = signalled(corpus, out, config, signal.SIGUSR1)
    assert code == 0, said
    saved = [found.step for found in checkpoints.listed(out / "checkpoints")]
    assert len(saved) == 2 and 1 <= saved[0] < saved[1] == STEPS
    assert losses(out) == losses(whole)


def test_a_run_that_is_asked_to_save_before_its_first_step_goes_on(corpus: Path, tmp_path: Path) -> None:
    for number, gpus in enumerate((1, 2)):
        out = tmp_path / f"run {number}"
        process = runs.start(corpus, out, configure(tmp_path, 2, validation=0), "--gpus", gpus)
        while process.poll() is None and not (out / "log.jsonl").exists():
            time.sleep(0.3)
            if "train" in " ".join(psutil.Process(process.pid).cmdline()) and ignores(process.pid, signal.SIGUSR1):
                process.send_signal(signal.SIGUSR1)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert len(losses(out)) == 2


def ignores(process: int, number: int) -> bool:
    """Whether a process has come so far that it has its own way with a signal."""
    return launch._hears(process, number)


def test_checkpoints_are_kept_for_good_at_the_steps_that_are_asked_for(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(corpus, out, configure(tmp_path, 9, "steps = 4\nkeep = 1\nkeep_every = 3", 0))
    assert [saved.step for saved in checkpoints.listed(out / "checkpoints")] == [3, 6, 9]
    assert [line["step"] for line in runs.log(out, "checkpoint")] == [3, 4, 6, 8, 9]


def test_hours_are_those_of_all_ranks_of_all_starts(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    def figures(steps: int, gpus: int) -> dict[str, Any]:
        train(corpus, out, configure(tmp_path, steps, validation=0), "--gpus", gpus)
        facts: dict[str, Any] = json.loads((out / "run.json").read_text("utf-8"))
        return facts

    def seconds() -> float:
        kept: float = checkpoints.newest(out / "checkpoints").state["seconds"]  # type: ignore[union-attr]
        return kept

    first, one = figures(2, 1), seconds()
    assert first["gpu_hours"] == pytest.approx(one / 3600)
    second, both = figures(4, 2), seconds()
    assert second["gpu_hours"] == pytest.approx((one + 2 * (both - one)) / 3600)
    assert second["share_of_peak"] > 0
    # A finished run that is started once more does nothing, and keeps its figures.
    assert figures(4, 1) == second


def test_tensorboard_shows_no_step_twice(corpus: Path, whole: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = Path(shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("exported")))
    shutil.rmtree(out / "checkpoints/step-000000008")
    train(corpus, out, configure(tmp_path))
    board = EventAccumulator(str(out / "tensorboard")).Reload()
    assert [point.step for point in board.Scalars("train/loss")] == list(range(1, STEPS + 1))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_steps_that_are_not_finite_change_nothing_and_are_counted(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asynchronous: bool
) -> None:
    """In this process: no text makes such a step by itself."""
    config = presets.load("tiny", configure(tmp_path, 6, "steps = 1\nkeep = 9", 0))
    loss_of = trainer.Training._loss

    def broken(self: trainer.Training, batch: Any) -> Any:
        return loss_of(self, batch) * (math.nan if self.launched in (2, 3) else 1.0)

    monkeypatch.setattr(trainer.Training, "_loss", broken)
    monkeypatch.setattr(trainer, "asynchronous", lambda _: asynchronous)
    facts = training.train(corpus, tmp_path / "run", config=config)
    assert facts["step"] == 6
    rows = runs.log(tmp_path / "run")
    assert [row["skipped"] for row in rows] == [0, 0, 1, 2, 2, 2]
    assert [row["loss"] is None for row in rows] == [False, False, True, True, False, False]
    # Behind them no checkpoint; a run that goes on from one knows how many there were.
    assert [saved.step for saved in checkpoints.listed(tmp_path / "run/checkpoints")] == [1, 2, 5, 6]
    for step in (5, 6):
        shutil.rmtree(tmp_path / f"run/checkpoints/step-{step:09d}")
    training.train(corpus, tmp_path / "run", config=config)
    again = runs.log(tmp_path / "run")
    assert [row["loss"] for row in again] == [row["loss"] for row in rows]
    few = presets.load("tiny", configure(tmp_path, 6, "steps = 1", 0, "[optimizer]\nskips = 1"))
    with pytest.raises(BuildError, match="step 4: the loss is nan"):
        training.train(corpus, tmp_path / "few", config=few)


def test_a_run_that_ends_in_steps_that_are_not_finite_keeps_the_checkpoint_before(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss_of = trainer.Training._loss

    def broken(self: trainer.Training, batch: Any) -> Any:
        return loss_of(self, batch) * (math.nan if self.launched >= 3 else 1.0)

    monkeypatch.setattr(trainer.Training, "_loss", broken)
    config = presets.load("tiny", configure(tmp_path, 4, "steps = 2\nkeep = 1", 0))
    with pytest.raises(
        BuildError, match=r"step 4: the loss is nan .*; the checkpoint of step 2 is kept, and this step"
    ):
        training.train(corpus, tmp_path / "run", config=config)
    assert [saved.step for saved in checkpoints.listed(tmp_path / "run/checkpoints")] == [2]


def test_weights_that_one_step_made_useless_are_not_saved_where_they_are_validated(
    corpus: Path, tmp_path: Path
) -> None:
    """Finite weights, behind a step whose own loss was finite."""
    path = configure(tmp_path, 3, "steps = 2\nkeep = 1", 3)
    training.train(corpus, tmp_path / "run", config=presets.load("tiny", path, {"schedule": {"tokens": 4096}}))
    wild = presets.load("tiny", path, {"optimizer": {"lr": 1e15, "muon_lr": 1e15}})
    with pytest.raises(BuildError, match=r"step 3: the held-out loss is nan; the checkpoint of step 2 is kept"):
        training.train(corpus, tmp_path / "run", config=wild)
    assert [saved.step for saved in checkpoints.listed(tmp_path / "run/checkpoints")] == [2]
    assert [line["loss"] is None for line in runs.log(tmp_path / "run")] == [False] * 3


def test_weights_that_are_not_finite_are_neither_saved_nor_taken(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, run = trainer.Training._step, tmp_path / "run"

    def ruining(self: trainer.Training) -> None:
        step(self)
        if self.launched == 3:
            self.optimizer.weights[0].model.data[0] = math.inf

    monkeypatch.setattr(trainer.Training, "_step", ruining)
    config = presets.load("tiny", configure(tmp_path, 3, "steps = 2\nkeep = 1", 0))
    with pytest.raises(BuildError, match="step 3: a weight is not finite; the checkpoint of step 2 is kept"):
        training.train(corpus, run, config=config)
    assert [saved.step for saved in checkpoints.listed(run / "checkpoints")] == [2]
    # As an earlier version saved them.
    monkeypatch.setattr(Optimizer, "finite", lambda _: True)
    training.train(corpus, run, config=config)
    with pytest.raises(InputError, match=r"step-000000003: the weights are not finite.*Export an earlier step"):
        training.export_model(run, tmp_path / "model")
    with pytest.raises(InputError, match="step-000000003: the weights are not finite; name an earlier checkpoint"):
        training.train(corpus, tmp_path / "second", config=config, init=run)


@pytest.mark.parametrize(("batch", "steps"), [(1024, 12), (4096, 6)])
def test_a_run_goes_on_with_another_batch_to_the_end_of_its_tokens(
    corpus: Path, tmp_path: Path, batch: int, steps: int
) -> None:
    run, tokens = tmp_path / "run", 2048 * STEPS

    def of(size: int) -> Config:
        path = configure(tmp_path, tokens // size, "steps = 4\nkeep = 9", 0, "[data]\nlanes = 4\n", size)
        return presets.load("tiny", path, {"schedule": {"decay": 0.5}})

    training.train(corpus, run, config=of(2048))
    rates = [line["lr"] for line in runs.log(run)]
    shutil.rmtree(run / "checkpoints/step-000000008")
    facts = training.train(corpus, run, config=of(batch))
    assert facts["step"] == facts["steps"] == steps and 0.9 * tokens < facts["tokens"] <= tokens
    # Where a step begins at the tokens of one of before, it has the same rate.
    places = [(4 + number * batch / 2048, line["lr"]) for number, line in enumerate(runs.log(run)[4:])]
    assert {place: rate for place, rate in places if place % 1 == 0} == {
        place: rates[int(place)] for place, _ in places if place % 1 == 0
    }
    assert [rate for _, rate in places] == sorted({rate for _, rate in places}, reverse=True)


def test_figures_that_are_read_a_step_late_are_the_same(
    corpus: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    """As on a GPU: the host hands a step over before it reads the figures of the one before."""
    monkeypatch.setattr(trainer, "asynchronous", lambda _: True)
    loss_of, report = trainer.Training._loss, trainer.Training._report
    begun, late = list[int](), list[int]()

    def counted(self: trainer.Training, batch: Any) -> Any:
        begun.append(len(batch.ids))
        return loss_of(self, batch)

    def noted(self: trainer.Training, *arguments: Any) -> None:
        late.append(sum(begun) // 2048 - self.state.step)
        report(self, *arguments)

    monkeypatch.setattr(trainer.Training, "_loss", counted)
    monkeypatch.setattr(trainer.Training, "_report", noted)
    training.train(corpus, tmp_path / "run", config=presets.load("tiny", configure(tmp_path)))
    assert losses(tmp_path / "run") == losses(whole)
    assert runs.log(tmp_path / "run", "validation") == runs.log(whole, "validation")
    # Where it is time to validate, to save or to end, they are read at once: 3, 4, 6 and 8.
    assert late == [1, 1, 0, 0, 1, 0, 1, 0]


def test_the_host_waits_for_the_device_once_a_step_and_a_step_late(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = presets.load("tiny", configure(tmp_path, 6, "minutes = 60", 0))
    monkeypatch.setattr(trainer, "asynchronous", lambda _: True)
    step, figures = trainer.Training._step, trainer.Handed.figures
    waits, read = list[list[str]](), list[int]()

    def watched(self: trainer.Training) -> None:
        with Waits() as seen:
            step(self)
        waits.append(seen.seen)

    def noted(self: trainer.Handed) -> list[float]:
        read.append(self.step)
        return figures(self)

    monkeypatch.setattr(trainer.Training, "_step", watched)
    monkeypatch.setattr(trainer.Handed, "figures", noted)
    training.train(corpus, tmp_path / "run", config=config)
    # What it reads is a copy of its own, once for each step; nothing else is read while steps go on.
    assert waits == [[]] * 6 and read == [1, 2, 3, 4, 5, 6]


def test_threads_that_wait_leave_the_cores_to_others() -> None:
    script = "import os, sys, socorpus.training; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    for given, policy in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | given
        shown = subprocess.run(
            [sys.executable, "-P", "-c", script], capture_output=True, text=True, env=environment, check=True
        )
        assert shown.stdout.split() == [policy, "False"]


def test_bfloat16_with_float32_master_weights_goes_nearly_the_same_way(
    corpus: Path, whole: Path, tmp_path: Path
) -> None:
    config = configure(tmp_path, STEPS, validation=0, more="[parallel]\nprecision = 'bf16'")
    train(corpus, tmp_path / "run", config)
    narrow = losses(tmp_path / "run")
    assert narrow != losses(whole)
    assert all(abs(a - b) < 0.02 * b for a, b in zip(narrow, losses(whole), strict=True))


def test_a_finished_run_has_nothing_to_do_and_force_begins_anew(corpus: Path, tmp_path: Path) -> None:
    out, config = tmp_path / "run", configure(tmp_path, 2)
    train(corpus, out, config)
    before = losses(out)
    train(corpus, out, config)
    assert losses(out) == before
    done = train(corpus, out, config, "--force")
    assert "from the start" in done.stderr and losses(out) == before


def test_a_lost_rank_is_told_and_the_checkpoint_is_kept(corpus: Path, tmp_path: Path) -> None:
    out, config = tmp_path / "run", configure(tmp_path, 500, checkpoint="steps = 2", validation=0)
    process = runs.start(corpus, out, config, "--gpus", 2)
    wait_for((out / "checkpoints/step-000000002").is_dir)
    children = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    ranks = [pid for pid in children if b"train" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    subprocess.run(["kill", "-9", ranks[-1]], check=True)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1 and "Traceback" not in said, said
    assert "killed by signal 9" in said and "is kept, and the same command goes on from there" in said
    assert list((out / "checkpoints").glob("step-*[0-9]"))


@pytest.mark.parametrize(
    ("more", "options", "says"),
    [
        ("[data]\nseed = 2", (), "was begun with data.seed = 1 (now 2)"),
        ("[parallel]\ntensor = 3", (), "parallel.tensor (3) must divide the number of ranks (1)"),
        ("[optimizer]\nrate = 1.0", (), "unknown key optimizer.rate"),
    ],
)
def test_what_does_not_go_together_is_refused(
    corpus: Path, whole: Path, tmp_path: Path, more: str, options: tuple[object, ...], says: str
) -> None:
    out = whole if more.startswith("[data]") else tmp_path / "run"
    done = train(corpus, out, configure(tmp_path, STEPS, more=more), *options, code=2)
    assert says in " ".join(done.stderr.split())


def test_a_model_learns_more_than_how_frequent_tokens_are(corpus: Path, tmp_path: Path) -> None:
    found = shard_reader.open_corpus(corpus)
    counts = np.bincount(np.concatenate([shard_reader.read(group).ids for group in found.row_groups("train")]))
    shares = counts[counts > 0] / counts.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    more = "[optimizer]\nlr = 0.006"
    train(corpus, tmp_path / "run", configure(tmp_path, 50, "minutes = 60", 50, more, batch=4096))
    held = runs.log(tmp_path / "run", "validation")[-1]
    assert held["loss"] < entropy - 0.05, (held, entropy)
    # The untrained model guesses by frequency alone.
    assert entropy - 0.2 < losses(tmp_path / "run")[0] < entropy + 0.3


def test_a_full_disk_is_told_and_the_last_checkpoint_kept(corpus: Path, whole: Path, tmp_path: Path) -> None:
    # There is room for two checkpoints, and for a part of a third.
    with small_disk(tmp_path / "disk", "5m") as resize:
        config, out = configure(tmp_path, STEPS), tmp_path / "disk/run"
        told = train(corpus, out, config, code=1)
        assert "no space left on the disk" in told.stderr and "the last good one is of step 6" in told.stderr
        names = {path.name for path in (out / "checkpoints").iterdir()}
        assert names == {"step-000000003", "step-000000006"}
        resize("40m")
        train(corpus, out, config)
        assert losses(out) == losses(whole)


def test_a_run_can_be_taught_a_task(whole: Path, tmp_path: Path) -> None:
    found = pretrained.find(str(whole))
    assert found.folder == whole / "exported" / str(STEPS) and found.context == 128
    settings = FinetuneSettings(epochs=1, batch=16, seeds=(0,))
    for data in (tiny_models.texts(), tiny_models.spans()):
        facts = tuning.finetune(found, data, settings, tmp_path / data.task.name, tiny_models.Quiet())
        assert facts["model_type"] == "modernbert" and predictor.load(tmp_path / data.task.name).task == data.task
    # It is exported once.
    made = (found.folder / "export.json").stat().st_mtime_ns
    assert pretrained.find(str(whole)).folder == found.folder
    assert (found.folder / "export.json").stat().st_mtime_ns == made


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_run_learns_real_entities_and_stands_beside_an_audit(real_data: Path, whole: Path, tmp_path: Path) -> None:
    """In short what benchmarks/skill_over_scale.py does at length."""
    data = readers.read(real_data / "benchmarks/ner", ENTITIES, most=100)
    named = [System("TF-IDF", "defined", "TF-IDF"), *systems.chosen([f"run={whole}", f"scratch=scratch:{whole}"])]
    settings = FinetuneSettings(epochs=8, batch=4, seeds=(1,), rate=5e-3, length=128)
    cells = compare.compare(
        ComparisonPlan([data], named, settings, most_test=50), tmp_path / "out", tiny_models.Quiet()
    )
    scores = {one.system: one.scores["span_f1"].mean for one in cells}
    assert not any(one.missing for one in cells)
    assert scores["TF-IDF"] > 0.2 and scores["run"] > 0.05 and scores["scratch"] > 0.05, scores
