"""Gazetteers: names with their types, from three sources.

1. `known()`: `gazetteers.json`, written from general knowledge.
2. `from_tags()`: a site's tags, typed by the words of their wikis' excerpts.
3. `learn()`: an annotated file, with how often each name is annotated and how often not.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from socorpus.labeling.tasks.entities.scan.name_words import Wanted, Words, wanted, words

WORD = re.compile(r"[.#]?\w+(?:(?:[-.+/:&*]|::)\w+)*(?:\+\+|[#+*](?!\w))?")
"""A word of a name: `C#`, `.NET`, `node.js`, `scikit-learn`, `std::vector`; `scan.name_words` finds those of a text."""
_NEXT = re.compile(rf" (?:{WORD.pattern})")
DATA = Path(__file__).with_name("gazetteers.json")


class Hit(NamedTuple):
    """A name found in a text."""

    start: int
    end: int
    label: str
    name: str


_ELISION = re.compile(r"['’](?!s\b)")
_BESIDE = ("'", "’", "-")


@dataclass(frozen=True)
class Gazetteer:
    """Names by type, to be found in texts.

    Attributes:
        any: name in lower case, its words joined by a space -> type.
        exact: the same for case-sensitive names.
        longest: first word, in lower case -> number of words of the longest name that begins with it.
    """

    any: Mapping[str, str] = field(default_factory=dict)
    exact: Mapping[str, str] = field(default_factory=dict)
    longest: Mapping[str, int] = field(default_factory=dict)

    def find(self, text: str, of_text: Words | None = None, sure: bool = False) -> Iterator[Hit]:
        """The longest names, from left to right, without overlap. A name never begins or ends within a word.

        Args:
            of_text: `scan.name_words.words(text)`, to share it between gazetteers.
            sure: case-sensitive names count at the beginning of a sentence too.
        """
        of_text, done = words(text) if of_text is None else of_text, 0
        low = of_text.low
        # Most words begin no name.
        for start, first_end, first in of_text.of(self._firsts):
            if start < done:
                continue  # within the last name
            ends, most = [first_end], self.longest[first]
            while len(ends) < most and (more := _NEXT.match(low, ends[-1])) is not None:
                ends.append(more.end())
            for end in reversed(ends):
                label = self.any.get(low[start:end]) or (
                    self.exact.get(text[start:end]) if sure else self._exactly(text, start, end)
                )
                if label is not None:
                    yield Hit(start, end, label, text[start:end])
                    done = end
                    break

    @cached_property
    def _firsts(self) -> Wanted:
        return wanted(self.longest)

    def _exactly(self, text: str, start: int, end: int) -> str | None:
        """Type of a case-sensitive name; None if a capital may be due to the beginning of a sentence."""
        name = text[start:end]
        label = self.exact.get(name)
        if len(name) == 1 and (_ELISION.match(text, end) or text[max(0, start - 1) : start] in _BESIDE):
            return None  # a part of a word, as in C'est and d'R
        if label is None or not (name[0].isupper() and name[1:].islower()):
            return label
        before = text[max(0, start - 3) : start].rstrip(" \"'(*")
        return None if not before or before[-1] in ".!?:\n" else label


def gazetteer(any_case: Mapping[str, str], exact: Mapping[str, str] | None = None) -> Gazetteer:
    """A gazetteer from name -> type. Names without a word are left out."""
    insensitive: dict[str, str] = {}
    sensitive: dict[str, str] = {}
    longest: dict[str, int] = {}
    for names, to, lower in ((any_case, insensitive, True), (exact or {}, sensitive, False)):
        for name, label in names.items():
            words = WORD.findall(name.lower() if lower else name)
            if words:
                to.setdefault(" ".join(words), label)
                first = words[0].lower()
                longest[first] = max(longest.get(first, 0), len(words))
    return Gazetteer(insensitive, sensitive, longest)


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(DATA.read_text("utf-8"))
    return data


@lru_cache(maxsize=1)
def known() -> Gazetteer:
    """General names of the field. A name of two types gets the first in the file."""
    insensitive: dict[str, str] = {}
    exact: dict[str, str] = {}
    for label, lists in _data()["names"].items():
        for name in lists.get("any", ()):
            insensitive.setdefault(name.lower(), label)
        for name in lists.get("plural", ()):
            for form in (name, *plurals(name)):
                insensitive.setdefault(form.lower(), label)
        for name in lists.get("exact", ()):
            exact.setdefault(name, label)
    return gazetteer(insensitive, exact)


def names_of(label: str) -> frozenset[str]:
    """Names of a type in lower case that are single words, from all of its lists."""
    lists = _data()["names"].get(label, {})
    return frozenset(name.lower() for each in lists.values() for name in each if " " not in name)


@lru_cache(maxsize=1)
def _everyday() -> tuple[frozenset[str], frozenset[str]]:
    lists = _data()["everyday"]
    return (
        frozenset(form for name in lists["any"] for form in (name, *plurals(name))),
        frozenset(lists["lower"]),
    )


def everyday(name: str) -> bool:
    """Whether a name is made of words that mean something else outside of programming: "driver", "Mint", "REST API"."""
    always, small = _everyday()
    return all(word.lower() in always or word in small for word in name.split())


@lru_cache(maxsize=1)
def heads() -> dict[str, str]:
    """Words that name the type of a name beside them ("method", "library") -> that type."""
    types: dict[str, str] = {}
    for label, words_of in _data()["heads"].items():
        for word in words_of:
            types.setdefault(word, label)
    return types


def plurals(name: str) -> tuple[str, ...]:
    """English plurals of a noun, regular or irregular in -x and -y: `matrix` -> `matrices`, `matrixes`."""
    if name.endswith(("ix", "ex")):
        return (name[:-2] + "ices", name + "es")
    if name.endswith(("s", "x", "ch", "sh")):
        return (name + "es",)
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return (name[:-1] + "ies",)
    return (name + "s",)


# The kind in a wiki's excerpt: "X is a …". The first kind counts; of two at the same place the upper one here.
_KINDS = {
    "Operating_System": "operating systems?|linux distribution|distribution of linux|mobile platform",
    "Language": "(?:programming|scripting|markup|query|style ?sheet|domain-specific|functional|modell?ing) languages?"
    "|dialect of",
    "Data_Structure": "(?:abstract )?data structures?|linked list|(?:associative )?array",
    "Data_Type": "data types?|primitive type",
    "Algorithm": "algorithms?|design pattern|architectural pattern|sorting method|heuristic",
    "File_Type": "file (?:format|extension|type)s?|(?:image|video|audio|archive|data|document|interchange) formats?",
    "User_Interface_Element": "(?:ui|user interface|graphical|gui) (?:element|control|component)s?|widgets?",
    "Device": "microcontrollers?|smartphones?|tablets?|single-board computer|game console|devices?|handheld|e-reader",
    "Website": "web ?sites?|search engine|social network(?:ing)?(?: service| site)?|question and answer site"
    "|(?:multinational )?(?:company|corporation)",
    "Library": "(?:class |software |javascript |python |php |web |application |test(?:ing)? |mvc )?"
    "(?:library|libraries|frameworks?|toolkits?|packages?|gems?|sdk|orm|bindings)",
    "Application": "(?:web |relational |nosql |document |version control |content management |build |source control )?"
    "(?:browsers?|databases?|servers?|ide|editors?|applications?|software|tools?|compilers?|emulators?|clients?"
    "|programs?|app|cms|rdbms|wallets?|full nodes?|extensions?|explorers?|add-?ons?|debuggers?|package managers?"
    "|utility|plug-?ins?|(?:control|management|database) systems?"
    "|game engine|cloud (?:computing )?(?:platform|service))",
}
_FIELD = re.compile(
    r"\b(?:languages?|librar(?:y|ies)|frameworks?|software|program(?:s|ming|mer)?|cod(?:e|ing)|operating systems?"
    r"|comput\w*|databases?|browsers?|apps?|applications?|packages?|formats?|data|files?|types?|tools?|web ?sites?"
    r"|devices?|scripts?|servers?|algorithms?|API|GUI)\b",
    re.I,
)
_KIND = re.compile("|".join(rf"\b(?P<{label}>{pattern})\b" for label, pattern in _KINDS.items()), re.I)
_PURPOSE = re.compile(r"\b(?:for|that|which|used|to|about|in|with|by|when|where)\b")
_COMPUTING = re.compile(
    r"\b(?:software|comput\w+|program(?:s|ming)|web|online|desktop|mobile|open[- ]source|command[- ]line|java\w*|python"
    r"|linux|windows|unix|android|ios|e-?mail|databases?|version control|code|source|data|files?|scripts?|api"
    r"|develop(?:ers?|ment))\b",
    re.I,
)
_OF_OTHERS_TOO = re.compile(
    r"programs?|tools?|packages?|clients?|editors?|servers?|extensions?|utility",
    re.I,
)
"""Kinds that are things, persons or plans elsewhere: a training program, a bike tool, a holiday package."""
_IS_A = re.compile(r"\b(?:is|are|was|refers to|stands for)\b(?: (?:a|an|the|any|one of))?", re.I)


def type_of(excerpt: str) -> str | None:
    """Type of the thing that a tag wiki's excerpt describes, by the first kind it names after "is"; else None.

    A kind that other fields have too counts only where the excerpt has a word of computing: a bike tool is none.
    """
    sentence = re.split(r"(?<=[a-z)]{2})\.(?:\s|$)|\n", excerpt.strip(), maxsplit=1)[0]
    verb = _IS_A.search(sentence)
    if verb is None:
        return None
    kind = _KIND.search(sentence, verb.end())
    # The kind is in the noun phrase: the words after "for", "that" or "used" describe the purpose.
    if kind is None or _PURPOSE.search(sentence, verb.end(), kind.start()):
        return None
    if _OF_OTHERS_TOO.fullmatch(kind[0]) and not _COMPUTING.search(excerpt):
        return None
    return kind.lastgroup


def kind_of(phrase: str) -> str | None:
    """Type by the first kind that a noun phrase names before it describes a purpose ("a wallet for …"); else None.

    A kind that other fields have too counts only where a word of computing stands before it: "a training program" and
    "a tool" say nothing, "a command line tool" does.
    """
    kind = _KIND.search(phrase)
    if kind is None or _PURPOSE.search(phrase, 0, kind.start()):
        return None
    if _OF_OTHERS_TOO.fullmatch(kind[0]) and not _COMPUTING.search(phrase, 0, kind.start()):
        return None
    return kind.lastgroup


def headed_by(phrase: str) -> str | None:
    """Type by the kind that a noun phrase ends with ("a light wallet", "other wallets"); else None."""
    for kind in _KIND.finditer(phrase):
        if kind.end() == len(phrase):
            other = _OF_OTHERS_TOO.fullmatch(kind[0]) and not _COMPUTING.search(phrase, 0, kind.start())
            return None if other else kind.lastgroup
    return None


def speaks_of_field(wiki: str) -> bool:
    """Whether a tag's wiki or excerpt names a kind of the field anywhere ("language", "library", "file format")."""
    return _FIELD.search(wiki) is not None


def from_tags(types: Mapping[str, str]) -> Gazetteer:
    """A gazetteer of a site's tags: tag -> type; a hyphen of a tag may be a space in a text."""
    names: dict[str, str] = {}
    for tag, label in types.items():
        for form in (tag, tag.replace("-", " ")):
            names.setdefault(form.lower(), label)
    return gazetteer(names)


class Learned(NamedTuple):
    """A name found in a text: the probability of each type it was seen with, and the times it was seen."""

    start: int
    end: int
    types: Mapping[str, float]
    seen: int
    name: str


@dataclass(frozen=True)
class Annotated:
    """Names of an annotated file, with the times each is of a type or of none.

    Attributes:
        names: name in lower case -> place (`code`, `prose`) -> type -> times; "O" stands for no entity.
        gazetteer: the names, to find them in texts.
    """

    names: Mapping[str, Mapping[str, Mapping[str, int]]]
    gazetteer: Gazetteer

    def find(self, text: str, in_code: Callable[[int], bool]) -> Iterator[Learned]:
        """The longest known names, each with the probabilities of its types there, including "O" (no entity)."""
        for hit in self.gazetteer.find(text):
            times = sum(sum(counts.values()) for counts in self.names[hit.name.lower()].values())
            yield Learned(hit.start, hit.end, self.types(hit.name, in_code(hit.start)), times, hit.name)

    def types(self, name: str, code: bool) -> dict[str, float]:
        """Probability of each type, including "O": times seen in such a place, plus a third of those elsewhere."""
        weighed: dict[str, float] = defaultdict(float)
        for place, counts in self.names.get(name.lower(), {}).items():
            for label, times in counts.items():
                weighed[label] += times if (place == "code") == code else times / 3
        total = sum(weighed.values()) + _DOUBT
        return {label: weight / total for label, weight in sorted(weighed.items())}


_DOUBT = 0.5
"""Pseudo-count of another type: a name seen once has its type with probability 2/3."""


def learn(texts: Iterable[tuple[str, Callable[[int], bool], Iterable[tuple[int, int, str]]]]) -> Annotated:
    """Learn from annotated texts: each a text, whether a place of it is inline code, and its spans.

    The annotated names and those of `known()` are counted wherever they occur: a frequent name that is seldom
    annotated is no entity.
    """
    kept = [(text, in_code, {(a, b): label for a, b, label in spans}) for text, in_code, spans in texts]
    gold = {text[a:b]: label for text, _, spans in kept for (a, b), label in spans.items() if label != "Code_Block"}
    general = known()
    lookup = gazetteer({**general.any, **{name.lower(): name for name in general.exact}, **gold})
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: {"code": Counter(), "prose": Counter()})
    for text, in_code, spans in kept:
        for hit in lookup.find(text):
            label = spans.get((hit.start, hit.end), "O")
            counts[hit.name.lower()]["code" if in_code(hit.start) else "prose"][label] += 1
    names = {name: {place: dict(each) for place, each in places.items() if each} for name, places in counts.items()}
    return Annotated(names, gazetteer(dict.fromkeys(names, "O")))
