"""How fast two corpora of many rows are compared, and in how much memory.

    python -m benchmarks.diff CORPUS --documents 2000000 --out FOLDER

CORPUS is any small corpus: its rows are copied under other numbers until there are so many, once as they are and once
with a tenth of the kept posts dropped, a tenth with another text, and a hundredth gone. Labels are not copied. Prints
seconds, rows a second (of both corpora together) and the largest memory of the process, which holds nothing else.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.diff import corpus_diff
from socorpus.corpus.storage import generations, manifest_file, parquet

_FILES = 32


def copies(table: pa.Table, times: range, changed: bool, kind: str) -> Iterator[pa.Table]:
    """The rows of a table again and again, with other post numbers, changed by these where it is wanted."""
    for number in times:
        rows = table.set_column(
            table.schema.get_field_index("post_id"),
            table.schema.field("post_id"),
            pc.add(table["post_id"], pa.scalar(number * 10_000_000, pa.int64())),
        )
        if changed:
            share = (np.asarray(rows["post_id"], dtype=np.int64) * 2_654_435_761 >> 7) % 100
            rows = _changed(rows, share, kind)
        yield rows


def _changed(rows: pa.Table, share: Any, kind: str) -> pa.Table:
    dropped, edited = pa.array(share < 10), pa.array((share >= 10) & (share < 20))

    def put(name: str, column: Any) -> pa.Table:
        return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)

    if kind == "decisions":
        moved = pc.and_(dropped, rows["keep"])
        rows = put("keep", pc.and_(rows["keep"], pc.invert(dropped)))
        rows = put("reason", pc.if_else(moved, "too_short", rows["reason"]))
        rows = put("evidence", pc.if_else(moved, '{"words": 1}', rows["evidence"]))
    if kind == "shards":
        rows = put("text", pc.if_else(edited, pc.binary_join_element_wise(rows["text"], "edited", " "), rows["text"]))
        return rows.filter(pa.array((share >= 10) & (share < 99)))
    return rows.filter(pa.array(share < 99))


def make(corpus: Path, out: Path, documents: int, changed: bool) -> None:
    """Write the tables and a manifest of a large corpus."""
    tree = generations.finished(corpus)
    facts = manifest_file.finished(tree)
    times = -(-documents // facts["totals"]["documents"])
    files: dict[str, Any] = {}
    folders = ["documents", "decisions", "signals/statistics", "signals/privacy", "pairs", "shards/train"]
    for folder in folders:
        for site in [""] if folder == "shards/train" else facts["sites"]:
            place = f"{folder}/{site}".rstrip("/")
            table = pa.concat_tables([parquet.read(path) for path in manifest_file.tables(tree, place, facts)])
            for number in range(_FILES):
                part = range(number * times // _FILES, (number + 1) * times // _FILES)
                name = f"{place}/{number:05d}-of-{_FILES:05d}.parquet"
                rows = copies(table, part, changed, folder.partition("/")[0])
                written = parquet.write(out / name, rows, table.schema)
                files[name] = {"rows": written.rows, "rows_hash": written.rows_hash, "bytes": 0, "sha256": ""}
    (out / "facts.json").write_text(json.dumps({**facts, "files": files}))


def child(out: Path) -> None:
    """Compare, and print what it took."""
    sides = [(out / side, json.loads((out / side / "facts.json").read_text())) for side in ("old", "new")]
    rows = sum(of["rows"] for _, facts in sides for name, of in facts["files"].items() if name.startswith("documents/"))
    started = time.perf_counter()
    result = corpus_diff.compare(sides[0], sides[1], list_to=out / "moves.parquet")
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"documents of both": rows, "seconds": round(seconds, 1), "a second": round(rows / seconds)}))
    print(json.dumps({"peak MB": round(peak), "moved": dict(result.moved)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--documents", type=int, default=2_000_000)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--child", action="store_true")
    given = parser.parse_args()
    if given.child:
        child(given.out)
        return
    for side, changed in (("old", False), ("new", True)):
        if not (given.out / side / "facts.json").exists():
            make(given.corpus, given.out / side, given.documents, changed)
    command = [sys.executable, "-m", "benchmarks.diff", str(given.corpus), "--out", str(given.out), "--child"]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
