"""The definition of a source: a plug-in's function that reads files of a kind of its own as tables of a dump."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from socorpus.corpus import plugins
from socorpus.corpus.dump.rows import batches, typed_columns
from socorpus.corpus.dump.rows.batches import Origin
from socorpus.corpus.dump.xml_rows import ParsedRows
from socorpus.corpus.errors import BuildError
from socorpus.corpus.plugins import Registry
from socorpus.corpus.schema import DUMP

Read = Callable[[Path], Iterable[tuple[str, pa.Table | Mapping[str, Any]]]]


@dataclass(frozen=True)
class Source:
    """A source.

    Attributes:
        name: sources are given as `NAME:PATH`.
        read: from one file, batches: a table's name, and columns by the dump's names or ours, all of one length. It
            must depend on nothing but the file.
        tables: of `schema.DUMP`, that it may give; others are none of the site.
        files: pattern of the names of the files in a folder.
        version: raise it when the rows change. None, in a plug-in: the plug-in's hash or version.
    """

    name: str
    read: Read
    tables: tuple[str, ...]
    files: str
    version: int | str | None = None


SOURCES: Registry[Source] = Registry("source")
"""The sources of active plug-ins; we have none."""


def source(tables: Sequence[str], files: str = "*", *, version: int | str | None = None) -> Callable[[Read], Read]:
    """Make a function a source of its name: `socorpus build NAME:PATH` reads the files of PATH by it; see `Source`.

    >>> from socorpus.corpus import source
    >>> @source(["posts"], files="*.txt")
    ... def notes(path):
    ...     text = path.read_text("utf-8")
    ...     row = {"Id": 1, "PostTypeId": 1, "CreationDate": "2024-05-01", "Title": path.stem, "Body": text}
    ...     yield "posts", {name: [value] for name, value in row.items()}

    Raises:
        InputError: there is a source of this name, or a table is none of a dump.
    """
    if callable(tables):
        raise plugins.rejected(
            f"source {getattr(tables, '__name__', tables)}: @source needs its tables in parentheses, as in "
            '@source(["posts"])'
        )

    def enter(read: Read) -> Read:
        name = read.__name__
        if not plugins.enters(read.__module__, f"source {name}"):
            return read
        given = (tables,) if isinstance(tables, str) else tuple(tables)
        unknown = [table for table in given if table not in DUMP]
        if unknown or not given:
            what = f"{unknown[0]!r} is no table of a dump" if unknown else "no table is given"
            raise plugins.rejected(f"source {name}: {what}; there are {', '.join(DUMP)}")
        SOURCES.add(name, Source(name, read, tuple(table for table in DUMP if table in given), files, version))
        return read

    return enter


def read_file(definition: Source, path: Path, origin: Mapping[str, Origin]) -> Iterator[tuple[str, ParsedRows]]:
    """The rows of one file, by table, under the rules that rows of XML are read by; offsets are rows of the file.

    Args:
        origin: by table, those that are wanted; batches of others are passed over.

    Raises:
        BuildError: the plug-in's function raised something, or gives what is no batch of a table.
    """
    plugin = plugins_origin(definition)
    where = f"source {definition.name}"

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        return plugins.call(function, *arguments, plugin=plugin, name=where, culprit=lambda: path.name)

    given = iter(call(lambda: iter(definition.read(path))))
    rows = dict.fromkeys(definition.tables, 0)
    end = object()
    while (entry := call(next, given, end)) is not end:
        table, columns = _checked(definition, entry, path)
        first, length = rows[table], _length(definition, columns, path, table)
        rows[table] += length
        if table in origin and length:
            yield table, _batch(origin[table], columns, first, length)


def plugins_origin(definition: Source) -> plugins.Plugin | None:
    """The plug-in that defines a source."""
    return SOURCES.origin(definition.name)


def _checked(definition: Source, entry: Any, path: Path) -> tuple[str, dict[str, typed_columns.Given]]:
    where = f"{plugins.where(plugins_origin(definition))}: source {definition.name}, on {path.name}"
    pair = isinstance(entry, tuple) and len(entry) == 2
    if not pair or not isinstance(entry[1], pa.Table | pa.RecordBatch | Mapping):
        raise BuildError(f"{where}: gives {type(entry).__name__}, not a pair of a table's name and its columns")
    table, columns = entry
    if table not in definition.tables:
        known = ", ".join(definition.tables)
        raise BuildError(f"{where}: gives rows of {table!r}, which it does not declare; its tables are {known}")
    names = columns.column_names if isinstance(columns, pa.Table) else list(columns)
    if isinstance(columns, pa.RecordBatch):
        names = columns.schema.names
    given: dict[str, typed_columns.Given] = {}
    for name in names:
        values = columns[name]
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            kind = type(values).__name__
            raise BuildError(f"{where}: the column {name} of {table} is of {kind}, not a list or an Arrow array")
        given[str(name)] = values if isinstance(values, pa.Array | pa.ChunkedArray) else list(values)
    return table, given


def _length(definition: Source, columns: Mapping[str, typed_columns.Given], path: Path, table: str) -> int:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        where = f"{plugins.where(plugins_origin(definition))}: source {definition.name}, on {path.name}"
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise BuildError(f"{where}: columns of {table} have different lengths: {listed}")
    return next(iter(lengths.values()), 0)


def _batch(origin: Origin, columns: Mapping[str, typed_columns.Given], first: int, length: int) -> ParsedRows:
    names = typed_columns.names_of(origin.table, list(columns), origin.file)

    def raw(row: int) -> bytes:
        values = {name: column[row] for name, column in columns.items()}
        plain = {name: value.as_py() if isinstance(value, pa.Scalar) else value for name, value in values.items()}
        return json.dumps(plain, ensure_ascii=False, default=str).encode("utf-8", "replace")

    return batches.batch(origin, names, columns, range(first, first + length), raw, first + length)
