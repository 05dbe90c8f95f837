"""`stacked`: the package's functions, a CRF and trees learn a train split; with an encoder its vectors too."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from socorpus.labeling.tasks.entities.judge import NAMES, Candidates
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.evaluation import systems
from socorpus.training.evaluation.entities import stacked
from socorpus.training.examples import metrics
from socorpus.training.examples.example import Data, Example
from socorpus.training.finetuning import pretrained
from socorpus.training.finetuning.settings import FinetuneSettings
from tests.training import tiny_models


def score(data: Data, fitted: systems.Answering) -> float:
    test = data.splits["test"]
    return metrics.scores(data.task, test, fitted.predict(test), data.leave_out)[metrics.main(data.task)]


def candidates(*spans: tuple[int, int, int]) -> Candidates:
    count = len(spans)
    return Candidates(
        np.array(spans, np.int32).reshape(-1, 3), np.zeros((count, len(NAMES)), np.float32),
        np.zeros((count, 0), np.uint32), np.zeros(0, np.uint32), np.zeros(count + 1, np.int64),
    )  # fmt: skip


def test_a_candidate_has_the_vectors_of_its_words_and_of_those_beside_it() -> None:
    # Words: "a bc d", vectors 1, 2 and 4 in the last layer, zeros below.
    words, near = [(0, 1), (2, 4), (5, 6)], np.array([[0, 0, 1], [0, 0, 2], [0, 0, 4]], np.float32)
    part = stacked._Part.of(words, candidates((0, 4, 1), (2, 3, 0), (2, 4, 1), (5, 6, 0)), near)
    assert part.spans[part.place].tolist() == [[0, 2], [1, 2], [1, 2], [2, 3]]
    assert part.vectors[part.place][:, 2:].tolist() == [[1.5, 0, 4], [2, 1, 4], [2, 1, 4], [4, 2, 0]]
    assert part.vectors.shape[1] == 5 and not part.vectors[:, :2].any()
    assert part.kind.tolist() == [1, 0, 1, 0]
    gold = [Span(2, 4, "B"), Span(5, 6, "A")]
    assert part.labels(words, gold, ("A", "B"))[part.place].tolist() == [0, 2, 2, 1]


def test_the_network_says_which_type_the_vectors_have() -> None:
    draw = np.random.default_rng(0)
    label = draw.integers(0, 3, 600)
    vectors = (np.eye(3)[label] * 3 + draw.normal(size=(600, 3))).astype(np.float32)
    places = np.arange(600)
    part = stacked._Part(np.stack([places, places + 1], 1), vectors, places, np.where(label == 2, 1, 0))
    said = stacked._Network.learned([part], [label], 2)(part)
    # Of its type where it has it, of none where it is none.
    likely = np.exp(said)
    assert likely[label > 0, 0].mean() > 0.7 and likely[label == 0, 1].mean() > 0.7
    assert (likely.sum(1) < 1 + 1e-5).all()
    again = stacked._Network.learned([part], [label], 2)(part)
    np.testing.assert_array_equal(said, again)


@pytest.mark.slow
def test_stacked_learns_with_and_without_an_encoder(tmp_path: Path) -> None:
    folder = tiny_models.model(tmp_path / "Tiny")
    data = tiny_models.spans((160, 40, 40))
    # Annotation is never complete; where every candidate is right there is nothing to learn.
    train = [
        replace(example, spans=example.spans[1:] if number % 6 == 0 else example.spans)
        for number, example in enumerate(data.splits["train"])
    ]
    data = replace(data, splits={**data.splits, "train": train})
    plain = stacked.fit(data, None)
    assert score(data, plain) > 0.85
    assert "chosen of 5 on the validation split" in plain.note
    vectors = stacked.encoder_vectors(pretrained.find(str(folder)), data.task, FinetuneSettings())
    both = stacked.fit(data, vectors)
    assert score(data, both) > 0.85
    assert both.parameters == vectors.parameters and plain.parameters is None
    some = data.splits["test"][:4]
    assert both.predict(some) == both.predict(some)
    assert plain.predict([Example("none", "none", "")])[0].spans == ()
    assert both.predict([Example("none", "none", "")])[0].spans == ()


def test_stacked_is_named_with_and_without_an_encoder() -> None:
    plain, with_encoder, named = systems.chosen(["stacked", "stacked:runs/tiny", "Best=stacked:scratch:runs/tiny"])
    assert (plain.name, plain.kind, plain.what) == ("stacked", "stacked", "")
    assert (with_encoder.name, with_encoder.what) == ("stacked tiny", "runs/tiny")
    assert (named.name, named.what) == ("Best", "scratch:runs/tiny")
    assert systems.fits(plain, tiny_models.spans().task) and not systems.fits(plain, tiny_models.texts().task)
