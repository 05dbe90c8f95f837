"""A run in an object store: trained in a folder of this machine, whole checkpoints kept in the store.

    RUN/run.json, run.toml, log.jsonl     as of the last upload
    RUN/tokenizer/                        likewise
    RUN/checkpoints/step-000000100/       whole when its state.json is there, which is uploaded last
    RUN/.generations/log/                 the lease of the process that trains

A checkpoint is uploaded by a thread as soon as it is whole on the disk, and those that the run's policy removes go from
the store too. A run goes on from the newest one in the store, on whatever machine.
"""

import contextlib
import hashlib
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from socorpus.corpus.errors import InputError, SocorpusError
from socorpus.corpus.storage import files, lock
from socorpus.corpus.storage.objects import folders, scratch, store_client
from socorpus.corpus.storage.objects.paths import ObjectPath
from socorpus.corpus.tokenizer import given
from socorpus.training.pretrain.run import Run

_STATE = "state.json"
_FILES = ("run.json", "run.toml", "log.jsonl", *(f"tokenizer/{name}" for name in given.FILES))
_SECONDS = 5.0
"""Between two looks for a new checkpoint."""


@contextmanager
def kept(place: ObjectPath, force: bool = False) -> Iterator[Path]:
    """The folder of this machine that a run at `place` is trained in; what is whole there is kept in the store.

    Args:
        force: begin anew: what the store has of the run goes, as soon as the new one has begun.

    Raises:
        InputError: something else lies at `place`.
        BuildError: another process trains there, or the store does not answer.
    """
    with lock.lock(place):
        folder, old = folder_of(place), force
        Run(place).require_own()
        if force:
            Run(folder).clear()
        else:
            brought(place, folder)
        ended = threading.Event()

        def bring() -> None:
            nonlocal old
            if not (folder / "run.json").is_file():
                return  # no run has begun
            if old:
                for name in ("checkpoints", *reversed(_FILES)):  # run.json last: until then it is a run's place
                    (place / name).removed()
                old = False
            upload(folder, place)

        def watch() -> None:
            while not ended.wait(_SECONDS):
                with contextlib.suppress(OSError, SocorpusError):  # what fails now is uploaded later
                    bring()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield folder
        finally:
            ended.set()
            thread.join()
            bring()


def folder_of(place: ObjectPath) -> Path:
    """The folder of this machine for a run in a store."""
    return scratch.folder() / "runs" / hashlib.sha256(place.address.encode()).hexdigest()[:16]


def readable(place: Path, step: int | None = None) -> Path:
    """A run to be read: itself, or of one in a store a copy with one checkpoint.

    Args:
        step: of the checkpoint; the newest whole one, if None.

    Raises:
        InputError: there is no run at an address, or no such checkpoint.
        SocorpusError: the store can't be read.
    """
    if not isinstance(place, ObjectPath):
        return place
    if not (place / "run.json").is_file():
        raise InputError(f"{place}: no run (no run.json); give what socorpus train wrote with --out")
    whole = _whole_there(place)
    wanted = [name for name in whole if step is None or name == f"step-{step:09d}"][-1:]
    if not wanted:
        which = "" if step is None else f" of step {step:,}"
        raise InputError(f"{place}: no whole checkpoint{which}; there are {', '.join(whole) or 'none'}")
    beginnings = ("run.json", "run.toml", "tokenizer/", f"checkpoints/{wanted[0]}/")
    return folders.fetched(place, lambda name: name.startswith(beginnings))


def brought(place: ObjectPath, folder: Path) -> None:
    """Bring the newest whole checkpoint of a run and its files to this machine, in place of what another run left.

    Raises:
        SocorpusError: the store can't be read.
    """
    there = _whole_there(place)
    here = _whole(folder)
    for name in set(here) - set(there):
        shutil.rmtree(folder / "checkpoints" / name)
    if not (place / "run.json").is_file():
        Run(folder).clear()
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        if (place / name).is_file():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile((place / name).fetched(), folder / name)
    if there and there[-1] not in here:
        target = folder / "checkpoints" / there[-1]
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        for path in (place / "checkpoints" / there[-1]).found():
            to = partial.joinpath(*path.relative_to(place / "checkpoints" / there[-1]).parts)
            to.parent.mkdir(parents=True, exist_ok=True)
            store_client.fetch(path.address, to, files.size(path))
        partial.rename(target)


def upload(folder: Path, place: ObjectPath) -> None:
    """Bring the store up to date: whole checkpoints that it lacks, the log, and no checkpoint that the run removed.

    Raises:
        BuildError: the store does not answer, or another process trains there now.
    """
    lock.require(place / "run.json")
    if (folder / "run.json").is_file() and not (place / "run.json").is_file():
        store_client.upload(str(place / "run.json"), folder / "run.json")  # what lies there is a run's from here on
    known = _whole(folder)
    there = {path.name for path in (place / "checkpoints").iterdir()}
    for name in known:
        if not (name in there and (place / "checkpoints" / name / _STATE).is_file()):
            with contextlib.suppress(FileNotFoundError):  # the run has removed it meanwhile
                source = folder / "checkpoints" / name
                paths = sorted((path for path in files.every(source)), key=lambda path: path.name == _STATE)
                for path in paths:
                    store_client.upload(str(place.joinpath("checkpoints", name, *path.relative_to(source).parts)), path)
    for name in _FILES:
        if (folder / name).is_file():
            store_client.upload(str(place / name), folder / name)
    for name in there - set(known):
        (place / "checkpoints" / name / _STATE).removed()  # from here on it is none
        (place / "checkpoints" / name).removed()


def _whole_there(place: ObjectPath) -> list[str]:
    return sorted(path.name for path in (place / "checkpoints").iterdir() if (path / _STATE).is_file())


def _whole(folder: Path) -> list[str]:
    names = (path.parent.name for path in (folder / "checkpoints").glob(f"step-*/{_STATE}"))
    return sorted(name for name in names if name.removeprefix("step-").isdigit())
