"""Versions of software named in a text, and comparison with those of another text."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from socorpus.labeling.tasks.obsolescence import version_places

Number = tuple[int, ...]


@dataclass(frozen=True)
class Mention:
    """A version, with the name of its software."""

    name: str
    """In lower case."""
    number: Number
    start: int
    end: int
    """Code points of the text."""

    @property
    def version(self) -> str:
        """The number as text."""
        return ".".join(map(str, self.number))


_MENTION = re.compile(
    r"(?<![\w./@-])(?P<name>[A-Za-z][\w+#]{0,80}(?:[.-][A-Za-z]\w{0,80}){0,8})(?:['’]s)?[-\s]{1,2}"
    r"(?:(?:versions?|release|ver\.?|v\.?)\s*)?(?P<number>\d{1,3}(?:\.\d{1,4}){0,3})(?:\.x)?(?![\w%/°€$£]|[.,:-]\d)"
)
_DIGIT = re.compile(r"\d")
# Words before a number that are not names of anything with versions.
_NO_NAMES = frozenset(
    re.findall(
        r"\w+",
        "about above after also and any api apr april are around as at aug august be before below between by case "
        "chapter code column day days dec december do does eq equals example exit feb february fig figure figures "
        "for from get gets grade has have head height hour hours http if in into is isbn issue it item jan january "
        "jul july jun june just last least level line lines mar march may minus minute minutes month months more "
        "most nearly need next no nov november now number oct october of on only option or over page pages part "
        "per phase plus point port question rate ratio requires rev revision route rule same score scored section "
        "sep sept september since size some step steps table temperature than that the then these this those times "
        "to top total type under until up use used uses using value version versions vol volume vs was week weeks "
        "weight were when where which while width window with within x year years you ",
    )
)
_SUFFIX = re.compile(r"-?(?:v(?:ersion)?)?(?<!\d)(?<!\d\.)(?P<number>\d{1,9}(?:\.\d{1,9}){0,7})(?:\.x)?$")
_LONGEST_SUFFIX = 100
"""Code points; more than `_SUFFIX` matches."""


@dataclass(frozen=True)
class Names:
    """Names of software, in lower case."""

    known: frozenset[str]
    versioned: frozenset[str]
    """Those after which even a number without a point is a version, in any case: "python 3"."""


def names(tags: Collection[str]) -> Names:
    """Names of software among a site's tags: `python-3.x` and `c++11` are of Python and C++, which have versions."""
    known, versioned = set(), set()
    for tag in tags:
        name, number = _parts(tag.lower())
        if number is not None:
            versioned.add(name)
        known.add(name)
    return Names(frozenset(known), frozenset(versioned))


def of_tags(tags: Collection[str]) -> dict[str, Number]:
    """The newest version of each name in tags like `angular-2`."""
    numbers: dict[str, Number] = {}
    for tag in tags:
        name, number = _parts(tag)
        if number is not None:
            numbers[name.lower()] = max(number, numbers.get(name.lower(), number))
    return numbers


def _parts(tag: str) -> tuple[str, Number | None]:
    """A tag's name and version; a tag that is only a number, or ends in a longer one than versions have, has none."""
    suffix = _SUFFIX.search(tag, max(0, len(tag) - _LONGEST_SUFFIX))
    return (tag[: suffix.start()], _number(suffix["number"])) if suffix and suffix.start() else (tag, None)


def mentions_of(texts: Sequence[str], names: Names) -> Iterator[tuple[int, Mention]]:
    """The mentions of several texts, in order, each with its text's number."""
    for number, start, end, _ in version_places.places(texts):
        for match in _MENTION.finditer(texts[number], start, end):
            if (mention := _mention(match, names)) is not None:
                yield number, mention


def mentions(text: str, names: Names) -> list[Mention]:
    """Versions in prose: `numpy 1.14`, `Python 3`, `GHC 8.10.4`; "step 3" and "about 2.5" are none.

    A name is one of the site's tags, or at least looks like one: it contains a capital, a digit or a sign. A number
    without a point counts after a tag with a capital, and after tags that have versions.
    """
    return [mention for _, mention in mentions_of((text,), names)] if _DIGIT.search(text) is not None else []


def _mention(match: re.Match[str], names: Names) -> Mention | None:
    name, number = match["name"].lower(), match["number"]
    if name in _NO_NAMES:
        return None
    like = name in names.known or not (match["name"].isalpha() and match["name"].islower())
    whole = name in names.versioned or (name in names.known and match["name"] != name)
    return Mention(name, _number(number), match.start(), match.end()) if (like if "." in number else whole) else None


def newest(mentioned: Collection[Mention]) -> dict[str, Number]:
    """The newest version of each name."""
    numbers: dict[str, Number] = {}
    for mention in mentioned:
        numbers[mention.name] = max(mention.number, numbers.get(mention.name, mention.number))
    return numbers


def newer(number: Number, than: Number) -> bool:
    """Whether a version is newer than another one: 3.10 than 3.9; 3 isn't newer than 3.1, nor 3.1 than 3."""
    common = min(len(number), len(than))
    return number[:common] > than[:common]


def outdated_by(mention: Mention, known: Mapping[str, Number]) -> bool:
    """Whether a mention is of a newer version than the newest one known of its name."""
    return mention.name in known and newer(mention.number, known[mention.name])


def _number(text: str) -> Number:
    return tuple(int(part) for part in text.split("."))
