"""Tables of many Parquet files as Arrow datasets: read column by column and in part, never whole unless asked to."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.parquet as pq

from socorpus.corpus.storage.boundary import reading
from socorpus.corpus.storage.objects import store_client
from socorpus.corpus.storage.objects.paths import ObjectPath


def dataset(root: Path, paths: Sequence[str], empty: pa.Schema) -> ds.Dataset:
    """The rows of some files below `root`, in the order of their names.

    Args:
        paths: of Parquet files of one schema, relative to `root`.
        empty: the schema of a dataset of no files.
    """
    if not paths:
        return ds.InMemoryDataset(empty.empty_table())
    whole = [str(root / path) for path in sorted(paths)]
    if isinstance(root, ObjectPath):  # of whose objects only the columns and rows come that are asked for
        filesystem = pa.fs.PyFileSystem(pa.fs.FSSpecHandler(store_client.filesystem(whole[0])))
        with reading(whole[0]):
            schema = pq.read_schema(store_client.key(whole[0]), filesystem=filesystem)
        return ds.dataset(
            [store_client.key(name) for name in whole], schema=schema, format="parquet", filesystem=filesystem
        )
    with reading(whole[0]):
        schema = pq.read_schema(whole[0])
    return ds.dataset(whole, schema=schema, format="parquet")
