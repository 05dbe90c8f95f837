"""Versions newer than those in an answer: in a later edit of it, or in a later answer of its thread."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow.compute as pc

from socorpus.labeling.functions import Threads, Vote
from socorpus.labeling.history.revisions import Revision
from socorpus.labeling.tasks.obsolescence import versions
from socorpus.labeling.tasks.obsolescence.sentences import OBSOLETE

MARKER = re.compile(
    r"^\W*(?:update[ds]?|edit(?:ed)?|upd|addendum|note|important|warning|notice|attention)\b", re.IGNORECASE
)
_SINCE = re.compile(
    r"\b(?:since|as of|starting (?:with|from|in)|beginning with|from|new in|with|introduced in)\W+$", re.IGNORECASE
)
SUMMARY = re.compile(
    r"\b(?:deprecat\w+|outdated|obsolete|no longer|out[- ]of[- ]date|superseded|moderni[sz]\w+)\b"
    r"|\b(?:updat|adapt|port|migrat)\w* (?:\S+ ){0,4}?(?:for|to) (?:\S+ ){0,3}?v?\d",
    re.IGNORECASE,
)
_FENCED = re.compile(r"^(```|~~~).*?^\1|^(?: {4}|\t).*$|`[^`\n]*`|<pre>.*?</pre>", re.MULTILINE | re.DOTALL)


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


def newer_in_edit(earlier: Revision, later: Revision, names: versions.Names) -> versions.Mention | None:
    """A version added by an edit that is newer than those in the text, or that the edit is marked to be for."""
    had = versions.newest(versions.mentions(_unfenced(earlier.body or ""), names))
    for line in added(earlier, later):
        for mention in versions.mentions(line, names):
            if versions.outdated_by(mention, had):
                return mention
            fresh = mention.name not in had and (MARKER.match(line) or _SINCE.search(line[: mention.start]))
            if fresh and (MARKER.match(line) or SUMMARY.search(later.comment)):
                return mention
    return None


def overtaken(
    question: Mapping[str, Any] | None, answers: Sequence[Mapping[str, Any]], names: versions.Names
) -> Iterator[Vote]:
    known: dict[str, versions.Number] = {}
    if question is not None:
        asked = versions.mentions(f"{question['title'] or ''}\n{prose_of(question)}", names)
        known = versions.newest(asked) | versions.of_tags(question["tags"] or ())
    topics = versions.names(answers[0]["tags"]).known
    proses = [prose_of(answer) for answer in answers]
    mentioned = [versions.mentions(prose, names) for prose in proses]
    for number, answer in enumerate(answers):
        own = known | {
            name: max(version, known.get(name, version)) for name, version in versions.newest(mentioned[number]).items()
        }
        for later in range(number + 1, len(answers)):
            days = (answers[later]["created"] - answer["created"]).days
            mention = _overtaking(mentioned[later], proses[later], own, topics, days)
            if mention is not None:
                evidence = {
                    "answer": answers[later]["post_id"],
                    "version": f"{mention.name} {mention.version}",
                    "days": days,
                }
                yield Vote(answer["post_id"], OBSOLETE, evidence)
                break


def _overtaking(
    mentioned: Sequence[versions.Mention],
    prose: str,
    own: Mapping[str, versions.Number],
    topics: Collection[str],
    days: int,
) -> versions.Mention | None:
    for mention in mentioned:
        # "Since 3.0 one can …": an answer without that was out of date from the start, as more than half of them are
        # (Zhang et al. 2019). Named in passing, a newer version means little within the first half year.
        since = _SINCE.search(prose[: mention.start]) is not None
        if versions.outdated_by(mention, own) and (since or days >= 180):
            return mention
        if since and mention.name in topics and mention.name not in own:
            return mention
    return None


def prose_of(row: Mapping[str, Any]) -> str:
    """A document's own text, with blocks of code blanked."""
    text = row["text"][: row["own_end"]]
    for segment in row["segments"]:
        if segment["kind"] == "code" and segment["end"] <= len(text):
            text = text[: segment["start"]] + " " * (segment["end"] - segment["start"]) + text[segment["end"] :]
    return text
