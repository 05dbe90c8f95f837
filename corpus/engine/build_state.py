"""The state of a build, by its receipts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from socorpus.corpus.engine import receipts
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, lock, manifest_file

STAGES = (
    *("read", "map", "partition", "threads", "documents", "signal_inputs", "signals"),
    *("fingerprints", "candidates", "shingles", "verify", "twins", "duplicates"),
    *("pairs", "rules", "elect", "decisions", "split", "sample", "tokenizer", "prepare", "shards"),
    *("label_splits", "label_collect", "label_merge", "label_vote", "label_count", "label_fit"),
    *("label_stratify", "label_label", "label_compare", "label_analysis", "report"),
)
"""All stages in order, those of the labels included, for `socorpus status`."""


def forget(root: Path) -> None:
    """Forget that anything was done at `root`, so that the next build does everything again."""
    if files.exists(root / "receipts"):
        with lock.lock(root):
            files.remove(root / "receipts")


@dataclass(frozen=True)
class StageState:
    """One stage of a build: work items done of all, and the seconds that they took."""

    name: str
    done: int
    items: int
    seconds: float


@dataclass(frozen=True)
class Status:
    """The state of a build."""

    stages: tuple[StageState, ...]
    summary: str


def status(root: Path) -> Status:
    """The state of the build at `root`, by its receipts.

    Raises:
        InputError: no build was ever started there.
    """
    if not files.exists(root / "receipts"):
        raise InputError(f"{root}: no corpus; socorpus build SOURCE -o {root} starts one")
    stages = []
    for name in STAGES:
        run = receipts.run_of(root, name)
        if run is not None and run.items:
            stages.append(StageState(name, min(len(run.seconds), run.items), run.items, sum(run.seconds)))
    return Status(tuple(stages), _summary(root, stages))


def _summary(root: Path, stages: Sequence[StageState]) -> str:
    running = lock.holder(root)
    stage = stages[-1].name if stages else "nothing"
    if running:
        return f"A build is running ({running}), at {stage}."
    if stages and stages[-1].name == STAGES[-1] and manifest_file.load(root) is not None:
        return "The build is finished."
    return f"The build stopped at {stage}; the same command continues it."
