"""A corpus in an object store: the same bytes as on a disk, whole or not at all, and one writer at a time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from socorpus.corpus import BuildError, Corpus, InputError, abandon, build, plan_build, status, verify
from socorpus.corpus.dump import archives
from socorpus.corpus.sample import writer as sample_writer
from socorpus.corpus.storage import files, generations, integrity
from socorpus.corpus.storage.boundary import corpus_place
from socorpus.corpus.storage.lock import lock
from socorpus.corpus.storage.objects import lease, scratch, store_client
from socorpus.corpus.storage.objects.paths import ObjectPath
from socorpus.labeling import diff
from tests import s3_server
from tests.building import wait_for
from tests.clusters import scheduler
from tests.conftest import Once


@pytest.fixture(scope="module")
def dump(once: Once) -> Path:
    return (
        once(
            "dump-for-a-store",
            lambda folder: sample_writer.write(folder / "dump", threads=30, sites=[sample_writer.MODERN]),
        )
        / "dump"
    )


@pytest.fixture(scope="module")
def on_disk(dump: Path, once: Once) -> Path:
    return once("corpus-beside-a-store", lambda folder: build(dump, folder / "corpus", workers=0)) / "corpus"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with (
        s3_server.server() as address,
        s3_server.environment(SOCORPUS_SCRATCH=str(tmp_path_factory.mktemp("scratch")), SOCORPUS_LEASE_SECONDS="4"),
    ):
        yield address


@pytest.fixture(scope="module")
def stored(store: str, dump: Path) -> str:
    place = "s3://corpora/stored"
    build(dump, place, workers=0)
    return place


def contents(place: str) -> dict[str, bytes]:
    tree = Corpus(place).generation
    return {name: (tree / name).read_bytes() for name in Corpus(place).manifest["files"]}


def test_a_corpus_in_a_store_has_the_bytes_of_one_on_disk(stored: str, on_disk: Path) -> None:
    local, there = Corpus(on_disk), Corpus(stored)
    assert there.manifest == local.manifest
    assert contents(stored) == {name: (on_disk / name).read_bytes() for name in local.manifest["files"]}
    assert there.documents.to_table().equals(local.documents.to_table())
    assert [thread.thread_id for thread in there.threads()] == [thread.thread_id for thread in local.threads()]
    key = "modern.example.com:1"
    assert str(there.explain(key)) == str(local.explain(key))
    assert verify(stored, on_disk).differences == ()
    assert not diff(stored, on_disk).differs
    assert status(stored).summary == "The build is finished."


def test_nothing_runs_again_and_a_new_dump_becomes_the_next_generation(stored: str, dump: Path, tmp_path: Path) -> None:
    root = ObjectPath("s3://corpora/twice")
    files.copy_folder(ObjectPath(stored), root)
    first, ran = Corpus(root), list[int]()
    build(dump, root, workers=0, show=lambda progress: ran.append(progress.done - progress.skipped))
    assert not any(ran)
    assert Corpus(root).generation == first.generation
    more = sample_writer.write(tmp_path / "dump", threads=34, sites=[sample_writer.MODERN]).folder
    second = build(more, root, workers=0)
    assert first.generation != second.generation
    assert second.manifest["totals"]["documents"] > first.manifest["totals"]["documents"]
    assert verify(root).differences == ()
    changes = diff(first, root)
    assert changes.titles == ("s3://corpora/twice before", "s3://corpora/twice")
    count = second.manifest["totals"]["documents"] - first.manifest["totals"]["documents"]
    assert changes.corpus.moved["new"] - changes.corpus.moved["gone"] == count
    # A reader of the earlier one goes on.
    assert first.documents.count_rows() == first.manifest["totals"]["documents"]


def test_a_killed_build_goes_on_from_there(store: str, dump: Path, on_disk: Path) -> None:
    place = "s3://corpora/killed"
    command = [
        sys.executable,
        "-m",
        "socorpus.cli.main",
        "build",
        str(dump),
        "-o",
        place,
        "--workers",
        "1",
        "--no-labels",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    tree = ObjectPath(place) / generations.FOLDER / "000001"
    wait_for(lambda: (tree / "receipts/documents.json").exists() or process.poll() is not None)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with pytest.raises(InputError, match="its build is not finished"):
        Corpus(place)
    assert "The build stopped at" in status(place).summary
    skipped: dict[str, int] = {}
    build(dump, place, workers=0, show=lambda progress: skipped.update({progress.stage: progress.skipped}))
    assert skipped["read"] > 0
    assert Corpus(place).manifest == Corpus(on_disk).manifest
    # What the killed one may still write goes to a tree that nobody reads.
    assert Corpus(place).generation.name == "000002"


def test_one_writer_at_a_time(store: str, dump: Path, stored: str) -> None:
    root = ObjectPath("s3://corpora/two")
    with lock(root):
        with pytest.raises(BuildError, match=r"another build is at work there \(process \d+ on "):
            build(dump, root, workers=0)
        assert lease.last(root)[1].live
    with lock(root):
        pass
    with pytest.raises(InputError, match="not empty, and not a corpus"), lock(ObjectPath(stored) / generations.FOLDER):
        pass


def test_two_clusters_never_write_one_corpus(store: str, dump: Path, on_disk: Path, tmp_path: Path) -> None:
    place = "s3://corpora/of-clusters"
    command = [sys.executable, "-m", "socorpus.cli.main", "build", str(dump), "-o", place, "--no-labels"]
    with scheduler(tmp_path) as (address, _, work):
        work()
        work()
        process = subprocess.Popen([*command, "--scheduler", address], stderr=subprocess.PIPE, text=True)
        tree = ObjectPath(place) / generations.FOLDER / "000001"
        wait_for(lambda: (tree / "receipts/documents.json").exists() or process.poll() is not None)
        with pytest.raises(BuildError, match=r"another build is at work there \(process \d+ on "):
            build(dump, place, scheduler="tcp://192.0.2.1:8786")
        said = process.communicate()[1]
    assert process.returncode == 0, said
    assert Corpus(place).manifest == Corpus(on_disk).manifest
    assert contents(place) == contents(str(on_disk))


def test_a_worker_that_the_store_refuses_is_named_before_it_works(store: str, dump: Path, tmp_path: Path) -> None:
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")
    nothing |= {name: str(tmp_path) for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")}
    with scheduler(tmp_path) as (address, _, work):
        work(**nothing, AWS_EC2_METADATA_DISABLED="true")
        with pytest.raises(
            InputError, match=r"a Dask worker on .* can't read the corpus: s3:.*no credentials.* its own environment"
        ):
            build(dump, "s3://corpora/refused", scheduler=address)


def test_workers_of_a_stopped_build_write_where_nobody_reads(store: str, tmp_path: Path) -> None:
    for root in (ObjectPath("s3://corpora/elsewhere"), tmp_path / "elsewhere"):
        for name in ("000001", "000002"):
            with pytest.raises(ZeroDivisionError), lock(root), generations.writing(root) as tree:
                assert tree.name == name
                assert files.exists(tree / "documents/a.parquet") == (name == "000002")
                files.write_text(tree / generations.MARK, "build")
                files.write_text(tree / "documents/a.parquet", name)
                if name == "000001":
                    generations.written_elsewhere(tree)
                raise ZeroDivisionError
        files.write_text(root / generations.FOLDER / "000001/documents/a.parquet", "late")
        with lock(root), generations.writing(root) as tree:  # of workers of this machine none is left
            assert tree.name == "000002" and files.read_text(tree / "documents/a.parquet") == "000002"
            generations.switch(root, tree)
        assert [path.name for path in (root / generations.FOLDER).glob("0*")] == ["000002"]


def test_a_lease_is_renewed_and_one_that_ran_out_is_taken_over(store: str) -> None:
    root = ObjectPath("s3://corpora/lease")
    with lock(root), generations.writing(root) as tree:
        files.write_text(tree / "MANIFEST.json", "{}")
        first = lease.held(root)
        time.sleep(lease.seconds() + 0.5)
        first.check()
        # As if this machine had stood still.
        number, entry = lease.last(root)
        store_client.put(
            f"{root}/{lease.LOG}/{number:08d}.json", lease.content(replace(entry, expires=time.time() - 1))
        )
        with lease.taken(root) as second, generations.writing(root) as other:
            assert second.number == first.number + 1
            assert other != tree and files.read_text(other / "MANIFEST.json") == "{}"
            with pytest.raises(BuildError, match=r"another command \(process \d+ on .*\) has taken it over"):
                first.publish(tree.name)
            assert generations.finished(root) == root
            generations.switch(root, other)
        assert generations.finished(root) == other


@pytest.mark.slow
def test_faults_of_the_network_are_tried_again(
    store: str, dump: Path, on_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "s3://corpora/faults"
    monkeypatch.setattr(store_client, "_PAUSE", 0.01)

    def fault(number: int) -> str | None:
        return s3_server.FAULTS[number // 7 % 4] if number % 7 == 0 else None

    with s3_server.proxy(store, fault) as proxy:
        build(dump, place, workers=0)
        assert verify(place).differences == ()
    assert min(proxy.met[kind] for kind in s3_server.FAULTS[:4]) > 3
    assert contents(place) == contents(str(on_disk))


def test_late_answers_are_asked_for_again(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 1}})
    path = ObjectPath("s3://corpora/late/file")
    with s3_server.proxy(store, lambda number: "slow" if number % 2 == 0 else None, late=2.5):
        files.write_text(path, "late")
        assert files.read_text(path) == "late"


def test_a_store_that_stays_away_is_named(store: str, dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_client, "TRIES", 2)
    with (
        s3_server.proxy(store, lambda _: "busy"),
        pytest.raises(BuildError, match=r"s3://corpora/busy\S*: the store does not answer"),
    ):
        build(dump, "s3://corpora/busy", workers=0)
    with (
        s3_server.environment(AWS_ENDPOINT_URL="http://127.0.0.1:1"),
        pytest.raises(BuildError, match=r"s3://corpora/away\S*: the store does not answer.*AWS_ENDPOINT_URL"),
    ):
        Corpus("s3://corpora/away")


def test_what_the_user_can_mend_is_named(store: str, dump: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no bucket missing"):
        build(dump, "s3://missing/corpus", workers=0)
    with pytest.raises(InputError, match="no finished corpus"):
        Corpus("s3://corpora/nothing")
    with pytest.raises(InputError, match="names a whole bucket"):
        build(dump, "s3://corpora", workers=0)
    with pytest.raises(InputError, match="where a folder or a file of this machine is needed"):
        build(dump, "https://example.com/corpus", workers=0)
    with pytest.raises(InputError, match="no kind of store that fsspec knows"):
        build(dump, "nowhere://bucket/corpus", workers=0)
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")
    files_of_aws = {name: str(tmp_path) for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")}
    with (
        s3_server.environment(**nothing, **files_of_aws, AWS_EC2_METADATA_DISABLED="true"),
        pytest.raises(InputError, match="no credentials for the store"),
    ):
        build(dump, "s3://corpora/anonymous", workers=0)


def test_an_upload_that_fails_leaves_no_object(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ObjectPath("s3://corpora/half/file")
    with pytest.raises(ZeroDivisionError), files.atomic(path) as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    monkeypatch.setattr(store_client, "TRIES", 1)
    with s3_server.proxy(store, lambda _: "cut"), pytest.raises(BuildError, match="does not answer"):
        files.write_text(path, "a text that is cut off on its way")
    assert not path.exists()
    assert not [left for left in (scratch.folder() / "up").iterdir() if left.name.endswith("-file")]


def test_verify_reads_what_the_store_has(store: str, stored: str) -> None:
    corpus = Corpus(stored)
    name = next(name for name in corpus.manifest["files"] if name.startswith("documents/"))
    path = corpus.generation / name
    content = path.read_bytes()
    try:
        store_client.put(path.address, content[:-1] + b"!")
        assert [(found.path, found.what) for found in verify(stored).differences] == [(name, "changed")]
        with pytest.raises(InputError, match="files are not those of its manifest"):
            Corpus(stored).documents  # noqa: B018
        store_client.remove([path.address])
        assert [(found.path, found.what) for found in verify(stored).differences] == [(name, "missing")]
    finally:
        store_client.put(path.address, content)
    assert verify(stored).differences == ()


def test_passing_files_may_lie_on_this_machine(store: str, dump: Path, tmp_path: Path, stored: str) -> None:
    place = "s3://corpora/passing"
    with s3_server.environment(SOCORPUS_PASSING=str(tmp_path / "passing")):
        build(dump, place, workers=0)
        assert not [path for path in corpus_place(place).found() if ".work" in path.parts]
        assert any((tmp_path / "passing").rglob("*.arrow"))
    assert Corpus(place).manifest == Corpus(stored).manifest


def test_abandon_drops_a_stopped_build(store: str) -> None:
    root = ObjectPath("s3://corpora/abandoned")
    with lock(root), generations.writing(root) as tree:
        files.write_text(tree / "receipts/read.json", "{}")
    assert abandon(str(root)) and not abandon(str(root))
    assert generations.unfinished(root) is None


def test_copies_of_objects_are_bounded(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server.environment(SOCORPUS_SCRATCH_GB="0.000001"):
        monkeypatch.setattr(scratch, "_LOOK_AFTER", 0)
        monkeypatch.setattr(scratch, "_OF_USE", -1.0)
        for number in range(4):
            files.write_text(ObjectPath(f"s3://corpora/bounded/{number}"), "x" * 600)
        left = sum(path.stat().st_size for path in (scratch.folder() / "copies").iterdir())
    assert left <= 1000
    assert files.read_text(ObjectPath("s3://corpora/bounded/0")) == "x" * 600


def test_hashes_are_remembered_by_entity_tags(store: str, stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    monkeypatch.setattr(files, "sha256", read.append)
    integrity.opened(corpus_place(stored))
    assert not read


def test_a_folder_of_a_dump_in_a_store_is_the_same_to_every_process(
    store: str, dump: Path, on_disk: Path, tmp_path: Path
) -> None:
    """This process has listed the folder, and a worker has not: the same file must not look changed."""
    for path in files.every(dump):
        if path.suffix == ".xml":
            store_client.upload(f"s3://corpora/dumps/{path.relative_to(dump)}", path)
    corpus = build("s3://corpora/dumps", tmp_path / "corpus", workers=1)
    assert corpus.manifest["totals"] == Corpus(on_disk).manifest["totals"]


def test_an_object_that_changes_after_its_folder_was_listed_is_noticed(store: str, tmp_path: Path) -> None:
    place, posts = "s3://corpora/changing/example.com/Posts.xml", tmp_path / "Posts.xml"
    posts.write_text("<posts></posts>")
    store_client.upload(place, posts)
    ((member,),) = ([table.member for table in site.tables] for site in plan_build("s3://corpora/changing").sites)
    assert archives.state(place) == member.state
    posts.write_text("<posts> </posts>")
    store_client.upload(place, posts)
    assert archives.state(place) != member.state


def test_a_writer_that_this_process_can_not_see_is_not_taken_for_dead(store: str) -> None:
    """Containers of one machine share its name, and machines may have one name."""
    root = ObjectPath("s3://corpora/unseen")
    with lease.taken(root) as first:
        entry = first.entry
        assert entry.live and entry.among == lease.among()
        assert replace(entry, pid=2**22 + 1, among="another boot, another namespace").live
        assert not replace(entry, pid=2**22 + 1).live
        # The number of a process that ended is given to another one in time.
        assert not replace(entry, started="1").live
        assert not replace(entry, expires=time.time() - 1).live


def test_a_copy_that_lost_its_end_is_fetched_again(store: str, tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(b"whole")
    store_client.upload("s3://corpora/copies/a.bin", source)
    copy = ObjectPath("s3://corpora/copies/a.bin").fetched()
    copy.write_bytes(b"")
    assert ObjectPath("s3://corpora/copies/a.bin").fetched().read_bytes() == b"whole"


@pytest.mark.parametrize("value", ["16GB", "nan", "-1", "inf"])
def test_a_variable_that_is_no_number_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOCORPUS_LEASE_SECONDS", value)
    with pytest.raises(InputError, match=f"SOCORPUS_LEASE_SECONDS={value}: .* a number from 2 to"):
        lease.seconds()
