"""`socorpus browse`; `socorpus labeling studio`, `sync`, `names` and `serve`; `sheet` and `judgements`."""

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from socorpus.cli import options, terminal, view

if TYPE_CHECKING:
    from socorpus.labeling import Synced

_SHOWN = 10


def studio(
    data: Annotated[
        Path | None, typer.Option(help="Folder of the server's database. Default: in the user's data folder.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8080,
    install_only: Annotated[bool, typer.Option("--install-only", help="Install the server, and stop.")] = False,
) -> None:
    """Install Label Studio once, in its own environment, and run it on this machine until Ctrl-C."""
    from socorpus.corpus import BuildError
    from socorpus.labeling import install_studio
    from socorpus.labeling import studio as running_studio

    if install_only:
        version, home = install_studio(view.say)
        view.out.print(f"Label Studio {version} is installed in {home}")
        return
    with running_studio(data, port, view.say) as server:
        view.out.print(f"Label Studio: {server.url}")
        view.out.print(f"sign in as {server.user.email}; the password is in {server.user_file}")
        view.out.print("Ctrl-C ends it; all annotations are kept.")
        ended = threading.Event()
        try:
            while server.process.poll() is None:
                ended.wait(0.5)
        except KeyboardInterrupt:
            view.err.print("socorpus: Label Studio has stopped")
            return
    raise BuildError(f"Label Studio ended by itself; its log is {server.data / 'server.log'}")


def sync(
    corpus: options.Corpus,
    project: Annotated[str, typer.Option(help="Title of the project; created if there is none.", show_default=False)],
    task: options.Task,
    url: Annotated[
        str | None,
        typer.Option(help="Address of a server; its token is read from LABEL_STUDIO_API_KEY, or asked for."),
    ] = None,
    sample: Annotated[
        str,
        typer.Option(
            help="Posts to add: uncertain, disagreement, random, diverse, class (some of each label), class:LABEL, "
            "slice:tag|year|site|length, or tag:NAME.",
            autocompletion=options.complete_sample,
        ),
    ] = "uncertain",
    query: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Add the posts of a query saved in socorpus browse, in place of a sample.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Fill the project up to this number of tasks.")] = 1000,
    blind: Annotated[float, typer.Option(min=0, max=1, help="Share of new tasks without suggestions.")] = 0.1,
    overlap: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="People who judge each task; where they differ, one adjudicates. Default: as the project has it.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Address of a served model (socorpus labeling serve) to suggest labels.")
    ] = None,
    plugin: options.Plugins = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent and read, and stop.")] = False,
) -> None:
    """Sync a Label Studio project with a corpus, both ways; safe to repeat, and to stop."""
    from socorpus.labeling import sync as sync_project
    from socorpus.training import connect_model

    options.use(plugin, corpus)
    then = connect_model(model, task, view.say) if model is not None else lambda _: None
    with view.stoppable("the same command goes on from what the server has"):
        synced = sync_project(
            corpus,
            project,
            task,
            url=url,
            sample=sample,
            query=query,
            limit=limit,
            blind=blind,
            overlap=overlap,
            dry_run=dry_run,
            ask=ask,
            say=view.say,
            then=then,
        )
        _show(synced, dry_run)


def browse(
    corpus: options.Corpus,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")] = 8050,
    plugin: options.Plugins = None,
) -> None:
    """Look into a corpus in the browser: filters, search, posts, twins, votes, thresholds; on this machine only."""
    from socorpus.labeling import browse as serve_workbench

    options.use(plugin, corpus)
    serve_workbench(corpus, port=port, say=view.say)


def names(
    corpus: options.Corpus,
    task: options.Task,
    project: Annotated[
        str | None,
        typer.Option(help="Title of the project; created if there is none. Default: by the corpus's folder."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Address of a server; its token is read from LABEL_STUDIO_API_KEY, or asked for."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Fill the project up to this number of names.")] = 200,
    plugin: options.Plugins = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent and read, and stop.")] = False,
) -> None:
    """Let people judge the commonest names of a task of spans in Label Studio, three contexts each."""
    from socorpus.labeling import judge_names

    options.use(plugin, corpus)
    with view.stoppable("the same command goes on from what the server has"):
        synced = judge_names(corpus, task, project, url=url, limit=limit, dry_run=dry_run, ask=ask, say=view.say)
        _show(synced, dry_run, "names")


def sheet(
    corpus: options.Corpus,
    task: options.Task,
    out: Annotated[Path, typer.Option("--out", "-o", help="A new file: .csv, or .jsonl.", show_default=False)],
    sample: Annotated[
        str | None,
        typer.Option(
            help="Posts to choose: uncertain, disagreement, random, diverse, class (some of each label), class:LABEL, "
            "slice:tag|year|site|length, tag:NAME, or disputed (people judged differently). Default: class; for spans "
            "random.",
            autocompletion=options.complete_sample,
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Number of posts.")] = 200,
    blind: Annotated[float, typer.Option(min=0, max=1, help="Share of posts without suggestions.")] = 1.0,
    plugin: options.Plugins = None,
) -> None:
    """Write a sample of posts to a file that people fill in, for socorpus labeling judgements."""
    from socorpus.labeling import write_sheet

    options.use(plugin, corpus)
    done = write_sheet(corpus, task, out, sample=sample, limit=limit, blind=blind)
    posts = view.counted(done.posts, "post", "posts")
    view.out.print(f"{view.place(out)}: {posts}, {done.blind:,} of them without a suggestion")
    where = "spans, a list of objects with start, end and label," if done.spans else "label"
    view.out.print(f"in {where} one of:", markup=False)
    for label, meaning in done.meanings.items():
        view.out.print(f"  {label}: {meaning}", markup=False)
    nothing = "; an empty list: nothing of these" if done.spans else ""
    view.out.print(f"  skip: would not decide; left empty: not judged{nothing}", markup=False)
    if done.cut:
        keys = ", ".join(done.cut[:_SHOWN]) + (", …" if len(done.cut) > _SHOWN else "")
        view.err.print(f"cut, since a spreadsheet's cell can't hold them: {keys}; .jsonl has all", markup=False)
    if done.posts < limit and sample != "disputed":
        view.err.print(f"there are no more posts of this sample that nobody has judged: {done.posts:,} of {limit:,}")


def judgements(
    corpus: options.Corpus,
    file: Annotated[
        Path, typer.Argument(help="CSV, JSON Lines or Parquet: a filled-in sheet, or a table of your own.")
    ],
    task: options.Task,
    annotator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who judged, where the file does not say.", show_default=False)
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take back what files said of these posts.")] = False,
    plugin: options.Plugins = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be read, and stop.")] = False,
) -> None:
    """Read people's judgements from a file into a corpus; safe to repeat."""
    from socorpus.labeling import import_judgements

    options.use(plugin, corpus)
    done = import_judgements(corpus, task, file, annotator=annotator, remove=remove, dry_run=dry_run)
    people = view.counted(done.people, "person", "people")
    of = f"judgements of {people} on {view.counted(done.posts, 'post', 'posts')}"
    if remove:
        view.out.print(f"{'would be ' * dry_run}taken back: {done.removed:,} {of}")
    else:
        counts = {"new": done.new, "changed": done.changed, "as before": done.same, "older than known": done.older}
        shown = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "new")
        view.out.print(f"{'would be ' * dry_run}read: {of}: {shown}; {done.blind:,} without a suggestion")
    for name, count in (
        ("rows that are not filled in", done.empty),
        ("judgements of texts that have changed since, which are kept", done.other_text),
        ("verdicts of an adjudicator on posts that nobody else judged, which count as any other", done.undisputed),
    ):
        if count:
            view.out.print(f"{name}: {count:,}")
    for line in done.refused[:_SHOWN]:
        view.err.print(f"left out: {line}", markup=False)
    if done.refused:
        more = f"and {len(done.refused) - _SHOWN:,} more; " if len(done.refused) > _SHOWN else ""
        rows = view.counted(done.left_out, "row", "rows")
        view.err.print(f"left out: {more}{rows} in all; correct these and give the same command again")
    if not dry_run and (done.new or done.changed or done.removed):
        view.out.print(f"socorpus labeling apply {view.place(corpus)} brings the labels up to date")


def ask(url: str) -> str | None:
    """The token of a server, by the user at the terminal; None where there is nobody to ask."""
    if not terminal.is_terminal(sys.stdin):
        return None
    asked: str = typer.prompt(f"Token for {url} (Account & Settings there; not shown)", hide_input=True, err=True)
    return asked


def _show(done: "Synced", dry: bool, unit: str = "tasks") -> None:
    pushed, pulled = done.pushed, done.pulled
    table = view.table("would be sent" if dry else "sent", unit)
    counts = {
        "created": pushed.created,
        "data changed": pushed.updated,
        "predictions replaced": pushed.predictions,
        "unchanged": pushed.unchanged,
        "found again": pushed.found_again,
        "duplicates removed": pushed.doubles_removed,
        "removed by people there": pushed.removed_there,
        "no longer in the corpus": done.gone,
        "cannot be sent": len(done.refused),
    }
    for name, count in counts.items():
        if count or name in ("created", "unchanged"):
            table.add_row(name, view.number(count))
    view.out.print(table)
    rows = "judgements" if unit == "names" else "votes"
    view.out.print(
        f"{'would be read' if dry else 'read'}: {pulled.new:,} new annotations, {pulled.changed:,} changed, "
        f"{pulled.deleted:,} deleted; {pulled.votes:,} {rows} of {pulled.annotators:,} people in all"
    )
    if done.suggested:
        view.out.print(f"models: suggestions for {done.suggested:,} posts; socorpus labeling apply lets them vote")
    if pulled.agreement.get("pairs"):
        figures = ", ".join(f"{name} {value}" for name, value in pulled.agreement.items())
        view.out.print(f"agreement between people: {figures}")
    if done.queue is not None and done.queue.disputed:
        waits = done.queue.disputed - done.queue.adjudicated
        where = f": {done.address}/projects/{done.project}/data?tab={done.queue.tab}" if done.queue.tab else ""
        view.out.print(
            f"judged differently: {done.queue.disputed:,} posts, {done.queue.adjudicated:,} of them adjudicated, "
            f"{waits:,} to be{where}"
        )
    for title, lines in (("conflicts", done.conflicts), ("not sent", done.refused)):
        for line in lines[:_SHOWN]:
            view.err.print(f"{title}: {line}", markup=False)
        if len(lines) > _SHOWN:
            view.err.print(f"{title}: and {len(lines) - _SHOWN:,} more")
    if done.project is not None:
        # The stream of tasks: at a task's own address Label Studio may lose the suggestion (docs/label-studio.md).
        view.out.print(f"project: {done.address}/projects/{done.project}/data?labeling=1")


def serve(
    model: Annotated[Path, typer.Argument(help="Folder that socorpus finetune wrote.", show_default=False)],
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that other machines reach needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 9090,
    workers: Annotated[int, typer.Option(min=1, help="Copies of the model that run in parallel.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Texts per batch.")] = 16,
    queue: Annotated[int, typer.Option(min=1, help="Maximum number of waiting texts; more are refused.")] = 1024,
    plugin: options.Plugins = None,
) -> None:
    """Serve a fine-tuned model, as a backend for Label Studio and a small HTTP API."""
    from socorpus.training import serve_model

    options.use(plugin)
    serve_model(model, host=host, port=port, workers=workers, batch=batch, queue=queue, say=view.say)
