"""Counts that selection and the report work with: characters, words, code."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from socorpus.corpus import schema
from socorpus.corpus.words import kernel


def find(documents: pa.Table) -> pa.Table:
    """Statistics of each post's own text, comments left out.

    Words are counted as `words.count` does, in any script. Quotes count as prose; `code_chars` are those of code blocks
    and of inline code, `code_blocks` only the blocks.

    Returns:
        `schema.SIGNALS["statistics"]`, row for row with `documents`.
    """
    expected = schema.SIGNALS["statistics"]
    batches = [_batch(batch, expected) for batch in documents.to_batches()]
    return pa.Table.from_batches(batches, schema=expected)


def _batch(batch: pa.RecordBatch, expected: pa.Schema) -> pa.RecordBatch:
    chars = batch["own_end"].to_numpy(zero_copy_only=False)
    segments = batch["segments"]
    flat = segments.flatten()
    rows = np.repeat(np.arange(len(segments)), segments.value_lengths().to_numpy(zero_copy_only=False))
    starts = flat.field("start").to_numpy(zero_copy_only=False)
    lengths = np.minimum(flat.field("end").to_numpy(zero_copy_only=False), chars[rows]) - starts

    def own(*kinds: str) -> NDArray[np.bool_]:
        of_kind = pc.is_in(flat.field("kind"), value_set=pa.array(kinds))
        return of_kind.to_numpy(zero_copy_only=False) & (starts < chars[rows])

    def total(chosen: NDArray[np.bool_], weights: NDArray[np.int32] | None) -> NDArray[np.int32]:
        picked = None if weights is None else weights[chosen]
        return np.bincount(rows[chosen], picked, len(segments)).astype(np.int32)

    code = total(own("code", "inline_code"), lengths)
    share = np.divide(code, chars, out=np.zeros(len(chars), np.float32), where=chars > 0, casting="unsafe")
    columns = [
        chars,
        kernel.counts(batch["text"], chars),
        total(own("prose", "quote"), lengths),
        code,
        total(own("code"), None),
        share,
    ]
    key = [batch[name] for name in ("site", "post_id")]
    return pa.RecordBatch.from_arrays([*key, *(pa.array(column) for column in columns)], schema=expected)
