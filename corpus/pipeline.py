"""The whole build on one page: the ordered stages, from the sources to the manifest and the report.

A stage is run for what its receipts do not hold. What only hands rows on (`.work`) is removed at the end; should a
later build need some of it again, it is made again.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus import dump_diff, manifest, plugins, schema
from socorpus.corpus.config import Config
from socorpus.corpus.dedup import stage as dedup_stage
from socorpus.corpus.documents import stage as documents_stage
from socorpus.corpus.dump import threads_stage
from socorpus.corpus.dump.sources import Site
from socorpus.corpus.dump.stage import sites_of, work_items
from socorpus.corpus.dump.threads import KEYS_FOLDER
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.context import Context
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import WorkItem
from socorpus.corpus.errors import InputError
from socorpus.corpus.plan import Plan, plan
from socorpus.corpus.report import page as report_page
from socorpus.corpus.selection import own_rules
from socorpus.corpus.selection import stage as selection_stage
from socorpus.corpus.shards import split_files
from socorpus.corpus.shards import stage as shards_stage
from socorpus.corpus.signals import stage as signals_stage
from socorpus.corpus.signals.base import SIGNALS, Marking, Preparation, Signal
from socorpus.corpus.storage import files, manifest_file, plugin_memory
from socorpus.corpus.storage.buckets import Bucket
from socorpus.corpus.storage.lock import lock
from socorpus.corpus.tokenizer import stage as tokenizer_stage
from socorpus.corpus.toml_config import as_dict, to_toml

_PASSING = ("parts", "partitioned", "map", "fingerprints", "candidates", "shingles", "verified", "sample", "prepared")


@dataclass(frozen=True)
class LastStage:
    """What may come between the manifest and the report.

    Attributes:
        check: holds a configuration against what the stage knows, before anything is read; raises `InputError`.
        run: from the corpus, its manifest and the engine to the manifest, amended, and sections for the report.
    """

    check: Callable[[Config], None]
    run: Callable[[Path, dict[str, Any], Engine], tuple[dict[str, Any], tuple[report_page.Maker, ...]]]


def build(
    root: Path, sites: Sequence[Site], config: Config, engine: Engine, last: LastStage | None = None
) -> dict[str, Any]:
    """Build the corpus at `root`, or bring it up to date; its manifest.

    Args:
        last: a stage of another package that a build ends with, such as the labels'.

    Raises:
        InputError: a source can't be read, or `root` holds something else.
        BuildError: a full disk, a lost worker, another build at work in `root`.
    """
    if last is not None:
        last.check(config)
    with lock(root):
        files.sweep(root)
        laid = plan(sites, config)
        dump_diff.set_aside(root, manifest_file.load(root), laid.inputs)
        with files.atomic(root / "socorpus.toml") as temporary:
            temporary.write_text(to_toml(config), "utf-8")
        build = _Build(root, laid, config, engine)
        read = build.read()
        gathered = build.gather(read)
        documents = build.documents(read, gathered)
        signals = build.signals(documents)
        pairs = build.pairs(documents, signals["privacy"])
        twins, marked = dedup_stage.run(build.context(), documents)
        signals |= marked
        decisions = build.decide(documents, signals, twins)
        tokenizer, shards = build.shards(documents, decisions, signals["privacy"], twins)
        done = {"read": read, "threads": gathered, "documents": documents, "pairs": pairs, "decisions": decisions}
        done["shards"] = shards
        facts = manifest.assemble(root, laid, config, done, signals, twins, tokenizer)
        files.settle()
        manifest_file.save(root, facts)
        plugin_memory.remember(root, plugins.active())
        more: tuple[report_page.Maker, ...] = ()
        if last is not None:
            facts, more = last.run(root, facts, engine)
            manifest_file.save(root, facts)
        write_report(engine, facts, more)
        for folder in _PASSING:
            shutil.rmtree(root / ".work" / folder, ignore_errors=True)
        return facts


class _Build:
    """One build: each method is a stage, answers receipts by task, and removes what is no longer part of it."""

    def __init__(self, root: Path, laid: Plan, config: Config, engine: Engine):
        self.root, self.plan, self.config, self.engine = root, laid, config, engine
        self._reads: list[WorkItem] = []

    def context(self) -> Context:
        return Context(self.root, self.plan.buckets, self.config, self.engine)

    def read(self) -> dict[str, Receipt]:
        """Every table of every source -> parts; quarantine/SITE.parquet for what can't be read."""
        self._reads = list(work_items(self.plan.sites, self.config.read.part_mb))
        done = self.engine.run("read", self._reads, transient=True)
        paths = [path for receipt in done.values() for path in receipt.outputs]
        manifest.gather_quarantine(self.root, self.plan.sites, paths)
        whole = set(schema.DUMP) - set(schema.BY_POST)
        self._prune("read", done, [*(f"tables/{name}" for name in whole), ".work/quarantine"])
        return done

    def gather(self, read: Mapping[str, Receipt]) -> dict[str, Receipt]:
        """Parts -> the tables of each bucket, sorted."""
        parts: dict[str, dict[str, dict[str, str]]] = {site.name: {} for site in self.plan.sites}
        for receipt in read.values():
            for path, output in receipt.outputs.items():
                folder, _, name = path.rpartition("/")
                if folder.startswith(".work/parts/"):
                    table = name.rpartition("-")[0]
                    parts[folder.removeprefix(".work/parts/")].setdefault(table, {})[path] = output.sha256
        tasks = [self._gather_task(bucket, parts[bucket.site]) for bucket in self.plan.buckets]
        stale = {task.name.partition("/")[0] for task in self.engine.stale(tasks)}
        if stale:
            self.engine.ensure(task for task in self._reads if stale & sites_of(task))
        for step in (self._map_tasks(parts, stale), self._partition_tasks(parts, stale)):
            self.engine.run(step[0].stage if step else "map", step)
        done = self.engine.run("threads", tasks)
        self._prune("threads", done, [*(f"tables/{name}" for name in schema.BY_POST), KEYS_FOLDER])
        return done

    def _map_tasks(self, parts: Mapping[str, Mapping[str, Mapping[str, str]]], stale: set[str]) -> list[WorkItem]:
        several = {bucket.site: bucket.of for bucket in self.plan.buckets if bucket.of > 1 and bucket.site in stale}
        return [
            WorkItem(
                "map",
                site,
                threads_stage.build_map,
                {"site": site, "parts": sorted(posts), "of": of},
                {**posts, "of": f"{of}"},
            )
            for site, of in several.items()
            for posts in [parts[site]["posts"]]
        ]

    def _partition_tasks(self, parts: Mapping[str, Mapping[str, Mapping[str, str]]], stale: set[str]) -> list[WorkItem]:
        several = {bucket.site: bucket.of for bucket in self.plan.buckets if bucket.of > 1 and bucket.site in stale}
        return [
            WorkItem(
                "partition",
                f"{site}/{Path(part).stem}",
                threads_stage.partition,
                {"site": site, "table": table, "part": part, "of": of},
                {"part": content, "of": f"{of}", **parts[site]["posts"]},
            )
            for site, of in several.items()
            for table, names in parts[site].items()
            for part, content in names.items()
        ]

    def _gather_task(self, bucket: Bucket, parts: Mapping[str, Mapping[str, str]]) -> WorkItem:
        where = {
            table: [threads_stage.partition_path(path) if bucket.of > 1 else path for path in sorted(names)]
            for table, names in parts.items()
        }
        contents = {path: content for names in parts.values() for path, content in names.items()}
        arguments = {"site": bucket.site, "parts": where, "bucket": bucket.number, "of": bucket.of}
        return WorkItem("threads", bucket.name, threads_stage.gather, arguments, contents)

    def documents(self, read: Mapping[str, Receipt], gathered: Mapping[str, Receipt]) -> dict[str, Receipt]:
        """Rows of a bucket -> documents."""
        users: dict[str, dict[str, str]] = {}
        for receipt in read.values():
            for path, output in receipt.outputs.items():
                if path.startswith("tables/users/"):
                    users.setdefault(path.split("/")[2], {})[path] = output.sha256
        sites = {site.name: site for site in self.plan.sites}
        tasks = []
        for bucket in self.plan.buckets:
            receipt, authors = gathered[bucket.name], users.get(bucket.site, {})
            tables = [table for table in schema.BY_POST if bucket.path(f"tables/{table}") in receipt.outputs]
            used = [bucket.path(f"tables/{table}") for table in ("posts", "comments", "history")]
            inputs = {path: receipt.outputs[path].sha256 for path in used if path in receipt.outputs} | authors
            arguments = {
                "bucket": bucket,
                "host": sites[bucket.site].host,
                "tables": [table for table in tables if table in ("posts", "comments", "history")],
                "users": sorted(authors),
                "config": self.config.documents,
            }
            config = [as_dict(self.config.documents), sites[bucket.site].host]
            weight = receipt.outputs[bucket.path("tables/posts")].bytes + 1
            tasks.append(
                WorkItem(
                    "documents", bucket.name, documents_stage.build_documents, arguments, inputs, 1, config, weight
                )
            )
        done = self.engine.run("documents", tasks)
        self._prune("documents", done, ["documents"])
        return done

    def signals(self, documents: Mapping[str, Receipt]) -> dict[str, dict[str, Receipt]]:
        """Documents -> one table of marks a signal; receipts by signal and bucket."""
        markings = tuple(self._marking(signal) for signal in SIGNALS.values() if signal.find is not None)
        recipes = {marking.signal: marking.recipe for marking in markings}
        tasks = []
        for bucket in self.plan.buckets:
            inputs = {"documents": documents[bucket.name].content}
            weight = documents[bucket.name].outputs[bucket.path("documents")].bytes
            arguments = {"bucket": bucket, "markings": markings}
            tasks.append(WorkItem("signals", bucket.name, signals_stage.mark, arguments, inputs, 1, recipes, weight))
        done = self.engine.run("signals", tasks)
        self._prune("signals", done, [f"signals/{name}" for name in recipes])
        files.keep_only_folders(self.root / "signals", set(SIGNALS))
        return {
            name: {key: receipts.portion(one, f"signals/{name}", one.counts[name]) for key, one in done.items()}
            for name in recipes
        }

    def _marking(self, signal: Signal) -> Marking:
        section = self.config.section(signal.section) if signal.section else None
        values: Any = as_dict(section) if section is not None else None
        content, prepared = values, None
        if signal.prepare is not None:
            receipt = self._prepared(signal.name, signal.prepare, section, values)
            content, prepared = receipt.content, next(iter(receipt.outputs))
        recipe = receipts.fingerprint([signal.name, SIGNALS.version(signal.name), content])
        return Marking(signal.name, values, prepared, recipe)

    def _prepared(self, signal: str, preparation: Preparation, section: Any, values: Any) -> Receipt:
        """What a signal makes once of the user's files."""
        try:
            inputs = {name: files.sha256(Path(name)) for name in preparation.files(section)}
        except OSError as error:
            raise InputError(f"{error.filename}: a file of [{signal}] that can't be read: {error.strerror}") from None
        path = f".work/prepared_signals/{signal}"
        arguments = {"signal": signal, "config": values, "path": path}
        config = [values, SIGNALS.version(signal)]
        item = WorkItem("signal_inputs", signal, signals_stage.prepare, arguments, inputs, 1, config)
        return self.engine.run("signal_inputs", [item])[signal]

    def pairs(self, documents: Mapping[str, Receipt], found: Mapping[str, Receipt]) -> dict[str, Receipt]:
        """Documents -> code with the prose around it."""
        done = self._bucketwise("pairs", documents_stage.build_pairs, documents, found)
        self._prune("pairs", done, ["pairs"])
        return done

    def decide(
        self, documents: Mapping[str, Receipt], signals: Mapping[str, Mapping[str, Receipt]], twins: Receipt
    ) -> dict[str, Receipt]:
        """Signals -> decisions: rules, then the election among twins."""
        section = self.config.selection
        marks = [signals[name] for name in own_rules.read_by(section)]
        rules = self._bucketwise("rules", selection_stage.apply_rules, documents, *marks, config=section)
        self._prune("rules", rules, [".work/rules"])
        inputs = {"twins": twins.content} | {name: receipt.content for name, receipt in rules.items()}
        arguments = {"twins": next(iter(twins.outputs)), "buckets": self.plan.buckets, "config": section}
        task = WorkItem("elect", "all", selection_stage.elect, arguments, inputs, 1, as_dict(section))
        elected = self.engine.run("elect", [task])["all"]
        path = next(iter(elected.outputs))
        done = self._bucketwise("decisions", selection_stage.decide, documents, rules, extra=elected, elected=path)
        self._prune("decisions", done, ["decisions"])
        return done

    def shards(
        self,
        documents: Mapping[str, Receipt],
        decisions: Mapping[str, Receipt],
        privacy: Mapping[str, Receipt],
        twins: Receipt,
    ) -> tuple[Receipt, dict[str, Receipt]]:
        """Decided documents -> splits, the tokenizer, and the shards; receipts of the last two."""
        context = self.context()
        splits = shards_stage.assign_splits(context, documents, twins)
        inputs = {
            bucket.name: split_files.inputs(bucket, documents, decisions, privacy, splits)
            for bucket in self.plan.buckets
        }
        kept = sum(receipt.counts["kept_bytes"] for receipt in decisions.values())
        tokenizer = tokenizer_stage.run(context, inputs, kept)
        return tokenizer, shards_stage.run(context, decisions, inputs, splits, tokenizer)

    def _bucketwise(
        self,
        stage: str,
        function: Any,
        *inputs: Mapping[str, Receipt],
        config: Any = None,
        extra: Receipt | None = None,
        **arguments: Any,
    ) -> dict[str, Receipt]:
        """Map a function over the buckets; its inputs are the bucket's own outputs of earlier stages, and `extra`."""
        tasks = []
        for bucket in self.plan.buckets:
            contents = {f"{number}": done[bucket.name].content for number, done in enumerate(inputs)}
            if extra is not None:
                contents["extra"] = extra.content
            given = {"bucket": bucket, **arguments} | ({"config": config} if config is not None else {})
            weight = sum(output.bytes for output in inputs[0][bucket.name].outputs.values())
            section = as_dict(config) if config is not None else None
            tasks.append(WorkItem(stage, bucket.name, function, given, contents, 1, section, weight))
        return self.engine.run(stage, tasks)

    def _prune(self, stage: str, done: Mapping[str, Receipt], folders: Sequence[str]) -> None:
        paths = [path for receipt in done.values() for path in receipt.outputs]
        keep = {
            folder: {path.removeprefix(f"{folder}/") for path in paths if path.startswith(f"{folder}/")}
            for folder in folders
        }
        receipts.prune(self.root, stage, set(done), keep)


def write_report(engine: Engine, facts: Mapping[str, Any], more: tuple[report_page.Maker, ...] = ()) -> None:
    """The manifest and samples of the tables -> report.html; `more` are sections of other packages."""
    # A section is told by its module and name, and by what it is given: the manifest.
    inputs = {
        "manifest": receipts.fingerprint(facts),
        "more": receipts.fingerprint([f"{make.__module__}.{make.__qualname__}" for make in more]),
    }
    engine.run("report", [WorkItem("report", "report", report_page.write, {"facts": facts, "more": more}, inputs)])
