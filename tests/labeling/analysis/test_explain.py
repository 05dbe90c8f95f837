"""Stories of posts: who marked a text, where spans were lost, facts, ties, and posts on which nobody votes."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from socorpus.corpus.storage import files, manifest_file, parquet
from socorpus.labeling import schema, steps
from socorpus.labeling.aggregation import annotators, counting, decide
from socorpus.labeling.aggregation.dawid_skene import LabelModel
from socorpus.labeling.analysis import explain, lost_spans
from socorpus.labeling.schema import TASKS, Task
from tests import manifests
from tests.labeling import label_tables
from tests.labeling.label_tables import SITE

TEXT = "Use Apache Kafka Streams with numpy on port 8080 please."
KEY = f"{SITE}:2"


@pytest.fixture(scope="module", autouse=True)
def toys() -> Iterator[None]:
    yield


def _vote(function: str, label: str | None, span: tuple[int, int] | None = None, **more: Any) -> dict[str, Any]:
    start, end = span or (None, None)
    usual = {"version": 1, "source": "function", "evidence": "{}", "at": None, "seconds": None}
    return {
        **usual,
        "site": SITE,
        "post_id": 2,
        "function": function,
        "label": label,
        "start": start,
        "end": end,
        **more,
    }


def _person(label: str | None, span: tuple[int, int] | None = None, **evidence: Any) -> dict[str, Any]:
    more = {"source": "person", "evidence": json.dumps(evidence), "at": datetime(2026, 1, 1, tzinfo=UTC)}
    return _vote("person:7", label, span, **more)


def _corpus(
    root: Path, task: str, votes: Sequence[dict[str, Any]], facts: Sequence[str] = (), people: bool = True
) -> LabelModel:
    """A corpus of one post with its votes, labelled by the label model of these votes."""
    definition = TASKS[task]
    table = pa.Table.from_pylist(list(votes), schema=schema.VOTES)
    by_functions = [vote for vote in votes if vote["source"] == "function"]
    voters = list(dict.fromkeys(vote["function"] for vote in by_functions))
    model = counting.Counted([counting.count(table, voters, definition)], len(voters)).fit(voters, definition, facts)
    example = label_tables.example(2, TEXT)
    decided = table if people else pa.Table.from_pylist(by_functions, schema=schema.VOTES)
    examples = pa.Table.from_pylist([example], schema=schema.EXAMPLES)
    labels = decide.decide(examples, decided, model, definition).to_pylist()
    evident = [row | {"votes": [vote | {"evidence": "{}"} for vote in row["votes"]]} for row in labels]
    label_tables.write(root, task, [example], evident)
    path = root / schema.path(task, "votes", label_tables.BUCKET)
    parquet.write(path, pa.Table.from_pylist(by_functions, schema=schema.VOTES), schema.VOTES)
    words = [vote for vote in votes if vote["source"] == "person"]
    if words:
        parquet.write(root / schema.people_path(task), pa.Table.from_pylist(words, schema=schema.VOTES), schema.VOTES)
    files.write_json(root / steps.model_path(task), model.as_dict())
    functions = {name: {"version": 1, "votes": 1} for name in voters}
    entry = manifests.task(functions=functions)
    manifest_file.save(root, manifests.manifest(labels={task: entry}))
    return model


def _told(root: Path) -> list[str]:
    return [line.strip() for line in explain.lines(root, KEY)]


LONG, SHORT, LIBRARY, PORT = (4, 24), (11, 16), (30, 35), (44, 48)


def test_a_text_that_a_person_emptied_says_so_and_names_what_does_not_count(tmp_path: Path) -> None:
    found = [_vote("mine", "Library", LIBRARY), _vote("yours", "Value", PORT)]
    _corpus(tmp_path, "entities", [*found, _person(None, nothing=True)])
    told = _told(tmp_path)
    assert told[2].startswith("entities      no label")
    assert told[3].startswith("marked by person:7 (none in it): ")
    head = next(number for number, line in enumerate(told) if line.startswith("2 spans that only functions name"))
    assert told[head + 1].startswith("30-35 numpy: Library 0.") and told[head + 1].endswith("(Library by mine)")
    assert told[head + 2].startswith("44-48 8080: Value 0.") and "too unlikely" not in " ".join(told)


def test_spans_that_a_person_rejected_are_named_beside_those_that_stand(tmp_path: Path) -> None:
    found = [_vote("mine", "Library", LIBRARY), _vote("yours", "Value", PORT)]
    _corpus(tmp_path, "entities", [*found, _person("Library", LIBRARY)])
    told = _told(tmp_path)
    assert "marked by person:7 (1 span): in such a text only spans count that people marked" in told
    assert any(line.startswith("30-35 numpy: Library 1.000, by person") for line in told)
    head = next(number for number, line in enumerate(told) if line.startswith("1 span that only functions name"))
    assert told[head + 1].startswith("44-48 8080: Value 0.")


def test_labels_that_are_older_than_a_mark_say_so(tmp_path: Path) -> None:
    _corpus(tmp_path, "entities", [_vote("mine", "Library", LIBRARY), _person(None, nothing=True)], people=False)
    assert any("socorpus labeling apply brings them up to date" in line for line in _told(tmp_path))


def test_a_span_lost_to_another_names_the_winner_and_its_function(tmp_path: Path) -> None:
    found = [_vote("whole", "Library", LONG), _vote("part", "Class", SHORT), _vote("mine", "Library", LIBRARY)]
    _corpus(tmp_path, "entities", found)
    told = _told(tmp_path)
    head = told.index("1 span beside a likelier span, or as likely a longer one:")
    assert told[head + 1].startswith("11-16 Kafka: Class 0.")
    assert "(Class by part); won: 4-24 Apache Kafka Streams: Library 0." in told[head + 1]
    assert told[head + 1].endswith(" by whole")


def test_reasons_of_lost_spans_are_kept_apart() -> None:
    found = [
        *(_vote("learned", "Library", span, evidence=f'{{"p": {p}}}') for span, p in ((LONG, 0.9), (LIBRARY, 0.1))),
        _vote("learned", "Class", SHORT, evidence='{"p": 0.7}'),
        _vote("known_software", "Value", PORT),
    ]
    voters, task = ["learned", "known_software"], TASKS["entities"]
    table = pa.Table.from_pylist(found, schema=schema.VOTES)
    model = counting.Counted([counting.count(table, voters, task)], 2).fit(voters, task)
    assert model.method == "weigher"
    row = {"start": 4, "end": 24, "label": "Library", "probability": 0.9, "source": "function", "votes": found[:1]}
    lost = lost_spans.find(found, [row], None, model, task)
    assert [(span.start, span.why) for span in lost] == [
        (SHORT[0], lost_spans.OVERLAPPED),
        (LIBRARY[0], lost_spans.UNLIKELY),
        (PORT[0], lost_spans.UNHEARD),
    ]
    assert lost[0].winner == row and [span.probability for span in lost] == [
        pytest.approx(0.7),
        pytest.approx(0.1),
        None,
    ]
    nothing: dict[annotators.Place, annotators.Verdict] = {}
    assert {span.why for span in lost_spans.find(found, [], nothing, model, task)} == {lost_spans.UNMARKED}


def test_facts_are_shown_as_facts(tmp_path: Path) -> None:
    _corpus(tmp_path, "closure", [_vote("event", "open"), _vote("guess", "duplicate")], facts=["event"])
    told = _told(tmp_path)
    head = next(line for line in told if line.startswith("closure       open 0."))
    assert ", a fact by event; votes differ, duplicate 0." in head and "assumed" not in head
    assert "event: open, a fact (no evidence)" in told and "guess: duplicate (no evidence)" in told


def test_a_post_without_a_vote_says_which_functions_look_for_what(tmp_path: Path) -> None:
    _corpus(tmp_path, "quality", [])
    entry = manifests.task(functions={name: {"version": 1, "votes": 0} for name in ("well_received", "gone")})
    manifest_file.save(tmp_path, manifests.manifest(labels={"quality": entry}))
    told = _told(tmp_path)
    assert told[2].startswith("quality       no vote")
    assert told[3] == "none of the 2 functions of quality finds what it looks for:"
    assert told[4].startswith("well_received: HQ: a high score for its year") and told[5] == "gone"


def test_a_post_about_the_site_is_named_as_the_reason(tmp_path: Path) -> None:
    _corpus(tmp_path, "quality", [])
    names = {field.name: None for field in schema.FACTS}
    usual = {"thread_id": 2, "kind": "question", "closed_by": [], "by_owner": False, "closings": 0, "originals": []}
    facts = {**names, **usual, "site": SITE, "post_id": 2, "closed": False, "reopened": False, "duplicate": False}
    facts |= {"announcement": True, "self_evaluation": False, "meta": False}
    facts["evidence"] = json.dumps({"closed": [{"by": "history"}], "announcement": [{"by": "title"}]})
    path = tmp_path / schema.facts_path(label_tables.BUCKET)
    parquet.write(path, pa.Table.from_pylist([facts], schema=schema.FACTS), schema.FACTS)
    assert "it is an announcement, which quality's own functions do not judge" in _told(tmp_path)


def test_finding_lost_spans_does_not_need_the_weigher_of_a_task() -> None:
    task = Task("made", {"yes": "it is", "no": "it is not"}, unit="span")
    found = [_vote("a", "yes", (0, 4)), _vote("a", "yes", (2, 8))]
    table = pa.Table.from_pylist(found, schema=schema.VOTES)
    model = counting.Counted([counting.count(table, ["a"], task)], 1).fit(["a"], task)
    (lost,) = lost_spans.find(
        found, [{"start": 2, "end": 8, "source": "function", "probability": 0.8}], None, model, task
    )
    assert (lost.start, lost.why, lost.label) == (0, lost_spans.OVERLAPPED, "yes")


def test_a_tie_is_named_as_the_reason_for_no_label(tmp_path: Path) -> None:
    _corpus(tmp_path, "closure", [_vote("mine", "needs_focus"), _vote("yours", "duplicate")])
    told = _told(tmp_path)
    assert told[2].startswith("closure       no label")
    (line,) = [line for line in told if line.endswith(" are as likely: a tie gives no label")]
    assert sorted(part.split()[0] for part in line.split(" and ")) == ["duplicate", "needs_focus"]
