"""The proof that nothing of what was removed is left in a corpus: every table that it has, by number."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import Int64
from socorpus.corpus.storage import files, generations, parquet
from socorpus.corpus.takedown.clearing import is_in
from socorpus.corpus.takedown.removals import Ids, Removals

_POSTS = ("post_id",)
_AUTHORS = ("user_id", "owner_user_id", "last_editor_user_id", "author_id", "closed_by")
_COMMENTS = ("comment_id", "left_out")
_KEYS = ("survivor", "cluster", "link", "evidence")
"""Texts that name posts as `SITE:ID`."""
_KEY = re.compile(r"([^\s:\"/]+):(\d+)")


def remaining(root: Path, removed: Removals) -> Iterator[str]:
    """A line for each file of the corpus at `root` that still has something of what was removed, and for what else is
    left of it: an earlier generation that is read, a build that was stopped, rows that could not be read."""
    tree = generations.finished(root)
    for left in generations.others(root):
        why = "an earlier state of the corpus that a process still reads, or what a stopped command left"
        yield f"{left.relative_to(root)}: {why}"
    if not removed:
        return
    for folder in (tree, root / "annotations"):
        for path in sorted(files.listed(folder, deep=True)):
            remains = list(_in_file(path, removed))
            if remains:
                more = f" and {len(remains) - 5:,} more" if len(remains) > 5 else ""
                yield f"{path.relative_to(folder.parent if folder != tree else tree)}: {', '.join(remains[:5])}{more}"


def _in_file(path: Path, removed: Removals) -> list[str]:
    """What a table has of what was removed, each once; it is read row group by row group."""
    known = parquet.column_names(path)
    wanted = [
        name for name in (*_POSTS, *_AUTHORS, *_COMMENTS, *_KEYS, "segments", "row", "thread_id") if name in known
    ]
    if not wanted:
        return []
    of_file = next((part for part in path.parts[::-1] if part in removed), None)
    remains: dict[str, None] = {}
    for table in parquet.batches(path, [*wanted, *(["site"] if "site" in known else [])]):
        if "site" in known:
            for site in pc.unique(table["site"]).to_pylist():
                if site in removed:
                    rows = table.filter(pc.equal(table["site"], site))
                    remains |= dict.fromkeys(_in_rows(rows, site, removed[site], wanted, path))
        elif of_file is not None:  # the lists of posts, by site in their paths
            remains |= dict.fromkeys(_in_rows(table, of_file, removed[of_file], wanted, path))
        for name in (name for name in _KEYS if name in wanted):
            remains |= dict.fromkeys(_named(table[name], removed, name))
    return list(remains)


def _in_rows(rows: pa.Table, site: str, ids: Ids, wanted: Iterable[str], path: Path) -> Iterator[str]:
    for name in wanted:
        if name in _POSTS:
            yield from (f"{site}:{number}" for number in _those(rows[name], ids.posts))
        if name == "thread_id":
            yield from (f"{site}:thread:{number}" for number in _those(rows[name], ids.threads))
        if name in _AUTHORS:
            yield from (f"{site}:user:{number}" for number in _those(rows[name], ids.authors))
        if name in _COMMENTS:
            yield from (f"{site}:comment:{number}" for number in _those(rows[name], ids.comments))
        if name == "segments":
            parts = pc.list_flatten(rows[name])
            comments = parts.filter(pc.equal(pc.struct_field(parts, "kind"), "comment"))
            yield from (f"{site}:comment:{n}" for n in _those(pc.struct_field(comments, "id"), ids.comments))
        if name == "row" and "quarantine" in path.parts and pc.sum(pc.binary_length(rows[name])).as_py():
            yield f"{site}: bytes of rows that could not be read"


def _those(column: pa.ChunkedArray, ids: Int64) -> list[int]:
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    numbers: list[int] = pc.unique(column.filter(pa.array(is_in(column, ids)))).to_pylist()
    return numbers


def _named(column: pa.ChunkedArray, removed: Removals, name: str) -> Iterator[str]:
    for site, ids in removed.items():
        posts = set(ids.posts.tolist())
        texts = column.filter(pc.fill_null(pc.match_substring(column, f"{site}:"), False)).to_pylist()
        for text in texts:
            for key in _KEY.finditer(text):
                if key[1] == site and int(key[2]) in posts:
                    yield f"{site}:{key[2]} in {name}"
