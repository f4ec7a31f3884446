"""A robot without a body: joints that reach every target within the tick. For tests, examples and dry runs."""

from collections.abc import Mapping
from typing import Self

import numpy as np

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.clock import Clock, Grid, VirtualClock
from leash_robot.robot.limits import admitted, timely
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation, Tick, unknown


class FakeRobot:
    """Fits `Robot`. Time is virtual unless a clock is given; cameras named in the spec deliver blank frames."""

    def __init__(self, spec: Spec, clock: Clock | None = None, *, images: bool = False) -> None:
        self._spec = spec
        self._grid = Grid(spec.period, clock or VirtualClock())
        self._images = images
        self._sent: Array = spec.rest.copy()
        self.safe = True
        """Whether the motors are off: true before the `with` and after it."""
        self.sent_at = float("-inf")
        """When the last action was sent [s]."""

    @property
    def spec(self) -> Spec:
        """The description that this robot answers to."""
        return self._spec

    def __enter__(self) -> Self:
        self.safe = False
        return self

    def __exit__(self, *exc: object) -> None:
        self.safe = True

    def reset(self) -> None:
        """Stand at once."""
        self._sent = self._spec.stand.copy()
        self._grid.restart()

    def rest(self) -> None:
        """Lie at once."""
        self._sent = self._spec.rest.copy()

    def observe(self) -> Observation:
        """Wait for the next slot and report the last target as the joint state."""
        late = self._grid.wait()
        now = self._grid.clock.now()
        n = len(self._spec.joints)
        return Observation(
            time=now,
            late=late,
            joint_pos=self._sent.copy(),
            joint_vel=np.zeros(n),
            joint_effort=unknown(n),
            gravity=np.array([0.0, 0.0, -1.0]),
            gyro=np.zeros(3),
            command=unknown(len(self._spec.commanded)),
            images=self._frames(now),
        )

    def _frames(self, now: float) -> Mapping[str, Image]:
        if not self._images:
            return {}
        return {name: Image.blank(now, camera.height, camera.width) for name, camera in self._spec.cameras.items()}

    def send(self, action: Action) -> Action:
        """Adopt the target after the limits; return what went out: "hold" in place of an action that has expired."""
        self.sent_at = self._grid.clock.now()
        sent = admitted(timely(action, self.sent_at), self._sent, self._spec)
        self._sent = sent.joint_pos
        return sent


class NoLog:
    """Fits `Log`; forgets everything but the count."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Count one tick."""
        self.count += 1
