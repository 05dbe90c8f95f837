"""The corpora of an ablation's variants, in folders of their own, which share what is equal with the one varied."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus import plugins, toml_config
from socorpus.corpus.config import without_folders
from socorpus.corpus.errors import InputError
from socorpus.corpus.signals.base import SIGNALS
from socorpus.corpus.storage import files, integrity
from socorpus.training.ablation.ablation_show import AblationShow
from socorpus.training.ablation.variants import BASE, Variant, with_tokenizer
from socorpus.training.pretrain.data import shard_reader
from socorpus.training.pretrain.data.shard_reader import ShardCorpus

_OF_TEXT = ("tables/", "documents/", "signals/", "decisions/", "shards/", "tokenizer/")


@dataclass(frozen=True)
class VariedCorpus:
    """The corpus that is varied: as it was when it was opened, which no build or reader changes."""

    root: Path
    tree: Path
    manifest: dict[str, Any]

    @property
    def identity(self) -> str:
        """Fingerprint of its texts and of what is known of them; labels are no part of it."""
        entries = self.manifest["files"].items()
        return files.fingerprint({name: entry["sha256"] for name, entry in entries if name.startswith(_OF_TEXT)})


@dataclass(frozen=True)
class VariantCorpus:
    """The corpus of a variant."""

    variant: Variant
    corpus: ShardCorpus

    @property
    def text(self) -> str:
        """Fingerprint of its shards: what a proxy is trained on."""
        return self.corpus.fingerprint

    @property
    def documents(self) -> int:
        """Documents that it keeps, in all splits."""
        return int(self.corpus.manifest["totals"]["kept"])


def opened(root: Path) -> VariedCorpus:
    """The corpus to vary, every file of which is held against its manifest.

    Raises:
        InputError: it is not finished, or files are not those of its manifest; or a plug-in that is active defines a
            signal that it lacks.
    """
    tree, manifest = integrity.opened(root)
    for name in SIGNALS:
        if not any(path.startswith(f"signals/{name}/") for path in manifest["files"]):
            origin = plugins.where(SIGNALS.origin(name))
            raise InputError(
                f"{root}: has no signal {name}, which {origin} defines; name only the plug-ins that it was built with, "
                "or build it again with this one"
            )
    return VariedCorpus(root, tree, manifest)


def folder_of(out: Path, variant: Variant) -> Path:
    """The folder of a variant's corpus: of its configuration."""
    plain = re.sub(r"[^A-Za-z0-9._=-]+", "-", variant.name).strip("-.")[:80]
    values = toml_config.as_dict(without_folders(variant.config))
    return out / "corpora" / f"{plain}-{files.fingerprint(values)[:8]}"


def is_built(out: Path, variant: Variant) -> bool:
    """Whether a variant's corpus is there; a build looks at it again all the same."""
    return files.exists(folder_of(out, variant) / "MANIFEST.json")


def build(
    base: VariedCorpus, listed: Sequence[Variant], out: Path, workers: int | None, show: AblationShow
) -> list[VariantCorpus]:
    """Build the corpora, or bring them up to date, all with the tokenizer of the corpus that is varied.

    The corpus as it is is built like the others, which must make the same shards: then the others differ from it by
    their configuration alone.

    Raises:
        InputError: the corpus that is varied is of another version of the stages, or lacks receipts.
        BuildError: a build failed.
    """
    # Packages of a build, which training itself does without.
    from socorpus.corpus import pipeline
    from socorpus.corpus.engine.executor import Engine

    corpora = []
    for number, variant in enumerate(listed, 1):
        folder = folder_of(out, variant)
        show.says(f"corpus {number} of {len(listed)}: {variant.name}")
        config = with_tokenizer(variant.config, str((base.tree / "tokenizer" / "tokenizer.json").absolute()))
        with Engine(folder.absolute(), workers, None, show.stage) as engine:
            pipeline.derive(folder.absolute(), base.root.absolute(), config, engine)
        corpora.append(VariantCorpus(variant, shard_reader.open_corpus(folder)))
        if variant.name == BASE and corpora[-1].text != shard_reader.open_corpus(base.root).fingerprint:
            raise InputError(
                f"{base.root}: was built by an earlier version of socorpus, whose stages make other shards now; build "
                "it again with its dump, and then vary it"
            )
    return corpora
