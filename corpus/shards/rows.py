"""From kept documents to the files that a trainer reads: redacted, tokenised, shuffled.

A row's shard, and its place there, follow only from a hash of (seed, site, post_id). The shards are therefore the same
for any number of workers and buckets, and the shards of a split, read one after another, are one global shuffle.

The bytes of a shard are determined by its rows, the seed, the row group, the schema's version, and the release of
pyarrow, which writes its own version into the footer and brings its own zstd.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays, schema
from socorpus.corpus.arrays import Int64, njit
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
    lengths: npt.NDArray[np.int32] | None = None,
) -> pa.Table:
    """The kept documents of a bucket as rows of `schema.SHARDS`, in the bucket's order.

    `input_ids` are those of the redacted `text`. `code_tokens` has a range for each segment of kind "code": a token is
    code if its first byte is. Segments that redaction leaves empty are dropped.

    Args:
        documents, decisions, privacy: tables of these schemas, aligned; documents need no columns that SHARDS lacks.
        splits: site, thread_id, split, of at least the kept threads, each once, in any order; `site` may be left out
            where the documents are of one site.
        tokenizer: of `bpe.train` or `tokenizer.folder.load`.
        lengths: its `bpe.byte_lengths`, if the caller has them.

    Raises:
        ValueError: the tables are not aligned.
        BuildError: a kept thread has no split, or the tokenizer loses bytes of a text.
    """
    kept, spans = _kept(documents, decisions, privacy)
    columns = redact.redact(kept, spans).columns
    text, segments = columns["text"], columns["segments"]
    ids = bpe.encode(tokenizer, text)
    columns |= {
        "split": _split_of(kept, splits),
        "input_ids": ids,
        "code_tokens": _code_tokens(
            kept, text, segments, ids, bpe.byte_lengths(tokenizer) if lengths is None else lengths
        ),
    }
    values = [columns[name] if name in columns else kept[name] for name in schema.SHARDS.names]
    return pa.table(values, schema=schema.SHARDS)


def redacted_texts(documents: pa.Table, decisions: pa.Table, privacy: pa.Table) -> pa.Array:
    """The texts of the kept documents as they will stand in the shards, string[kept]; arguments as of `prepare`."""
    return redact.redact(*_kept(documents.select(["site", "post_id", "text"]), decisions, privacy)).columns["text"]


def _kept(documents: pa.Table, decisions: pa.Table, privacy: pa.Table) -> tuple[pa.Table, pa.ChunkedArray]:
    """The kept rows, and the spans of their personal data."""
    for name, other in (("decisions", decisions), ("privacy", privacy)):
        for column in ("site", "post_id"):
            if not documents[column].combine_chunks().equals(other[column].combine_chunks()):
                raise ValueError(f"{name} is not row for row with the documents: column {column} differs")
    return documents.filter(decisions["keep"]).combine_chunks(), privacy["spans"].filter(decisions["keep"])


def _split_of(kept: pa.Table, splits: pa.Table) -> pa.Array:
    """The split of each row, string[rows]."""
    key = [name for name in ("site", "thread_id") if name in splits.column_names]
    wanted = kept.select(key).append_column("row", pa.array(np.arange(kept.num_rows)))
    known = pa.table({name: pc.cast(splits[name], schema.SHARDS.field(name).type) for name in [*key, "split"]})
    joined = wanted.join(known, key, join_type="left outer").sort_by("row")
    if joined.num_rows != kept.num_rows:
        raise ValueError("a thread has several splits")
    if joined["split"].null_count:
        row = pc.index(pc.is_null(joined["split"]), True).as_py()
        raise BuildError(
            f"thread {kept['thread_id'][row]} of {kept['site'][row]} has no split; build it again (--force)"
        )
    return joined["split"].combine_chunks()


def _code_tokens(
    kept: pa.Table, text: pa.Array, segments: pa.ListArray, ids: pa.ListArray, lengths: npt.NDArray[np.int32]
) -> pa.ListArray:
    """[start, end) in tokens of each code segment, by row; all rows at once, in bytes counted over all texts."""
    data, byte_bounds = arrays.utf8(text)
    tokens, token_bounds = arrays.lists(ids)
    token_edges = np.zeros(len(tokens) + 1, np.int64)
    np.cumsum(lengths[tokens.to_numpy()], out=token_edges[1:])
    wrong = np.flatnonzero(token_edges[token_bounds] != byte_bounds)
    if len(wrong):
        row = int(wrong[0]) - 1
        where = schema.key(kept["site"][row].as_py(), kept["post_id"][row].as_py())
        raise BuildError(f"{where}: the tokens don't add up to the bytes of the text; take a byte-level tokenizer")
    flat, bounds = arrays.lists(segments)
    code = pc.equal(flat.field("kind"), "code").to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(segments)), np.diff(bounds))[code]
    points = np.column_stack([flat.field(name).to_numpy()[code] for name in ("start", "end")]).astype(np.int64)
    # A segment has the tokens whose first byte it has.
    places = byte_places(arrays.readonly(data), byte_bounds, rows, points)
    start, end = (np.searchsorted(token_edges[:-1], places[:, side]) - token_bounds[rows] for side in (0, 1))
    some = start < end
    ranges = np.column_stack([start[some], end[some]]).astype(np.int32).reshape(-1)
    bounds = 2 * np.r_[0, np.cumsum(np.bincount(rows[some], minlength=len(segments)))]
    return _lists(bounds, pa.array(ranges))


@njit(cache=True, nogil=True)
def byte_places(data: Any, bounds: Any, rows: Any, points: Any) -> Any:
    """The byte in `data` of each pair of places in code points of a text, int64[n, 2], best in ascending order."""
    places = np.empty_like(points)
    row, place, point = -1, 0, 0
    for pair in range(len(rows)):
        if rows[pair] != row or points[pair, 0] < point:
            row, point = rows[pair], 0
            place = bounds[row]
        for side in range(2):
            while point < points[pair, side] and place < bounds[row + 1]:
                byte = data[place]
                place += 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
                point += 1
            places[pair, side] = place
    return places


def _lists(bounds: Int64, values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), values)
