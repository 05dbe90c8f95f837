"""The names of a site's users, as a table on disk of which a reader takes only those that it needs.

A bucket needs a few thousand names of what may be tens of millions.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from socorpus.corpus.arrays import Int64
from socorpus.corpus.storage import parquet, partitions

AUTHORS = pa.schema([("user_id", pa.int64()), ("display_name", pa.string())])
_ROWS = 1 << 18
"""Of a chunk, in which a name is looked up."""


def write(users: list[Path], path: Path) -> int:
    """Write the names of a site's users in order of their ids; their number.

    Args:
        users: the parts of its table of users, in which each id is there once.
    """
    ids = [np.asarray(table["user_id"], dtype=np.int64) for table in _tables(users, ["user_id"])]
    numbers = np.concatenate([*ids, np.empty(0, np.int64)])
    tables = _tables(users, AUTHORS.names)
    if not (numbers[1:] > numbers[:-1]).all():  # in hardly any dump
        whole = pa.concat_tables(tables).sort_by("user_id").combine_chunks()
        tables = (whole.slice(start, _ROWS) for start in range(0, whole.num_rows, _ROWS))
    partitions.write_mapped(path, AUTHORS, _larger(tables))
    return len(numbers)


def of(path: Path, users: pa.ChunkedArray) -> pa.Table:
    """Those of some users that there are in a file of `write`, as `AUTHORS`, each once."""
    wanted = np.unique(np.asarray(users.drop_null(), dtype=np.int64))
    with partitions.mapped(path) as table:
        chunks = table.to_batches()
        firsts = np.array([chunk["user_id"][0].as_py() for chunk in chunks], np.int64)
        starts = np.append(np.searchsorted(wanted, firsts), len(wanted))
        parts = [
            _known(chunk, wanted[a:b]) for chunk, a, b in zip(chunks, starts[:-1], starts[1:], strict=True) if b > a
        ]
        return pa.Table.from_batches(parts, AUTHORS)


def _known(chunk: pa.RecordBatch, wanted: Int64) -> pa.RecordBatch:
    ids = chunk["user_id"].to_numpy()
    place = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return chunk.take(pa.array(place[ids[place] == wanted]))


def _tables(users: list[Path], columns: list[str]) -> Iterator[pa.Table]:
    for path in users:
        yield from parquet.batches(path, columns)


def _larger(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Tables of about `_ROWS` rows."""
    held, rows = [AUTHORS.empty_table()], 0
    for table in tables:
        held.append(table.cast(AUTHORS))
        rows += table.num_rows
        if rows >= _ROWS:
            yield pa.concat_tables(held)
            held, rows = [AUTHORS.empty_table()], 0
    yield pa.concat_tables(held)
