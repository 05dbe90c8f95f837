"""Ranks of a question's score and views among those of its site and year."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from itertools import accumulate
from math import log2

FEW = 50
"""Questions of a year with fewer than this are ranked among all years of the site; a site with fewer has no ranks."""
ALL = "all"
"""The key of the histogram of all years."""


class Ranks:
    """Ranks of values among those of their year, from histograms by year."""

    def __init__(self, histograms: Mapping[str, Mapping[str, int]]):
        self._years = {
            year: (values, [0, *accumulate(histogram[str(value)] for value in values)])
            for year, histogram in histograms.items()
            for values in [sorted(map(int, histogram))]
        }

    def rank(self, year: str, value: int) -> float:
        values, sums = self._years.get(year, ([], [0]))
        if sums[-1] < FEW:
            values, sums = self._years.get(ALL, ([], [0]))
        if not sums[-1]:
            return 0.5
        below, to = sums[bisect_left(values, value)], sums[bisect_right(values, value)]
        return (below + to) / (2 * sums[-1])


def year(moment: datetime | None) -> str:
    """The key of a moment's histogram."""
    return "0" if moment is None else str(moment.year)


@cache
def octave(views: int) -> int:
    """Views on a scale of quarters of an octave."""
    return round(4 * log2(1 + max(views, 0)))
