"""The parts of `run.py`: each measures one thing and returns its figures. Each runs in a process of its own."""

import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from socorpus.corpus import toml_config
from socorpus.training import presets
from socorpus.training.config import Config
from socorpus.training.pretrain import cost, distributed, micro_batch
from socorpus.training.pretrain.data import dataloader, mixture
from socorpus.training.pretrain.distributed import Ranks
from socorpus.training.pretrain.log import of_kind

Figures = dict[str, Any]

PARITY = {torch.bfloat16: (1e-2, 6e-2), torch.float32: (1e-5, 1e-4)}
"""Largest relative difference of loss and gradients to float32 on the CPU, by the device's type."""
SHARES = {"sobert-base": 0.46, "sobert-large": 0.62}
"""Wanted shares of the rate in large matrix products."""
DOLLARS = {"sobert-base": 35.0, "sobert-large": 210.0}
"""Wanted prices of 27 billion tokens."""
TOKENS = 27e9


@dataclass(frozen=True)
class Given:
    """What a part gets: the corpus, presets, dollars an hour of the device, seconds that each figure is timed for, and
    keys over the presets.
    """

    corpus: Path
    presets: tuple[str, ...]
    price: float
    seconds: float
    overrides: dict[str, Any]

    def settings(self, preset: str) -> Config:
        """The configuration of a preset."""
        return presets.load(preset, overrides=self.overrides)


def dtype_of(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if cost.has_bfloat16(device) else torch.float32


def batches(corpus: Path, settings: Config, count: int) -> tuple[int, list[dataloader.Batch]]:
    """The size of the vocabulary, and the first micro-batches of a run."""
    corpora = mixture.opened(corpus, settings)
    cut = dataloader.shape(corpora.groups, settings.model.max_length, settings.batch, 1, None)
    vocabulary = corpora.own.vocabulary
    stream = dataloader.Stream(
        settings, vocabulary, corpora.sources(), cut, 0, None, 0, lambda _: settings.masking.rate
    )
    try:
        return vocabulary.padded, [stream.next() for _ in range(count)]
    finally:
        stream.close()


def built(settings: Config, vocabulary: int, device: torch.device, dtype: torch.dtype, compiled: bool) -> Any:
    from socorpus.training.models import encoder

    torch.manual_seed(1)
    return encoder.build(settings.model, settings.parallel, vocabulary, 1, dtype, compiled).to(device)


def loss_of(model: Any, batch: dataloader.Batch, device: torch.device) -> torch.Tensor:
    ids, positions, places, labels = (
        tensor.to(device) for tensor in (batch.ids, batch.positions, batch.places, batch.labels)
    )
    loss: torch.Tensor = model(ids, positions, model.documents(batch.lengths), places, labels)
    return loss


def synchronized(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(step: Callable[[int], Any], device: torch.device, seconds: float) -> tuple[float, int]:
    """Median seconds of a step, and how often it was timed; two go before to warm up."""
    for number in range(2):
        step(number)
    synchronized(device)
    taken: list[float] = []
    while len(taken) < 3 or sum(taken) < seconds:
        began = time.perf_counter()
        step(len(taken))
        synchronized(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken), len(taken)


def machine(given: Given, ranks: Ranks) -> Figures:
    """The device, its rate in a large matrix product, and versions."""
    device, dtype = ranks.device, dtype_of(ranks.device)
    cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else "CPU"
    known = cost.named(name)
    return {
        "name": name,
        "gpus": torch.cuda.device_count() if cuda else 0,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "dtype": str(dtype),
        "matmul_tflops": cost.matmul_rate(device, dtype) / 1e12,
        "data_sheet_tflops": known.tflops if known else None,
    }


def parity(given: Given, ranks: Ranks) -> Figures:
    """Loss and gradients of small models on the device, as it trains, against float32 on the CPU.

    Raises:
        AssertionError: they differ by more than the type explains.
    """
    device, dtype = ranks.device, dtype_of(ranks.device)
    figures: Figures = {}
    for family in ("sobert", "modern"):
        shape = {"family": family, "layers": 4, "hidden": 256, "heads": 4, "ffn": 512, "max_length": 2048}
        settings = presets.load("tiny", overrides={"model": shape, "batch": {"tokens": 8192, "micro_tokens": 8192}})
        vocabulary, (batch,) = batches(given.corpus, settings, 1)
        results = []
        for where, kind in ((torch.device("cpu"), torch.float32), (device, dtype)):
            model = built(settings, vocabulary, where, kind, where.type == "cuda")
            loss = loss_of(model, batch, where) / len(batch.labels)
            loss.backward()
            gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
            results.append((loss.item(), torch.cat([gradient.float().cpu().flatten() for gradient in gradients])))
        (plain, first), (other, second) = results
        figures[family] = {
            "loss": abs(plain - other) / abs(plain),
            "gradient": ((first - second).norm() / first.norm()).item(),
            "limits": PARITY[dtype],
        }
    wrong = [
        family
        for family, found in figures.items()
        if not (found["loss"] <= found["limits"][0] and found["gradient"] <= found["limits"][1])
    ]
    if wrong:
        raise AssertionError(f"parity fails of {', '.join(wrong)}: {figures}")
    return figures


def graphs(given: Given, ranks: Ranks) -> Figures:
    """Graphs, breaks and recompilations of compiled layers over packs of one to many documents.

    Raises:
        AssertionError: a graph breaks, or is compiled again.
    """
    from torch._dynamo.utils import counters

    device, dtype = ranks.device, dtype_of(ranks.device)
    figures: Figures = {}
    for family in ("sobert", "modern"):
        torch._dynamo.reset()
        counters.clear()
        shape = {"family": family, "layers": 6, "hidden": 128, "heads": 2, "ffn": 192, "max_length": 2048}
        settings = presets.load("tiny", overrides={"model": shape})
        model = built(settings, 8192, device, dtype, device.type == "cuda")
        packs = [[2048], [1] * 500 + [1548], [512] * 4, [3, 1] * 512, [100, 900, 1048]]
        counts = []
        for number, lengths in enumerate(packs):
            ids = torch.arange(2048, device=device) % 8000 + 5
            places = torch.cat([torch.arange(length) for length in lengths]).to(device)
            scored = torch.arange(0, 2048, 4 + number, device=device)
            model(ids, places, model.documents(lengths), scored, ids[scored]).backward()
            counts.append(counters["stats"]["unique_graphs"])
        figures[family] = {
            "graphs": counts[-1],
            "after_first": counts[0],
            "breaks": sum(counters["graph_break"].values()),
        }
        if figures[family]["breaks"] or counts[-1] != counts[0]:
            raise AssertionError(f"graphs of {family}: {figures[family]}, {dict(counters['graph_break'])}")
    return figures


def count_memory_anew(device: torch.device) -> None:
    """Count the peak of memory from here on."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def rates(given: Given, ranks: Ranks) -> Figures:
    """Of each preset, compiled and not: the micro-batch that was found, and the rate of whole steps with it."""
    from socorpus.training.models import attention

    device, dtype = ranks.device, dtype_of(ranks.device)
    flash = attention.kernel(device, dtype) == attention.VARLEN
    figures: Figures = {}
    for preset in given.presets:
        figures[preset] = {}
        if flash:
            wanted = given.settings(preset).parallel.flash_attention
            figures[preset]["flash_attention"] = attention.flash(wanted, device)
        for compiled in (True, False) if flash else (False,):
            label = "compiled" if compiled else "eager"
            figures[preset][label] = _rate(given, ranks, given.settings(preset), compiled)
    return figures


def _rate(given: Given, ranks: Ranks, settings: Config, compiled: bool) -> Figures:
    """Tokens a second, shares of both rates, memory, dollars."""
    from socorpus.training.pretrain.optimizer import Optimizer

    device, dtype = ranks.device, dtype_of(ranks.device)
    peak = cost.matmul_rate(device, dtype)
    known = cost.named(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    vocabulary, _ = batches(given.corpus, settings, 1)
    model = built(settings, vocabulary, device, dtype, compiled)
    optimizer = Optimizer(model, settings.optimizer, ranks)
    size, tried = micro_batch.measured(settings, vocabulary, ranks, lambda batch: loss_of(model, batch, device))
    optimizer.forget()
    count_memory_anew(device)
    sized = replace(settings, batch=replace(settings.batch, micro_tokens=size))
    _, some = batches(given.corpus, sized, 8)
    each, times = timed(
        lambda number: loss_of(model, some[number % len(some)], device).backward(), device, given.seconds
    )
    update, _ = timed(lambda _: optimizer.step(optimizer.gather(1e6), 1e-4), device, given.seconds / 4)
    memory = cost.peak_memory(device)
    count = max(1, settings.batch.tokens // len(some[0].ids))
    whole = each + update / count
    works = [cost.work(batch.documents, len(batch.labels), settings.model) for batch in some]
    flops = statistics.mean(cost.flops(settings.model, vocabulary, work) for work in works)
    rate = statistics.mean(batch.filled for batch in some) / whole
    return {
        "micro_tokens": size,
        "rates_by_micro_tokens": {str(key): value for key, value in tried.items()},
        "timed": times,
        "tokens_per_second": rate,
        "share_of_peak": flops / whole / peak,
        "share_of_data_sheet": None if known is None else flops / whole / (known.tflops * 1e12),
        "peak_gigabytes": memory / 1e9,
        "optimizer_share": update / count / whole,
        "dollars_for_27b": TOKENS / rate / 3600 * given.price if torch.cuda.is_available() else None,
    }


def trained(given: Given, ranks: Ranks | None) -> Figures:
    """`socorpus train` itself: killed with -9, resumed, and on two ranks where there are two GPUs (or none)."""
    preset = given.presets[0]
    settings = given.settings(preset)
    batch = settings.batch.tokens
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        path = place / "train.toml"
        steps = 12
        shorter = replace(
            settings,
            schedule=replace(settings.schedule, tokens=steps * batch),
            checkpoint=replace(settings.checkpoint, steps=4, minutes=60.0),
            validation=replace(settings.validation, steps=6, tokens=100_000),
        )
        path.write_text(toml_config.to_toml(shorter), "utf-8")
        command = [sys.executable, "-P", "-m", "socorpus.cli", "train", str(given.corpus), "--config", str(path)]
        run = place / "run"
        began = time.perf_counter()
        process = subprocess.Popen([*command, "-o", str(run)], stderr=subprocess.PIPE, text=True)
        log = run / "log.jsonl"
        while process.poll() is None and (not log.exists() or log.read_text("utf-8").count("\n") < 1):
            time.sleep(0.05)
        figures["seconds_to_first_step"] = time.perf_counter() - began
        while process.poll() is None and not (run / "checkpoints/step-000000004").is_dir():
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        subprocess.run([*command, "-o", str(run), "--profile", "2"], check=True)
        train = of_kind(log, "train")
        facts = json.loads((run / "run.json").read_text("utf-8"))
        assert [line["step"] for line in train] == list(range(1, steps + 1)), "steps are missing after the kill"
        figures |= {
            "losses": [line["loss"] for line in train],
            "tokens_per_second": train[-1]["tokens_per_second"],
            "phases": {key: value for key, value in train[-1].items() if key.startswith("seconds_")},
            "micro_batch": facts.get("micro_batch"),
            "flash_attention": facts.get("flash_attention"),
            "trace": [path.name for path in (run / "profile").glob("*")],
        }
        if distributed.gpus() != 1:
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            for name, zero in (("two ranks", False), ("two ranks, zero", True)):
                # Muon needs whole matrices.
                optimizer = replace(shorter.optimizer, name="adamw") if zero else shorter.optimizer
                other = place / f"{name}.toml"
                divided = replace(shorter, optimizer=optimizer, parallel=replace(shorter.parallel, zero=zero))
                other.write_text(toml_config.to_toml(divided), "utf-8")
                out = place / name.replace(" ", "-")
                arguments = [*command[:-1], str(other), "-o", str(out), "--gpus", "2"]
                subprocess.run(arguments, check=True, env=environment)
                figures[name] = {
                    "loss": of_kind(out / "log.jsonl", "train")[-1]["loss"],
                    "loss_of_one_rank": train[-1]["loss"],
                }
    return figures


def padded(
    batch: dataloader.Batch, longest: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same documents, a row each: ids, attention mask, labels (-100 where nothing is scored)."""
    lengths = batch.documents
    ids = torch.zeros(len(lengths), longest, dtype=torch.int64)
    seen, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    flat = torch.full((len(batch.ids),), -100, dtype=torch.int64)
    flat[batch.places] = batch.labels
    start = 0
    for row, length in enumerate(lengths):
        ids[row, :length], labels[row, :length] = batch.ids[start : start + length], flat[start : start + length]
        seen[row, :length] = 1
        start += length
    return ids.to(device), seen.to(device), labels.to(device)


def peers(given: Given, ranks: Ranks) -> Figures:
    """Forward and backward of others' models of the same shape on the same documents: documents' tokens a second.

    transformers' ModernBERT, unpadded where flash-attn is installed, else padded with SDPA; transformers' MegatronBERT,
    padded; megatron-core's BertModel, packed by Transformer Engine where it is installed, and padded.
    """
    figures: Figures = {}
    for preset in given.presets:
        settings = given.settings(preset)
        rows: Figures = {}
        for name, peer in _PEERS[settings.model.family].items():
            try:
                count_memory_anew(ranks.device)
                rows[name] = {
                    "tokens_per_second": peer(given, settings, ranks.device),
                    "peak_gigabytes": cost.peak_memory(ranks.device) / 1e9,
                }
            except Exception as error:  # of a package that is missing, or does not fit the card
                rows[name] = {"error": " ".join(str(error).split())[:200]}
        figures[preset] = rows
    return figures


def _stepped(
    given: Given,
    settings: Config,
    device: torch.device,
    model: Any,
    loss: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
) -> float:
    """Documents' tokens a second of a padded model: rows of so many tokens as a micro-batch of ours has."""
    _, (batch,) = batches(given.corpus, settings, 1)
    ids, seen, labels = padded(batch, settings.model.max_length, device)
    rows = max(1, settings.batch.micro // settings.model.max_length)
    parts = [slice(start, start + rows) for start in range(0, len(ids), rows)][:4]
    tokens = statistics.mean(int(seen[part].sum()) for part in parts)

    def step(number: int) -> None:
        part = parts[number % len(parts)]
        loss(ids[part], seen[part], labels[part]).backward()
        model.zero_grad()

    return tokens / timed(step, device, given.seconds / 2)[0]


def _transformers(given: Given, settings: Config, device: torch.device, model: Any) -> float:
    return _stepped(
        *(given, settings, device, model),
        lambda ids, seen, labels: model(ids, attention_mask=seen, labels=labels).loss,
    )


def _modern_bert(given: Given, settings: Config, device: torch.device) -> float:
    from importlib.util import find_spec

    from transformers import ModernBertConfig, ModernBertForMaskedLM

    shape = settings.model
    unpadded = find_spec("flash_attn") is not None and device.type == "cuda"
    configuration = ModernBertConfig(
        vocab_size=batches(given.corpus, settings, 1)[0],
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.ffn,
        max_position_embeddings=shape.max_length,
        local_attention=shape.window,
        global_attn_every_n_layers=shape.global_every,
        pad_token_id=0,
        attn_implementation="flash_attention_2" if unpadded else "sdpa",
    )
    model = ModernBertForMaskedLM(configuration).to(device, dtype_of(device))
    return _transformers(given, settings, device, model)


def _megatron_bert(given: Given, settings: Config, device: torch.device) -> float:
    from transformers import MegatronBertConfig, MegatronBertForMaskedLM

    shape = settings.model
    configuration = MegatronBertConfig(
        vocab_size=batches(given.corpus, settings, 1)[0],
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.ffn,
        max_position_embeddings=shape.max_length,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = MegatronBertForMaskedLM(configuration).to(device, dtype_of(device))
    return _transformers(given, settings, device, model)


def _megatron_core(given: Given, settings: Config, device: torch.device) -> float:
    from megatron.core.models.bert.bert_layer_specs import bert_layer_local_spec
    from megatron.core.models.bert.bert_model import BertModel

    from socorpus.training.models.encoder import layer_config

    model = BertModel(
        layer_config(settings.model, 1, dtype_of(device)),
        0,
        bert_layer_local_spec,
        batches(given.corpus, settings, 1)[0],
        settings.model.max_length,
        add_binary_head=False,
        share_embeddings_and_output_weights=True,
    ).to(device)

    def loss(ids: torch.Tensor, seen: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        losses = model(ids, seen, lm_labels=labels.clamp(min=0))[0]
        summed: torch.Tensor = (losses * (labels >= 0)).sum()
        return summed

    return _stepped(given, settings, device, model, loss)


def _megatron_core_packed(given: Given, settings: Config, device: torch.device) -> float:
    """Its layers on packed documents by Transformer Engine's attention, as Megatron-LM's own packing does."""
    import transformer_engine  # noqa: F401
    from megatron.core.models.bert.bert_layer_specs import get_bert_layer_with_transformer_engine_spec
    from megatron.core.packed_seq_params import PackedSeqParams
    from megatron.core.transformer.transformer_block import TransformerBlock

    from socorpus.training.models.encoder import layer_config

    shape, dtype = settings.model, dtype_of(device)
    block = TransformerBlock(layer_config(shape, 1, dtype), get_bert_layer_with_transformer_engine_spec()).to(device)
    _, some = batches(given.corpus, settings, 4)
    tokens = statistics.mean(batch.filled for batch in some)

    def step(number: int) -> None:
        batch = some[number % len(some)]
        bounds = torch.tensor([0, *itertools.accumulate(batch.lengths)], dtype=torch.int32, device=device)
        longest = max(batch.lengths)
        packed = PackedSeqParams("thd", bounds, bounds, max_seqlen_q=longest, max_seqlen_kv=longest)
        hidden = torch.zeros(len(batch.ids), 1, shape.hidden, dtype=dtype, device=device, requires_grad=True)
        block(hidden_states=hidden, attention_mask=None, packed_seq_params=packed).sum().backward()
        block.zero_grad()

    return tokens / timed(step, device, given.seconds / 2)[0]


_PEERS: dict[str, dict[str, Callable[[Given, Config, torch.device], float]]] = {
    "modern": {"transformers ModernBERT": _modern_bert},
    "sobert": {
        "transformers MegatronBERT, padded": _megatron_bert,
        "megatron-core, padded": _megatron_core,
        "megatron-core's layers, packed by Transformer Engine": _megatron_core_packed,
    },
}

PARTS: dict[str, Callable[[Given, Any], Figures]] = {
    "machine": machine,
    "parity": parity,
    "graphs": graphs,
    "rates": rates,
    "trained": trained,
    "peers": peers,
}
"""In the order in which they run: what must be right first."""


def run(name: str, given: Given) -> Figures:
    """Run a part in this process."""
    # The trainer's own processes join by themselves.
    with nullcontext() if name == "trained" else distributed.joined() as ranks:
        return PARTS[name](given, ranks)


def names(chosen: Sequence[str]) -> list[str]:
    """Parts by name, in order."""
    return [name for name in PARTS if not chosen or name in chosen]
