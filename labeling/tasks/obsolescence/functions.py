"""Obsolete answers: from comments, later edits and later answers.

Statements in comments (`sentences`) count as they stand after all comments: a denial takes back an earlier statement, a
"yes" turns a question into one. Comments and edits that give a label away are in no example's text.

Neither votes of "outdated" (29, 30) nor notices (33, 34) are read: no dump at hand has the former, and a notice's
number there is that of a single notice, on a question, which says nothing of its kind.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.config import Labels
from socorpus.labeling.facts import post_facts
from socorpus.labeling.functions import Threads, Vote, votes
from socorpus.labeling.history import revisions
from socorpus.labeling.history.revisions import Revision, RevisionState
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.obsolescence import languages, later_answers, own_notes, releases, subjects, versions
from socorpus.labeling.tasks.obsolescence.comments import LastWord, comments_of, last_words, releases_of
from socorpus.labeling.tasks.obsolescence.english import UNWELL
from socorpus.labeling.tasks.obsolescence.lexicons import LEXICONS, Lexicon
from socorpus.labeling.tasks.obsolescence.newer_versions import added, keeps, names_of, newer_in_edit, overtaken
from socorpus.labeling.tasks.obsolescence.sentences import CURRENT, OBSOLETE

_LONG_AFTER = 2 * 365 * 86_400_000
"""Milliseconds."""
_THANKS = re.compile(
    r"\b(?:thank(?:s| you)|work(?:ed|s) (?:for me|like|perfectly|great|well)|saved my"
    r"|exactly what i|solved (?:my|it|the)|helped)\b",
    re.IGNORECASE,
)

_ENOUGH_ANSWERS, _LEAST_CODED = 20, 0.1
"""A site is not about software if it has this number of answers or more, and a smaller share of them has code."""
_NOT_SOFTWARE = (
    "less than a tenth of the answers have code: words for what is out of date mean other things away from software"
)

_Made = TypeVar("_Made")


# Facts, and the texts that are judged.


def collect(threads: Threads) -> dict[str, Any]:
    """When each version is first spoken of in the bucket's posts and comments; how many answers, and with code."""
    names = names_of(threads)
    spoken: releases.Spoken = {}
    # A document's text has its comments, which are later than it.
    columns = (threads.documents[name].to_pylist() for name in ("title", "text", "own_end"))
    texts = [f"{title or ''}\n{text[:end]}" for title, text, end in zip(*columns, strict=True)]
    _note(spoken, texts, threads.documents["created"].cast(pa.int64()).to_pylist(), names)
    comments = threads.comments.filter(pc.is_valid(threads.comments["text"]))
    moments = pc.fill_null(comments["creation_date"].cast(pa.int64()), 0).to_pylist()
    _note(spoken, comments["text"].to_pylist(), moments, names)
    answers = threads.documents.filter(pc.equal(threads.documents["kind"], "answer"))
    return {threads.site: {"spoken": spoken, "answers": answers.num_rows, "coded": _coded(answers)}}


_CODE = pa.array(["code", "inline_code"])


def _coded(answers: pa.Table) -> int:
    """Number of documents with code in their own text."""
    segments, row = pc.list_flatten(answers["segments"]), pc.list_parent_indices(answers["segments"])
    own = pc.less_equal(pc.struct_field(segments, "end"), answers["own_end"].take(row))
    return len(pc.unique(row.filter(pc.and_(own, pc.is_in(pc.struct_field(segments, "kind"), value_set=_CODE)))))


def _note(spoken: releases.Spoken, texts: Sequence[str], moments: Sequence[int], names: versions.Names) -> None:
    for number, mention in versions.mentions_of(texts, names):
        releases.note(spoken, mention.name, mention.number, moments[number])


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """When each site first speaks of a version, and the labels for which it has no evidence.

    `{"sites": {SITE: {"spoken": {NAME: {VERSION: milliseconds}}, "abstains": {LABEL: why}}}}`.
    """
    by_site: dict[str, list[Mapping[str, Any]]] = {}
    for part in parts:
        for site, of_bucket in part.items():
            by_site.setdefault(site, []).append(of_bucket)
    return {
        "sites": {
            site: {
                "spoken": releases.merged(of_bucket["spoken"] for of_bucket in buckets),
                "abstains": _abstains(
                    *(sum(of_bucket[name] for of_bucket in buckets) for name in ("answers", "coded"))
                ),
            }
            for site, buckets in sorted(by_site.items())
        }
    }


def _abstains(answers: int, coded: int) -> dict[str, str]:
    if answers < _ENOUGH_ANSWERS or coded >= _LEAST_CODED * answers:
        return {}
    return dict.fromkeys((CURRENT, OBSOLETE), _NOT_SOFTWARE)


def abstains(facts: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Site -> label -> why the site has no evidence for it; from the facts that `merge` returned."""
    return {site: of_site["abstains"] for site, of_site in facts["sites"].items() if of_site["abstains"]}


def settings(labels: Labels) -> dict[str, Any]:
    """The user's table of versions, and the lexicons with their versions."""
    return {
        "releases": sorted(releases.settings(labels.releases)),
        "lexicons": {name: LEXICONS.version(name) for name in LEXICONS},
    }


def examples(threads: Threads, votes: Sequence[Vote]) -> pa.Table:
    """Every answer with its comments, except those that give its label away.

    If a vote rests on an edit, or the answer was edited after the comment on which it rests, the text is the one before
    (`before_notice`), with the comments until then. A note in the answer's text is cut out.
    """
    answers = threads.documents.filter(pc.equal(threads.documents["kind"], "answer"))
    bodies = dict(zip(threads.posts["post_id"].to_pylist(), threads.posts["body"].to_pylist(), strict=True))
    ends: dict[int, int] = {}
    notes: dict[int, set[str]] = {}
    for vote in votes:
        if "text_before" in vote.evidence:
            end = _milliseconds(vote.evidence["text_before"])
            ends[vote.post_id] = min(end, ends.get(vote.post_id, end))
        if vote.evidence.get("note_in_text"):
            notes.setdefault(vote.post_id, set()).add(vote.evidence["sentence"])
    known = revisions.replay(threads.history, ends)
    states: dict[int, RevisionState] = {}
    for post in answers["post_id"].to_pylist():
        earlier = revisions.before(known.get(post, []), ends[post]) if post in ends else None
        if earlier is not None and earlier is not revisions.last(known[post]):
            states[post] = revisions.state(threads, earlier, "before_notice", until=ends[post])
        elif post in notes:
            states[post] = RevisionState("before_notice", own_notes.without(bodies[post], notes[post]))
        else:
            states[post] = revisions.PUBLISHED
    return revisions.examples(threads, states, votes, comments=True)


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
    settings=settings,
    unheard=releases.unheard,
    examples=examples,
    abstains=abstains,
    listed=OBSOLETE,
    version=4,
)


class _Shared:
    """What several functions read of a bucket, made once: of the last bucket only."""

    def __init__(self) -> None:
        self._threads: Threads | None = None
        self._made: dict[Callable[[Threads], Any], Any] = {}

    def get(self, make: Callable[[Threads], _Made], threads: Threads) -> _Made:
        if self._threads is not threads:
            self._threads, self._made = threads, {}
        if make not in self._made:
            self._made[make] = make(threads)
        product: _Made = self._made[make]
        return product


_SHARED = _Shared()


def _answers(threads: Threads) -> pa.Table:
    """The answers that can be judged: none on a site that has no evidence."""
    answers = threads.documents.filter(pc.equal(threads.documents["kind"], "answer"))
    site = threads.facts.get("sites", {}).get(threads.site, {})
    return answers.slice(0, 0) if site.get("abstains") else answers


def _words(threads: Threads) -> list[LastWord]:
    by_post, cued = _SHARED.get(_comments, threads), _SHARED.get(_cued, threads)
    return list(last_words(threads, {post: by_post[post] for post in cued}))


def _comments(threads: Threads) -> dict[int, list[dict[str, Any]]]:
    return comments_of(threads, _answers(threads)["post_id"].to_pylist())


def _cued(threads: Threads) -> dict[int, None]:
    """Answers one of whose comments has a cue of any language."""
    by_post = _SHARED.get(_comments, threads)
    return {post: None for post, some in by_post.items() if any(languages.has_cue(comment["text"]) for comment in some)}


# Functions.


@votes(TASK, version=4)
def comment_says_so(threads: Threads) -> Iterator[Vote]:
    """A comment says that what the answer uses is out of date, and none denies it later."""
    for word in _SHARED.get(_words, threads):
        if word.label == OBSOLETE:
            evidence = {
                "comment": word.comment_id,
                "cue": word.cue,
                "sentence": word.sentence,
                "about": list(word.terms),
                "text_before": _moment(word.at),
            }
            yield Vote(word.post_id, OBSOLETE, evidence, gives_away=word.give_away)


@votes(TASK, version=4)
def comment_denies_it(threads: Threads) -> Iterator[Vote]:
    """A comment says that the answer still works, or denies that it is out of date, and none says otherwise later."""
    for word in _SHARED.get(_words, threads):
        if word.label == CURRENT:
            evidence = {"comment": word.comment_id, "cue": word.cue, "sentence": word.sentence}
            yield Vote(word.post_id, CURRENT, evidence, gives_away=word.give_away)


@votes(TASK, version=4)
def edit_names_newer_version(threads: Threads) -> Iterator[Vote]:
    """An edit adds a newer version to an answer whose text it leaves: without that the answer is out of date."""
    names, dates = names_of(threads), releases_of(threads)
    for post, replayed in _SHARED.get(_edited, threads).items():
        for earlier, later in _edits(replayed):
            mention = newer_in_edit(earlier, later, names, dates, replayed[0].at)
            if mention is not None and keeps(earlier, later):
                evidence = {"history_id": later.history_id, "version": f"{mention.name} {mention.version}"}
                yield Vote(post, OBSOLETE, evidence | {"text_before": _moment(later.at)})
                break


def _edited(threads: Threads) -> dict[int, list[Revision]]:
    """Revisions of the answers whose body was edited."""
    answers = _answers(threads)
    if threads.history is None or not answers.num_rows:
        return {}
    bodies = threads.history.filter(pc.equal(threads.history["post_history_type_id"], 5))
    posts = set(bodies["post_id"].to_pylist()) & set(answers["post_id"].to_pylist())
    return revisions.replay(threads.history, posts)


def _edits(replayed: Sequence[Revision]) -> Iterator[tuple[Revision, Revision]]:
    """Edits of a body: the revision before and after; without rollbacks."""
    for earlier, later in pairwise(replayed):
        if "body" in later.changed and not later.rollback and earlier.body is not None and later.body is not None:
            yield earlier, later


@votes(TASK, version=3)
def own_note(threads: Threads) -> Iterator[Vote]:
    """The answer itself states, in a later edit or a marked note, that it is out of date."""
    edited = _SHARED.get(_edited, threads)
    rows = _candidates(_answers(threads))
    if not rows.num_rows:
        return
    lexicons, meta = languages.of_answers(rows, _questions(threads, rows)), post_facts.about_sites(threads)
    for row in rows.select(["post_id", "text", "own_end", "segments"]).to_pylist():
        post = row["post_id"]
        if (lexicon := lexicons.get(post)) is None:
            continue
        if (noted := _noted(edited.get(post, ()), lexicon, post in meta)) is not None:
            later, added_note = noted
            evidence = {"sentence": added_note, "history_id": later.history_id, "text_before": _moment(later.at)}
            yield Vote(post, OBSOLETE, evidence)
        elif sentence := own_notes.in_text(row, lexicon, post in meta):
            yield Vote(post, OBSOLETE, {"sentence": sentence, "note_in_text": True})


_PARAGRAPH = re.compile(r"</p>|<br */?>", re.IGNORECASE)


def _noted(replayed: Sequence[Revision], lexicon: Lexicon, meta: bool) -> tuple[Revision, str] | None:
    """The edit that added a note which the text still has, and the note's sentence."""
    for earlier, later in _edits(replayed):
        pieces = (piece for line in added(earlier, later) for piece in _PARAGRAPH.split(line))
        had = earlier.body or ""
        lines = [piece for piece in pieces if own_notes.worth(subjects.shown(piece), lexicon) and piece not in had]
        if not lines:
            continue
        terms = subjects.of_markdown(earlier.body or "", None, ())
        last = replayed[-1].body or ""
        for line in lines:
            sentence = own_notes.note(subjects.shown(line), terms, lexicon, added=True, meta=meta)
            if sentence and line in last:
                return later, sentence
    return None


def _candidates(answers: pa.Table) -> pa.Table:
    """Answers in whose own text a paragraph may be a note, by the lexicon of any language."""
    rows = zip(*(answers[name].to_pylist() for name in ("post_id", "text", "own_end")), strict=True)
    may = [any(own_notes.may_be(text[:end], lexicon) for lexicon in LEXICONS.values()) for _, text, end in rows]
    return answers.filter(pa.array(may, pa.bool_()))


def _questions(threads: Threads, answers: pa.Table) -> pa.Table:
    wanted = answers["thread_id"].combine_chunks()
    return threads.documents.filter(pc.is_in(threads.documents["post_id"], wanted))


@votes(TASK, version=2)
def later_answer_says_so(threads: Threads) -> Iterator[Vote]:
    """A later answer of the thread says that what this one uses, or this one, is out of date."""
    by_thread = _SHARED.get(_with_several, threads)
    cued = {
        row["post_id"]
        for _, answers in by_thread
        for row in answers
        if languages.has_cue(row["text"][: row["own_end"]])
    }
    later = {row["post_id"] for _, answers in by_thread for row in answers[1:]} & cued
    if not later:
        return
    rows = threads.documents.filter(pc.is_in(threads.documents["post_id"], pa.array(sorted(later), pa.int64())))
    lexicons, meta = languages.of_answers(rows, _questions(threads, rows)), post_facts.about_sites(threads)
    for question, answers in by_thread:
        if any(row["post_id"] in later for row in answers):
            about = answers[0]["post_id"] in meta
            yield from later_answers.called_obsolete(question, answers, cued, lexicons, meta=about)


def _with_several(threads: Threads) -> list[tuple[dict[str, Any] | None, list[dict[str, Any]]]]:
    """The question, if it is there, and the answers in order of time, of each thread that has several answers."""
    by_thread: dict[int, list[dict[str, Any]]] = {}
    columns = ["post_id", "thread_id", "kind", "created", "accepted", "tags", "title", "text", "own_end", "segments"]
    counts = _answers(threads)["thread_id"].value_counts()
    shared = [item["values"] for item in counts.to_pylist() if item["counts"] > 1]
    rows = threads.documents.filter(pc.is_in(threads.documents["thread_id"], pa.array(shared, pa.int64())))
    for row in rows.select(columns).to_pylist():
        by_thread.setdefault(row["thread_id"], []).append(row)
    return [
        (
            next((row for row in posts if row["kind"] == "question"), None),
            sorted((row for row in posts if row["kind"] == "answer"), key=lambda row: (row["created"], row["post_id"])),
        )
        for posts in by_thread.values()
    ]


@votes(TASK, version=4)
def later_answer_names_newer_version(threads: Threads) -> Iterator[Vote]:
    """A later answer of the thread names a version newer than any in this one and the question."""
    names, dates = names_of(threads), releases_of(threads)
    for question, answers in _SHARED.get(_with_several, threads):
        yield from overtaken(question, answers, names, dates)


@votes(TASK, version=3)
def thanked_later(threads: Threads) -> Iterator[Vote]:
    """Two years or more after it was written, somebody thanks for it or says that it worked, and nobody complains."""
    answers = _answers(threads)
    created = dict(zip(answers["post_id"].to_pylist(), answers["created"].cast(pa.int64()).to_pylist(), strict=True))
    cued = _SHARED.get(_cued, threads)
    for post, comments in _SHARED.get(_comments, threads).items():
        late = [row for row in comments if row["at"] - created[post] >= _LONG_AFTER]
        thanks = [row for row in late if _THANKS.search(row["text"]) and not UNWELL.search(row["text"])]
        if thanks and post not in cued:
            yield Vote(post, CURRENT, {"comment": thanks[0]["comment_id"], "comments": len(thanks)})
