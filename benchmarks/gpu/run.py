"""The trainer on a GPU, all in one call: is it right, how fast, and beside whom. Prints a table, and writes it as JSON.

- parity: logits and gradients in bfloat16 on the GPU against float32 on the CPU, packed attention of both families;
- rate: tokens a second and share of the card's matrix-product rate, of each preset, with and without torch.compile;
- peers in the same run, on the same documents: transformers' MegatronBert padded (SDPA), and megatron-core's stock
  BertModel padded; tokens a second count documents' tokens alone, whatever is computed on padding;
- price of 27 billion tokens at the measured rate.

    python benchmarks/gpu/run.py CORPUS -o FIGURES.json [--presets sobert-base,sobert-large,modern-base] [--price 3.0]

On a machine without a GPU it does the same with `--presets tiny`, which shows that it runs, and no more.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from socorpus.training import presets
from socorpus.training.config import Config
from socorpus.training.pretrain import cost, distributed
from socorpus.training.pretrain.data import dataloader, shard_reader
from socorpus.training.pretrain.data.lanes import Source
from socorpus.training.pretrain.distributed import Ranks

TARGETS = {"sobert-base": (0.45, 45.0), "sobert-large": (0.55, 260.0)}
"""Share of the matrix-product rate, and dollars for 27 billion tokens at 3 an hour."""
PEER = 3.0
"""Times a peer's tokens a second."""


def batches(found: shard_reader.ShardCorpus, settings: Config, count: int) -> list[dataloader.Batch]:
    """The first micro-batches of a run."""
    groups = found.row_groups("train")
    cut = dataloader.shape(len(groups), settings.model.max_length, settings.batch, 1, None)
    sources = [Source(groups)]
    stream = dataloader.Stream(settings, found.vocabulary, sources, cut, 0, None, 0, lambda _: settings.masking.rate)
    try:
        return [stream.next() for _ in range(count)]
    finally:
        stream.close()


def seconds(step: Callable[[int], Any], device: torch.device, rounds: int) -> float:
    """Median seconds of a step after warming up."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for number in range(3):
        step(number)
    taken = []
    for number in range(rounds):
        wait()
        started = time.perf_counter()
        step(number)
        wait()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def loss_of(model: Any, batch: dataloader.Batch, device: torch.device) -> torch.Tensor:
    ids, positions, at, labels = (one.to(device) for one in (batch.ids, batch.positions, batch.places, batch.labels))
    result: torch.Tensor = model(ids, positions, model.documents(batch.lengths), at, labels).sum()
    return result


def build(settings: Config, vocabulary: int, device: torch.device, dtype: torch.dtype, compiled: bool) -> Any:
    from socorpus.training.models import encoder

    torch.manual_seed(1)
    return encoder.build(settings.model, settings.parallel, vocabulary, 1, dtype, compiled).to(device)


def parity(found: shard_reader.ShardCorpus, family: str, device: torch.device) -> dict[str, float]:
    """Relative error of loss and gradients of a small model in bfloat16 on the device, against float32 on the CPU."""
    shape = {"family": family, "layers": 4, "hidden": 256, "heads": 4, "ffn": 512, "max_length": 2048}
    settings = presets.load("tiny", overrides={"model": shape, "batch": {"tokens": 8192, "micro_tokens": 8192}})
    (batch,) = batches(found, settings, 1)
    results = []
    for where, dtype in ((torch.device("cpu"), torch.float32), (device, torch.bfloat16)):
        made = build(settings, found.vocabulary.padded, where, dtype, False)
        loss = loss_of(made, batch, where) / len(batch.labels)
        loss.backward()
        gradients = torch.cat([one.grad.float().cpu().flatten() for one in made.parameters() if one.grad is not None])
        results.append((loss.item(), gradients))
    (one, first), (two, second) = results
    return {"loss": abs(one - two) / abs(one), "gradient": ((first - second).norm() / first.norm()).item()}


def ours(
    found: shard_reader.ShardCorpus,
    settings: Config,
    ranks: Ranks,
    dtype: torch.dtype,
    compiled: bool,
    peak: float,
    rounds: int,
) -> dict[str, float]:
    """Rate of whole steps of one micro-batch each: forward, backward, gradients in float32, AdamW."""
    from socorpus.training.pretrain.optimizer import Optimizer

    device, vocabulary = ranks.device, found.vocabulary.padded
    made = build(settings, vocabulary, device, dtype, compiled)
    optimizer = Optimizer(made, settings.optimizer, ranks)
    some = batches(found, settings, 8)

    def micro(number: int) -> None:
        loss_of(made, some[number % len(some)], device).backward()
        optimizer.accumulate()

    each = seconds(micro, device, rounds)
    step = seconds(lambda _: optimizer.step(optimizer.gather(1e6), 1e-4), device, 5)
    count = settings.batch.tokens // settings.model.max_length
    count = max(1, count * settings.model.max_length // len(some[0].ids))
    tokens = statistics.mean(one.filled for one in some)
    done = [cost.work(one.documents, len(one.labels), settings.model) for one in some]
    flops = statistics.mean(cost.flops(settings.model, vocabulary, one) for one in done)
    whole = each + step / count
    memory = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else 0.0
    return {
        "tokens_per_second": tokens / whole,
        "share_of_peak": flops / whole / peak,
        "gigabytes": memory,
        "optimizer_share": step / count / whole,
    }


def padded(
    batch: dataloader.Batch, longest: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same documents, a row each: ids, attention mask, labels (-100 where nothing is scored)."""
    lengths = batch.documents
    ids = torch.zeros(len(lengths), longest, dtype=torch.int64)
    seen, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    flat = torch.full((len(batch.ids),), -100, dtype=torch.int64)
    flat[batch.places] = batch.labels
    at = 0
    for row, length in enumerate(lengths):
        ids[row, :length], labels[row, :length] = batch.ids[at : at + length], flat[at : at + length]
        seen[row, :length] = 1
        at += length
    return ids.to(device), seen.to(device), labels.to(device)


def peer(
    name: str, found: shard_reader.ShardCorpus, settings: Config, device: torch.device, dtype: Any, rounds: int
) -> float:
    """Tokens a second (documents' alone) of forward and backward of a padded model of the same shape."""
    model, longest = settings.model, settings.model.max_length
    vocabulary = found.vocabulary.padded
    (batch,) = batches(found, settings, 1)
    ids, seen, labels = padded(batch, longest, device)
    rows = max(1, settings.batch.micro_tokens // longest)
    made: Any
    if name == "transformers":
        from transformers import MegatronBertConfig, MegatronBertForMaskedLM

        shape = MegatronBertConfig(
            vocab_size=vocabulary,
            hidden_size=model.hidden,
            num_hidden_layers=model.layers,
            num_attention_heads=model.heads,
            intermediate_size=model.ffn,
            max_position_embeddings=longest,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        made = MegatronBertForMaskedLM(shape).to(device, dtype)

        def run(part: slice) -> torch.Tensor:
            result: torch.Tensor = made(ids[part], attention_mask=seen[part], labels=labels[part]).loss
            return result
    else:
        from megatron.core.models.bert.bert_layer_specs import bert_layer_local_spec
        from megatron.core.models.bert.bert_model import BertModel

        from socorpus.training.models.encoder import layer_config

        shape_of = layer_config(model, 1, dtype)
        made = BertModel(
            shape_of,
            0,
            bert_layer_local_spec,
            vocabulary,
            longest,
            add_binary_head=False,
            share_embeddings_and_output_weights=True,
        ).to(device)

        def run(part: slice) -> torch.Tensor:
            losses = made(ids[part], seen[part], lm_labels=labels[part].clamp(min=0))[0]
            result: torch.Tensor = (losses * (labels[part] >= 0)).sum()
            return result

    parts = [slice(at, at + rows) for at in range(0, len(ids), rows)][:4]
    tokens = statistics.mean(int(seen[part].sum()) for part in parts)

    def step(number: int) -> None:
        run(parts[number % len(parts)]).backward()
        made.zero_grad()

    return tokens / seconds(step, device, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--presets", default="sobert-base,sobert-large,modern-base,mini")
    parser.add_argument("--price", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    found = shard_reader.open_corpus(given.corpus)
    figures: dict[str, Any] = {}
    with distributed.joined() as ranks, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        device = ranks.device
        cuda = device.type == "cuda"
        dtype = torch.bfloat16 if cuda else torch.float32
        peak = cost.matmul_rate(device, dtype)
        name = torch.cuda.get_device_name(device) if cuda else "CPU"
        figures["device"] = {"name": name, "matmul_tflops": peak / 1e12, "torch": torch.__version__}
        print(f"{name}: {peak / 1e12:,.1f} TFLOP/s in a large matrix product, torch {torch.__version__}", flush=True)
        for family in ("sobert", "modern"):
            figures[f"parity {family}"] = parity(found, family, device)
            print(f"parity {family}: {figures[f'parity {family}']}", flush=True)
        for preset in given.presets.split(","):
            rows = figures[preset] = {}
            for compiled in (False, True) if cuda else (False,):
                settings = presets.load(preset)
                label = "compiled" if compiled else "eager"
                try:
                    rows[label] = ours(found, settings, ranks, dtype, compiled, peak, given.rounds)
                except Exception as error:
                    rows[label] = {"error": str(error)[:300]}
                    print(f"{preset} {label}: {error}"[:300], flush=True)
                    continue
                told = rows[label]
                dollars = 27e9 / told["tokens_per_second"] / 3600 * given.price
                told["dollars_for_27b"] = dollars
                wanted = TARGETS.get(preset)
                aim = f" (targets {wanted[0]:.0%}, ${wanted[1]:.0f})" if wanted else ""
                print(
                    f"{preset} {label}: {told['tokens_per_second']:,.0f} tokens/s, {told['share_of_peak']:.1%}, "
                    f"{told['gigabytes']:.1f} GB, optimizer {told['optimizer_share']:.1%}, "
                    f"27B tokens for ${dollars:,.2f}{aim}",
                    flush=True,
                )
                if cuda:
                    torch.cuda.empty_cache()
            if settings.model.family == "sobert":
                best = max(one.get("tokens_per_second", 0.0) for one in rows.values())
                for other in ("transformers", "megatron-core"):
                    try:
                        rate = peer(other, found, settings, device, dtype, max(3, given.rounds // 4))
                    except Exception as error:
                        rows[other] = {"error": str(error)[:300]}
                        print(f"{preset} beside {other}: {error}"[:300], flush=True)
                        continue
                    rows[other] = {"tokens_per_second": rate, "ratio": best / rate}
                    print(f"{preset} beside {other}, padded: {best / rate:.1f} times (target {PEER:g})", flush=True)
            given.out.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
