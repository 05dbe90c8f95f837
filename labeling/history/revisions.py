"""The text of a post at a time, replayed from its history, in the form that documents have.

A revision is what one `RevisionGUID` did to title, body and tags: types 1, 2, 3 begin a post, 4, 5, 6 edit it, 7, 8, 9
roll it back. Its body is Markdown; rendered as the publisher renders it, it goes through the same reader of HTML as a
published body: a text does not show its origin.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.config import Documents
from socorpus.corpus.documents import build as documents_build
from socorpus.labeling.functions import Threads, Vote
from socorpus.labeling.history import markdown_html
from socorpus.labeling.schema import EXAMPLES

COMMUNITY = -1
"""The account under which the system itself edits."""
_FIELDS = {1: "title", 2: "body", 3: "tags", 4: "title", 5: "body", 6: "tags", 7: "title", 8: "body", 9: "tags"}
_TYPES = pa.array(list(_FIELDS), pa.int32())
_COLUMNS = ["history_id", "post_history_type_id", "post_id", "revision_guid", "creation_date", "user_id"]
_WORDS = ["user_display_name", "comment", "text"]
_ROLLBACK = re.compile(r"rollback to (?:\[(?P<guid>[0-9a-f-]{36})\]|revision (?P<number>\d{1,9})(?!\d))", re.IGNORECASE)
_NOTE_HTML = re.compile(
    r"\A\s*<blockquote>\s*<p><strong>possible duplicate:?</strong>.*?</blockquote>\s*", re.IGNORECASE | re.DOTALL
)
_NOTE = re.compile(r"\A\s*(?:>\s*)?\*\*possible duplicate:?\*\*.*(?:\n(?:>.*|\s*))*", re.IGNORECASE)


@dataclass(frozen=True)
class Revision:
    """A post after one revision; a field is None until a row sets it."""

    number: int
    """From 1, in order of time."""
    history_id: int
    """Of its first row."""
    at: int
    """Milliseconds since 1970, UTC."""
    user: int | None
    """Who made it; None where that account is gone."""
    changed: frozenset[str]
    """Of title, body and tags those that it has a row for."""
    title: str | None
    body: str | None
    """Markdown, lines ending in LF."""
    tags: tuple[str, ...] | None
    comment: str
    guid: str | None
    rollback: bool = False
    name: str | None = None
    """Display name in the history, which has one only of deleted accounts."""


@dataclass(frozen=True)
class RevisionState:
    """The text by which a post is judged; a field that is None is as published."""

    form: str
    """One of those of `schema.EXAMPLES`."""
    html: str | None = None
    title: str | None = None
    tags: tuple[str, ...] | None = None
    until: int | None = None
    """Comments from this millisecond on are left out; None: no comment is."""


PUBLISHED = RevisionState("published")


def state(threads: Threads, revision: Revision, form: str, until: int | None = None) -> RevisionState:
    """The text after a revision of a post of some threads."""
    html = None
    if revision.body is not None:
        # Most questions have the same text in several tasks.
        rendered = threads.once(_rendered)
        key = revision.history_id, revision.at, revision.body
        html = rendered.get(key)
        if html is None:
            html = rendered[key] = markdown_html.html(without_note(revision.body), revision.at)
    return RevisionState(form, html, revision.title, revision.tags, until)


def _rendered(threads: Threads) -> dict[tuple[int, int, str], str]:
    """Room for the HTML of revisions."""
    return {}


def of_questions(threads: Threads) -> dict[int, list[Revision]]:
    """`replay` of all questions."""
    return threads.once(_of_questions)


def _of_questions(threads: Threads) -> dict[int, list[Revision]]:
    questions = threads.documents.filter(pc.equal(threads.documents["kind"], "question"))
    return replay(threads.history, questions["post_id"].to_pylist())


def published(body: str | None) -> RevisionState:
    """The published text, without the note of a duplicate."""
    without = _NOTE_HTML.sub("", body or "", count=1)
    return PUBLISHED if without == (body or "") else RevisionState("published", without)


def replay(history: pa.Table | None, posts: Collection[int] | None = None) -> dict[int, list[Revision]]:
    """Revisions of each post that has any, in order of time.

    Rows of one `RevisionGUID` are one revision; a row without a GUID changes only its own field, one without a text
    nothing. A rollback without a text gets that of the revision which its comment names.

    Args:
        history: `corpus.schema.dump_schema("history")`; None where a site has none.
        posts: those wanted; all if None.
    """
    if history is None:
        return {}
    wanted = pc.is_in(history["post_history_type_id"], _TYPES)
    if posts is not None:
        wanted = pc.and_(wanted, pc.is_in(history["post_id"], pa.array(sorted(posts), pa.int64())))
    table = history.filter(wanted).select([*_COLUMNS, *_WORDS])
    table = table.set_column(4, "creation_date", pc.fill_null(table["creation_date"].cast(pa.int64()), 0))
    revisions: dict[int, list[Revision]] = {}
    order = [(name, "ascending") for name in ("post_id", "creation_date", "history_id")]
    for post, of_post in groupby(table.sort_by(order).to_pylist(), lambda row: row["post_id"]):
        if post is not None:
            revisions[post] = _replay(list(of_post))
    return revisions


def _replay(events: Sequence[Mapping[str, Any]]) -> list[Revision]:
    """Revisions of one post from its rows in order of time."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in events:
        grouped.setdefault(row["revision_guid"] or f"row {row['history_id']}", []).append(row)
    revisions: list[Revision] = []
    by_guid: dict[str, Revision] = {}
    for guid, members in grouped.items():
        head = members[0]
        kinds = {row["post_history_type_id"] for row in members}
        now = revisions[-1] if revisions else Revision(0, 0, 0, None, frozenset(), None, None, None, "", None)
        fields: dict[str, Any] = {}
        for row in members:
            name = _FIELDS[row["post_history_type_id"]]
            text = row["text"]
            if text is None and row["post_history_type_id"] >= 7:
                source = _rolled_back_to(row["comment"], revisions, by_guid)
                value = getattr(source, name) if source else None
            else:
                value = None if text is None else _value(name, text)
            if value is not None:
                fields[name] = value
        revisions.append(
            replace(
                now,
                **fields,
                number=len(revisions) + 1,
                history_id=head["history_id"],
                at=head["creation_date"],
                user=head["user_id"],
                changed=frozenset(_FIELDS[kind] for kind in kinds),
                comment=head["comment"] or "",
                guid=None if guid.startswith("row ") else guid,
                rollback=max(kinds) >= 7,
                name=head["user_display_name"],
            )
        )
        by_guid[guid] = revisions[-1]
    return revisions


def _value(name: str, text: str) -> str | tuple[str, ...]:
    if name == "tags":
        return tuple(tag for tag in re.split(r"[<>|\s]+", text) if tag)
    return text.replace("\r\n", "\n") if name == "body" else text


def _rolled_back_to(
    comment: str | None, revisions: Sequence[Revision], by_guid: Mapping[str, Revision]
) -> Revision | None:
    named = _ROLLBACK.search(comment or "")
    if named is None:
        return None
    if named["guid"]:
        return by_guid.get(named["guid"].lower())
    number = int(named["number"])
    return revisions[number - 1] if 1 <= number <= len(revisions) else None


def first(revisions: Sequence[Revision]) -> Revision | None:
    """The first revision whose body is known: the first of all, except for posts whose beginning is missing."""
    return next((revision for revision in revisions if revision.body is not None), None)


def last(revisions: Sequence[Revision]) -> Revision | None:
    """The last revision that changed the body."""
    return next(
        (revision for revision in reversed(revisions) if "body" in revision.changed and revision.body is not None), None
    )


def before(revisions: Sequence[Revision], time: int) -> Revision | None:
    """The last revision before a millisecond whose body is known."""
    return next(
        (revision for revision in reversed(revisions) if revision.at < time and revision.body is not None), None
    )


def without_note(body: str) -> str:
    """Markdown without the "Possible Duplicate" note that the system put above a question which it closed (to 2013)."""
    return _NOTE.sub("", body, count=1)


def examples(
    threads: Threads, states: Mapping[int, RevisionState], votes: Sequence[Vote], *, comments: bool
) -> pa.Table:
    """`labeling.schema.EXAMPLES` of some posts, each with the text of its state; `split` and `digest` are still empty.

    Args:
        states: by post; in the result they are sorted by it.
        votes: comments that these name (`gives_away`) are left out of their post's text.
        comments: whether texts include the comments of their posts.
    """
    wanted = pa.array(sorted(states), pa.int64())
    kept = threads.documents.filter(pc.is_in(threads.documents["post_id"], wanted)).sort_by("post_id")
    left_out: dict[int, set[int]] = {}
    for vote in votes:
        if vote.gives_away:
            left_out.setdefault(vote.post_id, set()).update(vote.gives_away)
    texts = _texts(threads, states, left_out, comments)
    texts = texts.take(pc.index_in(kept["post_id"], value_set=texts["post_id"].combine_chunks()))
    forms = [states[post].form for post in kept["post_id"].to_pylist()]
    given_away = [sorted(left_out.get(post, ())) for post in kept["post_id"].to_pylist()]
    columns = {name: kept[name] for name in ("site", "post_id", "thread_id", "kind", "created", "score")}
    columns |= {name: texts[name] for name in _OF_TEXT}
    columns |= {name: kept[name] for name in ("url", "license", "author")}
    columns |= {
        "form": pa.array(forms, pa.string()),
        "left_out": pa.array(given_away, pa.list_(pa.int64())),
        "split": pa.array([""] * len(forms), pa.string()),
        "digest": pa.array([bytes(16)] * len(forms), pa.binary(16)),
    }
    return pa.table([columns[name] for name in EXAMPLES.names], schema=EXAMPLES)


def _comments(
    table: pa.Table, states: Mapping[int, RevisionState], left_out: Mapping[int, Collection[int]]
) -> pa.Table:
    """Comments of posts except those left out, and those after a state's time."""
    gone = pa.array(sorted({comment for some in left_out.values() for comment in some}), pa.int64())
    table = table.filter(pc.invert(pc.is_in(table["comment_id"], gone)))
    ends = {post: state.until for post, state in states.items() if state.until is not None}
    if not ends:
        return table
    place = pc.index_in(table["post_id"], value_set=pa.array(list(ends), pa.int64()))
    end = pa.array(list(ends.values()), pa.int64()).take(place.combine_chunks())
    early = pc.less(table["creation_date"].cast(pa.int64()).combine_chunks(), end)
    return table.filter(pc.fill_null(early, True))


_OF_TEXT = ("tags", "title", "text", "own_end", "segments")
"""Columns of documents that a state changes."""


def _texts(
    threads: Threads, states: Mapping[int, RevisionState], left_out: Mapping[int, Collection[int]], comments: bool
) -> pa.Table:
    """`post_id` and `_OF_TEXT` of the posts with a state, each post once, in any order."""
    published = _published(threads, states, left_out, comments)
    same = pc.is_in(threads.documents["post_id"], pa.array(sorted(published), pa.int64()))
    parts = [threads.documents.filter(same).select(["post_id", *_OF_TEXT])]
    rest = {post: state for post, state in states.items() if post not in published}
    if comments:
        rows = _comments(threads.comments, rest, left_out)
        return pa.concat_tables([*parts, _built(threads, list(rest), states, rows)]) if rest else parts[0]
    # Most questions have the same text in several tasks.
    before = threads.once(_latest)
    keys = {post: (post, state.html, state.title, state.tags) for post, state in rest.items()}
    known = {post: before[0][0][key] for post, key in keys.items() if before and key in before[0][0]}
    if known:
        parts.append(before[0][1].take(list(known.values())))
        rest = {post: state for post, state in rest.items() if post not in known}
    if rest:
        parts.append(_built(threads, list(rest), states, threads.comments.slice(0, 0)))
        questions = set(
            threads.documents.filter(pc.equal(threads.documents["kind"], "question"))["post_id"].to_pylist()
        )
        places = enumerate(parts[-1]["post_id"].to_pylist())
        before[:] = [({keys[post]: place for place, post in places if post in questions}, parts[-1])]
    return pa.concat_tables(parts)


def _latest(threads: Threads) -> list[tuple[dict[Any, int], pa.Table]]:
    """Room for the last texts without comments: the row of each question in some state, and the table."""
    return []


def _published(
    threads: Threads, states: Mapping[int, RevisionState], left_out: Mapping[int, Collection[int]], comments: bool
) -> set[int]:
    """The posts with a state whose text is that of their document, with or without comments."""
    changed = {post for post, state in states.items() if state.title is not None or state.tags is not None}
    commented = set(threads.comments["post_id"].to_pylist()) if comments else set()
    documents = threads.documents
    rows = zip(*(documents[name].to_pylist() for name in ("post_id", "thread_id", "comments")), strict=True)
    return {
        post
        for post, thread, count in rows
        if (state := states.get(post)) is not None
        and (state.html, state.until) == (None, None)
        # An answer has its question's title and tags.
        and not (post in changed or thread in changed or left_out.get(post))
        # Documents have all of a post's comments, or, by configuration, none.
        and (count > 0 or post not in commented if comments else count == 0)
    }


def _built(
    threads: Threads, wanted: Sequence[int], states: Mapping[int, RevisionState], comments: pa.Table
) -> pa.Table:
    """Documents of some posts, made of posts that have their state's body, title and tags."""
    documents = threads.documents
    own = documents.filter(pc.is_in(documents["post_id"], pa.array(wanted, pa.int64())))
    needed = pa.chunked_array([*own["post_id"].chunks, *own["thread_id"].chunks], pa.int64()).unique()
    posts = threads.posts.filter(pc.is_in(threads.posts["post_id"], needed))
    places = {post: row for row, post in enumerate(posts["post_id"].to_pylist())}
    for name in ("body", "title", "tags"):
        column = posts[name].to_pylist()
        for post, state in states.items():
            value = state.html if name == "body" else state.title if name == "title" else state.tags
            if value is not None and post in places:
                column[places[post]] = value
        place = posts.schema.get_field_index(name)
        kind = posts.schema.field(place)
        posts = posts.set_column(place, kind, pa.array(column, kind.type))
    built = documents_build.build(posts, comments, None, None, site=threads.site, host="", config=Documents())
    built = built.filter(pc.is_in(built["post_id"], own["post_id"].combine_chunks()))
    return built.select(["post_id", *_OF_TEXT])
