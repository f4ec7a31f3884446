"""An operator that follows a script instead of holding a device: for tests, the demo, and measured comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from leash_robot.robot.errors import OperatorError
from leash_robot.robot.types import Array
from leash_robot.teleop.operator import ARMING, Event, Intent

TREMOR_TIME = 0.2
"""How long the noise of a hand remembers itself [s]."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a script."""

    seconds: float
    vx: float = 0.0
    """Forward [m/s]."""
    vy: float = 0.0
    """To the left [m/s]."""
    wz: float = 0.0
    """Counter-clockwise [rad/s]."""
    events: tuple[Event, ...] = ()
    """Asked once, when the segment begins."""
    engaged: bool = True
    """Whether the dead-man is held."""
    axes: tuple[float, ...] | None = None
    """(k,) the command of a body that is not commanded a velocity; vx, vy and wz then mean nothing."""
    alive: bool = True
    """Whether the device gives signs of life; a dead one repeats its last intent, as a lost gamepad would."""


@dataclass(frozen=True)
class Hand:
    """What makes a scripted operator human."""

    reaction: float = 0.0
    """How long after its time everything in the script happens [s]."""
    noise: float = 0.0
    """Standard deviation of the command around the script, as a share of `scale`."""
    scale: tuple[float, ...] = (0.25, 0.08, 0.6)
    """(k,) what noise 1.0 means: vx [m/s], vy [m/s], yaw rate [rad/s] for legs."""
    blend: float = 0.0
    """How long the stick takes from one segment's command to the next [s]."""


class Scripted:
    """Fits `Operator`. Its time is whatever `read` is told, so it runs on a virtual clock as well as on a real one.

    The script begins at the first read. Before the first segment lies a rest as long as arming takes.
    """

    def __init__(self, script: Sequence[Segment], hand: Hand | None = None, seed: int = 0) -> None:
        if any(segment.seconds < 0 for segment in script):
            raise OperatorError("a script's segments cannot last less than 0 s")
        self.script = (Segment(2 * ARMING, engaged=False), *script)
        self._hand = hand or Hand()
        self._ends = np.cumsum([segment.seconds for segment in self.script])
        self._rng = np.random.default_rng(seed)
        self._start: float | None = None
        self._announced = -1
        self._tremor: Array = np.zeros(next((len(one.axes) for one in self.script if one.axes is not None), 3))
        self._last = Intent(-np.inf)
        self._noted = -np.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    @property
    def seconds(self) -> float:
        """How long the script takes, the rest before it included [s]."""
        return float(self._ends[-1]) + self._hand.reaction

    @property
    def finished(self) -> bool:
        """Whether the script was read to its end."""
        return self._start is not None and self._noted - self._start >= self.seconds

    def read(self, now: float) -> Intent:
        """What the script asks at `now`; released after its end."""
        self._start = now if self._start is None else self._start
        elapsed = now - self._start - self._hand.reaction
        index = int(np.searchsorted(self._ends, elapsed, side="right"))
        events = self._events_until(index)
        tremor = self._shaken(now)
        if index >= len(self.script):
            self._last = Intent(now, events=events)
        elif self.script[index].alive:
            segment = self.script[index]
            command = self._command(index, elapsed) + tremor if segment.engaged else np.zeros_like(tremor)
            self._last = Intent(now, command, segment.engaged, events)
        else:
            self._last = Intent(self._last.time, self._last.command, self._last.engaged, events)
        return self._last

    def _events_until(self, index: int) -> tuple[Event, ...]:
        begun = self.script[self._announced + 1 : index + 1]
        self._announced = max(self._announced, min(index, len(self.script) - 1))
        return tuple(event for segment in begun for event in segment.events)

    def _command(self, index: int, elapsed: float) -> Array:
        segment = self.script[index]
        size = len(self._tremor)
        target, before = _command_of(segment, size), _command_of(self.script[max(0, index - 1)], size)
        since = elapsed - (self._ends[index] - segment.seconds)
        share = min(1.0, since / self._hand.blend) if self._hand.blend > 0 else 1.0
        smooth = share * share * (3 - 2 * share)
        return before + smooth * (target - before)

    def _shaken(self, now: float) -> Array:
        """First-order noise whose deviation does not depend on how often it is read."""
        passed, self._noted = now - self._noted, now
        if self._hand.noise == 0:
            return self._tremor
        keep = float(np.exp(-passed / TREMOR_TIME))
        push = self._rng.normal(0, self._hand.noise, len(self._tremor)) * self._hand.scale
        self._tremor = keep * self._tremor + np.sqrt(1 - keep**2) * push
        return self._tremor


def _command_of(segment: Segment, size: int) -> Array:
    """(k,) what a segment commands; nothing where it speaks of velocities and the script of other axes."""
    if segment.axes is not None:
        return np.array(segment.axes)
    return np.array([segment.vx, segment.vy, segment.wz]) if size == 3 else np.zeros(size)


@dataclass(frozen=True)
class VelocityBox:
    """The commands that a random script draws from, uniformly."""

    low: tuple[float, ...] = (0.0, -0.08, -0.6)
    """(k,) smallest vx [m/s], vy [m/s], yaw rate [rad/s] for legs."""
    high: tuple[float, ...] = (0.25, 0.08, 0.6)
    """(k,) largest."""


def wander(rng: np.random.Generator, seconds: float, box: VelocityBox | None = None) -> list[Segment]:
    """Random velocities out of the box, each held for one to three seconds, for `seconds` in all."""
    box = box or VelocityBox()
    script: list[Segment] = []
    left = seconds
    while left > 0:
        hold = min(left, float(rng.uniform(1.0, 3.0)))
        drawn = tuple(float(value) for value in rng.uniform(box.low, box.high))
        script.append(Segment(hold, *drawn) if len(drawn) == 3 else Segment(hold, axes=drawn))
        left -= hold
    return script


def demonstrations(episodes: int, seconds: float, seed: int = 0, box: VelocityBox | None = None) -> list[Segment]:
    """A whole session: start, wander, success, a breath, and again; then quit."""
    rng = np.random.default_rng(seed)
    script: list[Segment] = []
    for _ in range(episodes):
        script.append(Segment(0.0, events=(Event.START,), engaged=False))
        script.extend(wander(rng, seconds, box))
        script.append(Segment(0.5, events=(Event.SUCCESS,), engaged=False))
    script.append(Segment(0.0, events=(Event.QUIT,), engaged=False))
    return script


def interventions(episodes: int, seconds: float, seed: int = 0, box: VelocityBox | None = None) -> list[Segment]:
    """A whole session beside a policy: start, and by turns watch and take over at random; success; then quit."""
    rng = np.random.default_rng(seed)
    script: list[Segment] = []
    for _ in range(episodes):
        asks: tuple[Event, ...] = (Event.START,)
        left = seconds
        while left > 0:
            watch, drive = float(rng.uniform(1.0, 3.0)), float(rng.uniform(0.8, 2.0))
            script.append(Segment(min(watch, left), events=asks, engaged=False))
            script.extend(wander(rng, min(drive, left - watch), box))
            left -= watch + drive
            asks = (Event.HANDBACK,)
        script.append(Segment(0.5, events=(Event.SUCCESS, Event.HANDBACK), engaged=False))
    script.append(Segment(0.0, events=(Event.QUIT,), engaged=False))
    return script
