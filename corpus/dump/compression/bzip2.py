"""A bzip2 stream decoded on several threads, in one pass, with Python's own decoder only.

The format (Seward, bzip2 1.0; the marks are the 48-bit numbers pi and sqrt(pi)): a stream is the four bytes `BZh1` to
`BZh9`, blocks, each a mark and its CRC, and an end: its own mark and a CRC over those of the blocks, filled up to a
byte. Blocks begin at any bit and know nothing of one another. So the bits between two marks, moved to a byte, with a
header before and an end after them, are a stream of one block, which `bz2` decodes and checks without the GIL. Nothing
lies between blocks: a mark that is damaged, or one that compressed data show by chance (once in some 2,000 archives of
20 GB), makes a block that fails. Then the bytes are read again on one thread, which has the last word.

rapidgzip does this too, but is not used: its threads read through Python's file objects and so need the GIL, which its
`close` holds while it waits for them. One in some thousand streams that were left early never ended.
"""

import bz2
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from socorpus.corpus.arrays import njit

BLOCK, END = 0x314159265359, 0x177245385090
"""First 48 bits of a block and of the end of a stream, which may begin at any bit."""

_BITE = 1 << 18
_MOST_PACKED = 1 << 22  # no block is longer: 900,000 symbols of at most 20 bits, and their tables
_MARKS = 4 * _BITE // 48


class Readable(Protocol):
    """A file that can be rewound."""

    def read(self, size: int | None = -1, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...


class _IrregularError(Exception):
    """The stream is irregular: the decoder on one thread must decide."""


def decode(file: Readable, threads: int) -> Iterator[bytes]:
    """Decoded pieces of bzip2 streams, one after the other, to the last byte of `file`, from its start.

    Args:
        threads: number of decoding threads; up to twice as many blocks (900 kB packed from text) are read ahead.

    Raises:
        OSError: damaged data, or other data behind a stream.
        EOFError: the data end within a stream.
    """
    done = 0
    if threads > 1:
        try:
            for piece in _parallel(file, threads):
                yield piece
                done += len(piece)
            return
        except _IrregularError:
            pass
    for piece in serial(file):
        skipped = min(done, len(piece))
        done -= skipped
        if skipped < len(piece):
            yield piece[skipped:]


def serial(file: Readable) -> Iterator[bytes]:
    """The same on the calling thread only."""
    file.seek(0)
    return frames(file, bz2.BZ2Decompressor, lambda frame, data: frame.decompress(data, 1 << 20), _BITE)


def frames(file: Readable, start: Callable[[], Any], feed: Callable[[Any, bytes], bytes], bite: int) -> Iterator[bytes]:
    """Compressed streams, one after the other, to the last byte: other data is an error, not a trailer."""
    data = file.read(bite)
    while data:
        frame = start()
        while not frame.eof:
            if not data and getattr(frame, "needs_input", True) and not (data := file.read(bite)):
                raise EOFError("the compressed data ends within a stream")
            if piece := feed(frame, data):
                yield piece
            data = b""
        data = frame.unused_data or file.read(bite)


def _parallel(file: Readable, threads: int) -> Iterator[bytes]:
    waiting: deque[Future[bytes]] = deque()
    pool = ThreadPoolExecutor(threads, "bzip2")
    try:
        for block in _blocks(file):
            waiting.append(pool.submit(_decode, block))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Block:
    level: bytes  # 1 to 9: hundreds of kB in a block
    packed: bytes  # the bytes that hold its bits
    first: int  # its first bit in these
    bits: int


def _decode(block: _Block) -> bytes:
    """One block as a stream of its own.

    Raises:
        _IrregularError: it is not one whole block.
    """
    start, shift = divmod(block.first, 8)
    raw = np.frombuffer(block.packed, np.uint8)[start : (block.first + block.bits + 7) // 8]
    if shift:
        after = np.append(raw[1:], np.uint8(0))
        raw = (raw << np.uint8(shift)) | (after >> np.uint8(8 - shift))
    whole, rest = divmod(block.bits, 8)
    crc = int.from_bytes(raw[6:10].tobytes(), "big")
    # The last bits that are no byte, the end's mark and the CRC, which for one block is the block's own; filled up.
    last = int(raw[whole]) >> (8 - rest) if rest else 0
    end = ((last << 48 | END) << 32 | crc) << (-(rest + 80) % 8)
    packed = b"BZh" + block.level + raw[:whole].tobytes() + end.to_bytes((rest + 80 + 7) // 8, "big")
    decoder = bz2.BZ2Decompressor()
    try:
        data = decoder.decompress(packed)
    except OSError:
        raise _IrregularError from None
    if not decoder.eof or decoder.unused_data:
        raise _IrregularError
    return data


def _blocks(file: Readable) -> Iterator[_Block]:
    """All blocks in order; the CRC of each stream is checked against those of its blocks.

    Raises:
        _IrregularError: something other than streams of blocks, or an end without a beginning.
    """
    file.seek(0)
    source = _Bits(file)
    while source.more():
        level = source.header()
        combined = 0
        begin, kind, crc = source.mark()
        if begin != source.offset:
            raise _IrregularError
        while kind == BLOCK:
            following, next_kind, next_crc = source.mark(begin + 48)
            yield _Block(level, *source.cut(begin, following))
            combined = (combined << 1 | combined >> 31) & 0xFFFFFFFF ^ crc
            begin, kind, crc = following, next_kind, next_crc
        if crc != combined:
            raise _IrregularError
        source.finish((begin + 80 + 7) // 8)


class _Bits:
    """A window of the packed bytes; all positions are bits from the start of the file."""

    def __init__(self, file: Readable):
        self._file = file
        self._data = b""
        self._start = 0  # byte of the file where `_data` begins
        self._marks: deque[int] = deque()
        self._searched = 0  # bytes of the file already searched for marks
        self.offset = 0

    def more(self) -> bool:
        """Whether there are bytes from `offset` on."""
        return len(self._data) > self.offset // 8 - self._start or self._fill()

    def header(self) -> bytes:
        """The level in the header at `offset`, which moves behind the header."""
        head = self._bytes(self.offset // 8, 4)
        if head[:3] != b"BZh" or not b"1" <= head[3:] <= b"9":
            raise _IrregularError
        self.offset += 32
        return head[3:]

    def finish(self, byte: int) -> None:
        """Go on behind the end of a stream, at this byte of the file; earlier bytes are dropped."""
        if byte > self._start + len(self._data):
            raise _IrregularError
        self.offset, self._data, self._start = 8 * byte, self._data[byte - self._start :], byte

    def mark(self, least: int = 0) -> tuple[int, int, int]:
        """The next mark from bit `least` (`offset` if that is further on): its position, kind and CRC."""
        least = max(least, self.offset)
        while True:
            while self._marks and self._marks[0] < least:
                self._marks.popleft()
            if self._marks:
                break
            if 8 * self._searched - least > 8 * _MOST_PACKED or not self._search():
                raise _IrregularError
        place = self._marks[0]
        value = int.from_bytes(self._bytes(place // 8, 11), "big") >> (8 - place % 8)
        return place, value >> 32 & (1 << 48) - 1, value & 0xFFFFFFFF

    def cut(self, begin: int, end: int) -> tuple[bytes, int, int]:
        """The bytes that hold bits [begin, end), the first bit in them, and how many; earlier bytes are dropped."""
        first, last = begin // 8 - self._start, (end + 7) // 8 - self._start
        packed = self._data[first:last]
        self._data, self._start = self._data[end // 8 - self._start :], end // 8
        return packed, begin % 8, end - begin

    def _bytes(self, start: int, length: int) -> bytes:
        while len(self._data) < start + length - self._start:
            if not self._fill():
                # A CRC may end with the file's last bits: bits read beyond them are ignored.
                break
        return self._data[start - self._start :][:length].ljust(length, b"\0")

    def _fill(self) -> bool:
        more = self._file.read(_BITE)
        self._data += more
        return bool(more)

    def _search(self) -> bool:
        """Search for marks in bytes not searched yet; whether there were any such bytes."""
        # A mark lies in up to 7 bytes, and may stand across the border.
        low = max(self._start, self._searched - 6)
        if self._start + len(self._data) <= self._searched and not self._fill():
            return False
        data = np.frombuffer(self._data, np.uint8)[low - self._start :]
        marks = np.empty(_MARKS, np.int64)
        count = _find(data, marks)
        known = self._marks[-1] if self._marks else self.offset - 1
        self._marks.extend(place for place in (marks[:count] + 8 * low).tolist() if place > known)
        self._searched = self._start + len(self._data)
        return True


def _starts() -> npt.NDArray[np.bool_]:
    """For each value of a byte, whether it can be the second of those that hold a mark, at any of eight shifts."""
    table = np.zeros(256, np.bool_)
    for mark in (BLOCK, END):
        for shift in range(8):
            table[mark >> (32 + shift) & 0xFF] = True
    return table


_STARTS = _starts()


@njit(cache=True, nogil=True)
def _find(data: npt.NDArray[np.uint8], marks: npt.NDArray[np.int64]) -> int:
    """Bits of `data` where a mark begins, ascending, into `marks`; their number. The last six bytes begin none."""
    count = 0
    for index in range(1, len(data) - 5):
        if not _STARTS[data[index]]:
            continue
        value = np.uint64(0)
        for offset in range(-1, 6):
            value = value << np.uint64(8) | np.uint64(data[index + offset])
        for shift in range(8):
            mark = value >> np.uint64(8 - shift) & np.uint64(0xFFFFFFFFFFFF)
            if (mark == np.uint64(BLOCK) or mark == np.uint64(END)) and count < len(marks):
                marks[count] = 8 * (index - 1) + shift
                count += 1
    return count
