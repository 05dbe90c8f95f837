"""The log of a command that runs unattended, as JSON Lines: who reads it needs no terminal, and no pattern of words."""

import os
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from types import TracebackType
from typing import Any

from socorpus.corpus.engine.work import Progress
from socorpus.corpus.errors import InputError, SocorpusWarning
from socorpus.corpus.storage import json_lines
from socorpus.corpus.storage.boundary import crossed, explain_error, local_output, refuse_special

_EVERY_SECONDS = 5.0
_OF_INTERRUPT = 130


class RunLog:
    """A log of one run of a command, appended to a file as JSON Lines: an object a line, each written as a whole.

    Every object has `time` (UTC, ISO 8601) and `event`:

    - `start`: `command`, `socorpus` (its version), `process`;
    - `stage`, when a stage begins and ends and every five seconds between: `stage`, `done` and `total` items, `skipped`
      (of these, kept from before), `seconds` since it began, `seconds_left` of it and `whole_seconds_left` of the
      command with `whole_share`, the share of it that is done (null while they are not known);
    - `note` and `warning`: `text`;
    - `error`: `text`, one sentence;
    - `end`: `exit_code` (as of the command line) and `seconds`.

    A run that was killed has no `end`. The next one with the same file is appended; where the last line was cut off, a
    line end comes first, so that all lines but that one can be read.

    Call it with the progress of stages: it is a `show` of `build` and `labeling.apply`.

    Args:
        path: the file; it may lie anywhere but where builds of a corpus write.
        command: what is logged.
        show: also called with each progress.

    Raises:
        InputError: the file can't be written.

    Examples:
        >>> from pathlib import Path
        >>> from socorpus.corpus import build
        >>> with RunLog("build.jsonl", "build") as log:
        ...     corpus = build("dump/modern.example.com", "logged", workers=0, show=log)
        >>> lines = Path("build.jsonl").read_text().splitlines()
        >>> '"event": "start"' in lines[0], '"exit_code": 0' in lines[-1]
        (True, True)
    """

    def __init__(
        self, path: str | os.PathLike[str], command: str, show: Callable[[Progress], None] = lambda progress: None
    ) -> None:
        self.path, self.command, self.show = local_output(path), command, show
        self._descriptor = -1
        self._began = self._last = time.monotonic()
        self._stage = ""
        self._warned: Callable[..., Any] = warnings.showwarning

    def __enter__(self) -> "RunLog":
        with crossed():
            refuse_special(self.path)
            try:
                self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            except FileNotFoundError:
                raise InputError(f"{self.path}: its folder is not there; make it, or name another file") from None
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                os.write(self._descriptor, b"\n")
        self._began = time.monotonic()
        self._warned = warnings.showwarning
        warnings.showwarning = self._warning
        self.add("start", command=self.command, socorpus=version("socorpus"), process=os.getpid())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        warnings.showwarning = self._warned
        code = _exit_code(error)
        if isinstance(error, Exception) and code in (1, 2) and not hasattr(error, "exit_code"):
            self.add("error", text=f"{explain_error(error) or f'a bug of socorpus: {error!r}'}")
        self.add("end", exit_code=code, seconds=round(time.monotonic() - self._began, 1))
        os.close(self._descriptor)
        self._descriptor = -1

    def __call__(self, now: Progress) -> None:
        """Log the state of a stage, or a remark."""
        self.show(now)
        if now.note:
            self.add("note", text=now.note, **({"stage": now.stage} if now.stage else {}))
            return
        edge = now.stage != self._stage or now.done == now.items
        if now.items == now.skipped or not (edge or time.monotonic() - self._last > _EVERY_SECONDS):
            return
        self._stage, self._last = now.stage, time.monotonic()
        self.add(
            "stage",
            stage=now.stage,
            done=now.done,
            total=now.items,
            skipped=now.skipped,
            seconds=round(now.seconds, 1),
            seconds_left=_rounded(now.seconds_left),
            whole_seconds_left=None if now.whole is None else _rounded(now.whole.seconds_left),
            whole_share=None if now.whole is None else round(now.whole.share, 3),
        )

    def add(self, event: str, **facts: Any) -> None:
        """Append a line. Of a disk that takes none the run has to hear elsewhere, and goes on."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        try:
            os.write(self._descriptor, json_lines.line({"time": moment, "event": event, **facts}).encode())
        except OSError:
            return

    def _warning(self, message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, SocorpusWarning):
            self.add("warning", text=f"{message}")
        self._warned(message, category, *where, **more)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _exit_code(error: BaseException | None) -> int:
    """The code with which the command line ends by an exception."""
    if error is None:
        return 0
    if isinstance(error, KeyboardInterrupt):
        return 128 + int(getattr(error, "number", _OF_INTERRUPT - 128))
    for name in ("exit_code", "code"):  # of Typer, and of the system
        if isinstance(code := getattr(error, name, None), int):
            return code
    return 2 if isinstance(explain_error(error), InputError) else 1
