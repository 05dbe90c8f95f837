"""Training that starts from weights: of models of transformers, made here with random weights, and of earlier runs."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from socorpus.corpus import Corpus, InputError, Progress, build, load_config
from socorpus.corpus.schema import SPECIAL_TOKENS
from socorpus.training import default_run, export_model, plan_training, train
from socorpus.training.config import ModelShape
from socorpus.training.initial import recipe, shapes, start
from socorpus.training.presets import load
from socorpus.training.pretrain.data import shard_reader
from socorpus.training.quiet import quiet
from tests import building
from tests.conftest import Once
from tests.corpus.tokenizer import test_given
from tests.training import runs, tiny_models

SHAPES: dict[str, dict[str, Any]] = {
    "MegatronBert": {"max_position_embeddings": 140, "type_vocab_size": 3, "layer_norm_eps": 1e-6},
    "ModernBert": {
        "max_position_embeddings": 128,
        "local_attention": 13,
        "global_attn_every_n_layers": 2,
        "global_rope_theta": 50_000.0,
        "local_rope_theta": 20_000.0,
        "norm_eps": 1e-4,
        "bos_token_id": 0,
        "cls_token_id": 0,
        "eos_token_id": 2,
        "sep_token_id": 2,
    },
}
TOKENIZERS = {"MegatronBert": test_given.wordpiece, "ModernBert": test_given.in_brackets}
ROWS = 3
"""Rows of the embeddings that are no entries of the tokenizer: their number is then no multiple of anything."""


def model(folder: Path, kind: str) -> Path:
    """A model with its own tokenizer, in other words than the corpus's; its weights are random, all of them."""
    given = test_given.read(TOKENIZERS[kind]())
    with quiet() as transformers:
        settings = getattr(transformers, f"{kind}Config")(
            vocab_size=given.entries + ROWS,
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=48,
            pad_token_id=given.special["[PAD]"],
            **SHAPES[kind],
        )
        made = getattr(transformers, f"{kind}ForMaskedLM")(settings)
        torch.manual_seed(1)
        for name, parameter in made.named_parameters():
            norm = parameter.dim() == 1 and name.endswith("weight")
            torch.nn.init.normal_(parameter, float(norm), 0.1)
        made.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(given.tokenizer.to_str(), "utf-8")
    return folder


@pytest.fixture(scope="module")
def models(once: Once) -> Path:
    """One model of each kind. Only to be read."""
    return once("starts", lambda folder: [model(folder / kind, kind) for kind in SHAPES])


@pytest.fixture
def copy(corpus: Path, tmp_path: Path) -> Path:
    return building.copy(corpus, tmp_path)


def recipe_of(folder: Path, steps: int = 4, more: str = "", length: int | None = 64) -> Path:
    """A file of a short run, without a shape."""
    path = folder / "recipe.toml"
    model = "" if length is None else f"[model]\nmax_length = {length}\n"
    path.write_text(
        f"{model}[batch]\ntokens = 1792\nmicro_tokens = 1792\n[schedule]\ntokens = {1792 * steps}\n"
        f"[validation]\nsteps = 0\n[optimizer]\nlr = 3e-3\n{more}",
        "utf-8",
    )
    return path


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return tensors


@pytest.mark.parametrize("kind", SHAPES)
def test_a_model_goes_on_in_training_and_comes_back_with_the_same_shapes(
    kind: str, models: Path, copy: Path, tmp_path: Path, one_thread: None
) -> None:
    own, config = building.hashes(copy), recipe_of(tmp_path, 24, length=None)
    if kind == "MegatronBert":
        config = recipe_of(tmp_path, 24, length=128)
    said = list[Progress]()
    facts = train(copy, tmp_path / "run", config=config, init=models / kind, show_tokens=said.append)
    assert any("these are made first, once" in note for note in (progress.note for progress in said))
    assert facts["init"]["name"] == kind and facts["init"]["largest_difference"] < 1e-5
    assert not facts["init"]["head_begins_anew"] and facts["step"] == facts["steps"] == 24
    losses = [line["loss"] for line in runs.log(tmp_path / "run")]
    assert sum(losses[-4:]) < sum(losses[:4])
    assert building.hashes(copy) == own  # the corpus's own tokens stay

    before = weights_of(models / kind)
    first, last = tmp_path / "first", tmp_path / "last"
    export_model(tmp_path / "run", first, step=0)
    proof = export_model(tmp_path / "run", last)
    assert proof["largest_difference"] < 1e-5
    assert {name: tensor.shape for name, tensor in weights_of(last).items()} == {
        name: (128, 32) if name.endswith("position_embeddings.weight") else tensor.shape
        for name, tensor in before.items()
    }
    for name, tensor in weights_of(first).items():
        assert torch.equal(tensor, before[name][: len(tensor)]), name
    assert "from the weights of" in (last / "README.md").read_text("utf-8")
    with quiet() as transformers:
        loaded = transformers.AutoModelForMaskedLM.from_pretrained(last, local_files_only=True)
        assert type(loaded).__name__ == f"{kind}ForMaskedLM"
        tokenizer = transformers.AutoTokenizer.from_pretrained(last, local_files_only=True)
    given = start.find(str(models / kind)).given
    text = Corpus(copy).shards("test").head(1, columns=["text"])["text"][0].as_py()
    ids = given.tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer(text, split_special_tokens=True)["input_ids"] == [
        given.special["[CLS]"],
        *ids,
        given.special["[SEP]"],
    ]
    assert tokenizer.mask_token_id == given.special["[MASK]"]


def test_a_run_that_began_with_weights_goes_on_without_them(
    models: Path, copy: Path, tmp_path: Path, one_thread: None
) -> None:
    gone = shutil.copytree(models / "ModernBert", tmp_path / "gone")
    out, more = tmp_path / "run", "[checkpoint]\nsteps = 2\n"
    train(copy, out, config=recipe_of(tmp_path, 4, more), init=gone)
    shutil.copytree(out, tmp_path / "again")
    shutil.rmtree(gone)
    facts = train(copy, out, config=recipe_of(tmp_path, 6, more))
    assert facts["step"] == 6 and facts["init"]["name"] == "gone"
    # With them, if they are there, it is the same.
    shutil.copytree(models / "ModernBert", gone)
    train(copy, tmp_path / "again", config=recipe_of(tmp_path, 6, more), init=gone)
    assert runs.losses(tmp_path / "again") == runs.losses(out)
    with pytest.raises(InputError, match=r"begun with other weights \(gone\), and --init names MegatronBert"):
        _resume_with(models / "MegatronBert", copy, out, tmp_path)
    for path in (out / "checkpoints").iterdir():
        shutil.rmtree(path)
    with pytest.raises(InputError, match="starts from the weights of gone, and nothing was saved yet; name them again"):
        train(copy, out, config=recipe_of(tmp_path, 6, more))


def test_weights_that_were_refused_may_be_mended(models: Path, copy: Path, tmp_path: Path, one_thread: None) -> None:
    from safetensors.torch import load_file, save_file

    given = Path(shutil.copytree(models / "MegatronBert", tmp_path / "given"))
    path = given / "model.safetensors"
    right = path.read_bytes()
    weights = load_file(path)
    name = next(name for name in weights if name.endswith("dense.weight"))
    save_file({**weights, name: weights[name] * float("nan")}, path, {"format": "pt"})
    for _ in range(2):
        with pytest.raises(InputError, match="not finite"):
            train(copy, tmp_path / "run", config=recipe_of(tmp_path, 1), init=given)
    path.write_bytes(right)
    assert train(copy, tmp_path / "run", config=recipe_of(tmp_path, 1), init=given)["step"] == 1


def _resume_with(init: Path, corpus: Path, out: Path, folder: Path) -> None:
    train(corpus, out, config=recipe_of(folder), init=init)


def test_a_run_that_began_with_random_weights_takes_no_others(whole: Path, copy: Path, tmp_path: Path) -> None:
    out = shutil.copytree(whole, tmp_path / "run")
    other = train(copy, tmp_path / "other", config=recipe_of(tmp_path, 1), init=out)
    assert other["init"]["kind"] == "run"
    with pytest.raises(InputError, match="begun with random weights, and --init names"):
        train(copy, out, config=recipe_of(tmp_path, length=128), init=tmp_path / "other")


def test_a_second_phase_of_a_run_on_another_corpus_with_its_own_tokenizer(
    whole: Path, corpus: Path, tmp_path: Path, one_thread: None
) -> None:
    """The corpus grew, and its tokenizer is another one now; the run brings its own."""
    grown = tmp_path / "grown"
    settings = {"tokenizer": {"vocabulary": 512}, "shards": {"row_group": 64}, "split": {"validation": 0.06}}
    build(corpus.parent / "dump", grown, load_config(overrides=settings), workers=0)
    before = export_model(whole, tmp_path / "before", step=6)
    config = recipe_of(tmp_path, 2, "[masking]\nrate = 0.4\n", length=256)
    facts = train(grown, config=config, init=whole / "checkpoints" / "step-000000006")
    assert facts["init"]["step"] == 6 and facts["model"]["max_length"] == 256
    run = grown / "runs" / default_run(whole)
    assert run.is_dir()
    export_model(run, tmp_path / "first", step=0)
    after = weights_of(tmp_path / "first")
    assert before["step"] == 6 and after.keys() == weights_of(tmp_path / "before").keys()
    for name, tensor in weights_of(tmp_path / "before").items():
        assert torch.equal(after[name], tensor), name
    shards = shard_reader.open_corpus(grown, facts["tokens_folder"])
    assert shards.vocabulary.padded == shard_reader.open_corpus(corpus).vocabulary.padded
    # A corpus that is built anew drops the tokens; the run can still be exported.
    settings["shards"]["row_group"] = 32
    build(corpus.parent / "dump", grown, load_config(overrides=settings), workers=0)
    assert "tokens" not in Corpus(grown).manifest
    assert export_model(run, tmp_path / "later")["largest_difference"] < 1e-4
    with pytest.raises(InputError, match=f"has no tokens/{facts['tokens_folder']}, which a build drops .* tokenize"):
        train(grown, config=config, out=run)


def test_two_tensor_ranks_start_from_the_same_weights(models: Path, copy: Path, tmp_path: Path) -> None:
    config = recipe_of(tmp_path, 2)
    runs.train(copy, tmp_path / "one", config, "--init", models / "ModernBert", preset="continued")
    halves = recipe_of(tmp_path, 2, "[parallel]\ntensor = 2\n")
    runs.train(copy, tmp_path / "two", halves, "--init", models / "ModernBert", "--gpus", 2, preset="continued")
    one, two = runs.losses(tmp_path / "one"), runs.losses(tmp_path / "two")
    assert one == pytest.approx(two, abs=1e-5)
    for out in ("one", "two"):
        facts = json.loads((tmp_path / out / "run.json").read_text("utf-8"))
        assert facts["init"]["largest_difference"] < 1e-5


def test_a_plan_counts_the_weights_shape_before_tokens_are_made(models: Path, corpus: Path, tmp_path: Path) -> None:
    planned = plan_training(corpus, config=recipe_of(tmp_path), init=models / "MegatronBert", gpu="t4")
    assert planned.config.model.layers == 3 and planned.config.model.max_length == 64
    assert "tokens" not in Corpus(corpus).manifest


# --- what is refused -------------------------------------------------------------------------------------------------


def spoilt(source: Path, folder: Path, **changes: Any) -> Path:
    target = Path(shutil.copytree(source, folder / "spoilt", dirs_exist_ok=True))
    described = json.loads((target / "config.json").read_text("utf-8"))
    (target / "config.json").write_text(json.dumps(described | changes), "utf-8")
    return target


@pytest.mark.parametrize("kind", ["Bert", "Roberta"])
def test_models_of_other_kinds_are_refused(kind: str, tmp_path: Path) -> None:
    tiny_models.CONFIGS.setdefault("Roberta", {"max_position_embeddings": 66})
    with pytest.raises(InputError, match=f"a model of the kind '{kind.lower()}', whose layers the trainer"):
        start.find(str(tiny_models.model(tmp_path / "model", kind)))


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("MegatronBert", "hidden_act", "relu"),
        ("MegatronBert", "tie_word_embeddings", False),
        ("MegatronBert", "is_decoder", True),
        ("ModernBert", "norm_bias", True),
        ("ModernBert", "decoder_bias", False),
        ("ModernBert", "classifier_activation", "silu"),
        ("ModernBert", "layer_types", ["full_attention", "full_attention", "sliding_attention"]),
    ],
)
def test_what_the_encoder_has_not_is_named_by_its_key(
    kind: str, key: str, value: Any, models: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"config.json: {key} is .* training can't start from it"):
        start.find(str(spoilt(models / kind, tmp_path, **{key: value})))


def test_scaled_rotations_are_refused(models: Path, tmp_path: Path) -> None:
    scaled = {"rope_theta": 10_000.0, "rope_type": "linear", "factor": 2.0}
    rope = {"full_attention": scaled, "sliding_attention": {"rope_theta": 10_000.0, "rope_type": "default"}}
    with pytest.raises(InputError, match=r"rope_parameters.full_attention.rope_type is 'linear'"):
        start.find(str(spoilt(models / "ModernBert", tmp_path, rope_parameters=rope)))


def test_weights_that_are_no_safetensors_or_lack_something(models: Path, copy: Path, tmp_path: Path) -> None:
    place = spoilt(models / "ModernBert", tmp_path)
    weights = place / "model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    with pytest.raises(InputError, match=r"no weights there \(model.safetensors\)"):
        start.find(str(place))
    torch.save({}, place / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"a pickle \(pytorch_model.bin\), which training does not read"):
        start.find(str(place))
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="the model can't be loaded"):
        train(copy, tmp_path / "run", config=recipe_of(tmp_path), init=place)
    weights.write_bytes(content)
    (place / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"no tokenizer there \(tokenizer.json\)"):
        start.find(str(place))
    (place / "tokenizer.json").write_text(test_given.in_brackets(entries=420).to_str(), "utf-8")
    described = json.loads((place / "config.json").read_text("utf-8"))
    with pytest.raises(InputError, match=r"its tokenizer has .* entries, and its embedding 200 rows"):
        start.find(str(spoilt(place, tmp_path / "few", **described | {"vocab_size": 200})))
    with pytest.raises(InputError, match="random weights; leave --init out"):
        start.find(f"scratch:{models / 'ModernBert'}")
    with pytest.raises(InputError, match="not on this machine; fetch it with --download"):
        start.find("nobody/nothing")


def test_a_models_weights_that_are_not_finite(models: Path, copy: Path, tmp_path: Path) -> None:
    place = spoilt(models / "ModernBert", tmp_path)
    tensors = weights_of(place)
    tensors["model.final_norm.weight"][3] = float("nan")
    save_file(tensors, place / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="spoilt: the weights are not finite"):
        train(copy, tmp_path / "run", config=recipe_of(tmp_path), init=place)


def test_weights_that_are_not_of_the_configuration_are_refused_by_name(
    models: Path, copy: Path, tmp_path: Path, one_thread: None
) -> None:
    def begin(place: Path) -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        train(copy, tmp_path / "run", config=recipe_of(tmp_path, 1), init=place)

    fewer = spoilt(models / "ModernBert", tmp_path / "fewer", num_hidden_layers=1, layer_types=["full_attention"])
    with pytest.raises(InputError, match=r"the model has no model.layers.1.attn.Wo.weight, .* and 9 more, which"):
        begin(fewer)
    place = spoilt(models / "MegatronBert", tmp_path)
    tensors = weights_of(place)
    bias = tensors["cls.predictions.bias"]
    for name in ("bert.pooler.dense.bias", "cls.seq_relationship.bias", "bert.embeddings.position_ids"):
        tensors[name] = bias.clone()  # as models that were trained on pairs, or saved long ago, have them
    save_file(tensors | {"foo.bar": bias.clone()}, place / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"the model has no foo\.bar, which its weights hold: they would be lost"):
        begin(place)
    wrong = tensors | {"bert.encoder.ln.weight": bias[:7].clone()}
    save_file(wrong, place / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"its weight bert.encoder.ln.weight has the shape \(7,\), and by .* \(32,\)"):
        begin(place)
    save_file(tensors, place / "model.safetensors", {"format": "pt"})
    begin(place)


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ('{"weight_map": {"a": "../../etc/passwd"}}', "it names no files of its folder"),
        (
            '{"weight_map": {"a": "model-00002-of-00002.safetensors"}}',
            "model-00002-of-00002.safetensors of its weights is",
        ),
        ("[]", "not an index of weights"),
    ],
)
def test_an_index_of_weights_that_is_none(index: str, says: str, models: Path, tmp_path: Path) -> None:
    place = spoilt(models / "ModernBert", tmp_path)
    (place / "model.safetensors").rename(place / "model-00001-of-00002.safetensors")
    (place / "model.safetensors.index.json").write_text(index, "utf-8")
    with pytest.raises(InputError, match=says):
        start.find(str(place))


def test_a_head_that_a_model_lacks_begins_anew(models: Path, copy: Path, tmp_path: Path, one_thread: None) -> None:
    place = tmp_path / "headless"
    with quiet() as transformers:
        transformers.ModernBertModel.from_pretrained(models / "ModernBert").save_pretrained(place)
    shutil.copy(models / "ModernBert" / "tokenizer.json", place)
    facts = train(copy, tmp_path / "run", config=recipe_of(tmp_path, 1), init=place)
    assert facts["init"]["head_begins_anew"] and facts["init"]["largest_difference"] < 1e-5


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("layers = 4", "model.layers is 4, and that of base is 3; leave it out"),
        ("eps = 1e-12", "model.eps is 1e-12, and that of base is 1e-06"),
        ("max_length = 256", "model.max_length is 256, and base has learned 140 positions"),
    ],
)
def test_a_file_that_contradicts_the_weights(lines: str, sentence: str, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f"[model]\n{lines}\n", "utf-8")
    shape = start.find(str(models / "MegatronBert")).shape
    with pytest.raises(InputError, match=sentence):
        recipe.settings(None, path, shape, "base")


def test_the_recipe_fits_the_context(models: Path, tmp_path: Path) -> None:
    shape = start.find(str(models / "MegatronBert")).shape
    chosen = recipe.settings(None, None, shape, "base")
    assert chosen.model == shape and chosen.optimizer.lr == 1e-4
    assert chosen.batch.tokens % 140 == 0 and 0 <= chosen.batch.tokens - 524_288 < 140
    assert recipe.settings("tiny", None, shape, "base").batch.micro_tokens >= 8_192
    whole = load("mini", overrides={"model": {"max_length": 64}})
    assert recipe.settings(None, whole, shape, "base").model.max_length == 64
    modern = start.find(str(models / "ModernBert")).shape
    assert modern == ModelShape(
        layers=3,
        hidden=32,
        heads=2,
        ffn=48,
        max_length=128,
        window=12,
        global_every=2,
        eps=1e-4,
        rope_global=50_000.0,
        rope_local=20_000.0,
        rows=modern.rows,
    )
    longer: Mapping[str, Any] = {"model": {"max_length": 512}}
    assert recipe.settings(None, load("mini", overrides=longer), modern, "base").model.max_length == 512
    assert shapes.kind({"model_type": "modernbert"}, tmp_path) == "modern"


def test_words_of_a_tokenizer_that_marks_what_goes_on(models: Path) -> None:
    folder = models / "MegatronBert"
    vocabulary = shard_reader.vocabulary(folder, own=False)
    given = start.find(str(folder)).given
    goes_on = next(token for token in given.tokenizer.get_vocab() if token.startswith("##") and token[2:].isalpha())
    numbers = [given.tokenizer.token_to_id(token) for token in ("a", goes_on)]
    # A piece behind a sign that it goes on joins what is before it, and no other does.
    assert vocabulary.joins[numbers].tolist() == [2, 3]
    assert set(vocabulary.special) == set(SPECIAL_TOKENS)
    assert not set(vocabulary.special.values()) & set(vocabulary.ordinary.tolist())
    with pytest.raises(InputError, match="and the model knows 10; they are not of one model"):
        shard_reader.vocabulary(folder, rows=10, own=False)
