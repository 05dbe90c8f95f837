"""Training in processes of their own, as a user starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests import fork_server

STEPS = 8
"""Steps of a run, unless another number is asked for."""

SETTINGS = """
[model]
layers = 3
hidden = 64
heads = 4
ffn = 96
max_length = 128
window = 16
[batch]
tokens = {batch}
micro_tokens = {micro}
[schedule]
tokens = {tokens}
[checkpoint]
{checkpoint}
[validation]
steps = {validation}
tokens = 6000
{more}
"""


def configure(
    folder: Path,
    steps: int = STEPS,
    checkpoint: str = "steps = 3",
    validation: int = 4,
    more: str = "",
    batch: int = 2048,
) -> Path:
    """A configuration of a very small model, `batch` tokens a step; `more` is added to the file."""
    path = folder / "train.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = {"batch": batch, "micro": batch // 4, "tokens": batch * steps}
    text = SETTINGS.format(**sizes, checkpoint=checkpoint, validation=validation, more=more)
    path.write_text(text, "utf-8")
    return path


def environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("RANK", "WORLD", "LOCAL_", "MASTER"))
    }
    return {**kept, "OMP_NUM_THREADS": "1"}


def train(
    corpus: Path, out: Path, config: Path, *more: object, code: int = 0, preset: str = "tiny"
) -> subprocess.CompletedProcess[str]:
    """`socorpus train`; its exit code must be `code`, and no traceback may be seen."""
    arguments = ("train", corpus, "-o", out, "--config", config, "--preset", preset, *more)
    done = fork_server.run(arguments, environment(), timeout=300)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


Launcher = Callable[[int, Path, Path, Path], None]
"""Trains with so many ranks (corpus, run, configuration), and sees that all have ended well."""


def by_socorpus(ranks: int, corpus: Path, out: Path, config: Path) -> None:
    """Our own launcher."""
    train(corpus, out, config, "--gpus", ranks)


def by_torchrun(ranks: int, corpus: Path, out: Path, config: Path) -> None:
    """torchrun on so many machines of one rank each, all of them this one."""
    from socorpus.training.pretrain.distributed import free_port

    meet = f"--rdzv-endpoint=127.0.0.1:{free_port()}"
    agent = ["-m", "torch.distributed.run", f"--nnodes={ranks}", "--rdzv-backend=c10d", meet, "-m"]
    program = ["socorpus.cli.main", *map(str, ("train", corpus, "-o", out, "--config", config))]
    quiet: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    _wait([subprocess.Popen([sys.executable, *agent, *program], env=environment(), **quiet) for _ in range(ranks)])


def by_slurm(ranks: int, corpus: Path, out: Path, config: Path) -> None:
    """Tasks of a step of Slurm's, by their environment."""
    program = ("train", corpus, "-o", out, "--config", config)
    _wait([fork_server.start(program, environment() | slurm_task(rank, ranks)) for rank in range(ranks)])


def slurm_task(rank: int, ranks: int) -> dict[str, str]:
    """What srun sets in the environment of a task (looked at under Slurm 22.05)."""
    return {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_TASKS": str(ranks),
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
    }


def _wait(started: Sequence[fork_server.Process | subprocess.Popen[str]]) -> None:
    said = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0] * len(started), "\n".join(said)
    assert not any(sign in text for text in said for sign in ("Traceback", "Warning")), "\n".join(said)


def start(corpus: Path, out: Path, config: Path, *more: object) -> fork_server.Process:
    """The same in the background, to be stopped or killed; what it says on stderr can be read."""
    return fork_server.start(("train", corpus, "-o", out, "--config", config, *more), environment())


def kill(process: fork_server.Process) -> None:
    """Kill a run with -9, and wait until the ranks that it started, if any, have ended too."""
    process.kill()
    process.communicate(timeout=120)


def log(out: Path, kind: str = "train") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    return [line for line in lines if line["kind"] == kind]


def losses(out: Path) -> list[float]:
    """The loss of every step, from the first on."""
    found = log(out)
    assert [line["step"] for line in found] == list(range(1, len(found) + 1))
    return [line["loss"] for line in found]
