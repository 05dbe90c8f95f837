"""What the server takes without a word is refused here, with its reason."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.labeling import checks, interfaces
from socorpus.labeling.schema import CLOSURE, ENTITIES
from tests.labeling import label_tables


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
    assert checks.problems(task_of(), ENTITIES) == []


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
        (task_of("a \ud83d b", []), "characters that can't be shown"),
        (task_of("a \x00 b", []), "characters that can't be shown"),
        (task_of("a\r\nb", []), "characters that can't be shown"),
        (task_of("  \n", []), "the text is empty"),
        (task_of("x" * 200_001, []), "the text has 200,001 characters, more than 200,000"),
        (task_of() | {"data": {"ext_id": 1 << 53, "text": "a"}, "predictions": []}, "identifier"),
        ({**task_of(), "predictions": [{"score": 1.5, "result": []}]}, "score 1.5 is not between 0 and 1"),
    ],
)
def test_what_is_wrong_is_told(payload: dict[str, Any], says: str) -> None:
    assert any(says in one for one in checks.problems(payload, ENTITIES)), checks.problems(payload, ENTITIES)


def test_a_choice_must_be_one_of_the_tasks() -> None:
    region = {"id": "label", "from_name": "closure", "to_name": "text", "value": {"choices": ["open", "duplicate"]}}
    payload = {"data": {"ext_id": 1, "text": "a"}, "predictions": [{"score": 1.0, "result": [region]}]}
    assert checks.problems(payload, CLOSURE) == ["label ['open', 'duplicate'] is none of the task's"]


_TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("\r\n\t \ud800\udfff\x00\x07é😀ع")), max_size=60)


@given(_TEXTS)
def test_a_mended_text_may_be_sent_and_every_offset_comes_back(text: str) -> None:
    mended = checks.mend(text)
    assert "\r" not in mended.text
    if mended.text.strip():
        assert checks.problems(task_of(mended.text, []), ENTITIES) == []
    for offset in range(len(mended.text)):
        there = mended.original(offset)
        assert mended.sent(there) == offset
        kept = text[there]
        assert mended.text[offset] in (kept, "\ufffd") or (kept, mended.text[offset]) == ("\r", "\n")


@given(_TEXTS, st.data())
def test_a_span_is_the_same_text_after_the_way_there_and_back(text: str, data: st.DataObject) -> None:
    mended = checks.mend(text)
    start = data.draw(st.integers(0, len(mended.text)))
    end = data.draw(st.integers(start, len(mended.text)))
    back = text[mended.original(start) : mended.original(end, end=True)]
    assert start == end or checks.mend(back).text == mended.text[start:end]


def test_what_a_push_makes_of_a_nasty_post_passes() -> None:
    text = label_tables.NASTY.replace("\n", "\r\n") + "\x0b\ud800"
    example = interfaces.Example(
        *("a.example.com", 5, "train", "question", datetime(2020, 1, 1, tzinfo=UTC), 1, ("x",), "t\x00\ud800"),
        *(text, "https://a.example.com/q/5", "CC BY-SA 4.0", "\ud800me", b"1"),
        (interfaces.Label("Library", 0.9, "function", False, text.index("numpy"), text.index("numpy") + 5),),
    )
    payload = interfaces.payload(example, ENTITIES, "socorpus x", False)
    assert checks.problems(payload, ENTITIES) == []
    assert payload["predictions"][0]["result"][0]["value"]["text"] == "numpy"
