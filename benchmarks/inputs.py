"""Speed of reading a table as Parquet, against the XML of the same rows, and how CSV and JSON Lines compare.

    python -m benchmarks.inputs [--data PATH] [--mb 32] [--runs 5] [--table posts]

The rows of a table of every dump under PATH are repeated in one file of XML and converted. The runs alternate; medians
of processor time are compared, from the file to typed batches. Target: Parquet is read at the rate of XML or more.
"""

import argparse
import csv
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.parse import stream
from socorpus.corpus import schema
from socorpus.corpus.dump.rows import row_forms
from socorpus.corpus.dump.rows.batches import Origin
from socorpus.corpus.dump.xml_rows import ParsedRows

TARGET = 1.0


def read(path: Path, table: str) -> list[ParsedRows]:
    """All rows of a file; of its batches only the counts are kept."""
    with path.open("rb") as file:
        origin = Origin(table, "bench", path.name, schema.NEEDED[table])
        return list(row_forms.read(file, row_forms.of(path.name) or "xml", origin))


def rate(path: Path, table: str) -> int:
    """The number of rows, read and dropped batch by batch."""
    with path.open("rb") as file:
        origin = Origin(table, "bench", path.name, schema.NEEDED[table])
        return sum(some.batch.num_rows for some in row_forms.read(file, row_forms.of(path.name) or "xml", origin))


def convert(rows: pa.Table, folder: Path) -> list[Path]:
    """The rows as Parquet by its usual compressions, and as text."""
    paths = [folder / name for name in ("snappy.parquet", "zstd.parquet", "rows.jsonl", "rows.csv")]
    for path, codec in zip(paths, ("snappy", "zstd"), strict=False):
        pq.write_table(rows, path, compression=codec)

    def plain(value: Any) -> Any:
        if hasattr(value, "isoformat"):
            return value.replace(tzinfo=None).isoformat(timespec="milliseconds")
        return "".join(f"<{tag}>" for tag in value) if isinstance(value, list) else value

    with paths[2].open("w", encoding="utf-8") as lines, paths[3].open("w", encoding="utf-8", newline="") as fields:
        table = csv.writer(fields)
        table.writerow(rows.column_names)
        for row in rows.to_pylist():
            values = {name: plain(value) for name, value in row.items()}
            lines.write(json.dumps({name: value for name, value in values.items() if value is not None}) + "\n")
            table.writerow(values.values())
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--mb", type=int, default=32)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--table", choices=("posts", "comments", "votes", "users", "badges", "tags"), default="posts")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder, "rows.xml")
        xml.write_bytes(stream(options.data, options.table, options.mb << 20))
        rows = pa.concat_tables([some.batch for some in read(xml, options.table)]).drop_columns("site")
        rows = rows.rename_columns([attribute.xml for attribute in schema.DUMP[options.table]])
        paths = [xml, *convert(rows, Path(folder))]
        counts = {rate(path, options.table) for path in paths}  # also compiles and warms up
        assert counts == {rows.num_rows}, counts
        seconds: dict[str, list[float]] = {path.name: [] for path in paths}
        for _ in range(options.runs):
            for path in paths:
                begun = time.process_time()
                rate(path, options.table)
                seconds[path.name].append(time.process_time() - begun)
        size = xml.stat().st_size
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(
        f"{options.table}: {rows.num_rows} rows, {size / 1e6:.0f} MB of XML, median of {options.runs} alternating runs"
    )
    print(f"{'form':16} {'MB/s of XML':>12} {'ratio to XML':>13}")
    for name, median in medians.items():
        print(f"{name:16} {size / 1e6 / median:12.0f} {medians['rows.xml'] / median:13.2f}")
    least = min(medians["rows.xml"] / medians[name] for name in ("snappy.parquet", "zstd.parquet"))
    print(f"target {TARGET}: {'met' if least >= TARGET else 'MISSED'} with {least:.2f}")


if __name__ == "__main__":
    main()
