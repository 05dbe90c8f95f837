"""Quality of questions, in the classes of the public set: HQ, LQ_EDIT, LQ_CLOSE; and a score from 0 to 1.

The set's definition: HQ has a score of 30 or more and no edit; LQ_EDIT a negative score and several edits by the
community, but it is open; LQ_CLOSE was closed without an edit. Scores depend on the site and on a question's age, so
they are compared with those of the same site and year. The judged text is the first revision, for every class.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import log2
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling.functions import Threads, Vote, votes
from socorpus.labeling.history import revisions
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks import closure

HQ, LQ_EDIT, LQ_CLOSE = "HQ", "LQ_EDIT", "LQ_CLOSE"
"""Classes of "60k Stack Overflow Questions with Quality Rating" (Annamoradnejad et al. 2022)."""

HIGH_SCORE, SEVERAL_EDITS = 30, 2
"""The public set's bounds: score of HQ, edits of LQ_EDIT."""
FEW = 50
"""Questions of a year with fewer than this are ranked among all years of the site."""

_BODY_EDITS = pa.array([5, 8], pa.int32())
_FAVOURITE, _UP, _DOWN = 5, 2, 3
_ALL = "all"


@dataclass(frozen=True)
class Judged:
    """Facts for and against a question's quality."""

    post_id: int
    score: int
    rank: float
    """Share of the site's questions of that year with a lower score, ties by half; 0 to 1."""
    view_rank: float | None
    """The same for views; None if the dump has none."""
    edits: int | None
    """Body edits by others than its owner and the system (types 5 and 8); None if the site has no history."""
    edited: bool
    """Whether anyone but the system ever edited its body (without history: anything of it)."""
    closed: bool
    reason: str | None
    """Label of `closure.REASONS`; None if it is open or the reason isn't known."""
    answers: int
    accepted: bool

    @property
    def value(self) -> float:
        """Quality from 0 to 1: ranks of score and views, adjusted for answers, closing and edits.

        0.6 for the score's rank, 0.2 for the views' (or the score's again), 0.1 each for an answer and an accepted
        answer; minus 0.4 if closed for any reason except duplicate, minus 0.1 for each edit by others, at most two.
        """
        views = self.rank if self.view_rank is None else self.view_rank
        good = 0.6 * self.rank + 0.2 * views + 0.1 * (self.answers > 0) + 0.1 * self.accepted
        bad = 0.4 * (self.closed and self.reason != "duplicate") + 0.1 * min(self.edits or 0, 2)
        return round(min(max(good - bad, 0.0), 1.0), 3)

    @property
    def evidence(self) -> dict[str, Any]:
        """Evidence of every vote: the figures that it rests on, and the quality."""
        figures: dict[str, Any] = {"quality": self.value, "score": self.score, "rank": round(self.rank, 3)}
        figures |= {"edits_by_others": self.edits, "closed": self.closed}
        return figures if self.edits is not None else figures | {"history": "none: only whether it was edited is known"}


def judged(threads: Threads) -> dict[int, Judged]:
    """All questions of a bucket."""
    facts = threads.facts.get("sites", {}).get(threads.site) or merge([collect(threads)])["sites"].get(threads.site, {})
    scores, views = _Ranks(facts.get("scores", {})), _Ranks(facts.get("views", {}))
    standings = closure.standings(threads)
    edits = _edits(threads)
    posts = threads.posts.filter(pc.is_in(threads.posts["post_id"], pa.array(list(standings), pa.int64())))
    columns = [
        "post_id",
        "score",
        "view_count",
        "answer_count",
        "accepted_answer_id",
        "creation_date",
        "last_edit_date",
    ]
    questions = {}
    for row in posts.select(columns).to_pylist():
        post, standing = row["post_id"], standings[row["post_id"]]
        year = _year(row["creation_date"])
        seen = row["view_count"]
        others, anyone = edits.get(post, (0, 0))
        questions[post] = Judged(
            post,
            row["score"] or 0,
            scores.rank(year, row["score"] or 0),
            None if seen is None else views.rank(year, _octave(seen)),
            None if threads.history is None else others,
            row["last_edit_date"] is not None if threads.history is None else anyone > 0,
            standing.closed,
            standing.label,
            row["answer_count"] or 0,
            row["accepted_answer_id"] is not None,
        )
    return questions


def _edits(threads: Threads) -> dict[int, tuple[int, int]]:
    """Body edits of each post: by others than its owner, and by anyone; the system's own are not counted."""
    if threads.history is None:
        return {}
    names = ["post_id", "owner_user_id", "owner_display_name"]
    owners = {row["post_id"]: row for row in threads.posts.select(names).to_pylist()}
    rows = threads.history.filter(pc.is_in(threads.history["post_history_type_id"], _BODY_EDITS))
    counts: dict[int, tuple[int, int]] = {}
    for row in rows.select(["post_id", "user_id", "user_display_name"]).to_pylist():
        owner = owners.get(row["post_id"])
        if owner is None or row["user_id"] == revisions.COMMUNITY:
            continue
        others, anyone = counts.get(row["post_id"], (0, 0))
        counts[row["post_id"]] = (others + _another(row, owner), anyone + 1)
    return counts


def _another(row: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    """Whether an editor isn't the owner; by the names if an account is gone, and False if nothing is known."""
    if row["user_id"] is not None and owner["owner_user_id"] is not None:
        return bool(row["user_id"] != owner["owner_user_id"])
    if row["user_display_name"] and owner["owner_display_name"]:
        return bool(row["user_display_name"] != owner["owner_display_name"])
    return row["user_id"] is not None or owner["owner_user_id"] is not None


# Facts, and the texts that are judged.


def collect(threads: Threads) -> dict[str, Any]:
    """Histograms of the bucket's questions by year: of scores, and of views in quarters of an octave."""
    questions = threads.documents.filter(pc.equal(threads.documents["kind"], "question"))
    scores: dict[str, Counter[str]] = {}
    views: dict[str, Counter[str]] = {}
    for row in questions.select(["created", "score", "views"]).to_pylist():
        year = _year(row["created"])
        scores.setdefault(year, Counter())[str(row["score"])] += 1
        if row["views"] is not None:
            views.setdefault(year, Counter())[str(_octave(row["views"]))] += 1
    return {threads.site: {"scores": scores, "views": views}}


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Histograms by site and year: `{"sites": {SITE: {"scores" or "views": {YEAR or "all": {VALUE: questions}}}}}`."""
    sites: dict[str, dict[str, dict[str, Counter[str]]]] = {}
    for part in parts:
        for site, tables in part.items():
            for name, years in tables.items():
                into = sites.setdefault(site, {}).setdefault(name, {})
                for year, histogram in years.items():
                    for to in (year, _ALL):
                        into.setdefault(to, Counter()).update(histogram)
    return {
        "sites": {
            site: {
                name: {
                    year: dict(sorted(histogram.items(), key=lambda item: int(item[0])))
                    for year, histogram in sorted(years.items())
                }
                for name, years in sorted(tables.items())
            }
            for site, tables in sorted(sites.items())
        }
    }


class _Ranks:
    """Ranks of values among those of their year, from histograms by year."""

    def __init__(self, histograms: Mapping[str, Mapping[str, int]]):
        self._years = {
            year: (values, [0, *accumulate(histogram[str(value)] for value in values)])
            for year, histogram in histograms.items()
            for values in [sorted(map(int, histogram))]
        }

    def rank(self, year: str, value: int) -> float:
        values, sums = self._years.get(year, ([], [0]))
        if sums[-1] < FEW:
            values, sums = self._years.get(_ALL, ([], [0]))
        if not sums[-1]:
            return 0.5
        below, to = sums[bisect_left(values, value)], sums[bisect_right(values, value)]
        return (below + to) / (2 * sums[-1])


def _year(moment: Any) -> str:
    return "0" if moment is None else str(moment.year)


@cache
def _octave(views: int) -> int:
    """Views on a scale of quarters of an octave."""
    return round(4 * log2(1 + max(views, 0)))


def examples(threads: Threads, votes: Sequence[Vote]) -> pa.Table:
    """Every question as its first known revision, rendered from history, whatever its class; without comments.

    Without history it is the published text, minus the note that names a duplicate.
    """
    questions = threads.documents.filter(pc.equal(threads.documents["kind"], "question"))["post_id"].to_pylist()
    bodies = dict(zip(threads.posts["post_id"].to_pylist(), threads.posts["body"].to_pylist(), strict=True))
    known = revisions.replay(threads.history, questions)
    states = {}
    for post in questions:
        beginning = revisions.first(known.get(post, []))
        states[post] = (
            revisions.state(beginning, "first_revision") if beginning else revisions.published(bodies.get(post))
        )
    return revisions.examples(threads, states, votes, comments=False)


TASK = Task(
    "quality",
    {
        HQ: "a good question that needs no edit",
        LQ_EDIT: "a poor question that others had to edit, and that stayed open",
        LQ_CLOSE: "a question so poor that it was closed",
    },
    question="How good is this question as it was first asked?",
    unit="question",
    collect=collect,
    merge=merge,
    examples=examples,
)


# Functions.


@votes(TASK)
def as_in_the_public_set(threads: Threads) -> Iterator[Vote]:
    """The public set's definition: 30 and unedited; negative, with several edits and open; closed and unedited."""
    for post, question in judged(threads).items():
        label = None
        if question.closed:
            label = LQ_CLOSE if not question.edited and question.reason != "duplicate" else None
        elif question.score >= HIGH_SCORE and not question.edited:
            label = HQ
        elif question.score < 0 and (question.edits or 0) >= SEVERAL_EDITS:
            label = LQ_EDIT
        if label is not None:
            yield Vote(post, label, question.evidence)


@votes(TASK)
def score_in_its_year(threads: Threads) -> Iterator[Vote]:
    """Among the highest tenth of its site's and year's scores: HQ; among the lowest and edited by others: LQ_EDIT."""
    for post, question in judged(threads).items():
        if question.rank >= 0.9 and question.score > 0:
            yield Vote(post, HQ, question.evidence)
        elif not question.closed and question.rank <= 0.15 and question.score <= 0 and (question.edits or 0) > 0:
            yield Vote(post, LQ_EDIT, question.evidence)


@votes(TASK)
def closed_by_others(threads: Threads) -> Iterator[Vote]:
    """Closed at the time of the dump, except as a duplicate, which says nothing about quality."""
    repeated = {vote.post_id for vote in closure.duplicate_link(threads)}
    repeated |= {vote.post_id for vote in closure.original_questions(threads)}
    for post, question in judged(threads).items():
        if question.closed and question.reason != "duplicate" and post not in repeated:
            yield Vote(post, LQ_CLOSE, question.evidence | {"reason": question.reason})


@votes(TASK)
def edited_by_others(threads: Threads) -> Iterator[Vote]:
    """Body edited by others twice or more, open, and scored no better than most: LQ_EDIT."""
    for post, question in judged(threads).items():
        if not question.closed and (question.edits or 0) >= SEVERAL_EDITS and question.rank <= 0.5:
            yield Vote(post, LQ_EDIT, question.evidence)


@votes(TASK)
def well_answered(threads: Threads) -> Iterator[Vote]:
    """Two answers or more, one accepted, a score above most of its year, and no edit by others: HQ."""
    for post, question in judged(threads).items():
        good = question.answers >= 2 and question.accepted and question.rank >= 0.7 and question.score > 0
        if good and not question.edits and (question.edits is not None or not question.edited):
            yield Vote(post, HQ, question.evidence | {"answers": question.answers})


@votes(TASK)
def much_viewed(threads: Threads) -> Iterator[Vote]:
    """Among the most viewed tenth of its site and year, with a score above most: HQ."""
    for post, question in judged(threads).items():
        if (question.view_rank or 0) >= 0.9 and question.rank >= 0.6 and question.score > 0:
            yield Vote(post, HQ, question.evidence | {"view_rank": round(question.view_rank or 0, 3)})


@votes(TASK)
def down_votes(threads: Threads) -> Iterator[Vote]:
    """More votes down than up: LQ_CLOSE if it is closed, LQ_EDIT if it is open and others edited it."""
    counts = _votes(threads, (_UP, _DOWN))
    for post, question in judged(threads).items():
        up, down = (counts.get(post, Counter())[kind] for kind in (_UP, _DOWN))
        if down > up and down >= 2:
            label = LQ_CLOSE if question.closed and question.reason != "duplicate" else None
            label = LQ_EDIT if not question.closed and (question.edits or 0) > 0 else label
            if label is not None:
                yield Vote(post, label, question.evidence | {"up": up, "down": down})


@votes(TASK)
def favourites(threads: Threads) -> Iterator[Vote]:
    """Five users or more marked it as a favourite: HQ."""
    counts = _votes(threads, (_FAVOURITE,))
    for post, question in judged(threads).items():
        marked = counts.get(post, Counter())[_FAVOURITE]
        if marked >= 5 and question.rank >= 0.5:
            yield Vote(post, HQ, question.evidence | {"favourites": marked})


def _votes(threads: Threads, kinds: Sequence[int]) -> dict[int, Counter[int]]:
    table = threads.votes.filter(pc.is_in(threads.votes["vote_type_id"], pa.array(list(kinds), pa.int32())))
    counts: dict[int, Counter[int]] = {}
    for post, kind in zip(table["post_id"].to_pylist(), table["vote_type_id"].to_pylist(), strict=True):
        counts.setdefault(post, Counter())[kind] += 1
    return counts


_ASKS_FOR_MORE = re.compile(
    r"\bwhat have you tried\b"
    r"|\b(?:please|pls|could you|can you|you should|you need to) (?:\w+ )?"
    r"(?:clarify|add|show|post|include|provide|elaborate|explain what|format|edit)\b"
    r"|\bshow (?:us )?(?:your|some|the) (?:code|attempt|effort|work)\b"
    r"|\b(?:not|n't|un)\s?clear (?:what|to me)\b|\bunclear\b|\bcan't understand\b|\bmakes no sense\b"
    r"|\bminimal,? (?:\w+,? ){0,12}(?:reproducible )?example\b|\b(?:mcve|mwe|sscce)\b"
    r"|\bwhat (?:exactly )?(?:is|are) (?:you|your) (?:\w+ )?(?:question|asking|trying)\b"
    r"|\bno (?:research )?effort\b|\bhomework\b|\bwelcome to\b.{0,60}\b(?:tour|how to ask|help center)\b",
    re.IGNORECASE,
)


@votes(TASK)
def comments_ask_for_more(threads: Threads) -> Iterator[Vote]:
    """Others' comments ask for clarity, code or effort: LQ_CLOSE if it was closed, LQ_EDIT if others then edited it."""
    questions = judged(threads)
    owners = dict(zip(threads.posts["post_id"].to_pylist(), threads.posts["owner_user_id"].to_pylist(), strict=True))
    table = threads.comments.filter(pc.is_in(threads.comments["post_id"], pa.array(list(questions), pa.int64())))
    asked: dict[int, list[int]] = {}
    for row in table.select(["post_id", "comment_id", "text", "user_id"]).to_pylist():
        own = row["user_id"] is not None and row["user_id"] == owners[row["post_id"]]
        if not own and _ASKS_FOR_MORE.search(row["text"] or ""):
            asked.setdefault(row["post_id"], []).append(row["comment_id"])
    for post, comments in asked.items():
        question = questions[post]
        label = LQ_CLOSE if question.closed and question.reason != "duplicate" else None
        label = LQ_EDIT if not question.closed and (question.edits or 0) > 0 and question.rank < 0.6 else label
        if label is not None:
            yield Vote(post, label, question.evidence | {"comments": comments}, gives_away=tuple(comments))
