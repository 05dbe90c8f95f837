"""Documents -> code-text pairs: each code block with the prose around it."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.arrays import Int32, Int64
from socorpus.corpus.privacy.redact import placeholders

Replacement = tuple[int, int, str]


def build(documents: pa.Table, privacy: pa.Table | None) -> pa.Table:
    """One row for each code block in a post's own text.

    Args:
        documents: a table of `schema.DOCUMENTS`.
        privacy: a table of `schema.SIGNALS["privacy"]`, row for row with `documents`: its spans are replaced by
            placeholders, numbered as in the whole document. None leaves the text as it is.

    Returns:
        A table of `schema.PAIRS`, in the documents' order. `before` reaches back to the previous block or the start,
        `after` to the next block or the end of the post's own text, both without outer white space. A block of white
        space alone has a number and no row.
    """
    own_ends = documents.column("own_end").to_numpy()
    bounds, spans, languages = _blocks(documents, own_ends)
    counts = np.diff(bounds)
    with_code = np.flatnonzero(counts)
    some = documents.select(["title", "text"]).take(pa.array(with_code))
    texts, titles = some.column("text").to_pylist(), some.column("title").to_pylist()
    found = privacy.column("spans").take(pa.array(with_code)).to_pylist() if privacy is not None else [[]] * len(texts)
    of, kept = list[int](), list[int]()  # of each pair: place in `with_code`, block
    codes, before, after = list[str](), list[str](), list[str]()
    named: list[str | None] = []
    edges = zip(bounds[with_code].tolist(), bounds[with_code + 1].tolist(), own_ends[with_code].tolist(), strict=True)
    starts, ends = spans[:, 0].tolist(), spans[:, 1].tolist()
    for at, (first, last, own_end) in enumerate(edges):
        text, title = texts[at], titles[at]
        in_text: list[Replacement] = []
        if found[at]:
            in_text, title = _replacements(text, title, found[at])
        reached = [0, *ends[first:last]], [*starts[first:last], own_end]
        around = [_replaced(text, start, end, in_text).strip() for start, end in zip(*reached, strict=True)]
        for number in range(last - first):
            code = _replaced(text, starts[first + number], ends[first + number], in_text)
            if not code.isspace():
                of.append(at)
                kept.append(first + number)
                codes.append(code)
                named.append(title)
                before.append(around[number])
                after.append(around[number + 1])
    document = with_code[np.array(of, np.int64)]
    block = np.array(kept, np.int64)
    keys = documents.select(["site", "post_id"]).take(pa.array(document))
    columns = [
        *keys.columns,
        pa.array((block - bounds[document]).astype(np.int32)),
        pa.array(codes, pa.string()),
        languages.take(pa.array(block)),
        pa.array(named, pa.string()),
        pa.array(before, pa.string()),
        pa.array(after, pa.string()),
    ]
    return pa.table(columns, schema=schema.PAIRS)


def _blocks(documents: pa.Table, own_ends: Int32) -> tuple[Int64, Int32, pa.Array]:
    """The posts' own code blocks: bounds of each row's in all, their start and end, their languages."""
    lists = documents.column("segments").combine_chunks()
    counts = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    flat = lists.flatten()
    of = np.repeat(np.arange(len(lists)), counts)
    ends = flat.field("end").to_numpy()
    code = pc.equal(flat.field("kind"), "code").to_numpy(zero_copy_only=False) & (ends <= own_ends[of])
    bounds = np.concatenate([[0], np.cumsum(np.bincount(of[code], minlength=len(lists)))])
    spans = np.column_stack([flat.field("start").to_numpy()[code], ends[code]])
    return bounds, spans, flat.field("language").filter(pa.array(code))


def _replacements(text: str, title: str | None, spans: list[dict[str, Any]]) -> tuple[list[Replacement], str | None]:
    """What replaces the spans in the text, and the title with its own replaced."""
    by_field: dict[str, list[tuple[int, int, str]]] = {"text": [], "title": []}
    for span in spans:
        by_field[span["field"]].append((span["start"], span["end"], span["kind"]))
    in_text = list(placeholders(text, by_field["text"])) if by_field["text"] else []
    if title and by_field["title"]:
        title = _replaced(title, 0, len(title), list(placeholders(title, by_field["title"])))
    return in_text, title


def _replaced(text: str, start: int, end: int, replacements: list[Replacement]) -> str:
    """`text[start:end]` with its replacements; one that crosses an edge is cut there and stands on both sides."""
    if not replacements:
        return text[start:end]
    pieces = []
    for left, right, placeholder in replacements:
        if right > start and left < end:
            pieces += [text[start:left], placeholder]
            start = max(start, right)
    return "".join([*pieces, text[start:end]])
