"""Tables of many Parquet files as Arrow datasets: read column by column and in part, never whole unless asked to."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from socorpus.corpus.storage.boundary import reading


def dataset(root: Path, paths: Sequence[str], empty: pa.Schema) -> ds.Dataset:
    """The rows of some files below `root`, in the order of their names.

    Args:
        paths: of Parquet files of one schema, relative to `root`.
        empty: the schema of a dataset of no files.
    """
    if not paths:
        return ds.InMemoryDataset(empty.empty_table())
    whole = [str(root / path) for path in sorted(paths)]
    with reading(whole[0]):
        schema = pq.read_schema(whole[0])
    return ds.dataset(whole, schema=schema, format="parquet")
