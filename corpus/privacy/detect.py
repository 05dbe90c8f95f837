"""Personal data and secrets, as spans.

Two passes. One google-re2 expression and one search for `@` go over the UTF-8 bytes of a whole batch and leave a few
suspicious places; the exact rules of `socorpus.corpus.privacy.rules` look only at those.

Numbers in code are no telephone numbers, and only comments have mentions. A mention keeps its `@`: its span is only
the name.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from socorpus.corpus import arrays, schema
from socorpus.corpus.config import Privacy
from socorpus.corpus.privacy.found import RANKS, Found
from socorpus.corpus.privacy.mentions import Ticks, mention
from socorpus.corpus.privacy.network_addresses import at_sign
from socorpus.corpus.privacy.private_keys import PrivateKeys
from socorpus.corpus.privacy.redact import Span, blank
from socorpus.corpus.privacy.rules import RULES, scans


def find(documents: pa.Table, config: Privacy) -> pa.Table:
    """Spans of personal data and secrets in the texts and titles of `documents`.

    Returns:
        `schema.SIGNALS["privacy"]`, row for row; a row's spans are sorted (text, then title) and don't overlap.
    """
    expected = schema.SIGNALS["privacy"]
    batches = [
        pa.RecordBatch.from_arrays(
            [*(batch[name] for name in ("site", "post_id")), _batch(batch, config)], schema=expected
        )
        for batch in documents.to_batches()
    ]
    return pa.Table.from_batches(batches, schema=expected)


def kinds(table: pa.Table) -> dict[str, int]:
    """Number of spans of each kind in `schema.SIGNALS["privacy"]` rows."""
    counts = pc.value_counts(pc.struct_field(pc.list_flatten(table["spans"]), "kind"))
    return {str(pair["values"]): pair["counts"] for pair in counts.to_pylist()}


def _batch(batch: pa.RecordBatch, config: Privacy) -> pa.Array:
    code = _Code(batch["segments"])
    own_end = batch["own_end"].to_numpy(zero_copy_only=False)
    located: list[tuple[int, str, Span]] = []
    for field, column in (("text", _Texts(batch["text"])), ("title", _Texts(batch["title"]))):
        for row, spans in _column(column, own_end if field == "text" else None, code if field == "text" else None):
            located += [(row, field, span) for span in spans if span[2] in config.kinds]
    located.sort(key=lambda entry: (entry[0], entry[1]))  # stable: spans of a field are sorted already
    counts = np.bincount(np.array([row for row, _, _ in located], np.int64), minlength=batch.num_rows)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    spans = pa.StructArray.from_arrays(
        [
            pa.array([field for _, field, _ in located], pa.string()),
            pa.array([span[0] for _, _, span in located], pa.int32()),
            pa.array([span[1] for _, _, span in located], pa.int32()),
            pa.array([span[2] for _, _, span in located], pa.string()),
        ],
        fields=list(schema.SPAN),
    )
    return pa.ListArray.from_arrays(pa.array(offsets), spans, type=pa.list_(schema.SPAN))


class _Texts:
    """A column of strings as one run of UTF-8, with the row and the code point of each of its bytes."""

    def __init__(self, column: pa.Array) -> None:
        self.bytes, self.starts = arrays.utf8(column)
        self.continuations = np.flatnonzero(self.bytes.view(np.int8) < -64)

    def text(self, row: int) -> str:
        return self.bytes[self.starts[row] : self.starts[row + 1]].tobytes().decode()

    def locate(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows, and code points from the start of the row, of byte positions."""
        rows = np.searchsorted(self.starts, places, "right") - 1
        starts = self.starts[rows]
        extra = np.searchsorted(self.continuations, places) - np.searchsorted(self.continuations, starts)
        return rows, places - starts - extra


class _Code:
    """Whether a place lies in code, by the documents' segments."""

    def __init__(self, segments: pa.Array) -> None:
        flat = segments.flatten()
        rows = np.repeat(np.arange(len(segments)), segments.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
        kinds = pa.array(["code", "inline_code"])
        chosen = pc.is_in(flat.field("kind"), value_set=kinds).to_numpy(zero_copy_only=False)
        starts = flat.field("start").to_numpy(zero_copy_only=False)[chosen]
        self.keys = (rows[chosen] << 32) + starts
        self.ends = flat.field("end").to_numpy(zero_copy_only=False)[chosen]
        if len(self.keys) and np.any(np.diff(self.keys) < 0):
            order = np.argsort(self.keys)
            self.keys, self.ends = self.keys[order], self.ends[order]

    def holds(self, rows: NDArray[np.int64], points: NDArray[np.int64]) -> NDArray[np.bool_]:
        if not len(self.keys):
            return np.zeros(len(rows), bool)
        last = np.searchsorted(self.keys, (rows << 32) + points, "right") - 1
        known = np.maximum(last, 0)
        return (last >= 0) & (self.keys[known] >> 32 == rows) & (points < self.ends[known])


def _column(column: _Texts, own_end: NDArray[np.int32] | None, code: _Code | None) -> Iterator[tuple[int, list[Span]]]:
    """Rows of a column that have spans, with these, sorted."""
    for row, text, suspects in _suspicious(column, own_end, code):
        end = len(text) if own_end is None else int(own_end[row])
        spans = _resolve(_exactly(text, suspects, end))
        # A value may hide another, or be the word that announces the next: look again until nothing is new.
        # A mention gives way to all others, and hides none.
        hiding = any(rule != "@" for rule, _, _ in suspects) and any(kind != "user" for _, _, kind in spans)
        for _ in range(_PASSES if hiding else 0):
            blanked = _Texts(pa.array([blank(text, spans)]))
            ends = None if own_end is None else own_end[row : row + 1]
            again = [left for _, _, left in _suspicious(blanked, ends, code, row)]
            more = _resolve(_exactly(blanked.text(0), again[0], end), spans) if again else spans
            if len(more) == len(spans):
                break
            spans = more
        if spans:
            yield row, spans


_PASSES = 16
"""Most times that a text is looked at again; the posts of ten sites need one."""

_Suspect = tuple[str, int, bool]
"""Name of the rule to try, code point, and whether that lies in code."""


def _suspicious(
    column: _Texts, own_end: NDArray[np.int32] | None, code: _Code | None, first: int = 0
) -> Iterator[tuple[int, str, list[_Suspect]]]:
    """Rows with suspicious places, their text and these places; row 0 of the column is row `first` to `code`."""
    places = list(_suspects(column))
    signs = _signs(column, own_end)
    rules = [rule for _, rule in places] + ["@"] * len(signs)
    rows, points = column.locate(np.concatenate([np.array([place for place, _ in places], np.int64), signs]))
    in_code = np.zeros(len(rows), bool) if code is None else code.holds(rows + first, points)
    order = np.argsort(rows, kind="stable")
    suspects = zip(
        rows[order].tolist(),
        [rules[index] for index in order.tolist()],
        points[order].tolist(),
        in_code[order].tolist(),
        strict=True,
    )
    for row, group in groupby(suspects, key=itemgetter(0)):
        yield row, column.text(row), [(rule, point, inside) for _, rule, point, inside in group]


def _exactly(text: str, suspects: list[_Suspect], own_end: int) -> list[Found]:
    finds: list[Found] = []
    ticks: Ticks | None = None
    keys: PrivateKeys | None = None
    reached: dict[str, int] = {}
    for rule, point, in_code in suspects:
        if rule == "@":
            before = text[point - 1] if point else " "
            if not before.isspace():
                finds += at_sign(text, point)
            if point >= own_end and not in_code and (before.isspace() or before in _OPENING):
                ticks = ticks or Ticks(text, own_end)
                finds += mention(text, point, ticks)
        elif point + _NEAR > reached.get(rule, 0) and (rule != "phone" or not in_code):
            if rule == "private_key":
                keys = keys or PrivateKeys(text)
                values = list(keys(point))
            else:
                values = list(RULES[rule](text, point))
            if values:
                finds += values
                reached[rule] = max(end for _, _, end, _ in values)
    return finds


_NEAR = 400
"""Code points before the end of a rule's value from which that rule may have another: further in it would overlap."""
_OPENING = "([{\"'>,;:!?.*—–-…“‘"


def _suspects(column: _Texts) -> Iterator[tuple[int, str]]:
    """Byte positions that the prefilters stop at, each with the name of a rule that may find something there."""
    data, starts = column.bytes.data, column.starts.tolist()
    for scan in scans():
        search, rules = scan.expression.search, scan.rules
        place = 0
        while (match := search(data, place)) is not None:
            start, end = match.span()
            row_end = starts[bisect_right(starts, start)]
            if end > row_end:  # a match over two rows hides what lies in either
                match = search(data, start, row_end)
                if match is None:
                    place = row_end
                    continue
                start, end = match.span()
            for rule in rules(bytes(data[start : start + 2])):
                yield start, rule
            place = end


def _signs(column: _Texts, own_end: NDArray[np.int32] | None) -> NDArray[np.int64]:
    """Byte positions of each `@` that may be part of an address or, in comments, open a mention."""
    data = column.bytes
    places = np.flatnonzero(data == 64)
    if not len(places):
        return places
    following = data[np.minimum(places + 1, len(data) - 1)]
    preceding = data[np.maximum(places - 1, 0)]
    inside = (preceding > 32) & (places > 0)
    if own_end is not None:
        rows, points = column.locate(places)
        inside |= points >= own_end[rows]
    return places[_NAME_BYTES[following] & inside]


_NAME_BYTES = np.array([chr(byte).isalnum() or byte >= 128 for byte in range(256)])


def _resolve(finds: list[Found], taken: Sequence[Span] = ()) -> list[Span]:
    """Sorted spans without overlap: those taken (sorted), then the more specific rule, the earlier and the longer."""
    if not taken and all(rank == "user" for rank, *_ in finds):
        return [(start, end, kind) for _, start, end, kind in finds]  # in order, and apart, as their signs are
    spans = list(taken)
    ordered = sorted(finds, key=lambda candidate: (_RANK[candidate[0]], candidate[1], -candidate[2]))
    for _, equals in groupby(ordered, key=itemgetter(0)):
        spans = _with(spans, equals)
    return spans


_RANK = {rank: place for place, rank in enumerate(RANKS)}


def _with(spans: list[Span], more: Iterable[Found]) -> list[Span]:
    """Sorted spans with those of `more` (by their start) that overlap none of them, nor one before."""
    merged: list[Span] = []
    following = 0
    for _, start, end, kind in more:
        while following < len(spans) and spans[following][1] <= start:
            merged.append(spans[following])
            following += 1
        free = following == len(spans) or end <= spans[following][0]
        if free and (not merged or merged[-1][1] <= start):
            merged.append((start, end, kind))
    return merged + spans[following:]
