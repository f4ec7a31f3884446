"""The web application: the page's files, and a socket for each page."""

import asyncio
import contextlib
import mimetypes
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from leash_robot.teleop.cockpit.auth import Door
from leash_robot.teleop.cockpit.broker import Hub, Page
from leash_robot.teleop.cockpit.page import LARGEST, decode_message

FILES = Path(__file__).with_name("static")

GOING_AWAY = 1001
"""WebSocket status: this end lets go of a page that fell silent."""

MAY_SAY = 500
"""Messages that a page may send within a second."""


def make_app(hub: Hub, names: Iterable[str], token: str) -> ASGIApp:
    """The application that serves the hub's pages to whoever has the token, under these names and our own addresses."""
    pages = OpenPages(hub)
    inside = Starlette(routes=[WebSocketRoute("/socket", pages.serve), Route("/{name:path}", file, methods=["GET"])])
    return Door(inside, names, token)


async def file(request: Request) -> Response:
    """One of the page's files; there are no folders."""
    name = request.path_params["name"] or "index.html"
    if name not in {path.name for path in FILES.iterdir()}:
        return PlainTextResponse("there is no such file\n", status_code=404)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response((FILES / name).read_bytes(), media_type="text/javascript" if name.endswith(".js") else kind)


class OpenPages:
    """Carries messages between the sockets and the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def serve(self, socket: WebSocket) -> None:
        """One page, from its opening to its end."""
        await socket.accept()
        page = self._hub.join(time.monotonic())
        sending = asyncio.create_task(self._send(socket, page))
        try:
            await self._receive(socket, page)
        except WebSocketDisconnect:
            pass
        finally:
            self._hub.leave(page)
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, RuntimeError, WebSocketDisconnect):
                await sending

    async def _receive(self, socket: WebSocket, page: Page) -> None:
        """Pass on what the page says; a page that says what no page says, or too much of it, is hung up on."""
        second, count = 0, 0
        while page in self._hub.pages:
            text = await socket.receive_text()
            if page not in self._hub.pages:
                return
            now = time.monotonic()
            second, count = (int(now), 0) if int(now) != second else (second, count + 1)
            try:
                message = decode_message(text)
            except msgspec.MsgspecError:
                count = MAY_SAY + 1
            if count > MAY_SAY or len(text) > LARGEST:
                await socket.close(1008)
                return
            self._hub.take(page, message, now)

    async def _send(self, socket: WebSocket, page: Page) -> None:
        """Pass on what the hub has for the page; one that the hub let go of is hung up on, and may come back."""
        while page in self._hub.pages:
            await page.outbox.stirred.wait()
            page.outbox.stirred.clear()
            for message in self._hub.messages(page, time.monotonic()):
                await (socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message))
        await socket.close(GOING_AWAY)
