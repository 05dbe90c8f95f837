"""Parts of texts in which a version may be named, by a compiled scan: so that its expression looks nowhere else."""

from collections.abc import Iterator, Sequence

import numpy as np

from socorpus.corpus.arrays import njit
from socorpus.labeling.tasks.entities.scan import characters

_SPACE, _DIGIT = characters.SPACE, characters.DIGIT
_LONGEST = 26
"""Code points of a version and what is looked at behind it, or more."""


def places(texts: Sequence[str]) -> Iterator[characters.Place]:
    """Parts of texts, from left to right and apart: in one of them lies each match of `versions`, and what it looks at.

    A version has a digit behind white space, a hyphen, or one of the letters that a word for "version" ends with. Its
    name begins at most two strings before that.
    """
    classes = characters.classes()
    for first, points, begins in characters.joined(texts):
        rows = np.empty((len(points) // 2 + 1, 3), np.int32)
        yield from characters.places(first, begins, rows[: _scan(points, begins, classes, rows)])


@njit(cache=True, nogil=True)
def _scan(points, begins, classes, rows):  # type: ignore[no-untyped-def]
    count = 0
    for text in range(len(begins)):
        begin = begins[text]
        end = begins[text + 1] - 1 if text + 1 < len(begins) else len(points) - 1
        # Where the last three strings between white space begin.
        before, last, current = begin, begin, begin
        within, until = False, -1
        for place in range(begin, end):
            sign = points[place]
            if classes[sign] & _SPACE:
                within = False
                continue
            if not within:
                before, last, current = last, current, place
                within = True
            if not classes[sign] & _DIGIT or place == begin:
                continue
            ahead = points[place - 1]
            # - . e n r s v
            if not (
                classes[ahead] & _SPACE or ahead == 45 or ahead == 46 or ahead == 101 or ahead == 110 or ahead == 114
                or ahead == 115 or ahead == 118
            ):  # fmt: skip
                continue
            if before > until:
                rows[count, 0], rows[count, 2] = before, 0
                count += 1
            until = min(place + _LONGEST, end)
            rows[count - 1, 1] = until
    return count
