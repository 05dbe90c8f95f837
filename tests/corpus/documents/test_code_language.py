"""The language of code blocks: hints, tags, shapes, and how often the shape alone is right on real posts."""

import csv
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus.documents import code_language, html


@pytest.mark.parametrize(
    ("hint", "language"),
    [
        *(("py", "python"), ("js", "javascript"), ("cs", "c#"), ("cpp", "c++"), ("vb", "vb.net"), ("sql", "sql")),
        *(("c#", "c#"), ("c++", "c++"), ("python-3.x", "python"), ("golang", "go"), ("rb", "ruby"), ("sh", "bash")),
        *(("bsh", "bash"), ("html", "html"), ("hs", "haskell"), ("json", "json"), ("pandas", "python"), ("r", "r")),
    ],
)
def test_a_hint_stands_above_all(hint: str, language: str) -> None:
    assert code_language.of("SELECT a FROM b", hint, ["java"]) == language


@pytest.mark.parametrize("hint", ["", "none", "text", "plaintext", "klingon", "spring-batch"])
def test_no_tag_overrules_an_author_who_names_no_language_or_an_unknown_one(hint: str) -> None:
    assert code_language.of("x", hint, ["java"]) is None
    assert code_language.of("import os\n\ndef f(x):\n    return self.x\n", hint, []) is None


@pytest.mark.parametrize(
    ("hint", "language"),
    [
        ("http", "http"),
        ("nginx", "nginx"),
        ("tcl", "tcl"),
        ("vbs", "vbscript"),
        ("ebnf", "bnf"),
        ("sv", "systemverilog"),
    ],
)
def test_a_hint_of_a_language_that_no_tag_names_stands(hint: str, language: str) -> None:
    assert code_language.of("x", hint, ["python"]) == language
    assert code_language.of("x", None, [hint, "python"]) == "python"


def test_a_form_that_is_certain_counts_after_an_unknown_hint_only() -> None:
    assert code_language.of("#!/bin/bash\nls", "klingon", ["java"]) == "bash"
    assert code_language.of("#!/bin/bash\nls", "", ["java"]) is None


def test_the_hint_default_asks_for_a_guess() -> None:
    assert code_language.of("x", "default", ["java"]) == "java"


@pytest.mark.parametrize(
    ("tags", "language"),
    [
        (["python-3.x", "list"], "python"),
        (["pandas"], "python"),
        (["reactjs", "webpack"], "javascript"),
        (["jquery", "json"], "javascript"),
        (["laravel", "php", "eloquent"], "php"),
        (["algorithm", "sorting"], None),
        ([], None),
    ],
)
def test_tags_that_imply_one_language(tags: list[str], language: str | None) -> None:
    assert code_language.of("x = y", None, tags) == language


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("$('#a').click(function() { alert(1); });", "javascript"),
        ("<div class='a'>x</div>", "html"),
        (".a > li { color: red; }", "css"),
        ("?", None),
    ],
)
def test_several_languages_are_told_apart_by_shape(code: str, language: str | None) -> None:
    assert code_language.of(code, None, ["javascript", "html", "css"]) == language


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("#!/usr/bin/env python3\nprint(1)", "python"),
        ("#!/bin/bash\nls", "bash"),
        ("<?php echo 1; ?>", "php"),
        ("<!DOCTYPE html>\n<p>", "html"),
        ('<?xml version="1.0"?><a/>', "xml"),
        ('{\n  "a": [1, {"b": null}]\n}', "json"),
        ("Traceback (most recent call last):\n  File", "pytb"),
        ("diff --git a/x b/x", "diff"),
        ("import os\n\ndef f(x):\n    return self.x\n", "python"),
        ("#include <iostream>\nint main() { std::cout << 1; }", "c++"),
        ('#include <stdio.h>\nint main() { printf("a"); }', "c"),
        ("SELECT a, b\nFROM t\nWHERE a = 1", "sql"),
        ("public class A {\n  public static void main(String[] args) { System.out.println(1); }\n}", "java"),
        ("using System;\nnamespace A { class B { public int C { get; set; } } }", "c#"),
        ("const f = (x) => { console.log(x) }\nf(1 === 2)", "javascript"),
        ("library(dplyr)\nx <- c(1, 2)\nf <- function(x) x", "r"),
        ("x", None),
        ("", None),
    ],
)
def test_shape_alone(code: str, language: str | None) -> None:
    assert code_language.of(code, None, []) == language


def test_shape_agrees_with_tags_on_real_questions(real_data: Path) -> None:
    right = answered = 0
    for name in ("so-60k-subset.csv", "so-questions-2022.csv"):
        with (real_data / "benchmarks" / "quality" / name).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                tags = row["Tags"].strip("<>").split("><")
                expected = {"python", "java", "c#", "php", "c++", "r", "swift", "sql"} & set(tags)
                if len(expected) != 1:
                    continue
                marked = html.html(row["Body"])
                for kind, start, end, _ in marked.segments:
                    found = code_language.of(marked.text[start:end], None, []) if kind == "code" else None
                    answered += found is not None
                    right += found in expected
    assert answered > 50
    # A question about one language shows data, pages and commands too: so the rest is not all wrong.
    assert right / answered > 0.7


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.lists(st.sampled_from(["python", "html", "c", "sql", "x"]), max_size=3))
def test_any_text_has_a_language_or_none(code: str, tags: list[str]) -> None:
    found = code_language.of(code, None, tags)
    assert found is None or found == found.lower()


@pytest.mark.parametrize(
    "unit", ["a ", "\n", " ", "(", "a:\n", '{"a":1,', "x = ", "def f(", "- ", "{[", "select ", "<a "]
)
def test_long_code_costs_no_more_than_its_sample(unit: str) -> None:
    code_language.of(unit, None, [])
    started = time.perf_counter()
    code_language.of(unit * 100_000, None, [])
    assert time.perf_counter() - started < 0.5
