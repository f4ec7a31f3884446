"""The twin's process: runs the lock-step twin against the clock behind its serial port until its owner goes away."""

import contextlib
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

import numpy as np

from leash_robot.robot.errors import LeashError
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.messages import (
    Answer,
    Change,
    PlaceRequest,
    PowerCycle,
    Push,
    Ready,
    Request,
    RequestDone,
    RequestFailed,
    StartRequest,
    receive_request,
    send,
)
from leash_robot.sim.twin.port import Port
from leash_robot.sim.twin.state import SharedState

WAKE = 0.002
"""How long the process sleeps unless something arrives [s]."""
FIFO_PRIORITY = 5
"""Below the loop and the gate."""
MOST_BEHIND_MS = 100
"""Beyond this, time is skipped rather than caught up."""


class TwinServer:
    """A twin in real time."""

    def __init__(self, twin: Twin, port: Port, owner: socket.socket, shared: SharedState) -> None:
        self._twin = twin
        self._port = port
        self._owner = owner
        self._shared = shared
        self._parent = os.getppid()
        self._skipped_ms = 0
        self._start = 0.0

    def run(self) -> None:
        """Serve until the owner closes its end or dies."""
        self._start = time.monotonic() - self._twin.ms * 1e-3
        watched = [self._owner.fileno(), *self._port.descriptors]
        while os.getppid() == self._parent:
            ready, _, _ = select.select(watched, [], [], WAKE)
            if watched[0] in ready and not self._obey():
                return
            self._turn()

    def _turn(self) -> None:
        self._twin.write(self._port.read())
        self._twin.advance(self._due())
        self._port.write(self._twin.read())
        self.publish()

    def _due(self) -> int:
        """How many milliseconds have become due; a long delay is skipped and counted."""
        due = int((time.monotonic() - self._start) * 1e3) - self._twin.ms
        if due > MOST_BEHIND_MS:
            self._skipped_ms += due - 1
            self._start += (due - 1) * 1e-3
            due = 1
        return due

    def publish(self) -> None:
        """Let others see the state."""
        self._shared.write(self._twin.body.state(time.monotonic(), self._skipped_ms * 1e-3, self._port.dropped))

    def _obey(self) -> bool:
        """Answer one request; false when the owner is gone."""
        request = receive_request(self._owner)
        if request is None:
            return False
        send(self._owner, self._act(request))
        return True

    def _act(self, request: Request) -> Answer:
        match request:
            case PlaceRequest():
                self._twin.place()
            case PowerCycle():
                self._twin.power_cycle()
            case Push(velocity):
                self._twin.push(np.array(velocity))
            case Change(dynamics):
                self._twin.set_dynamics(dynamics)
            case StartRequest():
                return RequestFailed("the twin is running already")
        self.publish()
        return RequestDone()


def serve(owner: socket.socket, shared: SharedState) -> None:
    """Start as the first message says, tell where, and run."""
    start = receive_request(owner)
    if not isinstance(start, StartRequest):
        return
    try:
        port = Port(Path(start.link) if start.link else None)
    except LeashError as error:
        send(owner, RequestFailed(str(error)))
        return
    try:
        twin = Twin(start.dynamics, seed=start.seed, firmware=start.firmware, boot=start.boot)
        server = TwinServer(twin, port, owner, shared)
        server.publish()
        send(owner, Ready(port.path))
        server.run()
    except LeashError as error:
        send(owner, RequestFailed(str(error)))
    finally:
        port.close()


def keep_time() -> None:
    """Run before ordinary processes where that is permitted: the robot that this stands in for is never late."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(FIFO_PRIORITY))


def main() -> None:
    """Arguments: OWNER_SOCKET STATE_FILE, both as inherited descriptors."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    owner_descriptor, state_descriptor = map(int, sys.argv[1:3])
    keep_time()
    with socket.socket(fileno=owner_descriptor) as owner:
        try:
            serve(owner, SharedState(state_descriptor))
        except BrokenPipeError:
            return
