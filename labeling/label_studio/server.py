"""The embedded Label Studio: installed once in its own environment, run on loopback with SQLite, no outgoing calls.

The server needs some 150 packages (1 GB) that this project does not need, and would dictate their versions. It
therefore has a virtual environment below the user's data folder. Everything that makes it call home (analytics, crash
reports, version check, remote feature flags) is switched off by the environment variables that its settings read.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import files

VERSION = "1.23.2"
HOST = "127.0.0.1"
EMAIL = "socorpus@localhost"
"""The first user, who owns the projects; the server can only be reached from this machine."""

USER_FILE = "socorpus-user.json"
_RUNNING = "running.json"
_SECONDS_TO_START = 300.0
Say = Callable[[str], None]


def home() -> Path:
    """Folder of the embedded server: `SOCORPUS_STUDIO`, else `$XDG_DATA_HOME/socorpus/label-studio`."""
    if named := os.environ.get("SOCORPUS_STUDIO"):
        return Path(named).absolute()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "socorpus" / "label-studio"


def default_data() -> Path:
    """Default folder of the embedded server's database."""
    return home() / "data"


def _environment_folder() -> Path:
    return home() / f"environment-{VERSION}"


def _migrated() -> Path:
    return home() / f"migrated-{VERSION}.sqlite3"


def installed() -> bool:
    """Whether the server's environment and its empty database are complete."""
    return (_environment_folder() / ".complete").is_file() and _migrated().is_file()


def install(say: Say = lambda _: None) -> None:
    """Install the server and prepare an empty database, unless that is done; safe to repeat after a kill.

    Args:
        say: receives progress messages, a line at a time.

    Raises:
        BuildError: pip or the server's migrations fail; names the log.
    """
    if installed():
        return
    home().mkdir(parents=True, exist_ok=True)
    with files.locked(home() / ".lock"):
        folder = _environment_folder()
        if not (folder / ".complete").is_file():
            _install_packages(folder, say)
        if not _migrated().is_file():
            say("preparing an empty database (half a minute, once)")
            _migrate()


def _install_packages(folder: Path, say: Say) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    say(f"creating {folder}")
    # -P: nothing is imported from the current folder, which may be a stranger's.
    subprocess.run([sys.executable, "-P", "-m", "venv", str(folder)], check=True)
    known = home() / "constraints.txt"
    known.write_text("\n".join(json.loads((Path(__file__).parent / "versions.json").read_text("utf-8"))), "utf-8")
    log = home() / "install.log"
    pip = [str(folder / "bin/python"), "-P", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    # First the versions that are known to work; another Python or system may need others.
    for number, options in enumerate((["--constraint", str(known)], [])):
        say(f"installing label-studio {VERSION}" + (" with the newest versions of what it needs" if number else ""))
        command = [*pip, *options, f"label-studio=={VERSION}"]
        with (
            log.open("w", encoding="utf-8") as file,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
        ):
            assert process.stdout is not None
            collected = 0
            for line in process.stdout:
                file.write(line)
                if line.startswith("Collecting "):
                    collected += 1
                    if collected % 20 == 0:
                        say(f"  {collected} packages found")
                elif line.startswith("Installing collected packages"):
                    say(f"  installing {collected} packages (a minute or two)")
        if process.returncode == 0:
            (folder / ".complete").touch()
            return
    raise BuildError(f"label-studio {VERSION} could not be installed; pip's output is in {log}")


def _migrate() -> None:
    folder = home() / "migrating"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    site = next((_environment_folder() / "lib").glob("python3*/site-packages/label_studio"))
    log = home() / "migrate.log"
    with log.open("w", encoding="utf-8") as file:
        command = [str(_environment_folder() / "bin/python"), str(site / "manage.py"), "migrate", "--no-color"]
        done = subprocess.run(command, env=_variables(folder), stdout=file, stderr=subprocess.STDOUT, cwd=folder)
    if done.returncode != 0:
        raise BuildError(f"label-studio could not prepare its database; its output is in {log}")
    (folder / "label_studio.sqlite3").replace(_migrated())
    shutil.rmtree(folder, ignore_errors=True)


def _variables(data: Path) -> dict[str, str]:
    """The server's environment variables: no outgoing calls, nothing of the user's own Label Studio."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LABEL_STUDIO_", "DJANGO_"))}
    return {
        **kept,
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_SENTRY_DSN": "",
        "LABEL_STUDIO_FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_FEATURE_FLAGS_OFFLINE": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        # It only listens on this machine, as does `socorpus labeling serve`, which it must be able to reach.
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        "PYTHONUNBUFFERED": "1",
    }


@dataclass(frozen=True)
class User:
    """A user of the embedded server, with the password to sign in."""

    email: str
    password: str


def user_of(data: Path) -> User:
    """A data folder's first user; created if absent, with a random password in a file that only its owner reads."""
    path = data / USER_FILE
    try:
        values = json.loads(path.read_text("utf-8"))
        return User(values["email"], values["password"])
    except FileNotFoundError:
        pass
    except (ValueError, KeyError):
        raise InputError(f"{path}: can't be read; remove it and reset the password in Label Studio") from None
    user = User(EMAIL, secrets.token_urlsafe(15))
    temporary = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump({"email": user.email, "password": user.password}, file)
    temporary.replace(path)
    return user


@dataclass(frozen=True)
class Server:
    """A running embedded server."""

    url: str
    data: Path
    user: User
    process: "subprocess.Popen[bytes]"

    @property
    def user_file(self) -> Path:
        """The file with the user's password."""
        return self.data / USER_FILE

    def stop(self) -> None:
        """End the server and all its child processes."""
        for sign, wait in ((signal.SIGINT, 10.0), (signal.SIGKILL, 10.0)):
            if self.process.poll() is None:
                try:
                    os.killpg(self.process.pid, sign)
                except ProcessLookupError:
                    return
                try:
                    self.process.wait(wait)
                except subprocess.TimeoutExpired:
                    continue
        _forget(self.url)


def free_port() -> int:
    """A free port of the loopback interface."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        return int(listening.getsockname()[1])


def start(data: Path, port: int | None = None) -> Server:
    """Start the installed server on `data`, and wait until it answers.

    Args:
        data: folder of its database; a new one is copied from the prepared empty database.
        port: of the loopback interface; None takes a free one.

    Raises:
        InputError: the port is taken, or `data` is in use.
        BuildError: the server ends or does not answer; names its log.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = port if port is not None else free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise InputError(f"port {port} is taken; name another one with --port") from None
    for known in _running():
        if known.get("data") == str(data):
            raise InputError(f"{data}: a server is already running there, at {known['url']}")
    database = data / "label_studio.sqlite3"
    if not database.exists():
        shutil.copyfile(_migrated(), temporary := data / f".database.{os.getpid()}")
        temporary.replace(database)
    user = user_of(data)
    variables = _variables(data) | {"LABEL_STUDIO_USERNAME": user.email, "LABEL_STUDIO_PASSWORD": user.password}
    command = [str(_environment_folder() / "bin/label-studio"), "start", "--no-browser"]
    with (data / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--internal-host", HOST, "--port", str(port)],
            env=variables,
            cwd=data,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # A process group of its own: Ctrl-C in the terminal reaches this process, which then ends the server.
            start_new_session=True,
        )
    server = Server(f"http://{HOST}:{port}", data, user, process)
    try:
        _wait(server)
    except BaseException:
        server.stop()
        raise
    _remember(server)
    return server


def _wait(server: Server) -> None:
    import httpx

    until = time.monotonic() + _SECONDS_TO_START
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        while time.monotonic() < until:
            if server.process.poll() is not None:
                raise BuildError(f"Label Studio ended while it started; its log is {server.data / 'server.log'}")
            try:
                if client.get(f"{server.url}/health").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
    raise BuildError(f"Label Studio does not answer; its log is {server.data / 'server.log'}")


@contextmanager
def serving(data: Path, port: int | None = None) -> Iterator[Server]:
    """A server for the length of a block."""
    server = start(data, port)
    try:
        yield server
    finally:
        server.stop()


def running(url: str | None = None) -> tuple[str, Path] | None:
    """Address and data folder of a running embedded server: that of `url`, or the one started last."""
    for known in reversed(_running()):
        if url is None or known["url"] == url.rstrip("/"):
            return known["url"], Path(known["data"])
    return None


def _running() -> list[dict[str, Any]]:
    try:
        known = json.loads((home() / _RUNNING).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [server for server in known if _alive(server)]


def _alive(known: Mapping[str, Any]) -> bool:
    try:
        os.kill(int(known["pid"]), 0)
        with socket.create_connection((HOST, int(known["url"].rpartition(":")[2])), 1.0):
            return True
    except (OSError, ValueError, KeyError):
        return False


def _remember(server: Server) -> None:
    _forget(server.url, {"url": server.url, "data": str(server.data), "pid": server.process.pid})


def _forget(url: str, *new: dict[str, Any]) -> None:
    with files.locked(home() / ".running.lock"):
        known = [server for server in _running() if server["url"] != url]
        temporary = home() / f".{_RUNNING}"
        temporary.write_text(json.dumps([*known, *new]), "utf-8")
        temporary.replace(home() / _RUNNING)
