"""The whole build on one page: the ordered stages, from the sources to the manifest and the report.

A stage is run for what its receipts do not hold. What only hands rows on (`.work`) is removed at the end; should a
later build need some of it again, it is made again.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from socorpus.corpus import (
    buckets,
    changes,
    contamination,
    duplicates,
    language,
    manifest,
    privacy,
    reading,
    receipts,
    report,
    schema,
    selection,
    sharding,
    statistics,
    threads,
)
from socorpus.corpus.buckets import Bucket, Marking, Signal
from socorpus.corpus.config import Config
from socorpus.corpus.engine import Engine, Task
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.reading import Wanted
from socorpus.corpus.receipts import Receipt
from socorpus.corpus.settings import as_dict, to_toml
from socorpus.corpus.sources import Site

SIGNALS = (
    Signal("statistics", statistics.find, ("text", "own_end", "segments")),
    Signal("language", language.find, ("text", "own_end", "segments", "links")),
    Signal("privacy", privacy.find, ("title", "text", "own_end", "segments"), "privacy"),
    Signal("contamination", contamination.find, ("kind", "title", "text"), "contamination"),
)
"""Stages that mark documents one by one. A new one costs its file, its columns in the schema, and a line here."""

STAGES = (
    *("read", "map", "partition", "threads", "documents", "benchmarks", "signals"),
    *("fingerprints", "candidates", "shingles", "verify", "twins", "duplicates"),
    *("pairs", "rules", "elect", "decisions", "split", "sample", "tokenizer", "prepare", "shards"),
    *("label_splits", "label_collect", "label_merge", "label_vote", "label_count", "label_fit"),
    *("label_stratify", "label_label", "label_compare", "label_analysis", "report"),
)
"""All stages in order, those of the labels included, for `socorpus status`."""

_PASSING = ("parts", "partitioned", "map", "fingerprints", "candidates", "shingles", "verified", "sample", "prepared")


@dataclass(frozen=True)
class Plan:
    """What is to be built: the sites, their buckets, and the fingerprint of all inputs."""

    sites: tuple[Site, ...]
    buckets: tuple[Bucket, ...]
    inputs: str


def plan(sites: Sequence[Site], config: Config) -> Plan:
    """Lay out the buckets: how many a site has depends on its declared size alone, never on the machine.

    Raises:
        InputError: no site has posts.
    """
    found: list[Bucket] = []
    for site in sites:
        names = {table.table for table in site.tables}
        of = threads.buckets(sum(table.member.size for table in site.tables), config.threads.bucket_mb)
        if "posts" in names:
            found += [Bucket(site.name, number, of, len(found) + number) for number in range(of)]
    # Bucket numbers count from 0 over all sites.
    found = [replace(bucket, index=index) for index, bucket in enumerate(found)]
    if not found:
        given = ", ".join(site.name for site in sites)
        raise InputError(f"no table of posts for {given}: there is nothing to build a corpus of; add Posts.xml")
    stamps = {site.name: {table.table: table.member.stamp for table in site.tables} for site in sites}
    return Plan(tuple(sites), tuple(found), receipts.fingerprint(stamps))


LastStage = Callable[[Path, dict[str, Any], Engine], tuple[dict[str, Any], tuple[report.Maker, ...]]]
"""What may come between the manifest and the report: it answers the manifest, amended, and sections for the report."""


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
    with lock(root):
        receipts.sweep(root)
        laid = plan(sites, config)
        changes.set_aside(root, manifest.load(root), laid.inputs)
        with receipts.atomic(root / "socorpus.toml") as temporary:
            temporary.write_text(to_toml(config), "utf-8")
        build = _Build(root, laid, config, engine)
        read = build.read()
        gathered = build.gather(read)
        documents = build.documents(read, gathered)
        signals = build.signals(documents)
        pairs = build.pairs(documents, signals["privacy"])
        twins, marked = duplicates.run(build.context(), documents)
        signals |= marked
        decisions = build.decide(documents, signals, twins)
        made = sharding.run(build.context(), documents, decisions, signals["privacy"], twins)
        done = {"read": read, "threads": gathered, "documents": documents, "pairs": pairs, "decisions": decisions}
        facts = manifest.assemble(root, laid, config, done, signals, twins, made)
        receipts.settle()
        manifest.save(root, facts)
        more: tuple[report.Maker, ...] = ()
        if last is not None:
            facts, more = last(root, facts, engine)
            manifest.save(root, facts)
        write_report(engine, facts, more)
        for folder in _PASSING:
            shutil.rmtree(root / ".work" / folder, ignore_errors=True)
        return facts


@dataclass(frozen=True)
class Context:
    """What the stages that span many buckets need to lay out their own tasks."""

    root: Path
    buckets: tuple[Bucket, ...]
    config: Config
    engine: Engine


class _Build:
    """One build: each method is a stage, answers receipts by task, and removes what is no longer part of it."""

    def __init__(self, root: Path, laid: Plan, config: Config, engine: Engine):
        self.root, self.plan, self.config, self.engine = root, laid, config, engine
        self._reads: list[Task] = []

    def context(self) -> Context:
        return Context(self.root, self.plan.buckets, self.config, self.engine)

    def read(self) -> dict[str, Receipt]:
        """Every table of every source -> parts; quarantine/SITE.parquet for what can't be read."""
        self._reads = list(_read_tasks(self.plan.sites, self.config.read.part_mb))
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
            self.engine.ensure(task for task in self._reads if stale & _sites_of(task))
        for step in (self._map_tasks(parts, stale), self._partition_tasks(parts, stale)):
            self.engine.run(step[0].stage if step else "map", step)
        done = self.engine.run("threads", tasks)
        self._prune("threads", done, [*(f"tables/{name}" for name in schema.BY_POST), threads.KEYS_FOLDER])
        return done

    def _map_tasks(self, parts: Mapping[str, Mapping[str, Mapping[str, str]]], stale: set[str]) -> list[Task]:
        several = {bucket.site: bucket.of for bucket in self.plan.buckets if bucket.of > 1 and bucket.site in stale}
        return [
            Task(
                "map",
                site,
                threads.build_map,
                {"site": site, "parts": sorted(posts), "of": of},
                {**posts, "of": f"{of}"},
            )
            for site, of in several.items()
            for posts in [parts[site]["posts"]]
        ]

    def _partition_tasks(self, parts: Mapping[str, Mapping[str, Mapping[str, str]]], stale: set[str]) -> list[Task]:
        several = {bucket.site: bucket.of for bucket in self.plan.buckets if bucket.of > 1 and bucket.site in stale}
        return [
            Task(
                "partition",
                f"{site}/{Path(part).stem}",
                threads.partition,
                {"site": site, "table": table, "part": part, "of": of},
                {"part": content, "of": f"{of}", **parts[site]["posts"]},
            )
            for site, of in several.items()
            for table, names in parts[site].items()
            for part, content in names.items()
        ]

    def _gather_task(self, bucket: Bucket, parts: Mapping[str, Mapping[str, str]]) -> Task:
        where = {
            table: [threads.partition_path(path) if bucket.of > 1 else path for path in sorted(names)]
            for table, names in parts.items()
        }
        contents = {path: content for names in parts.values() for path, content in names.items()}
        arguments = {"site": bucket.site, "parts": where, "bucket": bucket.number, "of": bucket.of}
        return Task("threads", bucket.name, threads.gather, arguments, contents)

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
            tasks.append(Task("documents", bucket.name, buckets.build_documents, arguments, inputs, 1, config, weight))
        done = self.engine.run("documents", tasks)
        self._prune("documents", done, ["documents"])
        return done

    def signals(self, documents: Mapping[str, Receipt]) -> dict[str, dict[str, Receipt]]:
        """Documents -> one table of marks a signal; receipts by signal and bucket."""
        markings = tuple(self._marking(signal) for signal in SIGNALS)
        recipes = {marking.signal.name: marking.recipe for marking in markings}
        tasks = []
        for bucket in self.plan.buckets:
            inputs = {"documents": documents[bucket.name].content}
            weight = documents[bucket.name].outputs[bucket.path("documents")].bytes
            arguments = {"bucket": bucket, "markings": markings}
            tasks.append(Task("signals", bucket.name, buckets.mark, arguments, inputs, 1, recipes, weight))
        done = self.engine.run("signals", tasks)
        self._prune("signals", done, [f"signals/{name}" for name in recipes])
        return {
            name: {key: receipts.portion(one, f"signals/{name}", one.counts[name]) for key, one in done.items()}
            for name in recipes
        }

    def _marking(self, signal: Signal) -> Marking:
        section: Any = getattr(self.config, signal.section) if signal.section else None
        config: Any = as_dict(section) if section is not None else None
        if signal.name == "contamination":
            index = self._benchmarks()
            section, config = self.root / next(iter(index.outputs)), index.content
        return Marking(signal, section, receipts.fingerprint([signal.name, signal.version, config]))

    def _benchmarks(self) -> Receipt:
        """The index of the benchmark files that the user names."""
        section = self.config.contamination
        try:
            inputs = {name: receipts.sha256(Path(name)) for name in section.benchmarks}
        except OSError as error:
            raise InputError(f"{error.filename}: a benchmark that can't be read: {error.strerror}") from None
        task = Task("benchmarks", "all", buckets.index_benchmarks, {"config": section}, inputs, 1, as_dict(section))
        return self.engine.run("benchmarks", [task])["all"]

    def pairs(self, documents: Mapping[str, Receipt], found: Mapping[str, Receipt]) -> dict[str, Receipt]:
        """Documents -> code with the prose around it."""
        done = self._bucketwise("pairs", buckets.build_pairs, documents, found)
        self._prune("pairs", done, ["pairs"])
        return done

    def decide(
        self, documents: Mapping[str, Receipt], signals: Mapping[str, Mapping[str, Receipt]], twins: Receipt
    ) -> dict[str, Receipt]:
        """Signals -> decisions: rules, then the election among twins."""
        section = self.config.selection
        marks = [signals[name] for name in selection.SIGNAL_COLUMNS]
        rules = self._bucketwise("rules", buckets.apply_rules, documents, *marks, config=section)
        self._prune("rules", rules, [".work/rules"])
        inputs = {"twins": twins.content} | {name: receipt.content for name, receipt in rules.items()}
        arguments = {"twins": next(iter(twins.outputs)), "buckets": self.plan.buckets, "config": section}
        task = Task("elect", "all", buckets.elect, arguments, inputs, 1, as_dict(section))
        elected = self.engine.run("elect", [task])["all"]
        path = next(iter(elected.outputs))
        done = self._bucketwise("decisions", buckets.decide, documents, rules, extra=elected, elected=path)
        self._prune("decisions", done, ["decisions"])
        return done

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
            tasks.append(Task(stage, bucket.name, function, given, contents, 1, section, weight))
        return self.engine.run(stage, tasks)

    def _prune(self, stage: str, done: Mapping[str, Receipt], folders: Sequence[str]) -> None:
        paths = [path for receipt in done.values() for path in receipt.outputs]
        keep = {
            folder: {path.removeprefix(f"{folder}/") for path in paths if path.startswith(f"{folder}/")}
            for folder in folders
        }
        receipts.prune(self.root, stage, set(done), keep)


def write_report(engine: Engine, facts: Mapping[str, Any], more: tuple[report.Maker, ...] = ()) -> None:
    """The manifest and samples of the tables -> report.html; `more` are sections of other packages."""
    # A section is told by its module and name, and by what it is given: the manifest.
    inputs = {
        "manifest": receipts.fingerprint(facts),
        "more": receipts.fingerprint([f"{make.__module__}.{make.__qualname__}" for make in more]),
    }
    engine.run("report", [Task("report", "report", report.write, {"facts": facts, "more": more}, inputs)])


def _read_tasks(sites: Sequence[Site], part_mb: int) -> Iterator[Task]:
    containers: dict[str, list[Wanted]] = {}
    for site in sites:
        for table in site.tables:
            wanted = Wanted.of(site.name, table)
            if reading.in_ranges(table):
                number = max(1, -(-table.member.size // (part_mb << 20)))
                for part in range(number):
                    yield Task(
                        "read",
                        f"{site.name}/{table.table}-{part:05d}",
                        reading.read_range,
                        {"wanted": wanted, "number": part, "part_mb": part_mb},
                        {"stamp": table.member.stamp},
                        1,
                        [part_mb, part, wanted.table.member.address],
                        min(part_mb << 20, table.member.size),
                    )
            else:
                containers.setdefault(wanted.table.member.address, []).append(wanted)
    cores = len(os.sched_getaffinity(0))
    for address, several in sorted(containers.items()):
        stamps = {f"{one.site}/{one.table.table}": one.table.member.stamp for one in several}
        yield Task(
            "read",
            f"{several[0].site}/{receipts.fingerprint(address)[:8]}",
            reading.read_container,
            {"address": address, "wanted": several, "part_mb": part_mb, "threads": cores},
            stamps,
            1,
            [part_mb, address],
            # Decoding costs several times what reading plain XML does.
            4.0 * sum(one.table.member.size for one in several),
        )


def _sites_of(task: Task) -> set[str]:
    several: Sequence[Wanted] = task.arguments.get("wanted", ())
    return {one.site for one in ([several] if isinstance(several, Wanted) else several)}


@contextmanager
def lock(root: Path) -> Iterator[None]:
    """Hold the corpus at `root`, making the folder where there is none: nobody else writes there meanwhile.

    Raises:
        InputError: `root` holds something else, or can't be written.
        BuildError: another build is at work there.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        known = ("receipts", ".work", "MANIFEST.json", ".lock")
        if any(root.iterdir()) and not any((root / name).exists() for name in known):
            raise InputError(f"{root}: not empty, and not a corpus; name a new folder for the corpus")
        file = (root / ".lock").open("a+")
    except (NotADirectoryError, FileExistsError):
        raise InputError(f"{root}: a file lies there; name a folder for the corpus") from None
    except PermissionError as error:
        raise InputError(f"{root}: can't be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise BuildError(f"{root}: another build is at work there ({file.read().strip()})") from None
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": os.uname().nodename}))
        file.flush()
        yield


def forget(root: Path) -> None:
    """Forget that anything was done at `root`, so that the next build does everything again."""
    if (root / "receipts").is_dir():
        with lock(root):
            shutil.rmtree(root / "receipts")


@dataclass(frozen=True)
class StageState:
    """One stage of a build: tasks done of all, and the seconds that they took."""

    name: str
    done: int
    tasks: int
    seconds: float


@dataclass(frozen=True)
class State:
    """Where a build stands."""

    stages: tuple[StageState, ...]
    summary: str


def status(root: Path) -> State:
    """Where the build at `root` stands, by its receipts.

    Raises:
        InputError: no build was ever begun there.
    """
    if not (root / "receipts").is_dir():
        raise InputError(f"{root}: no corpus; socorpus build SOURCE -o {root} begins one")
    stages = []
    for name in STAGES:
        try:
            tasks = json.loads((root / "receipts" / f"{name}.json").read_text("utf-8"))["tasks"]
        except (OSError, ValueError, KeyError):
            continue
        if not tasks:
            continue
        folder = root / "receipts" / name
        done = [json.loads(path.read_text("utf-8")) for path in folder.rglob("*.json")]
        stages.append(StageState(name, min(len(done), tasks), tasks, sum(one["seconds"] for one in done)))
    return State(tuple(stages), _summary(root, stages))


def _summary(root: Path, stages: Sequence[StageState]) -> str:
    try:
        with (root / ".lock").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            running = ""
    except BlockingIOError:
        running = (root / ".lock").read_text("utf-8").strip()
    except OSError:
        running = ""
    at = stages[-1].name if stages else "nothing"
    if running:
        return f"A build is at work ({running}), at {at}."
    if stages and stages[-1].name == STAGES[-1] and manifest.load(root) is not None:
        return "The build is finished."
    return f"The build stopped at {at}; the same command goes on from there."
