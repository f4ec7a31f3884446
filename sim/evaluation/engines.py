"""Opens the robot of a randomization sample: in PyBullet, or as the twin in virtual time."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array, Robot
from leash_robot.sim.evaluation.result import Engine
from leash_robot.sim.evaluation.samples import RandomizationSample
from leash_robot.sim.ground_truth import SimulatorHandle
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.randomization.twin_counterpart import counterpart
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import lockstep


@dataclass(frozen=True)
class SampledRobot:
    """Fits `EvaluatedRobot`: the machine of a sample on its floor, ready for `reset`."""

    robot: Robot
    simulator: SimulatorHandle
    push: Callable[[Array], None]
    """Adds a velocity (3,) in the world's axes to the body [m/s]."""
    work: Callable[[], float]
    """Mechanical work of the joints so far [J]; NaN where it is not measured."""
    stopped: Callable[[], str] = field(default=lambda: "")
    rearm: Callable[[], None] = field(default=lambda: None)


def open_sample(
    engine: Engine, sample: RandomizationSample, spec: Spec, *, needs_imu: bool
) -> AbstractContextManager[SampledRobot]:
    """Build the machine of this sample; leaving the block ends it. Raises ValueError for `realtime`, which takes
    processes.
    """
    if engine == "sim":
        return _in_pybullet(sample, spec)
    if engine == "twin":
        return _in_virtual_time(sample, spec, needs_imu=needs_imu)
    raise ValueError(f"the engine {engine!r} is not opened here; open_sample knows sim and twin")


@contextlib.contextmanager
def _in_pybullet(sample: RandomizationSample, spec: Spec) -> Iterator[SampledRobot]:
    with SimPupper(spec) as robot:
        robot.become(sample.dynamics, sample.seed)
        robot.world.metered = True
        yield SampledRobot(robot, robot, robot.world.kick, lambda: robot.world.work)


@contextlib.contextmanager
def _in_virtual_time(sample: RandomizationSample, spec: Spec, *, needs_imu: bool) -> Iterator[SampledRobot]:
    twin = Twin(counterpart(sample.dynamics), seed=sample.seed)
    twin.body.metered = True
    with lockstep(spec, twin, needs_imu=needs_imu) as robot:
        yield SampledRobot(
            robot, twin, twin.push, lambda: twin.body.work, stopped=lambda: robot.gate.cause, rearm=robot.rearm
        )
