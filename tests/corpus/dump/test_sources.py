"""SOURCE arguments to sites: the real dumps in every arrangement, names, releases, and what is refused."""

import bz2
import contextlib
import gzip
import os
import re
import shutil
from pathlib import Path
from unicodedata import category, normalize

import fsspec
import py7zr
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from socorpus.corpus import schema
from socorpus.corpus.dump import site_names
from socorpus.corpus.dump.sources import Site, discover
from socorpus.corpus.errors import InputError

ALL = tuple(schema.DUMP)
POSTS = b'<?xml version="1.0" encoding="utf-8"?>\r\n<posts>\r\n  <row Id="1" PostTypeId="1" />\r\n</posts>'


def put(path: Path, data: bytes = POSTS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def pack(path: Path, *names: str) -> Path:
    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_BZIP2}]) as made:
        for name in names:
            made.writestr(POSTS, name.replace("..", "@@"))
        for one in made.header.files_info.files:
            one["filename"] = one["filename"].replace("@@", "..")
    return path


def only(*given_sources: Path | str, site: str | None = None) -> Site:
    (found,) = discover([str(source) for source in given_sources], site)
    return found


def tables(site: Site) -> tuple[str, ...]:
    return tuple(table.table for table in site.tables)


def test_all_real_data(real_data: Path) -> None:
    found = {site.name: site for site in discover([str(real_data / "archives"), str(real_data / "dumps")])}
    assert list(found) == sorted(found)
    assert {name: (site.base, site.released) for name, site in found.items()} == {
        "ai.stackexchange.com": ("ai.stackexchange.com", None),
        "alcohol.meta.stackexchange.com": ("alcohol.meta.stackexchange.com", "2022-05"),
        "beer.meta.stackexchange.com": ("beer.meta.stackexchange.com", "2014-03"),
        "beer.stackexchange.com": ("beer.stackexchange.com", None),
        "beer.stackexchange.com-2014-05": ("beer.stackexchange.com", "2014-05"),
        "bicycles.meta.stackexchange.com": ("bicycles.meta.stackexchange.com", "2023-08"),
        "cardano.stackexchange.com": ("cardano.stackexchange.com", "2021-12"),
        "coffee.meta.stackexchange.com": ("coffee.meta.stackexchange.com", "2020-07"),
        "conlang.meta.stackexchange.com": ("conlang.meta.stackexchange.com", "2020-08"),
        "economics.meta.stackexchange.com": ("economics.meta.stackexchange.com", "2012"),
        "economics.stackexchange.com": ("economics.stackexchange.com", "2012"),
        "gadgets.stackexchange.com": ("gadgets.stackexchange.com", "2010"),
        "startups.meta.stackexchange.com": ("startups.meta.stackexchange.com", "2017"),
        "startups.stackexchange.com": ("startups.stackexchange.com", "2017"),
    }
    assert tables(found["ai.stackexchange.com"]) == ALL
    assert tables(found["cardano.stackexchange.com"]) == tuple(name for name in ALL if name != "history")
    assert tables(found["economics.stackexchange.com"]) == ("posts", "comments", "history", "votes", "users", "badges")
    assert tables(found["startups.stackexchange.com"]) == ("comments", "votes", "badges")
    posts = found["startups.meta.stackexchange.com"].tables[0]
    assert (posts.table, posts.member.name) == ("posts", "PostsWithDeleted.xml")
    assert (
        sum(len(site.tables) for site in found.values()) == sum(1 for path in (real_data / "dumps").rglob("*.xml")) + 16
    )


def test_a_source_alone_is_named_as_among_others(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    economics = real_data / "dumps" / "economics.stackexchange.com-2012"
    main, meta = "economics.stackexchange.com", "economics.meta.stackexchange.com"
    assert [site.name for site in discover([str(economics)])] == [meta, main]
    for source, name, count in (
        (economics / "main", main, 6),
        (economics / "meta", meta, 6),
        (economics / "meta" / "posts.xml", meta, 1),
        (economics / "main" / ".." / "meta", meta, 6),
    ):
        site = only(source)
        assert (site.name, site.base, site.host) == (name, name, name)
        assert (site.released, len(site.tables)) == ("2012", count)
    monkeypatch.chdir(economics / "meta")
    for source in ("posts.xml", ".", "../meta", "./posts.xml"):
        assert (only(source).name, only(source).released) == (meta, "2012")


@pytest.mark.parametrize(
    ("path", "name", "known", "released"),
    [
        ("beer.stackexchange.com-2014-05/Posts.xml", "beer.stackexchange.com", True, "2014-05"),
        ("beer.stackexchange.com-2014-05-12/data/Posts.xml", "beer.stackexchange.com", True, "2014-05-12"),
        ("beer.stackexchange.com_20240402/Posts.xml", "beer.stackexchange.com", True, "2024-04-02"),
        ("beer.stackexchange.com/2024-04/posts.XML", "beer.stackexchange.com", True, "2024-04"),
        ("startups/data/meta/PostsWithDeleted.xml", "startups.meta", False, None),
        ("stackoverflow.com/meta/Posts.xml", "meta.stackoverflow.com", True, None),
        ("es.stackoverflow.com/meta/Posts.xml", "es.meta.stackoverflow.com", True, None),
        ("mathoverflow.net/Posts.xml", "mathoverflow.net", True, None),
        ("area51/Posts.xml", "area51", False, None),
        ("route-6699/Posts.xml", "route-6699", False, None),
        ("cooking/Posts.xml", "cooking", False, None),
        ("qa.company.com/Posts.xml", "qa.company.com", False, None),
        ("bicycles.meta.stackexchange.com/Meta/Posts.xml", "bicycles.meta.stackexchange.com", True, None),
        ("092011 Super User/Posts.xml", "092011-Super-User", False, None),
        ("..hidden..x/Posts.xml", "hidden..x", False, None),
        ("Käse & Brot/Posts.xml", "Käse-Brot", False, None),
        ("Ka\u0308se/Posts.xml", "Käse", False, None),
        ("é.example.com-2020/Posts.xml", "é.example.com", False, "2020"),
        ("日本/Posts.xml", "日本", False, None),
        ("हिन्दी/Posts.xml", "हिन्दी", False, None),
    ],
)
def test_names(tmp_path: Path, path: str, name: str, known: bool, released: str | None) -> None:
    put(tmp_path / path)
    first = tmp_path / Path(path).parts[0]
    for source in (first, tmp_path / path):
        if released is None or source is first or "data" not in path:
            site = only(source)
            assert (site.name, site.base, tables(site)) == (name, name, ("posts",))
            assert site.host == (name if known else None)
            assert site.released == released


def test_dates_above_the_source_are_no_release(tmp_path: Path) -> None:
    put(tmp_path / "talks-2020" / "beer.stackexchange.com" / "Posts.xml")
    assert only(tmp_path / "talks-2020" / "beer.stackexchange.com").released is None
    assert only(tmp_path / "talks-2020").released == "2020"


@given(st.text(max_size=30))
def test_any_name_is_safe_as_a_folder(text: str) -> None:
    cleaned = site_names.of_folder(text)
    assert all(category(letter)[0] in "LMN" or letter in "._-" for letter in cleaned)
    assert not cleaned or cleaned[0].isalnum()
    assert site_names.of_folder(cleaned) == cleaned


@given(st.text(max_size=30))
def test_a_name_that_is_given_is_taken_as_it_is_or_refused(text: str) -> None:
    with contextlib.suppress(InputError):
        assert site_names.given(text) == normalize("NFC", text)


def test_folders_whose_names_would_become_one_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "a b" / "Posts.xml")
    put(tmp_path / "a-b" / "Comments.xml", b"<comments></comments>")
    for site in (None, "c"):
        with pytest.raises(InputError, match=r"'a b' and 'a-b' would both be the site a-b; rename one"):
            discover([str(tmp_path)], site)
    assert [only(tmp_path / name).name for name in ("a b", "a-b")] == ["a-b", "a-b"]


@pytest.mark.parametrize(
    "pair", [("x.com", "X.com"), ("x.com", "x.com-2019", "x.com-2019-2021"), ("data/!!!", "data/???")]
)
def test_no_two_sites_have_one_name(tmp_path: Path, pair: tuple[str, ...]) -> None:
    for name in pair:
        put(tmp_path / "dumps" / name / "Posts.xml")
    with pytest.raises(InputError, match=r"are two sites of one name|would both be the site"):
        discover([str(tmp_path / "dumps")])


def test_archives_by_table(tmp_path: Path) -> None:
    for table in ("Posts", "Comments", "PostHistory", "Users"):
        pack(tmp_path / f"stackoverflow.com-{table}.7z", f"{table}.xml")
    site = only(tmp_path)
    assert (site.name, site.base, tables(site)) == (
        *["stackoverflow.com"] * 2,
        ("posts", "comments", "history", "users"),
    )
    assert only(tmp_path / "stackoverflow.com-Posts.7z", tmp_path / "stackoverflow.com-Users.7z").name == site.name
    whole = (tmp_path / "stackoverflow.com-Posts.7z").read_bytes()
    for number, part in enumerate((whole[:90], whole[90:]), 1):
        put(tmp_path / "parts" / f"stackoverflow.com-Posts.7z.{number:03}", part)
    assert tables(only(tmp_path / "parts")) == ("posts",)
    assert only(tmp_path / "parts" / "stackoverflow.com-Posts.7z.001").name == "stackoverflow.com"
    with pytest.raises(InputError, match="first"):
        only(tmp_path / "parts" / "stackoverflow.com-Posts.7z.002")


def test_names_inside_archives_only_tell_the_table(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.com.7z", "../../etc/Posts.xml", "main/Users.xml", "meta/Posts.xml", "readme.txt")
    main, meta = sorted(discover([str(path)]), key=lambda site: len(site.name))
    assert (main.name, tables(main)) == ("x.com", ("posts", "users"))
    assert (meta.name, tables(meta)) == ("meta.x.com", ("posts",))
    assert tables(only(pack(tmp_path / "y.com.7z", "a/questions.xml", "b.txt"))) == ("posts",)


def test_compressed_tables(tmp_path: Path) -> None:
    put(tmp_path / "x.com" / "Posts.xml.gz", gzip.compress(POSTS))
    put(tmp_path / "x.com" / "comments.xml.bz2", bz2.compress(b"<comments />"))
    put(tmp_path / "x.com" / "Votes.XML.ZST", zstandard.ZstdCompressor().compress(b"<votes />"))
    put(tmp_path / "x.com" / "everyone.xml.gz", gzip.compress(b"<users>\n <row Id='1'/></users>"))
    assert tables(only(tmp_path / "x.com")) == ("posts", "comments", "votes", "users")
    assert only(tmp_path / "x.com" / "Posts.xml.gz").name == "x.com"


@pytest.mark.parametrize(
    ("head", "table"),
    [
        (POSTS, "posts"),
        (b"\xef\xbb\xbf" + POSTS, "posts"),
        (POSTS.decode().encode("utf-16"), "posts"),
        (POSTS.decode().encode("utf-16-le"), "posts"),
        (b'<?xml version="1.0"?>\n<!-- terms\n of <use> -->\n<posthistory>\n<row Id="1"/>', "history"),
        (b"<postswithdeleted></postswithdeleted>", "posts"),
        (b"<tags />", "tags"),
        (b"<posts><post id='1'/></posts>", None),
        (b"<html><body>posts</body></html>", None),
        (b"\x89PNG\r\n", None),
        (b"", None),
    ],
)
def test_unknown_names_are_known_by_their_root(tmp_path: Path, head: bytes, table: str | None) -> None:
    path = put(tmp_path / "x.com" / "export-of-today.xml", head)
    if table is None:
        with pytest.raises(InputError, match="not a table of a Stack Exchange dump"):
            only(path)
        with pytest.raises(InputError, match="no tables of a Stack Exchange dump in"):
            only(path.parent)
        put(path.parent / "Tags.xml", b"<tags />")
        assert tables(only(path.parent)) == ("tags",)
    else:
        assert tables(only(path)) == tables(only(path.parent)) == (table,)


def test_what_lies_beside_the_tables_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "x.com"
    put(folder / "Posts.xml")
    for name in ("readme.txt", "license.txt", "LICENSE", "Posts.json", "sitemap.xml", "broken.xml.gz", "._Posts.xml"):
        put(folder / name, b"something else")
    put(folder / "__MACOSX" / "Users.xml")
    put(folder / ".git" / "Comments.xml")
    pack(folder / "other.7z", "notes.txt")
    assert tables(only(folder)) == ("posts",)


def test_links_that_loop_or_meet(tmp_path: Path) -> None:
    folder = tmp_path / "x.com"
    put(folder / "Posts.xml")
    (folder / "again").symlink_to(folder)
    (folder / "itself").symlink_to(folder / "itself")
    (folder / "gone.xml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "y.com").symlink_to(folder)
    assert tables(only(folder)) == ("posts",)
    assert only(tmp_path / "y.com").name == "y.com"
    assert len(only(folder, folder, folder / "Posts.xml").tables) == 1


def test_releases(tmp_path: Path) -> None:
    for name in ("x.com-2014-05", "x.com-2020", "x.com-2019-12"):
        put(tmp_path / name / "Posts.xml")
    found = discover([str(tmp_path)])
    assert [(site.name, site.base, site.released) for site in found] == [
        ("x.com", "x.com", "2020"),
        ("x.com-2014-05", "x.com", "2014-05"),
        ("x.com-2019-12", "x.com", "2019-12"),
    ]
    put(tmp_path / "x.com" / "Posts.xml")
    assert [site.name for site in discover([str(tmp_path)])] == [
        "x.com", "x.com-2014-05", "x.com-2019-12", "x.com-2020"
    ]  # fmt: skip
    assert discover([str(tmp_path)])[0].released is None


def test_the_same_table_twice(tmp_path: Path) -> None:
    put(tmp_path / "x.com" / "Posts.xml")
    pack(tmp_path / "x.com.7z", "Posts.xml")
    both = rf"posts.*{re.escape(str(tmp_path / 'x.com' / 'Posts.xml'))}.*x\.com\.7z \(Posts\.xml\).*only one"
    with pytest.raises(InputError, match=both):
        discover([str(tmp_path)])


def test_site_overrides_the_name(real_data: Path, tmp_path: Path) -> None:
    beer = real_data / "archives" / "beer.stackexchange.com.7z"
    site = only(beer, site="pub.example.org")
    assert (site.name, site.base, len(site.tables)) == ("pub.example.org", "pub.example.org", 8)
    for name in ("日本", "é.example.com", "a b", "a-b", "Q&A", "C++", "東京.example.jp", "हिन्दी", "x" * 200, "é" * 100):
        assert only(beer, site=name).name == name
    assert only(beer, site="Cafe\u0301").name == "Café"
    for name, why in (
        ("..", "begin with a letter"),
        ("../pub", "has '/'"),
        ("a/b", "has '/'"),
        ("a:b", "has ':'"),
        ("a\x1b[2J", r"U\+001B"),
        ("a\u202eb", r"U\+202E"),
        ("", "is empty"),
        ("_a", "begin with a letter"),
        ("a.", "end in no"),
        ("x" * 240, "240 bytes in UTF-8"),
        ("日" * 80, "240 bytes in UTF-8"),
    ):
        with pytest.raises(InputError, match=f"--site .*{why}"):
            only(beer, site=name)
    economics = str(real_data / "dumps" / "economics.stackexchange.com-2012")
    assert [one.name for one in discover([economics], "e.stackexchange.com")] == [
        "e.meta.stackexchange.com", "e.stackexchange.com"
    ]  # fmt: skip
    assert only(f"{economics}/meta", site="e.meta.stackexchange.com").name == "e.meta.stackexchange.com"
    with pytest.raises(InputError, match=r"holds? 2: .*ai\.stackexchange\.com, beer\.stackexchange\.com"):
        discover([str(real_data / "archives")], "one")
    with pytest.raises(InputError, match=r"2: beer\.stackexchange\.com, beer\.stackexchange\.com-2014-05"):
        discover([str(beer), str(real_data / "dumps" / "beer.stackexchange.com-2014-05")], "one")


def test_fsspec_addresses(real_data: Path) -> None:
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe_file(
        "/dumps/beer.stackexchange.com.7z", (real_data / "archives/beer.stackexchange.com.7z").read_bytes()
    )
    for path in sorted((real_data / "dumps" / "economics.stackexchange.com-2012").rglob("*.xml")):
        inner = path.relative_to(real_data / "dumps").as_posix()
        filesystem.pipe_file(f"/dumps/{inner}", path.read_bytes())
    for address in ("memory://dumps", "memory://dumps/"):
        found = discover([address])
        assert [(site.name, site.released, len(site.tables)) for site in found] == [
            ("beer.stackexchange.com", None, 8),
            ("economics.meta.stackexchange.com", "2012", 6),
            ("economics.stackexchange.com", "2012", 6),
        ]
    assert found[2].tables[0].member.address == "memory://dumps/economics.stackexchange.com-2012/main/posts.xml"
    assert only("memory://dumps/economics.stackexchange.com-2012/main/posts.xml").name == "economics.stackexchange.com"
    assert only("memory://dumps/beer.stackexchange.com.7z").name == "beer.stackexchange.com"
    economics = real_data / "dumps" / "economics.stackexchange.com-2012"
    assert discover([economics.resolve().as_uri()]) == discover([str(economics.resolve())])


def test_what_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    put(tmp_path / "notes.txt", b"hello")
    put(tmp_path / "broken" / "x.com.7z", b"7z\xbc\xaf\x27\x1c")
    pack(tmp_path / "notes.7z", "notes.txt")
    for source, match in (
        (tmp_path / "empty", "no tables of a Stack Exchange dump in .*empty; expected"),
        (tmp_path / "notes.7z", "no tables of a Stack Exchange dump in .*notes.7z; expected"),
        (tmp_path / "notes.txt", "notes.txt: not a table of a Stack Exchange dump; expected"),
        (tmp_path / "absent", "absent: there is no such file or folder"),
        (tmp_path / "broken", "x.com.7z: truncated"),
        ("memory://absent", "memory://absent: there is no such file or folder"),
        ("nosuchprotocol://bucket/x", "nosuchprotocol://bucket/x: can't be reached"),
    ):
        with pytest.raises(InputError, match=match):
            discover([str(source)])
    with pytest.raises(InputError, match="no source"):
        discover([])
    shutil.rmtree(tmp_path / "empty")


@pytest.mark.parametrize("stray", ["all-users.xml", "zz.XML", "aaa.xml.gz"])
def test_a_table_s_own_name_counts_before_a_stray_file_of_the_same_root(tmp_path: Path, stray: str) -> None:
    users = b"<users>\n <row Id='1'/></users>"
    put(tmp_path / "x.com" / "Posts.xml", POSTS)
    put(tmp_path / "x.com" / "Users.xml", users)
    put(tmp_path / "x.com" / stray, gzip.compress(users) if stray.endswith("gz") else users)
    (found,) = discover([str(tmp_path)])
    assert {table.table: table.member.name for table in found.tables} == {"posts": "Posts.xml", "users": "Users.xml"}
    (warning,) = found.warnings
    assert f"{tmp_path / 'x.com' / stray} is left out" in warning and "Users.xml" in warning
    # Of two that only have the root, neither is the right one.
    (tmp_path / "x.com" / "Users.xml").rename(tmp_path / "x.com" / "people.xml")
    with pytest.raises(InputError, match="'users' is there twice"):
        discover([str(tmp_path)])


def _dangling(path: Path) -> None:
    path.symlink_to("/mnt/gone/Tags.xml")


def _annexed(path: Path) -> None:
    path.symlink_to("../.git/annex/objects/Zx/1k/SHA256E-s90--abc.xml/SHA256E-s90--abc.xml")


def _circular(path: Path) -> None:
    path.symlink_to(path.name)


def _to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _lfs(path: Path) -> None:
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n")


def _unlocked(path: Path) -> None:
    path.write_bytes(b"/annex/objects/SHA256E-s90--abc.xml\n")


STAND_INS = {
    "a dangling link": (_dangling, "a link that leads to /mnt/gone/Tags.xml, where there is no file"),
    "git-annex": (_annexed, "git annex get"),
    "a pointer of git-annex": (_unlocked, "git annex get"),
    "a pointer of Git LFS": (_lfs, "git lfs pull"),
    "a circular link": (_circular, "a link that leads in a circle"),
    "a pipe": (os.mkfifo, "a named pipe, where a file was expected"),
    "a device": (_to_a_device, "a device, where a file was expected"),
    "a folder": (Path.mkdir, "a folder"),
}


@pytest.mark.parametrize("name", ["Tags.xml", "tags.xml.gz", "b.example.org.7z"])
@pytest.mark.parametrize("stand_in", STAND_INS)
def test_what_stands_in_a_tables_place_is_named(tmp_path: Path, stand_in: str, name: str) -> None:
    """In a folder and by itself; nothing is read of it, which of a pipe or a device would never end."""
    site = tmp_path / "a.example.org"
    put(site / "Posts.xml")
    make, says = STAND_INS[stand_in]
    make(site / name)
    for source in (tmp_path, site) if stand_in == "a folder" else (tmp_path, site, site / name):
        with pytest.raises(InputError, match=re.escape(says)) as error:
            discover([str(source)])
        assert str(site / name) in str(error.value)


def test_what_is_no_table_by_its_name_may_be_anything(tmp_path: Path) -> None:
    site = tmp_path / "a.example.org"
    put(site / "Posts.xml")
    for number, (make, _) in enumerate(STAND_INS.values()):
        for name in (f"notes{number}.xml", f"notes{number}", f".Tags{number}.xml"):
            make(site / name)
    (site / "again").symlink_to("..")
    assert tables(only(tmp_path)) == ("posts",)
    (tmp_path / "b.stackexchange.com").symlink_to("/mnt/gone")
    with pytest.raises(InputError, match=r"b\.stackexchange\.com: a link that leads to /mnt/gone"):
        discover([str(tmp_path)])


def test_an_archives_name_may_be_a_folders(tmp_path: Path) -> None:
    put(tmp_path / "a.example.org.7z" / "Posts.xml")
    assert tables(only(tmp_path)) == ("posts",)


def test_a_local_name_may_have_what_joins_addresses(tmp_path: Path) -> None:
    put(tmp_path / "a::b/beer.stackexchange.com/Posts.xml")
    assert only(tmp_path / "a::b").name == only(tmp_path).name == "beer.stackexchange.com"
