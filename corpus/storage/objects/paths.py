"""Paths of objects: a `Path` of `root / "x"` whose file is an object of a store."""

import fnmatch
import functools
import os
import stat as modes
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path, PosixPath
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage.objects import scratch, store_client

_PASSING = ".work"


class ObjectPath(PosixPath):
    """The address of an object, or of all objects below it, as a path: what is read of a `Path` is asked of the store.

    Folders need not be made, and there are no links. A file is written by `files.atomic`, as everywhere.
    Below `.work` it may be a path of this machine (`scratch.passing`).

    Examples:
        >>> print(ObjectPath("s3://bucket/corpus") / "shards")
        s3://bucket/corpus/shards
    """

    def __str__(self) -> str:
        parts = self.parts
        if parts and parts[0].endswith(":"):
            return f"{parts[0]}//{'/'.join(parts[1:])}"
        return "/".join(parts) or "."

    def __fspath__(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"ObjectPath({str(self)!r})"

    @property
    def address(self) -> str:
        """`s3://bucket/key`."""
        return str(self)

    def local(self) -> Path | None:
        """The path of this machine that stands for a passing file; None for an object."""
        parts = self.parts
        if _PASSING not in parts or "SOCORPUS_PASSING" not in os.environ:
            return None
        depth = parts.index(_PASSING)
        place = scratch.passing("/".join(parts[:depth]))
        return place.joinpath(*parts[depth:]) if place is not None else None

    def facts(self) -> dict[str, Any]:
        """As of `store_client.info`."""
        return store_client.info(self.address)

    def is_absolute(self) -> bool:
        """An address is whole; a part of one is not."""
        return bool(self.parts) and self.parts[0].endswith(":")

    def absolute(self) -> "ObjectPath":
        """Itself."""
        return self

    def resolve(self, strict: bool = False) -> "ObjectPath":
        """Itself: there are no links."""
        return self

    def is_symlink(self) -> bool:
        """False."""
        return False

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there is an object, or one below."""
        if (local := self.local()) is not None:
            return local.exists()
        try:
            self.facts()
        except FileNotFoundError:
            return False
        return True

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there is an object."""
        return self._kind() == "file"

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there are objects below."""
        return self._kind() == "directory"

    def _kind(self) -> str | None:
        if (local := self.local()) is not None:
            return "directory" if local.is_dir() else "file" if local.is_file() else None
        try:
            return str(self.facts()["type"])
        except FileNotFoundError:
            return None

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Kind and size."""
        if (local := self.local()) is not None:
            return local.stat()
        facts = self.facts()
        mode = modes.S_IFDIR if facts["type"] == "directory" else modes.S_IFREG
        return os.stat_result((mode | 0o600, 0, 0, 1, 0, 0, int(facts["size"] or 0), 0, 0, 0))

    def lstat(self) -> os.stat_result:
        """As `stat`."""
        return self.stat()

    def found(self, deep: bool = True) -> "dict[ObjectPath, dict[str, Any]]":
        """What lies below, with the facts of `store_client.info`; with `deep` the objects of all levels."""
        if (local := self.local()) is not None:
            paths = local.rglob("*") if deep else local.glob("*")
            return {
                self.joinpath(*path.relative_to(local).parts): {
                    "type": "directory" if path.is_dir() else "file", "size": path.stat().st_size
                }
                for path in sorted(paths) if not (deep and path.is_dir())
            }  # fmt: skip
        return {self / name: facts for name, facts in store_client.listed(self.address, deep).items() if name}

    def iterdir(self) -> "Generator[ObjectPath, None, None]":
        """What lies right below."""
        yield from self.found(deep=False)

    def glob(self, pattern: str, **_: Any) -> "Iterator[ObjectPath]":  # type: ignore[override]
        """What lies right below and has a name of a pattern; of `*/` only folders."""
        name = pattern.rstrip("/")
        assert "/" not in name, "a pattern of one level"
        for path, facts in self.found(deep=False).items():
            if fnmatch.fnmatchcase(path.name, name) and (name == pattern or facts["type"] == "directory"):
                yield path

    def rglob(self, pattern: str, **_: Any) -> "Iterator[ObjectPath]":  # type: ignore[override]
        """All objects below that have a name of a pattern."""
        return (path for path in self.found() if fnmatch.fnmatchcase(path.name, pattern))

    def fetched(self) -> Path:
        """A file of this machine with the object's content, to be read.

        Raises:
            OSError: there is no object.
            SocorpusError: the store can't be read.
        """
        if (local := self.local()) is not None:
            return local
        facts = self.facts()
        if facts["type"] == "directory":
            raise IsADirectoryError(21, "Is a directory", self.address)
        return scratch.fetched(self.address, facts)

    def read_bytes(self) -> bytes:
        """The object's content."""
        return local.read_bytes() if (local := self.local()) is not None else store_client.read(self.address)

    def read_text(self, encoding: str | None = None, errors: str | None = None, newline: str | None = None) -> str:
        """The object's content as text, its ends of lines as they are."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def open(self, mode: str = "r", *given: Any, **named: Any) -> Any:
        """The object's content as a file that is read."""
        if set(mode) & set("wax+"):
            raise InputError(f"{self}: an object of a store, which can't be written in place; name a folder")
        return self.fetched().open(mode, *given, **named)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: a store has no folders."""
        if (local := self.local()) is not None:
            local.mkdir(mode, parents, exist_ok)

    def rmdir(self) -> None:
        """Nothing: a store has no folders."""
        if (local := self.local()) is not None:
            local.rmdir()

    def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """An empty object."""
        store_client.put(self.address, b"")

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        if (local := self.local()) is not None:
            local.unlink(missing_ok)
        else:
            store_client.remove([self.address])

    def removed(self) -> None:
        """Remove the object and all objects below."""
        store_client.remove([self.address, *(path.address for path in self.found())])


@functools.singledispatch
def readable(path: Path) -> Path:
    """A file of this machine with the content of a path: itself, or a copy of an object.

    Raises:
        OSError: there is no such object.
        SocorpusError: the store can't be read.
    """
    return path


@readable.register
def _(path: ObjectPath) -> Path:
    return path.fetched()


def copied(sources: Sequence[ObjectPath], targets: Sequence[ObjectPath]) -> None:
    """Copy objects within their store, many at a time."""
    store_client.together(
        lambda pair: store_client.copy(*pair), [(a.address, b.address) for a, b in zip(sources, targets, strict=True)]
    )
