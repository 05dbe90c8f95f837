"""The choice of a learning rate and a number of epochs on the validation split, by successive halving.

Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016: all
configurations are trained a little, the better half of them twice as long, and so on; of the last two the better one is
taken. Each rung trains anew, for its share of a configuration's steps and with the whole course of the learning rate
squeezed into them. A run that stood half way down its schedule would say little of its end (high rates look worst
there), and one whose rate has come down to zero can't go on.

Every trial has a folder with its result, named by a hash of all that it depends on: a choice that was stopped goes on,
and the same trial is never done twice. Trials never see the test split.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from socorpus.corpus.engine.receipts import fingerprint
from socorpus.corpus.errors import BuildError, SocorpusError
from socorpus.corpus.storage import files
from socorpus.training.examples.example import Data
from socorpus.training.finetuning import learner, side_by_side
from socorpus.training.finetuning.learner import DivergedError, Inputs, SeedRun
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.progress import FinetuningShow
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.halving import rungs

RATES = (1.0, 2.0, 0.5, 4.0, 0.25)
"""Learning rates to choose from, as multiples of the one in the settings."""
PASSES = (1.0, 2.0, 0.5)
"""Numbers of epochs to choose from, likewise."""
TRIALS = "trials"
"""Name of the folder of trials."""
_VERSION = 1
"""Raised when the results of trials change."""


@dataclass(frozen=True)
class Configuration:
    """A learning rate and a number of epochs."""

    rate: float
    epochs: int

    def __str__(self) -> str:
        """Both in words."""
        return f"rate {self.rate:g}, {self.epochs} pass{'es' * (self.epochs != 1)}"


@dataclass(frozen=True)
class Choice:
    """What was chosen, and the budget of the choice.

    Attributes:
        rate, epochs: chosen.
        configurations: number of those tried.
        trials: training runs, over all rungs.
        passes: over the training examples, by all trials together; not those of trials whose loss was not finite.
        seconds: of training, by all trials together.
        seed: of all trials.
        data: name of the examples that it was made on.
        examples: of the validation split.
        tried: each trial: rate, epochs, share of its steps, and score and log loss on the validation split (None where
            the loss was not finite).
    """

    rate: float
    epochs: int
    configurations: int
    trials: int
    passes: float
    seconds: float
    seed: int
    data: str
    examples: int
    tried: tuple[Mapping[str, Any], ...]

    def applied(self, settings: FinetuneSettings) -> FinetuneSettings:
        """The settings with what was chosen."""
        return replace(settings, rate=self.rate, rates=(), epochs=self.epochs, choose=None)

    @property
    def facts(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {**asdict(self), "tried": [dict(trial) for trial in self.tried], "note": self.note}

    @property
    def note(self) -> str:
        """What was chosen, of how much, for people."""
        chosen = Configuration(self.rate, self.epochs)
        if not self.trials:
            return f"{chosen}: there is no validation split to choose on"
        return (
            f"{chosen} with early stopping, chosen of {self.configurations} by successive halving on "
            f"{self.examples:,} validation examples of {self.data}, seed {self.seed}: {self.trials} trials, "
            f"{self.passes:,.4g} passes over the training examples in all"
        )


def grid(settings: FinetuneSettings) -> tuple[Configuration, ...]:
    """The configurations of a choice, those nearest to the settings first.

    Args:
        settings: with a rate, and the number of configurations in `choose`. Where few epochs make numbers of them
            equal, there are fewer.
    """
    assert settings.rate is not None and settings.choose is not None
    factors = sorted(
        itertools.product(RATES, PASSES), key=lambda pair: abs(math.log2(pair[0])) + abs(math.log2(pair[1]))
    )
    all_of_them = (
        Configuration(settings.rate * rate, max(1, round(settings.epochs * passes))) for rate, passes in factors
    )
    return tuple(dict.fromkeys(all_of_them))[: settings.choose]


@dataclass(frozen=True)
class Contest:
    """A choice to make: for a model, on a task's data.

    Attributes:
        settings: with a rate and `choose`.
        folder: of all trials.
        title: its name among others in progress and errors; empty if there are no others.
    """

    model: Pretrained
    data: Data
    settings: FinetuneSettings
    folder: Path
    title: str = ""

    @property
    def seed(self) -> int:
        """Seed of all trials: the lowest, so that more seeds change no choice."""
        return min(self.settings.seeds)

    @cached_property
    def seen(self) -> Data:
        """The data as trials have it: without the test split."""
        return replace(self.data, splits={**self.data.splits, "test": ()})

    @cached_property
    def _given(self) -> Mapping[str, Any]:
        settings = asdict(self.settings)
        for name in ("seeds", "rates", "rate", "epochs", "choose"):
            del settings[name]
        return {"version": _VERSION, "model": self.model.identity, "data": self.seen.identity, "settings": settings}

    def trial(self, configuration: Configuration, share: float) -> SeedRun:
        """A configuration's run for a share of its steps."""
        key = fingerprint({**self._given, **asdict(configuration), "share": share, "seed": self.seed})[:24]
        settings = replace(self.settings, epochs=configuration.epochs, rate=configuration.rate, choose=None)
        name = ", ".join(
            part for part in (self.title, "choosing", str(configuration), f"{share:.0%} of its steps") if part
        )
        return SeedRun(
            self.model, self.seen, settings, self.seed, configuration.rate, self.folder / key, name, share, trial=True
        )


def make(
    contests: Sequence[Contest], show: FinetuningShow, processes: int | None = None
) -> list[Choice | SocorpusError]:
    """Make some choices, all of a rung side by side; or say why one can't be made.

    Args:
        processes: trials at a time; None: `side_by_side.shared`.
    """
    states = [_Contending(contest) for contest in contests]
    first = [run for contending in states for run in contending.runs]
    # The number of threads follows from the first rung, done or not: results are the same however often it was stopped.
    threads = side_by_side.shared(first, processes, show).threads if first else 1
    while runs := [run for contending in states for run in contending.runs]:
        share = replace(side_by_side.shared(runs, processes, show), threads=threads)
        latest: list[tuple[Pretrained, Data, Inputs]] = []

        def inputs(run: SeedRun, latest: list[tuple[Pretrained, Data, Inputs]] = latest) -> Inputs:
            # Trials of one contest come one after the other, and read the same texts.
            if not latest or latest[0][0] is not run.model or latest[0][1] is not run.data:
                latest[:] = [(run.model, run.data, learner.inputs(run.model, run.data, run.settings))]
            return latest[0][2]

        failures = side_by_side.train(runs, share, show, inputs)
        for run, failure in failures.items():
            if isinstance(failure, DivergedError):
                run.mkdir(parents=True, exist_ok=True)
                lost = {"score": None, "log_loss": None, "best_epoch": -1, "passes": None, "seconds": 0.0}
                files.write_json(run / learner.DONE, lost)
        for contending in states:
            contending.judge(failures)
    return [contending.outcome for contending in states]


class _Contending:
    """A contest while it goes on.

    Attributes:
        outcome: the choice, or why there is none; of meaning once there are no runs.
    """

    outcome: Choice | SocorpusError

    def __init__(self, contest: Contest) -> None:
        self._contest = contest
        self._left = grid(contest.settings)
        self._number = len(self._left)
        self._rungs = rungs(self._number)
        self._tried: list[Mapping[str, Any]] = []
        self._passes = self._seconds = 0.0
        if not contest.data.splits["validation"]:
            self.outcome, self._rungs = self._chosen(), []

    @property
    def runs(self) -> list[SeedRun]:
        """The trials of the rung that is next; none at the end."""
        if not self._rungs:
            return []
        return [self._contest.trial(configuration, self._rungs[0][1]) for configuration in self._left]

    def judge(self, failures: side_by_side.Failures) -> None:
        """Keep the better ones of the rung that was trained."""
        if not (runs := self.runs):
            return
        lasting = [
            failures[run.folder]
            for run in runs
            if run.folder in failures and not isinstance(failures[run.folder], DivergedError)
        ]
        if lasting:
            self.outcome, self._rungs = lasting[0], []
            return
        share = self._rungs[0][1]
        results = [files.read_json(run.folder / learner.DONE) for run in runs]
        for configuration, result in zip(self._left, results, strict=True):
            scores = {"score": result["score"], "log_loss": result["log_loss"]}
            self._tried.append({**asdict(configuration), "share": share, **scores})
            self._passes += result["passes"] or 0.0
            self._seconds += result["seconds"]
        finite = [number for number, result in enumerate(results) if result["score"] is not None]
        if not finite:
            self.outcome = BuildError(
                f"{self._contest.folder}: the loss is not finite with any configuration of the choice; lower the "
                "learning rate with --rate, which --choose tries others around"
            )
            self._rungs = []
            return
        # Of equal ones the first, which is nearer to the usual one.
        ranked = sorted(finite, key=lambda number: (-results[number]["score"], results[number]["log_loss"], number))
        self._rungs = self._rungs[1:]
        if self._rungs:
            kept = sorted(ranked[: self._rungs[0][0]])
            self._left = tuple(self._left[number] for number in kept)
        else:
            self._left = (self._left[ranked[0]],)
            self.outcome = self._chosen()

    def _chosen(self) -> Choice:
        contest = self._contest
        return Choice(
            self._left[0].rate,
            self._left[0].epochs,
            self._number,
            len(self._tried),
            self._passes,
            self._seconds,
            contest.seed,
            contest.data.name,
            len(contest.data.splits["validation"]),
            tuple(self._tried),
        )


def alone(contest: Contest, show: FinetuningShow, processes: int | None = None) -> Choice:
    """Make one choice.

    Raises:
        InputError, BuildError: it can't be made.
    """
    (outcome,) = make([contest], show, processes)
    if isinstance(outcome, SocorpusError):
        raise outcome
    return outcome
