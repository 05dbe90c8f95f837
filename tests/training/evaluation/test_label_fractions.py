"""Learning curves: shares of the labels, drawn anew for each seed; areas, and labels that are enough."""

import csv
import json
from dataclasses import replace
from math import log
from pathlib import Path

import pytest

from socorpus.corpus.errors import InputError
from socorpus.training.evaluation import compare, label_fractions, systems
from socorpus.training.evaluation.cell import Cell
from socorpus.training.evaluation.compare import ComparisonPlan
from socorpus.training.evaluation.label_fractions import Point
from socorpus.training.evaluation.uncertainty import Score
from socorpus.training.examples import metrics
from socorpus.training.finetuning.settings import FinetuneSettings
from tests.training import tiny_models
from tests.training.tiny_models import Quiet

DATA = tiny_models.texts((400, 120, 40))


def test_each_seed_has_a_draw_of_its_own_that_holds_its_smaller_ones() -> None:
    whole, half, quarter = label_fractions.points(DATA, (0.25, 0.5, 1.0), (3, 4))
    assert whole.draws == ((DATA, (3, 4)),) and whole.data is DATA
    assert (half.share, half.of, half.data.name) == (0.5, "toy", "toy, 50% of the labels")
    assert [seeds for _, seeds in half.draws] == [(3,), (4,)]
    keys = [{example.key for example in data.splits["train"]} for data, _ in half.draws]
    smaller = [{example.key for example in data.splits["train"]} for data, _ in quarter.draws]
    assert [len(some) for some in (*keys, *smaller)] == [200, 200, 100, 100]
    assert keys[0] != keys[1] and all(few < many for few, many in zip(smaller, keys, strict=True))
    for data, _ in half.draws:
        # Choices are made with fewer labels, too; the test split is that of all.
        assert len(data.splits["validation"]) == 60 and data.splits["test"] is DATA.splits["test"]
    assert len({data.name for point in (whole, half, quarter) for data, _ in point.draws}) == 5
    assert (
        "200 of 400 training examples and 60 of 120 validation examples, drawn anew for each of 2 seeds"
        in half.data.notes
    )


def test_no_share_has_fewer_examples_than_can_teach() -> None:
    sizes = [len(point.data.splits["train"]) for point in label_fractions.points(DATA, (0.01, 0.05, 0.1, 0.5), (0,))]
    assert sizes == [400, 200, 50]  # 1% and 5% would be 50 as well
    small = tiny_models.texts((40, 10, 10))
    assert len(label_fractions.points(small, (0.1, 0.5), (0,))) == 1
    for share in (0.0, -0.1, 1.5, float("nan")):
        with pytest.raises(InputError, match="shares lie above 0, and are 1 at most"):
            label_fractions.points(DATA, (share,), (0,))


def curved(**means: tuple[float | None, ...]) -> dict[str, label_fractions.Curve]:
    """Curves of systems with these scores with 100, 200 and 400 of 400 labels; None where it is missing."""
    points = label_fractions.points(DATA, (0.25, 0.5), (0,))
    columns: list[tuple[Point, list[Cell]]] = []
    for point in points:
        place = (0.25, 0.5, 1.0).index(point.share)
        cells = []
        for name, values in means.items():
            cell = Cell(name, "quality", point.data.name)
            if (value := values[place]) is not None:
                cell.scores = {"macro_f1": Score(value, 0.0, value, value)}
            cells.append(cell)
        columns.append((point, cells))
    return {curve.system: curve for curve in label_fractions.curves(columns)}


def test_areas_and_labels_that_are_enough_are_those_by_hand() -> None:
    curves = curved(good=(0.6, 0.7, 0.9), flat=(0.7, 0.7, 0.7), poor=(0.1, 0.2, 0.3))
    assert list(curves) == ["good", "flat", "poor"]
    good, flat, poor = curves.values()
    assert good.labels == (100, 200, 400) and [score.mean for score in good.scores] == [0.6, 0.7, 0.9]
    # Steps of one doubling each: the trapezoids' mean.
    assert good.area == pytest.approx((0.65 + 0.8) / 2) and flat.area == pytest.approx(0.7)
    # It has what the flat one has with half of the labels, and what the poor one has with the fewest.
    assert good.reached == {"flat": pytest.approx(0.5), "poor": pytest.approx(0.25)}
    assert flat.reached == {"poor": pytest.approx(0.25)} and poor.reached == {}
    # Between two points by a straight line over the logarithm: 0.8 is half way from 200 to 400.
    (first, _) = curved(good=(0.6, 0.7, 0.9), other=(0.5, 0.6, 0.8)).values()
    assert first.reached["other"] == pytest.approx(2**0.5 / 2) and log(first.reached["other"]) < 0


def test_a_curve_that_lacks_a_point_has_no_area() -> None:
    curves = curved(whole=(0.6, 0.7, 0.9), gap=(0.5, None, 0.8), endless=(0.1, 0.2, None), low=(0.0, 0.1, 0.2))
    assert curves["gap"].area is None and curves["gap"].labels == (100, 400)
    assert curves["endless"].area is None and "endless" not in curves["whole"].reached
    assert curves["whole"].reached["gap"] == pytest.approx(2**0.5 / 2)
    # It has with half of all labels what `low` has with all, and no share is of the labels that it was run with.
    assert curves["endless"].reached == {"low": pytest.approx(0.5)}


def test_systems_are_compared_on_each_share_and_resume(tmp_path: Path) -> None:
    bert = tiny_models.model(tmp_path / "bert")
    named = systems.chosen(["majority", "TF-IDF", f"Bert={bert}"])
    settings = FinetuneSettings(epochs=2, batch=8, seeds=(0, 1), rate=5e-3)
    data = tiny_models.texts((200, 32, 48))
    plan = ComparisonPlan([data], named, settings, shares=(0.3,))
    cells = compare.compare(plan, tmp_path / "out", Quiet())
    by = {(cell.data, cell.system): cell for cell in cells}
    part = "toy, 30% of the labels"
    assert list(by) == [(name, system.name) for name in ("toy", part) for system in named]
    assert not [cell.missing for cell in cells if cell.missing]
    # With all labels a system without seeds has one run; with a share, one for each draw.
    assert [by[name, "TF-IDF"].seeds for name in ("toy", part)] == [1, 2]
    assert [by[name, "Bert"].seeds for name in ("toy", part)] == [2, 2]
    assert by["toy", "TF-IDF"].scores["macro_f1"].mean > 0.9
    facts = json.loads((tmp_path / "out/comparison.json").read_text("utf-8"))
    assert [(of["name"], of["share"], of["counts"]["train"]) for of in facts["data"]] == [
        ("toy", 1, 200),
        (part, 0.3, 60),
    ]
    curves = {curve["system"]: curve for curve in facts["curves"]}
    assert curves["TF-IDF"]["labels"] == [60, 200] and set(curves) == {system.name for system in named}
    with (tmp_path / "out/curves.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["system"] == "Bert"]
    assert [float(row["mean"]) for row in rows] == [by[name, "Bert"].scores["macro_f1"].mean for name in (part, "toy")]
    page = (tmp_path / "out/comparison.html").read_text("utf-8")
    assert "what labels are worth" in page and "Labels that are enough" in page
    again = Quiet()
    assert compare.compare(plan, tmp_path / "out", again) == cells and not again.steps
    # The whole data's cells are those of a comparison without shares.
    assert compare.compare(replace(plan, shares=()), tmp_path / "out", Quiet()) == cells[: len(named)]
    assert metrics.main(data.task) == "macro_f1"
