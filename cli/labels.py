"""`socorpus labeling apply` and `analyze`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from socorpus.cli import view

if TYPE_CHECKING:
    from socorpus.labeling.pipeline import Applied

app = typer.Typer(
    name="labeling",
    help="Weak labels for the four tasks: votes, their analysis, and people's corrections.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Corpus = Annotated[Path, typer.Argument(help="Folder of the corpus.", show_default=False)]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", help="quality, closure, obsolescence or entities; may be given again. Default: all built."),
]
Workers = Annotated[
    int | None, typer.Option(min=0, help="Worker processes; 0 runs in this one. Default: the machine's cores.")
]
Scheduler = Annotated[str | None, typer.Option(help="Address of a running Dask scheduler.")]


@app.command()
def apply(
    corpus: Corpus,
    task: Tasks = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    force: Annotated[bool, typer.Option("--force", help="Label everything again.")] = False,
) -> None:
    """Vote, combine the votes, and put people's labels above them."""
    applied = _run(corpus, task, workers, scheduler, force=force)
    _show_labels(corpus, applied.manifest, applied.ran)


@app.command()
def analyze(corpus: Corpus, task: Tasks = None, workers: Workers = None, scheduler: Scheduler = None) -> None:
    """Tell how good the labels are: coverage, conflict, accuracy, agreement, errors, leaks."""
    from socorpus.labeling.analysis import functions as analysis_functions

    applied = _run(corpus, task, workers, scheduler, analyze=True)
    for name in applied.manifest["labels"]:
        found = analysis_functions.load(corpus, name) if task is None or name in task else None
        if found is not None:
            _show_analysis(name, found)
    view.out.print(f"report: {corpus / 'report.html'}")


def _run(corpus: Path, task: list[str] | None, workers: int | None, scheduler: str | None, **how: bool) -> "Applied":
    from socorpus.corpus.engine.executor import Engine
    from socorpus.labeling import pipeline

    # Workers of a running scheduler have current folders of their own.
    root = corpus.absolute()
    try:
        with view.Stages() as show, Engine(root, workers, scheduler, show) as engine:
            return pipeline.apply(root, engine, task, **how)
    except KeyboardInterrupt:
        view.err.print("socorpus: stopped; what is finished is kept, and the same command goes on from there")
        raise typer.Exit(130) from None


def show_labels(facts: Mapping[str, Any]) -> None:
    """The labels of each task by split, in one line a label."""
    from socorpus.corpus.schema import SPLITS
    from socorpus.labeling.analysis import report_sections

    table = view.table("task", "label", *SPLITS, "all")
    table.columns[1].justify = "left"
    for name, entry in facts["labels"].items():
        rows, _ = report_sections.label_rows(entry)
        for at, (label, *counts) in enumerate(row for row in rows if row[-1]):
            table.add_row("" if at else name, label, *map(view.number, counts))
    if table.row_count:
        view.out.print(table)


def _show_labels(corpus: Path, facts: Mapping[str, Any], ran: int) -> None:
    show_labels(facts)
    for name, entry in facts["labels"].items():
        judged = entry["sources"].get("person", 0)
        people = f"; {judged:,} by people" if judged else ""
        differ = f"votes differ on {entry['conflicts']:,}"
        view.out.print(f"{name}: {sum(entry['examples'].values()):,} examples, {differ}{people}")
    view.out.print(f"labels: {corpus / 'labels'}" + ("" if ran else "   (nothing had changed)"))


def _show_analysis(name: str, found: Mapping[str, Any]) -> None:
    from socorpus.labeling.analysis import functions as analysis_functions
    from socorpus.labeling.analysis import report_sections

    table = view.table(name, *report_sections.FUNCTION_HEAD[1:-1])
    for row in report_sections.function_rows(found):
        table.add_row(row[0], view.number(row[1]), *row[2:-1])
    view.out.print(table)
    leaks = view.table("seen", "accuracy", "macro F1", "scored on")
    for row in report_sections.audit_rows(found):
        leaks.add_row(*row)
    if leaks.row_count:
        view.out.print(leaks)
    for error in found["errors"]["found"][:10]:
        view.out.print(f"{error['key']}: {error['label']}, rather {error['rather']} ({error['probability']:.2f})?")
    for sentence in analysis_functions.summary(found):
        view.out.print(sentence, markup=False)
    view.out.print()
