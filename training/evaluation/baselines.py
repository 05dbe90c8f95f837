"""What simple systems reach: the commonest label, and logistic regressions on markup, length, tags or words alone.

They stand beside every comparison: a model is worth no more than what it adds to them, and a label that markup or
length tells teaches a model that and not the task (the leak audits of `analysis.leaks`, here on equal examples with all
other systems). Of whole texts words are weighed by TF-IDF. Of spans each word gets a BIO tag from what is seen of it.
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
from socorpus.training.evaluation.systems import system
from socorpus.training.examples import readers
from socorpus.training.examples.example import Data, Example, Prediction
from socorpus.training.finetuning.windows import Tags, text_of

Float = npt.NDArray[np.float64]
_TAGS = 200
_TEXTS = 1000
"""Texts whose words the audits of spans learn from: more teach a view of single words hardly more, and take long."""
_DIGITS = str.maketrans("0123456789", "0000000000")


Answers = Callable[[Sequence[Example]], list[Prediction]]


class Audit:
    """An audit that has learned."""

    def __init__(self, name: str, data: Data) -> None:
        train = data.splits["train"]
        self._answers = _spans(name, data.task, train) if data.task.spans else _texts(name, data.task, train)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """What it says of each example."""
        return self._answers(examples)


for _name in ("majority", "markup only", "length only", "tags only", "TF-IDF"):
    system(_name, version=1)(partial(Audit, _name))


# Whole texts.


def _texts(name: str, task: Task, train: Sequence[Example]) -> Answers:
    label = np.array([one.label for one in train])
    labels = len(task.labels)
    if name == "majority" or len(set(label.tolist())) < 2:
        share = Prediction(tuple((np.bincount(label, minlength=labels) / len(label)).tolist()))
        return lambda some: [share] * len(some)
    rows = _rows(name, task, train)
    # Labels weigh as in fine-tuning's `sqrt`.
    weight = np.sqrt(len(label) / (labels * np.maximum(np.bincount(label, minlength=labels), 1)))[label]
    model = logistic.fit(rows(train), label, labels, weight, words=name == "TF-IDF")
    return lambda some: [Prediction(tuple(row.tolist())) for row in model(rows(some))] if some else []


def _rows(name: str, task: Task, train: Sequence[Example]) -> Callable[[Sequence[Example]], Any]:
    """What an audit sees of texts, as rows of figures."""
    if name == "TF-IDF":
        words = _tfidf(task, train)
        return lambda some: words.transform([text_of(one, task) for one in some])
    if name == "tags only":
        common = [tag for tag, _ in Counter(tag for one in train for tag in one.tags).most_common(_TAGS)]
        return lambda some: _tag_rows(some, common)
    view = _VIEWS[name]
    return lambda some: np.array([view(one) for one in some], np.float64)


def _tfidf(task: Task, train: Sequence[Example]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Words and signs: code is made of both.
    words = TfidfVectorizer(
        token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), min_df=2, max_features=50_000, sublinear_tf=True
    )
    return words.fit([text_of(one, task) for one in train])


def _markup(one: Example) -> list[float]:
    kinds = Counter(kind for kind, _, _ in one.kinds)
    return [float(np.log1p(kinds[kind])) for kind in SEGMENT_KINDS]


def _length(one: Example) -> list[float]:
    sizes = np.log1p([len(one.title or ""), len(one.text), one.text.count("\n"), len(one.text.split())])
    return [*sizes.tolist(), *(sizes**2).tolist()]


_VIEWS: Mapping[str, Callable[[Example], list[float]]] = {"markup only": _markup, "length only": _length}


def _tag_rows(some: Sequence[Example], common: Sequence[str]) -> Float:
    return np.array([[*(float(tag in one.tags) for tag in common), float(len(one.tags))] for one in some])


# Spans.


def _spans(name: str, task: Task, train: Sequence[Example]) -> Answers:
    """BIO tags of words, each told by itself from what the audit sees of it and of its neighbours."""
    if name == "majority":
        return lambda some: [Prediction()] * len(some)
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    tags = Tags(task.labels)
    view = _WORD_VIEWS[name]
    rows, targets = [], []
    for one in readers.drawn(train, _TEXTS):
        rows += view(one)
        targets.append(tags.targets(one, soft=False).argmax(1))
    target = np.concatenate(targets)
    size = 1 << (18 if name == "TF-IDF" else 10)
    hasher = FeatureHasher(size, input_type="string", alternate_sign=False)
    model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=6, tol=None, random_state=0)
    model.fit(hasher.transform(rows), target)

    def answer(one: Example) -> Prediction:
        seen = view(one)
        sure = np.zeros((len(seen), len(tags.names)), np.float32)
        if seen:
            sure[:, model.classes_] = model.predict_proba(hasher.transform(seen))
        return Prediction(spans=tuple(tags.spans(sure, one.offsets())))

    return lambda some: [answer(one) for one in some]


def _word_markup(one: Example) -> list[list[str]]:
    """Kind of the segment that a word is in, and whether it is the first there."""
    found, at = [], 0
    for start, _ in one.offsets():
        while at < len(one.kinds) and one.kinds[at][2] <= start:
            at += 1
        inside = at < len(one.kinds) and one.kinds[at][1] <= start
        kind = one.kinds[at][0] if inside else "none"
        found.append(["", kind, f"{kind} first" if inside and one.kinds[at][1] == start else "within"])
    return found


def _word_length(one: Example) -> list[list[str]]:
    return [["", f"{min(end - start, 30)}"] for start, end in one.offsets()]


def _word_tags(one: Example) -> list[list[str]]:
    parts = {part for tag in one.tags for part in (tag.lower(), *tag.lower().split("-"))}
    return [["", str(one.text[start:end].lower() in parts)] for start, end in one.offsets()]


def _words(one: Example) -> list[list[str]]:
    """The word, its neighbours, its ends and its form."""
    words = [one.text[start:end] for start, end in one.offsets()]
    lower = ["", *(word.lower() for word in words), ""]
    kinds = _word_markup(one)
    return [
        [
            *(f"{way}{lower[at + way]}" for way in (0, 1, 2)),
            f"pair {lower[at]} {lower[at + 1]}",
            f"end {word[-3:].lower()}",
            f"form {_form(word)}",
            f"kind {kinds[at][1]} {kinds[at][2]}",
        ]
        for at, word in enumerate(words)
    ]


def _form(word: str) -> str:
    """Letters as x and X, digits as 0, runs of one kind as one."""
    kinds = ["X" if sign.isupper() else "x" if sign.isalpha() else sign for sign in word.translate(_DIGITS)[:20]]
    return "".join(sign for at, sign in enumerate(kinds) if not at or sign != kinds[at - 1])


_WORD_VIEWS: Mapping[str, Callable[[Example], list[list[str]]]] = {
    "markup only": _word_markup,
    "length only": _word_length,
    "tags only": _word_tags,
    "TF-IDF": _words,
}
