"""How far a site is about programming, and what follows for its entities.

Of a site count the posts with code, the uses of tags that are known names of the field, and the tags that are names of
the field but stand for something else there (`ipa` on a site about beer, `assembly` in genomics). The fewer posts with
code and the fewer such tags, the more the odds of types fall that are seldom right elsewhere. The odds of each type are
set by judgement from general knowledge, not fitted.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from socorpus.labeling.functions import Threads
from socorpus.labeling.tasks.entities import gazetteers
from socorpus.labeling.tasks.entities.judge import Vote
from socorpus.labeling.tasks.entities.learned import THRESHOLD
from socorpus.labeling.tasks.entities.post import EntityPost
from socorpus.labeling.tasks.entities.spans import Span

FEWEST = 30
"""Posts from which on a site's share of posts with code counts."""
_CODE = (0.05, 0.30)
_TAGS = (0.05, 0.30)
"""Shares of posts with code, and of uses of known tags, at which a site is not at all, and fully, about programming."""
_OF_FIELD = frozenset(
    ("Language", "Library", "Application", "Operating_System", "Data_Type", "Data_Structure", "Class")
)
ELSEWHERE: Mapping[str, float] = {
    "Class": -3.0,
    "Data_Type": -3.0,
    "Data_Structure": -3.0,
    "Code_Block": -1.0,
    "Variable": -2.5,
    "Function": -2.0,
    "HTML_XML_Tag": -2.0,
    "Error_Name": -2.0,
    "Value": -2.0,
    "Algorithm": -2.0,
    "File_Type": -1.5,
    "Language": -1.5,
    "User_Interface_Element": -1.5,
    "Device": -1.0,
    "Library": -1.0,
    "Version": -1.0,
    "Operating_System": -0.5,
    "Application": -0.5,
    "Keyboard_IP": -0.5,
    "File_Name": -0.5,
}
"""Change of a type's log-odds on a site that is not about programming at all; 0 of other types."""
_ABROAD = -1.5
"""Change of all log-odds where a post is not in English: the judge learned from English alone."""
SURE = 0.7
"""Lowest probability of a label on a site that is not like the one that the judge learned from."""
_UNLIKELY = -1.5
"""Types whose log-odds fall this far elsewhere: a tag of such a name, without a wiki, is taken for something else."""
_DISPUTED = -4.0
"""Change of the log-odds of a name that stands for something else on the site."""
OWN = 0.97
"""Probability of a name of the configuration's own, assumed."""
_TAG_RULES = frozenset(("own_tags", "language_hints", "site_tags", "site_names"))
_SAID = 1.0
"""Change of the log-odds of what tags, hints and the site's own names say, at least even otherwise: assumed, since the
annotated corpus has none of them."""
_TAG = "HTML_XML_Tag"
_PLAIN = gazetteers.names_of(_TAG) - {"br", "li", "ol", "span", "td", "tr", "ul", "doctype"}
"""Tags whose names are no other words. Of others those count that a function votes for, or that stand where markup is
spoken of: "Tr", "Li" and "span" are words as well."""
_MARKUP = re.compile(r"\b(?:x?html5?|xml|xslt?|svg|css3?|jquery|jsx|dom|xaml|xpath)\b|</\w{1,40}>", re.I)
_ENGLISH = frozenset(
    [
        "the",
        "a",
        "to",
        "of",
        "and",
        "is",
        "in",
        "it",
        "that",
        "you",
        "for",
        "on",
        "with",
        "this",
        "be",
        "i",
        "not",
        "are",
        "have",
        "if",
        "can",
        "but",
        "do",
        "as",
        "use",
        "or",
        "my",
        "at",
    ]
)
_REFERENCE = re.compile(r"!?\[[\[\]\d]*")
"""Numbers in brackets, which refer to a note or a link."""
_WORD = re.compile(r"[^\W\d_]+")
_FEWEST_WORDS = 30
_LEAST_ENGLISH = 0.12


def counted(threads: Threads) -> dict[str, Any]:
    """Counts of a bucket: posts, those with code, and the site's tags that are names of the field."""
    kinds = pc.struct_field(pc.list_flatten(threads.documents["segments"]), "kind")
    parents = pc.list_parent_indices(threads.documents["segments"])
    coded = parents.filter(pc.is_in(kinds, value_set=_kinds())) if len(kinds) else parents
    return {"posts": threads.documents.num_rows, "code": len(pc.unique(coded))}


def _kinds() -> Any:
    import pyarrow as pa

    return pa.array(["code", "inline_code"])


def of_tags(tags: Mapping[str, tuple[int, str | None]]) -> dict[str, Any]:
    """Counts of a site's tags.

    Args:
        tags: tag -> number of uses, and the text of its wiki or excerpt.
    """
    names = field_names()
    uses = known = 0
    disputed: list[str] = []
    doubtful: list[str] = []
    for tag, (count, wiki) in sorted(tags.items()):
        name = tag.lower().replace("-", " ")
        uses += count
        label = names.get(name)
        if label is None:
            continue
        known += count if label in _OF_FIELD else 0
        if wiki is None:
            if ELSEWHERE.get(label, 0.0) <= _UNLIKELY:
                doubtful.append(name)
        elif not gazetteers.speaks_of_field(wiki):
            disputed.append(name)
            known -= count if label in _OF_FIELD else 0
    return {"uses": uses, "known": known, "disputed": disputed, "doubtful": doubtful}


def field_names() -> dict[str, str]:
    """General names of the field in lower case -> type."""
    known = gazetteers.known()
    return {**{name.lower(): label for name, label in known.exact.items()}, **known.any}


def programming(counts: Mapping[str, Any]) -> float:
    """How far a site is about programming, from 0 to 1, by its code or its tags; 1 where there is too little to say."""
    return max(_shares(counts))


def alike(counts: Mapping[str, Any]) -> float:
    """How far a site is like the one that the judge learned from, from 0 to 1, by its code and its tags."""
    return min(_shares(counts))


def _shares(counts: Mapping[str, Any]) -> tuple[float, float]:
    if counts.get("posts", 0) < FEWEST:
        return 1.0, 1.0
    code = _between(counts["code"] / counts["posts"], _CODE)
    return code, _between(counts["known"] / counts["uses"], _TAGS) if counts.get("uses") else 0.0


def _between(share: float, bounds: tuple[float, float]) -> float:
    return min(1.0, max(0.0, (share - bounds[0]) / (bounds[1] - bounds[0])))


@dataclass(frozen=True)
class Prior:
    """What a site changes of probabilities.

    Attributes:
        programming: from 0 to 1; types fall with it.
        alike: from 0 to 1; the lowest probability of a label rises as it falls.
        disputed: names, in lower case, that stand for something else there.
    """

    programming: float = 1.0
    disputed: frozenset[str] = frozenset()
    alike: float = 1.0

    @property
    def least(self) -> float:
        """Lowest probability of a label."""
        return THRESHOLD + (1 - self.alike) * (SURE - THRESHOLD)

    def shifted(self, post: EntityPost, likely: Mapping[Span, float], votes: Sequence[Vote]) -> dict[Span, float]:
        """Probabilities with what the site, its tags and the post's language say; unlikely ones are left out."""
        named: set[Span] = set()
        own: dict[Span, float] = {}
        voted = {(start, end) for start, end, label, _, _ in votes if label == _TAG}
        if not _speaks_of_markup(post):
            likely = {
                span: value
                for span, value in likely.items()
                if span.label != _TAG or span[:2] in voted or post.text[span.start : span.end] in _PLAIN
            }
        for start, end, label, function, _ in votes:
            if function == "own_names":
                own[Span(start, end, label)] = OWN
            elif function in _TAG_RULES:
                named.add(Span(start, end, label))
        away = 1 - self.programming
        abroad = _ABROAD if not english(post) else 0.0
        if self.alike == 1 and not (away or abroad or named or own or self.disputed):
            return {span: probability for span, probability in likely.items() if probability >= self.least}
        shifted = {}
        for span, probability in likely.items():
            if self.alike < 1 and _REFERENCE.fullmatch(post.text, span.start, span.end):
                continue
            change = abroad + (0.0 if span in named else away * ELSEWHERE.get(span.label, 0.0))
            if self.disputed and gazetteers.lowered(post.text[span.start : span.end]) in self.disputed:
                change += _DISPUTED
            if change or span in named:
                odds = math.log(max(probability, 1e-9) / max(1 - probability, 1e-9))
                odds = max(odds, 0.0) + _SAID + change if span in named else odds + change
                probability = 1 / (1 + math.exp(-odds))
            if probability >= self.least:
                shifted[span] = probability
        return {**shifted, **{span: max(value, shifted.get(span, 0.0)) for span, value in own.items()}}


def _speaks_of_markup(post: EntityPost) -> bool:
    return _MARKUP.search(post.text) is not None or any(_MARKUP.fullmatch(tag) for tag in post.tags)


def prior(threads: Threads) -> Prior:
    """The prior of the site that posts are of, by the task's facts."""
    counts = threads.facts.get("sites", {}).get(threads.site)
    if counts is None:
        return Prior()
    share = programming(counts)
    doubted = counts["doubtful"] if share < 0.3 else ()
    return Prior(share, frozenset((*counts["disputed"], *doubted)), alike(counts))


def english(post: EntityPost) -> bool:
    """Whether a post's prose has the function words of English; True where it is too short to say."""
    words = _WORD.findall(gazetteers.lowered(post.prose[:2000]))
    if len(words) < _FEWEST_WORDS:
        return True
    return sum(word in _ENGLISH for word in words) >= _LEAST_ENGLISH * len(words)


# Names of the field's own tools: what the posts themselves say a name is.

_IS = re.compile(
    r"(?<![\w.@/-])([A-Z][\w+#-]*(?:\.[A-Za-z]\w*)?(?: [A-Z][\w+#-]*)?) (?:is|are|was) (?:an?|the|another|one of the) "
    r"([^.\n!?;:]{3,80})"
)
_HEADED = re.compile(
    r"\b[Tt]he ([A-Z][\w+#-]*(?: [A-Z][\w+#-]*)?) (app|application|library|framework|package|tool|wallet|client|plugin"
    r"|software|program|website|editor|browser|compiler|programming language)\b"
)
_COMMON = frozenset(
    [
        "this",
        "that",
        "it",
        "here",
        "there",
        "what",
        "which",
        "one",
        "my",
        "the",
        "a",
        "an",
        "and",
        "if",
        "so",
        "he",
        "she",
        "they",
        "we",
        "you",
        "i",
        "his",
        "her",
        "our",
        "your",
        "these",
        "those",
        "but",
        "as",
        "also",
        "another",
        "all",
        "any",
        "both",
        "each",
        "either",
        "neither",
        "no",
        "not",
        "now",
        "then",
        "since",
        "because",
        "while",
        "when",
        "where",
        "why",
        "how",
        "answer",
        "question",
        "example",
        "code",
        "function",
        "class",
        "method",
        "problem",
        "issue",
        "solution",
    ]
)
_VOICES = 2
"""Posts that must say the same of a name."""


def introduced(texts: Iterable[str]) -> dict[str, dict[str, int]]:
    """Names that posts introduce by their kind -> type -> number of posts ("Daedalus is a wallet for …")."""
    counts: dict[str, Counter[str]] = {}
    for text in texts:
        seen: set[tuple[str, str]] = set()
        for match in _IS.finditer(text):
            label = gazetteers.kind_of(match[2])
            if label is not None:
                seen.add((match[1], label))
        for match in _HEADED.finditer(text):
            label = gazetteers.kind_of(match[2])
            if label is not None:
                seen.add((match[1], label))
        for name, label in seen:
            if name.split()[0].lower() not in _COMMON and len(name) > 2:
                counts.setdefault(name, Counter())[label] += 1
    return {name: dict(sorted(counts[name].items())) for name in sorted(counts)}


def settled(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, str]:
    """Names whose type `_VOICES` posts of a site agree on, and three in four of all that say one."""
    total: dict[str, Counter[str]] = {}
    for part in parts:
        for name, types in part.items():
            total.setdefault(name, Counter()).update(types)
    names = {}
    for name in sorted(total):
        label, times = min(total[name].items(), key=lambda item: (-item[1], item[0]))
        if times >= _VOICES and times >= 0.75 * total[name].total():
            names[name] = label
    return names
