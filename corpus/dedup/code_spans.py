"""Where the code of documents is, as arrays for kernels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import Int64, lists


@dataclass(frozen=True)
class CodeSpans:
    """Code of n texts: text i has firsts[i] … firsts[i + 1] of begins and ends, in code points, ascending."""

    firsts: Int64
    begins: Int64
    ends: Int64
    blocks: npt.NDArray[np.bool_]
    """Whether it is a block, not inline code."""


def code_spans(segments: pa.ChunkedArray, own_ends: Int64, kinds: tuple[str, ...]) -> CodeSpans:
    """Code of some kinds in the posts' own texts, from `segments` and `own_end` of n documents."""
    n = len(segments)
    flat, bounds = lists(segments)
    rows = np.repeat(np.arange(n), np.diff(bounds))
    begins = flat.field("start").to_numpy().astype(np.int64)
    ends = np.minimum(flat.field("end").to_numpy(), own_ends[rows]).astype(np.int64)
    code = pc.is_in(flat.field("kind"), value_set=pa.array(kinds)).to_numpy(zero_copy_only=False) & (begins < ends)
    blocks = pc.equal(flat.field("kind"), "code").to_numpy(zero_copy_only=False)[code]
    rows, begins, ends = rows[code], begins[code], ends[code]
    order = np.lexsort((begins, rows))
    return CodeSpans(np.searchsorted(rows, np.arange(n + 1)), begins[order], ends[order], blocks[order])


def no_code(n: int) -> CodeSpans:
    """That of n texts without code."""
    none = np.zeros(0, np.int64)
    return CodeSpans(np.zeros(n + 1, np.int64), none, none, none.astype(np.bool_))
