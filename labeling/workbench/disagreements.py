"""Where two functions, models or people disagree on a task: on which posts, and how often by their labels."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.storage import files, parquet
from socorpus.labeling import schema
from socorpus.labeling.schema import Task
from socorpus.labeling.workbench.column_store import ColumnStore, Mask

_COLUMNS = ("site", "post_id", "start", "end", "function", "label")


@dataclass
class Disagreement:
    """The votes of two that differ.

    Attributes:
        rows: of the documents on which they differ, ascending.
        pairs: how often by the labels of the first and the second.
        both: posts, or spans, on which both vote.
        says: by row, what the two say: pairs of labels, at most some of a post.
    """

    rows: list[int]
    pairs: Counter[tuple[str, str]]
    both: int
    says: dict[int, list[tuple[str, str]]]


def voters(facts: Mapping[str, Any], root: Path, task: str) -> dict[str, int | None]:
    """Functions, models and people that vote on a task, with the number of their votes where it is known."""
    entry = facts["labels"][task]
    known: dict[str, int | None] = {name: of.get("votes") for name, of in entry["functions"].items()}
    for path in (root / schema.models_path(task), root / schema.people_path(task)):
        if files.exists(path):
            for pair in pc.value_counts(parquet.read(path, columns=["function"])["function"]).to_pylist():
                known.setdefault(pair["values"], pair["counts"])
    return known


def compare(
    store: ColumnStore, root: Path, task: Task, first: str, second: str, labels: tuple[str, str] = ("", "")
) -> Iterator[tuple[float, Disagreement]]:
    """Compare the votes of two, bucket by bucket; gives how far that is, and what is known by then.

    On a whole text their labels differ. On spans, theirs overlap, and differ in label or extent.

    Args:
        root: of the corpus, where votes of people and models lie.
        labels: only where the first and the second say these; empty: whatever they say.
    """
    result = Disagreement([], Counter(), 0, {})
    others = [
        parquet.read(path, columns=list(_COLUMNS))
        for path in (root / schema.models_path(task.name), root / schema.people_path(task.name))
        if files.exists(path)
    ]
    for number, bucket in enumerate(store.buckets):
        path = store.tree / schema.path(task.name, "votes", bucket.name)
        tables = [table.filter(pc.equal(table["site"], bucket.site)) for table in others]
        if files.exists(path):
            tables.append(parquet.read(path, columns=list(_COLUMNS)))
        rows = _differing(tables, first, second, task, labels, result)
        if rows:
            ids = parquet.read(store.tree / bucket.path("documents"), columns=["post_id"])["post_id"]
            place = pc.index_in(pa.array(list(rows), pa.int64()), value_set=ids.combine_chunks())
            for row, says in zip(place.to_pylist(), rows.values(), strict=True):
                if row is not None:
                    result.says[int(store.starts[number]) + row] = says
        yield (number + 1) / len(store.buckets), result
    result.rows = sorted(result.says)
    yield 1.0, result


def _differing(
    tables: list[pa.Table], first: str, second: str, task: Task, labels: tuple[str, str], result: Disagreement
) -> dict[int, list[tuple[str, str]]]:
    """Post -> what the two say there, where it differs; counts are added to `result`."""
    votes: tuple[dict[int, list[Any]], dict[int, list[Any]]] = ({}, {})
    for table in tables:
        for side, name in enumerate((first, second)):
            for row in table.filter(pc.equal(table["function"], name)).to_pylist():
                votes[side].setdefault(row["post_id"], []).append((row["start"], row["end"], row["label"] or "skipped"))
    differing: dict[int, list[tuple[str, str]]] = {}
    for post in votes[0].keys() & votes[1].keys():
        pairs = _spans(votes[0][post], votes[1][post]) if task.spans else _texts(votes[0][post], votes[1][post])
        result.both += len(pairs)
        for pair, differs in pairs:
            if not differs:
                continue
            result.pairs[pair] += 1
            if all(not wanted or wanted == says for wanted, says in zip(labels, pair, strict=True)):
                differing.setdefault(post, []).append(pair)
    return differing


def _texts(first: list[Any], second: list[Any]) -> list[tuple[tuple[str, str], bool]]:
    pair = (first[-1][2], second[-1][2])
    return [(pair, pair[0] != pair[1])]


def _spans(first: list[Any], second: list[Any]) -> list[tuple[tuple[str, str], bool]]:
    """Pairs of overlapping spans; those of one extent count as one even if others overlap."""
    marks = [[vote for vote in side if vote[0] is not None] for side in (first, second)]
    pairs = []
    for start, end, label in marks[0]:
        for other_start, other_end, other in marks[1]:
            if start < other_end and other_start < end:
                pairs.append(((label, other), (start, end, label) != (other_start, other_end, other)))
    return pairs


def mask(rows: list[int], length: int) -> Mask:
    """Rows as a mask."""
    chosen = np.zeros(length, bool)
    chosen[rows] = True
    return chosen
