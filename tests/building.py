"""Running the command line as a user does, and reading what it leaves."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import fork_server


def socorpus(
    *arguments: object, code: int = 0, environment: Mapping[str, str] | None = None, forked: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the command; its exit code must be `code`, and no traceback may be seen.

    It is forked from a process that has imported what it needs. With `forked` false, or with variables of the
    environment (libraries read them as they are imported), it starts from nothing, as a user's does.
    """
    if forked and environment is None:
        done = fork_server.run(arguments)
    else:
        command = [sys.executable, "-m", "socorpus.cli.main", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})})
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


def copy(corpus: Path, folder: Path) -> Path:
    """A copy of a shared corpus in this folder, to be changed: receipts are as old as the first's."""
    return Path(shutil.copytree(corpus, folder / "corpus", symlinks=True))


def manifest(corpus: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((corpus / "MANIFEST.json").read_text("utf-8"))
    return facts


def table(corpus: Path, folder: str) -> pa.Table:
    return pa.concat_tables([pq.read_table(path) for path in sorted((corpus / folder).rglob("*.parquet"))])


def hashes(corpus: Path, folder: str = "shards") -> dict[str, str]:
    """SHA-256 of every file of a folder of the corpus."""
    files = sorted(path for path in (corpus / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(corpus)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def seconds(corpus: Path, stage: str) -> dict[str, float]:
    """When each receipt of a stage was written: tells what ran again."""
    return {str(path): path.stat().st_mtime_ns for path in (corpus / "receipts" / stage).rglob("*.json")}


def wait_for(happens: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something happens that another process does."""
    until = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < until, f"nothing happened for {seconds} seconds"
        time.sleep(0.02)


@contextmanager
def small_disk(folder: Path, size: str, inodes: str = "1m") -> Iterator[Callable[[str], None]]:
    """A disk of its own at a new folder, of a size such as `1m`; gives what changes its size."""
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes}", "tmpfs", str(folder)]
        ).returncode
    ):
        pytest.skip("a small disk of its own needs the right to mount one")
    try:
        yield lambda more: subprocess.run(["mount", "-o", f"remount,size={more}", str(folder)], check=True) and None
    finally:
        subprocess.run(["umount", str(folder)], check=True)
