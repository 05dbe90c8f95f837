"""What sources hold, seen from samples at several places of each table: rows, dates, columns, drift, and what is odd.

Nothing is written, and the time is bounded: of a file at most `PLACES` pieces are read, of a table in several files
`PLACES` of these, of an archive what lies within `REACH` decoded bytes. Counts of rows are estimates where a table is
longer than its samples.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.config import Config
from socorpus.corpus.dump import addresses, archives, gate, sources, xml_rows
from socorpus.corpus.dump.rows import parquet_rows, row_forms
from socorpus.corpus.dump.rows.batches import Origin
from socorpus.corpus.dump.sources import Site, Table
from socorpus.corpus.dump.xml_rows import ParsedRows
from socorpus.corpus.errors import InputError

PLACES = 8
"""Places of a table at which it is read."""
PIECE = 512 << 10
"""Bytes that are read at each."""
REACH = 32 << 20
"""Decoded bytes of an archive within which a table must begin: what lies before it is decoded."""
_ROWS = 2000
"""Rows that are read of a row group of Parquet, or of a plug-in's file."""
_SHOWN = 2
_BATCH = 1 << 18
_DATES = {"badges": "date", "tags": None}
"""Column of a table that says when its rows came to be, where it isn't `creation_date`."""
MISSING = {
    "posts": "no documents",
    "comments": "documents have no comments, and labels that read them (obsolescence above all) are fewer",
    "history": "`revisions` is null, rows that the publisher planted can't be told, and labels of question quality and "
    "of closing, which come from it, are few or none",
    "links": "labels don't know which questions people linked, or marked as duplicates",
    "votes": "labelling functions that read votes have nothing to say",
    "users": "authors are null but where posts have their names, so attribution lacks them",
    "badges": "nothing: no stage reads them",
    "tags": "labels know the tags of posts only, not their counts",
}
"""Tables that a site may lack, and what that costs."""


@dataclass(frozen=True)
class TableInspection:
    """One table of a site, as its samples show it."""

    table: str
    file: str
    """As it was named; of a member of an archive `ARCHIVE!MEMBER`; of a table in parts the first."""
    files: int
    """How many files the table is in."""
    form: str
    """xml, csv, jsonl or parquet; `plug-in NAME` of a plug-in's source."""
    bytes: int
    """Decoded; an estimate of a .gz, .bz2 or .zst."""
    rows: int
    """Estimated from the samples, unless `exact`."""
    exact: bool
    sampled: int
    """Rows that were read, and could be."""
    unreadable: int
    """Rows that were read, and could not be."""
    begins: datetime | None
    """The first date in the samples."""
    ends: datetime | None
    columns: Mapping[str, float]
    """Column -> share of the sampled rows that have it; 0 of one that none has."""
    unknown: Mapping[str, int]
    """Columns that the schema does not know, with their rows in the samples."""
    first: tuple[Mapping[str, Any], ...]
    """The first rows, without their empty columns."""
    findings: tuple[str, ...]
    """What is odd, a sentence each."""


@dataclass(frozen=True)
class SiteInspection:
    """One site."""

    site: str
    name: str | None
    """What people call it, where the configuration says so."""
    released: str | None
    url: str | None
    language: str | None
    tables: tuple[TableInspection, ...]
    missing: Mapping[str, str]
    """Tables that are not there -> what that costs."""


@dataclass(frozen=True)
class Inspection:
    """All sites, and what a build of them would cost here."""

    sites: tuple[SiteInspection, ...]
    findings: tuple[str, ...]
    """What is odd about the sites, a sentence each; what is odd about a table stands with it."""
    seconds: float
    """That a build will take with all cores of this machine, labels included; roughly."""
    cores: int
    disk_bytes: int
    """That a build will write at its peak; roughly."""
    corpus_bytes: int
    """Of the finished corpus; roughly."""
    free_bytes: int
    """Of the disk of the working directory."""


@dataclass
class _Seen:
    """What the samples of a table add up to."""

    batches: list[pa.Table] = field(default_factory=list)
    tally: gate.Tally = field(default_factory=gate.Tally)
    unknown: Counter[str] = field(default_factory=Counter)
    first: list[dict[str, Any]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    whole: bool = False
    """Whether all rows were read."""
    consumed: int = 0
    """Bytes of the table that the samples are."""
    estimate: int | None = None
    """Rows of all files together, where it is not of the samples alone."""
    counted: bool = False
    """Whether `estimate` is a count."""
    descents: int = 0
    """Rows whose identifier is not larger than that of the row before, within a piece."""

    def rows(self, size: int) -> tuple[int, bool]:
        """Rows of the table, whose files have `size` bytes, and whether they were counted."""
        read = self.tally.read + self.tally.unreadable
        if self.estimate is not None:
            return (read, True) if self.whole and not self.counted else (self.estimate, self.counted)
        if self.whole or not self.consumed:
            return read, self.whole
        return max(read, round(size * read / self.consumed)), False

    def take(self, other: "_Seen", file: str) -> None:
        """Add what was seen of one file of the table."""
        self.batches += other.batches
        self.tally.add_all(other.tally)
        self.unknown.update(other.unknown)
        self.first += other.first[: _SHOWN - len(self.first)]
        self.findings += [f"{file}: {finding}" for finding in other.findings]
        self.descents += other.descents

    def add(self, rows: Iterator[ParsedRows], most_rows: int | None = None, most_bytes: int | None = None) -> bool:
        """Take some rows of one piece; whether the piece was read to its end."""
        read, last = 0, None
        for some in rows:
            self.tally.read += some.batch.num_rows
            self.tally.unreadable += some.quarantine.num_rows
            self.tally.add(some.quarantine.drop_columns("row").to_pylist())
            self.tally.add_repairs(some.repairs)
            self.unknown.update(some.unknown)
            self.first += some.batch.slice(0, _SHOWN - len(self.first)).to_pylist()
            ids = np.asarray(some.batch.column(1), dtype=np.int64)
            joined = ids if last is None else np.concatenate([[last], ids])
            self.descents += int(np.count_nonzero(np.diff(joined) < 0))
            last = int(ids[-1]) if len(ids) else last
            # Texts are as long as the samples, and nothing more is asked of them than whether they are there.
            self.batches.append(_light(some.batch))
            read += some.batch.num_rows + some.quarantine.num_rows
            if most_bytes is not None and some.consumed >= most_bytes:
                self.consumed += some.consumed
                return False
            if most_rows is not None and read >= most_rows:
                return False
        return True


def _light(batch: pa.Table) -> pa.Table:
    columns = [
        column if pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type) else pc.is_valid(column)
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.table(columns, names=batch.column_names)


def inspect(sites: Sequence[Site], config: Config) -> tuple[tuple[SiteInspection, ...], tuple[str, ...]]:
    """Look at all tables of the sites, and at what is odd about the sites."""
    tables = {
        (site.name, name): tuple(files)
        for site in sites
        for name, files in itertools.groupby(site.tables, key=lambda table: table.table)
    }
    seen = {place: _Seen() for place in tables}
    packed: dict[str, list[tuple[str, Table]]] = {}
    for (site_name, name), files in tables.items():
        place = seen[site_name, name]
        if len(files) > 1:
            _of_files(files, site_name, place, config)
            continue
        (table,) = files
        try:
            if table.source is not None:
                _by_plugin(table, site_name, place)
            elif not _look(table, site_name, place, config):
                packed.setdefault(table.member.address, []).append((site_name, table))
        except InputError as error:
            place.findings.append(f"{error}")
    for address, wanted in packed.items():
        _from_start(address, wanted, seen, config)
    looked = tuple(
        _site(
            site,
            config,
            [_table(name, of, seen[name, table], config) for (name, table), of in tables.items() if name == site.name],
        )
        for site in sites
    )
    return looked, (*_of_sites(sites, looked), *addresses.warnings(sites, config))


def _of_sites(sites: Sequence[Site], looked: Sequence[SiteInspection]) -> Iterator[str]:
    for site, inspected in zip(sites, looked, strict=True):
        yield from site.warnings
        year = max((table.ends.year for table in inspected.tables if table.ends is not None), default=0)
        if site.released is not None and year > int(site.released[:4]):
            yield f"{site.name}: has rows of {year}, and its name says that it was released in {site.released}"
    if all(table.rows == 0 for of in looked for table in of.tables if table.table == "posts"):
        yield "there are no posts, without which nothing can be built"


# --- samples


def _look(table: Table, site: str, seen: _Seen, config: Config) -> bool:
    """Look at a file at several places; False where it can only be read from its start."""
    form = row_forms.of(table.member.name)
    if table.member.packed or table.member.form == "zip" or form == "csv":
        return False
    if form == "parquet":
        _row_groups(table, site, seen, config)
    else:
        _at_places(table, site, seen, config)
    return True


def _of_files(files: Sequence[Table], site: str, seen: _Seen, config: Config) -> None:
    """Some files of a table in several, from the first to the last, and how the columns of all differ."""
    estimate, size = 0, 0
    chosen = sorted({place * (len(files) - 1) // (PLACES - 1) for place in range(PLACES)})
    seen.whole = len(chosen) == len(files)
    for table in (files[place] for place in chosen):
        own = _Seen()
        try:
            if not _look(table, site, own, config):
                _from_start(table.member.address, [(site, table)], {(site, table.table): own}, config)
        except InputError as error:
            own.findings.append(f"{error}")
        rows, exact = own.rows(table.member.size)
        estimate, size = estimate + rows, size + table.member.size
        seen.take(own, _shown(table, site))
        seen.whole &= exact and own.whole
    seen.estimate = round(estimate * sum(table.member.size for table in files) / max(1, size))
    if row_forms.of(files[0].member.name) == "parquet":
        columns, seen.estimate = {}, 0
        for table in files:
            with archives.open_plain(table.member) as stream, parquet_rows.opened(stream, _shown(table, site)) as file:
                columns[_shown(table, site)] = list(file.schema_arrow.names)
                seen.estimate += file.metadata.num_rows
        seen.counted = True
        seen.findings += _differing(columns)


def _shown(table: Table, site: str) -> str:
    return archives.name_of(table.member.address, site, table.below)


def _differing(columns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A sentence for each set of columns that some parts have beside or without those of the most."""
    usual = set(Counter(tuple(sorted(names)) for names in columns.values()).most_common(1)[0][0])
    others: dict[tuple[str, str], list[str]] = {}
    for file, names in columns.items():
        if usual != set(names):
            more, less = sorted(set(names) - usual), sorted(usual - set(names))
            others.setdefault((", ".join(more), ", ".join(less)), []).append(file)
    for (added, lacking), files in others.items():
        what = [*([f"has the columns {added}"] if added else []), *([f"lacks {lacking}"] if lacking else [])]
        and_more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
        yield f"{files[0]}{and_more} {' and '.join(what)}, unlike most parts"


def _origin(table: Table, site: str, config: Config) -> Origin:
    member = table.member
    file = f"{member.address}!{member.name}" if member.form in archives.ARCHIVES else member.address
    given = table.part.given if table.part is not None else ()
    return Origin(table.table, site, file, schema.NEEDED[table.table], config.read.row_kb << 10, table.below, given)


def _at_places(table: Table, site: str, seen: _Seen, config: Config) -> None:
    """Pieces of a file of XML or JSON Lines, from its beginning to its end."""
    origin, size, form = _origin(table, site, config), table.member.size, row_forms.of(table.member.name) or "xml"
    with archives.open_plain(table.member) as stream:
        if form == "xml":
            sniffed = xml_rows.sniff(stream.read(1 << 16))
            _of_head(sniffed, seen)
            if sniffed.encoding.startswith("utf-16"):
                stream.seek(0)
                seen.whole = seen.add(row_forms.read(stream, form, origin, _BATCH), most_bytes=PLACES * PIECE)
                return
        if size <= 2 * PLACES * PIECE:
            stream.seek(0)
            seen.whole = seen.add(row_forms.read(stream, form, origin, _BATCH))
            return
        for place in range(PLACES):
            start = place * (size - PIECE) // (PLACES - 1)
            # The last one goes to the end of the file, which a truncated one lacks.
            stop = start + PIECE if place < PLACES - 1 else None
            seen.add(row_forms.read_range(stream, form, origin, start, stop))
            seen.consumed += PIECE


def _of_head(sniffed: xml_rows.Sniff, seen: _Seen) -> None:
    if sniffed.encoding != "utf-8":
        seen.findings.append(
            f"is {sniffed.encoding}: read, although in one piece"
            if sniffed.encoding.startswith("utf-16")
            else "begins with a byte order mark, which is read over"
        )
    if b"withdeleted" in sniffed.opening.lower():
        seen.findings.append("holds deleted posts too, as its root element says: those without a body are dropped")


def _row_groups(table: Table, site: str, seen: _Seen, config: Config) -> None:
    """Rows of some row groups of a Parquet file, whose count of rows is exact."""
    origin = _origin(table, site, config)
    with archives.open_plain(table.member) as stream:
        groups = parquet_rows.group_rows(stream, origin.file)
        seen.estimate, seen.counted = sum(groups), True
        chosen = sorted({place * (len(groups) - 1) // (PLACES - 1) for place in range(PLACES)}) if groups else []
        ends = [
            seen.add(parquet_rows.read(stream, origin, [group], batch_bytes=_BATCH), most_rows=_ROWS)
            for group in chosen
        ]
        seen.whole = len(chosen) == len(groups) and all(ends)


def _by_plugin(table: Table, site: str, seen: _Seen) -> None:
    """Rows of the first files of a plug-in's source."""
    seen.whole = seen.add(sources.rows_by_plugin(table, site), most_rows=PLACES * _ROWS)


def _from_start(
    address: str, wanted: Sequence[tuple[str, Table]], seen: Mapping[tuple[str, str], _Seen], config: Config
) -> None:
    """The beginnings of the tables of an archive, or of a file that can only be read from its start."""
    by_index = {table.member.index: (site, table) for site, table in wanted}
    before, near = 0, set()
    for index, (site, table) in sorted(by_index.items()):
        near |= {index} if before <= REACH or table.member.form == "zip" else set()
        before += table.member.size
        if index not in near:
            seen[site, table.table].findings.append("lies too deep in its archive for a look")
    try:
        with closing(archives.stream(address, near, 1)) as streams:
            for member, stream in streams:
                site, table = by_index.pop(member.index)
                near.discard(member.index)
                place = seen[site, table.table]
                try:
                    rows = row_forms.read(
                        stream, row_forms.of(member.name) or "xml", _origin(table, site, config), _BATCH
                    )
                    place.whole = place.add(rows, most_bytes=PLACES * PIECE)
                except InputError as error:
                    place.findings.append(f"{error}")
                if not near:
                    return
    except InputError as error:
        for index in near:
            site, table = by_index[index]
            seen[site, table.table].findings.append(f"{error}")


# --- what the samples say


def _site(site: Site, config: Config, tables: Sequence[TableInspection]) -> SiteInspection:
    settings = config.of_site(site.name, site.base)
    there = {table.table for table in tables}
    missing = {table: cost for table, cost in MISSING.items() if table not in there}
    url = addresses.of(site, config)
    return SiteInspection(site.name, settings.name, site.released, url, settings.language, tuple(tables), missing)


def _table(site: str, files: Sequence[Table], seen: _Seen, config: Config) -> TableInspection:
    table, size = files[0], sum(table.member.size for table in files)
    member, name = table.member, table.table
    estimate, exact = seen.rows(size)
    whole = pa.concat_tables(seen.batches) if seen.batches else None
    shares = dict.fromkeys((attribute.column for attribute in schema.DUMP[name]), 0.0)
    begins = ends = None
    if whole is not None and whole.num_rows:
        shares = {column: _share(whole[column]) for column in shares}
        if (dated := _DATES.get(name, "creation_date")) is not None:
            span = pc.min_max(whole[dated]).as_py()
            begins, ends = span["min"], span["max"]
    return TableInspection(
        name,
        f"{member.address}!{member.name}" if member.form in archives.ARCHIVES else member.address,
        len(files),
        f"plug-in {table.source}" if table.source is not None else row_forms.of(member.name) or "xml",
        size,
        estimate,
        exact,
        seen.tally.read,
        seen.tally.unreadable,
        begins,
        ends,
        shares,
        dict(sorted(seen.unknown.items())),
        tuple({key: value for key, value in row.items() if value is not None and key != "site"} for row in seen.first),
        (*seen.findings, *_findings(site, name, seen, whole, ends, config)),
    )


def _share(column: pa.ChunkedArray) -> float:
    there = pc.sum(column).as_py() if pa.types.is_boolean(column.type) else len(column) - column.null_count
    return round(float(there or 0) / len(column), 4)


def _findings(
    site: str, name: str, seen: _Seen, whole: pa.Table | None, ends: datetime | None, config: Config
) -> Iterator[str]:
    accepted, place = config.read.accept_unreadable, f"{site}/{name}"
    if whole is None or not (seen.tally.read or seen.tally.unreadable):
        if not seen.findings:
            yield "has no rows"
        return
    if seen.tally.unreadable:
        stops = "; a build stops at this share" if gate.too_many(seen.tally, accepted) else ""
        yield "\n".join([f"rows that can't be read{stops}:", *gate.lines(place, seen.tally)])
    if seen.tally.repairs:
        stops = "; a build stops at this share" if gate.too_many_damaged(seen.tally, accepted) else ""
        yield "\n".join([f"rows with characters that can't be read{stops}:", *gate.repaired_lines(place, seen.tally)])
    if seen.unknown:
        listed = ", ".join(f"{column} ({count:,})" for column, count in seen.unknown.most_common(10))
        yield f"has columns that no dump has, with their rows in the samples; they are left out: {listed}"
    ids = np.sort(np.asarray(whole.column(1), dtype=np.int64))
    if repeats := len(ids) - len(np.unique(ids)):
        yield f"{repeats:,} of {len(ids):,} rows have the identifier of another; of these the last counts"
    elif seen.descents:
        yield f"its identifiers do not ascend ({seen.descents:,} times in the samples), as those of nearly all dumps do"
    if name == "posts":
        planted = (np.asarray(whole["post_id"], dtype=np.int64) >= schema.FABRICATED_FROM) & np.asarray(
            pc.fill_null(pc.equal(whole["owner_user_id"], -1), False)
        )
        if count := int(np.count_nonzero(planted)):
            yield f"{count:,} rows that the publisher planted since 2025-06-30: see selection.fabricated"
    if ends is not None and ends > datetime.now(UTC) + timedelta(days=1):
        yield f"has a date that is still to come, {ends:%Y-%m-%d}"
