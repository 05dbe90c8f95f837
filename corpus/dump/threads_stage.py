"""Buckets of threads, which bring a post together with its comments, history, links and votes in bounded memory.

A thread is a question with its answers. Its bucket is a hash of its id modulo a power of two, so that a bucket of a
grown site only holds rows of one bucket of the smaller site. Answers, comments and the like do not know their thread:
a compact map from post to bucket (2 bytes a post) holds it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.dump import repeats_stage
from socorpus.corpus.dump.stage import Reading, sites_of
from socorpus.corpus.dump.threads import KEYS, KEYS_FOLDER, keys, last_of_each, thread_of
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.context import BuildContext
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.storage import files, parquet, partitions
from socorpus.corpus.storage.buckets import Bucket, bucket_name, bucket_of

_PAGE = 1024
_VERSION = 2


def run(context: BuildContext, reading: Reading) -> dict[str, Receipt]:
    """Parts -> the tables of each bucket, sorted; receipts by bucket."""
    engine = context.engine
    # Site -> table -> path of each of its parts, with the hash of its content.
    parts: dict[str, dict[str, dict[str, str]]] = {bucket.site: {} for bucket in context.buckets}
    for receipt in reading.receipts.values():
        for path, output in receipt.outputs.items():
            folder, _, name = path.rpartition("/")
            site = folder.removeprefix(".work/parts/")
            if folder.startswith(".work/parts/") and site in parts:
                parts[site].setdefault(name.rpartition("-")[0], {})[path] = output.sha256
    items = [_gather_item(bucket, parts[bucket.site]) for bucket in context.buckets]
    stale = {item.name.partition("/")[0] for item in engine.stale(items)}
    if stale:
        engine.ensure(item for item in reading.items if stale & sites_of(item))
        again = {item.name: receipts.load(context.root, item.stage, item.name) for item in reading.items}
        repeats_stage.settle(engine, {name: receipt for name, receipt in again.items() if receipt is not None})
    # A site of one bucket needs no map from posts to buckets, and no partitioning.
    bucket_counts = {bucket.site: bucket.of for bucket in context.buckets if bucket.of > 1 and bucket.site in stale}
    engine.run("map", [_map_item(site, of, parts[site]["posts"]) for site, of in bucket_counts.items()])
    unordered = repeats_stage.unordered(reading.receipts)
    partitions_of: list[WorkItem] = []
    for site, of in bucket_counts.items():
        repeats: dict[str, list[str]] = {}
        for table in (table for table in parts[site] if table != "posts" and f"{site}/{table}" in unordered):
            place = f"{site}/{table}"
            counts = [receipt.counts[place] for receipt in reading.receipts.values() if place in receipt.counts]
            rows = sum(count["read"] for count in counts)
            shares = repeats_stage.find(engine, site, table, parts[site][table], rows)
            repeats[table] = list(repeats_stage.paths_of(shares))
        partitions_of += _partition_items(site, of, parts[site], repeats)
    if partitions_of:
        engine.run("partition", partitions_of)
    done = engine.run("threads", items)
    context.prune("threads", done, [*(f"tables/{name}" for name in schema.BY_POST), KEYS_FOLDER])
    return done


def _map_item(site: str, of: int, posts: Mapping[str, str]) -> WorkItem:
    arguments = {"site": site, "parts": sorted(posts), "of": of}
    return WorkItem("map", site, build_map, arguments, {**posts, "of": f"{of}"})


def _partition_items(
    site: str, of: int, parts: Mapping[str, Mapping[str, str]], repeats: Mapping[str, Sequence[str]]
) -> Iterator[WorkItem]:
    for table, names in parts.items():
        for number, (part, content) in enumerate(names.items()):
            inputs = {"part": content, "of": f"{of}", **parts["posts"]}
            arguments: dict[str, Any] = {"site": site, "table": table, "part": part, "of": of}
            if repeated := repeats.get(table):
                arguments |= {"number": number, "repeats": repeated}
                inputs |= names
            yield WorkItem("partition", f"{site}/{Path(part).stem}", partition, arguments, inputs, _VERSION)


def _gather_item(bucket: Bucket, parts: Mapping[str, Mapping[str, str]]) -> WorkItem:
    where = {
        table: [partition_path(path) if bucket.of > 1 else path for path in sorted(names)]
        for table, names in parts.items()
    }
    contents = {path: content for names in parts.values() for path, content in names.items()}
    arguments = {"site": bucket.site, "parts": where, "bucket": bucket.number, "of": bucket.of}
    return WorkItem("threads", bucket.name, gather, arguments, contents, _VERSION)


def build_map(root: Path, site: str, parts: Sequence[str], of: int) -> Outcome:
    """Write the site's map from post to bucket: pages of 1,024 ids, one uint16 an id, 0 for no such post.

    Of rows with one id the last of the file counts.
    """
    pages: dict[int, npt.NDArray[np.uint16]] = {}
    wide = schema.dump_schema("posts")
    for part in parts:
        posts = partitions.read([root / part], wide, columns=["post_id", "parent_id"])
        ids = np.asarray(posts["post_id"], dtype=np.int64)
        if not len(ids):
            continue
        place = bucket_of(thread_of(posts), of)
        order = np.argsort(ids // _PAGE, kind="stable")
        numbers, starts = np.unique((ids // _PAGE)[order], return_index=True)
        for page, rows in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            known = pages.setdefault(page, np.zeros(_PAGE, np.uint16))
            known[ids[rows] % _PAGE] = place[rows] + 1
    path = map_path(site)
    numbers = np.array(sorted(pages), np.int64)
    table = np.stack([pages[page] for page in numbers.tolist()]) if pages else np.zeros((0, _PAGE), np.uint16)
    files.write_arrays(root / path, {"pages": numbers, "buckets": table})
    return Outcome({path: len(pages)})


def map_path(site: str) -> str:
    """Path of a site's map."""
    return f".work/map/{site}.npz"


def look_up(root: Path, site: str, posts: npt.NDArray[np.int64], of: int) -> npt.NDArray[np.uint16]:
    """Bucket of each post by the site's map; a post that is not in the dump is placed by its own id."""
    saved = files.read_arrays(root / map_path(site))
    pages, table = saved["pages"], saved["buckets"]
    if not len(pages):
        return bucket_of(posts, of)
    row = np.minimum(np.searchsorted(pages, posts // _PAGE), len(pages) - 1)
    entries = np.where(pages[row] == posts // _PAGE, table[row, posts % _PAGE], 0).astype(np.uint16)
    return np.where(entries > 0, entries - 1, bucket_of(posts, of)).astype(np.uint16)


def partition(
    root: Path, site: str, table: str, part: str, of: int, number: int = 0, repeats: Sequence[str] = ()
) -> Outcome:
    """Send the rows of one part to their buckets, all rows of one identifier to the bucket of the last of them.

    Args:
        number: of the part in its table.
        repeats: files with the rows that a later one replaces (`repeats_stage`); the map has those of posts.
    """
    rows = partitions.read([root / part], schema.dump_schema(table))
    posts = np.asarray(pc.fill_null(rows["post_id"], 0), dtype=np.int64)
    if repeats:
        posts = posts.copy()
        replaced, by_posts = repeats_stage.replaced_rows(root, repeats, number)
        posts[replaced] = by_posts
    place = look_up(root, site, posts, of)
    path = partition_path(part)
    partitions.write_partitioned(root / path, rows, place, of)
    return Outcome({path: rows.num_rows})


def partition_path(part: str) -> str:
    """Path of a part's partitioned form."""
    return part.replace("/parts/", "/partitioned/")


def gather(root: Path, site: str, parts: Mapping[str, Sequence[str]], bucket: int, of: int) -> Outcome:
    """Gather one bucket's rows of every table that the site has, in order of post and row, each id once.

    Args:
        parts: table -> its parts; partitioned ones if there is more than one bucket.
    """
    outputs: dict[str, int | parquet.Written] = {}
    counts: dict[str, dict[str, int]] = {}
    known = pa.array([], pa.int64())
    for table in (name for name in schema.BY_POST if name in parts):
        wide = schema.dump_schema(table)
        rows = partitions.read([root / part for part in parts[table]], wide, bucket if of > 1 else None)
        rows, repeated = last_of_each(rows, schema.DUMP[table][0].column)
        if table == "posts":
            known = rows["post_id"].combine_chunks()
            path = f"{KEYS_FOLDER}/{site}/{bucket_name(bucket, of)}.parquet"
            outputs[path] = parquet.write(root / path, keys(rows), KEYS)
        orphans = rows.num_rows - (pc.sum(pc.is_in(rows["post_id"], known)).as_py() or 0)
        counts[table] = {"rows": rows.num_rows, "orphans": orphans, "repeated": repeated}
        path = f"tables/{table}/{site}/{bucket_name(bucket, of)}.parquet"
        outputs[path] = parquet.write(root / path, rows, wide)
    return Outcome(outputs, counts)
