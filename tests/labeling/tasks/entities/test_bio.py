"""BIO tags over any offsets, over words, and over the corpus's own tokens."""

from functools import lru_cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.corpus.tokenizer import bpe
from socorpus.labeling.tasks.entities import bio
from socorpus.labeling.tasks.entities.spans import Span

TEXT = "I can't use Qt 5.2, cannot I?"


def test_words_as_in_conll_files() -> None:
    assert [TEXT[a:b] for a, b in bio.words("can't cannot")] == [
        TEXT[a:b] for a, b in [(0, 3), (3, 4), (4, 5), (6, 12)]
    ]
    offsets = bio.words(TEXT)
    tags = bio.tags([Span(12, 14, "Library"), Span(15, 18, "Version")], offsets)
    shown = [(TEXT[a:b], tag) for (a, b), tag in zip(offsets, tags, strict=True) if tag != "O"]
    assert shown == [("Qt", "B-Library"), ("5", "B-Version"), (".", "I-Version"), ("2", "I-Version")]
    assert bio.spans(tags, offsets) == [Span(12, 14, "Library"), Span(15, 18, "Version")]


def test_a_span_takes_the_tokens_that_it_touches_and_no_other() -> None:
    offsets = [(0, 3), (4, 8), (8, 9)]
    assert bio.tags([Span(2, 5, "Value")], offsets) == ["B-Value", "I-Value", "O"]
    assert bio.tags([Span(3, 4, "Value")], offsets) == ["O", "O", "O"]
    # Two that touch one token: the first keeps it.
    assert bio.tags([Span(0, 5, "Value"), Span(6, 9, "Class")], offsets) == ["B-Value", "I-Value", "B-Class"]


def test_spans_side_by_side_stay_apart_and_a_stray_i_begins_one() -> None:
    offsets = [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert bio.spans(["B-A", "B-A", "I-A", "I-B"], offsets) == [Span(0, 1, "A"), Span(1, 3, "A"), Span(3, 4, "B")]
    assert bio.spans(["I-A", "O", "I-A", "I-A"], offsets) == [Span(0, 1, "A"), Span(2, 4, "A")]


def test_tags_of_another_text_are_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        bio.spans(["O"], [(0, 1), (1, 2)])


@st.composite
def tagged(draw: Any) -> tuple[list[tuple[int, int]], list[Span]]:
    """Offsets of tokens with gaps, and spans that begin and end with tokens."""
    at, offsets = 0, []
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=14)):
        offsets.append((at + gap, at + gap + length))
        at += gap + length
    spans, first = [], 0
    for skip, count, label in draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from(("A", "B"))), max_size=6)
    ):
        if first + skip + count <= len(offsets):
            spans.append(Span(offsets[first + skip][0], offsets[first + skip + count - 1][1], label))
            first += skip + count
    return offsets, spans


@given(tagged())
def test_spans_of_whole_tokens_come_back(example: tuple[list[tuple[int, int]], list[Span]]) -> None:
    offsets, spans = example
    assert bio.spans(bio.tags(spans, offsets), offsets) == spans


@given(st.text(max_size=60), st.data())
def test_words_cover_all_but_white_space(text: str, data: st.DataObject) -> None:
    offsets = bio.words(text)
    covered = {at for start, end in offsets for at in range(start, end)}
    assert all((at in covered) != char.isspace() for at, char in enumerate(text))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    widened = bio.spans(bio.tags([Span(start, end, "A")], offsets), offsets) if start < end else []
    if text[start:end].strip():
        (one,) = widened
        assert text[one.start : one.end].strip() and one.start <= start + 1 + len(text[start:end])
        assert {at for at in range(start, end) if at in covered} <= set(range(one.start, one.end))
    else:
        assert widened == []


@lru_cache(maxsize=1)
def tokenizer() -> Any:
    texts = ["the function foo() returns a naïve 日本 string", "Ubuntu 16.04 and Python 3.6 can't 👩‍👧 e\u0301"] * 20
    return bpe.train(texts, 400)


@given(st.text(alphabet=st.sampled_from("abc ï日本👩\u0301\n.'אa1"), max_size=40))
def test_offsets_of_the_corpus_s_own_tokens(text: str) -> None:
    made = tokenizer()
    (ids,) = bpe.encode(made, pa.array([text])).to_pylist()
    offsets = bio.token_offsets(text, ids, bpe.byte_lengths(made))
    encoded = made.encode(text, add_special_tokens=False)
    assert encoded.ids == ids
    assert len(offsets) == len(ids)
    # The library's own offsets, which are of whole characters too.
    assert offsets == encoded.offsets
    for start in range(len(text)):
        span = Span(start, start + 1, "Value")
        (back,) = bio.spans(bio.tags([span], offsets), offsets)
        assert back.start <= span.start and back.end >= span.end


def test_ids_of_another_text_are_refused() -> None:
    made = tokenizer()
    (ids,) = bpe.encode(made, pa.array(["a text"])).to_pylist()
    with pytest.raises(ValueError, match="stand for 6 bytes, the text has 7"):
        bio.token_offsets("a texts", ids, bpe.byte_lengths(made))
    assert bio.token_offsets("", [], bpe.byte_lengths(made)) == []
