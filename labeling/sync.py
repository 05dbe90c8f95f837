"""The two-way sync of a task of a corpus with a project of a Label Studio server, in the order in which it happens.

It may be killed at any moment, and run again: what the server has is compared with what was sent, nothing is doubled,
nothing that people did is overwritten.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import BuildError, InputError
from socorpus.labeling import agreeing, checks, interfaces, pull, push, sampling, sync_state
from socorpus.labeling.ahead import ahead
from socorpus.labeling.pull import Pulled
from socorpus.labeling.push import Project, Pushed, Ready
from socorpus.labeling.sampling import Sample
from socorpus.labeling.schema import TASKS, Task
from socorpus.labeling.studio_client import Client
from socorpus.labeling.sync_state import State

UNCERTAIN = Sample("uncertain")
LIMIT = 1000
BLIND = 0.1
"""Share of the posts that are judged without a suggestion: what people's labels are measured on without its pull."""
AHEAD = 2 * push.BATCH
"""Tasks that are made ready while the server is busy."""
Say = Callable[[str], None]


@dataclass
class Synced:
    """What a sync did; of a dry run, what it would do."""

    project: int | None
    created_project: bool
    pushed: Pushed
    pulled: Pulled
    refused: list[str] = field(default_factory=list)
    gone: int = 0
    """Tasks whose posts the corpus no longer has; they are left as they are."""

    @property
    def conflicts(self) -> list[str]:
        """Everything that a person has to decide."""
        return [*self.pushed.conflicts, *self.pulled.conflicts]


def task_named(name: str) -> Task:
    """The task of a name.

    Raises:
        InputError: there is none.
    """
    if name not in TASKS:
        raise InputError(f"task {name!r} is not known; there are {', '.join(TASKS)}")
    return TASKS[name]


def sync(
    root: Path,
    client: Client,
    title: str,
    task: Task,
    *,
    sample: Sample = UNCERTAIN,
    limit: int = LIMIT,
    blind: float = BLIND,
    say: Say = lambda _: None,
) -> Synced:
    """Bring a project and a corpus up to date with one another.

    Args:
        root: folder of the corpus, with labels of `task`.
        client: of the server; one that is `read_only` makes this a dry run.
        title: of the project, which is created if there is none.
        sample: how posts are chosen that are not in the project yet.
        limit: number of tasks that the project is filled up to; those that are there stay.
        blind: share of the new tasks that show no prediction and no evidence.

    Raises:
        InputError: the corpus has no labels of the task; the project is of another task, or its title is not unique.
        BuildError: the connection was lost, or the server does not have what was sent; the same command goes on.
    """
    version = interfaces.PREFIX + sampling.version(root, task)
    facts = _find(client, title, task)
    if facts is None and client.read_only:
        keys = sampling.choose(root, task, sample, limit)
        result = Synced(None, True, Pushed(), Pulled())
        result.pushed.created = sum(1 for _ in _payloads(root, task, keys, {}, version, blind, result))
        return result
    created = facts is None
    facts = facts if facts is not None else _create(client, title, task)
    project = Project(client, facts["id"], f"{facts['id']}@{facts['created_at']}")
    with sync_state.opened(root, dry=client.read_only) as database:
        state = State(database, project.identity)
        result = Synced(project.number, created, push.reconcile(project, state, say), Pulled())
        result.pulled = pull.pull(project, state, say)
        _push(root, task, project, state, result, sample, limit, version, blind, say)
        _show_predictions(project, version, say)
        rows = pull.votes(state.annotations(), project.identity, task, result.pulled)
        examples = sampling.examples(
            root, task, {f"{row['site']}:{row['post_id']}" for row in rows if row["start"] is not None}
        )
        rows = pull.moved(rows, examples, result.pulled)
        result.pulled.votes = len(rows)
        result.pulled.annotators = len({row["function"] for row in rows})
        result.pulled.agreement = agreeing.agreement(rows, task)
        if not client.read_only:
            pull.write(root, task, project.identity, rows)
    return result


def _find(client: Client, title: str, task: Task) -> dict[str, Any] | None:
    """The project of this title, if there is one, whose interface takes the task's labels."""
    if not 3 <= len(title) <= 50:
        raise InputError(f"project {title!r}: a title has 3 to 50 characters")
    found = []
    page = 1
    while True:
        answer = client.get("/api/projects/", title=title, page=page, page_size=100)
        found += [one for one in answer["results"] if one["title"] == title]
        if not answer.get("next"):
            break
        page += 1
    if len(found) > 1:
        numbers = ", ".join(str(one["id"]) for one in found)
        raise InputError(f"{client.url}: has several projects {title!r} ({numbers}); rename all but one")
    if not found:
        return None
    facts: dict[str, Any] = client.get(f"/api/projects/{found[0]['id']}/")
    if why := interfaces.fits(facts["parsed_label_config"] or {}, task):
        raise InputError(f"project {title!r} can't take labels of {task.name}: {why}; name another project")
    return facts


def _create(client: Client, title: str, task: Task) -> dict[str, Any]:
    settings = {
        "title": title,
        "description": f"socorpus: {task.name}",
        "label_config": interfaces.config(task),
        "expert_instruction": interfaces.instruction(task),
        "show_instruction": True,
        "show_skip_button": True,
        # A text without entities is a judgement; a post without a choice is none.
        "enable_empty_annotation": task.spans,
        "show_collab_predictions": True,
    }
    made: dict[str, Any] = client.post("/api/projects/", settings)
    return made


def _push(
    root: Path,
    task: Task,
    project: Project,
    state: State,
    result: Synced,
    sample: Sample,
    limit: int,
    version: str,
    blind: float,
    say: Say,
) -> None:
    for attempt in range(2):
        known = state.tasks()
        present = {sent.post: sent.blind for sent in known.values() if not sent.removed}
        removed = [sent.post for sent in known.values() if sent.removed]
        judged = state.annotated()
        more = max(0, limit - len(present)) if attempt == 0 else 0
        new = sampling.choose(root, task, sample, more, [*present, *removed]) if more else []
        refused, done = Synced(None, False, Pushed(), Pulled()), set[str]()
        keys = [*present, *new]
        with ahead(_ready(root, task, keys, present, version, blind, refused, done), AHEAD) as coming:
            push.push(project, state, coming, judged, say, result.pushed, len(new))
        if attempt == 0:
            result.refused = refused.refused
            result.gone = len(set(present) - done) - sum(line.partition(": ")[0] in present for line in refused.refused)
        if project.client.read_only or push.verified(project, state) is None:
            return
        say("the server does not have all that was sent: looking up what is there, and sending the rest")
        push.survey(project, state, result.pushed, say)
    if differ := push.verified(project, state):
        (tasks, predictions), found = differ
        raise BuildError(
            f"project {project.number} has {found[0]:,} tasks and {found[1]:,} predictions, where {tasks:,} and "
            f"{predictions:,} were sent; run the same command again"
        )


def _ready(
    root: Path,
    task: Task,
    keys: list[str],
    present: dict[str, bool],
    version: str,
    blind: float,
    result: Synced,
    done: set[str],
) -> Iterator[Ready]:
    """The tasks of these posts, ready to be sent, in this order; `done` is told which posts had one."""
    for payload, by_people in _payloads(root, task, keys, present, version, blind, result):
        done.add(payload["data"]["post"])
        yield push.ready(payload, by_people)


def _payloads(
    root: Path, task: Task, keys: list[str], present: dict[str, bool], version: str, blind: float, result: Synced
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Posts as tasks that may be sent, and whether people have judged them; what must not be sent goes to `refused`."""
    for example in sampling.examples(root, task, keys):
        hidden = present.get(example.key, interfaces.is_blind(example.key, blind))
        payload = interfaces.payload(example, task, version, hidden)
        if found := checks.problems(payload, task):
            result.refused.append(f"{example.key}: {'; '.join(found)}")
        else:
            yield payload, interfaces.judged_by_people(example)


def _show_predictions(project: Project, version: str, say: Say) -> None:
    """A project shows the predictions of one model version alone: make it ours, unless someone chose another one."""
    if project.client.read_only:
        return
    facts = project.facts()
    if not facts["total_predictions_number"]:
        return  # the server refuses the version of predictions that it does not have
    now = facts["model_version"] or ""
    if now and not now.startswith(interfaces.PREFIX) and now != "undefined":
        say(f"the project shows the predictions of {now!r}; to see ours choose {version!r} in its settings")
    elif now != version or not facts["show_collab_predictions"]:
        project.client.patch(
            f"/api/projects/{project.number}/", {"model_version": version, "show_collab_predictions": True}
        )
