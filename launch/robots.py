"""Opens the robot that `--robot sim|twin|pupper` names, with everything its plan says must run beside it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from launch.plan import Plan, load_plan
from robot.calibration import Calibration, load_calibration
from robot.camera import Camera, open_camera
from robot.errors import SpecError
from robot.pupper import Pupper
from robot.spec import CameraSpec, Spec, load_spec
from robot.types import Robot
from sim.truth import Truth


@dataclass(frozen=True)
class RobotOptions:
    """Which robot, and what is attached to it."""

    robot: Literal["sim", "twin", "pupper"] = "twin"
    """sim: PyBullet in this process. twin: a simulated Pupper behind a real serial line. pupper: the machine."""
    port: str | None = None
    """Serial port for `pupper`, such as /dev/ttyACM0, or of a twin that already runs."""
    camera: tuple[str, ...] = ()
    """Cameras as NAME=SOURCE: /dev/video0, a URL, a video file, `synthetic`; or `on` for the ones in the plan."""
    calibration: Path | None = None
    """Calibration file of this machine."""
    dynamics: Path | None = None
    """YAML with the masses, friction, latencies and so on of a simulated robot."""
    seed: int = 0
    """Seed of a simulated robot's noise."""
    plan: Path | None = None
    """YAML that says which processes run at what rate, instead of the built-in one."""


class Referee(Protocol):
    """Ground truth and a person's hands; only simulated robots have one."""

    def truth(self) -> Truth:
        """What really happens now."""
        ...

    def place(self) -> None:
        """Put the robot upright on the floor, at rest."""
        ...


@dataclass(frozen=True)
class Opened:
    """A robot that is ready for `reset`, and what belongs to it."""

    robot: Robot
    spec: Spec
    plan: Plan
    calibration: Calibration
    referee: Referee | None = None
    gate_stops: Callable[[], int] = field(default=lambda: 0)
    """How often the gate stopped the robot since it was opened."""


@contextlib.contextmanager
def open_robot(options: RobotOptions, *, needs_imu: bool = False, realtime: bool = False) -> Iterator[Opened]:
    """Open a robot; leaving the block, by any road, makes it safe and ends every process that was started.

    `realtime` paces the simulator by the clock, for people to drive; the serial robots always are.
    """
    plan = load_plan(options.robot, options.plan)
    spec = load_spec(plan.spec)
    if plan.processes.control.rate != spec.rate:
        raise SpecError(f"control runs at {plan.processes.control.rate} Hz but {spec.name} is built for {spec.rate} Hz")
    calibration = load_calibration(options.calibration, spec) if options.calibration else Calibration.identity(spec)
    opener = _open_sim if options.robot == "sim" else _open_serial
    with opener(options, plan, spec, calibration, needs_imu=needs_imu, realtime=realtime) as opened:
        yield opened
