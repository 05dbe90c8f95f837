"""Batched prediction of the texts of many requests: a bounded queue in front of the loaded copies of a model.

Everything runs in one event loop; each copy predicts in its own thread. Threads rather than processes: the expensive
parts (PyTorch, tokenizers) release the interpreter's lock, and copies in one process share everything except their
weights.
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
"""Weight of earlier measurements in the running mean of seconds per text."""


class FullError(Exception):
    """No room for this many texts; `seconds` until there may be."""

    def __init__(self, waiting: int, seconds: int) -> None:
        super().__init__(f"{waiting} texts are waiting already")
        self.waiting, self.seconds = waiting, seconds


class PredictionError(Exception):
    """The model failed on a text."""


class ClosedError(Exception):
    """The server is shutting down."""


@dataclass
class Counts:
    """Counters since the start.

    Attributes:
        texts: predicted texts.
        batches: predicted batches.
        failed: texts on which the model failed.
        refused: texts without room in the queue.
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
        predictors: copies of one model; each is called from only one thread.
        batch: maximum texts per batch.
        linger: seconds that a copy waits for more texts once it has one.
        limit: maximum number of waiting texts.
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
        """Start the copies, within the event loop that runs them."""
        for number, predictor in enumerate(self._predictors):
            thread = ThreadPoolExecutor(1, f"predictor-{number}")
            self._threads.append(thread)
            self._workers.append(asyncio.create_task(self._work(predictor, thread)))

    async def close(self) -> None:
        """End the copies after their current batch; waiting texts are answered by `ClosedError`."""
        self._closed = True
        while self._queue:
            _fail(self._queue.popleft(), ClosedError("the server is shutting down"))
        self._arrived.set()
        await asyncio.gather(*self._workers)
        for thread in self._threads:
            thread.shutdown()

    async def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The model's prediction for each text; if the caller is cancelled, its waiting texts leave the queue.

        Raises:
            FullError: there is no room for all of them; none is queued.
            PredictionError: the model failed on one of them.
            ClosedError: the server is shutting down.
        """
        if self._closed:
            raise ClosedError("the server is shutting down")
        if len(self._queue) + len(examples) > self._limit:
            self.counts.refused += len(examples)
            raise FullError(len(self._queue), self._wait())
        loop = asyncio.get_running_loop()
        asked = [_Waiting(example, loop.create_future()) for example in examples]
        self._queue += asked
        self._arrived.set()
        try:
            return list(await asyncio.gather(*(entry.answer for entry in asked)))
        finally:
            self._forget(asked)

    def _forget(self, asked: Sequence[_Waiting]) -> None:
        """Remove texts from the queue that nobody waits for any more."""
        left = {id(entry) for entry in asked if not entry.answer.done() or entry.answer.cancelled()}
        kept = deque(entry for entry in self._queue if id(entry) not in left) if left else self._queue
        self.counts.dropped += len(self._queue) - len(kept)
        self._queue = kept

    def _wait(self) -> int:
        """Estimated seconds until the waiting texts are done, rounded up."""
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
        """At most a batch; empty if another copy was faster, or the server is shutting down."""
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
            predictions = await self._run(predictor, thread, taken)
        except Exception as error:
            if len(taken) > 1:
                # One bad text must not fail those of other requests: predict each separately.
                for entry in taken:
                    if not entry.answer.done():
                        await self._answer(predictor, thread, [entry])
                return
            LOG.exception("the model failed on a text of %d characters", len(taken[0].example.text))
            self.counts.failed += 1
            _fail(taken[0], PredictionError(f"the model failed: {type(error).__name__}"))
            return
        self.counts.batches += 1
        self.counts.texts += len(taken)
        for entry, prediction in zip(taken, predictions, strict=True):
            if not entry.answer.done():
                entry.answer.set_result(prediction)

    async def _run(
        self, predictor: Predictor, thread: ThreadPoolExecutor, taken: Sequence[_Waiting]
    ) -> list[Prediction]:
        examples = [entry.example for entry in taken]
        predictions = await asyncio.get_running_loop().run_in_executor(thread, predictor.predict, examples)
        if len(predictions) != len(examples):
            raise ValueError(f"{len(predictions)} predictions of {len(examples)} texts")
        return predictions


def _fail(entry: _Waiting, error: Exception) -> None:
    if not entry.answer.done():
        entry.answer.set_exception(error)
