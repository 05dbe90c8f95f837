"""The lexicon by which an answer's comments are read: that of its own language."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from socorpus.corpus.signals import language
from socorpus.labeling.tasks.obsolescence import sentences
from socorpus.labeling.tasks.obsolescence.lexicons import LEXICONS, Lexicon

CERTAIN = 0.5
"""The least probability at which a language is believed; a text of a few words has none."""
UNKNOWN = "en"
"""The language of answers of which neither they nor their question say it."""


def has_cue(comment: str) -> bool:
    """Whether a comment has a cue of any language."""
    return any(sentences.has_cue(comment, lexicon) for lexicon in LEXICONS.values())


def of_answers(answers: pa.Table, questions: pa.Table) -> dict[int, Lexicon]:
    """The lexicon of each answer whose language has one.

    The language is that of the answer's own prose, by the signal's model; where that is too short or not certain, of
    its question's; else English.

    Args:
        answers: documents.
        questions: documents of their questions.
    """
    asked = _languages(questions)
    own = _languages(answers)
    lexicons: dict[int, Lexicon] = {}
    for post, thread in zip(answers["post_id"].to_pylist(), answers["thread_id"].to_pylist(), strict=True):
        name = own.get(post) or asked.get(thread) or UNKNOWN
        if name in LEXICONS:
            lexicons[post] = LEXICONS[name]
    return lexicons


def _languages(documents: pa.Table) -> Mapping[int, Any]:
    table = language.find(documents)
    rows = zip(*(table[name].to_pylist() for name in ("post_id", "language", "probability")), strict=True)
    return {post: name for post, name, probability in rows if name is not None and probability >= CERTAIN}
