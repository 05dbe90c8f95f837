"""The context in which a stage lays out its work items, and the steps that most stages share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from socorpus.corpus.config import Config
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.receipts import Output, Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.storage.buckets import Buckets
from socorpus.corpus.toml_config import as_dict

Receipts = Mapping[str, Receipt]
"""Receipts of a stage by the names of its work items, which are those of buckets for most stages."""


@dataclass(frozen=True)
class BuildContext:
    """A build: its corpus, the buckets, the configuration, and the engine that runs work items."""

    root: Path
    buckets: Buckets
    config: Config
    engine: Engine
    settled: frozenset[str] = frozenset()
    """Sections of the configuration whose files are not looked for again: what was made of them counts."""

    def by_bucket(
        self,
        stage: str,
        function: Callable[..., Outcome],
        *inputs: Receipts,
        config: Any = None,
        more: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> dict[str, Receipt]:
        """Map a function over the buckets; receipts by bucket.

        Args:
            inputs: receipts of earlier stages, of which each bucket depends on its own. The size of the first one's
                outputs is the item's weight.
            config: section of the configuration, given to the function and part of the receipts' keys.
            more: by the bucket's index, a hash of more that it depends on; of those that do.
            arguments: further arguments of the function.
        """
        items = []
        for bucket in self.buckets:
            contents = {f"{number}": done[bucket.name].content for number, done in enumerate(inputs)}
            if more is not None:
                contents["more"] = more.get(str(bucket.index), "")
            given = {"bucket": bucket, **arguments} | ({"config": config} if config is not None else {})
            weight = sum(output.bytes for output in inputs[0][bucket.name].outputs.values())
            section = as_dict(config) if config is not None else None
            items.append(WorkItem(stage, bucket.name, function, given, contents, 1, section, weight))
        return self.engine.run(stage, items)

    def of_buckets(self, done: Receipts) -> dict[str, Receipt]:
        """The receipts of runs taken apart, by bucket; a run's counts are by bucket, or none."""
        by: dict[str, Receipt] = {}
        for run in self.buckets.runs:
            receipt = done[run.name]
            outputs: dict[str, dict[str, Output]] = {bucket.name: {} for bucket in run.buckets}
            for path, output in receipt.outputs.items():
                outputs["/".join(path.rsplit("/", 2)[1:]).removesuffix(".parquet")][path] = output
            for name, own in outputs.items():
                by[name] = replace(receipt, name=name, outputs=own, counts=receipt.counts.get(name, {}))
        return by

    def prune(self, stage: str, done: Receipts, folders: Sequence[str]) -> None:
        """Remove a stage's receipts, and from its folders the files, that are not of this build."""
        paths = [path for receipt in done.values() for path in receipt.outputs]
        keep = {
            folder: {path.removeprefix(f"{folder}/") for path in paths if path.startswith(f"{folder}/")}
            for folder in folders
        }
        receipts.prune(self.root, stage, set(done), keep)
