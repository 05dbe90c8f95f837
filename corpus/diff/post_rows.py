"""The rows of two corpora in a database of DuckDB on the disk, to be joined there; and their distributions on the way.

Memory stays bounded whatever the corpora have: a row group of each table is held at a time, and DuckDB keeps within its
limit by writing to its folder. Tables are read by way of `storage`: corpora in an object store come the same way.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.diff.histograms import LENGTHS, SCORES, Histogram
from socorpus.corpus.engine import machine
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import manifest_file, parquet

if TYPE_CHECKING:
    import duckdb

MEMORY = 1 << 30
"""Bytes that DuckDB may take; what is beyond goes to its folder."""
FOLDERS = ("documents", "decisions", "signals/statistics", "signals/privacy", "pairs", "shards")
"""Folders of a corpus that are read."""
SIDES = ("old", "new")
_POSTS = pa.schema(
    [
        pa.field("site", pa.int32()),
        pa.field("post_id", pa.int64()),
        pa.field("answer", pa.bool_()),
        pa.field("reason", pa.string()),
        pa.field("evidence", pa.string()),
        pa.field("digest", pa.binary(16)),
    ]
)
_TEXTS = pa.schema(
    [
        pa.field("site", pa.int32()),
        pa.field("post_id", pa.int64()),
        pa.field("title", pa.string()),
        pa.field("text", pa.string()),
    ]
)


@dataclass
class Counted:
    """What is counted of one corpus while its rows are read; of kept documents, and of their blocks of code.

    Attributes:
        reasons: site -> rule, or `None` for kept -> documents.
    """

    reasons: dict[str, Counter[str | None]] = field(default_factory=dict)
    chars: Histogram = field(default_factory=lambda: Histogram(LENGTHS))
    words: Histogram = field(default_factory=lambda: Histogram(LENGTHS))
    scores: Histogram = field(default_factory=lambda: Histogram(SCORES))
    tokens: Histogram = field(default_factory=lambda: Histogram(LENGTHS))
    years: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)


@contextmanager
def database() -> "Iterator[duckdb.DuckDBPyConnection]":
    """A database in a temporary folder, which goes with all that is in it; nothing else is within its reach."""
    import duckdb  # by this command only

    with TemporaryDirectory(prefix="socorpus-diff-") as folder:
        settings: dict[str, Any] = {
            "threads": machine.cores(),
            "memory_limit": f"{MEMORY >> 20}MiB",
            "temp_directory": str(Path(folder) / "spilled"),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
        }
        with duckdb.connect(str(Path(folder) / "rows.duckdb"), config=settings) as connected:
            try:
                yield connected
            except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
                line = str(error).partition("\n")[0]
                raise BuildError(
                    f"{folder}: the rows of both corpora could not be joined there ({line}); make room, or name "
                    "another temporary folder (TMPDIR), and run the same command again"
                ) from error


def load(
    database: "duckdb.DuckDBPyConnection", side: str, tree: Path, facts: Mapping[str, Any], sites: Sequence[str]
) -> Counted:
    """Put the posts and the kept texts of a corpus into the tables `SIDE_posts` and `SIDE_texts`, and count them.

    Args:
        side: of `SIDES`.
        tree, facts: the corpus and its manifest.
        sites: of both corpora; rows have a site's place in them.

    Raises:
        InputError: tables that belong together have other rows.
    """
    counted = Counted()
    posts, texts = _posts(tree, facts, sites, counted), _texts(tree, facts, sites, counted)
    # Hashes of 64 bits in place of digests and texts: of two texts of one post they are equal by chance once in 10^19.
    for name, columns, schema_of_rows, rows in (
        ("posts", "site, post_id, answer, reason, evidence, hash(digest) AS digest", _POSTS, posts),
        ("texts", "site, post_id, hash(title, text) AS text", _TEXTS, texts),
    ):
        errors: list[Exception] = []
        database.register("given", pa.RecordBatchReader.from_batches(schema_of_rows, _noting(rows, errors)))
        try:
            database.execute(f"CREATE TABLE {side}_{name} AS SELECT {columns} FROM given")
        except Exception:
            if errors:  # of which DuckDB tells only the text
                raise errors[0] from None
            raise
        database.unregister("given")
    return counted


def _noting(rows: Iterator[pa.RecordBatch], errors: list[Exception]) -> Iterator[pa.RecordBatch]:
    try:
        yield from rows
    except Exception as error:
        errors.append(error)
        raise


def _posts(tree: Path, facts: Mapping[str, Any], sites: Sequence[str], counted: Counted) -> Iterator[pa.RecordBatch]:
    for number, site in enumerate(sites):
        for path in manifest_file.tables(tree, f"documents/{site}", facts):
            bucket = f"{site}/{path.name}"
            kept_posts: list[Any] = []
            groups = zip(
                parquet.batches(path, ["post_id", "kind", "score", "created", "digest"]),
                parquet.batches(tree / "decisions" / bucket, ["post_id", "keep", "reason", "evidence"]),
                parquet.batches(tree / "signals/statistics" / bucket, ["post_id", "chars", "words"]),
                strict=True,
            )
            for documents, decisions, sizes in groups:
                if not (documents["post_id"] == decisions["post_id"] == sizes["post_id"]):
                    raise InputError(
                        f"{path}: other rows than decisions/{bucket} or signals/statistics/{bucket}; socorpus verify "
                        "says which of them is not what was written"
                    )
                keep = np.asarray(decisions["keep"])
                kept_posts.append(np.asarray(documents["post_id"], dtype=np.int64)[keep])
                _count(counted, site, documents.filter(pa.array(keep)), sizes.filter(pa.array(keep)))
                reasons = counted.reasons.setdefault(site, Counter())
                reasons.update({row["values"]: row["counts"] for row in decisions["reason"].value_counts().to_pylist()})
                columns = [
                    pa.array(np.full(documents.num_rows, number, np.int32)),
                    documents["post_id"],
                    pc.equal(documents["kind"], "answer"),
                    decisions["reason"],
                    decisions["evidence"],
                    documents["digest"],
                ]
                yield from pa.table(columns, schema=_POSTS).to_batches()
            _count_code(counted, tree, facts, bucket, kept_posts)


def _count(counted: Counted, site: str, documents: pa.Table, sizes: pa.Table) -> None:
    counted.chars.add(np.asarray(sizes["chars"]))
    counted.words.add(np.asarray(sizes["words"]))
    counted.scores.add(np.asarray(documents["score"]))
    years, counts = np.unique(np.asarray(pc.year(documents["created"]), dtype=np.int64), return_counts=True)
    counted.years.update(dict(zip(map(str, years.tolist()), counts.tolist(), strict=True)))


def _count_code(counted: Counted, tree: Path, facts: Mapping[str, Any], bucket: str, kept: Sequence[Any]) -> None:
    """Languages of the kept documents' blocks of code, of one bucket."""
    if f"pairs/{bucket}" not in facts["files"] or not kept:
        return
    posts = np.sort(np.concatenate(kept))
    for table in parquet.batches(tree / "pairs" / bucket, ["post_id", "language"]):
        here = np.isin(np.asarray(table["post_id"], dtype=np.int64), posts)
        languages = pc.fill_null(table["language"].filter(pa.array(here)), "not known")
        counted.languages.update({row["values"]: row["counts"] for row in languages.value_counts().to_pylist()})


def _texts(tree: Path, facts: Mapping[str, Any], sites: Sequence[str], counted: Counted) -> Iterator[pa.RecordBatch]:
    names = pa.array(sites, pa.string())
    for split in schema.SPLITS:
        for path in manifest_file.tables(tree, f"shards/{split}", facts):
            for table in parquet.batches(path, ["site", "post_id", "title", "text", "input_ids"]):
                counted.tokens.add(np.asarray(pc.list_value_length(table["input_ids"])))
                places = pc.index_in(table["site"], value_set=names)
                columns = [places, table["post_id"], table["title"], table["text"]]
                yield from pa.table(columns, schema=_TEXTS).to_batches()
