"""Lexicons: the words of one natural language by which people call something out of date, deny it, or only ask.

English is ours (`labeling.tasks.obsolescence.english`). A lexicon for another language is a plug-in: `lexicon("fr",
…)`. A post is read by the lexicon of its own language; without one for it, nothing is said.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import re2

from socorpus.corpus import plugins
from socorpus.corpus.plugins import Registry

NEVER = re.compile(r"(?!)")


@dataclass(frozen=True)
class Lexicon:
    """Patterns of one language; all but `cue` may be left out.

    Attributes:
        language: as in `signals/language`: ISO 639-1, or 639-3 where there is none.
        cue: something is out of date.
        state: the cues that may stand before a noun ("a deprecated call"); `attribute`, `not_a_noun` and `other_noun`
            are read around these only. `removal` and `failure` are the cues of these kinds; `general` are those of
            anything that is no longer, which need a subject more than others; `limit` are those that may as well say
            what it never worked with ("doesn't work in 2.6").
        still: it still works; `still_asked`: the words by which somebody asks whether it does.
        denial: a reply that denies an earlier comment.
        confirmation: a reply that makes a statement of a question; `refusal`: a "no" to one.
        concession: a reply by which somebody gives an earlier statement of their own up.
        mended: its author says that the answer was brought up to date.
        negation: words that deny a cue; `double` are those of which two say yes, `not_only` is none.
        supposed: words that leave a cue open; `hedge` is none. `condition` are those in an earlier clause, which
            `nowadays` behind them makes an assertion of; so it does of the supposed words `given`.
        asked: a question by its word order.
        told: what somebody else says; `reported` is a source that counts.
        other_subject: a subject other than this answer; `accepted` is the accepted answer.
        other_noun, attribute, not_a_noun: around a state: the noun that it modifies, words before such a noun, words
            after a state that modifies none.
        avoids: words before a thing that the answer does not use.
        passing: things that go out of date in general.
        relative: a clause about a thing, unless `uses` stands before it.
        person: a person as the subject.
        moderated: a post that was removed, and not its subject.
        clause: ends of clauses.
        itself: words for the answer: "this answer", "your code"; `pronoun`: a subject that refers to it;
            `object_before`, `object_after`: an object that does, before and after the cue ("made this obsolete").
        elided: all that may stand before a cue without a subject: "now", "sadly".
        replacement: words that name another way.
        other_answer: words for another answer of the thread.
        marker: the opening of a note that an answer bears, such as "Update:".
        praise: the opening of a comment that approves of the answer.
        hint: an expression in google-re2's dialect that every line with a cue, or with `still`, matches, within a
            text of several lines too; None: there is none. `hints` are more such expressions, slower and narrower, of
            which such a line matches one.
        unwell: words that take back a praise, a thanks or a yes.
    """

    language: str
    cue: re.Pattern[str]
    state: re.Pattern[str] = NEVER
    removal: re.Pattern[str] = NEVER
    failure: re.Pattern[str] = NEVER
    general: re.Pattern[str] = NEVER
    limit: re.Pattern[str] = NEVER
    still: re.Pattern[str] = NEVER
    still_asked: re.Pattern[str] = NEVER
    denial: re.Pattern[str] = NEVER
    confirmation: re.Pattern[str] = NEVER
    refusal: re.Pattern[str] = NEVER
    concession: re.Pattern[str] = NEVER
    mended: re.Pattern[str] = NEVER
    negation: re.Pattern[str] = NEVER
    double: re.Pattern[str] = NEVER
    not_only: re.Pattern[str] = NEVER
    supposed: re.Pattern[str] = NEVER
    hedge: re.Pattern[str] = NEVER
    given: re.Pattern[str] = NEVER
    condition: re.Pattern[str] = NEVER
    nowadays: re.Pattern[str] = NEVER
    asked: re.Pattern[str] = NEVER
    told: re.Pattern[str] = NEVER
    reported: re.Pattern[str] = NEVER
    other_subject: re.Pattern[str] = NEVER
    accepted: re.Pattern[str] = NEVER
    other_noun: re.Pattern[str] = NEVER
    attribute: re.Pattern[str] = NEVER
    not_a_noun: re.Pattern[str] = NEVER
    avoids: re.Pattern[str] = NEVER
    passing: re.Pattern[str] = NEVER
    relative: re.Pattern[str] = NEVER
    uses: re.Pattern[str] = NEVER
    person: re.Pattern[str] = NEVER
    moderated: re.Pattern[str] = NEVER
    clause: re.Pattern[str] = re.compile(r"[;:—–,]\s*|\s-+\s")
    itself: re.Pattern[str] = NEVER
    pronoun: re.Pattern[str] = NEVER
    object_before: re.Pattern[str] = NEVER
    object_after: re.Pattern[str] = NEVER
    elided: re.Pattern[str] = re.compile(r"\W*$")
    replacement: re.Pattern[str] = NEVER
    other_answer: re.Pattern[str] = NEVER
    marker: re.Pattern[str] = NEVER
    praise: re.Pattern[str] = NEVER
    unwell: re.Pattern[str] = re.compile(r"\?")
    hint: str | None = None
    hints: tuple[str, ...] = ()
    version: int | None = None
    """Raise it when the patterns change; None in a plug-in: the plug-in's hash or version."""


LEXICONS: Registry[Lexicon] = Registry("lexicon of obsolescence", ("socorpus.labeling.tasks.obsolescence.english",))
"""Lexicons by language: English, then those of active plug-ins."""


def lexicon(language: str, cue: Sequence[str], *, version: int | None = None, **phrases: Sequence[str]) -> Lexicon:
    """Define a lexicon; a plug-in's is then used for posts of its language.

    Args:
        language: ISO 639-1 code, as the signal `language` gives it.
        cue: phrases that call something out of date. A phrase is a regular expression; it matches whole words in any
            case, and a space in it any white space.
        phrases: of the other attributes of `Lexicon`, by name.

    Raises:
        InputError: there is a lexicon for this language, an attribute is not known, or a phrase is no expression.
    """
    known = {item.name for item in fields(Lexicon)} - {"language", "hint", "hints", "version"}
    compiled: dict[str, Any] = {}
    for name, some in {"cue": cue, **phrases}.items():
        if name not in known:
            raise plugins.rejected(f"lexicon {language!r} has no {name!r}; it may have: {', '.join(sorted(known))}")
        if isinstance(some, str) or not some:
            raise plugins.rejected(f"lexicon {language!r}: {name} must be a list of phrases")
        try:
            compiled[name] = words(*some)
        except (re.error, TypeError, AttributeError) as error:
            raise plugins.rejected(f"lexicon {language!r}: {name}: {error}") from None
    return LEXICONS.add(language, Lexicon(language, version=version, **compiled))


def may_have_cue(text: str, lexicon: Lexicon) -> bool:
    """Whether a text of some lines may have a cue, or words for "still": a quick look."""
    return lexicon.hint is None or _hint(lexicon.hint).search(text.encode("utf-8", "replace")) is not None


def line_may_have_cue(line: str, lexicon: Lexicon) -> bool:
    """The same of a line, by a closer look."""
    data = line.encode("utf-8", "replace")
    if lexicon.hint is not None and _hint(lexicon.hint).search(data) is None:
        return False
    return not lexicon.hints or any(_hint(expression).search(data) is not None for expression in lexicon.hints)


@cache
def _hint(expression: str) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    return re2.compile(expression.encode(), options)


def words(*phrases: str) -> re.Pattern[str]:
    """Any of the phrases, as whole words, in any case; a space stands for any white space."""
    any_of = "|".join(phrase.replace(" ", r"\s+") for phrase in phrases)
    return re.compile(rf"(?<!\w)(?:{any_of})(?!\w)", re.IGNORECASE)
