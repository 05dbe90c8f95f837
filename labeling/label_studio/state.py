"""State of the last sync: the task of each post, what was sent, and people's annotations. A small SQLite file.

It is only a cache: everything in it can be read again from the server (`push.survey`), so it may be lost or copied at
any time. It is used by one sync at a time.
"""

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import BuildError
from socorpus.corpus.storage import files
from socorpus.corpus.storage import lock as storage_lock
from socorpus.corpus.storage.objects import scratch
from socorpus.corpus.storage.objects.paths import ObjectPath
from socorpus.labeling.schema import ANNOTATIONS

NAME = "studio.sqlite"

_TABLES = """
create table if not exists task (
  project text, ext_id integer, number integer, post text, data_hash text, prediction_hash text, blind integer,
  removed integer default 0, primary key (project, ext_id));
create table if not exists annotation (
  project text, number integer, task integer, ext_id integer, hash text, body text, primary key (project, number));
create index if not exists annotation_task on annotation (project, task);
create table if not exists note (project text, name text, value text, primary key (project, name));
"""


def digest(value: Any) -> str:
    """Hash of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


@dataclass(frozen=True)
class Sent:
    """A task as last sent. `prediction_hash` is None while its predictions are not known to be complete."""

    ext_id: int
    number: int
    post: str
    data_hash: str
    prediction_hash: str | None
    blind: bool
    removed: bool = False


class SyncState:
    """The state of one project. `project` is its number and creation time: both outlive a new address."""

    def __init__(self, database: sqlite3.Connection, project: str) -> None:
        self._database = database
        self.project = project

    def tasks(self) -> dict[int, Sent]:
        """Identifier -> task, including those removed from the server."""
        rows = self._database.execute(
            "select ext_id, number, post, data_hash, prediction_hash, blind, removed from task where project = ?",
            (self.project,),
        )
        return {row[0]: Sent(row[0], row[1], row[2], row[3], row[4], bool(row[5]), bool(row[6])) for row in rows}

    def keep(self, tasks: Iterable[Sent]) -> None:
        """Insert or update tasks."""
        with self._database:
            self._database.executemany(
                "insert or replace into task values (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (self.project, t.ext_id, t.number, t.post, t.data_hash, t.prediction_hash, t.blind, t.removed)
                    for t in tasks
                ],
            )

    def unsure(self, ext_ids: Iterable[int]) -> None:
        """Mark predictions as not known to be complete: they are looked up before anything else."""
        with self._database:
            self._database.executemany(
                "update task set prediction_hash = null where project = ? and ext_id = ?",
                [(self.project, ext_id) for ext_id in ext_ids],
            )

    def annotations(self) -> list[dict[str, Any]]:
        """All annotations as the server reported them, with `ext_id`, by task and number."""
        rows = self._database.execute(
            "select body, ext_id from annotation where project = ? order by ext_id, number", (self.project,)
        )
        return [json.loads(body) | {"ext_id": ext_id} for body, ext_id in rows]

    def annotated(self) -> set[int]:
        """Identifiers of the tasks that somebody has judged or skipped."""
        rows = self._database.execute("select distinct ext_id from annotation where project = ?", (self.project,))
        return {row[0] for row in rows}

    def replace_annotations(self, task: int, ext_id: int, annotations: Iterable[dict[str, Any]]) -> dict[str, int]:
        """Replace the annotations of a task; returns how many are new, changed, the same and deleted."""
        query = "select number, hash from annotation where project = ? and task = ?"
        before: dict[int, str] = dict(self._database.execute(query, (self.project, task)))
        counts = {"new": 0, "changed": 0, "same": 0, "deleted": 0}
        for body in annotations:
            hashed = digest(body)
            old = before.pop(body["id"], None)
            counts["new" if old is None else "same" if old == hashed else "changed"] += 1
            if old != hashed:
                self._database.execute(
                    "insert or replace into annotation values (?, ?, ?, ?, ?, ?)",
                    (self.project, body["id"], task, ext_id, hashed, json.dumps(body, ensure_ascii=False)),
                )
        for number in before:
            self._database.execute("delete from annotation where project = ? and number = ?", (self.project, number))
        counts["deleted"] = len(before)
        return counts

    def note(self, name: str) -> str | None:
        """A remark on the project: the watermark, an import that may be under way."""
        query = "select value from note where project = ? and name = ?"
        row = self._database.execute(query, (self.project, name)).fetchone()
        return row[0] if row else None

    def set_note(self, name: str, value: str | None) -> None:
        """Set a remark, or remove it."""
        with self._database:
            if value is None:
                self._database.execute("delete from note where project = ? and name = ?", (self.project, name))
            else:
                self._database.execute("insert or replace into note values (?, ?, ?)", (self.project, name, value))

    @contextmanager
    def together(self) -> Iterator[None]:
        """A transaction: all changes of a block, or none."""
        with self._database:
            yield


@contextmanager
def one_writer(root: Path) -> Iterator[None]:
    """A block in which nobody else writes what people said of the corpus at `root`.

    Raises:
        BuildError: another command writes what people said of this corpus.
        InputError: a link lies in the folder of what people said.
    """
    if isinstance(root, ObjectPath):
        with storage_lock.lock(root / ".sync"):
            yield
        return
    folder = root / ANNOTATIONS
    files.refuse_links(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with os.fdopen(files.own_file(folder / ".studio.lock"), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(
                f"{root}: another command is writing what people said of this corpus; repeat this one when that has "
                "ended"
            ) from None
        yield


@contextmanager
def opened(root: Path, *, dry: bool = False) -> Iterator[sqlite3.Connection]:
    """The state's file, for one sync at a time; a dry run works on a copy in memory, and leaves the file as it is.

    An unreadable file is put aside: all of it can be read again from the server. Of a corpus in an object store it lies
    in the scratch folder.

    Raises:
        BuildError: another command writes what people said of this corpus.
        InputError: a link lies in the folder of what people said.
    """
    if isinstance(root, ObjectPath):
        own = scratch.folder() / "studio" / hashlib.sha256(root.address.encode()).hexdigest()[:16]
        with nullcontext() if dry else one_writer(root), opened(own, dry=dry) as database:
            yield database
        return
    folder = root / ANNOTATIONS
    path = folder / NAME
    if dry:
        database = sqlite3.connect(":memory:")
        if path.is_file():
            try:
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as source:
                    source.backup(database)
                source.close()
            except sqlite3.DatabaseError:
                database = sqlite3.connect(":memory:")
        database.executescript(_TABLES)
        try:
            yield database
        finally:
            database.close()
        return
    with one_writer(root):
        database = _open(path)
        try:
            yield database
        finally:
            database.close()


def is_there(root: Path) -> bool:
    """Whether a corpus on this machine was ever synced."""
    return (root / ANNOTATIONS / NAME).is_file()


def forget(root: Path, project: str, numbers: Sequence[int]) -> None:
    """Take tasks of a project, with what people said there, out of the state, and off the disk.

    The next sync looks all tasks up again.
    """
    with opened(root) as database:
        with database:
            for number in numbers:
                database.execute("delete from annotation where project = ? and task = ?", (project, number))
                database.execute("delete from task where project = ? and number = ?", (project, number))
            database.execute("delete from note where project = ?", (project,))
        _wipe(database)


def forget_posts(root: Path, keys: Collection[str]) -> int:
    """Take what people said of some posts (`SITE:ID`) out of the state, and off the disk; annotations that went.

    Their tasks stay noted, by their numbers, until they are deleted from the server.
    """
    if not is_there(root):
        return 0
    with opened(root) as database:
        rows = database.execute("select project, number, body from annotation").fetchall()
        gone = [(project, number) for project, number, body in rows if json.loads(body).get("post") in keys]
        with database:
            database.executemany("delete from annotation where project = ? and number = ?", gone)
            database.executemany("delete from note where project = ?", {(project,) for project, _ in gone})
        _wipe(database)
    return len(gone)


def _wipe(database: sqlite3.Connection) -> None:
    """Leave nothing of deleted rows in the file, nor in its log."""
    database.execute("vacuum")
    database.execute("pragma wal_checkpoint(truncate)")


def _open(path: Path) -> sqlite3.Connection:
    for _ in range(2):
        database = sqlite3.connect(path)
        try:
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = normal")
            database.executescript(_TABLES)
            return database
        except sqlite3.DatabaseError:
            database.close()
            path.replace(path.with_suffix(".broken"))
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
    raise BuildError(f"{path}: can't be written")
