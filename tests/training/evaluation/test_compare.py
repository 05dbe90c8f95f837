"""The comparison: every kind of system on equal examples, what is missing told, nothing computed twice."""

import csv
import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from socorpus.corpus.errors import InputError
from socorpus.training.evaluation import cell, compare, systems
from socorpus.training.evaluation.compare import Asking, ComparisonPlan
from socorpus.training.evaluation.systems import OPENAI, System
from socorpus.training.examples import metrics
from socorpus.training.finetuning.settings import FinetuneSettings
from tests.training import tiny_models
from tests.training.endpoint_server import scripted
from tests.training.tiny_models import Quiet

SETTINGS = FinetuneSettings(epochs=4, batch=8, seeds=(0, 1), rate=5e-3)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {kind: tiny_models.model(root / kind, kind) for kind in tiny_models.CONFIGS}


def test_every_kind_of_system_has_a_row(
    tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    named = ["audits", *(f"{kind}={folder}" for kind, folder in models.items()), "GPT=chat:gpt-4", "nobody/nothing"]
    plan = ComparisonPlan([tiny_models.texts(), tiny_models.spans()], systems.chosen(named), SETTINGS, price=3.6)
    show = Quiet()
    cells = compare.compare(plan, tmp_path / "out", show)
    assert [(one.task, one.system) for one in cells] == [
        (data.task.name, one.name) for data in plan.data for one in plan.systems if systems.fits(one, data.task)
    ]
    by = {(one.task, one.system): one for one in cells}
    for task in ("quality", "entities"):
        # Paid by no one, so not asked; not on this machine, so not compared; and nothing stands in their place.
        gpt, nothing = by[task, "GPT"], by[task, "nothing"]
        assert gpt.missing and "limit" in gpt.missing and not gpt.scores
        assert nothing.missing and "--download" in nothing.missing and not nothing.scores
        assert "A system is one of majority, " in nothing.missing
        assert sum(one.best for one in cells if one.task == task) == 1
        main = metrics.main(next(data.task for data in plan.data if data.task.name == task))
        bert = by[task, "Bert"]
        assert bert.scores[main].mean > by[task, "majority"].scores[main].mean
        assert bert.scores[main].low <= bert.scores[main].mean <= bert.scores[main].high
        assert bert.seeds == 2 and bert.parameters and bert.train_dollars == pytest.approx(bert.train_seconds / 1000)
        best = next(one for one in cells if one.task == task and one.best)
        assert best.group == "a" and "a" not in by[task, "majority"].group
        beaten, other = best.differences["majority"], by[task, "majority"].differences[best.system]
        assert beaten.holm < 0.05 and beaten.low > 0 and (other.mean, other.holm) == (-beaten.mean, beaten.holm)
        assert not any("one seed" in note for note in bert.notes)
    # What says "plz" is told by its words, and not by how long it is.
    assert by["quality", "TF-IDF"].scores["macro_f1"].mean > 0.9
    assert by["quality", "majority"].scores["accuracy"].mean == pytest.approx(0.5)
    assert by["entities", "TF-IDF"].scores["span_f1"].mean > 0.9

    with (tmp_path / "out/comparison.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["system"] for row in rows} == {one.name for one in plan.systems}
    told = next(row for row in rows if row["system"] == "Bert" and row["metric"] == "macro_f1")
    assert float(told["mean"]) == by["quality", "Bert"].scores["macro_f1"].mean
    page = (tmp_path / "out/comparison.html").read_text("utf-8")
    for part in ("nothing was not compared", "F1 by label", "macro F1", "How to read this", "made up"):
        assert part in page
    for part in ("Differences between systems", "Reliability of TF-IDF", "Confusion", "Slices left out: "):
        assert part in page
    bert = by["quality", "Bert"]
    assert bert.calibration is not None and sum(some.count for some in bert.calibration.bins) == 2 * 48
    assert bert.confusion is not None and np.sum(bert.confusion.counts) == 48
    with (tmp_path / "out/details.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["task"], row["system"]) == ("quality", "Bert")]
    assert {row["part"] for row in rows} == {"label", "calibration", "confusion"}
    assert float(next(row["mean"] for row in rows if row["metric"] == "ece")) == bert.calibration.error
    with (tmp_path / "out/differences.csv").open(encoding="utf-8") as file:
        pairs = [row for row in csv.DictReader(file) if row["task"] == "quality"]
    scored = [cell for cell in cells if cell.task == "quality" and cell.scores]
    assert len(pairs) == len(scored) * (len(scored) - 1) / 2 and all(float(row["mean"]) >= 0 for row in pairs)
    known = ("http-equiv", 'xmlns="http://www.w3.org/2000/svg"', OPENAI)
    assert "http" not in functools.reduce(lambda text, name: text.replace(name, ""), known, page)

    again = Quiet()
    assert compare.compare(plan, tmp_path / "out", again) == cells and not again.steps
    # Other examples are another work.
    other = replace(plan, data=[tiny_models.texts(seed=1)], systems=plan.systems[:1])
    facts = json.loads((tmp_path / "out/comparison.json").read_text("utf-8"))
    assert len(facts["cells"]) == len(cells)
    assert compare.compare(other, tmp_path / "out", Quiet())[0].scores


def test_an_endpoint_has_a_row_and_is_paid_once(tmp_path: Path) -> None:
    def answer(_: int, body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        poor = "plz" in asked or "urgent" in asked
        return json.dumps({"label": "LQ" if poor else "HQ", "confidence": 0.9})

    with scripted(answer) as server:
        named = systems.chosen(["majority", f"GPT=chat:gpt-4@{server.url}?shots=2"])
        paid = Asking(prices={"gpt-4": (30.0, 60.0)}, limit=5.0)
        plan = ComparisonPlan([tiny_models.texts()], named, SETTINGS, paid)
        (*_, gpt) = compare.compare(plan, tmp_path, Quiet())
        assert gpt.scores["macro_f1"].mean == 1.0 and gpt.best
        assert gpt.thousand_dollars and gpt.thousand_seconds and gpt.train_dollars is None
        asked = len(server.bodies)
        assert compare.compare(plan, tmp_path, Quiet())[-1] == gpt and len(server.bodies) == asked
        # Who gave no limit is told the cost, and asked for one.
        told: list[str] = []

        def ask(sentence: str) -> float:
            told.append(sentence)
            return 5.0

        free = replace(plan, data=[tiny_models.texts(seed=3)], asking=replace(paid, limit=None, ask=ask))
        assert compare.compare(free, tmp_path, Quiet())[-1].best and "48 requests" in told[0] and "$" in told[0]
        assert compare.compare(free, tmp_path, Quiet())[-1].best and len(told) == 1
        asked = len(server.bodies)
        # Too little money: nothing is sent, and the row says so.
        other = replace(plan, data=[tiny_models.texts(seed=7)], asking=replace(paid, limit=0.001))
        (*_, poor) = compare.compare(other, tmp_path, Quiet())
        assert poor.missing and "limit" in poor.missing and len(server.bodies) == asked


def test_fewer_test_examples_are_drawn_alike_for_all(tmp_path: Path) -> None:
    plan = ComparisonPlan([tiny_models.texts()], systems.chosen(["audits"]), SETTINGS, most_test=20)
    cells = compare.compare(plan, tmp_path, Quiet())
    facts = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    assert all(one.scores for one in cells)
    assert "20 of 48 test examples were drawn" in facts["data"][0]["notes"]


def test_systems_whose_names_clean_alike_have_cells_of_their_own(tmp_path: Path) -> None:
    folders = {cell.folder_name(name) for name in ("GPT, 4", "GPT 4", "GPT-4", "GPT:4", "..", "")}
    assert len(folders) == 6 and "GPT-4" in folders
    assert all((tmp_path / one).resolve().parent == tmp_path for one in folders)


def test_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to compare"):
        compare.compare(ComparisonPlan([], systems.chosen(["audits"])), tmp_path, Quiet())
    with pytest.raises(InputError, match="two sets of examples are called 'toy'"):
        compare.compare(
            ComparisonPlan([tiny_models.texts(), tiny_models.texts(seed=1)], systems.chosen(["audits"])),
            tmp_path,
            Quiet(),
        )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("some/folder", System("folder", "model", "some/folder")),
        ("Mine=some/folder", System("Mine", "model", "some/folder")),
        ("Mine=some/a=b", System("Mine", "model", "some/a=b")),
        ("scratch:some/folder", System("folder", "model", "scratch:some/folder")),
        ("Anew=scratch:some/folder", System("Anew", "model", "scratch:some/folder")),
        ("org/name", System("name", "model", "org/name")),
        ("chat:gpt-4", System("gpt-4", "chat", "gpt-4")),
        ("chat:gpt-4?shots=4", System("gpt-4, 4 shots", "chat", "gpt-4", shots=4)),
        ("GPT=chat:m@http://127.0.0.1:1/v1?shots=2", System("GPT", "chat", "m", "http://127.0.0.1:1/v1", 2)),
        ("chat:m@http://127.0.0.1:1/v1", System("m", "chat", "m", "http://127.0.0.1:1/v1")),
    ],
)
def test_systems_are_read(text: str, wanted: System) -> None:
    assert systems.parse(text) == [wanted]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("audit", "audits"),
        ("Majorty", "majority"),
        ("length_only", "length only"),
        ("SOBertBas", "mmukh/SOBertBase"),
        ("sobertbase", "mmukh/SOBertBase"),
        ("answerdotai/ModernBERT-bse", "answerdotai/ModernBERT-base"),
        ("scratch:modernbert-base", "answerdotai/ModernBERT-base"),
        ("runs/modern-bas", "runs/modern-base"),
    ],
)
def test_a_system_that_is_not_known_gets_the_nearest_one(text: str, meant: str) -> None:
    assert systems.suggestion(text).startswith(f"did you mean {meant}? A system is one of majority, ")


def test_a_system_like_no_other_gets_all_that_can_be_named() -> None:
    said = systems.suggestion("xyz")
    assert said.startswith("A system is one of majority, ")
    for part in ("TF-IDF", "audits, paper", "--plugin", "the folder of a run or of a model", "hub", "chat:MODEL"):
        assert part in said


def test_systems_that_are_none_are_refused_and_a_later_name_wins() -> None:
    for text in ("chat:", "Name=", "chat:m?shots=many"):
        with pytest.raises(InputError, match="system"):
            systems.parse(text)
    found = systems.chosen(["paper", "BERTBase=here"])
    assert [one.what for one in found if one.name == "BERTBase"] == ["here"]
    names = [one.name for one in found]
    audits = ["majority", "markup only", "length only", "tags only", "TF-IDF"]
    assert names[: len(audits)] == audits
    for name in (
        "SOBertBase",
        "SOBertLarge",
        "BERTOverflow",
        "BERTLarge",
        "GPT-3.5",
        "GPT-4",
        "CodeLlama",
        "StackLlama",
    ):
        assert name in names
    assert Asking().limit is None
