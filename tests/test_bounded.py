"""Time is bounded: every step over a document is linear, or n log n, in its length.

Each step reads inputs that are hard for it, once of some length and once of twice that length: processor time may grow
by no more than a little over two. Lengths are chosen so that the shorter input takes milliseconds.
"""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from socorpus.corpus.config import Privacy
from socorpus.corpus.dedup import minhash
from socorpus.corpus.documents import html, markdown, pairs
from socorpus.corpus.privacy import detect, redact
from socorpus.corpus.signals import language, statistics
from socorpus.corpus.tokenizer import pretokenize
from socorpus.labeling.aggregation import dawid_skene, decide
from socorpus.labeling.history import markdown_html, revisions
from socorpus.labeling.history.revisions import Revision
from socorpus.labeling.schema import VOTES
from socorpus.labeling.tasks import closure
from socorpus.labeling.tasks.entities import spans
from socorpus.labeling.tasks.entities import task as entities
from socorpus.labeling.tasks.obsolescence import (
    comments,
    english,
    later_answers,
    newer_versions,
    own_notes,
    releases,
    sentences,
    subjects,
    versions,
)
from socorpus.labeling.tasks.obsolescence.sentences import Plain
from tests.corpus import making
from tests.labeling.bucket import comment, day, event, question, threads

Make = Callable[[int], Any]
"""An input of about so many characters."""

_MOST_RATIO = 2.6
_LEAST_SECONDS = 0.006
_FEWEST_CHARACTERS, _MOST_CHARACTERS = 1 << 13, 1 << 17


def repeated(piece: str, before: str = "", after: str = "") -> Make:
    return lambda size: before + piece * (size // len(piece)) + after


def numbered(piece: str, before: str = "", after: str = "") -> Make:
    """Pieces with a number in place of each #."""
    return lambda size: before + "".join(piece.replace("#", str(i)) for i in range(size // (len(piece) + 4))) + after


def _seconds(step: Callable[[Any], object], value: Any, runs: int = 3) -> float:
    least = float("inf")
    gc.disable()
    try:
        for _ in range(runs):
            begun = time.process_time()
            step(value)
            least = min(least, time.process_time() - begun)
    finally:
        gc.enable()
    return least


def _ratio(step: Callable[[Any], object], make: Make) -> float:
    """Processor time of an input of twice the length over that of a length that takes milliseconds."""
    size = _FEWEST_CHARACTERS
    while (seconds := _seconds(step, make(size))) < _LEAST_SECONDS and size < _MOST_CHARACTERS:
        size *= 2
    return _seconds(step, make(2 * size)) / max(seconds, _LEAST_SECONDS / 3)


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
    "signs": repeated("a@"),
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


MARKUP: Mapping[str, Make] = {
    "code elements": repeated("<code>x</code>\n", "<pre>", "</pre>"),
    "code elements and links": repeated('<a href="/x"><code>x</code></a>\n', "<pre>", "</pre>"),
    "open links": repeated('<a href="/x">t', "\ud800"),
    "deep, closed by another": lambda size: "<div>" * (size // 9) + "</p>" * (size // 9),
    "deep": repeated("<b><i>"),
    "notes": repeated("<!-- language: py -->"),
    "note of spaces": repeated(" \n", "<!-- ", "-->"),
    "quotes": repeated("<blockquote>a</blockquote>"),
    "tables": repeated("<td>a", "<table>"),
    "tags that don't end": repeated("<p ", "\ud800"),
    "many paragraphs": repeated("<p>a <b>b</b></p>\n"),
    "signs": repeated("&lt;&a <"),
}

COMMENTS: Mapping[str, Make] = {
    "stars": repeated("**"),
    "stars that open": repeated("**a "),
    "underscores that open": repeated("_a "),
    "brackets": repeated("["),
    "link starts": repeated("[a](/b "),
    "links": repeated("[a](/b) "),
    "backticks": lambda size: " ".join("`" * length for length in range(1, int((2 * size) ** 0.5))),
    "code": repeated("`a` "),
    "escapes": repeated("\\["),
    "addresses": repeated("http://a("),
}

SENTENCES: Mapping[str, Make] = {
    "backticks": repeated("`"),
    "runs of backticks": lambda size: " ".join("`" * length for length in range(int((2 * size) ** 0.5), 1, -1)),
    "brackets": repeated("["),
    "link starts": repeated("[a](b"),
    "link titles": repeated('[a](b "'),
    "quotations": repeated('"a" '),
    "numbers": repeated("1."),
    "cues": repeated("if deprecated "),
    "spaces": repeated(" ", "deprecated", "deprecated"),
}

BODIES: Mapping[str, Make] = {
    "open paragraphs": repeated("<p>outdated "),
    "half tags": repeated("<p "),
    "open blocks": repeated("<pre>"),
    "names": repeated("a+"),
    "versions": repeated("numpy 1.14 "),
}

ENTITIES: Mapping[str, Make] = {
    "variables": repeated("$x "),
    "names": repeated("C++ Python "),
    "tags": repeated("<div> div "),
    "paths": repeated("/a/b "),
    "letters and an address": repeated("a", after=" http://a.b"),
    "mentions": repeated("@[USER_1] "),
    "all": repeated('/a/b $x C++ <div> foo_bar() "a" 1.2.3 @ann '),
}


def _entities(text: str) -> None:
    """Labels of a text in which inline code and blocks take turns, and mentions come at the end."""
    kinds = ("inline_code", "code") * (len(text) // 16)
    segments = [
        {"kind": kind, "start": 8 * place, "end": 8 * place + 4, "language": None, "id": 1}
        for place, kind in enumerate(kinds)
    ]
    entities.label([text, text + " @[USER_1]" * (len(text) // 20)], [[], segments])


def _overlapping(size: int) -> list[tuple[spans.Span, float]]:
    return [(spans.Span(place, place + 3, "A"), 1.0 + place % 3) for place in range(size)]


def _nested(size: int) -> list[tuple[spans.Span, float]]:
    return [(spans.Span(place, 2 * size - place, "A"), float(place)) for place in range(size)]


def _decided(size: int) -> pa.Table:
    """Votes of two functions on spans of one text, each overlapping the next."""
    function = ("camel_case", "calls")
    rows = [
        {"site": "", "post_id": 1, "start": place, "end": place + 2, "label": ("Class", "Function")[place % 2]}
        | {"function": function[place % 2], "version": 1, "source": "function", "evidence": "{}"}
        for place in range(size // 8)
    ]
    return pa.Table.from_pylist(rows, schema=VOTES)


_EXAMPLES = pa.table({"site": [""], "post_id": pa.array([1], pa.int64()), "thread_id": pa.array([1]), "split": [""]})
_MODEL = dawid_skene.fit(
    np.array([[1, -1], [-1, 2]], np.int8), np.array([5, 5]), ["camel_case", "calls"], entities.TASK.labels
)


def _pairs(text: str) -> None:
    parts = [("code", f"password=x1y2z3{number}") for number in range(len(text) // 20)]
    documents = making.documents([{"parts": parts}])
    pairs.build(documents, detect.find(documents, Privacy()))


def _edit(body: str) -> None:
    revision = Revision(1, 1, 0, None, frozenset(["body"]), None, body, None, "", None)
    known = versions.Names(frozenset(["numpy"]), frozenset())
    newer_versions.newer_in_edit(replace(revision, body=body[: len(body) // 2]), revision, known)


def _kept(body: str) -> None:
    revision = Revision(1, 1, 0, None, frozenset(["body"]), None, body, None, "", None)
    newer_versions.keeps(revision, replace(revision, body=body[: len(body) // 2]))


def _answer(number: int, text: str) -> dict[str, Any]:
    created = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(days=number)
    row = {"post_id": number, "created": created, "tags": ["numpy"], "title": None, "segments": []}
    return row | {"text": text, "own_end": len(text)}


def _thread(size: int) -> list[dict[str, Any]]:
    """Answers each of which names an older version than the one before."""
    return [_answer(number, f"Since numpy 1.{size // 16 - number} it is so.") for number in range(size // 16)]


def _overtaken(answers: list[dict[str, Any]]) -> None:
    list(newer_versions.overtaken(None, answers, versions.Names(frozenset(["numpy"]), frozenset())))


def _calling(size: int) -> list[dict[str, Any]]:
    """Answers that use one thing, and as many that call it out of date."""
    half = size // 128
    users = [_answer(number, f"Call Frobnicate{number % 3} for it.") for number in range(half)]
    callers = [_answer(half + number, "Frobnicate1 of the other answers is deprecated.") for number in range(half)]
    return [{**row, "accepted": False} for row in users + callers]


def _called(answers: list[dict[str, Any]]) -> None:
    cued = {row["post_id"] for row in answers if "deprecated" in row["text"]}
    lexicons = dict.fromkeys(cued, english.ENGLISH)
    list(later_answers.called_obsolete(None, answers, cued, lexicons))


def _remarks(text: str) -> None:
    """A comment, read by its answer, whose text it is as well."""
    bucket = threads(
        [
            question(),
            {"post_id": 2, "post_type_id": 2, "parent_id": 1, "creation_date": day(1), "body": f"<p>{text}</p>"},
        ],
        [comment(1, 2, text)],
    )
    said = comments.comments_of(bucket, [2])
    list(comments.last_words(bucket, said))


def _noted(text: str) -> None:
    row = _answer(1, text)
    own_notes.in_text(row, english.ENGLISH)
    own_notes.without("".join(f"<p>{line}</p>" for line in text.split("\n")), {"it is deprecated"})


def _spoken(size: int) -> list[tuple[str, int]]:
    return [(f"1.{number}", number) for number in range(size // 16)]


def _released(some: list[tuple[str, int]]) -> None:
    dates = releases.Releases({"numpy": dict(some)})
    for version, at in some:
        dates.known_by("numpy", (1, int(version[2:])), at)


NOTES = {
    "marked": repeated("EDIT: it is deprecated since 2.0.\n\n"),
    "about": repeated("this answer is no longer "),
    "names": repeated("Frobnicate 2.0 was removed in "),
    "code": repeated("`a.b.c()` "),
    "not": repeated("not x is not "),
    "now": repeated("as of numpy "),
}


def _coded(size: int) -> dict[str, Any]:
    segments = [{"kind": "code", "start": place, "end": place + 1} for place in range(0, size, 2)]
    return _answer(1, "x" * size) | {"segments": segments}


def _rolled_back(size: int) -> pa.Table:
    rows = [event(1, 1, 2, 0, "first")]
    rows += [event(number, 1, 5, 1, "x") for number in range(2, size // 32)]
    rows += [
        event(size + number, 1, 8, 2, comment=f"Rollback to revision {size // 32 - 2}") for number in range(size // 32)
    ]
    return threads([question()], history=rows).history


STEPS: dict[str, tuple[Callable[[Any], object], Mapping[str, Make]]] = {
    "privacy": (_redacted, PRIVACY),
    "html": (html.html, MARKUP),
    "comment": (markdown.comment, COMMENTS),
    "pairs": (_pairs, {"blocks with passwords": repeated("x")}),
    "shingles": (
        lambda text: minhash.shingles(pa.array([text]), np.array([len(text)]), 5),
        {"one word": repeated("a "), "a few words": repeated("a b c d e f g "), "one long word": repeated("a")},
    ),
    "signals": (
        lambda documents: (statistics.find(documents), language.find(documents)),
        {
            "segments": lambda size: making.documents([{"parts": [("prose", "a."), ("code", "b")] * (size // 16)}]),
            "addresses": lambda size: making.documents([{"parts": [("prose", "www.a")] * (size // 8)}]),
        },
    ),
    "cuts": (
        lambda text: pretokenize.cut(np.frombuffer(text.encode(), np.uint8), np.array([0, len(text)])),
        {"spaces": repeated(" "), "lines": repeated(" \n"), "words": repeated("a"), "digits": repeated("1")},
    ),
    "statements": (lambda text: (sentences.statements(text), sentences.asks(text)), SENTENCES),
    "remark": (closure.named_reason, SENTENCES),
    "edits": (_edit, BODIES),
    "tags": (
        lambda tag: (versions.names([tag]), versions.of_tags([tag])),
        {"digits": repeated("1", after="a"), "numbers": repeated("1.", after="a")},
    ),
    "later answers": (
        _overtaken,
        {"many": _thread, "mentions": lambda size: [_answer(1, "numpy 1.2"), _answer(2, "numpy 1.14 " * (size // 11))]},
    ),
    "prose": (newer_versions.prose_of, {"blocks": _coded}),
    "callers": (_called, {"many": _calling}),
    "remarks": (_remarks, NOTES),
    "notes": (_noted, NOTES),
    "terms": (lambda text: (subjects.of_markdown(text, None, ()), subjects.spoken_of(text, [text])), NOTES | SENTENCES),
    "cues": (lambda text: (sentences.has_cue(text), list(sentences.candidates(Plain(text)))), SENTENCES | NOTES),
    "releases": (_released, {"versions": _spoken}),
    "kept": (_kept, NOTES),
    "rollbacks": (revisions.replay, {"to a late revision": _rolled_back}),
    "history": (
        lambda text: markdown_html.html(text, 0),
        {"formulas": repeated("\\$"), "words": repeated("a b *c* ")},
    ),
    "entities": (_entities, ENTITIES),
    "spans": (spans.resolve, {"overlapping": _overlapping, "nested": _nested}),
    "labels": (
        lambda votes: decide.decide(_EXAMPLES, votes, _MODEL, entities.TASK),
        {"overlapping": _decided},
    ),
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
