"""Several people on one example at a real server: who gets what, the queue of what they differ on, and its verdicts."""

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from socorpus.labeling.aggregation import annotators
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.interface import ADJUDICATION
from socorpus.labeling.label_studio.server import Server
from tests.labeling import label_tables as labelled
from tests.labeling.label_tables import SITE
from tests.labeling.syncing import choose, mark, people, sync

Others = Callable[[int], Client]
_FIELDS = ("id", "data", "predictions", "annotations", "result", "model_version", "overlap", "is_labeled")


def _next(client: Client, project: int | None) -> int:
    return int(client.get(f"/api/projects/{project}/next/")["id"])


def test_people_who_differ_are_adjudicated_in_a_tab_of_the_project(
    tmp_path: Path, server: Server, client: Client, others: Others, title: str, page: Page
) -> None:
    labelled.classified(tmp_path, "quality", 4)
    project = sync(tmp_path, client, title, overlap=2).project
    assert client.project(project or 0, "maximum_annotations") == {"maximum_annotations": 2}
    numbers = {task["data"]["post"]: task["id"] for task in client.tasks(project or 0, include=("id", "data"))}
    first = _next(client, project)
    choose(client, first, "HQ")
    # The task is given to a second person, and then to nobody.
    assert _next(others(1), project) == first != _next(client, project)
    choose(others(1), first, "LQ_EDIT")
    assert first not in {_next(others(2), project), _next(others(1), project)}
    (post,) = [post for post, number in numbers.items() if number == first]
    same, single, _ = sorted(set(numbers) - {post})
    for who in (client, others(1)):
        choose(who, numbers[same], "HQ")
    choose(client, numbers[single], "HQ")

    done = sync(tmp_path, client, title)
    assert done.queue is not None and done.pushed.created == 1 and not done.conflicts
    assert (done.queue.overlap, done.queue.disputed, done.queue.adjudicated) == (2, 1, 0)
    tabs = client.tabs(project or 0)
    assert next(iter(tabs)) == "Default" and done.queue.tab == tabs["Adjudication"]
    (second,) = client.get("/api/tasks/", view=done.queue.tab, project=project, fields="all")["tasks"]
    assert (second["data"]["post"], second["data"][ADJUDICATION], second["overlap"]) == (post, "yes", 1)
    assert not second["predictions"] and second["data"]["title"].startswith("Adjudication: ")
    voters = sorted(
        row["function"].removeprefix("person:") for row in people(tmp_path) if f"{SITE}:{row['post_id']}" == post
    )
    assert len(voters) == 2 and all(voter in second["data"]["about"] for voter in voters)
    assert "LQ_EDIT: 1 of 2" in second["data"]["about"]
    # The tab that is opened without a number still has all tasks.
    for address, count in (("data", 5), (f"data?tab={done.queue.tab}", 1)):
        page.goto(f"{server.url}/projects/{project}/{address}")
        expect(page.get_by_test_id("table-row")).to_have_count(count)
    again = sync(tmp_path, client, title)
    assert again.pushed.created == again.pushed.updated == 0

    choose(others(2), second["id"], "LQ_CLOSE")
    done = sync(tmp_path, client, title)
    assert done.queue is not None and (done.queue.disputed, done.queue.adjudicated) == (1, 1)
    assert not client.get("/api/tasks/", view=done.queue.tab, project=project, fields="all")["tasks"]
    rows = [row for row in people(tmp_path) if f"{SITE}:{row['post_id']}" == post]
    assert sorted(row["label"] for row in rows) == ["HQ", "LQ_CLOSE", "LQ_EDIT"]
    assert [row["label"] for row in rows if json.loads(row["evidence"]).get("adjudicated")] == ["LQ_CLOSE"]
    assert annotators.of_texts(rows)[rows[0]["post_id"]].label == "LQ_CLOSE"
    # Agreement is that of people who judged by themselves.
    assert done.pulled.agreement["pairs"] == 2 and done.pulled.agreement["equal"] == 0.5
    assert sync(tmp_path, client, title).pushed.created == 0


def test_of_spans_an_adjudicator_sees_what_is_in_dispute(
    tmp_path: Path, client: Client, others: Others, title: str
) -> None:
    labelled.entities(tmp_path, {1: ("Use numpy 1.2 and pandas.", [("numpy", "Library")])})
    project = sync(tmp_path, client, title, "entities").project
    (task,) = client.tasks(project or 0)
    mark(client, task["id"], [(4, 9, "Library"), (10, 13, "Version")])
    # One person was enough; now two are wanted, of what is there too.
    done = sync(tmp_path, client, title, "entities", overlap=2)
    assert done.queue is not None and done.queue.overlap == 2 and done.pushed.created == 0
    assert _next(others(1), project) == task["id"]
    mark(others(1), task["id"], [(4, 9, "Library"), (18, 24, "Library")])
    assert sync(tmp_path, client, title, "entities").pushed.created == 1
    second = next(task for task in client.tasks(project or 0, include=_FIELDS) if ADJUDICATION in task["data"])
    (prediction,) = second["predictions"]
    assert [region["value"]["text"] for region in prediction["result"]] == ["numpy"]
    about = second["data"]["about"]
    assert "“1.2” Version: 1 of 2" in about and "“pandas” Library: 1 of 2" in about and "numpy" not in about
    mark(client, second["id"], [(4, 9, "Library"), (10, 13, "Version"), (18, 24, "Library")])
    sync(tmp_path, client, title, "entities")
    verdicts = annotators.of_spans(people(tmp_path, "entities"))[1]
    assert {place: verdict.label for place, verdict in verdicts.items()} == {
        (4, 9): "Library",
        (10, 13): "Version",
        (18, 24): "Library",
    }
