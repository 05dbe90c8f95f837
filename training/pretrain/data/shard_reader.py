"""Reading a corpus's shards, one row group at a time, directly from the Parquet files."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.arrays import lists
from socorpus.corpus.engine.receipts import fingerprint, tokenizer_identity
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import integrity, parquet
from socorpus.corpus.storage.objects.paths import readable
from socorpus.training.pretrain.data.packing import Group


@dataclass(frozen=True)
class RowGroup:
    """A row group of a shard: the unit of reading, resuming and sharing among ranks."""

    path: Path
    number: int
    rows: int


@dataclass(frozen=True)
class Vocabulary:
    """The trainer's view of the corpus's tokenizer.

    `identity` is the SHA-256 of its canonical JSON; `special` maps names to ids; `joins` uint8[entries] has bit 1 where
    an entry begins with a letter or digit and bit 2 where it ends with one: two neighbours that meet in both belong to
    the same word.
    """

    entries: int
    special: dict[str, int]
    identity: str
    joins: npt.NDArray[np.uint8]

    @property
    def padded(self) -> int:
        """Entries, rounded up to a multiple of 64: the rows of the embedding, which tensor ranks can divide."""
        return -(-self.entries // 64) * 64

    @cached_property
    def is_special(self) -> npt.NDArray[np.bool_]:
        """Whether an entry is a special token, bool[entries]."""
        flags = np.zeros(self.entries, np.bool_)
        flags[list(self.special.values())] = True
        return flags

    @cached_property
    def ordinary(self) -> npt.NDArray[np.int64]:
        """The other entries, in order."""
        return np.flatnonzero(~self.is_special)


@dataclass(frozen=True)
class ShardCorpus:
    """A finished corpus as the trainer sees it: its folder, the tree that is read, and its manifest."""

    folder: Path
    root: Path
    manifest: dict[str, Any]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer's facts."""
        return vocabulary(self.root / "tokenizer" / "tokenizer.json")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the shards' names, rows and hashes in the manifest; it identifies the text of a run."""
        entries = self.manifest["files"].items()
        return fingerprint({name: entry for name, entry in entries if name.startswith("shards/")})

    def row_groups(self, split: str) -> list[RowGroup]:
        """The row groups of a split, in the order of their files.

        Raises:
            InputError: the split is empty; a file is no shard, has another version, or is incomplete.
        """
        groups = []
        names = sorted(name for name in self.manifest["files"] if name.startswith(f"shards/{split}/"))
        for path in (self.root / name for name in names):
            try:
                sizes = parquet.row_groups(path, schema.SHARDS)
            except (pa.ArrowInvalid, OSError) as error:
                raise InputError(f"{path}: not a whole Parquet file ({error}); build the corpus again") from None
            groups += [RowGroup(path, number, rows) for number, rows in enumerate(sizes) if rows]
        if not groups:
            share = "" if split == "train" else f", or with a larger split.{split}"
            raise InputError(f"{self.folder}: its {split} split has no documents; build it with more posts{share}")
        return groups


def open_corpus(root: Path) -> ShardCorpus:
    """A corpus that `socorpus build` has finished.

    Raises:
        InputError: there is none; its schemas have another version; shards or tokenizer are not those of its manifest.
    """
    tree, manifest = integrity.opened(root, ("shards", "tokenizer"))
    return ShardCorpus(root, tree, manifest)


def shares(groups: Sequence[RowGroup], vocabulary: Vocabulary) -> npt.NDArray[np.float64]:
    """Share of each entry among all tokens, float64[padded entries]; from at most 64 row groups, with one added to each
    count.

    Raises:
        InputError: a file is missing or cannot be read.
    """
    counts = np.ones(vocabulary.padded, np.int64)
    for group in groups[:: -(-len(groups) // 64)]:
        counts += np.bincount(read(group).ids, minlength=vocabulary.padded)
    return counts / counts.sum()


def read(group: RowGroup) -> Group:
    """The tokens of a row group's documents, with a flag for those in code.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    try:
        table = parquet.read_group(group.path, group.number, ["input_ids", "code_tokens"])
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{group.path}: row group {group.number} cannot be read: {error}") from None
    ids, bounds = _flat(table["input_ids"])
    ranges, of = _flat(table["code_tokens"])
    # Ranges are counted from each document's first token.
    shift = np.repeat(bounds[:-1], np.diff(of))
    edges = ranges.astype(np.int64) + shift
    depth = np.zeros(len(ids) + 1, np.int32)
    np.add.at(depth, edges[0::2], 1)
    np.add.at(depth, edges[1::2], -1)
    return Group(ids, np.cumsum(depth[:-1]) > 0, bounds)


def vocabulary(path: Path) -> Vocabulary:
    """Read the trainer's view of a tokenizer.json.

    Raises:
        InputError: it is missing, cannot be read, or lacks a special token.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(readable(path)))
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{path}: not a tokenizer of the tokenizers library: {error}") from None
    entries = tokenizer.get_vocab(with_added_tokens=True)
    missing = [name for name in schema.SPECIAL_TOKENS if name not in entries]
    if missing:
        raise InputError(f"{path}: the tokenizer has no {', '.join(missing)}; masked language modelling needs them")
    joins = np.zeros(max(entries.values()) + 1, np.uint8)
    special = set(tokenizer.get_added_tokens_decoder())
    for token, number in entries.items():
        if number not in special and token:
            # In the byte-level alphabet, letters beyond ASCII are two or more characters from U+0080 on.
            joins[number] = _wordlike(token[0]) | _wordlike(token[-1]) << 1
    return Vocabulary(
        len(joins),
        {name: entries[name] for name in schema.SPECIAL_TOKENS},
        tokenizer_identity(tokenizer.to_str()),
        joins,
    )


def _wordlike(character: str) -> int:
    return int(character.isalnum() or character == "_") if character != "Ġ" and character != "Ċ" else 0


def _flat(column: pa.ChunkedArray) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Values and bounds of a column of lists, flattened."""
    values, bounds = lists(column)
    return values.to_numpy(zero_copy_only=False), bounds
