"""The settings of a walk: task, randomization, reward; known without a simulator."""

from typing import Annotated

import msgspec
from msgspec import Meta

from leash_robot.sim.envs.commands import Commands
from leash_robot.sim.envs.rewards import Weights
from leash_robot.sim.randomization.sampling import Ranges

Reach = Annotated[float, Meta(gt=0, le=2)]


class Pushes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sudden changes of the body's horizontal velocity."""

    interval: Annotated[float, Meta(ge=0.1, le=1e6)] = 4.0
    """Mean time between two [s]."""
    speed: Annotated[float, Meta(ge=0, le=10)] = 0.3
    """Largest along each axis [m/s]."""


class WalkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The task."""

    seconds: Annotated[float, Meta(ge=0.1, le=1e6)] = 20.0
    """After this long an episode is truncated."""
    physics_rate: Annotated[int, Meta(ge=100, le=10_000)] = 400
    """[Hz]"""
    box: tuple[Reach, Reach, Reach] = (0.2, 0.4, 0.4)
    """Half-range of the targets of abduction, hip and knee around the stand pose [rad]."""
    filter_hz: Annotated[float, Meta(ge=0, le=1000)] = 4.0
    """Cut-off of the first-order filter on the targets [Hz]; 0 is none."""
    frames: Annotated[int, Meta(ge=1, le=32)] = 3
    """Ticks of history in an observation."""
    commands: Commands = Commands()
    weights: Weights = Weights()
    ranges: Ranges | None = None
    """What is randomized at each reset; None is the nominal machine."""
    pushes: Pushes | None = None
