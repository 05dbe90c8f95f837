"""Posts that a corpus has and a newer dump of its sites doesn't."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.arrays import Int64
from socorpus.corpus.config import Config
from socorpus.corpus.dump import stage as dump_stage
from socorpus.corpus.dump.sources import Site
from socorpus.corpus.engine.context import BuildContext
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import buckets, parquet, partitions
from socorpus.corpus.storage.buckets import Buckets
from socorpus.corpus.takedown.removals import POST, Name

_READ = {"posts": ["post_id", "creation_date", "deletion_date"]}


def find(tree: Path, facts: Mapping[str, Any], sites: Sequence[Site], config: Config, engine: Engine) -> list[Name]:
    """The posts of a finished corpus that are gone from a newer dump, or are there as deleted.

    Args:
        sites: of the newer dump; those that the corpus doesn't have, and tables other than posts, are not read.
        engine: at work in a folder of its own, which the caller removes.

    Raises:
        InputError: no site of the corpus is in the dump, the dump is not newer, or rows of it can't be read: a post in
            one of these would be taken for gone.
    """
    own = {site.name: site for site in sites if site.name in facts["sites"]}
    if not own:
        raise InputError(
            f"the dump has the sites {', '.join(site.name for site in sites)}, and none of them is in the corpus, "
            f"which has {', '.join(facts['sites'])}"
        )
    only = [
        replace(site, tables=tuple(table for table in site.tables if table.table == "posts")) for site in own.values()
    ]
    context = BuildContext(engine.root, Buckets(()), config, engine)
    read = dump_stage.run(context, only).receipts
    gone: list[Name] = []
    for name in own:
        paths = [
            path for receipt in read.values() for path in receipt.outputs if path.startswith(f".work/parts/{name}/")
        ]
        unread = sum(
            counts["quarantined"]
            for receipt in read.values()
            for place, counts in receipt.counts.items()
            if place == f"{name}/posts"
        )
        if unread:
            raise InputError(
                f"{name}: {unread:,} rows of posts of the newer dump can't be read, and whose they are is not known: "
                "those posts would be taken for gone. Get the dump again, or list what is to be removed (--list)"
            )
        rows = partitions.read(
            [engine.root / path for path in sorted(paths)], schema.dump_schema("posts"), columns=_READ["posts"]
        )
        there = np.asarray(rows.filter(pc.is_null(rows["deletion_date"]))["post_id"], np.int64)
        gone += [Name(name, POST, number) for number in _lacking(tree, facts, name, there, _newest(rows))]
    return gone


def _lacking(tree: Path, facts: Mapping[str, Any], site: str, there: Int64, newest: Any) -> list[int]:
    lacking: list[int] = []
    latest = None
    for bucket in buckets.listed(facts["files"]):
        if bucket.site == site:
            rows = parquet.read(tree / bucket.path("tables/posts"), columns=["post_id", "creation_date"])
            numbers = np.asarray(rows["post_id"], np.int64)
            lacking += numbers[~np.isin(numbers, there)].tolist()
            latest = max(filter(None, (latest, _newest(rows))), default=None)
    if latest is not None and (newest is None or newest < latest):
        raise InputError(
            f"{site}: the newest post of the dump is of {newest}, that of the corpus of {latest}: it is no newer dump, "
            "and what it lacks is not gone"
        )
    return sorted(lacking)


def _newest(rows: pa.Table) -> Any:
    return pc.max(rows["creation_date"]).as_py()
