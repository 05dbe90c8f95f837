"""How an ablation is shown to its user."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from socorpus.corpus.engine.work import Progress
from socorpus.training.evaluation.compare import ComparisonShow
from socorpus.training.pretrain.log import TrainingShow, TrainingStep


class AblationShow(Protocol):
    """Callbacks with the progress of an ablation.

    Attributes:
        training: of the proxy that trains; the time left that it is told is that of all proxies.
        comparison: of fine-tuning on tasks.
    """

    @property
    def training(self) -> TrainingShow:
        """Of the proxy that trains."""

    @property
    def comparison(self) -> ComparisonShow:
        """Of fine-tuning on tasks."""

    def says(self, sentence: str) -> None:
        """A part begins, or something is to be known."""

    def stage(self, now: Progress) -> None:
        """A stage of a variant's build goes on."""

    def scored(self, done: int, total: int, seconds_left: float | None) -> None:
        """So many of all proxies have been scored on the held-out texts."""


class AllProxies:
    """The progress of one proxy, with the time left of all."""

    def __init__(self, show: TrainingShow, after: int) -> None:
        """Show a proxy; `after` it so many others of the same length are to be trained."""
        self._show, self._after = show, after

    def says(self, sentence: str) -> None:
        """Something that takes a while begins, or is found."""
        self._show.says(sentence)

    def begin(self, facts: Mapping[str, Any]) -> None:
        """The proxy begins, or goes on."""
        self._show.begin(facts)

    def step(self, line: TrainingStep) -> None:
        """A step is done."""
        if line.seconds_left is None or line.step == line.steps:
            self._show.step(line)
            return
        each = line.seconds_left / (line.steps - line.step)
        self._show.step(replace(line, seconds_left=line.seconds_left + self._after * line.steps * each))

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Proxies are scored when all are trained."""

    def saved(self, step: int) -> None:
        """A checkpoint is being written."""
        self._show.saved(step)
