"""The names of a site's users, as a table on disk of which a bucket's item reads only those that it needs.

    authors  a site  -> `.work/authors/SITE.arrow`

A bucket needs a few thousand names of what may be tens of millions.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from socorpus.corpus.arrays import Int64
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.storage import parquet, partitions

AUTHORS = pa.schema([("user_id", pa.int64()), ("display_name", pa.string())])
FOLDER = ".work/authors"
_ROWS = 1 << 18
"""Of a chunk, in which a name is looked up."""


def build(root: Path, site: str, parts: int) -> Outcome:
    """Write the names of a site's users in order of their ids.

    Args:
        parts: number of the parts of its table of users, in which each id is there once.
    """
    path = path_of(site)
    ids = [np.asarray(users["user_id"], dtype=np.int64) for users in _users(root, site, parts, ["user_id"])]
    numbers = np.concatenate([*ids, np.empty(0, np.int64)])
    tables = _users(root, site, parts, AUTHORS.names)
    if not (numbers[1:] > numbers[:-1]).all():  # in hardly any dump
        whole = pa.concat_tables(tables).sort_by("user_id").combine_chunks()
        tables = (whole.slice(start, _ROWS) for start in range(0, whole.num_rows, _ROWS))
    partitions.write_mapped(root / path, AUTHORS, _larger(tables))
    return Outcome({path: len(numbers)})


def names_of(root: Path, site: str, users: pa.ChunkedArray) -> pa.Table:
    """Those of some users that there are, as `AUTHORS`, each once."""
    wanted = np.unique(np.asarray(users.drop_null(), dtype=np.int64))
    with partitions.mapped(root / path_of(site)) as table:
        chunks = table.to_batches()
        firsts = np.array([chunk["user_id"][0].as_py() for chunk in chunks], np.int64)
        starts = np.append(np.searchsorted(wanted, firsts), len(wanted))
        parts = [
            _known(chunk, wanted[a:b]) for chunk, a, b in zip(chunks, starts[:-1], starts[1:], strict=True) if b > a
        ]
        return pa.Table.from_batches(parts, AUTHORS)


def path_of(site: str) -> str:
    """Path of the names of a site's users."""
    return f"{FOLDER}/{site}.arrow"


def _known(chunk: pa.RecordBatch, wanted: Int64) -> pa.RecordBatch:
    ids = chunk["user_id"].to_numpy()
    place = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return chunk.take(pa.array(place[ids[place] == wanted]))


def _users(root: Path, site: str, parts: int, columns: list[str]) -> Iterator[pa.Table]:
    for part in range(parts):
        yield from parquet.batches(root / f"tables/users/{site}/{part:05d}.parquet", columns)


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
