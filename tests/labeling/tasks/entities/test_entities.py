"""Entities: on the real benchmark, on a bucket, and every function by what it finds and what it leaves."""

import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus import schema
from socorpus.corpus.documents import html as documents_html
from socorpus.corpus.errors import InputError
from socorpus.labeling.datasets import so_ner
from socorpus.labeling.functions import Threads, of_task
from socorpus.labeling.schema import EXAMPLES
from socorpus.labeling.tasks import defaults
from socorpus.labeling.tasks.entities import gazetteers
from socorpus.labeling.tasks.entities import learned as entities_learned
from socorpus.labeling.tasks.entities import post as entities_post
from socorpus.labeling.tasks.entities import site_prior as entities_site
from socorpus.labeling.tasks.entities import tags as entities_tags
from socorpus.labeling.tasks.entities import task as entities_task
from socorpus.labeling.tasks.entities.spans import Span, score
from tests.labeling import bucket

FUNCTIONS = {function.name: function for function in of_task("entities")}


@pytest.mark.slow
def test_the_floors_on_the_real_benchmark(real_data: Path) -> None:
    dev = so_ner.read(real_data / "benchmarks" / "ner" / "dev.txt")
    labelled = entities_task.label(
        [one.text for one in dev], [one.segments for one in dev], tokens=[one.tokens for one in dev]
    )
    scores = score([one.spans for one in dev], [[span for span, _ in spans] for spans in labelled])
    assert scores.micro.f1 >= 0.64
    stated = [
        (probability, span in one.spans)
        for one, spans in zip(dev, labelled, strict=True)
        for span, probability in spans
        if span.label != "Code_Block"
    ]
    # Probabilities are what they say they are: in all, by tenths, and where they are high.
    gaps = 0.0
    for tenth in range(10):
        some = [(value, right) for value, right in stated if int(value * 10) == tenth]
        gaps += abs(sum(value - right for value, right in some)) / len(stated)
    sure = [right for value, right in stated if value >= 0.9]
    assert gaps < 0.05 and len(sure) > 400 and sum(sure) / len(sure) >= 0.94


@pytest.mark.slow
def test_learning_is_the_same_again_and_knows_more_than_chance(real_data: Path, tmp_path: Path) -> None:
    documents = so_ner.read(real_data / "benchmarks" / "ner" / "train.txt")
    numbers = sorted({one.question for one in documents})
    known, rest = (
        [one for one in documents if one.question in set(numbers[first : first + count])]
        for first, count in ((0, 60), (60, 30))
    )
    for name in ("a", "b"):
        entities_task.learn_documents(known).save(tmp_path / name, {"source": "a test"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    labelled = entities_task.label(
        [one.text for one in rest],
        [one.segments for one in rest],
        tokens=[one.tokens for one in rest],
        learned=entities_learned.load(tmp_path / "a"),
    )
    found = [[span for span, _ in spans] for spans in labelled]
    assert score([one.spans for one in rest], found).micro.f1 > 0.4


def test_nothing_can_be_learned_of_texts_without_spans() -> None:
    document = so_ner.Document(1, "1/0", "a button", ((0, 1), (2, 8)), ((0, 2),), (), ())
    with pytest.raises(InputError, match="nothing can be learned"):
        entities_task.learn_documents([document])


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
    "markup_tags": (
        "<p>a &lt;br/&gt; in a div, &lt;item&gt;x&lt;/item&gt;</p>",
        "HTML_XML_Tag <br/>|HTML_XML_Tag <item>|HTML_XML_Tag </item>|HTML_XML_Tag div",
    ),
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
    "learned": ("<p>I use Java in Firefox</p>", "Language Java|Application Firefox"),
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
    "markup_tags": [
        "<p>if a &lt; b and c &gt; d</p>",
        "<p>Tr (the trace) and Li et al. prove the span of it</p>",
        "<p>A List&lt;String&gt;, vector&lt;int&gt;, &lt;iostream&gt; and your &lt;username&gt;</p>",
    ],
    "errors": ["<p>an error, an exception, 404 apples</p>"],
    "repeated_code": ["<p><code>Widget</code> alone</p>", "<p><code>x</code> and x</p>"],
    "versions": ["<p>3 apples, Python 3 times, at 10.0.0.1, 2.5 kg</p>"],
    "known_languages": ["<p>to go or to c what is r</p>", "<p>C'est la vie, vitamin-C</p>"],
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
    "site_names": ["<p>anything, python</p>"],
    "own_names": ["<p>anything, python</p>"],
    "learned": ["<p>It is so.</p>"],
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
    assert set(CASES) == set(FUNCTIONS) - {"site_tags", "site_names", "own_names"}
    assert len(FUNCTIONS) >= 12
    weigher = entities_task.TASK.weigher
    assert weigher is not None and {weigher().function, *weigher().weighs} == set(FUNCTIONS)
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
    assert facts["tags"] == {bucket.SITE: {"brewkit": "Library", "brewlang": "Language"}}
    examples = defaults.published(site, (), entities_task.TASK.kinds)
    seen = Threads(**{**vars(site), "facts": facts, "span_examples": examples})
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
    seen = Threads(**{**vars(made), "span_examples": examples})
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
    (labelled,) = entities_task.label([text])
    assert [span for span, _ in labelled] == [Span(4, 9, "Function"), Span(13, 19, "Language"), Span(20, 23, "Version")]
    assert all(0.3 <= probability < 1 for _, probability in labelled)
    wide = entities_task.label([text], tokens=[[(0, 3), (4, 12), (13, 19), (20, 23)]])
    assert wide[0][0][0] == Span(4, 12, "Function")
    assert entities_task.label([]) == []


def test_formulas_and_prices_are_no_entities() -> None:
    maths = "Let $n$ be a set, $U$ the union and $f(x)$ a map, so that \\(g(y)\\) and $$a_1 + h(z)$$ hold."
    prices = "It costs $5, $20.50 or $3k, US$ 300 or 5 €."
    for text in (maths, prices):
        said = {text[vote.start : vote.end] for _, vote in entities_task.votes_on([text])[0]}
        assert not any(sign in word for word in said for sign in "$€("), said
    # Variables of PHP and of a shell stay, and so does what is written as code.
    text = "Set $foo and $bar, then use $HOME/bin and $PATH"
    said = {text[vote.start : vote.end] for _, vote in entities_task.votes_on([text])[0]}
    assert {"$foo", "$bar", "$PATH"} <= said
    code = "In the shell x$y$z is one"
    segment = {"kind": "inline_code", "start": 13, "end": 18, "language": None, "id": 1}
    assert entities_post.post(code, [segment]).open == code


def _site(coded: int, posts: int, tags: dict[str, tuple[int, str | None]]) -> dict[str, object]:
    return {"posts": posts, "code": coded, **entities_site.of_tags(tags)}


BEER = _site(2, 100, {"ipa": (40, None), "brewing": (60, None)})
PROGRAMS = _site(70, 100, {"python": (60, "Python is a programming language"), "ipa": (2, "the .ipa file format")})
GENOMES = _site(60, 100, {"assembly": (30, "joining reads of a genome"), "python": (30, "Python is a language")})


def test_a_site_says_what_it_is_about() -> None:
    assert entities_site.programming(BEER) == 0 and entities_site.programming(PROGRAMS) == 1
    assert BEER["doubtful"] == ["ipa"] and not PROGRAMS["disputed"]
    assert GENOMES["disputed"] == ["assembly"]
    assert entities_site.programming(_site(0, 5, {})) == 1  # too few posts to say


def _labels(
    text: str, counts: dict[str, object] | None, tags: tuple[str, ...] = ("python", "django"), **facts: object
) -> dict[str, str]:
    """What is found in a text on a site with these counts: text of the span -> type."""
    post = bucket.question(1, body=f"<p>{text}</p>", tags=list(tags))
    made = bucket.threads([post])
    known = {**({"sites": {bucket.SITE: counts}} if counts else {}), **facts}
    examples = defaults.published(made, (), entities_task.TASK.kinds)
    seen = Threads(**{**vars(made), "facts": known, "span_examples": examples})
    text = examples["text"][0].as_py()
    return {text[vote.start : vote.end]: vote.label for vote in FUNCTIONS["learned"].find(seen)}


def test_a_name_is_read_as_its_site_means_it() -> None:
    brewing = "I open the IPA file of the app. An IPA is hoppy, and the bottle and the glass have a table beside them."
    assert "IPA" in _labels(brewing, PROGRAMS) and "IPA" not in _labels(brewing, BEER)
    genes = "How good is the assembly, written in Python or in Java?"
    assert "assembly" not in _labels(genes, GENOMES) and "Python" in _labels(genes, GENOMES)
    generic = "Put it on the list, then look at the table and the string in the tree of the image"
    assert set(_labels(generic, BEER)) < set(_labels(generic, PROGRAMS))


TOOLS = _site(20, 100, {"wallets": (90, None), "python": (30, "Python is a programming language")})
WALLETS = _site(40, 100, {"wallets": (90, None), "python": (5, "Python is a programming language")})


def test_everyday_words_are_names_on_sites_about_programming_only() -> None:
    for name, text in (
        ("driver", "Then install the driver on Windows and restart the service of the driver"),
        ("Mint", "Install it in Ubuntu and in Linux Mint or in Mint itself"),
        ("REST API", "I call the REST API of the service from Python"),
        ("log", "Look at the log file that Apache writes"),
    ):
        assert name in _labels(text, PROGRAMS), name
        assert name not in _labels(text, WALLETS) and name not in _labels(text, BEER), name
    assert gazetteers.everyday("Drivers") and gazetteers.everyday("windows")
    assert not gazetteers.everyday("Windows") and not gazetteers.everyday("web browser")
    # The site's own word for it stands: its wiki or its posts say what the name is.
    named = {"names": {bucket.SITE: {"Mint": "Application"}}}
    assert _labels("As I said, Mint syncs with the chain", TOOLS, **named) == {"Mint": "Application"}
    assert _labels("As I said, Mint syncs with the chain", TOOLS) == {}


def test_a_tag_that_is_an_everyday_word_names_nothing_on_a_site_unlike_the_judges() -> None:
    text = "Then install a full node beside the node of the pool, with Python"
    assert _labels(text, PROGRAMS, ("node",)).get("node") == "Library"
    assert "node" not in _labels(text, WALLETS, ("node",))


def test_a_class_elsewhere_is_a_name_that_the_posts_code_has() -> None:
    text = "<p>I pay by the FrobSwap, and get a new FrobContext</p><pre><code>x :: FrobContext -> Int</code></pre>"
    assert {"FrobSwap", "FrobContext"} <= set(_labels(text, PROGRAMS))
    elsewhere = _labels(text, TOOLS)
    assert elsewhere.get("FrobContext") == "Class" and "FrobSwap" not in elsewhere
    assert "Class" not in _labels(text, WALLETS).values()


def test_types_that_a_site_is_not_about_abstain_and_the_analysis_says_why() -> None:
    facts = {
        "sites": {"beer": BEER, "wallets": WALLETS, "programs": PROGRAMS, "small": _site(0, 5, {})},
        "tags": {"beer": {"quicksort": "Algorithm"}},
        "names": {},
        "settings": {"names": {}},
    }
    reasons = entities_task.TASK.abstains(facts)
    assert set(reasons) == {"beer", "wallets"}
    assert set(reasons["wallets"]) == {"Class", "Data_Structure", "User_Interface_Element", "Value"}
    assert {"Class", "Value"} < set(reasons["beer"]) and "Algorithm" not in reasons["beer"]  # its tags name one
    assert reasons["beer"]["Class"].startswith("2.0% of its posts have code, 0.0% of its tags name languages")
    assert "5.3% of its tags" in reasons["wallets"]["Value"]
    text = "Click the button of the dialog; the value is 42, the list is an array, and the variable is <code>x_y</code>"
    assert {"button", "array"} <= set(_labels(text, PROGRAMS))
    for site, counts in (("beer", BEER), ("wallets", WALLETS)):
        assert not reasons[site].keys() & set(_labels(text, counts).values())


def test_short_words_are_no_tags_by_themselves() -> None:
    for text in ("Tr (the trace) of A and Li proved that the span is all", "Hmm, a span of two days"):
        assert "HTML_XML_Tag" not in _labels(text, PROGRAMS).values()


def test_names_that_posts_introduce_are_known_on_their_site() -> None:
    text = "Then Daedalus syncs with the chain"
    assert _labels(text, PROGRAMS, names={bucket.SITE: {"Daedalus": "Application"}}) == {"Daedalus": "Application"}
    # Where the judge knows no site like it, two posts that say what a name is are not enough.
    named = {"names": {bucket.SITE: {"Daedalus": "Application"}}}
    assert _labels(text, BEER, **named) == {}
    sure = {**named, "terms": {bucket.SITE: ["Daedalus"]}}
    assert _labels(text, BEER, **sure) == {"Daedalus": "Application"}
    assert _labels("Then Daedalus Flight syncs, as the Old Daedalus does", BEER, **sure) == {}


def test_the_sites_own_names_come_from_its_posts_tags_and_links() -> None:
    link = '<p>Get <a href="https://zorkwallet.io/get">Zork</a> or <a href="https://frob.example.com/x">Plugh</a></p>'
    said = ["Zork is a wallet for it.", "Use a wallet called Zork", "As Plugh is a wallet, use it", "The Plugh wallet"]
    posts = [
        bucket.question(1, body=link),
        *(bucket.question(number, body=f"<p>{text}</p>") for number, text in enumerate(said, start=2)),
        *(bucket.question(number, body="<p>Then open Zork, and Plugh too.</p>") for number in range(10, 16)),
    ]
    facts = entities_tags.merge([entities_tags.collect(bucket.threads(posts))])
    assert facts["names"] == {bucket.SITE: {"Plugh": "Application", "Zork": "Application"}}
    assert facts["terms"] == {bucket.SITE: ["Zork"]}


def test_names_of_the_users_own_are_found_on_any_site() -> None:
    own = {"Frobozz": "Application", "zorkmid": "Data_Type"}
    for counts in (BEER, PROGRAMS):
        found = _labels("Frobozz counts a zorkmid, not frobozz", counts, settings={"names": own})
        assert found["Frobozz"] == "Application" and found["zorkmid"] == "Data_Type" and "frobozz" not in found


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
    assert all(one.end <= other.start for (one, _), (other, _) in pairwise(found))


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
    # What is quadratic takes sixteen times as long for four times the length; another process may be in the way of one
    # measurement, not of all.
    assert any(seconds(40_000) < 10 * max(seconds(10_000), 0.02) for _ in range(3))


def test_sites_unlike_the_one_that_was_learned_from_have_surer_labels_only() -> None:
    assert entities_site.programming(WALLETS) == 1 and entities_site.alike(WALLETS) < 0.1
    # What a wiki doesn't say is doubted only of types that such sites are not about.
    assert entities_site.of_tags({"google maps": (3, None), "ipa": (3, None)})["doubtful"] == ["ipa"]
    text = "I use Java in Firefox, see [1] and the string of the table"
    assert set(_labels(text, WALLETS)) < set(_labels(text, PROGRAMS))
    assert "[1]" not in _labels(text, WALLETS)


def test_functions_have_one_order_whichever_module_is_imported_first() -> None:
    code = (
        "from socorpus.labeling.tasks.entities import {first}, task, post\n"
        "from socorpus.labeling.functions import of_task\n"
        "print([f.__name__ for f in post.FINDERS], [f.name for f in of_task('entities')])"
    )
    said = {
        subprocess.run([sys.executable, "-c", code.format(first=first)], capture_output=True, check=True).stdout
        for first in ("code", "prose")
    }
    assert len(said) == 1


@pytest.mark.parametrize("before", [0, 1, 3, 150, 199, 200, 201, 403])
@pytest.mark.parametrize("space", [" ", "\n", "\u00a0"])
def test_words_of_more_than_200_signs_are_blanked_wherever_they_stand(before: int, space: str) -> None:
    for size in (199, 200, 201, 202, 402, 500):
        text = f"{'a ' * (before // 2)}{space}{'b' * size}{space}end"
        is_open = entities_post.post(text, []).open
        assert len(is_open) == len(text) and is_open.endswith("end")
        assert ("b" in is_open) == (size <= 200)


def test_names_of_the_configuration_that_no_text_has_are_pointed_out() -> None:
    named = {"Daedalus": "Application", "plutus-tx": "Library", "No Such Tool": "Application"}
    said = list(entities_tags.unheard(named, ["Daedalus", "Plutus-TX"]))
    assert len(said) == 1 and "no text has 'Application: No Such Tool'" in said[0] and "as it is written" in said[0]
    (plain,) = entities_tags.unheard({"untappd": "Website"}, [])
    assert "as it is written" not in plain
