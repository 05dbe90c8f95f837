"""A task whose functions know the whole corpus, and whose examples are made by you: is a question unusually short?

socorpus build dump -o corpus --plugin examples/task_with_facts.py
socorpus labeling analyze corpus --task brevity
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from socorpus.labeling import Threads, Vote, published_examples, task, votes


def _questions(threads: Threads) -> list[tuple[int, int]]:
    """The post and the number of words of each question, without its comments."""
    posts = (post for post in threads.documents.to_pylist() if post["kind"] == "question")
    return [(post["post_id"], len(post["text"][: post["own_end"]].split())) for post in posts]


def collect(threads: Threads) -> dict[str, Any]:
    """What a bucket adds to the facts, as JSON (whose keys are texts): how many questions have how many words."""
    return {"site": threads.site, "words": Counter(str(words) for _, words in _questions(threads))}


def merge(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all buckets collected -> the facts: the median of each site."""
    sites: dict[str, list[int]] = {}
    for part in parts:
        lengths = sites.setdefault(part["site"], [])
        lengths += [int(words) for words, count in part["words"].items() for _ in range(count)]
    return {site: sorted(lengths)[len(lengths) // 2] for site, lengths in sites.items() if lengths}


def examples(threads: Threads, given: Sequence[Vote]) -> pa.Table:
    """The texts to judge: as by default, but only what the asker wrote, without the comments."""
    table = published_examples(threads, given, ("question",))
    rows = table.to_pylist()
    for row in rows:
        row["text"] = row["text"][: row["own_end"]]
        row["segments"] = [part for part in row["segments"] if part["end"] <= row["own_end"]]
    return pa.Table.from_pylist(rows, table.schema)


MEANINGS = {"brief": "much shorter than the site's questions are", "usual": "about as long as they are, or longer"}
BREVITY = task("brevity", MEANINGS, unit="question", collect=collect, merge=merge, examples=examples)


@votes(BREVITY)
def words_against_the_median(threads: Threads) -> Iterator[Vote]:
    """Less than a third of the words of the median question of its site."""
    median = threads.facts.get(threads.site, 0)
    for post, words in _questions(threads):
        yield Vote(post, "brief" if 3 * words < median else "usual", {"words": words, "median": median})
