"""Rows on their way from the work items that make them to those that need them.

A file holds one record batch a destination, in order, as Arrow IPC with LZ4: a reader takes its own batch from each
file by a seek, so an item's memory is bounded by its own rows. Files of this kind are removed when a build is done.
Dask's own shuffle would lose its work with the process; these files outlive a kill. A table of which every item needs
some rows is written without compression, and mapped: only the pages that are looked at come into memory, once for all
workers of a machine.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.corpus.storage import rows_hash
from socorpus.corpus.storage.boundary import reading
from socorpus.corpus.storage.files import atomic
from socorpus.corpus.storage.objects.paths import readable

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")
PLAIN = pa.ipc.IpcWriteOptions()
"""Without compression, for rows that are read again at once, in less time than LZ4 takes."""


def write(path: Path, schema: pa.Schema, parts: Iterable[pa.Table], options: pa.ipc.IpcWriteOptions = _OPTIONS) -> None:
    """Write one batch a part, empty parts too, atomically."""
    with (
        atomic(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, schema, options=options) as file,
    ):
        for part in parts:
            file.write_batch(_batch(part, schema))


def write_partitioned(
    path: Path,
    table: pa.Table,
    place: npt.NDArray[np.integer],
    parts: int,
    options: pa.ipc.IpcWriteOptions = _OPTIONS,
) -> None:
    """Write a table's rows to the destinations that `place` (one number a row, 0 … parts-1) names, their order kept."""
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(parts + 1))
    ordered = table.take(pa.array(order))
    write(path, table.schema, (ordered.slice(a, b - a) for a, b in pairwise(bounds)), options)


def read(
    paths: Sequence[Path], schema: pa.Schema, part: int | None = None, columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of one destination (of all: None) from every file, in the order of the files."""
    options = pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(c) for c in columns] if columns else None)
    narrow = pa.schema([schema.field(c) for c in columns], metadata=schema.metadata) if columns else schema
    batches: list[pa.RecordBatch] = []
    for path in paths:
        with reading(path), pa.OSFile(str(readable(path)), "rb") as source:
            file = pa.ipc.open_file(source, options=options)
            numbers = range(file.num_record_batches) if part is None else (part,)
            batches += [file.get_batch(number) for number in numbers]
    return pa.Table.from_batches([b for b in batches if b.num_rows], narrow)


def write_mapped(path: Path, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
    """Write a table, given in parts, for `mapped`; atomically."""
    write(path, schema, (part for part in parts if part.num_rows), PLAIN)


@contextmanager
def mapped(path: Path) -> Iterator[pa.Table]:
    """A table of `write_mapped`, one chunk a part, which lies on the disk but for what is looked at."""
    with reading(path), pa.memory_map(str(readable(path))) as source:
        yield pa.ipc.open_file(source).read_all()


def write_by_bucket(path: Path, table: pa.Table, ignored: Sequence[str] = ()) -> dict[str, str]:
    """Write a table with a column `bucket` (int32) for `of_bucket`, atomically.

    Returns:
        By the number of each bucket that has rows, a hash of these but for the columns `ignored`.
    """
    place = table["bucket"].to_numpy()
    order = np.argsort(place, kind="stable")
    table = table.take(pa.array(order)).combine_chunks()
    write_mapped(path, table.schema, [table])
    numbers, starts = np.unique(place[order], return_index=True)
    hashed = table.drop_columns(list(ignored))
    return {
        str(number): rows_hash.of(hashed.slice(start, stop - start))
        for number, (start, stop) in zip(numbers.tolist(), pairwise([*starts.tolist(), len(place)]), strict=True)
    }


def of_bucket(path: Path, bucket: int, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a bucket in a table of `write_by_bucket`, in their order; no others are read."""
    with mapped(path) as table:
        bounds = [0, 0]
        if table.num_rows:
            bounds = np.searchsorted(table["bucket"].to_numpy(), [bucket, bucket + 1]).tolist()
        return table.select(columns or table.column_names).take(pa.array(np.arange(*bounds)))


def _batch(part: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    whole = part.combine_chunks().to_batches()
    if not whole:
        return pa.RecordBatch.from_pylist([], schema)
    if len(whole) > 1:
        raise OverflowError(f"{part.nbytes:,} bytes are too many for one destination; use more destinations")
    return whole[0].cast(schema) if whole[0].schema != schema else whole[0]
