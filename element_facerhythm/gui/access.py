"""Who may ask the server: those who hold its token, from pages that it served itself.

The token is part of the address that is printed at the start, as Jupyter does; the first request trades it
for a cookie, so that it stays out of the addresses of pages. Requests that change something must come from
this server's own pages, and whatever names the server by another name (DNS rebinding) is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
OPEN_PATHS = ("/api/health",)
_READING = ("GET", "HEAD", "OPTIONS")
_CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'self'; "
    "form-action 'none'"
)
_HEADERS = {
    "content-security-policy": _CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True)
class Access:
    """What a request must show.

    Attributes
    ----------
    hosts
        Names under which the server may be asked; empty allows all, where it was told to listen to a network.
    read_only
        Nothing may be changed or run.
    token
        Of this start of the server.
    """

    hosts: Collection[str] = LOOPBACK
    read_only: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def cookie(self) -> str:
        """Name of the cookie: servers on several ports of one machine share its cookies."""
        return f"facerhythm-{self.token[:6]}"


class Gate:
    """ASGI middleware that lets through what `Access` allows, and adds headers to every answer.

    Parameters
    ----------
    app
        What is behind it.
    access
        What a request must show.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._answer(scope)
        await (answer or self._app)(scope, receive, with_headers)

    def _answer(self, scope: Scope) -> Response | None:
        """Answer that stands in the way of a request; None where it may go on."""
        headers, access = Headers(scope=scope), self._access
        if access.hosts and _host(headers.get("host", "")) not in access.hosts:
            return _refusal(421, "this server does not answer under that name")
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path in OPEN_PATHS:
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token")
        if given is not None and _same(given, access.token):
            return self._with_cookie(scope, [pair for pair in query if pair[0] != "token"])
        if not self._is_known(headers):
            return _refusal(
                401, "open the address that `facerhythm gui` printed: it holds the token"
            )
        if scope["method"] in _READING:
            return None
        if access.read_only:
            return _refusal(403, "the server was started with --read-only")
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site", "same-origin")
        if site != "same-origin" or (
            origin is not None and urlsplit(origin).netloc != headers.get("host")
        ):
            return _refusal(403, "only pages of this server may change something")
        return None

    def _is_known(self, headers: Headers) -> bool:
        cookie = SimpleCookie(headers.get("cookie", "")).get(self._access.cookie)
        if cookie is not None and _same(cookie.value, self._access.token):
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and _same(given, self._access.token)

    def _with_cookie(self, scope: Scope, query: list[tuple[str, str]]) -> Response:
        """Send the browser to the same page without the token; it keeps a cookie."""
        path = scope["path"]
        root = scope.get("root_path", "")
        target = path if path.startswith(root) else root + path
        answer = RedirectResponse(target + (f"?{urlencode(query)}" if query else ""), 303)
        answer.set_cookie(
            self._access.cookie,
            self._access.token,
            httponly=True,
            samesite="strict",
            path=root or "/",
        )
        answer.headers["cache-control"] = "no-store"
        return answer


def _refusal(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())


def _host(header: str) -> str:
    """Name of the host in a header of that name, without its port."""
    return urlsplit(f"//{header}").hostname or ""
