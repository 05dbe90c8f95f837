"""Time is bounded: every step over a document is linear, or n log n, in its length.

Each step reads inputs that are hard for it, once of some length and once of that length doubled twice. What is linear
takes four times as long then, what is quadratic sixteen times: eight lies between them, with room for a machine that
does other work and for inputs that leave its caches. The shorter input takes milliseconds.
"""

import copy
import gc
import io
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tokenizers import Tokenizer

from socorpus.corpus import schema
from socorpus.corpus.config import Privacy
from socorpus.corpus.dedup import exact, minhash
from socorpus.corpus.documents import code_language, html, markdown, pairs
from socorpus.corpus.dump import xml_rows
from socorpus.corpus.errors import InputError
from socorpus.corpus.privacy import detect, display, redact
from socorpus.corpus.signals import contamination, language, statistics
from socorpus.corpus.tokenizer import bpe, given, pretokenize
from socorpus.corpus.words import words
from socorpus.labeling import example_texts
from socorpus.labeling.aggregation import annotators, dawid_skene, decide, weighed
from socorpus.labeling.analysis import lost_spans, report_sections
from socorpus.labeling.export import formats, tokens
from socorpus.labeling.facts import question_kinds, remarks, site_business, site_terms
from socorpus.labeling.functions import Threads, of_task
from socorpus.labeling.history import edits, markdown_html, revisions
from socorpus.labeling.history.revisions import Revision
from socorpus.labeling.schema import EXAMPLES, TEXTS, VOTES
from socorpus.labeling.tasks import closure, quality
from socorpus.labeling.tasks.entities import bio, post, site_prior, spans
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
from socorpus.labeling.text_score import form, masks
from socorpus.labeling.text_score.form import QuestionText
from tests.corpus import making
from tests.labeling.bucket import SITE, answer, comment, day, event, question, threads

Make = Callable[[int], Any]
"""An input of about so many characters."""

_LONGER = 4
_MOST_RATIO = 8.0
_LEAST_SECONDS = 0.006
_FEWEST_CHARACTERS, _MOST_CHARACTERS = 1 << 13, 1 << 17


def repeated(piece: str, before: str = "", after: str = "") -> Make:
    return lambda size: before + piece * (size // len(piece)) + after


def numbered(piece: str, before: str = "", after: str = "") -> Make:
    """Pieces with a number in place of each #."""
    return lambda size: before + "".join(piece.replace("#", str(i)) for i in range(size // (len(piece) + 4))) + after


def _seconds(step: Callable[[Any], object], *values: Any, runs: int = 3) -> list[float]:
    """Least processor time of each value, in turns: what disturbs the machine disturbs all of them."""
    least = [float("inf")] * len(values)
    gc.disable()
    try:
        for _ in range(runs):
            for place, value in enumerate(values):
                begun = time.process_time()
                step(value)
                least[place] = min(least[place], time.process_time() - begun)
    finally:
        gc.enable()
    return least


def _ratio(step: Callable[[Any], object], make: Make) -> float:
    """Processor time of an input of four times the length over that of a length that takes milliseconds."""
    size = _FEWEST_CHARACTERS
    while _seconds(step, make(size))[0] < _LEAST_SECONDS and size < _MOST_CHARACTERS:
        size *= 2
    short, long = _seconds(step, make(size), make(_LONGER * size))
    # What takes less even at the greatest length is at the mercy of caches and of the allocator.
    return long / max(short, _LEAST_SECONDS)


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
    "spelled in capitals": repeated("pass_AT_a_DOT_"),
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
    "names without a value": repeated("password "),
    "names in one word": repeated("password", after="="),
    "typed": repeated('let password: String = "', after='"'),
    "elements": repeated("<password>"),
    "elements within each other": repeated("<key>password</key>", "<string>"),
    "attributes": repeated('name="password" '),
    "pairs": repeated('"name": "password", '),
    "calls": repeated("mysqli_connect('a', "),
    "programs": repeated("mysql -u root -px1y2z3 "),
    "one command": repeated("-px1y2z3 ", "mysql "),
    "issuers": repeated("heroku api key: "),
    "issuers in one run": repeated("heroku key "),
    "issuers in one word": repeated("herokukey"),
    "points": repeated("a.abcdef."),
    "encoded": repeated("a%40b.com%40"),
    "digests": repeated("0123456789abcdef" * 2 + " a@b.com "),
    "leads": repeated("login x password "),
    "prose": repeated("password of a "),
    "unnamed": repeated(f"'{_KEY}Xy12', ", "client("),
    "chains": repeated("$('#password').val("),
    "pairs of keys": repeated(f"'AC0123456789abcdef0123456789abcdef', '{_KEY}' "),
    "users and passwords": repeated("-u a -p x1y2z3 "),
    "user of one run": repeated("aAKIAABCD", "-u ", " -p x1"),
    "commands as lists": repeated("'mysql', '-px1y2z3', '-p', 'x1y2z3', "),
    "options of lists": repeated("'-pa"),
    "steps of a test": repeated('"password" with "x1y2z3" '),
    "entries": repeated("passwords = {'a': "),
    "names of several": repeated("passwords[a]"),
    "accounts in a list": repeated("chpasswd:\nlist: |\na:x1y2z3\n"),
    "hash of hashes": repeated("$6$abc"),
    "issuers and formats": repeated("herokuAKIAABCD"),
    "issuer and arguments": repeated(f"'{_KEY}', ", "heroku('"),
    "tuples": repeated("password, ", after="= 'a'"),
    "pairs of an encoding": repeated("btoa('a:x1y2z3') "),
    "user of a host": repeated("a:x1y2z3@8.7.6.5:80 "),
    "prompts": repeated('expect "assword:" send "x1y2z3" '),
    "questions": repeated('assword:" '),
    "pipes": repeated("echo x1y2z3 | sudo -S ls "),
    "strings for commands": repeated("sudo -S <<< x1y2z3 "),
    "sessions": repeated("\nuser bob x1y2z3"),
    "router": repeated("enable secret 5 x1y2z3 "),
    "routers": repeated("neighbor a password x1y2z3\n"),
    "router without values": repeated("radius-server host a "),
    "accounts": repeated("a:5432:b:c:x1y2z3 "),
    "account in one run": repeated(":5432:b", after=" c:x1y2z3"),
    "hashes": repeated("a:$6$x1y2z3abc$x1y2z3abc\n"),
    "stars": repeated("a * b "),
    "statements": repeated("create user a identified by x1y2z3 "),
    "cookies": repeated(f"PHPSESSID={_KEY}; "),
    "cookie of cookies": repeated("sid="),
    "references": repeated("&#105;"),
    "settings": repeated("password: x1y2z3\n"),
    "settings in one line": repeated("password: x1y2z3 "),
    "tables": repeated('"password": { "value": '),
    "names of calls": repeated("connect", after="('a', 'x1y2z3')"),
    "names of calls and keys": repeated("authAKIAABCD"),
    "calls of calls": repeated("connect('a', "),
    "procedures": repeated("sp_addlogin 'a', "),
    "prose and slashes": repeated("login a / "),
    "host": repeated("ec2-8-7-6-5"),
    "names and hosts": repeated("passec2-8-7-6-5"),
    "options and hosts": repeated("-pass-ec2-8-7-6-5"),
    "names and numbers": repeated("password212-456-7890"),
    "names and underscores": repeated("pass_at_a_dot_"),
    "defanged": repeated("a@b[.]"),
    "underscores": repeated("_at_a", after="_dot_com"),
    "mails with blanks": repeated("a @ b."),
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
    "nested scripts": repeated("x<sup>y"),
    "scripts": repeated("x<sup>2</sup>"),
    "script of tags": repeated("<b>a</b>", "x<sup>", "</sup>"),
    "long script": repeated("a b ", "x<sup>", "</sup>"),
    "keys": repeated("<kbd>a</kbd>"),
    "empty cells": repeated("<td></td>", "<table><tr>", "<td>a</td></tr></table>"),
    "rows": repeated("<tr><td></td><td>a</td></tr>", "<table>", "</table>"),
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
    "mentions by name": repeated("@user "),
    "numbers in brackets": repeated("(555) "),
    "all": repeated('/a/b $x C++ <div> foo_bar() "a" 1.2.3 @ann '),
}


EXPORTED: Mapping[str, Make] = {
    "words": repeated("ab "),
    "one word": repeated("a"),
    "lines": repeated("a\n"),
    "spaces": repeated(" "),
}


def _entities(text: str) -> None:
    """Labels of a text in which inline code and blocks take turns, and mentions come at the end."""
    kinds = ("inline_code", "code") * (len(text) // 16)
    segments = [
        {"kind": kind, "start": 8 * place, "end": 8 * place + 4, "language": None, "id": 1}
        for place, kind in enumerate(kinds)
    ]
    entities.label([text, text + " @[USER_1]" * (len(text) // 20)], [[], segments])


def _entities_elsewhere(text: str) -> None:
    """What a site unlike Stack Overflow changes of a text's classes, each looked up in the text's code."""
    segments = [{"kind": "code", "start": 0, "end": len(text) // 2, "language": None, "id": 1}]
    found = [match.span() for match in re.finditer(r"\w+", text)]
    site_prior.Prior(0.6, alike=0.1).shifted(
        post.post(text, segments), {spans.Span(*place, "Class"): 0.9 for place in found}, ()
    )


ELSEWHERE: Mapping[str, Make] = {"one class": repeated("AbCd "), "classes": numbered("AbCd# ", "EfGh ")}


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


def _crossing(size: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Votes on long spans of one text, and the labels in their place: each vote's span crosses nearly all of them."""
    count = size // 8
    usual = {"site": "", "post_id": 1, "function": "calls", "version": 1, "source": "function", "evidence": "{}"}
    usual |= {"at": None, "seconds": None, "label": "Function"}
    votes = [usual | {"start": place, "end": 8 * count - place} for place in range(count)]
    labels = [
        {"start": 4 * place, "end": 4 * place + 3, "label": "Class", "probability": 0.9, "source": "function"}
        for place in range(2 * count)
    ]
    return votes, labels


_EXAMPLES = pa.table({"site": [""], "post_id": pa.array([1], pa.int64()), "thread_id": pa.array([1]), "split": [""]})
_MODEL = dawid_skene.fit(
    np.array([[1, -1], [-1, 2]], np.int8), np.array([5, 5]), ["camel_case", "calls"], entities.TASK.labels
)


def _marked(size: int) -> tuple[pa.Table, pa.Table]:
    """A text full of names, with votes of what weighs functions, and marks of two people, who differ on every other."""
    usual = {"site": "", "post_id": 1, "label": "Library", "version": 1, "at": datetime(2026, 1, 1, tzinfo=UTC)}
    rows = []
    for number in range(size // 16):
        span = {"start": 4 * number, "end": 4 * number + 3}
        rows.append(usual | span | {"function": "learned", "source": "function", "evidence": '{"p": 0.7}'})
        people = [f"person:{person}" for person in range(1 + number % 2)]
        rows += [usual | span | {"function": person, "source": "person", "evidence": "{}"} for person in people]
    examples = _EXAMPLES.append_column("text", pa.array(["git " * (size // 16)]))
    return examples, pa.Table.from_pylist(rows, schema=VOTES)


def _people(tables: tuple[pa.Table, pa.Table]) -> None:
    weigher = entities.TASK.weigher
    assert weigher is not None
    weighed.mentioned(*tables, weigher(), [("Library", "git")])
    weighed.judged(*tables, entities.TASK)
    annotators.disputed(tables[1].filter(pc.equal(tables[1]["source"], "person")).to_pylist(), spans=True)


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


def shorter(inputs: Mapping[str, Make], times: int) -> dict[str, Make]:
    """Inputs of a fraction of the length, for steps that take long on each sentence."""

    def of(make: Make) -> Make:
        return lambda size: make(size // times)

    return {name: of(make) for name, make in inputs.items()}


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


def _scored(text: str) -> None:
    question = QuestionText(text, text, [("prose", 0, len(text), None)])
    form.features(masks.masked(question, frozenset({"c", "java"})))


def _history(size: int) -> pa.Table:
    """A post's edits, each undone by the next; each of the same text."""
    rows = [event(1, 1, 2, 0, "first")]
    for number in range(2, size // 64):
        undoes = number % 2 == 1
        back = f"Rollback to {rows[-1]['revision_guid']}"
        text = None if undoes else f"text {number}"
        rows.append(event(number, 1, 8 if undoes else 5, 1, text, comment=back if undoes else None))
    return threads([question()], history=rows).history


_CROWD = [question(number) for number in range(1000, 1060)]
"""Enough questions for ranks: a site with fewer has no labels of quality."""


def _closed(size: int) -> Threads:
    """A question with a long history: closed and opened again, edited by others, with comments and votes."""
    many = range(2, size // 128)
    kinds = (5, 10, 11)
    rows = [event(1, 1, 2, 0, "first")]
    rows += [event(n, 1, kinds[n % 3], n / 1e4, "{}" if n % 3 else "text", comment="102", user_id=2) for n in many]
    comments = [comment(n, 1, "What have you tried? Please add your code.") for n in many]
    cast = [{"vote_id": n, "post_id": 1, "vote_type_id": 2 + n % 5, "creation_date": day(3)} for n in many]
    return threads([question(score=-3), answer(2), *_CROWD], comments, rows, votes=cast)


def _asked(text: str) -> Threads:
    return threads([question(body=text, title=text[:1000], score=40), *_CROWD], [comment(1, 1, text)])


def _voted(task: str) -> Callable[[Threads], object]:
    module = {"quality": quality, "closure": closure}[task]

    def vote(bucket: Threads) -> None:
        seen = replace(bucket, facts=quality.merge([quality.collect(bucket)])) if module is quality else bucket
        for function in of_task(task):
            list(function.find(seen))

    return vote


def _languages(body: str) -> None:
    posts = threads([question(body=body, tags=["html", "css", "javascript"])]).documents
    assert posts.num_rows == 1


@cache
def _tokenizer() -> Tokenizer:
    return bpe.train(["the quick brown fox jumps over the lazy dog aaaaaa bbbb"] * 20, 320)


def _given_tokens(text: str) -> None:
    parts = {"tokenizer.json": bpe.files(_tokenizer())["tokenizer.json"]}
    half = len(text) // 2
    segments = [{"kind": "code", "start": 0, "end": half, "language": None, "id": 1}] if half else []
    code = pa.array([segments], schema.SHARDS.field("segments").type)
    given.encode(given.parse(parts, "model"), pa.chunked_array([[text]]), pa.chunked_array([code]))


@cache
def _benchmark() -> contamination.Index:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.txt"
        lines = [" ".join(f"w{(start + step) % 40}" for step in range(20)) for start in range(200)]
        path.write_text("\n".join(lines) + "\n" + "a " * 20 + "\n", "utf-8")
        return contamination.build([str(path)], 5)


TRAINED: Mapping[str, Make] = {
    "one word": repeated("a"),
    "signs": repeated('"'),
    "letters of a web token": repeated("eyJ"),
    "signs of three bytes": repeated("\u4e00"),
    "spaces": repeated(" "),
    "words": numbered("fox# "),
    "words that grow": lambda size: " ".join("a" * length for length in range(int((2 * size) ** 0.5))),
}

_ROW = '<row Id="1" PostTypeId="1" CreationDate="2020-01-02T03:04:05" Body="x"'


def _with(attributes: Make) -> Make:
    return lambda size: f"{_ROW} {attributes(size)} />"


ROWS: Mapping[str, Make] = {
    "unknown attributes": _with(numbered('A#="1" ')),
    "namespaces": _with(numbered('xmlns:a#="u" a#:x="1" ')),
    "one attribute": _with(repeated('A="1" ')),
    "one name": _with(repeated("A", after='="1"')),
    "references": _with(repeated("&amp;", 'Title="', '"')),
    "illegal references": _with(repeated("&#1;", 'Title="', '"')),
    "entities": _with(repeated("&a", 'Title="', '"')),
    "tags": _with(repeated("&lt;a&gt;", 'Tags="', '"')),
    "open tags": _with(repeated("&lt;a", 'Tags="', '"')),
    "digits": _with(repeated("1", 'Score="', '"')),
    "quotes": _with(repeated("\"'")),
    "rows": repeated(f"{_ROW} />"),
    "rows without an end": repeated("<row "),
    "children": repeated("<b>", '<row Id="1">'),
    "stray text": repeated("x "),
    "comments": repeated("<!-- a -->"),
    "a comment of comments": repeated("<!--", after="-->"),
    "not UTF-8": _with(repeated("\ud800", 'Title="', '"')),
}


def _read(rows: str, **options: int) -> None:
    data, needed = f"<posts>{rows}</posts>".encode("utf-8", "surrogatepass"), schema.NEEDED["posts"]
    try:
        list(xml_rows.read(io.BytesIO(data), table="posts", site=SITE, file="", needed=needed, **options))
    except InputError as error:  # a row that never ends
        assert "truncated" in str(error)


def _read_on_threads(rows: str) -> None:
    """In blocks that a row may outgrow, so that guesses where rows begin go wrong too."""
    _read(rows, batch_bytes=4096, threads=2)


def _tagged(text: str) -> tuple[list[str], list[dict[str, Any]]]:
    """A text in which every third character begins a span, as rows of an export in words and in tokens."""
    spanned = [{"start": at, "end": at + 2, "label": "Class", "probability": 0.5} for at in range(0, len(text) - 2, 3)]
    row = {"site": SITE, "post_id": 1, "created": datetime(2020, 1, 1, tzinfo=UTC), "text": text, "spans": spanned}
    return [text], [row]


def _exported(given: tuple[list[str], list[dict[str, Any]]]) -> None:
    texts, (row,) = given
    words = tokens.Words()
    tagged = copy.deepcopy(row)
    words.tag([tagged])
    formats.write_conll(words, io.StringIO(), tagged)
    formats.write_json(io.StringIO(), tagged)
    ids = bpe.encode(_tokenizer(), pa.array(texts)).to_pylist()[0]
    bio.tags([], bio.token_offsets(texts[0], ids, bpe.byte_lengths(_tokenizer())))


def _shown(evidence: dict[str, Any]) -> None:
    """Evidence of a vote as the tables hold it, and as the report and a story show it."""
    (text,) = example_texts.evidence([evidence], Privacy())
    report_sections.evidence(text)


def _edited(size: int) -> tuple[pa.Table, example_texts.Published]:
    """An example that differs from its document by a word in the middle, and the document."""
    half = "git and svn " * (size // 24)
    documents, others = (making.documents([{"text": f"{half}{word}{half}"}]) for word in ("", "edit "))
    more = {"split": ["train"], "form": ["first_revision"], "left_out": pa.array([[]], pa.list_(pa.int64()))}
    columns = [more[name] if name in more else others[name] for name in EXAMPLES.names]
    return pa.table(columns, schema=EXAMPLES), example_texts.published(documents, TEXTS.empty_table())


def _drawn(text: str) -> None:
    """A document with spans of personal data as the report draws it."""
    documents_drawn = _comment(text)
    found = detect.find(documents_drawn, Privacy())["spans"].to_pylist()
    display.documents(documents_drawn.to_pylist(), found)


WORDS: Mapping[str, Make] = {
    "one word": repeated("a "),
    "a few words": repeated("a b c d e f g "),
    "one long word": repeated("a"),
    "signs": repeated("-"),
    "options": repeated(" -a"),
    "underscores": repeated("_"),
    "signs within": repeated("a'"),
    "marks behind a sign": repeated("\u0301", "a'"),
    "signs and marks": repeated("a'\u0301\u0301"),
    "ideographs": repeated("\u6587"),
    "flags": repeated("\U0001f1e9"),
    "geresh": repeated("\u05d0'"),
    "spaces": repeated(" "),
}


def _shingled(text: str) -> None:
    minhash.shingles(pa.array([text]), np.array([len(text)]), 5)


def _compared(parts: str | list[tuple[str, str]]) -> None:
    """Sets and marks of two equal texts, and their comparison; long ones, so that all of it is compared."""
    more = [("prose", "and more of " * 50)]
    own = [("prose", parts)] if isinstance(parts, str) else parts
    documents = making.documents([{"parts": [*own, *more]}, {"parts": [*more, *own]}])
    _, marks = minhash.text_shingles(documents, 5, gaps=True)
    minhash.alike(marks, np.array([0]), np.array([1]), 49.0)


def _revised(bodies: Sequence[str]) -> list[Revision]:
    rows = [event(number, 1, 5 if number else 2, number, body) for number, body in enumerate(bodies)]
    return revisions.replay(threads([question()], history=rows).history)[1]


def _there_and_back(size: int) -> list[Revision]:
    bodies = [f"text {number}" for number in range(size // 64)]
    return _revised([*bodies, *reversed(bodies)])


STEPS: dict[str, tuple[Callable[[Any], object], Mapping[str, Make]]] = {
    "privacy": (_redacted, PRIVACY),
    "html": (html.html, MARKUP),
    "comment": (markdown.comment, COMMENTS),
    "pairs": (_pairs, {"blocks with passwords": repeated("x")}),
    "shingles": (_shingled, WORDS),
    "near": (_compared, WORDS | {"blocks": lambda size: [("code", "x = 1\n"), ("prose", "and ")] * (size // 12)}),
    "exact": (lambda text: exact.text_hashes(making.texts([text])), WORDS),
    "words": (lambda text: (words.count(text), words.pieces(text)), WORDS),
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
    "remark": (remarks.named_reason, SENTENCES),
    "title": (
        lambda title: (remarks.title_mark(title), site_business.announcement(title, [], False, True)),
        SENTENCES | {"brackets": repeated("["), "spaces": repeated(" ", before="[closed]"), "signs": repeated("(!")},
    ),
    "objection": (remarks.objects, SENTENCES),
    "kind of question": (
        lambda text: question_kinds.invites_opinions(text[:1000], question_kinds.prose(text)),
        {
            **SENTENCES,
            "questions": repeated("is it so? "),
            "beginnings": repeated("what is your which are the should i know where can "),
            "one word": repeated("a", "what is the best "),
            "lines": repeated("> a\n```\n"),
        },
    ),
    "note": (remarks.has_note, {"signs": repeated("#"), "quotes": repeated("> ")}),
    "changes": (
        edits.standing,
        {
            "long texts": lambda size: _revised([" ".join(map(str, range(size // 8))), "a " * (size // 4)]),
            "fences": lambda size: _revised(["a", "```\n" * (size // 4)]),
            "links": lambda size: _revised(["a", "[1]: http://a [b][1]" * (size // 20)]),
            "many edits": lambda size: _revised([f"text {number}" for number in range(size // 32)]),
            "edits that are taken back": _there_and_back,
        },
    ),
    "score": (
        _scored,
        {
            **{name: repeated(text) for name, text in (("letters", "a"), ("capitals", "A"), ("digits", "1"))},
            **{name: repeated(text) for name, text in (("spaces", " "), ("lines", "\n"), ("full stops", "."))},
            **{name: repeated(text) for name, text in (("names", "java c.c-"), ("marks", "'"), ("words", "i'm a b. "))},
        },
    ),
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
    "remarks": (_remarks, shorter(NOTES, 4)),
    "notes": (_noted, shorter(NOTES, 4)),
    "terms": (
        lambda text: (subjects.of_markdown(text, None, ()), subjects.spoken_of(text, [text])),
        shorter(NOTES | SENTENCES, 8),
    ),
    "cues": (
        lambda text: (sentences.has_cue(text), list(sentences.candidates(Plain(text)))),
        shorter(SENTENCES | NOTES, 8),
    ),
    "releases": (_released, {"versions": _spoken}),
    "versions": (
        lambda text: list(versions.mentions_of([text], versions.names(["numpy"]))),
        {
            **{name: repeated(text) for name, text in (("digits", "1"), ("hyphens", "a-1"), ("numbers", "a 1 "))},
            "versions": repeated("numpy v 1.14 "),
            "dots": repeated("a.", after=" 1"),
        },
    ),
    "kept": (_kept, NOTES),
    "rollbacks": (revisions.replay, {"to a late revision": _rolled_back}),
    "history": (
        lambda text: markdown_html.html(text, 0),
        {"formulas": repeated("\\$"), "words": repeated("a b *c* ")},
    ),
    "code language": (
        lambda code: code_language.of(code, None, ["html", "css"]),
        {
            "signs": repeated("x = (\n"),
            "json": repeated('{"a":1,'),
            "attributes": repeated('a="b" ', "<x "),
            "spaces": repeated(" "),
            "a diff": repeated("--- a\n"),
        },
    ),
    "languages": (
        _languages,
        {
            "blocks": repeated("<pre><code>x = 1\n</code></pre>\n"),
            "hints": repeated('<!-- language: py --><pre class="lang-none"><code>x</code></pre>'),
            "quotes": repeated("<blockquote><pre><code>a\n"),
        },
    ),
    "contamination": (
        lambda documents: contamination.find(documents, _benchmark()),
        {
            "the benchmark again and again": lambda size: _comment(
                " ".join(f"w{number % 40}" for number in range(size // 4))
            ),
            "other words": lambda size: _comment(" ".join(f"w{number % 40} x{number}" for number in range(size // 12))),
            "one word": lambda size: _comment("a " * (size // 2)),
        },
    ),
    "pieces": (
        lambda text: bpe.encode(_tokenizer(), pa.array([text])),
        {
            "one word": repeated("a"),
            "words": numbered("fox# "),
            "signs": repeated("-="),
            "signs of three bytes": repeated("\u4e00"),
            "lines": repeated(" \n"),
        },
    ),
    "pieces of a model's tokenizer": (
        _given_tokens,
        {"one word": repeated("a"), "words": numbered("fox# "), "lines": repeated(" \n"), "signs": repeated("-=")},
    ),
    "training": (lambda text: bpe.train([text], 300), TRAINED),
    "rows": (_read, ROWS),
    "rows on threads": (_read_on_threads, ROWS),
    "export": (
        _exported,
        {name: (lambda size, make=make: _tagged(make(size))) for name, make in EXPORTED.items()},
    ),
    "evidence": (
        _shown,
        {
            "comments": lambda size: {"comments": [f"ann@acme{n}.org said so" for n in range(size // 24)]},
            "one text": lambda size: {"text": "bob@acme.org " * (size // 13)},
            "pairs": lambda size: {"pairs": [[n, {"a": "x"}] for n in range(size // 16)]},
        },
    ),
    "drawn": (_drawn, {"mentions": numbered("@ann# bob#@acme.org ", "bob@acme.org ")}),
    "quality": (
        _voted("quality"),
        {"a long history": _closed, "a long body": lambda size: _asked("why? " * (size // 5))},
    ),
    "closure": (
        _voted("closure"),
        {"a long history": _closed, "a long body": lambda size: _asked("why? " * (size // 5))},
    ),
    "revisions": (revisions.replay, {"undone and undone": _history}),
    "entities": (_entities, shorter(ENTITIES, 4)),
    "entities elsewhere": (_entities_elsewhere, ELSEWHERE),
    "introduced names": (
        lambda text: site_terms.counted([text], [text]),
        {
            "names": repeated("Ab is a wallet. "),
            "signs": repeated("A+", after=" is a wallet"),
            "many": numbered("A# is an app. The B# app. ", "A1 B2. "),
            "lists": repeated("wallets such as Ab, Cd and Ef or "),
            "called": repeated("a light wallet called Ab Cd "),
            "one word": lambda size: "a" * size + " called " + "A" * size,
            "links": repeated('<a href="https://ab.io/Abcd/Abcd">Abcd</a>'),
        },
    ),
    "spans": (spans.resolve, {"overlapping": _overlapping, "nested": _nested}),
    "labels": (
        lambda votes: decide.decide(_EXAMPLES, votes, _MODEL, entities.TASK),
        {"overlapping": _decided},
    ),
    "lost spans": (
        lambda rows: lost_spans.find(*rows, None, _MODEL, entities.TASK),
        {"crossing": _crossing},
    ),
    "people": (_people, {"marks": _marked}),
    "examples": (lambda tables: example_texts.stored(*tables), {"edited": _edited}),
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
