"""The log of a run: JSON Lines, TensorBoard, and a line for the screen."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from socorpus.corpus.storage import files, json_lines
from socorpus.training.pretrain.run import Run


@dataclass(frozen=True)
class TrainingStep:
    """The state of a run after a step: `loss` in nats per scored token, `rate` the learning rate, `share` of the
    device's matmul throughput that is used; `seconds_left` and `dollars_left` are None if unknown."""

    step: int
    steps: int
    loss: float
    rate: float
    tokens: int
    tokens_per_second: float
    share: float
    seconds_left: float | None
    dollars_left: float | None


class TrainingShow(Protocol):
    """An observer that shows a run to its user; only the first rank's is called."""

    def says(self, sentence: str) -> None:
        """Something that takes a while begins, or is found."""

    def begin(self, facts: Mapping[str, Any]) -> None:
        """The run begins or resumes; `facts` describe it."""

    def step(self, line: TrainingStep) -> None:
        """A step is done."""

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """The held-out split was scored."""

    def saved(self, step: int) -> None:
        """A checkpoint is being written."""


class Journal:
    """The log's files, written by the first rank."""

    def __init__(self, run: Run) -> None:
        from torch.utils.tensorboard import SummaryWriter

        log = files.own_file(run.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._file = os.fdopen(log, "a", encoding="utf-8")
        self._board = SummaryWriter(str(run.root / "tensorboard"), flush_secs=20)

    def write(self, kind: str, step: int, values: Mapping[str, float | int | None]) -> None:
        """Add a line and its scalars."""
        self._file.write(json_lines.line({"kind": kind, "step": step, **values}))
        self._file.flush()
        for name, value in values.items():
            if value is not None:
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Flush and close the files."""
        self._file.close()
        self._board.close()
