"""Faults at every stage of a build: whatever happens, going on makes the bytes of an undisturbed build.

A short form of the matrix is in `make test`, all of it in `make test-all`, and a hundred kills in `make torture`.
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from socorpus.corpus.engine.build_state import STAGES
from tests import building, fork_server
from tests.building import hashes, manifest, socorpus

FOLDERS = ("documents", "pairs", "signals", "decisions", "shards", "quarantine", "tables", "tokenizer", "labels")
NOT_OF_THIS_DUMP = {"map", "partition", "signal_inputs", "repeats", "unique", "label_analysis"}
"""Stages that a site of one bucket, without benchmarks and without a wish for an analysis, has no items in."""
OFTEN = ("threads", "signals", "shards", "label_vote")
"""Stages of the short form."""

slow, torture = pytest.mark.slow, pytest.mark.torture
at_every_stage = pytest.mark.parametrize(
    "stage",
    [pytest.param(name, marks=() if name in OFTEN[:2] else slow) for name in STAGES if name not in NOT_OF_THIS_DUMP],
)
at_some_stages = pytest.mark.parametrize("stage", [OFTEN[0], *(pytest.param(name, marks=slow) for name in OFTEN[1:])])


def everything(corpus: Path) -> dict[str, dict[str, str]]:
    return {folder: hashes(corpus, folder) for folder in FOLDERS}


def assert_same(out: Path, undisturbed: Path) -> None:
    assert everything(out) == everything(undisturbed)
    assert manifest(out) == manifest(undisturbed)
    assert not list(out.rglob("*.partial"))
    socorpus("verify", out)


def tree(out: Path) -> Path:
    return max((out / ".generations").glob("0*"))


def reached(out: Path, stage: str) -> Callable[[], bool]:
    """Whether a build at `out` has come to a stage."""
    return lambda: any((out / ".generations").glob(f"0*/receipts/{stage}.json"))


def wait_for_stage(process: fork_server.Process, out: Path, stage: str) -> None:
    """Wait until the build is at a stage; it may be through in the meantime."""
    building.wait_for(lambda: reached(out, stage)() or process.poll() is not None)


@at_every_stage
def test_killed(small: Path, small_corpus: Path, tmp_path: Path, stage: str) -> None:
    out = tmp_path / "out"
    command = ("build", small, "--workers", 0, "-o", out)
    process = fork_server.start(command)
    wait_for_stage(process, out, stage)
    process.kill()
    process.communicate()
    socorpus(*command)
    assert_same(out, small_corpus)


@at_every_stage
def test_a_file_was_damaged_before_it_goes_on(small: Path, small_corpus: Path, tmp_path: Path, stage: str) -> None:
    out = tmp_path / "out"
    command = ("build", small, "--workers", 0, "-o", out)
    process = fork_server.start(command)
    wait_for_stage(process, out, stage)
    process.kill()
    process.communicate()
    if (out / "MANIFEST.json").exists():
        return  # it was through before it could be killed
    draw = random.Random(stage)
    written = sorted(path for path in tree(out).rglob("*") if path.is_file() and path.stat().st_size)
    for path in draw.sample(written, min(3, len(written))):
        content = bytearray(path.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
    socorpus(*command)
    assert_same(out, small_corpus)


@at_some_stages
def test_a_full_disk(small: Path, small_corpus: Path, tmp_path: Path, stage: str) -> None:
    with building.small_disk(tmp_path / "disk", "64m") as resize:
        out = tmp_path / "disk" / "out"
        process = fork_server.start(("build", small, "--workers", 0, "-o", out))
        wait_for_stage(process, out, stage)
        with contextlib.suppress(OSError), (tmp_path / "disk" / "filler").open("wb") as filler:
            while filler.write(bytes(1 << 16)):
                filler.flush()
        _, said = process.communicate()
        if process.returncode == 1:
            assert "no space left on the disk" in said and "Traceback" not in said
        else:
            assert process.returncode == 0, said
        (tmp_path / "disk" / "filler").unlink()
        resize("128m")
        socorpus("build", small, "--workers", 0, "-o", out)
        assert_same(out, small_corpus)


@at_some_stages
def test_a_lost_worker(small: Path, small_corpus: Path, tmp_path: Path, stage: str) -> None:
    out = tmp_path / "out"
    command = ("build", small, "--workers", 1, "-o", out)
    process = fork_server.start(command)
    wait_for_stage(process, out, stage)
    children = subprocess.run(
        ["pgrep", "-P", str(process.pid), "-f", "spawn_main"], capture_output=True, text=True
    ).stdout.split()
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)
    _, said = process.communicate()
    assert "Traceback" not in said
    assert process.returncode in (0, 1), said
    socorpus(*command)
    assert_same(out, small_corpus)


class Wire:
    """A connection between processes that can be cut: a relay to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._to, self._ends = port, list[socket.socket]()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for end in (source, target):
            end.close()

    def cut(self) -> None:
        self._server.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[int, Callable[[int], None], subprocess.Popen[bytes]]]:
    """A Dask scheduler; gives its port, what starts a worker by way of a port, and its process."""
    folder.mkdir()
    base, quiet = [sys.executable, "-m"], {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    where = folder / "scheduler.json"
    command = [*base, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    started = [subprocess.Popen([*command, "--scheduler-file", str(where)], **quiet)]

    def worker(port: int) -> None:
        command = [*base, "distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}", "--host", "127.0.0.1"]
        started.append(subprocess.Popen([*command, "--nthreads", "1", "--no-dashboard"], **quiet, cwd=folder))

    try:
        building.wait_for(lambda: where.exists() and where.read_text().endswith("}"))
        yield int(json.loads(where.read_text())["address"].rpartition(":")[2]), worker, started[0]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


@pytest.mark.parametrize("stage", ["signals", pytest.param("shards", marks=slow)])
def test_a_lost_scheduler(small: Path, small_corpus: Path, tmp_path: Path, stage: str) -> None:
    out = tmp_path / "out"
    with cluster(tmp_path / "first") as (port, worker, scheduler):
        worker(port)
        process = fork_server.start(("build", small, "-o", out, "--scheduler", f"tcp://127.0.0.1:{port}"))
        wait_for_stage(process, out, stage)
        scheduler.kill()
        _, said = process.communicate(120)
        assert process.returncode in (0, 1), said
        assert "Traceback" not in said
        assert process.returncode == 0 or "scheduler" in said
    socorpus("build", small, "-o", out, "--workers", 0)
    assert_same(out, small_corpus)


@slow
def test_the_network_to_a_worker_is_cut(small: Path, small_corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with cluster(tmp_path / "dask") as (port, worker, _):
        wire = Wire(port)
        worker(wire.port)
        process = fork_server.start(("build", small, "-o", out, "--scheduler", f"tcp://127.0.0.1:{port}"))
        wait_for_stage(process, out, "documents")
        wire.cut()
        worker(port)  # another one, which is reached
        _, said = process.communicate(180)
        assert process.returncode in (0, 1), said
        assert "Traceback" not in said
    socorpus("build", small, "-o", out, "--workers", 0)
    assert_same(out, small_corpus)


@torture
@pytest.mark.parametrize("seed", range(4))
def test_a_hundred_kills_at_random_moments(small: Path, small_corpus: Path, tmp_path: Path, seed: int) -> None:
    """Twenty-five a time, of first builds and of rebuilds to and fro; none is lost, and readers see a whole corpus."""
    draw, out, toml = random.Random(seed), tmp_path / "out", tmp_path / "socorpus.toml"
    toml.write_text("[near]\nthreshold = 0.6\n[shards]\nseed = 99\n")
    plain = ("build", small, "--workers", seed % 2, "-o", out)
    changed = (*plain, "--config", toml)
    other = tmp_path / "other"
    socorpus("build", small, "--workers", 0, "-o", other, "--config", toml)
    whole = json.loads((small_corpus.parent / "seconds.json").read_text())
    goals = [everything(small_corpus), everything(other)]
    kills = 0
    while kills < 25:
        command = draw.choice((plain, changed))
        process = fork_server.start(command)
        time.sleep(draw.uniform(0, whole))
        kills += process.poll() is None
        process.kill()
        process.communicate()
        if (out / "MANIFEST.json").exists():
            assert everything(out) in goals
            socorpus("verify", out)
    socorpus(*plain)
    assert_same(out, small_corpus)
