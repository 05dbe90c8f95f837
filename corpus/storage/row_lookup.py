"""Places of posts in a corpus, by the statistics of row groups, so that only groups that may hold them are read."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from socorpus.corpus import schema
from socorpus.corpus.storage.boundary import reading
from socorpus.corpus.storage.buckets import bucket_files
from socorpus.corpus.storage.objects.paths import readable


@dataclass(frozen=True)
class Place:
    """Place of a post's rows: `bucket` is `SITE/NUMBER-of-OF`, `row` its row there, the same in every folder."""

    site: str
    post_id: int
    bucket: str
    row: int

    @property
    def key(self) -> str:
        """`SITE:POST_ID`."""
        return schema.key(self.site, self.post_id)

    def path(self, folder: str) -> str:
        """The bucket's file in a folder of the corpus."""
        return f"{folder}/{self.bucket}.parquet"


def split_key(key: str) -> tuple[str, int] | None:
    """Site and post of a key, in any of Unicode's forms; None where it is none."""
    site, colon, number = unicodedata.normalize("NFC", key).strip().rpartition(":")
    return (site, int(number)) if colon and site and number.isascii() and number.isdigit() else None


def find(root: Path, keys: Iterable[str], folder: str = "documents") -> dict[str, Place]:
    """Places of those keys that are in a bucket-wise folder, in one pass over the files of their sites."""
    wanted: dict[str, set[int]] = {}
    for site, post in filter(None, map(split_key, keys)):
        wanted.setdefault(site, set()).add(post)
    places: dict[str, Place] = {}
    for site, posts in wanted.items():
        left = np.array(sorted(posts), np.int64)
        for path in bucket_files(root / folder / site):
            if not len(left):
                break
            for first, table in groups(path, ["post_id"], "post_id", left):
                ids = np.asarray(table["post_id"], dtype=np.int64)
                for row in np.flatnonzero(np.isin(ids, left)).tolist():
                    place = Place(site, int(ids[row]), f"{site}/{path.stem}", first + row)
                    places[place.key] = place
            left = np.array([post for post in left.tolist() if schema.key(site, post) not in places], np.int64)
    return places


def groups(path: Path, columns: Sequence[str], column: str, values: Any) -> Iterator[tuple[int, pa.Table]]:
    """Row groups that may hold one of some integers in a column, each with the number of its first row."""
    low, high = (int(np.min(values)), int(np.max(values))) if len(values) else (1, 0)
    with reading(path), pq.ParquetFile(readable(path)) as file:
        leaves = [file.schema.column(number).path for number in range(len(file.schema))]
        leaf, first = leaves.index(column), 0
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            known = group.column(leaf).statistics
            if known is None or not known.has_min_max or (known.min <= high and known.max >= low):
                yield first, file.read_row_group(number, columns=list(columns), use_threads=False)
            first += group.num_rows


def rows_of(path: Path, post: int, columns: Sequence[str]) -> pa.Table:
    """All rows of a post in one file of a table of the dump; `columns` without `post_id`."""
    matches = [
        table.filter(pc.equal(table["post_id"], post)).select(columns)
        for _, table in groups(path, ["post_id", *columns], "post_id", [post])
    ]
    with reading(path), pq.ParquetFile(readable(path)) as file:
        empty = pa.schema([file.schema_arrow.field(name) for name in columns]).empty_table()
    return pa.concat_tables([empty, *matches])


def take(root: Path, places: Iterable[Place], folder: str, columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Rows of a folder as Python values by key, each row group read once."""
    by_file: dict[str, list[Place]] = {}
    for place in places:
        by_file.setdefault(place.path(folder), []).append(place)
    rows: dict[str, dict[str, Any]] = {}
    for path, wanted in by_file.items():
        with reading(root / path), pq.ParquetFile(readable(root / path)) as file:
            first = 0
            for number in range(file.num_row_groups):
                count = file.metadata.row_group(number).num_rows
                here = [place for place in wanted if first <= place.row < first + count]
                if here:
                    table = file.read_row_group(number, columns=list(columns), use_threads=False)
                    for place in here:
                        rows[place.key] = table.slice(place.row - first, 1).to_pylist()[0]
                first += count
    return rows
