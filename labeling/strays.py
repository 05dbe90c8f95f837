"""Votes of plug-ins that do not count, so that their author hears why: on no example of their task, or second ones."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pyarrow as pa

from socorpus.corpus import schema as corpus_schema
from socorpus.labeling.functions import FUNCTIONS, Function, Threads, Vote
from socorpus.labeling.schema import TASKS, Task

Counts = dict[str, dict[str, dict[str, Any]]]
"""Function -> reason -> `votes`, their number, and `post`, the key of the first."""

KIND, UNKNOWN, NOT_MADE, LEFT_OUT, NO_DOCUMENT = "kind", "unknown", "not_made", "left_out", "no_document"
_REASONS = (KIND, UNKNOWN, NOT_MADE, LEFT_OUT, NO_DOCUMENT)
"""Why a post is no example: it is of another kind than the task's; in none of the tables that the function gets; of the
kind, but the task's `examples` leave it out; a copy, empty or of a benchmark; no document, such as a wiki."""
REPEATED = "repeated"
"""A vote for another label on a post, or a span, that the function has voted on: the first counts."""
_FAULTS = {KIND, UNKNOWN, NOT_MADE, REPEATED}


_Item = tuple[int, int | None, int | None]
"""Post, and start and end of a span."""


class Strays:
    """The votes of plug-ins' functions on a bucket that do not count; of ours nothing is noted.

    Args:
        functions: all that vote.
    """

    def __init__(self, functions: Iterable[Function]) -> None:
        self._theirs = {function.name for function in functions if FUNCTIONS.origin(function.key) is not None}
        self._votes: dict[str, dict[_Item, None]] = {}
        self._repeated: dict[str, dict[_Item, None]] = {}

    def enter(self, by: Iterable[tuple[Function, Vote]], examples: Collection[int]) -> None:
        """Note those of some votes that are on none of the examples, or second ones; the same vote again is no other.

        Args:
            by: all votes on a bucket, or of a task of spans on some of its examples.
        """
        labels: dict[tuple[str, _Item], str] = {}
        for function, vote in by if self._theirs else ():
            if function.name in self._theirs:
                item = vote.post_id, vote.start, vote.end
                if vote.post_id not in examples:
                    self._votes.setdefault(function.name, {})[item] = None
                elif labels.setdefault((function.name, item), vote.label) != vote.label:
                    self._repeated.setdefault(function.name, {})[item] = None

    def counts(self, task: Task, seen: Threads, allowed: pa.Array) -> Counts:
        """Their numbers by function and reason.

        Args:
            seen: the bucket.
            allowed: posts that are no copies, not empty and in no benchmark.
        """
        if not self._votes and not self._repeated:
            return {}
        kinds = dict(zip(seen.documents["post_id"].to_pylist(), seen.documents["kind"].to_pylist(), strict=True))
        tables = (seen.posts, seen.comments, seen.votes, seen.links, *([] if seen.history is None else [seen.history]))
        others = {post for table in tables for post in table["post_id"].unique().to_pylist()}
        fit, own = set(allowed.to_pylist()), _makes_its_own(task)
        counts: Counts = {}
        for function, votes in sorted(self._votes.items()):
            for post, _, _ in votes:
                if post not in kinds:
                    reason = NO_DOCUMENT if post in others else UNKNOWN
                elif kinds[post] not in task.kinds and (post in fit or not own):  # of its own it may be any kind
                    reason = KIND
                else:
                    reason = NOT_MADE if post in fit else LEFT_OUT
                first = {"votes": 0, "post": corpus_schema.key(seen.site, post)}
                counts.setdefault(function, {}).setdefault(reason, first)["votes"] += 1
        for function, votes in sorted(self._repeated.items()):
            first = {"votes": len(votes), "post": corpus_schema.key(seen.site, next(iter(votes))[0])}
            counts.setdefault(function, {})[REPEATED] = first
        return counts


def merged(parts: Iterable[Mapping[str, Any]]) -> Counts:
    """The counts of several buckets together, with the first post of each."""
    total: Counts = {}
    for part in parts:
        for function, reasons in part.items():
            for reason, of in reasons.items():
                entry = total.setdefault(function, {}).setdefault(reason, {"votes": 0, "post": of["post"]})
                entry["votes"] += of["votes"]
    return {function: dict(sorted(reasons.items())) for function, reasons in sorted(total.items())}


def is_fault(reasons: Mapping[str, Any]) -> bool:
    """Whether a function could have known that some of its votes do not count; what is a copy it can't know."""
    return not _FAULTS.isdisjoint(reasons)


def sentence(task: Task, function: str, reasons: Mapping[str, Any]) -> str:
    """A function's votes that do not count, with a post of each kind, and what counts."""
    of = {
        KIND: f"on {'answers' if task.kinds == ('question',) else 'questions'}",
        UNKNOWN: "on numbers of no post of the threads",
        NOT_MADE: f"on {_kinds(task, 's')} of which the task makes no example",
        LEFT_OUT: "on copies of other posts, empty ones, and posts of a benchmark",
        NO_DOCUMENT: "on posts that are no documents, such as wikis and deleted ones",
    }
    parts = [
        f"{reasons[reason]['votes']:,} {of[reason]}, such as {reasons[reason]['post']}"
        for reason in _REASONS
        if reason in reasons
    ]
    total = sum(entry["votes"] for reason, entry in reasons.items() if reason != REPEATED)
    which = "that its examples= gives and that" if _makes_its_own(task) else "that"
    sentences = []
    if parts:
        sentences.append(
            f"{_counted(total)} not count, being on posts that are no examples of {task.name}: {'; '.join(parts)}. An "
            f"example of {task.name} is {_kinds(task)} {which} is no copy, not empty and in no benchmark"
        )
    if REPEATED in reasons:
        what = "spans" if task.spans else "posts"
        sentences.append(
            f"{_counted(reasons[REPEATED]['votes'])} not count, being for another label on {what} that it has voted "
            f"on, such as {reasons[REPEATED]['post']}: the first counts"
        )
    return f"{task.name}.{function}: {'. '.join(sentences)}"


def _counted(votes: int) -> str:
    return f"{votes:,} {'votes do' if votes > 1 else 'vote does'}"


def _makes_its_own(task: Task) -> bool:
    """Whether a plug-in's task has `examples` of its own."""
    return task.examples is not None and task.name in TASKS and TASKS.origin(task.name) is not None


def _kinds(task: Task, plural: str = "") -> str:
    return " or ".join(f"{'' if plural else 'an ' if kind == 'answer' else 'a '}{kind}{plural}" for kind in task.kinds)
