"""What a connected model suggested in a project, as votes of a model.

A suggestion's model version is that of the model, without `interfaces.PREFIX`: the sync's own are not looked at. Which
versions count is said by the caller, or those of the models that are connected to the project now.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from socorpus.labeling.label_studio.interface import PREFIX
from socorpus.labeling.label_studio.push import Project
from socorpus.labeling.schema import Task

VERSION = 1
"""Version of the votes that are made of suggestions."""
PAGE = 500

_FIELDS = ("id", "data", "predictions", "result", "model_version", "score")


def connected(project: Project) -> list[str]:
    """Versions of the models that are connected to the project, none of them the sync's."""
    found = project.client.get("/api/ml/", project=project.number)
    versions = {one["model_version"] or one["title"] for one in found}
    return sorted(version for version in versions if version and not version.startswith(PREFIX))


def votes(project: Project, task: Task, versions: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Suggestions as rows of `schema.VOTES`, offsets still those of the text that was sent, and `slice` (`pull.moved`).

    Of several suggestions of one version for one task the last counts. Tasks that are not of the sync, labels that the
    task hasn't and marks that lie outside the text are passed over; a text in which a model found nothing has no row.

    Args:
        versions: model versions that count; None: those of the `connected` models.
    """
    wanted = set(connected(project) if versions is None else versions)
    wanted = {version for version in wanted if not version.startswith(PREFIX)}
    if not wanted:
        return []
    rows: list[dict[str, Any]] = []
    for one in project.client.tasks(project.number, include=_FIELDS, page_size=PAGE):
        if not isinstance(one["data"].get("ext_id"), int):
            continue
        found = sorted(one["predictions"], key=lambda prediction: int(prediction["id"]))
        last = {prediction["model_version"]: prediction for prediction in found}
        for version in sorted(wanted & last.keys()):
            rows += _rows(one, last[version], task, project.identity)
    return rows


def _rows(one: Mapping[str, Any], prediction: Mapping[str, Any], task: Task, project: str) -> Iterator[dict[str, Any]]:
    data = one["data"]
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
    """Start, end and label of a region; None where it is none of the task's."""
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
