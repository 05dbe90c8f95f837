"""The cost estimate of a run, in hours and dollars, beside measured values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from socorpus.training.config import Config
from socorpus.training.pretrain import cost, schedule
from socorpus.training.pretrain.cost import Gpu
from socorpus.training.pretrain.data import mixture
from socorpus.training.pretrain.run import Run

ASSUMED = 0.45
"""Assumed utilisation of a GPU, if no run of the same model was measured."""
OPTIMAL = (200, 2000)
"""Tokens per parameter of encoders that make the most of their compute: 10 to 100 times (Dervishi et al., "Training
compute-optimal transformer encoder models", EMNLP 2025) the 20 of autoregressive models (Hoffmann et al., "Training
compute-optimal large language models", 2022)."""
PASSES = 4
"""Passes over the same text that are nearly worth new text, in experiments with autoregressive models (Muennighoff et
al., "Scaling data-constrained language models", NeurIPS 2023)."""


@dataclass(frozen=True)
class PlannedCorpus:
    """A corpus of a mixture: tokens of its train split; tokens of the run that are read of it; the number of passes;
    the share of the run after which it is used up, None if it is not."""

    name: str
    tokens: int
    read: int
    epochs: float
    used_up: float | None


@dataclass(frozen=True)
class CostPlan:
    """The estimated cost of a run: `flops` in all, `memory` in bytes per GPU, `hours` of each GPU, `dollars` for all of
    them; `tensor` GPUs share a copy of the model. `corpora` are those of a mixture, the largest share first."""

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
    corpora: tuple[PlannedCorpus, ...] = ()
    config: Config = field(default_factory=Config)
    """The configuration that was planned."""

    def rows(self, measured: Mapping[str, Any] | None = None) -> list[tuple[str, str, str]]:
        """Rows of a table: quantity, planned value, and the value of a run (`measured`)."""
        return rows(self, measured)


def plan(
    root: Path, config: Config, kind: str | None, gpus: int, price: float | None = None, entries: int | None = None
) -> CostPlan:
    """Plan a run on a corpus, with attention counted by the documents' real lengths.

    Args:
        kind: kind of GPU; None: what this machine has.
        entries: of the tokenizer, if it is another one than that whose tokens are counted.

    Raises:
        InputError: there is no corpus, or the corpora of a mixture don't go together or are used up before the
            schedule's end; the kind of GPU is not known, or the model does not fit it.
    """
    shape = config.model
    # Tokens of another tokenizer, which may have more entries than the model knows, only stand in for those to be made.
    counted = replace(config, model=replace(shape, rows=None)) if entries is not None else config
    corpora, gpu = mixture.opened(root, counted), cost.here() if kind is None else cost.gpu(kind)
    vocabulary = corpora.own.vocabulary.padded if entries is None else -(-(shape.rows or entries) // 64) * 64
    samples = corpora.sample(config)
    steps = schedule.steps(config)
    rates = [schedule.masking_rate(config, step, steps) for step in np.linspace(0, steps - 1, 200).astype(int).tolist()]
    rate = float(np.mean(rates))
    tokens = steps * config.batch.tokens
    readings = corpora.readings(samples, config.schedule.tokens)
    # The last step is a whole one.
    shares = [reading.tokens / config.schedule.tokens for reading in readings]
    flops = documents = 0.0
    for share, sample in zip(shares, samples, strict=True):
        work = cost.work(sample.lengths, round(sum(sample.lengths) * rate), shape)
        flops += cost.flops(shape, vocabulary, work) * tokens * share / work.tokens
        documents += share * len(sample.lengths) / work.tokens
    parameters = cost.parameters(shape, vocabulary)
    wide = (config.parallel.precision or gpu.precision) == "fp32"
    tensor = cost.choose_tensor(config, vocabulary, parameters, gpus, gpu.memory_gb * 1e9, wide)
    hours = flops / (ASSUMED * gpu.reached * 1e12 * gpus) / 3600
    total = sum(sample.packed for sample in samples)
    digits = 0 if gpu.tflops >= 10 else 2
    notes = (
        f"Hours and dollars assume {ASSUMED:.0%} of a large matrix product's {gpu.reached:,.{digits}f} TFLOP/s.",
        f"The peak is {gpu.tflops:,.{digits}f} TFLOP/s by the {gpu.source}.",
        f"Price: ${gpu.price:.2f} an hour and GPU, a rough rate of GPU clouds; give yours with --price."
        if price is None and gpu.price
        else f"Price: ${price or 0:.2f} an hour and device.",
        _of_size(tokens / parameters),
        *((_of_passes(tokens / max(1, total)),) if tokens > total else ()),
        *(() if kind is not None else ("This is what this machine has; for another kind of GPU, name it with --gpu.",)),
    )
    return CostPlan(
        parameters,
        tokens,
        steps,
        tokens / max(1, total),
        1 / documents,
        flops,
        cost.memory(config, vocabulary, parameters, tensor, wide),
        tensor,
        gpu,
        gpus,
        ASSUMED,
        hours,
        hours * gpus * (gpu.price if price is None else price),
        notes,
        () if corpora.plain else _corpora(corpora, samples, shares, readings, config),
        config,
    )


def _of_size(ratio: float) -> str:
    """How tokens and parameters stand to published results; nothing is fitted to runs of one's own."""
    least, most = OPTIMAL
    stands = "below" if ratio < least else "above" if ratio > most else "within"
    then = {
        "below": ": the same compute would do more with a smaller model and more tokens",
        "above": ": the same compute would do more with a larger model, which costs more to use",
        "within": "",
    }
    return (
        f"{ratio:,.0f} tokens per parameter: {stands} the {least:,} to {most:,} of encoders that make the most of "
        f"their compute (Dervishi et al., EMNLP 2025; 10 to 100 times the 20 of Hoffmann et al., 2022){then[stands]}."
    )


def _of_passes(passes: float) -> str:
    stands = "and" if passes <= PASSES else "but"
    return (
        f"{passes:,.1f} passes over the same text, {stands} up to {PASSES} are nearly worth as much new text "
        "(Muennighoff et al., NeurIPS 2023, of autoregressive models)."
    )


def _corpora(
    corpora: mixture.Mixture,
    samples: Sequence[mixture.Sample],
    shares: Sequence[float],
    readings: Sequence[mixture.Reading],
    config: Config,
) -> tuple[PlannedCorpus, ...]:
    tokens = schedule.steps(config) * config.batch.tokens
    planned = [
        PlannedCorpus(
            part.name,
            part.tokens,
            round(tokens * share),
            tokens * share / max(1.0, sample.packed),
            None if reading.used_up is None else reading.used_up / config.schedule.tokens,
        )
        for part, sample, share, reading in zip(corpora.parts, samples, shares, readings, strict=True)
    ]
    return tuple(sorted(planned, key=lambda corpus: (-corpus.read, corpus.name)))


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
        ("tokens per parameter", f"{planned.tokens / planned.parameters:,.0f}", _per_parameter(s)),
        ("epochs", f"{planned.epochs:,.2f}", ""),
        *((f"  {corpus.name}", _read(corpus, planned.tokens), _measured(corpus, s)) for corpus in planned.corpora),
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


def _per_parameter(seen: Mapping[str, Any]) -> str:
    return f"{seen['tokens'] / seen['parameters']:,.0f}" if seen.get("parameters") else ""


def _read(corpus: PlannedCorpus, tokens: int) -> str:
    used_up = "" if corpus.used_up is None else f", used up after {corpus.used_up:.0%} of the run"
    return f"{corpus.read / tokens:.1%}: {corpus.epochs:,.2f} x {corpus.tokens:,}{used_up}"


def _measured(corpus: PlannedCorpus, seen: Mapping[str, Any]) -> str:
    read = next((part.get("tokens") for part in seen.get("corpora", ()) if part["name"] == corpus.name), None)
    return "" if read is None else f"{read / max(1, seen.get('tokens', 0)):.1%}"
