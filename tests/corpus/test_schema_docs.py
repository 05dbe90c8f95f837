"""docs/corpus.md and docs/configuration.md: they say what the code says, and the examples of the former run."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from socorpus.corpus import config, schema, schema_docs, toml_config
from socorpus.corpus.errors import InputError
from socorpus.corpus.selection import rules as selection_rules
from tests.corpus import small_site

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "corpus.md"


@pytest.mark.parametrize("name", schema_docs.PARTS)
def test_the_page_is_current(name: str, tmp_path: Path) -> None:
    page = (DOCS / name).read_text("utf-8")
    (tmp_path / name).write_text(page, "utf-8")
    schema_docs.main([str(tmp_path / name)])
    made = (tmp_path / name).read_text("utf-8")
    assert made == page, f"run: python -m socorpus.corpus.schema_docs docs/{name}"


def test_every_key_of_the_configuration_is_there_with_its_default() -> None:
    text = schema_docs.keys_markdown()
    parts = re.split(r"^### (.+)$", text, flags=re.M)
    tables = dict(zip(parts[1::2], parts[2::2], strict=True))
    values = toml_config.as_dict(config.Config())
    expected = {"Above all sections": {name: value for name, value in values.items() if not isinstance(value, dict)}}
    for section, keys in values.items():
        if isinstance(keys, dict):
            expected[f"[{section}]"] = keys
    rule, site = dataclasses.fields(config.SelectionRule), dataclasses.fields(config.SiteSettings)
    release = dataclasses.fields(config.Release)
    expected["[[labels.releases]]"] = {field.name: field.default for field in release}
    expected["[[selection.rules]]"] = {field.name: field.default for field in rule}
    expected['[sites."NAME"]'] = {field.name: field.default for field in site}
    assert set(tables) == set(expected)
    for section, keys in expected.items():
        rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]*) \| ([^|]+) \| ([^|]+) \|$", tables[section], re.M)
        assert [key for key, *_ in rows] == list(keys)
        for key, _, between, default, meaning in rows:
            if keys[key] is dataclasses.MISSING:
                assert default == "required"
            else:
                assert default == "not set" if keys[key] is None else json.loads(default.strip("`")) == keys[key]
            assert meaning.strip()
            assert bool(between.strip()) == (f"{section[1:-1]}.{key}" in config.RANGES)


@pytest.mark.parametrize("preset", config.PRESETS)
def test_every_preset_is_there_with_what_it_sets(preset: str) -> None:
    (row,) = re.findall(rf"^\| `{preset}` \| (.+) \|$", schema_docs.presets_markdown(), re.M)
    for section, keys in config.PRESETS[preset].items():
        for key in keys:
            assert f"{section}.{key} = " in row


@pytest.mark.parametrize(
    "wrong",
    [
        {"selection": {"max_overlap": 1.1}},
        {"near": {"threshold": 0.49}},
        {"tokenizer": {"vocabulary": 299}},
        {"tokenizer": {"vocabulary": 65537}},
        {"split": {"validation": 0.5, "test": 0.5}},
        {"shards": {"row_group": 0}},
    ],
)
def test_the_ranges_that_the_page_names_are_held(wrong: dict[str, dict[str, float]]) -> None:
    with pytest.raises(InputError):
        config.load(overrides=wrong)


def test_every_column_has_a_meaning_and_every_table_is_there() -> None:
    for name, (_, _, columns, meanings) in schema_docs.TABLES.items():
        assert set(meanings) == set(columns.names), name
    documented = {name for name in schema_docs.TABLES if name.startswith("signals/")}
    assert documented == {f"signals/{name}" for name in schema.SIGNALS}
    for rule in selection_rules.RULES:
        assert f"| `{rule.reason}` | {rule.says} |" in schema_docs.reasons_markdown()


def test_a_page_without_the_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="has no part"):
        schema_docs.update("# a page")


def test_its_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    facts = small_site.build(tmp_path / "corpus", small_site.dump(tmp_path))
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), {})
    totals = facts["totals"]
    assert f"{small_site.SITE} {totals['kept']} of {totals['documents']}" in capsys.readouterr().out
