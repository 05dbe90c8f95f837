"""The stages that look at one bucket of documents at a time: what lies on disk goes through a pure function and back.

A signal row depends on its document's content alone, so it is taken from an earlier build where the digest is the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import contamination, parquet, receipts, schema, selection
from socorpus.corpus import documents as documents_stage
from socorpus.corpus import pairs as pairs_stage
from socorpus.corpus.config import Contamination, Documents, Selection
from socorpus.corpus.engine import Made
from socorpus.corpus.threads import bucket_name


@dataclass(frozen=True)
class Bucket:
    """One bucket of a site's threads: the `number`-th of `of`; `index` counts the buckets of all sites."""

    site: str
    number: int
    of: int
    index: int

    @property
    def name(self) -> str:
        """`SITE/NUMBER-of-OF`: the bucket's file in every folder, without its suffix."""
        return f"{self.site}/{bucket_name(self.number, self.of)}"

    def path(self, folder: str) -> str:
        """The bucket's file in a folder of the corpus."""
        return f"{folder}/{self.name}.parquet"


@dataclass(frozen=True)
class Signal:
    """A stage that marks documents: its function and the columns of the documents that it reads.

    `find(documents)`, or `find(documents, config)` where `section` names its part of the configuration, answers
    `schema.SIGNALS[name]`, row for row.
    """

    name: str
    find: Callable[..., pa.Table]
    columns: tuple[str, ...]
    section: str | None = None
    version: int = 1


@dataclass(frozen=True)
class Marking:
    """A signal with its configuration, and the hash of both: rows of an equal recipe can be used again."""

    signal: Signal
    config: Any
    recipe: str


def counted(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value occurs, by its name; a null is called None."""
    return {str(pair["values"]): pair["counts"] for pair in pc.value_counts(column).to_pylist()}


def build_documents(
    root: Path, bucket: Bucket, host: str, tables: Sequence[str], users: Sequence[str], config: Documents
) -> Made:
    """Rows of a bucket -> documents.

    Args:
        tables: the tables of `schema.BY_POST` that the site has.
        users: parts of the site's users.
    """
    rows = {name: _rows(root, bucket, name) for name in tables}
    posts = rows["posts"]
    table = documents_stage.build(
        posts,
        rows.get("comments", schema.dump_schema("comments").empty_table()),
        rows.get("history"),
        _authors(root, users, posts["owner_user_id"]),
        site=bucket.site,
        host=host,
        config=config,
    )
    path = bucket.path("documents")
    counts = {"kinds": counted(table["kind"]), "licenses": counted(table["license"])}
    return Made({path: parquet.write(root / path, table, schema.DOCUMENTS)}, counts)


def _rows(root: Path, bucket: Bucket, table: str) -> pa.Table:
    columns = ["history_id", "post_id", "creation_date"] if table == "history" else None
    return parquet.read(root / bucket.path(f"tables/{table}"), columns=columns)


def _authors(root: Path, users: Sequence[str], owners: pa.ChunkedArray) -> pa.Table | None:
    # Row group by row group: the users of the whole site would not fit.
    wanted = owners.unique()
    found = [
        some.filter(pc.is_in(some["user_id"], wanted))
        for part in users
        for some in parquet.batches(root / part, ["user_id", "display_name"])
    ]
    return pa.concat_tables(found) if found else None


def mark(root: Path, bucket: Bucket, markings: Sequence[Marking]) -> Made:
    """Run the signal stages over a bucket, but for the rows that an earlier build has."""
    columns = dict.fromkeys(["site", "post_id", "digest", *(c for m in markings for c in m.signal.columns)])
    documents = parquet.read(root / bucket.path("documents"), columns=list(columns))
    outputs: dict[str, int] = {}
    counts: dict[str, Any] = {}
    for marking in markings:
        name = marking.signal.name
        table, reused = _marked(documents, marking, _earlier(root, bucket, marking))
        path = bucket.path(f"signals/{name}")
        outputs[path] = parquet.write(root / path, table, schema.SIGNALS[name])
        counts[name] = {"recipe": marking.recipe, "reused": reused, **_tally(name, table)}
    return Made(outputs, counts)


def _marked(documents: pa.Table, marking: Marking, old: pa.Table | None) -> tuple[pa.Table, int]:
    wide = schema.SIGNALS[marking.signal.name]
    config = contamination.load(marking.config) if isinstance(marking.config, Path) else marking.config
    given = () if config is None else (config,)
    if old is None:
        return marking.signal.find(documents, *given), 0
    at = pc.index_in(documents["digest"], value_set=old["digest"].combine_chunks())
    known = np.asarray(pc.is_valid(at))
    again = old.take(pc.drop_null(at).combine_chunks())
    same = documents.filter(pa.array(known))
    for position, name in enumerate(("site", "post_id")):
        again = again.set_column(position, wide.field(name), same[name])
    made = marking.signal.find(documents.filter(pa.array(~known)), *given)
    order = np.argsort(np.concatenate([np.flatnonzero(known), np.flatnonzero(~known)]))
    return pa.concat_tables([again.cast(wide), made.cast(wide)]).take(pa.array(order)), again.num_rows


def _earlier(root: Path, bucket: Bucket, marking: Marking) -> pa.Table | None:
    """What an earlier build marked by the same recipe in the buckets that may hold this bucket's threads."""
    found = []
    name = marking.signal.name
    for path in sorted((root / "signals" / name / bucket.site).glob("*.parquet")):
        number, _, of = path.stem.partition("-of-")
        fewer = min(int(of), bucket.of)
        if int(number) % fewer == bucket.number % fewer:
            receipt = receipts.load(root, "signals", f"{bucket.site}/{path.stem}")
            if receipt and receipt.counts.get(name, {}).get("recipe") == marking.recipe:
                found.append(parquet.read(path))
    return pa.concat_tables(found) if found else None


def _tally(name: str, table: pa.Table) -> dict[str, Any]:
    """What the report wants to know of a signal without reading it again."""
    if name == "privacy":
        kinds = pc.struct_field(pc.list_flatten(table["spans"]), "kind")
        return {"kinds": counted(kinds)}
    if name == "language":
        return {"languages": counted(table["language"])}
    return {}


def index_benchmarks(root: Path, config: Contamination) -> Made:
    """Benchmark files -> the index that documents are held against."""
    index = contamination.build(config.benchmarks, config.ngram)
    path = ".work/benchmarks.npz"
    contamination.save(index, root / path)
    return Made({path: len(index.size)}, {"examples": len(index.size), "skipped": index.skipped})


def build_pairs(root: Path, bucket: Bucket) -> Made:
    """Documents and their privacy spans -> pairs of code and prose, scrubbed."""
    columns = ["site", "post_id", "title", "text", "own_end", "segments"]
    documents = parquet.read(root / bucket.path("documents"), columns=columns)
    table = pairs_stage.build(documents, parquet.read(root / bucket.path("signals/privacy")))
    path = bucket.path("pairs")
    return Made({path: parquet.write(root / path, table, schema.PAIRS)}, {"languages": counted(table["language"])})


def apply_rules(root: Path, bucket: Bucket, config: Selection) -> Made:
    """The rules of one row: decisions but for duplicates."""
    rows = parquet.read(root / bucket.path("documents"), columns=selection.DOCUMENT_COLUMNS)
    for signal, columns in selection.SIGNAL_COLUMNS.items():
        marks = parquet.read(root / bucket.path(f"signals/{signal}"), columns=columns)
        for column in columns:
            rows = rows.append_column(column, marks[column])
    table = selection.apply_rules(rows, config)
    path = bucket.path(".work/rules")
    return Made({path: parquet.write(root / path, table, schema.DECISIONS)})


def decide(root: Path, bucket: Bucket, elected: str) -> Made:
    """The rules' decisions and the elected twins -> decisions; counts what is kept and dropped, and why."""
    lost = parquet.read(root / elected)
    lost = lost.filter(pc.equal(lost["bucket"], bucket.index))
    table = selection.drop_duplicates(parquet.read(root / bucket.path(".work/rules")), lost)
    texts = parquet.read(root / bucket.path("documents"), columns=["text"])["text"]
    kept = pc.sum(pc.binary_length(texts.filter(table["keep"]))).as_py() or 0
    path = bucket.path("decisions")
    counts: Mapping[str, Any] = {
        "kept": pc.sum(table["keep"]).as_py() or 0,
        "dropped": dict(sorted(counted(table["reason"].drop_null()).items())),
        "kept_bytes": kept,
    }
    return Made({path: parquet.write(root / path, table, schema.DECISIONS)}, counts)


def elect(root: Path, twins: str, buckets: Sequence[Bucket], config: Selection) -> Made:
    """Settle all groups of duplicates among the members that the rules keep."""
    members = parquet.read(root / twins)
    keep = np.zeros(members.num_rows, bool)
    where = np.asarray(members["bucket"], dtype=np.int64)
    row = np.asarray(members["row"], dtype=np.int64)
    for bucket in buckets:
        here = np.flatnonzero(where == bucket.index)
        if len(here):
            ruled = parquet.read(root / bucket.path(".work/rules"), columns=["keep"])["keep"]
            keep[here] = np.asarray(ruled)[row[here]]
    table = selection.elect(members, keep, config)
    path = ".work/elected.parquet"
    return Made({path: parquet.write(root / path, table, table.schema)})
