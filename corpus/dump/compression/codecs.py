"""Packed bytes to decoded bytes, in pieces of about a megabyte: bzip2, gzip, Zstandard and the coders of a .7z.

Bzip2 is decoded on several threads (`corpus.dump.compression.bzip2`). The PPMd of py7zr ends the process on damaged
data, so rare coders run in one of their own. Methods and properties of a .7z: 7-Zip's Methods.txt and
lzma-specification.txt.
"""

import contextlib
import gzip
import io
import lzma
import pickle
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from socorpus.corpus.dump.compression import bzip2, methods

PIECE = 1 << 20
"""Most bytes that a decoder is asked for at once."""
MAGIC = {"gz": rb"\x1f\x8b", "bz2": rb"BZh[1-9]", "zst": rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"}
"""Form of a compressed file -> expression that its first bytes match."""
_LONGEST_WINDOW = 1 << 31
"""Bytes that a Zstandard frame may refer back to: what `zstd --long=31` and 7-Zip ZS write at most."""


@dataclass(frozen=True)
class Packing:
    """Coders and sizes of one packed stream of a .7z, from the archive's header."""

    coders: list[dict[str, Any]]
    """As py7zr represents them, from the packed bytes on; none for an empty stream."""
    unpacked: list[int]
    """Decoded bytes behind each coder."""
    size: int
    """Decoded bytes of all members."""

    @property
    def method(self) -> int | None:
        """The only coder's, None where there are several or none."""
        return methods.number(self.coders[0]["method"]) if len(self.coders) == 1 else None

    @property
    def exact(self) -> bool:
        """Whether the decoder can say that the packed stream holds no more than was declared."""
        return self.method in (methods.BZIP2, methods.LZMA2, methods.ZSTD)


class Slice(io.RawIOBase):
    """Bytes [offset, offset + size) of a file, as a file. The file itself stays open."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file, self._offset, self.size = file, offset, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = max(0, offset + (0, self._position, self.size)[whence])
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        left = self.size - self._position
        if left <= 0:
            return b""
        self._file.seek(self._offset + self._position)
        data = self._file.read(left if size is None or size < 0 else min(size, left))
        self._position += len(data)
        return data


class Window(Slice):
    """A packed stream inside an archive, as a file.

    `read` never raises, since it may be called on a thread that nobody listens to. The exception is kept in `error`
    and the data ends, which the decoder then reports as truncation.
    """

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        super().__init__(file, offset, size)
        self.error: Exception | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if self.error is not None:
            return b""
        try:
            return super().read(size)
        except Exception as error:
            self.error = error
            return b""


class Pieces:
    """An iterator of decoded pieces, cut to measure."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def take(self, size: int) -> memoryview:
        """At least one and at most `size` bytes; none at the end of the data."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return self._left
            self._left = memoryview(piece)
        data, self._left = self._left[:size], self._left[size:]
        return data


def compressed(form: str, window: Window, threads: int) -> Generator[bytes, None, None]:
    """Decoded pieces of a compressed file; `form` is gz, bz2 or zst.

    Raises:
        Exception: whatever the form's decoder raises on truncated or damaged data; the storage's own error if it fails.
    """
    if form == "bz2":
        return _guarded(window, bzip2.decode(window, threads))
    return _guarded(window, _gzip_pieces(window) if form == "gz" else _zstd_pieces(window))


def folder(packing: Packing, window: Window, threads: int) -> Generator[bytes, None, None]:
    """Decoded pieces of a packed stream of a .7z; ends early or raises, like `compressed`, where it is damaged."""
    return _guarded(window, _folder_pieces(packing, window, threads))


def beginning(form: str, packed: bytes, most: int) -> int:
    """Bytes that the first bytes of a compressed file decode to; counted until there are more than `most`."""
    window = Window(cast(BinaryIO, io.BytesIO(packed)), 0, len(packed))
    decoded, pieces = 0, compressed(form, window, 1)
    with contextlib.suppress(Exception):  # the data may end within a block; damage is met when all is read
        for piece in pieces:
            decoded += len(piece)
            if decoded > most:
                break
    return decoded


def _guarded(window: Window, pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Pieces, and where they end or fail because the storage failed, that error."""
    try:
        yield from pieces
    except Exception:
        if window.error is not None:
            raise window.error from None
        raise
    if window.error is not None:
        raise window.error


def _folder_pieces(packing: Packing, window: Window, threads: int) -> Iterator[bytes]:
    if not packing.coders:
        return iter(())
    properties = packing.coders[0]["properties"]
    if packing.method == methods.BZIP2:
        return bzip2.decode(window, threads)
    if packing.method in (methods.LZMA, methods.LZMA2) and properties:
        return _lzma_pieces(window, packing.method, properties)
    first = methods.number(packing.coders[0]["method"])
    if first in (methods.ZSTD, methods.BROTLI):
        # py7zr stops behind the first frame, and 7-Zip ZS writes as many as there are threads or pieces.
        pieces = _zstd_pieces(window) if first == methods.ZSTD else _brotli_pieces(window)
        if len(packing.coders) == 1:
            return pieces
        copy = {"method": b"\0", "properties": None, "numinstreams": 1, "numoutstreams": 1}
        rest = Packing([copy, *packing.coders[1:]], packing.unpacked, packing.size)
        return _other_pieces(pieces, packing.unpacked[0], rest)
    return _other_pieces(iter(lambda: window.read(PIECE // 4), b""), window.size, packing)


def _gzip_pieces(window: Window) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=cast(BinaryIO, window)) as file:
        while piece := file.read(PIECE):
            yield piece


def _zstd_pieces(window: Window) -> Iterator[bytes]:
    """Zstandard. Small bites, because this decoder's output has no bound but its input's size."""
    import zstandard

    decoder = zstandard.ZstdDecompressor(max_window_size=_LONGEST_WINDOW)
    return bzip2.frames(window, decoder.decompressobj, lambda frame, data: frame.decompress(data), 4096)


def _brotli_pieces(window: Window) -> Iterator[bytes]:
    """Brotli: one stream, or frames of 7-Zip ZS (its C/zstdmt/brotli-mt.h), each behind a head of 16 bytes.

    The head: 0x184D2A50, 8 and the frame's bytes, each in four bytes, "BR", and a hint at the decoded size in two.
    """
    head = window.read(16)
    window.seek(0)
    if not head.startswith(b"\x50\x2a\x4d\x18"):
        yield from _brotli_stream(window, window.size)
        return
    while head := window.read(16):
        if len(head) < 16 or head[:8] != b"\x50\x2a\x4d\x18\x08\0\0\0" or head[12:14] != b"BR":
            raise ValueError("the head of a Brotli frame was expected")
        yield from _brotli_stream(window, int.from_bytes(head[8:12], "little"))


def _brotli_stream(window: Window, size: int) -> Iterator[bytes]:
    """The pieces of one Brotli stream (RFC 7932) of `size` packed bytes."""
    import brotli

    decoder, left = brotli.Decompressor(), size
    while not decoder.is_finished():
        data = window.read(min(left, PIECE // 4)) if decoder.can_accept_more_data() else b""
        left -= len(data)
        piece = decoder.process(data, output_buffer_limit=PIECE)
        if piece:
            yield piece
        elif not data and decoder.can_accept_more_data():
            raise EOFError("the compressed data end within a stream")
    if left:
        raise ValueError("data lie behind the end of a Brotli stream")


def _lzma_pieces(window: Window, method: int, properties: bytes) -> Iterator[bytes]:
    """Raw LZMA, whose properties are lc, lp, pb in a byte and the dictionary's size, or LZMA2: the size's code."""
    if method == methods.LZMA:
        packed, dictionary = properties[0], int.from_bytes(properties[1:5], "little")
        if len(properties) != 5 or packed >= 9 * 5 * 5:
            raise ValueError("the LZMA coder has wrong properties")
        specifier = {"id": lzma.FILTER_LZMA1, "lc": packed % 9, "lp": packed // 9 % 5, "pb": packed // 45}
    else:
        code = properties[0]
        if len(properties) != 1 or code > 40:
            raise ValueError("the LZMA2 coder has wrong properties")
        dictionary = 0xFFFFFFFF if code == 40 else (2 | code & 1) << code // 2 + 11
        specifier = {"id": lzma.FILTER_LZMA2}
    specifier["dict_size"] = max(dictionary, 4096)
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[specifier])
    while not decoder.eof:
        data = window.read(PIECE // 4) if decoder.needs_input else b""
        piece = decoder.decompress(data, PIECE)
        if piece:
            yield piece
        elif not data and decoder.needs_input:
            return


def _other_pieces(pieces: Iterator[bytes], size: int, packing: Packing) -> Iterator[bytes]:
    """Any other chain of coders, by py7zr in a process of its own: damaged data makes its PPMd kill the process.

    Args:
        pieces: what the first coder is given, `size` bytes in all.
    """
    program = f"from {__name__} import decode_apart; decode_apart()"
    shape = (packing.coders, size, packing.unpacked, packing.size)
    failed: list[Exception] = []
    child = subprocess.Popen(
        # -P: nothing is imported from the current folder, which may be a stranger's.
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdin is not None and child.stdout is not None
    packed, decoded = child.stdin, child.stdout

    def feed() -> None:
        try:
            with contextlib.suppress(BrokenPipeError), packed:
                pickle.dump(shape, packed)
                for piece in pieces:
                    packed.write(piece)
        except Exception as error:  # of the decoder before: on this thread nobody would hear of it
            failed.append(error)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        while piece := decoded.read(PIECE):
            yield piece
        if child.wait() != 0 or failed:
            raise failed[0] if failed else OSError("invalid data stream")
    finally:
        child.kill()
        decoded.close()
        child.wait()
        feeder.join()


def decode_apart() -> None:
    """The other end of `_other_pieces`: packed bytes on stdin, decoded ones on stdout."""
    from py7zr.compressor import SevenZipDecompressor

    coders, packed, unpacked, left = pickle.load(sys.stdin.buffer)
    # Small bites: some of these decoders ignore the limit on their output.
    decoder, idle = SevenZipDecompressor(coders, packed, unpacked, None, blocksize=4096), 0
    while left > 0 and idle < 3:
        before = decoder.consumed
        piece = decoder.decompress(sys.stdin.buffer, min(left, PIECE))
        idle = 0 if piece or decoder.consumed > before else idle + 1
        left -= len(piece)
        sys.stdout.buffer.write(piece)
