"""A look at sources from samples: what they hold, what is odd, and what it costs."""

import gzip
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import socorpus.corpus as corpus
from socorpus.corpus import load_config
from socorpus.corpus.dump import inspection
from socorpus.corpus.dump.inspection import TableInspection
from tests.building import socorpus
from tests.corpus import small_site

DATE = 'CreationDate="2020-01-{:02d}T00:00:00.000"'


def post(number: int, **more: object) -> str:
    extra = "".join(f' {name}="{value}"' for name, value in more.items())
    return f'<row Id="{number}" PostTypeId="1" {DATE.format(number % 28 + 1)} Body="b{number}"{extra}/>'


def put(path: Path, rows: list[str], end: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    root = path.name.partition(".")[0].lower()
    path.write_text("\n".join([f"<{root}>", *rows, f"</{root}>" if end is None else end]), "utf-8")


def look(*given: Path, **sections: Any) -> tuple[dict[str, TableInspection], inspection.Inspection]:
    whole = corpus.inspect([str(path) for path in given], load_config(overrides=sections))
    return {f"{site.site}/{table.table}": table for site in whole.sites for table in site.tables}, whole


def test_a_small_site_is_seen_as_a_whole(tmp_path: Path) -> None:
    dump = small_site.dump(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    tables, whole = look(dump)
    posts = tables[f"{small_site.SITE}/posts"]
    assert (posts.exact, posts.sampled, posts.form) == (True, 28, "xml")
    # Of the damaged row, what stands behind its broken element is another.
    assert posts.unreadable == 2 and posts.rows == 30
    assert posts.begins is not None and posts.begins.isoformat() == "2021-03-01T10:00:00+00:00"
    assert posts.columns["body"] == 1.0 and 0 < posts.columns["title"] < 1 and posts.columns["view_count"] == 0
    assert posts.first[0]["title"] == "No fermentation" and "view_count" not in posts.first[0]
    assert any("rows that can't be read" in finding for finding in posts.findings)
    assert tables[f"{small_site.SITE}/comments"].findings == ()
    (site,) = whole.sites
    assert set(site.missing) == {"links", "users", "badges", "tags"} and site.url == f"https://{small_site.SITE}"
    assert whole.seconds > 0 and whole.disk_bytes > whole.corpus_bytes > 0 and whole.free_bytes > 0
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}  # nothing is written


def test_a_large_table_is_seen_at_several_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "PIECE", 4000)
    rows = [post(number) for number in range(1, 20_001)]
    rows[19_990] = post(19_990)
    rows[19_995] = post(1_000_000_001, OwnerUserId=-1)
    put(tmp_path / "x/Posts.xml", rows)
    with (tmp_path / "x/Comments.jsonl").open("w") as out:
        for number in range(1, 20_001):
            row = {"Id": number, "PostId": 1, "CreationDate": "2020-01-01", "Text": "t", "Mood": "fine"}
            out.write(json.dumps(row) + "\n")
    tables, whole = look(tmp_path / "x")
    posts, comments = tables["x/posts"], tables["x/comments"]
    for table in (posts, comments):
        assert not table.exact and abs(table.rows - 20_000) < 600 and 200 < table.sampled < 1000
    said = " ".join(posts.findings)
    assert "have the identifier of another" in said and "1 rows that the publisher planted" in said
    assert comments.unknown == {"Mood": comments.sampled} and "Mood" in " ".join(comments.findings)
    assert any("no address on the web is known" in finding for finding in whole.findings)


def test_what_is_odd_is_said(tmp_path: Path) -> None:
    put(tmp_path / "a.com-2019-01/Posts.xml", [post(2), post(1), post(3, CreationDate2="x")])
    put(tmp_path / "a.com-2019-01/Votes.xml", [])
    put(tmp_path / "b.com/Posts.xml", [post(1)], end="<row Id=")
    path = tmp_path / "c.com/PostsWithDeleted.xml"
    put(path, [post(1), post(2).replace("2020", "2999")])
    path.write_text(path.read_text("utf-8"), "utf-16")
    tables, whole = look(tmp_path)
    assert "do not ascend" in " ".join(tables["a.com/posts"].findings)
    assert tables["a.com/votes"].findings == ("has no rows",) and tables["a.com/votes"].exact
    assert "truncated" in " ".join(tables["b.com/posts"].findings)
    said = " ".join(tables["c.com/posts"].findings)
    assert "utf-16" in said and "deleted posts" in said and "still to come, 2999-01-03" in said
    assert any("has rows of 2020" in finding and "2019-01" in finding for finding in whole.findings)


def test_packed_tables_and_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "PIECE", 4000)
    rows = [post(number) for number in range(1, 5001)]
    put(tmp_path / "x/Posts.xml", rows)
    text = (tmp_path / "x/Posts.xml").read_bytes()
    (tmp_path / "z.com").mkdir()
    (tmp_path / "z.com/Posts.xml.gz").write_bytes(gzip.compress(text))
    with zipfile.ZipFile(tmp_path / "y.com.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("Posts.xml", text)
    (tmp_path / "p.com").mkdir()
    small_site.build(tmp_path / "corpus", tmp_path / "x")
    made = pq.read_table(next((tmp_path / "corpus/tables/posts/x").glob("*.parquet")))
    pq.write_table(made, tmp_path / "p.com/Posts.parquet", row_group_size=100)
    tables, _ = look(tmp_path / "z.com", tmp_path / "y.com.zip", tmp_path / "p.com")
    for name in ("z.com", "y.com"):
        assert not tables[f"{name}/posts"].exact and abs(tables[f"{name}/posts"].rows - 5000) < 300
    parquet = tables["p.com/posts"]
    assert (parquet.rows, parquet.exact, parquet.sampled, parquet.form) == (5000, True, 800, "parquet")
    assert parquet.unknown == {"site": 800}


def test_huge_files_take_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "x.com/Posts.xml"
    put(path, [post(number) for number in range(1, 1000)], end="")
    with path.open("ab") as out:
        out.truncate(20 << 30)  # a file of zeros but for its beginning, which takes no room on the disk
    begun = time.process_time()
    tables, _ = look(path)
    assert time.process_time() - begun < 20
    assert tables["x.com/posts"].findings


def test_the_command(tmp_path: Path) -> None:
    dump = small_site.dump(tmp_path)
    config = tmp_path / "sites.toml"
    config.write_text(f'[sites."{small_site.SITE}"]\nname = "Small Beer"\nlanguage = "en"\n', "utf-8")
    shown = socorpus("inspect", dump, "--config", config).stdout
    for said in (
        "Small Beer, https://small.stackexchange.com, en",
        "posts",
        "no table of users",
        "a build here: about",
    ):
        assert said in shown
    whole = json.loads(socorpus("inspect", dump, "--json").stdout)
    (site,) = whole["sites"]
    assert site["tables"][0]["rows"] == 30 and site["tables"][0]["begins"] == "2021-03-01T10:00:00+00:00"
    socorpus("inspect", tmp_path / "nothing", code=2)
