"""The vocabulary that every part shares: what is seen, what is asked, what was done, and who does it.

SI units and radians throughout. Body frame: x forward, y left, z up. Joint arrays follow the spec's joint order.
NaN means "not measured" or "not asked", never zero.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.spec import Spec

Array = NDArray[np.float64]
Source = Literal["policy", "human", "hold", "safety"]

SOURCES: tuple[Source, ...] = ("policy", "human", "hold", "safety")


def unknown(size: int) -> Array:
    """An array (size,) that says "not measured"."""
    return np.full(size, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What the robot could see at one tick. n joints, k cameras."""

    time: float
    """Monotonic time at which the joint state was captured [s]."""
    late: float
    """How long after its slot this tick began, whole skipped slots included [s]."""
    joint_pos: Array
    """(n,) [rad]"""
    joint_vel: Array
    """(n,) [rad/s]"""
    joint_effort: Array
    """(n,) [N m]"""
    gravity: Array
    """(3,) unit vector of gravity in the body frame; (0, 0, -1) when upright."""
    gyro: Array
    """(3,) angular velocity in the body frame [rad/s]."""
    command: Array
    """(k,) what is commanded beside joints, as `Spec.commanded` lists it: a body velocity for legs."""
    images: Mapping[str, Image] = field(default_factory=dict)
    """Newest frame of each camera, with its own capture time."""
    age: float = 0.0
    """How old the joint state was when `observe` returned it [s]."""


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """A joint position target, and who wants it."""

    joint_pos: Array
    """(n,) target [rad]; ignored when `source` is "safety"."""
    command: Array = field(default_factory=lambda: unknown(3))
    """(k,) the command that the target is meant to realise; all NaN, of any size, where there is none."""
    source: Source = "policy"
    """Who asked. "hold" keeps the last target; "safety" asks for a soft stop."""
    risk: float = float("nan")
    """The policy's own doubt, 0..1, or NaN."""
    human: "Action | None" = None
    """What the operator asked, when somebody chose between proposals."""
    policy: "Action | None" = None
    """What the policy would have done, also while the human drives."""
    expires: float = float("inf")
    """Monotonic time from which on it must not be sent any more, because what it was computed from is too old [s]."""


@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """One turn of the loop, as it is recorded."""

    obs: Observation
    wanted: Action
    """What was decided."""
    sent: Action
    """What really went out after the limits."""

    @property
    def human(self) -> Action | None:
        """What the operator asked, or None; a proposal kept beside what was decided comes first."""
        return self.wanted.human or (self.wanted if self.wanted.source == "human" else None)

    @property
    def policy(self) -> Action | None:
        """What the policy asked or would have asked, or None; likewise."""
        return self.wanted.policy or (self.wanted if self.wanted.source == "policy" else None)


Watch = Callable[[Observation], str]
"""Asked at least 20 times a second while a robot moves by itself: why a person stops it, or an empty string."""


def unattended(_: Observation) -> str:
    """A `Watch` where nobody is there to stop the robot."""
    return ""


class Robot(Protocol):
    """A body. Leaving the `with`, by any road, makes it safe."""

    @property
    def spec(self) -> Spec:
        """The description that this robot answers to."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def reset(self) -> None:
        """Bring the robot to its stand pose, ready for the first tick."""
        ...

    def rest(self) -> None:
        """End as planned: stop the motion, lie down, let go of the joints. Nothing is done to a robot that was stopped.

        `reset` brings it back.
        """
        ...

    def observe(self) -> Observation:
        """Wait for the next tick and return what is seen then. Time belongs to the robot."""
        ...

    def send(self, action: Action) -> Action:
        """Send a target; return what really went out after the limits."""
        ...


class Policy(Protocol):
    """Anything that decides: a gait, a network, a remote server, a person, a wrapper around these."""

    def reset(self) -> None:
        """Forget the past: a new episode begins."""
        ...

    def act(self, obs: Observation) -> Action:
        """Decide. Returns within the tick."""
        ...


class Log(Protocol):
    """Where ticks go: a recorder, a live view, nowhere. `add` never blocks."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def add(self, tick: Tick) -> None:
        """Take one tick."""
        ...
