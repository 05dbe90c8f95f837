"""Publishing a corpus as Parquet, against pyarrow alone that rewrites the same tables.

python benchmarks/publish.py CORPUS [--pairs 3]

Both write every table of the published folder, in one process on one core: `publish` makes them of the corpus, with all
checks, hashes, card and attribution; the other reads the published files row group by row group and writes them again
with the same options, and does nothing else. The ratio is the rate of the first by that of the second, by processor
time, since machines are shared; the median of interleaved pairs.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from socorpus.corpus.storage import parquet
from socorpus.labeling import publish


def rewrite(folder: Path, out: Path) -> None:
    """Read all tables of a published folder, and write them again."""
    for path in sorted(folder.rglob("*.parquet")):
        target = out / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetFile(path) as file, parquet.writer(target, file.schema_arrow) as writer:
            for number in range(file.num_row_groups):
                writer.write_table(file.read_row_group(number, use_threads=False), row_group_size=parquet.ROW_GROUP)


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    pa.set_cpu_count(1)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        publish(options.corpus, root / "first", workers=0)  # compiles, and fills the caches
        size = sum(pq.ParquetFile(path).metadata.num_rows for path in (root / "first").rglob("*.parquet"))
        for pair in range(options.pairs):
            started = time.process_time()
            publish(options.corpus, root / f"published-{pair}", workers=0)
            ours = time.process_time() - started
            started = time.process_time()
            rewrite(root / "first", root / f"rewritten-{pair}")
            theirs = time.process_time() - started
            ratios.append(theirs / ours)
            print(f"{size:,} rows: published in {ours:.2f} s, rewritten in {theirs:.2f} s: {ratios[-1]:.2f}")
    print(f"median of {options.pairs} pairs: {statistics.median(ratios):.2f} (target 0.7)")


if __name__ == "__main__":
    main()
