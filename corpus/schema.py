"""Every Arrow schema of a corpus, in one place, and the check that reports differences.

The key of all post-wise tables is (`site`, `post_id`). Timestamps are UTC milliseconds. Offsets into `text` are Unicode
code points, so that `text[start:end]` in Python is the slice. Source of the dump's columns: the publisher's schema
description and the drift seen in real dumps since 2010 (docs/dump-format.md).
"""

import re
from dataclasses import dataclass

import pyarrow as pa

from socorpus.corpus.errors import InputError

VERSION = "2"
"""Version of the schemas below: a corpus of another version is refused by its readers."""

SPLITS = ("train", "validation", "test")
"""In the order of time: the newest threads of a site are the test split."""

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""Entries of the tokenizer that no text makes; a tokenizer trained here gives them the ids 0 to 4."""

TIME = pa.timestamp("ms", tz="UTC")
KEY = [pa.field("site", pa.string(), nullable=False), pa.field("post_id", pa.int64(), nullable=False)]


@dataclass(frozen=True)
class Attribute:
    """One attribute of a dump's `<row>`: its XML name, the column it becomes, and the column's type."""

    xml: str
    column: str
    type: pa.DataType


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace("GUID", "Guid")).lower()


def _attributes(identifier: str, spec: str) -> tuple[Attribute, ...]:
    types = {"i": pa.int64(), "n": pa.int32(), "t": TIME, "s": pa.string(), "b": pa.bool_(), "g": pa.list_(pa.string())}
    attributes = [Attribute("Id", identifier, pa.int64())]
    for word in spec.split():
        name, letter = word.split(":")
        attributes.append(Attribute(name, _snake(name), types[letter]))
    return tuple(attributes)


# Letters: i int64 (identifiers), n int32 (counts and codes), t timestamp, s string, b boolean, g list of tags.
DUMP: dict[str, tuple[Attribute, ...]] = {
    "posts": _attributes(
        "post_id",
        "PostTypeId:n AcceptedAnswerId:i ParentId:i CreationDate:t DeletionDate:t Score:n ViewCount:n Body:s "
        "OwnerUserId:i OwnerDisplayName:s LastEditorUserId:i LastEditorDisplayName:s LastEditDate:t LastActivityDate:t "
        "Title:s Tags:g AnswerCount:n CommentCount:n FavoriteCount:n ClosedDate:t CommunityOwnedDate:t "
        "ContentLicense:s",
    ),
    "comments": _attributes(
        "comment_id", "PostId:i Score:n Text:s CreationDate:t UserDisplayName:s UserId:i ContentLicense:s"
    ),
    "history": _attributes(
        "history_id",
        "PostHistoryTypeId:n PostId:i RevisionGUID:s CreationDate:t UserId:i UserDisplayName:s Comment:s Text:s "
        "CloseReasonId:n ContentLicense:s",
    ),
    "links": _attributes("link_id", "CreationDate:t PostId:i RelatedPostId:i LinkTypeId:n"),
    "votes": _attributes("vote_id", "PostId:i VoteTypeId:n UserId:i CreationDate:t BountyAmount:n"),
    "users": _attributes(
        "user_id",
        "Reputation:n CreationDate:t DisplayName:s LastAccessDate:t WebsiteUrl:s Location:s AboutMe:s Age:n Views:n "
        "UpVotes:n DownVotes:n ProfileImageUrl:s AccountId:i EmailHash:s",
    ),
    "badges": _attributes("badge_id", "UserId:i Name:s Date:t Class:n TagBased:b"),
    "tags": _attributes("tag_id", "TagName:s Count:n ExcerptPostId:i WikiPostId:i IsModeratorOnly:b IsRequired:b"),
}
"""The eight tables of a dump: table name -> its attributes, the identifier first."""

NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "posts": (("post_type_id",), ("creation_date",), ("body", "deletion_date")),
    "comments": (("post_id",), ("text",), ("creation_date",)),
    "history": (("post_history_type_id",), ("post_id",), ("creation_date",)),
    "links": (("creation_date",), ("post_id",), ("related_post_id",), ("link_type_id",)),
    "votes": (("post_id",), ("vote_type_id",), ("creation_date",)),
    "users": (("creation_date",),),
    "badges": (("user_id",), ("name",), ("date",)),
    "tags": (("tag_name",),),
}
"""Columns that every row of a table has in all dumps since 2010, beside its identifier: a row that lacks one is as good
as unreadable. Of two columns in one entry either is enough: a deleted post has no body."""

ROOTS = {
    "posts": "posts",
    "postswithdeleted": "posts",
    "comments": "comments",
    "posthistory": "history",
    "postlinks": "links",
    "votes": "votes",
    "users": "users",
    "badges": "badges",
    "tags": "tags",
}
"""Root element, and file stem, both in lower case -> table name."""

FABRICATED_FROM = 1_000_000_000
"""Posts with ids from here on, of the Community user and without history, are not real (docs/dump-format.md)."""

BY_POST = ("posts", "comments", "history", "links", "votes")
"""Tables whose rows belong to a post, and so to a thread; the others are kept site-wide."""


def dump_schema(table: str) -> pa.Schema:
    """Schema of a table as read from a dump: `site`, then the attributes in the order of `DUMP`."""
    columns = [pa.field(a.column, a.type, nullable=i > 0) for i, a in enumerate(DUMP[table])]
    return pa.schema([pa.field("site", pa.string(), nullable=False), *columns], metadata=_metadata(table))


def _metadata(name: str) -> dict[str, str]:
    return {"socorpus.table": name, "socorpus.version": VERSION}


def _schema(name: str, *fields: pa.Field) -> pa.Schema:
    return pa.schema([*KEY, *fields], metadata=_metadata(name))


SEGMENT = pa.struct(
    [
        pa.field("kind", pa.string(), nullable=False),  # prose, code, inline_code, quote, comment
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("language", pa.string()),  # programming language, only for kind "code"
        pa.field("id", pa.int64(), nullable=False),  # the post's id, or the comment's
    ]
)
SEGMENT_KINDS = ("prose", "code", "inline_code", "quote", "comment")

LINK = pa.struct(
    [
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
    ]
)

SPAN = pa.struct(
    [
        pa.field("field", pa.string(), nullable=False),  # "text" or "title"
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
    ]
)

DIGEST = pa.field("digest", pa.binary(16), nullable=False)
"""Hash of the signals' inputs: a signal row is used again while its document's digest is unchanged."""

DOCUMENTS = _schema(
    "documents",
    pa.field("thread_id", pa.int64(), nullable=False),
    pa.field("kind", pa.string(), nullable=False),  # question, answer
    pa.field("created", TIME, nullable=False),
    pa.field("closed", TIME),
    pa.field("edited", TIME),
    pa.field("score", pa.int32(), nullable=False),
    pa.field("accepted", pa.bool_(), nullable=False),
    pa.field("views", pa.int32()),
    pa.field("answers", pa.int32()),
    pa.field("comments", pa.int32(), nullable=False),  # comments that are in `text`
    pa.field("revisions", pa.int32()),  # rows of history; null where the site has no such table
    pa.field("tags", pa.list_(pa.string()), nullable=False),  # an answer has its question's
    pa.field("title", pa.string()),  # an answer has its question's
    pa.field("text", pa.string(), nullable=False),
    pa.field("own_end", pa.int32(), nullable=False),  # text[:own_end] is the post's, the rest its comments'
    pa.field("segments", pa.list_(SEGMENT), nullable=False),
    pa.field("links", pa.list_(LINK), nullable=False),
    pa.field("url", pa.string()),  # null where no address of the site is known
    pa.field("license", pa.string(), nullable=False),
    pa.field("author", pa.string()),
    pa.field("author_id", pa.int64()),
    DIGEST,
)

PAIRS = _schema(
    "pairs",
    pa.field("block", pa.int32(), nullable=False),  # number of the code block in the post, from 0
    pa.field("code", pa.string(), nullable=False),
    pa.field("language", pa.string()),
    pa.field("title", pa.string()),
    pa.field("before", pa.string(), nullable=False),
    pa.field("after", pa.string(), nullable=False),
)


def signal(name: str, *fields: pa.Field) -> pa.Schema:
    """Schema of a signal's table: the key, then the signal's own columns."""
    return _schema(f"signals.{name}", *fields)


SIGNALS: dict[str, pa.Schema] = {
    "language": _schema("signals.language", pa.field("language", pa.string()), pa.field("probability", pa.float32())),
    "statistics": _schema(
        "signals.statistics",
        pa.field("chars", pa.int32(), nullable=False),  # code points of the post's own text
        pa.field("words", pa.int32(), nullable=False),  # of the post's own text, as `words.count` has it
        pa.field("prose_chars", pa.int32(), nullable=False),
        pa.field("code_chars", pa.int32(), nullable=False),
        pa.field("code_blocks", pa.int32(), nullable=False),
        pa.field("code_share", pa.float32(), nullable=False),  # code_chars / chars, 0 for an empty text
    ),
    "privacy": _schema("signals.privacy", pa.field("spans", pa.list_(SPAN), nullable=False)),
    "contamination": _schema(
        "signals.contamination",
        pa.field("benchmark", pa.string()),  # file of the best match, null where nothing overlaps
        pa.field("example", pa.int64()),  # row of that file, from 0
        pa.field("overlap", pa.float32(), nullable=False),  # share of that example's n-grams found in the document
    ),
    "exact": _schema(
        "signals.exact", pa.field("hash", pa.binary(16), nullable=False), pa.field("survivor", pa.string())
    ),
    "near": _schema(
        "signals.near",
        pa.field("cluster", pa.string()),  # key of the cluster's first member, null for a row that has no twin
        pa.field("survivor", pa.string()),  # key of the member to keep, null where it is this row or there is none
        pa.field("jaccard", pa.float32()),  # exact, with the survivor
        pa.field("link", pa.string()),  # the most similar member: the verified pair that ties this row to its cluster
        pa.field("link_jaccard", pa.float32()),
    ),
    "near_code": _schema(
        "signals.near_code",
        pa.field("cluster", pa.string()),
        pa.field("survivor", pa.string()),
        pa.field("jaccard", pa.float32()),
        pa.field("link", pa.string()),
        pa.field("link_jaccard", pa.float32()),
    ),
}
"""One table a stage, row for row with `documents`. Keys of other rows are written `SITE:POST_ID`."""

DECISIONS = _schema(
    "decisions",
    pa.field("keep", pa.bool_(), nullable=False),
    pa.field("reason", pa.string()),  # name of the rule that dropped it, null for a kept row
    pa.field("evidence", pa.string()),  # JSON: the values that the rule saw
)

SHARDS = _schema(
    "shards",
    pa.field("split", pa.string(), nullable=False),
    pa.field("thread_id", pa.int64(), nullable=False),
    pa.field("kind", pa.string(), nullable=False),
    pa.field("created", TIME, nullable=False),
    pa.field("score", pa.int32(), nullable=False),
    pa.field("accepted", pa.bool_(), nullable=False),
    pa.field("tags", pa.list_(pa.string()), nullable=False),
    pa.field("title", pa.string()),
    pa.field("text", pa.string(), nullable=False),  # redacted
    pa.field("own_end", pa.int32(), nullable=False),
    pa.field("segments", pa.list_(SEGMENT), nullable=False),  # offsets into the redacted text
    pa.field("input_ids", pa.list_(pa.uint16()), nullable=False),  # tokens of `text`, no special tokens added
    pa.field("code_tokens", pa.list_(pa.int32()), nullable=False),  # start, end, start, end … of code, in tokens
    pa.field("url", pa.string()),  # null where no address of the site is known
    pa.field("license", pa.string(), nullable=False),
    pa.field("author", pa.string()),
    pa.field("author_id", pa.int64()),
)

TOKENS = _schema(
    "tokens",
    pa.field("input_ids", pa.list_(pa.uint32()), nullable=False),  # tokens of the shard's `text`
    pa.field("code_tokens", pa.list_(pa.int32()), nullable=False),  # start, end, start, end … of code, in tokens
)
"""Tokens of a shard by another tokenizer, row for row and row group for row group with it."""

QUARANTINE = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("table", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),  # bytes of the decoded stream before it, or rows
        pa.field("reason", pa.string(), nullable=False),
        pa.field("row", pa.binary(), nullable=False),  # the raw bytes
    ],
    metadata=_metadata("quarantine"),
)


def key(site: str, post_id: int) -> str:
    """The key of a post as it is written in signals, evidence and on the command line."""
    return f"{site}:{post_id}"


def check(actual: pa.Schema, expected: pa.Schema, where: str) -> None:
    """Hold a schema against the expected one, metadata included.

    Raises:
        InputError: names `where`, every column that is missing, unknown or of another type, and both versions.
    """
    version, ours = (
        (of.metadata or {}).get(b"socorpus.version", default).decode()
        for of, default in ((actual, b"none"), (expected, VERSION.encode()))
    )
    if version != ours:
        raise InputError(f"{where}: written by schema version {version}, this is version {ours}; build it again")
    have, want = {f.name: f.type for f in actual}, {f.name: f.type for f in expected}
    differences = [f"column {name} is missing" for name in want if name not in have]
    differences += [f"column {name} is not known" for name in have if name not in want]
    differences += [
        f"column {name} is {have[name]}, not {want[name]}" for name in want if name in have and have[name] != want[name]
    ]
    if differences:
        raise InputError(f"{where}: {'; '.join(differences)}: of another release of socorpus; build it again")
