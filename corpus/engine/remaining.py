"""The time that a command has left over all of its stages, from what they cost elsewhere and what this run shows.

Of the stages to come only their costs on another machine are known (`plan.stage_seconds`). Their sum is multiplied by
the factor by which the stages so far took longer than they cost there; of the stage at work the share that is done says
more the larger it is. Stages whose work was kept from before cost nothing, and are left out on both sides.
"""

import time
from collections.abc import Callable, Mapping
from itertools import dropwhile

from socorpus.corpus.engine.work import Whole

_TRUST = 0.08
"""Share of all costs that the factor 1 counts for: what the first stages show is much noise."""
_TELLING = 0.15
"""Share of a stage from which on its own pace says more of its rest than its cost does."""
_OVERDUE = 0.15
"""Of the time that a stage took: what is taken to be left of one that took longer than it was to."""


class Remaining:
    """The time left of one command.

    Args:
        costs: seconds of each stage that is going to run, with the workers of this command, in the order of stages.
        clock: seconds that pass.
    """

    def __init__(self, costs: Mapping[str, float], clock: Callable[[], float] = time.perf_counter) -> None:
        self._ahead = dict(costs)
        self._clock = clock
        self._cost = self._spent = 0.0
        """Costs of the stages that have ended, and the seconds that they took."""
        self._at = (0.0, 0.0, 0.0)
        """Of the stage at work: its cost, when it began, and the share that is done."""
        self._ran = False

    def begin(self, stage: str, share: float) -> None:
        """A stage begins.

        Args:
            share: of its items, those that have to run; the others were kept from before.
        """
        if stage in self._ahead:
            # Stages before it, for which there was nothing to do, come no more.
            self._ahead = dict(dropwhile(lambda entry: entry[0] != stage, self._ahead.items()))
        self._at = (self._ahead.pop(stage, 0.0) * share, self._clock(), 0.0)
        self._ran = self._ran or share > 0

    def advance(self, share: float) -> None:
        """A share of what the stage has to run is done."""
        self._at = (*self._at[:2], share)

    def end(self) -> None:
        """The stage has ended."""
        cost, began, _ = self._at
        self._cost += cost
        # A stage that nothing is known of says nothing of the others.
        self._spent += self._clock() - began if cost else 0.0
        self._at = (0.0, self._clock(), 1.0)

    def whole(self) -> Whole | None:
        """Where the command stands; None before anything has run."""
        cost, began, share = self._at
        ahead, now = sum(self._ahead.values()), self._clock() - began
        if not self._ran:
            return None
        prior = _TRUST * (self._cost + cost + ahead)
        spent, done = self._spent + (now if cost else 0.0), self._cost + cost * share
        factor = (spent + prior) / (done + prior) if prior else 1.0
        left = self._left_of_stage(factor) + factor * ahead
        past = self._spent + now
        return Whole(past / (past + left) if past + left else 1.0, left)

    def _left_of_stage(self, factor: float) -> float:
        cost, began, share = self._at
        if share >= 1:
            return 0.0
        took = self._clock() - began
        by_cost = max(factor * cost * (1 - share) if share else factor * cost - took, _OVERDUE * took)
        trust = min(1.0, share / _TELLING)
        return trust * took * (1 - share) / share + (1 - trust) * by_cost if share else by_cost
