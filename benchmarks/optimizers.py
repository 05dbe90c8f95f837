"""AdamW beside Muon at equal compute: the same model, data, steps and schedule; each at its best of a few rates.

python benchmarks/optimizers.py CORPUS [--tokens 1200000]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from socorpus.training.pretrain.log import of_kind
from socorpus.training.pretrain.run import Run

SETTINGS = """
[schedule]
tokens = {tokens}
[checkpoint]
minutes = 600.0
[validation]
steps = 50
tokens = 60000
[optimizer]
{optimizer}
"""

TRIED = (
    *(f'name = "adamw"\nlr = {rate}' for rate in (3e-3, 6e-3, 1e-2)),
    *(f'name = "muon"\nlr = 3e-3\nmuon_lr = {rate}' for rate in (1e-2, 2e-2)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--tokens", type=int, default=1_200_000)
    given = parser.parse_args()
    for optimizer in TRIED:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.toml"
            path.write_text(SETTINGS.format(tokens=given.tokens, optimizer=optimizer), "utf-8")
            command = [sys.executable, "-m", "socorpus.cli.main", "train", str(given.corpus), "-o", f"{folder}/run"]
            subprocess.run([*command, "--config", str(path)], check=True, capture_output=True)
            run = Run(Path(folder) / "run")
            facts = run.facts() or {}
            held = of_kind(run.log, "validation")[-1]
            figures = f"loss {held['loss']:.3f}  prose {held['loss_prose']:.3f}  code {held['loss_code']:.3f}"
            print(optimizer.replace("\n", "  "), f"{facts['gpu_hours'] * 3600:.0f} s ", figures, flush=True)


if __name__ == "__main__":
    main()
