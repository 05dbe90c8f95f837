"""How fast posts are encoded, beside the tokenizers library itself; and how well a vocabulary is filled.

python benchmarks/tokens.py [--data PATH] [--rounds N]    encoding, on one thread and on all cores
python benchmarks/tokens.py --fill                        share of the entries that occur 20 times or more, by size
"""

import argparse
import html
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from lxml import etree

from socorpus.corpus.schema import SPECIAL_TOKENS
from socorpus.corpus.tokenizer import bpe

TARGET = 0.8
DATA = Path(__file__).resolve().parent.parent.parent / "shared"


def posts(data: Path) -> list[str]:
    """Bodies of posts without their markup, and comments, of all dumps."""
    found = []
    for path in sorted((data / "dumps").rglob("*.xml")):
        if path.name.lower() in ("posts.xml", "postswithdeleted.xml", "comments.xml"):
            for _, row in etree.iterparse(str(path), tag="row", recover=True, huge_tree=True):
                attributes = {name.lower(): value for name, value in row.attrib.items()}
                text = attributes.get("body") or attributes.get("text") or ""
                found.append(html.unescape(re.sub("<[^>]*>", "", text)))
                row.clear()
    return found


def shuffled(texts: list[str]) -> list[str]:
    return [texts[i] for i in np.random.default_rng(1).permutation(len(texts))]


def seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def speed(data: Path, rounds: int, threads: int) -> None:
    """One table, in this process, whose library uses RAYON_NUM_THREADS threads."""
    texts = shuffled(posts(data))
    column = pa.array(texts)
    size = sum(len(text.encode()) for text in texts)
    tokenizer = bpe.train(texts[::4], bpe.size_for(size))
    ways: dict[str, Callable[[], object]] = {
        "encode_batch": lambda: tokenizer.encode_batch(texts, add_special_tokens=False),
        "encode_batch_fast": lambda: tokenizer.encode_batch_fast(texts, add_special_tokens=False),
        "socorpus": lambda: bpe.encode(tokenizer, column, threads),
    }
    bpe.encode(tokenizer, column[:10], threads)  # compiles
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(seconds(way))
    median = {name: statistics.median(values) for name, values in taken.items()}
    print(
        f"threads {threads}: {len(texts):,} posts and comments, {size / 1e6:.1f} MB, medians of {rounds}, alternating"
    )
    for name, value in median.items():
        print(f"  {name:<18} {value:6.2f} s  {size / value / 1e6:6.1f} MB/s")
    for name in ("encode_batch", "encode_batch_fast"):
        print(f"  rate of socorpus / {name:<18} {median[name] / median['socorpus']:5.2f}  (target {TARGET})")


def fill(data: Path) -> None:
    texts = shuffled(posts(data))
    ends = np.cumsum([len(text.encode()) for text in texts])
    print("MB      entries  of which occur 20 times or more (the rule's number is marked)")
    for megabytes in (0.5, 1, 2, 4, 8):
        if megabytes * 1e6 > ends[-1]:
            break
        some = texts[: int(np.searchsorted(ends, megabytes * 1e6))]
        rule = bpe.size_for(int(megabytes * 1e6))
        for entries in (rule // 2, rule, rule * 2, rule * 4):
            tokenizer = bpe.train(some, entries)
            counts = np.bincount(bpe.encode(tokenizer, pa.array(some)).values.to_numpy(), minlength=entries)
            learned = counts[len(SPECIAL_TOKENS) + 256 :]
            print(f"{megabytes:4}  {entries:9,}  {(learned >= 20).mean():7.1%} {'*' if entries == rule else ''}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SOCORPUS_REAL_DATA", DATA)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--threads", type=int, help="only this many, in this process")
    given = parser.parse_args()
    if given.fill:
        fill(given.data)
    elif given.threads:
        speed(given.data, given.rounds, given.threads)
    else:
        # The library reads its number of threads once in a process.
        for threads in sorted({1, os.cpu_count() or 1}):
            command = [sys.executable, __file__, "--data", str(given.data), "--rounds", str(given.rounds)]
            environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true"}
            subprocess.run([*command, "--threads", str(threads)], check=True, env=environment)


if __name__ == "__main__":
    main()
