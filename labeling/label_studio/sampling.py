"""The sample of posts for annotation, from the tables of a labelled corpus.

Tables are read bucket by bucket: of all posts only the key and a sort value are held, texts only of the sample.
"""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import bucket_files
from socorpus.labeling import schema
from socorpus.labeling.label_studio.interface import Example, Label
from socorpus.labeling.schema import Task

KINDS = ("uncertain", "disagreement", "random", "tag:NAME")

_EXAMPLE = [
    *("site", "post_id", "split", "kind", "created", "score", "tags", "title", "text", "url", "license", "author"),
    *("digest", "segments"),
]
_CODE = ("code", "inline_code")
_LABEL = ["site", "post_id", "start", "end", "label", "probability", "source", "conflict", "votes"]


@dataclass(frozen=True)
class Sample:
    """A way to choose posts: uncertain, disagreement, random, or those of a tag."""

    kind: str
    tag: str | None = None

    @staticmethod
    def parse(text: str) -> "Sample":
        """Parse the user's choice.

        Raises:
            InputError: there is no such kind of sample.
        """
        kind, _, tag = text.partition(":")
        if (kind == "tag") != bool(tag) or kind not in ("uncertain", "disagreement", "random", "tag"):
            raise InputError(f"sample {text!r} is not known; there are {', '.join(KINDS)}")
        return Sample(kind, tag or None)


def buckets(root: Path, task: Task) -> list[str]:
    """Names of the buckets (`SITE/BUCKET`) that have examples of a task.

    Raises:
        InputError: the corpus has none; names the command to run.
    """
    folder = root / schema.FOLDER / task.name / "examples"
    names = sorted(str(path.relative_to(folder).with_suffix("")) for path in bucket_files(folder))
    if not names:
        raise InputError(f"{root}: no labels of {task.name}; run socorpus labeling apply {root} first")
    return names


def version(root: Path, task: Task) -> str:
    """Version of the label model, from the labels; different ones are joined. Empty without labels."""
    versions: set[str] = set()
    for bucket in buckets(root, task):
        if files.exists(path := root / schema.path(task.name, "labels", bucket)):
            versions |= set(pc.unique(parquet.read(path, schema.LABELS, ["version"])["version"]).to_pylist())
    return "+".join(sorted(versions))


def choose(root: Path, task: Task, sample: Sample, limit: int, without: Collection[str] = ()) -> list[str]:
    """Keys of at most `limit` posts, the most wanted first; ties in a random order that is always the same.

    "uncertain" sorts by the probability of the label (of spans, the mean), "disagreement" by the share of labels whose
    votes differ. Posts without votes are only chosen by "random" and by tag, posts that people have judged by neither
    of the first two.
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
    """Post -> sort value; the most wanted have the smallest."""
    path = root / schema.path(task.name, "labels", bucket)
    if not files.exists(path):
        return {}
    table = parquet.read(path, schema.LABELS, ["post_id", "probability", "conflict", "source"])
    judged = pc.equal(table["source"], "person")
    columns = [table["post_id"], table["probability"], pc.cast(table["conflict"], pa.float32()), judged]
    grouped = (
        pa.table(columns, names=["post_id", "probability", "conflict", "judged"])
        .group_by("post_id", use_threads=False)
        .aggregate([("probability", "mean"), ("conflict", "mean"), ("judged", "any")])
    )
    weights: dict[int, float] = {}
    for post, probability, conflict, by_person in zip(
        *(grouped[name].to_pylist() for name in ("post_id", "probability_mean", "conflict_mean", "judged_any")),
        strict=True,
    ):
        if by_person or (kind == "disagreement" and not conflict):
            continue
        weights[post] = probability if kind == "uncertain" else -conflict
    return weights


def examples(root: Path, task: Task, keys: Collection[str]) -> Iterator[Example]:
    """The posts of these keys with their labels, in the order of the keys; those no longer in the corpus are left out.

    All chosen rows are held as Arrow tables, only those of `_CHUNK` posts as Python objects.
    """
    wanted: dict[str, dict[int, int]] = defaultdict(dict)
    for number, key in enumerate(keys):
        site, _, post = key.rpartition(":")
        wanted[site][int(post)] = number
    posts, labels = [], []
    for bucket in buckets(root, task):
        places = wanted.get(bucket.rpartition("/")[0])
        if not places:
            continue
        posts.append(_chosen(root / schema.path(task.name, "examples", bucket), schema.EXAMPLES, _EXAMPLE, places))
        if files.exists(path := root / schema.path(task.name, "labels", bucket)):
            labels.append(_chosen(path, schema.LABELS, _LABEL, places))
    if not posts:
        return
    in_order, of_labels = _sorted(posts), _sorted(labels) if labels else None
    starts = of_labels["place"].to_numpy() if of_labels is not None else np.zeros(0, np.int64)
    for offset in range(0, in_order.num_rows, _CHUNK):
        chunk = in_order.slice(offset, _CHUNK)
        places = chunk["place"].to_numpy()
        by_place: dict[int, list[Label]] = {}
        if of_labels is not None:
            first, end = np.searchsorted(starts, [places[0], places[-1] + 1]).tolist()
            by_place = _labels(of_labels.slice(first, end - first))
        for place, row in zip(places.tolist(), chunk.drop_columns(["place"]).to_pylist(), strict=True):
            segments, row["tags"] = row.pop("segments"), tuple(row["tags"])
            code = tuple((piece["start"], piece["end"]) for piece in segments if piece["kind"] in _CODE)
            yield Example(**row, labels=tuple(by_place.get(place, ())), code=code)


def _chosen(path: Path, expected: pa.Schema, columns: list[str], places: dict[int, int]) -> pa.Table:
    """The rows of some posts, with each post's place among the wanted ones."""
    table = parquet.read(path, expected, columns)
    table = table.filter(pc.is_in(table["post_id"], value_set=pa.array(list(places))))
    return table.append_column("place", pa.array([places[post] for post in table["post_id"].to_pylist()], pa.int64()))


def _sorted(tables: list[pa.Table]) -> pa.Table:
    # Stable: the labels of a post keep their order.
    return pa.concat_tables(tables).combine_chunks().sort_by("place").combine_chunks()


def _labels(rows: pa.Table) -> dict[int, list[Label]]:
    """Place -> labels; by columns, which is several times faster than by rows."""
    flat, bounds = arrays.lists(rows["votes"])
    each = list(zip(*(flat.field(name).to_pylist() for name in ("function", "label", "evidence")), strict=True))
    columns = (
        rows[name].to_pylist() for name in ("place", "start", "end", "label", "probability", "source", "conflict")
    )
    by_place: dict[int, list[Label]] = defaultdict(list)
    for (first, after), row in zip(itertools.pairwise(bounds.tolist()), zip(*columns, strict=True), strict=True):
        place, start, end, label, probability, source, conflict = row
        of = tuple(each[first:after])
        by_place[place].append(Label(label, probability, source, conflict, start, end, of))
    return by_place


_CHUNK = 1000
