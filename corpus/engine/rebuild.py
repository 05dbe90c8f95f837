"""Changing a corpus: in a tree of its own, which takes the finished one's place when it is whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, generations, lock, manifest_file
from socorpus.corpus.storage.integrity import Hashes

BUILD, LABELS = "build", "labels"
_PURPOSE = ".purpose"
"""A file of an unfinished tree: which command works on it."""


@contextmanager
def rebuilding(root: Path, engine: Engine, purpose: str, force: bool = False) -> Iterator[Path]:
    """The tree to work on, with the engine at work there; it becomes the finished corpus at the end of the block.

    It holds the files of the finished corpus, or what a stopped command left, to be continued. If nothing ran and the
    manifest is the same, the finished corpus stays. The caller holds the corpus's lock.

    Args:
        purpose: `BUILD` or `LABELS`.
        force: forget all receipts.

    Raises:
        InputError: the labels are to be changed, and a build was stopped.
    """
    with generations.writing(root) as tree:
        mark = tree / _PURPOSE
        if purpose != BUILD and files.exists(mark) and files.read_text(mark) == BUILD:
            raise InputError(
                f"{root}: a build was stopped; the same command continues it, or socorpus build --abandon -o {root} "
                "drops it"
            )
        files.write_text(mark, purpose)
        files.sweep(tree)
        if force:
            files.remove(tree / "receipts")
        receipts.sweep(tree)
        engine.at_work_on(tree, Hashes(root))
        before, ran = manifest_file.load(generations.finished(root)), engine.ran
        try:
            yield tree
        finally:
            engine.hashes.save()
        engine.hashes.save(files.every(tree))
        if engine.ran == ran and before is not None and manifest_file.load(tree) == before:
            generations.abandon(root)
            return
        files.remove(mark)
        files.settle()
        generations.switch(root, tree)


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
