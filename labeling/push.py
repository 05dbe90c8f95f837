"""Posts to a project: new tasks, changed data, changed predictions; whatever was broken off is mended first.

Identity is the external id in a task's data. What the server does not promise is compared: an import's counts, who is
which task, and in the end the project's numbers of tasks and predictions. Batches go one after another: parallel ones
lose predictions on SQLite, answered by 201.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from socorpus.corpus.errors import BuildError
from socorpus.labeling.interfaces import PREFIX
from socorpus.labeling.studio_client import Client, Filter
from socorpus.labeling.sync_state import Sent, State, canonical, digest, hashed

BATCH = 2500
"""Tasks of one import; a killed one leaves at most so many to be looked for."""
BATCH_BYTES = 20_000_000
PREDICTIONS = 2000
"""Predictions that are replaced in one go: each import of predictions counts the whole project anew."""

_QUIET = 5
_FIELDS = (
    "id",
    "data",
    "predictions",
    "result",
    "model_version",
    "score",
    "total_annotations",
    "cancelled_annotations",
)
Payload = Mapping[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Ready:
    """A task that may be sent, with its hashes and its JSON: made ahead, while the server is busy with others."""

    ext_id: int
    post: str
    blind: bool
    text: str
    data_hash: str
    prediction_hash: str
    predictions: Sequence[Payload]
    judged: bool
    """Whether people have judged it, so that its prediction is left as it is."""
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The task's data, from its JSON."""
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found


def ready(payload: Payload, judged: bool) -> Ready:
    """Make a task that was checked (`checks.problems`) ready to be sent."""
    data, predictions = payload["data"], payload["predictions"]
    written = canonical(data)
    told = json.dumps(predictions, ensure_ascii=False, separators=(",", ":"))
    return Ready(
        data["ext_id"],
        data["post"],
        bool(data["blind"]),
        data["text"],
        hashed(written),
        prediction_hash(predictions),
        predictions,
        judged,
        f'{{"data":{written},"predictions":{told}}}'.encode(),
    )


@dataclass(frozen=True)
class Project:
    """A project of a server: its number, and what tells it from every other one, whatever the server's address."""

    client: Client
    number: int
    identity: str

    def facts(self) -> dict[str, Any]:
        """The project as the server tells it."""
        found: dict[str, Any] = self.client.get(f"/api/projects/{self.number}/")
        return found


@dataclass
class Pushed:
    """What a push did, or would do."""

    created: int = 0
    updated: int = 0
    predictions: int = 0
    unchanged: int = 0
    found_again: int = 0
    doubles_removed: int = 0
    removed_there: int = 0
    conflicts: list[str] = field(default_factory=list)


def prediction_hash(predictions: Sequence[Payload]) -> str:
    """Hash of the predictions of ours on a task; empty where there is none."""
    kept = [
        {"model_version": p["model_version"], "score": round(p["score"] or 0.0, 3), "result": _sorted(p["result"])}
        for p in predictions
    ]
    return digest(kept) if kept else ""


def _sorted(result: Iterable[Payload]) -> list[Payload]:
    return sorted(result, key=lambda region: str(region["id"]))


def _ours(predictions: Iterable[Payload]) -> list[Payload]:
    return [one for one in predictions if str(one["model_version"]).startswith(PREFIX)]


def settle(project: Project, state: State, say: Say) -> bool:
    """Wait until an import that was broken off is done with at the server; whether there was one.

    A server goes on with a request whose sender was killed: looking too early would find nothing, and send all again.
    """
    noted = state.note("flight")
    if noted is None:
        return False
    say("an import was broken off: waiting until the server is done with it")
    flight, last, quiet = json.loads(noted), (-1, -1), 0
    while quiet < _QUIET:
        facts = project.facts()
        now = facts["task_number"] or 0, facts["total_predictions_number"] or 0
        if now[0] >= flight["tasks"] and now[1] >= flight["predictions"]:
            break
        quiet = quiet + 1 if now == last else 0
        last = now
        time.sleep(1.0)
    return True


def reconcile(project: Project, state: State, say: Say) -> Pushed:
    """Bring the state in line with the server: all tasks are looked up if counts differ, or a run was broken off."""
    pushed = Pushed()
    broken_off = settle(project, state, say)
    if broken_off or verified(project, state) is not None:
        survey(project, state, pushed, say)
    state.set_note("flight", None)
    return pushed


def _counts(project: Project) -> tuple[int, int]:
    """Tasks, and predictions of ours, that the server counts."""
    versions = project.client.get(f"/api/projects/{project.number}/model-versions/")
    return project.facts()["task_number"] or 0, sum(n for name, n in versions.items() if name.startswith(PREFIX))


def survey(project: Project, state: State, pushed: Pushed, say: Say) -> None:
    """Look at every task of the project: find ours again, remove doubles that nobody has judged, note what is gone."""
    known = state.tasks()
    seen: dict[int, list[dict[str, Any]]] = {}
    others: list[dict[str, Any]] = []
    for task in project.client.tasks(project.number, include=_FIELDS):
        if isinstance(ext_id := task["data"].get("ext_id"), int):
            seen.setdefault(ext_id, []).append(task)
        else:
            others.append(task)
    kept = []
    for ext_id, tasks in seen.items():
        first, left = _without_doubles(project, tasks, pushed)
        others += left
        ours = _ours(first["predictions"])
        data = first["data"]
        # Several of ours: a replacement was broken off.
        hashed = prediction_hash(ours) if len(ours) < 2 else None
        kept.append(Sent(ext_id, first["id"], data["post"], digest(data), hashed, bool(data.get("blind"))))
        pushed.found_again += ext_id not in known or known[ext_id].number != first["id"]
    state.keep(kept)
    # Tasks that people made there, and doubles that they judged, stay: they are counted with ours from now on.
    state.set_note("others", json.dumps([len(others), sum(len(_ours(task["predictions"])) for task in others)]))
    gone = [sent for ext_id, sent in known.items() if ext_id not in seen and not sent.removed]
    with state.together():
        for sent in gone:
            state.replace_annotations(sent.number, sent.ext_id, ())
    state.keep(replace(one, prediction_hash="", removed=True) for one in gone)
    pushed.removed_there += len(gone)
    say(f"looked up {sum(map(len, seen.values())):,} tasks on the server")


def _without_doubles(
    project: Project, tasks: list[dict[str, Any]], pushed: Pushed
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The task of several of one post that counts: one that people have judged, else the oldest. The others go, but for
    those that people have judged too: these are the second answer."""
    judged = [task for task in tasks if task["total_annotations"] or task["cancelled_annotations"]]
    first = min(judged or tasks, key=lambda task: int(task["id"]))
    left = []
    for task in tasks:
        if task is first:
            continue
        if task in judged or not _untouched(project, task["id"]):
            pushed.conflicts.append(
                f"{task['data']['post']}: tasks {first['id']} and {task['id']}, both judged by people"
            )
            left.append(task)
        elif not project.client.read_only:
            project.client.delete(f"/api/tasks/{task['id']}/")
            pushed.doubles_removed += 1
    return first, left


def _untouched(project: Project, number: int) -> bool:
    """Whether nobody has judged a task, or begun to."""
    task = _task(project, number)
    return task is not None and not task["annotations"] and not task["drafts"]


def _task(project: Project, number: int) -> dict[str, Any] | None:
    found = list(
        project.client.tasks(
            project.number,
            [Filter("id", "equal", "Number", number)],
            ("id", "data", "annotations", "drafts", "result"),
        )
    )
    return found[0] if found else None


def push(
    project: Project, state: State, tasks: Iterable[Ready], judged: set[int], say: Say, pushed: Pushed, new: int = 0
) -> None:
    """Create the tasks that are not there, and update those that differ; in the order given, as they come.

    Args:
        judged: identifiers of tasks whose prediction is left as it is, since people have judged them there.
        new: how many are expected to be created.
    """
    known = state.tasks()
    stale: list[tuple[Sent, Ready]] = []
    batches = _Creation(project, state, new, say, pushed)
    for task in tasks:
        sent = known.get(task.ext_id)
        if sent is None:
            batches.add(task)
            continue
        if sent.post != task.post:
            pushed.conflicts.append(f"{task.post}: has the identifier of {sent.post}; it is left out")
            continue
        changed = sent.data_hash != task.data_hash
        if changed:
            refreshed = _update(project, state, sent, task, pushed)
            if refreshed is None:
                continue
            sent = refreshed
        left = (task.judged or sent.ext_id in judged) and sent.prediction_hash is not None
        if not left and sent.prediction_hash != task.prediction_hash:
            stale.append((sent, task))
        elif not changed:
            pushed.unchanged += 1
    batches.send()
    for number in range(0, len(stale), PREDICTIONS):
        _replace_predictions(project, state, stale[number : number + PREDICTIONS])
        say(f"predictions replaced: {min(number + PREDICTIONS, len(stale)):,} of {len(stale):,}")
    pushed.predictions += len(stale)


def _update(project: Project, state: State, sent: Sent, ready: Ready, pushed: Pushed) -> Sent | None:
    """Send changed data, unless somebody has judged the text that it would change; the task as it is then."""
    task = _task(project, sent.number)
    if task is None:
        state.keep([replace(sent, prediction_hash="", removed=True)])
        pushed.removed_there += 1
        return None
    if task["data"]["text"] != ready.text and (task["annotations"] or task["drafts"]):
        pushed.conflicts.append(
            f"{sent.post}: its text has changed, and task {sent.number} was judged with the old one; nothing was sent"
        )
        return None
    pushed.updated += 1
    if project.client.read_only:
        return sent
    project.client.patch(f"/api/tasks/{sent.number}/", {"data": ready.data})
    refreshed = replace(sent, data_hash=ready.data_hash)
    state.keep([refreshed])
    return refreshed


def _replace_predictions(project: Project, state: State, stale: Sequence[tuple[Sent, Ready]]) -> None:
    """Delete the predictions of ours on these tasks, and send the new ones.

    They are marked before: a run that is broken off anywhere in here looks them up, and does it again.
    """
    client = project.client
    if client.read_only:
        return
    state.unsure(sent.ext_id for sent, _ in stale)
    numbers = [sent.number for sent, _ in stale]
    only_ours, one_by_one = [], []
    chosen = Filter("id", "in_list", "Number", numbers)
    for task in client.tasks(project.number, [chosen], ("id", "predictions", "model_version")):
        ours = _ours(task["predictions"])
        if len(ours) == len(task["predictions"]):
            only_ours += [task["id"]] if ours else []
        else:
            one_by_one += [one["id"] for one in ours]
    if only_ours:
        selected = {"selectedItems": {"all": False, "included": only_ours}}
        client.post("/api/dm/actions", selected, id="delete_tasks_predictions", project=project.number)
    for number in one_by_one:
        client.delete(f"/api/predictions/{number}/")
    wanted = [{"task": sent.number, **one} for sent, task in stale for one in task.predictions]
    if wanted:
        made = client.post(f"/api/projects/{project.number}/import/predictions", wanted)["created"]
        if made != len(wanted):
            raise BuildError(f"the server made {made} of {len(wanted)} predictions; run the same command again")
    state.keep(replace(sent, prediction_hash=task.prediction_hash) for sent, task in stale)


class _Creation:
    """Sends new tasks in batches of at most `BATCH` and about `BATCH_BYTES`, and compares what the server made."""

    def __init__(self, project: Project, state: State, of: int, say: Say, pushed: Pushed) -> None:
        self._project, self._state, self._of, self._say, self._pushed = project, state, of, say, pushed
        self._batch: list[Ready] = []
        self._size = 0
        self._there: tuple[int, int] | None = None

    def add(self, task: Ready) -> None:
        """Take a task; a batch that is full is sent."""
        if self._batch and (len(self._batch) == BATCH or self._size + len(task.body) > BATCH_BYTES):
            self.send()
        self._batch.append(task)
        self._size += len(task.body)

    def send(self) -> None:
        """Send what was taken and not sent yet."""
        batch, self._batch, self._size = self._batch, [], 0
        self._pushed.created += len(batch)
        client, state = self._project.client, self._state
        if not batch or client.read_only:
            return
        if self._there is None:
            facts = self._project.facts()
            self._there = facts["task_number"] or 0, facts["total_predictions_number"] or 0
        expected = sum(len(one.predictions) for one in batch)
        self._there = self._there[0] + len(batch), self._there[1] + expected
        state.set_note("flight", json.dumps({"tasks": self._there[0], "predictions": self._there[1]}))
        body = b"[" + b",".join(one.body for one in batch) + b"]"
        answer = client.post_bytes(f"/api/projects/{self._project.number}/import", body, return_task_ids="true")
        numbers = answer.get("task_ids", [])
        if answer["task_count"] != len(batch) or len(numbers) != len(batch):
            raise BuildError(
                f"the server made {answer['task_count']} tasks of {len(batch)}; run the same command again, it looks "
                "up what is there"
            )
        for at in (0, -1):
            task = _task(self._project, numbers[at])
            if task is None or task["data"]["ext_id"] != batch[at].ext_id:
                raise BuildError("the server numbers tasks in another order than they were sent; run the same command")
        # A locked database loses predictions, answered by 201: those of this batch are looked up, and sent again.
        whole = answer["prediction_count"] == expected
        state.keep(
            Sent(one.ext_id, number, one.post, one.data_hash, one.prediction_hash if whole else None, one.blind)
            for one, number in zip(batch, numbers, strict=True)
        )
        state.set_note("flight", None)
        self._say(f"tasks created: {self._pushed.created:,}" + (f" of {self._of:,}" if self._of else ""))


def verified(project: Project, state: State) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Hold the project's counts of tasks and of predictions against what was sent: what is expected and found if they
    differ, None if all is there."""
    known = [task for task in state.tasks().values() if not task.removed]
    tasks, predictions = json.loads(state.note("others") or "[0, 0]")
    expected = len(known) + tasks, sum(bool(task.prediction_hash) for task in known) + predictions
    found = _counts(project)
    unsure = any(task.prediction_hash is None for task in known)
    return (expected, found) if unsure or found != expected else None
