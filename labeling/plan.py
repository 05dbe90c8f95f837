"""The work items of one labelling task, step by step, with the inputs whose change makes each run again."""

import json
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow.compute as pc

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.config import Split
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import WorkItem
from socorpus.corpus.errors import BuildError, SocorpusWarning
from socorpus.corpus.schema import SPLITS
from socorpus.corpus.storage import files, parquet, row_lookup
from socorpus.corpus.storage.buckets import Bucket
from socorpus.corpus.toml_config import as_dict
from socorpus.labeling import plugin_calls, steps, strays
from socorpus.labeling.aggregation import counting, dawid_skene, weighed
from socorpus.labeling.analysis import functions as analysis_functions
from socorpus.labeling.corpus_view import Layout
from socorpus.labeling.functions import FUNCTIONS, of_task
from socorpus.labeling.schema import FOLDER, TASKS, VOTES, models_path, names_path, path, people_path, texts_path
from socorpus.labeling.schema import as_dict as as_task_dict
from socorpus.labeling.tasks.entities import tags as entities_tags
from socorpus.labeling.tasks.entities import task as entities_task

Done = Mapping[str, Receipt]
"""Receipts of a step by name: `TASK/BUCKET`, or `TASK`; of this task, and maybe of others."""

# As many posts may fail under a function of ours as rows of a table may be unreadable.
_FEW_FAILURES, _SMALL_SHARE = 20, 0.01

_SIGNALS = ("statistics", "contamination", "exact", "near")


class TaskPlan:
    """The steps of one task over a corpus; each method returns work items, given the receipts of earlier steps."""

    def __init__(self, layout: Layout, task: str):
        self.layout, self.task = layout, task
        self.definition = TASKS[task]
        names = layout.config.labels.without
        self.without = tuple(name.partition(".")[2] for name in names if name.startswith(f"{task}."))
        self.functions = of_task(task, self.without)
        version = TASKS.version(task)
        # A test pins labels and unit of our tasks; a plug-in's may change under a version of its own.
        self.edition: Any = [version, self.definition.labels, self.definition.unit] if TASKS.origin(task) else version
        models = layout.root / models_path(task)
        self.models_content = files.sha256(models) if files.exists(models) else ""
        judged = layout.root / names_path(task)
        weighs = self.definition.weigher is not None
        self.names_content = files.sha256(judged) if weighs and files.exists(judged) else ""
        model_names = (
            parquet.read(models, VOTES, ["function"])["function"].unique().to_pylist() if files.exists(models) else []
        )
        self.models = sorted(model_names)
        self.voters = [*(function.name for function in self.functions), *self.models]

    def collect(self) -> list[WorkItem]:
        """Threads -> parts of the facts of the whole corpus; nothing where the task needs none."""
        if self.definition.collect is None:
            return []
        return [
            self._of_bucket("collect", bucket, steps.collect, self._tables(bucket), inputs, self.edition)
            for bucket in self.layout.buckets
            for inputs in [self.layout.inputs(bucket)]
        ]

    def merge(self, collected: Done) -> list[WorkItem]:
        """-> facts."""
        has = self.definition.collect is not None
        parts = [steps.parts_path(self.task, bucket) for bucket in self.layout.buckets] if has else []
        contents = self._contents(collected) if has else {}
        given: dict[str, Any] = {"task": self.task, "parts": parts}
        settings = self.definition.settings
        edition = self.edition
        if settings is not None:
            labels = self.layout.config.labels
            given["settings"] = plugin_calls.of_facts(self.definition, "settings", settings, labels)
            edition = [edition, given["settings"]]
        return [WorkItem("label_merge", self.task, steps.merge, given, contents, 1, edition)]

    def warn_of_settings(self) -> None:
        """Warn of settings that fit nothing in the corpus, once its facts are there.

        Warns:
            SocorpusWarning: there are some.
        """
        if self.definition.unheard is not None:
            facts = files.read_json(self.layout.root / steps.facts_path(self.task))
            find = self.definition.unheard
            for sentence in plugin_calls.of_facts(self.definition, "unheard", lambda some: [*find(some)], facts):
                warnings.warn(sentence, SocorpusWarning, stacklevel=2)

    def vote(self, merged: Done) -> list[WorkItem]:
        """Threads and facts -> examples and votes."""
        layout, config, items = self.layout, self.layout.config, []
        versions = {function.name: function.version for function in self.functions}
        section = [versions, self.edition, as_dict(config.privacy), config.selection.max_overlap]
        for bucket in layout.buckets:
            given = self._tables(bucket) | {
                "without": self.without,
                "privacy": config.privacy,
                "max_overlap": config.selection.max_overlap,
            }
            paths = [bucket.path(name) for name in ("decisions", *(f"signals/{signal}" for signal in _SIGNALS))]
            inputs = layout.inputs(bucket) | {path: layout.contents[path] for path in paths}
            inputs |= {"facts": merged[self.task].content, "split": layout.split[bucket.name]}
            inputs["texts"] = layout.facts[texts_path(bucket.name)].sha256
            items.append(self._of_bucket("vote", bucket, steps.vote, given, inputs, section))
        return items

    def failures(self, voted: Done) -> dict[str, Any]:
        """Posts on which functions of ours failed: `failed`, counts by function, and `failures`, the first; or none."""
        of = [voted[self.name(bucket)].counts for bucket in self.layout.buckets]
        failed: Counter[str] = Counter()
        for counts in of:
            failed.update(counts.get("failed", {}))
        if not failed:
            return {}
        listed = [failure for counts in of for failure in counts.get("failures", ())]
        return {"failed": dict(sorted(failed.items())), "failures": listed[: steps.MOST_FAILURES]}

    def strays(self, voted: Done) -> dict[str, Any]:
        """Votes of plug-ins on posts that are no examples, as `strays.Counts` under `strays`; or nothing."""
        counts = strays.merged(voted[self.name(bucket)].counts.get("strays", {}) for bucket in self.layout.buckets)
        return {"strays": counts} if counts else {}

    def withheld(self, fitted: Done) -> dict[str, Any]:
        """Items that have votes and yet no label, under `withheld` (`counting.Counted.withheld`); or nothing."""
        counts = fitted[self.task].counts.get("withheld")
        return {"withheld": counts} if counts else {}

    def teaching(self, fitted: Done) -> dict[str, Any]:
        """What people's judgements change of other labels, under `teaching`; nothing where too few were judged.

        As in the label model's `measured`; where they are used, also the numbers of `labels` of items that nobody
        judged, and of `labels_without` these judgements.
        """
        facts = fitted[self.task].counts.get("teaching")
        return {"teaching": facts} if facts else {}

    def by_others(self, labelled: Done) -> dict[str, Any]:
        """Counts of the labels that sites have although the task's own functions abstain there, or nothing.

        Under `by_others`, site -> label -> number: votes of plug-ins, models and people made them.
        """
        counts: dict[str, Counter[str]] = {}
        for bucket in self.layout.buckets:
            for _, label, count in labelled[self.name(bucket)].counts["labels"]:
                counts.setdefault(bucket.site, Counter())[label] += count
        others = {
            site: given
            for site, labels in steps.abstains(self.layout.root, self.task).items()
            if (given := {label: counts[site][label] for label in labels if counts.get(site, Counter())[label]})
        }
        return {"by_others": others} if others else {}

    def require_working(self, voted: Done) -> None:
        """Warn of functions of ours that failed on posts, and of plug-ins' that vote on posts that are no examples.

        Raises:
            BuildError: a function failed on too many to go on without their votes.

        Warns:
            SocorpusWarning: some failed on a few, or vote on posts that are none of the task's.
        """
        for function, reasons in self.strays(voted).get("strays", {}).items():
            if strays.is_fault(reasons):
                warnings.warn(strays.sentence(self.definition, function, reasons), SocorpusWarning, stacklevel=2)
        failures = self.failures(voted)
        if not failures:
            return
        total = sum(sum(voted[self.name(bucket)].counts["examples"].values()) for bucket in self.layout.buckets)
        for function, count in failures["failed"].items():
            first = next((row for row in failures["failures"] if row["function"] == function), None)
            example = f", such as {first['post']} ({first['error']})" if first else ""
            what = f"labelling function {self.task}.{function} fails on {count:,} of {total:,} examples{example}"
            report = "This is a bug of socorpus; please report it"
            if count > max(_FEW_FAILURES, _SMALL_SHARE * total):
                raise BuildError(
                    f"{what}. {report}. Until it is mended, leave the function out: "
                    f'labels.without = ["{self.task}.{function}"]'
                )
            warnings.warn(f"{what}: it does not vote on them. {report}", SocorpusWarning, stacklevel=2)

    def count(self, voted: Done, people: Mapping[str, str]) -> list[WorkItem]:
        """Votes and people -> patterns."""
        items = []
        for bucket in self.layout.buckets:
            votes = voted[self.name(bucket)].outputs[path(self.task, "votes", bucket.name)].sha256
            inputs = {"votes": votes, "models": self.models_content, "people": people.get(bucket.name, "")}
            given = {"voters": self.voters, "people": bucket.name in people}
            config = [*self._voting, counting.VERSION]
            items.append(self._of_bucket("count", bucket, steps.count, given, inputs, config))
        return items

    def fit(self, counted: Done) -> list[WorkItem]:
        """Patterns -> the model."""
        parts = [steps.patterns_path(self.task, bucket) for bucket in self.layout.buckets]
        facts = [function.name for function in self.functions if function.facts]
        assumed = {function.name: function.right for function in self.functions if function.right is not None}
        given = {"task": self.task, "voters": self.voters, "facts": facts, "assumed": assumed, "parts": parts}
        config = [*self._voting, facts, assumed]
        contents = self._contents(counted)
        return [WorkItem("label_fit", self.task, steps.fit, given, contents, dawid_skene.VERSION, config)]

    def warn_of_names(self, voted: Done) -> None:
        """Warn of names of the configuration that no text has, as the function sees them that votes for them.

        Warns:
            SocorpusWarning: there are some.
        """
        function = entities_tags.own_names.__name__
        if self.task != entities_task.TASK.name or function in self.without:
            return
        named = files.read_json(self.layout.root / steps.facts_path(self.task))["settings"]["names"]
        if not named:
            return
        heard = set()
        for bucket in self.layout.buckets:
            if voted[self.name(bucket)].counts["functions"].get(function):
                place = self.layout.root / path(self.task, "votes", bucket.name)
                rows = parquet.read(place, VOTES, ["function", "evidence"])
                own = pc.unique(rows["evidence"].filter(pc.equal(rows["function"], function)))
                heard |= {json.loads(evidence)["name"] for evidence in own.to_pylist()}
        for sentence in entities_tags.unheard(named, heard):
            warnings.warn(sentence, SocorpusWarning, stacklevel=2)

    def warn_of_votes(self, fitted: Done) -> None:
        """Warn of functions some of whose votes are not counted, and of facts that contradict each other.

        Warns:
            SocorpusWarning: there are some.
        """
        if count := fitted[self.task].counts.get("contradictions"):
            stating = ", ".join(function.name for function in self.functions if function.facts)
            warnings.warn(
                f"{self.task}: functions that state facts ({stating}) state different ones on {count:,} items, whose "
                "labels are none the more certain for it; at least one of them states what is no fact",
                SocorpusWarning,
                stacklevel=2,
            )
        for name, label in fitted[self.task].counts.get("muted", ()):
            warnings.warn(
                f"labelling function {self.task}.{name} votes for {label} as often where others vote for other labels: "
                "these votes tell nothing and are not counted (socorpus labeling analyze has the figures)",
                SocorpusWarning,
                stacklevel=2,
            )

    def stratify(self, voted: Done) -> list[WorkItem]:
        """Votes -> the split of the labels; nothing for spans, of which every split has plenty."""
        if self.definition.spans:
            return []
        layout, labels = self.layout, self.layout.config.labels
        # The examples that were voted on have the split of the shards.
        inputs = self._contents(voted) | {"tied": layout.tied}
        shares = Split(labels.validation, labels.test)
        given = {"task": self.task, "buckets": layout.buckets, "shares": shares}
        config = [as_dict(shares), self.definition.labels]
        return [WorkItem("label_stratify", self.task, steps.stratify, given, inputs, 1, config)]

    def mentions(self, voted: Done) -> list[WorkItem]:
        """Votes and the names that people judged -> mentions of these; nothing where nobody judged any."""
        if not self.names_content:
            return []
        items = []
        for bucket in self.layout.buckets:
            inputs = {"voted": voted[self.name(bucket)].content, "names": self.names_content}
            inputs["models"] = self.models_content
            items.append(self._of_bucket("mentions", bucket, steps.mentions, {}, inputs, weighed.VERSION))
        return items

    def teach(self, voted: Done, mentioned: Done, people: Mapping[str, str]) -> list[WorkItem]:
        """People's verdicts on spans and names -> corrections of a weigher; nothing where nobody judged either."""
        buckets = [bucket for bucket in self.layout.buckets if bucket.name in people]
        if self.definition.weigher is None or not (buckets or self.names_content):
            return []
        inputs = {self.name(bucket): voted[self.name(bucket)].content for bucket in buckets}
        inputs |= {f"people/{bucket.name}": people[bucket.name] for bucket in buckets}
        given: dict[str, Any] = {"task": self.task, "buckets": buckets}
        if self.names_content:
            inputs |= {f"mentions/{name}": content for name, content in self._contents(mentioned).items()}
            inputs["names"] = self.names_content
            given["mentioned"] = [steps.mentions_path(self.task, bucket) for bucket in self.layout.buckets]
        return [WorkItem("label_teach", self.task, steps.teach, given, inputs, weighed.VERSION, self._voting)]

    def label(
        self, voted: Done, fitted: Done, stratified: Done, taught: Done, people: Mapping[str, str]
    ) -> list[WorkItem]:
        """Votes, model, the labels' split, corrections and people -> labels."""
        items = []
        for bucket in self.layout.buckets:
            inputs = {"voted": voted[self.name(bucket)].content, "model": fitted[self.task].content}
            inputs |= {"models": self.models_content, "people": people.get(bucket.name, "")}
            if self.task in stratified:
                inputs["split"] = stratified[self.task].counts["batches"][bucket.name]
            given = {"people": bucket.name in people}
            if self.task in taught:
                inputs["taught"], given["taught"] = taught[self.task].content, True
            config = [dawid_skene.VERSION, weighed.VERSION]
            items.append(self._of_bucket("label", bucket, steps.label, given, inputs, config))
        return items

    def analysis(
        self, voted: Done, fitted: Done, taught: Done, labelled: Done, people: Mapping[str, str]
    ) -> list[WorkItem]:
        """Counts, model and labels -> labels/TASK/analysis.json."""
        inputs = self._contents(labelled) | {f"votes/{name}": text for name, text in self._contents(voted).items()}
        inputs |= {f"people/{name}": content for name, content in people.items()} | {"models": self.models_content}
        inputs["names"] = self.names_content
        remarks = {
            **self.failures(voted),
            **self.strays(voted),
            **self.withheld(fitted),
            **self.teaching(fitted),
            **self.by_others(labelled),
        }
        given: dict[str, Any] = {
            "task": self.task,
            "voters": self.voters,
            "buckets": self.layout.buckets,
            "remarks": remarks,
        }
        if self.task in taught:
            inputs["taught"], given["taught"] = taught[self.task].content, True
        config = [*self._voting, analysis_functions.extras(), remarks]
        inputs["model"] = fitted[self.task].content
        return [
            WorkItem(
                "label_analysis",
                self.task,
                analysis_functions.analyse,
                given,
                inputs,
                analysis_functions.VERSION,
                config,
            )
        ]

    def people(self) -> dict[str, str]:
        """Bucket -> hash of people's votes on its examples; `""` -> on posts that are no examples.

        Warns:
            SocorpusWarning: there are some on posts that are no examples, as of a site that was taken out.
        """
        place = self.layout.root / people_path(self.task)
        if not files.exists(place):
            return {}
        rows = parquet.read(place, VOTES).to_pylist()
        keys = [corpus_schema.key(row["site"], row["post_id"]) for row in rows]
        places = row_lookup.find(self.layout.root, keys, f"{FOLDER}/{self.task}/examples")
        homeless = {
            (key, row["function"]): row["site"] for key, row in zip(keys, rows, strict=True) if key not in places
        }
        if homeless:
            sites = sorted(set(homeless.values()))
            more = f" and {len(sites) - 3:,} more" if sites[3:] else ""
            warnings.warn(
                f"{self.task}: of {len(homeless):,} of people's judgements the post is no example of it in this corpus "
                f"now ({', '.join(sites[:3])}{more}); they are kept, and count when it is one again",
                SocorpusWarning,
                stacklevel=2,
            )
        by: dict[str, list[list[str]]] = {}
        for key, row in zip(keys, rows, strict=True):
            by.setdefault(places[key].bucket if key in places else "", []).append(
                [str(value) for value in row.values()]
            )
        return {bucket: receipts.fingerprint(votes) for bucket, votes in sorted(by.items())}

    def entry(self, voted: Done, fitted: Done, taught: Done, labelled: Done) -> dict[str, Any]:
        """The manifest's entry of the task."""
        measured = self.task in taught and taught[self.task].counts["judged"]
        corrected = self.task in taught and taught[self.task].counts.get("verdicts", 0)
        counts: dict[str, Counter[str]] = {"examples": Counter(), "forms": Counter(), "functions": Counter()}
        split: dict[str, Counter[str]] = {}
        sources: Counter[str] = Counter()
        conflicts = 0
        for bucket in self.layout.buckets:
            for name, counter in counts.items():
                counter.update(voted[self.name(bucket)].counts[name])
            of = labelled[self.name(bucket)].counts
            sources.update(of["sources"])
            conflicts += of["conflicts"]
            for name, label, count in of["labels"]:
                split.setdefault(name, Counter())[label] += count
        versions = {function.name: function.version for function in self.functions}
        votes = counts["functions"]
        return {
            "examples": dict(sorted(counts["examples"].items())),
            "forms": dict(sorted(counts["forms"].items())),
            "functions": {name: {"version": version, "votes": votes[name]} for name, version in versions.items()},
            "models": self.models,
            "method": fitted[self.task].counts["method"],
            "basis": "judged" if measured else fitted[self.task].counts["basis"],
            **({"measured_on": measured} if measured else {}),
            **({"corrected_by": corrected} if corrected else {}),
            "labels": {
                name: {label: split.get(name, Counter())[label] for label in self.definition.labels} for name in SPLITS
            },
            "sources": dict(sorted(sources.items())),
            "conflicts": conflicts,
            "without_vote": counts["examples"].total() - fitted[self.task].counts["posts"],
            **self.failures(voted),
            **({"not_counted": muted} if (muted := fitted[self.task].counts.get("muted")) else {}),
            **self.withheld(fitted),
            **self.teaching(fitted),
            **self.strays(voted),
            "abstains": steps.abstains(self.layout.root, self.task),
            **self.by_others(labelled),
            **({"definition": as_task_dict(self.definition)} if TASKS.origin(self.task) is not None else {}),
            **({"plugins": origins} if (origins := self._plugins()) else {}),
        }

    def _plugins(self) -> dict[str, str]:
        """The plug-ins that define the task or functions of it, with their identities."""
        origins = [TASKS.origin(self.task), *(FUNCTIONS.origin(function.key) for function in self.functions)]
        return {origin.name: origin.identity for origin in origins if origin is not None}

    def name(self, bucket: Bucket) -> str:
        """Name of a bucket's work item."""
        return f"{self.task}/{bucket.name}"

    @property
    def _voting(self) -> list[Any]:
        """Voters and labels: the meaning of the numbers of a pattern."""
        return [self.voters, self.definition.labels]

    def _tables(self, bucket: Bucket) -> dict[str, Any]:
        return {"tables": self.layout.tables(bucket), "tags": self.layout.tags(bucket)}

    def _contents(self, done: Done) -> dict[str, str]:
        return {self.name(bucket): done[self.name(bucket)].content for bucket in self.layout.buckets}

    def _of_bucket(
        self, step: str, bucket: Bucket, function: Any, given: Mapping[str, Any], inputs: Mapping[str, str], config: Any
    ) -> WorkItem:
        arguments = {"bucket": bucket, "task": self.task, **given}
        weight = self.layout.bytes[bucket.path("documents")]
        name, together = self.name(bucket), bucket.name
        return WorkItem(f"label_{step}", name, function, arguments, inputs, 1, config, weight, together)
