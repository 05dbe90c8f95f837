"""Reasons for closing a question in words: in comments, in the note above its text, and in marks of its title."""

import re

from socorpus.labeling.facts.closings import CLOSED, DUPLICATE, OFF_TOPIC
from socorpus.labeling.tasks.obsolescence.sentences import unquoted

_SAYS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (label, re.compile(pattern, re.IGNORECASE))
    for label, pattern in (
        ("duplicate", r"\b(?:possible |exact )?duplicate of\b|\bdoes this answer your question\b"),
        ("off_topic", r"\b(?:off[- ]?topic|out of scope|isn't for|better (?:suited|asked))\b"),
        ("off_topic", r"\bnot (?:for|within)\b.{0,30}\b(?:site|scope)\b|\b(?:belongs|be asked) (?:on|at|to)\b"),
        ("needs_details", r"\bunclear what you|\bnot a real question\b|\b(?:is|it's|too) (?:unclear|vague)\b"),
        ("needs_focus", r"\btoo broad\b|\bneeds? (?:more )?focus\b|\bmultiple questions\b|\bopen[- ]ended\b"),
        ("opinion_based", r"\bopinion[- ]based\b|\bnot constructive\b|\bsubjective\b|\bmatter of opinion\b"),
        (CLOSED, r"\btoo locali[sz]ed\b"),
    )
)
_CLOSING = re.compile(r"\b(?:clos(?:e|ed|ing)|duplicate of|does this answer your question)\b", re.IGNORECASE)
_DENIED = re.compile(r"(?:\bnot|n't|\bnever|\bwhy|\bdisagree|\bno)\b[^.;]{0,30}$", re.IGNORECASE)
# The system's own words in its languages, which end in the title of another question.
_AUTOMATIC = re.compile(
    r"\s*(?:possible duplicate of|does this answer your question"
    r"|posible duplicado de|¿?responde esto a tu pregunta|possível duplicata de|isso responde (?:à|a) sua pergunta"
    r"|возможный дубликат|отвечает ли это на ваш вопрос)\b",
    re.IGNORECASE,
)
# What the system writes below a question for who votes to close it as off topic for a reason in words of their own.
_OWN_WORDS = re.compile(
    r"\s*(?:i['\u2019]m voting to close this question(?: as off[- ]?topic)? because"
    r"|this question appears to be off[- ]?topic because)\b",
    re.IGNORECASE,
)

_NOTE = re.compile(r"\W*(?:possible duplicate\b|this question already has (?:an answer|answers) here\b)", re.IGNORECASE)
"""Notes that the system put above a question closed as a duplicate: in the text itself until 2013, in pages since."""

_OBJECTION = re.compile(
    r"\bvot(?:e|ed|es|ing) to (?:close|migrate|move|delete)\b|\bclose[- ]?vot"
    r"|\bdown[- ]?vot(?:e|ed|ing) (?:because|since|for|as)\b"
    r"|\boff[- ]?topic\b|\bout of scope\b|\b(?:too|overly|very|quite) (?:broad|vague|locali[sz]ed|subjective)\b"
    r"|\bneeds? (?:more )?(?:focus|detail)|\bopinion[- ]?based\b"
    r"|\b(?:matter of|primarily|mostly|purely|just|only) (?:an? )?(?:personal )?opinion|\bsubjective\b"
    r"|\bnot constructive\b|\bopen[- ]ended\b|\bcommunity wiki\b|\bnot a (?:real |good |valid )?question\b"
    r"|\blist[- ]?(?:type |style )?questions?\b|\b(?:just|only|result in|end up(?: as)?) (?:an? )?(?:big |long )?list\b"
    r"|\bduplicates?\b|\b(?:already|previously) (?:been )?(?:asked|answered|discussed)\b|\bsame (?:question|thing) as\b"
    r"|\bbelongs? (?:on|at|to)\b|\bbetter (?:suited|asked|fit|off)\b|\bdoes this answer your question\b"
    r"|\b(?:is|should be|question) (?:for|on) (?:\w+ ){1,3}(?:SE|stack ?exchange|overflow|validated)\b"
    r"|\b(?:narrow|split) (?:it|this|the question|your question) (?:down|up|into)\b|\bshopping\b|\bgoogle it\b"
    r"|\bwhat (?:exactly )?do you mean\b|\bopinion question",
    re.IGNORECASE,
)

_MARKS = {
    DUPLICATE: ("duplicate", "duplicada", "duplicado", "duplicata", "дубликат", "重複"),
    CLOSED: ("closed", "on hold", "migrated", "cerrada", "cerrado", "fechada", "закрыт", "クローズ"),
}
_MARK = re.compile(r"\[([^\[\]]{1,20})\]$")
_OF_MARK = {word: label for label, words in _MARKS.items() for word in words}


def named_reason(comment: str) -> str | None:
    """The only reason for closing that a comment names; None if it names none or two, asks, or argues against it."""
    text = unquoted(comment).strip()
    if _AUTOMATIC.match(text):
        return DUPLICATE
    own_words = _OWN_WORDS.match(text) is not None
    if not (own_words or _CLOSING.search(text)) or text.endswith("?"):
        return None
    matches = {label: match for label, pattern in _SAYS if (match := pattern.search(text)) is not None}
    if own_words and not matches:
        return OFF_TOPIC
    if len(matches) != 1:
        return None
    ((label, match),) = matches.items()
    return None if _DENIED.search(text[: match.start()]) else label


def objects(comment: str) -> bool:
    """Whether a comment finds fault with a question as a question, or denies that it has one: it is disputed.

    Off topic, a duplicate, opinion, a list, too broad, for another site.
    """
    return _OBJECTION.search(unquoted(comment)) is not None


def has_note(text: str) -> bool:
    """Whether a question's text begins with the note that it is a duplicate."""
    return _NOTE.match(text) is not None


def title_mark(title: str | None) -> tuple[str, str] | None:
    """The mark that pages put at the end of a closed question's title: `duplicate` or `closed`, and its word.

    Dumps have titles without it; copies that were made from pages, or from the publisher's API, have it.
    """
    match = _MARK.search((title or "").rstrip())
    word = match[1].strip().lower() if match is not None else ""
    return (_OF_MARK[word], word) if word in _OF_MARK else None
