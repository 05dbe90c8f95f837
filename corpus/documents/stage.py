"""Documents and pairs of one bucket of threads."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.arrays import counted
from socorpus.corpus.config import Documents
from socorpus.corpus.documents import authors_stage
from socorpus.corpus.documents import build as documents_build
from socorpus.corpus.documents import pairs as pairs_stage
from socorpus.corpus.dump import addresses
from socorpus.corpus.dump.sources import Site
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.context import BuildContext, Receipts
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.corpus.toml_config import as_dict

_TABLES = ("posts", "comments", "history")
"""Tables of the dump that documents are made of, beside its users."""


def run(context: BuildContext, sites: Sequence[Site], reading: Receipts, gathered: Receipts) -> dict[str, Receipt]:
    """Rows of a bucket -> documents; receipts by bucket.

    Args:
        reading: receipts of the parts of the dump, for its users.
        gathered: receipts of the tables of each bucket.
    """
    engine, users = context.engine, _users(reading)
    hosts = {site.name: addresses.configured(site, context.config) or site.host for site in sites}
    config = context.config.documents
    items = []
    for bucket in context.buckets:
        receipt = gathered[bucket.name]
        tables = [table for table in _TABLES if bucket.path(f"tables/{table}") in receipt.outputs]
        paths = [bucket.path(f"tables/{table}") for table in tables]
        inputs = {path: receipt.outputs[path].sha256 for path in paths}
        if own := users.get(bucket.site):
            inputs["users"] = own[1]
        host = hosts[bucket.site]
        arguments = {"bucket": bucket, "host": host, "tables": tables, "users": own is not None, "config": config}
        weight = receipt.outputs[bucket.path("tables/posts")].bytes + 1
        section = [as_dict(config), host]
        items.append(WorkItem("documents", bucket.name, build_documents, arguments, inputs, 3, section, weight))
    stale = {item.name.partition("/")[0] for item in engine.stale(items)}
    engine.run("authors", [users[site][0] for site in sorted(stale & users.keys())])
    done = engine.run("documents", items)
    files.remove(context.root / authors_stage.FOLDER)
    context.prune("documents", done, ["documents"])
    return done


def _users(reading: Receipts) -> dict[str, tuple[WorkItem, str]]:
    """By site, the item that writes the names of its users, and their hash; of sites that have a table of them."""
    parts: dict[str, dict[str, str]] = {}
    for receipt in reading.values():
        for path, output in receipt.outputs.items():
            if path.startswith("tables/users/"):
                parts.setdefault(path.split("/")[2], {})[path] = output.sha256
    users = {}
    for site, of in parts.items():
        content = receipts.fingerprint(of)
        given = {"site": site, "parts": len(of)}
        users[site] = WorkItem("authors", site, authors_stage.build, given, {"users": content}), content
    return users


def pair(context: BuildContext, documents: Receipts, privacy: Receipts) -> dict[str, Receipt]:
    """Documents -> code with the prose around it, redacted; receipts by bucket."""
    done = context.by_bucket("pairs", build_pairs, documents, privacy)
    context.prune("pairs", done, ["pairs"])
    return done


def build_documents(
    root: Path, bucket: Bucket, host: str | None, tables: Sequence[str], users: bool, config: Documents
) -> Outcome:
    """Rows of a bucket -> documents.

    Args:
        host: as `documents.build.build` takes it.
        tables: the tables of `schema.BY_POST` that the site has.
        users: whether the site has a table of users.
    """
    rows = {name: _rows(root, bucket, name) for name in tables}
    posts = rows["posts"]
    table = documents_build.build(
        posts,
        rows.get("comments", schema.dump_schema("comments").empty_table()),
        rows.get("history"),
        authors_stage.names_of(root, bucket.site, posts["owner_user_id"]) if users else None,
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


def build_pairs(root: Path, bucket: Bucket) -> Outcome:
    """Documents and their privacy spans -> pairs of code and prose, redacted."""
    columns = ["site", "post_id", "title", "text", "own_end", "segments"]
    documents = parquet.read(root / bucket.path("documents"), columns=columns)
    table = pairs_stage.build(documents, parquet.read(root / bucket.path("signals/privacy")))
    path = bucket.path("pairs")
    return Outcome({path: parquet.write(root / path, table, schema.PAIRS)}, {"languages": counted(table["language"])})
