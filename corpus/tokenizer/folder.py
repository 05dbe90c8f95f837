"""A tokenizer's folder: tokenizer.json, and the files that transformers reads beside it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from socorpus.corpus.engine.receipts import tokenizer_identity
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.corpus.storage.boundary import regular_file
from socorpus.corpus.tokenizer import given
from socorpus.corpus.tokenizer.given import Given

if TYPE_CHECKING:
    # Its kernels take a second to load, and training reads the folder without them.
    from socorpus.corpus.tokenizer import bpe

_MOST_BYTES = 256 << 20
"""Of a tokenizer.json; one of 65,536 entries has some megabytes."""


def load(path: Path) -> "bpe.Tokenizer":
    """Read a tokenizer.json, or a folder's, and check it against the needs of a corpus.

    Raises:
        InputError: it is not there or no tokenizer, or not one that a corpus can have (`bpe.parse`).
    """
    from socorpus.corpus.tokenizer import bpe

    file = path / "tokenizer.json" if path.is_dir() else path
    return bpe.parse(_text(file, "a tokenizer.json"), str(file))


def load_given(path: Path) -> Given:
    """Read a tokenizer of any kind, of a model's folder or of a corpus's.

    Args:
        path: the folder, or its tokenizer.json.

    Raises:
        InputError: there is none; or as of `given.parse`.
    """
    folder = path if path.is_dir() else path.parent
    if not files.exists(folder / given.FILES[0]):
        raise InputError(
            f"{path}: no tokenizer.json there; give the folder of a tokenizer or a model as transformers saves it "
            "(AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER) writes one from older files)"
        )
    texts = {name: _text(folder / name, f"a {name}") for name in given.FILES if files.exists(folder / name)}
    return given.parse(texts, str(folder))


def save_given(tokenizer: Given, folder: Path) -> list[Path]:
    """Write the files of a tokenizer as they were given, but for code that its settings name; gives their paths."""
    for name, text in tokenizer.files.items():
        settings = json.loads(text) if name == "tokenizer_config.json" else {}
        if settings.pop("auto_map", None) is not None:
            text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
        files.write_text(folder / name, text)
    return [folder / name for name in tokenizer.files]


def _text(file: Path, what: str) -> str:
    regular_file(file, what, _MOST_BYTES)
    try:
        return files.read_text(file)
    except (OSError, ValueError) as error:  # a name with NUL, or bytes that are no UTF-8
        raise InputError(f"{file}: cannot be read: {error}; expected {what}") from None


def save(tokenizer: "bpe.Tokenizer", folder: Path) -> list[Path]:
    """Write the folder (`bpe.files`) and give the paths of its files."""
    from socorpus.corpus.tokenizer import bpe

    contents = bpe.files(tokenizer)
    for name, content in contents.items():
        files.write_text(folder / name, content)
    return [folder / name for name in contents]


def identity(tokenizer: "bpe.Tokenizer") -> str:
    """SHA-256 of the tokenizer's canonical JSON: the same for a tokenizer before and after it is saved."""
    return tokenizer_identity(tokenizer.to_str())
