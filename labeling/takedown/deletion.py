"""Tasks of removed posts in Label Studio: which there are, and their deletion with all that people said there."""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socorpus.labeling.label_studio import state

if TYPE_CHECKING:
    from socorpus.labeling.label_studio.client import Client

_KEY = re.compile(r"[^\s:/<>\"&]+:\d+")
_FIELDS = ("post", "html")
"""Fields of a task's data that name its post, or the posts of the contexts of a name."""


@dataclass(frozen=True)
class Deleted:
    """Tasks that were deleted from the projects of a server, by number; projects that are no longer there."""

    tasks: dict[int, int]
    absent: list[str]


def projects(root: Path) -> list[str]:
    """The projects that a corpus was synced with, as the state of the syncs has them: number@time of creation."""
    if not state.is_there(root):
        return []
    with state.opened(root) as database:
        return [row[0] for row in database.execute("select distinct project from task order by project")]


def delete(root: Path, client: "Client", known: Iterable[str], keys: Collection[str]) -> Deleted:
    """Delete the tasks of some posts, and those of names of which a context is of such a post; then forget them here.

    Args:
        known: the projects to look through (`projects`).
        keys: of posts, `SITE:ID`.

    Raises:
        InputError, BuildError: the server refuses, or can't be reached; the same call goes on.
    """
    from socorpus.labeling.label_studio.connection import AbsentError

    wanted, tasks, absent = set(keys), dict[int, int](), list[str]()
    for identity in known:
        number = int(identity.partition("@")[0])
        try:
            facts = client.project(number, "id", "created_at")
        except AbsentError:
            facts = None
        if facts is None or f"{facts['id']}@{facts['created_at']}" != identity:
            absent.append(identity)
            continue
        chosen = [task["id"] for task in client.tasks(number, include=("id", "data")) if wanted & _named(task["data"])]
        for task in chosen:
            client.delete_task(task)
        if chosen:
            tasks[number] = len(chosen)
            state.forget(root, identity, chosen)
    return Deleted(tasks, absent)


def _named(data: Any) -> set[str]:
    return set(_KEY.findall(json.dumps([data.get(name) for name in _FIELDS], ensure_ascii=False)))
