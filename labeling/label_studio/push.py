"""Posts to a project: new tasks, changed data, changed predictions; interrupted runs are repaired first.

A post is identified by the external id in its task's data. What the server does not guarantee is checked: an import's
counts, which post is which task, and finally the project's numbers of tasks and predictions. Batches are sent one after
another: parallel ones lose predictions on SQLite, though answered with 201.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from socorpus.corpus.errors import BuildError
from socorpus.labeling.label_studio.client import Client, Filter
from socorpus.labeling.label_studio.interface import PREFIX
from socorpus.labeling.label_studio.state import Sent, SyncState, digest

BATCH = 2000
"""Tasks of one import; a killed one leaves at most this many to look for. In all, imports of 1,000 took a tenth longer,
those of 5,000 no less."""
BATCH_BYTES = 20_000_000
PREDICTIONS = 2000
"""Predictions replaced at once: each import of predictions recounts the whole project."""

_FACTS = ("task_number", "total_predictions_number", "model_version", "show_collab_predictions")
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
_IDENTITY = ("id", "data")
Payload = Mapping[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Project:
    """A project of a server: its number, and an identity that is unique whatever the server's address."""

    client: Client
    number: int
    identity: str

    def facts(self) -> dict[str, Any]:
        """The project's fields that change with a sync."""
        return self.client.project(self.number, *_FACTS)


@dataclass
class Pushed:
    """Result of a push; of a dry run, the expected one."""

    created: int = 0
    updated: int = 0
    predictions: int = 0
    unchanged: int = 0
    found_again: int = 0
    doubles_removed: int = 0
    removed_there: int = 0
    conflicts: list[str] = field(default_factory=list)


def prediction_hash(predictions: Sequence[Payload]) -> str:
    """Hash of our predictions on a task; empty if there are none."""
    kept = [
        {"model_version": p["model_version"], "score": round(p["score"] or 0.0, 3), "result": _sorted(p["result"])}
        for p in predictions
    ]
    return digest(kept) if kept else ""


def _sorted(result: Iterable[Payload]) -> list[Payload]:
    return sorted(result, key=lambda region: str(region["id"]))


def _ours(predictions: Iterable[Payload]) -> list[Payload]:
    return [prediction for prediction in predictions if str(prediction["model_version"]).startswith(PREFIX)]


def settle(project: Project, state: SyncState, say: Say) -> bool:
    """Wait until the server is done with an interrupted import; returns whether there was one.

    A server continues with a request whose sender was killed: looking too early would find nothing and send all again.
    """
    noted = state.note("flight")
    if noted is None:
        return False
    say("an import was interrupted: waiting until the server is done with it")
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


def reconcile(project: Project, state: SyncState, say: Say) -> Pushed:
    """Bring the state in line with the server: all tasks are looked up if counts differ or a run was interrupted."""
    pushed = Pushed()
    broken_off = settle(project, state, say)
    if broken_off or verified(project, state) is not None:
        survey(project, state, pushed, say)
    state.set_note("flight", None)
    return pushed


def _counts(project: Project) -> tuple[int, int]:
    """Numbers of tasks and of our predictions, as counted by the server."""
    versions = project.client.prediction_versions(project.number)
    return project.facts()["task_number"] or 0, sum(n for name, n in versions.items() if name.startswith(PREFIX))


def survey(project: Project, state: SyncState, pushed: Pushed, say: Say) -> None:
    """Read every task of the project: find ours again, remove duplicates without annotations, note what is gone."""
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
        # More than one of ours: a replacement was interrupted.
        hashed = prediction_hash(ours) if len(ours) < 2 else None
        kept.append(Sent(ext_id, first["id"], data["post"], digest(data), hashed, bool(data.get("blind"))))
        pushed.found_again += ext_id not in known or known[ext_id].number != first["id"]
    state.keep(kept)
    # Tasks that people created there, and duplicates that they judged, stay: they are counted with ours from now on.
    state.set_note("others", json.dumps([len(others), sum(len(_ours(task["predictions"])) for task in others)]))
    gone = [sent for ext_id, sent in known.items() if ext_id not in seen and not sent.removed]
    with state.together():
        for sent in gone:
            state.replace_annotations(sent.number, sent.ext_id, ())
    state.keep(replace(sent, prediction_hash="", removed=True) for sent in gone)
    pushed.removed_there += len(gone)
    say(f"looked up {sum(map(len, seen.values())):,} tasks on the server")


def _without_doubles(
    project: Project, tasks: list[dict[str, Any]], pushed: Pushed
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Of a post's tasks the one that counts: one that people have judged, else the oldest. The others are deleted,
    except those that people have judged too: these are the second answer."""
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
            project.client.delete_task(task["id"])
            pushed.doubles_removed += 1
    return first, left


def _untouched(project: Project, number: int) -> bool:
    """Whether nobody has judged a task or begun to."""
    task = _task(project, number)
    return task is not None and not task["annotations"] and not task["drafts"]


def _task(project: Project, number: int) -> dict[str, Any] | None:
    tasks = list(
        project.client.tasks(
            project.number,
            [Filter("id", "equal", "Number", number)],
            ("id", "data", "annotations", "drafts", "result"),
        )
    )
    return tasks[0] if tasks else None


def update(
    project: Project, state: SyncState, payloads: Iterable[Payload], judged: set[int], say: Say, pushed: Pushed
) -> int:
    """Update existing tasks that differ, in the given order.

    Args:
        payloads: checked tasks (`validation.problems`).
        judged: identifiers of tasks whose prediction stays as it is, since people have judged them.

    Returns:
        Number of tasks that keep a prediction other than the given one.
    """
    known = state.tasks()
    stale: list[tuple[Sent, Payload]] = []
    differ = 0
    for payload in payloads:
        sent = known.get(payload["data"]["ext_id"])
        if sent is None or sent.post != payload["data"]["post"]:
            continue  # removed from the server, or recognised as a duplicate, since the keys were read
        changed = sent.data_hash != digest(payload["data"])
        if changed:
            refreshed = _update(project, state, sent, payload, pushed)
            if refreshed is None:
                continue
            sent = refreshed
        left = sent.ext_id in judged and sent.prediction_hash is not None
        other = sent.prediction_hash != prediction_hash(payload["predictions"])
        differ += left and other
        if other and not left:
            stale.append((sent, payload))
        elif not changed:
            pushed.unchanged += 1
    for number in range(0, len(stale), PREDICTIONS):
        _replace_predictions(project, state, stale[number : number + PREDICTIONS])
        say(f"predictions replaced: {min(number + PREDICTIONS, len(stale)):,} of {len(stale):,}")
    pushed.predictions += len(stale)
    return differ


def _update(project: Project, state: SyncState, sent: Sent, payload: Payload, pushed: Pushed) -> Sent | None:
    """Send changed data, unless somebody has judged the text that would change; returns the task's new state."""
    task = _task(project, sent.number)
    if task is None:
        state.keep([replace(sent, prediction_hash="", removed=True)])
        pushed.removed_there += 1
        return None
    if task["data"]["text"] != payload["data"]["text"] and (task["annotations"] or task["drafts"]):
        pushed.conflicts.append(
            f"{sent.post}: its text has changed, and task {sent.number} was judged with the old one; nothing was sent"
        )
        return None
    pushed.updated += 1
    if project.client.read_only:
        return sent
    project.client.set_data(sent.number, payload["data"])
    refreshed = replace(sent, data_hash=digest(payload["data"]))
    state.keep([refreshed])
    return refreshed


def _replace_predictions(project: Project, state: SyncState, stale: Sequence[tuple[Sent, Payload]]) -> None:
    """Delete our predictions on these tasks, and send the new ones.

    They are marked first: after an interruption in here the next run looks them up and repeats this.
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
            one_by_one += [prediction["id"] for prediction in ours]
    if only_ours:
        client.delete_predictions(project.number, only_ours)
    for number in one_by_one:
        client.delete_prediction(number)
    wanted = [{"task": sent.number, **prediction} for sent, payload in stale for prediction in payload["predictions"]]
    if wanted:
        created = client.import_predictions(project.number, wanted)
        if created != len(wanted):
            raise BuildError(f"the server made {created} of {len(wanted)} predictions; run the same command again")
    state.keep(replace(sent, prediction_hash=prediction_hash(payload["predictions"])) for sent, payload in stale)


def create(
    project: Project, state: SyncState, payloads: Iterable[Payload], count: int, say: Say, pushed: Pushed
) -> None:
    """Create missing tasks, in the given order, from checked payloads.

    Imports are sent one after another. The next one is prepared while the server works, from an iterator that creates
    payloads on demand: that is a quarter of the time of 20,000.

    Args:
        count: number of payloads, for progress messages.
    """
    new = _unknown(state, payloads, pushed)
    if project.client.read_only:
        pushed.created += sum(1 for _ in new)
        return
    facts = project.facts()
    tasks, predictions, done = facts["task_number"] or 0, facts["total_predictions_number"] or 0, 0
    under_way: _Import | None = None
    with ThreadPoolExecutor(1) as sender:
        for batch, body in _batches(new):
            if under_way is not None:
                _finish(project, state, under_way)
                say(f"tasks created: {done:,} of {count:,}")
            done += len(batch)
            predictions += sum(len(payload["predictions"]) for payload in batch)
            state.set_note("flight", json.dumps({"tasks": tasks + done, "predictions": predictions}))
            under_way = _Import(batch, sender.submit(project.client.import_tasks, project.number, body))
        if under_way is not None:
            _finish(project, state, under_way)
            say(f"tasks created: {done:,} of {count:,}")
    pushed.created += done


@dataclass(frozen=True)
class _Import:
    """An import that the server is working on."""

    batch: list[Payload]
    answer: "Future[Any]"


def _unknown(state: SyncState, payloads: Iterable[Payload], pushed: Pushed) -> Iterator[Payload]:
    """Payloads, except those whose identifier belongs to another post."""
    posts = {ext_id: sent.post for ext_id, sent in state.tasks().items()}
    for payload in payloads:
        ext_id, post = payload["data"]["ext_id"], payload["data"]["post"]
        if ext_id in posts:
            pushed.conflicts.append(f"{post}: has the identifier of {posts[ext_id]}; it is left out")
            continue
        posts[ext_id] = post
        yield payload


def _finish(project: Project, state: SyncState, under_way: _Import) -> None:
    """Wait for an import, and compare the server's answer with what was sent."""
    batch, answer = under_way.batch, under_way.answer.result()
    numbers = answer.get("task_ids", [])
    if answer["task_count"] != len(batch) or len(numbers) != len(batch):
        raise BuildError(
            f"the server made {answer['task_count']} tasks of {len(batch)}; run the same command again, it looks "
            "up what is there"
        )
    ends = {numbers[index]: batch[index]["data"]["ext_id"] for index in (0, -1)}
    chosen = Filter("id", "in_list", "Number", list(ends))
    there = {task["id"]: task["data"]["ext_id"] for task in project.client.tasks(project.number, [chosen], _IDENTITY)}
    if there != ends:
        raise BuildError("the server numbers tasks in another order than they were sent; run the same command")
    # A locked database loses predictions, though answered with 201: those of this batch are looked up and sent again.
    whole = answer["prediction_count"] == sum(len(payload["predictions"]) for payload in batch)
    hashes = [prediction_hash(payload["predictions"]) if whole else None for payload in batch]
    state.keep(
        Sent(d["ext_id"], number, d["post"], digest(d), hashed, d["blind"])
        for d, number, hashed in zip((payload["data"] for payload in batch), numbers, hashes, strict=True)
    )
    state.set_note("flight", None)


def _batches(new: Iterable[Payload]) -> Iterator[tuple[list[Payload], bytes]]:
    """Tasks of at most `BATCH` and about `BATCH_BYTES`, with their JSON."""
    batch: list[Payload] = []
    parts: list[bytes] = []
    size = 0
    for payload in new:
        part = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        if batch and (len(batch) == BATCH or size + len(part) > BATCH_BYTES):
            yield batch, b"[" + b",".join(parts) + b"]"
            batch, parts, size = [], [], 0
        batch.append(payload)
        parts.append(part)
        size += len(part)
    if batch:
        yield batch, b"[" + b",".join(parts) + b"]"


def verified(project: Project, state: SyncState) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Compare the project's counts of tasks and predictions with what was sent: expected and actual counts, or None if
    they agree."""
    known = [task for task in state.tasks().values() if not task.removed]
    tasks, predictions = json.loads(state.note("others") or "[0, 0]")
    expected = len(known) + tasks, sum(bool(task.prediction_hash) for task in known) + predictions
    counted = _counts(project)
    unsure = any(task.prediction_hash is None for task in known)
    return (expected, counted) if unsure or counted != expected else None
