"""`socorpus labeling train-score` and `score`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from socorpus.cli import options, view


def train_score(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="CSV file with the columns Id, Title, Body, Tags, CreationDate and Y.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for the model.", show_default=False)],
) -> None:
    """Train a score of question quality from text, and audit it against tags, length and markup."""
    from socorpus.labeling import train_score as train

    audit = train(dataset, out, say=view.ProgressLine().stay)
    _show(audit)
    view.out.print(f"model: {view.place(out)}")


def score(
    corpus: options.Corpus,
    model: Annotated[
        Path | None, typer.Option("--model", help="Folder of a model of train-score.", show_default=False)
    ] = None,
    least: Annotated[float, typer.Option(min=0, max=1, help="Least probability of a label for a vote.")] = 0.9,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A Parquet file for all probabilities.", show_default=False)
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the votes of an earlier score back.")] = False,
) -> None:
    """Score the questions of a corpus; apply then lets the score vote on their quality."""
    from socorpus.labeling import score as score_corpus

    if (model is None) != remove:
        raise typer.BadParameter("give either --model or --remove")
    progress = view.ProgressLine()
    summary = score_corpus(corpus, model, least=least, out=out, say=progress.now)
    if summary is None:
        view.out.print("the score votes no more")
    else:
        votes = ", ".join(f"{view.number(count)} {label}" for label, count in sorted(summary.votes.items())) or "none"
        view.out.print(f"{summary.function}: {view.number(summary.questions)} questions, votes: {votes}")
        if summary.silent:
            view.out.print(f"no label of quality, so without votes: {', '.join(summary.silent)}")
        if out is not None:
            view.out.print(f"probabilities: {view.place(out)}")
    view.out.print(f"next: socorpus labeling apply {view.place(corpus)} --task quality", markup=False)


def _show(audit: dict[str, Any]) -> None:
    label = audit["auc_of"][0]
    table = view.table("a model that sees", *(f"AUC of {name}" for name in audit["auc_of"]), "95%")
    views = [("text", audit["text"]), *audit["masked"].items()]
    views += [(f"only {name}", figures) for name, figures in audit["baselines"].items()]
    for name, figures in views:
        areas = [f"{figures[of]['auc']:.3f}" for of in audit["auc_of"]]
        table.add_row(name, *areas, _interval(figures[label]))
    view.out.print(table)
    view.out.print()
    table = view.table("within", "label", "questions", "AUC", "95%")
    table.columns[1].justify = "left"
    for row in audit["slices"]:
        name = f"{row['kind']} {row['name']}"
        table.add_row(name, row["label"], view.number(row["questions"]), f"{row['auc']:.3f}", _interval(row))
    if table.row_count:
        view.out.print(table)
        view.out.print()
    held = audit["calibration"]
    table = view.table("probability", "share", "of")
    for row in held["bins"]:
        table.add_row(f"{row['probability']:.2f}", f"{row['share']:.2f}", view.number(row["of"]))
    view.out.print(table)
    view.out.print(
        f"held out, {view.number(held['scored'])} questions: log loss {held['log_loss']:.3f}, of a constant "
        f"{held['log_loss_of_constant']:.3f}; expected calibration error {held['ece']:.3f}"
    )


def _interval(figures: dict[str, Any]) -> str:
    low, high = figures["interval"]
    return f"{low:.3f} to {high:.3f}"
