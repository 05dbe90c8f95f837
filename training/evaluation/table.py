"""A comparison as a table on the screen, as CSV, and as a page that opens offline."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.report import csv_cells
from socorpus.corpus.storage.files import atomic
from socorpus.training.evaluation.cell import Cell

TITLES = {
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "log_loss": "log loss",
    "span_f1": "span F1",
    "precision": "precision",
    "recall": "recall",
}
HEAD = ("size", "seeds", "p", "train", "train $", "1,000", "1,000 $")
"""Columns after the metrics."""
EXPLAINED = (
    "Scores are means over seeds on the test split, in brackets the interval in which 95 of 100 bootstrap samples of "
    "its threads lie; ± is the standard deviation over seeds. p: the probability of a gap this large to the best "
    "system (bold, or marked *) if both were equally good, by approximate randomization over threads. Macro F1 is "
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
    metrics = list(scored[0]["scores"]) if scored else []
    rows = []
    for cell in scored:
        figures = [score(cell["scores"][name]) for name in metrics[:1]]
        figures += [f"{cell['scores'][name]['mean']:.3f}" for name in metrics[1:]]
        rows.append((cell["system"] + (" *" if cell["best"] else ""), *figures, *costs(cell)))
    missing = [f"{cell['system']} was not compared: {cell['missing']}" for cell in column if cell["missing"]]
    return TaskTable((title, *(TITLES[name] for name in metrics), *HEAD), rows, missing)


def score(figures: Mapping[str, Any]) -> str:
    """A score with its interval: 0.712 [0.680, 0.741] ±0.004."""
    spread = f"\u00a0±{figures['spread']:.3f}" if figures["spread"] else ""
    return f"{figures['mean']:.3f}\u00a0[{figures['low']:.3f},\u00a0{figures['high']:.3f}]{spread}"


def costs(cell: Mapping[str, Any]) -> list[str]:
    """The columns of `HEAD`."""
    parameters = cell["parameters"]
    p = cell["p"]
    return [
        "–" if parameters is None else _parameters(parameters),
        str(cell["seeds"]),
        "" if p is None else "<0.01" if p < 0.01 else f"{p:.2f}",
        _seconds(cell["train_seconds"]),
        _dollars(cell["train_dollars"]),
        _seconds(cell["thousand_seconds"]),
        _dollars(cell["thousand_dollars"]),
    ]


def _parameters(count: int) -> str:
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min" if value < 6000 else f"{value / 3600:.1f} h"


def _dollars(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}" if value < 0.1 else f"{value:,.2f}"


def write_csv(path: Path, cells: Sequence[Cell]) -> None:
    """One row per system, task and metric; a missing system has one row with the reason.

    Texts that a spreadsheet would run begin with an apostrophe (`csv_cells.cell`).
    """
    columns = ("task", "data", "system", "metric", "mean", "spread", "low", "high", "best", "p", "parameters", "seeds")
    more = ("train_seconds", "train_dollars", "thousand_seconds", "thousand_dollars", "device", "missing")
    with atomic(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*columns, *more], lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for cell in cells:
            facts = asdict(cell)
            labels = {f"f1:{label}": {"mean": value} for label, value in cell.labels.items()}
            for metric, value in {**facts["scores"], **labels}.items() or [("", {})]:
                row = facts | {"metric": metric} | dict(value)
                writer.writerow({name: csv_cells.cell(value) for name, value in row.items()})


def write_page(path: Path, facts: Mapping[str, Any]) -> None:
    """comparison.html: a section for each task, with a table of systems and one of labels."""
    from markupsafe import Markup

    from socorpus.corpus.report import fragments as html
    from socorpus.corpus.report import page as report_page
    from socorpus.corpus.report.sections import Section

    sections = []
    for data in facts["data"]:
        column = [cell for cell in facts["cells"] if (cell["task"], cell["data"]) == (data["task"], data["name"])]
        there = [cell for cell in column if cell["scores"]]
        if not column:
            continue
        counts = ", ".join(f"{count:,} {split}" for split, count in data["counts"].items())
        body = html.paragraph(f"Examples: {counts}. " + "; ".join(data["notes"]) + ".")
        if there:
            metrics = list(there[0]["scores"])
            rows = [[_name(cell), *(score(cell["scores"][name]) for name in metrics), *costs(cell)] for cell in there]
            body += html.table(["system", *(TITLES[name] for name in metrics), *HEAD], rows)
            body += Markup("<h3>F1 by label</h3>")
            labels = list(dict.fromkeys(label for cell in there for label in cell["labels"]))
            figures = [[label, *(f"{cell['labels'].get(label, 0):.3f}" for cell in there)] for label in labels]
            body += html.table(["label", *(cell["system"] for cell in there)], figures)
        notes = [f"{cell['system']}: {note}" for cell in there for note in cell["notes"]]
        notes += [f"{cell['system']} was not compared: {cell['missing']}" for cell in column if cell["missing"]]
        body += html.bullets(notes) if notes else Markup("")
        sections.append(Section(f"{data['task']} – {data['name']}", body))
    settings = facts["settings"]
    shown = ", ".join(f"{name} {value}" for name, value in settings.items())
    sections.append(Section("How to read this", html.paragraph(EXPLAINED)))
    sections.append(Section("Fine-tuning", html.paragraph(shown)))
    headline = [
        ("systems", f"{len({cell['system'] for cell in facts['cells']}):,}"),
        ("tasks", f"{len(facts['data']):,}"),
        ("missing", f"{sum(bool(cell['missing']) for cell in facts['cells']):,}"),
        ("seeds", f"{len(settings['seeds']):,}"),
    ]
    page = report_page.page("Comparison", "Comparison of systems", "", headline, sections)
    with atomic(path) as partial:
        partial.write_text(page, "utf-8")


def _name(cell: Mapping[str, Any]) -> Any:
    from markupsafe import Markup

    return Markup("<b>{}</b>").format(cell["system"]) if cell["best"] else cell["system"]
