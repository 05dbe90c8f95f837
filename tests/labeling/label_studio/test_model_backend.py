"""A served model as the backend of a project on a real server: what a person is shown, and what comes back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import parquet
from socorpus.labeling import schema
from socorpus.labeling.label_studio import credentials, interface, model_votes, pull, sampling
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.pull import Pulled
from socorpus.labeling.label_studio.push import Project
from socorpus.labeling.label_studio.server import Server, free_port
from socorpus.training.serve import label_studio, settings
from tests.labeling import label_tables as labelled
from tests.labeling.label_studio.browser import TEXT, open_task
from tests.labeling.label_tables import SITE
from tests.labeling.syncing import choose, ours, people, personal_token, run, sync, tasks
from tests.our_tasks import ENTITIES, QUALITY
from tests.training.serve.test_app import Keywords, served, until

TEXTS = {1: "fine", 2: "plz", 3: "plz urgent", 4: "plz plz urgent"}
SURE = {1: 0.9, 2: 0.65, 3: 0.4, 4: 0.425}
"""Post -> how sure the model is of its text."""


@pytest.fixture(scope="module")
def models() -> Iterator[dict[str, tuple[Keywords, httpx.Client]]]:
    """Task -> its model, and where it is served; a token is asked for."""
    quality, entities = Keywords(version="bert keywords-1"), Keywords(ENTITIES, "ner keywords-1")
    with served(quality, token="se:cret") as one, served(entities, token="se:cret") as other:
        yield {"quality": (quality, one), "entities": (entities, other)}


Models = dict[str, tuple[Keywords, httpx.Client]]


def _connect(client: Client, project: int | None, models: Models, task: str = "quality", **changes: Any) -> str:
    """Connect a task's model to a project; its version."""
    model, where = models[task]
    given = {"url": str(where.base_url), "version": model.version, "token": "se:cret", **changes}
    assert project is not None
    label_studio.connect(client, project, model.task, **given)
    return model.version


def _project(client: Client, number: int | None) -> Project:
    assert number is not None
    return Project(client, number, f"{number}@then")


def _region(control: str, label: str) -> dict[str, Any]:
    value = {"choices": [label]}
    return {"id": label, "from_name": control, "to_name": "text", "type": "choices", "value": value}


def _texts(root: Path) -> None:
    rows = [labelled.label("quality", post, "LQ_EDIT", 0.5 + post / 100) for post in TEXTS]
    labelled.write(root, "quality", [labelled.example(post, text) for post, text in TEXTS.items()], rows)


def test_a_person_is_shown_the_suggestions_of_the_model_the_least_certain_first(
    tmp_path: Path, client: Client, title: str, models: Models
) -> None:
    _texts(tmp_path)
    synced = sync(tmp_path, client, title)
    version = _connect(client, synced.project, models)
    there = tasks(client, synced.project)
    # The page of one task, as a person opens it from the stream: the server asks the model then.
    opened = client.get(f"/api/projects/{synced.project}/next")
    assert [one["model_version"] for one in opened["predictions"]] == [version]
    assert opened["predictions"][0]["result"][0]["value"]["choices"][0] in QUALITY.labels
    assert label_studio.suggest(client, synced.project, version) == len(TEXTS)  # type: ignore[arg-type]
    for post in TEXTS:
        # As it is opened from the list.
        task = client.get(f"/api/tasks/{there[f'{SITE}:{post}']['id']}/")
        (found,) = [one for one in task["predictions"] if one["model_version"] == version]
        assert found["score"] == pytest.approx(SURE[post])
        assert [one["from_name"] for one in found["result"]] == ["quality"]
    # The task that was opened is the user's until it is judged; of the others the least certain comes first.
    served_ = []
    for _ in TEXTS:
        found = client.get(f"/api/projects/{synced.project}/next")
        served_.append(found["data"]["post"])
        choose(client, found["id"], "HQ")
    least = [f"{SITE}:{post}" for post in sorted(SURE, key=SURE.__getitem__)]
    first = opened["data"]["post"]
    assert served_ == [first, *(post for post in least if post != first)]


def test_suggestions_come_back_as_votes_of_the_model_and_a_sync_leaves_them(
    tmp_path: Path, client: Client, title: str, models: Models
) -> None:
    _texts(tmp_path)
    synced = sync(tmp_path, client, title)
    project = _project(client, synced.project)
    before = {post: ours(task) for post, task in tasks(client, synced.project).items()}
    version = _connect(client, synced.project, models)
    label_studio.suggest(client, project.number, version)
    assert model_votes.connected(project) == [version]
    found = model_votes.votes(project, QUALITY)
    assert {(row["post_id"], row["label"]) for row in found} == {(1, "HQ"), (2, "HQ"), (3, "HQ"), (4, "LQ_EDIT")}
    assert {(row["function"], row["source"], row["start"]) for row in found} == {(version, "model", None)}
    for row in found:
        evidence = json.loads(row["evidence"])
        assert evidence["prediction"] > 0 and evidence["project"] == project.identity
        assert evidence["score"] == pytest.approx(SURE[row["post_id"]])
    moved = pull.moved(found, sampling.examples(tmp_path, QUALITY, [f"{SITE}:{post}" for post in TEXTS]), Pulled())
    assert [list(row) for row in moved] == [schema.VOTES.names] * len(TEXTS)
    again = sync(tmp_path, client, title)
    assert (again.pushed.created, again.pushed.predictions, again.pushed.unchanged) == (0, 0, len(TEXTS))
    assert not again.conflicts and not people(tmp_path)
    after = tasks(client, synced.project)
    assert {post: ours(task) for post, task in after.items()} == before
    assert all(len(task["predictions"]) == 2 for task in after.values())
    # Nor does the sync take the model's place in the project.
    facts = client.project(project.number, "model_version", "sampling", "show_collab_predictions")
    assert list(facts.values()) == [version, label_studio.UNCERTAINTY, True]
    assert model_votes.votes(project, QUALITY, ["another"]) == []
    # The last of several counts; what is none of the task's is passed over.
    more = [("quality", "LQ_CLOSE"), ("quality", "excellent"), ("closure", "HQ")]
    result = [_region(*one) for one in more]
    body = {"task": after[f"{SITE}:1"]["id"], "model_version": version, "score": 0.7, "result": result}
    client.post("/api/predictions/", body)
    found = [row for row in model_votes.votes(project, QUALITY) if row["post_id"] == 1]
    assert [(row["label"], json.loads(row["evidence"])["score"]) for row in found] == [("LQ_CLOSE", 0.7)]
    sent = {one["model_version"] for found in before.values() for one in found}
    assert len(sent) == 1 and model_votes.votes(project, QUALITY, sent) == []


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_spans_come_back_on_the_corpus_own_text(
    tmp_path: Path, client: Client, title: str, models: Models, newline: str
) -> None:
    text = labelled.NASTY.replace("\n", newline)
    labelled.entities(tmp_path, {1: (text, [("numpy", "Function")]), 2: ("nothing", [])})
    synced = sync(tmp_path, client, title, "entities")
    project = _project(client, synced.project)
    version = _connect(client, synced.project, models, "entities")
    made = label_studio.suggest(client, project.number, version)
    assert made == len(tasks(client, synced.project))
    found = model_votes.votes(project, ENTITIES)
    pulled = Pulled()
    moved = pull.moved(found, sampling.examples(tmp_path, ENTITIES, [f"{SITE}:1"]), pulled)
    assert [text[row["start"] : row["end"]] for row in moved] == ["numpy", "pandas", "Flask"]
    assert {row["label"] for row in moved} == {"Library"} and not pulled.conflicts
    probabilities = [json.loads(row["evidence"])["probability"] for row in moved]
    assert probabilities == pytest.approx([0.9, 0.8, 0.7])


def test_a_blind_task_is_served_in_its_turn_without_a_suggestion(
    tmp_path: Path, client: Client, title: str, models: Models
) -> None:
    _texts(tmp_path)
    synced = sync(tmp_path, client, title, blind=1.0)
    project = _project(client, synced.project)
    version = _connect(client, synced.project, models)
    assert label_studio.suggest(client, project.number, version) == len(TEXTS)
    opened = client.get(f"/api/projects/{project.number}/next")
    assert opened["data"]["post"] == f"{SITE}:3"
    assert [one["result"] for one in opened["predictions"]] == [[]]
    assert model_votes.votes(project, QUALITY) == []


def test_a_connection_is_brought_up_to_date_and_never_doubled(
    tmp_path: Path, client: Client, title: str, models: Models
) -> None:
    _texts(tmp_path)
    synced = sync(tmp_path, client, title)
    for _ in range(2):
        version = _connect(client, synced.project, models)
        (there,) = client.get("/api/ml/", project=synced.project)
        assert (there["title"], there["model_version"], there["readable_state"]) == (version, version, "Connected")
    with served(Keywords(version="bert keywords-2")) as other:
        newer = {"url": str(other.base_url), "version": "bert keywords-2", "token": None}
        _connect(client, synced.project, models, **newer)
        (there,) = client.get("/api/ml/", project=synced.project)
        assert (there["title"], there["url"]) == ("bert keywords-2", str(other.base_url).rstrip("/"))
        opened = client.get(f"/api/projects/{synced.project}/next")
        assert [one["model_version"] for one in opened["predictions"]] == ["bert keywords-2"]
    with pytest.raises(BuildError, match="3 of 4 tasks got no suggestion"):
        label_studio.suggest(client, synced.project, "bert keywords-2")  # type: ignore[arg-type]


def test_a_sync_connects_a_model_and_brings_its_votes(
    tmp_path: Path, server: Server, client: Client, title: str, models: Models
) -> None:
    _texts(tmp_path)
    model, web = models["quality"]
    keys = {credentials.TOKEN: personal_token(client), settings.TOKEN: "se:cret"}
    arguments = ("sync", tmp_path, "--project", title, "--task", "quality", "--url", server.url, "--blind", 0)
    told = run(*arguments, "--model", web.base_url, environment=keys)
    assert f"suggestions for {len(TEXTS)} posts" in told.stdout
    votes = parquet.read(tmp_path / schema.models_path("quality"), schema.VOTES).to_pylist()
    assert {(one["post_id"], one["label"]) for one in votes} == {(1, "HQ"), (2, "HQ"), (3, "HQ"), (4, "LQ_EDIT")}
    assert {(one["function"], one["source"]) for one in votes} == {(model.version, "model")}
    # A later sync needs no address: the model is connected.
    assert f"suggestions for {len(TEXTS)} posts" in run(*arguments, environment=keys).stdout
    wrong = run(*arguments, "--model", models["entities"][1].base_url, environment=keys, code=2)
    assert "the model there is of entities, not of quality" in wrong.stderr
    nobody = run(*arguments, "--model", f"http://127.0.0.1:{free_port()}", environment=keys, code=2)
    assert "start one with socorpus labeling serve" in nobody.stderr


def test_a_connection_that_can_not_be_is_refused(tmp_path: Path, client: Client, title: str, models: Models) -> None:
    _texts(tmp_path)
    synced = sync(tmp_path, client, title)
    with pytest.raises(InputError, match="can't take labels of entities"):
        _connect(client, synced.project, models, "entities")
    with pytest.raises(BuildError, match="authentication parameters"):
        _connect(client, synced.project, models, token="wrong")
    with pytest.raises(BuildError, match="Can't connect to ML backend"):
        _connect(client, synced.project, models, url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(InputError, match="sync's own predictions"):
        _connect(client, synced.project, models, version=f"{interface.PREFIX}mine")
    assert client.get("/api/ml/", project=synced.project) == []
    with served(Keywords(version="somebody's")) as other:
        body = {"project": synced.project, "url": str(other.base_url), "title": "somebody's"}
        client.post("/api/ml/", body)
        with pytest.raises(InputError, match="somebody's"):
            _connect(client, synced.project, models)


def test_the_server_is_given_the_token_for_its_webhooks(
    tmp_path: Path, client: Client, title: str, models: Models
) -> None:
    _texts(tmp_path)
    synced = sync(tmp_path, client, title)
    url = str(models["quality"][1].base_url)
    for _ in range(2):
        _connect(client, synced.project, models)
    (hook,) = client.get("/api/webhooks/", project=synced.project)
    assert (hook["url"], hook["headers"]) == (f"{url}/webhook", {"Authorization": "Bearer se:cret"})
    choose(client, tasks(client, synced.project)[f"{SITE}:1"]["id"], "HQ")
    health = {"Authorization": "Bearer se:cret"}
    until(lambda: "socorpus_events_total 0\n" not in models["quality"][1].get("/metrics", headers=health).text)
    with served(Keywords(version="bert keywords-2")) as other:
        given = {"url": str(other.base_url), "version": "bert keywords-2", "token": None}
        _connect(client, synced.project, models, **given)
    assert client.get("/api/webhooks/", project=synced.project) == []


def test_a_server_that_asks_no_local_models_is_told_of(tmp_path: Path, client: Client, models: Models) -> None:
    """Such as one that is started as its makers mean it."""

    class Blocking:
        url = "http://studio.example.com"

        def post(self, *_: Any) -> None:
            raise InputError("URL resolves to a reserved network address (block: 127.0.0.0/8)")

        def get(self, *_: Any, **__: Any) -> list[Any]:
            return []

        def project(self, *_: Any) -> dict[str, Any]:
            return client.project(project, "parsed_label_config", "title")

    _texts(tmp_path)
    project = sync(tmp_path, client, "no local models").project
    assert project is not None
    with pytest.raises(InputError, match="ML_BLOCK_LOCAL_IP=false"):
        _connect(Blocking(), project, models)  # type: ignore[arg-type]


def test_a_suggestion_is_seen_but_for_blind_tasks(
    tmp_path: Path, server: Server, client: Client, title: str, models: Models, page: Page
) -> None:
    blind = [interface.is_blind(f"{SITE}:{post}", 0.5) for post in range(1, 20)]
    posts = {blind.index(hidden) + 1: hidden for hidden in (False, True)}
    labelled.write(tmp_path, "entities", [labelled.example(post, "Use numpy, not pandas.") for post in posts], [])
    synced = sync(tmp_path, client, title, "entities", sample=sampling.Sample("random"), blind=0.5)
    version = _connect(client, synced.project, models, "entities")
    label_studio.suggest(client, _project(client, synced.project).number, version)
    there = tasks(client, synced.project)
    for post, hidden in posts.items():
        open_task(page, server, synced.project, there[f"{SITE}:{post}"]["id"])
        expect(page.locator(f"{TEXT} .htx-highlight")).to_have_text([] if hidden else ["numpy", "pandas"])
