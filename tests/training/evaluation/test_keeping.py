"""What a comparison keeps: no result of other data, none lost to another fault, none computed by two at once."""

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus.errors import InputError
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training import folder_lock
from socorpus.training.evaluation import cell, compare, label_fractions, systems
from socorpus.training.evaluation.cell import Budget, Cell
from socorpus.training.evaluation.compare import ComparisonPlan
from socorpus.training.examples import readers
from socorpus.training.examples.example import Data, Example
from socorpus.training.finetuning.settings import FinetuneSettings
from tests.our_tasks import QUALITY
from tests.training import tiny_models
from tests.training.tiny_models import Quiet

SETTINGS = FinetuneSettings(epochs=1, seeds=(0,))
PLAIN = ["majority", "length only"]


def test_all_that_a_system_may_see_is_part_of_the_identity() -> None:
    example = Example("k", "t", "text")
    others: dict[str, Any] = {
        "key": "l",
        "thread": "u",
        "text": "other",
        "title": "title",
        "created": 7,
        "tags": ("python",),
        "kinds": (("prose", 0, 4),),
        "languages": ("python",),
        "words": ((0, 4),),
        "label": 1,
        "probabilities": (0.5, 0.5),
        "spans": ((Span(0, 4, "Language"), 1.0),),
        "source": "person",
    }
    assert set(others) == {field.name for field in dataclasses.fields(Example)}

    def identity(given: Example) -> str:
        return Data(QUALITY, "toy", {"train": [given], "validation": [], "test": []}).identity

    identities = {identity(replace(example, **{name: value})) for name, value in others.items()}
    assert len(identities | {identity(example)}) == len(others) + 1


def _plan(**more: Any) -> ComparisonPlan:
    return ComparisonPlan([tiny_models.texts()], systems.chosen(PLAIN), SETTINGS, **more)


def _scores(cells: list[Cell]) -> list[Any]:
    return [each.scores for each in cells]


def test_a_bug_in_one_system_leaves_the_others_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compare.compare(_plan(), tmp_path / "whole", Quiet())
    defined = compare._RUNS["defined"]

    def fails(system: systems.System, *given: Any) -> Any:
        if system.name == "majority":
            raise ZeroDivisionError("by nought")
        return defined(system, *given)

    monkeypatch.setitem(compare._RUNS, "defined", fails)
    first, second = compare.compare(_plan(), tmp_path / "out", Quiet())
    assert (
        first.missing is not None and "ZeroDivisionError: by nought" in first.missing and "error.txt" in first.missing
    )
    assert "by nought" in next((tmp_path / "out").rglob("error.txt")).read_text("utf-8")
    assert second.scores == whole[1].scores

    def full(*_: Any) -> Any:
        raise OSError(28, os.strerror(28), "somewhere")

    monkeypatch.setitem(compare._RUNS, "defined", full)
    with pytest.raises(OSError, match="No space"):
        compare.compare(_plan(), tmp_path / "full", Quiet())


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a list": lambda folder: (folder / "done.json").write_text("[]"),
    "of another release": lambda folder: (folder / "done.json").write_text(
        json.dumps({"identity": json.loads((folder / "done.json").read_text())["identity"][:-1] + "x"})
    ),
    "cut": lambda folder: (folder / "done.json").write_text('{"identity": "'),
    "predictions cut": lambda folder: (folder / "test.parquet").write_bytes(
        (folder / "test.parquet").read_bytes()[:100]
    ),
    "predictions gone": lambda folder: (folder / "test.parquet").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_is_computed_again(damage: str, tmp_path: Path) -> None:
    plan = _plan()
    whole = compare.compare(plan, tmp_path, Quiet())
    DAMAGES[damage](cell.folder(tmp_path, "majority", plan.data[0].task.name, plan.data[0].name))
    assert _scores(compare.compare(plan, tmp_path, Quiet())) == _scores(whole)


def test_one_process_at_a_time_compares_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "_PATIENCE", 0.3)
    with folder_lock.held(tmp_path, "comparing", 0), pytest.raises(InputError, match="another process is comparing"):
        compare.compare(_plan(), tmp_path, Quiet())


def test_what_means_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"choose_at 0.25 .* needs choose"):
        compare.compare(_plan(choose_at=0.25), tmp_path, Quiet())
    data = tiny_models.texts()
    only = replace(data.task, meanings={"HQ": "a good question"})
    with pytest.raises(InputError, match="all examples have one label, HQ"):
        compare.compare(replace(_plan(), data=[replace(data, task=only)]), tmp_path, Quiet())
    for wrong, meant in (("frozzen:model", "mean frozen:model"), ("joined:weak:model", "joined: stands before")):
        with pytest.raises(InputError, match=meant):
            systems.chosen([wrong])
    with pytest.raises(InputError, match="both called 'tiny': write NAME="):
        systems.chosen(["one/runs/tiny", "other/runs/tiny"])


def test_a_share_says_what_it_is_and_its_budget_is_of_all_draws() -> None:
    data = tiny_models.texts()
    train = len(data.splits["train"])
    (_, few) = label_fractions.points(data, (0.05,), (0, 1))
    assert few.share == pytest.approx(label_fractions.LEAST / train) and "5% of the labels" not in few.data.name
    assert any("(5% would be fewer than 50)" in note for note in few.data.notes)
    drawn = [
        Cell(
            "TF-IDF",
            "quality",
            "toy",
            budget=Budget(6, 6, seconds=1.0, chosen=chosen),
            notes=[chosen],
            train_seconds=2.0,
        )
        for chosen in ("C = 1", "C = 10", "C = 1")
    ]
    merged = label_fractions.merged(drawn, few)
    assert merged.budget == Budget(6, 18, seconds=3.0, chosen="C = 1 (in 2 of 3 draws); C = 10 (in 1 of 3 draws)")
    assert merged.notes == ["C = 1 (in 2 of 3 draws)", "C = 10 (in 1 of 3 draws)"] and merged.train_seconds == 2.0


def test_a_thread_lies_in_one_split() -> None:
    examples = [Example(f"k{number}", f"t{number // 7}", "text", created=number) for number in range(100)]
    examples += [Example(f"late{number}", "t0", "text", created=1_000 + number) for number in range(30)]
    splits = readers.by_time(examples)
    of = {split: {each.thread for each in some} for split, some in splits.items()}
    assert sum(map(len, splits.values())) == 130 and all(of.values())
    assert not of["train"] & of["test"] and not of["train"] & of["validation"] and not of["validation"] & of["test"]
    # A thread is as old as its first example.
    assert "t0" in of["train"]


def test_a_page_says_whether_the_comparison_has_ended(tmp_path: Path) -> None:
    class Stops(Quiet):
        def cell(self, system: str, task: str, data: str) -> None:
            if task == "entities":
                raise KeyboardInterrupt

    plan = replace(_plan(), data=[tiny_models.texts(), tiny_models.spans()])
    with pytest.raises(KeyboardInterrupt):
        compare.compare(plan, tmp_path, Stops())
    page = tmp_path / "comparison.html"
    assert (
        "not finished" in page.read_text("utf-8")
        and not json.loads((tmp_path / "comparison.json").read_text())["finished"]
    )
    compare.compare(plan, tmp_path, Quiet())
    assert (
        "not finished" not in page.read_text("utf-8")
        and json.loads((tmp_path / "comparison.json").read_text())["finished"]
    )


def test_little_to_go_by_is_said(tmp_path: Path) -> None:
    data = tiny_models.texts()
    few = [replace(each, thread="t") for each in data.splits["test"][:8]]
    cells = compare.compare(
        replace(_plan(), data=[replace(data, splits={**data.splits, "test": few})]), tmp_path, Quiet()
    )
    for each in cells:
        assert any("one thread" in note for note in each.notes) and any("fewer than 100" in note for note in each.notes)
