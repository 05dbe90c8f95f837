"""Closing and reopening of questions: the events of their history in order, and the publisher's reasons."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

OPEN, DUPLICATE, OFF_TOPIC, CLOSED = "open", "duplicate", "off_topic", "closed"
"""Values of closure; `closed`: for a reason that is not known, or that no other value names."""

REASONS: Mapping[str, tuple[str, str]] = {
    "1": (DUPLICATE, "exact duplicate"),
    "2": (OFF_TOPIC, "off topic"),
    "3": ("opinion_based", "subjective and argumentative, later not constructive"),
    "4": ("needs_details", "not a real question: vague, incomplete or rhetorical"),
    "7": (CLOSED, "too localized"),
    "10": (OFF_TOPIC, "general reference"),
    "20": (OFF_TOPIC, "noise or pointless"),
    "101": (DUPLICATE, "duplicate"),
    "102": (OFF_TOPIC, "off-topic"),
    "103": ("needs_details", "unclear what you're asking, later needs details or clarity"),
    "104": ("needs_focus", "too broad, later needs more focus"),
    "105": ("opinion_based", "primarily opinion-based"),
}
"""The publisher's number of a reason -> the value of closure, and the reason in its words (docs/closure.md)."""

NOT_A_REAL_QUESTION = "4"
"""Of its questions some lacked details and others focus."""
JUDGED_REASONS = frozenset({"3", NOT_A_REAL_QUESTION, "10", "20"})
"""Numbers of reasons that no value of today names: which one is meant is a judgement, not a fact."""

_CLOSING, _REOPENING = 10, 11
_MOVES = {17: "away", 35: "away", 36: "here"}


@dataclass(frozen=True)
class Event:
    """The closing or reopening of a question."""

    history_id: int
    time: int
    """Milliseconds since 1970, UTC."""
    closed: bool
    number: str | None
    """The publisher's number of the reason, as text; only of a closing."""
    originals: tuple[int, ...]
    """Questions that it repeats, according to the event."""
    voters: tuple[int, ...]
    """Accounts that closed or reopened it; empty where the event names none."""


@dataclass(frozen=True)
class Move:
    """The migration of a question from another site or to one."""

    history_id: int
    where: str
    """away or here"""
    comment: str


def events(history: pa.Table | None) -> dict[int, tuple[Event, ...]]:
    """Closings (10) and reopenings (11) of each question that has any, in order of time.

    Args:
        history: `corpus.schema.dump_schema("history")`; None where a site has none.
    """
    by_post: dict[int, list[Event]] = {}
    for row in _of_types(history, (_CLOSING, _REOPENING)):
        by_post.setdefault(row["post_id"], []).append(_event(row))
    return {post: tuple(some) for post, some in by_post.items()}


def moves(history: pa.Table | None) -> dict[int, Move]:
    """The last migration (17, 35, 36) of each question that has one."""
    return {
        row["post_id"]: Move(row["history_id"], _MOVES[row["post_history_type_id"]], row["comment"] or "")
        for row in _of_types(history, _MOVES)
    }


def _of_types(history: pa.Table | None, types: Iterable[int]) -> list[dict[str, Any]]:
    """Events of some types in order of post, time and number, with their time as `at`."""
    if history is None:
        return []
    rows = history.filter(pc.is_in(history["post_history_type_id"], pa.array(list(types), pa.int32())))
    times = pc.fill_null(rows["creation_date"].cast(pa.int64()), 0)
    rows = rows.set_column(rows.schema.get_field_index("creation_date"), "at", times)
    ordered = rows.sort_by([(name, "ascending") for name in ("post_id", "at", "history_id")])
    return [row for row in ordered.to_pylist() if row["post_id"] is not None]


def _event(row: Mapping[str, Any]) -> Event:
    closed = row["post_history_type_id"] == _CLOSING
    number = row["close_reason_id"]
    reason = str(number) if number is not None else (row["comment"] or "").strip() or None
    originals, voters = _named(row["text"])
    if not voters and row["user_id"] is not None:
        voters = (row["user_id"],)
    return Event(row["history_id"], row["at"], closed, reason if closed else None, originals if closed else (), voters)


def _named(text: str | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Originals and voters that an event's text names: JSON; in 2012 an array of voters; or something unknown."""
    try:
        parsed = json.loads(text or "null")
    except (ValueError, RecursionError):
        return (), ()
    ids = parsed.get("OriginalQuestionIds") if isinstance(parsed, dict) else None
    voters = parsed.get("Voters") if isinstance(parsed, dict) else parsed
    named = [voter.get("Id") for voter in voters if isinstance(voter, dict)] if isinstance(voters, list) else []
    return _numbers(ids), _numbers(named)


_MOST = 2**63


def _numbers(values: Any) -> tuple[int, ...]:
    """The numbers among some values that fit a column of int64."""
    some = values if isinstance(values, list) else []
    return tuple(number for number in some if type(number) is int and -_MOST <= number < _MOST)
