"""Where a build stands, by its receipts."""

import fcntl
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import manifest_file
from socorpus.corpus.storage.lock import lock

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
    if (root / "receipts").is_dir():
        with lock(root):
            shutil.rmtree(root / "receipts")


@dataclass(frozen=True)
class StageState:
    """One stage of a build: tasks done of all, and the seconds that they took."""

    name: str
    done: int
    tasks: int
    seconds: float


@dataclass(frozen=True)
class Status:
    """Where a build stands."""

    stages: tuple[StageState, ...]
    summary: str


def status(root: Path) -> Status:
    """Where the build at `root` stands, by its receipts.

    Raises:
        InputError: no build was ever begun there.
    """
    if not (root / "receipts").is_dir():
        raise InputError(f"{root}: no corpus; socorpus build SOURCE -o {root} begins one")
    stages = []
    for name in STAGES:
        try:
            tasks = json.loads((root / "receipts" / f"{name}.json").read_text("utf-8"))["tasks"]
        except (OSError, ValueError, KeyError):
            continue
        if not tasks:
            continue
        folder = root / "receipts" / name
        done = [json.loads(path.read_text("utf-8")) for path in folder.rglob("*.json")]
        stages.append(StageState(name, min(len(done), tasks), tasks, sum(one["seconds"] for one in done)))
    return Status(tuple(stages), _summary(root, stages))


def _summary(root: Path, stages: Sequence[StageState]) -> str:
    try:
        with (root / ".lock").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            running = ""
    except BlockingIOError:
        running = (root / ".lock").read_text("utf-8").strip()
    except OSError:
        running = ""
    at = stages[-1].name if stages else "nothing"
    if running:
        return f"A build is at work ({running}), at {at}."
    if stages and stages[-1].name == STAGES[-1] and manifest_file.load(root) is not None:
        return "The build is finished."
    return f"The build stopped at {at}; the same command goes on from there."
