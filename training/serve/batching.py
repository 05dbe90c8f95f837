"""Texts of many requests, predicted some at a time: a bounded queue before the loaded copies of a model.

All of it lives in one event loop; a copy predicts in a thread of its own, always the same one. Threads rather than
processes: what takes the time (PyTorch, tokenizers) runs without the interpreter's lock, and copies in one process
share everything but their weights.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from socorpus.training.examples.example import Example, Prediction, Predictor

LOG = logging.getLogger("socorpus.serve")
_REMEMBERED = 0.8
"""Weight of what was measured before, in the running mean of a text's seconds."""


class FullError(Exception):
    """No room for so many texts; `seconds` until there may be."""

    def __init__(self, waiting: int, seconds: int) -> None:
        super().__init__(f"{waiting} texts are waiting already")
        self.waiting, self.seconds = waiting, seconds


class PredictionError(Exception):
    """The model failed on a text."""


class ClosedError(Exception):
    """The server is being ended."""


@dataclass
class Counts:
    """What was done since the start.

    Attributes:
        texts: that were predicted.
        batches: in which they were.
        failed: texts on which the model failed.
        refused: texts for which there was no room.
        dropped: texts whose client went away before their turn.
    """

    texts: int = 0
    batches: int = 0
    failed: int = 0
    refused: int = 0
    dropped: int = 0


@dataclass(eq=False)
class _Waiting:
    example: Example
    answer: "asyncio.Future[Prediction]" = field(repr=False)


class Batching:
    """A queue of texts and the copies that take from it.

    Args:
        predictors: copies of one model; each is called by one thread alone.
        batch: texts that a copy is given at most.
        linger: seconds that a copy waits for more texts once it has one.
        limit: texts that wait at most.
    """

    def __init__(self, predictors: Sequence[Predictor], *, batch: int, linger: float, limit: int) -> None:
        self.counts = Counts()
        self._predictors, self._batch, self._linger, self._limit = predictors, batch, linger, limit
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._threads: list[ThreadPoolExecutor] = []
        self._closed = False
        self._seconds = 0.0

    @property
    def waiting(self) -> int:
        """Texts that no copy has taken yet."""
        return len(self._queue)

    def start(self) -> None:
        """Set the copies to work; within the event loop that is to run them."""
        for number, predictor in enumerate(self._predictors):
            thread = ThreadPoolExecutor(1, f"predictor-{number}")
            self._threads.append(thread)
            self._workers.append(asyncio.create_task(self._work(predictor, thread)))

    async def close(self) -> None:
        """End the copies once they are done with what they have in hand; what waits is answered by `ClosedError`."""
        self._closed = True
        while self._queue:
            _fail(self._queue.popleft(), ClosedError("the server is being ended"))
        self._arrived.set()
        await asyncio.gather(*self._workers)
        for thread in self._threads:
            thread.shutdown()

    async def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """What the model says of each text; given up, with the texts that wait, where the caller is cancelled.

        Raises:
            FullError: there is no room for all of them; none is kept.
            PredictionError: the model failed on one of them.
            ClosedError: the server is being ended.
        """
        if self._closed:
            raise ClosedError("the server is being ended")
        if len(self._queue) + len(examples) > self._limit:
            self.counts.refused += len(examples)
            raise FullError(len(self._queue), self._wait())
        loop = asyncio.get_running_loop()
        asked = [_Waiting(example, loop.create_future()) for example in examples]
        self._queue += asked
        self._arrived.set()
        try:
            return list(await asyncio.gather(*(one.answer for one in asked)))
        finally:
            self._forget(asked)

    def _forget(self, asked: Sequence[_Waiting]) -> None:
        """Take texts out of the queue that nobody waits for any more."""
        left = {id(one) for one in asked if not one.answer.done() or one.answer.cancelled()}
        kept = deque(one for one in self._queue if id(one) not in left) if left else self._queue
        self.counts.dropped += len(self._queue) - len(kept)
        self._queue = kept

    def _wait(self) -> int:
        """Whole seconds after which what waits now should be done."""
        return max(1, min(60, math.ceil(len(self._queue) * self._seconds / len(self._predictors))))

    async def _work(self, predictor: Predictor, thread: ThreadPoolExecutor) -> None:
        while not self._closed:
            taken = await self._take()
            if not taken:
                continue
            started = time.perf_counter()
            await self._answer(predictor, thread, taken)
            each = (time.perf_counter() - started) / len(taken)
            self._seconds = _REMEMBERED * self._seconds + (1 - _REMEMBERED) * each if self._seconds else each

    async def _take(self) -> list[_Waiting]:
        """At most a batch; empty where another copy was faster, or the server is being ended."""
        while not self._queue and not self._closed:
            await self._more(None)
        until = time.monotonic() + self._linger
        while len(self._queue) < self._batch and not self._closed and (left := until - time.monotonic()) > 0:
            await self._more(left)
        return [self._queue.popleft() for _ in range(min(self._batch, len(self._queue)))]

    async def _more(self, seconds: float | None) -> None:
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), seconds)
        except TimeoutError:
            return

    async def _answer(self, predictor: Predictor, thread: ThreadPoolExecutor, taken: Sequence[_Waiting]) -> None:
        try:
            found = await self._run(predictor, thread, taken)
        except Exception as error:
            if len(taken) > 1:
                # One bad text must not fail those of other requests: each for itself.
                for one in taken:
                    if not one.answer.done():
                        await self._answer(predictor, thread, [one])
                return
            LOG.exception("the model failed on a text of %d characters", len(taken[0].example.text))
            self.counts.failed += 1
            _fail(taken[0], PredictionError(f"the model failed: {type(error).__name__}"))
            return
        self.counts.batches += 1
        self.counts.texts += len(taken)
        for one, prediction in zip(taken, found, strict=True):
            if not one.answer.done():
                one.answer.set_result(prediction)

    async def _run(
        self, predictor: Predictor, thread: ThreadPoolExecutor, taken: Sequence[_Waiting]
    ) -> list[Prediction]:
        examples = [one.example for one in taken]
        found = await asyncio.get_running_loop().run_in_executor(thread, predictor.predict, examples)
        if len(found) != len(examples):
            raise ValueError(f"{len(found)} predictions of {len(examples)} texts")
        return found


def _fail(one: _Waiting, error: Exception) -> None:
    if not one.answer.done():
        one.answer.set_exception(error)
