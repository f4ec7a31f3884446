"""A robot under measurement: slow moves, stillness, and every state that came meanwhile."""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from leash_robot.robot.calibration import Calibration
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.safety.messages import GateReport, Telemetry
from leash_robot.robot.types import Action, Array, Robot

LARGEST_ERROR = 0.45
"""A joint that is farther from its target after a slow move than this is blocked [rad]."""
CATCH_UP = 0.5
"""How long a joint may take to come after its target [s]."""
STILL_RATE = 0.35
"""What a gyro may say while the robot should be still, beyond its bias [rad/s]."""
STILL_ANGLE = 0.03
"""How far a joint may move while it should be still [rad]."""


class Instrument(Robot, Protocol):
    """A robot that hands out every state, not only the newest of a tick."""

    def frames(self) -> list[Telemetry]:
        """The states that came since the last call, oldest first, in the machine's own angles."""
        ...

    @property
    def gate(self) -> GateReport:
        """What the gate last said."""
        ...


class StateLog:
    """States as arrays; joint angles are those of the calibration that the robot was opened with."""

    def __init__(self, frames: Sequence[Telemetry], given: Calibration) -> None:
        self.frames, joints = frames, len(given.joint_offset)
        self.arrived: Array = np.array([frame.time for frame in frames])
        """(k,) when each state arrived [s]."""
        self.clock: Array = np.array([frame.ts for frame in frames]) * 1e-3
        """(k,) the machine's own clock [s]."""
        self.pos: Array = given.to_joints(np.array([frame.pos for frame in frames]).reshape(-1, joints))
        """(k, n) [rad]"""
        self.vel: Array = given.turned(np.array([frame.vel for frame in frames]).reshape(-1, joints))
        """(k, n) [rad/s]"""
        imu = np.array([frame.imu or (math.nan,) * 6 for frame in frames]).reshape(-1, 6)
        roll, pitch = imu[:, 0], imu[:, 1]
        self.down: Array = np.stack([np.sin(pitch), -np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch)], 1)
        """(k, 3) gravity in the IMU's axes, as its filter has it; NaN without an IMU."""
        self.rates: Array = imu[:, 3:]
        """(k, 3) the gyro [rad/s]."""

    def __len__(self) -> int:
        return len(self.frames)


class MeasurementBench:
    """Moves a robot, and keeps what it said."""

    def __init__(self, robot: Instrument, given: Calibration, say: Callable[[str], None] = lambda _: None) -> None:
        self.robot = robot
        self.given = given
        """The calibration that the robot was opened with."""
        self.say = say
        """Tells a person what happens."""
        self.target: Array = robot.spec.stand.copy()
        """(n,) what was last sent [rad]."""
        self.sent: list[tuple[float, Array]] = []
        """Every target (n,), and when it was sent."""
        self._frames: list[Telemetry] = []

    def stand_by(self) -> None:
        """Bring the robot to its spec's pose, whence everything begins."""
        self.robot.reset()
        self.target = self.robot.spec.stand.copy()
        self.robot.frames()

    @property
    def seen(self) -> int:
        """How many states came so far."""
        return len(self._frames)

    def log(self, begin: int = 0, end: int | None = None) -> StateLog:
        """The states from number `begin` on, up to but without `end`."""
        return StateLog(self._frames[begin:end], self.given)

    @property
    def angles(self) -> Array:
        """(n,) where the joints are now [rad]."""
        now: Array = self.given.to_joints(np.array(self._frames[-1].pos))
        return now

    def tick(self, target: Array) -> None:
        """One turn of the loop. Raises CalibrationError when the gate stops the robot."""
        obs = self.robot.observe()
        sent = self.robot.send(Action(target))
        self._frames += self.robot.frames()
        if sent.source == "safety":
            raise CalibrationError(f"the gate stopped the robot ({self.robot.gate.cause}); nothing is kept")
        self.target = sent.joint_pos
        self.sent.append((obs.time + obs.age, self.target))

    def move(self, pose: Array, seconds: float) -> None:
        """Go to a pose (n,) smoothly. Raises CalibrationError when a joint does not follow."""
        begin, ticks = self.target, max(1, round(seconds * self.robot.spec.rate))
        for tick in range(1, ticks + 1):
            share = 0.5 - 0.5 * math.cos(math.pi * tick / ticks)
            self.tick(begin + share * (pose - begin))
        self.check_follows()

    def hold(self, seconds: float) -> None:
        """Go on holding the last target."""
        for _ in range(round(seconds * self.robot.spec.rate)):
            self.tick(self.target)

    def rest(self, seconds: float) -> StateLog:
        """What comes while the robot should be still. Raises CalibrationError when it is not."""
        begin = self.seen
        self.hold(seconds)
        log = self.log(begin)
        if len(log) < 2:
            raise CalibrationError(f"only {len(log)} states came in {seconds:g} s; look at the robot's telemetry first")
        moved = np.ptp(log.pos, axis=0)
        if moved.max() > STILL_ANGLE:
            name = self.robot.spec.names[int(moved.argmax())]
            raise CalibrationError(f"{name} moved by {moved.max():.2f} rad while it should be still; let the robot be")
        swing = np.abs(log.rates - log.rates.mean(axis=0)).max()
        if swing > STILL_RATE:
            raise CalibrationError(
                f"the robot turned at {swing:.2f} rad/s while it should be still; leave it alone and start again"
            )
        return log

    def check_follows(self) -> None:
        """Raise CalibrationError naming a joint that is, and stays, far from where it was sent."""
        away = np.abs(self.angles - self.target)
        if away.max() > LARGEST_ERROR:
            self.hold(CATCH_UP)
            away = np.abs(self.angles - self.target)
        if away.max() > LARGEST_ERROR:
            name = self.robot.spec.names[int(away.argmax())]
            raise CalibrationError(
                f"{name} is {away.max():.2f} rad from its target: is the leg blocked? Nothing is kept"
            )
