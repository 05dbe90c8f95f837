"""From dumps to the table of "Skill over Scale": build, label, pre-train, fine-tune, compare; one command, resumable.

On a CPU the encoder is `tiny`, at most 1,000 examples are learned from, and it takes less than an hour on two cores;
with --gpu it is `sobert-base` and `modern-base` at their full 27 billion tokens, beside the paper's systems. Each step
is the command that a user would give: it is shown as it runs, and goes on where it was when this is run again.

    python benchmarks/skill_over_scale.py --out DIR [--data DUMPS] [--encoder FOLDER …] [--gpu [--download]]

Figures are written to DIR/corpus-labels/comparison.html (the corpus's labels), DIR/benchmarks/comparison.html (the
public sets), and as .csv beside them.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

SHARED = Path(os.environ.get("SOCORPUS_REAL_DATA", Path(__file__).resolve().parents[2] / "shared"))
BUILD = "[split]\nvalidation = 0.1\ntest = 0.2\n[labels]\nvalidation = 0.1\ntest = 0.2\n"
"""More is held out than by default: small sites have few labelled questions."""
TINY = "[schedule]\ntokens = 6000000\n"


def socorpus(*arguments: object) -> None:
    """Run a command, and say which and how long it took."""
    command = [str(one) for one in arguments]
    print("$ socorpus", shlex.join(command), flush=True)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "socorpus.cli.main", *command], check=True)
    print(f"  ({time.perf_counter() - started:.0f} s)\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="+", default=[SHARED / "archives", SHARED / "dumps"])
    parser.add_argument("--benchmarks", type=Path, default=SHARED / "benchmarks")
    parser.add_argument("--encoder", type=Path, nargs="*", default=[], help="folders of other pre-trained encoders")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--download", action="store_true", help="with --gpu: fetch the paper's systems from the hub")
    given = parser.parse_args()
    corpus, presets = given.out / "corpus", ["sobert-base", "modern-base"] if given.gpu else ["tiny"]
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "build.toml").write_text(BUILD, "utf-8")
    (given.out / "tiny.toml").write_text(TINY, "utf-8")
    socorpus("build", *given.data, "-o", corpus, "--config", given.out / "build.toml")
    for preset in presets:
        more = [] if given.gpu else ["--config", given.out / "tiny.toml"]
        socorpus("train", corpus, "--preset", preset, *more)
    systems = ["paper" if given.gpu else "audits"]
    for preset in presets:
        systems += [f"{preset}={corpus / 'runs' / preset}", f"{preset}-scratch=scratch:{corpus / 'runs' / preset}"]
    others = [f"{one.name}={one}" for one in given.encoder]
    others += [f"{one.name}-scratch=scratch:{one}" for one in given.encoder]
    common = ["--seeds", given.seeds, "--epochs", given.epochs]
    # What two cores finish in an hour.
    common += [] if given.gpu else ["--length", 512, "--most", 1000]
    common += ["--download"] if given.download else []
    files = {"entities": "ner", "quality": "quality/so-60k-subset.csv"}
    there = {name: given.benchmarks / path for name, path in files.items() if (given.benchmarks / path).exists()}
    compare(["--task", "quality", "--task", "closure"], systems, common, given.out / "corpus-labels", corpus)
    if there:
        on = [part for name, path in there.items() for part in ("--on", f"{name}={path}")]
        compare(on, [*systems, *others], common, given.out / "benchmarks")


def compare(tasks: list[str], systems: list[str], common: list[object], out: Path, *corpus: Path) -> None:
    """One table."""
    chosen = [part for one in systems for part in ("--system", one)]
    socorpus("evaluate", *corpus, *tasks, *chosen, *common, "-o", out)


if __name__ == "__main__":
    main()
