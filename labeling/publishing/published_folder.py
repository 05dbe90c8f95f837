"""A published folder on the disk: whose it is, one writer at a time, and how new files take the place of old ones.

Files are made below `FOLDER/.publishing`, each whole or not there, with receipts, so that a command that was stopped
goes on where it was. When all are there, they get their names in the folder, `PUBLISHED.json` last: a folder that has
it is whole. Then `.publishing` goes.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.receipts import Output, Receipt
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import boundary, files, json_shape
from socorpus.labeling.publishing.published_tables import DATA

NAME = "PUBLISHED.json"
FOLDERS = (DATA, "tokenizer")
"""The folders of a published folder; beside them are only files, which every publication writes."""
MAKING = ".publishing"
"""Folder of a published folder in which its files are made; gone when it is whole."""
_KIND = "socorpus.published"
_SHAPE = {
    "kind": str,
    "identity": str,
    "format": str,
    "push?": str,
    "corpus": {"inputs": str, "kept": int, "sites": [str]},
    "files": {str: {"rows": int, "bytes": int, "sha256": str}},
    "items": {str: {"key": str, "outputs": [str], "counts": {str: object}}},
}


def read(folder: Path) -> dict[str, Any] | None:
    """What a published folder says of itself; None where it is not whole, or no such folder.

    Raises:
        InputError: its `PUBLISHED.json` can't be read.
    """
    path = folder / NAME
    if not files.exists(path):
        return None
    try:
        facts = files.read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read ({error}); remove it, and run the same command again") from None
    if json_shape.misfit(facts, _SHAPE) or facts["kind"] != _KIND:
        raise InputError(f"{path}: not what socorpus publish wrote; name another folder")
    named = [*facts["files"], *(output for item in facts["items"].values() for output in item["outputs"])]
    if outside := [name for name in (*named, *facts["items"]) if ".." in name.split("/") or name.startswith("/")]:
        raise InputError(f"{path}: names {outside[0]}, which is not in the folder; name another folder")
    return dict(facts)


def whole(folder: Path, facts: Mapping[str, Any]) -> bool:
    """Whether all files of a published folder are what was written."""
    return not files.exists(folder / MAKING / "receipts") and all(
        files.is_file(folder / path)
        and files.size(folder / path) == entry["bytes"]
        and files.sha256(folder / path) == entry["sha256"]
        for path, entry in facts["files"].items()
    )


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Hold a folder, making it where there is none; gives the tree in which its files are made.

    Raises:
        InputError: it holds something else, or can't be written.
        BuildError: another process publishes there.
    """
    try:
        above = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"{folder}: a file lies there; name a folder to publish to") from None
    tree = folder / MAKING
    begun = tree.is_dir() and not tree.is_symlink()
    if not begun and any(folder.iterdir()) and read(folder) is None:
        raise InputError(
            f"{folder}: not empty, and not a folder that socorpus publish wrote; name a new folder, or an empty one"
        )
    try:
        with _locked(tree):
            files.refuse_links(tree)
            files.refuse_links(folder / DATA)
            files.sweep(tree)
            yield tree
    finally:
        # Where nothing was begun, nothing is left.
        if not begun and not (tree / "receipts").exists():
            for place in (tree, *above):
                with suppress(OSError):
                    if place == tree:
                        (tree / _LOCK).unlink(missing_ok=True)
                    place.rmdir()


_LOCK = ".lock"


@contextmanager
def _locked(tree: Path) -> Iterator[None]:
    while True:
        tree.mkdir(exist_ok=True)
        try:
            file = os.fdopen(files.own_file(tree / _LOCK), "r+")
        except FileNotFoundError:  # whoever published there has just ended
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BuildError(
                    f"{tree.parent}: another process publishes there; wait for it, or name another"
                ) from None
            except OSError as error:
                raise InputError(
                    f"{tree / _LOCK}: can't be locked ({error.strerror}); name a folder on a file system with locks"
                ) from None
            if not os.fstat(file.fileno()).st_nlink:
                continue
            yield
            return


def begin(folder: Path, tree: Path) -> None:
    """Put the files of an earlier publication into the tree, with their receipts, so that those that stay are kept."""
    facts = read(folder)
    for name, item in (facts["items"] if facts is not None else {}).items():
        stage, _, rest = name.partition("/")
        if receipts.load(tree, stage, rest) is not None or facts is None:
            continue
        entries = {path: facts["files"][path] for path in item["outputs"] if path in facts["files"]}
        for path in entries:
            if files.is_file(folder / path):
                _linked(folder / path, tree / path)
        outputs = {path: Output(of["rows"], of["bytes"], of["sha256"]) for path, of in entries.items()}
        receipts.save(tree, Receipt(stage, rest, item["key"], "", outputs, item["counts"]))


def finish(folder: Path, tree: Path, facts: Mapping[str, Any]) -> None:
    """Give the files of the tree their names in the folder, remove those of an earlier publication, and the tree."""
    entries = facts["files"]
    files.remove(folder / NAME)
    for path in entries:
        _linked(tree / path, folder / path)
    for name in FOLDERS:
        keep = {path.removeprefix(f"{name}/") for path in entries if path.startswith(f"{name}/")}
        files.keep_only(folder / name, keep)
        files.remove_if_empty(folder / name)
    files.settle()
    files.write_json(folder / NAME, {"kind": _KIND, **facts})
    files.remove(tree)


def _linked(source: Path, target: Path) -> None:
    """Give a file another name, in the place of what had it."""
    with files.atomic(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError as error:  # a file system without hard links
            if boundary.is_disk_full(error):
                raise
            shutil.copyfile(source, temporary)
