"""Dates of versions: when a dump first speaks of each, or when the user says that it came out.

Nobody speaks of a version long before it is there. So a version that a site had spoken of by the time of an answer is
no news to it, and neither is an older one; a version that is first heard of later is newer than the answer.
"""

import difflib
import re
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


Place = tuple[Number, bool]
"""Where a version stands among others: its numbers without zeros at the end, and whether it is the release itself and
not one before it, such as a beta."""

_NUMBERS = re.compile(r"[vV]?(?P<numbers>\d+(?:\.\d+)*)")
_BEFORE = re.compile(
    r"[-._+ ]?(?:a|alpha|b|beta|c|canary|cr|dev|ea|m|milestone|next|nightly|pre|preview|rc|snapshot)(?![a-z])",
    re.IGNORECASE,
)
"""Suffixes of versions that come before the release; other ones, such as LTS, are of the release or come after it."""


def place(version: str) -> Place:
    """Where a version stands: 10 after 9, 8 and 8.0 at the same place, 2.0-beta1 before 2.0.

    Raises:
        ValueError: it has no numbers.
    """
    match = _NUMBERS.match(version)
    if match is None:
        raise ValueError(f"{version!r} is no version")
    numbers = tuple(int(part) for part in match["numbers"].split("."))
    return _plain(numbers), _BEFORE.match(version, match.end()) is None


def _plain(number: Number) -> Number:
    """A version's numbers without zeros at the end."""
    length = max((place for place, part in enumerate(number, 1) if part), default=1)
    return number[:length]


@dataclass(frozen=True)
class _Dates:
    """Versions of one name in order, and for each the earliest date of it and of all newer ones.

    `believed`: whether newer versions mostly come later; where they don't, numbers and dates have nothing in common.
    """

    places: tuple[Place, ...]
    earliest: tuple[int, ...]
    believed: bool

    def first(self, number: Number) -> int | None:
        """When a version, or a newer one, is there for the first time; None: never."""
        index = bisect_left(self.places, (_plain(number), True))
        return self.earliest[index] if index < len(self.places) else None


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
    by_place: dict[Place, int] = {}
    for version, moment in versions:
        where = place(version)
        by_place[where] = min(moment, by_place.get(where, moment))
    ordered = sorted(by_place.items())
    earliest, least = list[int](), None
    for _, moment in reversed(ordered):
        least = moment if least is None else min(moment, least)
        earliest.append(least)
    rising = sum(moment <= later for (_, moment), (_, later) in pairwise(ordered))
    believed = rising >= _RISING * (len(ordered) - 1)
    return _Dates(tuple(where for where, _ in ordered), tuple(reversed(earliest)), believed)


_RISING = 0.75
"""Least share of the versions that come after the one before."""


def settings(own: Iterable[Any]) -> Iterator[tuple[str, str, int]]:
    """The user's table as JSON: name, version and milliseconds since 1970 of each."""
    for row in own:
        day = datetime.fromisoformat(row.date).replace(tzinfo=UTC)
        yield row.name, row.version, int(day.timestamp() * 1000)


def contradicting(own: Iterable[Any]) -> tuple[Any, Any] | None:
    """Two rows of the user's table that give one version two dates; None where there are none."""
    rows: dict[tuple[str, Place], Any] = {}
    for row in own:
        earlier = rows.setdefault((row.name.lower(), place(row.version)), row)
        if earlier.date != row.date:
            return earlier, row
    return None


def unheard(facts: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each name of the user's table of whose versions no site speaks; from the facts of the corpus."""
    spoken = {name for site in facts["sites"].values() for name in site["spoken"]}
    for name in dict.fromkeys(name for name, *_ in facts["settings"]["releases"]):
        if name.lower() in spoken:
            continue
        near = difflib.get_close_matches("-".join(name.lower().split()), spoken, 1)
        meant = f"did you mean {near[0]}? " if near else ""
        yield (
            f"labels.releases: no post speaks of a version of {name!r}, so its dates say nothing; {meant}a name is "
            "written as tags and texts have it"
        )
