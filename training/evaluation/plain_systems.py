"""Plain strong systems: what a pre-trained model has to beat, each with a budget of choice that its row states.

Settings are chosen on the validation split by the task's main metric, never on the test split. Here: the choice, and
words weighted by TF-IDF with logistic regression.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from socorpus.corpus.words import words as text_words
from socorpus.labeling import logistic
from socorpus.training.evaluation.systems import Answering
from socorpus.training.examples import metrics
from socorpus.training.examples.example import Data, Example, Prediction
from socorpus.training.finetuning.windows import text_of

Answers = Callable[[Sequence[Example]], list[Prediction]]

STRENGTHS = (10.0, 1.0, 100.0)
"""Inverse strengths of the L2 penalty to choose from, the usual one first."""
_NGRAMS = ((1, 2), (1, 1))
_MOST_WORDS = 50_000


@dataclass(frozen=True)
class Chosen:
    """A fitted system, with what was chosen for it.

    Attributes:
        note: for the report: the settings, and of how many they were chosen.
        configurations: how many.
        seconds: of the fit that was chosen, without those of the others; None: not measured.
    """

    answers: Answers
    note: str
    parameters: int | None = None
    configurations: int = 1
    seconds: float | None = None

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The predictions for the examples, in order."""
        return self.answers(examples)


def choose(candidates: Iterable[tuple[str, Answers]], data: Data) -> Chosen:
    """The candidate with the highest main metric on the validation split; the first of equal ones, and without one.

    Args:
        candidates: settings in words, and the answers of a system fitted with them; the usual settings first.
    """
    validation = data.splits["validation"]
    best: tuple[float, str, Answers, float] | None = None
    count = 0
    started = time.perf_counter()
    for name, answers in candidates:
        count += 1
        seconds = time.perf_counter() - started
        score = 0.0
        if validation:
            scores = metrics.scores(data.task, validation, answers(validation), data.leave_out)
            score = scores[metrics.main(data.task)]
        if best is None or score > best[0]:
            best = score, name, answers, seconds
        if not validation:
            return Chosen(answers, f"{name}: there is no validation split to choose on", seconds=seconds)
        started = time.perf_counter()
    assert best is not None
    note = f"{best[1]}, chosen of {count} on the validation split"
    return Chosen(best[2], note, configurations=count, seconds=best[3])


def label_weights(label: npt.NDArray[np.int64], labels: int) -> npt.NDArray[np.float64]:
    """Weight of each row, float64[n]: the root of how rare its label is, as in fine-tuning with `sqrt`."""
    counts = np.maximum(np.bincount(label, minlength=labels), 1)
    weights: npt.NDArray[np.float64] = np.sqrt(len(label) / (labels * counts))[label]
    return weights


def of_rows(rows: Callable[[Sequence[Example]], Any], model: logistic.Model) -> Answers:
    """Answers of a model of rows of features."""
    return lambda some: [Prediction(tuple(row.tolist())) for row in model(rows(some))] if some else []


def words(data: Data, ngrams: tuple[int, int] = _NGRAMS[0]) -> Callable[[Sequence[Example]], Any]:
    """Words and punctuation of texts, weighted by TF-IDF as the train split has them: rows of length 1, sparse.

    Args:
        ngrams: fewest and most words in a row that are one feature.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Code consists of words and punctuation.
    vectors = TfidfVectorizer(
        tokenizer=pieces,
        token_pattern=None,
        ngram_range=ngrams,
        min_df=2,
        max_features=_MOST_WORDS,
        sublinear_tf=True,
    )
    try:
        vectors.fit([text_of(example, data.task) for example in data.splits["train"]])
    except ValueError:  # no word occurs twice
        vectors.set_params(min_df=1, tokenizer=_pieces_or_one)
        vectors.fit([text_of(example, data.task) for example in data.splits["train"]])
    return lambda some: vectors.transform([text_of(example, data.task) for example in some])


def pieces(text: str) -> list[str]:
    """The words and punctuation marks of a text, in order."""
    return [text[start:end] for start, end in text_words.pieces(text)]


def _pieces_or_one(text: str) -> list[str]:
    return pieces(text) or [""]


def tfidf(data: Data) -> Answering:
    """TF-IDF with logistic regression: single words or pairs too, and the penalty, chosen of 6."""
    train = data.splits["train"]
    label = np.array([example.label for example in train])

    def candidates() -> Iterable[tuple[str, Answers]]:
        for ngrams in _NGRAMS:
            rows = words(data, ngrams)
            seen = rows(train)
            for strength in STRENGTHS:
                weight = label_weights(label, len(data.task.labels))
                model = logistic.fit(seen, label, len(data.task.labels), weight, words=True, inverse=strength)
                what = "words and pairs" if ngrams[1] == 2 else "words"
                yield f"{what}, C = {strength:g}", of_rows(rows, model)

    return choose(candidates(), data)
