"""Code points of a text, and the classes that regular expressions have for them."""

import functools
import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from socorpus.corpus.arrays import Int32, Int64, UInt8, readonly

Uint32 = npt.NDArray[np.uint32]

WORD, SPACE, DIGIT = 1, 2, 4
"""Bits of a class: matched by `\\w`, by `\\s`, by `\\d`."""

TOGETHER = 1 << 19
"""Code points of the texts that are looked at together: some megabytes of arrays, which caches partly hold."""
Place = tuple[int, int, int, int]
"""Number of a text, start and end in it, and a kind of place."""


def code_points(text: str) -> Uint32:
    """uint32[len(text)], read-only; a lone surrogate is its own number."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def lowered(text: str) -> str:
    """The text in lower case, character for character: one that would become two stays as it is."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


@functools.cache
def classes() -> UInt8:
    """Class of each code point as this version of Python has it, uint8[0x110000]."""
    everything = "".join(map(chr, range(0x110000)))
    table = np.zeros(len(everything), np.uint8)
    for bit, pattern in ((WORD, r"\w+"), (SPACE, r"\s+"), (DIGIT, r"\d+")):
        for match in re.finditer(pattern, everything):
            table[match.start() : match.end()] |= bit
    return readonly(table)


def joined(texts: Sequence[str]) -> Iterator[tuple[int, Uint32, Int64]]:
    """Some texts at a time, each followed by a line feed: the first one's number, code points, where each begins."""
    first = 0
    while first < len(texts):
        last, size = first, 0
        while last < len(texts) and (last == first or size + len(texts[last]) <= TOGETHER):
            size += len(texts[last]) + 1
            last += 1
        begins = np.zeros(last - first, np.int64)
        np.cumsum([len(text) + 1 for text in texts[first : last - 1]], out=begins[1:])
        yield first, code_points("".join(f"{text}\n" for text in texts[first:last])), begins
        first = last


def places(first: int, begins: Int64, rows: Int32) -> Iterator[Place]:
    """Rows of start, end and kind in joined texts as places in the single ones.

    Args:
        first, begins: as `joined` gives them.
    """
    number = np.searchsorted(begins, rows[:, 0], side="right") - 1
    starts, ends = rows[:, 0] - begins[number], rows[:, 1] - begins[number]
    yield from zip((number + first).tolist(), starts.tolist(), ends.tolist(), rows[:, 2].tolist(), strict=True)
