"""A sync that is killed, cut off or refused: run again, it has doubled and lost nothing."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from socorpus.corpus.errors import BuildError
from socorpus.labeling import schema
from socorpus.labeling.label_studio import state as label_studio_state
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.server import Server
from tests.labeling import label_tables, syncing
from tests.labeling.cutting import Wire
from tests.labeling.label_tables import SITE
from tests.labeling.syncing import choose, ours, people, sync, tasks

COUNT = syncing.BATCH + 1500

torture = pytest.mark.torture


def kill_when(condition: Callable[[], bool], arguments: list[object]) -> None:
    """Start a sync, and kill it as soon as a condition holds."""
    process = subprocess.Popen(syncing.command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while not condition():
            assert process.poll() is None and time.monotonic() < until, "it was done before it could be killed"
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL


def complete(root: Path, client: Client, project: int | None, count: int, version: str) -> None:
    """Each post is one task with just one prediction, of this version."""
    found = tasks(client, project)
    assert set(found) == {f"{SITE}:{post}" for post in range(1, count + 1)}
    assert [[one["model_version"] for one in ours(task)] for task in found.values()] == [[version]] * count


def predictions(client: Client, project: int | None) -> int:
    """Number of predictions of a project, asked for with no more than that: the moment to be caught is short."""
    found = client.get(f"/api/projects/{project}/", include="total_predictions_number")
    return int(found["total_predictions_number"])


@pytest.mark.slow
@pytest.mark.parametrize("moment", [pytest.param("first batch under way", marks=torture), "second batch under way"])
@pytest.mark.parametrize("state", ["kept", pytest.param("lost", marks=torture)])
def test_killed_while_tasks_are_made(
    tmp_path: Path, client: Client, server: Server, title: str, moment: str, state: str
) -> None:
    title = f"{moment[:6]} {state} {title[-8:]}"
    label_tables.classified(tmp_path, "quality", COUNT)
    arguments = [
        *("sync", tmp_path, "--project", title, "--task", "quality", "--url", server.url),
        *("--limit", COUNT, "--blind", 0),
    ]
    at_least = 0 if moment.startswith("first") else syncing.BATCH
    path = tmp_path / schema.ANNOTATIONS / label_studio_state.NAME

    def under_way() -> bool:
        flight = _flight(path)
        return flight is not None and flight > at_least

    kill_when(under_way, arguments)
    if state == "lost":
        # Without its file nobody knows that something is under way: the server is given the time to finish.
        time.sleep(5)
        for one in path.parent.glob(f"{label_studio_state.NAME}*"):
            one.unlink()
    syncing.run(*arguments)
    done = sync(tmp_path, client, title, limit=COUNT)
    assert done.pushed.unchanged == COUNT and done.pushed.created == 0
    complete(tmp_path, client, done.project, COUNT, "socorpus dawid-skene-1")


def _flight(path: Path) -> int | None:
    """Tasks that the project has when the import under way is done; None while there is none."""
    import json
    import sqlite3

    if not path.is_file():
        return None
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        try:
            row = database.execute("select value from note where name = 'flight'").fetchone()
        finally:
            database.close()
    except sqlite3.OperationalError:
        return None
    return int(json.loads(row[0])["tasks"]) if row else None


@pytest.mark.slow
def test_killed_while_predictions_are_replaced(tmp_path: Path, client: Client, server: Server, title: str) -> None:
    title = f"replaced {title[-8:]}"
    count = 1500
    label_tables.classified(tmp_path, "quality", count)
    done = sync(tmp_path, client, title, limit=count)
    found = tasks(client, done.project)
    choose(client, found[f"{SITE}:1"]["id"], "HQ")
    label_tables.classified(tmp_path, "quality", count, version="dawid-skene-2")
    arguments = [*("sync", tmp_path, "--project", title, "--task", "quality", "--url", server.url), "--limit", count]
    kill_when(lambda: predictions(client, done.project) < count, arguments)
    syncing.run(*arguments)
    after = tasks(client, done.project)
    assert len(after) == count and len(after[f"{SITE}:1"]["annotations"]) == 1
    for post, task in after.items():
        # What somebody has judged keeps the suggestion that was shown.
        expected = "dawid-skene-1" if post == f"{SITE}:1" else "dawid-skene-2"
        assert [one["model_version"] for one in ours(task)] == [f"socorpus {expected}"], post
    assert [row["label"] for row in people(tmp_path)] == ["HQ"]


def test_an_answer_that_is_lost_doubles_nothing(tmp_path: Path, client: Client, server: Server, title: str) -> None:
    label_tables.classified(tmp_path, "quality", 300)
    project = sync(tmp_path, client, title, limit=0).project
    with Wire(server.url, f"POST /api/projects/{project}/import".encode()) as wire:
        with (
            Client(wire.url, server.user) as far,
            pytest.raises(BuildError, match=r"the connection was lost during POST .* run the same command again"),
        ):
            sync(tmp_path, far, title, limit=300)
        assert wire.cuts == 1
    done = sync(tmp_path, client, title, limit=300)
    assert done.pushed.found_again == 300 and done.pushed.created == 0
    complete(tmp_path, client, project, 300, "socorpus dawid-skene-1")


def test_predictions_and_tasks_that_are_missing_are_seen(tmp_path: Path, client: Client, title: str) -> None:
    label_tables.classified(tmp_path, "quality", 20)
    done = sync(tmp_path, client, title)
    found = tasks(client, done.project)
    for post in (3, 9):
        client.delete(f"/api/predictions/{found[f'{SITE}:{post}']['predictions'][0]['id']}/")
    done = sync(tmp_path, client, title)
    assert done.pushed.predictions == 2
    complete(tmp_path, client, done.project, 20, "socorpus dawid-skene-1")


def test_a_double_that_nobody_judged_goes_and_one_that_was_stays(tmp_path: Path, client: Client, title: str) -> None:
    label_tables.classified(tmp_path, "quality", 5)
    done = sync(tmp_path, client, title)
    found = tasks(client, done.project)
    copies = [{"data": found[f"{SITE}:{post}"]["data"]} for post in (1, 2, 3)]
    made = client.post(f"/api/projects/{done.project}/import", copies, return_task_ids="true")["task_ids"]
    # Of post 1 nobody judged either, of 2 the copy alone was judged, of 3 both.
    choose(client, made[1], "HQ")
    choose(client, made[2], "HQ")
    choose(client, found[f"{SITE}:3"]["id"], "LQ_EDIT")
    done = sync(tmp_path, client, title)
    assert done.pushed.doubles_removed == 2
    assert [line for line in done.conflicts if "both judged by people" in line]
    left = {task["id"] for task in client.tasks(done.project or 0)}
    assert found[f"{SITE}:1"]["id"] in left and made[0] not in left
    assert made[1] in left and found[f"{SITE}:2"]["id"] not in left
    assert made[2] in left and found[f"{SITE}:3"]["id"] in left
    again = sync(tmp_path, client, title)
    assert again.pushed.doubles_removed == again.pushed.created == again.pushed.predictions == 0


def test_tasks_that_people_made_there_are_left_alone(tmp_path: Path, client: Client, title: str) -> None:
    label_tables.classified(tmp_path, "quality", 5)
    done = sync(tmp_path, client, title)
    data = tasks(client, done.project)[f"{SITE}:1"]["data"]
    own = {"data": {name: value for name, value in data.items() if name != "ext_id"}}
    made = client.post(f"/api/projects/{done.project}/import", [own], return_task_ids="true")["task_ids"]
    for _ in range(2):
        done = sync(tmp_path, client, title)
        assert done.pushed.created == 0 and done.pushed.unchanged == 5
    assert made[0] in {task["id"] for task in client.tasks(done.project or 0)}


def test_two_syncs_of_one_corpus_do_not_meet(tmp_path: Path, client: Client, title: str) -> None:
    label_tables.classified(tmp_path, "quality", 3)
    with (
        label_studio_state.opened(tmp_path),
        pytest.raises(BuildError, match=r"another command is writing what people said of this corpus; repeat this one"),
    ):
        sync(tmp_path, client, title)


def test_ctrl_c_ends_with_a_sentence(tmp_path: Path, server: Server, title: str) -> None:
    label_tables.classified(tmp_path, "quality", COUNT)
    arguments = ["sync", tmp_path, "--project", title[:50], "--task", "quality", "--url", server.url, "--limit", COUNT]
    process = subprocess.Popen(
        syncing.command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background has them ignore the signal, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    path = tmp_path / schema.ANNOTATIONS / label_studio_state.NAME
    while _flight(path) is None and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "goes on from what the server has" in said and "Traceback" not in said
