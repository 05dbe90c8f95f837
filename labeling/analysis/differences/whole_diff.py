"""What changed between two corpora, their labels included."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.diff import corpus_diff
from socorpus.corpus.diff.corpus_diff import CorpusDiff
from socorpus.labeling import schema
from socorpus.labeling.analysis.differences import label_diff
from socorpus.labeling.analysis.differences.label_diff import LabelDiff


@dataclass(frozen=True)
class Diff:
    """The differences of two corpora.

    Attributes:
        titles: the old corpus and the new one, as they were named.
        corpus: of all but the labels.
        labels: by task, of those that both have.
        only: tasks of which only the old corpus has labels, and only the new one.
    """

    titles: tuple[str, str]
    corpus: CorpusDiff
    labels: Mapping[str, LabelDiff]
    only: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def differs(self) -> bool:
        """Whether anything is another."""
        labels = any(changes.differs for changes in self.labels.values())
        return bool(self.corpus.differs or labels or any(self.only))

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        corpus = {**asdict(self.corpus), "moved": dict(self.corpus.moved)}
        return {
            "old": self.titles[0],
            "new": self.titles[1],
            "differs": self.differs,
            **corpus,
            "tasks_only_old": list(self.only[0]),
            "tasks_only_new": list(self.only[1]),
            "labels": {task: label_changes(changes) for task, changes in self.labels.items()},
        }


def label_changes(changes: LabelDiff) -> dict[str, Any]:
    """The differences of one task's labels as JSON can hold them."""
    kept = [{"old": label, "new": label, "labels": count} for label, count in sorted(changes.kept.items())]
    moved = [
        {"old": old or None, "new": new or None, "labels": count} for (old, new), count in sorted(changes.pairs.items())
    ]
    return {
        "changed": changes.changed,
        "same": changes.same,
        "raised": changes.raised,
        "lowered": changes.lowered,
        "matrix": [*kept, *moved],
        "causes": dict(sorted(changes.causes.items())),
        "votes": {name: dict(counts) for name, counts in sorted(changes.votes.items())},
        "not_counted": changes.not_counted,
        "functions": [asdict(change) for change in changes.functions],
        "methods": list(changes.methods),
        "sites": dict(sorted(changes.sites.items())),
        "gone": changes.gone,
        "added": changes.added,
        "probabilities": asdict(changes.distribution),
        "examples": [asdict(change) for change in changes.examples],
    }


def compare(
    sides: Sequence[tuple[Path, Mapping[str, Any]]],
    titles: tuple[str, str],
    tasks: Sequence[str] | None,
    examples: int,
    list_to: Path | None,
) -> Diff:
    """Compare two corpora.

    Args:
        sides: the trees of the old and the new corpus, with their manifests.
        titles: what they are called.
        tasks: whose labels are compared; those that both have, if None.
        examples, list_to: as of `corpus_diff.compare`.
    """
    old, new = sides
    entries = [facts.get("labels", {}) for _, facts in sides]
    both = [name for name in entries[0] if name in entries[1]]
    chosen = both if tasks is None else tasks
    labels = {name: label_diff.compare(old[0], new[0], schema.of_corpus(name, entries[1])) for name in chosen}
    only = (
        tuple(name for name in entries[0] if name not in both),
        tuple(name for name in entries[1] if name not in both),
    )
    return Diff(titles, corpus_diff.compare(old, new, examples, list_to), labels, only)
