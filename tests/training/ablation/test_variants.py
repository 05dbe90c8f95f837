"""What `--vary` names: keys and values by the configuration's own checks, and the variants that come of them."""

from pathlib import Path

import pytest

from socorpus.corpus import InputError, config, toml_config
from socorpus.training.ablation import variants

VALUES = toml_config.as_dict(config.load())


def names(*vary: str, grid: bool = False) -> list[str]:
    return [one.name for one in variants.variants(VALUES, [variants.factor(text) for text in vary], grid)]


def test_each_value_alone_is_a_variant_and_what_is_built_so_already_is_none() -> None:
    vary = ("selection.min_score=0,1", "near.threshold=0.7,0.8,none")
    known = variants.variants(VALUES, [variants.factor(text) for text in vary])
    assert {one.name: one.changes for one in known} == {
        "base": {},
        "selection.min_score=0": {"selection.min_score": (None, 0)},
        "selection.min_score=1": {"selection.min_score": (None, 1)},
        "near.threshold=0.7": {"near.threshold": (0.8, 0.7)},
        "near.threshold=none": {"selection.near_duplicates": (False, True)},
    }
    assert known[2].config.selection.min_score == 1 and known[2].config.near == known[0].config.near


def test_a_grid_has_all_combinations_once() -> None:
    grid = names("selection.min_score=0,1", "near.threshold=0.7,0.8", grid=True)
    assert grid == [
        "base",
        "selection.min_score=0, near.threshold=0.7",
        "selection.min_score=0",
        "selection.min_score=1, near.threshold=0.7",
        "selection.min_score=1",
    ]


def test_values_are_those_of_toml_and_a_list_may_be_a_word(tmp_path: Path) -> None:
    benchmark = tmp_path / "a,b.txt"
    benchmark.write_text("a text\n")
    lists = variants.factor('selection.languages=en,["en","de"],none').values
    assert [over["selection"]["languages"] for _, over in lists] == [["en"], ["en", "de"], []]
    (_, over), _ = variants.factor(f"contamination.benchmarks='{benchmark}',none").values
    assert over == {"contamination": {"benchmarks": [str(benchmark)]}}
    rules = variants.factor("selection.rules=[{reason='loud', drop_if='score < 0'}]")
    (rule,) = variants.variants(VALUES, [rules])[1].config.selection.rules
    assert (rule.reason, rule.drop_if) == ("loud", "score < 0")
    assert names("documents.comments=false,false") == ["base", "documents.comments=false"]


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ("selection.min_scor=1", "did you mean selection.min_score?"),
        ("min_score=1", "did you mean selection.min_score?"),
        ("selektion.min_score=1", "did you mean selection.min_score?"),
        ("nothing=1", "there are documents.comments, near.threshold"),
        ("selection.min_score", "write SECTION.KEY=VALUE"),
        ("selection.min_score=", "write SECTION.KEY=VALUE"),
        ("selection.min_score=high", "--vary selection.min_score=high: selection.min_score must be a whole number"),
        ("near.threshold=0.9,0.2", "--vary near.threshold=0.2: near.threshold must lie between 0.5 and 1"),
        ("split.validation=0.99", "must leave something for training"),
        ("selection.kinds=reply", "selection.kinds knows question and answer"),
        ("selection.min_words=none", "give selection.min_words a value"),
        ("selection.rules=[{reason='loud', drop_if='loudness > 3'}]", "loudness"),
        ("contamination.benchmarks=nowhere.txt", "nowhere.txt: there is no such file"),
        ("tokenizer.vocabulary=400", "all variants have the tokenizer of the corpus"),
        ("labels.test=0.2", "no text that a proxy is trained on"),
        ("read.part_mb=8", "reading the dump"),
        ("threads.bucket_mb=8", "changes no text"),
        ("near.threshold=0.8", "the corpus is built so already"),
    ],
)
def test_what_can_not_be_varied_is_refused_with_what_to_do(vary: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        names(vary)
    assert message in str(refused.value)


def test_a_key_is_given_once() -> None:
    with pytest.raises(InputError, match="given twice"):
        names("near.threshold=0.7", "near.threshold=0.9")
