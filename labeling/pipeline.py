"""The labels of a corpus on one page: votes, the label model, labels; each step with receipts like a build's.

    splits   once            -> train, validation, test of every thread
    facts    a bucket        -> labels/facts: closed, why, duplicate, moved …, of every post; labels/texts: posts with
                                personal data, without it
    collect  a task, bucket  -> its part of the facts
    merge    a task          -> facts
    vote     a task, bucket  -> labels/TASK/examples, labels/TASK/votes
    count    a task, bucket  -> patterns of votes, and people's verdicts
    fit      a task          -> labels/TASK/model.json
    stratify a task          -> the split of its labels
    mentions a task, bucket  -> mentions of names that people judged, of a task that weighs its functions
    teach    a task          -> corrections by people's verdicts on spans and names
    label    a task, bucket  -> labels/TASK/labels

People's votes enter at the count: a new one runs again that of its bucket, the fit, and the labels of all buckets,
since the model has learned from it. Examples, votes of functions and splits stay.
"""

import difflib
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from socorpus.corpus import config as configs
from socorpus.corpus import pipeline as corpus_pipeline
from socorpus.corpus import plan as corpus_plan
from socorpus.corpus import plugins
from socorpus.corpus.engine import rebuild
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import WorkItem
from socorpus.corpus.errors import InputError, SocorpusWarning
from socorpus.corpus.report import page as report_page
from socorpus.corpus.storage import buckets as corpus_buckets
from socorpus.corpus.storage import files as storage_files
from socorpus.corpus.storage import generations, integrity, manifest_file, plugin_memory
from socorpus.corpus.storage import lock as lock_file
from socorpus.labeling import kernels, steps
from socorpus.labeling.analysis import functions as analysis_functions
from socorpus.labeling.analysis import report_sections
from socorpus.labeling.corpus_view import Layout
from socorpus.labeling.functions import FUNCTIONS, of_task
from socorpus.labeling.plan import TaskPlan
from socorpus.labeling.schema import ANNOTATIONS, FOLDER, SHARED_FOLDERS, TASKS
from socorpus.labeling.tasks.obsolescence import releases

TABLES = ("examples", "votes", "labels")
_SECONDS_A_DOCUMENT = 0.0015
"""Roughly, for all tasks on one core."""


@dataclass(frozen=True)
class Applied:
    """The result of `apply`: the manifest with its labels, and the number of work items that ran."""

    manifest: dict[str, Any]
    ran: int


def apply(
    root: Path,
    engine: Engine,
    tasks: Sequence[str] | None = None,
    analyze: bool = False,
    force: bool = False,
    without_plugins: Collection[str] = (),
) -> Applied:
    """Label the finished corpus at `root`, or bring its labels up to date, and write its report again.

    Args:
        tasks: those of the corpus's configuration, if None. Labels of other tasks stay as they are.
        analyze: also write `labels/TASK/analysis.json`.
        force: forget that these tasks were labelled, so that all of their steps run.
        without_plugins: plug-ins to take out of the corpus: their tasks go, and their functions vote no more.

    The active plug-ins are noted in the manifest beside those of the build, and remembered for later commands.

    Raises:
        InputError: no finished corpus, an unknown task, an error of `check`, or a plug-in can't be taken out.
        BuildError: another build is at work there; a labelling function gives an invalid vote; one of a plug-in's
            fails, or one of ours on more than a few posts.

    Warns:
        SocorpusWarning: votes of a plug-in that is not active go, although nobody asked for that.
    """
    _check_removal(root, integrity.finished(root, generations.finished(root)), without_plugins)
    _say_what_was_edited(root, integrity.finished(root, generations.finished(root))["config"])
    check(configs.of_corpus(integrity.finished(root, generations.finished(root))["config"]), tasks)
    with lock_file.lock(root), rebuild.rebuilding(root, engine, rebuild.LABELS) as tree:
        facts, before = finished(tree), engine.ran
        engine.expect(facts["totals"]["documents"] * _SECONDS_A_DOCUMENT)
        size, count = sum(entry["bytes"] for entry in facts["sources"]), len(corpus_buckets.listed(facts["files"]))
        engine.expect_stages(partial(corpus_plan.stage_seconds, size, count, corpus=False))
        integrity.require(root, tree, _others(facts["files"]), engine.hashes)
        if force:
            for task in _chosen(facts, tasks):
                _forget(tree, task)
            for once in ("splits", "facts"):
                storage_files.remove(tree / f"receipts/label_{once}")
        facts, tasks = _taken_out(facts, tasks, without_plugins)
        lacking = [task for task in _chosen(facts, tasks) if task not in facts.get("labels", {})]
        if analyze and lacking:
            engine.say(
                f"{root} has no labels of {', '.join(lacking)} yet: they are made first (socorpus labeling apply)"
            )
        _say_what_goes(root, facts, _chosen(facts, tasks))
        facts = _label(root, tree, facts, engine, tasks, analyze)
        if without_plugins:
            plugin_memory.remember(root, plugins.active())
        if active := plugins.active():
            known, built = facts.get("plugins", {}), facts["config"].get("plugins", ())
            # Signals are still those of the plug-in that the build was given.
            named = {plugin.name: plugin.identity for plugin in active if plugin.name not in {*built} & {*known}}
            facts = {**facts, "plugins": {**known, **named}}
            plugin_memory.remember(root, active)
        manifest_file.save(tree, facts)
        corpus_pipeline.write_report(engine, facts, report_sections.SECTIONS)
        return Applied(facts, engine.ran - before)


def relabelled(tasks: Sequence[str]) -> corpus_pipeline.LastStage:
    """The end of making a corpus anew without what was removed: the labels of the tasks that it had."""

    def run(
        root: Path, tree: Path, facts: dict[str, Any], engine: Engine
    ) -> tuple[dict[str, Any], tuple[report_page.Maker, ...]]:
        return _label(root, tree, facts, engine, tasks, False), report_sections.SECTIONS

    return corpus_pipeline.LastStage(lambda config: check(config, tasks), run)


def _say_what_was_edited(root: Path, config: Mapping[str, Any]) -> None:
    """Warn where the corpus's `socorpus.toml` was edited: what counts is the configuration of the build."""
    path = root / "socorpus.toml"
    try:
        keys = configs.edited(storage_files.read_text(path), config) if storage_files.exists(path) else []
    except (InputError, OSError, UnicodeDecodeError) as error:
        keys, why = [""], f"can't be read ({error})"
    else:
        why = f"was edited ({', '.join(keys)})"
    if keys:
        warnings.warn(
            f"{path} {why}, which changes nothing here: labels are made by the configuration of the build. Keep it as "
            "a file outside of the corpus, and build the same sources again with it: socorpus build SOURCE -o OUT "
            "--config FILE; only what changed runs",
            SocorpusWarning,
            stacklevel=4,
        )


def _check_removal(root: Path, facts: Mapping[str, Any], names: Collection[str]) -> None:
    active = {plugin.name for plugin in plugins.active()}
    for name in names:
        if name in facts["config"].get("plugins", ()):
            raise InputError(
                f"{root}: built with the plug-in {name}; a socorpus build of the same sources without it takes it out"
            )
        if name not in facts.get("plugins", {}):
            raise InputError(f"{root}: has no plug-in {name}; it has {', '.join(facts.get('plugins', {})) or 'none'}")
        if name in active:
            raise InputError(f"plug-in {name} is active; in Python, use_plugins(..., without=[{name!r}]) leaves it out")


def _taken_out(
    facts: dict[str, Any], tasks: Sequence[str] | None, names: Collection[str]
) -> tuple[dict[str, Any], Sequence[str] | None]:
    """The manifest without some plug-ins and the tasks of theirs, and the tasks to label: those on which they voted."""
    if not names:
        return facts, tasks
    entries = facts.get("labels", {})
    theirs = [name for name, entry in entries.items() if not set(names).isdisjoint(entry.get("plugins", {}))]
    left = {name: entry for name, entry in entries.items() if name not in theirs or name in TASKS}
    plugins_left = {name: identity for name, identity in facts["plugins"].items() if name not in names}
    facts = {**facts, "labels": left, "plugins": plugins_left}
    if not plugins_left:
        del facts["plugins"]
    if tasks is not None:
        tasks = list(dict.fromkeys([*tasks, *(name for name in theirs if name in TASKS)]))
    return facts, tasks


def _say_what_goes(root: Path, facts: Mapping[str, Any], chosen: Sequence[str]) -> None:
    active = {plugin.name for plugin in plugins.active()}
    for task in chosen:
        entry = facts.get("labels", {}).get(task, {})
        for name in entry.get("plugins", {}):
            if name not in active and name in facts.get("plugins", {}):
                warnings.warn(
                    f"{root}: votes of the plug-in {name} on {task} go, since it is not active; name it to keep them "
                    "(--plugin; in Python, use_plugins(corpus=...) before)",
                    SocorpusWarning,
                    stacklevel=4,
                )


def check(config: configs.Config, tasks: Sequence[str] | None = None) -> None:
    """Check that the tasks and labelling functions that a configuration names exist.

    Args:
        tasks: those to label instead of the configuration's.

    Raises:
        InputError: a task or a function is not known, or a plug-in's function votes for a task that is not.

    Warns:
        SocorpusWarning: no labelling function votes on one of the tasks.
    """
    chosen = (TASKS if config.labels.tasks is None else config.labels.tasks) if tasks is None else tasks
    for name in chosen:
        TASKS.named(name)
    for key in config.labels.without:
        if key not in FUNCTIONS:
            raise InputError(f"labels.without: {_unknown_function(key)}")
    for entry in config.labels.names:
        if fault := _odd_name(entry):
            raise InputError(f"labels.names: {entry!r}: {fault}")
    if two := _contradicting(config.labels.names):
        raise InputError(f"labels.names: {two[0]!r} and {two[1]!r} give one name two types; leave one of them out")
    if dates := releases.contradicting(config.labels.releases):
        given = " and ".join(f"{row.version} on {row.date}" for row in dates)
        raise InputError(f"labels.releases: {dates[0].name} has one version with two dates, {given}; leave one out")
    for row in config.labels.releases:
        if date.fromisoformat(row.date) > datetime.now(UTC).date():
            warnings.warn(
                f"labels.releases: {row.name} {row.version} is dated {row.date}, a day that is still to come",
                SocorpusWarning,
                stacklevel=3,
            )
    for key, function in FUNCTIONS.items():
        if function.task not in TASKS:
            where = plugins.where(FUNCTIONS.origin(key))
            raise InputError(f"{where}: {function.name} votes for the task {function.task!r}, which is not known")
        if function.right is not None and function.right <= 1 / len(TASKS[function.task].labels):
            raise InputError(
                f"{plugins.where(FUNCTIONS.origin(key))}: {function.name} is said to be right in {function.right:g} of "
                f"its votes, which is no better than chance among {len(TASKS[function.task].labels)} labels"
            )
    for name in chosen:
        if fault := without_functions(name, config.labels.without):
            warnings.warn(fault, SocorpusWarning, stacklevel=3)


def without_functions(task: str, without: Sequence[str] = ()) -> str | None:
    """A sentence for a task on which no labelling function votes; None where one does.

    Args:
        without: functions that do not vote, each TASK.FUNCTION.
    """
    functions = {function.key for function in of_task(task)}
    if functions - set(without):
        return None
    origin = TASKS.origin(task)
    where = f"{origin.where}: " if origin is not None else ""
    why = (
        "labels.without leaves out all of its labelling functions"
        if functions
        else (f"it has no labelling function; write one with @votes({task!r})")
    )
    return f"{where}task {task}: only people and models can label it, since {why}"


_LONGEST_NAME = 100


def _odd_name(entry: str) -> str | None:
    """The fault of an entry of `labels.names`; None if it has none."""
    label, colon, name = (part.strip() for part in entry.partition(":"))
    if not colon or not name:
        return "wants TYPE: NAME, such as 'Application: Blender'"
    if len(name) > _LONGEST_NAME or not any(sign.isalnum() for sign in name):
        return f"a name has 1 to {_LONGEST_NAME} characters, a letter or digit among them"
    of_spans = [task for task in TASKS.values() if task.spans]
    types = {kind for task in of_spans if task.settings is not None for kind in task.labels}
    if label in types:
        return None
    if unread := [task.name for task in of_spans if label in task.labels]:
        return (
            f"{label} is a type of {', '.join(unread)}, which reads no names of the configuration: a task of a plug-in "
            "does with settings= (docs/plugins.md)"
        )
    hint = _meant(label.title().replace(" ", "_"), types)
    return f"no task of spans that reads names has the type {label!r}; {hint}there are {', '.join(sorted(types))}"


def _contradicting(names: Sequence[str]) -> tuple[str, str] | None:
    """Two entries of `labels.names` that give one name two types of a task; None where there are none.

    A name without capitals counts in any case, and is the same as any of its spellings.
    """
    for task in (task for task in TASKS.values() if task.spans):
        known: dict[str, list[tuple[str, str, str]]] = {}
        for entry in names:
            label, _, name = entry.partition(":")
            label, name = label.strip(), " ".join(name.split())
            for earlier, other, before in known.get(name.lower(), ()) if label in task.labels else ():
                if earlier != label and (other == name or name.islower() or other.islower()):
                    return before, entry
            if label in task.labels:
                known.setdefault(name.lower(), []).append((label, name, entry))
    return None


def _unknown_function(key: str) -> str:
    task, _, name = key.partition(".")
    if name and task not in TASKS:
        return f"task {task!r} of {key} is not known; {_meant(task, TASKS)}known: {', '.join(TASKS)}"
    if not name:
        return f"wants TASK.FUNCTION, such as {min(FUNCTIONS)}, not {key!r}"
    names = [function.name for function in of_task(task)]
    return f"{task} has no labelling function {name}; {_meant(name, names)}it has {', '.join(names)}"


def _meant(name: str, names: Iterable[str]) -> str:
    """The nearest of some names as a question, if one is near."""
    near = difflib.get_close_matches(name, list(names), 1)
    return f"did you mean {near[0]}? " if near else ""


def _run_last(
    root: Path, tree: Path, facts: dict[str, Any], engine: Engine
) -> tuple[dict[str, Any], tuple[report_page.Maker, ...]]:
    return _label(root, tree, facts, engine, None, False), report_sections.SECTIONS


last_stage = corpus_pipeline.LastStage(check, _run_last)
"""The end of a build: the labels of its configuration's tasks."""


def finished(root: Path) -> dict[str, Any]:
    """The manifest of a finished corpus that can be labelled.

    Raises:
        InputError: there is none, or it is of an earlier version.
    """
    facts = manifest_file.finished(root)
    if "labels" not in facts["config"]:
        raise InputError(f"{root}: built by an earlier version of socorpus; build it again, then label it")
    return facts


def _label(
    root: Path, tree: Path, facts: dict[str, Any], engine: Engine, tasks: Sequence[str] | None, analyze: bool
) -> dict[str, Any]:
    _take_annotations(root, tree)
    config, chosen = configs.of_corpus(facts["config"]), _chosen(facts, tasks)
    others = {name: entry for name, entry in facts.get("labels", {}).items() if name not in chosen}
    kept = (None, *SHARED_FOLDERS, *others) if others and not chosen else (None, *others)
    files = {name: entry for name, entry in facts["files"].items() if _task_of(name) in kept}
    new, outputs = _run(Layout.of(tree, files, config, engine), chosen, analyze) if chosen else ({}, {})
    entries = others | new
    for folder in storage_files.folders(tree / FOLDER):
        if folder not in entries and folder not in SHARED_FOLDERS:
            _remove(tree, folder)
    if not entries:
        for folder in SHARED_FOLDERS:
            storage_files.remove(tree / FOLDER / folder)
        storage_files.remove(tree / "receipts/label_facts")
    labels = {name: entries[name] for name in dict.fromkeys([*TASKS, *entries]) if name in entries}
    return {**facts, "labels": labels, "files": dict(sorted({**files, **outputs}.items()))}


def _run(layout: Layout, chosen: Sequence[str], analyze: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """All steps of some tasks; the manifest's entries of these, and of their files."""
    plans = [TaskPlan(layout, name) for name in chosen]
    layout.engine.first(kernels.warm_up)

    def run(step: str, items: Iterable[Iterable[WorkItem]], *tables: str) -> Mapping[str, Receipt]:
        # Bucket by bucket, of which all tasks read the same files.
        ordered = sorted((item for group in items for item in group), key=lambda item: item.together)
        done = layout.engine.run(f"label_{step}", ordered)
        _prune(layout, step, done, chosen, tables)
        return done

    collected = run("collect", (plan.collect() for plan in plans))
    merged = run("merge", (plan.merge(collected) for plan in plans))
    del collected  # receipts of all buckets: at Stack Overflow's counts those of a step are 35 to 95 MB
    for plan in plans:
        plan.warn_of_settings()
    voted = run("vote", (plan.vote(merged) for plan in plans), "examples", "votes")
    for plan in plans:
        plan.require_working(voted)
        plan.warn_of_names(voted)
    people = {plan.task: plan.people() for plan in plans}
    counted = run("count", (plan.count(voted, people[plan.task]) for plan in plans))
    fitted = run("fit", (plan.fit(counted) for plan in plans))
    del counted
    for plan in plans:
        plan.warn_of_votes(fitted)
    stratified = run("stratify", (plan.stratify(voted) for plan in plans))
    mentioned = run("mentions", (plan.mentions(voted) for plan in plans))
    taught = run("teach", (plan.teach(voted, mentioned, people[plan.task]) for plan in plans))
    labelled = run(
        "label", (plan.label(voted, fitted, stratified, taught, people[plan.task]) for plan in plans), "labels"
    )
    analyses = {plan.task: plan.analysis(voted, fitted, taught, labelled, people[plan.task]) for plan in plans}
    stale = {item.name for item in layout.engine.stale(item for items in analyses.values() for item in items)}
    for name in () if analyze else stale:
        storage_files.remove(layout.root / analysis_functions.path(name))
        del analyses[name]
    analysed = run("analysis", analyses.values()) if analyses else {}
    steps.forget()
    storage_files.keep_only(layout.root / "receipts/label_facts", {f"{bucket.name}.json" for bucket in layout.buckets})
    for folder in SHARED_FOLDERS:
        storage_files.keep_only(layout.root / FOLDER / folder, {f"{bucket.name}.parquet" for bucket in layout.buckets})
    outputs = {name: output.entry for name, output in layout.facts.items()} | {
        name: output.entry
        for done in (voted, fitted, labelled, analysed)
        for receipt in done.values()
        for name, output in receipt.outputs.items()
    }
    entries = {plan.task: plan.entry(voted, fitted, taught, labelled) for plan in plans}
    for name, entry in entries.items():
        for sentence in analysis_functions.teaching(entry):
            layout.engine.say(f"{name}: {sentence}")
    return entries, outputs


def _prune(
    layout: Layout, step: str, done: Mapping[str, Receipt], chosen: Sequence[str], tables: Sequence[str]
) -> None:
    """Remove receipts and files of buckets that the corpus no longer has."""
    buckets = {bucket.name for bucket in layout.buckets}
    for task in chosen:
        if task not in done:
            storage_files.keep_only(layout.root / f"receipts/label_{step}" / task, {f"{name}.json" for name in buckets})
        for table in tables:
            storage_files.keep_only(layout.root / FOLDER / task / table, {f"{name}.parquet" for name in buckets})


def _task_of(name: str) -> str | None:
    folder, _, rest = name.partition("/")
    return rest.partition("/")[0] if folder == FOLDER else None


def _others(files: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of files that are not labels: what labelling reads, and does not make again."""
    return {name: entry for name, entry in files.items() if _task_of(name) is None}


def _take_annotations(root: Path, tree: Path) -> None:
    """Copy what people and models said into the tree: it is an input like any other, and may change meanwhile."""
    if root == tree:
        return
    storage_files.remove(tree / ANNOTATIONS)
    for path in storage_files.listed(root / ANNOTATIONS, deep=True):
        storage_files.copy(path, tree / path.relative_to(root))


def _remove(root: Path, task: str) -> None:
    """Remove the files that `apply` wrote for a task; votes of people and models stay."""
    for table in TABLES:
        storage_files.remove(root / FOLDER / task / table)
    for name in (steps.model_path(task), analysis_functions.path(task)):
        storage_files.remove(root / name)
    storage_files.remove_if_empty(root / FOLDER / task)
    _forget(root, task)
    storage_files.remove(root / ".work/labels" / task)


def _forget(root: Path, task: str) -> None:
    """Forget that a task was labelled, so that all of its steps run again."""
    for stage in storage_files.folders(root / "receipts"):
        if stage.startswith("label_"):
            storage_files.remove(root / "receipts" / stage / task)
            storage_files.remove(root / "receipts" / stage / f"{task}.json")


def _chosen(facts: Mapping[str, Any], tasks: Sequence[str] | None) -> list[str]:
    config = configs.of_corpus(facts["config"])
    configured = TASKS if config.labels.tasks is None else config.labels.tasks
    return list(configured if tasks is None else tasks)
