"""Buckets of threads, which bring a post together with its comments, history, links and votes in bounded memory.

A thread is a question with its answers. Its bucket is a hash of its id modulo a power of two, so that a bucket of a
grown site only holds rows of one bucket of the smaller site. Answers, comments and the like do not know their thread:
a compact map from post to bucket (2 bytes a post) holds it.

    map        a site          -> `.work/map/SITE`
    partition  parts           -> their rows, sent to runs of buckets
    threads    a run           -> the tables of each of its buckets

Rows are shuffled in two levels. A site of 350 GB has some 10,000 parts and 8,192 buckets; a slice of each part for each
bucket would be 83 million slices of a few rows. Consecutive parts are sent together, to runs of buckets, of which
there are at most 1,024 (`buckets.Run`); the item of a run then sorts its rows into its buckets.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.dump import repeats_stage
from socorpus.corpus.dump.stage import Reading, part_path
from socorpus.corpus.dump.threads import KEYS, KEYS_FOLDER, keys, last_of_each, thread_of
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.context import BuildContext
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.storage import files, parquet, partitions
from socorpus.corpus.storage.buckets import Run, bucket_of

Parts = Mapping[str, Mapping[str, str]]
"""Of a site: table -> path of each of its parts, in the order of the file, with the hash of its content."""

_PAGE = 1024
_MOST_PIECES = 1 << 11
"""Files of a site that are sent to its runs: each holds consecutive parts of a table."""
_VERSION = 3
_BUCKET = pa.field("bucket", pa.uint16())
"""The column by which an item of a run knows the bucket of a row."""


def run(context: BuildContext, reading: Reading) -> dict[str, Receipt]:
    """Parts -> the tables of each bucket, sorted; receipts by bucket.

    Files that are passed on are removed as soon as everything that reads them is done.
    """
    engine, root = context.engine, context.root
    parts = _parts(reading.receipts, {site for site, _ in context.buckets.sites})
    # Of all runs of a site the same: a site may have ten thousand parts, and a thousand runs.
    contents = {
        site: {table: receipts.fingerprint(of) for table, of in tables.items()} for site, tables in parts.items()
    }
    items = [_gather_item(run, parts[run.site], contents[run.site]) for run in context.buckets.runs]
    stale = {item.name.partition("/")[0] for item in engine.stale(items)}
    many = {site: of for site, of in context.buckets.sites if of > 1 and site in stale}
    unordered = repeats_stage.unordered(reading.receipts)
    _read_again(context, reading, parts, stale, many)
    # A site of one bucket needs no map from posts to buckets, and no partitioning.
    engine.run("map", [_map_item(site, of, parts[site]["posts"]) for site, of in many.items()])
    sent: list[WorkItem] = []
    for site, of in many.items():
        for table in parts[site]:
            some = _partition_items(site, of, table, parts[site])
            if table != "posts" and f"{site}/{table}" in unordered and engine.stale(some):
                place = f"{site}/{table}"
                counts = [receipt.counts[place] for receipt in reading.receipts.values() if place in receipt.counts]
                rows = sum(count["read"] for count in counts)
                shares = repeats_stage.find(engine, site, table, parts[site][table], rows)
                some = _partition_items(site, of, table, parts[site], list(repeats_stage.paths_of(shares)))
            sent += some

    def remove_parts(item: WorkItem) -> None:
        for number in item.arguments["parts"]:
            files.remove(root / part_path(item.arguments["site"], item.arguments["table"], number))

    if sent:
        engine.run("partition", sent, after=remove_parts)
    done = engine.run("threads", items)
    for site in stale:
        for folder in ("parts", "repeats", "map", "partitioned"):
            files.remove(root / f".work/{folder}/{site}")
    context.prune("threads", done, [*(f"tables/{name}" for name in schema.BY_POST), KEYS_FOLDER])
    return context.of_buckets(done)


def _parts(reading: Mapping[str, Receipt], sites: Iterable[str]) -> dict[str, dict[str, dict[str, str]]]:
    parts: dict[str, dict[str, dict[str, str]]] = {site: {} for site in sites}
    for receipt in reading.values():
        for path, output in receipt.outputs.items():
            folder, _, name = path.rpartition("/")
            site = folder.removeprefix(".work/parts/")
            if folder.startswith(".work/parts/") and site in parts:
                parts[site].setdefault(name.rpartition("-")[0], {})[path] = output.sha256
    return {site: {name: dict(sorted(of.items())) for name, of in tables.items()} for site, tables in parts.items()}


def _read_again(
    context: BuildContext, reading: Reading, parts: Mapping[str, Parts], stale: Iterable[str], many: Mapping[str, int]
) -> None:
    """Make those parts again that are needed, and are no longer there: a stopped build has removed what it had sent."""
    engine, wanted = context.engine, set[str]()
    unordered = repeats_stage.unordered(reading.receipts)
    for site in stale:
        if site not in many:
            wanted.update(path for of in parts[site].values() for path in of)
            continue
        if engine.stale([_map_item(site, many[site], parts[site]["posts"])]):
            wanted.update(parts[site]["posts"])
        for table, of in parts[site].items():
            left = engine.stale(_partition_items(site, many[site], table, parts[site]))
            if left and f"{site}/{table}" in unordered:
                wanted.update(of)
            wanted.update(part_path(site, table, number) for item in left for number in item.arguments["parts"])
    if wanted:
        engine.ensure(item for item in reading.items if wanted & reading.receipts[item.name].outputs.keys())
        again = {item.name: receipts.load(context.root, item.stage, item.name) for item in reading.items}
        repeats_stage.settle(engine, {name: receipt for name, receipt in again.items() if receipt is not None})


def _map_item(site: str, of: int, posts: Mapping[str, str]) -> WorkItem:
    arguments = {"site": site, "parts": len(posts), "of": of}
    return WorkItem("map", site, build_map, arguments, {"posts": receipts.fingerprint(posts), "of": f"{of}"}, 2)


def _partition_items(site: str, of: int, table: str, parts: Parts, repeats: Sequence[str] = ()) -> list[WorkItem]:
    """The items that send a table's rows; their keys do not depend on `repeats`, which the parts determine."""
    together = _parts_together(parts)
    contents, items = list(parts[table].values()), []
    fixed = {"of": f"{of}", "posts": receipts.fingerprint(parts["posts"]), "table": receipts.fingerprint(parts[table])}
    for piece in range(_pieces(table, parts)):
        numbers = range(piece * together, min((piece + 1) * together, len(contents)))
        inputs = fixed | {"parts": receipts.fingerprint([contents[number] for number in numbers])}
        arguments = {"site": site, "table": table, "piece": piece, "parts": numbers, "of": of}
        arguments |= {"runs": Run.number_of(of), "repeats": repeats}
        items.append(WorkItem("partition", f"{site}/{table}-{piece:05d}", partition, arguments, inputs, _VERSION))
    return items


def _parts_together(parts: Parts) -> int:
    """The number of consecutive parts that are sent together."""
    return -(-sum(map(len, parts.values())) // _MOST_PIECES)


def _pieces(table: str, parts: Parts) -> int:
    return -(-len(parts[table]) // _parts_together(parts))


def _gather_item(run: Run, parts: Parts, contents: Mapping[str, str]) -> WorkItem:
    """The item of a run.

    Args:
        contents: a hash of the parts of each table.
    """
    count = {table: len(of) if run.of == 1 else _pieces(table, parts) for table, of in parts.items()}
    return WorkItem("threads", run.name, gather, {"run": run, "pieces": count}, contents, _VERSION)


def build_map(root: Path, site: str, parts: int, of: int) -> Outcome:
    """Write the site's map from post to bucket: pages of 1,024 ids, one uint16 an id, 0 for no such post.

    Of rows with one id the last of the file counts.
    """
    pages: dict[int, npt.NDArray[np.uint16]] = {}
    wide = schema.dump_schema("posts")
    for part in range(parts):
        posts = partitions.read([root / part_path(site, "posts", part)], wide, columns=["post_id", "parent_id"])
        ids = np.asarray(posts["post_id"], dtype=np.int64)
        if not len(ids):
            continue
        place = bucket_of(thread_of(posts), of)
        order = np.argsort(ids // _PAGE, kind="stable")
        numbers, starts = np.unique((ids // _PAGE)[order], return_index=True)
        for page, rows in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            known = pages.setdefault(page, np.zeros(_PAGE, np.uint16))
            known[ids[rows] % _PAGE] = place[rows] + 1
    numbers = np.array(sorted(pages), np.int64)
    table = np.zeros((len(pages), _PAGE), np.uint16)
    for row, page in enumerate(numbers.tolist()):
        table[row] = pages.pop(page)
    paths = _map_paths(site)
    for path, array in zip(paths, (numbers, table), strict=True):
        files.write_array(root / path, array)
    return Outcome(dict.fromkeys(paths, len(numbers)))


def _map_paths(site: str) -> tuple[str, str]:
    """Paths of a site's map: the numbers of its pages, and the pages."""
    return f".work/map/{site}/numbers.npy", f".work/map/{site}/pages.npy"


def look_up(root: Path, site: str, posts: npt.NDArray[np.int64], of: int) -> npt.NDArray[np.uint16]:
    """Bucket of each post by the site's map; a post that is not in the dump is placed by its own id."""
    numbers, pages = (files.mapped_array(root / path) for path in _map_paths(site))
    if not len(numbers):
        return bucket_of(posts, of)
    row = np.minimum(np.searchsorted(numbers, posts // _PAGE), len(numbers) - 1)
    entries = np.where(numbers[row] == posts // _PAGE, pages[row, posts % _PAGE], 0).astype(np.uint16)
    return np.where(entries > 0, entries - 1, bucket_of(posts, of)).astype(np.uint16)


def partition(
    root: Path, site: str, table: str, piece: int, parts: Sequence[int], of: int, runs: int, repeats: Sequence[str] = ()
) -> Outcome:
    """Send the rows of some parts to the runs of buckets, all rows of one identifier to the bucket of the last of them.

    Args:
        piece: number of the file to write.
        parts: numbers of the parts in their table.
        runs: number of runs of the site's `of` buckets.
        repeats: files with the rows that a later one replaces (`repeats_stage`); the map has those of posts.
    """
    tables, places = [], []
    for number in parts:
        rows = partitions.read([root / part_path(site, table, number)], schema.dump_schema(table))
        posts = np.asarray(pc.fill_null(rows["post_id"], 0), dtype=np.int64)
        if repeats:
            posts = posts.copy()
            replaced, by_posts = repeats_stage.replaced_rows(root, repeats, number)
            posts[replaced] = by_posts
        place = look_up(root, site, posts, of)
        tables.append(rows.append_column(_BUCKET, pa.array(place)))
        places.append(place)
    path = _piece_path(site, table, piece)
    rows, place = pa.concat_tables(tables), np.concatenate(places)
    partitions.write_partitioned(root / path, rows, place // (of // runs), runs)
    return Outcome({path: rows.num_rows})


def _piece_path(site: str, table: str, piece: int) -> str:
    """Path of some parts' partitioned form."""
    return f".work/partitioned/{site}/{table}-{piece:05d}.arrow"


def gather(root: Path, run: Run, pieces: Mapping[str, int]) -> Outcome:
    """Gather the rows of a run's buckets, of every table that the site has, in order of post and row, each id once.

    Args:
        pieces: table -> number of its partitioned files; of its parts, if the site has one bucket.

    Returns:
        counts: by bucket and table.
    """
    outputs: dict[str, int | parquet.Written] = {}
    counts: dict[str, dict[str, dict[str, int]]] = {bucket.name: {} for bucket in run.buckets}
    known: dict[str, pa.Array] = {}
    for table in (name for name in schema.BY_POST if name in pieces):
        wide, identifier = schema.dump_schema(table), schema.DUMP[table][0].column
        for bucket, rows in zip(run.buckets, _rows_of(root, run, table, pieces[table]), strict=True):
            kept, repeated = last_of_each(rows, identifier)
            if table == "posts":
                known[bucket.name] = kept["post_id"].combine_chunks()
                path = bucket.path(KEYS_FOLDER)
                outputs[path] = parquet.write(root / path, keys(kept), KEYS)
            orphans = kept.num_rows - (pc.sum(pc.is_in(kept["post_id"], known[bucket.name])).as_py() or 0)
            counts[bucket.name][table] = {"rows": kept.num_rows, "orphans": orphans, "repeated": repeated}
            path = bucket.path(f"tables/{table}")
            outputs[path] = parquet.write(root / path, kept, wide)
    return Outcome(outputs, counts)


def _rows_of(root: Path, run: Run, table: str, pieces: int) -> Iterator[pa.Table]:
    """The rows of each bucket of a run, in the order of the file."""
    wide = schema.dump_schema(table)
    if run.of == 1:
        yield partitions.read([root / part_path(run.site, table, part) for part in range(pieces)], wide)
        return
    paths = [root / _piece_path(run.site, table, piece) for piece in range(pieces)]
    rows = partitions.read(paths, wide.append(_BUCKET), run.number // run.count)
    place = np.asarray(rows["bucket"], dtype=np.int64)
    rows = rows.drop_columns("bucket")
    if run.count == 1:
        yield rows
        return
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(run.number, run.number + run.count + 1))
    for start, stop in itertools.pairwise(bounds):
        yield rows.take(pa.array(order[start:stop]))
