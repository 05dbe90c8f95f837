"""The sync against a real server: nothing is doubled, nothing lost, nothing that people did overwritten."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage.lock import lock
from socorpus.corpus.storage.objects.paths import ObjectPath
from socorpus.labeling import schema
from socorpus.labeling.label_studio import interface as label_studio_interface
from socorpus.labeling.label_studio import state as label_studio_state
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.interface import Example
from socorpus.labeling.label_studio.sampling import Sample
from socorpus.labeling.label_studio.server import Server
from tests import s3_server
from tests.labeling import label_tables as labelled
from tests.labeling import syncing
from tests.labeling.label_tables import SITE
from tests.labeling.syncing import choose, mark, ours, people, sync, tasks

Others = Callable[[int], Client]


def test_a_push_makes_tasks_with_what_helps_to_judge_them(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 12)
    done = sync(tmp_path, client, title)
    assert done.created_project and done.pushed.created == 12 and not done.refused and not done.conflicts
    found = tasks(client, done.project)
    assert set(found) == {f"{SITE}:{post}" for post in range(1, 13)}
    task = found[f"{SITE}:3"]
    assert task["data"]["text"] == "Post 3.\n\n    indented = 3\n\ttab\n"
    assert task["data"]["title"] == "How does 3 <work> & why?"
    assert f'href="https://{SITE}/q/3"' in task["data"]["about"] and "someone 3, CC BY-SA 4.0" in task["data"]["about"]
    assert "Tags: <b>python numpy</b>" in task["data"]["about"] and "Score: <b>1</b>" in task["data"]["about"]
    assert "HQ: score_says_so" in task["data"]["about"] and "rule: &lt;top&gt;" in task["data"]["about"]
    (prediction,) = task["predictions"]
    assert prediction["score"] == 0.525 and prediction["model_version"] == "socorpus dawid-skene-1"
    assert [region["value"] for region in prediction["result"]] == [{"choices": ["HQ"]}]
    project = client.get(f"/api/projects/{done.project}/")
    assert project["model_version"] == "socorpus dawid-skene-1" and project["show_collab_predictions"]


def test_a_second_push_changes_nothing(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 12)
    first = sync(tmp_path, client, title)
    before = tasks(client, first.project)
    second = sync(tmp_path, client, title)
    assert not second.created_project and second.pushed.unchanged == 12
    assert (second.pushed.created, second.pushed.updated, second.pushed.predictions) == (0, 0, 0)
    assert tasks(client, first.project) == before


def test_tasks_are_made_again_only_if_something_changed(
    tmp_path: Path, client: Client, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = label_studio_interface.payload

    def counted(example: Example, *rest: Any) -> dict[str, Any]:
        made.append(example.key)
        return real(example, *rest)

    monkeypatch.setattr(label_studio_interface, "payload", counted)

    def again(**options: Any) -> tuple[int, int, int]:
        made.clear()
        done = sync(tmp_path, client, title, **options)
        return len(made), done.pushed.unchanged, done.pushed.created + done.pushed.updated + done.pushed.predictions

    labelled.classified(tmp_path, "quality", 12)
    assert again(limit=8) == (8, 0, 8)
    assert again(limit=8) == (0, 8, 0)
    assert again(limit=10) == (2, 8, 2)
    assert again(limit=10) == (0, 10, 0)
    project = sync(tmp_path, client, title, limit=10).project
    found = tasks(client, project)
    choose(client, found[f"{SITE}:1"]["id"], "HQ")
    assert again(limit=10) == (0, 10, 0)
    changed = {1: labelled.label("quality", 1, "LQ_CLOSE", 0.99)}
    labelled.classified(tmp_path, "quality", 12, changed)
    # Evidence beside the text is sent; the suggestion that somebody has seen is left, until nobody judges the post.
    assert again(limit=10) == (10, 9, 1)
    assert tasks(client, project)[f"{SITE}:1"]["predictions"] == found[f"{SITE}:1"]["predictions"]
    assert again(limit=10) == (0, 10, 0)
    for annotation in tasks(client, project)[f"{SITE}:1"]["annotations"]:
        client.delete(f"/api/annotations/{annotation['id']}/")
    assert again(limit=10) == (10, 9, 1)
    assert again(limit=10) == (0, 10, 0)
    # What somebody changes there is seen once the tasks are looked up.
    client.delete(f"/api/predictions/{found[f'{SITE}:2']['predictions'][0]['id']}/")
    assert again(limit=10) == (10, 9, 1)
    labelled.write(tmp_path, "quality", [labelled.example(1, "Alone.")], [labelled.label("quality", 1, "HQ")])
    gone = sync(tmp_path, client, title, limit=10)
    assert (gone.gone, gone.pushed.updated) == (9, 1)
    made.clear()
    gone = sync(tmp_path, client, title, limit=10)
    assert (gone.gone, gone.pushed.unchanged, made) == (9, 1, [])


def test_a_changed_label_replaces_its_prediction_and_no_other(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 12)
    before = tasks(client, sync(tmp_path, client, title).project)
    labelled.classified(tmp_path, "quality", 12, {5: labelled.label("quality", 5, "LQ_CLOSE", 0.99)})
    # A prediction of somebody else's model is not ours to delete.
    foreign = {"task": before[f"{SITE}:5"]["id"], "model_version": "their model", "score": 0.1, "result": []}
    done = sync(tmp_path, client, title)
    client.post("/api/predictions/", foreign)
    after = tasks(client, done.project)
    assert done.pushed.predictions == 1 and done.pushed.unchanged == 11
    (prediction,) = ours(after[f"{SITE}:5"])
    assert prediction["result"][0]["value"] == {"choices": ["LQ_CLOSE"]} and prediction["score"] == 0.99
    assert all(after[post]["predictions"] == before[post]["predictions"] for post in before if post != f"{SITE}:5")

    labelled.classified(tmp_path, "quality", 12, {5: labelled.label("quality", 5, "HQ", 0.7)})
    assert sync(tmp_path, client, title).pushed.predictions == 1
    last = tasks(client, done.project)[f"{SITE}:5"]["predictions"]
    assert sorted(one["model_version"] for one in last) == ["socorpus dawid-skene-1", "their model"]


def test_a_new_version_replaces_all_predictions_and_is_the_one_shown(
    tmp_path: Path, client: Client, title: str
) -> None:
    labelled.classified(tmp_path, "quality", 8)
    sync(tmp_path, client, title)
    labelled.classified(tmp_path, "quality", 8, version="dawid-skene-2")
    done = sync(tmp_path, client, title)
    versions = [[one["model_version"] for one in task["predictions"]] for task in tasks(client, done.project).values()]
    assert done.pushed.predictions == 8 and versions == [["socorpus dawid-skene-2"]] * 8
    assert client.get(f"/api/projects/{done.project}/")["model_version"] == "socorpus dawid-skene-2"


def test_what_people_say_becomes_votes_and_comes_once(
    tmp_path: Path, client: Client, others: Others, title: str
) -> None:
    labelled.classified(tmp_path, "quality", 6)
    done = sync(tmp_path, client, title)
    found = tasks(client, done.project)
    shown = found[f"{SITE}:2"]["predictions"][0]["id"]
    choose(client, found[f"{SITE}:2"]["id"], "HQ", parent_prediction=shown)
    choose(others(1), found[f"{SITE}:2"]["id"], "LQ_EDIT")
    choose(others(1), found[f"{SITE}:4"]["id"], "HQ", lead_time=3.5)
    done = sync(tmp_path, client, title)
    assert (done.pulled.new, done.pulled.votes, done.pulled.annotators) == (3, 3, 2)
    votes = people(tmp_path)
    assert [(row["post_id"], row["label"]) for row in votes] in (
        [(2, "HQ"), (2, "LQ_EDIT"), (4, "HQ")],
        [(2, "LQ_EDIT"), (2, "HQ"), (4, "HQ")],
    )
    first, second = (next(r for r in votes if r["label"] == name and r["post_id"] == 2) for name in ("HQ", "LQ_EDIT"))
    assert first["function"] != second["function"] == votes[2]["function"]
    assert first["source"] == "person" and first["function"].startswith("person:") and "@" not in first["function"]
    assert (first["seconds"], votes[2]["seconds"]) == (12.5, 3.5) and first["at"] is not None
    evidence = json.loads(first["evidence"])
    assert (
        evidence["from_prediction"] and not evidence["blind"] and not json.loads(second["evidence"])["from_prediction"]
    )

    written = (tmp_path / schema.people_path("quality")).stat().st_mtime_ns
    again = sync(tmp_path, client, title)
    assert (again.pulled.new, again.pulled.changed, again.pulled.deleted) == (0, 0, 0)
    assert (tmp_path / schema.people_path("quality")).stat().st_mtime_ns == written


def test_the_last_word_of_a_person_stands(tmp_path: Path, client: Client, others: Others, title: str) -> None:
    labelled.classified(tmp_path, "quality", 3)
    number = tasks(client, sync(tmp_path, client, title).project)[f"{SITE}:1"]["id"]
    annotation = choose(client, number, "HQ")
    choose(others(1), number, "LQ_CLOSE")
    sync(tmp_path, client, title)
    region = {
        "id": "1",
        "from_name": "quality",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": ["LQ_EDIT"]},
    }
    client.patch(f"/api/annotations/{annotation}/", {"result": [region]})
    done = sync(tmp_path, client, title)
    assert (done.pulled.new, done.pulled.changed) == (0, 1)
    assert {row["label"] for row in people(tmp_path)} == {"LQ_EDIT", "LQ_CLOSE"}


def test_a_deletion_is_seen(tmp_path: Path, client: Client, others: Others, title: str) -> None:
    labelled.classified(tmp_path, "quality", 6)
    found = tasks(client, sync(tmp_path, client, title).project)
    gone = choose(client, found[f"{SITE}:1"]["id"], "HQ")
    choose(others(1), found[f"{SITE}:1"]["id"], "LQ_EDIT")
    alone = choose(client, found[f"{SITE}:2"]["id"], "HQ")
    assert sync(tmp_path, client, title).pulled.votes == 3
    client.delete(f"/api/annotations/{gone}/")
    assert sync(tmp_path, client, title).pulled.deleted == 1
    client.delete(f"/api/annotations/{alone}/")
    # As many annotated tasks as before: the count alone would not tell that one has lost its last annotation.
    choose(client, found[f"{SITE}:3"]["id"], "LQ_CLOSE")
    done = sync(tmp_path, client, title)
    assert (done.pulled.deleted, done.pulled.new) == (1, 1)
    assert [(row["post_id"], row["label"]) for row in people(tmp_path)] == [(1, "LQ_EDIT"), (3, "LQ_CLOSE")]


def test_a_task_that_somebody_deletes_is_not_made_again(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 6)
    done = sync(tmp_path, client, title)
    found = tasks(client, done.project)
    choose(client, found[f"{SITE}:1"]["id"], "HQ")
    sync(tmp_path, client, title)
    client.delete(f"/api/tasks/{found[f'{SITE}:1']['id']}/")
    done = sync(tmp_path, client, title)
    assert done.pushed.removed_there == 1 and done.pushed.created == 0 and not people(tmp_path)
    assert set(tasks(client, done.project)) == set(found) - {f"{SITE}:1"}


def test_a_skipped_task_is_an_abstention(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 3)
    found = tasks(client, sync(tmp_path, client, title).project)
    choose(client, found[f"{SITE}:2"]["id"], "HQ", was_cancelled=True)
    assert sync(tmp_path, client, title).pulled.new == 1
    (row,) = people(tmp_path)
    assert row["label"] is None and row["start"] is None and json.loads(row["evidence"])["skipped"] is True


def test_agreement_of_two_annotators(tmp_path: Path, client: Client, others: Others, title: str) -> None:
    labelled.classified(tmp_path, "quality", 8)
    found = tasks(client, sync(tmp_path, client, title).project)
    for post in range(1, 9):
        choose(client, found[f"{SITE}:{post}"]["id"], "HQ" if post < 5 else "LQ_EDIT")
        choose(others(1), found[f"{SITE}:{post}"]["id"], "HQ" if post < 4 else "LQ_EDIT")
    agreement = sync(tmp_path, client, title).pulled.agreement
    # 7 of 8 pairs are equal. Of 16 values 7 are HQ and 9 LQ_EDIT: expected disagreement 2*7*9/(16*15) = 0.525,
    # observed 2/16 = 0.125.
    assert agreement == {"posts": 8, "pairs": 8, "equal": 0.875, "alpha": round(1 - 0.125 / 0.525, 4)}


def test_a_lost_state_file_loses_nothing(tmp_path: Path, client: Client, others: Others, title: str) -> None:
    labelled.classified(tmp_path, "quality", 12)
    found = tasks(client, sync(tmp_path, client, title).project)
    choose(client, found[f"{SITE}:2"]["id"], "HQ")
    choose(others(1), found[f"{SITE}:4"]["id"], "HQ", was_cancelled=True)
    sync(tmp_path, client, title)
    before, votes = tasks(client, sync(tmp_path, client, title).project), people(tmp_path)
    for path in (tmp_path / schema.ANNOTATIONS).glob(f"{label_studio_state.NAME}*"):
        path.unlink()
    done = sync(tmp_path, client, title)
    assert (done.pushed.found_again, done.pushed.created, done.pushed.updated, done.pushed.predictions) == (12, 0, 0, 0)
    assert tasks(client, done.project) == before and people(tmp_path) == votes

    (tmp_path / schema.ANNOTATIONS / label_studio_state.NAME).write_bytes(
        b"this is no database, but once was one" * 500
    )
    done = sync(tmp_path, client, title)
    assert done.pushed.found_again == 12 and done.pushed.created == 0 and people(tmp_path) == votes


def test_text_that_changes_under_a_judgement_is_told_and_not_sent(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 4)
    found = tasks(client, sync(tmp_path, client, title).project)
    choose(client, found[f"{SITE}:1"]["id"], "HQ")
    labels = [labelled.label("quality", post, "HQ", 0.6) for post in range(1, 5)]
    labelled.write(tmp_path, "quality", [labelled.example(post, f"New text {post}.") for post in range(1, 5)], labels)
    done = sync(tmp_path, client, title)
    after = tasks(client, done.project)
    assert len(done.conflicts) == 1 and done.conflicts[0].startswith(f"{SITE}:1: its text has changed")
    assert after[f"{SITE}:1"]["data"] == found[f"{SITE}:1"]["data"]
    assert after[f"{SITE}:1"]["annotations"] and done.pushed.updated == 3
    assert after[f"{SITE}:2"]["data"]["text"] == "New text 2."
    assert [row["label"] for row in people(tmp_path)] == ["HQ"]


def test_what_people_decided_is_no_suggestion_for_others(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 4)
    found = tasks(client, sync(tmp_path, client, title).project)
    choose(client, found[f"{SITE}:1"]["id"], "LQ_CLOSE")
    sync(tmp_path, client, title)
    judged = {post: labelled.label("quality", post, "LQ_CLOSE", 1.0, source="person") for post in (1, 2)}
    labelled.classified(tmp_path, "quality", 4, judged)
    done = sync(tmp_path, client, title)
    after = tasks(client, done.project)
    assert after[f"{SITE}:1"]["predictions"] == found[f"{SITE}:1"]["predictions"]
    assert after[f"{SITE}:2"]["predictions"] == found[f"{SITE}:2"]["predictions"]


def test_a_blind_share_shows_nothing(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 60)
    done = sync(tmp_path, client, title, blind=0.3)
    found = tasks(client, done.project)
    blind = {post for post, task in found.items() if task["data"]["blind"]}
    assert 8 <= len(blind) <= 30
    for post in blind:
        assert not found[post]["predictions"]
        assert "Votes" not in found[post]["data"]["about"] and "Score" not in found[post]["data"]["about"]
    assert all(found[post]["predictions"] for post in set(found) - blind)
    # The share is drawn once: another one later changes none of the tasks that are there.
    assert sync(tmp_path, client, title, blind=0.9).pushed.unchanged == 60
    post = min(blind)
    choose(client, found[post]["id"], "HQ")
    sync(tmp_path, client, title)
    assert json.loads(people(tmp_path)[0]["evidence"])["blind"] is True


def test_samples_fill_a_project_up_to_its_limit(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 30)
    done = sync(tmp_path, client, title, sample=Sample("uncertain"), limit=5)
    assert set(tasks(client, done.project)) == {f"{SITE}:{post}" for post in range(1, 6)}
    assert sync(tmp_path, client, title, sample=Sample("uncertain"), limit=5).pushed.created == 0
    done = sync(tmp_path, client, title, sample=Sample("disagreement"), limit=7)
    assert done.pushed.created == 2
    added = set(tasks(client, done.project)) - {f"{SITE}:{post}" for post in range(1, 6)}
    assert all(int(post.rpartition(":")[2]) % 3 == 0 for post in added)


def test_a_dry_run_sends_nothing(tmp_path: Path, client: Client, server: Server, title: str) -> None:
    labelled.classified(tmp_path, "quality", 6)
    with Client(server.url, server.user, read_only=True) as dry:
        done = sync(tmp_path, dry, title)
        assert done.project is None and done.pushed.created == 6
        assert not (tmp_path / schema.ANNOTATIONS / label_studio_state.NAME).exists()
        assert title not in [one["title"] for one in client.get("/api/projects/")["results"]]
        real = sync(tmp_path, client, title)
        before = tasks(client, real.project)
        choose(client, before[f"{SITE}:1"]["id"], "HQ")
        state = (tmp_path / schema.ANNOTATIONS / label_studio_state.NAME).read_bytes()
        labelled.classified(tmp_path, "quality", 8, version="dawid-skene-2")
        done = sync(tmp_path, dry, title)
        assert (done.pushed.created, done.pushed.predictions, done.pulled.new) == (2, 5, 1)
        after = tasks(client, real.project)
        assert {post: task["predictions"] for post, task in after.items()} == {
            post: task["predictions"] for post, task in before.items()
        }
        assert not people(tmp_path) and (tmp_path / schema.ANNOTATIONS / label_studio_state.NAME).read_bytes() == state


@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
def test_spans_come_back_as_the_slices_that_were_marked(tmp_path: Path, client: Client, title: str, crlf: bool) -> None:
    text = labelled.NASTY.replace("\n", "\r\n") if crlf else labelled.NASTY
    suggested = [("numpy", "Library"), ("1.2", "Version"), ("Flask", "Library")]
    labelled.entities(tmp_path, {1: (text, suggested), 2: ("Nothing here.", [])})
    found = tasks(client, sync(tmp_path, client, title, "entities", sample=Sample("random")).project)
    task = found[f"{SITE}:1"]
    sent = task["data"]["text"]
    assert sent == labelled.NASTY
    values = [region["value"] for region in task["predictions"][0]["result"]]
    assert [(sent[v["start"] : v["end"]], v["labels"][0]) for v in values] == suggested
    newline = "\r\n" if crlf else "\n"
    slices = [
        "e\u0301",
        "😀",
        "👩‍👩‍👧",
        "\tdef f(x):",
        "\t\treturn  x",
        "pandas",
        "ثم Flask",
        "\u200b",
        "can't",
        "numpy 1.2.\n\n",
    ]
    spans = [(sent.index(one), sent.index(one) + len(one), "Value") for one in slices]
    mark(client, task["id"], spans)
    mark(client, found[f"{SITE}:2"]["id"], [])
    done = sync(tmp_path, client, title, "entities")
    assert not done.conflicts
    rows = people(tmp_path, "entities")
    back = {text[row["start"] : row["end"]] for row in rows if row["post_id"] == 1}
    assert back == {one.replace("\n", newline) for one in slices}
    (none,) = [row for row in rows if row["post_id"] == 2]
    assert none["label"] is None and '"nothing": true' in none["evidence"]


def test_marks_of_a_text_that_changed_are_kept_where_they_still_hold(
    tmp_path: Path, client: Client, title: str
) -> None:
    labelled.entities(tmp_path, {1: ("Use numpy and pandas.", [("numpy", "Library")])})
    number = tasks(client, sync(tmp_path, client, title, "entities").project)[f"{SITE}:1"]["id"]
    regions = [
        {
            "id": name,
            "from_name": "entities",
            "to_name": "text",
            "type": "labels",
            "value": {"start": start, "end": start + len(name), "text": name, "labels": ["Library"]},
        }
        for name, start in (("numpy", 4), ("pandas", 14))
    ]
    client.post(f"/api/tasks/{number}/annotations/", {"result": regions})
    labelled.entities(tmp_path, {1: ("Use numpy and also pandas.", [("numpy", "Library")])})
    done = sync(tmp_path, client, title, "entities")
    assert [(row["start"], row["end"]) for row in people(tmp_path, "entities")] == [(4, 9)]
    assert any("a text that has changed since" in line for line in done.conflicts)


def test_an_annotation_that_fits_no_label_is_told(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 2)
    found = tasks(client, sync(tmp_path, client, title).project)
    choose(client, found[f"{SITE}:1"]["id"], "Best")
    done = sync(tmp_path, client, title)
    assert any("label ['Best'] is none of the task's" in line for line in done.conflicts)


def test_a_project_of_another_task_is_refused(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 2)
    labelled.classified(tmp_path, "closure", 2)
    sync(tmp_path, client, title)
    with pytest.raises(InputError, match=r"can't take labels of closure: it has no <Choices name='closure'"):
        sync(tmp_path, client, title, "closure")


def test_people_of_other_projects_stay(tmp_path: Path, client: Client, title: str) -> None:
    labelled.classified(tmp_path, "quality", 4)
    for name, post in ((f"{title} a", 1), (f"{title} b", 2)):
        found = tasks(client, sync(tmp_path, client, name[-50:]).project)
        choose(client, found[f"{SITE}:{post}"]["id"], "HQ")
        sync(tmp_path, client, name[-50:])
    assert [row["post_id"] for row in people(tmp_path)] == [1, 2]


def test_the_client_of_the_vendor_sees_valid_predictions(
    tmp_path: Path, client: Client, server: Server, title: str
) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from label_studio_sdk import LabelStudio
        from label_studio_sdk.label_interface import LabelInterface

        labelled.entities(tmp_path, {1: (labelled.NASTY, [("numpy", "Library"), ("pandas", "Library")])})
        done = sync(tmp_path, client, title, "entities")
        token = syncing.personal_token(client)
        with httpx.Client(trust_env=False) as http:
            vendor = LabelStudio(base_url=server.url, api_key=token, httpx_client=http)
            interface = LabelInterface(vendor.projects.get(done.project).label_config)
            (task,) = vendor.tasks.list(project=done.project, fields="all")
        (prediction,) = task.predictions
        assert interface.validate_prediction(prediction if isinstance(prediction, dict) else prediction.dict())


def test_people_judge_the_posts_of_a_corpus_in_a_store(tmp_path: Path, client: Client, title: str) -> None:
    root = ObjectPath("s3://corpora/judged")
    with s3_server.server(), s3_server.environment(SOCORPUS_SCRATCH=str(tmp_path / "scratch")):
        labelled.classified(root, "quality", 4)
        first = sync(root, client, title)
        choose(client, tasks(client, first.project)[f"{SITE}:2"]["id"], "LQ_EDIT")
        # Another machine, which has no state of this sync.
        with s3_server.environment(SOCORPUS_SCRATCH=str(tmp_path / "another")):
            second = sync(root, client, title)
        assert second.pushed.unchanged == 4 and not second.created_project
        assert [(row["post_id"], row["label"]) for row in people(root)] == [(2, "LQ_EDIT")]
        with lock(root / ".sync"), pytest.raises(BuildError, match="is at work there"):
            sync(root, client, title)
