"""Whole ablations: their figures, what is done once, and what a kill leaves."""

import csv
import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from socorpus.corpus import InputError, verify
from socorpus.training import Ablation, Config, ablate, export_model, folder_lock, load_config, plan_ablation
from socorpus.training.ablation import ablation_page, comparing, held_out_loss, held_out_texts, proxies
from socorpus.training.ablation.comparing import Measure
from socorpus.training.evaluation.uncertainty import Runs
from socorpus.training.pretrain.data import shard_reader
from tests import fork_server
from tests.building import socorpus, wait_for
from tests.training import runs

SMALL = {
    "model": {"layers": 2, "hidden": 64, "heads": 4, "ffn": 96, "max_length": 128, "window": 16},
    "batch": {"tokens": 2048, "micro_tokens": 1024},
}
VARY = ["selection.min_score=1", "selection.min_words=0"]
"""The second keeps the same text: posts without a word are dropped all the same, and short ones there are none."""


def settings() -> Config:
    return load_config("tiny", overrides=SMALL)


@pytest.fixture(scope="module")
def small(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Ablation:
    """An ablation of one seed. Only to be read."""
    out = tmp_path_factory.mktemp("ablation") / "out"
    torch.set_num_threads(1)
    return ablate(corpus, VARY, out, config=settings(), tokens=6_144, seeds=[3], workers=0)


def touched(folder: Path) -> dict[str, int]:
    """When each file of runs and losses was written."""
    names = ("runs", "losses")
    return {str(path): path.stat().st_mtime_ns for name in names for path in (folder / name).rglob("*.json*")} | {
        str(path): path.stat().st_mtime_ns for path in (folder / "losses").iterdir()
    }


def test_variants_are_compared_at_equal_compute_on_the_same_texts(small: Ablation, corpus: Path) -> None:
    facts = small.facts
    names = ["base", "selection.min_score=1", "selection.min_words=0"]
    assert [entry["name"] for entry in facts["variants"]] == names
    base, score, words = facts["variants"]
    assert score["documents"] < base["documents"] == words["documents"]
    assert words["same_text_as"] == "base" and words["proxies"] == base["proxies"] != score["proxies"]
    for entry in (base, score):
        run = json.loads((small.folder / entry["proxies"]["3"] / "run.json").read_text())
        assert (run["step"], run["steps"]) == (3, 3)
        # Packs are filled, but for their ends.
        assert 0.9 * 6_144 < run["tokens"] <= 6_144
        assert entry["passes"] == pytest.approx(6_144 / entry["train_tokens"], rel=0.1)
    assert score["passes"] > base["passes"]
    loss = facts["measures"][0]
    assert loss["name"] == "held-out loss" and loss["threads"] == facts["held_out"]["threads"] > 1
    assert loss["scores"]["base"] == loss["scores"]["selection.min_words=0"]
    assert list(loss["differences"]) == ["selection.min_score=1"]
    assert loss["differences"]["selection.min_score=1"]["mean"] == pytest.approx(
        loss["scores"]["selection.min_score=1"]["mean"] - loss["scores"]["base"]["mean"]
    )
    # A model that knows nothing but how frequent entries are has about the loss of the vocabulary's entropy.
    assert 3 < loss["scores"]["base"]["mean"] < math.log(shard_reader.open_corpus(corpus).vocabulary.padded)
    assert any("keeps the same text as base" in note for note in facts["notes"])
    assert any(note.startswith("One seed") for note in facts["notes"])


def test_the_result_is_written_as_tables_and_as_a_page(small: Ablation) -> None:
    assert json.loads((small.folder / "ablation.json").read_text()) == small.facts
    with (small.folder / "ablation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * len(small.facts["measures"])
    row = next(row for row in rows if row["variant"] == "selection.min_score=1")
    difference = small.facts["measures"][0]["differences"]["selection.min_score=1"]
    assert row["changes"] == "selection.min_score: null → 1"
    assert float(row["difference"]) == difference["mean"] and float(row["holm"]) == difference["holm"]
    page = (small.folder / "ablation.html").read_text()
    for part in ("<figure", "selection.min_score=1", "held-out loss", "ranking need not hold", "6,144"):
        assert part in page
    assert "https://" not in page and "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert [table.rows[0][0] for table in small.tables()] == ["base"] * (1 + len(small.facts["measures"]))


def test_a_page_without_a_difference_and_one_with_many(small: Ablation) -> None:
    facts = json.loads(json.dumps(small.facts))
    for measure in facts["measures"]:
        measure["differences"], measure["pairs"] = {}, []
    assert "<figure" not in ablation_page.render(facts) and "held-out loss" in ablation_page.render(facts)
    assert ablation_page.render(small.facts).count("<figure") == len(small.facts["measures"])


def test_what_is_done_is_not_done_again(small: Ablation, corpus: Path) -> None:
    before = touched(small.folder)
    again = ablate(corpus, VARY, small.folder, config=settings(), tokens=6_144, seeds=[3], workers=0)
    assert again.facts == small.facts and touched(small.folder) == before
    plan = plan_ablation(corpus, VARY, small.folder, config=settings(), tokens=6_144, seeds=[3])
    assert (plan.builds, plan.proxies, plan.trained, plan.steps, plan.hours) == (0, 3, 3, 3, 0.0)
    more = plan_ablation(corpus, VARY, small.folder, config=settings(), tokens=6_144, seeds=[3, 4])
    assert (more.proxies, more.trained) == (6, 3) and more.hours > 0
    fresh = plan_ablation(corpus, VARY, config=settings(), tokens=6_145)
    assert (fresh.builds, fresh.proxies, fresh.trained, fresh.steps) == (3, 9, 0, 4)


def test_a_folder_of_something_else_is_refused(small: Ablation, corpus: Path, second: Path, tmp_path: Path) -> None:
    def refused(of: Path, out: Path, message: str, **more: Any) -> None:
        with pytest.raises(InputError, match=message):
            ablate(of, ["selection.min_score=1"], out, config=settings(), tokens=2_048, **more)

    refused(second, small.folder, "an ablation of another corpus")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("mine")
    refused(corpus, tmp_path / "mine", "holds something else")
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]  # noqa: PTH208
    with folder_lock.held(tmp_path / "held", "testing", 0.0):
        refused(corpus, tmp_path / "held", "another process is ablating in this folder")
    refused(corpus, tmp_path / "out", "all different", seeds=[1, 1])
    assert not (tmp_path / "out").exists()


def test_losses_have_the_statistics_of_comparisons() -> None:
    draw = np.random.default_rng(1)
    tokens = np.full(30, 12.0)
    first, other = (draw.normal(mean, 0.4, 30) for mean in (6.0, 6.2))

    def of(*seeds: Any) -> Runs:
        sums = [np.column_stack([tokens, tokens * each]) for each in seeds]
        return Runs.of_values(sums, held_out_loss.mean, (0.0, np.inf))

    facts = Measure(comparing.LOSS, "texts", False, {"base": of(first), "other": of(other)}).facts({"copy": "other"})
    known = stats.ttest_rel(other, first)
    assert facts["differences"]["other"]["p"] == pytest.approx(known.pvalue)
    interval = known.confidence_interval()
    assert (facts["differences"]["other"]["low"], facts["differences"]["other"]["high"]) == pytest.approx(
        (interval.low, interval.high)
    )
    assert facts["differences"]["copy"] == facts["differences"]["other"] and facts["scores"]["copy"]["mean"] > 6
    # The lowest loss is the best, and has the first letter; a copy adds no pair to correct for.
    far = Measure("loss", "", False, {"base": of(first + 1), "better": of(first)}).facts({})
    assert far["groups"] == {"base": "b", "better": "a"} and len(facts["pairs"]) == 1
    assert Measure("F1", "", True, {"base": of(first + 1), "worse": of(first)}).facts({})["groups"]["base"] == "a"


def test_a_proxy_reads_one_corpus_and_is_of_its_seed() -> None:
    config = settings()
    assert proxies.settings(config, 5_000, 7, "here").data.seed == 7
    with pytest.raises(InputError, match=r"here: data\.corpora and data\.tokens"):
        proxies.settings(replace(config, data=replace(config.data, tokens="abc")), 5_000, 7, "here")


@pytest.mark.slow
def test_the_loss_is_that_of_the_exported_model(small: Ablation, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM

    base, score, _ = small.facts["variants"]
    opened = [shard_reader.open_corpus(small.folder / entry["folder"]) for entry in (base, score)]
    texts = held_out_texts.choose(opened[0], opened[1:], settings().validation.tokens)
    assert texts.identity == small.facts["held_out"]["identity"]
    export_model(small.folder / score["proxies"]["3"], tmp_path / "model")
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "model").eval()
    sums = np.zeros((len(texts.documents), 2))
    with torch.no_grad():
        for batch, of in texts.batches(settings(), opened[0].vocabulary):
            start, place, scored = 0, 0, dict(zip(batch.places.tolist(), batch.labels.tolist(), strict=True))
            for length in batch.documents:
                logits = model(batch.ids[None, start : start + length]).logits[0].double().log_softmax(-1)
                for position in range(start, start + length):
                    if position in scored:
                        sums[of[place]] += (1.0, -float(logits[position - start, scored[position]]))
                        place += 1
                start += length
    assert sums[texts.common].sum(0)[1] / sums[texts.common].sum(0)[0] == pytest.approx(
        small.facts["measures"][0]["scores"]["selection.min_score=1"]["mean"], rel=1e-4
    )


@pytest.mark.slow
def test_an_ablation_that_is_killed_goes_on_and_ends_the_same(corpus: Path, tmp_path: Path) -> None:
    config = runs.configure(tmp_path, 3, validation=0)
    vary = ("--vary", "selection.min_score=1", "--vary", "near.threshold=none,0.7")
    words = ("ablate", corpus, *vary, "--config", config, "--tokens", "6k", "--seeds", 2, "--workers", 0)
    whole, out = tmp_path / "whole", tmp_path / "out"
    shown = socorpus(*words, "-o", whole)
    assert "near.threshold=none" in shown.stdout and "p (Holm)" in shown.stdout and "proxies: 8" in shown.stderr
    moments: list[Callable[[], bool]] = [
        lambda: any(out.glob("corpora/*/MANIFEST.json")),
        lambda: len(list(out.glob("runs/*/checkpoints/step-000000003/state.json"))) > 1,
        lambda: any(out.glob("losses/*.npz")),
    ]
    kept: dict[str, int] = {}
    for moment in moments:
        process = fork_server.start((*words, "-o", out), runs.environment())
        wait_for(moment, 300)
        process.kill()
        process.communicate(timeout=60)
        now = touched(out) if (out / "losses").is_dir() else {}
        assert {name: when for name, when in now.items() if name in kept} == kept
        kept = {name: when for name, when in now.items() if name.endswith((".npz", "state.json"))}
    last = socorpus(*words, "-o", out)
    assert {name: when for name, when in touched(out).items() if name in kept} == kept
    assert (out / "ablation.json").read_bytes() == (whole / "ablation.json").read_bytes()
    assert last.stdout.replace(str(out), "") == shown.stdout.replace(str(whole), "")
    assert not [path for path in out.rglob("*") if path.name.endswith(".partial")]
    assert verify(corpus).differences == ()
