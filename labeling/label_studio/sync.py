"""The two-way sync of a corpus's task with a project of a Label Studio server, in order.

It may be killed at any moment and run again: the server's tasks are compared with what was sent, nothing is duplicated,
no annotation is overwritten.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import files
from socorpus.labeling import schema
from socorpus.labeling.aggregation import agreement
from socorpus.labeling.label_studio import adjudication, model_votes, pull, push, sampling, validation
from socorpus.labeling.label_studio import interface as label_studio_interface
from socorpus.labeling.label_studio import state as label_studio_state
from socorpus.labeling.label_studio.adjudication import Queue
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.pull import Pulled
from socorpus.labeling.label_studio.push import Project, Pushed
from socorpus.labeling.label_studio.sampling import Sample
from socorpus.labeling.label_studio.state import SyncState
from socorpus.labeling.schema import Task

UNCERTAIN = Sample("uncertain")
LIMIT = 1000
BLIND = 0.1
"""Share of posts judged without a suggestion, to measure people's labels without its influence."""
LONGEST_TITLE = 50
"""Characters of a project's title, by the server's limit."""
Say = Callable[[str], None]


@dataclass
class Synced:
    """Result of a sync; of a dry run, the expected one."""

    project: int | None
    created_project: bool
    pushed: Pushed
    pulled: Pulled
    refused: list[str] = field(default_factory=list)
    gone: int = 0
    """Tasks whose posts are no longer in the corpus; they stay as they are."""
    queue: Queue | None = None
    """Posts for adjudicators; None where there is no project yet."""
    suggested: int = 0
    """Posts with suggestions of connected models, counted per model."""
    address: str = ""
    """Of the server."""

    @property
    def conflicts(self) -> list[str]:
        """Conflicts that a person has to resolve."""
        return [*self.pushed.conflicts, *self.pulled.conflicts]


def sync(
    root: Path,
    client: Client,
    title: str,
    task: Task,
    *,
    sample: Sample = UNCERTAIN,
    limit: int = LIMIT,
    blind: float = BLIND,
    overlap: int | None = None,
    say: Say = lambda _: None,
    then: Callable[[Project], None] = lambda _: None,
    tree: Path | None = None,
) -> Synced:
    """Bring a project and a corpus up to date with each other.

    Args:
        root: folder of the corpus, with labels of `task`; annotations are written there.
        client: of the server; a `read_only` one makes this a dry run.
        title: of the project, which is created if there is none.
        sample: choice of posts that are not in the project yet.
        limit: number of tasks to fill the project up to; existing ones stay.
        blind: share of new tasks without prediction and evidence.
        overlap: number of people to whom the project gives each task; None: as it is. With two or more, posts that so
            many have judged, and not all in the same way, are given to an adjudicator (`adjudication`).
        then: called with the project before the suggestions of connected models are read.
        tree: the tree of the finished corpus, to be read; `root` itself, if None.

    Raises:
        InputError: the corpus has no labels of the task; the project is of another task, or its title is not unique.
        BuildError: the connection was lost, or the server lacks what was sent; the same command continues.
    """
    tables = tree or root
    version = label_studio_interface.PREFIX + sampling.version(tables, task)
    facts = find(client, title, task.name, lambda controls: label_studio_interface.fits(controls, task))
    if facts is None and client.read_only:
        keys, outcome = sampling.choose(tables, task, sample, limit), _Made()
        result = Synced(None, True, Pushed(), Pulled(), outcome.refused)
        result.pushed.created = sum(1 for _ in _payloads(tables, task, keys, {}, version, blind, outcome, set()))
        return result
    created = facts is None
    facts = facts if facts is not None else create(client, _settings(title, task))
    project = Project(client, facts["id"], f"{facts['id']}@{facts['created_at']}")
    with label_studio_state.opened(root, dry=client.read_only) as database:
        state = SyncState(database, project.identity)
        _set_overlap(project, overlap)
        result = Synced(project.number, created, push.reconcile(project, state, say), Pulled())
        result.pulled = pull.pull(project, state, say)
        _push(tables, task, project, state, result, sample, limit, version, blind, say)
        _show_predictions(project, version, say)
        rows = _moved(tables, task, pull.votes(state.annotations(), project.identity, task, result.pulled), result)
        result.pulled.votes = len(rows)
        result.pulled.annotators = len({row["function"] for row in rows})
        result.pulled.agreement = agreement.agreement(rows, task)
        result.queue = adjudication.send(tables, task, project, state, rows, version, result.pushed, say)
        if not client.read_only:
            pull.write(root / schema.people_path(task.name), project.identity, rows)
            then(project)
        suggested = _moved(tables, task, model_votes.votes(project, task), result)
        result.suggested = len({(row["site"], row["post_id"], row["function"]) for row in suggested})
        if not client.read_only:
            pull.write(root / schema.models_path(task.name), project.identity, suggested)
    return result


def _set_overlap(project: Project, people: int | None) -> None:
    client = project.client
    if people is not None and not client.read_only and adjudication.overlap(project) != people:
        client.set_overlap(project.number, people)


def _moved(root: Path, task: Task, rows: Sequence[dict[str, Any]], result: "Synced") -> list[dict[str, Any]]:
    marked = {f"{row['site']}:{row['post_id']}" for row in rows if row["start"] is not None}
    return pull.moved(rows, sampling.examples(root, task, marked), result.pulled)


def find(
    client: Client, title: str, what: str, fits: Callable[[Mapping[str, Any]], str | None]
) -> dict[str, Any] | None:
    """The project of this title, if there is one.

    Args:
        what: is labelled there, for messages.
        fits: from the interface's controls (`parsed_label_config`) to the reason why they are unfit, if they are.

    Raises:
        InputError: its interface is unfit, or its title is not unique or has the wrong length.
    """
    if not 3 <= len(title) <= LONGEST_TITLE:
        raise InputError(f"project {title!r}: a title has 3 to {LONGEST_TITLE} characters")
    projects = client.projects(title)
    if len(projects) > 1:
        numbers = ", ".join(map(str, projects))
        raise InputError(f"{client.url}: several projects are named {title!r} ({numbers}); rename all but one")
    if not projects:
        return None
    facts = client.project(projects[0], "id", "created_at", "parsed_label_config")
    if why := fits(facts["parsed_label_config"] or {}):
        raise InputError(f"project {title!r} can't take labels of {what}: {why}; name another project")
    return facts


def create(client: Client, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Create a project: its number and creation time."""
    return client.project(client.create_project(settings), "id", "created_at")


def _settings(title: str, task: Task) -> dict[str, Any]:
    return {
        "title": title,
        "description": f"socorpus: {task.name}",
        "label_config": label_studio_interface.config(task),
        "expert_instruction": label_studio_interface.instruction(task),
        "show_instruction": True,
        "show_skip_button": True,
        # A text without entities is a valid annotation. A post without a choice is not, which the interface says when
        # it is submitted: a button that can't be pressed would not say why.
        "enable_empty_annotation": True,
        "show_collab_predictions": True,
    }


def _push(
    root: Path,
    task: Task,
    project: Project,
    state: SyncState,
    result: Synced,
    sample: Sample,
    limit: int,
    version: str,
    blind: float,
    say: Say,
) -> None:
    pushed, inputs = result.pushed, _inputs(root, task, version)
    for attempt in range(2):
        known = {ext_id: sent for ext_id, sent in state.tasks().items() if not adjudication.is_for_adjudicator(sent)}
        present = {sent.post: sent.blind for sent in known.values() if not sent.removed}
        removed = [sent.post for sent in known.values() if sent.removed]
        conflicts, differ = len(pushed.conflicts), 0
        compared = _compared(state, inputs)
        if compared is not None:
            there = _Made(refused=compared["refused"], gone=compared["gone"])
            pushed.unchanged += len(present) - there.gone - len(there.refused)
        else:
            there = _Made()
            judged = state.annotated()
            payloads = _payloads(root, task, list(present), present, version, blind, there, judged)
            differ = push.update(project, state, payloads, judged, say, pushed)
        if attempt == 0:
            result.refused, result.gone = list(there.refused), there.gone
            more = max(0, limit - len(present))
            new = sampling.choose(root, task, sample, more, [*present, *removed]) if more else []
            outcome = _Made()
            if new:
                payloads = _payloads(root, task, new, {}, version, blind, outcome, set())
                push.create(project, state, payloads, len(new), say, pushed)
            result.refused += outcome.refused
        if project.client.read_only:
            return
        if push.verified(project, state) is None:
            if compared is None or pushed.created:
                kept = compared["judged"] if compared is not None else _judged(state) if differ else None
                _remember(state, inputs, there, kept, clean=len(pushed.conflicts) == conflicts)
            return
        say("the server does not have all that was sent: looking up what is there, and sending the rest")
        push.survey(project, state, pushed, say)
    if lacking := push.verified(project, state):
        (tasks, predictions), counted = lacking
        raise BuildError(
            f"project {project.number} has {counted[0]:,} tasks and {counted[1]:,} predictions, where {tasks:,} and "
            f"{predictions:,} were sent; run the same command again"
        )


def _inputs(root: Path, task: Task, version: str) -> str:
    """Hash of all inputs of tasks: the tables' bytes, and the code that turns them into tasks."""
    hashed = hashlib.blake2b(f"{task.name} {version}".encode(), digest_size=12)
    for module in (label_studio_interface, validation, sampling, schema):
        hashed.update(files.sha256(Path(str(module.__file__))).encode())
    for bucket in sampling.buckets(root, task):
        paths = [schema.path(task.name, table, bucket) for table in ("examples", "votes", "labels")]
        # Where the texts of examples are.
        paths += [schema.texts_path(bucket), f"documents/{bucket}.parquet", schema.models_path(task.name)]
        for path in (root / name for name in paths):
            hashed.update(f"{path.relative_to(root)} ".encode())
            if files.exists(path):
                hashed.update(files.sha256(path).encode())
    return hashed.hexdigest()


def _sent(state: SyncState) -> str | None:
    """Hash of what was sent; None if that is not known of every task."""
    known = state.tasks().values()
    sent = [task for task in known if not task.removed and not adjudication.is_for_adjudicator(task)]
    if any(task.prediction_hash is None for task in sent):
        return None
    return label_studio_state.digest(
        [[t.ext_id, t.number, t.post, t.data_hash, t.prediction_hash, t.blind] for t in sent]
    )


def _judged(state: SyncState) -> str:
    return label_studio_state.digest(sorted(state.annotated()))


def _compared(state: SyncState, inputs: str) -> dict[str, Any] | None:
    """Result of the last comparison of tasks and corpus, if neither has changed since; else None.

    Creating 20,000 tasks only to find each unchanged takes more time than the rest of a sync.
    """
    noted = state.note("compared")
    comparison: dict[str, Any] = json.loads(noted) if noted else {}
    if comparison.get("inputs") != inputs or comparison.get("sent") != _sent(state):
        return None
    # Differing suggestions were left on tasks that people have judged: are these still the same?
    return comparison if comparison["judged"] in (None, _judged(state)) else None


def _remember(state: SyncState, inputs: str, there: "_Made", judged: str | None, *, clean: bool) -> None:
    """Note for `_compared` that all tasks match the corpus; after a conflict they are compared again."""
    sent = _sent(state)
    value = {"inputs": inputs, "sent": sent, "judged": judged, "refused": there.refused, "gone": there.gone}
    state.set_note("compared", json.dumps(value) if clean and sent is not None else None)


@dataclass
class _Made:
    """Posts from which no task was created."""

    refused: list[str] = field(default_factory=list)
    gone: int = 0


def _payloads(
    root: Path,
    task: Task,
    keys: Sequence[str],
    present: Mapping[str, bool],
    version: str,
    blind: float,
    outcome: _Made,
    judged: set[int],
) -> Iterator[dict[str, Any]]:
    """Posts as valid tasks, in the order of `keys`, created on demand.

    Refused ones are noted in `outcome`; the identifiers of those that people have judged are added to `judged`.
    """
    interface = validation.interface(label_studio_interface.config(task))
    outcome.gone = len(keys)
    for example in sampling.examples(root, task, keys):
        key = example.key
        outcome.gone -= 1
        payload = label_studio_interface.payload(
            example, task, version, present.get(key, label_studio_interface.is_blind(key, blind))
        )
        if reasons := validation.problems(payload, task) or validation.misfits(payload, interface):
            outcome.refused.append(f"{key}: {'; '.join(reasons)}")
            continue
        if label_studio_interface.judged_by_people(example):
            judged.add(payload["data"]["ext_id"])
        yield payload


def _show_predictions(project: Project, version: str, say: Say) -> None:
    """A project shows the predictions of only one model version: make it ours, unless someone chose another."""
    if project.client.read_only:
        return
    facts = project.facts()
    if not facts["total_predictions_number"]:
        return  # the server refuses a version without predictions
    now = facts["model_version"] or ""
    if now and not now.startswith(label_studio_interface.PREFIX) and now != "undefined":
        say(f"the project shows the predictions of {now!r}; to see ours choose {version!r} in its settings")
    elif now != version or not facts["show_collab_predictions"]:
        project.client.show_predictions(project.number, version)
