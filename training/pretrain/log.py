"""The log of a run: JSON Lines, TensorBoard, and a line for the screen."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from socorpus.corpus.errors import InputError
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


LOGS = ("wandb",)
"""Trackers that a run can be shown to, beside its own log."""


@dataclass(frozen=True)
class Watching:
    """How a start of a run is watched: `trackers` of `LOGS` get its figures too, `profiled` steps are recorded.

    Raises:
        InputError: a tracker is not known, or not installed.
    """

    trackers: tuple[str, ...] = ()
    profiled: int = 0

    def __post_init__(self) -> None:
        for tracker in self.trackers:
            if tracker not in LOGS:
                raise InputError(f"{tracker!r} is no tracker that a run can be logged to; there is {', '.join(LOGS)}")
            if find_spec(tracker) is None:
                raise InputError(f"{tracker} is not installed: pip install {tracker}")


NOT_WATCHED = Watching()


class Journal:
    """The log's files, written by the first rank."""

    def __init__(self, run: Run, trackers: Sequence[str] = (), facts: Mapping[str, Any] | None = None) -> None:
        """Go on with a run's log.

        Args:
            trackers: of `LOGS`, that get the same figures.
            facts: what they are told of the run.
        """
        from torch.utils.tensorboard import SummaryWriter

        log = files.own_file(run.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._file = os.fdopen(log, "a", encoding="utf-8")
        self._board = SummaryWriter(str(run.root / "tensorboard"), flush_secs=20)
        self._wandb = _wandb(run, facts or {}) if "wandb" in trackers else None

    def write(self, kind: str, step: int, values: Mapping[str, float | int | None]) -> None:
        """Add a line and its scalars; what is not finite, which JSON has not, is null."""
        values = {name: None if value is None or not math.isfinite(value) else value for name, value in values.items()}
        self._file.write(json_lines.line({"kind": kind, "step": step, **values}))
        self._file.flush()
        for name, value in values.items():
            if value is not None:
                self._board.add_scalar(f"{kind}/{name}", value, step)
        if self._wandb is not None:
            self._wandb.log({f"{kind}/{name}": value for name, value in values.items() if value is not None}, step=step)

    def close(self) -> None:
        """Flush and close the files."""
        self._file.close()
        self._board.close()
        if self._wandb is not None:
            self._wandb.finish()


def _wandb(run: Run, facts: Mapping[str, Any]) -> Any:
    """The run at Weights & Biases, as its own settings say (WANDB_MODE, WANDB_PROJECT …); begun, or gone on with."""
    wandb: Any = import_module("wandb")
    # The same for each start of a run, and another for each run.
    name = files.fingerprint([facts.get("fingerprint"), str(run.root.resolve())])[:16]
    project = os.environ.get("WANDB_PROJECT", "socorpus")
    return wandb.init(
        project=project, id=name, name=run.root.name, resume="allow", dir=str(run.root), config=dict(facts)
    )
