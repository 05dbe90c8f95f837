"""Pieces of HTML for the report: all that comes from outside is escaped on its way in."""

import difflib
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup, escape

from socorpus.corpus.report.plots import Plot
from socorpus.corpus.words import words as text_words

TEXT_SHOWN = 900
"""Code points of a text that are shown."""
_EQUAL_SHOWN = 160
"""Code points that are shown of a long beginning that two texts share."""
_NUMBER = re.compile(r"[+−–\d.,]+%?")
_DAY = re.compile(r"\d{4}-\d\d(-\d\d)?")
_HOST = re.compile(r"[\w-]+(\.[\w-]+){2,}")


def join(pieces: Iterable[Markup | str], between: str = "") -> Markup:
    """Pieces one after another."""
    return Markup(between).join(pieces)


def number(value: int | float | None) -> str:
    """A number with its thousands set apart; a dash for none."""
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def share(part: float, whole: float) -> str:
    """A percentage; a dash of nothing."""
    return f"{100 * part / whole:.1f}%" if whole else "–"


def paragraph(text: Markup | str, kind: str = "") -> Markup:
    """One paragraph."""
    return Markup('<p class="{}">{}</p>' if kind else "<p>{1}</p>").format(kind, text)


def bullets(lines: Iterable[Markup | str]) -> Markup:
    """A list."""
    return Markup("<ul>{}</ul>").format(join(Markup("<li>{}</li>").format(line) for line in lines))


_LONG, _ROOM, _FEW = 60, 44, 6
"""A table's rows become blocks where the page is narrow, if a cell has more letters than the first of these, or the
widest cells of its columns have more than the second together, and it has no more columns than the third."""
_NAME = 34
"""Letters of the names in a first column up to which they stay on one line where there is room."""


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], last: Sequence[Any] | None = None) -> Markup:
    """A table; integers and percentages are aligned right, and the last row, if any, is a sum.

    On a narrow page a table of numbers is moved sideways under its first column, which stays; one of texts shows its
    rows as blocks, whose cells have the heads beside them.
    """
    body = [list(row) for row in rows]
    # A heading stands where its column's numbers do.
    right = [bool(body) and all(_kind(row[column]) == "n" for row in body) for column in range(len(head))]
    widest = [max((_length(row[column]) for row in body), default=0) for column in range(len(head))]
    blocks = len(head) > 1 and (max(widest) > _LONG or (len(head) <= _FEW and sum(widest) > _ROOM))
    named = list(head) if blocks else [""] * len(head)
    short = head and widest[0] <= _NAME
    kinds = " ".join(name for name, on in (("blocks", blocks), ("names", short)) if on)
    heads = join(
        Markup('<th scope="col"{}>{}</th>').format(Markup(' class="n"') if on else "", name)
        if name
        else Markup("<td></td>")
        for name, on in zip(head, right, strict=True)
    )
    lines = join(
        Markup("<tr>{}</tr>").format(join(_cell(value, name) for value, name in zip(row, named, strict=True)))
        for row in body
    )
    foot = Markup("<tfoot><tr>{}</tr></tfoot>").format(join(map(_cell, last))) if last is not None else ""
    return Markup('<div class="wide"><table{}><thead><tr>{}</tr></thead><tbody>{}</tbody>{}</table></div>').format(
        Markup(' class="{}"').format(kinds) if kinds else "", heads, lines, foot
    )


def _length(value: Any) -> int:
    return len(value.striptags()) if isinstance(value, Markup) else len(str(value))


def _kind(value: Any) -> str:
    if value is None or isinstance(value, int | float) or _NUMBER.fullmatch(str(value)):
        return "n"
    return "d" if _DAY.fullmatch(str(value)) else ""


def _cell(value: Any, name: str = "") -> Markup:
    kind = _kind(value)
    shown = number(value) if value is None or isinstance(value, int | float) else value
    if not isinstance(shown, Markup):
        shown = breakable(shown)
    column = Markup(' data-of="{}"').format(name) if name else ""
    return Markup('<td class="{}"{}>{}</td>' if kind else "<td{1}>{2}</td>").format(kind, column, shown)


def side_by_side(head: str, heads: tuple[str, str], rows: Sequence[tuple[str, int, int]]) -> Markup:
    """Counts of two sides over the same bins: the figures, and bars of their shares, which need no room to be read.

    Args:
        head: what the bins are of.
        heads: names of the sides.
        rows: name and both counts of each bin.
    """
    totals = [sum(counts) or 1 for counts in zip(*(row[1:] for row in rows), strict=True)]
    shares = [[count / total for count, total in zip(row[1:], totals, strict=True)] for row in rows]
    most = max((share for pair in shares for share in pair), default=0) or 1
    names = join(Markup('<th class="n">{}</th>').format(name) for name in heads)
    # A size in an attribute: the page's policy lets no style stand in an element.
    bar = Markup('<svg viewBox="0 0 100 7" preserveAspectRatio="none"><rect width="{:.1f}" height="7"/></svg>')
    lines = [
        Markup(
            '<tr><td>{}</td><td class="n">{}</td><td class="n">{}</td><td class="share" aria-hidden="true">{}</td></tr>'
        ).format(
            name,
            number(old),
            number(new),
            join(bar.format(100 * share / most) for share in pair),
        )
        for (name, old, new), pair in zip(rows, shares, strict=True)
    ]
    body = Markup('<thead><tr><th>{}</th>{}<th aria-hidden="true"></th></tr></thead><tbody>{}</tbody>').format(
        head, names, join(lines)
    )
    return Markup('<div class="wide"><table>{}</table></div>').format(body)


def breakable(text: Any) -> Markup:
    """A text in which lines can end before the dots of the hosts' names."""
    return Markup(_HOST.sub(lambda match: match[0].replace(".", "<wbr>."), str(escape(text))))


def figure(plot: Plot, caption: str, numbers: bool = True) -> Markup:
    """A plot under its caption, with its numbers in a fold.

    Args:
        numbers: whether the plot brings its own; of many small ones a table of all can stand beside them.
    """
    behind = (
        Markup('<details class="numbers"><summary>Numbers<span class="off"> of {}</span></summary>{}</details>').format(
            caption, table(plot.head, plot.rows)
        )
        if numbers and plot.rows
        else ""
    )
    return Markup("<figure><figcaption>{}</figcaption>{}{}</figure>").format(breakable(caption), plot.drawn, behind)


def grid(figures: Iterable[Markup], kind: str = "") -> Markup:
    """Figures side by side where there is room.

    Args:
        kind: `small` or `many`, of which a part is shown at a time; small ones are narrower.
    """
    return Markup('<div class="{}">{}</div>').format(f"grid {kind}".strip(), join(figures))


def samples(pieces: Iterable[Markup]) -> Markup:
    """Samples under one another, of which a part is shown at a time; without scripts all are."""
    return Markup('<div class="samples">{}</div>').format(join(pieces))


def fold(title: Markup | str, content: Markup, unfolded: bool = False) -> Markup:
    """Content under a title that opens it."""
    return Markup("<details{}><summary>{}</summary>{}</details>").format(
        Markup(" open") if unfolded else "", title, content
    )


def text(value: str, most: int = TEXT_SHOWN) -> Markup:
    """A text as it is; where it is long, it is cut and ends in the number of characters left out."""
    rest = _rest(len(value) - most)
    return Markup('<div class="text">{}{}</div>').format(value[:most], rest)


def link(label: str, url: str | None) -> Markup:
    """A link, if the address is known and one of the web: other schemes could run a script."""
    if url is None or not url.startswith(("https://", "http://")):
        return breakable(label)
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(url, breakable(label))


def sample(head: Markup | str, body: Markup | str) -> Markup:
    """One sample under its heading."""
    return Markup("<article><header>{}</header>{}</article>").format(head, body)


def beside(left: str, right: str, heads: tuple[Markup | str, Markup | str], most: int = TEXT_SHOWN) -> Markup:
    """Two texts side by side, with the words marked in which they differ; long equal beginnings are cut."""
    equal = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    skip = max(0, equal - _EQUAL_SHOWN) if max(len(left), len(right)) > most else 0
    cells = []
    pieces = _differences(left[skip : skip + most], right[skip : skip + most])
    for head, whole, shown in zip(heads, (left, right), pieces, strict=True):
        begin = Markup('<span class="cut">{:,} characters, the same in both …</span> ').format(skip) if skip else ""
        rest = _rest(len(whole) - skip - most)
        cells.append(
            Markup('<div><header>{}</header><div class="text">{}{}{}</div></div>').format(head, begin, shown, rest)
        )
    return Markup('<div class="beside">{}</div>').format(join(cells))


def _rest(left: int) -> Markup | str:
    return Markup(' <span class="cut">… {:,} more characters</span>').format(left) if left > 0 else ""


def _parts(text: str) -> list[str]:
    """Pieces of words, signs, and what is between them."""
    edges = [0, *(edge for span in text_words.pieces(text) for edge in span), len(text)]
    return [text[start:end] for start, end in pairwise(edges) if start < end]


def _differences(left: str, right: str) -> tuple[Markup, Markup]:
    a, b = _parts(left), _parts(right)
    sides: tuple[list[Markup], list[Markup]] = ([], [])
    for kind, a1, a2, b1, b2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        for side, words in zip(sides, (a[a1:a2], b[b1:b2]), strict=True):
            joined = "".join(words)
            # Differences of only white space are not marked.
            same = kind == "equal" or not joined.strip()
            side.append(escape(joined) if same else Markup("<mark>{}</mark>").format(joined))
    return join(sides[0]), join(sides[1])
