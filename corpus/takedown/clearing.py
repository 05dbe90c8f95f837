"""The rows of a dump's tables without those of removed posts, comments and authors.

Of a removed author go all posts and comments, the row of the user, badges, and the revisions that they wrote in posts
of others; in other rows of others (who edited last, who closed, who voted) their number and name become null, and
`@NAME` in comments of others, in threads where they wrote, loses the name.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import Int64
from socorpus.corpus.dump.threads import thread_of
from socorpus.corpus.takedown.removals import Ids, mention

Mask = npt.NDArray[np.bool_]

_REVISIONS = 9
"""Types of history up to this one hold a text that somebody wrote; later ones are events."""
_VOTERS = '"Voters"'
_APOSTROPHE = re.compile("['’]")
_MENTION = re.compile(r"(?<![\w.])@([^\s@,;:!?()<>\"]+)")
NO_NAME = "@[removed]"
"""In the place of `@NAME`."""
OF_SITE = {"users": "user_id", "badges": "user_id"}
"""Tables of whole sites that have rows of authors, with the column of their number."""


def is_in(column: pa.ChunkedArray | pa.Array, ids: Int64) -> Mask:
    """Whether each number is one of some; null is none."""
    hits = pc.is_in(column, value_set=pa.array(ids))
    return np.asarray(hits.combine_chunks() if isinstance(hits, pa.ChunkedArray) else hits, dtype=bool)


def removed_posts(posts: pa.Table, ids: Ids) -> Mask:
    """Which rows of `posts` go: those that are named, of a thread, or of an author."""
    by_thread = np.isin(thread_of(posts), ids.threads)
    return is_in(posts["post_id"], ids.posts) | by_thread | is_in(posts["owner_user_id"], ids.authors)


def of_bucket(tables: Mapping[str, pa.Table], ids: Ids) -> dict[str, pa.Table]:
    """The tables of a bucket of threads (`schema.BY_POST`) without what is removed."""
    posts = tables["posts"]
    goes = removed_posts(posts, ids)
    gone = np.union1d(np.asarray(posts["post_id"], np.int64)[goes], np.union1d(ids.posts, ids.threads))
    changes = {"posts": posts.filter(pa.array(~goes))}
    for name, table in tables.items():
        if name == "posts":
            continue
        lost = is_in(table["post_id"], gone)
        if name == "comments":
            lost |= is_in(table["user_id"], ids.authors) | is_in(table["comment_id"], ids.comments)
        if name == "history":
            types = np.asarray(pc.fill_null(table["post_history_type_id"], 0), np.int64)
            lost |= is_in(table["user_id"], ids.authors) & (types <= _REVISIONS)
        changes[name] = table.filter(pa.array(~lost))
    if "comments" in changes and len(ids.mentions):
        changes["comments"] = _without_names(changes["comments"], tables, ids)
    changes["posts"] = _without(changes["posts"], "accepted_answer_id", gone)
    if len(ids.authors):
        editor = ("last_editor_user_id", "last_editor_display_name")
        changes["posts"] = _without(changes["posts"], editor[0], ids.authors, editor)
        if "votes" in changes:
            changes["votes"] = _without(changes["votes"], "user_id", ids.authors)
        if "history" in changes:
            changes["history"] = _without_voters(
                _without(changes["history"], "user_id", ids.authors, ("user_id", "user_display_name")), ids.authors
            )
    return {name: changes[name] for name in tables}


def mentioned(tables: Mapping[str, pa.Table], ids: Ids) -> dict[int, str]:
    """The comments of a bucket that name a removed author of their thread, with their texts without the name.

    Args:
        tables: as they were read, with all that is removed: who wrote in a thread is told by it.
    """
    comments = tables["comments"]
    named = np.asarray(pc.fill_null(pc.match_substring(comments["text"], "@"), False).combine_chunks(), dtype=bool)
    if not named.any():
        return {}
    posts = tables["posts"]
    threads = dict(zip(posts["post_id"].to_pylist(), thread_of(posts).tolist(), strict=True))
    known, present = set(ids.authors.tolist()), dict[int, set[int]]()
    for on, by in (*_pairs(posts, "owner_user_id"), *_pairs(comments, "user_id")):
        if by in known:
            present.setdefault(threads.get(on, on), set()).add(by)
    hashes, texts = set(ids.mentions.tolist()), dict[int, str]()
    for row in comments.filter(pa.array(named)).select(["site", "comment_id", "post_id", "text"]).to_pylist():
        authors = present.get(threads.get(row["post_id"], row["post_id"]), ())

        def less(match: re.Match[str], site: str = row["site"], authors: Iterable[int] = authors) -> str:
            whole = match[1].rstrip(".'’-")
            for called in (whole, _APOSTROPHE.split(whole)[0]):
                if any(mention(site, author, called) in hashes for author in authors):
                    return NO_NAME + match[1][len(called) :]
            return match[0]

        if authors and (text := _MENTION.sub(less, row["text"])) != row["text"]:
            texts[row["comment_id"]] = text
    return texts


def names_of(site: str, author: int, display_name: str | None) -> set[int]:
    """The numbers of the names by which others call an author in a comment: all words as one, or the first."""
    words = (display_name or "").split()
    return {mention(site, author, name) for name in ("".join(words), *words[:1]) if len(name) >= _SHORTEST}


_SHORTEST = 3
"""Letters of a name after @, by the site's own rule."""


def _pairs(table: pa.Table, people: str) -> Iterator[tuple[int, int]]:
    return zip(table["post_id"].to_pylist(), table[people].to_pylist(), strict=True)


def _without_names(comments: pa.Table, tables: Mapping[str, pa.Table], ids: Ids) -> pa.Table:
    texts = mentioned(tables, ids)
    if not texts:
        return comments
    place = comments.schema.get_field_index("text")
    both = zip(comments["comment_id"].to_pylist(), comments["text"].to_pylist(), strict=True)
    new = pa.array([texts.get(number, text) for number, text in both], pa.string())
    return comments.set_column(place, comments.schema.field(place), new)


def of_site(table: str, rows: pa.Table, ids: Ids) -> pa.Table:
    """A part of a table of a whole site without what is removed."""
    column = OF_SITE.get(table)
    return rows if column is None else rows.filter(pa.array(~is_in(rows[column], ids.authors)))


def of_quarantine(rows: pa.Table) -> pa.Table:
    """Rows that could not be read, with nothing of what they hold: whose they are can't be known."""
    place = rows.schema.get_field_index("row")
    return rows.set_column(place, rows.schema.field(place), pa.array([b""] * rows.num_rows, pa.binary()))


def _without(rows: pa.Table, column: str, ids: Int64, emptied: tuple[str, ...] = ()) -> pa.Table:
    """Rows with nulls in some columns (that one, by default) where a column has one of some numbers."""
    mask = is_in(rows[column], ids)
    if not mask.any():
        return rows
    for name in emptied or (column,):
        place = rows.schema.get_field_index(name)
        field = rows.schema.field(place)
        rows = rows.set_column(place, field, pc.if_else(pa.array(mask), pa.scalar(None, field.type), rows[name]))
    return rows


def _without_voters(history: pa.Table, authors: Int64) -> pa.Table:
    """Events without the accounts of authors among those that voted for them."""
    named = np.asarray(pc.fill_null(pc.match_substring(history["text"], _VOTERS), False).combine_chunks(), dtype=bool)
    if not named.any():
        return history
    texts: list[str | None] = history["text"].to_pylist()
    known = set(authors.tolist())
    for row in np.flatnonzero(named).tolist():
        texts[row] = _less(str(texts[row]), known)
    place = history.schema.get_field_index("text")
    return history.set_column(place, history.schema.field(place), pa.array(texts, pa.string()))


def _less(text: str, authors: set[int]) -> str | None:
    try:
        event: Any = json.loads(text)
        voters = event["Voters"]
        left = [voter for voter in voters if int(voter.get("Id", 0)) not in authors]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return text  # of no event: a text that has the word
    if len(left) == len(voters):
        return text
    return json.dumps({**event, "Voters": left}, ensure_ascii=False, separators=(",", ":"))
