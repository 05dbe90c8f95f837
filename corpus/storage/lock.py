"""The lock of a corpus: one writer at a time."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import boundary


def holder(root: Path) -> str:
    """The process at work at `root`, in words, from its lock; empty where there is none."""
    path = root / ".lock"
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return ""
    except BlockingIOError:
        return _in_words(path.read_text("utf-8"))
    except OSError:
        return ""


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
        InputError: `root` holds something else, or can't be written.
        BuildError: another build is at work there.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        known = (".generations", "receipts", ".work", "MANIFEST.json", ".lock")
        if any(root.iterdir()) and not any((root / name).exists() for name in known):
            raise InputError(f"{root}: not empty, and not a corpus; name a new folder for the corpus")
        file = (root / ".lock").open("a+")
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
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": os.uname().nodename}))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)  # a copy of the corpus says nothing of who built it
