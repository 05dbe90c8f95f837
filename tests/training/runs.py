"""Training in processes of their own, as a user starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SETTINGS = """
[model]
layers = 3
hidden = 64
heads = 4
ffn = 96
max_length = 128
window = 16
[batch]
tokens = 4096
micro_tokens = 1024
[schedule]
tokens = {tokens}
[checkpoint]
{checkpoint}
[validation]
steps = {validation}
tokens = 20000
{more}
"""


def configure(folder: Path, steps: int = 8, checkpoint: str = "steps = 3", validation: int = 4, more: str = "") -> Path:
    """A configuration of a very small model; `more` is added to the file."""
    path = folder / "train.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = SETTINGS.format(tokens=4096 * steps, checkpoint=checkpoint, validation=validation, more=more)
    path.write_text(text, "utf-8")
    return path


def environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("RANK", "WORLD", "LOCAL_", "MASTER"))
    }
    return {**kept, "OMP_NUM_THREADS": "1"}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "socorpus.cli.main", *map(str, arguments)]


def train(
    corpus: Path, out: Path, config: Path, *more: object, code: int = 0, preset: str = "tiny"
) -> subprocess.CompletedProcess[str]:
    """`socorpus train`; its exit code must be `code`, and no traceback may be seen."""
    arguments = ("train", corpus, "-o", out, "--config", config, "--preset", preset, *more)
    done = subprocess.run(command(*arguments), capture_output=True, text=True, env=environment(), timeout=300)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


def start(corpus: Path, out: Path, config: Path, *more: object) -> subprocess.Popen[str]:
    """The same in the background, to be stopped or killed; what it says on stderr can be read."""
    arguments = command("train", corpus, "-o", out, "--config", config, *more)
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), text=True)


def kill(process: subprocess.Popen[str]) -> None:
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
