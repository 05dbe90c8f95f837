"""The scorer on cases counted by hand; overlaps resolved."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.labeling.tasks.entities.spans import Counts, Span, resolve, score

A, B, C = Span(0, 3, "Class"), Span(4, 8, "Value"), Span(9, 12, "Class")


def test_a_hand_counted_case() -> None:
    gold = [[A, B], [C], []]
    predicted = [[A, Span(4, 8, "Variable")], [Span(9, 11, "Class")], [Span(0, 1, "Value")]]
    scores = score(gold, predicted)
    # Right: A. A wrong type, a wrong end, and one where nothing is.
    assert scores.micro == Counts(right=1, predicted=4, gold=3)
    assert scores.micro.precision == 1 / 4
    assert scores.micro.recall == 1 / 3
    assert scores.micro.f1 == pytest.approx(2 * (1 / 4) * (1 / 3) / (1 / 4 + 1 / 3))
    assert scores.types == {"Class": Counts(1, 2, 2), "Value": Counts(0, 1, 1), "Variable": Counts(0, 1, 0)}


def test_the_same_span_in_another_text_is_wrong() -> None:
    assert score([[A], []], [[], [A]]).micro == Counts(0, 1, 1)


def test_repeated_spans_count_once() -> None:
    assert score([[A, A]], [[A, A, A]]).micro == Counts(1, 1, 1)


def test_types_that_are_left_out_count_neither_as_gold_nor_as_prediction() -> None:
    code = Span(20, 30, "Code_Block")
    assert score([[A, code]], [[A, Span(0, 3, "Code_Block")]]).micro == Counts(1, 1, 1)
    assert score([[A, code]], [[A, code]], leave_out=()).micro == Counts(2, 2, 2)
    assert score([[A, B]], [[A, B]], only=("Value",)).micro == Counts(1, 1, 1)


def test_nothing_predicted_or_nothing_to_find_is_zero() -> None:
    assert score([[A]], [[]]).micro.f1 == score([[]], [[A]]).micro.f1 == score([[]], [[]]).micro.f1 == 0


def test_different_numbers_of_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        score([[A]], [])


def test_the_heavier_the_longer_the_earlier_wins() -> None:
    long, short = Span(0, 5, "Value"), Span(3, 4, "Class")
    assert resolve([(short, 2), (long, 1)]) == [short]
    assert resolve([(short, 1), (long, 1)]) == [long]
    assert resolve([(Span(2, 4, "Value"), 1), (Span(1, 3, "Value"), 1)]) == [Span(1, 3, "Value")]
    # Two that agree stand above one that is heavier than either.
    assert resolve([(A, 1), (A, 1), (Span(0, 4, "Value"), 1.5)]) == [A]
    assert resolve([(Span(2, 2, "Value"), 9)]) == []


SPANS = st.builds(
    lambda start, length, label: Span(start, start + length, label),
    st.integers(0, 30),
    st.integers(0, 8),
    st.sampled_from(("Class", "Value")),
)


@given(st.lists(st.tuples(SPANS, st.floats(0.1, 5)), max_size=12), st.randoms())
def test_what_is_resolved_is_apart_maximal_and_independent_of_order(found: list[tuple[Span, float]], random) -> None:  # type: ignore[no-untyped-def]
    kept = resolve(found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(kept))
    for span, _ in found:
        if span.start < span.end:
            assert any(span.start < one.end and one.start < span.end for one in kept)
    shuffled = list(found)
    random.shuffle(shuffled)
    assert resolve(shuffled) == kept
    assert resolve((span, 1) for span in kept) == kept


@given(st.lists(st.lists(SPANS, max_size=6), min_size=1, max_size=4))
def test_a_perfect_prediction_scores_one(texts: list[list[Span]]) -> None:
    counts = score(texts, texts).micro
    assert counts.right == counts.predicted == counts.gold
    assert counts.f1 == (1 if counts.gold else 0)
