"""Blocks of `<row …/>` elements as Arrow columns: the compiled kernel's input, its buffers, and columns over them.

`layout` describes a table's columns to the kernel, `output` allocates its buffers, `xml_kernel.scan` fills them, and
`arrays` returns the columns. The kernel's names are part of this module, so that a caller needs no other.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from socorpus.corpus.dump.xml_kernel import (
    BOOLEAN,
    CLOSED,
    CONSUMED,
    CUT,
    FULL,
    HASHES,
    INSIDE,
    INT32,
    INT64,
    LIMIT,
    MAX_REPORTS,
    MAX_UNKNOWN,
    N_TAGS,
    PAD,
    REPORTS,
    ROW,
    ROWS,
    STATES,
    STRING,
    TAGS,
    TIMESTAMP,
    UNKNOWN,
    WHY,
    Bytes,
    Layout,
    Output,
    scan,
)
from socorpus.corpus.schema import DUMP, TIME

__all__ = [
    "CLOSED",
    "CONSUMED",
    "CUT",
    "FULL",
    "INSIDE",
    "LIMIT",
    "PAD",
    "REPORTS",
    "ROW",
    "ROWS",
    "UNKNOWN",
    "WHY",
    "Bytes",
    "Layout",
    "Output",
    "arrays",
    "layout",
    "merge",
    "output",
    "scan",
]

MAX_ROWS = 1 << 16
"""Most rows of one batch."""

_KINDS = {
    pa.int64(): INT64,
    pa.int32(): INT32,
    TIME: TIMESTAMP,
    pa.bool_(): BOOLEAN,
    pa.string(): STRING,
    pa.list_(pa.string()): TAGS,
}


def layout(table: str, root: str, needed: Sequence[Sequence[str]] = (), longest: int = 1 << 62) -> Layout:
    """The layout of a table of `schema.DUMP` in a file whose root element is `root`; `needed` as in `schema.NEEDED`.

    Rows of more than `longest` bytes are left to the careful reader.
    """
    attributes = DUMP[table]
    place_of = {attribute.column: place for place, attribute in enumerate(attributes)}
    pairs = np.array([(place_of[names[0]], place_of[names[-1]]) for names in needed], np.int64).reshape(-1, 2)
    names = np.zeros((len(attributes), 32), np.uint8)
    lookup = np.zeros(HASHES, np.int64)
    slots, kinds, counts = [], [], [0, 0]
    for i, attribute in enumerate(attributes):
        raw = attribute.xml.encode()
        names[i, : len(raw)] = list(raw)
        place = 0
        for byte in raw:
            place = (place * 31 + byte) & (HASHES - 1)
        while lookup[place]:
            place = (place + 1) & (HASHES - 1)
        lookup[place] = i + 1
        kind = _KINDS[attribute.type]
        is_text = int(kind >= STRING)
        kinds.append(kind)
        slots.append(counts[is_text])
        counts[is_text] += 1
    lengths = np.array([len(a.xml) for a in attributes], np.int64)
    written = np.frombuffer(root.encode(), np.uint8)
    columns = np.array(kinds, np.int64), np.array(slots, np.int64)
    return Layout(names, lengths, lookup, *columns, written.copy(), pairs, np.array([longest], np.int64))


def output(plan: Layout, size: int) -> Output:
    """Empty buffers for a block of `size` bytes. Unwritten parts are not touched, so they cost no memory."""
    rows = min(MAX_ROWS, size // 12 + 1)
    texts = int((plan.kinds >= STRING).sum())
    numbers = len(plan.kinds) - texts
    tags = size // 2 + 2 if TAGS in plan.kinds else 2
    ends = np.empty((texts + 1, rows + 1), np.int32)
    ends[:, 0] = 0
    list_ends, tag_ends = np.empty(rows + 1, np.int32), np.empty(tags, np.int32)
    list_ends[0] = tag_ends[0] = 0
    return Output(
        np.empty((numbers, rows), np.int64),
        np.zeros((len(plan.kinds), rows), np.uint8),
        np.empty((texts + 1, size + PAD), np.uint8),
        ends,
        list_ends,
        tag_ends,
        np.empty((MAX_REPORTS, 4), np.int64),
        np.zeros((MAX_UNKNOWN, 4), np.int64),
        np.zeros(texts + 1, np.int64),
        np.zeros(len(plan.kinds), np.int64),
        np.zeros(STATES, np.int64),
    )


def arrays(table: str, plan: Layout, out: Output) -> list[pa.Array]:
    """The columns of `schema.DUMP[table]` over the kernel's buffers, without a copy of text or 64-bit numbers."""
    rows = int(out.state[ROWS])
    return [_array(a.type, rows, out, c, int(plan.kinds[c]), int(plan.slots[c])) for c, a in enumerate(DUMP[table])]


def _array(kind: pa.DataType, rows: int, out: Output, column: int, code: int, slot: int) -> pa.Array:
    valid = out.valid[column, :rows]
    nulls = rows - int(np.count_nonzero(valid))
    mask = pa.py_buffer(np.packbits(valid, bitorder="little")) if nulls else None
    if code < STRING:
        # A null's number was never written: make the buffer depend only on the input.
        numbers: Any = out.numbers[slot, :rows]
        if nulls:
            numbers[valid == 0] = 0
        if code == INT32:
            numbers = numbers.astype(np.int32)
        elif code == BOOLEAN:
            numbers = np.packbits(numbers.astype(np.uint8), bitorder="little")
        return pa.Array.from_buffers(kind, rows, [mask, pa.py_buffer(numbers)], nulls)
    data = pa.py_buffer(out.text[slot, : out.fill[slot]])
    if code == STRING:
        return pa.Array.from_buffers(kind, rows, [mask, pa.py_buffer(out.ends[slot, : rows + 1]), data], nulls)
    tags = int(out.state[N_TAGS])
    items = pa.Array.from_buffers(pa.string(), tags, [None, pa.py_buffer(out.tag_ends[: tags + 1]), data], 0)
    return pa.Array.from_buffers(kind, rows, [mask, pa.py_buffer(out.list_ends[: rows + 1])], nulls, 0, [items])


def merge(fast: pa.Table, slow: dict[str, list[Any]], places: list[int]) -> pa.Table:
    """`fast` with the rows of `slow` (a list a column) put before its rows `places`, which ascend."""
    extra = pa.table({f.name: pa.array(slow[f.name], f.type) for f in fast.schema}, schema=fast.schema)
    order = np.insert(np.arange(len(fast)), places, len(fast) + np.arange(len(places)))
    return pa.concat_tables([fast, extra]).combine_chunks().take(pa.array(order))
