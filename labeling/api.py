"""The functions of `socorpus.labeling`, the package's Python API.

Their dependencies are imported at the call, since some take seconds.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socorpus.corpus.api import Location
from socorpus.corpus.storage.boundary import corpus_output, corpus_place, guarded, local, local_output
from socorpus.corpus.storage.objects import folders

if TYPE_CHECKING:
    import pyarrow as pa

    from socorpus.corpus.api import Sources
    from socorpus.corpus.engine.work import Progress
    from socorpus.corpus.finished import Corpus
    from socorpus.labeling.analysis.accuracy import Accuracy
    from socorpus.labeling.analysis.differences.label_diff import LabelDiff
    from socorpus.labeling.analysis.differences.whole_diff import Diff
    from socorpus.labeling.analysis.findings import Analysis
    from socorpus.labeling.analysis.tryout import Trial
    from socorpus.labeling.export.formats import Written
    from socorpus.labeling.judgements.importing import Imported
    from socorpus.labeling.judgements.sheet import Sheet
    from socorpus.labeling.label_studio.client import Client
    from socorpus.labeling.label_studio.push import Project
    from socorpus.labeling.label_studio.sampling import Sample
    from socorpus.labeling.label_studio.server import Server
    from socorpus.labeling.label_studio.sync import Synced
    from socorpus.labeling.publishing.publication import Published
    from socorpus.labeling.schema import Task
    from socorpus.labeling.takedown.forgetting import Forgotten
    from socorpus.labeling.text_score.corpus_votes import ScoreSummary

Say = Callable[[str], None]


def _silent(_: str) -> None:
    pass


@guarded
def task_names() -> list[str]:
    """Names of the tasks that can be labelled.

    Examples:
        >>> "closure" in task_names()
        True
    """
    from socorpus.labeling import schema

    return list(schema.TASKS)


@guarded
def task_named(name: str) -> "Task":
    """The task of a name, with its labels.

    Raises:
        InputError: there is none; the message names those that there are.

    Examples:
        >>> task_named("quality").labels
        ('HQ', 'LQ_EDIT', 'LQ_CLOSE')
    """
    from socorpus.labeling import schema

    return schema.TASKS.named(name)


@guarded
def tasks_without_functions() -> list[str]:
    """A sentence for each task on which no labelling function votes, such as one of a plug-in without any.

    Examples:
        >>> tasks_without_functions()
        []
    """
    from socorpus.labeling import pipeline, schema

    return [fault for name in schema.TASKS if (fault := pipeline.without_functions(name)) is not None]


@guarded
def apply(
    corpus: Location,
    tasks: Sequence[str] | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
    without_plugins: Sequence[str] = (),
    show: "Callable[[Progress], None] | None" = None,
) -> "Corpus":
    """Label a finished corpus, or bring its labels up to date, and write its report again.

    Args:
        tasks: those of the corpus's configuration, if None. Labels of other tasks stay as they are.
        workers, scheduler, show: as of `socorpus.corpus.build`.
        force: label everything again.
        without_plugins: names of plug-ins, which must not be active, to take out of the corpus: the tasks that they
            define go, and their functions vote no more.

    Raises:
        InputError: there is no finished corpus, a task is not known, or a plug-in can't be taken out, since the corpus
            has none of this name or was built with it.
        BuildError: another build is at work there, or a labelling function gives an invalid vote.

    Examples:
        >>> corpus = apply("corpus", ["closure"], workers=0)
        >>> set(corpus.labels("closure").to_table()["label"].to_pylist()) <= set(task_named("closure").labels)
        True
    """
    return _run(corpus, tasks, workers, scheduler, show, force=force, without_plugins=without_plugins)


@guarded
def analyze(
    corpus: Location,
    tasks: Sequence[str] | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    show: "Callable[[Progress], None] | None" = None,
) -> "dict[str, Analysis]":
    """The quality of the labels by task: coverage, conflict, accuracy, agreement, likely errors, leaks.

    Labels that are not up to date are made first. The arguments and errors are those of `apply`.

    Examples:
        >>> analysis = analyze("corpus", ["closure"], workers=0)["closure"]
        >>> analysis.functions()[0][:3]
        ['closure', 'votes', 'coverage']
    """
    from socorpus.corpus.storage import generations
    from socorpus.labeling.analysis import functions
    from socorpus.labeling.analysis.findings import Analysis

    labelled = _run(corpus, tasks, workers, scheduler, show, analyze=True)
    wanted = [name for name in labelled.manifest["labels"] if tasks is None or name in tasks]
    tree = generations.finished(labelled.path)
    analyses = ((name, functions.load(tree, name)) for name in wanted)
    return {name: Analysis(name, facts, functions.seconds(tree, name)) for name, facts in analyses if facts is not None}


def _run(
    corpus: Location,
    tasks: Sequence[str] | None,
    workers: int | None,
    scheduler: str | None,
    show: "Callable[[Progress], None] | None",
    **how: Any,
) -> "Corpus":
    from socorpus.corpus.engine.executor import Engine
    from socorpus.corpus.finished import Corpus
    from socorpus.labeling import pipeline

    # Workers of a running scheduler have current folders of their own.
    root = corpus_place(corpus).absolute()
    with Engine(root, workers, scheduler, show) as engine:
        pipeline.apply(root, engine, tasks, **how)
    return Corpus(corpus)


@guarded
def accuracy(corpus: Location, task: str, gold: Location | None = None) -> "Accuracy":
    """The accuracy of a task's labels by label and slice, with intervals, and of their probabilities.

    They are compared with what people judged without a suggestion (draw such posts with `sync(..., sample="class",
    blind=1)`), or with gold labels.

    Args:
        gold: a file of gold labels: CSV, JSON Lines or Parquet with site, post_id (or key) and label, of spans also
            start and end; the CSV of "60k Stack Overflow Questions with Quality Rating"; or, for entities, a file of
            the StackOverflow NER corpus, whose own texts are then labelled.

    Raises:
        InputError: the corpus has no labels of the task, nobody judged any without a suggestion, or the gold can't be
            read, or is of none of its posts.

    Examples:
        >>> _ = apply("corpus", ["closure"], workers=0)
        >>> accuracy("corpus", "closure")
        Traceback (most recent call last):
        ...
        socorpus.corpus.errors.InputError: closure: nobody has judged a post without a suggestion, so ...
    """
    from socorpus.corpus.errors import InputError
    from socorpus.labeling.analysis import accuracy as measuring
    from socorpus.labeling.analysis import span_accuracy
    from socorpus.labeling.datasets import gold as gold_labels
    from socorpus.labeling.datasets import user_tables

    tree, definition = _labelled(corpus, task)
    buckets = measuring.buckets(tree, definition)
    path = None if gold is None else local(gold)
    if path is not None and definition.spans and not user_tables.is_table(path):
        return span_accuracy.of_annotated(definition, path)
    sites = sorted({bucket.site for bucket in buckets})
    if path is not None:
        labels = gold_labels.read(path, definition, sites)
        compared = (
            span_accuracy.measure(tree, definition, buckets, labels)
            if definition.spans
            else measuring.measure(tree, definition, buckets, labels.texts)
        )
        left_out = f"rows of gold without a label, which are left out: {labels.empty:,}"
        return replace(compared, notes=(left_out, *compared.notes)) if labels.empty else compared
    more = ""
    if measuring.waits(corpus_place(corpus), tree, definition):
        more = f"what people said since the last socorpus labeling apply {corpus_place(corpus)} is not in this"
    try:
        result = (span_accuracy if definition.spans else measuring).measure(tree, definition, buckets)
    except InputError as error:
        raise InputError("; ".join(filter(None, (str(error), more)))) from None
    return replace(result, notes=(*result.notes, more)) if more else result


@guarded
def label_slices(corpus: Location, task: str, way: str = "tag") -> list[dict[str, Any]]:
    """The labels of a task by tag, year, site or length: examples, labels, conflicts, mean probability.

    Args:
        way: tag, year, site or length.

    Raises:
        InputError: the corpus has no labels of the task, or there is no such way.

    Examples:
        >>> _ = apply("corpus", ["closure"], workers=0)
        >>> sum(row["examples"] for row in label_slices("corpus", "closure", "year")) > 0
        True
    """
    from socorpus.corpus.errors import InputError
    from socorpus.labeling.analysis import accuracy as measuring
    from socorpus.labeling.analysis import slices

    if way not in slices.WAYS:
        raise InputError(f"labels can't be sliced by {way!r}; ways are {', '.join(slices.WAYS)}")
    tree, definition = _labelled(corpus, task)
    names = [bucket.name for bucket in measuring.buckets(tree, definition)]
    return slices.table(tree, definition, names, way)


@guarded
def label_examples(corpus: Location, task: str, columns: Sequence[str] | None = None) -> "Iterator[pa.Table]":
    """The texts that a task's labels are of, one table for each bucket, with what goes with them.

    Their files hold no text that a document has (docs/labeling.md): this puts them together.

    Args:
        columns: those wanted, such as `post_id`, `title` and `text`; all if None (docs/labeling.md#examples).

    Raises:
        InputError: there is no finished corpus, it has no labels of the task, there is no such column, or files are not
            those of its manifest.

    Examples:
        >>> _ = apply("corpus", ["closure"], workers=0)
        >>> tables = list(label_examples("corpus", "closure", ["post_id", "text"]))
        >>> tables[0].num_rows > 0, tables[0].column_names
        (True, ['post_id', 'text'])
    """
    from socorpus.corpus.errors import UnknownNameError
    from socorpus.labeling import example_texts, schema
    from socorpus.labeling.label_studio import sampling

    tree, definition = _labelled(corpus, task)
    names = list(schema.EXAMPLES.names if columns is None else columns)
    for name in names:
        if name not in schema.EXAMPLES.names:
            raise UnknownNameError.of(f"column {name!r} is not known", name, schema.EXAMPLES.names)
    buckets = sampling.buckets(tree, definition)
    return (example_texts.read(tree, definition.name, bucket, names) for bucket in buckets)


@guarded
def diff_labels(old: Location, new: Location, tasks: Sequence[str] | None = None) -> "dict[str, LabelDiff]":
    """What changed between the labels of two corpora, by task: labels, the functions behind them, sites, examples.

    Args:
        tasks: those that both have, if None.

    Raises:
        InputError: there is no finished corpus, one has no labels of a task that is named, or no site is in both.

    Examples:
        >>> _ = apply("corpus", ["closure"], workers=0)
        >>> diff_labels("corpus", "corpus")["closure"].changed
        0
    """
    from socorpus.corpus.errors import InputError
    from socorpus.labeling import schema
    from socorpus.labeling.analysis.differences import label_diff

    trees = [_comparable(place, ("labels",)) for place in (old, new)]
    _require_common_site((old, new), [facts for _, facts in trees])
    both = [name for name in trees[0][1].get("labels", {}) if name in trees[1][1].get("labels", {})]
    if not both:
        raise InputError(f"{old} and {new} have labels of no task in common; socorpus labeling apply makes them")
    for name in tasks or ():
        if name not in both:
            raise InputError(f"{name}: not both corpora have labels of it; both have {', '.join(both) or 'none'}")
    chosen = both if tasks is None else tasks
    entries = trees[1][1]["labels"]
    return {name: label_diff.compare(trees[0][0], trees[1][0], schema.of_corpus(name, entries)) for name in chosen}


def _comparable(place: Location, folders: Sequence[str]) -> "tuple[Path, dict[str, Any]]":
    """The tree and the manifest of a corpus of which some folders are going to be compared; of an open `Corpus` those
    that it reads, whatever builds have done since."""
    from socorpus.corpus.finished import Corpus
    from socorpus.corpus.storage import integrity

    root = corpus_place(place)
    if not isinstance(place, Corpus):
        return integrity.opened(root, folders)
    integrity.require(root, place.tree, integrity.within(place.manifest["files"], folders))
    return place.tree, place.manifest


def _require_common_site(places: Sequence[Location], facts: "Sequence[dict[str, Any]]") -> None:
    from socorpus.corpus.errors import InputError

    sites = [list(of["sites"]) for of in facts]
    if sites[0] and sites[1] and set(sites[0]).isdisjoint(sites[1]):
        shown = [", ".join(names[:3]) + (", …" if len(names) > 3 else "") for names in sites]
        old, new = (os.fspath(place) for place in places)
        raise InputError(
            f"{old} is a corpus of {shown[0]}, and {new} of {shown[1]}: there is no site that could be compared"
        )


@guarded
def diff(
    old: Location,
    new: Location,
    *,
    tasks: Sequence[str] | None = None,
    examples: int = 5,
    moves: Location | None = None,
    page: Location | None = None,
) -> "Diff":
    """What changed between two corpora, or in one by a build: configuration, sources, documents by rule, posts that
    moved from kept to dropped and back, labels and whose votes changed them, distributions.

    Memory is bounded; the disk of the temporary folder takes some hundred bytes for each document.

    Args:
        old, new: an open `Corpus` stands for what it was as it was opened, so that a corpus can be compared with
            itself before a build.
        tasks: whose labels are compared: those that both have, if None.
        examples: posts shown of each kind of move and pair of rules.
        moves: a file for the list of all posts that moved: .parquet, .csv or .jsonl.
        page: an HTML file that shows all of it and opens offline.

    Returns:
        `differs`, `corpus` (with `counts`, `moved`, `rows`, `examples`, `distributions`), `labels` by task;
        `as_dict()` as JSON can hold it.

    Raises:
        InputError: there is no finished corpus, files are not those of its manifest, no site is in both, a task is not
            labelled in both, or a file is named that can't be written.

    Examples:
        >>> diff("corpus", "corpus").differs
        False
        >>> from socorpus.corpus import Corpus, build, load_config
        >>> before = Corpus(build("dump/modern.example.com", "changing", workers=0))
        >>> config = load_config(overrides={"selection": {"min_words": 60}})
        >>> after = build("dump/modern.example.com", "changing", config, workers=0)
        >>> diff(before, after).corpus.moved["dropped"] > 0
        True
    """
    from socorpus.corpus.diff import moves as moved_posts
    from socorpus.corpus.diff import post_rows
    from socorpus.corpus.errors import InputError
    from socorpus.labeling.analysis.differences import diff_sections, whole_diff

    outputs = [local_output(place) if place is not None else None for place in (moves, page)]
    if outputs[0] is not None:
        moved_posts.check_list(outputs[0])
    sides = [_comparable(place, (*post_rows.FOLDERS, "labels")) for place in (old, new)]
    _require_common_site((old, new), [facts for _, facts in sides])
    for name in tasks or ():
        if any(name not in facts.get("labels", {}) for _, facts in sides):
            raise InputError(f"{name}: not both corpora have labels of it; socorpus labeling apply makes them")
    titles = (str(corpus_place(old)), str(corpus_place(new)))
    if titles[0] == titles[1] and sides[0][0] != sides[1][0]:
        titles = (f"{titles[0]} before", titles[1])
    result = whole_diff.compare(sides, titles, tasks, examples, outputs[0])
    if outputs[1] is not None:
        diff_sections.write(outputs[1], result)
    return result


@guarded
def try_functions(plugin: str, corpus: Location, *, most: int = 2000) -> "list[Trial]":
    """Try the labelling functions of a plug-in on some posts of a corpus; nothing is written.

    A function for a task of ours needs the labels of that task in the corpus, with which it is compared. Of a task that
    a plug-in defines nothing need be there: its examples are made.

    Args:
        plugin: name of an active plug-in, as `socorpus.corpus.use_plugins` returns it.
        most: number of examples to try on: the first ones of the corpus, or all if there are fewer.

    Raises:
        InputError: `most` is below 1, the plug-in has no labelling function, its task is not known, or is one of ours
            of which the corpus has no labels.
        BuildError: a function raises an exception, or yields something else than votes.

    Examples:
        >>> from pathlib import Path
        >>> from socorpus.corpus import use_plugins
        >>> _ = apply("corpus", ["closure"], workers=0)
        >>> lines = ["from socorpus.labeling import Vote, votes", "@votes('closure')", "def asks(threads):"]
        >>> lines += ["    for row in threads.documents.to_pylist():", "        if row['kind'] == 'question':"]
        >>> lines += ["            yield Vote(row['post_id'], 'open', {})"]
        >>> _ = Path("asks.py").write_text("\\n".join(lines))
        >>> (trial,) = try_functions(*use_plugins(["asks.py"]), "corpus")
        >>> trial.function, trial.covered == trial.examples
        ('closure.asks', True)
        >>> use_plugins()
        []
    """
    from socorpus.corpus import config
    from socorpus.corpus.storage import integrity
    from socorpus.corpus.storage.buckets import listed
    from socorpus.labeling import schema
    from socorpus.labeling.analysis import accuracy as measuring
    from socorpus.labeling.analysis import tryout

    trials = []
    for name, functions in tryout.by_task(plugin).items():
        ours = schema.TASKS.origin(name) is None
        folders = (*schema.folders(name), *(() if ours else (f"labels/{schema.FACTS_FOLDER}",)))
        tree, facts = integrity.opened(corpus_place(corpus), folders)
        task = schema.TASKS[name]
        buckets = measuring.buckets(tree, task) if ours else listed(facts["files"])
        trials += tryout.attempt(tree, config.sections_of_ours(facts["config"]), buckets, task, functions, most)
    return trials


def _labelled(corpus: Location, task: str, *more: str) -> "tuple[Path, Task]":
    """The tree of a corpus with labels of a task, which need be known only by its manifest.

    Args:
        more: folders that are read besides the labels.
    """
    from socorpus.corpus.storage import integrity
    from socorpus.labeling import schema

    root = corpus_place(corpus)
    definition = schema.of_corpus(task, integrity.pinned(root)[1].get("labels", {}))
    tree, _ = integrity.opened(root, (*schema.folders(definition.name), *more))
    return tree, definition


def _saved(root: Path, name: str, task: str) -> "Sample":
    """The sample of a saved query; it is checked at once, and looked for when it is needed."""
    from socorpus.labeling.label_studio.sampling import Sample
    from socorpus.labeling.workbench import opening, saved_queries

    query = saved_queries.load(root, name)
    searching = opening.opened(root).searching
    searching.plan(query)
    return Sample("query", name, lambda most, without: searching.keys(query, most, task, without))


@guarded
def browse(corpus: Location, *, port: int = 8050, say: Say = _silent) -> None:
    """Serve a local workbench over a corpus until Ctrl-C: filters, search, posts with their votes (docs/browse.md).

    It listens on this machine alone, at an address with a random token, which is told through `say`. It writes nothing
    but queries that are saved, to `queries/` in the corpus's folder.

    Args:
        port: 0 takes a free one.
        say: called with the address, and with a line at the end.

    Raises:
        InputError: there is no finished corpus, files are not those of its manifest, or the port is taken; or the extra
            `browse` is not installed.

    Examples:
        It serves until it is stopped, so this is for a process of its own:

        >>> browse("no-corpus")
        Traceback (most recent call last):
        ...
        socorpus.corpus.errors.InputError: no-corpus: ...
    """
    from importlib.util import find_spec

    from socorpus.corpus.errors import InputError

    if missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
        raise InputError(f"the workbench needs {', '.join(missing)}: pip install 'socorpus[browse]'")
    from socorpus.labeling.workbench import browse_server

    browse_server.serve(corpus_place(corpus), port, say)


@guarded
def explain_labels(corpus: Location, key: str) -> list[str]:
    """The facts, votes and labels of a post (`SITE:POST_ID`) in lines of text; none where it has no labels.

    Examples:
        >>> corpus = apply("corpus", workers=0)
        >>> row = corpus.labels("closure").head(1).to_pylist()[0]
        >>> explain_labels(corpus, f"{row['site']}:{row['post_id']}")[:2]
        ['', 'facts']
    """
    from socorpus.corpus.storage import generations
    from socorpus.labeling.analysis import explain

    return explain.lines(generations.pinned(corpus_place(corpus)), key)


@guarded
def write_report(corpus: Location) -> Path:
    """Write report.html of a finished corpus again, with its labels; the report's path.

    Raises:
        InputError: there is no finished corpus.

    Examples:
        >>> write_report("corpus").name
        'report.html'
    """
    from socorpus.corpus import pipeline, plugins
    from socorpus.corpus.engine.executor import perform
    from socorpus.corpus.storage import generations, integrity
    from socorpus.labeling.analysis import report_sections

    root = corpus_place(corpus)
    tree, facts = integrity.opened(root)
    perform(tree, pipeline.report_item(facts, report_sections.SECTIONS), plugins.active())
    return generations.shown(root, tree) / "report.html"


@guarded
def export_labels(
    corpus: Location,
    task: str,
    out: Location,
    format: str = "jsonl",
    *,
    least: float = 0.0,
    tokens: str | None = None,
    more: Sequence[str] = (),
) -> "Written":
    """Write the labels of a task to a new folder, people's labels above all others.

    Args:
        format: jsonl, conll or huggingface (a dataset folder with its card).
        least: probability below which labels are left out.
        tokens: BIO tags of entities by `words` or by the tokens of the `corpus`.
        more: further columns: `probabilities` of all labels, and the `votes` with their evidence.

    Raises:
        InputError: there are no labels, the format is not one for this task, or `out` is not new.
        BuildError: the disk is full.

    Examples:
        >>> written = export_labels("corpus", "closure", "exported")
        >>> written.examples == written.labels > 0
        True
    """
    from socorpus.labeling.export import formats

    place = local_output(out)
    tree, definition = _labelled(corpus, task, "tokenizer")
    return formats.export(tree, definition, format, place, least, tokens, more)


@guarded
def publish(
    corpus: Location,
    out: Location,
    format: str = "parquet",
    *,
    push: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
    show: "Callable[[Progress], None] | None" = None,
) -> "Published":
    """Write a finished corpus as a folder for a hub or a trainer: its shards, tables made of them, and its labels, with
    card, licences, attribution, datasheet and citation (docs/publish.md).

    What was stopped goes on where it was. A folder that is published already gets what changed, and one that is up to
    date is left as it is.

    Args:
        out: a new or empty folder, or one that this function wrote.
        format: parquet, jsonl, jsonl.zst or megatron (`.bin` and `.idx`, of the tokens of the corpus's tokenizer).
        push: `ORG/NAME` of a data set on the Hugging Face hub that the folder is sent to, with the token in HF_TOKEN;
            it is made, private, where there is none.
        workers, scheduler, show: as of `socorpus.corpus.build`.
        force: make all files again.

    Returns:
        The folder, rows of each table by split, bytes of all files, and the work items that ran.

    Raises:
        InputError: there is no finished corpus, or files are not those of its manifest; no address is known of one of
            its sites; `out` holds something else; there is no such format; or there is no token to push with.
        BuildError: a full disk, a lost worker, another process at work in `out`, or the hub can't be reached.

    Examples:
        >>> from socorpus.corpus import Corpus
        >>> published = publish("corpus", "published", workers=0)
        >>> sum(published.rows["documents"].values()) == Corpus("corpus").manifest["totals"]["kept"]
        True
    """
    from socorpus.labeling.publishing import publication

    place = local_output(out).absolute()
    return publication.publish(corpus_place(corpus).absolute(), place, format, push, workers, scheduler, force, show)


@guarded
def forget(
    corpus: Location,
    names: Location | None = None,
    *,
    gone: "Sources" = (),
    threads: bool = False,
    published: Sequence[Location] = (),
    runs: Sequence[Location] = (),
    url: str | None = None,
    token: str | None = None,
    ask: Callable[[str], str | None] = lambda _: None,
    say: Say = _silent,
    workers: int | None = None,
    scheduler: str | None = None,
    dry_run: bool = False,
    show: "Callable[[Progress], None] | None" = None,
) -> "Forgotten":
    """Remove posts, comments and authors from a finished corpus and all that was made of it (docs/forget.md).

    The corpus is made anew from its own tables, so its dump may be gone; later builds leave out what was removed.
    What was stopped, or could not be reached, is taken up by the next call, be it without `names`.

    Args:
        corpus: a folder of this machine.
        names: a list: text with `SITE:ID`, `SITE:user:ID`, `SITE:comment:ID` or an address a line; CSV or JSON Lines.
        gone: dumps of the same sites that are newer; posts that they lack are removed too.
        threads: whether with a post of the list all of its thread goes.
        published: folders of `publish`, which are made anew in their formats.
        runs: folders with runs and models, beside those in the corpus's `runs`, among which is told what learned from
            the removed posts.
        url, token, ask, say: of the Label Studio server, as of `sync`; asked only where the corpus was synced.
        workers, scheduler, show: as of `socorpus.corpus.build`.
        dry_run: change nothing; the result is what would be removed.

    Returns:
        What was removed and what changed, by number; what is still to be done, in sentences; and the place of the
        record.

    Raises:
        InputError: there is no finished corpus, a row of the list can't be read, a dump is not newer, a folder is none
            of `publish`, or there is nothing to do.
        BuildError: a full disk, a lost worker, or another command at work in the corpus.

    Examples:
        >>> from pathlib import Path
        >>> _ = Path("asked.txt").write_text("modern.example.com:1\\n")
        >>> forget("corpus", "asked.txt", dry_run=True).counts["post"]
        1
    """
    from socorpus.corpus.api import discover
    from socorpus.labeling.label_studio.credentials import TOKEN, access
    from socorpus.labeling.takedown import forgetting

    @contextmanager
    def connect() -> "Iterator[Client]":
        from socorpus.labeling.label_studio.client import Client

        with access(url, token or os.environ.get(TOKEN), ask, say) as (address, key), Client(address, key) as client:
            yield client

    dumps = [gone] if isinstance(gone, str | os.PathLike) else list(gone)
    request = forgetting.Request(
        None if names is None else local(names),
        discover(dumps) if dumps else (),
        [os.fspath(dump) for dump in dumps],
        threads,
        [local_output(folder).absolute() for folder in published],
        [local(folder).absolute() for folder in runs],
    )
    root = local(corpus).absolute()
    return forgetting.forget(root, request, connect, workers, scheduler, dry_run, show)


@guarded
def check_forgotten(corpus: Location) -> list[str]:
    """Look through a corpus for all that was ever removed from it; a line for each place where something is left.

    Every table, what people said, published folders that were named, and what is pending are looked at.

    Raises:
        InputError: there is no finished corpus, or nothing was ever removed from it.

    Examples:
        >>> check_forgotten("corpus")
        Traceback (most recent call last):
        ...
        socorpus.corpus.errors.InputError: ...corpus: nothing was ever forgotten there, so there is nothing to check
    """
    from socorpus.labeling.takedown import forgetting

    return forgetting.check(local(corpus).absolute())


@guarded
def lift_forgotten(corpus: Location, names: Location) -> list[str]:
    """Let later builds take in again what a list names; the keys of what was lifted, with an author's posts.

    The corpus stays as it is: what was removed comes back with the next build of a dump that has it.

    Raises:
        InputError: there is no finished corpus, a row of the list can't be read, or nothing of it was removed.

    Examples:
        >>> from pathlib import Path
        >>> _ = Path("asked.txt").write_text("modern.example.com:1\\n")
        >>> lift_forgotten("corpus", "asked.txt")
        Traceback (most recent call last):
        ...
        socorpus.corpus.errors.InputError: asked.txt: nothing of what it names was removed from ...
    """
    from socorpus.labeling.takedown import forgetting

    return forgetting.lift(local(corpus).absolute(), local(names))


@guarded
def sync(
    corpus: Location,
    project: str,
    task: str,
    *,
    url: str | None = None,
    token: str | None = None,
    sample: str = "uncertain",
    query: str | None = None,
    limit: int = 1000,
    blind: float = 0.1,
    overlap: int | None = None,
    dry_run: bool = False,
    ask: Callable[[str], str | None] = lambda _: None,
    say: Say = _silent,
    then: "Callable[[Project], None]" = lambda _: None,
) -> "Synced":
    """Bring a project of Label Studio and a corpus up to date with one another; safe to repeat, and to stop.

    Args:
        project: title of the project, which is created if there is none.
        url: address of a server; the embedded one, if None.
        token: of the server; by default that of the environment variable LABEL_STUDIO_API_KEY.
        sample: posts to add: uncertain, disagreement, random, diverse, class, class:LABEL, slice:WAY or tag:NAME.
        query: name of a query that was saved in `browse`: its posts are added, in its order, in place of a sample.
        limit: number of tasks that the project is filled up to.
        blind: share of these that show no suggestion.
        overlap: number of people who judge each task; None: as the project has it. Where two or more differ, an
            adjudicator decides in a tab of the project.
        dry_run: change nothing; the result is what would be sent and read.
        ask: called with the address for a token that is not known otherwise.
        say: called with a line of text now and then.
        then: called with the project before suggestions are read, such as `socorpus.training.connect_model(...)`.

    Raises:
        InputError: the corpus has no labels of the task, there is no server, the project is of another task, or no
            such query is saved.
        BuildError: the connection was lost; the same call goes on.

    Examples:
        A server must run: `socorpus labeling studio` starts one.

        >>> sync("corpus", "Closure", "closure", url="http://127.0.0.1:1", token="none")
        Traceback (most recent call last):
        ...
        socorpus.corpus.errors.InputError: http://127.0.0.1:1: ...
    """
    from socorpus.labeling.label_studio import sampling
    from socorpus.labeling.label_studio import sync as syncing
    from socorpus.labeling.label_studio.client import Client
    from socorpus.labeling.label_studio.credentials import TOKEN, access
    from socorpus.labeling.label_studio.sampling import Sample

    root = corpus_place(corpus)
    chosen = Sample.parse(sample) if query is None else _saved(root, query, task)
    tree, wanted = _labelled(corpus, task)
    sampling.buckets(tree, wanted)  # before a server is started for nothing
    how: dict[str, Any] = {"tree": tree, "sample": chosen, "limit": limit, "blind": blind, "say": say, "then": then}
    how["overlap"] = overlap
    with (
        access(url, token or os.environ.get(TOKEN), ask, say) as (address, key),
        Client(address, key, read_only=dry_run) as client,
    ):
        synced = syncing.sync(root, client, project, wanted, **how)
    synced.address = address
    return synced


@guarded
def judge_names(
    corpus: Location,
    task: str,
    project: str | None = None,
    *,
    url: str | None = None,
    token: str | None = None,
    limit: int = 200,
    dry_run: bool = False,
    ask: Callable[[str], str | None] = lambda _: None,
    say: Say = _silent,
) -> "Synced":
    """Let people judge the commonest names of a task of spans in Label Studio, three contexts each.

    Safe to repeat, and to stop. What they say changes the probabilities of all mentions with the next `apply`.

    Args:
        project: title of the project, which is created if there is none; None: by the corpus's folder and the task.
        limit: number of names that the project is filled up to.
        url, token, dry_run, ask, say: as of `sync`.

    Raises:
        InputError: the corpus has no labels of the task, judgements of its names can't change anything, or there is no
            server.
        BuildError: the connection was lost; the same call goes on.

    Examples:
        A server must run: `socorpus labeling studio` starts one.

        >>> _ = apply("corpus", ["entities"], workers=0)
        >>> judge_names("corpus", "entities", url="http://127.0.0.1:1", token="none")
        Traceback (most recent call last):
        ...
        socorpus.corpus.errors.InputError: http://127.0.0.1:1: ...
    """
    from socorpus.labeling.label_studio import names, sampling
    from socorpus.labeling.label_studio.client import Client
    from socorpus.labeling.label_studio.credentials import TOKEN, access

    root = corpus_place(corpus)
    tree, wanted = _labelled(corpus, task)
    names.check(wanted)
    sampling.buckets(tree, wanted)
    title = names.default_title(root, wanted) if project is None else project
    with (
        access(url, token or os.environ.get(TOKEN), ask, say) as (address, key),
        Client(address, key, read_only=dry_run) as client,
    ):
        synced = names.sync(root, client, title, wanted, limit=limit, say=say, tree=tree)
    synced.address = address
    return synced


@guarded
def write_sheet(
    corpus: Location,
    task: str,
    out: Location,
    *,
    sample: str | None = None,
    limit: int = 200,
    blind: float = 1.0,
) -> "Sheet":
    """Write a sample of posts to a file that people fill in, for `import_judgements`.

    Args:
        out: a new file: `.csv`, or `.jsonl`, which a task of spans needs.
        sample: posts to choose, as of `sync`; those of which anybody has said something are left out. None: `class`,
            or `random` for spans: what accuracy can be measured by. `disputed`: those that people judged differently,
            for an adjudicator.
        limit: number of posts.
        blind: share of them that show no suggestion.

    Raises:
        InputError: the corpus has no labels of the task, the sample is not known, or `out` is there or has another
            ending.
        BuildError: the disk is full.

    Examples:
        >>> _ = apply("corpus", ["closure"], workers=0)
        >>> write_sheet("corpus", "closure", "sheet.csv", limit=10).posts
        10
    """
    from socorpus.labeling.judgements import importing
    from socorpus.labeling.judgements import sheet as judging_sheet
    from socorpus.labeling.label_studio.sampling import Sample

    place = local_output(out)
    settling = sample == judging_sheet.DISPUTED
    chosen = None if sample is None or settling else Sample.parse(sample)
    tree, wanted = _labelled(corpus, task)
    known = importing.judged_posts(corpus_place(corpus), wanted)
    disputed = importing.disputed(corpus_place(corpus), wanted) if settling else None
    how = chosen or judging_sheet.usual_sample(wanted)
    return judging_sheet.write(tree, wanted, place, how, limit, blind, known, disputed)


@guarded
def import_judgements(
    corpus: Location,
    task: str,
    file: Location,
    *,
    annotator: str | None = None,
    remove: bool = False,
    dry_run: bool = False,
) -> "Imported":
    """Bring people's judgements from a file into a corpus; `apply` takes them over, as those of the sync.

    The same file changes nothing twice. Of a person and a post a later file replaces what an earlier one said.

    Args:
        file: CSV, JSON Lines or Parquet with site, post_id (or key), label (of spans start, end and label, or spans)
            and annotator; time, blind, adjudicated and digest may be there.
        annotator: who judged, where the file does not say.
        remove: take back what files said of the posts and people of this one, instead.
        dry_run: change nothing; the result is what would be.

    Raises:
        InputError: the corpus has no labels of the task, the file can't be read or lacks a column, or none of the rows
            that are filled in can be taken.
        BuildError: another command writes what people said of the corpus.

    Examples:
        >>> from pathlib import Path
        >>> row = apply("corpus", ["closure"], workers=0).labels("closure").head(1).to_pylist()[0]
        >>> _ = Path("judged.csv").write_text(f"site,post_id,label\\n{row['site']},{row['post_id']},open\\n")
        >>> import_judgements("corpus", "closure", "judged.csv", annotator="ann").new
        1
        >>> import_judgements("corpus", "closure", "judged.csv", annotator="ann").same
        1
        >>> import_judgements("corpus", "closure", "judged.csv", annotator="ann", remove=True).removed
        1
    """
    from socorpus.labeling.judgements import importing

    root, path = corpus_place(corpus), local(file)
    tree, wanted = _labelled(corpus, task)
    return importing.take(root, tree, wanted, path, annotator, remove=remove, dry=dry_run)


@guarded
def train_score(dataset: Location, out: Location, *, say: Say = _silent) -> dict[str, Any]:
    """Train a score of a question's quality from its title and text; the audit, as in `OUT/audit.json`.

    Args:
        dataset: a CSV file with the columns of "60k Stack Overflow Questions with Quality Rating".
        out: a new folder for the model and its audit.
        say: called with a line about each step.

    Raises:
        InputError: the file can't be read, or has too few questions; the folder exists; scikit-learn is missing.

    Examples:
        >>> train_score("so-60k.csv", "quality-score")
        Traceback (most recent call last):
        ...
        socorpus.corpus.errors.InputError: so-60k.csv: ...
    """
    from socorpus.labeling.text_score import train_score

    return train_score.train(local(dataset), local_output(out), say)


@guarded
def score(
    corpus: Location,
    model: Location | None,
    *,
    least: float = 0.9,
    out: Location | None = None,
    say: Say = _silent,
) -> "ScoreSummary | None":
    """Score the questions of a labelled corpus by a model of `train_score`, which then votes in `apply`.

    Args:
        model: folder of the model; None: take the votes of an earlier score back.
        least: fewest probability of a label for a vote.
        out: a Parquet file for the probabilities of all questions.
        say: called with the name of each bucket.

    Raises:
        InputError: there is no model, or the corpus has no labels of task quality.

    Examples:
        >>> score("corpus", None)
    """
    from socorpus.corpus.storage import integrity
    from socorpus.labeling import schema
    from socorpus.labeling.text_score import corpus_votes

    root, task = corpus_place(corpus), task_named("quality")
    tree, _ = integrity.opened(root, schema.folders(task.name))
    if model is None:
        corpus_votes.remove(root, task)
        return None
    table = None if out is None else corpus_output(out)
    return corpus_votes.score(root, tree, task, folders.here(model), least, table, say)


@guarded
def install_studio(say: Say = _silent) -> tuple[str, Path]:
    """Install Label Studio in an environment of its own, unless that is done; its version and its folder.

    Raises:
        BuildError: pip or the server's migrations fail; names the log.

    Examples:
        It takes some minutes and 1 GB, once:

        >>> version, folder = install_studio()
        >>> folder.is_dir()
        True
    """
    from socorpus.labeling.label_studio import server

    server.install(say)
    return server.VERSION, server.home()


@contextmanager
def studio(data: Location | None = None, port: int = 8080, say: Say = _silent) -> "Iterator[Server]":
    """Run the embedded Label Studio on this machine for the length of a `with` block; installed first, if need be.

    Args:
        data: folder of the server's database; the user's own, if None.

    Raises:
        BuildError: it can't be installed, or does not start.

    Examples:
        >>> with studio("studio-data", port=8097) as server:
        ...     print(server.url, server.user.email)
        http://127.0.0.1:8097 socorpus@localhost
    """
    from socorpus.labeling.label_studio import server

    folder = local_output(data) if data is not None else server.default_data()
    server.install(say)
    say("starting Label Studio")
    with server.serving(folder.absolute(), port) as running:
        yield running
