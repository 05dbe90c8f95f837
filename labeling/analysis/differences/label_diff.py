"""What changed between the labels of two corpora: which labels, by whose votes, and where."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.diff import histograms
from socorpus.corpus.diff.histograms import Distribution, Histogram
from socorpus.corpus.storage import buckets, files, manifest_file, parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import schema, steps
from socorpus.labeling.aggregation import annotators
from socorpus.labeling.aggregation.annotators import Place, Verdict
from socorpus.labeling.analysis import lost_spans
from socorpus.labeling.schema import Task

MODEL, PEOPLE = "(label model)", "(people)"
"""Causes of a change other than a function: the same votes are combined differently; a person's word, which of spans is
also that there is none."""
MOST_EXAMPLES = 20
_Key = tuple[int, int, int]
_COLUMNS = ("site", "post_id", "start", "end", "label", "probability", "source", "votes", "thread_id")
_NEAR = 0.05


@dataclass
class Change:
    """A label that is new, gone, or another; a probability of None is of no label."""

    key: str
    start: int | None
    end: int | None
    old: str | None
    new: str | None
    old_probability: float | None
    new_probability: float | None
    causes: tuple[str, ...]
    """Functions whose vote on it differs, or on the span that took its place; or `MODEL`, or `PEOPLE`."""


@dataclass(frozen=True)
class FunctionChange:
    """A labelling function that is new, gone, of another version, or weighed otherwise; None where it does not vote.

    Attributes:
        old_accuracy, new_accuracy: how often the model of the labels takes it to be right; None where it says nothing.
    """

    function: str
    old_version: object
    new_version: object
    old_accuracy: float | None
    new_accuracy: float | None


@dataclass
class LabelDiff:
    """The differences of one task's labels."""

    task: str
    same: int = 0
    """Labels that are the same, whatever their probabilities."""
    raised: int = 0
    """Of these, those whose probability rose by more than 0.05."""
    lowered: int = 0
    """Of these, those whose probability fell by more than 0.05."""
    kept: Counter[str] = field(default_factory=Counter)
    """Label -> labels that are the same."""
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(old, new) label, with "" for none, of those that changed."""
    causes: Counter[str] = field(default_factory=Counter)
    """Function, `MODEL` or `PEOPLE` -> labels that changed where its vote differs; a label may count for several."""
    votes: dict[str, Counter[str]] = field(default_factory=dict)
    """Function -> votes that are `new`, `gone` or `changed`, on all labels; also those that are not counted."""
    not_counted: dict[str, list[str]] = field(default_factory=dict)
    """Function -> labels for which its votes are not counted in either corpus: these cause nothing there."""
    sites: Counter[str] = field(default_factory=Counter)
    """Site -> labels that changed."""
    gone: list[str] = field(default_factory=list)
    """Sites that only the older corpus has; their labels count as gone."""
    added: list[str] = field(default_factory=list)
    """Sites that only the newer one has."""
    examples: list[Change] = field(default_factory=list)
    """The first `MOST_EXAMPLES` changes, by site, bucket, post and span."""
    functions: list[FunctionChange] = field(default_factory=list)
    """Functions that are new, gone, of another version, or weighed otherwise by the model."""
    methods: tuple[str, str] = ("", "")
    """How the votes were combined, before and now."""
    probabilities: tuple[Histogram, Histogram] = field(
        default_factory=lambda: (Histogram(histograms.SHARES), Histogram(histograms.SHARES))
    )
    """Of all labels, before and now."""

    @property
    def distribution(self) -> Distribution:
        """The probabilities of all labels side by side."""
        return histograms.of_numbers(f"probabilities of labels of {self.task}", *self.probabilities)

    @property
    def differs(self) -> bool:
        """Whether a label, a probability, a vote, a function or its weight is another one."""
        old, new = self.probabilities
        # Sums of the same values in another order differ in their last digits.
        shifted = abs(old.total - new.total) > 1e-9 * max(old.number, 1) or (old.counts != new.counts).any()
        return bool(self.changed or self.moved or shifted or self.votes or self.functions)

    @property
    def moved(self) -> int:
        """Labels that are the same, and whose probability moved by more than 0.05."""
        return self.raised + self.lowered

    @property
    def changed(self) -> int:
        """Number of labels that are new, gone or another."""
        return self.pairs.total()


def compare(old: Path, new: Path, task: Task) -> LabelDiff:
    """Compare the labels of a task, bucket by bucket: one bucket of each corpus is held at a time.

    A post that stands in another thread than before, as where questions are merged, may lie in another bucket: its
    label is then gone in one and new in the other.

    Args:
        old, new: the trees of two labelled corpora.
    """
    roots = (old, new)
    sites = [set(_sites(root, task)) for root in roots]
    diff = LabelDiff(task.name, gone=sorted(sites[0] - sites[1]), added=sorted(sites[1] - sites[0]))
    muted = [_muted(root, task) for root in roots]
    for function, label in sorted({*muted[0], *muted[1]}):
        diff.not_counted.setdefault(function, []).append(label)
    models, manifests = [_model(root, task) for root in roots], [manifest_file.load(root) or {} for root in roots]
    diff.methods = (models[0].get("method", ""), models[1].get("method", ""))
    diff.functions = _functions(models, [facts.get("labels", {}).get(task.name, {}) for facts in manifests])
    words = [_words(root, task) for root in roots]
    for site in sorted(sites[0] | sites[1]):
        counts = [buckets.counts_in(root / schema.FOLDER / task.name / "labels" / site) for root in roots]
        verdicts = [annotators.of_spans(rows.get(site, ())) for rows in words]
        most = max((of for known in counts for of in known), default=0)
        for bucket in (Bucket(site, number, most, 0) for number in range(most)):
            if counts[0] == counts[1] and muted[0] == muted[1] and _untouched(manifests, task, bucket):
                _enter_same(diff, new / schema.path(task.name, "labels", bucket.name))
                continue
            names = [buckets.earlier_names(bucket, known) for known in counts]
            before, after = (_labels(root, task, bucket, known) for root, known in zip(roots, names, strict=True))
            # What has no label may have votes.
            only = (
                _votes_on(old, task, site, names[0], {*after} - {*before}),
                _votes_on(new, task, site, names[1], {*before} - {*after}),
            )
            parts = zip((before, after), only, muted, verdicts, strict=True)
            sides = [_Side(*part) for part in parts]
            for side, seen in zip(sides, diff.probabilities, strict=True):
                seen.add(np.array([row["probability"] for row in side.labels.values()], np.float64))
            for key in sorted({*before, *after}):
                _enter(diff, site, key, sides)
    return diff


def _untouched(manifests: Sequence[Mapping[str, Any]], task: Task, bucket: Bucket) -> bool:
    """Whether both corpora have the same labels and votes in a bucket, by the hashes of their rows."""
    paths = [schema.path(task.name, table, bucket.name) for table in ("labels", "votes")]
    hashes = [[facts.get("files", {}).get(path, {}).get("rows_hash") for path in paths] for facts in manifests]
    return hashes[0] == hashes[1] and all(hashes[0])


def _enter_same(diff: LabelDiff, path: Path) -> None:
    """Count the labels of a bucket that is the same in both corpora."""
    table = parquet.read(path, schema.LABELS, ["label", "probability"])
    diff.same += table.num_rows
    diff.kept.update({row["values"]: row["counts"] for row in table["label"].value_counts().to_pylist()})
    for seen in diff.probabilities:
        seen.add(np.asarray(table["probability"], dtype=np.float64))


def _functions(models: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]) -> list[FunctionChange]:
    """Functions that differ, by name; their versions are in the manifests, what they weigh in the models."""
    sides = []
    for model, entry in zip(models, entries, strict=True):
        accuracy = dict(zip(model.get("functions", ()), model.get("accuracy", ()), strict=False))
        versions = {name: of["version"] for name, of in entry.get("functions", {}).items()}
        sides.append({name: (versions.get(name), accuracy.get(name)) for name in {*versions, *accuracy}})
    nothing = (None, None)
    changes = []
    for name in sorted({*sides[0], *sides[1]}):
        (was, weighed), (is_now, weighs) = (side.get(name, nothing) for side in sides)
        if (was, weighed) != (is_now, weighs) or (name in sides[0]) != (name in sides[1]):
            changes.append(FunctionChange(name, was, is_now, weighed, weighs))
    return changes


class _Side:
    """The labels of a site in one of the corpora, and what they come from."""

    def __init__(
        self,
        labels: Mapping[_Key, Mapping[str, Any]],
        others: Mapping[_Key, Mapping[str, str | None]],
        muted: Collection[tuple[str, str]],
        verdicts: Mapping[int, Mapping[Place, Verdict]],
    ) -> None:
        self.labels = labels
        self._others, self._muted, self._verdicts = others, muted, verdicts
        self._spans: dict[int, list[Place]] = {}
        for post, start, end in sorted(labels):
            self._spans.setdefault(post, []).append((start, end))

    def votes(self, key: _Key) -> dict[str, str | None]:
        """The votes of functions and models on a post, or a span."""
        row = self.labels.get(key)
        return dict(self._others.get(key, {})) if row is None else _votes(row["votes"])

    def counted(self, key: _Key) -> dict[str, str | None]:
        """Those of them that are counted."""
        return {name: label for name, label in self.votes(key).items() if (name, label) not in self._muted}

    def by_people(self, key: _Key) -> bool:
        """Whether people decide it: they chose the label, or marked the text without this span."""
        if (row := self.labels.get(key)) is not None:
            return bool(row["source"] == "person")
        return key[1] >= 0 and key[0] in self._verdicts and key[1:] not in self._verdicts[key[0]]

    def winner(self, key: _Key) -> _Key | None:
        """The likeliest labelled span that overlaps a span without a label, of the first `lost_spans.NEIGHBOURS`."""
        post, start, end = key
        if key in self.labels or start < 0:
            return None
        spans = self._spans.get(post, [])  # don't overlap, so their ends ascend too
        first = bisect_right(spans, start, key=lambda span: span[1])
        last = bisect_left(spans, end, key=lambda span: span[0])
        over = [(post, *span) for span in spans[first : min(last, first + lost_spans.NEIGHBOURS)]]
        return max(over, key=lambda other: self.labels[other]["probability"], default=None)


def _causes(key: _Key, sides: Sequence[_Side]) -> tuple[str, ...]:
    """Who changed a label: people, functions whose votes differ, on it or on the span in its place, or the model."""
    if any(side.by_people(key) for side in sides):
        return (PEOPLE,)
    for place in (key, *(side.winner(key) for side in sides)):
        if place is None:
            continue
        if any(side.by_people(place) for side in sides if place in side.labels):
            return (PEOPLE,)
        old, new = (side.counted(place) for side in sides)
        if differ := sorted(name for name in {*old, *new} if old.get(name) != new.get(name)):
            return tuple(differ)
    return (MODEL,)


def _words(root: Path, task: Task) -> dict[str, list[annotators.Row]]:
    """People's votes on the texts of a task of spans, by site."""
    path = root / schema.people_path(task.name)
    by: dict[str, list[annotators.Row]] = {}
    for row in parquet.read(path, schema.VOTES).to_pylist() if task.spans and files.exists(path) else ():
        by.setdefault(row["site"], []).append(row)
    return by


def _model(root: Path, task: Task) -> dict[str, Any]:
    """What combined the votes of a corpus; empty where only people's count."""
    path = root / steps.model_path(task.name)
    model: dict[str, Any] = files.read_json(path) if files.exists(path) else {}
    return model


def _muted(root: Path, task: Task) -> set[tuple[str, str]]:
    """Functions and labels for which a corpus's model does not count their votes."""
    return {(function, label) for function, label in _model(root, task).get("muted", ())}


def _enter(diff: LabelDiff, site: str, key: _Key, sides: Sequence[_Side]) -> None:
    before, after = (side.labels.get(key) for side in sides)
    then, now = (side.votes(key) for side in sides)
    for name in {*then, *now}:
        if then.get(name) != now.get(name):
            kind = "changed" if name in then and name in now else "new" if name in now else "gone"
            diff.votes.setdefault(name, Counter())[kind] += 1
    was, is_now = (row["label"] if row is not None else None for row in (before, after))
    if was == is_now and before is not None and after is not None:
        diff.same += 1
        diff.kept[before["label"]] += 1
        diff.raised += after["probability"] - before["probability"] > _NEAR
        diff.lowered += before["probability"] - after["probability"] > _NEAR
        return
    causes = _causes(key, sides)
    diff.pairs[was or "", is_now or ""] += 1
    diff.causes.update(causes)
    diff.sites[site] += 1
    if len(diff.examples) < MOST_EXAMPLES:
        post, start, end = key
        place = (None, None) if start < 0 else (start, end)
        old, new = (None if row is None else round(row["probability"], 4) for row in (before, after))
        diff.examples.append(Change(f"{site}:{post}", place[0], place[1], was, is_now, old, new, causes))


def _votes(votes: Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    return {vote["function"]: vote["label"] for vote in votes if not vote["function"].startswith("person:")}


def _votes_on(
    root: Path, task: Task, site: str, names: Sequence[str], keys: Collection[_Key]
) -> dict[_Key, dict[str, str | None]]:
    """The votes of functions and models on some posts, or spans, of a site, which lie in buckets of these names."""
    folder = root / schema.FOLDER / task.name / "votes" / site
    paths = [path for name in names if files.exists(path := folder / f"{name}.parquet")] if keys else []
    if keys and files.exists(models := root / schema.models_path(task.name)):
        paths.append(models)
    posts = pa.array(sorted({post for post, *_ in keys}), pa.int64())
    by: dict[_Key, list[dict[str, Any]]] = {}
    for path in paths:
        table = parquet.read(path, schema.VOTES, ["site", "post_id", "start", "end", "function", "label"])
        for row in table.filter(pc.is_in(table["post_id"], value_set=posts)).to_pylist():
            key = _key(row)
            if key in keys and row["site"] == site:
                by.setdefault(key, []).append(row)
    return {key: _votes(rows) for key, rows in by.items()}


def _key(row: Mapping[str, Any]) -> _Key:
    start, end = (-1 if row[name] is None else row[name] for name in ("start", "end"))
    return row["post_id"], start, end


def _sites(root: Path, task: Task) -> Iterator[str]:
    yield from files.folders(root / schema.FOLDER / task.name / "labels")


def _labels(root: Path, task: Task, bucket: Bucket, names: Sequence[str]) -> dict[_Key, dict[str, Any]]:
    """The labels of a bucket, of files that may have more buckets in them."""
    folder = root / schema.FOLDER / task.name / "labels" / bucket.site
    rows: dict[_Key, dict[str, Any]] = {}
    for name in names:
        if not files.exists(path := folder / f"{name}.parquet"):
            continue
        table = parquet.read(path, schema.LABELS, list(_COLUMNS))
        if name != bucket.file_name:
            threads = np.asarray(table["thread_id"], dtype=np.int64)
            table = table.filter(pa.array(buckets.bucket_of(threads, bucket.of) == bucket.number))
        for row in table.to_pylist():
            rows[_key(row)] = row
    return rows
