"""Gazetteers: names with their types, from three sources.

1. `known()`: `gazetteers.json`, written down from general knowledge.
2. `from_tags()`: a site's tags, typed by the words of their wikis' excerpts.
3. `learn()`: an annotated file, with how often each name is annotated and how often not.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

WORD = re.compile(r"[.#]?\w+(?:(?:[-.+/:&*]|::)\w+)*(?:\+\+|[#+*](?!\w))?")
"""A word as names are made of them: `C#`, `.NET`, `node.js`, `scikit-learn`, `std::vector`."""
_NEXT = re.compile(rf" (?:{WORD.pattern})")
DATA = Path(__file__).with_name("gazetteers.json")


Words = Mapping[str, Sequence[int]]
"""Words of a text in lower case -> where each begins."""


def words(text: str) -> Words:
    """Words of a text."""
    found: dict[str, list[int]] = {}
    for match in WORD.finditer(lowered(text)):
        word = match[0]
        if word in found:
            found[word].append(match.start())
        else:
            found[word] = [match.start()]
    return found


def lowered(text: str) -> str:
    """The text in lower case, character for character: what would become two characters stays as it is."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


class Hit(NamedTuple):
    """A name found in a text."""

    start: int
    end: int
    label: str
    name: str


@dataclass(frozen=True)
class Gazetteer:
    """Names by type, to be found in texts.

    Attributes:
        any: name in lower case, its words joined by a space -> type.
        exact: the same for names that count only as they are written.
        longest: first word, in lower case -> words of the longest name that begins so.
    """

    any: Mapping[str, str] = field(default_factory=dict)
    exact: Mapping[str, str] = field(default_factory=dict)
    longest: Mapping[str, int] = field(default_factory=dict)

    def find(self, text: str, of_text: Words | None = None) -> Iterator[Hit]:
        """The longest names, from left to right, without overlap. A name never begins or ends within a word.

        Args:
            of_text: `words(text)`, where several gazetteers look at one text.
        """
        low, at = lowered(text), 0
        found = words(text) if of_text is None else of_text
        # Most words begin no name.
        for start, first in sorted(
            (start, word) for word in found.keys() & self.longest.keys() for start in found[word]
        ):
            if start < at:
                continue  # within the last name
            ends, most = [start + len(first)], self.longest[first]
            while len(ends) < most and (more := _NEXT.match(low, ends[-1])) is not None:
                ends.append(more.end())
            for end in reversed(ends):
                label = self.any.get(low[start:end]) or self._exactly(text, start, end)
                if label is not None:
                    yield Hit(start, end, label, text[start:end])
                    at = end
                    break

    def _exactly(self, text: str, start: int, end: int) -> str | None:
        """Type of a name that counts as it is written alone; not of a capital that a sentence's beginning asks for."""
        name = text[start:end]
        label = self.exact.get(name)
        if label is None or not (name[0].isupper() and name[1:].islower()):
            return label
        before = text[max(0, start - 3) : start].rstrip(" \"'(*")
        return None if not before or before[-1] in ".!?:\n" else label


def gazetteer(any_case: Mapping[str, str], exact: Mapping[str, str] | None = None) -> Gazetteer:
    """A gazetteer from name -> type. Names that have no word are left out."""
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
    """Names of the field in general. A name of two types has that which stands first in the file."""
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
    """Names of a type in lower case, one word each, however they are listed."""
    lists = _data()["names"].get(label, {})
    return frozenset(name.lower() for each in lists.values() for name in each if " " not in name)


@lru_cache(maxsize=1)
def heads() -> dict[str, str]:
    """Words that tell the type of a name beside them ("method", "library") -> that type."""
    found: dict[str, str] = {}
    for label, words in _data()["heads"].items():
        for word in words:
            found.setdefault(word, label)
    return found


def plurals(name: str) -> tuple[str, ...]:
    """English plurals of a noun, regular or irregular in -x and -y: `matrix` -> `matrices`, `matrixes`."""
    if name.endswith(("ix", "ex")):
        return (name[:-2] + "ices", name + "es")
    if name.endswith(("s", "x", "ch", "sh")):
        return (name + "es",)
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return (name[:-1] + "ies",)
    return (name + "s",)


# What a wiki's excerpt says of a tag: "X is a …". The first kind it names counts; of two at one place the one above.
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
    "(?:library|libraries|frameworks?|toolkits?|packages?|gems?|sdk|orm|bindings|apis?)",
    "Application": "(?:web |relational |nosql |document |version control |content management |build |source control )?"
    "(?:browsers?|databases?|servers?|ide|editors?|applications?|software|tools?|compilers?|emulators?|clients?|programs?"
    "|app|cms|rdbms|debuggers?|package managers?|utility|plug-?ins?|(?:control|management|database) systems?"
    "|game engine|cloud (?:computing )?(?:platform|service))",
}
_KIND = re.compile("|".join(rf"\b(?P<{label}>{pattern})\b" for label, pattern in _KINDS.items()), re.I)
_PURPOSE = re.compile(r"\b(?:for|that|which|used|to|about|in|with|by|when|where)\b")
_IS_A = re.compile(r"\b(?:is|are|was|refers to|stands for)\b(?: (?:a|an|the|any|one of))?", re.I)


def type_of(excerpt: str) -> str | None:
    """Type of the thing that a tag wiki's excerpt describes, by the first kind it names behind "is"; else None."""
    sentence = re.split(r"(?<=[a-z)]{2})\.(?:\s|$)|\n", excerpt.strip(), maxsplit=1)[0]
    said = _IS_A.search(sentence)
    if said is None:
        return None
    kind = _KIND.search(sentence, said.end())
    # The kind stands in the noun phrase: what comes after "for", "that" or "used" tells the purpose.
    if kind is None or _PURPOSE.search(sentence, said.end(), kind.start()):
        return None
    return kind.lastgroup


def from_tags(types: Mapping[str, str]) -> Gazetteer:
    """A gazetteer of a site's tags: tag -> type; a hyphen of a tag may be a space in a text, an end number apart."""
    names: dict[str, str] = {}
    for tag, label in types.items():
        for form in (tag, tag.replace("-", " ")):
            names.setdefault(form.lower(), label)
    return gazetteer(names)


class Learned(NamedTuple):
    """A name found in a text: the probability of each type it was seen with, and how often it was seen."""

    start: int
    end: int
    types: Mapping[str, float]
    seen: int
    name: str


@dataclass(frozen=True)
class Annotated:
    """Names of an annotated file: how often each is of which type, and how often of none.

    Attributes:
        names: name in lower case -> place (`code`, `prose`) -> type -> times; "O" stands for no entity.
        gazetteer: the names, to be found.
    """

    names: Mapping[str, Mapping[str, Mapping[str, int]]]
    gazetteer: Gazetteer

    def find(self, text: str, in_code: Callable[[int], bool]) -> Iterator[Learned]:
        """The longest names that were seen, each with what it may be there, "O" (no entity) among it."""
        for hit in self.gazetteer.find(text):
            times = sum(sum(counts.values()) for counts in self.names[hit.name.lower()].values())
            yield Learned(hit.start, hit.end, self.types(hit.name, in_code(hit.start)), times, hit.name)

    def types(self, name: str, code: bool) -> dict[str, float]:
        """Probability of each type, "O" too: times it was seen in such a place, plus a third of those elsewhere."""
        weighed: dict[str, float] = defaultdict(float)
        for place, counts in self.names.get(name.lower(), {}).items():
            for label, times in counts.items():
                weighed[label] += times if (place == "code") == code else times / 3
        total = sum(weighed.values()) + _DOUBT
        return {label: weight / total for label, weight in sorted(weighed.items())}


_DOUBT = 0.5
"""Times that a name is taken to have been something else: one seen once is right by 2/3."""


def learn(texts: Iterable[tuple[str, Callable[[int], bool], Iterable[tuple[int, int, str]]]]) -> Annotated:
    """Learn from annotated texts: each a text, whether a place of it is inline code, and its spans.

    Counted are the annotated names, and those of `known()`, wherever they occur: what is seldom annotated though it
    occurs often is known to be no entity.
    """
    kept = [(text, in_code, {(a, b): label for a, b, label in spans}) for text, in_code, spans in texts]
    gold = {text[a:b]: label for text, _, spans in kept for (a, b), label in spans.items() if label != "Code_Block"}
    general = known()
    found = gazetteer({**general.any, **{name.lower(): name for name in general.exact}, **gold})
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: {"code": Counter(), "prose": Counter()})
    for text, in_code, spans in kept:
        for hit in found.find(text):
            label = spans.get((hit.start, hit.end), "O")
            counts[hit.name.lower()]["code" if in_code(hit.start) else "prose"][label] += 1
    names = {name: {place: dict(each) for place, each in places.items() if each} for name, places in counts.items()}
    return Annotated(names, gazetteer(dict.fromkeys(names, "O")))
