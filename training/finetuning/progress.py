"""Progress of fine-tuning, and the callbacks that show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class FinetuningStep:
    """Progress of a seed.

    Attributes:
        seed: the seed that is trained.
        name: the run's name among those that train side by side, such as `seed 1, rate 3e-05`.
    """

    seed: int
    step: int
    steps: int
    epoch: int
    loss: float
    examples_per_second: float
    seconds_left: float
    name: str = ""


class FinetuningShow(Protocol):
    """Callbacks with the progress of fine-tuning."""

    def begin(self, what: Mapping[str, Any]) -> None:
        """Fine-tuning begins; `what` has the model and how texts were cut."""

    def step(self, line: FinetuningStep) -> None:
        """A step is done."""

    def validated(self, seed: int, epoch: int, scores: Mapping[str, float], name: str = "") -> None:
        """An epoch is done and scored; `name` as in `FinetuningStep`."""

    def ended(self, name: str) -> None:
        """A run is done, or failed."""

    def note(self, sentence: str) -> None:
        """Something to know, such as how many runs the memory lets train at a time."""
