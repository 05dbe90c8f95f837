"""Items to label, each a post or a distinct span of its text, with every function's vote on them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling.aggregation import dawid_skene
from socorpus.labeling.schema import Task

Int64 = npt.NDArray[np.int64]
NO_SPAN = -1


@dataclass(frozen=True)
class Items:
    """n items of one site in order of post, start and end, and the votes on them."""

    post: Int64
    """int64[n]"""
    start: Int64
    """int64[n], -1 where the item is a whole text."""
    end: Int64
    votes: dawid_skene.Votes
    """int8[n, m], each function's label, or -1."""
    item: Int64
    """int64[rows], the item of each row of the votes' table."""

    def __len__(self) -> int:
        return len(self.post)


def gather(votes: pa.Table, functions: Sequence[str], task: Task) -> Items:
    """Items of a bucket's votes (`schema.VOTES`).

    Rows of a function that is not among `functions`, such as a person's, make items and no votes. A label that is null
    abstains. One function has one vote on an item: the last row counts.
    """
    post = np.asarray(votes["post_id"], dtype=np.int64)
    start, end = (np.asarray(pc.fill_null(votes[name], NO_SPAN), dtype=np.int64) for name in ("start", "end"))
    keys, item = np.unique(np.stack([post, start, end], 1), axis=0, return_inverse=True)
    item = item.ravel().astype(np.int64)
    matrix = np.full((len(keys), len(functions)), dawid_skene.ABSTAIN, np.int8)
    who, what = _places(votes["function"], functions), _places(votes["label"], task.labels)
    known = who >= 0
    matrix[item[known], who[known]] = what[known]
    return Items(keys[:, 0], keys[:, 1], keys[:, 2], matrix, item)


def _places(column: pa.ChunkedArray, names: Sequence[str]) -> Int64:
    places = pc.index_in(column, value_set=pa.array(list(names), pa.string()), skip_nulls=True)
    return np.asarray(pc.fill_null(places, -1), dtype=np.int64)
