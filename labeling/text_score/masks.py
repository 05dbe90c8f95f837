"""Questions with the names of tags masked in title and text, for the audit of what a score reads."""

import re
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import replace
from itertools import accumulate, pairwise

from socorpus.labeling.text_score.form import QuestionText

_NAME = re.compile(r"[A-Za-z0-9#+_]+(?:[.-][A-Za-z0-9#+_]+)*")
_PART = re.compile(r"[.-]")
MASK = "xxxx"
"""The same for every name, so that a mask has no length of its own."""


def names(tags: Collection[str]) -> frozenset[str]:
    """Names to mask: the tags, and their parts of two characters and more that are no number."""
    lower = {tag.lower() for tag in tags}
    parts = {part for tag in lower for part in _PART.split(tag) if len(part) > 1 and not part.isdecimal()}
    return frozenset(lower | parts)


def masked(question: QuestionText, hidden: Collection[str]) -> QuestionText:
    """The question without these names: as whole words, or parts of words joined by a dot or a hyphen, in any case."""
    title, _ = _masked(question.title, hidden)
    text, moves = _masked(question.text, hidden)
    ends = [end for end, _ in moves]
    shifts = [0, *accumulate(change for _, change in moves)]

    def moved(offset: int) -> int:
        return max(offset + shifts[bisect_right(ends, offset)], 0)

    segments = [(kind, moved(start), moved(end), hint) for kind, start, end, hint in question.segments]
    return replace(question, title=title, text=text, segments=segments)


def _masked(text: str, hidden: Collection[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text with masks, and (end of a name in the old text, growth) for each."""
    pieces, moves, place = [], [], 0
    for word in _NAME.finditer(text):
        whole = [word.span()] if word.group().lower() in hidden else _parts(word)
        for start, end in whole:
            if text[start:end].lower() in hidden:
                pieces += [text[place:start], MASK]
                moves.append((end, len(MASK) - (end - start)))
                place = end
    return "".join([*pieces, text[place:]]), moves


def _parts(word: re.Match[str]) -> list[tuple[int, int]]:
    bounds = [word.start(), *(mark.end() + word.start() for mark in _PART.finditer(word.group())), word.end() + 1]
    return [(start, end - 1) for start, end in pairwise(bounds)]
