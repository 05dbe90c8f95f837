from dataclasses import replace

from socorpus.labeling.functions import Threads
from tests.labeling.bucket import question, threads


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
