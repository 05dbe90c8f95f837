"""`socorpus labeling apply`, `analyze`, `export`, `accuracy`, `slices`, `diff`, `try`; `publish`, `forget`, `diff`."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from socorpus.cli import options, studio, view
from socorpus.cli.choices import Format, More, PublishedFormat, Slicing, Tokens

if TYPE_CHECKING:
    from socorpus.corpus import Corpus
    from socorpus.labeling import Analysis, Diff, Forgotten, LabelDiff, Recall, Share, Trial

_ERRORS_SHOWN, _CHANGES_SHOWN, _KEYS_SHOWN = 10, 10, 5
_ROWS_SHOWN = 40
_EVIDENCE_SHOWN = 300
"""Characters of a vote's evidence."""


def apply(
    corpus: options.Corpus,
    task: options.Tasks = None,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    plugin: options.Plugins = None,
    without_plugin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Take a plug-in out of the corpus, such as shouted.py. Repeatable.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Label everything again.")] = False,
    log: options.Log = None,
    diff: options.Compared = None,
) -> None:
    """Run the labelling functions, combine their votes, and put people's labels first."""
    from socorpus.labeling import apply as apply_labels

    with view.stoppable(), view.logged(log, "labeling apply") as hear:
        options.use(plugin, corpus, needed=True, reads=("signals",), without=without_plugin)
        with compared(corpus, diff):
            with view.Stages(hear) as show:
                labelled = apply_labels(
                    corpus,
                    task,
                    workers=workers,
                    scheduler=scheduler,
                    force=force,
                    without_plugins=without_plugin or (),
                    show=show,
                )
            _show_labels(labelled, show.ran)
            del labelled


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
    more: Annotated[
        list[More] | None,
        typer.Option(
            "--with",
            help="Further columns: the probabilities of all labels, or the votes with their evidence. Repeatable.",
            show_default=False,
        ),
    ] = None,
    plugin: options.Plugins = None,
) -> None:
    """Export the labels as JSON Lines, CoNLL or a Hugging Face dataset folder; people's labels come first."""
    from socorpus.labeling import export_labels

    options.use(plugin, corpus)
    cut = tokens.value if tokens is not None else None
    columns = [column.value for column in more or ()]
    written = export_labels(corpus, task, out, form.value, least=least, tokens=cut, more=columns)
    texts, labels = view.counted(written.examples, "text", "texts"), view.counted(written.labels, "label", "labels")
    view.out.print(f"{view.place(out)}: {texts}, {labels}")


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
    _show_forgotten(done, dry_run)


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
        if withheld := sum(count for rivals in entry.get("withheld", {}).values() for count in rivals.values()):
            differ += f"; no label on {withheld:,}, where another label is as likely, or one without votes likelier"
        silent = f"no vote on {entry['without_vote']:,}; " if entry.get("without_vote") else ""
        view.out.print(f"{name}: {sum(entry['examples'].values()):,} examples, {silent}{differ}{people}")
    view.out.print(f"labels: {corpus.path / 'labels'}" + ("" if ran else "   (nothing had changed)"))


def _show_analysis(analysis: "Analysis") -> None:
    head, rows = analysis.functions()
    table = view.table(*head)
    for row in rows:
        table.add_row(row[0], view.number(row[1]), *row[2:])
    view.out.print(table)
    for head, rows in (analysis.costs(), analysis.leaks(), analysis.agreement(), analysis.reliability()):
        if rows:
            table = view.table(*head)
            for row in rows:
                table.add_row(*map(str, row))
            view.out.print(table)
    if errors := analysis.likely_errors()[:_ERRORS_SHOWN]:
        view.out.print("Labels that are probably wrong, the likeliest of each label in turn:")
    for error in errors:
        view.out.print(f"{error['key']}: {error['label']}, rather {error['rather']} ({error['probability']:.2f})?")
    for sentence in analysis.summary():
        view.out.print(sentence, markup=False)
    view.out.print()


def accuracy(
    corpus: options.Corpus,
    task: options.Task,
    slices: Annotated[
        list[Slicing] | None, typer.Option("--by", help="Slices to show too. Repeatable.", show_default=False)
    ] = None,
    gold: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Compare with gold labels: CSV, JSON Lines or Parquet by site and post_id, the public CSV of question "
            "quality, or an annotated file of entities.",
            show_default=False,
        ),
    ] = None,
    plugin: options.Plugins = None,
) -> None:
    """Accuracy of the labels by label and slice, from posts that people judged without a suggestion, or gold labels."""
    from socorpus.labeling import accuracy as measure

    options.use(plugin, corpus)
    result = measure(corpus, task, gold)
    view.out.print(f"{task}, compared with {gold or result.source}", markup=False)
    _shares(task, {**result.labels, "all": result.whole})
    _recall(result.recall)
    for way in slices or ():
        _shares(way.value, result.slices[way.value])
    if gold is None:
        view.out.print(
            "posts judged without a suggestion, weighed to stand for all labels; analyze counts all judgements as they "
            "are"
        )
    if result.unseen:
        view.out.print(f"nothing is known of {100 * result.unseen:.1f}% of the labels: no post of theirs was judged")
    if result.measured is not None:
        facts = result.measured
        view.out.print(
            f"log loss {facts['log_loss']:.3f}, that of a constant {facts['constant']:.3f}; expected calibration error "
            f"{facts['ece']:.3f}"
        )
        table = view.table("probability", "judged", "stated", "right")
        for row in facts["reliability"]:
            bounds = f"{row['from']:.1f} to {row['to']:.1f}"
            table.add_row(bounds, view.number(row["items"]), f"{row['stated']:.3f}", f"{row['right']:.3f}")
        view.out.print(table)
    for note in result.notes:
        view.err.print(note, markup=False)


def _shares(head: str, shares: "Mapping[str, Share]") -> None:
    table = view.table(head, "labels", "judged", "right", "accuracy", "95% interval", "more for ±0.05")
    empty = [name for name, share in shares.items() if not share.items and not share.judged]
    for name, share in shares.items():
        if name in empty:
            continue
        value = "–" if share.share is None else f"{share.share:.3f}"
        interval = f"{share.low:.3f} to {share.high:.3f}"
        counts = (view.number(count) for count in (share.items, share.judged, share.right))
        table.add_row(name, *counts, value, interval, view.number(share.more))
    view.out.print(table)
    if empty:
        view.out.print(f"no label here: {', '.join(empty)}", markup=False)


def _recall(recall: "Mapping[str, Recall]") -> None:
    table = view.table("label of gold", "gold", "labelled", "right", "recall", "95% interval")
    for name, counts in recall.items():
        if counts.share is not None:
            low, high = counts.bounds
            figures = (view.number(count) for count in (counts.gold, counts.labelled, counts.right))
            table.add_row(name, *figures, f"{counts.share:.3f}", f"{low:.3f} to {high:.3f}")
    if table.row_count:
        view.out.print(table)


def slices(
    corpus: options.Corpus,
    task: options.Task,
    by: Annotated[Slicing, typer.Option("--by", help="Way of slicing.")] = Slicing.TAG,
    plugin: options.Plugins = None,
) -> None:
    """Labels by tag, year, site or length of the text."""
    from socorpus.labeling import label_slices

    options.use(plugin, corpus)
    table = view.table(by.value, "examples", "labelled", "votes differ", "probability", "by people", "labels")
    table.columns[-1].no_wrap = False
    for row in label_slices(corpus, task, by.value):
        # Without a space in them pairs are not broken where a line of the cell ends.
        labels = ", ".join(f"{label}={count:,}" for label, count in row["labels"].items())
        probability = "–" if row["probability"] is None else f"{row['probability']:.2f}"
        figures = (view.number(row[name]) for name in ("examples", "labelled", "conflicts"))
        table.add_row(row["slice"], *figures, probability, view.number(row["people"]), labels)
    view.out.print(table)


def diff(
    old: Annotated[Path, typer.Argument(help="Folder of a labelled corpus.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="Folder of another.", show_default=False)],
    task: options.Tasks = None,
    plugin: options.Plugins = None,
) -> None:
    """Labels that changed between two corpora: which, by the votes of which function, and where."""
    from socorpus.labeling import diff_labels

    options.use(plugin, new)
    for changes in diff_labels(old, new, task).values():
        _show_label_diff(changes, (view.place(old), view.place(new)))


def _show_label_diff(changes: "LabelDiff", titles: Sequence[str]) -> None:
    view.out.print(
        f"{changes.task}: {changes.changed:,} labels changed, {changes.same:,} are the same, {changes.moved:,} of "
        f"these with another probability ({changes.raised:,} higher, {changes.lowered:,} lower)"
    )
    for title, sites in zip(titles, (changes.gone, changes.added), strict=True):
        if sites:
            view.out.print(f"only in {title}: {', '.join(sites)}", markup=False)
    pairs: Counter[str] = Counter()
    for (was, now), count in changes.pairs.items():
        pairs[f"{was or 'no label'} -> {now or 'no label'}"] += count
    for head, counts in (("change", pairs), ("function", changes.causes), ("site", changes.sites)):
        if counts:
            table = view.table(head, "labels")
            for entry, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
                table.add_row(entry, view.number(count))
            view.out.print(table)
            if counts is changes.causes and counts.total() > changes.changed:
                view.out.print("a label on which the votes of several functions differ counts for each of them")
    if changes.votes:
        table = view.table("votes of", "new", "gone", "changed")
        for function, counts in sorted(changes.votes.items()):
            muted = ", ".join(changes.not_counted.get(function, ()))
            mark = f" (not counted: {muted})" if muted else ""
            table.add_row(f"{function}{mark}", *(view.number(counts[kind]) for kind in ("new", "gone", "changed")))
        view.out.print(table)
    if changes.functions:
        table = view.table("function", "old version", "new version", "old accuracy", "new accuracy")
        for of in changes.functions:
            versions = ("–" if version is None else f"{version}" for version in (of.old_version, of.new_version))
            shares = ("–" if share is None else f"{share:.3f}" for share in (of.old_accuracy, of.new_accuracy))
            table.add_row(of.function, *versions, *shares)
        view.out.print(table)
    for change in changes.examples[:_CHANGES_SHOWN]:
        place = f" {change.start}-{change.end}" if change.start is not None else ""
        sides = ((change.old, change.old_probability), (change.new, change.new_probability))
        was, now = (f"{label} {value:.2f}" if label and value is not None else "no label" for label, value in sides)
        view.out.print(f"{change.key}{place}: {was} -> {now}, by {', '.join(change.causes)}", markup=False)


def diff_(
    old: Annotated[Path, typer.Argument(help="Folder of a corpus.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="Folder of another.", show_default=False)],
    task: options.Tasks = None,
    examples: Annotated[
        int, typer.Option(min=0, metavar="N", help="Posts to show of each kind of move and pair of rules.")
    ] = 3,
    list_: Annotated[
        Path | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help="Write all posts that moved to this file: .parquet, .csv or .jsonl.",
            show_default=False,
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PAGE", help="Write an HTML page that opens offline.", show_default=False),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with exit code 1 if anything differs, as git diff does.")
    ] = False,
    plugin: options.Plugins = None,
) -> None:
    """Show what changed between two corpora: configuration, rows by rule, posts that moved, labels, distributions."""
    from socorpus.labeling import diff as diff_corpora

    options.use(plugin, new)
    changes = diff_corpora(old, new, tasks=task, examples=examples, moves=list_, page=page)
    if json_:
        typer.echo(json.dumps(changes.as_dict(), ensure_ascii=False, indent=1, default=str))
    else:
        _show_diff(changes)
    for path in (list_, page):
        if path is not None and not json_:
            view.out.print(str(path), markup=False)
    if exit_code and changes.differs:
        raise typer.Exit(1)


@contextmanager
def compared(corpus: Path, page: Path | None) -> Iterator[None]:
    """A block that changes a finished corpus; what changed is shown behind it and written to a page if one is named."""
    if page is None:
        yield
        return
    from socorpus.corpus import BuildError, Corpus, abandon
    from socorpus.labeling import diff as diff_corpora

    before: Corpus | None = Corpus(corpus)  # whose files stay for as long as it is here
    yield
    changes = diff_corpora(before or corpus, corpus, page=page)
    before = None
    with suppress(BuildError):  # another command is at work, and removes the old files by itself
        abandon(corpus)
    view.out.print()
    _show_diff(changes)
    view.out.print(str(page), markup=False)


def _show_diff(changes: "Diff") -> None:
    titles, corpus = changes.titles, changes.corpus
    if not changes.differs:
        view.out.print(f"{titles[0]} and {titles[1]}: no difference: sources, configuration and all rows are the same")
        return
    view.out.print(f"old: {titles[0]}   new: {titles[1]}", markup=False)
    facts = [fact for fact in corpus.facts if fact.differs or fact.name in ("documents", "kept")]
    for head, entries in (
        ("fact", facts),
        ("key", corpus.configuration),
        ("source, bytes", corpus.sources),
        ("other rows in", corpus.tables),
    ):
        if entries:
            table = view.table(head, "old", "new")
            for fact in entries:
                table.add_row(fact.name, *(_short(value) for value in (fact.old, fact.new)))
            view.out.print(table)
    _show_rules(changes)
    for move in corpus.examples:
        way = f"{move.old_reason or 'kept'} -> {move.new_reason or 'kept'}"
        if move.move in ("gone", "new", "text"):
            way = move.old_reason or move.new_reason or "kept"
        evidence = json.dumps(dict(move.evidence), ensure_ascii=False)[:_EVIDENCE_SHOWN] if move.evidence else ""
        title = view.printable(move.title or move.text[:80])
        view.out.print(f"{move.key}: {move.move}, {way} {evidence} {title}".replace("  ", " "), markup=False)
    for side, names in zip(titles, changes.only, strict=True):
        if names:
            view.out.print(f"labels only in {side}: {', '.join(names)}", markup=False)
    for labels in changes.labels.values():
        if labels.differs:
            view.out.print()
            _show_label_diff(labels, titles)
        else:
            view.out.print(f"{labels.task}: all {labels.same:,} labels are the same")
    view.out.print()
    table = view.table("distribution", "old mean", "new mean", "distance in bits")
    for of in (*corpus.distributions, *(labels.distribution for labels in changes.labels.values())):
        means = ("–" if mean is None else f"{mean:,.2f}" for mean in of.means or (None, None))
        table.add_row(of.name, *means, "–" if of.distance is None else f"{of.distance:.4f}")
    view.out.print(table)


def _show_rules(changes: "Diff") -> None:
    """Documents by rule where their number is another, and the posts that moved."""
    rows = [row for row in changes.corpus.rows if row.old != row.new]
    if rows:
        table = view.table("site", "rule", "old", "new", "difference")
        for row in rows[:_ROWS_SHOWN]:
            figures = (view.number(row.old), view.number(row.new), f"{row.new - row.old:+,}")
            table.add_row(row.site, row.reason, *figures)
        view.out.print(table)
    counts = changes.corpus.counts
    if counts:
        table = view.table("site", "move", "old rule", "new rule", "text", "posts")
        for count in counts[:_ROWS_SHOWN]:
            text = "–" if count.edited is None else "another" if count.edited else "the same"
            rules = (count.old_reason or "–", count.new_reason or "–")
            table.add_row(count.site, count.move, *rules, text, view.number(count.posts))
        view.out.print(table)
    for shown in (rows, counts):
        if len(shown) > _ROWS_SHOWN:
            view.out.print(f"… and {len(shown) - _ROWS_SHOWN:,} more rows; --json has all")


def _short(value: object) -> str:
    if value is None:
        return "–"
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else f"{value}"
    return view.printable(text if len(text) <= _VALUE_SHOWN else f"{text[:_VALUE_SHOWN]}…")


_VALUE_SHOWN = 60


def try_(
    file: Annotated[str, typer.Argument(help="A plug-in with labelling functions: a Python file, or a module.")],
    corpus: options.Corpus,
    most: Annotated[int, typer.Option(min=1, help="Most examples to try on: the first ones of the corpus.")] = 2000,
    plugin: options.Plugins = None,
) -> None:
    """Try labelling functions of a file on some posts of a corpus; nothing is written."""
    from socorpus.corpus import use_plugins
    from socorpus.labeling import try_functions

    use_plugins([file, *(plugin or ())], corpus, reads=())
    for trial in try_functions(Path(file).name if file.endswith(".py") or "/" in file else file, corpus, most=most):
        _show_trial(trial)


def _show_trial(trial: "Trial") -> None:
    labels = ", ".join(f"{label} {count:,}" for label, count in trial.labels.items()) or "none"
    cast, on = view.counted(trial.votes, "vote", "votes"), view.counted(trial.examples, "example", "examples")
    view.out.print(f"{trial.function}: {cast} on {on} ({labels})")
    view.out.print(trial.which, markup=False)
    table = view.table("", "votes", "share")
    rows = {
        "examples with a vote": (trial.covered, trial.examples),
        "another function votes too": (trial.overlap, trial.votes),
        "another votes differently": (trial.conflict, trial.votes),
        "the corpus has a label": (trial.labelled, trial.votes),
        "its label is another": (trial.unlike, trial.votes),
        "as people judged": (trial.right, trial.judged),
    }
    for name, (part, whole) in rows.items():
        table.add_row(name, view.number(part), f"{100 * part / whole:.1f}%" if whole else "–")
    view.out.print(table)
    for note in trial.notes:
        view.out.print(note, markup=False)
    for sample in trial.samples:
        others = f", others {', '.join(sample['others'])}" if sample["others"] else ""
        evidence = json.dumps(sample["evidence"], ensure_ascii=False)
        if (more := len(evidence) - _EVIDENCE_SHOWN) > 0:
            evidence = f"{evidence[:_EVIDENCE_SHOWN]}… ({more:,} more characters)"
        view.out.print(f"{sample['key']}: {sample['label']}{others}; {sample['text']!r} {evidence}", markup=False)


def _show_forgotten(done: "Forgotten", dry_run: bool) -> None:
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
    more = f" and {len(keys) - _KEYS_SHOWN:,} more" if len(keys) > _KEYS_SHOWN else ""
    return ", ".join(keys[:_KEYS_SHOWN]) + more
