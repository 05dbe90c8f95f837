"""The logical hash of a table: the same for the same rows, however they are stored."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.rows_hash import RowsHash

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("score", pa.float32()),
        ("keep", pa.bool_()),
        ("text", pa.string()),
        ("digest", pa.binary()),
        ("created", pa.timestamp("ms", "UTC")),
        ("tags", pa.list_(pa.string())),
        ("spans", pa.list_(pa.struct([("start", pa.int32()), ("kind", pa.string())]))),
    ]
)


def rows(number: int) -> list[dict[str, Any]]:
    every = [
        {
            "id": 1,
            "score": 0.5,
            "keep": True,
            "text": "é",
            "digest": b"\0",
            "created": 7,
            "tags": ["a", "b"],
            "spans": [],
        },
        {
            "id": 2,
            "score": None,
            "keep": None,
            "text": None,
            "digest": None,
            "created": None,
            "tags": None,
            "spans": None,
        },
        {"id": 3, "score": 1.5, "keep": False, "text": "", "digest": b"xy", "created": 0, "tags": [], "spans": [None]},
        {"id": None, "tags": [None, ""], "spans": [{"start": 1, "kind": "x"}, {"start": None, "kind": None}]},
    ]
    return [every[n % 4] | {"id": n} for n in range(number)]


def hashed(table: pa.Table, *cuts: int) -> str:
    made, bounds = RowsHash(table.schema), [0, *sorted(cuts), table.num_rows]
    for start, end in pairwise(bounds):
        made.update(table.slice(start, end - start))
    return made.hexdigest()


@given(st.integers(0, 40), st.lists(st.integers(0, 40), max_size=5))
def test_the_pieces_do_not_matter(number: int, cuts: list[int]) -> None:
    table = pa.Table.from_pylist(rows(number), SCHEMA)
    assert hashed(table, *(min(cut, number) for cut in cuts)) == hashed(table)


def test_what_is_under_a_null_does_not_matter() -> None:
    texts = pa.array(["a", "hidden", "b"])
    masked = pa.Array.from_buffers(pa.string(), 3, [pa.py_buffer(b"\x05"), *texts.buffers()[1:]])
    numbers = pa.Array.from_buffers(pa.int64(), 3, [pa.py_buffer(b"\x05"), pa.array([1, 99, 2]).buffers()[1]])
    lists = pa.ListArray.from_arrays(
        pa.array([0, 1, 3, 4]), pa.array([1, 7, 7, 2]), mask=pa.array([False, True, False])
    )
    table = pa.table({"a": masked, "b": numbers, "c": lists})
    assert hashed(table) == hashed(pa.table({"a": ["a", None, "b"], "b": [1, None, 2], "c": [[1], None, [2]]}))


def test_how_a_file_is_written_does_not_matter(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(rows(50), SCHEMA)
    written = parquet.write(tmp_path / "ours.parquet", table, SCHEMA, row_group=7)
    assert written.rows == 50
    pq.write_table(table, tmp_path / "theirs.parquet", compression="gzip", row_group_size=11, use_dictionary=True)
    assert (tmp_path / "ours.parquet").read_bytes() != (tmp_path / "theirs.parquet").read_bytes()
    for name in ("ours", "theirs"):
        assert parquet.rows_hash(tmp_path / f"{name}.parquet") == written.rows_hash
    wide = table.cast(pa.schema([f.with_type(pa.large_string()) if f.name == "text" else f for f in SCHEMA]))
    words = table.set_column(3, "text", table["text"].dictionary_encode())
    assert hashed(wide) == hashed(words) == written.rows_hash


@pytest.mark.parametrize(
    "change",
    [
        {"id": 5},
        {"score": 0.25},
        {"keep": False},
        {"text": "e"},
        {"text": None},
        {"digest": b""},
        {"created": 8},
        {"tags": ["ab"]},
        {"tags": ["a", "b", None]},
        {"spans": [{"start": 0, "kind": ""}]},
        {"spans": None},
    ],
)
def test_every_value_matters(change: dict[str, Any]) -> None:
    before = rows(3)
    after = [before[0] | change, *before[1:]]
    assert hashed(pa.Table.from_pylist(before, SCHEMA)) != hashed(pa.Table.from_pylist(after, SCHEMA))


def test_order_names_and_types_matter() -> None:
    one = hashed(pa.table({"a": [1, 2], "b": ["x", "y"]}))
    others = [
        {"a": [2, 1], "b": ["y", "x"]},
        {"b": ["x", "y"], "a": [1, 2]},
        {"a": [1, 2], "c": ["x", "y"]},
        {"a": pa.array([1, 2], pa.int32()), "b": ["x", "y"]},
        {"a": [1, 2], "b": ["xy", ""]},
        {"a": [1, 2], "b": [b"x", b"y"]},
    ]
    assert len({one, *(hashed(pa.table(columns)) for columns in others)}) == 1 + len(others)
