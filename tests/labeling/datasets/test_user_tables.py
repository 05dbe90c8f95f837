"""Tables that people make: what can't be read is refused by a sentence, and what has one meaning is read."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socorpus.corpus.errors import InputError
from socorpus.labeling.datasets import user_tables

KNOWN = ("post_id", "label", "annotator", "time", "digest", "spans")
TABLE = "post_id,label,annotator\n7,HQ,ann\n"


def rows(path: Path) -> list[dict[str, Any]]:
    return [dict(row) for _, row in user_tables.read(path, KNOWN, lambda columns: None)]


def test_of_parquet_only_known_columns_are_read(tmp_path: Path) -> None:
    """A value that Python does not have is refused where it stands, if it is needed."""
    far = pa.array([0, 10**17], pa.timestamp("ms"))
    table = pa.table({"post_id": [7, 8], "label": ["HQ", "HQ"], "when": far, "text": ["a", "b"]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert rows(tmp_path / "a.parquet") == [{"post_id": 7, "label": "HQ"}, {"post_id": 8, "label": "HQ"}]
    pq.write_table(table.rename_columns(["post_id", "label", "Time", "text"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet, row 2: Time, of the type timestamp\[ms\], has .*\(a time outs"):
        rows(tmp_path / "a.parquet")


def test_bytes_of_parquet_are_text_and_times_have_microseconds(tmp_path: Path) -> None:
    table = pa.table(
        {
            "label": [b"HQ", b"\xff"],
            "digest": [bytes(range(16)), b"00" * 16],
            "spans": [[{"label": b"Library"}], None],
            "time": pa.array([1_500, None], pa.timestamp("ns", "UTC")),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = rows(tmp_path / "a.parquet")
    assert first == {
        "label": "HQ",
        "digest": bytes(range(16)).hex(),
        "spans": [{"label": "Library"}],
        "time": datetime(1970, 1, 1, 0, 0, 0, 1, UTC),
    }
    assert (second["label"], second["digest"]) == ("\\xff", "00" * 16)


def test_a_damaged_page_of_parquet_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"label": ["HQ"] * 50}), path)
    content = bytearray(path.read_bytes())
    content[4:24] = bytes([255] * 20)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.parquet: can't be read as Parquet \(.+\): damaged") as refused:
        rows(path)
    assert str(refused.value).isprintable()
    path.write_bytes(content[:40])
    with pytest.raises(InputError, match=r"a\.parquet: can't be read as Parquet \(.+\): damaged"):
        rows(path)


def test_a_table_without_rows_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("post_id,label\n,\n", "utf-8")
    (tmp_path / "a.json").write_text("[]", "utf-8")
    (tmp_path / "a.jsonl").write_text("\n", "utf-8")
    pq.write_table(pa.table({"label": pa.array([], pa.string())}), tmp_path / "a.parquet")
    for name in ("a.csv", "a.json", "a.jsonl", "a.parquet"):
        with pytest.raises(InputError, match=rf"{name}: has no rows"):
            rows(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (TABLE.encode("utf-16-le"), "is text in UTF-16 or UTF-32, .* save it as UTF-8"),
        (TABLE.encode("utf-32"), "is text in UTF-16 or UTF-32, .* save it as UTF-8"),
        (TABLE.encode("utf-32-be"), "is text in UTF-16 or UTF-32, .* save it as UTF-8"),
        (TABLE.encode("utf-16") + b"a", "can't be read as UTF-16 .*; save it as UTF-8"),
        (b"PK\x03\x04 and more", "is a spreadsheet in its own format, .* save the table as CSV"),
        (b"\x1f\x8b\x08", "is compressed; unpack it first"),
    ],
)
def test_encodings_that_are_not_read_are_refused_with_what_to_do(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.csv: {said}"):
        rows(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("make", "said"), [(os.mkdir, "a folder lies where"), (os.mkfifo, r"a pipe \(FIFO\), a device")]
)
def test_what_is_no_file_is_refused_with_what_to_do(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    for name in ("a.csv", "a.parquet"):
        make(tmp_path / name)
        with pytest.raises(InputError, match=rf"{name}: {said}.*; name another path"):
            rows(tmp_path / name)


def test_a_list_of_objects_is_read_by_any_ending(tmp_path: Path) -> None:
    for name in ("a.json", "a.jsonl", "a.ndjson"):
        (tmp_path / name).write_text('[{"post_id": 7},\n {"post_id": 8}]', "utf-8")
        assert rows(tmp_path / name) == [{"post_id": 7}, {"post_id": 8}]
    with pytest.raises(InputError, match=r"b\.jsonl: begins with \[, and is no list"):
        (tmp_path / "b.jsonl").write_text("[1]\n[2]\n", "utf-8")
        rows(tmp_path / "b.jsonl")


def test_a_key_and_a_site_with_a_number_name_the_same_post() -> None:
    sites = ["a.example.com", "b.example.com"]
    named = {"key": "a.example.com:7", "site": " A.example.com", "post_id": 7.0}
    assert user_tables.post_of(named, sites, "here") == ("a.example.com", 7)
    assert user_tables.post_of({**named, "site": "", "post_id": None}, sites, "here") == ("a.example.com", 7)
    for other in ({"post_id": "8"}, {"site": "b.example.com"}, {"site": None, "post_id": 8}, {"post_id": "x"}):
        with pytest.raises(InputError, match=r"here: key names a\.example\.com:7, and site and post_id .*; correct it"):
            user_tables.post_of({**named, **other}, sites, "here")
