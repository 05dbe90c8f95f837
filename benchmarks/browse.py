"""Time of queries of `socorpus browse` on many short synthetic rows, of a text search, and what an index would cost.

    python -m benchmarks.browse [--rows 10000000] [--folder /tmp] [--runs 3]

A corpus of made-up posts is written below the folder, at most some 2 GB for ten million, and removed at the end. Every
query is asked of a corpus that was just opened ("first", its columns are read from the disk), and again with another
value ("again", as a user changes a filter; its processor time is "cpu"). Target: every filter by columns answers in
less than a second, once its columns were read; by processor time, which other work on the machine does not change.
"""

import argparse
import json
import shutil
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.storage import parquet
from socorpus.labeling.schema import Task
from socorpus.labeling.workbench.column_store import ColumnStore
from socorpus.labeling.workbench.queries import Query
from socorpus.labeling.workbench.searching import Answer, Searching

TARGET = 1.0
SITE, ROWS = "bench.example.com", 65_536
TASK = Task("quality", {"HQ": "good", "LQ_EDIT": "poor", "LQ_CLOSE": "bad"}, unit="question")
TAGS = [f"tag{number}" for number in range(5_000)]
WORDS = [f"w{number}{'aeiou'[number % 5]}r" for number in range(20_000)]
PHRASES = [" ".join(WORDS[start : start + 12]) for start in range(len(WORDS) - 20)]
TITLES = [" ".join(WORDS[start : start + 5]) for start in range(len(WORDS) - 20)]
REASONS = ["too_short", "near_duplicate", "exact_duplicate", "low_score"]


def bucket(draw: np.random.Generator, first: int, count: int) -> dict[str, pa.Table]:
    """The tables of some rows, by folder."""
    ids = pa.array(np.arange(first, first + count))
    site = pa.array([SITE]).take(pa.array(np.zeros(count, np.int64)))
    zeros, words = pa.array(np.zeros(count, np.int32)), draw.integers(3, 300, count).astype(np.int32)
    times = np.sort(draw.integers(1_220_000_000_000, 1_700_000_000_000, count))
    starts = draw.integers(0, len(WORDS) - 20, count)
    texts = pa.array([PHRASES[start] for start in starts.tolist()])
    bounds = np.concatenate([[0], np.cumsum(draw.integers(1, 5, count))]).astype(np.int32)
    tags = pa.ListArray.from_arrays(
        pa.array(bounds), pa.array(TAGS).take(pa.array(draw.integers(0, len(TAGS), int(bounds[-1]))))
    )
    kinds = pa.array(["question", "answer"]).take(pa.array((draw.random(count) < 0.6).astype(np.int64)))
    keep = draw.random(count) < 0.9
    nothing = pa.nulls(count, pa.string())
    columns: dict[str, Any] = {
        "site": site,
        "post_id": ids,
        "thread_id": ids,
        "kind": kinds,
        "created": pa.array(times).cast(schema.TIME),
        "score": pa.array(draw.geometric(0.3, count).astype(np.int32) - 2),
        "accepted": pa.array(draw.random(count) < 0.2),
        "comments": zeros,
        "tags": tags,
        "title": pa.array([TITLES[start] for start in starts.tolist()]),
        "text": texts,
        "own_end": pa.compute.utf8_length(texts),
        "segments": pa.array([[]] * count, schema.DOCUMENTS.field("segments").type),
        "links": pa.array([[]] * count, schema.DOCUMENTS.field("links").type),
        "license": pa.array(["CC BY-SA 4.0"]).take(pa.array(np.zeros(count, np.int64))),
        "digest": pa.array([b"\0" * 16] * count, pa.binary(16)),
    }
    documents = pa.table(
        [columns.get(field.name, pa.nulls(count, field.type)) for field in schema.DOCUMENTS], schema=schema.DOCUMENTS
    )
    reasons = pa.array(REASONS).take(pa.array(draw.integers(0, len(REASONS), count), mask=keep))
    decided = [site, ids, pa.array(keep), reasons, nothing]
    sizes = [words * 6, words, words * 5, words, words // 60, (words % 97 / 97).astype(np.float32)]
    languages = pa.array(["en", "de", "fr"]).take(pa.array(draw.integers(0, 3, count)))
    asked = np.flatnonzero(np.asarray(pa.compute.equal(kinds, "question")))
    chosen = draw.integers(0, 3, len(asked))
    likely = (0.34 + 0.66 * draw.random(len(asked))).astype(np.float32)
    others = np.repeat(((1 - likely) / 2)[:, None], 3, 1)
    others[np.arange(len(asked)), chosen] = likely
    own = {
        "site": site.take(pa.array(asked)),
        "post_id": ids.take(pa.array(asked)),
        "label": pa.array(TASK.labels).take(pa.array(chosen)),
        "probability": pa.array(likely),
        "probabilities": pa.ListArray.from_arrays(
            pa.array(np.arange(0, others.size + 1, 3, dtype=np.int32)), pa.array(others.ravel())
        ),
        "source": pa.array(["function"]).take(pa.array(np.zeros(len(asked), np.int64))),
        "conflict": pa.array(draw.random(len(asked)) < 0.1),
    }
    return {
        "documents": documents,
        "decisions": pa.table(decided, schema=schema.DECISIONS),
        "signals/statistics": pa.table([site, ids, *map(pa.array, sizes)], schema=schema.SIGNALS["statistics"]),
        "signals/language": pa.table(
            [site, ids, languages, pa.array(draw.random(count).astype(np.float32))], schema=schema.SIGNALS["language"]
        ),
        f"labels/{TASK.name}/examples": pa.table({name: own[name] for name in ("site", "post_id")}),
        f"labels/{TASK.name}/labels": pa.table(own),
    }


def write(root: Path, rows: int) -> dict[str, Any]:
    """Write a corpus of so many rows; its manifest, as far as it is read."""
    draw = np.random.default_rng(1)
    counts = [min(ROWS, rows - first) for first in range(0, rows, ROWS)]
    files: dict[str, Any] = {}
    for number, count in enumerate(counts):
        for folder, table in bucket(draw, number * ROWS, count).items():
            name = f"{folder}/{SITE}/{number:05d}-of-{len(counts):05d}.parquet"
            parquet.write(root / name, table, table.schema)
            files[name] = {"rows": count}
    selection = {"min_words": 5, "max_chars": 200_000}
    return {"files": files, "config": {"selection": selection, "near": {}}, "labels": {}, "sites": {SITE: {}}}


QUERIES = {
    "one number": (Query(where="score > 10"), Query(where="score > 12")),
    "two tables, sorted": (
        Query(where="score > 3 AND words < 50 AND code_share > 0.2", sort="documents.created", down="1"),
        Query(where="score > 2 AND words < 60 AND code_share > 0.3", sort="documents.created", down="1"),
    ),
    "four fields": (
        Query(kind="question", since="2015-01-01", lowest="2", decision="kept", sort="documents.score", down="1"),
        Query(kind="answer", since="2016-01-01", lowest="3", decision="dropped", sort="documents.score", down="1"),
    ),
    "tag": (Query(tag="tag77", sort="documents.score", down="1"), Query(tag="tag78", sort="documents.score")),
    "reason": (Query(decision="near_duplicate"), Query(decision="too_short")),
    "language": (
        Query(where="language.language = 'de' AND probability > 0.8"),
        Query(where="language.language = 'fr' AND probability > 0.9"),
    ),
    "label and probability": (
        Query(task=TASK.name, label="HQ", least="0.5", most="0.6", sort="quality.probability"),
        Query(task=TASK.name, label="LQ_EDIT", least="0.6", most="0.7", sort="quality.probability"),
    ),
    "nearest to a threshold": (Query(near="rule:too_short"), Query(near="rule:too_short", threshold="30")),
    "nearest of a task": (Query(near="task:quality"), Query(near="task:quality", threshold="0.6")),
}


def asked(searching: Searching, query: Query, after: Any = None) -> tuple[float, Answer]:
    """Ask a query: its time, and the answer."""
    started = time.perf_counter()
    *_, found = searching.steps(searching.plan(query), after)
    return time.perf_counter() - started, found


def filters(root: Path, facts: dict[str, Any], runs: int) -> bool:
    """Time the filters; whether all are fast enough when they are changed."""
    tasks, fast = {TASK.name: TASK}, True
    print(f"{'filter':<24}{'first s':>9}{'again s':>9}{'page 2 s':>9}{'cpu s':>9}{'posts':>12}")
    for name, (query, other) in QUERIES.items():
        times: list[tuple[float, float, float, float]] = []
        for _ in range(runs):
            store = ColumnStore(root, facts, tasks)
            searching = Searching(root, store, facts, tasks)
            first, _ = asked(searching, query)
            cpu = time.process_time()
            again, found = asked(searching, other)
            cpu = time.process_time() - cpu
            page = asked(searching, other, found.after)[0] if found.more else 0.0
            times.append((first, again, page, cpu))
        figures = [statistics.median(column) for column in zip(*times, strict=True)]
        fast &= figures[3] < TARGET
        print(f"{name:<24}{figures[0]:>9.2f}{figures[1]:>9.2f}{figures[2]:>9.2f}{figures[3]:>9.2f}{found.hits:>12,}")
    return fast


def texts(root: Path, facts: dict[str, Any]) -> None:
    """Time a text search, and beside it SQLite's full-text index of a tenth of the rows."""
    searching = Searching(root, ColumnStore(root, facts, {}), facts, {})
    for name, query in (
        ("frequent word", Query(text="w777ir w778or")),
        ("no such word", Query(text="nowhere to be found")),
        ("regular expression", Query(text=r"w7\d7.r w7\d8ur w\d", regex="1")),
    ):
        started, first = time.perf_counter(), 0.0
        for found in searching.steps(searching.plan(query)):
            if found.rows and not first:
                first = time.perf_counter() - started
        whole = time.perf_counter() - started
        rate = found.looked / whole
        print(f"text, {name:<24} first hit {first:.2f} s, end {whole:.2f} s, {rate:,.0f} posts a second")
    with tempfile.TemporaryDirectory(dir=root) as folder:
        database = sqlite3.connect(Path(folder) / "index.sqlite")
        database.execute("create virtual table posts using fts5(text, content='')")
        started, rows, size = time.perf_counter(), 0, 0
        for path in sorted((root / "documents").rglob("*.parquet"))[: max(1, len(facts["files"]) // 60)]:
            column = parquet.read(path, columns=["text"])["text"].to_pylist()
            database.executemany("insert into posts(rowid, text) values (?, ?)", enumerate(column, rows))
            rows, size = rows + len(column), size + sum(map(len, column))
        database.commit()
        seconds, bytes_ = time.perf_counter() - started, (Path(folder) / "index.sqlite").stat().st_size
        started = time.perf_counter()
        database.execute("select rowid from posts where posts match '\"w777ir w778or\"' limit 50").fetchall()
        print(
            f"FTS5: {rows:,} posts indexed in {seconds:.1f} s ({rows / seconds:,.0f} a second), {bytes_ / size:.2f} "
            f"bytes of index a character, a query {time.perf_counter() - started:.3f} s"
        )
        database.close()


def main() -> int:
    """Write, measure, remove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="socorpus-browse-", dir=given.folder))
    try:
        facts = write(root, given.rows)
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        print(json.dumps({"rows": given.rows, "files": len(facts["files"]), "megabytes": size // 1_000_000}))
        fast = filters(root, facts, given.runs)
        texts(root, facts)
    finally:
        shutil.rmtree(root)
    print(f"every changed filter in less than {TARGET:.0f} s of processor time: {'yes' if fast else 'no'}")
    return 0 if fast else 1


if __name__ == "__main__":
    raise SystemExit(main())
