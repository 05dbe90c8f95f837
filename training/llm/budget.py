"""Cost control of chat models: paid answers are cached, and a spending limit is enforced."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import boundary


class Kept:
    """A cache of paid answers: a SQLite file, which stays intact when a process is killed.

    Args:
        path: of the file; created, with its folder, if missing.

    Raises:
        InputError: it is another kind of file, or can't be written.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._database: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # A long timeout, since another process may be writing.
            self._database = sqlite3.connect(path, timeout=60.0, check_same_thread=False, isolation_level=None)
            # Equally safe when a process is killed, without waiting for the disk at each answer.
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, model TEXT NOT NULL, "
                "answer TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID"
            )
            self._database.execute("SELECT key, model, answer, at FROM answers LIMIT 1")
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise InputError(f"{path}: can't keep answers there: {error}; give the path of another file") from error

    def __enter__(self) -> "Kept":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        if self._database is not None:
            self._database.close()

    def get(self, key: str) -> dict[str, Any] | None:
        """A cached completion, as the server sent it.

        Raises:
            BuildError: the file can't be read any more.
        """
        row = self._do("SELECT answer FROM answers WHERE key = ?", (key,))
        return None if row is None else json.loads(row[0])

    def put(self, key: str, model: str, answer: Mapping[str, Any]) -> None:
        """Store a completion durably: it survives the process.

        Raises:
            BuildError: the disk is full, or the file can't be written any more.
        """
        self._do("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (key, model, json.dumps(answer), time.time()))

    def _do(self, statement: str, values: tuple[str | float, ...]) -> tuple[Any, ...] | None:
        assert self._database is not None
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            if "full" in str(error):
                raise boundary.disk_full(self._path) from error
            raise BuildError(f"{self._path}: {error}; what was kept before still is") from error


class Purse:
    """Spending, and the maximum cost of requests in flight: together never more than the limit.

    Where a server counts more tokens than estimated, all estimates are scaled up by that ratio from then on:
    only requests sent before its first answer can take the spending past the limit.
    """

    def __init__(self, limit: float | None) -> None:
        self._limit = limit
        self._spent, self._times = 0.0, 1.0
        self._held: list[float] = []
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, most: float) -> Iterator[Callable[[float], None]]:
        """Wait until `most` dollars may be spent; yields a function that takes the true cost.

        Raises:
            BuildError: the limit does not allow it, whatever the requests in flight will cost.
        """
        with self._changed:
            while self._limit is not None and self._at_most(most) > self._limit * (1 + 1e-9):
                if not self._held:
                    raise BuildError(
                        f"${self._spent:,.4g} of the limit of ${self._limit:,.4g} are spent, and the next request "
                        f"could cost ${most * self._times:,.4g}; what was answered is kept: raise --limit and run the "
                        "same command again"
                    )
                self._changed.wait()
            self._held.append(most)
        true: list[float] = []
        try:
            yield true.append
        finally:
            with self._changed:
                self._held.remove(most)
                self._spent += sum(true)
                self._times = max(self._times, sum(true) / most if most else 1.0)
                self._changed.notify_all()

    def _at_most(self, more: float) -> float:
        return self._spent + (sum(self._held) + more) * self._times
