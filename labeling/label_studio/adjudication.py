"""Posts that several people judged differently: a second task for each, in a tab of the same project.

An adjudicator sees there who said what, by the numbers that stand for people. What is said of such a task stands above
the others' judgements (`aggregation.annotators.standing`), which stay in the corpus.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus import schema as corpus_schema
from socorpus.labeling.aggregation import annotators
from socorpus.labeling.label_studio import interface as label_studio_interface
from socorpus.labeling.label_studio import push, sampling, validation
from socorpus.labeling.label_studio.client import Filter
from socorpus.labeling.label_studio.push import Project, Pushed
from socorpus.labeling.label_studio.state import Sent, SyncState
from socorpus.labeling.schema import Task

TAB = "Adjudication"
_FIRST_TAB = "Default"
"""The tab that a project without any gets once somebody looks at it: it must stay the first one."""
_WAITING = (
    Filter(f"data.{label_studio_interface.ADJUDICATION}", "equal", "String", "yes"),
    Filter("total_annotations", "equal", "Number", 0),
)


@dataclass(frozen=True)
class Queue:
    """A project's posts for adjudicators."""

    overlap: int
    """Number of people to whom the project gives each task."""
    disputed: int
    """Posts that two people or more judged differently."""
    adjudicated: int
    """Those of them on which an adjudicator has decided."""
    tab: int | None
    """Number of the tab of those that wait; None where none was sent."""


def overlap(project: Project) -> int:
    """Number of people to whom a project gives each task."""
    return int(project.client.project(project.number, "maximum_annotations")["maximum_annotations"] or 1)


def is_for_adjudicator(sent: Sent) -> bool:
    """Whether a task is the second one of its post."""
    return sent.ext_id == label_studio_interface.adjudication_id(sent.post)


def send(
    root: Path,
    task: Task,
    project: Project,
    state: SyncState,
    rows: Sequence[Mapping[str, Any]],
    version: str,
    pushed: Pushed,
    say: push.Say,
) -> Queue:
    """Send a task for each post that as many people judged as the project asks for, and not all in the same way.

    Tasks that wait are brought up to date with what people say. A project that gives each task to one person has none.

    Args:
        rows: the project's votes of people (`schema.VOTES`).
    """
    by_site: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_site[row["site"]].append(row)
    disputed: dict[str, dict[str, annotators.Judgement]] = {}
    settled: set[str] = set()
    for site, own in sorted(by_site.items()):
        posts = annotators.disputed(own, task.spans)
        disputed |= {corpus_schema.key(site, post): judgements for post, judgements in sorted(posts.items())}
        decided = {row["post_id"] for row in annotators.standing(own) if annotators.adjudicates(row)}
        settled |= {corpus_schema.key(site, post) for post in decided & posts.keys()}
    people = overlap(project)
    known = {sent.post: sent for sent in state.tasks().values() if is_for_adjudicator(sent)}
    waiting = {key: judgements for key, judgements in disputed.items() if key not in settled}
    if people > 1:
        new = [key for key, judgements in waiting.items() if key not in known and len(judgements) >= people]
        old = [key for key in waiting if key in known and not known[key].removed]
        again = Pushed()
        push.update(project, state, _payloads(root, task, state, old, waiting, version, again), set(), say, again)
        payloads = _payloads(root, task, state, new, waiting, version, pushed)
        push.create(project, state, payloads, len(new), say, pushed)
        pushed.conflicts += again.conflicts
        _one_person_each(project, state, new)
    sent = any(is_for_adjudicator(task_sent) for task_sent in state.tasks().values())
    return Queue(people, len(disputed), len(settled), _tab(project) if sent else None)


def _payloads(
    root: Path,
    task: Task,
    state: SyncState,
    keys: Sequence[str],
    disputed: Mapping[str, Mapping[str, annotators.Judgement]],
    version: str,
    pushed: Pushed,
) -> Iterator[dict[str, Any]]:
    blind = {sent.post: sent.blind for sent in state.tasks().values() if not is_for_adjudicator(sent)}
    for example in sampling.examples(root, task, keys):
        shown = disputed[example.key]
        payload = label_studio_interface.payload(example, task, version, blind.get(example.key, False), shown)
        if reasons := validation.problems(payload, task):
            pushed.conflicts.append(f"{example.key}: can't be adjudicated: {'; '.join(reasons)}")
        else:
            yield payload


def _one_person_each(project: Project, state: SyncState, keys: Sequence[str]) -> None:
    if project.client.read_only:
        return
    wanted = set(keys)
    for sent in state.tasks().values():
        if is_for_adjudicator(sent) and sent.post in wanted:
            project.client.set_overlap_of_task(sent.number, 1)


def _tab(project: Project) -> int | None:
    """Number of the tab of tasks that wait for an adjudicator, which is created if there is none."""
    tabs = project.client.tabs(project.number)
    if TAB in tabs or project.client.read_only:
        return tabs.get(TAB)
    if not tabs:
        project.client.create_tab(project.number, _FIRST_TAB)
    return project.client.create_tab(project.number, TAB, _WAITING)
