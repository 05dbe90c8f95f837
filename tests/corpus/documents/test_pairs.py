"""Code-text pairs of documents built from rows, with and without placeholders."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from socorpus.corpus import schema
from socorpus.corpus.config import Documents
from socorpus.corpus.documents import build as documents_build
from socorpus.corpus.documents import html, pairs

Row = dict[str, Any]


def _documents(bodies: list[str], title: str | None = "How?") -> pa.Table:
    rows = [
        {"site": "s", "post_id": number, "post_type_id": 1, "title": title, "tags": ["python"], "body": body}
        | {"creation_date": datetime(2020, 1, 1, tzinfo=UTC)}
        for number, body in enumerate(bodies, 1)
    ]
    comments = [{"site": "s", "comment_id": 1, "post_id": 1, "text": "and `this` too"}]
    return documents_build.build(
        pa.Table.from_pylist(rows, schema=schema.dump_schema("posts")),
        pa.Table.from_pylist(comments, schema=schema.dump_schema("comments")),
        None,
        None,
        site="s",
        host="h",
        config=Documents(),
    )


def _pairs(table: pa.Table, spans: list[list[Row]] | None = None) -> list[Row]:
    privacy = None
    if spans is not None:
        columns = [table.column(name) for name in ("site", "post_id")]
        column = pa.array(spans, schema.SIGNALS["privacy"].field("spans").type)
        privacy = pa.table([*columns, column], schema=schema.SIGNALS["privacy"])
    made = pairs.build(table, privacy)
    made.validate(full=True)
    schema.check(made.schema, schema.PAIRS, "pairs")
    rows: list[Row] = made.to_pylist()
    return rows


BODY = (
    "<p>First <code>f</code>:</p>\n\n<pre><code>  a = 1\n</code></pre>\n\n<blockquote><p>said</p></blockquote>\n\n"
    "<pre><code> \n</code></pre><p>then</p><pre><code>b\n</code></pre>\n\n<p>end</p>"
)


def test_each_block_with_the_prose_around_it() -> None:
    first, second = _pairs(_documents([BODY, "<p>no code</p>"]))
    assert first == {
        "site": "s",
        "post_id": 1,
        "block": 0,
        "code": "  a = 1\n",
        "language": "python",
        "title": "How?",
        "before": "First f:",
        "after": "said",
    }
    # The block of white space has a number and no row; the comment is none of `after`.
    assert (second["block"], second["code"], second["before"], second["after"]) == (2, "b\n", "then", "end")


def test_no_documents_and_no_code() -> None:
    assert _pairs(_documents([])) == []
    assert _pairs(_documents(["<p>x</p>", ""])) == []
    assert _pairs(_documents(["<pre><code>x</code></pre>"], None)) == [
        {**_pairs(_documents(["<pre><code>x</code></pre>"]))[0], "title": None}
    ]


def test_blocks_are_found_in_slices_and_chunks() -> None:
    table = _documents([BODY, "<p>no</p>", "<pre><code>x</code></pre>"])
    whole = _pairs(table)
    assert _pairs(pa.concat_tables([table.slice(0, 1), table.slice(1, 2)])) == whole
    assert _pairs(table.slice(1)) == [row for row in whole if row["post_id"] > 1]


def test_private_spans_are_replaced_alike_everywhere() -> None:
    table = _documents(["<p>to a@b.c or d@e.f</p><pre><code>send(a@b.c)\n</code></pre><p>d@e.f</p>"], "for a@b.c")
    text = table.column("text")[0].as_py()
    found = []
    for address in ("a@b.c", "d@e.f"):
        start = -1
        while (start := text.find(address, start + 1)) >= 0:
            found.append({"field": "text", "start": start, "end": start + 5, "kind": "email"})
    found.append({"field": "title", "start": 4, "end": 9, "kind": "email"})
    (pair,) = _pairs(table, [found])
    one, two = pair["before"].split()[1::2]
    assert one != two
    assert (pair["code"], pair["after"]) == (f"send({one})\n", two)
    assert pair["title"].startswith("for ")
    assert "@" not in "".join((pair["code"], pair["before"], pair["after"], pair["title"]))
    (plain,) = _pairs(table, [[]])
    assert plain == _pairs(table)[0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.text("ab \n<é", min_size=1, max_size=9)), max_size=6))
def test_pairs_hold_all_of_a_posts_text(parts: list[tuple[bool, str]]) -> None:
    pieces = [text.replace("<", "&lt;") for _, text in parts]
    body = "".join(
        f"<pre><code>{text}</code></pre>" if code else f"<p>{text}</p>"
        for (code, _), text in zip(parts, pieces, strict=True)
    )
    table = _documents(["", body])
    text = table.column("text")[1].as_py()
    made = _pairs(table)
    assert [row["code"] for row in made] == [text for code, text in parts if code and not text.isspace()]
    for row in made:
        assert row["before"] in text
        assert row["after"] in text
        assert row["before"] == row["before"].strip()
    if made and all(not text.isspace() for code, text in parts if code):
        whole = made[0]["before"] + "".join(row["code"] + row["after"] for row in made)
        assert "".join(whole.split()) == "".join(text.split())


@pytest.fixture(scope="module")
def bodies(real_data: Path) -> list[str]:
    file = real_data / "dumps" / "cardano.stackexchange.com-2021-12" / "Posts.xml"
    return [row.get("Body") for _, row in etree.iterparse(file, tag="row")]


def test_real_blocks(bodies: list[str]) -> None:
    expected = []
    for body in bodies:
        marked = html.html(body)
        expected += [marked.text[start:end] for kind, start, end, _ in marked.segments if kind == "code"]
    made = _pairs(_documents(bodies))
    assert len(made) > 500
    assert [row["code"] for row in made] == [code for code in expected if not code.isspace()]
