"""The trainer on a GPU, all in one call of ten minutes: is it right, how fast, and beside whom.

    python -m benchmarks.gpu.run CORPUS -o FOLDER [--presets sobert-base,sobert-large,modern-base] [--price 3.0]

Each part is a process with a time limit of its own, and leaves FOLDER/PART.json; when one fails or takes too long, the
others go on. At the end FOLDER/figures.json has all figures, FOLDER/table.md a table of shares, and the exit code is 1
if parity, graphs or the trainer itself failed. On a machine without a GPU it does the same on the CPU (`--presets tiny
--seconds 1`), which shows that it runs, and no more.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

LIMITS = {"machine": 60, "parity": 90, "graphs": 120, "rates": 240, "trained": 150, "peers": 150}
"""Seconds that a part may take."""
MUST_HOLD = ("parity", "graphs", "trained")


def part(name: str, arguments: list[str], out: Path, limit: float) -> dict[str, Any]:
    """Run a part in a process, and return its figures, or what went wrong."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.gpu.run", *arguments, "--part", name]
    both: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    process = subprocess.Popen(command, **both)
    try:
        said, _ = process.communicate(timeout=limit)
        wrong = f"exit code {process.returncode}" if process.returncode else ""
    except subprocess.TimeoutExpired:
        _end(process)
        said, _ = process.communicate()
        wrong = f"took more than {limit:.0f} s"
    figures: dict[str, Any] = {}
    if wrong:
        figures = {"error": f"{wrong}: {' '.join(said.split())[-600:]}"}
    else:
        figures = json.loads((out / f"{name}.json").read_text("utf-8"))
    figures["seconds"] = round(time.perf_counter() - began, 1)
    (out / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    return figures


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill a process and what it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def table(figures: dict[str, dict[str, Any]]) -> str:
    """Shares, memory and prices as a Markdown table, each preset beside its peers."""
    from benchmarks.gpu import parts

    machine = figures.get("machine", {})
    rate = machine.get("matmul_tflops", 0.0)
    head = ("preset", "how", "tokens/s", "of measured rate", "of data sheet", "GB", "micro-batch", "$ for 27 billion")
    lines = [f"{machine.get('name')}, torch {machine.get('torch')}: {rate:,.1f} TFLOP/s in a large matrix product", ""]
    lines += [_row(*head, "wanted"), _row(*["---"] * (len(head) + 1))]
    for preset, rows in figures.get("rates", {}).items():
        if not isinstance(rows, dict):
            continue
        ours = {how: rows[how] for how in ("compiled", "eager") if how in rows}
        wanted = f"{parts.SHARES[preset]:.0%}, ${parts.DOLLARS[preset]:.0f}" if preset in parts.SHARES else ""
        for how, row in ours.items():
            sheet = row["share_of_data_sheet"]
            shares = f"{row['share_of_peak']:.1%}", "–" if sheet is None else f"{sheet:.1%}"
            memory, micro, price = f"{row['peak_gigabytes']:.1f}", f"{row['micro_tokens']:,}", row["dollars_for_27b"]
            price = "–" if price is None else f"{price:,.2f}"
            kind = f"{how}, {rows.get('flash_attention', 'no FlashAttention')}"
            lines.append(_row(preset, kind, f"{row['tokens_per_second']:,.0f}", *shares, memory, micro, price, wanted))
        best = max((row["tokens_per_second"] for row in ours.values()), default=0.0)
        for name, row in figures.get("peers", {}).get(preset, {}).items():
            speed = row.get("tokens_per_second")
            said = f"{speed:,.0f} (ours: {best / speed:.1f} times)" if speed else f"– {row['error'][:60]}"
            memory = f"{row['peak_gigabytes']:.1f}" if speed else ""
            lines.append(_row(preset, name, said, "", "", memory, "", "", ""))
    lines += [
        "",
        *(f"- {name}: {found.get('error', 'done')} ({found['seconds']} s)" for name, found in figures.items()),
    ]
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--presets", default="sobert-base,sobert-large,modern-base")
    parser.add_argument("--price", type=float, default=3.0)
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds that each figure is timed for")
    parser.add_argument("--overrides", type=json.loads, default={}, help="keys over the presets, as JSON")
    parser.add_argument("--parts", default="", help="only these, separated by commas")
    parser.add_argument(
        "--limit", type=float, default=1.0, help="factor on the parts' time limits, which are made for a GPU"
    )
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.part:
        from benchmarks.gpu import parts

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asked = parts.Given(
                given.corpus, tuple(given.presets.split(",")), given.price, given.seconds, given.overrides
            )
            found = parts.run(given.part, asked)
        (given.out / f"{given.part}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        return
    from benchmarks.gpu import parts

    figures: dict[str, dict[str, Any]] = {}
    for name in parts.names(given.parts.split(",") if given.parts else []):
        figures[name] = part(name, sys.argv[1:], given.out, LIMITS[name] * given.limit)
        print(f"{name}: {json.dumps(figures[name])[:700]}", flush=True)
        (given.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
        (given.out / "table.md").write_text(table(figures), "utf-8")
    print(table(figures), flush=True)
    if any("error" in figures.get(name, {}) for name in MUST_HOLD):
        sys.exit(1)


if __name__ == "__main__":
    main()
