"""Whether files are what was written: held against the SHA-256 in a receipt or in the manifest.

A file is hashed once. Its hash is remembered with its inode, size and time of modification, in
`.generations/hashes.json`: while these are the same, so is the hash. `socorpus verify` trusts no memory, and takes out
of it what is changed: a bit that a disk lost alters no time.
"""

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError, SocorpusError
from socorpus.corpus.storage import files, generations, manifest_file
from socorpus.corpus.storage.boundary import OF_BUILDS
from socorpus.corpus.storage.objects import store_client
from socorpus.corpus.storage.objects.paths import ObjectPath

_SHOWN = 3


@dataclass(frozen=True)
class Difference:
    """A file that is not what its corpus's manifest says: `path` below the corpus; `what` is missing or changed."""

    path: str
    what: str


class Hashes:
    """SHA-256 of files, from memory where they have not been touched since.

    Args:
        root: the corpus; None remembers nothing.
    """

    def __init__(self, root: Path | None):
        self._place = root / generations.FOLDER / "hashes.json" if root is not None else None
        self._known: dict[str, str] = {}
        self._new: dict[str, str] = {}
        self._written: dict[ObjectPath, str] = {}
        self._less = False
        if self._place is not None:
            try:
                known = files.read_json(self._place)
                self._known = known if isinstance(known, dict) else {}
            except (OSError, ValueError):
                pass

    def learn(self, other: Path) -> None:
        """Take over what is remembered of the files of another corpus, with which hard links share their inodes."""
        self._known = {**Hashes(other)._known, **self._known}

    def sha256(self, path: Path) -> str:
        """Hash of a file.

        Raises:
            OSError: it can't be read.
        """
        stamp = files.stamp(path)
        known = self._known.get(stamp)
        if known is None:
            known = self._known[stamp] = self._new[stamp] = files.sha256(path)
        return known

    def remember(self, path: Path, sha256: str) -> None:
        """Note the hash of a file that was just written."""
        if isinstance(path, ObjectPath) and path.local() is None:
            self._written[path] = sha256  # whose stamp is asked for with those of all others
            return
        stamp = files.stamp(path)
        self._known[stamp] = self._new[stamp] = sha256

    def forget(self, path: Path) -> None:
        """Take what is remembered of a file out of the memory."""
        if files.exists(path) and self._known.pop(files.stamp(path), None) is not None:
            self._less = True

    def holds(self, path: Path, size: int, sha256: str) -> bool:
        """Whether a file is there with this size and hash."""
        try:
            if isinstance(path, ObjectPath) and path.local() is None:
                return self._holds(path, path.facts(), size, sha256)
            return files.size(path) == size and self.sha256(path) == sha256
        except OSError:
            return False

    def _holds(self, path: ObjectPath, facts: Mapping[str, Any], size: int, sha256: str) -> bool:
        stamp = store_client.stamp(facts)
        if facts["type"] != "file" or facts["size"] != size:
            return False
        if self._written.get(path) == sha256:
            self._known[stamp] = self._new[stamp] = sha256
            del self._written[path]
        if stamp not in self._known:
            self._known[stamp] = self._new[stamp] = files.sha256(path)
        return self._known[stamp] == sha256

    def save(self, keep: Iterable[Path] | None = None) -> None:
        """Write what was learnt, if a corpus's folder takes it.

        Args:
            keep: the files to remember; those of all that were ever hashed, if None.
        """
        self._note_written()
        nothing = not self._new and not self._less and keep is None
        if self._place is None or nothing or not files.exists(self._place.parent):
            return
        if self._place.parent.is_symlink():  # which leads out of the corpus
            return
        if keep is not None:
            stamps = set(_stamps(keep))
            self._known = {stamp: known for stamp, known in self._known.items() if stamp in stamps}
        try:
            files.write_json(self._place, self._known)
        except (OSError, SocorpusError):  # a full disk, too: only time is lost
            return
        self._new, self._less = {}, False

    def _note_written(self) -> None:
        for folder in {path.parent for path in self._written}:
            for path, facts in folder.found(deep=False).items():
                if path in self._written:
                    stamp = store_client.stamp(facts)
                    self._known[stamp] = self._new[stamp] = self._written[path]
        self._written = {}


def _stamps(paths: Iterable[Path]) -> Iterator[str]:
    """Stamps of the files that are there; those of objects are asked for by folders."""
    objects: dict[ObjectPath, set[ObjectPath]] = {}
    for path in paths:
        if isinstance(path, ObjectPath) and path.local() is None:
            objects.setdefault(path.parent, set()).add(path)
        elif files.exists(path):
            yield files.stamp(path)
    for folder, wanted in objects.items():
        yield from (store_client.stamp(facts) for path, facts in folder.found(deep=False).items() if path in wanted)


def differences(
    tree: Path, entries: Mapping[str, Mapping[str, Any]], hashes: Hashes
) -> Iterator[tuple[str, Difference | None]]:
    """Each file of a manifest with its difference, if any, in order.

    Args:
        entries: of the manifest's `files`: `bytes` and `sha256` by path below `tree`.
    """

    def check(path: str) -> Difference | None:
        if not files.exists(tree / path):
            return Difference(path, "missing")
        entry = entries[path]
        return None if hashes.holds(tree / path, entry["bytes"], entry["sha256"]) else Difference(path, "changed")

    # Hashing lets other threads run.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from zip(entries, pool.map(check, entries), strict=True)


def require(root: Path, tree: Path, entries: Mapping[str, Mapping[str, Any]], hashes: Hashes | None = None) -> None:
    """Refuse to read files that are not those of the manifest.

    Args:
        root: the corpus, for its memory of hashes and for the message.

    Raises:
        InputError: names some of the files, and what to do.
    """
    known = hashes or Hashes(root if tree != root else None)
    wrong = [difference for _, difference in differences(tree, entries, known) if difference is not None]
    known.save()
    if wrong:
        named = ", ".join(f"{difference.path} ({difference.what})" for difference in wrong[:_SHOWN])
        more = f" and {len(wrong) - _SHOWN:,} more" if len(wrong) > _SHOWN else ""
        raise InputError(
            f"{root}: files are not those of its manifest: {named}{more}; socorpus verify lists all, and the "
            "command of the build makes them again"
        )


def pinned(root: Path) -> tuple[Path, dict[str, Any]]:
    """As `opened`, but no file is looked at.

    Raises:
        InputError: there is no finished corpus.
    """
    tree = generations.pinned(root)
    return tree, finished(root, tree)


def finished(root: Path, tree: Path) -> dict[str, Any]:
    """The manifest of the finished corpus at `root`, whose files are in `tree`.

    Raises:
        InputError: there is none yet, it can't be read, or it is of another version.
    """
    try:
        return manifest_file.finished(tree)
    except InputError:
        if generations.unfinished(root) is not None and tree == root:
            raise InputError(
                f"{root}: its build is not finished; the same socorpus build goes on with it, socorpus status {root} "
                "says how far it is"
            ) from None
        raise


def opened(root: Path, folders: Sequence[str] | None = None) -> tuple[Path, dict[str, Any]]:
    """The tree and the manifest of a finished corpus, to be read until this process ends.

    Args:
        folders: those that the reader needs; all, if None. A copy of only some folders may lack others, but what it
            has must be right.

    Raises:
        InputError: there is no finished corpus, or files are not those of its manifest.
    """
    tree, facts = pinned(root)
    needed = within(facts["files"], folders)
    require(
        root,
        tree,
        {path: of for path, of in facts["files"].items() if tree != root or path in needed or (tree / path).exists()},
    )
    return tree, facts


def within(entries: Mapping[str, Any], folders: Sequence[str] | None) -> dict[str, Any]:
    """The entries of a manifest's files in some folders; all, if None."""
    starts = None if folders is None else tuple(f"{folder}/" for folder in folders)
    return {path: entry for path, entry in entries.items() if starts is None or path.startswith(starts)}


_LISTED = tuple(name for name in OF_BUILDS if "." not in name and name != "receipts")
"""Folders of a corpus of which the manifest lists every file."""


def unlisted(tree: Path, entries: Container[str]) -> Iterator[str]:
    """Files in the folders of a corpus that its manifest does not list: they are none of it."""
    for folder in _LISTED:
        for path in files.every(tree / folder):
            name = path.relative_to(tree).as_posix()
            if name not in entries:
                yield name
