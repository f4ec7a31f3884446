"""The cockpit's process: serves the page, and ends when its standard input does, with whoever started it."""

import asyncio
import os
import socket
import sys
import time
from collections import deque
from pathlib import Path
from typing import BinaryIO

import msgspec
import uvicorn
import zmq
import zmq.asyncio

from leash_robot.teleop.cockpit.app import make_app
from leash_robot.teleop.cockpit.broker import Hub
from leash_robot.teleop.cockpit.disk import Disk
from leash_robot.teleop.cockpit.messages import Asked, PageSetup, SessionEnding, Upward, decode_view, encode
from leash_robot.teleop.cockpit.page import LARGEST
from leash_robot.teleop.devices.gamepad import PadMap
from leash_robot.teleop.devices.keyboard import FASTER, SLOWEST
from leash_robot.teleop.devices.keymap import DIRECTIONS
from leash_robot.teleop.devices.pad_names import PRINTED

BEAT = 0.5
"""Time between two beats of the hub [s]."""

AGAIN = "to go on, start the command again and open the address that it prints"

GOODBYE = 0.2
"""How long the pages may take to hear the farewell [s]."""


def main(stdin: BinaryIO | None = None) -> None:
    """Serve until standard input ends."""
    lifeline = sys.stdin.buffer if stdin is None else stdin
    setup = msgspec.json.decode(lifeline.readline(), type=PageSetup)
    os.setpriority(os.PRIO_PROCESS, 0, max(setup.nice, os.getpriority(os.PRIO_PROCESS, 0)))
    asyncio.run(serve(setup, lifeline))


async def serve(setup: PageSetup, lifeline: BinaryIO) -> None:
    """Serve the page until the lifeline ends."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    views = zmq.asyncio.Context(context).socket(zmq.PULL)
    views.set(zmq.CONFLATE, 1)
    views.bind(setup.views)
    upstairs = Upstairs(context.socket(zmq.PUSH), setup.hands)
    hub = Hub(upstairs.tell, controls(setup.keys), Disk(Path(setup.folder)))
    server = uvicorn.Server(configured(hub, setup))
    chores = [asyncio.create_task(chore) for chore in (watch(views, hub), beat(hub), until(lifeline, hub, server))]
    await server.serve(sockets=[socket.socket(fileno=setup.listener)])
    for chore in chores:
        chore.cancel()
    views.close(linger=0)
    context.destroy(linger=0)


def controls(keys: dict[str, str]) -> dict[str, object]:
    """What the page must know about keys and buttons: the same tables that the terminal and the gamepad go by."""
    pad = PadMap()
    return {
        "keys": keys,
        "directions": DIRECTIONS,
        "speeds": {"factor": FASTER, "slowest": SLOWEST},
        "pad": {"deadman": pad.deadman, "events": pad.events, "names": PRINTED},
    }


def configured(hub: Hub, setup: PageSetup) -> uvicorn.Config:
    """Quiet, small, and without compression, which JPEG does not need."""
    return uvicorn.Config(
        make_app(hub, setup.names, setup.token),
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=LARGEST,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )


class Upstairs:
    """The way to the loop. What people asked is kept while a loop that stands still takes nothing."""

    def __init__(self, socket: "zmq.Socket[bytes]", endpoint: str) -> None:
        self._socket = socket
        self._socket.set(zmq.RECONNECT_IVL, 10)
        self._socket.connect(endpoint)
        self._kept: deque[Upward] = deque(maxlen=100)

    def tell(self, message: Upward) -> None:
        """Hand over a message; never waits."""
        self._kept.append(message)
        try:
            while self._kept:
                self._socket.send(encode(self._kept[0]), zmq.NOBLOCK)
                self._kept.popleft()
        except zmq.Again:
            self._kept = deque((each for each in self._kept if isinstance(each, Asked)), maxlen=100)


async def watch(views: "zmq.asyncio.Socket", hub: Hub) -> None:
    """Show what the loop shows."""
    while True:
        view = decode_view(await views.recv())
        hub.show(view, time.monotonic())


async def beat(hub: Hub) -> None:
    """Keep time for the hub; let go of pages that fell silent."""
    while True:
        for page in hub.beat(time.monotonic()):
            hub.leave(page)
        await asyncio.sleep(BEAT)


async def until(lifeline: BinaryIO, hub: Hub, server: uvicorn.Server) -> None:
    """End the server when the lifeline ends, after a word to the pages."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), lifeline)
    last = await reader.read()
    ending = (
        msgspec.json.decode(last, type=SessionEnding) if last else SessionEnding("the program is gone", failed=True)
    )
    hub.farewell(f"{ending.text}; {AGAIN}", failed=ending.failed)
    await asyncio.sleep(GOODBYE)
    server.should_exit = True
