"""Plain text with its spans: of one text as Python values, and of a column of texts as flat arrays.

`Writer` holds the rules by which all readers of markup lay out text: paragraphs are set apart by a blank line, lines by
a newline, table cells by a tab (empty ones too), keys and struck or inserted words by a space where they would run
together, other runs of white space in prose are one space, and code stands as it is. A superscript begins with `^`, a
subscript with `_`, in parentheses where it is more than one word or sign.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.arrays import Int32, Int64

Segment = tuple[str, int, int, str | None]
Link = tuple[int, int, str]

# Separators between two pieces of text, by growing strength: EDGE, where an element begins or ends whose words are not
# its neighbours', is a space between letters; code that ends a line needs one newline less.
JOIN, EDGE, AFTER_EDGE, SPACE, CELL, LINE, BLANK, AFTER_CODE = range(8)
SEPARATORS = ("", "", "", " ", "\t", "\n", "\n\n", "\n")

SCRIPT_SIGNS = {"sup": "^", "sub": "_"}
# Letters and digits of any script, roughly: all from Latin 1's letters on but the blocks of punctuation and symbols.
_LETTERS = "0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u167f\u1681-\u1fff\u2c00-\u2fff\u3040-\ufeff\uff10-\U0010ffff"
_LETTER = re.compile(f"[{_LETTERS}]")
_ONE_TERM = re.compile(f"[+\u2212-]?[{_LETTERS}]+|\\S|[(\\[].*[)\\]]", re.DOTALL)

PROSE, CODE, INLINE_CODE, QUOTE, COMMENT = (
    schema.SEGMENT_KINDS.index(kind) for kind in ("prose", "code", "inline_code", "quote", "comment")
)
UNWANTED = re.compile("[\x00\ud800-\udfff]")
TARGET = re.compile(r"(?:https?|ftp):|mailto:|/", re.IGNORECASE)


class Marked(NamedTuple):
    """Text with its spans; offsets are code points of `text`."""

    text: str
    segments: list[Segment]
    """(kind, start, end, language hint of a code block), in order, without overlap or empty span; white space between
    two segments belongs to neither. The hint is None without one, "" where its author says that there is none."""
    links: list[Link]
    """(start, end, target) of linked text, in the order in which it ends."""


@dataclass(frozen=True)
class Column:
    """Texts with their spans: row i has `segments[bounds[i]:bounds[i + 1]]`; offsets count from the row's own start."""

    text: pa.StringArray
    """string[rows], no nulls."""
    lengths: Int64
    """Code points of each text, shape [rows]."""
    bounds: Int64
    """Shape [rows + 1]."""
    segments: Int32
    """Kind (place in `schema.SEGMENT_KINDS`), start, end, place of the hint in `hints`; shape [segments, 4]."""
    hints: list[str | None]
    """Language hints of code blocks; the place -1, of other segments, stands for None."""
    link_bounds: Int64
    """Shape [rows + 1]."""
    links: Int32
    """Start, end; shape [links, 2]."""
    targets: pa.StringArray
    """string[links]."""


def column(marked: Sequence[Marked]) -> Column:
    """The same as flat arrays."""
    segments: list[tuple[int, int, int, int]] = []
    hints: list[str | None] = []
    for entry in marked:
        for kind, start, end, hint in entry.segments:
            code = kind == "code"
            segments.append((schema.SEGMENT_KINDS.index(kind), start, end, len(hints) if code else -1))
            if code:
                hints.append(hint)
    links = [link for entry in marked for link in entry.links]
    return Column(
        pa.array([entry.text for entry in marked], pa.string()),
        np.array([len(entry.text) for entry in marked], np.int64),
        np.cumsum([0, *(len(entry.segments) for entry in marked)]),
        np.array(segments, np.int32).reshape(-1, 4),
        hints,
        np.cumsum([0, *(len(entry.links) for entry in marked)]),
        np.array([(start, end) for start, end, _ in links], np.int32).reshape(-1, 2),
        pa.array([target for _, _, target in links], pa.string()),
    )


def replaced(texts: Column, rows: Int64, marked: Sequence[Marked]) -> Column:
    """`texts` with other contents in some `rows` (ascending), which are empty so far."""
    if not len(rows):
        return texts
    new = column(marked)
    mask = np.zeros(len(texts.text), bool)
    mask[rows] = True
    lengths = texts.lengths.copy()
    lengths[rows] = new.lengths
    segments = new.segments.copy()
    segments[segments[:, 3] >= 0, 3] += len(texts.hints)
    bounds, order = merged(texts.bounds, new.bounds, rows)
    link_bounds, link_order = merged(texts.link_bounds, new.link_bounds, rows)
    return Column(
        pc.replace_with_mask(texts.text, pa.array(mask), new.text),
        lengths,
        bounds,
        np.concatenate([texts.segments, segments])[order],
        texts.hints + new.hints,
        link_bounds,
        np.concatenate([texts.links, new.links])[link_order],
        pa.concat_arrays([texts.targets, new.targets]).take(pa.array(link_order)),
    )


def merged(bounds: Int64, more: Int64, rows: Int64) -> tuple[Int64, Int64]:
    """Bounds of lists to which others are appended, and the order of all items, the others' counted after the first's.

    Args:
        bounds: of the lists, int64[lists + 1].
        more: of the other lists, int64[others + 1].
        rows: the list to which each of the others is appended, int64[others].
    """
    owners = np.concatenate([np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)), np.repeat(rows, np.diff(more))])
    counts = np.bincount(owners, minlength=len(bounds) - 1)
    return np.concatenate([[0], np.cumsum(counts)]), np.argsort(owners, kind="stable")


def is_one_term(script: str) -> bool:
    """Whether a superscript or subscript needs no parentheses: a number, a word, one sign, or it has its own."""
    return _ONE_TERM.fullmatch(script.strip()) is not None


def class_hint(names: str) -> str | None:
    """Hint in a class attribute: None without one, "" where it says that there is no language."""
    for name in names.split():
        if name.startswith(("lang-", "language-", "snippet-code-")):
            return plain_hint(name)
    return None


@lru_cache(maxsize=1024)
def plain_hint(name: str) -> str:
    """The language in a hint ("lang-Py" -> "py"), "" where it says that there is none."""
    for prefix in ("lang-", "language-", "snippet-code-"):
        name = name.removeprefix(prefix)
    name = name.lower()
    return "" if name == "none" else name


def first_hint(*hints: str | None) -> str | None:
    """The first that was given, "" where that says that there is no language."""
    return next((hint for hint in hints if hint is not None), None)


@dataclass
class Script:
    """A superscript or subscript in running text."""

    sign: str
    """With its parenthesis, if it has one."""
    kind: str
    """Of the segment that the sign is in."""
    is_written: bool = False


class Writer:
    """Text and segments as they grow."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.segments: list[Segment] = []
        self.links: list[Link] = []
        self.position = 0
        self.pending = JOIN
        self.current, self.opened, self.closed = "", 0, 0
        self.open_links: list[list[Any]] = []
        self.mark: Script | None = None
        """The script whose text is still to come."""
        # Of a table's row: whether one is open, tabs before the next text, the separator before its first text, and
        # whether its cell has no text so far.
        self.in_row = self.in_empty_cell = False
        self.tabs, self.lead = 0, JOIN

    def words(self, text: str, kind: str, verbatim: bool = False) -> None:
        """Adds running text; with `verbatim` only its outer white space is changed."""
        if self.pending < SPACE and text and text[0].isspace():
            self.pending = SPACE
        words = text.strip() if verbatim else " ".join(text.split())
        if words:
            if self.mark:
                self._put_mark()
            self._begin(words[0], kind)
            self._put(words)
            self.closed = self.position
            self.pending = SPACE if text[-1].isspace() else JOIN

    def code(self, pieces: list[tuple[str, str | None]], language: str | None) -> None:
        """Adds a code block, character for character, from (text, target of the link that it stands in)."""
        text = "".join(text for text, _ in pieces)
        if text:
            self.cut()
            self.mark, self.tabs, self.lead, self.in_empty_cell = None, 0, JOIN, False
            self._separate(max(self.pending, BLANK))
            self.segments.append(("code", self.position, self.position + len(text), language))
            for piece, target in pieces:
                if target and piece:
                    self.links.append((self.position, self.position + len(piece), target))
                self._put(piece)
            self.pending = AFTER_CODE if text[-1] == "\n" else BLANK

    def separate(self, strength: int) -> None:
        """The next text is set apart at least this much; nothing but its tab goes before the text of a cell."""
        if not self.in_empty_cell:
            self.pending = max(self.pending, strength)

    def line_break(self) -> None:
        """The next text begins a line; after a second break, a paragraph."""
        self.separate(BLANK if self.pending == LINE else LINE)

    def edge(self, closing: bool) -> None:
        """An element begins or ends whose words are not its neighbours'."""
        if closing:
            self.pending = max(self.pending, AFTER_EDGE)
        else:
            self.pending = SPACE if self.pending == AFTER_EDGE else max(self.pending, EDGE)

    def row(self, closing: bool) -> None:
        """A table's row begins or ends."""
        self.in_row, self.in_empty_cell, self.tabs = not closing, False, 0 if closing else -1
        self.separate(LINE)
        self.lead = JOIN if closing else self.pending

    def cell(self, closing: bool) -> None:
        """A cell of a table's row begins or ends."""
        self.in_empty_cell = False
        if closing or not self.in_row:
            self.separate(CELL)
        else:
            self.tabs += 1
            if self.pending != AFTER_CODE:
                self.pending = self.lead or CELL
            self.in_empty_cell = True

    def open_script(self, sign: str, kind: str, one_term: bool) -> Script | None:
        """A superscript or subscript begins; None where it has no sign.

        Small print at the beginning of a line, or apart from the text before it, has none, but for one term.
        """
        if self.mark or not self.position or self.pending > SPACE or (self.pending == SPACE and not one_term):
            return None
        self.mark = Script(sign if one_term else f"{sign}(", kind)
        return self.mark

    def close_script(self, script: Script) -> None:
        """A script ends that has a sign."""
        if self.mark is script:  # it had no text
            self.mark = None
        elif script.is_written and len(script.sign) > 1:
            pending, self.pending = self.pending, JOIN
            self._begin(")", script.kind)
            self._put(")", starts_links=False)
            self.closed, self.pending = self.position, pending

    def cut(self) -> None:
        """Ends the segment that is being extended."""
        if self.current:
            self.segments.append((self.current, self.opened, self.closed, None))
            self.current = ""

    def cut_code(self) -> None:
        """Ends the segment that is being extended if it is inline code; empty code divides nothing."""
        if self.current == "inline_code":
            self.cut()

    def open_link(self, target: str) -> None:
        """Text from here on is linked."""
        self.open_links.append([target if TARGET.match(target) else "", -1])

    def close_link(self) -> None:
        """Ends the innermost link."""
        target, start = self.open_links.pop()
        if target and start >= 0:
            self.links.append((start, self.position, target))

    def marked(self) -> Marked:
        """The result; lone surrogates and NUL are replaced one for one."""
        self.cut()
        return Marked(UNWANTED.sub("\ufffd", "".join(self.out)), self.segments, self.links)

    def _put_mark(self) -> None:
        """Writes the sign of a script before its text, unless that begins a line by now; a link begins after it."""
        if self.mark and self.pending <= SPACE:
            self._begin(self.mark.sign[0], self.mark.kind)
            self._put(self.mark.sign, starts_links=False)
            self.closed, self.pending, self.mark.is_written = self.position, JOIN, True
        self.mark = None

    def _begin(self, first: str, kind: str) -> None:
        """Before running text: its separator and its segment."""
        if JOIN < self.pending < SPACE:
            meet = self.out and _LETTER.match(self.out[-1][-1]) and _LETTER.match(first)
            self.pending = SPACE if meet else JOIN
        if self.in_row:
            if self.tabs > 0:
                if self.pending > CELL:
                    self._separate(self.pending)
                self.out.append("\t" * self.tabs)
                self.position += self.tabs
                self.pending = JOIN
            self.tabs, self.lead, self.in_empty_cell = 0, JOIN, False
        self._separate(self.pending)
        if kind != self.current:
            self.cut()
            self.current, self.opened = kind, self.position

    def _separate(self, strength: int) -> None:
        if self.position and strength > JOIN:
            self.out.append(SEPARATORS[strength])
            self.position += len(SEPARATORS[strength])

    def _put(self, text: str, starts_links: bool = True) -> None:
        for link in reversed(self.open_links if starts_links else ()):  # those without text so far are the innermost
            if link[1] >= 0:
                break
            link[1] = self.position
        self.out.append(text)
        self.position += len(text)
