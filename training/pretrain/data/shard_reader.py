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
from socorpus.corpus.tokenizer import folder as tokenizer_folder
from socorpus.corpus.tokenizer.given import Given
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

    `identity` is the SHA-256 of its canonical JSON (of another tokenizer than the corpus's, `Given.identity`);
    `special` maps the names of roles to ids; `joins` uint8[entries] has bit 1 where an entry begins with a letter or
    digit that may go on with a word, and bit 2 where it ends with one: two neighbours that meet in both belong to the
    same word. `unused` are further ids that no text has; `rows` what a model knows, if it is more than the entries.
    """

    entries: int
    special: dict[str, int]
    identity: str
    joins: npt.NDArray[np.uint8]
    unused: tuple[int, ...] = ()
    rows: int | None = None

    @property
    def padded(self) -> int:
        """Entries, rounded up to a multiple of 64: the rows of the embedding, which tensor ranks can divide."""
        return -(-(self.rows or self.entries) // 64) * 64

    @cached_property
    def is_special(self) -> npt.NDArray[np.bool_]:
        """Whether an entry is a special token, bool[entries]."""
        flags = np.zeros(self.entries, np.bool_)
        flags[list(self.special.values())] = True
        return flags

    @cached_property
    def ordinary(self) -> npt.NDArray[np.int64]:
        """The entries that texts have, in order."""
        flags = ~self.is_special
        flags[list(self.unused)] = False
        return np.flatnonzero(flags)


@dataclass(frozen=True)
class ShardCorpus:
    """A finished corpus as the trainer sees it: its folder, the tree that is read, and its manifest.

    `tokens` names the tokenizer whose tokens are read, if it was asked for by name, and `beside` says whether they lie
    beside the corpus's own; `rows` is the number of entries that the model knows, if it is not that of the tokenizer.
    """

    folder: Path
    root: Path
    manifest: dict[str, Any]
    tokens: str | None = None
    beside: bool = False
    rows: int | None = None

    @property
    def tokenizer(self) -> Path:
        """The folder of the tokenizer."""
        return self.root / "tokens" / str(self.tokens) / "tokenizer" if self.beside else self.root / "tokenizer"

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer's facts."""
        return vocabulary(self.tokenizer, self.rows, self.tokens is None)

    @property
    def train_tokens(self) -> int:
        """Tokens of the train split, without special tokens."""
        splits = self.manifest["tokens"][self.tokens]["splits"] if self.beside else self.manifest["shards"]
        return int(splits["train"]["tokens"])

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
        folder, kind = (f"tokens/{self.tokens}", schema.TOKENS) if self.beside else ("shards", schema.SHARDS)
        names = sorted(name for name in self.manifest["files"] if name.startswith(f"{folder}/{split}/"))
        for path in (self.root / name for name in names):
            try:
                sizes = parquet.row_groups(path, kind)
            except (pa.ArrowInvalid, OSError) as error:
                raise InputError(f"{path}: not a whole Parquet file ({error}); build the corpus again") from None
            groups += [RowGroup(path, number, rows) for number, rows in enumerate(sizes) if rows]
        if not groups:
            share = "" if split == "train" else f", or with a larger split.{split}"
            raise InputError(f"{self.folder}: its {split} split has no documents; build it with more posts{share}")
        return groups


def open_corpus(root: Path, tokens: str | None = None, rows: int | None = None) -> ShardCorpus:
    """A corpus that `socorpus build` has finished.

    Args:
        tokens: `Given.key` of the tokenizer whose tokens are to be read; the corpus's own, if None.
        rows: entries that the model knows (`model.rows`).

    Raises:
        InputError: there is none; its schemas have another version; shards, tokenizer or tokens are not those of its
            manifest; or it has no such tokens.
    """
    folders = ("shards", "tokenizer") if tokens is None else ("shards", "tokenizer", f"tokens/{tokens}")
    tree, manifest = integrity.opened(root, folders)
    beside = tokens is not None and tokens in manifest.get("tokens", {})
    if tokens is not None and not beside and tokenizer_folder.load_given(tree / "tokenizer").key != tokens:
        raise InputError(
            f"{root}: has no tokens/{tokens}, which a build drops when the shards change; socorpus tokenize {root} "
            "--tokenizer PATH makes them, with the tokenizer of the model (of a run, its folder tokenizer)"
        )
    return ShardCorpus(root, tree, manifest, tokens, beside, rows)


def has_tokens(root: Path, given: Given) -> tuple[bool, bool]:
    """Whether a corpus has the tokens of a tokenizer, and whether that is its own.

    Raises:
        InputError: there is no finished corpus, or its tokenizer is not that of its manifest.
    """
    tree, manifest = integrity.pinned(root)
    integrity.require(root, tree, integrity.within(manifest["files"], ["tokenizer"]))
    own = tokenizer_folder.load_given(tree / "tokenizer").identity == given.identity
    return own or manifest.get("tokens", {}).get(given.key, {}).get("identity") == given.identity, own


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


def vocabulary(folder: Path, rows: int | None = None, own: bool = True) -> Vocabulary:
    """Read the trainer's view of a tokenizer.

    Args:
        folder: its folder.
        rows: entries that the model knows, if it is not as many.
        own: whether it is a corpus's own.

    Raises:
        InputError: it is missing, cannot be read, lacks a special token, or has more entries than the model.
    """
    given = tokenizer_folder.load_given(folder)
    tokenizer = given.tokenizer
    entries = tokenizer.get_vocab(with_added_tokens=True)
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    if rows is not None and given.entries > rows:
        raise InputError(
            f"{folder}: the tokenizer has {given.entries:,} entries, and the model knows {rows:,}; they are not of one "
            "model"
        )
    joins = np.zeros(given.entries, np.uint8)
    prefix = getattr(tokenizer.model, "continuing_subword_prefix", None) or ""
    for token, number in entries.items():
        if number not in special and token:
            # In the byte-level alphabet, letters beyond ASCII are two or more characters from U+0080 on.
            text = token.removeprefix(prefix)
            begins = _wordlike(text[0]) if text and token.startswith(prefix) else 0
            joins[number] = begins | _wordlike(token[-1]) << 1
    known = set(entries.values()) - special
    identity = tokenizer_identity(tokenizer.to_str()) if own else given.identity
    unused = tuple(sorted(set(range(given.entries)) - known))
    return Vocabulary(given.entries, dict(given.special), identity, joins, unused, rows)


def _wordlike(character: str) -> int:
    return int(character.isalnum() or character == "_") if character != "Ġ" and character != "Ċ" else 0


def _flat(column: pa.ChunkedArray) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Values and bounds of a column of lists, flattened."""
    values, bounds = lists(column)
    return values.to_numpy(zero_copy_only=False), bounds
