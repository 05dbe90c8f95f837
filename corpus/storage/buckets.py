"""Buckets: shares of a site's threads, by a hash of the thread, with the same name in every folder."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

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
        return f"{self.site}/{self.file_name}"

    @property
    def file_name(self) -> str:
        """`NUMBER-of-OF`."""
        return bucket_name(self.number, self.of)

    def path(self, folder: str) -> str:
        """The bucket's file in a folder of the corpus."""
        return f"{folder}/{self.name}.parquet"


@dataclass(frozen=True)
class Run:
    """Consecutive buckets of a site, whose rows are passed on together: `count` of `of`, from the `number`-th.

    What passes rows from all buckets to all destinations handles runs, so that the number of its slices is bounded by
    `_MOST_RUNS` times that of the destinations, however many buckets there are.

    Attributes:
        index: of its first bucket.
    """

    site: str
    number: int
    count: int
    of: int
    index: int

    @property
    def name(self) -> str:
        """`SITE/NUMBER-of-OF` of a single bucket, or `SITE/FIRST-LAST-of-OF`."""
        last = self.buckets[-1]
        return last.name if self.count == 1 else f"{self.site}/{self.number:05d}-{last.file_name}"

    @staticmethod
    def number_of(of: int) -> int:
        """The number of runs of a site of `of` buckets."""
        return min(of, _MOST_RUNS)

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """Its buckets, in order."""
        steps = range(self.count)
        return tuple(Bucket(self.site, self.number + step, self.of, self.index + step) for step in steps)


@dataclass(frozen=True)
class Buckets(Sequence[Bucket]):
    """The buckets of all sites of a build, in order. A work item carries it as a few bytes, not as all of them.

    Attributes:
        sites: each site with its number of buckets.
    """

    sites: tuple[tuple[str, int], ...]

    def __len__(self) -> int:
        return len(_listed(self.sites))

    @overload
    def __getitem__(self, index: int) -> Bucket: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Bucket, ...]: ...
    def __getitem__(self, index: int | slice) -> Bucket | tuple[Bucket, ...]:
        return _listed(self.sites)[index]

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs of all buckets, in order: of one bucket each on sites of up to `_MOST_RUNS` buckets."""
        return _runs(self.sites)


def listed(names: Iterable[str]) -> Buckets:
    """The buckets of a corpus, by the names of its files: those of its documents."""
    paths = [name.split("/") for name in names if name.startswith("documents/")]
    counts = {site: int(file.removesuffix(".parquet").partition("-of-")[2]) for _, site, file in paths}
    return Buckets(tuple(sorted(counts.items())))


@functools.lru_cache(maxsize=4)
def _listed(sites: tuple[tuple[str, int], ...]) -> tuple[Bucket, ...]:
    places = [(site, number, of) for site, of in sites for number in range(of)]
    return tuple(Bucket(*place, index) for index, place in enumerate(places))


@functools.lru_cache(maxsize=4)
def _runs(sites: tuple[tuple[str, int], ...]) -> tuple[Run, ...]:
    runs, before = [], 0
    for site, of in sites:
        count = of // Run.number_of(of)
        runs += [Run(site, number, count, of, before + number) for number in range(0, of, count)]
        before += of
    return tuple(runs)


_MOST_RUNS = 1 << 10
"""Of a site; a power of two, as the number of its buckets."""
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


def counts_in(folder: Path) -> tuple[int, ...]:
    """The numbers of buckets that a site's folder holds files of: more than one where it has grown."""
    return tuple(sorted({int(path.stem.partition("-of-")[2]) for path in folder.glob("[0-9]*-of-[0-9]*.parquet")}))


def earlier_names(bucket: Bucket, counts: Sequence[int]) -> list[str]:
    """Names of the files that may hold a bucket's threads, among those of a site of other numbers of buckets.

    Args:
        counts: these numbers (`counts_in`).
    """
    return [
        bucket_name(number, of)
        for of in counts
        for number in range(bucket.number % min(of, bucket.of), of, min(of, bucket.of))
    ]


def bucket_files(folder: Path) -> list[Path]:
    """The files of buckets below a folder, sorted; a stray file of another name is none of them."""
    return sorted(folder.rglob("[0-9]*-of-[0-9]*.parquet"))
