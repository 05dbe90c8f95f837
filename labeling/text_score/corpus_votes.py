"""Votes of a score on the questions of a corpus, as those of a model, and a table of all its probabilities.

The votes lie beside those that a sync brings (`annotations/quality/models.parquet`): `apply` lets them vote as one
function more, and takes them into its receipts; the function's name has the model's hash.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import KEY
from socorpus.corpus.storage import parquet
from socorpus.labeling import example_texts, schema
from socorpus.labeling.label_studio import pull, sampling
from socorpus.labeling.schema import Task
from socorpus.labeling.text_score import model as text_model
from socorpus.labeling.text_score.form import QuestionText
from socorpus.labeling.text_score.model import Model

PROJECT = "text score"
"""What the votes' evidence names instead of a project of Label Studio: a new score replaces them, a sync does not."""
VERSION = 1
_CHUNK = 2000


@dataclass
class ScoreSummary:
    """What was scored.

    Attributes:
        function: name under which the score votes.
        questions: number of them.
        votes: by label.
        silent: labels of the model that are none of the task, which have no votes.
    """

    function: str
    questions: int = 0
    votes: Counter[str] = field(default_factory=Counter)
    silent: tuple[str, ...] = ()


def score(
    root: Path,
    tree: Path,
    task: Task,
    folder: Path,
    least: float,
    out: Path | None,
    say: Callable[[str], None] = lambda _: None,
) -> ScoreSummary:
    """Score all examples of a task of questions.

    Args:
        root: folder of the corpus, where the votes are written; those of an earlier score go.
        tree: the tree of the finished corpus, to be read.
        folder: of the model.
        least: fewest probability of a label for a vote.
        out: a Parquet file for all probabilities; None: none.

    Raises:
        InputError: there is no model, or the corpus has no labels of the task.
    """
    model = text_model.read(folder)
    summary = ScoreSummary(f"text_score_{text_model.digest(folder)[:12]}")
    summary.silent = tuple(label for label in model.labels if label not in task.labels)
    if len(summary.silent) == len(model.labels):
        raise InputError(f"{folder}: its labels {', '.join(model.labels)} are none of {task.name}'s, so it can't vote")
    rows: list[dict[str, Any]] = []
    tables: list[pa.Table] = []
    columns = ["site", "post_id", "title", "text", "own_end", "segments", "digest"]
    for bucket in sampling.buckets(tree, task):
        say(bucket)
        examples = example_texts.read(tree, task.name, bucket, columns)
        for start in range(0, examples.num_rows, _CHUNK):
            part = examples.slice(start, _CHUNK)
            chances = model.probabilities([question(row) for row in part.to_pylist()])
            summary.questions += part.num_rows
            rows += _votes(part, chances, model, summary, least)
            tables.append(_table(part, chances, model))
    if out is not None:
        scores = pa.concat_tables(tables) if tables else _table(None, np.zeros((0, len(model.labels))), model)
        parquet.write(out, scores, scores.schema)
    summary.votes.update(row["label"] for row in rows)
    pull.write(root / schema.models_path(task.name), PROJECT, rows)
    return summary


def remove(root: Path, task: Task) -> None:
    """Take back the votes of a score."""
    pull.write(root / schema.models_path(task.name), PROJECT, [])


def question(row: dict[str, Any]) -> QuestionText:
    """What a score sees of an example: title, and the question's own text without comments."""
    end = row["own_end"]
    segments = [
        (segment["kind"], segment["start"], min(segment["end"], end), segment["language"])
        for segment in row["segments"]
        if segment["start"] < end and segment["kind"] != "comment"
    ]
    return QuestionText(row["title"] or "", row["text"][:end], segments)


def _votes(part: pa.Table, chances: Any, model: Model, summary: ScoreSummary, least: float) -> list[dict[str, Any]]:
    rows = []
    best = chances.argmax(1)
    keys = zip(part["site"].to_pylist(), part["post_id"].to_pylist(), part["digest"].to_pylist(), strict=True)
    for place, (site, post, digest) in enumerate(keys):
        label = model.labels[best[place]]
        probability = round(float(chances[place, best[place]]), 4)
        if probability < least or label in summary.silent:
            continue
        evidence = {"project": PROJECT, "probability": probability, "digest": digest.hex()}
        rows.append(
            {
                "site": site,
                "post_id": post,
                "function": summary.function,
                "version": VERSION,
                "source": "model",
                "label": label,
                "evidence": json.dumps(evidence),
            }
        )
    return rows


def _table(part: pa.Table | None, chances: Any, model: Model) -> pa.Table:
    """Key and one column of probabilities a label, float32."""
    fields = [*KEY, *(pa.field(label, pa.float32(), nullable=False) for label in model.labels)]
    keys = [pa.array([], each.type) for each in KEY] if part is None else [part["site"], part["post_id"]]
    columns = [pa.array(column.astype(np.float32)) for column in chances.T]
    return pa.table([*keys, *columns], schema=pa.schema(fields))
