"""Texts as windows: nothing is lost that is not told, and spans come back as they were."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities import bio
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.examples.example import Example
from socorpus.training.finetuning import pretrained, windows
from socorpus.training.finetuning.windows import Reading, Tags, encode
from tests.training import tiny_models

SPANS = Task("entities", dict.fromkeys(("Library", "Value"), ""), unit="span")
QUALITY = Task("quality", dict.fromkeys(("HQ", "LQ"), ""))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tiny_models.model(tmp_path_factory.mktemp("model"))
    return pretrained.tokenizer(pretrained.find(str(folder)))


def ids(window: windows.Window, tokenizer: Any) -> list[int]:
    special = set(tokenizer.all_special_ids)
    return [one for one in window.ids.tolist() if one not in special]


def test_a_long_text_is_windows_and_what_is_cut_is_counted(tokenizer: Any) -> None:
    example = Example(key="1", thread="1", text="how do i use the list of a file " * 20, title="why so slow")
    whole = tokenizer(windows.text_of(example, QUALITY), add_special_tokens=False)["input_ids"]
    (found,) = encode(tokenizer, QUALITY, [example], Reading(32, windows=100))
    assert found.cut == 0 and found.tokens == len(whole)
    assert [one for window in found.windows for one in ids(window, tokenizer)] == whole
    assert all(len(window.ids) <= 32 for window in found.windows)
    (short,) = encode(tokenizer, QUALITY, [example], Reading(32, windows=2))
    assert len(short.windows) == 2 and short.cut == len(whole) - 60
    assert {tuple(window.ids[[0, -1]].tolist()) for window in found.windows} == {(2, 3)}
    assert encode(tokenizer, QUALITY, [Example("2", "2", "")], Reading(32))[0].windows[0].ids.tolist() == [2, 3]


@settings(max_examples=40)
@given(text=st.text(st.characters(codec="utf-8"), max_size=120) | st.text("abé👩\n \t.'", max_size=120), data=st.data())
def test_every_word_is_judged_once_and_spans_come_back(tokenizer: Any, text: str, data: Any) -> None:
    words = bio.words(text)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(words)), max_size=6)))
    spans = [
        Span(words[a][0], words[b - 1][1], SPANS.labels[at % 2])
        for at, (a, b) in enumerate(zip(cuts[::2], cuts[1::2], strict=False))
    ]
    example = Example(key="1", thread="1", text=text, spans=tuple((span, 0.75) for span in spans))
    (found,) = encode(tokenizer, SPANS, [example], Reading(16))
    judged = [number for window in found.windows for number in window.words.tolist()]
    assert sorted(judged) == list(range(len(words)))
    for window in found.windows:
        assert all(0 < head < len(window.ids) - 1 for head in window.heads.tolist())
    tags = Tags(SPANS.labels)
    assert [span for span, _ in tags.spans(tags.targets(example, soft=False), words)] == spans
    soft = tags.targets(example, soft=True)
    assert np.allclose(soft.sum(1), 1) if len(words) else soft.shape == (0, 5)
    assert all(probability == pytest.approx(0.75) for _, probability in tags.spans(soft, words))


def test_a_word_is_judged_where_most_of_its_surroundings_are_seen(tokenizer: Any) -> None:
    example = Example(key="1", thread="1", text="how do i use the list of a file in my loop " * 6)
    (found,) = encode(tokenizer, SPANS, [example], Reading(34, overlap=0.5))
    assert len(found.windows) > 3
    for at, window in enumerate(found.windows):
        inner = window.heads - 1
        if at:
            assert inner.min() >= 7  # the words before are judged in the window before
        if at + 1 < len(found.windows):
            assert inner.max() <= 24


def test_what_a_text_says_is_no_special_token(tokenizer: Any) -> None:
    for task in (QUALITY, SPANS):
        (found,) = encode(tokenizer, task, [Example("1", "1", "use [SEP] and [MASK] [PAD]")], Reading(64))
        assert found.windows[0].ids[0] == 2 and found.windows[0].ids[-1] == 3
        assert not set(found.windows[0].ids[1:-1].tolist()) & set(tokenizer.all_special_ids)


def test_affixes_are_those_of_the_tokenizer(tokenizer: Any, tmp_path: Path) -> None:
    assert windows.affixes(tokenizer) == ([2], [3])
    folder = tiny_models.model(tmp_path, "Llama")
    assert windows.affixes(pretrained.tokenizer(pretrained.find(str(folder)))) == ([2], [])
