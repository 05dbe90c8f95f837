"""What a corpus holds that is no file of its own: links are not written through, pipes and devices not waited for."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from socorpus.corpus import load_config
from socorpus.corpus.engine import rebuild, receipts
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.errors import InputError, SocorpusError
from socorpus.corpus.storage import files, generations, integrity, lock, manifest_file, parquet, partitions
from socorpus.labeling import schema
from socorpus.labeling.label_studio import pull, state
from tests.corpus.storage.test_generations import write


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of the user's, which no corpus has to touch."""
    folder = tmp_path / "own"
    for name in ("000001/a", "closure/people.parquet", "text"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("the user's")
    return folder


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() if path.is_file() else "" for path in folder.rglob("*")}


def begun(root: Path) -> Path:
    """A corpus with a build that was stopped; the tree of the latter."""
    write(root, a="1", b="1")
    with generations.writing(root) as tree:
        files.write_text(tree / "documents/a", "2")
    return tree


TREES: dict[str, Callable[[Path, Path], tuple[Path, Path]]] = {
    "a folder of the stopped tree": lambda tree, own: (tree / "documents", own),
    "a folder below it": lambda tree, own: (tree / "receipts/read", own),
    "a file of it": lambda tree, own: (tree / "documents/a", own / "text"),
    "its readers": lambda tree, own: (tree / ".readers", own / "text"),
    "its mark": lambda tree, own: (tree / ".purpose", own / "text"),
    "the tree": lambda tree, own: (tree, own),
    "the finished tree": lambda tree, own: (tree.with_name("000001"), own),
    "another tree": lambda tree, own: (tree.with_name("000000"), own),
    "all trees": lambda tree, own: (tree.parent, own),
    "the current one": lambda tree, own: (tree.with_name("current"), own / "000001"),
    "to nowhere": lambda tree, own: (tree / ".readers", own / "new"),
}


@pytest.mark.parametrize("place", TREES)
def test_nothing_is_changed_through_a_link_in_a_corpus(tmp_path: Path, own: Path, place: str) -> None:
    root, before = tmp_path / "corpus", content(own)
    link, target = TREES[place](begun(root), own)
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target)
    with pytest.raises(InputError, match=r"corpus: \.generations\S* in it is a link.*Remove it"):
        rebuild.abandon(root)
    with pytest.raises(InputError, match=r"in it is a link"), lock.lock(root), generations.writing(root):
        raise AssertionError("a build began")
    integrity.Hashes(root).save([])
    assert content(own) == before


@pytest.mark.parametrize("exists", [True, False])
def test_a_lock_is_no_link(tmp_path: Path, own: Path, exists: bool) -> None:
    root, before = tmp_path / "corpus", content(own)
    write(root, a="1")
    (root / ".lock").symlink_to(own / ("text" if exists else "new"))
    with pytest.raises(InputError, match=r"corpus/\.lock: a link, and nothing is written through it"), lock.lock(root):
        pass
    assert lock.holder(root) == ""
    with pytest.raises(InputError, match=r"\.lock: a link"), files.locked(root / ".lock"):
        pass
    assert content(own) == before


def test_a_corpus_of_an_earlier_version_gives_up_nothing_of_the_users(tmp_path: Path, own: Path) -> None:
    root, before = tmp_path / "corpus", content(own)
    for name in ("documents", "receipts"):
        (root / name).mkdir(parents=True)
    (root / "labels").symlink_to(own)
    with generations.writing(root):
        pass
    assert content(own) == before


def test_removing_takes_the_link_and_not_what_it_leads_to(tmp_path: Path, own: Path) -> None:
    before = content(own)
    places = [tmp_path / name for name in ("a", "b", "c/d")]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(own)
    files.remove(places[0])
    files.keep_only(places[1], set())
    files.keep_only_folders(places[2].parent, set())
    assert content(own) == before
    assert not [place for place in places if place.is_symlink()]


@pytest.mark.parametrize("name", ["", "closure", "closure/people.parquet", ".studio.lock", "label_studio.sqlite3"])
def test_what_people_said_is_not_written_through_links(tmp_path: Path, own: Path, name: str) -> None:
    root, before = tmp_path / "corpus", content(own)
    place = root / schema.ANNOTATIONS / name
    place.parent.mkdir(parents=True)
    place.symlink_to(own / "text" if "." in name else own)
    with pytest.raises(InputError, match=r"a link, and nothing is written through it"), state.opened(root):
        pass
    with pytest.raises(InputError, match=r"a link, and nothing is written through it"):
        pull.write(root / schema.people_path("closure"), "P", [])
    assert content(own) == before


# --- pipes, devices, sockets


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def ear(path: Path) -> None:
    """A socket; its name may have a hundred bytes."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(before)


SPECIAL = [pipe, device, ear]
READERS: dict[str, Callable[[Path], object]] = {
    "text": files.read_text,
    "JSON": files.read_json,
    "arrays": files.read_arrays,
    "hash": files.sha256,
    "rows": parquet.read,
    "batches": lambda path: list(parquet.batches(path)),
    "partitions": lambda path: partitions.read([path], schema.VOTES),
    "manifest": manifest_file.read,
    "configuration": load_config,
}


@pytest.mark.parametrize("make", SPECIAL)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_named_and_never_waited_for(
    tmp_path: Path, make: Callable[[Path], None], reader: str
) -> None:
    make(tmp_path / "strange")
    with pytest.raises((OSError, SocorpusError)) as raised:
        READERS[reader](tmp_path / "strange")
    known = files.explain_error(raised.value)
    assert str(known).startswith(
        f"{tmp_path / 'strange'}: a pipe (FIFO), a device or a socket, where a file is expected"
    )


@pytest.mark.parametrize("make", SPECIAL)
def test_a_pipe_in_a_corpus_stops_nobody(tmp_path: Path, make: Callable[[Path], None]) -> None:
    root = tmp_path / "corpus"
    tree = write(root, a="1")
    receipts.save(tree, Receipt("read", "x", "key", "recipe"))

    def strange(path: Path) -> None:
        path.unlink(missing_ok=True)
        make(path)

    for place in (tree / "MANIFEST.json", tree / "receipts/read/x.json", root / ".generations/hashes.json"):
        strange(place)
    assert manifest_file.load(tree) is None
    assert receipts.load(tree, "read", "x") is None
    hashes = integrity.Hashes(root)
    assert not hashes.holds(tree / "MANIFEST.json", 0, "")
    hashes.save([])
    strange(root / ".lock")
    with pytest.raises(InputError, match=r"corpus/\.lock: a (pipe|link)"), lock.lock(root):
        pass
    assert lock.holder(root) == ""
    strange(tree / ".readers")
    assert generations.pinned(root) == tree


def test_pipes_of_the_shell_and_the_empty_device_are_read(tmp_path: Path) -> None:
    here, there = os.pipe()
    os.write(there, b'{"a": 1}')
    os.close(there)
    assert files.read_json(Path(f"/dev/fd/{here}")) == {"a": 1}
    os.close(here)
    assert files.read_text(Path(os.devnull)) == ""
