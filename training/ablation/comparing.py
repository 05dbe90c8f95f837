"""What tells the variants of an ablation apart: held-out loss, and tasks that their proxies are fine-tuned for."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from socorpus.corpus.errors import BuildError
from socorpus.training.ablation import held_out_loss, held_out_texts
from socorpus.training.ablation.ablation_show import AblationShow
from socorpus.training.ablation.held_out_loss import Losses
from socorpus.training.ablation.held_out_texts import HeldOutTexts
from socorpus.training.ablation.proxies import Proxy
from socorpus.training.ablation.variants import BASE
from socorpus.training.evaluation import compare, uncertainty
from socorpus.training.evaluation.compare import ComparisonPlan
from socorpus.training.evaluation.systems import System
from socorpus.training.evaluation.table import TITLES
from socorpus.training.evaluation.uncertainty import Runs
from socorpus.training.examples import metrics
from socorpus.training.examples.example import Data
from socorpus.training.finetuning.settings import FinetuneSettings

LOSS = "held-out loss"
ON_ALL = "loss on all of base's"


@dataclass(frozen=True)
class Measure:
    """A score of all variants, with what tells them apart.

    Attributes:
        name: of the score, for tables.
        on: what it was computed on.
        higher: whether more of it is better.
        runs: name of a variant -> of its proxies; of variants with equal texts only the first.
    """

    name: str
    on: str
    higher: bool
    runs: Mapping[str, Runs]

    def facts(self, same: Mapping[str, str]) -> dict[str, Any]:
        """Scores, differences from the corpus as it is and of all pairs, and letters, as plain values.

        Args:
            same: variants whose text is that of another one, whose figures they have.
        """
        table = uncertainty.paired(self.runs)
        order = sorted(self.runs, key=lambda name: (self.runs[name].mean * (-1 if self.higher else 1), name))
        groups = uncertainty.letters(order, (pair for pair in table if table[pair].differs))
        scores = {name: asdict(runs.score()) for name, runs in self.runs.items()}
        each = {name: runs.each.tolist() for name, runs in self.runs.items()}
        differences = {name: asdict(table[name, BASE]) for name in self.runs if name != BASE}
        for figures in (scores, each, groups, differences):
            figures |= {name: figures[other] for name, other in same.items() if other in figures}
        return {
            "name": self.name,
            "on": self.on,
            "better": "higher" if self.higher else "lower",
            "threads": len(self.runs[BASE].apart),
            "scores": scores,
            "proxies": each,
            "groups": groups,
            "differences": differences,
            "pairs": [
                {"variant": first, "other": second, **asdict(table[first, second])}
                for place, first in enumerate(self.runs)
                for second in list(self.runs)[place + 1 :]
            ],
        }


def losses(
    proxies: Mapping[str, Sequence[Proxy]], texts: HeldOutTexts, scored: Mapping[Path, held_out_loss.Sums]
) -> list[Measure]:
    """The loss on the common held-out documents and, where these are not all, on all of the corpus's own.

    Args:
        scored: sums of each proxy's losses, by its folder.
    """
    sets = [(LOSS, "documents that every variant holds out", texts.common)]
    if not texts.common.all():
        sets.append((ON_ALL, "documents that base holds out", np.ones(len(texts.documents), np.bool_)))
    measures = []
    for name, what, chosen in sets:
        runs = {
            variant: Runs.of_values(
                [held_out_texts.by_thread(texts, scored[proxy.folder], chosen) for proxy in row],
                held_out_loss.mean,
                (0.0, np.inf),
            )
            for variant, row in proxies.items()
        }
        tokens = int(next(iter(scored.values()))[chosen, 0].sum())
        measures.append(Measure(name, f"{int(chosen.sum()):,} {what}, {tokens:,} masked tokens", False, runs))
    return measures


def score(proxies: Sequence[Proxy], kept: Losses, show: AblationShow) -> dict[Path, held_out_loss.Sums]:
    """The losses of all proxies on held-out texts, by the proxies' folders; those that are known are not computed."""
    sums = {proxy.folder: kept.of(proxy.folder) for proxy in proxies if kept.known(proxy.folder)}
    todo = [proxy for proxy in proxies if proxy.folder not in sums]
    began = time.monotonic()
    for number, proxy in enumerate(todo):
        sums[proxy.folder] = kept.of(proxy.folder)
        each = (time.monotonic() - began) / (number + 1)
        show.scored(len(sums), len(proxies), each * (len(todo) - number - 1))
    return sums


def on_tasks(
    proxies: Mapping[str, Sequence[Proxy]],
    data: Sequence[Data],
    settings: FinetuneSettings,
    out: Path,
    processes: int | None,
    show: AblationShow,
) -> list[Measure]:
    """The main metric of each task, of proxies that are fine-tuned on the same examples.

    A proxy is fine-tuned once, with its own seed: proxies are what is drawn anew, and a variant's runs are independent.
    Each seed has a comparison of its own, in `tasks/seed-SEED`.

    Raises:
        BuildError: a proxy could not be fine-tuned; the others are kept.
    """
    seeds = [proxy.seed for proxy in next(iter(proxies.values()))]
    sums: dict[tuple[str, str], dict[str, list[metrics.Sums]]] = {}
    for number, seed in enumerate(seeds):
        folders = {name: row[number].folder for name, row in proxies.items()}
        systems = [System(name, "model", str(path.absolute())) for name, path in folders.items()]
        place = out / "tasks" / f"seed-{seed}"
        plan = ComparisonPlan(data, systems, replace(settings, seeds=(seed,)), processes=processes)
        show.says(f"tasks, seed {seed}: {len(systems)} proxies are fine-tuned, in {place}")
        cells = compare.compare(plan, place, show.comparison)
        if missing := next((cell for cell in cells if cell.missing), None):
            raise BuildError(f"{missing.system}, seed {seed}, could not be fine-tuned: {missing.missing}")
        for of in data:
            test = of.splits["test"]
            for system in systems:
                (answers,) = compare.answers_of(system, of, place)
                known = sums.setdefault((of.task.name, of.name), {})
                known.setdefault(system.name, []).append(metrics.sums(of.task, test, answers, of.leave_out))
    measures = []
    for of in data:
        main = metrics.main(of.task)
        runs = {name: Runs.of(main, seeds_of) for name, seeds_of in sums[of.task.name, of.name].items()}
        what = f"{len(of.splits['test']):,} test examples, learned from {len(of.splits['train']):,}"
        measures.append(Measure(f"{of.task.name}: {TITLES[main]}", f"{of.name}, {what}", True, runs))
    return measures
