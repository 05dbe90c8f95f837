"""Changing a corpus: in a tree of its own, which takes the finished one's place when it is whole."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, generations, integrity, lock, manifest_file
from socorpus.corpus.storage.integrity import Hashes

BUILD, LABELS, TOKENS, REMOVAL = "build", "labels", "tokens", "removal"
_STOPPED = {
    BUILD: "a build was stopped; the same command continues it",
    LABELS: "labels were being made, which stopped; socorpus labeling apply (or analyze, if that was the command) "
    "continues it",
    TOKENS: "tokens of another tokenizer were being made, which stopped; the same socorpus tokenize (or train) "
    "continues it",
    REMOVAL: "posts were being removed, which stopped; the same socorpus forget continues it",
}


@contextmanager
def rebuilding(
    root: Path, engine: Engine, purpose: str, force: bool = False, like: Path | None = None
) -> Iterator[Path]:
    """The tree to work on, with the engine at work there; it becomes the finished corpus at the end of the block.

    It holds the files of the finished corpus, or what a stopped command left, to be continued. If nothing ran and the
    manifest is the same, the finished corpus stays. The caller holds the corpus's lock.

    Args:
        purpose: `BUILD`, `LABELS`, `TOKENS` or `REMOVAL`.
        force: forget all receipts.
        like: the finished tree of another corpus, with whose files and receipts the first build here begins.

    Raises:
        InputError: labels or tokens are to be made, or posts removed, and another command was stopped.
    """
    with generations.writing(root, like) as tree:
        mark = tree / generations.MARK
        # A build goes on with whatever was stopped, also where the mark is damaged.
        stopped = files.read_text(mark) if purpose != BUILD and files.exists(mark) else ""
        if stopped in _STOPPED and stopped != purpose:
            raise InputError(f"{root}: {_STOPPED[stopped]}, or socorpus build --abandon -o {root} drops it")
        files.write_text(mark, purpose)
        if engine.scheduler is not None:
            generations.written_elsewhere(tree)
        files.sweep(tree)
        if force:
            files.remove(tree / "receipts")
        damaged = receipts.sweep(tree)
        engine.at_work_on(tree, Hashes(root))
        finished, ran = generations.finished(root), engine.ran
        before = manifest_file.load(finished)
        try:
            yield tree
        finally:
            engine.hashes.save()
        engine.hashes.save(files.every(tree))
        if engine.ran == ran and not damaged and before is not None and manifest_file.load(tree) == before:
            if not (wrong := _wrong(finished, tree, before, engine.hashes)):
                generations.abandon(root)
                generations.show(root, root / generations.FOLDER / finished.name)
                return
            engine.say(f"{wrong}: not what was written; it is made again")
        files.settle()
        generations.switch(root, tree)


def _wrong(finished: Path, tree: Path, facts: Mapping[str, Any], hashes: Hashes) -> str | None:
    """The first file of the finished corpus that is not what the build has made, although no work item ran."""
    for path, difference in integrity.differences(finished, facts["files"], hashes):
        if difference is not None:
            return path
    name = "socorpus.toml"
    same = hashes.holds(finished / name, files.size(tree / name), files.sha256(tree / name))
    return None if same else name


def abandon(root: Path) -> bool:
    """Drop what a stopped build or a stopped labelling has done; whether there was anything.

    Raises:
        InputError: there is no corpus.
        BuildError: a build is at work there.
    """
    if not files.exists(root):
        raise InputError(f"{root}: no such folder")
    with lock.lock(root):
        return generations.abandon(root)
