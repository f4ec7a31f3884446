"""A robot in virtual time, opened like the others."""

import contextlib
from collections.abc import Iterator

from launch.plan import load_plan
from launch.robots import Opened, RobotOptions
from robot.calibration import Calibration
from robot.spec import load_spec
from sim.lockstep import lockstep
from sim.twin_dynamics import load_dynamics
from sim.twin_machine import Twin


@contextlib.contextmanager
def lockstep_robot(options: RobotOptions) -> Iterator[Opened]:
    """The twin in this process, whose time passes only when somebody waits for it."""
    plan = load_plan(options.robot, options.plan)
    spec = load_spec(plan.spec)
    twin = Twin(load_dynamics(options.dynamics), seed=options.noise)
    with lockstep(spec, twin, needs_imu=True) as robot:
        stops, cause = lambda: robot.gate_stops, lambda: robot.gate.cause
        yield Opened(robot, spec, plan, Calibration.identity(spec), twin, stops, cause, robot.rearm)
