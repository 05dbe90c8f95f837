"""`socorpus ablate`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from socorpus.cli import finetune, options, train, view

if TYPE_CHECKING:
    from socorpus.corpus import Progress
    from socorpus.training import Ablation, AblationPlan

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}


def ablate(
    corpus: options.Corpus,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the ablation.", show_default=False)],
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            metavar="SECTION.KEY=VALUE,…",
            help="A key of the corpus's configuration and its values; none switches off. Repeatable.",
            show_default=False,
        ),
    ],
    grid: Annotated[
        bool,
        typer.Option("--grid", help="All combinations of values. Default: one key at a time, the others as built."),
    ] = False,
    proxy: Annotated[
        str,
        typer.Option(help="Preset of the small encoders to train.", autocompletion=options.complete_preset),
    ] = "tiny",
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file over the preset (keys: docs/training.md).")
    ] = None,
    tokens: Annotated[str, typer.Option(help="Tokens that each proxy sees, such as 500k, 5M, 1B.")] = "5M",
    seeds: Annotated[
        str, typer.Option(metavar="N|SEED,…", help="Number of proxies of each variant, or their seeds: 3 is 0,1,2.")
    ] = "3",
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            help="A task of the corpus to fine-tune the proxies on. Repeatable.",
            autocompletion=options.complete_task,
        ),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on", metavar="TASK=FILE", help="A benchmark's file or folder, or another corpus, for a task. Repeatable."
        ),
    ] = None,
    epochs: options.Epochs = 5,
    patience: options.Patience = 2,
    most: options.Most = None,
    workers: options.Workers = None,
    processes: options.Processes = None,
    plugin: options.Plugins = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the variants and what they take, and stop.")] = False,
) -> None:
    """Vary a corpus's configuration, train a small encoder on each variant, and compare them at equal compute."""
    from socorpus.cli.evaluate import data_of
    from socorpus.training import FinetuneSettings, plan_ablation
    from socorpus.training import ablate as study

    options.use(plugin, corpus, reads=())
    wanted: dict[str, Any] = {"grid": grid, "proxy": proxy, "config": config}
    wanted |= {"tokens": _tokens(tokens), "seeds": _seeds(seeds)}
    if dry_run:
        _show_plan(plan_ablation(corpus, vary, out, **wanted))
        return
    with view.stoppable(), Screen() as screen:
        result = study(
            corpus,
            vary,
            out,
            **wanted,
            tasks=task or (),
            on=data_of(on or ()),
            most=most,
            settings=FinetuneSettings(epochs=epochs, patience=patience),
            workers=workers,
            processes=processes,
            show=screen,
        )
    _show(result)


def _tokens(text: str) -> int:
    from socorpus.corpus import InputError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmb]?)", text.strip().replace(",", "").replace("_", "").lower())
    number = round(float(match[1]) * _UNITS[match[2]]) if match is not None else 0
    if not 1 <= number <= 10**15:
        raise InputError(f"--tokens {text}: write a number of tokens, such as 500k, 5M or 1B")
    return number


def _seeds(text: str) -> Sequence[int]:
    from socorpus.corpus import InputError
    from socorpus.training import FinetuneSettings

    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0:
        raise InputError(f"--seeds {text}: write how many, such as 3, or which: 1,2,3")
    return numbers if "," in text else FinetuneSettings.first_seeds(*numbers)


class Screen:
    """Progress of an ablation: stages of builds, then proxies with the time left of all, then tasks."""

    def __init__(self) -> None:
        self._stages: view.Stages | None = None
        self._line = view.ProgressLine()
        self.training = train.Screen()
        self.comparison = finetune.Screen()

    def __enter__(self) -> "Screen":
        return self

    def __exit__(self, *_: object) -> None:
        if self._stages is not None:
            self._stages.__exit__()
            self._stages = None

    def says(self, sentence: str) -> None:
        """A part begins, or something is to be known."""
        self.__exit__()
        self._line.stay(sentence)

    def stage(self, now: "Progress") -> None:
        """A stage of a variant's build goes on."""
        if self._stages is None:
            self._stages = view.Stages().__enter__()
        self._stages(now)

    def scored(self, done: int, total: int, seconds_left: float | None) -> None:
        """Proxies have been scored on the held-out texts."""
        left = f", {view.duration(seconds_left)} left" if seconds_left and done < total else ""
        self._line.now(f"{done:,}/{total:,} proxies scored{left}", last=done == total)


def _show_plan(plan: "AblationPlan") -> None:
    table = view.table("variant", "keys: base, variant")
    table.columns[1].justify = "left"
    for name, changes in plan.variants.items():
        shown = "; ".join(f"{key}: {old}, {new}" for key, (old, new) in changes.items())
        table.add_row(name, shown or "as it is")
    view.out.print(table)
    view.out.print(str(plan), markup=False)
    for note in plan.notes:
        view.out.print(note, style="dim", markup=False)


def _show(result: "Ablation") -> None:
    for part in result.tables():
        if part.title:
            view.out.print(part.title, markup=False)
        table = view.table(*part.head)
        for row in part.rows:
            table.add_row(*row)
        view.out.print(table)
        view.out.print()
    for note in result.facts["notes"]:
        view.out.print(note, style="dim", markup=False)
    folder = result.folder
    view.out.print(f"ablation: {view.place(folder / 'ablation.html')}   {view.place(folder / 'ablation.csv')}")
