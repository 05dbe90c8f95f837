"""The exported model is the trained one: under transformers alone, with its tokenizer, up to rounding."""

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from typer.testing import CliRunner

from socorpus.cli.main import app
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.sample import writer as sample_writer
from socorpus.training import presets, saved_hashes
from socorpus.training.config import ModelShape
from socorpus.training.export import card as card_of
from socorpus.training.export import equality, huggingface, weights
from socorpus.training.finetuning import pretrained
from socorpus.training.pretrain import checkpoint, cost, trainer
from socorpus.training.pretrain.data import shard_reader
from tests.building import manifest, table
from tests.corpus import small_site

PRESETS = ["tiny", "sobert-tiny"]
ELSEWHERE = """
import json, sys
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline
texts, said = json.load(sys.stdin), []
for folder in sys.argv[1:]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    fill = pipeline("fill-mask", folder)
    parts = ("How do I sort a", " in Python?")
    before, after = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in parts)
    # As in training: the word that is masked had the space before it.
    trained = [tokenizer.cls_token_id, *before, tokenizer.mask_token_id, *after, tokenizer.sep_token_id]
    with torch.no_grad():
        best = fill.model(torch.tensor([trained])).logits[0, len(before) + 1].topk(5).indices.tolist()
    encoded = [tokenizer(text, split_special_tokens=True) for text in texts]
    said.append({
        "ids": [one["input_ids"] for one in encoded],
        "keys": sorted(encoded[0]),
        "best": best,
        "filled": fill("How do I sort a [MASK] in Python?"),
        "asked": tokenizer("How do I sort a [MASK] in Python?", add_special_tokens=False)["input_ids"],
        "around": [before, after],
        "class": type(fill.model).__name__,
        "parameters": sum(one.numel() for one in fill.model.parameters()),
        "types": sorted({str(one.dtype) for one in fill.model.parameters()}),
        "longest": tokenizer.model_max_length,
        "padding": fill.model.config.pad_token_id,
    })
assert not [name for name in sys.modules if name.startswith(("socorpus", "megatron"))]
print(json.dumps(said))
"""


class Silent:
    """Shows nothing."""

    def begin(self, facts: Any) -> None: ...
    def step(self, line: Any) -> None: ...
    def validated(self, step: int, scores: Any) -> None: ...
    def saved(self, step: int) -> None: ...


@contextmanager
def alone() -> Iterator[None]:
    """Join as the only rank, and leave the environment as it was; megatron-core warns of its own defaults."""
    with mock.patch.dict(os.environ), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    truth = sample_writer.write(folder / "dump", threads=60, sites=(sample_writer.AREA51,))
    small_site.build(folder / "corpus", truth.folder, split={"validation": 0.2})
    return folder / "corpus"


@pytest.fixture(scope="module")
def runs(corpus: Path) -> dict[str, Path]:
    """A run of two steps of each family, with a checkpoint of each step."""
    small = {
        "schedule": {"tokens": 2048},
        "batch": {"tokens": 1024, "micro_tokens": 1024},
        "validation": {"steps": 1, "tokens": 2000},
        "checkpoint": {"steps": 1},
    }
    made = {preset: corpus.parent / preset for preset in PRESETS}
    for preset, run in made.items():
        with alone():
            facts = trainer.train(corpus, run, presets.load(preset, None, small), Silent(), price=3.0)
        assert facts["step"] == 2
    return made


@pytest.fixture(scope="module")
def models(runs: dict[str, Path]) -> dict[str, Path]:
    made = {preset: run.parent / f"model-{preset}" for preset, run in runs.items()}
    for preset, run in runs.items():
        export(run, made[preset])
    return made


def export(run: Path, out: Path, **arguments: Any) -> dict[str, Any]:
    with mock.patch.dict(os.environ):
        return huggingface.export(run, out, **arguments)


def facts(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((model / "export.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("preset", PRESETS)
def test_logits_are_those_of_the_trained_model(models: dict[str, Path], preset: str) -> None:
    told = facts(models[preset])
    assert 0 < told["largest_difference"] < 1e-4
    lengths = told["proof"]["document_tokens"]
    assert told["proof"]["split"] == "validation"
    assert len(lengths) > 3 and max(lengths) == told["model"]["max_length"], "one document fills the context"
    assert f"{told['largest_difference']:.1e}" in (models[preset] / "README.md").read_text("utf-8")


@pytest.mark.parametrize("preset", PRESETS)
def test_so_are_those_of_a_model_whose_every_weight_is_far_from_its_first(
    runs: dict[str, Path], tmp_path: Path, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = huggingface.loaded

    def shaken(*arguments: Any) -> Any:
        model = trained(*arguments)
        generator = torch.Generator().manual_seed(3)
        for one in model.parameters():
            one.data += 0.1 * torch.randn(one.shape, generator=generator)
        return model

    monkeypatch.setattr(huggingface, "loaded", shaken)
    assert 1e-7 < export(runs[preset], tmp_path / "model")["largest_difference"] < 1e-4
    # And there the proof sees what is off by a little.
    right = weights.configuration

    def wrong(shape: ModelShape, *rest: Any) -> Any:
        made = right(shape, *rest)
        if shape.family == "modern":
            made.local_attention += 2
        else:
            made.hidden_act = "gelu_new"
        return made

    monkeypatch.setattr(weights, "configuration", wrong)
    with pytest.raises(BuildError, match="differs from the trained one"):
        export(runs[preset], tmp_path / "wrong")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_transformers_alone_reads_it(models: dict[str, Path], corpus: Path, tmp_path: Path) -> None:
    rows = table(corpus, "shards").slice(0, 40)
    texts = ["What does [MASK] mean in [SEP]?", *rows["text"].to_pylist()]
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, *models.values()],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    special = shard_reader.open_corpus(corpus).vocabulary.special
    for (preset, model), said in zip(models.items(), json.loads(done.stdout), strict=True):
        assert [ids[1:-1] for ids in said["ids"][1:]] == rows["input_ids"].to_pylist()
        assert {(ids[0], ids[-1]) for ids in said["ids"]} == {(special["[CLS]"], special["[SEP]"])}
        assert not {special["[MASK]"], special["[SEP]"]} & set(said["ids"][0][1:-1])
        # In training a word's token has the space before it: so has the mask.
        before, after = said["around"]
        assert said["asked"] == [*before, special["[MASK]"], *after]
        assert [one["token"] for one in said["filled"]] == said["best"]
        assert len(said["filled"]) == 5 and all(0 < one["score"] < 1 for one in said["filled"])
        told, shape = facts(model), presets.load(preset).model
        expected = cost.parameters(shape, told["vocabulary"]["rows"])
        if shape.family == "sobert":
            expected += weights.TOKEN_TYPES * shape.hidden
        assert said["parameters"] == told["parameters"] == expected
        assert said["class"] == told["architecture"] == weights.ARCHITECTURES[shape.family]
        assert said["types"] == ["torch.float32"]
        assert (said["longest"], said["padding"]) == (shape.max_length, special["[PAD]"])
        assert said["keys"] == ["attention_mask", "input_ids"]


def test_the_card_tells_of_data_cost_and_scores(models: dict[str, Path], runs: dict[str, Path], corpus: Path) -> None:
    for preset in PRESETS:
        card = (models[preset] / "README.md").read_text("utf-8")
        front = re.match(r"---\n(.*?)\n---\n", card, re.S)
        assert front and "library_name: transformers" in front[1] and "pipeline_tag: fill-mask" in front[1]
        for site in manifest(corpus)["sites"].values():
            assert f"https://{site['host']}" in card
        nowhere = {name: site | {"host": None, "url": None} for name, site in manifest(corpus)["sites"].items()}
        unlinked = card_of.text(facts(models[preset]), manifest(corpus) | {"sites": nowhere}, "")
        assert all(f"| {name} (its address is not known) |" in unlinked for name in nowhere)
        for name, count in manifest(corpus)["licenses"].items():
            assert f"[{name}]" in card and f"{count:,}" in card
        told = facts(models[preset])
        lines = map(json.loads, (runs[preset] / "log.jsonl").read_text("utf-8").splitlines())
        last = [line for line in lines if line["kind"] == "validation"][-1]
        assert told["validation"] == {name: value for name, value in last.items() if name != "kind"}
        assert f"| prose | {last['loss_prose']:.3f} | {last['accuracy_prose']:.1%} |" in card
        assert f"{told['parameters']:,}" in card and f"{told['tokens']:,}" in card
        assert told["dollars"] == pytest.approx(told["gpu_hours"] * 3.0)
        assert (runs[preset] / "run.toml").read_text("utf-8").strip() in card
        for path in models[preset].iterdir():
            assert str(corpus.parent).encode() not in path.read_bytes(), f"{path.name} has a path of this machine"


def test_a_conversion_that_is_off_leaves_nothing(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = weights.weights

    def tampered(*arguments: Any) -> Any:
        made = right(*arguments)
        name = next(name for name in made if name.endswith("layers.2.mlp.Wo.weight"))
        made[name] = made[name].clone()
        made[name][0, 0] += 0.1  # one number of the 700,000
        return made

    monkeypatch.setattr(weights, "weights", tampered)
    with pytest.raises(BuildError, match="differs from the trained one"):
        export(runs["tiny"], tmp_path / "model")
    monkeypatch.setattr(weights, "weights", lambda *arguments: dict(list(right(*arguments).items())[:-1]))
    with pytest.raises(BuildError, match="names the weights"):
        export(runs["tiny"], tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_damaged_weights_are_not_exported(runs: dict[str, Path], models: dict[str, Path], tmp_path: Path) -> None:
    run = shutil.copytree(runs["tiny"], runs["tiny"].with_name("damaged"))
    weights = next((checkpoint.listed(run / "checkpoints")[-1].path).glob("*.distcp"))
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match=r"\.distcp: not what was saved \(other bytes\)"):
        export(run, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    hashes = json.loads((models["tiny"] / saved_hashes.NAME).read_text())
    assert {"model.safetensors", "tokenizer.json"} == set(hashes)


def test_a_folder_that_holds_something_is_kept_unless_forced(
    runs: dict[str, Path], corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    out.mkdir()
    (out / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(InputError, match="not empty"):
        export(runs["tiny"], out)
    with monkeypatch.context() as patch:
        patch.setattr(equality, "compare", lambda *_: equality.Equality(float("nan"), 1.0))
        with pytest.raises(BuildError):
            export(runs["tiny"], out, force=True)
    assert [path.name for path in out.iterdir()] == ["notes.txt"], "a failed export takes nothing away"
    with pytest.raises(InputError, match="a file"):
        export(runs["tiny"], out / "notes.txt", force=True)
    for kept in (runs["tiny"], corpus, corpus.parent):
        with pytest.raises(InputError, match="holds the run or its corpus"):
            export(runs["tiny"], kept, force=True)
    other = runs["sobert-tiny"]
    own = ("checkpoints", "checkpoints/step-000000001", "tokenizer", "tensorboard/model", "profile", "exported")
    for kept in (*(runs["tiny"] / name for name in own), other, other / "tokenizer"):
        with pytest.raises(InputError, match="a run's own folder"):
            export(runs["tiny"], kept, force=True)
    assert (other / "run.json").is_file() and sorted(path.name for path in other.iterdir() if path.is_dir()) == [
        "checkpoints",
        "tensorboard",
        "tokenizer",
    ]
    with mock.patch.dict(os.environ):
        words = ["export", str(runs["tiny"]), "-o", str(out), "--step", "1", "--force"]
        said = CliRunner().invoke(app, words, catch_exceptions=False).output
    assert f"{facts(out)['parameters']:,}" in said and f"{facts(out)['largest_difference']:.1e}" in said
    assert facts(out)["step"] == facts(out)["validation"]["step"] == 1
    assert "the run had not ended" in (out / "README.md").read_text("utf-8")
    assert not (out / "notes.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_model_is_exported_anew_where_the_run_has_another_checkpoint_of_that_step(
    runs: dict[str, Path], corpus: Path
) -> None:
    run = shutil.copytree(runs["tiny"], runs["tiny"].with_name("twice"))
    with alone():
        first = pretrained.find(str(run))
        kept, weights_of_first = (first.folder / "export.json").stat().st_mtime_ns, first.identity
        assert pretrained.find(str(run)).identity == weights_of_first
        assert (first.folder / "export.json").stat().st_mtime_ns == kept, "what is there and right is not made again"
        shutil.rmtree(checkpoint.listed(run / "checkpoints")[-1].path)
        settings = presets.load("tiny", run / "run.toml", {"optimizer": {"lr": 0.02, "muon_lr": 0.05}})
        trainer.train(corpus, run, settings, Silent())
        second = pretrained.find(str(run))
        export(run, run.with_name("true"))
    assert second.folder == first.folder and second.identity != weights_of_first
    assert (second.folder / "model.safetensors").read_bytes() == (
        run.with_name("true") / "model.safetensors"
    ).read_bytes()
    # Nor does a model without a head stand for one that has it.
    weights_of_second = second.identity
    export(run, second.folder, force=True, sentence=True)
    with alone():
        assert pretrained.find(str(run)).identity == weights_of_second


def test_what_is_missing_is_said(
    runs: dict[str, Path], corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    with pytest.raises(InputError, match=r"no run\.json"):
        export(tmp_path, out)
    with pytest.raises(InputError, match="no checkpoint of step 7; there are 1, 2"):
        export(runs["tiny"], out, step=7)
    bare = tmp_path / "bare"
    bare.mkdir()
    told = json.loads((runs["tiny"] / "run.json").read_text("utf-8"))
    (bare / "run.json").write_text(json.dumps(told), "utf-8")
    with pytest.raises(InputError, match="no checkpoint yet"):
        export(bare, out)
    shutil.copytree(runs["tiny"], bare, dirs_exist_ok=True)
    for changed, sentence in (
        ({"corpus": str(tmp_path / "gone")}, "the corpus of this run is gone"),
        ({"tokenizer": "another"}, "another tokenizer"),
        ({"model": {**told["model"], "hidden": 64}}, "cannot be read as a checkpoint of this model"),
    ):
        (bare / "run.json").write_text(json.dumps(told | changed), "utf-8")
        with pytest.raises(InputError, match=sentence):
            export(bare, out)
    (bare / "run.json").write_text('{"model": {}}', "utf-8")
    with pytest.raises(InputError, match="not what socorpus train writes"):
        export(bare, out)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="one process"):
        huggingface.export(runs["tiny"], out)
    assert [path.name for path in tmp_path.iterdir()] == ["bare"]


@pytest.fixture(scope="module")
def encoders(runs: dict[str, Path]) -> dict[str, Path]:
    made = {preset: run.parent / f"sentences-{preset}" for preset, run in runs.items()}
    for preset, run in runs.items():
        words = ["export", str(run), "-o", str(made[preset]), "--sentence"]
        with mock.patch.dict(os.environ):
            said = CliRunner().invoke(app, words, catch_exceptions=False).output
        assert "MegatronBertModel" in said or "ModernBertModel" in said
    return made


SENTENCES = """
import json, sys, warnings
warnings.simplefilter("error")
import numpy
from sentence_transformers import SentenceTransformer
texts, answers = json.load(sys.stdin), []
for folder in sys.argv[1:]:
    model = SentenceTransformer(folder, device="cpu")
    answers.append({
        "vectors": model.encode(texts, batch_size=len(texts)).tolist(),
        "singly": numpy.concatenate([model.encode([text]) for text in texts]).tolist(),
        "normalised": model.encode(texts, normalize_embeddings=True, batch_size=3).tolist(),
        "longest": model.max_seq_length,
        "width": model.get_embedding_dimension(),
        "similarity": model.similarity_fn_name,
        "modules": [type(module).__name__ for module in model],
    })
assert not [name for name in sys.modules if name.startswith(("socorpus", "megatron"))]
print(json.dumps(answers))
"""


def test_sentence_transformers_alone_reads_an_encoder_for_sentences(
    encoders: dict[str, Path], models: dict[str, Path], corpus: Path, tmp_path: Path
) -> None:
    import numpy as np
    import transformers

    rows = table(corpus, "shards")
    longest = max(rows["text"].to_pylist(), key=len)
    texts = ["How do I sort a list?", "", "What does [MASK] mean in [SEP]?", longest * 3, *rows["text"].to_pylist()[:9]]
    done = subprocess.run(
        [sys.executable, "-I", "-c", SENTENCES, *encoders.values()],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    # Nothing of the weights is missing or left over.
    assert "not initialized" not in done.stderr and "MISSING" not in done.stderr and "UNEXPECTED" not in done.stderr
    for (preset, folder), answer in zip(encoders.items(), json.loads(done.stdout), strict=True):
        shape = presets.load(preset).model
        assert answer["modules"] == ["Transformer", "Pooling"] and answer["similarity"] == "cosine"
        assert (answer["longest"], answer["width"]) == (shape.max_length, shape.hidden)
        vectors = np.array(answer["vectors"])
        # The mean of the hidden states of the model with its head, without sentence-transformers and without padding.
        tokenizer = transformers.AutoTokenizer.from_pretrained(models[preset])
        whole = transformers.AutoModelForMaskedLM.from_pretrained(models[preset]).eval()
        inner = getattr(whole, whole.base_model_prefix)
        for text, vector in zip(texts, vectors, strict=True):
            ids = tokenizer(text, split_special_tokens=True, truncation=True, return_tensors="pt")
            with torch.no_grad():
                mean = inner(**ids).last_hidden_state[0].mean(0).numpy()
            assert np.abs(vector - mean).max() < 1e-5
        assert np.abs(np.array(answer["singly"]) - vectors).max() < 1e-5, "other texts of a batch change nothing"
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        assert np.abs(np.array(answer["normalised"]) - vectors / lengths).max() < 1e-5
        hashes = json.loads((folder / saved_hashes.NAME).read_text())
        assert {"model.safetensors", "tokenizer.json"} == set(hashes)


def test_the_card_of_an_encoder_for_sentences_names_its_use_and_its_proof(encoders: dict[str, Path]) -> None:
    for preset, folder in encoders.items():
        card = (folder / "README.md").read_text("utf-8")
        front = re.match(r"---\n(.*?)\n---\n", card, re.S)
        assert front and "library_name: sentence-transformers" in front[1] and "mask_token" not in front[1]
        assert "SentenceTransformer(" in card and "fill-mask" not in card
        assert "mean of its tokens' vectors, special tokens included" in card.replace("\n", " ")
        proof = facts(folder)
        assert proof["sentence"] and 0 < proof["largest_difference"] < 1e-4
        assert "Vectors of tokens of this folder's model" in card
        assert (
            proof["parameters"]
            < facts(folder.with_name(f"model-{preset}"))["parameters"] + presets.load(preset).model.hidden ** 2
        )


def test_an_encoder_that_is_off_is_not_exported(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = weights.weights

    def tampered(*arguments: Any) -> Any:
        made = right(*arguments)
        name = next(name for name in made if name.endswith(("layers.2.mlp.Wo.weight", "layer.1.output.dense.weight")))
        made[name] = made[name].clone()
        made[name][0, 0] += 0.1
        return made

    monkeypatch.setattr(weights, "weights", tampered)
    for run in runs.values():
        with pytest.raises(BuildError, match="in a vector"):
            export(run, tmp_path / "model", sentence=True)
    assert list(tmp_path.iterdir()) == []
