"""Documents -> code-text pairs: each code block with the prose around it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.arrays import Int32, Int64, lists
from socorpus.corpus.privacy.redact import Replacement, placeholders, replace, spans_of


def build(documents: pa.Table, privacy: pa.Table | None) -> pa.Table:
    """One row for each code block in a post's own text.

    Args:
        documents: a table of `schema.DOCUMENTS`.
        privacy: a table of `schema.SIGNALS["privacy"]`, row for row with `documents`: its spans are replaced by
            placeholders, numbered as in the whole document. None leaves the text as it is.

    Returns:
        A table of `schema.PAIRS`, in the documents' order. `before` reaches back to the previous block or the start,
        `after` to the next block or the end of the post's own text, both without outer white space. A block of only
        white space has a number and no row.
    """
    own_ends = documents.column("own_end").to_numpy()
    bounds, spans, languages = _blocks(documents, own_ends)
    counts = np.diff(bounds)
    with_code = np.flatnonzero(counts)
    some = documents.select(["title", "text"]).take(pa.array(with_code))
    texts, titles = some.column("text").to_pylist(), some.column("title").to_pylist()
    spans_by_row = (
        privacy.column("spans").take(pa.array(with_code)).to_pylist() if privacy is not None else [[]] * len(texts)
    )
    of, kept = list[int](), list[int]()  # of each pair: place in `with_code`, block
    codes, before, after = list[str](), list[str](), list[str]()
    named: list[str | None] = []
    edges = zip(bounds[with_code].tolist(), bounds[with_code + 1].tolist(), own_ends[with_code].tolist(), strict=True)
    starts, ends = spans[:, 0].tolist(), spans[:, 1].tolist()
    for place, (first, last, own_end) in enumerate(edges):
        text, title = texts[place], titles[place]
        in_text: list[Replacement] = []
        if spans_by_row[place]:
            in_text = placeholders(text, spans_of(spans_by_row[place], "text"))
            title = replace(title, placeholders(title, spans_of(spans_by_row[place], "title"))) if title else title
        reached = [0, *ends[first:last]], [*starts[first:last], own_end]
        around = [replace(text, in_text, start, end).strip() for start, end in zip(*reached, strict=True)]
        for number in range(last - first):
            code = replace(text, in_text, starts[first + number], ends[first + number])
            if not code.isspace():
                of.append(place)
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
    flat, whole = lists(documents.column("segments"))
    of = np.repeat(np.arange(len(whole) - 1), np.diff(whole))
    ends = flat.field("end").to_numpy()
    code = pc.equal(flat.field("kind"), "code").to_numpy(zero_copy_only=False) & (ends <= own_ends[of])
    bounds = np.concatenate([[0], np.cumsum(np.bincount(of[code], minlength=len(whole) - 1))])
    spans = np.column_stack([flat.field("start").to_numpy()[code], ends[code]])
    return bounds, spans, flat.field("language").filter(pa.array(code))
