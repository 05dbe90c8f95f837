"""Votes of plug-ins on posts that are no examples of the task: counted by reason, and described."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from socorpus.corpus import plugins
from socorpus.corpus.config import Privacy
from socorpus.corpus.errors import BuildError
from socorpus.labeling import plugin_calls, steps, strays
from socorpus.labeling.functions import Threads, of_task
from socorpus.labeling.schema import TASKS
from tests.labeling import bucket

HEAD = "from socorpus.labeling import Vote, published_examples, task, votes\n"
FUNCTION = '''
@votes("{task}")
def all_of_them(threads):
    """Votes on whatever there is."""
    for post in (1, 2, 3, 4, 7, 99):
        yield Vote(post, "{label}", {{}}{more})
'''
POSTS = [bucket.question(1), bucket.answer(2), bucket.question(3, title="Another"), bucket.answer(4, 3)]
WIKI = {**bucket.question(7), "post_type_id": 5}


def counted(tmp_path: Path, source: str, task: str, allowed: tuple[int, ...] = (1, 2, 3, 4)) -> dict[str, Any]:
    file = tmp_path / "mine.py"
    file.write_text(HEAD + source, "utf-8")
    plugins.load([str(file)])
    seen, definition = bucket.threads([*POSTS, WIKI]), TASKS[task]

    def make(some: Threads, by: object) -> pa.Table:
        examples = plugin_calls.examples(definition, some, [])
        return examples.filter(pa.compute.is_in(examples["post_id"], value_set=pa.array(allowed)))

    voted = steps.run_functions(definition, of_task(task), seen, make, Privacy())
    return voted.strays.counts(definition, seen, pa.array(allowed))


def test_the_reason_of_each_vote_that_does_not_count(tmp_path: Path) -> None:
    task = 'task("mood", {"good": "", "bad": ""})\n'
    counts = counted(tmp_path, task + FUNCTION.format(task="mood", label="good", more=""), "mood", (1, 2, 4))
    key = f"{bucket.SITE}:"
    assert counts == {
        "all_of_them": {
            "kind": {"votes": 2, "post": f"{key}2"},
            "left_out": {"votes": 1, "post": f"{key}3"},
            "no_document": {"votes": 1, "post": f"{key}7"},
            "unknown": {"votes": 1, "post": f"{key}99"},
        }
    }
    assert strays.is_fault(counts["all_of_them"])
    told = strays.sentence(TASKS["mood"], "all_of_them", counts["all_of_them"])
    assert told.startswith("mood.all_of_them: 5 votes do not count, being on posts that are no examples of mood: 2 on ")
    assert f"2 on answers, such as {key}2; 1 on numbers of no post of the threads, such as {key}99" in told
    assert told.endswith("An example of mood is a question that is no copy, not empty and in no benchmark")


def test_a_second_vote_for_another_label_is_told(tmp_path: Path) -> None:
    source = """
task("mood", {"good": "", "bad": ""})

@votes("mood")
def both(threads):
    for row in threads.examples.to_pylist():
        yield Vote(row["post_id"], "good", {})
        yield Vote(row["post_id"], "good" if row["post_id"] == 1 else "bad", {})
"""
    counts = counted(tmp_path, source, "mood")
    assert counts == {"both": {"repeated": {"votes": 1, "post": f"{bucket.SITE}:3"}}}
    assert strays.is_fault(counts["both"])
    assert strays.sentence(TASKS["mood"], "both", counts["both"]) == (
        "mood.both: 1 vote does not count, being for another label on posts that it has voted on, such as "
        f"{bucket.SITE}:3: the first counts"
    )


def test_a_post_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    source = """
task("mood", {"good": "", "bad": ""})

@votes("mood")
def scalars(threads):
    for post in threads.examples["post_id"]:
        yield Vote(post, "good", {})
"""
    with pytest.raises(BuildError, match=r"mood.scalars votes on post <pyarrow.Int64Scalar: 1>, which is no number"):
        counted(tmp_path, source, "mood")


@pytest.mark.parametrize(
    ("vote", "said"),
    [
        ("Vote(True, 'good', {})", "votes on post True, which is no number"),
        ("Vote(1, 'good', {}, '0', '3')", "votes on post 1 with the span '0':'3', which are no whole numbers"),
        ("Vote(1, 'good', {}, 0.0, 2.5)", "votes on post 1 with the span 0.0:2.5, which are no whole numbers"),
        ("Vote(1, 'good', {'v': chr(0xD800)})", "votes on post 1 with evidence that is no JSON of valid text"),
        ("Vote(1, 'good', {'v': LOOP})", "votes on post 1 with evidence that is no JSON of valid text"),
        ("sys.exit(0)", "line 10, in odd: labelling function mood.odd, on .*:1: SystemExit: 0"),
    ],
)
def test_an_odd_vote_ends_the_run_with_its_fault(tmp_path: Path, vote: str, said: str) -> None:
    source = f"""
import sys
LOOP = []
LOOP.append(LOOP)
task("mood", {{"good": "", "bad": ""}})

@votes("mood")
def odd(threads):
    yield {vote}
"""
    with pytest.raises(BuildError, match=said):
        counted(tmp_path, source, "mood")


def test_a_copy_is_no_fault_of_a_function() -> None:
    copies = {"left_out": {"votes": 3, "post": "x:1"}, "no_document": {"votes": 1, "post": "x:2"}}
    assert not strays.is_fault(copies)
    assert strays.is_fault({**copies, "not_made": {"votes": 1, "post": "x:3"}})
    both = strays.merged([{"f": copies}, {"f": {"left_out": {"votes": 2, "post": "y:1"}}}])
    assert both == {"f": {**copies, "left_out": {"votes": 5, "post": "x:1"}}}


@pytest.mark.parametrize("part", [1, 500])
def test_a_span_that_is_in_another_part_of_the_bucket_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(steps, "PART", part)
    task = 'task("names", {"Name": ""}, unit="span")\n'
    counts = counted(tmp_path, task + FUNCTION.format(task="names", label="Name", more=", 0, 2"), "names")
    assert {reason: of["votes"] for reason, of in counts["all_of_them"].items()} == {"no_document": 1, "unknown": 1}


def test_what_a_task_leaves_out_itself_is_said(tmp_path: Path) -> None:
    source = """
task("mood", {"good": "", "bad": ""}, unit="answer",
     examples=lambda threads, given: published_examples(threads, given, ("question",)).slice(0, 1))
"""
    counts = counted(tmp_path, source + FUNCTION.format(task="mood", label="good", more=""), "mood")["all_of_them"]
    assert counts["not_made"] == {"votes": 2, "post": f"{bucket.SITE}:2"}
    assert "an answer that its examples= gives and that is no copy" in strays.sentence(
        TASKS["mood"], "all_of_them", counts
    )
    assert counts["kind"]["votes"] == 1  # the other question
