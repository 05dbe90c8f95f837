"""Body to text and spans, beside BeautifulSoup's text alone and beside lxml's parser feeding the same spans.

python benchmarks/markup.py [--data PATH]
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from bs4 import BeautifulSoup
from lxml import etree

from socorpus.corpus.documents import html

TARGET = 10
"""Times as fast as BeautifulSoup's get_text()."""
ROUNDS = 7


def bodies(folder: Path, most: int) -> list[str]:
    """Bodies of all posts below a folder, spread evenly."""
    found = []
    for file in sorted(folder.rglob("*.[xX][mM][lL]")):
        if file.stem.lower() in ("posts", "postswithdeleted"):
            for _, row in etree.iterparse(file, recover=True, huge_tree=True):
                if row.get("Body"):
                    found.append(row.attrib["Body"])
                row.clear()
    return found[:: max(1, len(found) // most)]


def seconds(work: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> float:
    """Seconds of processor time for all texts."""
    started = time.process_time()
    work(texts)
    return time.process_time() - started


def each(work: Callable[[str], Any]) -> Callable[[Sequence[str]], Any]:
    """A reader of one body at a time, as a reader of all."""
    return lambda texts: [work(text) for text in texts]


def main() -> None:
    """Times the readers in turn and prints medians, ratios and the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    texts = bodies(parser.parse_args().data / "dumps", 2000)
    if not texts:
        raise SystemExit("no posts below --data: it needs a folder dumps/ with Posts.xml files")
    readers: dict[str, Callable[[Sequence[str]], Any]] = {
        "BeautifulSoup(body, 'lxml').get_text()": each(lambda body: BeautifulSoup(body, "lxml").get_text()),
        "html.careful, by lxml": each(html.careful),
        "html.html, one body at a time": each(html.html),
        "html.posts, as a build does": lambda texts: html.posts(pa.chunked_array([texts])),
    }
    html.html("compiled")
    taken: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(ROUNDS):
        for name, work in readers.items():
            taken[name].append(seconds(work, texts))
    medians = {name: statistics.median(found) for name, found in taken.items()}
    slowest = max(medians.values())
    print(f"{len(texts)} bodies, {sum(map(len, texts)) / len(texts):.0f} characters each; median of {ROUNDS} rounds")
    for name, found in medians.items():
        print(f"{name:40} {found / len(texts) * 1e6:8.1f} us  {slowest / found:5.1f} x")
    print(f"target: html.posts at least {TARGET} x")


if __name__ == "__main__":
    main()
