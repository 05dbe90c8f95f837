"""What people's verdicts change of a weigher's probabilities, and how a span's label comes from the votes."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from socorpus.labeling.aggregation import dawid_skene, decide, vote_matrix, weighed
from socorpus.labeling.aggregation.weighed import Judged
from socorpus.labeling.schema import VOTES, Task, Weigher

TASK = Task(
    "toy", {"Tool": "a tool", "Word": "a word"}, unit="span", weigher=lambda: Weigher("learned", ("names",), 0.3)
)
TEXT = "git and zip and git"
FUNCTIONS = ["names", "learned", "plugin"]


def _vote(
    function: str, start: int, end: int, label: str | None, p: float | None = None, post: int = 1
) -> dict[str, Any]:
    person = function.startswith("person")
    evidence = {"rule": "learned", "p": p} if p is not None else {}
    row = {"site": "s", "post_id": post, "start": start, "end": end, "function": function, "version": 1, "label": label}
    return {**row, "source": "person" if person else "function", "evidence": json.dumps(evidence)}


def _decided(votes: list[dict[str, Any]], corrections: weighed.Corrections = weighed.NOTHING) -> list[dict[str, Any]]:
    table = pa.Table.from_pylist(votes, schema=VOTES)
    matrix = vote_matrix.gather(table, FUNCTIONS, TASK)
    model = dawid_skene.fit(*dawid_skene.distinct(matrix.votes, np.ones(len(matrix), np.int64)), FUNCTIONS, TASK.labels)
    return decide.decide(_examples(), table, model, TASK, corrections).to_pylist()


def _examples() -> pa.Table:
    return pa.table({"site": ["s"], "post_id": [1], "thread_id": [1], "split": ["train"], "text": [TEXT]})


def test_a_weigher_says_which_spans_are_labels_and_how_likely() -> None:
    rows = _decided(
        [
            _vote("names", 0, 3, "Tool"),
            _vote("learned", 0, 3, "Tool", 0.83),
            _vote("names", 8, 11, "Tool"),  # it has no vote for this one, and the function is one that it knows
            _vote("learned", 16, 19, "Word", 0.21),
        ]
    )
    assert [(row["start"], row["label"], round(row["probability"], 2)) for row in rows] == [(0, "Tool", 0.83)]
    assert sum(rows[0]["probabilities"]) == pytest.approx(0.83)


def test_functions_that_a_weigher_does_not_know_and_people_count_too() -> None:
    votes = [
        _vote("learned", 0, 3, "Tool", 0.4),
        _vote("plugin", 0, 3, "Tool"),
        _vote("plugin", 8, 11, "Word"),
        _vote("names", 16, 19, "Word"),
    ]
    rows = {row["start"]: row for row in _decided(votes)}
    assert set(rows) == {0, 8} and rows[0]["probability"] > 0.5
    judged = {row["start"]: row for row in _decided([*votes, _vote("person:a", 16, 19, "Word")])}
    assert set(judged) == {16} and judged[16]["source"] == "person" and judged[16]["probability"] == 1


def test_verdicts_come_from_texts_that_people_marked() -> None:
    votes = [
        _vote("learned", 0, 3, "Tool", 0.6),
        _vote("learned", 8, 11, "Tool", 0.7),
        _vote("person:a", 0, 3, "Tool"),
    ]
    rows = weighed.judged(_examples(), pa.Table.from_pylist(votes, schema=VOTES), TASK)
    assert [row.verdict for row in rows] == [Judged("Tool", "git", 0.6, 1.0, 1.0), Judged("Tool", "zip", 0.7, 0.0, 1.0)]
    assert weighed.judged(_examples(), pa.Table.from_pylist(votes[:2], schema=VOTES), TASK) == []


def test_judgements_of_names_take_the_probability_of_their_mentions() -> None:
    votes = [
        _vote("learned", 0, 3, "Tool", 0.6),
        _vote("learned", 8, 11, "Tool", 0.7),
        _vote("learned", 16, 19, "Tool", 0.8),
        _vote("names", 4, 7, "Tool"),
    ]
    table = pa.Table.from_pylist(votes, schema=VOTES)
    weigher = Weigher("learned", ("names",), 0.65)
    names = [("Tool", "git"), ("Tool", "zip"), ("Tool", "and"), ("Word", "git")]
    # "git" is mentioned twice, once below the lowest probability of a label.
    assert weighed.mentioned(_examples(), table, weigher, names) == {"Tool git": [1, 0.8], "Tool zip": [1, 0.7]}

    usual = {"label": "Tool", "name": "git", "function": "person:a", "times": 3, "at": 1}
    rows = [
        {**usual, "right": 0},
        {**usual, "right": 3, "at": 2},  # the last word of a person
        {**usual, "right": 2, "function": "person:b"},
        {**usual, "right": 3, "name": "gone"},
    ]
    mentions = [{"Tool git": [1, 0.8]}, {"Tool git": [3, 1.6]}]
    (verdict,) = weighed.of_names(rows, mentions)
    assert verdict[:2] == ("Tool", "git") and verdict.times == 3
    assert verdict.probability == pytest.approx(0.6) and verdict.right == pytest.approx(2.5)


def test_corrections_change_what_is_alike_and_little_by_little() -> None:
    wrong = [Judged("Tool", "zip", 0.7, 0.0, 1.0)] * 12
    corrections = weighed.fit([*wrong, Judged("Word", "git", 0.6, 1.0, 1.0)])
    assert corrections.names["Tool zip"] < corrections.types["Tool"] < 0 < corrections.types["Word"]
    assert weighed.from_dict(json.loads(json.dumps(corrections.as_dict()))).verdicts == 13
    votes = [_vote("learned", 0, 3, "Tool", 0.7), _vote("learned", 8, 11, "Tool", 0.7)]
    before, after = (_decided(votes, one) for one in (weighed.NOTHING, corrections))
    assert [row["start"] for row in before] == [0, 8]
    assert all(row["probability"] < 0.7 for row in after) and 8 not in {row["start"] for row in after}
    few = weighed.fit(wrong[:1])
    assert 0 > few.types["Tool"] > corrections.types["Tool"]
    assert weighed.fit([]) == weighed.NOTHING


def test_probabilities_are_measured_on_verdicts_that_did_not_correct_them() -> None:
    random = np.random.default_rng(5)
    # Stated at 0.8, and right in half of the cases, whatever the name.
    spans = [
        weighed.JudgedSpan(Judged("Tool", f"name{number}", 0.8, float(number % 2), 1.0), int(random.integers(5)), True)
        for number in range(400)
    ]
    measured = weighed.measure(spans, [], 0.3)
    assert measured is not None and measured["judged"] == measured["blind"] == 400 and measured["only_blind"]
    assert measured["accuracy"] == 0.5 and measured["ece"] < 0.05
    assert measured["log_loss"] == pytest.approx(measured["constant"], abs=0.02)
    assert sum(row["items"] for row in measured["reliability"]) == 400
    assert weighed.measure(spans[:10], [], 0.3) is None
    assert weighed.measure(spans, [], 0.7) is None  # corrected, none of them is a label


def test_judged_names_tell_right_spans_from_wrong_ones_that_nobody_judged() -> None:
    # 300 names, each right or wrong nearly everywhere, all stated at about the same probability.
    random = np.random.default_rng(3)
    names = [(f"name{number}", random.random() < 0.6) for number in range(300)]
    spans = [
        Judged("Tool", name, float(random.uniform(0.5, 0.7)), float(random.random() < (0.9 if good else 0.1)), 1.0)
        for name, good in names
        for _ in range(6)
    ]
    # People judged 200 names, one verdict in ten of which is an error.
    verdicts = [
        Judged("Tool", name, 0.6, 3.0 * (good if random.random() < 0.9 else not good), 3.0)
        for name, good in names[:200]
    ]
    corrections = weighed.fit(verdicts)
    stated = np.array([span.probability for span in spans])
    odds = np.log(stated / (1 - stated))
    odds += [corrections.every + corrections.names.get(f"Tool {span.name}", 0.0) for span in spans]
    right = np.array([span.right for span in spans]) > 0

    def area(score: Any) -> float:
        return float((score[right][:, None] > score[~right][None]).mean())

    assert area(stated) < 0.55 and area(odds) > 0.7

    def loss(p: Any) -> float:
        return float(-np.log(np.where(right, p, 1 - p)).mean())

    assert loss(1 / (1 + np.exp(-odds))) < min(loss(stated), loss(np.full(len(right), right.mean())))
