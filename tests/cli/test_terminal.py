"""No control character of the data reaches a terminal: escape sequences, C1 controls, overrides of direction."""

import io
import os
import pty
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from socorpus.cli import terminal
from tests.building import socorpus

RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ESCAPES = "\x1b[2J\x1b]0;title\x07\x9b31m\u202egnp\u2066.\r\x08\x7f"


def test_control_characters_are_written_out() -> None:
    assert terminal.visible("a\tb\nc é 日本 🎉 \u200f \u00ad") == "a\tb\nc é 日本 🎉 \u200f \u00ad"
    assert terminal.visible("\x1b[31m\x9b\u202e\udc80\r") == r"\x1b[31m\x9b\u202e\udc80\x0d"


@given(st.text(st.characters(exclude_categories=())))
def test_no_text_stays_raw(text: str) -> None:
    shown = terminal.visible(text)
    assert not RAW.search(shown) and terminal.visible(shown) == shown
    shown.encode("utf-8")


def test_a_console_shows_data_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal.console(width=200)
    screen.file = io.StringIO()
    table = Table("name", ESCAPES, title=ESCAPES)
    table.add_row("[red]a[/red] [link=http://a]b[/]", f":smile: {ESCAPES}")
    screen.print(table)
    screen.print(ESCAPES, "[bold]", style="dim")
    shown = screen.file.getvalue()
    assert not RAW.search(shown) and r"\x1b[2J" in shown and r"\u202egnp" in shown
    assert "[red]a[/red] [link=http://a]b[/]" in shown and ":smile:" in shown and "[bold]" in shown


def test_what_others_write_is_cleaned_too(tmp_path: Path) -> None:
    program = f"""
import contextlib, sys, warnings
from socorpus.cli import terminal, view
stack = contextlib.ExitStack()
stack.enter_context(terminal.guarded(view.out, view.err))
stack.enter_context(terminal.guarded(view.out, view.err))
text = {ESCAPES!r}
print(text); print("\\udc80"); sys.stderr.writelines([text]); warnings.warn(text)
view.out.print(text, style="bold")
raise RuntimeError(text)
"""
    for encoding in ("utf-8", "ascii"):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment)
        for stream in (done.stdout, done.stderr):
            text = stream.decode(encoding)
            assert rb"\x1b[2J" in stream and not RAW.search(text), text


def test_colours_of_our_own_reach_a_terminal() -> None:
    main, other = pty.openpty()
    program = "from socorpus.cli import terminal, view\nwith terminal.guarded(view.out, view.err):\n"
    program += f"    view.ProgressLine().now('a' + {ESCAPES!r}); view.out.print('b' + {ESCAPES!r}, style='bold')"
    environment = {**os.environ, "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", program], stdout=other, stderr=other, env=environment, check=True)
    os.close(other)
    parts = []
    # A terminal gives what it has so far; at the end, where nobody writes any more, Linux gives an error.
    with suppress(OSError):
        while part := os.read(main, 10_000):
            parts.append(part)
    shown = b"".join(parts).decode()
    os.close(main)
    assert shown.startswith("\r\x1b[Ka\\x1b[2J") and "\x1b[1mb" in shown
    assert not RAW.search(re.sub(r"\r\x1b\[K|\x1b\[[01]m|\r\n", "", shown))


@pytest.fixture(scope="module")
def hostile(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus whose titles, bodies, tags and names hold escape sequences."""
    folder = tmp_path_factory.mktemp("hostile")
    dump = Path(shutil.copytree(small, folder / "dump"))
    for path in dump.rglob("*.xml"):
        text = path.read_text("utf-8")
        # XML can't hold ESC; HTML in it can, by a reference of its own.
        written = "&#x9b;31m&#x202e;&amp;#27;[2J&amp;#x9d;0;x&amp;#7;&#x2066;"
        for name in ("Title", "Body", "Text", "DisplayName", "UserDisplayName", "AboutMe"):
            text = text.replace(f' {name}="', f' {name}="{written}')
        path.write_text(re.sub(r'(Tags="(?:\||&lt;))', r"\1a&#x9b;31m&#x202e;", text), "utf-8")
    socorpus("build", dump, "-o", folder / "corpus", "--workers", 0)
    return folder / "corpus"


def test_no_command_passes_on_what_a_corpus_holds(hostile: Path, tmp_path: Path) -> None:
    from socorpus.corpus import Corpus

    documents = Corpus(hostile).documents.head(4)
    posts = [
        f"{site}:{number}"
        for site, number in zip(*(documents[n].to_pylist() for n in ("site", "post_id")), strict=True)
    ]
    assert RAW.search("".join(map(str, documents["text"].to_pylist())))
    odd = tmp_path / f"a{ESCAPES}.toml"
    odd.write_text(f"'{chr(0x9B)}31m' = 1\n", "utf-8")
    commands: list[tuple[int, tuple[object, ...]]] = [
        *((0, ("explain", hostile, post)) for post in posts),
        (0, ("status", hostile)),
        (0, ("report", hostile)),
        (0, ("labeling", "analyze", hostile, "--workers", 0)),
        (2, ("explain", hostile, f"a{ESCAPES[1:]}:1")),
        (2, ("build", tmp_path / f"no{ESCAPES}", "-o", tmp_path / "out")),
        (2, ("build", hostile.parent / "dump", "-o", tmp_path / "out", "--config", odd)),
        (2, ("labeling", "export", hostile, "--task", f"b{ESCAPES}", "-o", tmp_path / "labels")),
        (2, ("train", hostile, f"--c{ESCAPES}")),
    ]
    for code, arguments in commands:
        done = socorpus(*arguments, code=code)
        assert not RAW.search(done.stdout + done.stderr), (arguments, done.stdout, done.stderr)
        if arguments[0] == "explain":
            assert r"\x9b31m\u202e" in done.stdout or r"\x9b31m\u202e" in done.stderr


SHELL = 'exec "$0" -m socorpus.cli status "$1"'


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&-", "2>&-"])
def test_closed_streams_are_no_reason_to_fail(tmp_path: Path, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{SHELL} {closed}", sys.executable, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert ("no corpus" in done.stderr) == (closed == ">&-")


def test_standard_output_that_is_full_is_named() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m socorpus.cli --version > /dev/full', sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("socorpus: standard output") and "MB are free" not in done.stderr


@pytest.mark.parametrize("sign", ["SIGUSR1", "SIGUSR2", "SIGXCPU"])
def test_signals_of_batch_systems_end_a_command_with_a_sentence(sign: str) -> None:
    program = f"""
import os, signal
from socorpus.cli import main
main._add(main.app, lambda: os.kill(os.getpid(), signal.{sign}))
main.app.registered_commands[-1].name = "wait"
main.run()
"""
    done = subprocess.run([sys.executable, "-c", program, "wait"], capture_output=True, text=True, check=False)
    assert f"stopped by {sign}; the same command does it from the start" in " ".join(done.stderr.split())
    assert done.returncode > 128
