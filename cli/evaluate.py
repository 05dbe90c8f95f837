"""`socorpus evaluate`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from socorpus.cli import options, terminal, view
from socorpus.cli.choices import Weighting
from socorpus.cli.finetune import Screen, settings

if TYPE_CHECKING:
    from socorpus.training import Comparison


def evaluate(
    corpus: Annotated[
        Path | None, typer.Argument(help="A corpus with labels, to compare on its tasks.", show_default=False)
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            help="A task of the corpus. Repeatable. Default: all that have labels.",
            autocompletion=options.complete_task,
        ),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on",
            metavar="TASK=FILE",
            help="A benchmark's file or folder, or another corpus, for a task; two with a comma: learn from one, "
            "score on the other. Repeatable.",
        ),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            "--system",
            help="audits, [NAME=]FOLDER, a hub name, weak: or selftrain: before one, chat:MODEL[@URL][?shots=N], a "
            "plug-in's, or paper. Repeatable. Default: paper.",
            autocompletion=options.complete_system,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the comparison. Default: CORPUS/comparison.")
    ] = None,
    epochs: options.Epochs = 5,
    patience: options.Patience = 2,
    rate: options.Rate = None,
    batch: options.Batch = 32,
    length: options.Length = None,
    seeds: options.Seeds = "3",
    processes: options.Processes = None,
    most: options.Most = None,
    most_test: Annotated[int | None, typer.Option(min=1, help="Number of test examples to draw. Default: all.")] = None,
    shares: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE,…",
            help="Shares of the labels to learn from beside all of them, such as 0.01,0.05,0.25: curves, with a draw "
            "for each seed.",
        ),
    ] = None,
    choose: options.Choose = None,
    choose_at: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="With --choose: share of the labels to choose with, once for all shares, such as 0.25. Default: for "
            "each share with its own.",
        ),
    ] = None,
    people: Annotated[
        bool, typer.Option("--people", help="Learn only from people's labels of a corpus, and score on them.")
    ] = False,
    teacher: Annotated[
        Path | None,
        typer.Option(
            metavar="CORPUS", help="Corpus with weak labels for weak: and selftrain:. Default: the one compared on."
        ),
    ] = None,
    most_weak: Annotated[
        int | None, typer.Option(min=1, help="Number of the teacher's texts to draw. Default: 10,000.")
    ] = None,
    hard: options.Hard = False,
    weights: options.Weights = Weighting.SQRT,
    bits: options.Quantized = None,
    download: options.Download = False,
    price: Annotated[
        float | None, typer.Option(min=0, help="Dollars per hour of this machine. Default: its GPU's price.")
    ] = None,
    token_price: Annotated[
        list[str] | None,
        typer.Option("--token-price", metavar="MODEL=IN,OUT", help="Dollars per million tokens. Repeatable."),
    ] = None,
    limit: Annotated[float | None, typer.Option(min=0, help="Maximum dollars per endpoint and task.")] = None,
    key: Annotated[str, typer.Option(help="Environment variable with the endpoints' API key.")] = "OPENAI_API_KEY",
    plugin: options.Plugins = None,
) -> None:
    """Compare systems on tasks: scores with confidence intervals, costs, and simple baselines."""
    from socorpus.corpus import BuildError
    from socorpus.training import evaluate as compare

    options.use(plugin, corpus)
    with view.stoppable():
        comparison = compare(
            corpus,
            task,
            system or (),
            out,
            settings(epochs, patience, rate, batch, length, seeds, hard, weights, bits, choose),
            on=data_of(on or ()),
            most=most,
            most_test=most_test,
            shares=_shares(shares),
            choose_at=choose_at,
            people=people,
            teacher=teacher,
            most_weak=most_weak,
            download=download,
            price=price,
            token_prices=_prices(token_price or ()),
            limit=limit,
            key=key,
            ask=_ask_limit if terminal.is_terminal(sys.stdin) else None,
            processes=processes,
            say=view.say,
            show=Screen(),
        )
    _show(comparison)
    # Some of the paper's systems are always missing; a system that was named must not be.
    if system and comparison.missing and "paper" not in system:
        raise BuildError(f"not compared: {', '.join(comparison.missing)}; the table says why")


def data_of(texts: Sequence[str]) -> list[tuple[str, Path]]:
    from socorpus.corpus import InputError

    data = []
    for text in texts:
        task, _, path = text.partition("=")
        if not path:
            raise InputError(f"--on {text}: write TASK=FILE, such as entities=benchmarks/ner")
        data.append((task, Path(path)))
    return data


def _shares(text: str | None) -> list[float]:
    from socorpus.corpus import InputError

    try:
        return [float(part) for part in text.split(",")] if text is not None else []
    except ValueError:
        raise InputError(f"--shares {text}: write numbers above 0 and up to 1, such as 0.01,0.05,0.25") from None


def _prices(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    from socorpus.corpus import InputError

    prices = {}
    for text in texts:
        model, _, figures = text.rpartition("=")
        parts = figures.split(",")
        try:
            prices[model] = (float(parts[0]), float(parts[1]))
        except (ValueError, IndexError):
            raise InputError(f"--token-price {text}: write MODEL=IN,OUT, such as gpt-4=30,60") from None
    return prices


def _ask_limit(estimate: str) -> float:
    """Ask for a limit before anything is spent."""
    view.say(estimate)
    return float(typer.prompt("Dollars that may be spent on it", type=float, err=True))


def _show(comparison: "Comparison") -> None:
    for part in comparison.tables():
        table = view.table(*part.head)
        for row in part.rows:
            table.add_row(*row)
        view.out.print(table)
        for sentence in part.missing:
            view.out.print(sentence, style="dim", markup=False)
        view.out.print()
    folder = comparison.folder
    view.out.print(f"comparison: {view.place(folder / 'comparison.html')}   {view.place(folder / 'comparison.csv')}")
