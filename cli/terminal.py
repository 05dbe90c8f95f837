"""Text as a terminal may get it: without the control characters that data can hold.

Titles, names, tags, file names and messages of a corpus come from strangers. A terminal obeys escape sequences in them:
it would clear the screen, hide lines, set its title, or put text into its clipboard or its input. So whatever a command
prints goes through `visible`: all that the consoles print, and all that anything else writes to stdout and stderr.
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, cast

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

_CONTROL = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f"  # C0 except tab and line feed, and DEL
    "\x80-\x9f"  # C1: U+009B begins an escape sequence as ESC [ does
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides and isolates, which reorder what is read
    "\ud800-\udfff"  # halves of characters, as in file names that are not UTF-8: they can't be written
    "]"
)


def visible(text: str) -> str:
    r"""A text with its control characters written out: U+001B becomes the four characters `\x1b`.

    Line feeds and tabs stay, and so do marks without effect on other text.
    """
    return _CONTROL.sub(lambda match: _written(ord(match[0])), text)


def _written(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class _Visible:
    """What is printed, with its texts made visible once it is laid out; rich's own control codes stay."""

    def __init__(self, renderable: ConsoleRenderable) -> None:
        self.renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class _Cleaning(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """The same, made visible."""
        return [_Visible(renderable) for renderable in renderables]


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """A console that prints data: no markup, no emoji codes, no control characters."""
    made_visible = Console(stderr=stderr, highlight=False, emoji=False, markup=False, soft_wrap=True, width=width)
    made_visible.push_render_hook(_Cleaning())
    return made_visible


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream is a terminal; None stands for one that was closed before the process began."""
    return stream is not None and stream.isatty()


def _opened(stream: TextIO | None, number: int) -> TextIO:
    """A standard stream; of one that was closed, its descriptor leads nowhere: no file that is opened later gets it."""
    if stream is not None:
        return stream
    try:
        os.fstat(number)
    except OSError:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        if descriptor != number:
            os.dup2(descriptor, number)
            os.close(descriptor)
    return Path(os.devnull).open("w", encoding="utf-8")


class _Stream:
    """A stream whose text is made visible; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, and give its length."""
        self._stream.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def guarded(*consoles: Console) -> Iterator[None]:
    """A block in which everything else in this process, such as warnings and errors of usage, writes visible text only.

    Args:
        consoles: those which clean what they print, and need their own codes.
    """
    if isinstance(sys.stdout, _Stream):
        yield
        return
    before = sys.stdout, sys.stderr
    streams = _opened(sys.stdout, 1), _opened(sys.stderr, 2)
    for stream in streams:
        # A character that the terminal's encoding lacks is no reason to fail.
        with contextlib.suppress(AttributeError, OSError):
            cast(TextIOWrapper, stream).reconfigure(errors="backslashreplace")
    for screen in consoles:
        screen.file = streams[screen.stderr]
    sys.stdout, sys.stderr = (cast(TextIO, _Stream(stream)) for stream in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for screen in consoles:
            screen.file = cast(TextIO, None)  # whatever the stream is then
