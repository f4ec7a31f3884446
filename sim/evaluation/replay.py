"""A recording's sent targets in the simulator, against what the robot did; with nominal motors and with found ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from leash_robot.robot.calibration import Calibration
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation, Tick
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.randomization.dynamics import NOMINAL, Dynamics
from leash_robot.sim.randomization.identified import dynamics_of

PHYSICS_RATE = 1000
"""Steps a second; finer than for training, since this is a measurement."""


@dataclass(frozen=True)
class MeasuredMotion:
    """What a robot did, a tick a row; NaN is not measured."""

    joint_pos: Array
    """(T, n) [rad]"""
    gravity: Array
    """(T, 3) down, in the body's axes."""
    gyro: Array
    """(T, 3) [rad/s]"""


@dataclass(frozen=True)
class RecordedMotion:
    """What was sent to a robot, and what it did."""

    sent: Array
    """(T, n) targets [rad]."""
    seen: MeasuredMotion


Replays = tuple[MeasuredMotion, MeasuredMotion]
"""With nominal motors, and with those identified."""


def measured_motion(ticks: Sequence[Observation]) -> MeasuredMotion:
    """The motion in these observations."""
    return MeasuredMotion(
        np.array([obs.joint_pos for obs in ticks]),
        np.array([obs.gravity for obs in ticks]),
        np.array([obs.gyro for obs in ticks]),
    )


def replayed(recorded: RecordedMotion, spec: Spec, dynamics: Dynamics) -> MeasuredMotion:
    """What the simulated robot reports when it is sent the same targets."""
    seen = []
    with SimPupper(spec, dynamics, physics_rate=PHYSICS_RATE) as robot:
        robot.place(joint_pos=np.clip(recorded.seen.joint_pos[0], spec.lower, spec.upper))
        for target in recorded.sent:
            seen.append(robot.observe())
            robot.send(Action(target))
    return measured_motion(seen)


def joint_rmse(simulated: MeasuredMotion, recorded: RecordedMotion) -> float:
    """Over all joints and ticks [rad]."""
    return _rms(simulated.joint_pos - recorded.seen.joint_pos)


def tilt_rmse(simulated: MeasuredMotion, recorded: RecordedMotion) -> float:
    """Angle between what both bodies took for down [deg]; NaN without an IMU."""
    across = np.linalg.norm(np.cross(simulated.gravity, recorded.seen.gravity), axis=1)
    return _rms(np.degrees(np.arctan2(across, (simulated.gravity * recorded.seen.gravity).sum(axis=1))))


def turn_rmse(simulated: MeasuredMotion, recorded: RecordedMotion) -> float:
    """Over the three rates of the bodies [rad/s]; NaN without an IMU."""
    return _rms(simulated.gyro - recorded.seen.gyro)


def _rms(errors: Array) -> float:
    """NaN where nothing was measured."""
    known = errors[np.isfinite(errors)]
    return float(np.sqrt(np.mean(known**2))) if known.size else float("nan")


def before_and_after(recorded: RecordedMotion, spec: Spec, calibration: Calibration) -> Replays:
    """What simulated robots do with nominal motors and with this calibration's."""
    return replayed(recorded, spec, NOMINAL), replayed(recorded, spec, dynamics_of(calibration))


class TickLog:
    """Fits `Log`: keeps ticks."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Keep one tick."""
        self.ticks.append(tick)

    def recorded(self) -> RecordedMotion:
        """What was sent and done."""
        sent = np.array([tick.sent.joint_pos for tick in self.ticks])
        return RecordedMotion(sent, measured_motion([tick.obs for tick in self.ticks]))
