"""The log of a run: JSON Lines, TensorBoard, and a line for the screen; and the one reader of its lines."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, json_lines, json_shape
from socorpus.corpus.storage.boundary import reading
from socorpus.training.pretrain.run import Run

_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "train": {"kind": str, "step": int, "tokens": int},
    "validation": {"kind": str, "step": int},
}
_MOST = 1e100
"""More than any figure can be: float32 ends at 3e38."""


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

    def __init__(
        self, run: Run, step: int = 0, trackers: Sequence[str] = (), facts: Mapping[str, Any] | None = None
    ) -> None:
        """Go on with a run's log.

        Args:
            step: the last step that is kept; what TensorBoard has of later ones is no longer shown.
            trackers: of `LOGS`, that get the same figures.
            facts: what they are told of the run.
        """
        from torch.utils.tensorboard import SummaryWriter

        log = files.own_file(run.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._file = os.fdopen(log, "a", encoding="utf-8")
        self._board = SummaryWriter(str(run.root / "tensorboard"), flush_secs=20, purge_step=step + 1)
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


@dataclass(frozen=True)
class LogLine:
    """A line of a log: its number, from 1 on, its text, and its values (`kind`, `step`, of a step also `tokens`; the
    others are finite numbers or None). Of one that is no line of a log `wrong` says why, and there are no values.
    """

    number: int
    text: str
    values: Mapping[str, Any]
    wrong: str | None


def read_lines(path: Path) -> list[LogLine]:
    """The lines of a run's log.

    Raises:
        InputError: the file can't be read.
    """
    try:
        with reading(path):
            content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error}; move it away, and a run goes on with a new log") from None
    return [_line(number, line) for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), 1) if content]


def of_kind(path: Path, kind: str) -> list[Mapping[str, Any]]:
    """The values of a log's lines of a kind, such as `train`; what is no line of a log is left out.

    Raises:
        InputError: the file can't be read.
    """
    return [line.values for line in read_lines(path) if line.wrong is None and line.values["kind"] == kind]


def forget_after(path: Path, step: int) -> list[LogLine]:
    """Drop a log's lines of later steps, which will be written again, and those that are no lines of a log.

    Returns:
        The latter, without one at the end: half a line of a run that was killed.

    Raises:
        InputError: the file can't be read.
    """
    if not files.exists(path):
        return []
    there = read_lines(path)
    kept = [line.text for line in there if line.wrong is None and line.values["step"] <= step]
    files.write_text(path, "".join(f"{text}\n" for text in kept))
    return [line for line in there[:-1] if line.wrong is not None]


def _line(number: int, content: bytes) -> LogLine:
    text = content.decode("utf-8", "replace")
    try:
        # Earlier versions wrote NaN, which JSON has not.
        values = json.loads(content.decode("utf-8"), parse_constant=lambda _: None)
        kind = values.get("kind") if isinstance(values, dict) else None
        wrong = json_shape.misfit(values, _SHAPES.get(str(kind), {"kind": str, "step": int}))
    except (ValueError, RecursionError) as error:
        return LogLine(number, text, {}, str(error))
    if wrong is None:
        names = (name for name, value in values.items() if name != "kind" and not _is_figure(value))
        wrong = next((f"{name}: not a number" for name in names), None)
    return LogLine(number, text, values if wrong is None else {}, wrong)


def _is_figure(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST)


def _wandb(run: Run, facts: Mapping[str, Any]) -> Any:
    """The run at Weights & Biases, as its own settings say (WANDB_MODE, WANDB_PROJECT …); begun, or gone on with."""
    wandb: Any = import_module("wandb")
    # The same for each start of a run, and another for each run.
    name = files.fingerprint([facts.get("fingerprint"), str(run.root.resolve())])[:16]
    project = os.environ.get("WANDB_PROJECT", "socorpus")
    return wandb.init(
        project=project, id=name, name=run.root.name, resume="allow", dir=str(run.root), config=dict(facts)
    )
