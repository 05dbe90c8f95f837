import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.labeling.tasks.entities import gazetteers
from socorpus.labeling.tasks.entities.scan import characters
from socorpus.labeling.tasks.entities.scan import name_words as words

TEXTS = st.text(st.sampled_from("ab1_.#-+/:&* C,\n·éΣßİ٣²中🙂"), max_size=40) | st.text(max_size=40)


@given(TEXTS)
def test_words_are_those_of_the_expression(text: str) -> None:
    found = words.words(text)
    assert found.places.tolist() == [list(match.span()) for match in gazetteers.WORD.finditer(characters.lowered(text))]


@given(TEXTS, st.lists(st.text(st.sampled_from("ab1.+é"), max_size=3)))
def test_wanted_words_are_found_wherever_they_stand(text: str, chosen: list[str]) -> None:
    found = words.words(text)
    everything = [(start, end, found.low[start:end]) for start, end in found.places.tolist()]
    assert list(found.of(words.wanted(chosen))) == [place for place in everything if place[2] in chosen]


@given(TEXTS)
def test_letters_are_runs_without_digits_and_underscores(text: str) -> None:
    runs = re.findall(r"[^\W\d_]+", characters.lowered(text))
    assert words.letters(text, words.wanted(["a", "ab"])) == (len(runs), sum(run in ("a", "ab") for run in runs))


@pytest.mark.parametrize(
    ("bit", "pattern"), [(characters.WORD, r"\w"), (characters.SPACE, r"\s"), (characters.DIGIT, r"\d")]
)
def test_classes_are_those_of_expressions(bit: int, pattern: str) -> None:
    signs = "aZ_09 \t\n\u00a0\u2009é٣²中🙂\ud800·"
    classes = characters.classes()
    assert [bool(classes[ord(sign)] & bit) for sign in signs] == [bool(re.fullmatch(pattern, sign)) for sign in signs]
