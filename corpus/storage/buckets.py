"""Buckets: shares of a site's threads, by a hash of the thread, with the same name in every folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from socorpus.corpus.arrays import splitmix64


@dataclass(frozen=True)
class Bucket:
    """One bucket of a site's threads: the `number`-th of `of`; `index` counts the buckets of all sites."""

    site: str
    number: int
    of: int
    index: int

    @property
    def name(self) -> str:
        """`SITE/NUMBER-of-OF`: the bucket's file in every folder, without its suffix."""
        return f"{self.site}/{bucket_name(self.number, self.of)}"

    def path(self, folder: str) -> str:
        """The bucket's file in a folder of the corpus."""
        return f"{folder}/{self.name}.parquet"


_MOST_BUCKETS = 1 << 15


def bucket_count(size: int, bucket_mb: int) -> int:
    """Number of buckets for `size` bytes of XML: a power of two."""
    needed = max(1, -(-size // (bucket_mb << 20)))
    return min(_MOST_BUCKETS, 1 << (needed - 1).bit_length())


def bucket_name(number: int, of: int) -> str:
    """Name of a bucket; the count is part of it, so that buckets of an earlier, smaller site stay apart."""
    return f"{number:05d}-of-{of:05d}"


def bucket_of(threads: npt.NDArray[np.int64], of: int) -> npt.NDArray[np.uint16]:
    """Bucket of each thread."""
    return (splitmix64(threads) & np.uint64(of - 1)).astype(np.uint16)


def bucket_files(folder: Path) -> list[Path]:
    """The files of buckets below a folder, sorted; a stray file of another name is none of them."""
    return sorted(folder.rglob("[0-9]*-of-[0-9]*.parquet"))
