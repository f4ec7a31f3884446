"""A scripted person who sees the line from above, steers along it, and takes over when the robot strays.

Plays the operator of the task `track` in measurements and tests: reacts late, trembles, and knows only where the robot
and the line are.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np

from leash_robot.robot.types import Action, Array, Observation, unknown
from leash_robot.teleop.operator import ARMING, Event, Intent
from leash_robot.teleop.scripted_operator import TREMOR_TIME

Place = tuple[float, float, float]
"""x, y [m] and heading [rad]."""

Duty = Literal["drive", "watch", "answer", "alternate"]
"""Drive all the time; watch, and take over when the robot strays; the same, and when called; or drive now and then."""

TURN = 1.0
"""How long one who drives now and then does so before thinking again [s]."""


REST = 2 * ARMING
"""How long the person keeps their hands off at first, so that the dead-man arms [s]."""


class FollowedLine(Protocol):
    """What a person knows of the line."""

    def at(self, arc: float) -> tuple[Array, float]:
        """The point (2,) [m] and the direction [rad] of the line at an arc length [m]."""
        ...

    def nearest(self, point: Array, near: float) -> tuple[float, float]:
        """Arc length of the nearest point around arc length `near`, and how far left of the line we are [m]."""
        ...


@dataclass(frozen=True)
class Skill:
    """How well this person drives, and what they put up with."""

    reaction: float = 0.2
    """From what happens to what the hand does about it [s]."""
    tremor: tuple[float, float, float] = (0.01, 0.0, 0.06)
    """Standard deviation of the hand: vx, vy [m/s], yaw rate [rad/s]."""
    speed: float = 0.2
    """On a straight line [m/s]."""
    ahead: float = 0.45
    """How far ahead of the body the person aims at the line [m]."""
    wary: float = 0.55
    """The aim so far to the side brings the person nearly to a halt, to turn on the spot [rad]."""
    creep: float = 0.2
    """Part of the speed that is left then."""
    pivot: float = 0.16
    """However slow, the person turns as if it were at least this speed [m/s]."""
    gain: float = 1.15
    """Yaw rate asked for, per yaw rate that would reach the aim; a walking robot slips."""
    worried: float = 0.08
    """Further from the line than this, the person takes over [m]."""
    askew: float = 0.5
    """Pointing further than this from where the person would aim, too [rad]."""
    bored: float = 2.5
    """A robot that has got nowhere for so long is taken over, too [s]."""
    content: float = 0.035
    """Nearer to the line than this and pointing along it, all is well [m]."""
    calm: float = 0.5
    """All must be well for so long before the person hands back [s]."""


@dataclass(frozen=True, slots=True)
class _View:
    """What the person sees of the robot, a reaction ago."""

    arc: float
    error: float
    """Left of the line [m]."""
    aim: float
    """Angle from the body's x axis to the aim [rad]."""
    distance: float
    """To the aim [m]."""


class LineOperator:
    """Fits `Operator`. `place` says where the robot is now; `called` whether it asks for help."""

    def __init__(
        self,
        line: FollowedLine,
        place: Callable[[], Place],
        duty: Duty = "drive",
        skill: Skill | None = None,
        *,
        called: Callable[[], bool] = lambda: False,
        share: float = 0.5,
        seed: int = 0,
    ) -> None:
        """`share` is the part of the time that somebody who alternates drives."""
        self._line, self._place, self._duty, self._called = line, place, duty, called
        self._skill, self._share = skill or Skill(), share
        self._turn_ends = -math.inf
        self._rng = np.random.default_rng(seed)
        self._seen: deque[tuple[float, Place, bool]] = deque()
        self._arc = 0.0
        self._best = (0.0, -math.inf)
        self._holding = False
        self._well_since = math.inf
        self._start: float | None = None
        self._tremor: Array = np.zeros(3)
        self._read = -math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def read(self, now: float) -> Intent:
        """Look, decide whether to hold the dead-man, and steer."""
        self._start = now if self._start is None else self._start
        place, asked = self._recall(now)
        view = self._look(place)
        held, self._holding = self._holding, self._decide(view, now, asked=asked)
        tremor = self._shaken(now)
        if not self._holding:
            return Intent(now, events=(Event.HANDBACK,) if held else ())
        return Intent(now, self._steer(view) + tremor, engaged=True)

    def advice(self) -> Array:
        """(3,) what this person would ask for here and now, with a steady hand and no delay."""
        return self._steer(self._look(self._place()))

    def _recall(self, now: float) -> tuple[Place, bool]:
        """Where the robot was, and whether it called, a reaction ago."""
        self._seen.append((now, self._place(), self._called()))
        while len(self._seen) > 1 and self._seen[1][0] <= now - self._skill.reaction + 1e-6:
            self._seen.popleft()
        return self._seen[0][1], self._seen[0][2]

    def _look(self, place: Place) -> _View:
        x, y, heading = place
        self._arc, error = self._line.nearest(np.array([x, y]), self._arc)
        point, _ = self._line.at(self._arc + self._skill.ahead)
        dx, dy = float(point[0]) - x, float(point[1]) - y
        aim = math.remainder(math.atan2(dy, dx) - heading, math.tau)
        return _View(self._arc, error, aim, math.hypot(dx, dy))

    def _steer(self, view: _View) -> Array:
        """Pure pursuit (Coulter 1992): the arc that leads to the aim, slower the further it lies to the side."""
        skill = self._skill
        speed = skill.speed * max(skill.creep, 1.0 - abs(view.aim) / skill.wary)
        curvature = 2.0 * math.sin(view.aim) / max(view.distance, 0.1)
        return np.array([speed, 0.0, skill.gain * max(speed, skill.pivot) * curvature])

    def _decide(self, view: _View, now: float, *, asked: bool) -> bool:
        """Whether the person holds the dead-man. The first moments pass with the hands off, as arming needs."""
        if self._start is None or now - self._start < REST:
            self._best = (view.arc, now)
            return False
        if self._duty == "drive":
            return True
        if self._duty == "alternate":
            return self._alternate(now)
        if view.arc > self._best[0] + 0.03 or self._holding:
            self._best = (max(view.arc, self._best[0]), now)
        called = asked and self._duty == "answer"
        if not self._holding:
            self._well_since = math.inf
            return called or self._worried(view, now)
        well = abs(view.error) < self._skill.content and abs(view.aim) < self._skill.askew / 2 and not called
        self._well_since = min(self._well_since, now) if well else math.inf
        return now - self._well_since < self._skill.calm

    def _alternate(self, now: float) -> bool:
        if now < self._turn_ends:
            return self._holding
        self._turn_ends = now + TURN
        return bool(self._rng.random() < self._share)

    def _worried(self, view: _View, now: float) -> bool:
        skill = self._skill
        lost = abs(view.error) > skill.worried or abs(view.aim) > skill.askew
        return lost or now - self._best[1] > skill.bored

    def _shaken(self, now: float) -> Array:
        """First-order noise whose deviation does not depend on how often it is read."""
        keep = math.exp(-(now - self._read) / TREMOR_TIME)
        push = self._rng.normal(0.0, 1.0, 3) * self._skill.tremor
        self._read = now
        self._tremor = keep * self._tremor + math.sqrt(1 - keep**2) * push
        return self._tremor


class Adviser:
    """Fits `Policy`, as an upper one: says at every tick what a tracker would ask for, without touching anything."""

    def __init__(self, tracker: LineOperator, joints: int) -> None:
        self._tracker = tracker
        self._joints = joints

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, obs: Observation) -> Action:
        """The tracker's advice, with no joint target."""
        return Action(unknown(self._joints), self._tracker.advice(), "human")
