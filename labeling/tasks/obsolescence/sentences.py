"""Verdict of a sentence on the answer that it is about: out of date, current, or none.

Rules without a model, by the lexicon of a language: a cue ("deprecated", "no longer works", "was removed in 3.0")
counts where the sentence asserts it of this answer now. It doesn't count if it is quoted, asked, supposed, reported
from others, denied, or about something else, such as the reader's own browser. A denied cue and "still works" mean
that the answer is current. Whether a statement's subject is the answer's own is decided by `subjects`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from socorpus.labeling.tasks.obsolescence.english import ENGLISH
from socorpus.labeling.tasks.obsolescence.lexicons import Lexicon, line_may_have_cue, may_have_cue

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
    before: str = ""
    """The words before the cue in its clause, or, where there are none, in the clauses before."""
    after: str = ""
    """The words after the cue."""
    denied: bool = False
    """Whether it takes back a cue: "it isn't deprecated"."""


@dataclass(frozen=True)
class Candidate:
    """A cue in a sentence, whether or not it counts."""

    statement: Statement | None
    """What the sentence says; None where it does not count."""
    cue: str
    sentence: str
    before: str
    after: str


class Plain:
    """A comment as plain text: quotations and addresses replaced by a word each, code by a word that stands for it."""

    def __init__(self, text: str):
        self._codes = list[str]()
        text = _QUOTE_LINE.sub("", text.replace("\r\n", "\n").replace("’", "'"))
        text = _ADDRESS.sub("ADDRESS", _without_links(_without_code(text, self._code)))
        self.text = _SIGNS.sub("", _QUOTED.sub(_quoted, text))

    def _code(self, code: str) -> str:
        self._codes.append(code)
        number, letters = len(self._codes), ""
        while number:
            number, letter = divmod(number, 26)
            letters = chr(ord("a") + letter) + letters
        return f" CODEx{letters} "

    def spoken(self, sentence: str) -> str:
        """A sentence with its code again, in backticks."""
        return _CODE.sub(lambda match: f"`{self.code(match) or match[0]}`", sentence).strip()

    def code(self, match: re.Match[str]) -> str | None:
        """The code that a word stands for."""
        number = 0
        for letter in match[1][:6]:
            number = 26 * number + ord(letter) - ord("a")
        return self._codes[number - 1] if 1 <= number <= len(self._codes) else None

    def codes(self, sentence: str) -> list[str]:
        """The pieces of code in a sentence."""
        return [code for match in _CODE.finditer(sentence) if (code := self.code(match))]

    def tokens(self, sentence: str) -> str:
        """A sentence with its code again, without backticks."""
        return _CODE.sub(lambda match: f" {self.code(match) or ''} ", sentence)


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
# What a manual says is no hearsay: "From the docs: …".
_SOURCE = re.compile(
    r"\b(?:docs?|documentation|manual|codex|change ?log|release notes?|man ?page|specification|spec|readme|wiki"
    r"|api reference)\b"
    r"[^.;\"“«]{0,30}(?::|\b(?:says?|said|states?|reads?|notes?),?)\s+$",
    re.IGNORECASE,
)
_JOKE = re.compile(r"(?:^|\s)/s\s*$")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"')\]*_]*\s+(?=\S)|\n+")
_SIGNS = re.compile(r"\*{1,3}(?=\S)|(?<!\w)_{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)")
_ABBREVIATION = re.compile(r"\b(e\.g|i\.e|etc|vs|ver|v|approx|cf)\.(?=\s)", re.IGNORECASE)


_CODE = re.compile(r"\bCODEx([a-z]+)\b")


def _quoted(match: re.Match[str]) -> str:
    inner = match[0][1:-1]
    if _SOURCE.search(match.string, max(0, match.start() - _NEAR), match.start()):
        return inner
    if len(inner.split()) <= 2 and _ASSERTED.search(match.string, max(0, match.start() - _NEAR), match.start()):
        return inner
    return " QUOTE "


def unquoted(text: str) -> str:
    """A comment's text with quotations, code and addresses each replaced by a word."""
    return _CODE.sub("CODE", Plain(text).text)


def _without_code(text: str, word: Callable[[str], str]) -> str:
    """Each backtick and what follows up to as many again, the most for which there are, by a word for it."""
    runs = [match.span() for match in _TICKS.finditer(text)]
    longest = [0]  # of the runs behind each
    for start, end in reversed(runs[1:]):
        longest.append(max(longest[-1], end - start))
    pieces, done = list[str](), 0
    for (start, end), behind in zip(runs, reversed(longest), strict=False):
        start = max(start, done)
        while start < end and (ticks := max(min(end - start, behind), (end - start - 1) // 2)) > 0:
            close = text.index("`" * ticks, start + ticks + 1)
            pieces += [text[done:start], word(text[start + ticks : close])]
            done = start = close + ticks
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


def statements(comment: str, *, accepted: bool = True, lexicon: Lexicon = ENGLISH) -> list[Statement]:
    """Verdicts of a comment's sentences on its answer, in order.

    Args:
        comment: Markdown, as in the dump.
        accepted: whether that answer is the accepted one, to which "the accepted answer is outdated" may refer.
    """
    plain = Plain(comment)
    read = read_sentences(plain, accepted=accepted, lexicon=lexicon)
    return [replace(statement, sentence=plain.spoken(statement.sentence)) for statement in read]


def read_sentences(
    plain: Plain, *, accepted: bool = True, others: bool = False, lexicon: Lexicon = ENGLISH
) -> list[Statement]:
    """As `statements`, with words for code.

    Args:
        others: whether words for other answers are none for something else: in an answer that speaks of others.
    """
    if _JOKE.search(plain.text):
        return []
    return [
        statement
        for sentence in sentences(plain.text)
        for statement in _statements(sentence, accepted, others, lexicon)
    ]


def candidates(plain: Plain, *, accepted: bool = True, lexicon: Lexicon = ENGLISH) -> Iterator[Candidate]:
    """All cues of a comment, each with what it says, if it counts."""
    # Who approves of the answer, and takes nothing back, calls something else out of date.
    silent = _JOKE.search(plain.text) is not None or approves(plain, lexicon)
    previous = ""
    for sentence in sentences(plain.text):
        asked = silent or sentence.endswith("?") or lexicon.asked.search(sentence) is not None
        for cue in lexicon.cue.finditer(sentence):
            before, after = _around(sentence, cue, lexicon)
            unclear = (
                lexicon.pronoun.match(before) and not lexicon.itself.search(before) and _elsewhere(previous, lexicon)
            )
            statement = None if asked or unclear else _asserted(sentence, cue, accepted, False, lexicon)
            yield Candidate(statement, cue[0], _window(sentence, cue), before, after)
        previous = sentence


def approves(plain: Plain, lexicon: Lexicon) -> bool:
    """Whether a comment approves of the answer, and takes nothing back."""
    return lexicon.praise.search(plain.text) is not None and not lexicon.unwell.search(plain.text)


def _elsewhere(previous: str, lexicon: Lexicon) -> bool:
    """Whether a pronoun after a sentence may refer to something else than the answer."""
    return previous.endswith(("?", "?!")) or lexicon.other_subject.search(previous) is not None


def has_cue(comment: str, lexicon: Lexicon = ENGLISH) -> bool:
    """Whether any cue occurs, whatever it means there."""
    straight = comment.replace("’", "'")
    return may_have_cue(straight, lexicon) and any(
        lexicon.cue.search(_SIGNS.sub("", line)) is not None or lexicon.still.search(line) is not None
        for line in straight.split("\n")
        if line_may_have_cue(line, lexicon)
    )


def _statements(sentence: str, accepted: bool, others: bool, lexicon: Lexicon) -> list[Statement]:
    if sentence.endswith("?") or lexicon.asked.search(sentence):
        return []
    cues = list(lexicon.cue.finditer(sentence))
    if cues:
        read = (_asserted(sentence, cue, accepted, others, lexicon) for cue in cues)
        return [statement for statement in read if statement is not None]
    denial = lexicon.denial.search(sentence)
    if denial is not None:
        return [Statement(CURRENT, denial[0].strip(), sentence, reply=True, after=sentence[denial.end() :][:_LONGEST])]
    still = lexicon.still.search(sentence)
    if still is not None and not _uncertain(sentence[: still.start()], lexicon):
        return [Statement(CURRENT, still[0], sentence, before=sentence[: still.start()], after=sentence[still.end() :])]
    return []


def _uncertain(before: str, lexicon: Lexicon) -> bool:
    return any(words.search(before) for words in (lexicon.supposed, lexicon.negation, lexicon.told))


def _window(sentence: str, cue: re.Match[str]) -> str:
    """A sentence, or of a very long one as much as is read around a cue."""
    return sentence[max(0, cue.start() - _LONGEST) : cue.end() + _LONGEST].strip()


def _around(sentence: str, cue: re.Match[str], lexicon: Lexicon) -> tuple[str, str]:
    """The words before a cue in its clause, or else in those before, and the words after it."""
    before = sentence[max(0, cue.start() - _LONGEST) : cue.start()]
    clause = lexicon.clause.split(lexicon.reported.sub(" ", before))[-1]
    return (clause if clause.strip() else before), sentence[cue.end() : cue.end() + _LONGEST]


def _asserted(sentence: str, cue: re.Match[str], accepted: bool, others: bool, lexicon: Lexicon) -> Statement | None:
    """What a cue says; None if it is about something else or isn't asserted."""
    before = sentence[max(0, cue.start() - _LONGEST) : cue.start()]
    after = sentence[cue.end() : cue.end() + _LONGEST]
    state = lexicon.state.search(cue[0])
    if not state and not re.search(r"\d", cue[0]) and lexicon.moderated.search(before[-30:] + cue[0]):
        return None
    if (state and lexicon.other_noun.match(after)) or lexicon.avoids.search(before):
        return None
    if state and lexicon.attribute.search(before) and not lexicon.not_a_noun.match(after):
        return None
    if lexicon.passing.search(before) or (lexicon.relative.search(before) and not lexicon.uses.search(before)):
        return None
    if not state and lexicon.person.search(before):
        return None
    reported = lexicon.reported.search(before)
    before = lexicon.reported.sub(" ", before)
    own = lexicon.clause.split(before)[-1]
    lead = before[: len(before) - len(own)]
    # A clause of only the cue refers to what comes before.
    subject = own if own.strip() else lead
    if lexicon.told.search(subject) and not reported:
        return None
    if _supposed(own, lead, lexicon):
        return None
    if not others and lexicon.other_subject.search(subject):
        return None
    if not others and lexicon.accepted.search(subject) and not accepted:
        return None
    denied = lexicon.negation.findall(lexicon.not_only.sub("", own))
    if denied and not (len(denied) == 2 and lexicon.double.search(own)):
        return Statement(CURRENT, cue[0], _window(sentence, cue), before=subject, after=after, denied=True)
    return Statement(OBSOLETE, cue[0], _window(sentence, cue), before=subject, after=after)


def _supposed(own: str, lead: str, lexicon: Lexicon) -> bool:
    """Whether the cue's clause, or a condition before it, leaves the cue open."""
    supposed = lexicon.supposed.search(lexicon.hedge.sub("", own))
    if supposed is not None:
        return not (lexicon.given.fullmatch(supposed[0]) and lexicon.nowadays.search(own[supposed.end() :]))
    given = lexicon.condition.search(lead)
    return given is not None and not lexicon.nowadays.search(lead[given.end() :])


def asks(comment: str, lexicon: Lexicon = ENGLISH) -> bool:
    """Whether a comment asks if it is out of date."""
    return any(
        lexicon.cue.search(sentence) and (sentence.endswith("?") or lexicon.asked.search(sentence))
        for sentence in sentences(unquoted(comment))
    )


def asks_whether_still(comment: str, lexicon: Lexicon = ENGLISH) -> bool:
    """Whether a comment asks if it still works."""
    return any(
        lexicon.still_asked.search(sentence) and (sentence.endswith("?") or lexicon.asked.search(sentence))
        for sentence in sentences(unquoted(comment))
    )
