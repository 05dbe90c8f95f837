"""A Dask scheduler while a command waits for its workers: what the user hears of it, and when it is lost.

A connection that breaks is noticed by Dask itself, within some 30 seconds where packets are lost without a word. A
scheduler that stands still keeps its connections: it is asked for its workers now and then.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from socorpus.corpus.engine import worker_check
from socorpus.corpus.errors import BuildError, SocorpusError

LOOK = 5.0
"""Seconds between two looks at the workers of a scheduler; what does not change is said again after twelve looks."""
ANSWER = 20.0
"""Seconds within which a scheduler that works answers, however busy it is."""
SILENT = 300.0
"""Seconds without an answer after which a scheduler counts as lost."""


def require_answer(address: str, seconds: float) -> None:
    """Refuse an address at which no Dask scheduler answers, whatever else may listen there.

    A client of Dask waits without end for a peer that takes the connection and says nothing, and can't be interrupted.

    Raises:
        BuildError: none answers within that time.
    """
    import asyncio

    from distributed.core import rpc
    from distributed.security import Security

    outcome: list[BaseException | None] = []

    async def ask() -> None:
        async with rpc(address, connection_args=Security().get_connection_args("client")) as scheduler:
            await scheduler.identity()

    def run() -> None:
        try:
            asyncio.run(asyncio.wait_for(ask(), seconds))
            outcome.append(None)
        except Exception as error:  # whatever a peer of another kind brings about
            outcome.append(error)

    # A notebook's thread has a loop of its own; and a thread that stays is no reason to stay.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds + 5.0)
    error = outcome[0] if outcome else TimeoutError()
    if error is not None:
        why = str(error) or f"nothing that is one says so within {seconds:.0f} s"
        raise BuildError(f"no Dask scheduler answers at {address}: {why}") from error


@contextmanager
def explained(client: Any, address: str | None) -> Iterator[None]:
    """A block in which a worker that is lost, or the scheduler, is an error that the user understands.

    Args:
        address: of a scheduler that the user named; None for a build's own.

    Raises:
        BuildError: a worker was killed again and again, or the scheduler is gone.
        InputError: a worker can't load what it was sent.
    """
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    try:
        yield
    except SocorpusError:
        raise
    except KilledWorker as error:
        stage, _, rest = str(error.task).partition("-")
        less = "fewer workers (--workers)" if address is None else "workers that have more memory (--memory-limit)"
        raise BuildError(
            f"a worker was killed while it ran {stage} {rest.partition('/')[2]}, probably for lack of memory. What is "
            f"finished is kept; run the same command again, with {less} if it happens again"
        ) from error
    except (FutureCancelledError, CommClosedError) as error:
        raise went_away(address) from error
    except ModuleNotFoundError as error:
        if address is None:
            raise
        raise worker_check.lacks_package(error) from error
    except (OSError, RuntimeError, KeyError) as error:
        if client.status == "running":
            raise
        raise went_away(address) from error


def went_away(address: str | None) -> BuildError:
    """The error of a scheduler that is lost."""
    return BuildError(
        f"the Dask scheduler {address or 'of this build'} went away, or the network to it. What is finished is kept; "
        "run the same command again, with a scheduler that runs, and workers: those of a lost scheduler end"
    )


@contextmanager
def watched(client: Any, address: str | None, say: Callable[[str], None]) -> Iterator[None]:
    """A block in which the user hears now and then that a scheduler of theirs does not answer, or has no worker.

    One that does not answer for `SILENT` seconds is left, and whoever waits for it gets the error of a lost one.
    """
    if address is None:
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        before, looks, answered = "", 0, time.monotonic()
        while not ended.wait(LOOK):
            workers = _workers(client)
            silent = time.monotonic() - answered
            if workers is not None:
                answered = time.monotonic()
                sentence = _sentence(address, workers)
            elif client.status != "running":
                continue  # whoever waits notices
            elif silent > SILENT:
                # As if the connection had broken: whoever waits gets an error.
                client.loop.add_callback(client.scheduler_comm.abort)
                return
            else:
                sentence = f"the Dask scheduler {address} does not answer, and the build waits (Ctrl-C stops it)"
            looks = looks + 1 if sentence == before else 0
            if sentence and looks % 12 == 0 and not ended.is_set():
                say(sentence)
            before = sentence

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _workers(client: Any) -> Mapping[str, Mapping[str, Any]] | None:
    """The workers of a scheduler by address; None if it does not answer."""
    try:
        workers: Mapping[str, Mapping[str, Any]] = client.sync(client.scheduler.identity, callback_timeout=ANSWER)[
            "workers"
        ]
    except (OSError, RuntimeError, AttributeError):  # the last: of a client that is being closed
        return None
    return workers


def _sentence(address: str, workers: Mapping[str, Mapping[str, Any]]) -> str:
    if not workers:
        return (
            f"the Dask scheduler {address} has no worker, and the build waits for one; start some: dask worker "
            f"{address} --nthreads 1 (Ctrl-C stops the build)"
        )
    if all(worker["status"] == "paused" for worker in workers.values()):
        return (
            f"all workers of the Dask scheduler {address} ({len(workers):,}) are paused, as they hold more than Dask's "
            "share of their memory limit; start workers with a higher --memory-limit (Ctrl-C stops the build)"
        )
    return ""
