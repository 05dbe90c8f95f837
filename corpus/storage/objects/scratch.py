"""Files of this machine that stand for objects: what is going to be uploaded, and copies of what is read.

They lie in `SOCORPUS_SCRATCH`, by default in the folder for temporary files. A copy is named by the object's address
and identity, so it is never of an earlier content, and all workers of a machine share it.
"""

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage.objects import environment, store_client

_GIGABYTES = 16.0
_OF_USE = 600.0
"""Seconds for which a copy that was asked for is not removed: whoever asked is about to open it."""
_LOOK_AFTER = 1 << 28
"""Bytes that were added until the folder's size is looked at again."""

_added = _LOOK_AFTER
_guard = threading.Lock()


def folder() -> Path:
    """The folder, which only this user can read.

    Raises:
        InputError: it can't be made.
    """
    named = os.environ.get("SOCORPUS_SCRATCH")
    place = Path(named) if named else Path(tempfile.gettempdir()) / f"socorpus-{os.getuid()}"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if place.stat().st_uid != os.getuid():
            raise PermissionError("it is another user's")
    except OSError as error:
        raise InputError(
            f"{place}: no scratch folder can be made there ({error}); name one by SOCORPUS_SCRATCH"
        ) from error
    return place


def passing(root: str) -> Path | None:
    """The folder of this machine for a corpus's passing files (`.work`); None where they lie in the store.

    By `SOCORPUS_PASSING`, which names a folder that all workers see.
    """
    named = os.environ.get("SOCORPUS_PASSING")
    return Path(named).absolute() / hashlib.sha256(root.encode()).hexdigest()[:16] if named else None


def temporary(name: str) -> Path:
    """A path for a file that is going to be uploaded, and that no other process or thread has."""
    place = folder() / "up"
    place.mkdir(mode=0o700, exist_ok=True)
    return place / f"{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}-{name}"


def fetched(place: str, facts: Mapping[str, Any]) -> Path:
    """A copy of an object, made unless there is one.

    Args:
        facts: of `store_client.info`.

    Raises:
        FileNotFoundError: the object is gone.
        SocorpusError: it can't be read.
    """
    path = _path(place, facts)
    try:
        os.utime(path)
        if path.stat().st_size == int(facts["size"]):  # else what a power loss left of it
            return path
    except FileNotFoundError:
        pass
    partial = temporary(path.name)
    try:
        store_client.fetch(place, partial, int(facts["size"]))
        keep(place, facts, partial)
    finally:
        partial.unlink(missing_ok=True)
    return path


def keep(place: str, facts: Mapping[str, Any], source: Path) -> None:
    """Make a file the copy of an object with the same content."""
    path = _path(place, facts)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    source.replace(path)
    os.utime(path)
    _bound(int(facts["size"]))


def _path(place: str, facts: Mapping[str, Any]) -> Path:
    name = hashlib.sha256(f"{place}\n{store_client.stamp(facts)}".encode()).hexdigest()[:32]
    return folder() / "copies" / f"{name}{Path(place).suffix}"


def _bound(size: int) -> None:
    """Remove the copies that were not used for longest, once there are too many bytes of them."""
    global _added
    with _guard:
        _added += size
        if _added < _LOOK_AFTER:
            return
        _added = 0
    most = environment.number("SOCORPUS_SCRATCH_GB", _GIGABYTES, 0, 1e9) * 1e9
    known = []
    for path in (folder() / "copies").iterdir():
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        known.append((stat.st_mtime, stat.st_size, path))
    total, before = sum(size for _, size, _ in known), time.time() - _OF_USE
    for when, bytes_of, path in sorted(known):
        if total <= most or when > before:
            break
        path.unlink(missing_ok=True)
        total -= bytes_of
