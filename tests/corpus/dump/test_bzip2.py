"""Bzip2 on several threads: equal to Python's decoder on every stream, and as strict, wherever marks lie."""

import bz2
import io
import random
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus.dump.compression import bzip2


def text(size: int, seed: int = 0) -> bytes:
    """Words that neither repeat nor are noise."""
    source = random.Random(seed)
    words = [b"%x" % source.getrandbits(24) for _ in range(2000)]
    return b" ".join(source.choices(words, k=size // 6))[:size]


def read(packed: bytes, threads: int) -> bytes:
    return b"".join(bzip2.decode(io.BytesIO(packed), threads))


def bit_marks(packed: bytes, mark: int) -> list[int]:
    bits = f"{int.from_bytes(packed, 'big'):0{8 * len(packed)}b}"
    wanted, found = f"{mark:048b}", []
    at = bits.find(wanted)
    while at >= 0:
        found.append(at)
        at = bits.find(wanted, at + 1)
    return found


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the last word from the single thread: what the threads can't read is then an error."""

    def none(file: object) -> bytes:
        raise AssertionError("the threads gave up")

    monkeypatch.setattr(bzip2, "serial", none)


@pytest.mark.parametrize("level", [1, 5, 9])
@pytest.mark.parametrize("threads", [2, 3])
def test_the_threads_read_what_was_packed(level: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch)
    streams = [text(1_500_000), b"", b"", b"x", text(123_457, 1), bytes(3_000_000), random.Random(2).randbytes(900_000)]
    for part in streams:
        assert read(bz2.compress(part, level), threads) == part
    assert read(b"".join(bz2.compress(part, level) for part in streams), threads) == b"".join(streams)


def test_marks_are_found_at_every_bit_and_across_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bzip2, "_BITE", 1000)
    monkeypatch.setattr(bzip2, "_MARKS", 100)
    packed = bz2.compress(text(4_000_000), 1)
    source = bzip2._Bits(io.BytesIO(packed))
    assert source.more()
    source.header()
    found, at = [], 0
    while True:
        place, kind, _ = source.mark(at)
        found.append(place)
        if kind == bzip2.END:
            break
        at = place + 48
    assert found == bit_marks(packed, bzip2.BLOCK) + bit_marks(packed, bzip2.END)
    assert {place % 8 for place in found} == set(range(8))
    alone(monkeypatch)
    assert read(packed, 2) == text(4_000_000)


def test_a_mark_by_chance_is_no_block() -> None:
    """Data that can't be packed lie in a block nearly as they are, where a mark may stand by chance."""
    seed = b"\x31\x41\x59\x26\x53\x59"
    plain = text(250_000)
    packed = bz2.compress(plain, 1)
    first, second = bit_marks(packed, bzip2.BLOCK)[1:3]

    class Planted(bzip2._Bits):
        """Finds a mark between two others that is none."""

        def mark(self, least: int = 0) -> tuple[int, int, int]:
            place, kind, crc = super().mark(least)
            if place == second and least <= first + 1000 and least > first:
                return first + 1000, bzip2.BLOCK, int.from_bytes(seed[:4], "big")
            return place, kind, crc

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bzip2, "_Bits", Planted)
        with pytest.raises(bzip2._IrregularError):
            b"".join(bzip2._parallel(io.BytesIO(packed), 2))
        assert read(packed, 2) == plain


def damaged(packed: bytes) -> list[tuple[str, bytes]]:
    """Every way in which the marks, sums and ends of a file of two streams may be wrong."""
    places = bit_marks(packed, bzip2.BLOCK) + bit_marks(packed, bzip2.END)
    made = [
        (f"flipped at bit {at}", flip(packed, at)) for place in places for at in (place + 3, place + 50, place + 200)
    ]
    made += [(f"cut to {size}", packed[:size]) for size in (1, 3, 4, 9, len(packed) // 2, len(packed) - 1)]
    return [*made, ("trailer", packed + b"BZ"), ("another trailer", packed + bytes(40)), ("no header", packed[4:])]


def flip(packed: bytes, bit: int) -> bytes:
    at = min(bit // 8, len(packed) - 1)
    return packed[:at] + bytes([packed[at] ^ 0x80 >> bit % 8]) + packed[at + 1 :]


def test_damage_is_told_as_by_one_thread() -> None:
    packed = bz2.compress(text(350_000), 1) + bz2.compress(text(150_000, 3), 1)
    for what, wrong in damaged(packed):
        outcomes = []
        for threads in (1, 2):
            try:
                outcomes.append(repr(read(wrong, threads)))
            except (OSError, EOFError) as error:
                outcomes.append(repr(error))
        assert outcomes[0] == outcomes[1], what
        # Up to seven bits fill the end up to a byte, and mean nothing.
        assert outcomes[0].startswith(("OSError", "EOFError")) or wrong[-1] != packed[-1], what


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=2000), max_size=5), st.integers(1, 3), st.integers(0, 1 << 14))
def test_any_streams_and_any_flipped_bit(parts: list[bytes], threads: int, bit: int) -> None:
    packed = b"".join(map(bz2.compress, parts))
    assert read(packed, threads) == b"".join(parts)
    if packed:
        wrong = flip(packed, bit % (8 * len(packed)))
        assert outcome(lambda: read(wrong, threads)) == outcome(lambda: read(wrong, 1))


def outcome(job: Callable[[], bytes]) -> bytes | str:
    try:
        return job()
    except (OSError, EOFError) as error:
        return repr(error)


def test_a_reader_that_leaves_early_leaves_no_thread() -> None:
    packed = bz2.compress(text(3_000_000), 1)
    for _ in range(200):
        pieces = bzip2.decode(io.BytesIO(packed), 3)
        next(pieces)
        pieces.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("bzip2")]


def test_what_is_ahead_of_the_reader_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bzip2, "_BITE", 1000)
    packed = bz2.compress(text(6_000_000), 1)
    blocks = len(bit_marks(packed, bzip2.BLOCK))
    assert blocks > 50
    file = io.BytesIO(packed)
    pieces = bzip2.decode(file, 2)
    next(pieces)
    # Five blocks wait or are at work, and the next is being looked for.
    assert file.tell() < 8 * len(packed) / blocks
    pieces.close()
