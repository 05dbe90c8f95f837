"""What the trainer refuses, and what it says of what goes wrong on its way."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socorpus.corpus.errors import InputError
from socorpus.training import saved_hashes
from socorpus.training.presets import load
from socorpus.training.pretrain import checkpoint
from socorpus.training.pretrain.data import shard_reader
from tests.training.runs import STEPS, configure, train


@pytest.fixture
def copy(corpus: Path, tmp_path: Path) -> Path:
    """The corpus, to be spoilt."""
    made = tmp_path / "copy"
    for name in ("shards", "tokenizer"):
        shutil.copytree(corpus / name, made / name)
    shutil.copy(corpus / "MANIFEST.json", made)
    return made


def test_a_folder_that_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no finished corpus \(no MANIFEST\.json\); run socorpus build first"):
        shard_reader.open_corpus(tmp_path)
    (tmp_path / "MANIFEST.json").write_text("{}")
    with pytest.raises(InputError, match="not a corpus's manifest"):
        shard_reader.open_corpus(tmp_path)


def test_a_corpus_of_another_version(copy: Path) -> None:
    facts = json.loads((copy / "MANIFEST.json").read_text())
    (copy / "MANIFEST.json").write_text(json.dumps({**facts, "version": "7"}))
    with pytest.raises(InputError, match="a corpus of version 7, this is version 2; build it again"):
        shard_reader.open_corpus(copy)


def test_files_that_are_not_those_of_the_manifest(copy: Path) -> None:
    path = copy / "tokenizer/tokenizer.json"
    tokenizer = json.loads(path.read_text("utf-8"))
    tokenizer["model"]["merges"].pop()
    path.write_text(json.dumps(tokenizer), "utf-8")
    with pytest.raises(InputError, match=r"not those of its manifest: tokenizer/tokenizer.json \(changed\); .*verify"):
        shard_reader.open_corpus(copy)


def test_a_validation_shard_in_trains_place(copy: Path) -> None:
    shutil.copy(copy / "shards/validation/00000.parquet", copy / "shards/train/00000.parquet")
    with pytest.raises(InputError, match=r"shards/train/00000.parquet \(changed\)"):
        shard_reader.open_corpus(copy)


def test_an_empty_split_and_a_broken_shard(copy: Path) -> None:
    found = shard_reader.open_corpus(copy)
    files = {name: of for name, of in found.manifest["files"].items() if not name.startswith("shards/validation/")}
    with pytest.raises(InputError, match=r"its validation split has no documents; .* larger split.validation"):
        replace(found, manifest={**found.manifest, "files": files}).row_groups("validation")
    path = next((copy / "shards/train").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=f"{path.name}: not a whole Parquet file"):
        found.row_groups("train")
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match="written by schema version none"):
        found.row_groups("train")


def test_more_ranks_than_row_groups_and_a_checkpoint_of_another_shape(
    corpus: Path, whole: Path, tmp_path: Path
) -> None:
    done = train(
        corpus, tmp_path / "many", configure(tmp_path, 2, more="[data]\nlanes = 32"), "--gpus", 32, "--dry-run"
    )
    assert "parameters" in done.stdout
    path = configure(tmp_path)
    path.write_text(path.read_text().replace("hidden = 64", "hidden = 32"))
    done = train(corpus, whole, path, code=2)
    assert "this run was begun with model.hidden = 64 (now 32)" in " ".join(done.stderr.split())


def test_a_loss_that_is_no_number_keeps_the_last_checkpoint(corpus: Path, tmp_path: Path) -> None:
    more = "[optimizer]\nlr = 1e18\nclip = 0.0"
    done = train(corpus, tmp_path / "run", configure(tmp_path, 30, "steps = 1", 0, more), code=1)
    said = " ".join(done.stderr.split())
    assert "the loss is" in said and "Lower optimizer.lr or lengthen schedule.warmup" in said
    assert "is kept" in said and checkpoint.newest(tmp_path / "run/checkpoints") is not None


def test_a_damaged_checkpoint_is_told(corpus: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    # Another test may be exporting it.
    shutil.copytree(whole, out, ignore=shutil.ignore_patterns("exported"))
    last = checkpoint.newest(out / "checkpoints")
    assert last is not None
    for path in last.path.glob("*.distcp"):
        path.write_bytes(path.read_bytes()[:100])
    done = train(corpus, out, configure(tmp_path, STEPS + 2), code=2)
    assert "not what was saved" in " ".join(done.stderr.split())
    # A checkpoint of an earlier release has no hashes.
    (last.path / saved_hashes.NAME).unlink()
    done = train(corpus, out, configure(tmp_path, STEPS + 2), code=2)
    assert "cannot be read as a checkpoint of this model" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": {"heads": 3}}, "model.heads \\(3\\) must divide model.hidden \\(128\\)"),
        ({"batch": {"tokens": 1000}}, "batch.tokens \\(1000\\) must be a multiple of model.max_length \\(512\\)"),
        ({"model": {"window": 3}}, "model.window must be even"),
        ({"masking": {"rate": 1.5}}, "masking.rate must lie between 0.001 and 1"),
        # Nothing to learn from, and nothing to show.
        ({"masking": {"rate": 0}}, "masking.rate must lie between"),
        ({"validation": {"tokens": 0}}, "validation.tokens must lie between"),
        # A division by zero in the first step.
        ({"optimizer": {"beta1": 1.0}}, "optimizer.beta1 must lie between 0 and 0.999999, not 1.0"),
        ({"optimizer": {"beta2": 1.0}}, "optimizer.beta2 must lie between"),
        ({"optimizer": {"eps": 0.0}}, "optimizer.eps must lie between"),
        ({"schedule": {"form": "linear"}}, "schedule.form must be one of wsd, cosine"),
        ({"modle": {}}, "unknown key modle; did you mean model"),
    ],
)
def test_wrong_settings_are_told(changes: dict[str, dict[str, object]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        load("tiny", overrides=changes)
