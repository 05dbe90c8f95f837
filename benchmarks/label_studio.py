"""The sync with a real Label Studio on SQLite against a bare HTTP import of the same tasks, all in one run.

A generated corpus of 20,000 posts is imported into projects of one server in turn: by bare POSTs of JSON that was
written before, in batches of the size that was fastest on a quarter of them; and by the sync that the command calls,
from the corpus's tables to the last check of the server's counts. The order alternates. Then a sync that has nothing
to do, one after 300 people's judgements, one after these were changed, and a look at every prediction that the server
has. The server is the one that `socorpus labeling studio` installs; its database is a new one in a temporary folder.

    python benchmarks/label_studio.py [--tasks N] [--task NAME] [--corpus PATH] [--port N] [--rounds N]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from socorpus.corpus.sample import writer as sample_writer
from socorpus.labeling.label_studio import interface, pull, sampling, sync
from socorpus.labeling.label_studio import server as label_studio_server
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.sampling import Sample
from socorpus.labeling.label_studio.server import Server
from socorpus.labeling.schema import TASKS, Task

RATIO, NO_OP, PULL = 1.5, 10.0, 5.0
"""Targets: sync against bare import; seconds of a sync with nothing to do; seconds of a pull of the changed."""
MB_FOR_A_THOUSAND = 5.0
"""XML of a generated dump from which a thousand posts with entities come, generously."""
SAMPLE = Sample("uncertain")
"""Posts with labels alone: each task has a prediction."""


def corpus(root: Path, task: Task, tasks: int) -> Path:
    """A corpus with labels of at least so many posts, made by the commands that a user gives."""
    size = max(2, round(tasks * MB_FOR_A_THOUSAND / 1000))
    sample_writer.write(root / "dump", size_mb=size, sites=(sample_writer.PLAIN,))
    command = [sys.executable, "-m", "socorpus.cli.main", "build", str(root / "dump/plain.example.com")]
    subprocess.run([*command, "-o", str(root / "corpus")], check=True, stdout=subprocess.DEVNULL)
    return root / "corpus"


def payloads(root: Path, task: Task, tasks: int) -> list[dict[str, Any]]:
    """The tasks that the sync sends, in its order."""
    version = interface.PREFIX + sampling.version(root, task)
    keys = sampling.choose(root, task, SAMPLE, tasks)
    return list(sync._payloads(root, task, keys, {}, version, 0.0, sync._Made(), set()))


def bare(server: Server, task: Task, title: str, bodies: Sequence[bytes]) -> float:
    """Seconds of a plain import: one POST after another over one connection, and nothing else."""
    with Client(server.url, server.user) as client:
        project = client.post("/api/projects/", {"title": title, "label_config": interface.config(task)})["id"]
        token = personal_token(client)
    with httpx.Client(base_url=server.url, trust_env=False, timeout=900.0) as http:
        access = http.post("/api/token/refresh/", json={"refresh": token}).raise_for_status().json()["access"]
        headers = {"Authorization": f"Bearer {access}", "Content-Type": "application/json"}
        started = time.perf_counter()
        for body in bodies:
            answer = http.post(f"/api/projects/{project}/import", content=body, headers=headers)
            if answer.status_code == 401:
                raise SystemExit("the bare import took longer than an access token lasts")
            answer.raise_for_status()
        return time.perf_counter() - started


def personal_token(client: Client) -> str:
    """A personal access token of the client's user; an earlier one is revoked."""
    for old in client.get("/api/token/"):
        client.post("/api/token/blacklist/", {"refresh": old["token"]})
    token: str = client.post("/api/token/", {})["token"]
    return token


def whole_sync(server: Server, root: Path, task: Task, title: str, tasks: int) -> tuple[float, sync.Synced]:
    """Seconds of the command's whole work: signing in, both ways, all checks; and what it did."""
    started = time.perf_counter()
    with Client(server.url, server.user) as client:
        done = sync.sync(root, client, title, task, sample=SAMPLE, limit=tasks, blind=0.0)
    return time.perf_counter() - started, done


@contextmanager
def timed_pulls() -> Iterator[list[float]]:
    """Seconds of each pull that a sync does within the block."""
    seconds: list[float] = []
    real = pull.pull

    def timed(*arguments: Any) -> pull.Pulled:
        started = time.perf_counter()
        try:
            return real(*arguments)
        finally:
            seconds.append(time.perf_counter() - started)

    pull.pull = timed
    try:
        yield seconds
    finally:
        pull.pull = real


def judge(server: Server, task: Task, numbers: Sequence[int], posts: dict[int, str]) -> list[int]:
    """One judgement of each task, as a browser sends it; numbers of the annotations."""
    with Client(server.url, server.user) as client:
        made = []
        for number in numbers:
            body = {"result": [region(task, posts[number], 0)], "lead_time": 9.5, "ground_truth": False}
            made.append(client.post(f"/api/tasks/{number}/annotations/", body)["id"])
    return made


def change(
    server: Server, task: Task, annotations: Sequence[int], numbers: Sequence[int], posts: dict[int, str]
) -> None:
    """Another answer in each annotation."""
    with Client(server.url, server.user) as client:
        for annotation, number in zip(annotations, numbers, strict=True):
            client.patch(f"/api/annotations/{annotation}/", {"result": [region(task, posts[number], 1)]})


def region(task: Task, text: str, which: int) -> dict[str, Any]:
    """One mark of a person."""
    base = {"id": "1", "from_name": task.name, "to_name": "text"}
    if task.spans:
        end = min(4 + which, len(text))
        value = {"start": 0, "end": end, "text": text[:end], "labels": [task.labels[which]]}
        return base | {"type": "labels", "value": value}
    return base | {"type": "choices", "value": {"choices": [task.labels[which]]}}


def lost(server: Server, project: int, sent: Sequence[dict[str, Any]]) -> tuple[int, int, int]:
    """Predictions that the server lacks, that are doubled, and that differ in value, by looking at each of them."""
    fields = ("id", "data", "predictions", "result", "model_version", "score")
    found: dict[int, list[Any]] = {}
    tasks = 0
    with Client(server.url, server.user) as client:
        for task in client.tasks(project, include=fields):
            tasks += 1
            found.setdefault(task["data"]["ext_id"], []).extend(task["predictions"])
    absent = doubled = different = 0
    for one in sent:
        there = found.get(one["data"]["ext_id"], [])
        absent += len(there) < len(one["predictions"])
        doubled += len(there) > len(one["predictions"])
        if len(there) == len(one["predictions"]) == 1:
            different += any(
                there[0][name] != one["predictions"][0][name] for name in ("model_version", "score", "result")
            )
    if tasks != len(sent):
        raise SystemExit(f"{tasks:,} tasks on the server, {len(sent):,} were sent")
    return absent, doubled, different


def bodies_of(tasks: Sequence[dict[str, Any]], batch: int) -> list[bytes]:
    """JSON of one POST after another."""
    return [
        json.dumps(tasks[at : at + batch], ensure_ascii=False, separators=(",", ":")).encode()
        for at in range(0, len(tasks), batch)
    ]


def row(name: str, measured: str, target: str, held: bool) -> bool:
    print(f"  {name:58}{measured:>12}   target {target:>8}   {'pass' if held else 'FAIL'}", flush=True)
    return held


def best_batch(server: Server, task: Task, tasks: Sequence[dict[str, Any]], batches: Sequence[int]) -> int:
    """The number of tasks in a POST with which a part of them is imported fastest."""
    seconds: dict[int, list[float]] = {batch: [] for batch in batches}
    for number in range(2):
        for batch, found in seconds.items():
            found.append(bare(server, task, f"part {batch} {number}", bodies_of(tasks, batch)))
    shown = ", ".join(f"{batch:,}: {min(found):.1f} s" for batch, found in seconds.items())
    print(f"bare import of {len(tasks):,} tasks in batches of {shown}", flush=True)
    return min(seconds, key=lambda batch: min(seconds[batch]))


def measure(
    server: Server, root: Path, task: Task, tasks: int, batches: Sequence[int], changed: int, rounds: int
) -> bool:
    """Everything, on one server; whether all targets are held."""
    sent = payloads(root, task, tasks)
    if len(sent) < tasks or not all(one["predictions"] for one in sent):
        raise SystemExit(f"{root}: has {len(sent):,} posts with labels, {tasks:,} are needed")
    size = sum(map(len, bodies_of(sent, 1000))) / 1e6
    regions = sum(len(one["predictions"][0]["result"]) for one in sent)
    print(f"{tasks:,} tasks of {task.name}, {size:.1f} MB of JSON, {regions:,} regions in their predictions")
    print(
        f"Label Studio {label_studio_server.VERSION}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True
    )
    best = best_batch(server, task, sent[: max(1, tasks // 4)], batches)
    plain: list[float] = []
    ours: list[float] = []

    def by_bare(number: int) -> None:
        plain.append(bare(server, task, f"bare {number}", bodies_of(sent, best)))
        print(f"  {number}: bare import      {plain[-1]:7.1f} s", flush=True)

    def by_sync(number: int) -> None:
        seconds, done = whole_sync(server, root, task, f"sync {number}", tasks)
        if done.pushed.created != tasks or done.refused or done.conflicts:
            raise SystemExit(f"the sync made {done.pushed.created:,} tasks: {done.refused[:3]} {done.conflicts[:3]}")
        ours.append(seconds)
        print(f"  {number}: sync             {seconds:7.1f} s", flush=True)

    for number in range(rounds):
        for one in (by_bare, by_sync) if number % 2 == 0 else (by_sync, by_bare):
            one(number)
    title = f"sync {rounds - 1}"
    no_ops = []
    for _ in range(3):
        seconds, done = whole_sync(server, root, task, title, tasks)
        no_ops.append(seconds)
        if done.pushed.unchanged != tasks or done.pushed.created or done.pushed.predictions or done.pushed.updated:
            raise SystemExit(f"a second sync was no no-op: {done}")
    assert done.project is not None
    absent, doubled, different = lost(server, done.project, sent)
    with Client(server.url, server.user) as client:
        numbers = [task["id"] for task in client.tasks(done.project, include=("id",))]
        chosen = numbers[:: max(1, len(numbers) // changed)][:changed]
        posts = {number: client.get(f"/api/tasks/{number}/")["data"]["text"] for number in chosen}
    with timed_pulls() as pulls:
        annotations = judge(server, task, chosen, posts)
        new_seconds, done = whole_sync(server, root, task, title, tasks)
        if (done.pulled.new, done.pulled.votes) != (changed, changed):
            raise SystemExit(f"{done.pulled.new} of {changed} judgements were read")
        change(server, task, annotations, chosen, posts)
        changed_seconds, done = whole_sync(server, root, task, title, tasks)
        if (done.pulled.changed, done.pulled.votes) != (changed, changed):
            raise SystemExit(f"{done.pulled.changed} of {changed} changes were read")
    with Client(server.url, server.user) as client:
        left = client.get(f"/api/projects/{done.project}/")
    ratio = statistics.median(mine / peer for mine, peer in zip(ours, plain, strict=True))
    print(f"bare import in batches of {best:,}: {tasks / statistics.median(plain):,.0f} tasks/s (median)")
    print(f"sync: {tasks / statistics.median(ours):,.0f} tasks/s (median)")
    print(f"whole sync with {changed} judgements: new {new_seconds:.2f} s, changed {changed_seconds:.2f} s", flush=True)
    held = [
        row(f"import by sync against bare import (median of {rounds})", f"{ratio:.2f}", f"{RATIO}", ratio <= RATIO),
        row(
            "sync with nothing to do (median of 3)",
            f"{statistics.median(no_ops):.2f} s",
            f"{NO_OP:.0f} s",
            statistics.median(no_ops) < NO_OP,
        ),
        row(f"pull of {changed} new judgements", f"{pulls[0]:.2f} s", f"{PULL:.0f} s", pulls[0] < PULL),
        row(f"pull of {changed} changed judgements", f"{pulls[1]:.2f} s", f"{PULL:.0f} s", pulls[1] < PULL),
        row("predictions lost", str(absent), "0", absent == 0),
        row("predictions doubled, or other in value", str(doubled + different), "0", doubled + different == 0),
        row(
            "predictions that the server counts",
            f"{left['total_predictions_number']:,}",
            f"{tasks:,}",
            left["total_predictions_number"] == tasks,
        ),
    ]
    return all(held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--task", choices=sorted(TASKS), default="entities")
    parser.add_argument("--changed", type=int, default=300)
    parser.add_argument(
        "--corpus", type=Path, help="a corpus that is there already; its labels/studio.sqlite is written"
    )
    parser.add_argument("--port", type=int, default=8392)
    parser.add_argument("--batches", default="1000,2000,5000", help="tasks of a bare POST; the fastest counts")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    task = TASKS[given.task]
    label_studio_server.install(print)
    with tempfile.TemporaryDirectory() as folder:
        root = given.corpus or corpus(Path(folder), task, given.tasks)
        with label_studio_server.serving(Path(folder) / "data", given.port) as server:
            try:
                batches = [int(one) for one in given.batches.split(",")]
                held = measure(server, root, task, given.tasks, batches, given.changed, given.rounds)
            except BaseException:
                print("".join((server.data / "server.log").read_text("utf-8").splitlines(keepends=True)[-40:]))
                raise
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
