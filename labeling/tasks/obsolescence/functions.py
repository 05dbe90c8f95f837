"""Obsolete answers: from comments, notices, votes, later edits and later answers.

Statements in comments (`sentences`) count as they stand after all comments: a denial takes back an earlier statement, a
"yes" turns a question into one. Comments and edits that give a label away are in no example's text.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling.functions import Threads, Vote, votes
from socorpus.labeling.history import revisions
from socorpus.labeling.history.revisions import Revision, RevisionState
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.obsolescence.comments import UNWELL, comments_of, last_words
from socorpus.labeling.tasks.obsolescence.newer_versions import (
    MARKER,
    SUMMARY,
    added,
    names_of,
    newer_in_edit,
    overtaken,
)
from socorpus.labeling.tasks.obsolescence.sentences import CURRENT, OBSOLETE, has_cue, sentences, statements, unquoted

NOTICES: Mapping[str, str] = {"22": "historical significance", "28": "obsolete"}
"""Kinds of post notices that mark a post as obsolete, by the publisher's number."""
OUTDATED_NOTICE = "10"
"""The kind of a question's notice (a bounty's reason) by which current answers are outdated."""

_ADDED, _REMOVED = 33, 34
_OUTDATED_VOTE, _NOT_OUTDATED_VOTE = 29, 30
_DAY = 86_400_000
_SUMMARY_OTHER = re.compile(r"\b(?:links?|urls?|images?|tags?|typos?|grammar)\b|\bnot\b|\?", re.IGNORECASE)
_THANKS = re.compile(
    r"\b(?:thank(?:s| you)|work(?:ed|s) (?:for me|like|perfectly|great|well)|saved my"
    r"|exactly what i|solved (?:my|it|the)|helped)\b",
    re.IGNORECASE,
)


# Facts, and the texts that are judged.


def collect(threads: Threads) -> dict[str, Any]:
    """Number of the bucket's posts by the number of their notices."""
    notices = _rows(threads, (_ADDED,))
    posts = {(row["comment"], row["post_id"]) for row in notices if row["comment"]}
    return {threads.site: dict(Counter(number for number, _ in posts))}


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """`{"sites": {SITE: {"notices": {NUMBER: posts}, "kinds": bool}}}`.

    A dump's notice number is meant to identify a single notice, on one post; only if numbers recur on several posts
    (`kinds`) can they be read as kinds of notices.
    """
    sites: dict[str, Counter[str]] = {}
    for part in parts:
        for site, counts in part.items():
            sites.setdefault(site, Counter()).update(counts)
    return {
        "sites": {
            site: {"notices": dict(sorted(counts.items())), "kinds": max(counts.values(), default=0) > 1}
            for site, counts in sorted(sites.items())
        }
    }


def _rows(threads: Threads, kinds: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of history of some types, in order of post and time; none where the site has no history."""
    if threads.history is None:
        return []
    table = threads.history
    table = table.filter(pc.is_in(table["post_history_type_id"], pa.array(list(kinds), pa.int32())))
    place = table.schema.get_field_index("creation_date")
    table = table.set_column(place, "at", pc.fill_null(table["creation_date"].cast(pa.int64()), 0))
    return table.sort_by([(name, "ascending") for name in ("post_id", "at", "history_id")]).to_pylist()


def examples(threads: Threads, votes: Sequence[Vote]) -> pa.Table:
    """Every answer with its comments, except those that give its label away.

    If a vote rests on an edit, or the answer was edited after the comment on which it rests, the text is the one before
    (`before_notice`), with the comments until then. Without history the answer's own note is cut out.
    """
    answers = threads.documents.filter(pc.equal(threads.documents["kind"], "answer"))
    bodies = dict(zip(threads.posts["post_id"].to_pylist(), threads.posts["body"].to_pylist(), strict=True))
    ends: dict[int, int] = {}
    notes: set[int] = set()
    for vote in votes:
        if "text_before" in vote.evidence:
            end = _milliseconds(vote.evidence["text_before"])
            ends[vote.post_id] = min(end, ends.get(vote.post_id, end))
        if vote.evidence.get("note_in_text"):
            notes.add(vote.post_id)
    known = revisions.replay(threads.history, ends)
    states: dict[int, RevisionState] = {}
    for post in answers["post_id"].to_pylist():
        earlier = revisions.before(known.get(post, []), ends[post]) if post in ends else None
        if earlier is not None and earlier is not revisions.last(known[post]):
            states[post] = revisions.state(earlier, "before_notice", until=ends[post])
        elif post in notes:
            states[post] = RevisionState("before_notice", _without_notes(bodies[post]))
        else:
            states[post] = revisions.PUBLISHED
    return revisions.examples(threads, states, votes, comments=True)


_OPENING = re.compile(r"<(p|li|h[1-6]|blockquote)\b", re.IGNORECASE)
_CLOSING = re.compile(r"</(p|li|h[1-6]|blockquote)>", re.IGNORECASE)


def _without_notes(body: str) -> str:
    """HTML without the paragraphs that state that the answer is out of date."""
    closings: dict[str, list[tuple[int, int]]] = {}
    for tag in _CLOSING.finditer(body):
        closings.setdefault(tag[1].lower(), []).append(tag.span())
    pieces, done, inside = list[str](), 0, 0
    for tag in _OPENING.finditer(body):
        if tag.start() < done:
            continue
        if inside <= tag.end():
            inside = body.find(">", tag.end()) + 1
        if not inside:
            break
        ends = closings.get(tag[1].lower(), [])
        number = bisect_left(ends, (inside,))
        if number < len(ends):
            start, end = tag.start(), ends[number][1]
            note = _own_note(re.sub(r"<[^>]+>", " ", body[start:end]))
            pieces.append(body[done:start] if note else body[done:end])
            done = end
    return "".join([*pieces, body[done:]])


def _moment(milliseconds: int) -> str:
    """A time for evidence, from milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


TASK = Task(
    "obsolescence",
    {
        CURRENT: "the answer works today as it is written",
        OBSOLETE: "the answer no longer works, or is no longer how it is done",
    },
    question="Does what this text says still hold today?",
    unit="answer",
    collect=collect,
    merge=merge,
    examples=examples,
    listed=OBSOLETE,
    version=2,
)


# Functions.


@votes(TASK)
def comment_says_so(threads: Threads) -> Iterator[Vote]:
    """A comment says that the answer is out of date, and none denies it later."""
    for word in last_words(threads):
        if word.label == OBSOLETE:
            evidence = {
                "comment": word.comment_id,
                "cue": word.cue,
                "sentence": word.sentence,
                "text_before": _moment(word.at),
            }
            yield Vote(word.post_id, OBSOLETE, evidence, gives_away=word.give_away)


@votes(TASK)
def comment_denies_it(threads: Threads) -> Iterator[Vote]:
    """A comment says that the answer still works, or denies that it is out of date, and none says otherwise later."""
    for word in last_words(threads):
        if word.label == CURRENT:
            evidence = {"comment": word.comment_id, "cue": word.cue, "sentence": word.sentence}
            yield Vote(word.post_id, CURRENT, evidence, gives_away=word.give_away)


@votes(TASK)
def notice(threads: Threads) -> Iterator[Vote]:
    """A notice that stands on the answer, or one on its question, whose kind says that it is out of date."""
    kinds = threads.facts.get("sites", {}).get(threads.site, {}).get("kinds", False)
    standing: dict[int, dict[str, dict[str, Any]]] = {}
    outdated: dict[int, dict[str, Any]] = {}
    for row in _rows(threads, (_ADDED, _REMOVED)):
        number = (row["comment"] or "").strip()
        if row["post_history_type_id"] == _REMOVED:
            standing.get(row["post_id"], {}).pop(number, None)
            continue
        standing.setdefault(row["post_id"], {})[number] = row
        # A bounty's notice ends with the bounty; its verdict on the answers of its time remains.
        if kinds and number == OUTDATED_NOTICE:
            outdated[row["post_id"]] = row
    answers = threads.documents.filter(pc.equal(threads.documents["kind"], "answer"))
    columns = (answers["post_id"], answers["thread_id"], answers["created"].cast(pa.int64()))
    for post, thread, created in zip(*(column.to_pylist() for column in columns), strict=True):
        for number, row in standing.get(post, {}).items():
            means = NOTICES.get(number) if kinds else None
            if means is None and has_cue(f"{row['comment'] or ''} {row['text'] or ''}"):
                means = "its text says so"
            if means is not None:
                evidence = {
                    "history_id": row["history_id"],
                    "notice": number,
                    "means": means,
                    "text_before": _moment(row["at"]),
                }
                yield Vote(post, OBSOLETE, evidence)
        if thread in outdated and created < outdated[thread]["at"]:
            row = outdated[thread]
            evidence = {
                "history_id": row["history_id"],
                "notice": OUTDATED_NOTICE,
                "means": "current answers are outdated",
            }
            yield Vote(post, OBSOLETE, evidence | {"text_before": _moment(row["at"])})


@votes(TASK)
def outdated_votes(threads: Threads) -> Iterator[Vote]:
    """More votes of "outdated" (29) than of "not outdated" (30), or the other way round."""
    answers = set(threads.documents.filter(pc.equal(threads.documents["kind"], "answer"))["post_id"].to_pylist())
    kinds = pa.array([_OUTDATED_VOTE, _NOT_OUTDATED_VOTE], pa.int32())
    table = threads.votes.filter(pc.is_in(threads.votes["vote_type_id"], kinds))
    counts: dict[int, Counter[int]] = {}
    for post, kind in zip(table["post_id"].to_pylist(), table["vote_type_id"].to_pylist(), strict=True):
        if post in answers:
            counts.setdefault(post, Counter())[kind] += 1
    for post, count in counts.items():
        outdated, fine = count[_OUTDATED_VOTE], count[_NOT_OUTDATED_VOTE]
        if outdated != fine:
            yield Vote(post, OBSOLETE if outdated > fine else CURRENT, {"outdated": outdated, "not_outdated": fine})


@votes(TASK)
def edit_names_newer_version(threads: Threads) -> Iterator[Vote]:
    """An edit of the answer brings it up to a newer version: the text before it was out of date."""
    names = names_of(threads)
    for post, replayed in _edited(threads).items():
        for earlier, later in _edits(replayed):
            mention = newer_in_edit(earlier, later, names)
            if mention is not None:
                evidence = {"history_id": later.history_id, "version": f"{mention.name} {mention.version}"}
                yield Vote(post, OBSOLETE, evidence | {"text_before": _moment(later.at)})
                break


def _edited(threads: Threads) -> dict[int, list[Revision]]:
    """Revisions of the answers whose body was edited."""
    answers = threads.documents.filter(pc.equal(threads.documents["kind"], "answer"))
    if threads.history is None:
        return {}
    bodies = threads.history.filter(pc.equal(threads.history["post_history_type_id"], 5))
    posts = set(bodies["post_id"].to_pylist()) & set(answers["post_id"].to_pylist())
    return revisions.replay(threads.history, posts)


def _edits(replayed: Sequence[Revision]) -> Iterator[tuple[Revision, Revision]]:
    """Edits of a body: the revision before and after; without rollbacks."""
    for earlier, later in pairwise(replayed):
        if "body" in later.changed and not later.rollback and earlier.body is not None and later.body is not None:
            yield earlier, later


@votes(TASK)
def edit_summary_says_so(threads: Threads) -> Iterator[Vote]:
    """The summary of a body's edit mentions something deprecated, or another version."""
    for post, replayed in _edited(threads).items():
        for _, later in _edits(replayed):
            if SUMMARY.search(later.comment) and not _SUMMARY_OTHER.search(later.comment):
                evidence = {
                    "history_id": later.history_id,
                    "summary": later.comment[:200],
                    "text_before": _moment(later.at),
                }
                yield Vote(post, OBSOLETE, evidence)
                break


@votes(TASK)
def own_note(threads: Threads) -> Iterator[Vote]:
    """The answer itself states, in a later edit or a marked note, that it is out of date."""
    edited = _edited(threads)
    for post, replayed in edited.items():
        for earlier, later in _edits(replayed):
            said_so = next((text for line in added(earlier, later) if (text := _own_note(line))), None)
            if said_so:
                evidence = {"history_id": later.history_id, "sentence": said_so, "text_before": _moment(later.at)}
                yield Vote(post, OBSOLETE, evidence)
                break
    if threads.history is not None:
        return
    answers = threads.documents.filter(pc.equal(threads.documents["kind"], "answer"))
    columns = (answers["post_id"], answers["text"], answers["own_end"])
    for post, text, end in zip(*(column.to_pylist() for column in columns), strict=True):
        said_so = next((note for line in text[:end].split("\n\n") if (note := _own_note(line))), None)
        if said_so:
            yield Vote(post, OBSOLETE, {"sentence": said_so, "note_in_text": True})


_SELF = re.compile(
    r"\b(?:this|the (?:above|below|following|original|old)|my) (?:\w+ )?"
    r"(?:answer|solution|method|approach|code|post|way|workaround)\b"
    r"|^\W*(?:this|it)\b",
    re.IGNORECASE,
)


def _own_note(paragraph: str) -> str | None:
    """The sentence of a paragraph that calls its own answer out of date."""
    if not has_cue(paragraph):
        return None
    marked = MARKER.match(paragraph)
    for sentence in sentences(unquoted(paragraph)):
        bare = MARKER.sub("", sentence).lstrip(" :*_-")
        for statement in statements(bare):
            if statement.label == OBSOLETE and (marked or _SELF.search(statement.sentence)):
                return statement.sentence
    return None


@votes(TASK)
def later_answer_names_newer_version(threads: Threads) -> Iterator[Vote]:
    """A later answer of the thread names a version newer than any in this one and the question."""
    names = names_of(threads)
    threads_posts: dict[int, list[dict[str, Any]]] = {}
    columns = ["post_id", "thread_id", "kind", "created", "tags", "title", "text", "own_end", "segments"]
    for row in threads.documents.select(columns).to_pylist():
        threads_posts.setdefault(row["thread_id"], []).append(row)
    for posts in threads_posts.values():
        answers = sorted(
            (row for row in posts if row["kind"] == "answer"), key=lambda row: (row["created"], row["post_id"])
        )
        if len(answers) > 1:
            question = next((row for row in posts if row["kind"] == "question"), None)
            yield from overtaken(question, answers, names)


@votes(TASK)
def thanked_later(threads: Threads) -> Iterator[Vote]:
    """Two years or more after it was written, somebody thanks for it or says that it worked, and nobody complains."""
    yield from _unopposed(threads, 2 * 365, lambda text: bool(_THANKS.search(text)) and not UNWELL.search(text), 1)


@votes(TASK)
def discussed_later(threads: Threads) -> Iterator[Vote]:
    """Two people or more commented a year or more after it was written, and no comment calls it out of date."""
    yield from _unopposed(threads, 365, lambda text: True, 2)


def _unopposed(threads: Threads, days: int, counts: Any, people: int) -> Iterator[Vote]:
    answers = threads.documents.filter(pc.equal(threads.documents["kind"], "answer"))
    created = dict(zip(answers["post_id"].to_pylist(), answers["created"].cast(pa.int64()).to_pylist(), strict=True))
    for post, comments in comments_of(threads, created).items():
        late = [row for row in comments if row["at"] - created[post] >= days * _DAY and counts(row["text"])]
        who = {row["user_id"] or row["user_display_name"] for row in late}
        if len(who) >= people and not any(has_cue(row["text"]) for row in comments):
            yield Vote(post, CURRENT, {"comment": late[0]["comment_id"], "comments": len(late), "days": days})
