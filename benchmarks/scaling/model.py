"""The cost of a build of any size, from one run at its counts and one run of some gigabytes.

    python -m benchmarks.scaling.model --counts FILE --base FILE [--check FILE] [--gb 350] [--cores 16] [--svg FILE]

The files hold what `measure.py` prints. Of each stage the core-seconds are taken to be

    fixed x units  +  slice x slices  +  rate x bytes of XML

Units are items or what they are made of; slices are what is passed from all runs of buckets to all destinations.
`fixed` and `slice` come from the run that has as many parts and buckets as all of Stack Overflow, but few rows; `rate`
from the other one, less those. How many of each a size has follows from the configuration's defaults. With
`--check` the model is held against a larger run that it knows nothing of, by its stages. Assumed: the mix of
posts, comments and history of the base; stages as fast on a large machine's cores as here, with as many workers as
cores; a disk that is not the limit (the bytes that are read and written are given, to be held against it).
"""

import argparse
import json
import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

Run = Mapping[str, Mapping[str, Any]]

MB = 1 << 20
_ONCE = {"map", "authors", "twins", "elect", "split", "tokenizer", "label_splits", "report", "configuration"}
_ONCE |= {"signal_inputs", "label_merge", "label_fit", "label_stratify", "label_analysis"}
"""Stages of one item a site or a task: what they do in turn is on the way of everything else."""
_DOCUMENTS_PER_BYTE = 484_622 / 2.001e9
_KEPT_PER_BYTE = 0.25


def layout(xml: float, part: float = 32 * MB, bucket: float = 64 * MB) -> dict[str, float]:
    """Numbers of parts, buckets, runs … of a site of `xml` bytes."""
    parts = max(1, math.ceil(xml / part))
    buckets = min(1 << 15, 1 << (max(1, math.ceil(xml / bucket)) - 1).bit_length())
    return _counts(xml, parts, buckets)


def _counts(xml: float, parts: int, buckets: int) -> dict[str, float]:
    runs = min(buckets, 1024)
    pieces = math.ceil(parts / math.ceil(parts / 2048))
    groups = 1 << max(0, int(xml * _DOCUMENTS_PER_BYTE) // 200_000).bit_length()
    stretches = 8 * max(3, math.ceil(1.5 * xml * _KEPT_PER_BYTE / 256e6))
    return {
        "parts": parts,
        "buckets": buckets,
        "runs": runs,
        "pieces x runs": pieces * runs,
        "runs x groups": 3 * runs * groups,
        "runs x stretches": runs * stretches,
    }


_UNITS = {"read": "parts", "partition": "pieces x runs", "threads": "pieces x runs", "shards": "runs"}
"""What the fixed cost of a stage is counted by; the number of buckets, if it is not here."""
_WRITTEN = {"fingerprints": "runs x groups", "prepare": "runs x stretches"}
_READ = {"candidates": "runs x groups", "shards": "runs x stretches"}
"""Slices that stages write and read beside, of which a run with few rows has next to none."""
_CONSTANT = {"tokenizer", "label_fit"}
"""Stages of a sample, or of patterns, that do not grow from some gigabytes on."""


def fixed(counts: Run) -> tuple[dict[str, float], float, float]:
    """Core-seconds of one unit of each stage, of a slice written and of one read, from a run of few rows."""
    whole = counts["all"]
    units = _counts(whole["xml"], whole["parts"], whole["buckets"])
    each = {
        name: entry["core_seconds"] / units[_UNITS.get(name, "buckets")]
        for name, entry in counts.items()
        if name != "all"
    }
    return each, each["partition"], each["threads"]


def predict(counts: Run, base: Run, xml: float) -> dict[str, float]:
    """Core-seconds of each stage at `xml` bytes."""
    unit, written, read = fixed(counts)
    had, has = layout(base["all"]["xml"]), layout(xml)
    stages = {}
    for name, entry in base.items():
        if name in ("all", *_CONSTANT):
            stages |= {name: entry["core_seconds"]} if name in _CONSTANT else {}
            continue
        by, each = _UNITS.get(name, "buckets"), unit.get(name, 0.0)

        def without_rows(of: Mapping[str, float], name: str = name, by: str = by, each: float = each) -> float:
            slices = written * of[_WRITTEN[name]] if name in _WRITTEN else 0.0
            slices += read * of[_READ[name]] if name in _READ else 0.0
            return each * of[by] + slices

        rate = max(0.0, entry["core_seconds"] - without_rows(had)) / base["all"]["xml"]
        stages[name] = without_rows(has) + rate * xml
    return stages


def load(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of a run, by stage."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.startswith("{")]
    return {line.pop("stage"): line for line in lines}


def bars(title: str, counts: dict[str, int]) -> str:
    """Horizontal bars as a file of their own: those of the report are parts of its page."""
    pitch, left, width, letter = 20.5, 130.0, 355.0, 6.2
    top = max(counts.values(), default=0) or 1
    room = width - left - letter * max((len(f"{count:,}") for count in counts.values()), default=0) - 8
    parts = []
    for number, (name, count) in enumerate(counts.items()):
        middle, length = pitch * (number + 0.5) + 5, room * count / top
        parts += [
            f'<text x="{left - 6:.1f}" y="{middle + 4:.1f}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left:.1f}" y="{middle - 7:.1f}" width="{length:.1f}" height="14" fill="#2f6690"/>',
            f'<text x="{left + length + 5:.1f}" y="{middle + 4:.1f}">{count:,}</text>',
        ]
    height = pitch * len(counts) + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="11.3" fill="#22303c">\n'
        + "\n".join(parts)
        + "\n</svg>"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--check", type=Path)
    parser.add_argument("--gb", type=float, default=350)
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--svg", type=Path, help="draw the stages' shares into this file")
    given = parser.parse_args()
    counts, base = load(given.counts), load(given.base)
    check = load(given.check) if given.check else None
    xml = check["all"]["xml"] if check else given.gb * 1e9
    stages = predict(counts, base, xml)
    if check:
        stages = {name: seconds for name, seconds in stages.items() if name in check}
    print(f"{'stage':16} {'core-seconds':>13}" + (f" {'measured':>10}" if check else ""))
    for name, seconds in sorted(stages.items(), key=lambda item: -item[1]):
        print(
            f"{name:16} {seconds:13,.1f}" + (f" {check.get(name, {}).get('core_seconds', 0):10,.1f}" if check else "")
        )
    total, once = sum(stages.values()), sum(seconds for name, seconds in stages.items() if name in _ONCE)
    print(f"{'all':16} {total:13,.1f}" + (f" {check['all']['core_seconds']:10,.1f}" if check else ""))
    hours = ((total - once) / given.cores + once) / 3600
    print(f"{xml / 1e9:,.0f} GB: {total / 3600:,.1f} core-hours; {hours:,.2f} hours on {given.cores} cores, of which")
    print(f"{once / 60:,.1f} minutes in turn")
    if given.svg:
        largest = sorted(stages.items(), key=lambda item: -item[1])[:20]
        title = f"core-seconds by stage, {xml / 1e9:,.0f} GB of XML"
        given.svg.write_text(bars(title, {name: round(seconds) for name, seconds in largest}), "utf-8")


if __name__ == "__main__":
    main()
