"""Processes that this one starts: they import nothing from the current folder, which may be a stranger's dump."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "PYTHONSAFEPATH"


@contextmanager
def without_current_folder() -> Iterator[None]:
    """A block in which processes of Python are started without the current folder among what they import from.

    Without it a file there that is called `socket.py` would be run. The environment is as it was afterwards: other
    processes of whoever calls us may live by their folder.
    """
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before
