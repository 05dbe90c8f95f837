"""Schedules of the learning rate and the masking rate. Both depend only on the step."""

import math

from socorpus.training.config import Config, Schedule


def steps(config: Config) -> int:
    """Steps of a run: its tokens over those of a batch, rounded up."""
    return -(-config.schedule.tokens // config.batch.tokens)


def rate(schedule: Schedule, step: int, of: int) -> float:
    """The learning rate of a step counted from 0, as a share of the highest.

    `wsd`: a straight line up, then level, then 1 - sqrt (Hägele et al. 2024). `cosine`: a straight line up, then half
    a cosine down (Loshchilov and Hutter 2017). Both end at `floor`.
    """
    warm = math.ceil(schedule.warmup * of)
    if step < warm:
        return (step + 1) / warm
    if schedule.form == "cosine":
        done = (step - warm) / max(1, of - warm)
        return schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return schedule.floor + (1 - schedule.floor) * (1 - math.sqrt(decayed(schedule, step, of)))


def decayed(schedule: Schedule, step: int, of: int) -> float:
    """Completed share of the decay at a step, from 0 to 1; the decay is the last `decay` share, with `cosine` too."""
    falling = schedule.decay * of
    return min(1.0, max(0.0, (step - (of - falling)) / falling)) if falling else 0.0


def masking_rate(config: Config, step: int, of: int) -> float:
    """The share of tokens masked in a step: `masking.rate`, approaching `masking.final_rate` in the decay."""
    masking = config.masking
    return masking.rate + (masking.final_rate - masking.rate) * decayed(config.schedule, step, of)
