"""A cell of the comparison: a system on a task."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from socorpus.corpus.engine.receipts import fingerprint
from socorpus.training.evaluation.details import Calibration, Confusion, LabelScore, SliceScore
from socorpus.training.evaluation.uncertainty import Difference, Score


@dataclass(frozen=True)
class Budget:
    """What a system was allowed to choose on the validation split.

    Attributes:
        configurations: settings tried; 1: none to choose.
        runs: trainings, fits or, of an endpoint, answers that the choice took; None: not known.
        passes: of a fine-tuned model: over the training examples, in all runs of the choice.
        seconds: of these runs.
        dollars: of an endpoint.
        chosen: in words; empty where there was none to choose.
        tried: each run with its validation score, where they were kept.
    """

    configurations: int
    runs: int | None = None
    passes: float | None = None
    seconds: float | None = None
    dollars: float | None = None
    chosen: str = ""
    tried: tuple[dict[str, Any], ...] = ()


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
        budget: of choice; None: not known.
        weak_labels: texts, or entities, with weak labels that it learned from beside people's labels.
        own_labels: texts that it learned from by its own labels: those of the best round, means over seeds.
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
    budget: Budget | None = None
    weak_labels: int | None = None
    own_labels: float | None = None
    notes: list[str] = field(default_factory=list)


def folder(out: Path, system: str, task: str, data: str) -> Path:
    """The folder of a system's results on a task, in that of the comparison."""
    return out / "cells" / folder_name(f"{task}-{data}") / folder_name(system)


def folder_name(text: str) -> str:
    """A unique folder name for a text: where characters were replaced, its fingerprint is appended."""
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
    return clean if clean and clean == text else f"{clean}-{fingerprint(text)[:8]}".lstrip("-")
