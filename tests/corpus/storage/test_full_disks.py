"""Disks without room for bytes, for files, or for large files: what is said names the file, and room can be made."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from socorpus.corpus.engine import rebuild
from socorpus.corpus.errors import BuildError
from socorpus.corpus.sample import writer as sample_writer
from socorpus.corpus.storage import boundary, files, generations, integrity, lock, parquet
from tests.building import small_disk
from tests.corpus.storage.test_generations import write


def fill(folder: Path) -> None:
    """Take all room of a disk."""
    with pytest.raises(OSError, match="No space left"), (folder / "filling").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_full_disk_lets_a_stopped_build_be_dropped(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    with small_disk(root, "400k"):
        write(root, a="1")
        with lock.lock(root), generations.writing(root) as tree:
            files.write_text(tree / "documents/a", "2" * 100_000)
        hashes = integrity.Hashes(root)
        fill(root)
        hashes.sha256(tree / "documents/a")
        hashes.save()  # of a reader: it has only looked
        with lock.lock(root), lock.lock(tmp_path / "other"):  # the note of who is at work has no room
            with pytest.raises(BuildError, match=r"disk: another build is at work there"), lock.lock(root):
                pass
            assert lock.holder(root)
        assert rebuild.abandon(root)
        files.write_text(root / "room", "3" * 50_000)


def test_a_full_disk_is_named_with_what_was_written(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    with small_disk(root, "100k"):
        fill(root)
        with pytest.raises(BuildError, match=r"disk/a/b/c: no space left on the disk"):
            files.write_text(root / "a/b/c", "1" * 5000)
        with pytest.raises(OSError) as raised:
            sample_writer.write(root / "sample", threads=30)
        known = boundary.explain_error(raised.value)
        assert isinstance(known, BuildError)
        assert f"{root / 'sample'}" in str(known)
        assert "no space left" in str(known)


def test_a_disk_that_takes_no_more_files_is_told(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    with (
        small_disk(root, "1m", inodes="20"),
        pytest.raises(BuildError, match=r"disk/\d+: no inodes left on the disk, which takes no more files"),
    ):
        for number in range(30):
            files.write_text(root / str(number), "")


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """A block whose files have at most so many bytes, as by `ulimit -f`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_becomes_too_large_is_named(tmp_path: Path) -> None:
    table = pa.table({"text": [str(number) for number in range(100_000)]})
    with at_most(10_000):
        for name, write_it in (
            ("a.json", lambda path: files.write_text(path, "1" * 20_000)),
            ("a.parquet", lambda path: parquet.write(path, table, table.schema)),
        ):
            with pytest.raises(OSError) as raised:
                write_it(tmp_path / name)
            known = boundary.explain_error(raised.value)
            assert isinstance(known, BuildError)
            assert str(known).startswith(f"{tmp_path / name}: larger than files may be here (ulimit -f")
            assert not list(tmp_path.iterdir())
        with pytest.raises(OSError) as raised:
            sample_writer.write(tmp_path / "sample", threads=30)
    assert str(boundary.explain_error(raised.value)).startswith(f"{tmp_path / 'sample'}: larger than files may be")


def test_only_errors_of_writing_get_the_name_of_what_is_written(tmp_path: Path) -> None:
    for number, noted in ((errno.EFBIG, True), (errno.ENOSPC, True), (errno.EIO, False)):
        with pytest.raises(OSError) as raised, boundary.writing(tmp_path / "a"):
            raise OSError(number, "of the system")
        assert str(boundary.explain_error(raised.value)).startswith(str(tmp_path / "a")) == noted
