"""A folder that one process writes: a run's, or that of a fine-tuned model.

Its `.lock` stays for good. Were it deleted with the rest, another process could lock a new file of that name while the
old one is held, and both would write.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files

NAME = ".lock"


@contextmanager
def held(folder: Path, doing: str, patience: float) -> Iterator[None]:
    """Keep other processes out of a folder for the duration of the block; it is made.

    Args:
        doing: what they do there, for the message.
        patience: seconds to wait for one.

    Raises:
        InputError: another process has it for longer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with os.fdopen(files.own_file(folder / NAME), "r+") as file:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > until:
                    raise InputError(
                        f"{folder}: another process is {doing} in this folder; wait for it, or give another one with "
                        "--out"
                    ) from None
                time.sleep(0.2)
        yield


def empty(folder: Path) -> None:
    """Delete all that a folder holds but its lock, which the caller has.

    Raises:
        OSError: something can't be deleted.
    """
    for path in folder.iterdir():
        if path.name != NAME:
            files.remove(path)
