"""A corpus of another one's tables by another configuration: what it shares, and that a build would make the same."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus import InputError, build, load_config, pipeline, toml_config, verify
from socorpus.corpus import config as configs
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.work import Progress
from socorpus.corpus.sample import writer as sample_writer
from tests.building import copy, hashes, manifest
from tests.conftest import Once

MEMORY = ".generations/hashes.json"
"""What was learnt of a corpus's files by reading them; any reader writes there."""
BASE = {"split": {"validation": 0.1}, "shards": {"row_group": 64}}


@pytest.fixture(scope="module")
def place(once: Once) -> Path:
    """A dump, a corpus of it whose benchmark is gone since, and a folder for what is derived. Only to be read."""

    def make(folder: Path) -> None:
        forms = (sample_writer.MODERN, sample_writer.AREA51)
        sample_writer.write(folder / "dump", threads=60, sites=forms, seed=4)
        benchmark = folder / "bench.txt"
        benchmark.write_text("how do i make a list of all the files in a folder that are newer than a week or two\n")
        contamination = {"contamination": {"benchmarks": [str(benchmark)]}}
        build(folder / "dump", folder / "corpus", load_config(overrides={**BASE, **contamination}), workers=0)
        benchmark.unlink()

    return once("deriving", make)


def derive(
    base: Path, out: Path, over: Mapping[str, Any], tokenizer: Path | None = None
) -> tuple[dict[str, Any], dict[str, int]]:
    """The manifest of what is derived, and how many items of each stage ran."""
    config = configs.of_corpus(toml_config.merge(manifest(base)["config"], over))
    path = tokenizer or base / "tokenizer/tokenizer.json"
    config = replace(config, tokenizer=replace(config.tokenizer, path=str(path.resolve())))
    ran: dict[str, int] = {}

    def show(now: Progress) -> None:
        if now.done > now.skipped:
            ran[now.stage] = now.done - now.skipped

    with Engine(out, 0, None, show) as engine:
        return pipeline.derive(out, base, config, engine), ran


def test_only_what_the_configuration_changes_is_made_and_the_rest_is_shared(place: Path, tmp_path: Path) -> None:
    base = place / "corpus"
    before = {name: of for name, of in hashes(base, ".").items() if name != MEMORY}
    facts, ran = derive(base, tmp_path / "score", {"selection": {"min_score": 3}})
    assert set(ran) == {"rules", "elect", "decisions", "tokenizer", "prepare", "shards", "report"}
    assert facts["totals"]["kept"] < manifest(base)["totals"]["kept"]
    assert facts["totals"]["documents"] == manifest(base)["totals"]["documents"]
    for name in ("documents", "signals", "tables"):
        own = (tmp_path / "score" / name).resolve()
        paths = [path for path in (base / name).resolve().rglob("*") if path.is_file()]
        assert paths and all(path.samefile(own / path.relative_to((base / name).resolve())) for path in paths)
    # The corpus that it is of is the same, byte for byte, and both are whole.
    assert {name: of for name, of in hashes(base, ".").items() if name != MEMORY} == before
    assert verify(base).differences == () == verify(tmp_path / "score").differences
    # Once more nothing runs.
    assert derive(base, tmp_path / "score", {"selection": {"min_score": 3}}) == (facts, {})


@pytest.mark.parametrize(
    "over",
    [
        {},
        {"near": {"threshold": 0.6}},
        pytest.param({"documents": {"comments": False}}, marks=pytest.mark.slow),
        pytest.param({"privacy": {"kinds": []}, "split": {"validation": 0.2}}, marks=pytest.mark.slow),
    ],
    ids=["nothing", "near", "comments", "privacy and split"],
)
def test_it_is_what_a_build_of_the_dump_would_be(over: Mapping[str, Any], place: Path, tmp_path: Path) -> None:
    base = place / "corpus"
    facts, _ = derive(base, tmp_path / "derived", over)
    # The benchmark is gone, and no text had anything of it.
    tokenizer = {"tokenizer": {"path": str((base / "tokenizer/tokenizer.json").resolve())}}
    config = load_config(overrides=toml_config.merge(toml_config.merge(BASE, tokenizer), over))
    build(place / "dump", tmp_path / "built", config, workers=0)
    built = manifest(tmp_path / "built")
    assert {name: of for name, of in facts.items() if name not in ("config", "files", "reused")} == {
        name: of for name, of in built.items() if name not in ("config", "files", "reused", "check")
    }
    for folder in ("documents", "decisions", "shards", "signals/near"):
        derived, of_dump = (hashes((tmp_path / name / folder).resolve(), ".") for name in ("derived", "built"))
        assert derived and derived == of_dump


def test_what_was_stopped_goes_on(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(pipeline.shards_stage, "run", stopped)
        derive(place / "corpus", tmp_path / "out", {"selection": {"min_score": 3}})
    assert not (tmp_path / "out/MANIFEST.json").exists()
    facts, ran = derive(place / "corpus", tmp_path / "out", {"selection": {"min_score": 3}})
    assert set(ran) == {"prepare", "shards", "report"}
    assert facts == derive(place / "corpus", tmp_path / "other", {"selection": {"min_score": 3}})[0]


def test_a_corpus_that_lacks_something_or_is_damaged_is_refused(place: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for link in (path for path in (place / "corpus").iterdir() if not path.name.startswith(".")):
        path = link.resolve()
        (shutil.copytree if path.is_dir() else shutil.copy)(path, plain / link.name)
    # What was made of the benchmark is hidden, and not in a copy of what a corpus shows.
    with pytest.raises(InputError, match=r"bench\.txt: a file of \[contamination\]"):
        derive(plain, tmp_path / "of-plain", {"selection": {"min_score": 3}})
    without = {"contamination": {"benchmarks": []}}
    facts, ran = derive(plain, tmp_path / "of-plain", without)
    assert "documents" not in ran and facts["shards"] == manifest(plain)["shards"]
    shutil.rmtree(plain / "receipts")
    with pytest.raises(InputError, match="no receipts of read"):
        derive(plain, tmp_path / "without", {})
    damaged = copy(place / "corpus", tmp_path)
    path = next((damaged / "documents").resolve().rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"documents/.*changed"):
        derive(damaged, tmp_path / "of-damaged", {})
    with pytest.raises(InputError, match="reading the dump"):
        derive(place / "corpus", tmp_path / "read", {"read": {"part_mb": 8}})
