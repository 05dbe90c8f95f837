"""Labelling functions for entities by a site's tags and their wikis, a post's own tags, and language hints."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, wraps
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.documents import html
from socorpus.labeling.facts import site_terms
from socorpus.labeling.functions import Threads, Vote, votes
from socorpus.labeling.tasks.entities import gazetteers, site_prior
from socorpus.labeling.tasks.entities.post import EntityPost, Found, Voted, of_all_posts, of_each_post, posts
from socorpus.labeling.tasks.entities.scan.name_words import wanted

_EXCERPT, _WIKI = 4, 5


def collect(threads: Threads) -> dict[str, Any]:
    """A bucket's part of the facts: types of tags from wikis and excerpts, counts, names that posts introduce."""
    wikis = threads.posts.filter(pc.is_in(threads.posts["post_type_id"], pa.array([_EXCERPT, _WIKI], pa.int32())))
    bodies = dict(zip(wikis["post_id"].to_pylist(), wikis["body"].to_pylist(), strict=True))
    tags: dict[str, list[Any]] = {}
    names = ("tag_name", "count", "excerpt_post_id", "wiki_post_id")
    for tag, count, excerpt, wiki in zip(*(threads.tags[name].to_pylist() for name in names), strict=True):
        if tag:
            # Both, since they may lie in buckets of their own.
            tags[tag] = [
                count or 0,
                *(html.html(bodies[post]).text if bodies.get(post) else None for post in (excerpt, wiki)),
            ]
    return {
        "site": threads.site,
        "tags": tags,
        "counts": site_prior.counted(threads),
        "names": site_terms.counted(threads.documents["text"].to_pylist(), threads.posts["body"].to_pylist()),
    }


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Facts of the corpus: `tags` (site -> tag -> type), `sites` (site -> counts), `names` (site -> name -> type), and
    `terms` (site -> names that are corroborated)."""
    by_site: dict[str, list[Mapping[str, Any]]] = {}
    for part in parts:
        by_site.setdefault(part["site"], []).append(part)
    types, sites, names, terms = {}, {}, {}, {}
    for name in sorted(by_site):
        of_site = by_site[name]
        # Each bucket has all tags, and the wikis of its own posts.
        described: dict[str, tuple[int, str | None, str | None]] = {}
        for part in of_site:
            for tag, (count, excerpt, wiki) in part["tags"].items():
                before = described.get(tag, (0, None, None))
                described[tag] = (max(count, before[0]), before[1] or excerpt, before[2] or wiki)
        # The excerpt has the last word.
        tags = {tag: (count, excerpt or wiki) for tag, (count, excerpt, wiki) in described.items()}
        typed = {
            tag: label
            for tag, (_, *texts) in described.items()
            if (label := next((kind for text in texts if text and (kind := gazetteers.type_of(text))), None))
            is not None
        }
        counts = {key: sum(part["counts"][key] for part in of_site) for key in ("posts", "code")}
        sites[name] = counts | site_prior.of_tags(tags)
        if typed:
            types[name] = dict(sorted(typed.items()))
        introduced, corroborated = site_terms.settled((part["names"] for part in of_site), tags)
        if introduced:
            names[name] = introduced
        if corroborated:
            terms[name] = corroborated
    return {"tags": types, "sites": sites, "names": names, "terms": terms}


def _of_latest(
    make: Callable[[Mapping[str, str]], gazetteers.Gazetteer],
) -> Callable[[Mapping[str, str]], gazetteers.Gazetteer]:
    """The gazetteer of some names, kept for the next examples with the same names."""
    kept: list[tuple[Mapping[str, str], gazetteers.Gazetteer]] = []

    @wraps(make)
    def of(names: Mapping[str, str]) -> gazetteers.Gazetteer:
        if not kept or kept[0][0] is not names:
            kept[:] = [(names, make(names))]
        return kept[0][1]

    return of


_tag_gazetteer = _of_latest(gazetteers.from_tags)
_introduced_gazetteer = _of_latest(lambda names: gazetteers.gazetteer({}, names))


@_of_latest
def _own_gazetteer(names: Mapping[str, str]) -> gazetteers.Gazetteer:
    plain = {name: label for name, label in names.items() if name.islower() and len(name) > 2}
    return gazetteers.gazetteer(plain, {name: label for name, label in names.items() if name not in plain})


@votes("entities")
@of_all_posts
def site_tags(threads: Threads) -> Iterator[Vote]:
    """A tag of the site whose wiki names its kind ("X is a library for …"), where it occurs in a text."""
    typed = threads.facts.get("tags", {}).get(threads.site)
    if typed and threads.span_examples is not None:
        yield from _outside_code(threads.span_examples, _tag_gazetteer(typed), "tag wiki", "tag")


@votes("entities", version=2)
@of_all_posts
def site_names(threads: Threads) -> Iterator[Vote]:
    """A name that several posts of the site introduce by its kind ("Daedalus is a wallet"), wherever it stands."""
    named = threads.facts.get("names", {}).get(threads.site)
    if not named or threads.span_examples is None:
        return
    corroborated = frozenset(threads.facts.get("terms", {}).get(threads.site, ()))
    known = _introduced_gazetteer(named)
    for post in posts(threads.span_examples):
        for hit in known.find(post.open, post.words):
            if post.in_code(hit.start) is None:
                sure = hit.name in corroborated and not _part_of_longer(post.open, hit.start, hit.end)
                evidence = {"rule": site_prior.CORROBORATED if sure else "introduced", "name": hit.name}
                yield Vote(post.post_id, hit.label, evidence, hit.start, hit.end)


_BEHIND = re.compile(r" [A-Z]\w")
_BEFORE = re.compile(r"[\w,] [A-Z][\w-]{0,30} $")


def _part_of_longer(text: str, start: int, end: int) -> bool:
    """Whether another word with a capital stands beside a name, as in "Daedalus Flight" or "the IBM Watson"."""
    return _BEHIND.match(text, end) is not None or _BEFORE.search(text, max(0, start - 34), start) is not None


def _outside_code(examples: pa.Table, known: gazetteers.Gazetteer, rule: str, kind: str) -> Iterator[Vote]:
    for post in posts(examples):
        for hit in known.find(post.open, post.words):
            if post.in_code(hit.start) is None:
                yield Vote(post.post_id, hit.label, {"rule": rule, kind: hit.name}, hit.start, hit.end)


@votes("entities")
@of_all_posts
def own_names(threads: Threads) -> Iterator[Vote]:
    """A name of the configuration's `labels.names`, wherever it stands, in its own case if it has capitals."""
    named = threads.facts.get("settings", {}).get("names")
    if not named or threads.span_examples is None:
        return
    known = _own_gazetteer(named)
    for post in posts(threads.span_examples):
        for hit in known.find(post.open, post.words, sure=True):
            yield Vote(post.post_id, hit.label, {"rule": "own name", "name": hit.name}, hit.start, hit.end)


def unheard(named: Mapping[str, str], heard: Iterable[str]) -> Iterator[str]:
    """A sentence for each name of the configuration that no text has.

    Args:
        named: name -> type, of `labels.names`; heard: names for which `own_names` voted.
    """
    known = {" ".join(name.split()).lower() for name in heard}
    for name, label in named.items():
        if " ".join(name.split()).lower() not in known:
            case = "" if name.islower() else "; a name with capitals counts only as it is written"
            yield (
                f"labels.names: no text has {f'{label}: {name}'!r} outside of code blocks and addresses, so "
                f"it labels nothing{case}"
            )


def by_post(threads: Threads) -> dict[int, list[Voted]]:
    """What the functions of a site's tags and names say of each post."""
    votes_of: dict[int, list[Voted]] = {}
    for find in (site_tags, site_names, own_names):
        for vote in find(threads):
            if vote.start is not None and vote.end is not None:
                rule = str(vote.evidence["rule"])
                votes_of.setdefault(vote.post_id, []).append((vote.start, vote.end, vote.label, find.__name__, rule))
    return votes_of


_TYPED_BY_TAG = frozenset(("Language", "Library", "Application", "Operating_System", "Device"))


@votes("entities")
@of_each_post
def own_tags(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """A tag of the post's own that is a known name: `go`, `r` or `swift` in a post with that tag is the language."""
    yield from _named(post, post.tags, "tag")


@votes("entities")
@of_each_post
def language_hints(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """The language that a code block of the post is marked with, where its name occurs in prose."""
    yield from _named(post, sorted({language for _, _, language in post.blocks if language}), "hint")


def _named(post: EntityPost, names: Iterable[str], rule: str) -> Iterator[Found]:
    types = _types_of_tags()
    typed = {name: types[name] for name in names if name in types}
    if not typed:
        return
    for start, end, name in post.spoken(wanted(typed)):
        # A single letter only counts as a capital.
        if end - start > 1 or post.open[start].isupper():
            yield start, end, typed[name], {"rule": rule, "name": name}


@lru_cache(maxsize=1)
def _types_of_tags() -> dict[str, str]:
    known = gazetteers.known()
    names = {**{name.lower(): label for name, label in known.exact.items()}, **known.any}
    return {name: label for name, label in names.items() if label in _TYPED_BY_TAG}
