"""Plain strong systems learn what can be learned, choose on the validation split, and say what they chose."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from socorpus.training.evaluation import compare, frozen, plain_systems, systems
from socorpus.training.evaluation.compare import ComparisonPlan
from socorpus.training.evaluation.entities.crf import crf
from socorpus.training.evaluation.linear_embeddings import embeddings
from socorpus.training.evaluation.plain_systems import Chosen, choose
from socorpus.training.examples import metrics
from socorpus.training.examples.example import Data, Example, Prediction
from socorpus.training.finetuning import pretrained
from socorpus.training.finetuning.settings import FinetuneSettings
from tests.training import tiny_models
from tests.training.tiny_models import Quiet


def always(label: int) -> plain_systems.Answers:
    return lambda some: [Prediction(tuple(np.eye(2)[label].tolist())) for _ in some]


def score(data: Data, fitted: systems.Answering) -> float:
    test = data.splits["test"]
    return metrics.scores(data.task, test, fitted.predict(test), data.leave_out)[metrics.main(data.task)]


def test_the_first_of_the_best_on_the_validation_split_is_chosen() -> None:
    data = tiny_models.texts()

    def wrong(some: Sequence[Example]) -> list[Prediction]:
        return [Prediction(tuple(np.eye(2)[1 - each.label].tolist())) for each in some]

    def right(some: Sequence[Example]) -> list[Prediction]:
        return [Prediction(tuple(np.eye(2)[each.label].tolist())) for each in some]

    chosen = choose([("wrong", wrong), ("first", right), ("second", right)], data)
    assert isinstance(chosen, Chosen) and chosen.answers is right
    assert chosen.note == "first, chosen of 3 on the validation split"
    nothing = replace(data, splits={**data.splits, "validation": ()})
    unchosen = choose([("usual", always(0)), ("other", always(1))], nothing)
    assert unchosen.note == "usual: there is no validation split to choose on"


def test_the_test_split_has_no_part_in_the_choice() -> None:
    data = tiny_models.texts()
    other = replace(data, splits={**data.splits, "test": tiny_models.texts(seed=5).splits["test"]})
    some = data.splits["test"]
    for fit in (plain_systems.tfidf, embeddings):
        assert fit(data).predict(some) == fit(other).predict(some)


@pytest.mark.parametrize("fit", [plain_systems.tfidf, embeddings])
def test_words_tell_poor_questions(fit: object) -> None:
    data = tiny_models.texts()
    fitted = fit(data)  # type: ignore[operator]
    assert score(data, fitted) > 0.9
    assert "chosen of" in fitted.note
    for prediction in fitted.predict(data.splits["test"]):
        assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-5)
    assert fitted.predict([]) == []
    # A text without a word is answered, too.
    assert len(fitted.predict([Example("empty", "empty", "")])) == 1


def test_words_that_occur_once_are_enough_for_a_few_texts() -> None:
    train = [Example(f"{label}", f"{label}", text, label=label) for label, text in enumerate(("alpha", "beta"))]
    data = replace(tiny_models.texts(), splits={"train": train, "validation": (), "test": ()})
    assert [prediction.label for prediction in plain_systems.tfidf(data).predict(train)] == [0, 1]


def test_a_crf_tags_names_and_knows_which_tag_follows() -> None:
    data = tiny_models.spans()
    fitted = crf(data)
    assert score(data, fitted) > 0.95
    assert isinstance(fitted, Chosen) and "chosen of 6" in fitted.note
    (answer,) = fitted.predict([Example("one", "one", "use numpy")])
    ((span, sure),) = answer.spans
    assert (span.start, span.end, span.label) == (4, 9, "Library") and 0.5 < sure <= 1
    # The word behind `def` belongs to the span, whatever it is: the CRF learned it from the tag before.
    (behind,) = fitted.predict([Example("two", "two", "def gremlin today")])
    assert [(span.start, span.end) for span, _ in behind.spans] == [(0, 11)]
    assert fitted.predict([Example("none", "none", "")])[0].spans == ()


def vectors_by_hand(folder: Path, text: str) -> np.ndarray:  # type: ignore[type-arg]
    """Last hidden states of a text by plain transformers, float32[tokens, width]."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states: np.ndarray = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()  # type: ignore[type-arg]
    return states


@pytest.mark.parametrize("kind", ["Bert", "ModernBert"])
def test_vectors_are_those_of_plain_transformers(tmp_path: Path, kind: str) -> None:
    folder = tiny_models.model(tmp_path / "model", kind)
    data, settings = tiny_models.texts(), FinetuneSettings()
    model = pretrained.find(str(folder))
    some = [Example("a", "a", "how do i use numpy"), Example("b", "b", "why", title="how")]
    made = frozen.Vectors(model, data.task, settings)(some)
    for example, vector in zip(some, made, strict=True):
        text = example.text if example.title is None else f"{example.title}\n\n{example.text}"
        np.testing.assert_allclose(vector[0], vectors_by_hand(folder, text).mean(0), atol=1e-5)
    words = frozen.Vectors(model, tiny_models.spans().task, settings)([Example("c", "c", "use numpy")])[0]
    states = vectors_by_hand(folder, "use numpy")
    np.testing.assert_allclose(words[0], states[1], atol=1e-5)
    assert words.shape == (2, states.shape[1])


def test_frozen_and_joined_systems_have_rows_of_their_own(tmp_path: Path) -> None:
    folder = tiny_models.model(tmp_path / "Tiny")
    of_encoder = [f"frozen:{folder}", f"Both=joined:{folder}", f"Random=frozen:scratch:{folder}"]
    rows = systems.chosen(["TF-IDF", "CRF", "linear embeddings", *of_encoder])
    assert [row.name for row in rows[3:]] == ["frozen Tiny", "Both", "Random"]
    data: Sequence[Data] = [tiny_models.texts(), tiny_models.spans()]
    plan = ComparisonPlan(data, rows, FinetuneSettings())
    cells = compare.compare(plan, tmp_path / "out", Quiet())
    by = {(cell.task, cell.system): cell for cell in cells}
    assert not [cell.missing for cell in cells if cell.missing]
    # A system for spans has no row where whole texts are labelled, and the other way round.
    assert ("quality", "CRF") not in by and ("entities", "linear embeddings") not in by
    for task, plain in (("quality", "TF-IDF"), ("entities", "CRF")):
        metric = metrics.main(next(some.task for some in data if some.task.name == task))
        assert by[task, "Both"].scores[metric].mean > 0.9 and by[task, plain].scores[metric].mean > 0.9
        assert by[task, "frozen Tiny"].parameters == by[task, "Both"].parameters
        assert any("chosen of" in note for note in by[task, "frozen Tiny"].notes)
    again = compare.compare(plan, tmp_path / "out", Quiet())
    assert again == cells
