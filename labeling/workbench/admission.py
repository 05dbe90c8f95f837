"""Who may use the workbench: whoever has its token, from this machine, and no page of another site.

The token comes in the address that is printed, and becomes a cookie that scripts can't read and other sites' requests
don't carry. The name of the host is checked, so that no name that leads here (DNS rebinding) makes a page of somebody
else's one of ours; and of what changes something, where it was sent from.
"""

import hashlib
import hmac
import html
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost", "::1")
"""Names of this machine; a tunnel (`ssh -L`) may lead to any port."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer: nothing from elsewhere is loaded, shown in a frame, or kept; other sites learn no address."""

_ENTERED = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>socorpus</title><link rel="icon" href="data:,">'
    '<meta http-equiv="refresh" content="0;url={0}"><a href="{0}">to the corpus</a></html>'
)


class OwnerOnly:
    """Middleware that lets only the owner's requests through.

    Args:
        token: random, at least 128 bits of it.
    """

    def __init__(self, inner: ASGIApp, token: str) -> None:
        self.inner, self.token = inner, token
        # Cookies are one for all ports of a host.
        self.cookie = f"socorpus_{hashlib.sha256(token.encode()).hexdigest()[:10]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        await (self.inner if refusal is None else refusal)(scope, receive, sent)

    def _refusal(self, scope: Scope) -> Response | None:
        """Another answer than the page that was asked for; None lets the request through."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _name(hosts[0]) not in HOSTS:
            return _refused("this name is not one of this machine's: open the address that socorpus browse printed")
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in asked if name == "token"]
        if tokens:
            if len(tokens) > 1 or not hmac.compare_digest(tokens[0].encode(), self.token.encode()):
                return _refused("the token is wrong: open the address that socorpus browse printed")
            rest = urlencode([(name, value) for name, value in asked if name != "token"])
            # A path alone: `//elsewhere` would be another host, and for browsers `/\\elsewhere` too.
            path = "/" + scope["path"].lstrip("/\\")
            # By a page, and not by a redirect: where a page of another site leads here, such as a terminal in a
            # browser, a redirect is still that site's request, and gets no cookie.
            answer = HTMLResponse(_ENTERED.format(html.escape(path + (f"?{rest}" if rest else ""), quote=True)))
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
            return answer
        if not hmac.compare_digest(self._given(headers).encode(), self.token.encode()):
            return _refused("the token is missing: open the address that socorpus browse printed")
        own = f"http://{hosts[0]}"
        if scope["method"] not in ("GET", "HEAD") and headers.get("origin") != own:
            return _refused("this was not sent from a page of the workbench")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return _refused("this was asked for by another site")
        return None

    def _given(self, headers: Headers) -> str:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return "" if cookie is None else cookie.value


def _name(host: str) -> str | None:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname if not set(host) & set("/?#@\\") else None
    except ValueError:
        return None


def _refused(sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", 403)
