"""Decisions of one bucket: rules, the election among duplicates, and what they lead to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.config import Selection
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.selection import election
from socorpus.corpus.selection import rules as selection_rules
from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.buckets import Bucket, counted


def apply_rules(root: Path, bucket: Bucket, config: Selection) -> Outcome:
    """The rules of one row: decisions but for duplicates."""
    rows = parquet.read(root / bucket.path("documents"), columns=selection_rules.DOCUMENT_COLUMNS)
    for signal, columns in selection_rules.SIGNAL_COLUMNS.items():
        marks = parquet.read(root / bucket.path(f"signals/{signal}"), columns=columns)
        for column in columns:
            rows = rows.append_column(column, marks[column])
    table = selection_rules.apply_rules(rows, config)
    path = bucket.path(".work/rules")
    return Outcome({path: parquet.write(root / path, table, schema.DECISIONS)})


def decide(root: Path, bucket: Bucket, elected: str) -> Outcome:
    """The rules' decisions and the elected twins -> decisions; counts what is kept and dropped, and why."""
    lost = parquet.read(root / elected)
    lost = lost.filter(pc.equal(lost["bucket"], bucket.index))
    table = election.drop_duplicates(parquet.read(root / bucket.path(".work/rules")), lost)
    texts = parquet.read(root / bucket.path("documents"), columns=["text"])["text"]
    kept = pc.sum(pc.binary_length(texts.filter(table["keep"]))).as_py() or 0
    path = bucket.path("decisions")
    counts: Mapping[str, Any] = {
        "kept": pc.sum(table["keep"]).as_py() or 0,
        "dropped": dict(sorted(counted(table["reason"].drop_null()).items())),
        "kept_bytes": kept,
    }
    return Outcome({path: parquet.write(root / path, table, schema.DECISIONS)}, counts)


def elect(root: Path, twins: str, buckets: Sequence[Bucket], config: Selection) -> Outcome:
    """Settle all groups of duplicates among the members that the rules keep."""
    members = parquet.read(root / twins)
    keep = np.zeros(members.num_rows, bool)
    where = np.asarray(members["bucket"], dtype=np.int64)
    row = np.asarray(members["row"], dtype=np.int64)
    for bucket in buckets:
        here = np.flatnonzero(where == bucket.index)
        if len(here):
            ruled = parquet.read(root / bucket.path(".work/rules"), columns=["keep"])["keep"]
            keep[here] = np.asarray(ruled)[row[here]]
    table = election.elect(members, keep, config)
    path = ".work/elected.parquet"
    return Outcome({path: parquet.write(root / path, table, table.schema)})
