"""The cost estimate of a run, in hours and dollars, beside measured values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from socorpus.training.config import Config
from socorpus.training.pretrain import cost, schedule
from socorpus.training.pretrain.cost import Gpu
from socorpus.training.pretrain.data import shard_reader
from socorpus.training.pretrain.run import Run

ASSUMED = 0.45
"""Assumed utilisation of a GPU, if no run of the same model was measured."""

_SAMPLED = 16


@dataclass(frozen=True)
class CostPlan:
    """The estimated cost of a run: `flops` in all, `memory` in bytes per GPU, `hours` of each GPU, `dollars` for all of
    them; `tensor` GPUs share a copy of the model."""

    parameters: int
    tokens: int
    steps: int
    epochs: float
    mean_length: float
    flops: float
    memory: float
    tensor: int
    gpu: Gpu
    gpus: int
    share: float
    hours: float
    dollars: float
    notes: tuple[str, ...]

    def rows(self, measured: Mapping[str, Any] | None = None) -> list[tuple[str, str, str]]:
        """Rows of a table: quantity, planned value, and the value of a run (`measured`)."""
        return rows(self, measured)


def plan(root: Path, config: Config, kind: str | None, gpus: int, price: float | None = None) -> CostPlan:
    """Plan a run on a corpus, with attention counted by the documents' real lengths.

    Args:
        kind: kind of GPU; None: what this machine has.

    Raises:
        InputError: there is no corpus, the kind of GPU is not known, or the model does not fit it.
    """
    corpus, gpu = shard_reader.open_corpus(root), cost.here() if kind is None else cost.gpu(kind)
    groups = corpus.row_groups("train")
    vocabulary, shape = corpus.vocabulary.padded, config.model
    lengths = _lengths(groups, shape.max_length)
    steps = schedule.steps(config)
    rates = [schedule.masking_rate(config, step, steps) for step in np.linspace(0, steps - 1, 200).astype(int).tolist()]
    sample = cost.work(lengths, round(sum(lengths) * float(np.mean(rates))), shape)
    tokens = steps * config.batch.tokens
    flops = cost.flops(shape, vocabulary, sample) * tokens / sample.tokens
    parameters = cost.parameters(shape, vocabulary)
    wide = (config.parallel.precision or gpu.precision) == "fp32"
    tensor = cost.choose_tensor(config, vocabulary, parameters, gpus, gpu.memory_gb * 1e9, wide)
    hours = flops / (ASSUMED * gpu.reached * 1e12 * gpus) / 3600
    total = corpus.manifest["shards"]["train"]["tokens"]
    digits = 0 if gpu.tflops >= 10 else 2
    notes = (
        f"Hours and dollars assume {ASSUMED:.0%} of a large matrix product's {gpu.reached:,.{digits}f} TFLOP/s.",
        f"The peak is {gpu.tflops:,.{digits}f} TFLOP/s by the {gpu.source}.",
        f"Price: ${gpu.price:.2f} an hour and GPU, a rough rate of GPU clouds; give yours with --price."
        if price is None and gpu.price
        else f"Price: ${price or 0:.2f} an hour and device.",
        *(() if kind is not None else ("This is what this machine has; for another kind of GPU, name it with --gpu.",)),
    )
    return CostPlan(
        parameters,
        tokens,
        steps,
        tokens / max(1, total),
        sample.tokens / len(lengths),
        flops,
        cost.memory(config, vocabulary, parameters, tensor, wide),
        tensor,
        gpu,
        gpus,
        ASSUMED,
        hours,
        hours * gpus * (gpu.price if price is None else price),
        notes,
    )


def measured(run: Path) -> Mapping[str, Any] | None:
    """The measured values of a run's run.json; None if there are none yet.

    Raises:
        InputError: the file can't be read.
    """
    facts = Run(run).facts()
    return facts if facts is not None and facts.get("flops") else None


def rows(planned: CostPlan, seen: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """The plan as rows of a table: quantity, planned, measured."""
    s = seen or {}
    ranks = s.get("ranks", {"data": 1, "tensor": 1})
    size = ranks["data"] * ranks["tensor"]
    hours = s.get("gpu_hours", 0.0) / size
    speed = planned.tokens / planned.hours / 3600
    return [
        ("parameters", f"{planned.parameters:,}", f"{s.get('parameters', 0):,}"),
        ("tokens", f"{planned.tokens:,}", f"{s.get('tokens', 0):,}"),
        ("epochs", f"{planned.epochs:,.2f}", ""),
        ("steps", f"{planned.steps:,}", f"{s.get('step', 0):,}"),
        ("mean document", f"{planned.mean_length:,.0f} tokens", ""),
        ("arithmetic", f"{planned.flops:.3g} FLOP", f"{s.get('flops', 0.0):.3g} FLOP"),
        ("memory per GPU", f"{planned.memory / 1e9:,.1f} of {planned.gpu.memory_gb:,.0f} GB", ""),
        ("devices", f"{planned.gpus} x {planned.gpu.name}", f"{size} x {s.get('device', '')}"),
        ("share of peak", f"{planned.share:.0%}, assumed", f"{s.get('share_of_peak', 0.0):.0%}"),
        ("tokens/s", f"{speed:,.0f}", f"{s.get('tokens', 0) / max(hours * 3600, 1e-9):,.0f}"),
        ("hours", f"{planned.hours:,.2f}", f"{hours:,.2f}"),
        ("dollars", f"{planned.dollars:,.2f}", "–" if s.get("dollars") is None else f"{s['dollars']:,.2f}"),
    ]


def _lengths(groups: list[shard_reader.RowGroup], longest: int) -> list[int]:
    """Tokens of each document in evenly spaced row groups, as they would be packed."""
    chosen = [groups[i] for i in np.linspace(0, len(groups) - 1, min(_SAMPLED, len(groups))).astype(int).tolist()]
    lengths: list[int] = []
    for group in chosen:
        for length in np.diff(shard_reader.read(group).bounds).tolist():
            whole, rest = divmod(length, longest - 2)
            lengths += [longest] * whole + ([rest + 2] if rest else [])
    return lengths
