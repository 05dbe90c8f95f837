"""Labelling functions for entities known by name or by their context."""

import re
from collections.abc import Iterator

from socorpus.labeling.functions import Threads, votes
from socorpus.labeling.tasks.entities import gazetteers, name_shapes
from socorpus.labeling.tasks.entities.post import EntityPost, Found, known, marked, of_each_post
from socorpus.labeling.tasks.entities.scan import marks

_NUMBER = re.compile(
    r"(?: [vV](?:ersion)?)? (\d[\w.]*\d|\d+|\d+\.x)"
    r"(?![\w%]|[.,:/]\d| ?(?:[-+*/=x×]|times|files?|rows?|pixels?|px|MB|GB))"
)
_NAMED = marked(
    marks.VERSION, r"\b(?:[vV]ersions?|[vV]er\.?|release)(?: is| of| to|:)? ?(v?\d[\w.+-]*\w|v?\d)(?![\w%])"
)
_DOTTED = re.compile(
    r"(?<![\w.$/:-])v?\d+(?:\.\d+){2,}[\w-]*(?![\w./])|(?<![\w.])v\d+(?:\.\d+)+\b|(?<![\w.])\d+\.[xX]\b"
)
_ADDRESS = re.compile(r"\d+(?:\.\d+){3}")
_HAVE_VERSIONS = frozenset(("Language", "Library", "Application", "Operating_System"))


@votes("entities")
@of_each_post
def versions(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """A number after the name of a language, library, application or system, or after "version"; or 1.2.3."""
    text = post.prose
    for hit in post.names:
        if hit.label in _HAVE_VERSIONS:
            match = _NUMBER.match(text, hit.end)
            if match:
                yield match.start(1), match.end(1), "Version", {"rule": "behind a name", "name": hit.name}
    for match in post.tried(_NAMED):
        yield match.start(1), match.end(1), "Version", {"rule": "behind the word"}
    for match in post.find(_DOTTED, marks.HAS_DIGIT):
        if not _ADDRESS.fullmatch(match[0]):
            yield match.start(), match.end(), "Version", {"rule": "dotted"}


@votes("entities")
@of_each_post
def known_languages(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Languages by the general gazetteer; a single letter or a common word only where it is used as a name."""
    return known(post, "Language")


@votes("entities")
@of_each_post
def known_software(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Applications, libraries and operating systems by the general gazetteer."""
    return known(post, "Application", "Library", "Operating_System")


@votes("entities")
@of_each_post
def known_devices(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Devices and their parts by the general gazetteer."""
    return known(post, "Device")


@votes("entities")
@of_each_post
def known_structures(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Data structures, data types and algorithms by the general gazetteer."""
    return known(post, "Data_Structure", "Data_Type", "Algorithm")


@votes("entities")
@of_each_post
def known_interface(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Elements of user interfaces by the general gazetteer."""
    return known(post, "User_Interface_Element")


@votes("entities")
@of_each_post
def known_websites(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Websites and organisations by the general gazetteer."""
    return known(post, "Website")


_TRUTH = marked(
    marks.TRUTH, r"\b(?:[rR]eturn(?:s|ed|ing)?|[sS]et (?:it )?to|[eE]valuates? to|becomes?|:=|==?) (true|false)\b"
)


@votes("entities")
@of_each_post
def literals(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Values that have a name: `null`, `None`; `true` and `false` where something returns them or is set to them."""
    yield from known(post, "Value")
    for match in post.tried(_TRUTH):
        yield match.start(1), match.end(1), "Value", {"rule": "truth"}


_TYPE = marked(marks.ENDING, r"(?<![\w./\\])\.[A-Za-z]\w{0,9}(?:\.[a-z]\w{0,4})?(?![\w.(]\w*)")
_OF_FILES = re.compile(r" ?-?(?:files?|formats?|documents?|extensions?|archives?|data)\b", re.I)


_FILES = marked(marks.FILES, r"\b(text|binary|log|header|batch|cache|config|executable|image) files?\b", re.I)


@votes("entities")
@of_each_post
def file_types(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """File types: a bare extension (`.png`), a known type, a language before "file" ("a Python file")."""
    text = post.open
    for match in post.tried_open(_TYPE):
        if name_shapes.is_extension(match[0]):
            yield match.start(), match.end(), "File_Type", {"rule": "extension"}
    for hit in post.names:
        if hit.label == "File_Type":
            yield hit.start, hit.end, hit.label, {"rule": "known", "name": hit.name}
        elif hit.label in ("Language", "Application") and _OF_FILES.match(text, hit.end):
            yield hit.start, hit.end, "File_Type", {"rule": "before the word", "name": hit.name}
    for match in post.tried_open(_FILES):
        yield match.start(1), match.end(1), "File_Type", {"rule": "kind of file"}


_KEYS = marked(
    marks.CHORD,
    r"(?<![\w+-])(?<![+-] )(?:ctrl|control|alt|shift|cmd|command|option|win)(?: ?[+-] ?(?:ctrl|alt|shift|cmd))* ?\+ ?"
    r"(?:[a-z]|f\d{1,2}|enter|tab|space|del|delete|esc|home|end|up|down|left|right|click)\b",
    re.I,
)
_KEY = marked(marks.PRESS, r"\b(?:[Pp]ress(?:ing|ed|es)?|[Hh]it(?:ting)?) (?:the )?([A-Z][a-z]+|F\d{1,2}|[A-Z])\b")


@votes("entities")
@of_each_post
def keyboard_input(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Keys and chords: `Ctrl+C`, "press Enter", the names of keys."""
    for match in post.tried_open(_KEYS) if "+" in post.open else ():
        yield match.start(), match.end(), "Keyboard_IP", {"rule": "chord"}
    names = gazetteers.names_of("Keyboard_IP")
    for match in post.tried_open(_KEY):
        if match[1].lower() in names:
            yield match.start(1), match.end(1), "Keyboard_IP", {"rule": "pressed"}
    yield from known(post, "Keyboard_IP")


_MENTION = re.compile(r"(?<![\w@.])@[A-Za-z_][\w-]*\w")
_REDACTED = re.compile(r"@?\[USER_\d+\]")
_THANKS = marked(
    marks.GREETING,
    r"\b(?:[Tt]hanks(?: a lot| so much)?(?: to)?|[Tt]hank you|[Cc]redits? to|as suggested by|answer (?:by|from|of)"
    r"|[Hh]i|[Hh]ello)"
    r",? ([A-Z][a-z]+(?: [A-Z][a-z]+)?)(?= |,|\.|!|'|$)",
    re.M,
)
_NO_NAMES = re.compile(
    r"(?:I|All|Every(?:one|body)|Guys|You|For|In|The|Any|And|This|So|It|If|Is|My|We|Stack|Please|Help|Advance|There|Folks"
    r"|Sir|Mate|How|What|When|Where|Why|An?|To|Thanks|Hi|Hello)\b"
)


@votes("entities")
@of_each_post
def user_names(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Names of users: `@name` in prose, also redacted, and a name after thanks or credit."""
    for match in post.find(_MENTION, marks.HAS_AT):
        yield match.start(), match.end(), "User_Name", {"rule": "mention"}
    for match in _REDACTED.finditer(post.text) if "[USER_" in post.text else ():
        if not post.in_block(match.start()):
            yield match.start(), match.end(), "User_Name", {"rule": "scrubbed mention"}
    for match in post.tried(_THANKS):
        if not _NO_NAMES.match(match[1]):
            yield match.start(1), match.end(1), "User_Name", {"rule": "thanks"}


_QUOTED = marked(marks.QUOTE, r"(?<![\w\"])\"(?! ?[,.] ?)[^\"\n]{1,40}?\"(?![\w\"])|“[^”\n]{1,40}”")
_SAID = re.compile(
    r"(?<![\w-])(?:texts?|strings?|values?|letters?|characters?|chars?|words?|names?|called|labell?ed|labels?|titles?|options?"
    r"|keys?|tick|select|click|choose|enter|type|press|prints?|returns?|outputs?|equals?|shows?|contains?)\s*[=:]?\s*$",
    re.I,
)
_EQUALS = marked(
    marks.NUMBER,
    r"(?:[vV]alues?(?: is| of| to| as)?|[rR]eturns?|equals?(?: to)?|[sS]et to|==?|from|index|between|greater than"
    r"|less than|starts? (?:at|with|from)) ([-+]?\d+(?:\.\d+)?)\b(?!\.\d|%)",
)
_UNIT = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:px|pt|em|rem)\b")


@votes("entities")
@of_each_post
def values(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Values: short strings in quotes, and numbers, after "value", "returns" and the like; lengths with a unit."""
    for match in post.tried(_QUOTED):
        if _SAID.search(post.prose, max(0, match.start() - 14), match.start()):
            yield match.start(), match.end(), "Value", {"rule": "quotes"}
    for match in post.find(_UNIT, marks.HAS_DIGIT):
        yield match.start(), match.end(), "Value", {"rule": "unit"}
    for match in post.tried(_EQUALS):
        yield match.start(1), match.end(1), "Value", {"rule": "number"}


_DOMAIN = re.compile(r"(?<![\w./@:-])(?:[A-Za-z][\w-]*\.){1,2}(?:com|org|io|edu|gov|co\.uk|de|in)(?![\w/:.-]\w)")


@votes("entities")
@of_each_post
def addresses(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """A domain that stands for a website, such as "on example.com"; whole addresses are no entities."""
    for match in post.find(_DOMAIN, marks.HAS_DOT):
        yield match.start(), match.end(), "Website", {"rule": "domain"}
