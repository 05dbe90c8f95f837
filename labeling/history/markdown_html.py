"""Markdown of a post -> the HTML that Stack Exchange publishes of it, close enough for its text.

CommonMark with raw HTML and tables, and the site's additions: spoilers, links to tags. Up to June 2020 it was an older
Markdown, whose differences that change words are kept: headings without a space, definitions of links that follow a
paragraph at once, fewer characters to escape, no list right after a line of prose, none numbered `1)`.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

COMMONMARK = 1_590_969_600_000
"""June 2020, in milliseconds: when the publisher moved to CommonMark."""
_MARKS = r"(?: {0,3}(?:>|[-+*] |\d+\. ))*"
_HEADING = re.compile(rf"^({_MARKS} {{0,3}}#{{1,6}})(?=[^\s#])", re.MULTILINE)
_CLOSED_HEADING = re.compile(r"^( {0,3}#{1,6} .*[^\s#\\])(?=#+[ \t]*$)", re.MULTILINE)
_DEFINITION = re.compile(r"(?<=[^\n])\n(?= {0,3}\[[^\]\n]+\]:[ \t]*\S)")
_DEFINED = re.compile(r"^ {0,3}\[([^\]\n]+)\]:[ \t]*\S", re.MULTILINE)
_APART = re.compile(r"(?<=\])[ \n](?=\[([^\]\n]+)\](?!:))")
_NUMBERED = re.compile(rf"^({_MARKS}\s{{0,3}}\d{{1,9}})\)(?=\s)", re.MULTILINE)
_SPOILER = re.compile(r"^( {0,3}>)!", re.MULTILINE)
_TAG = re.compile(r"\[(?:meta-)?tag:([^\s\[\]]+)\]", re.IGNORECASE)
# As Pandoc reads formulas: no space inside the signs, no digit after the closing one.
_FORMULA = re.compile(r"\$\$[^$]+\$\$|\$(?=[^\s$])(?:\\.|[^$\\\n`]){0,1000}?(?<=[^\s\\])\$(?!\d)")
_LONGEST = 40_000
_OLD_ESCAPES = frozenset("\\`*_{}[]()#+-.!>")


def html(markdown: str, created: int) -> str:
    """HTML of a revision's body.

    Args:
        markdown: as in PostHistory.
        created: time of the revision, in milliseconds since 1970 (UTC), which determines the Markdown.
    """
    text = _SPOILER.sub(r"\1", markdown.replace("\r\n", "\n"))
    if created < COMMONMARK:
        text = _as_commonmark(text)
    renderer = _renderer(created < COMMONMARK)
    return "".join(str(renderer.render(part)) for part in _parts(text))


def _parts(text: str) -> Iterator[str]:
    """A text in parts that end at a blank line, at a line or anywhere: lists and emphasis take the square of the time.

    No post is as long as a part: the publisher's limit is 30,000 characters.
    """
    done = 0
    while len(text) - done > _LONGEST:
        ends = (text.rfind(end, done + 1, done + _LONGEST) for end in ("\n\n", "\n"))
        end = next((place for place in ends if place > 0), done + _LONGEST)
        yield text[done:end]
        done = end
    yield text[done:]


def _as_commonmark(text: str) -> str:
    """The older Markdown with the signs that CommonMark wants for the same."""
    text = _CLOSED_HEADING.sub(r"\1 ", _HEADING.sub(r"\1 ", text))
    text = _NUMBERED.sub(r"\1\\)", _DEFINITION.sub("\n\n", text))
    defined = {name.casefold() for name in _DEFINED.findall(text)}
    return _APART.sub(lambda match: "" if match[1].casefold() in defined else match[0], text) if defined else text


@cache
def _renderer(old: bool) -> "MarkdownIt":
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    renderer.inline.ruler.before("link", "tag", _tag)
    renderer.inline.ruler.before("escape", "formula", _formula)
    if old:
        renderer.inline.ruler.before("escape", "backslash", _backslash)
        renderer.block.ruler.at("list", _list, {"alt": ["paragraph", "reference", "blockquote"]})
    return renderer


def _tag(state: Any, silent: bool) -> bool:
    """`[tag:name]`: a link whose text is the tag, in lower case."""
    match = _TAG.match(state.src, state.pos) if state.src[state.pos] == "[" else None
    if match is None:
        return False
    if not silent:
        name = match[1].lower()
        state.push("link_open", "a", 1).attrs = {"href": f"/questions/tagged/{name}"}
        state.push("text", "", 0).content = name
        state.push("link_close", "a", -1)
    state.pos = match.end()
    return True


def _formula(state: Any, silent: bool) -> bool:
    """`$…$` and `$$…$$`, kept as they are."""
    match = _FORMULA.match(state.src, state.pos) if state.src[state.pos] == "$" else None
    if match is None:
        return False
    if not silent:
        state.push("text", "", 0).content = match[0]
    state.pos = match.end()
    return True


def _backslash(state: Any, silent: bool) -> bool:
    """A backslash that escapes nothing in the old Markdown, though it would in CommonMark."""
    after = state.src[state.pos + 1 : state.pos + 2]
    if state.src[state.pos] != "\\" or not after or after in _OLD_ESCAPES or after.isspace():
        return False
    if not silent:
        state.pending += "\\"
    state.pos += 1
    return True


def _list(state: Any, start: int, end: int, silent: bool) -> bool:
    """In the old Markdown a list began only after a blank line, except within lists."""
    from markdown_it.rules_block import list_block

    return not (silent and state.parentType == "paragraph" and state.level == 0) and list_block(
        state, start, end, silent
    )
