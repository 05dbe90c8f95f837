"""Votes and a model -> labels: the functions' probabilities, people's verdicts above them, spans that don't overlap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling import schema
from socorpus.labeling.aggregation import annotators, vote_matrix
from socorpus.labeling.aggregation.dawid_skene import ABSTAIN, LabelModel
from socorpus.labeling.aggregation.vote_matrix import NO_SPAN, Items
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities import spans
from socorpus.labeling.tasks.entities.spans import Span

Float = npt.NDArray[np.float64]
_DECIDED = 1000.0
"""Weight of a person's span where spans compete: above every probability."""
_GRADES = 10
"""Probabilities of competing spans are compared in so many grades: within one, the longer span wins."""


@dataclass(frozen=True)
class _Outcome:
    """What each item comes to; arrays of length n, n x k."""

    probabilities: Float
    label: npt.NDArray[np.int64]
    kept: npt.NDArray[np.bool_]
    person: npt.NDArray[np.bool_]
    conflict: npt.NDArray[np.bool_]


def decide(examples: pa.Table, votes: pa.Table, model: LabelModel, task: Task) -> pa.Table:
    """The labels of a bucket.

    Args:
        examples: `schema.EXAMPLES`.
        votes: `schema.VOTES` of functions, models and people, on these examples; in any order.
        model: fitted on the votes of functions and models.

    Returns:
        `schema.LABELS` in order of post and span; an example, or a span, on which nobody voted has no row. A
        probability is rounded to float32.
    """
    votes = votes.combine_chunks()
    found = vote_matrix.gather(votes, model.functions, task)
    result = _functions(found, votes, model)
    said = votes.filter(pc.equal(votes["source"], "person")).to_pylist()
    result = _spans(found, result, said, task) if task.spans else _texts(found, result, said, task)
    return _table(examples, votes, found, result, model)


def _functions(found: Items, votes: pa.Table, model: LabelModel) -> _Outcome:
    label, probabilities = model.choose(found.votes)
    spoken = (found.votes != ABSTAIN).any(1)
    said = np.asarray(pc.is_valid(votes["label"]))
    codes = np.asarray(votes["label"].combine_chunks().dictionary_encode().indices.fill_null(-1), dtype=np.int64)
    different = np.unique(np.stack([found.item[said], codes[said]], 1), axis=0)[:, 0]
    conflict = np.bincount(different, minlength=len(found)) > 1
    return _Outcome(probabilities, label, spoken, np.zeros(len(found), bool), conflict)


def _texts(found: Items, result: _Outcome, said: Sequence[annotators.Row], task: Task) -> _Outcome:
    """People's verdicts on whole texts. Where they are divided and no function speaks, what is usual decides."""
    verdicts = annotators.of_texts(said)
    result = replace(result, probabilities=result.probabilities.copy(), label=result.label.copy())
    row = dict(zip(found.post.tolist(), range(len(found)), strict=True))
    for post, verdict in verdicts.items():
        at = row[post]
        result.kept[at] = True
        result.conflict[at] |= verdict.divided
        if verdict.label is not None:
            _settle(result, at, task.index(verdict.label))
    return result


def _settle(result: _Outcome, at: int, label: int) -> None:
    result.person[at] = True
    result.label[at] = label
    result.probabilities[at] = 0
    result.probabilities[at, label] = 1


def _spans(found: Items, result: _Outcome, said: Sequence[annotators.Row], task: Task) -> _Outcome:
    """People's spans, and of the functions' those that win where they overlap, in texts that no person marked."""
    verdicts = annotators.of_spans(said)
    result = replace(result, probabilities=result.probabilities.copy(), label=result.label.copy())
    spoken, result.kept[:] = result.kept.copy(), False
    places = list(zip(found.start.tolist(), found.end.tolist(), strict=True))
    for post, group in groupby(range(len(found)), key=lambda at: int(found.post[at])):
        rows = [at for at in group if found.start[at] != NO_SPAN]
        own = verdicts.get(post)
        weights: dict[Span, tuple[int, float]] = {}
        for at in rows:
            verdict = own.get(places[at]) if own is not None else None
            if own is not None and verdict is None:
                continue
            if verdict is not None and verdict.label is not None:
                _settle(result, at, task.index(verdict.label))
            elif not spoken[at]:
                continue
            result.conflict[at] |= verdict is not None and verdict.divided
            label = int(result.label[at])
            weight = _DECIDED if result.person[at] else round(float(result.probabilities[at, label]) * _GRADES)
            weights[Span(*places[at], task.labels[label])] = (at, weight)
        won = [weights[span][0] for span in spans.resolve((span, weight) for span, (_, weight) in weights.items())]
        result.kept[won] = True
        _mark_losers(found, result, won, [at for at, _ in weights.values()])
    return result


def _mark_losers(found: Items, result: _Outcome, won: Sequence[int], stood: Sequence[int]) -> None:
    """A span is in conflict too where one of another label overlaps it and lost."""
    lost = sorted(set(stood) - set(won))
    for at in won if lost else ():
        start, end, label = found.start[at], found.end[at], result.label[at]
        result.conflict[at] |= any(
            found.start[other] < end and start < found.end[other] and result.label[other] != label for other in lost
        )


def _table(examples: pa.Table, votes: pa.Table, found: Items, result: _Outcome, model: LabelModel) -> pa.Table:
    kept = np.flatnonzero(result.kept)
    place = pc.index_in(pa.array(found.post[kept]), value_set=examples["post_id"].combine_chunks())
    of = examples.select(["site", "thread_id", "split"]).take(place)
    label, probabilities = result.label[kept], result.probabilities[kept].astype(np.float32)
    size = len(model.labels)
    bounds = pa.array(np.arange(len(kept) + 1, dtype=np.int32) * size)
    text = pa.array(found.start[kept] == NO_SPAN)
    values: Mapping[str, pa.Array] = {
        "site": of["site"],
        "post_id": pa.array(found.post[kept]),
        "start": pc.if_else(text, None, pa.array(found.start[kept], pa.int32())),
        "end": pc.if_else(text, None, pa.array(found.end[kept], pa.int32())),
        "label": pa.array(list(model.labels), pa.string()).take(pa.array(label)),
        "probability": pa.array(probabilities[np.arange(len(kept)), label]),
        "probabilities": pa.ListArray.from_arrays(bounds, pa.array(probabilities.ravel())),
        "source": pa.array(_sources(votes, found, result)[kept].tolist(), pa.string()),
        "version": pa.array([model.version] * len(kept), pa.string()),
        "conflict": pa.array(result.conflict[kept]),
        "votes": _votes(votes, found, kept),
        "split": of["split"],
        "thread_id": of["thread_id"],
    }
    return pa.table([values[name] for name in schema.LABELS.names], schema=schema.LABELS)


def _sources(votes: pa.Table, found: Items, result: _Outcome) -> npt.NDArray[np.object_]:
    """person where people settled it, model where only models voted, else function."""
    functions = np.zeros(len(found), bool)
    functions[found.item[np.asarray(pc.equal(votes["source"], "function"))]] = True
    models = np.zeros(len(found), bool)
    models[found.item[np.asarray(pc.equal(votes["source"], "model"))]] = True
    chosen = np.where(models & ~functions, "model", "function").astype(object)
    chosen[result.person] = "person"
    return chosen


def _votes(votes: pa.Table, found: Items, kept: npt.NDArray[np.int64]) -> pa.ListArray:
    """The votes on each item that is kept, in the order of the votes' table."""
    order = np.argsort(found.item, kind="stable")
    first = np.searchsorted(found.item[order], np.arange(len(found) + 1))
    sizes = np.diff(first)[kept]
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    within = np.arange(bounds[-1]) - np.repeat(bounds[:-1], sizes) + np.repeat(first[kept], sizes)
    rows = votes.select(["function", "label", "evidence"]).take(pa.array(order[within])).combine_chunks()
    columns = [rows[name].combine_chunks() for name in rows.column_names]
    flat = pa.StructArray.from_arrays([pa.concat_arrays([c]) for c in columns], fields=list(schema.VOTE))
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), flat)
