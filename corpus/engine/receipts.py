"""Receipts: what each work item of a build was made of, and what it wrote.

Every work item of a build leaves one receipt, `receipts/STAGE/NAME.json`. It holds a key (a hash of the stage, its
version, its configuration and its inputs' content) and the hash of each output. An item is skipped if its receipt has
the key that it would write now. Data folders hold only Parquet, as dataset readers expect.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from socorpus.corpus.storage import files, json_shape


@dataclass(frozen=True, slots=True)
class Output:
    """One file of a work item: rows, size in bytes, SHA-256 of its content, and for a table the hash of its rows."""

    rows: int
    bytes: int
    sha256: str
    rows_hash: str = ""

    @property
    def entry(self) -> dict[str, Any]:
        """The file's entry in the manifest."""
        return {name: value for name, value in asdict(self).items() if value != ""}


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of a work item: its key, its outputs by path below the corpus, its counts, and its seconds.

    `recipe` is the key without the inputs: rows that the same recipe made can be used again one by one.
    """

    stage: str
    name: str
    key: str
    recipe: str
    outputs: Mapping[str, Output] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_bytes: int = 0
    """Peak memory of the process that ran the item, by the item's end."""
    core_seconds: float = 0.0
    """Processor time, which another process on the same cores does not lengthen as it does `seconds`."""

    @property
    def content(self) -> str:
        """Hash of only the outputs' content, on which later items depend."""
        return fingerprint({path: output.sha256 for path, output in self.outputs.items()})


def fingerprint(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return files.fingerprint(value)


def tokenizer_identity(text: str) -> str:
    """SHA-256 of a tokenizer's canonical JSON: the same for one before and after it is saved."""
    canonical = json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def save(root: Path, receipt: Receipt) -> None:
    """Write a receipt below the corpus `root`."""
    values = asdict(receipt)
    files.write_json(_place(root, receipt.stage, receipt.name), {**values, "check": fingerprint(values)})


def load(root: Path, stage: str, name: str) -> Receipt | None:
    """Read a receipt; None where there is none, or where it is damaged (then its item runs again)."""
    try:
        values = files.read_json(_place(root, stage, name))
        if json_shape.misfit(values, _SHAPE) or values.pop("check") != fingerprint(values):
            return None
        values["outputs"] = {path: Output(**output) for path, output in values["outputs"].items()}
        return compact(Receipt(**values))
    except (OSError, ValueError, TypeError):
        return None


def compact(receipt: Receipt) -> Receipt:
    """The same receipt, which shares with others the strings that they have in common.

    A large build holds some hundred thousand, each read or received by itself.
    """
    return replace(
        receipt, stage=sys.intern(receipt.stage), recipe=sys.intern(receipt.recipe), counts=_sharing(receipt.counts)
    )


def _sharing(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {sys.intern(key) if type(key) is str else key: _sharing(inner) for key, inner in value.items()}
    return value


_SHAPE = {
    **dict.fromkeys(("stage", "name", "key", "recipe", "check"), str),
    "outputs": {str: {"rows": int, "bytes": int, "sha256": str, "rows_hash": str}},
    "counts": {str: object},
    "seconds": float,
    "peak_bytes": int,
    "core_seconds": float,
}


def names(root: Path, stage: str) -> list[str]:
    """Names of the work items of a stage that have receipts."""
    folder = root / "receipts" / stage
    return [str(path.relative_to(folder).with_suffix("")) for path in files.listed(folder, ".json", deep=True)]


def forget(root: Path, stage: str, name: str) -> None:
    """Remove a receipt, so that its item runs again."""
    files.remove(_place(root, stage, name))


def sweep(root: Path) -> bool:
    """Remove receipts that are damaged, if there are any: not every stage looks at each of its own again."""
    damaged = [
        (stage, name)
        for stage in files.folders(root / "receipts")
        for name in names(root, stage)
        if load(root, stage, name) is None
    ]
    for stage, name in damaged:
        forget(root, stage, name)
    return bool(damaged)


@dataclass(frozen=True)
class Run:
    """The last run of a stage: its number of items, when it began (seconds since 1970), seconds of each item done."""

    items: int
    started: float
    seconds: tuple[float, ...]


def begin(root: Path, stage: str, items: int, started: float) -> None:
    """Note that a stage of `items` work items is run."""
    files.write_json(_stage(root, stage), {"items": items, "started": started})


def stages(root: Path) -> list[str]:
    """Names of the stages that were ever run at `root`."""
    return [path.stem for path in files.listed(root / "receipts", ".json")]


def run_of(root: Path, stage: str) -> Run | None:
    """The last run of a stage; None where there was none or it can't be read."""
    try:
        values = files.read_json(_stage(root, stage))
    except (OSError, ValueError):
        return None
    if json_shape.misfit(values, {"items": int, "started": float}):
        return None
    items, started = values["items"], float(values["started"])
    done = (load(root, stage, name) for name in names(root, stage))
    return Run(items, started, tuple(receipt.seconds for receipt in done if receipt is not None))


def portion(receipt: Receipt, folder: str, counts: Mapping[str, Any] | None = None) -> Receipt:
    """The part of an item's receipt that concerns one folder, so that readers of the folder depend only on it."""
    outputs = {path: output for path, output in receipt.outputs.items() if path.startswith(f"{folder}/")}
    return replace(receipt, outputs=outputs, counts=counts or {})


def prune(root: Path, stage: str, names: set[str], folders: Mapping[str, set[str]]) -> None:
    """Remove the receipts of a stage that are not in `names`, and in each folder the files that are not in its set.

    A dump with fewer parts, or without a site, would otherwise leave its old files among the new.
    """
    files.keep_only(root / "receipts" / stage, {f"{name}.json" for name in names})
    for folder, keep in folders.items():
        files.keep_only(root / folder, keep)


def _stage(root: Path, stage: str) -> Path:
    return root / "receipts" / f"{stage}.json"


def _place(root: Path, stage: str, name: str) -> Path:
    return root / "receipts" / stage / f"{name}.json"
