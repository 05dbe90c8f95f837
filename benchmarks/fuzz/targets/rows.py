"""Rows of a dump: the compiled kernel against lxml, whatever the batches and wherever the file is cut."""

import io
import re
from collections import Counter
from typing import Any

import pyarrow as pa

from benchmarks.fuzz.engine import Target, same
from socorpus.corpus.dump import xml_rows
from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import dump_schema

_OPENING = b'<?xml version="1.0" encoding="utf-8"?>\n<posts xmlns:slow="s">'
_ROW = re.compile(rb"<row(?=[ \t\r\n/>])")
# An attribute with a colon, which the kernel leaves to lxml.
_SLOW = b'<row slow:ly=""'
Read = tuple[pa.Table, list[tuple[int, bytes, str]], Counter[str], int]


def read(data: bytes, **options: Any) -> Read | None:
    """Rows, what is quarantined, unknown attributes and the number of repaired rows; None: refused."""
    try:
        batches = list(xml_rows.read(io.BytesIO(data), table="posts", site="s", file="f.xml", **options))
    except InputError:
        return None
    rows = pa.concat_tables([dump_schema("posts").empty_table(), *(part.batch for part in batches)])
    rows.validate(full=True)
    lost = [(row["offset"], row["row"], row["reason"]) for part in batches for row in part.quarantine.to_pylist()]
    unknown: Counter[str] = Counter()
    for part in batches:
        unknown.update(part.unknown)
    return rows, lost, unknown, sum(part.repaired for part in batches)


def check(data: bytes) -> None:
    """The kernel and lxml read the same of what stands between the root's tags."""
    size = 1 + (data[0] if data else 0)
    inner = data[1:]
    if b"slow" in inner:  # atheris finds out about the attribute, and twice is once too often
        return
    whole = _OPENING + inner + b"</posts>"
    read_fast = read(whole)
    read_slowly = read(_OPENING + _ROW.sub(_SLOW, inner) + b"</posts>")
    if read_fast is None or read_slowly is None:
        assert read_fast is read_slowly, "one of the readers refuses"
        return
    rows, lost, unknown, repaired = read_fast
    slow_rows, slow_lost, slow_unknown, slow_repaired = read_slowly
    same(rows.to_pylist(), slow_rows.to_pylist(), "rows of the kernel and of lxml")
    same(len(lost), len(slow_lost), "rows that can't be read")
    same(repaired, slow_repaired, "repaired rows")
    same(unknown, Counter({n: c for n, c in slow_unknown.items() if n != "{s}ly"}), "unknown attributes")
    assert all(whole[offset:].startswith(raw) for offset, raw, _ in lost)
    batched = read(whole, batch_bytes=size)
    assert batched is not None
    assert batched[0].equals(rows) and batched[1:] == read_fast[1:], "batches of another size"
    # A comment that begins far before a cut, or in a value, may hide it: then the cut is not tried.
    if b"<!--" not in inner:
        cut = len(_OPENING) + size % (len(inner) + 1)
        left, right = read(whole, stop=cut), read(whole, start=cut)
        assert left is not None and right is not None
        assert pa.concat_tables([left[0], right[0]]).equals(rows), "parts"
        same(left[1] + right[1], lost, "unreadable rows of parts")


_NAMES = ("Id", "PostTypeId", "ParentId", "CreationDate", "Score", "Body", "Tags", "Title", "OwnerUserId", "New", "ID")
TARGET = Target(
    "rows",
    check,
    seeds=[
        (
            b'\x40\n<row Id="1" PostTypeId="1" CreationDate="2010-08-02T19:22:02.593" Score="-3"'
            b' Body="&lt;p&gt;a&#xA;&lt;/p&gt;" Tags="&lt;a&gt;&lt;b&gt;" Title="T" />\n<row Id="2" ParentId="1" />\n'
        ),
        b'\x07<row Id=\'3\'\n Body=\'x>"y\'></row><row Id="4" Tags="|a|b|" New="1"> </row >',
        b'\x11<!-- <row Id="99" /> --><row Id="5" Body="1 < 2"/><row/> stray <other a="1"/><row Id="6" Id="6"/>',
        b'\x21<row Id="7" CreationDate="2012-02-29T00:00:00Z" ClosedDate="1969-12-31" Body="&#x0;\x0b&#55357;"/>',
    ],
    tokens=[
        *(f' {name}="'.encode() for name in _NAMES),
        *(
            b"<row",
            b"/>",
            b" />",
            b"></row>",
            b"</row>",
            b"</posts>",
            b"<!--",
            b"-->",
            b"<other>",
            b"<?x?>",
            b"<![CDATA[",
        ),
        *(b'"', b"'", b"=", b" ", b"\n", b"\t", b"\r\n", b"\r", b">", b"<", b"&", b";", b"]]>"),
        *(
            b"&lt;",
            b"&gt;",
            b"&amp;",
            b"&quot;",
            b"&apos;",
            b"&#10;",
            b"&#xA;",
            b"&#0;",
            b"&#xD800;",
            b"&#x110000;",
            b"&e;",
        ),
        *(
            b"&#x1F600;",
            b"&#1114111;",
            b"&#xFFFF;",
            b"&#00065;",
            b"1",
            b"-1",
            b"+1",
            b"2147483648",
            b"9223372036854775807",
        ),
        *(
            b"true",
            b"False",
            b"2010-08-02T19:22:02.593",
            b"2010-08-02",
            b"0001-01-01T00:00:00",
            b"9999-12-31T23:59:59.9999999",
        ),
        *(
            b"2012-02-30",
            b"T24:00:00",
            b"Z",
            b"<a><b>",
            b"&lt;a&gt;&lt;b&gt;",
            b"|a|b|",
            b"|",
            b"x",
            b'xmlns:x="u"',
            b"x:y",
        ),
        *(b"\xed\xa0\x80", b"\xff", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xef\xbf\xbf", b"\xc2\x85", b"\xe2\x80\xa8"),
    ],
)
