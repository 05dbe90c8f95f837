"""Documents from a few rows written by hand, and from a real site."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from lxml import etree

from socorpus.corpus import schema
from socorpus.corpus.config import Documents
from socorpus.corpus.documents import build as documents_build
from socorpus.corpus.documents import html

Row = dict[str, Any]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _table(name: str, rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist([{"site": "s", **row} for row in rows], schema=schema.dump_schema(name))


def _read(file: Path, name: str) -> pa.Table:
    rows = []
    for _, element in etree.iterparse(file, tag="row"):
        row: Row = {}
        for attribute in schema.DUMP[name]:
            value = element.get(attribute.xml)
            if value is not None and pa.types.is_integer(attribute.type):
                row[attribute.column] = int(value)
            elif value is not None and pa.types.is_timestamp(attribute.type):
                row[attribute.column] = _time(value)
            elif value is not None and pa.types.is_list(attribute.type):
                row[attribute.column] = value.strip("<>").split("><")
            elif value is not None:
                row[attribute.column] = value
        rows.append(row)
    return _table(name, rows)


def _build(
    posts: list[Row],
    comments: list[Row] | None = None,
    history: list[Row] | None = None,
    authors: list[Row] | None = None,
    config: Documents | None = None,
    host: str | None = "s.example",
) -> list[Row]:
    users = pa.schema([("user_id", pa.int64()), ("display_name", pa.string())])
    table = documents_build.build(
        _table("posts", posts),
        _table("comments", comments or []),
        None if history is None else _table("history", history),
        None if authors is None else pa.Table.from_pylist(authors, schema=users),
        site="s",
        host=host,
        config=config or Documents(),
    )
    table.validate(full=True)
    schema.check(table.schema, schema.DOCUMENTS, "built")
    rows: list[Row] = table.to_pylist()
    return rows


QUESTION: Row = {
    "post_id": 10,
    "post_type_id": 1,
    "accepted_answer_id": 12,
    "creation_date": _time("2011-04-07T10:00:00"),
    "score": 3,
    "view_count": 9,
    "answer_count": 2,
    "title": "How?",
    "tags": ["python", "list"],
    "body": "<p>Try <code>x</code>:</p>\n\n<pre><code>y = 1\n</code></pre>\n",
    "owner_user_id": 7,
}
ANSWER: Row = {
    "post_id": 12,
    "post_type_id": 2,
    "parent_id": 10,
    "creation_date": _time("2018-05-02T00:00:00"),
    "score": -1,
    "body": '<p>So: <a href="/q/1">see</a></p>',
    "owner_display_name": "gone",
}


def test_a_question_and_its_answer() -> None:
    question, answer = _build(
        [ANSWER, QUESTION], history=[{"history_id": 1, "post_id": 10}, {"history_id": 2, "post_id": 10}]
    )
    assert (question["kind"], question["post_id"], question["thread_id"]) == ("question", 10, 10)
    assert (answer["kind"], answer["post_id"], answer["thread_id"]) == ("answer", 12, 10)
    assert question["text"] == "Try x:\n\ny = 1\n"
    assert question["own_end"] == len(question["text"])
    assert [(s["kind"], s["language"], s["id"]) for s in question["segments"]] == [
        ("prose", None, 10),
        ("inline_code", None, 10),
        ("prose", None, 10),
        ("code", "python", 10),
    ]
    assert answer["title"] == "How?"
    assert answer["tags"] == question["tags"] == ["python", "list"]
    assert (question["accepted"], answer["accepted"]) == (False, True)
    assert (question["score"], answer["score"]) == (3, -1)
    assert (question["views"], question["answers"], answer["views"]) == (9, 2, None)
    assert (question["revisions"], answer["revisions"]) == (2, 0)
    assert (question["url"], answer["url"]) == ("https://s.example/q/10", "https://s.example/a/12")
    assert (question["license"], answer["license"]) == ("CC BY-SA 2.5", "CC BY-SA 4.0")
    assert answer["links"] == [{"start": 4, "end": 7, "target": "/q/1"}]
    assert _build([QUESTION])[0]["revisions"] is None


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("s.example", "https://s.example/q/10"),
        ("http://s.example:81/base", "http://s.example:81/base/q/10"),
        (None, None),
    ],
)
def test_the_address_of_a_post_is_that_of_its_site_or_null(host: str | None, url: str | None) -> None:
    assert [row["url"] for row in _build([QUESTION], host=host)] == [url]


def test_comments_follow_in_the_order_of_their_dates() -> None:
    late, early = _time("2020-01-02T00:00:00"), _time("2020-01-01T00:00:00")
    comments: list[Row] = [
        {"comment_id": 3, "post_id": 12, "text": "last", "creation_date": late},
        {"comment_id": 2, "post_id": 12, "text": "no `b` [c](http://d.e)", "creation_date": early},
        {"comment_id": 1, "post_id": 12, "text": "first", "creation_date": early},
        {"comment_id": 4, "post_id": 12, "text": " ", "creation_date": early},
        {"comment_id": 5, "post_id": 99, "text": "elsewhere", "creation_date": early},
    ]
    (answer,) = _build([ANSWER], comments)
    assert answer["text"] == "So: see\n\nfirst\n\nno b c\n\nlast"
    assert answer["own_end"] == 7
    assert answer["comments"] == 3
    assert [(s["kind"], s["id"], answer["text"][s["start"] : s["end"]]) for s in answer["segments"]] == [
        ("prose", 12, "So: see"),
        ("comment", 1, "first"),
        ("comment", 2, "no"),
        ("inline_code", 2, "b"),
        ("comment", 2, "c"),
        ("comment", 3, "last"),
    ]
    assert [answer["text"][link["start"] : link["end"]] for link in answer["links"]] == ["see", "c"]
    (alone,) = _build([ANSWER], comments, config=Documents(comments=False))
    assert (alone["text"], alone["comments"]) == ("So: see", 0)


def test_rows_that_lack_almost_everything() -> None:
    posts: list[Row] = [
        {"post_id": 5, "post_type_id": 2, "parent_id": 4, "creation_date": _time("2012-01-01T00:00:00")},
        {"post_id": 6, "post_type_id": 1, "creation_date": _time("1969-12-31T00:00:00")},
        {"post_id": 7, "post_type_id": 2, "creation_date": _time("2012-01-01T00:00:00")},
        {"post_id": 8, "post_type_id": 5, "creation_date": _time("2012-01-01T00:00:00"), "body": "wiki"},
    ]
    answer, question, orphan = _build(posts, [{"comment_id": 1, "post_id": 6, "text": "hm"}])
    assert (answer["kind"], answer["thread_id"], answer["title"], answer["tags"]) == ("answer", 4, None, [])
    assert (answer["text"], answer["own_end"], answer["segments"], answer["score"]) == ("", 0, [], 0)
    assert (answer["created"], answer["closed"]) == (_time("2012-01-01T00:00:00"), None)
    assert answer["license"] == "CC BY-SA 3.0"
    assert (question["kind"], question["text"], question["own_end"]) == ("question", "hm", 0)
    assert question["created"] == _time("1969-12-31T00:00:00")
    assert (orphan["kind"], orphan["thread_id"], orphan["accepted"]) == ("answer", 7, False)


def test_of_rows_with_one_identifier_the_last_counts() -> None:
    (post,) = _build(
        [QUESTION, {**QUESTION, "body": "new"}],
        [{"comment_id": 1, "post_id": 10, "text": "old"}, {"comment_id": 1, "post_id": 10, "text": "newer"}],
    )
    assert post["text"] == "new\n\nnewer"


@pytest.mark.parametrize(
    ("row", "authors", "name"),
    [
        ({"owner_user_id": 7}, [{"user_id": 1, "display_name": "x"}, {"user_id": 7, "display_name": "Ann"}], "Ann"),
        ({"owner_user_id": 7, "owner_display_name": ""}, [{"user_id": 7, "display_name": "Ann"}], "Ann"),
        ({"owner_user_id": 7, "owner_display_name": "Bo"}, [{"user_id": 7, "display_name": "Ann"}], "Bo"),
        ({"owner_user_id": 7}, [], None),
        ({"owner_user_id": None}, [{"user_id": None, "display_name": "nobody"}], None),
        ({"owner_user_id": 7}, None, None),
    ],
)
def test_authors(row: Row, authors: list[Row] | None, name: str | None) -> None:
    (post,) = _build([{**QUESTION, **row}], authors=authors)
    assert (post["author"], post["author_id"]) == (name, row["owner_user_id"])


@pytest.mark.parametrize(
    ("day", "given", "license"),
    [
        ("2011-04-07T23:59:59", None, "CC BY-SA 2.5"),
        ("2011-04-08T00:00:00", None, "CC BY-SA 3.0"),
        ("2018-05-01T23:59:59", "", "CC BY-SA 3.0"),
        ("2018-05-02T00:00:00", None, "CC BY-SA 4.0"),
        ("2018-05-02T00:00:00", "CC BY-SA 3.0", "CC BY-SA 3.0"),
    ],
)
def test_licenses(day: str, given: str | None, license: str) -> None:
    (post,) = _build([{**QUESTION, "creation_date": _time(day), "content_license": given}])
    assert post["license"] == license


def test_the_digest_moves_with_what_signals_see() -> None:
    comment: Row = {"comment_id": 1, "post_id": 10, "text": "a"}
    base = _build([QUESTION], [comment])[0]["digest"]
    assert _build([{**QUESTION, "score": 99, "view_count": 1}], [comment])[0]["digest"] == base
    changed = [
        _build([{**QUESTION, "title": "What?"}], [comment]),
        _build([{**QUESTION, "body": "<p>Try x:</p>\n\n<pre><code>y = 1\n</code></pre>\n"}], [comment]),
        _build([QUESTION], [{**comment, "text": "b"}]),
        _build([QUESTION]),
        # The same text and title as an answer.
        _build([{**QUESTION, "post_type_id": 2}], [comment]),
        # The same text, another end of the post's own.
        _build([{**QUESTION, "body": QUESTION["body"] + "<p>a</p>"}]),
    ]
    digests = {row["digest"] for (row,) in changed}
    assert len(digests) == len(changed)
    assert base not in digests


def test_no_rows() -> None:
    assert _build([]) == []


@pytest.fixture(scope="module")
def site(real_data: Path) -> dict[str, pa.Table]:
    folder = real_data / "dumps" / "bicycles.meta.stackexchange.com-2023-08"
    files = {"posts": "Posts", "comments": "Comments", "history": "PostHistory"}
    return {name: _read(folder / f"{file}.xml", name) for name, file in files.items()}


def test_a_real_site(site: dict[str, pa.Table]) -> None:
    host = "bicycles.meta.stackexchange.com"
    table = documents_build.build(
        site["posts"], site["comments"], site["history"], None, site=host, host=host, config=Documents()
    )
    table.validate(full=True)
    rows = table.to_pylist()
    posts = {row["post_id"]: row for row in site["posts"].to_pylist() if row["post_type_id"] in (1, 2)}
    assert [row["post_id"] for row in rows] == sorted(posts)
    comments = {row["comment_id"]: row for row in site["comments"].to_pylist()}
    assert sum(row["comments"] for row in rows) == sum(row["post_id"] in posts for row in comments.values())
    histories = site["history"].column("post_id").to_pylist()
    for row in rows:
        text, post = row["text"], posts[row["post_id"]]
        assert text[: row["own_end"]] == html.html(post["body"]).text
        assert row["title"] == posts[row["thread_id"]]["title"]
        assert row["accepted"] == (posts[row["thread_id"]]["accepted_answer_id"] == row["post_id"])
        assert row["created"] == post["creation_date"]
        assert row["license"] == post["content_license"]
        assert row["revisions"] == histories.count(row["post_id"])
        done = 0
        for segment in row["segments"]:
            assert done <= segment["start"] < segment["end"] <= len(text)
            assert not text[done : segment["start"]].strip()
            done = segment["end"]
            if done <= row["own_end"]:
                assert segment["id"] == row["post_id"]
                assert segment["kind"] != "comment"
            else:
                assert comments[segment["id"]]["post_id"] == row["post_id"]
                assert segment["kind"] in ("comment", "inline_code")
        for link in row["links"]:
            assert 0 <= link["start"] < link["end"] <= len(text)


def test_licences_by_date_are_the_publishers_own(site: dict[str, pa.Table]) -> None:
    posts = site["posts"]
    column = posts.schema.get_field_index("content_license")
    bare = posts.set_column(column, "content_license", pa.nulls(len(posts), pa.string()))
    built = [
        documents_build.build(table, site["comments"], None, None, site="s", host="h", config=Documents())
        for table in (posts, bare)
    ]
    assert len(set(built[0].column("license").to_pylist())) == 3
    same = sum(a == b for a, b in zip(*(table.column("license").to_pylist() for table in built), strict=True))
    # The publisher's is the last revision's, so later edits move a few.
    assert same / len(posts) > 0.8
