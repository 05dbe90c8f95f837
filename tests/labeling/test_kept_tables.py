"""Tables that a worker keeps of buckets take no more memory than they are allowed."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import steps


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_small_tables_of_many_buckets_stay_within_their_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = 24
    monkeypatch.setattr(steps, "_ROOM", 1 << 22)
    schema = pa.schema([(f"column {number}", pa.list_(pa.string())) for number in range(columns)])
    parquet.write(tmp_path / "table.parquet", pa.table([[["text"]]] * columns, schema=schema), schema)
    steps.forget()
    before = resident()
    for number in range(1_000):
        steps._of_bucket(tmp_path, Bucket("site", number, 1, number))("table.parquet")
    grown = resident() - before
    kept = len(steps._readers)
    steps.forget()
    assert 50 < kept < 100
    assert grown < 3 * (1 << 22)
