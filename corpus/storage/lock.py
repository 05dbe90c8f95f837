"""The lock of a corpus: one writer at a time."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import boundary, files
from socorpus.corpus.storage.objects import lease
from socorpus.corpus.storage.objects.paths import ObjectPath


def holder(root: Path) -> str:
    """The process at work at `root`, in words, from its lock; empty where there is none."""
    if isinstance(root, ObjectPath):
        _, entry = lease.last(root)
        return lease.described(entry) if entry is not None and entry.live else ""
    path = root / ".lock"
    try:
        with os.fdopen(files.own_file(path, os.O_RDWR), "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return ""
    except BlockingIOError:
        return _in_words(files.read_text(path))
    except (OSError, InputError):
        return ""


def require(tree: Path) -> None:
    """Go on only while the corpus of a tree is this process's, if it holds it by a lease, which can be lost.

    Raises:
        BuildError: another command may be at work there.
    """
    held = lease.of_tree(tree) if isinstance(tree, ObjectPath) else None
    if held is not None:
        held.check()


def _in_words(text: str) -> str:
    try:
        owner = json.loads(text)
        return f"process {owner['pid']} on {owner['host']}"
    except (ValueError, TypeError, KeyError):
        return "by a process that has not yet given its number"


@contextmanager
def lock(root: Path) -> Iterator[None]:
    """Hold the corpus at `root`, making the folder where there is none: nobody else writes there meanwhile.

    Raises:
        InputError: `root` holds something else, or can't be written, or its `.lock` is a link or no file.
        BuildError: another build is at work there.
    """
    if isinstance(root, ObjectPath):
        with lease.taken(root):
            yield
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        known = (".generations", "receipts", ".work", "MANIFEST.json", ".lock")
        if any(root.iterdir()) and not any((root / name).exists() for name in known):
            raise InputError(f"{root}: not empty, and not a corpus; name a new folder for the corpus")
        file = os.fdopen(files.own_file(root / ".lock"), "r+", encoding="utf-8")
    except (NotADirectoryError, FileExistsError):
        raise InputError(f"{root}: a file lies there; name a folder for the corpus") from None
    except OSError as error:
        raise boundary.explain_error(error) or error from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise BuildError(f"{root}: another build is at work there ({_in_words(file.read())})") from None
        except OSError as error:
            raise InputError(
                f"{root / '.lock'}: can't be locked there ({error.strerror}); name a folder on a file system with locks"
            ) from None
        # For the message to others only. A full disk has no room for it, and what makes room needs the lock.
        os.truncate(file.fileno(), 0)
        with suppress(OSError):
            os.pwrite(file.fileno(), json.dumps({"pid": os.getpid(), "host": os.uname().nodename}).encode(), 0)
        try:
            yield
        finally:
            os.truncate(file.fileno(), 0)  # a copy of the corpus says nothing of who built it
