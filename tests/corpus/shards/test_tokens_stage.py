"""Tokens of the shards by another tokenizer: beside the corpus's own, kept while the shards are the same."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socorpus.corpus import Corpus, InputError, Progress, abandon, build, load_config, status, tokenize, verify
from socorpus.corpus.engine import rebuild
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.sample import writer as sample_writer
from socorpus.corpus.shards import tokens_stage
from socorpus.corpus.storage import generations
from socorpus.corpus.tokenizer import folder as tokenizer_folder
from tests import building
from tests.conftest import Once
from tests.corpus.tokenizer import test_given


@pytest.fixture(scope="module")
def small(once: Once) -> Path:
    """A corpus of a few row groups. Only to be read."""

    def make(root: Path) -> None:
        sample_writer.write(root / "dump", threads=60, sites=(sample_writer.MODERN,), seed=5)
        settings = {"shards": {"row_group": 16}, "split": {"validation": 0.1}}
        build(root / "dump", root / "corpus", load_config(overrides=settings), workers=0)

    return once("tokens", make) / "corpus"


@pytest.fixture
def corpus(small: Path, tmp_path: Path) -> Path:
    return building.copy(small, tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The folder of a model's tokenizer."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tokenizer.json").write_text(test_given.in_brackets().to_str(), "utf-8")
    return tmp_path / "model"


def table(corpus: Path, folder: str) -> pa.Table:
    return building.table(corpus, folder).sort_by([("site", "ascending"), ("post_id", "ascending")])


def test_tokens_lie_beside_those_of_the_corpus_and_are_made_once(corpus: Path, model: Path) -> None:
    before, shown = building.hashes(corpus), list[Progress]()
    made = tokenize(corpus, model, workers=2, show=shown.append)
    given = tokenizer_folder.load_given(model)
    assert made["folder"] == f"tokens/{given.key}" and made["entries"] == given.entries
    # A note of the cluster's is of no stage.
    assert {progress.stage for progress in shown if progress.stage} == {"tokens"} and shown[-1].done == shown[
        -1
    ].items > 0
    assert building.hashes(corpus) == before and verify(corpus).differences == ()
    shards, tokens = (table(corpus, folder) for folder in ("shards", made["folder"]))
    assert tokens["post_id"].equals(shards["post_id"])
    for text, ids in list(zip(shards["text"].to_pylist(), tokens["input_ids"].to_pylist(), strict=True))[::10]:
        assert ids == given.tokenizer.encode(text, add_special_tokens=False).ids
    for name, counts in made["splits"].items():
        rows = table(corpus, f"{made['folder']}/{name}")
        assert counts["rows"] == rows.num_rows and counts["tokens"] == sum(map(len, rows["input_ids"].to_pylist()))
    # Row for row, and row group for row group.
    for path in sorted((corpus / "shards").rglob("*.parquet")):
        other = corpus / made["folder"] / path.relative_to(corpus / "shards")
        sizes = [
            [pq.read_metadata(p).row_group(n).num_rows for n in range(pq.read_metadata(p).num_row_groups)]
            for p in (path, other)
        ]
        assert sizes[0] == sizes[1]
    # In this process the same bytes come out; what is there is not made again.
    same = building.hashes(corpus, "tokens")
    tree = generations.finished(corpus)
    assert tokenize(corpus, model) == made and generations.finished(corpus) == tree
    tokenize(corpus, model, workers=0, force=True)
    assert building.hashes(corpus, "tokens") == same


def test_the_corpus_s_own_tokenizer_makes_nothing(corpus: Path) -> None:
    assert tokenize(corpus, corpus / "tokenizer")["folder"] == "shards"
    assert not (corpus / "tokens").exists()


def test_damaged_tokens_are_noticed_and_made_again(corpus: Path, model: Path) -> None:
    place = corpus / tokenize(corpus, model, workers=0)["folder"] / "train" / "00000.parquet"
    content = place.read_bytes()
    place.unlink()
    place.write_bytes(content[:-10] + bytes(10))
    assert [difference.what for difference in verify(corpus).differences] == ["changed"]
    tokenize(corpus, model, workers=0)
    assert verify(corpus).differences == () and place.read_bytes() == content


def test_a_stopped_command_goes_on_and_others_wait_for_it(corpus: Path, model: Path) -> None:
    class HaltError(Exception):
        pass

    def halt(progress: Progress) -> None:
        if progress.done == 1:
            raise HaltError

    with pytest.raises(HaltError):
        tokenize(corpus, model, workers=0, show=halt)
    assert "tokens" not in Corpus(corpus).manifest and "stopped; the same socorpus tokenize" in status(corpus).summary
    with (
        Engine(corpus, 0) as engine,
        pytest.raises(InputError, match="tokens of another tokenizer were being made"),
        rebuild.rebuilding(corpus, engine, rebuild.LABELS),
    ):
        pass
    shown = list[Progress]()
    tokenize(corpus, model, workers=0, show=shown.append)
    assert shown[0].skipped == 1 and verify(corpus).differences == ()


def test_tokens_of_a_stopped_command_can_be_dropped(corpus: Path, model: Path) -> None:
    with Engine(corpus, 0) as engine, pytest.raises(KeyboardInterrupt), rebuild.rebuilding(corpus, engine, "labels"):
        raise KeyboardInterrupt
    with pytest.raises(InputError, match="labels were being made, which stopped"):
        tokenize(corpus, model, workers=0)
    assert abandon(corpus)
    tokenize(corpus, model, workers=0)


def test_a_build_keeps_tokens_of_the_same_shards_and_drops_others(corpus: Path, model: Path) -> None:
    key = tokenize(corpus, model, workers=0)["folder"].removeprefix("tokens/")
    before = Corpus(corpus).manifest
    without = {**before, "files": {path: of for path, of in before["files"].items() if not path.startswith("tokens/")}}
    del without["tokens"]
    said = list[str]()
    tree = generations.finished(corpus)
    with Engine(corpus, 0, show=lambda progress: said.append(progress.note)) as engine:
        assert tokens_stage.keep(tree, before, without, engine) == before and not any(said)
        other = {**without["files"]}
        first = min(path for path in other if path.startswith("shards/"))
        other[first] = {**other[first], "sha256": "of other rows"}
        assert tokens_stage.keep(tree, before, {**without, "files": other}, engine) == {**without, "files": other}
    assert [note.partition(";")[0] for note in said if note] == [
        f"tokens/{key} were those of the shards before, and go"
    ]
    assert not (tree / "tokens").exists()
