"""Seconds that a step spends in each of its phases, measured without making the host wait for a GPU."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

PHASES = ("reading", "forward", "backward", "reduce", "optimizer")
"""Phases of a step: waiting for a micro-batch, the two passes, waiting for the other ranks' gradients, the update."""


class Clock:
    """Adds up the seconds of phases, on a GPU by events that it records."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._host: dict[str, float] = {}
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the block as part of a phase."""
        if self._device.type == "cuda" and name != "reading":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            yield
            end.record()
            self._events.append((name, start, end))
            return
        began = time.perf_counter()
        yield
        self._host[name] = self._host.get(name, 0.0) + time.perf_counter() - began

    def taken(self) -> "Taken":
        """The phases since the last call, to be read when the device is through with them."""
        taken = Taken(self._host, self._events)
        self._host, self._events = {}, []
        return taken


class Taken:
    """Phases of a step that was handed to the device."""

    def __init__(self, host: dict[str, float], events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]]) -> None:
        self._host, self._events = host, events

    def seconds(self) -> dict[str, float]:
        """Seconds by phase; the device must be through with them."""
        seconds = dict.fromkeys(PHASES, 0.0) | self._host
        for name, start, end in self._events:
            seconds[name] += start.elapsed_time(end) / 1000
        return seconds
