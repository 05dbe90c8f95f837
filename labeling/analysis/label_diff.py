"""What changed between the labels of two corpora: which labels, by whose votes, and where."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.storage import files, parquet
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
_COLUMNS = ("site", "post_id", "start", "end", "label", "probability", "source", "votes")
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


@dataclass
class LabelDiff:
    """The differences of one task's labels."""

    task: str
    same: int = 0
    """Labels that are the same, whatever their probabilities."""
    moved: int = 0
    """Of these, those whose probability moved by more than 0.05."""
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
    """The first `MOST_EXAMPLES` changes, by site, post and span."""

    @property
    def changed(self) -> int:
        """Number of labels that are new, gone or another."""
        return self.pairs.total()


def compare(old: Path, new: Path, task: Task) -> LabelDiff:
    """Compare the labels of a task; one site is held at a time.

    Args:
        old, new: the trees of two labelled corpora.
    """
    sites = [set(_sites(root, task)) for root in (old, new)]
    diff = LabelDiff(task.name, gone=sorted(sites[0] - sites[1]), added=sorted(sites[1] - sites[0]))
    muted = [_muted(root, task) for root in (old, new)]
    for function, label in sorted({*muted[0], *muted[1]}):
        diff.not_counted.setdefault(function, []).append(label)
    words = [_words(root, task) for root in (old, new)]
    for site in sorted(sites[0] | sites[1]):
        before, after = (_labels(root, task, site) for root in (old, new))
        # What has no label may have votes.
        only = (_votes_on(old, task, site, {*after} - {*before}), _votes_on(new, task, site, {*before} - {*after}))
        verdicts = [annotators.of_spans(rows.get(site, ())) for rows in words]
        parts = zip((before, after), only, muted, verdicts, strict=True)
        sides = [_Side(*part) for part in parts]
        for key in sorted({*before, *after}):
            _enter(diff, site, key, sides)
    return diff


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


def _muted(root: Path, task: Task) -> set[tuple[str, str]]:
    """Functions and labels for which a corpus's model does not count their votes."""
    path = root / steps.model_path(task.name)
    pairs = files.read_json(path).get("muted", ()) if files.exists(path) else ()
    return {(function, label) for function, label in pairs}


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
        diff.moved += abs(before["probability"] - after["probability"]) > _NEAR
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


def _votes_on(root: Path, task: Task, site: str, keys: Collection[_Key]) -> dict[_Key, dict[str, str | None]]:
    """The votes of functions and models on some posts, or spans, of a site."""
    folder = root / schema.FOLDER / task.name / "votes" / site
    paths = sorted(files.listed(folder)) if keys and files.exists(folder) else []
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


def _labels(root: Path, task: Task, site: str) -> dict[_Key, dict[str, Any]]:
    folder = root / schema.FOLDER / task.name / "labels" / site
    rows: dict[_Key, dict[str, Any]] = {}
    for path in sorted(files.listed(folder)) if files.exists(folder) else ():
        for row in parquet.read(path, schema.LABELS, list(_COLUMNS)).to_pylist():
            rows[_key(row)] = row
    return rows
