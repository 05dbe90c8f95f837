"""Running tasks: on local Dask workers, on any Dask scheduler, or in this process; skipping what is done.

No stage knows of this module. A task is a plain function with its arguments, the fingerprints of its inputs and its own
section of the configuration; it writes files and says what it counted. Its receipt is written where it ran, after its
outputs, so a task is either done as a whole or not at all.
"""

import os
import resource
import signal
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from socorpus.corpus import plugins
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.receipts import Output, Receipt
from socorpus.corpus.engine.work import Progress, Show, WorkItem
from socorpus.corpus.errors import BuildError, SocorpusError
from socorpus.corpus.plugins import Plugin
from socorpus.corpus.storage import files


def perform(root: Path, task: WorkItem, active: Sequence[Plugin] = ()) -> Receipt:
    """Run one task where we are, hash what it wrote, and leave its receipt.

    Args:
        active: the plug-ins of the process that asks for it.

    Raises:
        SocorpusError: what the task itself says, or a full disk, or too little memory, in words for the user.
    """
    started = time.perf_counter()
    try:
        plugins.activate(active)
        made = task.function(root, **task.arguments)
        outputs = {
            path: Output(rows, files.size(root / path), files.sha256(root / path))
            for path, rows in made.outputs.items()
        }
        seconds = round(time.perf_counter() - started, 3)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        receipt = Receipt(task.stage, task.name, task.key, task.recipe, outputs, made.counts, seconds, peak)
        receipts.save(root, receipt)
    except SocorpusError:
        raise
    except MemoryError as error:
        raise BuildError(f"{task.stage} {task.name}: out of memory; use fewer workers (--workers)") from error
    except OSError as error:
        if files.is_disk_full(error):
            raise files.disk_full(root) from error
        raise
    return receipt


class Engine:
    """Runs the tasks of one build; a context manager that starts workers when the first task needs one.

    Args:
        root: the corpus.
        workers: processes on this machine; 0 runs in this process; None takes the machine's cores.
        scheduler: address of a running Dask scheduler, whose workers must see `root` and the sources.
        show: called with the progress of each stage.
    """

    def __init__(self, root: Path, workers: int | None = None, scheduler: str | None = None, show: Show | None = None):
        self.root = root
        self.workers = (len(os.sched_getaffinity(0)) if workers is None else workers) if scheduler is None else None
        self.scheduler = scheduler
        self.show = show or (lambda progress: None)
        self.ran = 0
        self._client: Any = None
        self._cluster: Any = None

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        for part in (self._client, self._cluster):
            if part is not None:
                part.close()

    def run(self, stage: str, tasks: Sequence[WorkItem], transient: bool = False) -> dict[str, Receipt]:
        """Run the tasks of a stage that are not done; receipts of all of them, by name.

        Args:
            transient: the outputs may have been removed since; the receipt alone says that the task was done.
        """
        found = ((task, self._current(task, transient)) for task in tasks)
        known = {task.name: receipt for task, receipt in found if receipt is not None}
        todo = [task for task in tasks if task.name not in known]
        skipped, started, total = len(known), time.perf_counter(), sum(task.weight for task in todo)
        receipts.begin(self.root, stage, len(tasks), time.time())
        weight = 0.0
        self.show(Progress(stage, skipped, len(tasks), skipped, 0, total, 0))
        weights = {task.name: task.weight for task in todo}
        for receipt in self._perform(todo):
            known[receipt.name] = receipt
            weight += weights[receipt.name]
            self.ran += 1
            elapsed = time.perf_counter() - started
            self.show(Progress(stage, len(known), len(tasks), skipped, weight, total, elapsed))
        return {task.name: known[task.name] for task in tasks}

    def stale(self, tasks: Iterable[WorkItem], transient: bool = False) -> list[WorkItem]:
        """Those tasks that `run` would run."""
        return [task for task in tasks if self._current(task, transient) is None]

    def ensure(self, tasks: Iterable[WorkItem]) -> None:
        """Run those tasks again whose outputs are no longer there, because somebody needs them after all."""
        missing = self.stale(tasks)
        if missing:
            self.run(missing[0].stage, missing)

    def _current(self, task: WorkItem, transient: bool) -> Receipt | None:
        receipt = receipts.load(self.root, task.stage, task.name)
        current = receipt is not None and receipt.key == task.key
        return receipt if receipt and current and (transient or receipts.present(self.root, receipt)) else None

    def _perform(self, tasks: Sequence[WorkItem]) -> Iterable[Receipt]:
        if self.workers == 0:
            for task in tasks:
                yield perform(self.root, task, plugins.active())
        elif tasks:
            yield from self._distribute(tasks)

    def _distribute(self, tasks: Sequence[WorkItem]) -> Iterable[Receipt]:
        from distributed import KilledWorker, as_completed
        from distributed.client import FutureCancelledError

        client = self._connect()
        # A key that was used before would be answered from the earlier run.
        run, active = uuid.uuid4().hex[:8], plugins.active()
        # The heaviest first, or the last of them would run alone at the end.
        futures = [
            client.submit(
                perform, self.root, task, active, pure=False, retries=1, key=f"{task.stage}-{task.name}-{run}"
            )
            for task in sorted(tasks, key=lambda task: -task.weight)
        ]
        try:
            for future in as_completed(futures):
                yield future.result()
        except KilledWorker as error:
            raise BuildError(
                f"a worker was killed while it ran {error.task}, probably for want of memory. What is finished is "
                "kept; run the same command again, with fewer workers (--workers) if it happens again"
            ) from error
        except FutureCancelledError as error:
            raise BuildError(
                f"the Dask scheduler {self.scheduler or 'of this build'} went away. What is finished is kept; run the "
                "same command again, with a scheduler that runs"
            ) from error
        finally:
            if client.status == "running":
                client.cancel(futures, force=True)

    def _connect(self) -> Any:
        if self._client is None:
            import dask
            from distributed import Client, LocalCluster

            # Progress and errors are ours to tell; a task that hashes 100 MB may well not yield for some seconds.
            dask.config.set({"distributed.logging.distributed": "critical", "distributed.admin.tick.limit": "1h"})
            if self.scheduler is None:
                with _deaf_to_interrupts():
                    self._cluster = LocalCluster(
                        n_workers=self.workers,
                        threads_per_worker=1,
                        processes=True,
                        host="127.0.0.1",
                        dashboard_address="127.0.0.1:0",
                        memory_limit=0,
                        silence_logs=50,
                    )
            try:
                self._client = Client(self._cluster or self.scheduler, timeout="10s")
            except (OSError, ValueError) as error:
                raise BuildError(f"no Dask scheduler answers at {self.scheduler}: {error}") from error
            self._client.run(prepare_worker)
        return self._client


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started meanwhile ignore Ctrl-C, which a terminal sends to all: ending them is ours to do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def prepare_worker() -> None:
    """One thread a worker: the workers are the parallelism."""
    import pyarrow as pa

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    pa.set_cpu_count(1)
