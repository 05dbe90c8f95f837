"""Baselines: the most frequent label, and logistic regressions on only markup, length, tags or words.

They belong to every comparison: a model is worth only what it adds to them, and where markup or length predicts the
label, a model may learn that instead of the task (the leak audits of `analysis.leaks`, here on the same examples as all
other systems). For whole texts, words are weighted by TF-IDF. For spans, each word gets a BIO tag from its features.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from socorpus.corpus.schema import SEGMENT_KINDS
from socorpus.labeling import logistic
from socorpus.labeling.schema import Task
from socorpus.training.evaluation.plain_systems import label_weights, of_rows, tfidf
from socorpus.training.evaluation.systems import Answering, system
from socorpus.training.examples import readers
from socorpus.training.examples.example import Data, Example, Prediction
from socorpus.training.finetuning.windows import Tags

Float = npt.NDArray[np.float64]
_TAGS = 200
_TEXTS = 1000
"""Texts whose words the audits of spans learn from: more take long and hardly improve a view of single words."""
_DIGITS = str.maketrans("0123456789", "0000000000")


Answers = Callable[[Sequence[Example]], list[Prediction]]


class Audit:
    """A fitted audit."""

    def __init__(self, name: str, data: Data) -> None:
        train = data.splits["train"]
        self._answers = _spans(name, data.task, train) if data.task.spans else _texts(name, data.task, train)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The predictions for the examples, in order."""
        return self._answers(examples)


for _name in ("majority", "markup only", "length only", "tags only"):
    system(_name, version=1)(partial(Audit, _name))


@system("TF-IDF", version=2)
def _tfidf(data: Data) -> Answering:
    """Words alone: of whole texts as `plain_systems.tfidf` has them, of spans the features of each word."""
    return Audit("TF-IDF", data) if data.task.spans else tfidf(data)


# Whole texts.


def _texts(name: str, task: Task, train: Sequence[Example]) -> Answers:
    label = np.array([example.label for example in train])
    labels = len(task.labels)
    if name == "majority" or len(set(label.tolist())) < 2:
        share = Prediction(tuple((np.bincount(label, minlength=labels) / len(label)).tolist()))
        return lambda some: [share] * len(some)
    rows = _rows(name, train)
    return of_rows(rows, logistic.fit(rows(train), label, labels, label_weights(label, labels)))


def _rows(name: str, train: Sequence[Example]) -> Callable[[Sequence[Example]], Float]:
    """The features of texts that an audit sees, one row per text."""
    if name == "tags only":
        common = [tag for tag, _ in Counter(tag for example in train for tag in example.tags).most_common(_TAGS)]
        return lambda some: _tag_rows(some, common)
    view = _VIEWS[name]
    return lambda some: np.array([view(example) for example in some], np.float64)


def _markup(example: Example) -> list[float]:
    kinds = Counter(kind for kind, _, _ in example.kinds)
    return [float(np.log1p(kinds[kind])) for kind in SEGMENT_KINDS]


def _length(example: Example) -> list[float]:
    sizes = np.log1p([len(example.title or ""), len(example.text), example.text.count("\n"), len(example.text.split())])
    return [*sizes.tolist(), *(sizes**2).tolist()]


_VIEWS: Mapping[str, Callable[[Example], list[float]]] = {"markup only": _markup, "length only": _length}


def _tag_rows(some: Sequence[Example], common: Sequence[str]) -> Float:
    return np.array([[*(float(tag in example.tags) for tag in common), float(len(example.tags))] for example in some])


# Spans.


def _spans(name: str, task: Task, train: Sequence[Example]) -> Answers:
    """BIO tags of words, each predicted independently from the features of the word and its neighbours."""
    if name == "majority":
        return lambda some: [Prediction()] * len(some)
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    tags = Tags(task.labels)
    view = _WORD_VIEWS[name]
    rows, targets = [], []
    for example in readers.drawn(train, _TEXTS):
        rows += view(example)
        targets.append(tags.targets(example, soft=False).argmax(1))
    target = np.concatenate(targets)
    size = 1 << (18 if name == "TF-IDF" else 10)
    hasher = FeatureHasher(size, input_type="string", alternate_sign=False)
    model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=6, tol=None, random_state=0)
    model.fit(hasher.transform(rows), target)

    def rows_of(example: Example) -> Any:
        return hasher.transform(view(example))

    return lambda some: [tagged(tags, model, rows_of, example) for example in some]


def tagged(tags: Tags, model: Any, rows: Callable[[Example], Any], example: Example) -> Prediction:
    """The spans of an example by a model of single words: a classifier of scikit-learn.

    Args:
        rows: the features of an example's words, a row each; not asked for where there are none.
    """
    words = example.offsets()
    sure = np.zeros((len(words), len(tags.names)), np.float32)
    if words:
        sure[:, model.classes_] = model.predict_proba(rows(example))
    return Prediction(spans=tuple(tags.spans(sure, words)))


def _word_markup(example: Example) -> list[list[str]]:
    """Kind of the segment that a word is in, and whether the word is its first."""
    rows, number = [], 0
    for start, _ in example.offsets():
        while number < len(example.kinds) and example.kinds[number][2] <= start:
            number += 1
        inside = number < len(example.kinds) and example.kinds[number][1] <= start
        kind = example.kinds[number][0] if inside else "none"
        rows.append(["", kind, f"{kind} first" if inside and example.kinds[number][1] == start else "within"])
    return rows


def _word_length(example: Example) -> list[list[str]]:
    return [["", f"{min(end - start, 30)}"] for start, end in example.offsets()]


def _word_tags(example: Example) -> list[list[str]]:
    parts = {part for tag in example.tags for part in (tag.lower(), *tag.lower().split("-"))}
    return [["", str(example.text[start:end].lower() in parts)] for start, end in example.offsets()]


def word_features(example: Example) -> list[list[str]]:
    """The word, its neighbours, its ends and its form."""
    words = [example.text[start:end] for start, end in example.offsets()]
    lower = ["", *(word.lower() for word in words), ""]
    kinds = _word_markup(example)
    return [
        [
            *(f"{way}{lower[number + way]}" for way in (0, 1, 2)),
            f"pair {lower[number]} {lower[number + 1]}",
            f"end {word[-3:].lower()}",
            f"form {_form(word)}",
            f"kind {kinds[number][1]} {kinds[number][2]}",
        ]
        for number, word in enumerate(words)
    ]


def _form(word: str) -> str:
    """Letters as x and X, digits as 0, runs of one kind as one character."""
    kinds = ["X" if sign.isupper() else "x" if sign.isalpha() else sign for sign in word.translate(_DIGITS)[:20]]
    return "".join(sign for number, sign in enumerate(kinds) if not number or sign != kinds[number - 1])


_WORD_VIEWS: Mapping[str, Callable[[Example], list[list[str]]]] = {
    "markup only": _word_markup,
    "length only": _word_length,
    "tags only": _word_tags,
    "TF-IDF": word_features,
}
