"""A corpus is what its manifest says: whatever changed is found, refused by readers, and made again by a build."""

import os
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socorpus.corpus import verify
from socorpus.corpus.storage import files, generations, lock, manifest_file, parquet
from tests import building, fork_server
from tests.building import hashes, manifest, socorpus

FOLDERS = ("documents", "pairs", "signals", "decisions", "shards", "quarantine", "tables", "tokenizer", "labels")


def first(corpus: Path, folder: str) -> Path:
    return next(path for path in sorted((corpus / folder).rglob("*")) if path.is_file())


def flip(path: Path) -> None:
    """Change a bit in the middle; the size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def build(dump: Path, corpus: Path, *more: object, code: int = 0) -> str:
    done = socorpus("build", dump, "-o", corpus, "--workers", 0, *more, code=code)
    return " ".join((done.stdout + done.stderr).split())


def test_a_flipped_bit_in_any_file_is_found_and_made_again(dump: Path, corpus: Path, tmp_path: Path) -> None:
    copy = building.copy(corpus, tmp_path)
    before = {folder: hashes(copy, folder) for folder in FOLDERS}
    chosen = [first(copy, folder) for folder in FOLDERS] + [copy / "socorpus.toml", copy / "report.html"]
    chosen += [first(copy, "receipts/documents"), first(copy, "receipts/label_vote")]
    for path in chosen:
        flip(path)
    names = sorted(str(path.relative_to(copy)) for path in chosen)
    done = socorpus("verify", copy, code=1)
    assert [line.removesuffix(": changed") for line in done.stdout.splitlines()[:-1]] == names
    assert f"{len(names)} differ" in done.stdout.splitlines()[-1]
    said = build(dump, copy)
    assert "not what was written; it is made again" in said
    assert {folder: hashes(copy, folder) for folder in FOLDERS} == before
    assert not verify(copy).differences
    assert manifest(copy) == manifest(corpus)


def test_a_flip_that_alters_no_time_is_refused_and_mended_once_it_was_found(
    dump: Path, corpus: Path, tmp_path: Path
) -> None:
    copy = building.copy(corpus, tmp_path)
    assert not verify(copy).differences
    build(dump, copy)
    path = first(copy, "shards/train").resolve()
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [difference.path for difference in verify(copy).differences] == ["shards/train/00000.parquet"]
    assert "not those of its manifest" in socorpus("report", copy, code=2).stderr
    build(dump, copy)
    assert not verify(copy).differences


def test_a_receipt_that_no_stage_reads_again_is_mended_too(dump: Path, corpus: Path, tmp_path: Path) -> None:
    copy = building.copy(corpus, tmp_path)
    for receipt in sorted((copy / "receipts").resolve().glob("*/*/*.json")):
        if receipt.parent.parent.name in ("read", "repeats"):
            receipt.write_text("null")
    assert verify(copy).differences
    build(dump, copy)
    assert not verify(copy).differences


def test_a_damaged_manifest_is_refused_and_made_again(dump: Path, corpus: Path, tmp_path: Path) -> None:
    copy = building.copy(corpus, tmp_path)
    path = copy / "MANIFEST.json"
    text = path.read_text("utf-8")
    for damaged, why in (
        (text.replace('"kept": ', '"kept": 1', 1), "damaged"),
        (text[: len(text) // 2], "not a corpus's manifest"),
    ):
        path.write_text(damaged, "utf-8")
        for command in (["verify", copy], ["report", copy], ["train", copy], ["labeling", "apply", copy]):
            assert why in " ".join(socorpus(*command, code=2).stderr.split()), command
    build(dump, copy)
    assert path.read_text("utf-8") == text


def test_files_missing_and_extra(corpus: Path, tmp_path: Path) -> None:
    copy = building.copy(corpus, tmp_path)
    gone = first(copy, "decisions")
    gone.unlink()
    shutil.copy(first(copy, "shards/train"), copy / "shards/train/00099.parquet")
    done = socorpus("verify", copy, code=1)
    assert f"{gone.relative_to(copy)}: missing" in done.stdout
    assert "shards/train/00099.parquet: extra" in done.stdout


def test_a_stray_file_is_named_and_read_by_nobody(corpus: Path, tmp_path: Path) -> None:
    copy = building.copy(corpus, tmp_path)
    keep = pq.read_table(first(copy, "decisions"), columns=["site", "post_id"]).to_pylist()[0]
    key = f"{keep['site']}:{keep['post_id']}"
    folders = ["shards/train", *(first(copy, name).parent for name in ("documents", "decisions", "signals/near"))]
    folders += [
        first(copy, name).parent for name in ("tables/posts", "labels/closure/examples", "labels/closure/labels")
    ]
    story, report = socorpus("explain", copy, key).stdout, (copy / "report.html").read_bytes()
    for folder in folders:
        (copy / folder / "stray.parquet").write_text("no Parquet")
        (copy / folder / "00000.txt").write_text("a note")
    (copy / "shards/mine").mkdir()
    (copy / "shards/mine/00000.parquet").write_text("no Parquet")
    assert socorpus("report", copy).returncode == 0 and (copy / "report.html").read_bytes() == report
    assert socorpus("explain", copy, key).stdout == story
    socorpus("explain", copy, f"{keep['site']}:999999999", code=1)
    socorpus("labeling", "export", copy, "--task", "closure", "-o", tmp_path / "labels")
    done = socorpus("verify", copy, code=1)
    assert done.stdout.count("stray.parquet: extra") == done.stdout.count("00000.txt: extra") == len(folders)
    assert "shards/mine/00000.parquet: extra" in done.stdout


def test_rows_are_not_taken_over_from_a_file_that_was_replaced(dump: Path, corpus: Path, tmp_path: Path) -> None:
    copy = building.copy(corpus, tmp_path)
    for path in (copy / "signals/privacy").rglob("*.parquet"):
        table = pq.read_table(path)
        place = table.schema.get_field_index("spans")
        field = table.schema.field(place)
        empty = table.set_column(place, field, pa.array([[]] * table.num_rows, field.type))
        pq.write_table(empty, path)
    # The documents are made again, so that the signals run, by the same recipe.
    toml = tmp_path / "changed.toml"
    toml.write_text("[pairs]\n" if "[pairs]" in (corpus / "socorpus.toml").read_text() else "")
    assert "signals/privacy" in build(dump, copy)
    assert hashes(copy) == hashes(corpus)


@pytest.mark.parametrize("damage", ["truncated", "missing", "another"])
def test_labels_that_are_not_those_of_the_manifest_are_not_exported(
    dump: Path, corpus: Path, tmp_path: Path, damage: str
) -> None:
    copy = building.copy(corpus, tmp_path)
    path = first(copy, "labels/closure/labels")
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-20])
    elif damage == "missing":
        path.unlink()
    else:
        shutil.copy(str(path).replace("labels/closure", "labels/quality"), path)
    for command in (
        ["labeling", "export", copy, "--task", "closure", "-o", tmp_path / "exported"],
        ["finetune", tmp_path, "--task", "closure", "--data", copy, "-o", tmp_path / "model"],
        ["labeling", "sync", copy, "--project", "Closure", "--task", "closure"],
        ["report", copy],
    ):
        said = " ".join(socorpus(*command, code=2).stderr.split())
        assert f"{path.relative_to(copy)} ({'missing' if damage == 'missing' else 'changed'})" in said, command
    assert not (tmp_path / "exported").exists()
    # They are labels: labelling makes them again.
    socorpus("labeling", "apply", copy, "--workers", 0)
    assert hashes(copy, "labels") == hashes(corpus, "labels")


def test_labels_are_not_made_of_damaged_documents(corpus: Path, tmp_path: Path) -> None:
    copy = building.copy(corpus, tmp_path)
    flip(first(copy, "documents"))
    assert "documents/" in socorpus("labeling", "apply", copy, "--workers", 0, code=2).stderr


def test_a_killed_rebuild_leaves_the_finished_corpus_and_goes_on(dump: Path, corpus: Path, tmp_path: Path) -> None:
    copy, toml = building.copy(corpus, tmp_path), tmp_path / "socorpus.toml"
    toml.write_text("[near]\nthreshold = 0.6\n[shards]\nseed = 99\n")
    expected = tmp_path / "expected"
    started = time.monotonic()
    build(dump, expected, "--config", toml)
    whole = time.monotonic() - started
    before = {folder: hashes(copy, folder) for folder in FOLDERS}
    command = ("build", dump, "-o", copy, "--workers", 0, "--config", toml)
    for share in (0.15, 0.3):
        process = fork_server.start(command)
        time.sleep(whole * share)
        process.kill()
        process.communicate()
        assert {folder: hashes(copy, folder) for folder in FOLDERS} == before
        assert not verify(copy).differences
    if (copy / ".generations" / ".purpose").exists() or "stopped" in socorpus("status", copy).stdout:
        status = " ".join(socorpus("status", copy).stdout.split())
        assert "Until it is whole, the finished corpus is read" in status
        said = " ".join(socorpus("labeling", "apply", copy, code=2).stderr.split())
        assert "a build was stopped; the same command continues it" in said
    socorpus("report", copy)
    socorpus("labeling", "export", copy, "--task", "closure", "-o", tmp_path / "exported")
    socorpus(*command)
    assert {folder: hashes(copy, folder) for folder in FOLDERS} == {f: hashes(expected, f) for f in FOLDERS}
    assert manifest(copy) == manifest(expected)
    assert "The build is finished." in socorpus("status", copy).stdout


def test_a_stopped_rebuild_is_dropped(dump: Path, corpus: Path, tmp_path: Path) -> None:
    copy, toml = building.copy(corpus, tmp_path), tmp_path / "socorpus.toml"
    toml.write_text("[shards]\nseed = 99\n[labels]\nwithout = ['closure.nothing']\n")
    build(dump, copy, "--config", toml, code=2)  # refused before anything is changed
    assert "no stopped build" in socorpus("build", "--abandon", "-o", copy).stdout
    toml.write_text("[shards]\nseed = 99\n")
    process = fork_server.start(("build", dump, "-o", copy, "--workers", 0, "--config", toml))
    building.wait_for(lambda: len(list((copy / ".generations").glob("0*"))) == 2)
    process.kill()
    process.communicate()
    assert "is dropped" in socorpus("build", "--abandon", "-o", copy).stdout
    assert len(list((copy / ".generations").glob("0*"))) == 1
    assert "nothing had changed" in build(dump, copy)


def test_rows_are_compared_with_those_of_another_machine(corpus: Path, tmp_path: Path) -> None:
    # Another release of pyarrow: the same rows, other bytes.
    facts = manifest_file.finished(corpus)
    for path in sorted((corpus / "shards").rglob("*.parquet")):
        pq.write_table(pq.read_table(path), tmp_path / path.name, compression="gzip")
        entry = facts["files"][str(path.relative_to(corpus))]
        assert parquet.rows_hash(tmp_path / path.name) == entry["rows_hash"]
        entry |= {"sha256": files.sha256(tmp_path / path.name), "bytes": files.size(tmp_path / path.name)}
    manifest_file.save(tmp_path, facts)
    other = tmp_path / "MANIFEST.json"
    assert "0 differ" in socorpus("verify", corpus, "--against", other).stdout
    pq.write_table(pq.read_table(path).slice(1), tmp_path / path.name)
    entry["rows_hash"] = parquet.rows_hash(tmp_path / path.name)
    gone = next(name for name in facts["files"] if name.startswith("pairs/"))
    del facts["files"][gone]
    manifest_file.save(tmp_path, facts)
    lines = socorpus("verify", corpus, "--against", other, code=1).stdout.splitlines()
    assert lines[:-1] == [f"{gone}: missing there", f"{path.relative_to(corpus)}: other rows"]


def test_a_build_with_nothing_to_do_changes_nothing(dump: Path, corpus: Path, tmp_path: Path) -> None:
    copy = building.copy(corpus, tmp_path)
    path = copy / "MANIFEST.json"
    before = path.stat().st_ino, path.stat().st_mtime_ns, path.read_text("utf-8")
    assert "nothing had changed" in build(dump, copy)
    assert (path.stat().st_ino, path.stat().st_mtime_ns, path.read_text("utf-8")) == before


def test_the_manifest_reproduces_the_corpus(dump: Path, corpus: Path, tmp_path: Path) -> None:
    toml = tmp_path / "socorpus.toml"
    toml.write_text("[near]\nthreshold = 0.6\n[shards]\nseed = 99\n")
    build(dump, tmp_path / "first", "--config", toml)
    shutil.copy(tmp_path / "first/MANIFEST.json", tmp_path / "theirs.json")
    build(dump, tmp_path / "second", "--config", tmp_path / "theirs.json")
    assert "0 differ" in socorpus("verify", tmp_path / "second", "--against", tmp_path / "theirs.json").stdout
    assert manifest(tmp_path / "second") == manifest(tmp_path / "first") != manifest(corpus)


@pytest.mark.parametrize("name", ["quarantine", "socorpus.toml", "report.html"])
def test_what_no_work_item_makes_is_mended_too(dump: Path, corpus: Path, tmp_path: Path, name: str) -> None:
    copy = building.copy(corpus, tmp_path)
    path = first(copy, name) if name == "quarantine" else copy / name
    flip(path)
    assert f"{path.relative_to(copy)}: not what was written; it is made again" in build(dump, copy)
    assert "0 differ" in socorpus("verify", copy).stdout


def test_a_copy_without_what_builds_keep_for_themselves_is_built_on(dump: Path, corpus: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in corpus.iterdir():
        if not path.name.startswith("."):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, copy / path.name)
    build(dump, copy)
    assert hashes(copy) == hashes(corpus)
    assert "0 differ" in socorpus("verify", copy).stdout


@pytest.mark.parametrize("links", ["gone", "dangling", "followed", "one is gone"])
def test_links_are_put_right(dump: Path, corpus: Path, tmp_path: Path, links: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(corpus, copy, symlinks=links != "followed")
    current = copy / ".generations/current"
    if links == "gone":
        for path in [path for path in copy.rglob("*") if path.is_symlink()]:
            path.unlink()
    elif links == "dangling":
        current.unlink()
        current.symlink_to("000099")
    elif links == "one is gone":
        (copy / "signals").unlink()
    assert "The build is finished." in socorpus("status", copy).stdout
    assert "0 differ" in socorpus("verify", copy).stdout
    assert "no stopped build" in socorpus("build", "--abandon", "-o", copy).stdout
    assert "nothing had changed" in build(dump, copy)
    assert hashes(copy, "signals") == hashes(corpus, "signals")
    assert current.is_symlink() and (copy / "signals").is_symlink()


def test_a_damaged_manifest_is_told_by_status_and_explain(corpus: Path, tmp_path: Path) -> None:
    copy = building.copy(corpus, tmp_path)
    path = (copy / "MANIFEST.json").resolve()
    path.write_text(path.read_text("utf-8").replace('"kept": ', '"kept": 1', 1), "utf-8")
    assert "MANIFEST.json: damaged" in socorpus("status", copy).stdout
    assert "damaged" in socorpus("explain", copy, "modern.example.com:1", code=2).stderr


def test_what_people_said_is_taken_over_from_an_earlier_layout(dump: Path, corpus: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree((corpus / "MANIFEST.json").resolve().parent, copy)
    said = copy / "labels/closure/people.parquet"
    said.write_bytes(b"kept as it is")
    with lock.lock(copy), generations.writing(copy):
        pass
    generations.abandon(copy)
    assert (copy / "annotations/closure/people.parquet").read_bytes() == b"kept as it is"
