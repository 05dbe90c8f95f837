"""Facts of posts: what settles them, and that no task contradicts them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from socorpus.labeling.facts import post_facts, remarks, site_business
from socorpus.labeling.functions import Threads, of_task
from socorpus.labeling.schema import FACTS, REASON_SOURCES
from socorpus.labeling.tasks import closure, quality
from tests.labeling.bucket import answer, comment, day, event, every, of_corpus, question, threads
from tests.labeling.tasks.test_quality import duplicates_without_history

CLOSED = {"closed_date": day(9)}


def settled(bucket: Threads) -> dict[int, dict[str, Any]]:
    table = post_facts.settle(bucket)
    table.validate(full=True)
    assert table.schema == FACTS and table["post_id"].to_pylist() == bucket.documents["post_id"].to_pylist()
    return {row["post_id"]: row for row in table.to_pylist()}


def test_who_closed_it_when_and_why() -> None:
    voters = '{"Voters":[{"Id":8,"DisplayName":"A"},{"Id":9,"DisplayName":"B"},{"DisplayName":"gone"}]}'
    rows = [
        event(1, 1, 10, 2, "[]", comment="1", user_id=5),
        event(2, 1, 11, 3, voters),
        event(3, 1, 10, 4, voters, comment="103"),
        event(4, 2, 10, 4, '{"Voters":[{"Id":1}]}', comment="101"),
        event(5, 3, 10, 4, "[]", comment="104"),
        event(6, 3, 11, 5),
    ]
    facts = settled(threads([question(1), question(2), question(3), answer(4)], history=rows))
    assert (facts[1]["closed"], facts[1]["reason"], facts[1]["reason_number"]) == (True, "needs_details", "103")
    assert (facts[1]["closed_by"], facts[1]["closings"], facts[1]["reopened"]) == ([8, 9], 2, False)
    assert (facts[1]["closed_at"], facts[1]["first_closed"]) == (day(4), day(2))
    assert facts[2]["by_owner"] and facts[2]["duplicate"] and not facts[1]["by_owner"]
    assert (facts[3]["closed"], facts[3]["reason"], facts[3]["reopened"]) == (False, None, True)
    assert facts[4]["closed"] is None and facts[4]["reason"] is None


@pytest.mark.parametrize("number", [True, 10**30, "7", None, 1.5])
def test_voters_that_are_no_numbers_are_left_out(number: object) -> None:
    import json

    rows = [event(1, 1, 10, 2, json.dumps({"Voters": [{"Id": number}, 3], "OriginalQuestionIds": [number]}), user_id=5)]
    facts = settled(threads([question(1)], history=rows))[1]
    assert facts["closed_by"] == [5] and facts["originals"] == [] and facts["reason"] == "closed"


def test_the_surest_source_of_a_reason_counts_and_all_are_kept() -> None:
    facts = post_facts.of_posts(duplicates_without_history())
    assert {post: facts[post].reason_by for post in range(1, 5)} == {1: "link", 2: "banner", 3: "remark", 4: "title"}
    assert all(facts[post].duplicate for post in range(1, 5)) and not facts[1000].closed
    both = [comment(5, 1, "Possible duplicate of [How](https://x/1)"), comment(6, 1, "Closed as too broad.")]
    undecided = post_facts.of_posts(threads([question(1, **CLOSED)], both))[1]
    assert (undecided.value, undecided.reason_by, undecided.duplicate) == ("closed", "nothing", False)
    assert undecided.perhaps_duplicate and not facts[1].perhaps_duplicate


def test_a_mark_of_the_title_counts_only_where_there_is_no_history() -> None:
    posts = [question(1, title="Giveaway [closed]"), question(2, title="How? [duplicate]", **CLOSED)]
    assert [facts.value for facts in post_facts.of_posts(threads(posts)).values()] == ["closed", "duplicate"]
    logged = post_facts.of_posts(threads(posts, history=[]))
    assert [facts.value for facts in logged.values()] == ["open", "duplicate"]


@pytest.mark.parametrize(
    ("title", "mark"),
    [
        ("How? [duplicate]", "duplicate"),
        ("How? [on hold] ", "closed"),
        ("¿Cómo? [duplicada]", "duplicate"),
        ("Sorting a [list]", None),
        ("[closed] form of a series", None),
        (None, None),
    ],
)
def test_marks_of_titles(title: str | None, mark: str | None) -> None:
    found = remarks.title_mark(title)
    assert (found[0] if found else None) == mark


@pytest.mark.parametrize(
    ("site", "meta"),
    [
        ("beer.meta.stackexchange.com", True),
        ("meta.stackoverflow.com", True),
        ("coffee.meta.stackexchange.com-2020-07", True),
        ("metaphysics.example.com", False),
        ("beer.stackexchange.com", False),
    ],
)
def test_meta_sites(site: str, meta: bool) -> None:
    assert site_business.meta_site(site) == meta


def test_posts_about_the_site() -> None:
    posts = [
        question(1, title="Let's get critical: Jan 2014 Site Self-Evaluation", owner_user_id=-1),
        question(2, title="2014 Community Moderator Election"),
        question(3, title="Who won?", tags=["election"]),
        question(4, title="The winners", tags=["photo-contest"]),
        question(5, title="May I ask about wine?"),
    ]
    rows = [event(1, 5, 35, 2, comment="to https://beer.meta.example.com/questions/5")]
    meta = replace(threads(posts, history=rows), site="beer.meta.example.com")
    facts = post_facts.of_posts(meta)
    assert {post for post, of_post in facts.items() if of_post.announcement} == {1, 2, 4}
    assert {post for post, of_post in facts.items() if of_post.self_evaluation} == {1}
    assert all(of_post.business for of_post in facts.values())
    facts = post_facts.of_posts(threads(posts, history=rows))
    assert {post for post, of_post in facts.items() if of_post.business} == {1, 5}
    assert facts[5].migrated == "away" and facts[5].meta


def assert_tasks_agree(bucket: Threads) -> int:
    """Hold the votes of closure and quality against the facts, and against one another; the number compared."""
    facts = post_facts.of_posts(bucket)
    closed = {vote.post_id: vote.label for vote in every("closure", replace(bucket, facts={}))}
    with_facts = replace(bucket, facts=quality.merge([quality.collect(bucket)]))
    judged = every("quality", with_facts)
    assert closed == {post: of_post.value for post, of_post in facts.items()}
    for vote in judged:
        of_post, value = facts[vote.post_id], closed[vote.post_id]
        assert (vote.label == "LQ_CLOSE") == (value != "open"), (bucket.site, vote)
        assert (value != "duplicate" and not of_post.business and of_post.migrated != "away") or value == "open"
    for of_post in facts.values():
        assert of_post.duplicate == (of_post.value == "duplicate") and not (of_post.reopened and of_post.closed)
        assert of_post.reason_by in (None, *REASON_SOURCES) and (of_post.reason_by is None) == (not of_post.closed)
    return len(judged)


def test_no_two_tasks_contradict_each_other() -> None:
    assert_tasks_agree(duplicates_without_history())
    posts = [question(n, score=-3, **(CLOSED if n % 2 else {})) for n in range(1, 60)]
    rows = [event(n, n, 10 + n % 3 // 2, n, comment=reason) for n, reason in enumerate([*"12347", "102", "103"] * 6, 1)]
    rows += [event(100 + n, n, 11, 80) for n in range(1, 40, 7)]
    assert assert_tasks_agree(threads(posts, history=rows)) > 5


def test_no_two_tasks_contradict_each_other_in_a_sample(built: Path) -> None:
    assert sum(assert_tasks_agree(bucket) for bucket in of_corpus(built)) > 200


def test_no_two_tasks_contradict_each_other_on_real_sites(real_corpus: Path) -> None:
    assert sum(assert_tasks_agree(bucket) for bucket in of_corpus(real_corpus)) > 100


def test_every_question_of_real_sites_has_one_value_of_closure(real_corpus: Path) -> None:
    for bucket in of_corpus(real_corpus, closure):
        posts = [vote.post_id for function in of_task("closure") for vote in function.find(bucket)]
        assert sorted(posts) == sorted(post_facts.of_posts(bucket))
