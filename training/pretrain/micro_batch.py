"""The micro-batch of a run, found by measurement: the smallest that is nearly as fast as any that fits the memory."""

import math
import time
from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist

from socorpus.training.config import Config
from socorpus.training.pretrain.data.dataloader import Batch
from socorpus.training.pretrain.distributed import Ranks

ENOUGH = 0.97
"""Share of the best rate from which a smaller micro-batch is preferred: it leaves memory to spare."""
MEMORY = 0.9
"""Share of a GPU's memory that a micro-batch may fill: documents of other lengths need more."""


def measured(
    config: Config, entries: int, ranks: Ranks, loss: Callable[[Batch], torch.Tensor]
) -> tuple[int, dict[int, float]]:
    """Find the micro-batch of a run, the same on all ranks, which call this together.

    Args:
        entries: of the vocabulary.
        loss: the summed loss of a micro-batch; its gradients are computed, and are to be dropped.

    Returns:
        Its tokens, and tokens a second of the sizes that were tried.
    """
    length = config.model.max_length
    own = -(-config.batch.tokens // length // ranks.data) * length

    def slowest(size: int) -> float | None:
        batch = trial(size, length, entries, config.masking.rate)
        taken = timed(lambda: loss(batch).backward(), ranks.device)
        # What is agreed on is also what every rank tries next.
        seconds = torch.tensor(math.inf if taken is None else taken)
        dist.all_reduce(seconds, dist.ReduceOp.MAX, group=ranks.files)
        return None if seconds.isinf() else float(seconds)

    chosen = fastest(candidates(length, own), slowest)
    # Layers were compiled for sizes in general; from here on for this one.
    torch.compiler.reset()
    return chosen


def trial(size: int, length: int, entries: int, rate: float) -> Batch:
    """A micro-batch of random documents of full length, at the highest share of masked tokens."""
    random = torch.Generator().manual_seed(size)
    ids = torch.randint(entries, (size,), generator=random)
    scored = torch.randperm(size, generator=random)[: max(1, int(size * rate))].sort().values
    positions = torch.arange(length).repeat(size // length)
    return Batch(ids, positions, (length,) * (size // length), scored, ids[scored], scored > size, size)


def candidates(length: int, most: int) -> list[int]:
    """Sizes to try in tokens: the context length, doubled up to a rank's share of a step."""
    sizes = [length]
    while sizes[-1] < most:
        sizes.append(min(2 * sizes[-1], most))
    return sizes


def fastest(sizes: Sequence[int], seconds: Callable[[int], float | None]) -> tuple[int, dict[int, float]]:
    """The smallest size whose rate is nearly the best.

    Args:
        sizes: tokens, rising.
        seconds: of a forward and a backward pass over so many tokens; None where they don't fit.

    Returns:
        The size, and tokens a second of those that were tried: no larger ones behind two that are slower than the
        best, or behind one that does not fit.
    """
    rates: dict[int, float] = {}
    for size in sizes:
        taken = seconds(size)
        if taken is None:
            break
        rates[size] = size / taken
        best = max(rates.values())
        if len(rates) > 2 and all(rate < best for rate in list(rates.values())[-2:]):
            break
    if not rates:
        return sizes[0], rates
    return next(size for size, rate in rates.items() if rate >= ENOUGH * max(rates.values())), rates


def timed(run: Callable[[], None], device: torch.device) -> float | None:
    """Seconds of the faster of two calls, behind one to warm up; None where the device's memory does not suffice."""
    cuda = device.type == "cuda"
    try:
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        taken = []
        for _ in range(3):
            began = time.perf_counter()
            run()
            if cuda:
                torch.cuda.synchronize(device)
            taken.append(time.perf_counter() - began)
    except torch.OutOfMemoryError:
        return None
    if cuda and torch.cuda.max_memory_reserved(device) > MEMORY * torch.cuda.get_device_properties(device).total_memory:
        return None
    return min(taken[1:])
