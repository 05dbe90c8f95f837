"""Closed questions: open, or the reason for closing, from a question's events in order.

Events 10 (closed) and 11 (reopened) of a question's history decide; both numberings of reasons are mapped by `REASONS`.
Where a site has no history, `ClosedDate` only separates open from closed, and the reason is left to links, notes
and comments.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling.functions import Threads, Vote, votes
from socorpus.labeling.history import revisions
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.obsolescence.sentences import unquoted

REASONS: Mapping[str, tuple[str, str]] = {
    "1": ("duplicate", "exact duplicate"),
    "2": ("off_topic", "off topic"),
    "3": ("opinion_based", "subjective and argumentative, later not constructive"),
    "4": ("needs_details", "not a real question: vague, incomplete or rhetorical"),
    "7": ("off_topic", "too localized"),
    "10": ("off_topic", "general reference"),
    "20": ("off_topic", "noise or pointless"),
    "101": ("duplicate", "duplicate"),
    "102": ("off_topic", "off-topic"),
    "103": ("needs_details", "unclear what you're asking, later needs details or clarity"),
    "104": ("needs_focus", "too broad, later needs more focus"),
    "105": ("opinion_based", "primarily opinion-based"),
}
"""The publisher's number of a reason -> the label, and the reason in its words (docs/closure.md says why)."""

_CLOSED, _REOPENED, _AWAY, _AWAY_OLD = 10, 11, 35, 17
_DUPLICATE_LINK, _CLOSE_VOTE = 3, 6
_NOTE = re.compile(r"\W*possible duplicate\b", re.IGNORECASE)


@dataclass(frozen=True)
class Event:
    """The closing or reopening of a question."""

    history_id: int
    at: int
    """Milliseconds since 1970, UTC."""
    closed: bool
    reason: str | None
    """The publisher's number, as text; only of a closing."""
    originals: tuple[int, ...]
    """Questions that it repeats, according to the event."""


@dataclass(frozen=True)
class Standing:
    """A question's state at the time of the dump, with its events."""

    closed: bool
    events: tuple[Event, ...]
    """In order; empty if none is known."""
    closed_date: int | None
    """ClosedDate of the post, in milliseconds."""

    @property
    def first_closed(self) -> int | None:
        """Time of the first closing, by its events, else by ClosedDate."""
        return next((event.at for event in self.events if event.closed), self.closed_date)

    @property
    def reopened(self) -> bool:
        """Whether it was closed and is open again."""
        return bool(self.events) and not self.closed

    @property
    def last_closing(self) -> Event | None:
        """The closing that stands; None for an open question, or if no event reports it."""
        return self.events[-1] if self.closed and self.events and self.events[-1].closed else None

    @property
    def label(self) -> str | None:
        """Label of the closing that stands; None if its reason isn't known."""
        event = self.last_closing
        known = REASONS.get(event.reason or "") if event is not None else None
        return known[0] if known is not None else None


def standings(threads: Threads) -> dict[int, Standing]:
    """State of each question: by its last event, or by ClosedDate if it has no event."""
    events = _events(threads.history)
    questions = threads.documents.filter(pc.equal(threads.documents["kind"], "question"))
    dates = questions["closed"].cast(pa.int64()).to_pylist()
    return {
        post: Standing(events[post][-1].closed if post in events else date is not None, events.get(post, ()), date)
        for post, date in zip(questions["post_id"].to_pylist(), dates, strict=True)
    }


def _events(history: pa.Table | None) -> dict[int, tuple[Event, ...]]:
    if history is None:
        return {}
    rows = history.filter(pc.is_in(history["post_history_type_id"], pa.array([_CLOSED, _REOPENED], pa.int32())))
    rows = rows.set_column(
        rows.schema.get_field_index("creation_date"), "at", pc.fill_null(rows["creation_date"].cast(pa.int64()), 0)
    )
    events: dict[int, list[Event]] = {}
    for row in rows.sort_by([(name, "ascending") for name in ("post_id", "at", "history_id")]).to_pylist():
        events.setdefault(row["post_id"], []).append(_event(row))
    return {post: tuple(of_post) for post, of_post in events.items()}


def _event(row: Mapping[str, Any]) -> Event:
    closed = row["post_history_type_id"] == _CLOSED
    number = row["close_reason_id"]
    reason = str(number) if number is not None else (row["comment"] or "").strip() or None
    originals = _originals(row["text"]) if closed else ()
    return Event(row["history_id"], row["at"], closed, reason if closed else None, originals)


def _originals(text: str | None) -> tuple[int, ...]:
    """`OriginalQuestionIds` of an event's text: JSON; in 2012 an array of voters; or something unknown."""
    try:
        parsed = json.loads(text or "null")
    except (ValueError, RecursionError):
        return ()
    ids = parsed.get("OriginalQuestionIds") if isinstance(parsed, dict) else None
    return tuple(number for number in ids if isinstance(number, int)) if isinstance(ids, list) else ()


# Facts, and the texts that are judged.


def collect(threads: Threads) -> dict[str, Any]:
    """Counts of the bucket's questions by state, and of the reasons by the publisher's numbers."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    questions = standings(threads)
    explained = {
        vote.post_id for function in (_duplicate_links, _notes, _remarks) for vote in function(threads, questions)
    }
    for post, standing in questions.items():
        counts["questions"] += 1
        counts["closed" if standing.closed else "open"] += 1
        counts["reopened"] += standing.reopened
        if standing.closed and standing.label is None:
            counts["closed_without_reason"] += 1
            counts["closed_unexplained"] += post not in explained
        reasons.update(event.reason or "none" for event in standing.events if event.closed)
    return {threads.site: {"history": threads.history is not None, "counts": dict(counts), "reasons": dict(reasons)}}


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums by site: `{"sites": {SITE: {"history", "counts", "reasons"}}}`.

    `closed_without_reason` counts closed questions whose events give no known reason, `closed_unexplained` those of
    them without any other reason: they are only known to be closed, so they have no vote.
    """
    sites: dict[str, dict[str, Any]] = {}
    for part in parts:
        for site, facts in part.items():
            into = sites.setdefault(site, {"history": False, "counts": {}, "reasons": {}})
            into["history"] = into["history"] or facts["history"]
            for name in ("counts", "reasons"):
                into[name] = dict(sorted((Counter(into[name]) + Counter(facts[name])).items()))
    return {"sites": dict(sorted(sites.items()))}


def examples(threads: Threads, votes: Sequence[Vote]) -> pa.Table:
    """Every question: as it stood before it was first closed, else its first known text; without comments.

    Both are rendered from history. Without history it is the published text, minus the note that names a duplicate.
    """
    bodies = dict(zip(threads.posts["post_id"].to_pylist(), threads.posts["body"].to_pylist(), strict=True))
    questions = standings(threads)
    known = revisions.replay(threads.history, questions)
    states = {}
    for post, standing in questions.items():
        replayed = known.get(post, [])
        closed = standing.first_closed
        earlier = revisions.before(replayed, closed) if closed is not None else None
        beginning = revisions.first(replayed)
        if earlier is not None:
            states[post] = revisions.state(earlier, "before_closing")
        elif beginning is not None:
            states[post] = revisions.state(beginning, "first_revision")
        else:
            states[post] = revisions.published(bodies.get(post))
    return revisions.examples(threads, states, votes, comments=False)


TASK = Task(
    "closure",
    {
        "open": "a question for this site as it is",
        "duplicate": "asked and answered before",
        "off_topic": "not about what the site is for",
        "needs_details": "can't be answered without more details or clarity",
        "needs_focus": "several questions at once, or too broad",
        "opinion_based": "answers would be opinions",
    },
    question="Should this question stay open, or why was it closed?",
    unit="question",
    collect=collect,
    merge=merge,
    examples=examples,
)
"""The publisher's reasons since 2013; the older ones are mapped onto them (`REASONS`)."""


# Functions.


@votes(TASK, facts=True)
def events_in_order(threads: Threads) -> Iterator[Vote]:
    """The last event: the reason of a closing that stands, or open after a reopening."""
    for post, standing in standings(threads).items():
        if not standing.events:
            continue
        last = standing.events[-1]
        label = standing.label if last.closed else "open"
        if label is not None:
            code = last.reason or ""
            details = {"reason": code, "means": REASONS[code][1]} if last.closed else {"reopened": True}
            yield Vote(post, label, {"history_id": last.history_id, "events": len(standing.events), **details})


@votes(TASK, facts=True)
def never_closed(threads: Threads) -> Iterator[Vote]:
    """No event ever closed it: open, where the site has a history."""
    if threads.history is None:
        return
    for post, standing in standings(threads).items():
        if not standing.events and standing.closed_date is None:
            yield Vote(post, "open", {"events": 0})


@votes(TASK)
def closed_date(threads: Threads) -> Iterator[Vote]:
    """No ClosedDate at the dump: open. A ClosedDate names no reason, so there is no vote on closed questions."""
    for post, standing in standings(threads).items():
        if standing.closed_date is None:
            details = {} if threads.history is not None else {"history": "none: closed or open alone is known"}
            yield Vote(post, "open", {"closed_date": None, **details})


@votes(TASK, facts=True)
def original_questions(threads: Threads) -> Iterator[Vote]:
    """The closing that stands names the questions that it repeats."""
    for post, standing in standings(threads).items():
        event = standing.last_closing
        if event is not None and event.originals:
            yield Vote(post, "duplicate", {"history_id": event.history_id, "originals": list(event.originals)})


@votes(TASK)
def duplicate_link(threads: Threads) -> Iterator[Vote]:
    """A closed question that a link of type 3 calls a duplicate."""
    yield from _duplicate_links(threads, standings(threads))


def _duplicate_links(threads: Threads, questions: Mapping[int, Standing]) -> Iterator[Vote]:
    links = threads.links.filter(pc.equal(threads.links["link_type_id"], _DUPLICATE_LINK))
    originals: dict[int, list[int]] = {}
    for post, other in zip(links["post_id"].to_pylist(), links["related_post_id"].to_pylist(), strict=True):
        originals.setdefault(post, []).append(other)
    for post, others in originals.items():
        if post in questions and questions[post].closed:
            yield Vote(post, "duplicate", {"originals": others, **_without_event(threads, questions[post])})


def _without_event(threads: Threads, standing: Standing) -> dict[str, Any]:
    """Evidence of a vote if no event reports the closing."""
    if standing.events:
        return {}
    return {"closing": "by ClosedDate alone: " + ("no such event" if threads.history is not None else "no history")}


@votes(TASK)
def duplicate_note(threads: Threads) -> Iterator[Vote]:
    """The note "Possible Duplicate" that the system put above a closed question until 2013."""
    yield from _notes(threads, standings(threads))


def _notes(threads: Threads, questions: Mapping[int, Standing]) -> Iterator[Vote]:
    documents = threads.documents
    for post, text in zip(documents["post_id"].to_pylist(), documents["text"].to_pylist(), strict=True):
        if post in questions and questions[post].closed and _NOTE.match(text):
            yield Vote(post, "duplicate", {"note": text[:120], **_without_event(threads, questions[post])})


@votes(TASK)
def moved_away(threads: Threads) -> Iterator[Vote]:
    """Closed and moved to another site (event 17 or 35, before or after it was closed): off topic here."""
    if threads.history is None:
        return
    questions = standings(threads)
    types = pa.array([_AWAY, _AWAY_OLD], pa.int32())
    rows = threads.history.filter(pc.is_in(threads.history["post_history_type_id"], types))
    seen: dict[int, Mapping[str, Any]] = {}
    for row in rows.select(["post_id", "history_id", "comment"]).to_pylist():
        if row["post_id"] in questions and questions[row["post_id"]].closed:
            seen[row["post_id"]] = row
    for post, row in seen.items():
        yield Vote(post, "off_topic", {"history_id": row["history_id"], "moved": row["comment"] or ""})


_SAYS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (label, re.compile(pattern, re.IGNORECASE))
    for label, pattern in (
        ("duplicate", r"\b(?:possible |exact )?duplicate of\b|\bdoes this answer your question\b"),
        ("off_topic", r"\b(?:off[- ]?topic|too locali[sz]ed|out of scope|isn't for|better (?:suited|asked))\b"),
        ("off_topic", r"\bnot (?:for|within)\b.{0,30}\b(?:site|scope)\b|\b(?:belongs|be asked) (?:on|at|to)\b"),
        ("needs_details", r"\bunclear what you|\bnot a real question\b|\b(?:is|it's|too) (?:unclear|vague)\b"),
        ("needs_focus", r"\btoo broad\b|\bneeds? (?:more )?focus\b|\bmultiple questions\b|\bopen[- ]ended\b"),
        ("opinion_based", r"\bopinion[- ]based\b|\bnot constructive\b|\bsubjective\b|\bmatter of opinion\b"),
    )
)
_CLOSING = re.compile(r"\b(?:clos(?:e|ed|ing)|duplicate of|does this answer your question)\b", re.IGNORECASE)
_DENIED = re.compile(r"(?:\bnot|n't|\bnever|\bwhy|\bdisagree|\bno)\b[^.;]{0,30}$", re.IGNORECASE)
# The site's own words, which end in the title of another question.
_AUTOMATIC = re.compile(r"^(?:possible duplicate of|does this answer your question)\b", re.IGNORECASE)


@votes(TASK)
def closing_remark(threads: Threads) -> Iterator[Vote]:
    """A comment under a closed question that speaks of closing it and names a single reason."""
    yield from _remarks(threads, standings(threads))


def _remarks(threads: Threads, questions: Mapping[int, Standing]) -> Iterator[Vote]:
    closed = pa.array(sorted(post for post, standing in questions.items() if standing.closed), pa.int64())
    comments = threads.comments.filter(pc.is_in(threads.comments["post_id"], closed))
    reasons: dict[int, dict[str, int]] = {}
    for row in comments.select(["post_id", "comment_id", "text"]).to_pylist():
        label = named_reason(row["text"] or "")
        if label is not None:
            reasons.setdefault(row["post_id"], {}).setdefault(label, row["comment_id"])
    for post, labels in reasons.items():
        if len(labels) == 1:
            ((label, comment),) = labels.items()
            evidence = {"comment": comment, **_without_event(threads, questions[post])}
            yield Vote(post, label, evidence, gives_away=(comment,))


def named_reason(comment: str) -> str | None:
    """The only reason for closing that a comment names; None if it names none or two, asks, or argues against it."""
    text = unquoted(comment).strip()
    if not _CLOSING.search(text) or (text.endswith("?") and not _AUTOMATIC.search(text)):
        return None
    matches = {label: match for label, pattern in _SAYS if (match := pattern.search(text)) is not None}
    if len(matches) != 1:
        return None
    ((label, match),) = matches.items()
    return None if _DENIED.search(text[: match.start()]) else label


@votes(TASK)
def answered_later(threads: Threads) -> Iterator[Vote]:
    """Answers kept coming for 30 days or more, and it has no ClosedDate: open."""
    documents = threads.documents
    answers = documents.filter(pc.equal(documents["kind"], "answer"))
    last: dict[int, int] = {}
    for thread, created in zip(
        answers["thread_id"].to_pylist(), answers["created"].cast(pa.int64()).to_pylist(), strict=True
    ):
        last[thread] = max(created, last.get(thread, created))
    questions = documents.filter(pc.and_(pc.equal(documents["kind"], "question"), pc.is_null(documents["closed"])))
    asked = questions["created"].cast(pa.int64()).to_pylist()
    for post, created in zip(questions["post_id"].to_pylist(), asked, strict=True):
        days = (last.get(post, created) - created) / 86_400_000
        if days >= 30:
            yield Vote(post, "open", {"days_to_last_answer": round(days)})


@votes(TASK)
def close_votes(threads: Threads) -> Iterator[Vote]:
    """No vote to close it (type 6), on a site and in a period for which the dump has them: open."""
    table = threads.votes
    kinds = table.filter(pc.equal(table["vote_type_id"], _CLOSE_VOTE))
    if not kinds.num_rows:
        return
    against = set(kinds["post_id"].to_pylist())
    times = kinds["creation_date"].cast(pa.int64())
    first, last = pc.min(times).as_py(), pc.max(times).as_py()
    documents = threads.documents.filter(pc.equal(threads.documents["kind"], "question"))
    for post, created in zip(
        documents["post_id"].to_pylist(), documents["created"].cast(pa.int64()).to_pylist(), strict=True
    ):
        if post not in against and first is not None and first <= created <= last:
            yield Vote(post, "open", {"close_votes": 0})
