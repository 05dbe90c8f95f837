"""Near duplicates at millions of synthetic signatures: processor time a document, in the groups of a build and at once.

    python -m benchmarks.scaling.near [--millions 1 4 16 60] [--at-once 0.25 0.5 1 2]

Signatures are random hashes, 22 rows a document as for the defaults; of each 20 documents two share a band or more. The
pairs are verified on sets of 100 shingles. `candidates` runs on groups of hashes, and `verify` on portions, of the size
that a build gives them: what a document costs there must not grow with their number. `portions` cuts all pairs at once
in the client. The exponent is the slope of log time over log documents, for comparison also of all hashes in one group.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from socorpus.corpus.dedup import lsh
from socorpus.corpus.dedup.stage import GROUP_DOCUMENTS

ROWS = 22
SHINGLES = 100
PAIRED = 0.1
"""Share of documents that are in a pair."""


def group(documents: int, groups: int, number: int) -> pa.Table:
    """`FINGERPRINTS` of a group: its share of the rows of all documents."""
    random = np.random.default_rng(number)
    rows = documents * ROWS // groups
    hashes = random.integers(0, 1 << 63, rows, dtype=np.uint64)
    ids = random.integers(0, documents, rows)
    pairs = int(rows * PAIRED / 2)
    hashes[:pairs] = hashes[pairs : 2 * pairs]
    return pa.table([hashes, ids, random.integers(0, 1 << 63, rows, dtype=np.uint64)], schema=lsh.FINGERPRINTS)


def edges(documents: int) -> np.ndarray:
    """Pairs of documents, int64[e, 2]."""
    ids = np.random.default_rng(1).permutation(documents)[: int(documents * PAIRED) // 2 * 2]
    return np.sort(ids.reshape(-1, 2), axis=1)


def sets_of(ids: np.ndarray) -> pa.Table:
    """`SETS` of documents."""
    random, n = np.random.default_rng(2), len(ids)
    values = np.sort(random.integers(0, 1 << 63, (n, SHINGLES), dtype=np.uint64), axis=1)
    bounds = np.arange(n + 1, dtype=np.int64) * SHINGLES
    lists = pa.LargeListArray.from_arrays(bounds, values.reshape(-1))
    none = pa.array(np.zeros(n, np.uint64))
    empty = pa.LargeListArray.from_arrays(np.zeros(n + 1, np.int64), pa.array([], pa.uint64()))
    columns = [pa.array(ids), lists, none, none, pa.array(np.full(n, SHINGLES, np.int32)), empty, empty]
    return pa.table(columns, schema=lsh.SETS)


def timed(documents: int, groups: int) -> dict[str, float]:
    """Seconds of processor time of each step."""
    spent = dict.fromkeys(("candidates", "portions", "verify"), 0.0)
    for number in range(groups):
        rows = group(documents, groups, number)
        started = time.process_time()
        lsh.candidates(rows)
        spent["candidates"] += time.process_time() - started
    pairs = edges(documents)
    started = time.process_time()
    cut = lsh.portions(pairs, 50_000 if groups > 1 else documents)
    spent["portions"] = time.process_time() - started
    for part in cut:
        own = pairs[part]
        sets = sets_of(np.unique(own))
        started = time.process_time()
        lsh.verify(own, sets)
        spent["verify"] += time.process_time() - started
    return spent


def lines(millions: list[float], at_once: bool) -> Iterator[dict[str, object]]:
    """A line for each number of documents, and one of exponents."""
    every: dict[str, list[tuple[float, float]]] = {}
    for size in millions:
        documents = int(size * 1_000_000)
        groups = 1 if at_once else 1 << max(0, documents // GROUP_DOCUMENTS).bit_length()
        spent = timed(documents, groups)
        for name, seconds in spent.items():
            every.setdefault(name, []).append((math.log(documents), math.log(max(seconds, 1e-9))))
        each = {f"{name} (us a document)": round(seconds / documents * 1e6, 3) for name, seconds in spent.items()}
        yield {"documents": documents, "groups": groups, **each}
    if len(millions) > 1:
        yield {
            "exponents": {
                name: round(float(np.polyfit(*zip(*points, strict=True), 1)[0]), 3) for name, points in every.items()
            }
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="*", default=[1, 4, 16, 60])
    parser.add_argument("--at-once", type=float, nargs="*", default=[0.25, 0.5, 1, 2])
    given = parser.parse_args()
    timed(10_000, 1)  # the kernels are compiled
    for millions, at_once in ((given.at_once, True), (given.millions, False)):
        for line in lines(millions, at_once) if millions else ():
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
