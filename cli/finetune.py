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
    seeds: options.Seeds = "3",
    processes: options.Processes = None,
    most: options.Most = None,
    people: Annotated[bool, typer.Option("--people", help="Train only on people's labels.")] = False,
    hard: options.Hard = False,
    weights: options.Weights = Weighting.SQRT,
    bits: options.Quantized = None,
    choose: options.Choose = None,
    download: options.Download = False,
    plugin: options.Plugins = None,
    force: Annotated[bool, typer.Option("--force", help="Discard what the folder holds and start over.")] = False,
) -> None:
    """Fine-tune a pre-trained model on a task, and score it on held-out examples."""
    from socorpus.training import default_folder
    from socorpus.training import finetune as finetune_model

    options.use(plugin, data)
    how = settings(epochs, patience, rate, batch, length, seeds, hard, weights, bits, choose)
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
            processes=processes,
            show=Screen(),
        )
    _show(place, facts)


def settings(
    epochs: int,
    patience: int,
    rate: str | None,
    batch: int,
    length: int | None,
    seeds: str,
    hard: bool,
    weights: Weighting,
    bits: Bits | None,
    choose: int | None = None,
) -> "FinetuneSettings":
    """Settings of fine-tuning from the options.

    Raises:
        InputError: rates or seeds can't be read, or a setting is out of its range.
    """
    from socorpus.corpus import InputError
    from socorpus.training import FinetuneSettings

    try:
        rates = tuple(float(part) for part in rate.split(",") if part.strip()) if rate is not None else ()
    except ValueError:
        raise InputError(f"--rate {rate}: write a number, or several: 1e-5,3e-5") from None
    try:
        numbers = tuple(int(part) for part in seeds.split(",") if part.strip())
    except ValueError:
        raise InputError(f"--seeds {seeds}: write how many, such as 3, or which: 1,2,3") from None
    if not numbers or (rate is not None and not rates):
        raise InputError("--seeds and --rate need a number each")
    given = FinetuneSettings(
        epochs=epochs,
        patience=patience,
        rate=rates[0] if len(rates) == 1 else None,
        rates=rates if len(rates) > 1 else (),
        choose=choose,
        batch=batch,
        length=length,
        soft=not hard,
        weights=weights.value,
        bits=int(bits.value) if bits is not None else None,
        seeds=numbers if "," in seeds else FinetuneSettings.first_seeds(*numbers),
    )
    given.check()
    return given


class Screen:
    """Progress of fine-tuning: a line that is overwritten on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._line = view.ProgressLine()
        self._running: dict[str, FinetuningStep] = {}

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
        """A step is done: of one run, or of one of several side by side."""
        self._running[line.name] = line
        lines = list(self._running.values())
        if len(lines) == 1:
            text = (
                f"{line.name or f'seed {line.seed}'}  step {line.step:,}/{line.steps:,}  loss {line.loss:.3f}  "
                f"{line.examples_per_second:,.1f} examples/s  at most {view.duration(line.seconds_left)} left"
            )
        else:
            parts = [f"{other.name} {other.step / other.steps:.0%}" for other in lines]
            longest = max(other.seconds_left for other in lines)
            text = f"{'; '.join(parts)}; of these at most {view.duration(longest)} left"
        self._line.now(text)

    def validated(self, seed: int, epoch: int, scores: Mapping[str, float], name: str = "") -> None:
        """An epoch was scored."""
        metrics = [(metric, value) for metric, value in scores.items() if ":" not in metric]
        shown = ", ".join(f"{metric.replace('_', ' ')} {value:.3f}" for metric, value in metrics)
        self._line.stay(f"{name or f'seed {seed}'} epoch {epoch + 1} validation: {shown or 'no examples'}")

    def ended(self, name: str) -> None:
        """A run is done, or failed."""
        self._running.pop(name, None)

    def note(self, sentence: str) -> None:
        """Something to know."""
        self._line.stay(sentence)

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
    if facts.get("choice") is not None:  # none in older folders
        view.out.print(facts["choice"]["note"], markup=False)
    if len(facts["rates"]) > 1:
        scores = (tried["validation_score"] for tried in facts["rates"])
        shown = (f"{score:.3f}" if score is not None else "not finite" for score in scores)
        tried = ", ".join(f"{rate['rate']:g} ({score})" for rate, score in zip(facts["rates"], shown, strict=True))
        view.out.print(f"learning rate {facts['rate']:g}, the best on the validation split of {tried}")
    view.out.print(f"model: {view.place(place)} (seed {facts['best_seed']}, the best on the validation split)")
