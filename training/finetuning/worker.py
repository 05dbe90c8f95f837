"""A process that trains one run: `side_by_side` starts it, and reads its progress as lines of JSON.

It gets its run from standard input, and ends when that ends: with the process that started it, however that ended.
"""

import json
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, Any

from socorpus.corpus.errors import SocorpusError

_EVERY_SECONDS = 0.2


class Lines:
    """Callbacks that write the progress as lines of JSON."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._last = -_EVERY_SECONDS

    def write(self, **event: Any) -> None:
        """Write a line."""
        print(json.dumps(event), file=self._file, flush=True)

    def begin(self, what: Mapping[str, Any]) -> None:
        """The process that started this one has shown it."""

    def step(self, line: Any) -> None:
        """A step is done; of many in a short time some are left out."""
        if line.step == line.steps or time.monotonic() - self._last > _EVERY_SECONDS:
            self._last = time.monotonic()
            self.write(kind="step", line=asdict(line))

    def validated(self, seed: int, epoch: int, scores: Mapping[str, float], name: str = "") -> None:
        """An epoch is done and scored."""
        self.write(kind="validated", seed=seed, epoch=epoch, scores=dict(scores), name=name)

    def ended(self, name: str) -> None:
        """The end of this process says it."""

    def note(self, sentence: str) -> None:
        """Something to know."""
        self.write(kind="note", sentence=sentence)


def main() -> None:
    """Train the run that comes over standard input."""
    lines = Lines(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # what libraries print must not get among the lines
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    run, threads = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    try:
        import torch

        from socorpus.training.finetuning import learner, self_training

        torch.set_num_threads(threads)
        self_training.train(run, learner.inputs(run.model, run.data, run.settings), lines)
    except SocorpusError as error:
        lines.write(kind="error", type=type(error).__name__, message=str(error))
    except Exception as error:
        trace = traceback.format_exc()
        lines.write(kind="error", type="BuildError", message=f"{run.name}: {type(error).__name__}: {error}\n{trace}")


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
