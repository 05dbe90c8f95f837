"""What a run shows of itself: its log, traces, trackers, and the page of curves."""

import gzip
import json
import math
import os
import shutil
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from socorpus import training
from socorpus.corpus.errors import InputError
from socorpus.training import presets
from socorpus.training.pretrain import curves, log
from socorpus.training.pretrain.clock import PHASES
from socorpus.training.pretrain.run import Run
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
    assert page.count("<figure") == 12 and "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    last = runs.log(whole)[-1]
    assert f"{last['loss']:.3f}" in page and f"{last['tokens']:,}" in page


ODD = [
    (b"[]", "the whole: not an object"),
    (b'{"kind": "train", "step": "a", "tokens": 1}', "step: not a whole number"),
    (b'{"kind": "train", "step": 3}', "tokens: missing"),
    (b'{"kind": "train", "step": 3, "tokens": 9, "loss": "low"}', "loss: not a number"),
    (b'{"kind": "train", "step": 3, "tokens": 9, "loss": 1e400}', "loss: not a number"),
    (b'{"kind": "train", "step": ' + b"9" * 400 + b', "tokens": 9}', "step: not a whole number"),
    (b'{"kind": "train", "step": 3, "tokens": 9, "loss": ' + b"9" * 400 + b"}", "loss: not a number"),
    (b'{"kind": "validation", "step": 3, "loss": \xff}', "can't decode byte 0xff"),
    (b"[" * 100_000, "recursion"),
]


def test_lines_that_are_none_of_a_log_are_named_or_left_out(corpus: Path, whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("exported")))
    path, page = run / "log.jsonl", tmp_path / "curves.html"
    first, *rest = path.read_bytes().splitlines()
    for odd, says in ODD:
        path.write_bytes(b"\n".join((first, odd, *rest, b"")))
        with pytest.raises(InputError, match=rf"log\.jsonl, line 2: no line of a log \(.*{says}.*\); remove it"):
            training.training_curves([run], page)
    # A run that goes on does so without them.
    path.write_bytes(b"\n".join((first, *(odd for odd, _ in ODD), *rest, b'{"kind": "trai')))
    shutil.rmtree(run / "checkpoints/step-000000008")
    done = train(corpus, run, configure(tmp_path))
    said = f"{len(ODD)} of its lines are no lines of a log and are left out, the first one line 2 (the whole: not an"
    assert said in " ".join(done.stderr.split())
    assert runs.losses(run) == runs.losses(whole)


def test_losses_that_cannot_be_compared_are_told(whole: Path, tmp_path: Path) -> None:
    page = tmp_path / "curves.html"

    def written(**facts: str) -> str:
        other = Path(
            shutil.copytree(whole, tmp_path / "-".join(facts or "x"), ignore=shutil.ignore_patterns("exported"))
        )
        kept = json.loads((other / "run.json").read_text("utf-8"))
        (other / "run.json").write_text(json.dumps(kept | facts), "utf-8")
        return training.training_curves([whole, other], page).read_text("utf-8")

    assert "be compared" not in written()
    assert "have different tokenizers" in written(tokenizer="another", fingerprint="another")
    assert "read different corpora" in written(fingerprint="another")


def test_figures_that_are_not_finite_are_null(whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("exported")))
    journal = log.Journal(Run(run))
    journal.write("validation", 8, {"loss": math.nan, "accuracy": 0.0})
    journal.close()
    assert json.loads(Run(run).log.read_text("utf-8").splitlines()[-1], parse_constant=pytest.fail)["loss"] is None
    with Run(run).log.open("a", encoding="utf-8") as file:
        file.write('{"kind": "validation", "step": 8, "loss": NaN}\n')  # as earlier versions did
    assert "Held-out loss" in training.training_curves([run], tmp_path / "curves.html").read_text("utf-8")


def test_a_run_that_cannot_begin_its_log_stops_its_reader(corpus: Path, whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("exported")))
    (run / "log.jsonl").unlink()
    (run / "log.jsonl").mkdir()
    with pytest.raises(InputError, match=r"log\.jsonl: can't be read: .*; move it away, and a run goes on"):
        training.train(corpus, run, config=presets.load("tiny", configure(tmp_path)))
    assert not [thread for thread in threading.enumerate() if thread.name == "reader"]


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
