"""The packages installed on this machine, and those that this project asks for and that are missing."""

import platform
import re
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from socorpus.corpus.engine import machine

_EXTRA = re.compile(r"""extra == ['"]([\w-]+)['"]""")


@dataclass(frozen=True)
class Package:
    """A package that the project asks for.

    Attributes:
        installed: its version here; None where it is missing.
        wanted: the range that is asked for.
        extras: the extras that ask for it; none for what every installation needs.
        fits: whether the installed version lies in the range.
    """

    name: str
    installed: str | None
    wanted: str
    extras: tuple[str, ...]
    fits: bool


@dataclass(frozen=True)
class Installation:
    """This machine, as far as it matters here: `memory` and `free` (disk of the current folder) in bytes.

    Cores and memory are those that a container or a job grants.
    """

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
        return sorted({extra for package in self.packages if not package.fits for extra in package.extras or ("",)})


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
    from packaging.specifiers import SpecifierSet

    known: dict[str, list[tuple[Requirement, str]]] = {}
    for line in requires("socorpus") or []:
        wanted = Requirement(line)
        for extra in _EXTRA.findall(str(wanted.marker)) or [""]:
            # Not for another Python or system; and extras that only bundle others ask for nothing of their own.
            applies = wanted.marker is None or wanted.marker.evaluate({"extra": extra})
            if applies and wanted.name != "socorpus":
                known.setdefault(wanted.name, []).append((wanted, extra))
    packages = []
    for name, asked in known.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = None
        ranges = SpecifierSet(",".join(dict.fromkeys(str(wanted.specifier) for wanted, _ in asked if wanted.specifier)))
        fits = installed is not None and ranges.contains(installed, prereleases=True)
        extras = tuple(dict.fromkeys(extra for _, extra in asked))
        packages.append(Package(name, installed, str(ranges), () if "" in extras else extras, fits))
    return Installation(
        version("socorpus"),
        platform.python_version(),
        platform.system(),
        machine.cores(),
        machine.memory(),
        shutil.disk_usage(Path.cwd()).free,
        tuple(packages),
    )
