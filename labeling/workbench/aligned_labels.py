"""The labels of a task beside the documents: one row for each document, null where it has no label."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import lists
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import schema
from socorpus.labeling.schema import Task

_OF_TEXTS = pa.schema(
    [
        pa.field("example", pa.bool_(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("probability", pa.float32()),
        pa.field("margin", pa.float32()),
        pa.field("conflict", pa.bool_()),
        pa.field("source", pa.string()),
    ]
)
_OF_SPANS = pa.schema(
    [
        pa.field("example", pa.bool_(), nullable=False),
        pa.field("spans", pa.int32()),
        pa.field("probability", pa.float32()),
        pa.field("margin", pa.float32()),
        pa.field("conflict", pa.bool_()),
    ]
)


def columns(task: Task) -> pa.Schema:
    """The columns of a task, as expressions see them.

    `example`: whether the task judges the post; `label`, its `probability`, `margin` (how far the next label is below
    it), `conflict` (votes differ) and `source`. Of a task of spans: the number of `spans`, the least probability and
    margin of one, and whether the votes on any differ.
    """
    return _OF_SPANS if task.spans else _OF_TEXTS


def read(tree: Path, bucket: Bucket, task: Task, ids: pa.ChunkedArray) -> pa.Table:
    """The labels of a bucket.

    Args:
        ids: `post_id` of its documents, n rows.

    Returns:
        n rows of `columns(task)`, in their order.
    """
    documents = ids.combine_chunks()
    known = _posts(tree / schema.path(task.name, "examples", bucket.name))
    example = pc.is_in(documents, value_set=known)
    path = tree / schema.path(task.name, "labels", bucket.name)
    wanted = ["post_id", "label", "probability", "probabilities", "conflict", "source"]
    rows = parquet.read(path, columns=wanted) if files.exists(path) else schema.LABELS.empty_table().select(wanted)
    rows = rows.append_column("margin", _margins(rows)).combine_chunks()
    if task.spans:
        grouped = rows.group_by("post_id", use_threads=False).aggregate(
            [("label", "count"), ("probability", "min"), ("margin", "min"), ("conflict", "max")]
        )
        names = {"spans": "label_count", "probability": "probability_min", "margin": "margin_min"}
        rows = pa.table(
            {"post_id": grouped["post_id"]}
            | {name: grouped[of] for name, of in (names | {"conflict": "conflict_max"}).items()}
        ).combine_chunks()
    place = pc.index_in(documents, value_set=_whole(rows["post_id"]))
    aligned = {"example": example}
    aligned |= {name: _whole(rows[name]).take(place) for name in columns(task).names if name != "example"}
    return pa.table([aligned[field.name].cast(field.type) for field in columns(task)], schema=columns(task))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks or [pa.array([], column.type)])


def _posts(path: Path) -> pa.Array:
    if not files.exists(path):
        return pa.array([], pa.int64())
    return _whole(parquet.read(path, columns=["post_id"])["post_id"])


def _margins(rows: pa.Table) -> pa.Array:
    """How far the second likeliest label of each row lies below the likeliest."""
    flat, bounds = lists(rows["probabilities"])
    if not rows.num_rows:
        return pa.array([], pa.float32())
    counts = np.diff(bounds)
    width = int(counts.max())
    padded = np.zeros((rows.num_rows, max(2, width)), np.float32)
    places = np.arange(len(flat)) - np.repeat(bounds[:-1], counts)
    padded[np.repeat(np.arange(rows.num_rows), counts), places] = flat.to_numpy(zero_copy_only=False)
    top = np.sort(padded, axis=1)[:, -2:]
    return pa.array(top[:, 1] - top[:, 0])
