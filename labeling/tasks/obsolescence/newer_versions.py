"""Versions newer than those in an answer: in a later edit of it, or in a later answer of its thread."""

import re
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow.compute as pc

from socorpus.labeling.functions import Threads, Vote
from socorpus.labeling.history.revisions import Revision
from socorpus.labeling.tasks.obsolescence import versions
from socorpus.labeling.tasks.obsolescence.releases import Releases
from socorpus.labeling.tasks.obsolescence.sentences import OBSOLETE

_MARKER = re.compile(
    r"^\W*(?:update[ds]?|edit(?:ed)?|upd|addendum|note|important|warning|notice|attention)\b", re.IGNORECASE
)
_SINCE = re.compile(
    r"\b(?:since|as of|starting (?:with|from|in)|beginning with|from|new in|with|introduced in)$", re.IGNORECASE
)
_LONGEST_SINCE = 32
"""Code points; more than `_SINCE` matches, and the character before it."""
_HALF_YEAR = 180
"""Days."""
_SUMMARY = re.compile(
    r"\b(?:deprecat\w+|outdated|obsolete|no longer|out[- ]of[- ]date|superseded|moderni[sz]\w+)\b"
    r"|\b(?:updat|adapt|port|migrat)\w* (?:\S+ ){0,4}?(?:for|to) (?:\S+ ){0,3}?v?\d",
    re.IGNORECASE,
)
_FENCED = re.compile(r"^(```|~~~).*?^\1|^(?: {4}|\t)[^\n]*$|`[^`\n]*`|<pre>.*?</pre>", re.MULTILINE | re.DOTALL)


def _unfenced(body: str) -> str:
    """A body without its code."""
    # What no tag closes is hidden, as each would be looked for up to the end.
    last = body.rfind("</pre>") + 1
    return _FENCED.sub("", body[:last] + body[last:].replace("<pre>", "\0")).replace("\0", "<pre>")


def names_of(threads: Threads) -> versions.Names:
    """Names of software: the site's tags, and the questions', since the oldest dumps have no table of tags."""
    used = pc.list_flatten(threads.documents["tags"]).unique().to_pylist()
    return versions.names({*threads.tags["tag_name"].drop_null().to_pylist(), *used})


def added(earlier: Revision, later: Revision) -> list[str]:
    """Lines of prose that an edit adds."""
    before = set((earlier.body or "").splitlines())
    return [line for line in _unfenced(later.body or "").splitlines() if line.strip() and line not in before]


def keeps(earlier: Revision, later: Revision) -> bool:
    """Whether an edit leaves most of the text as it was: a note is added, and nothing is mended."""
    had = [line.strip() for line in (earlier.body or "").splitlines() if line.strip()]
    left = {line.strip() for line in (later.body or "").splitlines()}
    body = " ".join((later.body or "").split())
    kept = (
        sum(line in left or " ".join(line.split()) in body for line in had)
        if len(had) <= _MOST_LINES
        else sum(line in left for line in had)
    )
    return bool(had) and 2 * kept > len(had)


_MOST_LINES = 8
"""Lines of a text that are looked for within the lines of a later one."""


def newer_in_edit(
    earlier: Revision, later: Revision, names: versions.Names, releases: Releases | None = None, since: int = 0
) -> versions.Mention | None:
    """A version added by an edit that is newer than those in the text, or that the edit is marked to be for.

    Args:
        since: when the text was written, in milliseconds since 1970: by `releases` the version was not there then.
    """
    had = versions.newest(versions.mentions(_unfenced(earlier.body or ""), names))
    summarized: bool | None = None
    for line in added(earlier, later):
        mentioned = versions.mentions(line, names)
        if releases is not None:
            mentioned = [mention for mention in mentioned if not releases.known_by(mention.name, mention.number, since)]
        marked = bool(mentioned) and _MARKER.match(line) is not None
        for mention in mentioned:
            if versions.outdated_by(mention, had):
                return mention
            if mention.name in had:
                continue
            if not marked and _since(line, mention.start):
                summarized = _SUMMARY.search(later.comment) is not None if summarized is None else summarized
            if marked or (summarized and _since(line, mention.start)):
                return mention
    return None


def _since(text: str, start: int) -> bool:
    """Whether the last word before a place is one like "since"."""
    while start and not (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    return _SINCE.search(text[max(0, start - _LONGEST_SINCE) : start]) is not None


class _Rising:
    """Versions of one name in later answers, each newer than all between: the first newer than another is near."""

    def __init__(self) -> None:
        self._numbers: list[versions.Number] = []
        self._answers: list[int] = []

    def put(self, number: versions.Number, answer: int) -> None:
        """Add a version in an answer before all those added."""
        while self._numbers and self._numbers[-1] <= number:
            self._numbers.pop()
            self._answers.pop()
        self._numbers.append(number)
        self._answers.append(answer)

    def first_newer(self, than: versions.Number) -> int | None:
        """The first answer with a newer version."""
        # The numbers fall along the list, and a version before one that is newer is newer, too.
        newer = bisect_left(self._numbers, True, key=lambda number: not versions.newer(number, than))
        return self._answers[newer - 1] if newer else None


class _Ahead:
    """Of the answers after one: the first that names a newer version of something."""

    def __init__(self) -> None:
        self._rising: dict[str, _Rising] = {}
        self._first: OrderedDict[str, int] = OrderedDict()

    def put(self, answer: int, newest: Mapping[str, versions.Number], names: Collection[str]) -> None:
        """Add an answer before all those added.

        Args:
            newest: the newest version of each name in it.
            names: those of them that an answer without that name is overtaken by.
        """
        for name, number in newest.items():
            self._rising.setdefault(name, _Rising()).put(number, answer)
        for name in names:
            self._first[name] = answer
            self._first.move_to_end(name, last=False)

    def first(self, own: Mapping[str, versions.Number], named: Collection[str]) -> int | None:
        """The first answer that overtakes one.

        Args:
            own: newest versions known to it of the names in it.
            named: the names in it.
        """
        others = next((answer for name, answer in self._first.items() if name not in named), None)
        newer = (self._rising[name].first_newer(own[name]) for name in named if name in self._rising)
        return min((answer for answer in (others, *newer) if answer is not None), default=None)


def overtaken(
    question: Mapping[str, Any] | None,
    answers: Sequence[Mapping[str, Any]],
    names: versions.Names,
    releases: Releases | None = None,
) -> Iterator[Vote]:
    """Votes on answers of one thread, in order of time, after which one names a newer version.

    Args:
        releases: dates of versions; one that was there when an answer was written is no news to it.
    """
    known: dict[str, versions.Number] = {}
    if question is not None:
        asked = versions.mentions(f"{question['title'] or ''}\n{prose_of(question)}", names)
        known = versions.newest(asked) | versions.of_tags(question["tags"] or ())
    topics = versions.names(answers[0]["tags"]).known
    mentioned, since = [], []
    for answer in answers:
        prose = prose_of(answer)
        mentioned.append(versions.mentions(prose, names))
        # "Since 3.0 one can …": an answer without that was out of date from the start, as more than half of them are
        # (Zhang et al. 2019). Named in passing, a newer version means little within the first half year.
        since.append([_since(prose, mention.start) for mention in mentioned[-1]])
    votes: list[Vote] = []
    soon, late, late_from = _Ahead(), _Ahead(), len(answers)
    for number in reversed(range(len(answers))):
        answer = answers[number]
        while late_from - 1 > number and _days(answer, answers[late_from - 1]) >= _HALF_YEAR:
            late_from -= 1
            newest = versions.newest(mentioned[late_from])
            late.put(late_from, newest, [name for name in newest if _newer(newest, known, name)])
        own = versions.newest(mentioned[number])
        own = {name: max(version, known.get(name, version)) for name, version in own.items()}
        ahead = (soon.first(own, own), late.first(own, own))
        later = min((other for other in ahead if other is not None), default=None)
        if later is not None:
            days = _days(answer, answers[later])
            mention = next(
                mention
                for mention, is_since in zip(mentioned[later], since[later], strict=True)
                if _overtakes(mention, is_since, own.get(mention.name, known.get(mention.name)), topics, days)
            )
            evidence = {
                "answer": answers[later]["post_id"],
                "version": f"{mention.name} {mention.version}",
                "days": days,
            }
            written = int(answer["created"].timestamp() * 1000)
            if releases is None or not releases.known_by(mention.name, mention.number, written):
                votes.append(Vote(answer["post_id"], OBSOLETE, evidence))
        pairs = zip(mentioned[number], since[number], strict=True)
        newest = versions.newest([mention for mention, is_since in pairs if is_since])
        fresh = [name for name in newest if (_newer(newest, known, name) if name in known else name in topics)]
        soon.put(number, newest, fresh)
    yield from reversed(votes)


def _newer(newest: Mapping[str, versions.Number], known: Mapping[str, versions.Number], name: str) -> bool:
    return name in known and versions.newer(newest[name], known[name])


def _days(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> int:
    days: int = (later["created"] - earlier["created"]).days
    return days


def _overtakes(
    mention: versions.Mention, since: bool, own: versions.Number | None, topics: Collection[str], days: int
) -> bool:
    if own is None:
        return since and mention.name in topics
    return (since or days >= _HALF_YEAR) and versions.newer(mention.number, own)


def prose_of(row: Mapping[str, Any]) -> str:
    """A document's own text, with blocks of code blanked."""
    text = row["text"][: row["own_end"]]
    pieces, end = [], 0
    for segment in row["segments"]:
        if segment["kind"] == "code" and segment["end"] <= len(text):
            pieces += [text[end : segment["start"]], " " * (segment["end"] - segment["start"])]
            end = segment["end"]
    return "".join((*pieces, text[end:]))
