"""A comparison as a table on the screen, as CSV, and as a page that opens offline."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.report import csv_cells
from socorpus.corpus.storage.files import atomic
from socorpus.training.evaluation.cell import Cell
from socorpus.training.evaluation.label_fractions import Curve

TITLES = {
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "log_loss": "log loss",
    "span_f1": "span F1",
    "precision": "precision",
    "recall": "recall",
}
HEAD = ("size", "seeds", "group", "train", "train $", "1,000", "1,000 $")
"""Columns after the metrics."""
TAUGHT = {"weak_labels": "weak labels", "own_labels": "own labels"}
"""Columns of tables with a system that learns from a corpus."""
EXPLAINED = (
    "Scores are means over seeds on the test split, in brackets their 95% interval over threads and seeds together; ± "
    "is the standard deviation over seeds. Systems that share a letter of the column group are not told apart on this "
    "data, which does not say that they are equal; those without a common letter differ, at 5% for all pairs of the "
    "table together (Holm). The highest score is bold, or marked *. Macro F1 is "
    "the mean over the labels that the test split has, log loss is in nats, spans count where start, end and type are "
    "right. Size is the number of parameters. Costs are of this machine or endpoint, for one seed's training and for "
    "1,000 texts; a dash is an unknown price, which --price sets. The score that a system reaches from only markup, "
    "length or tags shows no skill of a model."
)


@dataclass(frozen=True)
class TaskTable:
    """The comparison on one task, for the terminal.

    Attributes:
        head: the task with its data, metrics, costs.
        rows: one per system, the best marked with *.
        missing: sentences about the systems that could not run.
    """

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    missing: list[str]


def tables(cells: Sequence[Cell]) -> list[TaskTable]:
    """The tables of a comparison, one per task: the main metric with its interval, the others as means."""
    columns: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        columns.setdefault((cell.task, cell.data), []).append(asdict(cell))
    return [_table(f"{task} ({data})", column) for (task, data), column in columns.items()]


def _table(title: str, column: Sequence[Mapping[str, Any]]) -> TaskTable:
    scored = [cell for cell in column if cell["scores"]]
    metrics, taught_by = list(scored[0]["scores"]) if scored else [], taught_columns(scored)
    rows = []
    for cell in scored:
        figures = [score(cell["scores"][name]) for name in metrics[:1]]
        figures += [f"{cell['scores'][name]['mean']:.3f}" for name in metrics[1:]]
        figures += taught(cell, taught_by)
        rows.append((cell["system"] + (" *" if cell["best"] else ""), *figures, *costs(cell)))
    missing = [f"{cell['system']} was not compared: {cell['missing']}" for cell in column if cell["missing"]]
    heads = (title, *(TITLES[name] for name in metrics), *(TAUGHT[name] for name in taught_by), *HEAD)
    return TaskTable(heads, rows, missing)


def taught_columns(column: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which columns of `TAUGHT` a table has."""
    return [name for name in TAUGHT if any(cell[name] is not None for cell in column)]


def taught(cell: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Figures of some columns of `TAUGHT`."""
    return ["–" if cell[name] is None else f"{cell[name]:,.0f}" for name in names]


def score(figures: Mapping[str, Any]) -> str:
    """A score with its interval: 0.712 [0.680, 0.741] ±0.004."""
    spread = f"\u00a0±{figures['spread']:.3f}" if figures["spread"] else ""
    return f"{figures['mean']:.3f}\u00a0[{figures['low']:.3f},\u00a0{figures['high']:.3f}]{spread}"


def costs(cell: Mapping[str, Any]) -> list[str]:
    """The columns of `HEAD`."""
    parameters = cell["parameters"]
    return [
        "–" if parameters is None else _parameters(parameters),
        str(cell["seeds"]),
        cell["group"],
        duration(cell["train_seconds"]),
        _dollars(cell["train_dollars"]),
        duration(cell["thousand_seconds"]),
        _dollars(cell["thousand_dollars"]),
    ]


def _parameters(count: int) -> str:
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)


def duration(value: float | None) -> str:
    """Seconds in words; a dash where they are not known."""
    if value is None:
        return "–"
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min" if value < 6000 else f"{value / 3600:.1f} h"


def _dollars(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}" if value < 0.1 else f"{value:,.2f}"


def write_csv(path: Path, cells: Sequence[Cell]) -> None:
    """One row per system, task and metric; a missing system has one row with the reason.

    Texts that a spreadsheet would run begin with an apostrophe (`csv_cells.cell`).
    """
    columns = ("task", "data", "system", "metric", "mean", "spread", "low", "high", "best", "group", "parameters")
    more = ("seeds", "weak_labels", "own_labels", "configurations", "choice_runs", "choice_passes", "choice_seconds")
    costs = ("train_seconds", "train_dollars", "thousand_seconds", "thousand_dollars", "device", "missing")
    rows = []
    for cell in cells:
        facts = asdict(cell)
        budget = facts["budget"] or {}
        facts |= {"configurations": budget.get("configurations")}
        facts |= {f"choice_{name}": budget.get(name) for name in ("runs", "passes", "seconds")}
        labels = {f"f1:{label}": figures["f1"] for label, figures in facts["labels"].items()}
        rows += [
            facts | {"metric": metric} | dict(value)
            for metric, value in {**facts["scores"], **labels}.items() or [("", {})]
        ]
    _write_rows(path, [*columns, *more, *costs], rows)


def write_differences(path: Path, cells: Sequence[Cell]) -> None:
    """One row per pair of systems of a table, the one with the higher main score first."""
    columns = ("task", "data", "system", "other", "mean", "low", "high", "p", "holm")
    rows = [
        {"task": cell.task, "data": cell.data, "system": cell.system, "other": other} | asdict(difference)
        for cell in cells
        for other, difference in cell.differences.items()
        if difference.mean > 0 or (difference.mean == 0 and cell.system < other)
    ]
    _write_rows(path, columns, rows)


def write_details(path: Path, cells: Sequence[Cell]) -> None:
    """What stands behind the scores, in rows of one form: labels, slices, calibration, confusion.

    Columns: `part` is one of these four; `kind` is that of a slice; `name` the label, the slice, the bin of confidence,
    or the true label of a confusion; `other` what was said of it; `count` texts, spans or predictions.
    """
    rows = []
    for cell in cells:
        base = {"task": cell.task, "data": cell.data, "system": cell.system}
        for label, figures in cell.labels.items():
            rows.append(
                {**base, "part": "label", "name": label, "metric": "f1", "count": figures.true} | asdict(figures.f1)
            )
            for metric, value in (("precision", figures.precision), ("recall", figures.recall)):
                rows.append({**base, "part": "label", "name": label, "metric": metric, "mean": value})
        for kind, named in cell.slices.items():
            rows += [
                {**base, "part": "slice", "kind": kind, "name": name, "metric": next(iter(cell.scores))}
                | {"count": part.examples, "threads": part.threads}
                | asdict(part.score)
                for name, part in named.items()
            ]
        if cell.calibration is not None:
            rows.append({**base, "part": "calibration", "metric": "ece", "mean": cell.calibration.error})
            rows += [
                {**base, "part": "calibration", "name": f"{some.low:g} to {some.high:g}", "count": some.count}
                | {"metric": "right", "mean": some.right, "confidence": some.confidence}
                for some in cell.calibration.bins
            ]
        if cell.confusion is not None:
            rows += [
                {**base, "part": "confusion", "name": true, "other": predicted, "count": count}
                for true, counts in zip(cell.confusion.true, cell.confusion.counts, strict=True)
                for predicted, count in zip(cell.confusion.predicted, counts, strict=True)
            ]
    columns = ("task", "data", "system", "part", "kind", "name", "other", "metric", "mean", "spread", "low", "high")
    _write_rows(path, (*columns, "confidence", "count", "threads"), rows)


def write_curves(path: Path, curves: Sequence[Curve]) -> None:
    """One row per system and number of labels."""
    rows = [
        {"task": curve.task, "data": curve.data, "system": curve.system, "labels": labels, "share": share}
        | {"area": curve.area}
        | asdict(score)
        for curve in curves
        for labels, share, score in zip(curve.labels, curve.shares, curve.scores, strict=True)
    ]
    columns = ("task", "data", "system", "labels", "share", "mean", "spread", "low", "high", "area")
    _write_rows(path, columns, rows)


def _write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    with atomic(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: csv_cells.cell(value) for name, value in row.items()})
