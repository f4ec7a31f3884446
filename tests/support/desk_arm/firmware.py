"""The arm's servos in a thread, behind a pseudo-terminal: they answer when asked, and fall when there is no torque."""

import contextlib
import os
import pty
import select
import threading
import time
import tty
from collections.abc import Iterator, Mapping

import numpy as np

from leash_robot.robot.bodies.registry import Simulated
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array
from leash_robot.sim.ground_truth import GroundTruth
from support.desk_arm.codec import JOINTS, MOVE, READ, STATE, TORQUE, frame, milli, take_frames

SPEED, FALL = 4.0, 2.0
"""How fast servos follow, and how fast joints without torque fall to their lower stop [rad/s]."""
STEP = 0.005


class DeskArmFirmware:
    """A context manager; fits `TwinHandle` and `SimulatorHandle`."""

    cameras: Mapping[str, str] = {}

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self.pos: Array = spec.rest.copy()
        self.vel: Array = np.zeros(JOINTS)
        self.target: Array = spec.rest.copy()
        self.torque = 0
        self.commands: list[tuple[float, int, bytes]] = []
        """Everything that moves or lets go, with the time of its arrival."""
        self.silent = False
        self.port = ""
        self._end = threading.Event()

    def __enter__(self) -> "DeskArmFirmware":
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port, self._slave = os.ttyname(slave), slave
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def truth(self) -> GroundTruth:
        """An arm stands on its table whatever it does."""
        return standing(time.monotonic())

    def place(self) -> None:
        """Nothing needs to be set upright."""

    def _run(self) -> None:
        buffer, due = bytearray(), time.monotonic()
        while not self._end.is_set():
            due = max(due + STEP, time.monotonic() - STEP)
            self._move()
            while (left := due - time.monotonic()) > 0:
                if select.select([self._master], [], [], left)[0]:
                    buffer += os.read(self._master, 4096)
                    for op, payload in take_frames(buffer):
                        self._obey(op, payload)

    def _obey(self, op: int, payload: bytes) -> None:
        if op == READ:
            if not self.silent:
                os.write(self._master, frame(STATE, milli([*self.pos, *self.vel])))
            return
        self.commands.append((time.monotonic(), op, payload))
        if op == MOVE:
            self.target = np.frombuffer(payload, "<i2") / 1e3
        if op == TORQUE:
            self.torque = payload[0]

    def _move(self) -> None:
        speed, aim = (SPEED, self.target) if self.torque else (FALL, self._fallen())
        moved = self.pos + np.clip(aim - self.pos, -speed * STEP, speed * STEP)
        self.pos, self.vel = moved, (moved - self.pos) / STEP

    def _fallen(self) -> Array:
        """The rest pose holds itself; from anywhere else an arm without torque falls."""
        resting = bool(np.abs(self.pos - self._spec.rest).max() < 0.05)
        return self.pos if resting else np.array([self.pos[0], self._spec.upper[1], self._spec.lower[2]])


def standing(now: float) -> GroundTruth:
    """The truth about a body that does not move."""
    down = np.array([0.0, 0.0, -1.0])
    return GroundTruth(now, np.array([0.0, 0.0, 1.0]), np.zeros(3), np.zeros(3), down, np.zeros(4))


@contextlib.contextmanager
def open_twin(how: Simulated) -> Iterator[DeskArmFirmware]:
    """The servos behind a port."""
    with DeskArmFirmware(how.spec) as firmware:
        yield firmware
