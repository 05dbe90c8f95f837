"""Accuracy of the labels of whole texts, from what people judged without a suggestion, or from gold labels.

The strata are the labels of a plain vote: they stay as they are when people teach the model, so posts that were drawn
by stratum at any time weigh what they stand for. A judged post has the label that the model gives without its
judgement.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import Float64, Int64
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import schema, steps
from socorpus.labeling.aggregation import calibration, counting, dawid_skene, held_out, patterns, vote_matrix
from socorpus.labeling.aggregation.dawid_skene import LabelModel
from socorpus.labeling.analysis import slices
from socorpus.labeling.analysis.estimate import Recall, Sample, Share
from socorpus.labeling.schema import Task

_FEWEST_DRAWN, _FAR, _LEAST_FAR = 5, 3.0, 0.01
"""Judged posts of a stratum, and standard errors of their mean probability, from which it was not drawn at random."""


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of a task's labels by blind judgements."""

    task: str
    whole: Share
    labels: Mapping[str, Share]
    """Of each label, the share of the posts with it that people give it too."""
    slices: Mapping[str, Mapping[str, Share]]
    """The same by tag, year, site and length."""
    unseen: float
    """Share of the labels of which nothing was judged, and nothing is said."""
    measured: Mapping[str, Any] | None
    """Probabilities against the judgements (`calibration.measure`); None without any."""
    notes: tuple[str, ...]
    """What stands against taking the sample for random."""
    source: str = "judgements without a suggestion"
    """What the labels were compared with."""
    recall: Mapping[str, Recall] = field(default_factory=dict)
    """Of each label of gold, the share of its posts, or spans, that have it here too; empty without gold."""


@dataclass(frozen=True)
class _Items:
    """All items on which functions or models vote: n of them."""

    keys: list[str]
    votes: patterns.Votes
    people: counting.Judgements
    slices: Mapping[str, list[list[str]]]
    bare: list[str]
    """Keys of those posts with gold labels that are examples, and on which nobody votes."""


def strata(votes: patterns.Votes, labels: int) -> Int64:
    """Label of most votes, int64[n]; on a tie the first."""
    return patterns.tally(votes, np.ones(votes.shape[1]), labels).argmax(1).astype(np.int64)


def measure(root: Path, task: Task, buckets: tuple[Bucket, ...], gold: Mapping[str, str] | None = None) -> Accuracy:
    """The accuracy of a task's labels of whole texts.

    Args:
        root: the tree of a labelled corpus.
        gold: labels by key, instead of people's judgements.

    Raises:
        InputError: nobody judged a post without a suggestion, or no gold label is of a post with a label.
    """
    model = dawid_skene.from_dict(files.read_json(root / steps.model_path(task.name)))
    items = _read(root, task, buckets, model, gold or {})
    label, probabilities = _held_out(items, model)
    verdicts, fold, notes = items.people.verdict, items.people.fold, list[str]()
    if gold is None:
        rows = np.flatnonzero(items.people.blind)
        if not len(rows):
            raise InputError(unjudged(task))
    else:
        verdicts = np.array([task.index(gold[key]) if key in gold else -1 for key in items.keys], np.int64)
        rows = np.flatnonzero(verdicts >= 0)
        fold = held_out.of_posts(np.array([int(key.rpartition(":")[2]) for key in items.keys], np.int64))
        notes.append(matched(len(rows), len(items.bare), gold, task, buckets))
    stratum = strata(items.votes, len(task.labels))
    verdict = verdicts[rows]
    population = np.bincount(stratum, minlength=len(task.labels))
    sample = Sample(stratum[rows], label[rows] == verdict, population)
    counts = np.bincount(label, minlength=len(task.labels))
    return Accuracy(
        task.name,
        sample.share(np.ones(len(rows), bool), len(label)),
        {name: sample.share(label[rows] == number, int(counts[number])) for number, name in enumerate(task.labels)},
        {way: by_slice(sample, items.slices[way], rows, way) for way in slices.WAYS},
        sample.unseen(),
        calibration.measure(probabilities[rows], verdict, np.ones(len(rows), np.int64), fold[rows])
        if len(rows)
        else None,
        (*notes, *_strange(task, stratum, rows, model.probabilities(items.votes).max(1))),
        Accuracy.source if gold is None else "gold",
        {} if gold is None else _recall(task, items, gold, verdicts, label),
    )


def _recall(task: Task, items: _Items, gold: Mapping[str, str], verdict: Int64, label: Int64) -> dict[str, Recall]:
    bare = Counter(gold[key] for key in items.bare)
    recall = {}
    for number, name in enumerate(task.labels):
        own = verdict == number
        labelled = int(own.sum())
        recall[name] = Recall(labelled + bare[name], labelled, int((label[own] == number).sum()))
    return recall


def unjudged(task: Task) -> str:
    """The sentence for a task of which nobody judged anything that could be compared with."""
    return (
        f"{task.name}: nobody has judged a post without a suggestion, so its probabilities are assumed; draw some with "
        "socorpus labeling sync --sample class --blind 1, or with socorpus labeling sheet, or name gold labels with "
        "--gold"
    )


def waits(root: Path, tree: Path, task: Task) -> bool:
    """Whether people said something of a task that the labels have not taken over yet.

    Args:
        root: folder of a corpus, where judgements are brought in.
        tree: the tree of the finished corpus, with those that its labels know.
    """
    path = schema.people_path(task.name)
    given, known = (
        parquet.read(place / path, schema.VOTES) if files.exists(place / path) else schema.VOTES.empty_table()
        for place in (root, tree)
    )
    return not given.equals(known)


def matched(rows: int, bare: int, gold: Mapping[str, object], task: Task, buckets: Sequence[Bucket]) -> str:
    """The note on how many of the posts with gold labels have labels in the corpus.

    Args:
        rows: number of those with a label.
        bare: number of those that are examples of the task without a label.
        gold: by key.
        buckets: of the corpus.

    Raises:
        InputError: there is none of either.
    """
    strange = len(gold) - rows - bare
    if not rows and not bare:
        of = sorted({key.rpartition(":")[0] for key in gold})
        sites = sorted({bucket.site for bucket in buckets})
        shown = [", ".join(names[:3]) + (", …" if len(names) > 3 else "") for names in (of, sites)]
        which = f", of {shown[0]}," if gold else ""
        raise InputError(
            f"{task.name}: none of the {len(gold):,} posts with gold labels{which} is an example of it in this corpus, "
            f"of {shown[1]}"
        )
    return (
        f"posts with gold labels: {len(gold):,}; with labels here: {rows:,}; examples without a label: {bare:,}; no "
        f"examples of {task.name} in this corpus: {strange:,}. They need not stand for the others"
    )


def _read(root: Path, task: Task, buckets: tuple[Bucket, ...], model: LabelModel, gold: Mapping[str, object]) -> _Items:
    votes: list[patterns.Votes] = [np.zeros((0, len(model.functions)), np.int8)]
    keys: list[str] = []
    bare: list[str] = []
    verdict: list[Int64] = [np.zeros(0, np.int64)]
    fold: list[Int64] = [np.zeros(0, np.int64)]
    blind: list[npt.NDArray[np.bool_]] = [np.zeros(0, bool)]
    by: dict[str, list[list[str]]] = {way: [] for way in slices.WAYS}
    for bucket in buckets:
        examples, rows = steps.all_votes(root, bucket, task, people=True)
        items = vote_matrix.gather(rows, model.functions, task)
        people = counting.judgements(items, rows, task)
        voted = model.speaks(items.votes, *model.choose(items.votes))
        votes.append(items.votes[voted])
        keys += [f"{bucket.site}:{post}" for post in items.post[voted].tolist()]
        if gold:
            labelled = set(items.post[voted].tolist())
            others = (f"{bucket.site}:{post}" for post in examples["post_id"].to_pylist() if post not in labelled)
            bare += [key for key in others if key in gold]
        verdict.append(people.verdict[voted])
        fold.append(people.fold[voted])
        blind.append(people.blind[voted])
        place = pc.index_in(pa.array(items.post[voted]), value_set=examples["post_id"].combine_chunks())
        own = examples.select(list(slices.COLUMNS)).take(place)
        for way, of in by.items():
            of += slices.values(own, way)
    judged = counting.Judgements(np.concatenate(verdict), np.concatenate(fold), np.concatenate(blind), [], (0, 0), [])
    return _Items(keys, np.concatenate(votes), judged, by, bare)


def _held_out(items: _Items, model: LabelModel) -> tuple[Int64, Float64]:
    """Label and probabilities of each item; of a judged one by a model that was not taught by its fold."""
    label, probabilities = model.choose(items.votes)
    judged = items.people.verdict >= 0
    for number in np.unique(items.people.fold[judged]).tolist():
        own = judged & (items.people.fold == number)
        teach = judged & ~own
        every, counts = dawid_skene.distinct(items.votes[~teach], np.ones(int((~teach).sum()), np.int64))
        judgements = dawid_skene.Judged(
            *(items.votes[teach], items.people.verdict[teach], np.ones(int(teach.sum()), np.int64)),
            *(items.people.fold[teach], items.people.blind[teach]),
        )
        other = dawid_skene.fit(every, counts, model.functions, model.labels, model.facts, judgements, model.assumed)
        label[own], probabilities[own] = other.choose(items.votes[own])
    return label, probabilities


def by_slice(sample: Sample, of: list[list[str]], rows: npt.NDArray[np.int64], way: str) -> dict[str, Share]:
    """The shares of each slice.

    Args:
        sample: the judged items, `rows` of all.
        of: the slices of each item.
        way: one of `slices.WAYS`.
    """
    counts = Counter(name for names in of for name in names)
    shares = {}
    for name in slices.shown(counts, way):
        own = np.array([name in of[row] for row in rows.tolist()], bool)
        if own.any():
            shares[name] = sample.share(own, counts[name])
    return shares


def _strange(task: Task, stratum: Int64, rows: npt.NDArray[np.int64], sure: Float64) -> list[str]:
    """Strata whose judged posts are surer, or less sure, than chance would draw them."""
    notes = []
    for number, name in enumerate(task.labels):
        every, drawn = sure[stratum == number], sure[rows[stratum[rows] == number]]
        if len(drawn) < _FEWEST_DRAWN or not every.std():
            continue
        far = max(_FAR * every.std() / np.sqrt(len(drawn)), _LEAST_FAR)
        if abs(drawn.mean() - every.mean()) > far:
            notes.append(
                f"judged posts of {name} have a mean probability of {drawn.mean():.2f}, all of them "
                f"{every.mean():.2f}: they were not drawn at random, and figures of it may be off"
            )
    return notes


def buckets(root: Path, task: Task) -> tuple[Bucket, ...]:
    """The buckets that have examples of a task.

    Raises:
        InputError: the corpus has none; names the command to run.
    """
    folder = root / schema.FOLDER / task.name / "examples"
    paths = sorted(path.relative_to(folder).with_suffix("") for path in files.listed(folder, deep=True))
    if not paths:
        raise InputError(f"{root}: no labels of {task.name}; run socorpus labeling apply {root} first")
    parts = [(path.parent.as_posix(), path.name.split("-of-")) for path in paths]
    return tuple(Bucket(site, int(number), int(of), index) for index, (site, (number, of)) in enumerate(parts))
