"""Schedules of the learning rate and the masking rate. Both depend only on the tokens seen.

Tokens count in whole batches here, so that a run that never changes its batch has a place in the schedule for each
step. Where the batch changes between two starts, the run goes on from the same place in steps of another width.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from socorpus.training.config import Config, Schedule


@dataclass(frozen=True)
class Course:
    """The steps of a run in its schedule, from the step `first` on; those before it had `seen` tokens in all."""

    config: Config
    first: int = 0
    seen: int = 0

    @property
    def steps(self) -> int:
        """Number of the last step: all tokens of the schedule are seen then, rounded up to a whole step."""
        return self.first + max(0, -(-(self.config.schedule.tokens - self.seen) // self.config.batch.tokens))

    def rate(self, step: int) -> float:
        """The learning rate of a step counted from 0, as a share of the highest."""
        return rate(self.config.schedule, self._place(step), steps(self.config))

    def masking_rate(self, step: int) -> float:
        """The share of tokens masked in a step counted from 0."""
        return masking_rate(self.config, self._place(step), steps(self.config))

    def _place(self, step: int) -> float:
        """The tokens before a step, in batches of today's size: a whole number unless the size changed."""
        batch = self.config.batch.tokens
        return (self.seen + (step - self.first) * batch) / batch


def course(config: Config, step: int, state: Mapping[str, Any]) -> Course:
    """The course of a run that goes on from a checkpoint's step and state; without `seen` (of an earlier version) its
    batch counts as unchanged."""
    return Course(config, step, int(state.get("seen", step * config.batch.tokens)))


def steps(config: Config) -> int:
    """Steps of a run: its tokens over those of a batch, rounded up."""
    return -(-config.schedule.tokens // config.batch.tokens)


def rate(schedule: Schedule, step: float, of: int) -> float:
    """The learning rate of a step counted from 0, as a share of the highest.

    `wsd`: a straight line up, then level, then 1 - sqrt (Hägele et al. 2024). `cosine`: a straight line up, then half
    a cosine down (Loshchilov and Hutter 2017). Both end at `floor`.

    Args:
        step: may lie between two steps, where the batch has changed.
        of: steps of the whole run.
    """
    warm = math.ceil(schedule.warmup * of)
    if step < warm:
        return min(1.0, (step + 1) / warm)
    if schedule.form == "cosine":
        done = (step - warm) / max(1, of - warm)
        return schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return schedule.floor + (1 - schedule.floor) * (1 - math.sqrt(decayed(schedule, step, of)))


def decayed(schedule: Schedule, step: float, of: int) -> float:
    """Completed share of the decay at a step, from 0 to 1; the decay is the last `decay` share, with `cosine` too."""
    falling = schedule.decay * of
    return min(1.0, max(0.0, (step - (of - falling)) / falling)) if falling else 0.0


def masking_rate(config: Config, step: float, of: int) -> float:
    """The share of tokens masked in a step: `masking.rate`, approaching `masking.final_rate` in the decay."""
    masking = config.masking
    return masking.rate + (masking.final_rate - masking.rate) * decayed(config.schedule, step, of)
