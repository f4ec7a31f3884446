"""The twin's state in memory that other processes may look at: one writer, any number of readers, nobody waits."""

import mmap
import os
import tempfile
import time
from dataclasses import dataclass

import numpy as np

from leash_robot.robot.types import Array
from leash_robot.sim.ground_truth import GroundTruth

POSITIONS, VELOCITIES, FEET = 19, 18, 4
_SEQUENCE = 8
_VALUES = 4 + POSITIONS + VELOCITIES + FEET + 3
SIZE = _SEQUENCE + 8 * _VALUES
ATTEMPTS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class TwinState:
    """Everything at one instant."""

    captured: float
    """Monotonic time of this state [s]."""
    time: float
    """Simulated time [s]."""
    skipped: float
    """Simulated time that was left out so far because the machine was too slow [s]."""
    dropped: float
    """Bytes for the host that were lost because it did not read."""
    qpos: Array
    """(19,) position and orientation (w first) of the body, then the joint angles."""
    qvel: Array
    """(18,) velocity of the body (linear in the world, angular in the body), then of the joints."""
    forces: Array
    """(4,) contact force of each foot [N]."""
    down: Array
    """(3,) direction of gravity in the world."""

    def truth(self) -> GroundTruth:
        """The ground truth in it."""
        to_body = rotation(self.qpos[3:7]).T
        return GroundTruth(
            time=self.time,
            position=self.qpos[:3].copy(),
            velocity=to_body @ self.qvel[:3],
            angular_velocity=self.qvel[3:6].copy(),
            gravity=to_body @ self.down,
            contacts=(self.forces > 0.0).astype(np.float64),
        )


class SharedState:
    """A sequence lock over a file without a name; the number is odd while the writer is at work."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, SIZE)
        self._sequence = np.frombuffer(self._memory, np.uint64, 1)
        self._values = np.frombuffer(self._memory, np.float64, _VALUES, _SEQUENCE)

    @classmethod
    def create(cls) -> "SharedState":
        """New memory, which vanishes with the last process that holds it."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("twin")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.truncate(descriptor, SIZE)
        return cls(descriptor)

    def close(self) -> None:
        """Let go of the memory's name; what is mapped stays readable."""
        os.close(self.descriptor)

    def write(self, state: TwinState) -> None:
        """Publish a state."""
        self._sequence[0] += 1
        values = self._values
        values[0:4] = (state.captured, state.time, state.skipped, state.dropped)
        values[4:23], values[23:41], values[41:45], values[45:48] = state.qpos, state.qvel, state.forces, state.down
        self._sequence[0] += 1

    def read(self) -> TwinState:
        """The newest whole state."""
        for _ in range(ATTEMPTS):
            before = int(self._sequence[0])
            values = self._values.copy()
            if before % 2 == 0 and int(self._sequence[0]) == before:
                break
            time.sleep(0.0)
        captured, simulated, skipped, dropped = values[:4].tolist()
        return TwinState(
            captured, simulated, skipped, dropped, values[4:23], values[23:41], values[41:45], values[45:48]
        )


def rotation(quaternion: Array) -> Array:
    """(3, 3) rotation from the body to the world for a unit quaternion (4,), w first."""
    w, x, y, z = quaternion.tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
