"""This machine and what is installed on it: what is missing, and what will be slow."""

import platform
import re
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from socorpus.corpus.engine import machine

GB = 1e9
_PEAK = 0.65
"""Most bytes on the disk that a build with labels takes, for a byte of XML (docs/scaling.md)."""
_FEW_GB = 5.0
_NETWORK = ("nfs", "cifs", "smb", "9p", "fuse.", "lustre", "gpfs", "ceph", "beegfs", "glusterfs", "afs", "drvfs")
"""What the names of file systems begin with that ask another machine, or another system, for each file."""
_MEMORY = ("tmpfs", "ramfs")
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
class Advice:
    """What will be slow on this machine, or fail.

    Attributes:
        sentence: what, and why.
        command: what mends it, for a shell; None where no command does.
    """

    sentence: str
    command: str | None = None


@dataclass(frozen=True)
class Installation:
    """This machine, as far as it matters here: `memory` and `free` (disk of the current folder) in bytes.

    Cores and memory are those that a container or a job grants.

    Attributes:
        file_system: kind of the current folder's file system, as Linux names it; empty where it is not known.
        compiled: whether the kernels of a build are compiled already; None where they can't be kept.
    """

    version: str
    python: str
    system: str
    cores: int
    memory: int
    free: int
    file_system: str
    compiled: bool | None
    packages: tuple[Package, ...]

    @property
    def lacking(self) -> list[str]:
        """Extras of which a package is missing or does not fit; the empty string stands for the base."""
        return sorted({extra for package in self.packages if not package.fits for extra in package.extras or ("",)})

    @property
    def advice(self) -> list[Advice]:
        """What will be slow here, or fail, and what mends it."""
        given = []
        for extra in self.lacking:
            names = ", ".join(
                package.name for package in self.packages if not package.fits and extra in (package.extras or ("",))
            )
            sentence = f"{f'socorpus[{extra}]' if extra else 'socorpus'} lacks {names}"
            given.append(Advice(sentence, f"pip install 'socorpus[{extra}]'" if extra else "pip install socorpus"))
        most = max(1, self.memory // machine.WORKER_BYTES)
        if most < self.cores:
            given.append(
                Advice(
                    f"a build starts {most} worker process{'' if most == 1 else 'es'} and not {self.cores}: each may "
                    f"take {machine.WORKER_BYTES / GB:.1f} GB of memory, and there are {self.memory / GB:.1f}"
                )
            )
        if self.free < _FEW_GB * GB:
            given.append(
                Advice(
                    f"{self.free / GB:.1f} GB are free in this folder, enough for some {self.free / GB / _PEAK:.1f} GB "
                    "of XML: name a folder of a larger disk with -o"
                )
            )
        if self.file_system.startswith(_NETWORK):
            given.append(
                Advice(
                    f"this folder lies on {self.file_system}, where every file costs a message, and a build writes "
                    "many: build into a folder of a local disk (-o), and move the finished corpus"
                )
            )
        if self.file_system in _MEMORY:
            given.append(
                Advice(f"this folder lies on {self.file_system}: what is built here takes memory, and is gone")
            )
        if self.compiled is None:
            given.append(
                Advice(
                    "no folder for compiled kernels can be written, so each process compiles them anew",
                    "export NUMBA_CACHE_DIR=~/.cache/numba",
                )
            )
        elif not self.compiled:
            given.append(
                Advice("the first build compiles its kernels, half a minute or so, once", "socorpus doctor --compile")
            )
        return given


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

    from socorpus.corpus.pipeline import kernels_are_compiled

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
        machine.file_system(Path.cwd()),
        kernels_are_compiled(),
        tuple(packages),
    )
