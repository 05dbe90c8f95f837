"""Records of what was forgotten: `CORPUS/forgotten/NUMBER.json`, written when a request begins, and at its end.

Each holds numbers of posts and people, names of files, and hashes; no text.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, json_shape
from socorpus.corpus.takedown.removals import FOLDER, KINDS, MENTION, POST, Name
from socorpus.corpus.takedown.touched import Touched

_KIND = "socorpus.forgotten"
_SHAPE = {
    "kind": str,
    "request": str,
    "finished": bool,
    "settled": bool,
    "because": {str: str},
    "changed": [str],
    "absent": [str],
    "twins": [str],
    "tasks_pending": [str],
    "held": {str: int},
    "before": {"files": {str: str}, "rows": {str: int}},
    "published": {str: {"before": {str: str}}},
    "pending": [str],
}


def begin(
    root: Path,
    request: str,
    source: Mapping[str, Any],
    touched: Touched,
    facts: Mapping[str, Any],
    held: Mapping[str, int],
) -> dict[str, Any]:
    """A new record, which is not yet written.

    Args:
        request: a hash of what was asked for.
        source: where the list comes from, for people.
        held: the corpus's fingerprint, with the number of posts in its shards that go.
    """
    return {
        "kind": _KIND,
        "socorpus": version("socorpus"),
        "begun": _now(),
        "ended": None,
        "finished": False,  # whether the corpus is without it
        "settled": False,  # whether nothing else is left to do either
        "request": request,
        "source": dict(source),
        "because": {name.key: why for name, why in sorted(touched.because.items())},
        "changed": [name.key for name in touched.changed],
        "absent": [name.key for name in touched.absent],
        "twins": [name.key for name in touched.twins],
        "counts": counts(touched),
        "held": dict(held),
        "before": state_of(facts),
        "after": None,
        "annotations": {},
        "label_studio": {"projects": [], "deleted": {}, "absent": []},
        "tasks_pending": [],
        "published": {},
        "trained": [],
        "pending": [],
    }


def counts(touched: Touched) -> dict[str, int]:
    """How many posts, threads, authors and comments go, of those that are there."""
    absent = set(touched.absent)
    there = Counter(name.kind for name in touched.because if name not in absent)
    return {kind: there[kind] for kind in KINDS if kind != MENTION}


def state_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of a corpus by its tables, and the hashes of its files."""
    rows: Counter[str] = Counter()
    for path, entry in facts["files"].items():
        parts = path.split("/")
        deep = {"tables": 2, "signals": 2, "labels": 3}.get(parts[0], 1)
        rows["/".join(parts[: min(deep, len(parts) - 1)])] += entry.get("rows", 0)
    return {
        "files": {path: entry["sha256"] for path, entry in facts["files"].items()},
        "rows": dict(sorted(rows.items())),
    }


def end(record: dict[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The record with what the corpus has become; of files only those that are others now."""
    after = state_of(facts)
    before = record["before"]["files"]
    changed = {path for path in before.keys() | after["files"].keys() if before.get(path) != after["files"].get(path)}
    return {
        **record,
        "ended": _now(),
        "finished": True,
        "before": {**record["before"], "files": {path: of for path, of in before.items() if path in changed}},
        "after": {**after, "files": {path: of for path, of in after["files"].items() if path in changed}},
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def save(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record."""
    files.write_json(path, record)


def load_all(root: Path) -> list[tuple[Path, dict[str, Any]]]:
    """All records of a corpus, with their places, in order.

    Raises:
        InputError: one is none.
    """
    records = []
    for path in files.listed(root / FOLDER, ".json"):
        if not path.stem.isdecimal():
            continue
        try:
            record = files.read_json(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: can't be read ({error}); move it away, and run the same command again") from None
        if json_shape.misfit(record, _SHAPE) or record["kind"] != _KIND:
            raise InputError(f"{path}: no record of socorpus forget; move it away, and run the same command again")
        records.append((path, record))
    return records


def next_place(root: Path, known: Iterable[Path]) -> Path:
    """The place of a new record."""
    return root / FOLDER / f"{max((int(path.stem) for path in known), default=0) + 1:06d}.json"


def name_of(key: str) -> Name:
    """The name of a key in a record."""
    site, *kind, number = key.split(":")
    return Name(site, kind[0] if kind else POST, int(number))


def seen_from(root: Path, folder: Path) -> str:
    """A folder by its way from the corpus: a record goes with a corpus to others, and names no folder of a machine."""
    return os.path.relpath(folder.absolute(), root)


def place_of(root: Path, seen: str) -> Path:
    """The folder of such a way."""
    return Path(os.path.normpath(root / seen))
