"""Connected components of a graph of documents, and the union of many edge lists."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from socorpus.corpus.arrays import Int64


def unite(edges: Sequence[Int64]) -> Int64:
    """Several arrays of pairs as one: a < b, ascending, each once, int64[e, 2]."""
    if not edges:
        return np.empty((0, 2), np.int64)
    pairs = np.concatenate(edges)
    low, high = pairs.min(1, initial=np.iinfo(np.int64).max), pairs.max(1, initial=0)
    order = np.lexsort((high, low))
    low, high = low[order], high[order]
    new = np.ones(len(low), bool)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return np.column_stack([low[new & (low != high)], high[new & (low != high)]])


def components(pairs: Int64, n: int) -> npt.NDArray[np.int32]:
    """The connected component of each of n nodes, int32[n]."""
    graph = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    labels: npt.NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return labels
