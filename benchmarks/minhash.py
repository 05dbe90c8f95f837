"""Own text of real posts -> 128-permutation signatures of 5-word shingles, one core, against datasketch.

python benchmarks/minhash.py [--data PATH] [--posts N] [--rounds N]
"""

import argparse
import re
import statistics
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from datasketch import MinHash
from lxml import etree

from socorpus.corpus.dedup import lsh, minhash
from socorpus.corpus.schema import SEGMENT

TARGET = 60


def posts(data: Path) -> list[str]:
    """Tag-stripped bodies of all sites below `data`, in an order that mixes them."""
    texts = []
    for path in sorted((data / "dumps").rglob("*")):
        if path.name.lower() in ("posts.xml", "postswithdeleted.xml"):
            rows = etree.iterparse(str(path), tag="row", recover=True)
            texts += [re.sub(r"<[^>]+>", "", row.get("Body")) for _, row in rows if row.get("Body")]
    order = np.random.default_rng(0).permutation(len(texts))
    return [texts[i] for i in order]


def words(text: str) -> list[bytes]:
    """5-word shingles in Python."""
    found = re.findall(r"\w+", text.lower())
    return [" ".join(found[i : i + 5]).encode() for i in range(max(1, len(found) - 4))]


def update_loop(texts: list[str]) -> None:
    """datasketch, a shingle at a time."""
    for text in texts:
        signature = MinHash(num_perm=128)
        for shingle in words(text):
            signature.update(shingle)


def bulk(texts: list[str]) -> None:
    """datasketch's fastest documented way: a batch a document, a 32-bit hash in C (xxhash where installed)."""
    try:
        import xxhash

        hashed: Callable[[bytes], int] = xxhash.xxh32_intdigest
    except ImportError:
        hashed = zlib.crc32
    MinHash.bulk((words(text) for text in texts), num_perm=128, hashfunc=hashed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--posts", type=int, default=600, help="posts for datasketch's loop; the kernel takes all")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    texts = posts(options.data)
    few = texts[: options.posts]
    arrow, some = pa.array(texts), pa.array(few)
    ends, some_ends = np.full(len(texts), 1 << 30), np.full(len(few), 1 << 30)
    cut = lsh.bands(0.8, 128)

    def kernel(chosen: pa.Array, limits: np.ndarray) -> None:
        minhash.signatures(minhash.shingles(chosen, limits, 5), 128, 1)

    documents = pa.table(
        {
            "text": arrow,
            "own_end": pa.array([len(text) for text in texts], pa.int32()),
            "segments": pa.array([[]] * len(texts), pa.list_(SEGMENT)),
        }
    )
    sets = minhash.shingles(arrow, ends, 5)
    signed = minhash.signatures(sets, 128, 1)
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "datasketch, update loop": (lambda: update_loop(few), len(few)),
        "datasketch, bulk": (lambda: bulk(few), len(few)),
        "kernel, the same posts": (lambda: kernel(some, some_ends), len(few)),
        "kernel, all posts": (lambda: kernel(arrow, ends), len(texts)),
        "  of it: text to sets": (lambda: minhash.shingles(arrow, ends, 5), len(texts)),
        "  of it: sets to signatures": (lambda: minhash.signatures(sets, 128, 1), len(texts)),
        "text to sets and marks": (lambda: minhash.text_shingles(documents, 5), len(texts)),
        "  and gaps, of candidates only": (lambda: minhash.text_shingles(documents, 5, gaps=True), len(texts)),
        "hashes of the bands": (lambda: lsh.band_hashes(signed, cut), len(texts)),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(options.rounds + 1):
        for name, (run, count) in ways.items():
            start = time.perf_counter()
            run()
            # The first turn warms up: compilation, tables, caches.
            if turn:
                taken[name].append((time.perf_counter() - start) / count)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    size = sum(len(text.encode()) for text in few) / len(few)
    print(f"{len(texts)} posts, {size:.0f} bytes and {sets.sizes.mean():.0f} shingles each")
    slowest = medians["datasketch, update loop"]
    for name, median in medians.items():
        print(f"{name:30} {median * 1e6:10.2f} us a post {slowest / median:8.1f} x")
    ratio = slowest / medians["kernel, the same posts"]
    print(f"text to signatures: {ratio:.0f} times datasketch's update loop, target {TARGET}: {verdict(ratio)}")


def verdict(ratio: float) -> str:
    """Whether the target is reached."""
    return "reached" if ratio >= TARGET else "MISSED"


if __name__ == "__main__":
    main()
