"""Workers of a Dask cluster that somebody else has started: they need the same packages, and have to see the corpus.

Another release of a package may write other bytes, or read an argument in another way: nothing runs on such a worker.
"""

import platform
import socket
from importlib import metadata
from pathlib import Path

from socorpus.corpus.errors import InputError, SocorpusError
from socorpus.corpus.storage import files
from socorpus.corpus.storage.objects.paths import ObjectPath

Versions = tuple[tuple[str, str], ...]

_PACKAGES = (
    "socorpus",
    "pyarrow",
    "numpy",
    "numba",
    "scipy",
    "lxml",
    "tokenizers",
    "google-re2",
    "xxhash",
    "datasketch",
)
"""Packages on which the bytes of a corpus depend."""
_OF_A_FOLDER = "corpus and sources have to lie on storage that all workers see under the same path"
_OF_A_STORE = (
    "A worker takes the store's address (AWS_ENDPOINT_URL) and the credentials from its own environment: set them "
    "where the workers run, and start them again"
)


def versions() -> Versions:
    """Versions of Python (without its patch level) and of the packages that write a corpus, in this process."""
    python = ".".join(platform.python_version_tuple()[:2])
    return (("python", python), *((name, _version(name)) for name in _PACKAGES))


def require_same(expected: Versions, root: Path) -> None:
    """Hold the packages of this process against those of the one that builds, and look for the corpus.

    Args:
        expected: of the process that builds.
        root: the folder that it works on.

    Raises:
        InputError: they differ, or the folder is not there, or the store refuses this machine; names this machine and
            what differs.
        BuildError: the store does not answer this machine.
    """
    differ = [
        f"{name} {own} where the build has {wanted}"
        for (name, own), (_, wanted) in zip(versions(), expected, strict=True)
        if own != wanted
    ]
    worker = f"a Dask worker on {socket.gethostname()}"
    if differ:
        raise InputError(f"{worker} has {'; '.join(differ)}: install the same versions there, and start it again")
    try:
        seen = files.exists(root)
    except SocorpusError as error:
        raise type(error)(f"{worker} can't read the corpus: {error}. {_OF_A_STORE}") from error
    if not seen:
        more = _OF_A_STORE if isinstance(root, ObjectPath) else _OF_A_FOLDER
        raise InputError(f"{worker} does not see {root}: {more}")


def lacks_package(error: ModuleNotFoundError) -> InputError:
    """The error of a worker that can't even load what it was sent."""
    return InputError(
        f"a Dask worker lacks the package {(error.name or 'socorpus').partition('.')[0]}: install the same version of "
        "socorpus, and of your plug-ins, where the workers run, and start them again"
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(none)"
