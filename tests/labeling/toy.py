"""A plug-in with a small task of texts: what the engine of the labels is tried with."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from socorpus.labeling import schema
from socorpus.labeling.functions import Threads, Vote, votes
from socorpus.labeling.schema import task


def collect(threads: Threads) -> dict[str, Any]:
    """Scores."""
    return {"scores": threads.documents["score"].to_pylist()}


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Their median."""
    scores = sorted(score for part in parts for score in part["scores"])
    return {"median": scores[len(scores) // 2]}


def examples(threads: Threads, votes: Sequence[Vote]) -> pa.Table:
    """Every document as it was published; which comments give away is noted."""
    left: dict[int, list[int]] = {}
    for vote in votes:
        left.setdefault(vote.post_id, []).extend(vote.gives_away)
    found = threads.documents
    count = found.num_rows
    columns = {name: found[name] for name in schema.EXAMPLES.names if name in found.column_names}
    columns |= {
        "split": pa.array([""] * count),
        "form": pa.array(["published"] * count),
        "left_out": pa.array(
            [sorted(left.get(post, [])) for post in found["post_id"].to_pylist()], pa.list_(pa.int64())
        ),
        "digest": pa.array([bytes(16)] * count, pa.binary(16)),
    }
    return pa.table([columns[name] for name in schema.EXAMPLES.names], schema=schema.EXAMPLES)


TASK = task(
    "toy",
    {"good": "a post that helps", "bad": "a post that does not", "unclear": "nobody can say"},
    question="Is this post any good?",
    unit="answer",
    collect=collect,
    merge=merge,
    examples=examples,
    version=1,
)


@votes(TASK, version=1)
def high_score(threads: Threads) -> Iterator[Vote]:
    """A score in the upper half of the corpus."""
    for row in threads.documents.to_pylist():
        if row["score"] > threads.facts["median"]:
            yield Vote(row["post_id"], "good", {"score": row["score"]})


@votes(TASK, version=1)
def low_score(threads: Threads) -> Iterator[Vote]:
    """A score below zero."""
    for row in threads.documents.to_pylist():
        if row["score"] < 0:
            yield Vote(row["post_id"], "bad", {"score": row["score"]})


@votes(TASK, version=1)
def comment_asks(threads: Threads) -> Iterator[Vote]:
    """A comment that asks for something; it is left out of the example."""
    for row in threads.comments.to_pylist():
        if "?" in row["text"]:
            gives_away = (row["comment_id"],)
            yield Vote(
                row["post_id"], "unclear", {"comment": row["comment_id"], "says": row["text"]}, gives_away=gives_away
            )


@votes(TASK, version=3)
def code_speaks(threads: Threads) -> Iterator[Vote]:
    """Code is a good sign, a short text without any a bad one; half of the posts, as on all it would tell nothing."""
    for row in threads.documents.to_pylist():
        if row["post_id"] % 2:
            continue
        if any(segment["kind"] == "code" for segment in row["segments"]):
            yield Vote(row["post_id"], "good", {"rule": "code"})
        elif row["own_end"] < 200:
            yield Vote(row["post_id"], "bad", {"rule": "short", "own_end": row["own_end"]})
