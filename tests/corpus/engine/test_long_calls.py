"""Functions of plug-ins on workers: what they raise is told alike, and one that does not end is named."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from socorpus.corpus import plugins
from socorpus.corpus.engine import long_calls
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.work import Outcome, Progress, WorkItem
from socorpus.corpus.errors import BuildError
from socorpus.corpus.signals.base import SIGNALS
from tests.building import wait_for

SIGNAL = """
import threading, time
import pyarrow as pa
from socorpus.corpus import signal


class Odd(Exception):
    def __init__(self, what, lock):
        super().__init__(what)
        self.lock = lock


@signal({"a": pa.int32()})
def marks(documents):
    BODY
"""


@pytest.fixture(params=[0, 1], ids=["in this process", "on a worker"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path, workers=request.param) as started:
        yield started


def load(folder: Path, body: str) -> None:
    (folder / "mine.py").write_text(SIGNAL.replace("BODY", body), "utf-8")
    plugins.load([str(folder / "mine.py")])


def call(root: Path) -> Outcome:
    find = SIGNALS["marks"].find
    assert find is not None
    plugins.call(find, None, plugin=SIGNALS.origin("marks"), name="signal marks", culprit=lambda: "site:7")
    return Outcome({})


ITEM = WorkItem("signals", "site/0", call, {}, {})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise Odd('of its own', threading.Lock())", "Odd: of its own"),  # can't be pickled
        ("raise Odd('of its own', None)", "Odd: of its own"),  # can be pickled, and not be read again
        ("raise type('Mute', (Exception,), {'__str__': None})", "Mute: its text can't be read"),
    ],
)
def test_what_a_plugin_raises_is_told_alike_by_workers(engine: Engine, tmp_path: Path, body: str, said: str) -> None:
    load(tmp_path, body)
    with pytest.raises(BuildError, match=rf"mine\.py, line 15, in marks: signal marks, on site:7: {said}$"):
        engine.run("signals", [ITEM])


def test_a_function_that_does_not_end_is_named_with_its_time(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_calls, "LONG", 0.2)
    load(tmp_path, f"while not pa.fs.LocalFileSystem().get_file_info({str(tmp_path / 'end')!r}).is_file:\n        pass")
    notes: list[str] = []

    def show(progress: Progress) -> None:
        # The first of a cluster is the address of its dashboard.
        notes.extend([progress.note] if progress.note and "dashboard" not in progress.note else [])
        if len(notes) == 2:
            (tmp_path / "end").touch()

    engine.show = show
    engine.run("signals", [ITEM])
    assert "mine.py: signal marks has been at work on site/0 for " in notes[0] and "Ctrl-C stops" in notes[0]
    assert not (tmp_path / long_calls.FOLDER).exists()


def test_short_calls_and_calls_of_processes_that_died_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(tmp_path, "pass")
    said: list[str] = []
    monkeypatch.setattr(long_calls, "LONG", 0.05)
    with long_calls.watched(tmp_path, said.append):
        with long_calls.noted(tmp_path, ITEM):
            call(tmp_path)
        time.sleep(0.2)
        assert not said
        with long_calls.noted(tmp_path, ITEM), monkeypatch.context() as patched:
            patched.setattr("os.getpid", lambda: 2**22 + 1)  # above the most that Linux gives
            plugins.call(time.sleep, 0.3, plugin=plugins.active()[0], name="signal marks")
        assert not said
        with long_calls.noted(tmp_path, ITEM):
            plugins.call(wait_for, lambda: bool(said), plugin=plugins.active()[0], name="signal marks")
    assert "signal marks has been at work on site/0" in said[0]
