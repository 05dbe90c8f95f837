"""A small model of names in their context: a linear-chain conditional random field (Lafferty et al. 2001) over tokens.

It learns only from an annotated file, in a minute, and complements the labelling functions: its features are the token
and its neighbours, their spelling, the segments, and the functions' votes. Labels are BIO of the types.
Training is by AdaGrad (Duchi et al. 2011) on single lines, with L2; decoding is Viterbi's.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from socorpus.corpus.arrays import njit
from socorpus.labeling.tasks.entities import bio
from socorpus.labeling.tasks.entities.post import EntityPost
from socorpus.labeling.tasks.entities.spans import Span

EPOCHS = 8
RATE, DECAY = 0.07, 0.002
"""Step length and L2, chosen by cross-validation within train.txt."""
GENEROSITY = (0.0, 0.7, 1.5, 2.5)
"""Reductions of the score of O, in nats: the larger, the more spans. Each gives a reading of a text."""
Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]
Votes = Sequence[tuple[int, int, str, str]]
"""Start, end, type and function of each vote on a text, by the functions."""

TOKEN = re.compile(
    r"[\w$@#]*\w\([\w$, ]*\)(?:\.\w+\([\w$, ]*\))*"  # calls stay whole
    r"|</?\w[\w:-]*\s?/?>"
    r"|(?:[A-Za-z]:)?(?:[/\\~][\w.@-]+)+[/\\]?"
    r"|[.@#$]?\w+(?:(?:[-./:_@&+]|::|->)+\w+)*(?:\+\+|[#*+](?!\w))?(?:\(\))?"
    r"|'(?:s|m|ve|re|ll|d|t)\b"
    r"|[^\w\s]"
)


@dataclass(frozen=True)
class Prepared:
    """A text as the model sees it: tokens (start, end), lines (first token, last + 1), names of features."""

    tokens: Sequence[tuple[int, int]]
    lines: Sequence[tuple[int, int]]
    names: Sequence[Sequence[str]]


def prepare(post: EntityPost, votes: Votes) -> Prepared:
    """Tokens of a post with their features."""
    tokens, lines = tokenize(post.open)
    return Prepared(tokens, lines, features(post, tokens, lines, votes))


@dataclass(frozen=True)
class Perceptron:
    """A trained model.

    Attributes:
        labels: BIO labels; label 0 is O.
        features: feature -> its row.
        weights: float32[features, labels].
        transitions: float32[labels + 1, labels], from the label before; the last row is for a line's first token.
    """

    labels: tuple[str, ...]
    features: Mapping[str, int]
    weights: Float32
    transitions: Float32

    def readings(self, text: Prepared) -> list[list[Span]]:
        """Spans of a text, one list for each of `GENEROSITY`."""
        if not text.tokens:
            return [[] for _ in GENEROSITY]
        known = self.features
        flat, bounds = _flat([[known[name] for name in names if name in known] for names in text.names])
        scores = np.zeros((len(text.tokens), len(self.labels)), np.float32)
        _score(self.weights, flat, bounds, scores)
        read = []
        for less in GENEROSITY:
            decoded = np.zeros(len(text.tokens), np.int32)
            _viterbi(scores, np.array(text.lines, np.int32), self.transitions, np.float32(less), decoded)
            read.append(bio.spans([self.labels[number] for number in decoded.tolist()], text.tokens))
        return read


def tokenize(text: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Tokens of a text (start, end), and its lines that have tokens (first token, last + 1)."""
    tokens: list[tuple[int, int]] = []
    lines: list[tuple[int, int]] = []
    offset = 0
    for line in text.split("\n"):
        first = len(tokens)
        tokens += [(offset + m.start(), offset + m.end()) for m in TOKEN.finditer(line)]
        if len(tokens) > first:
            lines.append((first, len(tokens)))
        offset += len(line) + 1
    return tokens, lines


def shape(word: str) -> str:
    """Spelling of a word: runs of upper case, lower case and digits as X, x and 0; other characters stay."""
    return re.sub(r"\d+", "0", re.sub(r"[^\W\d_A-Z]+", "x", re.sub(r"[A-Z]+", "X", word)))[:12]


def features(
    post: EntityPost, tokens: Sequence[tuple[int, int]], lines: Sequence[tuple[int, int]], votes: Votes
) -> list[list[str]]:
    """Names of the features of each token."""
    text = post.open
    words = [text[start:end] for start, end in tokens]
    lower = [re.sub(r"\d", "0", word.lower()) for word in words]
    shapes = [shape(word) for word in words]
    voted = _voted(tokens, votes)
    coded = _coded(post, tokens)
    in_code = {word for word, code in zip(words, coded, strict=True) if code == "code1"}
    rows: list[list[str]] = []
    for first, last in lines:
        for token in range(first, last):
            word, low = words[token], lower[token]
            before = lower[token - 1] if token > first else "<"
            after = lower[token + 1] if token + 1 < last else ">"
            before2 = lower[token - 2] if token > first + 1 else "<"
            after2 = lower[token + 2] if token + 2 < last else ">"
            names = [
                "1",
                f"w={low}",
                f"W={word}",
                f"s={shapes[token]}",
                f"p3={low[:3]}",
                f"x3={low[-3:]}",
                f"p4={low[:4]}",
                f"x4={low[-4:]}",
                f"x2={low[-2:]}",
                f"-1={before}",
                f"+1={after}",
                f"-2={before2}",
                f"+2={after2}",
                f"-1,0={before},{low}",
                f"0,+1={low},{after}",
                f"-1,+1={before},{after}",
                f"-2,-1={before2},{before}",
                f"+1,+2={after},{after2}",
                f"c={coded[token]}",
                f"c,s={coded[token]},{shapes[token]}",
                f"c,-1={coded[token]},{before}",
                f"c,+1={coded[token]},{after}",
                f"s,-1={shapes[token]},{before}",
                f"s,+1={shapes[token]},{after}",
                f"-1s={shapes[token - 1] if token > first else '<'}",
                f"+1s={shapes[token + 1] if token + 1 < last else '>'}",
            ]
            if coded[token] == "" and word in in_code:
                names.append("code elsewhere")
            votes_here = voted.get(token, ())
            names += [f"v={vote}" for vote in votes_here]
            if not votes_here:
                names.append(f"no vote,{shapes[token]}")
            if len(votes_here) > 1:
                names.append("vs=" + "|".join(votes_here))
            names += [f"v-1={vote}" for vote in voted.get(token - 1, ()) if token > first]
            names += [f"v+1={vote}" for vote in voted.get(token + 1, ()) if token + 1 < last]
            rows.append(names)
    return rows


def train(examples: Iterable[tuple[Prepared, Sequence[Span]]], epochs: int = EPOCHS, seed: int = 0) -> Perceptron:
    """Train on prepared texts and their gold spans; the result depends only on the seed.

    Features that occur only once are left out.
    """
    given = list(examples)
    times = Counter(name for text, _ in given for names in text.names for name in names)
    known: dict[str, int] = {}
    rows: list[list[int]] = []
    gold: list[str] = []
    lines: list[tuple[int, int]] = []
    for text, spans in given:
        lines += [(len(rows) + first, len(rows) + last) for first, last in text.lines]
        gold += bio.tags(spans, text.tokens)
        rows += [[known.setdefault(name, len(known)) for name in names if times[name] > 1] for names in text.names]
    labels = ("O", *sorted(set(gold) - {"O"}))
    numbers = {label: number for number, label in enumerate(labels)}
    flat, bounds = _flat(rows)
    weights = np.zeros((len(known), len(labels)), np.float32)
    transitions = np.zeros((len(labels) + 1, len(labels)), np.float32)
    allowed = _allowed(labels)
    orders = [np.random.default_rng([seed, epoch]).permutation(len(lines)) for epoch in range(epochs)]
    if lines:
        _train(
            flat,
            bounds,
            np.array([numbers[label] for label in gold], np.int32),
            np.array(lines, np.int32),
            allowed,
            np.stack(orders).astype(np.int32),
            weights,
            transitions,
        )
    return Perceptron(labels, known, weights, np.where(allowed, transitions, np.float32(-1e9)))


def _voted(tokens: Sequence[tuple[int, int]], votes: Votes) -> dict[int, tuple[str, ...]]:
    """Votes on each token with votes: function, B or I, type."""
    by_token: dict[int, set[str]] = {}
    for start, end, label, function in votes:
        first, last = bio.touched(tokens, start, end)
        for token in range(first, last):
            by_token.setdefault(token, set()).add(f"{function},{'B' if token == first else 'I'},{label}")
    return {token: tuple(sorted(each)) for token, each in by_token.items()}


def _coded(post: EntityPost, tokens: Sequence[tuple[int, int]]) -> list[str]:
    """Whether each token is inline code of a single token, begins a longer one, or lies in it; empty for prose."""
    coded = [""] * len(tokens)
    for start, end in post.code:
        first, last = bio.touched(tokens, start, end)
        for token in range(first, last):
            coded[token] = "code1" if last - first == 1 else "codeB" if token == first else "codeI"
    return coded


def _flat(rows: Sequence[Sequence[int]]) -> tuple[Int32, npt.NDArray[np.int64]]:
    bounds = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=bounds[1:])
    return np.fromiter((number for row in rows for number in row), np.int32, int(bounds[-1])), bounds


def _allowed(labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Allowed transitions: an I- only follows its own type's B- or I-. The last row is for a line's first token."""
    allowed = np.ones((len(labels) + 1, len(labels)), bool)
    for to, label in enumerate(labels):
        if label[0] == "I":
            allowed[:, to] = [other[2:] == label[2:] for other in (*labels, "O")]
    return allowed


@njit(cache=True, nogil=True)
def _score(weights, flat, bounds, scores):  # type: ignore[no-untyped-def]
    """Fill scores[token, label] with the sums of the weights of each token's features."""
    for token in range(len(bounds) - 1):
        for place in range(bounds[token], bounds[token + 1]):
            row = flat[place]
            for label in range(weights.shape[1]):
                scores[token, label] += weights[row, label]


@njit(cache=True, nogil=True)
def _viterbi(scores, lines, transitions, less, decoded):  # type: ignore[no-untyped-def]
    """Fill found[token] with the best labels of each line, with `less` subtracted from the scores of label 0."""
    labels = scores.shape[1]
    best = np.zeros(scores.shape, np.float32)
    back = np.zeros(scores.shape, np.int32)
    for number in range(len(lines)):
        start, end = lines[number]
        for token in range(start, end):
            for label in range(labels):
                source = labels
                value = transitions[labels, label]
                if token > start:
                    source, value = 0, best[token - 1, 0] + transitions[0, label]
                    for other in range(1, labels):
                        candidate = best[token - 1, other] + transitions[other, label]
                        if candidate > value:
                            source, value = other, candidate
                best[token, label] = value + scores[token, label] - (less if label == 0 else 0)
                back[token, label] = source
        last = 0
        for label in range(1, labels):
            if best[end - 1, label] > best[end - 1, last]:
                last = label
        for token in range(end - 1, start - 1, -1):
            decoded[token] = last
            last = back[token, last]


@njit(cache=True, nogil=True)
def _train(flat, bounds, gold, lines, allowed, orders, weights, transitions):  # type: ignore[no-untyped-def]
    """Move weights and transitions down the gradient of each line's negative log-likelihood, in the given orders."""
    labels = allowed.shape[1]
    squares = np.full(weights.shape, 0.1, np.float32)
    squares_between = np.full(transitions.shape, 1.0, np.float32)
    longest = 0
    for number in range(len(lines)):
        longest = max(longest, lines[number, 1] - lines[number, 0])
    emit = np.zeros((longest, labels))
    forward = np.zeros((longest, labels))
    backward = np.zeros((longest, labels))
    scale = np.zeros(longest)
    step = np.zeros((labels + 1, labels))
    expected = np.zeros((labels + 1, labels))
    scores = np.zeros(labels)
    for epoch in range(orders.shape[0]):
        for number in orders[epoch]:
            start, end = lines[number]
            length = end - start
            for a in range(labels + 1):
                for b in range(labels):
                    step[a, b] = math.exp(transitions[a, b]) if allowed[a, b] else 0.0
                    expected[a, b] = 0.0
            # Forward, each token scaled to sum to one.
            for i in range(length):
                scores[:] = 0.0
                for place in range(bounds[start + i], bounds[start + i + 1]):
                    for b in range(labels):
                        scores[b] += weights[flat[place], b]
                highest = scores.max()
                total = 0.0
                for b in range(labels):
                    emit[i, b] = math.exp(scores[b] - highest)
                    reach = step[labels, b]
                    if i > 0:
                        reach = 0.0
                        for a in range(labels):
                            reach += forward[i - 1, a] * step[a, b]
                    forward[i, b] = reach * emit[i, b]
                    total += forward[i, b]
                scale[i] = total
                for b in range(labels):
                    forward[i, b] /= total
            backward[length - 1, :] = 1.0
            for i in range(length - 2, -1, -1):
                for a in range(labels):
                    reach = 0.0
                    for b in range(labels):
                        reach += step[a, b] * emit[i + 1, b] * backward[i + 1, b]
                    backward[i, a] = reach / scale[i + 1]
            # Expected minus observed transitions.
            for b in range(labels):
                expected[labels, b] = forward[0, b] * backward[0, b]
            expected[labels, gold[start]] -= 1.0
            for i in range(1, length):
                for a in range(labels):
                    if forward[i - 1, a] > 1e-8:
                        for b in range(labels):
                            expected[a, b] += forward[i - 1, a] * step[a, b] * emit[i, b] * backward[i, b] / scale[i]
                expected[gold[start + i - 1], gold[start + i]] -= 1.0
            for a in range(labels + 1):
                for b in range(labels):
                    if allowed[a, b] and abs(expected[a, b]) > 1e-7:
                        slope = expected[a, b] + DECAY * transitions[a, b]
                        squares_between[a, b] += slope * slope
                        transitions[a, b] -= RATE * slope / math.sqrt(squares_between[a, b])
            for i in range(length):
                for b in range(labels):
                    miss = forward[i, b] * backward[i, b] - (1.0 if b == gold[start + i] else 0.0)
                    if abs(miss) > 1e-4:
                        for place in range(bounds[start + i], bounds[start + i + 1]):
                            row = flat[place]
                            slope = miss + DECAY * weights[row, b]
                            squares[row, b] += slope * slope
                            weights[row, b] -= RATE * slope / math.sqrt(squares[row, b])
