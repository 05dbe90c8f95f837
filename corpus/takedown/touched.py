"""What a request touches in a corpus, before anything is removed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.arrays import Int64
from socorpus.corpus.dump.threads import thread_of
from socorpus.corpus.storage import buckets, files, parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.corpus.takedown.clearing import is_in, mentioned, names_of
from socorpus.corpus.takedown.removals import AUTHOR, COMMENT, MENTION, POST, THREAD, Ids, Name, by_site

LISTED, GONE = "listed", "gone"
_COLUMNS = {
    "posts": ["post_id", "parent_id", "owner_user_id", "last_editor_user_id"],
    "comments": ["site", "comment_id", "post_id", "user_id", "text"],
    "history": ["post_id", "user_id"],
    "links": ["post_id"],
    "votes": ["post_id", "user_id"],
}


@dataclass
class Touched:
    """What is removed by a request, and what else changes.

    Attributes:
        because: each name, asked for or questions, with why it goes: listed, gone, or `author:ID` and `thread:ID`.
        changed: posts that stay and whose document changes: they had a comment that goes, or the title of a question
            that does.
        absent: what was asked for and is in no table.
        twins: posts that were dropped as duplicates of one that goes; one of each group is kept now.
    """

    because: dict[Name, str] = field(default_factory=dict)
    changed: list[Name] = field(default_factory=list)
    absent: list[Name] = field(default_factory=list)
    twins: list[Name] = field(default_factory=list)

    def posts(self) -> list[Name]:
        """The posts that go and are there."""
        absent = set(self.absent)
        return [name for name in self.because if name.kind == POST and name not in absent]


def find(tree: Path, facts: Mapping[str, Any], asked: Mapping[Name, str]) -> Touched:
    """Look for what is asked in the tables of a finished corpus, bucket by bucket.

    Args:
        asked: names with why they go. A thread is a question's, or that of any of its answers.
    """
    touched = Touched(dict(asked))
    seen: set[Name] = set()
    ids_of = by_site(_with_whole_threads(tree, facts, asked))
    touched.because |= {Name(site, THREAD, thread): LISTED for site, ids in ids_of.items() for thread in ids.threads}
    touched.because = {
        name: why
        for name, why in touched.because.items()
        if name.kind != THREAD or name.id in ids_of[name.site].threads
    }
    for site in {name.site for name in asked if name.kind == AUTHOR}:
        for path in files.listed(tree / "tables/users" / site):
            there = parquet.read(path, columns=["user_id", "display_name"])
            there = there.filter(_mask(there["user_id"], ids_of[site].authors))
            seen |= {Name(site, AUTHOR, number) for number in there["user_id"].to_pylist()}
            for row in there.to_pylist():
                numbers = names_of(site, row["user_id"], row["display_name"])
                touched.because |= {Name(site, MENTION, number): f"{AUTHOR}:{row['user_id']}" for number in numbers}
    ids_of = by_site(touched.because)
    for bucket in buckets.listed(facts["files"]):
        if bucket.site in ids_of:
            _in_bucket(tree, bucket, ids_of[bucket.site], touched, seen)
    touched.absent = [name for name in touched.because if name not in seen and name.kind != MENTION]
    touched.twins = _twins(tree, facts, set(touched.posts()))
    return touched


def _mask(column: pa.ChunkedArray, ids: Int64) -> pa.Array:
    return pa.array(is_in(column, ids))


def _with_whole_threads(tree: Path, facts: Mapping[str, Any], asked: Mapping[Name, str]) -> list[Name]:
    """The names, with threads of answers under the numbers of their questions."""
    threads = by_site(name for name in asked if name.kind == THREAD)
    if not threads:
        return list(asked)
    names = [name for name in asked if name.kind != THREAD]
    for site, ids in threads.items():
        questions = {number: number for number in ids.threads.tolist()}
        for bucket in buckets.listed(facts["files"]):
            if bucket.site == site:
                posts = parquet.read(tree / bucket.path("tables/posts"), columns=["post_id", "parent_id"])
                posts = posts.filter(_mask(posts["post_id"], ids.threads))
                questions |= dict(zip(posts["post_id"].to_pylist(), thread_of(posts).tolist(), strict=True))
        names += [Name(site, THREAD, number) for number in sorted(set(questions.values()))]
    return names


def _in_bucket(tree: Path, bucket: Bucket, ids: Ids, touched: Touched, seen: set[Name]) -> None:
    site = bucket.site
    tables = {
        name: parquet.read(tree / bucket.path(f"tables/{name}"), columns=_COLUMNS[name])
        for name in schema.BY_POST
        if files.exists(tree / bucket.path(f"tables/{name}"))
    }
    posts = tables["posts"]
    numbers, threads = np.asarray(posts["post_id"], np.int64), thread_of(posts)
    owners = np.asarray(pc.fill_null(posts["owner_user_id"], 0), np.int64)
    listed, by_author = np.isin(numbers, ids.posts), is_in(posts["owner_user_id"], ids.authors)
    by_thread = np.isin(threads, ids.threads)
    goes = listed | by_author | by_thread
    for row in np.flatnonzero(goes).tolist():
        why = f"{THREAD}:{threads[row]}" if by_thread[row] else f"{AUTHOR}:{owners[row]}"
        name = Name(site, POST, int(numbers[row]))
        touched.because.setdefault(name, LISTED if listed[row] else why)
        seen.add(name)
        if by_thread[row]:
            seen.add(Name(site, THREAD, int(threads[row])))
    gone = np.union1d(numbers[goes], ids.posts)
    titles = ~goes & np.isin(threads, gone) & (threads != numbers)
    changed = set(numbers[titles].tolist())
    if "comments" in tables:
        comments = tables["comments"]
        on, writer = np.asarray(comments["post_id"], np.int64), comments["user_id"]
        own = np.asarray(comments["comment_id"], np.int64)
        by_author, listed = is_in(writer, ids.authors), np.isin(own, ids.comments)
        people = np.asarray(pc.fill_null(writer, 0), np.int64)
        for row in np.flatnonzero(by_author | listed).tolist():
            name = Name(site, COMMENT, int(own[row]))
            touched.because.setdefault(name, f"{AUTHOR}:{people[row]}")
            seen.add(name)
        calls = np.isin(own, list(mentioned(tables, ids))) if len(ids.mentions) else np.zeros(len(own), bool)
        changed |= set(on[(by_author | listed | calls) & np.isin(on, numbers[~goes])].tolist())
    touched.changed += [Name(site, POST, number) for number in sorted(changed)]
    for table in tables.values():
        there = pc.unique(table["post_id"].filter(_mask(table["post_id"], ids.posts)))
        seen |= {Name(site, POST, number) for number in there.to_pylist()}
        for column in {"owner_user_id", "last_editor_user_id", "user_id"} & set(table.column_names):
            there = pc.unique(table[column].filter(_mask(table[column], ids.authors)))
            seen |= {Name(site, AUTHOR, number) for number in there.to_pylist()}


def _twins(tree: Path, facts: Mapping[str, Any], gone: set[Name]) -> list[Name]:
    """Posts that stay, and that were dropped for one that goes."""
    keys = pa.array([name.key for name in gone], pa.string())
    twins: dict[Name, None] = {}
    for bucket in buckets.listed(facts["files"]) if gone else ():
        for signal in ("exact", "near", "near_code"):
            path = tree / bucket.path(f"signals/{signal}")
            rows = parquet.read(path, columns=["site", "post_id", "survivor"])
            rows = rows.filter(pc.is_in(rows["survivor"], keys))
            names = (Name(row["site"], POST, row["post_id"]) for row in rows.to_pylist())
            twins |= dict.fromkeys(name for name in names if name not in gone)
    return list(twins)
