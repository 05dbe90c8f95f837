"""Words and signs of a text in Python: the same segments as the compiled cutter's, without it.

A word is a segment of UAX #29 (Unicode Text Segmentation, default rules) that has a letter or a digit: `foo_bar`,
`3.14`, `don't`, `os.path.join` and `10px` are one word each. What parts C, C++, C# and .NET are signs, which stand
beside the word. Where a script puts no spaces between words, no dictionary is used: each ideograph, each letter of
Hiragana, and each letter of Thai, Lao, Khmer, Burmese and their like with its marks is a segment of its own; a run of
Katakana is one. Where words are counted, two ideographs or letters of Hiragana, and three letters of Thai and its like,
count as one word, which is about how long words are there; so a count means the same in any script.
"""

import functools
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from socorpus.corpus.words import tables


def spans(text: str) -> list[tuple[int, int]]:
    """Start and end, in code points, of each word; of scripts without spaces, of each letter."""
    return [match.span() for match in _segments(text) if match.lastgroup != "sign"]


def words(text: str) -> list[str]:
    """The words of a text; of scripts without spaces, their letters."""
    return [match[0] for match in _segments(text) if match.lastgroup != "sign"]


def count(text: str) -> int:
    """Number of words: as many as there are, but two ideographs or kana, and three letters of Thai, are one."""
    total, end, before = 0, -1, None
    run = 0
    for match in _segments(text):
        name = match.lastgroup
        if name == "word":
            total += 1
        elif name != "sign":
            run = run + 1 if name == before and match.start() == end else 0
            total += run % (3 if name == "complex" else 2) == 0
        before, end = name, match.end()
    return total


def tokens(text: str) -> list[str]:
    """Words and signs in order: all but white space. A sign is one code point with its marks."""
    return [match[0] for match in _segments(text)]


def pieces(text: str) -> list[tuple[int, int]]:
    """Offsets of the smallest parts that a tag can have: as `tokens`, and words are cut at the signs within them.

    So "can't" has three, "os.path" three, "3.14" three, "foo_bar" one. They cover all but white space, also characters
    that are invisible.
    """
    return [match.span() for match in _matches(text, _ASCII_PIECE, 1)]


# The same for lines of ASCII, many times as fast: its letters, digits and the signs that may be within words.
_PART = r"(?:[A-Za-z]++(?:[.:'](?=[A-Za-z]))?+|\d++(?:[.,;'](?=\d))?+)++"
_ASCII_SEGMENT = re.compile(rf"(?P<word>_*+{_PART}(?:_++(?:{_PART})?+)*+)|(?P<sign>_++|[^\w\s\0-\x1f\x7f])", re.ASCII)
_ASCII_PIECE = re.compile(r"\w++|[^\w\s\x1c-\x1f]", re.ASCII)


def _segments(text: str) -> Iterator[re.Match[str]]:
    return _matches(text, _ASCII_SEGMENT, 0)


def _matches(text: str, of_ascii: re.Pattern[str], number: int) -> Iterator[re.Match[str]]:
    """Matches of an expression in each line, which no segment leaves; its plainer form for lines of ASCII."""
    if text.isascii():
        yield from of_ascii.finditer(text)
        return
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        yield from (of_ascii if line.isascii() else _patterns()[number]).finditer(text, start, end)
        start = end + 1


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Expressions for segments, and for pieces, in any text; groups name their kinds."""
    classes = tables.classes() & 31
    pictures = tables.classes() & tables.PICTURE

    def of(*kinds: int) -> str:
        return f"[{_ranges(np.isin(classes, kinds))}]"

    marks = f"{of(tables.EXTEND, tables.FORMAT, tables.ZWJ)}*+"
    letter, hebrew, digit = of(tables.LETTER, tables.HEBREW), of(tables.HEBREW), of(tables.DIGIT)
    katakana, connector = f"(?:{of(tables.KATAKANA)}{marks})++", f"(?:{of(tables.CONNECTOR)}{marks})++"
    mid = f"{of(tables.MID_LETTER, tables.MID, tables.QUOTE)}{marks}(?={letter})"
    of_hebrew = f"{mid}|{of(tables.DOUBLE_QUOTE)}{marks}(?={hebrew})"
    mark = marks[:-2]
    behind_hebrew = "|".join(f"(?<={hebrew}{mark * count})" for count in range(3))
    geresh = f"(?:(?:{behind_hebrew}){of(tables.QUOTE)}{marks})?+"
    of_digits = f"{of(tables.MID_DIGIT, tables.MID, tables.QUOTE)}{marks}(?={digit})"
    part = (
        f"(?:{hebrew}{marks}(?:{of_hebrew})?+|{letter}{marks}(?:{mid})?+|{digit}{marks}(?:{of_digits})?+)++|{katakana}"
    )
    joined = f"(?:(?<=\u200d)[{_ranges(pictures > 0)}]{marks})*+"
    blank = of(tables.SPACE, tables.WORD_SPACE, tables.CR, tables.NEWLINE, tables.LINE_FEED)
    alone = (
        f"(?P<ideograph>{of(tables.IDEOGRAPH)}{marks}{joined})|(?P<kana>{of(tables.HIRAGANA)}{marks}{joined})"
        f"|(?P<complex>{of(tables.COMPLEX)}{marks}{joined})"
    )
    regional = of(tables.REGIONAL) + marks
    sign = f"(?P<sign>{connector}{joined}|{regional}(?:{regional})?+{joined}|(?!{blank}|{mark}).{marks}{joined})"
    segment = (
        f"(?P<word>(?:(?:{connector})?(?:{part})(?:{connector}(?:{part})?+)*+{geresh}|{of(tables.LONE)}{marks}){joined})"
        f"|{alone}|{sign}"
    )
    letters = of(tables.LETTER, tables.HEBREW, tables.DIGIT, tables.CONNECTOR)
    piece = f"(?:{letters}{marks})++|{katakana}|(?:{of(tables.LONE)}{marks})|{alone}|{sign}|\\S"
    return re.compile(segment, re.DOTALL), re.compile(piece, re.DOTALL)


def _ranges(chosen: npt.NDArray[np.bool_]) -> str:
    """The chosen code points as the inside of a character class."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return "".join(f"\\U{first:08x}-\\U{last - 1:08x}" for first, last in runs)
