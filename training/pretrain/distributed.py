"""Process groups of ranks. One process is one rank on one GPU, or on the CPU.

Started by `socorpus train --gpus N`, by torchrun, or by Slurm's srun: whichever set the environment. A script that
Slurm runs has the job's variables too (SLURM_NTASKS), but is no rank: only the variables of a step, set by srun, count.
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
"""Time that a rank waits for the others before it gives up."""


@dataclass(frozen=True)
class Ranks:
    """This rank: its number and the size of the world, of the tensor group and of the data group; its device.

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
        """Whether this rank reports for all."""
        return self.rank == 0

    def agree(self, own: bool) -> bool:
        """Whether all ranks say so; all call this together, while no checkpoint is being written."""
        flag = torch.tensor(float(own))
        dist.all_reduce(flag, dist.ReduceOp.MIN, group=self.files)
        return bool(flag)


def started() -> bool:
    """Whether a launcher started this process as a rank."""
    return "RANK" in _launched()


def ours() -> bool:
    """Whether this process is a rank that `launch.ranks` started."""
    return started() and LAUNCHED in os.environ


def first() -> bool:
    """Whether this process is the first rank, or the only one."""
    return int(_launched().get("RANK") or 0) == 0


def gpus() -> int:
    """Number of GPUs of this machine."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def size() -> int:
    """The number of ranks."""
    return int(_launched().get("WORLD_SIZE") or 1)


@contextmanager
def joined(tensor: int = 1) -> Iterator[Ranks]:
    """Join the other ranks for the duration of the block; a process without a launcher is the only rank.

    Args:
        tensor: ranks that share one copy of the model; must divide the number of ranks.

    Raises:
        InputError: it does not divide it.
    """
    with _environment():
        cuda = torch.cuda.is_available()
        count = size()
        if count % tensor:
            raise InputError(f"parallel.tensor ({tensor}) must divide the number of ranks ({count})")
        device = torch.device("cpu")
        if cuda:
            # Slurm may let each task see only its own GPU, as the first one.
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]) if gpus() > 1 else 0)
            torch.cuda.set_device(device)
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=STALLED)
        try:
            parallel_state = _megatron()
            if not cuda:
                _without_advice_for_gpus()
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
    """Make the kernel send SIGTERM (this rank saves and ends) when the process that started it is gone (Linux)."""
    if LAUNCHED in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


_PR_SET_PDEATHSIG = 1


def _launched() -> dict[str, str]:
    """The environment with torchrun's variables, derived from Slurm's if the step has more than one task.

    srun deals ranks in the nodes' order, so the first node is rank 0's. Every rank must determine the same port by
    itself: one for each step, below the range of Linux's ephemeral ports.
    """
    given = dict(os.environ)
    if "RANK" in given or int(given.get("SLURM_STEP_NUM_TASKS", "1")) == 1:
        return given
    step = int(given["SLURM_JOB_ID"]) * 61 + int(given["SLURM_STEP_ID"])
    variables = {
        "RANK": given["SLURM_PROCID"],
        "WORLD_SIZE": given["SLURM_STEP_NUM_TASKS"],
        "LOCAL_RANK": given["SLURM_LOCALID"],
        "MASTER_ADDR": first_host(given["SLURM_STEP_NODELIST"]),
        "MASTER_PORT": str(20000 + step % 12000),
    }
    return variables | given


def first_host(nodes: str) -> str:
    """The first host of a Slurm node list: gpu03 for `gpu[03-05,9],login`."""
    return re.sub(r"\[(\d+)[^]]*]", r"\1", nodes).partition(",")[0]


def free_port() -> int:
    """A free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _megatron() -> Any:
    """megatron-core's groups, without its warnings at import about kernels that are not used here."""
    with warnings.catch_warnings(), _uncompiled():
        warnings.simplefilter("ignore")
        from megatron.core import parallel_state
        from megatron.core.models.bert import bert_model  # noqa: F401
    logging.getLogger("megatron").setLevel(logging.ERROR)  # its warnings are for its own authors
    return parallel_state


def _without_advice_for_gpus() -> None:
    """Keep megatron-core from telling ranks on the CPU to set CUDA_DEVICE_MAX_CONNECTIONS."""
    from megatron.core.tensor_parallel import layers

    layers.linear_with_grad_accumulation_and_async_allreduce.warned = True


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Let megatron-core be imported without torch.compile, which takes two seconds to load.

    What it decorates so are fusions that no layer here calls, or that whole layers compile again.
    """
    compiles = torch.compile
    torch.compile = lambda function: function
    try:
        yield
    finally:
        torch.compile = compiles


@contextmanager
def _environment() -> Iterator[None]:
    """Set the variables of init_process_group for the duration of the block: Slurm's, or those of a single rank."""
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
