"""A plug-in with a small task of spans: numbers, names, and what stands for an e-mail address."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from socorpus.labeling.functions import Threads, Vote, votes
from socorpus.labeling.schema import task


def collect(threads: Threads) -> dict[str, Any]:
    """Nothing."""
    return {"site": threads.site}


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sites."""
    return {"sites": sorted({part["site"] for part in parts})}


TASK = task(
    "toy_spans",
    {"Number": "digits", "Name": "a name", "Mail": "an address"},
    question="What is named here?",
    unit="span",
    collect=collect,
    merge=merge,
    version=1,
)


def _find(threads: Threads, pattern: str, label: str) -> Iterator[Vote]:
    for row in threads.examples.to_pylist():
        for found in re.finditer(pattern, row["text"]):
            yield Vote(row["post_id"], label, {"pattern": pattern}, found.start(), found.end())


@votes(TASK, version=1)
def numbers(threads: Threads) -> Iterator[Vote]:
    """Runs of digits."""
    yield from _find(threads, r"\b\d+\b", "Number")


@votes(TASK, version=1)
def versions(threads: Threads) -> Iterator[Vote]:
    """Two numbers with a point between them."""
    yield from _find(threads, r"\b\d+\.\d+\b", "Number")


@votes(TASK, version=1)
def capitals(threads: Threads) -> Iterator[Vote]:
    """Words with a capital inside a sentence."""
    yield from _find(threads, r"(?<=[a-z] )[A-Z]\w+", "Name")


@votes(TASK, version=1)
def placeholders(threads: Threads) -> Iterator[Vote]:
    """Placeholders of addresses: there is none before personal data are replaced."""
    yield from _find(threads, r"\[EMAIL_\d+\]", "Mail")
