"""At the marks of a text, each expression finds what it finds in the whole text."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from socorpus.labeling.tasks import registry  # noqa: F401, whose modules define the expressions
from socorpus.labeling.tasks.entities import gazetteers, post
from socorpus.labeling.tasks.entities.scan import marks

PIECES = (
    *("foo(", "bar)", "a, b", "()", "->", "::", ".", "O(n)", "file(s)", "$x", "(", ")"),
    *("class", "method", "the", "called", "foo", "·", "··", "library", "Foo", "named"),
    *("thanks to", "Thanks", "Hi", "hello,", "answer by", "as suggested by", "credits to", "Jon", "Jon Skeet", "a lot"),
    *("version", "Version is", "ver.", "v", "release", "versions of", "5", "3.5", "2.0.1", "1.x", "5%", "12px"),
    *("return", "returns", "true", "false", "set it to", "evaluates to", "=", "==", ":=", "becomes"),
    *("value", "values of", "equal to", "from", "index", "greater than", "starts with", "-1", "+2", "4.5.6", "٣"),
    *('"', "“", "”", '"a b"', ",", "tick", "text files", "log", "image file", "ſhift", "config"),
    *("Ctrl", "ctrl+C", "Alt", "shift +", "cmd-", "+ Enter", "+", "-", "press", "Press the", "Hit", "Enter", "F5"),
    *(
        ".png",
        "/.a",
        "a.b",
        ".JPG files",
        "..c",
        "error",
        "404",
        "status code",
        "[",
        "]",
        "\\",
        "é",
        "_",
        "'s",
        "-a",
        "!",
    ),
    *("\n", "\t", "&", "—", "«", "Ñ"),
)
TEXTS = st.lists(st.sampled_from([" ", " ", " ", *PIECES]), max_size=30).map("".join) | st.text(max_size=60)
PLAIN = r"(?:[\"'(]?[A-Za-z]?[a-z'’]*(?:-[a-z]+)?[\"')]?[.,:;!?]*|[-–—&]|·+[.,:;)]*)"
ODD = re.compile(rf"(?:{PLAIN}(?!\S)\s*)+|(\S+)\s*")
HEADED = re.compile(r"(?<![\w$@#.:-])([\w$@#.:-]+(?:\(\))?|(?<!·)·+) (\w+)", re.A)
"""A string that is no plain word, and a name before a word, as expressions."""


@pytest.mark.parametrize("expression", post.MARKED, ids=lambda expression: str(expression.kind))
def test_an_expression_finds_the_same_at_its_marks(expression: post.Marked) -> None:
    @given(TEXTS)
    def same(text: str) -> None:
        tried = expression.tried(text, marks.marks(text, post.keywords()))
        assert [match.span() for match in tried] == [match.span() for match in expression.pattern.finditer(text)]

    same()


@given(TEXTS)
@example("the foo() method foo.bar class")
def test_pairs_of_a_name_and_a_head_are_those_of_an_expression(text: str) -> None:
    heads = gazetteers.heads()
    found = marks.marks(text, marks.keywords(heads)).get(marks.HEADED, [])
    matches = [match for match in HEADED.finditer(text) if match[2].lower() in heads]
    assert [place for place in found if text[place[2] : place[3]].lower() in heads] == [
        [*match.span(1), *match.span(2)] for match in matches
    ]


@given(TEXTS)
def test_odd_strings_are_those_of_an_expression(text: str) -> None:
    found = marks.marks(text, marks.keywords(())).get(marks.ODD, [])
    assert [place[:2] for place in found] == [list(match.span(1)) for match in ODD.finditer(text) if match[1]]
    for start, end, signs, _ in found:
        has = text[start:end]
        assert bool(signs & marks.HAS_AT) == ("@" in has) and bool(signs & marks.HAS_DOT) == ("." in has)
        assert bool(signs & marks.HAS_SLASH) == ("/" in has or "\\" in has)
        assert bool(signs & marks.HAS_DIGIT) == bool(re.search(r"\d", has))
        assert bool(signs & marks.HAS_CAPITAL_E) == ("E" in has)


@given(TEXTS)
def test_a_status_is_marked_wherever_an_expression_finds_one(text: str) -> None:
    assert not re.search(r" [45]\d\d\b", text) or marks.STATUS in marks.marks(text, post.keywords())
