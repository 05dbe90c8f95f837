"""MANIFEST.json on disk: a folder that has one is a finished corpus."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from socorpus.corpus import schema
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import boundary, files, json_shape

NAME = "MANIFEST.json"
_CHECK = "check"
_COUNTS = {str: int}
_SHAPE = {
    "socorpus": str,
    "inputs": str,
    "sources": [{"site": str, "table": str, "file": str, "member": (str, None), "bytes": int}],
    "sites": {
        str: {
            **dict.fromkeys(("host", "url", "released"), (str, None)),
            **dict.fromkeys(("quarantined", "posts", "documents", "kept"), int),
            **dict.fromkeys(("rows", "quarantined_by_table", "repaired", "repeated", "orphans", "absent"), _COUNTS),
            **dict.fromkeys(("post_types", "dropped"), _COUNTS),
            "unknown_attributes": {str: _COUNTS},
            "forgotten?": _COUNTS,
        }
    },
    "warnings?": [str],
    "totals": {
        **dict.fromkeys(("quarantined", "posts", "documents", "kept"), int),
        **dict.fromkeys(("rows", "dropped"), _COUNTS),
    },
    "licenses": _COUNTS,
    "signals": {str: {str: (int, _COUNTS)}},
    "reused": _COUNTS,
    "pairs": _COUNTS,
    "tokenizer": {"entries": int, "identity": str},
    "shards": {str: _COUNTS},
    "tokens?": {str: {"identity": str, "entries": int, "special": _COUNTS, "splits": {str: _COUNTS}}},
    "changes": {str: {**dict.fromkeys(("new", "changed", "unchanged", "gone"), int), "examples": {str: [int]}}},
    "plugins?": {str: (str, None)},
    "config": {"selection?": {"rules?": [{str: object}]}, "plugins?": [str]},
    "files": {str: {"bytes": int, "sha256": str, "rows?": int, "rows_hash?": str}},
    "labels?": {
        str: {
            **dict.fromkeys(("examples", "forms", "sources"), _COUNTS),
            "functions": {str: {"version": object, "votes": int}},
            "labels": {str: _COUNTS},
            "conflicts": int,
            "abstains?": {str: {str: str}},
            "by_others?": {str: _COUNTS},
            "not_counted?": [[str]],
            "withheld?": {str: _COUNTS},
            "without_vote?": int,
            "definition?": {
                **dict.fromkeys(("unit", "question"), str),
                "labels": [{"name": str, "meaning": str}],
                "leave_out": [str],
                "listed": (str, None),
            },
        }
    },
}
_LONGEST_NAME = 255
"""Bytes of a file's name that file systems take."""


def load(root: Path) -> dict[str, Any] | None:
    """The manifest of a finished corpus; None where there is none that can be read."""
    try:
        facts = files.read_json(root / NAME)
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) and _fault(facts) is None else None


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
    if not isinstance(facts, dict) or not {"version", "inputs", "files", "config"} <= facts.keys():
        raise InputError(f"{path}: not a corpus's manifest; build the corpus again")
    check_version(path.parent, facts)
    if _CHECK not in facts:
        raise InputError(f"{path}: of an earlier version of socorpus; build the corpus again, in the same folder")
    if fault := _fault(facts):
        raise InputError(f"{path}: {fault}")
    return facts


def _fault(facts: dict[str, Any]) -> str | None:
    """Why a manifest can't be relied on, and what to do; None where it can. Its check is taken out of it."""
    if not _whole(facts):
        return "damaged: it has not the contents that were written; build the corpus again"
    if wrong := json_shape.misfit(facts, _SHAPE):
        return f"damaged ({wrong}); get the corpus again, or build it"
    for name in (*facts["files"], *facts["sites"]):
        if not _within(name):
            return f"names {name!r}, which is not in the corpus; get the corpus again, or build it"
    return None


def _whole(facts: dict[str, Any]) -> bool:
    """Whether a manifest has the check of its contents, which is taken out of it."""
    check = facts.pop(_CHECK, None)
    try:
        return bool(check == files.fingerprint(facts))
    except UnicodeEncodeError:  # a lone surrogate, which nothing that is written has
        return False


def _within(name: str) -> bool:
    """Whether a path is one below the corpus that a file system takes."""
    parts = name.split("/")
    sound = all(part not in ("", ".", "..") and len(part.encode()) <= _LONGEST_NAME for part in parts)
    return sound and "\0" not in name


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
