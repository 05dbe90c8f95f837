"""A post's text as the functions for entities see it: without code blocks, cut into words, with its segments."""

import re
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from operator import itemgetter
from typing import Any

import pyarrow as pa

from socorpus.labeling.functions import Threads, Vote
from socorpus.labeling.tasks.entities import gazetteers
from socorpus.labeling.tasks.entities.gazetteers import Hit, Words

_ADDRESS = re.compile(r"(?<![a-z+.-])([+.-]*+)[a-z][a-z+.-]*+://[^\s<>\"]+", re.I)
_PLACEHOLDER = re.compile(r"\[[A-Z]+(?:_[A-Z]+)*_\d+\]")
"""Placeholders for personal data in a redacted text (`corpus.privacy.redact`)."""
_ENDLESS = re.compile(r"\S{201,}")
_PLAIN = r"(?:[\"'(]?[A-Za-z]?[a-z'’]*(?:-[a-z]+)?[\"')]?[.,:;!?]*|[-–—&]|·+[.,:;)]*)"
# Runs of plain words are skipped by the engine: one match a run, not one a word.
_ODD = re.compile(rf"(?:{_PLAIN}(?!\S)\s*)+|(\S+)\s*")
_NOT_BLANK = re.compile(r"[^\n]")


@dataclass(frozen=True)
class EntityPost:
    """A post's text.

    Attributes:
        text: all of it, including comments.
        code: start and end of each inline code, sorted, without surrounding white space.
        blocks: start, end and language of each code block.
        tags: in lower case.
    """

    post_id: int
    text: str
    code: Sequence[tuple[int, int]]
    blocks: Sequence[tuple[int, int, str | None]]
    tags: Sequence[str]
    title: str | None = None

    @cached_property
    def open(self) -> str:
        """The text open to votes: code blocks, addresses, placeholders, endless words are blanked. Offsets stay."""
        text = _blanked(self.text, [(start, end) for start, end, _ in self.blocks])
        # Names within an address and placeholders of personal data are no entities; endless words are no names.
        if "://" in text:
            text = _ADDRESS.sub(lambda match: match[1] + " " * (len(match[0]) - len(match[1])), text)
        text = _PLACEHOLDER.sub(_spaces, text) if "_" in text else text
        return _ENDLESS.sub(_spaces, text)

    @cached_property
    def prose(self) -> str:
        """The text with inline code blanked too, each of its characters by a middle dot: `the ··· method`."""
        return _blanked(self.open, self.code, "·")

    @cached_property
    def words(self) -> Words:
        """Words of the text outside of blocks."""
        return gazetteers.words(self.open)

    def spoken(self, names: Iterable[str]) -> Iterator[tuple[int, int, str]]:
        """Occurrences of words (in lower case) outside of inline code, from left to right: start, end, word."""
        places = ((start, start + len(name), name) for name in names for start in self.words.get(name, ()))
        return (place for place in sorted(places) if self.in_code(place[0]) is None)

    @cached_property
    def names(self) -> list[Hit]:
        """General names of the field in the text."""
        return list(gazetteers.known().find(self.open, self.words))

    @cached_property
    def odd(self) -> list[tuple[int, int]]:
        """Start and end of each string between white space in prose that isn't a plain word with its punctuation."""
        return [match.span(1) for match in _ODD.finditer(self.prose) if match[1] is not None]

    def find(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Matches in prose of a pattern that matches neither white space nor plain words."""
        for start, end in self.odd:
            yield from pattern.finditer(self.prose, start, end)

    @cached_property
    def _starts(self) -> list[int]:
        return [start for start, _ in self.code]

    def in_block(self, start: int) -> bool:
        """Whether a position lies in a code block."""
        index = bisect_right(self.blocks, start, key=itemgetter(0)) - 1
        return index >= 0 and start < self.blocks[index][1]

    def in_code(self, start: int) -> tuple[int, int] | None:
        """The inline code that a position lies in."""
        index = bisect_right(self._starts, start) - 1
        return self.code[index] if index >= 0 and start < self.code[index][1] else None


def post(
    text: str,
    segments: Iterable[Mapping[str, Any]],
    tags: Iterable[str] = (),
    title: str | None = None,
    post_id: int = 0,
) -> EntityPost:
    """A post from its text and `corpus.schema.SEGMENT`s."""
    code, blocks = [], []
    for segment in segments:
        if segment["kind"] == "code":
            blocks.append((segment["start"], segment["end"], segment["language"]))
        elif segment["kind"] == "inline_code":
            inside = text[segment["start"] : segment["end"]]
            stripped = inside.strip()
            if stripped:
                start = segment["start"] + len(inside) - len(inside.lstrip())
                code.append((start, start + len(stripped)))
    return EntityPost(
        post_id, text, sorted(code), sorted(blocks, key=lambda block: block[:2]), [t.lower() for t in tags], title
    )


_last: list[tuple[Any, list[EntityPost]]] = []


def posts(examples: pa.Table) -> list[EntityPost]:
    """The posts of `labeling.schema.EXAMPLES`; cached for the next function with the same table."""
    if _last and _last[0][0]() is examples:
        return _last[0][1]
    columns = ("post_id", "text", "segments", "tags", "title")
    rows = zip(*(examples[name].to_pylist() for name in columns), strict=True)
    entity_posts = [post(text, segments, tags, title, number) for number, text, segments, tags, title in rows]
    _last[:] = [(weakref.ref(examples), entity_posts)]
    return entity_posts


Found = tuple[int, int, str, Mapping[str, Any]]
"""Start, end, type and evidence."""
Finder = Callable[[EntityPost, Threads], Iterator[Found]]


def of_each_post(find: Finder) -> Callable[[Threads], Iterator[Vote]]:
    """A function of a post and its bucket as a function over the examples of all posts."""

    @wraps(find)
    def over(threads: Threads) -> Iterator[Vote]:
        if threads.examples is None:
            raise ValueError("functions for entities look at examples: make these first")
        for post in posts(threads.examples):
            for start, end, label, evidence in find(post, threads):
                yield Vote(post.post_id, label, evidence, start, end)

    return over


def known(post: EntityPost, *labels: str) -> Iterator[Found]:
    """Names of these types by the general gazetteer."""
    for hit in post.names:
        if hit.label in labels:
            yield hit.start, hit.end, hit.label, {"rule": "known", "name": hit.name}


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _blanked(text: str, spans: Sequence[tuple[int, int]], by: str = " ") -> str:
    if not spans:
        return text
    parts, done = [], 0
    for start, end in spans:
        if start >= done:
            parts += [text[done:start], _NOT_BLANK.sub(by, text[start:end])]
            done = end
    return "".join([*parts, text[done:]])
