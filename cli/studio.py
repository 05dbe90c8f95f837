"""`socorpus labeling studio`, `sync` and `export`."""

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from socorpus.cli import view

if TYPE_CHECKING:
    from collections.abc import Callable

    from socorpus.labeling.label_studio.push import Project
    from socorpus.labeling.label_studio.sync import Synced
    from socorpus.labeling.schema import Task

Corpus = Annotated[Path, typer.Argument(help="Folder of the corpus.", show_default=False)]
TaskName = Annotated[
    str, typer.Option("--task", help="quality, closure, obsolescence or entities.", show_default=False)
]
TOKEN = "LABEL_STUDIO_API_KEY"
_SHOWN = 10


def _say(line: str) -> None:
    view.err.print(line, markup=False)


def studio(
    data: Annotated[Path | None, typer.Option(help="Folder of the server's database. Default: the user's own.")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8080,
    install_only: Annotated[bool, typer.Option("--install-only", help="Install the server, and stop.")] = False,
) -> None:
    """Install Label Studio once, in an environment of its own, and run it on this machine until Ctrl-C."""
    from socorpus.corpus.errors import BuildError
    from socorpus.labeling.label_studio import server

    server.install(_say)
    if install_only:
        view.out.print(f"Label Studio {server.VERSION} is installed in {server.home()}")
        return
    _say("starting Label Studio")
    with server.serving((data or server.default_data()).absolute(), port) as running:
        view.out.print(f"Label Studio: {running.url}")
        view.out.print(f"sign in as {running.user.email}; the password is in {running.data / server.USER_FILE}")
        view.out.print("Ctrl-C ends it; what people have said is kept.")
        ended = threading.Event()
        try:
            while running.process.poll() is None:
                ended.wait(0.5)
        except KeyboardInterrupt:
            view.err.print("socorpus: Label Studio is ended")
            return
    raise BuildError(f"Label Studio ended by itself; its log is {running.data / 'server.log'}")


def sync(
    corpus: Corpus,
    project: Annotated[str, typer.Option(help="Title of the project; created if there is none.", show_default=False)],
    task: TaskName,
    url: Annotated[
        str | None, typer.Option(help=f"Address of a server; its token is read from {TOKEN}, or asked for.")
    ] = None,
    sample: Annotated[
        str, typer.Option(help="Which posts are added: uncertain, disagreement, random, tag:NAME.")
    ] = "uncertain",
    limit: Annotated[int, typer.Option(min=0, help="Tasks that the project is filled up to.")] = 1000,
    blind: Annotated[float, typer.Option(min=0, max=1, help="Share of them that shows no suggestion.")] = 0.1,
    model: Annotated[
        str | None, typer.Option(help="Address of a model (socorpus labeling serve) that is to suggest labels there.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent and read, and stop.")] = False,
) -> None:
    """Bring a project of Label Studio and a corpus up to date with one another; safe to repeat, and to stop."""
    from socorpus.labeling.label_studio import sampling
    from socorpus.labeling.label_studio import sync as syncing
    from socorpus.labeling.label_studio.client import Client
    from socorpus.labeling.label_studio.credentials import access
    from socorpus.labeling.label_studio.sampling import Sample

    wanted, chosen = syncing.task_named(task), Sample.parse(sample)
    sampling.buckets(corpus, wanted)  # before a server is started for nothing
    then = _connecting(model, wanted) if model is not None else lambda _: None
    try:
        with access(url, os.environ.get(TOKEN), _ask, _say) as (address, key):
            with Client(address, key, read_only=dry_run) as client:
                how: dict[str, Any] = {"sample": chosen, "limit": limit, "blind": blind}
                done = syncing.sync(corpus, client, project, wanted, **how, say=_say, then=then)
            _show(done, address, dry_run)
    except KeyboardInterrupt:
        view.err.print("socorpus: stopped; the same command goes on from what the server has")
        raise typer.Exit(130) from None


def _connecting(url: str, task: "Task") -> "Callable[[Project], None]":
    """What connects a served model to a project, and has it suggest labels for all of its tasks."""
    from socorpus.training.serve import label_studio, settings

    token = settings.given_token()
    version = label_studio.served_version(url, task, token)

    def connect(project: "Project") -> None:
        label_studio.connect(project.client, project.number, task, url, version, token)
        label_studio.suggest(project.client, project.number, version, _say)

    return connect


def _ask(url: str) -> str | None:
    if not sys.stdin.isatty():
        return None
    asked: str = typer.prompt(f"Token for {url} (Account & Settings there; not shown)", hide_input=True, err=True)
    return asked


def _show(done: "Synced", address: str, dry: bool) -> None:
    pushed, pulled = done.pushed, done.pulled
    table = view.table("would be sent" if dry else "sent", "tasks")
    rows = {
        "created": pushed.created,
        "data changed": pushed.updated,
        "predictions replaced": pushed.predictions,
        "unchanged": pushed.unchanged,
        "found again": pushed.found_again,
        "doubles removed": pushed.doubles_removed,
        "removed by people there": pushed.removed_there,
        "no longer in the corpus": done.gone,
        "not fit to be sent": len(done.refused),
    }
    for name, count in rows.items():
        if count or name in ("created", "unchanged"):
            table.add_row(name, view.number(count))
    view.out.print(table)
    view.out.print(
        f"{'would be read' if dry else 'read'}: {pulled.new:,} new annotations, {pulled.changed:,} changed, "
        f"{pulled.deleted:,} deleted; {pulled.votes:,} votes of {pulled.annotators:,} people in all"
    )
    if done.suggested:
        view.out.print(f"models: suggestions for {done.suggested:,} posts; socorpus labeling apply lets them vote")
    if pulled.agreement.get("pairs"):
        figures = ", ".join(f"{name} {value}" for name, value in pulled.agreement.items())
        view.out.print(f"agreement between people: {figures}")
    for title, lines in (("conflicts", done.conflicts), ("not sent", done.refused)):
        for line in lines[:_SHOWN]:
            view.err.print(f"{title}: {line}", markup=False)
        if len(lines) > _SHOWN:
            view.err.print(f"{title}: and {len(lines) - _SHOWN:,} more")
    if done.project is not None:
        view.out.print(f"project: {address}/projects/{done.project}/data")


def export(
    corpus: Corpus,
    task: TaskName,
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder.", show_default=False)],
    form: Annotated[str, typer.Option("--format", help="jsonl, conll or huggingface.")] = "jsonl",
    least: Annotated[float, typer.Option(min=0, max=1, help="Leave out labels whose probability is lower.")] = 0.0,
    tokens: Annotated[
        str | None,
        typer.Option(help="Tag entities by BIO: words, or the corpus's own tokens (corpus).", show_default=False),
    ] = None,
) -> None:
    """Write the labels, those of people above all others, as JSON Lines, CoNLL or a Hugging Face dataset folder."""
    from socorpus.labeling.export import formats
    from socorpus.labeling.label_studio.sync import task_named

    written = formats.export(corpus, task_named(task), form, out, least, tokens)
    view.out.print(f"{out}: {view.number(written.examples)} texts, {view.number(written.labels)} labels")
