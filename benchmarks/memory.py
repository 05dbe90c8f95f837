"""Peak memory of a worker on generated dumps: it must stay under 1.5 GB and not grow with the dump.

    python benchmarks/memory.py [--sizes 100 2000] [--workers 2] [--keep FOLDER]

Prints, for each size, the largest resident memory that a worker process ever had, and the seconds of the whole command.
Where FOLDER is given, dumps and corpora stay there.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from socorpus.corpus.sample import writer as sample_writer


def peak(corpus: Path) -> tuple[float, str]:
    """Largest peak of any task's process, in MB, and the task."""
    found = [json.loads(path.read_text("utf-8")) for path in (corpus / "receipts").rglob("*/*.json")]
    worst = max(found, key=lambda receipt: receipt["peak_bytes"])
    return worst["peak_bytes"] / 1e6, f"{worst['stage']} {worst['name']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 2000], help="megabytes of XML")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    print(f"{'XML':>8} {'posts':>10} {'peak of a worker':>18} {'seconds':>9} {'MB/s':>7}   where (limit 1,500 MB)")
    for size in given.sizes:
        with nullcontext(given.keep) if given.keep else tempfile.TemporaryDirectory() as folder:
            dump, corpus = Path(folder) / f"dump-{size}", Path(folder) / f"corpus-{size}"
            if not dump.exists():
                sample_writer.write(dump, size_mb=size, sites=(sample_writer.PLAIN,))
            xml = sum(path.stat().st_size for path in dump.rglob("*.xml")) / 1e6
            command = [sys.executable, "-m", "socorpus.cli.main", "build", str(dump / "plain.example.com"), "-o"]
            started = time.perf_counter()
            subprocess.run([*command, str(corpus), "--workers", str(given.workers)], check=True, capture_output=True)
            seconds = time.perf_counter() - started
            memory, where = peak(corpus)
            posts = json.loads((corpus / "MANIFEST.json").read_text("utf-8"))["totals"]["posts"]
            print(f"{xml:>6.0f} MB {posts:>10,} {memory:>15,.0f} MB {seconds:>9.1f} {xml / seconds:>7.1f}   {where}")


if __name__ == "__main__":
    main()
