"""Parquet -> typed batches, in runs of row groups that are read side by side.

A column is read only if the table has it; of others the file's statistics say in how many rows they are.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from socorpus.corpus.dump.rows import batches, typed_columns
from socorpus.corpus.dump.rows.batches import Origin
from socorpus.corpus.dump.xml_rows import ParsedRows
from socorpus.corpus.errors import InputError, SocorpusError

_MOST_ROWS = 1 << 16
_BUFFER = 1 << 20
"""Packed bytes of a column that are read at a time, so that a row group need not be held as a whole."""


@dataclass(frozen=True)
class Span:
    """Consecutive row groups that are read together, into one or more parts."""

    groups: range
    parts: int
    rows: int
    """Of each part but the last."""


@contextlib.contextmanager
def opened(stream: BinaryIO, file: str) -> Iterator[pq.ParquetFile]:
    """A Parquet file, whose errors name it.

    Raises:
        InputError: it is none, or damaged; or pyarrow can't decode it.
    """
    try:
        with pq.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False) as parquet:
            yield parquet
    except (SocorpusError, MemoryError):
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        what = " ".join(f"{error}".split())[:300] or type(error).__name__
        raise InputError(f"{file}: not a Parquet file, truncated or damaged: {what}; write or download it again") from (
            error
        )


def decoded_bytes(stream: BinaryIO, file: str) -> int:
    """Bytes of a file's columns before they were compressed."""
    with opened(stream, file) as parquet:
        return sum(_bytes(parquet, group) for group in range(parquet.num_row_groups))


def group_rows(stream: BinaryIO, file: str) -> list[int]:
    """Rows of each row group of a file."""
    with opened(stream, file) as parquet:
        return [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]


def spans(stream: BinaryIO, file: str, part_bytes: int) -> list[Span]:
    """Row groups in runs of about `part_bytes`; a larger row group is cut into parts of as many rows."""
    runs: list[Span] = []
    with opened(stream, file) as parquet:
        first, size = 0, 0
        for group in range(parquet.num_row_groups):
            own = _bytes(parquet, group)
            if size and size + own > part_bytes:
                runs.append(_span(parquet, range(first, group), size, part_bytes))
                first, size = group, 0
            size += own
        runs.append(_span(parquet, range(first, parquet.num_row_groups), size, part_bytes))
    return runs


def _bytes(parquet: pq.ParquetFile, group: int) -> int:
    return int(parquet.metadata.row_group(group).total_byte_size)


def _span(parquet: pq.ParquetFile, groups: range, size: int, part_bytes: int) -> Span:
    rows = sum(parquet.metadata.row_group(group).num_rows for group in groups)
    # The sizes that a file declares of its groups may be anything, and each part has rows.
    parts = min(max(1, -(-size // part_bytes)), max(1, rows))
    each = max(1, -(-rows // parts))
    return Span(groups, max(1, -(-rows // each)), each)


def read(
    stream: BinaryIO,
    origin: Origin,
    groups: Sequence[int] | None = None,
    cut: int | None = None,
    batch_bytes: int = 4 << 20,
) -> Iterator[ParsedRows]:
    """The rows of some row groups, of all by default, in batches of about `batch_bytes` decoded bytes.

    Offsets, and `consumed`, are rows: offsets those of the file, from 0, `consumed` those of the groups that were read.

    Args:
        cut: no batch has rows on both sides of a multiple of this.

    Raises:
        InputError: the file is no Parquet or damaged, or has no identifier of the table.
    """
    with opened(stream, origin.file) as parquet:
        metadata = parquet.metadata
        wanted = list(range(metadata.num_row_groups) if groups is None else groups)
        schema = parquet.schema_arrow
        names = typed_columns.names_of(origin.table, schema.names, origin.file)
        typed_columns.check_names(origin.table, names, origin.file)
        first = sum(metadata.row_group(group).num_rows for group in range(wanted[0] if wanted else 0))
        rows = sum(metadata.row_group(group).num_rows for group in wanted)
        size = sum(metadata.row_group(group).total_byte_size for group in wanted)
        some = max(1, min(_MOST_ROWS, batch_bytes * rows // max(1, size)))
        drift = _drift(parquet, names.unknown, wanted)
        done = 0
        read_in = parquet.iter_batches(some, row_groups=wanted, columns=list(names.known.values()), use_threads=False)
        for whole in read_in:
            begin = 0
            while begin < len(whole):
                length = len(whole) - begin
                if cut is not None:
                    length = min(length, cut - done % cut)
                piece = whole.slice(begin, length)
                begin, done = begin + length, done + length
                yield _batch(origin, names, piece, first + done - length, done, drift)
                drift = Counter()


def _batch(
    origin: Origin, names: typed_columns.Names, piece: pa.RecordBatch, first: int, done: int, drift: Counter[str]
) -> ParsedRows:
    columns = {name: piece.column(place) for place, name in enumerate(piece.schema.names)}

    def raw(row: int) -> bytes:
        values: dict[str, Any] = piece.slice(row, 1).to_pylist()[0]
        return json.dumps(values, ensure_ascii=False, default=str).encode("utf-8", "replace")

    offsets = range(first, first + len(piece))
    return batches.batch(origin, names, columns, offsets, _safe(raw), done, unknown=drift)


def _safe(raw: Any) -> Any:
    def shown(row: int) -> bytes:
        try:
            value: bytes = raw(row)
        except (ValueError, OverflowError):  # texts that are not UTF-8, times that Python has not
            return b""
        return value

    return shown


def _drift(parquet: pq.ParquetFile, unknown: Sequence[str], groups: Sequence[int]) -> Counter[str]:
    """Rows of the groups that have each column that is not known; all where the file has no statistics of it."""
    counts: Counter[str] = Counter()
    for group in groups:
        entry = parquet.metadata.row_group(group)
        chunks = {entry.column(place).path_in_schema: entry.column(place) for place in range(entry.num_columns)}
        for name in unknown:
            chunk = chunks.get(name)
            known = chunk is not None and chunk.statistics is not None and chunk.statistics.has_null_count
            counts[name] += entry.num_rows - (chunk.statistics.null_count if known and chunk is not None else 0)
    return +counts
