"""One post's whole story: the dump, its document, its signals, the decision and its twin, its shard.

Personal data and secrets are never part of a story: their placeholders stand for them.
"""

import difflib
import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from socorpus.corpus import plugins, schema, toml_config
from socorpus.corpus.config import SelectionRule
from socorpus.corpus.dump.rows import row_forms
from socorpus.corpus.errors import InputError
from socorpus.corpus.privacy import display
from socorpus.corpus.privacy.display import Shown
from socorpus.corpus.selection import election
from socorpus.corpus.signals.base import SIGNALS
from socorpus.corpus.signals.explanations import some
from socorpus.corpus.storage import files, manifest_file, parquet, row_lookup
from socorpus.corpus.storage.row_lookup import Place

# Codes of the publisher's schema description.
_POST_TYPES = {
    1: "question",
    2: "answer",
    3: "orphaned tag wiki",
    4: "tag wiki excerpt",
    5: "tag wiki",
    6: "moderator nomination",
    7: "wiki placeholder",
    8: "privilege wiki",
    9: "article",
    10: "help article",
    12: "collection",
    13: "moderator questionnaire",
    14: "announcement",
    15: "discussion",
    17: "collective collection",
}
_VOTE_TYPES = {
    1: "accepted",
    2: "up",
    3: "down",
    4: "offensive",
    5: "favourite",
    6: "close",
    7: "reopen",
    8: "bounty start",
    9: "bounty end",
    10: "deletion",
    11: "undeletion",
    12: "spam",
    15: "moderator review",
    16: "approved edit",
    29: "obsolete (old)",
    30: "obsolete",
}
_EVENTS = {
    "closings": (10,),
    "reopenings": (11,),
    "deletions": (12,),
    "undeletions": (13,),
    "edits of the body": (5,),
    "edits of the title": (4,),
    "edits of the tags": (6,),
    "rollbacks": (7, 8, 9),
}
_TEXT_SHOWN = 700


@dataclass(frozen=True)
class DumpPost:
    """A post's row in the dump. `events` counts its history, `votes` its votes; None without such a table."""

    type: str
    parent: int | None
    created: datetime | None
    closed: datetime | None
    score: int | None
    comments: int
    title: str | None
    license: str | None
    events: Mapping[str, int] | None
    votes: Mapping[str, int] | None


@dataclass(frozen=True)
class Document:
    """A post's row in documents. `shown` is the text without its secrets, `segments` counts its segments by kind."""

    kind: str
    thread_id: int
    url: str | None
    author: str | None
    license: str
    tags: tuple[str, ...]
    accepted: bool
    comments: int
    own_chars: int
    chars: int
    segments: Mapping[str, int]
    shown: Shown


@dataclass(frozen=True)
class Mark:
    """The lines of one signal."""

    signal: str
    says: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """The decision on a post: by which rule, and the values that the rule saw."""

    key: str
    keep: bool
    reason: str | None
    meaning: str | None
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Shard:
    """A post's place in the shards."""

    split: str
    path: str
    row: int
    row_group: int
    tokens: int


@dataclass(frozen=True)
class Quarantined:
    """A row of the dump that could not be read."""

    table: str
    file: str
    offset: int
    reason: str
    row: str


@dataclass(frozen=True)
class Story:
    """All that a corpus knows of a post. `decisions` begins with its own, then its survivor's, and so on."""

    key: str
    post: DumpPost | None
    document: Document | None
    marks: tuple[Mark, ...]
    decisions: tuple[Decision, ...]
    shard: Shard | None
    quarantined: tuple[Quarantined, ...]
    note: str | None
    """Why there is no document, in a sentence; None where there is one."""

    def __str__(self) -> str:
        return "\n".join(lines(self))


def folders(facts: Mapping[str, Any], key: str) -> list[str]:
    """The folders of a corpus, by its manifest, that hold what is known of a post."""
    site = key.rpartition(":")[0].strip()
    names = dict.fromkeys(path.rpartition("/")[0] for path in facts["files"])
    return [name for name in names if name.endswith(f"/{site}") or name.startswith(("shards/", "quarantine"))]


def find(root: Path, key: str) -> Story:
    """The story of the post `key` (`SITE:POST_ID`) in the corpus at `root`.

    Raises:
        InputError: `root` is no corpus or of another version, `key` is no key, or the site is not in the corpus.
    """
    sites = _sites(root)
    site, number = _key(key, sites)
    key = schema.key(site, number)
    place = row_lookup.find(root, [key], "tables/posts").get(key)
    post = _post(root, place) if place is not None else None
    quarantined = tuple(_quarantined(root, site, number))
    document_place = row_lookup.find(root, [key]).get(key)
    if document_place is None:
        note = _note(root, site, number, post, quarantined)
        return Story(key, post, None, (), (), None, quarantined, note)
    document = _document(root, document_place)
    decisions = tuple(_decisions(root, document_place))
    kept = bool(decisions) and decisions[0].keep
    shard = _shard(root, document_place) if kept else None
    return Story(
        key, post, document, tuple(_marks(root, document_place, document.shown)), decisions, shard, quarantined, None
    )


def lines(story: Story) -> list[str]:
    """A story as plain lines of text."""
    shown = [f"{story.key}: {_verdict(story)}"]
    for title, part in (
        ("in the dump", _post_lines(story.post)),
        ("in quarantine", [line for bad in story.quarantined for line in _quarantine_lines(bad)]),
        ("as a document", _document_lines(story.document)),
        ("signals", [line for mark in story.marks for line in _labelled(mark.signal, mark.says)]),
        ("decision", [line for decision in story.decisions for line in _decision_lines(decision)]),
        ("in the shards", _shard_lines(story)),
        ("its text", _text_lines(story.document)),
    ):
        if part:
            shown += ["", title, *(f"  {line}" for line in part)]
    return shown


# --- lookup --------------------------------------------------------------------------------------------------------


def _sites(root: Path) -> list[str]:
    facts = manifest_file.load(root)
    if facts is not None:
        manifest_file.check_version(root, facts)
    if facts is None and not (files.exists(root / "receipts") and files.exists(root / "tables")):
        raise InputError(f"{root}: not a corpus (no {manifest_file.NAME}); name the folder that `socorpus build` wrote")
    named = facts["sites"] if facts else files.folders(root / "tables/posts")
    return sorted(named)


def _key(key: str, sites: list[str]) -> tuple[str, int]:
    example = f"{sites[0] if sites else 'beer.stackexchange.com'}:1"
    parts = row_lookup.split_key(key)
    if parts is None or parts[1] >= 1 << 63:
        raise InputError(f"{key!r} is no post of a corpus: expected SITE:ID, for example {example}")
    if parts[0] not in sites:
        near = difflib.get_close_matches(parts[0], sites, 1)
        meant = f"; did you mean {near[0]}:{parts[1]}?" if near else "."
        raise InputError(f"{parts[0]}: no such site in this corpus{meant} It has {some(sites, 12)}")
    return parts


def _post(root: Path, place: Place) -> DumpPost:
    columns = ["post_type_id", "parent_id", "creation_date", "closed_date", "score", "title", "content_license"]
    row = row_lookup.take(root, [place], "tables/posts", columns)[place.key]
    title = row["title"]
    votes = _codes(root, place, "votes", "vote_type_id")
    history = _codes(root, place, "history", "post_history_type_id")
    events = (
        {name: sum(history[code] for code in codes) for name, codes in _EVENTS.items()} if history is not None else None
    )
    path = root / place.path("tables/comments")
    return DumpPost(
        _POST_TYPES.get(row["post_type_id"], f"type {row['post_type_id']}"),
        row["parent_id"],
        row["creation_date"],
        row["closed_date"],
        row["score"],
        row_lookup.rows_of(path, place.post_id, ["comment_id"]).num_rows if files.exists(path) else 0,
        display.text(title) if title else None,
        row["content_license"],
        {name: count for name, count in events.items() if count} if events is not None else None,
        {_VOTE_TYPES.get(code, f"type {code}"): n for code, n in sorted(votes.items())} if votes is not None else None,
    )


def _codes(root: Path, place: Place, table: str, column: str) -> Counter[int] | None:
    path = root / place.path(f"tables/{table}")
    if not files.exists(path):
        return None
    return Counter(row_lookup.rows_of(path, place.post_id, [column])[column].drop_null().to_pylist())


def _document(root: Path, place: Place) -> Document:
    columns = [name for name in schema.DOCUMENTS.names if name not in ("digest", "links")]
    row = row_lookup.take(root, [place], "documents", columns)[place.key]
    spans: list[dict[str, Any]] = []
    if files.exists(root / place.path("signals/privacy")):
        spans = row_lookup.take(root, [place], "signals/privacy", ["spans"])[place.key]["spans"]
    return Document(
        row["kind"],
        row["thread_id"],
        row["url"],
        row["author"],
        row["license"],
        tuple(row["tags"]),
        row["accepted"],
        row["comments"],
        row["own_end"],
        len(row["text"]),
        Counter(segment["kind"] for segment in row["segments"]),
        display.documents([row], [spans])[0],
    )


def _marks(root: Path, place: Place, shown: Shown) -> Iterator[Mark]:
    for name, signal in SIGNALS.items():
        if not files.exists(root / place.path(f"signals/{name}")):
            continue
        row = row_lookup.take(root, [place], f"signals/{name}", signal.own_columns)[place.key]
        if signal.explain is None:
            yield Mark(name, (", ".join(f"{column} {_value(value)}" for column, value in row.items()),))
        else:
            explained = _Explained(root, place.key, shown)
            lines_of = functools.partial(_all, signal.explain)
            plugin = SIGNALS.origin(name)
            says = plugins.call(
                lines_of, row, explained, plugin=plugin, name=f"signal {name}", culprit=lambda: place.key
            )
            yield Mark(name, says)
    # Of a plug-in that is not active its columns are shown as they are.
    for name in (manifest_file.load(root) or {}).get("signals", ()):
        if name in SIGNALS or not files.exists(path := root / place.path(f"signals/{name}")):
            continue
        own = [column for column in parquet.column_names(path) if column not in ("site", "post_id")]
        row = row_lookup.take(root, [place], f"signals/{name}", own)[place.key]
        yield Mark(name, (", ".join(f"{column} {_value(value)}" for column, value in row.items()),))


def _all(explain: Callable[..., Iterable[str]], *given: Any) -> tuple[str, ...]:
    return tuple(explain(*given))


@dataclass(frozen=True)
class _Explained:
    """A post whose signals are explained (`signals.base.Explained`)."""

    root: Path
    key: str
    shown: Shown

    def sharing(self, signal: str, column: str, value: str) -> list[str]:
        keys: list[str] = []
        for path in manifest_file.tables(self.root, f"signals/{signal}"):
            for table in parquet.batches(path, ["site", "post_id", column]):
                rows = table.filter(pc.equal(table[column], value))
                keys += [schema.key(row["site"], row["post_id"]) for row in rows.to_pylist()]
        return keys


def _decisions(root: Path, place: Place) -> Iterator[Decision]:
    facts = manifest_file.load(root) or {}
    own = facts.get("config", {}).get("selection", {}).get("rules", ())
    meanings = election.meanings(toml_config.section(SelectionRule, rule, "manifest") for rule in own)
    seen: set[str] = set()
    current: Place | None = place
    while current is not None and current.key not in seen and files.exists(root / current.path("decisions")):
        seen.add(current.key)
        row = row_lookup.take(root, [current], "decisions", ["keep", "reason", "evidence"])[current.key]
        evidence = json.loads(row["evidence"]) if row["evidence"] else {}
        yield Decision(current.key, row["keep"], row["reason"], meanings.get(row["reason"] or ""), evidence)
        survivor = evidence.get("survivor")
        current = row_lookup.find(root, [survivor]).get(survivor) if survivor else None


def _shard(root: Path, place: Place) -> Shard | None:
    for path in manifest_file.tables(root, "shards"):
        for first, table in row_lookup.groups(path, ["site", "post_id"], "post_id", [place.post_id]):
            same = pc.and_(pc.equal(table["post_id"], place.post_id), pc.equal(table["site"], place.site))
            rows = np.flatnonzero(np.asarray(same))
            if not len(rows):
                continue
            row = first + int(rows[0])
            starts = np.cumsum([0, *parquet.row_groups(path)])
            group = int(np.searchsorted(starts, row, "right")) - 1
            ids = parquet.read_group(path, group, ["split", "input_ids"])
            own = ids.slice(row - int(starts[group]), 1)
            tokens = pc.list_value_length(own["input_ids"])[0].as_py()
            return Shard(own["split"][0].as_py(), str(path.relative_to(root)), row, group, tokens)
    return None


def _quarantined(root: Path, site: str, number: int) -> Iterator[Quarantined]:
    path = root / "quarantine" / f"{site}.parquet"
    if not files.exists(path):
        return
    own = {"posts": re.compile(rb'\sId="%d"' % number)}
    other = re.compile(rb'\sPostId="%d"' % number)
    for table in parquet.batches(path):
        for row in table.to_pylist():
            if own.get(row["table"], other).search(row["row"]):
                shown = _cut(display.text(row["row"].decode("utf-8", "replace")), 400)
                yield Quarantined(row["table"], row["file"], row["offset"], row["reason"], shown)


def _note(root: Path, site: str, number: int, post: DumpPost | None, quarantined: tuple[Quarantined, ...]) -> str:
    if post is not None:
        return f"a post of the type {post.type} is no document: documents are questions and answers"
    if any(bad.table == "posts" for bad in quarantined):
        return "its row in the dump could not be read, and is in quarantine"
    facts = manifest_file.load(root) or {}
    if number in facts.get("changes", {}).get(site, {}).get("examples", {}).get("gone", ()):
        return "it was in the dump of the previous build, and is gone from this one"
    near: list[int] = []
    for path in manifest_file.tables(root, f"tables/posts/{site}"):
        for table in parquet.batches(path, ["post_id"]):
            near += table["post_id"].to_pylist()
            near = sorted(near, key=lambda other: (abs(other - number), other))[:3]
    if not near:
        return "the site has no posts"
    nearest = some([str(other) for other in sorted(near)], 3)
    if facts.get("sites", {}).get(site, {}).get("forgotten", {}).get("posts"):
        return (
            "the dump has no post of this number, or it was taken out on request (forgotten/removed.parquet lists what "
            f"was); the nearest are {nearest}"
        )
    return f"the dump has no post of this number; the nearest are {nearest}"


# --- as lines of text ----------------------------------------------------------------------------------------------


def _verdict(story: Story) -> str:
    if story.note:
        return story.note
    kind = story.document.kind if story.document else "post"
    if not story.decisions:
        return f"{kind}, not decided yet: the build is not finished"
    own = story.decisions[0]
    return f"{kind}, kept" if own.keep else f"{kind}, dropped: {own.reason} ({own.meaning})"


def _post_lines(post: DumpPost | None) -> list[str]:
    if post is None:
        return []
    parts = {
        "type": post.type + (f" of {post.parent}" if post.parent is not None else ""),
        "title": post.title,
        "created": _time(post.created),
        "closed": _time(post.closed) if post.closed else None,
        "score": str(post.score),
        "licence": post.license,
        "votes": _counts(post.votes, "the site's votes are not in the dump"),
        "events": _counts(post.events, "the site's history is not in the dump"),
        "comments": str(post.comments),
    }
    return _table(parts)


def _document_lines(document: Document | None) -> list[str]:
    if document is None:
        return []
    title = document.shown.title
    parts = {
        "title": title,
        "url": document.url or "not known",
        "author": document.author or "not known",
        "licence": document.license,
        "thread": f"{document.thread_id}" + (", the accepted answer" if document.accepted else ""),
        "tags": ", ".join(document.tags) or "none",
        "length": f"{document.chars:,} characters, {document.own_chars:,} of them the post's own",
        "segments": _counts(document.segments, ""),
        "comments": f"{document.comments} in the text",
    }
    return _table(parts)


def _decision_lines(decision: Decision) -> list[str]:
    if decision.keep:
        return [f"{decision.key} is kept"]
    facts = ", ".join(f"{name} {_value(value)}" for name, value in decision.evidence.items())
    return [f"{decision.key} is dropped: {decision.reason}: {decision.meaning}", *([f"  {facts}"] if facts else [])]


def _shard_lines(story: Story) -> list[str]:
    shard = story.shard
    if shard is None:
        kept = bool(story.decisions) and story.decisions[0].keep
        return ["not there: the build is not finished"] if kept else []
    where = f"{shard.path}, row {shard.row} (row group {shard.row_group})"
    return _table({"split": shard.split, "file": where, "tokens": f"{shard.tokens:,}"})


def _quarantine_lines(bad: Quarantined) -> list[str]:
    return [f"{bad.file}, table {bad.table}, {row_forms.unit(bad.file)} {bad.offset:,}: {bad.reason}", f"  {bad.row}"]


def _text_lines(document: Document | None) -> list[str]:
    return _cut(document.shown.text.strip(), _TEXT_SHOWN).splitlines() if document else []


def _labelled(label: str, says: tuple[str, ...]) -> list[str]:
    return [f"{label if i == 0 else '':<14}{line}" for i, line in enumerate(says)]


def _table(parts: Mapping[str, str | None]) -> list[str]:
    return [f"{label:<14}{value}" for label, value in parts.items() if value is not None]


def _counts(counts: Mapping[str, int] | None, absent: str) -> str:
    if counts is None:
        return absent
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _value(value: Any) -> str:
    return "not known" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _time(moment: datetime | None) -> str:
    return "not known" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)"
