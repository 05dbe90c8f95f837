"""`socorpus forget` from end to end: what goes leaves no trace, what stays is what a build would make, stops do no
harm."""

import gc
import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from socorpus.labeling.takedown import trained
from tests import fork_server
from tests.building import copy, hashes, manifest, socorpus, table, wait_for
from tests.conftest import Once

SITE = "modern.example.com"
MARK = "zqxvj"
"""Begins every text that is planted in rows which go."""
ASKED, AUTHOR = 4, 5
ANSWER = 25
CALLING = 900_001
"""A comment that stays, and names the author."""


def planted_dump(folder: Path) -> None:
    """A dump in which a question, an answer and all that an author wrote carry a mark, and a broken row too."""
    from socorpus.corpus.sample import writer as sample_writer

    sample_writer.write(folder / "dump", threads=60, sites=(sample_writer.MODERN,))
    tables = folder / "dump" / SITE
    text = (tables / "Posts.xml").read_text("utf-8-sig")
    posts = {int(row[0]): row[1] for row in re.findall(r'<row Id="(\d+)" (.*)', text)}
    owned = {number for number, row in posts.items() if f'OwnerUserId="{AUTHOR}"' in row}
    assert owned and not owned & {ASKED, ANSWER}
    goes = owned | {ASKED, ANSWER}
    marks = iter(range(10_000))

    def mark(match: re.Match[str]) -> str:
        return f"{match[1]}{MARK}{next(marks)} "

    def edit(name: str, chosen: str, attributes: str) -> None:
        path = tables / name
        lines = path.read_text("utf-8").split("\n")
        for at, line in enumerate(lines):
            if re.search(chosen, line):
                lines[at] = re.sub(rf'( (?:{attributes})=")', mark, line)
        path.write_text("\n".join(lines), "utf-8")

    numbers = "|".join(map(str, sorted(goes)))
    edit("Posts.xml", rf'<row Id="(?:{numbers})" ', "Body|Title")
    edit("Posts.xml", rf' LastEditorUserId="{AUTHOR}"', "LastEditorDisplayName")
    edit("Comments.xml", rf' PostId="(?:{numbers})" | UserId="{AUTHOR}"', "Text|UserDisplayName")
    edit("PostHistory.xml", rf' PostId="(?:{numbers})" ', "Text|Comment|UserDisplayName")
    edit("PostHistory.xml", rf' PostHistoryTypeId="[1-9]" .* UserId="{AUTHOR}"', "Text|Comment")
    edit("PostHistory.xml", rf' UserId="{AUTHOR}"', "UserDisplayName")
    edit("Users.xml", rf'<row Id="{AUTHOR}" ', "DisplayName|AboutMe|Location")
    # Somebody calls the author by name, in a thread of theirs.
    (name,) = re.findall(rf'<row Id="{AUTHOR}" .* DisplayName="({MARK}\S+) ', (tables / "Users.xml").read_text("utf-8"))
    parents = {number: int(of[1]) for number, row in posts.items() if (of := re.search(r'ParentId="(\d+)"', row))}
    on = next(number for number, parent in parents.items() if parent in owned and number not in goes)
    path = tables / "Comments.xml"
    said = f'PostId="{on}" Score="0" Text="@{name}: so it is" CreationDate="2024-01-01T00:00:00.000"'
    calls = f'  <row Id="{CALLING}" {said} />\n'
    path.write_text(path.read_text("utf-8").replace("</comments>", calls + "</comments>"), "utf-8")
    path = tables / "Posts.xml"
    broken = (
        f'  <row Id="70000x" PostTypeId="1" CreationDate="2013-06-29T10:17:40.839" Score="1" Body="{MARK}broken" />\n'
    )
    path.write_text(path.read_text("utf-8").replace("</posts>", broken + "</posts>"), "utf-8")


@pytest.fixture(scope="session")
def planted(once: Once) -> Path:
    """A folder with such a `dump`, a `corpus` of it, it as `published` and as `lines`. Only to be read."""

    def make(folder: Path) -> None:
        planted_dump(folder)
        socorpus("build", folder / "dump", "-o", folder / "corpus", "--workers", 0, "--accept-unreadable", 0.2)
        socorpus("publish", folder / "corpus", "-o", folder / "published", "--workers", 0)
        socorpus("publish", folder / "corpus", "-o", folder / "lines", "--workers", 0, "--format", "jsonl.zst")

    return once("planted", make)


@pytest.fixture
def place(planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, with a list, in which commands run."""
    for name in ("corpus", "published", "lines"):
        shutil.copytree(planted / name, tmp_path / name, symlinks=True)
    (tmp_path / "asked.txt").write_text(
        f"{SITE}:{ASKED}\nhttps://{SITE}/a/{ANSWER}\n{SITE}:user:{AUTHOR}\n{SITE}:99999\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def cleared(planted: Path, once: Once) -> Path:
    """A folder with a corpus in which the list was forgotten, without its dump. Only to be read."""

    def make(folder: Path) -> None:
        shutil.copytree(planted / "corpus", folder / "corpus", symlinks=True)
        (folder / "asked.txt").write_text(f"{SITE}:{ASKED}\n{SITE}:{ANSWER}\n{SITE}:user:{AUTHOR}\n{SITE}:99999\n")
        socorpus("forget", folder / "corpus", "--list", folder / "asked.txt", "--workers", 0)

    return once("cleared", make)


def said(folder: Path) -> Iterator[tuple[Path, str]]:
    """Everything that the files of a folder hold: their bytes as they are, and what readers make of them."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        content = path.read_bytes()
        yield path, content.decode("latin-1")
        if path.suffix == ".parquet":
            yield path, json.dumps(pq.read_table(path).to_pylist(), default=str)
            yield path, str(pq.read_metadata(path))
        elif path.suffix == ".arrow":
            yield path, json.dumps(pa.ipc.open_file(content).read_all().to_pylist(), default=str)
        elif path.suffix == ".zst":
            yield path, zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)).read().decode()


def traces(folder: Path, mark: str = MARK) -> set[str]:
    return {path.relative_to(folder).as_posix() for path, text in said(folder) if mark in text}


def told(done: Any) -> str:
    return " ".join((done.stdout + done.stderr).split())


def the_record(corpus: Path) -> dict[str, Any]:
    (path,) = (corpus / "forgotten").glob("*.json")
    facts: dict[str, Any] = json.loads(path.read_text())
    return facts


def snapshot(folder: Path) -> dict[str, str]:
    """Hashes of all files, but for the locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", ".readers"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_nothing_of_it_is_left_anywhere(place: Path, planted: Path) -> None:
    before = traces(place / "corpus")
    held = ("documents", "tables/posts", "tables/comments", "tables/history", "tables/users", "quarantine", "shards")
    for name in held:
        assert any(f"/{name}/" in f"/{path}" for path in before), (name, before)
    assert traces(place / "published") and traces(place / "lines")
    arguments = ("--list", "asked.txt", "--published", "published", "--published", "lines", "--workers", 0)
    done = socorpus("forget", "corpus", *arguments)
    assert not traces(place / "corpus") and not traces(place / "published") and not traces(place / "lines")
    assert f"{SITE}:99999: in no table of the corpus" in told(done)
    assert "nothing of what was removed is left" in told(socorpus("forget", "corpus", "--check"))
    socorpus("verify", "corpus")
    kept = table(place / "corpus", "tables/posts").to_pylist()
    assert not [row for row in kept if row["post_id"] in (ASKED, ANSWER) or row["owner_user_id"] == AUTHOR]
    comments = table(place / "corpus", "tables/comments").to_pylist()
    assert [row["text"] for row in comments if row["comment_id"] == CALLING] == ["@[removed]: so it is"]
    answers = [row["post_id"] for row in kept if row["parent_id"] == ASKED]
    for row in table(place / "corpus", "documents").to_pylist():
        assert row["post_id"] not in answers or row["title"] is None
    for name, folder in (("published", "parquet"), ("lines", "jsonl.zst")):
        facts = json.loads((place / name / "PUBLISHED.json").read_text())
        assert facts["format"] == folder
        assert sum(facts["tables"]["documents"]["rows"].values()) == manifest(place / "corpus")["totals"]["kept"]
    report = (place / "corpus/report.html").read_text()
    assert "All rows are accounted for" in report and "taken out" in report
    assert "posts were taken out on request" in (place / "published/DATASHEET.md").read_text()
    record = the_record(place / "corpus")
    assert record["finished"] and not record["pending"] and record["absent"] == [f"{SITE}:99999"]
    assert record["source"] == {
        "threads": False,
        "list": "asked.txt",
        "sha256": hashlib.sha256((place / "asked.txt").read_bytes()).hexdigest(),
    }
    assert record["because"][f"{SITE}:{ASKED}"] == "listed"
    assert f"author:{AUTHOR}" in record["because"].values()
    rows = record["before"]["rows"]["tables/posts"], record["after"]["rows"]["tables/posts"]
    assert rows[0] - rows[1] == record["counts"]["post"] > 2
    assert set(record["published"]) == {"../published", "../lines"}
    assert str(place) not in (place / "corpus/forgotten/000001.json").read_text()
    forgotten = manifest(place / "corpus")["sites"][SITE]["forgotten"]
    assert forgotten["posts"] == record["counts"]["post"] and forgotten["users"] == 1


def test_the_corpus_is_what_a_build_without_it_makes(planted: Path, cleared: Path, tmp_path: Path) -> None:
    corpus = copy(cleared / "corpus", tmp_path)
    before = manifest(corpus)
    done = socorpus("build", planted / "dump", "-o", corpus, "--workers", 0, "--accept-unreadable", 0.2)
    assert manifest(corpus) == before and not traces(corpus), told(done)
    # Read anew, from the dump that has it all.
    socorpus("build", planted / "dump", "-o", corpus, "--workers", 0, "--accept-unreadable", 0.2, "--force")
    after = manifest(corpus)
    for name in before.keys() - {"reused", "check"}:
        assert after[name] == before[name], name
    assert not traces(corpus)


@pytest.mark.slow
def test_the_same_bytes_with_workers(planted: Path, cleared: Path, tmp_path: Path) -> None:
    corpus = copy(planted / "corpus", tmp_path)
    socorpus("forget", corpus, "--list", cleared / "asked.txt", "--workers", 2)
    assert hashes(corpus, ".") and manifest(corpus) == manifest(cleared / "corpus")


def test_a_stopped_one_goes_on_and_the_corpus_stays_whole_meanwhile(place: Path, cleared: Path) -> None:
    whole = manifest(place / "corpus")
    arguments = ["forget", "corpus", "--list", "asked.txt", "--published", "published", "--workers", "0"]
    process = fork_server.start(arguments)
    wait_for(lambda: (place / "corpus/.generations/000002/receipts/documents").exists())
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert manifest(place / "corpus") == whole
    socorpus("verify", "corpus")
    assert "were being removed, which stopped" in told(socorpus("status", "corpus"))
    assert "the same socorpus forget continues it" in told(socorpus("labeling", "apply", "corpus", code=2))
    assert "begun and not finished" in told(socorpus("forget", "corpus", "--check", code=1))
    process = fork_server.start(arguments)
    wait_for(lambda: (place / "published/.publishing/receipts").exists())
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    socorpus("forget", "corpus", "--workers", 0)
    assert manifest(place / "corpus") == manifest(cleared / "corpus")
    assert not traces(place / "corpus") and not traces(place / "published")
    socorpus("forget", "corpus", "--check")
    assert not (place / "published/.publishing").exists() and not the_record(place / "corpus")["pending"]
    assert "nothing to forget" in told(socorpus("forget", "corpus", code=2))


@pytest.mark.slow
def test_one_list_after_another_on_a_site_of_several_buckets(tmp_path: Path) -> None:
    from socorpus.corpus import build, load_config, write_sample
    from socorpus.labeling import check_forgotten, forget

    write_sample(tmp_path / "dump", size_mb=4, forms=["modern"])
    config = load_config(overrides={"threads": {"bucket_mb": 1}, "read": {"part_mb": 1}})
    corpus = tmp_path / "corpus"
    build(tmp_path / "dump", corpus, config, workers=0)
    assert len(list((corpus / "documents" / SITE).iterdir())) > 1
    posts = table(corpus, "tables/posts").to_pylist()
    people = list(dict.fromkeys(row["owner_user_id"] for row in posts if (row["owner_user_id"] or 0) > 0))[:3]
    for user, post in zip(people, posts[50:200:50], strict=True):
        (tmp_path / "asked.txt").write_text(f"{SITE}:user:{user}\n{SITE}:{post['post_id']}\n")
        done = forget(corpus, tmp_path / "asked.txt", workers=0)
        assert done.counts["post"] > 1 and done.counts["author"] == 1 and not done.pending
    left = table(corpus, "tables/posts").to_pylist()
    assert {row["owner_user_id"] for row in left}.isdisjoint(people) and not check_forgotten(corpus)
    before = manifest(corpus)
    build(tmp_path / "dump", corpus, config, workers=0, force=True)
    after = manifest(corpus)
    assert [name for name in before if before[name] != after[name]] in ([], ["reused"], ["reused", "check"])


@pytest.mark.torture
def test_killed_at_many_moments_it_ends_as_one_that_was_not(place: Path, cleared: Path) -> None:
    draw, kills = random.Random(1), 0
    arguments = ["forget", "corpus", "--list", "asked.txt", "--published", "published", "--workers", "0"]
    while True:
        process = fork_server.start(arguments)
        try:
            process.communicate(timeout=draw.uniform(0.2, 4.0))
            break
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
            kills += 1
            if kills > 30:
                break
            socorpus("verify", "corpus")
    socorpus("forget", "corpus", "--list", "asked.txt", "--published", "published", "--workers", 0)
    assert kills and manifest(place / "corpus") == manifest(cleared / "corpus")
    assert not traces(place / "corpus") and not traces(place / "published")
    socorpus("forget", "corpus", "--check")


@pytest.mark.slow
def test_a_build_goes_on_with_what_a_stopped_one_began(place: Path, planted: Path) -> None:
    process = fork_server.start(["forget", "corpus", "--list", "asked.txt", "--workers", "0"])
    wait_for(lambda: (place / "corpus/.generations/000002/receipts/removals").exists())
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    socorpus("build", planted / "dump", "-o", "corpus", "--workers", 0, "--accept-unreadable", 0.2)
    assert not traces(place / "corpus")


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(place: Path) -> None:
    before = snapshot(place)
    done = socorpus("forget", "corpus", "--list", "asked.txt", "--published", "published", "--dry-run")
    assert "would be removed" in told(done) and "would be made anew" in told(done)
    assert snapshot(place) == before


def test_a_list_that_is_wrong_stops_everything(place: Path) -> None:
    before = snapshot(place)
    (place / "asked.txt").write_text(f"{SITE}:{ASKED}\nbeer.example.com:1\n{SITE}:what\n")
    done = socorpus("forget", "corpus", "--list", "asked.txt", code=2)
    assert "line 2: the corpus has no site beer.example.com" in told(done) and "line 3:" in told(done)
    refused = told(socorpus("forget", "corpus", "--list", "asked.txt", "--published", "corpus/shards", code=2))
    assert "only builds of the corpus" in refused
    (place / "asked.txt").write_text(f"{SITE}:{ASKED}\n")
    (place / "other").mkdir()
    refused = told(socorpus("forget", "corpus", "--list", "asked.txt", "--published", "other", code=2))
    assert "not a folder that socorpus publish wrote" in refused
    shutil.rmtree(place / "other")
    (place / "asked.txt").write_text(f"{SITE}:{ASKED}\nhttps://{SITE}/a/{ANSWER}\n{SITE}:user:{AUTHOR}\n{SITE}:99999\n")
    assert snapshot(place) == before
    assert "nothing was ever forgotten" in told(socorpus("forget", "corpus", "--check", code=2))


@pytest.mark.slow
def test_a_question_with_its_thread(place: Path) -> None:
    kept = table(place / "corpus", "tables/posts").to_pylist()
    thread = {row["post_id"] for row in kept if ANSWER in (row["post_id"], row["parent_id"])}
    question = next(row["parent_id"] for row in kept if row["post_id"] == ANSWER)
    thread |= {question, *(row["post_id"] for row in kept if row["parent_id"] == question)}
    assert len(thread) > 2
    (place / "asked.csv").write_text(f"site,post\n{SITE},{ANSWER}\n")
    socorpus("forget", "corpus", "--list", "asked.csv", "--threads", "--workers", 0)
    left = {row["post_id"] for row in table(place / "corpus", "tables/posts").to_pylist()}
    assert left == {row["post_id"] for row in kept} - thread
    socorpus("forget", "corpus", "--check")


@pytest.mark.slow
def test_a_twin_of_what_goes_is_told_and_judged_anew(place: Path) -> None:
    decisions = table(place / "corpus", "decisions").to_pylist()
    lost = {
        row["post_id"]: json.loads(row["evidence"])["survivor"]
        for row in decisions
        if "duplicate" in str(row["reason"])
    }
    twin, survivor = next(iter(lost.items()))
    (place / "asked.txt").write_text(survivor)
    done = told(socorpus("forget", "corpus", "--list", "asked.txt", "--workers", 0))
    assert f"{SITE}:{twin}: had been dropped as" in done and "are judged anew" in done
    kept = {row["post_id"] for row in table(place / "corpus", "decisions").to_pylist() if row["keep"]}
    assert twin in kept and int(survivor.rpartition(":")[2]) not in kept


@pytest.mark.slow
def test_posts_that_are_gone_from_a_newer_dump(place: Path, planted: Path) -> None:
    newer = Path(shutil.copytree(planted / "dump", place / "newer"))
    path = newer / SITE / "Posts.xml"
    whole = path.read_text("utf-8")
    refused = told(socorpus("forget", "corpus", "--gone", "newer", "--dry-run", code=2))
    assert "can't be read" in refused  # a post in such a row would be taken for gone
    whole = "\n".join(line for line in whole.split("\n") if not re.search(r'Id="\d+x"|"this & that"', line))
    readable = [line for line in whole.split("\n") if not re.match(rf'\s*<row Id="(?:{ASKED}|{ANSWER})" ', line)]
    path.write_text("\n".join(readable), "utf-8")
    done = socorpus("forget", "corpus", "--gone", "newer", "--workers", 0)
    assert "removed: 2 posts" in told(done), told(done)
    assert set(the_record(place / "corpus")["because"].values()) >= {"gone"}
    assert the_record(place / "corpus")["source"]["gone_from"] == ["newer"]
    # An older one lacks what came later.
    rows = [line for line in readable if not re.search(r'CreationDate="202\d', line)]
    path.write_text("\n".join(rows), "utf-8")
    assert "it is no newer dump" in told(socorpus("forget", "corpus", "--gone", "newer", code=2))


@pytest.mark.slow
def test_what_is_lifted_comes_back_with_the_next_build(cleared: Path, planted: Path, tmp_path: Path) -> None:
    corpus = copy(cleared / "corpus", tmp_path)
    done = socorpus("forget", corpus, "--lift", "--list", cleared / "asked.txt")
    assert "removals are lifted" in told(done) and not traces(corpus)
    socorpus("build", planted / "dump", "-o", corpus, "--workers", 0, "--accept-unreadable", 0.2)
    first, now = manifest(planted / "corpus"), manifest(corpus)
    for name in first.keys() - {"reused", "check", "changes"}:
        assert now[name] == first[name], name
    assert "nothing of what it names was removed" in told(
        socorpus("forget", corpus, "--lift", "--list", cleared / "asked.txt", code=2)
    )


def test_the_check_finds_what_is_left(cleared: Path, planted: Path, tmp_path: Path) -> None:
    corpus = copy(cleared / "corpus", tmp_path)
    socorpus("forget", corpus, "--check")
    shutil.copytree(planted / "corpus/documents", corpus / "annotations/left", symlinks=True)
    done = socorpus("forget", corpus, "--check", code=1)
    assert "annotations/left" in told(done) and f"{SITE}:{ASKED}" in told(done) and "1 place has" in told(done)


def test_what_was_trained_on_it_is_told(place: Path) -> None:
    known = trained.fingerprint(manifest(place / "corpus"))
    for folder, facts in (("corpus/runs/one", {"fingerprint": known}), ("runs/two", {"fingerprint": "another"})):
        (place / folder).mkdir(parents=True)
        (place / folder / "run.json").write_text(json.dumps(facts))
    (place / "runs/model").mkdir()
    (place / "runs/model/export.json").write_text(json.dumps({"corpus": {"fingerprint": known}}))
    done = told(socorpus("forget", "corpus", "--list", "asked.txt", "--runs", "runs", "--dry-run"))
    done = done.replace(f"{place}/", "")
    assert "run corpus/runs/one: learned from the corpus as it was" in done and "at least" in done
    assert "export runs/model: learned" in done and "runs/two" not in done


@pytest.mark.slow
def test_one_that_reads_the_corpus_as_it_was_is_told(place: Path) -> None:
    from socorpus.corpus import Corpus
    from socorpus.labeling import check_forgotten, forget

    reader = Corpus("corpus")
    rows = reader.documents.count_rows()
    done = forget("corpus", "asked.txt", workers=0)
    assert any("still read by a process" in line for line in done.pending) and reader.documents.count_rows() == rows
    assert any(".generations/000001" in line for line in check_forgotten("corpus"))
    assert os.path.lexists("corpus/.generations/000001")
    del reader
    gc.collect()
    assert not forget("corpus", workers=0).pending and not check_forgotten("corpus")
