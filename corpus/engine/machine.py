"""The cores and the memory that this process may use: of what a machine has, only what a container or a job grants."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

WORKER_BYTES = 1_500_000_000
"""Most memory that the design grants a worker process."""


def cores() -> int:
    """Cores, by the affinity of this process and the quota of its control group."""
    from dask.system import cpu_count

    return int(cpu_count())


def memory(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory: the machine's, or the least that is granted by a control group around this process.

    Args:
        cgroups: where control groups (Linux's cgroups, version 1 or 2) are mounted.
        own: the list of those that this process is in (cgroups(7)).
    """
    granted = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _limits(cgroups, own):
        try:
            limit = int(path.read_text())
        except (OSError, ValueError):  # "max" stands for none
            continue
        granted += [limit] if limit > 0 else []
    return min(granted)


def _limits(cgroups: Path, own: Path) -> Iterator[Path]:
    """The files that would hold a limit: of each group, and of those around it, whose limits hold for it too."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    for line in ["0::/", "0:memory:/", *lines]:
        _, controllers, path = line.split(":", 2)
        folder, name = (cgroups, "memory.max") if not controllers else (cgroups / "memory", "memory.limit_in_bytes")
        if controllers and "memory" not in controllers.split(","):
            continue
        group = PurePosixPath(path.lstrip("/"))
        for around in (group, *group.parents):
            yield folder / around / name


def file_system(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Kind of the file system that a folder lies on (proc_pid_mountinfo(5)); empty where it is not known."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    place, kinds = os.path.realpath(folder), {}
    for line in lines:
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4])
        if os.path.commonpath([place, point]) == point:
            kinds[point] = after.split()[0]  # a later mount hides an earlier one
    return kinds[max(kinds, key=len)] if kinds else ""
