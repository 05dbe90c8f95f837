"""Hashes of what a training saved, so that damaged weights are found before they are used.

`hashes.json` lies beside the weights of a checkpoint, an exported or a fine-tuned model. It covers weights, their
metadata, the state of a run and the tokenizer; configurations and cards may be edited. XXH3 (128 bits) finds every
accident, at the speed of the disk; it is no signature. Folders without the file, of earlier releases or from elsewhere,
are read as they are.
"""

from pathlib import Path

import xxhash

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import boundary, files

NAME = "hashes.json"
_SUFFIXES = (".safetensors", ".distcp")
_NAMES = (".metadata", "state.json", "tokenizer.json")
_CHUNK = 1 << 22

_checked: dict[Path, dict[str, str]] = {}
"""Stamps of the folders that were checked: a model and its tokenizer are loaded one after the other."""


def write(folder: Path) -> None:
    """Write the hashes of a folder's weights, state and tokenizer."""
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in _SUFFIXES or path.name in _NAMES]
    hashes = {path.name: {"bytes": path.stat().st_size, "xxh3": _hash(path)} for path in paths}
    files.write_json(folder / NAME, hashes)


def check(folder: Path) -> None:
    """Hold a folder against its hashes; one without them passes.

    Raises:
        InputError: a file is missing, or is not what was saved; names it.
        OSError: a file can't be read.
    """
    path = folder / NAME
    try:
        entries = files.read_json(path)
        expected = {str(name): (int(entry["bytes"]), str(entry["xxh3"])) for name, entry in entries.items()}
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: can't be read ({error}); take the folder from where it was saved again") from None
    there = {name for name in [NAME, *expected] if files.exists(folder / name)}
    stamps = {name: files.stamp(folder / name) for name in there}
    if _checked.get(folder) == stamps:
        return
    for name, (size, digest) in expected.items():
        held = folder / name
        if name not in stamps or Path(name).name != name:
            raise InputError(f"{held}: is missing, and was saved; take the folder from where it was saved again")
        length = files.size(held)
        if length != size or _hash(held) != digest:
            what = f"{length:,} bytes of {size:,}" if length != size else "other bytes"
            raise InputError(
                f"{held}: not what was saved ({what}): damaged, cut off or replaced; take the folder from where it "
                f"was saved again, or delete {NAME} in it if you changed it on purpose"
            )
    _checked[folder] = stamps


def _hash(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with boundary.reading(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
