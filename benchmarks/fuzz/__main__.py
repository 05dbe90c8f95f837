"""Fuzzing: properties of the parts that read what others wrote, on inputs without end.

    python -m benchmarks.fuzz --seconds 20                      every target, 20 s each
    python -m benchmarks.fuzz --target html --seconds 3600 --seed 7
    python -m benchmarks.fuzz --again fuzz/html/0123.input      one kept input again, with its traceback

Half of a target's time goes to random inputs (input N of a seed is always the same), half to atheris, which looks for
inputs that reach new code (`--engine random` or `coverage` for one of them). Each kind of failure is kept once, as
small as it could be made, in `--out`/TARGET: the input, and the traceback beside it. Exit code 1: something was found.
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.fuzz import engine

TARGETS = (
    *("archives", "rows", "html", "comments", "privacy", "near", "tokenizer", "config", "conll", "plugins"),
    "serve",
)
INTERPRETED = ("html", "comments")
"""Targets whose kernels run as Python under coverage: they are slower then, but every way through them is seen."""
MARGIN = 120
"""Seconds beyond its time that a target may take, to compile its kernels and to make findings smaller."""


def load(name: str) -> engine.Target:
    """A target by name."""
    target: engine.Target = importlib.import_module(f"benchmarks.fuzz.targets.{name}").TARGET
    return target


def child(name: str, how: str, seconds: float, seed: int, out: Path) -> None:
    """Fuzz one target in this process, and print a line of JSON."""
    if how == "coverage":
        with engine.instrumented(name in INTERPRETED):
            target = load(name)
    else:
        target = load(name)
    findings = engine.Findings(out / name, target.check)
    started = time.monotonic()

    def finished(result: engine.Findings) -> None:
        took = time.monotonic() - started
        print(json.dumps({"inputs": result.inputs, "seconds": took, "failures": result.failures}))

    if how == "coverage":
        engine.by_coverage(target, findings, seconds, seed, finished)
    else:
        engine.randomly(target, findings, seconds, seed)
        finished(findings)


def run(name: str, how: str, seconds: float, seed: int, out: Path) -> dict[str, Any]:
    """Fuzz one target in a process of its own, which may crash."""
    command = [sys.executable, "-m", "benchmarks.fuzz", "--child", how, "--target", name]
    command += ["--seconds", str(seconds), "--seed", str(seed), "--out", str(out)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds + MARGIN + 600)
    except subprocess.TimeoutExpired:
        return {"inputs": 0, "seconds": seconds, "failures": {"the process never ended": "?"}}
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"inputs"')]
    if done.returncode or not lines:
        print(done.stdout[-2000:], done.stderr[-4000:], file=sys.stderr)
        return {"inputs": 0, "seconds": seconds, "failures": {f"the process ended with {done.returncode}": "?"}}
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def again(path: Path) -> None:
    """Run one kept input; its folder is the target's name."""
    load(path.resolve().parent.name).check(path.read_bytes())
    print(f"{path}: nothing fails")


def main() -> int:
    """Fuzz, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", choices=TARGETS, help="may be given several times; default: all")
    parser.add_argument("--seconds", type=float, default=20, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("both", "random", "coverage"), default="both")
    parser.add_argument("--out", type=Path, default=Path("fuzz"), help="folder of failing inputs")
    parser.add_argument("--again", type=Path, metavar="INPUT")
    parser.add_argument("--child", choices=("random", "coverage"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.again is not None:
        again(given.again)
        return 0
    names = given.target or TARGETS
    if given.child is not None:
        child(names[0], given.child, given.seconds, given.seed, given.out)
        return 0
    engines = ("random", "coverage") if given.engine == "both" else (given.engine,)
    if "coverage" in engines and find_spec("atheris") is None:
        print("atheris is not installed (pip install atheris): random inputs only")
        engines = ("random",)
    total = failures = 0
    print(f"{'target':10} {'engine':9} {'inputs':>10} {'a second':>9} {'kinds of failure':>17}")
    for name in names:
        for how in engines:
            result = run(name, how, given.seconds / len(engines), given.seed, given.out)
            rate = result["inputs"] / max(result["seconds"], 0.001)
            print(f"{name:10} {how:9} {result['inputs']:10,} {rate:9,.0f} {len(result['failures']):17}", flush=True)
            for kind, place in result["failures"].items():
                print(f"    {kind}: {given.out / name / place}.input", flush=True)
            total += result["inputs"]
            failures += len(result["failures"])
    print(f"{total:,} inputs, {failures} kinds of failure (seed {given.seed})")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
