"""One connection to a Label Studio server, for label-studio-sdk and for calls that bypass it: sign-in, retries,
errors in one sentence.

It is the SDK's `httpx_client`. Refusals are raised here, before the SDK handles them. So nothing is sent twice (the SDK
repeats a POST that is answered with 408, 409, 429 or 5xx, which would duplicate an import), and an expired token gives
the same error for every call.

Authentication is done here too. The SDK has no session sign-in, which the embedded server needs: that server gives a
personal access token once, and a second one would revoke the first. And the SDK renews access tokens by this machine's
clock: one that the server no longer accepts (its clock is ahead) is never renewed.
"""

import base64
import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from socorpus.corpus.errors import BuildError, InputError
from socorpus.labeling.label_studio.server import User

_LEEWAY = 30.0
_TRIES = 4


class AbsentError(InputError):
    """The server has nothing at this path (404)."""


class Connection(httpx.Client):
    """A connection to a server as one of its users.

    Args:
        url: address of the server, such as `http://127.0.0.1:8080`.
        access: a token (a personal access token or a legacy one), or the user of the embedded server.
        read_only: refuse everything that would change the server.
        timeout: seconds to wait for an answer.

    Raises:
        InputError: the address is invalid.
    """

    def __init__(self, url: str, access: str | User, *, read_only: bool, timeout: float) -> None:
        self.url = url.rstrip("/")
        host = urlsplit(self.url).hostname
        if urlsplit(self.url).scheme not in ("http", "https") or not host:
            raise InputError(f"{url}: not the address of a server; it looks like https://label-studio.example.com")
        # The environment's proxy is not used for this machine.
        loopback = host in ("127.0.0.1", "localhost", "::1")
        super().__init__(base_url=self.url, timeout=httpx.Timeout(timeout, connect=20.0), trust_env=not loopback)
        self.read_only = read_only
        self._access = access
        self._bearer: tuple[str, float] | None = None
        self._signed_in = False

    def request(self, method: str, url: httpx.URL | str, **arguments: Any) -> httpx.Response:
        """The server's answer; refusals are raised.

        Only a GET is repeated if the connection is lost; an expired token is renewed once.

        Raises:
            AbsentError: 404.
            InputError: there is no server, it refuses the token, or it is not Label Studio.
            BuildError: the connection was lost, or the server failed.
        """
        if self.read_only and method != "GET":
            raise AssertionError(f"{method} {url} in a run that must not change the server")
        answer = self._signed(method, url, **arguments)
        if answer.status_code == 401 and self._renewable():
            answer = self._signed(method, url, **arguments)
        self._refuse(answer, method)
        if answer.content and "json" not in answer.headers.get("content-type", ""):
            raise InputError(f"{self.url}: answers, but not as Label Studio does; check the address")
        return answer

    def _signed(self, method: str, url: httpx.URL | str, **arguments: Any) -> httpx.Response:
        # The SDK adds a time-out to each request, and an "Authorization" header without a valid token.
        arguments.pop("timeout", None)
        given: Mapping[str, str] = arguments.pop("headers", None) or {}
        kept = {name: value for name, value in given.items() if name.lower() != "authorization"}
        return self._send_on(method, url, headers={**kept, **self._admission(method)}, **arguments)

    def _renewable(self) -> bool:
        """Whether to try once more after a 401, with a new session or access token."""
        if isinstance(self._access, User):
            self._signed_in = False
            return True
        # The access token expired meanwhile, or the server's clock differs.
        renewed = self._bearer is not None
        self._bearer = None
        return renewed

    def _send_on(self, method: str, url: httpx.URL | str, **arguments: Any) -> httpx.Response:
        for attempt in range(1, _TRIES + 1):
            try:
                return super().request(method, url, **arguments)
            except httpx.ConnectError as error:
                # Nothing was sent: any method may be repeated.
                if attempt == _TRIES:
                    raise InputError(
                        f"{self.url}: no server answers ({error}); check the address, or start one with "
                        "socorpus labeling studio"
                    ) from None
            except httpx.TransportError as error:
                if method != "GET" or attempt == _TRIES:
                    raise BuildError(
                        f"{self.url}: the connection was lost during {method} {urlsplit(str(url)).path} ({error!r}); "
                        "run the same command again to continue from what the server has"
                    ) from None
            time.sleep(0.25 * 2**attempt)
        raise AssertionError("unreachable")

    def _admission(self, method: str) -> dict[str, str]:
        if isinstance(self._access, User):
            if not self._signed_in:
                self._sign_in(self._access)
            token = self.cookies.get("csrftoken") or ""
            return {"Referer": f"{self.url}/", **({"X-CSRFToken": token} if method != "GET" else {})}
        kind = _token_kind(self._access)
        if kind == "legacy":
            return {"Authorization": f"Token {self._access}"}
        if kind == "access":
            return {"Authorization": f"Bearer {self._access}"}
        if self._bearer is None or self._bearer[1] < time.time() + _LEEWAY:
            answer = self._send_on("POST", "/api/token/refresh/", json={"refresh": self._access})
            if answer.status_code in (400, 401, 403):
                raise InputError(
                    f"{self.url}: the personal access token is not accepted: it has expired, was revoked, or is of "
                    "another server; make a new one under Account & Settings"
                )
            self._refuse(answer, "POST")
            access = answer.json()["access"]
            # The server's clock may differ from this machine's: only the token's lifetime counts.
            claims = _claims(access) or {}
            self._bearer = access, time.time() + float(claims.get("exp", 0)) - float(claims.get("iat", 0))
        return {"Authorization": f"Bearer {self._bearer[0]}"}

    def _sign_in(self, user: User) -> None:
        self.cookies.clear()
        form = self._send_on("GET", "/user/login/").text
        csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        if csrf is None:
            raise InputError(f"{self.url}: answers, but not as Label Studio does; check the address")
        fields = {"email": user.email, "password": user.password, "csrfmiddlewaretoken": csrf.group(1)}
        answer = self._send_on("POST", "/user/login/", data=fields, headers={"Referer": f"{self.url}/user/login/"})
        if answer.status_code != 302:
            raise InputError(f"{self.url}: the kept password of {user.email} is not accepted; it was changed there")
        self._signed_in = True

    def _refuse(self, answer: httpx.Response, method: str) -> None:
        if answer.is_success:
            return
        detail, path = _detail(answer), answer.url.path
        if answer.status_code == 401:
            raise InputError(
                f"{self.url}: the token is not accepted ({detail}); copy it again from Account & Settings, whole, into "
                "LABEL_STUDIO_API_KEY"
            )
        if answer.status_code == 403:
            raise InputError(f"{self.url}: this user may not do that ({method} {path}: {detail})")
        if 300 <= answer.status_code < 400:
            raise InputError(f"{self.url}: sends on to {answer.headers.get('location')}; give that address as --url")
        if answer.status_code == 404:
            raise AbsentError(f"{self.url}: has no {path}; is it a Label Studio server?")
        raise BuildError(f"{self.url}: answered {answer.status_code} to {method} {path}: {detail}")


def _claims(token: str) -> dict[str, Any] | None:
    """Claims of a JSON Web Token, unverified; None if it isn't one."""
    parts = token.split(".")
    if len(parts) not in (2, 3):
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def _token_kind(token: str) -> str:
    """Kind of a token: legacy, refresh (a personal access token) or access."""
    claims = _claims(token)
    return "legacy" if claims is None else "access" if claims.get("token_type") == "access" else "refresh"


def _detail(answer: httpx.Response) -> str:
    try:
        body = answer.json()
        both = [body.get("detail"), body.get("validation_errors")] if isinstance(body, dict) else [body]
        text = " ".join(part if isinstance(part, str) else json.dumps(part) for part in both if part)
    except ValueError:
        text = " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())
    return str(text)[:300]
