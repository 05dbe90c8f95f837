"""A look at the first rows of a dump, before anything is built."""

from pathlib import Path

import py7zr
import pytest

from socorpus.corpus.dump import preview, sources

DATE = 'CreationDate="2020-01-01T00:00:00.000"'
POSTS = [f'<row Id="{i}" PostTypeId="1" {DATE} Body="b{i}" Title=""/>' for i in range(1, 3000)]
COMMENTS = [f'<row Id="{i}" PostId="1" {DATE} Body="a"/>' for i in range(1, 3000)]


def put(site: Path, name: str, rows: list[str]) -> None:
    site.mkdir(exist_ok=True)
    (site / f"{name}.xml").write_text("\n".join([f"<{name.lower()}>", *rows, f"</{name.lower()}>"]), "utf-8")


def look(*given: Path, accepted: float = 0.01) -> preview.Preview:
    return preview.preview(sources.discover([str(path) for path in given]), accepted)


def test_first_rows_are_shown_and_what_the_gate_would_refuse_is_said(tmp_path: Path) -> None:
    site = tmp_path / "x.com"
    put(site, "Posts", POSTS)
    put(site, "Comments", COMMENTS)
    put(site, "Users", [])
    posts, comments, users = look(site).tables
    assert [row["post_id"] for row in posts.rows] == [1, 2]
    assert posts.rows[0]["body"] == "b1" and "site" not in posts.rows[0] and "parent_id" not in posts.rows[0]
    assert preview.ROWS <= posts.looked_at < 2999 and not posts.warnings
    assert (comments.rows, users.rows, users.looked_at) == ((), (), 0)
    (warning,) = comments.warnings
    assert "a build stops at this share" in warning and "the attribute Text is missing" in warning
    assert users.warnings == ("x.com, table users: has no rows",)
    (accepted,) = look(site, accepted=1.0).tables[1].warnings
    assert "stops" not in accepted and "the attribute Text is missing" in accepted


def test_text_that_is_not_utf8_is_said(tmp_path: Path) -> None:
    put(tmp_path / "x.com", "Posts", POSTS)
    rows = [row.replace("b1", "caf\u00e9 ") for row in POSTS]
    (tmp_path / "x.com/Posts.xml").write_text("\n".join(["<posts>", *rows, "</posts>"]), "cp1252")
    (warning,) = look(tmp_path).warnings
    assert "a build stops at this share" in warning and "rows had bytes that are not UTF-8, now U+FFFD" in warning
    (accepted,) = look(tmp_path, accepted=1.0).warnings
    assert "stops" not in accepted and "not UTF-8" in accepted


def test_what_is_wrong_with_a_site_or_a_file_is_said(tmp_path: Path) -> None:
    put(tmp_path / "a.com", "Comments", COMMENTS[:3])
    put(tmp_path / "b.com", "Posts", POSTS[:3])
    assert "none of the first posts" not in " ".join(look(tmp_path).warnings)
    put(tmp_path / "b.com", "stray", POSTS[:3])
    (tmp_path / "b.com/stray.xml").write_text("<posts>\n<row Id='1'/></posts>", "utf-8")
    (tmp_path / "c.com").mkdir()
    (tmp_path / "c.com/Posts.xml").write_text("<posts>\n" + POSTS[0] + "\n<row Id=", "utf-8")
    warnings = look(tmp_path).warnings
    for said in ("stray.xml is left out", "a.com has no table of posts", "the file is truncated", "Text is missing"):
        assert any(said in warning for warning in warnings), said
    put(tmp_path / "d.com", "Posts", COMMENTS[:5])
    assert look(tmp_path / "d.com").warnings[0] == "none of the first posts can be read: without any post a build stops"


@pytest.mark.parametrize("reach", [0, 1 << 20])
def test_of_an_archive_what_lies_deep_is_not_decoded(
    tmp_path: Path, reach: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "REACH", reach)
    put(tmp_path / "x", "Comments", COMMENTS[:9])
    put(tmp_path / "x", "Posts", POSTS[:9])
    with py7zr.SevenZipFile(tmp_path / "x.com.7z", "w") as packed:
        packed.write(tmp_path / "x/Comments.xml", "Comments.xml")
        packed.write(tmp_path / "x/Posts.xml", "Posts.xml")
    posts, comments = look(tmp_path / "x.com.7z").tables
    assert comments.looked_at == 9
    assert (posts.looked_at, len(posts.rows)) == ((9, 2) if reach else (0, 0))
