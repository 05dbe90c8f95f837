"""`socorpus build`, `status`, `report`, `explain` and `sample`."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from socorpus.cli import view

_LABELS_SHOWN = 6

Corpus = Annotated[Path, typer.Argument(help="Folder of the corpus.", show_default=False)]


def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Dumps: .7z archives, folders of tables, tables (.xml, .gz, .bz2, .zst), or addresses of these.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the corpus.", show_default=False)],
    site: Annotated[str | None, typer.Option(help="Name of the site, where the path does not tell it.")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file; docs/configuration.md lists its keys.")] = None,
    preset: Annotated[str, typer.Option(help="default, or sobert: answers with their comments.")] = "default",
    workers: Annotated[
        int | None, typer.Option(min=0, help="Worker processes; 0 runs in this one. Default: the machine's cores.")
    ] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a running Dask scheduler.")] = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Leave out the weak labels.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be read and built, and stop.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Build everything again.")] = False,
) -> None:
    """Build a corpus from dumps: curated, aligned, deduplicated Parquet shards, and a report."""
    from socorpus.corpus import build_state, manifest, pipeline
    from socorpus.corpus import config as configs
    from socorpus.corpus import plan as planning
    from socorpus.corpus.dump import sources as found
    from socorpus.corpus.engine.executor import Engine
    from socorpus.labeling import pipeline as labels

    settings = configs.load(config, preset)
    sites = found.discover(sources, site)
    if dry_run:
        _show_plan(planning.plan(sites, settings), settings)
        return
    if force:
        build_state.forget(out)
    first = manifest.load(out) is None
    # Workers of a running scheduler have current folders of their own.
    root = out.absolute()
    last = None if no_labels else labels.last_stage
    try:
        with view.Stages() as show, Engine(root, workers, scheduler, show) as engine:
            facts = pipeline.build(root, sites, settings, engine, last)
    except KeyboardInterrupt:
        view.err.print("socorpus: stopped; what is finished is kept, and the same command goes on from there")
        raise typer.Exit(130) from None
    _show_result(out, facts, engine.ran)
    if first:
        view.out.print(
            "The posts are CC BY-SA: name their authors where you publish them. Dumps offered since July 2024 come "
            "with terms of their publisher; whether you meet them is yours to judge (docs/data-licence.md).",
            style="dim",
        )


def _show_plan(plan: Any, settings: Any) -> None:
    table = view.table("site", "tables", "XML", "buckets")
    for site in plan.sites:
        of = next((str(bucket.of) for bucket in plan.buckets if bucket.site == site.name), "no posts")
        names = ", ".join(sorted(table.table for table in site.tables))
        table.add_row(site.name, names, view.size(sum(t.member.size for t in site.tables)), of)
    view.out.print(table)
    from socorpus.corpus.toml_config import to_toml

    view.out.print("\nConfiguration:\n")
    view.out.print(to_toml(settings), markup=False)


def _show_result(out: Path, facts: Mapping[str, Any], ran: int) -> None:
    table = view.table("site", "rows", "unreadable", "posts", "documents", "kept", "dropped")
    entries = [*facts["sites"].items(), ("all", facts["totals"])]
    for name, site in entries if len(entries) > 2 else entries[:1]:
        figures = [sum(site["rows"].values()), site["quarantined"], site["posts"], site["documents"], site["kept"]]
        table.add_row(name, *map(view.number, [*figures, sum(site["dropped"].values())]))
    view.out.print(table)
    for name, changed in facts["changes"].items():
        counts = ", ".join(f"{changed[kind]:,} {kind}" for kind in ("new", "changed", "unchanged", "gone"))
        view.out.print(f"{name}: posts since the earlier build: {counts}")
    shards = facts["shards"]
    tokens = ", ".join(f"{name} {entry['tokens']:,}" for name, entry in shards.items())
    view.out.print(f"tokens: {tokens}; vocabulary {facts['tokenizer']['entries']:,}")
    for name, entry in facts.get("labels", {}).items():
        found: Counter[str] = Counter()
        for counts in entry["labels"].values():
            found.update(counts)
        most = [f"{label} {count:,}" for label, count in found.most_common() if count]
        told = ", ".join(most[:_LABELS_SHOWN]) + (", …" if len(most) > _LABELS_SHOWN else "")
        view.out.print(f"{name}: {told or 'no label'}")
    view.out.print(f"corpus: {out}   report: {out / 'report.html'}" + ("" if ran else "   (nothing had changed)"))


def status(corpus: Corpus) -> None:
    """Say where a build stands."""
    from socorpus.corpus import build_state

    state = build_state.status(corpus)
    table = view.table("stage", "done", "of", "seconds")
    for stage in state.stages:
        table.add_row(stage.name, view.number(stage.done), view.number(stage.tasks), f"{stage.seconds:,.1f}")
    view.out.print(table)
    view.out.print(state.summary)


def report(corpus: Corpus) -> None:
    """Write report.html again from a finished corpus."""
    from socorpus.corpus import manifest
    from socorpus.corpus.errors import InputError
    from socorpus.corpus.report import page as report_page
    from socorpus.labeling.analysis import report_sections

    facts = manifest.load(corpus)
    if facts is None:
        raise InputError(f"{corpus}: no finished corpus (no MANIFEST.json); run socorpus build first")
    report_page.write(corpus, facts, report_sections.SECTIONS)
    view.out.print(str(corpus / "report.html"))


def explain(
    corpus: Corpus,
    post: Annotated[str, typer.Argument(metavar="SITE:ID", help="The post, such as beer.stackexchange.com:12.")],
) -> None:
    """Tell everything that is known of one post: why it was kept or dropped, its twin, its marks, its labels."""
    from socorpus.corpus import story as stories
    from socorpus.labeling.analysis import explain as analysis_explain

    story = stories.find(corpus, post)
    for line in [*stories.lines(story), *analysis_explain.lines(corpus, story.key)]:
        view.out.print(line, markup=False)


def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.", show_default=False)],
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads.")] = None,
    size_mb: Annotated[int | None, typer.Option(min=1, help="Megabytes of XML, instead.")] = None,
    seed: Annotated[int, typer.Option(help="Seed; equal seeds give equal bytes.")] = 1,
    form: Annotated[
        list[str] | None,
        typer.Option(help="Form of a site (modern, spring2024, area51, deleted, pipes, plain); may be given again."),
    ] = None,
) -> None:
    """Write a made-up dump with known truth: for trying things out, tests and benchmarks."""
    from socorpus.corpus.errors import InputError
    from socorpus.corpus.sample import writer as sample_writer

    if unknown := [name for name in form or () if name not in sample_writer.FORMS]:
        raise InputError(f"form {unknown[0]!r} is not known; there are {', '.join(sample_writer.FORMS)}")
    forms = [sample_writer.FORMS[name] for name in form] if form else sample_writer.DEMO
    truth = sample_writer.write(folder, threads=threads, size_mb=size_mb, seed=seed, sites=forms)
    for site in truth.sites:
        rows = sum(site.rows.values())
        view.out.print(f"{folder / site.site}: {view.number(rows)} rows, {view.size(site.bytes)} of XML")
