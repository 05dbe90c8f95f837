"""Plots of the pages, drawn when a page is written: tables with bars in their cells, and SVG between labels of HTML.

Lengths are percentages of the room that there is and all text has the page's own size, so that a plot can be read on a
telephone and on a wall. Colours and patterns are classes of the page's style (report.css), of light and dark. The same
numbers give the same bytes. Each plot has its numbers with it, for those who don't see it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

PALETTE = ("k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8")
"""Colours of series, in order. Each has a pattern of its own where it fills, and dashes where it is a line."""
KEPT, LOST, OTHER, QUIET = "k1", "k2", "k3", "k7"
"""Colours with a meaning: kept rows, dropped rows, a second series, what is not told apart."""

Counts = npt.NDArray[np.int64]
Scale = Callable[[float], float]
"""From a value to a percentage of the plot's width or height."""


@dataclass(frozen=True)
class Plot:
    """What is drawn, and the table of its numbers; no table where what is drawn is one."""

    drawn: Markup
    head: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()


def waterfall(steps: Sequence[tuple[str, int, str]]) -> Plot:
    """Horizontal bars from rows in the dump to rows in the shards.

    Args:
        steps: label, number, and kind: "level" (a bar from zero) or "loss" (a bar that is taken away).
    """
    top = max((number for _, number, kind in steps if kind == "level"), default=0)
    rows, level = [], 0
    for label, number, kind in steps:
        if kind == "level":
            rows.append((label, 0, number, f"{number:,}", KEPT))
            level = number
        else:
            rows.append((label, level - number, level, f"−{number:,}", LOST))
            level -= number
    return _horizontal(rows, top)


def bars(name: str, counts: Mapping[str, int], colour: str = KEPT) -> Plot:
    """Horizontal bars, one a name, in the order given; `name` says what is counted."""
    rows = [(label, 0, number, f"{number:,}", colour) for label, number in counts.items()]
    return _horizontal(rows, max(counts.values(), default=0), name)


def stacked(
    name: str,
    series: Mapping[str, Mapping[int, int]],
    label: str,
    span: tuple[int, int] | None = None,
    small: bool = False,
) -> Plot:
    """Columns by whole numbers (years), the series on top of one another.

    Args:
        span: the first and last number of the axis; by default those of the series.
        small: one of many plots side by side, with one number on each axis.
    """
    numbers = sorted({number for counts in series.values() for number in counts}) or [0]
    first, last = span or (numbers[0], numbers[-1])
    whole = range(first, last + 1)
    sums = {number: sum(counts.get(number, 0) for counts in series.values()) for number in whole}
    up = _from_zero(max(sums.values(), default=0), 1 if small else 4)
    wide = 100 / len(whole)
    shapes = []
    base = dict.fromkeys(whole, 0)
    for colour, (kind, counts) in zip(PALETTE, series.items(), strict=False):
        for place, number in enumerate(whole):
            if count := counts.get(number, 0):
                tip = f"{number}: {count:,} {kind}"
                low, high = (100 * level / up[-1] for level in (base[number], base[number] + count))
                shapes.append(_column(place * wide + 0.08 * wide, 0.84 * wide, low, high, colour, tip))
                base[number] += count
    ticks = [((number - first + 0.5) * wide, str(number)) for number in whole]
    legend = dict(zip(series, PALETTE, strict=False)) if len(series) > 1 and not small else {}
    most = max(sums, key=lambda number: (sums[number], -number))
    says = f"{sum(sums.values()):,} in all, most in {most}: {sums[most]:,}."
    drawn = _frame(name, says, shapes, ticks, [_brief(tick) for tick in up], label, legend, small)
    rows = tuple((str(number), *(counts.get(number, 0) for counts in series.values())) for number in whole)
    return Plot(drawn, (label, *series), rows)


def lines(
    name: str, series: Mapping[str, Counts], edges: Sequence[float], label: str, marks: Sequence[float] = ()
) -> Plot:
    """Histograms over bins that grow by a constant factor; counts of series by bin, marks as dotted lines."""
    low, high = log10(edges[0]), log10(edges[-1])
    along = _linear(low, high)
    decades = [10.0**power for power in range(floor(low), floor(high) + 1) if low <= power <= high]
    ticks = [(along(log10(decade)), _brief(decade)) for decade in decades]
    places = [along(log10(edge)) for edge in edges]
    shown = [along(log10(mark)) for mark in marks if edges[0] <= mark <= edges[-1]]
    colours = (KEPT,) if len(series) == 1 else (OTHER, KEPT, LOST)
    return _histogram(name, series, edges, places, ticks, label, colours, shown)


def columns(
    name: str, series: Mapping[str, Counts], edges: Sequence[float], label: str, log: bool = False, small: bool = False
) -> Plot:
    """Histograms over given bins; `log` grows tenfold from step to step upwards, from 1 on."""
    along = _linear(edges[0], edges[-1])
    ticks = [(along(tick), f"{tick:,g}".replace("-", "−")) for tick in _round(edges[0], edges[-1], 2 if small else 6)]
    places = [along(edge) for edge in edges]
    return _histogram(name, series, edges, places, ticks, label, PALETTE, (), log, small)


def curves(name: str, series: Mapping[str, Sequence[tuple[float, float]]], label: str, tenfold: bool = False) -> Plot:
    """Curves over a common axis: points (x, y) of each series, rising in x; of numbers that may be small.

    Args:
        tenfold: whether equal lengths along x are equal factors; x is above 0 then, and every point is marked.
    """
    sizes = sorted({across for curve in series.values() for across, _ in curve})

    def placed(value: float) -> float:
        return log10(value) if tenfold else value

    heights = [up for curve in series.values() for _, up in curve] or [0.0]
    low, high = (placed(sizes[0]), placed(sizes[-1])) if sizes else (0.0, 1.0)
    along = _linear(low, high if high > low else low + 1)
    levels = _evenly(min(heights), max(heights), 5)
    upwards = _linear(levels[0], levels[-1])
    colours = {kind: PALETTE[number % len(PALETTE)] for number, kind in enumerate(series)}
    shapes = [
        _path([(along(placed(across)), upwards(up)) for across, up in curve], colours[kind])
        for kind, curve in series.items()
        if curve
    ]
    ticks = [(along(tick), _brief(tick)) for tick in _round(low, high if high > low else low + 1, 5)]
    if tenfold:
        ticks = [(along(placed(size)), _brief(size)) for size in sizes]
        shapes += [
            Markup('<circle class="f {}" cx="{}%" cy="{}%" r="3"><title>{}, {}: {}</title></circle>').format(
                colours[kind], _n(along(placed(across))), _n(100 - upwards(up)), kind, _brief(across), f"{up:.4g}"
            )
            for kind, curve in series.items()
            for across, up in curve
        ]
    legend = colours if len(series) > 1 else {}
    says = "; ".join(f"{kind} ends at {curve[-1][1]:.4g}" for kind, curve in series.items() if curve) + "."
    drawn = _frame(name, says, shapes, ticks, [_brief(level) for level in levels], label, legend)
    rows = [(kind, _brief(across), f"{up:.4g}") for kind, curve in series.items() for across, up in _thinned(curve)]
    return Plot(drawn, ("curve", label, "value"), tuple(rows))


def intervals(
    name: str,
    rows: Sequence[tuple[str, float, float, float, str, str]],
    bounds: tuple[float, float],
    label: str,
    mark: float | None = None,
) -> Plot:
    """Estimates with their intervals under one another, as in a forest plot.

    Args:
        name: what the plot says, for those who don't see it.
        rows: label, estimate, low, high, text behind it, colour.
        bounds: the ends of the axis; intervals that go beyond are cut.
        label: of the axis.
        mark: a dotted line, such as that of no difference.
    """
    low, high = bounds if bounds[1] > bounds[0] else (bounds[0] - 0.5, bounds[0] + 0.5)
    along = _linear(low, high)
    ticks = [(along(tick), _brief(tick).replace("-", "−")) for tick in _round(low, high, 4)]
    grid = Markup("").join(
        Markup('<line class="g" x1="{0}%" x2="{0}%" y2="100%"/>').format(_n(place)) for place, _ in ticks
    )
    if mark is not None and low <= mark <= high:
        grid += Markup('<line class="m" x1="{0}%" x2="{0}%" y2="100%"/>').format(_n(along(mark)))
    body = Markup("")
    for title, estimate, least, most, text, colour in rows:
        start, middle, end = (along(min(max(value, low), high)) for value in (least, estimate, most))
        body += Markup(
            '<tr><th scope="row">{}</th><td class="bar"><svg role="img" aria-label="{}">{}'
            '<line class="i {}" x1="{}%" x2="{}%" y1="50%" y2="50%"/><circle class="f {}" cx="{}%" cy="50%" r="4"/>'
            '</svg></td><td class="says">{}</td></tr>'
        ).format(
            title,
            f"{estimate:.4g}, from {least:.4g} to {most:.4g}".replace("-", "−"),
            grid,
            *(colour, _n(start), _n(end), colour, _n(middle)),
            text,
        )
    axis = Markup('<tr><td></td><td class="bar">{}<span class="of">{}</span></td><td></td></tr>').format(
        _along(ticks), label
    )
    head = Markup('<caption class="off">{}</caption>').format(name)
    table = Markup('<table class="bars forest">{}<tbody>{}</tbody><tfoot aria-hidden="true">{}</tfoot></table>')
    return Plot(table.format(head, body, axis))


def against_diagonal(name: str, points: Sequence[tuple[float, float, float]], across: str, up: str) -> Plot:
    """Points from 0 to 1 beside the line on which both are equal, as in a reliability plot.

    Args:
        points: x, y, and the share of all cases that stand behind the point, which is its area.
    """
    shapes = [Markup('<line class="m" x1="0" y1="100%" x2="100%" y2="0"/>')]
    shapes += [
        Markup(
            '<line class="i k2" x1="{0}%" x2="{0}%" y1="{1}%" y2="{2}%"/><circle class="f k1" cx="{0}%" cy="{2}%" '
            'r="{3}"><title>{4}</title></circle>'
        ).format(
            _n(100 * place),
            _n(100 - 100 * place),
            _n(100 - 100 * value),
            _n(2 + 9 * part**0.5),
            f"{across} {place:.2f}: {up} {value:.2f}",
        )
        for place, value, part in points
    ]
    ticks = [(20.0 * number, f"{0.2 * number:.1f}") for number in range(6)]
    drawn = _frame(name, "", shapes, ticks, [text for _, text in ticks], across, {}, above=up)
    rows = tuple((f"{place:.3f}", f"{value:.3f}", f"{100 * part:.1f}%") for place, value, part in points)
    return Plot(drawn, (across, up, "of all"), rows)


def keys(series: Mapping[str, str]) -> Markup:
    """The colours and patterns of series, by name."""
    items = Markup("").join(
        Markup(
            '<li><svg class="key" aria-hidden="true"><rect class="f {}" width="100%" height="100%"/></svg>{}</li>'
        ).format(colour, kind)
        for kind, colour in series.items()
    )
    return Markup('<ul class="legend">{}</ul>').format(items)


def meter(part: float, colour: str = KEPT) -> Markup:
    """A bar for a cell of a table, whose length is a share from 0 to 1; the number stands in a cell of its own."""
    return Markup('<svg class="meter" aria-hidden="true"><rect class="f {}" width="{}%" height="100%"/></svg>').format(
        colour, _n(100 * part)
    )


def tinted(text: str, part: float) -> Markup:
    """A text for a cell of a table on a ground that is the darker, the nearer a share is to 1."""
    return Markup('<span class="h h{}">{}</span>').format(min(9, max(0, round(9 * part))), text)


def by_factor(counts: Counts, edges: Sequence[float]) -> Counts:
    """Sum counts of whole numbers into bins [edges[i], edges[i + 1])."""
    bounds = np.clip(np.ceil(np.asarray(edges)).astype(np.int64), 0, len(counts))
    total = np.concatenate([[0], np.cumsum(counts)])
    sums: Counts = np.diff(total[bounds])
    return sums


def factors(low: float, high: float, bins: int) -> list[float]:
    """Edges of `bins` bins that grow by a constant factor."""
    return [float(edge) for edge in np.geomspace(low, high, bins + 1)]


# --- how they are drawn ----------------------------------------------------------------------------------------------


def _horizontal(rows: Sequence[tuple[str, int, int, str, str]], top: int, counted: str = "rows") -> Plot:
    """A table of labels, numbers and bars: label, start, end, number as text, colour."""
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th><td class="n">{}</td><td class="bar">{}</td></tr>').format(
            label,
            text,
            Markup(
                '<svg aria-hidden="true"><rect class="f {}" x="{}%" width="{}%" y="14%" height="72%"/></svg>'
            ).format(colour, _n(100 * start / top), _n(100 * (end - start) / top))
            if top and end > start
            else "",
        )
        for label, start, end, text, colour in rows
    )
    head = Markup('<caption class="off">{}</caption>').format(counted)
    return Plot(Markup('<table class="bars">{}<tbody>{}</tbody></table>').format(head, body))


def _histogram(
    name: str,
    series: Mapping[str, Counts],
    edges: Sequence[float],
    places: Sequence[float],
    ticks: Sequence[tuple[float, str]],
    label: str,
    colours: Sequence[str],
    marks: Sequence[float],
    log: bool = False,
    small: bool = False,
) -> Plot:
    """The first series as columns, the others as steps over it; `places` are the edges' along the axis."""
    top = max((int(counts.max(initial=0)) for counts in series.values()), default=0)
    if log:
        levels: list[float] = [0, *(10**power for power in range(len(str(max(top - 1, 0))) + 1))]
        upwards = _linear(0, _tenfold(levels[-1]))
    else:
        levels = _from_zero(top, 1 if small else 4)
        upwards = _linear(0, levels[-1])

    def height(count: int) -> float:
        return upwards(_tenfold(count) if log else count)

    shown = [_brief(edge).replace("-", "−") for edge in edges]
    legend = dict(zip(series, colours, strict=False))
    shapes = []
    for number, (kind, counts) in enumerate(series.items()):
        values = counts.tolist()
        if number:
            outline = [(places[0], 0.0)]
            for start, end, count in zip(places, places[1:], values, strict=False):
                outline += [(start, height(count)), (end, height(count))]
            shapes.append(_path([*outline, (places[-1], 0.0)], legend[kind]))
            continue
        for start, end, bounds, count in zip(places, places[1:], pairwise(shown), values, strict=False):
            if count:
                tip = f"{bounds[0]} to {bounds[1]}: {count:,} {kind}"
                shapes.append(_column(start, end - start, 0.0, height(count), legend[kind], tip))
    shapes += [Markup('<line class="m" x1="{0}%" x2="{0}%" y2="100%"/>').format(_n(mark)) for mark in marks]
    says = "; ".join(
        f"{kind}: {int(counts.sum()):,}"
        + (f", most from {shown[int(counts.argmax())]} to {shown[int(counts.argmax()) + 1]}" if counts.any() else "")
        for kind, counts in series.items()
    )
    drawn = _frame(
        *(name, says + ".", shapes, ticks, [_brief(level) for level in levels], label),
        *(legend if len(series) > 1 else {}, small),
    )
    rows = tuple(
        (shown[number], shown[number + 1], *(int(counts[number]) for counts in series.values()))
        for number in range(len(edges) - 1)
        if any(counts[number] for counts in series.values())
    )
    return Plot(drawn, ("from", "to below", *series), rows)


def _frame(
    name: str,
    says: str,
    shapes: Iterable[Markup],
    across: Sequence[tuple[float, str]],
    up: Sequence[str],
    label: str,
    legend: Mapping[str, str],
    small: bool = False,
    above: str = "",
) -> Markup:
    """Two axes and a grid around shapes.

    Args:
        across: ticks along the axis: place in percent, text.
        up: texts of the ticks upwards, from the bottom; they are evenly spaced.
        above: what is measured upwards, if the caption does not say so.
    """
    ruled = Markup("").join(
        Markup('<line class="g" x2="100%" y1="{0}%" y2="{0}%"/>').format(_n(100 * number / (len(up) - 1)))
        for number in range(len(up) - 1)
    )
    return Markup(
        '<div class="plot{}">{}{}<div class="up" aria-hidden="true">{}</div>'
        '<svg class="area" role="img" aria-label="{}">{}{}{}</svg>{}{}</div>'
    ).format(
        " small" if small else "",
        keys(legend) if legend else "",
        Markup('<p class="above">{}</p>').format(above) if above else "",
        Markup("").join(Markup("<span>{}</span>").format(text) for text in reversed(up)),
        name,
        Markup("<desc>{}</desc>").format(says) if says else "",
        ruled,
        Markup("").join(shapes),
        _along(across, small),
        Markup('<p class="of">{}</p>').format(label) if label and not small else "",
    )


_NARROW, _WIDE, _SMALL, _LETTER, _APART = 15.0, 25.0, 8.0, 0.5, 0.7
"""Widths, in letters' heights, of the narrowest plot, of one that has room, and of a small one; of a letter on the wide
side; and between two texts."""


def _along(ticks: Sequence[tuple[float, str]], small: bool = False) -> Markup:
    """The texts of an axis, as many as have room: more where the plot is wide (class `w`)."""
    few = _step(ticks, _SMALL if small else _NARROW)
    more = few if small else next(step for step in range(1, few + 1) if few % step == 0 and _fit(ticks[::step], _WIDE))
    texts = Markup("").join(
        Markup('<text x="{}%" y="1.6em"{}>{}</text>').format(
            _n(place), Markup(' class="w"') if number % few else "", text
        )
        for number, (place, text) in enumerate(ticks)
        if number % more == 0
    )
    return Markup('<svg class="along" aria-hidden="true">{}</svg>').format(texts)


def _step(ticks: Sequence[tuple[float, str]], width: float) -> int:
    return next((step for step in range(1, len(ticks)) if _fit(ticks[::step], width)), max(len(ticks), 1))


def _fit(ticks: Sequence[tuple[float, str]], width: float) -> bool:
    """Whether texts with their middles at these places do not touch in a plot of that width."""
    return all(
        (right - left) / 100 * width >= (len(text) + len(other)) / 2 * _LETTER + _APART
        for (left, text), (right, other) in pairwise(ticks)
    )


def _column(left: float, width: float, low: float, high: float, colour: str, tip: str) -> Markup:
    return Markup('<rect class="f {}" x="{}%" y="{}%" width="{}%" height="{}%"><title>{}</title></rect>').format(
        colour, _n(left), _n(100 - high), _n(width), _n(high - low), tip
    )


def _path(points: Sequence[tuple[float, float]], colour: str) -> Markup:
    """A line through points in percent, upwards."""
    places = "L".join(f"{_n(10 * across)} {_n(1000 - 10 * up)}" for across, up in points)
    return Markup('<svg viewBox="0 0 1000 1000" preserveAspectRatio="none"><path class="l {}" d="M{}"/></svg>').format(
        colour, places
    )


def _linear(low: float, high: float) -> Scale:
    return lambda value: 100 * (value - low) / (high - low)


def _tenfold(value: float) -> float:
    """0 at 0, 1 at 1, then one more at each tenfold."""
    return float(value) if value <= 1 else 1 + log10(value)


def _from_zero(top: float, most: int) -> list[float]:
    """Ticks of a count from 0 up to `top` or the next above it, at equal distances."""
    if most == 1:
        return [0.0, float(max(top, 1))]
    return [tick for tick in _evenly(0.0, max(top, 1), most) if tick == floor(tick)] if top > 1 else [0.0, 1.0]


def _evenly(low: float, high: float, most: int) -> list[float]:
    """Ticks at equal distances, of which the first is no more than `low`, and the last no less than `high`."""
    room = high - low or abs(high) or 1.0
    step = _nice(room / most)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]


def _nice(rough: float) -> float:
    """The least of 1, 2 or 5 times a power of ten that is no less."""
    power = 10.0 ** floor(log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _round(low: float, high: float, most: int) -> list[float]:
    """At most `most` + 1 ticks within the bounds, at multiples of 1, 2 or 5 times a power of ten."""
    step = _nice((high - low) / most)
    first, last = -floor(-low / step + 1e-9), floor(high / step + 1e-9)
    return [round(number * step, 9) for number in range(first, last + 1)]


def _brief(value: float) -> str:
    """A tick: whole numbers in full, billions and small ones shortly."""
    if abs(value) >= 10_000_000:
        return f"{value / 1e9:,.10g} billion" if abs(value) >= 1e9 else f"{value / 1e6:,.10g} M"
    if value == floor(value):
        return f"{value:,.0f}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


_ROWS = 60
"""Points of a curve in its table; of more, one of each stretch."""


def _thinned(curve: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    step = -(-len(curve) // _ROWS) or 1
    return [*curve[:-1:step], curve[-1]] if curve else curve


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"
