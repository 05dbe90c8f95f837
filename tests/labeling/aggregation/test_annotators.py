"""People's votes: the last word of each, majorities, divided people, spans."""

from datetime import UTC, datetime
from typing import Any

from socorpus.labeling.aggregation import annotators
from socorpus.labeling.aggregation.annotators import Verdict


def word(
    post: int, person: str, label: str | None, span: tuple[int, int] | None = None, day: int = 1
) -> dict[str, Any]:
    start, end = span or (None, None)
    at = datetime(2026, 1, day, tzinfo=UTC)
    return {"post_id": post, "start": start, "end": end, "function": person, "label": label, "evidence": "{}", "at": at}


def test_the_last_word_of_a_person_counts() -> None:
    rows = [word(1, "a", "HQ", day=3), word(1, "a", "LQ_EDIT", day=2), word(1, "b", "HQ"), word(2, "a", "HQ")]
    assert [(w["post_id"], w["function"], w["label"]) for w in annotators.last_words(rows)] == [
        (1, "a", "HQ"),
        (1, "b", "HQ"),
        (2, "a", "HQ"),
    ]


def test_a_word_without_a_time_is_older_than_one_with() -> None:
    rows = [word(1, "a", "HQ"), {**word(1, "a", "LQ_EDIT"), "at": None}]
    assert annotators.of_texts(rows) == {1: Verdict("HQ", False)}


def test_the_most_decide_and_a_tie_is_divided() -> None:
    rows = [word(1, who, label) for who, label in (("a", "x"), ("b", "x"), ("c", "y"))]
    rows += [word(2, "a", "x"), word(2, "b", "y")]
    rows += [word(3, "a", "x"), word(3, "b", None)]
    rows += [word(4, "a", None)]
    assert annotators.of_texts(rows) == {1: Verdict("x", False), 2: Verdict(None, True), 3: Verdict("x", False)}


def test_a_changed_mind_ends_a_tie() -> None:
    rows = [word(1, "a", "x"), word(1, "b", "y"), word(1, "b", "x", day=2)]
    assert annotators.of_texts(rows) == {1: Verdict("x", False)}
    # Who takes everything back by a later skip has no say.
    assert annotators.of_texts([word(1, "a", "x"), word(1, "a", None, day=2)]) == {}


def test_a_span_stands_if_more_than_half_of_the_markers_have_it() -> None:
    rows = [
        word(1, "a", "Name", (0, 4)),
        word(1, "b", "Name", (0, 4)),
        word(1, "c", "Class", (0, 4)),
        word(1, "a", "Name", (9, 12)),
    ]
    # The second span: one of three.
    assert annotators.of_spans(rows) == {1: {(0, 4): Verdict("Name", False)}}


def test_half_of_the_markers_are_divided_and_so_are_two_labels() -> None:
    rows = [word(1, "a", "Name", (0, 4)), word(1, "b", "Name", (6, 8)), word(1, "b", "Class", (0, 4))]
    found = annotators.of_spans(rows)
    assert found == {1: {(0, 4): Verdict(None, True), (6, 8): Verdict(None, True)}}


def test_who_skips_marks_nothing_and_who_finds_nothing_does() -> None:
    nothing = {**word(1, "b", None), "evidence": '{"nothing": true}'}
    assert annotators.of_spans([word(1, "a", "Name", (0, 4)), word(1, "b", None)]) == {
        1: {(0, 4): Verdict("Name", False)}
    }
    assert annotators.of_spans([word(1, "a", "Name", (0, 4)), nothing]) == {1: {(0, 4): Verdict(None, True)}}
    assert annotators.of_spans([nothing]) == {1: {}}
    assert annotators.of_spans([word(1, "a", None)]) == {}


def adjudicated(post: int, person: str, label: str | None, span: tuple[int, int] | None = None) -> dict[str, Any]:
    return {**word(post, person, label, span), "evidence": '{"adjudicated": true}'}


def test_a_verdict_of_adjudication_stands_above_single_judgements_and_their_later_changes() -> None:
    rows = [word(1, "a", "x"), word(1, "b", "x", day=9), word(1, "c", "z"), adjudicated(1, "a", "y")]
    rows += [word(2, "a", "x"), word(2, "b", "y"), adjudicated(2, "c", None)]  # skipped: no verdict
    assert annotators.of_texts(rows) == {1: Verdict("y", False), 2: Verdict(None, True)}
    assert len(annotators.last_words(annotators.first_round(rows))) == 5
    assert annotators.disputed(rows, spans=False) == {1: {"a": "x", "b": "x", "c": "z"}, 2: {"a": "x", "b": "y"}}


def test_adjudicated_spans_replace_all_marks_of_a_text() -> None:
    rows = [word(1, "a", "x", (0, 3)), word(1, "a", "x", (4, 6)), word(1, "b", "x", (0, 3))]
    assert annotators.disputed(rows, spans=True) == {
        1: {"a": frozenset({(0, 3, "x"), (4, 6, "x")}), "b": frozenset({(0, 3, "x")})}
    }
    settled = [*rows, adjudicated(1, "c", "y", (7, 9))]
    assert annotators.of_spans(settled) == {1: {(7, 9): Verdict("y", False)}}
    nothing = {**adjudicated(1, "c", None), "evidence": '{"adjudicated": true, "nothing": true}'}
    assert annotators.of_spans([*rows, nothing]) == {1: {}}
    agreed = [word(2, "a", "x", (0, 3)), word(2, "b", "x", (0, 3))]
    assert annotators.disputed(agreed, spans=True) == {}
