"""A cell of the comparison: a system on a task."""

from dataclasses import dataclass, field

from socorpus.training.evaluation.details import Calibration, Confusion, LabelScore, SliceScore
from socorpus.training.evaluation.uncertainty import Difference, Score


@dataclass
class Cell:
    """A system on a task.

    Attributes:
        missing: a sentence on why it could not run; the other fields are then empty.
        scores: metric -> mean, spread over seeds, and interval over threads and seeds.
        labels: each label or type that the test split has.
        slices: kind of slice -> slice -> the main metric on it.
        calibration: None where the system said nothing.
        confusion: None where the system is missing.
        best: whether its main score is the highest; not whether it is better than the next.
        group: letters; systems of a table that share one are not told apart (`uncertainty.letters`).
        differences: other system of the table -> how much higher this one's main score is.
        notes: facts on its answers, such as how many could not be read, and texts that were cut.
    """

    system: str
    task: str
    data: str
    missing: str | None = None
    parameters: int | None = None
    seeds: int = 0
    scores: dict[str, Score] = field(default_factory=dict)
    labels: dict[str, LabelScore] = field(default_factory=dict)
    slices: dict[str, dict[str, SliceScore]] = field(default_factory=dict)
    calibration: Calibration | None = None
    confusion: Confusion | None = None
    best: bool = False
    group: str = ""
    differences: dict[str, Difference] = field(default_factory=dict)
    train_seconds: float | None = None
    train_dollars: float | None = None
    thousand_seconds: float | None = None
    thousand_dollars: float | None = None
    device: str | None = None
    notes: list[str] = field(default_factory=list)
