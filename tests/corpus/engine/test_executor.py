"""Tasks run once, again when what they depend on changes, and never leave half of themselves."""

import asyncio
import bz2
import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from socorpus.corpus.dump.compression import bzip2
from socorpus.corpus.engine import compiling, executor, schedulers, worker_check
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.work import Outcome, Progress, WorkItem
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import files
from tests.building import small_disk, wait_for
from tests.clusters import scheduler


def write(root: Path, name: str, text: str) -> Outcome:
    with files.atomic(root / name) as temporary:
        temporary.write_text(text)
    return Outcome({name: 1}, {"letters": len(text)})


def refuse(root: Path, name: str) -> Outcome:
    raise InputError(f"{name}: not readable")


def die(root: Path) -> Outcome:
    os._exit(9)


def take_memory(root: Path, by: str) -> Outcome:
    """Ask for more memory than any machine has."""
    size = 1 << 60
    if by == "python":
        bytearray(size)
    elif by == "numpy":
        np.empty(size, np.uint8)
    else:
        pa.allocate_buffer(size)
    return Outcome({})


def fill(root: Path, name: str, size: int) -> Outcome:
    """Write zeros, as a library does that knows nothing of the engine."""
    (root / name).write_bytes(bytes(size))
    return Outcome({name: 1})


def read(root: Path, name: str) -> Outcome:
    return Outcome({}, {"bytes": len((root / name).read_bytes())})


def task(name: str, text: str = "text", **more: Any) -> WorkItem:
    return WorkItem("write", name, write, {"name": f".work/parts/{name}", "text": text}, {"text": text}, **more)


@pytest.fixture(params=[0, 1], ids=["in this process", "on a worker"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path, workers=request.param) as made:
        yield made


def test_a_task_runs_again_only_if_its_inputs_version_configuration_or_outputs_changed(engine: Engine) -> None:
    def ran(*tasks: WorkItem, transient: bool = False) -> int:
        before = engine.ran
        done = engine.run("write", tasks, transient)
        assert list(done) == [one.name for one in tasks]
        assert all(receipt.counts["letters"] for receipt in done.values())
        return engine.ran - before

    assert ran(task("a"), task("b")) == 2
    assert ran(task("a"), task("b"), task("c")) == 1
    assert ran(task("a", text="other"), task("b")) == 1
    assert ran(task("b", version=2)) == 1
    assert ran(task("b", version=2, config={"key": 1})) == 1
    assert ran(task("b", version=2, config={"key": 1})) == 0
    (engine.root / ".work/parts/c").unlink()
    assert ran(task("c"), transient=True) == 0
    assert ran(task("c")) == 1
    (engine.root / ".work/parts/c").write_text("cut")
    engine.ensure([task("c")])
    assert (engine.root / ".work/parts/c").read_text() == "text"


def test_equal_outputs_have_equal_content_whatever_made_them(engine: Engine) -> None:
    first = engine.run("write", [task("a")])["a"]
    again = engine.run("write", [task("a", version=2)])["a"]
    assert first.key != again.key
    assert first.content == again.content
    assert first.recipe == task("a", text="other").recipe != again.recipe


def test_an_error_reaches_the_caller_and_leaves_no_receipt(engine: Engine) -> None:
    bad = WorkItem("refuse", "x", refuse, {"name": "x"}, {})
    with pytest.raises(InputError, match="x: not readable"):
        engine.run("refuse", [bad])
    assert engine.stale([bad]) == [bad]
    assert engine.run("write", [task("a")])


def test_too_little_memory_is_told_with_what_to_do(engine: Engine) -> None:
    for by in ("python", "numpy", "arrow"):
        greedy = WorkItem("greedy", by, take_memory, {"by": by}, {})
        with pytest.raises(BuildError, match=rf"greedy {by}: out of memory; use fewer workers \(--workers\)"):
            engine.run("greedy", [greedy])
        assert engine.stale([greedy]) == [greedy]
    assert engine.run("write", [task("a")])  # and the worker lives on


@pytest.mark.parametrize("workers", [0, 1])
def test_a_full_disk_is_told_and_the_work_is_done_when_there_is_room(tmp_path: Path, workers: int) -> None:
    with small_disk(tmp_path / "disk", "200k") as resize, Engine(tmp_path / "disk", workers) as engine:
        done, large = task("a"), WorkItem("fill", "x", fill, {"name": "large", "size": 1 << 20}, {})
        engine.run("write", [done])
        with pytest.raises(BuildError, match=r"disk: no space left on the disk .*What is finished is kept; make room"):
            engine.run("fill", [large])
        assert engine.stale([done, large]) == [large]
        resize("4m")
        assert engine.run("fill", [large])["x"].outputs["large"].bytes == 1 << 20


def test_another_error_of_the_system_is_not_taken_for_a_full_disk(engine: Engine) -> None:
    with pytest.raises(InputError, match=r"nowhere: there is no such file or folder"):
        engine.run("read", [WorkItem("read", "x", read, {"name": "nowhere"}, {})])


def blunder(root: Path) -> Outcome:
    raise IndexError("list index out of range")


def test_a_bug_stays_what_it_is(engine: Engine) -> None:
    with pytest.raises(IndexError, match="out of range"):
        engine.run("blunder", [WorkItem("blunder", "x", blunder, {}, {})])


def test_more_workers_than_the_cores_can_serve_are_refused(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    with pytest.raises(InputError, match=rf"1,000 workers \(--workers\) on {cores} cores: .* at most {4 * cores}"):
        Engine(tmp_path, 1000)


def prefixes(dask_scheduler: Any) -> list[str]:
    return list(dask_scheduler.task_prefixes)


def test_no_more_workers_start_than_there_is_memory_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor.machine, "memory", lambda: 2_000_000_000)
    notes: list[str] = []
    with Engine(tmp_path, 2, show=lambda now: notes.append(now.note)) as engine:
        engine.run("write", [task("name"), task("another")])
        assert len(engine._client.scheduler_info()["workers"]) == engine.workers == 1
        # The dashboard's groups are the stages, also of items whose names are words.
        assert [name for name in engine._client.run_on_scheduler(prefixes) if name.startswith("w")] == ["write"]
    few, dashboard = [note for note in notes if note]
    assert few == "2 workers may take 3.0 GB of memory, and there are 2.0 GB: it starts 1"
    bokeh = find_spec("bokeh") is not None
    assert dashboard.startswith(
        "Dask's dashboard: " + ("http://127.0.0.1:" if bokeh else "none, since the package bokeh")
    )
    assert bokeh or "(pip install bokeh)" in dashboard


def test_workers_that_do_not_start_in_time_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "START_SECONDS", 0.01)
    with (
        Engine(tmp_path, 1) as engine,
        pytest.raises(BuildError, match=r"1 worker processes could not be started .*\(--workers 0\)"),
    ):
        engine.run("write", [task("a")])


def test_a_worker_that_dies_again_and_again_is_told(tmp_path: Path) -> None:
    with (
        Engine(tmp_path, workers=1) as engine,
        pytest.raises(BuildError, match=r"a worker was killed while it ran die x,.*--workers"),
    ):
        engine.run("die", [WorkItem("die", "x", die, {}, {})])


def test_a_scheduler_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with (
        Engine(tmp_path, scheduler="tcp://127.0.0.1:1") as engine,
        pytest.raises(BuildError, match="no Dask scheduler"),
    ):
        engine.run("write", [task("a")])


def wait(root: Path) -> Outcome:
    (root / "begun").touch()
    time.sleep(120)
    return Outcome({})


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"])
def test_what_listens_and_is_no_scheduler_is_told(
    tmp_path: Path, greeting: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_ANSWER_SECONDS", 1.0)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def answer() -> None:
            with contextlib.suppress(OSError):
                peer, _ = listening.accept()
                peers.append(peer)
                peer.sendall(greeting)

        peers: list[socket.socket] = []
        threading.Thread(target=answer, daemon=True).start()
        address = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        with (
            Engine(tmp_path, scheduler=address) as engine,
            pytest.raises(BuildError, match=f"no Dask scheduler answers at {address}"),
        ):
            engine.run("write", [task("a")])
        for peer in peers:
            peer.close()


@pytest.mark.parametrize("items", ["one that takes long", "many that are short"])
def test_a_scheduler_that_goes_away_is_told(tmp_path: Path, items: str) -> None:
    with scheduler(tmp_path) as (address, process, work):
        work()

        def kill() -> None:
            wait_for((tmp_path / "begun").exists)
            process.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        many = [WorkItem("brief", str(number), brief, {"name": str(number)}, {}) for number in range(2000)]
        with (
            Engine(tmp_path, scheduler=address) as engine,
            pytest.raises(BuildError, match=r"scheduler tcp://.* went away.*What is finished is kept"),
        ):
            engine.run("wait", [WorkItem("wait", "x", wait, {}, {})] if items.startswith("one") else many)
            engine.run("write", [task("a")])  # if the first was over before
        killer.join()


def brief(root: Path, name: str) -> Outcome:
    (root / "begun").touch()
    return Outcome({})


def test_a_scheduler_without_workers_is_told_and_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedulers, "LOOK", 0.2)
    notes: list[str] = []
    with scheduler(tmp_path) as (address, _, work):

        def show(now: Progress) -> None:
            if now.note and not any(notes):
                work()
            notes.append(now.note)

        with Engine(tmp_path, scheduler=address, show=show) as engine:
            assert engine.run("write", [task("a")])
    assert any(f"scheduler {address} has no worker, and the build waits" in note for note in notes)


def test_a_worker_with_another_release_of_a_package_is_refused(tmp_path: Path) -> None:
    # A distribution of another version that comes first on the worker's path, as in another environment.
    other = tmp_path / "other/pyarrow-9.0.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: pyarrow\nVersion: 9.0.0\n")
    path = os.pathsep.join(filter(None, [str(other.parent), os.environ.get("PYTHONPATH")]))
    with scheduler(tmp_path) as (address, _, work):
        work(PYTHONPATH=path)
        with (
            Engine(tmp_path, scheduler=address) as engine,
            pytest.raises(
                InputError, match=r"a Dask worker on .* has pyarrow 9\.0\.0 where the build has [\d.]+: inst"
            ),
        ):
            engine.run("write", [task("a")])
    assert not (tmp_path / "receipts/write").exists()


def test_a_worker_that_does_not_see_the_corpus_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"does not see {tmp_path}/elsewhere: corpus and sources have to lie"):
        worker_check.require_same(worker_check.versions(), tmp_path / "elsewhere")


def test_one_worker_of_each_machine_of_a_scheduler_is_asked(tmp_path: Path) -> None:
    with scheduler(tmp_path) as (address, _, work), Engine(tmp_path, scheduler=address) as engine:
        work()
        work()
        engine._connect().wait_for_workers(2)
        (number,) = engine.on_each_machine(os.getppid)
        assert number != os.getppid()


def decode() -> None:
    """Call the kernel of `dump.compression.bzip2`."""
    assert b"".join(bzip2.decode(io.BytesIO(bz2.compress(b"text")), 2)) == b"text"


def test_kernels_are_compiled_once_on_the_machine_of_a_scheduler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    seen: list[Progress] = []
    modules = ["socorpus.corpus.dump.compression.bzip2"]
    with scheduler(tmp_path) as (address, _, work):
        work()
        with Engine(tmp_path, scheduler=address, show=seen.append) as engine:
            compiling.compile_everywhere(engine, "compile", modules, decode)
            assert [(now.done, now.items, now.note) for now in seen if now.items] == [
                (0, 1, compiling.NOTE),
                (1, 1, ""),
            ]
            assert list((tmp_path / "kernels").rglob("*.nbc"))
            compiling.compile_everywhere(engine, "compile", modules, decode)
            assert len([now for now in seen if now.items]) == 2


def test_little_work_is_done_in_this_process_unless_workers_were_named(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    for given, seconds, workers in ((None, 1.0, 0), (None, 60.0, cores), (1, 1.0, 1), (0, 60.0, 0)):
        with Engine(tmp_path / f"{given} {seconds}", workers=given) as engine:
            engine.expect(seconds)
            assert engine.workers == workers
            if seconds == 1.0 and given is None:
                engine.run("write", [task("a")])
                assert engine._client is None


def test_what_is_to_be_done_first_is_done_once_and_only_before_work(tmp_path: Path) -> None:
    called: list[Engine] = []
    for expected in (1, 0):
        with Engine(tmp_path, workers=0) as engine:
            engine.first(called.append)
            engine.run("write", [task("a")])
            engine.run("write", [task("a"), task("a")])
            assert called == [engine] * expected
            called.clear()


def test_progress_counts_up_to_all_and_estimates_the_time_left(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with Engine(tmp_path, workers=0, show=seen.append) as engine:
        engine.run("write", [task("a", weight=1), task("b", weight=3)])
        engine.run("write", [task("a"), task("b"), task("c")])
    assert [(now.done, now.items, now.skipped) for now in seen] == [
        *[(0, 2, 0), (1, 2, 0), (2, 2, 0)],
        *[(2, 3, 2), (3, 3, 2)],
    ]
    assert seen[0].seconds_left is None
    assert seen[1].seconds_left is not None
    assert seen[2].seconds_left == 0
    assert Progress("s", 1, 2, 0, 1.0, 4.0, 2.0).seconds_left == 6.0


HEARS = """
import os, signal, sys, threading, time
from pathlib import Path
from multiprocessing import active_children
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.work import Outcome, WorkItem

class Stopped(KeyboardInterrupt):
    pass

def stop(number, frame):
    raise Stopped(number)

def kill():
    while not active_children():
        time.sleep(0.01)
    for child in active_children():  # as a terminal does, which tells all of its processes
        os.kill(child.pid, signal.SIGINT)
        os.kill(child.pid, signal.SIGHUP)
    os.kill(os.getpid(), int(sys.argv[2]))

def nothing(root):
    return Outcome({})

if __name__ == "__main__":
    signal.signal(int(sys.argv[2]), stop)
    with Engine(Path(sys.argv[1]), 1) as engine:
        threading.Thread(target=kill).start()
        try:
            engine.run("nothing", [WorkItem("nothing", "x", nothing, {}, {})])
        except Stopped:
            print("stopped", signal.getsignal(int(sys.argv[2])) is stop)
        engine.run("nothing", [WorkItem("nothing", "x", nothing, {}, {})])
    print("ended")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_a_signal_that_comes_while_workers_start_is_heard(tmp_path: Path, number: int) -> None:
    script = tmp_path / "hears.py"
    script.write_text(HEARS)
    command = [sys.executable, str(script), str(tmp_path / "corpus"), str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.stdout == "stopped True\nended\n", done.stderr
    assert not done.stderr


TRAP = """
import os, sys
open(os.environ["TRAP"], "a").write(__name__)
place = sys.path.pop(0)
del sys.modules[__name__]
__import__(__name__)
sys.path.insert(0, place)
"""


def test_workers_import_nothing_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which may be that of a dump which somebody else made."""
    for name in ("socket", "random", "logging"):
        (tmp_path / f"{name}.py").write_text(TRAP)
    (tmp_path / "socorpus").mkdir()
    (tmp_path / "socorpus/__init__.py").write_text(TRAP)
    monkeypatch.setenv("TRAP", str(tmp_path / "trapped"))
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    with Engine(tmp_path / "corpus", 1) as engine:
        assert engine.run("write", [task("a")])
    assert not (tmp_path / "trapped").exists()
    assert "PYTHONSAFEPATH" not in os.environ  # other processes of whoever builds may live by their folder


async def unanswered(**_: object) -> None:
    """As leave is taken on a machine that is too busy to answer."""
    await asyncio.sleep(60)


def test_a_client_that_could_not_take_leave_does_not_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Engine(tmp_path, workers=1) as engine:
        engine.run("write", [task("a")])
        client = engine._client
        monkeypatch.setattr(client, "_timeout", 0.5)
        monkeypatch.setattr(client, "_close", unanswered)
    began = time.monotonic()
    client.__del__()  # raised TimeoutError, of which the interpreter prints a traceback
    assert time.monotonic() - began < 0.05


def test_dask_is_given_no_more_items_at_a_time_than_it_has_memory_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_AHEAD", 3)
    given = [task(f"{number:02}", weight=float(number)) for number in range(20)]
    most, seen = [], []

    def watch(item: WorkItem) -> None:
        seen.append(item.name)
        scheduler = engine._cluster.scheduler
        most.append(sum(len(key.split("/")) == 2 for key in scheduler.tasks))

    with Engine(tmp_path, workers=2) as engine:
        done = engine.run("write", given, after=watch)
    assert list(done) == [item.name for item in given] and sorted(seen) == list(done)
    assert max(most) <= 8  # four for each worker
    assert seen[0] in ("19", "18")  # the heaviest first


def test_items_that_read_the_same_files_stay_together_where_there_are_enough() -> None:
    items = [task(f"{bucket}/{name}", together=bucket) for bucket in "abc" for name in ("x", "y")]
    names = [[item.name for item in group] for group in executor.grouped([*items, task("alone")], 1)]
    assert names == [["a/x", "a/y"], ["b/x", "b/y"], ["c/x", "c/y"], ["alone"]]
    assert [len(group) for group in executor.grouped(items, 2)] == [1] * 6
