"""The first stage: a dump's tables, wherever they lie, become parts of typed rows.

A plain file is read in ranges or row groups, in parallel. A container is one stream, decoded once and in order (in
parallel where its codec allows), and cut into the same parts; so are the files of a table that is given in several
which can only be read from their start. Small ones of others are read together. Rows that can't be read go to the
quarantine.
"""

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.arrays import Int64, counted
from socorpus.corpus.config import Read
from socorpus.corpus.dump import archives, gate, repeats_stage, xml_rows
from socorpus.corpus.dump import sources as dump_sources
from socorpus.corpus.dump.rows import parquet_rows, row_forms, source_plugins
from socorpus.corpus.dump.rows.batches import Origin
from socorpus.corpus.dump.rows.parquet_rows import Span
from socorpus.corpus.dump.rows.source_plugins import SOURCES, Source
from socorpus.corpus.dump.sources import Site, Table
from socorpus.corpus.engine import machine, receipts
from socorpus.corpus.engine.context import BuildContext, Receipts
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, parquet, partitions


@dataclass(frozen=True)
class Reading:
    """The stage's work items, which later stages may have to run again, and their receipts."""

    items: tuple[WorkItem, ...]
    receipts: Receipts


def run(context: BuildContext, sites: Sequence[Site]) -> Reading:
    """Every table of every source -> parts, and quarantine/SITE.parquet for rows that can't be read.

    Raises:
        InputError: there are no posts, too many rows can't be read, or a source was changed meanwhile.
    """
    items = tuple(_items(sites, context.config.read))
    try:
        done = context.engine.run("read", items, transient=True)
    except InputError:
        _refuse_changed(context.root, sites, items)  # the change explains the error
        raise
    _refuse_changed(context.root, sites, items)
    gate.check(gate.tallies(receipt.counts for receipt in done.values()), context.config.read.accept_unreadable)
    done = repeats_stage.settle(context.engine, done)
    gather_quarantine(context.root, sites, [path for receipt in done.values() for path in receipt.outputs])
    whole = set(schema.DUMP) - set(schema.BY_POST)
    context.prune("read", done, [*(f"tables/{name}" for name in whole), ".work/quarantine"])
    return Reading(items, done)


def gather_quarantine(root: Path, sites: Sequence[Site], paths: Iterable[str]) -> None:
    """Write quarantine/SITE.parquet for every site, also for one without unreadable rows."""
    quarantined = [path for path in paths if path.startswith(".work/quarantine/")]
    for site in sites:
        own = [path for path in sorted(quarantined) if path.startswith(f".work/quarantine/{site.name}/")]
        parquet.write(root / f"quarantine/{site.name}.parquet", _gathered(root, own), schema.QUARANTINE)
    files.keep_only(root / "quarantine", {f"{site.name}.parquet" for site in sites})


def _refuse_changed(root: Path, sites: Sequence[Site], items: Sequence[WorkItem]) -> None:
    """Hold all sources against their state when they were listed; what was read of a changed one is forgotten.

    Raises:
        InputError: a source has changed.
    """
    listed = {table.member.address: table for site in sites for table in site.tables}
    changed = [
        address for address, table in listed.items() if table.member.state and _state(table) != table.member.state
    ]
    if not changed:
        return
    for item in items:
        if any(wanted.file in changed for wanted in _wanted(item)):
            receipts.forget(root, item.stage, item.name)
    raise InputError(_changed(changed[0]))


def _changed(address: str) -> str:
    return (
        f"{address}: has changed since the build began, so its rows would be of two dumps; run the same command again "
        "when nobody writes to it"
    )


@contextlib.contextmanager
def _unchanged(wanted: "Wanted") -> Iterator[None]:
    """Reading a source, which must be the one that was listed before it, and the same file after it.

    Raises:
        InputError: it has changed; in place of an error that comes of the change.
    """
    listed, before = wanted.table.member.state, _state(wanted.table)
    if listed and not archives.same_content(listed, before):
        raise InputError(_changed(wanted.file))
    try:
        yield
    except InputError as error:
        if _state(wanted.table) != before:
            raise InputError(_changed(wanted.file)) from error
        raise
    if _state(wanted.table) != before:
        raise InputError(_changed(wanted.file))


def _state(table: Table) -> str:
    member = table.member
    return (
        archives.state(member.address)
        if table.source is None
        else dump_sources.plugin_state(table.source, member.address)
    )


def _gathered(root: Path, paths: Sequence[str]) -> Iterator[pa.Table]:
    """Tables of quarantined rows as one, or as some that fit into memory where the user accepts very many."""
    tables, size = [schema.QUARANTINE.empty_table()], 0
    for path in paths:
        tables.append(parquet.read(root / path))
        size += tables[-1].nbytes
        if size > _GATHERED_BYTES:
            yield pa.concat_tables(tables)
            tables, size = [], 0
    if tables:
        yield pa.concat_tables(tables)


def _items(sites: Sequence[Site], config: Read) -> Iterator[WorkItem]:
    part_mb, row_kb = config.part_mb, config.row_kb
    containers: dict[tuple[str, int], list[Wanted]] = {}
    by_plugin: dict[tuple[str, str, str], list[Wanted]] = {}
    for site in sites:
        for _, of_table in itertools.groupby(site.tables, key=lambda table: table.table):
            wanted, *more = [Wanted.of(site.name, table) for table in of_table]
            table = wanted.table
            member = table.member
            if more:
                yield from _of_files([wanted, *more], config)
            elif table.source is not None:
                by_plugin.setdefault((site.name, table.source, member.address), []).append(wanted)
            elif _in_pieces(table):
                yield from _pieces_of(wanted, config, 0)
            else:
                # The members of a zip, and of a tar without compression, can be read side by side.
                apart = member.index if member.form == "zip" or member.offset is not None else -1
                containers.setdefault((member.address, apart), []).append(wanted)
    for (address, apart), tables in sorted(containers.items()):
        stamps = {f"{entry.site}/{entry.table.table}": entry.table.member.stamp for entry in tables}
        yield WorkItem(
            "read",
            f"{tables[0].site}/{receipts.fingerprint(address if apart < 0 else [address, apart])[:8]}",
            read_container,
            {"address": address, "wanted": tables, "part_mb": part_mb, "row_kb": row_kb},
            stamps,
            _VERSION,
            [part_mb, row_kb, address],
            # Decoding costs several times as much as reading plain XML.
            4.0 * sum(entry.table.member.size for entry in tables),
        )
    for (_, source, path), tables in sorted(by_plugin.items()):
        yield from _of_plugin(source, path, tables, config)


def _in_pieces(table: Table) -> bool:
    """Whether a file can be read in several places: Parquet, or in ranges of bytes."""
    parquet_file = row_forms.of(table.member.name) == "parquet" and not table.member.packed
    return table.source is None and (parquet_file or in_ranges(table))


def _of_files(files: Sequence["Wanted"], config: Read) -> Iterator[WorkItem]:
    """Items of a table in several files: as if these were one, so parts are numbered over all of them."""
    part_bytes = config.part_mb * MB
    if not all(_in_pieces(entry.table) for entry in files):
        # How many parts they make is only known once they are read.
        yield _together(files, config, 0, config.part_mb)
        return
    number, size = 0, 0
    run: list[Wanted] = []
    for entry in files:
        if run and size + entry.table.member.size > part_bytes:
            yield _together(run, config, number)
            number, run, size = number + 1, [], 0
        if entry.table.member.size > part_bytes:
            for item in _pieces_of(entry, config, number):
                yield item
                number += item.arguments["span"].parts if "span" in item.arguments else 1
        else:
            run.append(entry)
            size += entry.table.member.size
    if run:
        yield _together(run, config, number)


def _together(run: Sequence["Wanted"], config: Read, number: int, part_mb: int | None = None) -> WorkItem:
    """The item of some files of a table; with `part_mb` it makes as many parts as it needs, else one."""
    listed = [[entry.table.member.address, entry.table.part.given if entry.table.part else []] for entry in run]
    return WorkItem(
        "read",
        f"{run[0].site}/{run[0].table.table}-{number:05d}",
        read_files,
        {"wanted": list(run), "number": number, "part_mb": part_mb, "row_kb": config.row_kb},
        {"stamps": receipts.fingerprint([entry.table.member.stamp for entry in run])},
        _VERSION,
        [config.part_mb, config.row_kb, number, listed],
        sum(entry.table.member.size for entry in run),
    )


def _pieces_of(wanted: "Wanted", config: Read, first: int) -> Iterator[WorkItem]:
    """Items of a file that can be read in several places, each of a run of row groups or a range of bytes.

    Args:
        first: number of the first part in the table.
    """
    member, table = wanted.table.member, wanted.table
    place = [member.address, *([[first, table.part.given]] if table.part is not None else [])]
    spans: Sequence[Span | None] = [None] * max(1, -(-member.size // (config.part_mb * MB)))
    if row_forms.of(member.name) == "parquet":
        with archives.open_plain(member) as stream:
            spans = parquet_rows.spans(stream, wanted.file, config.part_mb * MB)
    number = 0
    for span in spans:
        given = {"span": span} if span is not None else {"first": first, "part_mb": config.part_mb}
        yield WorkItem(
            "read",
            f"{wanted.site}/{table.table}-{first + number:05d}",
            read_range if span is None else read_row_groups,
            {"wanted": wanted, "number": number if span is None else first + number, "row_kb": config.row_kb, **given},
            {"stamp": member.stamp},
            _VERSION,
            [config.part_mb, config.row_kb, number, *place],
            min(config.part_mb * MB, member.size) if span is None else member.size / len(spans),
        )
        number += 1 if span is None else span.parts


def _of_plugin(source: str, path: str, tables: list["Wanted"], config: Read) -> Iterator[WorkItem]:
    """Items of a plug-in's source, each of consecutive files that have a part's bytes together."""
    runs: list[list[Path]] = []
    sizes: list[int] = []
    for file in dump_sources.plugin_files(source, path):
        size, _ = dump_sources.size_and_time(file)
        if not runs or sizes[-1] + size > config.part_mb * MB:
            runs.append([])
            sizes.append(0)
        runs[-1].append(file)
        sizes[-1] += size
    for number, (run, size) in enumerate(zip(runs, sizes, strict=True)):
        together = size <= _TOGETHER * config.part_mb * MB
        yield WorkItem(
            "read",
            f"{tables[0].site}/{source}-{number:05d}",
            read_by_plugin,
            {"source": source, "wanted": tables, "number": number, "paths": run}
            | {"row_kb": config.row_kb, "together": together},
            {"files": receipts.fingerprint([[str(file), *dump_sources.size_and_time(file)] for file in run])},
            _VERSION,
            [config.part_mb, config.row_kb, number, path, source, SOURCES.version(source)],
            4.0 * size,
        )


def _wanted(item: WorkItem) -> Sequence["Wanted"]:
    tables: Wanted | Sequence[Wanted] = item.arguments.get("wanted", ())
    return [tables] if isinstance(tables, Wanted) else tables


KB, MB = 1 << 10, 1 << 20
_GATHERED_BYTES = 128 * MB
_TOGETHER = 4
"""Parts' bytes of a plug-in's files whose rows are held at once, those of all tables."""
_MOST_SCANNERS = 8
"""Threads that read the rows of one container: more would wait for the one that writes them."""
_VERSION = 3
"""Of the receipts and the rule by which a row is quarantined."""


@dataclass(frozen=True)
class Wanted:
    """A table to read, the site that it belongs to, and its file as the user named it."""

    site: str
    table: Table
    file: str

    @staticmethod
    def of(site: str, table: Table) -> "Wanted":
        """The same table by an address that holds on every worker, whatever its current folder."""
        named = table.member.address
        path = archives.local_path(named)
        address = named if path is None else str(path.absolute())
        return Wanted(site, replace(table, member=replace(table.member, address=address)), named)

    def origin(self, row_kb: int, member: archives.Member | None = None) -> Origin:
        """What its rows are read as; of a member of a container with the member's name."""
        member = member or self.table.member
        file = self.file if member.form == "plain" else f"{self.file}!{member.name}"
        given = self.table.part.given if self.table.part is not None else ()
        needed = schema.NEEDED[self.table.table]
        return Origin(self.table.table, self.site, file, needed, row_kb * KB, self.table.below, given)


def part_path(site: str, table: str, number: int) -> str:
    """Path of a part: rows of posts are gathered by thread later, those of a whole site are in their final place."""
    if table in schema.BY_POST:
        return f".work/parts/{site}/{table}-{number:05d}.arrow"
    return f"tables/{table}/{site}/{number:05d}.parquet"


def quarantine_path(site: str, table: str, number: int) -> str:
    """Path of a part's unreadable rows, until they are gathered in the site's quarantine file."""
    return f".work/quarantine/{site}/{table}-{number:05d}.parquet"


def in_ranges(table: Table) -> bool:
    """Whether a table can be read in ranges of bytes: a file in UTF-8, of XML or JSON Lines, that isn't packed."""
    form = row_forms.of(table.member.name) or "xml"
    # What is read of a zip in ranges isn't held against its CRC32.
    if table.member.packed or table.member.form == "zip" or form not in ("xml", "jsonl"):
        return False
    if form == "jsonl":
        return True
    with archives.open_plain(table.member) as stream:
        return xml_rows.sniff(stream.read(1 << 16)).encoding.startswith("utf-8")


def read_range(root: Path, wanted: Wanted, number: int, part_mb: int, row_kb: int, first: int = 0) -> Outcome:
    """Read one part of a plain UTF-8 file: the rows that begin in its range of bytes.

    Args:
        number: of the range.
        first: number of the file's first part in the table.
    """
    start, stop = number * part_mb * MB, (number + 1) * part_mb * MB
    member = wanted.table.member
    last = stop >= member.size
    with _unchanged(wanted), archives.open_plain(member) as stream:
        form = row_forms.of(member.name) or "xml"
        rows = row_forms.read_range(stream, form, wanted.origin(row_kb), start, None if last else stop)
        writer = _Parts(root, wanted, first + number)
        writer.write(rows, limit=None)
    return writer.outcome()


def read_files(root: Path, wanted: Sequence[Wanted], number: int, part_mb: int | None, row_kb: int) -> Outcome:
    """Read some files of a table, one after the other: into one part, or with `part_mb` into as many as they need."""

    def rows() -> Iterator[xml_rows.ParsedRows]:
        before = 0
        for entry in wanted:
            consumed = 0
            for some in _rows_of(entry, row_kb):
                consumed = some.consumed
                yield replace(some, consumed=before + consumed)
            before += consumed

    writer, given = _Parts(root, wanted[0], number), rows()
    limit = None if part_mb is None else part_mb * MB
    while writer.write(given, limit=None if limit is None else limit * (writer.number - number + 1)):
        writer.number += 1
    return writer.outcome()


def _rows_of(wanted: Wanted, row_kb: int) -> Iterator[xml_rows.ParsedRows]:
    """All rows of a file that is no archive."""
    member = wanted.table.member
    form = row_forms.of(member.name) or "xml"
    with _unchanged(wanted):
        if member.packed:
            for packed, stream in archives.stream(member.address, [member.index], machine.cores()):
                yield from row_forms.read(stream, form, wanted.origin(row_kb, packed))
        else:
            with archives.open_plain(member) as stream:
                yield from row_forms.read(stream, form, wanted.origin(row_kb))


def read_row_groups(root: Path, wanted: Wanted, number: int, span: Span, row_kb: int) -> Outcome:
    """Read a run of row groups of a Parquet file into one part, or a large one into several of as many rows."""
    with _unchanged(wanted), archives.open_plain(wanted.table.member) as stream:
        rows = parquet_rows.read(stream, wanted.origin(row_kb), span.groups, span.rows if span.parts > 1 else None)
        writer = _Parts(root, wanted, number)
        for part in range(span.parts):
            writer.number = number + part
            writer.write(rows, limit=(part + 1) * span.rows if part + 1 < span.parts else None)
    return writer.outcome()


def read_by_plugin(
    root: Path,
    source: str,
    wanted: Sequence[Wanted],
    number: int,
    paths: Sequence[Path],
    row_kb: int,
    together: bool,
) -> Outcome:
    """Read some files by a plug-in's source into one part of each of its tables.

    Args:
        together: whether the rows of all tables may be held in memory at once; else the files are read once a table.
    """
    outputs: dict[str, int | parquet.Written] = {}
    counts: dict[str, Any] = {}
    definition = SOURCES.named(source)
    with _unchanged(wanted[0]):
        held = _by_table(definition, wanted, paths, row_kb) if together else None
        for entry in wanted:
            table = entry.table.table
            rows = held[table] if held is not None else _rows_by_plugin(definition, [entry], paths, row_kb, table)
            writer = _Parts(root, entry, number)
            writer.write(iter(rows), limit=None)
            outcome = writer.outcome()
            outputs |= outcome.outputs
            counts |= outcome.counts
    return Outcome(outputs, counts)


def _by_table(
    definition: Source, wanted: Sequence[Wanted], paths: Sequence[Path], row_kb: int
) -> dict[str, list[xml_rows.ParsedRows]]:
    held: dict[str, list[xml_rows.ParsedRows]] = {entry.table.table: [] for entry in wanted}
    for path in paths:
        for table, rows in source_plugins.read_file(definition, path, _of_file(definition, wanted, path, row_kb)):
            held[table].append(rows)
    return held


def _rows_by_plugin(
    definition: Source, wanted: Sequence[Wanted], paths: Sequence[Path], row_kb: int, table: str
) -> Iterator[xml_rows.ParsedRows]:
    for path in paths:
        for name, rows in source_plugins.read_file(definition, path, _of_file(definition, wanted, path, row_kb)):
            if name == table:
                yield rows


def _of_file(definition: Source, wanted: Sequence[Wanted], path: Path, row_kb: int) -> dict[str, Origin]:
    file = f"{row_forms.PLUGIN}{definition.name}: {path.name}"
    return {entry.table.table: replace(entry.origin(row_kb), file=file) for entry in wanted}


def read_container(
    root: Path, address: str, wanted: Sequence[Wanted], part_mb: int, row_kb: int, threads: int | None = None
) -> Outcome:
    """Read the wanted tables of one container, or of one file that can't be read in ranges, part by part.

    Args:
        threads: that decode, and a quarter as many that read rows; None for the cores of the machine that it runs on.
    """
    threads = machine.cores() if threads is None else threads
    scanners = min(threads, _MOST_SCANNERS, max(2, threads // 4))
    tables = {entry.table.member.index: entry for entry in wanted}
    outputs: dict[str, int | parquet.Written] = {}
    counts: dict[str, Any] = {}
    with _unchanged(wanted[0]):
        for member, stream in archives.stream(address, tables.keys(), threads):
            entry = tables[member.index]
            form = row_forms.of(member.name) or "xml"
            rows = row_forms.read(stream, form, entry.origin(row_kb, member), threads=scanners)
            writer = _Parts(root, entry, 0)
            number = 0
            while writer.write(rows, limit=(number + 1) * part_mb * MB):
                number += 1
                writer.number = number
            outcome = writer.outcome()
            outputs |= outcome.outputs
            counts |= outcome.counts
    return Outcome(outputs, counts)


class _Parts:
    """Writes parts of one table and counts their rows."""

    def __init__(self, root: Path, wanted: Wanted, number: int):
        self.root, self.site, self.table, self.number = root, wanted.site, wanted.table.table, number
        self.outputs: dict[str, int | parquet.Written] = {}
        self.unknown: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self.repaired = 0
        self.rows = gate.Tally()
        self.first: int | None = None
        self.last: int | None = None
        self.ascending = True
        self._bad: list[pa.Table] = []

    def write(self, rows: Iterator[xml_rows.ParsedRows], limit: int | None) -> bool:
        """Write one part, up to `limit` bytes of the stream; whether there may be more."""
        path, before = part_path(self.site, self.table, self.number), self.rows.read
        more = [False]
        tables = self._until(rows, limit, more)
        if path.endswith(".parquet"):
            # However the rows come, the same ones give the same bytes.
            tables = parquet.regrouped(tables)
            self.outputs[path] = parquet.write(self.root / path, tables, schema.dump_schema(self.table))
        else:
            partitions.write(self.root / path, schema.dump_schema(self.table), tables)
            self.outputs[path] = self.rows.read - before
        if self._bad:
            bad = pa.concat_tables(self._bad)
            self._bad = []
            path = quarantine_path(self.site, self.table, self.number)
            self.outputs[path] = parquet.write(self.root / path, bad, schema.QUARANTINE)
        return more[0]

    def outcome(self) -> Outcome:
        """The written parts, and their counts under `SITE/TABLE`."""
        rows = self.rows
        counts: dict[str, Any] = {"read": rows.read, "quarantined": rows.unreadable, "repaired": self.repaired}
        counts |= {"absent": dict(+rows.absent), "reasons": [astuple(reason) for reason in rows.reasons.values()]}
        counts |= {"repairs": [astuple(reason) for reason in rows.repairs.values()]}
        counts |= {"first": self.first, "last": self.last, "ascending": self.ascending}
        counts |= {"unknown": dict(sorted(self.unknown.items())), "types": dict(sorted(self.types.items()))}
        return Outcome(self.outputs, {f"{self.site}/{self.table}": counts})

    def _until(self, rows: Iterator[xml_rows.ParsedRows], limit: int | None, more: list[bool]) -> Iterator[pa.Table]:
        for some in rows:
            self.rows.read += some.batch.num_rows
            self.rows.unreadable += some.quarantine.num_rows
            self._follow(np.asarray(some.batch[schema.DUMP[self.table][0].column], dtype=np.int64))
            self.repaired += some.repaired
            self.rows.add_repairs(some.repairs)
            self.unknown.update(some.unknown)
            if self.table == "posts":
                self.types.update(counted(some.batch["post_type_id"]))
                self.rows.absent.update({name: some.batch[name].null_count for name in ("body", "score")})
            if some.quarantine.num_rows:
                self.rows.add(some.quarantine.drop_columns("row").to_pylist())
                self._bad.append(some.quarantine)
            yield some.batch
            if limit is not None and some.consumed >= limit:
                more[0] = True
                return

    def _follow(self, ids: Int64) -> None:
        """Note whether identifiers ascend, as they do in nearly all dumps: then none of them comes twice."""
        if not len(ids):
            return
        after = self.last is None or ids[0] > self.last
        self.ascending = self.ascending and bool(after and (ids[1:] > ids[:-1]).all())
        self.first = int(ids[0]) if self.first is None else self.first
        self.last = int(ids[-1])
