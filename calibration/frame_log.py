"""A robot under measurement whose ticks are kept, pictures included."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from leash_robot.calibration.measurement import Instrument
from leash_robot.calibration.session import Opener
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.safety.messages import GateReport, Telemetry
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Observation

KEPT = 200
"""This many of the newest ticks."""


class FrameLog:
    """What was seen through the cameras."""

    def __init__(self) -> None:
        self.pictures: dict[str, list[Image]] = {}
        """Every picture of each camera, once, in the order of capture; undecoded."""
        self.ages: dict[str, list[float]] = {}
        """How old each camera's newest picture was at every tick [s]."""
        self.ticks: deque[Observation] = deque(maxlen=KEPT)

    def add(self, obs: Observation) -> None:
        """Keep one tick."""
        self.ticks.append(obs)
        for name, image in obs.images.items():
            taken = self.pictures.setdefault(name, [])
            if not taken or image.time > taken[-1].time:
                taken.append(image)
            self.ages.setdefault(name, []).append(obs.time + obs.age - image.time)


class LoggedRobot:
    """Fits `Instrument`: another one, with a log of what its cameras see."""

    def __init__(self, robot: Instrument, log: FrameLog) -> None:
        self._robot, self._log = robot, log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    @property
    def spec(self) -> Spec:
        """The body."""
        return self._robot.spec

    @property
    def gate(self) -> GateReport:
        """What the gate last said."""
        return self._robot.gate

    def reset(self) -> None:
        """Go to the pose of the spec."""
        self._robot.reset()

    def rest(self) -> None:
        """Lie down."""
        self._robot.rest()

    def observe(self) -> Observation:
        """Wait for the next tick."""
        obs = self._robot.observe()
        self._log.add(obs)
        return obs

    def send(self, action: Action) -> Action:
        """Send a target."""
        return self._robot.send(action)

    def frames(self) -> list[Telemetry]:
        """The states that came since the last call."""
        return self._robot.frames()


def logging_frames(opened: Opener, log: FrameLog) -> Opener:
    """Opens the same robot, with a log of what its cameras see."""

    @contextmanager
    def both(spec: Spec, calibration: Calibration) -> Iterator[Instrument]:
        with opened(spec, calibration) as robot:
            yield LoggedRobot(robot, log)

    return both
