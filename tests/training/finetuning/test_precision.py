"""Arithmetic of fine-tuning: bfloat16 where a device has it, near to float32; attention that a GPU is fast at."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from socorpus.training.examples import predictions
from socorpus.training.finetuning import inference, learner, predictor, pretrained, tuning
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.pretrain import cost
from socorpus.training.quiet import quiet
from tests.training import tiny_models
from tests.training.tiny_models import Quiet

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = FinetuneSettings(epochs=6, batch=8, seeds=(0,), rate=5e-3)
CPU = torch.device("cpu")


@pytest.mark.parametrize("kind", ["Bert", "ModernBert"])
def test_half_precision_is_near(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By autocast of the CPU, which is that of GPUs but for the kernels."""
    model, data = pretrained.find(str(tiny_models.model(tmp_path / kind, kind))), tiny_models.texts()
    given = learner.inputs(model, data, SETTINGS)
    network = pretrained.head(model, data.task, 0).eval()
    encoded, chosen = given.seen["train"].encoded, list(range(16))
    logits, losses = {}, {}
    for half in (False, True):
        monkeypatch.setattr(inference, "half", lambda device, half=half: half)
        with torch.no_grad():
            logits[half] = inference.logits_of(network, encoded, chosen, 0, CPU, data.task)
        facts = tuning.finetune(model, data, SETTINGS, tmp_path / str(half), Quiet())
        losses[half] = facts["seeds"][0]["test"]["log_loss"]
    assert logits[True].dtype == torch.float32, "losses are not taken in bfloat16"
    apart = (logits[True] - logits[False]).abs().max()
    assert 0 < apart < 0.02 * max(1.0, float(logits[False].abs().max()))
    assert abs(losses[True] - losses[False]) < 0.1


def test_a_gpu_without_bfloat16_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for capability, wanted in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, it=capability: it)
        assert inference.half(torch.device("cuda")) is wanted


def test_a_decoder_in_bfloat16_learns_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    llama, bert = (pretrained.find(str(tiny_models.model(tmp_path / kind, kind))) for kind in ("Llama", "Bert"))
    data = tiny_models.texts()
    monkeypatch.setattr(cost, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(inference, "half", lambda device: True)
    assert (pretrained.bytes_of_weight(llama, CPU, None), pretrained.bytes_of_weight(llama, CPU, 4)) == (2.0, 0.5)
    assert pretrained.bytes_of_weight(bert, CPU, None) == 4.0
    facts = tuning.finetune(llama, data, replace(SETTINGS, epochs=8), tmp_path / "out", Quiet())
    (seed,) = facts["seeds"]
    assert seed["weights"] == "bfloat16" and seed["test"]["macro_f1"] > 0.7
    learned = load_file(tmp_path / "out/adapter_model.safetensors")
    assert {tensor.dtype for tensor in learned.values()} == {torch.float32}
    network = pretrained.adapted(pretrained.head(llama, data.task, 0, device=CPU), data.task, 4, False)
    types = {(parameter.requires_grad, parameter.dtype) for parameter in network.parameters()}
    assert types == {(False, torch.bfloat16), (True, torch.float32)}
    said = predictions.read(tmp_path / "out/seeds/0/test.parquet", data.splits["test"])
    assert predictor.load(tmp_path / "out").predict(data.splits["test"]) == said
    # The weights of an encoder all learn: they stay float32.
    assert {parameter.dtype for parameter in pretrained.head(bert, data.task, 0, device=CPU).parameters()} == {
        torch.float32
    }


def test_flash_attention_is_taken_where_model_package_and_gpu_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    with quiet() as transformers:
        kind = transformers.AutoModelForSequenceClassification
        shape = {"hidden_size": 32, "num_attention_heads": 2}
        modern, megatron = transformers.ModernBertConfig(**shape), transformers.MegatronBertConfig(**shape)
        odd = transformers.ModernBertConfig(hidden_size=36, num_attention_heads=3)
        ampere, installed = True, True
        monkeypatch.setattr(cost, "has_bfloat16", lambda device: ampere)
        monkeypatch.setattr(transformers.utils, "is_flash_attn_2_available", lambda: installed)
        assert pretrained.attention(kind, modern, gpu) == "flash_attention_2"
        assert pretrained.attention(kind, megatron, gpu) is None, "transformers has none for it"
        assert pretrained.attention(kind, odd, gpu) is None, "heads of 12"
        assert pretrained.attention(kind, modern, None) is None
        installed = False
        assert pretrained.attention(kind, modern, gpu) is None
        ampere, installed = False, True
        assert pretrained.attention(kind, modern, gpu) is None
