"""Who may come in: checks the name, the origin and the token of every request before anything else sees it."""

import ipaddress
import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "gamepad=(self)",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def policy(host: str) -> str:
    """The content security policy of pages under this host: everything from here, nothing from elsewhere.

    Note: older Safaris do not count a WebSocket of the same origin as 'self'.
    """
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        f"connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def hostname(host: str) -> str:
    """The name in a Host header, without its port; empty when it is none. A tunnel may have another port than we."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def same_address(host: str, local: str) -> bool:
    """Whether a name in a Host header is the very address at which the request arrived, and so one of our own."""
    try:
        named, ours = ipaddress.ip_address(host), ipaddress.ip_address(local.partition("%")[0])
    except ValueError:
        return False
    return named in {ours, getattr(ours, "ipv4_mapped", None)}


class Door:
    """An ASGI application around another.

    The token is the first part of the path: every file and the socket are asked for below it, and unlike a cookie it is
    not sent to other programs that listen on this machine. The name keeps out pages whose own name was pointed at
    this address; the origin keeps out pages that know the address. A name is ours if it was given to us, and an address
    if the request arrived at it.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str) -> None:
        self._app = app
        self._hosts = LOOPBACK | frozenset(hosts)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 403."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := self._refusal(scope, headers):
            await _refuse(refusal, scope, receive, send)
            return
        path = scope["path"].removeprefix(f"/{self._token}")
        if not path and scope["type"] == "http":
            # Without its last slash, the files that the page asks for would lie beside the token, not below it.
            await RedirectResponse(f"/{self._token}/", 308, HEADERS)(scope, receive, send)
            return
        inside = {**scope, "path": path}
        await self._app(inside, receive, _guarded(send, headers["host"]))

    def _refusal(self, scope: Scope, headers: Headers) -> str:
        """Why not; empty when all is well."""
        host, origin = headers.get("host", ""), headers.get("origin")
        name, (local, _) = hostname(host), scope.get("server") or ("", None)
        if name not in self._hosts and not same_address(name, local):
            return f"this page is not called {host!r}; use the address that was printed, or --page-host"
        if origin != f"http://{host}" and (origin is not None or scope["type"] == "websocket"):
            return f"pages of {origin!r} may not come here"
        given = scope["path"].removeprefix("/").partition("/")[0]
        if not secrets.compare_digest(given.encode(), self._token.encode()):
            return (
                "the address lacks its token, or the token is of an earlier session; use the address that was printed"
            )
        return ""


async def _refuse(refusal: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
    else:
        await PlainTextResponse(refusal + "\n", status_code=403, headers=HEADERS)(scope, receive, send)


def _guarded(send: Send, host: str) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update({**HEADERS, "content-security-policy": policy(host)})
        await send(message)

    return sent
