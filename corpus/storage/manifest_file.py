"""MANIFEST.json on disk: a folder that has one is a finished corpus."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from socorpus.corpus import schema
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import boundary, files

NAME = "MANIFEST.json"
_CHECK = "check"


def load(root: Path) -> dict[str, Any] | None:
    """The manifest of a finished corpus; None where there is none that can be read."""
    try:
        facts: dict[str, Any] = files.read_json(root / NAME)
        whole = facts.pop(_CHECK) == files.fingerprint(facts)
        return facts if whole and "inputs" in facts else None
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None


def finished(root: Path) -> dict[str, Any]:
    """The manifest of a finished corpus of this version.

    Raises:
        InputError: there is none at `root`, it can't be read, or it is of another version.
    """
    if not files.exists(root / NAME):
        raise InputError(f"{root}: no finished corpus (no {NAME}); run socorpus build first")
    return read(root / NAME)


def read(path: Path) -> dict[str, Any]:
    """A manifest of this version, be it without its corpus.

    Raises:
        InputError: it isn't there, can't be read, is damaged, or is of another version.
    """
    try:
        facts = files.read_json(path)
    except OSError as error:
        raise boundary.explain_error(error) or error from None
    except ValueError as error:
        raise InputError(f"{path}: not a corpus's manifest ({error}); build the corpus again") from None
    if not isinstance(facts, dict) or not {"version", "inputs", "files", "config"} <= set(facts):
        raise InputError(f"{path}: not a corpus's manifest; build the corpus again")
    check_version(path.parent, facts)
    if _CHECK not in facts:
        raise InputError(f"{path}: of an earlier version of socorpus; build the corpus again, in the same folder")
    if facts.pop(_CHECK) != files.fingerprint(facts):
        raise InputError(f"{path}: damaged: it has not the contents that were written; build the corpus again")
    for name in (*facts["files"], *facts.get("sites", ())):
        if name.startswith("/") or ".." in name.split("/"):
            raise InputError(f"{path}: names {name!r}, which is not in the corpus; get the corpus again, or build it")
    return facts


def tables(root: Path, folder: str, facts: Mapping[str, Any] | None = None) -> list[Path]:
    """The Parquet files below a folder that are of the corpus, sorted: those of the manifest, and no stray ones.

    Args:
        facts: the manifest; None reads it, and where there is none yet, all files of the folder count.
    """
    known = load(root) if facts is None else facts
    if known is None:
        return files.listed(root / folder, deep=True)
    return [
        root / name for name in sorted(known["files"]) if name.startswith(f"{folder}/") and name.endswith(".parquet")
    ]


def check_version(root: Path, facts: Mapping[str, Any]) -> None:
    """Refuse a manifest of another version of the schemas.

    Raises:
        InputError: names both versions.
    """
    if facts["version"] != schema.VERSION:
        version = facts["version"]
        raise InputError(f"{root}: a corpus of version {version}, this is version {schema.VERSION}; build it again")


def save(root: Path, facts: Mapping[str, Any]) -> None:
    """Write the manifest, with a hash of its contents."""
    contents = {name: value for name, value in facts.items() if name != _CHECK}
    files.write_json(root / NAME, {**contents, _CHECK: files.fingerprint(contents)})
