"""Notes by which an answer calls itself out of date: "EDIT: this no longer works since 2.0".

A note is a paragraph that is marked, or that speaks of "this answer". An answer that tells of something else's end
("`x` was removed in 2.0, use `y`") bears none.
"""

import html
import re
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from socorpus.labeling.tasks.obsolescence import comment_model, subjects
from socorpus.labeling.tasks.obsolescence.lexicons import Lexicon
from socorpus.labeling.tasks.obsolescence.sentences import OBSOLETE, Plain, has_cue, read_sentences

_EDITED = re.compile(
    r"^\W*(?:update[ds]?|edit(?:ed)?|upd|addendum|deprecated|outdated|obsolete|deprecation|(?:\w{3,9} )?(?:19"
    r"|20)\d\d)\b",
    re.IGNORECASE,
)
"""Markers of what was added later, or of the whole answer; the others may open a note on anything."""
_ABOUT = re.compile(
    r"\b(?:this|my|the (?:above|below|following|original|old|rest of (?:this|the))) (?:\w+ ){0,2}?"
    r"(?:answers?|solutions?|post|approach|method|workaround|instructions?|advice)\b|\b(?:what's|what is"
    r"|everything|all) (?:above|below)\b"
    r"|\bthe (?:above|below)\b|\bthe answer (?:above|below)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(r"<(p|li|h[1-6]|blockquote)\b", re.IGNORECASE)
_CLOSING = re.compile(r"</(p|li|h[1-6]|blockquote)>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


def in_text(row: Mapping[str, Any], lexicon: Lexicon, meta: bool = False) -> str | None:
    """The sentence of a document's own text that calls it out of date.

    Args:
        row: with `text`, `own_end` and `segments`.
    """
    text = row["text"][: row["own_end"]]
    if not any(worth(paragraph, lexicon) for paragraph in text.split("\n\n")):
        return None
    terms = subjects.of_document(row, None, ())
    paragraphs = (paragraph for paragraph in subjects.paragraphs(row) if worth(paragraph, lexicon))
    notes = (note(paragraph, terms, lexicon, meta=meta) for paragraph in paragraphs)
    return next((sentence for sentence in notes if sentence), None)


def may_be(text: str, lexicon: Lexicon) -> bool:
    """Whether a text has a paragraph that may be a note: a quick look at a whole text."""
    if _ABOUT.search(text) is None and not any(lexicon.marker.match(part) for part in text.split("\n\n")):
        return False
    return any(worth(paragraph, lexicon) for paragraph in text.split("\n\n"))


def worth(paragraph: str, lexicon: Lexicon) -> bool:
    """Whether a paragraph may be a note: it is marked, or speaks of the answer, and has a cue."""
    marked = lexicon.marker.match(paragraph) is not None or _ABOUT.search(paragraph) is not None
    return marked and has_cue(paragraph, lexicon)


def note(
    paragraph: str, terms: subjects.Terms, lexicon: Lexicon, *, added: bool = False, meta: bool = False
) -> str | None:
    """The sentence of a paragraph that calls its answer out of date.

    Args:
        terms: the answer's own.
        added: whether an edit added it.
        meta: whether the site is about a site: a note must name what is the answer's own.
    """
    marker = lexicon.marker.match(paragraph)
    edited = added or _EDITED.match(paragraph) is not None
    plain = Plain(paragraph)
    for statement in read_sentences(plain, lexicon=lexicon):
        if statement.label != OBSOLETE:
            continue
        sentence = plain.spoken(statement.sentence)
        bare = lexicon.marker.sub("", statement.before).lstrip(" :*_-()[]")
        codes = plain.codes(statement.before), plain.codes(statement.sentence)
        spoken = subjects.subject(plain.tokens(bare + statement.cue), plain.tokens(statement.sentence), *codes, terms)
        if not spoken.clause and (meta or (marker is None and lexicon.general.search(statement.cue))):
            continue
        if _ABOUT.search(statement.before + statement.cue):
            return sentence
        if marker is None:
            continue
        if (
            lexicon.elided.match(bare)
            or lexicon.itself.search(bare + statement.cue)
            or comment_model.refers(statement, lexicon)
        ):
            return sentence
        if edited and spoken.sentence:
            return sentence
    return None


def without(body: str, sentences: set[str]) -> str:
    """HTML without the paragraphs in which these sentences stand."""
    wanted = [" ".join(sentence.replace("`", " ").split()) for sentence in sentences]
    closings: dict[str, list[tuple[int, int]]] = {}
    for tag in _CLOSING.finditer(body):
        closings.setdefault(tag[1].lower(), []).append(tag.span())
    pieces, done, inside = list[str](), 0, 0
    for tag in _OPENING.finditer(body):
        if tag.start() < done:
            continue
        if inside <= tag.end():
            inside = body.find(">", tag.end()) + 1
        if not inside:
            break
        ends = closings.get(tag[1].lower(), [])
        number = bisect_left(ends, (inside,))
        if number < len(ends):
            start, end = tag.start(), ends[number][1]
            shown = " ".join(html.unescape(_TAG.sub("", body[start:end])).replace("`", " ").replace("’", "'").split())
            gone = any(sentence in shown for sentence in wanted)
            pieces.append(body[done:start] if gone else body[done:end])
            done = end
    return "".join([*pieces, body[done:]])
