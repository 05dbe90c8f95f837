"""The verdict of an answer's comments, read in order: the last word counts.

A denial takes back an earlier statement, and a "yes" turns somebody's question into a statement.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling.functions import Threads
from socorpus.labeling.tasks.obsolescence.sentences import OBSOLETE, asks, has_cue, statements, unquoted

_YES = re.compile(
    r"^(?:@\S+[,:]?\s*)?"
    r"(?:yes|yep|yeah|yup|indeed|correct|right|true|exactly|(?:sadly|unfortunately),? yes|it (?:is|has))\b"
    r"(?:[\s.!]*$|[,.!]?\s+(?:it|this|that|they|since|as of|in|from|has|was|is)\b)",
    re.IGNORECASE,
)
UNWELL = re.compile(r"\b(?:but|however|n't|not|except|unfortunately)\b|\?", re.IGNORECASE)
"""Words that take back a thanks or a yes."""


@dataclass(frozen=True)
class LastWord:
    """The verdict of an answer's comments."""

    post_id: int
    label: str
    comment_id: int
    """The last that states it."""
    at: int
    """Milliseconds since 1970, UTC."""
    cue: str
    sentence: str
    give_away: tuple[int, ...]
    """Comments that mention it: this one, those that it takes back or that answer it, questions about it."""


def last_words(threads: Threads) -> Iterator[LastWord]:
    """The verdict of the comments on each answer, in order of time; the last word counts."""
    answers = threads.documents.filter(pc.equal(threads.documents["kind"], "answer"))
    accepted = dict(zip(answers["post_id"].to_pylist(), answers["accepted"].to_pylist(), strict=True))
    for post, comments in comments_of(threads, accepted).items():
        if any(has_cue(comment["text"]) for comment in comments):
            word = _last_word(post, comments, accepted[post])
            if word is not None:
                yield word


def comments_of(threads: Threads, posts: Mapping[int, Any]) -> dict[int, list[dict[str, Any]]]:
    """Comments of each post, in order of time."""
    table = threads.comments.filter(pc.is_in(threads.comments["post_id"], pa.array(list(posts), pa.int64())))
    table = table.select(["post_id", "comment_id", "text", "creation_date", "user_id", "user_display_name"])
    table = table.set_column(3, "at", pc.fill_null(table["creation_date"].cast(pa.int64()), 0))
    table = table.filter(pc.is_valid(table["text"]))
    by_post: dict[int, list[dict[str, Any]]] = {}
    for row in table.sort_by([(name, "ascending") for name in ("post_id", "at", "comment_id")]).to_pylist():
        by_post.setdefault(row["post_id"], []).append(row)
    return by_post


def _last_word(post: int, comments: Sequence[Mapping[str, Any]], accepted: bool) -> LastWord | None:
    word: LastWord | None = None
    spoken: list[int] = []
    asked = False
    for comment in comments:
        text = comment["text"]
        about = has_cue(text)
        label, cue, sentence = None, "", ""
        for statement in statements(text, accepted=accepted):
            # "No, it isn't" means nothing by itself.
            if not statement.reply or asked or word is not None:
                label, cue, sentence = statement.label, statement.cue, statement.sentence
        if label is None and asked and _YES.search(unquoted(text)) and not UNWELL.search(text):
            label, cue, sentence, about = OBSOLETE, "yes", text[:200], True
        if about or label is not None:
            spoken.append(comment["comment_id"])
        if label is not None:
            word = LastWord(post, label, comment["comment_id"], comment["at"], cue, sentence, ())
        asked = asks(text) or (asked and label is None)
    return None if word is None else replace(word, give_away=tuple(sorted(spoken)))
