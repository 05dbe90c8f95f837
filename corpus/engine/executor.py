"""Running work items: on local Dask workers, on any Dask scheduler, or in this process; finished ones are skipped.

No stage knows of this module. A work item is a plain function with its arguments, the fingerprints of its inputs and
its own section of the configuration; it writes files and returns counts. Its receipt is written where it ran, after its
outputs, so an item is either done as a whole or not at all.
"""

import functools
import gc
import logging
import os
import resource
import signal
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from importlib.util import find_spec
from itertools import islice
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, TypeVar

from socorpus.corpus import plugins
from socorpus.corpus.engine import child_processes, long_calls, machine, receipts, schedulers, work, worker_check
from socorpus.corpus.engine.receipts import Output, Receipt
from socorpus.corpus.engine.remaining import Remaining
from socorpus.corpus.engine.work import Progress, Show, WorkItem
from socorpus.corpus.errors import BuildError, InputError, SocorpusError
from socorpus.corpus.plugins import Plugin
from socorpus.corpus.storage import boundary, files, lock
from socorpus.corpus.storage.integrity import Hashes
from socorpus.corpus.storage.parquet import Written

START_SECONDS = 180.0
"""Within which a worker process has to start."""
_ANSWER_SECONDS = 10.0
"""Within which a scheduler has to answer."""
_DASHBOARD_SECONDS = 3.0
"""Within which the dashboard of a scheduler has to answer, for its address to be shown."""
_MOST_PER_CORE = 4
"""Workers."""
WORTH_WORKERS = 6.0
"""Seconds of work on one core from which on workers pay: they take some four to start, and to read what they run."""
_MANY = 16
"""Workers that a scheduler is taken to have as the time left of the whole is told: it may have others later."""
_AHEAD = 1_000
"""Most groups of items that Dask is given at a time, or four for each worker: it takes some 10 KB for an item."""
_GROUPS_PER_WORKER = 3
"""Fewest groups of items that read the same files for which a group stays with one worker."""


_Result = TypeVar("_Result")


def perform_on_worker(
    root: Path,
    items: Sequence[WorkItem],
    active: Sequence[Plugin],
    expected: worker_check.Versions | None = None,
) -> list[Receipt]:
    """`perform` of some items on a worker of Dask, whose errors are sent without the exceptions behind them.

    Those may be of a plug-in's own class, which can't be pickled, or not read again.

    Args:
        expected: versions of the packages that this worker has to have, if it may have others.

    Raises:
        SocorpusError: as of `perform` and of `worker_check.require_same`.
    """
    _prepare_worker()

    def perform_all() -> list[Receipt]:
        if expected is not None:
            _checked(expected, root)
        return [perform(root, item, active) for item in items]

    done = _plainly(perform_all)
    if expected is not None:
        _give_back_memory()
    return done


def _call_on_worker(expected: worker_check.Versions, root: Path, function: Callable[..., Any], *arguments: Any) -> Any:
    _prepare_worker()
    _plainly(lambda: _checked(expected, root))
    return function(*arguments)


def _plainly(call: Callable[[], _Result]) -> _Result:
    """What a function returns; its errors have no exceptions behind them.

    No block of a `with` can do this: what is raised there keeps the exception that is being handled.
    """
    try:
        return call()
    except SocorpusError as error:
        plain = (InputError if isinstance(error, InputError) else BuildError)(str(error))
    raise plain


def perform(root: Path, item: WorkItem, active: Sequence[Plugin] = ()) -> Receipt:
    """Run one work item in this process, hash its outputs, and write its receipt.

    Args:
        active: the plug-ins of the process that asks for it.

    Raises:
        SocorpusError: an error of the item itself, or of the environment (`boundary`), as a message for the user.
    """
    started, cores = time.perf_counter(), time.process_time()
    try:
        plugins.activate(active)
        with long_calls.noted(root, item) if active else nullcontext():
            outcome = item.function(root, **item.arguments)
        outputs = {path: _output(root / path, written) for path, written in outcome.outputs.items()}
        seconds = round(time.perf_counter() - started, 3)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        measured = (seconds, peak, round(time.process_time() - cores, 3))
        receipt = Receipt(item.stage, item.name, item.key, item.recipe, outputs, outcome.counts, *measured)
        receipts.save(root, receipt)
    except SocorpusError:
        raise
    except MemoryError as error:
        raise BuildError(f"{item.stage} {item.name}: out of memory; use fewer workers (--workers)") from error
    except Exception as error:
        if boundary.is_disk_full(error):
            raise boundary.disk_full(root) from error
        known = boundary.explain_error(error)
        if known is None:
            raise
        raise known from error
    return receipt


def _output(path: Path, written: int | Written) -> Output:
    rows, rows_hash = (written.rows, written.rows_hash) if isinstance(written, Written) else (written, "")
    return Output(rows, files.size(path), files.sha256_of_written(path), rows_hash)


def grouped(items: Sequence[WorkItem], workers: int) -> list[list[WorkItem]]:
    """Items that one worker does one after the other: those that read the same files, where there are enough groups."""
    groups: dict[str, list[WorkItem]] = {}
    for item in items:
        groups.setdefault(item.together or f"/{item.name}", []).append(item)
    return list(groups.values()) if len(groups) >= _GROUPS_PER_WORKER * workers else [[item] for item in items]


class Engine:
    """Runs the work items of one build; a context manager that starts workers when the first item needs one.

    Args:
        root: the corpus; the engine works on the tree of `at_work_on`, if that was called.
        workers: processes on this machine; 0 runs in this process; None takes as many as there are cores, or this
            process for little work (`expect`). No more start than there is memory for.
        scheduler: address of a running Dask scheduler, whose workers must see `root` and the sources.
        show: called with the progress of each stage.

    Raises:
        InputError: more workers than the machine's cores can serve.
    """

    def __init__(self, root: Path, workers: int | None = None, scheduler: str | None = None, show: Show | None = None):
        self.root = root
        self.scheduler = scheduler
        self._workers = None if scheduler is not None else workers
        if self._workers and self._workers > _MOST_PER_CORE * (cores := machine.cores()):
            raise InputError(
                f"{workers:,} workers (--workers) on {cores:,} cores: each takes memory and seconds to start, and "
                f"more than one per core gains nothing; name at most {_MOST_PER_CORE * cores:,}"
            )
        if scheduler is not None and "SOCORPUS_PASSING" in os.environ:
            raise InputError(
                "SOCORPUS_PASSING names a folder of this machine for passing files, which workers of a scheduler "
                "(--scheduler) need not see; unset it"
            )
        self.show = show or (lambda progress: None)
        self.ran = 0
        self.hashes = Hashes(None)
        self._client: Any = None
        self._cluster: Any = None
        self._children = ExitStack()
        self._first: list[Callable[[Engine], None]] = []
        self._costs: Callable[[int], Mapping[str, float]] | None = None
        self._remaining: Remaining | None = None

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for part in (self._client, self._cluster):
            if part is not None:
                # Of a scheduler that is gone nobody can take leave, nor of one that is too busy to answer.
                with suppress(OSError, RuntimeError):
                    part.close()
        if self._client is not None:
            # Else it closes itself once more as it is collected: for 20 s, with a traceback behind the last word.
            self._client.status = "closed"
        self._children.close()
        if kind is not None and self._cluster is not None:
            files.sweep(self.root)  # what workers were writing as they were ended

    @property
    def workers(self) -> int | None:
        """Processes on this machine; 0 for this one; None for those of a scheduler."""
        if self._workers is None and self.scheduler is None:
            self._workers = machine.cores()
        return self._workers

    def expect(self, seconds: float) -> None:
        """Choose this process for work that takes one core so long, where the caller left the choice and it is faster.

        The results are the same.
        """
        if self._workers is None and self.scheduler is None and seconds < WORTH_WORKERS:
            self._workers = 0

    def expect_stages(self, costs: Callable[[int], Mapping[str, float]]) -> None:
        """Tell the time left of the whole command from its first stage on.

        Args:
            costs: from the number of workers to the seconds of each stage that is going to run.
        """
        self._costs = costs

    def first(self, prepare: Callable[["Engine"], None]) -> None:
        """Call a function with this engine before the next work item, if any has to run."""
        self._first.append(prepare)

    def on_each_machine(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Call a function on one worker of each machine that a scheduler has workers on, at the same time; its results.

        Raises:
            SocorpusError: a worker can't do the work of this build, or is lost.
        """
        client = self._connect()
        with self._waiting(client):
            workers = {address.rpartition(":")[0]: address for address in sorted(client.nthreads())}
            # Without a worker one is waited for: an adaptive cluster starts some for work that is there.
            places = [[address] for address in workers.values()] or [[]]
            futures = [
                client.submit(
                    _call_on_worker,
                    worker_check.versions(),
                    self.root,
                    function,
                    *arguments,
                    pure=False,
                    workers=place or None,
                    allow_other_workers=bool(place),
                )
                for place in places
            ]
            return list(client.gather(futures))

    def at_work_on(self, tree: Path, hashes: Hashes) -> None:
        """Work on a corpus's tree from now on, with what is known of its files."""
        self.root, self.hashes = tree, hashes

    def run(
        self,
        stage: str,
        items: Sequence[WorkItem],
        transient: bool = False,
        after: Callable[[WorkItem], None] = lambda item: None,
    ) -> dict[str, Receipt]:
        """Run the work items of a stage that are not done; receipts of all of them, by name.

        Args:
            transient: what is passed between stages may have been removed since; only the receipt shows that the item
                was done.
            after: called in this process with each item that has run, once its receipt is there.
        """
        lock.require(self.root)
        checked = zip(items, files.each(self.root, lambda item: self._current(item, transient), items), strict=True)
        known = {item.name: receipt for item, receipt in checked if receipt is not None}
        todo = [item for item in items if item.name not in known]
        while todo and self._first:
            self._first.pop(0)(self)
        skipped, started, total = len(known), time.perf_counter(), sum(item.weight for item in todo)
        receipts.begin(self.root, stage, len(items), time.time())
        if self._remaining is None and self._costs is not None:
            self._remaining = Remaining(self._costs(self.workers or (1 if self.scheduler is None else _MANY)))
        weight, remaining = 0.0, self._remaining
        if remaining is not None:
            remaining.begin(stage, len(todo) / len(items) if items else 0.0)

        def progress(note: str = "") -> Progress:
            whole = remaining.whole() if remaining is not None else None
            seconds = time.perf_counter() - started
            return Progress(stage, len(known), len(items), skipped, weight, total, seconds, note, whole)

        self.show(progress())
        by_name = {item.name: item for item in todo}
        with long_calls.watched(self.root, lambda note: self.show(progress(note))):
            for receipt in self._perform(todo):
                known[receipt.name] = receipt
                for path, output in receipt.outputs.items():
                    self.hashes.remember(self.root / path, output.sha256)
                weight += by_name[receipt.name].weight
                self.ran += 1
                if remaining is not None:
                    remaining.advance(weight / total if total else 1.0)
                after(by_name[receipt.name])
                lock.require(self.root)
                self.show(progress())
        if remaining is not None:
            remaining.end()
        return {item.name: known[item.name] for item in items}

    def stale(self, items: Iterable[WorkItem], transient: bool = False) -> list[WorkItem]:
        """The work items that `run` would run."""
        given = list(items)
        current = files.each(self.root, lambda item: self._current(item, transient, quiet=True), given)
        return [item for item, receipt in zip(given, current, strict=True) if receipt is None]

    def ensure(self, items: Iterable[WorkItem]) -> None:
        """Run those work items again whose outputs are no longer there, because a later stage needs them."""
        missing = self.stale(items)
        if missing:
            self.run(missing[0].stage, missing)

    def _current(self, item: WorkItem, transient: bool, quiet: bool = False) -> Receipt | None:
        receipt = receipts.load(self.root, item.stage, item.name)
        if receipt is None or receipt.key != item.key:
            return None
        wrong = self.differs(receipt, transient)
        if wrong is not None and not quiet and not wrong.startswith(".work/"):
            self._say_damaged(wrong)
        return receipt if wrong is None else None

    def drop_damaged(self, stage: str) -> list[str]:
        """Forget the receipts of a stage whose outputs are missing or not what was written; paths of such outputs."""
        damaged = []
        for name in receipts.names(self.root, stage):
            receipt = receipts.load(self.root, stage, name)
            wrong = self.differs(receipt) if receipt is not None else None
            if wrong is not None:
                self._say_damaged(wrong)
                receipts.forget(self.root, stage, name)
                damaged.append(wrong)
        return damaged

    def _say_damaged(self, path: str) -> None:
        what = "not what was written" if files.exists(self.root / path) else "missing"
        self.say(f"{path}: {what}; it is made again")

    def differs(self, receipt: Receipt, transient: bool = False) -> str | None:
        """The first output of a receipt that is missing or not what was written; None where all are right.

        Args:
            transient: whether what is passed between stages may be gone.
        """
        passing = tuple(f".work/{folder}/" for folder in work.PASSING) if transient else ()
        outputs = [(path, of) for path, of in receipt.outputs.items() if not path.startswith(passing)]
        right = self.hashes.holds
        return next((path for path, of in outputs if not right(self.root / path, of.bytes, of.sha256)), None)

    def say(self, note: str) -> None:
        """Give the user a remark, in a line of its own."""
        self.show(Progress("", 0, 0, 0, 0, 0, 0, note))

    def _perform(self, items: Sequence[WorkItem]) -> Iterable[Receipt]:
        if self.workers == 0:
            with _few_collections():
                for item in items:
                    yield perform(self.root, item, plugins.active())
        elif items:
            yield from self._distribute(items)

    def _distribute(self, items: Sequence[WorkItem]) -> Iterable[Receipt]:
        from distributed import as_completed

        client = self._connect()
        # A key that was used before would be answered from the earlier run. Dask's dashboard groups keys by what stands
        # before the first part that is not of letters only: here by the stage.
        run, active = uuid.uuid4().hex[:8], plugins.active()
        expected = None if self.scheduler is None else worker_check.versions()
        pending: dict[Any, None] = {}
        try:
            with self._waiting(client):
                groups = grouped(items, len(client.nthreads()) or 1)
                # The heaviest first, or one of them would run by itself at the end.
                waiting = iter(sorted(groups, key=lambda group: -sum(item.weight for item in group)))

                def submit(groups: Iterable[list[WorkItem]]) -> list[Any]:
                    futures = [
                        client.submit(
                            perform_on_worker,
                            self.root,
                            group,
                            active,
                            expected,
                            pure=False,
                            retries=1,
                            key=f"{group[0].stage}-{run}/{group[0].name}",
                        )
                        for group in groups
                    ]
                    pending.update(dict.fromkeys(futures))
                    return futures

                ahead = max(_AHEAD, 4 * len(client.nthreads()))
                finishing = as_completed(submit(islice(waiting, ahead)))
                for future in finishing:
                    done = [receipts.compact(receipt) for receipt in future.result()]
                    # Else it would run again if its worker is lost: as long as anybody has the future, Dask keeps the
                    # result there.
                    del pending[future]
                    future.release()
                    finishing.update(submit(islice(waiting, 1)))
                    yield from done
        finally:
            if pending and client.status == "running":
                with suppress(OSError, RuntimeError):  # the scheduler may have gone in this moment
                    client.cancel(list(pending), force=True)

    @contextmanager
    def _waiting(self, client: Any) -> Iterator[None]:
        """A block that waits for workers of Dask: their loss is explained, and the user hears why nothing goes on."""
        with schedulers.explained(client, self.scheduler), schedulers.watched(client, self.scheduler, self.say):
            yield

    def _connect(self) -> Any:
        if self._client is None:
            import dask
            from distributed import Client, LocalCluster

            # The engine reports progress and errors; an item that hashes 100 MB may not yield for some seconds.
            dask.config.set({"distributed.logging.distributed": "critical", "distributed.admin.tick.limit": "1h"})
            # Its parts have had levels of their own since it was imported, and would log what the engine says.
            for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
                logging.getLogger(name).setLevel(logging.CRITICAL)
            # A worker that is silent while a plug-in's function works is not dead: one that died closes its connection.
            dask.config.set({"distributed.scheduler.worker-ttl": None})
            if self.scheduler is None:
                self._fit_to_memory()
                # For as long as the cluster is there: it starts workers again that were lost.
                self._children.enter_context(child_processes.without_current_folder())
                try:
                    with _signals_deferred(), warnings.catch_warnings():
                        # Dask's advice where a disk is slow in this moment, for settings that it alone has.
                        warnings.filterwarnings("ignore", "Creating scratch directories", UserWarning)
                        self._cluster = LocalCluster(
                            n_workers=self.workers,
                            threads_per_worker=1,
                            processes=True,
                            host="127.0.0.1",
                            dashboard_address="127.0.0.1:0",
                            memory_limit=0,
                            silence_logs=50,
                            death_timeout=START_SECONDS,
                        )
                except Exception as error:  # Dask gives up in several ways
                    raise BuildError(
                        f"{self.workers} worker processes could not be started ({error}); the "
                        "machine is busy or short of memory: run the same command again with fewer (--workers), or in "
                        "this process (--workers 0). What is finished is kept"
                    ) from error
            if self.scheduler is not None:
                schedulers.require_answer(self.scheduler, _ANSWER_SECONDS)
            try:
                # A client that is left half made closes itself when it is collected, after its cluster has gone: that
                # takes 20 s on a busy machine, and ends in a traceback.
                with _signals_deferred():
                    self._client = Client(self._cluster or self.scheduler, timeout=f"{_ANSWER_SECONDS}s")
            except (OSError, ValueError) as error:
                raise BuildError(f"no Dask scheduler answers at {self.scheduler}: {error}") from error
            self.say(f"Dask's dashboard: {self._dashboard()}")
        return self._client

    def _fit_to_memory(self) -> None:
        """Lower the number of workers to what there is memory for, with a word."""
        memory = machine.memory()
        most = max(1, memory // machine.WORKER_BYTES)
        if self.workers is not None and self.workers > most:
            self.say(
                f"{self.workers} workers may take {self.workers * machine.WORKER_BYTES / 1e9:,.1f} GB of memory, and "
                f"there are {memory / 1e9:,.1f} GB: it starts {most}"
            )
            self._workers = most

    def _dashboard(self) -> str:
        """Address of the dashboard, or why there is none: Dask has it where bokeh is installed beside its scheduler."""
        missing = "none, since the package bokeh is missing"
        if self._cluster is not None and find_spec("bokeh") is None:
            return f"{missing} (pip install bokeh)"
        address: str | None = self._client.dashboard_link
        if self._cluster is None and address is not None:
            from urllib.request import urlopen

            try:
                with urlopen(address, timeout=_DASHBOARD_SECONDS) as page:
                    if b"Dask needs" in page.read():
                        return f"{missing} beside the scheduler (pip install bokeh there, and start it again)"
            except (OSError, ValueError):
                return f"none that answers from here (the scheduler names {address})"
        return address or "none, since the scheduler has none"


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """A block that starts processes: what a signal asks for is done at its end, also where it ends by an exception.

    In the middle an exception of a handler would leave Dask's parts half started. The processes are deaf to what a
    terminal sends to all, by Ctrl-C or as it is closed: the engine ends them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in signal.valid_signals()
        if callable(signal.getsignal(number))
    }
    # Threads and processes that begin now have the mask, for as long as they live: a handler would not be inherited.
    deaf = (signal.SIGINT, signal.SIGHUP)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, deaf)
    try:
        # It would come along with the first process that is started, and make that one's thread hear SIGINT again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, deaf)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for heard, handler in before.items():
            signal.signal(heard, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


_COLLECTIONS = (100_000, 50, 100)
"""Thresholds of the collector of cycles: items make many objects and hardly a cycle. The default, every 700 objects,
takes a twelfth of the labels' time."""


@contextmanager
def _few_collections() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _give_back_memory() -> None:
    """Let the system have what Arrow keeps for later: Dask counts it, and pauses a worker that has much."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


@functools.cache
def _checked(expected: worker_check.Versions, root: Path) -> None:
    worker_check.require_same(expected, root)


@functools.cache
def _prepare_worker() -> None:
    """One thread a worker: the workers are the parallelism."""
    import pyarrow as pa

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    pa.set_cpu_count(1)
    gc.set_threshold(*_COLLECTIONS)
