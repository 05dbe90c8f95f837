"""The user's SOURCE arguments to sites and their tables: which file holds which table of which site's release.

A source is an archive, a table, in one file or in parts, a folder of tables, or a folder of any of these, on disk or at
an fsspec address; or `NAME:PATH`, by a plug-in's source. Sites are named after folders and archives; of names inside
archives, folders in a zip or tar count too.
"""

import contextlib
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from socorpus.corpus import schema
from socorpus.corpus.dump import archives, site_names, table_parts
from socorpus.corpus.dump.archives import ARCHIVES, Member
from socorpus.corpus.dump.compression import zip_tar
from socorpus.corpus.dump.rows import parquet_rows, row_forms, source_plugins
from socorpus.corpus.dump.rows.batches import Origin
from socorpus.corpus.dump.rows.source_plugins import SOURCES
from socorpus.corpus.dump.table_parts import Part
from socorpus.corpus.dump.xml_rows import ParsedRows
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage.boundary import no_file

EXPECTED = (
    "a .7z of the publisher, a .zip or .tar (also .gz, .bz2, .zst or .xz) of tables, a folder with Posts.xml, "
    "Comments.xml and so on, one such file (also .csv and .jsonl, these three also .gz, .bz2 or .zst, or .parquet), or "
    "a folder of these"
)
_HEAD = 1 << 16
"""Decoded bytes in which a table's root element must begin."""
_ARCHIVE = re.compile(
    r"^(?P<stem>.+?)(?:\.7z(?:\.001)?|" + zip_tar.NAME.pattern.removesuffix("$") + ")$", re.IGNORECASE
)
_DATE = re.compile(r"^(?:(?P<name>.+)[-_ ])?(?P<date>(?:19|20)\d\d(?:-\d\d(?:-\d\d)?|\d\d(?:\d\d)?)?)$")
# Names of folders that describe how files are kept, not a site.
_UNSPECIFIC = re.compile(
    "archives?|content|data|downloads?|dumps?|export|extracted|files|input|raw|sources?|src|stackexchange|tables|tmp|"
    "unpacked|xml|csv|jsonl|json|parquet",
    re.IGNORECASE,
)
_PARTS = ("main", "meta")


@dataclass(frozen=True)
class Table:
    """One table of a site, or a part of it: a key of `schema.DUMP`, and where its bytes lie."""

    table: str
    member: Member
    source: str | None = None
    """The plug-in's source that reads it; None: we do, by the form of the member's name."""
    part: Part | None = None
    """Which part it is; None of a table that is one file."""

    @property
    def below(self) -> int:
        """Folders before the file's name that tell it from other parts of the table."""
        return self.part.below if self.part is not None else 0


@dataclass(frozen=True)
class Site:
    """One release of one site. `name` is its key and its folder's name in the output, as `site_names` has it."""

    name: str
    base: str
    """The name without the date of a release: the same for all releases of a site."""
    tables: tuple[Table, ...]
    """In the order of `schema.DUMP`; the parts of one table one after another."""
    released: str | None
    """The date found in the path: YYYY, YYYY-MM or YYYY-MM-DD."""
    warnings: tuple[str, ...] = ()
    """Files that were passed over although they look like tables of the site, a sentence each."""

    @property
    def host(self) -> str | None:
        """Host of the site's posts on the web, where its name is one that is known."""
        return site_names.host(self.base)


@dataclass(frozen=True)
class _Found:
    table: str
    member: Member
    base: str
    """The site's name, before `main` and `meta` are distinguished."""
    folder: str
    """What it was made of, so that two that make the same are told apart."""
    meta: bool
    released: str | None
    canonical: bool
    """Whether the file's name is the table's, so that its root element need not tell."""
    source: str | None = None
    part: Part | None = None


def discover(sources: Sequence[str], site: str | None = None) -> list[Site]:
    """The sites that lie in the sources, sorted by name. `site` overrides the name where there is exactly one.

    Of two releases of one site, the undated or else the newest has the plain name, the others have their date in it. A
    file with a table's name counts before one that only has its root element, which is named in `Site.warnings`.

    Raises:
        InputError: a source is absent, unreadable or holds no table; two files claim the same table; `site` is no name,
            or there is more than one; two sites would have the same name.
    """
    unique: dict[tuple[str, int], _Found] = {}
    for source in sources:
        if not source:
            raise InputError(f"the name of a source is empty (an unset variable?); expected {EXPECTED}")
        here = list(_by_plugin(source) or _tables(source))
        if not here:
            raise InputError(f"no tables of a Stack Exchange dump in {source}; expected {EXPECTED}")
        for row in here:
            unique.setdefault((_identity(row.member.address), row.member.index), row)
    if not unique:
        raise InputError(f"no source was given; expected {EXPECTED}")
    rows = list(unique.values())
    _keep_apart(rows)
    if site is not None:
        bases = sorted({_dated(row.base, row.released) for row in rows})
        if len(bases) > 1:
            raise InputError(f"--site {site} names one site, but the sources hold {len(bases)}: {', '.join(bases)}")
        name = site_names.given(site)
        # Without a main site, the name is that of the meta site.
        paired = any(not row.meta for row in rows)
        rows = [replace(row, base=name, meta=row.meta and paired) for row in rows]
    claims: dict[tuple[str, str | None], dict[str, list[_Found]]] = defaultdict(lambda: defaultdict(list))
    for row in sorted(rows, key=lambda row: not row.canonical):
        base = _meta(row.base) if row.meta else row.base
        claims[base, row.released][row.table].append(row)
    releases: dict[str, dict[str | None, dict[str, list[Table]]]] = defaultdict(dict)
    warnings: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for (base, released), by_table in claims.items():
        stray = warnings[base, released]
        releases[base][released] = {
            table: _table_of(of_table, _dated(base, released), stray) for table, of_table in by_table.items()
        }
    sites: dict[str, Site] = {}
    for base, dates in releases.items():
        plain = max(dates, key=lambda date: (date is None, date or ""))
        for released, tables in dates.items():
            held = tuple(part for table in schema.DUMP for part in tables.get(table, ()))
            name = base if released == plain else _dated(base, released)
            noted = tuple(warnings[base, released])
            entry = Site(site_names.checked(name, _show(held[0].member)), base, held, released, noted)
            # Some file systems hold two names that differ only in case to be one.
            other = sites.setdefault(name.casefold(), entry)
            if other is not entry:
                raise InputError(
                    f"{_show(other.tables[0].member)} and {_show(held[0].member)} are two sites of one name, "
                    f"{other.name} and {name}; rename one of them"
                )
    return sorted(sites.values(), key=lambda entry: entry.name)


def _table_of(rows: Sequence[_Found], name: str, warnings: list[str]) -> list[Table]:
    """The files of one table, in order, of all that claim to be it; those that only may be it are warned of.

    Args:
        rows: those with a table's name first.
        name: of the site, for messages.

    Raises:
        InputError: two claim to be the whole table, or its parts do not fit together.
    """
    first, own = rows[0], [rows[0]]
    for row in rows[1:]:
        if row.part is not None and first.part is not None and row.part.place == first.part.place:
            own.append(row)
        elif first.canonical and not row.canonical:
            why = "its root element is that" if row.part is None else "its name is that of a part"
            warnings.append(
                f"{_show(row.member)} is left out: {why} of the table {row.table!r}, which is in {_show(first.member)}"
            )
        else:
            raise InputError(
                f"{name}: its table {row.table!r} is there twice, in {_show(first.member)} and in "
                f"{_show(row.member)}; give or keep only one of them, or add the date of the release (-YYYY-MM) to the "
                "name of its folder or archive"
            )
    parts = [row.part for row in own if row.part is not None]
    if parts:
        own = [own[place] for place in table_parts.in_order(first.table, parts)]
        if gaps := table_parts.gaps(parts):
            warnings.append(
                f"{_show(first.member)}: of the parts of the table {first.table!r} none has the number {gaps[0]}, and "
                "some have larger ones: see that none is missing"
            )
    return [Table(row.table, row.member, row.source, row.part) for row in own]


def _keep_apart(rows: Sequence[_Found]) -> None:
    """Refuse names of folders that differ and would make one site."""
    known: dict[str, _Found] = {}
    for row in rows:
        other = known.setdefault(row.base, row)
        if other.folder != row.folder:
            raise InputError(
                f"{_show(other.member)} and {_show(row.member)}: {other.folder!r} and {row.folder!r} would both be the "
                f"site {row.base}; rename one, or build each with a --site of its own"
            )


# --- sources of plug-ins


def _by_plugin(source: str) -> list[_Found]:
    """The tables of `NAME:PATH`, where NAME is a source of an active plug-in.

    Raises:
        InputError: there is no such file or folder, or no file of the source's kind in it.
    """
    name, colon, path = source.partition(":")
    if not colon or name not in SOURCES or Path(source).exists():
        return []
    definition, listed = SOURCES[name], plugin_files(name, path)
    names = _names(path)
    if Path(path).is_file():
        names[-1] = names[-1].partition(".")[0]
    size = sum(file.stat().st_size for file in listed)
    tables_of_it = []
    for index, table in enumerate(definition.tables):
        # The size is that of all tables together, and counts once.
        own = size if index == 0 else 0
        seen = plugin_state(name, path)
        member = Member(table, path, "plug-in", own, True, f"{SOURCES.version(name)}-{seen}", index, seen)
        tables_of_it.append(replace(_named(table, member, names, len(names) - 1, True), source=name))
    return tables_of_it


def plugin_files(name: str, path: str) -> list[Path]:
    """The files that a plug-in's source reads, in the order of their paths.

    Raises:
        InputError: there are none.
    """
    place = Path(path)
    if not place.exists():
        raise InputError(f"{path}: there is no such file or folder, for the source {name} of a plug-in")
    if place.is_file():
        return [place]
    pattern = SOURCES[name].files
    listed = sorted(
        file
        for file in place.rglob(pattern)
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(place).parts)
    )
    if not listed:
        raise InputError(f"{path}: holds no file {pattern!r}, which the source {name} of a plug-in reads")
    return listed


def plugin_state(name: str, path: str) -> str:
    """A hash of the names, sizes and times of the files that a plug-in's source reads; `gone` without any."""
    try:
        listed = plugin_files(name, path)
    except InputError:
        return "gone"
    facts = [(file.relative_to(path).as_posix(), *size_and_time(file)) for file in listed]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def rows_by_plugin(table: Table, site: str) -> Iterator[ParsedRows]:
    """The rows of one table that a plug-in's source gives, file by file.

    Raises:
        BuildError: the plug-in's function raised something.
    """
    assert table.source is not None
    definition = SOURCES.named(table.source)
    for path in plugin_files(table.source, table.member.address):
        file = f"{row_forms.PLUGIN}{table.source}: {path.name}"
        origins = {table.table: Origin(table.table, site, file, schema.NEEDED[table.table])}
        for _, rows in source_plugins.read_file(definition, path, origins):
            yield rows


def size_and_time(file: Path) -> tuple[int, int]:
    """Bytes and time of modification (nanoseconds since 1970) of a file, by which a changed one is known."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns


# --- where tables lie


def _tables(source: str) -> Iterator[_Found]:
    path = archives.local_path(source)
    if path is not None:
        if not path.exists():
            by_plugin = re.match(r"[A-Za-z_]\w*:", source)
            hint = "; a plug-in's source is read once the plug-in is named (--plugin)" if by_plugin else ""
            raise InputError(f"{source}: {no_file(path) or 'there is no such file or folder'}{hint}")
        address, folder = str(path), path.is_dir()
    else:
        address, folder = source, _is_folder(source)
    names = _names(address)
    if folder:
        seen: set[str] = set()
        top = max(0, len(names) - 1)
        yield from list(_parts(address, names, top, seen)) or _walk(address, names, top, seen)
        return
    here = list(_file(address, names, len(names) - 1, explicit=True))
    if not here and not _ARCHIVE.match(names[-1]):
        raise InputError(f"{source}: not a table of a Stack Exchange dump; expected {EXPECTED}")
    yield from here


def _walk(address: str, names: list[str], top: int, seen: set[str]) -> Iterator[_Found]:
    """Tables in a folder and all folders below it, in the order of their names; each folder once, so links may loop."""
    identity = _identity(address)
    if identity in seen:
        return
    seen.add(identity)
    for name, inner, folder in _entries(address):
        # Hidden files, and what macOS adds to archives, may bear a table's name.
        if name.startswith(".") or name == "__MACOSX":
            continue
        if folder:
            yield from _folder(inner, [*names, name], top, seen)
        elif site_names.host(site_names.of_folder(name)) and (obstacle := _link_to_nothing(inner)) is not None:
            raise InputError(f"{inner}: {obstacle}")  # a whole site's folder
        else:
            yield from _file(inner, [*names, name], top, explicit=False)


def _folder(address: str, names: list[str], top: int, seen: set[str]) -> Iterator[_Found]:
    """The tables of a folder in a folder, or the parts of one; it must not stand in the place of a table or an archive.

    Raises:
        InputError: it has the name of a table's file, or of an archive and holds no table.
    """
    parts = list(_parts(address, names, top, seen))
    if parts:
        yield from parts
        return
    if _is_canonical(names[-1]):
        raise InputError(
            f"{address}: a folder, where the file of a table was expected; put the file in its place, or rename it"
        )
    new = _identity(address) not in seen
    here = list(_walk(address, names, top, seen))
    if not here and new and _ARCHIVE.match(names[-1]):
        raise InputError(
            f"{address}: a folder without a table, where an archive was expected; put the archive in its place, or "
            "rename it"
        )
    yield from here


def _parts(address: str, names: list[str], top: int, seen: set[str]) -> Iterator[_Found]:
    """The parts of a table in its folder; none where the folder holds tables, archives, or nothing of a table.

    A folder `site=NAME` in it, or a file that has the name of a known site, tells whose part it is.
    """
    table = table_parts.table_of_folder(names[-1])
    if table is None or _identity(address) in seen:
        return
    visited: set[str] = set()
    inside = list(_below(address, (), visited))
    if any(_is_canonical(inner[-1]) or _ARCHIVE.match(inner[-1]) for inner, _ in inside):
        return
    files = [(inner, place) for inner, place in inside if row_forms.TABLE.match(inner[-1])]
    numbered = [table_parts.table_of_file(_stem(inner[-1])) for inner, _ in files]
    if any(of not in (None, table) for of in numbered):
        return
    for inner, place in files:
        if row_forms.of(inner[-1]) == "xml" and _root_of(place) != table:
            return
    seen |= visited
    for inner, place in files:
        columns = table_parts.columns_of(inner[:-1])
        site = table_parts.site_of(columns) or site_names.host(site_names.of_folder(_stem(inner[-1])))
        path = [*names[:-1], *([site] if site else [])]
        part = Part(address, "/".join(inner), True, tuple(sorted(columns.items())))
        yield replace(_named(table, _measured(archives.members(place)[0]), path, top, True), part=part)


def _root_of(address: str) -> str | None:
    """The table that the root element of a file of XML names; None of one that can't be read."""
    with contextlib.suppress(InputError):
        return _sniff(_head(archives.members(address)[0]))
    return None


def _below(address: str, inner: tuple[str, ...], visited: set[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The files below a folder, by their paths in it; what writers of parts leave beside them (`_SUCCESS`) is none."""
    if (identity := _identity(address)) in visited:
        return
    visited.add(identity)
    for name, place, folder in _entries(address):
        if name.startswith((".", "_")):
            continue
        if folder:
            yield from _below(place, (*inner, name), visited)
        else:
            yield (*inner, name), place


def _stem(name: str) -> str:
    match = row_forms.TABLE.match(name)
    return match["stem"] if match else name


def _link_to_nothing(address: str) -> str | None:
    path = archives.local_path(address)
    return no_file(path) if path is not None and path.is_symlink() else None


def _file(address: str, names: list[str], top: int, explicit: bool) -> Iterator[_Found]:
    """The tables that a file holds, if any. `names` is its path, in which the source is at index `top`."""
    if packed := _ARCHIVE.match(names[-1]):
        stem = re.sub(rf"-({'|'.join(schema.ROOTS)})$", "", packed["stem"], flags=re.IGNORECASE)
        for table, member in _in_archive(address):
            inner = re.split(r"[\\/]", member.name.lower())[-2:-1]
            part = [name for name in inner if name in _PARTS]
            if member.form != "7z":  # whose folders people pack as they are, of several sites too
                part = [name for name in re.split(r"[\\/]", member.name)[:-1] if name.strip(".")]
            yield _named(table, member, [*names[:-1], stem, *part], top, _is_canonical(member.name))
        return
    written = row_forms.TABLE.match(names[-1])
    if written is None:
        if explicit and re.search(r"\.7z\.\d{3}$", names[-1].lower()):
            archives.members(address)  # says which volume to give instead
        return
    whole, xml = schema.ROOTS.get(written["stem"].lower()), row_forms.of(names[-1]) == "xml"
    in_parts = None if whole else table_parts.table_of_file(written["stem"])
    # The name of XML with a number may be anything's: its root element tells.
    told_by_name = whole or (None if xml else in_parts)
    if not told_by_name and not xml:  # which says nothing of itself
        if explicit:
            example = "Posts" + names[-1][len(written["stem"]) :]
            raise InputError(
                f"{address}: which table it is can't be told; name it after the table, such as {example}: "
                f"{', '.join(schema.ROOTS)}"
            )
        return
    # In a folder, a file that only might be a table is no reason to fail.
    with contextlib.nullcontext() if told_by_name or explicit else contextlib.suppress(InputError):
        member = _measured(archives.members(address)[0])
        named = told_by_name or _sniff(_head(member))
        if named is None:
            return
        here = _named(named, member, names[:-1], top, whole is not None)
        yield replace(here, part=Part(_folder_of(address), names[-1], False)) if named == in_parts else here


def _folder_of(address: str) -> str:
    path = archives.local_path(address)
    if path is not None:
        return str(path.parent)
    first, link, rest = address.partition("::")
    return f"{first.rpartition('/')[0]}{link}{rest}"


def _in_archive(address: str) -> Iterator[tuple[str, Member]]:
    """Tables of an archive by their names; where no name is known, by their roots, for which the archive is decoded."""
    members = archives.members(address)
    stems = [(row_forms.TABLE.match(re.split(r"[\\/]", member.name)[-1]), member) for member in members]
    known = [
        (schema.ROOTS[match["stem"].lower()], member)
        for match, member in stems
        if match and not match["packed"] and match["stem"].lower() in schema.ROOTS
    ]
    unknown = (
        []
        if known
        else [
            member.index
            for match, member in stems
            if match and row_forms.of(member.name) == "xml" and not match["packed"]
        ]
    )
    for _, member in known:
        if member.obstacle is not None:
            raise InputError(member.obstacle)
    yield from ((table, _measured(member)) for table, member in known)
    for member, data in archives.stream(address, unknown, 1) if unknown else []:
        if table := _sniff(data.read(_HEAD)):
            yield table, member


def _measured(member: Member) -> Member:
    """A member whose size is that of its rows: of Parquet what its columns have before they are compressed."""
    if row_forms.of(member.name) != "parquet" or member.packed:
        return member
    with archives.open_plain(member) as stream:
        size = parquet_rows.decoded_bytes(stream, _show(member))
    return replace(member, size=size, content=member.size)


def _head(member: Member) -> bytes:
    with contextlib.closing(archives.stream(member.address, [member.index], 1)) as streams:
        return next(streams)[1].read(_HEAD)


def _sniff(head: bytes) -> str | None:
    """The table whose root element `head` begins with; only rows may follow it."""
    wide = {b"\xff\xfe": "utf-16-le", b"<\0": "utf-16-le", b"\xfe\xff": "utf-16-be", b"\0<": "utf-16-be"}
    text = head.decode(wide.get(head[:2], "utf-8"), "ignore").lstrip("\ufeff")
    text = re.sub(r"^(\s*(<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>))*\s*", "", text, flags=re.DOTALL)
    root = re.match(r"<(\w+)\s*(/>|>\s*(<row[\s/]|</|$))", text)
    return schema.ROOTS.get(root[1].lower()) if root else None


# --- folders, on disk and elsewhere


def _entries(address: str) -> list[tuple[str, str, bool]]:
    """Name, address and whether it is a folder, of all that lies in a folder, sorted by name; links to nothing too."""
    path = archives.local_path(address)
    try:
        if path is not None:
            return sorted((child.name, str(child), child.is_dir()) for child in path.iterdir())
        import fsspec

        filesystem, inner = fsspec.core.url_to_fs(address)
        first, link, rest = address.partition("::")
        facts = filesystem.ls(inner, detail=True)
        listed = [(entry["name"].rstrip("/"), entry["type"] == "directory") for entry in facts]
    except Exception as error:  # of a store's own kind, most of which are no OSError
        if path is not None and not isinstance(error, OSError | ValueError):
            raise
        raise InputError(f"{address}: can't be listed: {str(error) or type(error).__name__}") from error
    # Some stores list a folder among its own entries.
    names = sorted((name.rsplit("/", 1)[-1], folder) for name, folder in listed if name != inner.rstrip("/"))
    return [(name, f"{first.rstrip('/')}/{name}{link}{rest}", folder) for name, folder in names if name]


def _is_folder(address: str) -> bool:
    try:
        import fsspec

        filesystem, inner = fsspec.core.url_to_fs(address)
        if not filesystem.exists(inner):
            raise InputError(f"{address}: there is no such file or folder")
        return bool(filesystem.isdir(inner))
    except InputError:
        raise
    except Exception as error:  # of a store's own kind, most of which are no OSError
        raise InputError(f"{address}: can't be reached: {str(error) or type(error).__name__}") from error


def _identity(address: str) -> str:
    path = archives.local_path(address)
    return address if path is None else str(path.resolve())


def _names(address: str) -> list[str]:
    """The parts of the path of a file or folder, its own name last."""
    path = archives.local_path(address)
    if path is not None:
        # The name that the user gave, not what a link points to.
        return list(Path(*_normal(path.absolute())).parts[1:]) or [""]
    return [name for name in re.split(r"[\\/]+", address.partition("::")[0].partition("://")[2]) if name] or [""]


def _normal(path: Path) -> list[str]:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and len(parts) > 1:
            parts.pop()
        else:
            parts.append(part)
    return parts


def _show(member: Member) -> str:
    return f"{member.address} ({member.name})" if member.form in ARCHIVES else member.address


# --- names


def _is_canonical(name: str) -> bool:
    written = row_forms.TABLE.match(re.split(r"[\\/]", name)[-1])
    return written is not None and written["stem"].lower() in schema.ROOTS


def _named(table: str, member: Member, path: list[str], top: int, canonical: bool) -> _Found:
    """Name a table's site after the innermost folder or archive of its path with a specific name."""
    meta = bool(path) and path[-1].lower() == "meta"
    below = path[:-1] if path and path[-1].lower() in _PARTS else path
    stems = [_split(name)[0] for name in below]
    cleaned = [site_names.of_folder(stem) for stem in stems]
    specific = [place for place, name in enumerate(cleaned) if not _UNSPECIFIC.fullmatch(name or stems[place] or "xml")]
    telling = [place for place in specific if cleaned[place]]
    place = telling[-1] if telling else len(below)
    whole = (site_names.of_folder(name) for name in reversed(below))
    base = cleaned[place] if telling else next(filter(None, whole), "site")
    # Further up, a date need not be a release's: /home/user/2020/beer.stackexchange.com
    dates = (date for name in reversed(path[min(place, top) :]) if (date := _split(name)[1]))
    return _Found(table, member, base, stems[specific[-1]] if specific else "", meta, next(dates, None), canonical)


def _split(name: str) -> tuple[str, str | None]:
    """A name without the date of a release at its end, and that date in ISO 8601."""
    match = _DATE.match(name)
    if match is None:
        return name, None
    digits = match["date"].replace("-", "")
    parts = [part for part in (digits[:4], digits[4:6], digits[6:8]) if part]
    plausible = all(1 <= int(part) <= limit for part, limit in zip(parts[1:], (12, 31), strict=False))
    return (match["name"] or "", "-".join(parts)) if plausible else (name, None)


def _dated(name: str, released: str | None) -> str:
    return name if released is None else f"{name}-{released}"


def _meta(base: str) -> str:
    """The name of a site's meta site: since 2014, `X.meta.stackexchange.com` within the network, `meta.X` outside."""
    if language := re.fullmatch(r"(es|ja|pt|ru)\.stackoverflow\.com", base):
        return f"{language[1]}.meta.stackoverflow.com"
    name, dot, network = base.partition(".stackexchange.com")
    if dot and not network:
        return base if name.endswith(".meta") else f"{name}.meta.stackexchange.com"
    return f"meta.{base}" if "." in base else f"{base}.meta"
