"""The result of an ablation as files: ablation.json, tables as CSV, and a page; and as tables for the screen."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.report import csv_cells
from socorpus.corpus.storage.files import atomic, write_json
from socorpus.training.ablation import ablation_page
from socorpus.training.ablation.ablation_page import changed, interval, signed
from socorpus.training.ablation.variants import BASE
from socorpus.training.evaluation.comparison_page import p_value

RESULT = "ablation.json"
_COLUMNS = (
    *("measure", "on", "variant", "changes", "documents", "train_documents", "train_tokens", "passes", "same_text_as"),
    *("mean", "spread", "low", "high", "difference", "difference_low", "difference_high", "p", "holm", "group"),
    "proxies",
)


@dataclass(frozen=True)
class MeasureTable:
    """A measure of all variants, for the terminal.

    Attributes:
        title: the measure, and what it was taken on.
        head: names of the columns.
        rows: one a variant, the corpus as it is first.
    """

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(facts: Mapping[str, Any]) -> list[MeasureTable]:
    """The variants, then each measure of them.

    Args:
        facts: the contents of ablation.json.
    """
    texts = [
        (entry["name"], f"{entry['documents']:,}", f"{entry['train_tokens']:,}", f"{entry['passes']:,.2f}")
        for entry in facts["variants"]
    ]
    result = [MeasureTable("", ("variant", "documents", "tokens to train on", "passes"), texts)]
    for measure in facts["measures"]:
        rows = []
        for name, score in measure["scores"].items():
            difference = measure["differences"].get(name)
            figures = ("", "") if difference is None else (interval(difference, signed), p_value(difference["holm"]))
            rows.append((name, interval(score, "{:.4f}".format), *figures, measure["groups"][name]))
        title = f"{measure['name']}, {measure['better']} is better: {measure['on']}"
        result.append(MeasureTable(title, ("variant", measure["name"], f"− {BASE}", "p (Holm)", "group"), rows))
    return result


def write(out: Path, facts: Mapping[str, Any]) -> None:
    """Write ablation.json, .csv and .html, and differences.csv, each whole or not at all."""
    write_json(out / RESULT, facts)
    _write_rows(out / "ablation.csv", _COLUMNS, _rows(facts))
    pairs = [
        {"measure": measure["name"], "on": measure["on"], **pair}
        for measure in facts["measures"]
        for pair in measure["pairs"]
    ]
    columns = ("measure", "on", "variant", "other", "mean", "low", "high", "p", "holm")
    _write_rows(out / "differences.csv", columns, pairs)
    with atomic(out / "ablation.html") as partial:
        partial.write_text(ablation_page.render(facts), "utf-8")


def _rows(facts: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for measure in facts["measures"]:
        for entry in facts["variants"]:
            name = entry["name"]
            difference = measure["differences"].get(name, {})
            yield {
                **{key: entry[key] for key in ("documents", "train_documents", "train_tokens", "passes")},
                "measure": measure["name"],
                "on": measure["on"],
                "variant": name,
                "changes": changed(entry),
                "same_text_as": entry["same_text_as"],
                **measure["scores"][name],
                **{f"difference_{key}": difference.get(key) for key in ("low", "high")},
                **{key: difference.get(key) for key in ("p", "holm")},
                "difference": difference.get("mean"),
                "group": measure["groups"][name],
                "proxies": " ".join(f"{value:.6f}" for value in measure["proxies"][name]),
            }


def _write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    with atomic(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: csv_cells.cell(value) for name, value in row.items()})
