"""`socorpus labeling apply`, `analyze` and `export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from socorpus.cli import options, view
from socorpus.cli.choices import Format, Tokens

if TYPE_CHECKING:
    from socorpus.corpus import Corpus
    from socorpus.labeling import Analysis

_ERRORS_SHOWN = 10


def apply(
    corpus: options.Corpus,
    task: options.Tasks = None,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    plugin: options.Plugins = None,
    force: Annotated[bool, typer.Option("--force", help="Label everything again.")] = False,
) -> None:
    """Run the labelling functions, combine their votes, and put people's labels first."""
    from socorpus.labeling import apply as apply_labels

    options.use(plugin, corpus, needed=True, reads=("signals",))
    with view.stoppable(), view.Stages() as show:
        labelled = apply_labels(corpus, task, workers=workers, scheduler=scheduler, force=force, show=show)
    _show_labels(labelled, show.ran)


def analyze(
    corpus: options.Corpus,
    task: options.Tasks = None,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    plugin: options.Plugins = None,
) -> None:
    """Measure the labels: coverage, conflicts, accuracy, agreement, likely errors, leaks."""
    from socorpus.labeling import analyze as analyze_labels

    options.use(plugin, corpus, needed=True, reads=("signals",))
    with view.stoppable(), view.Stages() as show:
        analyses = analyze_labels(corpus, task, workers=workers, scheduler=scheduler, show=show)
    for analysis in analyses.values():
        _show_analysis(analysis)
    view.out.print(f"report: {corpus / 'report.html'}")


def export(
    corpus: options.Corpus,
    task: options.Task,
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder.", show_default=False)],
    form: Annotated[Format, typer.Option("--format", help="Format of the files.")] = Format.JSONL,
    least: Annotated[float, typer.Option(min=0, max=1, help="Leave out labels below this probability.")] = 0.0,
    tokens: Annotated[
        Tokens | None,
        typer.Option(help="BIO tags for entities: on words, or on the corpus's own tokens.", show_default=False),
    ] = None,
    plugin: options.Plugins = None,
) -> None:
    """Export the labels as JSON Lines, CoNLL or a Hugging Face dataset folder; people's labels come first."""
    from socorpus.labeling import export_labels

    options.use(plugin, corpus)
    cut = tokens.value if tokens is not None else None
    written = export_labels(corpus, task, out, form.value, least=least, tokens=cut)
    view.out.print(f"{out}: {view.number(written.examples)} texts, {view.number(written.labels)} labels")


def _show_labels(corpus: "Corpus", ran: int) -> None:
    entries = corpus.manifest["labels"]
    table = view.table("task", "label", "train", "validation", "test", "all")
    table.columns[1].justify = "left"
    for name, entry in entries.items():
        first = True
        for label in entry["labels"]["train"]:
            counts = [entry["labels"][split][label] for split in ("train", "validation", "test")]
            if any(counts):
                table.add_row(name if first else "", label, *map(view.number, [*counts, sum(counts)]))
                first = False
    if table.row_count:
        view.out.print(table)
    for name, entry in entries.items():
        judged = entry["sources"].get("person", 0)
        people = f"; {judged:,} by people" if judged else ""
        differ = f"votes differ on {entry['conflicts']:,}"
        view.out.print(f"{name}: {sum(entry['examples'].values()):,} examples, {differ}{people}")
    view.out.print(f"labels: {corpus.path / 'labels'}" + ("" if ran else "   (nothing had changed)"))


def _show_analysis(analysis: "Analysis") -> None:
    head, rows = analysis.functions()
    table = view.table(*head)
    for row in rows:
        table.add_row(row[0], view.number(row[1]), *row[2:])
    view.out.print(table)
    for head, rows in (analysis.leaks(), analysis.reliability()):
        if rows:
            table = view.table(*head)
            for row in rows:
                table.add_row(*map(str, row))
            view.out.print(table)
    for error in analysis.likely_errors()[:_ERRORS_SHOWN]:
        view.out.print(f"{error['key']}: {error['label']}, rather {error['rather']} ({error['probability']:.2f})?")
    for sentence in analysis.summary():
        view.out.print(sentence, markup=False)
    view.out.print()
