"""Rows that come more than once: of rows of a table with one identifier the last of the file counts, in the whole site.

Identifiers ascend in nearly all dumps, which the readers see in passing: then there is nothing to do. Otherwise the
identifiers of all parts are compared, in shares by hash, so that memory stays bounded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.arrays import Int64, splitmix64
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.context import Receipts
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.storage import parquet, partitions

SHARE_ROWS = 1 << 22
"""Rows whose identifiers are compared at once."""
REPEATS = pa.schema([("row", pa.int64()), ("post_id", pa.int64())])
"""Rows of a part that a later row replaces, and the post of the last of them (in site-wide tables the identifier)."""

Parts = Mapping[str, str]
"""Paths of a table's parts, in the order of the file, with the hash of their content."""


def unordered(reading: Receipts) -> set[str]:
    """The tables, as `SITE/TABLE`, whose identifiers do not ascend, so that one of them may come twice."""
    last: dict[str, int] = {}
    tables = set()
    for receipt in reading.values():
        for place, counts in receipt.counts.items():
            if counts["first"] is None:
                continue
            if not counts["ascending"] or counts["first"] <= last.get(place, counts["first"] - 1):
                tables.add(place)
            last[place] = counts["last"]
    return tables


def find(engine: Engine, site: str, table: str, parts: Parts, rows: int) -> dict[str, Receipt]:
    """The rows of a table that a later row replaces: receipts of files that hold them part by part."""
    shares = 1 << max(0, -(-rows // SHARE_ROWS) - 1).bit_length()
    items = []
    for share in range(shares):
        arguments = {"site": site, "table": table, "parts": list(parts), "share": share, "shares": shares}
        name = f"{site}/{table}-{share:05d}"
        items.append(WorkItem("repeats", name, find_repeats, arguments, {**parts, "shares": f"{shares}"}))
    return engine.run("repeats", items)


def find_repeats(root: Path, site: str, table: str, parts: Sequence[str], share: int, shares: int) -> Outcome:
    """Compare the identifiers of one share of a table's rows; a batch of `REPEATS` a part."""
    identifier = schema.DUMP[table][0].column
    columns = [identifier, "post_id"] if table in schema.BY_POST else [identifier]
    pieces: list[npt.NDArray[np.int64]] = []
    for number, part in enumerate(parts):
        rows = _read(root / part, table, columns)
        ids = np.asarray(rows[identifier], dtype=np.int64)
        here = np.flatnonzero((splitmix64(ids) & np.uint64(shares - 1)) == share)
        posts = np.asarray(rows[columns[-1]], dtype=np.int64)
        pieces.append(np.stack([ids[here], posts[here], np.full(len(here), number), here]))
    ids, posts, of_part, row = np.concatenate(pieces, axis=1) if pieces else np.zeros((4, 0), np.int64)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    last = np.append(ids[1:] != ids[:-1], True)[: len(ids)]
    # The place of the last row of each identifier, for all of its rows.
    final = np.flatnonzero(last)[np.cumsum(last) - last]
    replaced = pa.table([row[order][~last], posts[order][final][~last]], schema=REPEATS)
    path = f".work/repeats/{site}/{table}-{share:05d}.arrow"
    partitions.write_partitioned(root / path, replaced, of_part[order][~last], len(parts))
    return Outcome({path: replaced.num_rows})


def replaced_rows(root: Path, paths: Sequence[str], part: int) -> tuple[Int64, Int64]:
    """Places of the rows of a part that a later row replaces, and the posts of those."""
    rows = partitions.read([root / path for path in paths], REPEATS, part)
    return np.asarray(rows["row"], dtype=np.int64), np.asarray(rows["post_id"], dtype=np.int64)


def settle(engine: Engine, reading: Receipts) -> dict[str, Receipt]:
    """Take the rows that a later one replaces out of the site-wide tables; the receipts of reading, amended."""
    done = dict(reading)
    for place in sorted(unordered(reading)):
        site, _, table = place.rpartition("/")
        own = {name: receipt for name, receipt in done.items() if place in receipt.counts}
        if table in schema.BY_POST or all("repeated" in receipt.counts[place] for receipt in own.values()):
            continue
        folder = f"tables/{table}/{site}/"
        outputs = {
            path: output
            for receipt in own.values()
            for path, output in sorted(receipt.outputs.items())
            if path.startswith(folder)
        }
        contents = {path: output.sha256 for path, output in outputs.items()}
        shares = find(engine, site, table, contents, sum(output.rows for output in outputs.values()))
        inputs = {path: output.sha256 for receipt in shares.values() for path, output in receipt.outputs.items()}
        items = [
            WorkItem(
                "unique",
                path,
                drop_rows,
                {"path": path, "rows": output.rows, "part": number, "repeats": list(inputs)},
                {**contents, **inputs},
            )
            for number, (path, output) in enumerate(outputs.items())
        ]
        unique = engine.run("unique", items)
        for name, receipt in own.items():
            mended = {path: unique[path].outputs[path] for path in receipt.outputs if path in unique}
            repeated = sum(outputs[path].rows - output.rows for path, output in mended.items())
            counts = {**receipt.counts, place: {**receipt.counts[place], "repeated": repeated}}
            done[name] = replace(receipt, outputs={**receipt.outputs, **mended}, counts=counts)
            receipts.save(engine.root, done[name])
    return done


def drop_rows(root: Path, path: str, rows: int, part: int, repeats: Sequence[str]) -> Outcome:
    """Write a part of a site-wide table, which had `rows` rows, without those that a later one replaces."""
    replaced, _ = replaced_rows(root, repeats, part)
    table = parquet.read(root / path)
    # A killed build may have written it before.
    if len(replaced) and table.num_rows == rows:
        keep = np.ones(table.num_rows, bool)
        keep[replaced] = False
        table = table.filter(pa.array(keep))
        return Outcome({path: parquet.write(root / path, table, table.schema)})
    return Outcome({path: parquet.Written(table.num_rows, parquet.rows_hash(root / path))})


def _read(path: Path, table: str, columns: Sequence[str]) -> pa.Table:
    if path.suffix == ".parquet":
        return parquet.read(path, columns=columns)
    return partitions.read([path], schema.dump_schema(table), columns=columns)


def paths_of(shares: Receipts) -> Iterator[str]:
    """Files with replaced rows, none if no row is replaced."""
    for receipt in shares.values():
        if any(output.rows for output in receipt.outputs.values()):
            yield from receipt.outputs
