"""Posts that are removed from a corpus go from the projects of a real server, and from what the syncs keep here."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from socorpus.labeling import check_forgotten, forget, schema
from socorpus.labeling import sync as sync_corpus
from socorpus.labeling.label_studio import state as label_studio_state
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.server import Server
from tests.building import copy, socorpus
from tests.conftest import Once
from tests.labeling.syncing import choose, personal_token, tasks

SITE = "modern.example.com"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def closure_corpus(once: Once) -> Path:
    """A small corpus with labels of closure. Only to be read."""
    from socorpus.corpus.sample import writer as sample_writer

    def build(folder: Path) -> None:
        sample_writer.write(folder / "dump", threads=60, sites=(sample_writer.MODERN,))
        (folder / "closure.toml").write_text("[labels]\ntasks = ['closure']\n")
        socorpus("build", folder / "dump", "-o", folder / "corpus", "--workers", 0, "--config", folder / "closure.toml")

    return once("closure-corpus", build) / "corpus"


def people(corpus: Path) -> set[int]:
    path = corpus / schema.people_path("closure")
    return set(pq.read_table(path)["post_id"].to_pylist()) if path.exists() else set()


def test_tasks_of_removed_posts_go_with_what_people_said(
    closure_corpus: Path, tmp_path: Path, server: Server, client: Client, title: str
) -> None:
    corpus, token = copy(closure_corpus, tmp_path), personal_token(client)

    def sync() -> int:
        project = sync_corpus(corpus, title, "closure", url=server.url, token=token, blind=0.0, limit=30).project
        assert project is not None
        return project

    project = sync()
    there = tasks(client, project)
    gone, later, stays = sorted(there)[:3]
    for key in (gone, later, stays):
        choose(client, there[key]["id"], "open", "closure")
    sync()
    numbers = {key: int(key.rpartition(":")[2]) for key in (gone, later, stays)}
    assert people(corpus) == set(numbers.values())
    (tmp_path / "one.txt").write_text(f"{gone}\n")
    done = forget(corpus, tmp_path / "one.txt", url=server.url, token=token, workers=0)
    left = tasks(client, project)
    changed = set(done.changed)
    assert gone not in left and set(left) == set(there) - {gone} - changed
    assert done.tasks == {str(project): len({gone, *changed} & set(there))} and not done.pending
    assert done.annotations == {schema.people_path("closure"): 1}
    assert people(corpus) == {numbers[later], numbers[stays]} and not check_forgotten(corpus)
    # A server that can't be reached is told, and done later, also by a call without a list.
    (tmp_path / "two.txt").write_text(f"{later}\n")
    pending = forget(corpus, tmp_path / "two.txt", url="http://127.0.0.1:1", token="none", workers=0).pending
    assert len(pending) == 1 and "may still be in Label Studio" in pending[0] and "--url" in pending[0]
    assert later in tasks(client, project) and any("Label Studio" in line for line in check_forgotten(corpus))
    assert people(corpus) == {numbers[stays]}
    sync()  # reads what people said, and not what they said of a post that goes
    assert people(corpus) == {numbers[stays]}
    again = forget(corpus, url=server.url, token=token, workers=0)
    assert not again.pending and later not in tasks(client, project) and not check_forgotten(corpus)
    with label_studio_state.opened(corpus) as database:
        known = {row[0] for row in database.execute("select post from task")}
        said = {json.loads(row[0])["post"] for row in database.execute("select body from annotation")}
    assert not {gone, later} & (known | said)
    for path in (corpus / schema.ANNOTATIONS).glob("studio.sqlite*"):
        assert f'"{later}"'.encode() not in path.read_bytes()
    # What is left is in step.
    sync()
    assert not {gone, later} & tasks(client, project).keys() and people(corpus) == {numbers[stays]}


def test_votes_on_a_post_that_lost_a_comment_stay_when_its_task_goes(
    closure_corpus: Path, tmp_path: Path, server: Server, client: Client, title: str
) -> None:
    corpus, token = copy(closure_corpus, tmp_path), personal_token(client)
    project = sync_corpus(corpus, title, "closure", url=server.url, token=token, blind=0.0, limit=60).project
    there = tasks(client, project)
    rows = pq.read_table(next((corpus / "tables/comments").rglob("*.parquet"))).to_pylist()
    comment = next(row for row in rows if f"{SITE}:{row['post_id']}" in there)
    key = f"{SITE}:{comment['post_id']}"
    choose(client, there[key]["id"], "open", "closure")
    sync_corpus(corpus, title, "closure", url=server.url, token=token, blind=0.0, limit=60)
    (tmp_path / "asked.txt").write_text(f"{SITE}:comment:{comment['comment_id']}\n")
    done = forget(corpus, tmp_path / "asked.txt", url=server.url, token=token, workers=0)
    assert done.changed == [key] and key not in tasks(client, project) and not done.annotations
    assert people(corpus) == {comment["post_id"]}
    sync_corpus(corpus, title, "closure", url=server.url, token=token, blind=0.0, limit=60)
    assert people(corpus) == {comment["post_id"]}
    text = tasks(client, project)[key]["data"]["text"] if key in tasks(client, project) else ""
    assert comment["text"] not in text
