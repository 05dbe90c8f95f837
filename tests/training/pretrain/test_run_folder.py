"""What a run's folder keeps, and what `--force` takes from it: nothing before all is settled, and nothing of others."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus.errors import InputError
from socorpus.training import folder_lock, load_config, train
from socorpus.training.pretrain import checkpoint
from socorpus.training.pretrain import run as run_of
from socorpus.training.pretrain.run import Run
from socorpus.training.silent import Silent
from tests.training import runs


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """The run of 8 steps, to be spoilt."""
    return shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("exported"))


def held(folder: Path) -> dict[str, bytes]:
    """The files of a folder but its lock, and what is in them."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != folder_lock.NAME and path.name != folder_lock.NAME
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"preset": "tinyy"}, "preset 'tinyy' is not known"),
        ({"config": "[model]\nlayerz = 3\n"}, "unknown key model.layerz"),
        ({"corpus": "nowhere"}, "no finished corpus"),
        ({"init": "nothing"}, "not on this machine"),
        ({"init": "run"}, "holds the weights that --init names"),
        ({"init": "run/checkpoints/step-000000008"}, "holds the weights that --init names"),
        ({"config": "[parallel]\ntensor = 3\n", "gpus": 3}, r"parallel.tensor \(3\) must divide model.heads \(4\)"),
        ({"config": "[data]\nlanes = 3\n"}, r"data.lanes \(3\) must divide"),
    ],
)
def test_force_deletes_nothing_before_the_new_run_is_settled(
    corpus: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], said: str
) -> None:
    monkeypatch.chdir(copy.parent)
    if "config" in changes:
        Path("train.toml").write_text(changes["config"], "utf-8")
        changes = changes | {"config": "train.toml"}
    before = held(copy)
    with pytest.raises(InputError, match=said):
        train(**{"corpus": corpus, "out": "run", **changes}, force=True)  # type: ignore[arg-type]
    assert held(copy) == before


def test_force_deletes_nothing_of_a_run_that_goes_on(corpus: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_of, "_PATIENCE", 0.0)
    before = held(copy)
    for gpus in (1, 2):
        with (
            folder_lock.held(copy, "training", 0),
            pytest.raises(InputError, match="another process is training in this folder"),
        ):
            train(corpus, copy, "tiny", runs.configure(copy.parent), gpus=gpus, force=True)
    assert held(copy) == before


def test_a_run_that_is_cleared_keeps_only_its_lock(copy: Path) -> None:
    (copy / "exported" / "8").mkdir(parents=True)
    (copy / "exported" / "8" / "export.json").write_text("{}")
    (copy / "notes.txt").write_text("mine")
    run = Run(copy)
    with run.locked():
        run.clear()
        with pytest.raises(InputError, match="another process"), folder_lock.held(copy, "training", 0):
            pass
    assert set(held(copy)) == {"notes.txt"} and {path.name for path in copy.iterdir()} == {
        ".lock",
        ".exported.lock",
        "notes.txt",
    }


def test_a_link_in_a_run_is_not_cleared_through(copy: Path, tmp_path: Path) -> None:
    (copy / "checkpoints").rename(tmp_path / "elsewhere")
    (copy / "checkpoints").symlink_to(tmp_path / "elsewhere")
    before = held(tmp_path)
    with pytest.raises(InputError, match="a link, and nothing is deleted through it"):
        Run(copy).clear()
    assert held(tmp_path) == before


def _of_somebody(folder: Path) -> None:
    for name in ("tokenizer/mine.json", "checkpoints/mine.pt", "wandb/mine", "log.jsonl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"mine": 1}\n')


def _only_a_log(folder: Path) -> None:
    folder.mkdir()
    (folder / "log.jsonl").write_text('{"mine": 1}\n')


def _another_program_s_run(folder: Path) -> None:
    _of_somebody(folder)
    (folder / "run.json").write_text('{"model": "gpt2", "step": 8}')


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("fill", [_of_somebody, _only_a_log, _another_program_s_run])
def test_a_folder_of_something_else_is_left_alone(
    corpus: Path, tmp_path: Path, fill: Callable[[Path], None], force: bool
) -> None:
    fill(tmp_path / "theirs")
    before = held(tmp_path / "theirs")
    with pytest.raises(InputError, match=r"whose place a run needs, and is no run|not what socorpus train writes"):
        train(corpus, tmp_path / "theirs", "tiny", runs.configure(tmp_path), force=force)
    assert held(tmp_path / "theirs") == before


@pytest.mark.parametrize("force", [False, True])
def test_files_of_other_names_are_no_hindrance_and_stay(corpus: Path, tmp_path: Path, force: bool) -> None:
    out = tmp_path / "run"
    out.mkdir()
    for name in ("slurm-1.out", "recipe.toml"):
        (out / name).write_text("mine")
    train(corpus, out, "tiny", runs.configure(tmp_path, 1), force=force)
    if force:
        train(corpus, out, "tiny", runs.configure(tmp_path, 1), force=force)
    assert [(out / name).read_text() for name in ("slurm-1.out", "recipe.toml")] == ["mine", "mine"]


@pytest.mark.parametrize("force", [False, True])
def test_a_corpus_is_no_folder_of_a_run(corpus: Path, tmp_path: Path, force: bool) -> None:
    before = sorted(path.name for path in corpus.iterdir())
    with pytest.raises(InputError, match="a corpus, and no folder for a run"):
        train(corpus, corpus, "tiny", runs.configure(tmp_path), force=force)
    assert sorted(path.name for path in corpus.iterdir()) == before


def test_a_run_without_its_facts_goes_on_nowhere(corpus: Path, copy: Path) -> None:
    (copy / "run.json").unlink()
    before = held(copy)
    with pytest.raises(InputError, match=r"no run\.json, which says of which corpus and model a run is"):
        train(corpus, copy, "tiny", runs.configure(copy.parent))
    assert held(copy) == before


def _changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("[]", "the whole: not an object"),
        ("null", "the whole: not an object"),
        ("{}", "corpus: missing"),
        ("[" * 100_000, "too many levels"),
        ({"data": None}, "data: not an object"),
        ({"tokenizer": 5}, "tokenizer: not a text"),
        ({"corpora": [{}]}, "corpora[0].corpus: missing"),
        ({"step": "8"}, "step: not a whole number"),
    ],
)
def test_facts_that_no_run_writes_are_told(copy: Path, content: str | dict[str, Any], wrong: str) -> None:
    path = copy / "run.json"
    if isinstance(content, str):
        path.write_text(content)
    else:
        _changed(path, **content)
    said = rf"run\.json: damaged, or not what socorpus train writes \({re.escape(wrong)}.*put it back from a copy"
    with pytest.raises(InputError, match=said.replace(re.escape("too many"), ".*too many")):
        Run(copy).facts()


POSITION = [[1, 0, 3, 300]]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"tokens": None}, "tokens: not a whole number"),
        ({"flops": -1.0}, "flops: below 0"),
        ({"step": 6}, "of step 6, and the folder is named 8"),
        ({"cursors": 5}, "cursors: another kind of value"),
        ({"cursors": []}, "cursors: not one of each lane"),
        ({"cursors": None, "lanes": None}, "lanes: not a whole number"),
        ({"cursors": [POSITION], "lanes": 2}, "cursors: not one of each lane"),
        ({"cursors": [POSITION, [[1, 0, 3]]], "lanes": 2}, "cursors: not two or four numbers"),
        ({"cursors": [[]], "lanes": 1}, "cursors: not two or four numbers"),
        ({"cursors": [[[-1, 0, 3, 300]]], "lanes": 1}, "cursors: below 0"),
    ],
)
def test_a_state_that_no_run_writes_is_told(copy: Path, changes: dict[str, Any], wrong: str) -> None:
    last = copy / "checkpoints/step-000000008"
    _changed(last / "state.json", **changes)
    with pytest.raises(
        InputError, match=f"a damaged checkpoint .state.json: {wrong}.*; delete {last.name}, and step-0000"
    ):
        checkpoint.listed(copy / "checkpoints")
    shutil.rmtree(copy / "checkpoints/step-000000006")
    with pytest.raises(InputError, match="there is no checkpoint before it"):
        checkpoint.listed(copy / "checkpoints")


def test_a_file_that_a_checkpoint_lacks_is_told_with_the_one_before(corpus: Path, copy: Path) -> None:
    (copy / "checkpoints/step-000000008/.metadata").unlink()
    with pytest.raises(
        InputError, match=r"\.metadata: is missing.*; delete step-000000008, and step-000000006 is used"
    ):
        train(corpus, copy, "tiny", runs.configure(copy.parent, 10))


def test_positions_in_another_number_of_corpora_are_told(corpus: Path, copy: Path) -> None:
    path = copy / "checkpoints/step-000000008/state.json"
    cursors = json.loads(path.read_text())["cursors"]
    _changed(path, cursors=[position * 2 for position in cursors])
    with pytest.raises(InputError, match="not a checkpoint of this run, which reads 1 corpora"):
        train(corpus, copy, "tiny", runs.configure(copy.parent, 10))


class Said(Silent):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def says(self, sentence: str) -> None:
        self.sentences.append(sentence)


def test_a_run_goes_on_with_the_other_optimizer(corpus: Path, copy: Path) -> None:
    for steps, name in ((9, "adamw"), (10, "muon")):
        show = Said()
        config = runs.configure(copy.parent, steps, validation=0, more=f"[optimizer]\nname = '{name}'")
        facts = train(corpus, copy, "tiny", config, show=show)
        assert facts["step"] == steps and f"optimizer.name is {name} now" in " ".join(show.sentences)
    show = Said()
    train(corpus, copy, "tiny", runs.configure(copy.parent, 11, validation=0), show=show)
    assert show.sentences == []
    assert all(line["loss"] < 7 for line in runs.log(copy))


def test_lanes_are_kept_and_written_as_they_are(corpus: Path, copy: Path) -> None:
    lanes = json.loads((copy / "checkpoints/step-000000008/state.json").read_text())["lanes"]
    show, other = Said(), 1 if lanes > 1 else 2
    config = runs.configure(copy.parent, 9, validation=0, more=f"[data]\nlanes = {other}")
    train(corpus, copy, "tiny", config, show=show)
    assert f"data.lanes stays {lanes}, not {other}" in " ".join(show.sentences)
    assert f"lanes = {lanes}\n" in (copy / "run.toml").read_text()
    with pytest.raises(InputError, match=rf"batch.tokens must be a multiple of {lanes * 128:,}, and is 128$"):
        train(corpus, copy, "tiny", load_config("tiny", config, {"batch": {"tokens": 128, "micro_tokens": 128}}))


@pytest.mark.parametrize("gpus", [1, 2])
def test_force_trains_anew(corpus: Path, copy: Path, gpus: int) -> None:
    """With the configuration that is in the folder, which goes; what the run did not write stays."""
    (copy / "exported" / "8").mkdir(parents=True)
    (copy / "notes.txt").write_text("mine")
    short = {"schedule": {"tokens": 2048}, "validation": {"steps": 0}}
    train(corpus, copy, config=load_config(path=copy / "run.toml", overrides=short), gpus=gpus, force=True)
    assert not (copy / "exported").exists() and (copy / "notes.txt").read_text() == "mine"
    assert [line["step"] for line in runs.log(copy)] == [1]
    assert [path.name for path in (copy / "checkpoints").iterdir()] == ["step-000000001"]
    assert json.loads((copy / "run.json").read_text())["step"] == 1
