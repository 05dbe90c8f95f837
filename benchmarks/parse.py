"""Speed of reading a dump's rows, against bare XML parsers that are fed the same bytes and keep nothing.

    python benchmarks/parse.py [--data PATH] [--mb 32] [--runs 5] [--table posts]

The rows of a table of every dump under PATH are repeated in one stream. The runs alternate; the medians are compared.
Target: typed batches at 0.6 of the rate of lxml's target parser or more; 3 is aimed at.
"""

import argparse
import io
import statistics
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from socorpus.corpus.dump import xml_rows

TARGET = 0.6


class Count:
    """A target that counts the rows and does nothing else."""

    def __init__(self) -> None:
        self.rows = 0

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if tag == "row":
            self.rows += 1

    def close(self) -> int:
        return self.rows


def ours(data: bytes, table: str) -> int:
    return sum(len(r.batch) for r in xml_rows.read(io.BytesIO(data), table=table, site="bench", file="bench"))


def lxml_target(data: bytes, table: str) -> int:
    parser = etree.XMLParser(target=Count(), huge_tree=True)
    for at in range(0, len(data), 1 << 20):
        parser.feed(data[at : at + (1 << 20)])
    return int(parser.close())


def iterparse(data: bytes, table: str) -> int:
    found = 0
    for _, element in ET.iterparse(io.BytesIO(data)):
        found += element.tag == "row"
        element.clear()
    return found


def stream(folder: Path, table: str, size: int) -> bytes:
    """One well-formed stream of `size` bytes or more."""
    rows = []
    for path in sorted(folder.glob("dumps/**/*.xml")):
        raw = path.read_bytes()
        seen = xml_rows.sniff(raw[: 1 << 16])
        if seen.table == table and seen.encoding.startswith("utf-8"):
            rows.append(raw[seen.end : raw.rindex(b"</")])
    if not rows:
        sys.exit(f"no dump of {table} under {folder}/dumps")
    body = b"".join(rows)
    return b"<%s>%s</%s>" % ((table.encode(), body * (size // len(body) + 1), table.encode()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--mb", type=int, default=32)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--table", choices=("posts", "comments", "votes", "users", "badges", "tags"), default="posts")
    options = parser.parse_args()

    data = stream(options.data, options.table, options.mb << 20)
    readers: dict[str, Callable[[bytes, str], int]] = {
        "socorpus.corpus.dump.xml_rows.read": ours,
        "lxml target parser, bare": lxml_target,
        "xml.etree iterparse": iterparse,
    }
    counts = {name: reader(data, options.table) for name, reader in readers.items()}  # also compiles and warms up
    assert len(set(counts.values())) == 1, counts
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(options.runs):
        for name, reader in readers.items():
            begun = time.process_time()
            reader(data, options.table)
            seconds[name].append(time.process_time() - begun)
    found = counts["socorpus.corpus.dump.xml_rows.read"]
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    peer = medians["lxml target parser, bare"]
    print(
        f"{options.table}: {found} rows, {len(data) / 1e6:.0f} MB, median of {options.runs} alternating runs, CPU time"
    )
    print(f"{'reader':28} {'MB/s':>7} {'us a row':>9} {'ratio to lxml':>14}")
    for name, median in medians.items():
        print(f"{name:28} {len(data) / 1e6 / median:7.0f} {median / found * 1e6:9.2f} {peer / median:14.2f}")
    ratio = peer / medians["socorpus.corpus.dump.xml_rows.read"]
    print(f"target {TARGET}: {'met' if ratio >= TARGET else 'MISSED'} with {ratio:.2f}")


if __name__ == "__main__":
    main()
