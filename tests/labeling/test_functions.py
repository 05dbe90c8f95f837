from dataclasses import replace

import pytest

from socorpus.labeling.functions import Threads
from tests.labeling.bucket import answer, event, question, threads, with_examples


def test_what_is_made_of_tables_is_made_once_for_all_tasks() -> None:
    made: list[str] = []

    def posts(some: Threads) -> int:
        made.append(some.site)
        return some.posts.num_rows

    bucket = threads([question(1), question(2)])
    assert bucket.once(posts) == replace(bucket, facts={"of": "another task"}).once(posts) == 2 and len(made) == 1
    assert replace(bucket, posts=bucket.posts.slice(0, 1)).once(posts) == 1
    assert replace(bucket, site="elsewhere").once(posts) == 2 and made[-1] == "elsewhere"


def test_what_depends_on_facts_is_made_anew_for_others() -> None:
    bucket, made = threads([question(1)]), list[object]()

    def facts(some: Threads) -> object:
        made.append(some.facts)
        return some.facts

    other = replace(bucket, facts={"of": "another task"})
    assert bucket.once(facts, bucket.facts) is bucket.facts and other.once(facts, other.facts) is other.facts
    assert other.once(facts, other.facts) is other.facts and len(made) == 2


def test_examples_of_whole_texts_are_made_when_a_function_asks_for_them() -> None:
    first = [event(1, 1, 1, 0, "HELP"), event(2, 1, 2, 0, "It is broken.")]
    edit = [event(3, 1, 4, 1, "How is a wheel mended?"), event(4, 1, 5, 1, "Mine is broken.")]
    bucket = with_examples("quality", threads([question(1), answer(2)], history=[*first, *edit]))
    (row,) = bucket.examples.to_pylist()
    assert (row["post_id"], row["title"], row["text"], row["form"]) == (1, "HELP", "It is broken.", "first_revision")
    assert bucket.examples is bucket.examples
    assert with_examples("obsolescence", bucket).examples["post_id"].to_pylist() == [2]


def test_where_there_are_no_examples_yet_the_error_says_so() -> None:
    with pytest.raises(LookupError, match=r"for labelling functions only: collect= and examples= come before"):
        _ = threads([question(1)]).examples
