"""Parquet, CSV and JSON Lines: the same rows as from XML, whatever types and names a converter gives them."""

import csv
import gzip
import io
import json
import random
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from socorpus.corpus import schema
from socorpus.corpus.dump import gate, sources, stage, xml_rows
from socorpus.corpus.dump.rows import csv_rows, json_rows, parquet_rows, row_forms, typed_columns
from socorpus.corpus.dump.rows.batches import Origin
from socorpus.corpus.errors import InputError
from socorpus.corpus.sample import writer
from tests.building import hashes
from tests.corpus import small_site
from tests.corpus.dump.converting import NAMES, WAYS, convert, rows_of, together


def read(path: Path, table: str) -> list[xml_rows.ParsedRows]:
    with path.open("rb") as stream:
        form = row_forms.of(path.name)
        assert form is not None
        return list(row_forms.read(stream, form, Origin(table, "x", path.name, schema.NEEDED[table], 4 << 20)))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forms") / "dump"
    writer.write(folder, threads=60, seed=3, sites=[writer.FORMS["modern"]])
    return folder / "modern.example.com"


@pytest.mark.parametrize("name", list(WAYS))
def test_every_form_gives_the_rows_of_the_xml(sample: Path, tmp_path: Path, name: str) -> None:
    for table, stem in NAMES.items():
        rows = rows_of(sample / f"{stem}.xml", table)
        found = read(WAYS[name](rows, table, tmp_path), table)
        expected = rows.rename_columns([attribute.column for attribute in schema.DUMP[table]])
        assert sum(some.quarantine.num_rows for some in found) == 0
        whole = together(found, table)
        assert whole.schema.equals(schema.dump_schema(table), check_metadata=True)
        assert whole.drop_columns("site").equals(expected), (name, table)
        assert not any(some.unknown or some.repaired for some in found)


FOLDERS = ("tables", "documents", "decisions", "shards", "pairs", "signals", "tokenizer")


@pytest.mark.parametrize(
    "name", ["parquet", *(pytest.param(other, marks=pytest.mark.slow) for other in WAYS if other != "parquet")]
)
def test_a_corpus_has_the_bytes_that_it_has_from_xml(tmp_path: Path, name: str) -> None:
    dump = small_site.dump(tmp_path / "xml")
    small_site.build(tmp_path / "a", dump)
    facts = small_site.build(tmp_path / "b", convert(dump, tmp_path / "other", name))
    for folder in FOLDERS:
        assert hashes(tmp_path / "a", folder) == hashes(tmp_path / "b", folder), folder
    assert facts["sites"][small_site.SITE]["quarantined"] == 0  # the row that can't be read is in no converted file


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pandas", "csv", "texts"])
def test_a_sample_has_the_bytes_that_it_has_from_xml(sample: Path, tmp_path: Path, name: str) -> None:
    small_site.build(tmp_path / "a", sample)
    small_site.build(tmp_path / "b", convert(sample, tmp_path / "other", name))
    for folder in FOLDERS:
        assert hashes(tmp_path / "a", folder) == hashes(tmp_path / "b", folder), folder


# --- parts


def test_parts_of_json_lines_tile_the_file(sample: Path, tmp_path: Path) -> None:
    path = WAYS["jsonl"](rows_of(sample / "Comments.xml", "comments"), "comments", tmp_path)
    data = path.read_bytes()
    whole = together(read(path, "comments"), "comments")
    chance = random.Random(1)
    for trial in range(20):
        bounds = sorted({0, *(chance.randrange(len(data)) for _ in range(trial))})
        parts = []
        for start, stop in zip(bounds, [*bounds[1:], None], strict=True):
            origin = Origin("comments", "x", "f", schema.NEEDED["comments"])
            parts += list(json_rows.read(io.BytesIO(data), origin, start, stop, batch_bytes=chance.choice([64, 5000])))
        assert together(parts, "comments").equals(whole), bounds


def spans_of(path: Path, part: int) -> list[parquet_rows.Span]:
    with path.open("rb") as stream:
        return parquet_rows.spans(stream, "f", part)


def test_row_groups_are_read_apart_and_large_ones_cut(sample: Path, tmp_path: Path) -> None:
    rows = rows_of(sample / "Votes.xml", "votes")
    whole = rows.rename_columns([attribute.column for attribute in schema.DUMP["votes"]])
    for group, part in ((50, 4_000), (10_000, 3_000), (7, 1), (10_000, 1 << 30)):
        path = tmp_path / "Votes.parquet"
        pq.write_table(rows, path, row_group_size=group)
        spans = spans_of(path, part)
        cut = []
        for span in spans:
            with path.open("rb") as stream:
                origin = Origin("votes", "x", "f", schema.NEEDED["votes"])
                some = list(parquet_rows.read(stream, origin, span.groups, span.rows, batch_bytes=2000))
            ends = {batch.consumed for batch in some}
            last = sum(batch.batch.num_rows for batch in some)
            assert {span.rows * k for k in range(1, span.parts)} <= ends and -(-last // span.rows) == span.parts
            cut += some
        assert together(cut, "votes").drop_columns("site").equals(whole)
    assert len(spans_of(path, 1 << 30)) == 1


def test_parts_of_a_build_are_those_of_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of several parts, by row groups and within one, makes the corpus of the file of one part."""
    monkeypatch.setattr(stage, "MB", 40)
    dump = small_site.dump(tmp_path / "xml")
    small_site.build(tmp_path / "a", dump)
    for name, options in (("groups", {"row_group_size": 3}), ("within", {})):
        folder = tmp_path / name / dump.name
        folder.mkdir(parents=True)
        for table in ("posts", "comments", "history", "votes"):
            pq.write_table(rows_of(dump / f"{NAMES[table]}.xml", table), folder / f"{NAMES[table]}.parquet", **options)
        facts = small_site.build(tmp_path / f"of_{name}", folder)
        receipts = [
            json.loads(path.read_text()) for path in (tmp_path / f"of_{name}/receipts/read").rglob("posts-*.json")
        ]
        assert (len(receipts) == 1) == (name == "within") and sum(len(of["outputs"]) for of in receipts) > 4
        assert facts["sites"][small_site.SITE]["posts"] == 28
        assert hashes(tmp_path / "a") == hashes(tmp_path / f"of_{name}")


# --- types


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", " 2 ", "", None, "NaN", "4.0"], [1, 2, None, None, None, 4]),
        ([1.0, float("nan"), None, 3.0, 4.0, 5.0], [1, None, None, 3, 4, 5]),
        ([1, "2", None, 3.0, "null", "+6"], [1, 2, None, 3, None, 6]),
    ],
)
def test_numbers(values: list[Any], expected: list[int | None]) -> None:
    given = {"post_id": [1, 2, 3, 4, 5, 6], "score": values}
    for column in (values, pa.array(values) if all(not isinstance(v, str) for v in values) else values):
        typed = typed_columns.convert("posts", "x", given | {"score": column}, 6)
        assert not typed.reasons and typed.batch["score"].to_pylist() == expected


@pytest.mark.parametrize(
    "value", ["x", "1.5", 1.5, float("inf"), True, 2**31, "99999999999", [1], {"a": 1}, "1e3", 10**30]
)
def test_a_number_that_is_none_makes_its_row_unreadable(value: Any) -> None:
    typed = typed_columns.convert("posts", "x", {"post_id": [1, 2], "score": [value, 3]}, 2)
    assert list(typed.reasons) == [0] and typed.reasons[0].endswith("is not of type int32")
    assert typed.batch.to_pylist()[0]["post_id"] == 2


MOMENT = 1_282_072_957_890  # 2010-08-17T19:22:37.890Z


@pytest.mark.parametrize(
    "value",
    [
        *("2010-08-17T19:22:37.890", "2010-08-17 19:22:37.890999", "2010-08-17T19:22:37.89Z", "1282072957890"),
        *("2010-08-17 19:22:37.890 UTC", "2010-08-17T21:22:37.890+02:00", "2010-08-17T15:22:37.890000-0400"),
        *(MOMENT, MOMENT * 1000, MOMENT * 10**6),
        pa.scalar(MOMENT, pa.timestamp("ms")),
        pa.scalar(MOMENT * 1000 + 1, pa.timestamp("us", "America/New_York")),
        pa.scalar(MOMENT * 10**6, pa.timestamp("ns", "UTC")),
    ],
)
def test_times(value: Any) -> None:
    column = pa.array([value.as_py()], value.type) if isinstance(value, pa.Scalar) else [value]
    typed = typed_columns.convert("posts", "x", {"post_id": [1], "creation_date": column}, 1)
    assert not typed.reasons
    assert typed.batch["creation_date"].cast(pa.int64()).to_pylist() == [MOMENT]


@pytest.mark.parametrize("value", ["2010-02-30", "soon", 17, True, "12:00", [1], "2010-08-17T19:22:37.890+99:00"])
def test_a_time_that_is_none(value: Any) -> None:
    typed = typed_columns.convert("posts", "x", {"post_id": [1], "creation_date": [value]}, 1)
    assert "CreationDate" in typed.reasons[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a><b-c>", ["a", "b-c"]),
        ("|a|b|", ["a", "b"]),
        ("a|b", ["a", "b"]),
        ("python-3.x", ["python-3.x"]),
        ("", []),
        (["a", "", None, "b"], ["a", "b"]),
        ('["a", "b"]', ["a", "b"]),
        ("['a', 'b']", ["a", "b"]),
        ("<>", []),
        ([], []),
        (None, None),
    ],
)
def test_tags(value: Any, expected: list[str] | None) -> None:
    for filler in ("<x>", ["x"], None):  # beside values of its own kind, and of another
        typed = typed_columns.convert("posts", "x", {"post_id": [1, 2], "tags": [value, filler]}, 2)
        assert not typed.reasons and typed.batch["tags"][0].as_py() == expected


@pytest.mark.parametrize("value", ["a, b", "<a", "|a", 7, ["a", 7], "[a]", '["a"', {"a": 1}])
def test_tags_that_are_none(value: Any) -> None:
    typed = typed_columns.convert("posts", "x", {"post_id": [1], "tags": [value]}, 1)
    assert "Tags" in typed.reasons[0]


def test_texts_are_mended_as_those_of_xml_are() -> None:
    binary = pa.array([b"fine", b"caf\xe9", b"a\0b", None, "\uffff".encode(), b"tab\t\r\n"])
    broken = pa.Array.from_buffers(pa.string(), 6, binary.buffers())
    for column in (binary, broken, broken.slice(0)):
        typed = typed_columns.convert("posts", "x", {"post_id": pa.array(range(6)), "body": column}, 6)
        assert typed.batch["body"].to_pylist() == ["fine", "caf\ufffd", "a\ufffdb", None, "\ufffd", "tab\t\r\n"]
        assert typed.repaired == {1: xml_rows.NOT_UTF8, 2: xml_rows.FORBIDDEN, 4: xml_rows.FORBIDDEN}
    typed = typed_columns.convert("posts", "x", {"post_id": [1, 2], "body": ["\ud83d", 2048]}, 2)
    assert typed.batch["body"].to_pylist() == ["\ufffd", "2048"] and typed.repaired == {0: xml_rows.NOT_UTF8}


def test_names() -> None:
    names = typed_columns.names_of("history", ["\ufeffId", "posthistorytypeid", "revision_guid", "PostId", "More"], "f")
    assert names.known["history_id"] == "\ufeffId" and names.known["revision_guid"] == "revision_guid"
    assert names.known["post_id"] == "PostId" and names.unknown == ("More",)
    assert typed_columns.names_of("comments", ["id", "post_id"], "f").known == {
        "comment_id": "id",
        "post_id": "post_id",
    }
    with pytest.raises(InputError, match="'Id' and 'post_id' are both post_id"):
        typed_columns.names_of("posts", ["Id", "post_id"], "f")
    with pytest.raises(InputError, match="1,001 columns"):
        typed_columns.names_of("posts", [f"c{i}" for i in range(1001)], "f")


# --- rows that can't be read, and drift


POST = {"Id": 1, "PostTypeId": 1, "CreationDate": "2020-01-01T00:00:00", "Body": "b"}


def lines(*rows: Any) -> bytes:
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


def from_jsonl(data: bytes, **options: Any) -> list[xml_rows.ParsedRows]:
    origin = Origin("posts", "x", "Posts.jsonl", schema.NEEDED["posts"], options.pop("longest", 4 << 20))
    return list(json_rows.read(io.BytesIO(data), origin, **options))


def test_unreadable_rows_of_json_lines() -> None:
    data = lines(
        POST,
        b"{nothing\n",
        b"\n",
        POST | {"Id": "x"},
        [1],
        POST | {"Id": 3, "Body": None},
        POST | {"Id": 4, "More": 1, "Other": None},
        POST | {"Id": 5, "Body": "c" * 2000},
        b'{"Id": 6, "PostTypeId": 1, "CreationDate": "2020-01-01", "Body": "caf\xe9"}\r\n',
        b"[" * 100_000 + b"\n",
        {f"a{i}": i for i in range(1001)},
    )
    (some,) = from_jsonl(data, longest=1500)
    assert some.batch["post_id"].to_pylist() == [1, 4, 6] and some.unknown == {"More": 1}
    assert some.batch["body"][2].as_py() == "caf\ufffd" and some.repairs[0]["reason"] == xml_rows.NOT_UTF8
    bad = some.quarantine.to_pylist()
    for row in bad:
        assert data[row["offset"] :].startswith(row["row"])
    reasons = [row["reason"] for row in bad]
    assert reasons[0].startswith("not JSON") and reasons[1] == "Id='x' is not of type int64"
    assert reasons[2] == "not an object" and reasons[3].startswith("the column Body is missing or empty; not known are")
    assert (
        "read.row_kb" in reasons[4]
        and "read.row_kb" in reasons[5]
        and "1,000 attributes" in from_jsonl(data)[0].quarantine.to_pylist()[-1]["reason"]
    )
    assert some.consumed == len(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'[{"Id": 1}]', "one JSON array"),
        (b"<posts>", "isn't JSON Lines"),
        ('{"Id": 1}'.encode("utf-16"), "UTF-16"),
        (lines(POST) + b'{"Id": 2, "Bo', "ends inside a row that begins at byte 7"),
        (b'{"a": "' + b"x" * 5000, "goes on for more than 1000 bytes"),
    ],
)
def test_a_file_that_is_no_json_lines(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_jsonl(data, batch_bytes=100, row_bytes=1000)


HEADER = b"Id,PostTypeId,CreationDate,Body,Title\n"


def from_csv(data: bytes, longest: int = 4 << 20) -> list[xml_rows.ParsedRows]:
    origin = Origin("posts", "x", "Posts.csv", schema.NEEDED["posts"], longest)
    return list(csv_rows.read(io.BytesIO(data), origin))


def test_unreadable_rows_of_csv() -> None:
    data = HEADER + (
        b'1,1,2020-01-01,"a,""b""\r\nc",t\r\n'
        b"2,1,2020-01-01\n"
        b"3,1,soon,b,t\n"
        b"\n"
        b'4,1,2020-01-01,,""\n'
        b'5,1,2020-01-01,"b"x,t\n'
        b"6,1,2020-01-01,caf\xe9,\n"
        b'7,1,2020-01-01,5" wide,t\n'
        b'8,1,2020-01-01,"never closed,t\n' + b"9,1,2020-01-01,b,t\n" * 50
    )
    (some,) = from_csv(data, longest=300)
    assert some.batch["post_id"].to_pylist() == [1, 4, 6, 7, *[9] * 50]
    rows = some.batch.to_pylist()
    assert rows[0]["body"] == 'a,"b"\r\nc' and (rows[1]["body"], rows[1]["title"]) == ("", "")
    assert (rows[2]["body"], rows[2]["title"]) == ("caf\ufffd", None) and rows[3]["body"] == '5" wide'
    bad = some.quarantine.to_pylist()
    assert [row["row"][:1] for row in bad] == [b"2", b"3", b"5", b"8"]
    for row in bad:
        assert data[row["offset"] :].startswith(row["row"])
    assert bad[0]["reason"] == "3 fields, and the first line has 5 names" and "CreationDate='soon'" in bad[1]["reason"]
    assert bad[2]["reason"].startswith("not CSV") and "isn't closed" in bad[3]["reason"]
    assert some.repairs == ({"file": "Posts.csv", "offset": data.index(b"6,1"), "reason": xml_rows.NOT_UTF8},)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Name,Count\na,1\n", "has no column Id .or post_id., so it isn't the table posts; it has Name, Count"),
        (b"Id,Body,Body\n", "the name 'Body' twice"),
        (HEADER + b'1,1,2020-01-01,"b', "ends inside a row that begins at byte 38"),
        (HEADER.decode().encode("utf-16"), "UTF-16"),
        (HEADER + (b'1,1,2020-01-01,"b,t\n' + b"2,1,2020-01-01,b,t\n" * 60) * 200, "not closed in more than 100 rows"),
    ],
)
def test_a_file_that_is_no_csv(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_csv(data, longest=1000)


def test_csv_is_read_back_as_python_writes_it() -> None:
    chance = random.Random(2)
    signs = ["a", '"', ",", "\n", "\r\n", " ", "é", ";", "\t", "'", "x" * 50]
    for _ in range(30):
        texts = ["".join(chance.choices(signs, k=chance.randrange(1, 9))) for _ in range(40)]
        out = io.StringIO(newline="")
        table = csv.writer(out)
        table.writerow(["Id", "PostTypeId", "CreationDate", "Body", "Title"])
        table.writerows([i, 1, "2020-01-01", text, chance.choice(texts)] for i, text in enumerate(texts))
        assert together(from_csv(out.getvalue().encode()), "posts")["body"].to_pylist() == texts


def test_unreadable_rows_of_parquet(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "Id": [1, 2, 3, 4],
            "PostTypeId": ["1", "x", "2", "1"],
            "CreationDate": ["2020-01-01"] * 4,
            "Body": ["a", "b", None, "c" * 5000],
            "More": [None, 1, 2, None],
            "Vector": [[1.0], None, [2.0], [3.0]],
        }
    )
    pq.write_table(rows, tmp_path / "Posts.parquet")
    with (tmp_path / "Posts.parquet").open("rb") as stream:
        origin = Origin("posts", "x", "Posts.parquet", schema.NEEDED["posts"], 4000)
        (some,) = parquet_rows.read(stream, origin)
    assert some.batch["post_id"].to_pylist() == [1] and some.unknown == {"More": 2, "Vector": 4}
    bad = some.quarantine.to_pylist()
    assert [row["offset"] for row in bad] == [1, 2, 3] and json.loads(bad[0]["row"])["PostTypeId"] == "x"
    assert "PostTypeId='x'" in bad[0]["reason"] and "Body is missing" in bad[1]["reason"]
    tally = gate.Tally(1, 3)
    tally.add(bad)
    said = "\n".join(gate.lines("x/posts", tally))
    assert "first in Posts.parquet at row 1: PostTypeId='x'" in said


def test_a_file_that_is_no_parquet_names_it(tmp_path: Path) -> None:
    site = tmp_path / "x.com"
    site.mkdir()
    path = site / "Posts.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match=r"Posts\.parquet: has no column Id"):
        small_site.build(tmp_path / "corpus", path)
    whole = path.read_bytes()
    for data in (b"", b"PAR1", whole[:-20], whole[:50] + b"x" * 50 + whole[100:]):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"Posts\.parquet: (not a Parquet file|has no column)"):
            small_site.build(tmp_path / "corpus", path)


def test_the_gate_and_the_quarantine_of_a_build(tmp_path: Path) -> None:
    site = tmp_path / "x.com"
    site.mkdir()
    good = [POST | {"Id": i, "Body": f"<p>A body of several words, number {i}.</p>"} for i in range(1, 400)]
    (site / "Posts.jsonl").write_bytes(lines(*good, b"{\n", POST | {"Id": 401, "Drift": "x"}))
    facts = small_site.build(tmp_path / "corpus", site)["sites"]["x.com"]
    assert facts["rows"]["posts"] == 400 and facts["quarantined_by_table"] == {"posts": 1}
    assert facts["unknown_attributes"] == {"posts": {"Drift": 1}}
    kept = pq.read_table(tmp_path / "corpus/quarantine/x.com.parquet").to_pylist()
    assert kept[0]["file"] == "x.com/Posts.jsonl" and kept[0]["row"] == b"{"
    (site / "Posts.jsonl").write_bytes(lines(*good, *[b"{\n"] * 30))
    with pytest.raises(InputError, match=r"(?s)table posts: 30 of 429 rows.*Posts.jsonl at byte \d+: not JSON"):
        small_site.build(tmp_path / "corpus", site)


# --- where tables lie


def test_tables_are_found_in_every_form(sample: Path, tmp_path: Path) -> None:
    folder = tmp_path / "csv" / "x.com"
    folder.mkdir(parents=True)
    WAYS["csv"](rows_of(sample / "Posts.xml", "posts"), "posts", folder)
    data = (folder / "Posts.csv").read_bytes()
    (folder / "comments.ndjson.zst").write_bytes(zstandard.compress(b'{"Id": 1}\n'))
    (folder / "VOTES.TSV.gz").write_bytes(gzip.compress(b"Id\n"))
    WAYS["parquet"](rows_of(sample / "Tags.xml", "tags"), "tags", folder)
    (folder / "notes.csv").write_text("a,b\n")
    (site,) = sources.discover([str(folder)])
    assert site.name == "x.com" and [table.table for table in site.tables] == ["posts", "comments", "votes", "tags"]
    with pytest.raises(InputError, match=r"notes\.csv: which table it is can't be told; name it .* Posts\.csv"):
        sources.discover([str(folder / "notes.csv")])
    (folder / "Posts.csv.gz").write_bytes(gzip.compress(data))
    with pytest.raises(InputError, match="'posts' is there twice"):
        sources.discover([str(folder)])


def archive(path: Path, folder: Path, prefix: str = "") -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if "packed" in path.name else zipfile.ZIP_STORED) as out:
            for file in sorted(folder.iterdir()):
                out.write(file, prefix + file.name)
        return path
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{'xz' if path.suffix == '.xz' else ''}") as out:
        for file in sorted(folder.iterdir()):
            out.add(file, prefix + file.name)
    packs: dict[str, Callable[[bytes], bytes]] = {".zst": zstandard.compress, ".tgz": gzip.compress}
    path.write_bytes(packs.get(path.suffix, bytes)(data.getvalue()))
    return path


@pytest.mark.parametrize("name", ["x.tar", "x.tgz", "x.tar.zst", "x.tar.xz", "x.zip", "packed.zip"])
def test_archives_of_tables(tmp_path: Path, name: str) -> None:
    dump = small_site.dump(tmp_path / "xml")
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for path in dump.iterdir():
        (mixed / path.name).write_bytes(path.read_bytes())
    (mixed / "Comments.xml").unlink()
    WAYS["parquet"](rows_of(dump / "Comments.xml", "comments"), "comments", mixed)
    (mixed / "Votes.xml").unlink()
    WAYS["jsonl"](rows_of(dump / "Votes.xml", "votes"), "votes", mixed)
    packed = archive(tmp_path / name, mixed, f"{small_site.SITE}/")
    (site,) = sources.discover([str(packed)])
    assert site.name == small_site.SITE and len(site.tables) == 4
    read_of = {}
    for item in stage._items([site], stage.Read()):
        (tmp_path / "out").mkdir(exist_ok=True)
        outcome = item.function(tmp_path / "out", **item.arguments)
        read_of |= {place: counts["read"] for place, counts in outcome.counts.items()}
    assert {place.rpartition("/")[2]: count for place, count in read_of.items()} == {
        "posts": 28,
        "comments": 1,
        "history": 5,
        "votes": 4,
    }


@pytest.mark.parametrize("name", ["x.tar", "x.tgz", "x.zip", "packed.zip"])
def test_a_damaged_archive_names_it(tmp_path: Path, name: str) -> None:
    dump = small_site.dump(tmp_path / "xml")
    packed = archive(tmp_path / name, dump, f"{small_site.SITE}/")
    data = packed.read_bytes()
    packed.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=re.escape(name)):
        small_site.build(tmp_path / "corpus", packed)
    packed.write_bytes(data[:600] + bytes([data[600] ^ 255]) + data[601:])
    if name != "x.tar":  # which has no checksum of its contents
        with pytest.raises(InputError, match=re.escape(name)):
            small_site.build(tmp_path / "corpus", packed)


def test_a_zip_that_is_encrypted_or_of_several_sites(tmp_path: Path) -> None:
    path = tmp_path / "dumps.zip"
    with zipfile.ZipFile(path, "w") as out:
        for site in ("a.example.com", "b.example.com"):
            out.writestr(f"{site}/Posts.xml", "<posts></posts>")
            out.writestr(f"{site}/../../evil/readme.txt", "")
    assert [site.name for site in sources.discover([str(path)])] == ["a.example.com", "b.example.com"]
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    data[entry + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"dumps\.zip: 'a\.example\.com/Posts\.xml' is encrypted: unpack"):
        sources.discover([str(path)])
