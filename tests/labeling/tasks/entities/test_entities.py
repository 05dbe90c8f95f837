"""Entities: on the real benchmark, on a bucket, and every function by what it finds and what it leaves."""

import time
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus import schema
from socorpus.corpus.documents import html as documents_html
from socorpus.labeling.datasets import so_ner
from socorpus.labeling.functions import Threads, of_task
from socorpus.labeling.schema import EXAMPLES
from socorpus.labeling.tasks import defaults
from socorpus.labeling.tasks.entities import tags as entities_tags
from socorpus.labeling.tasks.entities import task as entities_task
from socorpus.labeling.tasks.entities.spans import Scores, Span, score
from tests.labeling import bucket

FUNCTIONS = {function.name: function for function in of_task("entities")}


def scored(documents: list[so_ner.Document], learned: entities_task.Learned | None = None) -> Scores:
    found = entities_task.label(
        [one.text for one in documents],
        [one.segments for one in documents],
        tokens=[one.tokens for one in documents],
        learned=learned,
    )
    return score([one.spans for one in documents], found)


def test_the_floors_on_the_real_benchmark(real_data: Path) -> None:
    folder = real_data / "benchmarks" / "ner"
    dev = so_ner.read(folder / "dev.txt")
    alone = scored(dev)
    taught = scored(dev, entities_task.learn(folder / "train.txt"))
    assert alone.micro.gold == taught.micro.gold == sum(span.label != "Code_Block" for one in dev for span in one.spans)
    assert alone.micro.f1 >= 0.54
    # As a corpus of these texts has them: Dawid and Skene's model of the same votes.
    made = entities_task.combined(
        [one.text for one in dev], [one.segments for one in dev], tokens=[one.tokens for one in dev]
    )
    weak = score([one.spans for one in dev], [[span for span, _ in found] for found in made])
    assert weak.micro.f1 >= 0.53
    # And its probabilities mean something: surer ones are more often right, and none is sure beyond reason.
    sure = {True: [0, 0], False: [0, 0]}
    for one, found in zip(dev, made, strict=True):
        for span, probability in found:
            if span.label != "Code_Block":
                sure[probability > 0.9][0] += span in one.spans
                sure[probability > 0.9][1] += 1
    (right, surest), (rest, others) = sure[True], sure[False]
    assert surest > 40 and right / surest > 0.8 and 0.6 < rest / others < 0.75
    assert taught.micro.f1 >= 0.58


@pytest.mark.slow
def test_a_context_model_adds_to_the_gazetteers(real_data: Path) -> None:
    # A part of train alone, as the whole takes a minute.
    documents = so_ner.read(real_data / "benchmarks" / "ner" / "train.txt")
    known = [one for one in documents if one.question % 3 == 0]
    rest = [one for one in documents if one.question % 3 == 1][:200]
    names = scored(rest, entities_task.learn_documents(known))
    context = scored(rest, entities_task.learn_documents(known, context=True))
    assert context.micro.f1 > names.micro.f1 > 0.5
    few = [one for one in known if one.question % 30 == 0]
    both = [scored(rest[:50], entities_task.learn_documents(few, context=True)) for _ in range(2)]
    assert both[0] == both[1]


def votes(html: str, name: str, tags: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Type and text of what a function votes on a post."""
    read = documents_html.html(html)
    segments = [
        {"kind": kind, "start": start, "end": end, "language": language, "id": 1}
        for kind, start, end, language in read.segments
    ]
    (found,) = entities_task.votes_on([read.text], [segments], [tags], [FUNCTIONS[name]])
    assert all(vote.evidence["rule"] for _, vote in found)
    return [(vote.label, read.text[vote.start : vote.end]) for _, vote in found]


CODE = (
    "<p><code>foo()</code> <code>HashMap</code> <code>user_id</code> <code>getName</code> <code>$x</code>"
    "<code> 'a b' </code> <code>42</code> <code>int</code> <code>a.py</code> <code>.jar</code>"
    "<code>&lt;td&gt;</code> <code>a = b</code> <code>KeyError</code></p>"
)
CODE_FOUND = (
    "Function foo()|Class HashMap|Variable user_id|Function getName|Variable $x|Value 'a b'|Value 42|Data_Type int"
    "|File_Name a.py|File_Type .jar|HTML_XML_Tag <td>|Code_Block a = b|Error_Name KeyError"
)
# Function, post, what it finds there.
CASES = {
    "code_form": (CODE, CODE_FOUND),
    "calls": ("<p>Call foo() or obj.bar(x, y) here</p>", "Function foo()|Function obj.bar(x, y)"),
    "camel_case": (
        "<p>My CustomerOrder has orderTotal, getTotal</p>",
        "Class CustomerOrder|Variable orderTotal|Function getTotal",
    ),
    "snake_case": ("<p>the user_name and $foo, get_user</p>", "Variable user_name|Variable $foo|Function get_user"),
    "qualified_names": ("<p>It is java.util.Locale there</p>", "Class java.util.Locale"),
    "head_words": (
        "<p>the <code>foo</code> method of class <code>bar</code>, and the variable x</p>",
        "Function foo|Class bar|Variable x",
    ),
    "file_names": (
        "<p>See main.py, /etc/hosts.d/x and src/a/b.c.</p>",
        "File_Name main.py|File_Name /etc/hosts.d/x|File_Name src/a/b.c",
    ),
    "markup_tags": ("<p>a &lt;br/&gt; in a div</p>", "HTML_XML_Tag <br/>|HTML_XML_Tag div"),
    "errors": (
        "<p>java.io.IOException or error 404, a segfault</p>",
        "Error_Name java.io.IOException|Error_Name 404|Error_Name error 404|Error_Name segfault",
    ),
    "repeated_code": ("<p><code>Widget</code>: a Widget is made</p>", "Class Widget"),
    "versions": ("<p>Python 3.6 and version 2 of it, or 1.2.3</p>", "Version 3.6|Version 2|Version 1.2.3"),
    "known_languages": ("<p>Java and C# and R</p>", "Language Java|Language C#|Language R"),
    "known_software": (
        "<p>jQuery in Firefox on Ubuntu</p>",
        "Library jQuery|Application Firefox|Operating_System Ubuntu",
    ),
    "known_devices": ("<p>my iPhone and its CPU</p>", "Device iPhone|Device CPU"),
    "known_structures": (
        "<p>a linked list of strings by quicksort</p>",
        "Data_Structure linked list|Data_Type strings|Algorithm quicksort",
    ),
    "known_interface": (
        "<p>the button of the drop-down menu</p>",
        "User_Interface_Element button|User_Interface_Element drop-down menu",
    ),
    "known_websites": ("<p>on GitHub or Stack Overflow</p>", "Website GitHub|Website Stack Overflow"),
    "literals": ("<p>it is null or None, or returns true</p>", "Value null|Value None|Value true"),
    "file_types": (
        "<p>a .png, a CSV, a Python file and a text file</p>",
        "File_Type .png|File_Type CSV|File_Type Python|File_Type text",
    ),
    "keyboard_input": (
        "<p>Then press Enter or Ctrl+Shift+F</p>",
        "Keyboard_IP Ctrl+Shift+F|Keyboard_IP Enter|Keyboard_IP Enter",
    ),
    "user_names": (
        "<p>as @some_one and @[USER_1] said. Thanks to Maria.</p>",
        "User_Name @some_one|User_Name @[USER_1]|User_Name Maria",
    ),
    "values": ('<p>print "hello you", width 20px, returns 5</p>', 'Value "hello you"|Value 20px|Value 5'),
    "addresses": ("<p>I read it on example.com yesterday</p>", "Website example.com"),
    "own_tags": ("<p>How does go compare to it?</p>", "Language go"),
    "language_hints": (
        '<p>In go it is</p><pre class="lang-go prettyprint-override"><code>x := 1 // go</code></pre>',
        "Language go",
    ),
}

# Function, posts in which it finds nothing.
SILENT = {
    "code_form": ["<p>foo()</p>", "<p><code>word</code></p>", "<pre><code>foo()</code></pre>"],
    "calls": ["<p>The file(s), O(n), a word (or two)</p>", "<p><code>foo()</code></p>"],
    "camel_case": [
        "<p>JavaScript on iPhone and MySQL</p>",
        "<p>A Word and an ACRONYM</p>",
        "<p><code>fooBar</code></p>",
    ],
    "snake_case": ["<p>a plain word, a-b, @name, [EMAIL_1]</p>", "<p>http://x.org/a_b</p>"],
    "qualified_names": ["<p>It ends.Then goes on. See e.g. this</p>", "<p>www.example.com</p>"],
    "head_words": ["<p>this method, the class is, a good function of it</p>"],
    "file_names": ["<p>i.e. node.js and/or http://x.org/a/b.py</p>", "<p>It ended.So what</p>"],
    "markup_tags": ["<p>if a &lt; b and c &gt; d</p>"],
    "errors": ["<p>an error, an exception, 404 apples</p>"],
    "repeated_code": ["<p><code>Widget</code> alone</p>", "<p><code>x</code> and x</p>"],
    "versions": ["<p>3 apples, Python 3 times, at 10.0.0.1, 2.5 kg</p>"],
    "known_languages": ["<p>to go or to c what is r</p>"],
    "known_software": ["<p>to express one word, access it and react</p>"],
    "known_devices": ["<p>to switch it</p>"],
    "known_structures": ["<p>a plain thing</p>"],
    "known_interface": ["<p>a plain thing</p>"],
    "known_websites": ["<p>so it is a medium</p>"],
    "literals": ["<p>nothing is annulled, which is true</p>"],
    "file_types": ["<p>It ends. Then a file.</p>", "<p>x.png</p>"],
    "keyboard_input": ["<p>press on, 2 + 3</p>"],
    "user_names": ["<p>me@example.com, thanks for all, <code>@Override</code></p>"],
    "values": ["<p>it's mine, isn't it</p>", "<p><code>print 'x'</code></p>", '<p>a so-called "smart" one of 5</p>'],
    "addresses": ["<p>https://example.com/page and me@example.com</p>"],
    "own_tags": ["<p>How does rust compare?</p>", "<p><code>go</code></p>"],
    "language_hints": ["<p>In go it is</p><pre><code>x</code></pre>"],
    "site_tags": ["<p>anything, python</p>"],
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_function_finds(name: str) -> None:
    html, expected = CASES[name]
    said = [f"{label} {text}" for label, text in votes(html, name, ("go",))]
    assert said == expected.split("|")


@pytest.mark.parametrize("name", SILENT)
def test_what_a_function_leaves(name: str) -> None:
    for html in SILENT[name]:
        assert votes(html, name, ("go",)) == [], html


def test_every_function_has_its_cases_and_says_what_it_does() -> None:
    assert set(SILENT) == set(FUNCTIONS)
    assert set(CASES) == set(FUNCTIONS) - {"site_tags"}
    assert len(FUNCTIONS) >= 12
    assert set(entities_task.TRUST) <= set(FUNCTIONS)
    for function in FUNCTIONS.values():
        assert function.says.endswith("."), function.name


def test_tags_with_a_wiki_are_names_on_their_site() -> None:
    posts = [
        bucket.question(1, body="<p>I write brewlang in BrewKit, and <code>brewlang</code></p>"),
        bucket.question(8, post_type_id=4, body="Brewlang is a scripting language of brewers."),
        bucket.question(9, post_type_id=5, body="<p>BrewKit is a library for brewlang.</p>"),
    ]
    made = bucket.threads(posts)
    rows = [
        {"site": bucket.SITE, "tag_id": 1, "tag_name": "brewlang", "count": 3, "excerpt_post_id": 8},
        {"site": bucket.SITE, "tag_id": 2, "tag_name": "brewkit", "count": 3, "wiki_post_id": 9},
        {"site": bucket.SITE, "tag_id": 3, "tag_name": "taste", "count": 3},
    ]
    tags = pa.Table.from_pylist(rows, schema=schema.dump_schema("tags"))
    site = Threads(**{**vars(made), "tags": tags})
    facts = entities_tags.merge(
        [entities_tags.collect(site), entities_tags.collect(Threads(**{**vars(site), "posts": made.posts[:1]}))]
    )
    assert facts == {"tags": {bucket.SITE: {"brewkit": "Library", "brewlang": "Language"}}}
    examples = defaults.published(site, (), entities_task.TASK.kinds)
    seen = Threads(**{**vars(site), "facts": facts, "examples": examples})
    found = [(vote.label, vote.start, vote.end) for vote in entities_tags.site_tags(seen)]
    text = examples["text"][0].as_py()
    assert [(label, text[start:end]) for label, start, end in found] == [
        ("Language", "brewlang"),
        ("Library", "BrewKit"),
    ]


def test_examples_are_the_documents_with_their_comments() -> None:
    posts = [bucket.question(1), bucket.answer(2)]
    made = bucket.threads(posts, [bucket.comment(5, 2, "Use `foo()` in PyQt")])
    examples = defaults.published(made, (), entities_task.TASK.kinds)
    assert examples.schema.equals(EXAMPLES)
    assert examples["text"].to_pylist() == made.documents["text"].to_pylist()
    assert examples["form"].to_pylist() == ["published"] * 2
    seen = Threads(**{**vars(made), "examples": examples})
    spans = {
        (vote.post_id, vote.label, examples["text"][1].as_py()[vote.start : vote.end])
        for function in FUNCTIONS.values()
        for vote in function.find(seen)
        if vote.post_id == 2
    }
    assert {(2, "Function", "foo()"), (2, "Library", "PyQt")} <= spans


def test_functions_without_examples_say_so() -> None:
    with pytest.raises(ValueError, match="make these first"):
        list(FUNCTIONS["calls"].find(bucket.threads([bucket.question(1)])))


def test_labels_of_texts_alone_and_widened_to_tokens() -> None:
    text = "Run foo() in Python 3.6"
    assert entities_task.label([text]) == [[Span(4, 9, "Function"), Span(13, 19, "Language"), Span(20, 23, "Version")]]
    assert entities_task.label([text], tokens=[[(0, 3), (4, 12), (13, 19), (20, 23)]])[0][0] == Span(4, 12, "Function")
    assert entities_task.label([]) == []


@settings(max_examples=150)
@given(
    st.text(alphabet=st.sampled_from("aB1 ._-/\\@$#<>()'\"`+:\n~İé👩日"), max_size=60),
    st.integers(0, 60),
    st.integers(0, 60),
)
def test_any_text_gets_spans_within_it_and_apart(text: str, start: int, length: int) -> None:
    end = min(len(text), start + length)
    code = [{"kind": "inline_code", "start": start, "end": end, "language": None, "id": 1}] if start < end else []
    (said,) = entities_task.votes_on([text], [code])
    for function, vote in said:
        assert vote.start is not None and vote.end is not None
        assert 0 <= vote.start < vote.end <= len(text), function.name
        assert vote.label in entities_task.TASK.labels
    (found,) = entities_task.label([text], [code])
    assert all(one.end <= other.start for one, other in pairwise(found))


PIECES = ("a.", "a/", "(", "'", "<a", "A", "a_", "@", "$a", "1.", "-", "a(", "ctrl+", "ctrl + ", "\\", "a b.", "the ")


@pytest.mark.parametrize("piece", PIECES)
def test_time_grows_with_length_alone(piece: str) -> None:
    # Of patterns that try again from each character some took minutes for these, which take milliseconds.
    def seconds(times: int) -> float:
        text = piece * times
        code = [{"kind": "inline_code", "start": 0, "end": len(text), "language": None, "id": 1}]
        started = time.process_time()
        entities_task.votes_on([text, text], [[], code])
        return time.process_time() - started

    seconds(100)
    assert seconds(40_000) < 40 * max(seconds(4_000), 0.02)
