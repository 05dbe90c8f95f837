"""The table of facts of posts: settled once from a bucket's tables, and read by every task.

Closed or open is settled by the last event of the history, else by ClosedDate, else by the mark of a title. The reason
of a closing that stands comes from the surest source that names one (`schema.REASON_SOURCES`): tasks do not weigh these
again, so that no two of them contradict each other. Weaker sources stay in the evidence.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling.facts import closings, remarks, site_business
from socorpus.labeling.facts.closings import CLOSED, DUPLICATE, JUDGED_REASONS, OFF_TOPIC, OPEN, REASONS, Event
from socorpus.labeling.functions import Threads
from socorpus.labeling.history.revisions import COMMUNITY
from socorpus.labeling.schema import FACTS

VERSION = 2
"""Raise it when facts change."""

_DUPLICATE_LINK = 3
_RECORDED = frozenset({"event", "title", "link", "banner"})
Evidence = Mapping[str, Any]


@dataclass(frozen=True)
class PostFacts:
    """Facts of one post, as in its row of `schema.FACTS`; an answer is neither closed nor open."""

    post_id: int
    closed: bool
    first_closed: int | None
    """Milliseconds since 1970, UTC."""
    closed_by: tuple[int, ...]
    by_owner: bool
    reason: str | None
    reason_number: str | None
    reason_by: str | None
    reopened: bool
    closings: int
    duplicate: bool
    migrated: str | None
    announcement: bool
    self_evaluation: bool
    meta: bool
    evidence: Mapping[str, Sequence[Evidence]]

    @property
    def value(self) -> str:
        """Value of closure of a question."""
        return self.reason if self.closed and self.reason is not None else OPEN

    @property
    def recorded(self) -> bool:
        """Whether an event, a link, or a mark of the system names the reason of the closing."""
        return self.reason_by in _RECORDED

    @property
    def judged(self) -> bool:
        """Whether an event gives the reason by a number that no value of closure names: the value is a judgement."""
        return self.reason_by == "event" and self.reason_number in JUDGED_REASONS

    @property
    def commented(self) -> bool:
        """Whether nothing says why it is closed, and others commented on it, who may have."""
        return "commented" in self.evidence

    @property
    def perhaps_duplicate(self) -> bool:
        """Whether no record says why it is closed, and one of several comments that do says duplicate."""
        return not self.recorded and any(remark["value"] == DUPLICATE for remark in self.evidence.get("remarks", ()))

    @property
    def business(self) -> bool:
        """Whether it is about the site rather than about the site's subject."""
        return self.meta or self.announcement or self.self_evaluation


def of_posts(threads: Threads) -> dict[int, PostFacts]:
    """The facts of each question of a bucket; settled here where the bucket comes without them."""
    return threads.once(_of_posts)


def _of_posts(threads: Threads) -> dict[int, PostFacts]:
    table = settle(threads) if threads.post_facts is None else threads.post_facts
    table = table.filter(pc.equal(table["kind"], "question"))
    times = table["first_closed"].cast(pa.int64())
    table = table.set_column(table.column_names.index("first_closed"), "first_closed", times)
    names = [name for name in PostFacts.__dataclass_fields__ if name in table.column_names]
    facts = {}
    for row in table.select(names).to_pylist():
        row |= {"closed_by": tuple(row["closed_by"]), "evidence": json.loads(row["evidence"])}
        facts[row["post_id"]] = PostFacts(**row)
    return facts


def about_sites(threads: Threads) -> frozenset[int]:
    """Posts of a meta site, and of threads that moved to one."""
    return threads.once(_about_sites)


def _about_sites(threads: Threads) -> frozenset[int]:
    table = settle(threads) if threads.post_facts is None else threads.post_facts
    meta = pc.unique(table.filter(table["meta"])["thread_id"])
    return frozenset(table.filter(pc.is_in(table["thread_id"], meta))["post_id"].to_pylist())


def settle(threads: Threads) -> pa.Table:
    """`schema.FACTS` of a bucket, row for row with its documents."""
    documents = threads.documents.select(["post_id", "thread_id", "kind", "closed", "tags", "title", "text"])
    dates = documents["closed"].cast(pa.int64())
    rows = documents.set_column(documents.column_names.index("closed"), "closed", dates).to_pylist()
    seen = _Seen(
        threads.history is not None,
        closings.events(threads.history),
        closings.moves(threads.history),
        _links(threads.links),
        dict(zip(threads.posts["post_id"].to_pylist(), threads.posts["owner_user_id"].to_pylist(), strict=True)),
        site_business.meta_site(threads.site),
    )
    standing = {row["post_id"]: _standing(seen, row) for row in rows if row["kind"] == "question"}
    closed = [post for post, stands in standing.items() if stands.closed]
    remarked = _remarks(threads.comments, closed, seen.owners)
    settled = [
        {"site": threads.site, **_row(seen, row, standing.get(row["post_id"]), remarked.get(row["post_id"], _SILENT))}
        for row in rows
    ]
    return pa.Table.from_pylist(settled, schema=FACTS)


@dataclass(frozen=True)
class _Seen:
    """What a bucket says of its questions, by post."""

    history: bool
    events: Mapping[int, tuple[Event, ...]]
    moves: Mapping[int, closings.Move]
    links: Mapping[int, list[int]]
    owners: Mapping[int, int | None]
    meta: bool


@dataclass
class _Remarked:
    """What comments say of why a question is closed."""

    reasons: dict[str, int] = field(default_factory=dict)
    """Reasons that they name, each with its first comment."""
    by_others: int = 0
    """Comments of others than its owner."""


_SILENT = _Remarked()


@dataclass(frozen=True)
class _Standing:
    """A question's state at the dump, and what says so."""

    closed: bool
    time: int | None
    evidence: Evidence
    event: Event | None
    """The closing that stands, if an event reports it."""
    mark: tuple[str, str] | None


def _standing(seen: _Seen, document: Mapping[str, Any]) -> _Standing:
    events, mark = seen.events.get(document["post_id"], ()), remarks.title_mark(document["title"])
    date = document["closed"]
    if events:
        last = events[-1]
        evidence = {"by": "event", "history_id": last.history_id}
        return _Standing(last.closed, last.time if last.closed else None, evidence, last if last.closed else None, mark)
    if date is not None:
        return _Standing(True, date, {"by": "ClosedDate"}, None, mark)
    # Where the site has a history, a title that ends in "[closed]" is its author's.
    if mark is not None and not seen.history:
        return _Standing(True, None, {"by": "title", "mark": mark[1]}, None, mark)
    return _Standing(False, None, {"by": "history" if seen.history else "no ClosedDate"}, None, None)


def _row(seen: _Seen, document: Mapping[str, Any], stands: _Standing | None, remarked: _Remarked) -> dict[str, Any]:
    """A row of the table.

    Args:
        stands: None for an answer.
    """
    post, title = document["post_id"], document["title"] or ""
    owner = seen.owners.get(post)
    evidence: dict[str, list[Evidence]] = {}
    move = seen.moves.get(post)
    question = stands is not None
    events = seen.events.get(post, ()) if question else ()
    reason = _reason(seen, document, stands, remarked, evidence) if stands is not None else (None, None)
    meta = seen.meta or (move is not None and move.where == "away" and site_business.moved_to_meta(move.comment))
    sign = site_business.announcement(title, document["tags"], owner == COMMUNITY, seen.meta) if question else None
    evaluation = question and site_business.self_evaluation(title, owner == COMMUNITY, seen.meta)
    if move is not None:
        evidence["migrated"] = [{"by": "event", "history_id": move.history_id}]
    if meta:
        evidence["meta"] = [{"by": "site" if seen.meta else "migration"}]
    if sign is not None:
        evidence["announcement"] = [{"by": sign.partition(":")[0]}]
    if evaluation:
        evidence["self_evaluation"] = [{"by": "title"}]
    closing = stands.event if stands is not None else None
    voters = list(closing.voters) if closing is not None else []
    return {
        **{name: document[name] for name in ("post_id", "thread_id", "kind")},
        "closed": stands.closed if stands is not None else None,
        "closed_at": stands.time if stands is not None else None,
        "first_closed": next(
            (event.time for event in events if event.closed), document["closed"] if question else None
        ),
        "closed_by": voters,
        "by_owner": bool(voters) and owner is not None and set(voters) == {owner},
        "reason": reason[0],
        "reason_number": closing.number if closing is not None else None,
        "reason_by": reason[1],
        "closings": sum(event.closed for event in events),
        "reopened": bool(events) and stands is not None and not stands.closed,
        "duplicate": reason[0] == DUPLICATE,
        "originals": _originals(seen, post, closing) if reason[0] == DUPLICATE else [],
        "migrated": move.where if move is not None else None,
        "announcement": sign is not None,
        "self_evaluation": evaluation,
        "meta": meta,
        "evidence": json.dumps(evidence, ensure_ascii=False),
    }


def _reason(
    seen: _Seen,
    document: Mapping[str, Any],
    stands: _Standing,
    remarked: _Remarked,
    evidence: dict[str, list[Evidence]],
) -> tuple[str | None, str | None]:
    """Value of closure why a question is closed, and the source that names it; adds to the evidence."""
    evidence["closed"] = [stands.evidence]
    if not stands.closed:
        return None, None
    post = document["post_id"]
    named: list[tuple[str, str, Evidence]] = []
    event, move = stands.event, seen.moves.get(post)
    known = REASONS.get(event.number or "") if event is not None else None
    if event is not None and known is not None:
        label, words = known
        named.append((label, "event", {"history_id": event.history_id, "number": event.number, "means": words}))
    elif event is not None and event.originals:
        named.append((DUPLICATE, "event", {"history_id": event.history_id, "originals": list(event.originals)}))
    if stands.mark is not None and stands.mark[0] == DUPLICATE:
        named.append((DUPLICATE, "title", {"mark": stands.mark[1]}))
    if post in seen.links:
        named.append((DUPLICATE, "link", {"originals": seen.links[post]}))
    if remarks.has_note(document["text"]):
        named.append((DUPLICATE, "banner", {}))
    if move is not None and move.where == "away":
        named.append((OFF_TOPIC, "migration", {"history_id": move.history_id}))
    if len(remarked.reasons) == 1:
        ((label, comment),) = remarked.reasons.items()
        named.append((label, "remark", {"comment": comment}))
    elif remarked.reasons:  # two reasons are no answer
        evidence["remarks"] = [
            {"by": "remark", "value": label, "comment": place} for label, place in remarked.reasons.items()
        ]
    if not named and remarked.by_others:
        evidence["commented"] = [{"by": "comments", "of_others": remarked.by_others}]
    evidence["reason"] = [{"by": source, "value": label, **details} for label, source, details in named]
    return named[0][:2] if named else (CLOSED, "nothing")


def _originals(seen: _Seen, post: int, event: Event | None) -> list[int]:
    return list(event.originals) if event is not None and event.originals else seen.links.get(post, [])


def _links(links: pa.Table) -> dict[int, list[int]]:
    """The questions that links of type 3 say a post is a duplicate of."""
    rows = links.filter(pc.equal(links["link_type_id"], _DUPLICATE_LINK))
    originals: dict[int, list[int]] = {}
    for post, other in zip(rows["post_id"].to_pylist(), rows["related_post_id"].to_pylist(), strict=True):
        if other is not None and other not in originals.setdefault(post, []):
            originals[post].append(other)
    return originals


def _remarks(comments: pa.Table, closed: Sequence[int], owners: Mapping[int, int | None]) -> dict[int, _Remarked]:
    """What comments on closed questions say, of each that has any."""
    rows = comments.filter(pc.is_in(comments["post_id"], pa.array(sorted(closed), pa.int64())))
    remarked: dict[int, _Remarked] = {}
    for row in rows.select(["post_id", "comment_id", "text", "user_id"]).to_pylist():
        of_post = remarked.setdefault(row["post_id"], _Remarked())
        of_post.by_others += row["user_id"] is None or row["user_id"] != owners.get(row["post_id"])
        label = remarks.named_reason(row["text"] or "")
        if label is not None:
            of_post.reasons.setdefault(label, row["comment_id"])
    return remarked
