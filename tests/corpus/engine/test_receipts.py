"""Atomic writing and receipts."""

import errno
from pathlib import Path

import pytest

from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.receipts import Output, Receipt
from socorpus.corpus.errors import BuildError
from socorpus.corpus.storage import boundary, files


def test_a_file_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.txt"
    path.parent.mkdir()
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), files.atomic(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise ZeroDivisionError
    assert path.read_text() == "old"
    with files.atomic(path) as temporary:
        temporary.write_text("new")
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]
    assert path.read_text() == "new"


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path) -> None:
    with (
        pytest.raises(BuildError, match=r"file: no space left on the disk .*run the same command again"),
        files.atomic(tmp_path / "file"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert boundary.is_disk_full(OSError("IOError: [Errno 28] Error writing bytes to file"))
    assert not boundary.is_disk_full(OSError(errno.EACCES, "denied"))


def test_a_receipt_is_read_back_and_none_that_is_damaged(tmp_path: Path) -> None:
    receipt = Receipt(
        "documents", "site/a", "key", "recipe", {"documents/a.parquet": Output(1, 5, "00")}, {"n": 1}, 0.5
    )
    receipts.save(tmp_path, receipt)
    assert receipts.load(tmp_path, "documents", "site/a") == receipt
    path = tmp_path / "receipts/documents/site/a.json"
    text = path.read_text()
    for damaged in (text[:20], text.replace('"n": 1', '"n": 2'), "[]", ""):
        path.write_text(damaged)
        assert receipts.load(tmp_path, "documents", "site/a") is None


def test_pruning_leaves_what_belongs_to_the_corpus(tmp_path: Path) -> None:
    for name in ("documents/x/0.parquet", "documents/y/0.parquet", "receipts/documents/x/0.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / f"documents/x/.0.parquet.17{files.PARTIAL}").touch()
    files.sweep(tmp_path)
    receipts.prune(tmp_path, "documents", {"x/0"}, {"documents": {"x/0.parquet"}})
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["documents/x/0.parquet", "receipts/documents/x/0.json"]
    assert not (tmp_path / "documents/y").exists()
