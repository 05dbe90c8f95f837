"""Generations of a corpus in an object store.

    CORPUS/.generations/log/        names the finished one (`lease`)
    CORPUS/.generations/000002/     the finished corpus
    CORPUS/.generations/000003/     a build at work, until it is whole

A build begins with copies of the finished corpus's objects, which the store makes itself. There are no links with the
names for users, and no locks of readers: the generation before the finished one stays until the next is finished.
"""

import re

from socorpus.corpus.storage.boundary import GENERATIONS, OF_BUILDS
from socorpus.corpus.storage.objects import lease, store_client
from socorpus.corpus.storage.objects.paths import ObjectPath, copied

_NAME = re.compile(r"\d{6}")
MARK = ".purpose"
"""An object of a tree that is not whole, written when all that it begins with is there."""
ELSEWHERE = ".elsewhere"
"""An object of a tree that workers of other machines write."""


def finished(root: ObjectPath) -> ObjectPath:
    """The tree of the finished corpus; `root` itself where there is none.

    Raises:
        SocorpusError: the store can't be read.
    """
    _, entry = lease.last(root)
    return root / GENERATIONS / entry.current if entry is not None and entry.current is not None else root


def unfinished(root: ObjectPath) -> ObjectPath | None:
    """The tree of a build that is at work, or was stopped.

    Raises:
        SocorpusError: the store can't be read.
    """
    tree = finished(root)
    later = _trees(root) if tree == root else [other for other in _trees(root) if other.name > tree.name]
    return next((other for other in reversed(later) if (other / MARK).is_file()), None)


def begun(root: ObjectPath) -> ObjectPath:
    """The tree that a build works on: a new one, or that of a stopped build. The caller holds the corpus's lease.

    Where a writer was taken over, its tree is copied: it may still be writing there. So may workers of other machines.

    Raises:
        SocorpusError: the store can't be read or written.
    """
    stopped = unfinished(root)
    if stopped is not None and not lease.held(root).taken_over and not (stopped / ELSEWHERE).is_file():
        return stopped
    source = stopped or finished(root)
    trees = _trees(root)
    tree = root / GENERATIONS / f"{int(trees[-1].name) + 1 if trees else 1:06d}"
    if source != root:
        known = [path for path in source.found() if path.relative_to(source).parts[0] in OF_BUILDS]
        copied(known, [tree.joinpath(*path.relative_to(source).parts) for path in known])
    purpose = (stopped / MARK).read_bytes() if stopped is not None else b""
    store_client.put((tree / MARK).address, purpose)
    lease.held(root).taken_over = False
    removed_old(root)
    return tree


def switched(root: ObjectPath, tree: ObjectPath) -> None:
    """Make a tree the finished corpus, for all readers at once.

    Raises:
        BuildError: another writer has the corpus.
    """
    lease.held(root).publish(tree.name)
    (tree / MARK).unlink()
    (tree / ELSEWHERE).unlink()
    removed_old(root)


def abandoned(root: ObjectPath) -> bool:
    """Drop the tree of a build that was stopped; whether there was one. The caller holds the corpus's lease."""
    tree = unfinished(root)
    if tree is not None:
        tree.removed()
    return tree is not None


def removed_old(root: ObjectPath) -> None:
    """Remove the trees that are neither finished, nor the one before, nor the newest of a build."""
    entry = lease.held(root).entry
    work = unfinished(root)
    keep = {entry.current, entry.previous, work.name if work is not None else None}
    for tree in _trees(root):
        if tree.name not in keep:
            tree.removed()


def _trees(root: ObjectPath) -> list[ObjectPath]:
    return sorted(path for path in (root / GENERATIONS).iterdir() if _NAME.fullmatch(path.name))
