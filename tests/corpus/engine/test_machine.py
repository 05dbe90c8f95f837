"""The memory and the cores that a process may use, whatever the machine has."""

import os
from pathlib import Path

import pytest

from socorpus.corpus.engine import machine

GB = 1 << 30


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("own", "files", "granted"),
    [
        ("0::/\n", {"memory.max": f"{2 * GB}\n"}, 2 * GB),  # in a container
        ("0::/a/b\n", {"memory.max": "max\n", "a/memory.max": f"{GB}\n", "a/b/memory.max": "max\n"}, GB),
        ("0::/a/b\n", {"a/memory.max": f"{3 * GB}\n", "a/b/memory.max": f"{GB}\n"}, GB),  # a job of a batch system
        ("4:cpu,memory:/job\n0::/\n", {"memory/job/memory.limit_in_bytes": f"{GB}\n"}, GB),  # version 1
        ("4:cpuset:/job\n", {"memory/job/memory.limit_in_bytes": f"{GB}\n"}, None),  # another controller's group
        ("0::/\n", {"memory.max": "max\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ("", {}, None),
    ],
)
def test_memory_is_what_the_least_of_the_groups_grants(
    own: str, files: dict[str, str], granted: int | None, tmp_path: Path
) -> None:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    groups, mine = put(tmp_path / "groups", files), put(tmp_path, {"cgroup": own}) / "cgroup"
    assert machine.memory(groups, mine) == (min(whole, granted) if granted else whole)
    assert machine.memory(tmp_path / "none", tmp_path / "none") == whole


def test_no_more_cores_than_the_process_may_run_on() -> None:
    assert 1 <= machine.cores() <= len(os.sched_getaffinity(0))
    assert machine.memory() > 0
