"""The configuration: typed, checked, and the same after a trip through a file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.corpus import config, toml_config
from socorpus.corpus.errors import InputError


def written(folder: Path, text: str) -> Path:
    path = folder / "socorpus.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_file_overrides_a_preset_and_the_rest_keeps_its_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, "[selection]\nmin_score = 2\nlanguages = ['en']\n[near]\nthreshold = 1\n")
    made = config.load(path, "sobert")
    assert made.selection.kinds == ("answer",)
    assert made.selection.min_score == 2
    assert made.selection.languages == ("en",)
    assert made.near.threshold == 1.0
    assert made.shards == config.Shards()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[selection]\nmin_words_ = 3", r"unknown key selection\.min_words_; did you mean selection\.min_words\?"),
        ("[selecton]\n", r"unknown key selecton; did you mean selection\?"),
        ("[selection]\nmin_words = '3'", r"selection\.min_words must be int, not '3'"),
        ("[selection]\nmin_words = true", r"selection\.min_words must be int, not True"),
        ("[selection]\nkinds = 'answer'", r"selection\.kinds must be a list of str"),
        ("[selection]\nkinds = ['wiki']", r"selection\.kinds knows question and answer"),
        ("[near]\nthreshold = 1.5", r"near\.threshold must lie between 0 and 1"),
        ("[split]\ntest = 0.6\nvalidation = 0.5", r"must leave something for training"),
        ("[shards]\nrow_group = 0", r"shards\.row_group must be at least 1"),
        ("[tokenizer]\nvocabulary = 70000", r"tokenizer\.vocabulary must lie between"),
        ("shards = 3", r"shards must be a table of keys"),
        ("[selection", r"not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_file_and_key(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=says) as told:
        config.load(path)
    assert str(path) in str(told.value)


def test_a_missing_file_and_an_unknown_preset_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no such configuration file"):
        config.load(tmp_path / "nothing.toml")
    with pytest.raises(InputError, match="there are default, sobert"):
        config.load(preset="bert")


@given(
    words=st.integers(0, 1000),
    score=st.none() | st.integers(-50, 50),
    languages=st.lists(st.text(min_size=1, max_size=5), max_size=3),
    share=st.floats(0, 1),
)
def test_what_is_written_is_read_back(words: int, score: int | None, languages: list[str], share: float) -> None:
    import tomllib

    over = {"min_words": words, "min_score": score, "languages": languages, "max_code_share": share}
    made = config.load(overrides={"selection": over})
    assert config.load(overrides=tomllib.loads(toml_config.to_toml(made))) == made
