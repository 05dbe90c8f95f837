"""Who writes a corpus in an object store, and which of its generations is finished: a log of numbered objects.

    CORPUS/.generations/log/00000007.json   {"token", "pid", "host", "expires", "current", "previous", …}

An entry is created on the condition that no object has its number (`store_client.create`), and the last one counts: it
names the writer with the time until which it has the corpus, and the finished generation. A writer renews its entry.
After that time another one may take the corpus over, by the next entry. To make a generation the finished one is an
entry too: a writer that was taken over can't, whatever its clock says.
"""

import contextlib
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import BuildError, InputError, SocorpusError
from socorpus.corpus.storage.objects import environment, store_client
from socorpus.corpus.storage.objects.paths import ObjectPath

LOG = ".generations/log"
_SECONDS = 60.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_KEPT_ENTRIES = 4
"""Those before the last: a reader may just have listed them."""


@dataclass(frozen=True)
class Entry:
    """An entry of the log; `current` and `previous` are names of generations, or None.

    Attributes:
        among: what tells the processes that its writer is among (`among`).
        started: when the writer's process started.
    """

    token: str
    pid: int
    host: str
    expires: float
    current: str | None = None
    previous: str | None = None
    among: str = ""
    started: str = ""

    @property
    def live(self) -> bool:
        """Whether its writer has the corpus: its time is not over, and it is no dead process that this one would see.

        Machines may have one name, and containers of one machine don't see each other's processes.
        """
        if self.expires <= time.time():
            return False
        return not self.among or self.among != among() or _started(self.pid) == self.started


def process_lives(process: int) -> bool:
    """Whether this machine has a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def among() -> str:
    """The boot of this machine and the namespace of process numbers (proc(5), pid_namespaces(7)), which tell whether
    processes see each other; empty where the system has neither."""
    try:
        return f"{_BOOT.read_text('ascii').strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(process: int) -> str:
    """When a process started, in ticks since the boot (proc_pid_stat(5)); empty where there is none of this number."""
    try:
        # Its name, in brackets, may have blanks and brackets.
        return Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def seconds() -> float:
    """Length of a lease: `SOCORPUS_LEASE_SECONDS`, by default a minute.

    Raises:
        InputError: the variable is no number of seconds from 2 to a day.
    """
    return environment.number("SOCORPUS_LEASE_SECONDS", _SECONDS, 2, 86_400)


def last(root: ObjectPath) -> tuple[int, Entry | None]:
    """Number and contents of the last entry; 0 and None where there is none.

    Raises:
        InputError: it is damaged.
        SocorpusError: the store can't be read.
    """
    while True:
        numbers = _numbers(root)
        if not numbers:
            return 0, None
        place = _place(root, numbers[-1])
        try:
            return numbers[-1], Entry(**json.loads(store_client.read(place)))
        except FileNotFoundError:  # another writer has gone on, and removed it
            continue
        except (ValueError, TypeError) as error:
            raise InputError(f"{place}: damaged ({error}); remove it, and build the corpus again") from error


class Lease:
    """A corpus that this process writes: its entry, which a thread renews.

    Attributes:
        taken_over: whether the writer before this one has not given the corpus back: it may still be writing.
    """

    def __init__(self, root: ObjectPath, number: int, entry: Entry, taken_over: bool):
        self.root, self.number, self.entry, self.taken_over = root, number, entry, taken_over
        self._ended, self._lost = threading.Event(), False
        self._turn = threading.Lock()

    def check(self) -> None:
        """Go on only while the corpus is this process's.

        Raises:
            BuildError: another writer may have it.
        """
        if not self._lost and self.entry.expires <= time.time():
            with self._turn:
                self._renew()
        if self._lost:
            raise self._lost_to_another()

    def publish(self, current: str) -> None:
        """Make a generation the finished one.

        Raises:
            BuildError: another writer has the corpus.
        """
        self.check()
        with self._turn:
            previous = self.entry.current if self.entry.current != current else self.entry.previous
            entry = replace(self.entry, current=current, previous=previous, expires=time.time() + seconds())
            try:
                store_client.create(_place(self.root, self.number + 1), content(entry))
            except store_client.AlreadyThereError:
                self._lost = True
                raise self._lost_to_another() from None
            self.number, self.entry = self.number + 1, entry
        _prune(self.root, self.number)

    def _lost_to_another(self) -> BuildError:
        writer = ""
        with contextlib.suppress(SocorpusError):
            entry = last(self.root)[1]
            writer = f" ({described(entry)})" if entry is not None and entry.token != self.entry.token else ""
        return BuildError(
            f"{self.root}: another command{writer} has taken it over, since the lease of this one was not renewed in "
            "time: the store could not be reached for long, or this machine stood still. What is finished is kept; run "
            "the same command again"
        )

    def keep_renewed(self) -> None:
        """Renew until `release`; a thread does so."""

        def renew() -> None:
            while not self._ended.wait(seconds() / 4):
                # Until its time is over the next attempt may do.
                with contextlib.suppress(SocorpusError), self._turn:
                    self._renew()

        threading.Thread(target=renew, daemon=True).start()

    def _renew(self) -> None:
        """Renew, if nobody has taken over: then this writer may go on although its time was over."""
        if self._ended.is_set() or self._lost:
            return
        if _numbers(self.root)[-1:] != [self.number]:
            self._lost = True
            return
        entry = replace(self.entry, expires=time.time() + seconds())
        store_client.put(_place(self.root, self.number), content(entry))
        self.entry = entry

    def release(self) -> None:
        """Give the corpus back."""
        self._ended.set()
        with self._turn:
            if not self._lost:
                self.entry = replace(self.entry, expires=0.0)
                with contextlib.suppress(SocorpusError):
                    store_client.put(_place(self.root, self.number), content(self.entry))


_held: dict[str, Lease] = {}
"""The corpora that this process writes."""


def held(root: ObjectPath) -> Lease:
    """The lease of this process on a corpus, which has one."""
    return _held[root.address]


def of_tree(tree: Any) -> Lease | None:
    """The lease of this process on the corpus of a tree, if it has one."""
    return next((lease for root, lease in _held.items() if str(tree).startswith(f"{root}/")), None)


@contextmanager
def taken(root: ObjectPath) -> Iterator[Lease]:
    """Hold the corpus at `root`: nobody else writes there meanwhile.

    Raises:
        InputError: something else lies there, or the store has no writes on condition.
        BuildError: another command is at work there.
    """
    number, before = last(root)
    if before is None and not _fresh(root):
        raise InputError(f"{root}: not empty, and not a corpus; name a new place for the corpus")
    if before is not None and before.live:
        raise BuildError(f"{root}: another build is at work there ({described(before)})")
    entry = Entry(
        uuid.uuid4().hex,
        os.getpid(),
        os.uname().nodename,
        time.time() + seconds(),
        before.current if before is not None else None,
        before.previous if before is not None else None,
        among(),
        _started(os.getpid()),
    )
    place = _place(root, number + 1)
    try:
        store_client.create(place, content(entry))
    except store_client.AlreadyThereError:
        raise BuildError(f"{root}: another build has just begun there") from None
    _require_conditions(place, entry)
    lease = Lease(root, number + 1, entry, before is not None and before.expires > 0)
    _held[root.address] = lease
    lease.keep_renewed()
    try:
        yield lease
    finally:
        lease.release()
        _held.pop(root.address, None)


def described(entry: Entry) -> str:
    """The writer of an entry, in words."""
    return f"process {entry.pid} on {entry.host}"


def _fresh(root: ObjectPath) -> bool:
    return not root.found(deep=False)


def _require_conditions(place: str, entry: Entry) -> None:
    """Refuse a store that writes an object again although it was to be created: it could not keep two builds apart."""
    try:
        store_client.create(place, content(replace(entry, token=uuid.uuid4().hex)))
    except store_client.AlreadyThereError:
        return
    store_client.remove([place])
    raise InputError(
        f"{place}: this store ignores the condition of a write (If-None-Match), which keeps two builds apart; use a "
        "store that has it, or a folder"
    )


def _numbers(root: ObjectPath) -> list[int]:
    names = store_client.listed(f"{root}/{LOG}", deep=False)
    return sorted(int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdigit())


def _place(root: ObjectPath, number: int) -> str:
    return f"{root}/{LOG}/{number:08d}.json"


def content(entry: Entry) -> bytes:
    """The object of an entry."""
    return json.dumps(asdict(entry)).encode()


def _prune(root: ObjectPath, number: int) -> None:
    store_client.remove(_place(root, old) for old in _numbers(root) if old < number - _KEPT_ENTRIES)
