"""A finished corpus as labelling needs it: its buckets and files, the split of its threads, the facts of its posts."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.config import Config
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.receipts import Output
from socorpus.corpus.engine.work import WorkItem
from socorpus.corpus.storage.buckets import Bucket, Buckets, listed
from socorpus.corpus.toml_config import as_dict
from socorpus.labeling import splits, steps
from socorpus.labeling.facts import post_facts
from socorpus.labeling.schema import facts_path


@dataclass(frozen=True)
class Layout:
    """A finished corpus as the steps need it: buckets, contents by path, splits by bucket."""

    root: Path
    buckets: Buckets
    contents: Mapping[str, str]
    """SHA-256 of each file of the corpus."""
    bytes: Mapping[str, int]
    config: Config
    engine: Engine
    split: Mapping[str, str]
    """Hash of the splits of each bucket's threads."""
    tied: str
    """Hash of the threads that a duplicate may tie to others."""
    facts: Mapping[str, Output]
    """The files with the facts of posts, and with documents without personal data, by path."""

    @classmethod
    def of(cls, root: Path, files: Mapping[str, Any], config: Config, engine: Engine) -> "Layout":
        """The layout of a corpus by its manifest's files; settles the splits, and the facts of posts."""
        contents = {name: entry["sha256"] for name, entry in files.items()}
        buckets = listed(contents)
        folders = ("documents", *(f"signals/{name}" for name in splits.SIGNALS))
        inputs = {path: contents[path] for bucket in buckets for folder in folders for path in [bucket.path(folder)]}
        given = {"buckets": buckets, "config": config.split}
        item = WorkItem("label_splits", "all", splits.assign, given, inputs, 4, as_dict(config.split))
        split = engine.run("label_splits", [item])["all"]
        sizes = {name: entry["bytes"] for name, entry in files.items()}
        layout = cls(root, buckets, contents, sizes, config, engine, split.counts["batches"], split.counts["tied"], {})
        settled = engine.run("label_facts", [layout._settle(bucket) for bucket in buckets])
        facts = {path: output for receipt in settled.values() for path, output in receipt.outputs.items()}
        return replace(layout, facts=facts)

    def _settle(self, bucket: Bucket) -> WorkItem:
        given = {"bucket": bucket, "tables": self.tables(bucket)}
        weight = self.bytes[bucket.path("documents")]
        privacy = bucket.path("signals/privacy")
        inputs = self._read(bucket) | {privacy: self.contents[privacy]}
        return WorkItem("label_facts", bucket.name, steps.settle, given, inputs, post_facts.VERSION, None, weight)

    def tables(self, bucket: Bucket) -> list[str]:
        """Tables of the dump of which the bucket has a file."""
        return [name for name in corpus_schema.BY_POST if bucket.path(f"tables/{name}") in self.contents]

    def tags(self, bucket: Bucket) -> list[str]:
        """Parts of the site's table of tags."""
        return self._tags.get(bucket.site, [])

    @functools.cached_property
    def _tags(self) -> dict[str, list[str]]:
        by_site: dict[str, list[str]] = {}
        for name in sorted(name for name in self.contents if name.startswith("tables/tags/")):
            by_site.setdefault(name.split("/")[2], []).append(name)
        return by_site

    def inputs(self, bucket: Bucket) -> dict[str, str]:
        """Files that labelling functions read, with their hashes."""
        facts = facts_path(bucket.name)
        tags = {path: self.contents[path] for path in self.tags(bucket)}
        return {**self._read(bucket), **tags, facts: self.facts[facts].sha256}

    def _read(self, bucket: Bucket) -> dict[str, str]:
        paths = [bucket.path("documents"), *(bucket.path(f"tables/{name}") for name in self.tables(bucket))]
        return {path: self.contents[path] for path in paths}
