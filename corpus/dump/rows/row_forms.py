"""Forms of a table's file, by its name: XML, Parquet, CSV and JSON Lines; one reader's arguments for all of them."""

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from socorpus.corpus.dump import xml_rows
from socorpus.corpus.dump.rows import csv_rows, json_rows, parquet_rows
from socorpus.corpus.dump.rows.batches import Origin
from socorpus.corpus.dump.xml_rows import ParsedRows
from socorpus.corpus.errors import InputError

TABLE = re.compile(
    r"^(?P<stem>.+?)\.(?:(?P<form>xml|csv|tsv|jsonl|ndjson)(?:\.(?P<packed>gz|bz2|zst))?|(?P<parquet>parquet))$",
    re.IGNORECASE,
)
"""Name of a table's file: its stem, its form, and how it is compressed."""
_FORMS = {"xml": "xml", "csv": "csv", "tsv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet"}
IN_MEMORY = 256 << 20
"""Bytes of a Parquet file that lies compressed in an archive: it is held as a whole, since its end is read first."""
PLUGIN = "plug-in "
"""Beginning of a file's name that a plug-in's source reads, in messages and in the quarantine."""


def of(name: str) -> str | None:
    """The form of a file by its name: xml, csv, jsonl or parquet; None of any other.

    Examples:
        >>> of("Posts.csv.gz"), of("posts.parquet"), of("Posts.txt")
        ('csv', 'parquet', None)
    """
    match = TABLE.match(re.split(r"[\\/]", name)[-1])
    return _FORMS[(match["form"] or match["parquet"]).lower()] if match else None


def unit(file: str) -> str:
    """What the offset of a row of a file counts: bytes of the decoded stream; of Parquet, and of a plug-in's, rows.

    Examples:
        >>> unit("Posts.xml"), unit("Posts.parquet")
        ('byte', 'row')
    """
    return "row" if file.startswith(PLUGIN) or of(file.rpartition("!")[2]) == "parquet" else "byte"


def read(
    stream: BinaryIO, form: str, origin: Origin, batch_bytes: int = 4 << 20, threads: int = 1
) -> Iterator[ParsedRows]:
    """All rows of a decoded stream, from its start.

    Args:
        stream: of Parquet one that can be sought, or a shorter one than `IN_MEMORY`.
        threads: that read XML; other forms are read on one.

    Raises:
        InputError: as the form's reader raises it.
    """
    if form == "csv":
        return csv_rows.read(stream, origin, batch_bytes)
    if form == "jsonl":
        return json_rows.read(stream, origin, batch_bytes=batch_bytes)
    if form == "parquet":
        return parquet_rows.read(in_memory(stream, origin.file), origin, batch_bytes=batch_bytes)
    return xml_rows.read(
        stream,
        table=origin.table,
        site=origin.site,
        file=origin.file,
        needed=origin.needed,
        longest=origin.longest,
        batch_bytes=batch_bytes,
        threads=threads,
    )


def read_range(stream: BinaryIO, form: str, origin: Origin, start: int, stop: int | None) -> Iterator[ParsedRows]:
    """The rows that begin in a range of bytes of a seekable stream of XML or JSON Lines."""
    if form == "jsonl":
        return json_rows.read(stream, origin, start, stop)
    return xml_rows.read(
        stream,
        table=origin.table,
        site=origin.site,
        file=origin.file,
        start=start,
        stop=stop,
        needed=origin.needed,
        longest=origin.longest,
    )


def in_memory(stream: BinaryIO, file: str) -> BinaryIO:
    """A stream that can be sought: itself, or what it holds.

    Raises:
        InputError: it can't, and holds more than `IN_MEMORY`.
    """
    if stream.seekable():
        return stream
    pieces, size = [], 0
    while piece := stream.read(1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > IN_MEMORY:
            raise InputError(
                f"{file}: a Parquet file of more than {IN_MEMORY >> 20} MB that lies compressed in an archive, which "
                "can't be read from its end: unpack the archive and give its folder"
            )
    return io.BytesIO(b"".join(pieces))
