"""Post HTML -> plain text and spans, in one pass.

The text is the markup's text up to white space, laid out by the rules of `spans`. Code blocks stand character for
character as an HTML parser gives them. Two readers give the same: `html_kernel`, compiled, takes what Stack
Exchange's sanitiser emits and gives up on anything else, which lxml then parses.
"""

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np
import pyarrow as pa
from lxml import etree

from socorpus.corpus import arrays, schema
from socorpus.corpus.documents import html_kernel
from socorpus.corpus.documents import spans as documents_spans
from socorpus.corpus.documents.spans import (
    BLANK,
    JOIN,
    LINE,
    SCRIPT_SIGNS,
    UNWANTED,
    Column,
    Marked,
    Script,
    Writer,
    class_hint,
    first_hint,
    is_one_term,
    plain_hint,
)

_BREAKS = {
    **{name: level for name, level in html_kernel.OPERATIONS.items() if JOIN < level <= BLANK},
    **dict.fromkeys(("pre", "blockquote"), BLANK),
    # Of pages rather than posts; the compiled reader gives up on them.
    **dict.fromkeys(("aside", "details", "dialog", "fieldset", "figcaption", "figure", "footer", "form"), LINE),
    **dict.fromkeys(("header", "legend", "main", "nav", "option"), LINE),
}
_EDGES = frozenset(name for name, operation in html_kernel.OPERATIONS.items() if operation == html_kernel.TOUCH)
_LANGUAGE = re.compile(r"language(-all)?:\s*([^\s<>]+)")
# Elements whose text BeautifulSoup's get_text() leaves out too.
_SILENT = frozenset(("script", "style", "template", "rt", "rp"))


def html(body: str | None) -> Marked:
    """Text and spans of a post's Body (HTML).

    Kinds: prose, quote (in a blockquote), inline_code (`<code>` within a line), code (a `<pre>` block, in a quote too).
    Up to white space and the signs of `<sup>` and `<sub>` the text equals `BeautifulSoup(body, "lxml").get_text()`, and
    a `<pre><code>` block equals its `get_text()` exactly. Any string is taken; lone surrogates and NUL become U+FFFD.
    """
    if not body:
        return Marked("", [], [])
    try:
        data = body.encode()
    except UnicodeEncodeError:
        return careful(body)
    read = html_kernel.read(np.frombuffer(data, np.uint8), np.array([0, len(data)]))
    if read.lengths[0] < 0:
        return _parsed(body)
    kinds = schema.SEGMENT_KINDS
    segments = [
        (kinds[kind], start, end, _hint(data, read.blocks[block].tolist()) if block >= 0 else None)
        for kind, start, end, block in read.segments.tolist()
    ]
    links = []
    if len(read.links):
        bounds = [0, *read.target_ends.tolist()]
        targets = bytes(read.targets[: bounds[-1]])
        for (start, end), first, last in zip(read.links.tolist(), bounds, bounds[1:], strict=False):
            links.append((start, end, targets[first:last].decode()))
    return Marked(bytes(read.text[: read.text_ends[0]]).decode(), segments, links)


def careful(body: str | None) -> Marked:
    """The same as `html`, slower, by libxml2's parser: what the compiled reader must give where it does not give up."""
    if not body:
        return Marked("", [], [])
    try:
        body.encode()
    except UnicodeEncodeError:
        body = UNWANTED.sub("\ufffd", body)
    return _parsed(body)


def posts(bodies: pa.ChunkedArray) -> Column:
    """The results of `html` for a column of Bodies, string[rows]; a null is empty."""
    data, bounds = arrays.utf8(bodies)
    read = html_kernel.read(data, bounds)
    source: Any = data
    column = Column(
        arrays.strings(read.text, read.text_ends),
        np.maximum(read.lengths, 0),
        np.concatenate([[0], read.segment_ends]),
        read.segments,
        [_hint(source, block) for block in read.blocks.tolist()],
        np.concatenate([[0], read.link_ends]),
        read.links,
        arrays.strings(read.targets, read.target_ends),
    )
    rows = np.flatnonzero(read.lengths < 0)
    return documents_spans.replaced(column, rows, [_parsed(body) for body in bodies.take(pa.array(rows)).to_pylist()])


def _hint(source: Any, block: list[int]) -> str | None:
    """Language hint of a block, from the bounds in `html_kernel.Read.blocks`."""
    on_code, on_pre, note, note_all = (
        None if start < 0 else bytes(source[start:end]) for start, end in zip(block[::2], block[1::2], strict=True)
    )
    return _named(on_code, on_pre, note, note_all)


@lru_cache(maxsize=1024)
def _named(on_code: bytes | None, on_pre: bytes | None, note: bytes | None, note_all: bytes | None) -> str | None:
    return first_hint(
        *(None if names is None else class_hint(names.decode()) for names in (on_code, on_pre)),
        *(None if name is None else plain_hint(name.decode()) for name in (note, note_all)),
    )


_DEEPEST = 500
"""Most elements in one another that are read as such: libxml2 looks through all of them at each closing tag."""
_TAG = re.compile(r"<[^<>]*+>")
_NAME = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_FLAT = frozenset(
    # Without content, or closed by the next of the kind.
    ("br", "hr", "img", "input", "col", "link", "meta", "p", "li", "dt", "dd", "tr", "td", "th", "option")
)


class _Target:
    """lxml parser target: HTML events -> a writer's calls."""

    def __init__(self) -> None:
        self.writer = Writer()
        self.silent = self.quote = self.pre = self.code = 0
        self.hint: str | None = None
        self.hint_all: str | None = None
        self.names: list[str | None] = []
        # Text of the block that is being read: number of its code element (0: none), text, link.
        self.block: list[tuple[int, str, str | None]] = []
        self.elements = 0
        self.outer_links = 0
        # Superscripts and subscripts that are open; of the innermost one its name and text, while it has only text.
        self.scripts: list[Script | None] = []
        self.held: tuple[str, list[str]] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        writer = self.writer
        if self.held is not None:
            self._release(whole=False)
        if tag in _SILENT:
            self.silent += 1
        elif tag == "pre":
            self.pre += 1
            if self.pre == 1:
                self.block, self.elements, self.names = [], 0, [class_hint(attributes.get("class") or "")]
                self.outer_links = len(writer.open_links)
        elif tag == "code":
            self.code += 1
            if self.pre:
                self.elements += self.code == 1
                self.names.append(class_hint(attributes.get("class") or ""))
            else:
                writer.cut_code()
        elif tag == "a":
            writer.open_link(attributes.get("href") or "")
        elif tag in SCRIPT_SIGNS:
            self.scripts.append(None)
            if not self.pre:
                self.held = (tag, [])
        elif self.pre:
            if tag == "br" and not self.code:
                self.data("\n")
        elif tag == "br":
            writer.line_break()
        elif tag in ("tr", "td", "th"):
            (writer.row if tag == "tr" else writer.cell)(closing=False)
        elif tag in _EDGES:
            writer.edge(closing=False)
        else:
            if tag == "blockquote":
                self.quote += 1
                writer.cut()
            writer.separate(_BREAKS.get(tag, JOIN))

    def end(self, tag: str) -> None:
        writer = self.writer
        if self.held is not None:
            self._release(whole=tag == self.held[0])
        if tag in _SILENT:
            self.silent -= 1
        elif tag == "pre":
            self.pre -= 1
            if not self.pre:
                self._end_block()
        elif tag == "code":
            self.code -= 1
            if not self.pre:
                writer.cut_code()
        elif tag == "a":
            writer.close_link()
        elif tag in SCRIPT_SIGNS:
            script = self.scripts.pop()
            if script is not None:
                writer.close_script(script)
        elif not self.pre:
            if tag in ("tr", "td", "th"):
                (writer.row if tag == "tr" else writer.cell)(closing=True)
            elif tag in _EDGES and tag != "img":
                writer.edge(closing=True)
            elif tag != "br":
                if tag == "blockquote":
                    self.quote -= 1
                    writer.cut()
                writer.separate(_BREAKS.get(tag, JOIN))

    def data(self, text: str) -> None:
        if self.silent:
            return
        if self.held is not None:
            self.held[1].append(text)
        elif self.pre:
            links = self.writer.open_links
            target = links[-1][0] if len(links) > self.outer_links else None
            self.block.append((self.elements if self.code else 0, text, target))
        else:
            self.writer.words(text, self._kind())

    def comment(self, text: str) -> None:
        if self.held is not None:
            self._release(whole=False)
        note = _LANGUAGE.fullmatch(text.strip())
        if note is not None and note[1]:
            self.hint_all = plain_hint(note[2])
        elif note is not None:
            self.hint = plain_hint(note[2])

    def close(self) -> Marked:
        return self.writer.marked()

    def _kind(self) -> str:
        return "inline_code" if self.code else "quote" if self.quote else "prose"

    def _release(self, whole: bool) -> None:
        """Writes the text with which a script begins, which may be the whole of it."""
        if self.held is None:
            return
        (tag, pieces), self.held = self.held, None
        text = "".join(pieces)
        sign = SCRIPT_SIGNS[tag]
        self.scripts[-1] = self.writer.open_script(sign, self._kind(), whole and is_one_term(text))
        self.writer.words(text, self._kind())

    def _end_block(self) -> None:
        language = first_hint(*reversed(self.names), self.hint, self.hint_all)
        self.hint = None
        if any(not element and not text.isspace() for element, text, _ in self.block):
            self.writer.code([(text, link) for _, text, link in self.block], language)
            return
        # Only code elements, or only white space.
        pieces: list[list[tuple[str, str | None]]] = [[] for _ in range(self.elements + 1)]
        for element, text, link in self.block:
            pieces[element].append((text, link))
        for own in pieces[1:] if self.elements else pieces:
            self.writer.code(own, language)


def _parsed(body: str) -> Marked:
    if body.count("<") > _DEEPEST and _is_deep(body):
        body = _TAG.sub(" ", body).replace("<", "&lt;")
    target: Any = _Target()
    parser = etree.HTMLParser(target=target)
    try:
        # BeautifulSoup drops the mark too.
        parser.feed(body.removeprefix("\ufeff"))
        marked: Any = parser.close()
    except (etree.LxmlError, UnicodeError, ValueError):
        # Python's parser may take time by the square of the tags.
        return _walked(body if body.count("<") <= _DEEPEST else _TAG.sub(" ", body).replace("<", "&lt;"))
    return cast(Marked, marked)


def _is_deep(body: str) -> bool:
    """Whether more than `_DEEPEST` elements are open at once, each closed by a tag of its name."""
    depth, opened = 0, Counter[str]()
    for closing, name in _NAME.findall(body):
        tag = name.lower()
        if tag not in _FLAT and (not closing or opened[tag]):
            step = -1 if closing else 1
            opened[tag] += step
            depth += step
            if depth > _DEEPEST:
                return True
    return False


def _walked(body: str) -> Marked:
    """The reader of what libxml2 refuses, such as lone surrogates: Python's own HTML parser."""
    from bs4 import BeautifulSoup, Tag
    from bs4.element import Comment, NavigableString, PreformattedString

    target = _Target()
    # With a tag in front BeautifulSoup doesn't wonder whether the text is an address or XML.
    soup = BeautifulSoup("<body>" + UNWANTED.sub("\ufffd", body), "html.parser", multi_valued_attributes=None)
    # A node still to enter, or the name of an element to leave: no recursion, as bodies may nest deeply.
    stack: list[Any] = [soup]
    while stack:
        node = stack.pop()
        if isinstance(node, Tag):
            if node.parent is not None:
                target.start(node.name, {name: str(value) for name, value in node.attrs.items()})
                stack.append((node.name,))
            stack.extend(reversed(node.contents))
        elif isinstance(node, tuple):
            target.end(node[0])
        elif isinstance(node, Comment):
            target.comment(str(node))
        elif isinstance(node, NavigableString) and not isinstance(node, PreformattedString):
            target.data(str(node))
    return target.close()
