"""The packages installed on this machine, and those that this project asks for and that are missing."""

import os
import platform
import re
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

_EXTRA = re.compile(r"""extra == ['"]([\w-]+)['"]""")


@dataclass(frozen=True)
class Package:
    """A package that the project asks for.

    Attributes:
        installed: its version here; None where it is missing.
        wanted: the range that is asked for.
        extra: the extra that asks for it; empty for what every installation needs.
        fits: whether the installed version lies in the range.
    """

    name: str
    installed: str | None
    wanted: str
    extra: str
    fits: bool


@dataclass(frozen=True)
class Installation:
    """This machine, as far as it matters here: `memory` and `free` (disk of the current folder) in bytes."""

    version: str
    python: str
    system: str
    cores: int
    memory: int
    free: int
    packages: tuple[Package, ...]

    @property
    def lacking(self) -> list[str]:
        """Extras of which a package is missing or does not fit; the empty string stands for the base."""
        return sorted({package.extra for package in self.packages if not package.fits})


def check_installation() -> Installation:
    """The installed packages, and the missing ones.

    Examples:
        >>> installation = check_installation()
        >>> "" in installation.lacking
        False
        >>> next(package.fits for package in installation.packages if package.name == "pyarrow")
        True
    """
    from packaging.requirements import Requirement

    packages = []
    for line in requires("socorpus") or []:
        wanted = Requirement(line)
        named = _EXTRA.search(str(wanted.marker))
        extra = named[1] if named else ""
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue  # for another Python or another system
        try:
            installed = version(wanted.name)
        except PackageNotFoundError:
            installed = None
        fits = installed is not None and wanted.specifier.contains(installed, prereleases=True)
        packages.append(Package(wanted.name, installed, str(wanted.specifier), extra, fits))
    return Installation(
        version("socorpus"),
        platform.python_version(),
        platform.system(),
        len(os.sched_getaffinity(0)),
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        shutil.disk_usage(Path.cwd()).free,
        tuple(packages),
    )
