"""What people and models facts_of_vote of posts that are removed, in a corpus's folder of annotations."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from socorpus.corpus.storage import buckets, files, parquet
from socorpus.corpus.takedown.removals import Name
from socorpus.labeling import schema
from socorpus.labeling.label_studio import state

_TABLES = ("people.parquet", "models.parquet")
_KEPT = "kept"
"""In place of the project of a vote whose task goes and which stays: the next sync takes it for none of its own."""


def clear(
    root: Path, tree: Path, facts: Mapping[str, Any], removed: Collection[Name], changed: Collection[Name]
) -> dict[str, int]:
    """Take votes on removed posts out of all tables, and marks in comments of posts that change; the rows that went,
    by path.

    Args:
        tree: of the finished corpus, whose manifest is `facts`, before anything was taken out of it.
        changed: posts that stay without some of their comments, or without their question.
    """
    gone = {(name.site, name.id) for name in removed}
    others = {(name.site, name.id) for name in changed}
    paths = [path for path in files.listed(root / schema.ANNOTATIONS, deep=True) if path.name in _TABLES]
    ends = _own_ends(tree, facts, others) if paths else {}
    counts: dict[str, int] = {}
    with state.one_writer(root):
        for path in paths:
            old = parquet.read(path, schema.VOTES)
            rows = []
            for row in old.to_pylist():
                key = row["site"], row["post_id"]
                if key in gone or (key in others and (row["end"] or 0) > ends.get(key, 0)):
                    continue
                rows.append({**row, "evidence": _of_no_project(row["evidence"])} if key in others else row)
            new = old.schema.empty_table().from_pylist(rows, schema=schema.VOTES)
            if not new.equals(old):
                parquet.write(path, new, schema.VOTES)
            if new.num_rows != old.num_rows:
                counts[path.relative_to(root).as_posix()] = old.num_rows - new.num_rows
    return counts


def _own_ends(tree: Path, facts: Mapping[str, Any], wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """Where the own text of some posts ends, as people saw it: with placeholders, where there are any."""
    ends: dict[tuple[str, int], int] = {}
    for bucket in buckets.listed(facts["files"]) if wanted else ():
        for path in (bucket.path("documents"), schema.texts_path(bucket.name)):
            if files.exists(tree / path):
                for row in parquet.read(tree / path, columns=["site", "post_id", "own_end"]).to_pylist():
                    if (row["site"], row["post_id"]) in wanted:
                        ends[row["site"], row["post_id"]] = row["own_end"]
    return ends


def _of_no_project(evidence: str) -> str:
    facts_of_vote = json.loads(evidence)
    return json.dumps({**facts_of_vote, "project": _KEPT}) if "project" in facts_of_vote else evidence
