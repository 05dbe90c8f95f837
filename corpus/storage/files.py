"""The files of a corpus: whole or not there; hashes, listings, full disks.

All reading and writing of a corpus's files goes through this package, so that other storage can be added here.
"""

import errno
import hashlib
import json
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage.boundary import disk_full, explain_error, is_disk_full, reading, writing
from socorpus.corpus.storage.objects import scratch, store_client
from socorpus.corpus.storage.objects.paths import ObjectPath, copied, readable

_Item = TypeVar("_Item")
_Value = TypeVar("_Value")

_FULL = 1 << 20
"""Bytes; a disk with less room is full."""
PARTIAL = ".partial"
"""Suffix of a file that is being written; such files of a killed build are removed when it starts again."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time through the block, for all that name the same file; it is created, and stays."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(own_file(path), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def own_file(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int:
    """The descriptor of a file that is locked or written in place, made where there is none.

    Raises:
        InputError: a link lies there, which may lead to a file of the user's; or a folder, a FIFO or a device.
        OSError: it can't be opened.
    """
    if path.is_symlink():
        raise InputError(f"{path}: a link, and nothing is written through it; remove it")
    strange = InputError(f"{path}: a pipe (FIFO), a device, a socket or a folder, where a file is expected; remove it")
    try:
        # Without waiting for whoever may open the other end of a FIFO.
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EISDIR):
            raise strange from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise strange
    return descriptor


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it becomes `path` at once, on failure it goes.

    A killed process leaves the old file or the new one. For a machine that loses its power, `settle` is called once
    before a build is called finished: a sync for each of some thousand files would cost more than many of the stages.
    An object is uploaded from a file of this machine.

    Raises:
        SocorpusError: the file can't be written, such as for want of space; names it, and what to do.
    """
    if isinstance(path, ObjectPath):
        if (local := path.local()) is None:
            with _uploaded(path) as temporary:
                yield temporary
            return
        path = local
    if not path.parent.is_dir():
        with writing(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except FileExistsError:  # it names the file that lies there, and not what was to be written
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None
    # A name of its own for each of two workers that were given the same item (Dask may run it again elsewhere): on
    # machines of a cluster, and in containers even mostly, their processes have the same number.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}{PARTIAL}")
    try:
        with writing(path):
            yield temporary
            temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):  # where nothing can be written, not even a file that is not there can be removed
            temporary.unlink()
        if is_disk_full(error):
            raise disk_full(path) from error
        if isinstance(error, OSError) and str(temporary) in str(error) and (known := explain_error(error)) is not None:
            raise type(known)(str(known).replace(str(temporary), str(path))) from error
        raise


@contextmanager
def _uploaded(path: ObjectPath) -> Iterator[Path]:
    """Give a temporary path of this machine; on success its content becomes the object `path`."""
    temporary = scratch.temporary(path.name)
    try:
        with writing(temporary):
            yield temporary
            with temporary.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            store_client.upload(path.address, temporary)
            facts = path.facts()
            _uploads[path] = (store_client.stamp(facts), content)
            scratch.keep(path.address, facts, temporary)
    except BaseException as error:
        if is_disk_full(error):
            raise disk_full(temporary) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


_uploads: dict[ObjectPath, tuple[str, str]] = {}
"""Objects that this process has written, with the stamp and the SHA-256 of each."""


def sha256_of_written(path: Path) -> str:
    """SHA-256 of a file that this process has just written: of an object without reading it again."""
    known = _uploads.pop(path, None) if isinstance(path, ObjectPath) else None
    return known[1] if known is not None and known[0] == stamp(path) else sha256(path)


def each(root: Path, function: Callable[[_Item], _Value], items: Iterable[_Item]) -> Iterable[_Value]:
    """A function of each item, in order, that looks at files below `root`: many at a time where these are objects."""
    return store_client.together(function, items) if isinstance(root, ObjectPath) else map(function, items)


def settle() -> None:
    """Wait until everything that was written is on the disk."""
    os.sync()


def ran_out(error: BaseException, folder: Path) -> bool:
    """Whether a full disk caused an exception that may not name it: PyTorch reports an unexpected position.

    Args:
        folder: the folder written to, with the written files still there.
    """
    try:
        return is_disk_full(error) or shutil.disk_usage(folder).free < _FULL
    except OSError:
        return False


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in the order given, one value a line."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name (any but "file", which is numpy's own), atomically."""
    import numpy as np

    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def write_array(path: Path, array: Any) -> None:
    """Write one array, atomically, as `mapped_array` reads it."""
    import numpy as np

    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)


def mapped_array(path: Path) -> Any:
    """An array of `write_array`, read-only, of which only what is looked at comes into memory."""
    import numpy as np

    with reading(path):
        return np.load(readable(path), mmap_mode="r", allow_pickle=False)


def fingerprint(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_text(path: Path) -> str:
    """A file in UTF-8.

    Raises:
        OSError: it can't be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    with reading(path):
        return path.read_text("utf-8")


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        OSError: it can't be read.
        ValueError: it is no JSON.
    """
    with reading(path):
        try:
            return json.loads(path.read_text("utf-8"))
        except RecursionError:
            raise ValueError("JSON of too many levels") from None


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of `write_arrays` by name."""
    import numpy as np

    with reading(path), readable(path).open("rb") as file, np.load(file, allow_pickle=False) as saved:
        return {name: saved[name] for name in saved.files}


def exists(path: Path) -> bool:
    """Whether a file or a folder is there."""
    return path.exists()


def is_file(path: Path) -> bool:
    """Whether a file is there, and no folder."""
    return path.is_file()


def size(path: Path) -> int:
    """Bytes of a file.

    Raises:
        OSError: it is not there.
    """
    return path.stat().st_size


def stamp(path: Path) -> str:
    """Device, inode, size and time of a file: with another content it has another one.

    Raises:
        OSError: it isn't there.
    """
    if isinstance(path, ObjectPath):
        if (local := path.local()) is None:
            return store_client.stamp(path.facts())
        path = local
    stat = path.stat()
    return f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"


def listed(folder: Path, suffix: str = ".parquet", deep: bool = False) -> list[Path]:
    """The files of a folder (with `deep` of those below it too) that end in `suffix`, sorted; none without a folder."""
    return sorted(folder.rglob(f"*{suffix}") if deep else folder.glob(f"*{suffix}"))


def links(folder: Path) -> Iterator[Path]:
    """All symbolic links below a folder; none is followed."""
    if isinstance(folder, ObjectPath):
        return
    left = [str(folder)]
    while left:
        with suppress(FileNotFoundError), os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield Path(entry.path)
                elif entry.is_dir():
                    left.append(entry.path)


def refuse_links(folder: Path) -> None:
    """Refuse to write where a link may lead to files of the user's.

    Raises:
        InputError: the folder, or something below it, is a link.
    """
    link = folder if folder.is_symlink() else next(links(folder), None)
    if link is not None:
        raise InputError(
            f"{link}: a link, and nothing is written through it; remove it, or put in its place what it names"
        )


def every(folder: Path) -> Iterator[Path]:
    """All files below a folder; links to folders are not followed."""
    if isinstance(folder, ObjectPath):
        return iter(folder.found())
    return (Path(place, name) for place, _, names in os.walk(folder) for name in names)


def folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; none without a folder."""
    return sorted(path.name for path in folder.glob("*") if path.is_dir())


def make_folder(folder: Path) -> None:
    """Make a folder that readers expect, be it empty."""
    folder.mkdir(parents=True, exist_ok=True)


def copy(source: Path, target: Path) -> None:
    """Copy a file, atomically."""
    if isinstance(source, ObjectPath) and isinstance(target, ObjectPath):
        copied([source], [target])
        return
    with atomic(target) as temporary:
        shutil.copyfile(readable(source), temporary)


def copy_folder(source: Path, target: Path) -> None:
    """Copy all files of a folder into a new one."""
    if isinstance(source, ObjectPath) and isinstance(target, ObjectPath):
        known = list(source.found())
        copied(known, [target.joinpath(*path.relative_to(source).parts) for path in known])
        return
    shutil.copytree(source, target)


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it; nothing where there is none."""
    if isinstance(path, ObjectPath):
        if (local := path.local()) is None:
            path.removed()
            return
        path = local
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that has nothing in it."""
    if not isinstance(folder, ObjectPath) and folder.is_dir() and next(folder.iterdir(), None) is None:
        folder.rmdir()


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, of an object as the store has it."""
    if isinstance(path, ObjectPath) and path.local() is None:
        temporary = scratch.temporary(path.name)  # no copy that is here already counts
        try:
            store_client.fetch(path.address, temporary, size(path))
            with temporary.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        finally:
            temporary.unlink(missing_ok=True)
    with reading(path), readable(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(root: Path) -> None:
    """Remove the half-written files of a killed build; a store has none."""
    if isinstance(root, ObjectPath):
        return
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(".") and name.endswith(PARTIAL):
                (Path(folder) / name).unlink(missing_ok=True)


def keep_only_folders(folder: Path, keep: set[str]) -> None:
    """Remove the folders right below `folder` that are not in `keep`."""
    for place in folder.glob("*/"):
        if place.name not in keep:
            remove(place)


def keep_only(folder: Path, keep: set[str]) -> None:
    """Remove all files below a folder that are not in `keep` (paths relative to it), and folders left empty.

    A link in the folder's place is removed, and not what it leads to.
    """
    if isinstance(folder, ObjectPath):
        if (local := folder.local()) is None:
            store_client.remove(p.address for p in folder.found() if "/".join(p.relative_to(folder).parts) not in keep)
            return
        folder = local
    if folder.is_symlink():
        folder.unlink()
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(place) / name
            if str(path.relative_to(folder)) not in keep:
                path.unlink()
        if place != str(folder) and next(Path(place).iterdir(), None) is None:
            Path(place).rmdir()
