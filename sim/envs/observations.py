"""What a learner sees by default: a few ticks of what the robot's own sensors tell, and the command."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.types import Array, Observation

Float32 = NDArray[np.float32]

GYRO, COMMAND = 0.25, np.array([2.0, 4.0, 0.8])
"""Constant scales that bring typical values to about one."""
LARGEST = 10.0


class Encoder(Protocol):
    """Turns observations into network inputs. `leash_robot.policies.features.Features` fits it."""

    @property
    def size(self) -> int:
        """Length of the vector."""
        ...

    def reset(self) -> None:
        """Forget the past."""
        ...

    def sent(self, target: Array) -> None:
        """Note the joint target (n,) that answers the last observation [rad]."""
        ...

    def step(self, obs: Observation) -> Float32:
        """The vector (size,) now."""
        ...


class Frames:
    """Fits `Encoder`: gravity, gyro, joints and targets around the stand pose, for some ticks; then the command."""

    def __init__(self, stand: Array, count: int = 3) -> None:
        self._stand = stand
        self._width = 6 + 2 * len(stand)
        self.size = count * self._width + 3
        self._buffer = np.zeros(self.size, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._fresh = True
        self._target: Array = np.zeros(len(self._stand))

    def sent(self, target: Array) -> None:
        """Note the joint target (n,) that answers the last observation [rad]."""
        self._target = target - self._stand

    def step(self, obs: Observation) -> Float32:
        """The vector (size,) now, oldest tick first, every entry within +-10."""
        frame = np.concatenate([obs.gravity, obs.gyro * GYRO, obs.joint_pos - self._stand, self._target])
        frames = self._buffer[:-3]
        if self._fresh:
            frames.reshape(-1, self._width)[:] = frame
            self._fresh = False
        else:
            frames[: -self._width] = frames[self._width :]
            frames[-self._width :] = frame
        self._buffer[-3:] = obs.command * COMMAND
        return self._buffer.clip(-LARGEST, LARGEST)
