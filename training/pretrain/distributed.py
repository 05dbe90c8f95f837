"""Ranks: joining them, and who they are. One process is one rank on one GPU, or on the CPU.

Started by `socorpus train --gpus N`, by torchrun, or by Slurm's srun: whichever set the environment. A script that
Slurm runs has the job's variables too (SLURM_NTASKS), but is no rank: only a step's count, which srun sets.
"""

import ctypes
import logging
import os
import re
import signal
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from socorpus.corpus.errors import InputError

STALLED = timedelta(minutes=20)
"""How long a rank waits for the others before it gives up."""


@dataclass(frozen=True)
class Ranks:
    """This rank among all: its number and size in all, in the tensor group, in the data group; its device.

    `data_group` and `tensor_group` are the process groups; `files` is a gloo group of all ranks for checkpoints, whose
    messages come from a thread and must not cross those of training.
    """

    rank: int
    size: int
    tensor_rank: int
    tensor: int
    data_rank: int
    data: int
    device: torch.device
    tensor_group: Any
    data_group: Any
    files: Any

    @property
    def first(self) -> bool:
        """Whether this rank speaks for all."""
        return self.rank == 0


def started() -> bool:
    """Whether a launcher has made this process one rank of several."""
    return "RANK" in _launched()


def first() -> bool:
    """Whether this process is the first rank, or the only one."""
    return int(_launched().get("RANK") or 0) == 0


def gpus() -> int:
    """GPUs of this machine."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def size() -> int:
    """The number of ranks."""
    return int(_launched().get("WORLD_SIZE") or 1)


@contextmanager
def joined(tensor: int = 1) -> Iterator[Ranks]:
    """Join the other ranks for the time of the block; a process that nobody launched is the only one.

    Args:
        tensor: ranks that share one copy of the model; it divides their number.

    Raises:
        InputError: it does not.
    """
    with _environment():
        cuda = torch.cuda.is_available()
        count = size()
        if count % tensor:
            raise InputError(f"parallel.tensor ({tensor}) must divide the number of ranks ({count})")
        device = torch.device("cpu")
        if cuda:
            # Slurm may let each task see its own GPU alone, as the first one.
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]) if gpus() > 1 else 0)
            torch.cuda.set_device(device)
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=STALLED)
        try:
            parallel_state = _megatron()
            parallel_state.initialize_model_parallel(tensor)
            try:
                yield Ranks(
                    dist.get_rank(),
                    count,
                    parallel_state.get_tensor_model_parallel_rank(),
                    tensor,
                    parallel_state.get_data_parallel_rank(),
                    parallel_state.get_data_parallel_world_size(),
                    device,
                    parallel_state.get_tensor_model_parallel_group(),
                    parallel_state.get_data_parallel_group(),
                    dist.new_group(backend="gloo", timeout=STALLED),
                )
            finally:
                parallel_state.destroy_model_parallel()
        finally:
            dist.destroy_process_group()


LAUNCHED = "SOCORPUS_LAUNCHED"
"""Set in the environment of ranks that `socorpus train` has started."""


def end_with_launcher() -> None:
    """Let this rank be told to stop (SIGTERM: it saves, and ends) when the process that started it is gone (Linux)."""
    if LAUNCHED in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


_PR_SET_PDEATHSIG = 1


def _launched() -> dict[str, str]:
    """The environment with what torchrun sets, made of Slurm's variables where this is one task of several in a step.

    srun deals ranks in the nodes' order, so the first of them is rank 0's. Every rank must find the same port by
    itself: one for each step, below those that Linux gives away.
    """
    given = dict(os.environ)
    if "RANK" in given or int(given.get("SLURM_STEP_NUM_TASKS", "1")) == 1:
        return given
    step = int(given["SLURM_JOB_ID"]) * 61 + int(given["SLURM_STEP_ID"])
    made = {
        "RANK": given["SLURM_PROCID"],
        "WORLD_SIZE": given["SLURM_STEP_NUM_TASKS"],
        "LOCAL_RANK": given["SLURM_LOCALID"],
        "MASTER_ADDR": first_host(given["SLURM_STEP_NODELIST"]),
        "MASTER_PORT": str(20000 + step % 12000),
    }
    return made | given


def first_host(nodes: str) -> str:
    """The first of a list as Slurm writes it: `gpu[03-05,9],login` is gpu03 and so on."""
    return re.sub(r"\[(\d+)[^]]*]", r"\1", nodes).partition(",")[0]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _megatron() -> Any:
    """megatron-core's groups; its modules warn, when they are first imported, of kernels that are not wanted here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from megatron.core import parallel_state
        from megatron.core.models.bert import bert_model  # noqa: F401
    logging.getLogger("megatron").setLevel(logging.ERROR)  # it tells its own authors what to migrate
    return parallel_state


@contextmanager
def _environment() -> Iterator[None]:
    """What init_process_group asks for, for the time of the block: from Slurm's variables, or of an only rank."""
    environ, before = os.environ, dict(os.environ)
    try:
        environ.update(_launched())
        environ.setdefault("RANK", "0")
        environ.setdefault("WORLD_SIZE", "1")
        environ.setdefault("LOCAL_RANK", "0")
        environ.setdefault("MASTER_ADDR", "127.0.0.1")
        if "MASTER_PORT" not in environ:
            environ["MASTER_PORT"] = str(free_port())
        yield
    finally:
        environ.clear()
        environ.update(before)
