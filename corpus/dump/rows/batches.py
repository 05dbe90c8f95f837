"""Rows that a form's reader has taken apart -> `ParsedRows`, with their places, quarantine, repairs and drift."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from socorpus.corpus.dump import archives
from socorpus.corpus.dump.rows import typed_columns
from socorpus.corpus.dump.rows.typed_columns import Given, Names
from socorpus.corpus.dump.xml_rows import ParsedRows
from socorpus.corpus.schema import QUARANTINE, dump_schema


@dataclass(frozen=True)
class Origin:
    """What the rows of a stream are of, and which of them can be read."""

    table: str
    site: str
    file: str
    """As the user named it; of a member of an archive `ARCHIVE!MEMBER`."""
    needed: Sequence[Sequence[str]] = ()
    """As `schema.NEEDED`."""
    longest: int = 256 << 20
    """Bytes of the longest row that is read."""
    below: int = 0
    """Last folders of `file` that tell it from other parts of the table."""
    given: tuple[tuple[str, str | None], ...] = ()
    """Columns, of whatever names, that the file's folders give, with the value of all rows; those in the file count
    before them. XML, whose rows have all of their attributes, has none."""

    @property
    def shown(self) -> str:
        """The file as the quarantine names it: without folders of the machine."""
        file, bang, member = self.file.partition("!")
        return f"{archives.name_of(file, self.site, self.below)}{bang}{member}"

    def lost(self, offset: int, reason: str, raw: bytes) -> dict[str, Any]:
        """A row of the quarantine."""
        place = {"site": self.site, "table": self.table, "file": self.shown}
        return {**place, "offset": offset, "reason": reason, "row": raw}


def batch(
    origin: Origin,
    names: Names,
    columns: Mapping[str, Given],
    offsets: Sequence[int],
    raw: Callable[[int], bytes],
    consumed: int,
    *,
    lost: Sequence[dict[str, Any]] = (),
    repaired: Mapping[int, str] | None = None,
    unknown: Mapping[str, int] | None = None,
    blank: bool = False,
) -> ParsedRows:
    """The rows of a batch by the rules of their table.

    Args:
        names: of the file's columns.
        columns: by the names in the file, a value a row.
        offsets: of each row in the file.
        raw: the bytes of a row, for the quarantine.
        lost: rows among these that could not even be taken apart.
        repaired: rows that had bytes which are not UTF-8, now U+FFFD, with the reason.
        unknown: counts of the columns that are not known, where `columns` hasn't these.
        blank: as `typed_columns.convert` takes it.
    """
    rows = len(offsets)
    given = {column: columns[name] for column, name in names.known.items() if name in columns}
    by_folders = dict(origin.given)
    for column, name in typed_columns.names_of(origin.table, list(by_folders), origin.file).known.items():
        given.setdefault(column, [by_folders[name]] * rows)
    result = typed_columns.convert(
        origin.table,
        origin.site,
        given,
        rows,
        needed=origin.needed,
        longest=origin.longest,
        unknown=names.unknown,
        blank=blank,
    )
    bad = [*lost, *(origin.lost(offsets[row], reason, raw(row)) for row, reason in result.reasons.items())]
    mended = dict(result.repaired) | {row: why for row, why in (repaired or {}).items() if result.readable[row]}
    if unknown is None:
        unknown = typed_columns.counts_of({name: columns[name] for name in names.unknown}, result.readable)
    repairs = tuple(
        {"file": origin.shown, "offset": offsets[row], "reason": reason} for row, reason in sorted(mended.items())
    )
    bad.sort(key=lambda row: int(row["offset"]))
    return ParsedRows(
        result.batch, pa.Table.from_pylist(bad, QUARANTINE), dict(unknown), len(repairs), repairs, consumed
    )


def only_lost(origin: Origin, lost: Sequence[dict[str, Any]], consumed: int) -> ParsedRows:
    """A batch of nothing but rows that could not be taken apart."""
    empty = dump_schema(origin.table).empty_table()
    return ParsedRows(empty, pa.Table.from_pylist(list(lost), QUARANTINE), {}, 0, (), consumed)
