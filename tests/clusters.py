"""Dask clusters as users have them: schedulers and workers that run already, on this machine or on hosts of their own.

Hosts are network namespaces that are joined by a bridge. Nothing of it is in the machine's own network: the bridge has
a namespace too, and no host reaches further than the others. They share the machine's files, as the machines of a
cluster share a file system.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.building import wait_for

_NETWORK = "10.213.0"


class Hosts:
    """Hosts that can be cut off from one another, with the processes that were started there."""

    def __init__(self, names: Sequence[str]):
        self._numbers = {name: number for number, name in enumerate(names, start=1)}
        self._started: list[subprocess.Popen[bytes]] = []

    def address(self, name: str) -> str:
        """IPv4 address of a host."""
        return f"{_NETWORK}.{self._numbers[name]}"

    def start(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command on a host, in a session of its own; what it says is added to a file."""
        with log.open("ab") as file:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.space(name), *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def cut(self, name: str) -> None:
        """Take a host off the network: what it and the others send to one another is lost."""
        _ip([f"-n {self.space('')} link set port{self._numbers[name]} down"])

    def join(self, name: str) -> None:
        """Put a host back on the network."""
        _ip([f"-n {self.space('')} link set port{self._numbers[name]} up"])

    def space(self, name: str) -> str:
        """Name of a host's namespace; of none the bridge's."""
        return f"socorpus-{os.getpid()}-{self._numbers.get(name, 0)}"

    def lay(self) -> None:
        """Make the namespaces, and the network between them."""
        hub = self.space("")
        _ip([f"netns add {space}" for space in (hub, *map(self.space, self._numbers))])
        _ip([f"-n {hub} link add bridge type bridge", f"-n {hub} link set bridge up"])
        for name, number in self._numbers.items():
            host, port = self.space(name), f"port{number}"
            _ip(
                [
                    f"-n {hub} link add {port} type veth peer name network netns {host}",
                    f"-n {hub} link set {port} master bridge up",
                    f"-n {host} address add {self.address(name)}/24 dev network",
                    f"-n {host} link set network up",
                    f"-n {host} link set lo up",
                ]
            )

    def clear(self) -> None:
        """End the processes, and remove the namespaces."""
        for process in self._started:
            kill(process)
        for space in (self.space(""), *map(self.space, self._numbers)):
            subprocess.run(["ip", "netns", "delete", space], capture_output=True)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ip(commands: Sequence[str]) -> None:
    for command in commands:
        done = subprocess.run(["ip", *command.split()], capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"ip {command}: {done.stderr.strip()}")


@contextmanager
def hosts(*names: str) -> Iterator[Hosts]:
    """Hosts of these names; the test skips where network namespaces can't be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("hosts of their own need root, and the command ip (Debian's iproute2)")
    laid = Hosts(names)
    try:
        try:
            laid.lay()
        except OSError as error:
            pytest.skip(f"no network namespaces can be made here ({error})")
        yield laid
    finally:
        laid.clear()


PYTHON = [sys.executable, "-m"]
SCHEDULER, WORKER = ([*PYTHON, f"distributed.cli.dask_{part}", "--no-dashboard"] for part in ("scheduler", "worker"))


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], Callable[..., None]]]:
    """A scheduler on this machine: its address, the process, and what starts a worker."""
    file, quiet = folder / "scheduler.json", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    where = ["--scheduler-file", str(file), "--host", "127.0.0.1"]
    started = [subprocess.Popen([*SCHEDULER, *where, "--port", "0"], **quiet)]

    def work(*options: str, **environment: str) -> None:
        command = [*WORKER, *where, "--nthreads", "1", *options]
        started.append(subprocess.Popen(command, env={**os.environ, **environment}, **quiet))

    try:
        # The file is there before all of it is written.
        wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        yield json.loads(file.read_text())["address"], started[0], work
    finally:
        for process in started:
            process.kill()
            process.wait()


@contextmanager
def elsewhere(folder: Path, workers: int = 1) -> Iterator[str]:
    """A Dask scheduler with workers that were started elsewhere, in another folder, by somebody else; its address."""
    folder.mkdir()
    address, quiet = folder / "scheduler.json", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    file = ["--scheduler-file", str(address), "--host", "127.0.0.1"]
    python = [sys.executable, "-m"]
    environment = {**os.environ, "XDG_STATE_HOME": str(folder)}
    started = [
        subprocess.Popen([*python, f"distributed.cli.dask_{part}", *file, *more], cwd=folder, env=environment, **quiet)  # type: ignore[call-overload]
        for part, more in (
            ("scheduler", ["--port", "0", "--no-dashboard"]),
            *[("worker", ["--nthreads", "1"])] * workers,
        )
    ]
    try:
        wait_for(lambda: address.exists() and address.read_text().endswith("}"))
        yield json.loads(address.read_text())["address"]
    finally:
        for process in started[::-1]:
            process.kill()
            process.wait()
