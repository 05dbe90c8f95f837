"""Files of a published folder: Parquet, JSON Lines, also compressed; each whole or not there."""

import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.storage import json_lines, parquet
from socorpus.corpus.storage.files import atomic

PARQUET, JSONL, ZST, MEGATRON = "parquet", "jsonl", "jsonl.zst", "megatron"
FORMATS = (PARQUET, JSONL, ZST, MEGATRON)
_LEVEL = 3
_ROWS = 1 << 10
"""Rows that are Python objects at a time."""
_INDEXED = 1 << 20
"""Documents whose places are computed at a time."""
_KEYS = ("post_id", "comment_id", "block", "answer_id", "chosen_id", "rejected_id")
"""What tells the rows of a post or thread apart, in the `id` of a line."""


def write(path: Path, tables: Iterable[pa.Table], columns: pa.Schema, form: str) -> int:
    """Write tables of one schema, one after another; the number of rows.

    Args:
        form: parquet, jsonl or jsonl.zst.
    """
    if form == PARQUET:
        return _write_parquet(path, tables, columns)
    rows = 0
    with atomic(path) as temporary, temporary.open("wb") as file, _lines_to(file, form) as stream:
        for table in tables:
            for line in lines(table):
                stream.write(line)
            rows += table.num_rows
    return rows


def _write_parquet(path: Path, tables: Iterable[pa.Table], columns: pa.Schema) -> int:
    rows = 0
    cast = (table.cast(columns) if table.schema != columns else table for table in tables)
    with atomic(path) as temporary, parquet.writer(temporary, columns) as file:
        # The row groups of what is read may be small.
        for table in parquet.regrouped(cast):
            file.write_table(table, row_group_size=parquet.ROW_GROUP)
            rows += table.num_rows
    return rows


def _lines_to(file: IO[bytes], form: str) -> IO[str]:
    raw: Any = file
    if form == ZST:
        import zstandard

        raw = zstandard.ZstdCompressor(level=_LEVEL).stream_writer(file, closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", newline="\n", write_through=False)


def lines(table: pa.Table) -> Iterator[str]:
    """A line of JSON for each row.

    Rows with a `text` are in the form of datatrove (`id`, `text`, `metadata`); others have an `id` before their
    columns. Times are texts (ISO 8601).
    """
    whole = "text" in table.column_names and "answers" not in table.column_names
    for batch in table.to_batches(max_chunksize=_ROWS):
        for row in batch.to_pylist():
            name = identifier(row)
            value = {"id": name, "text": row.pop("text"), "metadata": row} if whole else {"id": name, **row}
            yield json_lines.line(value, _plain)


def identifier(row: dict[str, Any]) -> str:
    """The id of a row's line: `SITE:POST_ID`, and behind it what else tells it apart."""
    first = row["post_id"] if "post_id" in row else row["thread_id"]
    more = [str(row[name]) for name in _KEYS[1:] if row.get(name) is not None]
    return ":".join([schema.key(row["site"], first), *more])


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def suffix(form: str) -> str:
    """The ending of the files of a format."""
    return f".{form}"


def megatron(bin_path: Path, idx_path: Path, documents: Iterable[tuple[Any, Any]], end: int) -> tuple[int, int]:
    """Write tokens as megatron-core's `IndexedDataset` reads them: documents of one sequence each, uint16.

    Source: megatron-core's `indexed_dataset.py`: a header, the version 1, the code of the type (8), the numbers of
    sequences and of ends of documents, the sequences' lengths (int32), their first bytes (int64), the ends (int64).

    Args:
        documents: tokens, uint16[n], and the bounds of the documents in them, int64[m + 1], part by part.
        end: the token that is put behind each document.

    Returns:
        Documents, and tokens with those that were put behind.
    """
    import numpy as np

    lengths: list[Any] = []
    with atomic(bin_path) as temporary, temporary.open("wb") as file:
        for tokens, bounds in documents:
            places = bounds[1:] - bounds[0]
            file.write(np.insert(tokens, places, np.uint16(end)).astype("<u2").tobytes())
            lengths.append(np.diff(bounds).astype(np.int32) + 1)
    sizes = np.concatenate([np.zeros(0, np.int32), *lengths])
    with atomic(idx_path) as temporary, temporary.open("wb") as file:
        file.write(b"MMIDIDX\x00\x00")
        file.write(np.array([1], "<u8").tobytes() + np.array([8], "<u1").tobytes())
        file.write(np.array([len(sizes), len(sizes) + 1], "<u8").tobytes())
        file.write(sizes.astype("<i4").tobytes())
        before = 0
        for start in range(0, len(sizes), _INDEXED):
            ends = before + np.cumsum(sizes[start : start + _INDEXED], dtype=np.int64)
            file.write((2 * (ends - sizes[start : start + _INDEXED])).astype("<i8").tobytes())
            before = int(ends[-1])
        for start in range(0, len(sizes) + 1, _INDEXED):
            file.write(np.arange(start, min(start + _INDEXED, len(sizes) + 1), dtype="<i8").tobytes())
    return len(sizes), before


def json_text(value: dict[str, Any]) -> str:
    """An object as JSON for people and programs: a line for each key, and for each element of its lists.

    (With an indentation, Python's encoder takes as long as a small table.)
    """
    lines = []
    for key, given in value.items():
        if isinstance(given, list) and given:
            text = "[\n  " + ",\n  ".join(_compact(element) for element in given) + "\n ]"
        else:
            text = _compact(given)
        lines.append(f" {_compact(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)
