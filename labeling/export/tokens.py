"""Tokens of an export that have BIO tags: words, or the corpus's own tokens."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.corpus.storage.objects.paths import readable
from socorpus.corpus.tokenizer import bpe
from socorpus.corpus.tokenizer import folder as tokenizer_folder
from socorpus.labeling.tasks.entities import bio
from socorpus.labeling.tasks.entities.spans import Span

NAMES = ("words", "corpus")

_TAGS = (
    pa.field("offsets", pa.list_(pa.list_(pa.int32())), nullable=False),
    pa.field("ner_tags", pa.list_(pa.string()), nullable=False),
)


class Cut(Protocol):
    """A tokenisation of texts."""

    columns: tuple[pa.Field, ...]
    """Columns that it adds to a row: the tokens, then `offsets` and `ner_tags`."""

    def tag(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add the columns to rows that have `text` and `spans`."""
        ...

    def names(self, row: dict[str, Any]) -> list[str]:
        """Each token of a row that has the columns, as it can be written: without white space."""
        ...

    def save(self, folder: Path) -> None:
        """Write the files that a reader of the rows needs beside them."""
        ...


def cut(root: Path, name: str) -> Cut:
    """The tokenisation of a name; `root` is the corpus, which has a tokenizer.

    Raises:
        InputError: there is no such tokenisation; the tokenizer can't be read.
    """
    if name not in NAMES:
        raise InputError(f"tokens {name!r} are not known; there are {', '.join(NAMES)}")
    return Words() if name == "words" else CorpusTokens(root / "tokenizer")


class Words:
    """Words and single punctuation marks, as in CoNLL files: "can't" is three, "cannot" one."""

    columns = (pa.field("tokens", pa.list_(pa.string()), nullable=False), *_TAGS)

    def tag(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            offsets = bio.words(row["text"])
            row["tokens"] = [row["text"][start:end] for start, end in offsets]
            _tag(row, offsets)

    def names(self, row: dict[str, Any]) -> list[str]:
        words: list[str] = row["tokens"]
        return words

    def save(self, folder: Path) -> None:
        pass


class CorpusTokens:
    """The tokens of a corpus, as in its shards and in the models trained on them.

    A token may begin with the space before a word, and one that is a part of a character has that character's offsets.
    """

    columns = (pa.field("input_ids", pa.list_(pa.uint16()), nullable=False), *_TAGS)

    def __init__(self, folder: Path):
        self.folder = folder
        self.tokenizer = tokenizer_folder.load(folder)
        self.lengths = bpe.byte_lengths(self.tokenizer)

    def tag(self, rows: Sequence[dict[str, Any]]) -> None:
        encoded = bpe.encode(self.tokenizer, pa.array([row["text"] for row in rows], pa.string()))
        for row, ids in zip(rows, encoded.to_pylist(), strict=True):
            row["input_ids"] = ids
            _tag(row, bio.token_offsets(row["text"], ids, self.lengths))

    def names(self, row: dict[str, Any]) -> list[str]:
        return [str(self.tokenizer.id_to_token(token)) for token in row["input_ids"]]

    def save(self, folder: Path) -> None:
        (folder / "tokenizer").mkdir()
        for path in files.listed(self.folder, ""):
            shutil.copyfile(readable(path), folder / "tokenizer" / path.name)


def _tag(row: dict[str, Any], offsets: list[tuple[int, int]]) -> None:
    row["offsets"] = [list(pair) for pair in offsets]
    row["ner_tags"] = bio.tags([Span(span["start"], span["end"], span["label"]) for span in row["spans"]], offsets)
