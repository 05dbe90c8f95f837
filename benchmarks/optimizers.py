"""AdamW beside Muon at equal compute: the same model, data, steps and schedule; each at its best of a few rates.

python benchmarks/optimizers.py CORPUS [--steps 150]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from socorpus.training.layout import Run

SHAPE = """
[model]
layers = 4
hidden = 128
heads = 4
ffn = 192
max_length = 256
[batch]
tokens = 8192
micro_tokens = 8192
[checkpoint]
minutes = 600.0
[validation]
steps = {steps}
tokens = 100000
[schedule]
tokens = {tokens}
[optimizer]
{optimizer}
"""

TRIED = (
    *(f'name = "adamw"\nlr = {rate}' for rate in (1e-3, 3e-3, 6e-3, 1e-2)),
    *(f'name = "muon"\nlr = 3e-3\nmuon_lr = {rate}' for rate in (3e-3, 1e-2, 2e-2)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--steps", type=int, default=150)
    given = parser.parse_args()
    for optimizer in TRIED:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.toml"
            path.write_text(SHAPE.format(steps=given.steps, tokens=8192 * given.steps, optimizer=optimizer), "utf-8")
            command = [sys.executable, "-m", "socorpus.cli.main", "train", str(given.corpus), "-o", f"{folder}/run"]
            subprocess.run([*command, "--config", str(path)], check=True, capture_output=True)
            facts = Run(Path(folder) / "run").facts() or {}
            held = [
                line
                for line in (Path(folder) / "run/log.jsonl").read_text("utf-8").splitlines()
                if "loss_prose" in line
            ]
            print(optimizer.replace("\n", "  "), f"{facts['gpu_hours'] * 3600:.0f} s", held[-1], flush=True)


if __name__ == "__main__":
    main()
