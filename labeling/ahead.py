"""An iterator that is run ahead of its reader, in a thread."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def ahead(source: Iterator[T], most: int) -> Iterator[Iterator[T]]:
    """Give what `source` gives, while a thread makes up to `most` more; its errors come to the reader.

    When the block is left the thread ends, after what it is making just then.
    """
    ready: queue.Queue[tuple[list[T], BaseException | None]] = queue.Queue(most)
    left = threading.Event()

    def put(items: list[T], error: BaseException | None = None) -> bool:
        while not left.is_set():
            try:
                ready.put((items, error), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def fill() -> None:
        try:
            for item in source:
                if not put([item]):
                    return
        except BaseException as error:
            put([], error)
        else:
            put([])

    def items() -> Iterator[T]:
        while True:
            found, error = ready.get()
            if error is not None:
                raise error
            if not found:
                return
            yield found[0]

    thread = threading.Thread(target=fill, name="ahead", daemon=True)
    thread.start()
    try:
        yield items()
    finally:
        left.set()
        thread.join()
