"""Time is bounded: every step over a document is linear, or n log n, in its length.

Each step reads inputs that are hard for it, once of some length and once of twice that length: processor time may grow
by no more than a little over two. Lengths are chosen so that the shorter input takes milliseconds.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pytest

from socorpus.corpus.config import Privacy
from socorpus.corpus.privacy import detect, redact
from tests.corpus import making

Make = Callable[[int], Any]
"""An input of about so many characters."""

_MOST_RATIO = 2.6
_LEAST_SECONDS = 0.006
_MOST_CHARACTERS = 1 << 17


def repeated(piece: str, before: str = "", after: str = "") -> Make:
    return lambda size: before + piece * (size // len(piece)) + after


def numbered(piece: str, before: str = "", after: str = "") -> Make:
    """Pieces with a number in place of each #."""
    return lambda size: before + "".join(piece.replace("#", str(i)) for i in range(size // (len(piece) + 4))) + after


def _seconds(step: Callable[[Any], object], value: Any, runs: int = 3) -> float:
    least = float("inf")
    for _ in range(runs):
        begun = time.process_time()
        step(value)
        least = min(least, time.process_time() - begun)
    return least


def _ratio(step: Callable[[Any], object], make: Make) -> float:
    """Processor time of an input of twice the length over that of a length that takes milliseconds."""
    size = 1 << 11
    while (seconds := _seconds(step, make(size))) < _LEAST_SECONDS and size < _MOST_CHARACTERS:
        size *= 2
    return _seconds(step, make(2 * size)) / max(seconds, 1e-4)


_PEM, _PEM_END = "-----BEGIN PRIVATE KEY-----\n", "-----END PRIVATE KEY-----\n"
_KEY = "q7Rk2ZtXb9LmV4sHc8NwYp3DfJ6g"

PRIVACY: Mapping[str, Make] = {
    "begin": repeated(_PEM),
    "begin, one end": repeated(_PEM, after=_PEM_END),
    "begin, some ends": repeated(_PEM * 50 + _PEM_END),
    "keys": repeated(_PEM + f"{_KEY}\n" * 3 + _PEM_END),
    "keys without an end": repeated(_PEM + f"{_KEY}\n"),
    "words of a begin": repeated(" PRIVATE KEY", "-----BEGIN"),
    "putty": repeated("Private-Lines: 3\n"),
    "mentions": repeated("@ann ", "bob@acme.org "),
    "mentions of many": numbered("@ann# ", "bob@acme.org "),
    "mentions and ticks": repeated("@ann `", "bob@acme.org "),
    "mentions on lines": repeated("@ann `a`\n", "bob@acme.org "),
    "addresses": numbered("b#@acme.org "),
    "one address": repeated("a@b.com@"),
    "reserved domain": repeated("example.", "a@", "9.com"),
    "spelled": repeated("joe [at] acme [dot] com "),
    "spelled domain": repeated("a[dot]", "joe [at] ", "com"),
    "authority": repeated("a:b1@", "x://"),
    "signs": repeated("@"),
    "passwords": repeated("password=x1y2z3 "),
    "passwords, quoted": repeated("password='x1y2z3';"),
    "passwords, open quotes": repeated("password='"),
    "password of passwords": repeated("password="),
    "passwords in one run": repeated("password=x1y2z3"),
    "passwords in one word": repeated("passwdAKIAABCD"),
    "password of brackets": repeated("<", "password='", "'"),
    "identified": repeated("identified by 'x1y2z3' "),
    "connection": repeated("server   ", after="password=x1y2z3"),
    "tokens": numbered(f"token: {_KEY}# "),
    "tokens in one run": repeated(f"token={_KEY}"),
    "token of tokens": repeated("token=abcdefghijklmnop"),
    "names of keys": repeated("secret_key_", after=f"={_KEY}"),
    "one key": repeated(_KEY, "api_key = "),
    "forms": repeated("whsec_"),
    "forms with hyphens": repeated("sk-aaaaaaaa-"),
    "web tokens": repeated("eyJhbGciOiJI."),
    "web token": repeated("eyJhbGciOiJI"),
    "headers": repeated("bearer+token+"),
    "ip": repeated("8.7.6.5."),
    "ip6": repeated("2a00:1450:4001:81b::200e:"),
    "phones": repeated("+49 170 5839 4471 "),
    "digits": repeated("1234567890"),
    "all": numbered(f"@ann bob#@acme.org password=x1y2z3 token={_KEY} 8.7.6.5 "),
}


def _comment(text: str) -> pa.Table:
    return making.documents([{"parts": [("prose", ""), ("comment", text)]}])


def _redacted(text: str) -> pa.Table:
    documents = _comment(text)
    return redact.table(documents, detect.find(documents, Privacy()))


STEPS: dict[str, tuple[Callable[[Any], object], Mapping[str, Make]]] = {
    "privacy": (_redacted, PRIVACY),
}


@pytest.mark.parametrize(
    ("step", "name"), [pytest.param(step, name, id=f"{step}: {name}") for step in STEPS for name in STEPS[step][1]]
)
def test_time_grows_with_length(step: str, name: str) -> None:
    run, inputs = STEPS[step]
    make = inputs[name]
    run(make(100))  # compiled, and loaded
    # Another process may be in the way of one measurement, not of all.
    assert any(_ratio(run, make) < _MOST_RATIO for _ in range(4))
