"""Parquet as this project writes it: the same rows give the same bytes, and a file is whole or not there."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from socorpus.corpus import schema as schemas
from socorpus.corpus.storage.boundary import reading
from socorpus.corpus.storage.files import atomic
from socorpus.corpus.storage.objects.paths import readable
from socorpus.corpus.storage.rows_hash import RowsHash

# Encodings by column, as measured on corpora with labels (docs/scaling.md): no reader of Parquet lacks these.
_DICTIONARY = {
    *("site", "kind", "language", "license", "reason", "split", "content_license", "name", "tag_name", "benchmark"),
    *("tags.list.element", "segments.list.element.kind", "segments.list.element.language"),
    *("form", "function", "label", "source", "version", "evidence"),
    *(f"votes.list.element.{name}" for name in ("function", "label")),
}
_DELTA = {
    *("post_id", "created", "own_end", "author_id", "owner_user_id", "history_id", "vote_id", "comment_id"),
    *("chars", "words", "prose_chars", "code_chars", "code_tokens.list.element"),
    *("segments.list.element.start", "segments.list.element.end"),
}
"""Integers that differ from row to row by less than they are large."""
_LEVEL = 3
_PAGE = 8 << 20
"""Bytes of a page, within which repeats are found: few row groups have more than one for a column."""
ROW_GROUP = 8192
"""Rows of a row group, of all tables but the shards."""


@dataclass(frozen=True)
class Written:
    """A table that was written: its number of rows, and the hash of its rows (`rows_hash`)."""

    rows: int
    rows_hash: str


def write(path: Path, tables: pa.Table | Iterable[pa.Table], schema: pa.Schema, row_group: int = ROW_GROUP) -> Written:
    """Write tables of `schema`, one after another, atomically."""
    rows, hashed = 0, RowsHash(schema)
    with atomic(path) as temporary, writer(temporary, schema) as file:
        for given in [tables] if isinstance(tables, pa.Table) else tables:
            table = given.cast(schema) if given.schema != schema else given
            file.write_table(table, row_group_size=row_group)
            hashed.update(table)
            rows += table.num_rows
    return Written(rows, hashed.hexdigest())


def regrouped(tables: Iterable[pa.Table], rows: int = ROW_GROUP) -> Iterator[pa.Table]:
    """The rows of tables of one schema, one after another, in tables of `rows` and a rest: row groups of one size."""
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        held.append(table)
        size += table.num_rows
        if size >= rows:
            whole = pa.concat_tables(held)
            cut = size - size % rows
            yield whole.slice(0, cut)
            held, size = [whole.slice(cut)], size - cut
    if size:
        yield pa.concat_tables(held)


def rows_hash(path: Path) -> str:
    """The hash of a file's rows (`rows_hash`), read row group by row group.

    Raises:
        OSError, pa.ArrowInvalid: the file is not there, or no whole Parquet file.
    """
    with reading(path), pq.ParquetFile(readable(path)) as file:
        hashed = RowsHash(file.schema_arrow)
        for number in range(file.num_row_groups):
            hashed.update(file.read_row_group(number, use_threads=False))
    return hashed.hexdigest()


def writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A Parquet writer with this project's fixed options: zstd, and for each column the encoding that suits it."""
    leaves = _leaves(schema)
    dictionaries = [name for name in leaves if name in _DICTIONARY]
    deltas = [name for name, kind in leaves.items() if name in _DELTA and _whole_number(kind)]
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=_LEVEL,
        data_page_size=_PAGE,
        use_dictionary=dictionaries,
        column_encoding=dict.fromkeys(deltas, "DELTA_BINARY_PACKED") or None,
        write_statistics=_numbers(schema),
    )


def read(path: Path, schema: pa.Schema | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file, or some columns of it; with `schema`, check the whole file's schema against it first.

    Raises:
        InputError: the file's schema is another one.
    """
    with reading(path), pq.ParquetFile(readable(path)) as file:
        if schema is not None:
            schemas.check(file.schema_arrow, schema, str(path))
        return file.read(columns=list(columns) if columns is not None else None, use_threads=False)


def read_encoded(path: Path, columns: Sequence[str], dictionaries: Sequence[str] = ()) -> pa.Table:
    """Some columns of a file, those of `dictionaries` as dictionaries, which texts that repeat take less memory as.

    Args:
        dictionaries: paths of columns of text, such as `kind` or `tags.list.element`.
    """
    with reading(path), pq.ParquetFile(readable(path), read_dictionary=list(dictionaries)) as file:
        # Row group by row group: Arrow can't put together the dictionaries of lists.
        groups = [
            file.read_row_group(number, columns=list(columns), use_threads=False)
            for number in range(file.num_row_groups)
        ]
        return pa.concat_tables(groups) if groups else file.read(columns=list(columns))


def batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Read a file row group by row group."""
    # Exceptions of whoever reads the tables do not come here.
    with reading(path), pq.ParquetFile(readable(path)) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=list(columns) if columns is not None else None, use_threads=False)


def row_groups(path: Path, schema: pa.Schema | None = None) -> list[int]:
    """Rows of each row group of a file; with `schema`, check the file's against it first.

    Raises:
        InputError: the file's schema is another one.
        OSError, pa.ArrowInvalid: the file is not there, or no whole Parquet file.
    """
    with reading(path), pq.ParquetFile(readable(path)) as file:
        if schema is not None:
            schemas.check(file.schema_arrow, schema, str(path))
        return [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]


def column_names(path: Path) -> list[str]:
    """Names of a file's columns; errors as of `row_groups`."""
    with reading(path), pq.ParquetFile(readable(path)) as file:
        names: list[str] = file.schema_arrow.names
        return names


def read_group(path: Path, number: int, columns: Sequence[str]) -> pa.Table:
    """Some columns of one row group.

    Raises:
        OSError, pa.ArrowInvalid: the file is not there, or no whole Parquet file.
    """
    with reading(path), pq.ParquetFile(readable(path)) as file:
        return file.read_row_group(number, columns=list(columns), use_threads=False)


def _leaves(schema: pa.Schema) -> dict[str, pa.DataType]:
    """Path -> type of each column of values."""

    def below(name: str, kind: pa.DataType) -> dict[str, pa.DataType]:
        if pa.types.is_list(kind):
            return below(f"{name}.list.element", kind.value_type)
        if pa.types.is_struct(kind):
            fields = (below(f"{name}.{kind[i].name}", kind[i].type) for i in range(kind.num_fields))
            return {path: leaf for of in fields for path, leaf in of.items()}
        return {name: kind}

    return {path: leaf for field in schema for path, leaf in below(field.name, field.type).items()}


def _whole_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_int32(kind) or pa.types.is_int64(kind) or pa.types.is_timestamp(kind))


def _numbers(schema: pa.Schema) -> list[str]:
    # Statistics of texts would hold texts; those of keys and dates let a reader skip row groups.
    return [f.name for f in schema if pa.types.is_integer(f.type) or pa.types.is_timestamp(f.type)]
