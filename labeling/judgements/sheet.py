"""A sheet: a sample of posts as a table that people fill in, in a spreadsheet or in a program of theirs.

Posts are chosen as the sync with Label Studio chooses them (`label_studio.sampling`). The columns that `importing`
reads are there: `label` (of spans `spans`) and `annotator` are empty, the others are filled in.
"""

import csv
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.corpus.report import csv_cells
from socorpus.corpus.storage import files, json_lines
from socorpus.labeling.aggregation import annotators
from socorpus.labeling.label_studio import interface, sampling, validation
from socorpus.labeling.label_studio.interface import Example
from socorpus.labeling.label_studio.sampling import Sample
from socorpus.labeling.schema import Task

DISPUTED = "disputed"
"""The sample of posts that people judged differently, which an adjudicator decides on."""
COLUMNS = (
    *("site", "post_id", "label", "annotator", "blind", "suggestion", "probability", "votes", "adjudicated", "said"),
    *("digest", "kind", "tags", "url", "title", "text"),
)
"""Columns of a sheet in CSV."""
LONGEST_CELL = 32_000
"""Code points of a text in CSV: spreadsheets cut what is longer than 32,767 characters."""


@dataclass
class Sheet:
    """Counts of a sheet."""

    posts: int = 0
    blind: int = 0
    """Posts without a suggestion."""
    cut: list[str] = field(default_factory=list)
    """Keys of posts whose text is cut, since a cell can't hold it."""
    spans: bool = False
    """Whether its task is one of spans."""
    meanings: Mapping[str, str] = field(default_factory=dict)
    """What each label of its task means."""


def usual_sample(task: Task) -> Sample:
    """The sample by which accuracy can be measured: of each label alike, or, of spans, random texts."""
    return Sample("random") if task.spans else Sample("class")


def write(
    tree: Path,
    task: Task,
    out: Path,
    sample: Sample,
    limit: int,
    blind: float,
    without: Collection[str] = (),
    disputed: Mapping[str, Mapping[str, annotators.Judgement]] | None = None,
) -> Sheet:
    """Write a sheet of at most `limit` posts.

    Args:
        tree: the tree of a finished corpus, with labels of `task`.
        out: a new file: `.csv`, or `.jsonl`, which a task of spans needs.
        blind: share of posts without a suggestion; always the same posts.
        without: keys of posts that are not chosen.
        disputed: posts that people judged differently, and what each said: these instead of a sample, for an
            adjudicator, who sees what was said and no suggestion.

    Raises:
        InputError: the file exists or has another ending, there is no such label, or there are no such posts.
        BuildError: the disk is full.
    """
    form = out.suffix.lower()
    if form not in (".csv", ".jsonl"):
        raise InputError(f"{out}: the ending of a sheet says its form; name a file that ends in .csv or .jsonl")
    if task.spans and form == ".csv":
        raise InputError(
            f"{out}: spans have no place in a row of CSV that is filled in by hand; name a file that ends in .jsonl"
        )
    if out.exists() or out.is_symlink():
        raise InputError(f"{out}: is there already, and people may have filled it in; name a new file")
    above = next((folder for folder in out.absolute().parents if folder.exists()), None)
    if above is not None and not above.is_dir():
        raise InputError(f"{out}: {above} is a file, and no folder; name another path")
    done = Sheet(spans=task.spans, meanings=dict(task.meanings))
    if disputed is None:
        keys, judged = sampling.choose(tree, task, sample, limit, without), {}
    else:
        keys, judged = list(disputed)[:limit], dict(disputed)
    if not keys:
        none = "that people judged differently waits for an adjudicator" if disputed is not None else "of it is left"
        raise InputError(f"{task.name}: nothing to write, no post {none}; name another sample (--sample)")
    rows = (
        _row(example, task, interface.is_blind(example.key, blind), form, done, judged.get(example.key))
        for example in sampling.examples(tree, task, keys)
    )
    with files.atomic(out.absolute()) as partial:
        _write(partial, form, rows)
    return done


def _write(path: Path, form: str, rows: Iterable[dict[str, Any]]) -> None:
    if form == ".jsonl":
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(json_lines.line(row) for row in rows)
        return
    # With a mark of the byte order: spreadsheets take a file without one for one of another encoding.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\r\n")
        table.writeheader()
        table.writerows(rows)


def _row(
    example: Example,
    task: Task,
    blind: bool,
    form: str,
    done: Sheet,
    judged: Mapping[str, annotators.Judgement] | None,
) -> dict[str, Any]:
    done.posts += 1
    blind = blind and judged is None
    # What people said is not suggested: annotators must not see each other's labels.
    shown = (
        []
        if blind or judged is not None or any(label.source == "person" for label in example.labels)
        else list(example.labels)
    )
    done.blind += blind
    head: dict[str, Any] = {"site": example.site, "post_id": example.post_id}
    about = {"digest": example.digest.hex(), "kind": example.kind, "tags": " ".join(example.tags), "url": example.url}
    if task.spans:
        named = [(label.start, label.end, label.label, round(label.probability, 4)) for label in shown]
        suggested = [dict(zip(("start", "end", "label", "probability"), mark, strict=True)) for mark in named]
        empty: dict[str, Any] = {"spans": None, "annotator": None, "blind": blind, "suggestions": suggested}
        if judged is not None:
            marks = {name: sorted(own) for name, own in judged.items() if not isinstance(own, str)}
            empty |= {"adjudicated": True, "said": marks}
        return head | empty | about | {"title": example.title, "text": example.text}
    label = shown[0] if shown else None
    votes = sorted({f"{function}: {name}" for function, name, _ in label.votes}) if label is not None else []
    own = {
        "label": "" if form == ".csv" else None,
        "annotator": "" if form == ".csv" else None,
        "blind": json.dumps(blind) if form == ".csv" else blind,
        "suggestion": label.label if label is not None else None,
        "probability": round(label.probability, 4) if label is not None else None,
        "votes": "; ".join(votes),
        "adjudicated": json.dumps(judged is not None) if form == ".csv" else judged is not None,
        "said": "; ".join(f"{name}: {own}" for name, own in sorted((judged or {}).items())),
    }
    title, text = example.title, example.text
    if form == ".csv":
        title, text = _cell(title or ""), _cell(text)
        if len(text) > LONGEST_CELL:
            text = f"{text[:LONGEST_CELL]} […]"
            done.cut.append(example.key)
    return head | own | about | {"title": title, "text": text}


def _cell(text: str) -> str:
    """A stranger's text for a spreadsheet."""
    return str(csv_cells.cell(validation.mend(text).text))
