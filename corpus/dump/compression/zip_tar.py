"""Members of zip and tar archives, and their decoded bytes, without a file on the disk.

Formats: PKWARE's APPNOTE.TXT and POSIX.1-1988 (ustar) with the extensions of POSIX.1-2001 and GNU, by Python's zipfile
and tarfile. A tar that is compressed has no index: it is decoded as a whole to list it.
"""

import io
import lzma
import re
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from socorpus.corpus.dump.compression import codecs
from socorpus.corpus.dump.compression.codecs import PIECE, Window

NAME = re.compile(r"\.(?:(?P<zip>zip)|tar|tar\.(?P<packed>gz|bz2|zst|xz)|t(?P<short>gz|bz2?|zst|xz))$", re.IGNORECASE)
"""End of the name of such an archive."""
_SHORT = {"gz": "gz", "bz": "bz2", "bz2": "bz2", "zst": "zst", "xz": "xz"}
_READ = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_ENCRYPTED = 1
_LOCAL_HEADER = 30
ERRORS = (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What damaged archives raise, beside errors of their decoders."""


@dataclass(frozen=True)
class Entry:
    """A regular file of an archive."""

    name: str
    size: int
    packed: int
    index: int
    """Place in the archive, from 0, folders counted."""
    crc: int | None
    """CRC32; a tar has none."""
    offset: int | None
    """Bytes from the start of the archive to its content, where that lies there as it is."""
    obstacle: str | None
    """Why it can't be read, and what to do."""


def packing(name: str) -> str | None:
    """How a tar of this name is compressed: gz, bz2, zst or xz; None where it isn't."""
    match = NAME.search(name)
    kind = match and (match["packed"] or match["short"])
    return _SHORT[kind.lower()] if kind else None


def entries_of_zip(file: BinaryIO) -> list[Entry]:
    """The regular files of a zip, from its directory at its end."""
    with zipfile.ZipFile(file) as archive:
        return [
            Entry(
                info.filename,
                info.file_size,
                info.compress_size,
                index,
                info.CRC,
                _stored_at(file, info) if _plain(info) else None,
                _obstacle(info),
            )
            for index, info in enumerate(archive.infolist())
            if not info.is_dir()
        ]


def _plain(info: zipfile.ZipInfo) -> bool:
    return info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & _ENCRYPTED


def _stored_at(file: BinaryIO, info: zipfile.ZipInfo) -> int | None:
    file.seek(info.header_offset)
    head = file.read(_LOCAL_HEADER)
    if len(head) < _LOCAL_HEADER or head[:4] != b"PK\3\4":
        return None
    lengths = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    return info.header_offset + _LOCAL_HEADER + lengths


def _obstacle(info: zipfile.ZipInfo) -> str | None:
    advice = "unpack the archive, and give the folder"
    if info.flag_bits & _ENCRYPTED:
        return f"{info.filename!r} is encrypted: {advice}"
    if info.compress_type not in _READ:
        named = zipfile.compressor_names.get(info.compress_type, f"{info.compress_type}")  # type: ignore[attr-defined]
        return f"{info.filename!r} is packed by the method {named}, which isn't read in a zip: {advice}"
    return None


def zip_pieces(file: BinaryIO, index: int) -> Iterator[bytes]:
    """The decoded bytes of a member of a zip; its CRC32 is checked at its end."""
    with zipfile.ZipFile(file) as archive, archive.open(archive.infolist()[index]) as member:
        while piece := member.read(PIECE):
            yield piece


@contextmanager
def _tar(file: BinaryIO, size: int, packed: str | None, threads: int) -> Iterator[tarfile.TarFile]:
    if packed is None:
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            yield archive
        return
    window = Window(file, 0, size)
    pieces = _xz_pieces(window) if packed == "xz" else codecs.compressed(packed, window, threads)
    with tarfile.open(fileobj=_Stream(pieces), mode="r|") as archive:
        yield archive


def entries_of_tar(file: BinaryIO, size: int, packed: str | None, limit: float) -> Iterator[Entry]:
    """The regular files of a tar; one that is compressed is decoded as a whole.

    Args:
        size: bytes of the file.
        limit: decoded bytes beyond which it is refused.

    Raises:
        ValueError: it decodes to more.
    """
    with _tar(file, size, packed, 1) as archive:
        for index, info in enumerate(archive):
            if info.offset_data + info.size > limit:
                raise ValueError("it decodes to absurdly much: not a dump")
            if info.isreg():
                sparse = f"{info.name!r} is a sparse file: unpack the archive, and give the folder"
                offset = info.offset_data if packed is None and not info.issparse() else None
                yield Entry(info.name, info.size, info.size, index, None, offset, sparse if info.issparse() else None)


def tar_files(file: BinaryIO, size: int, packed: str | None, threads: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Place and decoded bytes of each regular file of a tar; those of one end before the next is asked for."""
    with _tar(file, size, packed, threads) as archive:
        for index, info in enumerate(archive):
            if info.isreg() and not info.issparse():
                content = archive.extractfile(info)
                assert content is not None
                yield index, iter(lambda content=content: content.read(PIECE), b"")  # type: ignore[misc]


def _xz_pieces(window: Window) -> Iterator[bytes]:
    with lzma.LZMAFile(cast(BinaryIO, window)) as file:
        while piece := file.read(PIECE):
            yield piece
    if window.error is not None:
        raise window.error


class _Stream(io.RawIOBase):
    """Pieces as a stream that tarfile can read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = codecs.Pieces(pieces)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        taken = []
        while size > 0 and (piece := self._pieces.take(size)):
            taken.append(bytes(piece))
            size -= len(piece)
        return b"".join(taken)
