"""The whole build on one page: the ordered stages, from the sources to the manifest and the report.

A stage is run for what its receipts do not hold. Intermediate files (`.work`) are removed at the end, and made again
if a later build needs them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from socorpus.corpus import config as configs
from socorpus.corpus import dump_diff, manifest, plugins
from socorpus.corpus.config import Config, without_folders
from socorpus.corpus.dedup import stage as dedup_stage
from socorpus.corpus.documents import stage as documents_stage
from socorpus.corpus.dump import stage as dump_stage
from socorpus.corpus.dump import threads_stage
from socorpus.corpus.dump.sources import Site
from socorpus.corpus.engine import compile_stage, compiling, rebuild, receipts, work
from socorpus.corpus.engine.context import BuildContext, Receipts
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.receipts import Output, Receipt
from socorpus.corpus.engine.work import Outcome, Progress, WorkItem
from socorpus.corpus.errors import InputError
from socorpus.corpus.plan import SECONDS_A_MB, SECONDS_A_MB_OF_LABELS, BuildPlan, of_manifest, plan, stage_seconds
from socorpus.corpus.report import page as report_page
from socorpus.corpus.selection import stage as selection_stage
from socorpus.corpus.shards import split_files, tokens_stage
from socorpus.corpus.shards import stage as shards_stage
from socorpus.corpus.signals import stage as signals_stage
from socorpus.corpus.storage import files, generations, integrity, manifest_file, plugin_memory
from socorpus.corpus.storage.buckets import Buckets
from socorpus.corpus.storage.lock import lock
from socorpus.corpus.takedown import removals as takedown_removals
from socorpus.corpus.takedown import stage as takedown_stage
from socorpus.corpus.takedown.removals import Removals
from socorpus.corpus.tokenizer import stage as tokenizer_stage
from socorpus.corpus.tokenizer.given import Given
from socorpus.corpus.toml_config import as_dict, to_toml

_SECONDS_A_MB_OF_VARIANT = 0.08
"""Roughly, of XML on one core: the stages behind the tables, where all of them run."""
_SECONDS_A_MB_OF_SHARDS = 1.0
"""Roughly, of shards on one core: their tokens anew."""


@dataclass(frozen=True)
class LastStage:
    """A stage of another package, between the manifest and the report.

    Attributes:
        check: holds a configuration against what the stage knows, before anything is read; raises `InputError`.
        run: from the corpus, the tree of its build, its manifest and the engine to the manifest, amended, and sections
            for the report.
    """

    check: Callable[[Config], None]
    run: Callable[[Path, Path, dict[str, Any], Engine], tuple[dict[str, Any], tuple[report_page.Maker, ...]]]


def build(
    root: Path,
    sites: Sequence[Site],
    config: Config,
    engine: Engine,
    last: LastStage | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Build the corpus at `root`, or bring it up to date; returns its manifest.

    Args:
        last: a stage of another package that a build ends with, such as the labels'.
        force: build everything again.

    Raises:
        InputError: a source can't be read, or `root` holds something else.
        BuildError: a full disk, a lost worker, another build at work in `root`.
    """
    if last is not None:
        last.check(config)
    active = tuple(plugin.name for plugin in plugins.active())
    if config.plugins != active:
        names = ", ".join(config.plugins) or "none"
        raise InputError(
            f"the configuration has the plug-ins {names}, and active are {', '.join(active) or 'none'}: "
            "load the configuration anew before the build"
        )
    for warning in (warning for site in sites for warning in site.warnings):
        engine.show(Progress("sources", 0, 0, 0, 0, 0, 0, warning))
    with lock(root):
        laid = plan(sites, config)
        for name in plugin_memory.left_out(manifest_file.load(generations.finished(root)) or {}):
            engine.say(
                f"plug-in {name} is not named this time: what it defines is removed from {root}; --plugin keeps it (in "
                "Python, use_plugins)"
            )
        engine.first(compile_stage.warm_up)
        size = sum(table.member.size for site in sites for table in site.tables)
        engine.expect(size / 1e6 * (SECONDS_A_MB + (0.0 if last is None else SECONDS_A_MB_OF_LABELS)))
        engine.expect_stages(partial(stage_seconds, size, len(laid.buckets), labels=last is not None))
        with rebuild.rebuilding(root, engine, rebuild.BUILD, force) as tree:
            facts = _build(root, tree, laid, config, engine, last)
        takedown_removals.taken_in(root)
        plugin_memory.remember(root, plugins.active())
        return facts


def derive(root: Path, base: Path, config: Config, engine: Engine) -> dict[str, Any]:
    """Build the corpus at `root` of the tables of a finished corpus by another configuration, without the dump; returns
    its manifest.

    It begins with the files and receipts of `base`, which stays as it is: hard links, or copies on another disk. So
    only what the configuration changes is made. Labels, and tokens of other tokenizers, are not taken over. A build
    that was stopped goes on.

    Args:
        base: the corpus, on this machine.
        config: whose sections `read`, `threads` and `sites` are those of `base`.

    Raises:
        InputError: `base` is no finished corpus, was changed, or lacks receipts; or `root` holds something else.
        BuildError: a full disk, a lost worker, another build at work in `root`.
    """
    tree_of_base, of_base = integrity.opened(base)
    before = of_base["config"]
    settled = frozenset(
        name for name, section in as_dict(without_folders(config)).items() if section == before.get(name)
    )
    if changed := [name for name in ("read", "threads", "sites") if name not in settled and name in before]:
        raise InputError(f"{base}: [{changed[0]}] is of reading the dump, which is not read again here")
    with lock(root):
        laid = of_manifest(of_base, config)
        engine.first(compile_stage.warm_up)
        size = sum(entry["bytes"] for entry in of_base["sources"])
        engine.expect(size / 1e6 * _SECONDS_A_MB_OF_VARIANT)
        engine.expect_stages(partial(stage_seconds, size, len(laid.buckets), labels=False, read=False))
        with rebuild.rebuilding(root, engine, rebuild.BUILD, like=tree_of_base) as tree:
            if tree_of_base != base:
                engine.hashes.learn(base)
            for stage in receipts.stages(tree):
                if stage == tokens_stage.STAGE or stage.startswith("label_"):
                    files.remove(tree / "receipts" / stage)
                    files.remove(tree / "receipts" / f"{stage}.json")
            _write_configuration(root, tree, config)
            facts = {**_stages(tree, laid, config, engine, settled), "sources": of_base["sources"]}
            _finish(tree, facts, engine)
        return facts


def forget(root: Path, engine: Engine, last: LastStage | None = None) -> dict[str, Any]:
    """Make the finished corpus at `root` anew without what was removed (`takedown.removals`), from its own tables: the
    dump is not read, and may be gone. Returns its manifest.

    It is what a build of the same dump would make now. A call that was stopped goes on.

    Args:
        last: a stage of another package to end with, for the labels that the corpus has.

    Raises:
        InputError: there is no finished corpus, its files are not those of its manifest, it lacks receipts, or another
            command was stopped there.
        BuildError: a full disk, a lost worker, another command at work in `root`.
    """
    with lock(root):
        before = integrity.finished(root, generations.finished(root))
        config = configs.of_corpus(before["config"])
        if last is not None:
            last.check(config)
        laid = of_manifest(before, config)
        engine.first(compile_stage.warm_up)
        engine.expect(sum(entry["bytes"] for entry in before["sources"]) / 1e6 * _SECONDS_A_MB_OF_VARIANT)
        with rebuild.rebuilding(root, engine, rebuild.REMOVAL) as tree:
            integrity.require(root, generations.finished(root), before["files"], engine.hashes)
            files.remove(tree / dump_diff.BEFORE)  # its posts are those of an earlier dump, removed ones among them
            if config.tokenizer.path is not None:  # the file that was given may be gone; the corpus has a copy
                config = replace(config, tokenizer=replace(config.tokenizer, path=str(tree / "tokenizer")))
            settled = frozenset(as_dict(config))
            facts = _stages(tree, laid, config, engine, settled, takedown_removals.load(root))
            kept = ("sources", "config", "plugins", "warnings")
            facts = {**facts, **{name: before[name] for name in kept if name in before}}
            facts = tokens_stage.keep(tree, before, facts, engine)
            more: tuple[report_page.Maker, ...] = ()
            if last is not None:
                facts, more = last.run(root, tree, facts, engine)
            for name in list(integrity.unlisted(tree, facts["files"])):
                files.remove(tree / name)
            _finish(tree, facts, engine, more)
        return facts


def _build(
    root: Path, tree: Path, laid: BuildPlan, config: Config, engine: Engine, last: LastStage | None
) -> dict[str, Any]:
    """All stages, in the tree of the build."""
    before = had = manifest_file.load(tree)
    if engine.drop_damaged("threads") and before is not None:
        if before["inputs"] != laid.inputs:
            engine.say("changes since the earlier build can't be counted: files of it that list its posts were damaged")
        before = None
    dump_diff.set_aside(tree, before, laid.inputs)
    _write_configuration(root, tree, config)
    for site in takedown_removals.lifted_sites(root):
        for stage in ("read", "threads"):
            files.remove(tree / "receipts" / stage / site)
    facts = _stages(tree, laid, config, engine, removals=takedown_removals.load(root))
    facts = tokens_stage.keep(tree, had, facts, engine)
    more: tuple[report_page.Maker, ...] = ()
    if last is not None:
        facts, more = last.run(root, tree, facts, engine)
    elif had is not None and had.get("labels"):
        engine.say("the labels of the earlier build are removed: this one makes none (socorpus labeling apply does)")
    for name in list(integrity.unlisted(tree, facts["files"])):
        files.remove(tree / name)
    _finish(tree, facts, engine, more)
    return facts


def _finish(tree: Path, facts: Mapping[str, Any], engine: Engine, more: tuple[report_page.Maker, ...] = ()) -> None:
    """Manifest and report; and what stages passed on goes."""
    manifest_file.save(tree, facts)
    write_report(engine, facts, more)
    for folder in work.PASSING:
        files.remove(tree / ".work" / folder)


def _stages(
    tree: Path,
    laid: BuildPlan,
    config: Config,
    engine: Engine,
    settled: frozenset[str] | None = None,
    removals: Removals | None = None,
) -> dict[str, Any]:
    """The stages of the corpus itself; its manifest. Their receipts, which take much memory, end here.

    Args:
        settled: where the dump is not read again, sections whose files are not either (`BuildContext.settled`).
        removals: what is taken out of the tables; where the dump is not read, files that were taken out of already are
            not yet those of the receipts.
    """
    context = BuildContext(tree, laid.buckets, config, engine, settled or frozenset())
    if settled is None:
        reading = dump_stage.run(context, laid.sites)
        read, threads = reading.receipts, threads_stage.run(context, reading)
    else:
        held = not removals
        read, threads = _kept(context, "read", held), context.of_buckets(_kept(context, "threads", held))
    if removals:
        read, threads = takedown_stage.run(context, removals, read, threads)
        dump_stage.gather_quarantine(tree, laid.sites, [path for receipt in read.values() for path in receipt.outputs])
    documents = documents_stage.run(context, laid.sites, read, threads)
    signals = signals_stage.run(context, documents)
    pairs = documents_stage.pair(context, documents, signals["privacy"])
    twins, duplicates = dedup_stage.run(context, documents)
    signals |= duplicates
    settings = {site.name: config.of_site(site.name, site.base) for site in laid.sites}
    languages = {name: of.language for name, of in settings.items() if of.language is not None}
    decisions = selection_stage.run(context, documents, signals, twins, languages)
    splits = shards_stage.assign_splits(context, documents, twins)
    kept = split_files.inputs(context.buckets, documents, decisions, signals["privacy"], splits)
    tokenizer = tokenizer_stage.run(context, kept, decisions)
    shards = shards_stage.run(context, decisions, kept, splits, tokenizer)
    done = {"read": read, "threads": threads, "documents": documents, "pairs": pairs}
    done |= {"decisions": decisions, "shards": shards}
    facts = manifest.assemble(tree, laid, config, done, signals, twins, tokenizer)
    for sentence in manifest.repeats(facts):
        context.engine.say(sentence)
    return facts


def read_tables(root: Path, sites: Sequence[Site], config: Config, engine: Engine) -> Receipts:
    """Read tables of a dump into a folder of their own, and no further; receipts of the items that did it.

    Raises:
        InputError: as of a build.
    """
    return dump_stage.run(BuildContext(root, Buckets(()), config, engine), sites).receipts


def _kept(context: BuildContext, stage: str, held: bool) -> Receipts:
    """The receipts of a stage that is not run again.

    Args:
        held: whether tables are held against them.

    Raises:
        InputError: there are none, or one is damaged, or a table is not what was written.
    """
    done: dict[str, Receipt] = {}
    for name in receipts.names(context.root, stage):
        if (receipt := receipts.load(context.root, stage, name)) is not None:
            tables = {path: output for path, output in receipt.outputs.items() if not path.startswith(".work/")}
            wrong = context.engine.differs(replace(receipt, outputs=tables)) if held else None
            if wrong is not None:
                raise InputError(f"{context.root / wrong}: not what was written; build the corpus that it is of again")
            done[name] = receipt
    sites = {name.partition("/")[0] for name in done}
    if lacking := [site for site, _ in context.buckets.sites if site not in sites]:
        raise InputError(
            f"{context.root}: no receipts of {stage} of {lacking[0]}, as in a corpus that was copied without them; "
            "build the corpus from its dump, and vary that one"
        )
    return done


def tokenize(root: Path, given: Given, engine: Engine, force: bool = False) -> dict[str, Any]:
    """Make the tokens of a finished corpus's shards with a tokenizer, beside its own; returns their entry in the
    manifest.

    Args:
        force: make them again, if they are there.

    Raises:
        InputError: there is no finished corpus, its shards are not those of its manifest, or a build was stopped.
        BuildError: a full disk, a lost worker, another command at work in `root`.
    """
    with lock(root), rebuild.rebuilding(root, engine, rebuild.TOKENS) as tree:
        facts = integrity.finished(root, tree)
        shards = integrity.within(facts["files"], ["shards"])
        integrity.require(root, tree, shards, engine.hashes)
        engine.expect(sum(entry["bytes"] for entry in shards.values()) / 1e6 * _SECONDS_A_MB_OF_SHARDS)
        facts = tokens_stage.run(tree, facts, given, engine, force)
        manifest_file.save(tree, facts)
        entry: dict[str, Any] = facts["tokens"][given.key]
        return entry


def _write_configuration(root: Path, tree: Path, config: Config) -> None:
    """Write socorpus.toml, whose plug-ins are named by their way from the corpus, with a receipt of its own."""
    name = "socorpus.toml"
    files.write_text(tree / name, to_toml(without_folders(replace(config, plugins=plugins.names_from(root)))))
    output = Output(0, files.size(tree / name), files.sha256(tree / name))
    receipts.save(tree, Receipt("configuration", "socorpus", output.sha256, "", {name: output}))


def write_report(engine: Engine, facts: Mapping[str, Any], more: tuple[report_page.Maker, ...] = ()) -> None:
    """The manifest and samples of the tables -> report.html; `more` are sections of other packages."""
    engine.run("report", [report_item(facts, more)])


def report_item(facts: Mapping[str, Any], more: tuple[report_page.Maker, ...] = ()) -> WorkItem:
    """The work item of the report, for a tree with that manifest."""
    # A section is identified by its module and name, and by its input: the manifest.
    inputs = {
        "manifest": receipts.fingerprint(facts),
        "more": receipts.fingerprint([f"{make.__module__}.{make.__qualname__}" for make in more]),
    }
    return WorkItem("report", "report", _report, {"more": more}, inputs)


def _report(root: Path, more: tuple[report_page.Maker, ...]) -> Outcome:
    # The manifest of a large corpus has tens of megabytes, and lies beside the report.
    return report_page.write(root, manifest_file.finished(root), more)


def kernels_are_compiled() -> bool | None:
    """Whether the kernels of a build are compiled on this machine; None where they can't be kept."""
    if not compiling.has_cache(compile_stage.KERNELS):
        return None
    return compiling.is_compiled(compile_stage.KERNELS)


def compile_kernels(say: Callable[[str], None] = lambda _: None) -> None:
    """Compile the kernels of a build, unless that is done: else the first build does it, in half a minute.

    Examples:
        >>> compile_kernels()
        >>> check_installation().compiled
        True
    """
    kernels = compile_stage.KERNELS
    compiling.compile_once(compile_stage.STAGE, kernels, compile_stage.call, lambda now: say(now.note or "compiled"))
