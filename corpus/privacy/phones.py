"""Telephone numbers."""

import re
from collections.abc import Iterator
from itertools import pairwise

from socorpus.corpus.privacy.found import Found

_CALLED = re.compile(
    r"\b(?:tele)?(?:phone|mobile?|whatsapp|tel|tél|fax|cell|celular|m[oó]vil|handy|n[uú]mero|fone|call|sms|contact"
    r"|hotline)[a-z]{0,4}(?:\s(?:number|no|num|me|us|at|on|is"
    r"|line))*[\s:.#=(\-]*$",
    re.I,
)
_INTERNATIONAL = re.compile(
    r"(?<![\w+.\-/*=)])(?:\+|00(?=[1-9]))(\d{1,3})((?:[ .\-]?\(\d{1,4}\))?(?:[ .\-]?\d+)+)(?![\w%*+/]|[.,\-]\d)"
)
_NORTH_AMERICAN = re.compile(
    r"(?<![\w.\-/+#=])(?:1[ .\-])?(?:\((\d{3})\) ?|(\d{3})([.\-]))(\d{3})[.\-](\d{4})(?![\w/]|[.\-]\d)", re.ASCII
)
_BARE = re.compile(r"(?<![\w.\-])\(?\d[\d ()./\-]{7,18}\d(?![\w%]|[.,\-/]\d)")


def phone(text: str, place: int) -> Iterator[Found]:
    """The telephone number that begins at a place, or behind the word for one there."""
    for pattern, rule in ((_INTERNATIONAL, _international), (_NORTH_AMERICAN, _north_american), (_BARE, _bare)):
        match = pattern.search(text, max(0, place - 4), place + _FARTHEST + 48)
        if match is None or match.start() > place + _FARTHEST:
            continue
        if rule(match, _CALLED.search(text[max(0, match.start() - 40) : match.start()]) is not None):
            yield "phone", match.start(), match.end(), "phone"
            return


_FARTHEST = 28
"""Most code points from the word for a number to the number."""


def _international(match: re.Match[str], called: bool) -> bool:
    digits = re.sub(r"\D", "", match[0])
    groups = re.findall(r"\d+", match[2])
    if not 8 <= len(digits) <= 15 or match[1].startswith("0") or _sequence(digits[-8:]):
        return False
    if digits[0] == "1":
        return len(digits) == 11 and _assigned(digits[1:4], digits[4:7], digits[7:])
    # `+10 000 000` and `+1234567890` may be quantities: a number to call is announced, or written in uneven groups.
    quantity = len(groups) < 2 or all(len(group) == 3 for group in groups)
    return called or not quantity


def _north_american(match: re.Match[str], called: bool) -> bool:
    area = match[1] or match[2]
    return _assigned(area, match[4], match[5]) and (called or match[3] != ".")


def _bare(match: re.Match[str], called: bool) -> bool:
    digits = re.sub(r"\D", "", match[0])
    if _DATE.search(match[0]):
        return False
    fictional = len(digits) in (7, 10, 11) and not _assigned("212", digits[-7:-4], digits[-4:])
    return called and 9 <= len(digits) <= 13 and not _sequence(digits[-8:]) and not (len(digits) == 10 and fictional)


_DATE = re.compile(r"\d{4}[/.\-]\d{1,2}[/.\-]\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}")


def _assigned(area: str, exchange: str, line: str) -> bool:
    """Whether the North American plan can hold the number, and it is none of the fictional ones."""
    plan = area[0] in "23456789" and exchange[0] in "23456789" and area[1:] != "11" and exchange[1:] != "11"
    return plan and area != "555" and not (exchange == "555" and line.startswith("01"))


def _sequence(digits: str) -> bool:
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
    return len(steps) == 1 and steps <= {0, 1, 9}
