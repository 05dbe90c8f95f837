"""Plots of the report as inline SVG: the same numbers give the same bytes, and text stays text."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, KEPT, OTHER, LOST = "#22303c", "#8795a1", "#2f6690", "#7fb0cc", "#c8794f"
"""Colours: text, axes, what is kept, a second series, what is dropped."""

Counts = npt.NDArray[np.int64]

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.axisbelow": True,
    "grid.color": "#e3e8ec",
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def waterfall(steps: Sequence[tuple[str, int, str]]) -> str:
    """Horizontal bars from rows in the dump to rows in the shards.

    Args:
        steps: label, number, and what it is: "level" (a bar from zero) or "loss" (a bar that is taken away).
    """
    with _figure("waterfall", 7.6, 0.31 * len(steps) + 0.35, [step[0] for step in steps]) as (figure, axes):
        level = 0
        top = max((number for _, number, kind in steps if kind == "level"), default=1) or 1
        for at, (_, number, kind) in enumerate(steps):
            if kind == "level":
                level = number
                axes.barh(at, number, color=KEPT, height=0.66)
                end = number
            else:
                axes.barh(at, number, left=level - number, color=LOST, height=0.66)
                end, level = level, level - number
            sign = "" if kind == "level" else "−"
            axes.text(end + 0.008 * top, at, f"{sign}{number:,}", va="center", fontsize=8)
        axes.set_yticks(range(len(steps)), [label for label, _, _ in steps])
        axes.invert_yaxis()
        axes.set_xlim(0, top * 1.14)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)
        return _svg(figure, "waterfall")


def bars(name: str, counts: Mapping[str, int], colour: str = KEPT, width: float = 3.7) -> str:
    """Horizontal bars, one a name, in the order given."""
    labels = [_short(label) for label in counts]
    with _figure(name, width, 0.215 * len(counts) + 0.3, labels) as (figure, axes):
        values = list(counts.values())
        axes.barh(range(len(values)), values, color=colour, height=0.7)
        top = max(values, default=1) or 1
        for at, value in enumerate(values):
            axes.text(value + 0.01 * top, at, f"{value:,}", va="center", fontsize=7.5)
        axes.set_yticks(range(len(values)), labels)
        axes.invert_yaxis()
        axes.set_xlim(0, top * 1.18)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)
        return _svg(figure, name)


def stacked(name: str, series: Mapping[str, Mapping[int, int]], label: str) -> str:
    """Columns by whole numbers (years), the series on top of one another."""
    years = sorted({year for counts in series.values() for year in counts})
    with _figure(name, 3.7, 2.3) as (figure, axes):
        base = np.zeros(len(years))
        for colour, (kind, counts) in zip((KEPT, OTHER, LOST), series.items(), strict=False):
            heights = np.array([counts.get(year, 0) for year in years])
            axes.bar(years, heights, bottom=base, color=colour, label=kind, width=0.8)
            base += heights
        axes.set_ylim(0, 1.3 * max(base, default=1))  # room for the legend
        _integers(axes, label)
        axes.legend(fontsize=7.5)
        return _svg(figure, name)


def lines(
    name: str, series: Mapping[str, Counts], edges: Sequence[float], label: str, marks: Sequence[float] = ()
) -> str:
    """Histograms over bins that grow by a constant factor; counts of series by bin, marks as dotted lines."""
    with _figure(name, 3.7, 2.3) as (figure, axes):
        for colour, (kind, counts) in zip((OTHER, KEPT, LOST), series.items(), strict=False):
            axes.stairs(counts, edges, fill=True, color=colour, alpha=0.75, label=kind)
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        for mark in marks:
            axes.axvline(mark, color=LOST, linestyle=":", linewidth=1.1)
        _integers(axes, label, whole=False)
        if len(series) > 1:
            axes.legend(fontsize=7.5)
        return _svg(figure, name)


def columns(name: str, series: Mapping[str, Counts], edges: Sequence[float], label: str, log: bool = False) -> str:
    """Histograms over given bins."""
    with _figure(name, 3.7, 2.3) as (figure, axes):
        for colour, (kind, counts) in zip((KEPT, OTHER, LOST), series.items(), strict=False):
            axes.stairs(counts, edges, fill=len(series) == 1, color=colour, label=kind, linewidth=1.4)
        if log:
            axes.set_yscale("symlog", linthresh=1)
        _integers(axes, label, whole=False, scaled=log)
        if len(series) > 1:
            axes.legend(fontsize=7.5)
        return _svg(figure, name)


def by_factor(counts: Counts, edges: Sequence[float]) -> Counts:
    """Sum counts of whole numbers into bins [edges[i], edges[i + 1])."""
    bounds = np.clip(np.ceil(np.asarray(edges)).astype(np.int64), 0, len(counts))
    total = np.concatenate([[0], np.cumsum(counts)])
    made: Counts = np.diff(total[bounds])
    return made


def factors(low: float, high: float, bins: int) -> list[float]:
    """Edges of `bins` bins that grow by a constant factor."""
    return [float(edge) for edge in np.geomspace(low, high, bins + 1)]


@contextmanager
def _figure(
    name: str, width: float, height: float, labels: Sequence[str] | None = None
) -> Iterator[tuple["Figure", "Axes"]]:
    import matplotlib
    from matplotlib.figure import Figure

    with warnings.catch_warnings(), matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        # Tags in scripts that the measuring font lacks: the browser has them.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support .* natively")
        # Margins in inches: Matplotlib's own layout would draw each figure twice to find them.
        left, bottom = (0.62, 0.45) if labels is None else (0.075 * max(map(len, labels), default=0) + 0.1, 0.06)
        figure = Figure(figsize=(width, height))
        right = 0.24 if labels is None else 0.08
        area = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + 0.08) / height)
        yield figure, figure.add_axes(area)


def _integers(axes: "Axes", label: str, whole: bool = True, scaled: bool = False) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.grid(axis="y")
    axes.set_xlabel(label)
    axes.tick_params(length=2.5)
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    if not scaled:
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _short(label: str, most: int = 26) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"


def _svg(figure: "Figure", name: str) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    # Names of groups are the same in all figures of a page, and nothing refers to them.
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    svg = re.sub(r'\sid="([^"]+)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    # The page's fonts, and a width that follows the page's.
    svg = svg.replace("'DejaVu Sans', sans-serif", "inherit").replace("'DejaVu Sans'", "inherit")
    svg = re.sub(r'<svg [^>]*?(viewBox="0 0 ([\d.]+) ([\d.]+)")[^>]*>', _opening, svg, count=1)
    return re.sub(r"\n\s*", "\n", svg).strip()


def _opening(match: re.Match[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {match[1]} '
        f'style="width:{float(match[2]) * 96 / 72:.0f}px" role="img">'
    )
