"""The arm for training: joints that go where they are told at a bounded speed. Fits `Robot` and `SimulatorHandle`."""

from typing import Self

import numpy as np

from leash_robot.robot.bodies.registry import Simulated
from leash_robot.robot.clock import Clock, Grid, MonotonicClock, VirtualClock
from leash_robot.robot.limits import admitted, timely
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation, unknown
from leash_robot.sim.ground_truth import GroundTruth
from support.desk_arm.firmware import SPEED, standing


class SimDeskArm:
    """Time is virtual unless a clock is given."""

    def __init__(self, spec: Spec, clock: Clock | None = None) -> None:
        self._spec = spec
        self._grid = Grid(spec.period, clock or VirtualClock())
        self._pos: Array = spec.rest.copy()
        self._vel: Array = np.zeros(len(spec.joints))
        self._sent: Array = spec.rest.copy()

    @property
    def spec(self) -> Spec:
        return self._spec

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def reset(self) -> None:
        self._pos = self._sent = self._spec.stand.copy()
        self._grid.restart()

    def rest(self) -> None:
        self._pos = self._sent = self._spec.rest.copy()

    def observe(self) -> Observation:
        late = self._grid.wait()
        now, n = self._grid.clock.now(), len(self._spec.joints)
        return Observation(
            time=now,
            late=late,
            joint_pos=self._pos.copy(),
            joint_vel=self._vel.copy(),
            joint_effort=unknown(n),
            gravity=unknown(3),
            gyro=unknown(3),
            command=unknown(len(self._spec.commanded)),
        )

    def send(self, action: Action) -> Action:
        sent = admitted(timely(action, self._grid.clock.now()), self._sent, self._spec)
        most = SPEED * self._spec.period
        moved = self._pos + np.clip(sent.joint_pos - self._pos, -most, most)
        self._vel, self._pos, self._sent = (moved - self._pos) / self._spec.period, moved, sent.joint_pos
        return sent

    def truth(self) -> GroundTruth:
        return standing(self._grid.clock.now())

    def place(self) -> None:
        self.reset()


def open_sim(how: Simulated) -> SimDeskArm:
    """The arm as the registry opens it."""
    return SimDeskArm(how.spec, MonotonicClock() if how.realtime else None)
