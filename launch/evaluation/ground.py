"""Where a draw of a grid is walked: PyBullet, the twin in lock-step, or the twin's real processes."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.robots import Opened, RobotOptions, open_robot
from leash_robot.launch.evaluation.cases import Case
from leash_robot.launch.evaluation.result import Engine
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.config.yaml_text import dump_yaml
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Array
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.randomization.twin_counterpart import counterpart
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.twin import TwinProcess
from leash_robot.sim.twin.virtual_time import lockstep


@dataclass(frozen=True)
class Ground:
    """A robot that is one draw's machine on its floor, ready for `reset`."""

    opened: Opened
    shove: Callable[[Array], None]
    """Adds a velocity (3,) in the world's axes to the body [m/s]."""
    work: Callable[[], float]
    """Mechanical work of the joints so far [J]; NaN where nobody measures it."""


@contextlib.contextmanager
def ground(engine: Engine, drawn: Case, *, needs_imu: bool) -> Iterator[Ground]:
    """Build the machine of this draw; leaving the block ends it."""
    if engine == "sim":
        made = _in_pybullet(drawn)
    elif engine == "twin":
        made = _in_lockstep(drawn, needs_imu=needs_imu)
    else:
        made = _in_processes(drawn, needs_imu=needs_imu)
    with made as found:
        yield found


@contextlib.contextmanager
def _in_pybullet(drawn: Case) -> Iterator[Ground]:
    plan = load_plan("sim")
    spec = load_spec(plan.spec)
    with SimPupper(spec) as robot:
        robot.become(drawn.dynamics, drawn.seed)
        robot.world.metered = True
        opened = Opened(robot, spec, plan, Calibration.identity(spec), robot)
        yield Ground(opened, robot.world.kick, lambda: robot.world.work)


@contextlib.contextmanager
def _in_lockstep(drawn: Case, *, needs_imu: bool) -> Iterator[Ground]:
    plan = load_plan("twin")
    spec = load_spec(plan.spec)
    twin = Twin(counterpart(drawn.dynamics), seed=drawn.seed)
    twin.body.metered = True
    with lockstep(spec, twin, needs_imu=needs_imu) as robot:
        stops, cause = lambda: robot.gate_stops, lambda: robot.gate.cause
        opened = Opened(robot, spec, plan, Calibration.identity(spec), twin, stops, cause, robot.rearm)
        yield Ground(opened, twin.push, lambda: twin.body.work)


@contextlib.contextmanager
def _in_processes(drawn: Case, *, needs_imu: bool) -> Iterator[Ground]:
    """The path that `leash deploy --robot twin --dynamics FILE` takes, file included."""
    with tempfile.TemporaryDirectory(prefix="leash-") as folder:
        file = Path(folder) / "draw.yaml"
        file.write_text(dump_yaml(msgspec.to_builtins(counterpart(drawn.dynamics))), encoding="utf-8")
        options = RobotOptions(robot="twin", dynamics=file, seed=drawn.seed)
        with open_robot(options, needs_imu=needs_imu) as opened:
            twin = opened.simulator
            if not isinstance(twin, TwinProcess):
                raise TypeError("the twin's referee is its process")
            yield Ground(opened, twin.push, lambda: float(np.nan))
