"""Names judged by people at a real server: what is drawn, shown, read back, and what a repeated sync leaves alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import parquet
from socorpus.labeling import schema
from socorpus.labeling.label_studio import names
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.server import Server
from socorpus.labeling.schema import TASKS
from tests.labeling import label_tables as labelled
from tests.labeling.label_studio.browser import TEXT, open_task, submit
from tests.labeling.syncing import sync, tasks

ENTITIES = TASKS["entities"]


def _corpus(root: Path) -> None:
    """numpy in five posts, twice in one of them; Flask in two, once in lower case; 1.2 in one."""
    texts = {post: (f"Post {post}: <b> is not HTML, numpy & more.", [("numpy", "Library")]) for post in range(1, 5)}
    texts[5] = ("Flask and numpy 1.2", [("Flask", "Library"), ("numpy", "Library"), ("1.2", "Version")])
    texts[6] = ("a flask of it", [("flask", "Library")])
    labelled.entities(root, texts)


def test_the_commonest_names_come_first_with_contexts_of_different_posts(tmp_path: Path) -> None:
    _corpus(tmp_path)
    every = names.commonest(tmp_path, ENTITIES, 10)
    assert every == [("Library", "numpy"), ("Library", "flask"), ("Version", "1.2")]
    assert names.commonest(tmp_path, ENTITIES, 1, every[:1]) == every[1:2]
    drawn = names.contexts(tmp_path, ENTITIES, every)
    assert [len(drawn[pair]) for pair in every] == [3, 2, 1]
    assert len({mention.key for mention in drawn["Library", "numpy"]}) == 3
    for (_, name), mentions in drawn.items():
        assert all(mention.text[mention.start : mention.end].lower() == name for mention in mentions)


def test_names_are_refused_where_they_would_teach_nothing() -> None:
    with pytest.raises(InputError, match="only where labels are of spans, such as --task entities; socorpus labeling"):
        names.check(TASKS["quality"])


def test_people_judge_names_and_a_repeated_sync_changes_nothing(
    tmp_path: Path, server: Server, client: Client, others: Callable[[int], Client], title: str, page: Page
) -> None:
    _corpus(tmp_path)
    with Client(server.url, server.user, read_only=True) as dry:
        expected = names.sync(tmp_path, dry, title, ENTITIES, limit=2)
    assert expected.project is None and expected.pushed.created == 2
    done = names.sync(tmp_path, client, title, ENTITIES, limit=2)
    assert done.created_project and done.pushed.created == 2 and not done.refused
    found = tasks(client, done.project)
    assert set(found) == {"Library numpy", "Library flask"}
    assert not any(task["predictions"] for task in found.values())

    task = found["Library numpy"]["id"]
    open_task(page, server, done.project, task)
    expect(page.locator(".socorpus")).to_contain_text("“numpy”, as it is marked, of type Library?")
    assert page.locator(f"{TEXT} mark").all_inner_texts() == ["numpy"] * 3
    assert "<b> is not HTML" in page.locator(TEXT).first.inner_text()
    page.keyboard.press("2")
    submit(page, task)

    region = {"id": "1", "from_name": "entities_names", "to_name": "text", "type": "choices"}
    said = {"result": [region | {"value": {"choices": ["all"]}}], "lead_time": 2.0}
    others(1).post(f"/api/tasks/{found['Library flask']['id']}/annotations/", said)
    others(1).post(f"/api/tasks/{task}/annotations/", {"result": [], "was_cancelled": True})
    for limit, created in ((2, 0), (3, 1)):
        done = names.sync(tmp_path, client, title, ENTITIES, limit=limit)
        assert (done.pushed.created, done.pushed.unchanged, done.conflicts) == (created, 2, [])
        rows = parquet.read(tmp_path / schema.names_path("entities"), schema.NAMES).to_pylist()
        judged = [(row["label"], row["name"], row["right"], row["times"]) for row in rows]
        assert judged == [("Library", "flask", 2, 2), ("Library", "numpy", 2, 3)]
    assert len({row["function"] for row in rows}) == 2
    with pytest.raises(InputError, match="can't take labels of entities"):
        sync(tmp_path, client, title, "entities")
