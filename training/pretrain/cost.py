"""The cost of a run: parameters, arithmetic, memory, time and money, before and after it.

Arithmetic is counted as in Megatron-LM and PaLM: a product of an m x k and a k x n matrix is 2mkn operations, the
backward pass costs twice the forward pass, and recomputation does not count. Attention is counted by the documents'
real lengths, and the head by the scored positions.
"""

import json
import os
import re
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from socorpus.corpus.errors import InputError
from socorpus.training.config import Config, ModelShape


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU: dense TFLOP/s by its data sheet (`tflops`) and in a large matrix product (`reached`), GB of
    memory, dollars per hour, and the source of these. `precision` is that in which it trains by default, and that of
    the figures.
    """

    kind: str
    name: str
    tflops: float
    memory_gb: float
    price: float
    source: str
    match: str
    reached: float
    precision: str = "bf16"


_AMPERE = (8, 0)  # compute capability


def has_bfloat16(device: Any) -> bool:
    """Whether a torch device is a GPU that has bfloat16, and FlashAttention: one of Ampere or later."""
    import torch

    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= _AMPERE


@cache
def gpus() -> dict[str, Gpu]:
    """The known kinds of GPUs."""
    table = json.loads(resources.files("socorpus.training.pretrain").joinpath("gpus.json").read_text("utf-8"))
    return {
        kind: Gpu(kind, **entry, reached=table["reached"] * entry["tflops"]) for kind, entry in table["kinds"].items()
    }


def gpu(kind: str) -> Gpu:
    """A kind of GPU by its name in the table.

    Raises:
        InputError: the kind is not known.
    """
    if kind not in gpus():
        raise InputError(f"GPU kind {kind!r} is not known; there are {', '.join(gpus())}")
    return gpus()[kind]


_MEASURED = "matrix product that was just measured"


def here() -> Gpu:
    """What this machine would train on: its first GPU, else its processor, whose rate is measured (a second)."""
    import torch

    if not torch.cuda.is_available():
        rate = matmul_rate(torch.device("cpu"), torch.float32) / 1e12
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
        return Gpu("cpu", "this machine's processor", rate, memory, 0.0, _MEASURED, "", rate, "fp32")
    device = torch.device("cuda", 0)
    name = torch.cuda.get_device_name(device)
    known = named(name)
    if known is not None:
        return known
    precision = "bf16" if has_bfloat16(device) else "fp32"
    rate = matmul_rate(device, torch.bfloat16 if precision == "bf16" else torch.float32) / 1e12
    memory = torch.cuda.get_device_properties(device).total_memory / 1e9
    return Gpu("here", name, rate, memory, 0.0, _MEASURED, "", rate, precision)


def named(device: str) -> Gpu | None:
    """The kind of a GPU by the name that its driver reports."""
    return next((kind for kind in gpus().values() if re.search(kind.match, device)), None)


def parameters(shape: ModelShape, vocabulary: int) -> int:
    """Number of parameters of an encoder with its masked-token head, the tied embedding counted once."""
    h, f = shape.hidden, shape.ffn
    if shape.family == "sobert":
        layer = 4 * h * h + 2 * h * f + 4 * h + (f + h) + 4 * h
        embedded = (vocabulary + shape.max_length + (shape.token_types or 0)) * h
        return embedded + shape.layers * layer + 2 * h + (h * h + h + 2 * h) + vocabulary
    layer = 4 * h * h + 3 * h * f + 2 * h
    return vocabulary * h + h + shape.layers * layer - h + h + (h * h + h) + vocabulary


@dataclass(frozen=True)
class Work:
    """The amount of training data: tokens, scored positions, and for attention the sum over documents of the tokens
    that their tokens see, in global and in local layers."""

    tokens: int
    scored: int
    seen_globally: int
    seen_locally: int

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.tokens + other.tokens,
            self.scored + other.scored,
            self.seen_globally + other.seen_globally,
            self.seen_locally + other.seen_locally,
        )


def work(lengths: Sequence[int], scored: int, shape: ModelShape) -> Work:
    """The work of some documents."""
    each = np.asarray(lengths, np.int64)
    local = each * np.minimum(each, shape.window + 1)
    return Work(int(each.sum()), scored, int((each * each).sum()), int(local.sum()))


def flops(shape: ModelShape, vocabulary: int, done: Work) -> float:
    """Floating-point operations of training on some work, forward and backward."""
    h = shape.hidden
    gated = 3 if shape.family == "modern" else 2
    globally = shape.layers
    if shape.family == "modern":
        globally = -(-shape.layers // shape.global_every)
    layers = 2.0 * shape.layers * (4 * h * h + gated * h * shape.ffn) * done.tokens
    head = 2.0 * (h * h + h * vocabulary) * done.scored
    seen = globally * done.seen_globally + (shape.layers - globally) * done.seen_locally
    return 3 * (layers + head + 4.0 * h * seen)


def memory(config: Config, vocabulary: int, parameters: int, tensor: int, wide: bool, data: int = 1) -> float:
    """Approximate memory of a rank in bytes: weights, master weights, gradients, moments, a micro-batch's tensors.

    Args:
        wide: whether the whole model is float32.
        data: data-parallel ranks, which share master weights and moments where `parallel.zero` says so.
    """
    shape, tokens = config.model, config.batch.micro
    size = 4 if wide else 2
    shared = (12 / data) if config.parallel.zero and data > 1 else 8 if wide else 12
    state = parameters / tensor * (size + 4 + shared)
    gated = 3 if shape.family == "modern" else 2
    # Per layer: its two norms' inputs and outputs, q, k, v, attention's output, and the inside of the feed-forward.
    layer = tokens * (6 * shape.hidden + (4 * shape.hidden + gated * shape.ffn) / tensor) * size
    held = layer * (1 if config.parallel.recompute else shape.layers)
    if config.parallel.recompute:
        held += shape.layers * tokens * shape.hidden * size
    # Logits and their gradient of one chunk, and the gradient of the output layer.
    logits = min(tokens * config.masking.rate * vocabulary / tensor * size, 512e6)
    head = 2 * logits + 4 * vocabulary / tensor * shape.hidden
    return state + held + head


def choose_tensor(
    config: Config, vocabulary: int, parameters: int, ranks: int, bytes_of_gpu: float | None, wide: bool = False
) -> int:
    """Number of ranks that share a copy of the model: the fewest in whose memory it fits; without a GPU, one.

    Args:
        wide: whether the whole model is float32.

    Raises:
        InputError: it never fits.
    """
    if config.parallel.tensor is not None:
        return config.parallel.tensor
    if bytes_of_gpu is None:
        return 1
    for tensor in (1, 2, 4, 8):
        fits = memory(config, vocabulary, parameters, tensor, wide, ranks // tensor) < 0.92 * bytes_of_gpu
        if fits and ranks % tensor == 0 and config.model.heads % tensor == 0:
            return tensor
    raise InputError(
        "the model and its micro-batch do not fit these GPUs; lower batch.micro_tokens, set parallel.recompute, "
        "or use more GPUs"
    )


def peak_memory(device: Any) -> int:
    """Most bytes that were in use so far: of a GPU's memory, or of this process's."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def matmul_rate(device: Any, dtype: Any) -> float:
    """Throughput of a device in a large matrix product, in operations per second; utilisation is relative to it."""
    import time

    import torch

    cuda = device.type == "cuda"
    size, rounds = (8192, 10) if cuda else (1024, 3)
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(3):
        if cuda:
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        for _ in range(rounds):
            left @ right
        if cuda:
            torch.cuda.synchronize(device)
        best = max(best, rounds * 2.0 * size**3 / (time.perf_counter() - start))
    return best
