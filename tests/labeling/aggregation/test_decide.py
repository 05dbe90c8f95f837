"""Spans are decided some texts at a time; the labels are those of all at once."""

from pathlib import Path

import pytest

from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import Bucket, bucket_files
from socorpus.labeling import schema, steps
from socorpus.labeling.aggregation import dawid_skene, decide
from socorpus.labeling.schema import TASKS


def test_labels_do_not_depend_on_how_many_texts_are_decided_at_a_time(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, seen = TASKS["entities"], 0
    model = dawid_skene.from_dict(files.read_json(built / steps.model_path(task.name)))
    for path in bucket_files(built / schema.FOLDER / task.name / "votes"):
        number, _, of = path.stem.partition("-of-")
        bucket = Bucket(path.parent.name, int(number), int(of), 0)
        examples, votes = steps.all_votes(built, bucket, task, people=True)
        written = parquet.read(built / schema.path(task.name, "labels", bucket.name))
        for size in (1, 7, 10_000):
            monkeypatch.setattr(decide, "_PART", size)
            assert decide.decide(examples, votes, model, task).equals(written)
        seen += written.num_rows
    assert seen > 100
