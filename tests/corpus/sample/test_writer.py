"""The sample: its truth is recomputed from the bytes by other means (lxml, beautifulsoup4, sets of shingles)."""

import csv
import dataclasses
import hashlib
import itertools
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import py7zr
import pytest
from bs4 import BeautifulSoup
from lxml import etree, html

from socorpus.corpus.dump import gate, sources
from socorpus.corpus.errors import InputError
from socorpus.corpus.sample import writer as sample_writer
from socorpus.corpus.sample.forms import Tables
from socorpus.corpus.schema import DUMP

Row = dict[str, str]
ILLEGAL = re.compile("&#x(?:00|1F);")
NUMBERS = {"Id", "PostId", "PostTypeId"}


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> sample_writer.Truth:
    """Every form, 400 threads each."""
    return sample_writer.write(
        tmp_path_factory.mktemp("sample"), threads=2400, sites=tuple(sample_writer.FORMS.values())
    )


@pytest.fixture(scope="module")
def rows(truth: sample_writer.Truth) -> dict[tuple[str, str], list[Row]]:
    """(site, table) -> its rows that lxml can read, line by line."""
    return {(s.site, table): _read(truth, s, table)[0] for s in truth.sites for table in s.files}


def _lines(truth: sample_writer.Truth, site: sample_writer.SiteTruth, table: str) -> list[str]:
    data = (truth.folder / site.site / site.files[table]).read_bytes()
    text = data.decode("utf-16") if data[:2] == b"\xff\xfe" else data.decode("utf-8-sig")
    return [line.strip(" \r") for line in text.split("\n") if line.startswith("  <row")]


def _read(truth: sample_writer.Truth, site: sample_writer.SiteTruth, table: str) -> tuple[list[Row], list[str]]:
    good, bad = [], []
    for line in _lines(truth, site, table):
        try:
            row = dict(etree.fromstring(ILLEGAL.sub("", line), etree.XMLParser(huge_tree=True)).attrib)
        except etree.XMLSyntaxError:
            bad.append(line)
            continue
        fine = all(re.fullmatch(r"-?\d+", row[name]) for name in NUMBERS & row.keys())
        good.append(row) if fine else bad.append(line)
    return good, bad


def _text(row: Row) -> str:
    return str(html.document_fromstring(row["Body"]).text_content()) if row["Body"] else ""


def _posts(rows: dict[tuple[str, str], list[Row]]) -> dict[tuple[str, int], Row]:
    return {(site, int(row["Id"])): row for (site, table), found in rows.items() if table == "posts" for row in found}


def _of(record: sample_writer.Record) -> tuple[str, int]:
    site, _, number = record["of"].rpartition(":")
    return site, int(number)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_arguments_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    sites = (sample_writer.PIPES, sample_writer.SPRING2024)
    sample_writer.write(tmp_path / "a", threads=200, seed=7, sites=sites)
    code = (
        "from pathlib import Path; from socorpus.corpus.sample import writer as s; import sys; "
        "s.write(Path(sys.argv[1]), threads=200, seed=7, sites=(s.PIPES, s.SPRING2024))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "b")], check=True, env={"PYTHONHASHSEED": "5"})
    sample_writer.write(tmp_path / "c", threads=200, seed=8, sites=sites)
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")
    assert _digests(tmp_path / "a") != _digests(tmp_path / "c")


def test_size_is_about_what_was_asked(tmp_path: Path) -> None:
    made = sample_writer.write(tmp_path, size_mb=6, sites=(sample_writer.PLAIN, sample_writer.MODERN))
    found = sum(path.stat().st_size for site in made.sites for path in (tmp_path / site.site).iterdir())
    assert found == sum(site.bytes for site in made.sites)
    assert 0.9 < found / 6e6 < 1.25


def test_rows_of_the_xml_are_those_of_the_truth(truth: sample_writer.Truth) -> None:
    planted = {(r["site"], r["table"], r["row"]) for r in truth.planted("unreadable")}
    for site in truth.sites:
        for table in site.files:
            good, bad = _read(truth, site, table)
            assert len(good) + len(bad) == site.rows[table], (site.site, table)
            assert len(bad) == site.unreadable.get(table, 0)
            assert {(site.site, table, line) for line in bad} <= planted
        posts = _read(truth, site, "posts")[0]
        assert Counter(int(row["PostTypeId"]) for row in posts) == site.posts
        assert len({row["Id"] for row in posts}) == len(posts)
    assert len({r["reason"] for r in truth.planted("unreadable")}) == 6


def test_truth_can_be_loaded(truth: sample_writer.Truth) -> None:
    assert sample_writer.load(truth.folder) == truth


def test_attributes_are_the_publishers_and_in_one_order(rows: dict[tuple[str, str], list[Row]]) -> None:
    for (site, table), found in rows.items():
        known = {attribute.xml for attribute in DUMP[table]} | {"Mood", "HeatIndex"}
        before: set[tuple[str, str]] = set()
        for row in found:
            assert row.keys() <= known, (site, table)
            before.update(itertools.combinations(row, 2))
        assert not {(b, a) for a, b in before} & before, (site, table)


def test_every_form_has_every_plant(truth: sample_writer.Truth) -> None:
    common = {"exact_duplicate", "near_duplicate", "copied_code", "contamination", "secret", "harmless", "obsolete"}
    common |= {"closing", "edit", "quality", "story", "notice", "language", "odd"}
    faulty = {"unreadable", "illegal_reference", "unknown_attribute", "orphan", "other_type"}
    found: dict[str, set[str]] = {site.site: set() for site in truth.sites}
    forms: dict[str, set[str]] = {site.site: set() for site in truth.sites}
    for record in truth.planted():
        found[record["site"]].add(record["plant"])
        if record["plant"] == "secret":
            forms[record["site"]].add(record["form"])
    for form in sample_writer.FORMS.values():
        if form.plant_every <= 3:
            assert common | (faulty if form.faults else set()) <= found[form.site], form.site
            assert len(forms[form.site]) == 18, form.site
    assert all("cross_site_duplicate" in found[site.site] for site in truth.sites[1:5])


def test_twins_are_what_the_truth_says(truth: sample_writer.Truth, rows: dict[tuple[str, str], list[Row]]) -> None:
    posts = _posts(rows)
    seen = Counter[bool]()
    for record in truth.planted("near_duplicate"):
        twin, base = _text(posts[record["site"], record["post_id"]]), _text(posts[_of(record)])
        assert sample_writer.jaccard(twin, base) == pytest.approx(record["jaccard"], abs=1e-6)
        assert record["above"] == (record["jaccard"] > 0.8) and 0.6 < record["jaccard"] < 1
        seen[record["above"]] += 1
    assert min(seen[True], seen[False]) >= 10
    for record in [*truth.planted("exact_duplicate"), *truth.planted("cross_site_duplicate")]:
        assert _text(posts[record["site"], record["post_id"]]).split() == _text(posts[_of(record)]).split()
    for record in truth.planted("copied_code"):
        for post in (posts[record["site"], record["post_id"]], posts[_of(record)]):
            code = [block.get_text() for block in BeautifulSoup(post["Body"], "lxml").select("pre code")]
            assert record["code"].replace("\t", " ") + "\n" in code  # XML reads a raw tab as a blank
        assert (
            sample_writer.jaccard(*(_text(p).split("\n")[0] for p in (post, posts[record["site"], record["post_id"]])))
            < 0.5
        )


def test_unplanted_posts_have_no_twin_and_a_rich_vocabulary(
    truth: sample_writer.Truth, rows: dict[tuple[str, str], list[Row]]
) -> None:
    planted = {
        (r["site"], r.get("post_id"))
        for r in truth.planted()
        if r["plant"] not in ("edit", "quality", "closing", "unreadable")
    }
    planted |= {_of(record) for record in truth.planted() if "of" in record}
    texts = {
        key: _text(row)
        for key, row in _posts(rows).items()
        if key not in planted and row["PostTypeId"] in "12" and "Body" in row
    }
    shingles = {key: sample_writer.shingles(text) for key, text in list(texts.items())[:1600]}
    where: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for key, found in shingles.items():
        for shingle in found:
            where.setdefault(shingle, []).append(key)
    pairs = {pair for keys in where.values() if len(keys) < 20 for pair in itertools.combinations(keys, 2)}
    common = max(len(shingles[a] & shingles[b]) / len(shingles[a] | shingles[b]) for a, b in pairs)
    assert len(shingles) > 1500 and common < 0.4

    words = re.findall(r"[a-z']+", " ".join(list(texts.values())[:300]).lower())
    top = Counter(words).most_common(20)
    assert 0.05 < len(set(words)) / len(words) < 0.5
    assert {"the", "is", "to"} <= {word for word, _ in top} and top[0][1] / len(words) < 0.15
    assert len({len(text) // 200 for text in texts.values()}) > 8


def test_secrets_and_look_alikes_are_where_the_truth_says(
    truth: sample_writer.Truth, rows: dict[tuple[str, str], list[Row]]
) -> None:
    posts = _posts(rows)
    comments = {(site, int(r["Id"])): r for (site, t), found in rows.items() if t == "comments" for r in found}
    for record in [*truth.planted("secret"), *truth.planted("harmless"), *truth.planted("obsolete")]:
        if "comment_id" in record:
            comment = comments[record["site"], record["comment_id"]]
            assert record.get("value", record.get("text")) in comment["Text"].replace("\r", "")
            assert int(comment["PostId"]) == record["post_id"]
        elif "value" in record:
            assert record["value"] in _text(posts[record["site"], record["post_id"]])
    values = [record["value"] for record in truth.planted("secret") if record["form"] != "mention"]
    assert len(set(values)) > 0.9 * len(values)


def test_history_and_closings_agree_with_posts(
    truth: sample_writer.Truth, rows: dict[tuple[str, str], list[Row]]
) -> None:
    posts = _posts(rows)
    reasons: dict[str, set[int]] = {"old": set(), "new": set(), "area51": set()}
    for site in truth.sites:
        history = {int(row["Id"]): row for row in rows[site.site, "history"]}
        records = [r for r in truth.planted("closing") if r["site"] == site.site]
        last = {r["post_id"]: r["reopened"] for r in records}
        for record in records:
            row = history[record["history_id"]]
            assert row["PostHistoryTypeId"] == "10" and int(row["PostId"]) == record["post_id"]
            assert row["CloseReasonId" if record["era"] == "area51" else "Comment"] == str(record["reason"])
            assert row["Text"][0] == ("[" if record["era"] == "area51" else "{")
            reasons[record["era"]].add(record["reason"])
            assert ("ClosedDate" in posts[site.site, record["post_id"]]) != last[record["post_id"]]
        edited = {r["post_id"] for r in truth.planted("edit") if r["site"] == site.site}
        for record in truth.planted("quality"):
            if record["site"] == site.site:
                score, by_edit = int(posts[site.site, record["post_id"]]["Score"]), record["post_id"] in edited
                if record["label"] == "HQ":
                    assert score >= 30 and not by_edit
                elif record["label"] == "LQ_EDIT":
                    assert score < 0 and by_edit and "ClosedDate" not in posts[site.site, record["post_id"]]
                else:
                    assert not by_edit and "ClosedDate" in posts[site.site, record["post_id"]]
        first = {int(r["PostId"]) for r in history.values() if r["PostHistoryTypeId"] == "2"}
        asked = {int(r["Id"]) for r in rows[site.site, "posts"] if r["PostTypeId"] in "12" and "Body" in r}
        assert asked - first == ({1_000_000_001, 1_000_000_010} if site.site == sample_writer.PIPES.site else set())
    assert reasons["new"] == {101, 102, 103, 104, 105} and {1, 2, 3, 4, 7} <= reasons["old"] | reasons["area51"]


def test_drift_is_in_the_bytes(truth: sample_writer.Truth) -> None:
    names = {site.site: site.files for site in truth.sites}

    def read(form: sample_writer.SiteForm, table: str) -> bytes:
        return (truth.folder / form.site / names[form.site][table]).read_bytes()

    assert read(sample_writer.MODERN, "posts").startswith(
        b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\r\n<posts>\r\n'
    )
    assert b"&lt;python&gt;" in read(sample_writer.MODERN, "posts") and b"\r\n  <row " in read(
        sample_writer.MODERN, "votes"
    )
    spring = read(sample_writer.SPRING2024, "posts")
    assert (
        spring.startswith("\ufeff<?xml".encode("utf-16-le"))
        and read(sample_writer.SPRING2024, "votes")[:3] == b"\xef\xbb\xbf"
    )
    assert b"ContentLicense" not in read(sample_writer.SPRING2024, "comments")
    assert "ContentLicense".encode("utf-16-le") in spring
    area51 = read(sample_writer.AREA51, "history")
    assert (
        names[sample_writer.AREA51.site]["history"] == "posthistory.xml"
        and "tags" not in names[sample_writer.AREA51.site]
    )
    assert b'CloseReasonId="' in area51 and b"[{&quot;Id&quot;" in area51 and b"ContentLicense" not in area51
    assert re.search(rb'CreationDate="\d{4}-\d\d-\d\d" />\n', read(sample_writer.AREA51, "votes"))
    deleted = read(sample_writer.DELETED, "posts")
    assert names[sample_writer.DELETED.site]["posts"] == "PostsWithDeleted.xml" and b"<postswithdeleted>\n" in deleted
    assert re.search(rb'DeletionDate="[^"]+" Score="-?\d+" />', deleted)
    pipes = read(sample_writer.PIPES, "posts")
    assert pipes.startswith(b"<?xml") and pipes.index(b"-->\n<posts>") > pipes.index(b"<!--\n") and b"\r" not in pipes
    assert b'Tags="|' in pipes and b'<row Id="1000000001"' in pipes and b'<row Id="1000000010"' in pipes
    for form in (sample_writer.MODERN, sample_writer.AREA51, sample_writer.DELETED, sample_writer.PIPES):
        posts = read(form, "posts")
        for mark in (b"&#x00;", b"&#x1F;", b"&#x9;", b"\t", b' Mood="sunny"', b'OwnerUserId="-1"', b'Body=""'):
            assert mark in posts, (form.site, mark)
        for text in ("\U0001f4c1", "e\u0301", "[\u05d0-\u05ea]{3}", "[\u0621-\u064a]{3}"):
            assert re.search(text, posts.decode()), (form.site, text)
    licences = re.findall(rb'ContentLicense="([^"]+)"', read(sample_writer.PIPES, "posts"))
    assert set(licences) == {b"CC BY-SA 2.5", b"CC BY-SA 3.0", b"CC BY-SA 4.0"}


def test_orphans_have_no_post(truth: sample_writer.Truth, rows: dict[tuple[str, str], list[Row]]) -> None:
    posts = _posts(rows)
    for record in truth.planted("orphan"):
        absent = record["parent"] if record["table"] == "posts" else record["post_id"]
        assert (record["site"], absent) not in posts


def test_benchmark_examples_are_in_posts(truth: sample_writer.Truth, rows: dict[tuple[str, str], list[Row]]) -> None:
    with truth.benchmark.open(encoding="utf-8", newline="") as lines:
        examples = list(csv.DictReader(lines))
    posts = _posts(rows)
    for record in truth.planted("contamination"):
        text = _text(posts[record["site"], record["post_id"]])
        body = examples[record["example"]]["Body"]
        assert (body if record["share"] == 1 else body[: len(body) // 3]) in text


@pytest.mark.parametrize("codec", ["bzip2", "lzma2"])
def test_pack(truth: sample_writer.Truth, tmp_path: Path, codec: str) -> None:
    folder = truth.folder / sample_writer.AREA51.site
    sample_writer.pack(folder, tmp_path / "site.7z", codec)
    with py7zr.SevenZipFile(tmp_path / "site.7z") as archive:
        assert archive.archiveinfo().method_names[0].lower() == codec
        archive.extractall(tmp_path / "out")
    assert _digests(tmp_path / "out") == _digests(folder)


def test_wrong_use_is_refused(tmp_path: Path, truth: sample_writer.Truth) -> None:
    with pytest.raises(InputError, match="not both"):
        sample_writer.write(tmp_path / "x", threads=5, size_mb=5)
    with pytest.raises(InputError, match="at least one thread"):
        sample_writer.write(tmp_path / "x", threads=1)
    with pytest.raises(InputError, match="different names"):
        sample_writer.write(
            tmp_path / "x",
            sites=(sample_writer.PLAIN, dataclasses.replace(sample_writer.MODERN, site=sample_writer.PLAIN.site)),
        )
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="no sample"):
        sample_writer.write(tmp_path / "other")
    with pytest.raises(InputError, match="no sample"):
        sample_writer.load(tmp_path)
    with pytest.raises(InputError, match="lzma2"):
        sample_writer.pack(truth.folder / sample_writer.PLAIN.site, tmp_path / "a.7z", "zip")
    with pytest.raises(InputError, match="no XML file"):
        sample_writer.pack(tmp_path, tmp_path / "a.7z")


@pytest.mark.parametrize("earlier", [False, True])
def test_one_that_is_stopped_leaves_nothing_that_a_build_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: bool
) -> None:
    folder = tmp_path / "sample"
    if earlier:
        sample_writer.write(folder, threads=6)
        (folder / "mine.txt").write_text("stays")
    before = _digests(tmp_path)
    closing = Tables.__exit__

    def stopped(tables: Tables, *error: Any) -> None:
        closing(tables, *error)
        if tables.form is sample_writer.AREA51:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Tables, "__exit__", stopped)
        with pytest.raises(KeyboardInterrupt):
            sample_writer.write(folder, threads=60, seed=2)
    assert _digests(tmp_path) == before
    assert folder.exists() == earlier
    truth = sample_writer.write(folder, threads=60, seed=2)
    assert sample_writer.load(folder) == truth
    assert {site.name for site in sources.discover([str(folder)])} == {site.site for site in truth.sites}
    assert (folder / "mine.txt").is_file() == earlier and not list(tmp_path.rglob("*.partial"))


def test_one_that_was_killed_is_not_seen_and_goes(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    sample_writer.write(folder, threads=6)
    whole = _digests(folder)
    left = sample_writer.write(tmp_path / "other", threads=12).folder.rename(folder / ".partial")
    assert len(sources.discover([str(folder)])) == len(sample_writer.DEMO)
    sample_writer.write(folder, threads=6)
    assert not left.exists() and _digests(folder) == whole


def test_form_of_rows_is_that_of_real_dumps(real_data: Path, rows: dict[tuple[str, str], list[Row]]) -> None:
    """Attributes of a sample's rows stand in the order in which a real dump of the same years has them."""
    folder = next(path for path in sorted((real_data / "dumps").iterdir()) if (path / "PostLinks.xml").exists())
    for table, stem in (("posts", "Posts"), ("comments", "Comments"), ("history", "PostHistory"), ("votes", "Votes")):
        real: set[tuple[str, str]] = set()
        for _, element in etree.iterparse(str(folder / f"{stem}.xml"), tag="row"):
            real.update(itertools.combinations(element.attrib, 2))
            element.clear()
        made = {pair for row in rows[sample_writer.MODERN.site, table] for pair in itertools.combinations(row, 2)}
        assert not {(b, a) for a, b in real} & made, table


@pytest.mark.slow
def test_a_large_sample_is_one_that_a_build_accepts(tmp_path: Path) -> None:
    """Users are few: 1% of them were unreadable in samples of a hundred megabytes."""
    [site] = sample_writer.write(tmp_path, size_mb=24, sites=(sample_writer.MODERN,)).sites
    assert sum(site.unreadable.values()) > 100
    assert site.unreadable["users"] < gate.FEW
    for table, count in site.unreadable.items():
        assert count < 0.008 * site.rows[table] or count < gate.FEW, table
