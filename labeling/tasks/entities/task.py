"""Named entities: spans of the types of Tabassum et al. 2020 in a post's text, its comments' included.

Every labelling function (`code`, `prose`, `tags`) looks at one post at a time, outside of code
blocks, and abstains where it is unsure. Types, and what is annotated, follow the guideline of that corpus: versions
stand apart from the names they belong to, an address is no entity, quotes are part of a value.

In a corpus the votes are combined as those of the other tasks are (`combined` does so for texts alone). `label` goes by
fixed weights, or with `learn` by an annotated file.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from socorpus.corpus.schema import SEGMENT
from socorpus.labeling.aggregation import dawid_skene, decide, vote_matrix
from socorpus.labeling.datasets import so_ner
from socorpus.labeling.functions import REGISTRY, Function, Threads, Vote
from socorpus.labeling.schema import ENTITIES, EXAMPLES, VOTES
from socorpus.labeling.tasks.entities import bio, spans
from socorpus.labeling.tasks.entities import code as entities_code
from socorpus.labeling.tasks.entities import post as entities_post
from socorpus.labeling.tasks.entities import prose as entities_prose
from socorpus.labeling.tasks.entities import tags as entities_tags
from socorpus.labeling.tasks.entities.judge import Learned, Text
from socorpus.labeling.tasks.entities.judge import learn as _learn
from socorpus.labeling.tasks.entities.spans import Span

__all__ = ["TASK", "Learned", "collect", "combined", "examples", "label", "learn", "merge"]

TASK = ENTITIES
FUNCTIONS = (entities_code, entities_prose, entities_tags)
"""Modules whose functions are registered by their import."""

collect = entities_tags.collect
merge = entities_tags.merge

TRUST = {
    "head_words": 3.0,
    "calls": 2.5,
    "versions": 2.5,
    "file_names": 2.2,
    "markup_tags": 2.1,
    "errors": 2.1,
    "code_form": 2.0,
    "keyboard_input": 2.0,
    "user_names": 1.8,
    "known_languages": 1.6,
    "file_types": 1.55,
    "known_software": 1.5,
    "known_structures": 1.4,
    "known_devices": 1.2,
    "known_websites": 1.2,
    "known_interface": 1.1,
    "camel_case": 0.8,
    "snake_case": 0.8,
    "qualified_names": 0.7,
    "repeated_code": 0.6,
    "values": 0.5,
    "addresses": 0.5,
}
"""Weight of each function where spans overlap and nothing was learned; 1 for others. By judgement: the narrower the
rule, the heavier."""


def examples(threads: Threads, votes: Sequence[Vote]) -> pa.Table:
    """`schema.EXAMPLES`: every question and answer as it is published, its comments included."""
    documents = threads.documents
    rows = documents.num_rows
    made = {
        "split": pa.array([""] * rows, pa.string()),
        "form": pa.array(["published"] * rows, pa.string()),
        "left_out": pa.array([[]] * rows, pa.list_(pa.int64())),
        "digest": pa.array([bytes(16)] * rows, pa.binary(16)),
    }
    return pa.table([made[name] if name in made else documents[name] for name in EXAMPLES.names], schema=EXAMPLES)


def label(
    texts: Sequence[str],
    segments: Sequence[Iterable[Mapping[str, Any]]] | None = None,
    tags: Sequence[Iterable[str]] | None = None,
    tokens: Sequence[bio.Offsets] | None = None,
    learned: Learned | None = None,
) -> list[list[Span]]:
    """Label texts end to end: sorted spans without overlap, of each text.

    Args:
        segments: of each text, as `corpus.schema.SEGMENT`; None: all is prose.
        tags: of each text's question.
        tokens: of each text; spans are then widened to whole tokens.
        learned: what `learn` made of an annotated file; None: nothing annotated is used.
    """
    found = _texts(texts, segments, tags)
    if tokens is not None:
        found = [replace(text, widen=widener(each)) for text, each in zip(found, tokens, strict=True)]
    if learned is not None:
        return [learned.label(text) for text in found]
    # The heaviest of those that overlap.
    return [
        spans.resolve(
            (Span(*text.widen(start, end), name), TRUST.get(function, 1.0))
            for start, end, name, function, _ in text.votes
        )
        for text in found
    ]


def combined(
    texts: Sequence[str],
    segments: Sequence[Iterable[Mapping[str, Any]]] | None = None,
    tags: Sequence[Iterable[str]] | None = None,
    tokens: Sequence[bio.Offsets] | None = None,
) -> list[list[tuple[Span, float]]]:
    """What a corpus of these texts alone would have for labels: sorted spans of each text, with their probabilities.

    Args: as of `label`.
    """
    names = [function.name for function in REGISTRY[TASK.name]]
    rows = [
        {"site": "", "post_id": at, "start": vote.start, "end": vote.end, "label": vote.label}
        | {"function": function.name, "version": function.version, "source": "function", "evidence": "{}"}
        for at, said in enumerate(votes_on(texts, segments, tags))
        for function, vote in said
    ]
    votes = pa.Table.from_pylist(rows, schema=VOTES)
    found = vote_matrix.gather(votes, names, TASK)
    model = dawid_skene.fit(*dawid_skene.distinct(found.votes, np.ones(len(found), np.int64)), names, TASK.labels)
    posts = pa.array(range(len(texts)), pa.int64())
    nothing = pa.array([""] * len(texts))
    keys = pa.table({"site": nothing, "post_id": posts, "thread_id": posts, "split": nothing})
    made: list[list[tuple[Span, float]]] = [[] for _ in texts]
    for row in decide.decide(keys, votes, model, TASK).to_pylist():
        widen = widener(tokens[row["post_id"]] if tokens is not None else None)
        span = Span(*widen(row["start"], row["end"]), row["label"])
        made[row["post_id"]].append((span, row["probability"]))
    return made


def learn(path: Path, context: bool = False) -> Learned:
    """Learn from a file of the StackOverflow NER corpus: its gazetteer, and how far to believe each function.

    Args:
        context: also train a context model (about a minute).

    Raises:
        InputError: the file can't be read, or is no such file.
    """
    return learn_documents(so_ner.read(path), context)


def learn_documents(documents: Sequence[so_ner.Document], context: bool = False) -> Learned:
    """As `learn`, from documents."""
    texts = _texts([one.text for one in documents], [one.segments for one in documents], None)
    return _learn(
        [
            replace(text, widen=widener(one.tokens), gold=frozenset(one.spans), question=one.question)
            for text, one in zip(texts, documents, strict=True)
        ],
        context,
    )


def votes_on(
    texts: Sequence[str],
    segments: Sequence[Iterable[Mapping[str, Any]]] | None = None,
    tags: Sequence[Iterable[str]] | None = None,
    functions: Sequence[Function] | None = None,
) -> list[list[tuple[Function, Vote]]]:
    """What the functions, all of them if None, vote on each text."""
    numbers = range(len(texts))
    table = pa.table(
        {
            "post_id": pa.array(numbers, pa.int64()),
            "text": pa.array(texts, pa.string()),
            "segments": pa.array([list(segments[at]) if segments else [] for at in numbers], pa.list_(SEGMENT)),
            "tags": pa.array([list(tags[at]) if tags else [] for at in numbers], pa.list_(pa.string())),
            "title": pa.nulls(len(texts), pa.string()),
        }
    )
    nothing = pa.table({})
    threads = Threads("", nothing, nothing, nothing, nothing, nothing, None, nothing, examples=table)
    found: list[list[tuple[Function, Vote]]] = [[] for _ in texts]
    for function in REGISTRY[TASK.name] if functions is None else functions:
        for vote in function.find(threads):
            found[vote.post_id].append((function, vote))
    return found


def _texts(
    texts: Sequence[str],
    segments: Sequence[Iterable[Mapping[str, Any]]] | None,
    tags: Sequence[Iterable[str]] | None,
) -> list[Text]:
    found = []
    for at, said in enumerate(votes_on(texts, segments, tags)):
        post = entities_post.post(texts[at], segments[at] if segments else (), tags[at] if tags else ())
        votes = [
            (one.start, one.end, one.label, function.name, str(one.evidence.get("rule", "")))
            for function, one in said
            if one.start is not None and one.end is not None
        ]
        found.append(Text(post, votes, widener(None)))
    return found


def widener(tokens: bio.Offsets | None) -> Callable[[int, int], tuple[int, int]]:
    """A function that widens a span to the tokens that it touches; it leaves it as it is where there are none."""
    if tokens is None:
        return lambda start, end: (start, end)

    def widen(start: int, end: int) -> tuple[int, int]:
        first, last = bio.touched(tokens, start, end)
        return (tokens[first][0], tokens[last - 1][1]) if first < last else (start, end)

    return widen
