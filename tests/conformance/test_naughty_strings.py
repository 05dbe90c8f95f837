"""The big list of naughty strings, in each place of a dump where people write: nothing is lost, nothing fails."""

import io
import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import pyarrow as pa
import pytest

from socorpus.corpus import config, schema
from socorpus.corpus.documents import build
from socorpus.corpus.dump import xml_rows
from socorpus.corpus.privacy import detect, redact
from socorpus.corpus.signals import statistics
from socorpus.corpus.tokenizer import bpe
from tests.conformance.conftest import Tally

SITE = "naughty.example.org"
# What XML 1.0 (section 2.2) can't hold; the row reader repairs it, and counts that.
_FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Strings that a comment doesn't give back though its signs are escaped, by where they begin, and why that stays.
_ACCEPTED = {"<a href=http://foo.bar/#x=`y>": "an address goes on over the backslash, so that the backtick opens code"}
# Tags stand between these.
_NO_TAG = re.compile(r"[<>|\s]")


@pytest.fixture(scope="module")
def strings(suites: Path) -> list[str]:
    return [text for text in json.loads((suites / "blns.json").read_text("utf-8")) if text]


def _attribute(text: str) -> str:
    """A value of an attribute: white space by number, as XML would make spaces of it."""
    return re.sub(r"[\t\n\r]", lambda match: f"&#{ord(match[0])};", escape(text))


def _rows(table: str, rows: Sequence[dict[str, str]]) -> pa.Table:
    lines = ["<row " + " ".join(f'{name}="{_attribute(text)}"' for name, text in row.items()) + " />" for row in rows]
    data = f'<?xml version="1.0" encoding="utf-8"?>\n<{table}>\n' + "\n".join(lines) + f"\n</{table}>"
    parts = list(xml_rows.read(io.BytesIO(data.encode()), table=table, site=SITE, file=f"{table}.xml"))
    assert not any(part.quarantine.num_rows for part in parts)
    return pa.concat_tables(part.batch for part in parts)


@pytest.fixture(scope="module")
def documents(strings: list[str]) -> pa.Table:
    """One question a string, which is its title, its tag, its author, text, code, code in a line, and a comment."""
    day = "2020-01-01T00:00:00.000"
    posts, comments = [], []
    for number, text in enumerate(strings, 1):
        inner = escape(text, quote=False)
        posts.append(
            {
                "Id": str(number),
                "PostTypeId": "1",
                "CreationDate": day,
                "Score": "0",
                "Title": text,
                "Body": f"<p>{inner}</p>\n\n<pre><code>{inner}</code></pre>\n\n<p>So <code>{inner}</code> it is</p>\n",
                "Tags": "|plain|" if _NO_TAG.search(text) else f"|{text}|",
                "OwnerDisplayName": text,
            }
        )
        signs = re.sub(r"[\\`*_\[]", r"\\\g<0>", text.replace("&", "&amp;"))
        comments.append(
            {"Id": str(number), "PostId": str(number), "CreationDate": day, "Score": "0", "Text": f"So {signs}"}
        )
    tables = (_rows("posts", posts), _rows("comments", comments))
    return build.build(*tables, None, None, site=SITE, host=SITE, config=config.Documents())


def _flat(text: str) -> str:
    return " ".join(text.split())


def test_every_string_is_exact_in_every_place(strings: list[str], documents: pa.Table, tally: Tally) -> None:
    right, wrong = 0, []
    for string, row in zip(strings, documents.to_pylist(), strict=True):
        expected = _FORBIDDEN.sub("\ufffd", string)
        own = row["text"][: row["own_end"]]
        parts = [
            (part["kind"], own[part["start"] : part["end"]]) for part in row["segments"] if part["start"] < len(own)
        ]
        code, inline = ([text for kind, text in parts if kind == wanted] for wanted in ("code", "inline_code"))
        places = {
            "body": own.startswith(_flat(expected)),
            "code": code == [expected],
            "inline code": inline == ([_flat(expected)] if expected.strip() else []),
            "title": row["title"] == expected,
            "author": row["author"] == expected,
            "tag": row["tags"] == ["plain" if _NO_TAG.search(string) else expected],
            "comment": row["text"][row["own_end"] :].strip() == _flat(f"So {expected}"),
        }
        right += sum(places.values())
        wrong += [(string, place) for place, same in places.items() if not same]
    tally("naughty strings, seven places each", right, right + len(wrong))
    assert all(place == "comment" and string.startswith(tuple(_ACCEPTED)) for string, place in wrong), wrong
    assert len(wrong) == len(_ACCEPTED)


def test_every_string_passes_the_later_stages(strings: list[str], documents: pa.Table, tally: Tally) -> None:
    found = detect.find(documents, config.Privacy())
    redacted = redact.table(documents, found)
    assert detect.find(redacted, config.Privacy())["spans"].combine_chunks().flatten().to_pylist() == []
    assert statistics.find(documents).num_rows == len(strings)
    tokenizer = bpe.train(documents["text"].to_pylist(), 500)
    ids = bpe.encode(tokenizer, documents["text"])
    back = tokenizer.decode_batch(ids.to_pylist(), skip_special_tokens=False)
    same = sum(text == again for text, again in zip(documents["text"].to_pylist(), back, strict=True))
    tally("naughty strings, through the tokenizer and back", same, len(strings))
    assert same == len(strings)
    assert redacted.schema.equals(schema.DOCUMENTS)
