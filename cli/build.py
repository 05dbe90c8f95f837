"""`socorpus build`, `inspect`, `status`, `verify`, `tokenize`, `report`, `explain` and `sample`."""

import json
import textwrap
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from socorpus.cli import labels, options, view
from socorpus.cli.choices import Form

if TYPE_CHECKING:
    from socorpus.corpus import Config, Corpus

_LABELS_SHOWN = 6
_SITES_SHOWN, _LINE, _VALUE = 5, 240, 40
_SOURCES = (
    "Dumps: .7z, .zip or .tar archives, folders of tables, tables (.xml, .csv, .jsonl, also .gz, .bz2, .zst; "
    ".parquet), or URLs of these."
)
_LICENCE = (
    "The posts are CC BY-SA: name their authors where you publish them. Dumps offered since July 2024 come "
    "with terms of their publisher; whether you meet them is yours to judge (docs/data-licence.md)."
)


def build(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the corpus.", show_default=False)],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help=_SOURCES,
            show_default=False,
        ),
    ] = None,
    site: Annotated[str | None, typer.Option(help="Name of the site, if the path does not have it.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file (keys: docs/configuration.md).")] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="default, or sobert: only answers, with their comments.",
            autocompletion=options.complete_build_preset,
        ),
    ] = "default",
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    plugin: options.Plugins = None,
    accept_unreadable: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="SHARE",
            help="Largest share of a table's rows that may be unreadable. Default: 0.01.",
        ),
    ] = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Build without weak labels.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be read and built, and stop.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Rebuild everything.")] = False,
    log: options.Log = None,
    diff: options.Compared = None,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Drop what a stopped build has done; the finished corpus stays.")
    ] = False,
) -> None:
    """Build a corpus from dumps: curated, aligned, deduplicated Parquet shards, and a report."""
    from socorpus.corpus import SocorpusWarning, load_config
    from socorpus.corpus import abandon as abandon_build
    from socorpus.corpus import build as build_corpus
    from socorpus.labeling import last_stage

    if abandon:
        dropped = abandon_build(out)
        view.out.print(f"{view.place(out)}: " + ("the stopped build is dropped" if dropped else "no stopped build"))
        return
    if not sources:
        raise typer.BadParameter("name at least one dump", param_hint="SOURCE")
    accepted = {} if accept_unreadable is None else {"read": {"accept_unreadable": accept_unreadable}}
    if dry_run:
        settings = load_config(config, preset, accepted, plugin or ())
        if not no_labels:
            last_stage.check(settings)
        _show_plan(sources, site, settings)
        return
    with view.stoppable(), view.logged(log, "build") as hear:
        settings = load_config(config, preset, accepted, plugin or ())
        first = not _is_finished(out)
        if first and diff is not None:
            view.say(f"socorpus: {view.place(out)}: no corpus before this build to compare with; {diff} is not written")
        with labels.compared(out, None if first else diff):
            with view.Stages(hear) as show:
                corpus = build_corpus(
                    sources,
                    out,
                    settings,
                    site=site,
                    workers=workers,
                    scheduler=scheduler,
                    force=force,
                    last=None if no_labels else last_stage,
                    show=show,
                )
            _show_result(corpus, show.ran)
            for warning in corpus.manifest.get("warnings", ()):
                warnings.warn(warning, SocorpusWarning, stacklevel=1)
            del corpus
    if first:
        view.out.print(_LICENCE, style="dim")


def _is_finished(folder: Path) -> bool:
    """Whether there is a corpus. It is not opened: a corpus that this process reads stays beside the one after it."""
    from socorpus.corpus import InputError, status

    try:
        return status(folder).whole
    except InputError:
        return False


def _show_plan(sources: list[str], site: str | None, config: "Config") -> None:
    from socorpus.corpus import plan_build, preview, to_toml

    plan = plan_build(sources, config, site=site)
    table = view.table("site", "tables", "XML", "buckets")
    for planned in plan.sites:
        of = next((str(bucket.of) for bucket in plan.buckets if bucket.site == planned.name), "no posts")
        names = ", ".join(sorted({part.table for part in planned.tables}))
        table.add_row(planned.name, names, view.size(sum(part.member.size for part in planned.tables)), of)
    view.out.print(table)
    looked = preview(sources, config, site=site)
    view.out.print("\nFirst rows:\n")
    shown = {planned.name for planned in plan.sites[:_SITES_SHOWN]}
    for part in (part for part in looked.tables if part.site in shown):
        if not part.rows and not part.looked_at and not part.warnings:
            view.out.print(f"{part.site} {part.table}: too deep in an archive for a look", markup=False)
        for row in part.rows:
            line = f"{part.site} {part.table}: {_short_row(row)}"
            view.out.print(textwrap.shorten(line, _LINE, placeholder=" …"), markup=False)
    if len(plan.sites) > len(shown):
        view.out.print(f"and {len(plan.sites) - len(shown):,} more sites")
    view.out.print("\nConfiguration:\n")
    view.out.print(to_toml(config), markup=False)
    for warning in (*plan.warnings, *looked.warnings):
        view.say(f"socorpus: {warning}")


def inspect(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help=_SOURCES, show_default=False)],
    site: Annotated[str | None, typer.Option(help="Name of the site, if the path does not have it.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file (keys: docs/configuration.md).")] = None,
    plugin: options.Plugins = None,
    json_: Annotated[bool, typer.Option("--json", help="Print all that is known as JSON.")] = False,
) -> None:
    """Show what dumps hold before anything is built: tables, rows, dates, columns, drift, what is odd, and the cost."""
    from socorpus.corpus import inspect as inspect_sources
    from socorpus.corpus import load_config

    inspection = inspect_sources(sources, load_config(config, "default", {}, plugin or ()), site=site)
    if json_:
        out = json.dumps(asdict(inspection), ensure_ascii=False, indent=1, default=_plain)
        typer.echo(out)
        return
    for looked in inspection.sites:
        _show_site(looked)
    for finding in inspection.findings:
        view.out.print(f"! {finding}", markup=False)
    cores = view.counted(inspection.cores, "core", "cores")
    view.out.print(
        f"a build here: about {view.duration(inspection.seconds)} on {cores}, labels included; "
        f"{view.size(inspection.disk_bytes)} of disk at most ({view.size(inspection.free_bytes)} are free), for a "
        f"corpus of {view.size(inspection.corpus_bytes)}",
        markup=False,
    )


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _show_site(looked: Any) -> None:
    """A site of an inspection: its tables, their columns and first rows, and what is odd."""
    facts = [fact for fact in (looked.name, looked.url, looked.language) if fact]
    facts += [f"released {looked.released}"] if looked.released else []
    view.out.print(f"{looked.site}{': ' if facts else ''}{', '.join(facts)}", markup=False, style="bold")
    table = view.table("table", "form", "bytes", "rows", "from", "to", "columns")
    for part in looked.tables:
        days = ["–" if date is None else f"{date:%Y-%m-%d}" for date in (part.begins, part.ends)]
        filled = sum(share > 0 for share in part.columns.values())
        rows = f"{'' if part.exact else '~'}{part.rows:,}"
        form = part.form if part.files == 1 else f"{part.form}, {part.files:,} files"
        table.add_row(part.table, form, view.size(part.bytes), rows, *days, f"{filled} of {len(part.columns)}")
    view.out.print(table)
    for part in looked.tables:
        empty = [column for column, share in part.columns.items() if not share]
        if part.sampled and empty:
            view.out.print(f"{part.table}: none of {part.sampled:,} rows has {', '.join(empty)}", markup=False)
        for row in part.first:
            line = f"{part.table}: {_short_row(row)}"
            view.out.print(textwrap.shorten(line, _LINE, placeholder=" …"), markup=False)
        for finding in part.findings:
            view.out.print(f"! {part.table}: {finding}", markup=False)
    for name, cost in looked.missing.items():
        view.out.print(f"no table of {name}: {cost}", markup=False)
    view.out.print()


def _short_row(row: Mapping[str, Any]) -> str:
    values = {
        name: value.isoformat(timespec="milliseconds").removesuffix("+00:00") if isinstance(value, datetime) else value
        for name, value in row.items()
    }
    texts = {name: f"{value}" for name, value in values.items()}
    short = {name: text if len(text) <= _VALUE else f"{text[:_VALUE]}…" for name, text in texts.items()}
    return view.printable(", ".join(f"{name} {text}" for name, text in short.items()))


def _show_result(corpus: "Corpus", ran: int) -> None:
    facts = corpus.manifest
    table = view.table("site", "rows", "unreadable", "posts", "documents", "kept", "dropped")
    entries = [*facts["sites"].items(), ("all", facts["totals"])]
    for name, site in entries if len(entries) > 2 else entries[:1]:
        figures = [sum(site["rows"].values()), site["quarantined"], site["posts"], site["documents"], site["kept"]]
        table.add_row(name, *map(view.number, [*figures, sum(site["dropped"].values())]))
    view.out.print(table)
    for note in _notes(facts["sites"]):
        view.out.print(note, markup=False)
    for name, changed in facts["changes"].items():
        counts = ", ".join(f"{changed[kind]:,} {kind}" for kind in ("new", "changed", "unchanged", "gone"))
        view.out.print(f"{name}: posts since the earlier build: {counts}")
    tokens = ", ".join(f"{name} {entry['tokens']:,}" for name, entry in facts["shards"].items())
    view.out.print(f"tokens: {tokens}; vocabulary {facts['tokenizer']['entries']:,}")
    for name, entry in facts.get("labels", {}).items():
        labels: Counter[str] = Counter()
        for counts in entry["labels"].values():
            labels.update(counts)
        most = [f"{label} {count:,}" for label, count in labels.most_common() if count]
        listed = ", ".join(most[:_LABELS_SHOWN]) + (", …" if len(most) > _LABELS_SHOWN else "")
        view.out.print(f"{name}: {listed or 'no label'}")
    unchanged = "" if ran else "   (nothing had changed)"
    view.out.print(f"corpus: {corpus.path}   report: {corpus.generation / 'report.html'}{unchanged}")


def _notes(sites: Mapping[str, Any]) -> list[str]:
    """What of a site's dump a reader of the figures may wonder about, although it is no fault."""
    notes = []
    for name, site in sites.items():
        if not site["rows"].get("posts"):
            notes.append(f"{name}: has no posts, so no documents")
        if count := site["absent"].get("body"):
            notes.append(
                f"{name}: {view.counted(count, 'deleted post has', 'deleted posts have')} no body: the text is empty"
            )
        if count := site["absent"].get("score"):
            notes.append(
                f"{name}: {view.counted(count, 'post has', 'posts have')} no score: 0 in documents, since dumps have "
                "left out zeros"
            )
        for table, repairs in site.get("repairs", {}).items():
            notes += [
                f"{name}: {view.counted(repair['rows'], 'row', 'rows')} of {table} had {kind}, now U+FFFD: first in "
                f"{repair['file']} at {repair.get('unit', 'byte')} {repair['offset']}"
                for kind, repair in repairs.items()
            ]
        for table, lost in site["quarantined_by_table"].items():
            if lost > 0.01 * (lost + site["rows"].get(table, 0)):
                notes.append(
                    f"{name}: {view.counted(lost, 'row', 'rows')} of {table} can't be read; "
                    f"quarantine/{name}.parquet has the reasons"
                )
    return notes


def status(corpus: options.Corpus) -> None:
    """Show the progress of a build, stage by stage."""
    from socorpus.corpus import status as build_status

    state = build_status(corpus)
    table = view.table("stage", "done", "of", "seconds")
    for stage in state.stages:
        table.add_row(stage.name, view.number(stage.done), view.number(stage.items), f"{stage.seconds:,.1f}")
    view.out.print(table)
    view.out.print(state.summary)


def verify(
    corpus: options.Corpus,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="MANIFEST", help="Another machine's MANIFEST.json: are the rows the same?", show_default=False
        ),
    ] = None,
) -> None:
    """Read every file of a finished corpus and hold it against its manifest."""
    from socorpus.corpus import verify as verify_corpus

    with view.stoppable(), view.Stages() as show:
        result = verify_corpus(corpus, against, show=show)
    for difference in result.differences:
        view.out.print(f"{difference.path}: {difference.what}", markup=False)
    counts = f"{result.files:,} files, {view.size(result.bytes)}, {len(result.differences):,} differ"
    view.out.print(f"{view.place(corpus)}: {counts}")
    if result.differences:
        advice = "the command of the build makes again what is missing or changed; remove what is extra by hand"
        view.err.print(f"socorpus: {advice}", markup=False)
        raise typer.Exit(1)


def tokenize(
    corpus: options.Corpus,
    tokenizer: Annotated[
        Path,
        typer.Option(
            "--tokenizer", metavar="PATH", help="Folder with a tokenizer.json, such as a model's.", show_default=False
        ),
    ],
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    force: Annotated[bool, typer.Option("--force", help="Make the tokens again.")] = False,
) -> None:
    """Make the shards' tokens with another tokenizer, beside the corpus's own."""
    from socorpus.corpus import tokenize as tokenize_corpus

    with view.stoppable(), view.Stages() as show:
        entry = tokenize_corpus(corpus, tokenizer, workers=workers, scheduler=scheduler, force=force, show=show)
    if entry["folder"] == "shards":
        view.say(f"{view.place(tokenizer)} is the corpus's own tokenizer: its tokens are those of the shards")
    table = view.table("split", "files", "documents", "tokens", "in code")
    for split, counts in entry["splits"].items():
        table.add_row(split, *(view.number(counts.get(name, 0)) for name in ("files", "rows", "tokens", "code_tokens")))
    view.out.print(table)
    view.out.print(view.place(corpus / entry["folder"]), markup=False)


def report(corpus: options.Corpus, plugin: options.Plugins = None) -> None:
    """Rewrite report.html of a finished corpus."""
    from socorpus.labeling import write_report

    options.use(plugin, corpus, reads=("signals", "labels"))
    view.out.print(str(write_report(corpus)))


def explain(
    corpus: options.Corpus,
    post: Annotated[str, typer.Argument(metavar="SITE:ID", help="The post, such as beer.stackexchange.com:12.")],
    plugin: options.Plugins = None,
) -> None:
    """Show all that is known of a post: why it was kept or dropped, its duplicates, signals and labels."""
    from socorpus.corpus import explain as explain_post
    from socorpus.labeling import explain_labels

    options.use(plugin, corpus, reads=("signals", "labels"))
    story = explain_post(corpus, post)
    for line in [str(story), *explain_labels(corpus, story.key)]:
        view.out.print(line, markup=False)
    if story.post is None and not story.quarantined:
        raise typer.Exit(1)


def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.", show_default=False)],
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads.")] = None,
    size_mb: Annotated[int | None, typer.Option(min=1, help="Target size in MB of XML (instead of --threads).")] = None,
    seed: Annotated[int, typer.Option(help="Random seed; equal seeds give equal bytes.")] = 1,
    form: Annotated[list[Form] | None, typer.Option(help="Form of a site. Repeatable.")] = None,
) -> None:
    """Write a synthetic dump with known truth, for trying things out, tests and benchmarks."""
    from socorpus.corpus import write_sample

    forms = [chosen.value for chosen in form or ()]
    truth = write_sample(folder, threads=threads, size_mb=size_mb, seed=seed, forms=forms)
    for site in truth.sites:
        rows = sum(site.rows.values())
        view.out.print(f"{folder / site.site}: {view.number(rows)} rows, {view.size(site.bytes)} of XML")
