"""How soon a robot stands, and is stopped, whose operator vanishes in a takeover: a part of `leash bench takeover`."""

import math
import time
from dataclasses import dataclass
from typing import Self

import numpy as np

from leash_robot.launch.composition.robots import Opened
from leash_robot.launch.reporting.output import note
from leash_robot.robot.clock import MonotonicClock
from leash_robot.robot.errors import RobotError
from leash_robot.robot.fake import NoLog
from leash_robot.robot.loop import run
from leash_robot.robot.standing import stand
from leash_robot.robot.types import Policy, Tick
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.intervention.takeover import Takeover
from leash_robot.teleop.operator import ARMING, Intent

LONGEST = 10.0
"""No robot takes so long to stop [s]."""


class Vanishing:
    """Fits `Operator`: presses the dead-man and is gone a moment later, repeating its last message for ever."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._press = math.inf
        self.gone = math.inf
        """When the device gave its last sign of life [s]."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def begin(self, now: float) -> None:
        """Rest until the dead-man is armed; draw when to press and when to vanish."""
        self._press = now + 2 * ARMING + float(self._rng.uniform(0.2, 0.6))
        self.gone = self._press + float(self._rng.uniform(0.3, 0.8))

    def read(self, now: float) -> Intent:
        """Driving ahead since the press."""
        held = now >= self._press
        return Intent(min(now, self.gone), np.array([0.2, 0.0, 0.0]) * held, held)


@dataclass(frozen=True)
class Loss:
    """One operator who vanished; times from the last sign of life."""

    still: float
    """Until the first command of zero went out [s]."""
    stopped: float
    """Until the soft stop went out [s]."""


def measure_lost(opened: Opened, policy: Policy, gait: Policy, count: int, seed: int) -> list[Loss]:
    """Let the operator vanish so many times. Raises RobotError when the robot is not stopped for that."""
    person = Vanishing(np.random.default_rng(seed))
    drive = Drive(person, gait, clock=MonotonicClock())
    takeover = Takeover(policy, drive, opened.spec)
    return [_one(opened, person, drive, takeover) for _ in range(count)]


def _one(opened: Opened, person: Vanishing, drive: Drive, takeover: Takeover) -> Loss:
    stand(opened, report=note)
    drive.rearm()
    person.begin(time.monotonic())
    still: list[float] = []
    stopped: list[float] = []

    def over(tick: Tick) -> bool:
        now = time.monotonic()
        if now > person.gone and not tick.sent.command.any():
            still.append(now)
        if tick.sent.source == "safety":
            stopped.append(now)
        return bool(stopped)

    run(opened.robot, takeover, NoLog(), ticks=round(LONGEST * opened.spec.rate), done=over)
    if not stopped or takeover.status.ended != "operator_lost":
        raise RobotError(f"the robot was not stopped for its lost operator but {takeover.status.ended or 'drove on'}")
    return Loss(still[0] - person.gone, stopped[0] - person.gone)
