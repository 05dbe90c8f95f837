"""A cell of the comparison: a system on a task."""

from dataclasses import dataclass, field

from socorpus.training.examples import metrics


@dataclass
class Cell:
    """A system on a task.

    Attributes:
        missing: a sentence on why it could not run; the other fields are then empty.
        scores: metric -> mean, spread, low and high over seeds.
        labels: mean F1 of each label or type.
        p: p-value of the difference from the best system of the column; None for the best itself.
        notes: facts on its answers, such as how many could not be read, and texts that were cut.
    """

    system: str
    task: str
    data: str
    missing: str | None = None
    parameters: int | None = None
    seeds: int = 0
    scores: dict[str, metrics.Score] = field(default_factory=dict)
    labels: dict[str, float] = field(default_factory=dict)
    best: bool = False
    p: float | None = None
    train_seconds: float | None = None
    train_dollars: float | None = None
    thousand_seconds: float | None = None
    thousand_dollars: float | None = None
    device: str | None = None
    notes: list[str] = field(default_factory=list)
