"""What the server takes without a word is refused here, with its reason."""

import html
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.labeling.label_studio import interface, validation
from socorpus.labeling.schema import TASKS
from tests.labeling import label_tables
from tests.our_tasks import CLOSURE, ENTITIES


def task_of(text: str = "use numpy here", spans: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    found = spans if spans is not None else [mark(4, 9, "numpy")]
    prediction = {"model_version": "socorpus x", "score": 0.5, "result": found}
    return {"data": {"ext_id": 7, "text": text}, "predictions": [prediction]}


def mark(start: int, end: int, text: str, label: str = "Library", **changes: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": text, "labels": [label]}
    return {
        "id": f"s{start}-{end}",
        "from_name": "entities",
        "to_name": "text",
        "type": "labels",
        "value": value,
        **changes,
    }


def test_a_right_task_passes() -> None:
    assert validation.problems(task_of(), ENTITIES) == []


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (task_of(spans=[mark(4, 9, "numpy", "Libary")]), "label ['Libary'] is none of the task's"),
        (task_of(spans=[mark(9, 4, "numpy")]), "mark 9 to 4 does not lie in the text of 14 characters"),
        (task_of(spans=[mark(4, 99, "numpy")]), "mark 4 to 99 does not lie in the text"),
        (task_of(spans=[mark(-1, 3, "use")]), "mark -1 to 3 does not lie in the text"),
        (task_of(spans=[mark(4, 4, "")]), "mark 4 to 4 does not lie in the text"),
        (task_of(spans=[mark(5, 10, "numpy")]), "mark 5 to 10 is 'umpy ', not 'numpy'"),
        (task_of(spans=[mark(4, 9, "numpy"), mark(4, 9, "numpy", "Class")]), "two marks of one identifier"),
        (task_of(spans=[mark(4, 9, "numpy", from_name="other")]), "no control other on text"),
        (task_of("a \ud83d b", []), "data.text has characters that can't be shown: U+D83D at 2"),
        (task_of("ab \x00 b", []), "data.text has characters that can't be shown: U+0000 at 3"),
        (task_of("a\r\nb", []), "data.text has characters that can't be shown: U+000D at 1"),
        (task_of("a\x7f", []), "data.text has characters that can't be shown: U+007F at 1"),
        (task_of("numpy", [mark(0, 5, "numpy", id="\x01")]), "predictions.0.result.0.id has characters"),
        (task_of("  \n", []), "the text is empty"),
        (task_of("x" * 200_001, []), "the text has 200,001 characters, more than 200,000"),
        (task_of() | {"data": {"ext_id": 1 << 53, "text": "a"}, "predictions": []}, "identifier"),
        ({**task_of(), "predictions": [{"score": 1.5, "result": []}]}, "score 1.5 is not between 0 and 1"),
    ],
)
def test_what_is_wrong_is_told(payload: dict[str, Any], says: str) -> None:
    assert any(says in one for one in validation.problems(payload, ENTITIES)), validation.problems(payload, ENTITIES)


def test_a_choice_must_be_one_of_the_tasks() -> None:
    region = {"id": "label", "from_name": "closure", "to_name": "text", "value": {"choices": ["open", "duplicate"]}}
    payload = {"data": {"ext_id": 1, "text": "a"}, "predictions": [{"score": 1.0, "result": [region]}]}
    assert validation.problems(payload, CLOSURE) == ["label ['open', 'duplicate'] is none of the task's"]


_TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("\r\n\t \ud800\udfff\x00\x07é😀ع")), max_size=60)


@given(_TEXTS)
def test_a_mended_text_may_be_sent_and_every_offset_comes_back(text: str) -> None:
    mended = validation.mend(text)
    assert "\r" not in mended.text
    if mended.text.strip():
        assert validation.problems(task_of(mended.text, []), ENTITIES) == []
    for offset in range(len(mended.text)):
        there = mended.original(offset)
        assert mended.sent(there) == offset
        kept = text[there]
        assert mended.text[offset] in (kept, "\ufffd") or (kept, mended.text[offset]) == ("\r", "\n")


@given(_TEXTS, st.data())
def test_a_span_is_the_same_text_after_the_way_there_and_back(text: str, data: st.DataObject) -> None:
    mended = validation.mend(text)
    start = data.draw(st.integers(0, len(mended.text)))
    end = data.draw(st.integers(start, len(mended.text)))
    back = text[mended.original(start) : mended.original(end, end=True)]
    assert start == end or validation.mend(back).text == mended.text[start:end]


def test_what_a_push_makes_of_a_nasty_post_passes() -> None:
    text = label_tables.NASTY.replace("\n", "\r\n") + "\x0b\ud800"
    example = interface.Example(
        *("a.example.com", 5, "train", "question", datetime(2020, 1, 1, tzinfo=UTC), 1, ("x",), "t\x00\ud800"),
        *(text, "https://a.example.com/q/5", "CC BY-SA 4.0", "\ud800me", b"1"),
        (interface.Label("Library", 0.9, "function", False, text.index("numpy"), text.index("numpy") + 5),),
    )
    payload = interface.payload(example, ENTITIES, "socorpus x", False)
    assert validation.problems(payload, ENTITIES) == []
    assert payload["predictions"][0]["result"][0]["value"]["text"] == "numpy"


@given(st.sampled_from("\x00\x08\x0b\x0c\r\x1f\x7f\ud800\udfff"), st.text("ab\\\\ubfr0\t\n", max_size=12))
def test_characters_that_the_server_cannot_keep_are_found_in_every_field(bad: str, around: str) -> None:
    for name in ("title", "about", "tags", "text"):
        payload = task_of("fine", [])
        payload["data"] |= {"title": around, "about": around, "tags": around, "text": f"x{around}"}
        assert validation.problems(payload, ENTITIES) == []
        payload["data"][name] += bad
        at = len(payload["data"][name]) - 1
        (told,) = validation.problems(payload, ENTITIES)
        assert told == f"data.{name} has characters that can't be shown: U+{ord(bad):04X} at {at}"


def example(*labels: interface.Label) -> interface.Example:
    return interface.Example(
        *("a.example.com", 5, "train", "question", datetime(2020, 1, 1, tzinfo=UTC), 41, ("x",), "Which?"),
        *("use numpy here", "https://a.example.com/q/5", "CC BY-SA 4.0", "me", b"1", labels),
    )


def test_a_post_whose_address_is_not_known_has_no_link() -> None:
    for url, linked in (("https://a.example.com/q/5", True), (None, False), ("javascript:alert(1)", False)):
        payload = interface.payload(replace(example(), url=url), ENTITIES, "socorpus x", False)
        about = payload["data"]["about"]
        assert "a.example.com:5" in about and ("<a " in about) == linked and "javascript" not in about
        assert validation.problems(payload, ENTITIES) == []


def test_a_blind_task_has_no_prediction_no_evidence_and_no_score() -> None:
    vote = ("known_software", "Library", '{"entry": "numpy"}')
    label = interface.Label("Library", 0.9, "function", False, 4, 9, (vote,))
    shown, blind = (interface.payload(example(label), ENTITIES, "socorpus x", hidden) for hidden in (False, True))
    assert len(shown["predictions"]) == 1 and "known_software" in shown["data"]["about"]
    assert blind["predictions"] == [] and blind["data"]["blind"] is True
    for word in ("known_software", "Library", "41"):
        assert word in str(shown) and word not in str(blind)
    # What is judged is the same.
    assert all(blind["data"][name] == shown["data"][name] for name in ("ext_id", "text", "title", "tags", "digest"))


def test_what_people_said_is_never_a_prediction() -> None:
    label = interface.Label("Library", 1.0, "person", False, 4, 9, (("person:7", "Library", "{}"),))
    made = interface.payload(example(label), ENTITIES, "socorpus x", False)
    assert made["predictions"] == [] and "person:7" not in str(made)


@given(st.text(max_size=40), st.integers(-3, 45), st.integers(-3, 45))
def test_a_mark_passes_only_if_it_is_a_slice_that_is_not_empty(text: str, start: int, end: int) -> None:
    text = validation.mend(f"{text}.").text
    found = validation.problems(task_of(text, [mark(start, end, text[max(start, 0) : max(end, 0)])]), ENTITIES)
    assert (not found) == (0 <= start < end <= len(text))
    if found:
        assert f"mark {start} to {end} does not lie in the text of {len(text)} characters" in found


def test_evidence_that_several_votes_share_is_said_once() -> None:
    evidence = {"high_score": '{"score": 31}', "rank": '{"score": 31}', "edits": '{"edits": 0}'}
    votes = tuple((name, "HQ", why) for name, why in evidence.items())
    label = interface.Label("HQ", 0.9, "function", votes=votes)
    about = interface.payload(example(label), TASKS["quality"], "socorpus x", False)["data"]["about"]
    assert about.count("score: 31") == 1 and "HQ: high_score, rank" in about and "HQ: edits" in about


@given(_TEXTS, st.lists(st.integers(0, 60), max_size=6))
def test_the_text_as_html_is_the_text_with_its_code_marked(text: str, places: list[int]) -> None:
    edges = sorted({min(place, len(text)) for place in places})
    code = tuple(zip(edges[::2], edges[1::2], strict=False))
    payload = interface.payload(replace(example(), text=text, code=code), TASKS["quality"], "socorpus x", False)
    shown = payload["data"]["html"]
    pieces = re.split("</?code>", shown)
    assert html.unescape("".join(pieces)) == payload["data"]["text"]
    assert [html.unescape(piece) for piece in pieces[1::2]] == [validation.mend(text[a:b]).text for a, b in code]
