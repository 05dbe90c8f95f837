"""`socorpus forget`: posts, comments and authors out of a corpus and of all that was made of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from socorpus.cli import options, studio, view

if TYPE_CHECKING:
    from socorpus.labeling import Forgotten

_SHOWN = 5


def forget(
    corpus: options.Corpus,
    names: Annotated[
        Path | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help="What to remove: SITE:ID, SITE:user:ID, SITE:comment:ID or an address a line; or CSV, JSON Lines.",
            show_default=False,
        ),
    ] = None,
    gone: Annotated[
        list[str] | None,
        typer.Option(metavar="DUMP", help="Remove posts that this newer dump lacks. Repeatable.", show_default=False),
    ] = None,
    threads: Annotated[bool, typer.Option("--threads", help="With a post of the list its whole thread goes.")] = False,
    published: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER", help="A published folder to make anew without it. Repeatable.", show_default=False
        ),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Where runs and models lie, beside the corpus's runs: what learned from it is told. Repeatable.",
            show_default=False,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="Address of the Label Studio server; its token is read from LABEL_STUDIO_API_KEY, or asked for."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Remove nothing: prove that nothing of what was removed is left.")
    ] = False,
    lift: Annotated[
        bool, typer.Option("--lift", help="Remove nothing: let later builds take in again what the list names.")
    ] = False,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    plugin: options.Plugins = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and stop.")] = False,
) -> None:
    """Remove posts and authors from a corpus, its labels, Label Studio and published folders, and keep a record."""
    from socorpus.labeling import check_forgotten, lift_forgotten
    from socorpus.labeling import forget as forget_posts

    if check:
        if left := check_forgotten(corpus):
            for line in left:
                view.out.print(line, markup=False)
            view.say(f"{view.place(corpus)}: {view.counted(len(left), 'place has', 'places have')} something left")
            raise typer.Exit(1)
        view.out.print(f"{view.place(corpus)}: nothing of what was removed is left")
        return
    if lift:
        if names is None:
            raise typer.BadParameter("name what to lift", param_hint="--list")
        lifted = lift_forgotten(corpus, names)
        view.out.print(f"{view.counted(len(lifted), 'removal is', 'removals are')} lifted: {_some(lifted)}")
        view.out.print("they come back with the next socorpus build of a dump that has them")
        return
    options.use(plugin, corpus, needed=True, reads=("signals", "labels"))
    with view.stoppable(), view.Stages() as show:
        done = forget_posts(
            corpus,
            names,
            gone=gone or (),
            threads=threads,
            published=published or (),
            runs=runs or (),
            url=url,
            ask=studio.ask,
            say=view.say,
            workers=workers,
            scheduler=scheduler,
            dry_run=dry_run,
            show=show,
        )
    _show(done, dry_run)


def _show(done: "Forgotten", dry_run: bool) -> None:
    if done.counts:
        what = ", ".join(view.counted(count, kind, f"{kind}s") for kind, count in done.counts.items() if count)
        view.out.print(f"{'would be removed' if dry_run else 'removed'}: {what or 'nothing'}")
    if done.rows:
        table = view.table("table", "rows before", "rows now")
        for name, (before, after) in done.rows.items():
            if before != after:
                table.add_row(name, view.number(before), view.number(after))
        if table.row_count:
            view.out.print(table)
    for keys, sentence in (
        (done.absent, "in no table of the corpus, and so not removed"),
        (done.changed, "stay, without comments that go, or without the title of their question"),
        (
            done.twins,
            "had been dropped as duplicates of posts that go, and are judged anew; list them too, if they shall go",
        ),
    ):
        if keys:
            view.out.print(f"{_some(keys)}: {sentence}", markup=False)
    for path, rows in done.annotations.items():
        view.out.print(f"{path}: {view.counted(rows, 'vote', 'votes')} less", markup=False)
    for project, tasks in done.tasks.items():
        view.out.print(f"Label Studio, project {project}: {view.counted(tasks, 'task', 'tasks')} deleted")
    for folder in done.published:
        view.out.print(f"{'would be made anew' if dry_run else 'made anew'}: {folder}", markup=False)
    for folder, name in done.hub.items():
        view.say(
            f"{name} on the hub is as it was: send {folder} again (socorpus publish --push {name}), and squash its "
            "history, which keeps old files (docs/forget.md)"
        )
    for entry in done.trained:
        how = (
            f"learned from the corpus as it was, which has {'at least ' if entry['posts'] else ''}"
            f"{view.counted(entry['posts'], 'removed post', 'removed posts')} in its shards"
            if entry["fingerprint"] is not None
            else "was fine-tuned on labels of a corpus of this name, and may have read removed posts"
        )
        view.say(f"{entry['kind']} {entry['folder']}: {how}; only training it anew removes that")
    for line in done.pending:
        view.say(f"left to do: {line}")
    if done.record is not None:
        view.out.print(f"record: {view.place(done.record)}")


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN:,} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more
