"""Counts of characters, words and code, held against the plain definition."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus import schema
from socorpus.corpus.signals import statistics
from socorpus.corpus.words import words
from tests.corpus import making


def test_counts() -> None:
    parts = [
        ("prose", "Ünïcode here:"),
        ("code", "int x_1 = 2;"),
        ("quote", "says he"),
        ("inline_code", "x_1"),
        ("code", "y"),
        ("comment", "many more words that do not count"),
    ]
    made = statistics.find(making.documents([{"parts": parts}, {"text": ""}]))
    schema.check(made.schema, schema.SIGNALS["statistics"], "statistics")
    first, empty = made.to_pylist()
    assert first["chars"] == 13 + 12 + 7 + 3 + 1 + 4
    assert first["words"] == 2 + 3 + 2 + 1 + 1
    assert (first["prose_chars"], first["code_chars"], first["code_blocks"]) == (20, 16, 2)
    assert first["code_share"] == pytest.approx(16 / 40)
    assert list(empty.values())[2:] == [0, 0, 0, 0, 0, 0.0]


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(schema.SEGMENT_KINDS[:4]), st.text(min_size=1)), min_size=1), max_size=6
    )
)
def test_equals_the_definition(rows: list[list[tuple[str, str]]]) -> None:
    table = making.documents([{"parts": [*parts, ("comment", "five words of a comment")]} for parts in rows])
    for own, made in zip(rows, statistics.find(table).to_pylist(), strict=True):
        text = "\n".join(piece for _, piece in own)
        assert made["words"] == words.count(text)
        assert made["code_chars"] == sum(len(piece) for kind, piece in own if "code" in kind)
        assert made["prose_chars"] == sum(len(piece) for kind, piece in own if "code" not in kind)
        assert made["code_blocks"] == sum(kind == "code" for kind, _ in own)


def test_real_sites(real_data: Path) -> None:
    for folder in making.sites(real_data)[:5]:
        table = making.real(folder)
        made = statistics.find(table)
        own = [text[:end] for text, end in zip(table["text"].to_pylist(), table["own_end"].to_pylist(), strict=True)]
        assert made["chars"].to_pylist() == [len(text) for text in own]
        assert made["words"].to_pylist() == [words.count(text) for text in own]
        assert max(made["code_share"].to_pylist()) <= 1
        pieces = statistics.find(table.slice(3, 40))
        assert pieces.to_pylist() == made.to_pylist()[3:43]
