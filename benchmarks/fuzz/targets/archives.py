"""Archives and compressed tables: an input error or the bytes that the standard decoders give, for any bytes."""

import bz2
import functools
import gzip
import io
import zlib

import fsspec
import py7zr
import zstandard

from benchmarks.fuzz.engine import Target
from socorpus.corpus.dump import archives
from socorpus.corpus.errors import InputError

_MOST = 16 << 20
"""Bytes after which a member is read no further."""
_SUFFIXES = (".7z", ".7z", ".xml.gz", ".xml.bz2", ".xml.zst", ".xml")
_DECODERS = {".xml.gz": gzip.decompress, ".xml.bz2": bz2.decompress}


def _read(address: str, threads: int) -> dict[str, bytes] | None:
    """Members by name; None where one is longer than `_MOST`."""
    held = {}
    listed = archives.members(address)
    for member, stream in archives.stream(address, [member.index for member in listed], threads):
        content = bytearray()
        while piece := stream.read(1 << 16):
            content += piece
            if len(content) > _MOST:
                return None
        held[member.name] = bytes(content)
    return held


def check(data: bytes) -> None:
    """The first byte chooses the kind of file, and whether a 7z header's sums are made to agree."""
    if not data:
        return
    kind, raw = data[0], bytearray(data[1:])
    suffix = _SUFFIXES[kind % len(_SUFFIXES)]
    if suffix == ".7z" and kind < 128 and len(raw) >= 32:
        # Otherwise a damaged header is refused at once.
        start = 32 + int.from_bytes(raw[12:20], "little")
        size = int.from_bytes(raw[20:28], "little")
        raw[28:32] = zlib.crc32(raw[start : start + size]).to_bytes(4, "little")
        raw[8:12] = zlib.crc32(raw[12:32]).to_bytes(4, "little")
    address = f"memory://fuzz/x{suffix}"
    with fsspec.open(address, "wb") as file:
        file.write(bytes(raw))
    try:
        held = _read(address, 1 + kind % 2)
    except InputError as error:
        assert "x.7z" in str(error) or suffix[1:] in str(error), f"the file is not named: {error}"
        return
    if held is None:
        return
    if suffix in _DECODERS:
        (content,) = held.values()
        assert content == _DECODERS[suffix](bytes(raw)), "other bytes than the standard library's"


@functools.cache
def _seeds() -> list[bytes]:
    rows = b'<posts>\n  <row Id="1" Body="&lt;p&gt;text&lt;/p&gt;" />\n</posts>' * 3
    seeds = []
    filters = (
        [{"id": py7zr.FILTER_BZIP2}],
        [{"id": py7zr.FILTER_LZMA2, "preset": 1}],
        [{"id": py7zr.FILTER_COPY}],
        [{"id": py7zr.FILTER_DEFLATE}],
        [{"id": py7zr.FILTER_ZSTD}],
        [{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA2, "preset": 1}],
    )
    for number, chosen in enumerate(filters):
        packed = io.BytesIO()
        with py7zr.SevenZipFile(packed, "w", filters=chosen) as archive:
            archive.set_encoded_header_mode(number % 2 == 0)
            archive.writestr(rows, "Posts.xml")
            archive.writestr(b"<users></users>", "Users.xml")
            archive.writestr(b"", "Tags.xml")
        seeds += [b"\x00" + packed.getvalue(), b"\x8d" + packed.getvalue()]
    seeds += [b"\x02" + gzip.compress(rows), b"\x03" + bz2.compress(rows) * 2, b"\x09" + bz2.compress(rows)]
    return [*seeds, b"\x04" + zstandard.compress(rows) * 2, b"\x05" + rows]


TARGET = Target(
    "archives",
    check,
    seeds=_seeds(),
    tokens=[
        *(b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b\x08", b"BZh9", b"BZh1", b"1AY&SY", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"),
        *(b"\x17\x72\x45\x38\x50\x90", b"\x00\x01\x02\x03\x04", b"\xff" * 8, b"\x00" * 8, b"\x80", b"\x7f\xff\xff\xff"),
        *(bytes([number]) for number in range(0x1A)),
        *(b"\x21", b"\x03\x01\x01", b"\x04\x02\x02", b"\x04\x01\x08", b"\x06\xf1\x07\x01", b"\x04\xf7\x11\x01"),
    ],
)
