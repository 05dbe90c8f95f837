"""Talking to a Label Studio server: signing in, tokens that expire, errors in one sentence.

Plain httpx rather than label-studio-sdk, for four reasons. The SDK sends a POST again by itself when the server answers
408, 409, 429 or 5xx: an import whose answer was lost would be doubled. It parses every task into nested models, which
made listing 5,000 tasks three times slower, and renames what it does not know. It has no session sign-in, which the
embedded server needs. And importing it takes a second. The tests use it as a second, independent client.
"""

import base64
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from socorpus.corpus.errors import BuildError, InputError
from socorpus.labeling.studio import User

if TYPE_CHECKING:
    import httpx

TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
"""The only form that the server's filters of dates take (others are answered by an error 500)."""

_LEEWAY = 30.0
_TRIES = 4


@dataclass(frozen=True)
class Filter:
    """One condition on tasks, as the server's data manager has it: column, operator, type and value."""

    column: str
    operator: str
    type: str
    value: Any


class Client:
    """A server, as one user of it sees it.

    Args:
        url: address of the server, such as `http://127.0.0.1:8080`.
        access: a token (a personal access token or a legacy one), or the user of the embedded server.
        read_only: refuse everything that would change the server.

    Raises:
        InputError: the address is none, the server is not there or refuses the token.
    """

    def __init__(self, url: str, access: str | User, *, read_only: bool = False, timeout: float = 900.0) -> None:
        import httpx

        self.url = url.rstrip("/")
        host = urlsplit(self.url).hostname
        if urlsplit(self.url).scheme not in ("http", "https") or not host:
            raise InputError(f"{url}: not the address of a server; it looks like https://label-studio.example.com")
        self.read_only = read_only
        self._access = access
        self._bearer: tuple[str, float] | None = None
        self._signed_in = False
        # A proxy of the environment is not asked about this machine.
        loopback = host in ("127.0.0.1", "localhost", "::1")
        self._http = httpx.Client(
            base_url=self.url, timeout=httpx.Timeout(timeout, connect=20.0), trust_env=not loopback
        )
        try:
            self.user: dict[str, Any] = self.get("/api/current-user/whoami")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """Answer of a GET, as JSON; asked again where the connection is lost."""
        return self._call("GET", path, parameters)

    def post(self, path: str, body: Any, **parameters: Any) -> Any:
        """Answer of a POST, as JSON; never sent twice."""
        return self._call("POST", path, parameters, body)

    def post_bytes(self, path: str, body: bytes, **parameters: Any) -> Any:
        """Answer of a POST of JSON that is written already."""
        return self._call("POST", path, parameters, body)

    def patch(self, path: str, body: Any) -> Any:
        """Answer of a PATCH, as JSON."""
        return self._call("PATCH", path, {}, body)

    def delete(self, path: str, body: Any = None) -> Any:
        """Answer of a DELETE, as JSON; what is gone already counts as deleted."""
        return self._call("DELETE", path, {}, body)

    def tasks(
        self,
        project: int,
        filters: Sequence[Filter] = (),
        include: Sequence[str] = ("id",),
        *,
        page_size: int = 1000,
    ) -> Iterator[dict[str, Any]]:
        """Tasks of a project that meet all filters, page by page, in the order of their numbers.

        `include` names the fields to have, of tasks and of what is in them alike: without "result" the annotations
        and predictions lack it.
        """
        for page in range(1, 1 << 30):
            found = self.page(project, filters, include, page_size=page_size, page=page)
            yield from found
            if len(found) < page_size:
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
        found: list[dict[str, Any]] = self._page(project, filters, include, order, page_size, page)["tasks"]
        return found

    def count(self, project: int, filters: Sequence[Filter]) -> int:
        """How many tasks of a project meet all filters."""
        return int(self._page(project, filters, ("id",), "tasks:id", 1, 1)["total"])

    def _page(
        self, project: int, filters: Sequence[Filter], include: Sequence[str], order: str, page_size: int, page: int
    ) -> dict[str, Any]:
        items = [
            {"filter": f"filter:tasks:{f.column}", "operator": f.operator, "type": f.type, "value": f.value}
            for f in filters
        ]
        query = {"filters": {"conjunction": "and", "items": items}, "ordering": [order]}
        parameters = {
            "project": project,
            "query": json.dumps(query, separators=(",", ":")),
            "fields": "all",
            "include": ",".join(include),
            "page": page,
            "page_size": page_size,
        }
        # Without the slash at its end the server answers a query of more than 16,384 characters (2,000 numbers) by 400.
        # A page after the last is answered by 404.
        answer: dict[str, Any] = self._call("GET", "/api/tasks/", parameters, absent={"tasks": [], "total": 0})
        return answer

    def _call(self, method: str, path: str, parameters: Mapping[str, Any], body: Any = None, absent: Any = None) -> Any:
        if self.read_only and method != "GET":
            raise AssertionError(f"{method} {path} in a run that must not change the server")
        answer = self._send(method, path, parameters, body)
        if answer.status_code == 401 and not isinstance(self._access, str):
            self._signed_in = False
            answer = self._send(method, path, parameters, body)
        elif answer.status_code == 401 and self._bearer is not None:
            # The access token ran out on the way, or the server's clock goes differently: one more, then it is told.
            self._bearer = None
            answer = self._send(method, path, parameters, body)
        if answer.status_code == 404 and (absent is not None or method == "DELETE"):
            return absent
        self._refuse(answer, f"{method} {path}")
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise InputError(f"{self.url}: answers, but not as Label Studio does; check the address") from None

    def _send(self, method: str, path: str, parameters: Mapping[str, Any], body: Any) -> "httpx.Response":
        headers = self._headers(method)
        content = body if isinstance(body, bytes) else None
        if body is not None:
            if content is None:
                content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        return self._request(method, path, params=dict(parameters), content=content, headers=headers)

    def _request(self, method: str, path: str, **arguments: Any) -> "httpx.Response":
        import httpx

        for attempt in range(1, _TRIES + 1):
            try:
                return self._http.request(method, path, **arguments)
            except httpx.ConnectError as error:
                # Nothing was sent: any method may be tried again.
                if attempt == _TRIES:
                    raise InputError(
                        f"{self.url}: no server answers ({error}); check the address, or start one with "
                        "socorpus labeling studio"
                    ) from None
            except httpx.TransportError as error:
                if method != "GET" or attempt == _TRIES:
                    raise BuildError(
                        f"{self.url}: the connection was lost during {method} {path} ({error!r}); run the same "
                        "command again, it goes on from what the server has"
                    ) from None
            time.sleep(0.25 * 2**attempt)
        raise AssertionError("unreachable")

    def _headers(self, method: str) -> dict[str, str]:
        if isinstance(self._access, User):
            if not self._signed_in:
                self._sign_in(self._access)
            token = self._http.cookies.get("csrftoken") or ""
            return {"Referer": f"{self.url}/", **({"X-CSRFToken": token} if method != "GET" else {})}
        kind = _token_kind(self._access)
        if kind == "legacy":
            return {"Authorization": f"Token {self._access}"}
        if kind == "access":
            return {"Authorization": f"Bearer {self._access}"}
        if self._bearer is None or self._bearer[1] < time.time() + _LEEWAY:
            answer = self._request("POST", "/api/token/refresh/", json={"refresh": self._access})
            if answer.status_code in (400, 401, 403):
                raise InputError(
                    f"{self.url}: the personal access token is not accepted: it has expired, was revoked, or is of "
                    "another server; make a new one under Account & Settings"
                )
            self._refuse(answer, "POST /api/token/refresh/")
            access = answer.json()["access"]
            # The server's clock may differ from this one: what counts is how long the token lasts.
            claims = _claims(access) or {}
            self._bearer = access, time.time() + float(claims.get("exp", 0)) - float(claims.get("iat", 0))
        return {"Authorization": f"Bearer {self._bearer[0]}"}

    def _sign_in(self, user: User) -> None:
        self._http.cookies.clear()
        form = self._request("GET", "/user/login/").text
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        if found is None:
            raise InputError(f"{self.url}: answers, but not as Label Studio does; check the address")
        fields = {"email": user.email, "password": user.password, "csrfmiddlewaretoken": found.group(1)}
        answer = self._request("POST", "/user/login/", data=fields, headers={"Referer": f"{self.url}/user/login/"})
        if answer.status_code != 302:
            raise InputError(f"{self.url}: the kept password of {user.email} is not accepted; it was changed there")
        self._signed_in = True

    def _refuse(self, answer: "httpx.Response", what: str) -> None:
        if answer.is_success:
            return
        said = _detail(answer)
        if answer.status_code == 401:
            raise InputError(
                f"{self.url}: the token is not accepted ({said}); copy it again from Account & Settings, whole, into "
                "LABEL_STUDIO_API_KEY"
            )
        if answer.status_code == 403:
            raise InputError(f"{self.url}: this user may not do that ({what}: {said})")
        if 300 <= answer.status_code < 400:
            raise InputError(f"{self.url}: sends on to {answer.headers.get('location')}; give that address as --url")
        if answer.status_code == 404:
            raise InputError(f"{self.url}: has no {what.partition(' ')[2]}; is it a Label Studio server?")
        raise BuildError(f"{self.url}: answered {answer.status_code} to {what}: {said}")


def _claims(token: str) -> dict[str, Any] | None:
    """Claims of a JSON Web Token, unverified; None where it is none."""
    parts = token.split(".")
    if len(parts) not in (2, 3):
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def _token_kind(token: str) -> str:
    """What sort of token this is: legacy, refresh (a personal access token) or access."""
    claims = _claims(token)
    return "legacy" if claims is None else "access" if claims.get("token_type") == "access" else "refresh"


def _detail(answer: "httpx.Response") -> str:
    try:
        body = answer.json()
        both = [body.get("detail"), body.get("validation_errors")] if isinstance(body, dict) else [body]
        text = " ".join(one if isinstance(one, str) else json.dumps(one) for one in both if one)
    except ValueError:
        text = " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())
    return str(text)[:300]
