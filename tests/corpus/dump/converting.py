"""Tables of a dump in other forms than XML, as converters of many kinds write them."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from socorpus.corpus import schema
from socorpus.corpus.dump import xml_rows

NAMES = {
    "posts": "Posts",
    "comments": "Comments",
    "history": "PostHistory",
    "links": "PostLinks",
    "votes": "Votes",
    "users": "Users",
    "badges": "Badges",
    "tags": "Tags",
}
TEXT, TAGS = pa.string(), pa.list_(pa.string())


def rows_of(path: Path, table: str) -> pa.Table:
    """The readable rows of an XML file, with the dump's names."""
    with path.open("rb") as stream:
        needed = schema.NEEDED[table]
        read = list(xml_rows.read(stream, table=table, site="x", file=path.name, needed=needed))
    return (
        together(read, table).drop_columns("site").rename_columns([attribute.xml for attribute in schema.DUMP[table]])
    )


def snake(rows: pa.Table, table: str) -> pa.Table:
    names = ["id", *(attribute.column for attribute in schema.DUMP[table][1:])]
    return rows.rename_columns(names)


def as_pandas_has_them(rows: pa.Table) -> pa.Table:
    """Numbers as floats, times as text with microseconds, tags as the dump has them, names in lower case."""
    columns = []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        if pa.types.is_integer(field.type):
            columns.append(column.cast(pa.float64()))
        elif pa.types.is_timestamp(field.type):
            texts = [None if v is None else v.strftime("%Y-%m-%d %H:%M:%S.%f") + "+00:00" for v in column.to_pylist()]
            columns.append(pa.chunked_array([pa.array(texts, TEXT)]))
        elif field.type == TAGS:
            texts = [None if v is None else "".join(f"<{tag}>" for tag in v) for v in column.to_pylist()]
            columns.append(pa.chunked_array([pa.array(texts, pa.large_string())]))
        elif field.type == TEXT:
            columns.append(column.dictionary_encode())
        else:
            columns.append(column)
    return pa.table(columns, names=[name.lower() for name in rows.column_names])


def plain(rows: pa.Table, tags: Callable[[list[str]], Any]) -> Iterator[dict[str, Any]]:
    """Rows as values of JSON, without their nulls."""
    for row in rows.to_pylist():
        out = {}
        for name, value in row.items():
            if isinstance(value, list):
                out[name] = tags(value)
            elif hasattr(value, "isoformat"):
                out[name] = value.replace(tzinfo=None).isoformat(timespec="milliseconds")
            elif value is not None:
                out[name] = value
        yield out


def to_parquet(rows: pa.Table, path: Path, **options: Any) -> None:
    pq.write_table(rows, path, **options)


def to_jsonl(rows: pa.Table, path: Path, texts: bool = False) -> None:
    some = plain(rows, (lambda tags: "|" + "".join(f"{tag}|" for tag in tags)) if texts else list)
    lines = [
        json.dumps({k: f"{v}" if texts and not isinstance(v, bool) else v for k, v in row.items()}, ensure_ascii=texts)
        for row in some
    ]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="")


def to_csv(rows: pa.Table, path: Path, sign: str = ",") -> None:
    """Null is nothing, and an empty text two quotes, as most programs write them."""

    def field(value: Any) -> str:
        if value is None:
            return ""
        text = f"{value}"
        return '"' + text.replace('"', '""') + '"' if not text or re.search(f'[{sign}"\r\n]', text) else text

    names = rows.column_names
    lines = [sign.join(names)]
    some = plain(rows, lambda tags: "".join(f"<{tag}>" for tag in tags))
    lines += [sign.join(field(row.get(name)) for name in names) for row in some]
    path.write_text("".join(f"{line}\r\n" for line in lines), "utf-8", newline="")


WAYS: dict[str, Callable[[pa.Table, str, Path], Path]] = {}


def way(name: str, suffix: str) -> Callable[[Callable[[pa.Table, str, Path], None]], None]:
    def enter(write: Callable[[pa.Table, str, Path], None]) -> None:
        def written(rows: pa.Table, table: str, folder: Path) -> Path:
            path = folder / f"{NAMES[table]}{suffix}"
            write(rows, table, path)
            return path

        WAYS[name] = written

    return enter


way("parquet", ".parquet")(lambda rows, table, path: to_parquet(rows, path))
way("snake", ".parquet")(lambda rows, table, path: to_parquet(snake(rows, table), path, row_group_size=100))
way("pandas", ".parquet")(lambda rows, table, path: to_parquet(as_pandas_has_them(rows), path))
way("jsonl", ".jsonl")(lambda rows, table, path: to_jsonl(rows, path))
way("texts", ".ndjson")(lambda rows, table, path: to_jsonl(rows, path, texts=True))
way("csv", ".csv")(lambda rows, table, path: to_csv(rows, path))
way("tabs", ".tsv")(lambda rows, table, path: to_csv(snake(rows, table), path, "\t"))


def convert(dump: Path, folder: Path, name: str) -> Path:
    """A dump's folder in another form; the folder of its site below `folder`."""
    out = folder / dump.name
    out.mkdir(parents=True)
    known = {stem: table for table, stem in NAMES.items()}
    for path in sorted(dump.iterdir()):
        WAYS[name](rows_of(path, known[path.stem]), known[path.stem], out)
    return out


def together(read_rows: Sequence[xml_rows.ParsedRows], table: str) -> pa.Table:
    return pa.concat_tables([some.batch for some in read_rows] or [schema.dump_schema(table).empty_table()])
