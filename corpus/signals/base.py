"""What a signal is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Signal:
    """A stage that marks documents: its function and the columns of the documents that it reads.

    `find(documents)`, or `find(documents, config)` where `section` names its part of the configuration, answers
    `schema.SIGNALS[name]`, row for row.
    """

    name: str
    find: Callable[..., pa.Table]
    columns: tuple[str, ...]
    section: str | None = None
    version: int = 1


@dataclass(frozen=True)
class Marking:
    """A signal with its configuration, and the hash of both: rows of an equal recipe can be used again."""

    signal: Signal
    config: Any
    recipe: str
