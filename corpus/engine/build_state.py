"""The state of a build, by its receipts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from socorpus.corpus.engine import receipts
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, generations, lock, manifest_file

STAGES = (
    *("read", "repeats", "unique", "map", "partition", "threads", "authors", "documents", "signal_inputs", "signals"),
    *("fingerprints", "candidates", "shingles", "verify", "twins", "duplicates"),
    *("pairs", "rules", "elect", "decisions", "split", "sample", "tokenizer", "prepare", "shards"),
    *("label_splits", "label_facts", "label_collect", "label_merge", "label_vote", "label_count", "label_fit"),
    *("label_stratify", "label_mentions", "label_teach", "label_label", "label_analysis", "report", "tokens"),
)
"""All stages in order, those of the labels included, for `socorpus status`."""


@dataclass(frozen=True)
class StageState:
    """One stage of a build: work items done of all, the seconds that they took, and when it began (since 1970)."""

    name: str
    done: int
    items: int
    seconds: float
    started: float


@dataclass(frozen=True)
class Status:
    """The state of a build; `whole` says whether there is a finished corpus, whatever is at work or was stopped."""

    stages: tuple[StageState, ...]
    summary: str
    whole: bool


def status(root: Path) -> Status:
    """The state of the build at `root`, by its receipts: of one that is at work or was stopped, if there is one.

    Raises:
        InputError: no build was ever started there.
    """
    finished, unfinished = generations.finished(root), generations.unfinished(root)
    tree = unfinished or finished
    if not files.exists(tree / "receipts") and unfinished is None:
        raise InputError(f"{root}: no corpus; socorpus build SOURCE -o {root} starts one")
    stages = []
    # A rebuild begins with the receipts of the finished corpus: only stages that it has come to say how far it is.
    first = receipts.run_of(tree, STAGES[0])
    of_build = unfinished is not None and _purpose(tree) not in ("labels", "tokens")
    since = first.started if of_build and first is not None else 0.0
    for name in STAGES:
        run = receipts.run_of(tree, name)
        if run is not None and run.items and run.started >= since:
            stages.append(StageState(name, min(len(run.seconds), run.items), run.items, sum(run.seconds), run.started))
    whole = manifest_file.load(finished) is not None
    return Status(tuple(stages), _summary(root, stages, whole, unfinished), whole)


def _purpose(tree: Path) -> str:
    """A purpose of `rebuild`; empty where a command ended before it could note it, or has none."""
    mark = tree / generations.MARK
    return files.read_text(mark) if files.exists(mark) else ""


def _summary(root: Path, stages: Sequence[StageState], whole: bool, unfinished: Path | None) -> str:
    running = lock.holder(root)
    if unfinished is None and not running:
        if not whole and files.exists(generations.finished(root) / manifest_file.NAME):
            try:
                manifest_file.finished(generations.finished(root))
            except InputError as error:
                return f"{error}."
        return "The build is finished." if whole else "The build stopped; the same command continues it."
    latest = max(stages, key=lambda stage: stage.started).name if stages else "its beginning"
    drops = f", socorpus build --abandon -o {root} drops it." if whole else "."
    purpose = _purpose(unfinished) if unfinished is not None else ""
    if whole and unfinished is not None and not running and not purpose:
        # Its receipts are those of the finished corpus: nothing has begun.
        return (
            f"A command that makes labels (socorpus labeling apply {root}, or analyze) or tokens, or a build, stopped "
            f"before it began; the same command begins again{drops} The finished corpus is read."
        )
    if purpose == "labels" and running:
        state = f"Labels are being made ({running}), at {latest}."
    elif purpose == "tokens" and running:
        state = f"Tokens of another tokenizer are being made ({running})."
    elif purpose == "tokens":
        state = (
            f"Tokens of another tokenizer were being made, which stopped; the same socorpus tokenize {root} (or train) "
            f"continues it{drops}"
        )
    elif purpose == "removal" and running:
        state = f"Posts are being removed ({running}), at {latest}."
    elif purpose == "removal":
        state = (
            f"Posts were being removed, which stopped at {latest}, and are still there; the same socorpus forget "
            f"{root} continues it{drops}"
        )
    elif purpose == "labels":
        state = (
            f"Labels were being made, which stopped at {latest}; socorpus labeling apply {root} (or analyze, if "
            f"that was the command) continues it{drops}"
        )
    elif running:
        state = f"A build is running ({running}), at {latest}."
    else:
        state = f"The build stopped at {latest}; the same command continues it{drops}"
    if whole and unfinished is not None:
        size = generations.own_bytes(unfinished) / 1e6
        state += f" Until it is whole, the finished corpus is read; beside it the new one takes {size:,.0f} MB so far."
    return state
