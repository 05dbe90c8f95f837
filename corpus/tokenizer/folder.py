"""A tokenizer's folder: tokenizer.json, and the files that transformers reads beside it."""

from pathlib import Path

from socorpus.corpus.engine.receipts import tokenizer_identity
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.corpus.storage.boundary import regular_file
from socorpus.corpus.tokenizer import bpe

_MOST_BYTES = 256 << 20
"""Of a tokenizer.json; one of 65,536 entries has some megabytes."""


def load(path: Path) -> bpe.Tokenizer:
    """Read a tokenizer.json, or a folder's, and check it against the needs of a corpus.

    Raises:
        InputError: it is not there or no tokenizer, or not one that a corpus can have (`bpe.parse`).
    """
    file = path / "tokenizer.json" if path.is_dir() else path
    regular_file(file, "a tokenizer.json", _MOST_BYTES)
    try:
        text = files.read_text(file)
    except (OSError, ValueError) as error:  # a name with NUL, or bytes that are no UTF-8
        raise InputError(f"{file}: cannot be read: {error}; expected a tokenizer.json") from None
    return bpe.parse(text, str(file))


def save(tokenizer: bpe.Tokenizer, folder: Path) -> list[Path]:
    """Write the folder (`bpe.files`) and give the paths of its files."""
    contents = bpe.files(tokenizer)
    for name, content in contents.items():
        files.write_text(folder / name, content)
    return [folder / name for name in contents]


def identity(tokenizer: bpe.Tokenizer) -> str:
    """SHA-256 of the tokenizer's canonical JSON: the same for a tokenizer before and after it is saved."""
    return tokenizer_identity(tokenizer.to_str())
