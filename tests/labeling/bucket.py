"""Buckets of threads made by hand, and those of built corpora, as labelling functions see them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from socorpus.corpus import schema
from socorpus.corpus.config import Documents
from socorpus.corpus.documents import build as documents_build
from socorpus.labeling import plugin_calls
from socorpus.labeling.functions import Threads, Vote, of_task
from socorpus.labeling.schema import TASKS

SITE = "made.example.com"
START = datetime(2015, 1, 1, tzinfo=UTC)
Row = Mapping[str, Any]


def day(number: float) -> datetime:
    """So many days after the first of January 2015."""
    return START + timedelta(days=number)


def question(post: int = 1, **changes: Any) -> Row:
    row = {"post_id": post, "post_type_id": 1, "creation_date": day(0), "score": 0, "body": "<p>How is it done?</p>"}
    return row | {"title": "A title", "tags": ["python", "django"], "owner_user_id": 1, "answer_count": 0} | changes


def answer(post: int, parent: int = 1, **changes: Any) -> Row:
    row = {"post_id": post, "post_type_id": 2, "parent_id": parent, "creation_date": day(1), "score": 1}
    return row | {"body": "<p>It is done so.</p>", "owner_user_id": 2} | changes


def comment(number: int, post: int, text: str, when: float = 10, user: int = 5) -> Row:
    row = {"comment_id": number, "post_id": post, "text": text, "creation_date": day(when), "user_id": user}
    return row | {"score": 0}


def event(number: int, post: int, kind: int, when: float, text: str | None = None, **changes: Any) -> Row:
    row = {"history_id": number, "post_id": post, "post_history_type_id": kind, "creation_date": day(when)}
    return row | {"text": text, "revision_guid": f"{number:08d}-0000-0000-0000-000000000000", "user_id": 1} | changes


def threads(
    posts: Sequence[Row],
    comments: Sequence[Row] = (),
    history: Sequence[Row] | None = None,
    links: Sequence[Row] = (),
    votes: Sequence[Row] = (),
    tags: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
) -> Threads:
    """A bucket of such rows; without `history` the site has no such table."""

    def table(name: str, rows: Sequence[Row]) -> pa.Table:
        return pa.Table.from_pylist([{"site": SITE, **row} for row in rows], schema=schema.dump_schema(name))

    events = None if history is None else table("history", history)
    made, said = table("posts", posts), table("comments", comments)
    texts = documents_build.build(made, said, events, None, site=SITE, host=SITE, config=Documents())
    named = table("tags", [{"tag_id": number, "tag_name": name} for number, name in enumerate(tags)])
    return Threads(SITE, texts, made, said, table("links", links), table("votes", votes), events, named, facts or {})


def with_examples(task: str, bucket: Threads) -> Threads:
    """The bucket with the examples of a task of whole texts, as labelling functions see them."""

    def make(some: Threads) -> pa.Table:
        return plugin_calls.examples(TASKS[task], replace(some, make_examples=None), [])

    return replace(bucket, make_examples=make)


def found(task: str, bucket: Threads) -> dict[str, dict[int, Vote]]:
    """Votes of each function of a task, by post."""
    return {one.name: {vote.post_id: vote for vote in one.find(bucket)} for one in of_task(task)}


def labels(task: str, bucket: Threads, post: int) -> dict[str, str]:
    """What each function says of a post."""
    return {name: by[post].label for name, by in found(task, bucket).items() if post in by}


def every(task: str, bucket: Threads) -> list[Vote]:
    return [vote for one in of_task(task) for vote in one.find(bucket)]


def of_corpus(root: Path, module: Any = None) -> list[Threads]:
    """All buckets of a built corpus, with the facts of a task's module."""
    made = list(_read(root))
    if module is None:
        return made
    facts = module.merge([module.collect(one) for one in made])
    return [replace(one, facts=facts) for one in made]


def _read(root: Path) -> Iterator[Threads]:
    for path in sorted((root / "documents").rglob("*.parquet")):
        bucket = path.relative_to(root / "documents")

        def table(name: str, bucket: Path = bucket) -> pa.Table | None:
            file = root / "tables" / name / bucket
            return pq.read_table(file) if file.exists() else None

        def some(name: str, bucket: Path = bucket) -> pa.Table:
            found = table(name, bucket)
            return schema.dump_schema(name).empty_table() if found is None else found

        site = bucket.parts[0]
        tags = [pq.read_table(part) for part in sorted((root / "tables/tags" / site).glob("*.parquet"))]
        tagged = pa.concat_tables([schema.dump_schema("tags").empty_table(), *tags])
        rest = [some(name) for name in ("posts", "comments", "links", "votes")]
        yield Threads(site, pq.read_table(path), *rest, table("history"), tagged)
