"""Slices of a task's examples, by tag, year, site or length: how many labels each has, and which."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.storage import files, parquet
from socorpus.labeling import example_texts, schema
from socorpus.labeling.schema import Task

WAYS = ("tag", "year", "site", "length")
COLUMNS = ("post_id", "site", "tags", "created", "text")
"""Columns of examples that `values` reads."""
_LENGTHS = (500, 2_000, 8_000)
MOST_TAGS = 20
"""Number of tags shown: the commonest."""


def values(examples: pa.Table, way: str) -> list[list[str]]:
    """The slices of each example, one but of tags.

    Args:
        examples: `schema.EXAMPLES`, at least `COLUMNS`.
        way: one of `WAYS`.
    """
    if way == "tag":
        tags: list[list[str]] = examples["tags"].to_pylist()
        return tags
    if way == "year":
        return [[str(year)] for year in pc.year(examples["created"]).to_pylist()]
    if way == "site":
        return [[site] for site in examples["site"].to_pylist()]
    return [[_length(size)] for size in pc.utf8_length(examples["text"]).to_pylist()]


def _length(size: int) -> str:
    bounds = (0, *_LENGTHS)
    place = sum(size >= bound for bound in bounds) - 1
    return (
        f"{bounds[place]:,} to {bounds[place + 1] - 1:,}" if place + 1 < len(bounds) else f"{bounds[place]:,} or more"
    )


def shown(counts: Mapping[str, int], way: str) -> list[str]:
    """Slices in the order in which they are shown; of tags the commonest."""
    if way == "tag":
        return sorted(counts, key=lambda name: (-counts[name], name))[:MOST_TAGS]
    if way == "length":
        return sorted(counts, key=lambda name: int(name.split()[0].replace(",", "")))
    return sorted(counts)


def table(root: Path, task: Task, buckets: Sequence[str], way: str) -> list[dict[str, Any]]:
    """Figures of each slice.

    Args:
        root: the tree of the corpus; buckets: their names, `SITE/BUCKET`.

    Returns:
        `slice`, `examples`, `labelled` (of spans: the texts that have one), `labels` (a count by label), `conflicts`
        (labels whose votes differ), `probability` (mean of those that no person settled, or None), `people` (labels by
        people).
    """
    examples: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    conflicts: Counter[str] = Counter()
    people: Counter[str] = Counter()
    sums: dict[str, float] = defaultdict(float)
    for bucket in buckets:
        rows = example_texts.read(root, task.name, bucket, COLUMNS)
        of = dict(zip(rows["post_id"].to_pylist(), values(rows, way), strict=True))
        examples.update(name for names in of.values() for name in names)
        path = root / schema.path(task.name, "labels", bucket)
        if not files.exists(path):
            continue
        given = parquet.read(path, columns=["post_id", "label", "probability", "source", "conflict"])
        labelled.update(name for post in set(given["post_id"].to_pylist()) for name in of[post])
        for row in given.to_pylist():
            for name in of[row["post_id"]]:
                labels[name][row["label"]] += 1
                conflicts[name] += row["conflict"]
                if row["source"] == "person":
                    people[name] += 1
                else:
                    sums[name] += row["probability"]
    result = []
    for name in shown(examples, way):
        others = labels[name].total() - people[name]
        result.append(
            {
                "slice": name,
                "examples": examples[name],
                "labelled": labelled[name],
                "labels": {label: labels[name][label] for label in task.labels if labels[name][label]},
                "conflicts": conflicts[name],
                "probability": round(sums[name] / others, 4) if others else None,
                "people": people[name],
            }
        )
    return result
