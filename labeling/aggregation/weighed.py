"""Probabilities of spans by a function that weighs the others, and what people's judgements change of them.

People's verdicts on spans of this corpus, and on names, teach a correction of the log-odds: one for all spans, one for
each type, and one for each name with its type. They are normally distributed around zero a priori (ridge regression
with the weigher's log-odds as offset), so that few verdicts change little.
"""

import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling.aggregation import annotators, calibration, dawid_skene, held_out
from socorpus.labeling.aggregation import patterns as vote_patterns
from socorpus.labeling.aggregation.dawid_skene import ABSTAIN, LabelModel
from socorpus.labeling.aggregation.vote_matrix import NO_SPAN, Items
from socorpus.labeling.schema import Task, Weigher

VERSION = 3
Float = npt.NDArray[np.float64]
_DEVIATIONS = (1.0, 0.7, 1.5)
"""A priori standard deviations of the corrections of all spans, of a type, and of a name."""
_SCALES = (0.5, 0.1, 1.0)
"""Factors of the first two that are tried; the first stays where fewer than `_FEWEST_NAMES` names were judged."""
_FEWEST_NAMES, _FOLDS = 20, 5
_SWEEPS = 60
_HIGHEST = 0.999


class JudgedSpan(NamedTuple):
    """A verdict of people on a span of a text."""

    verdict: "Judged"
    fold: int
    """In which its post is held out."""
    blind: bool
    """Whether the text was marked without a suggestion."""


class Judged(NamedTuple):
    """A verdict of people: a weigher's probability of a span with a type, and how many of how many called it right."""

    label: str
    name: str
    probability: float
    right: float
    times: float


@dataclass(frozen=True)
class Corrections:
    """Changes of log-odds.

    Attributes:
        every: of all spans.
        types: of each type.
        names: type and a space and the name in lower case -> its change.
        verdicts: number of verdicts they come from.
    """

    every: float = 0.0
    types: Mapping[str, float] = field(default_factory=dict)
    names: Mapping[str, float] = field(default_factory=dict)
    verdicts: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As JSON; numbers are rounded to nine decimals."""
        return {
            "every": round(self.every, 9),
            "types": {name: round(value, 9) for name, value in sorted(self.types.items())},
            "names": {name: round(value, 9) for name, value in sorted(self.names.items())},
            "verdicts": self.verdicts,
        }


NOTHING = Corrections()


def from_dict(values: Mapping[str, Any] | None) -> Corrections:
    """The corrections that `Corrections.as_dict` wrote; none of None."""
    return NOTHING if not values else Corrections(values["every"], values["types"], values["names"], values["verdicts"])


def fit(judged: Iterable[Judged]) -> Corrections:
    """The likeliest corrections a posteriori, by Newton's method over one group of them after the other.

    How far those of all spans and of types may go is chosen by how well they tell verdicts on names that were held out:
    what is often wrong on one site need not be on another, and the commonest names are not those of a type. The same
    verdicts in any order give the same corrections.
    """
    rows = sorted(judged)
    if not rows:
        return NOTHING
    keys = [f"{row.label} {row.name}" for row in rows]
    fold = np.array([zlib.crc32(key.encode()) % _FOLDS for key in keys])
    scale = _SCALES[0]
    if len(set(keys)) >= _FEWEST_NAMES:
        scale = min(_SCALES, key=lambda scale: _held_out(rows, fold, scale))
    return _fit(rows, scale)


def _held_out(rows: Sequence[Judged], fold: npt.NDArray[np.int64], scale: float) -> float:
    """Log loss of verdicts on names by corrections that were learned from others."""
    loss = 0.0
    for number in np.unique(fold).tolist():
        corrections = _fit([row for row, own in zip(rows, fold == number, strict=True) if not own], scale)
        own = [row for row, held in zip(rows, fold == number, strict=True) if held]
        odds = _log_odds(np.array([row.probability for row in own])) + corrections.every
        odds += np.array([corrections.types.get(row.label, 0.0) for row in own])
        right, times = (np.array([getattr(row, name) for row in own], np.float64) for name in ("right", "times"))
        loss += float((times * np.logaddexp(0, odds) - right * odds).sum())
    return round(loss, 9)


def _fit(rows: Sequence[Judged], scale: float) -> Corrections:
    if not rows:
        return NOTHING
    offset = _log_odds(np.array([row.probability for row in rows]))
    right, times = (np.array([getattr(row, name) for row in rows], np.float64) for name in ("right", "times"))
    types, type_of = np.unique([row.label for row in rows], return_inverse=True)
    names, name_of = np.unique([f"{row.label} {row.name}" for row in rows], return_inverse=True)
    groups = (np.zeros(len(rows), np.int64), type_of.ravel(), name_of.ravel())
    deviations = (scale * _DEVIATIONS[0], scale * _DEVIATIONS[1], _DEVIATIONS[2])
    changes = [np.zeros(int(group.max()) + 1) for group in groups]
    for _ in range(_SWEEPS):
        for which, group in enumerate(groups):
            odds = offset + sum(change[other] for change, other in zip(changes, groups, strict=True))
            believed = 1 / (1 + np.exp(-odds))
            inverse = deviations[which] ** -2
            slope = np.bincount(group, weights=right - times * believed) - inverse * changes[which]
            bend = np.bincount(group, weights=times * believed * (1 - believed)) + inverse
            changes[which] = changes[which] + np.clip(slope / bend, -1.0, 1.0)
    return Corrections(
        float(changes[0][0]),
        dict(zip(types.tolist(), changes[1].tolist(), strict=True)),
        dict(zip(names.tolist(), changes[2].tolist(), strict=True)),
        int(times.sum()),
    )


def held_out_corrections(spans: Sequence[JudgedSpan], names: Sequence[Judged]) -> list[Corrections]:
    """Of each fold the corrections by verdicts on names, and on the spans of all other folds."""
    return [fit([*(span.verdict for span in spans if span.fold != fold), *names]) for fold in range(held_out.FOLDS)]


def measure(spans: Sequence[JudgedSpan], names: Sequence[Judged], least: float) -> dict[str, Any] | None:
    """Figures of held-out probabilities against people's verdicts on spans, as in a label model's `measured`.

    Spans that overlap count each. None where fewer than `dawid_skene.FEWEST_JUDGED` were judged.

    Args:
        least: lowest probability of a label; what is less likely is none, and does not count.
    """
    corrections = held_out_corrections(spans, names)
    rows = [
        (likely, span.verdict.right > 0, span.fold, span.blind)
        for span in spans
        if (likely := _corrected(span.verdict, corrections[span.fold])) >= least
    ]
    blind = [row for row in rows if row[3]]
    chosen = blind if len(blind) >= dawid_skene.ENOUGH_BLIND else rows
    if len(chosen) < dawid_skene.FEWEST_JUDGED:
        return None
    stated, right, fold = (np.array([row[column] for row in chosen]) for column in range(3))
    figures = calibration.measure_stated(stated, right, fold)
    return figures | {"blind": len(blind), "only_blind": chosen is blind}


def _corrected(verdict: Judged, corrections: Corrections) -> float:
    change = corrections.every + corrections.types.get(verdict.label, 0.0)
    change += corrections.names.get(f"{verdict.label} {verdict.name}", 0.0)
    return float(1 / (1 + np.exp(-_log_odds(np.array([verdict.probability]))[0] - change)))


def judged(examples: pa.Table, votes: pa.Table, task: Task) -> list[JudgedSpan]:
    """People's verdicts on a bucket's spans that the task's weigher voted for; in texts that people marked, one by one.

    A span that people are divided on, or that overlaps one of which they are, teaches nothing.
    """
    weigher = task.weighed_by
    if weigher is None:
        return []
    words = votes.filter(pc.equal(votes["source"], "person")).to_pylist()
    verdicts = annotators.of_spans(words)
    if not verdicts:
        return []
    weighted = votes.filter(pc.equal(votes["function"], weigher.function))
    weighted = weighted.filter(pc.is_in(weighted["post_id"], value_set=pa.array(sorted(verdicts), pa.int64())))
    texts = dict(zip(examples["post_id"].to_pylist(), examples["text"].to_pylist(), strict=True))
    likely = of_votes(weighted["evidence"])
    fold, blind = held_out.of_posts(np.asarray(weighted["post_id"], np.int64)).tolist(), annotators.blind(words)
    rows = []
    for row, probability, number in zip(weighted.to_pylist(), likely.tolist(), fold, strict=True):
        own = verdicts[row["post_id"]]
        place = (row["start"], row["end"])
        if place in own and own[place].label is None:
            continue
        right = place in own and own[place].label == row["label"]
        name = texts[row["post_id"]][place[0] : place[1]].lower()
        verdict = Judged(row["label"], name, probability, float(right), 1.0)
        rows.append(JudgedSpan(verdict, number, row["post_id"] in blind))
    return rows


def of_names(rows: Iterable[Mapping[str, Any]], mentions: Iterable[Mapping[str, Sequence[float]]]) -> list[Judged]:
    """People's judgements of names (`schema.NAMES`) as verdicts; those of several people on a name are averaged.

    Args:
        mentions: what `mentioned` found in each bucket. A name that is no longer mentioned teaches nothing.
    """
    last = {(f"{row['label']} {row['name']}", row["function"]): row for row in sorted(rows, key=lambda row: row["at"])}
    shares: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for (key, _), row in sorted(last.items()):
        shares[key].append((row["right"] / row["times"], row["times"]))
    count: dict[str, float] = defaultdict(float)
    total: dict[str, float] = defaultdict(float)
    for part in mentions:
        for key, (number, likely) in part.items():
            count[key] += number
            total[key] += likely
    verdicts = []
    for key, judgements in shares.items():
        if count[key]:
            label, _, name = key.partition(" ")
            times = float(max(times for _, times in judgements))
            right = times * sum(share for share, _ in judgements) / len(judgements)
            verdicts.append(Judged(label, name, total[key] / count[key], right, times))
    return verdicts


def mentioned(
    examples: pa.Table, votes: pa.Table, weigher: Weigher, names: Collection[tuple[str, str]]
) -> dict[str, list[float]]:
    """Mentions of names in a bucket that its weigher finds likely enough for a label.

    Args:
        names: labels and names in lower case.

    Returns:
        Label and a space and the name -> number of mentions, and the sum of their probabilities.
    """
    wanted = {f"{label} {name}" for label, name in names}
    weighted = votes.filter(pc.equal(votes["function"], weigher.function))
    weighted = weighted.filter(pc.is_in(weighted["label"], value_set=pa.array(sorted({label for label, _ in names}))))
    likely = of_votes(weighted["evidence"])
    keys = _keys(weighted, examples)
    mentions: dict[str, list[float]] = {}
    for key, probability in zip(keys, likely.tolist(), strict=True):
        if key in wanted and probability >= weigher.least:
            count, total = mentions.get(key, (0.0, 0.0))
            mentions[key] = [count + 1, total + probability]
    return mentions


def choose(
    items: Items, votes: pa.Table, model: LabelModel, weigher: Weigher, examples: pa.Table, corrections: Corrections
) -> tuple[npt.NDArray[np.int64], Float, npt.NDArray[np.bool_]]:
    """Label of each item (int64[n]), probabilities (float64[n, k]), and whether it is likely enough (bool[n]).

    The probabilities of a span that is weighed sum up to its own: the rest is that it is none.
    """
    size = len(model.labels)
    own = model.functions.index(weigher.function)
    others = np.array([name not in weigher.known for name in model.functions], bool)
    heard = items.votes[:, own] != ABSTAIN
    foreign_votes = np.where(others, items.votes, ABSTAIN).astype(np.int8)
    label, probabilities = by_others = model.choose(foreign_votes)
    stands = dawid_skene.likeliest(label, probabilities)
    foreign = (model.counted(foreign_votes) != ABSTAIN).any(1) & (items.start != NO_SPAN)
    rows = np.flatnonzero(np.asarray(pc.equal(votes["function"], weigher.function)))
    weighted = votes.take(pa.array(rows))
    likely = np.zeros(len(items))
    odds = _log_odds(of_votes(weighted["evidence"])) + _changes(weighted, examples, corrections)
    likely[items.item[rows]] = 1 / (1 + np.exp(-odds))
    place = np.flatnonzero(heard)
    kind = items.votes[place, own].astype(np.int64)
    mass = np.zeros((len(place), size))
    mass[np.arange(len(place)), kind] = likely[place]
    both = foreign[place]
    if both.any():
        # Two voices: odds multiply, over what is likely anyway.
        spread = mass[both] + (1 - likely[place][both])[:, None] / (size + 1)
        ratio = spread * probabilities[place[both]] / model.start(foreign_votes[place[both]])
        nothing = (1 - likely[place][both]) / (size + 1)
        mass[both] = ratio / (ratio.sum(1) + nothing)[:, None]
    probabilities = probabilities.copy()
    probabilities[place] = mass
    label = label.copy()
    label[place] = mass.argmax(1)
    enough = mass.max(1, initial=0.0) >= weigher.least
    spoken = foreign & stands
    spoken[place] = enough
    # A stated fact is true whatever the weigher says.
    if stating := vote_patterns.places(model.functions, model.facts):
        stated = (foreign_votes[:, stating] != ABSTAIN).any(1) & (items.start != NO_SPAN)
        label[stated], probabilities[stated], spoken[stated] = by_others[0][stated], by_others[1][stated], True
    return label, probabilities, spoken


def _changes(weighted: pa.Table, examples: pa.Table, corrections: Corrections) -> Float:
    """Change of the log-odds of each of a weigher's votes, float64[n]."""
    changes = np.full(weighted.num_rows, corrections.every)
    if not corrections.verdicts:
        return changes
    for row, key in enumerate(_keys(weighted, examples)):
        changes[row] += corrections.types.get(key.partition(" ")[0], 0.0) + corrections.names.get(key, 0.0)
    return changes


def _keys(weighted: pa.Table, examples: pa.Table) -> list[str]:
    """Of each of a weigher's votes the label, a space, and what is labelled, in lower case."""
    texts = dict(zip(examples["post_id"].to_pylist(), examples["text"].to_pylist(), strict=True))
    columns = (weighted[name].to_pylist() for name in ("post_id", "start", "end", "label"))
    return [f"{label} {texts[post][start:end].lower()}" for post, start, end, label in zip(*columns, strict=True)]


def of_votes(evidence: pa.ChunkedArray) -> Float:
    """The probability that each of a weigher's votes has in its evidence, float64[n]."""
    matched: Sequence[Any] = pc.struct_field(pc.extract_regex(evidence, r'"p": ?(?P<p>[0-9.e-]+)'), "p")
    return np.asarray(pc.fill_null(pc.cast(matched, pa.float64()), 0.0), dtype=np.float64)


def _log_odds(probability: Float) -> Float:
    likely = np.clip(probability, 1 - _HIGHEST, _HIGHEST)
    return np.asarray(np.log(likely / (1 - likely)))
