"""A cluster as users have it: what becomes of a build when workers, networks and schedulers come and go."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from socorpus.corpus import BuildError
from socorpus.corpus.engine import schedulers
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.work import Outcome, Progress, WorkItem
from socorpus.corpus.sample import writer as sample_writer
from tests.building import hashes, manifest, socorpus, wait_for
from tests.clusters import PYTHON, SCHEDULER, WORKER, Hosts, hosts, kill, scheduler
from tests.conftest import Once

WORKERS = ("first", "second", "third", "fourth")


@pytest.fixture(scope="module")
def dump(once: Once) -> Path:
    """A dump and a configuration by which most stages have a dozen work items."""

    def write(folder: Path) -> None:
        sample_writer.write(folder / "dump", threads=600, sites=[sample_writer.MODERN])
        (folder / "socorpus.toml").write_text("[read]\npart_mb = 1\n[threads]\nbucket_mb = 1\n", "utf-8")

    return once("dump-for-a-cluster", write) / "dump"


def command(dump: Path, out: Path | str) -> list[str]:
    return ["build", str(dump), "-o", str(out), "--no-labels", "--config", str(dump.parent / "socorpus.toml")]


@pytest.fixture(scope="module")
def expected(dump: Path, once: Once) -> Path:
    """A corpus of it, built on this machine."""
    made = once("corpus-beside-a-cluster", lambda folder: socorpus(*command(dump, folder / "corpus"), "--workers", 0))
    return made / "corpus"


class Cluster:
    """A scheduler and workers on hosts of their own, and builds from one more."""

    def __init__(self, network: Hosts, folder: Path):
        self.network, self.folder = network, folder
        self.address = f"tcp://{network.address('scheduler')}:8786"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        for name in names:
            where = ["--host", self.network.address(name)]
            what = [*SCHEDULER, "--port", "8786"] if name == "scheduler" else [*WORKER, self.address, "--nthreads", "1"]
            self.processes[name] = self.network.start(name, [*what, *where], self.folder / name)

    def build(self, dump: Path, out: Path) -> subprocess.Popen[bytes]:
        words = [*PYTHON, "socorpus.cli.main", *command(dump, out), "--scheduler", self.address]
        return self.network.start("client", words, self.folder / "client")

    def said(self) -> str:
        return (self.folder / "client").read_text("utf-8")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with hosts("client", "scheduler", *WORKERS, "late") as network:
        made = Cluster(network, tmp_path)
        made.start("scheduler", *WORKERS)
        yield made


def wait_for_stage(process: subprocess.Popen[bytes], out: Path, stage: str) -> None:
    """Wait until a build has done the first work item of a stage."""
    wait_for(lambda: next(out.glob(f".generations/*/receipts/{stage}/**/*.json"), None) is not None)
    assert process.poll() is None


def require_same(out: Path, expected: Path) -> None:
    assert manifest(out)["files"] == manifest(expected)["files"]
    assert hashes(out) == hashes(expected)


@pytest.mark.slow
def test_a_build_outlives_workers_that_die_are_cut_off_come_late_or_leave(
    cluster: Cluster, dump: Path, expected: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = cluster.build(dump, out)
    wait_for_stage(process, out, "documents")
    cluster.network.cut("first")
    kill(cluster.processes["second"])
    cluster.processes["third"].send_signal(signal.SIGTERM)
    cluster.start("late")
    time.sleep(10)
    cluster.network.join("first")
    assert process.wait(120) == 0, cluster.said()
    assert cluster.processes["first"].poll() is None and cluster.processes["late"].poll() is None
    assert cluster.processes["third"].poll() is not None
    require_same(out, expected)


@pytest.mark.slow
def test_a_build_whose_scheduler_is_lost_stops_and_goes_on_with_another(
    cluster: Cluster, dump: Path, expected: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = cluster.build(dump, out)
    wait_for_stage(process, out, "documents")
    kill(cluster.processes["scheduler"])
    assert process.wait(60) == 1
    said = cluster.said()
    assert f"the Dask scheduler {cluster.address} went away" in said and "Traceback" not in said, said
    cluster.start("scheduler", "first", "late")
    assert cluster.build(dump, out).wait(120) == 0, cluster.said()
    require_same(out, expected)
    # What workers of the lost one still wrote went to a tree that nobody reads.
    assert (out / ".generations/current").resolve().name == "000002"


def write(root: Path, name: str) -> Outcome:
    (root / name).write_text(name, "utf-8")
    return Outcome({name: 1})


def item(name: str) -> WorkItem:
    return WorkItem("write", name, write, {"name": name}, {})


def wait(root: Path) -> Outcome:
    (root / "begun").touch()
    time.sleep(120)
    return Outcome({})


def test_a_scheduler_that_stands_still_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"LOOK": 0.3, "ANSWER": 0.5, "SILENT": 2.0}.items():
        monkeypatch.setattr(schedulers, name, seconds)
    notes: list[str] = []
    with scheduler(tmp_path) as (address, process, work):
        work()

        def stop() -> None:
            wait_for((tmp_path / "begun").exists)
            process.send_signal(signal.SIGSTOP)

        stopper = threading.Thread(target=stop)
        stopper.start()
        with (
            Engine(tmp_path, scheduler=address, show=lambda now: notes.append(now.note)) as engine,
            pytest.raises(BuildError, match=r"scheduler tcp://.* went away, or the network"),
        ):
            engine.run("wait", [WorkItem("wait", "x", wait, {}, {})])
        stopper.join()
    assert f"the Dask scheduler {address} does not answer, and the build waits (Ctrl-C stops it)" in notes


def test_workers_that_dask_has_paused_are_said_and_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedulers, "LOOK", 0.3)
    notes: list[str] = []
    with scheduler(tmp_path) as (address, _, work):
        # More than the share of 80% from the start; without the end of such workers that comes at 95%.
        work("--memory-limit", "60MB", DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE="False")

        def show(now: Progress) -> None:
            if "paused" in now.note and not any("paused" in note for note in notes):
                work()
            notes.append(now.note)

        with Engine(tmp_path, scheduler=address, show=show) as engine:
            wait_for(lambda: any(worker["status"] == "paused" for worker in of(engine).values()))
            engine.run("write", [item("a")])
    assert any(f"all workers of the Dask scheduler {address} (1) are paused" in note for note in notes)


def of(engine: Engine) -> dict[str, dict[str, str]]:
    workers: dict[str, dict[str, str]] = engine._connect().scheduler_info()["workers"]
    return workers


def test_a_cluster_that_starts_workers_only_for_work_is_used(tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as adaptive:
        adaptive.adapt(minimum=0, maximum=1, interval="0.1s", wait_count=1)
        with Engine(tmp_path, scheduler=adaptive.scheduler_address) as engine:
            (process,) = engine.on_each_machine(os.getpid)
            assert process != os.getpid()
            assert list(engine.run("write", [item("a"), item("b")])) == ["a", "b"]


def remember(root: Path, name: str) -> Outcome:
    with (root / "runs").open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")
    return Outcome({})


def wait_once(root: Path) -> Outcome:
    """Work that a worker does not live to finish, and another one does."""
    if not (root / "begun").exists():
        wait(root)
    return Outcome({})


def test_what_a_lost_worker_had_done_is_not_done_again(tmp_path: Path) -> None:
    items = [WorkItem("remember", f"{number}", remember, {"name": f"{number}"}, {}) for number in range(3)]
    items.append(WorkItem("remember", "last", wait_once, {}, {}, weight=0.5))
    with scheduler(tmp_path) as (address, _, work):
        work()

        def show(now: Progress) -> None:
            if now.done == 3 and not now.note:
                wait_for((tmp_path / "begun").exists)
                engine._client.run(os._exit, 9, on_error="ignore")

        with Engine(tmp_path, scheduler=address, show=show) as engine:
            engine.run("remember", items)
    assert sorted((tmp_path / "runs").read_text("utf-8").split()) == ["0", "1", "2"]
