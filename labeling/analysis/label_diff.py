"""What changed between the labels of two corpora: which labels, by whose votes, and where."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.storage import files, parquet
from socorpus.labeling import schema, steps
from socorpus.labeling.schema import Task

MODEL, PEOPLE = "(label model)", "(people)"
"""Causes of a change other than a function: the same votes are combined differently; a person's word."""
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
    """Functions whose vote on it differs, or `MODEL`, or `PEOPLE`."""


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
    for site in sorted(sites[0] | sites[1]):
        before, after = (_labels(root, task, site) for root in (old, new))
        # What has no label may have votes.
        only = (_votes_on(old, task, site, {*after} - {*before}), _votes_on(new, task, site, {*before} - {*after}))
        for key in sorted({*before, *after}):
            rows = before.get(key), after.get(key)
            votes = [
                others.get(key, {}) if row is None else _votes(row["votes"])
                for row, others in zip(rows, only, strict=True)
            ]
            _enter(diff, site, key, rows, votes, muted)
    return diff


def _muted(root: Path, task: Task) -> set[tuple[str, str]]:
    """Functions and labels for which a corpus's model does not count their votes."""
    path = root / steps.model_path(task.name)
    pairs = files.read_json(path).get("muted", ()) if files.exists(path) else ()
    return {(function, label) for function, label in pairs}


def _enter(
    diff: LabelDiff,
    site: str,
    key: _Key,
    rows: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None],
    votes: Sequence[Mapping[str, str | None]],
    muted: Sequence[Collection[tuple[str, str]]],
) -> None:
    before, after = rows
    then, now = votes
    for name in {*then, *now}:
        if then.get(name) != now.get(name):
            kind = "changed" if name in then and name in now else "new" if name in now else "gone"
            diff.votes.setdefault(name, Counter())[kind] += 1
    then, now = (
        {pair[0]: pair[1] for pair in votes.items() if pair not in idle}
        for votes, idle in zip(votes, muted, strict=True)
    )
    differ = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    was, is_now = (row["label"] if row is not None else None for row in (before, after))
    if was == is_now and before is not None and after is not None:
        diff.same += 1
        diff.moved += abs(before["probability"] - after["probability"]) > _NEAR
        return
    people = any(row is not None and row["source"] == "person" for row in (before, after))
    causes = (PEOPLE,) if people else tuple(differ) or (MODEL,)
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
