"""Names of a site's own tools: capitalised terms with the type that its posts and links give them.

A term has a voice of a type where a sentence says what it is ("Daedalus is a wallet for …", "a wallet called Daedalus",
"wallets such as Daedalus and Yoroi"), or where a link with the term as its text leads to its page in a package index or
a shop of apps. A type stands if several posts agree on it. It is corroborated if besides the site repeats the term
within sentences, hardly ever in small letters, and has a tag of its name or links it to an address of its name: what
people write about has a page of its own, and a capital that does not come from where it stands.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from socorpus.labeling.tasks.entities import gazetteers
from socorpus.labeling.tasks.entities.scan import terms
from socorpus.labeling.tasks.entities.scan.name_words import wanted

_NAME = r"[A-Z][\w+#-]*(?:\.[A-Za-z]\w*)?(?: [A-Z][\w+#-]*)?"
_IS = re.compile(
    rf"(?<![\w.@/-])({_NAME})(?: (?:is|are|was) (?:an?|the|another|one of the)|, (?:an?|another|one of the)) "
    r"([^.\n!?;:]{3,80})"
)
_HEADED = re.compile(
    r"\b[Tt]he ([A-Z][\w+#-]*(?: [A-Z][\w+#-]*)?) (app|framework|wallet|browser|programming language)\b"
)
"""Not "the X website", "software" or "compiler": X is whose they are, or what they are for."""
_SAYING = {terms.IS: _IS, terms.HEADED: _HEADED}
_NAMING = re.compile(r"[ (](?:called|named|such as|like|including|e\.g\.,?) $")
_LONGEST_NAMING = 13
_BEFORE = re.compile(r"(?:[a-z][\w-]* ){0,3}[a-z][\w-]*$")
_LIST = re.compile(rf"(?:{_NAME}(?:, (?:and |or )?| and | or )?){{1,6}}")
_WINDOW = 60
_PAIR = re.compile(_NAME)
_COMMON = re.compile(
    r"this|that|it|here|there|what|which|one|my|the|a|an|and|if|so|he|she|they|we|you|i|his|her|our|your|these"
    r"|those|but|as|also|another|all|any|both|each|either|neither|no|not|now|then|since|because|while|when"
    r"|where|why|how|answer|question|example|code|function|class|method|problem|issue|solution"
)
_LINK = re.compile(r"<a [^<>]{0,200}?href=\"(https?://[^\"<>]{4,300})\"[^<>]{0,200}>([^<>]{3,40})</a>")
_PARTS = re.compile(r"[/?#=&]+")
_SIGNS = re.compile(r"[\W_]+")
_ABOUT = re.compile(
    r"(?:^|\.)(?:stackexchange|stackoverflow|superuser|serverfault|askubuntu|mathoverflow)\.(?:com|net)$"
)
_INDEXES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "Library",
        re.compile(
            r"//(?:www\.)?(?:pypi\.(?:org|python\.org)/(?:project|pypi)/|npmjs\.com/package/|crates\.io/crates/"
            r"|rubygems\.org/gems/|hackage\.haskell\.org/package/|cran\.r-project\.org/(?:web/packages/|package=)"
            r"|packagist\.org/packages/|nuget\.org/packages/|pkg\.go\.dev/|mvnrepository\.com/artifact/|pub\.dev/packages/)"
        ),
    ),
    (
        "Application",
        re.compile(
            r"//(?:www\.)?(?:play\.google\.com/store/apps/|apps\.apple\.com/|itunes\.apple\.com/(?:\w+/)?app/"
            r"|chrome\.google\.com/webstore/|chromewebstore\.google\.com/|addons\.mozilla\.org/|flathub\.org/apps"
            r"|snapcraft\.io/|f-droid\.org/|marketplace\.visualstudio\.com/|microsoft\.com/\w+/store/)"
        ),
    ),
)
_SHORTEST, _LONGER = 4, 6
"""Letters of a name that an address can have, and letters more that a label of a host may have: `daedaluswallet`."""

VOICES = 2
"""Posts that must say the same of a name."""
_AGREE = 0.75
_HEARD = 0.02
"""Share of the posts with a name that must say so: of what all posts speak of, two posts say anything."""
_REPEATED, _SMALL = 4, 0.1
"""Posts that have a corroborated term within a sentence, and the largest share of posts with it in small letters."""


def counted(texts: Sequence[str], bodies: Iterable[str | None] = ()) -> dict[str, dict[str, Any]]:
    """Terms of a bucket of which some post says what they are.

    Args:
        texts: of posts, as in `documents`.
        bodies: the published HTML of posts, for their links.

    Returns:
        term -> `types` (type -> posts that say so), `posts` (with the term), `within` (with it within a sentence),
        `small` (with it in small letters), `links` (to an address of its name).
    """
    types: dict[str, Counter[str]] = {}
    links: Counter[str] = Counter()
    for _, of_text in groupby(_said(texts), itemgetter(0)):
        for _, name, label in set(of_text):
            types.setdefault(name, Counter())[label] += 1
    for body in bodies:
        for name, linked in set(_linked(body)) if body and "<a " in body else ():
            links[name] += linked is None
            if linked is not None:
                types.setdefault(name, Counter())[linked] += 1
    posts, within, small = _occurring(texts, types)
    return {
        name: {
            "types": dict(sorted(types[name].items())),
            "posts": max(posts[name], types[name].total()),
            "within": within[name],
            "small": small[name],
            "links": links[name],
        }
        for name in sorted(types)
    }


def _said(texts: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Number of a text, a name, and the type that a sentence there gives it; text by text."""
    done = dict.fromkeys((terms.IS, terms.HEADED), (-1, 0))
    for number, start, _, kind in terms.said(texts):
        text = texts[number]
        if kind == terms.NAMING:
            yield from ((number, name, label) for name, label in _listed(text, start))
            continue
        # As of `finditer`: a match begins behind the one before.
        if done[kind][0] == number and start < done[kind][1]:
            continue
        if (match := _SAYING[kind].match(text, start)) is None:
            continue
        done[kind] = number, match.end()
        # Of what is put beside a name the kind comes before the next comma.
        phrase = match[2].partition(",")[0] if text[match.end(1)] == "," else match[2]
        if (label := gazetteers.kind_of(phrase)) is not None and (name := _term(match[1])):
            yield number, name, label


def _listed(text: str, start: int) -> Iterator[tuple[str, str]]:
    """Names at a position behind "called", "such as" and the like, each with the type before that."""
    naming = _NAMING.search(text, max(0, start - _LONGEST_NAMING), start)
    if naming is None:
        return
    before = _BEFORE.search(text[max(0, naming.start() - _WINDOW) : naming.start()].rstrip())
    label = gazetteers.headed_by(before[0]) if before is not None else None
    names = _LIST.match(text, start) if label is not None else None
    if label is not None and names is not None:
        yield from ((name, label) for each in _PAIR.findall(names[0]) if (name := _term(each)))


def _term(name: str) -> str | None:
    """A name without the common word at its beginning ("As Daedalus"); None if it is no name."""
    first, _, rest = name.partition(" ")
    if _COMMON.fullmatch(first.lower()):
        name = rest
    return name if len(name) > 2 and not _COMMON.fullmatch(name.lower()) else None


def _linked(body: str) -> Iterator[tuple[str, str | None]]:
    """Names that are the text of a link to an address of this name, also with the type of what its host lists."""
    for match in _LINK.finditer(body):
        name, address = match[2].strip(), match[1]
        if _PAIR.fullmatch(name) is None or _term(name) != name:
            continue
        parts = [part.lower() for part in _PARTS.split(address)]
        word = _SIGNS.sub("", name.lower())
        if len(word) < _SHORTEST or _ABOUT.search(parts[1]):
            continue
        label = next((label for label, pattern in _INDEXES if pattern.search(address)), None)
        hosts = parts[1].split(".")[:-1]
        if any(host.startswith(word) and len(host) <= len(word) + _LONGER for host in map(_plain, hosts)):
            yield name, None
        elif word in map(_plain, parts[2:]):
            yield name, None
            if label is not None:
                yield name, label


def _plain(part: str) -> str:
    return _SIGNS.sub("", part)


def _occurring(texts: Sequence[str], names: Iterable[str]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Posts that have each name, that have it within a sentence, and that have it in small letters."""
    wanted_names = set(names)
    low = {name.lower(): name for name in sorted(wanted_names) if " " not in name}
    having: dict[int, set[tuple[int, str]]] = {terms.TERM: set(), terms.WITHIN: set(), terms.SMALL: set()}
    for number, start, end, kind in terms.occurring(texts, wanted(wanted_names), wanted(low)) if wanted_names else ():
        word = texts[number][start:end]
        if kind == terms.SMALL:
            if word in low:
                having[kind].add((number, low[word]))
        elif word in wanted_names:
            having[kind].add((number, word))
    within = having[terms.WITHIN]
    posts, inside, small = (
        Counter(name for _, name in pairs) for pairs in (having[terms.TERM] | within, within, having[terms.SMALL])
    )
    return posts, inside, small


def merged(parts: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Sums of several buckets' terms. Posts of a bucket in which nobody says what a term is are not counted."""
    total: dict[str, dict[str, Any]] = {}
    for part in parts:
        for name, of_part in part.items():
            into = total.setdefault(name, {"types": Counter(), "posts": 0, "within": 0, "small": 0, "links": 0})
            into["types"].update(of_part["types"])
            for count in ("posts", "within", "small", "links"):
                into[count] += of_part[count]
    return dict(sorted(total.items()))


def settled(
    parts: Iterable[Mapping[str, Mapping[str, Any]]], tags: Collection[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """Names whose type several posts of a site agree on, and those of them that are corroborated.

    `VOICES` posts must agree, `_HEARD` of those with the name, and `_AGREE` of all that say a type.

    Args:
        parts: of `counted`, of all buckets of the site.
        tags: of the site.
    """
    names: dict[str, str] = {}
    corroborated = []
    for name, of_name in merged(parts).items():
        label, times = min(of_name["types"].items(), key=lambda item: (-item[1], item[0]))
        if times < max(VOICES, _AGREE * of_name["types"].total(), _HEARD * of_name["posts"]):
            continue
        names[name] = label
        repeated = of_name["within"] >= _REPEATED and of_name["small"] <= _SMALL * of_name["posts"]
        if repeated and (of_name["links"] or name.lower().replace(" ", "-") in tags):
            corroborated.append(name)
    return names, corroborated
