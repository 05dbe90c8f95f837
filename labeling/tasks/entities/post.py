"""A post's text as the functions for entities see it: without code blocks, cut into words, with its segments."""

import re
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, wraps
from operator import itemgetter
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.labeling.functions import Threads, Vote, place_in_source
from socorpus.labeling.tasks.entities import gazetteers
from socorpus.labeling.tasks.entities.gazetteers import Hit
from socorpus.labeling.tasks.entities.scan import characters
from socorpus.labeling.tasks.entities.scan import marks as scan_marks
from socorpus.labeling.tasks.entities.scan.characters import Uint32
from socorpus.labeling.tasks.entities.scan.marks import Keywords
from socorpus.labeling.tasks.entities.scan.name_words import Wanted, Words, words

_ADDRESS = re.compile(r"(?<![a-z+.-])([+.-]*+)[a-z][a-z+.-]*+://[^\s<>\"]+", re.I)
_PLACEHOLDER = re.compile(r"\[[A-Z]+(?:_[A-Z]+)*_\d+\]")
"""Placeholders for personal data in a redacted text (`corpus.privacy.redact`)."""
_LONGEST = 200
_ENDLESS = re.compile(rf"\S{{{_LONGEST + 1},}}")
_NOT_BLANK = re.compile(r"[^\n]")
_MATHS = re.compile(
    r"\$\$[^$]{1,500}\$\$"
    r"|(?<![\w$\\])\$(?=[^\s$])(?:[^$\n\\]|\\.){0,200}?(?<=[^\s\\])\$(?![\w$])"
    r"|\\\((?:[^\\]|\\(?!\))){1,200}\\\)|\\\[(?:[^\\]|\\(?!\])){1,500}\\\]"
    r"|\\begin\{(\w{1,20}\*?)\}(?:[^\\]|\\(?!end\{)){0,500}\\end\{\1\}",
    re.S,
)
"""Mathematics between dollars, as MathJax has it, or between LaTeX's own marks."""
_LATEX = ("\\(", "\\[", "\\begin{")
_IDENTIFIER = re.compile(r"\w+")
_CURRENCIES = "$€£¥₹₽"
_PRICE = re.compile(
    r"(?<![\w$])(?:US|CA|AU|NZ|A|C)?[$€£¥₹₽]\s?\d[\d.,]*\d?(?:\s?(?:[kKmMbB]|bn|million|billion)\b)?"
    r"|(?<![\w.])\d[\d.,]*\s?[€£¥₹₽](?!\w)"
)

_Item = TypeVar("_Item")


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
    _found: dict[str, list[Any]] = field(default_factory=dict, compare=False, repr=False)

    def once(self, find: Callable[..., Iterable[_Item]], *arguments: Any) -> list[_Item]:
        """What a function yields of the post and further arguments: it is called once."""
        name = find.__name__
        if name not in self._found:
            self._found[name] = list(find(self, *arguments))
        return self._found[name]

    @cached_property
    def open(self) -> str:
        """The text open to votes: code blocks, addresses, placeholders, endless words are blanked. Offsets stay."""
        text = _blanked(self.text, [(start, end) for start, end, _ in self.blocks])
        # Names within an address and placeholders of personal data are no entities; endless words are no names.
        if "://" in text:
            text = _ADDRESS.sub(lambda match: match[1] + " " * (len(match[0]) - len(match[1])), text)
        text = _PLACEHOLDER.sub(_spaces, text) if "_" in text else text
        # Neither are formulas and prices; what is written as code stays.
        if text.count("$") > 1 or ("\\" in text and any(sign in text for sign in _LATEX)):
            text = _MATHS.sub(self._unless_code, text)
        if any(sign in text for sign in _CURRENCIES):
            text = _PRICE.sub(self._unless_code, text)
        return _ENDLESS.sub(_spaces, text) if _has_endless(text) else text

    def _unless_code(self, match: re.Match[str]) -> str:
        """White space in place of a match in prose that no inline code overlaps."""
        index = bisect_right(self._starts, match.end() - 1) - 1
        if index >= 0 and self.code[index][1] > match.start():
            return match[0]
        return _NOT_BLANK.sub(" ", match[0])

    @cached_property
    def prose(self) -> str:
        """The text with inline code blanked too, each of its characters by a middle dot: `the ··· method`."""
        return _blanked(self.open, self.code, "·")

    @cached_property
    def words(self) -> Words:
        """Words of the text outside of blocks."""
        return words(self.open)

    def spoken(self, names: Wanted) -> Iterator[tuple[int, int, str]]:
        """Occurrences of words (in lower case) outside of inline code, from left to right: start, end, word."""
        return (place for place in self.words.of(names) if self.in_code(place[0]) is None)

    @cached_property
    def coded(self) -> frozenset[str]:
        """Words of the post's code, in blocks and in prose."""
        places = [(start, end) for start, end, _ in self.blocks] + list(self.code)
        return frozenset(word for start, end in places for word in _IDENTIFIER.findall(self.text, start, end))

    @cached_property
    def names(self) -> list[Hit]:
        """General names of the field in the text."""
        return list(gazetteers.known().find(self.open, self.words))

    @cached_property
    def marks(self) -> scan_marks.Marks:
        """Places in prose at which expressions may match."""
        return scan_marks.marks(self.prose, keywords())

    @cached_property
    def open_marks(self) -> scan_marks.Marks:
        """The same in `open`."""
        return self.marks if not self.code else scan_marks.marks(self.open, keywords())

    def odd(self, signs: int = 0) -> Iterator[tuple[int, int]]:
        """Start and end of each string between white space in prose that isn't a plain word with its punctuation.

        Args:
            signs: bits of `scan.marks` of which a string must have one; 0: any will do.
        """
        for start, end, has, _ in self.marks.get(scan_marks.ODD, ()):
            if not signs or has & signs:
                yield start, end

    def find(self, pattern: re.Pattern[str], signs: int = 0) -> Iterator[re.Match[str]]:
        """Matches in prose of a pattern that matches neither white space nor plain words, in strings as of `odd`."""
        for start, end in self.odd(signs):
            yield from pattern.finditer(self.prose, start, end)

    def tried(self, expression: "Marked") -> Iterator[re.Match[str]]:
        """Matches of an expression in prose."""
        return expression.tried(self.prose, self.marks)

    def tried_open(self, expression: "Marked") -> Iterator[re.Match[str]]:
        """Matches of an expression in `open`."""
        return expression.tried(self.open, self.open_marks)

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


class Marked(NamedTuple):
    """An expression that is tried only at the marks of a kind."""

    pattern: re.Pattern[str]
    kind: int

    def tried(self, text: str, marks: scan_marks.Marks) -> Iterator[re.Match[str]]:
        """Matches in a text, as of `finditer`, from the marks of this text."""
        done = 0
        for start, end, *_ in marks.get(self.kind, ()):
            if end > start:
                match = self.pattern.search(text, max(start, done), end)
            elif start >= done:
                match = self.pattern.match(text, start)
            else:
                continue
            if match is not None:
                done = match.end()
                yield match


MARKED: list[Marked] = []
"""All of them."""


def marked(kind: int, pattern: str, flags: int = 0) -> Marked:
    """An expression whose every match is at a mark of a kind."""
    MARKED.append(Marked(re.compile(pattern, flags), kind))
    return MARKED[-1]


@lru_cache(maxsize=1)
def keywords() -> Keywords:
    """The words that make marks."""
    return scan_marks.keywords(sorted(gazetteers.heads()))


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


@dataclass(frozen=True)
class Joined:
    """The open texts of several posts, each followed by a line feed, and their inline code.

    Attributes:
        points: uint32[n], code points.
        low: uint32[n], in lower case.
        firsts: int64[posts + 1], where each post begins.
        code: int64[codes, 2], start and end of each inline code.
    """

    points: Uint32
    low: Uint32
    firsts: npt.NDArray[np.int64]
    code: npt.NDArray[np.int64]


def joined(posts: Sequence[EntityPost]) -> Joined:
    """The texts of posts, one behind the other."""
    points = characters.code_points("".join(f"{post.open}\n" for post in posts))
    low = characters.code_points("".join(f"{post.words.low}\n" for post in posts))
    firsts = np.zeros(len(posts) + 1, np.int64)
    np.cumsum([len(post.text) + 1 for post in posts], out=firsts[1:])
    code = [
        (start + first, end + first)
        for first, post in zip(firsts.tolist(), posts, strict=False)
        for start, end in post.code
    ]
    return Joined(points, low, firsts, np.array(code, np.int64).reshape(-1, 2))


class _Examples:
    """Posts of a table of examples, and what functions make of them; kept for the next function with this table."""

    def __init__(self, examples: pa.Table):
        self.of = weakref.ref(examples)
        columns = ("post_id", "text", "segments", "tags", "title")
        rows = zip(*(examples[name].to_pylist() for name in columns), strict=True)
        self.posts = [post(text, segments, tags, title, number) for number, text, segments, tags, title in rows]
        self.results: dict[Any, tuple[Mapping[str, Any], list[Any]]] = {}


_last: list[_Examples] = []


def _of_examples(examples: pa.Table) -> _Examples:
    if not _last or _last[0].of() is not examples:
        _last[:] = [_Examples(examples)]
    return _last[0]


def posts(examples: pa.Table) -> list[EntityPost]:
    """The posts of `labeling.schema.EXAMPLES`."""
    return _of_examples(examples).posts


def once(make: Callable[[Threads], Iterable[_Item]], threads: Threads) -> list[_Item]:
    """What a function makes of examples and facts; made once, since the judge asks too, and nobody may change it."""
    results = _of_examples(_examples(threads)).results
    if make not in results or results[make][0] is not threads.facts:
        results[make] = threads.facts, list(make(threads))
    return results[make][1]


def _examples(threads: Threads) -> pa.Table:
    if threads.span_examples is None:
        raise ValueError("functions for entities look at examples: make these first")
    return threads.span_examples


Found = tuple[int, int, str, Mapping[str, Any]]
"""Start, end, type and evidence."""


class Finder(Protocol):
    """A labelling function of one post."""

    __name__: str

    def __call__(self, post: EntityPost, threads: Threads, /) -> Iterator[Found]:
        """What it finds."""


def of_each_post(find: Finder) -> Callable[[Threads], Iterator[Vote]]:
    """A function of a post and its bucket as a function over the examples of all posts."""

    def each(threads: Threads) -> Iterator[list[Found]]:
        return (list(find(post, threads)) for post in posts(_examples(threads)))

    @wraps(find)
    def over(threads: Threads) -> Iterator[Vote]:
        for post, names in zip(posts(_examples(threads)), once(each, threads), strict=True):
            for start, end, label, evidence in names:
                yield Vote(post.post_id, label, evidence, start, end)

    _EACH[find] = each
    FINDERS.append(find)
    # Whichever module is imported first: what the judge sums up is the same in every process.
    FINDERS.sort(key=place_in_source)
    return over


def of_all_posts(find: Callable[[Threads], Iterator[Vote]]) -> Callable[[Threads], list[Vote]]:
    """A function of examples that is called once for the same ones, since the judge asks too."""

    @wraps(find)
    def over(threads: Threads) -> list[Vote]:
        return once(find, threads) if threads.span_examples is not None else []

    return over


_EACH: dict[Finder, Callable[[Threads], Iterable[list[Found]]]] = {}
FINDERS: list[Finder] = []
"""The functions of a post, in the order of modules by name and in which they are written there."""


Voted = tuple[int, int, str, str, str]
"""Start, end, type, function and rule."""


def voted(post: EntityPost, threads: Threads) -> list[Voted]:
    """What all functions of a post find."""
    return [vote for find in FINDERS for vote in _as_votes(find, find(post, threads))]


def voted_on_each(threads: Threads) -> list[list[Voted]]:
    """What all functions of a post find in each example."""
    votes: list[list[Voted]] = [[] for _ in posts(_examples(threads))]
    for find in FINDERS:
        for of_post, names in zip(votes, once(_EACH[find], threads), strict=True):
            if names:
                of_post += _as_votes(find, names)
    return votes


def _as_votes(find: Finder, names: Iterable[Found]) -> Iterator[Voted]:
    function = find.__name__
    return ((start, end, label, function, str(evidence.get("rule", ""))) for start, end, label, evidence in names)


def known(post: EntityPost, *labels: str) -> Iterator[Found]:
    """Names of these types by the general gazetteer."""
    for hit in post.names:
        if hit.label in labels:
            yield hit.start, hit.end, hit.label, {"rule": "known", "name": hit.name}


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _has_endless(text: str) -> bool:
    """Whether a text has a string between white space that is longer than `_LONGEST`."""
    # It would have one of every so many places.
    for place in range(_LONGEST, len(text), _LONGEST + 1):
        if not text[place].isspace():
            before, behind = text[place - _LONGEST : place], text[place : place + _LONGEST + 1]
            start = before.rsplit(None, 1)[-1] if not before[-1].isspace() else ""
            if len(start) + len(behind.split(None, 1)[0]) > _LONGEST:
                return True
    return False


def _blanked(text: str, spans: Sequence[tuple[int, int]], by: str = " ") -> str:
    if not spans:
        return text
    parts, done = [], 0
    for start, end in spans:
        if start >= done:
            parts += [text[done:start], _NOT_BLANK.sub(by, text[start:end])]
            done = end
    return "".join([*parts, text[done:]])
