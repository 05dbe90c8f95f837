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
from socorpus.corpus.dump.sources import Site
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import buckets, parquet, partitions
from socorpus.corpus.takedown.removals import POST, Name

_READ = {"posts": ["post_id", "creation_date", "deletion_date"]}


def of_corpus(facts: Mapping[str, Any], sites: Sequence[Site]) -> list[Site]:
    """Those sites of a newer dump that a corpus has, with their posts alone.

    Raises:
        InputError: there is none.
    """
    own = [site for site in sites if site.name in facts["sites"]]
    if not own:
        raise InputError(
            f"the dump has the sites {', '.join(site.name for site in sites)}, and none of them is in the corpus, "
            f"which has {', '.join(facts['sites'])}"
        )
    posts = [tuple(table for table in site.tables if table.table == "posts") for site in own]
    return [replace(site, tables=tables) for site, tables in zip(own, posts, strict=True)]


def find(
    tree: Path, facts: Mapping[str, Any], sites: Sequence[Site], place: Path, read: Mapping[str, Receipt]
) -> list[Name]:
    """The posts of a finished corpus that are gone from a newer dump, or are there as deleted.

    Args:
        sites: of the newer dump (`of_corpus`).
        place, read: where its posts were read to, and the receipts of that.

    Raises:
        InputError: the dump is not newer, or rows of it can't be read: a post in one of these would be taken for gone.
    """
    gone: list[Name] = []
    for name in (site.name for site in sites):
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
            [place / path for path in sorted(paths)], schema.dump_schema("posts"), columns=_READ["posts"]
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
