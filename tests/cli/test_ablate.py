"""`socorpus ablate`, as a user meets it."""

import json
from pathlib import Path

import pytest

from socorpus.cli import ablate
from socorpus.corpus import InputError
from tests.building import socorpus
from tests.training import runs

VARY = ("--vary", "selection.min_words=0,30")


def test_what_an_ablation_takes_is_said_before_it_begins(corpus: Path, tmp_path: Path) -> None:
    words = ("ablate", corpus, *VARY, "--vary", "near.threshold=none", "-o", tmp_path / "out")
    shown = socorpus(*words, "--tokens", "2M", "--seeds", 2, "--dry-run").stdout
    for part in ("selection.min_words=30", "selection.near_duplicates: False, True", "corpora: 4, 4 of them to build"):
        assert part in shown
    assert "proxies: 8; 245 steps and 2,000,000 tokens each, 16,000,000 tokens to train in all" in " ".join(
        shown.split()
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--vary", "selection.min_word=3"), "did you mean selection.min_words?"),
        (("--vary", "near.threshold=2"), "near.threshold must lie between 0.5 and 1"),
        ((*VARY, "--tokens", "many"), "--tokens many: write a number of tokens"),
        ((*VARY, "--seeds", "few"), "--seeds few: write how many"),
        ((*VARY, "--proxy", "modern-huge"), "modern-huge"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_built(
    words: tuple[str, ...], message: str, corpus: Path, tmp_path: Path
) -> None:
    told = socorpus("ablate", corpus, *words, "-o", tmp_path / "out", code=2).stderr
    assert message in " ".join(told.split())
    assert not (tmp_path / "out").exists()


def test_numbers_of_tokens_and_seeds_may_be_short() -> None:
    texts = ("5M", "500k", "1.5b", "4096", "1,000")
    assert [ablate._tokens(text) for text in texts] == [5_000_000, 500_000, 1_500_000_000, 4096, 1000]
    assert (list(ablate._seeds("2")), list(ablate._seeds("4,2"))) == ([0, 1], [4, 2])
    with pytest.raises(InputError):
        ablate._tokens("0")


@pytest.mark.slow
def test_proxies_are_compared_on_a_task_too(corpus: Path, questions: Path, tmp_path: Path) -> None:
    config, out = runs.configure(tmp_path, 2, validation=0), tmp_path / "out"
    words = (
        "ablate",
        corpus,
        "--vary",
        "selection.min_score=2",
        "--on",
        f"quality={questions}",
        "--config",
        config,
        "--tokens",
        "4k",
        "--seeds",
        2,
    )
    shown = socorpus(*words, "--epochs", 1, "--workers", 0, "-o", out)
    assert "quality: macro F1, higher is better" in " ".join(shown.stdout.split())
    facts = json.loads((out / "ablation.json").read_text())
    task = facts["measures"][-1]
    assert (task["name"], task["better"]) == ("quality: macro F1", "higher")
    # A proxy is fine-tuned once, with its own seed: the comparisons of both seeds have its scores.
    for name in ("base", "selection.min_score=2"):
        scores = []
        for seed in (0, 1):
            cells = json.loads((out / f"tasks/seed-{seed}/comparison.json").read_text())["cells"]
            scores += [cell["scores"]["macro_f1"]["mean"] for cell in cells if cell["system"] == name]
        assert task["proxies"][name] == pytest.approx(scores) and len(scores) == 2
    before = {path: path.stat().st_mtime_ns for path in out.rglob("test.parquet")}
    assert socorpus(*words, "--epochs", 1, "--workers", 0, "-o", out).stdout == shown.stdout
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("test.parquet")}
