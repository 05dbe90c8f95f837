"""Closed questions, against a reading of the XML of its own."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from socorpus.corpus.sample.writer import Truth
from socorpus.labeling.aggregation import dawid_skene
from socorpus.labeling.facts import closings, post_facts, remarks
from socorpus.labeling.functions import of_task
from socorpus.labeling.tasks import closure
from tests.labeling.bucket import comment, day, event, every, labels, of_corpus, question, threads

TASK = "closure"
CLOSED = {"closed_date": day(9)}


def closing(number: int, when: float, reason: str | None, text: str | None = None, **changes: Any) -> Any:
    return event(number, 1, 10, when, text, comment=reason, **changes)


def test_there_are_enough_functions() -> None:
    assert len(of_task(TASK)) >= 6
    assert len({one.name for one in of_task(TASK)}) == len(of_task(TASK))


@pytest.mark.parametrize(
    ("reason", "label"),
    [
        *(("1", "duplicate"), ("2", "off_topic"), ("3", "opinion_based"), ("4", "needs_details"), ("7", "closed")),
        *(("10", "off_topic"), ("20", "off_topic"), ("101", "duplicate"), ("102", "off_topic")),
        *(("103", "needs_details"), ("104", "needs_focus"), ("105", "opinion_based")),
    ],
)
def test_reasons_of_both_eras(reason: str, label: str) -> None:
    bucket = threads([question(**CLOSED)], history=[event(1, 1, 2, 0, "How?"), closing(2, 9, reason)])
    inferred = {"4": "not_a_real_question", "3": "older_reason", "10": "older_reason", "20": "older_reason"}
    function = inferred.get(reason, "events_in_order")
    assert labels(TASK, bucket, 1) == {function: label}
    area51 = threads([question(**CLOSED)], history=[closing(2, 9, None, "[]", close_reason_id=int(reason))])
    assert labels(TASK, area51, 1) == {function: label}


def test_an_unknown_reason_is_closed_and_is_counted() -> None:
    bucket = threads([question(**CLOSED)], history=[closing(2, 9, "99")])
    assert labels(TASK, bucket, 1) == {"reason_not_known": "closed"}
    counts = closure.collect(bucket)["made.example.com"]
    assert counts["counts"]["closed_unexplained"] == 1 and counts["reasons"] == {"99": 1}


def test_events_count_in_order_of_time() -> None:
    rows = [event(3, 1, 11, 5), closing(9, 4, "102"), closing(2, 6, "104")]
    assert labels(TASK, threads([question(**CLOSED)], history=rows), 1) == {"events_in_order": "needs_focus"}
    reopened = threads([question()], history=[event(3, 1, 11, 7), closing(9, 4, "102")])
    assert labels(TASK, reopened, 1) == {"events_in_order": "open"}
    assert post_facts.of_posts(reopened)[1].reopened


def test_a_question_never_closed_is_open_by_its_history() -> None:
    bucket = threads([question()], history=[event(1, 1, 2, 0, "How?")])
    assert labels(TASK, bucket, 1) == {"events_in_order": "open"}


def test_originals_and_links_say_duplicate_and_stay_in_the_evidence() -> None:
    text = '{"OriginalQuestionIds":[7,8],"Voters":[{"Id":1,"DisplayName":"A"}]}'
    link = {"link_id": 1, "post_id": 1, "related_post_id": 7, "link_type_id": 3, "creation_date": day(9)}
    bucket = threads([question(**CLOSED)], history=[closing(2, 9, "101", text)], links=[link])
    assert labels(TASK, bucket, 1) == {"events_in_order": "duplicate"}
    (vote,) = every(TASK, bucket)
    assert vote.evidence["by"] == "event" and vote.evidence["also"] == ["link: duplicate"]
    assert post_facts.of_posts(bucket)[1].closed_by == (1,)
    assert labels(TASK, threads([question()], links=[link]), 1) == {"no_closed_dates": "open"}
    unexplained = threads([question(**CLOSED)], history=[closing(2, 9, None, text)])
    assert labels(TASK, unexplained, 1) == {"events_in_order": "duplicate"}


NOTHING = ["", "[", "null", "[1]", '{"OriginalQuestionIds":"x"}', '[{"Id":1}]', "[" * 90_000, "[1" + "0" * 5_000 + "]"]


@pytest.mark.parametrize("text", NOTHING, ids=range(len(NOTHING)))
def test_texts_of_events_that_say_nothing(text: str) -> None:
    bucket = threads([question(**CLOSED)], history=[closing(2, 9, "101", text)])
    assert labels(TASK, bucket, 1) == {"events_in_order": "duplicate"}


def test_without_history_the_date_says_only_that_it_is_closed() -> None:
    bucket = threads([question(1), question(2, **CLOSED)])
    assert labels(TASK, bucket, 1) == {"closed_date": "open"}
    assert "only closed or open" in every(TASK, bucket)[0].evidence["history"]
    assert labels(TASK, bucket, 2) == {"reason_not_known": "closed"}
    assert closure.merge([closure.collect(bucket)])["sites"]["made.example.com"] == {
        "history": False,
        "counts": {"closed": 1, "closed_unexplained": 1, "closed_without_reason": 1, "open": 1, "questions": 2},
        "reasons": {},
    }


def test_without_history_links_notes_marks_and_comments_give_reasons() -> None:
    note = "<blockquote>\n<p><strong>Possible Duplicate:</strong><br><a>What?</a></p>\n</blockquote>\n<p>How?</p>"
    posts = [question(1, body=note, **CLOSED), question(2, **CLOSED), question(3)]
    posts += [
        question(4, title="How? [duplicate]"),
        question(5, title="How? [closed]"),
        question(6, title="An [array]"),
    ]
    posts += [question(7, title="Как? [дубликат]")]
    remark = comment(4, 2, "I'm voting to close this question as off-topic because it is not about beer.")
    bucket = threads(posts, [remark, comment(5, 3, "I voted to close this as too broad.")])
    assert {post: labels(TASK, bucket, post) for post in range(1, 8)} == {
        1: {"duplicate_sign": "duplicate"},
        2: {"closing_remark": "off_topic"},
        3: {"closed_date": "open"},
        4: {"duplicate_sign": "duplicate"},
        5: {"reason_not_known": "closed"},
        6: {"closed_date": "open"},
        7: {"duplicate_sign": "duplicate"},
    }
    votes = every(TASK, bucket)
    assert [one.gives_away for one in votes if one.post_id == 2] == [(4,)]
    rows = {row["post_id"]: row for row in closure.examples(bucket, votes).to_pylist()}
    assert rows[1]["text"] == "How?" and rows[2]["left_out"] == [4]


def test_an_event_is_believed_above_links_and_comments() -> None:
    link = {"link_id": 1, "post_id": 1, "related_post_id": 7, "link_type_id": 3, "creation_date": day(9)}
    said = [comment(4, 1, "Possible duplicate of [How?](http://x.example.com/q/7)")]
    bucket = threads([question(**CLOSED)], said, [closing(2, 9, "104")], [link])
    assert labels(TASK, bucket, 1) == {"events_in_order": "needs_focus"}
    facts = post_facts.of_posts(bucket)[1]
    assert not facts.duplicate and [reason["by"] for reason in facts.evidence["reason"]] == ["event", "link", "remark"]


def test_what_the_log_records_is_declared_a_fact() -> None:
    judging = {function.name for function in of_task(TASK) if not function.facts}
    inferring = {"not_a_real_question", "older_reason", "reason_perhaps_in_comments"}
    assert judging == inferring | {"no_closed_dates", "moved_away", "closing_remark"}


def test_a_reason_that_nothing_records_is_no_fact_where_others_commented() -> None:
    said = [comment(4, 1, "Not the right place for it, is it?"), comment(5, 2, "Thanks all.", user=77)]
    posts = [question(1, **CLOSED), question(2, owner_user_id=77, **CLOSED), question(3, **CLOSED)]
    bucket = threads(posts, said)
    assert labels(TASK, bucket, 1) == {"reason_perhaps_in_comments": "closed"}
    assert labels(TASK, bucket, 2) == labels(TASK, bucket, 3) == {"reason_not_known": "closed"}
    (vote,) = [vote for vote in every(TASK, bucket) if vote.post_id == 1]
    assert vote.evidence == {"by": "ClosedDate", "comments_of_others": 1}


def test_probabilities_say_what_is_recorded_and_what_is_inferred() -> None:
    said = [comment(500 + post, post, "No comment.") for post in (2, 7)]
    numbers = {1: "101", 3: "4", 4: "103", 5: "102", 6: "3"}
    history = [event(900, 8, 2, 0, "How?")] + [
        event(900 + post, post, 10, 9, "[]", comment=number) for post, number in numbers.items()
    ]
    posts = [question(post, **({} if post == 8 else CLOSED)) for post in range(1, 10)]
    bucket = threads(posts, said, history)
    functions = of_task(TASK)
    names, values = [function.name for function in functions], list(closure.TASK.labels)
    matrix = np.full((9, len(names)), dawid_skene.ABSTAIN, np.int8)
    for vote in every(TASK, bucket):
        function = next(name for name, label in labels(TASK, bucket, vote.post_id).items() if label == vote.label)
        matrix[vote.post_id - 1, names.index(function)] = values.index(vote.label)
    matrix = np.repeat(matrix, 30, 0)
    patterns, counts = dawid_skene.distinct(matrix, np.ones(len(matrix), np.int64))
    model = dawid_skene.fit(
        *(patterns, counts, names, values, [function.name for function in functions if function.facts]),
        assumed={function.name: function.right for function in functions if function.right is not None},
    )
    stated = dict(zip(range(1, 10), model.probabilities(matrix[::30]).max(1).round(3).tolist(), strict=True))
    assert {post for post, share in stated.items() if share >= 0.98} == {1, 4, 5, 8, 9}
    assert {post: stated[post] for post in (2, 3, 6, 7)} == {2: 0.5, 3: 0.5, 6: 0.75, 7: 0.5}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("possible duplicate of [How?](http://x.example.com/q/7)", "duplicate"),
        ("Does this answer your question? [How?](https://x.example.com/q/7)", "duplicate"),
        ("This is too broad, voting to close.", "needs_focus"),
        ("I'm voting to close this because it's opinion-based", "opinion_based"),
        ("Closed as not a real question.", "needs_details"),
        ("I don't see why this was closed, it's not off-topic.", None),
        ("Why was this closed as too broad?", None),
        ("This is not a duplicate of that question.", None),
        ("Closed as off-topic or too broad.", None),
        ("The door is closed.", None),
        ("I’m voting to close this question because it is about buying stocks", "off_topic"),
        ("I'm voting to close this question as off-topic because it is about hardware.", "off_topic"),
        ("This question appears to be off-topic because it is about tea", "off_topic"),
        ("I'm voting to close this question because it is too broad", "needs_focus"),
        ("I voted to close, but not because of its subject.", None),
        ("This isn't too broad, close votes are wrong.", None),
        ("Closed as too localized.", "closed"),
        ("Posible duplicado de [¿Cómo?](http://x.example.com/q/7)", "duplicate"),
        ("¿Responde esto a tu pregunta? [¿Cómo?](http://x.example.com/q/7)", "duplicate"),
    ],
)
def test_what_a_comment_names(text: str, label: str | None) -> None:
    assert remarks.named_reason(text) == label


def test_moved_away_is_off_topic_where_no_event_says_why() -> None:
    away = event(3, 1, 35, 9, comment="to http://other.example.com/questions/5")
    assert labels(TASK, threads([question(**CLOSED)], history=[closing(2, 9, "102"), away]), 1) == {
        "events_in_order": "off_topic"
    }
    assert labels(TASK, threads([question(**CLOSED)], history=[away]), 1) == {"moved_away": "off_topic"}


def test_the_text_is_that_before_it_was_first_closed() -> None:
    rows = [
        event(1, 1, 2, 0, "first"),
        event(2, 1, 1, 0, "First title", revision_guid="00000001-0000-0000-0000-000000000000"),
        event(3, 1, 5, 3, "second"),
        closing(4, 4, "102"),
        event(5, 1, 5, 5, "> **Possible Duplicate:**  \n> [x](http://y)\n\nthird", user_id=-1),
        event(6, 1, 11, 6),
        closing(7, 7, "102"),
    ]
    row = closure.examples(threads([question(**CLOSED)], history=rows), []).to_pylist()[0]
    assert (row["text"], row["title"], row["form"]) == ("second", "First title", "before_closing")
    open_row = closure.examples(threads([question()], history=rows[:3]), []).to_pylist()[0]
    assert (open_row["text"], open_row["form"]) == ("first", "first_revision")
    gone = closure.examples(threads([question(**CLOSED)], history=[closing(4, 4, "102")]), []).to_pylist()[0]
    assert (gone["text"], gone["form"]) == ("How is it done?", "published")


def test_comments_are_no_part_of_the_text() -> None:
    bucket = threads([question(**CLOSED)], [comment(4, 1, "Closed as too broad.")], [closing(2, 9, "104")])
    row = closure.examples(bucket, every(TASK, bucket)).to_pylist()[0]
    assert row["text"] == "How is it done?" and row["own_end"] == len(row["text"]) and row["left_out"] == [4]


# A reading of its own, with nothing of the project's but the truth that is asked for.


def xml_rows(path: Path) -> Iterator[dict[str, str]]:
    text = re.sub(r"&#x0*[0-8bcef];", "", path.read_text("utf-8-sig"), flags=re.IGNORECASE)
    for line in text.split("\n"):
        if line.lstrip().startswith("<row "):
            yield ElementTree.fromstring(line.strip()).attrib


def stood(folder: Path) -> tuple[set[int], set[int]]:
    """Ids of the questions that are closed, and of those that are open after having been closed."""
    files = {path.stem.lower(): path for path in folder.glob("*.xml")}
    posts = files.get("posts") or files["postswithdeleted"]
    asked = {int(row["Id"]): row.get("ClosedDate") for row in xml_rows(posts) if row.get("PostTypeId") == "1"}
    events: dict[int, list[tuple[str, int, str]]] = defaultdict(list)
    for row in xml_rows(files["posthistory"]) if "posthistory" in files else ():
        if row["PostHistoryTypeId"] in ("10", "11") and int(row["PostId"]) in asked:
            when = re.sub(r"\.(\d+)$", lambda found: "." + found[1].ljust(3, "0"), row["CreationDate"])
            events[int(row["PostId"])].append((when, int(row["Id"]), row["PostHistoryTypeId"]))
    last = {post: max(some)[2] for post, some in events.items()}
    closed = {post for post, date in asked.items() if last.get(post, "10" if date else "11") == "10"}
    return closed, {post for post, kind in last.items() if kind == "11"}


def found(buckets: list[Any]) -> tuple[dict[str, set[int]], dict[str, set[int]]]:
    closed: dict[str, set[int]] = defaultdict(set)
    reopened: dict[str, set[int]] = defaultdict(set)
    for bucket in buckets:
        for post, one in post_facts.of_posts(bucket).items():
            if one.closed:
                closed[bucket.site].add(post)
            if one.reopened:
                reopened[bucket.site].add(post)
    return closed, reopened


def test_closed_and_reopened_as_an_independent_reading_finds_them(
    real_corpus: Path, real_data: Path, tmp_path: Path
) -> None:
    import py7zr

    closed, reopened = found(of_corpus(real_corpus))
    for archive in (real_data / "archives").glob("*.7z"):
        with py7zr.SevenZipFile(archive) as packed:
            packed.extractall(tmp_path / archive.stem)
    folders = {path.parent for path in (real_data / "dumps").rglob("*.xml") if "posts" in path.name.lower()}
    folders |= {path.parent for path in tmp_path.rglob("*.xml")}
    truths = [stood(folder) for folder in folders]
    assert sorted(map(sorted, (one for one, _ in truths if one))) == sorted(map(sorted, closed.values()))
    assert sorted(map(sorted, (one for _, one in truths if one))) == sorted(map(sorted, reopened.values()))
    assert len(closed["economics.stackexchange.com"]) == 116 and len(closed["beer.stackexchange.com"]) == 76
    assert len(reopened["economics.stackexchange.com"]) == 3 and len(reopened["beer.stackexchange.com"]) == 12


def test_the_plants_of_a_sample(sample: Truth, built: Path) -> None:
    last: dict[tuple[str, int], dict[str, Any]] = {}
    for record in sample.planted("closing"):
        key = (record["site"], record["post_id"])
        if key not in last or record["date"] >= last[key]["date"]:
            last[key] = record
    buckets = of_corpus(built)
    seen = 0
    for bucket in buckets:
        if bucket.history is None:
            continue
        recorded = (closure.events_in_order, closure.not_a_real_question, closure.older_reason)
        said = {vote.post_id: vote.label for function in recorded for vote in function(bucket)}
        for (site, post), record in last.items():
            if site == bucket.site and post in post_facts.of_posts(bucket):
                wanted = "open" if record["reopened"] else closings.REASONS[str(record["reason"])][0]
                assert said[post] == wanted, record
                seen += 1
    assert seen > 100
