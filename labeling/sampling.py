"""Which posts people are asked about, and the posts themselves, from the tables of a labelled corpus.

Tables are read bucket by bucket: of all posts only the key and a number to sort by are held, texts of the chosen alone.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import parquet
from socorpus.corpus.errors import InputError
from socorpus.labeling import schema
from socorpus.labeling.interfaces import Example, Label
from socorpus.labeling.schema import Task

KINDS = ("uncertain", "disagreement", "random", "tag:NAME")

_EXAMPLE = [
    *("site", "post_id", "split", "kind", "created", "score", "tags", "title", "text", "url", "license", "author"),
    "digest",
]
_AT_ONCE = 500
_LABEL = ["site", "post_id", "start", "end", "label", "probability", "source", "conflict", "votes"]


@dataclass(frozen=True)
class Sample:
    """A way to choose posts: uncertain, disagreement, random, or those of a tag."""

    kind: str
    tag: str | None = None

    @staticmethod
    def parse(text: str) -> "Sample":
        """Read what the user wrote.

        Raises:
            InputError: there is no such way.
        """
        kind, _, tag = text.partition(":")
        if (kind == "tag") != bool(tag) or kind not in ("uncertain", "disagreement", "random", "tag"):
            raise InputError(f"sample {text!r} is not known; there are {', '.join(KINDS)}")
        return Sample(kind, tag or None)


def buckets(root: Path, task: Task) -> list[str]:
    """Names of the buckets (`SITE/BUCKET`) that have examples of a task.

    Raises:
        InputError: the corpus has none; says what to run.
    """
    folder = root / schema.FOLDER / task.name / "examples"
    found = sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.parquet"))
    if not found:
        raise InputError(f"{root}: no labels of {task.name}; run socorpus labeling apply {root} first")
    return found


def version(root: Path, task: Task) -> str:
    """The version of what combined the votes, as the labels have it; several are joined. Empty without labels."""
    found: set[str] = set()
    for bucket in buckets(root, task):
        if (path := root / schema.path(task.name, "labels", bucket)).is_file():
            found |= set(pc.unique(parquet.read(path, schema.LABELS, ["version"])["version"]).to_pylist())
    return "+".join(sorted(found))


def choose(root: Path, task: Task, sample: Sample, limit: int, without: Collection[str] = ()) -> list[str]:
    """Keys of at most `limit` posts, the most wanted first; equal ones in an order that is random and always the same.

    Uncertain ones come by the probability of their label (of spans, the mean), disagreement by the share of labels
    whose votes differ. Posts that no function spoke of are chosen by "random" and by tag alone, and posts that people
    have judged by neither of the first two.
    """
    skipped = set(without)
    ranked: list[tuple[float, bytes, str]] = []
    for bucket in buckets(root, task):
        path = root / schema.path(task.name, "examples", bucket)
        table = parquet.read(path, schema.EXAMPLES, ["site", "post_id", "tags"])
        weights = None if sample.kind in ("random", "tag") else _weights(root, task, bucket, sample.kind)
        tags = table["tags"].to_pylist() if sample.tag is not None else None
        for row, (site, post) in enumerate(zip(table["site"].to_pylist(), table["post_id"].to_pylist(), strict=True)):
            key = f"{site}:{post}"
            weight = 0.0 if weights is None else weights.get(post)
            if weight is not None and key not in skipped and (tags is None or sample.tag in tags[row]):
                ranked.append((weight, hashlib.blake2b(key.encode(), digest_size=8, person=b"sample").digest(), key))
        if len(ranked) > 4 * limit + 100_000:
            ranked = sorted(ranked)[:limit]
    return [key for _, _, key in sorted(ranked)[:limit]]


def _weights(root: Path, task: Task, bucket: str, kind: str) -> dict[int, float]:
    """Post -> a number that is the smaller, the more it is wanted."""
    path = root / schema.path(task.name, "labels", bucket)
    if not path.is_file():
        return {}
    table = parquet.read(path, schema.LABELS, ["post_id", "probability", "conflict", "source"])
    judged = pc.equal(table["source"], "person")
    columns = [table["post_id"], table["probability"], pc.cast(table["conflict"], pa.float32()), judged]
    grouped = (
        pa.table(columns, names=["post_id", "probability", "conflict", "judged"])
        .group_by("post_id", use_threads=False)
        .aggregate([("probability", "mean"), ("conflict", "mean"), ("judged", "any")])
    )
    found: dict[int, float] = {}
    for post, probability, conflict, by_person in zip(
        *(grouped[name].to_pylist() for name in ("post_id", "probability_mean", "conflict_mean", "judged_any")),
        strict=True,
    ):
        if by_person or (kind == "disagreement" and not conflict):
            continue
        found[post] = probability if kind == "uncertain" else -conflict
    return found


def examples(root: Path, task: Task, keys: Collection[str]) -> Iterator[Example]:
    """The posts of these keys with their labels, in the order of the keys; those that the corpus no longer has are
    left out.

    Rows of all of them are held as Arrow has them; each becomes an `Example` shortly before it is asked for.
    """
    wanted: dict[str, set[int]] = defaultdict(set)
    for key in keys:
        site, _, post = key.rpartition(":")
        wanted[site].add(int(post))
    posts, labels = [schema.EXAMPLES.empty_table().select(_EXAMPLE)], [schema.LABELS.empty_table().select(_LABEL)]
    for bucket in buckets(root, task):
        if chosen := wanted.get(bucket.rpartition("/")[0]):
            numbers = pa.array(sorted(chosen))
            for table, found, expected, columns in (
                ("examples", posts, schema.EXAMPLES, _EXAMPLE),
                ("labels", labels, schema.LABELS, _LABEL),
            ):
                if (path := root / schema.path(task.name, table, bucket)).is_file():
                    rows = parquet.read(path, expected, columns)
                    found.append(rows.filter(pc.is_in(rows["post_id"], value_set=numbers)))
    yield from _in_order(pa.concat_tables(posts).combine_chunks(), pa.concat_tables(labels).combine_chunks(), keys)


def _in_order(posts: pa.Table, labels: pa.Table, keys: Collection[str]) -> Iterator[Example]:
    place = {key: row for row, key in enumerate(_keys(posts))}
    labelled: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(_keys(labels)):
        labelled[key].append(row)
    known = [key for key in keys if key in place]
    for at in range(0, len(known), _AT_ONCE):
        some = known[at : at + _AT_ONCE]
        rows = posts.take(pa.array([place[key] for key in some])).to_pylist()
        of = iter(labels.take(pa.array([row for key in some for row in labelled[key]], pa.int64())).to_pylist())
        for key, row in zip(some, rows, strict=True):
            given = tuple(_label(next(of)) for _ in labelled[key])
            yield Example(**row | {"tags": tuple(row["tags"]), "labels": given})


def _keys(table: pa.Table) -> list[str]:
    sites, posts = table["site"].to_pylist(), table["post_id"].to_pylist()
    return [f"{site}:{post}" for site, post in zip(sites, posts, strict=True)]


def _label(row: dict[str, Any]) -> Label:
    votes = tuple((vote["function"], vote["label"], vote["evidence"]) for vote in row["votes"])
    return Label(votes=votes, **{name: row[name] for name in _LABEL if name not in ("site", "post_id", "votes")})
