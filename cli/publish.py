"""`socorpus publish`."""

from pathlib import Path
from typing import Annotated

import typer

from socorpus.cli import options, view
from socorpus.cli.choices import PublishedFormat


def publish(
    corpus: options.Corpus,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="A new folder, or one that was published before.", show_default=False)
    ],
    form: Annotated[PublishedFormat, typer.Option("--format", help="Format of the files.")] = PublishedFormat.PARQUET,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="ORG/NAME", help="Send it to this data set on the Hugging Face hub too, with the token in HF_TOKEN."
        ),
    ] = None,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    plugin: options.Plugins = None,
    force: Annotated[bool, typer.Option("--force", help="Make all files again.")] = False,
) -> None:
    """Write a folder for a hub or a trainer: clean tables, labels, card, licences and attribution."""
    from socorpus.labeling import publish as publish_corpus

    options.use(plugin, corpus)
    with view.stoppable(), view.Stages() as show:
        published = publish_corpus(
            corpus, out, form.value, push=push, workers=workers, scheduler=scheduler, force=force, show=show
        )
    splits = list(dict.fromkeys(split for rows in published.rows.values() for split in rows))
    table = view.table("table", *splits)
    for name, rows in published.rows.items():
        table.add_row(name, *(view.number(rows[split]) if split in rows else "" for split in splits))
    view.out.print(table)
    same = "" if published.ran else "   (nothing had changed)"
    view.out.print(f"published: {view.place(out)}, {view.size(published.bytes)}{same}")
    if published.address is not None:
        view.out.print(f"on the hub: {published.address}")
