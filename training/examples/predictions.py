"""What a system said of a split, as a Parquet file: scores can be made again, and looked at row by row."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import VERSION
from socorpus.corpus.storage import parquet
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.examples.example import Example, Prediction

SPAN = pa.struct(
    [
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("probability", pa.float32(), nullable=False),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("label", pa.string()),  # the likeliest; null in a task of spans
        pa.field("probabilities", pa.list_(pa.float64()), nullable=False),  # in the order of the task's labels
        pa.field("spans", pa.list_(SPAN), nullable=False),
        pa.field("answered", pa.bool_(), nullable=False),
    ],
    metadata={"socorpus.table": "predictions", "socorpus.version": VERSION},
)
"""One row an example, in the split's order."""


def write(path: Path, task: Task, examples: Sequence[Example], said: Sequence[Prediction]) -> None:
    """Write what was said of examples; the file is whole or not there."""
    rows = [
        {
            "key": example.key,
            "label": None if task.spans else task.labels[one.label],
            "probabilities": list(one.probabilities),
            "spans": [
                {"start": span.start, "end": span.end, "label": span.label, "probability": sure}
                for span, sure in one.spans
            ],
            "answered": one.answered,
        }
        for example, one in zip(examples, said, strict=True)
    ]
    parquet.write(path, pa.Table.from_pylist(rows, schema=SCHEMA), SCHEMA)


def read(path: Path, examples: Sequence[Example]) -> list[Prediction]:
    """What was said, in the order of the examples.

    Raises:
        InputError: the file is of other examples.
    """
    rows = parquet.read(path, SCHEMA).to_pylist()
    if [row["key"] for row in rows] != [one.key for one in examples]:
        raise InputError(f"{path}: is of other examples than the data has now; remove it to predict again")
    return [
        Prediction(
            tuple(row["probabilities"]),
            tuple((Span(one["start"], one["end"], one["label"]), one["probability"]) for one in row["spans"]),
            row["answered"],
        )
        for row in rows
    ]
