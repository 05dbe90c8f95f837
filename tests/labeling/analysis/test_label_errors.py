"""Likely label errors: planted ones are found."""

from pathlib import Path

import numpy as np
import pytest

from socorpus.labeling.analysis import label_errors
from tests.our_tasks import ENTITIES, QUALITY

WORDS = (
    "please help urgent homework broken",
    "traceback version reproduce minimal expected",
    "which best opinion favourite like",
)


def test_planted_errors_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    truth = random.choice(3, 400)
    texts = [" ".join(random.choice((WORDS[label] + " the a of to in").split(), 30)) for label in truth]
    label = truth.copy()
    planted = random.choice(400, 20, replace=False)
    label[planted] = (label[planted] + 1) % 3
    keys = [f"site:{at}" for at in range(400)]
    monkeypatch.setattr(label_errors, "_read", lambda *_: (keys, texts, label, np.arange(400)))
    found = label_errors.find(Path(), [], QUALITY)
    assert "of 400 labels that were looked at" in found["note"]
    hits = {int(one["key"].partition(":")[2]) for one in found["found"]}
    assert len(hits & set(planted.tolist())) >= 18 and len(hits) <= 25
    for one in found["found"]:
        at = int(one["key"].partition(":")[2])
        assert one["label"] == QUALITY.labels[label[at]]
        if at in planted:
            assert one["rather"] == QUALITY.labels[truth[at]]


def test_spans_are_not_looked_at() -> None:
    assert label_errors.find(Path(), [], ENTITIES)["found"] == []
    assert "whole texts" in label_errors.find(Path(), [], ENTITIES)["note"]
