"""`socorpus finetune`, `socorpus evaluate` and `socorpus labeling serve`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from socorpus.cli import train, view

if TYPE_CHECKING:
    from socorpus.training.evaluation.cell import Cell
    from socorpus.training.finetuning.learner import Line, Settings

_LIBRARIES = ("safetensors", "transformers")

TaskName = Annotated[
    str, typer.Option("--task", help="quality, closure, obsolescence or entities.", show_default=False)
]
Epochs = Annotated[int, typer.Option(min=1, help="At most so many passes over the training examples.")]
Patience = Annotated[int, typer.Option(min=1, help="Passes without a better validation score before it ends.")]
Rate = Annotated[float | None, typer.Option(min=0, help="Highest learning rate. Default: by the model's width.")]
Batch = Annotated[int, typer.Option(min=1, help="Examples of a step.")]
Length = Annotated[int | None, typer.Option(min=16, help="Tokens of a window. Default: the model's context, to 2,048.")]
Seeds = Annotated[int, typer.Option(min=1, help="How many times, each with other random numbers.")]
Most = Annotated[int | None, typer.Option(min=1, help="Draw so many training examples. Default: all.")]
Hard = Annotated[bool, typer.Option("--hard", help="Learn labels without their probabilities.")]
Weights = Annotated[str, typer.Option(help="Of rare labels: none, sqrt or balanced.")]
Bits = Annotated[int | None, typer.Option(help="8 or 4: load a decoder's weights so; needs CUDA and bitsandbytes.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch what is missing from the Hugging Face hub.")]


def finetune(
    model: Annotated[str, typer.Argument(help="Folder of a run or a model, or a name on the hub.", show_default=False)],
    task: TaskName,
    data: Annotated[
        Path, typer.Option(help="A corpus with labels, or a benchmark's file or folder.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the model. Default: MODEL-TASK.")] = None,
    epochs: Epochs = 5,
    patience: Patience = 2,
    rate: Rate = None,
    batch: Batch = 32,
    length: Length = None,
    seeds: Seeds = 3,
    most: Most = None,
    people: Annotated[bool, typer.Option("--people", help="Learn from what people judged, and nothing else.")] = False,
    hard: Hard = False,
    weights: Weights = "sqrt",
    bits: Bits = None,
    download: Download = False,
    force: Annotated[bool, typer.Option("--force", help="Forget what the folder holds, and begin anew.")] = False,
) -> None:
    """Teach a pre-trained model one of the tasks, and score it on examples that are held out."""
    train.need(*_LIBRARIES, "sklearn")
    from socorpus.labeling.label_studio.sync import task_named
    from socorpus.training.examples import readers
    from socorpus.training.finetuning import learner, pretrained

    settings = _settings(epochs, patience, rate, batch, length, seeds, hard, weights, bits)
    read = readers.read(data, task_named(task), most, people)
    place = out or Path(f"{Path(model.removeprefix('scratch:')).name}-{task}")
    try:
        found = pretrained.find(model, download)
        facts = learner.finetune(found, read, settings, place, Screen(), force)
    except KeyboardInterrupt:
        _stopped()
    _show_finetuned(place, facts)


def _settings(
    epochs: int,
    patience: int,
    rate: float | None,
    batch: int,
    length: int | None,
    seeds: int,
    hard: bool,
    weights: str,
    bits: int | None,
) -> "Settings":
    from socorpus.training.finetuning.learner import Settings

    return Settings(
        epochs=epochs,
        patience=patience,
        rate=rate,
        batch=batch,
        length=length,
        soft=not hard,
        weights=weights,
        bits=bits,
        seeds=tuple(range(seeds)),
    )


def evaluate(
    corpus: Annotated[
        Path | None, typer.Argument(help="A corpus with labels, whose tasks are compared on.", show_default=False)
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", help="Of the corpus. Default: all that have labels.")
    ] = None,
    on: Annotated[
        list[str] | None, typer.Option("--on", help="TASK=FILE: a benchmark's file or folder, or another corpus.")
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            "--system", help="audits, [NAME=]FOLDER, a hub name, chat:MODEL[@URL][?shots=N], or paper (the default)."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder. Default: CORPUS/comparison.")] = None,
    epochs: Epochs = 5,
    patience: Patience = 2,
    rate: Rate = None,
    batch: Batch = 32,
    length: Length = None,
    seeds: Seeds = 3,
    most: Most = None,
    most_test: Annotated[int | None, typer.Option(min=1, help="Draw so many test examples. Default: all.")] = None,
    hard: Hard = False,
    weights: Weights = "sqrt",
    bits: Bits = None,
    download: Download = False,
    price: Annotated[
        float | None, typer.Option(min=0, help="Dollars an hour of this machine. Default: its GPU's.")
    ] = None,
    token_price: Annotated[
        list[str] | None, typer.Option("--token-price", help="MODEL=IN,OUT: dollars for a million tokens.")
    ] = None,
    limit: Annotated[float | None, typer.Option(min=0, help="Dollars for each endpoint and task, at most.")] = None,
    key: Annotated[str, typer.Option(help="Environment variable with the endpoints' key.")] = "OPENAI_API_KEY",
) -> None:
    """Compare systems on tasks: scores with intervals, what they cost, and what simple audits reach."""
    train.need(*_LIBRARIES, "sklearn", "peft")
    from socorpus.corpus.errors import BuildError, InputError
    from socorpus.training.evaluation import compare, systems

    if corpus is None and not on:
        raise InputError("nothing to compare on: give a corpus, or --on TASK=FILE")
    place = out or (corpus / "comparison" if corpus is not None else Path("comparison"))
    named = systems.chosen(system or [])
    plan = compare.Plan(
        _data(corpus, task, on or [], most),
        named,
        _settings(epochs, patience, rate, batch, length, seeds, hard, weights, bits),
        compare.Asking(key, limit, _prices(token_price or []), ask=_ask_limit if sys.stdin.isatty() else None),
        most_test,
        download,
        price,
        corpus or Path(),
    )
    try:
        cells = compare.compare(plan, place, Screen())
    except KeyboardInterrupt:
        _stopped()
    _show_comparison(cells)
    view.out.print(f"comparison: {place / 'comparison.html'}   {place / 'comparison.csv'}")
    # Of the paper's systems some are always missing; one that was named must not be.
    if system and (missing := [one.system for one in cells if one.missing]) and "paper" not in system:
        raise BuildError(f"not compared: {', '.join(dict.fromkeys(missing))}; the table says why")


def _data(corpus: Path | None, tasks: list[str] | None, on: Sequence[str], most: int | None) -> list[Any]:
    from socorpus.corpus.errors import InputError
    from socorpus.labeling.label_studio.sync import task_named
    from socorpus.labeling.schema import FOLDER, TASKS
    from socorpus.training.examples import readers

    found = []
    if corpus is not None:
        if not corpus.is_dir():
            raise InputError(f"{corpus}: no such corpus; give the folder that socorpus build wrote")
        for name in tasks or [one for one in TASKS if (corpus / FOLDER / one).is_dir()]:
            try:
                found.append(readers.read(corpus, task_named(name), most))
            except InputError as error:
                # A small corpus has no example of some task; one that was asked for must have.
                if tasks:
                    raise
                view.err.print(f"left out: {error}", markup=False)
    for text in on:
        name, _, path = text.partition("=")
        if not path:
            raise InputError(f"--on {text}: write TASK=FILE, such as entities=benchmarks/ner")
        found.append(readers.read(Path(path), task_named(name), most))
    if not found:
        raise InputError(f"{corpus}: no task has labels for training and for test; a larger corpus has some")
    return found


def _ask_limit(told: str) -> float:
    """Ask for a limit before anything is spent."""
    view.err.print(told, markup=False)
    return float(typer.prompt("Dollars that may be spent on it", type=float, err=True))


def _prices(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    from socorpus.corpus.errors import InputError

    found = {}
    for text in texts:
        model, _, prices = text.rpartition("=")
        parts = prices.split(",")
        try:
            found[model] = (float(parts[0]), float(parts[1]))
        except (ValueError, IndexError):
            raise InputError(f"--token-price {text}: write MODEL=IN,OUT, such as gpt-4=30,60") from None
    return found


def serve(
    model: Annotated[Path, typer.Argument(help="Folder that socorpus finetune wrote.", show_default=False)],
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port.")] = 9090,
    workers: Annotated[int, typer.Option(min=1, help="Copies of the model that work side by side.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Texts that are judged at once.")] = 16,
    queue: Annotated[int, typer.Option(min=1, help="Texts that may wait; more are refused.")] = 1024,
) -> None:
    """Serve a fine-tuned model: a machine-learning backend for Label Studio, and a small HTTP API."""
    train.need(*_LIBRARIES, "starlette", "uvicorn")
    from socorpus.training.finetuning import predictor
    from socorpus.training.serve import app as serve_app
    from socorpus.training.serve import settings as serve_settings

    settings = serve_settings.Settings(host=host, port=port, workers=workers, batch=batch, queue=queue)
    serve_app.serve(lambda: predictor.load(model), settings, lambda line: view.err.print(line, markup=False))


class Screen:
    """Shows how far fine-tuning is: a line that is written over on a terminal, else one now and then."""

    def __init__(self) -> None:
        self._line = view.Line()

    def begin(self, what: Mapping[str, Any]) -> None:
        """A model is fine-tuned; what of its texts is not read whole."""
        for split, cut in what["cut"].items():
            if cut["in_windows"]:
                lost = f", {cut['cut']:,} lost their end ({cut['tokens_cut']:,} of {cut['tokens']:,} tokens)"
                self._line.stay(
                    f"{split}: {cut['in_windows']:,} of {cut['texts']:,} texts are longer than {what['length']:,} "
                    f"tokens and are read in windows{lost if cut['cut'] else ''}"
                )

    def step(self, line: "Line") -> None:
        """A step is done."""
        text = (
            f"seed {line.seed}  step {line.step:,}/{line.steps:,}  loss {line.loss:.3f}  "
            f"{line.examples_per_second:,.1f} examples/s  at most {view.duration(line.seconds_left)} left"
        )
        self._line.now(text)

    def validated(self, seed: int, epoch: int, scores: Mapping[str, float]) -> None:
        """An epoch was scored."""
        told = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in scores.items() if ":" not in name)
        self._line.stay(f"seed {seed} epoch {epoch + 1} validation: {told or 'no examples'}")

    def cell(self, system: str, task: str, data: str) -> None:
        """A system is next."""
        self._line.stay(f"{task} ({data}): {system}")

    def asked(self, done: int, total: int) -> None:
        """Answers have come."""
        self._line.now(f"{done:,}/{total:,} answers")

    def missing(self, system: str, sentence: str) -> None:
        """A system can't run."""
        self._line.stay(f"{system} is missing: {sentence}")


def _stopped() -> None:
    view.err.print("socorpus: stopped; what is finished is kept, and the same command goes on from there")
    raise typer.Exit(130) from None


def _show_finetuned(place: Path, facts: Mapping[str, Any]) -> None:
    names = [name for name in facts["seeds"][0]["test"] if ":" not in name]
    table = view.table("seed", "epochs", "validation", *(name.replace("_", " ") for name in names))
    for one in facts["seeds"]:
        scores = (f"{one['test'][name]:.3f}" for name in names)
        mark = " *" if one["seed"] == facts["best_seed"] else ""
        table.add_row(f"{one['seed']}{mark}", str(one["best_epoch"] + 1), f"{one['validation_score']:.3f}", *scores)
    if len(facts["seeds"]) > 1:
        import statistics

        columns = [[one["test"][name] for one in facts["seeds"]] for name in names]
        table.add_row("mean", "", "", *(f"{statistics.mean(column):.3f}" for column in columns))
        table.add_row("spread", "", "", *(f"±{statistics.stdev(column):.3f}" for column in columns))
    view.out.print(table)
    for note in facts["data"]["notes"]:
        view.out.print(note, style="dim", markup=False)
    view.out.print(f"model: {place} (seed {facts['best_seed']}, the best on the validation split)")


def _show_comparison(cells: Sequence["Cell"]) -> None:
    from dataclasses import asdict

    from socorpus.training.evaluation import table as evaluate_table

    columns: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        columns.setdefault((cell.task, cell.data), []).append(asdict(cell))
    for (task, data), column in columns.items():
        there = [one for one in column if one["scores"]]
        metrics = list(there[0]["scores"]) if there else []
        table = view.table(f"{task} ({data})", *(evaluate_table.TITLES[name] for name in metrics), *evaluate_table.HEAD)
        for one in there:
            scores = [evaluate_table.score(one["scores"][name]) for name in metrics[:1]]
            scores += [f"{one['scores'][name]['mean']:.3f}" for name in metrics[1:]]
            table.add_row(one["system"] + (" *" if one["best"] else ""), *scores, *evaluate_table.costs(one))
        view.out.print(table)
        for one in column:
            if one["missing"]:
                view.out.print(f"{one['system']} is missing: {one['missing']}", style="dim", markup=False)
        view.out.print()
