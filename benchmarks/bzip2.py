"""Our stream over a solid BZip2 .7z, on two threads, beside Python's bz2 module on the same packed bytes.

python benchmarks/bzip2.py [--data PATH] [--megabytes N] [--repeats N]

The archive is made of the real XML in a temporary folder. Runs alternate, and the ratio is of the medians of one run;
the cores may be shared with others, so the shortest of each is shown as well.
"""

import argparse
import bz2
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import py7zr

from socorpus.corpus.dump import archives

TARGET = 1.7
PIECE = 1 << 20


def make(data: Path, path: Path, size: int) -> None:
    """A solid BZip2 archive of at least `size` bytes of the real dumps' XML."""
    files = sorted((data / "dumps").rglob("*.xml"))
    if not files:
        raise SystemExit(f"no dumps below {data}: give --data")
    total, turn = 0, 0
    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_BZIP2}]) as made:
        while total < size:
            for file in files:
                made.write(file, f"{turn}/{file.relative_to(data).as_posix()}")
                total += file.stat().st_size
            turn += 1


def ours(path: Path, threads: int) -> int:
    done = 0
    wanted = [member.index for member in archives.members(str(path))]
    for _, stream in archives.stream(str(path), wanted, threads):
        while piece := stream.read(PIECE):
            done += len(piece)
    return done


def pythons(path: Path) -> int:
    """The packed stream alone: it begins behind the 32 bytes of the signature header."""
    done, decoder = 0, bz2.BZ2Decompressor()
    with path.open("rb") as file:
        file.seek(32)
        while not decoder.eof:
            done += len(decoder.decompress(file.read(PIECE) if decoder.needs_input else b"", PIECE))
    return done


def timed(job: Callable[[], int]) -> tuple[float, float, int]:
    wall, cpu = time.perf_counter(), time.process_time()
    done = job()
    return time.perf_counter() - wall, time.process_time() - cpu, done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SOCORPUS_REAL_DATA", "../shared")))
    parser.add_argument("--megabytes", type=int, default=70)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.7z"
        make(options.data, path, options.megabytes * 1_000_000)
        jobs = {
            "bz2 module": lambda: pythons(path),
            "ours, 1 thread": lambda: ours(path, 1),
            "ours, 2 threads": lambda: ours(path, 2),
        }
        runs: dict[str, list[tuple[float, float, int]]] = {name: [] for name in jobs}
        for _ in range(options.repeats):
            for name, job in jobs.items():
                runs[name].append(timed(job))
        packed = path.stat().st_size
    sizes = {size for found in runs.values() for _, _, size in found}
    if len(sizes) != 1:
        raise SystemExit(f"the decoders differ in what they read: {sizes}")
    print(f"{sizes.pop() / 1e6:.1f} MB of XML in {packed / 1e6:.1f} MB; {options.repeats} alternating runs")
    print(f"{'':16} {'wall min':>9} {'median':>9} {'CPU min':>9} {'median':>9}   seconds")
    for name, found in runs.items():
        wall, cpu = ([one[column] for one in found] for column in (0, 1))
        print(
            f"{name:16} {min(wall):9.2f} {statistics.median(wall):9.2f} {min(cpu):9.2f} {statistics.median(cpu):9.2f}"
        )
    base, two = ([one[0] for one in runs[name]] for name in ("bz2 module", "ours, 2 threads"))
    median, best = statistics.median(base) / statistics.median(two), min(base) / min(two)
    print(f"bz2 module / ours on 2 threads: {median:.2f} by medians, {best:.2f} by the shortest; target {TARGET}")
    cpu = min(one[1] for one in runs["bz2 module"]) / (min(one[1] for one in runs["ours, 2 threads"]) / 2)
    print(f"at best, by CPU seconds, were both cores idle: {cpu:.2f}")


if __name__ == "__main__":
    main()
