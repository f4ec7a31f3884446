"""How old the inputs of a policy may be, and a wrapper that holds and then stops when one of them is too old.

A manifest declares the bounds. They are checked where the observation is made use of, beside the motors: before the
policy is asked, and once more when it has answered, with the time that this took. A policy server checks again what it
is sent.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.clock import Clock
from leash_robot.robot.types import Action, Array, Observation, Policy, Source

JOINTS = "joints"
"""The name of the joint state, IMU included, among the inputs; every other name is a camera's."""
HELD = 3
"""Ticks in a row that are held for want of an input, or of an answer, before the soft stop."""
SKEW = 0.001
"""A capture time may be ahead of the observation by this much: two readings of one clock [s]."""


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a policy demands of one of its inputs."""

    max_age: Annotated[float, Meta(gt=0, le=10)] = 0.2
    """From capture to the moment at which the action goes out [s]."""
    optional: bool = False
    """Whether the policy can do without; an input that is too old is then left out."""


Inputs = Mapping[str, Input]


def too_old(inputs: Inputs, obs: Observation, now: float) -> str:
    """The first input that the policy cannot do without and that is too old or missing, in words; else nothing.

    `now` is on the clock of the observation [s].
    """
    needed = {name: bound for name, bound in inputs.items() if not bound.optional}
    return next(filter(None, (_judged(name, bound, obs, now) for name, bound in needed.items())), "")


def cameras_of(inputs: Inputs) -> Inputs:
    """Only the cameras among the inputs."""
    return {name: bound for name, bound in inputs.items() if name != JOINTS}


def too_slow(inputs: Inputs, rates: Mapping[str, float]) -> list[str]:
    """A line for each camera whose pictures come so seldom [Hz] that they get too old before the next one comes."""
    bounds = {name: bound.max_age for name, bound in cameras_of(inputs).items()}
    return [
        f"camera {name} delivers {rates[name]:.2g} pictures a second; the policy needs one every {age * 1e3:g} ms"
        for name, age in bounds.items()
        if name in rates and rates[name] * age < 1.0
    ]


def usable(inputs: Inputs, obs: Observation, now: float) -> Observation:
    """The observation with only those pictures that the policy looks at and that are not too old."""
    fresh = {name: obs.images[name] for name, bound in cameras_of(inputs).items() if not _judged(name, bound, obs, now)}
    return obs if fresh.keys() == obs.images.keys() else replace(obs, images=fresh)


def expiry(inputs: Inputs, images: Mapping[str, Image]) -> float:
    """Until when an action may be sent that was computed from these pictures [s]; infinity without any."""
    return min((image.time + inputs[name].max_age for name, image in images.items()), default=math.inf)


def _judged(name: str, bound: Input, obs: Observation, now: float) -> str:
    if name == JOINTS:
        return _said("the joint state", now - obs.time, bound)
    if name not in obs.images:
        return f"there is no picture from camera {name!r}; add --camera on, or --camera {name}=SOURCE"
    return _said(f"the picture from camera {name!r}", now - obs.images[name].time, bound)


def _said(what: str, age: float, bound: Input) -> str:
    """Note: an age that is not a number is too old."""
    if -SKEW <= age <= bound.max_age:
        return ""
    if age < 0:
        return f"{what} is stamped {-age * 1e3:.0f} ms ahead of the robot's clock; let one clock stamp both"
    return f"{what} is {age * 1e3:.0f} ms old, allowed are {bound.max_age * 1e3:g} ms; check its cable and the load"


class Fresh:
    """Fits `Policy`: the wrapped policy, as long as every input that it cannot do without is new enough.

    Past its bound the last target is held for a few ticks, then a soft stop is asked for until `reset`.
    """

    def __init__(self, policy: Policy, inputs: Inputs, clock: Clock | None = None) -> None:
        """`clock` counts the time that the policy takes; None where time stands still meanwhile, as in a simulator."""
        self._policy = policy
        self._inputs = inputs
        self._clock = clock
        self._begin()

    def reset(self) -> None:
        """Begin a new episode."""
        self._policy.reset()
        self._begin()

    def _begin(self) -> None:
        self.trouble = ""
        """Which input was too old at the last tick; empty when none was."""
        self.stopped = False
        """Whether it asks for a soft stop until `reset`."""
        self._missed = 0
        self._target: Array | None = None

    def act(self, obs: Observation) -> Action:
        """The wrapped policy's action, else a hold, else a soft stop."""
        if self.stopped:
            return self._without(obs, "safety")
        now = obs.time + obs.age
        self.trouble = too_old(self._inputs, obs, now)
        if not self.trouble:
            began = self._read()
            seen = usable(self._inputs, obs, now)
            action = self._policy.act(seen)
            self.trouble = too_old(self._inputs, obs, now + self._read() - began)
            if not self.trouble:
                self._missed, self._target = 0, action.joint_pos
                return replace(action, expires=min(action.expires, expiry(self._inputs, seen.images)))
        self._missed += 1
        self.stopped = self._missed > HELD
        return self._without(obs, "safety" if self.stopped else "hold")

    def _read(self) -> float:
        return 0.0 if self._clock is None else self._clock.now()

    def _without(self, obs: Observation, source: Source) -> Action:
        target = obs.joint_pos if self._target is None else self._target
        return Action(np.array(target), obs.command, source)
