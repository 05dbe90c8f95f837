"""The sample of posts for annotation, from the tables of a labelled corpus.

Tables are read bucket by bucket: of all posts only the key and a sort value are held, texts only of the sample.
"""

import hashlib
import itertools
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import bucket_files
from socorpus.labeling import example_texts, schema, steps
from socorpus.labeling.analysis import slices
from socorpus.labeling.label_studio.interface import Example, Label
from socorpus.labeling.schema import Task

KINDS = ("uncertain", "disagreement", "random", "diverse", "class", "class:LABEL", "slice:WAY", "tag:NAME")
"""`class` and `slice:WAY` (tag, year, site, length) take the same number of each; `diverse` unlike texts."""
POOL = 4_000
"""Posts, drawn at random, from which `diverse` chooses."""

_EXAMPLE = [
    *("site", "post_id", "split", "kind", "created", "score", "tags", "title", "text", "url", "license", "author"),
    *("digest", "segments"),
]
_CODE = ("code", "inline_code")
_LABEL = ["site", "post_id", "start", "end", "label", "probability", "source", "conflict", "votes"]


@dataclass(frozen=True)
class Sample:
    """A way to choose posts; `value` is the label, the way of slicing, the tag, or the name of a saved query."""

    kind: str
    value: str | None = None
    keys: "Callable[[int, frozenset[str]], list[str]] | None" = field(default=None, compare=False)
    """Of the kind `query`: at most so many keys of the posts that it finds, in its order, without some."""

    @staticmethod
    def parse(text: str) -> "Sample":
        """Parse the user's choice.

        Raises:
            InputError: there is no such kind of sample.
        """
        kind, colon, value = text.partition(":")
        plain = kind in ("uncertain", "disagreement", "random", "diverse", "class") and not colon
        valued = bool(value) and (kind in ("class", "tag") or (kind == "slice" and value in slices.WAYS))
        if not plain and not valued:
            ways = ", ".join(slices.WAYS)
            raise InputError(f"sample {text!r} is not known; there are {', '.join(KINDS)}; WAY is one of {ways}")
        return Sample(kind, value or None)


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

    "uncertain" sorts by the probability of the label (of spans, the mean), which people's judgements correct,
    "disagreement" by the share of labels whose votes differ. "class" takes posts of each label that a plain vote gives
    in turn (`analysis.accuracy.strata`), "slice" posts of each slice, "class:LABEL" those with a label; each at random
    within. "diverse" takes next what is least like all before. Posts without votes are only chosen by "random",
    "diverse", slice and tag; posts that people have judged by none but "random", slice and tag.

    Raises:
        InputError: the task has no such label.
    """
    if sample.kind == "class" and sample.value is not None and sample.value not in task.labels:
        raise InputError(f"{task.name} has no label {sample.value!r}; it has {', '.join(task.labels)}")
    skipped = set(without)
    if sample.keys is not None:
        return sample.keys(limit, frozenset(skipped))
    if sample.kind in ("class", "slice"):
        return _in_turn(root, task, sample, limit, skipped)
    if sample.kind == "diverse":
        return _diverse(root, task, limit, skipped)
    ranked: list[tuple[float, bytes, str]] = []
    for bucket in buckets(root, task):
        table = example_texts.read(root, task.name, bucket, ["site", "post_id", "tags"])
        weights = None if sample.kind in ("random", "tag") else _weights(root, task, bucket, sample.kind)
        tags = table["tags"].to_pylist() if sample.kind == "tag" else None
        for row, (site, post) in enumerate(zip(table["site"].to_pylist(), table["post_id"].to_pylist(), strict=True)):
            key = f"{site}:{post}"
            weight = 0.0 if weights is None else weights.get(post)
            if weight is not None and key not in skipped and (tags is None or sample.value in tags[row]):
                ranked.append((weight, _drawn(key), key))
        if len(ranked) > 4 * limit + 100_000:
            ranked = sorted(ranked)[:limit]
    return [key for _, _, key in sorted(ranked)[:limit]]


def _drawn(key: str) -> bytes:
    """The random order of posts, always the same."""
    return hashlib.blake2b(key.encode(), digest_size=8, person=b"sample").digest()


def _in_turn(root: Path, task: Task, sample: Sample, limit: int, skipped: Collection[str]) -> list[str]:
    """One post of each group after the other, at random within each."""
    groups: dict[str, list[tuple[bytes, str]]] = defaultdict(list)
    for bucket in buckets(root, task):
        site = bucket.rpartition("/")[0]
        for post, names in _groups(root, task, bucket, sample).items():
            key = f"{site}:{post}"
            if key in skipped:
                continue
            for name in names:
                groups[name].append((_drawn(key), key))
        for name, drawn in groups.items():
            if len(drawn) > 4 * limit + 100_000:
                groups[name] = sorted(drawn)[:limit]
    by_rank = ((rank, *entry) for drawn in groups.values() for rank, entry in enumerate(sorted(drawn)[:limit]))
    return list(dict.fromkeys(key for *_, key in sorted(by_rank)))[:limit]


def _groups(root: Path, task: Task, bucket: str, sample: Sample) -> dict[int, list[str]]:
    """Post -> the groups that it is in."""
    if sample.kind == "slice":
        table = example_texts.read(root, task.name, bucket, slices.COLUMNS)
        return dict(zip(table["post_id"].to_pylist(), slices.values(table, str(sample.value)), strict=True))
    path = root / schema.path(task.name, "labels", bucket)
    if not files.exists(path):
        return {}
    columns = ["post_id", "label", "source", "votes"]
    groups: dict[int, set[str]] = defaultdict(set)
    judged: set[int] = set()
    for row in parquet.read(path, schema.LABELS, columns).to_pylist():
        if row["source"] == "person":
            judged.add(row["post_id"])
        counts = Counter(vote["label"] for vote in row["votes"] if not vote["function"].startswith("person:"))
        if sample.value is not None:
            name = row["label"] if row["label"] == sample.value else None
        else:
            name = max(task.labels, key=lambda label: counts[label]) if counts.total() else None
        if name is not None:
            groups[row["post_id"]].add(name)
    return {post: sorted(names) for post, names in groups.items() if post not in judged}


def _diverse(root: Path, task: Task, limit: int, skipped: Collection[str]) -> list[str]:
    """Posts of a random pool, each least like those before it.

    Farthest-first traversal (Gonzalez, "Clustering to Minimize the Maximum Intercluster Distance", 1985) by the cosine
    of hashed words.
    """
    judged = {
        f"{bucket.rpartition('/')[0]}:{post}"
        for bucket in buckets(root, task)
        if files.exists(path := root / schema.path(task.name, "labels", bucket))
        for table in [parquet.read(path, schema.LABELS, ["post_id", "source"])]
        for post in table.filter(pc.equal(table["source"], "person"))["post_id"].to_pylist()
    }
    pool = choose(root, task, Sample("random"), max(POOL, limit), [*skipped, *judged])
    drawn = list(examples(root, task, pool))
    vectors = np.stack([_vector(f"{row.title or ''} {row.text}") for row in drawn]) if drawn else np.zeros((0, 1))
    chosen: list[int] = []
    nearest = np.full(len(drawn), -1.0, np.float32)
    while len(chosen) < min(limit, len(drawn)):
        nearest[chosen[-1:]] = np.inf
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, np.einsum("nd,d->n", vectors, vectors[chosen[-1]]))
    return [drawn[number].key for number in chosen]


def _vector(text: str) -> npt.NDArray[np.float32]:
    """Square roots of the counts of hashed words, of length 1."""
    places = [zlib.crc32(word.encode()) % _DIMENSIONS for word in _WORD.findall(text.lower())[:_WORDS]]
    vector = np.sqrt(np.bincount(places, minlength=_DIMENSIONS)).astype(np.float32)
    vector /= np.float32(max(float(np.sqrt((vector**2).sum())), 1e-9))
    return vector


_DIMENSIONS, _WORDS = 512, 400
_WORD = re.compile(r"\w+")


def _weights(root: Path, task: Task, bucket: str, kind: str) -> dict[int, float]:
    """Post -> sort value; the most wanted have the smallest, of the uncertain those whose votes give no label."""
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
    if kind == "uncertain" and not task.spans:
        weights = dict.fromkeys(_voted(root, task, bucket), 0.0)
    for post, probability, conflict, by_person in zip(
        *(grouped[name].to_pylist() for name in ("post_id", "probability_mean", "conflict_mean", "judged_any")),
        strict=True,
    ):
        if by_person or (kind == "disagreement" and not conflict):
            weights.pop(post, None)
            continue
        weights[post] = probability if kind == "uncertain" else -conflict
    return weights


def _voted(root: Path, task: Task, bucket: str) -> set[int]:
    """Posts with votes of functions that are counted."""
    path, model = root / schema.path(task.name, "votes", bucket), root / steps.model_path(task.name)
    if not files.exists(path) or not files.exists(model):
        return set()
    muted = {(function, label) for function, label in files.read_json(model).get("muted", ())}
    columns = (parquet.read(path, schema.VOTES)[name].to_pylist() for name in ("post_id", "function", "label"))
    return {post for post, *vote in zip(*columns, strict=True) if tuple(vote) not in muted}


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
        posts.append(_chosen(example_texts.read(root, task.name, bucket, _EXAMPLE), places))
        if files.exists(path := root / schema.path(task.name, "labels", bucket)):
            chosen = _chosen(parquet.read(path, schema.LABELS, _LABEL), places)
            labels.append(steps.with_evidence(root, bucket, task.name, chosen))
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


def _chosen(table: pa.Table, places: dict[int, int]) -> pa.Table:
    """The rows of some posts, with each post's place among the wanted ones."""
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
