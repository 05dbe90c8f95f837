"""The proxies of an ablation: small encoders, trained from random weights on the same number of tokens each.

A proxy belongs to a text and a configuration, its seed included: variants with equal shards share it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from socorpus.corpus import toml_config
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.corpus.storage.boundary import Stopped
from socorpus.training.ablation.ablation_show import AblationShow, AllProxies
from socorpus.training.ablation.variant_corpora import VariantCorpus
from socorpus.training.config import Config
from socorpus.training.pretrain import checkpoint
from socorpus.training.pretrain.data import mixture
from socorpus.training.pretrain.run import Run


@dataclass(frozen=True)
class Proxy:
    """A proxy: the first variant with its text, its seed, its configuration and its run's folder."""

    of: VariantCorpus
    seed: int
    config: Config
    folder: Path

    @property
    def title(self) -> str:
        """Its name among others."""
        return f"{self.of.variant.name}, seed {self.seed}"

    @property
    def done(self) -> bool:
        """Whether it is trained to its end, on this text."""
        facts = Run(self.folder).facts()
        if facts is None or "step" not in facts or facts["step"] != facts["steps"]:
            return False
        saved = checkpoint.newest(Run(self.folder).checkpoints)
        return facts["fingerprint"] == self.of.text and saved is not None and saved.step == facts["step"]


def settings(config: Config, tokens: int, seed: int, where: str) -> Config:
    """The configuration of a proxy: of the wanted one, so many tokens, and its seed for weights, order and masks.

    Raises:
        InputError: it reads several corpora or another tokenizer's tokens, or starts from what a proxy must not.
    """
    if config.data.corpora or config.data.tokens is not None:
        raise InputError(f"{where}: data.corpora and data.tokens are not for proxies, which read one corpus each")
    return replace(
        config,
        data=replace(config.data, seed=seed),
        schedule=replace(config.schedule, tokens=tokens),
        # Scored when all are trained, on texts that are the same for all.
        validation=replace(config.validation, steps=0),
        checkpoint=replace(config.checkpoint, keep=1, keep_every=None),
    )


def listed(corpora: Sequence[VariantCorpus], configs: Sequence[Config], out: Path) -> list[list[Proxy]]:
    """The proxies of each variant, one a seed; those of variants with equal texts are the same."""
    first: dict[str, VariantCorpus] = {}
    return [[_proxy(first.setdefault(some.text, some), config, out) for config in configs] for some in corpora]


def _proxy(of: VariantCorpus, config: Config, out: Path) -> Proxy:
    key = files.fingerprint([of.text, toml_config.as_dict(config)])[:12]
    return Proxy(of, config.data.seed, config, out / "runs" / f"{key}-seed-{config.data.seed}")


def unique(proxies: Sequence[Sequence[Proxy]]) -> list[Proxy]:
    """Each proxy once, seed by seed: where an ablation is stopped, whole seeds are there."""
    by_folder = {row[number].folder: row[number] for number in range(len(proxies[0])) for row in proxies}
    return list(by_folder.values())


def passes(some: VariantCorpus, config: Config) -> float:
    """How often a proxy reads the training text of a variant.

    Raises:
        InputError: it has none.
    """
    corpora = mixture.opened(some.corpus.folder, config)
    (sample,) = corpora.sample(config)
    return config.schedule.tokens / max(1.0, sample.packed)


def train(proxies: Sequence[Proxy], show: AblationShow) -> None:
    """Train the proxies that are not trained yet; one that was stopped goes on.

    Raises:
        InputError: a run's folder and its configuration don't go together.
        BuildError: a run broke off; its last checkpoint is kept.
        Stopped: a signal ended it; its step is saved.
    """
    from socorpus.training.pretrain import trainer

    todo = [proxy for proxy in proxies if not proxy.done]
    for number, proxy in enumerate(todo):
        show.says(f"proxy {len(proxies) - len(todo) + number + 1} of {len(proxies)}: {proxy.title}")
        watched = AllProxies(show.training, len(todo) - number - 1)
        facts = trainer.train(proxy.of.corpus.folder, proxy.folder, proxy.config, watched)
        if "stopped_by" in facts:
            raise Stopped(facts["stopped_by"])
