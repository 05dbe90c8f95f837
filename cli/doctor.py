"""`socorpus doctor`: what is installed, what is missing, how to get it."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from socorpus.cli import view


def doctor() -> None:
    """Say what is installed, what is missing, and how to get it."""
    from packaging.requirements import Requirement

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = shutil.disk_usage(Path.cwd()).free
    cores = len(os.sched_getaffinity(0))
    view.out.print(f"socorpus {version('socorpus')}, Python {platform.python_version()} on {platform.system()}")
    view.out.print(f"{cores} cores, {view.size(memory)} of memory, {view.size(free)} free in this folder")
    table = view.table("package", "found", "wanted", "")
    missing = set()
    for line in requires("socorpus") or []:
        wanted = Requirement(line)
        extra = str(wanted.marker).partition("==")[2].strip(" '\"") if wanted.marker else ""
        try:
            found = version(wanted.name)
            fine = wanted.specifier.contains(found, prereleases=True)
        except PackageNotFoundError:
            found, fine = "-", False
        if not fine:
            missing.add(extra)
        table.add_row(wanted.name, found, str(wanted.specifier), "" if fine else "missing" if found == "-" else "other")
    view.out.print(table)
    for extra in sorted(missing):
        view.out.print(f"To get what is missing{f' for {extra}' if extra else ''}: pip install 'socorpus[{extra}]'")
    if not missing:
        view.out.print("Nothing is missing.")
