"""What changed between the labels of two corpora: which labels, by whose votes, and where."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from socorpus.corpus.storage import files, parquet
from socorpus.labeling import schema
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
    """Function -> votes that are `new`, `gone` or `changed`, on all labels."""
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
    for site in sorted(sites[0] | sites[1]):
        before, after = (_labels(root, task, site) for root in (old, new))
        for key in sorted({*before, *after}):
            _enter(diff, site, key, before.get(key), after.get(key))
    return diff


def _enter(
    diff: LabelDiff, site: str, key: _Key, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> None:
    then, now = (_votes(row) for row in (before, after))
    differ = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    for name in differ:
        kind = "changed" if name in then and name in now else "new" if name in now else "gone"
        diff.votes.setdefault(name, Counter())[kind] += 1
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


def _votes(row: Mapping[str, Any] | None) -> dict[str, str | None]:
    votes = row["votes"] if row is not None else ()
    return {vote["function"]: vote["label"] for vote in votes if not vote["function"].startswith("person:")}


def _sites(root: Path, task: Task) -> Iterator[str]:
    yield from files.folders(root / schema.FOLDER / task.name / "labels")


def _labels(root: Path, task: Task, site: str) -> dict[_Key, dict[str, Any]]:
    folder = root / schema.FOLDER / task.name / "labels" / site
    rows: dict[_Key, dict[str, Any]] = {}
    for path in sorted(files.listed(folder)) if files.exists(folder) else ():
        for row in parquet.read(path, schema.LABELS, list(_COLUMNS)).to_pylist():
            start, end = (-1 if row[name] is None else row[name] for name in ("start", "end"))
            rows[row["post_id"], start, end] = row
    return rows
