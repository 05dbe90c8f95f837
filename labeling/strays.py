"""Votes of plug-ins on posts that are no examples of their task: they do not count, and their author hears why."""

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
_FAULTS = {KIND, UNKNOWN, NOT_MADE}


class Strays:
    """The votes of plug-ins' functions on a bucket's posts that are no examples; of ours nothing is noted.

    Args:
        functions: all that vote.
    """

    def __init__(self, functions: Iterable[Function]) -> None:
        self._theirs = {function.name for function in functions if FUNCTIONS.origin(function.key) is not None}
        self._votes: dict[str, dict[tuple[Any, int | None, int | None], None]] = {}

    def enter(self, by: Iterable[tuple[Function, Vote]], examples: Collection[int]) -> None:
        """Note those of some votes that are on none of the examples; the same vote again is noted once."""
        for function, vote in by if self._theirs else ():
            if function.name in self._theirs and vote.post_id not in examples:
                self._votes.setdefault(function.name, {})[vote.post_id, vote.start, vote.end] = None

    def counts(self, task: Task, seen: Threads, allowed: pa.Array) -> Counts:
        """Their numbers by function and reason.

        Args:
            seen: the bucket.
            allowed: posts that are no copies, not empty and in no benchmark.
        """
        if not self._votes:
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
    """Whether some of a function's votes are on posts that it can tell to be none of its task's; a copy it can't."""
    return not _FAULTS.isdisjoint(reasons)


def sentence(task: Task, function: str, reasons: Mapping[str, Any]) -> str:
    """A function's votes that do not count, with a post of each kind, and what an example of its task is."""
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
    total = sum(entry["votes"] for entry in reasons.values())
    which = "that its examples= gives and that" if _makes_its_own(task) else "that"
    return (
        f"{task.name}.{function}: {total:,} {'votes do' if total > 1 else 'vote does'} not count, being on posts that "
        f"are no examples of {task.name}: {'; '.join(parts)}. An example of {task.name} is {_kinds(task)} {which} is "
        "no copy, not empty and in no benchmark"
    )


def _makes_its_own(task: Task) -> bool:
    """Whether a plug-in's task has `examples` of its own."""
    return task.examples is not None and task.name in TASKS and TASKS.origin(task.name) is not None


def _kinds(task: Task, plural: str = "") -> str:
    return " or ".join(f"{'' if plural else 'an ' if kind == 'answer' else 'a '}{kind}{plural}" for kind in task.kinds)
