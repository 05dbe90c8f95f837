"""What made a file: receipts, and writing that leaves no half-written file.

Every task of a build leaves one receipt, `receipts/STAGE/NAME.json`, that mirrors what it wrote. It holds a key (a hash
of the stage, its version, its configuration and its inputs' content) and the hash of each output. A task is skipped
if its receipt has the key that it would write now. Data folders hold nothing but Parquet, as dataset readers expect.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import BuildError, InputError

_FULL = 1 << 20
"""Bytes; a disk with less room is full."""
PARTIAL = ".partial"
"""Suffix of a file that is being written; such files of a killed build are removed when it starts again."""


@dataclass(frozen=True)
class Output:
    """One file of a task: rows, size in bytes and SHA-256 of its content."""

    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Receipt:
    """What a task did: its key, its outputs by path below the corpus, its counts, and its seconds.

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
    """Most memory that the process which ran the task had held by its end."""

    @property
    def content(self) -> str:
        """Hash of the outputs' content alone: what later tasks depend on."""
        return fingerprint({path: output.sha256 for path, output in self.outputs.items()})


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time through the block, whoever else names the same file; it is made, and stays."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it becomes `path` at once, on failure it goes.

    A killed process leaves the old file or the new one. For a machine that loses its power, `settle` is called once
    before a build is called finished: a sync for each of some thousand files would cost more than many of the stages.

    Raises:
        InputError: the folder can't be written.
        BuildError: the disk is full; names the file and what is kept.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    # The pid keeps two workers apart that were given the same task (Dask may run a task again elsewhere).
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if is_disk_full(error):
            raise disk_full(path) from error
        if isinstance(error, OSError) and error.filename == str(temporary):
            raise InputError(f"{path}: can't be written: {error.strerror}") from error
        raise


def settle() -> None:
    """Wait until everything that was written is on the disk."""
    os.sync()


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception, of Python or of Arrow, says that there is no space or no quota left."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, OSError) and (
        error.errno in codes or any(f"[errno {c}]" in str(error).lower() for c in codes)
    )


def ran_out(error: BaseException, folder: Path) -> bool:
    """Whether an exception comes of a full disk, though it may not say so: PyTorch speaks of an unexpected position.

    Args:
        folder: where it was written to, with what was written still there.
    """
    try:
        return is_disk_full(error) or shutil.disk_usage(folder).free < _FULL
    except OSError:
        return False


def disk_full(path: Path) -> BuildError:
    """The message for a full disk."""
    try:
        free = f"{shutil.disk_usage(path.parent).free / 1e6:,.0f} MB are free there"
    except OSError:
        free = "nothing is free there"
    return BuildError(
        f"{path}: no space left on the disk ({free}). What is finished is kept; make room "
        "and run the same command again"
    )


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in the order given, one value a line."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


def fingerprint(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def tokenizer_identity(text: str) -> str:
    """SHA-256 of a tokenizer's canonical JSON: the same for one before and after it is saved."""
    canonical = json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(root: Path, receipt: Receipt) -> None:
    """Write a receipt below the corpus `root`."""
    write_json(_place(root, receipt.stage, receipt.name), asdict(receipt))


def load(root: Path, stage: str, name: str) -> Receipt | None:
    """Read a receipt; None where there is none or where it can't be read (then its task runs again)."""
    try:
        values = json.loads(_place(root, stage, name).read_text("utf-8"))
        values["outputs"] = {path: Output(**output) for path, output in values["outputs"].items()}
        return Receipt(**values)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def present(root: Path, receipt: Receipt) -> bool:
    """Whether all outputs of a receipt lie there with the size that it names."""
    try:
        return all((root / path).stat().st_size == output.bytes for path, output in receipt.outputs.items())
    except OSError:
        return False


def portion(receipt: Receipt, folder: str, counts: Mapping[str, Any] | None = None) -> Receipt:
    """Of a task that writes to several folders, what it did in one: so that its readers depend on that alone."""
    outputs = {path: output for path, output in receipt.outputs.items() if path.startswith(f"{folder}/")}
    return replace(receipt, outputs=outputs, counts=counts or {})


def sweep(root: Path) -> None:
    """Remove what a killed build left half-written."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(".") and name.endswith(PARTIAL):
                (Path(folder) / name).unlink(missing_ok=True)


def prune(root: Path, stage: str, names: set[str], folders: Mapping[str, set[str]]) -> None:
    """Remove the receipts of a stage that are not in `names`, and in each folder the files that are not in its set.

    A dump with fewer parts, or without a site, would otherwise leave its old files among the new.
    """
    keep_only(root / "receipts" / stage, {f"{name}.json" for name in names})
    for folder, keep in folders.items():
        keep_only(root / folder, keep)


def keep_only(folder: Path, keep: set[str]) -> None:
    """Remove all files below a folder that are not in `keep` (paths relative to it), and folders left empty."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(place) / name
            if str(path.relative_to(folder)) not in keep:
                path.unlink()
        if place != str(folder) and next(Path(place).iterdir(), None) is None:
            Path(place).rmdir()


def _place(root: Path, stage: str, name: str) -> Path:
    return root / "receipts" / stage / f"{name}.json"
