"""A small corpus to label, the toy tasks made known, and people's votes to write."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.storage import parquet
from socorpus.labeling import pipeline, plan, schema
from socorpus.labeling.pipeline import Applied
from tests.labeling import toy, toy_spans

TASKS = (toy.TASK.name, toy_spans.TASK.name)


def know_toys() -> None:
    """Make the toy tasks known to this process; workers import them by the name that they are given."""
    for module in (toy, toy_spans):
        schema.TASKS[module.TASK.name] = module.TASK
        plan.MODULES[module.TASK.name] = module.__name__


def forget_toys() -> None:
    for name in TASKS:
        del schema.TASKS[name], plan.MODULES[name]


def apply(root: Path, workers: int = 0, tasks: Sequence[str] = TASKS, analyze: bool = False) -> Applied:
    with Engine(root, workers) as engine:
        return pipeline.apply(root, engine, tasks, analyze)


def rows(root: Path, task: str, table: str) -> list[dict[str, Any]]:
    paths = sorted((root / schema.FOLDER / task / table).rglob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def say(root: Path, task: str, said: Iterable[dict[str, Any]], path: str | None = None) -> None:
    """Write votes of people, or of models to `path`; what is not given is as of a person's vote on a whole text."""
    usual = {"start": None, "end": None, "version": 1, "source": "person", "evidence": "{}", "seconds": None}
    usual["at"] = datetime(2026, 1, 1, tzinfo=UTC)
    found = pa.Table.from_pylist([{**usual, **row} for row in said], schema=schema.VOTES)
    parquet.write(root / (path or schema.people_path(task)), found, schema.VOTES)


if __name__ == "__main__":
    know_toys()
    apply(Path(sys.argv[1]), int(sys.argv[2]))
