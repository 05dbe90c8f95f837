"""Starting several ranks on this machine with torchrun's elastic agent.

Each rank is this same command in a process of its own. A rank that fails ends the others; its message is on the screen
already, so only its exit code is returned.
"""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from socorpus.corpus.errors import BuildError
from socorpus.corpus.storage.boundary import Stopped
from socorpus.training.errors import RankError
from socorpus.training.pretrain import checkpoint, distributed
from socorpus.training.pretrain.run import Run


def ranks(count: int, arguments: Sequence[str], out: Path) -> None:
    """Run `socorpus` with these arguments as `count` ranks of this machine.

    Raises:
        RankError: a rank failed, or was stopped.
        BuildError: a rank was killed.
        Stopped: a signal ended this process and with it the ranks, each of which has saved its step.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # The cores are divided among the ranks, unless the user sets the number of threads.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // count)))
    os.environ[distributed.LAUNCHED] = "1"
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.5,
        local_addr="127.0.0.1",
    )
    before = signal.signal(signal.SIGUSR1, lambda *_: _to_children(signal.SIGUSR1))
    try:
        # -P: nothing is imported from the current folder, which may be a stranger's.
        elastic_launch(config, sys.executable)("-P", "-m", "socorpus.cli", *arguments)
    except SignalException as stop:
        raise Stopped(int(stop.sigval)) from None
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            advice = checkpoint.go_on(Run(out).checkpoints)
            raise BuildError(f"rank {rank} was killed by signal {-failure.exitcode}; {advice}") from None
        raise RankError(rank, int(failure.exitcode)) from None
    finally:
        signal.signal(signal.SIGUSR1, before)


def _to_children(number: int) -> None:
    """Send a signal to the ranks that this process started and that hear it; torch has other children."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if "socorpus.cli" in child.cmdline() and _hears(child.pid, number):
                child.send_signal(number)


def _hears(process: int, number: int) -> bool:
    """Whether a signal does something else to a process than end it: one that just starts has no handler yet."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii", "replace").splitlines()
    except OSError:  # no Linux
        return True
    masks = (int(line.split()[1], 16) for line in lines if line.startswith(("SigCgt:", "SigIgn:")))
    return any(mask >> (number - 1) & 1 for mask in masks)
