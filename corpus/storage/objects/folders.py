"""Folders of a store as folders of this machine: models and comparisons, whose libraries read and write paths.

A copy is kept in the scratch folder, and only what has changed is fetched or uploaded again. Objects appear one by one:
files of JSON, which say what belongs together (`hashes.json`, `finetune.json`), are uploaded last.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError, SocorpusError
from socorpus.corpus.storage import boundary, files, lock
from socorpus.corpus.storage.objects import scratch, store_client
from socorpus.corpus.storage.objects.paths import ObjectPath

_WRITER = ".writer"


def here(place: str | os.PathLike[str]) -> Path:
    """A folder of this machine, or a copy of one in a store, to be read.

    Raises:
        InputError: an address that can't be read.
        SocorpusError: the store does not answer.
    """
    path = boundary.corpus_place(place)
    return fetched(path) if isinstance(path, ObjectPath) else path


def fetched(place: ObjectPath, wanted: Callable[[str], bool] = lambda name: True, exact: bool = False) -> Path:
    """A copy of a folder in a store, brought up to date.

    Args:
        wanted: whether a file is needed, by its path below the folder.
        exact: whether also files go that were made here, such as a model that was exported from the copy.

    Raises:
        SocorpusError: the store can't be read.
    """
    folder = _copy(place)
    with files.locked(folder.with_suffix(".lock")):
        there = {name: facts for name, facts in _listed(place).items() if wanted(name)}
        known = _Note.read(folder)
        for path in list(files.every(folder)):
            name = path.relative_to(folder).as_posix()
            if name not in there and (exact or name in known.stamps):
                path.unlink()

        def fetch(name: str) -> None:
            path = folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = scratch.temporary(path.name)
            store_client.fetch(str(_object(place, name)), temporary, int(there[name]["size"]))
            temporary.replace(path)

        store_client.together(fetch, [name for name in there if not known.same(name, there[name])])
        _Note.of(folder, there).write()
    return folder


@contextmanager
def written(place: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to write: on this machine, or for one in a store a copy, whose changes are uploaded at the end.

    They are uploaded after an error too, so that another machine can go on from there.

    Raises:
        InputError: an address that can't be written, or where a corpus or a run lies; or a folder in a corpus where
            builds write.
        BuildError: another command writes there, or the store does not answer.
    """
    path = boundary.corpus_place(place)
    if not isinstance(path, ObjectPath):
        yield boundary.local_output(place)
        return
    for name in store_client.listed(str(path)):
        if not name.startswith(f"{_WRITER}/") and {boundary.GENERATIONS, "run.json"} & set(name.split("/")):
            raise InputError(f"{path}: a corpus or a run lies there ({name}), and would be lost; name another place")
    with lock.lock(path / _WRITER):
        folder = fetched(path, exact=True)
        try:
            yield folder
        except BaseException:
            with suppress(SocorpusError):
                _upload(folder, path)
            raise
        _upload(folder, path)


def _upload(folder: Path, place: ObjectPath) -> None:
    lock.require(place / _WRITER / "folder")
    known, before = _Note.read(folder), _listed(place)
    names = [path.relative_to(folder).as_posix() for path in files.every(folder)]
    names = sorted((name for name in names if not _hidden(name)), key=lambda name: (name.endswith(".json"), name))
    for name in names:
        if name not in before or not known.same(name, before[name]):
            store_client.upload(str(_object(place, name)), folder / name)
    store_client.remove(str(_object(place, name)) for name in set(before) - set(names))
    _Note.of(folder, _listed(place)).write()


@dataclass(frozen=True)
class _Note:
    """The state of a copy when it was last the same as its objects: stamps of each object and of each file, by name."""

    folder: Path
    stamps: dict[str, list[str]]

    @classmethod
    def of(cls, folder: Path, there: Mapping[str, Mapping[str, Any]]) -> "_Note":
        names = {name: facts for name, facts in there.items() if (folder / name).is_file()}
        return cls(folder, {n: [store_client.stamp(facts), files.stamp(folder / n)] for n, facts in names.items()})

    @classmethod
    def read(cls, folder: Path) -> "_Note":
        try:
            return cls(folder, files.read_json(folder.with_suffix(".json")))
        except (OSError, ValueError):
            return cls(folder, {})

    def write(self) -> None:
        files.write_json(self.folder.with_suffix(".json"), self.stamps)

    def same(self, name: str, facts: Mapping[str, Any]) -> bool:
        """Whether neither an object nor its copy has changed since."""
        path = self.folder / name
        return path.is_file() and self.stamps.get(name) == [store_client.stamp(facts), files.stamp(path)]


def _copy(place: ObjectPath) -> Path:
    folder = scratch.folder() / "folders" / hashlib.sha256(place.address.encode()).hexdigest()[:16] / place.name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _listed(place: ObjectPath) -> dict[str, dict[str, Any]]:
    listed = store_client.listed(str(place))
    return {name: facts for name, facts in listed.items() if name and not _hidden(name)}


def _hidden(name: str) -> bool:
    """Whether a file is of no use elsewhere: half written, or a lock."""
    return any(part.startswith(".") and part != ".metadata" for part in name.split("/"))


def _object(place: ObjectPath, name: str) -> ObjectPath:
    return place.joinpath(*name.split("/"))
