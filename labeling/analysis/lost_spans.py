"""Spans of a text that somebody votes for and that have no label: why, and what took the place of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.labeling import schema
from socorpus.labeling.aggregation import dawid_skene, decide
from socorpus.labeling.aggregation.annotators import Place, Verdict
from socorpus.labeling.aggregation.vote_matrix import NO_SPAN, Items
from socorpus.labeling.schema import Task

UNMARKED, OVERLAPPED, UNHEARD, UNLIKELY = "unmarked", "overlapped", "unheard", "unlikely"
"""Why a span has no label: people marked the text without it; a span that it overlaps won; no vote on it counts; it is
too unlikely."""
NEIGHBOURS = 10
"""Most labels in the place of a lost span among which the likeliest is taken: a long one may cross all of a text."""


@dataclass(frozen=True)
class Lost:
    """A span with votes and without a label.

    Attributes:
        label: the likeliest of those that anybody votes for.
        probability: of that label, by the functions, without what people's judgements change of it; None where no vote
            on the span counts.
        votes: those on it, rows of `schema.VOTES`.
        why: `UNMARKED`, `OVERLAPPED`, `UNHEARD` or `UNLIKELY`.
        winner: the row of `schema.LABELS` that took its place, where it is overlapped.
    """

    start: int
    end: int
    label: str
    probability: float | None
    votes: Sequence[Mapping[str, Any]]
    why: str
    winner: Mapping[str, Any] | None = None


def find(
    votes: Sequence[Mapping[str, Any]],
    labels: Sequence[Mapping[str, Any]],
    verdicts: Mapping[Place, Verdict] | None,
    model: dawid_skene.LabelModel,
    task: Task,
) -> list[Lost]:
    """The lost spans of one text, by place; n log n in the number of votes.

    Args:
        votes: rows of `schema.VOTES` of functions and models on the text.
        labels: rows of `schema.LABELS` of the text.
        verdicts: people's verdicts on its spans (`annotators.of_spans`); None where no person marked it.
    """
    rows = [vote for vote in votes if vote["start"] is not None and vote["label"] is not None]
    if not rows:
        return []
    items, outcome = decide.combine(pa.table({}), pa.Table.from_pylist(rows, schema=schema.VOTES), model, task)
    labelled = {(row["start"], row["end"]) for row in labels}
    winners = sorted(labels, key=lambda row: (row["start"], row["end"]))
    starts, ends = (np.array([row[name] for row in winners], np.int64) for name in ("start", "end"))
    # Labels don't overlap: those that a span overlaps are neighbours.
    first, last = np.searchsorted(ends, items.start, "right"), np.searchsorted(starts, items.end, "left")
    counts = _counts(items, model, task)
    by: dict[int, list[Mapping[str, Any]]] = {}
    for row, item in zip(rows, items.item.tolist(), strict=True):
        by.setdefault(item, []).append(row)
    lost = []
    for item, place in enumerate(zip(items.start.tolist(), items.end.tolist(), strict=True)):
        if place in labelled or place[0] == NO_SPAN:
            continue
        own = by[item]
        if counts[item]:
            label = model.labels[int(outcome.label[item])]
            probability: float | None = float(outcome.probabilities[item, outcome.label[item]])
        else:
            label, probability = own[0]["label"], None
        over = winners[int(first[item]) : min(int(last[item]), int(first[item]) + NEIGHBOURS)]
        why, winner = UNLIKELY, None
        if verdicts is not None and place not in verdicts:
            why = UNMARKED
        elif not counts[item]:
            why = UNHEARD
        elif outcome.kept[item] and over:
            why, winner = OVERLAPPED, max(over, key=lambda row: (row["source"] == "person", row["probability"]))
        lost.append(Lost(*place, label, probability, own, why, winner))
    return lost


def _counts(items: Items, model: dawid_skene.LabelModel, task: Task) -> npt.NDArray[np.bool_]:
    """Whether any vote on each item counts: of what a weigher knows only its own vote does."""
    votes = model.counted(items.votes)
    weigher = task.weighed_by
    if weigher is not None and weigher.function in model.functions:
        weighs = [name in weigher.weighs and name != weigher.function for name in model.functions]
        votes = np.where(np.array(weighs, bool), dawid_skene.ABSTAIN, votes).astype(np.int8)
    return np.asarray((votes != dawid_skene.ABSTAIN).any(1))
