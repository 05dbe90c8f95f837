"""The thread of each post, and the last of rows that share an id."""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

KEYS = pa.schema([("post_id", pa.int64()), ("thread_id", pa.int64()), ("hash", pa.binary(8))])
"""Columns that distinguish a newer dump's posts from an older one's: the hash covers title, body and tags."""

KEYS_FOLDER = ".work/keys"
"""The folder of a corpus with such a table for each bucket."""


def thread_of(posts: pa.Table) -> npt.NDArray[np.int64]:
    """Thread of each post: an answer's parent, any other post's own id."""
    return np.asarray(pc.coalesce(posts["parent_id"], posts["post_id"]), dtype=np.int64)


def keys(posts: pa.Table) -> pa.Table:
    """`KEYS` of some posts, row for row."""
    tags = pc.binary_join(posts["tags"], "|")
    seen = pc.binary_join_element_wise(posts["title"], posts["body"], tags, "\0", null_handling="replace")
    hashes = [hashlib.blake2b(text.as_buffer(), digest_size=8).digest() for chunk in seen.chunks for text in chunk]
    return pa.table([posts["post_id"], pa.array(thread_of(posts)), pa.array(hashes, pa.binary(8))], schema=KEYS)


def last_of_each(rows: pa.Table, identifier: str) -> tuple[pa.Table, int]:
    """Sort by post and identifier; of rows with one identifier the last read stays, whatever their posts.

    Returns:
        The rows, and how many were taken out.
    """
    ids = np.asarray(rows[identifier], dtype=np.int64)
    posts = np.asarray(pc.fill_null(rows["post_id"], 0), dtype=np.int64)
    last = np.ones(len(ids), bool)
    if not (ids[1:] > ids[:-1]).all():
        by_id = np.argsort(ids, kind="stable")
        last[by_id[:-1][ids[by_id][1:] == ids[by_id][:-1]]] = False
    order = np.lexsort((ids, posts))
    order = order[last[order]]
    already = len(order) == len(ids) and bool((order[1:] > order[:-1]).all())
    return (rows if already else rows.take(pa.array(order))), len(ids) - len(order)
