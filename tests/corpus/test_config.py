"""The configuration: typed, checked, and the same after a trip through a file."""

import dataclasses
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.corpus import config, toml_config
from socorpus.corpus.errors import InputError
from socorpus.training import config as training_config


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


def _released(date: str, version: str = "'4.0'") -> str:
    return f"[[labels.releases]]\nname = 'django'\nversion = {version}\n{date}\n"


def test_a_date_of_toml_is_a_day_as_a_text_is(tmp_path: Path) -> None:
    path = tmp_path / "socorpus.toml"
    read = []
    for day in ("2021-12-07", "'2021-12-07'"):
        path.write_text(_released(f"date = {day}"), "utf-8")
        read.append(config.load(path))
    assert read[0] == read[1] and read[0].labels.releases[0].date == "2021-12-07"
    assert "2021-12-07" in toml_config.to_toml(read[0])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[selection]\nmin_words_ = 3", r"unknown key selection\.min_words_; did you mean selection\.min_words\?"),
        ("[selecton]\n", r"unknown key selecton; did you mean selection\?"),
        ("[selection]\nmin_words = '3'", r"selection\.min_words must be a whole number, not '3'"),
        ("[selection]\nmin_words = true", r"selection\.min_words must be a whole number, not True"),
        ("[selection]\nkinds = 'answer'", r"selection\.kinds must be a list of texts in quotes, not 'answer'"),
        ("[selection]\nkinds = ['wiki']", r"selection\.kinds knows question and answer"),
        ("[near]\nthreshold = 1.5", r"near\.threshold must lie between 0.5 and 1, not 1.5"),
        ("[split]\ntest = 0.6\nvalidation = 0.5", r"must leave something for training"),
        ("[shards]\nrow_group = 0", r"shards\.row_group must lie between 1 and 1000000, not 0"),
        ("[tokenizer]\nvocabulary = 70000", r"tokenizer\.vocabulary must lie between"),
        ("[near]\npermutations = 1000000", r"near\.permutations must lie between 1 and 2048, not 1000000"),
        ("[near]\nthreshold = nan", r"near\.threshold must lie between 0.5 and 1, not nan"),
        ("[shards]\nseed = -1", r"shards\.seed must lie between 0 and"),
        ("shards = 3", r"shards must be a table of keys"),
        ("sites = 3", r'sites must be tables, \[sites."NAME"\], not 3'),
        ("[sites]\ncooking = 'https://x.com'", r'sites\."cooking" must be a table of keys'),
        ("[sites.cooking]\nurl = ''", r'sites\."cooking"\.url must be the address'),
        ("[sites.cooking]\nlanguage = 'German'", r'sites\."cooking"\.language must be a code of ISO 639-1'),
        ("[sites.cooking]\nname = ' '", r'sites\."cooking"\.name is empty'),
        ("[sites.cooking]\nurl = 3", r'sites\."cooking"\.url must be text in quotes, not 3'),
        ("[sites.cooking]\nulr = 'https://x.com'", r'unknown key sites\."cooking"\.ulr; did you mean'),
        *(
            (f"[sites.cooking]\nurl = {url!r}", r'sites\."cooking"\.url must be the address of a site')
            for url in (
                "",
                "qa.example.com",
                "ftp://qa.example.com",
                "https://",
                "https:///q",
                "https://qa.example.com/?a=1",
                "https://qa.example.com/#a",
                "https://ann:secret@qa.example.com",
                "https://qa.example.com:port",
                "https://qa.example.com/q/1",
                "https://qa.example.com/questions",
                "https://qa example.com",
                "https://qa.example.com/../x",
                "javascript:alert(1)",
                'https://qa.example.com/">x',
            )
        ),
        ("[labels]\nreleases = 3", r"labels\.releases must be a list of tables, not 3"),
        (_released("date = 2021-12-07T10:00:00"), r"date must be a day, such as 2020-05-31, not '2021-12-07T10:00:00'"),
        (_released("date = 20211207"), r"labels\.releases\[0\]\.date must be text in quotes, not 20211207"),
        (_released("date = 2021-12-07", "3.10"), r"labels\.releases\[0\]\.version must be text in quotes, not 3\.1$"),
        ("[selection", r"not valid TOML"),
        (f"[near]\nthreshold = {'1' * 5000}", r"not valid TOML: Exceeds the limit"),
        ("a = " + "[" * 5000, r"nested too deeply"),
        ("near" + ".a" * 5000 + " = 1", r"near|nested too deeply"),
        ("near.threshold" + ".a" * 400 + " = 1", r"near\.threshold must be a number, not \{'a': "),
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


def test_addresses_of_sites(tmp_path: Path) -> None:
    addresses = {
        "cooking": "https://qa.example.com",
        'Käse "日本" & C++': "http://qa.intra:8080/base/",
        "x.com-2020-01": "https://[::1]/qa",
    }
    made = config.load(overrides={"sites": {name: {"url": url} for name, url in addresses.items()}})
    assert {name: site.url for name, site in made.sites.items()} == addresses
    path = written(tmp_path, toml_config.to_toml(made))
    assert config.load(path) == made == config.of_corpus(toml_config.as_dict(made))
    # A configuration without any is as it was before there were some.
    assert "sites" not in toml_config.as_dict(config.load()) and "sites" not in toml_config.to_toml(config.load())


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


@pytest.mark.parametrize(
    ("kind", "ranges"), [(config.Config, config.RANGES), (training_config.Config, training_config.RANGES)]
)
def test_every_number_has_a_range_with_both_ends(kind: type, ranges: toml_config.Ranges) -> None:
    numbers = set()
    for section in dataclasses.fields(kind):
        default = section.default_factory() if section.default_factory is not dataclasses.MISSING else None
        if dataclasses.is_dataclass(default):
            hints = get_type_hints(type(default))
            some = {name for name, hint in hints.items() if {int, float} & {hint, *get_args(hint)} - {bool}}
            numbers |= {f"{section.name}.{name}" for name in some}
    assert numbers == ranges.keys()
    assert all(least < most for least, most in ranges.values())
    toml_config.check_ranges(kind(), ranges, "the defaults")


def test_an_edited_copy_of_the_configuration_is_recognised() -> None:
    values = toml_config.as_dict(config.Config())
    written = toml_config.to_toml(config.Config())
    assert config.edited(f"# mine\n{written}", values) == []
    assert config.edited(written.replace("names = []", 'names = ["Website: Untappd"]'), values) == ["labels.names"]
    assert config.edited(f"{written}\n[mine]\nsize = 3\n", values) == ["mine"]
    for broken in ("[labels\n", "[labels]\nname = 3\n"):
        with pytest.raises(InputError):
            config.edited(broken, values)
