"""Suggestions of a connected model in a project, as votes of a model.

A suggestion's model version is that of the model, without `interface.PREFIX`; the sync's own predictions are ignored.
The caller names the versions that count; by default they are those of the models connected to the project now.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from socorpus.labeling.label_studio.interface import PREFIX
from socorpus.labeling.label_studio.push import Project
from socorpus.labeling.schema import Task

VERSION = 1
"""Version of votes from suggestions."""
PAGE = 500

_FIELDS = ("id", "data", "predictions", "result", "model_version", "score")


def connected(project: Project) -> list[str]:
    """Versions of the models connected to the project, without the sync's."""
    models = project.client.get("/api/ml/", project=project.number)
    versions = {model["model_version"] or model["title"] for model in models}
    return sorted(version for version in versions if version and not version.startswith(PREFIX))


def votes(project: Project, task: Task, versions: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Suggestions as rows of `schema.VOTES`, with offsets in the text as sent, and `slice` (`pull.moved`).

    For each task only the last suggestion of a version counts. Tasks that the sync didn't create, other labels than the
    task's and marks outside the text are ignored; a text in which a model found nothing has no row.

    Args:
        versions: model versions that count; None: those of the `connected` models.
    """
    wanted = set(connected(project) if versions is None else versions)
    wanted = {version for version in wanted if not version.startswith(PREFIX)}
    if not wanted:
        return []
    rows: list[dict[str, Any]] = []
    for studio_task in project.client.tasks(project.number, include=_FIELDS, page_size=PAGE):
        if not isinstance(studio_task["data"].get("ext_id"), int):
            continue
        predictions = sorted(studio_task["predictions"], key=lambda prediction: int(prediction["id"]))
        last = {prediction["model_version"]: prediction for prediction in predictions}
        for version in sorted(wanted & last.keys()):
            rows += _rows(studio_task, last[version], task, project.identity)
    return rows


def _rows(
    studio_task: Mapping[str, Any], prediction: Mapping[str, Any], task: Task, project: str
) -> Iterator[dict[str, Any]]:
    data = studio_task["data"]
    site, _, post = data["post"].rpartition(":")
    for region in prediction["result"] or ():
        if (mark := _mark(region, task, data["text"])) is None:
            continue
        start, end, label = mark
        evidence = {"prediction": prediction["id"], "project": project, "score": prediction["score"]}
        if region.get("score") is not None:
            evidence["probability"] = region["score"]
        yield {
            "site": site,
            "post_id": int(post),
            "start": start,
            "end": end,
            "function": prediction["model_version"],
            "version": VERSION,
            "source": "model",
            "label": label,
            "evidence": json.dumps(evidence | {"digest": data.get("digest")}),
            "at": None,
            "seconds": None,
            "slice": None if start is None else data["text"][start:end],
        }


def _mark(region: Mapping[str, Any], task: Task, text: str) -> tuple[int | None, int | None, str] | None:
    """Start, end and label of a region; None if it isn't one of the task's."""
    value = region.get("value") or {}
    labels = value.get("labels" if task.spans else "choices") or []
    if region.get("from_name") != task.name or len(labels) != 1 or labels[0] not in task.labels:
        return None
    if not task.spans:
        return None, None, labels[0]
    start, end = value.get("start"), value.get("end")
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text)):
        return None
    return start, end, labels[0]
