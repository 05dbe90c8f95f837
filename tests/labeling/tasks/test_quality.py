"""Quality of questions."""

from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus.sample.writer import Truth
from socorpus.labeling.functions import Threads, of_task
from socorpus.labeling.tasks import quality
from tests.labeling.bucket import answer, comment, day, event, every, found, labels, of_corpus, question, threads

TASK = "quality"
SITE = "made.example.com"


def edits(post: int, *users: int | None, kind: int = 5) -> list[Any]:
    return [event(50 + post * 10 + n, post, kind, 2 + n, f"v{n}", user_id=user) for n, user in enumerate(users)]


def crowd(count: int = 100) -> list[Any]:
    """Questions of scores 0, 1, 2 …, of one year."""
    return [question(1000 + n, score=n, view_count=10 * n) for n in range(count)]


def with_facts(bucket: Threads) -> Threads:
    from dataclasses import replace

    return replace(bucket, facts=quality.merge([quality.collect(bucket)]))


def test_there_are_enough_functions() -> None:
    assert len(of_task(TASK)) >= 6


def test_the_classes_of_the_public_set() -> None:
    closed = {"closed_date": day(9)}
    bucket = threads(
        [
            question(1, score=30),
            question(2, score=45),
            question(3, score=-2),
            question(4, score=-2),
            question(5, score=-1, **closed),
            question(6, score=-1, **closed),
            question(7, score=29),
        ],
        history=[
            *(event(n, n, 2, 0, "first") for n in range(1, 8)),
            *edits(2, 9),
            *edits(3, 8, 9),
            *edits(4, 9),
            *edits(6, 9),
            event(200, 5, 10, 9, comment="102"),
            event(201, 6, 10, 9, comment="102"),
        ],
    )
    said = {post: vote.label for post, vote in found(TASK, bucket)["as_in_the_public_set"].items()}
    assert said == {1: "HQ", 3: "LQ_EDIT", 5: "LQ_CLOSE"}


def test_edits_by_the_owner_and_the_system_are_not_others() -> None:
    rows = [event(1, 1, 2, 0, "x"), *edits(1, 1, -1, 7, None), event(99, 1, 8, 30, "x", user_id=8)]
    one = quality.judged(threads([question(1)], history=rows))[1]
    # The edit of a deleted account counts: the owner's is known.
    assert one.edits == 3 and one.edited
    nobody = threads([question(1, owner_user_id=None, owner_display_name="old")], history=[*edits(1, None)])
    assert quality.judged(nobody)[1].edits == 0


def test_ranks_are_those_of_the_site_and_year() -> None:
    late = [question(5000 + n, score=100 + n, creation_date=day(800)) for n in range(60)]
    bucket = with_facts(threads([*crowd(), *late, question(9000, score=100, creation_date=day(2000))]))
    ranks = {post: one.rank for post, one in quality.judged(bucket).items()}
    assert ranks[1000] == pytest.approx(0.005) and ranks[1099] == pytest.approx(0.995)
    assert ranks[5000] == pytest.approx(0.5 / 60)
    # A year of one question is held against all years.
    assert ranks[9000] == pytest.approx((100 + 2 / 2) / 161)


def test_facts_are_sums_over_buckets() -> None:
    one, two = threads(crowd(3)), threads(crowd(2))
    facts = quality.merge([quality.collect(one), quality.collect(two)])["sites"][SITE]
    assert facts["scores"]["2015"] == facts["scores"]["all"] == {"0": 2, "1": 2, "2": 1}
    assert sum(facts["views"]["all"].values()) == 5


def test_without_facts_the_bucket_itself_is_the_crowd() -> None:
    bucket = threads(crowd())
    assert quality.judged(bucket)[1099].rank == quality.judged(with_facts(bucket))[1099].rank


def test_functions_each_see_what_they_are_named_for() -> None:
    cast = [{"vote_id": n, "post_id": 3, "vote_type_id": 5, "creation_date": day(n)} for n in range(6)]
    cast += [{"vote_id": 50 + n, "post_id": 4, "vote_type_id": 3, "creation_date": day(n)} for n in range(3)]
    posts = [
        question(1, score=95, answer_count=2, accepted_answer_id=11),
        question(2, score=90, view_count=10_000_000),
        question(3, score=60),
        question(4, score=0),
        question(5, score=10, closed_date=day(9)),
        answer(11, 1),
        answer(12, 1),
    ]
    remark = comment(7, 4, "What have you tried? Please add your code.")
    history = [*edits(4, 8, 9), event(5, 5, 10, 9, comment="104")]
    bucket = with_facts(threads([*crowd(), *posts], [remark], history, votes=cast))
    said = {post: labels(TASK, bucket, post) for post in range(1, 6)}
    assert said[1] == {"as_in_the_public_set": "HQ", "score_in_its_year": "HQ", "well_answered": "HQ"}
    assert said[2]["much_viewed"] == "HQ"
    assert said[3] == {"as_in_the_public_set": "HQ", "favourites": "HQ"}
    low = {"score_in_its_year", "edited_by_others", "down_votes", "comments_ask_for_more"}
    assert said[4] == dict.fromkeys(low, "LQ_EDIT")
    assert said[5] == {"as_in_the_public_set": "LQ_CLOSE", "closed_by_others": "LQ_CLOSE"}
    assert found(TASK, bucket)["comments_ask_for_more"][4].gives_away == (7,)


def test_a_duplicate_is_not_of_low_quality() -> None:
    history = [event(5, 1, 10, 9, '{"OriginalQuestionIds":[2]}', comment="101")]
    bucket = threads([question(1, closed_date=day(9)), question(2)], history=history)
    assert labels(TASK, bucket, 1) == {}
    assert quality.judged(bucket)[1].value > quality.judged(threads([question(1, closed_date=day(9))]))[1].value


def test_every_vote_tells_the_quality_from_0_to_1(real_corpus: Path) -> None:
    seen = 0
    for bucket in of_corpus(real_corpus, quality):
        for vote in every(TASK, bucket):
            assert 0 <= vote.evidence["quality"] <= 1
            seen += 1
    assert seen > 1000


def test_the_text_is_the_first_revision_of_every_class(real_corpus: Path) -> None:
    for bucket in of_corpus(real_corpus, quality):
        votes = every(TASK, bucket)
        rows = quality.examples(bucket, votes)
        rows.validate(full=True)
        assert rows.num_rows == bucket.documents["kind"].to_pylist().count("question")
        known = set(bucket.history["post_id"].to_pylist()) if bucket.history is not None else set()
        for row in rows.to_pylist():
            assert row["form"] == ("first_revision" if row["post_id"] in known else "published")
            assert row["own_end"] == len(row["text"])


def test_first_text_and_title() -> None:
    first = {"revision_guid": "00000001-0000-0000-0000-000000000000"}
    history = [
        event(1, 1, 2, 0, "**old** text", **first),
        event(2, 1, 1, 0, "Old title", **first),
        event(3, 1, 3, 0, "<old>", **first),
        event(4, 1, 5, 2, "new text"),
        event(5, 1, 4, 2, "New title"),
    ]
    bucket = threads([question(1, title="New title", body="<p>new text</p>")], [comment(1, 1, "Hm.")], history)
    row = quality.examples(bucket, []).to_pylist()[0]
    assert (row["title"], row["text"], row["tags"], row["form"]) == ("Old title", "old text", ["old"], "first_revision")


def test_the_plants_of_a_sample(sample: Truth, built: Path) -> None:
    planted = {(one["site"], one["post_id"]): one["label"] for one in sample.planted("quality")}
    hits = wrong = missed = 0
    for bucket in of_corpus(built, quality):
        if bucket.history is None:
            continue
        said = {post: vote.label for post, vote in found(TASK, bucket)["as_in_the_public_set"].items()}
        for post in quality.judged(bucket):
            wanted = planted.get((bucket.site, post))
            hits += wanted is not None and said.get(post) == wanted
            missed += wanted is not None and post not in said
            wrong += wanted is not None and said.get(post) not in (None, wanted)
    # What is closed as a duplicate has no class.
    assert hits > 150 and wrong == 0 and missed < 0.2 * hits, (hits, wrong, missed)
