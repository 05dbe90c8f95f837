"""An ablation from a corpus to its tables: variants, their corpora, proxies at equal compute, their differences.

    OUT/corpora/VARIANT-KEY/   the corpora, which share with the one that is varied what is equal
    OUT/runs/KEY-seed-SEED/    the proxies
    OUT/losses/                their losses on held-out texts
    OUT/tasks/seed-SEED/       their comparison on tasks
    OUT/ablation.json, .csv, .html, differences.csv
    OUT/varied.json            which corpus is varied here

Everything has its name of what it is made of. So an ablation that was stopped goes on, and one that is asked for with
more values, seeds or tokens makes only these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from socorpus.corpus import toml_config
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.training import folder_lock
from socorpus.training.ablation import (
    ablation_files,
    comparing,
    held_out_texts,
    proxies,
    variant_corpora,
    variants,
)
from socorpus.training.ablation.ablation_show import AblationShow
from socorpus.training.ablation.held_out_loss import Losses
from socorpus.training.ablation.proxies import Proxy
from socorpus.training.ablation.variant_corpora import VariantCorpus, VariedCorpus
from socorpus.training.ablation.variants import BASE, Variant
from socorpus.training.config import Config
from socorpus.training.examples.example import Data
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.pretrain import plan as training_plan
from socorpus.training.pretrain import schedule

VARIED = "varied.json"
_PATIENCE = 1.0
MOST_SEEDS = 100


@dataclass(frozen=True)
class Wanted:
    """An ablation as it is asked for.

    Attributes:
        root: the corpus to vary.
        vary: `SECTION.KEY=VALUE,VALUE` each.
        grid: whether all combinations of values are variants; else each value alone is.
        config: of the proxies; `tokens` and `seeds` are put into it.
        where: the source of `config`, for messages.
        data: tasks on which proxies are fine-tuned, with `settings`.
    """

    root: Path
    vary: Sequence[str]
    grid: bool
    config: Config
    where: str
    tokens: int
    seeds: tuple[int, ...]
    data: Sequence[Data] = ()
    settings: FinetuneSettings = field(default_factory=FinetuneSettings)
    workers: int | None = None
    processes: int | None = None


@dataclass(frozen=True)
class AblationPlan:
    """What an ablation takes, before it begins.

    Attributes:
        variants: name -> the keys that differ, each with its value in the corpus and in the variant.
        builds: corpora to build; those that are there already are only looked at.
        proxies: to be trained at most: variants whose texts come out equal share theirs.
        trained: of these that are there already, as far as it is known before the corpora are built.
        steps: of each proxy.
        tokens: that each proxy sees.
        flops: of training all proxies that are not there; `hours` on this machine at the assumed rate.
        finetunings: of proxies on tasks.
        notes: what to know of the figures.
    """

    variants: Mapping[str, Mapping[str, tuple[Any, Any]]]
    builds: int
    proxies: int
    trained: int
    steps: int
    tokens: int
    flops: float
    hours: float
    finetunings: int
    notes: tuple[str, ...]

    def __str__(self) -> str:
        left = self.proxies - self.trained
        known = f", {self.trained:,} of them trained already" if self.trained else ""
        tasks = f"; fine-tunings on tasks: {self.finetunings:,}" if self.finetunings else ""
        return (
            f"corpora: {len(self.variants):,}, {self.builds:,} of them to build; proxies: {self.proxies:,}{known}; "
            f"{self.steps:,} steps and {self.tokens:,} tokens each, {left * self.tokens:,} tokens to train in all, "
            f"about {f'{self.hours:,.1f} hours' if self.hours >= 1 else f'{60 * self.hours:,.1f} minutes'}{tasks}"
        )


def plan(wanted: Wanted, out: Path | None) -> AblationPlan:
    """What an ablation takes; nothing is written.

    Args:
        out: its folder, where some of it may be there already.

    Raises:
        InputError: a key or a value can't be, or the corpus can't be varied.
    """
    return _planned(wanted, out, variant_corpora.opened(wanted.root))[0]


def _planned(wanted: Wanted, out: Path | None, base: VariedCorpus) -> tuple[AblationPlan, list[Variant], list[Config]]:
    if not wanted.vary:
        raise InputError("nothing is varied; name a key and its values with --vary, such as selection.min_score=0,1")
    if not wanted.seeds or len({*wanted.seeds}) < len(wanted.seeds) or len(wanted.seeds) > MOST_SEEDS:
        raise InputError(f"seeds must be 1 to {MOST_SEEDS}, all different")
    names = [(of.task.name, of.name) for of in wanted.data]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{twice[0]}: two sets of examples are called {twice[1]!r}; rename one, or name it once")
    factors = [variants.factor(text) for text in wanted.vary]
    listed = variants.variants(base.manifest["config"], factors, wanted.grid)
    configs = [proxies.settings(wanted.config, wanted.tokens, seed, wanted.where) for seed in wanted.seeds]
    built = [out is not None and variant_corpora.is_built(out, variant) for variant in listed]
    count = len(listed) * len(configs)
    trained = _trained(listed, configs, out) if out is not None and all(built) else 0
    cost = training_plan.plan(wanted.root, configs[0], None, 1)
    notes = [f"The time assumes {training_plan.ASSUMED:.0%} of a large matrix product's rate; small models reach less."]
    return (
        AblationPlan(
            {variant.name: variant.changes for variant in listed},
            built.count(False),
            count,
            trained,
            schedule.steps(configs[0]),
            wanted.tokens,
            cost.flops * (count - trained),
            cost.hours * (count - trained),
            count * len(wanted.data),
            tuple(notes),
        ),
        listed,
        configs,
    )


def _trained(listed: Sequence[Variant], configs: Sequence[Config], out: Path) -> int:
    """Proxies that are trained, of corpora that are all there."""
    from socorpus.training.pretrain.data import shard_reader

    corpora = [
        VariantCorpus(variant, shard_reader.open_corpus(variant_corpora.folder_of(out, variant))) for variant in listed
    ]
    return sum(proxy.done for row in proxies.listed(corpora, configs, out) for proxy in row)


def ablate(wanted: Wanted, out: Path, show: AblationShow) -> dict[str, Any]:
    """Build the variants, train and score their proxies, and write the result into `out`.

    Returns:
        The contents of ablation.json.

    Raises:
        InputError: a key, a value or the corpus is not right; or the folder holds something else, or the ablation of
            another corpus, or another process is at work there.
        BuildError: a build or a run broke off; what is finished is kept.
        Stopped: a signal ended a proxy's training, and its step is saved.
    """
    base = variant_corpora.opened(wanted.root)
    _require_own(out, base)
    cost, listed, configs = _planned(wanted, out, base)
    with folder_lock.held(out, "ablating", _PATIENCE):
        _require_own(out, base)
        show.says(str(cost))
        for note in cost.notes:
            show.says(note)
        files.sweep(out)  # what a killed process had half written
        files.write_json(out / VARIED, {"corpus": base.identity})
        corpora = variant_corpora.build(base, listed, out, wanted.workers, show)
        texts = held_out_texts.choose(
            corpora[0].corpus, [some.corpus for some in corpora[1:]], wanted.config.validation.tokens
        )
        rows = proxies.listed(corpora, configs, out)
        passes = [proxies.passes(some, configs[0]) for some in corpora]
        every = proxies.unique(rows)
        proxies.train(every, show)
        kept = Losses(out / "losses", texts, configs[0])
        show.says(
            f"held-out loss of {len(every):,} proxies on {len(texts.documents):,} documents, {texts.tokens:,} tokens"
        )
        scored = comparing.score(every, kept, show)
        named = {some.variant.name: row for some, row in zip(corpora, rows, strict=True)}
        same = _same_texts(corpora)
        different = {name: row for name, row in named.items() if name not in same}
        measures = [measure.facts(same) for measure in comparing.losses(different, texts, scored)]
        facts = _facts(wanted, base, corpora, passes, named, texts, measures)
        ablation_files.write(out, facts)
        if wanted.data:
            tasks = comparing.on_tasks(different, wanted.data, wanted.settings, out, wanted.processes, show)
            facts["measures"] += [measure.facts(same) for measure in tasks]
            ablation_files.write(out, facts)
        return facts


def _require_own(out: Path, base: VariedCorpus) -> None:
    """Refuse a folder of something else, or of the ablation of another corpus.

    Raises:
        InputError: it is one.
    """
    place = out / VARIED
    if files.is_file(place):
        try:
            known = files.read_json(place)
        except ValueError as error:
            raise InputError(f"{place}: damaged ({error}); give another folder with --out") from None
        if not isinstance(known, dict) or known.get("corpus") != base.identity:
            raise InputError(
                f"{out}: an ablation of another corpus, or of {base.root} before it was built anew; give another "
                "folder with --out, or delete this one"
            )
        return
    if files.exists(out) and any(path.name != folder_lock.NAME for path in files.every(out)):
        raise InputError(f"{out}: holds something else than an ablation; give another folder with --out")


def _same_texts(corpora: Sequence[VariantCorpus]) -> dict[str, str]:
    """Variants whose text is that of an earlier one, with the name of the first."""
    first: dict[str, str] = {}
    names = {some.variant.name: first.setdefault(some.text, some.variant.name) for some in corpora}
    return {name: other for name, other in names.items() if name != other}


def _facts(
    wanted: Wanted,
    base: VariedCorpus,
    corpora: Sequence[VariantCorpus],
    passes: Sequence[float],
    named: Mapping[str, Sequence[Proxy]],
    texts: held_out_texts.HeldOutTexts,
    measures: list[dict[str, Any]],
) -> dict[str, Any]:
    """The contents of ablation.json: no times, and of places only those below its folder."""
    same = _same_texts(corpora)
    entries = []
    for some, often in zip(corpora, passes, strict=True):
        shards = some.corpus.manifest["shards"]
        entries.append(
            {
                "name": some.variant.name,
                "changes": {key: {"base": old, "variant": new} for key, (old, new) in some.variant.changes.items()},
                "folder": f"corpora/{some.corpus.folder.name}",
                "documents": some.documents,
                "dropped": some.corpus.manifest["totals"]["dropped"],
                "train_documents": shards["train"]["rows"],
                "train_tokens": shards["train"]["tokens"],
                "passes": often,
                "same_text_as": same.get(some.variant.name),
                "proxies": {str(proxy.seed): f"runs/{proxy.folder.name}" for proxy in named[some.variant.name]},
            }
        )
    config = named[BASE][0].config
    return {
        "corpus": {"identity": base.identity, "name": base.root.resolve().name},
        "vary": list(wanted.vary),
        "grid": wanted.grid,
        "proxy": {
            "tokens": wanted.tokens,
            "steps": schedule.steps(config),
            "seeds": list(wanted.seeds),
            "config": toml_config.as_dict(config),
        },
        "variants": entries,
        "held_out": {
            **texts.counts,
            "threads": len({*texts.threads[texts.common].tolist()}),
            "identity": texts.identity,
        },
        "measures": measures,
        "notes": _notes(entries, wanted, texts),
    }


def _notes(entries: Sequence[Mapping[str, Any]], wanted: Wanted, texts: held_out_texts.HeldOutTexts) -> list[str]:
    """What a reader has to know of this ablation in particular."""
    notes = []
    for entry in entries:
        if entry["same_text_as"] is not None:
            notes.append(
                f"{entry['name']} keeps the same text as {entry['same_text_as']}: its proxies are the same, and "
                "nothing tells them apart."
            )
        elif entry["passes"] > training_plan.PASSES:
            notes.append(
                f"{entry['name']}: its proxies read the same {entry['train_tokens']:,} tokens {entry['passes']:,.1f} "
                f"times; beyond {training_plan.PASSES} passes repeated text is worth less than new text, so that a "
                "smaller corpus loses by that, too."
            )
    threads = len({*texts.threads[texts.common].tolist()})
    if threads < held_out_texts.FEW_THREADS:
        notes.append(
            f"Only {threads:,} threads are held out: intervals are wide; a larger split.validation gives more."
        )
    if len(wanted.seeds) == 1:
        notes.append("One seed: its intervals and differences are of these proxies, and say nothing of another seed.")
    if wanted.data:
        notes.append(
            "Test texts of a corpus's own tasks may be in the training text of some variants and not of others; data "
            "from elsewhere (--on TASK=FILE) is in none where its text is looked for ([contamination])."
        )
    return notes
