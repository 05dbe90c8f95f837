"""Queries: what they find, in which order, page by page; what they refuse; how they are stopped."""

import threading
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from socorpus.corpus import Corpus
from socorpus.corpus.errors import InputError
from socorpus.labeling.workbench import searching
from socorpus.labeling.workbench.column_store import ColumnStore
from socorpus.labeling.workbench.opening import Opened
from socorpus.labeling.workbench.queries import Query
from socorpus.labeling.workbench.searching import Answer, Searching
from tests.labeling.workbench.conftest import DIFFERING


def found(opened: Opened, after: Any = None, most: int = searching.PAGE, **fields: str) -> Answer:
    """The last step of a query."""
    *_, last = opened.searching.steps(opened.searching.plan(Query(**fields)), after, most)
    return last


def posts(opened: Opened, answer: Answer) -> list[int]:
    return [place.post_id for place in opened.store.places(answer.rows)]


def rows(opened: Opened) -> list[dict[str, Any]]:
    """All documents with what is known of each, in Python."""
    corpus = Corpus(opened.root)
    tables = [corpus.documents, corpus.decisions, corpus.signals["statistics"], corpus.signals["language"]]
    columns: dict[str, list[Any]] = {}
    for table in tables:
        columns |= {name: values for name, values in table.to_table().to_pydict().items() if name not in columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({}, lambda row: True),
        ({"where": "score > 0 AND words < 100"}, lambda row: row["score"] > 0 and row["words"] < 100),
        ({"where": "score >= 0 -- a remark"}, lambda row: row["score"] >= 0),
        ({"where": "title LIKE 'Question%'"}, lambda row: (row["title"] or "").startswith("Question")),
        ({"where": "probability > 0.5"}, lambda row: (row["probability"] or 0) > 0.5),
        ({"kind": "answer"}, lambda row: row["kind"] == "answer"),
        ({"tag": "hops"}, lambda row: "hops" in row["tags"]),
        ({"tag": "none of them"}, lambda row: False),
        ({"decision": "kept"}, lambda row: row["keep"]),
        ({"decision": "dropped"}, lambda row: not row["keep"]),
        ({"decision": "few_words"}, lambda row: row["reason"] == "few_words"),
        ({"lowest": "1", "highest": "9"}, lambda row: 1 <= row["score"] <= 9),
        ({"since": "2021-03-10", "until": "2021-03-20"}, lambda row: 10 <= row["created"].day <= 20),
        ({"text": "YEAST had nothing"}, lambda row: "yeast had nothing" in row["text"].lower()),
        ({"text": r"y[e]ast\s+had", "regex": "1"}, lambda row: "yeast had" in row["text"]),
        (
            {"text": "question 1"},
            lambda row: "question 1" in row["text"].lower() or "question 1" in (row["title"] or "").lower(),
        ),
        (
            {"text": "skunk", "where": "length(text) > 500", "kind": "question"},
            lambda row: "skunk" in row["text"] and len(row["text"]) > 500,
        ),
    ],
)
def test_a_query_finds_what_fits(opened: Opened, fields: dict[str, str], fits: Any) -> None:
    expected = [row["post_id"] for row in rows(opened) if fits(row)]
    answer = found(opened, most=1000, **fields)
    assert posts(opened, answer) == expected
    assert answer.hits == len(expected) and answer.whole and not answer.more
    if fields.get("since"):
        assert expected and all(row["created"].month == 3 for row in rows(opened) if row["post_id"] in expected)


@pytest.mark.parametrize("text", ["", "beer"])
@pytest.mark.parametrize(
    ("sort", "down", "value"),
    [
        ("", "", None),
        ("documents.score", "1", "score"),
        ("documents.score", "", "score"),
        ("decisions.reason", "", "reason"),
        ("documents.closed", "1", "closed"),
        ("language.probability", "1", "probability"),
    ],
)
def test_pages_follow_one_another_without_gap_or_repeat(
    opened: Opened, sort: str, down: str, value: str | None, text: str
) -> None:
    seen: list[int] = []
    after = None
    for _ in range(40):
        page = found(opened, after, 3, sort=sort, down=down, text=text)
        seen += posts(opened, page)
        if not page.more:
            break
        after = page.after
    known = [
        row
        for row in rows(opened)
        if text in row["text"].lower() or (row["kind"] == "question" and text in row["title"].lower())
    ]
    assert len(seen) == len(set(seen)) == len(known)
    if value is not None:
        by_post = {row["post_id"]: row[value] for row in known}
        values = [by_post[post] for post in seen]
        given = [one for one in values if one is not None]
        assert values == sorted(given, reverse=bool(down)) + [None] * (len(values) - len(given))


def test_labels_are_beside_the_documents(opened: Opened) -> None:
    labels = Corpus(opened.root).labels("toy").to_table()
    for label in ("good", "bad"):
        chosen = labels.filter(pc.equal(labels["label"], label))
        answer = found(opened, most=1000, task="toy", label=label)
        assert sorted(posts(opened, answer)) == sorted(chosen["post_id"].to_pylist())
    examples = Corpus(opened.root).labels("toy", "examples").to_table()
    assert found(opened, where="toy.example").hits == examples.num_rows
    spans = Corpus(opened.root).labels("toy_spans").to_table()
    answer = found(opened, most=1000, where="toy_spans.spans > 0")
    assert sorted(posts(opened, answer)) == sorted(set(spans["post_id"].to_pylist()))


def test_the_nearest_to_a_threshold_come_first(opened: Opened) -> None:
    names = {threshold.name: threshold for threshold in opened.searching.thresholds}
    assert names["rule:too_short"].number == 3 and names["rule:few_words:0"].number == 9
    assert {"rule:few_words:1", "task:toy", "task:toy_spans"} <= set(names)
    answer = found(opened, most=6, near="rule:too_short")
    words = {row["post_id"]: row["words"] for row in rows(opened)}
    assert answer.values == sorted(abs(value - 3) for value in words.values())[:6]
    assert [abs(words[post] - 3) for post in posts(opened, answer)] == answer.values
    other = found(opened, most=6, near="rule:too_short", threshold="20")
    assert other.values == sorted(abs(value - 20) for value in words.values())[:6]
    tied = found(opened, near="task:toy")
    assert tied.hits == Corpus(opened.root).labels("toy").count_rows() and tied.values == sorted(tied.values or [])
    probable = found(opened, near="task:toy", threshold="0.9")
    assert probable.values == sorted(probable.values or []) != tied.values


def test_functions_that_disagree(opened: Opened) -> None:
    votes = Corpus(opened.root).labels("toy", "votes").to_table().to_pylist()
    by: dict[str, dict[int, str]] = {}
    for vote in votes:
        by.setdefault(vote["function"], {})[vote["post_id"]] = vote["label"]
    differing = [post for post, label in by["high_score"].items() if by["code_speaks"].get(post, label) != label]
    answer = found(opened, task="toy", first="high_score", second="code_speaks")
    assert DIFFERING in differing and sorted(posts(opened, answer)) == sorted(differing)
    assert answer.disagreement is not None
    assert answer.disagreement.pairs == {("good", "bad"): len(differing)}
    only = found(opened, task="toy", first="high_score", second="code_speaks", second_label="good")
    assert only.hits == 0


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"where": "read_csv('/etc/passwd')"}, "makes rows"),
        ({"where": "score > (SELECT count(*) FROM read_text('/etc/passwd'))"}, "a subquery"),
        ({"where": "score > 0; ATTACH 'other.db'"}, "not an expression"),
        ({"where": "score > 0; COPY (SELECT 1) TO '/tmp/copied'"}, "not an expression"),
        ({"where": "ATTACH 'other.db'"}, "reads no column"),
        ({"where": "SET enable_external_access = true"}, "not an expression"),
        ({"where": "1) OR (1 = 1"}, "not an expression"),
        ({"where": "current_setting('threads') = '9'"}, "does not always answer the same"),
        ({"where": "getenv('HOME') = 'x' AND score > 0"}, "getenv"),
        ({"where": "words"}, "not true or false"),
        ({"where": "scor > 1"}, "did you mean score"),
        ({"where": "length(repeat(text, 1000000000)) > score"}, "where: "),
        ({"where": "x" * 10_001}, "at most 10,000 characters"),
        ({"site": "' OR true --"}, None),
        ({"tag": "' OR true --"}, None),
        ({"text": "' OR true --"}, None),
        ({"decision": "' OR true --"}, None),
        ({"text": "(", "regex": "1"}, "text: "),
        ({"since": "yesterday"}, "a day is expected"),
        ({"lowest": "1 OR true"}, "a number is expected"),
        ({"sort": "documents.text"}, "column of texts"),
        ({"sort": "documents.nothing"}, "no column"),
        ({"sort": 'documents.score" --'}, "no column"),
        ({"near": "rule:nothing"}, "no threshold"),
        ({"near": "rule:too_short", "threshold": "many"}, "a number is expected"),
        ({"task": "mood"}, "no labels of 'mood'"),
        ({"label": "good"}, "choose the task"),
        ({"task": "toy_spans", "label": "Name"}, "labels of toy_spans are of spans"),
        ({"task": "toy", "first": "high_score"}, "choose two"),
    ],
)
def test_what_is_no_query_is_refused(opened: Opened, fields: dict[str, str], says: str | None) -> None:
    if says is None:
        assert found(opened, **fields).hits == 0
        return
    with pytest.raises(InputError, match=says):
        Query.of(fields)
        found(opened, **fields)


def test_a_search_tells_how_far_it_is_and_stops_at_a_full_page(opened: Opened) -> None:
    plan = opened.searching.plan(Query(text="skunk"))
    steps = [(step.done, len(step.rows)) for step in opened.searching.steps(plan, None, 5)]
    assert steps[-1][1] == 5
    sorted_plan = opened.searching.plan(Query(text="skunk", sort="documents.score"))
    done = [step.done for step in opened.searching.steps(sorted_plan, None, 5)]
    assert done[-1] == 1.0


def test_an_evaluation_ends_when_it_is_stopped_or_takes_too_long(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "SELECT sum(sin(range)) > 0 AS holds FROM range(1000000000000)"
    threading.Timer(0.3, opened.searching.stop).start()
    with pytest.raises(InputError, match="where: stopped, since nobody waits for it"):
        opened.searching._asked("where", endless, {})
    monkeypatch.setattr(searching, "SECONDS", 0.3)
    with pytest.raises(InputError, match=r"where: stopped, since it took more than 0\.3 s"):
        opened.searching._asked("where", endless, {})
    monkeypatch.undo()
    assert found(opened, where="score > 5").hits > 0


def test_what_does_not_fit_into_memory_is_read_block_by_block(opened: Opened) -> None:
    small = ColumnStore(opened.store.tree, opened.facts, opened.tasks, most_bytes=100)
    asked = Searching(opened.root, small, opened.facts, opened.tasks)
    for fields in ({"where": "score > 0 AND words < 100"}, {"where": "score > 0", "task": "toy", "label": "good"}):
        plan = asked.plan(Query(**fields))
        assert plan.wide
        *_, answer = asked.steps(plan, None, 1000)
        assert answer.rows == found(opened, most=1000, **fields).rows


def test_columns_that_were_not_used_longest_make_room(opened: Opened) -> None:
    rows_ = opened.store.rows
    small = ColumnStore(opened.store.tree, opened.facts, opened.tasks, most_bytes=rows_ * 14)
    for column in ("score", "comments", "created", "score"):
        small.load({"documents": [column]})
    assert ("documents", "created") in small._columns and ("documents", "comments") not in small._columns
    assert np.array_equal(small.column("documents", "comments"), opened.store.column("documents", "comments"))


def test_keys_of_a_sample_are_examples_in_the_order_of_the_query(opened: Opened) -> None:
    query = Query(where="score > -100", sort="documents.score", down="1")
    keys = opened.searching.keys(query, 4, "toy")
    examples = set(Corpus(opened.root).labels("toy", "examples").to_table()["post_id"].to_pylist())
    score = {row["post_id"]: row["score"] for row in rows(opened)}
    numbers = [int(key.rpartition(":")[2]) for key in keys]
    assert len(keys) == 4 and set(numbers) <= examples and numbers[0] == DIFFERING
    assert [score[number] for number in numbers] == sorted((score[number] for number in examples), reverse=True)[:4]
    rest = opened.searching.keys(query, 3, "toy", frozenset(keys[:1]))
    assert rest == keys[1:4]
    assert opened.searching.keys(Query(where="post_id = 1000"), 5, "toy") == []
