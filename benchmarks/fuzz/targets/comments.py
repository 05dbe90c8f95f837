"""Markdown: a comment's short form, a column like its rows; and that of revisions, by way of HTML."""

import re

import pyarrow as pa

from benchmarks.fuzz.engine import Target, same, text
from benchmarks.fuzz.targets.html import hold, row
from socorpus.corpus.documents import html, markdown
from socorpus.corpus.documents.spans import Marked
from socorpus.labeling.history import markdown_html


def check(data: bytes) -> None:
    """Any text is read, whole where it has no markup."""
    source = text(data)
    marked = markdown.comment(source)
    hold(marked)
    if not re.search(r"[`*_\[\\&\0\ud800-\udfff]|://", source):
        same(marked.text, " ".join(source.split()), "text without a sign")
    if "](" not in source and "[" not in source and "&" not in source:
        same(re.findall(r"[^\W_]", marked.text), re.findall(r"[^\W_]", source), "letters")
    if not any("\ud800" <= character <= "\udfff" for character in source):
        column = markdown.comments(pa.chunked_array([["before", source, None, source]], pa.string()))
        same([row(column, place) for place in (1, 2, 3)], [marked, Marked("", [], []), marked], "column and row")
        for created in (markdown_html.COMMONMARK - 1, markdown_html.COMMONMARK):
            rendered = markdown_html.html(source, created)
            hold(html.html(rendered))


TARGET = Target(
    "comments",
    check,
    seeds=[
        b"@you **bold**, *it*, _em_, __x__ and ***both*** `a*b_c` and ``x`y``",
        b'[**t** `c`](http://a.b/c_(d) "title")! see https://x.y/a_b_c). [tag:python] and [meta-tag:bug]',
        b"&lt;b&gt; &amp;amp; &quot;x&#39; R&D; \\*no\\* \\_x\\_ \\\\ C:\\dir snake_case_name 2*3*4",
        b"# Title\n\n- one\n- two\n\n    code\n\n> quote\n> more\n\n```py\nx = 1\n```\n",
        b"| a | b |\n| - | - |\n| 1 | 2 |\n",
        b"[x][1] and <b>html</b>\n\n  [1]: http://a.b 'title'\n\n1. one\n2. two\n\n>! spoiler $a_b$ $$x$$",
    ],
    tokens=[
        *(
            b"*",
            b"**",
            b"***",
            b"_",
            b"__",
            b"`",
            b"``",
            b"```",
            b"[",
            b"]",
            b"](",
            b")",
            b"(",
            b"\\",
            b"\\*",
            b"![",
            b"~~",
        ),
        *(b"http://", b"https://a.b/c", b"ftp://x", b"mailto:a@b.c", b"/q/1", b"[tag:x]", b"[meta-tag:y]", b"[a](/b)"),
        *(b"&amp;", b"&lt;", b"&#39;", b"&#x41;", b"&#0;", b"&nope;", b"&", b"<", b">", b"<b>", b"</b>", b'"', b"://"),
        *(
            b"\n",
            b"\n\n",
            b"    ",
            b"- ",
            b"1. ",
            b"1) ",
            b"> ",
            b">! ",
            b"# ",
            b"#",
            b"---",
            b"|",
            b"| - |",
            b"\t",
            b"\r\n",
        ),
        *(b"[1]: /x", b"[1]", b"$", b"$$", b"x", b"a b", b"a_b", b" ", b".", b"!", b"\xc2\xa0", b"\xc3\xa9"),
    ],
)
