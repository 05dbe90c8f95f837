"""Rows that are sent to destinations arrive there, all of them, in order."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus.storage import partitions

ROWS = pa.schema([("n", pa.int64()), ("text", pa.string()), ("many", pa.list_(pa.int32()))])


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 4), max_size=20), min_size=1, max_size=3))
def test_every_row_arrives_once_at_its_destination_in_order(files: list[list[int]]) -> None:
    with TemporaryDirectory() as folder:
        paths, sent, number = [], [], 0
        for i, places in enumerate(files):
            rows = [{"n": number + j, "text": f"row {number + j}", "many": [p] * p} for j, p in enumerate(places)]
            number += len(rows)
            paths.append(Path(folder) / f"{i}.arrow")
            partitions.write_partitioned(paths[-1], pa.Table.from_pylist(rows, ROWS), np.array(places, np.int32), 5)
            sent += list(zip(places, rows, strict=True))
        for part in range(5):
            arrived = partitions.read(paths, ROWS, part)
            assert arrived.schema == ROWS
            assert arrived.to_pylist() == [row for place, row in sent if place == part]
        everything = partitions.read(paths, ROWS, columns=["n"])
        assert sorted(everything["n"].to_pylist()) == list(range(number))
