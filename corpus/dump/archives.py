"""Containers to named byte streams: .7z, .zip, .tar and a table by itself, also .gz, .bz2 or .zst, on disk or at any
fsspec address.

Nothing is unpacked to disk or held in memory: a container is decoded once, from front to back, in pieces of about a
megabyte. The publisher's archives are solid BZip2, which is one plain bzip2 stream: it is decoded on several threads.
Every member is checked against the CRC32 and the size that the archive's header declares (7-Zip's 7zFormat.txt).
"""

import contextlib
import hashlib
import io
import math
import re
import zlib
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote

from socorpus.corpus.dump.compression import codecs, methods, zip_tar
from socorpus.corpus.dump.compression.codecs import MAGIC, PIECE, Packing, Pieces, Slice, Window
from socorpus.corpus.errors import BuildError, InputError, SocorpusError
from socorpus.corpus.storage.boundary import no_file

SAMPLE = 1 << 20
"""Packed bytes from which the decoded size of a .gz, .bz2 or .zst is estimated."""
BOMB_RATIO, BOMB_BYTES = 1000, 1 << 30
"""Beyond both, decoded against packed size, a container is refused. Dumps have ratios of 3 to 12."""

ARCHIVES = ("7z", "zip", "tar")
"""Forms that hold several members."""
_SUFFIXES = {".gz": "gz", ".bz2": "bz2", ".zst": "zst"}
_SIGNATURE = b"7z\xbc\xaf\x27\x1c"
_SIGNATURE_BYTES = 32
_DAMAGED = "{}: the archive's header can't be read ({}): damaged; fetch it again"


@dataclass(frozen=True)
class Member:
    """One file of a container, or a plain file, which is its own container."""

    name: str
    """Name inside the container, or the file's own: only ever shown and matched, never used as a path."""
    address: str
    """Local path or fsspec address of the container."""
    form: str
    """plain, 7z, zip, tar, gz, bz2 or zst."""
    size: int
    """Decoded bytes."""
    exact: bool
    """False where `size` is an estimate."""
    stamp: str
    """Changes when the content does: CRC32 and size in a .7z, else size and modification time, or fsspec's own."""
    index: int
    """Place in the container, from 0, directories counted."""
    state: str = ""
    """Of the container when it was listed (`state`): tells whether it is still the same file."""
    obstacle: str | None = None
    """A sentence on why a member of an archive can't be read, and what to do: its method isn't known, or encrypts."""
    offset: int | None = None
    """Bytes from the start of a tar or zip to the member, where it lies there as it is: it can be read like a file."""

    content: int | None = None
    """Bytes of its content, where `size` is something else."""

    @property
    def packed(self) -> bool:
        """Whether it can only be read from its start."""
        return self.form != "plain" and self.offset is None


@dataclass(frozen=True)
class _Folder:
    """A .7z folder: one packed stream that holds one member or, in a solid archive, several."""

    packing: Packing
    offset: int
    """Bytes from the start of the file."""
    packed: int
    """Bytes of the packed stream."""
    entries: tuple[tuple[Member, int | None], ...]
    """Members in the order of the stream, with their CRC32; empty ones, which have no part in it, where they stand."""


def members(address: str) -> list[Member]:
    """The members of a container; a plain file is its own only member.

    An archive may hold members that can't be read beside others that can: see `Member.obstacle`.

    Raises:
        InputError: the file is absent, truncated, encrypted, no archive, or declares absurd sizes; or no member with
            content is packed by methods that can be read.
    """
    form = _form(address)
    with _opened(address) as file:
        if form == "7z":
            listed = _header(address, file)[0]
            full = [member for member in listed if member.size]
            if full and all(member.obstacle for member in full):
                raise InputError(full[0].obstacle)
            return listed
        if form in ("zip", "tar"):
            return _entries(address, file, form)
        size, stamp, seen = _length(file), _stamp(address), state(address)
        name = re.split(r"[\\/]", _path_part(address).rstrip("/"))[-1]
        if form == "plain":
            return [Member(name, address, form, size, True, stamp, 0, seen)]
        return [Member(name, address, form, _estimate(address, file, size, form), False, stamp, 0, seen)]


def open_plain(member: Member) -> BinaryIO:
    """A seekable stream of a plain member, or of one that lies in its archive as it is.

    Raises:
        InputError: it is gone, or packed.
    """
    if member.packed:
        raise InputError(f"{member.address}: a {member.form} container can only be read from its start")
    if member.offset is None:
        return _open(member.address)
    size = member.size if member.content is None else member.content
    return cast(BinaryIO, io.BufferedReader(_Slice(_open(member.address), member.offset, size), PIECE))


def stream(address: str, wanted: Collection[int], threads: int) -> Generator[tuple[Member, BinaryIO], None, None]:
    """Streams of the wanted members, in the container's order, each valid until the next is asked for.

    Data before a wanted member is decoded and dropped; data after the last one isn't decoded. A member of a .7z that
    the caller leaves early is still checked against its CRC32, except the last one. Only bzip2 uses `threads`.

    Raises:
        InputError: `address` or a wanted member can't be read, or there is no such member; from a stream: truncated
            or damaged data, with the names of container and member and how many of its bytes were read.
    """
    form = _form(address)
    with contextlib.ExitStack() as closing:
        file = closing.enter_context(_opened(address))
        listed, folders = _header(address, file) if form == "7z" else (members(address), [])
        absent = set(wanted) - {member.index for member in listed}
        if absent:
            raise InputError(f"{address}: there is no member {min(absent)}; it has changed since it was listed")
        if obstacles := [member.obstacle for member in listed if member.index in wanted and member.obstacle]:
            raise InputError(obstacles[0])
        for folder in folders:
            if any(member.index in wanted for member, _ in folder.entries):
                yield from _unpack(folder, file, wanted, max(1, threads))
        if form == "zip":
            for member in listed:
                if member.index in wanted:
                    pieces = zip_tar.zip_pieces(file, member.index)
                    yield member, _reader(member, Pieces(pieces), member.size, math.inf)
        elif form == "tar" and wanted:
            yield from _tar_streams(address, file, {member.index: member for member in listed}, set(wanted), threads)
        elif form != "7z" and wanted:
            yield from _single(listed[0], file, max(1, threads))


def state(address: str) -> str:
    """What tells a container from another that takes its place: size, time of modification and inode of each volume.

    At fsspec addresses it is what the file system offers (an entity tag, a time); `gone` where there is no such file.

    Raises:
        InputError: an address can't be reached.
    """
    path = local_path(address)
    if path is None:
        try:
            return _stamp(address)
        except FileNotFoundError:
            return "gone"
        except Exception as error:  # of a store's own kind, most of which are no OSError
            raise InputError(f"{address}: can't be reached: {str(error) or type(error).__name__}") from error
    seen = []
    for volume in _volumes(path):
        try:
            status = volume.stat()
        except FileNotFoundError:
            break
        seen.append(f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}")
    return ",".join(seen) or "gone"


def same_content(before: str, now: str) -> bool:
    """Whether two states agree in sizes and times: the inodes of one file may differ from machine to machine."""
    return re.sub(r"-\d+(?=,|$)", "", before) == re.sub(r"-\d+(?=,|$)", "", now)


def _volumes(path: Path) -> Iterator[Path]:
    yield path
    if path.name.lower().endswith(".7z.001"):
        yield from (path.with_name(f"{path.name[:-3]}{number:03}") for number in range(2, 1000))


def is_address(source: str) -> bool:
    """Whether a source is an fsspec address rather than a local path; `file://` is local."""
    return local_path(source) is None


def local_path(source: str) -> Path | None:
    """The local path that a source names, or None for an fsspec address."""
    if source.lower().startswith("file://") and "::" not in source:
        literal = Path(source[len("file://") :].removeprefix("localhost"))
        # fsspec takes such an address as it stands, others write %20 for a space.
        return literal if literal.exists() else Path(unquote(str(literal)))
    return None if "://" in source else Path(source)  # which a chained address has as well


_DEEP = 2
"""Folders between a site's and its files, that of the site counted."""


def name_of(address: str, site: str, below: int = 0) -> str:
    """A source as a corpus names it: without the folders of the machine it was built on, and without passwords.

    Args:
        site: the nearest folder that is named like the site stays, with those below it (`main`, `meta`).
        below: last folders that belong to the name (`Posts/part-0.parquet`).
    """
    if is_address(address):
        return re.sub(r"(?<=://)[^/@]*@", "", address).partition("?")[0]
    pieces = address.split("/")
    folders, name = pieces[: -1 - below], "/".join(pieces[-1 - below :])
    label = site.partition(".")[0].casefold()
    for depth, folder in enumerate(reversed(folders[-_DEEP:]), 1):
        if folder.casefold().partition(".")[0] == label:
            return "/".join([*folders[-depth:], name])
    return name


# --- opening


def _form(address: str) -> str:
    name = _path_part(address).lower()
    if re.search(r"\.7z(\.\d{3})?$", name):
        return "7z"
    if archive := zip_tar.NAME.search(name):
        return "zip" if archive["zip"] else "tar"
    return next((form for suffix, form in _SUFFIXES.items() if name.endswith(suffix)), "plain")


def _path_part(address: str) -> str:
    """A chained address such as `zip://a.xml::s3://b/c.zip` names its file in the first link."""
    return address.partition("::")[0] if is_address(address) else address


@contextlib.contextmanager
def _opened(address: str) -> Iterator[BinaryIO]:
    """The bytes of a container; the volumes of `NAME.7z.001` and so on are read as one."""
    volumes = [_open(address)]
    try:
        if re.search(r"\.7z\.\d{3}$", _path_part(address).lower()):
            if not _path_part(address).endswith(".001"):
                raise InputError(
                    f"{address}: a later volume of an archive; give the first, .7z.001, and keep all beside it"
                )
            first, link, rest = address.partition("::") if is_address(address) else (address, "", "")
            for number in range(2, 1000):
                try:
                    volumes.append(_open(f"{first[:-3]}{number:03}{link}{rest}"))
                except InputError:
                    break
        yield volumes[0] if len(volumes) == 1 else cast(BinaryIO, _Joined(volumes))
    finally:
        for volume in volumes:
            volume.close()


def _open(address: str) -> BinaryIO:
    path = local_path(address)
    if path is not None and (obstacle := no_file(path)) is not None:
        raise InputError(f"{address}: {obstacle}")
    try:
        if path is not None:
            return path.open("rb")
        import fsspec

        # The decoder's threads read ahead of one another, so a window of recent blocks is kept, not only the last.
        cache = {"block_size": 1 << 21, "cache_type": "blockcache", "cache_options": {"maxblocks": 16}}
        filesystem, inner = fsspec.core.url_to_fs(address)
        return cast(BinaryIO, _Remote(address, filesystem.open(inner, "rb", **cache)))
    except FileNotFoundError:
        raise InputError(f"{address}: there is no such file") from None
    except Exception as error:
        # Stores raise errors of their own kinds, most of which are no OSError.
        if path is not None and not isinstance(error, OSError | ValueError):
            raise
        raise InputError(f"{address}: can't be opened: {str(error) or type(error).__name__}") from error


class _Remote(io.RawIOBase):
    """A file at an fsspec address, whose errors, of whatever kind, say which it is."""

    def __init__(self, address: str, file: Any) -> None:
        self._address, self._file = address, file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = 0) -> int:
        with self._named():
            return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        with self._named():
            return bytes(self._file.read(-1 if size is None else size))

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:
            raise BuildError(
                f"{self._address}: the connection failed while it was read: {str(error) or type(error).__name__}; see "
                "that the server answers. What is finished is kept, and the same command goes on from there"
            ) from error


def _stamp(address: str) -> str:
    path = local_path(address)
    if path is not None:
        status = path.stat()
        return f"{status.st_size}-{status.st_mtime_ns}"
    import fsspec

    filesystem, inner = fsspec.core.url_to_fs(address)
    # What this process knows from a listing says nothing of now, and another process may not have listed it.
    filesystem.invalidate_cache(filesystem._parent(inner))
    facts = filesystem.info(inner)
    version = [str(_fact(facts[name])) for name in _OF_A_VERSION if facts.get(name) is not None]
    if not version:
        return str(filesystem.ukey(inner))
    return hashlib.sha256(repr([facts.get("size"), *version]).encode()).hexdigest()


_OF_A_VERSION = (
    *("ETag", "etag", "md5Hash", "content_md5", "generation"),
    *("LastModified", "last_modified", "mtime", "updated", "created"),
)
"""Of fsspec's facts on a file, those that tell one version from another, whichever store it lies in. Others depend on
how they were asked for."""


def _fact(value: object) -> object:
    """A fact in one form: times in UTC, entity tags without the quotes that some stores' answers have."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.strip('"') if isinstance(value, str) else value


def _length(file: BinaryIO) -> int:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


class _Joined(io.RawIOBase):
    """Several files as one, for the volumes of an archive."""

    def __init__(self, parts: list[BinaryIO]) -> None:
        self._parts = [(part, _length(part)) for part in parts]
        self._size = sum(size for _, size in self._parts)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = max(0, offset + (0, self._position, self._size)[whence])
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        left = self._size - self._position if size is None or size < 0 else size
        pieces, before = [], 0
        for part, length in self._parts:
            within = self._position - before
            if left > 0 and 0 <= within < length:
                part.seek(within)
                piece = part.read(min(left, length - within))
                pieces.append(piece)
                self._position += len(piece)
                left -= len(piece)
            before += length
        return b"".join(pieces)


class _Slice(Slice):
    """A member that lies in its archive as it is, as a file, which closes the archive."""

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


# --- members out of decoded pieces


class _Checked(io.RawIOBase):
    """The stream of one member: ends where the member does, and checks its size and CRC32."""

    def __init__(self, member: Member, source: Pieces, size: int | None, crc: int | None, limit: float) -> None:
        self._member, self._source, self._size, self._crc, self._limit = member, source, size, crc, limit
        self._sum, self._done = 0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = len(buffer) if self._size is None else min(len(buffer), self._size - self._done)
        try:
            data = self._source.take(left) if left else memoryview(b"")
        except (SocorpusError, MemoryError):
            raise
        except Exception as error:
            raise self._broken(f"{str(error) or type(error).__name__}; truncated or damaged") from error
        if left and not data and self._size is not None:
            raise self._broken("the data ends there: truncated or damaged")
        self._done += len(data)
        if self._done > self._limit:
            raise self._broken(f"more than {BOMB_RATIO} times what is packed: not a dump")
        if self._crc is not None:
            self._sum = zlib.crc32(data, self._sum)
            if data and self._done == self._size and self._sum != self._crc:
                raise self._broken(f"CRC32 is {self._sum:08x}, the header says {self._crc:08x}: damaged")
        buffer[: len(data)] = data
        return len(data)

    @property
    def complete(self) -> bool:
        return self._done == self._size

    def drain(self) -> None:
        scratch = bytearray(PIECE)
        while self.readinto(scratch):
            pass

    def _broken(self, what: str) -> InputError:
        of = "" if self._size is None else f" of {self._size}"
        inner = f": member {self._member.name!r}" if self._member.form in ARCHIVES else ""
        return InputError(
            f"{self._member.address}{inner}: {self._done} bytes{of} were read, then: {what}; fetch the file again"
        )


def _single(member: Member, file: BinaryIO, threads: int) -> Iterator[tuple[Member, BinaryIO]]:
    if member.form == "plain":
        file.seek(0)
        yield member, file
        return
    window = Window(file, 0, _length(file))
    with contextlib.closing(codecs.compressed(member.form, window, threads)) as pieces:
        limit = max(BOMB_BYTES, BOMB_RATIO * window.size)
        with io.BufferedReader(_Checked(member, Pieces(pieces), None, None, limit), PIECE) as reader:
            yield member, cast(BinaryIO, reader)


def _reader(member: Member, source: Pieces, size: int, limit: float) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Checked(member, source, size, None, limit), PIECE))


def _tar_streams(
    address: str, file: BinaryIO, listed: dict[int, Member], wanted: set[int], threads: int
) -> Iterator[tuple[Member, BinaryIO]]:
    """The wanted members of a tar, whose data are decoded up to the last of them."""
    last = max(wanted)
    try:
        for index, pieces in zip_tar.tar_files(
            file, _length(file), zip_tar.packing(_path_part(address)), max(1, threads)
        ):
            if index in wanted:
                member = listed[index]
                yield member, _reader(member, Pieces(pieces), member.size, math.inf)
            if index >= last:
                return
    except (SocorpusError, MemoryError):
        raise
    except (*zip_tar.ERRORS, OSError, zlib.error) as error:
        raise InputError(f"{address}: {error}: truncated or damaged; fetch it again") from error


_MOST_LISTED = 64
_listed: dict[tuple[str, str], list[Member]] = {}
"""Members of compressed tars, by address and state: each listing decodes the whole."""


def _entries(address: str, file: BinaryIO, form: str) -> list[Member]:
    """The members of a zip or a tar."""
    seen = state(address)
    if (address, seen) in _listed:
        return _listed[address, seen]
    size, stamp, packed = _length(file), _stamp(address), zip_tar.packing(_path_part(address))
    limit = max(BOMB_BYTES, BOMB_RATIO * size)
    try:
        listing = zip_tar.entries_of_zip(file) if form == "zip" else zip_tar.entries_of_tar(file, size, packed, limit)
        entries = list(listing)
    except (SocorpusError, MemoryError):
        raise
    except Exception as error:  # a damaged archive makes its readers fail in any way there is
        raise InputError(
            f"{address}: not a {form} archive, truncated or damaged ({str(error) or type(error).__name__}); {size} "
            "bytes long; fetch it again"
        ) from error
    if sum(entry.size for entry in entries) > limit:
        raise InputError(f"{address}: declares absurdly much in {size} bytes: not a dump, or damaged")
    members = [
        Member(
            entry.name,
            address,
            form,
            entry.size,
            True,
            f"{stamp}-{entry.index}" if entry.crc is None else f"{entry.crc:08x}-{entry.size}",
            entry.index,
            seen,
            None if entry.obstacle is None else f"{address}: {entry.obstacle}",
            entry.offset,
        )
        for entry in entries
    ]
    if packed is not None:
        if len(_listed) >= _MOST_LISTED:
            _listed.clear()
        _listed[address, seen] = members
    return members


def _unpack(
    folder: _Folder, file: BinaryIO, wanted: Collection[int], threads: int
) -> Iterator[tuple[Member, BinaryIO]]:
    """The wanted members of one folder, decoded as far as the last of them."""
    last = max(place for place, (member, _) in enumerate(folder.entries) if member.index in wanted)
    window = Window(file, folder.offset, folder.packed)
    with contextlib.closing(codecs.folder(folder.packing, window, threads)) as pieces:
        source = Pieces(pieces)
        for place, (member, crc) in enumerate(folder.entries[: last + 1]):
            if member.index not in wanted:
                # A member that nobody reads isn't checked: damage there is no reason to refuse the rest.
                _Checked(member, source, member.size, None, math.inf).drain()
                continue
            checked = _Checked(member, source, member.size, crc, math.inf)
            reader = io.BufferedReader(checked, PIECE)
            yield member, cast(BinaryIO, reader)
            with contextlib.suppress(ValueError):  # the caller has closed it
                reader.detach()
            if place < last:
                checked.drain()
            elif checked.complete and last == len(folder.entries) - 1 and folder.packing.exact and source.take(1):
                raise InputError(f"{member.address}: holds more than its header declares: damaged")


def _estimate(address: str, file: BinaryIO, size: int, form: str) -> int:
    """Decoded size by the ratio of the first megabyte; exact for a file that is smaller."""
    sample = file.read(SAMPLE)
    if not re.match(MAGIC[form], sample):
        raise InputError(
            f"{address}: not {form} data; {size} bytes long, it begins with {sample[:4].hex() or 'nothing'}"
        )
    decoded = codecs.beginning(form, sample, BOMB_BYTES)
    return decoded if len(sample) == size and decoded else (decoded or 5 * len(sample)) * size // max(1, len(sample))


# --- the header of a .7z


def _header(address: str, file: BinaryIO) -> tuple[list[Member], list[_Folder]]:
    """Members and folders of an archive, by py7zr's reading of its header."""
    import py7zr

    size = _length(file)
    signature = file.read(_SIGNATURE_BYTES)
    if not signature.startswith(_SIGNATURE):
        raise InputError(
            f"{address}: not a 7z archive; {size} bytes long, it begins with {signature[:6].hex() or 'nothing'}"
        )
    ends = _SIGNATURE_BYTES + int.from_bytes(signature[12:20], "little") + int.from_bytes(signature[20:28], "little")
    if size < ends or len(signature) < _SIGNATURE_BYTES:
        raise InputError(
            f"{address}: truncated: {size} bytes of {max(ends, _SIGNATURE_BYTES)} are there; fetch it, or the volumes "
            "that are missing, again"
        )
    file.seek(0)
    try:
        archive = py7zr.SevenZipFile(cast(Any, file))
        files, streams = list(archive.files), archive.header.main_streams
        return _layout(address, files, streams, size)
    except py7zr.PasswordRequired:
        raise InputError(methods.obstacle(address, [methods.AES])) from None
    except py7zr.UnsupportedCompressionMethodError as error:  # of the header itself, which is packed too
        named = error.args[0] if error.args and isinstance(error.args[0], bytes) else b""
        raise InputError(
            methods.obstacle(address, [methods.number(named)]) or _DAMAGED.format(address, error)
        ) from None
    except (SocorpusError, MemoryError):
        raise
    except Exception as error:  # a damaged header makes py7zr fail in any way there is
        raise InputError(_DAMAGED.format(address, repr(error))) from error


def _layout(address: str, files: list[Any], streams: Any, length: int) -> tuple[list[Member], list[_Folder]]:
    slots: list[tuple[int, int, int | None]] = []  # folder, size, CRC32 of each stream, in order
    packs: list[tuple[int, int]] = []  # offset and size of each folder's packed bytes
    obstacles: list[str | None] = []  # of each folder
    packings: list[Packing] = []
    raw = streams.unpackinfo.folders if streams is not None and streams.unpackinfo is not None else []
    if raw:
        inner, offset, place = streams.substreamsinfo, _SIGNATURE_BYTES + streams.packinfo.packpos, 0
        sizes = iter(streams.packinfo.packsizes)
        for number, folder in enumerate(raw):
            packed = sum(next(sizes) for _ in folder.packed_indices)
            packs.append((offset, packed))
            offset += packed
            _refuse(address, folder, packed)
            coders, unpacked = _chain(folder)
            obstacles.append(methods.obstacle(address, [methods.number(coder["method"]) for coder in coders]))
            packings.append(Packing(coders, unpacked, 0))
            count = inner.num_unpackstreams_folders[number] if inner is not None else 1
            known = inner is not None and inner.unpacksizes is not None
            decoded = inner.unpacksizes[place : place + count] if known else [folder.get_unpack_size()] * count
            place += max(count, 1) if known else 0
            if len(decoded) != count or min(decoded, default=0) < 0 or sum(decoded) > folder.get_unpack_size():
                raise InputError(f"{address}: the header's sizes don't add up: damaged; fetch it again")
            for size in decoded:
                digest = len(slots)
                crc = inner.digests[digest] if inner is not None and inner.digestsdefined[digest] else None
                slots.append((number, size, crc))
        if offset > length:
            raise InputError(
                f"{address}: the header declares {offset} bytes, the file has {length}: truncated or damaged"
            )
    listed: list[Member] = []
    entries: list[list[tuple[Member, int | None]]] = [[] for _ in raw] or [[]]
    stamp, seen, free, current = _stamp(address), state(address), iter(slots), 0
    for index, file in enumerate(files):
        size, crc, mark, obstacle = 0, None, "empty", None
        if raw and not file.emptystream:
            current, size, crc = next(free)
            mark = f"{stamp}-{index}" if crc is None else f"{crc:08x}-{size}"
            obstacle = obstacles[current]
        member = Member(file.filename, address, "7z", size, True, mark, index, seen, obstacle)
        entries[current].append((member, crc))
        if not (file.is_directory or file.is_symlink):
            listed.append(member)
    if next(free, None) is not None:
        raise InputError(f"{address}: the header has more streams than names: damaged; fetch it again")
    if not raw:
        return listed, [_Folder(Packing([], [], 0), 0, 0, tuple(entries[0]))]
    return listed, [
        _Folder(replace(packing, size=sum(member.size for member, _ in held)), *pack, tuple(held))
        for packing, pack, held in zip(packings, packs, entries, strict=True)
    ]


def _refuse(address: str, folder: Any, packed: int) -> None:
    decoded = folder.get_unpack_size()
    if decoded > BOMB_BYTES and decoded > BOMB_RATIO * packed:
        raise InputError(f"{address}: declares {decoded} bytes in {packed} packed ones: not a dump, or damaged")


def _chain(folder: Any) -> tuple[list[dict[str, Any]], list[int]]:
    """Coders and decoded sizes of a folder from the packed bytes on; of a tree of coders (BCJ2), as they are listed."""
    coders, sizes = list(folder.coders), list(folder.unpacksizes)
    if any((coder["numinstreams"], coder["numoutstreams"]) != (1, 1) for coder in coders):
        return coders, sizes
    after = {bond.outcoder: bond.incoder for bond in folder.bindpairs}
    order = [folder.packed_indices[0]]
    while (place := after.get(order[-1])) is not None and place not in order:
        order.append(place)
    if sorted(order) != list(range(len(coders))):
        raise ValueError("the coders of a packed stream form no chain")
    return [coders[place] for place in order], [sizes[place] for place in order]
