"""How likely a comment's cue means that its answer is out of date: a logistic regression of some features of both.

`weights.json` holds its weights, with what they were learned from; `benchmarks/obsolescence.py` makes it. The features
are of the form of the statement and not of its words, so that few examples are enough and no text is in the weights.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from socorpus.corpus.storage import files
from socorpus.labeling.tasks.obsolescence.lexicons import Lexicon
from socorpus.labeling.tasks.obsolescence.sentences import OBSOLETE, Candidate, Statement
from socorpus.labeling.tasks.obsolescence.subjects import Subject

_DAY = 86_400_000
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_LONG = 60
"""Words of a comment that is about more than one thing."""
_OBJECT = 40
"""Code points before or after a cue in which its object stands."""
_SOON = 7
"""Days after the answer."""

FEATURES = (
    "own_clause",
    "own_sentence",
    "topic",
    "itself",
    "pronoun",
    "elided",
    "person",
    "foreign",
    "state",
    "removal",
    "failure",
    "general",
    "version",
    "new_version",
    "old_version",
    "year",
    "replacement",
    "soon",
    "author",
    "asker",
    "technical",
    "long",
    "rejected",
)


@dataclass(frozen=True)
class Setting:
    """Around a comment's cue."""

    subject: Subject
    days: float
    """From the answer to the comment."""
    words: int
    """Of the comment."""
    author: bool
    """Whether the answer's author wrote it; `asker`: the question's."""
    asker: bool
    technical: bool
    """Whether the answer has code, or names with versions."""
    version: bool
    """Whether the sentence names a version."""
    known: bool | None
    """Whether that version was there when the answer was written; None: not known, or no version."""


def refers(statement: Candidate | Statement, lexicon: Lexicon) -> bool:
    """Whether a pronoun is what a cue is said of."""
    return (
        lexicon.pronoun.search(statement.before) is not None
        or (lexicon.state.match(statement.cue) and lexicon.object_before.search(statement.before[-_OBJECT:]))
        is not None
        or lexicon.object_after.match(statement.after[:_OBJECT]) is not None
    )


def features(candidate: Candidate, setting: Setting, lexicon: Lexicon) -> dict[str, float]:
    """The features of a cue, each 0 or 1."""
    subject = setting.subject
    itself = lexicon.itself.search(f"{candidate.before}{candidate.cue}") is not None
    elided = lexicon.elided.match(candidate.before) is not None
    pronoun = not itself and not elided and refers(candidate, lexicon)
    own = bool(subject.sentence)
    state, removal = (words.search(candidate.cue) is not None for words in (lexicon.state, lexicon.removal))
    failure = lexicon.failure.search(candidate.cue) is not None
    general = lexicon.general.search(candidate.cue) is not None and not (state or failure)
    says = candidate.statement is not None and candidate.statement.label == OBSOLETE
    values = {
        "own_clause": bool(subject.clause),
        "own_sentence": own and not subject.clause,
        "topic": bool(subject.topics) and not own,
        "itself": itself,
        "pronoun": pronoun,
        "elided": elided,
        "person": subject.person and not itself,
        "foreign": not (own or itself or pronoun or elided),
        "state": state,
        "removal": removal and not state,
        "failure": failure and not state and not removal,
        "general": general,
        "version": setting.version,
        "new_version": setting.version and setting.known is False,
        "old_version": setting.version and setting.known is True,
        "year": _YEAR.search(candidate.sentence) is not None,
        "replacement": lexicon.replacement.search(candidate.sentence) is not None,
        "soon": setting.days < _SOON,
        "author": setting.author,
        "asker": setting.asker,
        "technical": setting.technical,
        "long": setting.words > _LONG,
        "rejected": not says,
    }
    return {name: float(value) for name, value in values.items()}


def of(values: Mapping[str, float], learned: Mapping[str, Any]) -> float:
    """Probability by some weights, as `weights.json` has them."""
    weights = learned["weights"]
    total = learned["intercept"] + sum(weights[name] * value for name, value in values.items() if value)
    return 1 / (1 + math.exp(-total))


def probability(values: Mapping[str, float]) -> float:
    """Probability that a cue of these features means that its answer is out of date."""
    return of(values, _learned())


def threshold() -> float:
    """The least probability at which a comment counts."""
    return float(_learned()["threshold"])


@cache
def _learned() -> Mapping[str, Any]:
    learned: Mapping[str, Any] = files.read_json(Path(__file__).with_name("weights.json"))
    return learned


def forget() -> None:
    """Read the weights again when they are needed next."""
    _learned.cache_clear()
