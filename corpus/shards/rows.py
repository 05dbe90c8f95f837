"""From kept documents to the files that a trainer reads: scrubbed, tokenised, shuffled.

Where a row goes, and where it stands there, follow from a hash of (seed, site, post_id) alone. So the shards are the
same for any number of workers and buckets, and the shards of a split, read one after another, are one global shuffle.

The bytes of a shard are determined by its rows, the seed, the row group, the schema's version, and the release of
pyarrow, which writes its own version into the footer and brings its own zstd.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays, schema
from socorpus.corpus.arrays import Int64
from socorpus.corpus.errors import BuildError
from socorpus.corpus.privacy import redact
from socorpus.corpus.tokenizer import bpe

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def prepare(
    documents: pa.Table,
    decisions: pa.Table,
    privacy: pa.Table,
    splits: pa.Table,
    tokenizer: "Tokenizer",
) -> pa.Table:
    """The kept documents of a bucket as rows of `schema.SHARDS`, in the bucket's order.

    `input_ids` are those of the scrubbed `text`. `code_tokens` has a range for each segment of kind "code": a token is
    code if its first byte is. Segments that scrubbing leaves empty are dropped.

    Args:
        documents, decisions, privacy: tables of these schemas (of documents: but for what SHARDS has not), aligned.
        splits: site, thread_id, split, of at least the kept threads, each once, in any order; `site` may be left out
            where the documents are of one site.
        tokenizer: as `tokens.train` or `tokens.load` gives it.

    Raises:
        ValueError: the tables are not aligned.
        BuildError: a kept thread has no split, or the tokenizer loses bytes of a text.
    """
    kept, spans = _kept(documents, decisions, privacy)
    columns = _scrubbed(kept, spans)
    text, segments = columns["text"], columns["segments"]
    ids = bpe.encode(tokenizer, text)
    columns |= {
        "split": _split_of(kept, splits),
        "input_ids": ids,
        "code_tokens": _code_tokens(kept, text, segments, ids, bpe.byte_lengths(tokenizer)),
    }
    found = [columns[name] if name in columns else kept[name] for name in schema.SHARDS.names]
    return pa.table(found, schema=schema.SHARDS)


def scrubbed(documents: pa.Table, decisions: pa.Table, privacy: pa.Table) -> pa.Array:
    """The texts of the kept documents as they will stand in the shards, string[kept]; arguments as of `prepare`."""
    kept, spans = _kept(documents.select(["site", "post_id", "text"]), decisions, privacy)
    return _scrub(kept["text"], spans, "text")[0]


def scrub(rows: pa.Table, privacy: pa.Table) -> pa.Table:
    """Rows with their personal data replaced: `title` and `text`, and where `own_end` and `segments` went.

    Args:
        rows: these four columns of `schema.DOCUMENTS`, and any others, which stay as they are.
        privacy: `schema.SIGNALS["privacy"]` of these rows, aligned.
    """
    rows = rows.combine_chunks()
    new = _scrubbed(rows, _spans(privacy["spans"]))
    return pa.table([new.get(name, rows[name]) for name in rows.column_names], schema=rows.schema)


def sizes(rows: pa.Table) -> dict[str, int]:
    """Bytes of text and tokens of `schema.SHARDS` rows, by split: what `number` takes, to be summed over buckets."""
    each = pc.add(
        pc.cast(pc.binary_length(rows["text"]), pa.int64()),
        pc.multiply(pc.cast(pc.list_value_length(rows["input_ids"]), pa.int64()), 2),
    )
    total = pa.table({"split": rows["split"], "bytes": each}).group_by("split").aggregate([("bytes", "sum")])
    return dict(sorted(zip(total["split"].to_pylist(), total["bytes_sum"].to_pylist(), strict=True)))


@dataclass(frozen=True)
class _Spans:
    """What is to be replaced: rows that have spans, and the spans of each as Python values."""

    rows: Int64
    spans: list[list[dict[str, Any]]]


def _kept(documents: pa.Table, decisions: pa.Table, privacy: pa.Table) -> tuple[pa.Table, _Spans]:
    for name, other in (("decisions", decisions), ("privacy", privacy)):
        for column in ("site", "post_id"):
            if not documents[column].combine_chunks().equals(other[column].combine_chunks()):
                raise ValueError(f"{name} is not row for row with the documents: column {column} differs")
    return documents.filter(decisions["keep"]).combine_chunks(), _spans(privacy["spans"].filter(decisions["keep"]))


def _spans(column: pa.ChunkedArray) -> _Spans:
    found = column.combine_chunks()
    rows = np.flatnonzero(pc.list_value_length(found).to_numpy(zero_copy_only=False))
    return _Spans(rows, found.take(pa.array(rows)).to_pylist())


def _scrubbed(rows: pa.Table, spans: _Spans) -> dict[str, Any]:
    """The columns that scrubbing changes: title, text, own_end, segments."""
    text, moves = _scrub(rows["text"], spans, "text")
    title, _ = _scrub(rows["title"], spans, "title")
    own_end, segments = _move(rows["own_end"], rows["segments"], moves)
    return {"title": title, "text": text, "own_end": own_end, "segments": segments}


@dataclass(frozen=True)
class _Moves:
    """What was replaced in texts of many rows, by row and place; all int64[spans]."""

    rows: Int64
    starts: Int64
    ends: Int64
    lengths: Int64
    """Code points of the placeholders."""

    def __call__(self, rows: Int64, offsets: Int64) -> npt.NDArray[np.int32]:
        """Offsets of their rows' texts in the new texts, as `scrubbing.Shift` has them: inside a span, its start."""
        if not len(self.rows):
            return offsets.astype(np.int32)
        grown = self.lengths - (self.ends - self.starts)
        before = np.cumsum(grown) - grown
        before -= before[np.searchsorted(self.rows, self.rows)]
        last = np.searchsorted(self.rows << 32 | self.starts, rows << 32 | offsets, "right") - 1
        span = np.maximum(last, 0)
        passed = (last >= 0) & (self.rows[span] == rows)
        inside = offsets < self.ends[span]
        new = np.where(inside, self.starts[span] + before[span], offsets + before[span] + grown[span])
        return np.where(passed, new, offsets).astype(np.int32)


def _scrub(column: pa.ChunkedArray, found: _Spans, field: str) -> tuple[pa.Array, _Moves]:
    """The texts of a column without the spans of its field, and what moved."""
    texts = column.combine_chunks()
    wanted = [[(s["start"], s["end"], s["kind"]) for s in spans if s["field"] == field] for spans in found.spans]
    touched = [(row, spans) for row, spans in zip(found.rows.tolist(), wanted, strict=True) if spans]
    rows = [row for row, _ in touched]
    made: list[str] = []
    moves: list[tuple[int, int, int, int]] = []
    for text, (row, spans) in zip(texts.take(pa.array(rows, pa.int64())).to_pylist(), touched, strict=True):
        pieces, last = [], 0
        for start, end, new in redact.placeholders(text, spans):
            pieces += [text[last:start], new]
            last = end
            moves.append((row, start, end, len(new)))
        made.append("".join([*pieces, text[last:]]))
    mask = np.zeros(len(texts), bool)
    mask[rows] = True
    replaced = pc.replace_with_mask(texts, pa.array(mask), pa.array(made, pa.string())) if rows else texts
    return replaced, _Moves(*np.array(moves, np.int64).reshape(-1, 4).T)


def _move(own_end: pa.ChunkedArray, segments: pa.ChunkedArray, moves: _Moves) -> tuple[pa.Array, pa.ListArray]:
    """`own_end` and `segments` after scrubbing, without the segments that it left empty."""
    lists = segments.combine_chunks()
    ends_of_own = own_end.to_numpy().copy()
    counts = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    bounds = np.r_[0, np.cumsum(counts)]
    flat = lists.flatten()
    start, end = (flat.field(name).to_numpy().copy() for name in ("start", "end"))
    touched = np.unique(moves.rows)
    ends_of_own[touched] = moves(touched, ends_of_own[touched].astype(np.int64))
    mask = np.zeros(len(lists), bool)
    mask[touched] = True
    some = np.repeat(mask, counts)
    of = np.repeat(touched, counts[touched])
    # A span across a border goes, as one placeholder, to the segment behind the border.
    start[some], end[some] = moves(of, start[some].astype(np.int64)), moves(of, end[some].astype(np.int64))
    columns = [pa.array(start), pa.array(end)]
    children = [flat.field("kind"), *columns, flat.field("language"), flat.field("id")]
    moved = pa.StructArray.from_arrays(children, fields=list(schema.SEGMENT))
    left = start < end
    if not left.all():
        bounds = np.r_[0, np.cumsum(left)][bounds]
        moved = moved.filter(pa.array(left))
    return pa.array(ends_of_own), _lists(bounds, moved)


def _split_of(kept: pa.Table, splits: pa.Table) -> pa.Array:
    """The split of each row, string[rows]."""
    key = [name for name in ("site", "thread_id") if name in splits.column_names]
    wanted = kept.select(key).append_column("row", pa.array(np.arange(kept.num_rows)))
    known = pa.table({name: pc.cast(splits[name], schema.SHARDS.field(name).type) for name in [*key, "split"]})
    found = wanted.join(known, key, join_type="left outer").sort_by("row")
    if found.num_rows != kept.num_rows:
        raise ValueError("a thread has several splits")
    if found["split"].null_count:
        row = pc.index(pc.is_null(found["split"]), True).as_py()
        raise BuildError(
            f"thread {kept['thread_id'][row]} of {kept['site'][row]} has no split; build it again (--force)"
        )
    return found["split"].combine_chunks()


def _code_tokens(
    kept: pa.Table, text: pa.Array, segments: pa.ListArray, ids: pa.ListArray, lengths: npt.NDArray[np.int32]
) -> pa.ListArray:
    """[start, end) in tokens of each code segment, by row; all rows at once, in code points counted over all texts."""
    data, byte_bounds = arrays.utf8(text)
    token_bounds = ids.offsets.to_numpy().astype(np.int64)
    token_ends = np.cumsum(lengths[ids.values.to_numpy()], dtype=np.int64)
    wrong = np.flatnonzero(np.r_[0, token_ends][token_bounds] != byte_bounds)
    if len(wrong):
        row = int(wrong[0]) - 1
        where = schema.key(kept["site"][row].as_py(), kept["post_id"][row].as_py())
        raise BuildError(f"{where}: the tokens don't add up to the bytes of the text; take a byte-level tokenizer")
    begins = data & 0xC0 != 0x80  # the first byte of a code point
    if len(token_ends):
        token_starts = np.r_[0, token_ends[:-1]]
        points = np.add.reduceat(begins, token_starts, dtype=np.int64)
        first = np.cumsum(points) - points + begins[token_starts] - 1  # code point that has the token's first byte
    else:
        first = np.zeros(0, np.int64)
    point_bounds = np.r_[0, np.cumsum(pc.utf8_length(text).to_numpy(zero_copy_only=False), dtype=np.int64)]

    flat = segments.flatten()
    counts = pc.list_value_length(segments).to_numpy(zero_copy_only=False)
    code = pc.equal(flat.field("kind"), "code").to_numpy(zero_copy_only=False)
    row = np.repeat(np.arange(len(segments)), counts)[code]
    start, end = (
        np.searchsorted(first, flat.field(name).to_numpy()[code] + point_bounds[row]) - token_bounds[row]
        for name in ("start", "end")
    )
    some = start < end
    ranges = np.column_stack([start[some], end[some]]).astype(np.int32).reshape(-1)
    bounds = 2 * np.r_[0, np.cumsum(np.bincount(row[some], minlength=len(segments)))]
    return _lists(bounds, pa.array(ranges))


def _lists(bounds: Int64, values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), values)
