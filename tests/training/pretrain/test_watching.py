"""What a run shows of itself: its log, traces, trackers, and the page of curves."""

import gzip
import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from socorpus import training
from socorpus.corpus.errors import InputError
from socorpus.training.pretrain import curves
from socorpus.training.pretrain.clock import PHASES
from tests.training import runs
from tests.training.runs import configure, train


def test_the_log_has_seconds_by_phase_memory_and_shares(whole: Path) -> None:
    for line in runs.log(whole):
        phases = {name: line[f"seconds_{name}"] for name in PHASES}
        assert all(seconds >= 0 for seconds in phases.values())
        assert phases["forward"] > 0 and phases["backward"] > 0 and phases["optimizer"] > 0
        assert line["memory_bytes"] > 50_000_000 and line["share_of_peak"] > 0
        assert line["share_of_data_sheet"] is None  # a CPU has none in the table
    # Of the checkpoint of step 3 and 6, the time that training stood still for it.
    assert [line["step"] for line in runs.log(whole) if line["seconds_checkpoint"] > 0] == [4, 7]


def test_some_steps_are_traced(corpus: Path, tmp_path: Path) -> None:
    done = train(corpus, tmp_path / "run", configure(tmp_path, 5, "minutes = 60", 0), "--profile", 2)
    (trace,) = (tmp_path / "run/profile").iterdir()
    assert trace.name == "steps-to-000000004.json.gz" and str(trace) in done.stderr.replace("\n", "")
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    steps = [event for event in events if event.get("name") == "aten::_fused_adamw_"]
    assert len(steps) >= 2 and any("_SummedLoss" in str(event.get("name")) for event in events)


def test_a_run_that_ends_before_all_steps_are_traced_writes_those_that_are(corpus: Path, tmp_path: Path) -> None:
    train(corpus, tmp_path / "run", configure(tmp_path, 3, "minutes = 60", 0), "--profile", 9)
    assert [path.name for path in (tmp_path / "run/profile").iterdir()] == ["steps-to-000000003.json.gz"]


def test_an_unknown_or_missing_tracker_is_refused_before_anything_begins(corpus: Path, tmp_path: Path) -> None:
    done = train(corpus, tmp_path / "run", configure(tmp_path), "--log", "mlflow", code=2)
    assert "'mlflow' is no tracker" in done.stderr and "wandb" in done.stderr
    assert not (tmp_path / "run").exists()
    if find_spec("wandb") is None:
        done = train(corpus, tmp_path / "run", configure(tmp_path), "--log", "wandb", code=2)
        assert "pip install wandb" in done.stderr and not (tmp_path / "run").exists()


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb, an optional tracker of 62 MB, is not installed here")
def test_weights_and_biases_gets_the_same_figures(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "WANDB_MODE", "offline")
    train(corpus, tmp_path / "run", configure(tmp_path, 3, "minutes = 60", 2), "--log", "wandb")
    (kept,) = (tmp_path / "run/wandb").glob("offline-run-*/run-*.wandb")
    written = kept.read_bytes()
    assert b"train/loss" in written and b"validation/accuracy_code" in written


def test_the_page_shows_runs_side_by_side(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "other/run")
    log = tmp_path / "other/run/log.jsonl"
    log.write_text(log.read_text("utf-8") + '{"kind": "train", "st', "utf-8")  # being written
    page = training.training_curves([whole, tmp_path / "other/run"], tmp_path / "curves.html").read_text("utf-8")
    names = curves.names([whole, tmp_path / "other/run"])
    assert names[1] == "other/run" and all(f">{name}<" in page for name in names)
    for caption in ("Training loss", "Held-out loss, code", "Norm of the gradient", "Memory, GB", "Tokens a second"):
        assert caption in page
    assert page.count("<svg") == 12 and "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    last = runs.log(whole)[-1]
    assert f"{last['loss']:.3f}" in page and f"{last['tokens']:,}" in page


def test_points_are_thinned_to_means_of_neighbours() -> None:
    points = [(float(number), float(number % 2)) for number in range(1000)]
    thin = curves.thinned(points)
    assert len(thin) == 334 and thin[0] == (2.0, pytest.approx(1 / 3)) and thin[-1][0] == 999.0
    assert curves.thinned(points[:7]) == points[:7] and curves.thinned([]) == []


def test_a_folder_that_is_no_run_is_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run with a log"):
        training.training_curves([tmp_path], tmp_path / "curves.html")
    with pytest.raises(InputError, match="at least one"):
        training.training_curves([], tmp_path / "curves.html")
    shutil.copytree(whole, tmp_path / "run")
    log = tmp_path / "run/log.jsonl"
    log.write_text("no JSON\n" + log.read_text("utf-8"), "utf-8")
    with pytest.raises(InputError, match=r"log\.jsonl, line 1: no line of a log"):
        training.training_curves([tmp_path / "run"], tmp_path / "curves.html")
    log.write_text("", "utf-8")
    with pytest.raises(InputError, match="no step is done yet"):
        training.training_curves([tmp_path / "run"], tmp_path / "curves.html")
    assert not (tmp_path / "curves.html").exists()
