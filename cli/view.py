"""Output of the commands: progress with time left, tables, and errors in one sentence."""

import contextlib
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from socorpus.cli.terminal import console, is_terminal, visible

if TYPE_CHECKING:
    from socorpus.corpus import Progress as StageProgress
    from socorpus.corpus import Whole

out = console(width=None if is_terminal(sys.stdout) else 120)
err = console(stderr=True)

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
"""Signals that ask a process to end: of service managers, a closed terminal, and batch systems before a limit."""

_EVERY_SECONDS = 10.0


def printable(text: str) -> str:
    """A text in one line, with U+FFFD in place of what a terminal might obey."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split()))


def say(line: str) -> None:
    """Print a line about progress to standard error, apart from the result."""
    # A terminal that was closed takes no line, and is no reason to fail.
    with contextlib.suppress(OSError):
        err.print(line, markup=False)


@contextmanager
def stoppable(then: str = "what is finished is kept, and the same command goes on from there") -> Iterator[None]:
    """A block that Ctrl-C or a signal of `ENDING` ends with a sentence on how to go on; exit code 128 + its number."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise typer.Exit(say_stopped(stop, then)) from None


stops: list[int] = []
"""Signals of which `say_stopped` has spoken."""


def say_stopped(stop: BaseException, then: str) -> int:
    """Say that a signal ended the command; the exit code."""
    number = getattr(stop, "number", signal.SIGINT)
    stops.append(number)
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    say(f"socorpus: stopped{by}; {then}")
    return 128 + number


def duration(seconds: float) -> str:
    """Seconds in readable form: 4.2 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"


def number(value: int) -> str:
    """A whole number with thousands separators."""
    return f"{value:,}"


def place(path: Path) -> str:
    """A path or an address of a store, which a `Path` holds with only one slash behind its protocol."""
    return re.sub(r"^(\w[\w+.-]+):/(?!/)", r"\1://", str(path))


def counted(value: int, noun: str, nouns: str) -> str:
    """A number with a noun in its singular or plural."""
    return f"{value:,} {noun if value == 1 else nouns}"


def size(value: float) -> str:
    """Bytes in readable form."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def table(*columns: str) -> Table:
    """A plain table: the first column is text, the others are figures."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        grid.add_column(column, justify="left" if position == 0 else "right", overflow="fold", no_wrap=position > 0)
    return grid


class ProgressLine:
    """Lines about a run: one that is overwritten on a terminal (else shown now and then), and lines that stay."""

    def __init__(self) -> None:
        self._last = 0.0
        self.live = is_terminal(sys.stderr)

    def now(self, text: str, last: bool = False) -> None:
        """Show the current progress; `last` is always shown."""
        if self.live:
            err.file.write(f"\r\x1b[K{visible(text)}")
            err.file.flush()
        elif last or time.monotonic() - self._last > _EVERY_SECONDS:
            self._last = time.monotonic()
            err.print(text, markup=False)

    def stay(self, text: str) -> None:
        """Print a line that stays."""
        if self.live:
            err.file.write("\r\x1b[K")
        err.print(text, markup=False)


Hear = Callable[["StageProgress"], None]


@contextmanager
def logged(path: Path | None, command: str) -> Iterator[Hear]:
    """A block that is logged as JSON Lines, if a file is named; gives what hears of the progress of its stages."""
    if path is None:
        yield lambda now: None
        return
    from socorpus.corpus import RunLog

    with RunLog(path, command) as log:
        yield log


class Stages:
    """Progress of each stage: a bar with the time left on a terminal, else a line now and then.

    Args:
        hear: also called with each progress.
    """

    def __init__(self, hear: Hear = lambda now: None) -> None:
        self._hear = hear
        self.ran = 0
        """Work items that ran; the others were done already."""
        self._bars: Progress | None = None
        self._known: dict[str, Any] = {}
        self._last = 0.0

    def __enter__(self) -> "Stages":
        if is_terminal(sys.stderr):
            columns: list[ProgressColumn] = [TextColumn("{task.description:>22}", markup=False), BarColumn(30), _Left()]
            self._bars = Progress(*columns, console=err)
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        if self._bars is not None:
            if kind is None and _WHOLE in self._known:
                self._bars.remove_task(self._known[_WHOLE])
            self._bars.stop()

    def __call__(self, now: "StageProgress") -> None:
        """Show the state of a stage, or a remark of its own."""
        self._hear(now)
        if now.note and not now.items:
            say(f"socorpus: {now.note}")
            return
        self.ran += now.done > now.skipped and not now.note
        if now.items == now.skipped:
            return
        if self._bars is not None:
            if now.whole is not None:
                if _WHOLE not in self._known:
                    self._known[_WHOLE] = self._bars.add_task(_WHOLE, total=1.0)
                self._bars.update(self._known[_WHOLE], completed=now.whole.share, whole=now.whole)
            if now.stage not in self._known:
                self._known[now.stage] = self._bars.add_task(now.stage, total=now.total or 1)
            self._bars.update(self._known[now.stage], completed=now.weight, now=now)
        elif now.note or now.done == now.items or time.monotonic() - self._last > _EVERY_SECONDS:
            self._last = time.monotonic()
            whole = f"   {_WHOLE}: {_of_whole(now.whole)}" if now.whole is not None else ""
            err.print(f"{now.stage:>22}  {_state(now)}{whole}")


class _Left(ProgressColumn):
    def render(self, task: Task) -> Text:
        now, whole = task.fields.get("now"), task.fields.get("whole")
        if whole is not None:
            return Text(_of_whole(whole))
        return Text(visible(_state(now)) if now is not None else "")


_WHOLE = "the whole"


def _of_whole(whole: "Whole") -> str:
    """The share that is done of a command, and the time left."""
    return f"{whole.share:.0%}, about {duration(whole.seconds_left)} left"


def _state(now: "StageProgress") -> str:
    done = f"{now.done:,}/{now.items:,}" + (f" ({now.skipped:,} kept from before)" if now.skipped else "")
    if now.note:
        return f"{done}  {now.note}"
    left = now.seconds_left
    if now.done == now.items:
        return f"{done}  {duration(now.seconds)}"
    return f"{done}  {duration(left)} left" if left is not None else done
