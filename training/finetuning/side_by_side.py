"""Fine-tuning runs side by side: one process a GPU, or on the processor as many as its cores and memory allow.

A run's number of threads depends on how many runs there are, not on how many train at a time: sums over other numbers
of threads differ in their last bits. So the results are the same, to the last byte on the CPU, for any number of
processes.
"""

import json
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil
import torch

from socorpus.corpus.engine import machine
from socorpus.corpus.errors import BuildError, InputError, SocorpusError
from socorpus.corpus.storage import files
from socorpus.training.finetuning import pretrained, self_training
from socorpus.training.finetuning.learner import DivergedError, Inputs, SeedRun
from socorpus.training.finetuning.progress import FinetuningShow, FinetuningStep

Failures = dict[Path, SocorpusError]
"""Errors of runs by their folders."""

_LIBRARIES = {"cpu": 0.8e9, "cuda": 3e9}
"""Bytes of memory of a process before it has a model: torch, transformers, and CUDA's kernels."""
_RATES = {"cpu": 2e10, "cuda": 5e13}
"""Operations a second of a core or a GPU, to guess how long training takes."""
_WORTH = 60.0
"""Seconds of training below which starting processes, which takes some seconds each, is not worth it."""
_CHARACTERS = 3.5
"""Of a token."""
_ERRORS: dict[str, type[SocorpusError]] = {kind.__name__: kind for kind in (InputError, BuildError, DivergedError)}
_TAIL = 2000


@dataclass(frozen=True)
class Share:
    """How runs share this machine: this many processes at a time, each with this many threads."""

    processes: int
    threads: int


def shared(runs: Sequence[SeedRun], processes: int | None, show: FinetuningShow) -> Share:
    """The share of the machine for some runs, done or not.

    Args:
        processes: wanted number of runs at a time; None: one a GPU, or as many as the cores allow, unless all of them
            take less than a minute in one process. Fewer where the memory is too small, which is noted.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    cores = machine.cores()
    threads = max(1, min(torch.get_num_threads(), cores // max(1, len(runs))))
    todo = [run for run in runs if not run.done]
    wanted = processes if processes is not None else gpus or cores // threads
    wanted = max(1, min(wanted, len(todo)))
    if wanted == 1:
        return Share(1, threads)
    device = "cuda" if gpus else "cpu"
    sizes: dict[tuple[Path, str], pretrained.Size] = {}
    for run in todo:
        key = (run.model.folder, run.data.task.name)
        sizes[key] = sizes[key] if key in sizes else pretrained.size(run.model, run.data.task)
    sized = [(run, sizes[run.model.folder, run.data.task.name]) for run in todo]
    if processes is None and sum(_seconds(run, size, device, threads) for run, size in sized) < _WORTH:
        return Share(1, threads)
    need = max(_memory(run, size, device) for run, size in sized)
    free = min(psutil.virtual_memory().available, machine.memory())
    fitting = max(1, int(0.9 * free / need))
    if fitting < wanted:
        show.note(
            f"{fitting} at a time instead of {wanted}: each takes about {need / 1e9:.1f} GB of memory, and "
            f"{free / 1e9:.1f} GB are free"
        )
    return Share(min(wanted, fitting), threads)


def _seconds(run: SeedRun, size: pretrained.Size, device: str, threads: int) -> float:
    """A rough guess of a run's time on its own."""
    most = (run.settings.length or min(2048, run.model.context)) * run.settings.windows
    texts = run.data.splits["train"]
    tokens = sum(min(most, (len(text.text) + len(text.title or "")) / _CHARACTERS) for text in texts)
    rate = _RATES[device] * (threads if device == "cpu" else 1)
    return 6.0 * size.inside * tokens * run.settings.epochs / rate


def _memory(run: SeedRun, size: pretrained.Size, device: str) -> float:
    """About the bytes of this machine's memory that a run takes: on a GPU's machine, the weights while they load."""
    weights = pretrained.bytes_of_weight(run.model, torch.device(device), run.settings.bits)
    if device == "cuda":
        return _LIBRARIES[device] + weights * size.parameters
    # Weights, and where they learn gradients and two moments; and the tensors that the backward pass needs.
    state = weights * size.parameters if run.model.decoder else 16.0 * size.parameters
    held = 4.0 * run.settings.micro_tokens * size.layers * 20 * size.hidden
    return _LIBRARIES[device] + state + held


def train(runs: Sequence[SeedRun], share: Share, show: FinetuningShow, inputs: Callable[[SeedRun], Inputs]) -> Failures:
    """Train those of some runs that are not done.

    Args:
        inputs: the texts of a run that trains in this process.

    Returns:
        The errors of runs that failed; the others are done.
    """
    todo = [run for run in runs if not run.done]
    if share.processes > 1 and len(todo) > 1:
        return _apart(todo, share, show)
    failures: Failures = {}
    with computing_threads(share.threads):
        for run in todo:
            try:
                self_training.train(run, inputs(run), show)
            except SocorpusError as error:
                # Its sentence only: its traceback would keep models and files open.
                failures[run.folder] = type(error)(str(error))
            show.ended(run.name)
    return failures


@contextmanager
def computing_threads(number: int) -> Iterator[None]:
    """A block in which PyTorch computes with this many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class _Child:
    """A process that trains a run; `slot` is its place among those that train at a time."""

    run: SeedRun
    slot: int
    process: "subprocess.Popen[bytes]"
    errors: IO[bytes]


_Event = tuple[_Child, dict[str, Any] | None]


def _apart(runs: Sequence[SeedRun], share: Share, show: FinetuningShow) -> Failures:
    waiting, slots = list(runs), list(range(share.processes))
    events: queue.Queue[_Event] = queue.Queue()
    children: list[_Child] = []
    failures: Failures = {}
    try:
        while waiting or children:
            while waiting and slots:
                children.append(_start(waiting.pop(0), slots.pop(0), share.threads, events))
            child, event = events.get()
            if event is None:
                children.remove(child)
                slots.append(child.slot)
                code = child.process.wait()
                if not child.run.done and child.run.folder not in failures:
                    failures[child.run.folder] = BuildError(f"{child.run.name}: {_ended(child, code)}")
                _close(child)
                show.ended(child.run.name)
            elif event["kind"] == "error":
                failures[child.run.folder] = _ERRORS.get(event["type"], BuildError)(event["message"])
            else:
                _tell(show, event)
    finally:
        for child in children:
            child.process.kill()
            child.process.wait()
            _close(child)
            for leftover in child.run.folder.glob(".*.partial"):
                files.remove(leftover)
    return failures


def _start(run: SeedRun, slot: int, threads: int, events: "queue.Queue[_Event]") -> _Child:
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
    if torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        devices = visible.split(",") if visible else [str(number) for number in range(torch.cuda.device_count())]
        environment["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]
    errors = tempfile.TemporaryFile()  # noqa: SIM115 (`_close` closes it)
    # -P: nothing is imported from the current folder, which may be a stranger's.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "socorpus.training.finetuning.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
    )
    child = _Child(run, slot, process, errors)

    def follow() -> None:
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):
            # Its end tells the process that this one has ended: it stays open.
            pickle.dump((run, threads), process.stdin)
            process.stdin.flush()
        for line in process.stdout:
            with suppress(ValueError):  # the half line of a process that was killed
                events.put((child, json.loads(line)))
        events.put((child, None))

    threading.Thread(target=follow, daemon=True).start()
    return child


def _close(child: _Child) -> None:
    for stream in (child.process.stdin, child.process.stdout, child.errors):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def _ended(child: _Child, code: int) -> str:
    """Why a process has ended without a word."""
    if code == -9:
        return (
            "its process was killed (signal 9), as systems do where memory is short; train fewer at a time "
            "(--processes), or the same command again goes on"
        )
    if code < 0:
        return f"its process was ended by signal {-code}; the same command goes on"
    child.errors.seek(0)
    output = child.errors.read().decode("utf-8", "replace").strip()[-_TAIL:]
    return f"its process ended with exit code {code}{': ' if output else ''}{output}"


def _tell(show: FinetuningShow, event: Mapping[str, Any]) -> None:
    if event["kind"] == "step":
        show.step(FinetuningStep(**event["line"]))
    elif event["kind"] == "validated":
        show.validated(event["seed"], event["epoch"], event["scores"], event["name"])
    else:
        show.note(event["sentence"])
