"""Labels with their texts, for publishing: those of posts that the corpus keeps, column by column."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import counted
from socorpus.corpus.storage import files, parquet
from socorpus.labeling import example_texts, schema
from socorpus.labeling.export import formats
from socorpus.labeling.schema import Task

_OF_TEXTS = ("label", "probability", "source", "conflict")


def read(tree: Path, task: Task, bucket: str) -> tuple[pa.Table, Counter[str]]:
    """The labelled texts of a bucket, in the order of their posts.

    Returns:
        `formats.table_schema` of the task with the column `split` behind; and the labels (of spans: of all such texts)
        that are left out, by the reason for which the corpus dropped their post.
    """
    columns = formats.table_schema(task)
    wanted = [name for name in columns.names if name in schema.EXAMPLES.names]
    examples = example_texts.read(tree, task.name, bucket, ["split", *wanted]).combine_chunks()
    labels = _labels(tree, task, bucket)
    decisions = parquet.read(tree / f"decisions/{bucket}.parquet", columns=["post_id", "keep", "reason"])
    dropped = decisions.filter(pc.invert(decisions["keep"]))
    reason = pc.index_in(labels["post_id"], value_set=dropped["post_id"].combine_chunks())
    left_out = Counter(counted(dropped["reason"].take(reason.drop_null()))) if len(reason) else Counter()
    kept = pc.is_in(examples["post_id"], value_set=decisions.filter(decisions["keep"])["post_id"].combine_chunks())
    examples = examples.filter(kept).combine_chunks()
    order = pc.sort_indices(examples["post_id"])
    examples = examples.take(order).combine_chunks()
    rows = _with_spans(examples, labels, columns) if task.spans else _with_labels(examples, labels)
    names = [*columns.names, "split"]
    return pa.table([rows[name] for name in names], schema=columns.append(pa.field("split", pa.string()))), left_out


def _labels(tree: Path, task: Task, bucket: str) -> pa.Table:
    """The labels of a bucket in the order of posts and spans."""
    path = tree / schema.path(task.name, "labels", bucket)
    columns = ["post_id", "start", "end", *_OF_TEXTS, "split"]
    if not files.exists(path):
        return pa.schema([schema.LABELS.field(name) for name in columns]).empty_table()
    table = parquet.read(path, schema.LABELS, columns)
    return table.sort_by([(name, "ascending") for name in ("post_id", "start", "end", "label")]).combine_chunks()


def _with_labels(examples: pa.Table, labels: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Whole texts that have a label, with it; the split is the label's."""
    place = pc.index_in(examples["post_id"], value_set=labels["post_id"].combine_chunks())
    some = pc.is_valid(place)
    examples, labels = examples.filter(some), labels.take(place.filter(some).combine_chunks())
    own = {name: labels[name] for name in (*_OF_TEXTS, "split")}
    return {name: examples[name] for name in examples.column_names} | own


def _with_spans(examples: pa.Table, labels: pa.Table, columns: pa.Schema) -> dict[str, pa.ChunkedArray]:
    """All texts with their spans; the split is that of the spans, else the text's."""
    posts, labelled = examples["post_id"].to_numpy(), labels["post_id"].to_numpy()
    starts, ends = np.searchsorted(labelled, posts), np.searchsorted(labelled, posts, "right")
    counts = ends - starts
    before = np.cumsum(counts) - counts
    rows = np.arange(counts.sum()) + np.repeat(starts - before, counts)
    struct = columns.field("spans").type.value_type
    taken = labels.take(pa.array(rows)).combine_chunks()
    values = pa.StructArray.from_arrays([taken[part.name].combine_chunks() for part in struct], fields=list(struct))
    offsets = pa.array(np.r_[0, np.cumsum(counts)].astype(np.int32))
    first = pa.array(np.minimum(starts, max(0, labels.num_rows - 1)), mask=counts == 0)
    split = labels["split"].take(first) if labels.num_rows else pa.nulls(len(posts), pa.string())
    own = {"spans": pa.ListArray.from_arrays(offsets, values), "split": pc.coalesce(split, examples["split"])}
    return {name: examples[name] for name in examples.column_names} | own
