"""`socorpus build` from end to end: the sample with its known truth, kills, resumes, receipts, bad input."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from socorpus.corpus import schema
from socorpus.corpus.sample.writer import Truth
from socorpus.corpus.storage import generations, lock
from tests import fork_server
from tests.building import copy, hashes, manifest, seconds, small_disk, socorpus, table, wait_for


def test_every_row_is_accounted_for(sample: Truth, built: Path) -> None:
    facts = manifest(built)
    assert set(facts["sites"]) == {site.site for site in sample.sites}
    for truth in sample.sites:
        site = facts["sites"][truth.site]
        assert site["quarantined"] == sum(truth.unreadable.values())
        assert site["quarantined_by_table"] == truth.unreadable
        read = {name: count + truth.unreadable.get(name, 0) for name, count in site["rows"].items()}
        assert read == truth.rows
        assert {int(kind): count for kind, count in site["post_types"].items()} == truth.posts
        assert site["documents"] == truth.posts[1] + truth.posts[2]
        assert site["documents"] == site["kept"] + sum(site["dropped"].values())
    for folder in ("documents", "decisions", *(f"signals/{name}" for name in schema.SIGNALS)):
        assert table(built, folder).num_rows == facts["totals"]["documents"], folder
    assert table(built, "shards").num_rows == facts["totals"]["kept"]
    assert table(built, "quarantine").num_rows == facts["totals"]["quarantined"]
    reasons = Counter(table(built, "decisions")["reason"].drop_null().to_pylist())
    assert reasons == facts["totals"]["dropped"]


def test_the_manifest_names_every_file_with_its_rows_and_hash(built: Path) -> None:
    listed = manifest(built)["files"]
    folders = ("documents", "pairs", "signals", "decisions", "shards", "quarantine", "tables", "tokenizer", "labels")
    found = {name: sha for folder in folders for name, sha in hashes(built, folder).items()}
    assert {name: entry["sha256"] for name, entry in listed.items()} == found
    for name, entry in listed.items():
        if name.endswith(".parquet"):
            assert pq.ParquetFile(built / name).metadata.num_rows == entry["rows"]


def test_rows_keep_licence_author_and_address(built: Path) -> None:
    rows = table(built, "shards")
    assert rows.schema.equals(schema.SHARDS)
    assert pc.all(pc.match_substring_regex(rows["license"], r"^CC BY-SA [234]\.[05]$")).as_py()
    assert pc.all(pc.match_substring_regex(rows["url"], r"^https://[a-z0-9.]+/[qa]/\d+$")).as_py()
    # Deleted users have neither id nor name in the dump.
    assert rows["author"].null_count < rows.num_rows / 10


def test_no_thread_and_no_cluster_straddles_the_splits(built: Path) -> None:
    rows = table(built, "shards").select(["site", "post_id", "thread_id", "split"])
    assert set(rows["split"].to_pylist()) == {"train", "validation", "test"}
    by_thread: dict[tuple[str, int], set[str]] = {}
    for row in rows.to_pylist():
        by_thread.setdefault((row["site"], row["thread_id"]), set()).add(row["split"])
    assert all(len(splits) == 1 for splits in by_thread.values())
    split_of = {schema.key(row["site"], row["post_id"]): row["split"] for row in rows.to_pylist()}
    for name in ("near", "near_code"):
        clusters: dict[str, set[str]] = {}
        for row in table(built, f"signals/{name}").to_pylist():
            split = split_of.get(schema.key(row["site"], row["post_id"]))
            if row["cluster"] is not None and split is not None:
                clusters.setdefault(row["cluster"], set()).add(split)
        assert clusters, name
        assert all(len(splits) == 1 for splits in clusters.values())


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_one_worker_makes_the_same_bytes_as_two_and_as_none(
    sample: Truth, built: Path, tmp_path: Path, workers: int
) -> None:
    toml, out = built.parent / "socorpus.toml", tmp_path / "out"
    # Those of the labels are held in test_labels.py.
    socorpus("build", sample.folder, "-o", out, "--workers", workers, "--config", toml, "--no-labels")
    assert hashes(out) == hashes(built)
    files = {name: entry for name, entry in manifest(built)["files"].items() if not name.startswith("labels/")}
    assert manifest(out)["files"] == files


def test_other_parts_and_buckets_make_the_same_shards(sample: Truth, built: Path, tmp_path: Path) -> None:
    toml = tmp_path / "socorpus.toml"
    given = (built.parent / "socorpus.toml").read_text("utf-8")
    toml.write_text(f"{given}[read]\npart_mb = 1\n[threads]\nbucket_mb = 1\n", "utf-8")
    socorpus("build", sample.folder, "-o", tmp_path / "out", "--workers", 0, "--config", toml, "--no-labels")
    assert len(list((tmp_path / "out/documents").rglob("*.parquet"))) > 5
    assert hashes(tmp_path / "out") == hashes(built)


torture = pytest.mark.torture


@pytest.mark.parametrize("after", [pytest.param(0.25, marks=torture), 0.5, pytest.param(0.75, marks=torture)])
def test_a_killed_build_goes_on_and_makes_the_same_bytes(
    small: Path, small_corpus: Path, tmp_path: Path, after: float
) -> None:
    whole, out = json.loads((small_corpus.parent / "seconds.json").read_text()), tmp_path / "killed"
    command = ("build", small, "--workers", 0, "-o", out)
    for share in (after, after / 2):
        process = fork_server.start(command)
        time.sleep(whole * share)
        process.kill()
        process.communicate()
        for path in out.rglob("*.parquet") if out.exists() else ():
            if not path.name.startswith("."):
                pq.ParquetFile(path).close()  # nothing half-written under a final name
    socorpus(*command)
    assert hashes(out) == hashes(small_corpus)
    assert not list(out.rglob("*.partial"))
    assert manifest(out)["files"] == manifest(small_corpus)["files"]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_a_signal_stops_a_build_with_a_word_and_it_goes_on(small: Path, tmp_path: Path, sign: signal.Signals) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "socorpus.cli.main", "build", str(small), "--workers", "1", "-o", str(out)]
    # A shell that runs the tests in the background has them ignore the signal, which children inherit.
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    # While workers start it is not heard: wait for their first receipt.
    wait_for(lambda: next((out / "receipts/read").rglob("*.json"), None) is not None)
    if sign == signal.SIGTERM:
        process.send_signal(sign)
    else:
        os.killpg(process.pid, sign)  # as a terminal does: the workers get it too
    told = process.communicate()[1]  # by the end of all that hold it: the workers have ended too
    assert process.returncode == 128 + sign, told
    assert not list(out.rglob("*.partial"))
    assert "stopped" in told and "what is finished is kept, and the same command goes on" in told
    assert "Traceback" not in told, told
    socorpus("build", small, "-o", out, "--workers", 0)
    assert "The build is finished." in socorpus("status", out).stdout


def test_a_second_run_does_nothing_and_a_changed_filter_runs_again_from_selection_on(
    small: Path, small_corpus: Path, tmp_path: Path
) -> None:
    out = copy(small_corpus, tmp_path)
    stages = ("read", "threads", "documents", "signals", "twins", "duplicates", "pairs", "decisions", "shards")
    before = {stage: seconds(out, stage) for stage in stages}
    shards = hashes(out)
    started = time.monotonic()
    again = socorpus("build", small, "-o", out)
    assert time.monotonic() - started < 10
    assert "nothing had changed" in again.stdout
    assert {stage: seconds(out, stage) for stage in stages} == before
    toml = tmp_path / "socorpus.toml"
    toml.write_text("[selection]\nmin_score = 3\n", "utf-8")
    socorpus("build", small, "-o", out, "--workers", 0, "--config", toml)
    changed = {stage for stage in stages if seconds(out, stage) != before[stage]}
    assert changed == {"decisions", "shards"}
    assert manifest(out)["totals"]["dropped"]["low_score"] > 0
    assert hashes(out) != shards
    socorpus("build", small, "-o", out, "--workers", 0)
    assert hashes(out) == shards


def test_a_changed_input_runs_again_what_depends_on_it_alone(sample: Truth, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    names = [site.site for site in sample.sites][:2]
    for name in names:
        shutil.copytree(sample.folder / name, dump / name)
    out = tmp_path / "out"
    socorpus("build", dump, "-o", out, "--workers", 0, "--no-labels")
    before = {stage: seconds(out, stage) for stage in ("threads", "documents", "signals", "pairs")}
    posts = next(path for path in (dump / names[0]).iterdir() if path.stem.lower().startswith("posts"))
    text = posts.read_bytes()
    assert b"AnswerCount=" in text
    # A view more on one question: the post's row changes, its text does not.
    posts.write_bytes(text.replace(b'Score="', b'Score="1', 1))
    socorpus("build", dump, "-o", out, "--workers", 0, "--no-labels")
    for stage, known in before.items():
        now = seconds(out, stage)
        changed = {path for path in now if now[path] != known[path]}
        if stage in ("threads", "documents", "signals"):
            assert len(changed) == 1 and names[0] in next(iter(changed)), stage
    facts = manifest(out)
    assert facts["changes"][names[0]]["gone"] == 0
    assert facts["reused"]["language"] >= facts["sites"][names[0]]["documents"]


def test_a_newer_dump_tells_what_came_changed_and_went(real_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    older, newer = real_data / "dumps/beer.stackexchange.com-2014-05", real_data / "archives/beer.stackexchange.com.7z"
    socorpus("build", older, "-o", out, "--workers", 0, "--no-labels")
    shown = socorpus("build", newer, "-o", out, "--workers", 0, "--no-labels")
    assert len(list((out / ".generations").glob("0*"))) == 1, "the corpus before stays on the disk"
    changes = manifest(out)["changes"]["beer.stackexchange.com"]
    assert changes["new"] == 2745
    assert changes["gone"] == 2
    assert changes["changed"] + changes["unchanged"] == 726
    assert "2,745 new" in shown.stdout
    reused = manifest(out)["reused"]
    assert reused["language"] > 300
    fresh = tmp_path / "fresh"
    socorpus("build", newer, "-o", fresh, "--workers", 0, "--no-labels")
    assert hashes(fresh) == hashes(out)
    assert "2,745" in (out / "report.html").read_text("utf-8")


BAD = {
    "no folder": (["nowhere"], "nowhere"),
    "no tables": (["empty"], "empty"),
    "no dump": (["page/Posts.xml"], "Posts.xml"),
    "truncated": (["cut.7z"], "cut.7z"),
    "cut table": (["cut"], "Posts.xml"),
    "unknown key": (["small", "--config", "bad.toml"], "selection.min_wrods"),
    "unknown preset": (["small", "--preset", "bert"], "sobert"),
    "no scheduler": (["small", "--scheduler", "tcp://127.0.0.1:1"], "127.0.0.1:1"),
    "not a corpus": (["small", "-o", "full"], "full"),
    "a file as folder": (["small", "-o", "file"], "file"),
    "no option": (["small", "--verbos"], "--verbos"),
}


# How long nobody answering is waited for is ten seconds; test_executor.py waits for it too.
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if case == "no scheduler" else ()) for case in BAD]
)
def test_bad_input_gets_one_clear_message(
    case: str, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from socorpus.corpus.sample import writer as sample_writer

    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").symlink_to(small / "modern.example.com")
    for folder in ("empty", "page", "cut", "full"):
        (tmp_path / folder).mkdir()
    (tmp_path / "empty/readme.txt").write_text("nothing here")
    (tmp_path / "page/Posts.xml").write_text("<!DOCTYPE html><html><body>404</body></html>")
    posts = (small / "modern.example.com/Posts.xml").read_bytes()
    (tmp_path / "cut/Posts.xml").write_bytes(posts[: len(posts) // 2])
    sample_writer.pack(small / "modern.example.com", tmp_path / "whole.7z")
    packed = (tmp_path / "whole.7z").read_bytes()
    (tmp_path / "cut.7z").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "bad.toml").write_text("[selection]\nmin_wrods = 3\n")
    (tmp_path / "full/letter.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    arguments, says = BAD[case]
    extra = [] if "-o" in arguments else ["-o", "out"]
    done = socorpus("build", *arguments, *extra, "--workers", 0, code=1 if case == "no scheduler" else 2)
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 8
    assert not (tmp_path / "out/MANIFEST.json").exists()
    assert not list(tmp_path.rglob("*.partial"))
    assert (tmp_path / "full/letter.txt").read_text() == "mine"


def test_a_full_disk_is_told_and_the_build_goes_on_when_there_is_room(
    small: Path, small_corpus: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "1m") as resize:
        told = socorpus("build", small, "-o", disk / "out", "--workers", 0, code=1)
        assert "no space left on the disk" in told.stderr
        assert "run the same command again" in told.stderr
        assert not list(disk.rglob("*.partial"))
        resize("200m")
        socorpus("build", small, "-o", disk / "out", "--workers", 0)
        assert hashes(disk / "out") == hashes(small_corpus)


def test_two_builds_do_not_work_in_one_folder(small: Path, small_corpus: Path, tmp_path: Path) -> None:
    out = copy(small_corpus, tmp_path)
    with lock.lock(out):
        told = socorpus("build", small, "-o", out, "--workers", 0, code=1)
        holder = f"process {os.getpid()} on {os.uname().nodename}"
        assert f"another build is at work there ({holder})" in " ".join(told.stderr.split())
        assert f"A build is running ({holder})" in " ".join(socorpus("status", out).stdout.split())


def test_a_first_build_that_was_stopped_is_no_finished_corpus_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with lock.lock(out), generations.writing(out):
        pass
    for command in (("verify", out), ("labeling", "apply", out, "--workers", 0), ("report", out)):
        told = " ".join(socorpus(*command, code=2).stderr.split())
        assert "its build is not finished; the same socorpus build goes on with it" in told, command


def test_a_dry_run_writes_nothing(small: Path, tmp_path: Path) -> None:
    shown = socorpus("build", small, "-o", tmp_path / "out", "--dry-run")
    assert "modern.example.com" in shown.stdout
    assert "min_words = 5" in shown.stdout
    assert "modern.example.com comments: comment_id " in shown.stdout and "post_type_id 1" in shown.stdout
    rows = [line for line in shown.stdout.splitlines() if line.startswith("modern.example.com posts: ")]
    assert rows and all(len(row) <= 240 and row.endswith(" …") for row in rows)
    assert not (tmp_path / "out").exists()


def test_input_that_can_t_be_trusted_ends_the_build(tmp_path: Path) -> None:
    site = tmp_path / "dump" / "x.example.org"
    site.mkdir(parents=True)
    date = 'CreationDate="2020-01-01 10:00:00 UTC"'
    rows = "".join(f'<row Id="{i}" PostTypeId="1" {date} Body="\x9b{i}"/>\n' for i in range(1, 30))
    (site / "Posts.xml").write_text(f"<posts>\n{rows}</posts>", "utf-8")
    (site / "zz-posts.xml").write_text(f"<posts>\n{rows}</posts>", "utf-8")
    (site / "Users.xml").write_text('<users>\n<row Id="1" CreationDate="2020-01-01"/>\n</users>', "utf-8")
    out = tmp_path / "out"
    failed = socorpus("build", tmp_path / "dump", "-o", out, "--workers", 0, "--no-labels", code=2)
    first = f"29: first in {site.name}/Posts.xml at byte 8: CreationDate='2020-01-01 10:00:00 UTC' is not of type"
    assert "no post of the sources could be read, and 29 could not" in failed.stderr
    assert "x.example.org, table posts: 29 of 29 rows (100.0%)" in failed.stderr
    assert first in failed.stderr
    assert not (out / "MANIFEST.json").exists()
    warned = socorpus("build", tmp_path / "dump", "-o", tmp_path / "dry", "--dry-run")
    assert first in warned.stderr and "a build stops at this share" in warned.stderr
    for done in (failed, warned):
        assert f"{site}/zz-posts.xml is left out" in done.stderr
    accepted = ("--accept-unreadable", 1, "--dry-run")
    assert "stops" not in socorpus("build", tmp_path / "dump", "-o", tmp_path / "dry", *accepted).stderr
    assert "accept_unreadable = 1.0" in socorpus("build", tmp_path / "dump", "-o", tmp_path / "dry", *accepted).stdout


def test_status_and_force(small: Path, small_corpus: Path, tmp_path: Path) -> None:
    told = socorpus("status", tmp_path, code=2)
    assert "no corpus" in told.stderr
    out = copy(small_corpus, tmp_path)
    assert "The build is finished." in socorpus("status", out).stdout
    before = seconds(out, "read")
    socorpus("build", small, "-o", out, "--workers", 0, "--force")
    assert seconds(out, "read") != before


def test_text_that_is_not_utf8_is_counted_on_the_terminal(tmp_path: Path) -> None:
    words = ("caf\u00e9", "coffee")
    rows = [
        f'<row Id="{i}" PostTypeId="1" CreationDate="2020-01-01T00:00:00" Body="{words[i > 2]} more words {i * 7919}"/>'
        for i in range(1, 30)
    ]
    path = tmp_path / "x.example.com" / "Posts.xml"
    path.parent.mkdir()
    path.write_text("\n".join(["<posts>", *rows, "</posts>"]), "cp1252")
    build = ("build", path.parent, "-o", tmp_path / "corpus", "--workers", 0, "--no-labels")
    told = "x.example.com: 2 rows of posts had bytes that are not UTF-8, now U+FFFD: first in x.example.com/Posts.xml"
    assert told in " ".join(socorpus(*build).stdout.split())
    refused = socorpus(*build, "--accept-unreadable", 0, code=2)
    assert "table posts: 2 of 29 rows had bytes that are not UTF-8" in refused.stderr


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ('[tokenizer]\npath = "{}"', "a tokenizer.json"),
        ('[contamination]\nbenchmarks = ["{}"]', r"a file of \[contamination\]"),
        ('plugins = ["{}"]', "a plug-in"),
    ],
)
def test_a_path_of_a_configuration_must_be_a_regular_file(small: Path, tmp_path: Path, section: str, what: str) -> None:
    """A device without an end, or a pipe that nobody writes to, would be read for ever."""
    device, pipe = tmp_path / "device.py", tmp_path / "pipe.py"
    device.symlink_to("/dev/zero")
    os.mkfifo(pipe)
    config = tmp_path / "config.toml"
    for path in (device, pipe):
        config.write_text(section.format(path), "utf-8")
        build = ("build", small, "-o", tmp_path / "corpus", "--workers", 0, "--no-labels", "--config", config)
        assert re.search(f"{re.escape(str(path))}: {what} is", " ".join(socorpus(*build, code=2).stderr.split()))
