"""The recorder process: takes ticks from the control process over a local socket, and outlives it only to finish."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import zmq

from leash_robot.robot.dataset.folder import name_finisher
from leash_robot.robot.recording.episode_writer import Scribe
from leash_robot.robot.recording.messages import Begin, Finish, Quit, RecorderSetup, Reply, Take, decode_request, encode

POLL = 0.05
"""How often the recorder looks up from an idle socket [s]."""
LAST = 0.5
"""How long nothing must have come from a parent that is gone, so that nothing more is under way [s]."""


def main(endpoint: str, parent: int, setup: str) -> None:
    """Record until told to quit, or until the parent process is gone."""
    shared = msgspec.json.decode(setup, type=RecorderSetup)
    os.setpriority(os.PRIO_PROCESS, 0, max(shared.nice, os.getpriority(os.PRIO_PROCESS, 0)))
    context = zmq.Context()
    socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
    socket.set(zmq.SNDHWM, 0)
    socket.set(zmq.RCVHWM, 0)
    socket.bind(f"ipc://{endpoint}")

    def left() -> bool:
        return os.getppid() != parent or not Path(endpoint).parent.exists()

    def reply(message: Reply) -> None:
        """Note: a socket without a peer would block: one that is not there yet is waited for, and one that left not."""
        while not socket.poll(int(POLL * 1000), zmq.POLLOUT):
            if left():
                return
        socket.send(encode(message), zmq.NOBLOCK)

    serve(socket, Scribe(shared, reply), left, lambda: name_finisher(Path(shared.folder)))
    context.destroy(linger=500)


def serve(socket: "zmq.Socket[bytes]", scribe: Scribe, left: Callable[[], bool], finishing: Callable[[], None]) -> None:
    """Handle requests; an episode that is open at the end is completed as far as it came.

    A session that is gone, or has `left` us alone, has left everything that it handed over, also its end; `finishing`
    is called before that is written.
    """
    orphaned = False
    while True:
        if not orphaned and left():
            orphaned = True
            finishing()
        quitting = _drain(socket, scribe, LAST if orphaned else POLL)
        scribe.due(time.monotonic())
        if quitting or orphaned:
            scribe.close("the session was closed" if quitting else "control lost")
            return


def _drain(socket: "zmq.Socket[bytes]", scribe: Scribe, wait: float) -> bool:
    """Handle everything that has arrived, or arrives within `wait` seconds of the last; whether we were told to quit.

    Note: what has arrived may be minutes of recording, which must be safe long before the last of it is handled.
    """
    deadline = time.monotonic() + wait
    while socket.poll(max(0, round((deadline - time.monotonic()) * 1000))):
        if not _handle(socket.recv_multipart(), scribe):
            return True
        scribe.due(time.monotonic())
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
