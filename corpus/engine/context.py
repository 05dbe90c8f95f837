"""What a stage needs to lay out its own work items."""

from dataclasses import dataclass
from pathlib import Path

from socorpus.corpus.config import Config
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.storage.buckets import Bucket


@dataclass(frozen=True)
class Context:
    """What the stages that span many buckets need to lay out their own tasks."""

    root: Path
    buckets: tuple[Bucket, ...]
    config: Config
    engine: Engine
