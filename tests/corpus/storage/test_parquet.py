"""Files of tables: small, and what other readers of Parquet read."""

from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socorpus.corpus import schema
from socorpus.corpus.storage import parquet
from socorpus.labeling.schema import VOTES


def _votes(rows: int) -> pa.Table:
    columns = {
        "site": ["example.com"] * rows,
        "post_id": [7 * (row // 9) for row in range(rows)],
        "start": [row * 37 % 900 for row in range(rows)],
        "end": [row * 37 % 900 + 1 + row % 7 for row in range(rows)],
        "function": [f"function_{row * row % 11}" for row in range(rows)],
        "version": [1 + row * row % 3 for row in range(rows)],
        "source": ["function"] * rows,
        "label": [("Language", "Library", "Website")[row * row % 3] for row in range(rows)],
        "evidence": ['{"p": %s}' % (row * row % 13 / 13) for row in range(rows)],
        "at": [None] * rows,
        "seconds": [None] * rows,
    }
    return pa.table({name: columns[name] for name in VOTES.names}, schema=VOTES)


def test_repeated_values_take_little_room(tmp_path: Path) -> None:
    table = _votes(20_000)
    parquet.write(tmp_path / "ours.parquet", table, VOTES)
    plain = {"compression": "zstd", "compression_level": 1, "row_group_size": 2048, "use_dictionary": ["site"]}
    pq.write_table(table, tmp_path / "plain.parquet", **plain)
    assert (tmp_path / "ours.parquet").stat().st_size < 0.6 * (tmp_path / "plain.parquet").stat().st_size


@pytest.mark.parametrize("name", ["documents", "shards", "labels/entities/votes", "tables/history", "signals/privacy"])
def test_other_readers_read_the_same_rows(built: Path, name: str) -> None:
    """DuckDB and polars have their own readers of Parquet, which must know every encoding."""
    path = min((built / name).rglob("*.parquet"))
    ours = parquet.read(path)
    assert pl.read_parquet(path, use_pyarrow=False).equals(pl.DataFrame(ours))
    assert duckdb.sql(f"select * from '{path}'").fetchall() == [tuple(row.values()) for row in ours.to_pylist()]


def test_integers_that_hardly_differ_are_stored_as_differences(tmp_path: Path) -> None:
    path = tmp_path / "decisions.parquet"
    table = pa.table([["a"] * 9, range(9), [True] * 9, [None] * 9, [None] * 9], schema=schema.DECISIONS)
    parquet.write(path, table, schema.DECISIONS)
    columns = pq.read_metadata(path).row_group(0)
    encodings = {columns.column(n).path_in_schema: columns.column(n).encodings for n in range(columns.num_columns)}
    assert "DELTA_BINARY_PACKED" in encodings["post_id"]
    assert "DELTA_BINARY_PACKED" not in encodings["site"]
