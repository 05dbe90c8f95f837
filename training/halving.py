"""Successive halving: how much each rung of a choice gets.

Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016.
"""

import math

FINALISTS = 2
"""Configurations of the last rung, which has the whole budget of each."""


def rungs(configurations: int) -> list[tuple[int, float]]:
    """How many configurations each rung tries, and with which share of a configuration's whole budget.

    Each rung tries the better half of the one before with twice as much; the last one has two left.
    """
    counts = [configurations]
    while counts[-1] > FINALISTS:
        counts.append(max(FINALISTS, math.ceil(counts[-1] / 2)))
    return [(count, 0.5 ** (len(counts) - 1 - number)) for number, count in enumerate(counts)]
