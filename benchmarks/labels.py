"""Labels of a corpus against those of another checkout, as ratios of processor time: all tasks, in this process.

    python benchmarks/labels.py CORPUS --against CHECKOUT [--pairs 3]

Both label copies of the corpus in turn, in processes of their own, and each twice: the first time warms it up. What a
task takes is the sum of the seconds of its receipts: facts of posts and splits, which all tasks share, are in none. It
also says whether both give the same votes and labels.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent.parent
_RUN = """
import sys, time
from socorpus.labeling import apply
for _ in range(2):
    started = time.process_time()
    apply(sys.argv[1], workers=0, force=True)
print(time.process_time() - started)
"""


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a finished corpus; it is copied")
    parser.add_argument("--against", type=Path, required=True, help="root of another checkout of socorpus")
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    trees = {"before": arguments.against.resolve(), "after": HERE}
    with tempfile.TemporaryDirectory() as folder:
        corpora = {name: Path(folder) / name for name in trees}
        for corpus in corpora.values():
            shutil.copytree(arguments.corpus, corpus, symlinks=True)
        seconds: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
        for _ in range(arguments.pairs):
            for name, tree in trees.items():
                total = labelled(tree, corpora[name])
                seconds[name].append({"all tasks": total, **by_task(corpora[name])})
        documents = pyarrow.dataset.dataset(corpora["after"] / "documents").count_rows()
        print(f"{documents:,} documents; ms a document, and how many times as fast (median of {arguments.pairs} pairs)")
        for part in seconds["after"][0]:
            pairs = [
                (before[part], after[part]) for before, after in zip(seconds["before"], seconds["after"], strict=True)
            ]
            medians = [1000 * statistics.median(values) / documents for values in zip(*pairs, strict=True)]
            ratio = statistics.median(before / after for before, after in pairs)
            print(f"{part:14} {medians[0]:7.3f} {medians[1]:7.3f} {ratio:6.2f}")
        print("different: " + (", ".join(different(*corpora.values())) or "nothing"))


def labelled(tree: Path, corpus: Path) -> float:
    """Seconds of processor time in which a checkout labels a corpus, once warm."""
    environment = {**os.environ, "PYTHONPATH": str(tree / ".src"), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-P", "-c", _RUN, corpus], env=environment, check=True, capture_output=True, text=True
    )
    return float(run.stdout.split()[-1])


def by_task(corpus: Path) -> dict[str, float]:
    """Seconds of the receipts of each task."""
    spent: Counter[str] = Counter()
    receipts = corpus / "receipts"
    for path in receipts.glob("label_*/**/*.json"):
        task = path.relative_to(receipts).parts[1].removesuffix(".json")
        if (corpus / "labels" / task / "votes").exists():
            receipt: dict[str, Any] = json.loads(path.read_text("utf-8"))
            spent[task] += receipt["seconds"]
    return dict(sorted(spent.items()))


def different(corpus: Path, other: Path) -> list[str]:
    """Tables of labels that have other rows."""
    names = sorted(str(path.relative_to(corpus)) for path in (corpus / "labels").glob("**/*.parquet"))
    return [name for name in names if not pq.read_table(corpus / name).equals(pq.read_table(other / name))]


if __name__ == "__main__":
    main()
