"""Parts of a corpus that are worked on at a time: whole threads of one split, of a site or of several small ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays
from socorpus.corpus.schema import SPLITS
from socorpus.corpus.shards import shuffle

_PART = 48_000_000
"""Bytes of text in a part, about; bounds the memory of a worker."""


def numbered(name: str, number: int, of: int) -> str:
    """The name of a file of several, without its suffix."""
    return f"{name}-{number:05d}-of-{of:05d}"


@dataclass(frozen=True)
class Part:
    """Threads of one split that are worked on together: the `number`-th part of `of`; `index` counts over all
    splits."""

    split: str
    number: int
    of: int
    index: int

    @property
    def name(self) -> str:
        """The part's files, without their suffix."""
        return numbered(self.split, self.number, self.of)


@dataclass(frozen=True)
class Layout:
    """The parts of all splits, and where the threads of each site go.

    Attributes:
        parts: in the order of their `index`.
        places: `SPLIT/SITE` -> the indices of its parts.
    """

    parts: tuple[Part, ...]
    places: Mapping[str, tuple[int, ...]]

    def of(self, rows: pa.Table, seed: int) -> arrays.Int64:
        """The part of each row (site, thread_id, split), int64[rows]: by a hash of the thread."""
        named = pc.binary_join_element_wise(rows["split"], rows["site"], "/")
        keys = pa.table([rows["site"], rows["thread_id"], named], names=["site", "post_id", "split"])
        counts = {name: len(indices) for name, indices in self.places.items()}
        flat = np.array([index for indices in self.places.values() for index in indices], np.int64)
        return flat[shuffle.place(keys, counts, seed)]


def lay_out(facts: Mapping[str, Any], most: int = _PART) -> Layout:
    """The parts of a corpus, by its manifest: bytes of a site's texts are estimated by its share of the kept documents.

    Args:
        most: bytes of text in a part, about.
    """
    kept = {name: site["kept"] for name, site in sorted(facts["sites"].items()) if site["kept"]}
    every = sum(kept.values()) or 1
    parts: list[Part] = []
    places: dict[str, tuple[int, ...]] = {}
    for split in SPLITS:
        if not facts["shards"].get(split, {}).get("rows"):
            continue
        size = facts["shards"][split]["text_bytes"]
        first, filled = len(parts), 0.0
        count = 0
        for site, documents in kept.items():
            share = size * documents / every
            needed = max(1, -(-int(share) // most))
            if needed == 1 and count and filled + share <= most:
                filled += share
                places[f"{split}/{site}"] = (first + count - 1,)
                continue
            places[f"{split}/{site}"] = tuple(range(first + count, first + count + needed))
            count += needed
            filled = share if needed == 1 else most
        parts += [Part(split, number, count, first + number) for number in range(count)]
    return Layout(tuple(parts), places)
