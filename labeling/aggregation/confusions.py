"""Confusions that functions share: which labels are taken for which, learned from all functions together.

Few votes tell little of a single function's confusions, and much of those of all: "3" said of a "4" is a mistake of the
scale, not of one observer. Where it predicts held-out votes better (`dawid_skene`), rates of single functions are
drawn to those of a plain vote times these common ratios. Partial pooling of annotators: Paun, Carpenter, Chamberlain,
Hovy, Kruschwitz and Poesio, "Comparing Bayesian Models of Annotation", TACL 6, 2018.
"""

import numpy as np
import numpy.typing as npt

from socorpus.labeling.aggregation import plain_vote
from socorpus.labeling.aggregation.patterns import Counts, Float

FEWEST = 3
"""Functions that must vote for several labels: of fewer the common confusions are their own."""
_VOTES = 5
"""Votes for a label that count: who only ever votes for one label confuses nothing."""
_PSEUDO = 100.0
"""Pseudo-votes without confusion, by all functions together."""


def several(among: Float, group: Counts, often: int) -> npt.NDArray[np.bool_]:
    """Whether a function votes for several labels, bool[m]; none of them, if these are fewer than `FEWEST`.

    Args:
        among: float64[m, k], votes of each function for each label where others vote too.
        group: int64[m], as in `dawid_skene`: copies count once.
        often: votes that a function must have.
    """
    general: npt.NDArray[np.bool_] = ((among >= _VOTES).sum(1) > 1) & (among.sum(1) >= often)
    return general if len(np.unique(group[general])) >= FEWEST else np.zeros_like(general)


def common(plain: Float, votes: Float, items: Float, voices: Float, general: npt.NDArray[np.bool_]) -> Float:
    """Rates of a plain vote in which some functions share their confusions, float64[m, k, k + 1].

    Args:
        plain: float64[m, k, k + 1], rates of the plain vote.
        votes: float64[m, k, k + 1], outcomes of each function on items of each label, as they are believed to be.
        items: float64[k], items of each label.
        voices: float64[m].
        general: bool[m], functions that share theirs.
    """
    k, voice = len(items), voices[general][:, None, None]
    expected = (plain[general][:, :, :k] * voice).sum(0) * items[:, None]
    seen = (votes[general][:, :, :k] * voice).sum(0)
    pseudo = _PSEUDO * expected / expected.sum()
    # A label that is nobody's has no rates either.
    ratio = (seen + pseudo) / np.maximum(expected + pseudo, 1e-12)
    shared = plain.copy()
    shared[general] = plain_vote.with_silence(plain[general][:, :, :k] * ratio)
    return shared
