"""Plots of the report as inline SVG, written directly: a few bars and steps need no plotting library.

The same numbers give the same bytes, and text stays text in the page's own font. Lengths are CSS pixels.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from math import floor, log10

import numpy as np
import numpy.typing as npt

INK, QUIET, GRID, KEPT, OTHER, LOST = "#22303c", "#8795a1", "#e3e8ec", "#2f6690", "#7fb0cc", "#c8794f"
"""Colours: text, axes, grid, kept rows, a second series, dropped rows."""

Counts = npt.NDArray[np.int64]
Scale = Callable[[float], float]
"""From a value to a length in pixels."""

_SIZE = 11.3
_LETTER = 6.2  # width of a letter of that size, on the wide side
_WIDTH, _HEIGHT = 355.0, 221.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 22.0, 8.0, 44.0


def waterfall(steps: Sequence[tuple[str, int, str]]) -> str:
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
    return _horizontal("waterfall", rows, top, 730.0, 30.0)


def bars(name: str, counts: Mapping[str, int], colour: str = KEPT, width: float = _WIDTH) -> str:
    """Horizontal bars, one a name, in the order given."""
    rows = [(_short(label), 0, number, f"{number:,}", colour) for label, number in counts.items()]
    return _horizontal(name, rows, max(counts.values(), default=0), width, 20.5)


def stacked(name: str, series: Mapping[str, Mapping[int, int]], label: str) -> str:
    """Columns by whole numbers (years), the series on top of one another."""
    years = sorted({year for counts in series.values() for year in counts}) or [0]
    top = max((sum(counts.get(year, 0) for counts in series.values()) for year in years), default=0)
    x = _linear(years[0] - 0.6, years[-1] + 0.6, _LEFT, _WIDTH - _RIGHT)
    y = _linear(0, 1.3 * (top or 1), _HEIGHT - _BOTTOM, _TOP)  # room for the legend
    drawn = []
    base = dict.fromkeys(years, 0)
    for colour, counts in zip((KEPT, OTHER, LOST), series.values(), strict=False):
        for year in years:
            if number := counts.get(year, 0):
                low, high = y(base[year]), y(base[year] + number)
                drawn.append(_rectangle(x(year - 0.4), high, x(year + 0.4) - x(year - 0.4), low - high, colour))
                base[year] += number
    step = max(1, -(-len(range(years[0], years[-1] + 1)) // 7))
    ticks = [(float(year), str(year)) for year in range(years[0], years[-1] + 1, step)]
    legend = dict(zip(series, (KEPT, OTHER, LOST), strict=False))
    return _chart(name, drawn, x, ticks, y, _whole(1.3 * (top or 1)), label, legend)


def lines(
    name: str, series: Mapping[str, Counts], edges: Sequence[float], label: str, marks: Sequence[float] = ()
) -> str:
    """Histograms over bins that grow by a constant factor; counts of series by bin, marks as dotted lines."""
    low, high = log10(edges[0]), log10(edges[-1])
    across = _linear(low, high, _LEFT, _WIDTH - _RIGHT)

    def x(value: float) -> float:
        return across(log10(value))

    top = max((int(counts.max(initial=0)) for counts in series.values()), default=0)
    y = _linear(0, 1.06 * (top or 1), _HEIGHT - _BOTTOM, _TOP)
    legend = dict(zip(series, (OTHER, KEPT, LOST), strict=False))
    drawn = [_steps(counts, edges, x, y, legend[kind], True) for kind, counts in series.items()]
    drawn += [
        f'<line x1="{_n(x(mark))}" x2="{_n(x(mark))}" y1="{_n(_TOP)}" y2="{_n(_HEIGHT - _BOTTOM)}" '
        f'stroke="{LOST}" stroke-dasharray="1.5 2.5"/>'
        for mark in marks
        if edges[0] <= mark <= edges[-1]
    ]
    decades = [10.0**power for power in range(floor(low), floor(high) + 1) if low <= power <= high]
    ticks = [(decade, f"{decade:,.0f}") for decade in decades]
    return _chart(name, drawn, x, ticks, y, _whole(top), label, legend if len(series) > 1 else {})


PALETTE = (KEPT, LOST, "#4d9b6a", "#8a63a6", "#b59b2b", OTHER, "#7a7f85", "#b4526b")
"""Colours of curves side by side."""


def curves(name: str, series: Mapping[str, Sequence[tuple[float, float]]], label: str, tenfold: bool = False) -> str:
    """Curves over a common axis: points (x, y) of each series, rising in x; of numbers that may be small.

    Args:
        tenfold: whether equal lengths along x are equal factors; x is above 0 then, and every point is marked.
    """
    sizes = sorted({across for curve in series.values() for across, _ in curve})
    if tenfold:
        series = {kind: [(log10(across), up) for across, up in curve] for kind, curve in series.items()}
    points = [point for curve in series.values() for point in curve]
    low, high = (edge(value for value, _ in points) for edge in (min, max))
    bottom, top = (edge(value for _, value in points) for edge in (min, max))
    room = 0.06 * (top - bottom) or abs(top) or 1.0
    x = _linear(low, high if high > low else low + 1, _LEFT, _WIDTH - _RIGHT)
    # Curves of this kind rise to where the legend is: it has room above them, as far as that goes.
    above = min(0.6, 16 * len(series) / (_HEIGHT - _BOTTOM - _TOP)) if tenfold and len(series) > 1 else 0.0
    most = top + room + (top - bottom + 2 * room) * above / (1 - above)
    y = _linear(bottom - room, most, _HEIGHT - _BOTTOM, _TOP)
    legend = {kind: PALETTE[number % len(PALETTE)] for number, kind in enumerate(series)}
    drawn = [
        f'<path d="M{"L".join(f"{_n(x(across))} {_n(y(up))}" for across, up in curve)}" fill="none" '
        f'stroke="{legend[kind]}" stroke-width="1.6"/>'
        for kind, curve in series.items()
        if curve
    ]
    ticks = [(tick, _brief(tick)) for tick in _round(low, high if high > low else low + 1, 5)]
    if tenfold:
        ticks = [(log10(value), _brief(value)) for value in sizes]
        drawn += [
            f'<circle cx="{_n(x(across))}" cy="{_n(y(up))}" r="2.6" fill="{legend[kind]}"/>'
            for kind, curve in series.items()
            for across, up in curve
        ]
    heights = _round(bottom - room, top + room, 5)
    short = {_short(kind): colour for kind, colour in legend.items()}
    return _chart(name, drawn, x, ticks, y, heights, label, short if len(series) > 1 else {})


def intervals(
    name: str,
    rows: Sequence[tuple[str, float, float, float, str, str]],
    bounds: tuple[float, float],
    label: str,
    mark: float | None = None,
    width: float = _WIDTH,
) -> str:
    """Estimates with their intervals under one another, as in a forest plot.

    Args:
        name: what the plot says, for those who don't see it.
        rows: label, estimate, low, high, text behind it, colour.
        bounds: the ends of the axis; intervals that go beyond are cut.
        label: of the axis.
        mark: a dotted line, such as that of no difference.
    """
    pitch = 20.5
    left = _LETTER * max((len(_short(row[0], 44)) for row in rows), default=0) + 10
    behind = _LETTER * max((len(row[4]) for row in rows), default=0) + 12
    low, high = bounds if bounds[1] > bounds[0] else (bounds[0] - 0.5, bounds[0] + 0.5)
    x = _linear(low, high, left, max(width - behind, left + 60))
    height = pitch * len(rows) + 46
    floor_ = height - 40

    def within(value: float) -> float:
        return x(min(max(value, low), high))

    ticks = _round(low, high, 4)
    drawn = [f'<path d="{"".join(f"M{_n(x(tick))} 2V{_n(floor_)}" for tick in ticks)}" stroke="{GRID}"/>']
    if mark is not None and low <= mark <= high:
        drawn.append(f'<path d="M{_n(x(mark))} 2V{_n(floor_)}" stroke="{INK}" stroke-dasharray="1.5 2.5" fill="none"/>')
    for number, (title, estimate, least, most, text, colour) in enumerate(rows):
        middle = pitch * (number + 0.5) + 4
        drawn.append(_text(left - 6, middle, _short(title, 44), "end"))
        drawn.append(
            f'<path d="M{_n(within(least))} {_n(middle)}H{_n(within(most))}" stroke="{colour}" stroke-width="2"/>'
        )
        drawn.append(f'<circle cx="{_n(within(estimate))}" cy="{_n(middle)}" r="3.6" fill="{colour}"/>')
        drawn.append(_text(max(width - behind, left + 60) + 8, middle, text))
    drawn += [_text(x(tick), floor_ + 12, _brief(tick).replace("-", "−"), "middle") for tick in ticks]
    drawn.append(_text((x(low) + x(high)) / 2, floor_ + 30, label, "middle"))
    return _svg(name, drawn, max(width, left + 60 + behind), height)


def against_diagonal(name: str, points: Sequence[tuple[float, float, float]], across: str, up: str) -> str:
    """Points from 0 to 1 beside the line on which both are equal, as in a reliability plot.

    Args:
        points: x, y, and the share of all cases that stand behind the point, which is its area.
    """
    x, y = _linear(0, 1, _LEFT, _WIDTH - _RIGHT), _linear(0, 1.12, _HEIGHT - _BOTTOM, _TOP)
    drawn = [f'<path d="M{_n(x(0))} {_n(y(0))}L{_n(x(1))} {_n(y(1))}" stroke="{QUIET}" stroke-dasharray="1.5 2.5"/>']
    drawn += [
        f'<path d="M{_n(x(place))} {_n(y(place))}V{_n(y(value))}" stroke="{LOST}" stroke-width="1.2"/>'
        f'<circle cx="{_n(x(place))}" cy="{_n(y(value))}" r="{_n(2 + 9 * part**0.5)}" fill="{KEPT}" '
        'fill-opacity="0.75"/>'
        for place, value, part in points
    ]
    ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    drawn.append(_text(_LEFT + 6, _TOP + 4, up))
    return _chart(name, drawn, x, [(tick, _brief(tick)) for tick in ticks], y, ticks, across, {})


def columns(name: str, series: Mapping[str, Counts], edges: Sequence[float], label: str, log: bool = False) -> str:
    """Histograms over given bins; `log` grows tenfold from step to step upwards, from 1 on."""
    top = max((int(counts.max(initial=0)) for counts in series.values()), default=0)
    x = _linear(edges[0], edges[-1], _LEFT, _WIDTH - _RIGHT)
    up = _linear(0, 1.06 * (_tenfold(top) or 1) if log else 1.06 * (top or 1), _HEIGHT - _BOTTOM, _TOP)

    def y(value: float) -> float:
        return up(_tenfold(value)) if log else up(value)

    legend = dict(zip(series, (KEPT, OTHER, LOST), strict=False))
    drawn = [_steps(counts, edges, x, y, legend[kind], len(series) == 1) for kind, counts in series.items()]
    heights = [0, *(10**power for power in range(len(str(max(top, 1)))))] if log else _whole(top)
    ticks = [(tick, f"{tick:,g}".replace("-", "−")) for tick in _round(edges[0], edges[-1], 6)]
    return _chart(name, drawn, x, ticks, y, heights, label, legend if len(series) > 1 else {})


def by_factor(counts: Counts, edges: Sequence[float]) -> Counts:
    """Sum counts of whole numbers into bins [edges[i], edges[i + 1])."""
    bounds = np.clip(np.ceil(np.asarray(edges)).astype(np.int64), 0, len(counts))
    total = np.concatenate([[0], np.cumsum(counts)])
    sums: Counts = np.diff(total[bounds])
    return sums


def factors(low: float, high: float, bins: int) -> list[float]:
    """Edges of `bins` bins that grow by a constant factor."""
    return [float(edge) for edge in np.geomspace(low, high, bins + 1)]


def _horizontal(name: str, rows: Sequence[tuple[str, int, int, str, str]], top: int, width: float, pitch: float) -> str:
    """Bars from left to right: label, start, end, text behind it, colour."""
    left = _LETTER * max((len(label) for label, *_ in rows), default=0) + 10
    behind = _LETTER * max((len(text) for *_, text, _ in rows), default=0) + 8
    x = _linear(0, top or 1, left, width - behind)
    height = pitch * len(rows) + 12
    drawn = []
    for number, (label, start, end, text, colour) in enumerate(rows):
        middle = pitch * (number + 0.5) + 5
        drawn.append(_text(left - 6, middle, label, "end"))
        drawn.append(_rectangle(x(start), middle - 0.34 * pitch, x(end) - x(start), 0.68 * pitch, colour))
        drawn.append(_text(x(end) + 5, middle, text))
    drawn.append(f'<path d="M{_n(left)} 2V{_n(height - 2)}" stroke="{QUIET}"/>')
    return _svg(name, drawn, width, height)


def _chart(
    name: str,
    drawn: Iterable[str],
    x: Scale,
    across: Sequence[tuple[float, str]],
    y: Scale,
    up: Sequence[float],
    label: str,
    legend: Mapping[str, str],
) -> str:
    """Two axes and a grid around the shapes in `drawn`; `across` and `up` are the ticks."""
    floor_, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    heights = [y(tick) for tick in up]
    parts = [f'<path d="{"".join(f"M{_n(_LEFT)} {_n(height)}H{_n(right)}" for height in heights)}" stroke="{GRID}"/>']
    parts += drawn
    parts.append(f'<path d="M{_n(_LEFT)} {_n(_TOP)}V{_n(floor_)}H{_n(right)}" fill="none" stroke="{QUIET}"/>')
    parts += [_text(_LEFT - 6, height, _brief(tick), "end") for tick, height in zip(up, heights, strict=True)]
    parts += [_text(x(tick), floor_ + 13, text, "middle") for tick, text in across]
    parts.append(_text((_LEFT + right) / 2, floor_ + 32, label, "middle"))
    for row, (kind, colour) in enumerate(legend.items()):
        left = right - _LETTER * max(map(len, legend)) - 16
        parts.append(_rectangle(left, _TOP + 16 * row + 3, 10, 10, colour))
        parts.append(_text(left + 15, _TOP + 16 * row + 8, kind))
    return _svg(name, parts, _WIDTH, _HEIGHT)


def _steps(counts: Counts, edges: Sequence[float], x: Scale, y: Scale, colour: str, fill: bool) -> str:
    """The outline of a histogram."""
    path = f"M{_n(x(edges[0]))} {_n(y(0))}"
    for height, end in zip(counts.tolist(), edges[1:], strict=True):
        path += f"V{_n(y(height))}H{_n(x(end))}"
    style = f'fill="{colour}" fill-opacity="0.75"' if fill else f'fill="none" stroke="{colour}" stroke-width="1.6"'
    return f'<path d="{path}V{_n(y(0))}" {style}/>'


def _linear(low: float, high: float, start: float, end: float) -> Scale:
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _tenfold(value: float) -> float:
    """0 at 0, 1 at 1, then one more at each tenfold."""
    return float(value) if value <= 1 else 1 + log10(value)


def _whole(top: float) -> list[float]:
    """Ticks of a count from 0 up to `top`."""
    return [tick for tick in _round(0, top or 1, 4) if tick == floor(tick)]


def _round(low: float, high: float, most: int) -> list[float]:
    """At most `most` + 1 ticks at multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = -floor(-low / step + 1e-9), floor(high / step + 1e-9)
    return [round(number * step, 9) for number in range(first, last + 1)]


def _brief(value: float) -> str:
    """A tick: whole numbers in full, billions and small ones shortly."""
    if abs(value) >= 10_000_000:
        return f"{value / 1e9:,.10g} billion" if abs(value) >= 1e9 else f"{value / 1e6:,.10g} M"
    return f"{value:,.0f}" if value == floor(value) else f"{value:.6g}"


def _short(label: str, most: int = 26) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"


def _rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    # A third of the size below the middle: not all viewers know dominant-baseline.
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{_n(x)}" y="{_n(y + 0.35 * _SIZE)}"{place}>{escape(text)}</text>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _svg(name: str, parts: Iterable[str], width: float, height: float) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" style="width:{_n(width)}px" '
        f'role="img" aria-label="{escape(name)}" font-size="{_SIZE}" fill="{INK}">\n{body}\n</svg>'
    )
