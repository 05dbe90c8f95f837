"""Verdict of a sentence on the answer that it is about: out of date, current, or none.

Rules of English, without a model: a cue ("deprecated", "no longer works", "was removed in 3.0") counts where the
sentence asserts it of this answer now. It doesn't count if it is quoted, asked, supposed, reported from others, denied,
or about something else, such as the reader's own browser. A denied cue and "still works" mean that the answer is
current.
"""

import re
from dataclasses import dataclass

from socorpus.labeling.tasks.obsolescence import lexicon

OBSOLETE, CURRENT = "obsolete", "current"


_LONGEST = 1000
"""Code points on either side of a cue that are read: no sentence is longer."""
_NEAR = 100
"""Code points before a quotation that are read for its verb."""


@dataclass(frozen=True)
class Statement:
    """The verdict of a sentence."""

    label: str
    cue: str
    """The words that state it."""
    sentence: str
    reply: bool = False
    """Whether it only makes sense as a reply to an earlier comment: "no, it isn't"."""


_QUOTE_LINE = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
_TICKS = re.compile("`+")
_BRACKET = re.compile(r"[\]\n]")
_TARGET = re.compile(r"[^)\s]*")
_TITLE = re.compile(r"(?:\s+\"[^\"]*\")?\)")
_ADDRESS = re.compile(r"\b(?:https?|ftp)://\S+")
_QUOTED = re.compile(
    r"\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|«[^»\n]{1,400}»|(?<!\w)'[^'\n]{3,400}'(?!\w)|‘[^’\n]{3,400}’(?!\w)"
)
# Quotation marks around an assertion: it is marked as "deprecated".
_ASSERTED = re.compile(r"\b(?:is|are|as|be|been|being|now|become|became|considered|officially)\s+$", re.IGNORECASE)
_JOKE = re.compile(r"(?:^|\s)/s\s*$")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"')\]*_]*\s+(?=\S)|\n+")
_SIGNS = re.compile(r"[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)")
_ABBREVIATION = re.compile(r"\b(e\.g|i\.e|etc|vs|ver|v|approx|cf)\.(?=\s)", re.IGNORECASE)


def unquoted(text: str) -> str:
    """A comment's text with quotations, code and addresses each replaced by a word."""
    text = _QUOTE_LINE.sub("", text.replace("\r\n", "\n"))
    text = _ADDRESS.sub("ADDRESS", _without_links(_without_code(text)))

    def quote(match: re.Match[str]) -> str:
        inner = match[0][1:-1]
        if len(inner.split()) <= 2 and _ASSERTED.search(match.string, max(0, match.start() - _NEAR), match.start()):
            return inner
        return " QUOTE "

    return _SIGNS.sub("", _QUOTED.sub(quote, text))


def _without_code(text: str) -> str:
    """Each backtick and what follows up to as many again, the most for which there are, by a word."""
    runs = [match.span() for match in _TICKS.finditer(text)]
    longest = [0]  # of the runs behind each
    for start, end in reversed(runs[1:]):
        longest.append(max(longest[-1], end - start))
    pieces, done = list[str](), 0
    for (start, end), behind in zip(runs, reversed(longest), strict=False):
        start = max(start, done)
        while start < end and (ticks := max(min(end - start, behind), (end - start - 1) // 2)) > 0:
            pieces += [text[done:start], " CODE "]
            done = start = text.index("`" * ticks, start + ticks + 1) + ticks
    return "".join([*pieces, text[done:]])


def _without_links(text: str) -> str:
    """Links, `[text](target "title")`, by their text, which ends at the first bracket that closes."""
    pieces, done, line = list[str](), 0, 0
    target = (-1, -1, -1)  # start and end of the last target that was read, and where its link ends (-1: nowhere)
    for bracket in _BRACKET.finditer(text):
        place = bracket.start()
        start = text.find("[", max(done, line), place) if text.startswith("](", place) else -1
        line = place + 1
        if start < 0:
            continue
        if not target[0] <= place + 2 <= target[1]:
            end = _TARGET.match(text, place + 2).end()  # type: ignore[union-attr]
            title = _TITLE.match(text, end)
            target = (place + 2, end, -1 if title is None else title.end())
        if target[2] >= 0:
            begin = start - (start > done and text[start - 1] == "!")
            pieces += [text[done:begin], text[start + 1 : place]]
            done = target[2]
    return "".join([*pieces, text[done:]])


def sentences(text: str) -> list[str]:
    """Sentences of plain text; not split at the points of versions and of abbreviations such as "e.g."."""
    joined = _ABBREVIATION.sub(r"\1", text)
    return [part.strip() for part in _SENTENCE.split(joined) if part and part.strip()]


def statements(comment: str, *, accepted: bool = True) -> list[Statement]:
    """Verdicts of a comment's sentences on its answer, in order.

    Args:
        comment: Markdown, as in the dump.
        accepted: whether that answer is the accepted one, to which "the accepted answer is outdated" may refer.
    """
    results: list[Statement] = []
    if _JOKE.search(comment):
        return results
    for sentence in sentences(unquoted(comment)):
        statement = _statement(sentence, accepted)
        if statement is not None:
            results.append(statement)
    return results


def has_cue(comment: str) -> bool:
    """Whether any cue occurs, whatever it means there."""
    return lexicon.CUE.search(_SIGNS.sub("", comment)) is not None or lexicon.STILL.search(comment) is not None


def _statement(sentence: str, accepted: bool) -> Statement | None:
    if sentence.endswith("?") or lexicon.ASKED.search(sentence):
        return None
    for cue in lexicon.CUE.finditer(sentence):
        label = _asserted(sentence, cue, accepted)
        if label is not None:
            return Statement(label, cue[0], sentence)
    if lexicon.CUE.search(sentence):
        return None
    denial = lexicon.DENIAL.search(sentence)
    if denial is not None:
        return Statement(CURRENT, denial[0].strip(), sentence, reply=True)
    still = lexicon.STILL.search(sentence)
    if still is not None and not _uncertain(sentence[: still.start()]):
        return Statement(CURRENT, still[0], sentence)
    return None


def _uncertain(before: str) -> bool:
    return bool(lexicon.SUPPOSED.search(before) or lexicon.NEGATION.search(before) or lexicon.TOLD.search(before))


def _asserted(sentence: str, cue: re.Match[str], accepted: bool) -> str | None:
    """Label of a cue; None if it is about something else or isn't asserted."""
    before = sentence[max(0, cue.start() - _LONGEST) : cue.start()]
    after = sentence[cue.end() : cue.end() + _LONGEST]
    state = re.search(lexicon.STATES, cue[0], re.IGNORECASE)
    if not state and not re.search(r"\d", cue[0]) and lexicon.MODERATED.search(before[-30:] + cue[0]):
        return None
    if (state and lexicon.OTHER_NOUN.match(after)) or lexicon.AVOIDS.search(before):
        return None
    if state and lexicon.ATTRIBUTE.search(before) and not lexicon.NOT_A_NOUN.match(after):
        return None
    if lexicon.PASSING.search(before) or (lexicon.RELATIVE.search(before) and not lexicon.USES.search(before)):
        return None
    if not state and lexicon.PERSON.search(before):
        return None
    reported = lexicon.REPORTED.search(before)
    before = lexicon.REPORTED.sub(" ", before)
    own = lexicon.CLAUSE.split(before)[-1]
    lead = before[: len(before) - len(own)]
    # A clause of only the cue refers to what comes before.
    subject = own if own.strip() else lead
    if lexicon.TOLD.search(subject) and not reported:
        return None
    if _supposed(own, lead):
        return None
    if lexicon.OTHER_SUBJECT.search(subject) or (lexicon.ACCEPTED.search(subject) and not accepted):
        return None
    denied = lexicon.NEGATION.findall(lexicon.NOT_ONLY.sub("", own))
    return CURRENT if denied and not (len(denied) == 2 and lexicon.DOUBLE.search(own)) else OBSOLETE


def _supposed(own: str, lead: str) -> bool:
    """Whether the cue's clause, or a condition before it, leaves the cue open."""
    supposed = lexicon.SUPPOSED.search(lexicon.HEDGE.sub("", own))
    if supposed is not None:
        condition = supposed[0].lower() in ("if", "when", "once")
        return not (condition and lexicon.NOWADAYS.search(own[supposed.end() :]))
    given = lexicon.CONDITION.search(lead)
    return given is not None and not lexicon.NOWADAYS.search(lead[given.end() :])


def asks(comment: str) -> bool:
    """Whether a comment asks if it is out of date."""
    return any(
        lexicon.CUE.search(sentence) and (sentence.endswith("?") or lexicon.ASKED.search(sentence))
        for sentence in sentences(unquoted(comment))
    )
