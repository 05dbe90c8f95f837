"""Labelling functions for entities by a site's tags and their wikis, a post's own tags, and language hints."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.documents import html
from socorpus.labeling.functions import Threads, Vote, votes
from socorpus.labeling.tasks.entities import gazetteers
from socorpus.labeling.tasks.entities.post import EntityPost, Found, of_each_post, posts

_EXCERPT, _WIKI = 4, 5


def collect(threads: Threads) -> dict[str, Any]:
    """Tags of the site with a type from this bucket's tag wikis and excerpts: site -> tag -> type."""
    if not threads.tags.num_rows:
        return {}
    wikis = threads.posts.filter(pc.is_in(threads.posts["post_type_id"], pa.array([_EXCERPT, _WIKI], pa.int32())))
    bodies = dict(zip(wikis["post_id"].to_pylist(), wikis["body"].to_pylist(), strict=True))
    types: dict[str, str] = {}
    columns = (threads.tags[name].to_pylist() for name in ("tag_name", "excerpt_post_id", "wiki_post_id"))
    for tag, excerpt, wiki in zip(*columns, strict=True):
        for post in (wiki, excerpt):  # the excerpt has the last word
            label = gazetteers.type_of(html.html(bodies[post]).text) if bodies.get(post) else None
            if label is not None and tag:
                types[tag] = label
    return {threads.site: types} if types else {}


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """`{"tags": {site: {tag: type}}}` of the whole corpus."""
    tags: dict[str, dict[str, str]] = {}
    for part in parts:
        for site, types in part.items():
            tags.setdefault(site, {}).update(types)
    return {"tags": {site: dict(sorted(tags[site].items())) for site in sorted(tags)}}


_last: list[tuple[Mapping[str, str], gazetteers.Gazetteer]] = []
"""The gazetteer of a site's tags, cached for its next examples."""


@votes("entities")
def site_tags(threads: Threads) -> Iterator[Vote]:
    """A tag of the site whose wiki names its kind ("X is a library for …"), where it occurs in a text."""
    typed = threads.facts.get("tags", {}).get(threads.site)
    if not typed or threads.examples is None:
        return
    if not _last or _last[0][0] is not typed:
        _last[:] = [(typed, gazetteers.from_tags(typed))]
    for post in posts(threads.examples):
        for hit in _last[0][1].find(post.open, post.words):
            if post.in_code(hit.start) is None:
                yield Vote(post.post_id, hit.label, {"rule": "tag wiki", "tag": hit.name}, hit.start, hit.end)


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
    wanted = {name: types[name] for name in names if name in types}
    if not wanted:
        return
    for start, end, name in post.spoken(wanted):
        # A single letter only counts as a capital.
        if end - start > 1 or post.open[start].isupper():
            yield start, end, wanted[name], {"rule": rule, "name": name}


@lru_cache(maxsize=1)
def _types_of_tags() -> dict[str, str]:
    known = gazetteers.known()
    names = {**{name.lower(): label for name, label in known.exact.items()}, **known.any}
    return {name: label for name, label in names.items() if label in _TYPED_BY_TAG}
