"""A small corpus to label by the toy tasks, which are plug-ins, and people's votes to write."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from socorpus.corpus import plugins
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.storage import parquet
from socorpus.labeling import example_texts, pipeline, schema
from socorpus.labeling.pipeline import Applied

TASKS = ("toy", "toy_spans")
FILES = tuple(Path(__file__).with_name(f"{name}.py") for name in TASKS)


THEN = datetime(2026, 1, 1, tzinfo=UTC)
"""When people say something."""


@contextmanager
def toys(*more: Path, files: Sequence[Path] = FILES) -> Iterator[None]:
    """Make the toy tasks, and further plug-ins, the active ones."""
    with plugins.only(plugins.find([str(path) for path in (*files, *more)])):
        yield


def apply(
    root: Path,
    workers: int = 0,
    tasks: Sequence[str] = TASKS,
    analyze: bool = False,
    more: Sequence[Path] = (),
    files: Sequence[Path] = FILES,
) -> Applied:
    with toys(*more, files=files), Engine(root, workers) as engine:
        return pipeline.apply(root, engine, tasks, analyze)


def rows(root: Path, task: str, table: str) -> list[dict[str, Any]]:
    folder = root / schema.FOLDER / task / table
    paths = sorted(folder.rglob("*.parquet"))
    if table == "examples":
        names = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
        return [row for name in names for row in example_texts.read(root, task, name).to_pylist()]
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def say(root: Path, task: str, said: Iterable[dict[str, Any]], path: str | None = None) -> None:
    """Write votes of people, or of models to `path`; what is not given is as of a person's vote on a whole text."""
    usual = {"start": None, "end": None, "version": 1, "source": "person", "evidence": "{}", "seconds": None}
    usual["at"] = THEN
    found = pa.Table.from_pylist([{**usual, **row} for row in said], schema=schema.VOTES)
    parquet.write(root / (path or schema.people_path(task)), found, schema.VOTES)


if __name__ == "__main__":
    apply(Path(sys.argv[1]), int(sys.argv[2]))
