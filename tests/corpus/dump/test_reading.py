"""Reading a dump's tables: what is quarantined, what ends the build, and that a source stays the same meanwhile."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import py7zr
import pyarrow as pa
import pytest

from socorpus.corpus import schema
from socorpus.corpus.config import Config, Read
from socorpus.corpus.dump import repeats_stage, sources
from socorpus.corpus.dump import stage as dump_stage
from socorpus.corpus.engine.context import BuildContext
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.work import Progress
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import parquet, partitions

DATE = 'CreationDate="2020-01-01T00:00:00.000"'
POST = f'<row Id="1" PostTypeId="1" {DATE} Body="x"/>'


def put(folder: Path, **tables: list[str]) -> Path:
    site = folder / "dump" / "s.example.org"
    site.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        lines = "\n".join([f"<{name.lower()}>", *rows, f"</{name.lower()}>"])
        (site / f"{name}.xml").write_text(lines, "utf-8")
    return site


def run(
    folder: Path, accepted: float = 0.01, part_mb: int = 1, show: Callable[[Progress], None] | None = None
) -> dump_stage.Reading:
    sites = sources.discover([str(folder / "dump")])
    with Engine(folder / "out", workers=0, show=show) as engine:
        context = BuildContext(folder / "out", (), Config(read=Read(part_mb, accepted)), engine)
        return dump_stage.run(context, sites)


def part(folder: Path, table: str) -> pa.Table:
    path = folder / "out" / dump_stage.part_path("s.example.org", table, 0)
    if path.suffix == ".parquet":
        return parquet.read(path)
    return partitions.read([path], schema.dump_schema(table))


def test_a_table_in_another_encoding_ends_the_build(tmp_path: Path) -> None:
    rows = [f'<row Id="{number}" PostTypeId="1" {DATE} Body="caf\u00e9"/>' for number in range(1, 30)]
    site = put(tmp_path, Posts=rows)
    path = site / "Posts.xml"
    path.write_bytes(path.read_text("utf-8").encode("cp1252"))
    with pytest.raises(InputError, match=r"table posts: 29 of 29 rows had bytes that are not UTF-8"):
        run(tmp_path)
    reading = run(tmp_path, accepted=1.0)
    (receipt,) = reading.receipts.values()
    (reason,) = receipt.counts["s.example.org/posts"]["repairs"]
    assert reason[:2] == ["bytes that are not UTF-8", 29]


@pytest.mark.parametrize(
    ("name", "table", "whole", "lacking", "attribute"),
    [
        ("Posts", "posts", POST, '<row Id="2" PostTypeId="1" Body="x" LastActivityDate="2020-01-01"/>', "CreationDate"),
        ("Posts", "posts", POST, f'<row Id="2" PostTypeId="" {DATE} Body="x"/>', "PostTypeId"),
        ("Posts", "posts", POST, f'<row Id="2" PostTypeId="1" {DATE} Content="x"/>', "Body"),
        (
            *("Comments", "comments", f'<row Id="1" PostId="1" Text="" {DATE}/>'),
            *(f'<row Id="2" PostId="1" Content="&#0;" {DATE}/>', "Text"),
        ),
        (
            *("Comments", "comments", f'<row Id="1" PostId="1" Text="a" {DATE}/>'),
            *(f'<row Id="2" Text="a" {DATE}/>', "PostId"),
        ),
        ("Users", "users", f'<row Id="1" {DATE}/>', '<row Id="2"/>', "CreationDate"),
        (
            *("Votes", "votes", f'<row Id="1" PostId="1" VoteTypeId="2" {DATE}/>'),
            *(f'<row Id="2" PostId="1" {DATE}/>', "VoteTypeId"),
        ),
        ("Tags", "tags", '<row Id="1" TagName="a"/>', '<row Id="2" Count="3"/>', "TagName"),
    ],
)
def test_a_row_that_lacks_what_every_row_has_is_quarantined(
    tmp_path: Path, name: str, table: str, whole: str, lacking: str, attribute: str
) -> None:
    site = put(tmp_path, **{"Posts": [POST], name: [lacking, whole]})
    run(tmp_path)
    assert part(tmp_path, table)[1].to_pylist() == [1]
    (row,) = parquet.read(tmp_path / "out/quarantine/s.example.org.parquet").to_pylist()
    assert row["reason"].startswith(f"the attribute {attribute} is missing or empty")
    assert row["row"].decode() == lacking
    assert (site / f"{name}.xml").read_text()[row["offset"] :].startswith(lacking)
    assert "Content" not in lacking or row["reason"].endswith("; not known are Content")


def test_a_deleted_post_needs_no_body(tmp_path: Path) -> None:
    gone = f'<row Id="2" PostTypeId="2" {DATE} DeletionDate="2021-01-01T00:00:00.000"/>'
    put(tmp_path, Posts=[POST, *[gone.replace('"2"', f'"{i}"', 1) for i in range(2, 60)]])
    (counts,) = (receipt.counts["s.example.org/posts"] for receipt in run(tmp_path).receipts.values())
    assert (counts["read"], counts["quarantined"], counts["absent"]) == (59, 0, {"body": 58, "score": 59})


def test_comments_whose_text_has_another_name_end_the_build_unless_they_are_accepted(tmp_path: Path) -> None:
    site = put(tmp_path, Posts=[POST], Comments=[f'<row Id="{i}" PostId="1" Body="a" {DATE}/>' for i in range(1, 31)])
    with pytest.raises(InputError) as error:
        run(tmp_path)
    where = f"first in {site.name}/Comments.xml at byte 11"
    assert f"30: {where}: the attribute Text is missing or empty" in str(error.value)
    assert not (tmp_path / "out/quarantine").exists()
    run(tmp_path, accepted=1.0)
    assert parquet.read(tmp_path / "out/quarantine/s.example.org.parquet").num_rows == 30


def test_a_dump_of_unreadable_posts_ends_the_build(tmp_path: Path) -> None:
    put(tmp_path, Posts=[f'<row Id="{i}" PostTypeId="1" CreationDate="yesterday" Body="x"/>' for i in range(1, 6)])
    with pytest.raises(InputError, match="no post of the sources could be read, and 5 could not"):
        run(tmp_path, accepted=0.9)


def long_posts(text: str) -> list[str]:
    return [f'<row Id="{i}" PostTypeId="1" {DATE} Body="{text * 1000}"/>' for i in range(1, 2500)]


@pytest.mark.parametrize("times", ["other", "kept"])
def test_a_source_that_is_replaced_while_it_is_read_ends_the_build(tmp_path: Path, times: str) -> None:
    posts = put(tmp_path, Posts=long_posts("a")) / "Posts.xml"
    status = posts.stat()

    def replace(progress: Progress) -> None:
        if progress.stage == "read" and progress.done == 1:
            put(tmp_path / "new", Posts=long_posts("b"))
            (tmp_path / "new/dump/s.example.org/Posts.xml").replace(posts)
            if times == "kept":
                os.utime(posts, ns=(status.st_atime_ns, status.st_mtime_ns))

    with pytest.raises(InputError, match=r"Posts.xml: has changed since the build began"):
        run(tmp_path, show=replace)
    # What was read of the old file is not taken for the new one's.
    reading = run(tmp_path)
    bodies: set[str] = set()
    for path in (path for receipt in reading.receipts.values() for path in receipt.outputs):
        rows = partitions.read([tmp_path / "out" / path], schema.dump_schema("posts"), columns=["body"])
        bodies |= {body[0] for body in rows["body"].to_pylist()}
    assert len(reading.items) > 2 and bodies == {"b"}


def test_a_part_is_not_read_of_a_file_that_is_not_the_listed_one(tmp_path: Path) -> None:
    site = put(tmp_path, Posts=[POST])
    ((_, _, wanted),) = [
        (found.name, table, dump_stage.Wanted.of(found.name, table))
        for found in sources.discover([str(site)])
        for table in found.tables
    ]
    dump_stage.read_range(tmp_path, wanted, 0, 1, 4096)
    with (site / "Posts.xml").open("a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(InputError, match="has changed"):
        dump_stage.read_range(tmp_path, wanted, 0, 1, 4096)
    with pytest.raises(InputError, match="has changed"):
        dump_stage.read_container(tmp_path, wanted.table.member.address, [wanted], 1, 4096, 1)


@pytest.mark.parametrize("runs", [1, 2])
def test_the_last_of_users_with_one_id_stays_whatever_the_part(tmp_path: Path, runs: int) -> None:
    about = "x" * 1000
    users = [f'<row Id="{i}" {DATE} DisplayName="n{i}" AboutMe="{about}"/>' for i in range(1, 2500)]
    users += [f'<row Id="7" {DATE} DisplayName="last" AboutMe="{about}"/>', f'<row Id="8" {DATE} DisplayName="late"/>']
    put(tmp_path, Posts=[POST], Users=users)
    for _ in range(runs):
        reading = run(tmp_path)
    outputs = {path: output for receipt in reading.receipts.values() for path, output in receipt.outputs.items()}
    paths = [path for path in outputs if path.startswith("tables/users/")]
    assert len(paths) > 2
    tables = [parquet.read(tmp_path / "out" / path) for path in paths]
    assert [table.num_rows for table in tables] == [outputs[path].rows for path in paths]
    names = dict(row.values() for table in tables for row in table.select(["user_id", "display_name"]).to_pylist())
    assert sum(table.num_rows for table in tables) == len(names) == 2499
    assert (names[7], names[8], names[9]) == ("last", "late", "n9")
    counts = [receipt.counts.get("s.example.org/users", {}) for receipt in reading.receipts.values()]
    assert sum(count.get("repeated", 0) for count in counts) == 2


def test_an_archive_gives_the_same_parts_for_any_number_of_threads(tmp_path: Path) -> None:
    """Also with rows that are repaired or unreadable, and a row that is longer than a block."""
    body = "words of a text and more words " * 20
    posts = [f'<row Id="{number}" PostTypeId="1" {DATE} Body="{number} {body}"/>' for number in range(1, 8000)]
    posts[2000] = f'<row Id="2001" PostTypeId="1" {DATE} Body="{"long" * 1_500_000}"/>'
    posts[4000] = f'<row Id="4001" PostTypeId="1" {DATE} Body="&#0;{body}"/> stray'
    posts[6000] = '<row Id="x"/>'
    users = [f'<row Id="{number}" {DATE} DisplayName="{body}"/>' for number in range(1, 2000)]
    site = put(tmp_path, Posts=posts, Users=users)
    packed = tmp_path / "s.example.org.7z"
    with py7zr.SevenZipFile(packed, "w", filters=[{"id": py7zr.FILTER_BZIP2}]) as archive:
        for name in ("Posts.xml", "Users.xml"):
            archive.write(site / name, name)
    (listed,) = sources.discover([str(packed)])
    wanted = [dump_stage.Wanted.of(listed.name, table) for table in listed.tables]
    outcomes = {}
    for threads in (1, 2, 4):
        root = tmp_path / f"{threads}"
        outcomes[threads] = dump_stage.read_container(root, str(packed), wanted, 2, 1 << 18, threads)
        assert {path: (root / path).read_bytes() for path in outcomes[threads].outputs} == {
            path: (tmp_path / "1" / path).read_bytes() for path in outcomes[1].outputs
        }
    assert outcomes[1] == outcomes[2] == outcomes[4]
    assert len(outcomes[1].outputs) > 5
    counts = outcomes[1].counts["s.example.org/posts"]
    assert (counts["read"], counts["quarantined"], counts["repaired"]) == (7998, 2, 1)


def test_tables_whose_ids_ascend_have_no_repeats() -> None:
    def receipts(*parts: tuple[int | None, int | None, bool]) -> Any:
        class Part:
            def __init__(self, first: int | None, last: int | None, ascending: bool):
                self.counts = {"s/votes": {"first": first, "last": last, "ascending": ascending}}

        return {f"{number}": Part(*values) for number, values in enumerate(parts)}

    assert repeats_stage.unordered(receipts((1, 5, True), (None, None, True), (6, 9, True))) == set()
    assert repeats_stage.unordered(receipts((1, 5, True), (None, None, True), (5, 9, True))) == {"s/votes"}
    assert repeats_stage.unordered(receipts((1, 5, False))) == {"s/votes"}
