"""Gazetteers: names found in texts; types of tags by their wikis; names of an annotated file."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.labeling.tasks.entities import gazetteers
from socorpus.labeling.tasks.entities.scan import characters
from tests.our_tasks import ENTITIES


def found(text: str) -> list[tuple[str, str]]:
    return [(hit.label, text[hit.start : hit.end]) for hit in gazetteers.known().find(text)]


def test_the_file_holds_types_of_the_task_and_no_name_twice() -> None:
    data = json.loads(gazetteers.DATA.read_text("utf-8"))
    assert set(data["names"]) <= set(ENTITIES.labels)
    assert set(data["heads"]) <= set(ENTITIES.labels)
    for label, lists in data["names"].items():
        assert set(lists) <= {"any", "plural", "exact"}
        for names in lists.values():
            repeated = [name for name, times in Counter(names).items() if times > 1]
            assert not repeated, f"{label}: {repeated}"
    known = gazetteers.known()
    unknown = {"api", "apis", "rest", "restful", "web"}  # words of names, such as "REST API"
    kinds_of_files = {"batch", "binary", "cache", "config", "executable", "header", "image", "log", "text"}
    names = {*known.any, *(name.lower() for name in known.exact)} | unknown | kinds_of_files
    assert [name for each in data["everyday"].values() for name in each if name not in names] == []
    assert sum(len(names) for lists in data["names"].values() for names in lists.values()) > 2500


def test_names_are_whole_words_and_the_longest() -> None:
    assert found("a Google Maps API, and googles") == [("Library", "Google Maps API")]
    assert found("C++ or C# or .NET, node.js.") == [
        ("Language", "C++"),
        ("Language", "C#"),
        ("Library", ".NET"),
        ("Library", "node.js"),
    ]
    # Not over a line's end, nor over other words.
    assert found("linked\nlist") == [("Data_Structure", "list")]
    assert found("javascripting") == []


def test_names_that_are_common_words_count_as_they_are_written_alone() -> None:
    assert found("in Go and R") == [("Language", "Go"), ("Language", "R")]
    assert found("go, r, swift, a spark, at rest") == []
    # A sentence's first word is a capital anyway.
    assert found("Express it. Go there.\nSpark it") == []


def test_plurals() -> None:
    assert gazetteers.plurals("matrix") == ("matrices", "matrixes")
    assert gazetteers.plurals("dictionary") == ("dictionaries",)
    assert gazetteers.plurals("array") == ("arrays",)
    assert gazetteers.plurals("textbox") == ("textboxes",)
    assert found("Arrays, matrices") == [("Data_Structure", "Arrays"), ("Data_Structure", "matrices")]


@given(st.text(max_size=80))
def test_hits_are_sorted_apart_and_within_any_text(text: str) -> None:
    assert len(characters.lowered(text)) == len(text)
    at = 0
    for hit in gazetteers.known().find(f"{text} Java {text}"):
        assert at <= hit.start < hit.end
        at = hit.end


def test_letters_that_grow_in_lower_case_move_nothing() -> None:
    text = "İİİ uses Python"
    (hit,) = gazetteers.known().find(text)
    assert text[hit.start : hit.end] == "Python"


@pytest.mark.parametrize(
    ("excerpt", "label"),
    [
        ("Haskell is a purely functional programming language with strong static typing.", "Language"),
        ("Ubuntu is a free operating system based on Debian.", "Operating_System"),
        ("PyTorch is an open source machine learning library for Python.", "Library"),
        ("Git is an open-source distributed version control system.", "Application"),
        ("GitHub is a web-based hosting site. A website.", None),
        ("A trie is a tree-like data structure whose nodes store letters.", "Data_Structure"),
        ("Q-learning is a model-free reinforcement learning algorithm.", "Algorithm"),
        ("JSON is a textual data interchange format.", "File_Type"),
        ("For questions about how to program a library.", None),
        ("This is for questions about databases.", None),
        ("The history of brewing.", None),
        ("", None),
    ],
)
def test_a_wiki_s_excerpt_tells_the_type_of_its_tag(excerpt: str, label: str | None) -> None:
    assert gazetteers.type_of(excerpt) == label


def test_tags_are_found_with_a_space_for_their_hyphen() -> None:
    text = "Google-Cloud or google cloud, not googlecloud"
    hits = gazetteers.from_tags({"google-cloud": "Application"}).find(text)
    assert [text[hit.start : hit.end] for hit in hits] == ["Google-Cloud", "google cloud"]


def learn(*texts: tuple[str, list[tuple[int, int, str]]]) -> gazetteers.Annotated:
    """Learn from texts in which what lies behind `|` is code."""
    return gazetteers.learn((text, (lambda start, text=text: "|" in text[:start]), spans) for text, spans in texts)


def test_names_are_learned_with_how_often_they_are_none() -> None:
    learned = learn(("the Foo bar", [(4, 7, "Class")]), ("a foo", []), ("a foo", []), ("no table", []))
    assert learned.names["foo"] == {"prose": {"Class": 1, "O": 2}}
    # Of the general names, those that occur.
    assert learned.names["table"] == {"prose": {"O": 1}}
    assert "linked list" not in learned.names
    (hit,) = learned.find("FOO!", lambda start: False)
    assert hit.seen == 3
    assert hit.types == {"Class": pytest.approx(1 / 3.5), "O": pytest.approx(2 / 3.5)}


def test_a_name_in_code_is_told_from_one_in_prose() -> None:
    learned = learn(("sort | sort", [(7, 11, "Function")]), ("sort", []), ("| sort", [(2, 6, "Function")]))
    code, prose = learned.types("sort", code=True), learned.types("sort", code=False)
    assert code == {"Function": pytest.approx(2 / (2 + 2 / 3 + 0.5)), "O": pytest.approx(2 / 3 / (2 + 2 / 3 + 0.5))}
    assert prose["O"] > prose["Function"] > 0
    assert learned.types("unseen", code=False) == {}


def test_one_name_of_two_types_has_both() -> None:
    learned = learn(*[("table", [(0, 5, "Data_Structure")])] * 3, ("table", [(0, 5, "Class")]))
    expected = {"Class": pytest.approx(1 / 4.5), "Data_Structure": pytest.approx(3 / 4.5)}
    assert learned.types("Table", code=False) == expected
