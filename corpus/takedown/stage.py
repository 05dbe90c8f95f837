"""The stage that takes removed posts and authors out of the tables of a build, before anything is made of them.

removals   a bucket      -> its tables, and the list of its posts
           an item of    -> its parts of tables of whole sites, and its unreadable rows
           `read`

A file takes the place of the one that was read, and the receipts of reading are amended, as for rows that come twice:
so a later build of the same dump finds everything done, and a corpus whose dump is gone is handled alike. To take out
again what is out changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.dump.threads import KEYS, KEYS_FOLDER
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.context import BuildContext, Receipts
from socorpus.corpus.engine.receipts import Output, Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.corpus.takedown import clearing
from socorpus.corpus.takedown.removals import Ids, Removals

STAGE = "removals"
_IDS = f".work/{STAGE}"
_QUARANTINE = ".work/quarantine/"


def run(
    context: BuildContext, removals: Removals, read: Receipts, threads: Receipts
) -> tuple[dict[str, Receipt], dict[str, Receipt]]:
    """Take out what is removed; the receipts of reading (by item) and of threads (by bucket), amended.

    Args:
        read, threads: these receipts as they are.
    """
    root = context.root
    here = {site for site, _ in context.buckets.sites} & removals.keys()
    for site in sorted(here):
        ids = removals[site]
        files.write_arrays(root / _ids_path(site), {name: getattr(ids, name) for name in ids.__dataclass_fields__})
    given = {site: removals[site].content for site in here}
    items = _items(context, given, read, threads)
    done = context.engine.run(STAGE, items)
    read = _amend_read(root, read, done, given)
    threads = _amend_threads(context, threads, done)
    # By the files as they are now: the next build has nothing to do.
    for item in _items(context, given, read, threads):
        if done[item.name].key != item.key:
            receipts.save(root, replace(done[item.name], key=item.key))
    receipts.prune(root, STAGE, set(done), {})
    files.remove(root / _IDS)
    return dict(read), dict(threads)


def _items(context: BuildContext, given: Mapping[str, str], read: Receipts, threads: Receipts) -> list[WorkItem]:
    items = []
    for bucket in context.buckets:
        if bucket.site in given:
            outputs = threads[bucket.name].outputs
            inputs = {path: output.sha256 for path, output in outputs.items()} | {"ids": given[bucket.site]}
            weight = sum(output.bytes for output in outputs.values())
            arguments = {"bucket": bucket, "tables": [name for name in schema.BY_POST if _has(outputs, bucket, name)]}
            items.append(WorkItem(STAGE, bucket.name, clear_bucket, arguments, inputs, weight=weight))
    for name, receipt in read.items():
        wanted = _of_sites(receipt, given)
        if wanted:
            inputs = {path: output.sha256 for path, output in wanted.items()}
            inputs |= {site: given[site] for site in {_site(path) for path in wanted}}
            arguments = {"paths": list(wanted)}
            items.append(WorkItem(STAGE, f"{name}.read", clear_parts, arguments, inputs))
    return items


def _has(outputs: Mapping[str, Output], bucket: Bucket, table: str) -> bool:
    return bucket.path(f"tables/{table}") in outputs


def _of_sites(receipt: Receipt, sites: Iterable[str]) -> dict[str, Output]:
    """Outputs of an item of `read` that may hold something of an author, or bytes of a row that could not be read."""
    starts = tuple(
        start
        for site in sites
        for start in (*(f"tables/{table}/{site}/" for table in clearing.OF_SITE), f"{_QUARANTINE}{site}/")
    )
    return {path: output for path, output in receipt.outputs.items() if starts and path.startswith(starts)}


def _site(path: str) -> str:
    return path.split("/")[2]


def _ids_path(site: str) -> str:
    return f"{_IDS}/{site}.npz"


def _ids(root: Path, site: str) -> Ids:
    return Ids(**files.read_arrays(root / _ids_path(site)))


def clear_bucket(root: Path, bucket: Bucket, tables: Sequence[str]) -> Outcome:
    """Write the tables of a bucket, and the list of its posts, without what is removed; orphans by table."""
    paths = {name: bucket.path(f"tables/{name}") for name in tables}
    before = {name: parquet.read(root / path) for name, path in paths.items()}
    after = clearing.of_bucket(before, _ids(root, bucket.site))
    outputs: dict[str, int | parquet.Written] = {}
    posts = after["posts"]["post_id"].combine_chunks()
    orphans = {}
    # Comments first: who wrote in a thread is told by the rows that go, and a stop must find them all or none.
    for name, path in sorted(paths.items()):
        outputs[path] = parquet.write(root / path, after[name], schema.dump_schema(name))
        known = pc.sum(pc.is_in(after[name]["post_id"], posts)).as_py() or 0
        orphans[name] = after[name].num_rows - known
    path = bucket.path(KEYS_FOLDER)
    if files.exists(root / path):  # a copy of a corpus may lack it; the next build makes it again
        keys = parquet.read(root / path)
        outputs[path] = parquet.write(root / path, keys.filter(pc.is_in(keys["post_id"], posts)), KEYS)
    return Outcome(outputs, orphans)


def clear_parts(root: Path, paths: Sequence[str]) -> Outcome:
    """Write parts of tables of whole sites, and of the quarantine, without what is removed."""
    outputs: dict[str, int | parquet.Written] = {}
    for path in paths:
        table = parquet.read(root / path)
        if path.startswith(_QUARANTINE):
            outputs[path] = parquet.write(root / path, clearing.of_quarantine(table), schema.QUARANTINE)
        else:
            name = path.split("/")[1]
            rows = clearing.of_site(name, table, _ids(root, _site(path)))
            outputs[path] = parquet.write(root / path, rows, schema.dump_schema(name))
    return Outcome(outputs)


def _amend_read(root: Path, read: Receipts, done: Receipts, given: Mapping[str, str]) -> dict[str, Receipt]:
    amended = dict(read)
    for name, receipt in read.items():
        wanted = _of_sites(receipt, given)
        if not wanted:
            continue
        cleared = done[f"{name}.read"].outputs
        counts = dict(receipt.counts)
        for path, output in wanted.items():
            fewer = output.rows - cleared[path].rows
            place = f"{_site(path)}/{path.split('/')[1]}"
            if fewer and not path.startswith(_QUARANTINE):
                counts[place] = {**counts[place], "forgotten": counts[place].get("forgotten", 0) + fewer}
        new = replace(receipt, outputs={**receipt.outputs, **cleared}, counts=counts)
        if new != receipt:
            receipts.save(root, new)
            amended[name] = new
    return amended


def _amend_threads(context: BuildContext, threads: Receipts, done: Receipts) -> dict[str, Receipt]:
    amended = dict(threads)
    for run in context.buckets.runs:
        buckets = [bucket for bucket in run.buckets if bucket.name in done]
        receipt = receipts.load(context.root, "threads", run.name) if buckets else None
        if receipt is None:
            continue
        outputs, counts = dict(receipt.outputs), dict(receipt.counts)
        for bucket in buckets:
            cleared = done[bucket.name]
            of_tables = dict(counts[bucket.name])
            for table, orphans in cleared.counts.items():
                path = bucket.path(f"tables/{table}")
                fewer = outputs[path].rows - cleared.outputs[path].rows
                earlier = of_tables[table].get("forgotten", 0)
                of_tables[table] = {**of_tables[table], "rows": cleared.outputs[path].rows, "orphans": orphans}
                if fewer or earlier:
                    of_tables[table]["forgotten"] = earlier + fewer
            outputs |= cleared.outputs
            counts[bucket.name] = of_tables
        new = replace(receipt, outputs=outputs, counts=counts)
        if new != receipt:
            receipts.save(context.root, new)
        for bucket in buckets:
            own = {path: outputs[path] for path in amended[bucket.name].outputs}
            amended[bucket.name] = replace(amended[bucket.name], outputs=own, counts=counts[bucket.name])
    return amended
