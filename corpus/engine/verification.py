"""Holding a finished corpus against its manifest: every file, byte by byte, and on demand row by row."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.work import Progress
from socorpus.corpus.storage import generations, integrity, manifest_file
from socorpus.corpus.storage.integrity import Difference, Hashes


@dataclass(frozen=True)
class Verification:
    """The result of `verify`: the number of files and bytes that were read, and all differences by path."""

    files: int
    bytes: int
    differences: tuple[Difference, ...]


def verify(root: Path, against: Path | None = None, show: Callable[[Progress], None] | None = None) -> Verification:
    """Hold every file of the finished corpus at `root` against its manifest; nothing is taken on trust.

    Args:
        against: another MANIFEST.json, or a corpus's folder: rows are compared with those too (`compare`).

    Raises:
        InputError: there is no finished corpus, or its manifest is damaged.
    """
    tree = generations.pinned(root)
    facts = integrity.finished(root, tree)
    entries = facts["files"]
    differences: list[Difference] = []
    total, done = sum(entry["bytes"] for entry in entries.values()), 0
    started = time.perf_counter()
    for number, (path, difference) in enumerate(integrity.differences(tree, entries, Hashes(None)), 1):
        done += entries[path]["bytes"]
        if difference is not None:
            differences.append(difference)
        if show is not None:
            show(Progress("verify", number, len(entries), 0, done, total, time.perf_counter() - started))
    if changed := [difference.path for difference in differences if difference.what == "changed"]:
        remembered = Hashes(root)  # so that readers refuse them, and a build makes them again, whatever their times say
        for path in changed:
            remembered.forget(tree / path)
        remembered.save()
    differences += _extra(tree, entries)
    differences += _derived(tree)
    if against is not None:
        differences += compare(root, against)
    return Verification(len(entries), total, tuple(sorted(differences, key=lambda difference: difference.path)))


def compare(root: Path, other: Path) -> list[Difference]:
    """Files of the finished corpus that are not those of another manifest, such as another machine's.

    Tables are compared by the hash of their rows: the bytes may be another release's of pyarrow.

    Args:
        other: a MANIFEST.json, or a corpus's folder.

    Raises:
        InputError: one of them is no corpus.
    """
    tree = generations.pinned(root)
    own = manifest_file.finished(tree)["files"]
    path = other if other.suffix == ".json" else generations.finished(other) / manifest_file.NAME
    others = manifest_file.read(path)["files"]
    differences = [Difference(path, "missing here") for path in others if path not in own]
    differences += [Difference(path, "missing there") for path in own if path not in others]
    for path in own.keys() & others.keys():
        mine, its = own[path], others[path]
        name = "rows_hash" if "rows_hash" in mine and "rows_hash" in its else "sha256"
        if mine[name] != its[name]:
            differences.append(Difference(path, "other rows" if name == "rows_hash" else "other contents"))
    return sorted(differences, key=lambda difference: difference.path)


def _extra(tree: Path, entries: Mapping[str, Any]) -> Iterable[Difference]:
    """Files in the folders of the corpus that the manifest does not know."""
    return (Difference(name, "extra") for name in integrity.unlisted(tree, entries))


def _derived(tree: Path) -> Iterable[Difference]:
    """What was made of the tables, or says something of them: the report, the receipts, the configuration."""
    for stage in (*receipts.stages(tree), "configuration"):
        for name in receipts.names(tree, stage):
            receipt = receipts.load(tree, stage, name)
            if receipt is None:
                yield Difference(f"receipts/{stage}/{name}.json", "changed")
            elif stage in ("report", "configuration"):
                entries = {path: output.entry for path, output in receipt.outputs.items()}
                checked = integrity.differences(tree, entries, Hashes(None))
                yield from (difference for _, difference in checked if difference is not None)
