"""The text of a post at a time."""

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from socorpus.corpus.config import Documents
from socorpus.corpus.documents import build as documents_build
from socorpus.corpus.documents import html as documents_html
from socorpus.labeling.functions import Threads, Vote
from socorpus.labeling.history import markdown_html, revisions
from socorpus.labeling.history.revisions import RevisionState
from tests.labeling.bucket import answer, comment, day, event, of_corpus, question, threads

GUID = "00000000-0000-0000-0000-00000000000{}"


def replayed(*rows: object) -> list[revisions.Revision]:
    return revisions.replay(threads([question()], history=rows).history).get(1, [])  # type: ignore[arg-type]


def test_rows_of_one_guid_are_one_revision() -> None:
    first = {"revision_guid": GUID.format(1)}
    made = replayed(
        event(2, 1, 1, 0, "Title", **first),
        event(1, 1, 2, 0, "Body\r\nand more", **first),
        event(3, 1, 3, 0, "<python><c++>", **first),
        event(4, 1, 5, 2, "Better"),
        event(5, 1, 6, 3, "|python|"),
    )
    assert [(one.number, one.title, one.body, one.tags) for one in made] == [
        (1, "Title", "Body\nand more", ("python", "c++")),
        (2, "Title", "Better", ("python", "c++")),
        (3, "Title", "Better", ("python",)),
    ]
    assert [sorted(one.changed) for one in made] == [["body", "tags", "title"], ["body"], ["tags"]]


def test_order_is_that_of_time_not_of_ids() -> None:
    made = replayed(event(9, 1, 2, 0, "first"), event(3, 1, 5, 5, "last"), event(4, 1, 5, 2, "middle"))
    assert [one.body for one in made] == ["first", "middle", "last"]


def test_rollbacks_with_and_without_text() -> None:
    old = "0f0e0d0c-0000-0000-0000-000000000001"
    made = replayed(
        event(1, 1, 2, 0, "one", revision_guid=old),
        event(2, 1, 5, 1, "two"),
        event(3, 1, 8, 2, None, comment=f"Rollback to [{old}]"),
        event(4, 1, 8, 3, None, comment="Rollback to Revision 2"),
        event(5, 1, 8, 4, "three", comment="Rollback to Revision 1"),
    )
    assert [one.body for one in made] == ["one", "two", "one", "two", "three"]
    assert [one.rollback for one in made] == [False, False, True, True, True]


@pytest.mark.parametrize("number", ["0", "3", "1" * 5_000])
def test_a_rollback_to_no_revision_changes_nothing(number: str) -> None:
    made = replayed(event(1, 1, 2, 0, "one"), event(2, 1, 8, 1, None, comment=f"Rollback to Revision {number}"))
    assert [(one.body, one.rollback) for one in made] == [("one", False), ("one", True)]


def test_a_missing_beginning() -> None:
    made = replayed(event(1, 1, 4, 1, "New title"), event(2, 1, 5, 2, "known"), event(3, 1, 5, 3, None))
    known = revisions.first(made)
    assert known is not None and (known.body, known.title, known.number) == ("known", "New title", 2)
    assert made[-1].body == "known"
    assert revisions.before(made, made[1].at) is None
    late = revisions.before(made, made[1].at + 1)
    assert late is not None and late.body == "known"


def test_no_history_at_all() -> None:
    assert revisions.replay(None) == {}
    assert revisions.first([]) is None


def test_only_wanted_posts() -> None:
    table = threads([question()], history=[event(1, 1, 2, 0, "a"), event(2, 7, 2, 0, "b")]).history
    assert set(revisions.replay(table)) == {1, 7}
    assert set(revisions.replay(table, [7])) == {7}


def test_the_note_of_a_duplicate_is_no_text() -> None:
    note = "> **Possible Duplicate:**  \n> [What is it](http://x.example.com/q/2)  \n\n\nHow is it done?"
    assert revisions.without_note(note) == "How is it done?"
    html = "<blockquote>\n  <p><strong>Possible Duplicate:</strong><br>\n <a>x</a></p>\n</blockquote>\n<p>How?</p>"
    assert revisions.published(html).html == "<p>How?</p>"
    assert revisions.published("<p>How?</p>") is revisions.PUBLISHED


def test_examples_have_the_state_and_the_comments_of_its_time() -> None:
    bucket = threads(
        [question(), answer(2)],
        [comment(1, 2, "early", 3), comment(2, 2, "gives away", 4), comment(3, 2, "late", 9)],
        [event(1, 2, 2, 1, "Do `x` so:\n\n    y = 1\n"), event(2, 2, 5, 6, "Other")],
    )
    made = revisions.replay(bucket.history)[2]
    until = int(day(6).timestamp() * 1000)
    states = {2: revisions.state(bucket, made[0], "before_notice", until)}
    row = revisions.examples(bucket, states, [Vote(2, "obsolete", {}, gives_away=(2,))], comments=True).to_pylist()[0]
    assert row["text"] == "Do x so:\n\ny = 1\n\n\nearly" and row["left_out"] == [2] and row["form"] == "before_notice"
    assert row["text"][: row["own_end"]] == "Do x so:\n\ny = 1\n"
    kinds = [(one["kind"], row["text"][one["start"] : one["end"]]) for one in row["segments"]]
    assert ("inline_code", "x") in kinds and ("code", "y = 1\n") in kinds and ("comment", "early") in kinds
    bare = revisions.examples(bucket, {2: revisions.PUBLISHED}, [], comments=False).to_pylist()[0]
    assert bare["text"] == "It is done so." and bare["own_end"] == len(bare["text"]) and bare["title"] == "A title"


def test_texts_of_examples_do_not_depend_on_what_was_made_before() -> None:
    comments = [comment(1, 2, "early", 3), comment(2, 2, "gives away", 4), comment(3, 1, "why?", 9)]

    def bucket() -> Threads:
        return threads([question(), answer(2), answer(3)], comments)

    whole = bucket()
    first = {1: RevisionState("first_revision", "<p>First</p>", "Other title", ("a",)), 2: revisions.PUBLISHED}
    again = first | {3: revisions.PUBLISHED}
    later = {1: RevisionState("first_revision", "<p>Second</p>", "Another title"), 2: revisions.PUBLISHED}
    left = [Vote(2, "obsolete", {}, gives_away=(2,))]
    calls: list[tuple[dict[int, RevisionState], list[Vote], bool]] = [
        *((first, [], False), (again, [], False), (later, [], False), (first, left, True), (again, [], True)),
        ({2: revisions.PUBLISHED, 3: revisions.PUBLISHED}, left, True),
    ]
    rows = [revisions.examples(whole, states, votes, comments=with_them) for states, votes, with_them in calls]
    for (states, votes, with_them), made in zip(calls, rows, strict=True):
        assert made.equals(revisions.examples(bucket(), states, votes, comments=with_them))
    of_answer = rows[1].to_pylist()[1]
    assert (of_answer["title"], of_answer["tags"], of_answer["text"]) == ("Other title", ["a"], "It is done so.")
    assert [row["text"] for row in rows[5].to_pylist()] == ["It is done so.\n\nearly", "It is done so."]
    # Documents without comments, by the configuration of the corpus, are no examples with comments.
    bare = documents_build.build(
        whole.posts, whole.comments.slice(0, 0), None, None, site="x", host="", config=Documents(comments=False)
    )
    bare_bucket = replace(whole, documents=bare, kept={})
    texts = revisions.examples(bare_bucket, {2: revisions.PUBLISHED}, [], comments=True)["text"].to_pylist()
    assert texts == ["It is done so.\n\nearly\n\ngives away"]


OLD, NEW = markdown_html.COMMONMARK - 1, markdown_html.COMMONMARK


@pytest.mark.parametrize(
    ("markdown", "at", "text"),
    [
        ("#Title\nwords", OLD, "Title\n\nwords"),
        ("#Title\nwords", NEW, "#Title words"),
        ("see [tag:Python-3.x], [meta-tag:bug]", NEW, "see python-3.x, bug"),
        (">! hidden", NEW, "hidden"),
        ("costs \\$5 and \\*not\\*", OLD, "costs \\$5 and *not*"),
        ("costs \\$5 and \\*not\\*", NEW, "costs $5 and *not*"),
        ("words:\n- one\n- two", OLD, "words: - one - two"),
        ("words:\n\n- one\n    - in it", OLD, "words:\n\none\nin it"),
        ("words:\n- one\n- two", NEW, "words:\n\none\ntwo"),
        ("1) one", OLD, "1) one"),
        ("see [this][1]\n[1]: http://x.example.com", OLD, "see this"),
        ("see [this] [1]\n\n[1]: http://x.example.com", OLD, "see this"),
        ("$a*b*c$ but *this*", NEW, "$a*b*c$ but this"),
        ("<!-- language: lang-py -->\n\n    x = 1", OLD, "x = 1\n"),
        ("a < b & <kbd>Ctrl</kbd>\r\nnext", NEW, "a < b & Ctrl next"),
    ],
)
def test_markdown_as_the_site_renders_it(markdown: str, at: int, text: str) -> None:
    assert documents_html.html(markdown_html.html(markdown, at)).text == text


def test_the_last_revision_is_near_the_published_text(real_corpus: Path) -> None:
    """Most differences left are bare links to questions, which the site replaces by the question's title."""
    posts = same = 0
    likeness = 0.0
    for bucket in of_corpus(real_corpus):
        made = revisions.replay(bucket.history)
        kinds = pc.is_in(bucket.posts["post_type_id"], pa.array([1, 2], pa.int32()))
        for row in bucket.posts.filter(kinds).select(["post_id", "body"]).to_pylist():
            known = revisions.last(made.get(row["post_id"], []))
            if known is None or not row["body"]:
                continue
            ours = documents_html.html(markdown_html.html(known.body or "", known.at)).text
            published = documents_html.html(row["body"]).text
            posts, same = posts + 1, same + ("".join(ours.split()) == "".join(published.split()))
            one, two = (set(re.findall(r"\w+", text.lower())) for text in (ours, published))
            likeness += len(one & two) / max(1, len(one | two))
    assert posts > 8000
    assert same / posts > 0.96, f"{same} of {posts} are equal up to white space"
    assert likeness / posts > 0.985
