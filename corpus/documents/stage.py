"""Documents and pairs of one bucket of threads."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.arrays import counted
from socorpus.corpus.config import Documents
from socorpus.corpus.documents import build as documents_build
from socorpus.corpus.documents import pairs as pairs_stage
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.buckets import Bucket


def build_documents(
    root: Path, bucket: Bucket, host: str, tables: Sequence[str], users: Sequence[str], config: Documents
) -> Outcome:
    """Rows of a bucket -> documents.

    Args:
        tables: the tables of `schema.BY_POST` that the site has.
        users: parts of the site's users.
    """
    rows = {name: _rows(root, bucket, name) for name in tables}
    posts = rows["posts"]
    table = documents_build.build(
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
    return Outcome({path: parquet.write(root / path, table, schema.DOCUMENTS)}, counts)


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


def build_pairs(root: Path, bucket: Bucket) -> Outcome:
    """Documents and their privacy spans -> pairs of code and prose, redacted."""
    columns = ["site", "post_id", "title", "text", "own_end", "segments"]
    documents = parquet.read(root / bucket.path("documents"), columns=columns)
    table = pairs_stage.build(documents, parquet.read(root / bucket.path("signals/privacy")))
    path = bucket.path("pairs")
    return Outcome({path: parquet.write(root / path, table, schema.PAIRS)}, {"languages": counted(table["language"])})
