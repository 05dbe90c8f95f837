"""Files that are whole or not there: atomic writing, hashes, full disks."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import BuildError, InputError

_FULL = 1 << 20
"""Bytes; a disk with less room is full."""
PARTIAL = ".partial"
"""Suffix of a file that is being written; such files of a killed build are removed when it starts again."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time through the block, whoever else names the same file; it is made, and stays."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it becomes `path` at once, on failure it goes.

    A killed process leaves the old file or the new one. For a machine that loses its power, `settle` is called once
    before a build is called finished: a sync for each of some thousand files would cost more than many of the stages.

    Raises:
        InputError: the folder can't be written.
        BuildError: the disk is full; names the file and what is kept.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    # The pid keeps two workers apart that were given the same task (Dask may run a task again elsewhere).
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if is_disk_full(error):
            raise disk_full(path) from error
        if isinstance(error, OSError) and error.filename == str(temporary):
            raise InputError(f"{path}: can't be written: {error.strerror}") from error
        raise


def settle() -> None:
    """Wait until everything that was written is on the disk."""
    os.sync()


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception, of Python or of Arrow, says that there is no space or no quota left."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, OSError) and (
        error.errno in codes or any(f"[errno {c}]" in str(error).lower() for c in codes)
    )


def ran_out(error: BaseException, folder: Path) -> bool:
    """Whether an exception comes of a full disk, though it may not say so: PyTorch speaks of an unexpected position.

    Args:
        folder: where it was written to, with what was written still there.
    """
    try:
        return is_disk_full(error) or shutil.disk_usage(folder).free < _FULL
    except OSError:
        return False


def disk_full(path: Path) -> BuildError:
    """The message for a full disk."""
    try:
        free = f"{shutil.disk_usage(path.parent).free / 1e6:,.0f} MB are free there"
    except OSError:
        free = "nothing is free there"
    return BuildError(
        f"{path}: no space left on the disk ({free}). What is finished is kept; make room "
        "and run the same command again"
    )


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in the order given, one value a line."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


def sha256(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(root: Path) -> None:
    """Remove what a killed build left half-written."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(".") and name.endswith(PARTIAL):
                (Path(folder) / name).unlink(missing_ok=True)


def keep_only_folders(folder: Path, keep: set[str]) -> None:
    """Remove the folders right below `folder` that are not in `keep`."""
    for place in folder.glob("*/"):
        if place.name not in keep:
            shutil.rmtree(place)


def keep_only(folder: Path, keep: set[str]) -> None:
    """Remove all files below a folder that are not in `keep` (paths relative to it), and folders left empty."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(place) / name
            if str(path.relative_to(folder)) not in keep:
                path.unlink()
        if place != str(folder) and next(Path(place).iterdir(), None) is None:
            Path(place).rmdir()
