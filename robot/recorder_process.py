"""The recorder process: takes ticks from the control process over a local socket, and outlives it only to finish."""

import os
import time
from collections.abc import Sequence

import msgspec
import zmq

from robot.recorder_scribe import Scribe
from robot.recorder_wire import Begin, Finish, Quit, Reply, Setup, Take, decode_request, encode

POLL = 0.05
"""How often the recorder looks up from an idle socket [s]."""


def main(endpoint: str, parent: int, setup: str) -> None:
    """Record until told to quit, or until the parent process is gone."""
    shared = msgspec.json.decode(setup, type=Setup)
    os.setpriority(os.PRIO_PROCESS, 0, max(shared.nice, os.getpriority(os.PRIO_PROCESS, 0)))
    context = zmq.Context()
    socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
    socket.set(zmq.SNDHWM, 0)
    socket.set(zmq.RCVHWM, 0)
    socket.bind(f"ipc://{endpoint}")

    def reply(message: Reply) -> None:
        socket.send(encode(message))

    serve(socket, Scribe(shared, reply), parent)
    context.destroy(linger=500)


def serve(socket: "zmq.Socket[bytes]", scribe: Scribe, parent: int) -> None:
    """Handle requests; an episode that is open at the end is completed as far as it came."""
    while True:
        orphaned = os.getppid() != parent
        quitting = _drain(socket, scribe)
        scribe.due(time.monotonic())
        if quitting or orphaned:
            scribe.close("session closed" if quitting else "control lost")
            return


def _drain(socket: "zmq.Socket[bytes]", scribe: Scribe) -> bool:
    """Handle everything that has arrived; whether we were told to quit."""
    wait = int(POLL * 1000)
    while socket.poll(wait):
        if not _handle(socket.recv_multipart(), scribe):
            return True
        wait = 0
    return False


def _handle(parts: Sequence[bytes], scribe: Scribe) -> bool:
    """Handle one request; whether there may be more."""
    request = decode_request(parts[0])
    if isinstance(request, Begin):
        scribe.begin(request)
    elif isinstance(request, Take):
        scribe.take(request.item, parts[1], dict(zip(request.cameras, parts[2:], strict=True)))
    elif isinstance(request, Finish):
        scribe.finish(request)
    return not isinstance(request, Quit)
