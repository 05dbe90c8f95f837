"""Votes and a model -> labels: the functions' probabilities, people's verdicts above them, spans that don't overlap."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling import schema
from socorpus.labeling.aggregation import annotators, dawid_skene, vote_matrix, weighed
from socorpus.labeling.aggregation.dawid_skene import LabelModel
from socorpus.labeling.aggregation.vote_matrix import NO_SPAN, Items
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities import spans
from socorpus.labeling.tasks.entities.spans import Span

Float = npt.NDArray[np.float64]
COLUMNS = ("site", "post_id", "thread_id", "split")
"""Columns of examples that labels are made of; with corrections, `text` too."""
_DECIDED = 1000.0
"""Weight of a person's span where spans compete: above every probability."""
_PART = 1000
"""Number of texts whose spans are decided at a time."""
_GRADES = 10
"""Number of grades in which probabilities of competing spans are compared: within one, the longer span wins."""


@dataclass(frozen=True)
class Outcome:
    """The result for each item; arrays of length n, n x k."""

    probabilities: Float
    label: npt.NDArray[np.int64]
    kept: npt.NDArray[np.bool_]
    person: npt.NDArray[np.bool_]
    conflict: npt.NDArray[np.bool_]


def decide(
    examples: pa.Table,
    votes: pa.Table,
    model: LabelModel,
    task: Task,
    corrections: weighed.Corrections = weighed.NOTHING,
) -> pa.Table:
    """The labels of a bucket.

    Args:
        examples: of `schema.EXAMPLES` the `COLUMNS`.
        votes: `schema.VOTES` of functions, models and people, on these examples; in any order.
        model: fitted on the votes of functions and models.
        corrections: what people's judgements change of a weigher's probabilities.

    Returns:
        `schema.LABELS` in order of post and span; an example, or a span, on which nobody voted has no row, nor one for
        which a label that nobody votes for is likelier than those that have votes, or two are as likely. A probability
        is rounded to float32.
    """
    if not task.spans:
        return _decided(examples, votes, model, task, corrections)
    # Some dozen votes on each of some hundred spans a text: all of a bucket's at once would take gigabytes.
    parts = [_decided(*part, model, task, corrections) for part in _in_parts(examples, votes)]
    return pa.concat_tables(parts) if parts else schema.LABELS.empty_table()


def _in_parts(examples: pa.Table, votes: pa.Table) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Examples with the votes on them, `_PART` posts at a time, in the order of posts."""
    examples = examples.sort_by("post_id")
    posts = examples["post_id"].to_numpy()
    part = np.searchsorted(posts, votes["post_id"].to_numpy()) // _PART
    order = np.argsort(part, kind="stable")
    bounds = np.searchsorted(part[order], np.arange(-(-len(posts) // _PART) + 1))
    for number, (start, stop) in enumerate(pairwise(bounds.tolist())):
        yield examples.slice(number * _PART, _PART), votes.take(pa.array(order[start:stop]))


def _decided(
    examples: pa.Table, votes: pa.Table, model: LabelModel, task: Task, corrections: weighed.Corrections
) -> pa.Table:
    votes = votes.combine_chunks()
    items, result = combine(examples, votes, model, task, corrections)
    judgements = votes.filter(pc.equal(votes["source"], "person")).to_pylist()
    result = _spans(items, result, judgements, task) if task.spans else _texts(items, result, judgements, task)
    return _table(examples, votes, items, result, model)


def combine(
    examples: pa.Table,
    votes: pa.Table,
    model: LabelModel,
    task: Task,
    corrections: weighed.Corrections = weighed.NOTHING,
) -> tuple[Items, Outcome]:
    """The items of a bucket, and what functions and models make of them, before people's verdicts and overlaps.

    Args:
        examples, votes, model, corrections: as of `decide`; examples are read only with corrections.
    """
    items = vote_matrix.gather(votes, model.functions, task)
    result = _functions(items, votes, model)
    weigher = task.weighed_by
    if weigher is not None and weigher.function in model.functions:
        label, probabilities, spoken = weighed.choose(items, votes, model, weigher, examples, corrections)
        result = replace(result, label=label, probabilities=probabilities, kept=spoken)
    return items, result


def _functions(items: Items, votes: pa.Table, model: LabelModel) -> Outcome:
    label, probabilities = model.choose(items.votes)
    spoken = model.speaks(items.votes, label, probabilities)
    named = np.asarray(pc.is_valid(votes["label"]))
    for function, idle in model.muted:
        named &= ~np.asarray(
            pc.fill_null(pc.and_(pc.equal(votes["function"], function), pc.equal(votes["label"], idle)), False)
        )
    codes = np.asarray(votes["label"].combine_chunks().dictionary_encode().indices.fill_null(-1), dtype=np.int64)
    different = np.unique(np.stack([items.item[named], codes[named]], 1), axis=0)[:, 0]
    conflict = np.bincount(different, minlength=len(items)) > 1
    return Outcome(probabilities, label, spoken, np.zeros(len(items), bool), conflict)


def _texts(items: Items, result: Outcome, judgements: Sequence[annotators.Row], task: Task) -> Outcome:
    """People's verdicts on whole texts. Where they are divided and no function votes, the prior decides."""
    verdicts = annotators.of_texts(judgements)
    stands = dawid_skene.likeliest(result.label, result.probabilities)
    result = replace(result, probabilities=result.probabilities.copy(), label=result.label.copy())
    row = dict(zip(items.post.tolist(), range(len(items)), strict=True))
    for post, verdict in verdicts.items():
        index = row[post]
        result.kept[index] = verdict.label is not None or stands[index]
        result.conflict[index] |= verdict.divided
        if verdict.label is not None:
            _settle(result, index, task.index(verdict.label))
    return result


def _settle(result: Outcome, index: int, label: int) -> None:
    result.person[index] = True
    result.label[index] = label
    result.probabilities[index] = 0
    result.probabilities[index, label] = 1


def _spans(items: Items, result: Outcome, judgements: Sequence[annotators.Row], task: Task) -> Outcome:
    """People's spans, and in texts that no person marked the functions' spans that win where they overlap."""
    verdicts = annotators.of_spans(judgements)
    result = replace(result, probabilities=result.probabilities.copy(), label=result.label.copy())
    spoken, result.kept[:] = result.kept.copy(), False
    places = list(zip(items.start.tolist(), items.end.tolist(), strict=True))
    for post, group in groupby(range(len(items)), key=lambda item: int(items.post[item])):
        rows = [item for item in group if items.start[item] != NO_SPAN]
        own = verdicts.get(post)
        weights: dict[Span, tuple[int, float]] = {}
        for index in rows:
            verdict = own.get(places[index]) if own is not None else None
            if own is not None and verdict is None:
                continue
            if verdict is not None and verdict.label is not None:
                _settle(result, index, task.index(verdict.label))
            elif not spoken[index]:
                continue
            result.conflict[index] |= verdict is not None and verdict.divided
            label = int(result.label[index])
            weight = _DECIDED if result.person[index] else round(float(result.probabilities[index, label]) * _GRADES)
            weights[Span(*places[index], task.labels[label])] = (index, weight)
        won = [weights[span][0] for span in spans.resolve((span, weight) for span, (_, weight) in weights.items())]
        result.kept[won] = True
        _mark_losers(items, result, won, [item for item, _ in weights.values()])
    return result


def _mark_losers(items: Items, result: Outcome, won: Sequence[int], stood: Sequence[int]) -> None:
    """Mark as conflict also each span that won against an overlapping one of another label."""
    lost = sorted(set(stood) - set(won))
    if not lost:
        return
    starts, ends = (array[won].tolist() for array in (items.start, items.end))  # ascending, as they don't overlap
    begun: list[list[int]] = [[] for _ in range(len(won) + 1)]
    over: list[list[int]] = [[] for _ in range(len(won) + 1)]
    for other in lost:
        label = int(result.label[other])
        first, last = bisect_right(ends, int(items.start[other])), bisect_left(starts, int(items.end[other]))
        if first < last:
            begun[first].append(label)
            over[last].append(label)
    overlapping: Counter[int] = Counter()
    for place, index in enumerate(won):
        overlapping.update(begun[place])
        overlapping.subtract(over[place])
        own = int(result.label[index])
        result.conflict[index] |= any(count for label, count in overlapping.items() if label != own)


def _table(examples: pa.Table, votes: pa.Table, items: Items, result: Outcome, model: LabelModel) -> pa.Table:
    kept = np.flatnonzero(result.kept)
    place = pc.index_in(pa.array(items.post[kept]), value_set=examples["post_id"].combine_chunks())
    of = examples.select(["site", "thread_id", "split"]).take(place)
    label, probabilities = result.label[kept], result.probabilities[kept].astype(np.float32)
    size = len(model.labels)
    bounds = pa.array(np.arange(len(kept) + 1, dtype=np.int32) * size)
    text = pa.array(items.start[kept] == NO_SPAN)
    values: Mapping[str, pa.Array] = {
        "site": of["site"],
        "post_id": pa.array(items.post[kept]),
        "start": pc.if_else(text, None, pa.array(items.start[kept], pa.int32())),
        "end": pc.if_else(text, None, pa.array(items.end[kept], pa.int32())),
        "label": pa.array(list(model.labels), pa.string()).take(pa.array(label)),
        "probability": pa.array(probabilities[np.arange(len(kept)), label]),
        "probabilities": pa.ListArray.from_arrays(bounds, pa.array(probabilities.ravel())),
        "source": pa.array(_sources(votes, items, result)[kept].tolist(), pa.string()),
        "version": pa.array([model.version] * len(kept), pa.string()),
        "conflict": pa.array(result.conflict[kept]),
        "votes": _votes(votes, items, kept),
        "split": of["split"],
        "thread_id": of["thread_id"],
    }
    return pa.table([values[name] for name in schema.LABELS.names], schema=schema.LABELS)


def _sources(votes: pa.Table, items: Items, result: Outcome) -> npt.NDArray[np.object_]:
    """person where people settled it, model where only models voted, else function."""
    functions = np.zeros(len(items), bool)
    functions[items.item[np.asarray(pc.equal(votes["source"], "function"))]] = True
    models = np.zeros(len(items), bool)
    models[items.item[np.asarray(pc.equal(votes["source"], "model"))]] = True
    chosen = np.where(models & ~functions, "model", "function").astype(object)
    chosen[result.person] = "person"
    return chosen


def _votes(votes: pa.Table, items: Items, kept: npt.NDArray[np.int64]) -> pa.ListArray:
    """The votes on each item that is kept, in the order of the votes' table."""
    order = np.argsort(items.item, kind="stable")
    first = np.searchsorted(items.item[order], np.arange(len(items) + 1))
    sizes = np.diff(first)[kept]
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    within = np.arange(bounds[-1]) - np.repeat(bounds[:-1], sizes) + np.repeat(first[kept], sizes)
    rows = votes.select(["function", "label"]).take(pa.array(order[within])).combine_chunks()
    columns = [rows[name].combine_chunks() for name in rows.column_names]
    flat = pa.StructArray.from_arrays([pa.concat_arrays([c]) for c in columns], fields=list(schema.VOTE))
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), flat)
