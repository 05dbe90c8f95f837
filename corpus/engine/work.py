"""Work items: a function with its arguments, and its result."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any

from socorpus.corpus import schema
from socorpus.corpus.engine import receipts
from socorpus.corpus.storage.parquet import Written


@dataclass(frozen=True)
class Outcome:
    """The result of a work item's function: outputs by path (below the corpus), of which tables say more than their
    number of rows; and counts."""

    outputs: Mapping[str, int | Written]
    counts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One unit of work: `function(root, **arguments)` is called, on some worker, unless its receipt is current.

    Args:
        inputs: hash of each input's content, by any names.
        version: of the function, raised when it makes something else.
        config: the section of the configuration that it depends on, as JSON.

    Attributes:
        key: hash of everything that the outputs depend on.
        recipe: hash of all but the inputs, the schemas' version included: rows made by the same recipe can be used
            again.
    """

    stage: str
    name: str
    function: Callable[..., Outcome]
    arguments: Mapping[str, Any]
    inputs: InitVar[Mapping[str, str]]
    version: InitVar[int] = 1
    config: InitVar[Any] = None
    weight: float = 1.0
    together: str = ""
    """Items of a stage with the same value read the same files: one worker does them, one after the other, unless
    there are too few such groups for the workers."""
    key: str = field(init=False)
    recipe: str = field(init=False)

    def __post_init__(self, inputs: Mapping[str, str], version: int, config: Any) -> None:
        # The hashes alone are kept: a large build holds as many items as it has buckets, or parts.
        recipe = sys.intern(receipts.fingerprint([self.stage, version, config, schema.VERSION]))
        object.__setattr__(self, "recipe", recipe)
        object.__setattr__(self, "key", receipts.fingerprint([recipe, inputs]))


@dataclass(frozen=True)
class Whole:
    """Progress of a command over all of its stages, those still to come included: the share that is done, and an
    estimate of the seconds left."""

    share: float
    seconds_left: float


@dataclass(frozen=True)
class Progress:
    """Progress of a stage: items and weight done of all, items that were skipped, seconds since it began."""

    stage: str
    done: int
    items: int
    skipped: int
    weight: float
    total: float
    seconds: float
    note: str = ""
    """A further remark for the user, in a line; a warning, where there are no items."""
    whole: Whole | None = None
    """Of the command; None before enough is known, and where a command has but a stage."""

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the share of the weight that is done; None before enough is to tell by."""
        is_enough = self.weight > 0 and self.weight >= _TELLING_SHARE * self.total
        return self.seconds * (self.total - self.weight) / self.weight if is_enough else None


_TELLING_SHARE = 0.01
"""Share of a stage's weight from which on its first items say something of the others: the first file may be tiny."""

Show = Callable[[Progress], None]

PASSING = (
    *("parts", "repeats", "partitioned", "map", "fingerprints", "candidates", "shingles", "verified", "sample"),
    *("prepared", "authors", "removals"),
)
"""Folders of `.work` that are passed between stages, and go when a build is done."""
