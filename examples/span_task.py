"""A task of spans of your own: names of versions, such as 3.11 or v2, wherever a post has one.

socorpus build dump -o corpus --plugin examples/span_task.py
socorpus labeling export corpus --task versions --format conll -o versions
"""

import re
from collections.abc import Iterator

from socorpus.labeling import Threads, Vote, task, votes

VERSIONS = task(
    "versions",
    {"Release": "a version that is out, such as 3.11", "Preview": "one that is not, such as 2.0-beta1"},
    question="Which versions does this text name?",
    unit="span",
)
_VERSION = re.compile(r"\bv?\d+\.\d+(?:\.\d+)*(?P<preview>[-. ]?(?:alpha|beta|rc)[-. ]?\d*)?\b", re.IGNORECASE)


@votes(VERSIONS)
def dotted_numbers(threads: Threads) -> Iterator[Vote]:
    """Numbers with dots between them, with alpha, beta or rc behind them or not."""
    # Examples come some hundreds at a time; offsets are code points of their texts.
    for row in threads.examples.to_pylist():
        for found in _VERSION.finditer(row["text"]):
            label = "Preview" if found["preview"] else "Release"
            yield Vote(row["post_id"], label, {}, found.start(), found.end())
