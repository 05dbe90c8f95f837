"""Labelling functions tried on some of a corpus's posts: how many each votes on, and whom it contradicts."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.config import Config
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import example_texts, plugin_calls, schema, steps, strays
from socorpus.labeling.facts import post_facts
from socorpus.labeling.functions import FUNCTIONS, Function, Threads, Vote, of_task
from socorpus.labeling.schema import LABELS, TASKS, VOTES, Task

MOST = 2_000
"""Most examples on which a function is tried."""
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
    labelled: int
    """Votes where the corpus has a label that does not rest on the functions that are tried only."""
    unlike: int
    """Of these, votes for something else than the label."""
    judged: int
    """Votes where a person judged."""
    right: int
    samples: list[dict[str, Any]]
    """Votes to look at, conflicts first: key, label, text, evidence, and the label that others give, or None."""
    notes: list[str]
    """What does not count, and what `apply` may do otherwise."""
    which: str = ""
    """A sentence on the examples: which of how many, by site."""


def by_task(origin: str) -> dict[str, list[Function]]:
    """The labelling functions of a plug-in, by task.

    Raises:
        InputError: it has none, or votes for a task that is not known.
    """
    own = {key: function for key, function in FUNCTIONS.items() if (of := FUNCTIONS.origin(key)) and of.name == origin}
    if not own:
        raise InputError(f"{origin}: no labelling function in it; write one with @votes (docs/plugins.md)")
    tasks = [TASKS.named(name) for name in dict.fromkeys(function.task for function in own.values())]
    return {task.name: [function for function in of_task(task.name) if function.key in own] for task in tasks}


def attempt(
    root: Path, config: Config, buckets: Sequence[Bucket], task: Task, functions: Sequence[Function], most: int = MOST
) -> list[Trial]:
    """Try functions of a task on its first `most` examples; functions see whole buckets of threads, as in `apply`.

    The examples of a task of ours are those in the corpus, and so are others' votes. Those of a plug-in's are made, by
    all functions that it has: nothing of the task need be in the corpus. Where the corpus has labels they are compared
    with these too.

    Args:
        root: the tree of a corpus; of a labelled one for a task of ours.
        config: the corpus's.
        buckets: those that have examples.

    Raises:
        InputError: `most` is below 1, or a task of ours needs facts of the whole corpus that are no longer there.
        BuildError: a function raises an exception, or yields something else than votes that its task can have.
    """
    if most < 1:
        raise InputError(f"functions are tried on one example or more, and not on {most:,}")
    made_here = TASKS.origin(task.name) is not None
    tried = _first(root, buckets, task, most, made_here)
    every = [_seen(root, bucket) for bucket in tried] if made_here else []
    facts = _facts(task, config, every) if made_here else _stored_facts(root, task)
    running = of_task(task.name) if made_here else functions
    tables: list[tuple[pa.Table, pa.Table, pa.Table, pa.Table]] = []
    lost, left = [], most
    for number, bucket in enumerate(tried):
        seen = replace(every[number] if made_here else _seen(root, bucket), facts=facts)
        allowed = steps.allowed_posts(root, bucket, config.selection.max_overlap)

        def make(some: Threads, by: Sequence[Vote], allowed: pa.Array = allowed) -> pa.Table:
            examples = plugin_calls.examples(task, some, by)
            return example_texts.redacted(example_texts.within(examples, allowed), config.privacy)

        def stored(some: Threads, by: Sequence[Vote], bucket: Bucket = bucket) -> pa.Table:
            examples = example_texts.read(root, task.name, bucket.name)
            posts = some.documents["post_id"].combine_chunks()
            return examples.filter(pc.is_in(examples["post_id"], value_set=posts))

        voted = steps.run_functions(task, running, seen, make if made_here else stored, config.privacy)
        lost.append(voted.strays.counts(task, seen, allowed))
        others = steps.annotations(root, bucket, task, voted.examples, people=True)
        if not made_here:
            others.append(parquet.read(root / schema.path(task.name, "votes", bucket.name)))
        path = root / schema.path(task.name, "labels", bucket.name)
        labels = parquet.read(path, LABELS) if files.exists(path) else LABELS.empty_table()
        examples = voted.examples.slice(0, left)
        left -= examples.num_rows
        tables.append(
            (
                examples,
                _of_posts(voted.votes, examples),
                _of_posts(pa.concat_tables([VOTES.empty_table(), *others]), examples),
                _of_posts(labels, examples),
            )
        )
    merged, notes = strays.merged(lost), []
    which = _which(root, buckets, task, tables, made_here)
    if made_here and task.collect is not None and len(tried) < len(buckets):
        notes.append(
            f"{task.name}: its facts (collect, merge) are those of {len(tried):,} of {len(buckets):,} buckets here; "
            "with socorpus labeling apply they are those of all"
        )
    trials = []
    for function in functions:
        own = [strays.sentence(task, function.name, merged[function.name])] if function.name in merged else []
        trial = _trial(task, function, (running, functions), tables, [*own, *notes])
        trials.append(replace(trial, which=which))
    return trials


def _which(
    root: Path,
    buckets: Sequence[Bucket],
    task: Task,
    tables: Sequence[tuple[pa.Table, pa.Table, pa.Table, pa.Table]],
    made_here: bool,
) -> str:
    """The sentence on which examples functions were tried on."""
    by_site: Counter[str] = Counter()
    for examples, *_ in tables:
        by_site.update(examples["site"].to_pylist())
    sites = ", ".join(f"{site} {count:,}" for site, count in by_site.items()) or "none"
    if made_here:
        return f"tried on the first {by_site.total():,} examples, site by site: {sites}"
    paths = (root / schema.path(task.name, "examples", bucket.name) for bucket in buckets)
    total = sum(sum(parquet.row_groups(path)) for path in paths)
    return f"tried on the first {by_site.total():,} of {total:,} examples, site by site: {sites}"


def _of_posts(votes: pa.Table, examples: pa.Table) -> pa.Table:
    """The votes on these examples."""
    return votes.filter(pc.is_in(votes["post_id"], value_set=examples["post_id"].combine_chunks()))


def _first(root: Path, buckets: Sequence[Bucket], task: Task, most: int, made_here: bool) -> list[Bucket]:
    """The first buckets that have enough examples, or posts of the task's kinds."""
    tried, count = [], 0
    for bucket in buckets:
        tried.append(bucket)
        if made_here:
            kinds = parquet.read(root / bucket.path("documents"), columns=["kind"])["kind"]
            count += pc.sum(pc.is_in(kinds, value_set=pa.array(task.kinds))).as_py() or 0
        else:
            count += sum(parquet.row_groups(root / schema.path(task.name, "examples", bucket.name)))
        if count >= most:
            break
    return tried


def _seen(root: Path, bucket: Bucket) -> Threads:
    """A bucket as functions see it; facts of posts are settled where the corpus has none."""
    tables = [name for name in corpus_schema.BY_POST if files.exists(root / bucket.path(f"tables/{name}"))]
    tags = [str(path.relative_to(root)) for path in sorted(files.listed(root / f"tables/tags/{bucket.site}"))]
    settled = files.exists(root / schema.facts_path(bucket.name))
    seen = steps.threads(root, bucket, tables, tags, None, settled=settled)
    return seen if settled else replace(seen, post_facts=post_facts.settle(seen))


def _facts(task: Task, config: Config, every: Sequence[Threads]) -> Mapping[str, Any]:
    """The facts of some buckets, as JSON brings them to functions."""
    if task.collect is None:
        return {}
    facts = plugin_calls.merged(task, json.loads(json.dumps([plugin_calls.collected(task, seen) for seen in every])))
    settings = {} if task.settings is None else {"settings": task.settings(config.labels)}
    read: dict[str, Any] = json.loads(json.dumps({**facts, **settings}))
    return read


def _stored_facts(root: Path, task: Task) -> Mapping[str, Any]:
    path = root / steps.facts_path(task.name)
    if not files.exists(path):
        raise InputError(f"{root}: the facts of {task.name} are not there; run socorpus labeling apply --force first")
    facts: dict[str, Any] = files.read_json(path)
    return facts


_Item = tuple[int, int | None, int | None]


def _rows(votes: pa.Table) -> Iterator[tuple[_Item, dict[str, Any]]]:
    for row in votes.filter(pc.is_valid(votes["label"])).to_pylist():
        yield (row["post_id"], row["start"], row["end"]), row


def _trial(
    task: Task,
    function: Function,
    ran_and_tried: tuple[Sequence[Function], Sequence[Function]],
    tables: Sequence[tuple[pa.Table, pa.Table, pa.Table, pa.Table]],
    notes: list[str],
) -> Trial:
    """The figures of one function.

    Args:
        ran_and_tried: all that ran, of which the corpus's votes, which may be of an earlier file, do not count; and of
            these the ones that are tried.
        tables: of each bucket the examples, the votes of those that ran, and the votes and the labels in the corpus.
    """
    ran, tried = ({other.name for other in some} for some in ran_and_tried)
    examples = covered = overlap = conflict = labelled = unlike = judged = right = 0
    labels: Counter[str] = Counter()
    samples: list[tuple[bool, dict[str, Any]]] = []
    for texts_of, votes, stored, given in tables:
        of_corpus = _labels(given, tried)
        texts = dict(zip(texts_of["post_id"].to_pylist(), texts_of["text"].to_pylist(), strict=True))
        own = {item: row for item, row in _rows(votes) if row["function"] == function.name}
        by_others: dict[_Item, dict[str, str]] = {}
        for item, row in (*_rows(votes), *(pair for pair in _rows(stored) if pair[1]["function"] not in ran)):
            if row["function"] != function.name:
                by_others.setdefault(item, {})[row["function"]] = row["label"]
        examples += len(texts)
        covered += len({post for post, *_ in own})
        for item, row in own.items():
            labels[row["label"]] += 1
            there = by_others.get(item, {})
            people = {label for name, label in there.items() if name.startswith("person:")}
            voted = {label for name, label in there.items() if not name.startswith("person:")}
            against = voted - {row["label"]}
            overlap += bool(voted)
            conflict += bool(against)
            labelled += item in of_corpus
            unlike += of_corpus.get(item, row["label"]) != row["label"]
            judged += bool(people)
            right += people == {row["label"]}
            if sum(hit == bool(against) for hit, _ in samples) < SAMPLES:
                samples.append((bool(against), _sample(row, texts[item[0]], against)))
    samples.sort(key=lambda sample: not sample[0])
    return Trial(
        *(function.key, examples, labels.total(), {label: labels[label] for label in task.labels if labels[label]}),
        *(covered, overlap, conflict, labelled, unlike, judged, right),
        [sample for _, sample in samples[: 2 * SAMPLES]],
        notes,
    )


def _labels(table: pa.Table, tried: Collection[str]) -> dict[_Item, str]:
    """The labels in the corpus, but for those that rest only on votes of functions that are tried: these are theirs."""
    rows = table.select(["post_id", "start", "end", "label", "votes"]).to_pylist()
    return {
        (row["post_id"], row["start"], row["end"]): row["label"]
        for row in rows
        if any(vote["function"] not in tried for vote in row["votes"])
    }


def _sample(row: Mapping[str, Any], text: str, against: set[str]) -> dict[str, Any]:
    start, end = (0, _TEXT) if row["start"] is None else (row["start"], row["end"])
    return {
        "key": corpus_schema.key(row["site"], row["post_id"]),
        "label": row["label"],
        "text": " ".join(text[start : min(end, start + _TEXT)].split()),
        "evidence": json.loads(row["evidence"]),
        "others": sorted(against) or None,
    }
