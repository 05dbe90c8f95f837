"""Personal data: detection never raises, spans are apart, placeholders are consistent, nothing is found once more."""

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.fuzz.engine import Target, same, text
from socorpus.corpus import schema
from socorpus.corpus.config import Privacy
from socorpus.corpus.documents.spans import UNWANTED
from socorpus.corpus.privacy import detect, display, redact
from tests.corpus import making

_CONFIG = Privacy()
_PLACEHOLDER = re.compile(r"\[([A-Z_]+)_(\d+)\]")


def _spans(table: pa.Table, row: int) -> list[dict[str, Any]]:
    spans: list[dict[str, Any]] = detect.find(table, _CONFIG)["spans"][row].as_py()
    return spans


def check(data: bytes) -> None:
    """NUL bytes part title, prose, code and comment."""
    title, prose, code, comment = [*(UNWANTED.sub("\ufffd", text(part)) for part in data.split(b"\0", 3)), "", "", ""][
        :4
    ]
    parts = [("prose", prose), ("code", code), ("comment", comment)]
    table = making.documents([{"title": title, "parts": [part for part in parts if part[1]] or [("prose", "")]}])
    neighbour = making.documents([{"parts": [("prose", "a@acme.com " * 3)]}])
    rows = pa.concat_tables([neighbour, table, neighbour])
    source = table["text"][0].as_py()
    found = detect.find(rows, _CONFIG)
    spans = found["spans"][1].as_py()
    same(spans, _spans(table, 0), "spans beside other rows")
    for name, whole in (("text", source), ("title", title)):
        own = [(span["start"], span["end"], span["kind"]) for span in spans if span["field"] == name]
        assert all(0 <= start < end <= len(whole) for start, end, _ in own), own
        assert all(a[1] <= b[0] for a, b in pairwise(own)), own
        numbers: dict[tuple[str, str], str] = {}
        for start, end, placeholder in redact.placeholders(whole, own):
            match = _PLACEHOLDER.fullmatch(placeholder)
            assert match is not None, placeholder
            value = whole[start:end].casefold() if match[1] in ("EMAIL", "USER") else whole[start:end]
            same(numbers.setdefault((match[1], value), placeholder), placeholder, "placeholders of one value")
        assert len(set(numbers.values())) == len(numbers), "one placeholder of two values"
    redacted = redact.table(rows, found)
    redacted.validate(full=True)
    clean = redacted.slice(1, 1)
    assert redacted.schema.equals(schema.DOCUMENTS)
    again = _spans(clean, 0)
    same(again, [], f"found in {clean['text'][0].as_py()!r}, {clean['title'][0].as_py()!r}")
    ends = [(part["start"], part["end"]) for part in clean["segments"][0].as_py()]
    assert all(start < end for start, end in ends) and all(a[1] <= b[0] for a, b in pairwise(ends)), ends
    assert np.all(np.array(ends).reshape(-1, 2) <= len(clean["text"][0].as_py()))
    row = {name: table[name][0].as_py() for name in redact.COLUMNS}
    (shown,) = display.documents([row], [spans])
    same(shown.text, clean["text"][0].as_py(), "shown and redacted")


TARGET = Target(
    "privacy",
    check,
    seeds=[
        (
            b"Mail to a@acme.com\0My key is AKIAIOSFODNN7EXAMPLF, call +49 30 1234567 or me@acme.com.\0"
            b'password = "k9Lm2qWz7"\nhttp://user:pa55w0rd@host.com/x\n\0@jane see bob (at) acme.org, @[USER_1]'
        ),
        (
            b"\0-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1234567890abcdef\n-----END RSA PRIVATE KEY-----\n\0"
            b"export GITHUB_TOKEN=ghp_16C7e42F292c6912E7710c838347Ae178B4a\n\0[EMAIL_1] [SECRET_2] @ann @Ann"
        ),
        (
            b"\0Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3\0"
            b"curl -u admin:hunter22 2001:db8::ff00:42:8329 4111 1111 1111 1111 DE89370400440532013000\0"
        ),
    ],
    tokens=[
        *(b"\0", b"@", b"a@acme.com", b"@ann", b"@Ann ", b" (at) ", b" dot ", b".com", b"mailto:", b"+49 30 1234567"),
        *(
            b"password",
            b"passwd=",
            b"pwd: ",
            b"secret",
            b"api_key",
            b"token",
            b" = ",
            b":",
            b'"',
            b"'",
            b"=",
            b";",
            b"<",
            b">",
        ),
        *(
            b"k9Lm2qWz7",
            b"hunter22",
            b"ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            b"AKIAIOSFODNN7EXAMPLF",
            b"sk-",
            b"xoxb-",
        ),
        *(
            b"-----BEGIN PRIVATE KEY-----\n",
            b"-----END PRIVATE KEY-----",
            b"MIIEpAIBAAKC",
            b"http://u:p4ssw0rd@h/",
            b"://",
        ),
        *(b"10.1.2.3", b"::1", b"2001:db8::1", b"127.0.0.1", b"1.2.3.4.5", b"00:1a:2b:3c:4d:5e", b"Bearer ", b"Basic "),
        *(
            b"[EMAIL_1]",
            b"[USER_2]",
            b"[",
            b"]",
            b"_1]",
            b"[SECRET_",
            b"\xee\x80\x80",
            b"(",
            b")",
            b"{",
            b"}",
            b"\\",
            b"/",
            b",",
        ),
        *(b" ", b"\n", b"\t", b"1", b"23", b"-", b".", b"+", b"x", b"\xc3\xa9", b"\xe2\x80\xa6", b"version ", b"ip "),
    ],
)
