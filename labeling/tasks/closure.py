"""Closed questions: open, or the reason for closing, as the facts of a question have it (`labeling.facts`).

Events 10 (closed) and 11 (reopened) of a question's history decide. Where a site has no history, `ClosedDate` only
separates open from closed, and the reason is left to links, marks, notes and comments; where none of these names one,
a question is closed, and nobody knows why.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from socorpus.labeling.facts import post_facts
from socorpus.labeling.facts.closings import CLOSED, NOT_A_REAL_QUESTION, OPEN, events
from socorpus.labeling.functions import Threads, Vote, votes
from socorpus.labeling.history import revisions
from socorpus.labeling.schema import Task

# Facts of the corpus, and the texts that are judged.


def collect(threads: Threads) -> dict[str, Any]:
    """Counts of the bucket's questions by state, and of the reasons by the publisher's numbers."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for facts in post_facts.of_posts(threads).values():
        counts["questions"] += 1
        counts["closed" if facts.closed else "open"] += 1
        counts["reopened"] += facts.reopened
        if facts.closed and facts.reason_by != "event":
            counts["closed_without_reason"] += 1
            counts["closed_unexplained"] += facts.reason_by == "nothing"
    for of_post in events(threads.history).values():
        reasons.update(event.number or "none" for event in of_post if event.closed)
    return {threads.site: {"history": threads.history is not None, "counts": dict(counts), "reasons": dict(reasons)}}


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums by site: `{"sites": {SITE: {"history", "counts", "reasons"}}}`.

    `closed_without_reason` counts closed questions whose events give no known reason, `closed_unexplained` those of
    them without any other reason: they are only known to be closed.
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
    questions = post_facts.of_posts(threads)
    known = revisions.of_questions(threads)
    states = {}
    for post, facts in questions.items():
        replayed, closed = known.get(post, []), facts.first_closed
        earlier = revisions.before(replayed, closed) if closed is not None else None
        beginning = revisions.first(replayed)
        if earlier is not None:
            states[post] = revisions.state(threads, earlier, "before_closing")
        elif beginning is not None:
            states[post] = revisions.state(threads, beginning, "first_revision")
        else:
            states[post] = revisions.published(bodies.get(post))
    return revisions.examples(threads, states, votes, comments=False)


TASK = Task(
    "closure",
    {
        OPEN: "a question for this site as it is",
        "duplicate": "asked and answered before",
        "off_topic": "not about what the site is for",
        "needs_details": "can't be answered without more details or clarity",
        "needs_focus": "several questions at once, or too broad",
        "opinion_based": "answers would be opinions",
        CLOSED: "closed for a reason that is not known, or that is none of these",
    },
    question="Should this question stay open, or why was it closed?",
    unit="question",
    collect=collect,
    merge=merge,
    examples=examples,
)
"""The publisher's reasons since 2013; the older ones are mapped onto them (`facts.closings.REASONS`)."""


# Functions. Each question has the vote of one: several that read the same facts would only seem to agree.


@votes(TASK, version=3, facts=True)
def events_in_order(threads: Threads) -> Iterator[Vote]:
    """The history: the reason of the last closing, open after a reopening, or open as nothing ever closed it."""
    for post, facts in post_facts.of_posts(threads).items():
        if facts.reason_by == "event":
            if not facts.judged:
                yield _because(post, facts)
        elif facts.reopened:
            yield Vote(post, OPEN, {"reopened": True, **facts.evidence["closed"][0]})
        elif not facts.closed and threads.history is not None:
            yield Vote(post, OPEN, {"events": 0})


@votes(TASK, right=0.5)
def not_a_real_question(threads: Threads) -> Iterator[Vote]:
    """The history: closed for the old reason 4, which lack of details shared with lack of focus: needs_details."""
    for post, facts in post_facts.of_posts(threads).items():
        if facts.judged and facts.reason_number == NOT_A_REAL_QUESTION:
            yield _because(post, facts)


@votes(TASK)
def older_reason(threads: Threads) -> Iterator[Vote]:
    """The history: closed for an old reason (3, 10, 20) that no value names: the value that is nearest to it."""
    for post, facts in post_facts.of_posts(threads).items():
        if facts.judged and facts.reason_number != NOT_A_REAL_QUESTION:
            yield _because(post, facts)


@votes(TASK, version=2, facts=True)
def closed_date(threads: Threads) -> Iterator[Vote]:
    """Without history: no ClosedDate, in a dump that has one of other questions of the site: open."""
    yield from _undated(threads, dated=True)


@votes(TASK)
def no_closed_dates(threads: Threads) -> Iterator[Vote]:
    """Without history and without any ClosedDate of the site: open, unless the dump has lost the column."""
    yield from _undated(threads, dated=False)


def _undated(threads: Threads, dated: bool) -> Iterator[Vote]:
    if threads.history is not None:
        return
    facts_of_site = threads.facts.get("sites", {}).get(threads.site) or collect(threads)[threads.site]
    if (facts_of_site["counts"].get("closed", 0) > 0) == dated:
        for post, facts in post_facts.of_posts(threads).items():
            if not facts.closed:
                yield Vote(post, OPEN, {"closed_date": None, "history": "none: only closed or open is known"})


@votes(TASK, facts=True)
def duplicate_sign(threads: Threads) -> Iterator[Vote]:
    """Closed without an event that says why, but a link, a note above the text or a mark of the title: duplicate."""
    for post, facts in post_facts.of_posts(threads).items():
        if facts.recorded and facts.reason_by != "event":
            yield _because(post, facts)


@votes(TASK, version=2)
def moved_away(threads: Threads) -> Iterator[Vote]:
    """Closed without an event that says why, and moved to another site: off topic here."""
    for post, facts in post_facts.of_posts(threads).items():
        if facts.reason_by == "migration":
            yield _because(post, facts)


@votes(TASK, version=3)
def closing_remark(threads: Threads) -> Iterator[Vote]:
    """A comment under a closed question of which no record says why speaks of closing it and names a single reason."""
    for post, facts in post_facts.of_posts(threads).items():
        if facts.reason_by == "remark":
            yield _because(post, facts)


@votes(TASK, version=2, facts=True)
def reason_not_known(threads: Threads) -> Iterator[Vote]:
    """Closed, no event, link, note or mark says why, and nobody else commented: closed."""
    for post, facts in post_facts.of_posts(threads).items():
        if facts.reason_by == "nothing" and not facts.commented:
            yield _because(post, facts)


@votes(TASK, right=0.5)
def reason_perhaps_in_comments(threads: Threads) -> Iterator[Vote]:
    """Closed, no record says why, and others commented without naming one reason that rules can read: closed."""
    for post, facts in post_facts.of_posts(threads).items():
        if facts.reason_by == "nothing" and facts.commented:
            yield _because(post, facts)


def _because(post: int, facts: post_facts.PostFacts) -> Vote:
    """The vote for the settled reason of a closed question, with the source that names it, and all others that do."""
    reasons = facts.evidence["reason"]
    first = reasons[0] if reasons else facts.evidence["closed"][0]
    evidence = {name: value for name, value in first.items() if name != "value"}
    if facts.commented:
        evidence["comments_of_others"] = facts.evidence["commented"][0]["of_others"]
    if also := [f"{reason['by']}: {reason['value']}" for reason in reasons[1:]]:
        evidence["also"] = also
    remarks = tuple(reason["comment"] for reason in reasons if reason["by"] == "remark")
    return Vote(post, facts.value, evidence, gives_away=remarks)
