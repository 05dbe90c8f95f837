"""Learning a tagger and a judge from annotated texts.

The judge is trained on texts whose questions the tagger had not seen (cross-fitting), since it would otherwise overrate
it, and so are the shares of right candidates by key. Its calibration is fitted on candidates that it did not see.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from socorpus.corpus.arrays import Float64
from socorpus.corpus.errors import InputError
from socorpus.labeling import logistic
from socorpus.labeling.tasks.entities import bio, judge, tagger
from socorpus.labeling.tasks.entities import post as entities_post
from socorpus.labeling.tasks.entities.judge import Candidates, Judge, Vote
from socorpus.labeling.tasks.entities.learned import Learned, kept
from socorpus.labeling.tasks.entities.post import EntityPost
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.labeling.tasks.entities.tagger import Prepared, Tagger

FOLDS = 8
TREES, DEPTH, RATE, FEWEST = 200, 4, 0.06, 40
"""Number, depth and step of the trees, and fewest candidates in a leaf, by cross-validation within train.txt."""
DOUBT = 8.0
"""Candidates of the mean share that are added to those of each key."""
SMALLEST = 0.05
"""Weights of the tagger below it are dropped."""
SURER = 0.06
"""Log-odds by which what is trained on all texts is surer than what is trained on all folds but one: measured within
train.txt by holding out a quarter of its questions (calibrated height 0.042 where the folds give -0.018)."""


@dataclass(frozen=True)
class Text:
    """A text with its votes and gold; texts with the same `question` stay in one fold."""

    post: EntityPost
    votes: Sequence[Vote]
    widen: Callable[[int, int], tuple[int, int]]
    gold: frozenset[Span] = frozenset()
    question: int = 0


@dataclass(frozen=True)
class CrossFitted:
    """A tagger that learned of all texts, and what taggers that had not seen a text's question find in it.

    Attributes:
        types: those of the gold spans.
        texts: number of each text, in the order of the folds.
        candidates: of each of these.
        right: bool[n], which of its candidates are gold spans once widened.
        fold: of each candidate of all, int64.
    """

    types: tuple[str, ...]
    tagger: Tagger
    texts: list[int]
    candidates: list[Candidates]
    right: list[npt.NDArray[np.bool_]]
    fold: npt.NDArray[np.int64]


def learn(texts: Sequence[Text]) -> Learned:
    """A tagger and a judge from texts with gold spans; the same texts give the same bytes.

    Raises:
        InputError: scikit-learn is not installed, or nothing can be learned of the texts.
    """
    crossed = cross_fitted(texts)
    return Learned(crossed.types, crossed.tagger, train_judge(crossed.candidates, _all(crossed.right), crossed.fold))


def cross_fitted(texts: Sequence[Text]) -> CrossFitted:
    """Candidates to train a judge on; see the module."""
    types = tuple(sorted({span.label for text in texts for span in text.gold}))
    joint = [entities_post.joined([text.post]) for text in texts]
    prepared = [
        tagger.prepare(place, [[vote[:4] for vote in text.votes]]) for place, text in zip(joint, texts, strict=True)
    ]
    fold = folds(texts)
    order, described, right = list[int](), list[Candidates](), list[npt.NDArray[np.bool_]]()
    for out in range(FOLDS):
        model = train_tagger([(prepared[i], texts[i].gold) for i in range(len(texts)) if fold[i] != out], types)
        for i in (i for i in range(len(texts)) if fold[i] == out):
            each = judge.candidates(joint[i], [texts[i].votes], types, model.spans(prepared[i]))
            order.append(i)
            described.append(each)
            right.append(is_right(texts[i], each, types))
    of = np.repeat(np.array([fold[i] for i in order], np.int64), [len(each.spans) for each in described])
    model = train_tagger(list(zip(prepared, [text.gold for text in texts], strict=True)), types)
    return CrossFitted(types, model, order, described, right, of)


def _all(right: Sequence[npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_]:
    return np.concatenate([np.zeros(0, bool), *right])


def folds(texts: Sequence[Text]) -> list[int]:
    """Fold of each text, by its question."""
    numbers = {question: index % FOLDS for index, question in enumerate(sorted({text.question for text in texts}))}
    return [numbers[text.question] for text in texts]


def is_right(text: Text, candidates: Candidates, types: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether each candidate is a gold span once widened, bool[n]."""
    return np.array(
        [Span(*text.widen(start, end), types[kind]) in text.gold for start, end, kind in candidates.spans.tolist()],
        bool,
    )


def train_tagger(examples: Sequence[tuple[Prepared, Iterable[Span]]], types: Sequence[str], seed: int = 0) -> Tagger:
    """Train on prepared texts and their gold spans; features that occur once are left out."""
    labels = ["O", *(f"{part}-{name}" for name in types for part in "BI")]
    numbers = {label: number for number, label in enumerate(labels)}
    keys, place, times = np.unique(
        np.concatenate([np.zeros(0, np.uint32), *(text.features for text, _ in examples)]),
        return_inverse=True,
        return_counts=True,
    )
    kept = times > 1
    row = np.where(kept, np.cumsum(kept) - 1, -1)[place.ravel()]
    sizes = np.concatenate([np.zeros(0, np.int64), *(np.diff(text.bounds) for text, _ in examples)])
    token = np.repeat(np.arange(len(sizes)), sizes)[row >= 0]
    bounds = np.r_[0, np.cumsum(np.bincount(token, minlength=len(sizes)))].astype(np.int64)
    lines: list[npt.NDArray[np.int32]] = [np.zeros((0, 2), np.int32)]
    gold, first = list[int](), 0
    for text, spans in examples:
        lines.append(text.lines + first)
        first += len(text.tokens)
        offsets = [(start, end) for start, end in text.tokens.tolist()]
        gold += [numbers[label] for label in bio.tags(sorted(spans), offsets)]
    return tagger.train(
        tuple(types), keys[kept], row[row >= 0].astype(np.int32), bounds, np.array(gold, np.int32),
        np.concatenate(lines).astype(np.int32), SMALLEST, seed,
    )  # fmt: skip


def train_judge(described: Sequence[Candidates], right: npt.NDArray[np.bool_], fold: npt.NDArray[np.int64]) -> Judge:
    """Train on the candidates of texts; see the module.

    Args:
        right: bool[n], of all candidates.
        fold: int64[n]

    Raises:
        InputError: scikit-learn is not installed, or all are right, or all wrong.
    """
    if right.all() or not right.any():
        raise InputError("nothing can be learned of entities: the candidates are all right, or all wrong")
    everything = joined(described)
    # Calibration by candidates that neither trees nor shares have seen.
    held = np.zeros(len(right))
    for out in range(FOLDS):
        seen, other = fold != out, np.flatnonzero(fold == out)
        part = _fit(take(everything, np.flatnonzero(seen)), right[seen], fold[seen])
        held[other] = part.raw(take(everything, other))
    # Labels are the spans that win where they overlap: their probabilities count.
    winners = _winners(described, held)
    slope, height = _calibrated(held[winners], right[winners])
    return replace(_fit(everything, right, fold), slope=slope, height=height + SURER)


def _winners(described: Sequence[Candidates], scores: Float64) -> npt.NDArray[np.int64]:
    """Rows of the candidates that are likely enough for a label, and win where they overlap."""
    rows, first = [], 0
    for part in described:
        likely = 1 / (1 + np.exp(-scores[first : first + len(part.spans)]))
        row = {
            Span(start, end, str(kind)): index for index, (start, end, kind) in enumerate(part.spans.tolist(), first)
        }
        weights = {span: float(likely[index - first]) for span, index in row.items()}
        rows += [row[span] for span in kept(weights)]
        first += len(part.spans)
    return np.array(rows, np.int64)


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Candidates of several texts as one."""
    bounds = np.r_[0, np.cumsum(np.concatenate([np.diff(part.bounds) for part in parts]))].astype(np.int64)
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("spans", "dense", "keys", "rules")]
    return Candidates(columns[0], columns[1], columns[2], columns[3], bounds)


def take(candidates: Candidates, rows: npt.NDArray[np.int64]) -> Candidates:
    """Some of the candidates."""
    sizes = np.diff(candidates.bounds)[rows]
    bounds = np.r_[0, np.cumsum(sizes)].astype(np.int64)
    places = np.arange(bounds[-1]) - np.repeat(bounds[:-1], sizes) + np.repeat(candidates.bounds[rows], sizes)
    return Candidates(
        candidates.spans[rows], candidates.dense[rows], candidates.keys[rows], candidates.rules[places], bounds
    )


def _fit(candidates: Candidates, right: npt.NDArray[np.bool_], fold: npt.NDArray[np.int64]) -> Judge:
    base = float(right.mean())
    owner = np.repeat(np.arange(len(right)), np.diff(candidates.bounds))
    rules, rule_shares, _ = _shares(candidates.rules, right[owner], base)
    keys, shares, times = _shares(candidates.keys.ravel(), np.repeat(right, candidates.keys.shape[1]), base)
    own = np.stack([_of_others(column, right, fold, base) for column in candidates.keys.T], 1).astype(np.float32)
    rule = rule_shares[np.searchsorted(rules, candidates.rules)]
    trees = _trees(judge.filled(candidates, own, rule), right)
    often = times > 1
    all_keys, all_shares = np.r_[keys[often], rules], np.r_[shares[often], rule_shares].astype(np.float32)
    all_keys, first = np.unique(all_keys, return_index=True)
    return replace(trees, keys=all_keys, shares=all_shares[first], base=base)


def _shares(keys: npt.NDArray[np.uint32], right: npt.NDArray[np.bool_], base: float) -> tuple[Any, Any, Any]:
    """Distinct keys, their shares of right candidates with shrinkage, and their numbers."""
    distinct, place = np.unique(keys, return_inverse=True)
    times = np.bincount(place.ravel(), minlength=len(distinct))
    hits = np.bincount(place.ravel(), weights=right, minlength=len(distinct))
    return distinct, ((hits + DOUBT * base) / (times + DOUBT)).astype(np.float32), times


def _of_others(keys: Any, right: Any, fold: Any, base: float) -> Float64:
    """Share of right candidates with the same key in other folds, float64[n]."""
    _, place = np.unique(keys, return_inverse=True)
    cell = place.ravel() * FOLDS + fold
    times = np.bincount(cell, minlength=(place.max() + 1) * FOLDS)
    hits = np.bincount(cell, weights=right, minlength=len(times))
    total = times.reshape(-1, FOLDS).sum(1)[place.ravel()] - times[cell]
    good = hits.reshape(-1, FOLDS).sum(1)[place.ravel()] - hits[cell]
    # A key seen once is left out of the shipped shares: here too.
    return np.where(total > 1, (good + DOUBT * base) / (total + DOUBT), base)


def _trees(rows: Any, right: npt.NDArray[np.bool_]) -> Judge:
    try:
        from sklearn.ensemble import GradientBoostingClassifier
    except ModuleNotFoundError:
        raise InputError(logistic.MISSING) from None
    model = GradientBoostingClassifier(
        n_estimators=TREES, max_depth=DEPTH, learning_rate=RATE, min_samples_leaf=FEWEST, subsample=0.5,
        max_features=12, random_state=0,
    ).fit(rows, right)  # fmt: skip
    roots, feature, threshold, left, right_, count = [], [], [], [], [], 0
    for (tree,) in model.estimators_:
        nodes = tree.tree_
        leaf = nodes.children_left < 0
        roots.append(count)
        feature.append(np.where(leaf, -1, nodes.feature))
        threshold.append(np.where(leaf, RATE * nodes.value[:, 0, 0], nodes.threshold))
        left.append(np.where(leaf, -1, nodes.children_left + count))
        right_.append(np.where(leaf, -1, nodes.children_right + count))
        count += nodes.node_count
    share = right.mean()
    nothing = np.zeros(0)
    return Judge(
        nothing.astype(np.uint32), nothing.astype(np.float32), 0.0, float(np.log(share / (1 - share))),
        np.array(roots, np.int32), np.concatenate(feature).astype(np.int16),
        np.concatenate(threshold).astype(np.float32),
        np.concatenate(left).astype(np.int32), np.concatenate(right_).astype(np.int32), 1.0, 0.0,
    )  # fmt: skip


def _calibrated(scores: Float64, right: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and height of log-odds that fit best (Platt 1999), by Newton's method."""
    x, y = np.stack([scores, np.ones(len(scores))], 1), right.astype(np.float64)
    weights = np.array([1.0, 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-(x @ weights)))
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(2), x.T @ (y - p))
        weights = weights + step
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])
