"""Which function of a plug-in is at work on which work item, and since when: for a user whose build does not go on.

A worker notes it in a file of the corpus before it calls the function. The file is there even while the function keeps
the worker from answering anything, as a regular expression that never ends does.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from socorpus.corpus import plugins
from socorpus.corpus.engine.work import WorkItem
from socorpus.corpus.storage import files
from socorpus.corpus.storage.objects.lease import process_lives

FOLDER = ".work/plugin_calls"
LONG = 15.0
"""Seconds from which a call is shown, and between two looks."""


def noted(root: Path, item: WorkItem) -> AbstractContextManager[None]:
    """A block in which each call of a plug-in's function is noted at `root`, as long as it lasts."""
    path = root / FOLDER / f"{uuid.uuid4().hex}.json"

    def note(function: str | None) -> None:
        if function is None:
            files.remove(path)
        else:
            process = {"host": socket.gethostname(), "pid": os.getpid()}
            files.write_json(path, {"function": function, "item": item.name, "since": time.time(), **process})

    return plugins.noted(note)


@contextmanager
def watched(root: Path, say: Callable[[str], None]) -> Iterator[None]:
    """A block in which `say` gets a sentence now and then on calls that take long, from a thread of its own."""
    if not plugins.active():
        yield
        return
    files.remove(root / FOLDER)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LONG):
            if sentence := _longest(root):
                say(sentence)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        files.remove(root / FOLDER)


def _longest(root: Path) -> str:
    """A sentence on the call that has taken longest; empty if none takes long."""
    calls = [call for path in files.listed(root / FOLDER, ".json") if (call := _read(path)) is not None]
    long = sorted((call["since"], call["function"], call["item"]) for call in calls if _age(call) >= LONG)
    if not long:
        return ""
    since, function, item = long[0]
    others = f", and {len(long) - 1} more" if len(long) > 1 else ""
    return f"{function} has been at work on {item} for {time.time() - since:,.0f} s{others}; Ctrl-C stops the command"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        call: dict[str, Any] = files.read_json(path)
    except (OSError, ValueError):  # it has just ended
        return None
    return call if call["host"] != socket.gethostname() or process_lives(call["pid"]) else None


def _age(call: dict[str, Any]) -> float:
    return time.time() - float(call["since"])
