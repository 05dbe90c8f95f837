"""`socorpus finetune`."""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Annotated, Any

import typer

from socorpus.cli import options, view
from socorpus.cli.choices import Bits, Weighting

if TYPE_CHECKING:
    from socorpus.training import FinetuneSettings, FinetuningStep


def finetune(
    model: Annotated[
        str,
        typer.Argument(help="Folder of a run or a model, or a name on the Hugging Face hub.", show_default=False),
    ],
    task: options.Task,
    data: Annotated[
        Path, typer.Option(help="A corpus with labels, or a benchmark's file or folder.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the model. Default: MODEL-TASK.")] = None,
    epochs: options.Epochs = 5,
    patience: options.Patience = 2,
    rate: options.Rate = None,
    batch: options.Batch = 32,
    length: options.Length = None,
    seeds: options.Seeds = 3,
    most: options.Most = None,
    people: Annotated[bool, typer.Option("--people", help="Train only on people's labels.")] = False,
    hard: options.Hard = False,
    weights: options.Weights = Weighting.SQRT,
    bits: options.Quantized = None,
    download: options.Download = False,
    plugin: options.Plugins = None,
    force: Annotated[bool, typer.Option("--force", help="Discard what the folder holds and start over.")] = False,
) -> None:
    """Fine-tune a pre-trained model on a task, and score it on held-out examples."""
    from socorpus.training import default_folder
    from socorpus.training import finetune as finetune_model

    options.use(plugin, data)
    how = settings(epochs, patience, rate, batch, length, seeds, hard, weights, bits)
    place = out or default_folder(model, task)
    with view.stoppable():
        facts = finetune_model(
            model,
            task,
            data,
            place,
            how,
            most=most,
            people=people,
            download=download,
            force=force,
            show=Screen(),
        )
    _show(place, facts)


def settings(
    epochs: int,
    patience: int,
    rate: float | None,
    batch: int,
    length: int | None,
    seeds: int,
    hard: bool,
    weights: Weighting,
    bits: Bits | None,
) -> "FinetuneSettings":
    """Settings of fine-tuning from the options."""
    from socorpus.training import FinetuneSettings

    return FinetuneSettings(
        epochs=epochs,
        patience=patience,
        rate=rate,
        batch=batch,
        length=length,
        soft=not hard,
        weights=weights.value,
        bits=int(bits.value) if bits is not None else None,
        seeds=tuple(range(seeds)),
    )


class Screen:
    """Progress of fine-tuning: a line that is overwritten on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._line = view.ProgressLine()

    def begin(self, what: Mapping[str, Any]) -> None:
        """Fine-tuning begins; shows the number of texts that are cut or read in windows."""
        for split, cut in what["cut"].items():
            if cut["in_windows"]:
                lost = f", {cut['cut']:,} lost their end ({cut['tokens_cut']:,} of {cut['tokens']:,} tokens)"
                self._line.stay(
                    f"{split}: {cut['in_windows']:,} of {cut['texts']:,} texts are longer than {what['length']:,} "
                    f"tokens and are read in windows{lost if cut['cut'] else ''}"
                )

    def step(self, line: "FinetuningStep") -> None:
        """A step is done."""
        text = (
            f"seed {line.seed}  step {line.step:,}/{line.steps:,}  loss {line.loss:.3f}  "
            f"{line.examples_per_second:,.1f} examples/s  at most {view.duration(line.seconds_left)} left"
        )
        self._line.now(text)

    def validated(self, seed: int, epoch: int, scores: Mapping[str, float]) -> None:
        """An epoch was scored."""
        shown = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in scores.items() if ":" not in name)
        self._line.stay(f"seed {seed} epoch {epoch + 1} validation: {shown or 'no examples'}")

    def cell(self, system: str, task: str, data: str) -> None:
        """A system is next."""
        self._line.stay(f"{task} ({data}): {system}")

    def asked(self, done: int, total: int) -> None:
        """Answers have come."""
        self._line.now(f"{done:,}/{total:,} answers")

    def missing(self, system: str, sentence: str) -> None:
        """A system can't run."""
        self._line.stay(f"{system} was not compared: {sentence}")


def _show(place: Path, facts: Mapping[str, Any]) -> None:
    seeds = facts["seeds"]
    names = [name for name in seeds[0]["test"] if ":" not in name]
    table = view.table("seed", "epochs", "validation", *(name.replace("_", " ") for name in names))
    for seed in seeds:
        scores = (f"{seed['test'][name]:.3f}" for name in names)
        mark = " *" if seed["seed"] == facts["best_seed"] else ""
        table.add_row(f"{seed['seed']}{mark}", str(seed["best_epoch"] + 1), f"{seed['validation_score']:.3f}", *scores)
    if len(seeds) > 1:
        columns = [[seed["test"][name] for seed in seeds] for name in names]
        table.add_row("mean", "", "", *(f"{mean(column):.3f}" for column in columns))
        table.add_row("spread", "", "", *(f"±{stdev(column):.3f}" for column in columns))
    view.out.print(table)
    for note in facts["data"]["notes"]:
        view.out.print(note, style="dim", markup=False)
    view.out.print(f"model: {view.place(place)} (seed {facts['best_seed']}, the best on the validation split)")
