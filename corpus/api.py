"""The functions of `socorpus.corpus`, the package's Python API.

Each imports its dependencies when it is called: some take seconds.
"""

import os
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socorpus.corpus import config as configs
from socorpus.corpus.config import Config, load
from socorpus.corpus.errors import InputError, SocorpusWarning
from socorpus.corpus.storage.boundary import (
    corpus_output,
    corpus_place,
    guarded,
    local,
    local_output,
    refuse_special,
)

if TYPE_CHECKING:
    from socorpus.corpus.dump.inspection import Inspection
    from socorpus.corpus.dump.preview import Preview
    from socorpus.corpus.dump.sources import Site
    from socorpus.corpus.engine.build_state import Status
    from socorpus.corpus.engine.verification import Verification
    from socorpus.corpus.engine.work import Progress
    from socorpus.corpus.finished import Corpus
    from socorpus.corpus.pipeline import LastStage
    from socorpus.corpus.plan import BuildPlan
    from socorpus.corpus.report.story import Story
    from socorpus.corpus.sample.writer import Truth

Location = str | os.PathLike[str]
"""A folder or file: a path, as text or not, or an open `Corpus`."""
Sources = Location | Sequence[Location]
"""Dumps: .7z, .zip and .tar archives, folders of tables, tables (.xml, .csv, .jsonl, also .gz, .bz2, .zst; .parquet),
or addresses of these; `NAME:PATH` by a plug-in's source."""


@guarded
def discover(sources: Sources, site: str | None = None) -> "list[Site]":
    """The sites and tables that sources hold.

    Args:
        site: name of the site, where the path does not name it.

    Raises:
        InputError: a source isn't there, or holds no tables.

    Examples:
        >>> [site] = discover("dump/modern.example.com")
        >>> site.name, sorted(table.table for table in site.tables)[:3]
        ('modern.example.com', ['badges', 'comments', 'history'])
    """
    from socorpus.corpus.dump import sources as dump_sources

    given = [sources] if isinstance(sources, str | os.PathLike) else sources
    return dump_sources.discover([os.fspath(source) for source in given], site)


@guarded
def load_config(
    path: Location | None = None,
    preset: str = "default",
    overrides: Mapping[str, Any] | None = None,
    more_plugins: Sequence[str] = (),
) -> Config:
    """The configuration of a preset, then of a TOML file, then of `overrides` (nested like the file).

    The plug-ins that it names become the active ones; where it has no key `plugins`, those that are active stay.

    Args:
        path: a TOML file, such as the `socorpus.toml` that a build wrote; or a MANIFEST.json, whose corpus is to be
            made again. Plug-ins that a manifest names are never looked for: they must be active, in `more_plugins` (or
            `overrides`), or of installed packages.
        more_plugins: plug-ins beside those of the file; files are relative to the working directory.

    Raises:
        InputError: names the file, the key, what was expected, and the nearest known key; what is wrong with a
            plug-in; or the plug-in of a manifest that has to be named.

    Examples:
        >>> load_config(preset="sobert", overrides={"near": {"threshold": 0.9}}).selection.kinds
        ('answer',)
    """
    from socorpus.corpus import toml_config
    from socorpus.corpus.storage import manifest_file, plugin_memory

    if path is not None and Path(path).suffix == ".json":
        given = manifest_file.read(Path(path))["config"]
        if not isinstance(given, dict):
            raise InputError(f"{path}: not a corpus's manifest: its configuration is {given!r}")
        own = plugin_memory.of_manifest(Path(path), given, overrides or {}, more_plugins)
        values = toml_config.merge({**given, "plugins": own}, overrides or {})
        return configs.load(None, preset, values, more_plugins, plugin_memory.remembered)
    if path is not None:
        refuse_special(path)
    return configs.load(path, preset, overrides, more_plugins, plugin_memory.remembered)


@guarded
def plan_build(sources: Sources, config: Config | None = None, *, site: str | None = None) -> "BuildPlan":
    """The sites that a build would read and the buckets that it would make; nothing is written.

    Raises:
        InputError: a source can't be read, or no site has posts.

    Examples:
        >>> [bucket.name for bucket in plan_build("dump").buckets]
        ['area51.example.com/00000-of-00001', 'modern.example.com/00000-of-00001']
    """
    from socorpus.corpus import plan

    return plan.plan(discover(sources, site), config or load())


@guarded
def preview(sources: Sources, config: Config | None = None, *, site: str | None = None) -> "Preview":
    """The first rows of each table, and warnings of what a build would refuse, as far as these rows tell.

    Raises:
        InputError: a source isn't there, or holds no tables.

    Examples:
        >>> looked = preview("dump/modern.example.com")
        >>> looked.tables[0].table, looked.tables[0].rows[0]["post_type_id"]
        ('posts', 1)
    """
    from socorpus.corpus.dump import preview as dump_preview

    return dump_preview.preview(discover(sources, site), (config or load()).read.accept_unreadable)


@guarded
def inspect(sources: Sources, config: Config | None = None, *, site: str | None = None) -> "Inspection":
    """What sources hold, seen from samples at several places of each table, and what a build of them takes here.

    The time is bounded, also where a table has many gigabytes; nothing is written. What is damaged is told among the
    findings.

    Args:
        config: for the share of unreadable rows, and the addresses, names and languages of sites.
        site: name of the site, where the path does not name it.

    Returns:
        `sites`, each with its `tables` (rows, dates, columns, first rows, findings) and those that are `missing` with
        what that costs; `findings` on the whole; `seconds`, `disk_bytes` and `corpus_bytes` of a build, all roughly,
        beside the `cores` and `free_bytes` of this machine.

    Raises:
        InputError: a source isn't there, or holds no tables.

    Examples:
        >>> [looked] = inspect("dump/modern.example.com").sites
        >>> posts = looked.tables[0]
        >>> posts.table, posts.form, posts.exact, posts.columns["post_type_id"]
        ('posts', 'xml', True, 1.0)
        >>> looked.missing
        {}
    """
    import shutil

    from socorpus.corpus import plan
    from socorpus.corpus.dump import inspection
    from socorpus.corpus.engine import machine

    sites, cores = discover(sources, site), machine.cores()
    looked, findings = inspection.inspect(sites, config or load())
    cost, free = plan.expense(sites, cores), shutil.disk_usage(".").free
    if free < cost.disk_bytes:
        findings = (
            *findings,
            f"a build will write about {cost.disk_bytes:,} bytes, and {free:,} are free on the disk of this folder",
        )
    return inspection.Inspection(looked, findings, cost.seconds, cores, cost.disk_bytes, cost.corpus_bytes, free)


@guarded
def build(
    sources: Sources,
    out: Location,
    config: Config | None = None,
    *,
    site: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
    last: "LastStage | None" = None,
    show: "Callable[[Progress], None] | None" = None,
) -> "Corpus":
    """Build a corpus from dumps, or bring one up to date. A build that was stopped goes on where it was.

    Args:
        out: folder of the corpus, or its address in an object store (docs/object-store.md).
        config: of `load_config`; the defaults, if None.
        site: name of the site, where the path does not name it.
        workers: processes; 0 works in this one. By default as many as the machine has cores: a script then needs
            `if __name__ == "__main__":`, as any that starts processes.
        scheduler: address of a running Dask scheduler, whose workers must see `out` and the sources.
        force: build everything again.
        last: a stage to end with. `socorpus.labeling.last_stage` adds the weak labels, as `socorpus build` does.
        show: called with the progress of each stage.

    Raises:
        InputError: a source can't be read, or changes meanwhile; there are no posts, or more unreadable rows of a table
            than `read.accept_unreadable` of the configuration; or `out` holds something else,
            or lies in a corpus where builds write.
        BuildError: a full disk, a lost worker, or another build at work in `out`.

    Examples:
        >>> corpus = build("dump/modern.example.com", "modern", workers=0)
        >>> totals = corpus.manifest["totals"]
        >>> totals["documents"] == totals["kept"] + sum(totals["dropped"].values())
        True
    """
    from socorpus.corpus import pipeline
    from socorpus.corpus.engine.executor import Engine
    from socorpus.corpus.finished import Corpus

    # An absolute path: workers of a running scheduler have current folders of their own.
    root = corpus_output(out)
    sites = discover(sources, site)
    with Engine(root, workers, scheduler, show) as engine:
        pipeline.build(root, sites, config or load(), engine, last, force)
    return Corpus(out)


@guarded
def status(corpus: Location) -> "Status":
    """Where a build stands: the stages with what is done of each, and a sentence.

    Raises:
        InputError: no build was ever begun there.

    Examples:
        >>> status("corpus").summary
        'The build is finished.'
    """
    from socorpus.corpus.engine import build_state

    return build_state.status(corpus_place(corpus))


@guarded
def verify(
    corpus: Location, against: Location | None = None, *, show: "Callable[[Progress], None] | None" = None
) -> "Verification":
    """Read a finished corpus, every byte of it, and hold it against its manifest.

    Args:
        against: another manifest (or its corpus), such as another machine's: also compare the rows of all tables with
            those that it promises, whatever release of pyarrow wrote them.
        show: called with the progress.

    Returns:
        All files that are missing, extra or changed, or whose rows differ.

    Raises:
        InputError: there is no finished corpus, or a manifest is damaged.

    Examples:
        >>> verify("corpus").differences
        ()
    """
    from socorpus.corpus.engine import verification
    from socorpus.corpus.storage import files

    other = corpus_place(against) if against is not None else None
    if other is not None and files.is_file(other) and other.suffix != ".json":
        raise InputError(f"{against}: not a corpus's manifest; name a MANIFEST.json, or a corpus's folder")
    return verification.verify(corpus_place(corpus), other, show)


@guarded
def tokenize(
    corpus: Location,
    tokenizer: Location,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
    show: "Callable[[Progress], None] | None" = None,
) -> dict[str, Any]:
    """Make the tokens of a finished corpus's shards with another tokenizer; those of the shards stay as they are.

    A call that was stopped goes on where it was. A build that changes the shards drops these tokens.

    Args:
        tokenizer: a folder with a tokenizer.json, such as a model's.
        workers, scheduler: as for `build`.
        force: make the tokens again.
        show: called with the progress.

    Returns:
        `folder`, where they lie in the corpus (`tokens/KEY`; `shards`, where the tokenizer is the corpus's own and
        nothing is made), `entries` of the tokenizer, and by split (`splits`) files, rows, tokens and those in code.

    Raises:
        InputError: there is no finished corpus or no such tokenizer, or the tokenizer lacks a special token.
        BuildError: a full disk, a lost worker, or another command at work in the corpus.

    Examples:
        >>> from socorpus.corpus import Corpus
        >>> tokenize("corpus", Corpus("corpus").generation / "tokenizer")["folder"]
        'shards'
    """
    from socorpus.corpus import pipeline
    from socorpus.corpus.engine.executor import Engine
    from socorpus.corpus.storage import integrity
    from socorpus.corpus.tokenizer import folder

    root, given = corpus_place(corpus).absolute(), folder.load_given(local(tokenizer))
    tree, facts = integrity.pinned(root)
    integrity.require(root, tree, integrity.within(facts["files"], ["tokenizer"]))
    if folder.load_given(tree / "tokenizer").identity == given.identity:
        return {"folder": "shards", "entries": given.entries, "splits": facts["shards"]}
    with Engine(root, workers, scheduler, show) as engine:
        entry = pipeline.tokenize(root, given, engine, force)
    return {"folder": f"tokens/{given.key}", "entries": entry["entries"], "splits": entry["splits"]}


@guarded
def abandon(corpus: Location) -> bool:
    """Drop what a stopped build or labelling has done, so that only the finished corpus is left.

    Returns:
        Whether there was anything to drop.

    Raises:
        InputError: there is no such folder.
        BuildError: a build is at work there.

    Examples:
        >>> abandon("corpus")
        False
    """
    from socorpus.corpus.engine import rebuild

    return rebuild.abandon(corpus_place(corpus))


@guarded
def explain(corpus: Location, key: str) -> "Story":
    """All that a corpus knows of a post; printed, it is the text of `socorpus explain` (without labels).

    Works on a build that is not finished too; of a finished corpus the same as `Corpus(...).explain(key)`.

    Args:
        key: `SITE:POST_ID`.

    Raises:
        InputError: there is no corpus, `key` is no key, or the site is not in the corpus.

    Examples:
        >>> story = explain("corpus", "modern.example.com:1")
        >>> story.document.kind, story.decisions[0].keep
        ('question', True)
    """
    from socorpus.corpus.finished import Corpus
    from socorpus.corpus.report import story
    from socorpus.corpus.storage import files, generations, manifest_file

    root = corpus_place(corpus)
    if files.exists(generations.finished(root) / manifest_file.NAME):
        return Corpus(root).explain(key)
    return story.find(generations.newest(root), key)


@guarded
def use_plugins(
    names: Sequence[str] = (),
    corpus: Location | None = None,
    *,
    needed: bool = False,
    reads: Collection[str] = ("signals", "labels"),
    without: Sequence[str] = (),
) -> list[str]:
    """Make plug-ins the active ones, in place of those that were: their definitions are known by name from then on.

    Args:
        names: Python files, relative to the current folder, and modules; plug-ins of installed packages come by
            themselves.
        corpus: a corpus that is going to be worked on: plug-ins that were named for it before need not be named again.
        needed: whether all plug-ins that the corpus was made with must be there. If not, a `SocorpusWarning` says which
            of those that were named before are there no more.
        reads: the tables of plug-ins in the corpus that are going to be read. A `SocorpusWarning` says which of them
            are older than the plug-in's file as it is now.
        without: names of plug-ins of the corpus that stay inactive, since `labeling.apply(..., without_plugins=...)` is
            going to take them out.

    Returns:
        Their names.

    Raises:
        InputError: a plug-in is not there or not right, or one that is needed is not known here.

    Examples:
        >>> from pathlib import Path
        >>> _ = Path("mine.py").write_text("from socorpus.training import preset; preset('mine', {}, base='tiny')")
        >>> use_plugins(["mine.py"])
        ['mine.py']
        >>> use_plugins()
        []
    """
    from socorpus.corpus import plugins
    from socorpus.corpus.storage import generations, manifest_file, plugin_memory

    named = [str(name) for name in names] if not isinstance(names, str) else names
    if corpus is None:
        return [plugin.name for plugin in plugins.load(named)]
    root = corpus_place(corpus)
    facts = manifest_file.load(generations.finished(root)) or {}
    loaded, lacking = plugin_memory.load(root, named, facts, needed, without)
    for line in (*(lacking if reads else ()), *plugin_memory.changed(root, facts, loaded, reads)):
        warnings.warn(line, SocorpusWarning, stacklevel=2)
    return [plugin.name for plugin in loaded]


@guarded
def plugins_left_out(corpus: Location) -> list[str]:
    """The plug-ins that a corpus was made with and that are not active: a build takes out what they define.

    Examples:
        >>> plugins_left_out("corpus")
        []
    """
    from socorpus.corpus.storage import generations, manifest_file, plugin_memory

    return plugin_memory.left_out(manifest_file.load(generations.finished(corpus_place(corpus))) or {})


@guarded
def active_plugins() -> list[tuple[str, str, list[str]]]:
    """The active plug-ins: file or module of each, its hash or version, and what it defines, as `KIND NAME`.

    Examples:
        >>> active_plugins()
        []
    """
    from socorpus.corpus import plugins

    return plugins.described()


@guarded
def write_sample(
    folder: Location,
    *,
    threads: int | None = None,
    size_mb: int | None = None,
    seed: int = 1,
    forms: Sequence[str] = (),
) -> "Truth":
    """Write a made-up dump whose truth is known: for trying things out, tests and benchmarks.

    Args:
        threads: in all; or `size_mb`, megabytes of XML in all.
        seed: equal seeds give equal bytes.
        forms: of sites: modern, spring2024, area51, deleted, pipes, plain. By default those of the demo.

    Raises:
        InputError: a form is not known, both sizes are given, or the folder holds something else.

    Examples:
        >>> truth = write_sample("another-dump", threads=40, forms=["area51"])
        >>> truth.sites[0].site
        'area51.example.com'
    """
    from socorpus.corpus.sample import writer

    if unknown := [name for name in forms if name not in writer.FORMS]:
        raise InputError(f"form {unknown[0]!r} is not known; there are {', '.join(writer.FORMS)}")
    sites = [writer.FORMS[name] for name in forms] if forms else writer.DEMO
    return writer.write(local_output(folder), threads=threads, size_mb=size_mb, seed=seed, sites=sites)
