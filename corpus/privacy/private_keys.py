"""Private keys: PEM blocks, closed or not, and PuTTY's."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

from socorpus.corpus.privacy.found import Found

_BEGIN = r"-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{4,5}"
_PEM_BEGIN = re.compile(_BEGIN)
_PEM_END = re.compile(_BEGIN.replace("BEGIN", "END"))
_OPEN_KEY = re.compile(
    rf"{_BEGIN}(?P<open>(?:\s|\\[nr])*(?:[A-Za-z0-9+/=]{{20,}}(?:\s|\\[nr])*)+)"
    r"|Private-Lines: \d+\s+(?P<putty>(?:[A-Za-z0-9+/=]{20,}\s*)+)"
)
_LONGEST_KEY = 20_000


class PrivateKeys:
    """The blocks of private keys in a text; they are asked for from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.judged = text, -1

    @cached_property
    def _ends(self) -> list[tuple[int, int]]:
        return [match.span() for match in _PEM_END.finditer(self.text)]

    def __call__(self, place: int) -> Iterator[Found]:
        """The key whose block begins at the suspicious `place`."""
        for start in (max(0, place - 4), max(0, place - 3), place):  # four or five dashes, or none
            begin = _PEM_BEGIN.match(self.text, start)
            if begin is not None:
                number = bisect_left(self._ends, (begin.end(),))
                if number < len(self._ends) and self._ends[number][0] - begin.end() <= _LONGEST_KEY:
                    # Blocks that begin within another and end with it are part of it, or no better.
                    if number > self.judged:
                        self.judged = number
                        last, end = self._ends[number]
                        yield from _key_block(self.text[begin.end() : last], start, end)
                    return
            match = _OPEN_KEY.match(self.text, start)
            if match is not None:
                yield from _key_block(match[str(match.lastgroup)], start, start + len(match[0].rstrip()))
                return


def _key_block(body: str, start: int, end: int) -> Iterator[Found]:
    if re.search(r"[A-Za-z0-9+/]{20}", body) and len(set(body)) > 16:
        yield "private_key", start, end, "private_key"
