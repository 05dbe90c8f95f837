"""A trace of some steps of a run, for Perfetto or chrome://tracing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from socorpus.corpus.storage.files import atomic

WARM_UP = 2
"""Steps before the first that is recorded: they compile, and fill caches."""


class StepProfiler:
    """Records steps of this process with PyTorch's profiler: operations, kernels, memory, shapes."""

    def __init__(self, folder: Path, steps: int, device: torch.device, written: Callable[[Path], None]) -> None:
        """Record `steps` steps behind the first two.

        Args:
            folder: gets the trace, a JSON file that is compressed.
            written: called with the trace's path once it is there.
        """
        self._folder, self._steps, self._written = folder, steps, written
        activities = [torch.profiler.ProfilerActivity.CPU]
        if device.type == "cuda":
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        self._profiler = torch.profiler.profile(activities=activities, record_shapes=True, profile_memory=True)
        self._done = 0

    def step(self, step: int) -> None:
        """Count a step that is done."""
        self._done += 1
        if self._done == WARM_UP:
            self._profiler.start()
        elif self._done == WARM_UP + self._steps:
            self._end(step)

    def close(self, step: int) -> None:
        """Write what was recorded, where the run ends before all steps are."""
        if WARM_UP < self._done < WARM_UP + self._steps:
            self._end(step)
        elif self._done == WARM_UP:
            self._profiler.stop()

    def _end(self, step: int) -> None:
        self._profiler.stop()
        path = self._folder / f"steps-to-{step:09d}.json.gz"
        with atomic(path) as temporary:
            # The profiler compresses what is named so.
            named: Any = temporary.with_name(f"{temporary.name}.json.gz")
            self._profiler.export_chrome_trace(str(named))
            named.replace(temporary)
        self._done = WARM_UP + self._steps
        self._written(path)
