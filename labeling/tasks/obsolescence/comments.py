"""The verdict of an answer's comments, read in order: the last word counts.

A denial takes back an earlier statement if it is about the same thing, a "yes" turns somebody's question into a
statement, and who gives an objection up restores what was objected to.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling.facts import post_facts
from socorpus.labeling.functions import Threads
from socorpus.labeling.history import revisions
from socorpus.labeling.history.revisions import Revision
from socorpus.labeling.tasks.obsolescence import comment_model, languages, newer_versions, subjects, versions
from socorpus.labeling.tasks.obsolescence.lexicons import Lexicon
from socorpus.labeling.tasks.obsolescence.releases import Releases
from socorpus.labeling.tasks.obsolescence.sentences import (
    CURRENT,
    OBSOLETE,
    Candidate,
    Plain,
    Statement,
    asks,
    asks_whether_still,
    candidates,
    has_cue,
    read_sentences,
    sentences,
)
from socorpus.labeling.tasks.obsolescence.subjects import Subject, Terms

_DAY = 86_400_000


@dataclass(frozen=True)
class LastWord:
    """The verdict of an answer's comments."""

    post_id: int
    label: str
    comment_id: int
    """The last that states it."""
    at: int
    """Milliseconds since 1970, UTC."""
    cue: str
    sentence: str
    give_away: tuple[int, ...]
    """Comments that mention it: this one, those that it takes back or that answer it, questions about it."""
    terms: tuple[str, ...] = ()
    """What of the answer's own it is said of, in order; none where it is said of the answer as a whole."""
    probability: float | None = None
    """By the model, that the answer is out of date."""
    user: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Case:
    """An answer with what its comments are read by."""

    post: int
    created: int
    """Milliseconds since 1970, UTC."""
    author: int | None
    asker: int | None
    accepted: bool
    meta: bool
    """Of a thread about a site (`post_facts.about_sites`): what people there agreed on."""
    terms: Terms
    technical: bool
    names: versions.Names
    releases: Releases
    lexicon: Lexicon
    asked: str
    """The question's title and text, in lower case."""
    text: str
    """The answer's own text, likewise."""
    newest: Mapping[str, versions.Number]
    """The newest version of each name in it."""
    called: frozenset[str]
    """What its own sentences with a cue speak of: that it calls out of date itself."""


@dataclass(frozen=True)
class Reading:
    """A cue of a comment, with what it is said of."""

    candidate: Candidate
    subject: Subject
    features: Mapping[str, float]
    doubt: str | None = None
    """Why it does not count, whatever the model says."""


def last_words(threads: Threads, comments: Mapping[int, Sequence[dict[str, Any]]]) -> Iterator[LastWord]:
    """The verdict of the comments on each answer, in order of time; the last word counts.

    Where the answer was mended after what they say, there is none.

    Args:
        comments: of each answer that has one with a cue, in order of time (`comments_of`).
    """
    for case, known in cases(threads, comments):
        verdict = comments[case.post]
        word = _last_word(case, verdict)
        if word is not None and not (word.label == OBSOLETE and _mended(case, word, verdict, known)):
            yield word


def comments_of(threads: Threads, posts: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Comments of each post, in order of time."""
    table = threads.comments.filter(pc.is_in(threads.comments["post_id"], pa.array(posts, pa.int64())))
    table = table.select(["post_id", "comment_id", "text", "creation_date", "user_id", "user_display_name"])
    table = table.set_column(3, "at", pc.fill_null(table["creation_date"].cast(pa.int64()), 0))
    table = table.filter(pc.is_valid(table["text"]))
    by_post: dict[int, list[dict[str, Any]]] = {}
    for row in table.sort_by([(name, "ascending") for name in ("post_id", "at", "comment_id")]).to_pylist():
        by_post.setdefault(row["post_id"], []).append(row)
    return by_post


def cases(threads: Threads, posts: Mapping[int, Any]) -> Iterator[tuple[Case, list[Revision]]]:
    """Some answers, each with its revisions; those in a language without a lexicon are left out."""
    if not posts:
        return
    wanted = pa.array(sorted(posts), pa.int64())
    table = threads.documents.filter(pc.is_in(threads.documents["post_id"], wanted))
    heads = threads.documents.filter(pc.is_in(threads.documents["post_id"], table["thread_id"].combine_chunks()))
    columns = ["post_id", "title", "tags", "text", "own_end"]
    questions = {row["post_id"]: row for row in heads.select(columns).to_pylist()}
    owners = dict(zip(threads.posts["post_id"].to_pylist(), threads.posts["owner_user_id"].to_pylist(), strict=True))
    lexicons = languages.of_answers(table, heads)
    known = revisions.replay(threads.history, list(posts))
    names, releases, meta = newer_versions.names_of(threads), releases_of(threads), post_facts.about_sites(threads)
    columns = ["post_id", "thread_id", "created", "accepted", "text", "own_end", "segments", "tags"]
    rows = table.select(columns).sort_by("post_id")
    moments = rows["created"].cast(pa.int64()).to_pylist()
    for row, created in zip(rows.to_pylist(), moments, strict=True):
        lexicon = lexicons.get(row["post_id"])
        if lexicon is None:
            continue
        nothing = {"title": None, "tags": row["tags"], "text": "", "own_end": 0}
        question = questions.get(row["thread_id"], nothing)
        title, tags = question["title"], question["tags"] or ()
        terms = subjects.of_document(row, title, tags)
        earlier = known.get(row["post_id"], [])
        if len(earlier) > 1:
            # What was said before an edit is about the text before it.
            texts = [subjects.of_markdown(item.body, title, tags) for item in _distinct(earlier)]
            terms = subjects.together([terms, *texts])
        technical = bool(terms.code) or any(any(sign.isdigit() for sign in name) for name in terms.names)
        case = Case(
            row["post_id"],
            created,
            owners.get(row["post_id"]),
            owners.get(row["thread_id"]),
            bool(row["accepted"]),
            row["post_id"] in meta,
            terms,
            technical,
            names,
            releases,
            lexicon,
            f"{title or ''}\n{question['text'][: question['own_end']]}".lower(),
            row["text"][: row["own_end"]].lower(),
            versions.newest(versions.mentions(row["text"][: row["own_end"]], names)),
            _called(row, lexicon),
        )
        yield case, earlier


def _called(row: Mapping[str, Any], lexicon: Lexicon) -> frozenset[str]:
    """All that is spoken of in the sentences with a cue of a document's own text."""
    if not has_cue(row["text"][: row["own_end"]], lexicon):
        return frozenset()
    spoken = set[str]()
    for paragraph in subjects.paragraphs(row):
        plain = Plain(paragraph)
        for sentence in sentences(plain.text):
            if lexicon.cue.search(sentence):
                spoken |= subjects.spoken_of(plain.tokens(sentence), plain.codes(sentence))
    return frozenset(spoken)


_MOST_REVISIONS = 8


def _distinct(known: Sequence[Revision]) -> list[Any]:
    """The first revisions that have a body, and the last."""
    bodies = [revision for revision in known if revision.body is not None and "body" in revision.changed]
    return bodies[:_MOST_REVISIONS] + bodies[_MOST_REVISIONS:][-1:]


def releases_of(threads: Threads) -> Releases:
    """Dates of versions by the facts of the corpus."""
    site = threads.facts.get("sites", {}).get(threads.site, {})
    own = [
        (name, version, released) for name, version, released in threads.facts.get("settings", {}).get("releases", ())
    ]
    return Releases(site.get("spoken", {}), own)


def readings(case: Case, comment: Mapping[str, Any], plain: Plain) -> Iterator[Reading]:
    """The cues of a comment on an answer, each with its subject and its features."""
    lexicon = case.lexicon
    words = len(plain.text.split())
    who, days = comment["user_id"], (comment["at"] - case.created) / _DAY
    for candidate in candidates(plain, accepted=case.accepted, lexicon=lexicon):
        clause = f"{candidate.before} {candidate.cue}"
        subject = subject_of(case, plain, clause, candidate.sentence)
        mentioned = versions.mentions(plain.tokens(candidate.sentence), case.names)
        known = [case.releases.known_by(mention.name, mention.number, case.created) for mention in mentioned]
        certain = [value for value in known if value is not None]
        setting = comment_model.Setting(
            subject,
            days,
            words,
            who is not None and who == case.author,
            who is not None and who == case.asker,
            case.technical,
            bool(mentioned) or any(sign.isdigit() for sign in candidate.cue),
            all(certain) if certain else None,
        )
        features = comment_model.features(candidate, setting, lexicon)
        doubt = _doubt(case, subject, features)
        if doubt is None and lexicon.limit.match(candidate.cue) and (days < _SOONEST_END or features["old_version"]):
            doubt = "a version that it never worked with"
        if doubt is None and any(case.newest.get(item.name, (-1,)) >= item.number for item in mentioned):
            doubt = "a version that the answer speaks of"
        if doubt is None and _of_the_question(case, plain.codes(clause)):
            doubt = "what the question uses, and not the answer"
        yield Reading(candidate, subject, features, doubt)


_SOONEST_END = 180
"""Days after which "doesn't work in 2.6" may mean that it did before."""
_MOST_CODES = 8


def _doubt(case: Case, subject: Subject, features: Mapping[str, float]) -> str | None:
    own = features["own_clause"] or features["own_sentence"]
    referring = any(features[name] for name in ("itself", "pronoun", "elided", "topic"))
    if features["rejected"]:
        return "not asserted of the answer"
    if not own and not referring:
        return "nothing of the answer's own"
    bare = features["general"] and not features["version"] and not features["elided"]
    if not features["own_clause"] and (case.meta or bare):
        return "nothing of the answer's own"
    if features["general"] and subject.person:
        return "what a person no longer does"
    if subject.clause and subject.clause <= case.called:
        return "the answer says so itself"
    return None


def _of_the_question(case: Case, codes: Sequence[str]) -> bool:
    """Whether pieces of code are the question's and not the answer's."""
    pieces = [code.strip().lower() for code in codes[:_MOST_CODES]]
    return bool(pieces) and all(piece in case.asked and piece not in case.text for piece in pieces if piece)


def subject_of(case: Case, plain: Plain, clause: str, sentence: str) -> Subject:
    """The subject of a clause of a comment."""
    codes = plain.codes(clause), plain.codes(sentence)
    return subjects.subject(plain.tokens(clause), plain.tokens(sentence), *codes, case.terms)


def counts(reading: Reading, asked: bool = False) -> float | None:
    """The probability that a cue counts; None where it is doubted, or too improbable.

    Args:
        asked: whether it is a question that somebody said yes to.
    """
    if reading.doubt is not None and not asked:
        return None
    probability = comment_model.probability({**reading.features, "rejected": 0.0} if asked else reading.features)
    return probability if probability >= comment_model.threshold() else None


def _last_word(case: Case, comments: Sequence[Mapping[str, Any]]) -> LastWord | None:
    lexicon = case.lexicon
    word: LastWord | None = None
    before: LastWord | None = None
    spoken: list[int] = []
    asked: LastWord | None = None
    asked_still = False
    for comment in comments:
        text = comment["text"]
        plain = Plain(text)
        about = has_cue(text, lexicon)
        verdict: LastWord | None = None
        read = list(readings(case, comment, plain)) if about else []
        by_statement = {reading.candidate.statement: reading for reading in reversed(read)}
        for statement in read_sentences(plain, accepted=case.accepted, lexicon=lexicon):
            if statement.label == OBSOLETE:
                verdict = _counted(case, comment, plain, statement, by_statement.get(statement)) or verdict
            elif _denies(case, plain, statement, word, asked is not None or asked_still):
                verdict = _word(case, comment, CURRENT, statement.cue, plain.spoken(statement.sentence))
        well = not lexicon.unwell.search(plain.text)
        if verdict is None and lexicon.confirmation.search(plain.text) and (asked is not None or asked_still):
            if asked is not None and well:
                verdict, about = replace(_word(case, comment, OBSOLETE, "yes", text[:200]), terms=asked.terms), True
                verdict = replace(verdict, probability=asked.probability)
            elif asked is None and well:
                verdict, about = _word(case, comment, CURRENT, "yes", text[:200]), True
        elif verdict is None and asked_still and lexicon.refusal.search(plain.text):
            verdict, about = _word(case, comment, OBSOLETE, "no", text[:200]), True
        if verdict is None and word is not None and lexicon.concession.search(plain.text):
            # Who objected gives in, or who said so does.
            if word.label == CURRENT and before is not None and word.user == _who(comment):
                verdict, about = replace(before, comment_id=comment["comment_id"]), True
            elif word.label == OBSOLETE and word.user == _who(comment):
                verdict, about = _word(case, comment, CURRENT, "conceded", text[:200]), True
        if about or verdict is not None:
            spoken.append(comment["comment_id"])
        if verdict is not None:
            before, word = (word if word is not None and word.label != verdict.label else before), verdict
        question = asks(text, lexicon)
        if question or asks_whether_still(text, lexicon):
            asked = _asked(case, comment, read) if question else None
            asked_still = not question
        elif verdict is not None:
            asked, asked_still = None, False
    return None if word is None else replace(word, give_away=tuple(sorted(spoken)))


def _who(comment: Mapping[str, Any]) -> Any:
    return comment["user_id"] or comment["user_display_name"] or comment["comment_id"]


def _word(case: Case, comment: Mapping[str, Any], label: str, cue: str, sentence: str) -> LastWord:
    return LastWord(case.post, label, comment["comment_id"], comment["at"], cue, sentence, (), user=_who(comment))


def _counted(
    case: Case, comment: Mapping[str, Any], plain: Plain, statement: Statement, reading: Reading | None
) -> LastWord | None:
    """What a statement says of its answer; None if it is of something else, or the model doubts it."""
    probability = counts(reading) if reading is not None else None
    if reading is None or probability is None:
        return None
    word = _word(case, comment, OBSOLETE, statement.cue, plain.spoken(statement.sentence))
    terms = tuple(sorted(reading.subject.clause or reading.subject.sentence))
    return replace(word, terms=terms, probability=probability)


def _asked(case: Case, comment: Mapping[str, Any], read: Sequence[Reading]) -> LastWord | None:
    """What a "yes" to a question would say; None if that is about something else than the answer."""
    for reading in read:
        features = {**reading.features, "rejected": 0.0}
        probability = counts(reading, asked=True)
        if probability is not None and _doubt(case, reading.subject, features) is None:
            word = _word(case, comment, OBSOLETE, reading.candidate.cue, comment["text"][:200])
            terms = tuple(sorted(reading.subject.clause or reading.subject.sentence))
            return replace(word, terms=terms, probability=probability)
    return None


def _denies(case: Case, plain: Plain, statement: Statement, word: LastWord | None, asked: bool) -> bool:
    """Whether a statement that something still holds is about the answer, and about what was said of it before."""
    if statement.reply:
        # "No, it isn't" means nothing by itself.
        return asked or word is not None
    subject = subject_of(case, plain, f"{statement.before} {statement.cue}", statement.sentence)
    if subject.clause or not subject.named:
        return not (subject.person and not subject.clause and not word)
    # It denies something else's end.
    earlier = set(word.terms) if word is not None else set()
    return bool(subject.named & earlier) or bool(subject.topics)


def _mended(case: Case, word: LastWord, comments: Sequence[Mapping[str, Any]], known: Sequence[Revision]) -> bool:
    """Whether an edit after what was said took away what it was said of, or its author says that it is mended."""
    bodies = [revision for revision in known if revision.body is not None and "body" in revision.changed]
    later = [revision for revision in bodies if revision.at >= word.at]
    replies = [comment for comment in comments if comment["at"] >= word.at and comment["comment_id"] != word.comment_id]
    said_so = any(case.lexicon.mended.search(Plain(comment["text"]).text) for comment in replies)
    if not later:
        return said_so and not bodies
    earlier = [revision for revision in bodies if revision.at < word.at]
    if not earlier:
        return said_so
    if said_so:
        return True
    before, after = earlier[-1], later[-1]
    old, new = (subjects.of_markdown(revision.body or "", None, ()) for revision in (before, after))
    gone, came = old.without(new), new.without(old)
    if set(word.terms) & gone or (gone and not newer_versions.keeps(before, after)):
        return True
    # What the comment asks for has come: another identifier, or the version.
    verdict = next((comment["text"] for comment in comments if comment["comment_id"] == word.comment_id), "")
    plain = Plain(verdict)
    asked_for = subjects.spoken_of("", plain.codes(plain.text)) | subjects.names(plain.tokens(plain.text))
    had, has = (_versions(case, revision) for revision in (before, after))
    versions_came = {(item.name, item.number) for item in versions.mentions(verdict, case.names)} & (has - had)
    return bool((asked_for & came) or versions_came)


def _versions(case: Case, revision: Revision) -> set[tuple[str, versions.Number]]:
    return {(item.name, item.number) for item in versions.mentions(subjects.shown(revision.body or ""), case.names)}
