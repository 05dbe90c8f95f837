"""Reading a dump's rows: against lxml on every real row, and through each drift."""

import io
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from socorpus.corpus.dump import xml_rows
from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import DUMP, QUARANTINE, ROOTS, TIME, dump_schema


class Trickle(io.RawIOBase):
    """A stream that can't be sought and gives a few bytes at a time."""

    def __init__(self, data: bytes, most: int = 7) -> None:
        self.data, self.most, self.at = data, most, 0

    def read(self, size: int = -1) -> bytes:
        taken = self.data[self.at : self.at + max(1, min(size, self.most))]
        self.at += len(taken)
        return taken


def read(
    data: bytes | BinaryIO, table: str = "posts", **options: Any
) -> tuple[pa.Table, list[dict[str, Any]], dict, int]:
    """All batches of a stream: the rows, the quarantine, the unknown attributes, the number of repaired rows."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    return gather(list(xml_rows.read(stream, table=table, site="s", file="f.xml", **options)), table)


def gather(batches: list[xml_rows.ParsedRows], table: str) -> tuple[pa.Table, list[dict[str, Any]], dict, int]:
    unknown: dict[str, int] = {}
    for one in batches:
        one.batch.validate(full=True)
        assert one.batch.schema.equals(dump_schema(table), check_metadata=True)
        assert one.quarantine.schema.equals(QUARANTINE, check_metadata=True)
        for name, count in one.unknown.items():
            unknown[name] = unknown.get(name, 0) + count
    rows = pa.concat_tables([dump_schema(table).empty_table(), *(b.batch for b in batches)])
    lost = [row for b in batches for row in b.quarantine.to_pylist()]
    return rows, lost, unknown, sum(b.repaired for b in batches)


def posts(*rows: str | bytes) -> bytes:
    body = b"\n  ".join(row.encode() if isinstance(row, str) else row for row in rows)
    return b'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n  ' + body + b"\n</posts>"


def reference(data: bytes, table: str) -> list[dict[str, Any]]:
    """The same rows by lxml and plain Python, for well-formed files whose values are of the right type."""

    def typed(kind: pa.DataType, text: str) -> Any:
        if kind == pa.string():
            return text
        if kind == pa.list_(pa.string()):
            return [tag for tag in re.split(r"[<>|]", text) if tag]
        if text == "":
            return None
        if kind == TIME:
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        return text.lower() == "true" if kind == pa.bool_() else int(text)

    root = etree.fromstring(data, etree.XMLParser(huge_tree=True))
    empty: dict[str, Any] = {"site": "s", **{a.column: None for a in DUMP[table]}}
    return [
        empty | {a.column: typed(a.type, row.get(a.xml)) for a in DUMP[table] if row.get(a.xml) is not None}
        for row in root.iter("row")
    ]


def test_every_real_row_is_what_lxml_reads(real_data: Path) -> None:
    seen = set()
    for path in sorted((real_data / "dumps").glob("**/*.xml")):
        data = path.read_bytes()
        found = xml_rows.sniff(data[:4096])
        assert found.problem is None
        assert found.table == ROOTS[path.stem.lower()]
        assert data[: found.end].endswith(b">")
        rows, lost, unknown, repaired = read(data, found.table, batch_bytes=100_000)
        assert rows.to_pylist() == reference(data, found.table), path
        assert (lost, unknown, repaired) == ([], {}, 0), path
        seen.add(found.table)
    assert seen == set(DUMP)


def test_parts_and_batches_of_a_real_file(real_data: Path) -> None:
    data = (real_data / "dumps/beer.meta.stackexchange.com-2014-03/Posts.xml").read_bytes()
    whole = read(data)[0]
    for size in (1, 1000, 7777, 1 << 20):
        assert read(data, batch_bytes=size)[0].equals(whole)
    assert read(Trickle(data, 1013))[0].equals(whole)
    for width in (501, 5000, 40_000):
        stream = io.BytesIO(data)
        parts = [read(stream, start=at, stop=at + width, batch_bytes=3000)[0] for at in range(0, len(data), width)]
        assert pa.concat_tables(parts).equals(whole)
    batches = list(xml_rows.read(io.BytesIO(data), table="posts", site="s", file="f", batch_bytes=5000))
    consumed = [b.consumed for b in batches]
    assert consumed == sorted(consumed) and data[consumed[-1] :].strip() in (b"", b"</posts>")


ODD = posts(
    '<row Id="1" Body="a"/><row Id="2" Body="&#x0;"/>',
    "<!-- <row Id='99' /> --> <row Id='3'\n Body='x>\"y'></row>",
    '<row Id="4" Id="4"/> stray <other a="1"/>',
    '<row Id="5" Body="1 < 2 <b>"/>',
    "<row/>",
    '<row Id="6" New="1"> </row >',
)


def test_every_cut_of_odd_rows_tiles_them() -> None:
    whole, lost, unknown, repaired = read(ODD)
    assert whole["post_id"].to_pylist() == [1, 2, 3, 6]
    assert whole["body"].to_pylist()[:3] == ["a", "\ufffd", 'x>"y']
    assert [row["row"] for row in lost] == [
        b'<row Id="4" Id="4"/>',
        b'stray <other a="1"/>',
        b'<row Id="5" Body="1 < 2 <b>"/>',
        b"<row/>",
    ]
    assert all(ODD[row["offset"] :].startswith(row["row"]) for row in lost)
    assert (unknown, repaired) == ({"New": 1}, 1)
    for cut in range(len(ODD) + 3):
        left, right = read(ODD, stop=cut), read(ODD, start=cut)
        assert pa.concat_tables([left[0], right[0]]).equals(whole), cut
        assert left[1] + right[1] == lost, cut
        assert left[3] + right[3] == repaired
    for size in range(1, len(ODD)):
        rows, missed, new, mended = read(ODD, batch_bytes=size)
        assert rows.equals(whole) and (missed, new, mended) == (lost, unknown, repaired), size


# XML's characters, with those that are most likely to break a reader more often.
TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
        st.sampled_from("\t\n\r&<>\"' é\u0800\uffee\U00010000\U0010ffff|"),
    ),
    max_size=30,
)


def escaped(draw: st.DrawFn, text: str, quote: str) -> str:
    """One of the many ways to write a value."""
    names = {"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&apos;"}
    out = []
    for char in text:
        ways = [f"&#{ord(char)};", f"&#x{ord(char):X};", f"&#x00{ord(char):x};"]
        ways += [names[char]] if char in names else []
        if char not in "<&\t\n\r" and char != quote:
            ways += [char] * 3
        out.append(draw(st.sampled_from(ways)))
    return "".join(out)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, list[dict[str, Any]]]:
    expected, written = [], []
    for _ in range(draw(st.integers(0, 6))):
        moment = draw(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
        tags = draw(st.lists(st.text("abc#+.-é", min_size=1, max_size=4), max_size=3))
        values: dict[str, tuple[Any, str]] = {
            name: (value, value) for name in ("Body", "Title") if (value := draw(st.none() | TEXT)) is not None
        }
        if draw(st.booleans()):
            score = draw(st.integers(-(2**31), 2**31 - 1))
            values["Score"] = score, str(score)
        if draw(st.booleans()):
            mark = draw(st.sampled_from(["", "Z"]))
            values["CreationDate"] = moment, moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + mark
        if draw(st.booleans()):
            bars = "|" + "".join(f"{tag}|" for tag in tags)
            values["Tags"] = tags, bars if draw(st.booleans()) else "".join(f"<{tag}>" for tag in tags)
        identifier = draw(st.integers(-(2**63), 2**63 - 1))
        values["Id"] = identifier, str(identifier)
        pieces = ["<row"]
        for name in draw(st.permutations(list(values))):
            quote = draw(st.sampled_from("\"'"))
            space = draw(st.sampled_from([" ", "\n", "\r\n\t", "  "]))
            equals = draw(st.sampled_from(["=", "=", " = "]))
            pieces.append(f"{space}{name}{equals}{quote}{escaped(draw, values[name][1], quote)}{quote}")
        pieces.append(draw(st.sampled_from(["/>", " />", "></row>", " >\n</row >"])))
        written.append("".join(pieces))
        columns = {a.column: values[a.xml][0] for a in DUMP["posts"] if a.xml in values}
        expected.append({"site": "s", **{a.column: None for a in DUMP["posts"]}, **columns})
    gap = draw(st.sampled_from(["", "\n", "\r\n  ", "<!-- <row -->"]))
    return f"\ufeff<Posts>{gap}{gap.join(written)}{gap}</Posts>\n".encode(), expected


@settings(deadline=None, max_examples=80)
@given(files(), st.integers(1, 400), st.integers(20, 300), st.integers(1, 50))
def test_generated_rows(made: tuple[bytes, list[dict[str, Any]]], batch: int, cut: int, most: int) -> None:
    data, expected = made
    rows, lost, unknown, repaired = read(Trickle(data, most), batch_bytes=batch)
    assert rows.to_pylist() == expected
    assert (lost, unknown, repaired) == ([], {}, 0)
    parts = [read(data, start=at, stop=at + cut)[0] for at in range(0, len(data), cut)]
    assert pa.concat_tables(parts).equals(rows)
    wide = data[3:].decode().encode("utf-16-le")
    assert read(wide, batch_bytes=batch)[0].equals(rows)


class Failing(Trickle):
    """A stream whose storage fails at its end."""

    def read(self, size: int = -1) -> bytes:
        if self.at == len(self.data):
            raise OSError("the storage is gone")
        return super().read(size)


def steps(stream: BinaryIO, batch: int, threads: int) -> list[Any]:
    """All that the batches of a stream hold, each with where it ends; the error behind them, if there is one."""
    given: list[Any] = []
    try:
        for part in xml_rows.read(stream, table="posts", site="s", file="f", batch_bytes=batch, threads=threads):
            given.append(  # noqa: PERF401  what was given before the error counts
                (part.consumed, part.batch.to_pylist(), part.quarantine.to_pylist(), part.unknown, part.repairs)
            )
    except (InputError, OSError) as error:
        given.append(str(error))
    return given


def held(data: bytes, batch: int, threads: int) -> None:
    assert steps(Trickle(data, 333), batch, threads) == steps(io.BytesIO(data), batch, 1), batch
    assert steps(Failing(data, 50), batch, threads) == steps(Failing(data, 50), batch, 1), batch


@settings(deadline=None, max_examples=60)
@given(files(), st.integers(1, 400), st.integers(0, 2000), st.integers(2, 4))
def test_several_threads_give_the_batches_of_one(
    made: tuple[bytes, list[dict[str, Any]]], batch: int, cut: int, threads: int
) -> None:
    held(made[0], batch, threads)
    held(made[0][: max(30, cut)], batch, threads)


def test_several_threads_read_odd_rows_as_one_does() -> None:
    for size in range(1, len(ODD), 3):
        held(ODD, size, 3)
    rows = [
        f'<row Id="{number}" Body="{"<row" if number % 50 == 7 else "b" * (number % 90)}"/>' for number in range(400)
    ]
    rows.insert(200, f'<row Id="900" Body="{"long" * 5000}"/>')
    rows.insert(300, "</posts> <row")
    for size in (100, 1000, 5000):
        held(posts(*rows), size, 3)
    held(posts(*["x"] * 9000), 4000, 2)  # more reports than the kernel gives at once


def test_rows_are_scanned_on_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the last block of plain rows, which hold no surprise, is scanned on the thread that asks."""
    names = []
    scan = xml_rows._Scanner.scan

    def noted(self: Any, *given: Any) -> Any:
        names.append(threading.current_thread().name)
        return scan(self, *given)

    monkeypatch.setattr(xml_rows._Scanner, "scan", noted)
    data = posts(*(f'<row Id="{number}" Body="{"b" * (number % 90)}"/>' for number in range(4000)))
    rows = read(data, batch_bytes=5000, threads=3)[0]
    assert rows["post_id"].to_pylist() == list(range(4000))
    assert len(names) > 40 and not [name for name in names if not name.startswith("rows")]


def test_a_stream_may_be_left_while_threads_read_ahead() -> None:
    data = posts(*(f'<row Id="{number}"/>' for number in range(4000)))
    before = threading.active_count()
    batches = xml_rows.read(io.BytesIO(data), table="posts", site="s", file="f", batch_bytes=1000, threads=3)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=40), st.sampled_from(["Body", "Score", "Tags", "CreationDate", "Neu", "Id"]))
def test_arbitrary_bytes_in_a_value_are_read_repaired_or_quarantined(value: bytes, name: str) -> None:
    assume(b"<!--" not in value)  # a comment that is never closed ends the file
    row = b'<row Id="7" ' + name.encode() + b'="' + value + b'"/>'
    data = posts('<row Id="1"/>', row, '<row Id="2"/>')
    rows, lost, _, repaired = read(data)
    assert len(rows) + len(lost) >= 3
    assert rows["post_id"].to_pylist()[0] == 1 and rows["post_id"].to_pylist()[-1] == 2
    try:
        parsed = etree.fromstring(data)
    except etree.XMLSyntaxError:
        assert lost or repaired
    else:
        if name == "Body":
            assert rows["body"].to_pylist()[1] == parsed[1].get("Body")
            assert not lost and not repaired


@pytest.mark.parametrize(
    ("attribute", "column", "expected"),
    [
        ('CreationDate="2011-10-11T19:29:01.593"', "creation_date", datetime(2011, 10, 11, 19, 29, 1, 593000, UTC)),
        ('CreationDate="2011-10-11"', "creation_date", datetime(2011, 10, 11, tzinfo=UTC)),
        ('CreationDate="2012-02-29T00:00:00Z"', "creation_date", datetime(2012, 2, 29, tzinfo=UTC)),
        (
            'CreationDate="1969-12-31T23:59:59.9999999"',
            "creation_date",
            datetime(1969, 12, 31, 23, 59, 59, 999000, UTC),
        ),
        ('CreationDate="2000-01-01T00:00:00.5"', "creation_date", datetime(2000, 1, 1, 0, 0, 0, 500000, UTC)),
        ('CreationDate=""', "creation_date", None),
        ('Score=""', "score", None),
        ('Score=" +5 "', "score", 5),
        ('Score="&#45;5"', "score", -5),
        ('OwnerUserId="-9223372036854775808"', "owner_user_id", -(2**63)),
        ('Body=""', "body", ""),
        ('Title="a\r\nb\tc\rd&#xA;e&#13;&#10;"', "title", "a b c d\ne\r\n"),
        ('Title="&amp;lt; it\'s > ]]>"', "title", "&lt; it's > ]]>"),
        ('Tags=""', "tags", []),
        ('Tags="&lt;c#&gt;&lt;.net&gt;"', "tags", ["c#", ".net"]),
        ('Tags="<a>"', None, "not well-formed"),
        ('Tags="|c#|.net|"', "tags", ["c#", ".net"]),
        ('Tags="c#"', None, "Tags='c#'"),
        ('Score="abc"', None, "Score='abc'"),
        ('Score="2147483648"', None, "Score='2147483648'"),
        ('OwnerUserId="9223372036854775808"', None, "OwnerUserId='9223372036854775808'"),
        ('CreationDate="2011-02-29T00:00:00"', None, "CreationDate='2011-02-29T00:00:00'"),
        ('CreationDate="2011-13-01"', None, "CreationDate="),
        ('CreationDate="2011-10-11T24:00:00"', None, "CreationDate="),
        ('CreationDate="0000-01-01"', None, "CreationDate="),
        ('Title="&foo;"', None, "&foo;"),
        ('Title="a & b"', None, "not well-formed"),
        ('Title="a<b"', None, "not well-formed"),
        ('Title="a"Score="1"', None, "not well-formed"),
        ('Title="say "hi" there"', None, "not well-formed"),
        ('Title="a" Title="b"', None, "not well-formed"),
        ('Neu="a" Neu="b"', None, "not well-formed"),
        ('Id="8"', None, "not well-formed"),
    ],
)
def test_a_value(attribute: str, column: str | None, expected: Any) -> None:
    data = posts('<row Id="1"/>', f'<row Id="7" {attribute} />', '<row Id="2"/>')
    rows, lost, _, repaired = read(data)
    assert repaired == 0
    if column is None:
        assert rows["post_id"].to_pylist() == [1, 2]
        (row,) = lost
        assert expected in row["reason"]
        assert row["row"] == f'<row Id="7" {attribute} />'.encode()
        assert (row["site"], row["table"], row["file"]) == ("s", "posts", "f.xml")
    else:
        assert rows["post_id"].to_pylist() == [1, 7, 2] and not lost
        assert rows[column].to_pylist()[1] == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('<row Title="a"/>', "Id is missing"),
        ('<row Id=""/>', "Id is missing or empty"),
        ('<row Id="99999999999999999999"/>', "Id="),
        ('<row Id="1.5"/>', "Id="),
        ('<row Id="1">text</row>', "more than its attributes"),
        ('<row Id="1"/></row>', "neither"),
        ('<rwo Id="1"/>', "neither"),
        ("text", "neither"),
    ],
)
def test_what_is_no_row_is_kept_in_quarantine(row: str, reason: str) -> None:
    _, lost, _, _ = read(posts(row))
    assert len(lost) == 1 and reason in lost[0]["reason"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a&#x00;b", "a\ufffdb"),
        (b"&#0;&#11;&#xFFFF;&#xD800;&#1114112;&#99999999999999;", "\ufffd" * 6),
        (b"a\x00\x1fb", "a\ufffd\ufffdb"),
        (b"\xff\xe9t\xe9", "\ufffd\ufffdt\ufffd"),
        (b"\xc0\xaf", "\ufffd\ufffd"),
        (b"\xed\xa0\x80", "\ufffd"),
        (b"\xef\xbf\xbf", "\ufffd"),
        ("é".encode() + b"\xe2\x82", "é\ufffd"),
    ],
)
def test_illegal_characters_are_replaced_and_counted(value: bytes, expected: str) -> None:
    rows, lost, _, repaired = read(posts('<row Id="1" Body="x"/>', b'<row Id="2" Body="%s"/>' % value, '<row Id="3"/>'))
    assert rows["body"].to_pylist() == ["x", expected, None]
    assert (lost, repaired) == ([], 1)


ROW = '<row Id="1" Body="&lt;p&gt;ä\U0001f600" />'
LICENCE = "<!--\n several lines, even\n <row Id='9' />\n <posts> -->\r\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (f"<posts>{ROW}</posts>".encode(), "utf-8"),
        (f"\ufeff<?xml version='1.0'?>\r\n<posts>\r\n{ROW}\r\n</posts>\r\n".encode(), "utf-8-sig"),
        (f"<?xml version='1.0' encoding='UTF-8'?>\n{LICENCE}<posts>{ROW}</posts>".encode(), "utf-8"),
        (f"{LICENCE}\n<postswithdeleted a='>'>{ROW}</postswithdeleted>\n{LICENCE}".encode(), "utf-8"),
        (f"<Posts>{ROW}</Posts>".encode(), "utf-8"),
        (f"<!DOCTYPE posts SYSTEM 'a[>.dtd'><posts >{ROW}</posts >".encode(), "utf-8"),
        (f"<?xml version='1.0' encoding='utf-16'?>\r\n<posts>{ROW}</posts>".encode("utf-16-le"), "utf-16-le"),
        (f"\ufeff{LICENCE}<posts>{ROW}</posts>".encode("utf-16-le"), "utf-16-le"),
        (f"\ufeff<posts>{ROW}</posts>".encode("utf-16-be"), "utf-16-be"),
        (f"<posts>{ROW}</posts>".encode("utf-16-be"), "utf-16-be"),
    ],
)
def test_headers(data: bytes, encoding: str) -> None:
    seen = xml_rows.sniff(data)
    assert (seen.encoding, seen.table, seen.problem) == (encoding, "posts", None)
    assert re.fullmatch(rb"(?i)<posts(withdeleted a='>')?\s*>", seen.opening)
    for size in (1, 64, 1 << 20):
        rows, lost, _, _ = read(Trickle(data), batch_bytes=size)
        assert rows.select(["post_id", "body"]).to_pylist() == [{"post_id": 1, "body": "<p>ä\U0001f600"}]
        assert not lost
    if encoding.startswith("utf-8"):
        assert data[: seen.end].endswith(seen.opening)
        for cut in range(len(data)):
            assert len(read(data, start=cut)[0]) + len(read(data, stop=cut)[0]) == 1


def test_a_lone_surrogate_of_utf16_is_repaired() -> None:
    data = '<posts><row Id="1" Body="a\ud800b"/></posts>'.encode("utf-16-le", "surrogatepass")
    rows, lost, _, repaired = read(data)
    assert (rows["body"].to_pylist(), lost, repaired) == (["a\ufffdb"], [], 1)


def test_utf16_is_not_read_in_parts() -> None:
    with pytest.raises(InputError, match="UTF-16, which can't be read in parts"):
        read("<posts/>".encode("utf-16-le"), start=100)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "f.xml: is empty"),
        (b"<!DOCTYPE html>\n<html lang=en><body>", "HTML page"),
        (b"<feed><row Id='1'/></feed>", "<feed>"),
        (b'{"items": []}', "begins with"),
        (bytes(range(256)), "begins with"),
        (b"\x89PNG\r\n", "begins with"),
        (b"<?xml version='1.0'?>\n<!-- a", "ends before its root element"),
        (b"<?xml version='1.0' encoding='iso-8859-1'?><posts/>", "iso-8859-1"),
        (b"<!DOCTYPE posts [<!ENTITY a 'b'>]><posts><row Id='1' Body='&a;'/></posts>", "internal subset"),
        (b"<users></users>", "of the table users, not of posts"),
        (b"<!--" + b" " * (2 << 20), "no root element within 1 MB"),
    ],
)
def test_what_is_no_dump_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        read(data)


def test_a_dump_without_rows() -> None:
    for data in (b"<posts></posts>", b"<posts />", b"\xef\xbb\xbf<?xml version='1.0'?>\r\n<posts>\r\n</posts>\r\n"):
        rows, lost, _, _ = read(data)
        assert len(rows) == 0 and not lost


def test_a_truncated_file_gives_its_complete_rows_and_then_says_so() -> None:
    data = posts('<row Id="1" Body="a" />', '<row Id="2" Body="&#0;"/>', '<row Id="3" Body="&amp;"></row>')
    begins = [m.start() for m in re.finditer(b"<row ", data)]
    ends = [data.index(b"/>") + 2, data.index(b"/>", begins[1]) + 2, data.index(b"</row>") + 6]
    for cut in range(data.index(b"<posts>") + 7, len(data)):
        for size in (1, 1 << 20):
            batches: list[xml_rows.ParsedRows] = []
            with pytest.raises(InputError, match=r"f\.xml: ends .*byte \d+.*truncated; download it again") as error:
                for batch in xml_rows.read(
                    io.BytesIO(data[:cut]), table="posts", site="s", file="f.xml", batch_bytes=size
                ):
                    batches.append(batch)  # noqa: PERF402  what was given before the error counts
            complete = [i + 1 for i, end in enumerate(ends) if end <= cut]
            assert gather(batches, "posts")[0]["post_id"].to_pylist() == complete, cut
            inside = [b for b, e in zip(begins, ends, strict=True) if b + 5 <= cut < e]
            if inside:
                assert f"inside a row that begins at byte {inside[0]}" in str(error.value)
            else:
                assert "without </posts>" in str(error.value) or data[:cut].endswith(b"<row")
    with pytest.raises(InputError, match="without </posts>"):
        read(data[: ends[2]], start=ends[2])


def test_unknown_attributes_are_counted_and_their_rows_read() -> None:
    new = " ".join(f'New{i}="{i}"' for i in range(100))
    rows, lost, unknown, _ = read(posts('<row Id="1" Neu="&lt;"/>', '<row Neu="" Id="2"/>', f'<row Id="3" {new}/>'))
    assert rows["post_id"].to_pylist() == [1, 2, 3] and not lost
    assert unknown == {"Neu": 2, **{f"New{i}": 1 for i in range(100)}}


def test_namespaces_of_the_root_are_known_to_rows_that_use_them() -> None:
    data = b'<posts xmlns:x="urn:x"><row Id="1" x:y="2" Body="b"/></posts>'
    rows, lost, unknown, _ = read(data)
    assert rows["body"].to_pylist() == ["b"] and not lost and unknown == {"{urn:x}y": 1}


def test_a_row_longer_than_a_batch() -> None:
    body = "0123456789" * 1_200_000
    data = posts('<row Id="1"/>', f'<row Id="2" Body="{body}"/>', f'<row Id="3" Body="{body}&#0;"/>', '<row Id="4"/>')
    rows, lost, _, repaired = read(data, batch_bytes=1 << 16)
    assert rows["body"].to_pylist() == [None, body, body + "\ufffd", None]
    assert (lost, repaired) == ([], 1)
    begin = data.index(b'<row Id="2"')
    with pytest.raises(InputError, match=f"byte {begin} goes on for more than 100000 bytes: it isn't a dump"):
        read(data, batch_bytes=1 << 10, row_bytes=100_000)


def test_booleans_and_the_other_tables() -> None:
    data = b'<badges><row Id="1" TagBased="True"/><row Id="2" TagBased="false"/><row Id="3" TagBased=""/></badges>'
    assert read(data, "badges")[0]["tag_based"].to_pylist() == [True, False, None]
    assert "TagBased='1'" in read(b'<badges><row Id="1" TagBased="1"/></badges>', "badges")[1][0]["reason"]


def test_a_row_longer_than_the_limit_goes_to_the_quarantine() -> None:
    short = '<row Id="1" PostTypeId="1" Body="a" />'
    long = f'<row Id="2" PostTypeId="1" Body="{"a" * 2000}" />'
    other = f'<row Id="3" PostTypeId="1" Body="&nbsp;{"a" * 2000}" />'  # left to the careful reader
    data = f"<posts>{short}{long}{short.replace('1', '4', 1)}{other}</posts>".encode()
    (read,) = xml_rows.read(io.BytesIO(data), table="posts", site="s", file="f", longest=2000)
    assert read.batch["post_id"].to_pylist() == [1, 4]
    assert read.quarantine["row"].to_pylist() == [long.encode(), other.encode()]
    assert read.quarantine["reason"].to_pylist() == ["longer than 1 kB, the limit of read.row_kb"] * 2
    assert read.quarantine["offset"].to_pylist() == [data.index(long.encode()), data.index(other.encode())]


def test_damaged_text_is_told_from_characters_that_xml_forbids() -> None:
    rows = ['<row Id="1" Title="caf\u00e9 &#1;"/>', '<row Id="2" Title="b"/>', '<row Id="3" Title="caf\u00e9"/>']
    data = posts(rows[0], rows[1], rows[2].encode("cp1252"))
    (batch,) = xml_rows.read(io.BytesIO(data), table="posts", site="s", file="f.xml")
    assert batch.batch["title"].to_pylist() == ["caf\u00e9 \ufffd", "b", "caf\ufffd"]
    places = {xml_rows.FORBIDDEN: data.index(b'<row Id="1'), xml_rows.NOT_UTF8: data.index(b'<row Id="3')}
    assert [(entry["reason"], entry["offset"], entry["file"]) for entry in batch.repairs] == [
        (reason, place, "f.xml") for reason, place in places.items()
    ]


def test_a_row_of_very_many_attributes_is_quarantined() -> None:
    few, many = (" ".join(f'A{number}="1"' for number in range(count)) for count in (900, 1100))
    row = '<row Id="{}" PostTypeId="1" Title="=\'1\'{}" {} />'
    rows, lost, unknown, _ = read(posts(row.format(1, "='1'" * 2000, few), row.format(2, "", many)))
    assert rows["post_id"].to_pylist() == [1] and len(unknown) == 900
    assert [entry["reason"] for entry in lost] == ["more than 1,000 attributes"]
