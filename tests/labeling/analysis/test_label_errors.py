"""Likely label errors: planted ones are found, of each label, and nothing is listed where words say nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import schema
from socorpus.labeling.analysis import label_errors
from socorpus.labeling.text_score.form import QuestionText
from tests.labeling import label_tables
from tests.our_tasks import ENTITIES, QUALITY

Ints = npt.NDArray[np.int64]
WORDS = (
    "please help urgent homework broken fails why work",
    "traceback version reproduce minimal expected console output because",
    "which best opinion favourite like better should prefer",
)


def texts(truth: Ints, seed: int, share: float = 0.25) -> list[str]:
    """Texts of sixty words, of which this share is of the label's own, the others of anybody's."""
    random = np.random.default_rng(seed)
    usual = np.array((" ".join(WORDS) + " the a of to in and that with for on this is").split())
    return [
        " ".join(np.where(random.random(60) < share, random.choice(WORDS[label].split(), 60), random.choice(usual, 60)))
        for label in truth
    ]


def found(monkeypatch: pytest.MonkeyPatch, written: list[str], label: Ints) -> dict[str, Any]:
    keys = [f"site:{number}" for number in range(len(label))]
    questions = [QuestionText(text[:40], text, [("prose", 0, len(text), None)]) for text in written]
    monkeypatch.setattr(label_errors, "_read", lambda *_: (keys, questions, label, np.arange(len(label))))
    return label_errors.find(Path(), [], QUALITY)


def numbers(errors: dict[str, Any], label: str) -> list[int]:
    return [int(error["key"].partition(":")[2]) for error in errors["found"] if error["label"] == label]


def test_planted_errors_of_each_label_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    truth = random.permutation(np.repeat([0, 1, 2], [1200, 600, 80]))
    planted = random.random(len(truth)) < 0.1
    label = np.where(planted, (truth + random.integers(1, 3, len(truth))) % 3, truth)
    errors = found(monkeypatch, texts(truth, 1), label)
    for number, name in enumerate(QUALITY.labels[:2]):
        assert (label == number).sum() >= 500
        listed = numbers(errors, name)
        assert 30 <= len(listed) <= label_errors.SHOWN
        assert planted[listed].mean() >= 0.7
    # The likeliest of each label come first, in turn.
    assert {error["label"] for error in errors["found"][:3]} == set(QUALITY.labels)
    right = [error["rather"] == QUALITY.labels[truth[int(error["key"][5:])]] for error in errors["found"]]
    assert np.mean(right) > 0.6


def test_planted_errors_are_found_where_the_form_tells_labels_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    truth = random.permutation(np.repeat([0, 1], 300))
    planted = random.random(600) < 0.1
    plain = texts(np.zeros(600, np.int64), 5, share=0.0)
    # The same words, in small letters or in capitals.
    written = [text.upper() if label else text for text, label in zip(plain, truth, strict=True)]
    errors = found(monkeypatch, written, np.where(planted, 1 - truth, truth))
    for name in QUALITY.labels[:2]:
        listed = numbers(errors, name)
        assert len(listed) >= 20 and planted[listed].mean() >= 0.7


def test_a_rare_label_is_not_taken_for_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.random.default_rng(2).permutation(np.repeat([0, 1], [1500, 60]))
    errors = found(monkeypatch, texts(truth, 2), truth)
    assert len(numbers(errors, QUALITY.labels[1])) <= 6


def test_nothing_is_listed_where_words_are_no_better_than_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.random.default_rng(3).choice(3, 600, p=[0.6, 0.3, 0.1])
    errors = found(monkeypatch, texts(truth, 3, share=0.0), truth)
    assert errors["found"] == [] and "no better than chance" in errors["note"]


def test_nothing_is_listed_where_labels_are_tossed_coins(monkeypatch: pytest.MonkeyPatch) -> None:
    words = texts(np.random.default_rng(3).choice(3, 400, p=[0.6, 0.3, 0.1]), 3)
    for seed in (12, 52, 59):
        errors = found(monkeypatch, words, np.random.default_rng(seed).choice(2, 400))
        assert errors["found"] == [] and "no better than chance, or hardly (balanced accuracy 0." in errors["note"]


def test_labels_of_all_kinds_are_examined_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, posts = QUALITY.labels, range(1, 1001)
    truth = np.array([0 if post % 10 else 1 for post in posts])
    written = texts(truth, 4)
    examples = [label_tables.example(post, text) for post, text in zip(posts, written, strict=True)]
    labels = [label_tables.label("quality", post, names[of]) for post, of in zip(posts, truth.tolist(), strict=True)]
    label_tables.write(tmp_path, "quality", examples, labels)
    bucket = Bucket(label_tables.SITE, 0, 1, 0)
    for table in ("examples", "labels"):
        place = tmp_path / schema.path("quality", table, label_tables.BUCKET)
        place.rename(tmp_path / schema.path("quality", table, bucket.name))
    monkeypatch.setattr(label_errors, "MOST", 200)
    note = label_errors.find(tmp_path, [bucket], QUALITY)["note"]
    # All hundred of the rare label, and as many of the other, drawn by a hash.
    examined = int(note.partition(" on ")[2].split()[0])
    assert 180 <= examined <= 220


def test_spans_are_not_looked_at() -> None:
    assert label_errors.find(Path(), [], ENTITIES)["found"] == []
    assert "whole texts" in label_errors.find(Path(), [], ENTITIES)["note"]
