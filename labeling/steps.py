"""The steps of labelling, and the tables of a bucket that they read."""

import json
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.arrays import counted, lists
from socorpus.corpus.config import Privacy, Split
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.errors import BuildError
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import example_texts, plugin_calls, schema, splits
from socorpus.labeling import stratify as labeling_stratify
from socorpus.labeling.aggregation import counting, dawid_skene, decide, vote_matrix, weighed
from socorpus.labeling.facts import post_facts
from socorpus.labeling.functions import FUNCTIONS, Function, Threads, Vote, of_task
from socorpus.labeling.schema import TASKS
from socorpus.labeling.strays import Strays

LEFT_OUT = ("fabricated", "empty", "contaminated", "exact_duplicate", "near_duplicate", "code_duplicate")
"""Reasons of decisions for which a post is no example. Others, such as its kind or score, say nothing of its label."""

MOST_FAILURES = 1000
"""Failures of functions that are listed; all are counted."""

PART = 500
"""Number of examples that functions of a task of spans get at a time."""


def threads(
    root: Path, bucket: Bucket, tables: Sequence[str], tags: Sequence[str], facts: str | None, settled: bool = True
) -> Threads:
    """A bucket as labelling functions see it.

    Args:
        tables: those that the site has.
        tags: parts of the site's table of tags.
        facts: path of the task's facts, once there are any.
        settled: whether the facts of posts are settled.
    """
    read = _of_bucket(root, bucket)

    def rows(name: str) -> pa.Table:
        return read(bucket.path(f"tables/{name}")) if name in tables else read.empty(name)

    tag = read.empty("tags")
    return Threads(
        bucket.site,
        read(bucket.path("documents")),
        rows("posts"),
        rows("comments"),
        rows("links"),
        rows("votes"),
        rows("history") if "history" in tables else None,
        pa.concat_tables([tag, *(read(part) for part in tags)]),
        files.read_json(root / facts) if facts is not None else {},
        post_facts=read(schema.facts_path(bucket.name)) if settled else None,
        kept=read.kept,
    )


class _Reader:
    """Reads files of a bucket; those that did not change since are read once for all tasks."""

    def __init__(self, root: Path):
        self._root = root
        self._tables: dict[tuple[str, tuple[str, ...]], tuple[Any, pa.Table]] = {}
        self._empty: dict[str, pa.Table] = {}
        self.bytes = 0
        """Memory of all tables that were read, about."""
        self.kept: dict[Any, Any] = {}
        """For `Threads.kept`."""

    def __call__(self, path: str, columns: Sequence[str] = ()) -> pa.Table:
        """A file's table, or some columns of it."""
        known = self._tables.get((path, tuple(columns)))
        content = files.stamp(self._root / path) if files.exists(self._root / path) else None
        if known is None or content is None or known[0] != content:
            # Without an identity it is not there, and reading it says so.
            table = parquet.read(self._root / path, columns=columns or None)
            known = self._tables[path, tuple(columns)] = content, table
            self.bytes += table.nbytes + _COLUMN_BYTES * table.num_columns
        return known[1]

    def empty(self, name: str) -> pa.Table:
        """A table of the dump without rows."""
        if name not in self._empty:
            self._empty[name] = corpus_schema.dump_schema(name).empty_table()
        return self._empty[name]


_ROOM = 1 << 26
"""Bytes of tables that are kept of earlier buckets: several steps read the same ones, which are many where all are
small."""
_COLUMN_BYTES = 2_000
"""Bytes that a column of a table in memory takes beside its values, as measured on tables of few rows."""
_readers: OrderedDict[tuple[Path, str], _Reader] = OrderedDict()


def _of_bucket(root: Path, bucket: Bucket) -> _Reader:
    """The reader of a bucket; of earlier buckets some tables are kept, and nothing that was made of them."""
    of = root, bucket.name
    if of not in _readers:
        _readers[of] = _Reader(root)
    if next(reversed(_readers)) != of:
        next(reversed(_readers.values())).kept = {}
        _readers.move_to_end(of)
    room = _ROOM
    for earlier, reader in list(_readers.items())[-2::-1]:
        room -= reader.bytes
        if room < 0:
            del _readers[earlier]
    return _readers[of]


def forget() -> None:
    """Keep nothing of any bucket."""
    _readers.clear()


def settle(root: Path, bucket: Bucket, tables: Sequence[str]) -> Outcome:
    """Threads -> the facts of a bucket's posts, and the documents without personal data that have some."""
    seen = threads(root, bucket, tables, [], None, settled=False)
    paths = schema.facts_path(bucket.name), schema.texts_path(bucket.name)
    texts = example_texts.texts(seen.documents, _of_bucket(root, bucket)(bucket.path("signals/privacy")))
    return Outcome(
        {
            paths[0]: parquet.write(root / paths[0], post_facts.settle(seen), schema.FACTS),
            paths[1]: parquet.write(root / paths[1], texts, schema.TEXTS),
        }
    )


def _published(root: Path, bucket: Bucket) -> example_texts.Published:
    """The bucket's documents, and their texts without personal data; made once for all tasks."""
    read = _of_bucket(root, bucket)
    documents, texts = read(bucket.path("documents")), read(schema.texts_path(bucket.name))
    before: tuple[pa.Table, pa.Table, example_texts.Published] | None = read.kept.get("published")
    if before is None or before[0] is not documents or before[1] is not texts:
        before = read.kept["published"] = documents, texts, example_texts.published(documents, texts)
    return before[2]


def collect(root: Path, bucket: Bucket, task: str, tables: Sequence[str], tags: Sequence[str]) -> Outcome:
    """Threads -> a bucket's part of the facts."""
    path = parts_path(task, bucket)
    files.write_json(root / path, plugin_calls.collected(TASKS[task], threads(root, bucket, tables, tags, None)))
    return Outcome({path: 1})


def parts_path(task: str, bucket: Bucket) -> str:
    """Path of a bucket's part of the facts."""
    return f".work/labels/{task}/parts/{bucket.name}.json"


def facts_path(task: str) -> str:
    """Path of a task's facts of the whole corpus."""
    return f".work/labels/{task}/facts.json"


def abstains(root: Path, task: str) -> dict[str, dict[str, str]]:
    """Labels that sites can't have, by the facts of the whole corpus: site -> label -> why; none for most tasks."""
    definition, find = TASKS[task], TASKS[task].abstains
    if find is None:
        return {}
    missing = plugin_calls.of_facts(definition, "abstains", find, files.read_json(root / facts_path(task)))
    return {site: dict(labels) for site, labels in missing.items()}


def merge(root: Path, task: str, parts: Sequence[str], settings: Mapping[str, Any] | None = None) -> Outcome:
    """Parts of all buckets, and the task's settings if it has any -> facts."""
    path = facts_path(task)
    collected = [files.read_json(root / part) for part in parts]
    facts = plugin_calls.merged(TASKS[task], collected)
    files.write_json(root / path, facts if settings is None else {**facts, "settings": settings})
    return Outcome({path: 1})


def vote(
    root: Path,
    bucket: Bucket,
    task: str,
    tables: Sequence[str],
    tags: Sequence[str],
    without: Sequence[str],
    privacy: Privacy,
    max_overlap: float,
) -> Outcome:
    """Threads -> examples and the votes of the task's functions on them."""
    definition, allowed = TASKS[task], allowed_posts(root, bucket, max_overlap)
    seen = threads(root, bucket, tables, tags, facts_path(task))
    published = _published(root, bucket)

    def make(some: Threads, by: Sequence[Vote]) -> pa.Table:
        examples = example_texts.within(plugin_calls.examples(definition, some, by), allowed)
        return example_texts.redacted(_with_split(examples, splits.of_bucket(root, bucket)), privacy, published)

    voted = run_functions(definition, of_task(task, without), seen, make, privacy)
    paths = {name: schema.path(task, name, bucket.name) for name in ("examples", "votes")}
    examples = example_texts.stored(voted.examples, published)
    outputs = {"examples": (examples, schema.STORED_EXAMPLES), "votes": (voted.votes, schema.VOTES)}
    strays = voted.strays.counts(definition, seen, allowed)
    return Outcome(
        {paths[name]: parquet.write(root / paths[name], *written) for name, written in outputs.items()},
        {
            "examples": dict(sorted(counted(voted.examples["split"]).items())),
            "forms": dict(sorted(counted(voted.examples["form"]).items())),
            "functions": dict(sorted(counted(voted.votes["function"]).items())),
            "seconds": {name: round(spent, 4) for name, spent in sorted(voted.seconds.items())},
            **_failed(bucket.site, voted.failures, privacy),
            **({"strays": strays} if strays else {}),
        },
    )


@dataclass(frozen=True)
class Voted:
    """The votes of functions on a bucket: `schema.EXAMPLES` and, on these, `schema.VOTES`."""

    examples: pa.Table
    votes: pa.Table
    strays: Strays
    seconds: Mapping[str, float]
    """Processor time by function."""
    failures: Sequence[plugin_calls.Failure]
    """Posts on which a function of ours fails."""


def run_functions(
    task: schema.Task,
    functions: Sequence[Function],
    seen: Threads,
    make: Callable[[Threads, Sequence[Vote]], pa.Table],
    privacy: Privacy,
) -> Voted:
    """Run functions of a task on a bucket.

    Args:
        make: the examples of a bucket, or of some of its threads, and of the functions' votes (none of a task of spans,
            whose examples come first, nor for functions of other tasks that ask for them).

    Raises:
        BuildError: a function of a plug-in raises something, or one yields what is no vote of the task.
    """
    failures: list[plugin_calls.Failure] = []
    seconds: dict[str, float] = defaultdict(float)
    strays = Strays(functions)

    def voted(threads: Threads) -> list[tuple[Function, Vote]]:
        by = []
        for function in functions:
            started = time.thread_time()
            votes_of = plugin_calls.votes(function, threads, failures)
            seconds[function.name] += time.thread_time() - started
            by += [(function, vote) for vote in votes_of]
        return by

    if not task.spans:
        by = voted(replace(seen, make_examples=lambda some: make(replace(some, make_examples=None), ())))
        examples = make(seen, [vote for _, vote in by])
        strays.enter(by, set(examples["post_id"].to_pylist()))
        return Voted(examples, _votes(seen.site, by, examples, task, privacy), strays, seconds, failures)
    # Functions share intermediate results on a text many times its size, and votes on all spans of a bucket would
    # take a gigabyte.
    examples = make(seen, ())
    posts = set(examples["post_id"].to_pylist())
    ordered = examples.sort_by("post_id")
    tables = []
    for start in range(0, max(ordered.num_rows, 1), PART):
        part = ordered.slice(start, PART)
        by = voted(replace(seen, span_examples=part))
        strays.enter(by, posts)
        tables.append(_votes(seen.site, by, part, task, privacy))
    return Voted(examples, pa.concat_tables(tables), strays, seconds, failures)


def _failed(site: str, failures: Sequence[plugin_calls.Failure], privacy: Privacy) -> dict[str, Any]:
    """Counts of the posts on which functions failed, and the first of them, without personal data; none if none did."""
    if not failures:
        return {}
    first = sorted(failures, key=lambda failure: (failure.post_id, failure.function))[:MOST_FAILURES]
    errors = example_texts.evidence([{"error": failure.error} for failure in first], privacy)
    listed = [
        {"post": corpus_schema.key(site, failure.post_id), "function": failure.function, **json.loads(error)}
        for failure, error in zip(first, errors, strict=True)
    ]
    return {"failed": dict(sorted(Counter(failure.function for failure in failures).items())), "failures": listed}


def allowed_posts(root: Path, bucket: Bucket, max_overlap: float) -> pa.Array:
    """Posts that may be examples: no copies, nothing of a benchmark, nothing planted."""
    read = _of_bucket(root, bucket)
    decided = read(bucket.path("decisions"), ["post_id", "keep", "reason"])
    out = pc.is_in(decided["reason"], value_set=pa.array(LEFT_OUT))
    # A post that an earlier rule dropped was not tested by the later ones: its signals decide.
    marked = pc.greater(read(bucket.path("signals/contamination"), ["overlap"])["overlap"], max_overlap)
    marked = pc.or_(marked, pc.equal(read(bucket.path("signals/statistics"), ["words"])["words"], 0))
    for name in ("exact", "near"):
        marked = pc.or_(marked, pc.is_valid(read(bucket.path(f"signals/{name}"), ["survivor"])["survivor"]))
    out = pc.or_(pc.fill_null(out, False), pc.and_(pc.invert(decided["keep"]), marked))
    return decided["post_id"].filter(pc.invert(out)).combine_chunks()


def _with_split(examples: pa.Table, assigned: pa.Table) -> pa.Table:
    place = pc.index_in(examples["thread_id"], value_set=assigned["thread_id"].combine_chunks())
    column = schema.EXAMPLES.get_field_index("split")
    return examples.set_column(column, schema.EXAMPLES.field(column), assigned["split"].take(place))


def _votes(
    site: str, by: Sequence[tuple[Function, Vote]], examples: pa.Table, task: schema.Task, privacy: Privacy
) -> pa.Table:
    """Votes on examples as `schema.VOTES`, in order of post, span and function; a function's first on each item."""
    lengths = dict(zip(examples["post_id"].to_pylist(), pc.utf8_length(examples["text"]).to_pylist(), strict=True))
    order = {function.name: number for number, function in enumerate(of_task(task.name))}
    votes: dict[tuple[int, int, int, int], tuple[Function, Vote]] = {}
    for function, vote in by:
        if vote.post_id in lengths:
            check_vote(function, vote, lengths[vote.post_id], task, site)
            start, end = (
                (vote_matrix.NO_SPAN, vote_matrix.NO_SPAN)
                if vote.start is None or vote.end is None
                else (vote.start, vote.end)
            )
            votes.setdefault((vote.post_id, start, end, order[function.name]), (function, vote))
    rows = [votes[key] for key in sorted(votes)]
    columns: dict[str, Iterable[Any]] = {
        "site": [site] * len(rows),
        "post_id": [vote.post_id for _, vote in rows],
        "start": [vote.start for _, vote in rows],
        "end": [vote.end for _, vote in rows],
        "function": [function.name for function, _ in rows],
        "version": [function.version for function, _ in rows],
        "source": ["function"] * len(rows),
        "label": [vote.label for _, vote in rows],
        "evidence": example_texts.evidence([vote.evidence for _, vote in rows], privacy),
        "at": [None] * len(rows),
        "seconds": [None] * len(rows),
    }
    return pa.table({name: columns[name] for name in schema.VOTES.names}, schema=schema.VOTES)


def check_vote(function: Function, vote: Vote, length: int, task: schema.Task, site: str) -> None:
    """Hold a vote on an example against its task.

    Args:
        length: of the example's text, in code points.

    Raises:
        BuildError: the task has no such label; a span lacks offsets, or lies outside of the text; a text has some.
    """
    if vote.label not in task.labels:
        fault = f"votes {vote.label!r}; the task has {', '.join(task.labels)}"
    elif task.spans != (vote.start is not None and vote.end is not None):
        fault = "a span without offsets" if task.spans else "gives offsets, and labels of this task are of whole texts"
    elif vote.start is not None and vote.end is not None and not 0 <= vote.start < vote.end <= length:
        fault = f"span {vote.start}:{vote.end} of a text of {length}"
    else:
        return
    origin = FUNCTIONS.origin(function.key)
    of = f"{origin.where}: " if origin is not None else ""
    raise BuildError(f"{of}labelling function {function.key} on {site}:{vote.post_id}: {fault}. Correct the function")


def all_votes(
    root: Path, bucket: Bucket, task: schema.Task, people: bool, columns: Sequence[str] = tuple(schema.EXAMPLES.names)
) -> tuple[pa.Table, pa.Table]:
    """The bucket's examples, and the votes on them of functions, of models and, if asked for, of people.

    Args:
        columns: of the examples, those wanted.
    """
    # Texts are most of a bucket's bytes.
    also = ("post_id", "text") if _annotated(root, task, people) else ()
    read = list(dict.fromkeys([*columns, *also]))
    examples = example_texts.read(root, task.name, bucket.name, read) if read else pa.table({})
    votes = parquet.read(root / schema.path(task.name, "votes", bucket.name))
    return examples, pa.concat_tables([votes, *annotations(root, bucket, task, examples, people)])


def with_evidence(root: Path, bucket: str, task: str, labels: pa.Table) -> pa.Table:
    """Labels whose `votes` have their `evidence` too, as JSON.

    Args:
        bucket: its name.
        labels: of `schema.LABELS` at least the post, the span and `votes`, all of one bucket.
    """
    site, posts = bucket.partition("/")[0], pc.unique(labels["post_id"])
    key = ["post_id", "start", "end", "function", "label"]
    known: dict[tuple[Any, ...], str] = {}
    for path in (schema.path(task, "votes", bucket), schema.models_path(task), schema.people_path(task)):
        if files.exists(root / path):
            rows = parquet.read(root / path, schema.VOTES, ["site", *key, "evidence"])
            rows = rows.filter(pc.and_(pc.equal(rows["site"], site), pc.is_in(rows["post_id"], value_set=posts)))
            of = zip(*(rows[name].to_pylist() for name in key), strict=True)
            known |= dict(zip(of, rows["evidence"].to_pylist(), strict=True))
    flat, bounds = lists(labels["votes"])
    item = pa.array(np.repeat(np.arange(labels.num_rows), np.diff(bounds)))
    places = [labels[name].take(item).to_pylist() for name in key[:3]]
    of = zip(*places, *(flat.field(name).to_pylist() for name in key[3:]), strict=True)
    evidence = pa.array([known.get(vote, "{}") for vote in of], pa.string())
    values = [flat.field("function"), flat.field("label"), evidence]
    votes = pa.StructArray.from_arrays(values, fields=list(schema.EVIDENT_VOTE))
    column = labels.schema.get_field_index("votes")
    return labels.set_column(column, "votes", pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), votes))


def _annotated(root: Path, task: schema.Task, people: bool) -> list[str]:
    """Paths of votes of models and, if asked for, of people, where there are some."""
    others = [schema.models_path(task.name)] + ([schema.people_path(task.name)] if people else [])
    return [path for path in others if files.exists(root / path)]


def annotations(root: Path, bucket: Bucket, task: schema.Task, examples: pa.Table, people: bool) -> list[pa.Table]:
    """The votes on a bucket's examples of models and, if asked for, of people, as `VOTES`.

    Args:
        examples: with `post_id` and `text`.
    """
    tables = []
    others = _annotated(root, task, people)
    lengths = pc.utf8_length(examples["text"]).combine_chunks() if others else pa.nulls(0)
    for path in others:
        rows = parquet.read(root / path, schema.VOTES)
        rows = rows.filter(pc.equal(rows["site"], bucket.site))
        place = pc.index_in(rows["post_id"], value_set=examples["post_id"].combine_chunks())
        rows, place = rows.filter(pc.is_valid(place)), pc.drop_null(place)
        inside = pc.fill_null(pc.less_equal(rows["end"], lengths.take(place)), True)
        known = pc.or_(pc.is_null(rows["label"]), pc.is_in(rows["label"], value_set=pa.array(task.labels)))
        tables.append(rows.filter(pc.and_(inside, known)))
    return tables


def count(root: Path, bucket: Bucket, task: str, voters: Sequence[str], people: bool) -> Outcome:
    """Votes on a bucket's items and people's verdicts -> number of items of each pattern of these."""
    _, votes = all_votes(root, bucket, TASKS[task], people, ())
    counts = counting.count(votes, voters, TASKS[task])
    path = patterns_path(task, bucket)
    files.write_text(root / path, json.dumps(counts))
    return Outcome({path: len(counts["patterns"])})


def patterns_path(task: str, bucket: Bucket) -> str:
    """Path of a bucket's patterns."""
    return f".work/labels/{task}/patterns/{bucket.name}.json"


def model_path(task: str) -> str:
    """Path of a task's label model."""
    return f"{schema.FOLDER}/{task}/model.json"


def fit(
    root: Path,
    task: str,
    voters: Sequence[str],
    facts: Sequence[str],
    assumed: Mapping[str, float],
    parts: Sequence[str],
) -> Outcome:
    """Counts of all buckets -> the model.

    Args:
        facts: the voters that state facts.
        assumed: of some voters the share of right votes to assume where nothing can be learned.
    """
    counted = read_counts(root, parts, len(voters))
    model = counted.fit(voters, TASKS[task], facts, assumed)
    files.write_json(root / model_path(task), model.as_dict())
    more: dict[str, Any] = {"muted": [list(pair) for pair in model.muted]} if model.muted else {}
    if withheld := counted.withheld(model, TASKS[task]):
        more["withheld"] = withheld
    if count := counted.contradictions(voters, facts):
        more["contradictions"] = count
    more["posts"] = counted.posts
    if model.measured is not None:
        more["teaching"] = dict(model.measured["teaching"])
        if model.taught:
            untaught = counted.fit(voters, TASKS[task], facts, assumed, teach=False)
            more["teaching"] |= {"labels": counted.labelled(model), "labels_without": counted.labelled(untaught)}
    return Outcome({model_path(task): len(counted.weight)}, {"method": model.method, "basis": model.basis, **more})


def read_counts(root: Path, parts: Sequence[str], width: int) -> counting.Counted:
    """The counts of several buckets together; `width` is the number of voters."""
    return counting.Counted([files.read_json(root / part) for part in parts], width)


def corrections_path(task: str) -> str:
    """Path of what people's verdicts change of a weigher's probabilities."""
    return f".work/labels/{task}/corrections.json"


def mentions_path(task: str, bucket: Bucket) -> str:
    """Path of a bucket's mentions of the names that people judged."""
    return f".work/labels/{task}/mentions/{bucket.name}.json"


def mentions(root: Path, bucket: Bucket, task: str) -> Outcome:
    """Votes of a task's weigher -> mentions of the names that people judged, with their probabilities."""
    definition = TASKS[task]
    examples, votes = all_votes(root, bucket, definition, people=False, columns=("post_id", "text"))
    rows = parquet.read(root / schema.names_path(task), schema.NAMES, ["label", "name"])
    names = {(row["label"], row["name"]) for row in rows.to_pylist()}
    weigher = definition.weighed_by
    path = mentions_path(task, bucket)
    counted = weighed.mentioned(examples, votes, weigher, names) if weigher is not None else {}
    files.write_json(root / path, dict(sorted(counted.items())))
    return Outcome({path: len(counted)})


def teach(root: Path, task: str, buckets: Sequence[Bucket], mentioned: Sequence[str] = ()) -> Outcome:
    """Verdicts of people on the spans of some buckets, and on names -> corrections.

    Args:
        mentioned: paths of all buckets' mentions of these names; none where nobody judged any.
    """
    spans: list[weighed.JudgedSpan] = []
    names: list[weighed.Judged] = []
    for bucket in buckets:
        examples, votes = all_votes(root, bucket, TASKS[task], people=True, columns=("post_id", "text"))
        spans += weighed.judged(examples, votes, TASKS[task])
    if mentioned:
        of_names = parquet.read(root / schema.names_path(task), schema.NAMES).to_pylist()
        names = weighed.of_names(of_names, (files.read_json(root / path) for path in mentioned))
    corrections = weighed.fit([*(span.verdict for span in spans), *names])
    weigher = TASKS[task].weigher
    measured = weighed.measure(spans, names, weigher().least) if weigher is not None else None
    files.write_json(root / corrections_path(task), corrections.as_dict() | {"measured": measured})
    judged = measured["judged"] if measured is not None else 0
    return Outcome({corrections_path(task): corrections.verdicts}, {"judged": judged, "verdicts": corrections.verdicts})


def stratify(root: Path, task: str, buckets: Sequence[Bucket], shares: Split) -> Outcome:
    """Votes of functions -> the split of the labels."""
    return labeling_stratify.stratify(root, buckets, TASKS[task], shares)


def label(root: Path, bucket: Bucket, task: str, people: bool, taught: bool = False) -> Outcome:
    """Votes, the model, corrections if people taught some, and the labels' split -> labels."""
    definition = TASKS[task]
    texts = ("text",) if taught else ()
    examples, votes = all_votes(root, bucket, definition, people, (*decide.COLUMNS, *texts))
    if not definition.spans:
        examples = labeling_stratify.resplit(root, bucket, task, examples)
    model = dawid_skene.from_dict(files.read_json(root / model_path(task)))
    corrections = weighed.from_dict(files.read_json(root / corrections_path(task)) if taught else None)
    table = decide.decide(examples, votes, model, definition, corrections)
    path = schema.path(task, "labels", bucket.name)
    pairs = Counter(zip(table["split"].to_pylist(), table["label"].to_pylist(), strict=True))
    return Outcome(
        {path: parquet.write(root / path, table, schema.LABELS)},
        {
            "labels": [[split, name, count] for (split, name), count in sorted(pairs.items())],
            "sources": dict(sorted(counted(table["source"]).items())),
            "conflicts": pc.sum(table["conflict"]).as_py() or 0,
        },
    )
