"""The work items of a publication: each takes some files of a corpus and writes one or several, or what others need.

Each is called with the root of the folder in which files are made, and the tree of the corpus.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus.config import Privacy
from socorpus.corpus.documents import author_names
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import SPLITS
from socorpus.corpus.storage import files, parquet, partitions
from socorpus.corpus.tokenizer import folder as tokenizer_folder
from socorpus.labeling import schema
from socorpus.labeling.publishing import attribution, derived, file_formats, label_rows, published_tables
from socorpus.labeling.publishing.parts import Layout, Part
from socorpus.labeling.publishing.published_tables import ATTRIBUTION, DATA, DOCUMENTS, TABLES, PublishedTable

END = "[SEP]"
"""The token that ends a document in Megatron's files."""
_ROUTED = 64_000_000
"""Bytes of text that are sent to their parts at a time."""
_ROUTED_FOLDER = ".work/routed"


def _output(root: Path, table: PublishedTable, name: str, rows: Sequence[pa.Table], form: str) -> dict[str, int]:
    """Write a file of a table, if it has rows; its path and their number."""
    if not sum(part.num_rows for part in rows):
        return {}
    path = f"{table.folder}/{name}{file_formats.suffix(form)}"
    return {path: file_formats.write(root / path, rows, table.columns, form)}


def write_documents(root: Path, corpus: Path, shard: str, name: str, form: str) -> Outcome:
    """A shard without its tokens, some row groups at a time."""
    counts: Counter[str] = Counter()
    licenses: Counter[str] = Counter()

    def groups() -> Iterator[pa.Table]:
        for rows in parquet.regrouped(parquet.batches(corpus / shard, DOCUMENTS.names)):
            rows = rows.combine_chunks()
            counts.update(placeholders(rows["text"]))
            licenses.update(arrays.counted(rows["license"]))
            yield attribution.without_personal_names(rows).cast(DOCUMENTS)

    path = f"{TABLES['documents'].folder}/{name}{file_formats.suffix(form)}"
    rows = file_formats.write(root / path, groups(), DOCUMENTS, form)
    by_kind = {kind: counts[kind] for kind in Privacy().kinds}
    return Outcome({path: rows}, {"placeholders": by_kind, "licenses": dict(sorted(licenses.items()))})


def placeholders(texts: pa.ChunkedArray) -> Counter[str]:
    """Placeholders for personal data and secrets in texts, by kind: those of `[EMAIL_1]` as `email`.

    One pass over the bytes, whatever the number of kinds.
    """
    counts: Counter[str] = Counter()
    data, bounds = arrays.utf8(texts)
    begins = np.flatnonzero(data == ord("["))
    for kind in Privacy().kinds:
        places = begins
        for step, sign in enumerate(f"[{kind.upper()}_".encode()):
            places = places[places < len(data) - step]
            places = places[data[places + step] == sign]
        last = places + len(kind) + 1
        # What ends one text and begins the next is none.
        counts[kind] += int(
            np.count_nonzero(np.searchsorted(bounds, places, "right") == np.searchsorted(bounds, last, "right"))
        )
    return counts


def write_tokens(root: Path, corpus: Path, split: str, shards: Sequence[str]) -> Outcome:
    """The tokens of a split for Megatron."""
    end = end_token(corpus)

    def documents() -> Iterator[tuple[Any, Any]]:
        for shard in shards:
            for rows in parquet.batches(corpus / shard, ["input_ids"]):
                tokens, bounds = arrays.lists(rows["input_ids"])
                yield tokens.to_numpy(), bounds

    paths = [f"{DATA}/documents-{split}{ending}" for ending in (".bin", ".idx")]
    rows, tokens = file_formats.megatron(root / paths[0], root / paths[1], documents(), end)
    return Outcome(dict.fromkeys(paths, rows), {"tokens": tokens})


def end_token(corpus: Path) -> int:
    """The token that ends a document in Megatron's files."""
    number = tokenizer_folder.load(corpus / "tokenizer").token_to_id(END)
    if number is None:
        raise InputError(f"{corpus / 'tokenizer'}: has no {END}, which ends a document in Megatron's files")
    return int(number)


def route(root: Path, corpus: Path, shard: str, layout: Layout, seed: int) -> Outcome:
    """Send the rows of a shard to the parts of their threads, some megabytes at a time."""
    paths: dict[str, int] = {}
    held: list[pa.Table] = []
    size = 0

    def send() -> None:
        rows = pa.concat_tables(held).combine_chunks()
        path = f"{_ROUTED_FOLDER}/{shard.removeprefix('shards/').removesuffix('.parquet')}-{len(paths):05d}.arrow"
        documents = attribution.without_personal_names(rows).select(DOCUMENTS.names).cast(DOCUMENTS)
        place = layout.of(rows, seed)
        partitions.write_partitioned(root / path, documents, place, len(layout.parts), partitions.PLAIN)
        paths[path] = rows.num_rows
        held.clear()

    for rows in parquet.batches(corpus / shard, [*DOCUMENTS.names, "split"]):
        held.append(rows)
        size += pc.sum(pc.binary_length(rows["text"])).as_py() or 0
        if size > _ROUTED:
            send()
            size = 0
    if held:
        send()
    return Outcome(paths)


_LINKED = pa.schema([("left", pa.int64()), ("right", pa.int64())])


def write_links(root: Path, corpus: Path, paths: Sequence[str], site: str) -> Outcome:
    """The posts of a site that are linked, in both directions, in order."""
    columns = ["post_id", "related_post_id"]
    tables = [parquet.read(corpus / path, columns=columns) for path in paths]
    left, right = (np.concatenate([table[name].to_numpy() for table in tables]) for name in columns)
    both = pa.table([np.r_[left, right], np.r_[right, left]], schema=_LINKED)
    order = np.lexsort((both["right"].to_numpy(), both["left"].to_numpy()))
    path = f".work/linked/{site}.arrow"
    partitions.write_mapped(root / path, _LINKED, [both.take(pa.array(order)).combine_chunks()])
    return Outcome({path: both.num_rows})


def write_threads(
    root: Path,
    corpus: Path,
    part: Part,
    shards: Sequence[str],
    addresses: Mapping[str, str],
    seed: int,
    form: str,
) -> Outcome:
    """The tables that are made of the threads of a part.

    Args:
        shards: those that hold the part and nothing else; none if its rows were sent by `route`.
    """
    if shards:
        read = pa.concat_tables([parquet.read(corpus / shard, columns=DOCUMENTS.names) for shard in shards])
        rows = attribution.without_personal_names(read.combine_chunks()).cast(DOCUMENTS)
    else:
        rows = partitions.read(files.listed(root / _ROUTED_FOLDER, ".arrow", deep=True), DOCUMENTS, part.index)
    threads = derived.ordered(rows, seed)
    outputs: dict[str, int] = {}
    for name, make in derived.MAKERS.items():
        outputs |= _output(root, TABLES[name], part.name, [make(threads)], form)

    def linked(site: str, left: arrays.Int64, right: arrays.Int64) -> derived.Mask:
        path = root / f".work/linked/{site}.arrow"
        return linked_posts(path, left, right) if files.exists(path) else np.zeros(len(left), bool)

    outputs |= _output(root, TABLES["retrieval"], part.name, [derived.retrieval(threads, linked)], form)
    posts = attribution.of_posts(threads.rows, addresses)
    outputs |= _output(root, TABLES["attribution"], f"posts-{part.name}", [posts], form)
    questions = len(threads.questions)
    asked = int(threads.asked.sum())
    counts = {
        "documents": threads.rows.num_rows,
        "questions": asked,
        "without_answer": asked - questions,
        "answers": int((threads.ends - threads.starts - 1)[threads.questions].sum()),
        "without_question": int((threads.ends - threads.starts)[~threads.asked].sum()),
    }
    return Outcome(outputs, counts)


def linked_posts(path: Path, left: arrays.Int64, right: arrays.Int64) -> derived.Mask:
    """Whether pairs of posts are in a file of `write_links`, bool[n]."""
    with partitions.mapped(path) as table:
        if not table.num_rows:
            return np.zeros(len(left), bool)
        known = (table["left"].to_numpy(), table["right"].to_numpy())
        begins, ends = np.searchsorted(known[0], left), np.searchsorted(known[0], left, "right")
        rows = np.repeat(np.arange(len(left)), ends - begins)
        before = np.cumsum(ends - begins) - (ends - begins)
        places = np.arange(len(rows)) + np.repeat(begins - before, ends - begins)
        result = np.zeros(len(left), bool)
        result[rows[known[1][places] == right[rows]]] = True
        return result


def write_names(root: Path, corpus: Path, paths: Sequence[str], site: str) -> Outcome:
    """The names of a site's users."""
    path = f".work/names/{site}.arrow"
    return Outcome({path: author_names.write([corpus / of for of in paths], root / path)})


def write_comments(
    root: Path,
    corpus: Path,
    buckets: Sequence[str],
    addresses: Mapping[str, str],
    named: Sequence[str],
    name: str,
    form: str,
) -> Outcome:
    """The attribution of the comments of some buckets."""
    licenses: Counter[str] = Counter()

    def tables() -> Iterator[pa.Table]:
        for bucket in buckets:
            site = bucket.partition("/")[0]
            names = root / f".work/names/{site}.arrow" if site in named else None
            rows = attribution.of_comments(corpus, bucket, site, names, addresses[site])
            licenses.update(arrays.counted(rows["license"]))
            yield rows

    path = f"{TABLES['attribution'].folder}/{name}{file_formats.suffix(form)}"
    outputs = {path: file_formats.write(root / path, tables(), ATTRIBUTION, form)}
    return Outcome(outputs, {"licenses": dict(sorted(licenses.items()))})


def write_labels(
    root: Path,
    corpus: Path,
    task: str,
    entries: Mapping[str, Any],
    buckets: Sequence[str],
    ending: str,
    form: str,
) -> Outcome:
    """The labels of a task in some buckets, by split."""
    definition = schema.of_corpus(task, entries)
    table = published_tables.of_labels(definition)
    left_out: Counter[str] = Counter()
    parts: dict[str, list[pa.Table]] = {split: [] for split in SPLITS}
    for bucket in buckets:
        rows, dropped = label_rows.read(corpus, definition, bucket)
        left_out += dropped
        rows = attribution.without_personal_names(rows)
        for split, of_split in parts.items():
            of_split.append(rows.filter(pc.equal(rows["split"], split)).select(table.columns.names))
    outputs: dict[str, int] = {}
    for split, of_split in parts.items():
        outputs |= _output(root, table, f"{split}{ending}", of_split, form)
    return Outcome(outputs, {"left_out": dict(left_out)})
