"""`socorpus labeling studio` as a person runs it, and which server and credentials a command finds beside it."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from socorpus.corpus.errors import InputError
from socorpus.labeling.label_studio import server as label_studio_server
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.credentials import TOKEN, access
from socorpus.labeling.label_studio.server import HOST, User
from tests.building import socorpus, wait_for


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for the installed server, so that servers of other tests are not found."""
    label_studio_server.install(print)
    installed, own = label_studio_server.home(), tmp_path / "home"
    own.mkdir()
    for path in (*installed.glob("environment-*"), *installed.glob("migrated-*")):
        (own / path.name).symlink_to(path)
    monkeypatch.setenv("SOCORPUS_STUDIO", str(own))
    return own


@contextmanager
def studio(folder: Path, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """The command in a process of its own, once it says that the server runs; its output is in `folder`."""
    command = [sys.executable, "-m", "socorpus.cli.main", "labeling", "studio", *map(str, arguments)]
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=err,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        try:
            wait_for(lambda: process.poll() is not None or "Ctrl-C ends it" in (folder / "out").read_text("utf-8"))
            assert process.poll() is None, (folder / "err").read_text("utf-8")
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(60)


def given(url: str | None, token: str | None = None, typed: Sequence[str] = ()) -> tuple[str, str | User]:
    """What a command gets that names this address, with this token in the environment or typed."""
    answers = iter(typed)
    with access(url, token, lambda _: next(answers, None), print) as found:
        return found


def test_a_server_of_ones_own_is_started_found_and_ended(home: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no Label Studio runs here: .*socorpus labeling studio, or .*--url"):
        given(None)
    installed = socorpus("labeling", "studio", "--install-only", environment={"COLUMNS": "300"}).stdout
    assert f"Label Studio {label_studio_server.VERSION} is installed in {home}" in installed
    port = label_studio_server.free_port()
    with studio(tmp_path, "--port", port) as process:
        url, user_file = f"http://{HOST}:{port}", home / "data" / label_studio_server.USER_FILE
        said = (tmp_path / "out").read_text("utf-8")
        user = label_studio_server.user_of(home / "data")
        assert f"Label Studio: {url}" in said and user.email in said and user.password not in said
        assert stat.S_IMODE(user_file.stat().st_mode) == 0o600
        # Named or not, it needs no token.
        assert given(None) == given(url) == given(f"{url}/", "a token") == (url, user)
        with Client(url, user) as client:
            number = client.create_project({"title": "kept"})
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "Label Studio has stopped" in (tmp_path / "err").read_text("utf-8")
    assert label_studio_server.running() is None
    # A command that needs the server starts it for itself, on the same data.
    lines: list[str] = []
    with access(None, None, lambda _: None, lines.append) as (url, signed):
        assert lines == ["starting Label Studio for as long as this takes"] and signed == user
        with Client(url, user) as client:
            assert client.projects("kept") == [number]
        assert label_studio_server.running() == (url, home / "data")
    assert label_studio_server.running() is None


def test_a_server_that_ends_by_itself_ends_the_command(home: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with studio(tmp_path, "--data", data, "--port", label_studio_server.free_port()) as process:
        (known,) = label_studio_server._running()
        assert known["data"] == str(data)
        os.kill(known["pid"], signal.SIGKILL)
        assert process.wait(60) == 1
    said = " ".join((tmp_path / "err").read_text("utf-8").split())
    assert "Label Studio ended by itself; its log is" in said and "Traceback" not in said


def test_another_server_needs_a_token(home: Path) -> None:
    url = "https://labels.example.com"
    with pytest.raises(InputError, match=rf"{url}: needs a token; put it into the environment variable {TOKEN}"):
        given(url, token=" ")
    assert given(url, token=" of the environment\n", typed=["typed"]) == (url, "of the environment")
    assert given(url, typed=[" typed "]) == (url, "typed")
