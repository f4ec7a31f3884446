"""What a tick on a real robot was worth: pure functions of what is measured there."""

import math

from leash_robot.launch.live.plan import Worth
from leash_robot.policies.odometry import Estimate
from leash_robot.robot.types import Array, Observation
from leash_robot.sim.envs.rewards import change, lean, tent, wobble

HEIGHT = 0.155
"""Standing height that costs nothing from there on [m]."""


def terms(
    obs: Observation, estimate: Estimate, command: Array, actions: tuple[Array, Array], worth: Worth, *, fell: bool
) -> dict[str, float]:
    """What each term adds; `actions` (n,) are the one that led here and the one before it."""
    planar = math.hypot(estimate.velocity[0] - command[0], estimate.velocity[1] - command[1])
    speed = max(worth.least, math.hypot(command[0], command[1]))
    return {
        "velocity": worth.velocity * tent(planar, speed),
        "yaw": worth.yaw * tent(abs(obs.gyro[2] - command[2]), max(worth.least_yaw, abs(command[2]))),
        "lean": worth.lean * lean(obs.gravity.tolist()),
        "wobble": worth.wobble * wobble(obs.gyro.tolist()),
        "change": worth.change * change(*actions),
        "low": worth.low * max(0.0, HEIGHT - estimate.height),
        "fall": worth.fall * fell,
    }
