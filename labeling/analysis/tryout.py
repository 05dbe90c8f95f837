"""A labelling function tried on some of a labelled corpus's posts: how many it votes on, and whom it contradicts."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import plugin_calls, steps
from socorpus.labeling.functions import FUNCTIONS, Function, Vote
from socorpus.labeling.schema import TASKS

MOST = 2_000
"""Examples, at least, on which a function is tried, if there are as many: whole buckets of threads."""
SAMPLES, _TEXT = 5, 160


@dataclass(frozen=True)
class Trial:
    """The votes of one function on some examples."""

    function: str
    """TASK.FUNCTION"""
    examples: int
    votes: int
    labels: dict[str, int]
    """Votes by label."""
    covered: int
    """Examples that have a vote of it."""
    overlap: int
    """Votes where another function votes too: on the same text, or the same span."""
    conflict: int
    """Of these, votes where another votes for something else."""
    judged: int
    """Votes where a person judged."""
    right: int
    samples: list[dict[str, Any]]
    """Votes to look at, conflicts first: key, label, text, evidence, and the label that others give, or None."""


def chosen(origin: str) -> list[Function]:
    """The labelling functions of a plug-in.

    Raises:
        InputError: it has none.
    """
    functions = [
        function
        for key, function in FUNCTIONS.items()
        if (of := FUNCTIONS.origin(key)) is not None and of.name == origin
    ]
    if not functions:
        raise InputError(f"{origin}: no labelling function in it; write one with @votes (docs/plugins.md)")
    return functions


def attempt(root: Path, buckets: Sequence[Bucket], function: Function, most: int = MOST) -> Trial:
    """Try a function on the first buckets that hold `most` examples of its task.

    Args:
        root: the tree of a labelled corpus.

    Raises:
        InputError: its task needs facts of the whole corpus that are no longer there.
        BuildError: it raises an exception, or yields something else than votes that its task can have.
    """
    task, facts = TASKS[function.task], steps.facts_path(function.task)
    if not files.exists(root / facts):
        raise InputError(f"{root}: the facts of {task.name} are not there; run socorpus labeling apply --force first")
    examples = covered = overlap = conflict = judged = right = 0
    labels: Counter[str] = Counter()
    samples: list[tuple[bool, dict[str, Any]]] = []
    for bucket in buckets:
        rows, others = steps.all_votes(root, bucket, task, people=True)
        tables = [name for name in corpus_schema.BY_POST if files.exists(root / bucket.path(f"tables/{name}"))]
        tags = [str(path.relative_to(root)) for path in sorted(files.listed(root / f"tables/tags/{bucket.site}"))]
        seen = steps.threads(root, bucket, tables, tags, facts)
        texts = dict(zip(rows["post_id"].to_pylist(), rows["text"].to_pylist(), strict=True))
        parts = (
            [replace(seen, examples=rows.slice(start, steps.PART)) for start in range(0, rows.num_rows, steps.PART)]
            if task.spans
            else [seen]
        )
        votes: dict[tuple[int, int | None, int | None], Vote] = {}
        for part in parts:
            for vote in plugin_calls.votes(function, part):
                if vote.post_id in texts:
                    steps.check_vote(function, vote, len(texts[vote.post_id]), task, bucket.site)
                    votes.setdefault((vote.post_id, vote.start, vote.end), vote)
        by_others: dict[tuple[int, int | None, int | None], dict[str, str]] = {}
        for row in others.filter(pc.is_valid(others["label"])).to_pylist():
            if row["function"] != function.name:
                by_others.setdefault((row["post_id"], row["start"], row["end"]), {})[row["function"]] = row["label"]
        examples += rows.num_rows
        covered += len({post for post, *_ in votes})
        for key, vote in votes.items():
            labels[vote.label] += 1
            there = by_others.get(key, {})
            people = {label for name, label in there.items() if name.startswith("person:")}
            voted = {label for name, label in there.items() if not name.startswith("person:")}
            overlap += bool(voted)
            conflict += bool(voted - {vote.label})
            judged += bool(people)
            right += people == {vote.label}
            against = voted - {vote.label}
            if sum(hit == bool(against) for hit, _ in samples) < SAMPLES:
                samples.append((bool(against), _sample(bucket.site, vote, texts[vote.post_id], against)))
        if examples >= most:
            break
    samples.sort(key=lambda sample: not sample[0])
    counts = {label: labels[label] for label in task.labels if labels[label]}
    return Trial(
        *(function.key, examples, labels.total(), counts, covered, overlap, conflict, judged, right),
        [sample for _, sample in samples[: 2 * SAMPLES]],
    )


def _sample(site: str, vote: Vote, text: str, against: set[str]) -> dict[str, Any]:
    start, end = (0, _TEXT) if vote.start is None or vote.end is None else (vote.start, vote.end)
    return {
        "key": corpus_schema.key(site, vote.post_id),
        "label": vote.label,
        "text": " ".join(text[start : min(end, start + _TEXT)].split()),
        "evidence": json.loads(json.dumps(vote.evidence, default=str)),  # as it would be stored
        "others": sorted(against) or None,
    }
