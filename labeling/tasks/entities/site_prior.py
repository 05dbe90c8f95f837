"""How far a site is about programming, and what follows for its entities.

Of a site count the posts with code, the uses of tags that are known names of the field, and the tags that are names of
the field but stand for something else there (`ipa` on a site about beer, `assembly` in genomics). The fewer posts with
code and the fewer such tags, the more the odds of types fall that are seldom right elsewhere. The odds of each type are
set by judgement from general knowledge, not fitted.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow.compute as pc

from socorpus.labeling.functions import Threads
from socorpus.labeling.tasks.entities import gazetteers
from socorpus.labeling.tasks.entities.judge import Vote
from socorpus.labeling.tasks.entities.learned import THRESHOLD
from socorpus.labeling.tasks.entities.post import EntityPost
from socorpus.labeling.tasks.entities.scan import characters
from socorpus.labeling.tasks.entities.scan.name_words import Wanted, letters, wanted
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
SURE = 0.75
"""Lowest probability of a label on a site that is not like the one that the judge learned from: at 0.7, 80 of 100
labels of such sites were right (docs/judging.md), and of names that only the site's own words type (0.73) 3 of 4."""
_UNLIKELY = -1.5
"""Types whose log-odds fall this far elsewhere: a tag of such a name, without a wiki, is taken for something else."""
_DISPUTED = -4.0
"""Change of the log-odds of a name that stands for something else on the site."""
OWN = 0.97
"""Probability of a name of the configuration's own, assumed."""
CORROBORATED = "corroborated"
"""Rule of votes for names that the site types, repeats, and tags or links."""
_TERM = 0.9
"""Lowest probability of such a name, assumed."""
_TAG_RULES = frozenset(("own_tags", "language_hints", "site_tags", "site_names"))
_BY_SHAPE = frozenset(("camel_case",))
"""Functions that know no more of a name than its letters."""
_EVERYDAY = -3.0
"""Change of the log-odds of an everyday word (`gazetteers.everyday`) where a site is not like the one of the judge."""
_UNCODED = -2.0
"""The same of a class whose name the post's code does not have, and of a version that no function votes for: names in
CamelCase are brands elsewhere, numbers are years."""
OF_CODE = frozenset(
    (
        *("Algorithm", "Code_Block", "Data_Type", "Error_Name", "Function", "HTML_XML_Tag", "Keyboard_IP"),
        "Variable",
    )
)
"""Types that a site has no labels of where it is less than `_ABOUT` about programming."""
OF_THE_FIELD = frozenset(("Class", "Data_Structure", "User_Interface_Element", "Value"))
"""Types that it has none of where it is less than `_ABOUT` like the site of the judge: lists, tables, images, boxes and
numbers are everyday words, names in capitals are brands, and code on a site does not make them more."""
_ABOUT = 0.5
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
_IDENTIFIER = re.compile(r"\w+")
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

    @property
    def without(self) -> frozenset[str]:
        """Types that have no labels there, but for names that its tags, or its posts, say to be of such a type."""
        of_code = OF_CODE if self.programming < _ABOUT else frozenset()
        return of_code | (OF_THE_FIELD if self.alike < _ABOUT else frozenset())

    def shifted(self, post: EntityPost, likely: Mapping[Span, float], votes: Sequence[Vote]) -> dict[Span, float]:
        """Probabilities with what the site, its tags and the post's language say; unlikely ones are left out."""
        named: set[Span] = set()
        own: dict[Span, float] = {}
        voted: dict[str, set[tuple[int, int]]] = {_TAG: set(), "Version": set(), "Class": set()}
        for start, end, label, function, rule in votes:
            if function == "own_names":
                own[Span(start, end, label)] = OWN
            elif rule == CORROBORATED:
                own.setdefault(Span(start, end, label), _TERM)
            elif function in _TAG_RULES:
                if self.alike >= _ABOUT or function != "own_tags" or not gazetteers.everyday(post.text[start:end]):
                    named.add(Span(start, end, label))
            elif label in voted and function not in _BY_SHAPE:
                voted[label].add((start, end))
        doubted = {
            span
            for span in likely
            if span.label == _TAG and span[:2] not in voted[_TAG] and post.text[span.start : span.end] not in _PLAIN
        }
        if doubted and not _speaks_of_markup(post):
            likely = {span: value for span, value in likely.items() if span not in doubted}
        away = 1 - self.programming
        abroad = _ABROAD if not english(post) else 0.0
        if self.alike == 1 and not (away or abroad or named or own or self.disputed):
            return {span: probability for span, probability in likely.items() if probability >= self.least}
        shifted, without = {}, self.without
        for span, probability in likely.items():
            name = post.text[span.start : span.end]
            change = abroad
            if span not in named:
                if span.label in without:
                    continue
                change += away * ELSEWHERE.get(span.label, 0.0)
            if self.alike < 1:
                if _REFERENCE.fullmatch(name):
                    continue
                change += (1 - self.alike) * _unlike(post, span, name, span in named, voted)
            if self.disputed and characters.lowered(name) in self.disputed:
                change += _DISPUTED
            if change or span in named:
                odds = math.log(max(probability, 1e-9) / max(1 - probability, 1e-9))
                odds = max(odds, 0.0) + _SAID + change if span in named else odds + change
                probability = 1 / (1 + math.exp(-odds))
            if probability >= self.least:
                shifted[span] = probability
        return {**shifted, **{span: max(value, shifted.get(span, 0.0)) for span, value in own.items()}}


def _unlike(
    post: EntityPost, span: Span, name: str, named: bool, voted: Mapping[str, Collection[tuple[int, int]]]
) -> float:
    """Change of a span's log-odds where a site is not at all like the one of the judge."""
    change = _EVERYDAY if not named and gazetteers.everyday(name) else 0.0
    if span.label == "Class" and span[:2] not in voted["Class"]:
        change += 0.0 if named or any(word in post.coded for word in _IDENTIFIER.findall(name)) else _UNCODED
    if span.label == "Version" and span[:2] not in voted["Version"]:
        change += _UNCODED
    return change


def _speaks_of_markup(post: EntityPost) -> bool:
    return _MARKUP.search(post.text) is not None or any(_MARKUP.fullmatch(tag) for tag in post.tags)


def abstains(facts: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Site -> type -> why the site has no labels of it, from the facts that the task's `merge` returned."""
    reasons: dict[str, dict[str, str]] = {}
    for site, counts in sorted(facts["sites"].items()):
        site_prior = _of(counts)
        own = {*facts["tags"].get(site, {}).values(), *facts["names"].get(site, {}).values()}
        own |= set(facts.get("settings", {}).get("names", {}).values())
        if without := sorted(site_prior.without - own):
            reasons[site] = dict.fromkeys(without, _why(counts, site_prior))
    return reasons


def _why(counts: Mapping[str, Any], of_site: Prior) -> str:
    about = "languages, programs or the like"
    tags = (
        f"{counts['known'] / counts['uses']:.1%} of its tags name {about}"
        if counts["uses"]
        else f"and its dump has no Tags.xml, by which tags would show that they name {about}"
    )
    figures = f"{counts['code'] / counts['posts']:.1%} of its posts have code, {tags}"
    if of_site.programming < _ABOUT:
        return f"{figures}: it is not about programming"
    return f"{figures}: its words for lists, images and numbers mean other things more often"


def prior(threads: Threads) -> Prior:
    """The prior of the site that posts are of, by the task's facts."""
    counts = threads.facts.get("sites", {}).get(threads.site)
    if counts is None:
        return Prior()
    return _of(counts)


def _of(counts: Mapping[str, Any]) -> Prior:
    share = programming(counts)
    doubted = counts["doubtful"] if share < 0.3 else ()
    return Prior(share, frozenset((*counts["disputed"], *doubted)), alike(counts))


def english(post: EntityPost) -> bool:
    """Whether a post's prose has the function words of English; True where it is too short to say."""
    words, english_words = letters(post.prose[:2000], _english_words())
    return words < _FEWEST_WORDS or english_words >= _LEAST_ENGLISH * words


@lru_cache(maxsize=1)
def _english_words() -> Wanted:
    return wanted(_ENGLISH)
