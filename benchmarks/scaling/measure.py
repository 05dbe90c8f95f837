"""All of Stack Overflow, in counts and in bytes: what a build costs by stage, and a model of larger ones.

    python -m benchmarks.scaling.measure counts [--parts 10000] [--buckets 8192] [--mb 250] [--workers 2] [--out FOLDER]
    python -m benchmarks.scaling.measure size --mb 2000 [--workers 2] [--out FOLDER]

`counts` lays out a site with as many parts and buckets as all of Stack Overflow has, and few rows in each: what grows
with parts times buckets shows there, and nowhere else. `size` builds a generated dump as a user would. Both print a
line of JSON for each stage: items, core-seconds, bytes written, the largest memory of a worker; and of the whole: the
largest memory of the client (the scheduler is in its process), of the disk, and of the finished corpus.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from socorpus.corpus.sample import writer as sample_writer

COUNTS = "SOCORPUS_BENCHMARK_COUNTS"
"""Variable of the environment: bytes of a part, and number of buckets, in this process and in its workers."""


def dask_setup(_: object) -> None:
    """Called by a worker of Dask that is told to load this module."""
    _patch()


def _patch() -> None:
    """Parts and buckets of a size that no configuration allows."""
    if not os.environ.get(COUNTS):
        return
    from socorpus.corpus.dump import stage
    from socorpus.corpus.storage import buckets

    part_bytes, number = map(int, os.environ[COUNTS].split())
    stage.MB = part_bytes  # type: ignore[misc]
    buckets.bucket_count = lambda size, bucket_mb: number


def child(arguments: list[str]) -> None:
    """The command line, with the memory of this process at its end."""
    from socorpus.cli import main

    _patch()
    sys.argv = ["socorpus", *arguments]
    try:
        main.run()
    finally:
        print(f"client {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}", flush=True)


def used(folder: Path) -> int:
    """Bytes on the disk below a folder, of each file once."""
    done = subprocess.run(["du", "-s", "--block-size=1", str(folder)], capture_output=True, text=True, check=False)
    return int(done.stdout.split()[0]) if done.stdout else 0


def measure(dump: Path, corpus: Path, workers: int, counts: tuple[int, int] | None, more: list[str]) -> None:
    """Build, watch the disk, and print what the receipts say."""
    environment = dict(os.environ)
    if counts is not None:
        environment[COUNTS] = f"{counts[0]} {counts[1]}"
        environment["DASK_DISTRIBUTED__WORKER__PRELOAD"] = "benchmarks.scaling.measure"
    command = [sys.executable, "-m", "benchmarks.scaling.measure", "child", "build", str(dump), "-o", str(corpus)]
    command += ["--workers", str(workers), *more]
    xml = sum(path.stat().st_size for path in dump.rglob("*.xml"))
    ended, peak = threading.Event(), [0]

    def watch() -> None:
        while not ended.wait(10):
            peak[0] = max(peak[0], used(corpus))

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    finally:
        ended.set()
        watcher.join()
    seconds = time.perf_counter() - started
    tree = (corpus / ".generations/current").resolve()
    client = next(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("client "))
    stages: dict[str, dict[str, float]] = {}
    for path in (tree / "receipts").rglob("*/*.json"):
        receipt = json.loads(path.read_text("utf-8"))
        entry = stages.setdefault(receipt["stage"], {"items": 0, "core_seconds": 0.0, "bytes": 0, "peak_bytes": 0})
        entry["items"] += 1
        entry["core_seconds"] += receipt["core_seconds"]
        entry["bytes"] += sum(output["bytes"] for output in receipt["outputs"].values())
        entry["peak_bytes"] = max(entry["peak_bytes"], receipt["peak_bytes"])
    for name, entry in stages.items():
        print(json.dumps({"stage": name, **entry, "core_seconds": round(entry["core_seconds"], 1)}))
    finished = sum(
        path.stat().st_size
        for path in tree.rglob("*")
        if path.is_file() and ".work" not in path.relative_to(tree).parts
    )
    kept = used(corpus)
    whole = {
        "xml": xml,
        "seconds": round(seconds, 1),
        "workers": workers,
        "parts": stages["read"]["items"],
        "buckets": stages["documents"]["items"],
        "core_seconds": round(sum(entry["core_seconds"] for entry in stages.values()), 1),
        "client_bytes": client,
        "disk_peak": max(peak[0], kept),
        "disk": kept,
        "finished": finished,
    }
    print(json.dumps({"stage": "all", **whole}))


def main() -> None:
    if sys.argv[1:2] == ["child"]:
        return child(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("counts", "size"))
    parser.add_argument("--parts", type=int, default=10_000)
    parser.add_argument("--buckets", type=int, default=8192)
    parser.add_argument("--mb", type=int, default=250)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given, more = parser.parse_known_args()
    with TemporaryDirectory() as folder:
        place = given.out or Path(folder)
        dump = place / f"dump-{given.mb}"
        if not dump.exists():
            sample_writer.write(dump, size_mb=given.mb, sites=(sample_writer.PLAIN,))
        xml = sum(path.stat().st_size for path in dump.rglob("*.xml"))
        # The configuration's 32 "megabytes" are a part.
        counts = (max(1, xml // given.parts // 32), given.buckets) if given.kind == "counts" else None
        measure(dump, place / f"{given.kind}-{given.mb}", given.workers, counts, more)
    return None


if __name__ == "__main__":
    main()
