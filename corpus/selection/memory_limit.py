"""A limit on the memory that a call into a library may take, for libraries that set none themselves.

DuckDB's own limit holds for its buffers, and not for the texts and lists that its functions make.
"""

import contextlib
import resource
import threading
from collections.abc import Iterator

_LOCK = threading.Lock()
_DATA = 5
"""Place in /proc/self/statm of the pages of data, which the limit counts."""


@contextlib.contextmanager
def limited(most: int) -> Iterator[None]:
    """A block in which this process may take at most about `most` bytes more; allocations beyond fail.

    The system's limit on data (RLIMIT_DATA) holds for the whole process: one thread at a time is in such a block, and
    the others are best idle. Only where the system tells how much a process has (Linux); elsewhere there is no limit.
    """
    with _LOCK:
        before = resource.getrlimit(resource.RLIMIT_DATA)
        taken = _taken()
        if taken is not None:
            bounds = [taken + most, *(bound for bound in before if bound != resource.RLIM_INFINITY)]
            resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), before[1]))
        try:
            yield
        finally:
            if taken is not None:
                resource.setrlimit(resource.RLIMIT_DATA, before)


def _taken() -> int | None:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  # no path of a corpus
            return int(file.read().split()[_DATA]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return None
