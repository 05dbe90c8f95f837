"""Trees of a corpus: readers see one of them, whole, whatever builds do meanwhile."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import files, generations


def write(root: Path, **texts: str) -> Path:
    """A new generation with these documents changed, and switched to."""
    with generations.writing(root) as tree:
        for name, text in texts.items():
            files.write_text(tree / "documents" / name, text)
        files.write_text(tree / "MANIFEST.json", "{}")
        generations.switch(root, tree)
    return tree


def trees(root: Path) -> list[str]:
    return sorted(path.name for path in (root / generations.FOLDER).glob("0*"))


def test_the_names_stay_and_the_files_change_at_once(tmp_path: Path) -> None:
    first = write(tmp_path, a="1", b="1")
    assert (tmp_path / "documents/a").read_text() == "1"
    with generations.writing(tmp_path) as tree:
        files.write_text(tree / "documents/a", "2")
        files.remove(tree / "documents/b")
        assert sorted(path.name for path in (tmp_path / "documents").iterdir()) == ["a", "b"]
        assert (tmp_path / "documents/a").read_text() == "1"
        assert generations.unfinished(tmp_path) == tree
        generations.switch(tmp_path, tree)
    assert [path.name for path in (tmp_path / "documents").iterdir()] == ["a"]
    assert (tmp_path / "documents/a").read_text() == "2"
    assert trees(tmp_path) == [tree.name] != [first.name]


def test_files_that_do_not_change_are_shared(tmp_path: Path) -> None:
    write(tmp_path, a="1" * 1000, b="1")
    with generations.writing(tmp_path) as tree:
        assert generations.own_bytes(tree) == 0
        files.write_text(tree / "documents/b", "22")
        assert generations.own_bytes(tree) == 2
        assert (tree / "documents/a").samefile(tmp_path / "documents/a")


def test_a_stopped_build_is_continued_or_dropped(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    with pytest.raises(BuildError), generations.writing(tmp_path) as tree:
        files.write_text(tree / "documents/a", "2")
        raise BuildError("no space")
    assert (tmp_path / "documents/a").read_text() == "1"
    with generations.writing(tmp_path) as again:
        assert again == tree
        assert (again / "documents/a").read_text() == "2"
    assert generations.abandon(tmp_path)
    assert not generations.abandon(tmp_path)
    assert generations.unfinished(tmp_path) is None
    with generations.writing(tmp_path) as new:
        assert (new / "documents/a").read_text() == "1"


READER = """
import sys, time
from pathlib import Path
from socorpus.corpus.storage import generations
tree = generations.pinned(Path(sys.argv[1]))
print("reading", flush=True)
sys.stdin.readline()
print((tree / "documents/a").read_text() + (tree / "documents/b").read_text(), flush=True)
"""


def test_a_reader_in_another_process_sees_one_generation(tmp_path: Path) -> None:
    first = write(tmp_path, a="1", b="1")
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None and reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        write(tmp_path, a="2", b="2")
        third = write(tmp_path, a="3", b="3")
        assert first.exists()
        assert trees(tmp_path) == [first.name, third.name]
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "11\n"
    with generations.writing(tmp_path):
        assert not first.exists()


def test_this_process_sees_what_it_opened(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    tree = generations.pinned(tmp_path)
    write(tmp_path, a="2")
    assert (tree / "documents/a").read_text() == "1"
    assert (generations.pinned(tmp_path) / "documents/a").read_text() == "2"


class Reader:
    """Anything that reads."""


def test_what_is_no_longer_read_goes(tmp_path: Path) -> None:
    kept = []
    for number in range(4):
        write(tmp_path, a=f"{number}")
        reader = Reader()
        tree = generations.pinned(tmp_path)
        generations.hold(reader, tree)
        if number == 1:
            kept.append((reader, tree))
        del reader
    ((_, tree),) = kept
    assert (tree / "documents/a").read_text() == "1"
    write(tmp_path, a="4")
    assert len(trees(tmp_path)) == 3  # that of the reader, the last that was pinned, and the finished one


def test_a_copy_of_the_links_is_read_as_it_is_and_taken_over(tmp_path: Path) -> None:
    write(tmp_path / "corpus", a="1")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("documents", "MANIFEST.json"):
        source = tmp_path / "corpus" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    assert generations.pinned(copy) == copy
    tree = write(copy, b="2")
    assert (tree / "documents/a").read_text() == "1"
    assert (copy / "documents").is_symlink()


@pytest.mark.parametrize("followed", [True, False])
def test_a_whole_copy_is_a_corpus(tmp_path: Path, followed: bool) -> None:
    write(tmp_path / "corpus", a="1")
    copy = Path(shutil.copytree(tmp_path / "corpus", tmp_path / "copy", symlinks=not followed))
    assert (generations.finished(copy) / "documents/a").read_text() == "1"
    write(copy, b="2")
    assert {path.name: path.read_text() for path in (copy / "documents").iterdir()} == {"a": "1", "b": "2"}
    assert len(trees(copy)) == 1


def test_a_takeover_that_was_stopped_goes_on(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents/a").write_text("1")
    (tmp_path / ".generations/.adopted").mkdir(parents=True)
    (tmp_path / ".generations/.adopted/MANIFEST.json").write_text("{}")
    with generations.writing(tmp_path) as tree:
        assert (tree / "documents/a").read_text() == "1"
    assert generations.finished(tmp_path) != tree


def test_without_hard_links_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a="1")

    def link(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", link)
    with generations.writing(tmp_path) as tree:
        assert (tree / "documents/a").read_text() == "1"
        assert not (tree / "documents/a").samefile(tmp_path / "documents/a")


def test_a_file_that_was_written_over_a_link_is_no_corpus(tmp_path: Path) -> None:
    first = write(tmp_path, a="1")
    files.write_text(tmp_path / "MANIFEST.json", "edited")
    with generations.writing(tmp_path) as tree:
        assert (tree / "MANIFEST.json").read_text() == "{}"
        generations.switch(tmp_path, tree)
    assert tree != first and (tmp_path / "MANIFEST.json").read_text() == "{}"
    (tmp_path / "documents").unlink()
    (tmp_path / "documents").mkdir()
    with pytest.raises(InputError, match="documents: a folder, where a link"), generations.writing(tmp_path) as tree:
        generations.switch(tmp_path, tree)


def test_without_symbolic_links_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def symlink(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", symlink)
    with pytest.raises(InputError, match="takes no symbolic links"), generations.writing(tmp_path):
        pass
    assert not trees(tmp_path)
