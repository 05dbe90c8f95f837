"""Settings of fine-tuning."""

import math
from dataclasses import dataclass

from socorpus.corpus.errors import InputError

WEIGHTS = ("none", "sqrt", "balanced")
MOST_CHOICES = 15
"""Most configurations of a choice: five rates by three numbers of epochs."""
_SEEDS, _LAST_SEED = 1000, 2**32 - 1
_MOST = 1_000_000_000


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of fine-tuning.

    Attributes:
        epochs: highest number of epochs.
        patience: epochs without a better validation score after which training stops.
        rate: highest learning rate; None: `usual_rate`.
        rates: learning rates of which the validation split chooses, in place of `rate`.
        choose: configurations, each a rate and a number of epochs around the ones here, of which the validation split
            chooses by successive halving (`choice`); None: no choice.
        batch: examples per step.
        micro_tokens: tokens per forward pass, padding included.
        length: tokens of a window; None: the model's context, 2,048 at most.
        windows: highest number of windows of a whole text.
        soft: whether label probabilities are the targets, instead of hard labels.
        weights: class weighting of whole texts: none, sqrt (of the inverse frequency), balanced.
        rank: rank of the adapters.
        bits: 8 or 4 to load a decoder's weights quantised.
        seeds: random seeds of the head, the order and dropout; one model is trained per seed.
    """

    epochs: int = 5
    patience: int = 2
    rate: float | None = None
    rates: tuple[float, ...] = ()
    choose: int | None = None
    batch: int = 32
    micro_tokens: int = 8192
    length: int | None = None
    windows: int = 4
    soft: bool = True
    weights: str = "sqrt"
    decay: float = 0.01
    warmup: float = 0.1
    rank: int = 16
    bits: int | None = None
    seeds: tuple[int, ...] = (0, 1, 2)

    @staticmethod
    def first_seeds(number: int) -> tuple[int, ...]:
        """So many seeds, from 0 on.

        Raises:
            InputError: there are too many.
        """
        _check_number(number)
        return tuple(range(number))

    @property
    def tried(self) -> tuple[float, ...]:
        """The learning rates; `rate` must be known, unless there are several."""
        if self.rates:
            return self.rates
        assert self.rate is not None
        return (self.rate,)

    def check(self) -> None:
        """Refuse invalid values.

        Raises:
            InputError: names the setting.
        """
        if self.weights not in WEIGHTS:
            raise InputError(f"label weights {self.weights!r} are not known; there are {', '.join(WEIGHTS)}")
        if self.bits not in (None, 4, 8):
            raise InputError(f"{self.bits} bits: there are 8 and 4")
        for name in ("epochs", "patience", "batch", "micro_tokens", "windows", "rank"):
            if not 1 <= getattr(self, name) <= _MOST:
                raise InputError(f"{name.replace('_', ' ')} must be 1 or more, and at most {_MOST:,}")
        if self.choose is not None:
            if not 2 <= self.choose <= MOST_CHOICES:
                raise InputError(f"a choice of {self.choose}: between 2 and {MOST_CHOICES} configurations can be tried")
            if self.rates:
                raise InputError(
                    "several rates, and a choice of configurations, are two ways to choose; give --rate one number, "
                    "which --choose tries others around, or leave one of the two out"
                )
        if self.length is not None and not 1 <= self.length <= _MOST:
            raise InputError(f"length must be 1 or more, and at most {_MOST:,}")
        for rate in (self.rate, *self.rates):
            if rate is not None and not (rate > 0 and math.isfinite(rate)):
                raise InputError(f"a rate of {rate:g} teaches nothing; it must be more than 0, and finite")
        for name in ("decay", "warmup"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must lie between 0 and 1")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError("seeds must be one or more, all different")
        _check_number(len(self.seeds))
        if wrong := [seed for seed in self.seeds if not 0 <= seed <= _LAST_SEED]:
            raise InputError(f"seed {wrong[0]}: seeds lie between 0 and {_LAST_SEED:,}")
        if len({f"{rate:g}" for rate in self.rates}) < len(self.rates):
            raise InputError("rates must all be different, in their first six digits")


def _check_number(seeds: int) -> None:
    if seeds > _SEEDS:
        raise InputError(f"{seeds:,} seeds: a model is trained with each, and {_SEEDS:,} are the most")
