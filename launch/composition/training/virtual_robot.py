"""A robot in virtual time, opened like the others."""

import contextlib
from collections.abc import Iterator

from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.robots import Opened, RobotOptions
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.spec import load_spec
from leash_robot.sim.twin.dynamics import load_dynamics
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import lockstep


@contextlib.contextmanager
def lockstep_robot(options: RobotOptions) -> Iterator[Opened]:
    """The twin in this process, whose time passes only when somebody waits for it."""
    plan = load_plan(options.robot, options.plan)
    spec = load_spec(plan.spec)
    twin = Twin(load_dynamics(options.dynamics), seed=options.noise)
    with lockstep(spec, twin, needs_imu=True) as robot:
        stops, cause = lambda: robot.gate_stops, lambda: robot.gate.cause
        yield Opened(robot, spec, plan, Calibration.identity(spec), twin, stops, cause, robot.rearm)
