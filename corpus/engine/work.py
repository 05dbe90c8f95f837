"""Work items: a function with its arguments, and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from socorpus.corpus.engine import receipts


@dataclass(frozen=True)
class Outcome:
    """What a task's function answers: rows by output path (below the corpus), and what it counted."""

    outputs: Mapping[str, int]
    counts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkItem:
    """One unit of work: `function(root, **arguments)` is called, on some worker, unless its receipt is current."""

    stage: str
    name: str
    function: Callable[..., Outcome]
    arguments: Mapping[str, Any]
    inputs: Mapping[str, str]
    version: int = 1
    config: Any = None
    weight: float = 1.0

    @property
    def key(self) -> str:
        """Hash of everything that the outputs depend on."""
        return receipts.fingerprint([self.recipe, self.inputs])

    @property
    def recipe(self) -> str:
        """Hash of all but the inputs: rows made by the same recipe can be used again."""
        return receipts.fingerprint([self.stage, self.version, self.config])


@dataclass(frozen=True)
class Progress:
    """How far a stage is: tasks and weight done of all, tasks that were skipped, seconds since it began."""

    stage: str
    done: int
    tasks: int
    skipped: int
    weight: float
    total: float
    seconds: float
    note: str = ""
    """What else a user should know of it, in a line."""

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the share of the weight that is done; None before anything is."""
        return self.seconds * (self.total - self.weight) / self.weight if self.weight > 0 else None


Show = Callable[[Progress], None]
