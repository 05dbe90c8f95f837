"""The columns of a corpus in memory, row for row over all its documents, as expressions read them.

Rows are numbered from 0 in the order of the buckets. Only what a query asks for is read, and the columns that were used
last stay. Texts and lists are wide: they stay on the disk, and are read block by block (`Block`).
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.arrays import lists
from socorpus.corpus.engine import machine
from socorpus.corpus.selection import own_rules
from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.buckets import Bucket, listed
from socorpus.corpus.storage.row_lookup import Place
from socorpus.labeling.schema import Task
from socorpus.labeling.workbench import aligned_labels

Mask = npt.NDArray[np.bool_]
Wanted = Mapping[str, Sequence[str]]
"""Columns by table."""

_FEW_VALUES = frozenset(("site", "kind", "license", "language", "reason", "benchmark", "label", "source"))
"""Columns of text that have few different values: they are held as dictionaries."""
_READERS = 4
_MOST_BYTES = 4 << 30


@dataclass(frozen=True)
class Block:
    """Some rows of a bucket that are read together: from `start` to before `stop`; a row group of its documents."""

    bucket: int
    group: int
    start: int
    stop: int


class ColumnStore:
    """The tables of a corpus, and of each its columns.

    Args:
        tree: of a finished corpus.
        facts: its manifest.
        tasks: those that it has labels of, by name.
        most_bytes: of columns that are held; a quarter of the memory, but at most 4 GB, if None.
    """

    def __init__(
        self, tree: Path, facts: Mapping[str, Any], tasks: Mapping[str, Task], most_bytes: int | None = None
    ) -> None:
        self.tree = tree
        self.buckets: Sequence[Bucket] = listed(facts["files"])
        counts = [facts["files"][bucket.path("documents")]["rows"] for bucket in self.buckets]
        self.starts = np.cumsum([0, *counts])
        self.rows = int(self.starts[-1])
        self.most_bytes = min(machine.memory() // 4, _MOST_BYTES) if most_bytes is None else most_bytes
        self.schemas, self.of_rules = self._schemas(facts, tasks)
        self.tasks = {name: task for name, task in self.schemas.items() if name in tasks}
        self._tasks = {self.task_table(name): task for name, task in tasks.items()}
        self._columns: OrderedDict[tuple[str, str], pa.ChunkedArray] = OrderedDict()
        self._lock = threading.Lock()

    def task_table(self, name: str) -> str:
        """The name of a task's table in expressions: the task's, unless a signal has it."""
        return f"{name}_labels" if name in self.of_rules or name in ("documents", "decisions") else name

    def _schemas(
        self, facts: Mapping[str, Any], tasks: Mapping[str, Task]
    ) -> tuple[dict[str, pa.Schema], dict[str, pa.Schema]]:
        """Columns of all tables, and of those that rules of selection may read."""
        known = own_rules.readable_schemas()
        present = dict.fromkeys(path.split("/")[1] for path in facts["files"] if path.startswith("signals/"))
        of_rules = {"documents": known["documents"]}
        for name in present:
            of_rules[name] = known[name] if name in known else self._schema_of_file(f"signals/{name}")
        self.of_rules = of_rules
        others = {"decisions": pa.schema([f for f in corpus_schema.DECISIONS if f.name not in ("site", "post_id")])}
        others |= {self.task_table(name): aligned_labels.columns(task) for name, task in tasks.items()}
        return {**of_rules, **others}, of_rules

    def _schema_of_file(self, folder: str) -> pa.Schema:
        """Of a signal whose plug-in is not active."""
        table = parquet.read_encoded(self.tree / self.buckets[0].path(folder), ["post_id"]).schema
        names = parquet.column_names(self.tree / self.buckets[0].path(folder))
        own = [name for name in names if name not in ("site", "post_id")]
        return parquet.read(self.tree / self.buckets[0].path(folder), columns=own).schema if own else table

    def is_wide(self, table: str, column: str) -> bool:
        """Whether a column is read block by block, rather than held."""
        kind = self.schemas[table].field(column).type
        if table == "documents" and column == "tags":
            return False
        if pa.types.is_string(kind):
            return column not in _FEW_VALUES
        return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind))

    def fits(self, wanted: Wanted) -> bool:
        """Whether all of some columns that are not wide can be held at once."""
        narrow = [(table, column) for table, of in wanted.items() for column in of if not self.is_wide(table, column)]
        return sum(self.rows * self._width(*place) for place in narrow) <= self.most_bytes

    def _width(self, table: str, column: str) -> float:
        kind = self.schemas[table].field(column).type
        if pa.types.is_string(kind):
            return 4
        return 20 if pa.types.is_list(kind) else kind.bit_width / 8

    def loading(self, wanted: Wanted) -> Iterator[float]:
        """Read the columns that are not held yet, all of them narrow; gives how far that is, from 0 to 1."""
        lacking = [(t, c) for t, of in wanted.items() for c in of if (t, c) not in self._columns]
        by_table: dict[str, list[str]] = {}
        for table, column in lacking:
            by_table.setdefault(table, []).append(column)
        # What makes one column of a task's labels makes them all.
        by_table |= {table: self.schemas[table].names for table in by_table if table in self._tasks}
        done, steps = 0, len(by_table) * max(1, len(self.buckets))
        for table, columns in by_table.items():
            parts: list[pa.Table] = []
            with ThreadPoolExecutor(_READERS) as pool:
                for part in pool.map(lambda bucket, t=table, c=columns: self._read(bucket, t, c), self.buckets):
                    parts.append(part)
                    done += 1
                    yield done / steps
            for column in columns:
                chunks = [chunk for part in parts for chunk in part[column].chunks]
                kind = chunks[0].type if chunks else self.schemas[table].field(column).type
                self._keep((table, column), pa.chunked_array(chunks, kind))
        for place in ((t, c) for t, of in wanted.items() for c in of):
            if place in self._columns:
                self._columns.move_to_end(place)

    def _keep(self, place: tuple[str, str], column: pa.ChunkedArray) -> None:
        with self._lock:
            self._columns[place] = column
            while len(self._columns) > 1 and sum(held.nbytes for held in self._columns.values()) > self.most_bytes:
                self._columns.popitem(last=False)

    def _read(self, bucket: Bucket, table: str, columns: Sequence[str]) -> pa.Table:
        if table in self._tasks:
            ids = parquet.read(self.tree / bucket.path("documents"), columns=["post_id"])["post_id"]
            return aligned_labels.read(self.tree, bucket, self._tasks[table], ids).select(columns)
        folder = table if table in ("documents", "decisions") else f"signals/{table}"
        few = [name for name in columns if pa.types.is_string(self.schemas[table].field(name).type)]
        few += ["tags.list.element"] if "tags" in columns and table == "documents" else []
        return parquet.read_encoded(self.tree / bucket.path(folder), columns, few)

    def load(self, wanted: Wanted) -> None:
        """Read the columns that are not held yet."""
        for _ in self.loading(wanted):
            pass

    def tables(self, wanted: Wanted, start: int = 0, stop: int | None = None) -> dict[str, pa.Table]:
        """The rows of columns that `loading` has read, by table."""
        length = (self.rows if stop is None else stop) - start
        whole = start == 0 and stop is None
        tables = {}
        for name, columns in wanted.items():
            self.load({name: columns})  # those that had to make room
            table = pa.table({column: self._columns[name, column] for column in columns})
            tables[name] = table if whole else table.slice(start, length)
        return tables

    def column(self, table: str, column: str) -> pa.ChunkedArray:
        """A column of all rows."""
        self.load({table: [column]})
        return self._columns[table, column]

    def values(self, table: str, column: str, rows: Sequence[int]) -> list[Any]:
        """The values of a column in some rows."""
        whole = self.column(table, column)
        if not whole.num_chunks:
            return []
        lengths = np.cumsum([0, *(len(chunk) for chunk in whole.chunks)])
        chunks = np.searchsorted(lengths, rows, "right") - 1
        return [
            whole.chunk(chunk)[row - int(lengths[chunk])].as_py()
            for chunk, row in zip(chunks.tolist(), rows, strict=True)
        ]

    def blocks(self, mask: Mask | None = None) -> Iterator[Block]:
        """The row groups of the documents, in order; with a mask those that have some of its rows."""
        for number, (start, stop) in enumerate(pairwise(self.starts.tolist())):
            if mask is not None and not mask[start:stop].any():
                continue
            for group, count in enumerate(parquet.row_groups(self.tree / self.buckets[number].path("documents"))):
                if mask is None or mask[start : start + count].any():
                    yield Block(number, group, start, start + count)
                start += count

    def read_block(self, block: Block, wanted: Wanted) -> dict[str, pa.Table]:
        """Columns of a block, wide ones too, by table."""
        bucket, first = self.buckets[block.bucket], int(self.starts[block.bucket])
        tables = {}
        for name, columns in wanted.items():
            if name == "documents":
                path = self.tree / bucket.path("documents")
                tables[name] = parquet.read_group(path, block.group, columns)
            else:
                whole = self._read(bucket, name, columns)
                tables[name] = whole.slice(block.start - first, block.stop - block.start)
        return tables

    def tagged(self, tag: str) -> Mask:
        """The rows whose tags have this one; by the numbers of their dictionaries, faster than any function of SQL."""
        parts = []
        for chunk in self.column("documents", "tags").chunks:
            flat, bounds = lists(pa.chunked_array([chunk]))
            number = flat.dictionary.index(tag).as_py()
            held = np.zeros(len(chunk), bool)
            if number >= 0:
                places = np.flatnonzero(flat.indices.to_numpy(zero_copy_only=False) == number)
                held[np.searchsorted(bounds, places, "right") - 1] = True
            parts.append(held)
        return np.concatenate(parts) if parts else np.zeros(0, bool)

    def of_site(self, site: str) -> Mask:
        """The rows of a site."""
        mask = np.zeros(self.rows, bool)
        for number, bucket in enumerate(self.buckets):
            if bucket.site == site:
                mask[self.starts[number] : self.starts[number + 1]] = True
        return mask

    def places(self, rows: Sequence[int]) -> list[Place]:
        """Where rows lie in the files."""
        numbers = np.searchsorted(self.starts, rows, "right") - 1
        ids = self.values("documents", "post_id", rows)
        return [
            Place(self.buckets[number].site, post, self.buckets[number].name, row - int(self.starts[number]))
            for number, post, row in zip(numbers.tolist(), ids, rows, strict=True)
        ]

    def find(self, site: str, post: int) -> Place | None:
        """Where a post lies."""
        for number, bucket in enumerate(self.buckets):
            if bucket.site != site:
                continue
            ids = parquet.read(self.tree / bucket.path("documents"), columns=["post_id"])["post_id"].to_numpy()
            (rows,) = np.nonzero(ids == post)
            if len(rows):
                return Place(site, post, self.buckets[number].name, int(rows[0]))
        return None
