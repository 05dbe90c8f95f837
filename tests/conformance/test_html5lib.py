"""html5lib's tokenizer tests: each input is a post's body.

Two readings of what is right: the text of BeautifulSoup over libxml2, which socorpus promises up to white space, and
the characters that the HTML standard's tokenizer emits, where its tests begin in the data state.
"""

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from socorpus.corpus.documents import html
from tests.conformance.conftest import Tally

# Inputs whose characters are not the standard's, and why that stays.
_ACCEPTED = {
    "\ufefffoo\ufeffbar": "a byte order mark at the beginning is no text: BeautifulSoup drops it too",
    "a\uffffb": "U+FFFF is replaced only where a tree becomes XML; a post's text keeps it",
}
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")
# No UTF-8 and no XML can hold them, so no dump does; they are replaced one for one.
_UNWANTED = re.compile("[\0\ud800-\udfff]")


def _unescaped(text: str, test: dict[str, Any]) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if test.get("doubleEscaped") else text


def _tests(suites: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((suites / "html5lib").glob("*.test")):
        held = json.loads(file.read_text("utf-8"))
        for test in [*held.get("tests", ()), *held.get("xmlViolationTests", ())]:
            yield _unescaped(test["input"], test), test


def _bare(text: str) -> str:
    return "".join(_UNWANTED.sub("\ufffd", text).split())


def test_text_is_that_of_beautifulsoup(suites: Path, tally: Tally) -> None:
    right, wrong = 0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BeautifulSoup wonders whether some inputs are addresses or XML
        for body, _ in _tests(suites):
            expected = BeautifulSoup(re.sub("[\ud800-\udfff]", "\ufffd", body), "lxml").get_text()
            read = html.html(body)
            if _bare(read.text) == _bare(expected) and read == html.careful(body):
                right += 1
            else:
                wrong.append((body, read.text, expected))
    tally("html5lib, text as BeautifulSoup's, both readers", right, right + len(wrong))
    assert not wrong


def test_text_is_the_characters_of_the_standard(suites: Path, tally: Tally) -> None:
    right, wrong, accepted = 0, [], set()
    for body, test in _tests(suites):
        if "Data state" not in test.get("initialStates", ["Data state"]):
            continue
        expected = "".join(_unescaped(token[1], test) for token in test["output"] if token[0] == "Character")
        text = html.html(body).text
        if _bare(text) == _bare(expected):
            right += 1
        elif body in _ACCEPTED:
            accepted.add(body)
        else:
            wrong.append((body, text, expected))
    tally("html5lib, text as the standard's characters", right, right + len(wrong) + len(accepted))
    assert not wrong
    assert accepted == set(_ACCEPTED)
