"""Krippendorff's alpha: how far voters agree beyond chance.

Source: K. Krippendorff, Content Analysis, 2nd edition 2004, section 11.3; nominal distances, any number of voters,
missing votes allowed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from socorpus.labeling import combine


def of_patterns(patterns: combine.Votes, counts: combine.Counts, labels: int) -> float | None:
    """Alpha among functions, by patterns with their counts: int8[n, m] and int64[n].

    The same number as the package krippendorff gives for the items one by one, without a row for each of them. None
    where fewer than two voters meet on any item, or all votes are for one label.
    """
    votes = np.stack([(patterns == label).sum(1) for label in range(labels)], 1).astype(np.float64)
    each = votes.sum(1)
    paired = each >= 2
    votes, each, weight = votes[paired], each[paired], counts[paired].astype(np.float64)
    if not len(each):
        return None
    scale = weight / (each - 1)
    coincidences = np.einsum("n,nc,nd->cd", scale, votes, votes) - np.diag((scale[:, None] * votes).sum(0))
    margins = coincidences.sum(1)
    total = margins.sum()
    expected = total**2 - (margins**2).sum()
    if expected <= 0:
        return None
    observed = total - np.trace(coincidences)
    return round(float(1 - (total - 1) * observed / expected), 4)


def of_people(units: Sequence[Mapping[str, int]], labels: int) -> float | None:
    """Alpha among people: of each item, what each of them said (the label's number). None as for `of_patterns`."""
    import krippendorff

    people = sorted({name for unit in units for name in unit})
    rows: npt.NDArray[Any] = np.array([[unit.get(name, np.nan) for unit in units] for name in people], np.float64)
    met = (~np.isnan(rows)).sum(0) >= 2 if len(people) else np.zeros(0, bool)
    if not met.any() or len(np.unique(rows[:, met][~np.isnan(rows[:, met])])) < 2:
        return None
    found = krippendorff.alpha(
        reliability_data=rows, level_of_measurement="nominal", value_domain=np.arange(labels, dtype=np.float64)
    )
    return round(float(found), 4)
