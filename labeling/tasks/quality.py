"""Quality of questions, in the classes of the public set: HQ, LQ_EDIT, LQ_CLOSE; and a score from 0 to 1.

The set's definition: HQ has a score of 30 or more and no edit; LQ_EDIT a negative score and several edits by the
community, but it is open; LQ_CLOSE was closed without an edit. Scores depend on the site and on a question's age, so
they are compared with those of the same site and year. Each of score, closing and edits says little by itself: a class
needs several at once, and one function a class reads them together, since functions that read the same columns would
only seem to agree. The judged text is the first revision, for every class.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling.facts import post_facts, question_kinds, ranks, remarks, site_business
from socorpus.labeling.facts.post_facts import PostFacts
from socorpus.labeling.functions import Threads, Vote, votes
from socorpus.labeling.history import edits, revisions
from socorpus.labeling.history.edits import Changes, Edit
from socorpus.labeling.schema import Task

HQ, LQ_EDIT, LQ_CLOSE = "HQ", "LQ_EDIT", "LQ_CLOSE"
"""Classes of "60k Stack Overflow Questions with Quality Rating" (Annamoradnejad et al. 2022)."""

HIGH_SCORE, SEVERAL_EDITS = 30, 2
"""The public set's bounds: score of HQ, edits of LQ_EDIT."""
LEAST_SCORE, TOP = 5, 0.9
"""Elsewhere HQ has this score or more, and is in the highest tenth of its site and year."""
LOW, LOWEST, LIKED = 0.35, 0.25, 3
"""Ranks up to which a question's reception is poor, of one closed for its form, and of any other; and the score from
which on it is not."""
SEVERAL_SHARE = 0.1
"""Share of the words that several edits change together, if no one of them rescues the text."""
LEAST_WORDS = 30
"""Words of a text that can be a good question."""
MANY_ANSWERS = 5
"""From this number on, more than one answer for two votes means that everybody has one: a list, or opinions."""
MOST_QUESTIONS = 4
"""Sentences of one question that ask."""
OTHER_TITLE = 0.5
"""Share of the words of a title that change where the first one said little."""
LATE = 180 * 86_400_000
"""Milliseconds after which a closing or an edit says more of the site's changed scope or habits than of the text."""
SOON = 30 * 86_400_000
"""Milliseconds within which an edit is an answer to how a question was asked, whatever its score came to."""

_UP, _DOWN = 2, 3
_LOCKED, _UNLOCKED, _NOTICED, _RELIEVED = 14, 15, 33, 34
_FORM = frozenset({"needs_details", "needs_focus", "opinion_based"})
"""Reasons for closing that speak of how a question is asked, rather than where."""


@dataclass(frozen=True)
class Judged:
    """Facts for and against a question's quality."""

    post_id: int
    score: int
    rank: float
    """Share of the site's questions of that year with a lower score, ties by half; 0 to 1."""
    view_rank: float | None
    """The same for views; None if the dump has none."""
    others: Changes | None
    """Edits of its body by others than its owner and the system that stand, not long after it was asked; None if the
    site has no history."""
    anyone: Changes | None
    """The same, at any time, with its owner's."""
    early: Changes | None
    """Those of `others` that came soon and whose comments speak of language, clarity or layout, if one of them changed
    the title too; else None."""
    edited: bool
    """Whether others than the system edited its body; without history whether its last editor is not its owner."""
    facts: PostFacts
    answers: int
    accepted: bool
    marked: bool
    """Whether it stands locked, or under a notice."""
    title: str
    """As it was first written; without history as published."""
    retitled: float
    """Share of its words that have changed since."""
    wiki: bool
    """Owned by the community: a list, a poll, or many people's work."""
    text: str
    """As it was first written, in Markdown; without history as published."""
    prose: str
    """The text without quotations and code."""
    up: int
    down: int
    """Votes, as far as the dump has them."""
    late: bool
    """Closed so long after it was asked that its text was hardly the reason."""

    @property
    def value(self) -> float:
        """Quality from 0 to 1: ranks of score and views, adjusted for answers, closing and edits.

        0.6 for the score's rank, 0.2 for the views' (or the score's again), 0.1 each for an answer and an accepted
        answer; minus 0.4 if closed for any reason except duplicate, minus 0.1 for each edit by others, at most two.
        """
        views = self.rank if self.view_rank is None else self.view_rank
        good = 0.6 * self.rank + 0.2 * views + 0.1 * (self.answers > 0) + 0.1 * self.accepted
        count = self.others.edits if self.others is not None else 0
        bad = 0.4 * (self.facts.closed and not self.facts.duplicate) + 0.1 * min(count, 2)
        return round(min(max(good - bad, 0.0), 1.0), 3)

    @property
    def poor(self) -> bool:
        """Whether its reception is poor: more votes down than up, or as many where most others got more up."""
        return self.score < 0 or (self.score == 0 and self.rank <= LOWEST)

    @property
    def acclaimed(self) -> bool:
        """Whether its score is high, and nearly all votes were up."""
        high = self.score >= HIGH_SCORE or (self.score >= LEAST_SCORE and self.rank >= TOP)
        return high and (not self.up or self.down * 10 <= self.up)

    @property
    def disputed(self) -> bool:
        """Whether its kind gets votes that say nothing of its quality, or its users did not agree that it is good."""
        everybody = self.answers >= MANY_ANSWERS and 2 * self.answers > self.score
        marked = self.wiki or self.marked or self.facts.closed or self.facts.closings > 0
        return marked or everybody or question_kinds.invites_opinions(self.title, self.prose) is not None

    @property
    def complete(self) -> bool:
        """Whether its first text was whole: not rewritten since, not short, and no bundle of questions."""
        rewritten = self.edited or self.retitled >= OTHER_TITLE or (self.anyone is not None and self.anyone.rescue)
        short = len(edits.words(self.text)) < LEAST_WORDS
        return not rewritten and not short and question_kinds.questions(self.prose) <= MOST_QUESTIONS

    @property
    def evidence(self) -> dict[str, Any]:
        """Evidence of every vote: the figures that it rests on, and the quality."""
        figures: dict[str, Any] = {"quality": self.value, "score": self.score, "rank": round(self.rank, 3)}
        figures["edits_by_others"] = self.others.evidence if self.others is not None else None
        return figures | {"closure": self.facts.value}


def judged(threads: Threads) -> dict[int, Judged]:
    """All questions of a bucket that can be judged: none of a meta site, and none that is about the site."""
    return threads.once(_judged, threads.facts)


def _judged(threads: Threads) -> dict[int, Judged]:
    facts = _of_site(threads)
    scores, views = ranks.Ranks(facts.get("scores", {})), ranks.Ranks(facts.get("views", {}))
    settled = {post: of_post for post, of_post in post_facts.of_posts(threads).items() if not of_post.business}
    replayed = revisions.of_questions(threads)
    documents = {row["post_id"]: row for row in threads.documents.select(_PUBLISHED).to_pylist()}
    ballots, marked = _ballots(threads), _marked(threads.history)
    posts = threads.posts.filter(pc.is_in(threads.posts["post_id"], pa.array(list(settled), pa.int64())))
    questions = {}
    for row in posts.select(_COLUMNS).to_pylist():
        post, year, seen = row["post_id"], ranks.year(row["creation_date"]), row["view_count"]
        known = replayed.get(post, [])
        standing = edits.standing(known)
        others = edits.by_others(standing, row)
        anyone = [edit for edit in standing if edit.user != revisions.COMMUNITY]
        beginning = revisions.first(known)
        text, title = documents[post]["text"][: documents[post]["own_end"]], documents[post]["title"] or ""
        body = beginning.body if beginning is not None else None
        first_title = (beginning.title if beginning is not None else None) or title
        editor, owner = row["last_editor_user_id"], row["owner_user_id"]
        closed, asked = settled[post].first_closed, row["creation_date"]
        history = threads.history is not None
        questions[post] = Judged(
            post,
            row["score"] or 0,
            scores.rank(year, row["score"] or 0),
            None if seen is None else views.rank(year, ranks.octave(seen)),
            edits.total(edit for edit in others if edit.time - known[0].at <= LATE) if history else None,
            edits.total(anyone) if history else None,
            _early(others, known[0].at) if history and known else None,
            bool(others) if history else editor not in (None, owner, revisions.COMMUNITY),
            settled[post],
            row["answer_count"] or 0,
            row["accepted_answer_id"] is not None,
            post in marked,
            first_title,
            edits.changed(first_title, title)[1],
            row["community_owned_date"] is not None,
            body or text,
            question_kinds.prose(body) if body else _prose(documents[post]),
            ballots.get(post, Counter())[_UP],
            ballots.get(post, Counter())[_DOWN],
            closed is not None and asked is not None and closed - asked.timestamp() * 1000 > LATE,
        )
    return questions


_COLUMNS = [
    *("post_id", "score", "view_count", "answer_count", "accepted_answer_id", "creation_date", "owner_user_id"),
    *("owner_display_name", "last_editor_user_id", "community_owned_date"),
]


_PUBLISHED = ["post_id", "title", "text", "own_end", "segments"]


def _prose(document: Mapping[str, Any]) -> str:
    """The post's own text without quotations and code."""
    parts, end = [], 0
    for segment in document["segments"]:
        if segment["kind"] in ("code", "quote") and segment["end"] <= document["own_end"]:
            parts.append(document["text"][end : segment["start"]])
            end = segment["end"]
    return "".join([*parts, document["text"][end : document["own_end"]]])


def _of_site(threads: Threads) -> Mapping[str, Any]:
    sites = threads.facts.get("sites", {})
    of_site: Mapping[str, Any] = sites.get(threads.site) or merge([collect(threads)])["sites"].get(threads.site, {})
    return of_site


def _ballots(threads: Threads) -> dict[int, Counter[int]]:
    """Votes up and down on each post."""
    table = threads.votes.filter(pc.is_in(threads.votes["vote_type_id"], pa.array([_UP, _DOWN], pa.int32())))
    counts: dict[int, Counter[int]] = {}
    for post, kind in zip(table["post_id"].to_pylist(), table["vote_type_id"].to_pylist(), strict=True):
        counts.setdefault(post, Counter())[kind] += 1
    return counts


def _early(others: Sequence[Edit], asked: int) -> Changes | None:
    soon = [edit for edit in others if edit.mends and edit.time - asked <= SOON]
    return edits.total(soon) if any(edit.title for edit in soon) else None


def _marked(history: pa.Table | None) -> set[int]:
    """Posts that stand locked, or under a notice of the site."""
    if history is None:
        return set()
    opening = {_LOCKED: "locked", _NOTICED: "noticed"}
    closing = {_UNLOCKED: "locked", _RELIEVED: "noticed"}
    rows = history.filter(pc.is_in(history["post_history_type_id"], pa.array([*opening, *closing], pa.int32())))
    rows = rows.sort_by([(name, "ascending") for name in ("creation_date", "history_id")])
    standing: set[tuple[int, str]] = set()
    for post, kind in zip(rows["post_id"].to_pylist(), rows["post_history_type_id"].to_pylist(), strict=True):
        if kind in opening:
            standing.add((post, opening[kind]))
        else:
            standing.discard((post, closing[kind]))
    return {post for post, _ in standing}


# Facts of the corpus, and the texts that are judged.


def collect(threads: Threads) -> dict[str, Any]:
    """Histograms of the bucket's questions by year: of scores, and of views in quarters of an octave.

    `known` counts questions, and duplicates that a link names; `history` is 1 where the site has one.
    """
    questions = threads.documents.filter(pc.equal(threads.documents["kind"], "question"))
    scores: dict[str, Counter[str]] = {}
    views: dict[str, Counter[str]] = {}
    for row in questions.select(["created", "score", "views"]).to_pylist():
        year = ranks.year(row["created"])
        scores.setdefault(year, Counter())[str(row["score"])] += 1
        if row["views"] is not None:
            views.setdefault(year, Counter())[str(ranks.octave(row["views"]))] += 1
    linked = sum(facts.reason_by == "link" for facts in post_facts.of_posts(threads).values())
    known = {"questions": questions.num_rows, "linked": linked, "history": int(threads.history is not None)}
    return {threads.site: {"scores": scores, "views": views, "known": {ranks.ALL: known}}}


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Histograms by site and year, and the classes that a site has no evidence for.

    `{"sites": {SITE: {"scores" or "views": {YEAR or "all": {VALUE: questions}}, "abstains": {LABEL: why}}}}`.
    """
    sites: dict[str, dict[str, dict[str, Counter[str]]]] = {}
    for part in parts:
        for site, tables in part.items():
            for name, years in tables.items():
                into = sites.setdefault(site, {}).setdefault(name, {})
                for year, histogram in years.items():
                    for to in {year, ranks.ALL}:
                        into.setdefault(to, Counter()).update(histogram)
    return {
        "sites": {
            site: {
                name: {
                    year: dict(sorted(histogram.items(), key=lambda item: int(item[0])))
                    for year, histogram in sorted(tables.get(name, {}).items())
                }
                for name in ("scores", "views")
            }
            | {"abstains": _abstains(site, tables)}
            for site, tables in sorted(sites.items())
        }
    }


def _abstains(site: str, tables: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, str]:
    """The classes for which a site has no evidence, with the reason in a sentence."""
    known, scores = tables["known"][ranks.ALL], tables.get("scores", {}).get(ranks.ALL, {})
    if site_business.meta_site(site):
        why = "a meta site: votes say whether people agree, not whether a question is good"
        return dict.fromkeys((HQ, LQ_EDIT, LQ_CLOSE), why)
    if known["questions"] < ranks.FEW:
        why = f"{known['questions']} questions: too few to say which score is high or low"
        return dict.fromkeys((HQ, LQ_EDIT, LQ_CLOSE), why)
    reasons = {}
    if not any(int(score) >= LEAST_SCORE for score in scores):
        reasons[HQ] = f"no score of {LEAST_SCORE} or more: a vote or two is no verdict"
    if not known["history"]:
        reasons[LQ_EDIT] = "no history: what an edit changed is not known"
        if not known["linked"]:
            reasons[LQ_CLOSE] = "neither a history nor links of duplicates: why a question was closed is not known"
    return reasons


def abstains(facts: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Site -> class -> why the site has no evidence for it; from the facts that `merge` returned."""
    return {site: of_site["abstains"] for site, of_site in facts["sites"].items() if of_site["abstains"]}


def examples(threads: Threads, votes: Sequence[Vote]) -> pa.Table:
    """Every question as its first known revision, rendered from history, whatever its class; without comments.

    Without history it is the published text, minus the note that names a duplicate.
    """
    questions = threads.documents.filter(pc.equal(threads.documents["kind"], "question"))["post_id"].to_pylist()
    bodies = dict(zip(threads.posts["post_id"].to_pylist(), threads.posts["body"].to_pylist(), strict=True))
    known = revisions.of_questions(threads)
    states = {}
    for post in questions:
        beginning = revisions.first(known.get(post, []))
        states[post] = (
            revisions.state(threads, beginning, "first_revision")
            if beginning
            else revisions.published(bodies.get(post))
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
    abstains=abstains,
)


# Functions.


@votes(TASK, version=3, right=0.85)
def well_received(threads: Threads) -> Iterator[Vote]:
    """HQ: a high score for its year; never closed, no poll or list, no objections, and whole as first written."""
    if HQ in _of_site(threads)["abstains"]:
        return
    good = {
        post: question
        for post, question in judged(threads).items()
        if question.acclaimed and not question.disputed and question.complete
    }
    faulted = _commented(threads, lambda text: remarks.objects(text) or _asks_for_more(text), good)
    for post, question in good.items():
        if post not in faulted:
            yield Vote(post, HQ, question.evidence | {"up": question.up, "down": question.down})


@votes(TASK, version=4, right=0.8)
def rescued_by_others(threads: Threads) -> Iterator[Vote]:
    """LQ_EDIT: open, and others' edits rewrote it, where it was received poorly, or soon and with its title."""
    if LQ_EDIT in _of_site(threads)["abstains"]:
        return
    asked = _asked_for_more(threads)
    for post, question in judged(threads).items():
        others, comments = question.others, asked.get(post, [])
        if others is None or question.facts.closed:
            continue
        repeated = question.score < 0 and others.edits >= SEVERAL_EDITS and others.share >= SEVERAL_SHARE
        poor = question.poor or (comments and question.rank <= LOW and question.score < LIKED)
        mended = question.early is not None and question.early.rescue and not question.acclaimed
        if mended or (poor and (others.rescue or repeated)):
            yield _low(question, LQ_EDIT, comments)


@votes(TASK, version=3, right=0.9)
def closed_as_poor(threads: Threads) -> Iterator[Vote]:
    """LQ_CLOSE: received poorly and soon closed by others for how it is asked, or for another reason below zero."""
    if LQ_CLOSE in _of_site(threads)["abstains"]:
        return
    asked = _asked_for_more(threads)
    for post, question in judged(threads).items():
        facts, comments = question.facts, asked.get(post, [])
        # A closing as a duplicate, of a question that moved, by its owner, or long afterwards, is not for its text.
        elsewhere = facts.duplicate or facts.perhaps_duplicate or facts.migrated == "away"
        if not facts.closed or elsewhere or facts.by_owner or question.late:
            continue
        low = question.poor or (question.score < LIKED and question.rank <= (0.5 if comments else LOW))
        if low if facts.reason in _FORM else question.score < 0:
            yield _low(question, LQ_CLOSE, comments)


def _low(question: Judged, label: str, comments: Sequence[int]) -> Vote:
    """A vote for a class of low quality; comments that ask for more are evidence, and stay out of the text."""
    return Vote(question.post_id, label, question.evidence | {"asked": list(comments)}, gives_away=tuple(comments))


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


def _asks_for_more(text: str) -> bool:
    return _ASKS_FOR_MORE.search(text) is not None


def _asked_for_more(threads: Threads) -> dict[int, list[int]]:
    """Comments by others that ask for clarity, code or effort, of each question that has any."""
    return _commented(threads, _asks_for_more)


def _commented(
    threads: Threads, says: Callable[[str], bool], posts: Iterable[int] | None = None
) -> dict[int, list[int]]:
    """Comments by others than its owner that say something, of each question, or of some, that has any."""
    table = threads.posts.filter(pc.equal(threads.posts["post_type_id"], 1))
    if posts is not None:
        table = table.filter(pc.is_in(table["post_id"], pa.array(list(posts), pa.int64())))
    owners = dict(zip(table["post_id"].to_pylist(), table["owner_user_id"].to_pylist(), strict=True))
    table = threads.comments.filter(pc.is_in(threads.comments["post_id"], pa.array(list(owners), pa.int64())))
    by_post: dict[int, list[int]] = {}
    for row in table.select(["post_id", "comment_id", "text", "user_id"]).to_pylist():
        own = row["user_id"] is not None and row["user_id"] == owners[row["post_id"]]
        if not own and says(row["text"] or ""):
            by_post.setdefault(row["post_id"], []).append(row["comment_id"])
    return by_post
