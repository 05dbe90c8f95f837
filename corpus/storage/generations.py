"""Generations of a corpus: a build works on a tree of its own, and readers see the new corpus as a whole or not at all.

    CORPUS/.generations/000002/   the finished corpus: MANIFEST.json, documents/, shards/, receipts/, …
    CORPUS/.generations/000003/   a build at work, until it is whole
    CORPUS/.generations/current   -> 000002
    CORPUS/documents, …           -> .generations/current/documents, …: the names for other tools

A build begins with hard links to the files of the finished corpus, and replaces what changes: a file is never written
to in place (`files.atomic`). So the disk holds one corpus, and beside it what a build has written so far. The switch
replaces one link. A reader resolves it once, and holds a lock on its tree (`pinned`): a tree that is read is not
removed. A folder without `.generations`, such as a copy of what the links show, is read as it is.

Only the switch and the sharing of files depend on a file system: for an object store `objects.trees` has its own.
"""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.corpus.storage.boundary import GENERATIONS, OF_BUILDS
from socorpus.corpus.storage.objects import trees
from socorpus.corpus.storage.objects.paths import ObjectPath

FOLDER = GENERATIONS
_CURRENT = "current"
_READERS = ".readers"
"""A file of each tree; its readers hold a shared lock on it."""
_NAME = re.compile(r"\d{6}")
_ADOPTED = ".adopted"
MARK, ELSEWHERE = trees.MARK, trees.ELSEWHERE
"""Files of a tree that is not whole: which command works on it, and that workers of other machines do."""
_SAID = ("people.parquet", "models.parquet")
"""What people and models said, which earlier versions kept beside the labels that they made."""
_NOT_OF_VARIANTS = ("MANIFEST.json", "socorpus.toml", "report.html", "tokens", "labels")
"""What a corpus that begins with another one's files does not take from it."""

_pins: dict[Path, int] = {}
"""Trees that this process reads, with the descriptors that hold their locks."""
_holders: Counter[Path] = Counter()
"""Objects that live in this process and read a tree."""


def finished(root: Path) -> Path:
    """The tree of the finished corpus; `root` itself where it has no generations.

    Without the link, as in a copy that left links out or followed them, it is the newest tree that is whole.
    """
    if isinstance(root, ObjectPath):
        return trees.finished(root)
    link = root / FOLDER / _CURRENT
    if link.is_symlink() and link.is_dir():
        return link.resolve()
    whole = [tree for tree in _trees(root) if (tree / "MANIFEST.json").exists() and not (tree / MARK).exists()]
    return whole[-1].resolve() if whole else link.resolve() if link.is_dir() else root


def unfinished(root: Path) -> Path | None:
    """The tree of a build that is at work, or was stopped."""
    if isinstance(root, ObjectPath):
        return trees.unfinished(root)
    now, known = finished(root).name, _trees(root)
    return known[-1] if known and known[-1].name != now else None


def newest(root: Path) -> Path:
    """The finished corpus's tree, or that of a first build which is not finished."""
    tree = finished(root)
    return (unfinished(root) or tree) if tree == root else tree


def pinned(root: Path) -> Path:
    """The tree of the finished corpus, which stays as it is whatever builds do meanwhile: until this process ends, or
    has come to read a newer one and no object holds this (`hold`)."""
    while True:
        tree = finished(root)
        if tree == root or tree in _pins or isinstance(tree, ObjectPath):
            return tree
        try:
            descriptor = files.own_file(tree / _READERS, os.O_RDONLY)
        except (FileNotFoundError, InputError):
            if finished(root) == tree:
                return tree  # a copy of a corpus may lack the file, or have something else there
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:  # it is being removed: there is a newer one
            os.close(descriptor)
            continue
        except OSError:  # a file system without locks
            os.close(descriptor)
            return tree
        if not os.fstat(descriptor).st_nlink:
            os.close(descriptor)
            continue
        _let_go(tree)
        _pins[tree] = descriptor
        return tree


def _let_go(tree: Path) -> None:
    """End the reading of trees beside this one that no object holds."""
    for old in [old for old in _pins if old.parent == tree.parent and old != tree and not _holders[old]]:
        os.close(_pins.pop(old))


def hold(reader: object, tree: Path) -> None:
    """Keep a pinned tree as long as an object lives."""
    _holders[tree] += 1
    weakref.finalize(reader, _holders.subtract, [tree])


@contextmanager
def writing(root: Path, like: Path | None = None) -> Iterator[Path]:
    """The tree that a build works on: a new one, or that of a stopped build. The caller holds the corpus's lock.

    An exception leaves the tree as it is, to be continued. Without a `switch` it has to be dropped (`abandon`).
    A tree that workers of other machines were writing (`ELSEWHERE`) is continued under another name: what they still
    write goes to the old one, which nobody reads.

    Args:
        like: the finished tree of another corpus, with whose files the first tree here begins: by hard links, as of
            two generations, or by copies on another disk.

    Raises:
        InputError: the file system has no links; or a link lies where files and folders of a build have to be.
    """
    if isinstance(root, ObjectPath):
        yield trees.begun(root)
        return
    _refuse_links(root)
    _check_links(root)
    _adopt(root)
    _remove_old(root)
    stopped = unfinished(root)
    if stopped is not None and (stopped / ELSEWHERE).exists():
        stopped = stopped.replace(root / FOLDER / f"{int(stopped.name) + 1:06d}")
        (stopped / ELSEWHERE).unlink()
    yield stopped or _begin(root, like)


def written_elsewhere(tree: Path) -> None:
    """Note that workers of other machines write a tree: they go on for a while after their command has ended."""
    files.write_text(tree / ELSEWHERE, "")


def switch(root: Path, tree: Path) -> None:
    """Make a tree the finished corpus, for all readers at once; the earlier one goes as soon as nobody reads it.

    Raises:
        InputError: a folder of the user's lies where a link has to be.
    """
    if isinstance(root, ObjectPath) and isinstance(tree, ObjectPath):
        trees.switched(root, tree)
        return
    (tree / MARK).unlink(missing_ok=True)
    (tree / ELSEWHERE).unlink(missing_ok=True)
    show(root, tree)
    _remove_old(root)


def show(root: Path, tree: Path) -> None:
    """Link the names that users know to a tree, where they are not.

    Raises:
        InputError: a folder of the user's lies where a link has to be.
    """
    if isinstance(root, ObjectPath):
        return
    names = entries(tree)
    for name in names:
        _link(root / name, f"{FOLDER}/{_CURRENT}/{name}")
    _link(root / FOLDER / _CURRENT, tree.name)
    for name in set(OF_BUILDS) - set(names):
        if (root / name).is_symlink():
            (root / name).unlink()


def shown(root: Path, tree: Path) -> Path:
    """Where users find the files of the finished tree: by links in the corpus's folder, in a store only in the tree."""
    return tree if isinstance(root, ObjectPath) else root


def others(root: Path) -> list[Path]:
    """The trees beside that of the finished corpus: an earlier one that is still read, or that of a stopped command."""
    if isinstance(root, ObjectPath):
        return []
    now = finished(root)
    return [tree for tree in _trees(root) if tree.resolve() != now.resolve()]


def remove_old(root: Path) -> None:
    """Remove earlier trees that nobody reads any longer; what this process has read, and no object holds, it lets go.

    The caller holds the corpus's lock.
    """
    if isinstance(root, ObjectPath):
        return
    _let_go(finished(root))
    _remove_old(root)


def entries(tree: Path) -> list[str]:
    """Names of what a tree shows to users."""
    return sorted(path.name for path in tree.iterdir() if not path.name.startswith(".") and path.name in OF_BUILDS)


def abandon(root: Path) -> bool:
    """Drop the tree of a build that was stopped; whether there was one. The caller holds the corpus's lock.

    So do earlier trees that nobody reads any more, in this process no object (`hold`).

    Raises:
        InputError: a link lies where files and folders of a build have to be.
    """
    if isinstance(root, ObjectPath):
        return trees.abandoned(root)
    _refuse_links(root)
    tree = unfinished(root)
    if tree is not None:
        _remove(tree)
    now = finished(root)
    for old in [old for old in _pins if old.parent == now.parent and old != now and not _holders[old]]:
        os.close(_pins.pop(old))
    _remove_old(root)
    return tree is not None


def own_bytes(tree: Path) -> int:
    """Bytes that a tree takes beside the finished corpus: those of files that are not shared with it."""
    if isinstance(tree, ObjectPath):
        return sum(int(facts["size"]) for facts in tree.found().values())
    stats = (path.lstat() for path in files.every(tree))
    return sum(stat.st_size for stat in stats if stat.st_nlink == 1)


def _refuse_links(root: Path) -> None:
    """Refuse links in the trees, which no build makes: what is written or removed there may be the user's own.

    Those of this module are left: to the finished tree, and what a killed build left of it.
    """
    folder = root / FOLDER
    wrong = folder if folder.is_symlink() else None
    for link in files.links(folder) if wrong is None else ():
        own = link.parent == folder and (link.name == ".link" or link.name.endswith(files.PARTIAL))
        if not own and not (link.parent == folder and link.name == _CURRENT and _NAME.fullmatch(str(link.readlink()))):
            wrong = link
            break
    if wrong is not None:
        # Without a slash before `.generations`: messages leave out the rest of such a path.
        raise InputError(
            f"{root}: {wrong.relative_to(root)} in it is a link, and a corpus's own files are none: what it leads to "
            "would be changed. Remove it, and run the same command again"
        )


def _trees(root: Path) -> list[Path]:
    return sorted(path for path in (root / FOLDER).glob("*") if _NAME.fullmatch(path.name))


def _begin(root: Path, like: Path | None = None) -> Path:
    """A new tree with all files of the finished corpus; the first one with those of another corpus, if it is given."""
    now, known = finished(root), _trees(root)
    names: tuple[str, ...] = OF_BUILDS
    if now == root and like is not None:
        now, names = like, tuple(name for name in OF_BUILDS if name not in _NOT_OF_VARIANTS)
    tree = root / FOLDER / f"{int(known[-1].name) + 1 if known else 1:06d}"
    # Under another name until it is complete: a tree that lacks receipts would be built anew, all of it.
    partial = tree.with_name(f".{tree.name}{files.PARTIAL}")
    files.remove(partial)
    partial.mkdir(parents=True)
    if now != root:
        for name in names:
            if (now / name).is_dir():
                shutil.copytree(now / name, partial / name, copy_function=_share)
            elif (now / name).exists():
                _share(now / name, partial / name)
    (partial / _READERS).touch()
    (partial / MARK).touch()
    partial.replace(tree)
    return tree


def _share(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _link(path: Path, target: str) -> None:
    if path.is_symlink() and str(path.readlink()) == target:
        return
    if path.is_dir() and not path.is_symlink():
        raise InputError(f"{path}: a folder, where a link to the corpus's own has to be; move it away")
    temporary = path.with_name(f".{path.name}.{os.getpid()}{files.PARTIAL}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)


_WITHOUT_LINKS = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


def _check_links(root: Path) -> None:
    """Refuse a file system without links before a build works for hours."""
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    try:
        _link(root / FOLDER / ".link", _CURRENT)
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
        raise InputError(
            f"{root}: its file system takes no symbolic links ({error.strerror}), which a corpus needs; name a folder "
            "on another"
        ) from None
    (root / FOLDER / ".link").unlink()


def _adopt(root: Path) -> None:
    """Move what lies in `root` itself into a generation: a copy of a corpus, or one of an earlier version."""
    current = root / FOLDER / _CURRENT
    if current.is_dir() and not current.is_symlink():  # a copy that followed the links
        tree = finished(root)
        if tree == current.resolve():
            tree = root / FOLDER / f"{int(_trees(root)[-1].name) + 1 if _trees(root) else 1:06d}"
            current.replace(tree)
        files.remove(current)
        for name in OF_BUILDS:
            files.remove(root / name)
        show(root, root / FOLDER / tree.name)
    elif not current.is_symlink() and (tree := finished(root)) != root:  # a copy that left the links out
        show(root, root / FOLDER / tree.name)
    if _trees(root):
        return
    place = root / FOLDER / _ADOPTED
    own = [name for name in OF_BUILDS if (root / name).exists() and not (root / name).is_symlink()]
    if own or place.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        for labels in (root / "labels", place / "labels"):
            if labels.is_symlink():
                continue
            for path in (path for name in _SAID for path in labels.glob(f"*/{name}") if not path.parent.is_symlink()):
                kept = root / "annotations" / path.parent.name / path.name
                kept.parent.mkdir(parents=True, exist_ok=True)
                path.replace(kept)
        for name in own:  # the manifest first: without it nobody takes the rest for a corpus
            files.remove(place / name)
            (root / name).replace(place / name)
        (place / _READERS).touch()
        tree = root / FOLDER / "000001"
        place.replace(tree)
        if (tree / "MANIFEST.json").exists():
            switch(root, tree)


def _remove_old(root: Path) -> None:
    """Remove the trees that are neither finished nor to be continued, unless they are read."""
    keep = {finished(root), unfinished(root)}
    for tree in _trees(root):
        if tree not in keep and tree.resolve() not in keep:
            _remove(tree)
    for leftover in (root / FOLDER).glob(f".*{files.PARTIAL}"):
        files.remove(leftover)


def _remove(tree: Path) -> None:
    if tree in _pins:
        return
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context(os.fdopen(files.own_file(tree / _READERS), "r+"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        except (OSError, InputError):  # no locks here, or a full disk, or no file
            pass
        gone = tree.with_name(f".{tree.name}{files.PARTIAL}")
        files.remove(gone)
        tree.replace(gone)
        (gone / _READERS).unlink(missing_ok=True)
    files.remove(gone)
