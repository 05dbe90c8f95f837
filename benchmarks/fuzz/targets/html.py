"""Post HTML: the compiled reader against libxml2's, BeautifulSoup's text, fitting spans, a column like its rows."""

import re
import warnings
from typing import Any

import pyarrow as pa
from bs4 import BeautifulSoup

from benchmarks.fuzz.engine import Target, same, text
from socorpus.corpus import schema
from socorpus.corpus.documents import html, html_kernel
from socorpus.corpus.documents.spans import Column, Marked


def hold(marked: Marked) -> None:
    """Spans lie in the text, in order, apart and not empty; all but white space is in one of them."""
    done = 0
    for kind, start, end, hint in marked.segments:
        assert done <= start < end <= len(marked.text), marked
        assert not marked.text[done:start].strip(), marked
        assert kind == "code" or (hint is None and not re.search(r"\A\s|\s\Z", marked.text[start:end])), marked
        done = end
    assert not marked.text[done:].strip(), marked
    assert all(0 <= start < end <= len(marked.text) and target for start, end, target in marked.links), marked
    assert "\0" not in marked.text
    marked.text.encode()


def row(column: Column, place: int) -> Marked:
    """One row of a column as readers of one text give it."""
    segments: Any = column.segments[slice(*column.bounds[place : place + 2])]
    links = slice(*column.link_bounds[place : place + 2])
    spans = zip(column.links[links].tolist(), column.targets[links].to_pylist(), strict=True)
    return Marked(
        column.text[place].as_py(),
        [(schema.SEGMENT_KINDS[k], a, b, None if h < 0 else column.hints[h]) for k, a, b, h in segments.tolist()],
        [(start, end, target) for (start, end), target in spans],
    )


def check(data: bytes) -> None:
    """Readers agree on a body."""
    body = text(data)
    marked = html.html(body)
    hold(marked)
    same(marked, html.careful(body), "compiled and careful")
    if not any("\ud800" <= character <= "\udfff" for character in body):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it wonders whether some inputs are addresses or XML
            expected = BeautifulSoup(body, "lxml").get_text()
        scripts = re.search("<su[pb]", body, re.IGNORECASE)
        unwanted = re.compile(r"[\s^_()]" if scripts else r"\s")  # they bring signs of their own
        read, reference = (unwanted.sub("", text) for text in (marked.text, expected.replace("\0", "\ufffd")))
        same(read, reference, "text of BeautifulSoup")
        column = html.posts(pa.chunked_array([["<p>before</p>", body, None, body]], pa.string()))
        same([row(column, 1), row(column, 2), row(column, 3)], [marked, Marked("", [], []), marked], "column and row")


_TAGS = [f"<{name}>".encode() for name in html_kernel.OPERATIONS]
TARGET = Target(
    "html",
    check,
    seeds=[
        b'<p>Use <code>a &lt; b</code>, <a href="http://x.y/?a=1&amp;b=2" rel="nofollow">see <b>it</b></a>.</p>\n\n',
        b'<blockquote>\n<p>said <code>q</code></p>\n<pre class="lang-py"><code>  x\n\n</code></pre>\n</blockquote>\n\n',
        b"<ul>\n<li>one</li>\n<li>two<br>\nlines</li>\n</ul>\n\n<hr>\n\n<h2>end</h2>\n",
        (
            b'<div class="s-table-container"><table class="s-table">\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n'
            b"</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td>2</td>\n</tr>\n</tbody>\n</table></div>"
        ),
        b'<!-- language: lang-js -->\n\n<pre><code>x</code></pre><!-- language-all: c --><pre class="default">y</pre>',
        b'<div class="snippet" data-lang="js">\n<pre class="snippet-code-js"><code>a</code></pre>\n</div>\n',
        b'<p><img src="u" alt="a > b"> <kbd>x</kbd><sup>2</sup> &nbsp;&#39;&mdash;&hellip;</p>',
        b"<p>10<sup>n+1</sup>, x<sub>i<sup>2</sup></sub> <kbd>Ctrl</kbd><kbd>C</kbd> <del>a</del><ins>b</ins>c</p>",
        b"<table><tr><td></td><td><p>x</p></td><td></td><td>y<br>z</td></tr><tr><td></td><td>1</td></tr></table>",
    ],
    tokens=[
        *_TAGS,
        *(tag.replace(b"<", b"</") for tag in _TAGS),
        *(b"<p>", b"</p>", b"<code>", b"</code>", b"<pre><code>", b"</code></pre>", b"</pre>", b"</a>", b"<br />"),
        *(b'<a href="http://x.y/">', b'<a href="/q/1" rel="n">', b'<a href="">', b'<a href="HTTPS:">', b"<wbr>"),
        *(b'<pre class="lang-py">', b'<pre class="lang-&amp;">', b'<code class="language-c">', b' class="x"', b' a=""'),
        *(b"&amp;", b"&lt;", b"&quot;", b"&nbsp;", b"&#39;", b"&#x41;", b"&#0;", b"&Alpha;", b"&bogus;", b"&", b"&lt"),
        *(b"<!-- language: lang-c -->", b"<!-- language-all: x -->", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x ?>"),
        *(b"<script>", b"</script>", b"<style>", b"<textarea>", b"<title>", b"<svg>", b"<math>", b"<template>"),
        *(b"x", b"y z", b" ", b"\n", b"\t", b"\r", b"\xc2\xa0", b"<", b">", b'"', b"'", b"/", b"=", b"\xe2\x80\x83"),
    ],
)
