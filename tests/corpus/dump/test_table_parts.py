"""Tables in several files: which files are parts of one, their order, and the same corpus as of the one file."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socorpus.corpus import config
from socorpus.corpus.config import Read
from socorpus.corpus.dump import inspection, preview, sources, stage, table_parts
from socorpus.corpus.errors import InputError
from socorpus.corpus.sample import writer
from tests.building import hashes
from tests.corpus import small_site
from tests.corpus.dump.converting import NAMES, rows_of, to_csv, to_jsonl, to_parquet

FOLDERS = ("tables", "documents", "decisions", "shards", "pairs", "signals", "tokenizer")
TABLES = {stem: table for table, stem in NAMES.items()}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts") / "dump"
    writer.write(folder, threads=60, seed=3, sites=[writer.FORMS["modern"]])
    return folder / "modern.example.com"


def cut(rows: pa.Table, pieces: int) -> list[pa.Table]:
    size = -(-rows.num_rows // pieces)
    return [rows.slice(start, size) for start in range(0, rows.num_rows, size)] or [rows]


def numbered(rows: pa.Table, stem: str, folder: Path) -> None:
    """As `datasets` and the hub have it."""
    pieces = cut(rows, 3)
    for number, piece in enumerate(pieces):
        to_parquet(piece, folder / f"{stem.lower()}-{number:05d}-of-{len(pieces):05d}.parquet")


def as_spark(rows: pa.Table, stem: str, folder: Path) -> None:
    out = folder / f"{stem}.parquet"
    out.mkdir()
    (out / "_SUCCESS").write_bytes(b"")
    (out / ".part-00000.crc").write_bytes(b"crc")
    for number, piece in enumerate(cut(rows, 4)):
        to_parquet(piece, out / f"part-{number:05d}-0c1d-c000.snappy.parquet", compression="snappy")


def lines_without_zeros(rows: pa.Table, stem: str, folder: Path) -> None:
    """Twelve parts, whose names sort otherwise as text."""
    (folder / stem).mkdir()
    for number, piece in enumerate(cut(rows, 12)):
        to_jsonl(piece, folder / stem / f"{number}.jsonl")


def packed_csv(rows: pa.Table, stem: str, folder: Path) -> None:
    for number, piece in enumerate(cut(rows, 3), start=1):
        to_csv(piece, plain := folder / f"{stem}_{number}.csv")
        (folder / f"{stem}_{number}.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()


def by_value(rows: pa.Table, stem: str, folder: Path) -> None:
    """Posts by their kind, which is in no file then; other tables in folders by an unknown column."""
    out = folder / stem
    if stem != "Posts":
        for number, piece in enumerate(cut(rows, 2)):
            (out / f"shard={number}").mkdir(parents=True)
            to_parquet(piece, out / f"shard={number}/part-0.parquet")
        return
    for kind in sorted(set(rows["PostTypeId"].to_pylist())):
        (out / f"PostTypeId={kind}").mkdir(parents=True)
        some = rows.filter(pa.compute.equal(rows["PostTypeId"], kind)).drop_columns(["PostTypeId"])
        to_parquet(some, out / f"PostTypeId={kind}/part-0.parquet")


CUTS: dict[str, Callable[[pa.Table, str, Path], None]] = {
    "numbered": numbered,
    "spark": as_spark,
    "lines": lines_without_zeros,
    "csv.gz": packed_csv,
    "hive": by_value,
}


def in_parts(dump: Path, folder: Path, name: str) -> Path:
    out = folder / dump.name
    out.mkdir(parents=True)
    for path in sorted(dump.glob("*.xml")):
        CUTS[name](rows_of(path, TABLES[path.stem]), path.stem, out)
    return out


@pytest.mark.parametrize("name", ["numbered", *(pytest.param(way, marks=pytest.mark.slow) for way in list(CUTS)[1:])])
def test_a_corpus_has_the_bytes_that_it_has_from_one_file(tmp_path: Path, name: str) -> None:
    dump = small_site.dump(tmp_path / "xml")
    small_site.build(tmp_path / "a", dump)
    facts = small_site.build(tmp_path / "b", in_parts(dump, tmp_path / "other", name))
    for folder in FOLDERS:
        assert hashes(tmp_path / "a", folder) == hashes(tmp_path / "b", folder), folder
    assert list(facts["sites"]) == [small_site.SITE]


@pytest.mark.slow
def test_a_sample_in_parts_with_workers_has_the_bytes_that_it_has_from_xml(sample: Path, tmp_path: Path) -> None:
    """All tables, those of a whole site too; each cut small enough for several parts."""
    small_site.build(tmp_path / "a", sample)
    dump = in_parts(sample, tmp_path / "other", "hive")
    small_site.build_with(tmp_path / "b", config.load(overrides={}), dump, workers=2)
    for folder in FOLDERS:
        assert hashes(tmp_path / "a", folder) == hashes(tmp_path / "b", folder), folder


@pytest.mark.parametrize("name", list(CUTS))
def test_rows_come_in_the_order_of_the_one_file(sample: Path, tmp_path: Path, name: str) -> None:
    (site,) = sources.discover([str(in_parts(sample, tmp_path, name))])
    assert site.name == sample.name and not site.warnings
    for table, stem in NAMES.items():
        wanted = [stage.Wanted.of(site.name, part) for part in site.tables if part.table == table]
        assert len(wanted) > 1 or table == "tags"
        read = [some for entry in wanted for some in stage._rows_of(entry, 4096)]
        rows = pa.concat_tables([some.batch for some in read])
        xml = rows_of(sample / f"{stem}.xml", table)
        expected = [*xml.columns] if name != "hive" or table != "posts" else None
        if expected is not None:
            assert [column.to_pylist() for column in rows.columns[1:]] == [column.to_pylist() for column in expected]
        else:
            assert sorted(rows["post_id"].to_pylist()) == sorted(xml["Id"].to_pylist())
            kinds = dict(zip(xml["Id"].to_pylist(), xml["PostTypeId"].to_pylist(), strict=True))
            assert all(kinds[row["post_id"]] == row["post_type_id"] for row in rows.to_pylist())
        assert not any(some.quarantine.num_rows or some.unknown for some in read)


def items_of(folder: Path, **given: int) -> list[Any]:
    return list(stage._items(sources.discover([str(folder)]), Read(**given)))


def post(number: int, **more: Any) -> dict[str, Any]:
    row = {"Id": number, "PostTypeId": 1, "CreationDate": "2020-01-01T00:00:00", "Body": f"<p>Body {number}</p>"}
    return row | more


def lines(path: Path, *rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")


def run(items: list[Any], root: Path) -> dict[str, int]:
    root.mkdir(parents=True, exist_ok=True)
    outputs: dict[str, int] = {}
    for item in items:
        made = item.function(root, **item.arguments).outputs
        assert not outputs.keys() & made.keys()
        outputs |= {path: getattr(rows, "rows", rows) for path, rows in made.items()}
    return outputs


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv", ".jsonl.gz"])
def test_parts_are_numbered_over_small_and_large_files(tmp_path: Path, suffix: str) -> None:
    """Small files together, a large one in several parts; of files that are read from their start as many as needed."""
    large = [post(number, Body="x" * 3000) for number in range(1000, 2000)]
    wanted = 0
    for name, rows in [("1", [post(1)]), ("2", [post(2)]), ("3", large), ("4", [post(5000)]), ("5", [post(5001)])]:
        path = tmp_path / f"x.example.com/Posts/{name}{suffix}"
        lines(path, *rows)
        table = pa.Table.from_pylist(rows)
        if suffix == ".parquet":
            pq.write_table(table, path, row_group_size=100, compression="none", use_dictionary=False)
        if suffix == ".csv":
            to_csv(table, path)
        if suffix.endswith(".gz"):
            path.write_bytes(gzip.compress(path.read_bytes()))
        wanted += len(rows)
    items = items_of(tmp_path, part_mb=1)
    outputs = run(items, tmp_path / "out")
    parts = sorted(outputs)
    assert parts == [f".work/parts/x.example.com/posts-{number:05d}.arrow" for number in range(len(parts))]
    assert sum(outputs.values()) == wanted and 3 <= len(parts) <= 6
    assert len({item.name for item in items}) == len(items)
    assert (len(items) == 1) == (suffix in (".csv", ".jsonl.gz"))


def test_of_rows_with_one_identifier_that_of_the_last_part_counts(tmp_path: Path) -> None:
    site = tmp_path / "x.example.com"
    body = "<p>This is a text of some length, so that nothing drops it, number {}.</p>"
    lines(site / "Posts/part-10.jsonl", post(1, Body=body.format("ten")), post(3, Body=body.format("three")))
    lines(site / "Posts/part-9.jsonl", post(1, Body=body.format("nine")), post(2, Body=body.format("two")))
    facts = small_site.build(tmp_path / "corpus", site)
    rows = pq.read_table(tmp_path / "corpus/tables/posts/x.example.com").to_pylist()
    assert [row["post_id"] for row in rows] == [1, 2, 3] and "ten" in rows[0]["body"]
    assert facts["sites"]["x.example.com"]["repeated"] == {"posts": 1}
    assert [entry["file"] for entry in facts["sources"]] == [
        "x.example.com/Posts/part-9.jsonl",
        "x.example.com/Posts/part-10.jsonl",
    ]


def test_the_quarantine_and_the_gate_name_the_part(tmp_path: Path) -> None:
    site = tmp_path / "x.example.com"
    good = [post(number, Body=f"<p>A body of several words, number {number}.</p>") for number in range(1, 300)]
    lines(site / "Posts/year=2010/a.jsonl", *good)
    lines(site / "Posts/year=2011/a.jsonl", post(301), "{", post(302, Drift="x"))
    facts = small_site.build(tmp_path / "corpus", site)["sites"]["x.example.com"]
    kept = pq.read_table(tmp_path / "corpus/quarantine/x.example.com.parquet").to_pylist()
    assert [row["file"] for row in kept] == ["x.example.com/Posts/year=2011/a.jsonl"] and kept[0]["row"] == b"{"
    assert facts["unknown_attributes"] == {"posts": {"Drift": 1}}
    lines(site / "Posts/year=2011/a.jsonl", post(301), *["{"] * 30)
    with pytest.raises(InputError, match=r"(?s)30 of 330 rows.*Posts/year=2011/a\.jsonl at byte \d+: not JSON"):
        small_site.build(tmp_path / "corpus", site)


def test_a_look_names_the_part_that_is_odd(tmp_path: Path) -> None:
    site = tmp_path / "x.example.com"
    (site / "Posts").mkdir(parents=True)
    for number in range(20):
        rows = [post(20 * number + i, **({"More": 1} if number == 19 else {})) for i in range(20)]
        to_parquet(pa.Table.from_pylist(rows), site / f"Posts/part-{number}.parquet")
    remarks = [{"Id": i, "PostId": 1, "Text": "t", "CreationDate": "2020-01-01"} for i in range(99)]
    lines(site / "Comments_1.jsonl", *remarks[:50])
    lines(site / "Comments_2.jsonl", "{", *[row | {"Odd": 1} for row in remarks[50:]])
    given = sources.discover([str(site)])
    (looked,), _ = inspection.inspect(given, config.load())
    posts, comments = looked.tables
    assert (posts.files, posts.rows, posts.exact, posts.sampled) == (20, 400, True, 160)
    assert any("x.example.com/Posts/part-19.parquet has the columns More" in finding for finding in posts.findings)
    assert (comments.files, comments.rows, comments.exact, comments.unreadable) == (2, 100, True, 1)
    assert any("Comments_2.jsonl" in finding for finding in comments.findings)
    shown = preview.preview(given, 0.01)
    assert [(table.table, table.looked_at) for table in shown.tables] == [("posts", 20), ("comments", 50)]


# --- names


def named(tmp_path: Path, *names: str, rows: int = 1) -> list[sources.Site]:
    for number, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            to_parquet(pa.Table.from_pylist([post(number + 1)]), path)
        elif name.endswith(".xml"):
            row = "".join(f' {key}="{value}"' for key, value in post(number + 1, Body="b").items())
            path.write_text(f"<posts>\n<row{row} />\n</posts>", "utf-8")
        else:
            lines(path, post(number + 1))
    return sources.discover([str(tmp_path)])


def files(site: sources.Site, folder: Path) -> list[str]:
    return [str(Path(part.member.address).relative_to(folder)) for part in site.tables]


@pytest.mark.parametrize(
    "names",
    [
        ["x.com/posts-00000-of-00002.parquet", "x.com/posts-00001-of-00002.parquet"],
        ["x.com/posts-00001-of-00002.jsonl", "x.com/posts-00002-of-00002.jsonl"],
        ["x.com/data/posts/train-00000-of-00001-0123456789abcdef.parquet", "x.com/data/posts/z.parquet"],
        ["x.com/posts/train/0000.parquet", "x.com/posts/train/0001.parquet"],
        ["x.com/Posts_9.csv", "x.com/Posts_10.csv"],
        ["x.com/Posts.part9.jsonl", "x.com/Posts.part10.jsonl"],
        ["x.com/Posts.xml/a.xml", "x.com/Posts.xml/b.xml"],
        ["x.com/Posts-1.xml", "x.com/Posts-2.xml"],
        ["posts/site=x.com/1.parquet", "posts/site=x.com/2.parquet"],
        ["x.com/posts/y=9/m=__HIVE_DEFAULT_PARTITION__/p.jsonl", "x.com/posts/y=10/m=1/p.jsonl"],
    ],
)
def test_parts_and_their_order(tmp_path: Path, names: list[str]) -> None:
    (site,) = named(tmp_path, *reversed(names))
    assert site.name == "x.com" and files(site, tmp_path) == names and not site.warnings


def test_parts_that_are_given_one_by_one_or_as_their_folder(tmp_path: Path) -> None:
    named(tmp_path, "x.com/Posts/1.jsonl", "x.com/Posts/2.jsonl")
    (by_folder,) = sources.discover([str(tmp_path / "x.com/Posts")])
    assert by_folder.name == "x.com" and len(by_folder.tables) == 2
    named(tmp_path / "more", "y.com/posts-0-of-2.jsonl", "y.com/posts-1-of-2.jsonl")
    given = [str(path) for path in (tmp_path / "more/y.com").iterdir()]
    (site,) = sources.discover(given)
    assert site.name == "y.com" and len(site.tables) == 2
    with pytest.raises(InputError, match="of the 2 parts of 'posts' number 1 is missing"):
        sources.discover([str(tmp_path / "more/y.com/posts-0-of-2.jsonl")])


def test_files_of_known_sites_in_a_folder_of_a_table_are_no_parts_of_each_other(tmp_path: Path) -> None:
    names = ["posts/beer.stackexchange.com.parquet", "posts/coffee.stackexchange.com.parquet"]
    assert [site.name for site in named(tmp_path, *names)] == [
        "beer.stackexchange.com",
        "coffee.stackexchange.com",
    ]
    sites = named(tmp_path / "b", "posts/site=a.example.com/1.parquet", "posts/site=b.example.com/1.parquet")
    assert [site.name for site in sites] == ["a.example.com", "b.example.com"]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["x.com/posts-0-of-3.jsonl", "x.com/posts-2-of-3.jsonl"], "number 1 is missing"),
        (["x.com/posts-0-of-2.jsonl", "x.com/posts-0-of-1.jsonl"], "of 1 and of 2, which are of two writings"),
        (["x.com/Posts/1.jsonl", "x.com/Posts/1.ndjson"], "are one part of 'posts'; keep one of them"),
        (["x.com/Posts/1.jsonl", "x.com/Posts/2.csv"], "in several forms"),
        (["x.com/Posts.jsonl", "x.com/Posts/2.jsonl"], "'posts' is there twice"),
        (["x.com/Posts/1.jsonl", "x.com/main/Posts/2.jsonl"], "'posts' is there twice"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, names: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        named(tmp_path, *names)


def test_numbers_that_are_no_parts(tmp_path: Path) -> None:
    (site,) = named(tmp_path, "x.com/Posts.jsonl", "x.com/Posts_1.jsonl", "x.com/comments-2014.csv")
    assert files(site, tmp_path) == ["x.com/Posts.jsonl"]
    assert "its name is that of a part of the table 'posts'" in site.warnings[0]
    (site,) = named(tmp_path / "b", "y.com/Posts_1.jsonl", "y.com/Posts_4.jsonl")
    assert len(site.tables) == 2 and "none has the number 2" in site.warnings[0]
    # A folder that holds tables is none of parts, whatever its name.
    (site,) = named(tmp_path / "c", "users/z.com/Posts.jsonl", "users/z.com/Comments.jsonl")
    assert site.name == "z.com" and [part.table for part in site.tables] == ["posts", "comments"]
    assert table_parts.table_of_file("posts-20140512") is None


def test_columns_in_the_file_count_before_those_of_its_folders(tmp_path: Path) -> None:
    lines(tmp_path / "x.com/Posts/PostTypeId=2/a.jsonl", post(1))
    lines(tmp_path / "x.com/Posts/PostTypeId=5/Body=Two%20words/a.jsonl", {"Id": 2, "CreationDate": "2020-01-01"})
    (site,) = sources.discover([str(tmp_path)])
    read = [some for part in site.tables for some in stage._rows_of(stage.Wanted.of(site.name, part), 4096)]
    rows = pa.concat_tables([some.batch for some in read]).to_pylist()
    assert [(row["post_type_id"], row["body"]) for row in rows] == [(1, "<p>Body 1</p>"), (5, "Two words")]


def test_a_part_that_changes_while_it_is_read_is_named(tmp_path: Path) -> None:
    (site,) = named(tmp_path, "x.com/Posts/1.jsonl", "x.com/Posts/2.jsonl")
    items = list(stage._items([site], Read()))
    lines(tmp_path / "x.com/Posts/2.jsonl", post(7), post(8))
    with pytest.raises(InputError, match=r"Posts/2\.jsonl: has changed since the build began"):
        run(items, tmp_path / "out")


def test_a_truncated_part_is_named(tmp_path: Path) -> None:
    named(tmp_path, "x.com/Posts/1.jsonl", "x.com/Posts/2.jsonl")
    path = tmp_path / "x.com/Posts/2.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"Posts/2\.jsonl: ends inside a row"):
        run(items_of(tmp_path), tmp_path / "out")
