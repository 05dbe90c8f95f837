"""The micro-batch of a run, found by measurement: the smallest that is nearly as fast as any that fits the memory."""

import time
from collections.abc import Callable, Sequence

import torch

ENOUGH = 0.97
"""Share of the best rate from which a smaller micro-batch is preferred: it leaves memory to spare."""
MEMORY = 0.9
"""Share of a GPU's memory that a micro-batch may fill: documents of other lengths need more."""


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
