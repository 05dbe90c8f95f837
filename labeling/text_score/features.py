"""Features of the score: words, characters, form and word vectors, as one sparse matrix.

Terms are weighted by TF-IDF within their part: 1 + log count, times the rarity among the texts learned from, each part
of a row of length 1. A term must occur in two questions, so that no text of one person alone is kept in a model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from socorpus.corpus.arrays import Float64
from socorpus.corpus.errors import InputError
from socorpus.labeling import logistic
from socorpus.labeling.text_score import form, vectors
from socorpus.labeling.text_score.form import QuestionText

_CHARACTERS = {"analyzer": "char_wb", "ngram_range": (2, 5)}
PARTS: Mapping[str, tuple[Callable[[QuestionText], str], Mapping[str, Any], int]] = {
    "words": (
        lambda question: question.whole,
        {"token_pattern": r"\w+|[^\w\s]", "ngram_range": (1, 2)},
        2,
    ),
    "characters of the title": (lambda question: question.title, _CHARACTERS, 3),
    "characters of the prose": (lambda question: question.prose, _CHARACTERS, 3),
}
"""Part -> its text, its terms as options of scikit-learn, the fewest questions of a term."""
_FEWEST = 5000
"""Of larger sets a term must occur in one of so many questions, which bounds the size of a model."""
_WORDS_SCALE, _FORM_SCALE, _FORM_MOST = 2.0, 0.07, 3.0
"""Length of a row of words, where a row of characters has 1; value of one deviation of a feature of form, and the most
deviations. Chosen with and without masked tag names, in folds by time within the older four fifths of so-60k-subset."""
_DIGITS = 6


@dataclass(frozen=True)
class Terms:
    """Terms of a part, with their rarity: float64[terms]."""

    names: list[str]
    rarity: Float64


@dataclass(frozen=True)
class Features:
    """What was learned of the features from some questions.

    Attributes:
        terms: by part.
        mean, deviation: of the features of form, float64[features].
        rarity: of wordpieces, float64[tokens + 1].
        centre: mean of the vectors of title and whole text, float64[2 x dimensions].
    """

    terms: Mapping[str, Terms]
    mean: Float64
    deviation: Float64
    rarity: Float64
    centre: Float64

    def names(self) -> list[str]:
        """Names of the columns, for people."""
        words = [f"{part}: {term}" for part, terms in self.terms.items() for term in terms.names]
        vector = [f"vector {number}" for number in range(len(self.centre))]
        return [*words, *(f"form: {name}" for name in form.NAMES), *vector]

    def matrix(self, questions: Sequence[QuestionText]) -> Any:
        """float64[n, columns], sparse."""
        from scipy import sparse

        parts = []
        for part, terms in self.terms.items():
            text, options, _ = PARTS[part]
            vectorizer = _vectorizer(options, vocabulary=terms.names)
            vectorizer.idf_ = terms.rarity
            rows = vectorizer.transform([text(question) for question in questions])
            parts.append(rows * _WORDS_SCALE if part == "words" else rows)
        shape = (form.matrix(questions) - self.mean) / self.deviation
        parts.append(sparse.csr_matrix(np.clip(shape, -_FORM_MOST, _FORM_MOST) * _FORM_SCALE))
        parts.append(sparse.csr_matrix(_vectors(questions, self.rarity) - self.centre))
        return sparse.hstack(parts).tocsr()


def learn(questions: Sequence[QuestionText]) -> Features:
    """The features of some questions.

    Raises:
        InputError: scikit-learn is not installed, or no term occurs twice.
    """
    terms = {}
    for part, (text, options, fewest) in PARTS.items():
        vectorizer = _vectorizer(options, min_df=max(fewest, len(questions) // _FEWEST))
        try:
            vectorizer.fit([text(question) for question in questions])
        except ValueError:
            raise InputError(f"{len(questions)} questions have no term in common: more are needed") from None
        terms[part] = Terms(list(vectorizer.get_feature_names_out()), _short(vectorizer.idf_))
    shape = form.matrix(questions)
    deviation = shape.std(0)
    deviation[deviation < 1e-9] = 1
    occurs = np.asarray((vectors.table().counts([question.whole for question in questions]) > 0).sum(0)).ravel()
    rarity = _short(np.log((1 + len(questions)) / (1 + occurs)))
    centre = _short(_vectors(questions, rarity).mean(0))
    return Features(terms, _short(shape.mean(0)), _short(deviation), rarity, centre)


def _short(values: Float64) -> Float64:
    """Rounded as in a model's file, so that a model that was read gives the scores of the one that was trained."""
    floats: Float64 = np.asarray(values, np.float64)
    return floats.round(_DIGITS)


def _vectorizer(options: Mapping[str, Any], **more: Any) -> Any:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ModuleNotFoundError:
        raise InputError(logistic.MISSING) from None
    return TfidfVectorizer(sublinear_tf=True, **options, **more)


def _vectors(questions: Sequence[QuestionText], rarity: Float64) -> Float64:
    words = vectors.table()
    views = ([question.title for question in questions], [question.whole for question in questions])
    return np.hstack([words.means(words.counts(view), rarity) for view in views])
