"""What later answers of a thread say of earlier ones: "the `.live()` of the other answer was removed in 1.9"."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from socorpus.labeling.functions import Vote
from socorpus.labeling.tasks.obsolescence import subjects
from socorpus.labeling.tasks.obsolescence.lexicons import Lexicon
from socorpus.labeling.tasks.obsolescence.sentences import OBSOLETE, Plain, has_cue, read_sentences

_NEAR = 30
"""Code points after a cue in which the answer stands that it is said of."""
_SHORTEST = 3
"""Characters of a name that says which answer is meant."""
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_ACCEPTED = re.compile(r"\b(?:accepted|selected)\b", re.IGNORECASE)


def called_obsolete(
    question: Mapping[str, Any] | None,
    answers: Sequence[Mapping[str, Any]],
    cued: Collection[int],
    lexicons: Mapping[int, Lexicon],
    meta: bool = False,
) -> Iterator[Vote]:
    """Votes on answers of one thread, in order of time, that a later one calls out of date.

    The later one must name an identifier or a name that the earlier one uses, and neither the question nor itself; or
    speak of "the accepted answer", or of "the other answer" where there is one only.

    Args:
        cued: answers whose own text has a cue.
        lexicons: of these, by their language.
        meta: whether the site is about a site: an answer must be named by what it uses.
    """
    asked = subjects.of_document(question, question["title"], question["tags"] or ()) if question is not None else None
    shared = (asked.code | asked.names | asked.topics) if asked is not None else frozenset[str]()
    by_term: dict[str, list[Mapping[str, Any]]] = {}
    earlier: list[Mapping[str, Any]] = []
    done = set[int]()
    for answer in answers:
        lexicon = lexicons.get(answer["post_id"])
        if answer["post_id"] in cued and earlier and lexicon is not None:
            for elder, sentence in _called(answer, earlier, by_term, shared, lexicon, meta):
                if elder["post_id"] not in done:
                    done.add(elder["post_id"])
                    yield Vote(elder["post_id"], OBSOLETE, {"answer": answer["post_id"], "sentence": sentence[:300]})
        earlier.append(answer)
        if answer["post_id"] not in cued:
            own = subjects.of_document(answer, None, ())
            for term in own.code | own.names:
                if len(term) >= _SHORTEST:
                    by_term.setdefault(term, []).append(answer)


def _called(
    answer: Mapping[str, Any],
    earlier: Sequence[Mapping[str, Any]],
    by_term: dict[str, list[Mapping[str, Any]]],
    shared: frozenset[str],
    lexicon: Lexicon,
    meta: bool,
) -> Iterator[tuple[Mapping[str, Any], str]]:
    for paragraph in subjects.paragraphs(answer):
        if not has_cue(paragraph, lexicon):
            continue
        plain = Plain(paragraph)
        for statement in read_sentences(plain, others=True, lexicon=lexicon):
            if statement.label != OBSOLETE:
                continue
            sentence = plain.spoken(statement.sentence)
            other = lexicon.other_answer.search(statement.sentence)
            spoken = statement.sentence if other else statement.before + " " + statement.cue
            codes = plain.codes(spoken)
            forms = subjects.spoken_of("", codes)
            # Outside of code a name counts where it stands with a capital, a digit or a sign, or of another answer.
            names = subjects.spoken_of(plain.tokens(spoken), ()) if other else subjects.names(plain.tokens(spoken))
            hit = False
            for term in sorted(forms | names):
                if term in by_term and (other or (term in forms and term not in shared)):
                    hit = True
                    for elder in by_term.pop(term):
                        yield elder, sentence
            # "The accepted answer is outdated", "times have changed since the 2010 answer".
            near = lexicon.other_answer.search(f"{statement.before}{statement.cue}{statement.after[:_NEAR]}")
            meant = _meant(near[0], earlier) if near is not None and not hit and not meta else None
            if meant is not None:
                yield meant, sentence


def _meant(words: str, earlier: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The answer that is spoken of as the accepted one, the other one, or that of a year."""
    if _ACCEPTED.search(words) and (accepted := [row for row in earlier if row["accepted"]]):
        return accepted[0]
    if year := _YEAR.search(words):
        of_year = [row for row in earlier if row["created"].year == int(year[0])]
        return of_year[0] if len(of_year) == 1 else None
    return earlier[0] if len(earlier) == 1 else None
