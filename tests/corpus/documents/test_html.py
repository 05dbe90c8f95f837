"""Markup against BeautifulSoup on all real bodies, and the cases that real bodies seldom hold."""

import re
from collections.abc import Iterator
from pathlib import Path

import py7zr
import pyarrow as pa
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from socorpus.corpus import schema
from socorpus.corpus.documents import html, html_kernel, markdown
from socorpus.corpus.documents.spans import Column, Marked


def _rows(path: Path, attribute: str) -> Iterator[str]:
    for _, row in etree.iterparse(path, recover=True, huge_tree=True):
        if row.tag == "row" and row.get(attribute) is not None:
            yield row.attrib[attribute]
        row.clear()


@pytest.fixture(scope="module")
def files(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("archives")
    for archive in (real_data / "archives").glob("*.7z"):
        with py7zr.SevenZipFile(archive) as packed:
            wanted = [name for name in packed.getnames() if name.endswith(("Posts.xml", "Comments.xml"))]
            packed.extract(folder / archive.stem, targets=wanted)
    return [file for root in (real_data / "dumps", folder) for file in sorted(root.rglob("*.[xX][mM][lL]"))]


@pytest.fixture(scope="module")
def bodies(files: list[Path]) -> list[str]:
    found = [b for f in files if f.stem.lower() in ("posts", "postswithdeleted") for b in _rows(f, "Body")]
    assert len(found) > 1000
    return found


def _bare(text: str) -> str:
    return "".join(text.split())


def _unsigned(text: str, body: str) -> str:
    """Text without white space, and without the signs of scripts where a body has any."""
    bare = _bare(text)
    return re.sub(r"[\^_()]", "", bare) if re.search("<su[pb]", body, re.IGNORECASE) else bare


def _hold(marked: Marked) -> None:
    """Spans lie in the text, in order, apart and not empty; all but white space is in one of them."""
    done = 0
    for kind, start, end, hint in marked.segments:
        assert done <= start < end <= len(marked.text)
        assert not marked.text[done:start].strip()
        assert kind == "code" or not re.search(r"\A\s|\s\Z", marked.text[start:end])
        assert kind == "code" or hint is None
        done = end
    assert not marked.text[done:].strip()
    assert all(0 <= start < end <= len(marked.text) and target for start, end, target in marked.links)
    assert "\0" not in marked.text
    marked.text.encode()


def _code(marked: Marked) -> list[str]:
    return [marked.text[start:end] for kind, start, end, _ in marked.segments if kind == "code"]


def test_real_bodies_have_the_text_of_the_reference(bodies: list[str]) -> None:
    blocks = 0
    for body in bodies:
        soup, marked = BeautifulSoup(body, "lxml"), html.html(body)
        assert _unsigned(marked.text, body) == _unsigned(soup.get_text(), body)
        _hold(marked)
        expected = []
        for pre in soup.find_all("pre"):
            code = pre.find_all("code", recursive=False)
            alone = code and _bare(pre.get_text()) == _bare("".join(c.get_text() for c in code))
            expected += [c.get_text() for c in code] if alone else [pre.get_text()]
        assert _code(marked) == [text for text in expected if text]
        blocks += len(expected)
    assert blocks > 0


def test_real_prose_keeps_its_words_apart(bodies: list[str]) -> None:
    for body in bodies:
        if re.search("<(?:pre|br|sup|sub|kbd|del|ins|s|strike|img)\\b", body):
            continue
        soup, text = BeautifulSoup(body, "lxml"), html.html(body).text
        for block in soup.find_all(["p", "h1", "h2", "h3", "h4"]):
            assert " ".join(block.get_text().split()) in " ".join(text.split())


def test_both_readers_agree_on_real_bodies(bodies: list[str]) -> None:
    for body in bodies[::3]:
        assert html.html(body) == html.careful(body)


def _row(texts: Column, row: int) -> Marked:
    """One row of a column as `html` and `comment` give it."""
    segments, links = texts.segments[slice(*texts.bounds[row : row + 2])], slice(*texts.link_bounds[row : row + 2])
    spans = zip(texts.links[links].tolist(), texts.targets[links].to_pylist(), strict=True)
    return Marked(
        texts.text[row].as_py(),
        [
            (schema.SEGMENT_KINDS[k], a, b, None if hint < 0 else texts.hints[hint])
            for k, a, b, hint in segments.tolist()
        ],
        [(start, end, target) for (start, end), target in spans],
    )


def test_a_column_is_read_like_its_rows(bodies: list[str]) -> None:
    # Rows for both readers, empty ones and nulls, in chunks of which one is a slice.
    some: list[str | None] = [*bodies[:400], None, "", "<p>a<wbr>b</p><pre class='lang-x'><code>y</code></pre>", " "]
    chunks = [pa.array(some, pa.string()).slice(7), pa.array(some[:90], pa.string())]
    column = html.posts(pa.chunked_array(chunks))
    for row, body in enumerate(some[7:] + some[:90]):
        assert _row(column, row) == html.html(body)
        assert column.lengths[row] == len(column.text[row].as_py())


_MARKS = (
    *(
        "<p>",
        "</p>",
        "\n\n",
        "</p>\n\n<p>",
        "<ul>\n<li>",
        "</li>\n<li>",
        "</li>\n</ul>",
        "<blockquote>\n",
        "</blockquote>",
    ),
    *(
        "<br>",
        "<br />",
        "<hr>",
        "<b>",
        "</b>",
        "<code>",
        "</code>",
        "<code>x &lt; y</code>",
        "<pre><code>",
        "</code></pre>",
    ),
    *('<pre class="lang-py s-code-block"><code>', "<pre><code>if a:\n\tb  \n</code></pre>\n\n", "<script>x</script>"),
    *(
        '<a href="http://x.y/?a=1&amp;b=2" rel="nofollow">',
        "</a>",
        '<a href="/q/1">one</a>',
        '<img src="u" alt="a > b">',
    ),
    *("&amp;", "&quot;", "&nbsp;", "&amp;lt;", "&lt", "&lang;", "&#39;", "&#8212;", "&#x41;", "& ", "<", ">", "a < b"),
    *("<!-- language: lang-js -->", "<!-- no -->", "\r\n", '<td style="text-align: right;">', "</div>", "\t", "  "),
    '<div class="snippet">',
)
_PIECES = st.one_of(st.sampled_from(_MARKS), st.text(st.characters(exclude_categories=("Cs",)), max_size=8))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_column_is_read_like_its_rows(data: st.DataObject) -> None:
    bodies = data.draw(st.lists(st.none() | st.lists(_PIECES, max_size=8).map("".join), max_size=5))
    column, said = (read(pa.chunked_array([bodies], pa.string())) for read in (html.posts, markdown.comments))
    for row, body in enumerate(bodies):
        assert _row(column, row) == html.html(body)
        assert _row(said, row) == markdown.comment(body)


# One body for each kind of markup that the two readers once laid out differently, and what is right.
@pytest.mark.parametrize(
    ("body", "text"),
    [
        # A closing tag of what is not open is ignored, as in the HTML standard (13.2.6.4.7, "any other end tag").
        *((f"x</{name}>y", "xy") for name in html_kernel.OPERATIONS if name not in ("p", "br")),
        # Nothing goes before the text of a cell but its tab, also where the cell begins with a block.
        ("<table><tr><td></td><td><blockquote></blockquote></td><td>c</td></tr></table>", "\t\tc"),
        ("<ul><li>x</li></ol>y</ul>z", "x\ny\nz"),
        ("<p>x</div>y</p>z", "xy\n\nz"),
        # Elements that others close by beginning, or that are closed across others.
        ("<li>a<li>b</li>c</li>d", "a\nb\ncd"),
        ("<small><h4>a</small>b", "a\n\nb"),
        ("<p>a<div>b</div>c</p>d", "a\n\nb\ncd"),
        ("<tr>a<tr>b</tr>c</tr>d", "a\nb\ncd"),
        # Empty code sets nothing apart.
        ("a<code></code>b", "ab"),
        ("<p>a <code></code>b<code> </code>c</p>", "a b c"),
    ],
)
def test_what_the_readers_disagreed_about(body: str, text: str) -> None:
    marked = html.html(body)
    assert marked == html.careful(body)
    assert marked.text == text
    assert [segment[0] for segment in marked.segments] == ["prose"]


def test_links_quotes_and_hints_that_the_readers_disagreed_about() -> None:
    for body in (
        '<a href="/x"><td>y</a>z',
        '<a href="/x"><table>y</a>z</table>',
        '<a href="/x"><section></a>y',
        "<blockquote><tbody></blockquote>x",
        "<blockquote>x<code></code>y</blockquote>z",
        "<blockquote>x<ol></blockquote>y",
        '<pre class="lang-&eacute;">x</pre>',
        '<pre class="lang-a&amp;b"><code class="&#108;ang-c">x</code></pre>',
        '<pre Class="lang-c"><code id="" CLASS="lang-d">x</code></pre>',
    ):
        assert html.html(body) == html.careful(body), body
    assert html.html('<pre class="lang-c&amp;b">x</pre>').segments == [("code", 0, 1, "c&b")]


def test_the_parser_closes_what_the_compiled_reader_leaves_to_it() -> None:
    class Events:
        """Whether an element ended while a start was still to come."""

        def __init__(self) -> None:
            self.events: list[str] = []

        def start(self, tag: str, _: object) -> None:
            self.events.append(tag)

        def end(self, _: str) -> None:
            self.events.append("")

        def close(self) -> bool:
            # html, body and the outer element began; nothing ends before the inner one begins.
            return self.events[3] == ""

    names = [name for name in html_kernel.OPERATIONS if name not in ("br", "hr", "img")]
    for name in names:
        for new in html_kernel.OPERATIONS:
            parser = etree.HTMLParser(target=Events())
            parser.feed(f"<{name}><{new}>")
            closed: object = parser.close()
            assert closed is (new in html_kernel.CLOSED_BY.get(name, ())), (name, new)


_ATTRIBUTES = st.sampled_from(
    ("", "", "", ' class="lang-py"', ' class="lang-&amp;x"', ' href="/q?a=1&amp;b=2"', ' s=""')
)


def _element(name: str, attributes: str, content: str, ends: str) -> str:
    start, end = f"<{name}{attributes}>", f"</{name}>"
    return content + end if ends == "no start" else start + content + ("" if ends == "no end" else end)


_TREES = st.recursive(
    st.lists(_PIECES, max_size=3).map("".join),
    lambda inner: st.lists(
        st.builds(
            _element,
            st.sampled_from(sorted(html_kernel.OPERATIONS)),
            _ATTRIBUTES,
            inner,
            st.sampled_from(("", "", "", "", "", "", "no start", "no end")),
        ),
        min_size=1,
        max_size=3,
    ).map("".join),
    max_leaves=8,
)


@settings(max_examples=1000, deadline=None)
@given(_TREES)
def test_both_readers_agree_on_any_markup(body: str) -> None:
    assert html.html(body) == html.careful(body)


@settings(max_examples=600, deadline=None)
@given(st.lists(_PIECES, max_size=12).map("".join))
def test_any_markup_has_the_text_of_the_reference(body: str) -> None:
    marked = html.html(body)
    _hold(marked)
    assert _unsigned(marked.text, body) == _unsigned(BeautifulSoup(body, "lxml").get_text(), body)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_any_string_is_taken(text: str) -> None:
    _hold(html.html(text))
    _hold(markdown.comment(text))


@pytest.mark.parametrize(
    "body", [None, "", " \n", "\0", "<!-- only -->", "<!DOCTYPE html>", "<?x ?>", "<pre><code></code></pre>"]
)
def test_a_body_without_text(body: str | None) -> None:
    assert html.html(body).text in ("", "\ufffd")
    assert markdown.comment(body) == Marked("", [], []) if not (body or "").strip() else True


def test_what_lxml_refuses() -> None:
    marked = html.html("<p>a\ud800b <code>c</code></p><pre><code>\udfffd\n</code></pre><!-- e --><script>f</script>")
    assert marked.text == "a\ufffdb c\n\n\ufffdd\n"
    assert [segment[0] for segment in marked.segments] == ["prose", "inline_code", "code"]


def test_deep_nesting() -> None:
    body = "<div>" * 5000 + "x" + "</div>" * 5000
    assert _bare(html.html(body).text) == _bare(BeautifulSoup(body, "lxml").get_text())
    assert html.html("<b>" * 5000 + "\ud800").text == "\ufffd"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        # A script's sign, and parentheses where it is more than a number, a word or a sign.
        ("<p>10<sup>6</sup> m<sup>2</sup> 2<sup>n</sup></p>", "10^6 m^2 2^n"),
        ("<p>H<sub>2</sub>O, x<sub>i</sub><sup>2</sup></p>", "H_2O, x_i^2"),
        ("<p>2<sup>n+1</sup>, 10<sup>&minus;6</sup>, e<sup>-2</sup></p>", "2^(n+1), 10^\u22126, e^-2"),
        ("<p>x<sup>a b</sup> y<sup>*</sup> z<sub>(i, j)</sub> w<sup>[1]</sup></p>", "x^(a b) y^* z_(i, j) w^[1]"),
        ("<p>e<sup>&pi;</sup> x<sup>\u00e9t\u00e9</sup></p>", "e^\u03c0 x^\u00e9t\u00e9"),
        ("<p>x<sup>a<sup>b</sup></sup> y<sup><b>2</b></sup>.</p>", "x^(a^b) y^(2)."),
        ("<p>x<sup> 2 </sup>y 10 <sup>6</sup></p>", "x ^2 y 10 ^6"),
        ("<p>x<sup></sup>y<sub> </sub>z</p>", "xy z"),
        # Small print has no sign.
        (
            "<p><sup>in small letters</sup></p><p>a <sub>so small</sub><br><sub>1</sub></p>",
            "in small letters\n\na so small\n1",
        ),
        # Code stands as it is.
        ("<pre>10<sup>6</sup></pre>", "10^6".replace("^", "")),
        # Keys, and struck and inserted words, stand apart where they would run together.
        ("<p><kbd>Enter</kbd><kbd>Esc</kbd></p>", "Enter Esc"),
        ("<p><kbd>Ctrl</kbd>+<kbd>C</kbd>, <kbd>F1</kbd>.</p>", "Ctrl+C, F1."),
        ("<p><del>old</del><ins>new</ins>, <s>$5</s><strike>$6</strike></p>", "old new, $5 $6"),
        ("<p><s>bad</s>good <strike>a</strike>(b) un<del>lucky</del></p>", "bad good a(b) un lucky"),
        ("<p>\u4e00<s>\u4e8c</s>\u3002 x<img src='u'>y<img src='u'>.</p>", "\u4e00 \u4e8c\u3002 x y."),
        # Empty cells keep their columns; what is empty at a row's end does not show.
        ("<table><tr><th></th><th>b</th></tr><tr><td>c</td><td></td></tr></table>", "\tb\nc"),
        ("<p>x</p><table>\n<tr>\n<td></td>\n<td></td>\n<td>c</td>\n</tr>\n</table>", "x\n\n\t\tc"),
        ("<table><tr><td>a</td><td></td><td>c</td></tr><tr><td></td></tr><tr><td>d</td></tr></table>", "a\t\tc\nd"),
        ("<table><tr><td><p>a</p></td><td><p>b</p><p>c</p></td><td>d</td></tr></table>", "a\tb\n\nc\td"),
    ],
)
def test_what_an_author_says_stands(body: str, text: str) -> None:
    for read in (html.html, html.careful):
        marked = read(body)
        assert marked.text == text
        _hold(marked)


def test_a_script_gives_no_sign_to_links_and_code() -> None:
    for read in (html.html, html.careful):
        marked = read('<p>so<sup><a href="/q/1">1</a></sup>, 2<sup><code>n m</code></sup></p>')
        assert marked.text == "so^(1), 2^(n m)"
        assert [(marked.text[start:end], target) for start, end, target in marked.links] == [("1", "/q/1")]
        assert _spans(marked) == [("prose", "so^(1), 2^("), ("inline_code", "n m"), ("prose", ")")]


def _spans(marked: Marked) -> list[tuple[str, str]]:
    return [(kind, marked.text[start:end]) for kind, start, end, _ in marked.segments]


def test_kinds_and_white_space() -> None:
    marked = html.html(
        "<p>Use  <code>a b</code>,\nor\n<strong>b</strong>.<br>\nThen:</p>\n\n"
        "<blockquote>\n<p>said <code>q</code></p>\n"
        "<pre><code>  x\n\n</code></pre>\n</blockquote>\n\n"
        "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n\n<hr>\n\n<p>end</p>\n"
    )
    assert marked.text == "Use a b, or b.\nThen:\n\nsaid q\n\n  x\n\n\none\ntwo\n\nend"
    assert _spans(marked) == [
        ("prose", "Use"),
        ("inline_code", "a b"),
        ("prose", ", or b.\nThen:"),
        ("quote", "said"),
        ("inline_code", "q"),
        ("code", "  x\n\n"),
        ("prose", "one\ntwo\n\nend"),
    ]


def test_tables_spoilers_and_inline_marks() -> None:
    table = (
        '<div class="s-table-container"><table class="s-table">\n<thead>\n<tr>\n<th>a</th>\n'
        '<th style="text-align: right;">b'
        "</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td>2</td>\n</tr>\n</tbody>\n</table></div>"
    )
    assert html.html(table).text == "a\tb\n1\t2"
    spoiler = html.html(
        '<blockquote class="spoiler">\n  <p>He <del>lives</del> <kbd>dies</kbd><sup>2</sup></p>\n</blockquote>'
    )
    assert _spans(spoiler) == [("quote", "He lives dies^2")]


@pytest.mark.parametrize(
    ("body", "hints"),
    [
        ('<pre class="lang-py s-code-block"><code>x</code></pre>', ["py"]),
        ('<pre class="lang-py prettyprint-override"><code>x</code></pre>', ["py"]),
        ('<pre><code class="language-C++ hljs">x</code></pre>', ["c++"]),
        ('<pre class="lang-none s-code-block"><code>x</code></pre>', [""]),
        ("<!-- language: none --><pre><code>x</code></pre>", [""]),
        ('<pre class="lang-default"><code>x</code></pre>', ["default"]),
        ('<pre class="default s-code-block"><code>x</code></pre>', [None]),
        ("<pre class='lang-js'><code>x</code></pre>", ["js"]),
        ("<!-- language: lang-js -->\n\n<pre><code>x</code></pre><pre><code>y</code></pre>", ["js", None]),
        (
            (
                "<p>a</p><!-- language-all: lang-rb --><pre><code>x</code></pre>"
                "<!-- language: c# -->\n<pre><code>y</code></pre>"
                '<!-- language: lang-none --><pre><code>z</code></pre><pre class="lang-py"><code>w</code></pre>'
            ),
            ["rb", "c#", "", "py"],
        ),
        (
            (
                '<div class="snippet" data-lang="js" data-hide="false">\r\n<div class="snippet-code">\r\n'
                '<pre class="snippet-code-js lang-js prettyprint-override"><code>a</code></pre>\r\n'
                '<pre class="snippet-code-html"><code>b</code></pre>\r\n</div>\r\n</div>\r\n'
            ),
            ["js", "html"],
        ),
        ("<pre>plain</pre>", [None]),
        ('<pre class="lang-sh"><b>ls</b> <code>-l</code></pre>', ["sh"]),
    ],
)
def test_language_hints(body: str, hints: list[str | None]) -> None:
    for read in (html.html, html.careful):
        assert [hint for kind, _, _, hint in read(body).segments if kind == "code"] == hints


def test_links() -> None:
    marked = html.html(
        '<p>See <a href="http://a.b/?x=1&amp;y=2" rel="nofollow">the <em>best</em> <code>x</code></a>, '
        '<a href="/q/1"> it </a>, '
        '<a href="#top">up</a>, <a href="javascript:x">js</a>, <a href="mailto:a@b.c">me</a>, <a href="ftp://f">'
        '<img src="i" alt="no"></a></p>'
    )
    assert [(marked.text[start:end], target) for start, end, target in marked.links] == [
        ("the best x", "http://a.b/?x=1&y=2"),
        ("it", "/q/1"),
        ("me", "mailto:a@b.c"),
    ]


@pytest.mark.parametrize(
    ("source", "text", "code", "links"),
    [
        ("plain @you  see\nit", "plain @you see it", [], []),
        ("`a*b_c` and ``x`y``", "a*b_c and x`y", ["a*b_c", "x`y"], []),
        ("**bold**, *it*, _em_, __x__ and ***both***", "bold, it, em, x and both", [], []),
        ("snake_case_name 2*3*4 a * b", "snake_case_name 2*3*4 a * b", [], []),
        ('[**t** `c`](http://a.b/c_(d) "title")!', "t c!", ["c"], [("t c", "http://a.b/c_(d)")]),
        ("see https://x.y/a_b_c). _so_", "see https://x.y/a_b_c). so", [], [("https://x.y/a_b_c", "https://x.y/a_b_c")]),
        ("(http://w.org/A_(b))", "(http://w.org/A_(b))", [], [("http://w.org/A_(b)", "http://w.org/A_(b)")]),
        ("&lt;b&gt; &amp;amp; &quot;x&#39; R&D; &nope;", "<b> &amp; \"x' R&D; &nope;", [], []),
        (r"\*no\* \_x\_ \`y\` \\ C:\dir", r"*no* _x_ `y` \ C:\dir", [], []),
        ("[tag:python] and [meta-tag:bug]", "python and bug", [], [
            ("python", "/questions/tagged/python"), ("bug", "/questions/tagged/bug")]),
        ("a [1] b] [x](javascript:a) ` one tick", "a [1] b] [x](javascript:a) ` one tick", [], []),
        ("[q](/q/1) [m](mailto:a@b.c)", "q m", [], [("q", "/q/1"), ("m", "mailto:a@b.c")]),
        ("<3 a < b > c", "<3 a < b > c", [], []),
    ],
)  # fmt: skip
def test_comment_markdown(source: str, text: str, code: list[str], links: list[tuple[str, str]]) -> None:
    marked = markdown.comment(source)
    _hold(marked)
    assert marked.text == text
    assert [span for kind, span in _spans(marked) if kind == "inline_code"] == code
    assert {kind for kind, _ in _spans(marked)} <= {"comment", "inline_code"}
    assert [(marked.text[start:end], target) for start, end, target in marked.links] == links


def test_real_comments_keep_their_words(files: list[Path]) -> None:
    sources = [text for file in files if file.stem.lower() == "comments" for text in _rows(file, "Text")]
    assert sources
    for source in sources:
        marked = markdown.comment(source)
        _hold(marked)
        if not re.search(r"[`*_\[\\&]|://", source):
            assert marked.text == " ".join(source.split())
        # Markup is taken away, letters never.
        if "](" not in source and "[" not in source and "&" not in source:
            assert re.findall(r"[^\W_]", marked.text) == re.findall(r"[^\W_]", source)


@pytest.mark.parametrize("sign", ["_a ", "`", "[a", "**a", "*a ", "[", "[a](", "http://(", "&", "[\\a", "__a "])
def test_stray_signs_are_quick(sign: str) -> None:
    marked = markdown.comment(sign * (3000 // len(sign)))
    _hold(marked)
    assert marked.text
