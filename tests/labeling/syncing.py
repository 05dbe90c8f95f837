"""What the tests of the sync do at a server, and what they hold of it: through its API, as a second program would."""

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from socorpus.corpus.storage import parquet
from socorpus.labeling import schema
from socorpus.labeling.label_studio import interface
from socorpus.labeling.label_studio import sync as syncing
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.sync import Synced
from socorpus.labeling.schema import TASKS

BATCH = 1000
"""Tasks of one import where a command is run: small, so that it can be killed between two."""

_COMMANDS = f"""
from socorpus.cli import main
from socorpus.labeling.label_studio import push
push.BATCH = {BATCH}
main.run()
"""
_FIELDS = ("id", "data", "predictions", "annotations", "result", "model_version", "score", "was_cancelled")


def command(*arguments: object) -> list[str]:
    """The command line of `socorpus labeling …`, in a process of its own."""
    return [sys.executable, "-c", _COMMANDS, "labeling", *map(str, arguments)]


def run(
    *arguments: object, code: int = 0, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command; its exit code must be `code`, and no traceback may be seen."""
    import os

    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "200", **(environment or {})},
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


def sync(root: Path, client: Client, title: str, task: str = "quality", **options: Any) -> Synced:
    """A sync without blind tasks, unless they are asked for."""
    return syncing.sync(root, client, title, TASKS[task], **{"blind": 0.0, **options})


def tasks(client: Client, project: int | None) -> dict[str, dict[str, Any]]:
    """Post -> its task; that there is one alone is held."""
    assert project is not None
    found = list(client.tasks(project, include=_FIELDS))
    counts = Counter(task["data"]["post"] for task in found)
    assert not [post for post, count in counts.items() if count > 1]
    return {task["data"]["post"]: task for task in found}


def ours(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The predictions of ours on a task."""
    return [one for one in task["predictions"] if one["model_version"].startswith(interface.PREFIX)]


def choose(client: Client, task: int, label: str, control: str = "quality", **more: Any) -> int:
    """Judge a whole text; the annotation's number."""
    region = {"id": "1", "from_name": control, "to_name": "text", "type": "choices", "value": {"choices": [label]}}
    return _annotate(client, task, [region], **more)


def mark(client: Client, task: int, spans: list[tuple[int, int, str]], **more: Any) -> int:
    """Mark spans of the text that was sent; the annotation's number."""
    regions = [
        {
            "id": str(number),
            "from_name": "entities",
            "to_name": "text",
            "type": "labels",
            "value": {"start": start, "end": end, "labels": [label]},
        }
        for number, (start, end, label) in enumerate(spans)
    ]
    return _annotate(client, task, regions, **more)


def _annotate(client: Client, task: int, result: list[dict[str, Any]], **more: Any) -> int:
    body = {"result": result, "lead_time": 12.5, "ground_truth": False, **more}
    return int(client.post(f"/api/tasks/{task}/annotations/", body)["id"])


def people(root: Path, task: str = "quality") -> list[dict[str, Any]]:
    """The votes of people that the corpus has."""
    path = root / schema.people_path(task)
    table: pa.Table = parquet.read(path, schema.VOTES) if path.is_file() else schema.VOTES.empty_table()
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def personal_token(client: Client) -> str:
    """A personal access token of the client's user; an earlier one is revoked."""
    for old in client.get("/api/token/"):
        client.post("/api/token/blacklist/", {"refresh": old["token"]})
    token: str = client.post("/api/token/", {})["token"]
    return token
