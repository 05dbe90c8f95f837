"""A system's predictions for a split as a Parquet file, to recompute scores and inspect rows."""

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
        pa.field("label", pa.string()),  # the most probable; null in a task of spans
        pa.field("probabilities", pa.list_(pa.float64()), nullable=False),  # in the order of the task's labels
        pa.field("spans", pa.list_(SPAN), nullable=False),
        pa.field("answered", pa.bool_(), nullable=False),
    ],
    metadata={"socorpus.table": "predictions", "socorpus.version": VERSION},
)
"""One row per example, in the split's order."""


def write(path: Path, task: Task, examples: Sequence[Example], predictions: Sequence[Prediction]) -> None:
    """Write the predictions for examples; the file is complete or does not exist."""
    rows = [
        {
            "key": example.key,
            "label": None if task.spans else task.labels[prediction.label],
            "probabilities": list(prediction.probabilities),
            "spans": [
                {"start": span.start, "end": span.end, "label": span.label, "probability": sure}
                for span, sure in prediction.spans
            ],
            "answered": prediction.answered,
        }
        for example, prediction in zip(examples, predictions, strict=True)
    ]
    parquet.write(path, pa.Table.from_pylist(rows, schema=SCHEMA), SCHEMA)


def read(path: Path, examples: Sequence[Example]) -> list[Prediction]:
    """The predictions, in the order of the examples.

    Raises:
        InputError: the file is of other examples.
    """
    rows = parquet.read(path, SCHEMA).to_pylist()
    if [row["key"] for row in rows] != [example.key for example in examples]:
        raise InputError(f"{path}: is of other examples than the data has now; remove it to predict again")
    return [
        Prediction(
            tuple(row["probabilities"]),
            tuple((Span(span["start"], span["end"], span["label"]), span["probability"]) for span in row["spans"]),
            row["answered"],
        )
        for row in rows
    ]
