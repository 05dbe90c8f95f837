"""A post's text as HTML, of our own making: its blocks of prose, code and quotations, with stretches marked.

Nothing of the dump's HTML is in it. Every character of a post is escaped, and signs that change how others are read
(controls, and those that turn the direction of a text) are written out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup, escape

_STRANGE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True)
class Mark:
    """A stretch of a text (code points) that is marked.

    Attributes:
        kind: `personal`, `entity` or `found`; the look of it.
        label: that is shown at its end; empty for none.
        says: more about it.
    """

    start: int
    end: int
    kind: str
    label: str = ""
    says: str = ""


def visible(text: str) -> Markup:
    """A text escaped, with signs that can't be seen written out."""
    shown, last = Markup(""), 0
    for sign in _STRANGE.finditer(text):
        shown += escape(text[last : sign.start()])
        shown += Markup('<span class="sign" title="U+{0:04X}">U+{0:04X}</span>').format(ord(sign[0]))
        last = sign.end()
    return shown + escape(text[last:])


def marked(text: str, marks: Sequence[Mark], start: int = 0, end: int | None = None) -> Markup:
    """`text[start:end]` with its marks; where two overlap, each piece has both."""
    stop = len(text) if end is None else end
    here = [mark for mark in marks if mark.start < stop and mark.end > start]
    edges = sorted({start, stop, *(edge for mark in here for edge in (mark.start, mark.end) if start < edge < stop)})
    shown = Markup("")
    for left, right in pairwise(edges):
        piece = visible(text[left:right])
        for mark in here:
            if mark.start <= left and mark.end >= right:
                # By the style, so that the text stays what it is, also where it is copied.
                label = Markup(' data-label="{}"').format(mark.label) if mark.label and right == mark.end else ""
                says = Markup(' title="{}"').format(mark.says) if mark.says else ""
                piece = Markup('<mark class="{}"{}{}>{}</mark>').format(mark.kind, label, says, piece)
        shown += piece
    return shown


def body(
    text: str, segments: Sequence[Mapping[str, Any]], marks: Sequence[Mark], links: Sequence[Mapping[str, Any]] = ()
) -> Markup:
    """The blocks of a text: segments are those of `schema.SEGMENT`, without its comments."""
    shown, flow, last = Markup(""), Markup(""), 0

    def flowed() -> Markup:
        inner = flow.strip("\n")
        return Markup('<p class="prose" dir="auto">{}</p>').format(Markup(inner)) if inner.strip() else Markup("")

    for segment in segments:
        start, end, kind = segment["start"], segment["end"], segment["kind"]
        flow += marked(text, marks, last, start)
        inner = _linked(text, marks, links, start, end)
        if kind == "inline_code":
            flow += Markup("<code>{}</code>").format(inner)
        elif kind in ("code", "quote"):
            shown, flow = shown + flowed(), Markup("")
            if kind == "quote":
                shown += Markup('<blockquote dir="auto">{}</blockquote>').format(inner)
            else:
                language = segment["language"] or ""
                head = Markup("<figcaption>{}</figcaption>").format(language) if language else ""
                named = f"code, {language}" if language else "code"
                shown += Markup(
                    '<figure class="code">{}<pre tabindex="0" role="region" aria-label="{}"><code>{}</code></pre>'
                    "</figure>"
                ).format(head, named, inner)
        else:
            flow += inner
        last = end
    flow += marked(text, marks, last, None)
    return shown + flowed()


def _linked(text: str, marks: Sequence[Mark], links: Sequence[Mapping[str, Any]], start: int, end: int) -> Markup:
    """A stretch with its links; only those of the web lead anywhere, and none says where the reader comes from."""
    shown, last = Markup(""), start
    for link in links:
        left, right = link["start"], link["end"]
        if left < last or right > end or not link["target"].startswith(("https://", "http://")):
            continue
        shown += marked(text, marks, last, left)
        shown += Markup('<a href="{}" rel="noreferrer noopener nofollow" target="_blank">{}</a>').format(
            link["target"], marked(text, marks, left, right)
        )
        last = right
    return shown + marked(text, marks, last, end)
