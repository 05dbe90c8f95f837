"""A model as the ML backend of a Label Studio project: tasks as texts, predictions as suggestions, and the connection.

The protocol is that of the server's `ml/api_connector.py` (1.23.2): `/health`, `/setup` with the project's interface,
`/predict` with tasks. A suggestion looks like those of the sync (`label_studio.interface`); the sync distinguishes it
from its own by the model version, which is the predictor's.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from socorpus.corpus.errors import BuildError, InputError, SocorpusError
from socorpus.labeling.label_studio import interface
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.schema import Task
from socorpus.training.examples.example import Example, Prediction

USER = "socorpus"
"""User name of a Label Studio server, with the token as the password: it supports only basic auth."""
DESCRIPTION = "socorpus labeling serve"
"""Marks a connection as ours, whatever its address or version."""
NOTHING_FOUND = 0.5
"""Score of a text without spans: with no probability to use, it is placed in the middle."""
CHUNK = 100
"""Tasks per request of the server, which waits 100 seconds for an answer."""
SECONDS = 100.0
UNCERTAINTY = "Uncertainty sampling"
_LOCAL = "reserved network address"

_MADE_TITLE = re.compile(r"(?:Question|Answer) (\d+)")
_SUGGESTED = ("id", "data", "predictions", "model_version")


def controls(config: str) -> dict[str, dict[str, Any]]:
    """A project's interface in the form of the server's `parsed_label_config`, as far as `interface.fits` needs it.

    Raises:
        ValueError: it is no XML.
    """
    from lxml import etree

    # Untrusted input: no external resources, no entity expansion.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(config.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ValueError(f"the interface is no XML: {error}") from None
    parsed = {}
    for element in root.iter("Labels", "Choices"):
        labels = [str(option.get("alias") or option.get("value") or "") for option in element.iter("Label", "Choice")]
        to = str(element.get("toName") or "").split(",")
        parsed[str(element.get("name") or "")] = {"type": str(element.tag), "to_name": to, "labels": labels}
    return parsed


def misfit(config: str, task: Task) -> str | None:
    """The reason why a model of this task can't make suggestions in a project of this interface; None if it can."""
    try:
        why = interface.fits(controls(config), task)
    except ValueError as error:
        why = str(error)
    if why is None:
        return None
    return (
        f"this project's interface can't take labels of {task.name}: {why}; "
        "connect the model to a project that socorpus labeling sync made for that task"
    )


def example(number: int, data: Mapping[str, Any]) -> Example:
    """A task's data as an example; a title that the sync generated is dropped.

    Args:
        number: place in the request, for tasks that are not from the sync.
    """
    post, title, tags = str(data.get("post") or number), data.get("title"), data.get("tags")
    if isinstance(title, str) and (match := _MADE_TITLE.fullmatch(title)) and post.endswith(f":{match[1]}"):
        title = None
    return Example(
        key=post,
        thread=post,
        title=title if isinstance(title, str) and title else None,
        text=data["text"],
        tags=tuple(tags.split()) if isinstance(tags, str) else (),
    )


def certainty(prediction: Prediction) -> float:
    """Confidence of a prediction, from 0 to 1: its label's probability, or the mean of its spans'; `NOTHING_FOUND`
    without spans.

    Label Studio's uncertainty sampling serves the lowest first.
    """
    if prediction.probabilities:
        return prediction.probabilities[prediction.label]
    if not prediction.spans:
        return NOTHING_FOUND
    return sum(probability for _, probability in prediction.spans) / len(prediction.spans)


def suggestion(prediction: Prediction, task: Task, text: str, version: str, *, blind: bool = False) -> dict[str, Any]:
    """A prediction in Label Studio's form, with offsets in the text that was sent.

    A blind task gets a score but no regions: nothing is suggested, yet it is served in its turn, and its annotators are
    measured on the same posts.
    """
    score = round(min(1.0, max(0.0, certainty(prediction))), 4)
    regions: list[dict[str, Any]] = []
    common = {"from_name": task.name, "to_name": "text"}
    if blind:
        pass
    elif task.spans:
        for (start, end, label), probability in prediction.spans:
            value = {"start": start, "end": end, "text": text[start:end], "labels": [label]}
            region = {"id": f"s{start}-{end}-{label}", "type": "labels", "value": value}
            regions.append({**common, **region, "score": round(probability, 4)})
    elif prediction.answered and prediction.probabilities:
        value = {"choices": [task.labels[prediction.label]]}
        regions.append({**common, "id": "label", "type": "choices", "value": value, "score": score})
    return {"model_version": version, "score": score, "result": regions}


def checked_version(version: str) -> str:
    """A model's version, after a check that it does not look like that of the sync's own predictions.

    Raises:
        InputError: it does, or is empty.
    """
    if not version.strip() or version.startswith(interface.PREFIX):
        raise InputError(
            f"model version {version!r}: must be a name that does not begin with {interface.PREFIX!r}, which marks "
            "the sync's own predictions"
        )
    return version


def connect(client: Client, project: int, task: Task, url: str, version: str, token: str | None = None) -> None:
    """Register a served model with a project, which then shows its suggestions, the least certain texts first.

    May be repeated: this updates the connection's address, version and token. Its title is the version, since the
    server looks for a backend of exactly that title, and samples by predictions of exactly that version.

    Args:
        project: number of the project.
        task: task of the model.
        url: address under which the server reaches the model.
        version: `Predictor.version`.
        token: `ServeSettings.token` of the served model.

    Raises:
        InputError: the project's interface lacks the task's labels, another model is connected, or the server does
            not ask local addresses.
        BuildError: the server does not reach the model, or the token is wrong.
    """
    checked_version(version)
    facts = client.project(project, "parsed_label_config", "title")
    if why := interface.fits(facts["parsed_label_config"] or {}, task):
        raise InputError(f"project {facts['title']!r} can't take labels of {task.name}: {why}; name another project")
    _register(client, project, _connection(project, url, version, token))
    wanted = {"model_version": version, "show_collab_predictions": True, "sampling": UNCERTAINTY}
    if client.project(project, *wanted) != wanted:
        client.patch(f"/api/projects/{project}/", wanted)


def _connection(project: int, url: str, version: str, token: str | None) -> dict[str, Any]:
    common = {"project": project, "url": url.rstrip("/"), "title": version, "description": DESCRIPTION}
    common |= {"is_interactive": False, "timeout": SECONDS}
    if token is None:
        return common | {"auth_method": "NONE"}
    return common | {"auth_method": "BASIC_AUTH", "basic_auth_user": USER, "basic_auth_pass": token}


def _register(client: Client, project: int, wanted: Mapping[str, Any]) -> None:
    there = client.get("/api/ml/", project=project)
    ours = [
        backend
        for backend in there
        if backend["description"] == DESCRIPTION or backend["url"].rstrip("/") == wanted["url"]
    ]
    if others := [backend for backend in there if backend not in ours]:
        raise InputError(
            f"project {project} has another model connected ({others[0]['title']!r} at {others[0]['url']}), and the "
            "server asks only one; remove it under Settings, Model"
        )
    if ours:
        # Even if nothing seems to change: the password can't be read, and a changed model is asked for its name.
        _send(client, wanted, ours[0]["id"])
    else:
        _send(client, wanted)
    for backend in ours[1:]:
        client.delete(f"/api/ml/{backend['id']}")
    _webhooks(client, project, wanted, {backend["url"].rstrip("/") for backend in ours} - {wanted["url"]})


def _send(client: Client, wanted: Mapping[str, Any], known: int | None = None) -> None:
    """Create a connection, or change a known one."""
    try:
        if known is None:
            client.post("/api/ml/", wanted)
        else:
            client.patch(f"/api/ml/{known}", wanted)
    except SocorpusError as error:
        if _LOCAL not in str(error):
            raise
        # A server that asks local models but sends no webhooks to them keeps the connection, refuses the webhook that
        # it adds by itself, and answers 403. The webhook is not needed.
        kept = client.get("/api/ml/", project=wanted["project"]) if known is None else []
        if not kept:
            raise InputError(
                f"{client.url}: does not ask models at local addresses such as {wanted['url']}; start the server with "
                "the environment variable ML_BLOCK_LOCAL_IP=false"
            ) from None
        client.patch(f"/api/ml/{kept[0]['id']}", wanted)


def _webhooks(client: Client, project: int, wanted: Mapping[str, Any], left: Collection[str]) -> None:
    """Add the token to the webhook that the server created without one, and remove webhooks of abandoned addresses."""
    token = wanted.get("basic_auth_pass")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for hook in client.get("/api/webhooks/", project=project):
        url = hook["url"].removesuffix("/webhook")
        if url in left and url != hook["url"]:
            client.delete(f"/api/webhooks/{hook['id']}/")
        elif hook["url"] == f"{wanted['url']}/webhook":
            client.patch(f"/api/webhooks/{hook['id']}/", {"headers": headers})


def served_version(url: str, task: Task, token: str | None = None) -> str:
    """Version of the model that is served at an address; the model must be for the task.

    Raises:
        InputError: nothing answers there, the token is refused, or the model is for another task.
    """
    import httpx

    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        answer = httpx.get(f"{url.rstrip('/')}/v1/model", headers=headers, timeout=10.0, trust_env=False)
        facts = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise InputError(f"{url}: no model answers ({error}); start one with socorpus labeling serve MODEL") from None
    if answer.status_code != 200:
        raise InputError(f"{url}: {facts.get('error', answer.status_code)}")
    if facts.get("task") != task.name:
        raise InputError(f"{url}: the model there is of {facts.get('task')}, not of {task.name}")
    return str(facts["version"])


def suggest(client: Client, project: int, version: str, say: Callable[[str], None] = lambda _: None) -> int:
    """Make the server ask the connected model for every task that has no suggestion of this version yet.

    Otherwise it asks only when a person opens a task: the first ones would be served in no order, and those that have a
    suggestion of the sync would never be asked for from the list of tasks.

    Returns:
        The number of suggestions now.

    Raises:
        BuildError: the server got none for some tasks; the message says where to look.
    """
    lacking = [
        task["id"]
        for task in client.tasks(project, include=_SUGGESTED)
        if not any(prediction["model_version"] == version for prediction in task["predictions"])
    ]
    for start in range(0, len(lacking), CHUNK):
        _retrieve(client, project, lacking[start : start + CHUNK])
        say(f"suggestions made: {min(start + CHUNK, len(lacking)):,} of {len(lacking):,}")
    suggested, tasks = client.prediction_versions(project).get(version, 0), client.count(project, ())
    if suggested < tasks:
        raise BuildError(
            f"project {project}: {tasks - suggested:,} of {tasks:,} tasks got no suggestion of {version!r}; the served "
            "model's log says why. The same command goes on from there"
        )
    return suggested


def _retrieve(client: Client, project: int, tasks: Sequence[int]) -> None:
    selected = {"selectedItems": {"all": False, "included": list(tasks)}}
    client.post("/api/dm/actions/", selected, id="retrieve_tasks_predictions", project=project)
