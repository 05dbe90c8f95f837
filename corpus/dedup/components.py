"""Connected components of a graph of documents, and the union of many edge lists."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from socorpus.corpus.arrays import Int64, njit


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
    """The connected component of each of n nodes, int32[n], numbered by their first nodes.

    Union-find with path halving (Tarjan and van Leeuwen, Journal of the ACM 31, 1984): scipy's search needs a sorted
    graph, which takes several times as long, and importing it takes longer than all else of a small build's duplicates.
    """
    labels: npt.NDArray[np.int32] = _components(np.ascontiguousarray(pairs, np.int64), n)
    return labels


@njit(cache=True, nogil=True)
def _components(pairs, n):  # type: ignore[no-untyped-def]
    parent = np.arange(n)
    for i in range(len(pairs)):
        a, b = pairs[i, 0], pairs[i, 1]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        # The smaller node is the root, so that a component's first node is met before all others.
        if a < b:
            parent[b] = a
        else:
            parent[a] = b
    labels = np.empty(n, np.int32)
    count = 0
    for node in range(n):
        if parent[node] == node:
            labels[node] = count
            count += 1
        else:
            parent[node] = parent[parent[node]]
            labels[node] = labels[parent[node]]
    return labels
