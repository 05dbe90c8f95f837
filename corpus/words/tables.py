"""Class of each code point for the cutting of words, and its case folding, from tables of the Unicode data.

`word_break.json` is written by `unicode_data.py`; it names its source and version. The classes are the values of
Word_Break (UAX #29, table 3), with the code points that have none parted further: white space, the letters of scripts
that part no words by spaces, letters and numbers that stand for themselves, and symbols.
"""

import functools
import json
from importlib.resources import files
from typing import Any

import numpy as np

from socorpus.corpus.arrays import UInt8, UInt32, readonly

OTHER, SPACE, WORD_SPACE, CR, NEWLINE, EXTEND, FORMAT, ZWJ = range(8)
LETTER, HEBREW, DIGIT, KATAKANA, CONNECTOR = range(8, 13)
MID_LETTER, MID_DIGIT, MID, QUOTE, DOUBLE_QUOTE, REGIONAL = range(13, 19)
IDEOGRAPH, HIRAGANA, COMPLEX, LONE, SYMBOL = range(19, 24)
LINE_FEED = 24
PICTURE = 32
"""Added to the class of an Extended_Pictographic code point."""

CODE_POINTS = 0x110000


@functools.cache
def data() -> dict[str, Any]:
    """The file of tables: its `source`, the `unicode` version, `classes` and `folding`."""
    read: dict[str, Any] = json.loads(files(__package__).joinpath("word_break.json").read_text("utf-8"))
    return read


@functools.cache
def classes() -> UInt8:
    """Class of each code point, uint8[0x110000]."""
    table = np.zeros(CODE_POINTS, np.uint8)
    for number, runs in data()["classes"].items():
        for run in runs.split():
            first, _, last = run.partition("-")
            table[int(first, 16) : int(last or first, 16) + 1] = int(number)
    return readonly(table)


@functools.cache
def folding() -> UInt32:
    """Each code point in lower case, uint32[0x110000]: simple case folding, and the typographic apostrophe as '."""
    table = np.arange(CODE_POINTS, dtype=np.uint32)
    for first, last, step, difference in data()["folding"]:
        table[first : last + 1 : step] += np.uint32(difference % (1 << 32))
    table[0x2019] = ord("'")
    return readonly(table)
