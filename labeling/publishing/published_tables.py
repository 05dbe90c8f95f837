"""The tables of a published folder: their schemas, the meaning of each column, and the rule by which rows come
about."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from socorpus.corpus import schema
from socorpus.labeling import schema as label_schema
from socorpus.labeling.export import formats

LABELS = "labels-"
"""Beginning of the names of the tables with labels; the task's name follows."""
DATA = "data"
"""Folder of a published folder with all tables."""


def _origin(prefix: str = "") -> list[pa.Field]:
    """What attribution needs, of a post."""
    return [
        pa.field(f"{prefix}url", pa.string(), nullable=False),
        pa.field(f"{prefix}license", pa.string(), nullable=False),
        pa.field(f"{prefix}author", pa.string()),
        pa.field(f"{prefix}author_id", pa.int64()),
    ]


def _table(*fields: pa.Field) -> pa.Schema:
    return pa.schema(fields)


_SITE = pa.field("site", pa.string(), nullable=False)
_THREAD = pa.field("thread_id", pa.int64(), nullable=False)
_TAGS = pa.field("tags", pa.list_(pa.string()), nullable=False)


def _text(name: str) -> pa.Field:
    return pa.field(name, pa.string(), nullable=False)


def _number(name: str, kind: pa.DataType | None = None) -> pa.Field:
    return pa.field(name, kind or pa.int32(), nullable=False)


DOCUMENTS = _table(
    *(schema.SHARDS.field(name) for name in schema.SHARDS.names if name not in ("split", "input_ids", "code_tokens"))
)
"""The shards without their tokens; the split is the file's."""

ANSWER = pa.struct(
    [
        _number("post_id", pa.int64()),
        pa.field("created", schema.TIME, nullable=False),
        _number("score"),
        pa.field("accepted", pa.bool_(), nullable=False),
        _text("text"),
        *_origin(),
    ]
)

_PAIRS = _table(
    *schema.KEY,
    _THREAD,
    *(schema.PAIRS.field(name) for name in ("block", "code", "language", "title", "before", "after")),
    *_origin(),
)
_QUESTIONS = _table(
    _SITE,
    _THREAD,
    pa.field("created", schema.TIME, nullable=False),
    _number("score"),
    _TAGS,
    pa.field("title", pa.string()),
    _text("text"),
    *_origin(),
    pa.field("answers", pa.list_(ANSWER), nullable=False),
)
_INSTRUCTIONS = _table(
    _SITE,
    _THREAD,
    _number("answer_id", pa.int64()),
    _TAGS,
    _text("instruction"),
    _text("response"),
    _number("question_score"),
    _number("answer_score"),
    pa.field("accepted", pa.bool_(), nullable=False),
    *_origin("question_"),
    *_origin("answer_"),
)
_PREFERENCES = _table(
    _SITE,
    _THREAD,
    _TAGS,
    _text("prompt"),
    _text("chosen"),
    _text("rejected"),
    _number("margin"),
    *(_number(f"{side}_id", pa.int64()) for side in ("chosen", "rejected")),
    *(_number(f"{side}_score") for side in ("chosen", "rejected")),
    *(pa.field(f"{side}_accepted", pa.bool_(), nullable=False) for side in ("chosen", "rejected")),
    *_origin("question_"),
    *_origin("chosen_"),
    *_origin("rejected_"),
)
_RETRIEVAL = _table(
    _SITE,
    _THREAD,
    _text("query"),
    _text("positive"),
    pa.field("negatives", pa.list_(pa.string()), nullable=False),
    pa.field("negative_ids", pa.list_(pa.int64()), nullable=False),
    _text("tag"),
    *_origin(),
)
ATTRIBUTION = _table(
    *schema.KEY,
    pa.field("comment_id", pa.int64()),
    _text("kind"),
    pa.field("created", schema.TIME, nullable=False),
    pa.field("author", pa.string()),
    pa.field("author_id", pa.int64()),
    pa.field("author_url", pa.string()),
    _text("url"),
    _text("license"),
)

_POST = {
    "site": "the site's name",
    "post_id": "the post's number on its site",
    "thread_id": "the question's `post_id`, of its answers too",
    "kind": "`question` or `answer`",
    "created": "when it was posted",
    "score": "up votes minus down votes at the time of the dump",
    "accepted": "whether the asker accepted the answer",
    "tags": "tags of the question",
    "title": "title of the question",
}
_ORIGIN = {
    "url": "address of the post",
    "license": "licence of the post",
    "author": "name to give as the author; null where the dump has none",
    "author_id": "the author's number on the site: `/users/NUMBER` behind the site's address; null where it has none",
}


def _of(whose: str, prefix: str) -> dict[str, str]:
    return {f"{prefix}{name}": f"{says.partition(';')[0]}, of {whose}" for name, says in _ORIGIN.items()}


@dataclass(frozen=True)
class PublishedTable:
    """One table of a published folder.

    Attributes:
        name: its configuration for `datasets.load_dataset`, and its folder below `data/`.
        says: what a row is.
        rule: how rows come about, for the card and docs/publish.md.
        columns: the schema of its Parquet files.
        meanings: of each column.
    """

    name: str
    says: str
    rule: str
    columns: pa.Schema
    meanings: Mapping[str, str] = field(repr=False)

    @property
    def folder(self) -> str:
        """Where its files lie in a published folder."""
        return f"{DATA}/{self.name}"


TABLES = {
    table.name: table
    for table in (
        PublishedTable(
            "documents",
            "a question or an answer with its comments",
            "Every row of the corpus's shards, in the order of their shuffle, without tokens.",
            DOCUMENTS,
            {
                **_POST,
                **_ORIGIN,
                "text": "the post, then its comments",
                "own_end": "`text[:own_end]` is the post's own, the rest its comments'; code points",
                "segments": "parts of the text: `kind` (prose, code, inline_code, quote, comment), `start` and `end` in"
                " the text, `language` of code, `id` of the post or comment",
            },
        ),
        PublishedTable(
            "pairs",
            "a block of code with the prose around it",
            "Every block of code in a post's own text that is not blank; `before` reaches back to the block before it "
            "or the text's start, `after` to the next block or the end of the post's own text.",
            _PAIRS,
            {
                **_POST,
                **_ORIGIN,
                "block": "number of the block in the post, from 0",
                "code": "the code",
                "language": "its programming language; null where it is not known",
                "before": "the prose before the code",
                "after": "the prose after it",
            },
        ),
        PublishedTable(
            "questions_with_answers",
            "a question with all of its answers that the corpus keeps",
            "Questions that have an answer in the corpus, without comments. Answers: the accepted one first, then by "
            "score, then the older.",
            _QUESTIONS,
            {
                **_POST,
                **_ORIGIN,
                "text": "the question's own text",
                "answers": "of each answer: `post_id`, `created`, `score`, `accepted`, `text`, `url`, `license`,"
                " `author`, `author_id`",
            },
        ),
        PublishedTable(
            "instructions",
            "a question with its accepted or best answer",
            "Of each question the accepted answer; without one that is in the corpus the answer with the highest score "
            "(of equals the older), if that is 1 or more.",
            _INSTRUCTIONS,
            {
                **_POST,
                "answer_id": "the answer's `post_id`",
                "instruction": "title and own text of the question, a blank line between",
                "response": "own text of the answer",
                "question_score": "score of the question",
                "answer_score": "score of the answer",
                **_of("the question", "question_"),
                **_of("the answer", "answer_"),
            },
        ),
        PublishedTable(
            "preferences",
            "two answers of one question, the better and a worse",
            "An answer's mark is log2(1 + score), rounded to a whole number, -1 where the score is negative, and 1 "
            "more where it was accepted (Askell et al. 2021, A General Language Assistant as a Laboratory for "
            "Alignment). "
            "`chosen` is the answer with the highest mark (of equals that with the higher score, then the older), "
            "`rejected` each other one with a lower mark; `margin` is the difference, 1 or more.",
            _PREFERENCES,
            {
                **_POST,
                "prompt": "title and own text of the question, a blank line between",
                "chosen": "own text of the better answer",
                "rejected": "own text of the worse answer",
                "margin": "difference of their marks, 1 or more",
                **{f"{side}_id": f"`post_id` of `{side}`" for side in ("chosen", "rejected")},
                **{f"{side}_score": f"score of `{side}`" for side in ("chosen", "rejected")},
                **{f"{side}_accepted": f"whether `{side}` was accepted" for side in ("chosen", "rejected")},
                **_of("the question", "question_"),
                **_of("`chosen`", "chosen_"),
                **_of("`rejected`", "rejected_"),
            },
        ),
        PublishedTable(
            "retrieval",
            "a question's title, its text, and texts of other questions on the same thing",
            "Questions with a title and a text. `negatives` are own texts of up to three other questions of the same "
            "site and split that share the question's rarest `tag`, drawn by a hash; none with the same title, and "
            "none that the dump links to the question in either direction. On large sites they are drawn from one part "
            "of the site. A question without such others is left out.",
            _RETRIEVAL,
            {
                **_POST,
                **_ORIGIN,
                "query": "the question's title",
                "positive": "its own text",
                "negatives": "own texts of other questions with the tag",
                "negative_ids": "`post_id` of each of them, by which `attribution` names their authors",
                "tag": "the tag that they share",
            },
        ),
        PublishedTable(
            "attribution",
            "a post or a comment whose text is in the other tables",
            "Every question and answer of `documents` (split `posts`), and every comment in their texts (split "
            "`comments`).",
            ATTRIBUTION,
            {
                **_POST,
                **_ORIGIN,
                "comment_id": "the comment's number on the site; null for a post",
                "kind": "`question`, `answer` or `comment`",
                "author_url": "address of the author on the site; null where no account is known",
                "url": "address of the post, or of the post that the comment is on",
                "license": "licence of the post or comment",
            },
        ),
    )
}
"""The tables that every published folder has, but for those without any row."""


def of_labels(task: label_schema.Task) -> PublishedTable:
    """The table of a task's labels."""
    rule = (
        "Every text of the task whose post the corpus keeps"
        + (", also one without a span." if task.spans else " and that has a label.")
        + " The split is that of the labels (stratified by label), which need not be that of `documents`."
    )
    says = (
        "a text with its labelled spans"
        if task.spans
        else f"{'an answer' if task.unit == 'answer' else 'a question'} with its label"
    )
    return PublishedTable(f"{LABELS}{task.name}", says, rule, formats.table_schema(task), formats.DESCRIPTIONS)
