"""The first rows of each table, and what they say of the rest: a look at the sources before anything is built."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from socorpus.corpus import schema
from socorpus.corpus.dump import archives, gate, sources, xml_rows
from socorpus.corpus.dump.rows import row_forms
from socorpus.corpus.dump.rows.batches import Origin
from socorpus.corpus.dump.sources import Site, Table
from socorpus.corpus.errors import InputError

ROWS = 1000
"""Rows of a table that are looked at."""
REACH = 32 << 20
"""Decoded bytes of a container within which a table must begin to be looked at: what lies before it is decoded."""
TOTAL = 256 << 20
"""Bytes that are decoded in all before the tables that are looked at; the rest of many archives is left alone."""
_SHOWN = 2
_BATCH_BYTES = 1 << 18


@dataclass(frozen=True)
class TablePreview:
    """The first rows of one table of a site."""

    site: str
    table: str
    rows: tuple[Mapping[str, Any], ...]
    """Some of the readable ones, each without its empty columns."""
    looked_at: int
    """Rows that were read or found unreadable; 0 where the table lies too deep in an archive, or has none."""
    warnings: tuple[str, ...]
    """What a build would refuse or lose, as far as these rows tell."""


@dataclass(frozen=True)
class Preview:
    """The first rows of all tables, and all warnings, of the sites and of the tables."""

    tables: tuple[TablePreview, ...]
    warnings: tuple[str, ...]


def preview(sites: Sequence[Site], accepted: float) -> Preview:
    """The first rows of each table of the sites, in their order.

    Args:
        accepted: share of a table's rows that may be unreadable.
    """
    tables: dict[tuple[str, str], Table] = {}
    for site in sites:
        for table in site.tables:
            tables.setdefault((site.name, table.table), table)  # of a table in parts the first
    by_address: dict[str, list[tuple[str, Table]]] = {}
    for (name, _), table in tables.items():
        by_address.setdefault(table.member.address, []).append((name, table))
    seen: dict[tuple[str, str], TablePreview] = {}
    left = TOTAL
    for address, wanted in by_address.items():
        reach = min(REACH, left)
        left -= min(reach, sum(table.member.size for _, table in wanted) if len(wanted) > 1 else 0)
        for looked in _of_container(address, wanted, reach, accepted):
            seen[looked.site, looked.table] = looked
    looked_at = tuple(seen.get(place, TablePreview(*place, (), 0, ())) for place in tables)
    return Preview(looked_at, tuple(_warnings(sites, looked_at, accepted)))


def _warnings(sites: Sequence[Site], tables: Sequence[TablePreview], accepted: float) -> list[str]:
    lines = [warning for site in sites for warning in site.warnings]
    posts = [table for table in tables if table.table == "posts"]
    if accepted < 1 and all(not table.rows and (table.looked_at or table.warnings) for table in posts):
        lines.append("none of the first posts can be read: without any post a build stops")
    lines += [
        f"{site.name} has no table of posts: it gives no documents"
        for site in sites
        if all(table.table != "posts" for table in site.tables)
    ]
    return [*lines, *(warning for table in tables for warning in table.warnings)]


def _of_container(
    address: str, wanted: Sequence[tuple[str, Table]], reach: int, accepted: float
) -> Iterator[TablePreview]:
    by_index = {table.member.index: (site, table) for site, table in wanted}
    if wanted[0][1].source is not None:
        yield from _of_plugin(wanted, accepted)
        return
    try:
        before = 0
        for member in archives.members(address):
            if before > reach:
                by_index.pop(member.index, None)
            before += member.size
        # What lies in an archive as it is needs nothing that lies before it.
        apart = [index for index, (_, table) in by_index.items() if table.member.offset is not None]
        for site, table in [by_index.pop(index) for index in apart]:
            with archives.open_plain(table.member) as stream:
                yield _of_stream(stream, table, site, f"{address}!{table.member.name}", accepted)
        for member, stream in archives.stream(address, by_index.keys(), 1) if by_index else ():
            site, table = by_index.pop(member.index)
            file = f"{address}!{member.name}" if member.form in archives.ARCHIVES else address
            yield _of_stream(stream, table, site, file, accepted)
    except InputError as error:
        for site, table in by_index.values():
            yield TablePreview(site, table.table, (), 0, (f"{error}",))
            break


def _of_stream(stream: BinaryIO, table: Table, site: str, file: str, accepted: float) -> TablePreview:
    given = table.part.given if table.part is not None else ()
    origin = Origin(table.table, site, file, schema.NEEDED[table.table], below=table.below, given=given)
    rows = row_forms.read(stream, row_forms.of(table.member.name) or "xml", origin, _BATCH_BYTES)
    return _of_table(site, table.table, rows, accepted)


def _of_plugin(wanted: Sequence[tuple[str, Table]], accepted: float) -> Iterator[TablePreview]:
    """The first rows of each table that a plug-in's source gives."""
    for site, table in wanted:
        rows = sources.rows_by_plugin(table, site)
        yield _of_table(site, table.table, rows, accepted)


def _of_table(site: str, table: str, batches: Iterator[xml_rows.ParsedRows], accepted: float) -> TablePreview:
    tally = gate.Tally()
    shown: list[dict[str, Any]] = []
    problems: list[str] = []
    try:
        for some in batches:
            tally.read += some.batch.num_rows
            tally.unreadable += some.quarantine.num_rows
            tally.add(some.quarantine.drop_columns("row").to_pylist())
            tally.add_repairs(some.repairs)
            shown += some.batch.slice(0, _SHOWN - len(shown)).to_pylist()
            if tally.read + tally.unreadable >= ROWS:
                break
    except InputError as error:
        problems.append(f"{error}")
    looked_at = tally.read + tally.unreadable
    if tally.unreadable:
        stops = "; a build stops at this share" if gate.too_many(tally, accepted) else ""
        first = f"{looked_at:,} rows" if looked_at > 1 else "row"
        problems.append("\n".join([f"of the first {first}{stops}:", *gate.lines(f"{site}/{table}", tally)]))
    if tally.repairs:
        stops = "; a build stops at this share" if gate.too_many_damaged(tally, accepted) else ""
        repaired = gate.repaired_lines(f"{site}/{table}", tally)
        problems.append("\n".join([f"of the first {looked_at:,} rows{stops}:", *repaired]))
    if not looked_at and not problems:
        problems.append(f"{site}, table {table}: has no rows")
    rows = [{name: value for name, value in row.items() if value is not None and name != "site"} for row in shown]
    return TablePreview(site, table, tuple(rows), looked_at, tuple(problems))
