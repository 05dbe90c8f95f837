"""Rows of a bucket's tables without those of removed posts, comments and authors."""

import json
from typing import Any

import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.takedown import clearing
from socorpus.corpus.takedown.removals import Ids, Name

SITE = "beer.example.com"


def ids(**of: list[int]) -> Ids:
    return Ids.of(Name(SITE, kind, number) for kind, numbers in of.items() for number in numbers)


def table(name: str, *given: dict[str, Any]) -> pa.Table:
    form = schema.dump_schema(name)
    blank = {field.name: None for field in form}
    filled = [{**blank, "site": SITE, **row} for row in given]
    for row in filled:
        row.setdefault("tags", None)
    return pa.Table.from_pylist([{name: row[name] for name in form.names} for row in filled], schema=form)


def bucket() -> dict[str, pa.Table]:
    """Thread 1: a question of 10 with answers 2 (of 11, accepted) and 3 (of 10). Thread 5: a question of 11."""
    voters = {"Voters": [{"Id": 10, "DisplayName": "Ann"}, {"Id": 12, "DisplayName": "Cy"}]}
    return {
        "posts": table(
            "posts",
            {"post_id": 1, "owner_user_id": 10, "accepted_answer_id": 2, "last_editor_user_id": 11},
            {
                "post_id": 2,
                "parent_id": 1,
                "owner_user_id": 11,
                "last_editor_user_id": 10,
                "last_editor_display_name": "Ann",
            },
            {"post_id": 3, "parent_id": 1, "owner_user_id": 10},
            {"post_id": 5, "owner_user_id": 11},
        ),
        "comments": table(
            "comments",
            {"comment_id": 100, "post_id": 1, "user_id": 11, "text": "on the first"},
            {"comment_id": 101, "post_id": 2, "user_id": 10, "text": "of Ann"},
            {"comment_id": 102, "post_id": 5, "user_id": 12, "text": "of Cy"},
        ),
        "history": table(
            "history",
            {"history_id": 1, "post_history_type_id": 2, "post_id": 1, "user_id": 10, "text": "first"},
            {"history_id": 2, "post_history_type_id": 5, "post_id": 5, "user_id": 10, "text": "edited by Ann"},
            {"history_id": 3, "post_history_type_id": 10, "post_id": 5, "user_id": 10, "text": json.dumps(voters)},
            {"history_id": 4, "post_history_type_id": 5, "post_id": 5, "user_id": 12, "text": 'says "Voters"'},
        ),
        "links": table("links", {"link_id": 1, "post_id": 5, "related_post_id": 1}),
        "votes": table("votes", {"vote_id": 1, "post_id": 5, "user_id": 10}, {"vote_id": 2, "post_id": 2}),
    }


def numbers(tables: dict[str, pa.Table], name: str) -> list[int]:
    found: list[int] = tables[name][schema.DUMP[name][0].column].to_pylist()
    return found


def test_a_question_goes_with_all_that_is_about_it_and_its_answers_stay() -> None:
    left = clearing.of_bucket(bucket(), ids(post=[1]))
    assert numbers(left, "posts") == [2, 3, 5]
    assert numbers(left, "comments") == [101, 102] and numbers(left, "history") == [2, 3, 4]
    assert numbers(left, "links") == [1] and numbers(left, "votes") == [1, 2]


def test_of_an_accepted_answer_that_goes_the_question_knows_nothing() -> None:
    left = clearing.of_bucket(bucket(), ids(post=[2]))
    assert numbers(left, "posts") == [1, 3, 5] and left["posts"]["accepted_answer_id"].to_pylist() == [None] * 3
    assert numbers(left, "comments") == [100, 102] and numbers(left, "votes") == [1]


def test_a_thread_goes_as_a_whole() -> None:
    left = clearing.of_bucket(bucket(), ids(thread=[1]))
    assert numbers(left, "posts") == [5] and numbers(left, "comments") == [102] and numbers(left, "votes") == [1]


def test_an_author_goes_with_posts_comments_revisions_and_name() -> None:
    left = clearing.of_bucket(bucket(), ids(author=[10]))
    assert numbers(left, "posts") == [2, 5] and numbers(left, "comments") == [102]
    assert left["posts"]["last_editor_user_id"].to_pylist() == [None, None]
    assert left["posts"]["last_editor_display_name"].to_pylist() == [None, None]
    assert numbers(left, "history") == [3, 4] and left["history"]["user_id"].to_pylist() == [None, 12]
    event, said = left["history"]["text"].to_pylist()
    assert json.loads(event) == {"Voters": [{"Id": 12, "DisplayName": "Cy"}]} and said == 'says "Voters"'
    assert left["votes"]["user_id"].to_pylist() == [None, None] and numbers(left, "votes") == [1, 2]


def test_a_comment_goes_alone_and_twice_is_as_once() -> None:
    some = ids(comment=[101], post=[3], author=[12])
    once = clearing.of_bucket(bucket(), some)
    assert numbers(once, "comments") == [100]
    assert clearing.of_bucket(once, some) == once
    assert clearing.of_bucket(bucket(), ids()) == bucket()


def test_users_and_badges_of_an_author_go_and_tags_stay() -> None:
    users = table("users", {"user_id": 10}, {"user_id": 11})
    assert clearing.of_site("users", users, ids(author=[10]))["user_id"].to_pylist() == [11]
    tags = table("tags", {"tag_id": 10, "tag_name": "hops"})
    assert clearing.of_site("tags", tags, ids(author=[10], post=[10])) == tags


def test_an_author_is_called_by_no_name_where_they_wrote() -> None:
    said = ["@AnnLee: see there", "and @ann, thanks.", "@annlee's own", "mail me@annlee.org", "@annabel no", "@cy yes"]
    comments = [{"comment_id": 200 + at, "post_id": 2, "user_id": 12, "text": text} for at, text in enumerate(said)]
    elsewhere = {"comment_id": 300, "post_id": 5, "user_id": 12, "text": "@ann of another thread"}
    before = {**bucket(), "comments": table("comments", *comments, elsewhere)}
    some = Ids.of(
        [Name(SITE, "author", 10), *(Name(SITE, "mention", n) for n in clearing.names_of(SITE, 10, "Ann Lee"))]
    )
    after = clearing.of_bucket(before, some)["comments"]["text"].to_pylist()
    assert after == [
        *("@[removed]: see there", "and @[removed], thanks.", "@[removed]'s own", "mail me@annlee.org"),
        *("@annabel no", "@cy yes", "@ann of another thread"),
    ]
