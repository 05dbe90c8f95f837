"""Redaction: placeholders in the place of personal data and secrets, and the new offsets of the rest of a text.

Spans are those of `schema.SIGNALS["privacy"]`: sorted, without overlap, in code points.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.arrays import Int32, Int64, lists
from socorpus.corpus.config import Privacy

Span = tuple[int, int, str]
"""Start and end in code points, and the kind."""
Replacement = tuple[int, int, str]
"""Start and end in code points, and the placeholder."""

COLUMNS = ("title", "text", "own_end", "segments")
"""The columns of `schema.DOCUMENTS` that redaction changes."""

_BLANK = "\ue000"  # of the private use area

_KINDS = "|".join(kind.upper() for kind in Privacy().kinds)
STAND_IN = re.compile(rf"\[(?:{_KINDS})_\d+\]|{_BLANK}")
"""Text that `placeholders` and `blank` put in the place of a value: neither a value nor a sign of one."""


def placeholders(text: str, spans: Sequence[Span]) -> list[Replacement]:
    """The replacement of each span: `[KIND_N]`, where N numbers the distinct values of a kind by first appearance.

    E-mail addresses and user names are compared without case. A title is numbered separately from its text.
    """
    numbers: dict[tuple[str, str], int] = {}
    counts: Counter[str] = Counter()
    replaced = []
    for start, end, kind in sorted(spans):
        value = text[start:end].casefold() if kind in ("email", "user") else text[start:end]
        if (kind, value) not in numbers:
            counts[kind] += 1
            numbers[kind, value] = counts[kind]
        replaced.append((start, end, f"[{kind.upper()}_{numbers[kind, value]}]"))
    return replaced


def replace(text: str, replacements: Sequence[Replacement], start: int = 0, end: int | None = None) -> str:
    """`text[start:end]` with its replacements (sorted); one that crosses an edge is cut there and stands whole."""
    if not replacements:
        return text[start:end]
    last = len(text) if end is None else end
    pieces = []
    for number in range(bisect_right(replacements, start, key=itemgetter(1)), len(replacements)):
        left, right, placeholder = replacements[number]
        if left >= last:
            break
        pieces += [text[start:left], placeholder]
        start = right
    return "".join([*pieces, text[start:last]])


def blank(text: str, spans: Sequence[Span]) -> str:
    """The text with its spans as the brackets of a placeholder and nothing in them: no offset moves."""
    letters = list(text)
    for start, end, _ in spans:
        letters[start:end] = ["[", *_BLANK * (end - start - 2), "]"] if end - start > 1 else _BLANK
    return "".join(letters)


def spans_of(row: Sequence[Mapping[str, Any]], field: str) -> list[Span]:
    """The spans of one field, "text" or "title", in a row's value of the column `spans`."""
    return [(span["start"], span["end"], span["kind"]) for span in row if span["field"] == field]


@dataclass(frozen=True)
class Moves:
    """The replacements in a column of texts, by row and place; all int64[spans]."""

    rows: Int64
    starts: Int64
    ends: Int64
    lengths: Int64
    """Code points of the placeholders."""

    def __call__(self, rows: Int64, offsets: Int64) -> Int32:
        """Offsets in the old texts of some rows -> in the new ones, monotone in a row; inside a span: to its start."""
        if not len(self.rows):
            return offsets.astype(np.int32)
        grown = self.lengths - (self.ends - self.starts)
        before = np.cumsum(grown) - grown
        before -= before[np.searchsorted(self.rows, self.rows)]
        # The last span that begins at or before the offset, in its row.
        last = np.searchsorted(self.rows << 32 | self.starts, rows << 32 | offsets, "right") - 1
        span = np.maximum(last, 0)
        passed = (last >= 0) & (self.rows[span] == rows)
        inside = offsets < self.ends[span]
        new = np.where(inside, self.starts[span] + before[span], offsets + before[span] + grown[span])
        return np.where(passed, new, offsets).astype(np.int32)


@dataclass(frozen=True)
class Redacted:
    """Rows of documents without their personal data."""

    columns: dict[str, pa.Array]
    """Those of `COLUMNS` that were given, by name."""
    moves: Moves
    """In `text`."""


def redact(rows: pa.Table, spans: pa.Array | pa.ChunkedArray) -> Redacted:
    """Replace the personal data of documents; `own_end` and `segments` move with their text.

    A segment that is left empty is dropped; a span across the border of two goes, as one placeholder, to the second.

    Args:
        rows: `text` and any others of `COLUMNS`, of the types of `schema.DOCUMENTS`; other columns are not looked at.
        spans: the column `spans` of `schema.SIGNALS["privacy"]` of these rows, aligned.
    """
    whole = spans.combine_chunks() if isinstance(spans, pa.ChunkedArray) else spans
    some = np.flatnonzero(pc.list_value_length(whole).to_numpy(zero_copy_only=False))
    spans_by_row = whole.take(pa.array(some)).to_pylist()
    columns: dict[str, pa.Array] = {}
    columns["text"], moves = _texts(rows["text"], some, [spans_of(row, "text") for row in spans_by_row])
    if "title" in rows.column_names:
        columns["title"], _ = _texts(rows["title"], some, [spans_of(row, "title") for row in spans_by_row])
    touched = np.unique(moves.rows)
    if "own_end" in rows.column_names:
        ends = rows["own_end"].to_numpy().copy()
        ends[touched] = moves(touched, ends[touched].astype(np.int64))
        columns["own_end"] = pa.array(ends)
    if "segments" in rows.column_names:
        columns["segments"] = _segments(rows["segments"], touched, moves)
    return Redacted(columns, moves)


def table(rows: pa.Table, privacy: pa.Table) -> pa.Table:
    """Rows with their personal data replaced.

    Args:
        rows: as of `redact`; other columns stay as they are.
        privacy: `schema.SIGNALS["privacy"]` of these rows, aligned.
    """
    rows = rows.combine_chunks()
    new = redact(rows, privacy["spans"]).columns
    return pa.table([new.get(name, rows[name]) for name in rows.column_names], schema=rows.schema)


def _texts(column: pa.ChunkedArray, rows: Int64, spans: Sequence[Sequence[Span]]) -> tuple[pa.Array, Moves]:
    """The texts of a column with the spans of some rows replaced, and the moves."""
    texts = column.combine_chunks()
    touched = [(row, own) for row, own in zip(rows.tolist(), spans, strict=True) if own]
    changed = [row for row, _ in touched]
    new: list[str] = []
    moves: list[tuple[int, int, int, int]] = []
    for text, (row, own) in zip(texts.take(pa.array(changed, pa.int64())).to_pylist(), touched, strict=True):
        replacements = placeholders(text, own)
        new.append(replace(text, replacements))
        moves += [(row, start, end, len(placeholder)) for start, end, placeholder in replacements]
    mask = np.zeros(len(texts), bool)
    mask[changed] = True
    redacted = pc.replace_with_mask(texts, pa.array(mask), pa.array(new, pa.string())) if changed else texts
    return redacted, Moves(*np.array(moves, np.int64).reshape(-1, 4).T)


def _segments(segments: pa.ChunkedArray, touched: Int64, moves: Moves) -> pa.ListArray:
    """Segments after redaction, without those that it left empty."""
    flat, bounds = lists(segments)
    counts = np.diff(bounds)
    start, end = (flat.field(name).to_numpy().copy() for name in ("start", "end"))
    mask: npt.NDArray[np.bool_] = np.zeros(len(segments), bool)
    mask[touched] = True
    some = np.repeat(mask, counts)
    of = np.repeat(touched, counts[touched])
    start[some], end[some] = moves(of, start[some].astype(np.int64)), moves(of, end[some].astype(np.int64))
    columns = [pa.array(start), pa.array(end)]
    children = [flat.field("kind"), *columns, flat.field("language"), flat.field("id")]
    moved = pa.StructArray.from_arrays(children, fields=list(schema.SEGMENT))
    left = start < end
    if not left.all():
        bounds = np.r_[0, np.cumsum(left)][bounds]
        moved = moved.filter(pa.array(left))
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), moved)
