"""What rules share: the form of a find, the order of their ranks, and bounded looks at a text."""

import re
from collections.abc import Callable, Iterator

Found = tuple[str, int, int, str]
"""Rank, start and end in code points, and the kind."""
Rule = Callable[[str, int], Iterator[Found]]
"""From a text and the code point of a suspicious place to the values there."""

RANKS = (
    *("private_key", "url_password", "format", "header", "assigned", "command", "named"),
    *("email", "ip_address", "phone", "user"),
)
"""Where two finds overlap, the one whose rank stands earlier wins."""

LONGEST = 1024
"""Most code points from a suspicious place that a rule judges: what is longer is judged by its beginning, so that a run
of signs without an end costs no more than its length."""

_BEFORE = 64


def words(text: str) -> frozenset[str]:
    """The words of a text that white space parts."""
    return frozenset(text.split())


def before(pattern: re.Pattern[str], text: str, place: int) -> str:
    """The match of `pattern`, a run of one class of characters, right before a place: linear, unlike a search."""
    match = pattern.match(text[max(0, place - _BEFORE) : place][::-1])
    return match[0][::-1] if match else ""


_RUN = re.compile(r"[\w+/=.~\-]*")


def whole(text: str, place: int, end: int) -> int:
    """Where a value ends that was judged up to `end`: further, where only `LONGEST` cut it off there."""
    run = _RUN.match(text, end) if end >= place + LONGEST else None
    return end if run is None else run.end()
