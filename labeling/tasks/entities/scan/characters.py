"""Code points of a text, and the classes that regular expressions have for them."""

import functools
import re

import numpy as np
import numpy.typing as npt

from socorpus.corpus.arrays import UInt8, readonly

Uint32 = npt.NDArray[np.uint32]

WORD, SPACE, DIGIT = 1, 2, 4
"""Bits of a class: matched by `\\w`, by `\\s`, by `\\d`."""


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
