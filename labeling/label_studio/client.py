"""A Label Studio server for the sync: label-studio-sdk for the few calls, JSON for the bulk.

The SDK connects through `connection.Connection`, as the rest does. It is imported when a client is created, which takes
a second. These bypass it, measured with Label Studio 1.23.2 and label-studio-sdk 2.1.2 on two cores:

- Imports of tasks: 2,000 with 17,000 regions take 2.3 s as bytes that were encoded before, 2.5 s through the SDK, of
  which 0.4 s are its encoding, while the server waits. Imports of predictions: 3.2 to 3.5 s against 3.6 to 3.8 s.
- Lists of tasks: 5,000 with their predictions take 7.1 s as JSON, 8.4 s as models that are dumped to JSON again, with
  twice the CPU time here. The values were the same; but annotations are kept and compared as the server wrote them, not
  as the models of one version of the SDK read them.
- The counts of predictions by model version, for which the SDK has no call.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.labeling.label_studio.server import User

TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
"""The only date format that the server's filters accept (others are answered by an error 500)."""

_PROJECTS_A_PAGE = 100


@dataclass(frozen=True)
class Filter:
    """One condition on tasks, as the server's data manager has it: column, operator, type and value."""

    column: str
    operator: str
    type: str
    value: Any


class Client:
    """A server as one of its users sees it.

    Args:
        url: address of the server, such as `http://127.0.0.1:8080`.
        access: a token (a personal access token or a legacy one), or the user of the embedded server.
        read_only: refuse everything that would change the server.

    Raises:
        InputError: the address is invalid, no server answers, it refuses the token, or the SDK is not installed.
    """

    def __init__(self, url: str, access: str | User, *, read_only: bool = False, timeout: float = 900.0) -> None:
        try:
            from label_studio_sdk import LabelStudio

            from socorpus.labeling.label_studio.connection import Connection
        except ModuleNotFoundError as error:
            raise InputError(
                f"Label Studio needs {error.name}, which is not installed: pip install 'socorpus[labeling]'"
            ) from None
        self._http = Connection(url, access, read_only=read_only, timeout=timeout)
        self.url, self.read_only = self._http.url, read_only
        # The connection signs what the SDK sends; without any key the SDK would look for one in the environment.
        self._sdk: LabelStudio = LabelStudio(  # type: ignore[no-untyped-call]
            base_url=self.url, api_key="the connection has it", httpx_client=self._http
        )
        try:
            user = self._sdk.users.whoami()
        except BaseException:
            self.close()
            raise
        self.user: dict[str, Any] = {"id": user.id, "email": user.email}

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def users(self) -> dict[int, str]:
        """Number -> e-mail of each user that this user may see."""
        return {user.id: user.email for user in self._sdk.users.list()}

    def projects(self, title: str) -> list[int]:
        """Numbers of the projects with exactly this title."""
        numbers: list[int] = []
        for page in range(1, 1 << 30):
            asked: Any = self._sdk.projects.list(title=title, include="id,title", page=page, page_size=_PROJECTS_A_PAGE)
            items: list[Any] = asked.items or []
            numbers += [item.id for item in items if item.title == title]
            if len(items) < _PROJECTS_A_PAGE:
                break
        return numbers

    def project(self, number: int, *fields: str) -> dict[str, Any]:
        """The named fields of a project (all take two to four times as long); dates are as in the server's JSON."""
        named: Any = {"additional_query_parameters": {"include": ",".join(fields)}}
        project = self._sdk.projects.get(number, request_options=named)
        facts = {name: getattr(project, name) for name in fields}
        return {name: _as_written(value) for name, value in facts.items()}

    def create_project(self, settings: Mapping[str, Any]) -> int:
        """Create a project and return its number. The server refuses an interface that it can't read."""
        project: Any = self._sdk.projects.create(**settings)
        return int(project.id)

    def show_predictions(self, project: int, version: str) -> None:
        """Let a project show the predictions of one model version."""
        self._sdk.projects.update(project, model_version=version, show_collab_predictions=True)

    def set_overlap(self, project: int, people: int) -> None:
        """Let a project give each of its tasks to so many people."""
        self._sdk.projects.update(project, maximum_annotations=people)

    def set_overlap_of_task(self, task: int, people: int) -> None:
        """Let a project give a task to so many people, whatever holds of its other tasks."""
        self.patch(f"/api/tasks/{task}/", {"overlap": people})

    def tabs(self, project: int) -> dict[str, int]:
        """Title -> number of the tabs of a project's list of tasks."""
        views = self.get("/api/dm/views/", project=project)
        return {view["data"].get("title", ""): view["id"] for view in views}

    def create_tab(self, project: int, title: str, filters: Sequence[Filter] = ()) -> int:
        """Create a tab of the tasks that meet all filters; its number."""
        items = [_item(condition) for condition in filters]
        data = {"title": title, "type": "list", "filters": {"conjunction": "and", "items": items}}
        return int(self.post("/api/dm/views/", {"project": project, "data": data}, project=project)["id"])

    def prediction_versions(self, project: int) -> dict[str, int]:
        """Model version -> number of its predictions."""
        counts: dict[str, int] = self.get(f"/api/projects/{project}/model-versions/")
        return counts

    def set_data(self, task: int, data: Mapping[str, Any]) -> None:
        """Replace the data of a task."""
        self._sdk.tasks.update(str(task), data=dict(data))

    def delete_task(self, number: int) -> None:
        """Delete a task, unless it is gone already."""
        with _gone_already():
            self._sdk.tasks.delete(str(number))

    def delete_prediction(self, number: int) -> None:
        """Delete a prediction, unless it is gone already."""
        with _gone_already():
            self._sdk.predictions.delete(number)

    def delete_predictions(self, project: int, tasks: Sequence[int]) -> None:
        """Delete all predictions of tasks, whoever made them."""
        selected: Any = {"all": False, "included": list(tasks)}
        self._sdk.actions.create(id="delete_tasks_predictions", project=project, selected_items=selected)

    def import_tasks(self, project: int, body: bytes) -> dict[str, Any]:
        """Create tasks from a list's JSON; returns the server's counts and the tasks' numbers in the list's order."""
        path = f"/api/projects/{project}/import"
        answer: dict[str, Any] = self._json("POST", path, {"return_task_ids": "true"}, body)
        return answer

    def import_predictions(self, project: int, predictions: Sequence[Mapping[str, Any]]) -> int:
        """Create predictions, each with the number of its `task`; returns how many the server created."""
        return int(self.post(f"/api/projects/{project}/import/predictions", predictions)["created"])

    def get(self, path: str, **parameters: Any) -> Any:
        """Answer of a GET, as JSON; repeated if the connection is lost."""
        return self._json("GET", path, parameters)

    def post(self, path: str, body: Any, **parameters: Any) -> Any:
        """Answer of a POST, as JSON; never sent twice."""
        return self._json("POST", path, parameters, body)

    def patch(self, path: str, body: Any) -> Any:
        """Answer of a PATCH, as JSON."""
        return self._json("PATCH", path, {}, body)

    def delete(self, path: str, body: Any = None) -> Any:
        """Answer of a DELETE, as JSON; what is gone already counts as deleted."""
        with _gone_already():
            return self._json("DELETE", path, {}, body)

    def tasks(
        self,
        project: int,
        filters: Sequence[Filter] = (),
        include: Sequence[str] = ("id",),
        *,
        page_size: int = 1000,
    ) -> Iterator[dict[str, Any]]:
        """Tasks of a project that meet all filters, page by page, in the order of their numbers.

        `include` names the fields to return, of tasks and of what they contain: without "result" annotations and
        predictions lack it.
        """
        for page in range(1, 1 << 30):
            tasks = self.page(project, filters, include, page_size=page_size, page=page)
            yield from tasks
            if len(tasks) < page_size:
                return

    def page(
        self,
        project: int,
        filters: Sequence[Filter] = (),
        include: Sequence[str] = ("id",),
        *,
        order: str = "tasks:id",
        page_size: int = 1000,
        page: int = 1,
    ) -> list[dict[str, Any]]:
        """One page of `tasks`, from 1; empty after the last."""
        tasks: list[dict[str, Any]] = self._page(project, filters, include, order, page_size, page)["tasks"]
        return tasks

    def count(self, project: int, filters: Sequence[Filter]) -> int:
        """Number of a project's tasks that meet all filters."""
        return int(self._page(project, filters, ("id",), "tasks:id", 1, 1)["total"])

    def _page(
        self, project: int, filters: Sequence[Filter], include: Sequence[str], order: str, page_size: int, page: int
    ) -> dict[str, Any]:
        from socorpus.labeling.label_studio.connection import AbsentError

        items = [_item(condition) for condition in filters]
        query = {"filters": {"conjunction": "and", "items": items}, "ordering": [order]}
        parameters = {
            "project": project,
            "query": json.dumps(query, separators=(",", ":")),
            "fields": "all",
            "include": ",".join(include),
            "page": page,
            "page_size": page_size,
        }
        # Without the final slash the server answers a query of more than 16,384 characters (2,000 numbers) with 400.
        try:
            answer: dict[str, Any] = self._json("GET", "/api/tasks/", parameters)
        except AbsentError:  # a page after the last
            return {"tasks": [], "total": 0}
        return answer

    def _json(self, method: str, path: str, parameters: Mapping[str, Any], body: Any = None) -> Any:
        headers, content = {}, body if isinstance(body, bytes) else None
        if body is not None:
            if content is None:
                content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        answer = self._http.request(method, path, params=dict(parameters), content=content, headers=headers)
        return answer.json() if answer.content else None


def _item(condition: Filter) -> dict[str, Any]:
    column, operator = f"filter:tasks:{condition.column}", condition.operator
    return {"filter": column, "operator": operator, "type": condition.type, "value": condition.value}


@contextmanager
def _gone_already() -> Iterator[None]:
    from socorpus.labeling.label_studio.connection import AbsentError

    with suppress(AbsentError):
        yield


def _as_written(value: Any) -> Any:
    """A value as in the server's JSON; the SDK parses dates."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
