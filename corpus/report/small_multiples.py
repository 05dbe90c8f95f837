"""Small plots of one kind side by side, on one axis of years, with the numbers of all in one table."""

from collections.abc import Mapping

from markupsafe import Markup

from socorpus.corpus.report import fragments as html
from socorpus.corpus.report import plots

Years = Mapping[int, int]
"""Year -> count."""


def by_year(counted: str, panels: Mapping[str, Mapping[str, Years]], of: str) -> Markup:
    """A plot a panel, of columns by year; each has its own height, and its sum beside its name.

    Args:
        counted: what is counted, such as "documents".
        panels: name of a panel -> series -> years.
        of: what a panel is of, such as "site".
    """
    years = sorted({year for series in panels.values() for counts in series.values() for year in counts})
    if not years:
        return Markup("")
    span = years[0], years[-1]
    kinds = list(dict.fromkeys(kind for series in panels.values() for kind in series))
    figures = [
        html.figure(
            plots.stacked(f"{name}: {counted} by year", series, "", span, small=True),
            f"{name}: {sum(sum(counts.values()) for counts in series.values()):,}",
            numbers=False,
        )
        for name, series in panels.items()
    ]
    parted = len(kinds) > 1
    rows = [
        [name, *([kind] if parted else []), *(counts.get(year, 0) for year in years)]
        for name, series in panels.items()
        for kind, counts in series.items()
    ]
    head = [of, *([counted] if parted else []), *map(str, years)]
    legend = plots.keys(dict(zip(kinds, plots.PALETTE, strict=False))) if parted else Markup("")
    return (
        legend + html.grid(figures, "small") + html.fold(f"Numbers: {counted} by {of} and year", html.table(head, rows))
    )
