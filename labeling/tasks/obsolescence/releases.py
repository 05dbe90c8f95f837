"""Dates of versions: when a dump first speaks of each, or when the user says that it came out.

Nobody speaks of a version long before it is there. So a version that a site had spoken of by the time of an answer is
no news to it, and neither is an older one; a version that is first heard of later is newer than the answer.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from socorpus.labeling.tasks.obsolescence.versions import Number

Spoken = dict[str, dict[str, int]]
"""Name -> version -> milliseconds since 1970 (UTC) at which it is first spoken of."""


def note(spoken: Spoken, name: str, number: Number, moment: int) -> None:
    """Add that a version is spoken of at a time."""
    by_version = spoken.setdefault(name, {})
    version = ".".join(map(str, number))
    if moment < by_version.get(version, moment + 1):
        by_version[version] = moment


def merged(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> Spoken:
    """Dates of several parts of a site."""
    spoken: Spoken = {}
    for part in parts:
        for name, by_version in part.items():
            known = spoken.setdefault(name, {})
            for version, moment in by_version.items():
                known[version] = min(moment, known.get(version, moment))
    return {name: dict(sorted(by_version.items())) for name, by_version in sorted(spoken.items())}


@dataclass(frozen=True)
class _Dates:
    """Versions of one name in order, and for each the earliest date of it and of all newer ones.

    `believed`: whether newer versions mostly come later; where they don't, numbers and dates have nothing in common.
    """

    numbers: tuple[Number, ...]
    earliest: tuple[int, ...]
    believed: bool

    def first(self, number: Number) -> int | None:
        """When a version, or a newer one, is there for the first time; None: never."""
        place = bisect_left(self.numbers, number)
        return self.earliest[place] if place < len(self.numbers) else None


class Releases:
    """Dates of versions, those of the user's own before those of the dump."""

    def __init__(self, spoken: Mapping[str, Mapping[str, int]], own: Sequence[tuple[str, str, int]] = ()):
        self._spoken = {name: _dates(by_version.items()) for name, by_version in spoken.items()}
        by_name: dict[str, list[tuple[str, int]]] = {}
        for name, version, moment in own:
            by_name.setdefault(name.lower(), []).append((version, moment))
        self._own = {name: _dates(some) for name, some in by_name.items()}

    def known_by(self, name: str, number: Number, moment: int) -> bool | None:
        """Whether a version was there at a time (milliseconds since 1970); None: nothing is known of that name."""
        if name in self._own:
            date = self._own[name].first(number)
            if date is not None:
                return date <= moment
        dates = self._spoken.get(name)
        if dates is None or not dates.believed:
            return None
        date = dates.first(number)
        return date is not None and date <= moment


def _dates(versions: Iterable[tuple[str, int]]) -> _Dates:
    ordered = sorted((tuple(int(part) for part in version.split(".")), moment) for version, moment in versions)
    earliest, least = list[int](), None
    for _, moment in reversed(ordered):
        least = moment if least is None else min(moment, least)
        earliest.append(least)
    rising = sum(moment <= later for (_, moment), (_, later) in pairwise(ordered))
    believed = rising >= _RISING * (len(ordered) - 1)
    return _Dates(tuple(number for number, _ in ordered), tuple(reversed(earliest)), believed)


_RISING = 0.75
"""Least share of the versions that come after the one before."""


def settings(own: Iterable[Any]) -> Iterator[tuple[str, str, int]]:
    """The user's table as JSON: name, version and milliseconds since 1970 of each."""
    for row in own:
        day = datetime.fromisoformat(row.date).replace(tzinfo=UTC)
        yield row.name, row.version, int(day.timestamp() * 1000)
