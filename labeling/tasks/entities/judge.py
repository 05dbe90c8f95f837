"""Learning from an annotated file: its names, the reliability of each function, and names in their context.

Candidates are the spans proposed by any source: the functions, the gazetteer of the annotated file, and optionally the
context model. A logistic regression judges each by its sources and their types, and by the sources of the spans that
overlap it; the likely ones are resolved. It is trained on texts whose questions neither gazetteer nor context model had
seen (cross-fitting), since it would otherwise overrate these two.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from socorpus.corpus.arrays import Float64
from socorpus.corpus.errors import InputError
from socorpus.labeling import logistic
from socorpus.labeling.tasks.entities import gazetteers, perceptron, spans
from socorpus.labeling.tasks.entities.gazetteers import Annotated
from socorpus.labeling.tasks.entities.perceptron import Prepared, shape
from socorpus.labeling.tasks.entities.post import EntityPost
from socorpus.labeling.tasks.entities.spans import Span

THRESHOLD = 0.3
"""Lowest probability of a kept span: the best F1 in cross-validation within train.txt."""
DECAY = 4.0
"""L2 of the regression."""
FOLDS = 5
_LEAST = 0.1
"""Lowest probability of a learned name's type to be considered."""

Vote = tuple[int, int, str, str, str]
"""Start, end, type, function and rule of a vote."""


@dataclass(frozen=True)
class Text:
    """A text with its votes and gold; texts with the same `question` stay in one fold."""

    post: EntityPost
    votes: Sequence[Vote]
    widen: Callable[[int, int], tuple[int, int]]
    gold: frozenset[Span] = frozenset()
    question: int = 0


@dataclass(frozen=True)
class Learned:
    """The result of learning from an annotated file.

    Attributes:
        names: its gazetteer.
        context: the context model, if there is one.
        features: feature of a candidate -> its place in `weights`.
        weights: float64[features].
    """

    names: Annotated
    context: perceptron.Perceptron | None
    features: Mapping[str, int]
    weights: Float64

    def label(self, text: Text, threshold: float = THRESHOLD) -> list[Span]:
        """Sorted spans of a text, without overlap."""
        likely = self.probabilities(text)
        return spans.resolve((span, probability) for span, probability in likely.items() if probability >= threshold)

    def probabilities(self, text: Text) -> dict[Span, float]:
        """Probability of each candidate of a text."""
        prepared = None if self.context is None else _prepare(text)
        likely = {}
        for span, names in candidates(text, self.names, self.context, prepared).items():
            score = sum(self.weights[self.features[name]] for name in sorted(names) if name in self.features)
            likely[span] = float(1 / (1 + np.exp(-score)))
        return likely


def learn(texts: Sequence[Text], context: bool) -> Learned:
    """Learn from texts with gold spans, with or without a context model."""
    prepared = [_prepare(text) if context else None for text in texts]
    numbers = {question: index % FOLDS for index, question in enumerate(sorted({text.question for text in texts}))}
    fold = [numbers[text.question] for text in texts]

    def teach(rows: Iterable[int]) -> tuple[Annotated, perceptron.Perceptron | None]:
        chosen = list(rows)
        names = gazetteers.learn(
            (texts[index].post.open, _in_code(texts[index].post), texts[index].gold) for index in chosen
        )
        seen = ((prepared[index], sorted(texts[index].gold)) for index in chosen)
        return names, perceptron.train(
            (example, gold) for example, gold in seen if example is not None
        ) if context else None

    known: dict[str, int] = {}
    rows: list[list[int]] = []
    right: list[bool] = []
    for out in range(FOLDS):
        names, model = teach(index for index in range(len(texts)) if fold[index] != out)
        for index in (index for index in range(len(texts)) if fold[index] == out):
            for span, features in candidates(texts[index], names, model, prepared[index]).items():
                rows.append([known.setdefault(name, len(known)) for name in sorted(features)])
                right.append(span in texts[index].gold)
    return Learned(*teach(range(len(texts))), known, _weights(rows, right, len(known)))


def candidates(
    text: Text, names: Annotated, model: perceptron.Perceptron | None, prepared: Prepared | None
) -> dict[Span, set[str]]:
    """Spans proposed by any source, each with the features by which it is judged."""
    post = text.post
    sources: dict[Span, set[str]] = {}
    features_of: dict[Span, set[str]] = {}

    def enter(start: int, end: int, label: str, source: str, detail: str) -> None:
        span = Span(*text.widen(start, end), label)
        sources.setdefault(span, set()).add(source)
        features_of.setdefault(span, set()).update((source, detail))

    for start, end, label, function, rule in text.votes:
        enter(start, end, label, f"f {function}", f"f {function} {rule} {label}")
    known: dict[tuple[int, int], str] = {}
    for hit in names.find(post.open, _in_code(post)):
        often = "+" if hit.seen > 4 else ""
        for label, probability in hit.types.items():
            if label != "O" and probability >= _LEAST:
                enter(hit.start, hit.end, label, f"g {int(probability * 5)}{often}", f"g {label}")
        likeliest = max(hit.types, key=lambda kind: hit.types[kind])
        known[text.widen(hit.start, hit.end)] = f"{likeliest} {int(hit.types[likeliest] * 5)}{often}"
    if model is not None and prepared is not None:
        for number, reading in enumerate(model.readings(prepared)):
            for span in reading:
                enter(*span, f"m{number}", f"m{number} {span.label}")
    for start, end, label, source in _proposed(post):
        enter(start, end, label, source, f"{source} {label}")
    for span, features in features_of.items():
        features |= _spelled(post, span)
        seen = known.get(span[:2])
        if seen is not None and seen.split()[0] != span.label:
            features |= {f"g not {seen}", f"g not {seen.split()[0]} {span.label}"}
    for left, right in _overlapping(sorted(features_of)):
        for span, rival in ((left, right), (right, left)):
            place = _place(rival, span)
            features_of[span] |= {f"o {place} {source}" for source in sources[rival]}
    return features_of


# Proposals that are too seldom right for a vote, but may be right beside certain words.
_PROPOSALS = (
    (
        "quoted",
        "Value",
        re.compile(r"(?<![\w\"])\"(?! ?[,.] ?)[^\"\n]{1,40}?\"(?![\w\"])|(?<![\w'])'[^'\n]{1,24}'(?![\w'])"),
    ),
    ("number", "Value", re.compile(r"(?<![\w.,:-])-?\d+(?:[.,]\d+)*(?![\w]|[.,:/-]\d)")),
    ("truth", "Value", re.compile(r"\b(?:true|false|TRUE|FALSE|True|False|undefined)\b")),
    ("letter", "Variable", re.compile(r"(?<![\w'.-])[A-Zb-hj-z](?![\w'.+#-])")),
)


_BEFORE = re.compile(r"(?:\w+|[^\w\s])\s?$")
_BEHIND = re.compile(r"\s?(?:\w+|[^\w\s])")


def _proposed(post: EntityPost) -> Iterator[tuple[int, int, str, str]]:
    for source, label, pattern in _PROPOSALS:
        for match in pattern.finditer(post.prose):
            yield match.start(), match.end(), label, source


def _spelled(post: EntityPost, span: Span) -> set[str]:
    """Features of a span's spelling and neighbours."""
    word = post.text[span.start : span.end]
    spelled = shape(word)
    code = "code" if post.in_code(span.start) else "prose"
    length = min(4, word.count(" "))
    before = _BEFORE.search(post.prose, max(0, span.start - 20), span.start)
    after = _BEHIND.match(post.prose, span.end)
    left = before[0].strip().lower() if before else ""
    right = after[0].strip().lower() if after else ""
    return {
        f"b {left} {span.label}",
        f"a {right} {span.label}",
        f"b {left}",
        f"a {right}",
        "1",
        f"l {span.label}",
        f"n {length}",
        f"c {code} {span.label}",
        f"s {spelled}",
        f"s {spelled} {span.label}",
    }


def _overlapping(ordered: Sequence[Span]) -> Iterator[tuple[Span, Span]]:
    """Pairs of sorted spans that overlap."""
    for index, span in enumerate(ordered):
        for other in ordered[index + 1 :]:
            if other.start >= span.end:
                break
            yield span, other


def _place(other: Span, span: Span) -> str:
    """Position of another span relative to a span that it overlaps."""
    if other[:2] == span[:2]:
        return "same"
    if other.start <= span.start and other.end >= span.end:
        return "around"
    return "within" if other.start >= span.start and other.end <= span.end else "across"


def _prepare(text: Text) -> Prepared:
    return perceptron.prepare(text.post, [vote[:4] for vote in text.votes])


def _in_code(post: EntityPost) -> Callable[[int], bool]:
    return lambda start: post.in_code(start) is not None


def _weights(rows: Sequence[Sequence[int]], right: Sequence[bool], features: int) -> Float64:
    """Weights of features, float64[features], from those of each candidate and whether it is right."""
    from scipy.sparse import csr_matrix

    if all(right) or not any(right):
        raise InputError("nothing can be learned of entities: the candidates are all right, or all wrong")
    bounds = np.cumsum([0, *(len(row) for row in rows)])
    places = np.fromiter(chain.from_iterable(rows), np.int64, int(bounds[-1]))
    matrix: Any = csr_matrix((np.ones(len(places)), places, bounds), shape=(len(rows), features))
    return logistic.weights(matrix, np.array(right, np.int64), DECAY)
