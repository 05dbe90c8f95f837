"""Texts in CSV files that a spreadsheet would run as formulas."""

import ast
import csv
from pathlib import Path

import pytest

from socorpus.corpus.report import csv_cells
from socorpus.training.evaluation import table
from socorpus.training.evaluation.cell import Cell
from socorpus.training.evaluation.details import LabelScore
from socorpus.training.evaluation.uncertainty import Score

ROOT = Path(__file__).resolve().parents[3]
MADE_UP = ROOT / "corpus" / "sample" / "writer.py"
"""Its texts are ours, and none begins so."""


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-0.5-", "-", "=", "+cmd|' /C calc'!A0"]
)
def test_a_formula_begins_with_an_apostrophe(text: str) -> None:
    assert csv_cells.cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "value", ["-0.5", "+3", "-1e-05", "-.5", -0.5, -3, 0, None, True, "", "a=b", " =1", "'=1", "1-2", "–", "é"]
)
def test_numbers_and_other_texts_stay(value: object) -> None:
    assert csv_cells.cell(value) is value


def test_a_comparison_is_safe_to_open(tmp_path: Path) -> None:
    cell = Cell(
        task="closure",
        data="=cmd",
        system="@SUM(1)",
        scores={"accuracy": {"mean": -0.5}},
        labels={"-x": LabelScore(Score(0.25, 0.0, 0.2, 0.3), 0.5, 0.2, 4, 2)},
    )
    missing = Cell(task="closure", data="=cmd", system="+a", missing="-1+2 is not there")
    table.write_csv(tmp_path / "comparison.csv", [cell, missing])
    with (tmp_path / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["system"] for row in rows] == ["'@SUM(1)", "'@SUM(1)", "'+a"]
    assert {row["data"] for row in rows} == {"'=cmd"} and rows[2]["missing"] == "'-1+2 is not there"
    assert [row["mean"] for row in rows] == ["-0.5", "0.25", ""]


def test_every_writer_of_csv_does_so() -> None:
    for path in (
        path for package in ("corpus", "labeling", "training", "cli") for path in (ROOT / package).rglob("*.py")
    ):
        code = path.read_text("utf-8")
        names = {node.attr for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)}
        if names & {"writerow", "writerows", "to_csv", "CSVWriter"} and path != MADE_UP:
            assert "csv_cells.cell(" in code, path
